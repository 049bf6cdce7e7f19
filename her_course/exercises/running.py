"""Runners: perform the calls of a check, in a process of their own where the system can fork, otherwise in a thread.

`perform` makes a single call, with whatever guards there are around it; other runners build on it.
"""

import contextlib
import ctypes
import io
import linecache
import os
import select
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence

from her_course import plain
from her_course.exercises.model import Call, Outcome, Problem, Runner

PRINTED = 4000  # characters kept of what an answer prints
VALUE = 256 * 2**10  # bytes of a value; the largest that is asked for takes a tenth of it
PATIENCE = 4  # times its limit that a call may take where the machine is busy with other things
STRIKES = 2  # calls that hang or end the process, after which the rest is not run
MEMORY = 4 * 2**30  # bytes that a forked answer may ask for, on top of what the notebook has

CAN_FORK = hasattr(os, "fork") and sys.platform not in ("darwin", "emscripten")


class Capped(io.TextIOBase):
    """A file that keeps the beginning of what is written, and forgets the rest."""

    def __init__(self, limit: int = PRINTED):
        self.parts, self.left = [], limit

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.left > 0:
            self.parts.append(str(text[: self.left]))
            self.left -= len(self.parts[-1])
        return len(text)

    def text(self) -> str:
        return "".join(self.parts)


def perform(function: Callable, call: Call) -> Outcome:
    """Make one call, with copies of its arguments, and put down what comes of it. Nothing gets out but `Outcome`."""
    arguments, keywords = plain.normalise((call.arguments, call.keywords))
    printed, value, problem = Capped(), None, None
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = function(*arguments, **keywords)
    except NotImplementedError:
        problem = Problem("not_done", "NotImplementedError")
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: an answer may raise what it likes
        problem = Problem("raised", describe_error(error))
    if problem is None:
        try:
            value = plain.decode(plain.encode(value, VALUE))
        except Exception as error:
            what = str(error) if type(error) is plain.NotPlain else describe_error(error)
            value, problem = None, Problem("refused", what)
    try:
        after = plain.normalise((arguments, keywords))
    except Exception:  # an argument was turned into something else
        after = ((), {})
    return Outcome(value, problem, after, printed.text())


def trusted(function: Callable, call: Call) -> Outcome:
    """As `perform`, for a function of the course's own that neither prints nor changes its arguments."""
    try:
        return Outcome(function(*call.arguments, **call.keywords))
    except Exception as error:
        return Outcome(error=Problem("raised", describe_error(error)))


def describe_error(error: BaseException) -> str:
    """ "ValueError: what it says", and the line of the answer that it came from."""
    try:
        text = traceback.format_exception_only(type(error), error)[-1].strip()
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        own = [f for f in frames if "site-packages" not in f.filename and "/her/" not in f.filename] or frames
        line = (linecache.getline(own[-1].filename, own[-1].lineno) or own[-1].line or "").strip() if own else ""
        return text[:300] + (f"  ←  {line[:100]}" if line else "")
    except Exception:  # its own __str__ fails
        return type(error).__name__


def pack(outcome: Outcome) -> bytes:
    """As bytes that `unpack` reads."""
    error = None if outcome.error is None else tuple(outcome.error)
    try:
        return plain.encode((outcome.value, error, outcome.arguments_after, outcome.printed))
    except plain.NotPlain as refused:
        return plain.encode((None, ("refused", str(refused)), None, outcome.printed))


def unpack(data: bytes) -> Outcome:
    """What `pack` was given; the bytes may be anybody's.

    Raises:
        her_course.plain.Malformed: `pack` made no such bytes.
    """
    match plain.decode(data):
        case tuple((value, None | tuple((str(), str())) as error, None | tuple((tuple(), dict())) as after, str(said))):
            return Outcome(value, error and Problem(*error), after, said)
    raise plain.Malformed("data: no outcome")


def lost(kind: str) -> Outcome:
    """The outcome of a call that never came back: "timed_out", "died" or "not_run"."""
    return Outcome(error=Problem(kind, ""))


def here(function: Callable) -> Runner:
    """A runner without any guard, in this very process: for answers that are trusted."""
    return lambda calls: [perform(function, call) for call in calls]


def guarded(function: Callable, seconds: float) -> Runner:
    """A runner that nothing in `function` can hang or end: a forked child, or, where there is no fork, a thread."""
    if not CAN_FORK:
        return threaded(function, seconds)
    return lambda calls: list(each_forked(function, seconds, calls))


