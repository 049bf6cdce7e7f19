"""What is decided by whoever teaches: who is in the class, when work is due, what lateness costs, and exceptions.

It stands in one file, ``class.toml``; every key is optional. `Rules` turns the points of an answer into its score, and
nothing else does: a score depends on the results and on this file alone, however often either has changed.
"""

import csv
import io
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import best_match

from her_course.grading.archives import clean

DAY = 24 * 60 * 60
#: how the gradebooks of Canvas and Moodle call what a roster says of a student
COLUMNS = {
    **{"Student": "name", "ID": "canvas", "SIS User ID": "sis_id", "SIS Login ID": "login", "Section": "section"},
    **{"Identifier": "moodle", "Full name": "name", "Email address": "email", "ID number": "id"},
    **{"标识符": "moodle", "全名": "name"},
}


@dataclass(frozen=True)
class Student:
    """Who is in the class; whatever is unknown is "".

    Attributes:
        id: the name in all tables; by default the ``name``.
        canvas, moodle: the numbers that these platforms put into the names of downloaded files.
        sis_id, login: as Canvas has them.
    """

    id: str
    name: str = ""
    section: str = ""
    email: str = ""
    canvas: str = ""
    moodle: str = ""
    sis_id: str = ""
    login: str = ""


class Score(NamedTuple):
    """What a row is worth.

    Attributes:
        value: None where it does not count.
        why: "" for the points of the answer, else "late", "extension", "override", "exempt" or "blank".
        reason: that was given.
    """

    value: float | None
    why: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Rules:
    """The contents of a class.toml.

    Attributes:
        students: who is to have rows in any case.
        deadline, deadlines: when work is due: of all chapters, and of single ones, by number.
        factor: what late points are multiplied by for each day begun.
        lowest: that is left of them at least.
        grace: minutes that a submission may be late without being so.
        missing: the score of what was not handed in: "zero" or "blank".
        extensions, exemptions, overrides: tables as they stand in the file.
        canvas: the names of Canvas's columns, by chapter.
        gradebook: nbgrader's database.
    """

    students: tuple[Student, ...] = ()
    deadline: datetime | None = None
    deadlines: Mapping[int, datetime] = field(default_factory=dict)
    factor: float = 1.0
    lowest: float = 0.0
    grace: float = 0.0
    missing: str = "zero"
    extensions: Sequence[Mapping[str, Any]] = ()
    exemptions: Sequence[Mapping[str, Any]] = ()
    overrides: Sequence[Mapping[str, Any]] = ()
    canvas: Mapping[int, str] = field(default_factory=dict)
    gradebook: Path | None = None

    def student(self, name: str) -> Student:
        """The student with this id, in the roster or not."""
        return next((student for student in self.students if student.id == name), Student(name, name))

    def aliases(self) -> dict[str, str]:
        """The ids of students, by whatever else a submission may call them; names that several have are left out."""
        names = [(name, s.id) for s in self.students for name in {s.moodle, s.canvas, s.name, s.login, s.email} - {""}]
        count = Counter(name for name, _ in names)
        return {name: student for name, student in names if count[name] == 1}

    def due(self, student: str, chapter: int) -> tuple[datetime | None, bool]:
        """The deadline of a student, and whether an extension moved it."""
        due = self.deadlines.get(chapter, self.deadline)
        for extension in _of(self.extensions, self.student(student), chapter):
            if due is not None and extension["until"] > due:
                return extension["until"], True
        return due, False

    def lateness(self, student: str, chapter: int, modified: float | None) -> tuple[float, str]:
        """What points are multiplied by, and why: "late", "extension" or ""; ``modified`` is in seconds since 1970."""
        due, extended = self.due(student, chapter)
        late = 0.0 if due is None or modified is None else modified - due.timestamp()
        if late > self.grace * 60:
            return max(self.lowest, self.factor ** math.ceil(late / DAY)), "late"
        return 1.0, "extension" if extended else ""

    def exempt(self, student: str, chapter: int) -> str | None:
        """Why a chapter does not count for a student; None if it does."""
        return next((one["reason"] for one in _of(self.exemptions, self.student(student), chapter)), None)

    def score(self, student: str, chapter: int, row: Mapping[str, Any], modified: float | None) -> Score:
        """The score of a row of results: exemptions come first, then overrides, then lateness."""
        reason = self.exempt(student, chapter)
        if reason is not None:
            return Score(None, "exempt", reason)
        for one in _of(self.overrides, self.student(student), chapter):
            if one["exercise"] == row["exercise"]:
                return Score(float(one["score"]), "override", one["reason"])
        if self.missing == "blank" and row["status"] == "no_file":
            return Score(None, "blank")
        factor, why = self.lateness(student, chapter, modified)
        return Score(round(row["points"] * factor, 2), why)

    def check(self, students: Iterable[str], points: Callable[[int], Mapping[str, float]]) -> None:
        """See that every exception is about somebody and something.

        Args:
            points: gives those of each exercise of a chapter, by name.

        Raises:
            ValueError: a student, section or exercise is unknown, or a score is larger than its exercise's points.
        """
        known = {"student": set(students), "section": {student.section for student in self.students} - {""}}
        for name in ("extension", "exemption", "override"):
            for i, one in enumerate(getattr(self, f"{name}s"), start=1):
                for key in known.keys() & one.keys():
                    if one[key] not in known[key]:
                        raise ValueError(f"{name} {i}: {key}: there is no {one[key]!r} in the class")
        for i, one in enumerate(self.overrides, start=1):
            most = points(one["chapter"])
            if one["exercise"] not in most:
                raise ValueError(f"override {i}: exercise: expected one of {', '.join(most)}, got {one['exercise']!r}")
            if not 0 <= one["score"] <= most[one["exercise"]]:
                raise ValueError(f"override {i}: score: expected 0 to {most[one['exercise']]:g}, got {one['score']}")


