"""How a chapter's cells are written: short, figures' words elsewhere, and results as numbers under a head.

The rules hold for every committed notebook; each is also tried on a planted fault, so that none passes by being blind.
"""

import re
from pathlib import Path

import nbformat
import pytest

from her_course import notebooks

REPOSITORY = Path(__file__).parents[1]
CHAPTERS = notebooks.discover(REPOSITORY / "chapters")
LONGEST_LINE = 100
MOST_LINES = 12

CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
TWO_LANGUAGES = re.compile(r"\b(?:text|words)\(|\bLANG\b")
ALTERNATIVE = re.compile(r"\balt\s*=|\balt\(")
TRUTH = re.compile(r"[\s\[\](),]|np\.|array|dtype=bool|[Tt]rue_?|[Ff]alse_?")
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d*)?(?:e[-+]?\d+)?\b%?")


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """A sentence for each rule that a cell breaks, with the number of the cell, the first being 0."""
    found = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            found += [f"[{number}] {fault}" for fault in (*faults_of_code(cell), *faults_of_output(cell))]
    return found


def faults_of_code(cell):
    lines = cell.source.splitlines()
    if longest := max((len(line) for line in lines if len(line) > LONGEST_LINE), default=0):
        yield f"a line of {longest} characters, more than {LONGEST_LINE}"
    if (count := sum(bool(line.strip()) for line in lines)) > MOST_LINES:
        yield f"{count} lines, more than {MOST_LINES}"
    if "parameters" in cell.metadata.get("tags", []):
        return
    if ALTERNATIVE.search(cell.source):
        yield 'an alt text: show(fig, "chapter.figure") finds it in alternatives.toml'
    if CHINESE.search(cell.source) or TWO_LANGUAGES.search(cell.source):
        yield "words in two languages: her_course.figures has them"


def faults_of_output(cell):
    outputs = [output for output in cell.get("outputs", []) if output.output_type != "error"]
    if outputs and all(is_plain(output) for output in outputs):
        text = "\n".join(map(text_of, outputs))
        if re.search("True|False", text) and not TRUTH.sub("", text):
            yield f"nothing but {' '.join(text.split())} comes out: print the numbers it rests on"
    if any(is_plain(output) and is_headless_table(text_of(output)) for output in outputs):
        yield "columns without heads: make it a pandas.DataFrame"


def is_plain(output) -> bool:
    """Text alone: a DataFrame has HTML, a figure an image."""
    return output.output_type == "stream" or set(output.get("data", ())) == {"text/plain"}


def text_of(output) -> str:
    return output.text if output.output_type == "stream" else output.data["text/plain"]


def is_headless_table(text: str) -> bool:
    """Two lines or more with two numbers or more each, the first line among them."""
    lines = [line for line in text.splitlines() if line.strip()]
    columns = [len(NUMBER.findall(line)) >= 2 for line in lines]
    return sum(columns) >= 2 and columns[0]


@pytest.mark.parametrize("path", CHAPTERS, ids=notebooks.name_of)
def test_chapters_keep_the_rules(path):
    assert faults(notebooks.read(path.with_suffix(".ipynb"))) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=notebooks.name_of)
def test_sources_keep_the_rules_of_code(path):
    assert faults(notebooks.read(path)) == []


def cell(source="x", *texts, html="", tags=()):
    """A notebook of one code cell, with texts that it printed, and a table in HTML."""
    code = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})
    code.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in texts]
    if html:
        code.outputs.append(
            nbformat.v4.new_output("execute_result", {"text/plain": "a  b\n1  2\n3  4", "text/html": html})
        )
    return nbformat.v4.new_notebook(cells=[code])


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (cell("print(all(right))", "True\n"), "nothing but True"),
        (cell("ok", "True True False\n"), "nothing but True True False"),
        (cell("ok", "[ True False]\n"), "nothing but"),
        (cell("ok", "True\n", "False\n"), "nothing but"),
        (cell("t", "n = 8   0.50 0.49\nn = 10  0.30 0.31\n"), "columns without heads"),
        (cell("t", "[[1. 2.]\n [3. 4.]]\n"), "columns without heads"),
        (cell("x = 1  # " + 100 * "-"), "a line of 109 characters"),
        (cell("\n".join(["x = 1"] * 13)), "13 lines"),
        (cell('show(fig, alt="A line")'), "an alt text"),
        (cell('show(fig, alt=alt("line"))'), "an alt text"),
        (cell('title = text("一", "one")'), "two languages"),
        (cell('title = "线"'), "two languages"),
        (cell("draw(ax, LANG)"), "two languages"),
    ],
)
def test_finds_what_is_planted(planted, said):
    [fault] = [fault for fault in faults(planted) if said in fault]
    assert fault.startswith("[0] ")


@pytest.mark.parametrize(
    "innocent",
    [
        cell("print(n, True)", "32 True\n"),
        cell("x = [\n\n" + "1,\n" * 9 + "]"),
        cell("table", html="<table>"),
        cell("t", "seed     steps   success\n0   10   0.5\n1   20   0.6\n"),
        cell("print(q)", "-50.0\n"),
        cell("print(two)", "1 2\n"),
        cell("context = next_words(3)"),
        cell('LANG = "zh"  # 中文', tags=["parameters"]),
    ],
)
def test_lets_the_innocent_go(innocent):
    assert faults(innocent) == []
