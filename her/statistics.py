"""What a handful of seeds can say: interquartile means, bootstrap intervals, steps to a threshold, who is better.

The bootstrap is scipy's. Over several tasks it is stratified: the seeds of each task are drawn anew among themselves,
as Agarwal et al. 2021 (*Deep Reinforcement Learning at the Edge of the Statistical Precipice*, §4) recommend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


Scores = Sequence[float] | Mapping[str, Sequence[float]]
"""One number per seed, or that for each of several tasks."""


def aggregate(scores: Scores, statistic: Callable = iqm, level: float = 0.95, seed: int = 0) -> Estimate:
    """A statistic of all runs on all tasks, with its stratified percentile bootstrap interval.

    Scores of different tasks are pooled, so they must mean the same on each, as success rates do.

    Args:
        scores: task → (n_seeds,) numbers; the tasks may have different numbers of seeds.
        statistic: takes ``axis``, like `iqm` and ``numpy.mean``.
        level: of the interval.
        seed: of the resampling.
    """
    strata = _strata("scores", scores)

    def pooled(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        return statistic(np.concatenate(samples, axis=axis), axis=axis)

    return _bootstrapped(strata, pooled, level, seed)


def probability_of_improvement(ours: Scores, theirs: Scores, level: float = 0.95, seed: int = 0) -> Estimate:
    """How likely a run of ours scores higher than a run of theirs, ties counting half; the mean over tasks.

    The Mann-Whitney statistic over all pairs of seeds (Agarwal et al. 2021, §4.3), with its stratified bootstrap
    interval. 0.5 says that neither is better; it says nothing of how much better.

    Args:
        ours, theirs: (n_seeds,) numbers, or such for each task; the tasks must be the same.
        level, seed: of the interval and its resampling.
    """
    if isinstance(ours, Mapping) != isinstance(theirs, Mapping) or (
        isinstance(ours, Mapping) and ours.keys() != theirs.keys()
    ):
        raise ValueError("theirs: expected scores on the same tasks as ours")
    mine = _strata("ours", ours)
    others = _strata("theirs", [theirs[task] for task in ours] if isinstance(ours, Mapping) else theirs)

    def wins(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        samples = [np.moveaxis(sample, axis, -1) for sample in samples]
        pairs = zip(samples[: len(mine)], samples[len(mine) :], strict=True)
        return np.mean([_higher(a, b) for a, b in pairs], axis=0)

    return _bootstrapped([*mine, *others], wins, level, seed)


def ratio(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95, seed: int = 0) -> Estimate:
    """The mean of ``ours`` divided by the mean of ``theirs``, such as steps needed; the interval resamples both.

    Args:
        ours, theirs: one number per seed, (n,) and (m,). A single one is taken as it is, without a spread of its own.
        level, seed: of the interval and its resampling.
    """
    return _bootstrapped([*_strata("ours", ours), *_strata("theirs", theirs)], _ratio_of_means, level, seed)


class Arrival(NamedTuple):
    """How long runs take to a threshold, those counted that never got there.

    Attributes:
        reached, runs: how many did, of how many.
        median: steps; infinite where half of the runs or more did not arrive.
        mean: restricted to the budget: a run that did not arrive counts with the whole budget, so that this is a lower
            bound of the mean, and a fair one between runs with the same budget.
    """

    reached: int
    runs: int
    median: float
    mean: Estimate

    def __str__(self) -> str:
        median = f"{self.median:,.0f}" if np.isfinite(self.median) else "not reached"
        more = "" if self.reached == self.runs else "≥ "
        interval = f"{more}{self.mean.value:,.0f} [{self.mean.low:,.0f}, {self.mean.high:,.0f}]"
        return f"{self.reached} of {self.runs}, median {median}, mean {interval}"


def arrival(steps: Sequence[float | None], budget: float, level: float = 0.95, seed: int = 0) -> Arrival:
    """What `steps_to_threshold` of several runs come to.

    Args:
        steps: one per run, None for a run that did not arrive.
        budget: steps that each run had; what arrived later does not count.
        level, seed: of the interval and its resampling.
    """
    if not len(steps):
        raise ValueError("steps: expected one number or None per run, got none")
    taken = np.array([np.inf if at is None or at > budget else at for at in steps], float)
    restricted = bootstrap(np.minimum(taken, budget), np.mean, level, seed)
    return Arrival(int(np.isfinite(taken).sum()), len(taken), float(np.median(taken)), restricted)


def _ratio_of_means(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    return a.mean(axis=axis) / b.mean(axis=axis)


def _higher(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., n) against (..., m): the share of pairs in which a is higher, ties counting half."""
    a, b = a[..., :, None], b[..., None, :]
    return ((a > b) + 0.5 * (a == b)).mean(axis=(-2, -1))


def _strata(name: str, scores: Scores) -> list[np.ndarray]:
    nested = isinstance(scores, Mapping) or (len(scores) and np.ndim(scores[0]) == 1)
    strata = list(scores.values()) if isinstance(scores, Mapping) else list(scores) if nested else [scores]
    strata = [np.asarray(some, float) for some in strata]
    for some in strata:
        if some.ndim != 1 or not len(some) or not np.isfinite(some).all():
            raise ValueError(f"{name}: expected finite numbers, one per seed, for each task, got {some}")
    if not strata:
        raise ValueError(f"{name}: expected at least one task, got none")
    return strata


def _bootstrapped(strata: list[np.ndarray], statistic: Callable, level: float, seed: int) -> Estimate:
    """``statistic(*strata, axis)`` with its interval; a stratum whose scores are all alike is never drawn anew."""
    value = float(statistic(*strata, axis=-1))
    varied = [i for i, some in enumerate(strata) if np.ptp(some) > 0]
    if not varied:
        return Estimate(value, value, value)

    def of_varied(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        samples = [np.moveaxis(sample, axis, -1) for sample in samples]
        shape = samples[0].shape[:-1]
        every = [np.broadcast_to(some, (*shape, len(some))) for some in strata]
        for i, sample in zip(varied, samples, strict=True):
            every[i] = sample
        return statistic(*every, axis=-1)

    interval = stats.bootstrap(
        [strata[i] for i in varied],
        of_varied,
        confidence_level=level,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))
