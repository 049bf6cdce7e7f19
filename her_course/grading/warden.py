"""The warmed-up process that forks one child per exercise, inside the sandbox: ``python -m her_course.grading.warden``.

It has imported numpy, torch and the course, and knows no case, no solution and no submission. For each request it
forks a *guard*, which is trusted and makes namespaces, and the guard forks the *child*, which is not: first of its own
process namespace, with limits, an empty folder, a clean environment, no privileges, and a single descriptor, to which
it writes what came of its calls. What it writes there counts for itself alone. When the guard is told to, or when the
child has ended, everything the child started ends with it.

Requests come as lines of JSON through the socket that is standard input, with descriptors beside them.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from importlib import import_module
from typing import Any

_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER = 0x00020000, 0x08000000, 0x10000000
_CLONE_NEWPID, _CLONE_NEWNET = 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000

PRELOADED = (  # what answers like to import, and what would be slow in each, or could not be read there
    *("scipy.special", "scipy.stats", "bisect", "collections.abc", "contextlib", "copy", "dataclasses", "datetime"),
    *("decimal", "enum", "fractions", "functools", "heapq", "itertools", "math", "numbers", "operator", "random"),
    *("re", "statistics", "string", "typing", "warnings"),
)
STOP = b"stop\n"
SCRATCH = "/dev/shm"  # where the child's own folder is mounted: a place that exists and that holds no library


def main() -> None:
    """Serve requests until the grader goes away."""
    control = socket.socket(fileno=os.dup(0))
    settings = json.loads(_line(control)[0])
    _warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings["used"] = _address_space()
    if _LINUX:
        _prctl(_PR_SET_DUMPABLE, 0)  # no process of the same user may look into this one
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    control.sendall(b"ready\n")
    before = _condition()
    while True:
        line, descriptors = _line(control)
        if not line:
            return
        request = json.loads(line)
        guard = os.fork()
        if not guard:
            _guard(request, settings, control, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        answer = _wait(guard, control)
        answer["clean"] &= _condition() == before
        control.sendall(json.dumps(answer).encode() + b"\n")


def _warm_up() -> None:
    import her
    import her_course.exercises.inputs
    import her_course.exercises.running
    import her_course.grading.extraction
    import her_course.plain

    for module in PRELOADED:
        with contextlib.suppress(ImportError):
            import_module(module)
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        torch.zeros(2).sum().item()
    for encoding in ("utf-8-sig", "utf-16"):
        codecs.lookup(encoding)
    del her, her_course
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page


def _address_space() -> int:
    """Bytes that this process has asked for, which its children begin with; 0 where that is not known."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
    return 0


def _condition() -> tuple:
    """What a process of the same user could change in this one, to the loss of whoever comes next."""
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    limits = tuple(resource.getrlimit(getattr(resource, name)) for name in names)
    schedule = (os.sched_getaffinity(0), os.sched_getscheduler(0)) if _LINUX else ()
    return limits, os.getpriority(os.PRIO_PROCESS, 0), *schedule


def _line(control: socket.socket) -> tuple[bytes, list[int]]:
    """The next line, and the descriptors that came with it; an empty line at the end.

    A "stop" that comes when all has ended already is passed over.
    """
    data, descriptors = b"", []
    while not data.endswith(b"\n"):
        part, more, _, _ = socket.recv_fds(control, 65536, 4)
        descriptors += more
        if not part:
            return b"", descriptors
        data += part
        while data.startswith(STOP):
            data = data.removeprefix(STOP)
    return data, descriptors


