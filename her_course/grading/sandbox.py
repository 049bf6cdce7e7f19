"""The grader's side of the sandbox: starts a `warden`, hands it one submission at a time, and keeps the time.

What comes back is decoded as bytes of a stranger. A submission that breaks the rules costs at most the sandbox that it
ran in, which is thrown away then; the next one gets a new sandbox.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from her_course import plain
from her_course.exercises.model import Call, Outcome
from her_course.exercises.running import PRINTED, VALUE, lost, unpack
from her_course.grading.confinement import PACKAGES, all_can_enter, bubblewrap

MAX_SUBMISSION = 256 * 2**20
KINDS = ("bubblewrap", "limits")
START = 60.0  # seconds in which a warden must be ready
RESTARTS = 3  # of a world, each without the cell that ended the one before
ERRORS = ("not_done", "raised", "refused", "timed_out", "died", "not_run")

INSTALL = (
    "bubblewrap is not installed, and without it a submission could read your files, the solutions and the hidden "
    "cases. Install it (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap; Arch: pacman -S "
    "bubblewrap; on Windows inside WSL). To grade without it, in a container or on a machine that holds nothing else: "
    "--sandbox limits"
)
FORBIDDEN = (
    "bubblewrap does not start here: {}. The system may forbid user namespaces (in a container: allow them, or run the "
    "container with --privileged; on Ubuntu 24.04: an AppArmor profile for bwrap). To grade without it, in a container "
    "or on a machine that holds nothing else: --sandbox limits"
)


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


class SandboxError(RuntimeError):
    """The sandbox does not start; no fault of any submission."""


def require(kind: str) -> None:
    """See that a sandbox of this kind can be had here, in a moment.

    Raises:
        SandboxError: it cannot; the message says what to do.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
        raise SandboxError("grading needs Linux or macOS (on Windows: WSL)")
    if kind == "bubblewrap":
        if not shutil.which("bwrap"):
            raise SandboxError(INSTALL)
        tried = subprocess.run([*bubblewrap((), 2**20), "true"], capture_output=True, text=True, timeout=10)
        if tried.returncode:
            raise SandboxError(FORBIDDEN.format((tried.stderr.strip().splitlines() or ["it says nothing"])[-1]))


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


@dataclass
class Answers:
    """What came of a submission.

    Attributes:
        outcomes: for each batch and task, one outcome for each call; None where there is no such function.
        failed: what each cell that failed raised.
        seconds: wall time of each task.
    """

    outcomes: list[list[list[Outcome] | None]] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    seconds: list[list[float]] = field(default_factory=list)


