"""check, hint, progress: whatever an answer does, the learner reads what is wrong, and the notebook lives on."""

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from her_course import attempt, check, hint, or_reference, progress, reference
from her_course.exercises import model, registry, results, running

MINE = """
def sparse_reward(achieved_goal, desired_goal, threshold):
    {}
"""


def answer(body, name="sparse_reward", **names):
    """A function as it would be written in a notebook."""
    scope = {"np": np, "os": os, "sys": sys, "time": time, **names}
    exec(MINE.format(body).replace("sparse_reward", name), scope)
    return scope[name]


RIGHT = "return np.where(np.linalg.norm(achieved_goal - desired_goal, axis=-1) < threshold, 0.0, -1.0)"
INCLUSIVE = RIGHT.replace("<", "<=")


@pytest.fixture(autouse=True)
def records(tmp_path, monkeypatch):
    path = tmp_path / "data" / "progress.json"
    monkeypatch.setenv("HER_PROGRESS", str(path))
    monkeypatch.setenv("HER_LANG", "zh")
    return path


def test_a_right_answer_is_told_so_within_a_second(capsys):
    check(answer(RIGHT))
    start = time.perf_counter()
    result = check(answer(RIGHT))
    assert time.perf_counter() - start < 1
    assert (result.passed, result.misconception) == (True, None)
    assert result.score == result.maximum
    assert capsys.readouterr().out.endswith(f"sparse_reward   {result.maximum}/{result.maximum}   ✓ 全对\n")


@pytest.mark.skipif(not running.CAN_FORK, reason="needs a process of its own")
@pytest.mark.parametrize("exercise", registry.exercises().values(), ids=lambda exercise: exercise.name)
def test_every_check_takes_less_than_a_second_of_cpu(exercise, capsys):
    import resource

    def used():  # by this process and by its children, however busy the machine is
        times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(time.ru_utime + time.ru_stime for time in times)

    check(exercise.reference)  # what is imported for the first time does not count
    before = used()
    assert check(exercise.reference).passed
    assert used() - before < 1


def test_a_wrong_answer_is_told_the_case_and_the_idea(capsys, monkeypatch):
    result = check(answer(INCLUSIVE))
    said = capsys.readouterr().out
    assert not result.passed
    assert result.misconception == "threshold_inclusive"
    assert 0 < result.score < result.maximum
    assert "第 3 例" in said
    assert "sparse_reward([0. 0.], [3. 4.], 5.0)" in said
    assert "应当是 -1.0" in said
    assert "你的是 0.0" in said
    assert "踩线也算到了" in said
    assert 'hint("sparse_reward")' in said
    monkeypatch.setenv("HER_LANG", "en")
    check(answer(INCLUSIVE))
    said = capsys.readouterr().out
    assert "case 3" in said
    assert "On the line counts as reached" in said
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in said)


def test_the_notebooks_language_is_spoken(capsys, monkeypatch):
    monkeypatch.delenv("HER_LANG")
    check(answer(INCLUSIVE, LANG="en"))
    assert "expected" in capsys.readouterr().out
    check(answer(INCLUSIVE, LANG="zh"))
    assert "应当是" in capsys.readouterr().out


HOSTILE = {
    "raises": ("return achieved_goal + nothing", "NameError: name 'nothing' is not defined"),
    "raises something odd": ("raise BaseException('out')", "BaseException: out"),
    "leaves": ("sys.exit(3)", "SystemExit"),
    "ends the process": ("os._exit(0)", "整个进程退出了"),
    "recurses": ("return sparse_reward(achieved_goal, desired_goal, threshold)", "RecursionError"),
    "returns nothing": ("return None", "你的是 None"),
    "returns a list": ("return [0.0]", "(list)"),
    "returns NaN": ("return np.full(achieved_goal.shape[:-1], np.nan)", "你的是 nan"),
    "returns itself": ("return sparse_reward", "判不了"),
    "returns a generator": ("yield 0.0", "判不了"),
    "returns an array of objects": ("return np.array([sparse_reward, None])", "判不了"),
    "asks for all memory": ("return np.ones((10**6, 10**6))", "MemoryError"),
    "wants other arguments": ("return sparse_reward()", "TypeError"),
    "closes every file": ("os.closerange(0, 256)\n    return 0.0", "整个进程退出了"),
}


