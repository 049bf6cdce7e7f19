"""What an exercise is, and how answers to it are judged.

An exercise has cases. A case makes calls of the learner's function; somebody, a *runner*, performs the calls and hands
back what came of each as plain data (see `her_course.plain`); the case then judges these outcomes. No judge ever
touches an object of the learner's, so the same judges serve a notebook and a class of strangers.
"""

from __future__ import annotations

import tomllib
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module, resources
from typing import Any, NamedTuple

import numpy as np

#: what the purity case suspects, in every exercise that must leave its inputs alone
MUTATES = "mutates_input"


class Text(NamedTuple):
    """The same in both languages."""

    zh: str
    en: str

    def of(self, lang: str) -> str:
        return self.en if lang == "en" else self.zh


def say(text: Text | str, lang: str) -> str:
    """`text` in a language; a plain string serves both."""
    return text.of(lang) if isinstance(text, Text) else text


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

    ``suspects`` are the wrong ideas that give what came, the likeliest first. ``contradicts`` are those that would have
    given something else; also where the case passed, which is how one wrong idea is told from another.
    """

    passed: bool
    expected: Text | str = ""
    got: Text | str = ""
    suspects: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()

    @property
    def misconception(self) -> str | None:
        return self.suspects[0] if self.suspects else None


@dataclass(frozen=True)
class Case:
    """One thing that is looked at.

    Attributes:
        name: what it is about, for the learner to read.
        group: for partial credit; see ``weights.toml``.
        calls: made in this order. A distribution takes many.
        judge: takes one outcome for each call, none of which has an error.
        expected: what is shown beside an error.
        hidden: not part of the check in the notebook.
    """

    name: Text
    group: str
    calls: Sequence[Call]
    judge: Callable[[Sequence[Outcome]], Verdict]
    expected: Text | str = ""
    hidden: bool = False


@dataclass(frozen=True)
class Misconception:
    """A wrong idea: what it is, and why it is wrong. `wrong` computes what somebody gets who has it, where one can."""

    text: Text
    wrong: Callable | None = None


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
        reference: "module:function" that does what is asked.
        pure: whether inputs must be left as they are.
        seconds: wall time a call may take.
    """

    name: str
    chapter: int
    title: Text
    difficulty: int
    minutes: int
    public: Callable[[np.random.Generator], list[Case]]
    misconceptions: dict[str, Misconception]
    hints: tuple[Text, Text, Text]
    reference: str
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
                make = import_module(module).CASES[self.name]
            except ModuleNotFoundError as error:
                if error.name is None or not module.startswith(error.name):
                    raise
                raise LookupError("hidden: this installation was handed out without the hidden cases") from None
            cases += [replace(case, hidden=True) for case in make(rng)]
        return cases

    def solve(self) -> Callable:
        """The reference implementation."""
        module, function = self.reference.split(":")
        return getattr(import_module(module), function)

    def text(self, misconception: str) -> Text:
        """What is to be said about a misconception."""
        return TEXTS[MUTATES] if misconception == MUTATES else self.misconceptions[misconception].text


TEXTS = {
    MUTATES: Text(
        "你改动了传进来的东西。调用者手里的数据跟着变了，而缓冲区里的经验还要用很多次：先复制，再改。",
        "Your function changes what it was given. The caller's data change with it, and replayed experience is used "
        "many times: copy first, then change.",
    )
}
PURITY = Text("传进来的数据原样不动", "what you were given is left as it was")


