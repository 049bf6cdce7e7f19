"""Goal environments that nobody here wrote: their rewards, successes, wrappers, time limits and spaces."""

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import point_env
import pytest
from click.testing import CliRunner
from gymnasium import spaces
from point_env import Point

from her.cli import main
from her.energy import EnergyTransitions, MovedTransitions
from her.training import Trainer, settings_for
from her.training.evaluation import evaluate, horizon, make_envs, reward_of, rollout
from her.training.look import RewardScale
from her.training.runs import Run, made_with

POINT = Path(point_env.__file__).read_text()
HER = Path(sys.executable).with_name("her")  # as a user has it: Python by itself would find modules in the folder


class DenseNegative(Point):
    def compute_reward(self, achieved_goal, desired_goal, info):
        return -self.distance(achieved_goal, desired_goal)


class DensePositive(Point):
    def compute_reward(self, achieved_goal, desired_goal, info):
        return 5 * np.exp(-self.distance(achieved_goal, desired_goal))


class Silent(Point):
    success_key = None


class Mazelike(Point):
    success_key = "success"


class SilentDense(DenseNegative):
    success_key = None


class EndsAtTheGoal(Point):
    def step(self, action):
        *most, info = super().step(action)
        most[2] = info["is_success"]
        return *most, info


@pytest.fixture
def register(monkeypatch):
    """Register an environment for the time of a test; gives its name."""
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    monkeypatch.setattr(gym, "registry", gym.envs.registration.registry)

    def named(make, **spec):
        name = f"Test{len(gym.registry)}-v0"
        gym.register(name, entry_point=make, **({"max_episode_steps": 25} | spec))
        return name

    return named


def steps_of(env_id, n=4, **kwargs):
    envs = make_envs(env_id, n)
    envs.action_space.seed(0)
    return envs, rollout(lambda x: envs.action_space.sample(), envs, horizon(envs), seed=0, **kwargs)


def test_native_environments_that_begin_anew_a_step_later_are_stepped_one_by_one(register):
    made = []

    class NextStep(gym.vector.SyncVectorEnv):
        def __init__(self, num_envs, **kwargs):
            super().__init__([lambda: gym.wrappers.TimeLimit(Point(), 25)] * num_envs)
            made.append(self)

    env_id = register(Point, vector_entry_point=NextStep)
    envs = make_envs(env_id, 3)
    assert made[0].closed
    assert envs.metadata["autoreset_mode"] is gym.vector.AutoresetMode.SAME_STEP
    played = rollout(lambda x: envs.action_space.sample(), envs, 60, seed=0)
    assert played.ended.sum(axis=0).tolist() == [2, 2, 2]
    assert (np.abs(played.next_states - played.states).max(axis=2) > 0).all(), "a step in which nothing moved"


# ------------------------------------------------------------------------------------------------------------- rewards


REWARDS = {
    "-1/0": (Point, {}),
    "0/1": (Point, {"best": 1.0, "worst": 0.0}),
    "0/1000": (Point, {"best": 1000.0, "worst": 0.0}),
    "9/10": (Point, {"best": 10.0, "worst": 9.0}),
    "-30/-20": (Point, {"best": -20.0, "worst": -30.0}),
    "0/1, ending": (EndsAtTheGoal, {"best": 1.0, "worst": 0.0}),
    "dense, negative": (DenseNegative, {}),
    "dense, positive": (DensePositive, {}),
}


@pytest.mark.parametrize("kind", ["0/1000", "dense, positive"])
def test_rewards_of_any_range_learn_the_easy_task_by_default(register, kind):
    make, kwargs = REWARDS[kind]
    with Trainer(settings_for(register(make, kwargs=kwargs), max_steps=8_000, evaluate_every=100)) as trainer:
        for _ in trainer.run():
            pass
        assert trainer.final_evaluation().success_rate("end") >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", REWARDS)
