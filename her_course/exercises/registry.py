"""All exercises, by name and by chapter."""

from functools import cache
from importlib import import_module

from her_course.exercises.model import Exercise

CHAPTERS = (1, 2, 3, 4, 5, 6)


@cache
def of_chapter(chapter: int) -> tuple[Exercise, ...]:
    """The exercises of a chapter, in order.

    Raises:
        ValueError: there is no such chapter.
    """
    if chapter not in CHAPTERS:
        raise ValueError(f"chapter: expected one of {', '.join(map(str, CHAPTERS))}, got {chapter!r}")
    return tuple(import_module(f"her_course.exercises.ch{chapter}").EXERCISES)


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises by name, in order."""
    return {exercise.name: exercise for chapter in CHAPTERS for exercise in of_chapter(chapter)}


def find(name: str) -> Exercise:
    """The exercise of this name.

    Raises:
        LookupError: there is none; the message lists those that there are.
    """
    if name not in exercises():
        raise LookupError(f"name: there is no exercise {name!r}; there are: {', '.join(exercises())}")
    return exercises()[name]
