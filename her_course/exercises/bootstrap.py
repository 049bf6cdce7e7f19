"""The third exercise of chapter 6, a bootstrap interval: exact distributions to compare with, and wrong ideas."""

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.drawing import FIXED_RNG, Unread, generators, seeded_case, summaries, unseeded
from her_course.exercises.judging import numbers, same_problem, seen
from her_course.exercises.model import Call, Case, Evidence, Outcome, Problem, Text, Verdict, behaves_as
from her_course.exercises.running import trusted
from her_course.exercises.saying import show

RESAMPLES = 2000  # that a learner is asked to take, at least
SURPRISE = 6.2  # standard errors: a right answer is farther away with probability below 1e-9
RUNS = 8  # of a wrong idea, to see how its intervals scatter
SATURATED = (0.9, 0.31, 0.93, 0.97, 0.88, 0.99, 0.62)
SKEWED = (0.02, 0.05, 0.07, 0.11, 0.16, 0.31, 0.88)
TWO_NUMBERS = Text("两个数：(下界, 上界)", "two numbers: (low, high)")


def read_pair(value: Any) -> tuple[float, float] | None:
    """Two numbers, from a tuple, a list or an array."""
    parts = list(value) if type(value) in (tuple, list) else []
    if not parts and numbers(value) is not None:
        parts = list(np.atleast_1d(value))
    arrays = [numbers(part) for part in parts]
    if len(arrays) != 2 or any(array is None or array.shape != () or not np.isfinite(array) for array in arrays):
        return None
    return float(arrays[0]), float(arrays[1])


def _pairs(outcomes: Sequence[Outcome]) -> np.ndarray | Unread | Problem:
    """(calls, 2) intervals; or an error; or values that are no intervals."""
    for outcome in outcomes:
        if outcome.error:
            return outcome.error
        if read_pair(outcome.value) is None:
            array = numbers(outcome.value)
            kind = type(outcome.value).__name__ if array is None else f"{array.shape}"
            return Unread(kind, summaries([outcome.value for outcome in outcomes]))
    return np.array([read_pair(outcome.value) for outcome in outcomes])


def _near(mine: np.ndarray, other: np.ndarray, scale: float, steps: bool) -> bool:
    """Whether intervals may be of the kind of `other`, which tell how they scatter.

    Args:
        scale: of the scores.
        steps: whether values come in steps: an interval may end on either side of one.
    """
    gap, scatter = np.abs(mine.mean(axis=0) - other.mean(axis=0)), other.std(axis=0, ddof=1)
    rest = (0.25 if steps else 2e-3) * scale
    allowed = 8 * scatter * math.sqrt(1 / len(mine) + 1 / len(other)) + rest  # scatter is that of 8 runs: t, not normal
    return bool((gap <= allowed).all() and (mine.std(axis=0) <= 6 * scatter + rest).all())


def _case(name: Text | str, calls: Sequence[Call], judge: Callable, expected: Text | str) -> Case:
    """Calls that may differ in more than their generators; those alike are compared with a wrong idea together."""
    groups: dict[Any, list[int]] = {}
    for i, call in enumerate(calls):
        groups.setdefault(call.arguments[1], []).append(i)

    def again(call: Call, i: int) -> Call:
        return Call((*call.arguments[:3], np.random.default_rng([i, 11])))

    @cache
    def runs_of(function: Callable) -> list[np.ndarray | Unread | Problem]:
        return [_pairs([trusted(function, again(calls[own[0]], i)) for i in range(RUNS)]) for own in groups.values()]

    def alike(outcomes: Sequence[Outcome], function: Callable) -> bool:
        for (statistic, own), other in zip(groups.items(), runs_of(function), strict=True):
            mine, scale = _pairs([outcomes[i] for i in own]), np.ptp(calls[own[0]].arguments[0]) or 1e-3
            if isinstance(mine, Problem) or isinstance(other, Problem):
                if isinstance(mine, Problem) != isinstance(other, Problem) or not same_problem(mine, other):
                    return False
            elif isinstance(mine, Unread) or isinstance(other, Unread):
                if type(mine) is not type(other) or mine.kind != other.kind:
                    return False
                if not _near(mine.summaries, other.summaries, scale, steps=False):
                    return False
            elif statistic is inputs.which_call:
                # some calls more or less, besides those for resamples, tell nothing
                if not np.isclose(np.diff(mine).mean(), np.diff(other).mean(), rtol=0.01, atol=20):
                    return False
            elif not _near(mine, other, scale, steps=statistic is inputs.largest):
                return False
        return True

    return Case(name, calls, judge, alike, expected)


