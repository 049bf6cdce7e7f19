"""Sweeps: nothing is run twice, nothing is lost, and the statistics say what they say they say."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from her.cli import main
from her.experiments import read_sweep, write_results
from her.statistics import bootstrap, iqm, steps_to_threshold

SWEEP = """
seeds = [0, 1]

[settings]
max_steps = 500
n_envs = 8
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


def test_the_tables_grow_with_every_run_that_ends(tmp_path, monkeypatch):
    """A sweep of hours that is killed leaves the results of what it has finished."""
    lengths = []

    def spy(outcomes, runs, results, command):
        write_results(outcomes, runs, results, command)
        lengths.append(len(table(results / "runs.csv")))

    monkeypatch.setattr("her.experiments.write_results", spy)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    CliRunner().invoke(main, ["sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "runs"), "--jobs", "1"])
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

    assert how["made_with"][0]["runs"] == ["bits-her-0", "bits-her-1", "bits-broken-0", "bits-broken-1"]
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
    ],
)
def test_a_wrong_sweep_file_is_refused_before_anything_runs(tmp_path, change, message):
    (tmp_path / "sweep.toml").write_text(SWEEP.replace(*change))
    result = CliRunner().invoke(main, ["sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "runs")])
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "runs").exists()


def test_iqm_is_the_mean_of_the_middle_half():
    assert iqm([0, 1, 2, 3, 4, 5, 6, 100]) == np.mean([2, 3, 4, 5])
    assert iqm([7.0]) == 7.0


def test_the_bootstrap_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [(e := bootstrap(rng.normal(size=30), np.mean)).low <= 0 <= e.high for _ in range(150)]
    assert 0.86 <= np.mean(hits) <= 0.99


def test_one_seed_has_an_interval_of_no_width():
    assert bootstrap([0.7]) == (0.7, 0.7, 0.7)
    with pytest.raises(ValueError, match="scores: expected one number per seed"):
        bootstrap([])


def test_steps_to_a_threshold_may_never_come():
    assert steps_to_threshold([10, 20, 30], [0.1, 0.9, 0.95], 0.9) == 20
    assert steps_to_threshold([10, 20, 30], [0.1, 0.2, 0.3], 0.9) is None
