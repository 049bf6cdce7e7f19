"""Links in the texts: those inside the repository lead somewhere, those outside it are listed in chapters/links.md.

GitHub gives the headings of a Markdown file their anchors, JupyterLab those of a notebook. Nothing is downloaded.
"""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin

from her_course import notebooks

REPOSITORY = Path(__file__).parents[1]
LISTED = REPOSITORY / "chapters" / "links.md"
SITE = REPOSITORY / "her_course" / "site" / "pages"  # linked as pages of the book, which test_site.py follows
NOTEBOOKS = [
    *notebooks.discover(REPOSITORY / "chapters"),
    *sorted((REPOSITORY / "solutions").glob("ch*.py")),
    *sorted((REPOSITORY / "exercises").glob("*/ch*.ipynb")),
]
TEXTS = [
    *sorted(REPOSITORY.glob("*.md")),
    *(
        path
        for folder in ("benchmarks", "chapters", "results", "solutions")
        for path in REPOSITORY.glob(f"{folder}/**/*.md")
    ),
    *sorted(REPOSITORY.glob("her_course/figures/**/*.md")),
]
OUTSIDE = re.compile(r"[a-z]+:", re.IGNORECASE)


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def text_of(path: Path) -> str:
    """Markdown: the file's, or that of a notebook's cells."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in notebooks.read(path).cells if cell.cell_type == "markdown")


def links_of(path: Path) -> list[str]:
    """Targets of links and images, and addresses that are written out; nothing of what stands in code."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text_of(path)):
        for child in token.children or ():
            if child.type in ("link_open", "image"):
                found.append(child.attrs.get("href") or child.attrs["src"])
            elif child.type == "text":
                found += re.findall(r"https?://[^\s)>\]]+", child.content)
    return found


def anchors_of(path: Path) -> set[str]:
    """What `#…` may name in a Markdown file or notebook."""
    options = {"slug_func": lambda title: title.replace(" ", "-")} if path.suffix == ".ipynb" else {}
    parser = MarkdownIt("commonmark").use(anchors_plugin, max_level=6, **options)
    return {str(token.attrs["id"]) for token in parser.parse(text_of(path)) if token.type == "heading_open"}


def broken_links(path: Path, repository: Path = REPOSITORY) -> list[str]:
    """Links of `path` to a file or heading that is not there, or not in the repository."""
    return [link for link in links_of(path) if not OUTSIDE.match(link) and not leads_somewhere(link, path, repository)]


def leads_somewhere(link: str, source: Path, repository: Path) -> bool:
    name, _, fragment = unquote(link).partition("#")
    target = (source.parent / name).resolve() if name else source
    if not target.exists() or not target.is_relative_to(repository):
        return False
    return not fragment or (target.suffix in (".md", ".ipynb") and fragment in anchors_of(target))


@pytest.mark.parametrize("path", [*TEXTS, *NOTEBOOKS], ids=name_of)
def test_links_inside_the_repository_lead_somewhere(path):
    assert broken_links(path) == []


def test_links_are_found():
    """The walk sees the texts, and their links: none of it passes by being blind."""
    walked = {name_of(path): links_of(path) for path in [*TEXTS, *NOTEBOOKS]}
    assert "results/first_look/figure.png" in walked["README.md"]
    assert "CONTRIBUTING.md#the-book" in walked["README.zh.md"]
    assert "#what-a-submission-can-reach" in walked["solutions/INSTRUCTORS.md"]
    assert "../../exercises/en/ch1.ipynb" in walked["chapters/en/start.md"]
    assert "02_relabelling.ipynb" in walked["chapters/zh/01_sparse_rewards.py"]
    assert sum(map(len, walked.values())) > 200


def test_outside_links_are_listed_each_once():
    listed = Counter(links_of(LISTED))
    assert [link for link, rows in listed.items() if rows > 1] == []
    used = {link for path in [*TEXTS, *NOTEBOOKS, *SITE.glob("**/*.md")] if path != LISTED for link in links_of(path)}
    outside = {link for link in used if OUTSIDE.match(link)}
    assert outside - set(listed) == set(), "add a row to chapters/links.md"
    assert set(listed) - outside == set(), "no text has these links any more: remove them from chapters/links.md"


@pytest.mark.parametrize(
    ("written", "broken"),
    [
        ("[x](there.md)", []),
        ("[x](gone.md)", ["gone.md"]),
        ("![x](gone.png)", ["gone.png"]),
        ("| a |\n|---|\n| [x](gone.md) |", ["gone.md"]),
        ("> see [x](gone.md)", ["gone.md"]),
        ("[x](there.md#two-words)", []),
        ("[x](there.md#three-words)", ["there.md#three-words"]),
        ("[x](#自己的标题)\n\n# 自己的标题", []),
        ("[x](#another)", ["#another"]),
        ("[x](run.ipynb#What-we-saw)", []),
        ("[x](run.ipynb#what-we-saw)", ["run.ipynb#what-we-saw"]),
        ("[x](../outside.md)", ["../outside.md"]),
        ("[x](https://example.org/gone)", []),
        ("`[x](gone.md)`", []),
        ("```\n[x](gone.md)\n```", []),
    ],
)
def test_finds_what_is_planted(tmp_path, written, broken):
    repository = tmp_path / "repository"
    repository.mkdir()
    (tmp_path / "outside.md").write_text("", encoding="utf-8")
    (repository / "there.md").write_text("# There\n\n## Two words", encoding="utf-8")
    (repository / "run.ipynb").write_text(
        '{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "## What we saw"}],'
        ' "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        encoding="utf-8",
    )
    source = repository / "text.md"
    source.write_text(written, encoding="utf-8")
    assert broken_links(source, repository) == broken
