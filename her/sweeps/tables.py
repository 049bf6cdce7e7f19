"""Runs on disk, read for figures and tables, and the tables of a sweep. No torch is needed.

A sweep leaves ``runs.csv`` (a row per run), ``curves.csv`` (a row per evaluation) and ``how.json`` (the command,
versions and settings), which tell everything that a figure needs, without the folders of the runs.
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd

from her.dotted import flatten
from her.files import read_json, write_atomically, write_json

IDENTITY = ("task", "variant", "seed")
RESULT = ("env_steps", "updates", "success_rate", "success_at", "cpu_seconds")
CURVE = ("env_steps", "episodes", "updates", "success_rate", "exploring_success", "td_error", "cpu_seconds")
SCHEDULES = ("alpha", "beta", "lambda")  # of curves.csv, where runs have them: see `her.training.Trainer.schedules`
NO_CURVE = pd.DataFrame(columns=CURVE)


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What is known of a run, from its own folder or from a sweep's tables.

    Attributes:
        task, variant: where it belongs in a figure: a panel, and a curve.
        config: its settings as plain data.
        curve: a row for each evaluation, with the columns in CURVE, newer ones with those in SCHEDULES too; numbers may
            be the text that stands in a file.
        result: what its summary says under the names in RESULT, None if the run has not ended.
        error: what went wrong, its last line being the exception's; None if nothing did.
        made_with: versions and commit, as in made_with.json.
    """

    task: str
    variant: str
    config: dict[str, Any]
    curve: pd.DataFrame
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
    def success(self) -> pd.Series:
        """(n_evaluations,) success rates, with environment steps as their index."""
        return self.curve["success_rate"].astype(float).set_axis(self.curve["env_steps"].astype(int))

    @property
    def final(self) -> float | None:
        """Success rate of the final evaluation; None if the run has not ended, NaN if nothing tells of success."""
        if not self.result:
            return None
        rate = self.result["success_rate"]
        return float("nan" if rate in (None, "") else rate)

    @property
    def status(self) -> str:
        """ "done", or what went wrong."""
        if self.result:
            return "done"
        return f"failed: {self.error.strip().splitlines()[-1]}" if self.error else "unfinished"


def write_tables(records: Sequence[RunRecord], folder: Path, command: str) -> None:
    """Write ``runs.csv``, ``curves.csv`` and ``how.json``; ``command`` is the one that makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[*r.identity, r.status, *((r.result or {}).get(column, "") for column in RESULT)] for r in records]
    runs = pd.DataFrame(rows, columns=[*IDENTITY, "status", *RESULT], dtype=object)
    curves = pd.concat([r.curve.assign(**dict(zip(IDENTITY, r.identity, strict=True))) for r in records])
    columns = [name for name in (*IDENTITY, *CURVE, *SCHEDULES) if name in curves]
    for name, table in (("runs.csv", runs), ("curves.csv", curves[columns])):
        with write_atomically(folder / name) as file:
            table.to_csv(file, index=False, lineterminator="\n")
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
    write_json(folder / "how.json", how)


def read_tables(folder: Path) -> list[RunRecord]:
    """The runs that a sweep's tables tell of; a FileNotFoundError names a table that is missing."""
    try:
        curves = dict(list(read_table(folder / "curves.csv").groupby(list(IDENTITY), sort=False)))
        runs = read_table(folder / "runs.csv")
        how = json.loads((folder / "how.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"folder: {error.filename} is missing; make it with `her sweep`") from None
    made_with = {name: made for made in how["made_with"] for name in made.pop("runs")}
    records = []
    for row in runs.to_dict("records"):
        task, variant, _ = identity = tuple(row[column] for column in IDENTITY)
        name, done = "-".join(identity), row["status"] == "done"
        result = {column: row[column] for column in RESULT} if done else None
        error = None if done else row["status"].removeprefix("failed: ")
        curve, made = curves.get(identity, NO_CURVE), made_with.get(name, {})
        records.append(RunRecord(task, variant, how["configs"][name], curve, result, error, made))
    return records


def read_table(path: Path) -> pd.DataFrame:
    """A CSV file, every cell as the text that stands there, so that writing it again changes nothing."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def read_run(folder: Path, task: str, variant: str, config: dict[str, Any], error: str | None = None) -> RunRecord:
    """What a run's folder tells; a file that is not there yet tells nothing."""
    summary, made_with = read_json(folder / "summary.json"), read_json(folder / "made_with.json")
    result = {column: summary[column] for column in RESULT} if summary and not error else None
    return RunRecord(task, variant, config, read_progress(folder), result, error, made_with)


def read_progress(folder: Path) -> pd.DataFrame:
    """A run's progress.csv, without rows if the run has not come that far."""
    path = folder / "progress.csv"
    return read_table(path) if path.exists() else NO_CURVE


def read_records(folder: Path) -> list[RunRecord]:
    """The runs in a folder: those of a sweep's tables, or those whose folders lie in it, however deep.

    Runs that come without names are told apart by what differs: a task for each environment and its arguments, a
    variant for each of the other settings that are not the same in all runs of the task; seeds aside. Where no run has
    an evaluation, a FileNotFoundError says so.
    """
    records = read_tables(folder) if (folder / "runs.csv").exists() else _read_folders(folder)
    records = [record for record in records if len(record.curve)]
    if not records:
        raise FileNotFoundError(f"folder: no runs with evaluations in {str(folder)!r}; see `her train` and `her sweep`")
    return records


def _read_folders(folder: Path) -> list[RunRecord]:
    folders = sorted(path.parent for path in folder.rglob("config.json"))
    configs = [read_json(run / "config.json") for run in folders]
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


def grouped(rows: Iterable[Any], *names: str) -> dict[Any, list]:
    """Rows by their values of one attribute, or tuples of several, in the order in which these first appear."""
    groups: dict[Any, list] = {}
    for row in rows:
        groups.setdefault(attrgetter(*names)(row), []).append(row)
    return groups


def read_titles(path: Path, lang: str) -> dict[str, str]:
    """What a sweep's file calls its tasks in a language: ``title = { zh = "…", en = "…" }`` of each ``[[task]]``."""
    tasks = tomllib.loads(path.read_text(encoding="utf-8"))["task"]
    return {task["name"]: task["title"][lang] for task in tasks if lang in task.get("title", {})}
