"""Runs on disk, read for figures and tables. No torch is needed."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run that is on disk, whether in its own folder or as rows of a sweep's tables.

    Attributes:
        task, variant: where it belongs in a figure: a panel, and a curve.
        config: its settings as plain data.
        steps, success: (n_evaluations,) of its curve.
        final: success rate of the final evaluation, None if the run has not ended.
    """

    task: str
    variant: str
    config: dict[str, Any]
    steps: np.ndarray
    success: np.ndarray
    final: float | None


def read_records(folder: Path) -> list[RunRecord]:
    """The runs in a folder: those of a sweep's tables, or those whose folders lie in it, however deep.

    Runs that come without names are told apart by what differs: a task for each environment and its arguments, a
    variant for each of the other settings that are not the same in all runs of the task; seeds aside.

    Raises:
        FileNotFoundError: no runs with evaluations are there.
    """
    records = _from_tables(folder) if (folder / "runs.csv").exists() else _from_runs(folder)
    records = [record for record in records if len(record.steps)]
    if not records:
        raise FileNotFoundError(f"folder: no runs with evaluations in {str(folder)!r}; see `her train` and `her sweep`")
    return records


def _from_tables(folder: Path) -> Iterator[RunRecord]:
    configs = json.loads((folder / "how.json").read_text(encoding="utf-8"))["configs"]
    curves: dict[str, list[tuple[float, float]]] = {}
    with open(folder / "curves.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = f"{row['task']}-{row['variant']}-{row['seed']}"
            curves.setdefault(name, []).append((int(row["env_steps"]), float(row["success_rate"])))
    with open(folder / "runs.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = f"{row['task']}-{row['variant']}-{row['seed']}"
            steps, success = np.array(curves.get(name, np.empty((0, 2)))).T
            final = float(row["success_rate"]) if row["success_rate"] else None
            yield RunRecord(row["task"], row["variant"], configs[name], steps, success, final)


def _from_runs(folder: Path) -> Iterator[RunRecord]:
    folders = sorted(path.parent for path in folder.rglob("config.json") if "checkpoint-" not in path.parent.name)
    configs = [json.loads((run / "config.json").read_text(encoding="utf-8")) for run in folders]
    flat = [_flat(config) for config in configs]
    tasks = [name_with(config["env_id"], config["env_kwargs"]) for config in configs]
    for run, config, task, one in zip(folders, configs, tasks, flat, strict=True):
        beside = [other for of, other in zip(tasks, flat, strict=True) if of == task]
        asides = ("seed", "env_id", "env_kwargs.")
        keys = [key for key in one if not key.startswith(asides)]
        differing = [key for key in keys if len({repr(other.get(key)) for other in beside}) > 1]
        variant = name_with("", {key: one[key] for key in differing}) if differing else config["strategy"]
        points = [(int(row["env_steps"]), float(row["success_rate"])) for row in read_progress(run)]
        steps, success = np.array(points).reshape(-1, 2).T
        path = run / "summary.json"
        final = json.loads(path.read_text(encoding="utf-8"))["success_rate"] if path.exists() else None
        yield RunRecord(task, variant, config, steps, success, final)


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """Entries of dictionaries as settings of their own: ``env_kwargs.n_bits``."""
    inner = {
        f"{key}.{name}": v for key, value in config.items() if isinstance(value, dict) for name, v in value.items()
    }
    return {key: value for key, value in config.items() if not isinstance(value, dict)} | inner


def setting(config: dict[str, Any], key: str) -> Any:
    """A setting of a config by its name, where a dot leads into a dictionary.

    Raises:
        ValueError: there is none of that name.
    """
    flat = _flat(config)
    if key not in flat:
        raise ValueError(f"against: no setting {key!r}; there are {', '.join(sorted(flat))}")
    return flat[key]


def read_progress(folder: Path) -> tuple[dict[str, str], ...]:
    """The rows of a run's progress.csv, none if it has not come that far."""
    path = folder / "progress.csv"
    if not path.exists():
        return ()
    with open(path, newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def name_with(name: str, values: dict[str, Any]) -> str:
    """A name with what a grid adds to it, fit to be a folder's."""
    words = [f"{key.rpartition('.')[2]}={value}".replace(" ", "").replace("/", "_") for key, value in values.items()]
    return ",".join(([name] if name else []) + words) or "all"


def read_titles(path: Path, lang: str) -> dict[str, str]:
    """What a sweep's file calls its tasks in a language: ``title = { zh = "…", en = "…" }`` of each ``[[task]]``."""
    tasks = tomllib.loads(path.read_text(encoding="utf-8"))["task"]
    return {task["name"]: task["title"][lang] for task in tasks if lang in task.get("title", {})}
