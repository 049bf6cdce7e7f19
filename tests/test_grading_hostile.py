"""Submissions that hang, crash, pry or cheat: each is graded rightly, and none costs another its grade."""

import json
import os
import stat
import time
import zipfile
from pathlib import Path

import grading_samples as samples
import numpy as np
import psutil
import pytest
import torch

from her_course import plain
from her_course.exercises.model import Call, Outcome
from her_course.grading import submissions
from her_course.grading.classes import Grading
from her_course.grading.marking import Settings
from her_course.grading.process import SandboxError
from her_course.grading.reports import write_all
from her_course.grading.sandbox import Limits, Sandbox, Task

SECRET = "the secret of whoever grades"

# Each defines `trick`, which an otherwise right `sparse_reward` calls first; and says what the row has to say then.
TRICKS = {
    "infinite loop": ("while True: pass", {"timed_out"}),
    "os._exit": ("import os; os._exit(0)", {"died"}),
    "sys.exit": ("played.clear(); import sys; sys.exit(0)", {"failed"}),
    "kills itself": ("import os, signal; os.kill(os.getpid(), 9); os.abort()", {"died", "failed"}),
    "kills everybody": ("import os; os.kill(-1, 9)", {"died", "failed", "partial", "passed"}),
    "deep recursion": ("played.clear(); trick()", {"failed"}),
    "bottomless recursion": ("import sys; sys.setrecursionlimit(10**9); trick()", {"died", "failed", "timed_out"}),
    "memory bomb": (
        "played.clear()\nkept = []\nwhile True: kept.append(bytearray(10**8))",
        {"failed", "died", "timed_out"},
    ),
    "process bomb": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        {"timed_out", "died"},
    ),
    "thread bomb": (
        "import threading, time\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(999,)).start()\n"
        "    except RuntimeError: break",
        {"passed"},
    ),
    "prints a gigabyte": ("import sys\nfor _ in range(100): sys.stdout.write('x' * 10**6)", {"passed"}),
    "prints a gigabyte past Python": (
        "import os\nfor fd in (1, 2):\n    for _ in range(100): os.write(fd, b'x' * 10**6)",
        {"passed"},
    ),
    "writes a gigabyte": (
        "try:\n    for i in range(100):\n        with open(f'big{i}', 'wb') as file: file.write(bytes(10**7))\n"
        "except OSError: pass\nelse: raise SystemError('nobody stopped it')",
        {"passed"},
    ),
    "sleeping thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=(999,), daemon=False).start()",
        {"passed"},
    ),
    "daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    time.sleep(999)",
        {"passed"},
    ),
    "deaf to signals": (
        "import signal\nfor n in range(1, 65):\n"
        "    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        {"timed_out"},
    ),
    "lifts its limits": (
        "import resource\nfor name in ('RLIMIT_CPU', 'RLIMIT_AS', 'RLIMIT_NPROC', 'RLIMIT_FSIZE'):\n"
        "    try: resource.setrlimit(getattr(resource, name), (resource.RLIM_INFINITY,) * 2)\n"
        "    except ValueError: continue\n    else: raise SystemError(name)",
        {"passed"},
    ),
    "patches the judge's tools": (
        "import numpy as np, json, her.rewards, her_course.exercises.running as r, her_course.plain as p\n"
        "np.allclose = np.isclose = np.array_equal = lambda *a, **k: True\n"
        "json.dumps = json.loads = lambda *a, **k: 'passed'\n"
        "her.rewards.sparse_reward = lambda *a: 0.0\n"
        "p.encode = p.decode = r.pack = r.perform = lambda *a, **k: b'passed'",
        {"died", "failed"},
    ),
    "calls home": ("played.clear(); import socket; socket.create_connection(('1.1.1.1', 53), timeout=0.3)", {"failed"}),
}

# What limits of time, memory and output alone do not stop.
UNSTOPPED = {"writes a gigabyte", "calls home"}

