"""Grades as other platforms import them.

==============  ========================================================================================================
``canvas``      ``canvas/Grades.csv``, to be imported into the gradebook; students are found by an ID of the roster
``moodle``      of each chapter ``moodle/ch1/Grades.csv``, a grading worksheet, and ``moodle/ch1/feedback.zip``
``gradescope``  of each chapter ``gradescope/ch1/autograder.zip``, and of each student ``gradescope/ch1/…/results.json``
``nbgrader``    assignments ``her-ch1``, … in a gradebook; those that nbgrader has graded itself stay as they are
==============  ========================================================================================================
"""

import contextlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from her_course.grading.classes import Grading, write
from her_course.grading.confinement import COURSE
from her_course.grading.reports import Written, cards, chapter_scores, harmless, number
from her_course.grading.rules import Student
from her_course.grading.texts import MOODLE, PAGES

SETUP = """\
#!/usr/bin/env bash
# Installs the course; it needs Python 3.11 or newer, as Ubuntu 24.04 has it.
set -euo pipefail
apt-get update
apt-get install -y --no-install-recommends bubblewrap python3-venv
python3 -m venv /autograder/venv
cd /autograder/source/course
/autograder/venv/bin/pip install -c requirements.lock -e '.[course]'
"""
RUN = """\
#!/usr/bin/env bash
# Grades /autograder/submission and writes /autograder/results/results.json.
set -euo pipefail
cd "$(dirname "$0")"
chmod -R go-rwx run_autograder source/run_autograder source/course/her_course/exercises/hidden
rm -rf class grades
mkdir -p class results
cp -r submission class/student
venv/bin/her grade class --out grades --chapter {chapter} --lang {lang} --seed {seed} --sandbox {kind} \\
    --jobs 1 --quiet --to gradescope || [ $? = 3 ]  # 3: nothing could be graded, which the results say
cp grades/gradescope/ch{chapter}/*/results.json results/results.json
"""
IN_ZIP = ("her", "her_course", "pyproject.toml", "requirements.lock", "README.md", "LICENSE")


def export(platform: str, grading: Grading, written: Written, lang: str = "en") -> list[Path]:
    """Write what a platform imports.

    Args:
        platform: "canvas", "moodle", "gradescope" or "nbgrader".
        written: what `her_course.grading.reports.write_all` returned.

    Returns:
        The files, those for single students aside.

    Raises:
        FileNotFoundError: for Gradescope, where this is not the repository of the course.
        ModuleNotFoundError: nbgrader is not installed.
    """
    write_files = {"canvas": _canvas, "moodle": _moodle, "gradescope": _gradescope, "nbgrader": _nbgrader}[platform]
    return list(write_files(grading, written, lang))


def unknown_to(platform: str, grading: Grading) -> list[str]:
    """The students of whom nothing is known by which a platform finds them."""
    known = {"canvas": lambda s: s.canvas or s.sis_id or s.login, "moodle": lambda s: _participant(grading, s)}
    students = map(grading.rules.student, grading.students)
    return [student.id for student in students if not known.get(platform, bool)(student)]


def _participant(grading: Grading, student: Student) -> str:
    """The number by which Moodle knows a student in an assignment."""
    return student.moodle or grading.moodle.get(student.id, "")


def _chapters(table: pd.DataFrame) -> Iterator[tuple[int, pd.Series, pd.DataFrame]]:
    """Each chapter with the points of its exercises, and its rows."""
    for chapter, rows in table.groupby("chapter"):
        yield chapter, rows.drop_duplicates("exercise").set_index("exercise")["max"], rows


def _write_csv(path: Path, table: pd.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, harmless(table).to_csv(index=False, lineterminator="\n"))
    return path


def _canvas(grading: Grading, written: Written, lang: str) -> Iterator[Path]:
    """The columns of an exported gradebook. A chapter's is called as class.toml says; "EX" means that it is excused."""
    rules, table = grading.rules, written.table
    exempt = set(table.loc[table["why"] == "exempt", ["student", "chapter"]].itertuples(index=False, name=None))
    titles = {chapter: rules.canvas.get(chapter, f"ch{chapter}") for chapter in grading.chapters}
    maxima = {titles[chapter]: number(points.sum()) for chapter, points, _ in _chapters(table)}
    rows = [{"Student": "    Points Possible"} | maxima]
    for student, scores in chapter_scores(table).iterrows():
        who = rules.student(student)
        row = {"Student": who.name or who.id, "ID": who.canvas, "SIS User ID": who.sis_id, "SIS Login ID": who.login}
        marks = {titles[c]: "EX" if (student, c) in exempt else number(score) for c, score in scores.items()}
        rows.append(row | {"Section": who.section} | marks)
    columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *titles.values()]
    yield _write_csv(grading.out / "canvas" / "Grades.csv", pd.DataFrame(rows, columns=columns))


