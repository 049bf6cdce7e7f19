"""What a handful of seeds can say: interquartile means, bootstrap intervals (scipy's), steps to a threshold.

See Agarwal et al. 2021, *Deep Reinforcement Learning at the Edge of the Statistical Precipice*.
"""

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


def student(
    scores: Sequence[float] | np.ndarray, level: float = 0.95, within: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """The mean of one score per seed with Student's t interval, which covers at small n what a bootstrap does not.

    A single score has no interval: its ends are NaN. The interval ends where scores do: ``within`` (0, 1) for rates.
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        raise ValueError(f"scores: expected one finite number per seed, got {scores}")
    mean, n = float(scores.mean()), len(scores)
    if n == 1:
        return Estimate(mean, np.nan, np.nan)
    reach = stats.t.ppf((1 + level) / 2, n - 1) * scores.std(ddof=1) / np.sqrt(n)
    return Estimate(mean, float(max(mean - reach, within[0])), float(min(mean + reach, within[1])))


def iqm(scores: Sequence[float] | np.ndarray, axis: int | None = None) -> float | np.ndarray:
    """The mean of the middle half (Agarwal et al. 2021): steadier than the mean, surer than the median.

    As in scipy's ``trim_mean``, a quarter of the scores, rounded down, is cut off at each end.
    """
    return stats.trim_mean(scores, 0.25, axis=axis)


def bootstrap(scores: Sequence[float] | np.ndarray, statistic: Callable = iqm) -> Estimate:
    """A statistic of one score per seed with its 95 % percentile bootstrap interval (Efron).

    With five seeds an interval is rough; a single score, or scores that are all alike, get an interval of width 0. The
    ``scores`` are (n_seeds,) numbers; ``statistic`` takes ``axis``, like `iqm` and ``numpy.mean``.
    """
    return _bootstrap({"scores": scores}, statistic)


def steps_to_threshold(steps: Sequence[float], success: Sequence[float], threshold: float) -> float | None:
    """The first of ``steps`` at which ``success`` is at least ``threshold``; None if it never is."""
    reached = np.flatnonzero(np.asarray(success) >= threshold)
    return float(steps[reached[0]]) if len(reached) else None


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """The mean of ``ours`` divided by the mean of ``theirs``, such as steps needed; the interval resamples both.

    Both are one number per seed, (n,) and (m,). A single one is taken as it is, without a spread of its own.
    """
    return _bootstrap({"ours": ours, "theirs": theirs}, lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis))


def _bootstrap(named: dict[str, Sequence[float] | np.ndarray], statistic: Callable) -> Estimate:
    """``statistic(*samples, axis)`` and its interval, each of the samples being drawn anew."""
    samples = [np.asarray(sample, float) for sample in named.values()]
    for name, sample in zip(named, samples, strict=True):
        if sample.ndim != 1 or not len(sample) or not np.isfinite(sample).all():
            raise ValueError(f"{name}: expected one finite number per seed, got {sample}")
    value = float(statistic(*samples, axis=-1))
    if all(np.ptp(sample) == 0 for sample in samples):
        return Estimate(value, value, value)
    # scipy refuses a sample of one score; two equal ones are drawn as that one is
    samples = [np.repeat(sample, 2) if len(sample) == 1 else sample for sample in samples]
    drawn = stats.bootstrap(samples, statistic, method="percentile", vectorized=True, rng=np.random.default_rng(0))
    return Estimate(value, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high))
