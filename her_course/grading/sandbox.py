"""The grader's side of the sandbox: starts a `warden`, hands it one piece of work at a time, and keeps the time.

What comes back is decoded as bytes of a stranger. A submission that breaks the rules costs at most the sandbox that it
ran in, which is thrown away then; the next one gets a new sandbox.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import site
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import her
import her_course
from her_course import plain
from her_course.exercises.model import Call, Outcome, Problem
from her_course.exercises.running import PATIENCE, _cpu_seconds, lost, unpack

COURSE = Path(her_course.__file__).resolve().parent
PACKAGES = (Path(her.__file__).resolve().parent, COURSE)
#: of the exercises, the modules that a submission may see; the others hold cases, answers and wrong ideas
SHOWN = {"__init__.py", "model.py", "running.py", "inputs.py"}
MAX_SUBMISSION = 256 * 2**20
MAX_RESULTS = 128 * 2**20
STRIKES = 2  # calls that hang or end the process, after which the rest is not run


@dataclass(frozen=True)
class Limits:
    """What one exercise of one submission may use.

    Attributes:
        cpu, total: CPU-seconds, and wall seconds for everything together.
        memory: bytes a process may ask for, on top of what Python, numpy and torch take.
        processes: and threads.
        file_size, disk: bytes of one file, and of all files together.
    """

    cpu: int = 30
    total: float = 60.0
    memory: int = 2**30
    processes: int = 8
    file_size: int = 16 * 2**20
    disk: int = 64 * 2**20


class SandboxError(RuntimeError):
    """The sandbox does not start; no fault of any submission."""


@dataclass
class Isolation:
    """What was in force, found out by trying from inside.

    Attributes:
        kind: "bubblewrap", "namespaces" or "limits" (of time, memory and output only).
        processes, network, files, answers, user: whether the submission was kept from other processes, the network,
            writing outside its folder, solutions and hidden cases, and the rights of whoever grades.
    """

    kind: str
    processes: bool
    network: bool
    files: bool
    answers: bool
    user: bool

    def missing(self) -> list[str]:
        """The names of what was not in force."""
        return [name for name, value in asdict(self).items() if value is False]


class Sandbox:
    """One warden, which does one thing at a time.

    Args:
        hide: folders that no submission may see, such as that of the submissions.
        limits: for each exercise.
        kind: "bubblewrap", "namespaces" or "limits"; by default the first of them that works here.

    Raises:
        SandboxError: none works.
    """

    def __init__(self, hide: Sequence[Path] = (), limits: Limits = Limits(), kind: str | None = None):
        if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
            raise SandboxError("grading needs Linux or macOS (on Windows: WSL)")
        self.hide, self.limits = [Path(path).resolve() for path in hide], limits
        self.isolation: Isolation | None = None
        self._process: subprocess.Popen | None = None
        self._control: socket.socket | None = None
        self._closed = False
        problems = []
        for self.kind in [kind] if kind else _kinds():
            try:
                self._start()
                self.isolation = self._probe()
                break
            except (OSError, SandboxError) as error:
                problems.append(f"{self.kind}: {error}")
                self._stop()
        else:
            raise SandboxError("no sandbox starts here; " + "; ".join(problems))
        _open.add(self)

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
        """Which of these functions a submission has.

        Args:
            file: descriptor of the submission.
            suffix: ".ipynb" or ".py".

        Returns:
            ``status`` ("ok", "invalid_notebook", "no_code", "too_large", "unreadable"), and if it is "ok", ``cells``
            and ``found``, as `her_course.grading.extraction.inspect` gives it.
        """
        request = {"kind": "inspect", "suffix": suffix, "names": list(names), "limit": MAX_SUBMISSION}
        for _ in range(2):
            os.lseek(file, 0, os.SEEK_SET)
            with self._work(request, file) as frames:
                data = frames.next(self.limits.total)
            if data != "died" or self._process is not None:
                break  # otherwise the sandbox is lost, maybe to what came before: nobody pays for others
        if type(data) is bytes:
            with contextlib.suppress(plain.Malformed):
                answer = plain.decode(data)
                if type(answer) is dict and type(answer.get("status")) is str:
                    return answer
        return {"status": "unreadable"}

    def perform(
        self, cells: Sequence[str], script: bool, name: str, calls: Sequence[Call], seconds: float
    ) -> tuple[Problem | None, list[Outcome]]:
        """Make calls of the function `name` of a submission.

        After a call that takes longer than `seconds` or ends the process, the next ones get a new process, twice.

        Returns:
            What is wrong with the function itself, or None; and an outcome for each call.
        """
        encoded = [_encoded(call) for call in calls]
        outcomes: list[Outcome] = []
        strikes, deadline, fresh = 0, time.monotonic() + self.limits.total, False
        while len(outcomes) < len(calls):
            if strikes == STRIKES or time.monotonic() > deadline:
                outcomes += [lost("not_run")] * (len(calls) - len(outcomes))
                break
            request = {"cells": list(cells), "script": script, "name": name, "calls": encoded[len(outcomes) :]}
            with tempfile.TemporaryFile() as file:
                file.write(plain.encode(request))
                file.seek(0)
                with self._work({"kind": "answer"}, file.fileno()) as frames:
                    problem = _header(frames.next(max(seconds, 10.0)))
                    frames.child = self._child() if problem is None else None
                    while problem is None and len(outcomes) < len(calls):
                        began = time.monotonic()
                        data = frames.next(min(seconds, max(0.1, deadline - began)))
                        outcome = lost(data) if type(data) is str else _outcome(data)
                        outcome = replace(outcome, seconds=time.monotonic() - began)
                        outcomes.append(outcome)
                        if type(data) is str or outcome.error == lost("died").error:
                            break
            if problem is not None:
                if problem.kind == "died" and self._process is None and not fresh:
                    fresh = True  # the sandbox is lost, maybe to what came before: nobody pays for others
                    continue
                if problem.kind == "raised" or not outcomes:
                    return problem, [Outcome(error=problem)] * len(calls)
                outcomes.append(lost(problem.kind))
            strikes += 1
        return None, outcomes

    def _probe(self) -> Isolation:
        with self._work({"kind": "probe"}, None) as frames:
            data = frames.next(30.0)
        if type(data) is str:
            raise SandboxError(f"a first process in it {data.replace('_', ' ')}")
        found = plain.decode(data)
        if self.kind == "namespaces" and not found["processes"]:
            raise SandboxError("the system does not permit them")
        if not found["scratch"]:
            raise SandboxError("a submission could not write into its own folder")
        return Isolation(
            self.kind,
            processes=found["processes"] and not found["proc"],
            network=not found["network"],
            files=not found["files"],
            answers=not found["answers"],
            user=found["user"],
        )

    # ---------------------------------------------------------------------------------------------------- the warden

    @contextlib.contextmanager
    def _work(self, request: dict[str, Any], file: int | None):
        """Have the warden start on a request; the results can be read as they come, and at the end all is ended."""
        if self._process is None:
            self._start_again()
        receive, send = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY) if file is None else None
        frames = _Frames(receive)
        try:
            descriptors = [null if file is None else file, send]
            try:
                socket.send_fds(self._control, [json.dumps(request).encode() + b"\n"], descriptors)
            except OSError:  # it died while idle: of what an earlier submission did
                self._stop()
                self._start_again()
                socket.send_fds(self._control, [json.dumps(request).encode() + b"\n"], descriptors)
            os.close(send)
            send = -1
            yield frames
        finally:
            for descriptor in (receive, send, null):
                if descriptor is not None and descriptor >= 0:
                    os.close(descriptor)
            self._finish()

    def _child(self) -> int | None:
        """The process that a submission runs in, as this system numbers it; None where that cannot be known."""
        pid: int | None = self._process.pid
        with contextlib.suppress(OSError, ValueError, IndexError):
            while Path(f"/proc/{pid}/comm").read_text().strip() == "bwrap":
                pid = _children(pid)[-1]
            return _children(_children(pid)[-1])[-1]  # the warden's guard's child
        return None

    def _finish(self) -> None:
        """Wait until nothing runs any more; a sandbox where that cannot be known is thrown away."""
        if self._control is None:
            return
        try:
            answer = self._line(0.02)
            if answer is None and self._process.poll() is None:
                self._control.send(b"stop\n")
                answer = self._line(5.0)
        except OSError:
            answer = None
        if not answer or not json.loads(answer)["clean"]:
            self._stop()

    def _start_again(self) -> None:
        """After a submission that cost the sandbox; what it left behind may still be in the way for a moment."""
        try:
            self._start()
        except SandboxError:
            self._stop()
            time.sleep(2)
            self._start()

    def _start(self) -> None:
        if self._closed:
            raise SandboxError("it was closed")
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-s", "-m", "her_course.grading.warden"]
        if self.kind == "bubblewrap":
            command = [*_bubblewrap(self.hide), *command]
        try:
            with tempfile.TemporaryFile() as errors:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=_environment()
                    | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(str(package.parent) for package in PACKAGES))},
                    cwd="/",
                    start_new_session=True,
                )
                self._control = ours
                ours.sendall(json.dumps(self._settings()).encode() + b"\n")
                if self._line(120.0) != b"ready":
                    errors.seek(0)
                    said = errors.read()[-500:].decode("utf-8", "replace").strip().splitlines()
                    raise SandboxError(said[-1] if said else "it says nothing")
        finally:
            theirs.close()

    def _settings(self) -> dict[str, Any]:
        return {
            "limits": asdict(self.limits),
            "namespaces": self.kind != "limits",
            "hide": [str(path) for path in _hidden(self.hide)] if self.kind == "namespaces" else [],
            "identity": 200_000 + os.getpid() % 50_000,
            "devices": self.kind == "bubblewrap",
            "environment": _environment(),
        }

    def _line(self, seconds: float) -> bytes | None:
        """The next line from the warden; None if there is none in time, and an empty one if the warden is gone."""
        data, deadline = b"", time.monotonic() + seconds
        while not data.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._control], [], [], left)[0]:
                return None
            part = self._control.recv(4096)
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


class _Frames:
    """The results of a submission, as they come through its pipe."""

    def __init__(self, pipe: int):
        self.pipe, self.total, self.child = pipe, 0, None

    def next(self, seconds: float) -> bytes | Literal["timed_out", "died"]:
        """One frame, or what happened instead.

        As in the check of the notebook, a child that wants to run and is not let, because the machine is busy, may take
        up to `PATIENCE` times as long.
        """
        start = time.monotonic()
        deadline, patience = start + seconds, start + PATIENCE * seconds
        cpu = self._cpu()[0]
        data, need = bytearray(), 8
        while len(data) < need:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                used, wants_more = self._cpu()
                if not wants_more or used - cpu >= 0.9 * seconds or time.monotonic() >= patience:
                    return "timed_out"
                deadline = min(time.monotonic() + max(0.01, seconds - (used - cpu)), patience)
                continue
            part = os.read(self.pipe, min(need - len(data), 1 << 20))
            if not part:
                return "died"
            data += part
            if len(data) == need == 8:
                size = struct.unpack("<Q", data)[0]
                self.total += size
                if size > plain.MAX_BYTES or self.total > MAX_RESULTS:
                    return "died"
                need += size
        return bytes(data[8:])

    def _cpu(self) -> tuple[float, bool]:
        return (0.0, False) if self.child is None else _cpu_seconds(self.child)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _encoded(call: Call) -> bytes:
    """The arguments, as bytes that are kept with the call: it is the same for every submission."""
    if "_encoded" not in call.__dict__:
        object.__setattr__(call, "_encoded", plain.encode((call.arguments, call.keywords)))
    return call.__dict__["_encoded"]


def _header(data: bytes | str) -> Problem | None:
    """What a child says of the function before it makes calls; None if it is ready."""
    if type(data) is str:
        return Problem(data, "")
    try:
        header = plain.decode(data)
    except plain.Malformed:
        return Problem("died", "")
    if type(header) is not tuple or [type(part) for part in header] != [str, str]:
        return Problem("died", "")
    return None if header[0] == "ready" else Problem("raised", header[1][:500])


def _outcome(data: bytes) -> Outcome:
    """An outcome as a child tells it; whatever is none, or claims what only we can know, counts as the child's end."""
    try:
        outcome = unpack(data)
    except plain.Malformed:
        return lost("died")
    if outcome.timed_out or (outcome.error and outcome.error.kind not in ("not_done", "raised", "refused")):
        return lost("died")
    return outcome


