"""Sparse rewards, and reward functions of users, batched or written for one pair."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

RewardFunction = Callable[[np.ndarray, np.ndarray], "np.ndarray | float"]
"""``f(achieved_goal, desired_goal) -> reward``; the achieved goal is the one reached *after* the action."""


def sparse_reward(achieved_goal: np.ndarray, desired_goal: np.ndarray, threshold: float) -> np.ndarray:
    """0.0 where the achieved goal lies closer than ``threshold`` to the desired one, else -1.0.

    The reward of Andrychowicz et al. 2017, §4.1: r = -[‖achieved - desired‖ ≥ ε].

    Args:
        achieved_goal: shape (…, goal_dim).
        desired_goal: shape (…, goal_dim), broadcast against ``achieved_goal``.
        threshold: ε, in the units of the goal; positive.

    Returns:
        float32, shape (…): one reward per row.

    >>> sparse_reward(np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros(2), threshold=5.0)
    array([ 0., -1.], dtype=float32)
    """
    if not threshold > 0:
        raise ValueError(f"threshold: expected a positive distance, got {threshold}")
    difference = np.subtract(achieved_goal, desired_goal)
    if difference.dtype.kind != "f":
        difference = difference.astype(np.float64)
    distance = np.sqrt(np.einsum("...i,...i->...", difference, difference))
    return np.subtract(distance < threshold, 1, dtype=np.float32)


class BatchedReward:
    """A user's reward function, callable on whole batches whether or not it was written for them.

    Many reward functions take one pair: ``np.linalg.norm(achieved - desired)`` of a batch is a single number, and
    an innocent-looking ``axis=0`` may even return an array of the right length. So the first rows that come are
    computed both ways, and only a function whose batched answer equals its row-by-row answer is called batched.

    Args:
        function: ``f(achieved, desired)``, for pairs of shape (goal_dim,) or batches of shape (n, goal_dim).

    Raises:
        TypeError: ``function`` is not callable.
        ValueError: at the first call, if ``function`` gives no finite number for a row either way.
    """

    #: rows on which the two ways are compared
    PROBE_ROWS = 32

    def __init__(self, function: RewardFunction):
        if not callable(function):
            raise TypeError(f"reward_function: expected f(achieved, desired) -> reward, got {function!r}")
        self.function = function
        self.is_batched: bool | None = None  # unknown until real rows have been seen
        self._of_row = _call_on_pair

    def __call__(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Rewards of the pairs (achieved[i], desired[i]): arrays (n, goal_dim) in, float array (n,) out."""
        if self.is_batched is None:
            self._find_out(achieved, desired)
        if not self.is_batched:
            return self._row_by_row(achieved, desired)
        rewards = np.asarray(self.function(achieved, desired))
        if rewards.size != len(achieved):
            raise ValueError(
                f"reward_function: expected one reward for each of {len(achieved)} rows, got shape {rewards.shape}"
            )
        rewards = rewards.reshape(-1)
        if not np.isfinite(rewards).all():
            raise ValueError(f"reward_function: expected finite rewards, got {rewards[~np.isfinite(rewards)][0]}")
        return rewards

    def _row_by_row(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return np.array([self._of_row(self.function, a, d) for a, d in zip(achieved, desired, strict=True)])

    def _find_out(self, achieved: np.ndarray, desired: np.ndarray) -> None:
        """Compare both ways on real rows, on the pairs (achieved, achieved) too, so that rewards differ."""
        n = min(len(achieved), self.PROBE_ROWS)
        a = np.concatenate([achieved[:n], achieved[:n]])
        d = np.concatenate([desired[:n], achieved[:n]])
        if len(a) == a.shape[1]:  # as many rows as columns: a reduction over the wrong axis would go unnoticed
            a, d = np.concatenate([a, a[:1]]), np.concatenate([d, d[:1]])
        try:
            row_by_row = self._row_by_row(a, d)
        except _NotForPairs:
            self._of_row = _call_on_batch_of_one
            row_by_row = self._row_by_row(a, d)
        if not np.isfinite(row_by_row).all():
            bad = int(np.flatnonzero(~np.isfinite(row_by_row))[0])
            raise ValueError(
                f"reward_function: expected a finite reward, got {row_by_row[bad]} for achieved {a[bad]}, desired {d[bad]}"
            )
        self.is_batched = self._batched_agrees(a, d, row_by_row)
        if not self.is_batched:
            warnings.warn(
                "reward_function is right for one pair only, so it is called once a row. The rewards are right, "
                "sampling is slow; compute over the last axis (np.linalg.norm(achieved - desired, axis=-1)) to make it fast.",
                stacklevel=2,
            )

    def _batched_agrees(self, achieved: np.ndarray, desired: np.ndarray, row_by_row: np.ndarray) -> bool:
        try:
            batched = np.asarray(self.function(achieved, desired), dtype=float)
        except Exception:  # whatever a function written for one pair does with a batch
            return False
        return batched.size == len(row_by_row) and np.allclose(batched.reshape(-1), row_by_row, rtol=1e-5, atol=1e-7)


class _NotForPairs(Exception):
    """The function gave no single number for one pair."""


def _call_on_pair(function: RewardFunction, achieved: np.ndarray, desired: np.ndarray) -> float:
    try:
        reward = np.asarray(function(achieved, desired), dtype=float)
    except Exception as error:
        raise _NotForPairs from error
    if reward.size != 1:
        raise _NotForPairs
    return reward.item()


def _call_on_batch_of_one(function: RewardFunction, achieved: np.ndarray, desired: np.ndarray) -> float:
    reward = np.asarray(function(achieved[None], desired[None]), dtype=float)
    if reward.size != 1:
        raise ValueError(
            f"reward_function: expected one number for a pair of goals of shape {achieved.shape}, got shape {reward.shape}"
        )
    return reward.item()
