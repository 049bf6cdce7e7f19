"""What a grading leaves behind: tables for machines, pages for people. Every page escapes all that strangers wrote.

========================  ======================================================================================
``grades.csv``            a row for every student and exercise; equal submissions and seeds give equal files, so its
                          column ``seconds`` counts only those after which calls were stopped
``chapters.csv``          a row for every student, a column for every chapter: what a learning platform imports
``seconds.csv``           the measured wall time of every exercise, which no two runs share
``similar.csv``           who handed in the same but for names and layout
``summary.html``          the class
``feedback/*.html``       a page for each student, without the hidden cases
========================  ======================================================================================
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from her_course.exercises.model import Exercise, Text
from her_course.grading.classes import Grading, write
from her_course.grading.summary import Class
from her_course.grading.texts import FILE_PROBLEMS, PAGES, STATUSES

COLUMNS = ("student", "chapter", "exercise", "score", "max", "status", "seconds")


def write_all(grading: Grading, lang: str = "en", on_student: Callable[[], Any] = lambda: None) -> Text:
    """Write every table and page, one student after the other; returns what isolation was in force."""
    exercises = {e.name: e for chapter in grading.chapters for e in grading.settings.exercises(chapter)}
    pages = grading.out / ".grading" / "feedback"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    templates = _environment(lang)
    names = file_names(grading.students)
    count = Class(grading, exercises, names)
    grades, seconds = _Table(COLUMNS), _Table(("student", "exercise", "seconds"))
    wide = _Table(["student", *(f"ch{chapter}" for chapter in grading.chapters), "total", "max"])
    for student in grading.students:
        records = grading.records(student)
        page = templates.get_template("feedback.html").render(_feedback(student, records, exercises, lang))
        write(pages / names[student], page)
        _tables(student, records, grades, wide, seconds)
        count.add(student, records)
        on_student()
    tables = {"grades": grades, "chapters": wide, "seconds": seconds, "similar": _similar_table(count)}
    for name, table in tables.items():
        write(grading.out / f"{name}.csv", table.text(), "utf-8-sig")  # the mark tells a spreadsheet what it is
    final = grading.out / "feedback"
    shutil.rmtree(final, ignore_errors=True)
    pages.rename(final)
    write(grading.out / "summary.html", templates.get_template("summary.html").render(count.summary(lang)))
    return count.isolation()


def _environment(lang: str) -> jinja2.Environment:
    folder = resources.files("her_course.grading").joinpath("templates")
    style = folder.joinpath("style.css").read_text(encoding="utf-8")
    loader = jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8"))
    options = {"trim_blocks": True, "undefined": jinja2.StrictUndefined, "finalize": _visible}
    environment = jinja2.Environment(loader=loader, autoescape=True, **options)
    environment.filters["prose"] = _prose
    environment.globals |= {"lang": lang, "t": {name: text.of(lang) for name, text in PAGES.items()}}
    environment.globals["style"] = Markup(style)
    return environment


def _visible(value: Any) -> Any:
    """What changes a page without being seen, such as NUL, ESC and right-to-left marks, as its number."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in unseen and c not in "\n\t" else c for c in value)


def _prose(text: str) -> Markup:
    """The course's own prose, with ``code`` and *stress* as Markdown has them; whatever else it contains is escaped."""
    escaped = str(Markup.escape(text))
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return Markup(re.sub(r"(?<!\*)\*([^*\s][^*]*)\*(?!\*)", r"<em>\1</em>", escaped))


# -------------------------------------------------------------------------------------------------------------- tables


class _Table:
    """Rows of CSV. A name that a spreadsheet would take for a formula gets an apostrophe before it."""

    def __init__(self, columns: Iterable[str]):
        self.file = io.StringIO()
        self.writer = csv.writer(self.file, lineterminator="\n")
        self.writer.writerow(columns)

    def add(self, *values: Any) -> None:
        self.writer.writerow([_harmless(value) if isinstance(value, str) else value for value in values])

    def text(self) -> str:
        return self.file.getvalue()


def _harmless(text: str) -> str:
    text = re.sub(r"[\x00-\x1f\x7f]", "�", text)
    return f"'{text}" if unicodedata.normalize("NFKC", text).lstrip()[:1] in ("=", "+", "-", "@", "−") else text


