"""Sweeps: every variant on every task with every seed, as one small file says; resumable, one tidy table out."""

from __future__ import annotations

import csv
import itertools
import json
import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her.records import name_with, read_progress
from her.runs import COLUMNS, Run, differences
from her.training import TrainingConfig, settings_for

IDENTITY = ("task", "variant", "seed")
RESULT = ("env_steps", "updates", "success_rate", "success_at", "cpu_seconds")  # fields of a run's summary
TABLE = (*IDENTITY, "status", *RESULT)
CURVE = tuple(column for column in COLUMNS if column != "wall_seconds")


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    task: str
    variant: str
    config: TrainingConfig

    @property
    def name(self) -> str:
        return f"{self.task}-{self.variant}-{self.config.seed}"


@dataclass(frozen=True)
class Outcome:
    """How a run of a sweep ended: with a result, or with what went wrong.

    Attributes:
        job: the run.
        result: what its summary says under the names in RESULT, None if it failed.
        error: what went wrong, its last line being the exception's; None if nothing did.
        curve: a row for each evaluation, as in progress.csv.
        made_with: versions and commit, as in made_with.json.
    """

    job: Job
    result: dict[str, Any] | None = None
    error: str | None = None
    curve: tuple[dict[str, Any], ...] = ()
    made_with: dict[str, Any] | None = None

    def row(self) -> dict[str, Any]:
        """The row of ``runs.csv``."""
        status = "done" if self.result else f"failed: {self.error.strip().splitlines()[-1]}"
        return self.identity() | {"status": status} | (self.result or dict.fromkeys(RESULT, ""))

    def identity(self) -> dict[str, Any]:
        """What a row of any table begins with."""
        return dict(zip(IDENTITY, (self.job.task, self.job.variant, self.job.config.seed), strict=True))


def read_sweep(path: Path) -> list[Job]:
    """The runs that a sweep's file asks for.

    The file is TOML: ``seeds``, a list; ``[settings]`` for all runs; a ``[[task]]`` with ``name``, ``env_id`` and, if
    wanted, ``env_kwargs`` and ``settings``; a ``[[variant]]`` with ``name`` and, if wanted, ``settings``, the ``tasks``
    that it makes sense on, and ``seeds`` of its own. Settings are fields of `TrainingConfig`; a variant's go before a
    task's, a task's before those for all.

    ``[grid]`` makes variants of every combination of lists of settings, ``strategy = ["final", "future"]`` and
    ``k = [1, 4]``, each of them in combination with each ``[[variant]]``, if there are any. A dot leads into a
    dictionary, ``"agent_settings.learning_rate" = [1e-3, 2e-3]``, and ``"env_kwargs.n_bits" = [10, 20]`` makes tasks.

    Raises:
        ValueError: something missing, doubled or unknown, with the file's name.
    """
    try:
        return plan(tomllib.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def plan(sweep: dict[str, Any]) -> list[Job]:
    """The runs of a sweep given as the dictionary that `read_sweep` finds in a file."""
    try:
        jobs = [
            Job(
                name_with(task["name"], env_kwargs),
                name_with(variant["name"], point),
                settings_for(task["env_id"], task.get("env_kwargs", {}) | env_kwargs, **settings, seed=seed),
            )
            for task in sweep["task"]
            for env_kwargs, points in _grid(sweep.get("grid", {}))
            for variant in (sweep.get("variant", [{"name": ""}]) if "grid" in sweep else sweep["variant"])
            if task["name"] in variant.get("tasks", [task["name"]])
            for point in points
            for settings in [_settings(sweep, task, variant, {"settings": point})]
            for seed in variant.get("seeds") or sweep["seeds"]
        ]
    except KeyError as error:
        raise ValueError(f"{error} is missing") from None
    names = [job.name for job in jobs]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"the same run twice: {', '.join(sorted(doubled))}")
    return jobs


