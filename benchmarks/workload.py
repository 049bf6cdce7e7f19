"""What all replay buffers are given: simulated episodes of the size of a Fetch task, and the sparse reward."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import gymnasium as gym
import numpy as np

from her import sparse_reward

STATE_DIM, ACTION_DIM, GOAL_DIM, HORIZON, K = 25, 4, 3, 50, 4
STRATEGIES = ("final", "future", "episode", "random")


def compute_reward(achieved_goal: np.ndarray, desired_goal: np.ndarray, info: object = None) -> np.ndarray:
    """-1, or 0 within 5 cm, as in Fetch. Everyone calls this one, which is about three times as fast as Fetch's."""
    return sparse_reward(achieved_goal, desired_goal, threshold=0.05)


@dataclass(frozen=True)
class Episodes:
    """E episodes of 50 steps. The achieved goal is the first three numbers of the state.

    Attributes:
        states: (E, 51, 25) float32.
        actions: (E, 50, 4) float32.
        desired: (E, 3) float32.
    """

    states: np.ndarray
    actions: np.ndarray
    desired: np.ndarray

    @classmethod
    def simulated(cls, n_transitions: int, seed: int = 0) -> Episodes:
        rng, n = np.random.default_rng(seed), n_transitions // HORIZON
        states = rng.standard_normal((n, HORIZON + 1, STATE_DIM), np.float32)
        actions = rng.uniform(-1, 1, (n, HORIZON, ACTION_DIM)).astype(np.float32)
        return cls(states, actions, rng.standard_normal((n, GOAL_DIM), np.float32))

    @property
    def achieved(self) -> np.ndarray:
        """(E, 51, 3): what each state fulfils."""
        return self.states[..., :GOAL_DIM]

    @cached_property
    def rewards(self) -> np.ndarray:
        """(E, 50) float32."""
        return compute_reward(self.achieved[:, 1:], self.desired[:, None])

    def __len__(self) -> int:
        return len(self.desired)

    @property
    def n_transitions(self) -> int:
        return len(self) * HORIZON


class GoalSpace(gym.Env):
    """Spaces and reward function, for libraries that want an environment."""

    observation_space = gym.spaces.Dict(
        observation=gym.spaces.Box(-np.inf, np.inf, (STATE_DIM,), np.float32),
        achieved_goal=gym.spaces.Box(-np.inf, np.inf, (GOAL_DIM,), np.float32),
        desired_goal=gym.spaces.Box(-np.inf, np.inf, (GOAL_DIM,), np.float32),
    )
    action_space = gym.spaces.Box(-1, 1, (ACTION_DIM,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), -1.0, False, False, {}

    def compute_reward(self, achieved_goal, desired_goal, info):
        return compute_reward(achieved_goal, desired_goal)
