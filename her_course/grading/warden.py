"""The warmed-up process in the sandbox, forks one child per submission: ``python -m her_course.grading.warden``.

It has imported numpy, torch and the course, and knows no case, no solution and no submission. For each request it
forks a child with limits, an empty folder, a clean environment, no privileges, and two pipes: one for what it is asked,
one for what came of it. When the grader says so, everything that the child started is killed. In bubblewrap the warden
is the first process of a process namespace: no child can signal it, and when it ends, all end.

Requests come as lines of JSON through the socket that is standard input, with the descriptors of both pipes.
"""

import codecs
import contextlib
import ctypes
import gc
import json
import os
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, BinaryIO

from her_course import plain
from her_course.exercises.running import Capped, end_with_parent
from her_course.grading import system_calls

_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS = 4, 8
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
SCRATCH = "/dev/shm"  # the only place in bubblewrap where something can be written

PRELOADED = (  # what answers like to import, and what would be slow in each
    *("scipy.special", "scipy.stats", "bisect", "collections.abc", "contextlib", "copy", "dataclasses", "datetime"),
    *("decimal", "enum", "fractions", "functools", "heapq", "itertools", "math", "numbers", "operator", "random"),
    *("re", "statistics", "string", "typing", "warnings", "her", "her_course.exercises.inputs"),
)


def main() -> None:
    """Serve requests until the grader goes away."""
    control = socket.socket(fileno=os.dup(0))
    settings = json.loads(_line(control)[0])
    if settings["bubblewrap"]:
        end_with_parent()
    elif _LINUX:  # what a child leaves behind comes to this process
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    shell = _warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _LINUX:
        _prctl(_PR_SET_DUMPABLE, 0)  # no process of the same user may look into this one
    control.sendall(b"ready\n")
    before = _condition()
    while True:
        line, descriptors = _line(control)
        if not line:
            return
        request = json.loads(line)
        scratch = SCRATCH if settings["bubblewrap"] else tempfile.mkdtemp(prefix="answer-")
        child = os.fork()
        if not child:
            control.close()
            _child(request, settings, descriptors, scratch, shell)
        for descriptor in descriptors:
            os.close(descriptor)
        said = control.recv(1)  # the grader has what it wanted, or is gone
        clean = _kill_all(child, settings)
        clean = _clear(scratch, settings["bubblewrap"]) and _condition() == before and clean
        if not said:
            return
        control.sendall(b"clean\n" if clean else b"not clean\n")


def _warm_up() -> Any:
    from her_course.grading import world

    for module in PRELOADED:
        with contextlib.suppress(ImportError):
            import_module(module)
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        torch.zeros(2).sum().item()
    for encoding in ("utf-8-sig", "utf-16"):
        codecs.lookup(encoding)
    shell = world.prepare()
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page
    return shell


def _condition() -> tuple:
    """What a process of the same user could change or leave behind, to the loss of whoever comes next."""
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    limits = tuple(resource.getrlimit(getattr(resource, name)) for name in names)
    schedule = (os.sched_getaffinity(0), os.sched_getscheduler(0)) if _LINUX else ()
    return limits, os.getpriority(os.PRIO_PROCESS, 0), *schedule


def _line(control: socket.socket) -> tuple[bytes, list[int]]:
    """The next line, and the descriptors that came with it; an empty line at the end."""
    data, descriptors = b"", []
    while not data.endswith(b"\n"):
        part, more, _, _ = socket.recv_fds(control, 65536, 4)
        descriptors += more
        if not part:
            return b"", descriptors
        data += part
    return data, descriptors


def _kill_all(child: int, settings: dict) -> bool:
    """End the child and whatever it started; whether nothing is left."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if settings["bubblewrap"]:
            _signal(os.kill, -1, signal.SIGKILL)  # all there are but this process
        else:
            _signal(os.killpg, child, signal.SIGKILL)
            _kill_descendants()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return True
        time.sleep(0.0005)
    return False


def _kill_descendants() -> None:
    """End all that descends from here, stopped first, so that nothing more is forked."""
    stopped: set[int] = set()
    while new := _descendants() - stopped:
        stopped |= new
        for pid in new:
            _signal(os.kill, pid, signal.SIGSTOP)
    for pid in stopped:
        _signal(os.kill, pid, signal.SIGKILL)


def _signal(kill: Callable[[int, int], None], target: int, number: int) -> None:
    """Send a signal, if whoever is to have it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill(target, number)


def _descendants() -> set[int]:
    """Processes below this one, whatever sessions they made (on Linux)."""
    parents = {}
    for name in os.listdir("/proc") if _LINUX else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _clear(scratch: str, stays: bool) -> bool:
    if not stays:
        shutil.rmtree(scratch, ignore_errors=True)
        return True
    for entry in os.scandir(scratch):
        shutil.rmtree(entry.path, ignore_errors=True) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
    return not os.listdir(scratch)


# ------------------------------------------------------------------------------------------------------- the child


