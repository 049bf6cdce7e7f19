"""Deep deterministic policy gradients, with the details of the HER paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from her.agents.continuous import ContinuousAgent
from her.agents.dqn import target_range
from her.agents.networks import Learner, check_learner, mlp
from her.batch import TorchBatch
from her.validation import check_number


@dataclass(frozen=True)
class DDPGConfig:
    """Settings of `DDPG`; the details come from Andrychowicz et al. 2017, Appendix A.

    Attributes:
        hidden: widths of the hidden layers, of actor and critic alike.
        learning_rate: of Adam, for actor and critic alike.
        gamma: discount γ, for every transition, the last of an episode included.
        tau: share of the networks that goes into the target networks at each update.
        action_penalty: weight of the mean squared pre-activation of the actor's output in its loss. It keeps tanh from
            saturating, where its gradient vanishes.
        random_share: share of uniformly random actions while exploring.
        noise: deviation of Gaussian noise on the other actions, in units of the action range's half.
        target_range: targets are clipped to it; "auto" is [-1/(1-γ), 0], right for rewards of -1 and 0.
        normalize: standardise observations and clip them to ±5 deviations.
        layer_norm: in the critic, before each ReLU: it keeps values from running away where there are many updates for
            each step (Hiraoka et al. 2022, who combine it with dropout).

    Raises:
        ValueError: a setting out of its range.
    """

    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    gamma: float = 0.98
    tau: float = 0.05
    action_penalty: float = 0.05
    random_share: float = 0.3
    noise: float = 0.2
    target_range: tuple[float, float] | str | None = "auto"
    normalize: bool = True
    layer_norm: bool = False

    def __post_init__(self):
        check_learner(self)
        for name in ("action_penalty", "noise"):
            check_number(name, getattr(self, name), lambda x: x >= 0, "at least 0")
        check_number("random_share", self.random_share, lambda x: 0 <= x <= 1, "in [0, 1]")


class Critic(nn.Module):
    """Q(s, g, a) of [state, goal] and action: (n,) values."""

    def __init__(self, observation_dim: int, action_dim: int, hidden: tuple[int, ...], layer_norm: bool = False):
        super().__init__()
        self.layers = mlp(observation_dim + action_dim, hidden, 1, layer_norm)

    def forward(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([observations, actions], dim=1)).squeeze(1)


class DDPG(ContinuousAgent):
    """DDPG (Lillicrap et al. 2016) on [state, goal].

    Args:
        observation_dim: state_dim + goal_dim.
        action_low, action_high: (action_dim,) the action range; the networks see it as [-1, 1].
        config: the settings.
        seed: of the initial weights and of exploration.
    """

    def __init__(
        self,
        observation_dim: int,
        action_low: np.ndarray,
        action_high: np.ndarray,
        config: DDPGConfig | None = None,
        seed: int = 0,
    ):
        self.config = config = config or DDPGConfig()
        super().__init__(observation_dim, action_low, action_high, config.normalize, seed)
        action_dim = len(self.action_middle)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            actors = [mlp(observation_dim, config.hidden, action_dim) for _ in range(2)]
            critics = [Critic(observation_dim, action_dim, config.hidden, config.layer_norm) for _ in range(2)]
        self.actor = Learner(*actors, config.learning_rate, config.tau)
        self.critic = Learner(*critics, config.learning_rate, config.tau)
        self.target_range = target_range(config.target_range, config.gamma)

    def act(self, observations: np.ndarray, explore: bool = False) -> np.ndarray:
        """(n, action_dim) actions: the actor's, or, while exploring, noisy ones and a share of random ones."""
        with torch.no_grad():
            actions = torch.tanh(self.actor.network(self._inputs(torch.from_numpy(observations)))).numpy()
        if explore:
            noisy = actions + self.config.noise * self.rng.standard_normal(actions.shape, np.float32)
            random = self.rng.uniform(-1, 1, actions.shape).astype(np.float32)
            is_random = self.rng.random((len(actions), 1)) < self.config.random_share
            actions = np.where(is_random, random, noisy.clip(-1, 1))
        return self.action_middle + self.action_half * actions

    def q_values(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Q(s, g, a) for (n, observation_dim) observations and (n, action_dim) actions: (n,)."""
        with torch.no_grad():
            inputs = self._inputs(torch.from_numpy(np.asarray(observations, np.float32)))
            return self.critic.network(inputs, self._unit(torch.from_numpy(np.asarray(actions, np.float32)))).numpy()

    def update(self, batch: TorchBatch) -> np.ndarray:
        """One gradient step of the critic and one of the actor; returns the (n,) TD errors, target - Q."""
        config, actor, critic = self.config, self.actor, self.critic
        observations = self._inputs(batch.observations)
        with torch.no_grad():
            next_observations = self._inputs(batch.next_observations)
            next_values = critic.target(next_observations, torch.tanh(actor.target(next_observations)))
            targets = torch.addcmul(batch.rewards, 1 - batch.dones, next_values, value=config.gamma)
            if self.target_range:
                targets.clamp_(*self.target_range)
        errors = targets - critic.network(observations, self._unit(batch.actions))
        critic.minimise((batch.weights * errors.square()).mean())

        pre_activations = actor.network(observations)
        values = critic.network(observations, torch.tanh(pre_activations))
        actor.minimise(config.action_penalty * pre_activations.square().mean() - values.mean())
        actor.follow()
        critic.follow()
        return errors.detach().numpy()
