"""The class on a page: adds up students, and keeps only counts of them."""

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from her_course.exercises import reference
from her_course.exercises.model import Exercise
from her_course.grading.classes import Grading
from her_course.grading.confinement import COURSE
from her_course.grading.reading import fingerprints
from her_course.grading.texts import FILE_PROBLEMS, REASONS, STATUSES, isolation

NEEDS_HELP = 0.5  # of all points
SMALL = 40  # nodes of a syntax tree; below, answers are alike by nature
BINS = ("0", "<50%", "50–80%", "80–99%", "100%")
FILLS = ("#b34700", "#e69f00", "#9ecae1", "#4292c6", "#0072b2")


class Class:
    """Adds up students, and keeps only counts of them.

    Args:
        files: the page of each student, by the name that is shown.
        show: gives the name to be shown; where it is another than the student's, names of files are not shown either.
    """

    def __init__(
        self, grading: Grading, exercises: dict[str, Exercise], files: dict[str, str], show: Callable[[str], str]
    ):
        self.grading, self.exercises, self.files_of, self.show = grading, exercises, files, show
        self.shares: dict[str, list[float]] = {name: [] for name in exercises}
        self.ideas: Counter[tuple[str, str]] = Counter()
        self.needy: list[dict[str, Any]] = []
        self.files: list[tuple[str, int, str]] = []
        self.errors = 0
        self.alike: dict[tuple, list[tuple[str, str]]] = defaultdict(list)
        for source, functions in _of_the_course(exercises).items():
            for name, (digest, size) in functions.items():
                if size >= SMALL:
                    self.alike[exercises[name].chapter, name, digest].append(("", source))
        self.kinds: set[str] = set()
        self.open: set[str] = set()
        self.modules: dict[str, list[str]] = defaultdict(list)
        self.reference: list[tuple[str, int]] = []
        self.passed_over: list[tuple[str, str, str]] = []
        self.students = self.handed_in = self.expected = 0
        self.share = 0.0

    def add(self, student: str, records: list[dict]) -> None:
        self.students += 1
        points = maximum = 0.0
        absent, weak = 0, []
        for record in records:
            self.expected += 1
            statuses = {row["status"] for row in record["rows"]}
            absent += "no_file" in statuses
            self.handed_in += "no_file" not in statuses
            for status in statuses & FILE_PROBLEMS - {"no_file"}:
                self.files.append((student, record["chapter"], status))
            if record["isolation"]:
                self.kinds.add(record["isolation"]["kind"])
                self.open.update(record["isolation"]["open"])
            weak_isolation = bool(record["isolation"]) and record["isolation"]["kind"] == "limits"
            for module in () if weak_isolation else record["modules"]:
                self.modules[module].append(student)
            if record["reference"]:
                self.reference.append((student, record["chapter"]))
            for i, name in enumerate(record["files"] if len(record["files"]) > 1 else ()):
                if i != record["used"]:
                    self.passed_over.append((student, name, record["files"][record["used"]]))
            for row in record["rows"]:
                share = (row["score"] or 0) / row["max"] if row["max"] else 0.0
                points, maximum = points + (row["score"] or 0), maximum + row["max"]
                self.errors += row["status"] == "grader_error"
                if row["misconception"]:
                    self.ideas[row["exercise"], row["misconception"]] += 1
                if row["status"] not in FILE_PROBLEMS:
                    self.shares[row["exercise"]].append(share)
                    weak.append((share, row["exercise"]))
                if row.get("size", 0) >= SMALL:
                    self.alike[record["chapter"], row["exercise"], row["fingerprint"]].append((student, ""))
        share = points / maximum if maximum else 0.0
        self.share += share
        if share < NEEDS_HELP:
            weakest = [name for value, name in sorted(weak, key=lambda pair: pair[0]) if value < 1][:3]
            self.needy.append({"student": student, "share": share, "absent": absent, "weakest": weakest})

    def similar(self) -> list[dict[str, Any]]:
        """Functions that several have alike, or one and the course itself; those of the same people in one entry."""
        functions: dict[tuple, list[str]] = defaultdict(list)
        for (chapter, name, _), people in self.alike.items():
            students = tuple(dict.fromkeys(student for student, _ in people if student))
            own = tuple(dict.fromkeys(source for student, source in people if not student))
            if students and len(students) + len(own) > 1:
                functions[chapter, students, own].append(name)
        found = [
            {"chapter": chapter, "students": list(students), "own": list(own), "functions": names}
            for (chapter, students, own), names in functions.items()
        ]
        return sorted(found, key=lambda p: (not p["own"], p["chapter"], -len(p["functions"]), len(p["students"])))

    def summary(self, lang: str) -> dict[str, Any]:
        needy = sorted(self.needy, key=lambda one: one["share"])
        ideas = [
            {"count": n, "exercise": exercise, "text": self.exercises[exercise].text(idea).of(lang)}
            for (exercise, idea), n in sorted(self.ideas.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
        ]
        return {
            "students": self.students,
            "handed_in": self.handed_in,
            "expected": self.expected,
            "mean": f"{self.share / max(1, self.students):.0%}",
            "isolation": {"full": not self.open, "text": self.isolation(lang)},
            "errors": self.errors,
            "exercises": [self._exercise(exercise, lang) for exercise in self.exercises.values()],
            "ideas": ideas,
            "needy": [one | {"share": f"{one['share']:.0%}", "file": self.files_of[one["student"]]} for one in needy],
            "files": [{"student": s, "chapter": c, "problem": STATUSES[p].of(lang)} for s, c, p in self.files],
            "similar": self.similar()[:50],
            "unused": self._unused(lang),
            "lost": [self.show(name) for name in self.grading.lost],
            "modules": sorted(self.modules.items()),
            "reference": self.reference,
        }

    def isolation(self, lang: str) -> str:
        """What was in force while submissions ran."""
        return isolation(self.kinds, self.open, lang)

    def _unused(self, lang: str) -> list[dict[str, str]]:
        """Everything that was seen and is not used, with the reason; of files that compete also which one is."""
        unused = []
        for student, name, reason in self.grading.unused:
            text = REASONS.get(reason) or STATUSES[reason]
            row = {"student": self.show(student) if student else "", "file": self._file(name)}
            unused.append(row | {"why": text.of(lang), "used": ""})
        for student, name, used in self.passed_over:
            row = {"student": student, "file": self._file(name)}
            unused.append(row | {"why": REASONS["other_file"].of(lang), "used": self._file(used)})
        return sorted(unused, key=lambda one: (one["student"], one["file"]))

    def _file(self, name: str) -> str:
        """The name of a file, in which a student's may be; where that is not shown, its ending."""
        return name if self.show(name) == name else f"*{PurePath(name).suffix}"

    def _exercise(self, exercise: Exercise, lang: str) -> dict[str, Any]:
        shares = self.shares[exercise.name]
        counted = Counter(map(_bin, shares))
        counts = [counted[i] for i in range(len(BINS))]
        tallest = max([1, *counts])
        labels = [f"{label} {count}" for label, count in zip(BINS, counts, strict=True)]
        return {
            "name": exercise.name,
            "chapter": exercise.chapter,
            "title": exercise.title.of(lang),
            "handed_in": len(shares),
            "mean": f"{sum(shares) / len(shares):.0%}" if shares else "–",
            "alt": f"{exercise.title.of(lang)}: {', '.join(labels)}",
            "bars": [
                {"x": 3 + 60 * i, "height": round(26 * n / tallest, 1), "count": n, "label": BINS[i], "fill": FILLS[i]}
                for i, n in enumerate(counts)
            ],
        }


def _bin(share: float) -> int:
    return 0 if share <= 0 else 1 if share < 0.5 else 2 if share < 0.8 else 3 if share < 1 else 4


def _of_the_course(exercises: dict[str, Exercise]) -> dict[str, dict[str, tuple[str, int]]]:
    """The fingerprints of the course's own answers: the reference, and the solutions where they are there."""
    sources = {"the_reference": [Path(reference.__file__)]}
    sources["the_solutions"] = sorted((COURSE.parent / "solutions").glob("ch?.py"))
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for source, paths in sources.items():
        found[source] = {}
        for path in paths:
            found[source] |= fingerprints(path.read_text(encoding="utf-8"), exercises)
    return found
