"""What a sweep runs: every variant on every task with every seed, as one small file says."""

import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her.dotted import nest
from her.sweeps.tables import name_with
from her.training.config import TrainingConfig, settings_for

KEYS = {  # what a sweep, a [[task]] and a [[variant]] may say
    "sweep": "seeds settings task variant grid",
    "task": "name env_id env_kwargs settings title",
    "variant": "name settings tasks seeds",
}


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    task: str
    variant: str
    config: TrainingConfig

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.task}-{self.variant}-{self.config.seed}"


def read_sweep(path: Path) -> list[Job]:
    """The runs that a sweep's file asks for.

    The file is TOML: ``seeds``, a list; ``[settings]`` for all runs; a ``[[task]]`` with ``name``, ``env_id`` and, if
    wanted, ``env_kwargs`` and ``settings``; a ``[[variant]]`` with ``name`` and, if wanted, ``settings``, the ``tasks``
    that it makes sense on, and ``seeds`` of its own. Settings are fields of `TrainingConfig`; a variant's go before a
    task's, a task's before those for all. ``[grid]`` makes variants of every combination of lists of settings,
    ``strategy = ["final", "future"]`` and ``k = [1, 4]``, with each ``[[variant]]``, if there are any. A dot leads into
    a dictionary, ``"agent_settings.tau" = [0.05, 0.1]``, and ``"env_kwargs.n_bits" = [10, 20]`` makes tasks.

    A ValueError tells what is missing, doubled or unknown, with the file's name.
    """
    try:
        return plan(tomllib.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def plan(sweep: dict[str, Any]) -> list[Job]:
    """The runs of a sweep given as the dictionary that `read_sweep` finds in a file."""
    _check(sweep)
    grid = sweep.get("grid", {})
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"grid: expected a list of values for {key!r}, got {values!r}")
    try:
        jobs = [
            _job(sweep, task, variant, env_point, point, seed)
            for task in sweep["task"]
            for env_point in _points(grid, of_env=True)
            for variant in (sweep.get("variant", [{"name": ""}]) if "grid" in sweep else sweep["variant"])
            if task["name"] in variant.get("tasks", [task["name"]])
            for point in _points(grid, of_env=False)
            for seed in variant.get("seeds") or sweep["seeds"]
        ]
    except KeyError as error:
        raise ValueError(f"{error} is missing") from None
    names = [job.name for job in jobs]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"the same run twice: {', '.join(sorted(doubled))}")
    return jobs


def _check(sweep: dict[str, Any]) -> None:
    tasks, variants = sweep.get("task", []), sweep.get("variant", [])
    for kind, part in [("sweep", sweep), *(("task", task) for task in tasks), *(("variant", v) for v in variants)]:
        if unknown := part.keys() - set(KEYS[kind].split()):
            raise ValueError(f"{kind}: unknown keys {sorted(unknown)}; there are {KEYS[kind]}")
        for key, expected in (("seeds", list), ("settings", dict), ("env_kwargs", dict)):
            if not isinstance(part.get(key, expected()), expected):
                raise ValueError(f"{key}: expected a {expected.__name__}, got {part[key]!r}")
        if unknown := set(part.get("tasks", [])) - {task.get("name") for task in tasks}:
            raise ValueError(f"tasks: {part.get('name')!r} is for unknown ones, {sorted(unknown)}")


def _points(grid: dict[str, list], of_env: bool) -> Iterator[dict[str, Any]]:
    """Every combination of values in a grid: of the environment's arguments, or of the other settings."""
    lists = {key: values for key, values in grid.items() if key.startswith("env_kwargs.") == of_env}
    for values in itertools.product(*lists.values()):
        yield dict(zip(lists, values, strict=True))


def _job(sweep: dict, task: dict, variant: dict, env_point: dict, point: dict, seed: int) -> Job:
    layers = [owner.get("settings", {}) for owner in (sweep, task, variant)]
    settings = nest({"env_kwargs": task.get("env_kwargs", {})}, *layers, env_point, point)
    config = settings_for(task["env_id"], **settings, seed=seed)
    return Job(name_with(task["name"], env_point), name_with(variant["name"], point), config)
