"""For instructors who live in nbgrader: the solutions are its assignments, and our grades go into its gradebook."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import grading_samples as samples
import nbformat
import pytest

REPOSITORY = Path(__file__).parents[1]
INSTRUCTIONS = REPOSITORY / "solutions" / "INSTRUCTORS.md"

pytestmark = pytest.mark.slow
pytest.importorskip("nbgrader")


ACTIVATED = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HER_PROFILE": "quick"}
"""As in an environment that was activated: nbgrader calls other programs of it."""


def nbgrader(course: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "nbgrader", *arguments, f"--CourseDirectory.root={course}"]
    done = subprocess.run(command, cwd=course, env=os.environ | ACTIVATED, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def answered(notebook: Path, answers: dict[str, str]) -> nbformat.NotebookNode:
    """The released notebook with answers in the place of its stubs."""
    made = nbformat.read(notebook, as_version=4)
    for cell in made.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers and not cell.metadata.nbgrader.grade:
            cell.source = answers[name]
    return made


def test_a_chapter_is_released_autograded_and_exported_by_nbgrader(tmp_path):
    (tmp_path / "source" / "ch1").mkdir(parents=True)
    (tmp_path / "source" / "ch1" / "ch1.ipynb").write_bytes((REPOSITORY / "solutions" / "ch1.ipynb").read_bytes())
    nbgrader(tmp_path, "generate_assignment", "ch1")
    released = tmp_path / "release" / "ch1" / "ch1.ipynb"
    assert "BEGIN SOLUTION" not in released.read_text(encoding="utf-8")
    right = samples.right_answers(1)
    wrong = samples.source_of(samples.answers_to("sparse_reward", False)[0])
    for student, answers in (("ann", right), ("bob", {"sparse_reward": wrong}), ("eve", {})):
        folder = tmp_path / "submitted" / student / "ch1"
        folder.mkdir(parents=True)
        nbformat.write(answered(released, answers), folder / "ch1.ipynb")
    nbgrader(tmp_path, "autograde", "ch1")
    nbgrader(tmp_path, "export")
    with open(tmp_path / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    full = float(rows["ann"]["max_score"])
    assert full > 0
    assert float(rows["ann"]["score"]) == full
    assert 0 < float(rows["bob"]["score"]) < full
    assert float(rows["eve"]["score"]) == 0


def test_the_script_in_the_instructions_takes_our_grades_into_its_gradebook(tmp_path, monkeypatch):
    from nbgrader.api import Gradebook

    text = INSTRUCTIONS.read_text(encoding="utf-8")
    script = text.split("```python\n")[1].split("```")[0]
    assert text.count(script) == 2, "the script is the same in both languages"
    rows = [("李雷", 1, "sparse_reward", "6.5", "13"), ("李雷", 1, "success_rate", "", "13"), ("ann", 1, "x", "2", "2")]
    with open(tmp_path / "grades.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", "chapter", "exercise", "score", "max", "status", "seconds"])
        writer.writerows([*row, "partial", 0] for row in rows)
    for _ in range(2):  # a second import replaces the first
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=os.environ | ACTIVATED, check=True)
    monkeypatch.setenv("PATH", ACTIVATED["PATH"])
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        scores = {s.student.id: s.score for s in gradebook.assignment_submissions("ch1")}
    assert scores == {"李雷": 6.5, "ann": 2.0}
    assert json.dumps(scores)
