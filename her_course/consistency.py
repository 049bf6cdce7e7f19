"""Are the chapters' files in step? Source with notebook, Chinese with English, stored outputs with what was promised.

Each ``check_…`` returns its findings as sentences that name the file, the cell and the remedy; none means all is well.
Cells are numbered from 1, prose and code alike, as they stand in the ``.py``.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path

from nbformat import NotebookNode

from her_course.notebooks import name_of, read, refresh, source_text

PARAMETERS = "parameters"
UNCOMPARED = "nbval-ignore-output"
LARGEST = 1_500_000  # bytes of a notebook
UNCOMPARED_SHARE = 0.25

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"(`+).+?\1", re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)
_FORMULA = re.compile(r"(?<!\\)\$\$(.+?)\$\$|(?<![\\$])\$(?![\s$])([^$]+?)(?<!\\)\$", re.DOTALL)
_WORDS_IN_FORMULA = re.compile(r"\\(text|mathrm|textbf)\s*\{[^{}]*\}")
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/[\w.-]+/\S+|\b[A-Z]:\\\w+")


# -------------------------------------------------------------------------------------------------- source and notebook


def check_pair(source: Path) -> list[str]:
    """Does the notebook beside `source` hold the same cells, and is the source written as JupyterLab would write it?"""
    committed = source.with_suffix(".ipynb")
    name = name_of(source)
    if not committed.exists():
        return [f"{name}.ipynb is missing: her chapters execute"]
    notebook = read(source)
    ours, theirs = notebook.cells, read(committed).cells
    findings = []
    if source_text(notebook, source) != source.read_text(encoding="utf-8"):
        findings.append(f"{name}.py is not spaced as JupyterLab would write it: her chapters refresh")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        findings.append(f"{name}.py has no kernelspec python3 in its header: copy the header of another chapter")
    differing = []
    for a, b in _aligned(_content, ours, theirs):
        if a is not None and b is not None and _content(ours[a]) == _content(theirs[b]):
            continue
        what = "too many" if a is None else "missing" if b is None else "changed"
        number, cell = (b + 1, theirs[b]) if a is None else (a + 1, ours[a])
        remedy = "her chapters execute" if cell.cell_type == "code" else "her chapters refresh"
        differing.append((number, cell, f"{what} in the .ipynb: {remedy}"))
    return findings + _sentences(name, differing)


def _content(cell: NotebookNode) -> tuple:
    return cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ())), cell.metadata.get("zh")


# -------------------------------------------------------------------------------------------------- Chinese and English


def check_parity(chinese: Path, english: Path) -> list[str]:
    """Do the two languages have the same cells in the same order, and is each English cell's original unchanged?

    Equal must be: cell types, tags, code (the name of the language in the parameters cell aside), and in prose the
    levels of headings and the formulas. The words in a formula, as in \\text{…}, may differ.
    """
    if missing := [path for path in (chinese, english) if not path.exists()]:
        return [f"{name_of(path)}.py is missing: a chapter has both languages" for path in missing]
    zh, en = read(chinese).cells, read(english).cells
    findings, drifted = [], []
    for a, b in _aligned(_structure, zh, en):
        if b is None:
            findings.append(f"{name_of(chinese)}, cell {a + 1} {_title(zh[a])}: missing in English")
        elif a is None:
            findings.append(f"{name_of(english)}, cell {b + 1} {_title(en[b])}: not in the Chinese chapter")
        else:
            drifted += [(b + 1, en[b], drift) for drift in _drift(zh[a], en[b])]
    return findings + _sentences(name_of(english), drifted)


def stamp(english: Path, cells: Iterable[int] = ()) -> list[int]:
    """Say that the English prose translates the Chinese as it is now: all cells, or those whose numbers are given.

    Each prose cell keeps, in its metadata under ``zh``, a hash of its Chinese original. Returns the numbers of the
    cells whose stamp changed. Raises ValueError if the languages do not have the same cells.
    """
    chinese = english.parents[1] / "zh" / english.name
    notebook, zh = read(english), read(chinese).cells
    if [cell.cell_type for cell in zh] != [cell.cell_type for cell in notebook.cells]:
        raise ValueError(f"{name_of(english)} has not the same cells as {name_of(chinese)}: her chapters check")
    wanted = set(cells) or set(range(1, len(zh) + 1))
    changed = []
    for number, (original, cell) in enumerate(zip(zh, notebook.cells, strict=True), start=1):
        if number in wanted and cell.cell_type == "markdown" and cell.metadata.get("zh") != fingerprint(original):
            cell.metadata["zh"] = fingerprint(original)
            changed.append(number)
    if changed:
        english.write_text(source_text(notebook, english), encoding="utf-8")
        if english.with_suffix(".ipynb").exists():
            refresh(english)
    return changed


def fingerprint(cell: NotebookNode) -> str:
    """Eight letters that change when the cell's text does; white space at the ends of lines does not count."""
    text = "\n".join(line.rstrip() for line in cell.source.strip().splitlines())
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _drift(zh: NotebookNode, en: NotebookNode) -> Iterator[str]:
    """How the English cell departs from its Chinese original."""
    if zh.cell_type != en.cell_type:
        yield f"{en.cell_type}, where the Chinese chapter has {zh.cell_type}: {_title(zh)}"
        return
    if list(zh.metadata.get("tags", [])) != list(en.metadata.get("tags", [])):
        yield f"tags {en.metadata.get('tags', [])}, in Chinese {zh.metadata.get('tags', [])}"
    if zh.cell_type == "code":
        expected = zh.source.replace('"zh"', '"en"') if PARAMETERS in zh.metadata.get("tags", []) else zh.source
        if expected != en.source:
            yield "the code differs from the Chinese chapter's"
        return
    for what, of in (("headings", _headings), ("formulas", _formulas)):
        if of(zh.source) != of(en.source):
            yield f"{what} {of(en.source)}, in Chinese {of(zh.source)}"
    remedy = "when the translation is right again: her chapters stamp"
    if "zh" not in en.metadata:
        yield f"not stamped as a translation; {remedy}"
    elif en.metadata["zh"] != fingerprint(zh):
        yield f"older than the Chinese cell it translates; {remedy}"


