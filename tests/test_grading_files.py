"""What was handed in is found however it is laid out, or told; never lost in silence."""

import csv
import os
import time
import unicodedata
import zipfile
from pathlib import Path

import grading_samples as samples
import pytest
from click.testing import CliRunner

from her.cli import main
from her_course.grading.classes import Grading
from her_course.grading.reports import write_all
from her_course.grading.submissions import Found, discover

GOOD = samples.notebook(list(samples.right_answers(1).values()))
STUB = samples.notebook([f"def {name}(*args):\n    raise NotImplementedError" for name in samples.right_answers(1)])
SCRIPT = "\n\n".join(samples.right_answers(1).values()).encode()


def lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def look(root: Path, tmp_path: Path, **more) -> Found:
    return discover(root, tmp_path / "unpacked", [1], **more)


def graded(found: Found) -> list[str]:
    return [submission.student for submission in found.submissions if submission.problem is None]


def run(tmp_path: Path, *options: str, root: Path | None = None):
    """`her grade`: what came of it, and the rows by student and exercise."""
    words = [f"{root or tmp_path / 's'}", "--out", f"{tmp_path / 'out'}", "--chapter=1", "--jobs=1", "--quiet"]
    done = CliRunner().invoke(main, ["grade", *words, f"--sandbox={samples.KIND}", *options])
    table = tmp_path / "out" / "grades.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()) if table.exists() else []
    return done, {(row["student"], row["exercise"]): row for row in rows}


# ------------------------------------------------------------------------------------------------- around a class

AROUND = {
    "students": {"ann/ch1.ipynb": GOOD, "bob/ch1.ipynb": GOOD},
    "one folder around": {"hw1/ann/ch1.ipynb": GOOD, "hw1/bob/ch1.ipynb": GOOD},
    "any folder around": {"spring term/ann/ch1.ipynb": GOOD, "spring term/bob/ch1.ipynb": GOOD},
    "two folders around": {"course/hw1/ann/ch1.ipynb": GOOD, "course/hw1/bob/ch1.ipynb": GOOD},
    "two classes": {"class 1/ann/ch1.ipynb": GOOD, "class 2/bob/ch1.ipynb": GOOD},
    "what macOS leaves": {
        "hw1/.DS_Store": b"x",
        "hw1/ann/ch1.ipynb": GOOD,
        "hw1/bob/ch1.ipynb": GOOD,
        "__MACOSX/hw1/._.DS_Store": b"x",
    },
    "what Windows leaves": {
        "Thumbs.db": b"x",
        "hw1/desktop.ini": b"x",
        "hw1/ann/ch1.ipynb": GOOD,
        "hw1/bob/ch1.py": SCRIPT,
    },
    "a list beside": {"hw1/list.xlsx": b"x", "hw1/ann/ch1.ipynb": GOOD, "hw1/bob/ch1.ipynb": GOOD},
    "a list above": {"names.csv": b"x", "hw1/ann/ch1.ipynb": GOOD, "hw1/bob/ch1.ipynb": GOOD},
    "flat files in a folder": {"hw1/ann_ch1.ipynb": GOOD, "hw1/bob_ch1.ipynb": GOOD},
    "folders and flat files": {"hw1/ann/ch1.ipynb": GOOD, "hw1/bob_ch1.ipynb": GOOD},
    "folders in students' folders": {
        "ann/ch1/ch1.ipynb": GOOD,
        "ann/notes.txt": b"x",
        "bob/homework/week 1/ch1.ipynb": GOOD,
    },
    "as Moodle names them": {
        "ann_101_assignsubmission_file_/ch1.ipynb": GOOD,
        "ann_101_assignsubmission_onlinetext/onlinetext.html": b"x",
        "bob_102_assignsubmission_file/my work/ch1.ipynb": GOOD,
    },
    "as Canvas names them": {"ann_LATE_4711_815_ch1.ipynb": GOOD, "bob_4712_816_ch1.ipynb": GOOD},
    "zips": {"ann.zip": samples.zipped({"ch1.ipynb": GOOD}), "bob.zip": samples.zipped({"work/ch1.ipynb": GOOD})},
    "zips in Moodle's folders": {
        "ann_101_file_/hw.zip": samples.zipped({"ch1.ipynb": GOOD}),
        "bob_102_file_/ch1.ipynb": GOOD,
    },
    "a zip in a student's zip": {
        "ann.zip": samples.zipped({"again.zip": samples.zipped({"ch1.ipynb": GOOD})}),
        "bob/ch1.ipynb": GOOD,
    },
}


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("layout", AROUND)
def test_students_are_found_whatever_is_around_them(layout, as_zip, tmp_path):
    if as_zip:
        root = tmp_path / "class.zip"
        root.write_bytes(samples.zipped(AROUND[layout]))
    else:
        root = lay_out(tmp_path / "s", AROUND[layout])
    found = look(root, tmp_path)
    assert graded(found) == [s.student for s in found.submissions] == ["ann", "bob"]
    assert found.lost == []
    shown = {name for _, name, _ in found.unused}
    assert {Path(name).name for name in AROUND[layout] if name.endswith(("xlsx", "csv"))} <= {
        Path(n).name for n in shown
    }


