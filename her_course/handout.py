"""Exercise notebooks made from the solutions, and the folder that is handed out to a class.

A solution is written as ``solutions/chN.py`` (percent format) in both languages, and gives ``exercises/zh/chN.ipynb``
and ``exercises/en/chN.ipynb``, each in its own language. An exercise is no pair: whichever editor it was saved in last,
it opens.

- prose: what a cell says in Chinese stands above a line ``---``, what it says in English below it; a cell without that
  line goes to both and holds no Chinese;
- code: ``text(LANG, "…", "…")`` becomes the one text or the other, and LANG the language of the exercise;
- answers: what stands between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` is left out. Those are nbgrader's marks,
  and the cells carry nbgrader's metadata: ``nbgrader generate_assignment`` can start from the same notebooks.
"""

import ast
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent

import nbformat
import numpy as np
from nbformat import NotebookNode

from her_course.exercises import registry
from her_course.notebooks import LANGUAGES, find_chapters, read, refresh, write_notebook, write_source

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = {"zh": "# 在这里写\nraise NotImplementedError", "en": "# your code here\nraise NotImplementedError"}
BETWEEN_LANGUAGES = "\n\n---\n\n"
_SOLUTION = re.compile(rf"^([ \t]*){BEGIN}[ \t]*\n.*?^[ \t]*{END}[ \t]*$", re.MULTILINE | re.DOTALL)
_CHECK = re.compile(r"^check\((\w+)\)\.score$", re.MULTILINE)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_IMPORT_OF_TEXT = re.compile(r"^(from her_course\.figures import .*), text\b", re.MULTILINE)
_DEFINES = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)

#: what a class is given; of `her`, without what gives the hidden cases away
HANDED_OUT = (
    *("LICENSE", "README.md", "README.zh.md", "CONTRIBUTING.md", "Makefile", "environment.yml", "pyproject.toml"),
    *("requirements.lock", ".ci", "benchmarks", "chapters", "exercises", "her", "her_course", "results"),
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
    exercise = registry.find(name)
    return len(exercise.cases(np.random.default_rng(0))) + exercise.pure


def exercise(solution: NotebookNode, lang: str) -> NotebookNode:
    """The notebook as it is handed out: in one language, stubs for answers, and no outputs.

    Raises:
        ValueError: marks that do not come in pairs, or prose whose languages are not told apart.
    """
    handed_out = nbformat.from_dict(solution)
    handed_out.metadata.pop("jupytext", None)
    for number, cell in enumerate(handed_out.cells, start=1):
        if cell.cell_type == "markdown":
            cell.source = _in_language(cell.source, lang, number)
            continue
        cell.source = _SOLUTION.sub(lambda found: indent(STUB[lang], found[1]), _without_texts(cell.source, lang))
        if BEGIN in cell.source or END in cell.source:
            raise ValueError(f"cell {number}: {BEGIN!r} and {END!r} do not come in pairs")
        cell.source = cell.source.replace('os.environ.get("HER_LANG", "zh")', f'os.environ.get("HER_LANG", "{lang}")')
        cell.outputs, cell.execution_count = [], None
    if not any("text(" in cell.source for cell in handed_out.cells):
        for cell in handed_out.cells:
            cell.source = _IMPORT_OF_TEXT.sub(r"\1", cell.source)
    return handed_out


def _in_language(prose: str, lang: str, number: int) -> str:
    """What a cell of prose says in one language."""
    zh, line, en = prose.partition(BETWEEN_LANGUAGES)
    if not line:
        zh = en = prose
    if bool(_CHINESE.search(zh)) != bool(line) or _CHINESE.search(en):
        raise ValueError(f"cell {number}: expected Chinese, a line ---, and English, or a cell without Chinese")
    return zh if lang == "zh" else en


def _without_texts(code: str, lang: str) -> str:
    """The code with the one of two texts in place of each ``text(LANG, "…", "…")``."""
    if "text(LANG" not in code:
        return code
    said = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text":
            chosen = node.args[1 + LANGUAGES.index(lang)]
            said[ast.get_source_segment(code, node)] = ast.get_source_segment(code, chosen)
    for call, words in said.items():
        code = code.replace(call, words)
    return code


def make(solution: Path, exercises: Path) -> list[Path]:
    """Write ``exercises/LANG/chN.ipynb`` from ``solutions/chN.py``, which gets its metadata, if need be.

    Prose that changed is taken over into the solution's notebook. Returns the two exercises.
    """
    notebook = with_metadata(read(solution))
    write_source(notebook, solution)
    if solution.with_suffix(".ipynb").exists():
        refresh(solution)
    made = [exercises / lang / f"{solution.stem}.ipynb" for lang in LANGUAGES]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_notebook(exercise(notebook, path.parent.name), path)
    return made


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
    for readme in out.glob("README*.md"):
        text = readme.read_text(encoding="utf-8")
        text = re.sub(r"^## (For instructors|给教师)\n.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)
        readme.write_text(text, encoding="utf-8")
