"""Sparse rewards, and reward functions of users: for a batch or for one pair of goals."""

import math
import warnings
from collections.abc import Callable

import numpy as np

RewardFunction = Callable[[np.ndarray, np.ndarray], "np.ndarray | float"]
"""``f(achieved_goal, desired_goal) -> reward``; the achieved goal is the one reached *after* the action."""


@np.errstate(all="ignore")
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
    achieved, desired = np.asarray(achieved_goal), np.asarray(desired_goal)
    if achieved.shape != desired.shape or not achieved.ndim:
        check_goals(achieved, desired)
    # bool has no difference, unsigned 0 - 1 is large, and the square of 256 is no float16
    if achieved.dtype.char not in "fdg" or desired.dtype.char not in "fdg":
        achieved, desired = achieved.astype(np.float64), desired.astype(np.float64)
    difference = achieved - desired
    distance = np.sqrt(np.vecdot(difference, difference))
    return (distance < threshold).astype(np.float32) - 1


def check_goals(achieved: np.ndarray, desired: np.ndarray) -> None:
    """Raise a ValueError that names ``desired_goal`` if two arrays of goals, (…, goal_dim), cannot be compared."""
    same_size = achieved.ndim and achieved.shape[-1:] == desired.shape[-1:]
    rows = zip(achieved.shape[-2::-1], desired.shape[-2::-1], strict=False)
    if not same_size or any(a != b and 1 not in (a, b) for a, b in rows):
        expected = f"goals of the size of achieved_goal's, {achieved.shape}"
        raise ValueError(f"desired_goal: expected {expected}, got {desired.shape}")


class BatchedReward:
    """A user's reward function, callable on whole batches whether or not it was written for them.

    Many reward functions take one pair: ``np.linalg.norm(achieved - desired)`` of a batch is a single number, and
    an innocent-looking ``axis=0`` may even return an array. So the first rows that come are rewarded both ways, once,
    and the function is called with batches only if its answer to a batch is that of its rows.

    Args:
        function: ``f(achieved, desired)``, for pairs of shape (goal_dim,) or batches of shape (n, goal_dim).

    Raises:
        TypeError: ``function`` is not callable.
        ValueError: on a call that fails on pairs and on batches alike, gives no finite float32 number for a row, or
            writes into its arguments.

    Attributes:
        is_batched: whether it takes batches; None until the first call.
    """

    #: rows of the first call on which the two ways are compared
    PROBE_ROWS = 32

    def __init__(self, function: RewardFunction):
        if not callable(function):
            raise TypeError(f"reward_function: expected f(achieved, desired) -> reward, got {function!r}")
        self.function = function
        self.is_batched: bool | None = None

    def __call__(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Rewards of the pairs (achieved[i], desired[i]): arrays (n, goal_dim) in, float32 (n,) out, a new array."""
        if self.is_batched is None:
            self.is_batched = self._find_out(achieved, desired)
        if not self.is_batched:
            return self._row_by_row(achieved, desired)
        rewards = np.array(self.function(achieved, desired), np.float32)
        if rewards.size != len(achieved):
            expected = f"one reward for each of {len(achieved)} rows"
            raise ValueError(f"reward_function: expected {expected}, got shape {rewards.shape}")
        return _finite(rewards.reshape(-1), achieved, desired)

    def _row_by_row(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        rewards = [self._reward_of_pair(a, d) for a, d in zip(achieved, desired, strict=True)]
        return _finite(np.array(rewards, np.float32), achieved, desired)

    def _reward_of_pair(self, achieved: np.ndarray, desired: np.ndarray) -> float:
        """Of one pair, or, if the function cannot take one, of a batch of one."""
        try:
            return np.asarray(self.function(achieved, desired), float).item()
        except Exception as on_pair:  # whatever a function written for batches does with a pair
            try:
                return np.asarray(self.function(achieved[None], desired[None]), float).item()
            except Exception as on_batch:
                raise ValueError(
                    f"reward_function: failed on a pair of goals of shape {achieved.shape} ({on_pair!r}) "
                    f"and on a batch of one ({on_batch!r})"
                ) from on_pair

    def _find_out(self, achieved: np.ndarray, desired: np.ndarray) -> bool:
        """Reward real rows both ways, with what others achieved and with what they achieved themselves, too."""
        rows = achieved[: self.PROBE_ROWS]
        a = np.concatenate([rows, rows, rows])
        d = np.concatenate([desired[: self.PROBE_ROWS], rows[::-1], rows])
        if len(a) == a.shape[1]:  # as many rows as columns: a reduction over the wrong axis would go unnoticed
            a, d = np.concatenate([a, a[:1]]), np.concatenate([d, d[:1]])
        untouched = a.copy(), d.copy()
        row_by_row = self._row_by_row(a, d)
        try:
            batched = np.asarray(self.function(a, d), dtype=np.float32)
        except Exception:  # whatever a function written for one pair does with a batch
            batched = np.empty(0, np.float32)
        if not np.array_equal((a, d), untouched):
            raise ValueError("reward_function: changes the goals that it is given; let it compute with copies of them")
        agrees = batched.size == len(a) and np.allclose(batched.reshape(-1), row_by_row, rtol=1e-5, atol=1e-7)
        if not agrees:
            warnings.warn(
                "reward_function is right for one pair only, so it is called once a row. The rewards are right, but "
                "sampling is slow; compute over the last axis (np.linalg.norm(achieved - desired, axis=-1)) instead.",
                stacklevel=2,
            )
        return agrees


def _finite(rewards: np.ndarray, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    finite = np.isfinite(rewards)
    if np.count_nonzero(finite) < len(finite):
        i = int(finite.argmin())
        raise ValueError(
            f"reward_function: expected finite float32 rewards, got {rewards[i]} "
            f"for achieved {achieved[i]}, desired {desired[i]}"
        )
    return rewards
