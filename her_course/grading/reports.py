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
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from importlib import resources
from types import SimpleNamespace
from typing import Any

import jinja2
from markupsafe import Markup

from her_course.exercises.model import Exercise, Text
from her_course.grading.classes import Grading, write
from her_course.grading.marking import STATUSES

COLUMNS = ("student", "chapter", "exercise", "score", "max", "status", "seconds")
FILE_PROBLEMS = {"no_file", "invalid_notebook", "no_code", "too_large", "symlink", "unsafe_path", "invalid_zip"}
FILE_PROBLEMS |= {"unreadable"}
NEEDS_HELP = 0.5  # of all points
SMALL = 40  # nodes of a syntax tree; below, answers are alike by nature
BINS = ("0", "<50%", "50–80%", "80–99%", "100%")
FILLS = ("#b34700", "#e69f00", "#9ecae1", "#4292c6", "#0072b2")

TEXTS = {
    "feedback": Text("作业反馈", "Feedback"),
    "total": Text("总分", "Total"),
    "chapter": Text("第 {} 章", "Chapter {}"),
    "chapter_word": Text("章", "Chapter"),
    "late": Text("这一章交晚了，得分已按规则折算。", "This chapter came late; its points are reduced."),
    "looks_like": Text("看起来像：", "Looks like: "),
    "expected": Text("应当", "expected"),
    "got": Text("你的", "got"),
    "printed": Text("输出", "printed"),
    "hidden": Text("评分时另加的用例：通过 {}/{}", "further cases, for grading only: {} of {} passed"),
    "summary": Text("全班作业情况", "The class at a glance"),
    "counts": Text(
        "{} 名学生，收到 {} 份作业（应收 {} 份），平均得分率 {}。",
        "{} students, {} submissions of {} expected, {} of all points on average.",
    ),
    "exercises": Text("每道题的得分分布", "How each exercise went"),
    "exercises_about": Text(
        "柱子是人数，从左到右：零分、不到一半、一半到八成、八成以上、满分；没交这一章的不算。",
        "Bars count students, from no points on the left to all points on the right; those who handed in nothing for "
        "the chapter are left out.",
    ),
    "exercise": Text("题目", "Exercise"),
    "handed_in": Text("提交", "Handed in"),
    "mean": Text("平均", "Mean"),
    "distribution": Text("分布（人数）", "Distribution (students)"),
    "ideas": Text("这个班最常见的误解", "The most frequent misconceptions of this class"),
    "idea": Text("误解", "Misconception"),
    "students": Text("人数", "Students"),
    "student": Text("学生", "Student"),
    "help": Text("谁需要帮助", "Who needs help"),
    "help_about": Text(
        "得分率不到一半的学生，最低的在前。", "Students with less than half of all points, lowest first."
    ),
    "share": Text("得分率", "Share"),
    "absent": Text("没交的章", "Chapters not handed in"),
    "weakest": Text("交了但最弱的题", "Weakest exercises among those handed in"),
    "files": Text("没法评的文件", "Files that could not be graded"),
    "problem": Text("问题", "Problem"),
    "similar": Text("除了名字和排版完全一样的作业", "Alike but for names and layout"),
    "similar_about": Text(
        "只是线索，不是结论：短函数本来就容易写得一样，这里只列较长的。",
        "A hint, no verdict: short functions are alike by nature, so only longer ones are listed.",
    ),
    "functions": Text("一样的函数", "Functions alike"),
    "none": Text("没有。", "None."),
    "comma": Text("、", ", "),
}


def write_all(
    grading: Grading, lang: str = "en", on_student: Callable[[], Any] = lambda: None
) -> set[tuple[tuple[str, Any], ...]]:
    """Write every table and page, one student after the other; returns the isolations under which answers ran."""
    exercises = {e.name: e for chapter in grading.chapters for e in grading.settings.exercises(chapter)}
    pages = grading.out / ".grading" / "feedback"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    templates = _environment(lang)
    names = file_names(grading.students)
    count = _Class(grading, exercises, names)
    grades, wide, seconds = _Table(COLUMNS), _Table(_wide_columns(grading)), _Table(("student", "exercise", "seconds"))
    for student in grading.students:
        records = grading.records(student)
        page = templates.get_template("feedback.html").render(_feedback(student, records, exercises, lang))
        write(pages / names[student], page)
        _tables(student, records, grades, wide, seconds)
        count.add(student, records)
        on_student()
    for name, table in (
        ("grades", grades),
        ("chapters", wide),
        ("seconds", seconds),
        ("similar", count.similar_table()),
    ):
        write(grading.out / f"{name}.csv", table.text())
    final = grading.out / "feedback"
    shutil.rmtree(final, ignore_errors=True)
    pages.rename(final)
    write(grading.out / "summary.html", templates.get_template("summary.html").render(count.summary(lang)))
    return count.isolations


