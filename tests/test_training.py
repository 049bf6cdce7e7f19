"""Runs: reproducible, resumable after any kill, honest about what they measured."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from her.cli import main
from her.dotted import flatten, nest
from her.files import write_atomically
from her.training import Trainer, TrainingConfig, settings_for, use_one_thread
from her.training.evaluation import evaluate, make_envs, rollout, wilson_interval
from her.training.runs import Run, load_trainer

SMALL = {"n_envs": 8, "updates_per_round": 5, "evaluation_episodes": 20, "max_steps": 800, "evaluate_every": 1}


def small(env_id="her/BitFlip-v0", **changes):
    kwargs = {"n_bits": 5} if "BitFlip" in env_id else {}
    return settings_for(env_id, kwargs, **(SMALL | changes))


def without_times(progress):
    return [(p.env_steps, p.updates, p.success_rate, p.exploring_success, p.td_error) for p in progress]


# ---------------------------------------------------------------------- rollouts and evaluation


class Corridor(gym.Env):
    """Walk right from 0 to the goal, which ends the episode."""

    observation_space = gym.spaces.Dict(
        {k: gym.spaces.Box(-99, 99, (1,), np.float32) for k in ("observation", "achieved_goal", "desired_goal")}
    )
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.goal = 0.0, float(self.np_random.integers(1, 4))
        return self._observe(), {"is_success": False}

    def step(self, action):
        self.x += action
        success = self.x == self.goal
        return self._observe(), float(success) - 1, success, False, {"is_success": success}

    def _observe(self):
        x = np.array([self.x], np.float32)
        return {"observation": x, "achieved_goal": x, "desired_goal": np.array([self.goal], np.float32)}

    def compute_reward(self, achieved, desired, info):
        return (np.asarray(achieved) == desired).all(-1) - 1.0


@pytest.fixture(scope="module")
def corridor():
    gym.register("Corridor-v0", entry_point=Corridor, max_episode_steps=6)
    yield "Corridor-v0"
    del gym.registry["Corridor-v0"]


def test_exploring_is_judged_by_the_first_episode_as_evaluations_are(corridor):
    """Where success ends an episode, the end of the rollout lies in the middle of another one."""
    with Trainer(TrainingConfig(corridor, agent="dqn", n_envs=4, updates_per_round=0, max_steps=24)) as trainer:
        trainer.agent.act = lambda x, explore=False: np.ones(len(x), int)
        assert [progress.exploring_success for progress in trainer.run()] == [1.0]


def test_a_rollout_keeps_the_last_observation_of_an_episode(corridor):
    steps = rollout(lambda x: np.ones(len(x), int), make_envs(corridor, 5), 10, seed=0)
    np.testing.assert_array_equal(steps.next_states, steps.states + 1)
    np.testing.assert_array_equal(steps.achieved_goals, steps.next_states)
    assert steps.terminated.any()
    np.testing.assert_array_equal(steps.success, steps.terminated)


def test_episodes_of_a_rollout_end_where_the_environment_ended_them(corridor):
    steps = rollout(lambda x: np.ones(len(x), int), make_envs(corridor, 5), 10, seed=0)
    episodes = list(steps.episodes())
    assert sum(len(e) for e in episodes) == 50
    for episode in episodes:
        assert episode.states[0] == 0
        assert not episode.dones[:-1].any()
        assert episode.dones[-1] == (episode.achieved_goals[-1] == episode.goal)


def test_an_evaluation_counts_the_first_episode_of_each_environment(corridor):
    envs = make_envs(corridor, 30)
    assert evaluate(lambda x: np.ones(len(x), int), envs, 0).success_rate("end") == 1.0
    assert evaluate(lambda x: np.zeros(len(x), int), envs, 0).success_rate("any") == 0.0


def test_success_at_any_step_is_told_from_success_at_the_end():
    def flip_first_differing_bit(x):
        different = x[:, :4] != x[:, 4:]
        return different.argmax(axis=1)  # once all agree, flips bit 0 and leaves the goal

    result = evaluate(flip_first_differing_bit, make_envs("her/BitFlip-v0", 200, n_bits=4), seed=0)
    assert result.success_rate("any") == 1.0
    assert 0 < result.success_rate("end") < 1
    with pytest.raises(ValueError, match="at: expected 'end' or 'any'"):
        result.success_rate("sometimes")


def test_the_wilson_interval_holds_at_the_edges():
    assert wilson_interval(0, 100)[0] == 0
    assert wilson_interval(100, 100)[1] == 1
    low, high = wilson_interval(50, 100)
    assert low == pytest.approx(0.404, abs=1e-3)
    assert high == pytest.approx(0.596, abs=1e-3)


# ---------------------------------------------------------------------- trainer


@pytest.mark.parametrize("env_id", ["her/BitFlip-v0", "her/Reach-v0"])
def test_the_same_config_gives_the_same_run(env_id):
    config = small(env_id, seed=3)
    first, second = (without_times(Trainer(config).run()) for _ in range(2))
    assert first == second
    assert first != without_times(Trainer(small(env_id, seed=4)).run())


def test_a_run_stops_at_max_steps_and_evaluates_there():
    config = small(max_steps=100, evaluate_every=50)
    *_, last = Trainer(config).run()
    assert last.env_steps >= 100 > last.env_steps - 8 * 5
    assert last.success_rate is not None


def test_hindsight_learns_what_plain_replay_does_not():
    """Bit flipping with 12 bits, equal steps and updates."""
    rates = {}
    for strategy in ("future", "none"):
        trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": 12}, strategy=strategy, max_steps=12_000, seed=1))
        for _ in trainer.run():
            pass
        rates[strategy] = trainer.final_evaluation().success_rate("any")
    assert rates["future"] >= 0.9
    assert rates["none"] <= 0.3


def test_training_never_ends_an_episode_by_success():
    trainer = Trainer(small("her/Reach-v0"))
    trainer.round()
    assert not trainer.buffer.sample(1000).dones.any()


@pytest.mark.parametrize("strategy", ["future", "none"])
def test_success_ends_bootstrapping_where_it_is_asked_to_and_episodes_go_on(strategy):
    trainer = Trainer(small("her/BitFlip-v0", success_ends=True, strategy=strategy, n_envs=64))
    trainer.round()
    batch = trainer.buffer.sample(1000)
    np.testing.assert_array_equal(batch.dones, batch.rewards == 0)
    assert batch.dones.any()
    assert len(trainer.buffer) == 64 * 5


def test_the_normaliser_sees_each_round_once_with_the_goals_pursued_and_achieved():
    for strategy, kinds in (("future", 2), ("none", 1)):
        with Trainer(small("her/Reach-v0", strategy=strategy)) as trainer:
            trainer.round()
            trainer.round()
            assert trainer.agent.normalizer.count == kinds * trainer.env_steps


def test_training_draws_no_more_batches_than_it_learns_from():
    with Trainer(small("her/Reach-v0", priority="td")) as trainer:
        drawn, sample = [], trainer.buffer.sample
        trainer.buffer.sample = lambda n: drawn.append(n) or sample(n)
        trainer.round()
        assert drawn == [trainer.config.batch_size] * 5


def test_environments_are_closed_also_those_made_for_a_look(corridor, monkeypatch):
    made = []

    def spy(env_id, n_envs, **kwargs):
        made.append(make_envs(env_id, n_envs, **kwargs))
        return made[-1]

    for module in ("config", "look", "loop"):
        monkeypatch.setattr(f"her.training.{module}.make_envs", spy)
    config = settings_for(corridor, **SMALL)
    assert [envs.closed for envs in made] == [True]
    with Trainer(config) as trainer:
        trainer.round()
        assert [envs.closed for envs in made] == [True, True, False]
    assert all(envs.closed for envs in made)
    with pytest.raises(ValueError, match="capacity"):
        Trainer(config.replace(capacity=2))
    assert all(envs.closed for envs in made)


def test_a_trainer_leaves_the_threads_of_torch_to_the_program():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        Trainer(small()).close()
        assert torch.get_num_threads() == 2
        use_one_thread()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_settings_depend_on_the_environment_arguments():
    assert settings_for("her/BitFlip-v0", {"n_bits": 50}).n_envs > settings_for("her/BitFlip-v0").n_envs
    changed = settings_for("her/BitFlip-v0", agent_settings={"epsilon": 0.5})
    assert changed.agent_settings["epsilon"] == 0.5
    assert changed.agent_settings["gamma"] == settings_for("her/BitFlip-v0").agent_settings["gamma"]


def test_an_environment_without_settings_gets_the_learner_of_its_actions(corridor):
    assert settings_for(corridor).agent == "dqn"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "past"}, "strategy: expected one of"),
        ({"agent": "ppo"}, "agent: expected one of"),
        ({"agent_settings": {"lr": 1}}, "agent_settings: dqn has no"),
        ({"until_success": 95.0}, "until_success: expected"),
        ({"until_success": "often"}, "until_success: expected"),
        ({"n_envs": 0}, "n_envs: expected a positive integer"),
        *[
            ({name: wrong}, f"^{name}: expected an integer of at least 0, got ")
            for name in ("updates_per_round", "k", "seed")
            for wrong in ("abc", 1.5, -1, True, None)
        ],
        ({"seed": 2**64}, "seed: expected an integer below"),
        ({"agent_settings": 3}, "agent_settings: expected a dictionary"),
        ({"reset_options": None}, "reset_options: expected a dictionary"),
        ({"success_at": "last"}, "success_at: expected"),
    ],
)
def test_a_wrong_setting_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        settings_for("her/BitFlip-v0", **changes)


def test_a_run_may_learn_nothing():
    trainer = Trainer(small(updates_per_round=0, max_steps=80))
    assert [progress.updates for progress in trainer.run()] == [0, 0]


@pytest.mark.parametrize("value", ["abc", None, [4]])
def test_an_argument_of_the_environment_that_is_no_number_is_named(value):
    with pytest.raises(ValueError, match=r"^n_bits: expected a positive integer, got "):
        Trainer(settings_for("her/BitFlip-v0", {"n_bits": value}))


def test_what_no_episode_could_begin_with_or_fit_into_is_refused_before_one_is_played():
    with pytest.raises(
        ValueError, match=r"^reset_options: {'foo': 1} are not for this environment \(options: expected"
    ):
        Trainer(small(reset_options={"foo": 1}))
    with pytest.raises(ValueError, match=r"^capacity: an episode of 5 transitions does not fit into capacity=4"):
        Trainer(small(capacity=4))


def test_an_agent_must_fit_the_actions():
    with pytest.raises(ValueError, match="agent: dqn does not fit"):
        Trainer(TrainingConfig("her/Reach-v0", agent="dqn"))


def test_schedules_are_as_long_as_the_run_and_stand_in_its_curve(tmp_path):
    settings = {"n_envs": 8, "max_steps": 3 * 8 * 50, "updates_per_round": 10, "evaluation_episodes": 5}
    variants = {
        "uniform": {},
        "td": {"priority": "td"},
        "cher": {"curriculum": "cher", "priority": "rank", "priority_settings": {"beta_batches": 60}},
    }
    curves = {}
    for name, variant in variants.items():
        with Run(settings_for("her/Push-v0", **settings, **variant), tmp_path / name) as run:
            run.train()
        rows = rows_of(tmp_path / name)
        curves[name] = [tuple(row[column] for column in ("alpha", "beta", "lambda")) for row in rows]
    assert curves["uniform"] == [("", "", "")] * 3
    assert curves["td"] == [("0.6", beta, "") for beta in ("0.6", "0.8", "1.0")]  # from 0.4
    growing = [(round(0.5 + 0.5 * part / 6, 5), round(100 ** (part / 3), 5)) for part in (1, 2, 3)]
    assert curves["cher"] == [("0.7", str(beta), str(weight)) for beta, weight in growing]


def test_an_environment_without_goals_is_refused():
    with pytest.raises(ValueError, match="no goal environment"):
        make_envs("CartPole-v1", 1)


# ---------------------------------------------------------------------- runs on disk


def rows_of(folder):
    with open(folder / "progress.csv", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if "seconds" not in k} for row in csv.DictReader(file)]


def tensors_of(folder):
    """Everything that the agent of a run's newest checkpoint learned, by name."""
    with load_trainer(folder) as trainer:
        return dict(named_tensors(trainer.agent.state()))


