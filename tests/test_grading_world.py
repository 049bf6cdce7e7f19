"""The world in which submissions are graded is the notebook's: the check and the grade agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import grading_samples as samples
import notebook_surroundings as surroundings
import pytest

from her_course.grading import marking
from her_course.grading.classes import Grading
from her_course.grading.reports import write_all
from her_course.grading.sandbox import Limits
from her_course.grading.submissions import File, Submission

RIGHT = samples.right_answers(1)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Every notebook of the corpus, graded."""
    folder = tmp_path_factory.mktemp("surroundings")
    for name in surroundings.NOTEBOOKS:
        chapter, _ = surroundings.exercise_of(name)
        (folder / "s" / name).mkdir(parents=True)
        data = samples.notebook(surroundings.cells_of(name))
        (folder / "s" / name / f"ch{chapter}.ipynb").write_bytes(data)
    grading = Grading(folder / "s", folder / "out", [1, 3], seed=1, kind=samples.KIND)
    grading.run()
    return grading


@pytest.fixture(scope="module")
def checked():
    """What the check says of each, in a kernel's shell."""
    program = [sys.executable, surroundings.__file__]
    environment = os.environ | {"HER_PROGRESS": "", "MPLBACKEND": "agg"}
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout.split("passed:")[-1])


@pytest.mark.parametrize("name", surroundings.NOTEBOOKS)
def test_check_and_grade_agree(name, graded, checked):
    chapter, exercise = surroundings.exercise_of(name)
    record = next(record for record in graded.records(name) if record["chapter"] == chapter)
    row = next(row for row in record["rows"] if row["exercise"] == exercise)
    said = row["status"], row["problem"], [case["got"][1] for case in row["cases"] if not case["passed"]][:2]
    assert (row["status"] == "passed") == checked[name], said


def test_the_corpus_has_both_kinds(checked):
    assert 35 < sum(checked.values()) < len(checked) - 3


def mark(folder: Path, cells: list[str], name: str = "ch1.ipynb", limits: Limits | None = None, **more) -> dict:
    """The record of one student's chapter 1."""
    data = samples.notebook(cells) if name.endswith("ipynb") else "\n".join(cells).encode()
    (folder / name).write_bytes(json.dumps(json.loads(data) | more).encode() if more else data)
    submission = Submission("ann", 1, (File(name, folder / name, Path(name).suffix),))
    return marking.mark(submission, marking.Settings(1, kind=samples.KIND, limits=limits or Limits()))[0]


def graded_pages(folder: Path, cells: list[str]) -> tuple[dict, str]:
    """The record of one student, and all pages."""
    (folder / "s" / "ann").mkdir(parents=True)
    (folder / "s" / "ann" / "ch1.ipynb").write_bytes(samples.notebook(cells))
    grading = Grading(folder / "s", folder / "out", [1], seed=1, kind=samples.KIND)
    grading.run()
    write_all(grading, "en")
    pages = "".join(path.read_text(encoding="utf-8") for path in (folder / "out").rglob("*.html"))
    return grading.records("ann")[0], pages


def statuses(record: dict) -> dict[str, str]:
    return {row["exercise"]: row["status"] for row in record["rows"]}


PASSED = dict.fromkeys(RIGHT, "passed")
BRIEF = Limits(cell=0.5, cells=1.2)


COSTLY = [
    "while True: pass",
    "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "import time\ntime.sleep(10_000)",
    "import os\nos._exit(1)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "import sys\nsys.exit()",
    "exit()",
    "input()",
    "raise KeyboardInterrupt",
    "import signal\nsignal.setitimer(signal.ITIMER_PROF, 0)\nwhile True: pass",
    "%reset -f",
    "sparse_reward = None\nwhile sparse_reward is None: pass",
]


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A class in which each has one of the costly cells before right answers."""
    folder = tmp_path_factory.mktemp("beside")
    for i, cell in enumerate(COSTLY):
        (folder / "s" / f"s{i}").mkdir(parents=True)
        (folder / "s" / f"s{i}" / "ch1.ipynb").write_bytes(samples.notebook([cell, *RIGHT.values()]))
    grading = Grading(folder / "s", folder / "out", [1], seed=1, kind=samples.KIND, limits=BRIEF)
    grading.run()
    return grading


@pytest.mark.parametrize("i", range(len(COSTLY)), ids=COSTLY)
def test_a_cell_that_fails_or_never_ends_costs_only_itself(i, beside):
    assert statuses(beside.records(f"s{i}")[0]) == PASSED


def test_past_the_limit_what_a_cell_defines_and_imports_is_there(tmp_path):
    body = RIGHT["success_rate"].replace("def success_rate", "import statistics\n\ndef success_rate")
    cells = ["x = success_rate = 0\nwhile x >= 0: x += 1\n" + body, *(RIGHT[n] for n in RIGHT if n != "success_rate")]
    assert statuses(mark(tmp_path, cells, limits=BRIEF)) == PASSED


def test_once_the_time_for_all_cells_is_used_up_functions_are_found_all_the_same(tmp_path):
    hang = "sparse_reward = 1\nwhile sparse_reward: pass"
    assert statuses(mark(tmp_path, [hang] * 9 + [*RIGHT.values()], limits=BRIEF)) == PASSED


def test_a_failed_import_is_named_on_the_page_and_in_the_summary(tmp_path):
    cells = ["import no_such_package as nsp\nimport numpy as np\n", *RIGHT.values()]
    cells[1] = "def sparse_reward(a, d, threshold):\n    return nsp.sparse(a, d)\n"
    record, page = graded_pages(tmp_path, cells)
    assert record["modules"] == ["no_such_package"]
    if samples.KIND == "limits":
        assert "no_such_package" not in page
        return
    assert page.count("<code>no_such_package</code>") == 1
    assert "No module named" in page
    assert "NameError" not in page


def test_what_newer_syntax_does_not_parse_is_told_with_both_pythons(tmp_path):
    cells = ["def sparse_reward(a, d, t):\n    return a +* d\n", *list(RIGHT.values())[1:]]
    record = mark(tmp_path, cells, metadata={"language_info": {"version": "3.99.1"}})
    assert statuses(record) == PASSED | {"sparse_reward": "syntax_error"}
    problem = record["rows"][0]["problem"][1]
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in problem
    assert "3.99.1" in problem


@pytest.mark.parametrize("line", ["import no_such_package", "1 / 0", "def success_rat(:\n    pass"])
def test_in_a_script_without_cells_a_line_that_fails_costs_only_itself(tmp_path, line):
    assert statuses(mark(tmp_path, [line, *RIGHT.values()], "ch1.py")) == PASSED


def test_a_script_as_nbconvert_writes_it_is_read_in_its_cells(tmp_path):
    cells = ["#!/usr/bin/env python\n# In[1]:\n\n1 / 0\n", *(f"# In[ ]:\n\n\n{cell}\n" for cell in RIGHT.values())]
    assert statuses(mark(tmp_path, cells, "ch1.py")) == PASSED


def test_the_page_shows_the_call_of_a_failed_public_case(tmp_path):
    cells = ["def sparse_reward(a, d, threshold):\n    return 7.0\n"]
    record, page = graded_pages(tmp_path, cells)
    calls = [case["call"] for case in record["rows"][0]["cases"] if not case["hidden"]]
    assert calls[0].startswith("sparse_reward([1. 2.]")
    assert calls[0] in page
