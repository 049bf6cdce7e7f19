"""Robots of Gymnasium-Robotics: the same episodes quick or slow; runs resume; clear errors."""

import json
import subprocess
import sys
from importlib import metadata

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from test_training import assert_same_outcome

from her.cli import main
from her.envs import robotics
from her.envs.robotics import make_robots
from her.policies import load_policy, play
from her.training import Trainer, settings_for
from her.training.evaluation import evaluate, make_envs, reward_of, rollout
from her.training.runs import Run

pytest.importorskip("gymnasium_robotics")

FETCH = ["FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4", "FetchSlide-v4"]


def wandering(n, seed=0, action_dim=4):
    """A policy that draws its actions whatever it sees, the same ones each time it is made."""
    rng = np.random.default_rng(seed)
    return lambda x: rng.uniform(-1, 1, (n, action_dim)).astype(np.float32)


def assert_same(one, other):
    for name in one.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# ---------------------------------------------------------------------- environments


@pytest.mark.parametrize("env_id", FETCH)
def test_a_quick_robot_gives_the_very_episodes_of_a_plain_one(env_id):
    robotics.register(env_id)
    plain = SyncVectorEnv([lambda: gym.make(env_id)] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    assert_same(rollout(wandering(2), plain, 60, seed=5), rollout(wandering(2), make_robots(env_id, 2), 60, seed=5))


@pytest.mark.parametrize("env_id", ["FetchPush-v4", "PointMaze_UMaze-v3"])
def test_an_episode_depends_on_its_seed_and_on_nothing_before_it(env_id):
    """What resuming rests on: a physics engine is not saved; it begins anew with every round."""
    envs = make_robots(env_id, 2)
    policy = wandering(2, action_dim=envs.single_action_space.shape[0])
    first = rollout(lambda x: 0 * policy(x) + 0.5, envs, 50, seed=8)
    rollout(policy, envs, 37, seed=9)
    assert_same(first, rollout(lambda x: 0 * policy(x) + 0.5, envs, 50, seed=8))


def test_a_rollout_ends_with_the_last_observation_of_each_episode():
    steps = rollout(wandering(3), make_robots("FetchPush-v4", 3), 50, seed=1)
    assert steps.ended[-1].all()
    assert not steps.ended[:-1].any()
    assert not steps.terminated.any()
    np.testing.assert_array_equal(steps.achieved_goals.astype(np.float32), steps.next_states[..., 3:6])
    np.testing.assert_array_equal(steps.next_states[:-1], steps.states[1:])
    reward = reward_of(make_robots("FetchPush-v4", 1))(steps.achieved_goals, steps.goals)
    np.testing.assert_array_equal(reward, steps.rewards)
    np.testing.assert_array_equal(steps.success, steps.rewards == 0)


def test_a_share_of_episodes_begins_with_the_block_grasped_and_the_goal_is_drawn_as_ever():
    envs, plain = make_robots("FetchPickAndPlace-v4", 20), make_robots("FetchPickAndPlace-v4", 20)
    holding = np.tile(np.array([0, 0, 0, -1], np.float32), (20, 1))
    steps = rollout(lambda x: holding, envs, 50, seed=0, options={"grasped_share": 0.5})
    without = rollout(lambda x: holding, plain, 50, seed=0)
    height = steps.achieved_goals[..., 2] - without.achieved_goals[0, :, 2].min()
    grasped = height[0] > 0.05
    assert 4 <= grasped.sum() <= 16
    assert (height[:, grasped] > 0.05).all()  # held for 2 seconds
    assert (height[:, ~grasped] < 0.01).all()
    np.testing.assert_array_equal(steps.states[:, ~grasped], without.states[:, ~grasped])
    np.testing.assert_array_equal(steps.goals, without.goals)
    again = rollout(lambda x: holding, envs, 50, seed=0, options={"grasped_share": 0.5})
    assert_same(steps, again)
    assert_same(without, rollout(lambda x: holding, envs, 50, seed=0))  # evaluations know nothing of it


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ValueError, match="grasped_share: expected a number in"):
        make_robots("FetchPickAndPlace-v4", 1).reset(options={"grasped_share": 2})


def test_success_in_a_maze_is_told_too():
    def towards_the_goal(x):
        return (5 * (x[:, 4:] - x[:, :2]) - x[:, 2:4]).clip(-1, 1)

    steps = rollout(towards_the_goal, make_robots("PointMaze_Open-v3", 4), 300, seed=0)
    assert steps.success.any()
    np.testing.assert_array_equal(steps.success, steps.rewards == 1)