def named_tensors(state, name=""):
    if isinstance(state, torch.Tensor):
        yield name, state
    elif isinstance(state, dict):
        for key, part in state.items():
            yield from named_tensors(part, f"{name}.{key}")


def assert_same_outcome(one: Path, other: Path):
    assert rows_of(one) == rows_of(other)
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (one, other)]
    for summary in summaries:
        for name in ("cpu_seconds", "wall_seconds"):
            assert summary.pop(name) > 0
    assert summaries[0] == summaries[1]
    ours, theirs = tensors_of(one), tensors_of(other)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 4
    for name in ours:
        np.testing.assert_array_equal(ours[name].numpy(), theirs[name].numpy(), err_msg=name)


@pytest.mark.parametrize("env_id", ["her/BitFlip-v0", "her/Push-v0"])
def test_a_run_stopped_between_rounds_goes_on_as_if_it_had_not_been(tmp_path, env_id):
    config = small(env_id, max_steps=3_000)
    Run(config, tmp_path / "whole").train()

    class Stop(Exception):
        pass

    def stop(progress):
        if progress.env_steps > 1_500:
            raise Stop

    with pytest.raises(Stop):
        Run(config, tmp_path / "parts", checkpoint_seconds=0).train(stop)
    Run(config, tmp_path / "parts", resume=True).train()
    assert_same_outcome(tmp_path / "whole", tmp_path / "parts")


