"""`make lab`: JupyterLab starts in the chapters for whoever calls it, and a chapter runs there from top to bottom."""

import json
import os
import shutil
import sys
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import browser
import pytest
from course_samples import write_chapters

from her_course import lab, notebooks
from her_course.consistency import check_pair

REPOSITORY = Path(__file__).parents[1]


def fetch(url: str, path: str) -> dict:
    parts = urlsplit(url)
    token = parse_qs(parts.query)["token"][0]
    with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}{path}?token={token}", timeout=30) as answer:
        return json.load(answer)


def test_root_is_let_in_only_as_root(monkeypatch):
    for user, expected in ((0, True), (1000, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user, raising=False)
        assert ("--allow-root" in lab.arguments(Path("chapters"))) is expected


def test_no_browser_is_sought_without_a_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("BROWSER", "WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert "--no-browser" in lab.arguments(Path("chapters"))
    monkeypatch.setenv("DISPLAY", ":0")
    assert "--no-browser" not in lab.arguments(Path("chapters"))


def test_serves_the_chapters_with_this_environments_kernel_and_python_files_as_notebooks(tmp_path):
    zh, _ = write_chapters(tmp_path)
    notebooks.execute_to_committed(zh)
    (tmp_path / "exercises").mkdir()
    with browser.lab(tmp_path) as url:
        assert {"chapters", "exercises"} <= {item["name"] for item in fetch(url, "/api/contents")["content"]}
        names = {item["name"] for item in fetch(url, "/api/contents/chapters/zh")["content"]}
        assert {"01_sample.py", "01_sample.ipynb"} <= names
        assert fetch(url, "/api/contents/chapters/zh/01_sample.py")["type"] == "notebook"
        kernels = fetch(url, "/api/kernelspecs")
        assert kernels["default"] == "python3"
        assert kernels["kernelspecs"]["python3"]["spec"]["argv"][0] in ("python", "python3", sys.executable)
        settings = fetch(url, "/lab/api/settings/@jupyterlab/docmanager-extension:plugin")
        assert settings["schema"]["properties"]["defaultViewers"]["default"] == {"python": "Jupytext Notebook"}


@pytest.mark.browser
def test_a_chapter_opens_runs_and_is_saved_as_a_pair(tmp_path):
    pytest.importorskip("playwright")
    if not browser.CHROMIUM:
        pytest.skip("no Chromium on this machine")
    shutil.copytree(REPOSITORY / "chapters", tmp_path / "chapters", ignore=shutil.ignore_patterns(".*"))
    chapters = notebooks.discover(tmp_path / "chapters")
    if not chapters:
        pytest.skip("no chapters yet")
    source, name = chapters[0].read_bytes(), notebooks.name_of(chapters[0])
    # the quick profile is done before JupyterLab saves on its own, as it does every two minutes
    with browser.lab(tmp_path, HER_PROFILE="quick") as url, browser.page(url) as tab:
        assert browser.open_file(tab, f"chapters/{name}.py") == "Notebook"
        report = browser.run_all_cells(tab, f"chapters/{name}.ipynb")
        browser.save(tab)
    assert report["errors"] == []
    assert report["executed"] == report["code"] > 0
    assert report["kernel"] == "python3"
    assert chapters[0].read_bytes() == source
    assert check_pair(chapters[0]) == []


@pytest.mark.browser
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("number", [2, 4, 5])
def test_a_chapter_runs_from_top_to_bottom_in_the_browser(tmp_path, number, lang):
    pytest.importorskip("playwright")
    if not browser.CHROMIUM:
        pytest.skip("no Chromium on this machine")
    for folder in ("chapters", "results"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".*"))
    [chapter] = notebooks.discover(tmp_path / "chapters", lang, [number])
    with browser.lab(tmp_path, HER_PROFILE="quick") as url, browser.page(url) as tab:
        report = browser.run_all_cells(tab, f"chapters/{notebooks.name_of(chapter)}.ipynb")
    assert report["errors"] == []
    assert report["executed"] == report["code"] > 0
