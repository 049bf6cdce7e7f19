"""A class: every submission marked, in parallel and so that a run that was killed goes on.

The folder of a grading holds ``run.json`` (how it is done, with the seed) and two files for each submission that is
done: in ``.grading/outcomes/`` what its functions returned, which is all that a sandbox is needed for, and in
``.grading/results/`` what that is worth by the cases as they are. Where cases change, outcomes are judged again, and
only functions that are called with other inputs than before run again. What `reports` writes is made of the results and
of the `rules` alone. Each file is moved to its place when it is whole.
"""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from her.files import write_atomically
from her_course.exercises.running import end_with_parent
from her_course.grading.archives import open_safely
from her_course.grading.confinement import COURSE
from her_course.grading.marking import Settings, mark, points
from her_course.grading.process import require
from her_course.grading.rules import Rules
from her_course.grading.sandbox import Limits
from her_course.grading.submissions import Submission, discover


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
    registry: str = Settings.registry

    def __post_init__(self):
        if not self.submissions.exists():
            raise FileNotFoundError(f"submissions: there is no {str(self.submissions)!r}")
        require(self.kind)
        self.results, self.outcomes = (self.out / ".grading" / name for name in ("results", "outcomes"))
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
        for folder in (self.results, self.outcomes):
            folder.mkdir(parents=True, exist_ok=True)
        if os.name == "posix":
            (self.out / ".grading").chmod(0o700)
        write(path, json.dumps({"seed": self.seed, "hidden": self.hidden, "exercises": self._cases()}, indent=2) + "\n")
        hide = self.submissions.resolve(), self.out.resolve()
        self.settings = Settings(self.seed, self.hidden, self.limits, self.kind, hide, self.registry)
        roster, aliases = [student.id for student in self.rules.students], self.rules.aliases()
        unpacked = self.out / ".grading" / "unpacked"
        found = discover(self.submissions, unpacked, self.chapters, roster, self.out, aliases)
        self.found, self.unused, self.lost, self.moodle = found.submissions, found.unused, found.lost, found.moodle
        self.students = list(dict.fromkeys(submission.student for submission in self.found))
        self.rules.check(self.students, partial(points, self.settings))
        self._ran_in, self._judged_in = {}, {}
        for submission in self.found:
            self._ran_in[submission], self._judged_in[submission] = self._files(submission)

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
            if self._judged_in[submission].exists():
                on_done(submission)
            else:
                todo.append(submission)
        if not todo:
            return
        from joblib import Parallel, delayed, parallel_config

        remote = backend == "dask"

        def task(one: Submission) -> Any:
            data = _contents(one) if remote else None
            return delayed(_task)(one, self.settings, _ran(self._ran_in[one]), data, not remote and jobs != 1)

        with contextlib.ExitStack() as stack:
            if remote:
                from dask.distributed import Client

                client = stack.enter_context(Client(scheduler))
                stack.enter_context(parallel_config("dask", client=client, wait_for_workers_timeout=60))
                jobs = -1
            done = Parallel(jobs, return_as="generator_unordered", batch_size=1)(map(task, todo))
            for submission, ran, result in done:
                if ran is not None:
                    write(self._ran_in[submission], ran)
                write(self._judged_in[submission], result)
                on_done(submission)

    def _files(self, submission: Submission) -> tuple[Path, Path]:
        """Where what comes of running these very bytes goes, and what that is worth by this seed and these cases."""
        key = submission.student, submission.chapter
        names = [exercise.name for exercise in self.settings.exercises(submission.chapter)]
        said = [*key, submission.problem, submission.digest(), names, self.kind, asdict(self.limits), _sandbox()]
        ran = _digest(json.dumps(said).encode())
        judged = _digest(json.dumps([ran, self.seed, self.hidden, self.registry, self._cases()]).encode())
        return self.outcomes / f"{ran}.json", self.results / f"{judged}.json"

    def _cases(self) -> str:
        """The version of the exercises: where it is another one, outcomes are judged again."""
        module = find_spec(self.registry.partition(":")[0])
        return _version((COURSE / "exercises", COURSE / "grading" / "marking.py", Path(module.origin)))

    # ----------------------------------------------------------------------------------------------------- what came

    def records(self, student: str) -> list[dict[str, Any]]:
        """A student's chapters in order, and each row with the ``score`` that the rules give it.

        A chapter has ``late``, ``exempt`` (why it does not count, or None), and of what was handed in ``files`` and
        ``digest``; a row has also ``why`` and ``reason``, as `her_course.grading.rules.Score` has them.
        """
        records = []
        begin = self.students.index(student) * len(self.chapters)
        for submission in self.found[begin : begin + len(self.chapters)]:
            record = json.loads(self._judged_in[submission].read_text(encoding="utf-8"))
            modified = submission.files[record["used"]].modified if submission.files else None
            key = student, submission.chapter
            record["exempt"] = self.rules.exempt(*key)
            record["late"] = self.rules.lateness(*key, modified)[1] == "late"
            record["files"] = [file.name for file in submission.files]
            record["digest"] = self._ran_in[submission].stem
            for row in record["rows"]:
                row["score"], row["why"], row["reason"] = self.rules.score(*key, row, modified)
            records.append(record)
        return records


def _task(
    submission: Submission,
    settings: Settings,
    ran: dict[str, Any] | None,
    data: Sequence[bytes] | None,
    worker: bool,
) -> tuple[Submission, str | None, str]:
    if worker:  # which is not to outlive the grader
        end_with_parent()
    record, ran = mark(submission, settings, ran, data)
    return submission, None if ran is None else json.dumps(ran), json.dumps(record, ensure_ascii=False)


def _ran(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _contents(submission: Submission) -> list[bytes]:
    """Of its files, for a machine that does not have them; a file that is gone by now is as an empty one."""
    contents = []
    for file in submission.files:
        try:
            with open_safely(file.path) as opened:
                contents.append(opened.read())
        except OSError:
            contents.append(b"")
    return contents


@cache
def _version(paths: tuple[Path, ...]) -> str:
    """Of code: a digest of files, and of the modules and tables in folders."""
    files = [found for path in paths for found in ([path] if path.is_file() else sorted(path.rglob("*.*")))]
    return _digest(b"".join(file.read_bytes() for file in files if file.suffix in (".py", ".toml")))


def _sandbox() -> str:
    """The version of all that runs beside a submission."""
    parts = ("grading/reading.py", "grading/warden.py", "grading/world.py", "exercises/running.py", "plain.py")
    return _version(tuple(COURSE / part for part in parts))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text file at once; what strangers wrote may hold what no encoding has."""
    with write_atomically(path, "wb") as file:
        file.write(text.encode(encoding, "replace"))
