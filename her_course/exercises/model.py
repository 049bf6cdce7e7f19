"""What an exercise is, and how answers to it are judged.

An exercise has cases. A case makes calls of the learner's function; somebody, a *runner*, performs the calls and hands
back what came of each as plain data (see `her_course.plain`); the case then judges these outcomes. No judge ever
touches an object of the learner's, so the same judges serve a notebook and a class of strangers.

A wrong idea is named only if the answer behaves as that idea does in *every* case, also in those that passed. To know
how an idea behaves it is written down as a function, and run on the same inputs. Where no idea fits, none is named.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from her_course.exercises.saying import Text, describe_problem, show_arguments
from her_course.exercises.saying import say as say
from her_course.exercises.texts import shared_text, weights

#: what the purity case suspects, in every exercise that must leave its inputs alone
MUTATES = "mutates_input"


@dataclass(frozen=True)
class Call:
    """One call to be made: arguments that `her_course.plain` can carry. Each call gets copies of its own."""

    arguments: tuple = ()
    keywords: dict[str, Any] = field(default_factory=dict)


class Problem(NamedTuple):
    """Why a call gave no value.

    ``kind`` is one of: "not_done" (NotImplementedError), "raised", "refused" (the value is not plain), "timed_out",
    "died" (the process ended), "not_run" (after too many of those).
    """

    kind: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What came of a call, as plain data.

    Attributes:
        value: what was returned; None if there is an error.
        error: a `Problem`, or None.
        arguments_after: (arguments, keywords) as they were after the call; None if unknown.
        printed: the beginning of what was printed.
        seconds: wall time.
        timed_out: whether the call was stopped.
    """

    value: Any = None
    error: Problem | None = None
    arguments_after: tuple[tuple, dict] | None = None
    printed: str = ""
    seconds: float = 0.0
    timed_out: bool = False


Runner = Callable[[Sequence[Call]], Sequence[Outcome]]
"""Performs calls in their order, and gives one outcome for each."""


@dataclass(frozen=True)
class Verdict:
    """On one case: what was expected and what came.

    Attributes:
        call: the number of the call that it is about.
        about: "value"; "frequency", where each value may be drawn, but not as often as it is; "generator", where they
            do not depend on it as they should.
    """

    passed: bool
    expected: Text | str = ""
    got: Text | str = ""
    call: int = 0
    about: str = "value"


@dataclass(frozen=True)
class Case:
    """One thing that is looked at.

    Attributes:
        name: what it is about, for the learner to read, or the key of that in ``ch<chapter>.toml``.
        calls: made in this order. A distribution takes many.
        judge: takes one outcome for each call, none of which has an error.
        alike: takes what `read` gives, and another function: might the outcomes be that function's?
        expected: what is shown beside an error.
        group: for partial credit; see ``weights.toml``.
        hidden: not part of the check in the notebook.
        read: takes the outcomes, errors included.
    """

    name: Text | str
    calls: Sequence[Call]
    judge: Callable[[Sequence[Outcome]], Verdict]
    alike: Callable[[Any, Callable], bool] = lambda behaviour, function: False
    expected: Text | str = ""
    group: str = "hidden"
    hidden: bool = False
    read: Callable[[Sequence[Outcome]], Any] = lambda outcomes: outcomes


@dataclass(frozen=True)
class Evidence:
    """A case, what came of its calls, and the verdict."""

    case: Case
    outcomes: Sequence[Outcome]
    verdict: Verdict

    @cached_property
    def behaviour(self) -> Any:
        """What the case reads from the outcomes, to be compared with wrong ideas."""
        return self.case.read(self.outcomes)


@dataclass(frozen=True)
class Misconception:
    """A wrong idea: what it is, and why it is wrong.

    Attributes:
        text: for the learner.
        wrong: functions of those who have it; the answer has to be like one of them in all cases.
        seen: instead, what the evidence of all cases has to show.
    """

    text: Text
    wrong: tuple[Callable, ...] = ()
    seen: Callable[[Sequence[Evidence]], bool] | None = None

    def fits(self, evidence: Sequence[Evidence]) -> bool:
        """Whether an answer behaves, in every case, as whoever has this idea."""
        if self.seen is not None:
            return self.seen(evidence)
        return any(behaves_as(wrong, evidence) for wrong in self.wrong)


