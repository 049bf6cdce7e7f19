"""What `her grade --to` writes is read back as each platform reads it."""

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import grading_samples as samples
import pytest
from click.testing import CliRunner

from her.cli import main
from her_course.grading.classes import Grading
from her_course.grading.exports import export, unknown_to
from her_course.grading.reports import write_all
from her_course.grading.rules import read_rules

ROSTER = """id,name,section,email,canvas,sis_id,login,moodle
ann,"Lee, Ann",A,ann@example.org,4711,s1,ann1,Participant 101
bob,Bob_by Day,A,bob@example.org,4712,s2,bob1,Participant 102
eve,=Eve,B,eve@example.org,4713,s3,eve1,Participant 103
zoe,佐伊,B,zoe@example.org,,s4,zoe1,Participant 104
"""
RULES = """
students = "students.csv"
canvas.ch1 = "Homework 1 (98)"
missing = "blank"
[[exemption]]
student = "zoe"
reason = "ill"
[[override]]
student = "bob"
chapter = 1
exercise = "success_rate"
score = 1.25
reason = "oral"
"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of four as Moodle and Canvas name their files: a grading, and what was written of it."""
    folder = tmp_path_factory.mktemp("class")
    right = samples.right_answers(1)
    wrong = right | {"sparse_reward": samples.source_of(samples.answers_to("sparse_reward", False)[0])}
    files = {
        "Lee Ann_101_assignsubmission_file_/ch1.ipynb": samples.notebook([*right.values()]),
        "bobday_4712_815_ch1.ipynb": samples.notebook([*wrong.values()]),
    }
    for name, data in files.items():
        (folder / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "s" / name).write_bytes(data)
    (folder / "students.csv").write_text(ROSTER, encoding="utf-8")
    (folder / "class.toml").write_text(RULES, encoding="utf-8")
    rules = read_rules(folder / "class.toml")
    grading = Grading(folder / "s", folder / "out", [1], seed=3, kind=samples.KIND, rules=rules)
    grading.run()
    return grading, write_all(grading)


def scores(graded) -> dict[str, float]:
    table = graded[1].table.dropna(subset="score")
    return {student: round(rows["score"].sum(), 2) for student, rows in table.groupby("student")}


def test_students_are_found_by_the_numbers_of_the_platforms(graded):
    grading, _ = graded
    assert grading.students == ["ann", "bob", "eve", "zoe"]
    assert grading.lost == []
    assert [submission.problem for submission in grading.found] == [None, None, "no_file", "no_file"]
    assert unknown_to("canvas", grading) == unknown_to("moodle", grading) == []


# ------------------------------------------------------------------------------------------------------------- canvas


