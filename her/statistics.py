"""What a handful of seeds can say: interquartile means, bootstrap intervals, steps to a threshold."""

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
    scores = np.asarray(scores, float)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"scores: expected one number per seed, got shape {scores.shape}")
    value = float(statistic(scores, axis=0))
    if np.ptp(scores) == 0:
        return Estimate(value, value, value)
    interval = stats.bootstrap(
        (scores,), statistic, confidence_level=level, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))


def steps_to_threshold(steps: Sequence[float], success: Sequence[float], threshold: float) -> float | None:
    """The first of ``steps`` at which ``success`` is at least ``threshold``; None if it never is."""
    reached = np.flatnonzero(np.asarray(success) >= threshold)
    return float(steps[reached[0]]) if len(reached) else None
