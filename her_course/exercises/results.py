"""How an answer fares in an exercise: its calls are made, its cases judged, and its wrong idea is named."""

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from her_course.exercises.model import MUTATES, Call, Case, Evidence, Exercise, Outcome, Runner, Verdict
from her_course.exercises.saying import Text, describe_problem, show_arguments
from her_course.exercises.texts import read
from her_course.plain import encode


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
    if outcome.arguments_after is None:
        return False
    arguments, keywords = outcome.arguments_after
    before, after = call.keywords | dict(enumerate(call.arguments)), keywords | dict(enumerate(arguments))
    return before.keys() != after.keys() or any(
        type(value) is not np.random.Generator and encode(value) != encode(after[name])
        for name, value in before.items()
    )


def _status(results: list[CaseResult], outcomes: list[Outcome]) -> str:
    if all(result.passed for result in results):
        return "passed"
    kinds = {outcome.error.kind if outcome.error else "value" for outcome in outcomes}
    if kinds == {"not_done"}:
        return "not_done"
    return next((kind for kind in ("timed_out", "died") if kind in kinds), "failed")


def _points(name: str, results: list[CaseResult]) -> tuple[float, float]:
    """Each group is worth its weight, of which an answer gets the share of cases that passed."""
    groups: dict[str, list[bool]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result.passed)
    known = _weights(name)
    points = sum(known[group] * sum(passed) / len(passed) for group, passed in groups.items())
    return points, sum(known[group] for group in groups)


def worth(exercise: Exercise, cases: Sequence[Case]) -> float:
    """The points of an answer that passes all of these cases."""
    groups = dict.fromkeys([case.group for case in cases] + ["purity"] * exercise.pure)
    return sum(_weights(exercise.name)[group] for group in groups)


def _weights(name: str) -> dict[str, float]:
    return read("weights")["default"] | read("weights").get(name, {})
