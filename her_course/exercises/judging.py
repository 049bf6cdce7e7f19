"""What judges share: comparing plain values, saying them in a line, and telling distributions apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from her.episodes import Episode, Transition
from her_course import plain
from her_course.exercises.model import Call, Case, Misconception, Outcome, Text, Verdict

#: how often a right answer fails one test of a distribution, at most; a check makes some tens of them at most
FALSE_ALARM = 1e-9
#: a wrong distribution is suspected if the draws would not be surprising under it
PLAUSIBLE = 1e-3

Compare = Callable[[Any, Any], bool]


# -------------------------------------------------------------------------------------------------- comparing values


def numbers(value: Any) -> np.ndarray | None:
    """A number, or an array of numbers or booleans, as an array; None if `value` is neither."""
    if type(value) in (bool, int, float) or isinstance(value, (np.ndarray, np.number, np.bool_)):
        array = np.asarray(value)
        return array if array.dtype.kind in "biuf" else None
    return None


def is_number(rtol: float = 1e-6, atol: float = 1e-9) -> Compare:
    """Does a single number agree? An array without dimensions is one too."""

    def compare(got: Any, expected: Any) -> bool:
        array = numbers(got)
        return array is not None and array.shape == () and bool(np.isclose(float(array), float(expected), rtol, atol))

    return compare


def is_array(rtol: float = 1e-5, atol: float = 1e-6) -> Compare:
    """Does an array agree in shape and values? Where the expected shape is (), a number does too."""

    def compare(got: Any, expected: Any) -> bool:
        array, expected = numbers(got), numbers(expected)
        if array is None or expected is None or array.shape != expected.shape:
            return False
        return bool(np.allclose(array.astype(float), expected.astype(float), rtol, atol))

    return compare


def is_number_or_none(got: Any, expected: Any) -> bool:
    """None must be None, and a number that number."""
    return got is None if expected is None else got is not None and is_number()(got, expected)


_FIELDS = {
    Transition: ("state", "action", "reward", "next_state", "done", "goal", "achieved_goal"),
    Episode: ("states", "actions", "rewards", "next_states", "dones", "goals", "achieved_goals", "goal"),
}


def is_record(got: Any, expected: Any) -> bool:
    """Do two transitions, or two episodes, agree in every field?"""
    return type(got) is type(expected) in _FIELDS and not differing_fields(got, expected)


def differing_fields(got: Any, expected: Any) -> list[str]:
    """The names of the fields in which two transitions, or two episodes, differ."""
    same = is_array()
    return [
        name
        for name in _FIELDS[type(expected)]
        if not same(np.asarray(getattr(got, name)), np.asarray(getattr(expected, name)))
    ]


# ------------------------------------------------------------------------------------------------------------- saying


def show(value: Any, limit: int = 160) -> str:
    """A plain value in a line."""
    if isinstance(value, (bool, np.bool_)) or value is None or isinstance(value, str):
        text = repr(value.item() if isinstance(value, np.bool_) else value)
    elif isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "biuf":
        text = show(value[()])
    elif isinstance(value, (int, float, np.number)):
        text = str(int(value)) if isinstance(value, (int, np.integer)) else _number(float(value))
    elif isinstance(value, np.ndarray):
        array = np.array2string(
            value, precision=4, threshold=12, edgeitems=3, suppress_small=True, max_line_width=10_000
        )
        text = " ".join(array.split())
        text += f"  shape {value.shape}" if value.ndim > 1 or value.size > 12 else ""
    elif isinstance(value, (list, tuple)):
        left, right = "[]" if isinstance(value, list) else "()"
        items = ", ".join(show(item, 40) for item in value[:6]) + (", …" if len(value) > 6 else "")
        text = f"{left}{items}{right}" + (f" ({type(value).__name__})" if isinstance(value, list) else "")
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key!r}: {show(item, 40)}" for key, item in list(value.items())[:6]) + "}"
    elif type(value) in _FIELDS:
        names = ("reward", "done", "goal") if type(value) is Transition else ("rewards", "achieved_goals", "goal")
        fields = ", ".join(f"{name}={show(np.asarray(getattr(value, name)), 60)}" for name in names)
        text = f"{type(value).__name__}({fields})"
    elif type(value).__name__ in ("Tensor", "Parameter"):
        text = f"tensor {show(value.detach().numpy())}"
    elif isinstance(value, np.random.Generator):
        text = "rng"
    else:
        text = getattr(value, "__name__", type(value).__name__)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show_arguments(call: Call) -> str:
    """ "(…)" as it would stand in a call, cut short."""
    parts = [show(value, 90) for value in call.arguments]
    parts += [f"{name}={show(value, 90)}" for name, value in call.keywords.items()]
    return f"({', '.join(parts)})".replace(" (list)", "")


def _number(value: float) -> str:
    value += 0.0  # no -0.0
    return f"{value:.1f}" if math.isfinite(value) and value == round(value, 1) and abs(value) < 1e6 else f"{value:.6g}"


# --------------------------------------------------------------------------------------------- cases of a single value


def value_case(
    name: Text,
    group: str,
    arguments: Sequence[Any],
    solve: Callable,
    misconceptions: Mapping[str, Misconception],
    compare: Compare,
    *,
    describe: Callable[[Any, Any], Text | str] | None = None,
) -> Case:
    """A single call whose value must be the reference's.

    Args:
        solve: the reference.
        misconceptions: those that have a ``wrong`` function are suspected if that gives what the learner's gave.
        compare: whether (got, expected) agree.
        describe: what to show of (got, expected) in the place of the value that came.
    """
    arguments = tuple(arguments)
    expected = solve(*plain.normalise(arguments))

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        got = outcomes[0].value
        ideas = {key: idea.wrong for key, idea in misconceptions.items() if idea.wrong}
        agree = {key for key, wrong in ideas.items() if _agrees(compare, got, wrong, plain.normalise(arguments))}
        contradicts = tuple(ideas.keys() - agree)
        if compare(got, expected):
            return Verdict(True, show(expected), show(got), contradicts=contradicts)
        said = describe(got, expected) if describe else show(got)
        return Verdict(False, show(expected), said, tuple(key for key in ideas if key in agree), contradicts)

    return Case(name, group, (Call(arguments),), judge, expected=show(expected))


def _agrees(compare: Compare, got: Any, wrong: Callable, arguments: tuple) -> bool:
    with np.errstate(all="ignore"):
        try:
            return compare(got, wrong(*arguments))
        except Exception:  # a wrong idea need not get along with every input
            return False


# ----------------------------------------------------------------------------------------------- cases of distributions


def generators(rng: np.random.Generator, n: int) -> list[np.random.Generator]:
    """n generators with seeds of their own."""
    return [np.random.default_rng(int(seed)) for seed in rng.integers(2**62, size=n)]


def fits(counts: Any, probabilities: Any, level: float = FALSE_ALARM) -> bool:
    """Could these counts be draws with these probabilities? A right answer fails with probability below `level`.

    Every cell is tested by itself, with an exact binomial test and a Bonferroni correction: unlike a χ² test this
    keeps what it promises far out in the tail.
    """
    counts, probabilities = np.asarray(counts, int), np.asarray(probabilities, float)
    n, cells = int(counts.sum()), len(counts)
    if not n:
        return False
    from scipy.special import bdtr, bdtrc

    below = bdtr(counts.astype(float), n, probabilities)
    above = np.where(counts > 0, bdtrc(np.maximum(counts - 1.0, 0), n, probabilities), 1.0)
    impossible = ((probabilities <= 0) & (counts > 0)) | ((probabilities >= 1 - 1e-12) & (counts < n))
    certain = (probabilities <= 0) | (probabilities >= 1 - 1e-12)
    surprising = ~certain & (2 * np.minimum(below, above) < level / cells)
    return not (impossible | surprising).any()


def all_alike(draws: Sequence[Any]) -> bool:
    """Whether several calls drew the very same."""
    return len(draws) > 1 and all(np.array_equal(draw, draws[0]) for draw in draws)


def likely(counts: Any, ideas: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of those wrong distributions under which the counts would not be surprising."""
    return tuple(name for name, probabilities in ideas.items() if fits(counts, probabilities, PLAUSIBLE))