def behaves_as(function: Callable, evidence: Sequence[Evidence]) -> bool:
    """Whether an answer might be this function, in every case."""
    return all(one.case.alike(one.behaviour, function) for one in evidence)


@dataclass(frozen=True)
class Exercise:
    """A function for the learner to write.

    Attributes:
        name: of the function.
        chapter: 1 to 6.
        title: in a few words.
        difficulty: 1 (warm-up) to 4 (stretch).
        minutes: that a learner may take.
        public: the cases of the check in the notebook, given a generator for their inputs.
        misconceptions: by name; where several explain an answer equally well, the first counts.
        hints: three, each gives away more.
        reference: does what is asked.
        pure: whether inputs must be left as they are.
        seconds: wall time a call may take.
    """

    name: str
    chapter: int
    title: Text
    difficulty: int
    minutes: int
    public: Callable[[np.random.Generator], list[Case]]
    misconceptions: Mapping[str, Misconception]
    hints: tuple[Text, ...]
    reference: Callable
    pure: bool = True
    seconds: float = 3.0

    def cases(self, rng: np.random.Generator, hidden: bool = False) -> list[Case]:
        """The public cases, and, with ``hidden``, those that only a grader sees.

        Raises:
            LookupError: ``hidden`` in an installation that was handed out, which has none.
        """
        cases = list(self.public(rng))
        if hidden:
            module = f"her_course.exercises.hidden.ch{self.chapter}"
            try:
                make = getattr(import_module(module), self.name)
            except ModuleNotFoundError as error:
                if error.name is None or not module.startswith(error.name):
                    raise
                raise LookupError("hidden: this installation was handed out without the hidden cases") from None
            cases += [replace(case, group="hidden", hidden=True) for case in make(rng)]
        return cases

    def solve(self) -> Callable:
        """The reference implementation."""
        return self.reference

    def text(self, misconception: str) -> Text:
        """What is to be said about a misconception."""
        return shared_text(MUTATES) if misconception == MUTATES else self.misconceptions[misconception].text


@dataclass(frozen=True)
class CaseResult:
    """A case and what became of it.

    ``printed`` is the beginning of what its calls printed, ``call`` the one that the verdict is about as a learner
    would write it; empty where the case is hidden.
    """

    name: Text
    group: str
    hidden: bool
    verdict: Verdict
    printed: str = ""
    call: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict.passed


@dataclass(frozen=True, repr=False)
class Result:
    """What became of an answer.

    Attributes:
        exercise: its name.
        cases: in order.
        status: "passed", "failed", "not_done" (the stub as handed out), "timed_out" or "died" (if a call did).
        misconception: the name of the wrong idea that the answer behaves as in every case, or None.
        points, max_points: weighted by group, for grades; see ``weights.toml``.
    """

    exercise: str
    cases: tuple[CaseResult, ...]
    status: str
    misconception: str | None
    points: float
    max_points: float

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    @property
    def score(self) -> int:
        """How many cases passed."""
        return sum(case.passed for case in self.cases)

    @property
    def maximum(self) -> int:
        """How many cases there are."""
        return len(self.cases)

    @property
    def first_failing(self) -> tuple[int, CaseResult] | None:
        """The number of the first case that failed, counted from 1, and the case."""
        return next(((i, case) for i, case in enumerate(self.cases, start=1) if not case.passed), None)

    def __repr__(self) -> str:
        return f"Result({self.exercise} {self.score}/{self.maximum}, {self.status})"


def judge_exercise(exercise: Exercise, runner: Runner, seed: int, hidden: bool) -> Result:
    """Have every call of every case performed by `runner`, and judge what comes back.

    The same seed gives the same cases. A runner that hands back something else than one `Outcome` for each call is an
    error of the runner's, not of the answer's.
    """
    return judge_cases(exercise, make_cases(exercise, seed, hidden), runner)


def make_cases(exercise: Exercise, seed: int, hidden: bool) -> list[Case]:
    """The cases that `judge_exercise` judges."""
    return exercise.cases(np.random.default_rng([seed, zlib.crc32(exercise.name.encode())]), hidden)