# ------------------------------------------------------------------------------------------------- how it is isolated


def _kinds() -> list[str]:
    if sys.platform != "linux":
        return ["limits"]
    return [*(["bubblewrap"] if shutil.which("bwrap") else []), "namespaces", "limits"]


def _environment() -> dict[str, str]:
    """Nothing of whoever grades but the way to the libraries."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return (
        {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        | threads
        | kept
    )


@cache
def _libraries() -> tuple[Path, ...]:
    """Where Python and the packages lie."""
    folders = {
        Path(path) for path in (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *site.getsitepackages())
    }
    folders |= {Path(os.path.realpath(sys.executable)).parent.parent, *(Path(path).resolve() for path in set(folders))}
    folders |= {Path("/usr"), Path("/lib"), Path("/lib64"), Path("/bin"), Path("/lib32")}
    return tuple(sorted(path for path in folders if path.is_dir() and path != Path("/")))


def _hidden(more: Sequence[Path]) -> list[Path]:
    """What no submission may see: of the exercises all but `SHOWN`, the solutions and tests beside the package."""
    exercises = COURSE / "exercises"
    hidden = [path for path in sorted(exercises.iterdir()) if path.name not in SHOWN]
    beside = [COURSE.parent / name for name in ("solutions", "tests", ".git")]
    return [path for path in (*hidden, *beside, *more) if path.exists()]


def _bubblewrap(hide: Sequence[Path]) -> list[str]:
    """A file system of the libraries alone, read-only, no network, no other processes."""
    command = ["bwrap", "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    command += ["--unshare-uts", "--unshare-cgroup-try"]
    # Root keeps what it takes to become another user for each exercise; others get all that in namespaces of their own.
    command += ["--cap-add", "ALL"] if os.geteuid() == 0 else ["--unshare-user"]
    above = {folder for path in (*_libraries(), *PACKAGES) for folder in path.parents}
    for folder in sorted(above - {Path("/")}):
        command += ["--perms", "0755", "--dir", str(folder)]
    for path in _libraries():
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        else:
            command += ["--ro-bind", str(path), str(path)]
    for path in ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/alternatives"):
        command += ["--ro-bind-try", path, path]
    for package in PACKAGES:
        command += ["--ro-bind", str(package), str(package)]
    exercises = COURSE / "exercises"
    command += ["--perms", "0755", "--tmpfs", str(exercises)]
    for name in sorted(SHOWN):
        command += ["--ro-bind", str(exercises / name), str(exercises / name)]
    command += ["--remount-ro", str(exercises)]
    shown = (*_libraries(), *PACKAGES)
    for path in hide:  # usually elsewhere, and so not there at all
        if any(path != folder and path.is_relative_to(folder) for folder in shown) and path.is_dir():
            command += ["--tmpfs", str(path), "--remount-ro", str(path)]
    command += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--perms",
        "0755",
        "--dir",
        "/tmp",
        "--remount-ro",
        "/",
        "--chdir",
        "/",
        "--",
    ]
    return command


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