def test_a_student_alone_in_a_folder_is_found_too(tmp_path):
    assert graded(look(lay_out(tmp_path / "a", {"hw1/ann/ch1.ipynb": GOOD}), tmp_path)) == ["ann"]
    assert graded(look(lay_out(tmp_path / "b", {"ann/ch1.ipynb": GOOD}), tmp_path)) == ["ann"]
    assert graded(look(lay_out(tmp_path / "c", {"ann/homework/ch1.ipynb": GOOD}), tmp_path)) == ["ann"]


def test_namesakes_in_moodle_stay_two(tmp_path):
    files = {f"Li Lei_{n}_assignsubmission_file_/ch1.ipynb": GOOD for n in (101, 102)}
    assert graded(look(lay_out(tmp_path / "s", files), tmp_path)) == ["Li Lei 101", "Li Lei 102"]


def test_a_roster_tells_a_student_from_a_folder_around(tmp_path):
    files = {"ann/first try/ch1.ipynb": GOOD, "ann/second try/ch1.py": SCRIPT}
    found = look(lay_out(tmp_path / "s", files), tmp_path, roster=["ann", "bob"])
    assert [(s.student, s.problem) for s in found.submissions] == [("ann", None), ("bob", "no_file")]


# ----------------------------------------------------------------------------------------------------- names of files

NAMES = [
    *("ch1.final.ipynb", "ch1final.ipynb", "ch1（1）.ipynb", "ch1 (2).ipynb", "副本ch1.ipynb", "ch1的副本.ipynb"),
    *(
        "“ch1.ipynb”的副本.ipynb",
        "张三ch1.ipynb",
        "第1章.ipynb",
        "第一章 作业.ipynb",
        "exercise1.ipynb",
        "homework1.ipynb",
    ),
    *(
        "ch1.ipynb.txt",
        "ch1.json",
        "ch1.ipynb.ipynb",
        "answers.ipynb",
        "CH01.IPYNB",
        "Chapter 1.ipynb",
        "Untitled.ipynb",
    ),
    *("ch1_v2.ipynb", "my-ch1-solution.ipynb", "作业.json", "submission.txt", "1.ipynb", "notebook (3).ipynb"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_known_by_its_name_or_by_what_it_defines(name, tmp_path):
    assert graded(look(lay_out(tmp_path / "s", {f"ann/{name}": GOOD, "bob/ch1.ipynb": GOOD}), tmp_path)) == [
        "ann",
        "bob",
    ]


@pytest.mark.parametrize("name", ["ch1.py", "ch1.py.txt", "answers.py", "answers.txt", "第1章.py"])
def test_so_is_a_script(name, tmp_path):
    (submission,) = look(lay_out(tmp_path / "s", {f"ann/{name}": SCRIPT}), tmp_path).submissions
    assert submission.files[0].suffix == ".py"


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("ann_ch1.ipynb", "ann"),
        ("张三ch1.ipynb", "张三"),
        ("ch1_张三.ipynb", "张三"),
        ("第1章-李四.ipynb", "李四"),
        ("李雷 - 第一章 (1).ipynb", "李雷"),
        ("eve.ipynb", "eve"),
        ("Ann Lee-chapter1-final.ipynb", "Ann Lee"),
    ],
)
def test_a_flat_file_tells_whose_it_is(name, student, tmp_path):
    assert graded(look(lay_out(tmp_path / "s", {name: GOOD}), tmp_path)) == [student]


