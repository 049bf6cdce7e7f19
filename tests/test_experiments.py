"""Sweeps: nothing is run twice, nothing is lost, and the statistics say what they say they say."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from click.testing import CliRunner

from her.cli import main
from her.plots.curves import draw_records
from her.sweeps.grid import plan, read_sweep
from her.sweeps.running import sweep
from her.sweeps.tables import read_records, read_tables, write_tables

RESULTS = Path(__file__).parents[1] / "results"
SWEEP = """
seeds = [0, 1]

[settings]
max_steps = 500
n_envs = 8
updates_per_round = 2
agent_settings = { hidden = [16] }
evaluation_episodes = 10

[[task]]
name = "bits"
env_id = "her/BitFlip-v0"
env_kwargs = { n_bits = 4 }

[[variant]]
name = "her"
settings = { strategy = "future" }

[[variant]]
name = "broken"
settings = { capacity = 1 }
"""


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_variant_may_have_tasks_and_seeds_of_its_own(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP + '[[variant]]\nname = "once"\nseeds = [7]\ntasks = ["bits"]\n')
    assert [job.name for job in read_sweep(file)][-3:] == ["bits-broken-0", "bits-broken-1", "bits-once-7"]


def test_the_tables_grow_with_every_run_that_ends(tmp_path):
    """A sweep of hours that is killed leaves the results of what it has finished."""
    (tmp_path / "sweep.toml").write_text(SWEEP)
    jobs = read_sweep(tmp_path / "sweep.toml")
    lengths = [
        len(table(tmp_path / "runs.csv")) for _ in sweep(jobs, tmp_path / "runs", tmp_path, "her sweep", n_jobs=1)
    ]
    assert lengths == [1, 2, 3, 4]


def test_a_sweep_runs_everything_once_and_a_failing_run_ends_no_other(tmp_path):
    (tmp_path / "sweep.toml").write_text(SWEEP)
    command = ["sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "runs"), "--jobs", "1"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    rows = table(tmp_path / "runs.csv")
    assert [(row["variant"], row["seed"]) for row in rows] == [
        ("her", "0"),
        ("her", "1"),
        ("broken", "0"),
        ("broken", "1"),
    ]
    assert rows[0]["status"] == "done"
    assert "capacity: an episode of 4 transitions does not fit" in rows[2]["status"]
    assert {row["variant"] for row in table(tmp_path / "curves.csv")} == {"her"}
    how = json.loads((tmp_path / "how.json").read_text())
    assert how["configs"]["bits-her-0"]["max_steps"] == 500

    assert how["made_with"][0]["runs"] == ["bits-her-0", "bits-her-1"]  # the broken ones never began
    assert how["made_with"][0]["versions"].keys() >= {"numpy", "torch"}

    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").glob("*/summary.json")}
    (tmp_path / "runs" / "bits-her-1" / "summary.json").unlink()
    CliRunner().invoke(main, command)
    assert table(tmp_path / "runs.csv")[0] == rows[0]
    assert {k: v for k, v in table(tmp_path / "runs.csv")[1].items() if k != "cpu_seconds"} == {
        k: v for k, v in rows[1].items() if k != "cpu_seconds"
    }
    unchanged = tmp_path / "runs" / "bits-her-0" / "summary.json"
    assert unchanged.stat().st_mtime_ns == times[unchanged]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds = [0, 1]", ""), "'seeds' is missing"),
        (('strategy = "future"', 'strategy = "past"'), "strategy: expected one of"),
        (('name = "broken"', 'name = "her"'), "the same run twice"),
        (("[settings]", "[settings"), "sweep.toml"),
        (("capacity = 1", "colour = 1"), "colour"),
        (('name = "broken"', 'setings = { k = 8 }\nname = "broken"'), "variant: unknown keys ['setings']"),
        (('name = "broken"', 'tasks = ["bitz"]\nname = "broken"'), "tasks: 'broken' is for unknown ones, ['bitz']"),
        (("seeds = [0, 1]", "seeds = 3"), "seeds: expected a list, got 3"),
        (("[settings]", "[[settings]]"), "settings: expected a dict"),
    ],
)
def test_a_wrong_sweep_file_is_refused_before_anything_runs(tmp_path, change, message):
    (tmp_path / "sweep.toml").write_text(SWEEP.replace(*change))
    result = CliRunner().invoke(main, ["sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "runs")])
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "runs").exists()


def test_a_grid_makes_tasks_of_environments_and_variants_of_settings(tmp_path):
    grid = """
