"""The texts of the exercises, and what groups of cases are worth: TOML files beside this module."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from her_course.exercises.saying import Text


@cache
def read(name: str) -> dict[str, Any]:
    """What ``<name>.toml`` says."""
    return tomllib.loads(resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def shared_text(misconception: str) -> Text:
    """What is said about a misconception that several exercises have in common."""
    return Text(**read("shared")[misconception])


def weights() -> dict[str, dict[str, float]]:
    """For "default", and for exercises that differ, what each group of cases is worth."""
    return read("weights")
