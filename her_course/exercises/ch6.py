"""Exercises of chapter 6, experiments: when it got there, the middle of the scores, an interval, and how much faster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.judging import (
    FIXED_RNG,
    IGNORES_RNG,
    generators,
    is_number,
    is_number_or_none,
    numbers,
    seeded_case,
    show,
    value_case,
)
from her_course.exercises.model import Call, Case, Exercise, Misconception, Outcome, Text, Verdict

# ------------------------------------------------------------------------------------------------- steps_to_threshold


def _first(condition, steps):
    return float(steps[np.flatnonzero(condition)[0]]) if condition.any() else None


STEPS = {
    "strictly_above": Misconception(
        Text("用了 >。达到阈值就算，要用 ≥。", "A >. Reaching the threshold is enough: ≥."),
        lambda s, y, t: _first(y > t, s),
    ),
    "index_for_step": Misconception(
        Text("返回的是下标，不是步数。", "An index came back, not the step."),
        lambda s, y, t: float(np.flatnonzero(y >= t)[0]) if (y >= t).any() else None,
    ),
    "number_for_never": Misconception(
        Text(
            "从没达到时返回了一个数。会被当成真的步数去求平均：用 None。",
            "A number for a run that never got there. Somebody will average it: return None.",
        ),
        lambda s, y, t: _first(y >= t, s) if (y >= t).any() else float(s[-1]),
    ),
    "first_for_never": Misconception(
        Text(
            "从没达到时返回了第一步：全是 False 的 `argmax` 是 0。",
            "The first step for a run that never got there: `argmax` of nothing but False is 0.",
        ),
        lambda s, y, t: float(s[np.argmax(y >= t)]),
    ),
    "best_step": Misconception(
        Text(
            "给的是成绩最好的那一步，不是第一次达到的。", "The step of the best score, not the first that reached it."
        ),
        lambda s, y, t: float(s[np.argmax(y)]) if (y >= t).any() else None,
    ),
    "last_crossing": Misconception(
        Text(
            "给的是之后一直不掉下来的那一步。题目问第一次。",
            "The step from which on it never fell again. The first time is asked for.",
        ),
        lambda s, y, t: _settled(s, y, t),
    ),
    "last_step": Misconception(
        Text("给的是最后一次达到的那一步。", "The last step that reached it."),
        lambda s, y, t: float(s[np.flatnonzero(y >= t)[-1]]) if (y >= t).any() else None,
    ),
}


def _settled(steps, success, threshold):
    below = np.flatnonzero(success < threshold)
    first = below[-1] + 1 if len(below) else 0
    return float(steps[first]) if first < len(steps) else None


def steps_case(name: Text, group: str, success: Sequence[float], threshold: float, every: int = 1000) -> Case:
    """Success rates after `every`, 2·`every`, … steps."""
    steps = every * np.arange(1, len(success) + 1)
    arguments = (steps, np.asarray(success, float), threshold)
    return value_case(name, group, arguments, reference.steps_to_threshold, STEPS, is_number_or_none)


def _steps_cases(rng: np.random.Generator) -> list[Case]:
    return [
        steps_case(Text("稳稳地升上去", "a steady rise"), "basics", [0.0, 0.2, 0.6, 0.9, 1.0], 0.5),
        steps_case(Text("从没达到", "never reached"), "basics", [0.0, 0.1, 0.3, 0.2], 0.5),
        steps_case(Text("正好等于阈值", "exactly the threshold"), "details", [0.0, 0.5, 0.7, 0.75], 0.5),
        steps_case(Text("升上去又掉下来", "up, and down again"), "details", [0.1, 0.6, 0.3, 0.8, 0.9, 0.7], 0.5),
        steps_case(Text("一开始就在上面", "above from the start"), "edges", [0.9, 0.95], 0.5, every=320),
        steps_case(Text("只考过一次", "a single evaluation"), "edges", [0.2], 0.5),
    ]


# ---------------------------------------------------------------------------------------------------------------- iqm

IQM = {
    "unsorted": Misconception(
        Text(
            "没有排序就切掉了两头：切掉的是先后，不是大小。",
            "Cut off at both ends without sorting: by order, not by size.",
        ),
        lambda x: x[len(x) // 4 : len(x) - len(x) // 4].mean(),
    ),
    "mean": Misconception(
        Text("这是平均值，一个离群的种子就能拖走它。", "That is the mean, which one outlying seed drags along."),
        np.mean,
    ),
    "median": Misconception(
        Text(
            "这是中位数。四分位均值要用中间一半的所有分数。", "That is the median. The IQM uses all of the middle half."
        ),
        np.median,
    ),
    "trims_a_quarter_in_all": Misconception(
        Text("每头只切了八分之一。每头要切四分之一。", "An eighth was cut off at each end. It is a quarter at each."),
        lambda x: np.sort(x)[len(x) // 8 : len(x) - len(x) // 8].mean(),
    ),
    "percentile_mask": Misconception(
        Text(
            "用 25 % 和 75 % 分位数之间的分数求平均。边界上的分数会多留下来；按个数切，每头 ⌊n/4⌋ 个。",
            "The mean of scores between the quartiles. Scores on the border stay in; cut by number, ⌊n/4⌋ at each end.",
        ),
        lambda x: x[(x >= np.quantile(x, 0.25)) & (x <= np.quantile(x, 0.75))].mean(),
    ),
    "midpoint_of_quartiles": Misconception(
        Text("取了两个四分位数的中点。", "The midpoint of the two quartiles."),
        lambda x: (np.quantile(x, 0.25) + np.quantile(x, 0.75)) / 2,
    ),
    "rounds_up": Misconception(
        Text("切多了：每头切的个数向*下*取整。", "Too much was cut off: the number at each end is rounded *down*."),
        lambda x: np.sort(x)[-(-len(x) // 4) : len(x) - -(-len(x) // 4)].mean(),
    ),
    "one_sided": Misconception(
        Text("只切了一头。", "Cut off at one end only."),
        lambda x: np.sort(x)[len(x) // 4 :].mean(),
    ),
    "interquartile_range": Misconception(
        Text("这是四分位*距*（差），不是四分位均值。", "That is the interquartile *range*, a difference."),
        lambda x: np.quantile(x, 0.75) - np.quantile(x, 0.25),
    ),
}


def iqm_case(name: Text, group: str, scores: Sequence[float]) -> Case:
    """The IQM of these scores."""
    return value_case(name, group, (np.asarray(scores, float),), reference.iqm, IQM, is_number(1e-6, 1e-9))


def _iqm_cases(rng: np.random.Generator) -> list[Case]:
    return [
        iqm_case(Text("四个分数", "four scores"), "basics", [0.1, 0.2, 0.6, 1.0]),
        iqm_case(
            Text("八个分数，没排过序", "eight scores, unsorted"), "basics", [0.9, 0.1, 0.5, 0.8, 0.0, 0.3, 1.0, 0.4]
        ),
        iqm_case(Text("五个：⌊5/4⌋ = 1", "five: ⌊5/4⌋ = 1"), "details", [0.0, 0.95, 0.2, 0.9, 0.85]),
        iqm_case(
            Text("一个离群的种子", "one outlying seed"), "details", [0.9, 0.91, 0.0, 0.93, 0.95, 0.96, 0.97, 0.99]
        ),
        iqm_case(Text("有相同的分数", "equal scores"), "details", [1.0, 1.0, 1.0, 0.2, 1.0, 0.0, 0.5, 1.0, 0.4]),
        iqm_case(Text("三个：一个也不切", "three: nothing is cut off"), "edges", [0.3, 0.1, 0.8]),
        iqm_case(Text("只有一个", "a single one"), "edges", [0.7]),
    ]


# -------------------------------------------------------------------------------------------------- bootstrap_interval

BOOTSTRAP = {
    "reversed": Misconception(
        Text("上下颠倒了：先下界，后上界。", "Upside down: the lower end first."),
    ),
    "level_as_tail": Misconception(
        Text(
            "两头各切了 1 − level。那样两头*一共*切掉了两倍：每头 (1 − level)/2。",
            "1 − level was cut off at each end. That is twice too much in all: (1 − level)/2 at each.",
        )
    ),
    "without_replacement": Misconception(
        Text(
            "重采样没有放回：每次都是同一批分数换个顺序，区间宽度为 0。",
            "Resampled without replacement: the same scores in another order every time, and an interval of width 0.",
        )
    ),
    "percentiles_of_scores": Misconception(
        Text(
            "给的是分数本身的分位数。要的是*统计量*在重采样中的分位数。",
            "Quantiles of the scores themselves. It is those of the *statistic* over the resamples.",
        )
    ),
    "normal_interval": Misconception(
        Text(
            "用了均值 ± z·标准误。种子少、分数挤在边上时，它会伸到不可能的地方去。",
            "Mean ± z standard errors. With few seeds and scores near a border it reaches where no score can be.",
        )
    ),
    "statistic_ignored": Misconception(
        Text("不管传进来的 `statistic` 是什么都算了平均。", "It computed the mean, whatever `statistic` it was given."),
    ),
    "unsorted_quantiles": Misconception(
        Text(
            "按下标从没排序的重采样里取值：那是随便两个值，不是分位数。",
            "Values picked by position out of unsorted resamples: any two values, no quantiles.",
        )
    ),
    "resample_size": Misconception(
        Text(
            "重采样的大小不对：每次要抽 n 个，和原来一样多。",
            "Resamples of the wrong size: each has n scores, as many as there are.",
        ),
    ),
    "fixed_rng": FIXED_RNG,
    "ignores_rng": IGNORES_RNG,
}
RESAMPLES = 2000  # that a learner is asked to take, at least
SURPRISE = 6.2  # standard errors: a right answer is farther away with probability below 1e-9


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


def interval_case(name: Text, group: str, scores: Sequence[float], level: float, rngs) -> Case:
    """The interval of the mean, compared with the exact distribution over all resamples."""
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

    expected = Text(
        f"[{quantile(tail):.3f}, {quantile(1 - tail):.3f}] 上下",
        f"about [{quantile(tail):.3f}, {quantile(1 - tail):.3f}]",
    )
    error = math.sqrt(tail * (1 - tail) / RESAMPLES / len(rngs))
    allowed = SURPRISE * error + 0.008  # and as much for values that come in steps, and ways to interpolate

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        pairs = [_pair(outcome.value) for outcome in outcomes]
        if None in pairs:
            return Verdict(False, Text("两个数：(下界, 上界)", "two numbers: (low, high)"), show(outcomes[0].value))
        lows, highs = np.array(pairs).T
        got = f"[{lows[0]:.3f}, {highs[0]:.3f}]"
        p_low, p_high = (np.array([probability(x) for x in side]) for side in (lows, highs))
        if (lows > highs).all() and abs(p_high.mean() - tail) <= allowed:
            return Verdict(False, expected, got, ("reversed",))
        off = max(abs(p_low.mean() - tail), abs(1 - p_high.mean() - tail))
        exactly = np.ptp(scores) == 0 and np.allclose([lows, highs], scores[0])
        if exactly or (off <= allowed and not (lows > highs).any()):
            return Verdict(True, expected, got)
        suspects = []
        if np.ptp(scores) > 0 and np.allclose(lows, highs):
            suspects.append("without_replacement")
        if np.allclose(lows, np.quantile(scores, tail)) and np.allclose(highs, np.quantile(scores, 1 - tail)):
            suspects.append("percentiles_of_scores")
        if any(np.allclose(lows, a) and np.allclose(highs, b) for a, b in _normal(scores, level)):
            suspects.append("normal_interval")
        if p_low.std() > 0.1 or (lows > highs).any():
            suspects.append("unsorted_quantiles")
        elif max(abs(p_low.mean() - 2 * tail), abs(1 - p_high.mean() - 2 * tail)) <= allowed:
            suspects.append("level_as_tail")
        elif not suspects:
            suspects.append("resample_size")
        return Verdict(False, expected, got, tuple(suspects))

    return Case(name, group, [Call((scores, inputs.mean, level, rng)) for rng in rngs], judge, expected)


def _normal(scores: np.ndarray, level: float) -> list[tuple[float, float]]:
    """Mean ± z or t standard errors, with either ddof."""
    from scipy.special import ndtri, stdtrit

    n = len(scores)
    factors = (ndtri((1 + level) / 2), stdtrit(n - 1, (1 + level) / 2))
    errors = [scores.std(ddof=ddof) / math.sqrt(n) for ddof in (0, 1)]
    return [(scores.mean() - f * e, scores.mean() + f * e) for f in factors for e in errors]


def _pair(value) -> tuple[float, float] | None:
    """Two numbers, from a tuple, a list or an array."""
    parts = (
        list(value) if type(value) in (tuple, list) else [] if numbers(value) is None else list(np.atleast_1d(value))
    )
    arrays = [numbers(part) for part in parts]
    if len(arrays) != 2 or any(array is None or array.shape != () or not np.isfinite(array) for array in arrays):
        return None
    return float(arrays[0]), float(arrays[1])


def largest_case(name: Text, group: str, rng: np.random.Generator) -> Case:
    """The interval of the largest score, whose ends are two scores, known for certain."""
    scores = rng.permutation(np.array([0.1, 0.2, 0.35, 0.4, 0.55, 0.6, 0.8, 0.95]))
    low, high = 0.8, 0.95  # P(max ≤ 0.6) = 0.100, P(max ≤ 0.8) = 0.344: a tail of 0.2 lies well in between
    expected = f"[{low}, {high}]"

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        pairs = [_pair(outcome.value) for outcome in outcomes]
        if None in pairs:
            return Verdict(False, Text("两个数：(下界, 上界)", "two numbers: (low, high)"), show(outcomes[0].value))
        got = f"[{pairs[0][0]:.3f}, {pairs[0][1]:.3f}]"
        if all(np.allclose(pair, (low, high)) for pair in pairs):
            return Verdict(True, expected, got)
        around_the_mean = all(a <= scores.mean() <= b < 0.79 for a, b in pairs)
        return Verdict(False, expected, got, ("statistic_ignored",) if around_the_mean else ())

    calls = [Call((scores, inputs.largest, 0.6, r)) for r in generators(rng, 2)]
    return Case(name, group, calls, judge, expected)


SATURATED = (0.9, 0.31, 0.93, 0.97, 0.88, 0.99, 0.62)
SKEWED = (0.02, 0.05, 0.07, 0.11, 0.16, 0.31, 0.88)


def _bootstrap_cases(rng: np.random.Generator) -> list[Case]:
    many = rng.random(40)
    return [
        interval_case(Text("七个种子，90 %", "seven seeds, 90 %"), "basics", SKEWED, 0.9, generators(rng, 3)),
        interval_case(Text("七个种子，50 %", "seven seeds, 50 %"), "details", SATURATED, 0.5, generators(rng, 2)),
        interval_case(Text("只有一个种子", "a single seed"), "edges", (0.4,), 0.9, generators(rng, 1)),
        largest_case(Text("别的统计量：最大值", "another statistic: the largest"), "details", rng),
        seeded_case(lambda r: (many, inputs.mean, 0.9, r), rng.integers(2**62, size=2), "fixed_rng", "ignores_rng"),
    ]


# ----------------------------------------------------------------------------------------------------------- speed_up


def _median(steps, absent):
    return np.median([absent if s is None else s for s in steps])


SPEED_UP = {
    "drops_not_reached": Misconception(
        Text(
            "把没达到的种子扔掉了：只剩下运气好的，方法越差看着越快。没达到算无穷久。",
            "Seeds that never got there were dropped: only the lucky stay, and a bad method looks fast. They took forever.",
        ),
        lambda b, t: _ratio([s for s in b if s is not None], [s for s in t if s is not None]),
    ),
    "inverted": Misconception(
        Text(
            "比反了：快了几倍 = 基线的步数 / 新方法的步数。",
            "Inverted: how many times faster = baseline's steps / treatment's.",
        ),
        lambda b, t: reference.speed_up(t, b),
    ),
    "mean_for_median": Misconception(
        Text(
            "用了平均值。有一个种子没达到，平均就是无穷；用中位数。",
            "Means. One seed that never got there makes them infinite: use medians.",
        ),
        lambda b, t: _speed(
            np.mean([math.inf if s is None else s for s in b]), np.mean([math.inf if s is None else s for s in t])
        ),
    ),
    "not_reached_is_zero": Misconception(
        Text("没达到的当成了 0 步，成了最快的。", "Not reached counted as 0 steps: the fastest of all."),
        lambda b, t: float(_median(b, 0) / _median(t, 0)),
    ),
    "nan_for_neither": Misconception(
        Text(
            "∞/∞ 是 NaN。两边的中位数都没达到，就什么也说不了：None。",
            "∞/∞ is NaN. Where neither median got there, nothing can be said: None.",
        ),
        lambda b, t: float(_median(b, math.inf) / _median(t, math.inf)),
    ),
    "none_for_never": Misconception(
        Text(
            "只要有一边没达到就返回 None。基线没达到、新方法达到了，是 ∞；反过来是 0。",
            "None as soon as one side never got there. If only the treatment got there it is ∞; if only the baseline, 0.",
        ),
        lambda b, t: (
            None if math.isinf(_median(b, math.inf)) or math.isinf(_median(t, math.inf)) else reference.speed_up(b, t)
        ),
    ),
    "median_of_ratios": Misconception(
        Text(
            "先两两相除再取中位数。种子之间没有对应关系，打乱顺序结果就变。",
            "The median of ratios. Seeds do not go in pairs: in another order it would be another number.",
        ),
        lambda b, t: float(np.median([x / y for x, y in zip(b, t, strict=True)])),
    ),
}


def _speed(before, after):
    with np.errstate(invalid="ignore"):
        return None if math.isinf(before) and math.isinf(after) else float(before / after)


def _ratio(before, after):
    return float(np.median(before) / np.median(after)) if before and after else None


def _same_ratio(got, expected) -> bool:
    """Numbers, ∞ and None; two NaN are alike here, so that the idea behind them can be named."""
    value = numbers(got)
    if isinstance(expected, float) and math.isnan(expected):
        return value is not None and value.shape == () and bool(np.isnan(value.astype(float)))
    return is_number_or_none(got, expected)


def speed_case(name: Text, group: str, baseline, treatment) -> Case:
    """The ratio of these medians."""
    return value_case(name, group, (baseline, treatment), reference.speed_up, SPEED_UP, _same_ratio)


def _speed_up_cases(rng: np.random.Generator) -> list[Case]:
    return [
        speed_case(Text("都达到了", "all got there"), "basics", [4000.0, 9000.0, 5000.0], [1000.0, 1250.0, 3000.0]),
        speed_case(
            Text("基线有一个没达到", "one baseline run never did"),
            "details",
            [6000.0, None, 3000.0],
            [1500.0, 2000.0, 1000.0],
        ),
        speed_case(
            Text("新方法有一个没达到", "one treatment run never did"),
            "details",
            [6000.0, 8000.0, 7000.0],
            [None, 1000.0, 2000.0],
        ),
        speed_case(
            Text("基线多半没达到", "most of the baseline never did"),
            "edges",
            [None, 9000.0, None],
            [1000.0, 2000.0, 3000.0],
        ),
        speed_case(
            Text("新方法多半没达到", "most of the treatment never did"),
            "edges",
            [3000.0, 9000.0, 4000.0],
            [None, None, 500.0],
        ),
        speed_case(
            Text("两边都多半没达到", "most of both never did"), "edges", [None, None, 8000.0], [None, 2000.0, None]
        ),
        speed_case(
            Text("种子数不同", "different numbers of seeds"), "details", [2000.0, 4000.0], [1000.0, 500.0, 800.0]
        ),
    ]


EXERCISES = (
    Exercise(
        "steps_to_threshold",
        6,
        Text("第一次达到是什么时候", "When it first got there"),
        1,
        5,
        _steps_cases,
        STEPS,
        (
            Text("先找出所有达到阈值的位置。", "Find all positions that reach the threshold first."),
            Text(
                "`np.flatnonzero(success >= threshold)` 是这些位置；可能一个也没有。",
                "`np.flatnonzero(success >= threshold)` gives them; there may be none.",
            ),
            Text("有就返回 `steps[第一个]`，没有就返回 None。", "If there is one, `steps[the first]`; otherwise None."),
        ),
        "her_course.exercises.reference:steps_to_threshold",
    ),
    Exercise(
        "iqm",
        6,
        Text("四分位均值", "The interquartile mean"),
        2,
        5,
        _iqm_cases,
        IQM,
        (
            Text("排序，两头切掉，剩下的求平均。", "Sort, cut off both ends, average the rest."),
            Text("每头切 `len(scores) // 4` 个。", "Cut `len(scores) // 4` at each end."),
            Text(
                "`np.sort(scores)[cut : len(scores) - cut].mean()`；cut 为 0 时 `[:-cut]` 会变空。",
                "`np.sort(scores)[cut : len(scores) - cut].mean()`; with cut = 0, `[:-cut]` would be empty.",
            ),
        ),
        "her_course.exercises.reference:iqm",
    ),
    Exercise(
        "bootstrap_interval",
        6,
        Text("几个种子能说多准", "How sure a few seeds can be"),
        3,
        20,
        _bootstrap_cases,
        BOOTSTRAP,
        (
            Text(
                "假装这几个种子就是全部：从里面有放回地再抽 n 个，算一次统计量，重复很多次。",
                "Pretend these seeds are all there is: draw n of them with replacement, compute the statistic, and again, many times.",
            ),
            Text(
                "`rng.choice(scores, size=(2000, n))` 是 2000 个重采样；逐行算 `statistic`。",
                "`rng.choice(scores, size=(2000, n))` are 2000 resamples; compute `statistic` row by row.",
            ),
            Text(
                "最后 `np.quantile(values, [(1 - level) / 2, (1 + level) / 2])`。",
                "Then `np.quantile(values, [(1 - level) / 2, (1 + level) / 2])`.",
            ),
        ),
        "her_course.exercises.reference:bootstrap_interval",
    ),
    Exercise(
        "speed_up",
        6,
        Text("快了几倍，没达到的也算上", "How many times faster, counting those that never got there"),
        3,
        15,
        _speed_up_cases,
        SPEED_UP,
        (
            Text(
                "没达到（None）的种子比任何达到的都慢。中位数不在乎它慢多少。",
                "A seed that never got there (None) is slower than any that did. A median does not care by how much.",
            ),
            Text("把 None 换成 `math.inf` 再取 `np.median`。", "Put `math.inf` for None, then `np.median`."),
            Text(
                "两个中位数相除；都是 ∞ 时是 None，只有新方法是 ∞ 时是 0.0。",
                "Divide the medians; None if both are ∞, 0.0 if only the treatment's is.",
            ),
        ),
        "her_course.exercises.reference:speed_up",
    ),
)
