"""What an exercise is: cases, and wrong ideas. `her_course.exercises.results` tells how an answer fares in it.

An exercise has cases. A case makes calls of the learner's function; somebody, a *runner*, performs the calls and hands
back what came of each as plain data (see `her_course.plain`); the case then judges these outcomes. No judge ever
touches an object of the learner's, so the same judges serve a notebook and a class of strangers.

A wrong idea is named only if the answer behaves as that idea does in *every* case, also in those that passed. To know
how an idea behaves it is written down as a function, and run on the same inputs. Where no idea fits, none is named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from her_course.exercises.saying import Text
from her_course.exercises.texts import read

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
    """

    value: Any = None
    error: Problem | None = None
    arguments_after: tuple[tuple, dict] | None = None
    printed: str = ""

    @property
    def timed_out(self) -> bool:
        """Whether the call was stopped."""
        return self.error is not None and self.error.kind == "timed_out"


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

    def text(self, misconception: str) -> Text:
        """What is to be said about a misconception."""
        return read("shared")[MUTATES] if misconception == MUTATES else self.misconceptions[misconception].text