@pytest.mark.skipif(not running.CAN_FORK, reason="needs a process of its own")
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_whatever_an_answer_does_the_learner_reads_what_it_was(body, capsys):
    result = check(answer(body[0]))
    said = capsys.readouterr().out
    assert not result.passed
    assert body[1] in said
    assert "Traceback" not in said
    assert check(answer(RIGHT)).passed


@pytest.mark.skipif(not running.CAN_FORK, reason="needs a process of its own")
def test_an_endless_loop_is_stopped(capsys):
    start = time.perf_counter()
    result = check(answer("while True: pass"))
    assert time.perf_counter() - start < 20
    assert result.status == "timed_out"
    assert "超时" in capsys.readouterr().out


@pytest.mark.skipif(not running.CAN_FORK, reason="needs a process of its own")
def test_one_case_that_hangs_does_not_cost_the_others():
    body = "while len(achieved_goal) == 6: pass\n    " + RIGHT
    result = check(answer(body))
    assert [case.passed for case in result.cases].count(False) == 1


def test_what_is_printed_is_shown_but_not_all_of_it(capsys):
    check(answer("print('distance', 3)\n    print('x' * 10**7)\n    return None"))
    said = capsys.readouterr().out
    assert "    distance 3\n" in said
    assert len(said) < 1000


FAKES = {
    "float": "class Fake(float):\n        def __eq__(self, other): return True\n        __hash__ = None",
    "array": "class Fake(np.ndarray):\n        def __sub__(self, other): return 0",
    "object": "class Fake:\n        def __array__(self): return np.zeros(1)\n        def __eq__(self, o): return True",
}


@pytest.mark.parametrize("fake", FAKES)
def test_an_object_that_claims_to_equal_everything_earns_nothing(fake, capsys):
    make = "np.zeros(1).view(Fake)" if fake == "array" else "Fake(0)" if fake == "float" else "Fake()"
    result = check(answer(f"{FAKES[fake]}\n    return {make}"))
    assert result.score == 0
    assert "判不了" in capsys.readouterr().out


def test_changed_inputs_are_noticed(capsys):
    result = check(answer("achieved_goal -= desired_goal\n    desired_goal *= 0\n    " + RIGHT))
    assert result.misconception == model.MUTATES
    assert "原样" in capsys.readouterr().out


def test_a_stub_is_not_yet_done_and_no_try(capsys, records):
    result = check(answer("raise NotImplementedError"))
    assert result.status == "not_done"
    assert "还没写" in capsys.readouterr().out
    assert not records.exists()


def test_a_function_that_is_no_exercise_is_named(capsys):
    with pytest.raises(LookupError, match=r"'my_reward'.*sparse_reward"):
        check(answer(RIGHT, name="my_reward"))
    with pytest.raises(TypeError, match="the function itself"):
        check("sparse_reward")


def test_hints_come_one_after_the_other(capsys):
    texts = []
    for _ in range(4):
        hint("sparse_reward")
        texts.append(capsys.readouterr().out)
    assert [text.splitlines()[0] for text in texts] == [f"sparse_reward  提示 {n}/3" for n in (1, 2, 3, 3)]
    hint("sparse_reward", 1)
    assert capsys.readouterr().out == texts[0]
    with pytest.raises(ValueError, match="level"):
        hint("sparse_reward", 4)


def test_progress_is_there_tomorrow(capsys, records):
    check(answer(INCLUSIVE))
    check(answer(RIGHT))
    check(answer(INCLUSIVE))
    capsys.readouterr()
    progress()
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if " sparse_reward" in line)
    assert line.split() == ["✓", "sparse_reward", "9/9", "3", "次"]
    assert f"完成 1 / {len(registry.exercises())}" in said
    assert json.loads(records.read_text())["sparse_reward"]["tries"] == 3
    assert [path.name for path in records.parent.iterdir()] == ["progress.json"]


