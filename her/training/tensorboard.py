"""A run's curve for TensorBoard, which reads it while the run goes on."""

from __future__ import annotations

import os
import shutil
from typing import Any

from tensorboardX import SummaryWriter


class TensorBoardLog(SummaryWriter):
    """Writes every evaluation of a run as points over environment steps.

    A run that goes on from a checkpoint repeats the evaluations that came after it. The log is therefore written anew,
    what ``folder`` held is replaced, and no point comes twice.
    """

    def __init__(self, folder: str | os.PathLike):
        shutil.rmtree(folder, ignore_errors=True)
        super().__init__(str(folder))
        self.written = 0

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Add those of a run's rows, as in progress.csv, that were not there the last time."""
        for row in rows[self.written :]:
            for name in [name for name, value in row.items() if name != "env_steps" and value is not None]:
                self.add_scalar(name, row[name], global_step=row["env_steps"])
        self.written = len(rows)
        self.flush()
