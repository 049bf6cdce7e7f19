"""A run on disk: its config, its curve, its summary, and a checkpoint to go on from.

A run's folder holds ``config.json``, ``made_with.json`` (versions and commit), ``progress.csv`` (a row per evaluation),
``summary.json`` once it has ended, and ``checkpoint-N/``, the newest checkpoint. Everything is written beside its final
place and then moved there, so that the folder is whole at whatever moment a run is killed.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import platform
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from her.evaluation import wilson_interval
from her.training import Progress, Trainer, TrainingConfig

COLUMNS = (
    "env_steps",
    "episodes",
    "updates",
    "success_rate",
    "exploring_success",
    "td_error",
    "cpu_seconds",
    "wall_seconds",
)
#: what a checkpoint's state.json holds
STATE = ("rounds", "updates", "episodes", "cpu_seconds", "agent_rng", "rows", "wall_seconds", "solved")


@dataclass(frozen=True)
class Summary:
    """What became of a run.

    Attributes:
        success_rate: of the final evaluation, whose goals were drawn for it alone. If the run was ``solved``, it is
            this evaluation that ended it.
        success_interval: 95 % Wilson interval of ``success_rate``.
        success_at: whether success means at the "end" of the episode or at "any" step.
        solved: whether ``until_success`` was reached; None if the run had no such aim.
        cpu_seconds, wall_seconds: of training and evaluation, without imports; over all parts of a resumed run.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    seed: int
    strategy: str
    env_steps: int
    episodes: int
    updates: int
    success_rate: float
    success_interval: tuple[float, float]
    success_at: str
    solved: bool | None
    cpu_seconds: float
    wall_seconds: float