def judge_cases(exercise: Exercise, cases: Sequence[Case], runner: Runner) -> Result:
    """As `judge_exercise`, with cases that serve several answers: they remember how wrong ideas behave."""
    calls = [call for case in cases for call in case.calls]
    outcomes = list(runner(calls))
    if len(outcomes) != len(calls) or not all(isinstance(outcome, Outcome) for outcome in outcomes):
        raise TypeError(f"runner: expected {len(calls)} outcomes, got {len(outcomes)}")
    left = iter(outcomes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of wrong ideas, which divide by zero where they like
        evidence = [_judge(case, [next(left) for _ in case.calls]) for case in cases]
        results = [_case_result(exercise.name, one) for one in evidence]
        changed = exercise.pure and any(map(_changed, calls, outcomes))
        if exercise.pure:
            results.append(_purity(changed, any(result.passed for result in results)))
        points, max_points = _points(exercise.name, results)
        status, name = _status(results, outcomes), _misconception(exercise, evidence, changed)
    return Result(exercise.name, tuple(results), status, name, points, max_points)


def _judge(case: Case, outcomes: Sequence[Outcome]) -> Evidence:
    """With the case's own verdict on values; errors are the same in every case."""
    for i, outcome in enumerate(outcomes):
        if outcome.error is not None:
            return Evidence(case, outcomes, Verdict(False, case.expected, describe_problem(*outcome.error), i))
    return Evidence(case, outcomes, case.judge(outcomes))


def _case_result(name: str, evidence: Evidence) -> CaseResult:
    case, verdict = evidence.case, evidence.verdict
    printed = "".join(outcome.printed for outcome in evidence.outcomes)[:2000]
    call = "" if case.hidden else name + show_arguments(*vars(case.calls[verdict.call]).values())
    return CaseResult(case.name, case.group, case.hidden, verdict, printed, call)


def _misconception(exercise: Exercise, evidence: Sequence[Evidence], changed: bool) -> str | None:
    """The first wrong idea that an answer behaves as in every case; the cases that failed exclude most."""
    failed_first = sorted(evidence, key=lambda one: one.verdict.passed)
    if failed_first and not failed_first[0].verdict.passed:
        for name, idea in exercise.misconceptions.items():
            if idea.fits(failed_first):
                return name
    return MUTATES if changed else None


def _purity(changed: bool, good: bool) -> CaseResult:
    """The last case of every exercise that must leave its inputs alone; it counts if any other case passed."""
    expected = Text("传进来的数组和对象不变", "arrays and objects as they were passed in")
    if changed:
        got = Text("它们变了", "they have changed")
    else:
        got = Text("前面没有一例通过，这一例不算数", "no other case passed, so this counts for nothing")
    name = Text("传进来的数据原样不动", "what you were given is left as it was")
    return CaseResult(name, "purity", False, Verdict(good and not changed, expected, got))


def _changed(call: Call, outcome: Outcome) -> bool:
    """Whether an argument is not as it was; generators, which any draw changes, aside."""
    from her_course.plain import encode

    if outcome.arguments_after is None:
        return False
    arguments, keywords = outcome.arguments_after
    if len(arguments) != len(call.arguments) or keywords.keys() != call.keywords.keys():
        return True
    pairs = [*zip(call.arguments, arguments, strict=True), *((v, keywords[k]) for k, v in call.keywords.items())]
    return any(type(before) is not np.random.Generator and encode(before) != encode(after) for before, after in pairs)


def _status(results: list[CaseResult], outcomes: list[Outcome]) -> str:
    if all(result.passed for result in results):
        return "passed"
    kinds = {outcome.error.kind for outcome in outcomes if outcome.error}
    if outcomes and all(outcome.error and outcome.error.kind == "not_done" for outcome in outcomes):
        return "not_done"
    return next((kind for kind in ("timed_out", "died") if kind in kinds), "failed")


def _points(name: str, results: list[CaseResult]) -> tuple[float, float]:
    """Each group is worth its weight, of which an answer gets the share of cases that passed."""
    known = weights()["default"] | weights().get(name, {})
    groups: dict[str, list[bool]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result.passed)
    points = sum(known[group] * sum(passed) / len(passed) for group, passed in groups.items())
    return points, sum(known[group] for group in groups)
