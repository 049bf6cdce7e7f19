"""What a learner has done, kept in a file of theirs: best scores, tries and hints, so that they are there tomorrow.

The file is HER_PROGRESS; by default ``progress.json`` in the user's data folder. Where HER_PROGRESS is empty, or the
user has no home folder, nothing is written, and the records live as long as the process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her.files import write_atomically
from her_course.cards import say

if TYPE_CHECKING:
    from her_course.exercises.results import Result

VARIABLE = "HER_PROGRESS"
_EMPTY = {"passed": False, "score": 0, "maximum": 0, "tries": 0, "hints": 0}
_in_memory: dict[str, dict[str, Any]] = {}


def file() -> Path | None:
    """Where the records are kept; None for nowhere."""
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE]).expanduser() if os.environ[VARIABLE] else None
    named = {"win32": "LOCALAPPDATA", "darwin": ""}.get(sys.platform, "XDG_DATA_HOME")
    if os.environ.get(named):
        return Path(os.environ[named]) / "her-course" / "progress.json"
    try:
        home = Path.home()
    except RuntimeError:  # a user without an entry, and HOME is not set
        return None
    below = {"win32": "AppData/Local", "darwin": "Library/Application Support"}.get(sys.platform, ".local/share")
    return home / below / "her-course" / "progress.json"


def read() -> dict[str, dict[str, Any]]:
    """By exercise: ``passed``, best ``score``, ``maximum``, ``tries`` and ``hints``. A damaged file reads as none."""
    path = file()
    kept = _in_memory if path is None else _stored(path) or {}
    return {n: record for n, record in kept.items() if isinstance(record, dict) and _EMPTY.keys() <= record.keys()}


def note_check(result: Result) -> None:
    """A check was made. Once passed stays passed, and the best score counts; a stub is no try."""
    if result.status == "not_done":
        return
    kept = read()
    record = _EMPTY | kept.get(result.exercise, {})
    record["tries"] += 1
    record["passed"] = record["passed"] or result.passed
    if (result.passed, result.score) >= (record["score"] == record["maximum"] > 0, record["score"]):
        record |= {"score": result.score, "maximum": result.maximum}
    _write(kept | {result.exercise: record})


def note_hint(name: str, level: int) -> None:
    """A hint was taken."""
    kept = read()
    record = _EMPTY | kept.get(name, {})
    record["hints"] = max(record["hints"], level)
    _write(kept | {name: record})


def hints_taken(name: str) -> int:
    """How many hints of an exercise were taken."""
    return int(read().get(name, _EMPTY)["hints"])


def _write(kept: dict[str, dict[str, Any]]) -> None:
    """All or nothing; a file that was damaged is put aside, and one that cannot be written is said so, once a check."""
    path = file()
    if path is None:
        _in_memory.clear()
        _in_memory.update(kept)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and _stored(path) is None:
            os.replace(path, path.with_suffix(".damaged.json"))
        with write_atomically(path) as stream:
            json.dump(kept, stream, indent=2)
    except OSError as error:
        say(f"(progress could not be kept in {path}: {error.strerror})")


def _stored(path: Path) -> dict[str, Any] | None:
    """What the file holds; None if it cannot be read as what this module writes."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None
