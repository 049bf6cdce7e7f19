"""The process of a sandbox, seen from the grader: started, talked to, watched, ended."""

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
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from her_course import plain
from her_course.grading.confinement import PACKAGES, all_can_enter, bubblewrap

KINDS = ("bubblewrap", "limits")
START = 60.0  # seconds in which it must be ready

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


class SandboxError(RuntimeError):
    """The sandbox does not start; no fault of any submission."""


class Lost(Exception):
    """A child that "died", or that "timed_out"."""


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


class Process:
    """A warden; see `her_course.grading.warden`.

    Args:
        kind: "bubblewrap" or "limits".
        hide: files and folders that it may not see.
        limits: as `her_course.grading.sandbox.Limits` has them.

    Raises:
        SandboxError: it does not start; the message is the last that it said.
    """

    def __init__(self, kind: str, hide: Sequence[Path], limits: dict[str, Any]):
        self.alive = True
        command = [sys.executable, "-m", "her_course.grading.warden"]
        environment = _environment()
        if kind == "bubblewrap":
            command = [*bubblewrap(hide, limits["disk"]), *command]
            environment |= {"TMPDIR": "/dev/shm"}
        elif "HOME" in os.environ:
            environment |= {"HOME": os.environ["HOME"]}  # where matplotlib has its list of fonts
        self._control, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as errors:
            streams = {"stdin": theirs, "stdout": subprocess.DEVNULL, "stderr": errors}
            self._popen = subprocess.Popen(command, **streams, env=environment, cwd="/", start_new_session=True)
            settings = {
                "limits": limits | {"processes": limits["processes"] + _tasks_of_this_user()},
                "bubblewrap": kind == "bubblewrap",
                "identity": 200_000 + self._popen.pid % 50_000,
                "keep_reading": kind == "limits" and not all_can_enter(),
                "environment": _environment(),
            }
            theirs.close()  # so that its end is noticed at once
            with contextlib.suppress(OSError):
                self._control.sendall(json.dumps(settings).encode() + b"\n")
            if self._line(START) != b"ready":
                errors.seek(0)
                said = errors.read()[-2000:].decode("utf-8", "replace").strip().splitlines() or ["it says nothing"]
                self.end()
                raise SandboxError(f"the sandbox ({kind}) does not start: {said[-1]}")
        self.id = self._popen.pid
        self._address_space = _address_space(self.id)

    @contextlib.contextmanager
    def child(self, request: dict[str, Any], file: int | None = None):
        """A `Child` that does what is asked, reading from `file` or from us; at the end all that it started is ended.

        Raises:
            Lost: the warden is gone.
        """
        receive, ask = os.pipe() if file is None else (os.dup(file), None)
        answer, send = os.pipe()
        try:
            line = json.dumps(request | {"address_space": self._address_space}).encode() + b"\n"
            try:
                socket.send_fds(self._control, [line], [receive, send])
            except OSError:
                self.end()
                raise Lost("died") from None
            finally:
                os.close(send)
                os.close(receive)
            yield Child(answer, ask)
        finally:
            for descriptor in (answer, ask):
                if descriptor is not None:
                    os.close(descriptor)
            self._finish()

    def _finish(self) -> None:
        """Wait until nothing of the child runs any more; a warden where that cannot be known is ended."""
        said = None
        with contextlib.suppress(OSError, ValueError):
            if self.alive:
                self._control.send(b".")
                said = self._line(5.0)
        if said != b"clean":
            self.end()

    def _line(self, seconds: float) -> bytes | None:
        """The next line from the warden; None if there is none in time, and an empty one if the warden is gone."""
        data, deadline = b"", time.monotonic() + seconds
        while not data.endswith(b"\n"):
            if not select.select([self._control], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            try:
                part = self._control.recv(4096)
            except ConnectionError:
                part = b""
            if not part:
                return b""
            data += part
        return data[:-1]

    def end(self) -> None:
        """End it and all that runs in its sandbox."""
        self.alive = False
        self._control.close()  # the warden takes that for the end, and ends what it can reach
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(0.5)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.kill()
        self._popen.wait()


class Child:
    """A process of a submission: frames go to it and come from it, and it has no say in how long that takes."""

    def __init__(self, answer: int, ask: int | None):
        self.answer, self.ask = answer, ask

    def send(self, data: bytes, seconds: float = 30.0) -> None:
        left, deadline = memoryview(struct.pack("<Q", len(data)) + data), time.monotonic() + seconds
        os.set_blocking(self.ask, False)
        while left:
            if not select.select([], [self.ask], [], max(0.0, deadline - time.monotonic()))[1]:
                raise Lost("timed_out")
            try:
                left = left[os.write(self.ask, left) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Lost("died") from None

    def frame(self, seconds: float, limit: int) -> bytes:
        """The next frame, of at most so many bytes."""
        data, need, deadline = bytearray(), 8, time.monotonic() + seconds
        while len(data) < need:
            if not select.select([self.answer], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Lost("timed_out")
            part = os.read(self.answer, min(need - len(data), 1 << 20))
            if not part:
                raise Lost("died")
            data += part
            if len(data) == need == 8:
                need += struct.unpack("<Q", data)[0]
                if need > limit:
                    raise Lost("died")
        return bytes(data[8:])

    def next(self, seconds: float, limit: int = 2**20) -> Any:
        """The value in the next frame."""
        return plain.decode(self.frame(seconds, limit))


def _environment() -> dict[str, str]:
    """Nothing of whoever grades but the way to the libraries."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    own = (path for path in sys.path if path.rstrip("/").endswith("-packages"))  # also those of the user
    path = os.pathsep.join(dict.fromkeys([*(str(package.parent) for package in PACKAGES), *own]))
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
