"""One submission: its functions run in the sandbox, what comes back is judged here, and points are given."""

import base64
import contextlib
import functools
import hashlib
import io
import re
import struct
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, BinaryIO, NamedTuple

from her_course.exercises.model import Case, Exercise, Outcome, Problem, Text, Verdict
from her_course.exercises.results import CaseResult, judge_cases, make_cases, worth
from her_course.exercises.running import lost, pack, unpack
from her_course.grading.archives import open_safely
from her_course.grading.sandbox import Limits, Sandbox, Task, shared
from her_course.grading.submissions import Submission


@dataclass(frozen=True)
class Settings:
    """What a grade depends on besides the submission.

    Attributes:
        seed: of the inputs; whoever knows it knows them.
        hidden: whether the cases that learners don't have count too.
        limits: of the sandbox.
        kind: of sandbox: "bubblewrap" or "limits".
        hide: files and folders that no submission may see.
        registry: "module:function" that gives the exercises of a chapter.
    """

    seed: int
    hidden: bool = True
    limits: Limits = field(default_factory=Limits)
    kind: str = "bubblewrap"
    hide: tuple[Path, ...] = ()
    registry: str = "her_course.exercises.registry:of_chapter"

    def exercises(self, chapter: int) -> Sequence[Exercise]:
        """Those of a chapter, in order."""
        return resolve_name(self.registry)(chapter)

    def sandbox(self) -> Sandbox:
        """This thread's sandbox for these settings."""
        return shared(repr(self), lambda: Sandbox(self.hide, self.limits, self.kind))


def _surviving(judge: Callable[[Sequence[Outcome]], Verdict]) -> Callable[[Sequence[Outcome]], Verdict]:
    @functools.wraps(judge)
    def survive(outcomes: Sequence[Outcome]) -> Verdict:
        try:
            return judge(outcomes)
        except Exception as error:  # a value of a kind, a size or a shape that the judge was not made for
            said = type(error).__name__
            text = Text(f"没法拿来比较的东西（{said}）", f"something that cannot be compared ({said})")
            return Verdict(False, got=text)

    return survive


class _Prepared(NamedTuple):
    """An exercise, its cases, the calls of the public and of the hidden ones, and the points of a right answer.

    All are made once, for all submissions. ``calls`` is a digest of the calls: equal ones need not be made again.
    """

    exercise: Exercise
    cases: Sequence[Case]
    public: Task
    hidden: Task
    points: float
    calls: str

    def row(self, status: str, problem: Text | str = "") -> dict[str, Any]:
        """The row of an answer of which nothing was run."""
        return {
            "exercise": self.exercise.name,
            "points": 0.0,
            "max": self.points,
            "status": status,
            "problem": _both(problem),
            "seconds": 0,
            "wall": 0.0,
            "misconception": None,
            "cases": [],
        }


@lru_cache(maxsize=64)
def _prepared(settings: Settings, chapter: int, name: str) -> _Prepared:
    exercise = next(exercise for exercise in settings.exercises(chapter) if exercise.name == name)
    made = make_cases(exercise, settings.seed, settings.hidden)
    cases = [replace(case, judge=_surviving(case.judge)) for case in made]
    calls = [call for case in cases for call in case.calls]
    public = sum(len(case.calls) for case in cases if not case.hidden)
    tasks = [Task.of(name, exercise.seconds, part) for part in (calls[:public], calls[public:])]
    digests = [[hashlib.sha256(call).hexdigest() for call in task.encoded] for task in tasks]
    digest = hashlib.sha256(repr((exercise.seconds, digests)).encode()).hexdigest()
    return _Prepared(exercise, cases, *tasks, worth(exercise, cases), digest)


def points(settings: Settings, chapter: int) -> dict[str, float]:
    """What a right answer to each exercise of a chapter is worth, by name."""
    return {e.name: _prepared(settings, chapter, e.name).points for e in settings.exercises(chapter)}