# Each looks for what it must not see, and is right if it finds nothing.
PRYING = {
    "solutions": """
    import importlib, pathlib
    for name in ("reference", "ch1", "judging", "registry", "hidden", "hidden.ch1"):
        try:
            module = importlib.import_module("her_course.exercises." + name)
            found.append(open(module.__file__).read(10))
        except (ImportError, OSError, TypeError): pass
    import her_course
    package = pathlib.Path(her_course.__file__).parent
    exercises = package / "exercises"
    for path in [*package.parent.glob("solutions/*"), *exercises.glob("weights.toml"), *exercises.glob("hidden/*")]:
        try: found.append(path.read_bytes()[:9] or None)
        except OSError: pass
    found[:] = [f for f in found if f]
    """,
    "other submissions": """
    import os
    for folder in FOLDERS:
        try: found.extend(os.listdir(folder))
        except OSError: pass
    """,
    "environment": """
    import os, glob
    found.extend(v for v in os.environ.values() if SECRET in v)
    for path in glob.glob("/proc/*/environ"):
        try: found.extend([path] if SECRET.encode() in open(path, "rb").read() else [])
        except OSError: pass
    """,
    "processes": """
    import os
    try: found.extend(name for name in os.listdir("/proc") if name.isdigit())
    except OSError: pass
    for pid in range(2, 3000):
        try: os.kill(pid, 0); found.append(pid) if pid != os.getpid() else None
        except OSError: pass
    """,
    "memory": """
    import gc, sys
    frame = sys._getframe()
    while frame:
        for name, value in frame.f_locals.items():
            if type(value).__name__ in ("Case", "Exercise", "Verdict", "Misconception", "Submission", "Sandbox"):
                found.append(name)
        frame = frame.f_back
    for thing in gc.get_objects():
        if type(thing).__name__ in ("Case", "Exercise", "Verdict", "Misconception", "Submission", "Sandbox"):
            found.append(type(thing).__name__)
        if type(thing) is dict and {"expected", "judge"} & {k for k in thing if type(k) is str} and "cases" in thing:
            found.append("cases")
    """,
    "descriptors": """
    import os, stat
    for fd in range(3, 256):
        try: mode = os.fstat(fd).st_mode
        except OSError: continue
        if not stat.S_ISFIFO(mode): found.append(fd)
    """,
    "writing elsewhere": """
    import os, tempfile, her, sys
    for folder in ("/", "/tmp", "/var/tmp", "/usr", os.path.dirname(her.__file__), sys.prefix):
        try:
            with open(os.path.join(folder, "was-here"), "w"): found.append(folder)
        except OSError: pass
    """,
}

# Each is what `sparse_reward` returns or does instead of an answer; none may count as one.
FAKES = {
    "faked equality": "class F(float):\n    __eq__ = lambda *a: True\n    __hash__ = float.__hash__\nreturn F(-1)",
    "faked array": "class F:\n    def __array__(self, *a, **k): return __import__('numpy').zeros(())\n"
    "    def __float__(self): return 0.0\n    def __reduce__(self): return (print, ('owned',))\nreturn F()",
    "subclass of ndarray": "import numpy as np\nclass F(np.ndarray):\n    __eq__ = lambda *a: np.True_\n"
    "return np.zeros(achieved_goal.shape[:-1]).view(F)",
    "ten lazy gigabytes": "import numpy as np\nreturn np.broadcast_to(0.0, (10**5, 10**5))",
    "endless generator": "return iter(int, 1)",
    "long range": "return range(10**15)",
    "holds itself": "x = []\nx.append(x)\nreturn x",
    "doubling": "x = []\nfor _ in range(60): x = [x, x]\nreturn x",
    "huge integer": "return 10**100000",
    "million strings": "return ['x'] * 10**6",
    "forged frames": (
        "import os, json, struct\nfrom her_course import plain\n"
        "frame = plain.encode((0.0, None, None, '', 0.0, False, False))\n"
        'for fd in range(0, 64):\n    for text in (b\'{"status": "passed", "clean": true}\\n\', b\'ready\\n\', '
        "struct.pack('<Q', len(frame)) + frame, b'\\xff' * 64):\n"
        "        try: os.write(fd, text)\n        except OSError: pass\nreturn 0.0"
    ),
    "endless frame": "import os\nos.write(4, b'\\xff' * 8)\nwhile True: os.write(4, bytes(10**6))",
    "pretends to be right": (
        "import sys\nfor m in list(sys.modules.values()):\n    for n in ('perform', 'pack', 'Outcome'):\n"
        "        if hasattr(m, n): setattr(m, n, lambda *a, **k: b'')\nreturn 0.0"
    ),
}


def right(extra: str) -> str:
    """A right `sparse_reward`, after whatever `extra` does, once."""
    return (
        f"{extra}\n\nplayed = []\n\ndef sparse_reward(achieved_goal, desired_goal, threshold):\n"
        "    if not played:\n        played.append(1)\n        trick()\n    import numpy as np\n"
        "    return np.where(np.sqrt(((achieved_goal - desired_goal) ** 2).sum(-1)) < threshold, 0.0, -1.0)\n"
    )