def _wait(guard: int, control: socket.socket) -> dict[str, Any]:
    """Until the guard has ended, telling it to end the child if the grader says so."""
    asked = False
    while True:
        done, status = os.waitpid(guard, os.WNOHANG)
        if done:
            break
        readable = select.select([control], [], [], 0.002)[0] if not asked else time.sleep(0.002)
        if readable:
            asked = True
            if not control.recv(len(STOP)):
                os._exit(0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(guard, signal.SIGTERM)
    clean = not _strays()
    return {"status": os.waitstatus_to_exitcode(status), "clean": clean}


def _strays() -> bool:
    """Whether the child left processes behind, which would come to this one; ends those that can be ended."""
    found = False
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        found = True
        if not pid:
            return True


# ------------------------------------------------------------------------------------------------------- the guard


def _guard(request: dict, settings: dict, control: socket.socket, descriptors: list[int]) -> None:
    """Runs in a process of its own, and never returns. Its exit status tells how the child ended."""
    code = 1
    try:
        control.close()
        scratch, isolation = _separate(settings)
        child = os.fork()
        if not child:
            _child(request, settings, descriptors, scratch, isolation)
        for descriptor in descriptors:
            os.close(descriptor)
        code = _attend(child, isolation)
        if not isolation["files"]:
            shutil.rmtree(scratch, ignore_errors=True)
    finally:
        os._exit(code)


def _separate(settings: dict) -> tuple[str, dict[str, bool]]:
    """Namespaces and mounts, as far as the system allows. Returns the child's folder and what was achieved."""
    isolation = dict.fromkeys(("processes", "files", "network"), False)
    isolation["user"] = False
    if _LINUX and _unshare(settings):
        isolation["processes"] = True
        isolation["network"] = True
        size = f"size={settings['limits']['disk']},nr_inodes=2000,mode=1777"
        with contextlib.suppress(OSError):
            _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
            with contextlib.suppress(OSError):
                _read_only()
            for path in settings["hide"]:
                if os.path.isdir(path):
                    _mount("tmpfs", path, "tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV, "size=4k")
                elif os.path.exists(path):
                    _mount("/dev/null", path, None, _MS_BIND)
            _set_out_of_memory_first()
            if settings["devices"]:
                _mount("tmpfs", SCRATCH, "tmpfs", _MS_NOSUID | _MS_NODEV, size)
            else:
                _mask_devices(size)
            _mount("tmpfs", "/proc", "tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV, "size=4k")
            isolation["files"] = True
            return SCRATCH, isolation
    _set_out_of_memory_first()
    scratch = tempfile.mkdtemp(prefix="answer-", dir=SCRATCH if settings["devices"] else None)
    if os.geteuid() == 0:
        os.chmod(scratch, 0o777)
    return scratch, isolation


def _unshare(settings: dict) -> bool:
    """A process namespace and those around it; as an ordinary user by way of a user namespace."""
    flags = _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWNET
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        flags |= _CLONE_NEWUSER
    if not settings["namespaces"] or _libc.unshare(flags):
        return False
    if uid != 0:
        _prctl(_PR_SET_DUMPABLE, 1)  # otherwise these files belong to root
        for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        _prctl(_PR_SET_DUMPABLE, 0)
    return True


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    if _libc.mount(*encoded, ctypes.c_ulong(flags), None if data is None else data.encode()):
        raise OSError(ctypes.get_errno(), f"cannot mount {target}")


def _mask_devices(options: str) -> None:
    """In the place of /dev a small one, in which there is nothing but ``null`` and the child's folder."""
    _mount("tmpfs", SCRATCH, "tmpfs", _MS_NOSUID, options)
    inside = os.path.join(SCRATCH, os.path.basename(SCRATCH))
    null = os.path.join(SCRATCH, "null")
    os.mkdir(inside)
    os.chmod(inside, 0o1777)
    os.close(os.open(null, os.O_CREAT | os.O_RDWR))
    _mount("/dev/null", null, None, _MS_BIND)
    _mount(SCRATCH, os.path.dirname(SCRATCH), None, _MS_BIND | _MS_REC)


def _read_only() -> None:
    """Everything that is mounted, at once (Linux 5.12)."""
    attributes = struct.pack("<QQQQ", _MS_RDONLY, 0, 0, 0)
    if _libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes)):
        raise OSError(ctypes.get_errno(), "cannot make the file system read-only")


def _set_out_of_memory_first() -> None:
    """When memory runs out, it is the child that ends, and not the grader."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _attend(child: int, isolation: dict[str, bool]) -> int:
    """Wait for the child's end, or bring it about on SIGTERM; 0 if it ended well, else 1, or 2 if it was stopped."""
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    if _LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    status = None
    while status is None:
        done, status = os.waitpid(child, os.WNOHANG)
        if not done:
            status = None
            if stop:
                _kill(child)
            time.sleep(0.001)
    if not isolation["processes"]:
        _kill_descendants(child)
    return 2 if stop else min(1, abs(os.waitstatus_to_exitcode(status)))


def _kill(child: int) -> None:
    """The first process of a namespace takes all others with it; elsewhere the group is what can be reached."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)


def _kill_descendants(child: int) -> None:
    """What the child left behind has this process for its parent now, whatever sessions it made."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(OSError):
            for pid in os.listdir("/proc"):
                if pid.isdigit() and _parent(pid) == os.getpid():
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(int(pid), signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        time.sleep(0.001)


def _parent(pid: str) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
    return -1


# ------------------------------------------------------------------------------------------------------- the child


def _child(request: dict, settings: dict, descriptors: list[int], scratch: str, isolation: dict[str, bool]) -> None:
    """Never returns. From `_answer` on, whatever happens here is the submission's doing."""
    code = 1
    try:
        if _LINUX:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(scratch)
        given, send = _keep_only(descriptors)
        isolation["user"] = _drop_privileges(settings)
        _limit(settings["limits"], settings["used"])
        os.environ.clear()
        os.environ.update(settings["environment"], HOME=scratch, TMPDIR=scratch)
        tempfile.tempdir = None
        if request["kind"] == "probe":
            _write(send, _probe(scratch, isolation))
        elif request["kind"] == "inspect":
            _inspect(request, given, send)
        else:
            _answer(given, send)
        code = 0
    finally:
        os._exit(code)


def _keep_only(descriptors: list[int]) -> tuple[int, int]:
    """Descriptors 0 to 2 lead nowhere, 3 is what was sent, 4 takes the results, and there are no others."""
    given, send = (os.dup2(d, 60 + i) for i, d in enumerate(descriptors))
    null = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, null), (1, null), (2, null), (3, given), (4, send)):
        os.dup2(source, target)
    os.closerange(5, 4096)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", closefd=False)  # noqa: SIM115
    return 3, 4