def _environment(lang: str) -> jinja2.Environment:
    folder = resources.files("her_course.grading").joinpath("templates")
    style = folder.joinpath("style.css").read_text(encoding="utf-8")
    loader = jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    texts = SimpleNamespace(**{name: text.of(lang) for name, text in TEXTS.items()})
    environment.filters["prose"] = _prose
    environment.globals |= {"lang": lang, "t": texts, "style": Markup(style)}
    return environment


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
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _wide_columns(grading: Grading) -> list[str]:
    return ["student", *(f"ch{chapter}" for chapter in grading.chapters), "total", "max"]


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
        plain = re.sub(r"[^\w-]+", "_", student)[:40].strip("_")
        digest = hashlib.sha256(student.encode()).hexdigest()[:8]
        names[student] = (
            f"{plain}.html" if plain == student and plain.islower() else f"{plain or 'student'}-{digest}.html"
        )
    return names


# ------------------------------------------------------------------------------------------------------------- feedback


def _feedback(student: str, records: list[dict], exercises: dict[str, Exercise], lang: str) -> dict[str, Any]:
    chapters = []
    for record in records:
        rows = record["rows"]
        problem = rows[0]["status"] if rows and rows[0]["status"] in FILE_PROBLEMS else None
        chapters.append(
            {
                "number": record["chapter"],
                "late": record["late"],
                "score": _number(sum(row["score"] or 0 for row in rows)),
                "max": _number(sum(row["max"] for row in rows)),
                "file_problem": STATUSES[problem].of(lang) if problem else None,
                "rows": [_card(row, exercises[row["exercise"]], lang) for row in rows],
            }
        )
    return {
        "student": student,
        "chapters": chapters,
        "total": _number(sum(row["score"] or 0 for record in records for row in record["rows"])),
        "maximum": _number(sum(row["max"] for record in records for row in record["rows"])),
    }


def _card(row: dict[str, Any], exercise: Exercise, lang: str) -> dict[str, Any]:
    """An exercise as its card shows it. Of hidden cases only how many passed: what they are is not for learners."""
    which = 1 if lang == "en" else 0
    cases, failed = [], 0
    for case in row["cases"]:
        if case["hidden"]:
            continue
        failed += not case["passed"]
        texts = {key: case[key][which] for key in ("name", "expected", "got")}
        shown = not case["passed"] and failed <= 2  # the first ones: the others mostly fail alike
        cases.append(texts | {"passed": case["passed"], "detail": shown, "printed": case["printed"].strip()[:300]})
    hidden = [case["passed"] for case in row["cases"] if case["hidden"]]
    idea = row["misconception"]
    return {
        "exercise": row["exercise"],
        "title": exercise.title.of(lang),
        "score": _number(row["score"] or 0),
        "max": _number(row["max"]),
        "status": STATUSES[row["status"]].of(lang),
        "look": "passed" if row["status"] == "passed" else "absent" if row["status"] in ("missing", "not_done") else "",
        "problem": row["problem"],
        "misconception": exercise.text(idea).of(lang) if idea else None,
        "cases": cases,
        "hidden_passed": sum(hidden),
        "hidden_total": len(hidden),
    }


# ------------------------------------------------------------------------------------------------------------ the class


