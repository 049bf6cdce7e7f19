"""Running a policy in many environments at once, and how often it succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from her.envs import robotics
from her.episodes import Episode

Policy = Callable[[np.ndarray], np.ndarray]
"""(n, state_dim + goal_dim) observations [state, goal] to (n, …) actions."""


def make_envs(env_id: str, n_envs: int, **env_kwargs: Any) -> VectorEnv:
    """``n_envs`` copies of a goal environment, natively vectorised where it can be.

    Args:
        env_id: a registered environment, or one of Gymnasium-Robotics.
        n_envs: how many copies.
        env_kwargs: of the environment.

    Raises:
        ValueError: an unknown environment, arguments it does not take, no goal environment, or a robot without the
            extra ``robotics`` or with a mujoco that breaks it.
    """
    try:
        if robotics.is_robotic(env_id):
            envs = robotics.make_robots(env_id, n_envs, **env_kwargs)
        else:
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
        arrays = (self.states, self.actions, self.rewards, self.next_states, self.terminated)
        arrays += (self.achieved_goals, self.goals)
        steps, n_envs = self.rewards.shape
        for env in range(n_envs):
            ends = np.union1d(np.flatnonzero(self.ended[:, env]) + 1, steps)
            for begin, end in zip([0, *ends[:-1]], ends, strict=True):
                rows = slice(begin, end)
                yield Episode.from_arrays(*(array[rows, env] for array in arrays))


def rollout(policy: Policy, envs: VectorEnv, steps: int, seed: int, options: dict[str, Any] | None = None) -> Rollout:
    """Reset all environments with ``seed`` and ``options``, and take ``steps`` steps in each."""
    observation, _ = envs.reset(seed=seed, options=options)
    rows = []
    for _ in range(steps):
        state, goal = observation["observation"], observation["desired_goal"]
        action = policy(np.concatenate([state, goal], axis=1, dtype=np.float32))
        observation, reward, terminated, truncated, infos = envs.step(action)
        ended = terminated | truncated
        next_state, achieved, success = _after_step(observation, infos, ended)
        action = action.reshape(envs.num_envs, -1)
        rows.append((state, action, reward, next_state, terminated, ended, goal, achieved, success))
    arrays = [np.stack(column) for column in zip(*rows, strict=True)]
    return Rollout(*(array if array.dtype == bool else array.astype(np.float32) for array in arrays))


def _after_step(observation: dict, infos: dict, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What followed the step itself: where an episode has ended, the observation is already the next episode's."""
    state, achieved = observation["observation"], observation["achieved_goal"]
    success = _success(infos, np.zeros(len(ended), bool))
    if ended.any():
        final, state, achieved = infos["final_obs"], state.copy(), achieved.copy()
        if isinstance(final, dict):
            state[ended], achieved[ended] = final["observation"][ended], final["achieved_goal"][ended]
        else:  # gymnasium's own vector environments give an object array of dictionaries
            for env in np.flatnonzero(ended):
                state[env], achieved[env] = final[env]["observation"], final[env]["achieved_goal"]
        success = np.where(ended, _success(infos.get("final_info", {}), success), success)
    return state, achieved, success


def _success(infos: dict, otherwise: np.ndarray) -> np.ndarray:
    """(n,) bool; mazes say "success" where all others say "is_success"."""
    return np.asarray(infos.get("is_success", infos.get("success", otherwise)), bool)


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

    @classmethod
    def joined(cls, parts: Sequence[Evaluation], episodes: int | None = None) -> Evaluation:
        """All episodes of several evaluations, or the first ``episodes`` of them."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*(np.concatenate(column)[:episodes] for column in columns))


def evaluate(policy: Policy, envs: VectorEnv, seed: int, episodes: int | None = None) -> Evaluation:
    """Episodes with starts and goals that ``seed`` draws: one in each environment, or the first ``episodes`` of as many
    rounds as that takes."""
    if episodes is None:
        return _one_each(policy, envs, seed)
    rounds = -(-episodes // envs.num_envs)
    seeds = np.random.SeedSequence(seed).generate_state(rounds)
    return Evaluation.joined([_one_each(policy, envs, int(s)) for s in seeds], episodes)


def _one_each(policy: Policy, envs: VectorEnv, seed: int) -> Evaluation:
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
