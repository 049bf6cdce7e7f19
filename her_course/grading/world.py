"""The world that a notebook's functions live in: its cells run in order, as in a kernel, then calls are made.

Nothing here is trusted once the first cell has run. What a kernel gives for free is there (`display`, `get_ipython`,
magics); `check`, `hint`, `attempt`, `progress` and figures that are shown cost nothing; the shell and pip do nothing.
"""

import ast
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets.config import Config

from her_course import plain
from her_course.exercises.model import Call
from her_course.exercises.running import PATIENCE, describe_error, each_forked, pack
from her_course.grading import system_calls

MAGICS = {"time", "capture", "writefile"}  # the others change nothing that a function computes
BESIDE = 0.25  # CPU seconds of a cell that no answer depends on, such as a plot or a training run
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


class Shell(InteractiveShell):
    """IPython's, without history, and without anything that leaves the process."""

    def __init__(self):
        config = Config()
        config.HistoryManager.enabled = False
        with tempfile.TemporaryDirectory() as folder:
            super().__init__(config=config, ipython_dir=folder)

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        return super().run_line_magic(magic_name, line, _stack_depth + 1) if magic_name in MAGICS else None

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        return super().run_cell_magic(magic_name, line, cell) if magic_name in MAGICS else None

    def system(self, cmd: str) -> None:
        return None

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        return SList() if split else ""

    def ask_exit(self) -> None:
        return None

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        return None

    showsyntaxerror = showindentationerror = showtraceback


def prepare() -> Shell:
    """A shell in which no cell has run yet, and the course's own functions replaced by some that cost nothing."""
    import her_course
    import her_course.checks

    result = SimpleNamespace(passed=True, score=0, maximum=0, status="passed", misconception=None, cases=())
    stand_ins = {
        "check": lambda answer: result,
        "hint": lambda exercise, level=None: None,
        "progress": lambda: None,
        "attempt": lambda task, *arguments, **keywords: None,
        "or_reference": lambda answer: answer,
        "reference": lambda exercise: _not_done,
    }
    for name, function in stand_ins.items():
        setattr(her_course, name, function)
        setattr(her_course.checks, name, function)
    with contextlib.suppress(ImportError):
        import matplotlib

        matplotlib.use("agg")
        import matplotlib.pyplot as plt

        import her_course.figures.display

        for module in (her_course.figures, her_course.figures.display):
            for name in ("show", "animate"):
                setattr(module, name, lambda *arguments, **keywords: plt.close("all"))
    return Shell()


def _not_done(*arguments: Any, **keywords: Any) -> None:
    raise NotImplementedError


def run_cells(
    shell: Shell,
    cells: Sequence[str],
    linked: Sequence[bool],
    skip: Collection[int],
    limits: dict[str, float],
    tell: Callable[[int], None],
) -> dict[int, str]:
    """Run a notebook's cells in order. One that fails or takes too long costs only itself.

    Args:
        linked: for each cell whether an answer depends on it; the others get less time.
        skip: cells of which only definitions and imports are run, as of all once the time for all is used up.
        limits: ``cell`` and ``cells``: CPU seconds of one and of all.
        tell: called with the number of each cell before it runs.

    Returns:
        For each cell that failed what it raised.
    """
    failed, left = {}, limits["cells"]
    for i, cell in enumerate(cells):
        tell(i)
        began = time.process_time()
        if i in skip or left <= 0:
            _run_definitions(shell, cell)
            continue
        error = _run(shell, cell, min(left, limits["cell"] if linked[i] else BESIDE))
        left -= time.process_time() - began
        if error is not None:
            failed[i] = describe_error(error)
    return failed


def _run(shell: Shell, cell: str, seconds: float) -> BaseException | None:
    """What a cell raised. One that takes too long is interrupted, and of its rest definitions and imports are run."""
    over: list[int] = []

    def interrupt(*_: object) -> None:
        over.append(1)
        raise KeyboardInterrupt

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, seconds), signal.SIGALRM: (signal.ITIMER_REAL, PATIENCE * seconds)}
    for number, (timer, after) in timers.items():
        signal.signal(number, interrupt)
        signal.setitimer(timer, after, 0.1)  # again and again, where it is caught
    try:
        result = shell.run_cell(cell, silent=True)
        error = result.error_before_exec or result.error_in_exec
    except BaseException as raised:
        error = raised
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, signal.SIG_IGN)
    if not over:
        return error
    _run_definitions(shell, cell, after=_line(error))
    return None


def _line(error: BaseException | None) -> int:
    """The line of a cell at which it was interrupted."""
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "<module>":
            return trace.tb_lineno
        trace = trace.tb_next
    return 0


def _run_definitions(shell: Shell, cell: str, after: int = 0) -> None:
    """Of a cell, from behind a line on, what defines and imports: each by itself."""
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        for node in ast.parse(shell.transform_cell(cell)).body:
            if isinstance(node, _DEFINES) and node.lineno > after:
                shell.run_cell(ast.unparse(node), silent=True)


def serve(shell: Shell, receive: Callable[[], bytes], send: Callable[[bytes], None], limits: dict[str, float]) -> None:
    """Build the world that the first frame asks for, then make the calls of each further one, in forks of it.

    Sends the number of each cell as it begins, what failed, and for each function whether it is there and then one
    outcome for each call.
    """
    cells, linked, skip = plain.decode(receive())
    world = os.getpid()

    def settle() -> None:
        os.setsid()
        system_calls.protect(world)

    failed = run_cells(shell, cells, linked, skip, limits, lambda i: send(plain.encode(i)))
    send(plain.encode(failed))
    while task := receive():
        name, seconds, calls = plain.decode(task)
        function = shell.user_ns.get(name)
        send(plain.encode(callable(function)))
        if callable(function):
            for outcome in each_forked(function, seconds, [Call(*plain.decode(call)) for call in calls], settle):
                send(pack(outcome))
    os._exit(0)