class Sandbox:
    """One warden, which does one thing at a time.

    Args:
        hide: files and folders that no submission may see, such as those that were handed in.
        limits: for each submission.
        kind: "bubblewrap", or "limits", which keeps nothing from a submission but time, memory and output.

    Raises:
        SandboxError: it does not start, or an answer would not get what it needs in it; the message says what to do.
    """

    def __init__(self, hide: Sequence[Path] = (), limits: Limits = Limits(), kind: str = "bubblewrap"):
        require(kind)
        self.hide, self.limits, self.kind = [Path(path).resolve() for path in hide], limits, kind
        self._process: subprocess.Popen | None = None
        self._control: socket.socket | None = None
        self._closed = False
        try:
            self._start()
            self.isolation = self._probe()
        except BaseException:
            self._stop()
            raise
        _open.add(self)

    @property
    def process_id(self) -> int | None:
        """Of the process in which the sandbox runs; None while it is being replaced."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the warden and whatever runs in its sandbox."""
        self._closed = True
        if self._control is not None:
            self._control.close()  # the warden takes that for the end
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
        self._stop()
        _open.discard(self)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------------- what it does

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
        for _ in range(2):  # a sandbox that is lost may be lost to what came before: nobody pays for others
            os.lseek(file, 0, os.SEEK_SET)
            with contextlib.suppress(_Lost, plain.Malformed), self._work(request, file) as child:
                answer = child.next(self.limits.total, plain.MAX_BYTES)
                if type(answer) is dict and type(answer.get("status")) is str:
                    return answer
        return {"status": "unreadable"}

    def run(
        self,
        cells: Sequence[str],
        batches: Sequence[Sequence[Task]],
        linked: Sequence[bool] | None = None,
        enough: Callable[[Task, list[Outcome] | None], bool] = lambda task, outcomes: True,
    ) -> Answers:
        """Run a notebook's cells, then call its functions.

        The inputs of a batch leave this process when all of the batch before it has come back: what a page shows of the
        first cannot know anything of the second. After a call that takes too long or ends its process the next ones
        get a new process, twice.

        Args:
            linked: for each cell whether an answer depends on it; the others get little time. By default, all.
            enough: told what came of each task; where it says False, no more of that function is run.
        """
        answers, skip, refused = Answers(), set(), set()
        waiting = [(b, t) for b, batch in enumerate(batches) for t in range(len(batch))]
        answers.outcomes = [[None] * len(batch) for batch in batches]
        answers.seconds = [[0.0] * len(batch) for batch in batches]
        linked = [True] * len(cells) if linked is None else list(linked)
        restarts = 0
        while waiting and restarts <= RESTARTS + len(batches) * len(batches[0]):
            cell = None
            try:
                with self._work({"kind": "world"}) as world:
                    skipped = sorted(skip) if restarts <= RESTARTS else list(range(len(cells)))
                    world.send(plain.encode((list(cells), linked, skipped)))
                    hard = 10 + 5 * self.limits.cells
                    while type(message := world.next(hard)) is int:
                        cell = message
                    cell = None
                    if waiting[0][0] == 0:  # a page shows them: nothing that came later
                        answers.failed = _texts(message)
                    while waiting:
                        b, t = waiting[0]
                        task = batches[b][t]
                        if task.name in refused:
                            answers.outcomes[b][t] = [lost("not_run")] * len(task.encoded)
                            waiting.pop(0)
                            continue
                        began = time.monotonic()
                        outcomes: list[Outcome] = []
                        try:
                            present = self._perform(world, task, outcomes)
                        except (_Lost, plain.Malformed) as error:
                            outcomes.append(lost("timed_out" if str(error) == "timed_out" else "died"))
                            raise
                        finally:
                            answers.seconds[b][t] = time.monotonic() - began
                            missing = len(task.encoded) - len(outcomes)
                            if outcomes or present:
                                answers.outcomes[b][t] = (outcomes + [lost("not_run")] * missing)[: len(task.encoded)]
                            waiting.pop(0)
                            if not enough(task, answers.outcomes[b][t]):
                                refused.add(task.name)
            except (_Lost, plain.Malformed):
                restarts += 1
                if type(cell) is int:
                    skip.add(cell)
        for b, t in waiting:  # its cells end every process
            answers.outcomes[b][t] = [lost("died")] * len(batches[b][t].encoded)
        return answers

    def _perform(self, world: _Child, task: Task, outcomes: list[Outcome]) -> bool:
        """Have a task done; adds to `outcomes` as they come. False if there is no such function."""
        deadline = time.monotonic() + self.limits.total
        world.send(plain.encode(tuple(task)))
        if world.next(10.0) is not True:
            return False
        for call in task.encoded:
            data = world.frame(deadline - time.monotonic(), len(call) + VALUE + 8 * PRINTED)
            outcomes.append(_outcome(data))
        return True

    def _probe(self) -> Isolation:
        with tempfile.NamedTemporaryFile() as secret:  # of mode 0600
            secret.write(b"for the eyes of whoever grades")
            secret.flush()
            with self._work({"kind": "probe", "hide": list(map(str, self.hide)), "secret": secret.name}) as child:
                try:
                    found = child.next(30.0)
                except _Lost as error:
                    raise SandboxError(f"a first process in the sandbox {str(error).replace('_', ' ')}") from None
        if found["broken"]:
            raise SandboxError(
                f"{self.kind}: an answer would not get {'; '.join(found['broken'])}. Python ({sys.prefix}) must lie "
                "where every user can read it"
            )
        return Isolation(self.kind, tuple(found["open"]))

    # ---------------------------------------------------------------------------------------------------- the warden

    @contextlib.contextmanager
    def _work(self, request: dict[str, Any], file: int | None = None):
        """Have the warden start a child; it can be talked to, and at the end all that it started is ended."""
        receive, ask = (file, None) if file is not None else os.pipe()
        answer, send = os.pipe()
        try:
            for last in (False, True):
                if self._process is None:
                    self._start()
                line = json.dumps(request | {"address_space": self._address_space}).encode() + b"\n"
                try:
                    socket.send_fds(self._control, [line], [receive, send])
                    break
                except OSError:  # it died while idle: of what an earlier submission did
                    self._stop()
                    if last:
                        raise SandboxError("it ends by itself") from None
            for descriptor in (send, *([] if file is not None else [receive])):
                os.close(descriptor)
            yield _Child(answer, ask)
        finally:
            for descriptor in (answer, ask):
                if descriptor is not None:
                    os.close(descriptor)
            self._finish()

    def _finish(self) -> None:
        """Wait until nothing runs any more; a sandbox where that cannot be known is thrown away."""
        if self._control is None:
            return
        answer = None
        with contextlib.suppress(OSError, ValueError):
            self._control.send(b".")
            answer = json.loads(self._line(5.0) or b"{}")
        if not answer or not answer["clean"]:
            self._stop()

    def _start(self) -> None:
        if self._closed:
            raise SandboxError("it was closed")
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "her_course.grading.warden"]
        environment = _environment()
        if self.kind == "bubblewrap":
            command = [*bubblewrap(self.hide, self.limits.disk), *command]
            environment |= {"TMPDIR": "/dev/shm"}
        elif "HOME" in os.environ:
            environment |= {"HOME": os.environ["HOME"]}  # where matplotlib has its list of fonts
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(
                command,
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
            theirs.close()  # so that its end is noticed at once
            self._control = ours
            with contextlib.suppress(OSError):
                ours.sendall(json.dumps(self._settings()).encode() + b"\n")
            if self._line(START) != b"ready":
                errors.seek(0)
                said = errors.read()[-2000:].decode("utf-8", "replace").strip().splitlines() or ["it says nothing"]
                self._stop()
                raise SandboxError(f"the sandbox ({self.kind}) does not start: {said[-1]}")
        self._address_space = _address_space(self._process.pid)

    def _settings(self) -> dict[str, Any]:
        limits = asdict(self.limits) | {"processes": self.limits.processes + _tasks_of_this_user()}
        return {
            "limits": limits,
            "bubblewrap": self.kind == "bubblewrap",
            "identity": 200_000 + os.getpid() % 50_000,
            "keep_reading": self.kind == "limits" and not all_can_enter(),
            "environment": _environment(),
        }

    def _line(self, seconds: float) -> bytes | None:
        """The next line from the warden; None if there is none in time, and an empty one if the warden is gone."""
        data, deadline = b"", time.monotonic() + seconds
        while not data.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._control], [], [], left)[0]:
                return None
            try:
                part = self._control.recv(4096)
            except ConnectionError:
                part = b""
            if not part:
                return b""
            data += part
        return data[:-1]

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        self._process = self._control = None