def mark(
    submission: Submission, settings: Settings, ran: dict[str, Any] | None = None, data: Sequence[bytes] | None = None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a submission is worth, exercise by exercise.

    Args:
        ran: what came when the submission ran before. Its functions are not called again with the same inputs.
        data: the contents of the submission's files, where their paths lead nowhere on this machine.

    Returns:
        What `her_course.grading.classes` keeps as JSON: ``student``, ``chapter``, ``isolation``, ``used`` (which of the
        submission's files), ``modules`` (whose import failed), ``reference`` (whether the course's answers are
        imported), and ``rows``, one for each exercise, with ``exercise``, ``points``, ``max``, ``status``, ``seconds``,
        ``misconception``, ``cases``, …; and ``ran``, to be handed in the next time, None if nothing can be run.
    """
    names = [exercise.name for exercise in settings.exercises(submission.chapter)]
    prepared = [_prepared(settings, submission.chapter, name) for name in names]
    record: dict[str, Any] = {"student": submission.student, "chapter": submission.chapter, "isolation": None}
    record |= {"used": 0, "modules": [], "failed": [], "reference": False}
    if submission.problem is not None:
        return record | {"rows": [one.row(submission.problem) for one in prepared]}, None
    came = ran["came"] if ran else {}
    todo = [one for one in prepared if came.get(one.exercise.name, {}).get("calls") != one.calls]
    if todo:
        ran = _run(submission, settings, todo, names, data)
        ran["came"] = came | ran["came"]
    record |= {"isolation": ran["isolation"], "used": ran["used"]}
    if "found" not in ran["there"]:
        return record | {"rows": [one.row(ran["there"]["status"]) for one in prepared]}, ran
    return record | _judged_all(ran, prepared), ran


def _run(
    submission: Submission,
    settings: Settings,
    todo: Sequence[_Prepared],
    names: Sequence[str],
    data: Sequence[bytes] | None,
) -> dict[str, Any]:
    """Run the cells of a submission, then call the functions ``todo``; everything that came is in what is returned."""
    sandbox = settings.sandbox()
    found = []
    for i, file in enumerate(submission.files):
        with _opened(file.path, data[i] if data else None) as opened:
            there = sandbox.inspect(opened.fileno(), file.suffix, names) if opened else {"status": "unreadable"}
        found.append(there)
    # The file in which most is written counts; the stub as it was handed out does not push aside what was solved.
    written = [sum(one["written"] for one in there["found"].values()) if "found" in there else -1 for there in found]
    used = written.index(max(written))
    there = found[used]
    ran = {"isolation": sandbox.isolation._asdict(), "used": used, "there": there, "failed": [], "came": {}}
    if "found" not in there:
        return ran
    came: dict[str, list[Outcome]] = {}
    failed: dict[int, str] = {}
    seconds: dict[str, float] = defaultdict(float)

    def tasks() -> Iterator[Task]:
        """All public calls, and only when their outcomes are here the hidden ones, of functions that are written."""
        yield from (one.public for one in todo)
        yield from (one.hidden for one in todo if _is_written(came.get(one.exercise.name)))

    began = time.monotonic()
    for task, outcomes, said in sandbox.run(there.pop("cells"), tasks(), there.pop("linked")):
        if task.name not in came:  # public: a page shows nothing that came after the first hidden input was sent
            failed = said
        came.setdefault(task.name, []).extend(outcomes or [])
        seconds[task.name] += time.monotonic() - began
        began = time.monotonic()
    ran["failed"] = sorted(failed.items())
    for one in todo:
        name = one.exercise.name
        ran["came"][name] = {"calls": one.calls, "wall": round(seconds[name], 3), "outcomes": _packed(came[name])}
    return ran


def _packed(outcomes: Sequence[Outcome]) -> str:
    """As text that `_unpacked` reads."""
    data = b"".join(struct.pack("<Q", len(frame)) + frame for frame in map(pack, outcomes))
    return base64.b64encode(zlib.compress(data, 1)).decode()


def _unpacked(text: str) -> list[Outcome]:
    data = io.BytesIO(zlib.decompress(base64.b64decode(text)))
    return [unpack(data.read(struct.unpack("<Q", size)[0])) for size in iter(lambda: data.read(8), b"")]


def _judged_all(ran: dict[str, Any], prepared: Sequence[_Prepared]) -> dict[str, Any]:
    there, failed = ran["there"], dict(ran["failed"])
    nowhere = {name: text for cell, text in failed.items() for name in there["binds"][cell]}
    rows = []
    for one in prepared:
        found, came = there["found"][one.exercise.name], ran["came"][one.exercise.name]
        outcomes = _unpacked(came["outcomes"])
        if not outcomes:
            row = _absent(one, found, failed, there["python"])
        elif not _is_written(outcomes):
            row = one.row("not_done")
        else:
            missing = len(one.public.encoded) + len(one.hidden.encoded) - len(outcomes)
            outcomes = [_explained(outcome, nowhere) for outcome in outcomes] + [lost("not_run")] * missing
            row = _judged(one, outcomes) | {"wall": came["wall"]}
        rows.append(row | {"fingerprint": found["fingerprint"], "size": found["size"]})
    imports = {cell: text for cell, text in failed.items() if re.match(r"ModuleNotFound|ImportError", text)}
    modules = {name for text in imports.values() for name in re.findall(r"No module named '([\w.]{1,60})'", text)}
    return {
        "rows": rows,
        "modules": sorted(name for name in modules if not name.startswith("her_course.")),
        "failed": [[cell + 1, text] for cell, text in sorted(imports.items())],
        "reference": there["reference"],
    }


def _is_written(outcomes: Sequence[Outcome] | None) -> bool:
    """Whether a function is there, and not the stub: then its hidden cases are worth a try."""
    return any(outcome.error is None or outcome.error.kind != "not_done" for outcome in outcomes or ())


def _explained(outcome: Outcome, nowhere: dict[str, str]) -> Outcome:
    """Of a name that is not defined because its cell failed, why that failed."""
    found = re.match(r"NameError: name '(\w+)'", outcome.error.message) if outcome.error else None
    if found is None or found[1] not in nowhere:
        return outcome
    return replace(outcome, error=Problem(outcome.error.kind, nowhere[found[1]]))


def _absent(one: _Prepared, found: dict[str, Any], failed: dict[int, str], python: str) -> dict[str, Any]:
    """The row of an exercise whose function is not there once all cells have run."""
    if found["problem"]:
        here = ".".join(map(str, sys.version_info[:2]))
        zh, en = f"{found['problem']}（评分用的是 Python {here}", f"{found['problem']} (graded by Python {here}"
        if python:
            zh, en = f"{zh}，这份 notebook 是 Python {python} 写的", f"{en}; the notebook was written with {python}"
        return one.row("syntax_error", Text(f"{zh}）", f"{en})"))
    if found["cell"] in failed:
        return one.row("raised", failed[found["cell"]])
    return one.row("missing")


def _judged(one: _Prepared, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The row of an exercise whose function was called."""
    try:
        result = judge_cases(one.exercise, one.cases, lambda calls: outcomes)
    except Exception as error:
        return one.row("grader_error", f"{type(error).__name__}: {error}")
    partly = result.status == "failed" and result.points > 0
    return one.row("partial" if partly else result.status) | {
        "points": round(result.points, 6),
        "misconception": result.misconception,
        # What was lost to the limit alone: measured times differ from run to run, and so stand in another file.
        "seconds": round(one.exercise.seconds * sum(outcome.timed_out for outcome in outcomes)),
        "cases": [_case(case) for case in result.cases],
    }


def _case(case: CaseResult) -> dict[str, Any]:
    """What is kept of a case; of a hidden one nothing that its process said, for no page may show it."""
    verdict = Verdict(case.passed) if case.hidden else case.verdict
    return {
        "name": _both(case.name),
        "group": case.group,
        "hidden": case.hidden,
        "passed": bool(case.passed),
        "expected": _both(verdict.expected),
        "got": _both(verdict.got),
        "printed": "" if case.hidden else case.printed[:500],
        "call": case.call[:400],
    }


def _both(text: Text | str) -> list[str]:
    """In Chinese and English, of bounded length."""
    return [str(part)[:600] for part in ((text.zh, text.en) if isinstance(text, Text) else (text, text))]


@contextlib.contextmanager
def _opened(path: Path, data: bytes | None) -> Iterator[BinaryIO | None]:
    """A file that was handed in; None if it is no longer there, or no longer a file."""
    with contextlib.ExitStack() as stack:
        file = None
        if data is not None:
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(data)
            file.flush()
        else:
            with contextlib.suppress(OSError):
                file = stack.enter_context(open_safely(path))
        yield file
