"""Running a policy in many environments at once, and how often it succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from her.envs import robotics
from her.episodes import Episode
from her.integrations.observations import GOAL_KEYS, check_goal_space
from her.rewards import BatchedReward, RewardFunction

Policy = Callable[[np.ndarray], np.ndarray]
"""(n, state_dim + goal_dim) observations [state, goal] to (n, …) actions."""
SuccessFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(n, goal_dim) achieved and desired goals to (n,) bool."""


def make_envs(env_id: str, n_envs: int, **env_kwargs: Any) -> VectorEnv:
    """``n_envs`` copies of a goal environment, natively vectorised where it can be.

    Args:
        env_id: a registered environment, one of Gymnasium-Robotics, or ``module:Name-v0``: one that this module
            registers when it is imported. A ValueError says why it cannot be made or learned in.
        n_envs: how many copies.
        env_kwargs: of the environment; and ``max_episode_steps``, its time limit.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            import_module(module)
        if robotics.is_robotic(name):
            envs = robotics.make_robots(name, n_envs, **env_kwargs)
        else:
            native, same_step = gym.spec(name).vector_entry_point is not None, AutoresetMode.SAME_STEP
            if native:
                envs = gym.make_vec(name, n_envs, **env_kwargs)
                if envs.metadata.get("autoreset_mode") is not same_step:  # its resets would be stored as steps
                    envs.close()
                    native = False
            if not native:
                envs = gym.make_vec(name, n_envs, "sync", {"autoreset_mode": same_step}, **env_kwargs)
    except (gym.error.Error, ImportError, TypeError) as error:
        raise ValueError(f"env_id: cannot make {env_id!r} with {env_kwargs}: {error}") from error
    check_spaces(env_id, envs.single_observation_space, envs.single_action_space)
    return envs


def check_spaces(env_id: str, observations: gym.Space, actions: gym.Space) -> None:
    """A ValueError that names the space, if no agent can learn in these of a single environment."""
    if isinstance(observations, gym.spaces.Dict):  # others than these three are left out
        observations = gym.spaces.Dict({key: observations[key] for key in GOAL_KEYS if key in observations.spaces})
    try:
        check_goal_space(observations, (gym.spaces.Box, gym.spaces.MultiBinary))
    except ValueError as error:
        raise ValueError(f"env_id: {env_id!r} is no goal environment to learn in: {error}") from None
    discrete = isinstance(actions, gym.spaces.Discrete) and actions.start == 0
    box = isinstance(actions, gym.spaces.Box) and len(actions.shape) == 1 and actions.is_bounded()
    if not discrete and not box:
        raise ValueError(
            f"env_id: {env_id!r} has the action space {actions}: expected a bounded Box of shape (n,), or Discrete(n) "
            "whose actions begin at 0; gymnasium.wrappers.TransformAction makes one of another"
        )


def horizon(envs: VectorEnv) -> int:
    """Steps after which an episode is cut off; a ValueError if the environment has no time limit."""
    if hasattr(envs, "horizon"):
        return int(envs.horizon)
    first = envs.envs[0] if hasattr(envs, "envs") else envs
    limited = hasattr(first, "has_wrapper_attr") and first.has_wrapper_attr("_max_episode_steps")
    steps = first.get_wrapper_attr("_max_episode_steps") if limited else envs.spec and envs.spec.max_episode_steps
    if not steps:
        give = "max_episode_steps=100 among env_kwargs (her train --env-kwargs max_episode_steps=100)"
        raise ValueError(f"env_id: the environment has no time limit; give one: {give}, or register it with one")
    return int(steps)


def reward_of(envs: VectorEnv) -> RewardFunction:
    """The environments' ``compute_reward`` as f(achieved, desired), with what wrappers around it make of rewards."""
    env, changes = envs if hasattr(envs, "compute_reward") else getattr(envs, "envs", [envs])[0], []
    while not hasattr(env, "compute_reward"):
        if not isinstance(env, gym.Wrapper):
            raise ValueError("env_id: the environment has no compute_reward(achieved, desired, info)")
        if isinstance(env, gym.RewardWrapper):
            changes.insert(0, env.reward)  # the innermost first
        env = env.env

    def reward(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray | float:
        given = env.compute_reward(achieved, desired, {})
        for change in changes:
            given = change(given)
        return given

    return reward


@dataclass(frozen=True)
class Rollout:
    """T steps of N environments, time first. ``achieved_goals`` are reached after the action.

    Attributes:
        states, actions, next_states: (T, N, size) float32.
        rewards: (T, N) float32.
        terminated, ended: (T, N) bool; ended says terminated or truncated.
        goals, achieved_goals: (T, N, goal_dim) of the dtype that goals have in their space.
        success: (T, N) bool, after the step; NaN where nothing tells of success.
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
                yield Episode.from_arrays(*(array[rows, env] for array in arrays), goal_dtype=self.goals.dtype)


def rollout(
    policy: Policy,
    envs: VectorEnv,
    steps: int,
    seed: int,
    options: dict[str, Any] | None = None,
    success_function: SuccessFunction | None = None,
) -> Rollout:
    """Reset all environments with ``seed`` and ``options``, and take ``steps`` steps in each.

    Success is what ``success_function`` says, or else ``info["is_success"]`` or ``info["success"]``, or else, under
    sparse rewards, having the reward of a reached goal.
    """
    observation, _ = envs.reset(seed=seed, options=options)
    rows, told = [], []
    for _ in range(steps):
        state, goal = observation["observation"], observation["desired_goal"]
        action = policy(np.concatenate([state, goal], axis=1, dtype=np.float32))
        observation, reward, terminated, truncated, infos = envs.step(action)
        ended = terminated | truncated
        next_state, achieved, success = _after_step(observation, infos, ended)
        action = action.reshape(envs.num_envs, -1)
        rows.append((state, action, reward, next_state, terminated, ended, goal, achieved))
        told.append(success)
    *arrays, terminated, ended, goals, achieved = (np.stack(column) for column in zip(*rows, strict=True))
    if success_function is None and any(success is not None for success in told):
        success = np.stack([np.zeros(envs.num_envs, bool) if one is None else one for one in told])
    else:
        pairs = (array.reshape(-1, array.shape[-1]) for array in (achieved, goals))
        success = (success_function or success_by_reward(envs))(*pairs).reshape(ended.shape)
    numbers = (array.astype(np.float32) for array in arrays)
    return Rollout(*numbers, terminated, ended, goals, achieved, success)


def success_by_reward(envs: VectorEnv) -> SuccessFunction:
    """Whether pairs of goals have the reward of a reached goal; NaN for all if there are more than two rewards."""
    reward = BatchedReward(reward_of(envs))

    def success(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        given, best = reward(achieved, desired), reward(achieved, achieved)
        is_sparse = len(np.unique(np.concatenate([given, best]))) <= 2 and np.ptp(best) == 0
        return given == best if is_sparse else np.full(len(given), np.nan, np.float32)

    return success


def _after_step(observation: dict, infos: dict, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What followed the step itself: where an episode has ended, the observation is already the next episode's."""
    state, achieved = observation["observation"], observation["achieved_goal"]
    success = _success(infos)
    if ended.any():
        final, state, achieved = infos["final_obs"], state.copy(), achieved.copy()
        if isinstance(final, dict):
            state[ended], achieved[ended] = final["observation"][ended], final["achieved_goal"][ended]
        else:  # gymnasium's own vector environments give an object array of dictionaries
            for env in np.flatnonzero(ended):
                state[env], achieved[env] = final[env]["observation"], final[env]["achieved_goal"]
        at_end = _success(infos.get("final_info", {}))
        if at_end is not None:
            success = np.where(ended, at_end, False if success is None else success)
    return state, achieved, success


def _success(infos: dict) -> np.ndarray | None:
    """(n,) bool; mazes say "success" where all others say "is_success". None if neither is there."""
    told = infos.get("is_success", infos.get("success"))
    return None if told is None else np.asarray(told, bool)


@dataclass(frozen=True)
class Evaluation:
    """Episodes under a policy that does not explore.

    Attributes:
        success_at_end: (episodes,) bool: whether the goal was reached at the last step. The paper judges robots so.
        success_at_any: (episodes,) bool: whether it was reached at any step. The paper judges bit flipping so. Both are
            NaN where nothing tells of success.
        returns: (episodes,) undiscounted.
    """

    success_at_end: np.ndarray
    success_at_any: np.ndarray
    returns: np.ndarray

    def success_rate(self, at: str) -> float:
        """The share of successful episodes, NaN if nothing tells of success; ``at`` is "end" or "any"."""
        if at not in ("end", "any"):
            raise ValueError(f"at: expected 'end' or 'any', got {at!r}")
        return float((self.success_at_end if at == "end" else self.success_at_any).mean())

    def success_interval(self, at: str) -> tuple[float, float]:
        """The 95 % Wilson interval of `success_rate`."""
        rate = self.success_rate(at)
        return (rate, rate) if np.isnan(rate) else wilson_interval(round(rate * len(self)), len(self))

    def __len__(self) -> int:
        return len(self.returns)

    @classmethod
    def joined(cls, parts: Sequence[Evaluation], episodes: int | None = None) -> Evaluation:
        """All episodes of several evaluations, or the first ``episodes`` of them."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*(np.concatenate(column)[:episodes] for column in columns))


def evaluate(
    policy: Policy,
    envs: VectorEnv,
    seed: int,
    episodes: int | None = None,
    success_function: SuccessFunction | None = None,
) -> Evaluation:
    """Episodes with starts and goals that ``seed`` draws: one in each environment, or the first ``episodes`` of as many
    rounds as that takes. What success means, see `rollout`."""
    if episodes is None:
        return _one_each(policy, envs, seed, success_function)
    seeds = np.random.SeedSequence(seed).generate_state(-(-episodes // envs.num_envs))  # one a round
    return Evaluation.joined([_one_each(policy, envs, int(s), success_function) for s in seeds], episodes)


def _one_each(policy: Policy, envs: VectorEnv, seed: int, success_function: SuccessFunction | None) -> Evaluation:
    return judge(rollout(policy, envs, horizon(envs), seed, success_function=success_function))


def judge(steps: Rollout) -> Evaluation:
    """The first episode of each environment in a rollout."""
    ended = np.logical_or.accumulate(steps.ended, axis=0)
    first_episode = np.vstack([np.ones_like(ended[:1]), ~ended[:-1]])  # the step that ends it still belongs to it
    last = first_episode.sum(axis=0) - 1
    return Evaluation(
        success_at_end=steps.success[last, np.arange(len(last))],
        success_at_any=np.where(first_episode, steps.success, False).max(axis=0),
        returns=(steps.rewards * first_episode).sum(axis=0),
    )


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a success rate."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)