class _Lost(Exception):
    """A child that "died", or that "timed_out"."""


class _Child:
    """A process of a submission: frames go to it and come from it, and it has no say in how long that takes."""

    def __init__(self, answer: int, ask: int | None):
        self.answer, self.ask = answer, ask

    def send(self, data: bytes, seconds: float = 30.0) -> None:
        left, deadline = memoryview(struct.pack("<Q", len(data)) + data), time.monotonic() + seconds
        os.set_blocking(self.ask, False)
        while left:
            if not select.select([], [self.ask], [], max(0.0, deadline - time.monotonic()))[1]:
                raise _Lost("timed_out")
            try:
                left = left[os.write(self.ask, left) :]
            except BlockingIOError:
                continue
            except OSError:
                raise _Lost("died") from None

    def frame(self, seconds: float, limit: int) -> bytes:
        """The next frame, of at most so many bytes."""
        data, need, deadline = bytearray(), 8, time.monotonic() + seconds
        while len(data) < need:
            if not select.select([self.answer], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise _Lost("timed_out")
            part = os.read(self.answer, min(need - len(data), 1 << 20))
            if not part:
                raise _Lost("died")
            data += part
            if len(data) == need == 8:
                need += struct.unpack("<Q", data)[0]
                if need > limit:
                    raise _Lost("died")
        return bytes(data[8:])

    def next(self, seconds: float, limit: int = 2**20) -> Any:
        """The value in the next frame."""
        return plain.decode(self.frame(seconds, limit))


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


def _environment() -> dict[str, str]:
    """Nothing of whoever grades but the way to the libraries."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(dict.fromkeys(str(package.parent) for package in PACKAGES))
    fixed = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    return fixed | {"PYTHONPATH": path, "MPLBACKEND": "agg"} | threads | kept


def _address_space(pid: int) -> int:
    """Bytes that the warden has asked for, with which its children begin; 0 where that is not known."""
    try:
        while Path(f"/proc/{pid}/comm").read_text().strip() == "bwrap":
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[-1])
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _tasks_of_this_user() -> int:
    """Threads that count against an ordinary user's limit, on systems where that knows no namespaces."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/status") if os.geteuid() else ():
        with contextlib.suppress(OSError):
            text = path.read_text()
            if re.search(rf"^Uid:\t{os.geteuid()}\b", text, re.MULTILINE):
                count += int(re.search(r"^Threads:\t(\d+)", text, re.MULTILINE)[1])
    return count


# ------------------------------------------------------------------------------------------------- one for each thread

_open: set[Sandbox] = set()
_local = threading.local()


def shared(key: str, make: Callable[[], Sandbox]) -> Sandbox:
    """This thread's sandbox of that key, made if there is none: it serves one submission after the other."""
    sandboxes = _local.__dict__.setdefault("sandboxes", {})
    if key not in sandboxes:
        for old in sandboxes.values():
            old.close()
        sandboxes.clear()
        sandboxes[key] = make()
    return sandboxes[key]


@atexit.register
def _close_all() -> None:
    for sandbox in list(_open):
        sandbox.close()
