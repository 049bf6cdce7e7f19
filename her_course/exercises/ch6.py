"""Exercises of chapter 6, experiments: when it got there, the middle of the scores, an interval, and how much faster."""

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np

from her_course.exercises import reference
from her_course.exercises.bootstrap import BOOTSTRAP, bootstrap_cases
from her_course.exercises.goal_left_out import HIDDEN_GOAL, states_cases
from her_course.exercises.judging import declare, is_number_or_none, maker, number, seen, value_case
from her_course.exercises.model import Case, Evidence, Text, behaves_as

# ------------------------------------------------------------------------------------------------- steps_to_threshold

steps_case = maker(reference.steps_to_threshold, is_number_or_none)


def _at(choose: Callable, enough: Callable = np.greater_equal) -> Callable:
    """The step at position ``choose(reached, success)``; None where no success is `enough`."""

    def wrong(s: np.ndarray, y: np.ndarray, t: float) -> float | None:
        reached = np.flatnonzero(enough(y, t))
        return float(s[choose(reached, y)]) if len(reached) else None

    return wrong


def _number_for_never(evidence: Sequence[Evidence]) -> bool:
    """Whether nothing is wrong but that a number comes where None is asked for."""
    failed = [one for one in evidence if not one.verdict.passed]
    return all(one.case.expected == "None" and number(one.outcomes[0].value) is not None for one in failed)


def _settled(s, y, t):
    below = np.flatnonzero(y < t)
    first = below[-1] + 1 if len(below) else 0
    return float(s[first]) if first < len(s) else None


def _bisected(s, y, t):
    first = np.searchsorted(y, t)
    return float(s[first]) if first < len(s) else None


def _interpolated(s, y, t):
    reached = np.flatnonzero(y >= t)
    if not len(reached):
        return None
    i = reached[0]
    return float(np.interp(t, y[i - 1 : i + 1], s[i - 1 : i + 1])) if i else float(s[0])


STEPS = {
    "strictly_above": _at(lambda reached, y: reached[0], np.greater),
    "index_for_step": (
        lambda s, y, t: float(np.flatnonzero(y >= t)[0]) if (y >= t).any() else None,
        lambda s, y, t: float(np.flatnonzero(y >= t)[0]) + 1 if (y >= t).any() else None,
    ),
    "first_for_never": lambda s, y, t: float(s[np.argmax(y >= t)]),
    "number_for_never": seen(_number_for_never),
    "error_for_never": (
        lambda s, y, t: float(s[np.flatnonzero(y >= t)[0]]),
        lambda s, y, t: float(min(s[y >= t])),
        lambda s, y, t: float(s[y >= t].min()),
        lambda s, y, t: float(next(step for step, rate in zip(s, y, strict=True) if rate >= t)),
    ),
    "best_step": _at(lambda reached, y: y.argmax()),
    "step_before": _at(lambda reached, y: max(reached[0] - 1, 0)),
    "step_after": _at(lambda reached, y: min(reached[0] + 1, len(y) - 1)),
    "last_crossing": _settled,
    "last_step": _at(lambda reached, y: reached[-1]),
    "bisected": _bisected,
    "interpolated": (_interpolated, lambda s, y, t: float(np.interp(t, y, s)) if (y >= t).any() else None),
    "nearest": (
        lambda s, y, t: float(s[np.abs(y - t).argmin()]),
        lambda s, y, t: float(s[np.abs(y - t).argmin()]) if (y >= t).any() else None,
    ),
    "all_steps": (lambda s, y, t: s[y >= t], lambda s, y, t: s[y >= t] if (y >= t).any() else None),
    "success_for_step": lambda s, y, t: float(y[np.flatnonzero(y >= t)[0]]) if (y >= t).any() else None,
    "threshold_below": _at(lambda reached, y: reached[0], np.less),
}

# ---------------------------------------------------------------------------------------------------------------- iqm

iqm_case = maker(reference.iqm)


