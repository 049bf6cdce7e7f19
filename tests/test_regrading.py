"""Whatever happens in whatever order, grades are those of the submissions, the cases and class.toml as they are."""

import csv
import itertools
import os
import pickle
import signal
import sys
import traceback
from datetime import datetime
from pathlib import Path

import grading_samples as samples
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from her_course.exercises.model import Call
from her_course.grading.classes import Grading
from her_course.grading.marking import Settings
from her_course.grading.reports import write_all
from her_course.grading.rules import read_rules
from her_course.grading.sandbox import Sandbox, Task

FULL = os.environ.get("HER_PROFILE") == "full"
STUDENTS = ("ann", "bob", "=eve")
EXERCISES = ("double", "negate")
INPUTS = ((1, 2), (1, 2, 3), (0, 5))  # of the cases, as they are mended
#: what students hand in for an exercise
ANSWERS = {
    "right": "def double(x): return 2 * x\ndef negate(x): return -x",
    "half": "def double(x): return x + 2\ndef negate(x): return -x",
    "stub": "def double(x): raise NotImplementedError\ndef negate(x): return x",
    "broken": "def double(x): return 2 * x\ndef negate(x: return x",
}
#: the exercises of the class, in a module that is rewritten when a case is mended: `more` is a judge's mistake
MODULE = """
from her_course.exercises.model import Call, Case, Exercise, Text, Verdict

def _case(x, expected):
    right = lambda outcomes: Verdict(outcomes[0].value == expected, str(expected), str(outcomes[0].value))
    return Case(Text(str(x), str(x)), [Call((x,))], right, group="basics")

def _exercise(name, inputs, more, function):
    cases = lambda rng: [_case(x, function(x) + more) for x in inputs]
    return Exercise(name, 1, Text(name, name), 1, 1, cases, {{}}, (), function)

EXERCISES = (
    _exercise("double", {double}, {double_more}, lambda x: 2 * x),
    _exercise("negate", {negate}, {negate_more}, lambda x: -x),
)

def of_chapter(chapter):
    return EXERCISES
"""