class _Class:
    """Adds up students, and keeps only counts of them."""

    def __init__(self, grading: Grading, exercises: dict[str, Exercise], files: dict[str, str]):
        self.grading, self.exercises, self.files_of = grading, exercises, files
        self.bins = {name: [0] * len(BINS) for name in exercises}
        self.shares: dict[str, list[float]] = {name: [] for name in exercises}
        self.ideas: Counter[tuple[str, str]] = Counter()
        self.needy: list[dict[str, Any]] = []
        self.files: list[tuple[str, int, str]] = []
        self.errors = 0
        self.alike: dict[tuple, list[str]] = defaultdict(list)
        self.isolations: set[tuple] = set()
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
                self.isolations.add(tuple(sorted(record["isolation"].items())))
            for row in record["rows"]:
                share = (row["score"] or 0) / row["max"] if row["max"] else 0.0
                points, maximum = points + (row["score"] or 0), maximum + row["max"]
                self.errors += row["status"] == "grader_error"
                if row["misconception"]:
                    self.ideas[row["exercise"], row["misconception"]] += 1
                if row["status"] not in FILE_PROBLEMS:
                    self.bins[row["exercise"]][_bin(share)] += 1
                    self.shares[row["exercise"]].append(share)
                    weak.append((share, row["exercise"]))
            alike = tuple((r["exercise"], r["fingerprint"]) for r in record["rows"] if r.get("size", 0) >= SMALL)
            if alike:
                self.alike[record["chapter"], alike].append(student)
        share = points / maximum if maximum else 0.0
        self.share += share
        if share < NEEDS_HELP:
            weakest = [name for value, name in sorted(weak, key=lambda pair: pair[0]) if value < 1][:3]
            self.needy.append({"student": student, "share": share, "absent": absent, "weakest": weakest})

    def similar(self) -> list[dict[str, Any]]:
        found = [
            {"chapter": chapter, "students": students, "functions": [name for name, _ in alike]}
            for (chapter, alike), students in self.alike.items()
            if len(students) > 1
        ]
        return sorted(found, key=lambda pair: (pair["chapter"], -len(pair["functions"]), len(pair["students"])))

    def similar_table(self) -> _Table:
        table = _Table(("chapter", "students", "functions"))
        for pair in self.similar():
            students = "; ".join(map(_harmless, pair["students"]))
            table.add(pair["chapter"], students, " ".join(pair["functions"]))
        return table

    def summary(self, lang: str) -> dict[str, Any]:
        similar = self.similar()
        for pair in similar:
            pair["more"] = max(0, len(pair["students"]) - 12)
            pair["students"] = pair["students"][:12]
        needy = sorted(self.needy, key=lambda one: one["share"])
        ideas = [
            {"count": n, "exercise": exercise, "text": self.exercises[exercise].text(idea).of(lang)}
            for (exercise, idea), n in sorted(self.ideas.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
        ]
        warnings = []
        if self.errors:
            zh, en = (
                f"{self.errors} 处评分程序自己出错，请人工看。",
                f"{self.errors} errors of the grader itself: look at them.",
            )
            warnings.append(Text(zh, en).of(lang))
        return {
            "students": self.students,
            "handed_in": self.handed_in,
            "expected": self.expected,
            "mean": f"{self.share / max(1, self.students):.0%}",
            "isolation": {"full": self._isolated(), "text": describe_isolation(self.isolations).of(lang)},
            "warnings": warnings,
            "exercises": [self._exercise(exercise, lang) for exercise in self.exercises.values()],
            "ideas": ideas,
            "needy": [one | {"share": f"{one['share']:.0%}", "file": self.files_of[one["student"]]} for one in needy],
            "files": [{"student": s, "chapter": c, "problem": STATUSES[p].of(lang)} for s, c, p in self.files],
            "similar": similar[:50],
        }

    def _isolated(self) -> bool:
        return all(all(value is not False for _, value in isolation) for isolation in self.isolations)

    def _exercise(self, exercise: Exercise, lang: str) -> dict[str, Any]:
        counts, shares = self.bins[exercise.name], self.shares[exercise.name]
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


def describe_isolation(isolations: Iterable[tuple]) -> Text:
    """What was in force while submissions ran, and what was not."""
    kinds = sorted({dict(isolation)["kind"] for isolation in isolations})
    missing = sorted({name for isolation in isolations for name, value in isolation if value is False})
    if not kinds:
        return Text("没有运行任何作业。", "No submission was run.")
    how = {
        "bubblewrap": Text("bubblewrap 沙箱", "a bubblewrap sandbox"),
        "namespaces": Text("Linux 命名空间", "Linux namespaces"),
        "limits": Text("只有时间、内存和输出限制", "limits of time, memory and output alone"),
    }
    what = {
        "processes": Text("其他进程可见", "other processes could be seen"),
        "network": Text("网络没有关掉", "the network was open"),
        "files": Text("别处的文件可能可写", "files elsewhere may have been writable"),
        "answers": Text("答案和隐藏用例可能读得到", "solutions and hidden cases may have been readable"),
        "user": Text("以评分者的身份运行", "it ran with the rights of whoever graded"),
    }
    zh = "隔离方式：" + "、".join(how[kind].zh for kind in kinds) + "。"
    en = "Isolation: " + ", ".join(how[kind].en for kind in kinds) + "."
    if missing:
        zh += "注意：" + "；".join(what[name].zh for name in missing) + "。"
        en += " Mind: " + "; ".join(what[name].en for name in missing) + "."
    else:
        zh += "作业看不到网络、其他进程、答案、隐藏用例和别人的作业，也写不了别处的文件。"
        en += " No submission saw the network, other processes, solutions, hidden cases or other submissions, or wrote "
        en += "to files elsewhere."
    return Text(zh, en)