class Run:
    """Trains a config, in a folder if one is given.

    Args:
        config: what to train.
        folder: where to write; None writes nothing.
        resume: go on from the folder's checkpoint, with the config found there, rather than begin.
        checkpoint_seconds: a checkpoint is written when this much time has passed since the last one, and when writing
            them has taken less than a twentieth of the time.
        workers: processes that step robots; see `Trainer`.

    Raises:
        FileExistsError: ``folder`` holds a run and ``resume`` is off.
        FileNotFoundError: ``resume`` is on and there is no run in ``folder``.
        ValueError: ``resume`` is on and the run in ``folder`` has another config or a damaged file, or a setting that
            cannot be trained. Nothing is written then.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: str | os.PathLike | None = None,
        resume: bool = False,
        checkpoint_seconds: float = 10.0,
        workers: int = 0,
    ):
        self.folder = None if folder is None else Path(folder)
        self.checkpoint_seconds = checkpoint_seconds
        self.rows: list[dict[str, Any]] = []
        self._wall_before, self._writing, self._solved = 0.0, 0.0, False
        if self.folder is not None:
            self._check_folder(config, resume)
        self.trainer = Trainer(config, workers)
        self._start = self._last_checkpoint = time.monotonic()
        if resume:
            self._load_checkpoint()
        elif self.folder is not None:
            self._begin_folder()

    @property
    def config(self) -> TrainingConfig:
        return self.trainer.config

    @property
    def wall_seconds(self) -> float:
        return self._wall_before + time.monotonic() - self._start

    def train(self, on_progress: Callable[[Progress], None] = lambda progress: None) -> Summary:
        """Train to the end, calling ``on_progress`` after each round; returns and writes the summary."""
        if self.folder is not None and (self.folder / "summary.json").exists():
            return self.summary()
        for progress in () if self._solved else self.trainer.run():
            self._solved = progress.solved
            if progress.success_rate is not None:
                row = asdict(progress) | {"wall_seconds": self.wall_seconds}
                self.rows.append({name: row[name] for name in COLUMNS})
            if self.folder is not None:
                if progress.success_rate is not None:
                    self._write_progress()
                self._maybe_checkpoint()
            on_progress(progress)
        summary = self._summarise()
        if self.folder is not None:
            self._save_checkpoint()
            _write(self.folder / "summary.json", json.dumps(asdict(summary), indent=2) + "\n")
        return summary

    def summary(self) -> Summary:
        """The summary of a run that has ended."""
        return Summary(**read_json(self.folder / "summary.json"))

    def _summarise(self) -> Summary:
        trainer, config = self.trainer, self.config
        evaluation = trainer.final_evaluation()
        success, n = evaluation.success_rate(config.success_at), len(evaluation)
        return Summary(
            env_id=config.env_id,
            env_kwargs=config.env_kwargs,
            seed=config.seed,
            strategy=config.strategy,
            env_steps=trainer.env_steps,
            episodes=trainer.episodes,
            updates=trainer.updates,
            success_rate=success,
            success_interval=wilson_interval(round(success * n), n),
            success_at=config.success_at,
            solved=None if config.until_success is None else self._solved,
            cpu_seconds=round(trainer.cpu_seconds, 3),
            wall_seconds=round(self.wall_seconds, 3),
        )

    # ------------------------------------------------------------------ the folder

    def _check_folder(self, config: TrainingConfig, resume: bool) -> None:
        path = self.folder / "config.json"
        if resume:
            if not path.exists():
                raise FileNotFoundError(f"out: there is no run to resume in {str(self.folder)!r}")
            different = differences(config, read_json(path))
            if different:
                changes = ", ".join(f"{key}: {there!r} there, {here!r} asked for" for key, (there, here) in different)
                raise ValueError(f"resume: the run in {str(self.folder)!r} has another config ({changes})")
        elif path.exists():
            raise FileExistsError(
                f"out: {str(self.folder)!r} holds a run already; go on with it (--resume) or choose another folder"
            )

    def _begin_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / "config.json", json.dumps(self.config.to_dict(), indent=2) + "\n")
        _write(self.folder / "made_with.json", json.dumps(made_with(), indent=2) + "\n")

    def _write_progress(self) -> None:
        file = io.StringIO()
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in self.rows)
        _write(self.folder / "progress.csv", file.getvalue())

    def _maybe_checkpoint(self) -> None:
        due = max(self.checkpoint_seconds, 20 * self._writing)
        if time.monotonic() - self._last_checkpoint >= due:
            self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        began = time.monotonic()
        name = f"checkpoint-{self.trainer.rounds}"
        new = self.folder / f".{name}.{os.getpid()}"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        self.trainer.buffer.save(new / "buffer.npz")
        state = self.trainer.state()
        save_tensors(new / "agent.npz", state.pop("agent"))
        state |= {"rows": self.rows, "wall_seconds": self.wall_seconds, "solved": self._solved}
        _write(new / "state.json", json.dumps(state))
        final = self.folder / name
        shutil.rmtree(final, ignore_errors=True)
        os.rename(new, final)
        for old in self._checkpoints():
            if old != final:
                shutil.rmtree(old, ignore_errors=True)
        self._last_checkpoint = time.monotonic()
        self._writing = self._last_checkpoint - began

    def _checkpoints(self) -> list[Path]:
        """Newest first. A folder gets its name once it is complete."""
        return sorted(self.folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1]))

    def _load_checkpoint(self) -> None:
        for leftover in self.folder.glob(".checkpoint-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        checkpoints = self._checkpoints()
        if not checkpoints:
            return  # killed before the first one: the run begins again
        newest = checkpoints[0]
        state = read_json(newest / "state.json", STATE)
        self.rows, self._wall_before, self._solved = state["rows"], state["wall_seconds"], state["solved"]
        self.trainer.buffer.load(newest / "buffer.npz")
        self.trainer.load(state | {"agent": load_tensors(newest / "agent.npz")})
        self._write_progress()


def differences(config: TrainingConfig, stored: dict[str, Any]) -> list[tuple[str, tuple[Any, Any]]]:
    """The settings in which a config read from JSON differs: its value and that of ``config``.

    What the stored one does not name, because it is older than the setting, had the default.
    """
    ours = json.loads(json.dumps(config.to_dict()))
    theirs = json.loads(json.dumps(TrainingConfig(config.env_id).to_dict())) | stored
    return [(key, (theirs[key], ours[key])) for key in sorted(ours) if ours[key] != theirs[key]]


def made_with() -> dict[str, Any]:
    """What decides what a run comes to: versions, the commit of this repository, and which files differed from it.

    Where there is no repository, the commit is None.
    """
    versions = {}
    for name in ("her-course", "numpy", "torch", "gymnasium", "gymnasium-robotics", "mujoco"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    try:
        commit = _git("rev-parse", "--short=12", "HEAD").strip()
        uncommitted = [line[3:] for line in _git("status", "--porcelain", "--", "her/*.py").splitlines()]
    except (OSError, subprocess.SubprocessError):
        commit, uncommitted = None, []
    return {
        "python": platform.python_version(),
        "versions": versions,
        "commit": commit,
        "uncommitted": uncommitted,
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).resolve().parents[1]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


def load_trainer(folder: str | os.PathLike) -> Trainer:
    """The trainer of a run on disk, with the agent as its newest checkpoint left it and an empty buffer."""
    folder = Path(folder)
    path = folder / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"folder: there is no run in {str(folder)!r}")
    trainer = Trainer(TrainingConfig(**read_json(path)))
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    if not checkpoints:
        raise FileNotFoundError(f"folder: the run in {str(folder)!r} has no checkpoint yet")
    state = read_json(checkpoints[-1] / "state.json", STATE)
    trainer.load(state | {"agent": load_tensors(checkpoints[-1] / "agent.npz")})
    return trainer


def read_json(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The dictionary in a JSON file; a ValueError that names the file if it is damaged or lacks one of the keys."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"path: {str(path)!r} is no JSON, or damaged ({error})") from None
    if not isinstance(found, dict) or set(keys) - found.keys():
        raise ValueError(f"path: {str(path)!r} is damaged: expected {', '.join(keys) or 'settings'}, got {found!r:.80}")
    return found


def save_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Named tensors as an .npz file, which can be read without pickle."""
    np.savez(path, **{name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()})


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """What `save_tensors` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(array) for name, array in file.items()}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"path: {str(path)!r} is no file of tensors, or a damaged one ({error})") from None


def _write(path: Path, text: str) -> None:
    """Write a text file at once: whoever reads it finds the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