def _of(exceptions: Iterable[Mapping[str, Any]], student: Student, chapter: int) -> list[Mapping[str, Any]]:
    """The exceptions for a student and a chapter, the last in the file first."""
    about = (("student", student.id), ("section", student.section))
    mine = (one for one in exceptions if one.get("chapter", chapter) == chapter)
    return [one for one in mine if any(name and one.get(key) == name for key, name in about)][::-1]


# ------------------------------------------------------------------------------------------------------- reading files


def read_rules(path: Path) -> Rules:
    """The rules in a class.toml; paths in it are relative to its folder.

    Raises:
        ValueError: something in it is unknown, missing or of another kind than expected; the message says where.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if error := best_match(_validator().iter_errors(table)):
            raise ValueError(f"{'.'.join(map(str, error.absolute_path))}: {error.message}".removeprefix(": "))
        students, gradebook = table.get("students", []), table.get("nbgrader", {}).get("gradebook")
        return Rules(
            students=read_roster(path.parent / students) if isinstance(students, str) else _students(students),
            deadline=_here(table["deadline"]) if "deadline" in table else None,
            deadlines={chapter: _here(due) for chapter, due in _by_chapter(table.get("deadlines", {})).items()},
            **table.get("late", {}),
            missing=table.get("missing", "zero"),
            extensions=[one | {"until": _here(one["until"])} for one in table.get("extension", [])],
            exemptions=table.get("exemption", []),
            overrides=table.get("override", []),
            canvas=_by_chapter(table.get("canvas", {})),
            gradebook=path.parent / gradebook if gradebook else None,
        )
    except ValueError as error:  # of TOML and of UTF-8 too
        raise ValueError(f"{path.name}: {error}") from None


@cache
def _validator() -> Any:
    """Of what may stand in a class.toml."""
    schema = tomllib.loads(resources.files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))
    kinds = Draft202012Validator.TYPE_CHECKER.redefine("moment", lambda _, value: isinstance(value, datetime))
    return validators.extend(Draft202012Validator, type_checker=kinds)(schema)


def _by_chapter(table: Mapping[str, Any]) -> dict[int, Any]:
    """The values of the keys ``ch1``, …, by number."""
    return {int(key.removeprefix("ch")): value for key, value in table.items()}


def _here(moment: datetime) -> datetime:
    """A date and time without a zone is one in that of this machine."""
    return moment.astimezone() if moment.tzinfo is None else moment


def _students(entries: Iterable[str | Mapping[str, Any]]) -> tuple[Student, ...]:
    """From names, or from tables with the fields of a `Student`; namesakes without an ID get their number for one."""
    entries = [{"id": entry} if isinstance(entry, str) else entry for entry in entries]
    students = [Student(**{"id": ""} | {key: clean(str(value)) for key, value in entry.items()}) for entry in entries]
    students = [student for student in students if student.id or student.name]
    count = Counter(student.id or student.name for student in students)
    found = {}
    for student in students:
        moodle = "".join(filter(str.isdigit, student.moodle))  # of "Participant 101"
        name = student.id or student.name
        name = name if count[name] == 1 else f"{name} {moodle or student.canvas}".strip()
        if name in found:
            raise ValueError(f"students: {name!r} is there twice")
        found[name] = replace(student, id=name, moodle=moodle)
    return tuple(found.values())


def read_roster(path: Path) -> tuple[Student, ...]:
    """The students in a file: names, one a line; or CSV with the fields of a `Student` as its head, among others.

    What Canvas and Moodle export, a gradebook or a grading worksheet, is such CSV. The file may be in UTF-8, UTF-16 or,
    as Windows in China writes it, GB 18030.

    Raises:
        ValueError: it is in none of these.
    """
    text = _decoded(path)
    head, *rows = csv.reader(io.StringIO(text)) if text.strip() else [[]]
    names = [COLUMNS.get(name.strip(), name.strip()) for name in head]
    if not {"id", "name"} & set(names):
        return _students(line.strip() for line in text.splitlines())
    known = {field.name for field in fields(Student)}
    found = [{key: value for key, value in zip(names, row, strict=False) if key in known} for row in rows]
    return _students(one for one in found if one.get("name", "").strip() != "Points Possible")  # Canvas's second line


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    marked = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le" if b"\0" in data[:64] else None
    for encoding in [marked] if marked else ["utf-8-sig", "gb18030"]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(f"students: {path.name} is not a text file in UTF-8, UTF-16 or GB 18030")