def test_kill_9_and_resume_end_where_an_undisturbed_run_ends(tmp_path):
    arguments = ["her/BitFlip-v0", "--env-kwargs", "n_bits=12", "--max-steps", "15000", "--seed", "5", "--quiet"]
    command = [sys.executable, "-m", "her.cli", "train", *arguments, "--checkpoint-seconds", "0"]
    command += ["--set", "updates_per_round=20"]
    subprocess.run([*command, "--out", tmp_path / "whole"], check=True, capture_output=True)
    parts = tmp_path / "parts"
    kills = 0
    for _ in range(20):
        process = subprocess.Popen(
            [*command, "--out", parts, "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = {path.name for path in parts.glob("checkpoint-*")}
        while process.poll() is None:
            time.sleep(0.01)
            if kills < 3 and {path.name for path in parts.glob("checkpoint-*")} - before:
                time.sleep(0.05 * kills)  # somewhere in the next rounds, or while they are being written
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                break
        process.wait()
        if (parts / "summary.json").exists():
            break
    assert kills == 3
    assert_same_outcome(tmp_path / "whole", parts)
    assert not list(parts.glob(".checkpoint-*"))


def test_a_run_killed_before_its_summary_was_written_is_not_trained_further(tmp_path):
    summary = Run(small(until_success=0.5, max_steps=100_000), tmp_path).train()
    assert summary.solved
    (tmp_path / "summary.json").unlink()
    again = Run(small(until_success=0.5, max_steps=100_000), tmp_path, resume=True).train()
    assert (again.env_steps, again.success_rate) == (summary.env_steps, summary.success_rate)


def test_the_newest_checkpoint_is_never_taken_away_before_there_is_another(tmp_path, monkeypatch):
    """A kill at any moment leaves one to go on from, in the last round too, which asks for it twice."""
    taken, rmtree = [], shutil.rmtree

    def watched(path, **settings):
        there = sorted(int(path.name.split("-")[1]) for path in tmp_path.glob("checkpoint-*"))
        taken.append((Path(path).name, there))
        rmtree(path, **settings)

    monkeypatch.setattr("her.training.runs.shutil.rmtree", watched)
    Run(small(), tmp_path, checkpoint_seconds=0).train()
    assert taken
    assert not [name for name, there in taken if there and name == f"checkpoint-{there[-1]}"]


def test_a_finished_run_is_not_trained_again(tmp_path):
    config = small()
    summary = Run(config, tmp_path).train()
    before = (tmp_path / "summary.json").stat().st_mtime_ns
    again = Run(config, tmp_path, resume=True).train()
    assert again.env_steps == summary.env_steps
    assert (tmp_path / "summary.json").stat().st_mtime_ns == before


def test_a_run_is_never_overwritten_and_never_continued_with_another_config(tmp_path):
    Run(small(), tmp_path).train()
    with pytest.raises(FileExistsError, match="holds a run already"):
        Run(small(), tmp_path)
    with pytest.raises(ValueError, match="seed: 0 there, 1 asked for"):
        Run(small(seed=1), tmp_path, resume=True)


def test_a_run_that_is_refused_writes_nothing(tmp_path):
    for wrong in ({"priority": "energy"}, {"curriculum": "reach", "curriculum_settings": {"foo": 1}}, {"capacity": 2}):
        with pytest.raises((TypeError, ValueError)):
            Run(small(**wrong), tmp_path / "run")
        assert not (tmp_path / "run").exists()
    Run(small(), tmp_path / "run")


@pytest.mark.parametrize("file", ["config.json", "state.json", "agent.pt"])
@pytest.mark.parametrize("text", ["", "{", "[]", b"\xff", "{}"])
def test_a_damaged_file_is_named_when_a_run_is_to_go_on(tmp_path, file, text):
    Run(small(max_steps=80), tmp_path).train()
    path = next(tmp_path.rglob(file))
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f"^path: '.*{file}' is "):
        Run(small(max_steps=80), tmp_path, resume=True)


def test_a_run_from_before_a_setting_existed_counts_as_one_with_its_default(tmp_path):
    summary = Run(small(), tmp_path).train()
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["reset_options"]
    path.write_text(json.dumps(config))
    assert Run(small(), tmp_path, resume=True).train().env_steps == summary.env_steps
    with pytest.raises(ValueError, match=r"reset_options: \{\} there"):
        Run(small(reset_options={"goal": [0, 0]}), tmp_path, resume=True)


def test_a_trained_policy_can_be_taken_from_its_folder(tmp_path):
    run = Run(small(), tmp_path)
    run.train()
    x = np.ones((4, 10), np.float32)
    np.testing.assert_array_equal(load_trainer(tmp_path).agent.q_values(x), run.trainer.agent.q_values(x))


def test_the_summary_has_what_the_design_lists(tmp_path):
    Run(small(until_success=0.99, max_steps=40), tmp_path).train()
    summary = json.loads((tmp_path / "summary.json").read_text())
    for key in ("env_id", "seed", "env_steps", "updates", "wall_seconds", "cpu_seconds", "success_rate", "success_at"):
        assert key in summary
    assert summary["solved"] is False


# ---------------------------------------------------------------------- her train


def test_her_train_writes_a_run_and_says_how_it_went(tmp_path):
    out = tmp_path / "run"
    result = CliRunner().invoke(
        main, ["train", "her/BitFlip-v0", "--env-kwargs", "n_bits=6", "--until-success", "0.9", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "success at any step" in result.output
    assert {p.name for p in out.iterdir()} >= {"config.json", "progress.csv", "summary.json"}
    assert json.loads((out / "config.json").read_text())["env_kwargs"] == {"n_bits": 6}


def test_her_train_takes_any_setting(tmp_path):
    arguments = "train her/BitFlip-v0 --env-kwargs n_bits=4 --max-steps 50 --quiet --set n_envs=4"
    extra = ["--set", "agent_settings.epsilon=0.3,agent_settings.hidden=(8, 8)", "--out", str(tmp_path / "run")]
    extra += ["--set", "strategy=future=0.5,actual=0.5"]
    result = CliRunner().invoke(main, [*arguments.split(), *extra])
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["n_envs"] == 4
    assert config["agent_settings"]["hidden"] == [8, 8]
    assert config["agent_settings"]["epsilon"] == 0.3
    assert config["strategy"] == "future=0.5,actual=0.5"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["her/Nowhere-v0"], "env_id: cannot make 'her/Nowhere-v0'"),
        (["her/BitFlip-v0", "--env-kwargs", "bits=6"], "env_id: cannot make"),
        (["her/BitFlip-v0", "--env-kwargs", "n_bits"], "expected KEY=VALUE"),
        (["her/BitFlip-v0", "--strategy", "past"], "got 'past'"),
        (["her/BitFlip-v0", "--set", "colour=blue"], "colour"),
        (["her/BitFlip-v0", "--set", "agent_settings.colour=blue"], "dqn has no"),
        (["CartPole-v1"], "no goal environment"),
        (["her/BitFlip-v0", "--env-kwargs", "n_bits="], "n_bits: expected a positive integer, got ''"),
        (["her/BitFlip-v0", "--priority", "energy"], "tells nothing of an object"),
        (["her/BitFlip-v0", "--curriculum", "reach", "--set", "curriculum_settings.foo=1"], "'foo'"),
        (["her/BitFlip-v0", "--seed", str(2**64)], "seed: expected an integer below 2**64"),
        (["her/BitFlip-v0", "--set", "capacity=3"], "capacity: an episode of 8 transitions does not fit"),
        (["her/BitFlip-v0", "--set", "reset_options.foo=1"], "reset_options: {'foo': 1}"),
        (["her/BitFlip-v0", "--set", "reset_options=5"], "reset_options: expected a dictionary"),
        (["her/BitFlip-v0", "--set", "k.x=5"], "set: k is a single setting"),
        (["her/BitFlip-v0", "--set", "updates_per_round=abc"], "updates_per_round: expected"),
        (["her/BitFlip-v0", "--set", "agent_settings.learning_rate=abc"], "learning_rate: expected a number above 0"),
    ],
)
def test_her_train_says_what_is_wrong(tmp_path, arguments, message):
    result = CliRunner().invoke(main, ["train", *arguments, "--out", str(tmp_path / "run"), "--quiet"])
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert not isinstance(result.exception, (TypeError, ValueError, AttributeError))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "is_told"),
    [
        (ValueError("reward_function: expected finite float32 rewards, got nan"), True),
        (TypeError("episode: expected an Episode, got None"), True),
        (ValueError("operands could not be broadcast together"), False),
        (AttributeError("goals: no such thing"), False),
    ],
)
def test_her_train_tells_what_is_wrong_while_it_trains_and_hides_no_fault_of_the_program(
    tmp_path, monkeypatch, error, is_told
):
    def fail(self):
        raise error

    monkeypatch.setattr(Trainer, "round", fail)
    result = CliRunner().invoke(main, ["train", "her/BitFlip-v0", "--out", str(tmp_path / "run"), "--quiet"])
    assert result.exit_code == 1
    assert (str(error) in result.output) == is_told
    assert (result.exception is error) == (not is_told)


