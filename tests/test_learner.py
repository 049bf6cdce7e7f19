"""A learner in JupyterLab: wrong answer, told why; a hint; the right answer, and progress shows it."""

import os
import shutil
from pathlib import Path

import browser
import pytest

REPOSITORY = Path(__file__).parents[1]
WRONG = """\
def sparse_reward(achieved_goal, desired_goal, threshold):
    return np.where(np.linalg.norm(achieved_goal - desired_goal, axis=-1) <= threshold, 0.0, -1.0)
"""
HANGS = """\
def sparse_reward(achieved_goal, desired_goal, threshold):
    while True:
        pass
"""


@pytest.mark.browser
def test_a_learner_is_told_why_gets_a_hint_and_sees_progress(tmp_path, monkeypatch):
    pytest.importorskip("playwright")
    if not browser.CHROMIUM:
        pytest.skip("no Chromium on this machine")
    for folder in ("chapters", "exercises"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".*"))
    records = tmp_path / "progress.json"
    with browser.lab(tmp_path, HER_PROGRESS=str(records)) as url, browser.page(url) as tab:
        assert browser.open_file(tab, "exercises/zh/ch1.py") == "Notebook"
        for cell in ("HER_LANG", "import matplotlib"):
            assert "Error" not in browser.run_cell(tab, cell)
        check = "check(sparse_reward)"

        assert "还没写" in browser.run_cell(tab, "def sparse_reward") + browser.run_cell(tab, check)

        browser.run_cell(tab, "def sparse_reward", WRONG)
        said = browser.run_cell(tab, check)
        assert "8/9" in said
        assert "踩线也算到了" in said

        browser.run_cell(tab, "def sparse_reward", HANGS)
        assert "超时" in browser.run_cell(tab, check)

        said = browser.run_cell(tab, "progress()", 'hint("sparse_reward")\nprogress()')
        assert "提示 1/3" in said
        assert "✓" not in said

        browser.run_cell(tab, "def sparse_reward", WRONG.replace("<=", "<"))
        said = browser.run_cell(tab, check)
        assert "9/9" in said
        assert "全对" in said
        said = browser.run_cell(tab, "progress()")
        assert "✓ sparse_reward" in said
        assert "完成 1 / 22" in said
        if shots := os.environ.get("HER_SCREENSHOTS"):
            tab.screenshot(path=Path(shots) / "learner.png")
    assert records.exists()
