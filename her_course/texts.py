"""Texts in both languages: a TOML file beside the code that says them."""

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from her_course.exercises.saying import Text


@cache
def read(package: str, name: str = "texts") -> dict[str, Any]:
    """What ``NAME.toml`` in a package holds, by table; a table of just ``zh`` and ``en`` becomes a `Text`.

    >>> read("her_course.grading")["statuses"]["passed"].of("en")
    'all right'
    """
    return _with_texts(tomllib.loads(resources.files(package).joinpath(f"{name}.toml").read_text(encoding="utf-8")))


def _with_texts(table: dict[str, Any]) -> Any:
    if table.keys() == {"zh", "en"}:
        return Text(**table)
    return {key: _with_texts(value) if isinstance(value, dict) else value for key, value in table.items()}