def test_a_file_that_is_being_written_is_never_seen_in_part(tmp_path):
    path = tmp_path / "table.csv"
    with write_atomically(path) as file:
        file.write("one")
        file.flush()
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), write_atomically(path, "wb") as file:
        file.write(b"two" * (1 // 0))
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_dotted_names_lead_into_dictionaries_and_the_last_layer_counts():
    layers = [{"k": 4, "agent_settings": {"tau": 0.1}}, {"agent_settings.gamma": 0.9, "k": 8}]
    nested = nest(*layers)
    assert nested == {"k": 8, "agent_settings": {"tau": 0.1, "gamma": 0.9}}
    assert layers[0]["agent_settings"] == {"tau": 0.1}
    assert flatten(nested) == {"k": 8, "agent_settings.tau": 0.1, "agent_settings.gamma": 0.9}
    assert nest(flatten(nested)) == nested


def test_her_without_a_command_helps():
    result = CliRunner().invoke(main, ["--help"])
    assert "train" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["train", "her/BitFlip-v0", "--env-kwargs", "n_bits=4", "--max-steps", "300", "--quiet"],
        [
            "sweep",
            "her/BitFlip-v0",
            "--env-kwargs",
            "n_bits=4",
            "--set",
            "max_steps=300",
            "--seeds",
            "0",
            "--jobs",
            "1",
        ],
        ["run", "1", "--lang", "en"],
        ["release"],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path, words):
    (tmp_path / "file").write_text("not a folder: so not even root can make one in it")
    result = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Not a directory; --out takes another place" in result.output
