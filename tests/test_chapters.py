"""Every chapter, in both languages: runs, agrees with its notebook, with its promises, and with its translation.

nbval compares the outputs besides: `pytest --nbval chapters`.
"""

import os
import shutil
from pathlib import Path

import pytest

from her_course import notebooks
from her_course.consistency import check_outputs, check_pair, check_parity, original_of

REPOSITORY = Path(__file__).parents[1]
SOURCES = notebooks.discover(REPOSITORY / "chapters")
ENGLISH = notebooks.discover(REPOSITORY / "chapters", "en")


@pytest.mark.parametrize("path", SOURCES, ids=notebooks.name_of)
def test_runs_from_top_to_bottom(path, tmp_path):
    [result] = notebooks.run([path], os.environ["HER_PROFILE"], tmp_path, progress=False)
    assert result.failure is None, f"{result.chapter}, {result.failure}"


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
    assert check_parity(original_of(path), path) == []


def test_every_chapter_is_there_in_both_languages():
    names = {lang: {p.name for p in notebooks.discover(REPOSITORY / "chapters", lang)} for lang in ("zh", "en")}
    assert names["zh"] == names["en"]