def mean_distribution(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of the mean over all n^n resamples, sorted, and their cumulative probabilities: exact, for n up to 9."""
    n = len(scores)
    values, probabilities = [], []
    for bars in combinations(range(2 * n - 1), n - 1):  # how often each score was drawn, as stars and bars
        counts = np.diff([-1, *bars, 2 * n - 1]) - 1
        values.append(counts @ scores / n)
        probabilities.append(math.factorial(n) / math.prod(map(math.factorial, counts.tolist())) / n**n)
    order = np.argsort(values)
    return np.array(values)[order], np.cumsum(np.array(probabilities)[order])


def interval_case(name: Text | str, scores: Sequence[float], level: float, rng: np.random.Generator, n: int) -> Case:
    """The interval of the mean in n calls, compared with the exact distribution over all resamples."""
    scores = np.asarray(scores, float)
    tail = (1 - level) / 2
    values, cumulative = mean_distribution(scores)

    def probability(x: float) -> float:
        """Of a resample whose mean is at most x; in the middle of the step, where x is a possible value."""
        below, upto = (
            np.concatenate([[0.0], cumulative])[np.searchsorted(values, y, "right")] for y in (x - 1e-9, x + 1e-9)
        )
        return (below + upto) / 2

    def quantile(p: float) -> float:
        return float(values[min(np.searchsorted(cumulative, p), len(values) - 1)])

    low, high = quantile(tail), quantile(1 - tail)
    expected = Text(f"[{low:.3f}, {high:.3f}] 上下", f"about [{low:.3f}, {high:.3f}]")
    error = math.sqrt(tail * (1 - tail) / RESAMPLES / n)
    allowed = SURPRISE * error + 0.008  # and as much for values that come in steps, and ways to interpolate

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        pairs = [read_pair(outcome.value) for outcome in outcomes]
        if None in pairs:
            return Verdict(False, TWO_NUMBERS, show(outcomes[pairs.index(None)].value), pairs.index(None))
        lows, highs = np.array(pairs).T
        got = f"[{lows[0]:.3f}, {highs[0]:.3f}]"
        p_low, p_high = (np.mean([probability(x) for x in side]) for side in (lows, highs))
        exactly = np.ptp(scores) == 0 and np.allclose([lows, highs], scores[0])
        near = max(abs(p_low - tail), abs(1 - p_high - tail)) <= allowed and not (lows > highs).any()
        return Verdict(bool(exactly or near), expected, got)

    calls = [Call((scores, inputs.mean, level, own)) for own in generators(rng, n)]
    return _case(name, calls, judge, expected)


def statistics_case(name: Text | str, rng: np.random.Generator) -> Case:
    """Statistics whose intervals are known for certain: the largest score, how many there are, and the resamples."""
    scores = rng.permutation(np.array([0.1, 0.2, 0.35, 0.4, 0.55, 0.6, 0.8, 0.95]))
    ends = (0.8, 0.95)  # P(max ≤ 0.6) = 0.100, P(max ≤ 0.8) = 0.344: a tail of 0.2 lies well in between
    statistics = (inputs.largest, inputs.largest, inputs.how_many, inputs.which_call)
    calls = [Call((scores, f, 0.6, r)) for f, r in zip(statistics, generators(rng, 4), strict=True)]

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        for i, (outcome, statistic) in enumerate(zip(outcomes, statistics, strict=True)):
            pair = read_pair(outcome.value)
            if pair is None:
                return Verdict(False, TWO_NUMBERS, show(outcome.value), i)
            got = f"[{pair[0]:.3f}, {pair[1]:.3f}]"
            if statistic is inputs.largest and not np.allclose(pair, ends):
                return Verdict(False, f"[{ends[0]}, {ends[1]}]", got, i)
            if statistic is inputs.how_many and not np.allclose(pair, len(scores)):
                expected = Text(f"每次重采样 {len(scores)} 个分数", f"{len(scores)} scores in each resample")
                return Verdict(False, expected, got, i)
            if statistic is inputs.which_call and resamples(pair, 0.6) < RESAMPLES - 10:
                expected = Text(f"至少 {RESAMPLES} 次重采样", f"at least {RESAMPLES} resamples")
                n = round(resamples(pair, 0.6))
                return Verdict(False, expected, Text(f"大约 {n} 次", f"about {n}"), i)
        return Verdict(True, f"[{ends[0]}, {ends[1]}]", show(outcomes[0].value))

    return _case(name, calls, judge, f"[{ends[0]}, {ends[1]}]")


def resamples(pair: tuple[float, float], level: float) -> float:
    """How many values 1, 2, 3, … there are, if this is their interval."""
    return (pair[1] - pair[0]) / level + 1


def bootstrap_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases."""
    many = rng.random(40)
    return [
        interval_case("seven_seeds", SKEWED, 0.9, rng, 2),
        interval_case("half", SATURATED, 0.5, rng, 1),
        interval_case("one_seed", (0.4,), 0.9, rng, 1),
        statistics_case("statistics", rng),
        seeded_case((many, inputs.mean, 0.9, None), rng),
    ]


# ---------------------------------------------------------------------------------------------------------- wrong ideas


def _values(scores: np.ndarray, statistic: Callable, rng: np.random.Generator, replace: bool = True) -> np.ndarray:
    """The statistic of many resamples: the same for all ideas, as long as scores and generator are."""
    return _resampled(tuple(scores.tolist()), statistic, rng.bit_generator.state["state"]["state"], replace)


@lru_cache(maxsize=128)
def _resampled(scores: tuple[float, ...], statistic: Callable, seed: int, replace: bool) -> np.ndarray:
    rng, shape = np.random.default_rng(seed), (RESAMPLES, len(scores))
    rows = rng.choice(scores, shape) if replace else rng.permuted(np.tile(scores, (RESAMPLES, 1)), axis=1)
    return np.array([statistic(row) for row in rows])


def _ends(choose: Callable, replace: bool = True) -> Callable:
    """``choose(values, level)`` gives the interval."""
    return lambda scores, f, level, rng: tuple(map(float, choose(_values(scores, f, rng, replace), level)))


def _between(tail: Callable) -> Callable:
    """Between the quantiles that ``tail(level)`` names."""
    return _ends(lambda values, level: np.quantile(values, tail(level)))


def _right(level: float) -> list[float]:
    return [(1 - level) / 2, (1 + level) / 2]


def _around(centre: Callable, error: Callable, factor: Callable) -> Callable:
    """``centre(scores, f, values)`` ± ``factor(level, n) · error(scores, values)``; the values are of resamples."""

    def wrong(scores, f, level, rng):
        values = _values(scores, f, rng)
        middle, width = centre(scores, f, values), factor(level, len(scores)) * error(scores, values)
        return float(middle - width), float(middle + width)

    return wrong


def _normal_factor(level: float, n: int) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _student_factor(level: float, n: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + level) / 2))