def test_one_notebook_with_the_exercises_of_two_chapters_is_for_both(tmp_path):
    cells = [*samples.right_answers(1).values(), *samples.right_answers(2).values()]
    root = lay_out(tmp_path / "s", {"ann/all.ipynb": samples.notebook(cells)})
    found = discover(root, tmp_path / "u", [1, 2, 3])
    assert [s.problem for s in found.submissions] == [None, None, "no_file"]


@pytest.mark.parametrize(
    "name",
    [
        "李雷.rar",
        "bob.7z",
        "eve.tar.gz",
        "ann/ch1.docx",
        "ann/work.rar",
        "ann/screenshot.png",
        "ann/ch1.html",
        "ch1.ipynb",
    ],
)
def test_what_cannot_be_used_is_told_and_a_lost_student_named(name, tmp_path):
    found = look(lay_out(tmp_path / "s", {"zoe/ch1.ipynb": GOOD, name: b"something"}), tmp_path)
    assert graded(found) == ["zoe"]
    assert [shown for _, shown, _ in found.unused] == [name]
    assert len(found.lost) == 1
    assert found.lost[0] in (name.partition("/")[0], name.partition(".")[0])


def test_a_notebook_without_an_exercise_is_told(tmp_path):
    files = {
        "ann/notes.ipynb": samples.notebook(["x = 1"]).replace(b"sparse", b"other"),
        "ann/helpers.py": b"x = 1",
        "ann/ch1.ipynb": GOOD,
    }
    found = look(lay_out(tmp_path / "s", files), tmp_path)
    assert graded(found) == ["ann"]
    assert [(name, why) for _, name, why in found.unused] == [
        ("ann/helpers.py", "no_exercise"),
        ("ann/notes.ipynb", "no_exercise"),
    ]


