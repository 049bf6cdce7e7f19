"""Stable-Baselines3's DQN, SAC and TD3, and sb3-contrib's TQC, with priorities by TD error (Schaul et al. 2016, §3.4).

Each gradient step weighs the critic's loss with the batch's importance weights and tells the buffer the TD errors; the
actor's loss is SB3's. Where all weights are 1, a step changes the networks exactly as SB3's does.

>>> from her.integrations.sb3 import SAC                                                       # doctest: +SKIP
>>> from her.td_error import ProportionalTransitions                                           # doctest: +SKIP
>>> priorities = {"transitions": ProportionalTransitions(beta_batches=50_000)}                 # doctest: +SKIP
>>> model = SAC("MultiInputPolicy", "her/Reach-v0", replay_buffer_kwargs=priorities)           # doctest: +SKIP
"""

from typing import Any

import sb3_contrib
import stable_baselines3
import torch
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.utils import polyak_update
from torch.nn.functional import smooth_l1_loss

from her.integrations.sb3 import HindsightReplayBuffer


class Prioritized:
    """What the four share. ``replay_buffer_class`` is `HindsightReplayBuffer`, or one derived from it."""

    def __init__(self, *args: Any, **kwargs: Any):
        buffer_class = kwargs["replay_buffer_class"] = kwargs.get("replay_buffer_class") or HindsightReplayBuffer
        if not issubclass(buffer_class, HindsightReplayBuffer):
            raise ValueError(f"replay_buffer_class: expected a HindsightReplayBuffer, got {buffer_class}")
        super().__init__(*args, **kwargs)

    def _begin(self, *optimizers: torch.optim.Optimizer | None) -> None:
        self.policy.set_training_mode(True)
        self._update_learning_rate([optimizer for optimizer in optimizers if optimizer is not None])

    def _draw(self, batch_size: int) -> tuple[DictReplayBufferSamples, torch.Tensor, torch.Tensor | float]:
        """A batch, its (n, 1) importance weights, and the discount of what comes after it, as a number or (n, 1)."""
        data = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
        weights = torch.as_tensor(self.replay_buffer.newest.weights, device=self.device)[:, None]
        discounts = getattr(data, "discounts", None)  # of n-step returns; SB3 has the field since 2.7
        return data, weights, self.gamma if discounts is None else discounts

    def _descend(self, name: str, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        """One step of an optimiser; the loss goes into SB3's log."""
        optimizer.zero_grad()
        loss.backward()
        if name == "loss":  # DQN's
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        optimizer.step()
        self.logger.record_mean(f"train/{name}", loss.item())

    def _log_updates(self) -> None:
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")


class DQN(Prioritized, stable_baselines3.DQN):
    """`stable_baselines3.DQN` with priorities; the TD error is target - Q(s, a)."""

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        self._begin(self.policy.optimizer)
        for _ in range(gradient_steps):
            data, weights, discounts = self._draw(batch_size)
            with torch.no_grad():
                next_values = self.q_net_target(data.next_observations).max(dim=1, keepdim=True).values
                targets = data.rewards + (1 - data.dones) * discounts * next_values
            values = self.q_net(data.observations).gather(1, data.actions.long())
            losses = smooth_l1_loss(values, targets, reduction="none")
            self._descend("loss", self.policy.optimizer, (weights * losses).mean())
            self.replay_buffer.update_priorities(targets - values)
        self._n_updates += gradient_steps
        self._log_updates()


class TD3(Prioritized, stable_baselines3.TD3):
    """`stable_baselines3.TD3` with priorities; the TD error is target - the mean of both critics."""

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        self._begin(self.actor.optimizer, self.critic.optimizer)
        for _ in range(gradient_steps):
            self._n_updates += 1
            data, weights, discounts = self._draw(batch_size)
            with torch.no_grad():
                noise = torch.empty_like(data.actions).normal_(0, self.target_policy_noise)
                noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
                next_actions = (self.actor_target(data.next_observations) + noise).clamp(-1, 1)
                next_values = torch.cat(self.critic_target(data.next_observations, next_actions), dim=1)
                next_values = next_values.min(dim=1, keepdim=True).values
                targets = data.rewards + (1 - data.dones) * discounts * next_values
            errors = targets - torch.cat(self.critic(data.observations, data.actions), dim=1)
            self._descend("critic_loss", self.critic.optimizer, (weights * errors.square()).mean(dim=0).sum())
            self.replay_buffer.update_priorities(errors.mean(dim=1))
            if self._n_updates % self.policy_delay == 0:
                values = self.critic.q1_forward(data.observations, self.actor(data.observations))
                self._descend("actor_loss", self.actor.optimizer, -values.mean())
                for network, target in ((self.critic, self.critic_target), (self.actor, self.actor_target)):
                    polyak_update(network.parameters(), target.parameters(), self.tau)
                polyak_update(self.critic_batch_norm_stats, self.critic_batch_norm_stats_target, 1.0)
                polyak_update(self.actor_batch_norm_stats, self.actor_batch_norm_stats_target, 1.0)
        self._log_updates()


class EntropyRegularized(Prioritized):
    """The gradient steps of `SAC` and `TQC`, which differ in how their critics are read and what their loss is.

    Of observations and actions, ``_values`` gives (n, 1) of the critics and ``_next_values`` (n, 1), or (n, quantiles),
    of the targets; ``_critic_losses`` gives (n,) losses, summed over the critics, and (n,) TD errors of a batch.
    """

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        self._begin(self.actor.optimizer, self.critic.optimizer, self.ent_coef_optimizer)
        for step in range(gradient_steps):
            data, weights, discounts = self._draw(batch_size)
            if self.use_sde:
                self.actor.reset_noise()
            actions, log_prob = self.actor.action_log_prob(data.observations)
            log_prob, ent_coef = log_prob[:, None], self._adapt_entropy(log_prob)
            with torch.no_grad():
                next_actions, next_log_prob = self.actor.action_log_prob(data.next_observations)
                next_values = self._next_values(data.next_observations, next_actions)
                next_values = next_values - ent_coef * next_log_prob[:, None]
                targets = data.rewards + (1 - data.dones) * discounts * next_values
            losses, errors = self._critic_losses(data, targets)
            self._descend("critic_loss", self.critic.optimizer, (weights[:, 0] * losses).mean())
            self.replay_buffer.update_priorities(errors)
            actor_loss = (ent_coef * log_prob - self._values(data.observations, actions)).mean()
            self._descend("actor_loss", self.actor.optimizer, actor_loss)
            if step % self.target_update_interval == 0:
                polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
                polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
        self._n_updates += gradient_steps
        self._log_updates()

    def _adapt_entropy(self, log_prob: torch.Tensor) -> torch.Tensor:
        """The entropy coefficient, before it takes a step of its own if it is learned."""
        ent_coef = self.ent_coef_tensor if self.ent_coef_optimizer is None else self.log_ent_coef.detach().exp()
        if self.ent_coef_optimizer is not None:
            loss = -(self.log_ent_coef * (log_prob + self.target_entropy).detach()).mean()
            self._descend("ent_coef_loss", self.ent_coef_optimizer, loss)
        self.logger.record_mean("train/ent_coef", ent_coef.item())
        return ent_coef


class SAC(EntropyRegularized, stable_baselines3.SAC):
    """`stable_baselines3.SAC` with priorities; the TD error is target - the mean of the critics."""

    def _values(self, observations, actions):
        return torch.cat(self.critic(observations, actions), dim=1).min(dim=1, keepdim=True).values

    def _next_values(self, observations, actions):
        return torch.cat(self.critic_target(observations, actions), dim=1).min(dim=1, keepdim=True).values

    def _critic_losses(self, data, targets):
        errors = targets - torch.cat(self.critic(data.observations, data.actions), dim=1)
        return 0.5 * errors.square().sum(dim=1), errors.mean(dim=1)


class TQC(EntropyRegularized, sb3_contrib.TQC):
    """`sb3_contrib.TQC` with priorities; the TD error is the mean of the target's quantiles - that of the critics'."""

    def _values(self, observations, actions):
        return self.critic(observations, actions).mean(dim=2).mean(dim=1, keepdim=True)

    def _next_values(self, observations, actions):
        quantiles = self.critic_target(observations, actions).flatten(start_dim=1).sort(dim=1).values
        dropped = self.top_quantiles_to_drop_per_net * self.critic.n_critics
        return quantiles[:, : self.critic.quantiles_total - dropped]

    def _critic_losses(self, data, targets):
        quantiles = self.critic(data.observations, data.actions)  # (n, critics, quantiles)
        n_quantiles = quantiles.shape[2]
        levels = (torch.arange(n_quantiles, device=self.device) + 0.5) / n_quantiles
        apart = targets[:, None, None, :] - quantiles[..., None]  # (n, critics, quantiles, targets)
        huber = smooth_l1_loss(apart, torch.zeros_like(apart), reduction="none")
        losses = ((levels[:, None] - (apart < 0).float()).abs() * huber).mean(dim=(1, 2, 3))
        return losses, targets.mean(dim=1) - quantiles.mean(dim=(1, 2))
