"""What the variants of a sweep come to: steps until they succeed, success in the end, with intervals over seeds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from her.sweeps.statistics import Estimate, bootstrap, iqm, ratio, steps_to_threshold
from her.sweeps.tables import grouped, read_tables


@dataclass(frozen=True)
class Comparison:
    """One variant on one task.

    Attributes:
        task, variant: their names in the sweep.
        runs, reached: how many runs there are, and how many of them came up to the threshold in an evaluation.
        steps: the mean of the environment steps until then. A run that never got there counts with all its steps, so
            that this is a lower bound, and a fair one between runs of the same length.
        times: this mean divided by that of the first variant.
        final: success rate of the final evaluation, fresh goals, the IQM over seeds.
        success_at: "end" of the episode or "any" of its steps.
    """

    task: str
    variant: str
    runs: int
    reached: int
    steps: Estimate
    times: Estimate
    final: Estimate
    success_at: str


def compare(folder: Path, threshold: float = 0.9) -> list[Comparison]:
    """Every variant of every task in a sweep's tables, beside the first variant of its task.

    Intervals are those of `bootstrap`, over seeds; for ``times``, those of `ratio`. For errors see `read_tables`.
    """
    ended = [record for record in read_tables(folder) if record.result]
    found: list[Comparison] = []
    first: dict[str, list[float]] = {}
    for (task, variant), records in grouped(ended, "task", "variant").items():
        reached = [steps_to_threshold(record.success.index, record.success, threshold) for record in records]
        budget = max(float(record.result["env_steps"]) for record in records)
        steps = [budget if at is None else at for at in reached]
        first.setdefault(task, steps)
        times = Estimate(1.0, 1.0, 1.0) if steps is first[task] else ratio(steps, first[task])
        counts = len(records), len(records) - reached.count(None)
        estimates = bootstrap(steps, np.mean), times, bootstrap([record.final for record in records], iqm)
        found.append(Comparison(task, variant, *counts, *estimates, records[0].result["success_at"]))
    return found


def as_markdown(comparisons: list[Comparison], threshold: float = 0.9) -> str:
    """A table for each task."""
    tables = []
    for task, of_task in grouped(comparisons, "task").items():
        at = {"end": "at the end", "any": "at any step"}[of_task[0].success_at]
        lines = [
            f"| {task} | reached {threshold:g} | steps until then, thousands | times {of_task[0].variant} "
            f"| final success {at}, IQM |",
            "|---|---:|---:|---:|---:|",
        ]
        for c in of_task:
            more = "≥ " if c.reached < c.runs else ""
            steps = "{:.0f} [{:.0f}, {:.0f}]".format(*(number / 1000 for number in c.steps))
            times = "1" if c is of_task[0] else f"{more}{c.times}"
            lines.append(f"| {c.variant} | {c.reached} of {c.runs} | {more}{steps} | {times} | {c.final} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables) + "\n"