def test_lost_students_and_the_reasons_stand_in_the_summary_and_the_exit_status_says_so(tmp_path):
    lay_out(tmp_path / "s", {"ann/ch1.ipynb": GOOD, "李雷.rar": b"Rar!", "list.xlsx": b"x"})
    done, rows = run(tmp_path)
    assert done.exit_code == 3
    assert "李雷" in done.output
    summary = (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")
    for said in ("李雷.rar", "list.xlsx", "unpack it", "none could be graded: 李雷"):
        assert said in summary
    assert rows["李雷", "sparse_reward"]["status"] == "no_file"
    assert rows["ann", "sparse_reward"]["status"] == "passed"
    for table in ("grades", "chapters", "seconds", "similar"):
        marked = (tmp_path / "out" / f"{table}.csv").read_bytes().startswith(b"\xef\xbb\xbf")
        assert marked, "the mark tells a spreadsheet that it is Unicode"


# ---------------------------------------------------------------------------------------------------------- archives


def test_names_are_read_whatever_system_packed_them(tmp_path):
    windows = samples.zipped({"hw1\\ann\\ch1.ipynb": GOOD, "hw1\\bob\\ch1.ipynb": GOOD})
    (tmp_path / "windows.zip").write_bytes(windows)
    assert graded(look(tmp_path / "windows.zip", tmp_path)) == ["ann", "bob"]
    name = unicodedata.normalize("NFD", "Zoë")
    (tmp_path / "mac.zip").write_bytes(samples.zipped({f"{name}/ch1.ipynb": GOOD, "__MACOSX/._ch1.ipynb": b""}))
    assert graded(look(tmp_path / "mac.zip", tmp_path, roster=["Zoë"])) == ["Zoë"]


def test_a_zip_of_a_student_has_the_time_of_the_zip(tmp_path):
    entry = zipfile.ZipInfo("ch1.ipynb", (2020, 1, 1, 0, 0, 0))
    (tmp_path / "s").mkdir()
    with zipfile.ZipFile(tmp_path / "s" / "ann.zip", "w") as archive:
        archive.writestr(entry, GOOD)
    os.utime(tmp_path / "s" / "ann.zip", (1.8e9, 1.8e9))
    assert look(tmp_path / "s", tmp_path).submissions[0].files[0].modified == 1.8e9
    outer = zipfile.ZipInfo("ann.zip", (2030, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(outer, (tmp_path / "s" / "ann.zip").read_bytes())
    when = look(tmp_path / "class.zip", tmp_path).submissions[0].files[0].modified
    assert time.localtime(when).tm_year == 2030


def test_three_thousand_megabytes_in_a_zip_are_refused_before_they_are_unpacked(tmp_path):
    (tmp_path / "s").mkdir()
    with zipfile.ZipFile(tmp_path / "s" / "ann.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for i in range(300):
            archive.writestr(f"ch1_{i}.ipynb", bytes(2**20))
    found = look(tmp_path / "s", tmp_path)
    assert [submission.problem for submission in found.submissions] == ["too_large"]
    assert sum(path.stat().st_size for path in (tmp_path / "unpacked").rglob("*")) < 2**20
    assert found.lost == ["ann"]


def test_a_file_of_any_size_is_refused_before_it_is_read(tmp_path):
    path = lay_out(tmp_path / "s", {"ann/ch1.ipynb": b""}) / "ann" / "ch1.ipynb"
    os.truncate(path, 2**40)  # a terabyte of nothing
    began = time.process_time()
    grading = Grading(tmp_path / "s", tmp_path / "out", [1], seed=1, kind=samples.KIND)
    grading.run()
    assert time.process_time() - began < 20
    assert grading.records("ann")[0]["rows"][0]["status"] == "too_large"


# ----------------------------------------------------------------------------------------------- files that compete


def test_what_is_solved_beats_the_stub_else_the_newer_counts_and_the_summary_says_which_was_used(tmp_path):
    wrong = samples.notebook([f"def {name}(*args): return 0" for name in samples.right_answers(1)])
    stub_and_solved = {
        f"{name}/ch1.{suffix}": data for name in ("ann", "bob") for suffix, data in (("ipynb", STUB), ("py", SCRIPT))
    }
    source = lay_out(tmp_path / "s", stub_and_solved | {"eve/ch1.ipynb": GOOD, "eve/ch1 (1).ipynb": wrong})
    for newer in ("ann/ch1.ipynb", "bob/ch1.py"):
        os.utime(source / newer, (2e9, 2e9))
    os.utime(source / "eve" / "ch1 (1).ipynb", (1e9, 1e9))
    _, rows = run(tmp_path)
    assert {row["status"] for row in rows.values()} == {"passed"}
    summary = (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")
    for passed_over, used in (("ann/ch1.ipynb", "ann/ch1.py"), ("eve/ch1 (1).ipynb", "eve/ch1.ipynb")):
        assert passed_over in summary
        assert f"used {used}" in summary


# ------------------------------------------------------------------------------------------------ results and rosters


def test_results_among_the_submissions_are_no_student(tmp_path, monkeypatch):
    monkeypatch.chdir(lay_out(tmp_path / "s", {"ann/notes.txt": b"x"}))
    for out in ("grades", "grades again"):
        command = ["grade", ".", "--chapter=1", "--jobs=1", "--quiet", f"--sandbox={samples.KIND}", "--out", out]
        assert CliRunner().invoke(main, command).exit_code == 3
        table = (tmp_path / "s" / out / "grades.csv").read_text(encoding="utf-8-sig")
        assert {row["student"] for row in csv.DictReader(table.splitlines())} == {"ann"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
def test_rosters_are_read_in_every_encoding_that_is_about(encoding, tmp_path):
    lay_out(tmp_path / "s", {"张三/notes.txt": b"x"})
    (tmp_path / "roster.txt").write_bytes("张三\r\n李四\r\n\r\n".encode(encoding))
    (tmp_path / "class.toml").write_text('students = "roster.txt"')
    _, rows = run(tmp_path, f"--class={tmp_path / 'class.toml'}")
    assert {student for student, _ in rows} == {"张三", "李四"}


def test_a_roster_that_is_no_text_is_refused_in_one_line(tmp_path):
    lay_out(tmp_path / "s", {"ann/ch1.ipynb": GOOD})
    (tmp_path / "roster.xlsx").write_bytes(b"PK\x03\x04\xff\xff\xff")
    (tmp_path / "class.toml").write_text('students = "roster.xlsx"')
    done, _ = run(tmp_path, f"--class={tmp_path / 'class.toml'}")
    assert done.exit_code == 1
    assert "roster.xlsx" in done.output
    assert "Traceback" not in done.output


def test_results_that_cannot_be_written_are_said_in_one_line(tmp_path):
    lay_out(tmp_path, {"s/ann/ch1.ipynb": GOOD, "file": b"x"})
    words = [f"{tmp_path / 's'}", "--out", f"{tmp_path / 'file' / 'out'}", f"--sandbox={samples.KIND}"]
    done = CliRunner().invoke(main, ["grade", *words])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "Not a directory" in done.output


# -------------------------------------------------------------------------------------------------------------- pages


def test_what_changes_a_page_unseen_is_made_visible(tmp_path):
    code = "def sparse_reward(a, d, threshold):\n    print('nul \\0 esc \\x1b[31m bidi \\u202egnp.exe bom \\ufeff')\n"
    lay_out(tmp_path / "s", {"ann\u202e/ch1.ipynb": samples.notebook([code])})
    run(tmp_path)
    pages = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out").rglob("*.html"))
    assert not set("\0\x1b\u202e\ufeff") & set(pages)
    assert "\\u202e" in pages
    if samples.KIND == "bubblewrap":
        assert "\\u001b" in pages


@pytest.mark.parametrize("name", ["=1+1", "＝1+1", "+1", "＋1", "-1", "@SUM", "＠SUM", " =1"])
def test_no_name_is_a_formula(name, tmp_path):
    lay_out(tmp_path / "s", {f"{name}/x.txt": b"x"})
    grading = Grading(tmp_path / "s", tmp_path / "out", [1], kind=samples.KIND)
    write_all_of(grading)
    (row, *_) = csv.DictReader((tmp_path / "out" / "grades.csv").read_text(encoding="utf-8-sig").splitlines())
    assert row["student"] == f"'{name.strip()}"


def write_all_of(grading: Grading) -> None:
    grading.run()
    write_all(grading)


# ------------------------------------------------------------------------------------------ what a hand-out holds


def test_a_pasted_reference_is_found_in_a_single_submission(tmp_path):
    import inspect

    from her_course.exercises import reference

    pasted = inspect.getsource(reference.random_success_probability).replace("horizon", "steps").replace("hit", "h")
    lay_out(
        tmp_path / "s", {"ann/ch1.py": b"import math\nimport numpy as np\n" + pasted.encode(), "bob/ch1.ipynb": GOOD}
    )
    write_all_of(Grading(tmp_path / "s", tmp_path / "out", [1], seed=1, kind=samples.KIND))
    table = (tmp_path / "out" / "similar.csv").read_text(encoding="utf-8-sig").splitlines()
    row = next(row for row in csv.DictReader(table) if "ann" in row["students"])
    assert "(the reference)" in row["students"]
    assert row["functions"] == "random_success_probability"


def test_an_answer_that_imports_the_reference_is_marked(tmp_path):
    lines = [
        "from her_course.exercises.reference import sparse_reward",
        "import her_course.exercises.reference as r\nsparse_reward = r.sparse_reward",
        "from her_course import reference\nsparse_reward = reference('sparse_reward')",
        "import her_course\nsparse_reward = her_course.reference('sparse_reward')",
        "import importlib\nsparse_reward = importlib.import_module('her_course.exercises.reference').sparse_reward",
    ]
    lay_out(tmp_path / "s", {f"ann {i}/ch1.ipynb": samples.notebook([line]) for i, line in enumerate(lines)})
    lay_out(tmp_path / "s", {"bob/ch1.ipynb": GOOD})
    grading = Grading(tmp_path / "s", tmp_path / "out", [1], seed=1, kind=samples.KIND)
    write_all_of(grading)
    marked = {student: grading.records(student)[0]["reference"] for student in grading.students}
    assert marked == {f"ann {i}": True for i in range(len(lines))} | {"bob": False}
    summary = (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")
    assert "own answers imported" in summary
