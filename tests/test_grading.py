"""`her grade`: a class gets the grades that it deserves, again and again."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import browser
import grading_samples as samples
import psutil
import pytest
from click.testing import CliRunner

from her.cli import main
from her_course.exercises import registry
from her_course.grading.classes import Grading
from her_course.grading.reports import write_all

HERE = Path(__file__).parent
SEED = 7


def grades(out: Path) -> dict[tuple[str, int, str], dict]:
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        return {(row["student"], int(row["chapter"]), row["exercise"]): row for row in csv.DictReader(file)}


def misconceptions(grading: Grading) -> dict[tuple[str, int, str], str | None]:
    return {
        (student, record["chapter"], row["exercise"]): row["misconception"]
        for student in grading.students
        for record in grading.records(student)
        for row in record["rows"]
    }


def differences(expected: dict, grading: Grading) -> list:
    """Rows that are not as they have to be."""
    found, ideas = grades(grading.out), misconceptions(grading)
    assert found.keys() == expected.keys()
    return [
        (key, row, found[key], ideas[key])
        for key, row in expected.items()
        if (found[key]["status"], float(found[key]["score"])) != (row.status, pytest.approx(row.points, abs=0.006))
        or ideas[key] != row.idea
    ]


@pytest.fixture(scope="module")
def small_class(tmp_path_factory):
    """Six students, two chapters, graded once: submissions, what is expected, and the grading."""
    folder = tmp_path_factory.mktemp("class")
    chapters = [1, 5]
    expected = samples.write_class(folder / "submissions", 6, chapters, SEED)
    grading = Grading(folder / "submissions", folder / "out", chapters, seed=SEED, kind=samples.KIND)
    grading.run(jobs=2)
    write_all(grading, "zh")
    return folder, chapters, expected, grading


def test_every_student_gets_the_grade_that_is_due(small_class):
    _, _, expected, grading = small_class
    assert {"passed", "partial", "not_done", "missing", "syntax_error"} <= {row.status for row in expected.values()}
    assert differences(expected, grading) == []


def test_killed_and_gone_on_with_the_grades_are_the_same_whatever_runs_at_once(small_class, tmp_path):
    folder, chapters, _, grading = small_class
    out = tmp_path / "out"
    command = [sys.executable, "-m", "her.cli", "grade", str(folder / "submissions"), "--out", str(out), "--lang", "zh"]
    command += ["--seed", str(SEED), "--jobs", "1", "--quiet", *(f"--chapter={c}" for c in chapters)]
    command += ["--sandbox", samples.KIND]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while len(list(out.glob(".grading/results/*.json"))) < 5:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(list(out.glob(".grading/results/*.json")))
    assert done < 6 * len(chapters)
    assert not (out / "grades.csv").exists()
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "--resume" in refused.stderr
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    for name in ("grades.csv", "chapters.csv", "similar.csv", "summary.html"):
        assert (out / name).read_bytes() == (grading.out / name).read_bytes()


def test_what_was_handed_in_again_is_graded_again_and_nothing_else(small_class, tmp_path):
    source = tmp_path / "submissions"
    first = samples.right_answers(1)
    for name in ("ann", "bob"):
        (source / name).mkdir(parents=True)
        (source / name / "ch1.ipynb").write_bytes(samples.notebook(["def sparse_reward(*a): return 0"]))
    before = Grading(source, tmp_path / "out", [1], seed=1, kind=samples.KIND)
    before.run()
    kept = {path: path.stat().st_mtime_ns for path in before.results.iterdir()}
    (source / "bob" / "ch1.ipynb").write_bytes(samples.notebook([*first.values()]))
    after = Grading(source, tmp_path / "out", [1], resume=True, kind=samples.KIND)
    after.run()
    assert after.seed == 1
    assert {path: path.stat().st_mtime_ns for path in after.results.iterdir() if path in kept} == kept
    assert len(list(after.results.iterdir())) == 3
    assert [row["status"] for row in after.records("bob")[0]["rows"]] == ["passed"] * len(first)
    assert after.records("ann")[0]["rows"][0]["status"] != "passed"


def test_seeds_are_secret_and_differ_unless_given(tmp_path):
    (tmp_path / "s").mkdir()
    seeds = {Grading(tmp_path / "s", tmp_path / f"out{i}", [1], kind=samples.KIND).seed for i in range(5)}
    assert len(seeds) == 5


@pytest.mark.slow
def test_a_cluster_gives_the_same_grades(small_class, tmp_path):
    distributed = pytest.importorskip("distributed")
    folder, chapters, _, grading = small_class
    options = [f"--chapter={chapters[0]}", f"--seed={SEED}", f"--sandbox={samples.KIND}", "--quiet", "--backend=dask"]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path
    ) as cluster:
        options += ["--out", f"{tmp_path / 'out'}", "--scheduler", cluster.scheduler_address]
        done = CliRunner().invoke(main, ["grade", f"{folder / 'submissions'}", *options])
    rows = {key: row for key, row in grades(grading.out).items() if key[1] == chapters[0]}
    without = {who for who, *_ in rows} - {who for (who, *_), row in rows.items() if row["status"] != "no_file"}
    assert done.exit_code == (3 if without else 0), done.output
    assert grades(tmp_path / "out") == rows


def test_notebooks_as_handed_out_are_not_done_and_the_solutions_are_right(tmp_path):
    chapters = list(registry.CHAPTERS)
    for student in ("stubs", "solutions"):
        (tmp_path / "s" / student).mkdir(parents=True)
    for chapter in chapters:  # stubs of either language, in turns
        stub = HERE.parent / "exercises" / ("zh", "en")[chapter % 2] / f"ch{chapter}.ipynb"
        shutil.copy(stub, tmp_path / "s" / "stubs")
        shutil.copy(HERE.parent / "solutions" / stub.name, tmp_path / "s" / "solutions")
    grading = Grading(tmp_path / "s", tmp_path / "out", chapters, seed=2, kind=samples.KIND)
    grading.run(jobs=1)
    for student, status in (("stubs", "not_done"), ("solutions", "passed")):
        found = {row["exercise"]: row["status"] for record in grading.records(student) for row in record["rows"]}
        assert found == dict.fromkeys(registry.exercises(), status)


def test_an_answer_in_a_notebook_brings_the_other_answers_that_it_uses():
    for answer in samples.answers_to("share_when_it_stops", True):  # one calls an answer to another exercise
        names = {}
        exec(samples.source_of(answer), names)
        assert names["share_when_it_stops"](6, 2) == pytest.approx(answer.function(6, 2))


# --------------------------------------------------------------------------------------------------------------- rules


def test_late_and_missing_submissions_count_as_the_rules_say(tmp_path):
    source = tmp_path / "submissions"
    for name in ("early", "late", "none"):
        (source / name).mkdir(parents=True)
    for name, day in (("early", 1), ("late", 2)):
        path = source / name / "ch1.py"
        path.write_text("\n".join(samples.right_answers(1).values()))
        when = datetime(2026, 3, day, 12).timestamp()
        os.utime(path, (when, when))
    rules = 'students = ["nobody", "early"]\ndeadline = 2026-03-02T00:00:00\nmissing = "blank"\nlate.factor = 0.5\n'
    (tmp_path / "class.toml").write_text(rules)
    options = ["--chapter=1", "--jobs=1", "--quiet", f"--sandbox={samples.KIND}"]
    options += [f"--class={tmp_path / 'class.toml'}", "--out", f"{tmp_path / 'out'}"]
    done = CliRunner().invoke(main, ["grade", f"{source}", *options])
    assert done.exit_code == 0, done.output
    rows = grades(tmp_path / "out")
    row = {name: rows[name, 1, "sparse_reward"] for name in ("early", "late", "none", "nobody")}
    full = row["early"]["max"]
    assert row["early"]["score"] == full
    assert float(row["late"]["score"]) == float(full) / 2
    assert row["late"]["status"] == "passed"
    assert row["none"]["score"] == row["nobody"]["score"] == ""
    assert row["none"]["status"] == row["nobody"]["status"] == "no_file"


def test_the_grade_can_leave_out_the_hidden_cases(small_class, tmp_path):
    (tmp_path / "s" / "ann").mkdir(parents=True)
    (tmp_path / "s" / "ann" / "ch1.py").write_text("\n".join(samples.right_answers(1).values()))
    without = Grading(tmp_path / "s", tmp_path / "out", [1], hidden=False, kind=samples.KIND)
    without.run()
    rows = without.records("ann")[0]["rows"]
    assert {row["status"] for row in rows} == {"passed"}
    assert not any(case["hidden"] for row in rows for case in row["cases"])
    assert rows[0]["max"] < small_class[3].records(small_class[3].students[0])[0]["rows"][0]["max"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--out", "out"], "does not exist"),
        (["s"], "--out"),
        (["s", "--out", "out", "--chapter", "9"], "9 is not in the range"),
        (["s/ann.txt", "--out", "out"], "neither a folder nor a zip"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "ann.txt").write_text("hello")
    done = CliRunner().invoke(main, ["grade", "--sandbox", samples.KIND, *arguments])
    assert done.exit_code != 0
    assert said in done.output
    assert "Traceback" not in done.output


# --------------------------------------------------------------------------------------------------------------- pages


def test_pages_escape_everything_and_show_no_hidden_case(small_class, tmp_path):
    name = "<script>alert(1)</script>"
    source = tmp_path / "submissions" / name.replace("/", "∕")
    source.mkdir(parents=True)
    code = """
