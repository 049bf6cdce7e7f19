"""Sparse rewards, and reward functions of users, batched or written for one pair."""

from __future__ import annotations

import math
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
        threshold: ε, in the units of the goal; positive and finite.

    Returns:
        float32, shape (…): one reward per row. Where a goal is not finite, or is so far away that the square of the
        distance is not, it is -1.

    Raises:
        ValueError: a threshold that is no positive number, or goals of shapes that do not go together.

    >>> sparse_reward(np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros(2), threshold=5.0)
    array([ 0., -1.], dtype=float32)
    """
    try:
        is_distance = 0 < threshold < math.inf
    except (TypeError, ValueError):
        is_distance = False
    if not is_distance:
        raise ValueError(f"threshold: expected a positive distance, got {threshold!r}")
    achieved, desired = as_goals(achieved_goal, desired_goal)
    # bool has no difference, unsigned 0 - 1 is large, and the square of 256 is no float16
    if achieved.dtype.char not in "fdg" or desired.dtype.char not in "fdg":
        achieved, desired = achieved.astype(np.float64), desired.astype(np.float64)
    distance = np.sqrt(_squared_length(achieved - desired))
    reward = np.less(distance, threshold).astype(np.float32)
    reward -= _ONE
    return reward


def as_goals(achieved_goal: np.ndarray, desired_goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, (…, goal_dim); a ValueError that names ``desired_goal`` if they cannot be compared."""
    achieved, desired = np.asarray(achieved_goal), np.asarray(desired_goal)
    if achieved.shape != desired.shape or not achieved.ndim:
        same_size = achieved.ndim and achieved.shape[-1:] == desired.shape[-1:]
        rows = zip(achieved.shape[-2::-1], desired.shape[-2::-1], strict=False)
        if not same_size or any(a != b and 1 not in (a, b) for a, b in rows):
            raise ValueError(
                f"desired_goal: expected goals of the size of achieved_goal's, {achieved.shape}, got {desired.shape}"
            )
    return achieved, desired


def _squared_length(vectors: np.ndarray) -> np.ndarray:
    """(…) of (…, d), which may be overwritten."""
    dimensions = vectors.shape[-1]
    if dimensions > 4:
        return np.einsum("...i,...i->...", vectors, vectors)
    vectors *= vectors  # with few dimensions, adding up columns takes a third of einsum's time
    total = vectors[..., 0]
    for i in range(1, dimensions):
        total += vectors[..., i]
    return total


_ONE = np.ones((), np.float32)  # numpy makes an array of a number at every call


