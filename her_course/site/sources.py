"""What Sphinx reads for the book in one language: the repository's notebooks and texts, made ready in a folder.

Cells and headings get anchors that are the same in both languages, links between files become links between pages, and
hints are folded below their exercises.
"""

import os
import re
import shutil
from base64 import b64decode
from collections.abc import Mapping
from importlib import resources
from itertools import count
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from her_course.exercises.registry import exercises
from her_course.notebooks import read
from her_course.site.gallery import write_gallery
from her_course.site.reference import write_reference

TEXTS = {
    "zh": {"hint": "提示 {}", "stuck": "没有头绪？三条提示，一条比一条说得多："},
    "en": {"hint": "Hint {}", "stuck": "Stuck? Three hints, each of which says more:"},
}
_CODE_OR_LINK = re.compile(
    r"^(?P<fence>```|~~~).*?^(?P=fence)"
    r"|(?P<image>!?)\[(?P<label>(?:[^\[\]]|`[^`]*`)*)\]\((?P<target>[^()\s]+)\)"
    r"|`+[^`]*`+",
    re.MULTILINE | re.DOTALL,
)
_OTHER_LANGUAGE = re.compile(r"^\[(?:中文|English)\]\([^()]+\)[.。]?\s*", re.MULTILINE)
_FENCE_OR_HEADING = re.compile(r"^(?P<fence>```|~~~).*?^(?P=fence)|^(?=#{1,6} )", re.MULTILINE | re.DOTALL)


def write_sources(repository: Path, lang: str, out: Path) -> None:
    """Write the pages in `lang` into the empty folder `out`, as Markdown, reStructuredText and notebooks.

    Raises:
        FileNotFoundError: a text or all chapters or exercises are missing.
    """
    shutil.copytree(resources.files(__package__) / "pages" / lang, out)
    pages = find_pages(repository, lang)
    for source, page in pages.items():
        target = out / page
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".ipynb":
            notebook = ready(read(source), lang, lambda text, source=source: linked(text, source, pages))
            nbformat.write(notebook, target)
        else:
            target.write_text(anchored(linked(source.read_text(encoding="utf-8"), source, pages)), encoding="utf-8")
    write_gallery(repository / "results", lang, out)
    for text in out.rglob("*.md"):
        if text.relative_to(out) not in map(Path, pages.values()):
            text.write_text(anchored(text.read_text(encoding="utf-8")), encoding="utf-8")
    write_reference(lang, out / "api")


def find_pages(repository: Path, lang: str) -> dict[Path, str]:
    """Which files of the repository become pages in `lang`, each with the name of its page's source."""
    chapters = sorted((repository / "chapters" / lang).glob("[0-9][0-9]_*.ipynb"))
    tasks = sorted((repository / "exercises" / lang).glob("ch[0-9]*.ipynb"))
    for what, found in (("chapters", chapters), ("exercises", tasks)):
        if not found:
            raise FileNotFoundError(f"no notebooks in {repository / what}")
    return {
        **{path: f"chapters/{path.name}" for path in chapters},
        **{path: f"exercises/{path.name}" for path in tasks},
        in_language(repository / "chapters" / "glossary.md", lang): "glossary.md",
        in_language(repository / "chapters" / "links.md", lang): "links.md",
        in_language(repository / "solutions" / "INSTRUCTORS.md", lang): "instructors.md",
        in_language(repository / "results" / "README.md", lang): "results/details.md",
    }


def in_language(path: Path, lang: str) -> Path:
    """``NAME.LANG.md`` beside ``NAME.md``, or in a folder LANG; without either, ``NAME.md`` serves both languages.

    Raises:
        FileNotFoundError: there is none of them.
    """
    candidates = (path.with_suffix(f".{lang}.md"), path.parent / lang / path.name, path)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"no {path.name} in {path.parent}")


# ------------------------------------------------------------------------------------------------------------ notebooks


def ready(notebook: NotebookNode, lang: str, edit) -> NotebookNode:
    """A copy of `notebook` for the book.

    Prose goes through the function `edit` and gets the anchor ``cell-N``, N counting all cells from 1. The parameters
    cell is folded, images have their text alternative, and solution cells are followed by folded hints.
    """
    book = nbformat.v4.new_notebook(metadata=notebook.metadata)
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            book.cells.append(nbformat.v4.new_markdown_cell(anchor("cell", number) + edit(cell.source)))
        elif cell.cell_type == "code":
            book.cells += _code(cell)
            book.cells += _hints(cell, lang)
    return book