def _standard_error(ddof: int) -> Callable:
    return lambda scores, values: scores.std(ddof=min(ddof, len(scores) - 1)) / math.sqrt(len(scores))


def _pivot(scores, f, level, rng):
    low, high = np.quantile(_values(scores, f, rng), _right(level))
    return float(2 * f(scores) - high), float(2 * f(scores) - low)


def _observed(statistic: Callable, evidence: Sequence[Evidence]) -> tuple[tuple[float, float], Call] | None:
    """An interval of one of the statistics of `statistics_case`, and its call; None if there is none."""
    for one in evidence:
        for call, outcome in zip(one.case.calls, one.outcomes, strict=True):
            if call.arguments[1] is statistic and not outcome.error and read_pair(outcome.value):
                return read_pair(outcome.value), call
    return None


def _resampling(times: int, size: Callable[[int], int] = lambda n: n) -> Callable:
    """The percentile interval of so many resamples, each of ``size(n)`` of n scores."""

    def interval(scores, f, level, rng):
        rows = rng.choice(scores, (times, max(1, size(len(scores)))))
        return tuple(map(float, np.quantile([f(row) for row in rows], _right(level))))

    return interval


def _another_size(evidence: Sequence[Evidence]) -> bool:
    """Whether resamples have another size, which is a fixed one, or goes with the number of scores."""
    found = _observed(inputs.how_many, evidence)
    if found is None or found[0][0] != found[0][1]:
        return False
    m, n = round(found[0][0]), len(found[1].arguments[0])
    sizes = (lambda k: m), (lambda k: k * m // n), (lambda k: k + m - n)
    return 1 <= m != n and any(behaves_as(_resampling(RESAMPLES, size), evidence) for size in sizes)


def _too_few(evidence: Sequence[Evidence]) -> bool:
    """Whether all is right but the number of resamples."""
    found = _observed(inputs.which_call, evidence)
    times = round(resamples(found[0], found[1].arguments[2])) if found else 0
    return 3 <= times < RESAMPLES - 10 and behaves_as(_resampling(times), evidence)


def _one_value(evidence: Sequence[Evidence]) -> bool:
    """Whether low and high are the same in every call of the mean, whatever the scores."""
    pairs = [
        read_pair(outcome.value)
        for one in evidence
        for call, outcome in zip(one.case.calls, one.outcomes, strict=True)
        if call.arguments[1] is inputs.mean and np.ptp(call.arguments[0]) > 0
    ]
    return bool(pairs) and all(pair is not None and pair[0] == pair[1] for pair in pairs)


_FACTORS = [_normal_factor, _student_factor, lambda level, n: 1.96, lambda level, n: 1.0, lambda level, n: 2.0]
_CENTRES = [lambda scores, f, values: scores.mean(), lambda scores, f, values: f(scores)]

BOOTSTRAP = {
    "reversed": _ends(lambda values, level: np.quantile(values, _right(level))[::-1]),
    "level_as_tail": _between(lambda level: [1 - level, level]),
    "level_as_alpha": (_between(lambda level: [level / 2, 1 - level / 2]), _between(lambda level: [level, 1 - level])),
    "one_sided": (_between(lambda level: [0, level]), _between(lambda level: [1 - level, 1])),
    "level_ignored": (_between(lambda level: [0.025, 0.975]), _between(lambda level: [0.05, 0.95])),
    "smallest_and_largest": _ends(lambda values, level: (values.min(), values.max())),
    "without_replacement": _ends(lambda values, level: np.quantile(values, _right(level)), replace=False),
    "percentiles_of_scores": lambda scores, f, level, rng: tuple(np.quantile(scores, _right(level)).tolist()),
    "normal_interval": tuple(
        _around(centre, _standard_error(ddof), factor) for centre in _CENTRES for ddof in (0, 1) for factor in _FACTORS
    ),
    "spread_of_scores": tuple(
        _around(centre, lambda scores, values, ddof=ddof: scores.std(ddof=ddof), factor)
        for centre in _CENTRES
        for ddof in (0, 1)
        for factor in _FACTORS
    ),
    "normal_of_resamples": tuple(
        _around(lambda scores, f, values: values.mean(), lambda scores, values: values.std(), factor)
        for factor in _FACTORS
    ),
    "pivot": _pivot,
    "statistic_ignored": tuple(
        lambda scores, f, level, rng, g=g: tuple(np.quantile(_values(scores, g, rng), _right(level)))
        for g in (np.mean, np.median)
    ),
    "one_value_only": seen(_one_value),
    "unsorted_quantiles": _ends(
        lambda values, level: (
            values[int((1 - level) / 2 * len(values))],
            values[int((1 + level) / 2 * len(values)) - 1],
        )
    ),
    "percent_for_fraction": (
        _ends(lambda values, level: np.percentile(values, _right(level))),
        _between(lambda level: [50 * (1 - level), 50 * (1 + level)]),
    ),
    "width_only": lambda scores, f, level, rng: np.ptp(np.quantile(_values(scores, f, rng), _right(level))),
    "resample_size": seen(_another_size),
    "too_few_resamples": seen(_too_few),
    "fixed_rng": FIXED_RNG,
    "ignores_rng": unseeded(reference.bootstrap_interval),
}
