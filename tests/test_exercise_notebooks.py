"""Exercise notebooks are what is made from the solutions, run as handed out, and say with a solution that all is right.

In the quick profile papermill runs an exercise in one language, and nbval, which also compares outputs, in the other.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from test_links import broken_links

from her_course import handout, notebooks
from her_course.consistency import check_outputs, check_pair
from her_course.exercises import registry

REPOSITORY = Path(__file__).parents[1]
SOLUTIONS = handout.sources(REPOSITORY / "solutions")
EXERCISES = [path for lang in notebooks.LANGUAGES for path in sorted((REPOSITORY / "exercises" / lang).iterdir())]
#: by papermill
TO_RUN = EXERCISES if os.environ["HER_PROFILE"] == "full" else EXERCISES[:6:2] + EXERCISES[7::2]


def printed(notebook):
    return "".join(o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "stream")


def test_every_chapter_has_a_solution_and_an_exercise():
    names = [f"ch{chapter}.py" for chapter in registry.CHAPTERS if registry.of_chapter(chapter)]
    assert [path.name for path in SOLUTIONS] == names
    assert [path.name for path in EXERCISES] == 2 * [name.replace(".py", ".ipynb") for name in names]


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_exercises_are_what_is_made_from_the_solutions(path, tmp_path):
    shutil.copytree(REPOSITORY / "solutions", tmp_path / "solutions")
    shutil.copytree(REPOSITORY / "exercises", tmp_path / "exercises")
    copy = tmp_path / "solutions" / path.name
    for made in handout.make(copy, tmp_path / "exercises"):
        assert made.read_text() == (REPOSITORY / made.relative_to(tmp_path)).read_text(), "her exercises make"
    assert copy.read_text() == path.read_text(), "her exercises make"


@pytest.mark.parametrize("path", SOLUTIONS, ids=notebooks.name_of)
def test_notebook_holds_the_same_cells_as_its_source(path):
    assert check_pair(path) == []
    assert notebooks.source_text(notebooks.read(path.with_suffix(".ipynb")), path) == path.read_text(), "JupyterLab"


@pytest.mark.parametrize("path", TO_RUN, ids=notebooks.name_of)
def test_an_exercise_runs_as_it_is_handed_out_and_says_what_is_to_do(path, tmp_path):
    [result] = notebooks.run([path], os.environ["HER_PROFILE"], tmp_path, progress=False)
    assert result.failure is None, str(result.failure)
    said = printed(nbformat.read(tmp_path / os.environ["HER_PROFILE"] / f"{notebooks.name_of(path)}.ipynb", 4))
    not_done = {"zh": "还没写", "en": "not done yet"}[path.parent.name]
    for exercise in registry.of_chapter(int(path.stem[2:])):
        assert re.search(rf"^{exercise.name}   0/\d+   {not_done}", said, re.MULTILINE)


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_every_check_of_a_solution_is_full(path):
    """In its stored outputs, which nbval compares with those of today."""
    said = printed(notebooks.read(path.with_suffix(".ipynb")))
    for exercise in registry.of_chapter(int(path.stem[2:])):
        assert re.search(rf"^{exercise.name}   (\d+)/\1   ✓", said, re.MULTILINE)
    assert "还没写" not in said
    assert "参考实现" not in said


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_stored_solutions_ran_to_their_end(path):
    cells = [cell for cell in notebooks.read(path.with_suffix(".ipynb")).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert check_outputs(path.with_suffix(".ipynb")) == []


@pytest.mark.parametrize("path", EXERCISES, ids=notebooks.name_of)
def test_every_exercise_has_a_statement_a_stub_and_a_check(path):
    lang = path.parent.name
    cells = notebooks.read(path).cells
    for exercise in registry.of_chapter(int(path.stem[2:])):
        stub = next(i for i, cell in enumerate(cells) if f"def {exercise.name}(" in cell.source)
        statement, check = cells[stub - 1].source, cells[stub + 1].source
        assert "★" * exercise.difficulty + "☆" * (4 - exercise.difficulty) in statement
        assert f"{exercise.minutes} {'分钟' if lang == 'zh' else 'minutes'}" in statement
        assert exercise.title.of(lang) in statement
        assert check == f"check({exercise.name}).score"
        assert "raise NotImplementedError" in cells[stub].source
        assert "Returns" in cells[stub].source or "in place" in cells[stub].source
        assert ">>>" in cells[stub].source
        assert cells[stub].metadata["nbgrader"]["grade_id"] == exercise.name
        assert cells[stub + 1].metadata["nbgrader"]["points"] == handout.cases(exercise.name)


def test_marks_that_do_not_come_in_pairs_are_found():
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("def f():\n    ### BEGIN SOLUTION\n    1")])
    with pytest.raises(ValueError, match="cell 1"):
        handout.exercise(broken, "zh")


@pytest.mark.parametrize("path", EXERCISES, ids=notebooks.name_of)
def test_an_exercise_speaks_its_own_language_alone(path):
    cells = notebooks.read(path).cells
    chinese = [cell.cell_type for cell in cells if re.search(r"[\u4e00-\u9fff]", cell.source)]
    assert ("markdown" in chinese) == ("code" in chinese) == (path.parent.name == "zh")
    if path.parent.name == "zh":
        prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
        assert all(re.search(r"[\u4e00-\u9fff]", text) for text in prose)
    assert not any("text(LANG" in cell.source for cell in cells)


@pytest.mark.parametrize(
    ("prose", "zh", "en"),
    [
        ("换一个目标。\n\n---\n\nAnother goal.", "换一个目标。", "Another goal."),
        ("$r = 0$", "$r = 0$", "$r = 0$"),
        ("换一个目标。\n\nAnother goal.", None, None),
        ("Another goal.\n\n---\n\n换一个目标。", None, None),
    ],
)
def test_prose_is_told_apart_at_a_line(prose, zh, en):
    solution = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose)])
    if zh is None:
        with pytest.raises(ValueError, match="cell 1: expected Chinese"):
            handout.exercise(solution, "zh")
    else:
        said = [handout.exercise(solution, lang).cells[0].source for lang in ("zh", "en")]
        assert said == [zh, en]


def test_one_of_two_texts_is_left_in_code():
    code = 'from her_course.figures import show, text\nLANG = os.environ.get("HER_LANG", "zh")\n'
    code += 'ax.set(xlabel=text(LANG, "步数", f"step {1}"), ylabel=text(LANG, "次数", "count"))'
    cell = handout.exercise(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), "en").cells[0]
    assert cell.source.splitlines() == [
        "from her_course.figures import show",
        'LANG = os.environ.get("HER_LANG", "en")',
        'ax.set(xlabel=f"step {1}", ylabel="count")',
    ]


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    out = tmp_path_factory.mktemp("class") / "out"
    handout.release(REPOSITORY, out)
    return out


def test_a_hand_out_gives_no_answers_away(handed_out):
    names = {path.relative_to(handed_out).as_posix() for path in handed_out.rglob("*")}
    assert {
        "exercises/en/ch1.ipynb",
        "her_course/checks.py",
        "chapters/zh/01_sparse_rewards.ipynb",
        "Makefile",
    } <= names
    assert not [
        name for name in names if "hidden" in name or "mutants" in name or name.startswith(("solutions", "tests"))
    ]
    for path in handed_out.joinpath("exercises").glob("*/*"):
        assert handout.BEGIN not in path.read_text(encoding="utf-8")


def test_a_hand_out_has_no_dead_links(handed_out):
    texts = [path for path in handed_out.rglob("*.md") if "site" not in path.parts]
    dead = {path.name: broken_links(path, handed_out) for path in texts}
    assert {name: links for name, links in dead.items() if links} == {}
    assert "## The chapters" in (handed_out / "README.md").read_text(encoding="utf-8")


def test_a_hand_out_checks_answers_and_has_no_hidden_cases(handed_out):
    program = (
        "import numpy as np, her; from her_course import check; from her_course.exercises.registry import find;"
        f"assert her.__file__.startswith({str(handed_out)!r});"
        "from her import sparse_reward; assert check(sparse_reward).passed;"
        "find('sparse_reward').cases(np.random.default_rng(0), hidden=True)"
    )
    environment = os.environ | {"PYTHONPATH": str(handed_out)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=handed_out, capture_output=True, text=True
    )
    assert "handed out without the hidden cases" in done.stderr


def test_a_hand_out_does_not_overwrite(tmp_path):
    (tmp_path / "something").touch()
    with pytest.raises(FileExistsError, match="out"):
        handout.release(REPOSITORY, tmp_path)
