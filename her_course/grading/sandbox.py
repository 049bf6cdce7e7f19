"""Runs what was handed in, one submission at a time, as isolated as was asked for, and keeps the time.

What comes back is decoded as bytes of a stranger. A submission that breaks the rules costs at most the process that it
ran in, which is thrown away then; the next one gets a new one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from her_course import plain
from her_course.exercises.model import Call, Outcome
from her_course.exercises.running import PRINTED, VALUE, lost, unpack
from her_course.grading.process import Child, Lost, Process, SandboxError, require

MAX_SUBMISSION = 256 * 2**20
RESTARTS = 3  # of a world, each without the cell that ended the one before
ERRORS = ("not_done", "raised", "refused", "timed_out", "died", "not_run")


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        cell, cells: CPU seconds of one cell, and of all.
        cpu, total: CPU seconds, and wall seconds for everything together, of one exercise.
        memory: bytes a process may ask for, on top of what Python, numpy and torch take.
        processes: and threads.
        file_size, disk: bytes of one file, and of all files together.
    """

    cell: float = 5.0
    cells: float = 15.0
    cpu: int = 30
    total: float = 60.0
    memory: int = 2**30
    processes: int = 32
    file_size: int = 16 * 2**20
    disk: int = 64 * 2**20


class Isolation(NamedTuple):
    """How submissions ran, and what was within their reach, found out by trying from inside.

    Attributes:
        kind: "bubblewrap" or "limits" (of time, memory and output only).
        open: of "user" (files of whoever grades), "answers" (solutions and hidden cases), "submissions" (of others),
            "network", "processes" (of others), "files" (that can be written elsewhere).
    """

    kind: str
    open: tuple[str, ...]


class Task(NamedTuple):
    """Calls of one function; `encoded` are the arguments of each, as `her_course.plain` writes them."""

    name: str
    seconds: float
    encoded: Sequence[bytes]

    @classmethod
    def of(cls, name: str, seconds: float, calls: Iterable[Call]) -> Task:
        return cls(name, seconds, [plain.encode((call.arguments, call.keywords)) for call in calls])


