"""`make lab`: JupyterLab starts in the chapters for whoever calls it, and a chapter runs there from top to bottom."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import browser
import pytest
from click.testing import CliRunner
from course_samples import write_chapters

from her_course import commands, lab, notebooks
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
        assert ("--allow-root" in lab.arguments(Path("chapters"), "zh")) is expected


def test_no_browser_is_sought_without_a_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("BROWSER", "WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert "--no-browser" in lab.arguments(Path("chapters"), "zh")
    monkeypatch.setenv("DISPLAY", ":0")
    assert "--no-browser" not in lab.arguments(Path("chapters"), "zh")


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
        viewers = settings["schema"]["properties"]["defaultViewers"]["default"]
        assert viewers == {"python": "Jupytext Notebook", "markdown": "Markdown Preview"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({}, "zh"),
    ],
)
def test_the_start_page_speaks_the_systems_language(variables, expected, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert lab.system_language() == expected


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_lab_opens_on_the_start_page_that_is_asked_for(lang, monkeypatch):
    started = []
    monkeypatch.setattr(lab, "start", lambda *arguments: started.append(arguments))
    CliRunner().invoke(commands.lab, ["--lang", lang, "--port", "9999"], catch_exceptions=False)
    [(chapters, asked, options)] = started
    assert options == ("--port", "9999")
    assert f"--LabApp.default_url=/lab/tree/chapters/{lang}/start.md" in lab.arguments(chapters, asked)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_start_page_names_every_chapter_with_its_exercise_and_minutes(lang):
    page = REPOSITORY / "chapters" / lang / "start.md"
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    minutes = {"zh": r"(\d+) ?分钟", "en": r"(\d+) minutes"}[lang]
    for chapter in notebooks.discover(REPOSITORY / "chapters", lang):
        number, first = notebooks.number_of(chapter), notebooks.read(chapter).cells[0].source
        [row] = [line for line in text.splitlines() if f"]({chapter.stem}.ipynb)" in line and line.startswith("| ")]
        assert f"[{first.splitlines()[0].split('　')[1]}]" in row
        exercise = REPOSITORY / "exercises" / lang / f"ch{number}.ipynb"
        told = re.search(minutes, first)[1], re.search(minutes, notebooks.read(exercise).cells[0].source)[1]
        said = re.findall(r"(\d+) (?:min|分钟)", row)
        assert (said[0], said[-1]) == told
        assert f"exercises/{lang}/ch{number}.ipynb" in row


def test_an_environment_that_cannot_be_written_to_will_do(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr(lab, "settings_file", lambda: tmp_path / "file" / "her-course.json")
    lab.write_settings()
    assert "cannot be written" in capsys.readouterr().out


def test_nothing_waits_for_a_grammar_that_nobody_needs():
    """From 4.25 on jsonschema builds one of non-ASCII addresses: half of the time in which JupyterLab starts."""
    program = "import nbformat, sys; print('lark' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"


@pytest.mark.browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_is_opened_is_left_unmodified_and_images_have_their_alternatives(tmp_path, lang):
    pytest.importorskip("playwright")
    if not browser.CHROMIUM:
        pytest.skip("no Chromium on this machine")
    for folder in ("chapters", "exercises"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".*"))
    opened = [
        *sorted((tmp_path / "chapters" / lang).glob("*.ipynb")),
        *sorted((tmp_path / "exercises" / lang).iterdir()),
    ]
    version = ".".join(map(str, sys.version_info[:3]))
    if notebooks.read(opened[0]).metadata.language_info.get("version") != version:
        pytest.skip("the notebooks were executed by another Python")
    with browser.lab(tmp_path, "--lang", lang) as url, browser.page(url) as tab:
        assert tab.inner_text(".jp-RenderedMarkdown h1")
        for path in opened:
            browser.open_file(tab, str(path.relative_to(tmp_path)))
            tab.wait_for_timeout(10_000)
            assert not tab.evaluate("() => window.opened.context.model.dirty"), path
            shown = tab.evaluate(
                "() => [...window.opened.node.querySelectorAll('.jp-RenderedImage img')].map(i => i.alt)"
            )
            assert all(shown), path


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
