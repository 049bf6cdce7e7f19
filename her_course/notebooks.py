"""Find the chapters and execute them: into the committed notebooks, or into a folder of their own as a check.

The percent-format ``.py`` is the source of a chapter. The ``.ipynb`` beside it keeps the outputs of the full profile;
:func:`execute_to_committed` writes it. Every other execution goes to ``build/``.
"""

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from jupytext.config import load_jupytext_config
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from her_course.headless import environment

LANGUAGES = ("zh", "en")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KERNEL_OPTIONS = ["--log-level=ERROR"]
CELL_TIMEOUT = 1200  # seconds
BROKEN = (CellExecutionError, CellTimeoutError, DeadKernelError)
ENGINE = "her"
_COLOUR_CODES = re.compile(r"\x1b\[[0-9;]*m")


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
        self.chapter = chapter
        self.failure = failure


@dataclass(frozen=True)
class Result:
    """One chapter executed by :func:`run`: "zh/01_sparse_rewards", how long it took, and what broke, if anything."""

    chapter: str
    seconds: float
    cells: int
    failure: CellFailure | None = None


# ---------------------------------------------------------------------------------------------------------------- files


def find_chapters() -> Path:
    """The folder ``chapters/`` of the working folder or of one above it, or else of the repository that holds `her`."""
    here = Path.cwd()
    repository = Path(__file__).resolve().parents[1]
    for folder in (here, *here.parents, repository):
        if (folder / "chapters" / "jupytext.toml").is_file():
            return folder / "chapters"
    raise FileNotFoundError(f"no folder chapters/ in {here}, nor above it: start in a clone of the course")


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
    clean = nbformat.v4.new_notebook(metadata={"kernelspec": dict(KERNEL), "language_info": {"name": "python"}})
    # As JupyterLab would: it compares these with the source's, and refuses to open a pair that differs.
    filters = {key: value for key, value in notebook.metadata.get("jupytext", {}).items() if key.endswith("_filter")}
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
def _environment(profile: str, seed: int = 0) -> Iterator[None]:
    """Let kernels inherit the headless environment; the language is the chapter's own, whatever HER_LANG says."""
    before = dict(os.environ)
    os.environ.update(environment(profile), HER_SEED=str(seed))
    os.environ.pop("HER_LANG", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def code_cells(notebook: NotebookNode) -> int:
    """The number of code cells that have something to execute."""
    return sum(map(_is_executable, notebook.cells))


def _is_executable(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())


def execute_to_committed(path: Path, profile: str = "full", on_cell: Callable[[], None] = lambda: None) -> Path:
    """Execute the source `path` and write the notebook beside it; return the notebook's path.

    The source is rewritten as JupyterLab would, if it differs (spacing between cells, order of tags). On a broken cell
    :class:`ChapterFailed` says which, and no file is touched. `on_cell` is called after each code cell.
    """
    notebook = read(path)
    place = _Place(on_cell)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNEL["name"],
        extra_arguments=KERNEL_OPTIONS,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        on_cell_start=lambda cell, cell_index: place.enter(cell_index),
        on_cell_complete=lambda cell, cell_index: place.leave(cell),
    )
    try:
        with _environment(profile):
            client.execute()
    except BROKEN as error:
        raise ChapterFailed(name_of(path), _failure(notebook, place.index, error)) from None
    _write_if_changed(path, source_text(notebook, path))
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
    _write_if_changed(path, source_text(notebook, path))
    write_notebook(notebook, path.with_suffix(".ipynb"))
    return True


def run(
    paths: Sequence[Path], profile: str = "quick", out: Path = Path("build"), progress: bool = True, seed: int = 0
) -> list[Result]:
    """Execute chapters through papermill into ``OUT/PROFILE/LANG/NAME.ipynb``, each to its end or first broken cell.

    The chapters' own files are not touched. A progress bar counts the code cells of all of them. ``seed`` is the first
    of the seeds that they train with.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from tqdm import tqdm

    notebooks = {path: read(path) for path in paths}
    results = []
    _register_engine()
    total = sum(map(code_cells, notebooks.values()))
    with _environment(profile, seed), tqdm(total=total, unit="cell", disable=not progress) as bar:
        for path, notebook in notebooks.items():
            bar.set_description(name_of(path))
            target = Path(out, profile, name_of(path)).with_suffix(".ipynb")
            target.parent.mkdir(parents=True, exist_ok=True)
            place, done = _Place(bar.update), bar.n
            start, failure = time.perf_counter(), None
            try:
                papermill.execute_notebook(
                    notebook,
                    str(target),
                    engine_name=ENGINE,
                    kernel_name=KERNEL["name"],
                    extra_arguments=KERNEL_OPTIONS,
                    cwd=str(path.parent),
                    progress_bar=False,
                    execution_timeout=CELL_TIMEOUT,
                    place=place,
                )
            except (PapermillExecutionError, *BROKEN) as error:
                failure = _failure(notebook, place.index, error)
            results.append(Result(name_of(path), time.perf_counter() - start, code_cells(notebook), failure))
            bar.update(done + code_cells(notebook) - bar.n)
    return results


def _register_engine() -> None:
    """Teach papermill an engine that says where it is, for one progress bar over many notebooks."""
    from papermill.engines import NBClientEngine, papermill_engines

    class TellingEngine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, place, **options):
            start, complete = nb_man.cell_start, nb_man.cell_complete

            def cell_start(cell, index):
                place.enter(index)
                start(cell, index)

            def cell_complete(cell, cell_index):
                complete(cell, cell_index)
                place.leave(cell)

            nb_man.cell_start, nb_man.cell_complete = cell_start, cell_complete
            super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register(ENGINE, TellingEngine)


class _Place:
    """Where an execution is: the cell entered last. Calls `on_cell` after each code cell."""

    def __init__(self, on_cell: Callable[[], None]):
        self.index = 0
        self.on_cell = on_cell

    def enter(self, index: int) -> None:
        self.index = index

    def leave(self, cell: NotebookNode) -> None:
        if _is_executable(cell):
            self.on_cell()


def _failure(notebook: NotebookNode, index: int, error: Exception) -> CellFailure:
    """What nbclient's or papermill's `error` says about cell `index`."""
    cell = notebook.cells[index]
    traceback = getattr(error, "traceback", [])
    if isinstance(traceback, str):  # nbclient's tells the source once more
        traceback = [line for output in cell.outputs for line in output.get("traceback", [])]
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    text = _COLOUR_CODES.sub("", "\n".join(traceback))
    return CellFailure(index + 1, cell.source, _COLOUR_CODES.sub("", f"{name}: {value}"), text)


def _write_if_changed(path: Path, text: str) -> None:
    if path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