class Sandbox:
    """A process for submissions, replaced when one of them cost it.

    Args:
        hide: files and folders that no submission may see, such as those that were handed in.
        limits: for each submission.
        kind: "bubblewrap", or "limits", which keeps nothing from a submission but time, memory and output.

    Raises:
        SandboxError: it does not start, or an answer would not get what it needs in it; the message says what to do.
    """

    def __init__(self, hide: Sequence[Path] = (), limits: Limits = Limits(), kind: str = "bubblewrap"):
        require(kind)
        self.hide, self.limits, self.kind = [path.resolve() for path in hide], limits, kind
        self._current: Process | None = None
        self._closed = False
        self.isolation = self._probe()

    @property
    def process_id(self) -> int:
        """Of the process in which the sandbox runs."""
        return self._process().id

    def close(self) -> None:
        """End whatever runs in it."""
        self._closed = True
        if self._current is not None:
            self._current.end()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _process(self) -> Process:
        if self._closed:
            raise SandboxError("it was closed")
        if self._current is None or not self._current.alive:
            self._current = Process(self.kind, self.hide, asdict(self.limits))
        return self._current

    def _probe(self) -> Isolation:
        with tempfile.NamedTemporaryFile() as secret:  # of mode 0600
            secret.write(b"for the eyes of whoever grades")
            secret.flush()
            request = {"kind": "probe", "hide": list(map(str, self.hide)), "secret": secret.name}
            try:
                with self._process().child(request) as child:
                    found = child.next(30.0)
            except Lost as error:
                raise SandboxError(f"a first process in the sandbox {str(error).replace('_', ' ')}") from None
        if found["broken"]:
            missing = "; ".join(found["broken"])
            self._current.end()
            raise SandboxError(f"{self.kind}: an answer would not get {missing}. Can every user read {sys.prefix}?")
        return Isolation(self.kind, tuple(found["open"]))

    def inspect(self, file: int, suffix: str, names: Sequence[str]) -> dict[str, Any]:
        """What there is in a submission, without running it.

        Args:
            file: descriptor of the submission.
            suffix: ".ipynb" or ".py".

        Returns:
            ``status`` ("ok", "invalid_notebook", "no_code", "too_large", "unreadable"), and if it is "ok", ``cells``,
            ``python`` and what `her_course.grading.reading.outline` gives.
        """
        request = {"kind": "inspect", "suffix": suffix, "names": list(names), "limit": MAX_SUBMISSION}
        for _ in range(2):  # a process that is lost may be lost to what came before: nobody pays for others
            os.lseek(file, 0, os.SEEK_SET)
            with contextlib.suppress(Lost, plain.Malformed), self._process().child(request, file) as child:
                answer = child.next(self.limits.total, plain.MAX_BYTES)
                if type(answer) is dict and type(answer.get("status")) is str:
                    return answer
        return {"status": "unreadable"}

    def run(
        self, cells: Sequence[str], tasks: Iterable[Task], linked: Sequence[bool] | None = None
    ) -> Iterator[tuple[Task, list[Outcome] | None, dict[int, str]]]:
        """Run a notebook's cells, then call its functions, each task in a fork of that world.

        A task is asked for, and its inputs leave this process, when those before it have come back.

        Args:
            linked: for each cell whether an answer depends on it; the others get little time. By default, all.

        Yields:
            Each task with one outcome for each call, or None if there is no such function; and what the cells that
            failed had raised.
        """
        skip: set[int] = set()
        with contextlib.ExitStack() as stack:
            world: Child | None = None
            failed: dict[int, str] = {}
            for task in tasks:
                if world is None:
                    world, failed = self._world(stack, cells, linked or [True] * len(cells), skip)
                if world is None:
                    yield task, [lost("died")] * len(task.encoded), failed
                    continue
                outcomes, whole = self._perform(world, task)
                if not whole:
                    stack.close()
                    world = None
                yield task, outcomes, failed

    def _world(
        self, stack: contextlib.ExitStack, cells: Sequence[str], linked: Sequence[bool], skip: set[int]
    ) -> tuple[Child | None, dict[int, str]]:
        """A child in which all cells have run, and which of them failed; None if they end every process."""
        for attempt in range(RESTARTS + 1):
            cell: Any = None
            try:
                world = stack.enter_context(self._process().child({"kind": "world"}))
                skipped = range(len(cells)) if attempt == RESTARTS else sorted(skip)
                world.send(plain.encode((list(cells), list(linked), list(skipped))))
                while type(said := world.next(10 + 5 * self.limits.cells)) is int:
                    cell = said
                return world, _texts(said)
            except (Lost, plain.Malformed):
                stack.close()
                skip |= {cell} if cell is not None else set()
        return None, {}

    def _perform(self, world: Child, task: Task) -> tuple[list[Outcome] | None, bool]:
        """The outcomes of a task, and whether the world is as it was."""
        outcomes: list[Outcome] = []
        deadline = time.monotonic() + self.limits.total
        try:
            world.send(plain.encode(tuple(task)))
            if world.next(10.0) is not True:
                return None, True
            for call in task.encoded:
                data = world.frame(deadline - time.monotonic(), len(call) + VALUE + 8 * PRINTED)
                outcomes.append(_outcome(data))
            return outcomes, True
        except (Lost, plain.Malformed) as error:
            outcomes.append(lost("timed_out" if str(error) == "timed_out" else "died"))
            return outcomes + [lost("not_run")] * (len(task.encoded) - len(outcomes)), False


def _outcome(data: bytes) -> Outcome:
    """An outcome as a child tells it; whatever is none counts as the child's end."""
    try:
        outcome = unpack(data)
    except plain.Malformed:
        return lost("died")
    return lost("died") if outcome.error and outcome.error.kind not in ERRORS else outcome


def _texts(failed: Any) -> dict[int, str]:
    """What a world says of the cells that failed, if it is that."""
    if type(failed) is not dict:
        return {}
    return {cell: text[:300] for cell, text in failed.items() if type(cell) is int and type(text) is str}


_local = threading.local()


def shared(key: str, make: Callable[[], Sandbox]) -> Sandbox:
    """This thread's sandbox of that key, made if there is none: it serves one submission after the other.

    Its process ends when this one does, whose end of their socket it reads from.
    """
    mine = vars(_local)
    if key not in mine:
        while mine:
            mine.popitem()[1].close()
        mine[key] = make()
    return mine[key]
