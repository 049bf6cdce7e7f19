"""What the variants of a sweep come to: steps until they succeed, success in the end, with intervals over seeds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from her.sweeps.statistics import Estimate, ratio, steps_to_threshold, student
from her.sweeps.tables import grouped, read_tables


@dataclass(frozen=True)
class Comparison:
    """One variant on one task.

    Attributes:
        task, variant: their names in the sweep.
        runs, reached: how many runs there are, and how many of them came up to the threshold in an evaluation.
        steps: the mean of the environment steps until then. A run that never got there counts with all its steps, so
            that this is a lower bound, and a fair one between runs of the same length.
        times: how many times the steps of the first variant these are, see `ratio`.
        final: success rate of the final evaluation, fresh goals, the mean over seeds.
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

    Intervals are Student's t over seeds, those of ``times`` with room for the steps between two evaluations. For errors
    see `read_tables`.
    """
    ended = [record for record in read_tables(folder) if record.result]
    found: list[Comparison] = []
    first: dict[str, tuple[list[float], float]] = {}
    for (task, variant), records in grouped(ended, "task", "variant").items():
        reached = [steps_to_threshold(record.success.index, record.success, threshold) for record in records]
        budgets = [float(record.result["env_steps"]) for record in records]
        steps = [budget if at is None else at for at, budget in zip(reached, budgets, strict=True)]
        grid = max(np.diff(record.success.index, prepend=0).max(initial=0) for record in records)
        theirs, their_grid = first.setdefault(task, (steps, grid))
        times = Estimate(1.0, 1.0, 1.0) if steps is theirs else ratio(steps, theirs, max(grid, their_grid))
        counts = len(records), len(records) - reached.count(None)
        final = student([record.final for record in records], within=(0, 1))
        estimates = student(steps, within=(0, max(budgets))), times, final
        found.append(Comparison(task, variant, *counts, *estimates, records[0].result["success_at"]))
    return found


def as_markdown(comparisons: list[Comparison], threshold: float = 0.9) -> str:
    """A table for each task."""
    tables = []
    for task, of_task in grouped(comparisons, "task").items():
        at = {"end": "at the end", "any": "at any step"}[of_task[0].success_at]
        lines = [
            f"| {task} | reached {threshold:g} | steps until then, thousands | times {of_task[0].variant} "
            f"| final success {at}, mean |",
            "|---|---:|---:|---:|---:|",
        ]
        for c in of_task:
            more = "≥ " if c.reached < c.runs else ""
            steps = "{:.0f} [{:.0f}, {:.0f}]".format(*(number / 1000 for number in c.steps))
            if of_task[0].reached < of_task[0].runs:  # whose own steps are only a lower bound
                times = "unknown" if more else f"at most {c.times.high:.2f}"
            else:
                times = f"at least {c.times.low:.2f}" if more else f"{c.times}"
            times = "1" if c is of_task[0] else times
            lines.append(f"| {c.variant} | {c.reached} of {c.runs} | {more}{steps} | {times} | {c.final} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables) + "\n"
