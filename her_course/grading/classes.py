"""A class: every submission marked, in parallel and so that a run that was killed goes on.

The folder of a grading holds ``run.json`` (how it is done, with the seed), ``.grading/results/`` (a file for each
submission that is done), and once all are done what `reports` writes. Each file is moved to its place when it is whole.
"""

from __future__ import annotations

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

SENT = 8 * 2**20  # bytes of a submission that is sent to another machine; larger ones are marked on this one
AT_ONCE = 64  # submissions given out at a time where results cannot be taken one by one


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
        if backend == "dask":
            yield from self._marked_by_dask(todo, scheduler)
        elif jobs == 1 or not todo:
            for i, submission in enumerate(todo):
                yield submission, _task(i, submission, self.settings)[1]
        else:
            from joblib import Parallel, delayed

            parallel = Parallel(jobs, backend=backend or "loky", return_as="generator_unordered", batch_size=1)
            tasks = (delayed(_task)(i, submission, self.settings, None, True) for i, submission in enumerate(todo))
            for i, text in parallel(tasks):
                yield todo[i], text

    def _marked_by_dask(self, todo: Sequence[Submission], scheduler: str | None) -> Iterator[tuple[Submission, str]]:
        from dask.distributed import Client
        from joblib import Parallel, delayed, parallel_config

        small, large = [], []
        for submission in todo:
            size = sum(file.path.stat().st_size for file in submission.files)
            (small if size <= SENT else large).append(submission)
        with Client(scheduler) as client, parallel_config("dask", client=client, wait_for_workers_timeout=60):
            for begin in range(0, len(small), AT_ONCE):
                some = small[begin : begin + AT_ONCE]
                tasks = [delayed(_task)(i, s, self.settings, _contents(s)) for i, s in enumerate(some)]
                for i, text in Parallel(n_jobs=-1, batch_size=1)(tasks):
                    yield some[i], text
        for i, submission in enumerate(large):
            yield submission, _task(i, submission, self.settings)[1]

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
    data: Sequence[bytes | None] | None = None,
    worker: bool = False,
) -> tuple[int, str]:
    """In a worker, which is not to outlive the grader."""
    if worker:
        end_with_parent()
    return number, json.dumps(mark(submission, settings, data), ensure_ascii=False)


def _contents(submission: Submission) -> list[bytes | None]:
    contents: list[bytes | None] = []
    for file in submission.files:
        try:
            with open(open_safely(file.path), "rb") as opened:
                contents.append(opened.read(SENT))
        except OSError:
            contents.append(None)
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
