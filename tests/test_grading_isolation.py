"""`her grade` isolates or refuses; what was open is said; hidden cases reach no page; nothing outlives the grader."""

import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grading_samples as samples
import numpy as np
import psutil
import pytest
import tqdm
from click.testing import CliRunner

from her.cli import main
from her_course.exercises import registry
from her_course.exercises.model import Call, Outcome
from her_course.exercises.results import judge_exercise
from her_course.exercises.running import lost
from her_course.grading import process as processes
from her_course.grading.classes import Grading
from her_course.grading.confinement import COURSE, bubblewrap
from her_course.grading.process import SandboxError
from her_course.grading.reports import file_names, write_all
from her_course.grading.sandbox import Limits, Sandbox, Task


def ask(sandbox: Sandbox, code: str, *names: str) -> list[Outcome]:
    """What came of calling functions of a notebook without arguments."""
    return [outcomes[0] for _, outcomes, _ in sandbox.run([code], [Task.of(name, 5.0, [Call()]) for name in names])]


BUBBLEWRAP = pytest.mark.skipif(samples.KIND != "bubblewrap", reason="bubblewrap is not installed, or not asked for")


def submit(folder: Path, student: str, code: str) -> None:
    (folder / student).mkdir(parents=True)
    (folder / student / "ch1.ipynb").write_bytes(samples.notebook([code]))


def pages(out: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(out.rglob("*.html")))


# ------------------------------------------------------------------------------------------------------- fail closed


def test_without_bubblewrap_it_stops_at_once_and_says_what_to_install(tmp_path):
    submit(tmp_path / "s", "ann", "def sparse_reward(*a): return 0.0")
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-m", "her.cli", "grade", str(tmp_path / "s"), "--out", str(tmp_path / "out")]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PATH": f"{tmp_path / 'empty'}"})
    assert done.returncode not in (0, None)
    assert time.monotonic() - began < 30  # it takes a second or two; the machine may be busy
    assert "apt install bubblewrap" in done.stderr
    assert "--sandbox limits" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists(), "the same command works once it is installed"


def test_a_bubblewrap_that_the_system_forbids_is_said_so_at_once(tmp_path, monkeypatch):
    forbidden = tmp_path / "bwrap"
    forbidden.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "s").mkdir()
    done = CliRunner().invoke(main, ["grade", f"{tmp_path / 's'}", "--out", f"{tmp_path / 'out'}"])
    assert done.exit_code == 1
    assert "No permissions" in done.output
    assert "--sandbox limits" in done.output


