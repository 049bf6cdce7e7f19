"""A run's curve for TensorBoard, which reads it while the run goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter


class TensorBoardLog:
    """Writes every evaluation of a run as points over environment steps.

    A run that goes on from a checkpoint repeats the evaluations that came after it. The log is therefore written anew
    from the rows that the checkpoint kept, and no point comes twice.

    Args:
        folder: of the event file; what it holds already is replaced.
        rows: of the run so far, as in progress.csv.
    """

    def __init__(self, folder: str | os.PathLike, rows: Sequence[dict[str, Any]] = ()):
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(Path(folder)))
        self._written = 0
        self.write(rows)

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add the rows that were not there the last time."""
        for row in rows[self._written :]:
            for name, value in row.items():
                if name != "env_steps":
                    self._writer.add_scalar(name, value, global_step=row["env_steps"])
        if len(rows) > self._written:
            self._writer.flush()
        self._written = len(rows)

    def close(self) -> None:
        """Wait until all points are in the file."""
        self._writer.close()