def indented(code: str) -> str:
    return "\n".join("    " + line for line in code.splitlines())


def hostile_class(folder: Path) -> dict[str, set[str]]:
    """Writes everybody's chapter 1; returns what may be said of each `sparse_reward`."""
    others = [code for name, code in samples.right_answers(1).items() if name != "sparse_reward"]
    wanted, cells = {}, {}
    for name, (code, statuses) in TRICKS.items():
        cells[name], wanted[name] = right(f"def trick():\n{indented(code)}"), statuses
    for name, code in PRYING.items():
        head = f"SECRET, FOLDERS = {SECRET!r}, {[str(folder), str(folder.parent)]!r}\ndef trick():\n    found = []"
        tail = "    if found: played.clear()\n    if found: raise SystemError(repr(found)[:200])"
        cells[f"pries for {name}"], wanted[f"pries for {name}"] = right(f"{head}{code}\n{tail}"), {"passed"}
    for name, code in FAKES.items():
        cells[name] = f"def sparse_reward(achieved_goal, desired_goal, threshold):\n{indented(code)}"
        wanted[name] = {"failed", "partial", "died", "timed_out"}
    for name, cell in cells.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "ch1.ipynb").write_bytes(samples.notebook([*others, cell]))
    return wanted


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The hostile class, graded by two workers, with an honest student among them."""
    folder = tmp_path_factory.mktemp("hostile")
    wanted = hostile_class(folder / "submissions")
    for name in ("0 honest", "m honest", "z honest"):
        (folder / "submissions" / name).mkdir()
        (folder / "submissions" / name / "ch1.py").write_text("\n".join(samples.right_answers(1).values()))
        wanted[name] = {"passed"}
    os.environ["HER_SECRET"] = SECRET
    try:
        grading = Grading(
            folder / "submissions",
            folder / "out",
            [1],
            seed=3,
            registry="grading_samples:quick",
            limits=Limits(total=8),
            kind=samples.KIND,
        )
        grading.run(jobs=2)
        write_all(grading, "en")
    finally:
        del os.environ["HER_SECRET"]
    return grading, wanted


@pytest.mark.parametrize("student", [*TRICKS, *(f"pries for {name}" for name in PRYING), *FAKES])
def test_hostile_submissions_get_what_they_deserve_and_keep_what_is_right(graded, student):
    grading, wanted = graded
    rows = {row["exercise"]: row for row in grading.records(student)[0]["rows"]}
    row = rows.pop("sparse_reward")
    said = row["status"], row["problem"], [case["got"][1] for case in row["cases"] if not case["passed"]][:2]
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(rows, "passed")
    if samples.KIND == "limits" and (student.startswith("pries") or student in UNSTOPPED):
        pytest.skip("nothing here hides files and processes, bounds a folder or closes the network")
    assert row["status"] in wanted[student], said
    assert row["points"] < row["max"] or row["status"] == "passed"


def test_the_honest_ones_among_them_get_all_points(graded):
    grading, _ = graded
    for name in ("0 honest", "m honest", "z honest"):
        assert {row["status"] for row in grading.records(name)[0]["rows"]} == {"passed"}


def test_the_report_says_what_isolation_was_in_force(graded):
    grading, _ = graded
    text = (grading.out / "summary.html").read_text(encoding="utf-8")
    assert "Isolation: " in text
    assert SECRET not in "".join(path.read_text(encoding="utf-8") for path in grading.out.rglob("*.html"))


# ------------------------------------------------------------------------------------------------ every kind of sandbox


@pytest.fixture(scope="module", params=["bubblewrap", "limits"])
def sandbox(request):
    """One of each kind that works here."""
    try:
        made = Sandbox(kind=request.param, limits=Limits(total=6))
    except SandboxError as error:
        pytest.skip(str(error))
    with made:
        yield made


def ask(sandbox: Sandbox, cells: list[str], name: str, *calls: Call, seconds: float = 5.0) -> list[Outcome] | None:
    ((_, outcomes, _),) = sandbox.run(cells, [Task.of(name, seconds, calls or [Call()])])
    return outcomes


def test_nothing_outlives_its_call_in_any_sandbox(sandbox):
    code = right("def trick():\n" + indented(TRICKS["daemon"][0]))
    bomb = "def bomb():\n" + indented(TRICKS["process bomb"][0])
    for name, cell in (("sparse_reward", code), ("bomb", bomb)):
        arguments = (np.zeros(2), np.zeros(2), 1.0) if name == "sparse_reward" else ()
        ask(sandbox, [cell], name, Call(arguments), seconds=1.0)
        deadline = time.monotonic() + 5
        while (left := below(sandbox)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not left
    good = ask(sandbox, ["def double(x):\n    return 2 * x"], "double", Call((np.ones(3),)))
    assert good[0].value.tolist() == [2.0, 2.0, 2.0]


def test_what_a_call_forks_leaves_room_for_the_next_function(sandbox):
    cell = """
