"""Every chapter, in both languages: runs, agrees with its notebook, with its promises, and with its translation.

In the quick profile papermill runs a chapter in one language, and nbval, which also compares outputs, in the other.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from test_exercise_notebooks import EXERCISES
from test_exercise_notebooks import TO_RUN as EXERCISES_TO_RUN

from her_course import notebooks
from her_course.consistency import check_outputs, check_pair, check_parity

REPOSITORY = Path(__file__).parents[1]
SOURCES = notebooks.discover(REPOSITORY / "chapters")
ENGLISH = notebooks.discover(REPOSITORY / "chapters", "en")
#: by papermill
TO_RUN = SOURCES if os.environ["HER_PROFILE"] == "full" else SOURCES[:6:2] + SOURCES[7::2]


@pytest.mark.parametrize("path", TO_RUN, ids=notebooks.name_of)
def test_runs_from_top_to_bottom(path, tmp_path):
    [result] = notebooks.run([path], os.environ["HER_PROFILE"], tmp_path, progress=False)
    assert result.failure is None, f"{result.chapter}, {result.failure}"


def test_every_notebook_is_executed_by_papermill_or_by_nbval():
    quick = re.search(r"^QUICK := (.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1].split()
    by_nbval = {path for pattern in quick for path in REPOSITORY.glob(pattern)}
    by_papermill = {path.with_suffix(".ipynb") for path in (*TO_RUN, *EXERCISES_TO_RUN)}
    assert by_nbval | by_papermill == {path.with_suffix(".ipynb") for path in (*SOURCES, *EXERCISES)}


@pytest.mark.parametrize("path", SOURCES, ids=notebooks.name_of)
def test_notebook_holds_the_same_cells_as_its_source(path):
    assert check_pair(path) == []


@pytest.mark.parametrize("path", SOURCES, ids=notebooks.name_of)
def test_jupyterlab_opens_it_though_the_notebook_be_newer(path, tmp_path):
    """As after a pull that brings new outputs only. JupyterLab refuses where the two differ, be it by a blank line."""
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    shutil.copy(path.parents[1] / "jupytext.toml", tmp_path)
    for file in (path, path.with_suffix(".ipynb")):
        shutil.copy(file, tmp_path)
    os.utime(tmp_path / path.name, (0, 0))
    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)(root_dir=str(tmp_path))
    assert manager.get(f"{path.stem}.ipynb", type="notebook", content=True)["content"]["cells"]


@pytest.mark.parametrize("path", SOURCES, ids=notebooks.name_of)
def test_stored_outputs_are_complete_and_clean(path):
    assert check_outputs(path.with_suffix(".ipynb")) == []


@pytest.mark.parametrize("path", ENGLISH, ids=notebooks.name_of)
def test_is_the_same_in_both_languages(path):
    assert check_parity(path.parents[1] / "zh" / path.name, path) == []


def test_every_chapter_is_there_in_both_languages():
    names = {lang: {p.name for p in notebooks.discover(REPOSITORY / "chapters", lang)} for lang in ("zh", "en")}
    assert names["zh"] == names["en"]
