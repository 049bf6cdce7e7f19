"""Sweeps: every variant on every task with every seed, as one small file says; resumable, one tidy table out."""

from __future__ import annotations

import csv
import json
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from her.runs import COLUMNS, Run, Summary
from her.training import TrainingConfig, settings_for

TABLE = ("task", "variant", "seed", "status", "env_steps", "updates", "success_rate", "success_at", "cpu_seconds")


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
    """How a run of a sweep ended: with a summary, or with what went wrong."""

    job: Job
    summary: Summary | None = None
    error: str | None = None

    def row(self) -> dict[str, Any]:
        given = asdict(self.summary) if self.summary else {}
        status = "done" if self.summary else f"failed: {self.error.strip().splitlines()[-1]}"
        ids = {"task": self.job.task, "variant": self.job.variant, "seed": self.job.config.seed, "status": status}
        return ids | {key: given.get(key, "") for key in TABLE if key not in ids}


def read_sweep(path: Path) -> list[Job]:
    """The runs that a sweep's file asks for.

    The file is TOML: ``seeds``, a list; ``[settings]`` for all runs; a ``[[task]]`` with ``name``, ``env_id`` and, if
    wanted, ``env_kwargs`` and ``settings``; a ``[[variant]]`` with ``name`` and, if wanted, ``settings``, the ``tasks``
    that it makes sense on, and ``seeds`` of its own. Settings are fields of `TrainingConfig`; a variant's go before a
    task's, a task's before those for all.

    Raises:
        ValueError: something missing, doubled or unknown, with the file's name.
    """
    try:
        sweep = tomllib.loads(path.read_text(encoding="utf-8"))
        jobs = [
            Job(
                task["name"],
                variant["name"],
                settings_for(
                    task["env_id"],
                    task.get("env_kwargs"),
                    **(sweep.get("settings", {}) | task.get("settings", {}) | variant.get("settings", {})),
                    seed=seed,
                ),
            )
            for task in sweep["task"]
            for variant in sweep["variant"]
            if task["name"] in variant.get("tasks", [task["name"]])
            for seed in variant.get("seeds", sweep["seeds"])
        ]
    except KeyError as error:
        raise ValueError(f"{path}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    names = [job.name for job in jobs]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"{path}: the same run twice: {', '.join(sorted(doubled))}")
    return jobs


def read_titles(path: Path, lang: str) -> dict[str, str]:
    """What a sweep's file calls its tasks in a language: ``title = { zh = "…", en = "…" }`` of each ``[[task]]``."""
    tasks = tomllib.loads(path.read_text(encoding="utf-8"))["task"]
    return {task["name"]: task.get("title", {}).get(lang, task["name"]) for task in tasks}


def run_job(job: Job, folder: Path) -> Outcome:
    """Train one run to its end, or go on with it; what goes wrong is part of the outcome."""
    try:
        return Outcome(job, Run(job.config, folder, resume=(folder / "config.json").exists()).train())
    except Exception:  # one run's failure, whatever it is, must not end the others; the table tells it
        return Outcome(job, error=traceback.format_exc())


def sweep(
    jobs: list[Job], out: Path, n_jobs: int = -1, on_outcome: Callable[[Outcome], None] = lambda outcome: None
) -> list[Outcome]:
    """Run all jobs, ``n_jobs`` at a time (-1: one per core), each in its folder below ``out``.

    Runs that have ended are not run again, and their outcomes come before all others; runs that were interrupted go on.
    What is returned is in the jobs' order.
    """
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", backend="loky")
    outcomes: dict[str, Outcome] = {}
    ended_first = sorted(jobs, key=lambda job: not (out / job.name / "summary.json").exists())
    for outcome in parallel(delayed(run_job)(job, out / job.name) for job in ended_first):
        outcomes[outcome.job.name] = outcome
        on_outcome(outcome)
    return [outcomes[job.name] for job in jobs]


def write_results(outcomes: list[Outcome], runs: Path, results: Path, command: str) -> None:
    """``runs.csv`` (a row per run), ``curves.csv`` (a row per evaluation) and ``how.json`` (how they were made)."""
    results.mkdir(parents=True, exist_ok=True)
    _write_rows(results / "runs.csv", TABLE, (outcome.row() for outcome in outcomes))
    keys = ("task", "variant", "seed", *(column for column in COLUMNS if column != "wall_seconds"))
    _write_rows(results / "curves.csv", keys, _curve_rows(outcomes, runs))
    how = {
        "command": command,
        "cpu_seconds": round(sum(o.summary.cpu_seconds for o in outcomes if o.summary), 1),
        "made_with": _made_with(outcomes, runs),
        "configs": {outcome.job.name: outcome.job.config.to_dict() for outcome in outcomes},
    }
    (results / "how.json").write_text(json.dumps(how, indent=1) + "\n", encoding="utf-8")


def _made_with(outcomes: list[Outcome], runs: Path) -> list[dict[str, Any]]:
    """Versions and commit, each with the runs that were begun with them."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        path = runs / outcome.job.name / "made_with.json"
        if path.exists():
            found.setdefault(path.read_text(encoding="utf-8"), []).append(outcome.job.name)
    return [json.loads(text) | {"runs": names} for text, names in found.items()]


def _curve_rows(outcomes: list[Outcome], runs: Path) -> Iterator[dict[str, Any]]:
    for outcome in outcomes:
        job = outcome.job
        path = runs / job.name / "progress.csv"
        if path.exists():
            with open(path, newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    row.pop("wall_seconds")
                    yield {"task": job.task, "variant": job.variant, "seed": job.config.seed} | row


def _write_rows(path: Path, keys: tuple[str, ...], rows) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
