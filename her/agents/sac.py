"""Soft actor-critic: a policy that stays as random as it can afford, two critics, and the gloomier one is believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

from her.agents.continuous import ContinuousAgent
from her.agents.ddpg import Critic
from her.agents.dqn import target_range
from her.agents.networks import Adam, Learner, check_learner, mlp
from her.batch import TorchBatch
from her.validation import check_number, check_positive_integer


@dataclass(frozen=True)
class SACConfig:
    """Settings of `SAC` (Haarnoja et al. 2018, the version with a learned temperature).

    Attributes:
        hidden: widths of the hidden layers, of actor and critics alike.
        learning_rate: of Adam, for actor, critics and temperature alike.
        gamma: discount γ, for every transition, the last of an episode included.
        tau: share of the critics that goes into the target critics at each update.
        first_temperature: where the temperature α begins: what a nat of entropy is worth in reward. α is learned, so
            that the policy keeps an entropy of minus the number of actions, in nats, actions counted in [-1, 1]
            (Haarnoja et al. 2018, §5). With rewards of -1 and 0, at α = 1 entropy is worth more than the goal.
        random_share: share of uniformly random actions while exploring, beside the policy's own.
        target_range: targets are clipped to it, None clips nothing, "auto" is [-1/(1-γ), 0] as in `DDPGConfig`, which
            leaves no room for what entropy is worth.
        normalize: standardise observations and clip them to ±5 deviations.
        layer_norm: in the critics, before each ReLU: it keeps values from running away where there are many updates for
            each step (Hiraoka et al. 2022, who combine it with dropout).
        critics: how many, at least 2. The smaller value of two counts; of more than 2, two are drawn for each update
            (REDQ, Chen et al. 2021).

    Raises:
        ValueError: a setting out of its range.
    """

    hidden: tuple[int, ...] = (256, 256)
    learning_rate: float = 1e-3
    gamma: float = 0.98
    tau: float = 0.01
    first_temperature: float = 0.1
    random_share: float = 0.1
    target_range: tuple[float, float] | str | None = None
    normalize: bool = True
    layer_norm: bool = False
    critics: int = 2

    def __post_init__(self):
        check_learner(self)
        check_number("random_share", self.random_share, lambda x: 0 <= x <= 1, "in [0, 1]")
        if check_positive_integer("critics", self.critics) < 2:
            raise ValueError(f"critics: expected at least 2, got {self.critics}")
        check_number("first_temperature", self.first_temperature, lambda x: x > 0, "above 0")


class Critics(nn.Module):
    """Several critics that differ in their first weights: (critics, n) values."""

    def __init__(self, observation_dim: int, action_dim: int, config: SACConfig):
        super().__init__()
        dims = observation_dim, action_dim, config.hidden, config.layer_norm
        self.critics = nn.ModuleList(Critic(*dims) for _ in range(config.critics))

    def forward(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return torch.stack([critic(observations, actions) for critic in self.critics])


class SAC(ContinuousAgent):
    """Soft actor-critic on [state, goal], with the interface of `DDPG`.

    Args:
        observation_dim: state_dim + goal_dim.
        action_low, action_high: (action_dim,) the action range; the networks see it as [-1, 1].
        config: the settings.
        seed: of the initial weights, and of all that is drawn later: exploration, and the actions that updates imagine.
    """

    def __init__(
        self,
        observation_dim: int,
        action_low: np.ndarray,
        action_high: np.ndarray,
        config: SACConfig | None = None,
        seed: int = 0,
    ):
        self.config = config = config or SACConfig()
        super().__init__(observation_dim, action_low, action_high, config.normalize, seed)
        action_dim = len(self.action_middle)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            actor = mlp(observation_dim, config.hidden, 2 * action_dim)
            critics = [Critics(observation_dim, action_dim, config) for _ in range(2)]
        self.actor = Learner(actor, None, config.learning_rate)
        self.critic = Learner(*critics, config.learning_rate, config.tau)
        self.temperature = Temperature(config.first_temperature, config.learning_rate, -float(action_dim))
        self.target_range = target_range(config.target_range, config.gamma)

    def act(self, observations: np.ndarray, explore: bool = False) -> np.ndarray:
        """(n, action_dim) actions: tanh of the mean, or, while exploring, drawn ones and a share of random ones."""
        with torch.no_grad():
            mean, log_std = self._policy(self._inputs(torch.from_numpy(observations)))
            if not explore:
                return self.action_middle + self.action_half * torch.tanh(mean).numpy()
            actions = squashed_gaussian(mean, log_std, self._noise(mean))[0].numpy()
        random = self.rng.uniform(-1, 1, actions.shape).astype(np.float32)
        is_random = self.rng.random((len(actions), 1)) < self.config.random_share
        return self.action_middle + self.action_half * np.where(is_random, random, actions)

    def q_values(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Q(s, g, a), the smallest of all critics', for (n, observation_dim) and (n, action_dim): (n,)."""
        with torch.no_grad():
            inputs = self._inputs(torch.from_numpy(np.asarray(observations, np.float32)))
            actions = self._unit(torch.from_numpy(np.asarray(actions, np.float32)))
            return self.critic.network(inputs, actions).min(dim=0).values.numpy()

    def update(self, batch: TorchBatch) -> np.ndarray:
        """One gradient step of critics, actor and temperature; returns the (n,) TD errors, target - mean of all Q."""
        observations = self._inputs(batch.observations)
        targets = self.targets(batch)
        errors = targets - self.critic.network(observations, self._unit(batch.actions))
        self.critic.minimise((batch.weights * errors.square()).mean(dim=1).sum())

        mean, log_std = self._policy(observations)
        actions, log_probability = squashed_gaussian(mean, log_std, self._noise(mean))
        values = self._smaller(self.critic.network(observations, actions))
        self.actor.minimise((self.temperature.value * log_probability - values).mean())
        self.temperature.adapt(log_probability.detach())
        self.critic.follow()
        return errors.detach().mean(dim=0).numpy()

    @torch.no_grad()
    def targets(self, batch: TorchBatch) -> torch.Tensor:
        """(n,) r + γ·(1 - done)·(min(Q₁, Q₂)(s', a') - α·log π(a'|s')), a' drawn from the policy, Q the targets'."""
        observations = self._inputs(batch.next_observations)
        mean, log_std = self._policy(observations)
        actions, log_probability = squashed_gaussian(mean, log_std, self._noise(mean))
        values = self._smaller(self.critic.target(observations, actions))
        values -= self.temperature.value * log_probability
        targets = torch.addcmul(batch.rewards, 1 - batch.dones, values, value=self.config.gamma)
        return targets.clamp_(*self.target_range) if self.target_range else targets

    def _smaller(self, values: torch.Tensor) -> torch.Tensor:
        """(n,) of (critics, n) values: the smaller of two critics', which are drawn if there are more."""
        if len(values) > 2:
            values = values[self.rng.choice(len(values), 2, replace=False)]
        return values.min(dim=0).values

    def _policy(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log deviation, (n, action_dim) each, of the Gaussian that tanh squashes."""
        mean, log_std = self.actor.network(inputs).chunk(2, dim=1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)

    def _noise(self, like: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers. All chance of this agent is in ``rng``, so that saving that saves all of it."""
        return torch.from_numpy(self.rng.standard_normal(tuple(like.shape), np.float32))

    def _parts(self) -> dict[str, Any]:
        return super()._parts() | {"temperature": self.temperature}


#: Haarnoja et al. clip the log deviation so; beyond, tanh has no gradient left, or the density no end
LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0


def squashed_gaussian(
    mean: torch.Tensor, log_std: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions a = tanh(u), u = mean + exp(log_std)·noise, and the log of their density.

    log π(a) = Σ log N(u; mean, std) - Σ log(1 - tanh²(u)) (Haarnoja et al. 2018, Appendix C). The last term is taken as
    2·(log 2 - u - softplus(-2u)), which stays exact where tanh²(u) rounds to 1.

    Args:
        mean, log_std, noise: (n, action_dim); noise is standard normal.

    Returns:
        (n, action_dim) actions in [-1, 1], and (n,) log densities; gradients flow through both.
    """
    u = torch.addcmul(mean, log_std.exp(), noise)
    log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2 * (math.log(2) - u - softplus(-2 * u))
    return torch.tanh(u), (log_normal - log_slope).sum(dim=1)


class Temperature:
    """α, which Adam moves on log α until the policy's entropy is ``target_entropy``.

    The loss is -log α · mean(log π + target entropy): where the policy is less random than wanted, α grows.
    """

    def __init__(self, first: float, learning_rate: float, target_entropy: float):
        self.target_entropy = target_entropy
        self._log = torch.tensor(math.log(first))
        self._adam = Adam([self._log], learning_rate)

    @property
    def value(self) -> float:
        """α as it is now."""
        return math.exp(self._log.item())

    def adapt(self, log_probability: torch.Tensor) -> None:
        """One step, by (n,) log densities of actions that the policy has just drawn."""
        self._adam.step([-(log_probability.mean() + self.target_entropy)])

    def state(self) -> dict[str, Any]:
        """log α, and the state of its optimiser."""
        return {"log": self._log, "adam": self._adam.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self._log.copy_(state["log"])
        self._adam.load_state_dict(state["adam"])