def _similar_table(count: Class) -> _Table:
    table = _Table(("chapter", "students", "functions"))
    for pair in count.similar():
        people = [*map(_harmless, pair["students"]), *(f"({PAGES[source].en})" for source in pair["own"])]
        table.add(pair["chapter"], "; ".join(people), " ".join(pair["functions"]))
    return table


def _tables(student: str, records: list[dict], grades: _Table, wide: _Table, seconds: _Table) -> None:
    total = maximum = 0.0
    chapters = []
    for record in records:
        for row in record["rows"]:
            score = "" if row["score"] is None else _number(row["score"])
            names = student, record["chapter"], row["exercise"]
            grades.add(*names, score, _number(row["max"]), row["status"], row["seconds"])
            seconds.add(student, row["exercise"], row["wall"])
        scores = [row["score"] for row in record["rows"] if row["score"] is not None]
        chapters.append(_number(sum(scores)) if scores else "")
        total += sum(scores)
        maximum += sum(row["max"] for row in record["rows"])
    wide.add(student, *chapters, _number(total), _number(maximum))


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def file_names(students: Iterable[str]) -> dict[str, str]:
    """A file for each student's feedback, whatever the name contains, and however alike two names are."""
    names = {}
    for student in students:
        readable = re.sub(r"[^\w-]+", "_", student)[:40].strip("_") or "student"
        names[student] = f"{readable}-{hashlib.sha256(student.encode()).hexdigest()[:10]}.html"
    return names


# ------------------------------------------------------------------------------------------------------------- feedback


def _feedback(student: str, records: list[dict], exercises: dict[str, Exercise], lang: str) -> dict[str, Any]:
    chapters = []
    for record in records:
        rows = record["rows"]
        problem = rows[0]["status"] if rows and rows[0]["status"] in FILE_PROBLEMS else None
        # What a submission said could be what it has read, where nothing kept it from reading.
        silent = bool(record["isolation"]) and record["isolation"]["kind"] == "limits"
        failed = [] if silent else record["failed"]
        chapters.append(
            {
                "number": record["chapter"],
                "late": record["late"],
                "score": _number(sum(row["score"] or 0 for row in rows)),
                "max": _number(sum(row["max"] for row in rows)),
                "file_problem": STATUSES[problem].of(lang) if problem else None,
                "failed": [PAGES["cell_failed"].of(lang).format(cell, text) for cell, text in failed[:5]],
                "rows": [_card(row, exercises[row["exercise"]], lang, silent) for row in rows],
            }
        )
    return {
        "student": student,
        "chapters": chapters,
        "total": _number(sum(row["score"] or 0 for record in records for row in record["rows"])),
        "maximum": _number(sum(row["max"] for record in records for row in record["rows"])),
    }


def _card(row: dict[str, Any], exercise: Exercise, lang: str, silent: bool) -> dict[str, Any]:
    """An exercise as its card shows it. Of hidden cases only how many passed: what they are is not for learners.

    Args:
        silent: leave out whatever the submission printed, returned or raised.
    """
    which = 1 if lang == "en" else 0
    hidden = [case["passed"] for case in row["cases"] if case["hidden"]]
    public = [case for case in row["cases"] if not case["hidden"]]
    failed = [case for case in public if not case["passed"]][:2]  # the others mostly fail alike
    cases = []
    for case in public:
        got = PAGES["not_shown"].of(lang) if silent else case["got"][which]
        shown = {"name": case["name"][which], "expected": case["expected"][which], "got": got, "call": case["call"]}
        printed = "" if silent else case["printed"].strip()[:300]
        cases.append(shown | {"passed": case["passed"], "detail": case in failed, "printed": printed})
    idea = row["misconception"]
    return {
        "exercise": row["exercise"],
        "title": exercise.title.of(lang),
        "score": _number(row["score"] or 0),
        "max": _number(row["max"]),
        "status": STATUSES[row["status"]].of(lang),
        "look": "passed" if row["status"] == "passed" else "absent" if row["status"] in ("missing", "not_done") else "",
        "problem": "" if silent else row["problem"][which],
        "misconception": exercise.text(idea).of(lang) if idea else None,
        "cases": cases,
        "hidden_passed": sum(hidden),
        "hidden_total": len(hidden),
    }
