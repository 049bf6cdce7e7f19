"""Find the chapters and execute them: into the committed notebooks, or into a folder of their own as a check.

The percent-format ``.py`` is the source of a chapter. The ``.ipynb`` beside it keeps the outputs of the full profile;
:func:`execute_to_committed` writes it. Every other execution goes to ``build/``.
"""

import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import jupytext
import nbformat
from ipykernel.ipkernel import IPythonKernel
from jupytext.config import load_jupytext_config
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from her_course.headless import environment
from her_course.places import find_chapters as find_chapters

LANGUAGES = ("zh", "en")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
CELL_TIMEOUT = 1200  # seconds


@dataclass(frozen=True)
class CellFailure:
    """Which cell broke: its number (the first of the chapter is 1), its source, and the error with its traceback."""

    number: int
    source: str
    error: str
    traceback: str

    def __str__(self) -> str:
        source = "\n".join("    " + line for line in self.source.splitlines())
        return f"cell {self.number}: {self.error}\n\n{source}\n\n{self.traceback}".rstrip()


class ChapterFailed(Exception):
    """A chapter did not run to its end."""

    def __init__(self, chapter: str, failure: CellFailure):
        super().__init__(f"{chapter}, {failure}")
        self.failure = failure


@dataclass(frozen=True)
class Result:
    """One chapter executed by :func:`run`: "zh/01_sparse_rewards", how long it took, and what broke, if anything."""

    chapter: str
    seconds: float
    cells: int
    failure: CellFailure | None = None


# ---------------------------------------------------------------------------------------------------------------- files


def discover(chapters: Path, lang: str = "both", numbers: Iterable[int] = ()) -> list[Path]:
    """The sources ``chapters/LANG/NN_title.py`` in order: Chinese first, all chapters unless `numbers` names some.

    Raises ValueError for an unknown language and for a number that no chapter has.
    """
    if lang not in (*LANGUAGES, "both"):
        raise ValueError(f'lang: expected "zh", "en" or "both", got {lang!r}')
    languages = LANGUAGES if lang == "both" else (lang,)
    paths = [path for one in languages for path in sorted(Path(chapters, one).glob("[0-9][0-9]_*.py"))]
    numbers = set(numbers)
    if unknown := numbers - {number_of(path) for path in paths}:
        there = ", ".join(str(n) for n in sorted({number_of(path) for path in paths})) or "none"
        raise ValueError(f"numbers: no chapter {', '.join(map(str, sorted(unknown)))}; there are: {there}")
    return [path for path in paths if not numbers or number_of(path) in numbers]


def number_of(path: Path) -> int:
    """The chapter's number: 4 for ``zh/04_implementation.py``."""
    return int(path.name[:2])


def name_of(path: Path) -> str:
    """The chapter's name with its language: "zh/04_implementation"."""
    return f"{path.parent.name}/{path.stem}"


def read(path: Path) -> NotebookNode:
    """The chapter in `path`, ``.py`` or ``.ipynb``, without outputs being touched."""
    if path.suffix == ".ipynb":
        return nbformat.read(path, as_version=4)
    return jupytext.read(path, config=_config(path))


def source_text(notebook: NotebookNode, path: Path) -> str:
    """The percent-format text of `notebook` as JupyterLab writes it for `path`."""
    return jupytext.writes(notebook, fmt="py:percent", config=_config(path))


