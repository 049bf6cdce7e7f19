"""Deep deterministic policy gradients, with the details of the HER paper."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from her.agents.continuous import ContinuousAgent
from her.agents.networks import Learner, LearnerConfig, mlp
from her.batch import TorchBatch
from her.validation import check_number


@dataclass(frozen=True)
class DDPGConfig(LearnerConfig):
    """Settings of `DDPG`; the details come from Andrychowicz et al. 2017, Appendix A.

    Attributes:
        action_penalty: weight of the mean squared pre-activation of the actor's output in its loss. It keeps tanh from
            saturating, where its gradient vanishes.
        random_share: share of uniformly random actions while exploring.
        noise: deviation of Gaussian noise on the other actions, in units of the action range's half.
        normalize: standardise observations and clip them to ±5 deviations.
    """

    action_penalty: float = 0.05
    random_share: float = 0.3
    noise: float = 0.2
    normalize: bool = True

    def __post_init__(self):
        super().__post_init__()
        for name in ("action_penalty", "noise"):
            check_number(name, getattr(self, name), lambda x: x >= 0, "at least 0")
        check_number("random_share", self.random_share, lambda x: 0 <= x <= 1, "in [0, 1]")


class Critic(nn.Module):
    """Q(s, g, a) of [state, goal] and action: (n,) values."""

    def __init__(self, observation_dim: int, action_dim: int, hidden: tuple[int, ...]):
        super().__init__()
        self.layers = mlp(observation_dim + action_dim, hidden, 1)

    def forward(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([observations, actions], dim=1)).squeeze(1)


class DDPG(ContinuousAgent):
    """DDPG (Lillicrap et al. 2016) on [state, goal]; its arguments are those of `ContinuousAgent`."""

    Config = DDPGConfig

    def _make_networks(self, observation_dim, action_dim):
        config = self.config
        actors = [mlp(observation_dim, config.hidden, action_dim) for _ in range(2)]
        critics = [Critic(observation_dim, action_dim, config.hidden) for _ in range(2)]
        self.actor = Learner(*actors, config.learning_rate, config.tau)
        self.critic = Learner(*critics, config.learning_rate, config.tau)

    def act(self, observations: np.ndarray, explore: bool = False) -> np.ndarray:
        """(n, action_dim) actions: the actor's, or, while exploring, noisy ones and a share of random ones."""
        with torch.no_grad():
            actions = torch.tanh(self.actor.network(self._inputs(torch.from_numpy(observations)))).numpy()
        if explore:
            noisy = actions + self.config.noise * self.rng.standard_normal(actions.shape, np.float32)
            actions = self._some_random(noisy.clip(-1, 1))
        return self.action_middle + self.action_half * actions

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