def _aligned(
    key: Callable[[NotebookNode], tuple], ours: list[NotebookNode], theirs: list[NotebookNode]
) -> Iterator[tuple[int | None, int | None]]:
    """Positions of the cells that belong together, alike by `key` or changed in place; None for one that is missing."""
    matcher = SequenceMatcher(None, list(map(key, ours)), list(map(key, theirs)), autojunk=False)
    for _, a, a_end, b, b_end in matcher.get_opcodes():
        yield from zip_longest(range(a, a_end), range(b, b_end))


def _structure(cell: NotebookNode) -> tuple:
    """What tells a cell's place: code by its text, prose by its headings and formulas."""
    if cell.cell_type == "code":
        return "code", PARAMETERS if PARAMETERS in cell.metadata.get("tags", []) else cell.source
    return cell.cell_type, tuple(_headings(cell.source)), tuple(_formulas(cell.source))


def _headings(text: str) -> list[str]:
    return _HEADING.findall(_FENCE.sub("", text))


def _formulas(text: str) -> list[str]:
    text = _CODE_SPAN.sub("", _FENCE.sub("", text))
    formulas = (display or inline for display, inline in _FORMULA.findall(text))
    return ["".join(_WORDS_IN_FORMULA.sub(r"\\text{}", formula).split()) for formula in formulas]


# ------------------------------------------------------------------------------------------------------- stored outputs


def check_outputs(committed: Path) -> list[str]:
    """Is a committed notebook executed from top to bottom, clean, small and described?

    Looked for: cells never executed, errors, standard error, widgets that nobody can display, images without alt text,
    paths of the machine it was made on, too many cells whose output is not compared, a file of more than 1.5 MB.
    """
    name = name_of(committed)
    if not committed.exists():
        return [f"{name}.ipynb is missing: her chapters execute"]
    notebook = read(committed)
    code = [(i, cell) for i, cell in enumerate(notebook.cells, start=1) if cell.cell_type == "code"]
    findings = []
    if (size := committed.stat().st_size) > LARGEST:
        findings.append(f"{name}: {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.1f}: draw fewer or smaller figures")
    if not code or PARAMETERS not in code[0][1].metadata.get("tags", []):
        findings.append(f'{name}: the first code cell is not tagged "{PARAMETERS}"')
    elif missing := [v for v in ("HER_LANG", "HER_PROFILE") if v not in code[0][1].source]:
        findings.append(f"{name}: the parameters cell does not read {' and '.join(missing)}")
    uncompared = [i for i, cell in code if UNCOMPARED in cell.metadata.get("tags", [])]
    if len(uncompared) > UNCOMPARED_SHARE * len(code):
        findings.append(
            f"{name}: {len(uncompared)} of {len(code)} code cells are tagged {UNCOMPARED}: at most a quarter"
        )
    executed = [cell.execution_count for _, cell in code if cell.source.strip()]
    if executed != list(range(1, len(executed) + 1)):
        findings.append(f"{name}: not executed from top to bottom: her chapters execute")
    blemished = [(i, cell, blemish) for i, cell in code for output in cell.outputs for blemish in _blemishes(output)]
    return findings + _sentences(name, blemished)


def _blemishes(output: NotebookNode) -> Iterator[str]:
    if output.output_type == "error":
        yield f"the stored output is an error, {output.ename}"
        return
    if output.output_type == "stream" and output.name == "stderr":
        yield f"writes to standard error: {output.text.strip().splitlines()[0]}"
    data = output.get("data", {})
    if any("widget" in kind for kind in data):
        yield "stores a widget, gone when the notebook is opened; for a bar: her_course.figures.progress.progress_bar"
    for kind in data:
        if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt", "").strip():
            yield "an image without alt text: her_course.figures.show(fig, alt=…)"
    text = "\n".join([output.get("text", ""), *(v for k, v in data.items() if k.startswith("text/"))])
    if found := _ABSOLUTE_PATH.search(text):
        yield f"shows a path of the machine it was made on: {found[0]}"


def _sentences(name: str, findings: Iterable[tuple[int, NotebookNode, str]]) -> list[str]:
    """One sentence for each thing found, with the cells it was found in, by number and, if it is one, by first line."""
    cells: dict[str, dict[int, NotebookNode]] = {}
    for number, cell, finding in findings:
        cells.setdefault(finding, {})[number] = cell
    return [f"{name}, {_where(found)}: {finding}" for finding, found in cells.items()]


def _where(cells: dict[int, NotebookNode]) -> str:
    if len(cells) > 1:
        return f"cells {', '.join(map(str, cells))}"
    [(number, cell)] = cells.items()
    return f"cell {number} {_title(cell)}"


def _title(cell: NotebookNode) -> str:
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return f"“{first[:40]}{'…' if len(first) > 40 else ''}”"