def _child(request: dict, settings: dict, descriptors: list[int], scratch: str, shell: Any) -> None:
    """Never returns. In a world, whatever happens is the submission's doing."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        if os.geteuid() == 0 and scratch != SCRATCH:
            os.chmod(scratch, 0o777)
        os.chdir(scratch)
        _keep_only(descriptors)
        _drop_privileges(settings["identity"], settings["keep_reading"])
        end_with_parent()  # a change of user forgets it
        _limit(settings["limits"], request["address_space"])
        os.environ.clear()
        os.environ.update(settings["environment"], HOME=scratch, TMPDIR=scratch, IPYTHONDIR=scratch)
        tempfile.tempdir = None
        sys.path.insert(0, scratch)
        if request["kind"] == "probe":
            _send(plain.encode(_probe(scratch, request["hide"], request["secret"])))
        elif request["kind"] == "inspect":
            _send(plain.encode(_inspect(request)))
        else:
            from her_course.grading import world

            sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Capped()
            with open(3, "rb", closefd=False) as requests:
                world.serve(shell, partial(_receive, requests), _send, settings["limits"])
        code = 0
    finally:
        os._exit(code)


def _keep_only(descriptors: list[int]) -> None:
    """Descriptors 0 to 2 lead nowhere, 3 gives what is asked, 4 takes the results, and there are no others."""
    given, send = (os.dup2(d, 60 + i) for i, d in enumerate(descriptors))
    null = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, null), (1, null), (2, null), (3, given), (4, send)):
        os.dup2(source, target)
    os.closerange(5, 4096)


def _send(data: bytes) -> None:
    with open(4, "wb", closefd=False) as file:
        file.write(struct.pack("<Q", len(data)) + data)


def _receive(requests: BinaryIO) -> bytes:
    """The next frame from the grader, or b"" when there are no more."""
    header = requests.read(8)
    return requests.read(*struct.unpack("<Q", header)) if header else b""


def _drop_privileges(identity: int, keep_reading: bool) -> None:
    """Root becomes a user that owns nothing; nobody gains anything any more.

    Args:
        keep_reading: root's right to read every file stays, where no other user can reach Python.
    """
    if os.geteuid() == 0:
        if _LINUX and keep_reading:
            _prctl(_PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(identity, identity, identity)
        os.setresuid(identity, identity, identity)
    if _LINUX:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        read = 1 << 2 if keep_reading else 0  # CAP_DAC_READ_SEARCH
        _libc.capset(struct.pack("<Ii", 0x20080522, 0), struct.pack("<6I", read, read, 0, 0, 0, 0))
        system_calls.confine()


def _limit(limits: dict[str, int], used: int) -> None:
    wanted = {
        "RLIMIT_CPU": limits["cpu"],
        "RLIMIT_AS": used + limits["memory"],
        "RLIMIT_NPROC": limits["processes"],
        "RLIMIT_FSIZE": limits["file_size"],
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_MEMLOCK": 0,
    }
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is None or (name == "RLIMIT_AS" and not used):
            continue
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(number, (value, value))


def _inspect(request: dict) -> dict[str, Any]:
    """The cells of a submission and what there is in them. Runs nothing of it."""
    from her_course.grading import reading

    try:
        with open(3, "rb", closefd=False) as file:
            data = file.read(request["limit"] + 1)
        if len(data) > request["limit"]:
            raise reading.Unreadable("too_large")
        cells, python = reading.read(data, request["suffix"])
    except reading.Unreadable as error:
        return {"status": str(error)}
    return {"status": "ok", "cells": cells, "python": python, **reading.outline(cells, request["names"])}


def _probe(scratch: str, hide: list[str], secret: str) -> dict[str, list[str]]:
    """What is within a submission's reach, and what an answer needs and does not get; both found out by trying."""
    elsewhere = ("/", "/tmp", "/var/tmp", "/dev", os.path.dirname(__file__), os.path.expanduser("~root"))
    exercises = os.path.join(os.path.dirname(plain.__file__), "exercises")
    within_reach = {
        "user": _readable(secret),
        "answers": any(_readable(os.path.join(exercises, name)) for name in ("reference.py", "hidden")),
        "submissions": any(map(_readable, hide)),
        "network": any(name != "lo" for _, name in socket.if_nameindex()) or _vsock(),
        "processes": not _LINUX or os.path.isdir(f"/proc/{os.getppid()}"),
        "files": any(map(_writable, elsewhere)),
    }
    needed = {"a folder to write in": _writable(scratch)}
    for module in ("colorsys", "click.testing"):  # of the standard library, and a package, imported late
        try:
            import_module(module)
        except (ImportError, OSError) as error:
            needed[f"the module {module} ({error})"] = False
    return {
        "open": [name for name, reached in within_reach.items() if reached],
        "broken": [name for name, works in needed.items() if not works],
    }


def _readable(path: str) -> bool:
    """Whether something can be read there: a file that is not empty, or the names in a folder."""
    try:
        if os.path.isdir(path):
            return bool(os.listdir(path))
        with open(path, "rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _writable(folder: str) -> bool:
    try:
        handle, path = tempfile.mkstemp(dir=folder)
    except OSError:
        return False
    os.close(handle)
    os.unlink(path)
    return True


def _vsock() -> bool:
    try:
        socket.socket(getattr(socket, "AF_VSOCK", -1), socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def _prctl(option: int, value: int) -> None:
    _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


if __name__ == "__main__":
    main()