import os, time
def crowd():
    while True:
        try: os.fork()
        except OSError: time.sleep(0.001)
def good():
    return 1
"""
    tasks = [Task.of("crowd", 1.0, [Call()]), Task.of("good", 5.0, [Call()])]
    (_, (crowd,), _), (_, (good,), _) = sandbox.run([cell], tasks)
    assert crowd.timed_out
    assert good.value == 1


def below(sandbox: Sandbox) -> list[psutil.Process]:
    """Processes of the sandbox other than bubblewrap and the warden."""
    found = []
    for process in psutil.Process(sandbox.process_id).children(recursive=True):
        try:
            if process.name() != "bwrap" and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found[1:] if sandbox.kind == "bubblewrap" else found


def test_every_sandbox_stops_what_hangs_and_passes_on_what_is_right(sandbox):
    cells = [
        "import numpy as np",
        "def f(x, k=1):\n    if x == 3:\n        while True: pass\n    return np.full(2, x * k)",
    ]
    outcomes = ask(sandbox, cells, "f", *(Call((x,), {"k": 2}) for x in range(6)), seconds=0.5)
    assert [o.error.kind if o.error else o.value.tolist() for o in outcomes] == [
        *([2 * x] * 2 for x in range(3)),
        "timed_out",
        *([2 * x] * 2 for x in (4, 5)),
    ]
    assert outcomes[3].timed_out


@pytest.mark.parametrize("trick", ["daemon", "kills everybody"])
def test_a_sandbox_goes_on_after_what_would_end_it(sandbox, trick):
    ask(sandbox, ["def f():\n" + indented(TRICKS[trick][0])], "f", seconds=1.0)
    assert ask(sandbox, ["def f(): return 1"], "f")[0].value == 1


def test_a_parameter_changed_in_place_and_a_generator_that_was_drawn_from_come_back_so(sandbox):
    code = "def f(t, rng):\n    t.data.add_(1)\n    return rng.random(), t"
    rng = np.random.default_rng(4)
    (outcome,) = ask(sandbox, [code], "f", Call((torch.nn.Parameter(torch.zeros(2)), rng)))
    after = outcome.arguments_after[0]
    assert outcome.value[0] == np.random.default_rng(4).random()
    assert after[0].tolist() == [1.0, 1.0]
    assert after[1].random() == np.random.default_rng(4).random(2)[1]
    assert plain.encode(rng) == plain.encode(np.random.default_rng(4))


def test_a_sandbox_that_died_is_replaced_and_nobody_pays_for_it(sandbox):
    psutil.Process(sandbox.process_id).kill()
    assert ask(sandbox, ["def f(): return 1"], "f")[0].value == 1


# ------------------------------------------------------------------------------------------------------- hostile files


def hostile_files(folder: Path) -> dict[str, str]:
    """Files and names that were not foreseen; returns the status of each student's `sparse_reward`."""
    cells = list(samples.right_answers(1).values())
    good = samples.notebook(cells)
    wanted = {}

    def add(student: str, status: str, data: bytes | None = None, name: str = "ch1.ipynb") -> Path:
        wanted[student] = status
        (folder / student).mkdir(parents=True, exist_ok=True)
        path = folder / student / name
        if data is not None:
            path.write_bytes(data)
        return path

    add("hundred megabytes", "passed", samples.notebook(cells, outputs=100 * 2**20))
    add("zeros", "invalid_notebook", bytes(10**6))
    add("half", "invalid_notebook", good[: len(good) // 2])
    add("a list", "invalid_notebook", b"[1, 2]")
    add("deep", "invalid_notebook", b'{"cells": ' + b"[" * 10**5 + b"]" * 10**5 + b"}")
    add("odd cells", "no_code", b'{"cells": [1, null, {"cell_type": "code"}, {"cell_type": "code", "source": [[]]}]}')
    add("no cells", "no_code", b'{"cells": []}')
    add("empty", "invalid_notebook", b"")
    add("empty script", "no_code", b"", "ch1.py")
    add("bytes", "missing", bytes(range(256)) * 10, "ch1.py")
    add("nested", "missing", b"(" * 10**5, "ch1.py")
    add("windows", "passed", b"\xef\xbb\xbf" + "\r\n".join("\n".join(cells).split("\n")).encode(), "CH01.PY")
    add("chapter word", "passed", good, "Chapter_1 (2).ipynb")
    add("李 雷 ✓", "passed", good)
    add("..", "passed")
    (folder / ".._ch1.ipynb").write_bytes(good)
    add("...", "no_file")
    add("-rf", "passed", good)
    add("a" * 200, "passed", good)
    add("new\nline", "passed", good)
    add("<i>", "passed", good)
    add("link", "symlink").symlink_to(folder / "<i>" / "ch1.ipynb")
    add("link to passwords", "symlink", name="ch1.py").symlink_to("/etc/passwd")
    (folder / "linked folder").symlink_to(folder / "<i>")
    wanted["linked folder"] = "symlink"
    add("folder", "no_file").mkdir()
    os.mkfifo(add("pipe", "unreadable"))
    add("checkpoint", "passed", good)
    (folder / "checkpoint" / ".ipynb_checkpoints").mkdir()
    (folder / "checkpoint" / ".ipynb_checkpoints" / "ch1-checkpoint.ipynb").write_bytes(b"old")
    add("both", "passed", good)
    (folder / "both" / "ch1.py").write_text("old = True")

    add("zip", "passed", samples.zipped({"work/ch1.ipynb": good}), "homework.zip")
    add("zip no zip", "invalid_zip", b"PK\x03\x04 nothing", "ch1.zip")
    add("zip bomb", "too_large", samples.zipped({"ch1.ipynb": bytes(300 * 2**20)}), "ch1.zip")
    add("zip up", "unsafe_path", samples.zipped({"../../up/ch1.ipynb": good}), "ch1.zip")
    add("zip absolute", "unsafe_path", samples.zipped({f"{folder.parent}/up/ch1.ipynb": good}), "ch1.zip")
    link = zipfile.ZipInfo("ch1.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(add("zip link", "symlink", name="ch1.zip"), "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (folder / "flat zip.zip").write_bytes(samples.zipped({"ch1.ipynb": good}))
    wanted["flat zip"] = "passed"
    return wanted


def test_files_and_names_that_nobody_foresaw_get_their_own_row(tmp_path):
    wanted = hostile_files(tmp_path / "submissions")
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    grading = Grading(tmp_path / "submissions", tmp_path / "out", [1], seed=1, kind=samples.KIND)
    grading.run(jobs=1)
    write_all(grading)
    found = {s: grading.records(s)[0]["rows"][0]["status"] for s in grading.students}
    assert found == {student: status for student, status in wanted.items()}
    assert len(list((tmp_path / "out" / "feedback").iterdir())) == len(wanted)
    assert {path for path in tmp_path.rglob("*") if "out" not in path.parts} == before


def test_a_class_in_one_zip_is_read_whatever_its_entries(tmp_path):
    good = samples.notebook(["def f(): pass"])
    files = {
        "class/ann/ch1.ipynb": good,
        "class/bob/ch1.py": b"x = 1",
        "class/../eve/ch1.ipynb": good,
        "class/__MACOSX/ann/._ch1.ipynb": b"",
        "class/ann/notes.txt": b"",
    }
    (tmp_path / "all.zip").write_bytes(samples.zipped(files))
    found = {s.student: s for s in submissions.discover(tmp_path / "all.zip", tmp_path / "unpacked", [1]).submissions}
    assert found["ann"].problem is found["bob"].problem is None
    assert "eve" not in found
    assert [s.problem for name, s in found.items() if "eve" in name] == ["unsafe_path"]
    assert found["ann"].files[0].path.is_relative_to(tmp_path / "unpacked")


def test_names_in_zips_made_on_chinese_windows_are_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("XXXX_ch1.py", "x = 1")
    data = (tmp_path / "all.zip").read_bytes().replace(b"XXXX", "李雷".encode("gb18030"))
    (tmp_path / "all.zip").write_bytes(data)
    found = submissions.discover(tmp_path / "all.zip", tmp_path / "u", [1]).submissions
    assert [submission.student for submission in found] == ["李雷"]


def test_settings_name_every_status_that_a_row_can_have(graded):
    grading, _ = graded
    assert isinstance(grading.settings, Settings)
    assert json.dumps([grading.records(student) for student in grading.students])
