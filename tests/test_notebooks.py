"""Execution of chapters, on small made-up ones."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from course_samples import edit, write_chapters

from her_course import commands, notebooks
from her_course.consistency import check_outputs, check_pair


class TestDiscover:
    def test_lists_chinese_first_in_the_order_of_chapters(self, tmp_path):
        for number in ("04", "01"):
            write_chapters(tmp_path, number=number)
        found = notebooks.discover(tmp_path / "chapters")
        assert [notebooks.name_of(p) for p in found] == [
            f"{lang}/{n}_sample" for lang in ("zh", "en") for n in ("01", "04")
        ]
        [one] = notebooks.discover(tmp_path / "chapters", "en", [4])
        assert notebooks.name_of(one) == "en/04_sample"

    def test_names_the_chapter_that_is_not_there(self, tmp_path):
        write_chapters(tmp_path)
        with pytest.raises(ValueError, match="no chapter 7; there are: 1"):
            notebooks.discover(tmp_path / "chapters", numbers=[1, 7])
        with pytest.raises(ValueError, match="lang"):
            notebooks.discover(tmp_path / "chapters", "fr")


class TestExecuteToCommitted:
    def test_writes_the_same_bytes_twice_and_nothing_of_the_machine(self, tmp_path):
        zh, _ = write_chapters(tmp_path, 'for word in "one two three".split():\n    print(word)')
        source = zh.read_bytes()
        committed = notebooks.execute_to_committed(zh)
        first = committed.read_bytes()
        notebooks.execute_to_committed(zh)
        assert committed.read_bytes() == first
        assert zh.read_bytes() == source
        assert check_pair(zh) == []
        assert check_outputs(committed) == []
        stored = json.loads(first)
        assert [len(c["outputs"]) for c in stored["cells"] if c["cell_type"] == "code"] == [0, 1]
        assert set(stored["metadata"]["language_info"]) > {"name", "version"}

    def test_uses_the_full_profile_and_the_chapters_own_language(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HER_LANG", "fr")
        monkeypatch.setenv("HER_PROFILE", "quick")
        monkeypatch.setenv("HER_SEED", "7")
        _, en = write_chapters(tmp_path, "print(LANG, PROFILE, SEED)")
        assert '"en full 0\\n"' in notebooks.execute_to_committed(en).read_text()
        assert (os.environ["HER_LANG"], os.environ["HER_SEED"]) == ("fr", "7")

    def test_runs_with_other_seeds_where_it_is_told_to(self, tmp_path):
        zh, _ = write_chapters(tmp_path, "print(SEED)")
        notebooks.run([zh], out=tmp_path / "build", progress=False, seed=100)
        assert '"100\\n"' in (tmp_path / "build/quick/zh/01_sample.ipynb").read_text()

    def test_names_the_cell_that_failed_and_touches_no_file(self, tmp_path):
        zh, _ = write_chapters(tmp_path, "goal = 3\ngoal / 0")
        with pytest.raises(notebooks.ChapterFailed, match=r"zh/01_sample, cell 3: ZeroDivisionError") as caught:
            notebooks.execute_to_committed(zh)
        assert caught.value.failure.source == "goal = 3\ngoal / 0"
        assert not zh.with_suffix(".ipynb").exists()

    def test_fails_on_a_character_that_no_font_has(self, tmp_path):
        code = (
            "import matplotlib.pyplot as plt\nfrom her_course.figures import show, use_style\nuse_style(LANG)\n"
            'fig, ax = plt.subplots()\nax.set_title("{}")\nshow(fig, alt="A title")'
        )
        zh, _ = write_chapters(tmp_path, code.format("目标"))
        assert check_outputs(notebooks.execute_to_committed(zh)) == []
        zh, _ = write_chapters(tmp_path, code.format("\U00020000"))
        with pytest.raises(notebooks.ChapterFailed, match=r"cell 3: UserWarning: Glyph .* missing"):
            notebooks.execute_to_committed(zh)

    def test_stores_no_progress_bar(self, tmp_path):
        zh, _ = write_chapters(
            tmp_path,
            "from her_course.figures.progress import progress_bar\nfor i in progress_bar(range(3)):\n    print(i)",
        )
        assert check_outputs(notebooks.execute_to_committed(zh)) == []

    def test_functions_of_a_notebook_run_on_all_cores_and_tell_in_order(self, tmp_path):
        code = (
            "import os\nfrom functools import partial\nfrom her_course.figures.progress import on_all_cores\n"
            "def half(i):\n    print('on the way')\n    return 12 / i, os.getpid()\n"
            "found = on_all_cores([partial(half, i) for i in (1, 2, 3)])\n"
            "print([value for value, _ in found], os.getpid() in dict(found).values())"
        )
        zh, _ = write_chapters(tmp_path, code)
        committed = notebooks.execute_to_committed(zh)
        cells = nbformat.read(committed, 4).cells
        shown = [output.text for cell in cells if cell.cell_type == "code" for output in cell.outputs]
        assert shown == ["[12.0, 6.0, 4.0] False\n"]
        zh, _ = write_chapters(tmp_path, code.replace("(1, 2, 3)", "(1, 0)"))
        with pytest.raises(notebooks.ChapterFailed, match="ZeroDivisionError"):
            notebooks.execute_to_committed(zh)

    def test_refresh_takes_over_prose_but_not_code(self, tmp_path):
        zh, _ = write_chapters(tmp_path)
        committed = notebooks.execute_to_committed(zh)
        edit(zh, "没有了", "到此为止")
        assert any("cell 4" in finding and "refresh" in finding for finding in check_pair(zh))
        assert notebooks.refresh(zh)
        assert check_pair(zh) == []
        assert check_outputs(committed) == []
        edit(zh, "1 + 1", "1 + 2")
        assert any("cell 3" in finding and "execute" in finding for finding in check_pair(zh))
        before = committed.read_bytes()
        assert not notebooks.refresh(zh)
        assert committed.read_bytes() == before

    def test_keeps_the_whole_description_of_the_python_that_executed_it(self, tmp_path):
        zh, _ = write_chapters(tmp_path)
        committed = notebooks.execute_to_committed(zh)
        told = notebooks.read(committed).metadata.language_info
        assert told["version"] == ".".join(map(str, sys.version_info[:3]))
        assert (told["file_extension"], told["nbconvert_exporter"]) == (".py", "python")
        edit(committed, told["version"], "3.99.1")
        assert notebooks.refresh(zh)
        assert notebooks.read(committed).metadata.language_info["version"] == "3.99.1"


class TestRun:
    def test_tells_the_failing_cell_and_goes_on_with_the_next_chapter(self, tmp_path):
        write_chapters(tmp_path, number="02")
        write_chapters(tmp_path, "steps = 10\nassert steps > 20, 'too few'")
        paths = notebooks.discover(tmp_path / "chapters", "zh")
        failed, fine = notebooks.run(paths, out=tmp_path / "out", progress=False)
        assert (failed.chapter, failed.failure.number) == ("zh/01_sample", 3)
        assert failed.failure.error == "AssertionError: too few"
        assert "steps = 10" in str(failed.failure)
        assert (fine.chapter, fine.failure) == ("zh/02_sample", None)
        assert sorted(p.name for p in (tmp_path / "out" / "quick" / "zh").iterdir()) == [
            "01_sample.ipynb",
            "02_sample.ipynb",
        ]
        assert sorted((tmp_path / "chapters").rglob("*.ipynb")) == []

    def test_survives_a_kernel_that_dies(self, tmp_path):
        zh, _ = write_chapters(tmp_path, "import os\nos._exit(1)")
        [result] = notebooks.run([zh], out=tmp_path / "out", progress=False)
        assert result.failure.number == 3
        assert "Dead" in result.failure.error

    def test_command_ends_with_an_error_when_a_chapter_failed(self, tmp_path, monkeypatch):
        write_chapters(tmp_path, "1 / 0")
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(commands.run, ["1", "--lang", "en"])
        assert result.exit_code == 1
        assert "failed at cell 3" in result.output
        assert "ZeroDivisionError" in result.output
        assert (tmp_path / "build" / "quick" / "en" / "01_sample.ipynb").exists()
        result = CliRunner().invoke(commands.run, ["9"])
        assert result.exit_code == 1
        assert "no chapter 9" in result.output


def test_nbval_as_it_is_compares_no_progress_bar(tmp_path):
    """`pytest --nbval chapters`, without make, gets its environment from the conftest.py above the chapters."""
    bar = "from her_course.figures.progress import progress_bar\n\nprint(sum(progress_bar(range(3))))"
    notebook = notebooks.execute_to_committed(write_chapters(tmp_path, bar)[0])
    (tmp_path / "conftest.py").write_text((Path(__file__).parents[1] / "conftest.py").read_text())
    reader = {name: value for name, value in os.environ.items() if not name.startswith(("HER_", "TQDM_"))}
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", str(notebook)]
    finished = subprocess.run(command, cwd=tmp_path, env=reader, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


class TestStoredOutputs:
    def spoil(self, tmp_path, spoil):
        zh, _ = write_chapters(tmp_path)
        committed = notebooks.execute_to_committed(zh)
        stored = json.loads(committed.read_text())
        spoil(stored["cells"][2])
        committed.write_text(json.dumps(stored))
        return check_outputs(committed)

    @pytest.mark.parametrize(
        ("spoil", "finding"),
        [
            (lambda cell: cell.update(execution_count=None), "not executed"),
            (lambda cell: cell["outputs"][0].update(name="stderr"), "standard error: 2"),
            (
                lambda cell: cell["outputs"][0].update(text=f"saved in {tempfile.gettempdir()}/x.csv"),
                "path of the machine",
            ),
            (lambda cell: cell["metadata"].update(tags=["nbval-ignore-output"]), "1 of 2 code cells"),
            (
                lambda cell: cell.update(
                    outputs=[{"output_type": "error", "ename": "KeyError", "evalue": "1", "traceback": []}]
                ),
                "error, KeyError",
            ),
            (
                lambda cell: cell.update(
                    outputs=[{"output_type": "display_data", "data": {"image/png": "iVBO"}, "metadata": {}}]
                ),
                "without alt text",
            ),
            (lambda cell: cell["outputs"][0].update(text="x" * 1_600_000), "more than 1.5"),
        ],
    )
    def test_are_found_wanting(self, tmp_path, spoil, finding):
        findings = self.spoil(tmp_path, spoil)
        assert len(findings) == 1
        assert finding in findings[0]


def test_jupyterlab_opens_a_fresh_clone_and_leaves_the_source_as_it_is(tmp_path):
    """A clone gives both files of a pair any time stamps; neither order may make JupyterLab refuse them."""
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    zh, _ = write_chapters(tmp_path)
    committed = notebooks.execute_to_committed(zh)
    source = zh.read_bytes()
    for days in (-1, 1):
        os.utime(zh, (committed.stat().st_mtime + 86400 * days,) * 2)
        manager = build_sync_jupytext_contents_manager_class(LargeFileManager)(root_dir=str(tmp_path / "chapters"))
        for name in ("zh/01_sample.py", "zh/01_sample.ipynb"):
            model = manager.get(name, type="notebook", content=True)
            assert model["content"]["cells"][2]["outputs"][0]["text"] == "2\n"
        manager.save(model, "zh/01_sample.ipynb")
        assert zh.read_bytes() == source
        assert check_pair(zh) == []
