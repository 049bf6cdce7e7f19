"""A class: every submission marked, in parallel and so that a run that was killed goes on.

The folder of a grading holds ``run.json`` (how it is done, with the seed), ``.grading/results/`` (a file for each
submission that is done), and once all are done what `reports` writes. Each file is moved to its place when it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from her.files import write_atomically
from her_course.exercises.running import end_with_parent
from her_course.grading.archives import open_safely
from her_course.grading.confinement import COURSE
from her_course.grading.marking import Settings, mark
from her_course.grading.process import require
from her_course.grading.sandbox import Limits
from her_course.grading.submissions import Submission, discover


@dataclass(frozen=True)
class Rules:
    """What is decided by whoever teaches.

    Attributes:
        deadline: submissions changed after it are late.
        late_factor: what a late submission's points are multiplied by.
        missing: what grades.csv says for what was not handed in: "zero" or "blank".
    """

    deadline: datetime | None = None
    late_factor: float = 1.0
    missing: str = "zero"


@dataclass
class Grading:
    """A class being graded.

    Args:
        submissions: a folder or a zip; see `her_course.grading.submissions`.
        out: the folder for everything that comes of it.
        chapters: which.
        seed: of the inputs; by default a secret one, drawn now and kept in run.json.
        resume: go on with what is in ``out``, rather than begin.

    Raises:
        FileExistsError: ``out`` holds a grading already, and ``resume`` is off.
        FileNotFoundError, ValueError: there are no submissions there; or ``resume`` with other settings.
        SandboxError: submissions cannot be isolated here.
    """

    submissions: Path
    out: Path
    chapters: Sequence[int] = (1, 2, 3, 4, 5, 6)
    seed: int | None = None
    resume: bool = False
    hidden: bool = True
    limits: Limits = field(default_factory=Limits)
    kind: str = "bubblewrap"
    rules: Rules = field(default_factory=Rules)
    roster: Sequence[str] = ()
    registry: str = Settings.registry

    def __post_init__(self):
        if not self.submissions.exists():
            raise FileNotFoundError(f"submissions: there is no {str(self.submissions)!r}")
        require(self.kind)
        self.results = self.out / ".grading" / "results"
        path = self.out / "run.json"
        out = repr(str(self.out))
        if path.exists():
            seed = json.loads(path.read_text(encoding="utf-8"))["seed"]
            if not self.resume:
                raise FileExistsError(f"out: {out} holds a grading; go on with it (--resume) or choose another folder")
            if self.seed not in (None, seed):
                raise ValueError(f"seed: the grading in {out} has the seed {seed}, not {self.seed}")
            self.seed = seed
        elif self.seed is None:
            self.seed = secrets.randbelow(2**62)
        self.results.mkdir(parents=True, exist_ok=True)
        if os.name == "posix":
            (self.out / ".grading").chmod(0o700)
        write(path, json.dumps({"seed": self.seed, "hidden": self.hidden, "exercises": _version()}, indent=2) + "\n")
        hide = tuple(str(path.resolve()) for path in (self.submissions, self.out))
        self.settings = Settings(self.seed, self.hidden, self.limits, self.kind, hide, self.registry)
        found = discover(self.submissions, self.out / ".grading" / "unpacked", self.chapters, self.roster, self.out)
        self.found, self.unused, self.lost = found.submissions, found.unused, found.lost
        self._paths: dict[tuple[str, int], Path] = {}
        self.students = list(dict.fromkeys(submission.student for submission in self.found))

    # ----------------------------------------------------------------------------------------------------- marking

    def run(
        self,
        jobs: int = 1,
        backend: str | None = None,
        scheduler: str | None = None,
        on_done: Callable[[Submission], None] = lambda submission: None,
    ) -> None:
        """Mark what is not marked yet, with joblib; ``on_done`` is called for each submission.

        Args:
            jobs: processes at a time; -1 is one per core. On a cluster: as many as it has workers.
            backend: "loky" (processes of this machine) or "dask".
            scheduler: of dask, as in "tcp://host:8786".
        """
        todo = []
        for submission in self.found:
            if self._path(submission).exists():
                on_done(submission)
            else:
                todo.append(submission)
        for submission, text in self._marked(todo, jobs, backend, scheduler):
            write(self._path(submission), text)
            on_done(submission)

    def _marked(
        self, todo: Sequence[Submission], jobs: int, backend: str | None, scheduler: str | None
    ) -> Iterator[tuple[Submission, str]]:
        if not todo or (jobs == 1 and backend != "dask"):
            yield from ((submission, _task(0, submission, self.settings)[1]) for submission in todo)
            return
        from joblib import Parallel, delayed, parallel_config

        with contextlib.ExitStack() as stack:
            tasks = (delayed(_task)(i, one, self.settings, worker=True) for i, one in enumerate(todo))
            if backend == "dask":
                from dask.distributed import Client

                client = stack.enter_context(Client(scheduler))
                stack.enter_context(parallel_config("dask", client=client, wait_for_workers_timeout=60))
                tasks = (delayed(_task)(i, one, self.settings, _contents(one)) for i, one in enumerate(todo))
                jobs = -1
            for i, text in Parallel(jobs, return_as="generator_unordered", batch_size=1)(tasks):
                yield todo[i], text

    def _path(self, submission: Submission) -> Path:
        """Where the result goes: of these very bytes, this seed, and this version of the exercises."""
        key = submission.student, submission.chapter
        if key not in self._paths:
            said = [*key, submission.problem, submission.digest(), self.seed, self.hidden, self.kind]
            said += [asdict(self.limits), self.registry, _version()]
            self._paths[key] = self.results / f"{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]}.json"
        return self._paths[key]

    # ----------------------------------------------------------------------------------------------------- what came

    def records(self, student: str) -> list[dict[str, Any]]:
        """A student's chapters in order, with ``late``, and each row with the ``score`` that the rules give it."""
        records = []
        begin = self.students.index(student) * len(self.chapters)
        for submission in self.found[begin : begin + len(self.chapters)]:
            record = json.loads(self._path(submission).read_text(encoding="utf-8"))
            deadline = self.rules.deadline
            files = submission.files
            record["late"] = bool(deadline and files and files[record["used"]].modified > deadline.timestamp())
            record["files"] = [file.name for file in files]
            for row in record["rows"]:
                score = row["points"] * (self.rules.late_factor if record["late"] else 1.0)
                blank = self.rules.missing == "blank" and row["status"] == "no_file"
                row["score"] = None if blank else round(score, 2)
            records.append(record)
        return records


def _task(
    number: int,
    submission: Submission,
    settings: Settings,
    data: Sequence[bytes] | None = None,
    worker: bool = False,
) -> tuple[int, str]:
    if worker:  # which is not to outlive the grader
        end_with_parent()
    return number, json.dumps(mark(submission, settings, data), ensure_ascii=False)


def _contents(submission: Submission) -> list[bytes]:
    """Of its files, for a machine that does not have them; a file that is gone by now is as an empty one."""
    contents = []
    for file in submission.files:
        try:
            with open(open_safely(file.path), "rb") as opened:
                contents.append(opened.read())
        except OSError:
            contents.append(b"")
    return contents


@cache
def _version() -> str:
    """Of the exercises and of the grader: a grade given by others is given again."""
    digest = hashlib.sha256()
    for folder in ("exercises", "grading"):
        for path in sorted((COURSE / folder).rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text file at once; what strangers wrote may hold what no encoding has."""
    with write_atomically(path, "wb") as file:
        file.write(text.encode(encoding, "replace"))
