"""What there is to see in each figure, in words: ``alternatives.toml``, by chapter and figure."""

import tomllib
from functools import cache
from importlib import resources

from her.plots.style import text


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads(resources.files(__package__).joinpath("alternatives.toml").read_text(encoding="utf-8"))


def alternative(chapter: str, figure: str, lang: str) -> str:
    """The text alternative of a figure.

    Raises:
        KeyError: there is no such chapter or figure.
    """
    return text(lang, **_texts()[chapter][figure])
