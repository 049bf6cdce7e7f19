"""Runs on disk, read for figures and tables, and the tables of a sweep. No torch is needed.

A sweep leaves ``runs.csv`` (a row per run), ``curves.csv`` (a row per evaluation) and ``how.json`` (the command,
versions and settings), which tell everything that a figure needs, without the folders of the runs.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from her.dotted import flatten
from her.files import write_atomically

IDENTITY = ("task", "variant", "seed")
RESULT = ("env_steps", "updates", "success_rate", "success_at", "cpu_seconds")
CURVE = ("env_steps", "episodes", "updates", "success_rate", "exploring_success", "td_error", "cpu_seconds")


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What is known of a run, from its own folder or from a sweep's tables.

    Attributes:
        task, variant: where it belongs in a figure: a panel, and a curve.
        config: its settings as plain data.
        curve: a row for each evaluation, as in progress.csv.
        result: what its summary says under the names in RESULT, None if the run has not ended.
        error: what went wrong, its last line being the exception's; None if nothing did.
        made_with: versions and commit, as in made_with.json.
    """

    task: str
    variant: str
    config: dict[str, Any]
    curve: Sequence[dict[str, Any]] = ()
    result: dict[str, Any] | None = None
    error: str | None = None
    made_with: dict[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Task, variant and seed, which no two runs of a sweep share."""
        return self.task, self.variant, str(self.config["seed"])

    @property
    def name(self) -> str:
        """Of its folder."""
        return "-".join(self.identity)

    @property
    def steps(self) -> np.ndarray:
        """(n_evaluations,) environment steps."""
        return np.array([int(row["env_steps"]) for row in self.curve])

    @property
    def success(self) -> np.ndarray:
        """(n_evaluations,) success rates."""
        return np.array([float(row["success_rate"]) for row in self.curve])

    @property
    def final(self) -> float | None:
        """Success rate of the final evaluation, None if the run has not ended."""
        return float(self.result["success_rate"]) if self.result else None

    @property
    def status(self) -> str:
        """ "done", or what went wrong."""
        if self.result:
            return "done"
        return f"failed: {self.error.strip().splitlines()[-1]}" if self.error else "unfinished"


# ---------------------------------------------------------------------- the tables of a sweep


def write_tables(records: Sequence[RunRecord], folder: Path, command: str) -> None:
    """Write ``runs.csv``, ``curves.csv`` and ``how.json``; ``command`` is the one that makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[*r.identity, r.status, *((r.result or {}).get(column, "") for column in RESULT)] for r in records]
    _write_rows(folder / "runs.csv", (*IDENTITY, "status", *RESULT), rows)
    rows = [[*r.identity, *(point[column] for column in CURVE)] for r in records for point in r.curve]
    _write_rows(folder / "curves.csv", (*IDENTITY, *CURVE), rows)
    made_with: dict[str, list[str]] = {}  # what runs were made with, as JSON → their names
    for record in records:
        if record.made_with:
            made_with.setdefault(json.dumps(record.made_with), []).append(record.name)
    how = {
        "command": command,
        "cpu_seconds": round(sum(float(r.result["cpu_seconds"]) for r in records if r.result), 1),
        "made_with": [json.loads(made) | {"runs": names} for made, names in made_with.items()],
        "configs": {record.name: record.config for record in records},
    }
    with write_atomically(folder / "how.json") as file:
        file.write(json.dumps(how, indent=1) + "\n")


def read_tables(folder: Path) -> list[RunRecord]:
    """The runs that a sweep's tables tell of.

    Raises:
        FileNotFoundError: one of the tables is missing.
    """
    curves = read_curve_rows(folder / "curves.csv")
    rows = read_rows(folder / "runs.csv")
    how = json.loads((folder / "how.json").read_text(encoding="utf-8"))
    made_with = {name: made for made in how["made_with"] for name in made.pop("runs")}
    records = []
    for row in rows:
        identity = tuple(row[column] for column in IDENTITY)
        name = "-".join(identity)
        done = row["status"] == "done"
        records.append(
            RunRecord(
                row["task"],
                row["variant"],
                how["configs"][name],
                curves.get(identity, []),
                result={column: row[column] for column in RESULT} if done else None,
                error=None if done else row["status"].removeprefix("failed: "),
                made_with=made_with.get(name, {}),
            )
        )
    return records


def read_curve_rows(path: Path) -> dict[tuple[str, str, str], list[dict[str, str]]]:
    """The rows of a ``curves.csv`` by task, variant and seed."""
    curves: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in read_rows(path):
        curves.setdefault((row["task"], row["variant"], row["seed"]), []).append(row)
    return curves


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with heads."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write_rows(path: Path, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with write_atomically(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads)
        writer.writerows(rows)


# ---------------------------------------------------------------------- runs in folders


def read_run(folder: Path, task: str, variant: str, config: dict[str, Any], error: str | None = None) -> RunRecord:
    """What a run's folder tells; a file that is not there yet tells nothing."""
    summary, made_with = _read_json(folder / "summary.json"), _read_json(folder / "made_with.json")
    result = {column: summary[column] for column in RESULT} if summary and not error else None
    return RunRecord(task, variant, config, read_progress(folder), result, error, made_with)


def read_progress(folder: Path) -> list[dict[str, str]]:
    """The rows of a run's progress.csv, none if it has not come that far."""
    path = folder / "progress.csv"
    return read_rows(path) if path.exists() else []


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read_records(folder: Path) -> list[RunRecord]:
    """The runs in a folder: those of a sweep's tables, or those whose folders lie in it, however deep.

    Runs that come without names are told apart by what differs: a task for each environment and its arguments, a
    variant for each of the other settings that are not the same in all runs of the task; seeds aside.

    Raises:
        FileNotFoundError: no runs with evaluations are there.
    """
    records = read_tables(folder) if (folder / "runs.csv").exists() else _read_folders(folder)
    records = [record for record in records if record.curve]
    if not records:
        raise FileNotFoundError(f"folder: no runs with evaluations in {str(folder)!r}; see `her train` and `her sweep`")
    return records


def _read_folders(folder: Path) -> list[RunRecord]:
    folders = sorted(path.parent for path in folder.rglob("config.json"))
    configs = [_read_json(run / "config.json") for run in folders]
    tasks = [name_with(config["env_id"], config["env_kwargs"]) for config in configs]
    records = []
    for run, config, task in zip(folders, configs, tasks, strict=True):
        of_task = [flatten(other) for other, name in zip(configs, tasks, strict=True) if name == task]
        differing = {
            key: value
            for key, value in flatten(config).items()
            if not key.startswith(("seed", "env_id", "env_kwargs."))
            and any(repr(other.get(key)) != repr(value) for other in of_task)
        }
        records.append(read_run(run, task, name_with("", differing) if differing else config["strategy"], config))
    return records


def name_with(name: str, values: dict[str, Any]) -> str:
    """A name with the settings that set it apart, fit to be a folder's.

    >>> name_with("bits", {"env_kwargs.n_bits": 4, "k": 8})
    'bits,n_bits=4,k=8'
    """
    words = [f"{key.rpartition('.')[2]}={value}".replace(" ", "").replace("/", "_") for key, value in values.items()]
    return ",".join(([name] if name else []) + words) or "all"


def read_titles(path: Path, lang: str) -> dict[str, str]:
    """What a sweep's file calls its tasks in a language: ``title = { zh = "…", en = "…" }`` of each ``[[task]]``."""
    tasks = tomllib.loads(path.read_text(encoding="utf-8"))["task"]
    return {task["name"]: task["title"][lang] for task in tasks if lang in task.get("title", {})}