def _code(cell: NotebookNode) -> list[NotebookNode]:
    """The cell, and one more for each further image: MyST-NB takes one text alternative for a cell."""
    tags = ["hide-cell"] if "parameters" in cell.metadata.get("tags", []) else []
    cells = [nbformat.v4.new_code_cell(cell.source, metadata={"tags": tags}, execution_count=cell.execution_count)]
    for output in cell.outputs:
        data = output.get("data", {})
        for kind in [kind for kind in data if "widget" in kind]:  # a picture beside it is what a page can show
            del data[kind]
        if "image/png" in data:
            if "mystnb" in cells[-1].metadata:
                cells.append(nbformat.v4.new_code_cell("", metadata={"tags": ["remove-input"]}))
            options = {"alt": output.metadata.get("image/png", {}).get("alt", "")}
            if is_film(b64decode(data["image/png"])):
                options["classes"] = "film"
            cells[-1].metadata["mystnb"] = {"image": options}
        cells[-1].outputs.append(output)
    return cells


def _hints(cell: NotebookNode, lang: str) -> list[NotebookNode]:
    task = cell.metadata.get("nbgrader", {})
    exercise = exercises().get(task.get("grade_id")) if task.get("solution") else None
    if exercise is None:
        return []
    texts = TEXTS[lang]
    folded = [
        f"<details>\n<summary>{texts['hint'].format(level)}</summary>\n\n{hint.of(lang)}\n\n</details>"
        for level, hint in enumerate(exercise.hints, start=1)
    ]
    return [nbformat.v4.new_markdown_cell("\n\n".join([texts["stuck"], *folded]))]


def is_film(png: bytes) -> bool:
    """Is it an animated PNG? Its animation control chunk stands before the image data."""
    return b"acTL" in png[: png.find(b"IDAT")]


# ------------------------------------------------------------------------------------------------------- links, anchors


def linked(text: str, source: Path, pages: Mapping[Path, str]) -> str:
    """Markdown `text` of the file `source` with links that point at pages of the book.

    Links to other hosts and within the page stay. One to a file that is no page becomes its label; one to a module
    of the library points at its page in the reference; one to the text in the other language goes, since every page has
    its switch.
    """
    here = Path(pages[source]).parent
    known = {path.resolve(): page for path, page in pages.items()}
    known |= {path.with_name(path.name.replace(".zh.md", ".md")): page for path, page in known.items()}

    def replace(found: re.Match) -> str:
        target = found["target"]
        if target is None or found["image"] or re.match(r"#|[a-z]+:", target):
            return found[0]
        name, _, fragment = target.partition("#")
        page = known.get((source.parent / name).resolve()) or _page_of((source.parent / name).resolve(), source)
        if page is None:
            return found["label"]
        return f"[{found['label']}]({os.path.relpath(page, here)}{'#' if fragment else ''}{fragment})"

    return _CODE_OR_LINK.sub(replace, _OTHER_LANGUAGE.sub("", text))


def _page_of(path: Path, source: Path) -> str | None:
    """The page for a file or folder that is not a page itself."""
    places = {
        "chapters": "chapters/index.md",
        "exercises": "exercises/index.md",
        "results": "results/index.md",
        "README.md": "index.md",
        "README.zh.md": "index.md",
    }
    repository = next(folder for folder in source.parents if (folder / "chapters").is_dir())
    if not path.is_relative_to(repository):
        return None
    inside = path.relative_to(repository)
    if path.suffix == ".py" and inside.parts[0] == "her":
        return f"api/{'.'.join(inside.with_suffix('').parts).removesuffix('.__init__')}.rst"
    if inside.parts[0] in places and (len(inside.parts) == 1 or inside.parts[0] == "results"):
        return places[inside.parts[0]]
    return None


def anchor(kind: str, number: int) -> str:
    """What gives the Markdown after it an id; nothing for the first, which is the top of the page."""
    return f'<span id="{kind}-{number}"></span>\n\n' if number > 1 else ""


def anchored(text: str) -> str:
    """Markdown `text` with an anchor ``section-N`` before each heading but the first, which has number 1."""
    numbers = count(1)
    return _FENCE_OR_HEADING.sub(lambda found: found[0] or anchor("section", next(numbers)), text)
