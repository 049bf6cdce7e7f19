"""One submission: its functions run in the sandbox, what comes back is judged here, and points are given."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from her_course.exercises import registry
from her_course.exercises.model import Call, Case, Exercise, Outcome, Problem, Result, Text, Verdict, judge_exercise
from her_course.grading.sandbox import Limits, Sandbox, SandboxError, shared
from her_course.grading.submissions import Submission, open_safely

JUDGING_MEMORY = 4 * 2**30  # bytes that a comparison may take, on top of what the process has

#: what a row of grades.csv may say of an exercise: of the answer, of the function, of the file, of us
STATUSES = {
    "passed": Text("全部正确", "all right"),
    "partial": Text("部分正确", "partly right"),
    "failed": Text("不正确", "not right"),
    "not_done": Text("还没写", "not done"),
    "timed_out": Text("超时", "timed out"),
    "died": Text("进程中途退出", "ended the process"),
    "raised": Text("函数还没定义好就出错了", "an error before the function was there"),
    "missing": Text("找不到这个函数", "no function of this name"),
    "syntax_error": Text("所在单元格有语法错误", "in a cell with a syntax error"),
    "no_file": Text("没有交", "not handed in"),
    "invalid_notebook": Text("不是有效的 notebook", "not a valid notebook"),
    "no_code": Text("文件里没有代码", "a file without code"),
    "too_large": Text("文件太大", "a file that is too large"),
    "symlink": Text("是链接，不是文件", "a link, not a file"),
    "unsafe_path": Text("压缩包里的路径不安全", "an unsafe path in a zip"),
    "invalid_zip": Text("压缩包打不开", "a zip that cannot be read"),
    "unreadable": Text("文件读不出来", "a file that cannot be read"),
    "grader_error": Text("评分程序出错，请人工看", "an error of the grader: look at it yourself"),
}


@dataclass(frozen=True)
class Settings:
    """What a grade depends on besides the submission.

    Attributes:
        seed: of the inputs; whoever knows it knows them.
        hidden: whether the cases that learners don't have count too.
        limits: of the sandbox.
        kind: of sandbox, or None for the best there is.
        hide: folders that no submission may see.
        registry: "module:function" that gives the exercises of a chapter.
    """

    seed: int
    hidden: bool = True
    limits: Limits = field(default_factory=Limits)
    kind: str | None = None
    hide: tuple[str, ...] = ()
    registry: str = "her_course.exercises.registry:of_chapter"

    def exercises(self, chapter: int) -> Sequence[Exercise]:
        """Those of a chapter, in order."""
        if self.registry == type(self).registry:
            return registry.of_chapter(chapter)
        module, _, name = self.registry.partition(":")
        return getattr(__import__(module, fromlist=[name]), name)(chapter)


class _Guarded(Exercise):
    """An exercise whose cases are made once for all submissions, and whose judges survive any value."""

    def cases(self, rng: np.random.Generator, hidden: bool = False) -> list[Case]:
        kept = self.__dict__.get("_kept")
        if kept is None:
            kept = [replace(case, judge=_surviving(case.judge)) for case in super().cases(rng, hidden)]
            object.__setattr__(self, "_kept", kept)
        return kept


def _surviving(judge: Callable[[Sequence[Outcome]], Verdict]) -> Callable[[Sequence[Outcome]], Verdict]:
    @functools.wraps(judge)
    def survive(outcomes: Sequence[Outcome]) -> Verdict:
        try:
            with _bounded_memory():
                return judge(outcomes)
        except Exception as error:  # a value of a kind, a size or a shape that the judge was not made for
            said = type(error).__name__
            text = Text(f"没法拿来比较的东西（{said}）", f"something that cannot be compared ({said})")
            return Verdict(False, got=text)

    return survive


@lru_cache(maxsize=64)
def _guarded(settings: Settings, chapter: int, name: str) -> _Guarded:
    exercise = next(exercise for exercise in settings.exercises(chapter) if exercise.name == name)
    return _Guarded(**{f.name: getattr(exercise, f.name) for f in fields(Exercise)})


@lru_cache(maxsize=64)
def maximum(settings: Settings, chapter: int, name: str) -> float:
    """The points of an answer that is all right."""

    def nothing(calls: Sequence[Call]) -> list[Outcome]:
        return [Outcome(error=Problem("not_run", ""))] * len(calls)

    return judge_exercise(_guarded(settings, chapter, name), nothing, settings.seed, settings.hidden).max_points


def mark(submission: Submission, settings: Settings, data: bytes | None = None) -> dict[str, Any]:
    """What a submission is worth, exercise by exercise.

    Args:
        data: the contents of the file, where its path leads nowhere on this machine.

    Returns:
        What `her_course.grading.classes` keeps as JSON: ``student``, ``chapter``, ``isolation``, and ``rows``, one for
        each exercise, with ``exercise``, ``points``, ``max``, ``status``, ``seconds``, ``misconception``, ``cases``, …
    """
    exercises = settings.exercises(submission.chapter)
    record = {"student": submission.student, "chapter": submission.chapter, "isolation": None}
    if submission.problem is not None:
        return record | {"rows": [_empty(exercise, settings, submission.problem) for exercise in exercises]}
    hide = [Path(path) for path in settings.hide]
    sandbox = shared(repr(settings), lambda: Sandbox(hide, settings.limits, settings.kind))
    with _opened(submission, data) as file:
        names = [exercise.name for exercise in exercises]
        there = sandbox.inspect(file, submission.suffix, names) if file is not None else {"status": "unreadable"}
    record["isolation"] = asdict(sandbox.isolation)
    if there["status"] != "ok" or not _well_made(there, names):
        status = there["status"] if there["status"] in STATUSES else "unreadable"
        return record | {"rows": [_empty(exercise, settings, status) for exercise in exercises]}
    rows = []
    for exercise in exercises:
        found = there["found"][exercise.name]
        if found["status"] != "there":
            row = _empty(exercise, settings, found["status"], found["problem"])
        else:
            row = _mark_function(sandbox, there["cells"], submission.suffix == ".py", exercise, settings)
        rows.append(row | {"fingerprint": found["fingerprint"], "size": found["size"]})
    return record | {"rows": rows}


def _empty(exercise: Exercise, settings: Settings, status: str, problem: str = "") -> dict[str, Any]:
    """The row of an exercise of which nothing was run."""
    return {
        "exercise": exercise.name,
        "points": 0.0,
        "max": maximum(settings, exercise.chapter, exercise.name),
        "status": status,
        "problem": problem[:300],
        "seconds": 0,
        "wall": 0.0,
        "misconception": None,
        "cases": [],
    }


def _mark_function(
    sandbox: Sandbox, cells: Sequence[str], script: bool, exercise: Exercise, settings: Settings
) -> dict[str, Any]:
    """The row of an exercise whose function is there."""
    guarded = _guarded(settings, exercise.chapter, exercise.name)
    problem: Problem | None = None
    outcomes: list[Outcome] = []

    def run(calls: Sequence[Call]) -> list[Outcome]:
        nonlocal problem, outcomes
        problem, outcomes = sandbox.perform(cells, script, exercise.name, calls, exercise.seconds)
        return outcomes

    row = _empty(exercise, settings, "grader_error")
    try:
        result = judge_exercise(guarded, run, settings.seed, settings.hidden)
    except SandboxError:
        raise
    except Exception as error:
        return row | {"problem": f"{type(error).__name__}: {error}"[:300]}
    row["status"] = _status(result, problem)
    row["problem"] = problem.message[:300] if problem else ""
    row["points"] = round(result.points, 6)
    row["misconception"] = result.misconception
    # What was lost to the limit alone: measured times differ from run to run, and so stand in another file.
    row["seconds"] = round(exercise.seconds * sum(outcome.timed_out for outcome in outcomes))
    row["wall"] = round(sum(outcome.seconds for outcome in outcomes), 3)
    row["cases"] = [
        {
            "name": _both(case.name),
            "group": case.group,
            "hidden": case.hidden,
            "passed": bool(case.passed),
            "expected": _both(case.verdict.expected),
            "got": _both(case.verdict.got),
            "printed": case.printed[:500],
        }
        for case in result.cases
    ]
    return row


def _status(result: Result, problem: Problem | None) -> str:
    if problem is not None and problem.kind == "raised":
        return "raised"
    if result.status == "failed":
        return "partial" if result.points > 0 else "failed"
    return result.status


def _both(text: Text | str) -> list[str]:
    """In Chinese and English, of bounded length."""
    return [str(part)[:600] for part in ((text.zh, text.en) if isinstance(text, Text) else (text, text))]


def _well_made(there: dict[str, Any], names: Sequence[str]) -> bool:
    """Whether what came out of the sandbox is what `extraction` gives: it is a stranger's process that said it."""
    cells, found = there.get("cells"), there.get("found")
    if type(cells) is not list or any(type(cell) is not str for cell in cells) or type(found) is not dict:
        return False
    kinds = {"status": str, "problem": str, "fingerprint": str, "size": int}
    return all(
        type(found.get(name)) is dict
        and all(type(found[name].get(key)) is kind for key, kind in kinds.items())
        and found[name]["status"] in (*STATUSES, "there")
        for name in names
    )


@contextlib.contextmanager
def _opened(submission: Submission, data: bytes | None) -> Iterator[int | None]:
    """A descriptor of the submission's file; None if it is no longer there, or no longer a file."""
    if data is not None:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            yield file.fileno()
        return
    try:
        descriptor = open_safely(submission.path)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """A comparison that would need all memory there is fails with MemoryError instead."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + JUDGING_MEMORY, before[1]))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
