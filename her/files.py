"""Files that are whole at whatever moment a program is killed."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def write_atomically(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a file for writing that replaces ``path`` only once it is complete.

    Who reads ``path`` finds what was there before or all of the new content; an error in the block leaves it as it was.
    The ``mode`` is "w" for text, in UTF-8 with the line endings that are written, or "wb" for bytes.

    >>> with write_atomically("summary.json") as file: file.write("{}")                      # doctest: +SKIP
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with open(temporary, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a dictionary as JSON, atomically."""
    with write_atomically(path) as file:
        file.write(json.dumps(content, indent=1) + "\n")


def read_json(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The settings in a JSON file; none if there is no such file and no keys are needed.

    A ValueError says, with the file's name, that it is damaged or that one of the keys is missing.
    """
    if not keys and not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"path: {str(path)!r} is no JSON, or damaged ({error})") from None
    if not isinstance(found, dict) or not found or set(keys) - found.keys():
        raise ValueError(f"path: {str(path)!r} is damaged: expected {', '.join(keys) or 'settings'}, got {found!r:.80}")
    return found
