"""What a handful of seeds can say: interquartile means, bootstrap intervals, steps to a threshold.

The bootstrap is scipy's. See Agarwal et al. 2021, *Deep Reinforcement Learning at the Edge of the Statistical
Precipice*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A number and its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def iqm(scores: Sequence[float] | np.ndarray, axis: int | None = None) -> float | np.ndarray:
    """The mean of the middle half (Agarwal et al. 2021): steadier than the mean, surer than the median.

    As in scipy's ``trim_mean``, a quarter of the scores, rounded down, is cut off at each end.
    """
    return stats.trim_mean(scores, 0.25, axis=axis)


def bootstrap(
    scores: Sequence[float] | np.ndarray, statistic: Callable = iqm, level: float = 0.95, seed: int = 0
) -> Estimate:
    """A statistic of one score per seed with its percentile bootstrap interval.

    With five seeds an interval is rough; a single score, or scores that are all alike, get an interval of width 0.

    Args:
        scores: (n_seeds,) numbers.
        statistic: takes ``axis``, like `iqm` and ``numpy.mean``.
        level: of the interval.
        seed: of the resampling.
    """
    return _bootstrap([_per_seed("scores", scores)], statistic, level, seed)


def steps_to_threshold(steps: Sequence[float], success: Sequence[float], threshold: float) -> float | None:
    """The first of ``steps`` at which ``success`` is at least ``threshold``; None if it never is."""
    reached = np.flatnonzero(np.asarray(success) >= threshold)
    return float(steps[reached[0]]) if len(reached) else None


def ratio(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95, seed: int = 0) -> Estimate:
    """The mean of ``ours`` divided by the mean of ``theirs``, such as steps needed; the interval resamples both.

    Args:
        ours, theirs: one number per seed, (n,) and (m,). A single one is taken as it is, without a spread of its own.
        level, seed: of the interval and its resampling.
    """
    samples = [_per_seed("ours", ours), _per_seed("theirs", theirs)]
    return _bootstrap(samples, lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis), level, seed)


class Arrival(NamedTuple):
    """How long runs take to a threshold, those counted that never got there.

    Attributes:
        reached, runs: how many did, of how many.
        mean: restricted to the budget: a run that did not arrive counts with the whole budget, so that this is a lower
            bound of the mean, and a fair one between runs with the same budget.
    """

    reached: int
    runs: int
    mean: Estimate


def arrival(steps: Sequence[float | None], budget: float, level: float = 0.95, seed: int = 0) -> Arrival:
    """What `steps_to_threshold` of several runs come to.

    Args:
        steps: one per run, None for a run that did not arrive.
        budget: steps that each run had; what arrived later does not count.
        level, seed: of the interval and its resampling.
    """
    if not len(steps):
        raise ValueError("steps: expected one number or None per run, got none")
    arrived = [at for at in steps if at is not None and at <= budget]
    restricted = arrived + [budget] * (len(steps) - len(arrived))
    return Arrival(len(arrived), len(steps), bootstrap(restricted, np.mean, level, seed))


def _per_seed(name: str, scores: Sequence[float] | np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, float)
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        raise ValueError(f"{name}: expected one finite number per seed, got {scores}")
    return scores


def _bootstrap(samples: list[np.ndarray], statistic: Callable, level: float, seed: int) -> Estimate:
    """``statistic(*samples, axis)`` and its interval, each of the samples being drawn anew."""
    value = float(statistic(*samples, axis=-1))
    if all(np.ptp(sample) == 0 for sample in samples):
        return Estimate(value, value, value)
    # scipy refuses a sample of one score; two equal ones are drawn as that one is
    samples = [np.repeat(sample, 2) if len(sample) == 1 else sample for sample in samples]
    settings = {"confidence_level": level, "method": "percentile", "vectorized": True}
    interval = stats.bootstrap(samples, statistic, rng=np.random.default_rng(seed), **settings).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))
