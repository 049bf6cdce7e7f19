"""Cases of a single value, which has to be what the reference gives, and how exercises are declared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from her_course.exercises.model import Call, Case, Evidence, Exercise, Misconception, Outcome, Problem, Text, Verdict
from her_course.exercises.running import perform
from her_course.exercises.saying import FIELDS, is_tensor, show, show_both
from her_course.exercises.texts import read

Compare = Callable[[Any, Any], bool]


def declare(
    chapter: int,
    reference: Callable,
    make: Callable[[np.random.Generator], list[Case]] | Callable[..., Case],
    misconceptions: Mapping[str, Callable | Sequence[Callable] | Misconception],
    *,
    pure: bool = True,
    listed: bool = False,
) -> Exercise:
    """The exercise of this reference, with its texts from ``ch<chapter>.toml``.

    Args:
        make: the public cases; where they are `listed`, one of them, of its name and its arguments.
        misconceptions: by name, in the order in which they are tried: a function of those who have it, or several; or
            what `seen` gives.
        pure: whether inputs must be left as they are.
        listed: whether the arguments of the public cases stand beside their texts.
    """
    name = reference.__name__
    said = read(f"ch{chapter}")[name]
    own, ideas = said.get("misconceptions", {}), {}
    for key, idea in misconceptions.items():
        text = own[key] if key in own else read("shared")[key]
        if isinstance(idea, Misconception):
            ideas[key] = replace(idea, text=text)
        else:
            ideas[key] = Misconception(text, (idea,) if callable(idea) else tuple(idea))
    title, hints = said["title"], tuple(Text(**hint) for hint in said["hints"])

    def cases(rng: np.random.Generator) -> list[Case]:
        made = [make(key, *case["arguments"]) for key, case in said["cases"].items()] if listed else make(rng)
        return [_with_text(case, said["cases"]) for case in made]

    return Exercise(name, chapter, title, said["difficulty"], said["minutes"], cases, ideas, hints, reference, pure)


def _with_text(case: Case, said: Mapping[str, Mapping[str, str]]) -> Case:
    """The case with the text and the group that its name stands for."""
    entry = said[case.name] if case.name in said else read("shared")[case.name]
    return replace(case, name=Text(entry["zh"], entry["en"]), group=entry["group"])


def seen(check: Callable[[Sequence[Evidence]], bool]) -> Misconception:
    """A misconception that shows in the evidence of all cases."""
    return Misconception(Text("", ""), seen=check)


def simulated(reference: Callable[..., float]) -> Misconception:
    """All values are shares of the same round number of trials, as far from the truth as chance would have it."""

    def check(evidence: Sequence[Evidence]) -> bool:
        values = [number(one.outcomes[0].value) for one in evidence]
        if None in values:
            return False
        got = np.array(values)
        right = np.array([reference(*one.case.calls[0].arguments) for one in evidence])
        for trials in (100, 200, 500, *(a * 10**b for b in (3, 4, 5) for a in (1, 2, 3, 4, 5, 8)), 10**6):
            whole = np.abs(got * trials - np.round(got * trials)) < 1e-6
            near = np.abs(got - right) <= 5 * np.sqrt(right * (1 - right) / trials) + 4 / trials
            rounded = np.abs(got - right) <= 0.500001 / trials
            if (whole & near).all() and not rounded.all():
                return True
        return False

    return seen(check)


def rounded(reference: Callable[..., float]) -> tuple[Callable, ...]:
    """The reference, rounded to 1, 2, … decimals."""

    def to(digits: int) -> Callable:
        return lambda *arguments: round(reference(*arguments), digits)

    return tuple(to(digits) for digits in range(1, 5))


# -------------------------------------------------------------------------------------------------- comparing values


def numbers(value: Any) -> np.ndarray | None:
    """A number, or an array of numbers or booleans, as an array; None if `value` is neither."""
    if type(value) in (bool, int, float) or isinstance(value, (np.ndarray, np.number, np.bool_)):
        array = np.asarray(value)
        return array if array.dtype.kind in "biuf" else None
    return None


def number(value: Any) -> float | None:
    """A single number; None if `value` is anything else."""
    array = numbers(value)
    return float(array) if array is not None and array.shape == () else None


def is_array(rtol: float = 1e-5, atol: float = 1e-6) -> Compare:
    """Does an array agree in shape and values? Where the expected shape is (), a number does too. NaN equals NaN."""

    def compare(got: Any, expected: Any) -> bool:
        array, expected = numbers(got), numbers(expected)
        if array is None or expected is None or array.shape != expected.shape:
            return False
        return bool(np.allclose(array.astype(float), expected.astype(float), rtol, atol, equal_nan=True))

    return compare


_NEAR = is_array(1e-5, 1e-9)


def is_number_or_none(got: Any, expected: Any) -> bool:
    """None must be None, and a number that number."""
    return got is expected if got is None or expected is None else _NEAR(got, expected)


def is_integers(got: Any, expected: Any) -> bool:
    """Is it an array of integers of that shape, with those values?"""
    array = numbers(got)
    return array is not None and array.dtype.kind in "iu" and is_array(0, 0)(array, expected)


def is_record(got: Any, expected: Any) -> bool:
    """Do two transitions, or two episodes, agree in every field?"""
    return type(got) is type(expected) in FIELDS and not differing_fields(got, expected)


def differing_fields(got: Any, expected: Any) -> list[str]:
    """The names of the fields in which two transitions, or two episodes, differ."""
    same, pairs = is_array(), [(name, getattr(got, name), getattr(expected, name)) for name in FIELDS[type(expected)]]
    return [name for name, one, other in pairs if not same(np.asarray(one), np.asarray(other))]


def as_array(value: Any) -> np.ndarray | None:
    """Lists, tuples and tensors of numbers as the array that they might have been; None if they might not."""
    if is_tensor(value):
        return value.detach().numpy()
    if type(value) in (list, tuple):
        parts = [numbers(item) if type(item) not in (list, tuple) else as_array(item) for item in value]
        if parts and all(part is not None and part.shape == parts[0].shape for part in parts):
            return np.stack(parts)
    return None


def differ(expected: Any, got: Any, compare: Compare) -> tuple[Text | str, Text | str]:
    """What to say of two values that are not the same; also that nothing but the type is wrong."""
    array, said = as_array(got), show(got)
    if array is not None and compare(array, expected):
        kind = type(got).__name__
        return show(expected), Text(
            f"{said}：数值都对，类型不对，要 numpy 数组或数，不要 {kind}",
            f"{said}: the right values in the wrong type, a {kind}; an array of numpy or a number is asked for",
        )
    if compare is is_integers and is_array()(got, expected):
        return show(expected), Text(
            f"{said}：数值都对，类型不对，要整数", f"{said}: the right values in the wrong type; integers are asked for"
        )
    return show_both(expected, got)


def only_what_differs(right: Any, got: Any, compare: Compare) -> tuple[Text | str, Text | str]:
    """The fields in which a transition, or an episode, differs from what it should be, of both."""
    if type(got) is not type(right):
        kind, came = type(right).__name__, type(got).__name__
        return Text(f"一个 {kind}", f"one {kind}"), Text(
            f"{show(got, 60)}：类型是 {came}", f"{show(got, 60)}: the type is {came}"
        )
    pairs = [
        (name, np.asarray(getattr(right, name)), np.asarray(getattr(got, name)))
        for name in differing_fields(got, right)
    ]
    said = [(name, show_both(one, other, 80)) for name, one, other in pairs[:2]]
    return tuple(", ".join(f"{name}={both[i]}" for name, both in said) for i in (0, 1))


# --------------------------------------------------------------------------------------------- cases of a single value


def value_case(
    name: Text | str,
    arguments: Sequence[Any],
    solve: Callable,
    compare: Compare,
    *,
    resembles: Compare | None = None,
    look: Callable[[Outcome], Any] = lambda outcome: outcome.value,
    describe: Callable[[Any, Any, Compare], tuple[Text | str, Text | str]] = differ,
) -> Case:
    """A single call, of which comes what comes of the reference.

    Args:
        solve: the reference.
        compare: whether (got, expected) agree.
        resembles: whether (got, what a wrong idea gives) agree, if that takes less.
        look: at what of an outcome.
        describe: what to show of (expected, got), where they differ.
    """
    call = Call(tuple(arguments))
    right = look(perform(solve, call))
    outcome_of = cache(lambda function: perform(function, call))

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        got = look(outcomes[0])
        if compare(got, right):
            return Verdict(True, show(right), show(got))
        return Verdict(False, *describe(right, got, compare))

    def alike(outcomes: Sequence[Outcome], function: Callable) -> bool:
        mine, other = outcomes[0], outcome_of(function)
        if mine.error or other.error:
            return same_problem(mine.error, other.error)
        if mine.value is other.value is None and look(mine) is None:
            return True
        return (resembles or compare)(look(mine), look(other))

    return Case(name, (call,), judge, alike, expected=show(right))


def maker(solve: Callable, compare: Compare = _NEAR) -> Callable[..., Case]:
    """``make(name, *arguments)``: the case of a single value; lists among the arguments become arrays."""

    def make(name: Text | str, *arguments: Any) -> Case:
        arrays = [np.array(argument) if type(argument) is list else argument for argument in arguments]
        return value_case(name, arrays, solve, compare)

    return make


def same_problem(one: Problem | None, other: Problem | None) -> bool:
    """Whether the same exception was raised, with a message that begins alike."""
    if one is None or other is None or one.kind != "raised":
        return False
    return one.kind == other.kind and one.message.partition("←")[0][:40] == other.message.partition("←")[0][:40]