# ------------------------------------------------------------------------------------------------------------- by fork


def each_forked(
    function: Callable, seconds: float, calls: Sequence[Call], settle: Callable[[], object] = lambda: None
) -> Iterator[Outcome]:
    """In a forked child, one outcome after the other; one that takes longer than `seconds` ends it, for a new child.

    The child calls `settle` before it makes any call.
    """
    done = strikes = 0
    while done < len(calls) and strikes < STRIKES:
        child, pipe = _fork(function, calls[done:], settle)
        try:
            lost_one = False
            while not lost_one and done < len(calls):
                data = _receive(pipe, child, seconds / 3 if strikes else seconds)
                lost_one = isinstance(data, str)
                done += 1
                yield lost(data) if lost_one else _unpack_or_died(data)
            strikes += lost_one
        finally:
            os.close(pipe)
            for kill in (os.killpg, os.kill):  # all that it forked too, if `settle` made it the leader of a group
                with contextlib.suppress(ProcessLookupError):
                    kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    yield from [lost("not_run")] * (len(calls) - done)


def _unpack_or_died(data: bytes) -> Outcome:
    try:
        return unpack(data)
    except plain.Malformed:
        return lost("died")


def _fork(function: Callable, calls: Sequence[Call], settle: Callable[[], object]) -> tuple[int, int]:
    """A child that performs the calls; its process id, and where it writes the outcomes."""
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a kernel has threads; the child uses none of their locks
        child = os.fork()
    if child:
        os.close(send)
        return child, receive
    try:
        os.closerange(3, send)  # of whoever forked, such as the sockets of a kernel
        os.closerange(send + 1, 65536)
        _settle_child()
        settle()
        for call in calls:
            data = pack(perform(function, call))
            frame = memoryview(struct.pack("<Q", len(data)) + data)
            while frame:
                frame = frame[os.write(send, frame) :]
    finally:
        os._exit(0)


def end_with_parent() -> None:
    """From now on this process is killed when the one that started it ends, however that came about (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG


def _settle_child() -> None:
    """Be quiet, stay small, and stay off the threads of the parent, which a fork leaves behind."""
    end_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Capped()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))


def _receive(pipe: int, child: int, seconds: float) -> bytes | str:
    """One frame, or what went wrong: "timed_out", "died".

    On a busy machine seconds pass in which the child did not get to run: as long as it uses what CPU time it gets, and
    had not its share, it may take up to `PATIENCE` times as long.
    """
    start = time.monotonic()
    deadline, patience = start + seconds, start + PATIENCE * seconds
    first = last = _cpu_seconds(child)
    data = bytearray()
    need = 8
    while len(data) < need:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            now = _cpu_seconds(child)
            if now - last < 0.01 or now - first >= 0.9 * seconds or time.monotonic() >= patience:
                return "timed_out"
            last, deadline = now, min(time.monotonic() + seconds - (now - first), patience)
            continue
        part = os.read(pipe, min(need - len(data), 1 << 20))
        if not part:
            return "died"
        data += part
        if len(data) == need == 8:
            need += struct.unpack("<Q", data)[0]
            if need > 2 * plain.MAX_BYTES:
                return "died"
    return bytes(data[8:])


def _cpu_seconds(process: int) -> float:
    """CPU time that a process has used so far; 0 where unknown."""
    try:
        return time.clock_gettime(~process << 3 | 2)  # the number that clock_getcpuclockid(3) gives on Linux
    except OSError:
        return 0.0


# ----------------------------------------------------------------------------------------------------------- by thread


def threaded(function: Callable, seconds: float) -> Runner:
    """In a thread that is given up, though it cannot be stopped, when a call takes longer than `seconds`."""

    def run(calls: Sequence[Call]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        strikes = 0
        for call in calls:
            if strikes == STRIKES:
                outcomes.append(lost("not_run"))
                continue
            box: list[Outcome] = []
            stdout, stderr = sys.stdout, sys.stderr
            thread = threading.Thread(target=_put, args=(box, function, call), daemon=True)
            thread.start()
            thread.join(seconds)
            sys.stdout, sys.stderr = stdout, stderr  # which a thread that hangs has not given back
            strikes += not box
            outcomes.append(box[0] if box else lost("timed_out"))
        return outcomes

    return run


def _put(box: list[Outcome], function: Callable, call: Call) -> None:
    box.append(perform(function, call))