def shown_in_a_notebook(monkeypatch):
    """What is displayed, once this process passes for a notebook."""
    displayed = []
    monkeypatch.setattr("her_course.cards.in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: displayed.append(data))
    return displayed


def test_in_a_notebook_a_card_has_a_colour_a_sign_and_what_the_text_says(monkeypatch, capsys):
    displayed = shown_in_a_notebook(monkeypatch)
    check(answer(INCLUSIVE))
    check(answer(RIGHT))
    check(answer("raise NotImplementedError"))
    check(answer("print('<b>&')\n    return None"))
    assert capsys.readouterr().out == ""
    wrong, right, stub, printed = (data["text/html"] for data in displayed)
    assert "#D55E00" in wrong
    assert "✗" in wrong
    assert "踩线也算到了" in wrong
    assert "sparse_reward([0. 0.], [3. 4.], 5.0)" in wrong
    assert "#009E73" in right
    assert "✓" in right
    assert "○" in stub
    assert "&lt;b&gt;&amp;" in printed
    assert "第 3 例" in displayed[0]["text/plain"]


def test_in_a_notebook_progress_links_to_what_is_next(monkeypatch):
    displayed = shown_in_a_notebook(monkeypatch)
    monkeypatch.chdir(Path(__file__).parents[1] / "exercises" / "zh")
    check(answer(RIGHT))
    progress()
    html = displayed[-1]["text/html"]
    assert html.count("<td") == 4 * len(registry.exercises())
    assert '→ <a href="ch1.ipynb"><code>random_success_probability</code></a>' in html
    assert f"完成 1 / {len(registry.exercises())}" in displayed[-1]["text/plain"]


def test_without_a_home_folder_a_check_is_made_all_the_same(monkeypatch, capsys):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("HER_PROGRESS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", nowhere)
    assert check(answer(RIGHT)).passed
    assert "9/9" in capsys.readouterr().out


@pytest.mark.parametrize("page", ["cp1252", "cp936", "ascii"])
def test_a_narrow_encoding_costs_characters_and_nothing_else(page):
    program = "from her_course import check; from her import sparse_reward; check(sparse_reward)"
    environment = os.environ | {"PYTHONIOENCODING": page, "PYTHONUTF8": "0", "HER_PROGRESS": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"9/9" in done.stdout


def test_a_damaged_file_of_progress_is_put_aside(capsys, records):
    records.parent.mkdir()
    records.write_text("{broken")
    check(answer(RIGHT))
    assert json.loads(records.read_text())["sparse_reward"]["passed"]
    assert records.with_suffix(".damaged.json").read_text() == "{broken"


def test_progress_that_cannot_be_kept_does_not_stop_a_check(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HER_PROGRESS", str(tmp_path / "file" / "progress.json"))
    assert check(answer(RIGHT)).passed
    assert "could not be kept" in capsys.readouterr().out


def test_whoever_is_stuck_goes_on_with_the_reference(capsys):
    mine = answer(RIGHT)
    assert or_reference(mine) is mine
    assert capsys.readouterr().out == ""
    assert or_reference(answer(INCLUSIVE)) is reference("sparse_reward")
    assert "参考实现" in capsys.readouterr().out


def test_a_task_that_is_not_written_yet_is_said_so(capsys):
    def train():
        raise NotImplementedError

    assert attempt(lambda: train()) is None
    assert capsys.readouterr().out == "train：还没写\n"
    assert attempt(lambda: 3) == 3


def test_without_fork_a_thread_does(capsys):
    exercise = registry.find("sparse_reward")
    right = results.judge_exercise(exercise, running.threaded(answer(RIGHT), 5), 0, False)
    assert right.passed
    stdout = sys.stdout
    hung = results.judge_exercise(exercise, running.threaded(answer("time.sleep(0.5)"), 0.05), 0, False)
    assert hung.status == "timed_out"
    assert sys.stdout is stdout
    time.sleep(1)  # until the threads that were given up have ended, and put back the standard output of this test


def test_forged_outcomes_are_refused():
    from her_course import plain

    good = running.pack(model.Outcome(1.0, None, ((), {}), ""))
    assert running.unpack(good).value == 1.0
    for forged in (1.0, (1.0,) * 4, (1.0, ("raised", 3), None, ""), (1.0, None, ((), []), "")):
        with pytest.raises(plain.Malformed):
            running.unpack(plain.encode(forged))


@pytest.mark.skipif(not running.CAN_FORK, reason="needs a process of its own")
def test_an_answer_in_torch_is_judged_after_torch_ran_many_threads():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (torch.randn(600, 600) @ torch.randn(600, 600)).sum()  # starts the threads that a fork leaves behind
        body = "import torch\n    big = torch.randn(600, 600) @ torch.randn(600, 600)\n    " + RIGHT
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert check(answer(body)).passed
    finally:
        torch.set_num_threads(threads)
