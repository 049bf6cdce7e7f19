"""What a learner is shown: a card or a table in a notebook, text in a terminal and wherever nobody looks on."""

import os
import re
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

#: set in notebooks that are executed without a reader, whose outputs are compared as text
PLAIN = "HER_PLAIN"

# Told apart by every kind of colour vision, and by their signs.
LOOKS = {"passed": ("#009E73", "✓"), "not_done": ("#777777", "○"), "failed": ("#D55E00", "✗")}
_CODE = re.compile(r"`([^`]+)`")


class Line(NamedTuple):
    """A line of a card; `code` is shown as it is, in columns."""

    text: str
    code: bool = False


class Row(NamedTuple):
    """An exercise in the table of progress; `link` is the address of its notebook, seen from the one at hand."""

    chapter: str
    name: str
    sign: str
    score: str
    tries: str
    link: str | None


def show(text: str, html: str) -> None:
    """Show `html` in a notebook, `text` elsewhere."""
    if in_notebook():
        from IPython.display import display

        display({"text/html": html, "text/plain": text}, raw=True)
    else:
        say(text)


def say(text: str) -> None:
    """Print; characters that the terminal's encoding lacks become "?"."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, errors="replace").decode(encoding))


def in_notebook() -> bool:
    """Is this a kernel, and does somebody look on?"""
    if os.environ.get(PLAIN) or "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def card(status: str, lines: Sequence[Line]) -> str:
    """A result as HTML: the first line is its title, the colour and the sign say how it went."""
    colour, sign = LOOKS.get(status, LOOKS["failed"])
    title = escape(lines[0].text).replace("✓ ", "")
    style = f"border-left: 6px solid {colour}; padding: 0.3em 1em; margin: 0.3em 0; line-height: 1.5"
    title = f'<strong><span style="color: {colour}">{sign}</span> {title}</strong>'
    return f'<div style="{style}">{title}{"".join(map(_line, lines[1:]))}</div>'


def _line(line: Line) -> str:
    if line.code:
        return f'<pre style="margin: 0 0 0 1em; white-space: pre-wrap">{escape(line.text)}</pre>'
    return "<div>" + _CODE.sub(r"<code>\1</code>", escape(line.text).removeprefix("✗ ")) + "</div>"


def table(rows: Sequence[Row], heads: Sequence[str], total: str) -> str:
    """Progress as an HTML table; the arrow is beside the first exercise that is not done."""
    to_do = next((row.name for row in rows if row.sign != "✓"), None)
    chapter, body = None, []
    for row in rows:
        if row.chapter != chapter:
            chapter = row.chapter
            body.append(f'<tr><th colspan="4" style="text-align: left">{escape(chapter)}</th></tr>')
        name = f"<code>{escape(row.name)}</code>"
        name = f'<a href="{escape(row.link)}">{name}</a>' if row.link else name
        name = f"<strong>→ {name}</strong>" if row.name == to_do else name
        cells = (row.sign, name, escape(row.score), escape(row.tries))
        body.append("<tr>" + "".join(f'<td style="text-align: left">{cell}</td>' for cell in cells) + "</tr>")
    head = "".join(f'<th style="text-align: left">{escape(name)}</th>' for name in ("", *heads))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table><p>{escape(total)}</p>"


def link_to_exercise(chapter: int, lang: str) -> str | None:
    """The address of an exercise notebook, seen from the working folder, where the notebook at hand is; None if there
    is none."""
    from her_course.places import find_chapters

    try:
        path = find_chapters().parent / "exercises" / lang / f"ch{chapter}.ipynb"
        return Path(os.path.relpath(path)).as_posix() if path.exists() else None
    except (OSError, ValueError):  # no chapters here; another drive
        return None
