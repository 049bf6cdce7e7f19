"""Stored policies: they play as they were trained, without torch and without pickle."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner

from her.cli import main
from her.policies import load_policy, play, policy_of, shipped
from her.training import Trainer, settings_for
from her.training.evaluation import evaluate, make_envs
from her.training.runs import Run

AGENTS = [
    ("her/BitFlip-v0", {"n_bits": 6}, "dqn"),
    ("her/Push-v0", {}, "ddpg"),
    ("her/Push-v0", {}, "sac"),
]


def trained(env_id, env_kwargs, agent):
    settings = {"n_envs": 8, "updates_per_round": 20, "evaluation_episodes": 10, "max_steps": 1}
    trainer = Trainer(settings_for(env_id, env_kwargs, agent=agent, agent_settings={"hidden": (32, 32)}, **settings))
    for _ in trainer.run():
        pass
    return trainer


@pytest.mark.parametrize(("env_id", "env_kwargs", "agent"), AGENTS)
def test_a_stored_policy_plays_like_its_agent(tmp_path, env_id, env_kwargs, agent):
    trainer = trained(env_id, env_kwargs, agent)
    policy = policy_of(trainer, seed=0)
    policy.save(tmp_path / "policy.npz")
    again = load_policy(tmp_path / "policy.npz")
    assert (again.env_id, again.env_kwargs, again.made) == (env_id, env_kwargs, {"seed": 0})
    x = trainer.buffer.sample(500).torch().observations.numpy()
    np.testing.assert_array_equal(again(x), policy(x))
    if agent == "dqn":
        assert np.mean(again(x) == trainer.agent.act(x)) > 0.98  # half precision may turn a near tie
    else:
        np.testing.assert_allclose(again(x), trainer.agent.act(x), atol=0.02)


def test_it_can_be_evaluated_like_any_policy(tmp_path):
    trainer = trained(*AGENTS[0])
    evaluation = evaluate(policy_of(trainer), make_envs("her/BitFlip-v0", 50, n_bits=6), seed=0)
    assert len(evaluation) == 50


def test_a_film_shows_the_whole_episode(tmp_path):
    film = play(policy_of(trained(*AGENTS[1])), seed=4)
    horizon = gym.make("her/Push-v0").unwrapped.horizon
    assert film.frames.dtype == np.uint8
    assert len(film.frames) == len(film.success) == len(film.achieved_goals) == horizon + 1
    assert film.frames[0].std() > 0
    np.testing.assert_array_equal(film.frames, play(policy_of(trained(*AGENTS[1])), seed=4).frames)


def test_her_export_stores_the_policy_of_a_run_and_judges_it(tmp_path):
    config = settings_for("her/BitFlip-v0", {"n_bits": 5}, max_steps=4000, evaluation_episodes=20)
    summary = Run(config, tmp_path / "run").train()
    command = ["export", str(tmp_path / "run"), "--out", str(tmp_path / "p.npz"), "--episodes", "300", "--seed", "4"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    policy = load_policy(tmp_path / "p.npz")
    rate = evaluate(policy, make_envs("her/BitFlip-v0", 8, n_bits=5), 4, 300).success_rate("any")
    assert policy.made["success_rate"] == rate
    assert rate == pytest.approx(summary.success_rate, abs=0.1)
    assert policy.made["config"]["seed"] == 0
    assert policy.made["env_steps"] == summary.env_steps
    assert "numpy" in policy.made["versions"]


def test_her_export_says_when_there_is_no_run(tmp_path):
    result = CliRunner().invoke(main, ["export", str(tmp_path)])
    assert result.exit_code == 1
    assert "there is no run in" in result.output


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 but no more"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "policy.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"policy\.npz' is no policy, or a damaged one"):
        load_policy(tmp_path / "policy.npz")


def test_a_policy_that_does_not_exist_is_named():
    with pytest.raises(FileNotFoundError, match="name: no file 'FetchDance-v4', and no policy of that name"):
        load_policy("FetchDance-v4")


# ---------------------------------------------------------------------- what comes with the package


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_policy_does_what_its_file_says(name):
    pytest.importorskip("gymnasium_robotics")
    policy = load_policy(name)
    assert policy.env_id == name
    assert (load_policy.__globals__["FOLDER"] / f"{name}.npz").stat().st_size < 400_000
    evaluation = evaluate(policy, make_envs(name, 16, **policy.env_kwargs), seed=123, episodes=48)
    said = policy.made["success_rate"]
    assert evaluation.success_rate("end") >= said - 3.5 * np.sqrt(max(said * (1 - said), 0.02) / 48)


def test_policies_need_no_torch():
    code = "import sys; sys.modules['torch'] = None; import her.policies as p; p.shipped()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_policy_that_sees_more_than_state_and_goal_is_not_stored_wrongly():
    settings = {"n_envs": 8, "agent_settings": {"hidden": (8,), "inputs": "both"}}
    with pytest.raises(ValueError, match="this one sees 'both'"):
        policy_of(Trainer(settings_for("her/BitFlip-v0", {"n_bits": 4}, **settings)))
