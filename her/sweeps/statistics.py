"""What a handful of seeds can say: means and ratios with Student's t intervals, steps to a threshold."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A number and its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"  # nan where one seed has no interval


def student(
    scores: Sequence[float] | np.ndarray, level: float = 0.95, within: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """The mean of one score per seed with Student's t interval, which covers at small n what a bootstrap does not.

    A single score has no interval: its ends are NaN. The interval ends where scores do: ``within`` (0, 1) for rates.
    """
    scores = _per_seed("scores", scores)
    mean, n = float(scores.mean()), len(scores)
    if n == 1:
        return Estimate(mean, np.nan, np.nan)
    reach = stats.t.ppf((1 + level) / 2, n - 1) * scores.std(ddof=1) / np.sqrt(n)
    return Estimate(mean, float(max(mean - reach, within[0])), float(min(mean + reach, within[1])))


def steps_to_threshold(steps: Sequence[float], success: Sequence[float], threshold: float) -> float | None:
    """The first of ``steps`` at which ``success`` is at least ``threshold``; None if it never is."""
    reached = np.flatnonzero(np.asarray(success) >= threshold)
    return float(steps[reached[0]]) if len(reached) else None


def ratio(ours: Sequence[float], theirs: Sequence[float], grid: float = 0.0) -> Estimate:
    """How many times ``theirs`` is ``ours``, positive numbers such as steps needed: the ratio of their geometric means.

    The interval is Student's t on logarithms, with the degrees of freedom of the smaller side. Steps are seen at
    evaluations only, ``grid`` apart, and a seed got there somewhere in the grid step before: either end makes room for
    that, so that the upper one may be infinite. A single score on a side leaves no interval: the ends are NaN.
    """
    ours, theirs = _per_seed("ours", ours), _per_seed("theirs", theirs)
    for name, scores in (("ours", ours), ("theirs", theirs)):
        if scores.min() <= 0:
            raise ValueError(f"{name}: expected positive numbers, got {scores}")
    n, half = min(len(ours), len(theirs)), np.nan
    with np.errstate(divide="ignore"):
        low, middle, high = (
            np.log(np.maximum(ours - early, 0)).mean() - np.log(np.maximum(theirs - late, 0)).mean()
            for early, late in ((grid, 0), (0, 0), (0, grid))
        )
        if n > 1:
            half = stats.t.ppf(0.975, n - 1) * np.hypot(stats.sem(np.log(ours)), stats.sem(np.log(theirs)))
    return Estimate(*(float(x) for x in np.exp([middle, low - half, high + half])))


def _per_seed(name: str, scores: Sequence[float] | np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, float)
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        raise ValueError(f"{name}: expected one finite number per seed, got {scores}")
    return scores
