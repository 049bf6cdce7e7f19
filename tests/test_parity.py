"""Chinese and English chapters stay the same course: which cell drifted, which translation is too old."""

import pytest
from click.testing import CliRunner
from course_samples import edit, write_chapters

from her_course import commands, notebooks
from her_course.consistency import check_pair, check_parity, stamp


@pytest.fixture
def chapter(tmp_path):
    zh, en = write_chapters(tmp_path)
    stamp(en)
    assert check_parity(zh, en) == []
    return zh, en


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("print(1 + 1)", "print(1 + 2)", "en/01_sample, cell 3 “print(1 + 2)”: the code differs"),
        ("## What we saw", "### What we saw", "cell 4 “### What we saw”: headings ['###'], in Chinese ['##']"),
        ("$r \\in \\{-1, 0\\}$", "$r \\in \\{0, 1\\}$", "cell 1 “# Sparse rewards”: formulas"),
        ("# %%\nprint", '# %% tags=["nbval-ignore-output"]\nprint', "cell 3 “print(1 + 1)”: tags"),
        ('"full"', '"quick"', "cell 2 “import os”: the code differs"),
        ("# %%\nprint(1 + 1)\n", "", "zh/01_sample, cell 3 “print(1 + 1)”: missing in English"),
        ("# %%\nprint", "# %%\nx = 1\n\n# %%\nprint", "en/01_sample, cell 3 “x = 1”: not in the Chinese chapter"),
    ],
)
def test_names_the_cell_that_drifted(chapter, old, new, finding):
    zh, en = chapter
    edit(en, old, new)
    findings = check_parity(zh, en)
    assert len(findings) == 1
    assert finding in findings[0]


def test_a_missing_language_is_named(chapter):
    zh, en = chapter
    en.unlink()
    assert check_parity(zh, en) == ["en/01_sample.py is missing: a chapter has both languages"]


def test_words_in_formulas_are_translated(chapter):
    zh, en = chapter
    edit(zh, "没有了", r"成功率是 $p_{\text{成功}} = \frac{1}{2}$，也就是 `$x`")
    edit(en, "That is all", r"The rate is $p_{\text{success}}=\frac{1}{2}$, or `$y`")
    stamp(en)
    assert check_parity(zh, en) == []


def test_names_the_translation_that_is_older_than_its_original(chapter):
    zh, en = chapter
    edit(zh, "没有了", "还有一件事")
    [finding] = check_parity(zh, en)
    assert "en/01_sample, cell 4 “## What we saw”: older than the Chinese" in finding
    assert stamp(en, [1]) == []
    assert stamp(en, [4]) == [4]
    assert check_parity(zh, en) == []


def test_a_new_translation_must_be_stamped(tmp_path):
    zh, en = write_chapters(tmp_path)
    [finding] = check_parity(zh, en)
    assert "en/01_sample, cells 1, 4: not stamped" in finding


def test_stamping_keeps_the_pair_in_step(chapter):
    zh, en = chapter
    notebooks.execute_to_committed(en)
    edit(zh, "没有了", "还有一件事")
    stamp(en)
    assert check_pair(en) == []


def test_command_finds_and_mends(tmp_path, monkeypatch):
    zh, en = write_chapters(tmp_path)
    monkeypatch.chdir(tmp_path)

    def her(*words):
        return CliRunner().invoke(commands.chapters, words)

    assert her("execute").exit_code == 0
    result = her("check")
    assert result.exit_code == 1
    assert "not stamped" in result.output
    assert "stamped 2 cells: 1, 4" in her("stamp", "1").output
    assert her("check").output == ""
    edit(zh, "没有了", "还有一件事")
    assert her("refresh").exit_code == 0
    assert "older than the Chinese" in her("check").output
    edit(en, "1 + 1", "1 + 3")
    assert "her chapters execute" in her("refresh").output
