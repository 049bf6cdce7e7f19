"""A run on disk: its config, its curve, its summary, and a checkpoint to go on from.

A run's folder holds ``config.json``, ``made_with.json`` (versions and commit), ``progress.csv`` (a row per evaluation),
``summary.json`` once it has ended, and ``checkpoint-N/``, the newest checkpoint. Everything is written beside its final
place and then moved there, so that the folder is whole at whatever moment a run is killed.
"""

import csv
import os
import pickle
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from her.files import read_json, write_atomically, write_json
from her.training.config import TrainingConfig, differences
from her.training.loop import Progress, Trainer

COLUMNS = (  # of progress.csv
    *(field.name for field in fields(Progress) if field.name != "solved"),
    *("alpha", "beta", "lambda"),  # see `Trainer.schedules`
    "wall_seconds",
)
#: what a checkpoint's state.json holds
STATE = ("rounds", "updates", "episodes", "cpu_seconds", "agent_rng", "rows", "wall_seconds", "solved")


@dataclass(frozen=True)
class Summary:
    """What became of a run.

    Attributes:
        success_rate: of the final evaluation; None if nothing tells of success. If the run was ``solved`` this is the
            one that ended it, and so flatters a little.
        success_interval: 95 % Wilson interval of ``success_rate``, or None.
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
    success_rate: float | None
    success_interval: tuple[float, float] | None
    success_at: str
    solved: bool | None
    cpu_seconds: float
    wall_seconds: float


class Run(ExitStack):
    """Trains a config in a folder; ``close`` closes the trainer's environments.

    Args:
        config: what to train.
        folder: where to write.
        resume: go on from the folder's checkpoint, with the config found there, rather than begin.
        checkpoint_seconds: a checkpoint is written when this much time has passed since the last one, and when writing
            them has taken less than a twentieth of the time.

    Raises:
        FileExistsError, FileNotFoundError: there is a run in ``folder`` and ``resume`` is off, or none and it is on.
        ValueError: the run in ``folder`` has another config or a damaged file, or a setting that cannot be trained.
            Nothing is written then.
    """

    def __init__(
        self, config: TrainingConfig, folder: str | os.PathLike, resume: bool = False, checkpoint_seconds: float = 10.0
    ):
        super().__init__()
        self.folder = Path(folder)
        self.config, self.checkpoint_seconds = config, checkpoint_seconds
        self.rows: list[dict[str, Any]] = []
        self._wall_before, self._writing, self._solved = 0.0, 0.0, False
        self._check_folder(resume)
        self.trainer = self.enter_context(Trainer(config))
        self._start = self._last_checkpoint = time.monotonic()
        try:
            if resume:
                self._load_checkpoint()
            else:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_json(self.folder / "config.json", config.to_dict())
                write_json(self.folder / "made_with.json", made_with())
        except BaseException:
            self.close()
            raise

    @property
    def wall_seconds(self) -> float:
        """Since the run began, time spent before a resume included."""
        return self._wall_before + time.monotonic() - self._start

    def train(self, on_progress: Callable[[Progress], None] = lambda progress: None) -> Summary:
        """Train to the end, calling ``on_progress`` after each round; returns and writes the summary."""
        if ended := read_json(self.folder / "summary.json"):
            return Summary(**ended)
        for progress in () if self._solved else self.trainer.run():
            self._solved = progress.solved
            if progress.success_rate is not None:
                row = asdict(progress) | self.trainer.schedules() | {"wall_seconds": self.wall_seconds}
                self.rows.append({name: row[name] for name in COLUMNS})
                self._write_progress()
            if time.monotonic() - self._last_checkpoint >= max(self.checkpoint_seconds, 20 * self._writing):
                self._save_checkpoint()
            on_progress(progress)
        summary = self._summarise()
        self._save_checkpoint()
        write_json(self.folder / "summary.json", asdict(summary))
        return summary

    def _summarise(self) -> Summary:
        trainer, config = self.trainer, self.config
        evaluation = trainer.final_evaluation()
        success, known = evaluation.success_rate(config.success_at), trainer.look.tells_success
        same = {name: getattr(config, name) for name in ("env_id", "env_kwargs", "seed", "strategy", "success_at")}
        same |= {name: getattr(trainer, name) for name in ("env_steps", "episodes", "updates")}
        return Summary(
            **same,
            success_rate=success if known else None,
            success_interval=evaluation.success_interval(config.success_at) if known else None,
            solved=None if config.until_success is None else self._solved,
            cpu_seconds=round(trainer.cpu_seconds, 3),
            wall_seconds=round(self.wall_seconds, 3),
        )

    def _check_folder(self, resume: bool) -> None:
        stored, folder = read_json(self.folder / "config.json"), repr(str(self.folder))
        if stored and not resume:
            raise FileExistsError(f"out: {folder} holds a run already; go on (--resume) or choose another folder")
        if resume and not stored:
            raise FileNotFoundError(f"out: there is no run to resume in {folder}")
        if different := differences(self.config, stored) if stored else []:
            changes = ", ".join(f"{key}: {there!r} there, {here!r} asked for" for key, (there, here) in different)
            raise ValueError(f"resume: the run in {folder} has another config ({changes})")

    def _write_progress(self) -> None:
        with write_atomically(self.folder / "progress.csv") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in self.rows:
                writer.writerow({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})

    def _save_checkpoint(self) -> None:
        began = time.monotonic()
        name = f"checkpoint-{self.trainer.rounds}"
        new, final = self.folder / f".{name}.{os.getpid()}", self.folder / name
        if final.exists():  # complete since it has its name; to take its place would leave a moment without any
            return
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        self.trainer.buffer.save(new / "buffer.npz")
        state = self.trainer.state() | {"rows": self.rows, "wall_seconds": self.wall_seconds, "solved": self._solved}
        torch.save(state.pop("agent"), new / "agent.pt")
        write_json(new / "state.json", state)
        os.rename(new, final)  # a checkpoint gets its name once it is complete
        for old in checkpoints(self.folder):
            if old != final:
                shutil.rmtree(old, ignore_errors=True)
        self._last_checkpoint = time.monotonic()
        self._writing = self._last_checkpoint - began

    def _load_checkpoint(self) -> None:
        for leftover in self.folder.glob(".checkpoint-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        found = checkpoints(self.folder)
        if found:  # otherwise it was killed before the first one, and begins again
            state = load_agent(self.trainer, found[-1])
            self.rows, self._wall_before, self._solved = state["rows"], state["wall_seconds"], state["solved"]
            self.trainer.buffer.load(found[-1] / "buffer.npz")
            self._write_progress()


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, the newest one last."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def load_agent(trainer: Trainer, checkpoint: Path) -> dict[str, Any]:
    """Give a trainer what a checkpoint holds beside the buffer; its state.json. A ValueError names a damaged file."""
    state, path = read_json(checkpoint / "state.json", STATE), checkpoint / "agent.pt"
    try:
        agent = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"path: {str(path)!r} is no agent's state, or damaged ({error})") from None
    trainer.load(state | {"agent": agent})
    return state


def load_trainer(folder: str | os.PathLike) -> Trainer:
    """The trainer of a run on disk, with the agent as its newest checkpoint left it and an empty buffer.

    A FileNotFoundError says that there is no run, or no checkpoint yet; a ValueError names a damaged file.
    """
    config, found = read_json(Path(folder) / "config.json"), checkpoints(Path(folder))
    if not config:
        raise FileNotFoundError(f"folder: there is no run in {str(folder)!r}")
    if not found:
        raise FileNotFoundError(f"folder: the run in {str(folder)!r} has no checkpoint yet")
    with ExitStack() as opened:  # which closes the trainer if its agent cannot be loaded
        trainer = opened.enter_context(Trainer(TrainingConfig(**config)))
        load_agent(trainer, found[-1])
        opened.pop_all()
    return trainer


def made_with() -> dict[str, Any]:
    """What decides what a run comes to: versions, processor, the commit of this repository, and files changed since.

    A curve repeats bit for bit on one kind of processor only. Where there is no repository, the commit is None.
    """
    versions = {}
    for name in ("her-course", "numpy", "torch", "gymnasium", "gymnasium-robotics", "mujoco"):
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    try:
        commit = _git("rev-parse", "--short=12", "HEAD").strip()
        uncommitted = [line[3:] for line in _git("status", "--porcelain", "--", "her/*.py").splitlines()]
    except (OSError, subprocess.SubprocessError):
        commit, uncommitted = None, []
    about = {"python": platform.python_version(), "processor": processor(), "versions": versions}
    return about | {"commit": commit, "uncommitted": uncommitted}


def processor() -> str:
    """Its name, as the system gives it."""
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"^model name\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).resolve().parents[2]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
