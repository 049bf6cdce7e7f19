"""Running a policy in many environments at once, and how often it succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from her.replay import Episode

Policy = Callable[[np.ndarray], np.ndarray]
"""(n, state_dim + goal_dim) observations [state, goal] to (n, …) actions."""


def make_envs(env_id: str, n_envs: int, **env_kwargs: Any) -> VectorEnv:
    """``n_envs`` copies of a goal environment, natively vectorised where it can be.

    Raises:
        ValueError: an unknown environment, arguments it does not take, or no goal environment.
    """
    try:
        native = gym.spec(env_id).vector_entry_point is not None
        mode = "vector_entry_point" if native else "sync"
        extra = {} if native else {"vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
        envs = gym.make_vec(env_id, num_envs=n_envs, vectorization_mode=mode, **extra, **env_kwargs)
    except (gym.error.Error, TypeError) as error:
        raise ValueError(f"env_id: cannot make {env_id!r} with {env_kwargs}: {error}") from error
    keys = {"observation", "achieved_goal", "desired_goal"}
    space = envs.single_observation_space
    if not isinstance(space, gym.spaces.Dict) or not keys <= set(space.keys()):
        raise ValueError(f"env_id: {env_id!r} is no goal environment: expected observations with {sorted(keys)}")
    return envs


def horizon(envs: VectorEnv) -> int:
    """Steps after which an episode is cut off."""
    steps = getattr(envs, "horizon", None) or (envs.spec and envs.spec.max_episode_steps)
    if not steps:
        raise ValueError("env_id: the environment has no time limit; register it with max_episode_steps")
    return int(steps)


@dataclass(frozen=True)
class Rollout:
    """T steps of N environments, time first. ``achieved_goals`` are reached after the action.

    Attributes:
        states, next_states: (T, N, state_dim) float32.
        actions: (T, N, action_dim) float32.
        rewards: (T, N) float32.
        terminated, ended: (T, N) bool; ended says terminated or truncated.
        goals, achieved_goals: (T, N, goal_dim) float32.
        success: (T, N) bool, after the step.
    """

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_states: np.ndarray
    terminated: np.ndarray
    ended: np.ndarray
    goals: np.ndarray
    achieved_goals: np.ndarray
    success: np.ndarray

    def episodes(self) -> Iterator[Episode]:
        """The episodes, environment by environment; one that the rollout cut off counts as truncated."""
        steps, n_envs = self.rewards.shape
        for env in range(n_envs):
            ends = np.union1d(np.flatnonzero(self.ended[:, env]) + 1, steps)
            for begin, end in zip([0, *ends[:-1]], ends, strict=True):
                rows = slice(begin, end)
                yield Episode.from_arrays(
                    self.states[rows, env],
                    self.actions[rows, env],
                    self.rewards[rows, env],
                    self.next_states[rows, env],
                    self.terminated[rows, env],
                    self.achieved_goals[rows, env],
                    self.goals[rows, env],
                )


def rollout(policy: Policy, envs: VectorEnv, steps: int, seed: int, goals: np.ndarray | None = None) -> Rollout:
    """Reset all environments with ``seed``, to pursue ``goals`` if given, and take ``steps`` steps in each."""
    observation, _ = envs.reset(seed=seed, options=None if goals is None else {"goal": goals})
    n, space = envs.num_envs, envs.single_action_space
    state_dim, goal_dim = observation["observation"].shape[1], observation["desired_goal"].shape[1]
    action_dim = 1 if isinstance(space, gym.spaces.Discrete) else space.shape[0]
    states, next_states = (np.empty((steps, n, state_dim), np.float32) for _ in range(2))
    goals, achieved = (np.empty((steps, n, goal_dim), np.float32) for _ in range(2))
    actions, rewards = np.empty((steps, n, action_dim), np.float32), np.empty((steps, n), np.float32)
    terminated, ended, success = (np.empty((steps, n), bool) for _ in range(3))
    inputs = np.empty((n, state_dim + goal_dim), np.float32)
    for t in range(steps):
        inputs[:, :state_dim] = states[t] = observation["observation"]
        inputs[:, state_dim:] = goals[t] = observation["desired_goal"]
        action = policy(inputs)
        actions[t] = action.reshape(n, action_dim)
        observation, rewards[t], terminated[t], truncated, infos = envs.step(action)
        ended[t] = terminated[t] | truncated
        next_states[t], achieved[t], success[t] = _after_step(observation, infos, ended[t])
    return Rollout(states, actions, rewards, next_states, terminated, ended, goals, achieved, success)


def _after_step(observation: dict, infos: dict, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What followed the step itself: where an episode has ended, the observation is already the next episode's."""
    state, achieved = observation["observation"], observation["achieved_goal"]
    success = np.asarray(infos.get("is_success", np.zeros(len(ended))), dtype=bool)
    if ended.any():
        final, state, achieved = infos["final_obs"], state.copy(), achieved.copy()
        if isinstance(final, dict):
            state[ended], achieved[ended] = final["observation"][ended], final["achieved_goal"][ended]
        else:  # gymnasium's own vector environments give an object array of dictionaries
            for env in np.flatnonzero(ended):
                state[env], achieved[env] = final[env]["observation"], final[env]["achieved_goal"]
        if "is_success" in infos.get("final_info", {}):
            success = np.where(ended, np.asarray(infos["final_info"]["is_success"], bool), success)
    return state, achieved, success


@dataclass(frozen=True)
class Evaluation:
    """Episodes under a policy that does not explore.

    Attributes:
        success_at_end: (episodes,) bool: whether the goal was reached at the last step. The paper judges robots so.
        success_at_any: (episodes,) bool: whether it was reached at any step. The paper judges bit flipping so.
        returns: (episodes,) undiscounted.
    """

    success_at_end: np.ndarray
    success_at_any: np.ndarray
    returns: np.ndarray

    def success_rate(self, at: str) -> float:
        """The share of successful episodes; ``at`` is "end" or "any"."""
        if at not in ("end", "any"):
            raise ValueError(f"at: expected 'end' or 'any', got {at!r}")
        return float((self.success_at_end if at == "end" else self.success_at_any).mean())

    def __len__(self) -> int:
        return len(self.returns)

    def __add__(self, other: Evaluation) -> Evaluation:
        """The episodes of both."""
        return Evaluation(
            np.concatenate([self.success_at_end, other.success_at_end]),
            np.concatenate([self.success_at_any, other.success_at_any]),
            np.concatenate([self.returns, other.returns]),
        )


def evaluate(policy: Policy, envs: VectorEnv, seed: int) -> Evaluation:
    """One episode in each environment, with starts and goals that ``seed`` draws."""
    steps = rollout(policy, envs, horizon(envs), seed)
    ended = np.logical_or.accumulate(steps.ended, axis=0)
    first_episode = np.vstack([np.ones_like(ended[:1]), ~ended[:-1]])  # the step that ends it still belongs to it
    last = first_episode.sum(axis=0) - 1
    return Evaluation(
        success_at_end=steps.success[last, np.arange(envs.num_envs)],
        success_at_any=(steps.success & first_episode).any(axis=0),
        returns=(steps.rewards * first_episode).sum(axis=0),
    )


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a success rate."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)
