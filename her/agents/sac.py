"""Soft actor-critic: a policy that stays as random as it can afford, two critics, and the gloomier one is believed."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

from her.agents.continuous import ContinuousAgent
from her.agents.ddpg import Critic
from her.agents.networks import Learner, LearnerConfig, mlp
from her.batch import TorchBatch
from her.validation import check_number


@dataclass(frozen=True)
class SACConfig(LearnerConfig):
    """Settings of `SAC` (Haarnoja et al. 2018, the version with a learned temperature).

    Attributes:
        hidden, learning_rate, gamma, tau, target_range: see `LearnerConfig`. Where it is "auto", targets leave no room
            for what entropy is worth.
        first_temperature: where the temperature α begins: what a nat of entropy is worth in reward. α is learned, so
            that the policy keeps an entropy of minus the number of actions, in nats, actions counted in [-1, 1]
            (Haarnoja et al. 2018, §5). With rewards of -1 and 0, at α = 1 entropy is worth more than the goal.
        random_share: share of uniformly random actions while exploring, beside the policy's own.
        normalize: standardise observations and clip them to ±5 deviations.
    """

    hidden: tuple[int, ...] = (256, 256)
    tau: float = 0.01
    first_temperature: float = 0.1
    random_share: float = 0.1
    target_range: tuple[float, float] | str | None = None
    normalize: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_number("random_share", self.random_share, lambda x: 0 <= x <= 1, "in [0, 1]")
        check_number("first_temperature", self.first_temperature, lambda x: x > 0, "above 0")


class TwinCritic(nn.Module):
    """Two critics that differ in their first weights: (2, n) values."""

    def __init__(self, observation_dim: int, action_dim: int, hidden: tuple[int, ...]):
        super().__init__()
        self.critics = nn.ModuleList(Critic(observation_dim, action_dim, hidden) for _ in range(2))

    def forward(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return torch.stack([critic(observations, actions) for critic in self.critics])


class SAC(ContinuousAgent):
    """Soft actor-critic on [state, goal]; its arguments are those of `ContinuousAgent`."""

    Config = SACConfig

    def _make_networks(self, observation_dim, action_dim):
        config = self.config
        actor = mlp(observation_dim, config.hidden, 2 * action_dim)
        critics = [TwinCritic(observation_dim, action_dim, config.hidden) for _ in range(2)]
        self.actor = Learner(actor, None, config.learning_rate)
        self.critic = Learner(*critics, config.learning_rate, config.tau)
        log_alpha = nn.ParameterList([torch.tensor(math.log(config.first_temperature))])
        self.alpha, self.target_entropy = Learner(log_alpha, None, config.learning_rate), -float(action_dim)

    @property
    def temperature(self) -> float:
        """α as it is now: what a nat of entropy is worth in reward."""
        return math.exp(self.alpha.parameters[0].item())

    def act(self, observations: np.ndarray, explore: bool = False) -> np.ndarray:
        """(n, action_dim) actions: tanh of the mean, or, while exploring, drawn ones and a share of random ones."""
        with torch.no_grad():
            mean, log_std = self._policy(self._inputs(torch.from_numpy(observations)))
        if explore:
            actions = self._some_random(squashed_gaussian(mean, log_std, self._noise(mean))[0].numpy())
        else:
            actions = torch.tanh(mean).numpy()
        return self.action_middle + self.action_half * actions

    def _values(self, inputs, actions):
        return self.critic.network(inputs, actions).min(dim=0).values  # of the two, the smaller

    def update(self, batch: TorchBatch) -> np.ndarray:
        """One gradient step of critics, actor and temperature; returns the (n,) TD errors, target - mean of both Q."""
        observations = self._inputs(batch.observations)
        targets = self.targets(batch)
        errors = targets - self.critic.network(observations, self._unit(batch.actions))
        self.critic.minimise((batch.weights * errors.square()).mean(dim=1).sum())

        mean, log_std = self._policy(observations)
        actions, log_probability = squashed_gaussian(mean, log_std, self._noise(mean))
        values = self._values(observations, actions)
        self.actor.minimise((self.temperature * log_probability - values).mean())
        self.adapt_temperature(log_probability.detach())
        self.critic.follow()
        return errors.detach().mean(dim=0).numpy()

    def adapt_temperature(self, log_probability: torch.Tensor) -> None:
        """One step on log α, by (n,) log densities of actions that the policy has just drawn.

        Where the policy is less random than ``target_entropy`` says, α grows (Haarnoja et al. 2018, §5).
        """
        self.alpha.minimise(-self.alpha.parameters[0] * (log_probability.mean() + self.target_entropy))

    @torch.no_grad()
    def targets(self, batch: TorchBatch) -> torch.Tensor:
        """(n,) r + γ·(1 - done)·(min(Q₁, Q₂)(s', a') - α·log π(a'|s')), a' drawn from the policy, Q the targets'."""
        observations = self._inputs(batch.next_observations)
        mean, log_std = self._policy(observations)
        actions, log_probability = squashed_gaussian(mean, log_std, self._noise(mean))
        values = self.critic.target(observations, actions).min(dim=0).values
        values -= self.temperature * log_probability
        targets = torch.addcmul(batch.rewards, 1 - batch.dones, values, value=self.config.gamma)
        return targets.clamp_(*self.target_range) if self.target_range else targets

    def _policy(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log deviation, (n, action_dim) each, of the Gaussian that tanh squashes."""
        mean, log_std = self.actor.network(inputs).chunk(2, dim=1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)

    def _noise(self, like: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers. All chance of this agent is in ``rng``, so that saving that saves all of it."""
        return torch.from_numpy(self.rng.standard_normal(tuple(like.shape), np.float32))

    def _parts(self) -> dict[str, Any]:
        return super()._parts() | {"alpha": self.alpha}


#: Haarnoja et al. clip the log deviation so; beyond, tanh has no gradient left, or the density no end
LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0


def squashed_gaussian(
    mean: torch.Tensor, log_std: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions a = tanh(u), u = mean + exp(log_std)·noise, and the log of their density.

    log π(a) = Σ log N(u; mean, std) - Σ log(1 - tanh²(u)) (Haarnoja et al. 2018, Appendix C). The last term is taken as
    2·(log 2 - u - softplus(-2u)), which stays exact where tanh²(u) rounds to 1.

    From (n, action_dim) each, standard normal noise, to (n, action_dim) actions in [-1, 1] and (n,) log densities.
    """
    u = torch.addcmul(mean, log_std.exp(), noise)
    log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2 * (math.log(2) - u - softplus(-2 * u))
    return torch.tanh(u), (log_normal - log_slope).sum(dim=1)