def _cut(low: Callable[[int], int], high: Callable[[int], int] | None = None) -> Callable:
    """The mean of what is left when low(n) scores are cut off below, and high(n), by default as many, above."""
    high = low if high is None else high
    return lambda x: float(np.sort(x)[low(len(x)) : len(x) - high(len(x))].mean())


def _middle(x: np.ndarray) -> np.ndarray:
    return np.sort(x)[len(x) // 4 : len(x) - len(x) // 4]


def _between_quartiles(x: np.ndarray, open_ends: bool = False) -> float:
    low, high = np.quantile(x, [0.25, 0.75])
    return float(x[(x > low) & (x < high)].mean() if open_ends else x[(x >= low) & (x <= high)].mean())


IQM = {
    "unsorted": lambda x: float(x[len(x) // 4 : len(x) - len(x) // 4].mean()),
    "mean": lambda x: float(np.mean(x)),
    "median": lambda x: float(np.median(x)),
    "empty_slice": (
        lambda x: float(np.sort(x)[len(x) // 4 : -(len(x) // 4)].mean()),
        lambda x: float(np.sort(x)[len(x) // 4 : -(len(x) // 4)].sum() / (len(x) - 2 * (len(x) // 4))),
    ),
    "trims_a_quarter_in_all": _cut(lambda n: n // 8),
    "trims_half_at_each_end": _cut(lambda n: n // 2),
    "trims_one_at_each_end": (_cut(lambda n: 1), _cut(lambda n: int(n > 2)), _cut(lambda n: int(n > 3))),
    "trims_another_share": (_cut(lambda n: n // 10), _cut(lambda n: n // 5), _cut(lambda n: n // 3)),
    "upper_end_rounded": (
        lambda x: float(np.sort(x)[len(x) // 4 : 3 * len(x) // 4].mean()),
        lambda x: float(np.sort(x)[len(x) // 4 : 3 * len(x) // 4 + 1].mean()),
        lambda x: float(np.sort(x)[len(x) // 4 : 3 * (len(x) // 4)].mean()),
    ),
    "rounds_to_nearest": _cut(lambda n: round(n / 4)),
    "rounds_up": (_cut(lambda n: -(-n // 4)), _cut(lambda n: min(-(-n // 4), (n - 1) // 2))),
    "percentile_mask": (
        _between_quartiles,
        lambda x: _between_quartiles(x, open_ends=True),
        lambda x: _between_quartiles(x, open_ends=True) if len(x) > 1 else float(x.mean()),
    ),
    "clipped_to_quartiles": lambda x: float(np.clip(x, *np.quantile(x, [0.25, 0.75])).mean()),
    "midpoint_of_quartiles": lambda x: float(np.quantile(x, [0.25, 0.75]).mean()),
    "one_sided": (_cut(lambda n: n // 4, lambda n: 0), _cut(lambda n: 0, lambda n: n // 4)),
    "interquartile_range": lambda x: float(np.quantile(x, 0.75) - np.quantile(x, 0.25)),
    "cuts_outliers": lambda x: float(
        x[np.abs(x - np.median(x)) <= 1.5 * (np.quantile(x, 0.75) - np.quantile(x, 0.25))].mean()
    ),
    "sum": lambda x: float(_middle(x).sum()),
    "divided_by_all": (
        lambda x: float(_middle(x).sum() / len(x)),
        lambda x: float(_middle(x).sum() / (len(x) / 2)),
        lambda x: float(_middle(x).sum() / max(len(x) // 2, 1)),
    ),
    "middle_scores_only": _middle,
    "median_of_middle": lambda x: float(np.median(x[len(x) // 4 : len(x) - len(x) // 4])),
}

# ----------------------------------------------------------------------------------------------------------- speed_up


def speed_case(name: Text | str, baseline, treatment) -> Case:
    """The ratio of these medians."""
    return value_case(name, (baseline, treatment), reference.speed_up, is_number_or_none)


def _speed_up_cases(rng: np.random.Generator) -> list[Case]:
    return [
        speed_case("all_reached", [4000.0, 9000.0, 5000.0], [1250.0, 3000.0, 1000.0]),
        speed_case("baseline_missing", [6000.0, None, 3000.0], [1500.0, 2000.0, 1000.0]),
        speed_case("treatment_missing", [6000.0, 8000.0, 7000.0], [None, 1000.0, 2000.0]),
        speed_case("most_of_baseline", [None, 9000.0, None], [1000.0, 2000.0, 3000.0]),
        speed_case("most_of_treatment", [3000.0, 9000.0, 4000.0], [None, None, 500.0]),
        speed_case("most_of_both", [None, None, 8000.0], [None, 2000.0, None]),
        speed_case("unequal_numbers", [2000.0, 4000.0], [1000.0, 500.0, 800.0]),
    ]


Steps = Sequence[float | None]


def _with(absent: float, steps: Steps) -> list[float]:
    return [absent if s is None else s for s in steps]


def _reached(steps: Steps) -> list[float]:
    return [s for s in steps if s is not None]


def _ratio(before: float, after: float) -> float | None:
    """As asked for: of numbers that may be infinite."""
    if math.isinf(after):
        return None if math.isinf(before) else 0.0
    return float(before / after)


def _by(average: Callable[[Steps], float]) -> tuple[Callable, ...]:
    """Ratios of this average in the place of the median, with the rules for infinity, and without."""
    return (
        lambda b, t: _ratio(average(b), average(t)),
        lambda b, t: float(np.float64(average(b)) / np.float64(average(t))),
    )


def _on_infinite(average: Callable[[list[float]], float]) -> tuple[Callable, ...]:
    return _by(lambda steps: float(average(_with(math.inf, steps))))


def _filled(fill: Callable[[list[float]], float], own: bool = False) -> Callable:
    """None stands for ``fill(numbers)``, of both sides or of its own."""

    def wrong(b: Steps, t: Steps) -> float:
        before, after = (np.median(_with(fill(_reached(steps if own else [*b, *t])), steps)) for steps in (b, t))
        return float(np.float64(before) / np.float64(after))

    return wrong


def _large(evidence: Sequence[Evidence]) -> bool:
    """Whether one number, larger than all others, stands for None: that where most of the baseline never did tells it."""
    for one in evidence:
        (b, t), ratio = one.case.calls[0].arguments, number(one.outcomes[0].value)
        if math.isinf(_medians(b, t)[0]) and None not in t and ratio is not None:
            fill = ratio * float(np.median(t))
            wrong = _filled(lambda reached, fill=fill: fill)
            return max(_reached([*b, *t])) < fill < math.inf and behaves_as(wrong, evidence)
    return False


def _survivors(rule: Callable[[list[float], list[float]], float | None]) -> Callable:
    """The ratio of medians of those that got there; `rule` says what comes where a side has none."""

    def wrong(b: Steps, t: Steps) -> float | None:
        b, t = _reached(b), _reached(t)
        return float(np.median(b) / np.median(t)) if b and t else rule(b, t)

    return wrong


def _each(b: Steps, t: Steps) -> list[float]:
    return [x / y for x, y in zip(_with(math.inf, b), _with(math.inf, t), strict=False)]


def _medians(b: Steps, t: Steps) -> tuple[float, float]:
    return float(np.median(_with(math.inf, b))), float(np.median(_with(math.inf, t)))


def _by_medians(rule: Callable[[float, float], float | None]) -> Callable:
    return lambda b, t: rule(*_medians(b, t))


SPEED_UP = {
    "drops_not_reached": (
        _survivors(lambda b, t: None),
        _survivors(lambda b, t: (math.inf if t else None) if not b else 0.0),
        lambda b, t: float(np.nanmedian(_with(math.nan, b)) / np.nanmedian(_with(math.nan, t))),
    ),
    "inverted": (
        _by_medians(lambda b, t: _ratio(t, b)),
        _by_medians(
            lambda b, t: (None if math.isinf(t) else math.inf) if math.isinf(b) else 0.0 if math.isinf(t) else t / b
        ),
        _by_medians(lambda b, t: float(np.float64(t) / np.float64(b))),
    ),
    "mean_for_median": (
        *_on_infinite(np.mean),
        *_by(lambda steps: np.mean(_reached(steps)) if _reached(steps) else math.inf),
    ),
    "lower_or_upper_median": (*_on_infinite(statistics.median_low), *_on_infinite(statistics.median_high)),
    "best_seed": (*_on_infinite(min), *_on_infinite(max)),
    "not_reached_is_zero": _filled(lambda reached: 0.0),
    "not_reached_is_largest_seen": tuple(
        _filled(lambda reached, factor=factor: factor * max(reached, default=0.0), own)
        for factor in (1, 2, 10)
        for own in (False, True)
    ),
    "not_reached_is_large": seen(_large),
    "not_reached_is_typical": (_filled(np.median), _filled(np.mean)),
    "nan_for_neither": _by_medians(lambda b, t: float(np.float64(b) / np.float64(t))),
    "number_for_neither": (
        _by_medians(lambda b, t: 1.0 if math.isinf(b) and math.isinf(t) else _ratio(b, t)),
        _by_medians(lambda b, t: math.inf if math.isinf(b) else 0.0 if math.isinf(t) else b / t),
        _by_medians(lambda b, t: 0.0 if math.isinf(t) else math.inf if math.isinf(b) else b / t),
    ),
    "infinity_and_zero_swapped": _by_medians(
        lambda b, t: (None if math.isinf(t) else 0.0) if math.isinf(b) else math.inf if math.isinf(t) else b / t
    ),
    "none_for_never": (
        _by_medians(lambda b, t: None if math.isinf(b) or math.isinf(t) else b / t),
        _by_medians(lambda b, t: None if math.isinf(b) else b / t),
        _by_medians(lambda b, t: None if math.isinf(t) else b / t),
    ),
    "any_missing_counts": (
        lambda b, t: _ratio(*(math.inf if None in steps else float(np.median(steps)) for steps in (b, t))),
        lambda b, t: None if None in [*b, *t] else float(np.median(b) / np.median(t)),
    ),
    "none_not_handled": lambda b, t: float(np.median(b) / np.median(t)),
    "median_of_ratios": (
        lambda b, t: float(np.median([x / y for x, y in zip(b, t, strict=True)])),
        lambda b, t: float(np.median(_each(b, t))),
        lambda b, t: float(np.median([x for x in _each(b, t) if x == x])) if any(x == x for x in _each(b, t)) else None,
        lambda b, t: float(np.nanmedian(_each(b, t))),
    ),
    "difference": (
        _by_medians(lambda b, t: b - t),
        _by_medians(lambda b, t: float(np.float64(b - t) / np.float64(b))),
        _by_medians(lambda b, t: (b - t) / b if not math.isinf(b) else None),
        _by_medians(lambda b, t: None if math.isinf(b) or math.isinf(t) else b - t),
        _by_medians(lambda b, t: None if math.isinf(b) and math.isinf(t) else b - t),
        _by_medians(lambda b, t: None if math.isinf(b) or math.isinf(t) else (b - t) / b),
    ),
    "share_that_reached": lambda b, t: float(len(_reached(t)) / len(t) / (len(_reached(b)) / len(b))),
}

EXERCISES = (
    declare(6, reference.steps_to_threshold, steps_case, STEPS, listed=True),
    declare(6, reference.iqm, iqm_case, IQM, listed=True),
    declare(6, reference.bootstrap_interval, bootstrap_cases, BOOTSTRAP),
    declare(6, reference.speed_up, _speed_up_cases, SPEED_UP),
    declare(6, reference.mended_network_inputs, states_cases, HIDDEN_GOAL),
)