def test_rewards_of_every_kind_learn_the_easy_task_by_default(register, kind, seed):
    make, kwargs = REWARDS[kind]
    config = settings_for(register(make, kwargs=kwargs), max_steps=14_400, evaluate_every=100, seed=seed)
    with Trainer(config) as trainer:
        for _ in trainer.run():
            pass
        # where success ends the episode, the last step of the first one is what counts
        assert trainer.final_evaluation().success_rate("end") >= 0.9


@pytest.mark.parametrize(("worst", "best"), [(-1, 0), (0, 1), (9, 10), (-30, -20), (0, 1000)])
def test_the_scale_changes_returns_by_one_and_the_same_line(worst, best):
    """Also where an episode ends short of the goal: nothing comes after, which is worth as much as on the old scale."""
    gamma, rng = 0.9, np.random.default_rng(0)
    scale = RewardScale(worst, best, sparse=True, gamma=gamma)
    line = []
    for ends in (True, False):
        rewards = rng.choice([worst, best], 400).astype(np.float32)
        dones = np.zeros(400, bool)
        if ends:
            rewards, dones = rewards[:7], dones[:7]
            dones[-1], rewards[-1] = True, worst
        given = (gamma ** np.arange(len(rewards)) * rewards).sum()
        seen = (gamma ** np.arange(len(rewards)) * scale(rewards, dones)).sum()
        line.append(seen - given / (best - worst))
    assert line == pytest.approx([-best / (best - worst) / (1 - gamma)] * 2, rel=1e-4)


def test_an_end_at_the_goal_counts_as_staying_there():
    scale = RewardScale(0.0, 1.0, sparse=True, gamma=0.9)
    assert scale(np.array([1, 0, 1], np.float32), np.array([True, True, False])).tolist() == pytest.approx([0, -10, 0])


def test_rewards_of_minus_one_and_zero_stay_as_they_are():
    rewards, dones = np.array([-1, 0, -1], np.float32), np.array([False, True, True])
    scale = RewardScale(-1.0, 0.0, sparse=True, gamma=0.98)
    assert scale.bounded
    assert scale(rewards, dones).dtype == np.float32
    assert np.array_equal(scale(rewards, dones), rewards)


def test_targets_are_clipped_only_where_returns_are_bounded(register):
    for kind, clipped in {"-1/0": True, "0/1": True, "9/10": False, "dense, negative": False}.items():
        make, kwargs = REWARDS[kind]
        with Trainer(settings_for(register(make, kwargs=kwargs))) as trainer:
            assert (trainer.agent.target_range is not None) is clipped
    as_it_is = {"agent_settings": {"target_range": [0.0, 50.0]}}
    with Trainer(settings_for(register(Point, kwargs={"best": 1.0, "worst": 0.0}), **as_it_is)) as trainer:
        assert trainer.agent.target_range == (0.0, 50.0)
        assert np.array_equal(trainer.scale(np.array([0, 1], np.float32), np.zeros(2, bool)), [0, 1])


def test_her_train_says_how_rewards_are_learned_before_the_first_step(register, tmp_path):
    said = {}
    for name, kwargs in (("as they are", {}), ("scaled", {"best": 1.0, "worst": 0.0})):
        words = [register(Point, kwargs=kwargs), "--max-steps", "400", "--set", "updates_per_round=1", "--quiet"]
        said[name] = CliRunner().invoke(main, ["train", *words, "--out", str(tmp_path / name)]).output
    assert "Rewards from 0 to 1 are learned as -1 to 0, targets clipped" in said["scaled"]
    assert "Rewards" not in said["as they are"]


# ------------------------------------------------------------------------------------------------------------- success


@pytest.mark.parametrize("make", [Silent, Mazelike, Point])
def test_success_is_found_under_any_key_or_by_the_reward(register, make):
    _, steps = steps_of(register(make))
    assert steps.success.dtype == bool
    assert np.array_equal(steps.success, np.linalg.norm(steps.achieved_goals - steps.goals, axis=-1) < 0.2)


