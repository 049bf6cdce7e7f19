"""What the variants of a sweep come to: steps until they succeed, success in the end, with intervals over seeds."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from her.statistics import Arrival, Estimate, arrival, bootstrap, iqm, ratio, steps_to_threshold


@dataclass(frozen=True)
class Comparison:
    """One variant on one task.

    Attributes:
        task, variant: their names in the sweep.
        arrival: environment steps until an evaluation came up to the threshold.
        times: their mean divided by that of the first variant.
        final: success rate of the final evaluation, fresh goals, the IQM over seeds.
        success_at: "end" of the episode or "any" of its steps.
    """

    task: str
    variant: str
    arrival: Arrival
    times: Estimate
    final: Estimate
    success_at: str


def compare(folder: Path, threshold: float = 0.9) -> list[Comparison]:
    """Every variant of every task in a sweep's ``runs.csv`` and ``curves.csv``, beside the first variant of its task.

    Intervals are 95 % percentile bootstrap intervals over seeds (Efron), for ``times`` resampling both variants.

    Raises:
        FileNotFoundError: the folder has no sweep's tables.
    """
    points: dict[tuple[str, str, str], list[tuple[int, float]]] = defaultdict(list)
    with open(folder / "curves.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            points[row["task"], row["variant"], row["seed"]].append((int(row["env_steps"]), float(row["success_rate"])))
    runs: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    with open(folder / "runs.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["status"] == "done":
                runs[row["task"], row["variant"]].append(row)
    found, first = [], {}
    for (task, variant), rows in runs.items():
        reached = [
            steps_to_threshold(*zip(*points[task, variant, row["seed"]], strict=True), threshold) for row in rows
        ]
        budget = max(float(row["env_steps"]) for row in rows)
        steps = [budget if at is None else at for at in reached]
        first.setdefault(task, steps)
        found.append(
            Comparison(
                task,
                variant,
                arrival=arrival(reached, budget),
                times=Estimate(1.0, 1.0, 1.0) if steps is first[task] else ratio(steps, first[task]),
                final=bootstrap([float(row["success_rate"]) for row in rows], iqm),
                success_at=rows[0]["success_at"],
            )
        )
    return found


def as_markdown(comparisons: list[Comparison], threshold: float = 0.9) -> str:
    """A table for each task."""
    tables = []
    for task in dict.fromkeys(c.task for c in comparisons):
        of_task = [c for c in comparisons if c.task == task]
        at = {"end": "at the end", "any": "at any step"}[of_task[0].success_at]
        lines = [
            f"| {task} | reached {threshold:g} | steps until then, thousands | times {of_task[0].variant} "
            f"| final success {at}, IQM |",
            "|---|---:|---:|---:|---:|",
        ]
        for c in of_task:
            more = "≥ " if c.arrival.reached < c.arrival.runs else ""
            steps = Estimate(*(number / 1000 for number in c.arrival.mean))
            interval = f"{more}{steps.value:.0f} [{steps.low:.0f}, {steps.high:.0f}]"
            times = "1" if c is of_task[0] else f"{more}{c.times}"
            lines.append(
                f"| {c.variant} | {c.arrival.reached} of {c.arrival.runs} | {interval} | {times} | {c.final} |"
            )
        tables.append("\n".join(lines))
    return "\n\n".join(tables) + "\n"
