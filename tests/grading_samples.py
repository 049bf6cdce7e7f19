"""A made-up class: what students hand in, from right answers, known wrong ones and what goes wrong besides."""

import ast
import inspect
import io
import json
import os
import random
import sys
import zipfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import mutants

from her_course.exercises import registry
from her_course.exercises.results import judge_exercise
from her_course.exercises.running import here
from her_course.grading.process import SandboxError, require

WRONG, RIGHT = mutants.load()


def kind_here() -> str:
    """The sandbox to test with: bubblewrap where it is installed, elsewhere the one that must be asked for."""
    try:
        require("bubblewrap")
    except SandboxError:
        return "limits"
    return "bubblewrap"


#: HER_TEST_SANDBOX=limits tests on a machine with bubblewrap what a machine without it would
KIND = os.environ.get("HER_TEST_SANDBOX") or kind_here()


def quick(chapter: int) -> list:
    """The exercises of a chapter, with less patience: for answers that hang."""
    return [replace(exercise, seconds=1.0) for exercise in registry.of_chapter(chapter)]


@cache
def source_of(answer: mutants.Answer) -> str:
    """The answer as a learner would have it: under the exercise's name, with what it needs from its module."""
    tree = ast.parse(inspect.getsource(sys.modules[answer.function.__module__]))
    target = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == answer.function.__name__)
    used = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
    kept = []
    for node in tree.body:
        decorators = " ".join(map(ast.dump, getattr(node, "decorator_list", [])))
        if "'mutant'" in decorators or "'right'" in decorators:
            if node is target or node.name not in used:
                continue
            node.decorator_list = []  # another answer, of which this one makes use
        if getattr(node, "module", "") != "mutants":
            kept.append(ast.unparse(node))
    for node in ast.walk(ast.Module([target], [])):
        if isinstance(node, ast.Name) and node.id == answer.function.__name__:
            node.id = answer.exercise  # it calls itself
    target.name, target.decorator_list = answer.exercise, []
    kept.append(ast.unparse(target))
    return "\n".join(kept)


def answers_to(exercise: str, right: bool) -> list[mutants.Answer]:
    return [answer for answer in (RIGHT if right else WRONG) if answer.exercise == exercise]


def right_answers(chapter: int) -> dict[str, str]:
    """A right answer to each exercise of a chapter, as source."""
    return {e.name: source_of(answers_to(e.name, True)[0]) for e in registry.of_chapter(chapter)}


def notebook(cells: list[str], outputs: int = 0) -> bytes:
    """The cells as a notebook, the first with so many bytes of output."""
    made = [
        {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": cell.splitlines(True)}
        for cell in cells
    ]
    if outputs:
        made[0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * outputs}]
    made.insert(0, {"cell_type": "markdown", "metadata": {}, "source": "# def sparse_reward(: nothing"})
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


@dataclass
class Expected:
    """What a row of grades.csv has to say, whatever way it comes about."""

    status: str
    points: float
    idea: str | None = None


@cache
def expected_of(answer: mutants.Answer, seed: int) -> Expected:
    """By the judge alone, of the very function, in this process."""
    exercise = registry.find(answer.exercise)
    result = judge_exercise(exercise, here(answer.function), seed, hidden=True)
    if answer in RIGHT:
        assert result.points == result.max_points
        return Expected("passed", result.points)
    assert result.points < result.max_points
    return Expected("partial" if result.points else "failed", result.points, answer.idea)


def write_class(folder: Path, n: int, chapters: list[int], seed: int) -> dict[tuple[str, int, str], Expected]:
    """n students, each with gaps and misconceptions of their own; returns what every row has to say."""
    rng = random.Random(seed)
    expected = {}
    for i in range(n):
        student = f"{rng.choice(['Ann', 'Bo', '李雷', '韩梅梅', 'Łukasz', 'D’Arcy'])} {i:03d}"
        ability = rng.uniform(0.3, 1.0)
        for chapter in chapters:
            names = [exercise.name for exercise in registry.of_chapter(chapter)]
            how = rng.choices(["file", "nothing", "broken"], [0.93, 0.05, 0.02])[0]
            if how != "file":
                status = "no_file" if how == "nothing" else "invalid_notebook"
                expected |= {(student, chapter, name): Expected(status, 0.0) for name in names}
                (folder / student).mkdir(parents=True, exist_ok=True)
                if how == "broken":
                    (folder / student / f"ch{chapter}.ipynb").write_bytes(b'{"cells": [{"cell_type": "code", "sou')
                continue
            cells = ["%matplotlib inline\n!pip list\nimport numpy as np"]
            for name in names:
                cell, row = _cell(name, ability, rng, seed)
                cells.append(cell)
                expected[student, chapter, name] = row
            cells += ["import matplotlib.pyplot as plt\nplt.plot([1])\nwhile True: pass"]  # costs itself, and little
            _write(folder, student, chapter, cells, rng)
    return expected


def _cell(name: str, ability: float, rng: random.Random, seed: int) -> tuple[str, Expected]:
    stub = f'def {name}(*args):\n    """Do it."""\n    raise NotImplementedError\n'
    draw = rng.random()
    if draw < 0.75 * ability:
        answer = rng.choice(answers_to(name, True))
    elif draw < 0.80:
        answer = rng.choice(answers_to(name, False))
    elif draw < 0.88:
        return stub, Expected("not_done", 0.0)
    elif draw < 0.92:
        return "# gave up here", Expected("missing", 0.0)
    elif draw < 0.96:
        return f"def {name}(a, b:\n    return a", Expected("syntax_error", 0.0)
    else:
        return f"def {name}(*args, **kwargs):\n    return undefined_name", Expected("failed", 0.0)
    return source_of(answer), expected_of(answer, seed)


def _write(folder: Path, student: str, chapter: int, cells: list[str], rng: random.Random) -> None:
    form = rng.choices(["ipynb", "py", "flat", "zip"], [0.7, 0.15, 0.1, 0.05])[0]
    if form == "ipynb" and rng.random() < 0.5:
        rng.shuffle(cells)
    data = notebook(cells)
    if form == "py":
        data = "\n\n# %%\n".join(cells).encode()
    own = folder / student / f"ch{chapter}.{form}"
    path = folder / f"{student}_ch{chapter}.ipynb" if form == "flat" else own
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zipped({f"homework/ch{chapter}.ipynb": data}) if form == "zip" else data)