def sparse_reward(achieved_goal, desired_goal, threshold):
    print("<img src=x onerror=alert(2)>", repr(achieved_goal))
    raise ValueError(f"<b>{achieved_goal!r}</b>")

def success_rate(episodes, at):
    return "</dd><script>alert(3)</script>"
"""
    (source / "ch1.ipynb").write_bytes(samples.notebook([code, "def random_success_probability(<i>"]))
    grading = Grading(tmp_path / "submissions", tmp_path / "out", [1], kind=samples.KIND)
    grading.run()
    for lang in ("zh", "en"):
        write_all(grading, lang)
        pages = [grading.out / "summary.html", *(grading.out / "feedback").iterdir()]
        assert len(pages) == 2
        for page in pages:
            text = page.read_text(encoding="utf-8")
            assert not re.search(r"<(script|img|b|i)\b", text)
            assert f'lang="{"zh-CN" if lang == "zh" else "en"}"' in text
        record = grading.records(grading.students[0])[0]
        shown = pages[1].read_text(encoding="utf-8")
        assert ("&lt;script&gt;alert(3)" in shown) == (samples.KIND == "bubblewrap")  # else nothing it said is shown
        for row in record["rows"]:
            for case in (case for case in row["cases"] if case["hidden"]):
                assert case["name"][lang == "en"] not in shown
    hidden = [case for row in record["rows"] for case in row["cases"] if case["hidden"]]
    assert hidden


def test_pages_name_the_misconception_in_the_language_asked_for(small_class):
    _, _, expected, grading = small_class
    (student, _, name), row = next((key, row) for key, row in expected.items() if row.idea)
    from her_course.grading.reports import _prose, file_names

    text = registry.find(name).text(row.idea)
    page = grading.out / "feedback" / file_names(grading.students)[student]
    assert str(_prose(text.zh)) in page.read_text(encoding="utf-8")
    assert str(_prose(text.zh)) in (grading.out / "summary.html").read_text(encoding="utf-8")


def test_feedback_files_are_safe_and_distinct_whatever_the_names():
    from her_course.grading.reports import file_names

    students = [
        "ann",
        "Ann",
        "ANN",
        "..",
        "../..",
        "a/b",
        "a b",
        "a_b",
        "李雷",
        "x" * 300,
        "con",
        "",
        "\n",
        "é",
        "e\u0301",
    ]
    names = file_names(students)
    assert len({name.lower() for name in names.values()}) == len(students)
    for name in names.values():
        assert re.fullmatch(r"[\w-]+\.html", name)
        assert len(name.encode()) < 255


def test_names_are_no_formulas_for_a_spreadsheet(tmp_path):
    for name in ("=1+1", "@SUM(A1)", "-2", "ann"):
        (tmp_path / "s" / name).mkdir(parents=True)
    grading = Grading(tmp_path / "s", tmp_path / "out", [1], kind=samples.KIND)
    grading.run()
    write_all(grading)
    assert {key[0] for key in grades(tmp_path / "out")} == {"'=1+1", "'@SUM(A1)", "'-2", "ann"}


def test_those_alike_but_for_names_and_layout_are_reported(tmp_path):
    ours = samples.right_answers(1)["random_success_probability"]
    theirs = re.sub(r"\bhorizon\b", "steps", ours).replace("    ", "  ") + "\n# my own work\n"
    other = samples.source_of(samples.answers_to("random_success_probability", True)[1])
    for name, code in (("ann", ours), ("bob", theirs), ("eve", other)):
        (tmp_path / "s" / name).mkdir(parents=True)
        (tmp_path / "s" / name / "ch1.py").write_text(code)
    grading = Grading(tmp_path / "s", tmp_path / "out", [1], kind=samples.KIND)
    grading.run()
    write_all(grading)
    with open(tmp_path / "out" / "similar.csv", encoding="utf-8-sig", newline="") as file:
        assert [row["students"] for row in csv.DictReader(file)] == ["ann; bob"]


@pytest.mark.browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_pages_open_in_a_browser_fit_a_telephone_and_run_nothing(small_class, tmp_path, lang):
    playwright = pytest.importorskip("playwright.sync_api")
    if not browser.CHROMIUM:
        pytest.skip("no Chromium on this machine")
    grading = small_class[3]
    write_all(grading, lang)
    try:
        with playwright.sync_playwright() as started:
            chromium = started.chromium.launch(executable_path=browser.CHROMIUM, args=browser.CHROMIUM_OPTIONS)
            tab = chromium.new_page(viewport={"width": 400, "height": 800})
            said = []
            tab.on("console", lambda message: said.append(message.text))
            tab.on("dialog", lambda dialog: said.append(dialog.message))
            for page in (grading.out / "summary.html", *(grading.out / "feedback").iterdir()):
                tab.goto(page.as_uri())
                assert tab.locator("h1").inner_text()
                assert tab.evaluate("document.documentElement.lang").startswith(lang)
                assert tab.evaluate("document.documentElement.scrollWidth") <= 400, page.name
            tab.goto((grading.out / "summary.html").as_uri())
            for link in tab.locator("a").all():
                tab.goto(tab.evaluate("e => e.href", link.element_handle()))
                assert tab.locator("article, .notice").count()
                tab.go_back()
            chromium.close()
    finally:
        write_all(grading, "zh")
    assert said == []


# ------------------------------------------------------------------------------------------------------------ at length


@pytest.mark.slow
def test_three_hundred_submissions_are_graded_in_flat_memory(tmp_path):
    chapters = list(registry.CHAPTERS)
    expected = samples.write_class(tmp_path / "submissions", 54, chapters, SEED)
    grading = Grading(tmp_path / "submissions", tmp_path / "out", chapters, seed=SEED, kind=samples.KIND)
    own = psutil.Process()
    memory, began = [], time.monotonic()
    grading.run(jobs=2, on_done=lambda submission: memory.append(own.memory_info().rss))
    write_all(grading, "en", lambda: memory.append(own.memory_info().rss))
    seconds = time.monotonic() - began
    files = sum(submission.problem is None for submission in grading.found)
    early = memory[len(memory) // 4]
    report = {"files": files, "seconds": round(seconds, 1), "seconds_each": round(seconds / files, 3)}
    report |= {"megabytes_at_a_quarter": early >> 20, "megabytes_at_most": max(memory) >> 20}
    (HERE.parent / "build").mkdir(exist_ok=True)
    (HERE.parent / "build" / "grading.json").write_text(json.dumps(report, indent=2) + "\n")
    assert files >= 300
    assert differences(expected, grading) == []
    assert max(memory) < early + 32 * 2**20
