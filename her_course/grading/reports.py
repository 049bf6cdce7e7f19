"""What a grading leaves behind: tables for machines, pages for people. Every page escapes all that strangers wrote.

========================  ======================================================================================
``grades.csv``            a row for every student and exercise; equal submissions, rules and seeds give equal files, so
                          its column ``seconds`` counts only those after which calls were stopped
``chapters.csv``          a row for every student, a column for every chapter
``changes.csv``           whose score has changed since it was first given, from what to what, and why
``seconds.csv``           the measured wall time of every exercise, which no two runs share
``similar.csv``           who handed in the same but for names and layout
``summary.html``          the class
``feedback/*.html``       a page for each student, without the hidden cases
========================  ======================================================================================
"""

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from her_course.exercises.model import Exercise
from her_course.grading.classes import Grading, write
from her_course.grading.summary import Class
from her_course.grading.texts import FILE_PROBLEMS, PAGES, STATUSES

COLUMNS = ["student", "chapter", "exercise", "score", "max", "status", "seconds", "why", "reason"]
KEYS = ["student", "chapter", "exercise"]
_OF_ROWS = ["exercise", "score", "max", "points", "status", "seconds", "wall", "why", "reason"]
COMPARED = ["score", "max", "points", "why", "reason", "digest"]


class Written(NamedTuple):
    """What was written.

    Attributes:
        table: a row for every student and exercise, under their own names.
        pages: the feedback for each student.
        isolation: what was in force while submissions ran.
    """

    table: pd.DataFrame
    pages: dict[str, Path]
    isolation: str


def write_all(
    grading: Grading, lang: str = "en", on_student: Callable[[], Any] = lambda: None, anonymous: bool = False
) -> Written:
    """Write every table and page, one student after the other.

    Args:
        anonymous: students have pseudonyms everywhere; beside the folder of the grading lies a file that tells whose.

    Returns:
        Everything that an export needs.
    """
    exercises = {e.name: e for chapter in grading.chapters for e in grading.settings.exercises(chapter)}
    show = partial(pseudonym, grading.seed) if anonymous else str
    shown = dict(sorted(((student, show(student)) for student in grading.students), key=itemgetter(1)))
    pages = grading.out / ".grading" / "feedback"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    templates = environment(lang)
    names = file_names(shown.values())
    count = Class(grading, exercises, names, show)
    rows = []
    for student, name in shown.items():
        records = grading.records(student)
        page = templates.get_template("feedback.html").render(_feedback(name, records, grading, lang))
        write(pages / names[name], page)
        rows += [
            (student, record["chapter"], record["digest"], *(row[column] for column in _OF_ROWS))
            for record in records
            for row in record["rows"]
        ]
        count.add(name, [record for record in records if record["exempt"] is None])
        on_student()
    table = pd.DataFrame(rows, columns=["student", "chapter", "digest", *_OF_ROWS]).astype({"score": float})
    text = table.assign(**{name: table[name].map(number) for name in ("score", "max", "points")})
    _write_table(grading.out / "grades.csv", text[COLUMNS], shown)
    _write_table(grading.out / "chapters.csv", _by_chapter(table), shown)
    seconds = text[["student", "exercise", "wall"]].rename(columns={"wall": "seconds"})
    _write_table(grading.out / "seconds.csv", seconds, shown)
    _write_table(grading.out / "similar.csv", _similar(count), shown)
    if anonymous:
        key, out = pd.DataFrame({"student": shown.values(), "id": shown.keys()}), grading.out.resolve()
        _write_table(out.with_name(f"{out.name}-key.csv"), key, {})
    final = grading.out / "feedback"
    shutil.rmtree(final, ignore_errors=True)
    pages.rename(final)
    write(grading.out / "summary.html", templates.get_template("summary.html").render(count.summary(lang)))
    _note_changes(grading.out, text[[*KEYS, *COMPARED]], shown)
    return Written(table, {student: final / names[name] for student, name in shown.items()}, count.isolation(lang))


def pseudonym(seed: int, student: str) -> str:
    """The same for a student in each run of a grading, and known to nobody who does not know its seed."""
    return f"student-{hashlib.sha256(f'{seed} {student}'.encode()).hexdigest()[:10]}"


def environment(lang: str) -> jinja2.Environment:
    options = {"trim_blocks": True, "undefined": jinja2.StrictUndefined, "finalize": _visible}
    environment = jinja2.Environment(loader=jinja2.PackageLoader(__package__), autoescape=True, **options)
    environment.filters["prose"] = _prose
    environment.globals |= {"lang": lang, "t": {name: text.of(lang) for name, text in PAGES.items()}}
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


def _write_table(path: Path, table: pd.DataFrame, shown: dict[str, str]) -> None:
    """CSV with students as they are to be shown. Its mark tells a spreadsheet that it is Unicode."""
    if "student" in table:
        table = table.assign(student=table["student"].map(lambda name: shown.get(name, name)))
    write(path, harmless(table).to_csv(index=False, lineterminator="\n"), "utf-8-sig")


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """A name that a spreadsheet would take for a formula gets an apostrophe before it."""
    return table.map(lambda value: _harmless(value) if isinstance(value, str) else value)


def _harmless(text: str) -> str:
    text = re.sub(r"[\x00-\x1f\x7f]", "�", text)
    return f"'{text}" if unicodedata.normalize("NFKC", text).lstrip()[:1] in ("=", "+", "-", "@", "−") else text