class Remembered:
    """A sandbox that only remembers what a real one said; whatever it is asked to run is noted in a file."""

    def __init__(self, said: dict, log: Path):
        self.said, self.log, self.isolation = said, log, said["isolation"]

    def inspect(self, file, suffix, names):
        return dict(self.said[os.pread(file, 2**20, 0).decode()])

    def run(self, cells, tasks, linked):
        for task in tasks:
            with open(self.log, "a") as log:
                log.write(f"{task.name}\n")
            yield task, *pickle.loads(self.said[tuple(cells), task.name, tuple(task.encoded)])


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a real sandbox says to every answer and all inputs."""
    said, path = {}, tmp_path_factory.mktemp("answers") / "ch1.py"
    with Sandbox(kind=samples.KIND) as sandbox:
        said["isolation"] = sandbox.isolation
        for text in ANSWERS.values():
            path.write_text(text)
            with open(path, "rb") as file:
                said[text] = sandbox.inspect(file.fileno(), ".py", EXERCISES)
            calls = [Task.of(name, 3.0, [Call((x,)) for x in xs]) for name in EXERCISES for xs in (*INPUTS, ())]
            cells = said[text]["cells"]
            for task, outcomes, failed in sandbox.run(cells, calls):
                said[tuple(cells), task.name, tuple(task.encoded)] = pickle.dumps((outcomes, failed))
    return said


class Class:
    """Submissions, cases and a class.toml, which change; and gradings of them."""

    def __init__(self, folder: Path, said: dict):
        self.folder, self.said = folder, said
        (folder / "cases").mkdir(parents=True)
        self.cases = {"double": INPUTS[0], "negate": INPUTS[0], "double_more": 0, "negate_more": 0}
        self.lines = {"students": [f"students = {list(STUDENTS)}", "late = {factor = 0.5, lowest = 0.2, grace = 5}"]}
        for i, name in enumerate(STUDENTS[:2]):
            self.hand_in(name, "half", 1 + i)
        self.write()

    def hand_in(self, student: str, answer: str, day: int) -> None:
        path = self.folder / "submissions" / student / "ch1.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ANSWERS[answer])
        when = datetime(2026, 3, day, 12).timestamp()
        os.utime(path, (when, when))

    def say(self, key: tuple, *lines: str) -> None:
        """Put lines into class.toml, in the place of those that were said of the same."""
        self.lines[key] = list(lines)

    def write(self) -> None:
        order = sorted(self.lines, key=lambda key: key != "students" and key[0] != "deadline")
        text = "\n".join(line for key in order for line in self.lines[key])
        (self.folder / "class.toml").write_text(text, encoding="utf-8")
        (self.folder / "cases" / "mended_cases.py").write_text(MODULE.format(**self.cases))

    def grade(self, out: str, resume: bool = True, kill_at: int = 0) -> bool:
        """Grade in a process of its own, killed when it is about to put its n-th file in its place. Was it done?"""
        self.write()
        child = os.fork()
        if child == 0:
            try:
                self._grade(self.folder / out, resume, kill_at)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        status = os.waitpid(child, 0)[1]
        assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
        return status == 0

    def _grade(self, out: Path, resume: bool, kill_at: int) -> None:
        sys.path.insert(0, str(self.folder / "cases"))
        sys.dont_write_bytecode = True
        count = itertools.count(1)

        def counted(function):
            def call(*arguments):
                if next(count) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments)

            return call

        os.replace, os.rename = counted(os.replace), counted(os.rename)
        Settings.sandbox = lambda settings: Remembered(self.said, self.folder / "ran")
        rules = read_rules(self.folder / "class.toml")
        more = {"hidden": False, "kind": samples.KIND, "rules": rules, "registry": "mended_cases:of_chapter"}
        grading = Grading(self.folder / "submissions", out, [1], 7, resume, **more)
        grading.run()
        write_all(grading)

    def ran(self) -> list[str]:
        """What has run since this was asked before."""
        log = self.folder / "ran"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    def changes(self, out: str = "out") -> list[dict]:
        with open(self.folder / out / "changes.csv", encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def rows(self, out: str = "out") -> dict:
        with open(self.folder / out / "grades.csv", encoding="utf-8-sig", newline="") as file:
            return {(row["student"], row["exercise"]): row for row in csv.DictReader(file)}


@pytest.fixture
def a_class(tmp_path, said):
    return Class(tmp_path, said)


def about(key: str, who: tuple, *lines: str) -> list[str]:
    return [f"[[{key}]]", f'student = "{who[0]}"', "chapter = 1", *lines]


student, exercise, day = st.sampled_from(STUDENTS), st.sampled_from(EXERCISES), st.integers(1, 28)
STEPS = st.one_of(
    st.tuples(st.just("hand in"), student, st.sampled_from(sorted(ANSWERS)), day),
    st.tuples(st.just("deadline"), day),
    st.tuples(st.just("extension"), student, day),
    st.tuples(st.just("exemption"), student),
    st.tuples(st.just("override"), student, exercise, st.sampled_from(["0", "1.5", "3"])),
    st.tuples(st.just("mend inputs"), exercise, st.sampled_from(INPUTS)),
    st.tuples(st.just("mend judge"), exercise, st.sampled_from([0, 1])),
    st.tuples(st.just("grade")),
    st.tuples(st.just("kill"), st.integers(1, 20)),
)


def take(step: tuple, course: Class) -> None:
    what, *who = step
    if what == "hand in":
        course.hand_in(*who)
    elif what == "deadline":
        course.say(("deadline",), f"deadline = 2026-03-{who[0]:02}T00:00:00")
    elif what == "extension":
        course.say(step[:2], *about(what, who, f"until = 2026-03-{who[1]:02}T00:00:00"))
    elif what == "exemption":
        course.say(step[:2], *about(what, who, 'reason = "ill"'))
    elif what == "override":
        lines = (f'exercise = "{who[1]}"', f"score = {who[2]}", 'reason = "seen in class"')
        course.say(step[:3], *about(what, who, *lines))
    elif what == "mend inputs":
        course.cases[who[0]] = who[1]
    elif what == "mend judge":
        course.cases[f"{who[0]}_more"] = who[1]
    else:
        course.grade("out", kill_at=who[0] if what == "kill" else 0)


@settings(
    max_examples=150 if FULL else 10,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    derandomize=not FULL,
)
@given(steps=st.lists(STEPS, min_size=3, max_size=12))
def test_whatever_happens_grades_are_those_of_a_single_run_on_the_final_state(steps, said, tmp_path_factory):
    course = Class(tmp_path_factory.mktemp("class"), said)
    for step in steps:
        take(step, course)
    assert course.grade("out")
    assert course.grade("once", resume=False)
    names = ["grades.csv", "chapters.csv", "similar.csv", "summary.html"]
    names += [f"feedback/{path.name}" for path in (course.folder / "once" / "feedback").iterdir()]
    for name in names:
        assert (course.folder / "out" / name).read_bytes() == (course.folder / "once" / name).read_bytes(), name


def test_a_run_that_is_killed_at_any_file_goes_on(a_class):
    assert a_class.grade("once", resume=False)
    for n in range(1, 40, 1 if FULL else 4):
        if a_class.grade(f"out{n}", kill_at=n):
            break
        assert a_class.grade(f"out{n}")
        assert (a_class.folder / f"out{n}" / "grades.csv").read_bytes() == (
            a_class.folder / "once" / "grades.csv"
        ).read_bytes()
    assert 10 < n < 39


def test_where_a_judge_was_mended_nothing_runs_again(a_class):
    a_class.cases["negate_more"] = 1
    a_class.grade("out")
    assert a_class.rows()["ann", "negate"]["score"] == "0"
    a_class.ran()
    a_class.cases["negate_more"] = 0
    a_class.grade("out")
    assert a_class.ran() == []
    assert a_class.rows()["ann", "negate"]["score"] == "4"
    assert [(row["student"], row["exercise"], row["why"]) for row in a_class.changes()] == [
        ("ann", "negate", "cases"),
        ("bob", "negate", "cases"),
    ]
    assert (a_class.changes()[0]["score_before"], a_class.changes()[0]["score"]) == ("0", "4")


def test_where_inputs_were_mended_that_exercise_runs_again_and_no_other(a_class):
    a_class.grade("out")
    assert set(a_class.ran()) == set(EXERCISES)
    a_class.cases["double"] = INPUTS[2]
    a_class.grade("out")
    assert set(a_class.ran()) == {"double"}
    a_class.grade("out")
    assert a_class.ran() == []


def test_what_was_changed_is_told_with_its_reason_once(a_class):
    a_class.grade("out")
    assert a_class.changes() == []
    a_class.hand_in("bob", "right", 2)
    a_class.say(("override",), *about("override", ("ann",), 'exercise = "double"', "score = 3", 'reason = "oral"'))
    for _ in range(2):
        a_class.grade("out")
    told = {
        (row["student"], row["exercise"]): (row["score_before"], row["score"], row["why"]) for row in a_class.changes()
    }
    assert told == {("bob", "double"): ("2.5", "4", "handed in"), ("ann", "double"): ("2.5", "3", "override: oral")}
    a_class.say(("override",))
    a_class.say(("deadline",), "deadline = 2026-03-01T00:00:00")
    a_class.grade("out")
    assert [row["why"] for row in a_class.changes()[2:]] == ["late"] * 4