def _drop_privileges(settings: dict) -> bool:
    """Root becomes a user that owns nothing; nobody gains anything any more. Whether it is another user now."""
    other = False
    identity = settings["identity"]
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(identity, identity, identity)
            os.setresuid(identity, identity, identity)
            other = True
    if _LINUX:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        header, none = struct.pack("<Ii", 0x20080522, 0), bytes(24)
        _libc.capset(header, none)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user forgets it
    return other


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


def _write(send: int, data: bytes) -> None:
    frame = memoryview(struct.pack("<Q", len(data)) + data)
    while frame:
        frame = frame[os.write(send, frame) :]


def _inspect(request: dict, given: int, send: int) -> None:
    """What functions there are, and the cells, so that nobody has to read a large notebook again. Runs nothing."""
    from her_course import plain
    from her_course.grading import extraction

    answer: dict[str, Any]
    try:
        with open(given, "rb", closefd=False) as file:
            data = file.read(request["limit"] + 1)
        if len(data) > request["limit"]:
            raise extraction.Unreadable("too_large")
        cells = extraction.read_cells(data, request["suffix"])
        del data
        source = extraction.parse(cells, request["suffix"] == ".py")
        answer = {"status": "ok", "cells": cells, "found": extraction.inspect(source, request["names"])}
    except extraction.Unreadable as error:
        answer = {"status": str(error)}
    _write(send, plain.encode(answer))


def _answer(given: int, send: int) -> None:
    """A frame on the function itself, then one for each call."""
    from her_course import plain
    from her_course.exercises.model import Call
    from her_course.exercises.running import Capped, _message, pack, perform
    from her_course.grading import extraction

    with open(given, "rb", closefd=False) as file:
        request = plain.decode(file.read())
    os.close(given)
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Capped()
    try:
        source = extraction.parse(request["cells"], request["script"])
        function = extraction.build(source, request["name"])
    except BaseException as error:
        _write(send, plain.encode(("raised", _message(error))))
        return
    _write(send, plain.encode(("ready", "")))
    for call in request["calls"]:
        _write(send, pack(perform(function, Call(*plain.decode(call)))))


def _probe(scratch: str, isolation: dict[str, bool]) -> bytes:
    """What a submission could do here, found out by trying."""
    from importlib.util import find_spec

    from her_course import plain

    def writable(folder: str) -> bool:
        try:
            handle, path = tempfile.mkstemp(dir=folder)
        except OSError:
            return False
        os.close(handle)
        os.unlink(path)
        return True

    def present(module: str) -> bool:
        try:
            found = find_spec(module)
            return found is not None and bool(open(found.origin, "rb").read(1))
        except (ImportError, OSError, AttributeError):
            return False

    answers = "her_course.exercises.reference", "her_course.exercises.hidden.ch1"
    return plain.encode(
        {
            "processes": os.getpid() == 1,
            "network": not isolation["network"] and any(name != "lo" for _, name in socket.if_nameindex()),
            "files": any(
                map(writable, ("/", "/tmp", "/var/tmp", os.path.dirname(__file__), os.path.expanduser("~root")))
            ),
            "answers": any(map(present, answers)),
            "proc": os.path.exists("/proc/self/status"),
            "user": isolation["user"] or os.geteuid() != 0,
            "scratch": writable(scratch),
        }
    )


def _prctl(option: int, value: int) -> None:
    _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


if __name__ == "__main__":
    main()