def _by_chapter(table: pd.DataFrame) -> pd.DataFrame:
    """A row for every student: the score of each chapter, "" where none counts, their sum, and what it could be."""
    wide = chapter_scores(table).map(number).rename(columns=lambda chapter: f"ch{chapter}")
    by_student = table.assign(max=table["max"].where(table["why"] != "exempt", 0.0)).groupby("student", sort=False)
    totals = by_student[["score", "max"]].sum().map(number).rename(columns={"score": "total"})
    return wide.join(totals).reset_index()


def chapter_scores(table: pd.DataFrame) -> pd.DataFrame:
    """The score of each student, a row, in each chapter, a column; NaN where nothing counts."""
    scores = table.groupby(["student", "chapter"], sort=False)["score"].sum(min_count=1)
    return scores.unstack().reindex(table["student"].unique()).rename_axis(index="student", columns=None)


def _similar(count: Class) -> pd.DataFrame:
    rows = []
    for pair in count.similar():
        people = [*map(_harmless, pair["students"]), *(f"({PAGES[source].en})" for source in pair["own"])]
        rows.append((pair["chapter"], "; ".join(people), " ".join(pair["functions"])))
    return pd.DataFrame(rows, columns=["chapter", "students", "functions"])


def _note_changes(out: Path, after: pd.DataFrame, shown: dict[str, str]) -> None:
    """Add to changes.csv what has changed since the last run, and remember the scores for the next one."""
    path, log = out / ".grading" / "scores.csv", out / "changes.csv"
    before = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else after.iloc[:0]
    after = after.astype(str)
    new = changes(before, after)
    if len(new) or not log.exists():
        new.insert(0, "when", datetime.now().isoformat(" ", "minutes"))
        old = pd.read_csv(log, dtype=str, keep_default_na=False) if log.exists() else new.iloc[:0]
        _write_table(log, pd.concat([old, new]), shown)
    write(path, pd.concat([after, before]).drop_duplicates(KEYS).to_csv(index=False))


def changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Whose score or maximum is another one, and why.

    Args:
        before, after: columns `KEYS` and `COMPARED`, all of them text.
    """
    both = after.merge(before.astype(str), on=KEYS, suffixes=("", "_before"))
    moved = both[(both["score"] != both["score_before"]) | (both["max"] != both["max_before"])]
    columns = [*KEYS, "score_before", "score", "max_before", "max", "why"]
    return moved.assign(why=[_why(row) for row in moved.to_dict("records")])[columns]


def _why(row: dict[str, str]) -> str:
    """What of a row is another than before."""
    found = []
    if row["digest"] != row["digest_before"]:
        found.append("handed in")
    elif (row["points"], row["max"]) != (row["points_before"], row["max_before"]):
        found.append("cases")
    if (row["why"], row["reason"]) != (row["why_before"], row["reason_before"]):
        now = row["why"] or f"no longer {row['why_before']}"
        found.append(f"{now}: {row['reason']}" if row["reason"] else now)
    return "; ".join(found) or "late"


def number(value: float | None) -> str:
    """With at most two decimals; "" for what does not count."""
    return "" if pd.isna(value) else f"{value:.2f}".rstrip("0").rstrip(".")


def file_names(students: Iterable[str]) -> dict[str, str]:
    """A file for each student's feedback, whatever the name contains, and however alike two names are."""
    names = {}
    for student in students:
        readable = re.sub(r"[^\w-]+", "_", student)[:40].strip("_") or "student"
        names[student] = f"{readable}-{hashlib.sha256(student.encode()).hexdigest()[:10]}.html"
    return names


# ------------------------------------------------------------------------------------------------------------- feedback


def _feedback(student: str, records: list[dict], grading: Grading, lang: str) -> dict[str, Any]:
    return {
        "student": student,
        "chapters": [cards(record, grading, lang) for record in records],
        "total": number(sum(row["score"] or 0 for record in records for row in record["rows"])),
        "maximum": number(sum(row["max"] for record in records if record["exempt"] is None for row in record["rows"])),
    }


def cards(record: dict[str, Any], grading: Grading, lang: str) -> dict[str, Any]:
    """A student's chapter as the feedback shows it: what is to be said of it, and a card for each exercise."""
    rows = record["rows"]
    exercises = {exercise.name: exercise for exercise in grading.settings.exercises(record["chapter"])}
    problem = rows[0]["status"] if rows and rows[0]["status"] in FILE_PROBLEMS else None
    # What a submission said could be what it has read, where nothing kept it from reading.
    silent = bool(record["isolation"]) and record["isolation"]["kind"] == "limits"
    failed = [] if silent else record["failed"]
    return {
        "number": record["chapter"],
        "late": record["late"],
        "exempt": record["exempt"],
        "score": number(sum(row["score"] or 0 for row in rows)),
        "max": number(sum(row["max"] for row in rows)),
        "file_problem": STATUSES[problem].of(lang) if problem else None,
        "failed": [PAGES["cell_failed"].of(lang).format(cell, text) for cell, text in failed[:5]],
        "rows": [_card(row, exercises[row["exercise"]], lang, silent) for row in rows],
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
        "score": number(row["score"] or 0),
        "max": number(row["max"]),
        "status": STATUSES[row["status"]].of(lang),
        "look": "passed" if row["status"] == "passed" else "absent" if row["status"] in ("missing", "not_done") else "",
        "problem": "" if silent else row["problem"][which],
        "override": row["reason"] if row["why"] == "override" else None,
        "misconception": exercise.text(idea).of(lang) if idea else None,
        "cases": cases,
        "hidden_passed": sum(hidden),
        "hidden_total": len(hidden),
    }
