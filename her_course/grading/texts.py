"""What results say, in both languages; the words stand in ``texts.toml``."""

from collections.abc import Collection

from her_course.texts import read

STATUSES, REASONS, PAGES, MOODLE = (read(__package__)[name] for name in ("statuses", "reasons", "pages", "moodle"))

FILE_PROBLEMS = {"no_file", "invalid_notebook", "no_code", "too_large", "symlink", "unsafe_path", "invalid_zip"}
FILE_PROBLEMS |= {"unreadable"}


def isolation(kinds: Collection[str], within_reach: Collection[str], lang: str) -> str:
    """What was in force while submissions ran, and what was not.

    Args:
        kinds: of the sandboxes; none, if no submission was run.
        within_reach: of what submissions were not kept from, the names in the table ``open``.
    """
    said = {name: text.of(lang) for name, text in read(__package__)["isolation"].items()}
    if not kinds:
        return said["none"]
    reached = [text.of(lang) for name, text in read(__package__)["open"].items() if name in within_reach]
    comma, semicolon = ("、", "；") if lang == "zh" else (", ", "; ")
    text = said["kind"].format(comma.join(said[kind] for kind in sorted(kinds)))
    text += said["mind"].format(semicolon.join(reached)) if reached else said["closed"]
    return text + said["silent"] if "limits" in kinds else text