def _config(path: Path):
    return load_jupytext_config(str(path.absolute()))


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a clean ``.ipynb``: what is not needed to read it is left out, so that only real changes show in a diff."""
    clean = nbformat.v4.new_notebook(metadata={"kernelspec": dict(KERNEL), "language_info": _language(notebook, path)})
    # As JupyterLab would: it compares these with the source's, and refuses to open a pair that differs.
    if filters := {key: value for key, value in notebook.metadata.get("jupytext", {}).items() if "_filter" in key}:
        clean.metadata["jupytext"] = filters
    seen = Counter()
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "zh", "nbgrader") if cell.metadata.get(key)}
        cell = NotebookNode(cell | {"metadata": kept, "id": _cell_id(cell, seen)})
        if cell.cell_type == "code":
            cell.outputs = [_clean_output(output) for output in cell.outputs]
        clean.cells.append(cell)
    nbformat.validate(clean)
    path.write_text(nbformat.writes(clean) + "\n", encoding="utf-8")


def _language(notebook: NotebookNode, path: Path) -> dict:
    """The kernel's whole description of its Python: of `notebook` if executed, else of `path` as stored, else ours.

    JupyterLab writes it into every notebook that it opens, and a notebook with another one is modified at once.
    """
    stored = read(path).metadata if path.exists() else {}
    for metadata in (notebook.metadata, stored):
        if "version" in metadata.get("language_info", {}):
            return dict(metadata["language_info"])
    return dict(IPythonKernel.language_info)


def write_source(notebook: NotebookNode, path: Path) -> None:
    """Write the percent-format source ``path`` as JupyterLab would; a file that has this text is left alone."""
    text = source_text(notebook, path)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _cell_id(cell: NotebookNode, seen: Counter) -> str:
    """An id made from what the cell says: the same cell has the same id in every execution and on every machine."""
    text = f"{cell.cell_type}\n{cell.source}"
    seen[text] += 1
    return hashlib.sha256(f"{text}\n{seen[text]}".encode()).hexdigest()[:8]


def _clean_output(output: NotebookNode) -> NotebookNode:
    if "metadata" in output:
        output.metadata = {key: value for key, value in output.metadata.items() if key in output.data}
    return output


# ------------------------------------------------------------------------------------------------------------ execution


@contextmanager
def _environment(profile: str, seed: int) -> Iterator[None]:
    """Let kernels inherit the headless environment; the language is the chapter's own, whatever HER_LANG says."""
    before = dict(os.environ)
    os.environ.update(environment(profile), HER_SEED=str(seed))
    os.environ.pop("HER_LANG", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _execute(path: Path, target: Path, profile: str, seed: int = 0, progress: bool = True) -> NotebookNode:
    """Execute the source `path` with papermill, which writes what came of it into `target`.

    Raises:
        ChapterFailed: a cell broke; cells before it have their outputs in `target`.
    """
    import papermill
    import tqdm.auto  # noqa: F401  here, because the environment of the kernels would turn papermill's bar off
    from papermill.exceptions import PapermillExecutionError

    options = {"extra_arguments": ["--log-level=ERROR"], "coalesce_streams": True, "store_widget_state": False}
    try:
        with _environment(profile, seed):
            return papermill.execute_notebook(
                read(path),
                target,
                kernel_name=KERNEL["name"],
                cwd=path.parent,
                progress_bar={"desc": name_of(path)} if progress else False,
                execution_timeout=CELL_TIMEOUT,
                **options,
            )
    except PapermillExecutionError as error:
        traceback = click.unstyle("\n".join(error.traceback))
        said = click.unstyle(f"{error.ename}: {error.evalue}")
        failure = CellFailure(error.cell_index + 1, error.source, said, traceback)
    except (CellTimeoutError, DeadKernelError) as error:
        cells = enumerate(read(target).cells, start=1)
        number, cell = [(i, cell) for i, cell in cells if cell.metadata.papermill.start_time][-1]
        failure = CellFailure(number, cell.source, f"{type(error).__name__}: {error}", "")
    raise ChapterFailed(name_of(path), failure)


def execute_to_committed(path: Path, profile: str = "full") -> Path:
    """Execute the source `path` and write the notebook beside it; return the notebook's path.

    The source is rewritten as JupyterLab would, if it differs (spacing between cells, order of tags). On a broken cell
    :class:`ChapterFailed` says which, and no file is touched.
    """
    with tempfile.TemporaryDirectory() as folder:
        notebook = _execute(path, Path(folder, "executed.ipynb"), profile)
    write_source(read(path), path)
    write_notebook(notebook, path.with_suffix(".ipynb"))
    return path.with_suffix(".ipynb")


def refresh(path: Path) -> bool:
    """Bring the notebook beside the source `path` up to date where only prose, tags or stamps changed.

    Outputs stay as they are. Returns False, and changes nothing, if the code differs: then execute the chapter.
    """
    notebook, committed = read(path), read(path.with_suffix(".ipynb"))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    stored = [cell for cell in committed.cells if cell.cell_type == "code"]
    if [cell.source for cell in code] != [cell.source for cell in stored]:
        return False
    for cell, old in zip(code, stored, strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    write_source(notebook, path)
    write_notebook(notebook, path.with_suffix(".ipynb"))
    return True


def run(
    paths: Sequence[Path], profile: str = "quick", out: Path = Path("build"), progress: bool = True, seed: int = 0
) -> list[Result]:
    """Execute chapters into ``OUT/PROFILE/LANG/NAME.ipynb``, each to its end or first broken cell.

    The chapters' own files are not touched. Each chapter has a progress bar. ``seed`` is the first of the seeds that
    they train with.
    """
    results = []
    for path in paths:
        target = Path(out, profile, name_of(path)).with_suffix(".ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        start, failure = time.perf_counter(), None
        try:
            _execute(path, target, profile, seed, progress)
        except ChapterFailed as failed:
            failure = failed.failure
        cells = sum(cell.cell_type == "code" for cell in read(path).cells)
        results.append(Result(name_of(path), time.perf_counter() - start, cells, failure))
    return results
