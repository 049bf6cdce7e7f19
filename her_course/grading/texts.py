"""What results say, in both languages; the words stand in ``texts.toml``."""

from __future__ import annotations

from collections.abc import Iterable

from her_course.exercises.model import Text
from her_course.texts import read

STATUSES, REASONS, PAGES, MOODLE = (read(__package__)[name] for name in ("statuses", "reasons", "pages", "moodle"))

FILE_PROBLEMS = {"no_file", "invalid_notebook", "no_code", "too_large", "symlink", "unsafe_path", "invalid_zip"}
FILE_PROBLEMS |= {"unreadable"}


def isolation(kinds: Iterable[str], within_reach: Iterable[str]) -> Text:
    """What was in force while submissions ran, and what was not.

    Args:
        kinds: of the sandboxes; none, if no submission was run.
        within_reach: of what submissions were not kept from, the names in the table ``open``.
    """
    kinds = sorted(kinds)
    return Text(_isolation(kinds, set(within_reach), "zh"), _isolation(kinds, set(within_reach), "en"))


def _isolation(kinds: list[str], within_reach: set[str], lang: str) -> str:
    said = {name: text.of(lang) for name, text in read(__package__)["isolation"].items()}
    if not kinds:
        return said["none"]
    reached = [text.of(lang) for name, text in read(__package__)["open"].items() if name in within_reach]
    comma, semicolon = ("、", "；") if lang == "zh" else (", ", "; ")
    text = said["kind"].format(comma.join(said[kind] for kind in kinds))
    text += said["mind"].format(semicolon.join(reached)) if reached else said["closed"]
    return text + said["silent"] if "limits" in kinds else text