def test_an_evaluation_in_rounds_has_as_many_episodes_as_it_was_asked_for():
    envs = make_envs("her/BitFlip-v0", 4, n_bits=3)
    evaluation = evaluate(lambda x: np.zeros(len(x), int), envs, seed=3, episodes=10)
    assert len(evaluation) == len(evaluation.success_at_end) == 10
    again = evaluate(lambda x: np.zeros(len(x), int), envs, seed=3, episodes=10)
    np.testing.assert_array_equal(evaluation.returns, again.returns)
    assert len(set(evaluate(lambda x: np.zeros(len(x), int), envs, seed=3, episodes=400).returns)) > 1


def test_a_robot_can_be_filmed():
    try:
        film = play(load_policy("FetchReach-v4"), seed=3, width=120, height=96)
    except RuntimeError as error:
        pytest.skip(str(error))
    assert film.frames.shape == (51, 96, 120, 3)
    assert film.success[-1]
    assert np.abs(film.frames[0].astype(int) - film.frames[-1]).mean() > 0.5  # it has moved
    assert film.achieved_goals.shape == (51, 3)


def test_torch_can_be_used_after_a_film():
    """With PyTorch for CUDA and a Mesa driver, the first optimiser after it used to end the process."""
    code = """
import torch
from her.policies import load_policy, play
try:
    play(load_policy("FetchReach-v4"), seed=3, width=64, height=64)
except RuntimeError as error:
    print(error)
torch.optim.Adam([torch.zeros(1, requires_grad=True)])
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "telescope")
    with pytest.raises(RuntimeError, match=r"robots cannot be drawn here .*apt install libegl1"):
        robotics.make_filmed("FetchReach-v4", {}, 64, 64)


# ---------------------------------------------------------------------- training


def small(env_id="FetchPush-v4", **changes):
    settings = {"n_envs": 2, "updates_per_round": 3, "evaluation_episodes": 3, "max_steps": 600, "evaluate_every": 2}
    return settings_for(env_id, **(settings | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"env_id": "FetchPickAndPlace-v4", "reset_options": {"grasped_share": 0.5}, "priority": "moved"},
        {"agent": "sac", "priority": "energy"},
    ],
)
def test_a_run_stopped_between_rounds_goes_on_as_if_it_had_not_been(tmp_path, changes):
    class Stop(Exception):
        pass

    def stop(progress):
        if progress.env_steps >= 300:
            raise Stop

    config = small(**changes)
    Run(config, tmp_path / "whole").train()
    with pytest.raises(Stop):
        Run(config, tmp_path / "parts", checkpoint_seconds=0).train(stop)
    Run(config, tmp_path / "parts", resume=True).train()
    assert_same_outcome(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    ("arguments", "priority", "folder"),
    [
        ([], "energy", "FetchPush-v4-future-seed=0"),
        (["--priority", "none"], "none", "FetchPush-v4-future-none-seed=0"),
        (["--strategy", "none"], "none", "FetchPush-v4-none-seed=0"),
        (["--strategy", "none", "--priority", "moved"], "moved", "FetchPush-v4-none-moved-seed=0"),
    ],
)
def test_what_is_replayed_is_the_settings_choice_until_the_command_says_otherwise(
    arguments, priority, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    few = ["--max-steps", "100", "--set", "n_envs=2", "--set", "updates_per_round=1", "--set", "evaluation_episodes=2"]
    result = CliRunner().invoke(main, ["train", "FetchPush-v4", *arguments, *few, "--quiet"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "runs" / folder / "config.json").read_text())["priority"] == priority


@pytest.mark.parametrize("env_id", [*FETCH, "PointMaze_UMaze-v3"])
def test_every_robot_has_settings_and_trains(env_id):
    trainer = Trainer(small(env_id, max_steps=1, n_envs=1, evaluation_episodes=1))
    (progress,) = trainer.run()
    assert progress.success_rate is not None
    assert trainer.config.agent_settings  # from its own file, not the defaults
    assert trainer.config.success_at == "end"


# ---------------------------------------------------------------------- what is missing


@pytest.mark.parametrize("version", ["4.0.0", "3.12.0"])
def test_a_mujoco_that_breaks_fetch_is_named(monkeypatch, version):
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: version if name == "mujoco" else real(name))
    with pytest.raises(ValueError, match=rf"FetchPush-v4 needs mujoco 3\.10\.x, got {version}.*mujoco==3\.10\.0"):
        make_envs("FetchPush-v4", 1)
    make_envs("PointMaze_UMaze-v3", 1).close()


def test_her_train_says_which_extra_is_missing(monkeypatch, tmp_path):
    real = metadata.version

    def without_mujoco(name):
        if name == "mujoco":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", without_mujoco)
    result = CliRunner().invoke(main, ["train", "FetchPush-v4", "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "pip install 'her-course[robotics]'" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments", [["FetchPush-v99"], ["FetchDance-v4"], ["FetchPush-v4", "--env-kwargs", "wind=1"]]
)
def test_a_robot_that_does_not_exist_is_named(arguments, tmp_path):
    result = CliRunner().invoke(main, ["train", *arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert f"env_id: cannot make '{arguments[0]}'" in result.output
