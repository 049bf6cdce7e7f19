"""For instructors who live in nbgrader: the solutions are its assignments, and our grades go into its gradebook."""

import csv
import os
import shlex
import subprocess
import sys
from pathlib import Path

import grading_samples as samples
import nbformat
import pytest
from test_instructors import blocks

REPOSITORY = Path(__file__).parents[1]

pytestmark = pytest.mark.slow
pytest.importorskip("nbgrader")

#: as in an environment that was activated: nbgrader calls other programs of it
ACTIVATED = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HER_PROFILE": "quick"}
MODULES = {"nbgrader": "nbgrader", "her": "her.cli"}


def answered(notebook: Path, answers: dict[str, str]) -> nbformat.NotebookNode:
    """The released notebook with answers in the place of its stubs."""
    made = nbformat.read(notebook, as_version=4)
    for cell in made.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers and not cell.metadata.nbgrader.grade:
            cell.source = answers[name]
    return made


def run(course: Path, line: str, *more: str) -> None:
    program, *words = shlex.split(line)
    command = [sys.executable, "-m", MODULES[program], *words, *more]
    done = subprocess.run(command, cwd=course, env=os.environ | ACTIVATED, capture_output=True, text=True)
    assert done.returncode == 0, (line, done.stderr[-3000:])


def exported(path: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Score and maximum, by assignment and student."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["assignment"], row["student_id"]): (float(row["score"]), float(row["max_score"])) for row in rows}


def test_a_chapter_is_graded_by_nbgrader_and_our_grades_join_its_gradebook(tmp_path):
    (tmp_path / "source" / "ch1").mkdir(parents=True)
    (tmp_path / "source" / "ch1" / "ch1.ipynb").write_bytes((REPOSITORY / "solutions" / "ch1.ipynb").read_bytes())
    (tmp_path / "class.toml").write_text('nbgrader.gradebook = "gradebook.db"\nmissing = "blank"\n')
    (block,) = blocks("en", "sh nbgrader")
    generate, autograde, feedback, grade, export = block.splitlines()
    run(tmp_path, generate)
    released = tmp_path / "release" / "ch1" / "ch1.ipynb"
    assert "BEGIN SOLUTION" not in released.read_text(encoding="utf-8")
    right = samples.right_answers(1)
    wrong = samples.source_of(samples.answers_to("sparse_reward", False)[0])
    for student, answers in (("ann", right), ("bob", {"sparse_reward": wrong}), ("eve", {})):
        folder = tmp_path / "submitted" / student / "ch1"
        folder.mkdir(parents=True)
        nbformat.write(answered(released, answers), folder / "ch1.ipynb")
    run(tmp_path, autograde)
    run(tmp_path, feedback)
    assert (tmp_path / "feedback" / "bob" / "ch1" / "ch1.html").exists()
    run(tmp_path, "nbgrader export")
    own = exported(tmp_path / "grades.csv")
    full = own["ch1", "ann"][1]
    assert own["ch1", "ann"] == (full, full)
    assert 0 < own["ch1", "bob"][0] < full
    assert own["ch1", "eve"][0] == 0
    kind = f"--sandbox={samples.KIND}"
    run(tmp_path, grade, kind, "--jobs=1", "--quiet", "--chapter=1")
    run(tmp_path, grade, kind, "--jobs=1", "--quiet", "--chapter=1", "--resume")  # again changes nothing
    run(tmp_path, export)
    found = exported(tmp_path / "all.csv")
    assert {key: value for key, value in found.items() if key[0] == "ch1"} == own
    assert exported(tmp_path / "grades.csv") == own  # which is a file of nbgrader's
    with open(tmp_path / "grades" / "chapters.csv", encoding="utf-8-sig", newline="") as file:
        ours = {("her-ch1", row["student"]): (float(row["ch1"]), float(row["max"])) for row in csv.DictReader(file)}
    assert {key: value for key, value in found.items() if key[0] == "her-ch1"} == ours
    assert ours["her-ch1", "bob"][0] < ours["her-ch1", "ann"][0]