def as_canvas_reads(path: Path) -> tuple[dict, dict]:
    """Points possible, and what each student gets, by Canvas's ID or SIS ID, in each assignment.

    Canvas takes a head whose first column has "Student" in it and the second "ID"; if "SIS User ID" and "SIS Login ID"
    follow there are five columns about the student, else three, the last of them "Section". All others are assignments:
    a title, with an ID behind it in brackets where there is one. A row "Points Possible" is about the assignments.
    """
    with open(path, encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert "Student" in head[0]
    assert "ID" in head[1]
    about = 5 if (head[2], head[3]) == ("SIS User ID", "SIS Login ID") else 3
    assert "Section" in head[about - 1]
    assignments = [re.fullmatch(r"(.*?)\s*(?:\((\d+)\))?", title).groups() for title in head[about:]]
    possible, students = {}, {}
    for row in rows:
        marks = dict(zip(assignments, row[about:], strict=True))
        if "Points Possible" in row[0]:
            possible = {title: float(mark) for title, mark in marks.items()}
        else:
            students[row[1] or row[2]] = marks
    return possible, students


def test_canvas_finds_its_assignment_and_everybody(graded):
    (path,) = export("canvas", *graded)
    assert path.name == "Grades.csv"
    possible, students = as_canvas_reads(path)
    homework = ("Homework 1", "98")
    assert possible == {homework: graded[1].table.drop_duplicates("exercise")["max"].sum()}
    mine = scores(graded)
    assert students.keys() == {"4711", "4712", "4713", "s4"}
    assert float(students["4711"][homework]) == mine["ann"] == possible[homework]
    assert float(students["4712"][homework]) == mine["bob"] < mine["ann"]
    assert students["4713"][homework] == ""  # blank: no score, which Canvas leaves as it is
    assert students["s4"][homework] == "EX"
    assert ",=Eve" not in path.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------- moodle

PARTICIPANT = {"en": "Participant ", "zh": "参与人"}
HEAD = {"en": ("Identifier", "Grade", "Last modified (grade)"), "zh": ("标识符", "成绩", "上次修改（评分）")}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_moodle_finds_everybody_in_the_worksheet_and_in_the_zip(graded, lang):
    sheet, pages = export("moodle", *graded, lang)
    with open(sheet, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    identifier, grade, _ = HEAD[lang]
    assert set(HEAD[lang]) <= rows[0].keys()
    found = {int(row[identifier][len(PARTICIPANT[lang]) :]): row[grade] for row in rows}
    mine = scores(graded)
    assert found == {101: f"{mine['ann']:g}", 102: f"{mine['bob']:g}", 103: "", 104: ""}
    with zipfile.ZipFile(pages) as archive:
        given = {}
        for path in archive.namelist():
            folder, name = path.split("/")
            _, number, kind, plugin, rest = folder.split("_", 4)  # as Moodle takes a path apart
            assert (kind, plugin, rest, name) == ("assignfeedback", "file", "", "feedback.html")
            given[int(number)] = archive.read(path).decode()
    assert given.keys() == found.keys()
    assert "<h1>bob</h1>" in given[102]


# --------------------------------------------------------------------------------------------------------- gradescope


def check_results(results: dict) -> None:
    """Keys, types and values are as Gradescope's specification has them."""
    assert results.keys() <= {"score", "output", "output_format", "tests", "visibility", "stdout_visibility"}
    assert type(results["score"]) in (int, float)
    for test in results["tests"]:
        assert test.keys() <= {
            "score",
            "max_score",
            "status",
            "name",
            "number",
            "output",
            "output_format",
            "visibility",
        }
        assert 0 <= test["score"] <= test["max_score"]
        assert test["status"] in ("passed", "failed")
        assert test["output_format"] in ("text", "html", "simple_format", "md", "ansi")
        assert all(type(test[key]) is str for key in ("name", "number", "output"))
    assert results["score"] == round(sum(test["score"] for test in results["tests"]), 2)


def test_gradescope_gets_a_test_for_each_exercise(graded):
    (autograder,) = export("gradescope", *graded)
    grading = graded[0]
    found = {path.parent.name.split("-")[0]: json.loads(path.read_text()) for path in autograder.parent.rglob("*.json")}
    assert found.keys() == {"ann", "bob", "eve"}  # zoe is exempt
    mine = scores(graded)
    for student, results in found.items():
        check_results(results)
        assert results["score"] == mine.get(student, 0.0)
    assert found["bob"]["tests"][0]["name"].endswith("(sparse_reward)")
    assert "expected" in found["bob"]["tests"][0]["output"]
    assert "oral" in "".join(test["output"] for test in found["bob"]["tests"])
    hidden = [c for row in grading.records("bob")[0]["rows"] for c in row["cases"] if c["hidden"]]
    assert hidden
    assert not any(case["name"][1] in json.dumps(found) for case in hidden)


def test_the_autograder_runs_where_gradescope_puts_it(graded):
    (zipped,) = export("gradescope", *graded)
    with tempfile.TemporaryDirectory() as name:  # which others may enter, unlike pytest's own folder
        root = Path(name)
        root.chmod(0o755)
        with zipfile.ZipFile(zipped) as archive:
            assert {"setup.sh", "run_autograder"} <= set(archive.namelist())
            assert archive.getinfo("run_autograder").external_attr >> 16 & 0o111
            archive.extractall(root / "source")
        (root / "source" / "run_autograder").rename(root / "run_autograder")
        (root / "source" / "run_autograder").symlink_to(root / "run_autograder")
        (root / "venv").symlink_to(sys.prefix)  # in the place of what setup.sh installs
        (root / "submission").mkdir()
        (root / "submission" / "my work.ipynb").write_bytes(samples.notebook([*samples.right_answers(1).values()]))
        subprocess.run(["bash", "-n", root / "source" / "setup.sh"], check=True)
        environment = os.environ | {"PYTHONPATH": str(root / "source" / "course")}
        subprocess.run(["bash", root / "run_autograder"], env=environment, cwd=root, check=True)
        results = json.loads((root / "results" / "results.json").read_text())
    check_results(results)
    assert results["score"] == scores(graded)["ann"]


# ---------------------------------------------------------------------------------------------- anonymous, class.toml


def test_with_pseudonyms_no_name_is_on_any_page_and_the_key_lies_apart(graded, tmp_path):
    grading, _ = graded
    source = grading.submissions
    code = "\n".join(samples.right_answers(1).values())
    command = [
        "grade",
        str(source),
        "--out",
        str(tmp_path / "out"),
        "--chapter=1",
        "--jobs=1",
        "--quiet",
        "--anonymous",
    ]
    command += [f"--class={source.parent / 'class.toml'}", f"--sandbox={samples.KIND}", "--to=canvas"]
    notes = source / "Lee Ann_101_assignsubmission_file_" / "notes of ann.txt"
    notes.write_text(code)
    done = CliRunner().invoke(main, command)
    notes.unlink()
    assert done.exit_code == 0, done.output
    read = [path for path in (tmp_path / "out").rglob("*") if path.suffix in (".html", ".csv")]
    read = [path for path in read if ".grading" not in path.parts and "canvas" not in path.parts]
    assert len(read) >= 4 + 6
    for path in read:
        assert not re.search(r"\b(ann|bob|eve|zoe|Ann|Lee|bobday)\b", path.read_text(encoding="utf-8")), path
        assert not re.search(r"ann|bob|eve|zoe", path.name)
    with open(tmp_path / "out-key.csv", encoding="utf-8-sig", newline="") as file:
        key = {row["student"]: row["id"] for row in csv.DictReader(file)}
    assert sorted(key.values()) == ["ann", "bob", "eve", "zoe"]
    with open(tmp_path / "out" / "chapters.csv", encoding="utf-8-sig", newline="") as file:
        total = {key[row["student"]]: float(row["total"]) for row in csv.DictReader(file)}
    assert total["ann"] == scores(graded)["ann"]
    assert "4711" in as_canvas_reads(tmp_path / "out" / "canvas" / "Grades.csv")[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deadlin = 2026-01-01T00:00:00", "deadlin"),
        ("deadline = 2026-01-01", "deadline"),
        ("deadlines.first = 2026-01-01T00:00:00", "first"),
        ("late = {factor = 2}", "factor"),
        ("late = {factor = true}", "factor"),
        ('missing = "none"', "missing"),
        ("students = [{nick = 'x'}]", "nick"),
        ("[[override]]\nstudent = 'ann'\nchapter = 1\nexercise = 'sparse_reward'\nscore = 1", "'reason' is a required"),
        ("[[exemption]]\nchapter = 1\nreason = 'x'", "exemption.0"),
        ("students = ['ann']\n[[exemption]]\nstudent = 'anne'\nreason = 'x'", "'anne'"),
        ("students = ['ann']\n[[exemption]]\nsection = 'C'\nreason = 'x'", "'C'"),
        (
            "students = ['ann']\n[[override]]\nstudent = 'ann'\nchapter = 1\nexercise = 'x'\nscore = 1\nreason = 'x'",
            "sparse_reward",
        ),
        (
            "students = ['ann']\n[[override]]\nstudent = 'ann'\nchapter = 1\nexercise = 'sparse_reward'\nscore = 99\n"
            "reason = 'x'",
            "99",
        ),
        ("[", "class.toml"),
    ],
)
def test_a_class_toml_that_is_not_right_is_refused_where_it_is_wrong(text, said, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "class.toml").write_text(text)
    words = ["grade", f"{tmp_path / 's'}", "--out", f"{tmp_path / 'out'}", f"--class={tmp_path / 'class.toml'}"]
    done = CliRunner().invoke(main, [*words, f"--sandbox={samples.KIND}"])
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (
            "Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (98)\n    Points Possible,,,,,62\n"
            '"Lee, Ann",4711,s1,ann1,A,12\n',
            {"4711": "Lee, Ann", "ann1": "Lee, Ann"},
        ),
        (
            "\ufeffIdentifier,Full name,Email address,Status,Grade,Feedback comments\n"
            'Participant 101,Ann Lee,ann@x.org,Submitted,,"two\nlines"\n',
            {"101": "Ann Lee", "ann@x.org": "Ann Lee"},
        ),
        ("标识符,全名,成绩\n参与人101,李雷,\n参与人102,李雷,\n", {"101": "李雷 101", "102": "李雷 102"}),
    ],
)
def test_what_platforms_export_is_a_roster(text, ids, tmp_path):
    (tmp_path / "students.csv").write_text(text, encoding="utf-8")
    (tmp_path / "class.toml").write_text('students = "students.csv"')
    assert read_rules(tmp_path / "class.toml").aliases().items() >= ids.items()


def test_lateness_is_counted_in_days_begun_after_the_grace_down_to_the_lowest(tmp_path):
    text = 'students = [{id = "ann", section = "A"}, "bob"]\ndeadline = 2026-03-01T00:00:00\n'
    text += "late = {factor = 0.9, lowest = 0.5, grace = 30}\ndeadlines.ch2 = 2026-03-08T00:00:00\n"
    text += '[[extension]]\nsection = "A"\nchapter = 1\nuntil = 2026-03-03T00:00:00\n'
    (tmp_path / "class.toml").write_text(text)
    rules = read_rules(tmp_path / "class.toml")
    due, hour = rules.due("bob", 1)[0].timestamp(), 3600
    row = {"exercise": "x", "points": 10.0, "status": "passed"}
    score = [rules.score("bob", 1, row, due + hours * hour).value for hours in (-1, 0.5, 0.6, 24, 25, 48, 7 * 24)]
    assert score == [10, 10, 9, 9, 8.1, 8.1, 5]
    assert rules.score("bob", 2, row, due + 24 * hour).value == 10
    assert rules.score("ann", 1, row, due + 24 * hour) == (10, "extension", "")
    assert rules.score("ann", 1, row, due + 49 * hour) == (9, "late", "")
