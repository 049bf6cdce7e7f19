"""Exercise notebooks made from the solutions, and the folder that is handed out to a class.

A solution is written as ``solutions/chN.py`` (percent format). What stands between ``### BEGIN SOLUTION`` and
``### END SOLUTION`` is left out of the exercise. Those are nbgrader's marks, and the cells carry nbgrader's metadata:
``nbgrader generate_assignment`` can start from the same notebooks.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from her_course.notebooks import find_chapters, read, write_notebook, write_source

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = ("# 在这里写 / your code here", "raise NotImplementedError")
_SOLUTION = re.compile(rf"^([ \t]*){BEGIN}[ \t]*\n.*?^[ \t]*{END}[ \t]*$", re.MULTILINE | re.DOTALL)
_CHECK = re.compile(r"^check\((\w+)\)\.score$", re.MULTILINE)
_DEFINES = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)

#: what a class is given; of `her`, without what gives the hidden cases away
HANDED_OUT = (
    *("LICENSE", "README.md", "README.zh.md", "Makefile", "environment.yml", "pyproject.toml", "requirements.lock"),
    *("chapters", "exercises", "her", "her_course", "results"),
)
KEPT_BACK = ("hidden", "__pycache__", ".ipynb_checkpoints", "*.egg-info", ".DS_Store")


def find_solutions() -> Path:
    """The folder ``solutions/`` beside the chapters.

    Raises:
        FileNotFoundError: there is none, as in a folder that was handed out.
    """
    folder = find_chapters().parent / "solutions"
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder.name}/ beside chapters/: exercises are made from the solutions")
    return folder


def sources(folder: Path, numbers: Iterable[int] = ()) -> list[Path]:
    """``chN.py`` in order; all, unless `numbers` names some.

    Raises:
        ValueError: a number that there is no file for.
    """
    paths = {int(path.stem[2:]): path for path in folder.glob("ch[0-9].py")}
    if unknown := set(numbers) - paths.keys():
        raise ValueError(
            f"numbers: no {folder.name}/ch{min(unknown)}.py; there are: {', '.join(map(str, sorted(paths)))}"
        )
    return [path for number, path in sorted(paths.items()) if not numbers or number in set(numbers)]


def with_metadata(notebook: NotebookNode) -> NotebookNode:
    """The notebook with nbgrader's metadata on cells to be solved and on those that check.

    Keys are sorted, and blank lines between cells are left to jupytext: so JupyterLab would write the source from the
    notebook, and it refuses to open a pair that differs.
    """
    for cell in notebook.cells:
        for key in ("nbgrader", "lines_to_next_cell", "lines_to_end_of_cell_marker"):
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        common = {"schema_version": 3, "task": False}
        if BEGIN in cell.source:
            name = _DEFINES.search(cell.source)[1]
            solved = {"grade": False, "grade_id": name, "locked": False, "solution": True}
            cell.metadata["nbgrader"] = dict(sorted((common | solved).items()))
        elif found := _CHECK.search(cell.source):
            grade = {"grade": True, "grade_id": f"check_{found[1]}", "locked": True, "solution": False}
            cell.metadata["nbgrader"] = dict(sorted((common | grade | {"points": cases(found[1])}).items()))
    return notebook


def cases(name: str) -> int:
    """How many cases the check of an exercise has."""
    import numpy as np

    from her_course.exercises.registry import find

    exercise = find(name)
    return len(exercise.cases(np.random.default_rng(0))) + exercise.pure


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is handed out: stubs for answers, and no outputs.

    Raises:
        ValueError: marks that do not come in pairs.
    """
    stripped = nbformat.from_dict(notebook)
    for number, cell in enumerate(stripped.cells, start=1):
        if cell.cell_type != "code":
            continue
        cell.source = _SOLUTION.sub(lambda found: "\n".join(found[1] + line for line in STUB), cell.source)
        if BEGIN in cell.source or END in cell.source:
            raise ValueError(f"cell {number}: {BEGIN!r} and {END!r} do not come in pairs")
        cell.outputs, cell.execution_count = [], None
    return stripped


def make(solution: Path, exercises: Path) -> Path:
    """Write ``exercises/chN.py`` and ``.ipynb`` from ``solutions/chN.py``, which gets its metadata, if need be."""
    notebook = with_metadata(read(solution))
    write_source(notebook, solution)
    exercise = exercises / solution.name
    stripped = without_solutions(notebook)
    write_source(stripped, exercise)
    write_notebook(stripped, exercise.with_suffix(".ipynb"))
    return exercise


def release(repository: Path, out: Path) -> None:
    """Copy what a class is given into the folder `out`: no solutions, no mutants, no hidden cases.

    Raises:
        FileExistsError: `out` holds something already.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"out: {out} is not empty")
    out.mkdir(parents=True, exist_ok=True)
    for name in HANDED_OUT:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, out / name, ignore=shutil.ignore_patterns(*KEPT_BACK))
        elif source.is_file():
            shutil.copy2(source, out / name)
