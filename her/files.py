"""Files that are whole at whatever moment a program is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def write_atomically(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a file for writing that replaces ``path`` only once it is complete.

    Who reads ``path`` finds what was there before or all of the new content, never a part. An error in the block
    leaves ``path`` as it was.

    Args:
        path: of the file; its folder exists.
        mode: "w" for text, in UTF-8 with the line endings that are written, or "wb" for bytes.

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