def test_what_nothing_tells_is_unknown_and_not_zero(register, tmp_path):
    env_id = register(SilentDense)
    envs, steps = steps_of(env_id)
    assert np.isnan(steps.success).all()
    evaluation = evaluate(lambda x: envs.action_space.sample(), envs, seed=1)
    assert np.isnan(evaluation.success_rate("end"))
    assert np.isnan(evaluation.success_rate("any"))
    assert np.isnan(evaluation.success_interval("end")).all()
    summary = Run(settings_for(env_id, max_steps=400, updates_per_round=1), tmp_path).train()
    assert summary.success_rate is summary.success_interval is None


def reached(achieved, desired):
    return np.linalg.norm(achieved - desired, axis=-1) < 0.2


def test_a_success_function_tells_it(register, tmp_path):
    env_id = register(SilentDense)
    with pytest.raises(ValueError, match="success_function: nothing tells when"):
        Trainer(settings_for(env_id, until_success=0.9))
    config = settings_for(env_id, until_success=0.9, success_function=f"{__name__}:reached")
    with Trainer(config) as trainer:
        assert 0 <= trainer.round().success_rate <= 1
    with pytest.raises(ValueError, match="success_function: cannot import 'nowhere:f'"):
        Trainer(settings_for(env_id, success_function="nowhere:f"))
    _, steps = steps_of(env_id, success_function=reached)
    assert np.array_equal(steps.success, reached(steps.achieved_goals, steps.goals))


