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


SAID = {
    "zh": {
        **{"chapter": "稀疏奖励", "stub": "还没写", "idea": "踩线也算到了", "hangs": "超时", "hint": "提示 1/3"},
        **{"right": "全对", "done": "完成 1 / "},
    },
    "en": {
        **{"chapter": "Sparse rewards", "stub": "not done yet", "idea": "On the line counts"},
        **{"hangs": "no answer in time", "hint": "hint 1 of 3", "right": "all right", "done": "1 of "},
    },
}


@pytest.mark.browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_learner_comes_from_the_start_page_to_an_exercise_is_told_why_and_sees_progress(tmp_path, lang):
    pytest.importorskip("playwright")
    if not browser.CHROMIUM:
        pytest.skip("no Chromium on this machine")
    for folder in ("chapters", "exercises"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".*"))
    records, words = tmp_path / "progress.json", SAID[lang]
    with browser.lab(tmp_path, "--lang", lang, HER_PROGRESS=str(records)) as url, browser.page(url) as tab:

        def shoot(name):
            if shots := os.environ.get("HER_SCREENSHOTS"):
                tab.screenshot(path=Path(shots) / f"learner_{lang}_{name}.png")

        tab.wait_for_selector(".jp-RenderedMarkdown table")
        shoot("start")
        for name, link in (("chapter", words["chapter"]), ("exercise", "ch1")):
            tab.click(f".jp-RenderedMarkdown a:text-is('{link}')")
            tab.wait_for_selector(".jp-NotebookPanel:visible")
            shoot(name)
            browser.open_file(tab, f"chapters/{lang}/start.md")
        assert browser.open_file(tab, f"exercises/{lang}/ch1.ipynb") == "Notebook"
        for cell in ("HER_LANG", "import matplotlib"):
            assert "Error" not in browser.run_cell(tab, cell)
        check = "check(sparse_reward)"

        assert words["stub"] in browser.run_cell(tab, "def sparse_reward") + browser.run_cell(tab, check)

        browser.run_cell(tab, "def sparse_reward", WRONG)
        said = browser.run_cell(tab, check)
        assert "8/9" in said
        assert words["idea"] in said
        shoot("wrong")

        browser.run_cell(tab, "def sparse_reward", HANGS)
        assert words["hangs"] in browser.run_cell(tab, check)

        said = browser.run_cell(tab, "progress()", 'hint("sparse_reward")\nprogress()')
        assert words["hint"] in said
        assert "✓" not in said

        browser.run_cell(tab, "def sparse_reward", WRONG.replace("<=", "<"))
        said = browser.run_cell(tab, check)
        assert "9/9" in said
        assert words["right"] in said
        shoot("right")
        said = browser.run_cell(tab, "progress()")
        assert "✓ sparse_reward" in said
        assert words["done"] in said
        assert tab.query_selector(".jp-OutputArea-output a:has-text('random_success_probability')")
        shoot("progress")
    assert records.exists()
