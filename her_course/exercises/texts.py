"""The texts of the exercises, and what groups of cases are worth: TOML files beside this module."""

from __future__ import annotations

from typing import Any

from her_course import texts
from her_course.exercises.saying import Text


def read(name: str) -> dict[str, Any]:
    """What ``<name>.toml`` says; see `her_course.texts.read`."""
    return texts.read(__package__, name)


def shared_text(misconception: str) -> Text:
    """What is said about a misconception that several exercises have in common."""
    return read("shared")[misconception]


def weights() -> dict[str, dict[str, float]]:
    """For "default", and for exercises that differ, what each group of cases is worth."""
    return read("weights")