class BatchedReward:
    """A user's reward function, callable on whole batches whether or not it was written for them.

    Many reward functions take one pair: ``np.linalg.norm(achieved - desired)`` of a batch is a single number, and
    an innocent-looking ``axis=0`` may even return an array of the right length. So the first rows that come are
    computed both ways, and only a function whose batched answer equals its row-by-row answer is called batched; as
    long as all rewards are equal nothing is found out.

    Args:
        function: ``f(achieved, desired)``, for pairs of shape (goal_dim,) or batches of shape (n, goal_dim).

    Raises:
        TypeError: ``function`` is not callable.
        ValueError: ``function`` fails on pairs and on batches alike, gives no finite float32 number for a row, or
            writes into its arguments.
    """

    #: rows on which the two ways are compared
    PROBE_ROWS = 32

    def __init__(self, function: RewardFunction):
        if not callable(function):
            raise TypeError(f"reward_function: expected f(achieved, desired) -> reward, got {function!r}")
        self.function = function
        self.is_batched: bool | None = None  # unknown until real rows have been seen
        self._batches_only = False

    def __call__(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Rewards of the pairs (achieved[i], desired[i]): arrays (n, goal_dim) in, float32 (n,) out."""
        if self.is_batched is None:
            self._find_out(achieved, desired)
        if self.is_batched:
            rewards = np.asarray(self.function(achieved, desired), dtype=np.float32)
            if rewards.size != len(achieved):
                raise ValueError(
                    f"reward_function: expected one reward for each of {len(achieved)} rows, got shape {rewards.shape}"
                )
            rewards = rewards.reshape(-1)
        else:
            rewards = self._row_by_row(achieved, desired, self._batches_only)
        _check_finite(rewards, achieved, desired)
        return rewards

    def _row_by_row(self, achieved: np.ndarray, desired: np.ndarray, batches_of_one: bool) -> np.ndarray:
        rewards = np.empty(len(achieved), np.float32)
        for i in range(len(achieved)):
            row = slice(i, i + 1) if batches_of_one else i
            reward = np.asarray(self.function(achieved[row], desired[row]), dtype=float)
            if reward.size != 1:
                shape = achieved[row].shape
                raise ValueError(
                    f"reward_function: expected one number for goals of shape {shape}, got shape {reward.shape}"
                )
            rewards[i] = reward.item()
        return rewards

    def _find_out(self, achieved: np.ndarray, desired: np.ndarray) -> None:
        """Compare both ways on real rows, on the pairs (achieved, achieved) too, so that rewards differ."""
        n = min(len(achieved), self.PROBE_ROWS)
        a = np.concatenate([achieved[:n], achieved[:n]])
        d = np.concatenate([desired[:n], achieved[:n]])
        if len(a) == a.shape[1]:  # as many rows as columns: a reduction over the wrong axis would go unnoticed
            a, d = np.concatenate([a, a[:1]]), np.concatenate([d, d[:1]])
        untouched = a.copy(), d.copy()
        row_by_row, batches_only = self._probe_rows(a, d)
        agrees = self._batched_agrees(a, d, row_by_row)
        if not np.array_equal((a, d), untouched):
            raise ValueError("reward_function: changes the goals that it is given; let it compute with copies of them")
        _check_finite(row_by_row, a, d)
        self._batches_only = batches_only
        if agrees and row_by_row.min() == row_by_row.max():
            return  # so would a function that gives the whole batch one reward: look again at the next rows
        self.is_batched = agrees
        if not agrees:
            warnings.warn(
                "reward_function is right for one pair only, so it is called once a row. The rewards are right, but "
                "sampling is slow; compute over the last axis (np.linalg.norm(achieved - desired, axis=-1)) instead.",
                stacklevel=2,
            )

    def _probe_rows(self, achieved: np.ndarray, desired: np.ndarray) -> tuple[np.ndarray, bool]:
        """The rewards row by row, and whether each row had to be made a batch of one for it."""
        try:
            return self._row_by_row(achieved, desired, batches_of_one=False), False
        except Exception as on_pairs:  # whatever a function written for batches does with a pair
            try:
                return self._row_by_row(achieved, desired, batches_of_one=True), True
            except Exception as on_batches:
                raise ValueError(
                    f"reward_function: failed on a pair of goals of shape {achieved[0].shape} ({on_pairs!r}) "
                    f"and on a batch of one ({on_batches!r})"
                ) from on_pairs

    def _batched_agrees(self, achieved: np.ndarray, desired: np.ndarray, row_by_row: np.ndarray) -> bool:
        try:
            batched = np.asarray(self.function(achieved, desired), dtype=float)
        except Exception:  # whatever a function written for one pair does with a batch
            return False
        return batched.size == len(row_by_row) and np.allclose(batched.reshape(-1), row_by_row, rtol=1e-5, atol=1e-7)


def all_finite(array: np.ndarray) -> bool:
    """Whether no number is NaN or infinite. The sum of squares tells in a third of the time, unless it overflows."""
    flat = array.ravel()
    return math.isfinite(flat.dot(flat)) or bool(np.isfinite(flat).all())


def _check_finite(rewards: np.ndarray, achieved: np.ndarray, desired: np.ndarray) -> None:
    if not all_finite(rewards):
        i = int(np.isfinite(rewards).argmin())
        raise ValueError(
            f"reward_function: expected finite float32 rewards, got {rewards[i]} "
            f"for achieved {achieved[i]}, desired {desired[i]}"
        )
