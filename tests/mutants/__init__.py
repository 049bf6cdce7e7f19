"""Answers as learners write them: *mutants*, each wrong in the way that its misconception names, and right ones.

The modules ``chN`` fill the two lists.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple


class Answer(NamedTuple):
    """An answer to an exercise; `idea` is the misconception to be named, or how a right answer is written."""

    exercise: str
    idea: str
    function: Callable


MUTANTS: list[Answer] = []
RIGHT: list[Answer] = []


def mutant(exercise: str, misconception: str) -> Callable[[Callable], Callable]:
    """This answer is wrong, and the check has to say how."""

    def add(function: Callable) -> Callable:
        MUTANTS.append(Answer(exercise, misconception, function))
        return function

    return add


def right(exercise: str, how: str) -> Callable[[Callable], Callable]:
    """This answer is right, however it is written."""

    def add(function: Callable) -> Callable:
        RIGHT.append(Answer(exercise, how, function))
        return function

    return add


def load() -> tuple[list[Answer], list[Answer]]:
    """All mutants and all right answers."""
    for chapter in range(1, 7):
        import_module(f"mutants.ch{chapter}")
    return MUTANTS, RIGHT