def _grid(grid: dict[str, list]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each combination of values for the environment, with all combinations of settings."""
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"grid: expected a list of values for {key!r}, got {values!r}")
    prefix = "env_kwargs."
    env = {key.removeprefix(prefix): values for key, values in grid.items() if key.startswith(prefix)}
    settings = {key: values for key, values in grid.items() if not key.startswith(prefix)}
    points = [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]
    for values in itertools.product(*env.values()):
        yield dict(zip(env, values, strict=True)), points


def _settings(*layers: dict[str, Any]) -> dict[str, Any]:
    """The ``settings`` of all layers, of which the later ones go first; a dot leads into a dictionary."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.get("settings", {}).items():
            group, dot, name = key.partition(".")
            merged[group] = merged.get(group, {}) | {name: value} if dot else value
    return merged


def run_job(job: Job, folder: Path) -> Outcome:
    """Train one run to its end, or go on with it; what goes wrong is part of the outcome."""
    result = error = None
    try:
        summary = Run(job.config, folder, resume=(folder / "config.json").exists()).train()
        result = {name: getattr(summary, name) for name in RESULT}
    except Exception:  # one run's failure, whatever it is, must not end the others; the table tells it
        error = traceback.format_exc()
    path = folder / "made_with.json"
    made_with = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return Outcome(job, result, error, read_progress(folder), made_with)


def sweep(
    jobs: list[Job],
    out: Path,
    n_jobs: int = -1,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    backend: str = "loky",
    scheduler: str | None = None,
) -> list[Outcome]:
    """Run all jobs, each in its folder below ``out``; runs that have ended are not run again, interrupted ones go on.

    A run that raises, or whose process dies, is an outcome like any other. With joblib's dask backend outcomes are told
    when all have come; what ran on a cluster is found again only in a folder that all its machines share.

    Args:
        jobs: what to run.
        out: folder of the runs' folders.
        n_jobs: runs at a time, -1 is one per core (or all the cluster's workers).
        on_outcome: called with each outcome, those of runs that had ended before first.
        backend: "loky", processes of this machine, or "dask".
        scheduler: address of dask's, such as "tcp://host:8786"; None starts workers on this machine.

    Returns:
        The outcomes, in the jobs' order.
    """
    out = out.resolve()
    outcomes: dict[str, Outcome] = {}

    def took(outcome: Outcome) -> None:
        outcomes[outcome.job.name] = outcome
        on_outcome(outcome)

    def left() -> list[Job]:
        return [job for job in jobs if job.name not in outcomes]

    for job in jobs:
        if (out / job.name / "summary.json").exists():
            took(run_job(job, out / job.name))
    with _workers(backend, scheduler, n_jobs) as run:
        while left():
            try:
                for outcome in run(left(), out):
                    took(outcome)
            except Exception as error:  # a worker was killed, for memory perhaps: whose run it had is not told
                if not _is_death(error):
                    raise
                begun = [job for job in left() if (out / job.name / "config.json").exists()] or left()[:1]
                for job in begun:
                    try:
                        took(next(iter(run([job], out))))
                    except Exception as again:
                        if not _is_death(again):
                            raise
                        took(Outcome(job, error=f"its process died ({type(again).__name__})"))
    return [outcomes[job.name] for job in jobs]


@contextmanager
def _workers(
    backend: str, scheduler: str | None, n_jobs: int
) -> Iterator[Callable[[list[Job], Path], Iterable[Outcome]]]:
    """A function that runs jobs and gives their outcomes as they come."""
    from joblib import Parallel, delayed, parallel_config

    def run(jobs: list[Job], out: Path) -> Iterable[Outcome]:
        tasks = (delayed(run_job)(job, out / job.name) for job in jobs)
        if backend == "dask":  # which gives no generator
            return Parallel(n_jobs=n_jobs, batch_size=1)(tasks)
        return Parallel(n_jobs=n_jobs, batch_size=1, backend="loky", return_as="generator_unordered")(tasks)

    if backend == "dask":
        from dask.distributed import Client

        with Client(scheduler) as client, parallel_config("dask", client=client, wait_for_workers_timeout=60):
            yield run
    else:
        yield run


def _is_death(error: Exception) -> bool:
    """Whether an exception of joblib's says that a worker's process is gone."""
    return type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")


def steps_done(job: Job, folder: Path) -> int:
    """Environment steps of a run until its last evaluation, all of them once it has ended."""
    if (folder / "summary.json").exists():
        return job.config.max_steps
    rows = read_progress(folder)
    return min(int(rows[-1]["env_steps"]), job.config.max_steps) if rows else 0


def write_results(outcomes: list[Outcome], results: Path, command: str) -> None:
    """``runs.csv`` (a row per run), ``curves.csv`` (a row per evaluation) and ``how.json`` (how they were made)."""
    results.mkdir(parents=True, exist_ok=True)
    _write_rows(results / "runs.csv", TABLE, (outcome.row() for outcome in outcomes))
    rows = (one.identity() | {column: row[column] for column in CURVE} for one in outcomes for row in one.curve)
    _write_rows(results / "curves.csv", (*IDENTITY, *CURVE), rows)
    how = {
        "command": command,
        "cpu_seconds": round(sum(float(o.result["cpu_seconds"]) for o in outcomes if o.result), 1),
        "made_with": _made_with(outcomes),
        "configs": {outcome.job.name: outcome.job.config.to_dict() for outcome in outcomes},
    }
    (results / "how.json").write_text(json.dumps(how, indent=1) + "\n", encoding="utf-8")


def read_results(jobs: list[Job], results: Path) -> list[Outcome]:
    """Those of the jobs that tables in ``results`` tell of already, ended and with the very settings asked for now.

    Raises:
        FileNotFoundError: ``results`` has no tables.
    """
    how = json.loads((results / "how.json").read_text(encoding="utf-8"))
    made_with = {
        name: {key: value for key, value in made.items() if key != "runs"}
        for made in how["made_with"]
        for name in made["runs"]
    }
    curves: dict[str, list[dict[str, str]]] = {}
    for row in _read_rows(results / "curves.csv"):
        curves.setdefault(_name(row), []).append(row)
    rows = {_name(row): row for row in _read_rows(results / "runs.csv") if row["status"] == "done"}
    return [
        Outcome(
            job,
            {column: rows[job.name][column] for column in RESULT},
            curve=tuple(curves.get(job.name, ())),
            made_with=made_with.get(job.name),
        )
        for job in jobs
        if job.name in rows and not differences(job.config, how["configs"][job.name])
    ]


def _name(row: dict[str, str]) -> str:
    return "-".join(row[column] for column in IDENTITY)


def _read_rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _made_with(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Versions and commit, each with the runs that were begun with them."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.made_with:
            found.setdefault(json.dumps(outcome.made_with), []).append(outcome.job.name)
    return [json.loads(text) | {"runs": names} for text, names in found.items()]


def _write_rows(path: Path, keys: Iterable[str], rows: Iterable[dict[str, Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
