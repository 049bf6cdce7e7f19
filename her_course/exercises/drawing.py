"""Cases of draws, whose frequencies have to be right, and of the generator that they come from."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from her_course import plain
from her_course.exercises.judging import as_array, numbers, same_problem, seen
from her_course.exercises.model import Call, Case, Evidence, Misconception, Outcome, Problem, Text, Verdict
from her_course.exercises.running import trusted
from her_course.exercises.saying import show

#: how often a right answer fails one test of a distribution, at most; a check makes some tens of them at most
FALSE_ALARM = 1e-9
#: standard errors between the counts of an answer and of a wrong idea, from which on they are not alike
UNLIKE = 6
#: calls of a wrong idea: at first a few, to see what it does that no right answer does; then two for each of the
#: answer's, within limits
FEW, LEAST, MOST = 6, 24, 100


class Odd(Exception):
    """A value that no draw can be read from: of which kind it is, what was expected, what came."""

    def __init__(self, kind: str, expected: Text | str, got: Text | str):
        super().__init__(kind)
        self.kind, self.expected, self.got = kind, expected, got


def array_of(value: Any, shape: tuple[int, ...], integers: bool = False) -> np.ndarray:
    """`value`, if it is an array of this shape.

    Raises:
        Odd: it is not.
    """
    array, kind = numbers(value), type(value).__name__
    if array is None:
        name, zh, en = f"type {kind}", f"类型是 {kind}", f"the type is {kind}"
    elif array.shape != shape:
        name, zh, en = f"shape {array.shape}", f"形状 {array.shape}", f"shape {array.shape}"
    elif integers and array.dtype.kind not in "iu":
        name, zh, en = "dtype", f"类型是 {array.dtype}", f"of type {array.dtype}"
    else:
        return array
    said, (ours, theirs) = show(value, 60), ("整数数组", "an array of integers") if integers else ("数组", "an array")
    raise Odd(name, Text(f"{ours}，形状 {shape}", f"{theirs}, shape {shape}"), Text(f"{said}：{zh}", f"{said}: {en}"))


class Feature(NamedTuple):
    """Something to be counted over all draws.

    Attributes:
        probabilities: of each of its values, 0 where it is impossible.
        expected: what is asked for, in words.
        tell: puts counts into words; the value itself is shown where it is None.
    """

    probabilities: np.ndarray
    expected: Text | str
    tell: Callable[[np.ndarray], Text | str] | None = None


def draws_case(
    name: Text | str,
    arguments: Sequence[Any],
    rng: np.random.Generator,
    calls: int,
    read: Callable[[Any], dict[str, np.ndarray]],
    features: Mapping[str, Feature],
    exact: bool = True,
) -> Case:
    """Calls with a generator each. Nothing impossible may happen, and all else as often as it should.

    Args:
        arguments: with None where the generator belongs.
        read: from a value, for each feature, the values that it had, as small integers; raises `Odd`.
        exact: whether frequencies count.
    """

    expected = next(iter(features.values())).expected

    def call(rng: np.random.Generator) -> Call:
        return Call(tuple(rng if argument is None else argument for argument in arguments))

    def count(value: Any) -> dict[str, np.ndarray]:
        values = read(value)
        return {key: np.bincount(values[key], minlength=len(f.probabilities)) for key, f in features.items()}

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        try:
            counts = []
            for i, outcome in enumerate(outcomes):
                counts.append(count(outcome.value))
                for key, feature in features.items():
                    if counts[-1][key][feature.probabilities == 0].any():
                        got = feature.tell(counts[-1][key]) if feature.tell else show(outcome.value)
                        return Verdict(False, feature.expected, got, i)
        except Odd as odd:
            return Verdict(False, odd.expected, odd.got, i)
        for key, feature in features.items():
            together = sum(one[key] for one in counts)
            if exact and together.any() and not fits(together, feature.probabilities):
                return Verdict(False, feature.expected, feature.tell(together), about="frequency")
        return Verdict(True, expected, show(outcomes[0].value))

    def tally(outcomes: Sequence[Outcome]) -> dict[str, np.ndarray] | Unread | Problem:
        """Counts, (calls, categories), of each feature; or the first error; or what values no draw can be read from."""
        if error := next((outcome.error for outcome in outcomes if outcome.error), None):
            return error
        try:
            counts = [count(outcome.value) for outcome in outcomes]
        except Odd as odd:
            return Unread(odd.kind, summaries([outcome.value for outcome in outcomes]))
        return {key: np.array([one[key] for one in counts]) for key in features}

    @cache
    def tally_of(function: Callable, calls: int) -> dict[str, np.ndarray] | Unread | Problem:
        return tally([trusted(function, call(np.random.default_rng([i, 7]))) for i in range(calls)])

    def alike(mine: dict[str, np.ndarray] | Unread | Problem, function: Callable) -> bool:
        other = tally_of(function, FEW)
        if isinstance(mine, dict) and isinstance(other, dict):
            for key, feature in features.items():
                never = feature.probabilities == 0
                one, two = (counts[key][:, never].sum(axis=1).mean() for counts in (mine, other))
                if min(one, two) == 0 and max(one, two) >= 1:
                    return False
        other = tally_of(function, min(max(2 * calls, LEAST), MOST))
        if isinstance(mine, dict) and isinstance(other, dict):
            return all(similar(mine[key], other[key]) for key in features)
        if isinstance(mine, Problem) and isinstance(other, Problem):
            return same_problem(mine, other)
        if isinstance(mine, Unread) and isinstance(other, Unread):
            return mine.kind == other.kind and similar(mine.summaries, other.summaries)
        return False

    return Case(name, [call(one) for one in generators(rng, calls)], judge, alike, expected, read=tally)


class Unread(NamedTuple):
    """Values that no draw can be read from: of what kind the first of them is, and `summaries` of all."""

    kind: str
    summaries: np.ndarray


def summaries(values: Sequence[Any]) -> np.ndarray:
    """(n, 2) mean and standard deviation of each value, of lists and tensors too; 0 where there are no numbers."""
    arrays = [numbers(value) if numbers(value) is not None else as_array(value) for value in values]
    arrays = [np.zeros(1) if array is None or not array.size else array.astype(float) for array in arrays]
    return np.nan_to_num([[array.mean(), array.std()] for array in arrays])


def similar(mine: np.ndarray, other: np.ndarray) -> bool:
    """Whether counts, (calls, categories), may be of one distribution, by how they scatter from call to call."""
    n, m = len(mine), len(other)
    variance = (n * mine.var(axis=0) + m * other.var(axis=0)) / (n + m - 2)
    error = np.sqrt(variance * (1 / n + 1 / m))
    return bool((np.abs(mine.mean(axis=0) - other.mean(axis=0)) <= UNLIKE * error + 1e-9).all())


def fits(counts: np.ndarray, probabilities: np.ndarray) -> bool:
    """Could these counts be draws with these probabilities? A right answer fails with probability below `FALSE_ALARM`.

    Every cell is tested by itself, with an exact binomial test and a Bonferroni correction: unlike a χ² test this
    keeps what it promises far out in the tail.
    """
    from scipy.special import bdtr, bdtrc

    n = int(counts.sum())
    below = bdtr(counts.astype(float), n, probabilities)
    above = np.where(counts > 0, bdtrc(np.maximum(counts - 1.0, 0), n, probabilities), 1.0)
    return not (2 * np.minimum(below, above) < FALSE_ALARM / len(counts)).any()


def pairs_alike(draws: np.ndarray) -> np.ndarray:
    """Of neighbours in pairs, the first two, the next two, …: 1 where both are the same draw, else 0."""
    even = len(draws) // 2 * 2
    return (draws[0:even:2] == draws[1:even:2]).astype(int)


def alike_feature(probability: float) -> Feature:
    """For `pairs_alike`: two draws that are independent are the same with this probability."""

    def tell(counts: np.ndarray) -> Text:
        if counts[0] == 0:
            return Text("每次调用里抽到的都一样", "all draws of a call alike")
        share = counts[1] / counts.sum()
        return Text(f"相邻两个有 {share:.1%} 相同", f"{share:.1%} of neighbours the same")

    expected = Text("各抽各的，可以重复", "draws that are independent, and may repeat")
    return Feature(np.array([1 - probability, probability]), expected, tell)


# ----------------------------------------------------------------------------------------------- the use of a generator


def generators(rng: np.random.Generator, n: int) -> list[np.random.Generator]:
    """n generators with seeds of their own."""
    return [np.random.default_rng(int(seed)) for seed in rng.integers(2**62, size=n)]


def seeded_case(arguments: Sequence[Any], rng: np.random.Generator) -> Case:
    """Equal generators must give equal draws, different ones different draws.

    Args:
        arguments: with None for the generator; with enough draws that two alike are no accident.
    """
    seed, another = rng.integers(2**62, size=2).tolist()
    expected = Text("同一个种子，同样的结果", "the same draws from the same seed")

    def calls() -> list[Call]:
        rngs = map(np.random.default_rng, (seed, seed, another))
        return [Call(tuple(own if argument is None else argument for argument in arguments)) for own in rngs]

    def pattern(outcomes: Sequence[Outcome]) -> tuple[bool, bool] | Problem:
        if any(outcome.error for outcome in outcomes):
            return next(outcome.error for outcome in outcomes if outcome.error)
        first, again, other = (plain.encode(outcome.value) for outcome in outcomes)
        return first == again, first == other

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        same, always = pattern(outcomes)
        if not same:
            got = Text("两次不一样：随机数不是从 rng 来的", "two different ones: the random numbers are not rng's")
            return Verdict(False, expected, got, about="generator")
        if always:
            other = Text("换了种子，结果也换", "other draws from another seed")
            return Verdict(False, other, Text("一模一样", "the very same draws"), about="generator")
        return Verdict(True, expected, expected)

    pattern_of = cache(lambda function: pattern([trusted(function, call) for call in calls()]))

    def alike(mine: tuple[bool, bool] | Problem, function: Callable) -> bool:
        other = pattern_of(function)
        problems = isinstance(mine, Problem) and isinstance(other, Problem)
        return same_problem(mine, other) if problems else mine == other

    return Case("seeded", calls(), judge, alike, expected, read=pattern)


def unseeded(reference: Callable) -> Callable:
    """The reference, but with random numbers of its own."""

    def function(*arguments: Any) -> Any:
        own = np.random.default_rng()
        return reference(*(own if isinstance(a, np.random.Generator) else a for a in arguments))

    return function


def _frozen(evidence: Sequence[Evidence]) -> bool:
    """Whether nothing is wrong but that no generator changes anything."""
    if any(not one.verdict.passed and one.verdict.about == "value" for one in evidence):
        return False
    return all(
        len({plain.encode(outcome.value) for outcome in one.outcomes}) == 1
        for one in evidence
        if len({plain.encode([a for a in c.arguments if type(a) is not np.random.Generator]) for c in one.case.calls})
        == 1
    )


def _uneven(evidence: Sequence[Evidence]) -> bool:
    """Whether nothing is wrong but how often things are drawn, with or without the generator."""
    wrong = {one.verdict.about for one in evidence if not one.verdict.passed}
    return "frequency" in wrong and "value" not in wrong


FIXED_RNG = seen(_frozen)


def drawn_wrongly(reference: Callable) -> dict[str, Callable | Misconception]:
    """Wrong ideas, by name, of all who are to draw as this reference does."""
    return {"fixed_rng": FIXED_RNG, "ignores_rng": unseeded(reference), "wrong_distribution": seen(_uneven)}
