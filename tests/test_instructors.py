"""What the instructions for instructors say can be done, command by command, in both languages."""

import csv
import os
import re
import shlex
from pathlib import Path

import grading_samples as samples
import pytest
from click.testing import CliRunner

from her.cli import main

SOLUTIONS = Path(__file__).parents[1] / "solutions"
LANGUAGES = {"en": SOLUTIONS / "INSTRUCTORS.md", "zh": SOLUTIONS / "INSTRUCTORS.zh.md"}


def blocks(lang: str, kind: str) -> list[str]:
    """The blocks of code of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", LANGUAGES[lang].read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(lang: str) -> list[list[str]]:
    return [shlex.split(line) for block in blocks(lang, "sh") for line in block.splitlines()]


def read(path: Path, *key: str) -> dict:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return {tuple(row[name] for name in key): row for row in csv.DictReader(file)}


#: in the quick profile the English ones alone; the Chinese ones are the same, as the next test says
RUN = LANGUAGES if os.environ.get("HER_PROFILE") == "full" else ["en"]


@pytest.mark.parametrize("lang", RUN)
def test_every_command_runs_as_it_stands_one_after_the_other(lang, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = samples.right_answers(1)
    for name, answers in (("ann", right), ("bob", right | {"sparse_reward": "def sparse_reward(*a): return 0"})):
        (tmp_path / "submissions" / name).mkdir(parents=True)
        (tmp_path / "submissions" / name / "ch1.ipynb").write_bytes(samples.notebook([*answers.values()]))
        os.utime(tmp_path / "submissions" / name / "ch1.ipynb", (1.78e9, 1.78e9))  # in May 2026
    (tmp_path / "students.csv").write_text("id,name,moodle,canvas\nann,Ann,1,4\nbob,Bob,2,5\neve,Eve,3,6\n")
    (toml,) = blocks(lang, "toml")
    (tmp_path / "class.toml").write_text(toml, encoding="utf-8")
    more = [f"--sandbox={samples.KIND}", "--jobs=1", "--quiet"]  # what a machine without bubblewrap needs
    lines = commands(lang)
    assert [line[:2] for line in lines] == [["her", "release"]] + [["her", "grade"]] * (len(lines) - 1)
    for line in lines:
        done = CliRunner().invoke(main, [*line[1:], *(more if line[1] == "grade" else [])])
        assert done.exit_code == 0, (line, done.output)
        if "--anonymous" not in line and line[1] == "grade":
            rows = read(tmp_path / "grades" / "grades.csv", "student", "exercise")
    assert (tmp_path / "handout" / "README.md").exists()
    assert not (tmp_path / "handout" / "solutions").exists()
    assert rows["bob", "sparse_reward"]["score"] == "10"
    assert rows["bob", "sparse_reward"]["why"] == "override"
    assert rows["eve", "sparse_reward"]["why"] == "exempt"
    for path in (
        "canvas/Grades.csv",
        "moodle/ch1/Grades.csv",
        "moodle/ch1/feedback.zip",
        "summary.html",
        "changes.csv",
    ):
        assert (tmp_path / "grades" / path).exists()
    assert {row["id"] for row in read(tmp_path / "grades-key.csv", "student").values()} == {"ann", "bob", "eve"}


def test_both_languages_say_the_same():
    bare = [[word for word in line if word not in ("--lang", "zh")] for line in commands("zh")]
    assert bare == commands("en")
    without = [re.sub(r"#.*|reason = .*", "", "".join(blocks(lang, "toml"))).split() for lang in LANGUAGES]
    assert without[0] == without[1]
    chinese = "".join(blocks("zh", "sh nbgrader")).replace(" --lang zh", "")
    assert chinese == "".join(blocks("en", "sh nbgrader"))
    heads = [re.findall(r"^#+", path.read_text(encoding="utf-8"), re.MULTILINE) for path in LANGUAGES.values()]
    assert heads[0] == heads[1]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_option_and_file_that_is_named_exists(lang):
    text = LANGUAGES[lang].read_text(encoding="utf-8")
    known = {option for parameter in main.get_command(None, "grade").params for option in parameter.opts}
    named = set(re.findall(r"(?<=`)--[a-z-]+", text)) | {word for line in commands(lang)[1:] for word in line}
    assert {word for word in named if word.startswith("--")} <= known
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (SOLUTIONS / link).exists()