[grid]
"env_kwargs.n_bits" = [4, 5]
strategy = ["final", "future"]
"agent_settings.learning_rate" = [1e-3, 2e-3]
"""
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP.split("[[variant]]")[0].replace("seeds = [0, 1]", "seeds = [3]") + grid)
    jobs = read_sweep(file)
    assert len(jobs) == 2 * 2 * 2
    assert jobs[0].name == "bits,n_bits=4-strategy=final,learning_rate=0.001-3"
    assert {(job.config.env_kwargs["n_bits"], job.config.strategy, job.config.max_steps) for job in jobs} == {
        (n, strategy, 500) for n in (4, 5) for strategy in ("final", "future")
    }
    assert [job.config.agent_settings["learning_rate"] for job in jobs[:2]] == [1e-3, 2e-3]
    assert jobs[0].config.agent_settings["gamma"] == 0.98  # the others stay as they are

    file.write_text(SWEEP + "[grid]\nk = [1, 8]\n")
    assert [(job.variant, job.config.k) for job in read_sweep(file)][::2] == [
        ("her,k=1", 1),
        ("her,k=8", 8),
        ("broken,k=1", 1),
        ("broken,k=8", 8),
    ]
    with pytest.raises(ValueError, match="grid: expected a list of values for 'k', got 4"):
        plan({"seeds": [0], "task": [{"name": "bits", "env_id": "her/BitFlip-v0"}], "grid": {"k": 4}})


FLAGS = ["her/BitFlip-v0", "--env-kwargs", "n_bits=4", "--set", "max_steps=300", "--set", "n_envs=8"]
FLAGS += ["--set", "agent_settings.hidden=(16,)", "--set", "updates_per_round=2", "--set", "evaluation_episodes=10"]


def test_a_grid_given_by_flags_leaves_a_table_and_the_command(tmp_path):
    command = ["sweep", *FLAGS, "--grid", "strategy=future,none", "--grid", "k=1,4", "--seeds", "0-1,5"]
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path), "--jobs", "1"])
    assert result.exit_code == 0, result.output
    rows = table(tmp_path / "runs.csv")
    assert len(rows) == 12
    assert {row["status"] for row in rows} == {"done"}
    assert {row["seed"] for row in rows} == {"0", "1", "5"}
    assert {row["variant"] for row in rows} == {f"strategy={s},k={k}" for s in ("future", "none") for k in (1, 4)}
    (tmp_path / "BitFlip-v0-strategy=future,k=1-0" / "summary.json").unlink()
    collected = CliRunner().invoke(main, [*command, "--out", str(tmp_path), "--collect", "--jobs", "1"])
    assert "11 of 11 runs done" in collected.output
    assert table(tmp_path / "runs.csv") == rows[1:]
    how = json.loads((tmp_path / "how.json").read_text())
    assert how["command"].startswith("her sweep her/BitFlip-v0 --seeds 0,1,5 --grid strategy=future,none --grid k=1,4")
    assert how["configs"]["BitFlip-v0-strategy=none,k=4-5"]["agent_settings"]["hidden"] == [16]


def test_tables_without_their_runs_can_be_added_to(tmp_path):
    command = ["sweep", *FLAGS, "--grid", "strategy=future,none", "--results", str(tmp_path), "--jobs", "1"]
    first = CliRunner().invoke(main, [*command, "--seeds", "0", "--out", str(tmp_path / "lost")])
    assert first.exit_code == 0, first.output
    rows, curves = table(tmp_path / "runs.csv"), table(tmp_path / "curves.csv")
    made = json.loads((tmp_path / "how.json").read_text())["made_with"]

    more = CliRunner().invoke(main, [*command, "--seeds", "0-1", "--out", str(tmp_path / "new"), "--keep"])
    assert "4 of 4 runs done (2 kept)" in more.output
    assert sorted(path.name[-1] for path in (tmp_path / "new").iterdir()) == ["1", "1"]
    assert [row for row in table(tmp_path / "runs.csv") if row["seed"] == "0"] == rows
    assert [row for row in table(tmp_path / "curves.csv") if row["seed"] == "0"] == curves
    assert [row["seed"] for row in table(tmp_path / "runs.csv")] == ["0", "1", "0", "1"]
    assert sum(len(one["runs"]) for one in json.loads((tmp_path / "how.json").read_text())["made_with"]) == 4
    assert made[0]["versions"] == json.loads((tmp_path / "how.json").read_text())["made_with"][0]["versions"]

    changed = [*command, "--seeds", "0-1", "--out", str(tmp_path / "other"), "--keep", "--set", "batch_size=8"]
    assert "4 of 4 runs done; " in CliRunner().invoke(main, changed).output  # other settings: nothing to keep


def test_there_is_nothing_to_keep_where_no_tables_are(tmp_path):
    result = CliRunner().invoke(main, ["sweep", *FLAGS, "--out", str(tmp_path / "runs"), "--keep"])
    assert result.exit_code != 0
    assert "so there is nothing to keep" in result.output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["her/BitFlip-v0", "--grid", "k"], "expected KEY=V1,V2"),
        (["her/BitFlip-v0", "--seeds", "0..4"], "expected whole numbers as in 0-4"),
        (["her/BitFlip-v0", "--seeds", "4-0"], "expected whole numbers as in 0-4"),
        (["her/BitFlip-v0", "--grid", "colour=1,2"], "colour"),
        (["her/Nowhere-v0"], "cannot make 'her/Nowhere-v0'"),
        (["nowhere.toml"], "no file 'nowhere.toml'"),
        (["nowhere.toml", "--seeds", "0-4"], "a sweep's file says all"),
        (["her/BitFlip-v0", "--scheduler", "tcp://host:8786"], "only --backend dask has one"),
    ],
)
def test_wrong_flags_are_refused_before_anything_runs(tmp_path, words, message):
    result = CliRunner().invoke(main, ["sweep", *words, "--out", str(tmp_path / "runs")])
    assert result.exit_code != 0
    assert message in result.output
    assert not (tmp_path / "runs").exists()


def test_a_sweep_killed_half_way_does_only_what_is_missing(tmp_path):
    out, grid = tmp_path / "runs", ["--grid", "strategy=future,none", "--seeds", "0-2", "--set", "max_steps=2000"]
    words = ["sweep", *FLAGS, *grid, "--out", str(out)]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "her.cli", *words, "--jobs", "1"], start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(out.glob("*/summary.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    ended = {path: (path.stat().st_mtime_ns, path.read_text()) for path in out.glob("*/summary.json")}
    assert 2 <= len(ended) < 6

    result = CliRunner().invoke(main, [*words, "--jobs", "2"])
    assert result.exit_code == 0, result.output
    assert len(list(out.glob("*/summary.json"))) == 6
    for path, before in ended.items():
        assert (path.stat().st_mtime_ns, path.read_text()) == before

    whole = tmp_path / "whole"
    assert CliRunner().invoke(main, [*words[:-1], str(whole), "--jobs", "1"]).exit_code == 0
    assert without_seconds(out / "runs.csv") == without_seconds(whole / "runs.csv")
    assert without_seconds(out / "curves.csv") == without_seconds(whole / "curves.csv")


def without_seconds(path):
    return [{key: value for key, value in row.items() if key != "cpu_seconds"} for row in table(path)]


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_table(tmp_path):
    from dask.distributed import LocalCluster

    (tmp_path / "sweep.toml").write_text(SWEEP)
    command = ["sweep", str(tmp_path / "sweep.toml")]
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path / "dask"
    ) as cluster:
        there = ["--backend", "dask", "--scheduler", cluster.scheduler_address]
        places = ["--out", str(tmp_path / "runs_dask"), "--results", str(tmp_path / "dask_tables")]
        assert CliRunner().invoke(main, [*command, *there, *places]).exit_code == 1  # one variant is broken
    places = ["--out", str(tmp_path / "runs_loky"), "--results", str(tmp_path / "loky_tables")]
    assert CliRunner().invoke(main, [*command, "--jobs", "2", *places]).exit_code == 1
    for name in ("runs.csv", "curves.csv"):
        assert without_seconds(tmp_path / "dask_tables" / name) == without_seconds(tmp_path / "loky_tables" / name)
    assert [row["status"] for row in table(tmp_path / "dask_tables" / "runs.csv")][:2] == ["done", "done"]


DEADLY = """
import os, signal
import gymnasium as gym
from her.envs import BitFlipEnv