def _moodle(grading: Grading, written: Written, lang: str) -> Iterator[Path]:
    """The columns of a grading worksheet that are read, called as in Moodle's ``lang``; and pages in a zip.

    Moodle finds students by the number in ``Participant 101`` and in ``NAME_101_assignfeedback_file_/``.
    """
    says = {name: text.of(lang) for name, text in MOODLE.items()}
    for chapter, points, rows in _chapters(written.table):
        folder, sheet = grading.out / "moodle" / f"ch{chapter}", []
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / "feedback.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for student, score in rows.groupby("student", sort=False)["score"].sum(min_count=1).items():
                who = grading.rules.student(student)
                name = re.sub(r"[\\/:_\x00-\x1f]+", " ", who.name or who.id)
                if participant := _participant(grading, who):
                    archive.write(written.pages[student], f"{name}_{participant}_assignfeedback_file_/feedback.html")
                sheet.append((says["participant"] + participant, name, number(score), number(points.sum()), ""))
        columns = [says[name] for name in ("identifier", "name", "grade", "maximum", "modified")]
        yield _write_csv(folder / "Grades.csv", pd.DataFrame(sheet, columns=columns))
        yield folder / "feedback.zip"


def _gradescope(grading: Grading, written: Written, lang: str) -> Iterator[Path]:
    """See https://gradescope-autograders.readthedocs.io/en/latest/specs/."""
    for student in grading.students:
        for record in grading.records(student):
            if record["exempt"] is None:
                folder = grading.out / "gradescope" / f"ch{record['chapter']}" / written.pages[student].stem
                folder.mkdir(parents=True, exist_ok=True)
                results = _results(cards(record, grading, lang), record, lang)
                write(folder / "results.json", json.dumps(results, ensure_ascii=False, indent=2) + "\n")
    for chapter in grading.chapters:
        yield _autograder(grading, chapter, lang)


def _results(cards: dict[str, Any], record: dict[str, Any], lang: str) -> dict[str, Any]:
    """A test for each exercise, which says what its card on the feedback page says."""
    says = {name: text.of(lang) for name, text in PAGES.items()}
    notes = [cards["file_problem"], *cards["failed"], says["late"] if cards["late"] else None]
    tests = []
    for i, (card, row) in enumerate(zip(cards["rows"], record["rows"], strict=True), start=1):
        lines = [
            card["status"],
            says["looks_like"] + card["misconception"] if card["misconception"] else card["problem"],
        ]
        lines.append(says["override"].format(card["override"]) if card["override"] is not None else "")
        for case in card["cases"]:
            lines.append(f"{'✓' if case['passed'] else '✗'} {case['name']}")
            if case["detail"]:
                lines += [f"    {says[key]}: {case[key]}" for key in ("call", "expected", "got") if case[key]]
        if card["hidden_total"]:
            lines.append(says["hidden"].format(card["hidden_passed"], card["hidden_total"]))
        test = {"name": f"{card['title']} ({card['exercise']})", "number": f"{record['chapter']}.{i}"}
        test |= {"score": row["score"] or 0.0, "max_score": row["max"], "output": "\n".join(filter(None, lines))}
        tests.append(test | {"status": "passed" if row["status"] == "passed" else "failed", "output_format": "text"})
    total = round(sum(test["score"] for test in tests), 2)
    return {"score": total, "output": "\n".join(filter(None, notes)), "output_format": "text", "tests": tests}


def _autograder(grading: Grading, chapter: int, lang: str) -> Path:
    """The zip that Gradescope builds a container from; the course is in it, hidden cases and all."""
    root = COURSE.parent
    if not (root / "pyproject.toml").exists():
        raise FileNotFoundError(f"gradescope: the repository of the course is needed; there is none at {root}")
    path = grading.out / "gradescope" / f"ch{chapter}" / "autograder.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    run = RUN.format(chapter=chapter, lang=lang, seed=grading.seed, kind=grading.kind)
    files = [
        file for name in IN_ZIP for file in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("setup.sh", SETUP), ("run_autograder", run)):
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16  # an executable file
            archive.writestr(entry, text)
        for file in sorted(file for file in files if file.is_file() and "__pycache__" not in file.parts):
            archive.write(file, f"course/{file.relative_to(root)}")
    return path


def _nbgrader(grading: Grading, written: Written, lang: str) -> Iterator[Path]:
    """Assignments of their own, made anew each time: what nbgrader holds of others is not touched."""
    from nbgrader.api import Gradebook, MissingEntry

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls alembic
    path = grading.rules.gradebook or grading.out / "nbgrader" / "gradebook.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with Gradebook(f"sqlite:///{path.resolve()}") as gradebook:
        for chapter, points, rows in _chapters(written.table):
            name = f"her-ch{chapter}"
            with contextlib.suppress(MissingEntry):
                gradebook.remove_assignment(name)
            gradebook.update_or_create_assignment(name)
            gradebook.update_or_create_notebook("her-grade", name)
            for exercise, most in points.items():
                gradebook.update_or_create_grade_cell(exercise, "her-grade", name, max_score=most, cell_type="code")
            for student, mine in rows.dropna(subset="score").groupby("student", sort=False):
                who = grading.rules.student(student)
                known = {"last_name": who.name, "email": who.email}
                gradebook.update_or_create_student(student, **{key: text for key, text in known.items() if text})
                gradebook.update_or_create_submission(name, student)
                for exercise, score in zip(mine["exercise"], mine["score"], strict=True):
                    grade = gradebook.find_grade(exercise, "her-grade", name, student)
                    grade.manual_score, grade.needs_manual_grade = score, False
        gradebook.db.commit()
    yield path
