"""What there is to see in each figure, in words: ``alternatives.toml``, by chapter and figure."""

from her_course.figures.style import language
from her_course.texts import read


def alternative(chapter: str, figure: str) -> str:
    """The text alternative of a figure, in the language of the figures.

    Raises:
        KeyError: there is no such chapter or figure.
    """
    return read(__package__, "alternatives")[chapter][figure].of(language())
