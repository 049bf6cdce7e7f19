"""The texts of the exercises, and what groups of cases are worth: TOML files beside this module."""

from typing import Any

from her_course import texts


def read(name: str) -> dict[str, Any]:
    """What ``<name>.toml`` says; see `her_course.texts.read`.

    "ch1" … "ch6" have the texts of exercises; "shared" those of cases and misconceptions that several have in common;
    "weights", for "default" and for exercises that differ, what each group of cases is worth.
    """
    return texts.read(__package__, name)