def test_her_train_says_that_success_is_unknown(register, tmp_path):
    words = ["train", register(SilentDense), "--max-steps", "400", "--set", "updates_per_round=1"]
    done = CliRunner().invoke(main, [*words, "--quiet", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "success at the end unknown" in done.output
    done = CliRunner().invoke(main, [*words, "--until-success", "0.9", "--out", str(tmp_path / "other")])
    assert done.exit_code != 0
    assert "success_function: nothing tells" in done.output
    assert not (tmp_path / "other").exists()


# ------------------------------------------------------------------------------------- wrappers, modules, time limits


class PlusOne(gym.Wrapper):
    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        return observation, reward + 1, *rest

    def compute_reward(self, achieved, desired, info):
        return self.unwrapped.compute_reward(achieved, desired, info) + 1


class InFeet(gym.Wrapper):
    """Goals, rewards and observations in another unit."""

    def feet(self, observation):
        return {key: value / 0.3048 for key, value in observation.items()}

    def reset(self, **kwargs):
        observation, info = self.env.reset(**kwargs)
        return self.feet(observation), info

    def step(self, action):
        observation, *rest = self.env.step(action)
        return self.feet(observation), *rest

    def compute_reward(self, achieved, desired, info):
        return self.unwrapped.compute_reward(0.3048 * achieved, 0.3048 * desired, info)


def twice_and_one_more(env):
    """Wrappers of Gymnasium's own, which change rewards and define no `compute_reward`."""
    return gym.wrappers.TransformReward(gym.wrappers.TransformReward(env, lambda r: 2 * r), lambda r: r + 1)


@pytest.mark.parametrize("wrapper", [PlusOne, InFeet, twice_and_one_more])
def test_rewards_are_those_of_the_environment_as_registered(register, wrapper):
    env_id = register(lambda: wrapper(Point()))
    envs, steps = steps_of(env_id)
    given = reward_of(envs)(steps.achieved_goals.reshape(-1, 2), steps.goals.reshape(-1, 2))
    assert np.array_equal(given.reshape(steps.rewards.shape), steps.rewards)


def test_a_wrapper_may_tell_where_the_object_is():
    class WithObject(gym.Wrapper):
        object_position, dt = slice(0, 2), 0.1

    env = gym.wrappers.OrderEnforcing(WithObject(Point()))
    assert MovedTransitions.of(env).position == slice(0, 2)
    assert EnergyTransitions.of(env).physics["dt"] == 0.1


def test_an_environment_without_a_reward_function_is_refused_by_name(register):
    class Bare(Point):
        compute_reward = property()

        def step(self, action):
            self.x = self.x + 1
            return self.observe(), 0.0, False, False, {}

    with pytest.raises(ValueError, match="env_id: the environment has no compute_reward"):
        Trainer(settings_for(register(Bare)))


def test_a_module_is_imported_and_a_time_limit_given(tmp_path, monkeypatch):
    (tmp_path / "my_module.py").write_text(POINT.replace("OfOnesOwn", "OfMyModule").replace("WithoutLimit", "Endless"))
    words = ["--max-steps", "400", "--set", "updates_per_round=1", "--set", "evaluation_episodes=10", "--quiet"]
    done = subprocess.run(
        [HER, "train", "my_module:PointOfMyModule-v0", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "16 episodes of 25 steps" in done.stderr
    monkeypatch.delitem(sys.modules, "my_module", raising=False)  # another test's
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for env_id, more, message in (
        ("my_module:PointEndless-v0", [], "has no time limit; give one: max_episode_steps=100"),
        ("my_module:PointEndless-v0", ["--env-kwargs", "max_episode_steps=20"], "16 episodes of 20 steps"),
        ("no_module:PointEndless-v0", [], "env_id: cannot make 'no_module:PointEndless-v0'"),
    ):
        assert message in CliRunner().invoke(main, ["train", env_id, *more, *words]).output


def test_a_sweep_of_an_environment_of_ones_own_runs_in_workers(tmp_path):
    (tmp_path / "my_module.py").write_text(POINT)
    words = ["my_module:PointOfOnesOwn-v0", "--grid", "k=1,4", "--seeds", "0", "--jobs", "2", "--out", "runs"]
    words += ["--set", "max_steps=400", "--set", "updates_per_round=1", "--set", "evaluation_episodes=10"]
    done = subprocess.run([HER, "sweep", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "runs" / "runs.csv").read_text().splitlines()) == 3


def test_long_episodes_are_played_fewer_at_a_time(register):
    config = settings_for(register(Point, max_episode_steps=700))
    assert (config.n_envs, config.evaluation_episodes) == (1, 10)


@pytest.mark.parametrize(
    ("env_id", "env_kwargs"),
    [("highway_env:parking-v0", {"max_episode_steps": 20}), ("panda_gym:PandaReach-v3", {})],
)
def test_environments_of_others_are_trained_in_where_they_are_installed(env_id, env_kwargs):
    pytest.importorskip(env_id.partition(":")[0])
    few = {"n_envs": 2, "evaluation_episodes": 2, "updates_per_round": 2, "batch_size": 16}
    with Trainer(settings_for(env_id, env_kwargs, **few)) as trainer:
        assert 0 <= trainer.round().success_rate <= 1


# -------------------------------------------------------------------------------------------------------------- spaces


def with_spaces(action=None, **parts):
    class Other(Point):
        def __init__(self):
            super().__init__()
            self.observation_space = spaces.Dict(self.observation_space.spaces | parts)
            self.action_space = action or self.action_space

        def observe(self):
            return super().observe() | {key: space.sample() for key, space in parts.items()}

    return Other


CUBE = spaces.Box(-1, 1, (3,))
REFUSED = {
    "MultiDiscrete": with_spaces(spaces.MultiDiscrete([3, 3])),
    "MultiBinary": with_spaces(spaces.MultiBinary(2)),
    r"\(2, 1\)": with_spaces(spaces.Box(-1, 1, (2, 1))),
    "inf": with_spaces(spaces.Box(-np.inf, np.inf, (2,))),
    "start=1": with_spaces(spaces.Discrete(4, start=1)),
    r"Discrete\(9\) as observation": with_spaces(observation=spaces.Discrete(9)),
    r"\(8, 8, 3\).* as observation": with_spaces(observation=spaces.Box(0, 255, (8, 8, 3), np.uint8)),
    "Dict.* as observation": with_spaces(observation=spaces.Dict(p=CUBE, v=CUBE)),
    r"Discrete\(16\) as achieved_goal": with_spaces(
        achieved_goal=spaces.Discrete(16), desired_goal=spaces.Discrete(16)
    ),
    "goals of one shape": with_spaces(achieved_goal=CUBE),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("named", REFUSED)
def test_a_space_that_cannot_be_learned_in_is_refused_by_name(register, named):
    with pytest.raises(ValueError, match=f"env_id: .*{named}"):
        settings_for(register(REFUSED[named]))


@pytest.mark.filterwarnings("ignore")
def test_goals_keep_the_dtype_of_their_space(register):
    class Bits(Point):
        def __init__(self):
            super().__init__()
            bits = spaces.MultiBinary(4)
            self.observation_space = spaces.Dict(observation=bits, achieved_goal=bits, desired_goal=bits)
            self.action_space = spaces.Discrete(4)

        def reset(self, *, seed=None, options=None):
            gym.Env.reset(self, seed=seed)
            self.x, self.goal = self.np_random.integers(0, 2, (2, 4), dtype=np.int8)
            return self.observe(), {}

        def compute_reward(self, achieved_goal, desired_goal, info):
            assert achieved_goal.dtype == desired_goal.dtype == np.int8
            return -(achieved_goal ^ desired_goal).any(axis=-1).astype(np.float32)

        def step(self, action):
            self.x[action] ^= 1
            return self.observe(), float(self.compute_reward(self.x, self.goal, {})), False, False, {}

    with Trainer(settings_for(register(Bits), n_envs=4, updates_per_round=2, evaluation_episodes=4)) as trainer:
        trainer.round()
        assert trainer.buffer.sample(8).goals.dtype == np.int8
        assert trainer.evaluation_envs is trainer.envs  # each is an object: no hundred more for an evaluation


# ----------------------------------------------------------------------------------------------------------- gymnasium


@pytest.mark.parametrize("env_id", ["her/BitFlip-v0", "her/Reach-v0", "her/Push-v0"])
def test_gymnasiums_own_words_work_for_our_environments(env_id):
    envs = gym.make_vec(env_id, 3, max_episode_steps=5)
    assert envs.spec.max_episode_steps == horizon(envs) == 5
    envs.action_space.seed(0)
    envs.reset(seed=0)
    ends = [envs.step(envs.action_space.sample())[3] for _ in range(10)]
    assert np.array_equal(np.flatnonzero(np.all(ends, axis=1)), [4, 9])
    assert not np.any(ends[:4])
    env = gym.make(env_id)
    assert env.spec.max_episode_steps == env.unwrapped.horizon
    assert gym.make(env_id, max_episode_steps=5).spec.max_episode_steps == 5


def test_native_infos_have_masks_and_single_copies_can_begin_anew():
    envs = gym.make_vec("her/Push-v0", 3, max_episode_steps=4)
    _, infos = envs.reset(seed=0)
    assert infos["_is_success"].all()
    before, *_, infos = envs.step(np.zeros((3, 2), np.float32))
    assert infos["_elapsed"].all()
    after, infos = envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert infos["elapsed"].tolist() == [1, 0, 1]
    for key in before:
        assert np.array_equal(before[key][[0, 2]], after[key][[0, 2]])
    assert not np.array_equal(before["desired_goal"][1], after["desired_goal"][1])
    ends = [envs.step(np.zeros((3, 2), np.float32))[3].tolist() for _ in range(4)]
    assert ends[2] == [True, False, True]
    assert ends[3] == [False, True, False]


@pytest.mark.parametrize("mask", [[True, False, True], np.ones(2, bool), np.ones(3), np.zeros(3, bool)])
def test_a_mask_that_is_none_is_refused_and_changes_nothing(mask):
    envs = gym.make_vec("her/Reach-v0", 3)
    with pytest.raises(gym.error.ResetNeeded):
        envs.reset(options={"reset_mask": np.ones(3, bool)})
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(ValueError, match="reset_mask: expected shape"):
        envs.reset(options={"reset_mask": mask})
    assert np.array_equal(before["state"], envs.get_state()["state"])


def test_a_record_names_the_processor():
    assert made_with()["processor"]