def integers(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """An array of integers of this shape; None if `value` is none."""
    array = numbers(value)
    return array.astype(np.int64) if array is not None and array.dtype.kind in "iu" and array.shape == shape else None


def seeded_case(
    arguments: Callable[[np.random.Generator], Sequence[Any]], seeds: Sequence[int], fixed: str, ignored: str
) -> Case:
    """Equal generators must give equal draws, different ones different draws.

    Args:
        arguments: of a call with that generator; with enough draws that two alike are no accident.
        fixed, ignored: the misconceptions "always the same draws", and "draws that the generator has no part in".
    """
    once, again, other = seeds[0], seeds[0], seeds[1]
    calls = [Call(tuple(arguments(np.random.default_rng(int(seed))))) for seed in (once, again, other)]

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        first, second, third = (plain.encode(outcome.value) for outcome in outcomes)
        if first != second:
            got = Text("两次不一样：随机数不是从 rng 来的", "two different ones: the random numbers are not rng's")
            return Verdict(False, SAME_SEED, got, (ignored,))
        if first == third:
            return Verdict(False, OTHER_SEED, Text("一模一样", "the very same draws"), (fixed,))
        return Verdict(True, SAME_SEED, SAME_SEED)

    name = Text("随机数全部来自 rng", "all random numbers come from rng")
    return Case(name, "sampling", calls, judge, expected=SAME_SEED)


SAME_SEED = Text("同一个种子，同样的结果", "the same draws from the same seed")
OTHER_SEED = Text("换了种子，结果也换", "other draws from another seed")
FIXED_RNG = Misconception(
    Text(
        "每次调用都从同一个固定的种子重新开始，于是次次抽到同样的东西。随机数要从传进来的 `rng` 里取。",
        "Every call starts again from one fixed seed and so draws the same each time. Draw from the `rng` given.",
    )
)
IGNORES_RNG = Misconception(
    Text(
        "用了全局的随机数，没有用传进来的 `rng`：实验再也没法重现。",
        "It draws from a global generator and not from the `rng` it is given: no experiment can be repeated.",
    )
)
