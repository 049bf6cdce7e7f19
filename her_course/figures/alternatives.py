"""What there is to see in each figure, in words: ``alternatives.toml``, by chapter and figure."""

from her_course.texts import read


def alternative(chapter: str, figure: str, lang: str) -> str:
    """The text alternative of a figure.

    Raises:
        KeyError: there is no such chapter or figure.
    """
    return read(__package__, "alternatives")[chapter][figure].of(lang)