class Deadly(BitFlipEnv):
    def reset(self, **given):
        os.kill(os.getpid(), signal.SIGKILL)

gym.register("Deadly-v0", entry_point=Deadly, max_episode_steps=4)
"""


def test_a_run_whose_process_dies_ends_no_other(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(DEADLY)  # which every process imports as it starts
    task = '[[task]]\nname = "deadly"\nenv_id = "Deadly-v0"\nenv_kwargs = { n_bits = 4 }\n'
    task += 'settings = { agent = "dqn" }\n\n[[variant]]'
    text = SWEEP.split('[[variant]]\nname = "broken"')[0].replace("[[variant]]", task, 1)
    (tmp_path / "sweep.toml").write_text(text.replace("seeds = [0, 1]", "seeds = [0]"))
    words = [sys.executable, "-m", "her.cli", "sweep", str(tmp_path / "sweep.toml"), "--jobs", "2"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([*words, "--out", str(tmp_path / "runs")], env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    status = {row["task"]: row["status"] for row in table(tmp_path / "runs.csv")}
    assert status["bits"] == "done"
    assert status["deadly"].startswith("failed: its process died")


def test_runs_in_any_folder_are_told_apart_by_what_differs(tmp_path):
    for n_bits, k, seed in ((4, 1, 0), (4, 4, 0), (4, 4, 1), (5, 4, 0)):
        words = [*FLAGS, "--env-kwargs", f"n_bits={n_bits}", "--k", str(k), "--seed", str(seed), "--quiet"]
        result = CliRunner().invoke(main, ["train", *words, "--out", str(tmp_path / "some" / f"{n_bits}-{k}-{seed}")])
        assert result.exit_code == 0, result.output
    records = read_records(tmp_path)
    assert [(record.task, record.variant, record.config["seed"]) for record in records] == [
        ("her/BitFlip-v0,n_bits=4", "k=1", 0),
        ("her/BitFlip-v0,n_bits=4", "k=4", 0),
        ("her/BitFlip-v0,n_bits=4", "k=4", 1),
        ("her/BitFlip-v0,n_bits=5", "future", 0),
    ]
    assert all(record.success.index[-1] >= 300 and 0 <= record.final <= 1 for record in records)

    assert CliRunner().invoke(main, ["plot", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    against = [
        "plot",
        str(tmp_path),
        "--against",
        "env_kwargs.n_bits",
        "--lang",
        "zh",
        "--out",
        str(tmp_path / "n.png"),
    ]
    assert CliRunner().invoke(main, against).exit_code == 0
    assert (tmp_path / "n.png").stat().st_size > 5_000
    result = CliRunner().invoke(main, ["plot", str(tmp_path), "--against", "colour"])
    assert "no setting 'colour'" in result.output


@pytest.mark.parametrize("folder", sorted(RESULTS.glob("*/runs.csv")), ids=lambda path: path.parent.name)
def test_tables_that_are_read_and_written_are_the_same_to_the_byte(folder, tmp_path):
    folder = folder.parent
    write_tables(read_tables(folder), tmp_path, json.loads((folder / "how.json").read_text())["command"])
    for name in ("runs.csv", "curves.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_folder_without_runs_is_refused(tmp_path):
    result = CliRunner().invoke(main, ["plot", str(tmp_path)])
    assert result.exit_code == 1
    assert "no runs with evaluations" in result.output


def test_a_sweeps_tables_and_its_folders_tell_the_same_curves(tmp_path):
    words = ["sweep", *FLAGS, "--grid", "strategy=future,none", "--seeds", "0-1", "--jobs", "1"]
    assert (
        CliRunner().invoke(main, [*words, "--out", str(tmp_path / "a"), "--results", str(tmp_path / "b")]).exit_code
        == 0
    )
    folders, tables = read_records(tmp_path / "a"), read_records(tmp_path / "b")
    for one, other in zip(folders, sorted(tables, key=lambda record: record.variant), strict=True):
        assert (one.variant, one.config, one.final) == (other.variant, other.config, other.final)
        pd.testing.assert_series_equal(one.success, other.success)


def test_the_legend_of_many_variants_is_on_the_page_and_names_each_once():
    records = [record for record in read_records(RESULTS / "sensitivity") if record.task != "push"]
    figure = draw_records(records, "en")
    figure.canvas.draw()
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {record.variant for record in records}
    page, taken = figure.bbox, legend.get_window_extent()
    assert page.x0 <= taken.x0 < taken.x1 <= page.x1
    assert all(ax.get_window_extent().height > 100 for ax in figure.axes)


def test_the_workers_of_a_sweep_that_was_killed_stop(tmp_path):
    """The sweep that is begun again trains their runs, in the same folders."""
    words = [*FLAGS, "--seeds", "0-1", "--set", "max_steps=2000000", "--out", str(tmp_path), "--jobs", "2"]
    sweep = subprocess.Popen([sys.executable, "-m", "her.cli", "sweep", *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("*/progress.csv"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    assert len(workers) >= 2
    sweep.kill()
    sweep.wait()
    _, left = psutil.wait_procs(workers, timeout=30)
    assert not left


def test_a_figure_may_have_no_dots(tmp_path):
    folder = Path(__file__).parents[1] / "results" / "variants_why"
    result = CliRunner().invoke(main, ["plot", str(folder), "--out", str(tmp_path / "figure.svg")])
    assert result.exit_code == 0, result.output
    assert "<svg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
