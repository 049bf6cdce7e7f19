"""One episode of random actions, before anything is trained: what rewards there are, and what a step costs."""

import time
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from her.rewards import BatchedReward, RewardFunction
from her.training.config import TrainingConfig
from her.training.evaluation import Rollout, SuccessFunction, horizon, make_envs, reward_of, rollout


@dataclass(frozen=True)
class RewardScale:
    """Rewards as the learner sees them: ``best`` becomes 0 and ``worst`` -1, so that -1/0 stays as it is.

    Without ends that changes no optimal policy. An end means a reward of 0 ever after; so that it goes on meaning that,
    the reward of a transition that is done also gets γ/(1-γ) times what 0 becomes. Only an end with the best reward
    counts as staying at the goal: what is best stays so, and the values of policies lie farther apart.

    Attributes:
        worst, best: of the reward function on the goals of an episode.
        sparse: whether it gave these two only. Then, if 0 lies between them, all returns lie in [-1/(1-γ), 0].
        gamma: discount γ. With 1, rewards are divided by best - worst, and nothing is added.
    """

    worst: float
    best: float
    sparse: bool
    gamma: float

    @property
    def bounded(self) -> bool:
        """Whether all returns lie in [-1/(1-γ), 0]."""
        return self.sparse and self.worst <= 0 <= self.best and self.gamma < 1

    def __call__(self, rewards: np.ndarray, dones: np.ndarray) -> np.ndarray:
        """(n,) rewards of transitions on this scale, float32; ``dones`` says which are ends."""
        scale, shift = self.best - self.worst, self.best if self.gamma < 1 else 0.0
        scaled = (rewards - shift) / scale
        if shift:
            scaled -= (dones & (rewards != self.best)) * np.float32(self.gamma / (1 - self.gamma) * shift / scale)
        return scaled


UNSCALED = RewardScale(-1.0, 0.0, sparse=False, gamma=0.0)  # for rewards that are to stay as they are


class Look(NamedTuple):
    """What the episode told.

    Attributes:
        rewards: the least and the largest, and whether there is no third; see `RewardScale`.
        tells_success: whether success can be told.
        seconds_per_step: of a single environment, wall time.
    """

    rewards: tuple[float, float, bool]
    tells_success: bool
    seconds_per_step: float


def look(config: TrainingConfig, success_function: SuccessFunction | None = None) -> Look:
    """Play one episode of random actions in an environment that is made for it."""
    seed = config.seed % 2**32
    with closing(make_envs(config.env_id, 1, **config.env_kwargs)) as envs:
        envs.action_space.seed(seed)
        steps, began = horizon(envs), time.perf_counter()
        played = rollout(lambda _: envs.action_space.sample(), envs, steps, seed, success_function=success_function)
        seconds = (time.perf_counter() - began) / steps
        return Look(reward_range(reward_of(envs), played), not np.isnan(played.success).any(), seconds)


def reward_range(function: RewardFunction, played: Rollout) -> tuple[float, float, bool]:
    """The least and the largest reward of pairs of goals that were met, and whether there is no third.

    The pairs: what was achieved with what was desired, with itself, and with what was achieved at other times.
    """
    achieved, desired = (goals.reshape(-1, goals.shape[-1]) for goals in (played.achieved_goals, played.goals))
    a = np.concatenate([achieved] * 4)
    d = np.concatenate([desired, achieved, achieved[::-1], np.roll(achieved, 1, axis=0)])
    rewards = np.unique(np.concatenate([BatchedReward(function)(a, d), played.rewards.ravel()])) + 0.0  # no -0
    if len(rewards) == 1:  # everywhere is the goal, as far as was seen
        return float(rewards[0]) - 1, float(rewards[0]), True
    return float(rewards[0]), float(rewards[-1]), len(rewards) == 2