def test_a_sandbox_whose_process_dies_at_its_start_is_noticed_at_once(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    began = time.monotonic()
    with pytest.raises(SandboxError, match="does not start"):
        Sandbox(kind="limits")
    assert time.monotonic() - began < 10


@BUBBLEWRAP
def test_a_python_that_the_sandbox_cannot_see_whole_is_noticed_at_once(monkeypatch):
    whole = bubblewrap((), 2**20)
    numpy = Path(np.__file__).resolve().parent
    monkeypatch.setattr(processes, "bubblewrap", lambda hide, disk: [*whole[:-1], "--tmpfs", str(numpy), "--"])
    with pytest.raises(SandboxError, match="numpy"):
        Sandbox()


@BUBBLEWRAP
def test_a_sandbox_in_which_late_imports_fail_is_refused(monkeypatch):
    import click

    whole = bubblewrap((), 2**20)
    hidden = ["--ro-bind", os.devnull, str(Path(click.__file__).resolve().parent / "testing.py")]
    monkeypatch.setattr(processes, "bubblewrap", lambda hide, disk: [*whole[:-1], *hidden, "--"])
    with pytest.raises(SandboxError, match=r"click\.testing"):
        Sandbox()


# ------------------------------------------------------------------------------------------- what is said, and shown

PRYING = """
import pathlib, sys
def sparse_reward(a, d, threshold):
    found = []
    for path in {paths!r}:
        try: found.append(pathlib.Path(path).read_text()[:200])
        except OSError: pass
    print("PRINTED", found)
    if a.ndim > 1: raise ValueError("RAISED " + repr(found))
    return "RETURNED " + repr(found)
"""


@pytest.mark.parametrize("kind", ["bubblewrap", "limits"])
def test_private_files_and_hidden_cases_are_unread_or_the_report_says_so(kind, tmp_path):
    if kind == "bubblewrap" and kind != samples.KIND:
        pytest.skip("bubblewrap is not installed, or not asked for")
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET of whoever grades")
    secret.chmod(0o600)
    hidden = COURSE / "exercises" / "hidden" / "ch1.py"
    submit(tmp_path / "s", "ann", PRYING.format(paths=[str(secret), str(hidden)]))
    done = CliRunner().invoke(
        main,
        ["grade", f"{tmp_path / 's'}", "--out", f"{tmp_path / 'out'}", "--chapter=1", "--jobs=1", f"--sandbox={kind}"],
    )
    assert done.exit_code == 0, done.output
    shown = pages(tmp_path / "out")
    assert "SECRET" not in shown
    assert "Hidden cases of chapter" not in shown
    if kind == "bubblewrap":
        assert "No submission saw the network" in shown
        assert "RETURNED" in shown
    else:
        assert "solutions and hidden cases could be read" in shown
        for said in ("PRINTED", "RETURNED", "RAISED"):
            assert said not in shown
    if os.geteuid() and kind == "limits":
        assert "the files of whoever graded could be read" in shown


LIBRARY = Path(tqdm.__file__).resolve().parent  # something that the sandbox shows


@pytest.fixture(scope="module")
def bubblewrapped():
    with Sandbox(hide=[LIBRARY / "gui.py", LIBRARY / "contrib"]) as sandbox:
        yield sandbox


@BUBBLEWRAP
def test_a_class_zip_is_hidden_wherever_it_lies(bubblewrapped):
    file, folder = str(LIBRARY / "gui.py"), str(LIBRARY / "contrib")
    code = f"import os\ndef f(): return os.listdir({folder!r})\ndef g(): return open({file!r}).read()"
    listed, read = ask(bubblewrapped, code, "f", "g")
    assert listed.value == []
    assert not read.value
    assert "submissions" not in bubblewrapped.isolation.open


@BUBBLEWRAP
def test_what_reaches_past_namespaces_is_closed(bubblewrapped):
    code = """
import ctypes, os, socket
def sockets():
    found = []
    for family in range(1, 46):
        try: socket.socket(family, socket.SOCK_STREAM).close(); found.append(family)
        except OSError: pass
    return found
def keyrings():
    return ctypes.CDLL(None, use_errno=True).syscall({keyctl}, 0, -3, 1)
"""
    keyctl = {"x86_64": 250, "aarch64": 219}.get(platform.machine())
    if keyctl is None:
        pytest.skip("this processor's system calls are not known")
    found, ring = ask(bubblewrapped, code.format(keyctl=keyctl), "sockets", "keyrings")
    assert set(found.value) <= {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}
    assert ring.value == -1


# ------------------------------------------------------------------------------------------------------ hidden cases

# Each brings what it can see of other calls' inputs to `out`, which an answer prints, raises and returns.
WAYS = {
    "frames": "frame = sys._getframe()\nwhile frame:\n"
    "    out.append(repr(frame.f_locals)[:3000])\n    frame = frame.f_back",
    "garbage": "out.extend(repr(o)[:200] for o in gc.get_objects() if type(o) in (tuple, list, dict))",
    "arrays": "out.extend(repr(o)[:300] for o in gc.get_objects() if type(o) is np.ndarray)",
    "what it is given": "out.append(repr((a, d)))",
    "a list of its module": "kept.append(repr((a, d)))\nout.extend(kept)",
    "a file": "open('kept', 'a').write(repr((a, d)))\nout.append(open('kept').read())",
    "a file of the home": "p = os.path.expanduser('~/kept')\n"
    "open(p, 'a').write(repr((a, d)))\nout.append(open(p).read())",
    "files elsewhere": "for p in ('/tmp/kept', '/var/tmp/kept', '/dev/shm/kept'):\n"
    "    try: open(p, 'a').write(repr((a, d))); out.append(open(p).read())\n    except OSError: pass",
    "the pipes": "for fd in range(3, 20):\n    try: os.set_blocking(fd, False); out.append(repr(os.read(fd, 10**6)))\n"
    "    except OSError: pass",
    "shared memory": "from multiprocessing import shared_memory\ntry:\n"
    "    m = shared_memory.SharedMemory('kept', True, 9999)\n"
    "except FileExistsError: m = shared_memory.SharedMemory('kept')\nout.append(repr(bytes(m.buf[:3000])))\n"
    "m.buf[:2000] = repr((a, d)).encode()[:2000].ljust(2000)",
    "the environment": "os.environ['KEPT'] = repr((a, d))\nout.append(os.environ['KEPT'])",
    "a subprocess": "import subprocess\n"
    "try: subprocess.Popen(['/bin/sleep', '99'], env={'KEPT': repr(a)})\nexcept OSError: pass\n"
    "out.append(repr((a, d)))",
    "the length of what it prints": "print('x' * int(abs(np.ravel(a)[0] * 100)))\nout.append(repr(a))",
}


@pytest.fixture(scope="module")
def brought_out(tmp_path_factory):
    """A class that tries, graded twice with the same seed, and what the hidden inputs look like."""
    folder = tmp_path_factory.mktemp("ways")
    for name, code in WAYS.items():
        body = "\n".join("    " + line for line in code.splitlines())
        answer = (
            "import gc, os, sys\nimport numpy as np\nkept = []\ndef sparse_reward(a, d, threshold):\n    out = []\n"
        )
        answer += body + "\n    text = ' '.join(out)\n    print(text)\n"
        answer += "    if a.ndim == 1: return text[-200_000:]\n    raise ValueError(text)\n"
        submit(folder / "s", name, answer)
    for attempt in range(2):
        grading = Grading(folder / "s", folder / "out", [1], seed=11, kind=samples.KIND, resume=attempt > 0)
        grading.run()
        write_all(grading, "en")
    exercise = registry.find("sparse_reward")
    calls: list[Call] = []
    judge_exercise(exercise, lambda asked: calls.extend(asked) or [lost("not_run")] * len(asked), 11, True)
    public: list[Call] = []
    judge_exercise(exercise, lambda asked: public.extend(asked) or [lost("not_run")] * len(asked), 11, False)
    words = {word for call in calls[len(public) :] for array in call.arguments[:2] for word in numbers(repr(array))}
    return grading, words - {word for call in public for array in call.arguments[:2] for word in numbers(repr(array))}


def numbers(text: str) -> set[str]:
    """Numbers of so many digits that they are somebody's."""
    return set(re.findall(r"\d\.\d{5,}", text))


@pytest.mark.parametrize("way", WAYS)
def test_no_way_brings_a_hidden_input_to_a_page(way, brought_out):
    grading, words = brought_out
    assert len(words) > 20
    page = (grading.out / "feedback" / file_names(grading.students)[way]).read_text(encoding="utf-8")
    assert not numbers(page) & words
    kept = json.dumps(grading.records(way))
    assert not numbers(kept) & words, "nor is one kept where a page could be made of it"


def test_an_answer_sees_the_inputs_of_its_hidden_cases_in_no_public_call(brought_out):
    grading, _ = brought_out
    row = grading.records("what it is given")[0]["rows"][0]
    assert {case["got"][1] for case in row["cases"] if case["hidden"]} == {""}
    assert any("array" in case["got"][1] or "array" in case["printed"] for case in row["cases"] if not case["hidden"])


# ------------------------------------------------------------------------------------------- it ends with the grader


@pytest.mark.parametrize(("how", "jobs"), [(signal.SIGKILL, 2), (signal.SIGTERM, 1)])
def test_all_processes_end_with_the_grader(how, jobs, tmp_path):
    code = "import os, time\ndef sparse_reward(a, d, t):\n    if os.fork() == 0: os.setsid()\n    time.sleep(1000)\n"
    for i in range(3):
        submit(tmp_path / "s", f"s{i}", code)
    command = [sys.executable, "-m", "her.cli", "grade", f"{tmp_path / 's'}", "--out", f"{tmp_path / 'out'}", "--quiet"]
    command += ["--chapter=1", f"--jobs={jobs}", f"--sandbox={samples.KIND}"]
    grader = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    ours, deadline = psutil.Process(grader.pid), time.monotonic() + 120

    def sleeping() -> list[psutil.Process]:
        return [p for p in ours.children(recursive=True) if depth(p, ours) >= 4]

    while not sleeping():
        assert grader.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    left = ours.children(recursive=True)
    os.kill(grader.pid, how)
    grader.wait(20)
    _, alive = psutil.wait_procs(left, timeout=10)
    alive = [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert alive == []


def depth(process: psutil.Process, above: psutil.Process) -> int:
    """How many generations a process is below another one; 0 if it is gone."""
    try:
        return [parent.pid for parent in process.parents()].index(above.pid) + 1
    except (psutil.NoSuchProcess, ValueError):
        return 0


# ------------------------------------------------------------------------------------------ the grader's own work


def test_a_large_result_costs_the_grader_nothing(tmp_path):
    code = "import numpy as np\ndef {}(*a, **k):\n    return np.ones(9 * 2**20, np.uint8)\n"
    (tmp_path / "s" / "ann").mkdir(parents=True)
    names = [exercise.name for exercise in registry.of_chapter(6)]
    (tmp_path / "s" / "ann" / "ch6.py").write_text("\n".join(map(code.format, names)))
    grading = Grading(tmp_path / "s", tmp_path / "out", [6], seed=1, kind=samples.KIND)
    used = time.process_time()
    grading.run()
    assert time.process_time() - used < 20
    for row in grading.records("ann")[0]["rows"]:
        assert row["status"] == "failed"
        assert "cannot be judged" in row["cases"][0]["got"][1]


def test_limits_of_a_world_are_those_that_were_asked_for():
    code = "import numpy as np\ndef f(): return float(np.ones(10**9).sum())"
    with Sandbox(kind=samples.KIND, limits=Limits(memory=2**29)) as sandbox:
        (outcome,) = ask(sandbox, code, "f")
    assert "MemoryError" in outcome.error.message