@dataclass(frozen=True)
class CaseResult:
    """A case and what became of it.

    ``printed`` is the beginning of what its calls printed, ``call`` the first of them as a learner would write it;
    empty where the case is hidden.
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
        misconception: the name of the wrong idea that explains most, or None.
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
    from her_course import plain
    from her_course.exercises.judging import show_arguments

    rng = np.random.default_rng([seed, zlib.crc32(exercise.name.encode())])
    cases = exercise.cases(rng, hidden)
    calls = [call for case in cases for call in case.calls]
    outcomes = list(runner(calls))
    if len(outcomes) != len(calls) or not all(isinstance(outcome, Outcome) for outcome in outcomes):
        raise TypeError(f"runner: expected {len(calls)} outcomes, got {len(outcomes)}")
    results, begin = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of wrong ideas, which divide by zero where they like
        for case in cases:
            own = outcomes[begin : begin + len(case.calls)]
            begin += len(case.calls)
            printed = "".join(outcome.printed for outcome in own)[:2000]
            call = "" if case.hidden or not case.calls else f"{exercise.name}{show_arguments(case.calls[0])}"
            results.append(CaseResult(case.name, case.group, case.hidden, _verdict(case, own), printed, call))
    if exercise.pure:
        good = any(result.passed for result in results)
        changed = next((c for c, o in zip(calls, outcomes, strict=True) if _changed(c, o, plain.encode)), None)
        suspects = () if changed is None else (MUTATES,)
        verdict = Verdict(good and changed is None, *_purity_texts(changed is not None), suspects)
        results.append(CaseResult(PURITY, "purity", False, verdict))
    points, max_points = _points(exercise.name, results)
    return Result(
        exercise.name,
        tuple(results),
        _status(results, outcomes),
        _likeliest(exercise, results),
        points,
        max_points,
    )


def _verdict(case: Case, outcomes: Sequence[Outcome]) -> Verdict:
    """The case's own verdict on values; errors are the same in every case."""
    for outcome in outcomes:
        if outcome.error is not None:
            return Verdict(False, case.expected, describe_problem(outcome.error))
    return case.judge(outcomes)


def describe_problem(problem: Problem) -> Text | str:
    """An error in words."""
    match problem.kind:
        case "not_done":
            return Text("还没写", "not done yet")
        case "raised":
            return Text(f"出错了：{problem.message}", f"an error: {problem.message}")
        case "refused":
            return Text(
                f"返回了判不了的东西（{problem.message}）", f"something that cannot be judged ({problem.message})"
            )
        case "timed_out":
            return Text("没等到答案：超时了（死循环？）", "no answer in time (an endless loop?)")
        case "died":
            return Text("整个进程退出了", "the whole process ended")
        case "not_run":
            return Text("前面超时或退出太多次，没有再跑", "not run, after too many that hung or ended the process")
    return problem.message


def _purity_texts(changed: bool) -> tuple[Text, Text]:
    expected = Text("传进来的数组和对象不变", "arrays and objects as they were passed in")
    got = Text("它们变了", "they have changed")
    return expected, got if changed else Text(
        "前面没有一例通过，这一例不算数", "no other case passed, so this counts for nothing"
    )


def _changed(call: Call, outcome: Outcome, encode: Callable[[Any], bytes]) -> bool:
    """Whether an argument is not as it was; generators, which any draw changes, aside."""
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


def _likeliest(exercise: Exercise, results: list[CaseResult]) -> str | None:
    """The wrong idea that explains most failed cases and is contradicted by fewest of all."""
    explained = Counter(name for r in results if not r.passed for name in dict.fromkeys(r.verdict.suspects))
    against = Counter(name for r in results for name in r.verdict.contradicts)
    order = [*exercise.misconceptions, MUTATES]
    return min(explained, key=lambda name: (against[name] - explained[name], order.index(name)), default=None)


@cache
def weights() -> dict[str, dict[str, float]]:
    """What ``weights.toml`` says: for "default", and for exercises that differ, the weight of each group."""
    return tomllib.loads(resources.files("her_course.exercises").joinpath("weights.toml").read_text(encoding="utf-8"))


def _points(name: str, results: list[CaseResult]) -> tuple[float, float]:
    """Each group is worth its weight, of which an answer gets the share of cases that passed."""
    known = weights()["default"] | weights().get(name, {})
    groups: dict[str, list[bool]] = {}
    for result in results:
        groups.setdefault("hidden" if result.hidden else result.group, []).append(result.passed)
    points = sum(known[group] * sum(passed) / len(passed) for group, passed in groups.items())
    return points, sum(known[group] for group in groups)
