"""Mixtures of goals: shares, what each source gives, provenance, and wherever a mixture may be asked for."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from replay_cases import (
    DIMS,
    assert_same_batch,
    goals_episode,
    her_buffer,
    match_reward,
    number_reward,
    recorded_episode,
)
from scipy.stats import chisquare

from her import CurriculumHER, GoalSelectionStrategy, HERConfig, HindsightExperienceReplay, PrioritizedHER
from her.cli import main
from her.goals import ActualGoals, GeometricFuture, StrategyGoals
from her.stepwise import StepwiseReplay
from her.sweeps.grid import plan
from her.training import TrainingConfig, settings_for
from her.training.runs import Run

pytestmark = pytest.mark.filterwarnings("ignore:reward_function gives")

MIXTURE = {"future": 0.5, "actual": 0.3, "random": 0.2}
#: positions of three episodes on a line, whose transitions are 0 … 16; desired goals are -1, -2, -3
EPISODES = (range(9), range(9, 10), range(10, 17))


def on_a_line(strategy, **settings):
    buffer = her_buffer(30, strategy, dims=(1, 1, 1), **settings)
    for i, numbers in enumerate(EPISODES):
        buffer.store_episode(goals_episode(numbers, -1 - i))
    return buffer


def expected(number, shares, discount=1.0):
    """{(source, goal): probability} for a relabelled transition, counted by hand from the definitions."""
    episode = next(numbers for numbers in EPISODES if number in numbers)
    everything = [n for numbers in EPISODES for n in numbers]
    desired = [-1 - i for i, numbers in enumerate(EPISODES) for _ in numbers]
    pools = {
        "final": {episode[-1]: 1.0},
        "future": {n: discount ** (n - number) for n in episode if n >= number},
        "episode": dict.fromkeys(episode, 1.0),
        "random": dict.fromkeys(everything, 1.0),
        "actual": {goal: desired.count(goal) for goal in desired},
    }
    return {
        (source, goal): share * weight / sum(pools[source].values())
        for source, share in shares.items()
        for goal, weight in pools[source].items()
    }


def p_value(buffer, shares, discount=1.0, number=2, n=30_000):
    """That the substitute goals of one transition are drawn as expected; 0 if one is drawn that cannot be."""
    goals, _, sources = buffer.goals.draw(buffer, np.full(n, number), np.random.default_rng(1))
    table = expected(number, shares, discount)
    counts = dict.fromkeys(table, 0)
    for drawn in zip(sources.tolist(), goals[:, 0].astype(int).tolist(), strict=True):
        if drawn not in table:
            return 0.0
        counts[drawn] += 1
    return chisquare(list(counts.values()), np.array(list(table.values())) * n).pvalue


# What is drawn


@pytest.mark.parametrize(
    "shares",
    [MIXTURE, {"actual": 1.0}, {"final": 0.25, "episode": 0.75}, dict.fromkeys(("future", "final", "random"), 1 / 3)],
)
@pytest.mark.parametrize("number", [0, 5, 8, 9, 12])
def test_every_goal_comes_with_its_probability(shares, number):
    assert p_value(on_a_line(shares), shares, number=number) > 1e-4


@pytest.mark.parametrize("discount", [0.5, 0.9, 0.999999, 1.0])
@pytest.mark.parametrize("number", [0, 8, 12])
def test_a_discounted_future_is_geometric(discount, number):
    shares = {"future": 0.7, "actual": 0.3}
    assert p_value(on_a_line(shares | {"discount": discount}), shares, discount, number) > 1e-4


def later_than_the_own(sampler, buffer, rows, rng):
    """The goal that the transition itself reaches is left out."""
    return StrategyGoals("future").draw(buffer, np.minimum(rows + 1, buffer.episode_end[rows] - 1), rng)


def of_episodes_alike(sampler, buffer, rows, rng):
    """Short episodes' goals as often as long ones'."""
    starts = np.unique(buffer.episode_start[buffer.live_rows()])
    return buffer.desired_goals[rng.choice(starts, len(rows))], np.full(len(rows), -1)


def test_the_test_of_the_distribution_finds_planted_errors(monkeypatch):
    assert p_value(on_a_line(MIXTURE), {"future": 0.52, "actual": 0.28, "random": 0.2}) < 1e-6
    shares = {"future": 0.7, "actual": 0.3}
    assert p_value(on_a_line(shares | {"discount": 0.9}), shares, discount=0.87) < 1e-6
    for planted, sampler in ((later_than_the_own, GeometricFuture), (of_episodes_alike, ActualGoals)):
        with monkeypatch.context() as patch:
            patch.setattr(sampler, "draw", planted)
            assert p_value(on_a_line(MIXTURE), MIXTURE) < 1e-6


@pytest.mark.parametrize("discount", [1e-300, 0.5, 1 - 1e-12, 1.0])
@pytest.mark.parametrize("u", [0.0, np.nextafter(1.0, 0.0)])
def test_a_discounted_future_stays_in_its_episode_however_extreme_the_draw(discount, u):
    class Fixed:
        def random(self, n):
            return np.full(n, u)

    buffer = on_a_line("future")
    rows = buffer.live_rows()
    _, goal_rows = GeometricFuture(discount).draw(buffer, rows, Fixed())
    assert (rows <= goal_rows).all()
    assert (goal_rows < buffer.episode_end[rows]).all()


# Provenance, wherever a mixture may be used


def sb3_buffer(n_envs):
    sb3 = pytest.importorskip("her.integrations.sb3")
    from gymnasium.spaces import Box, Dict

    box = {name: Box(-np.inf, np.inf, (n,)) for name, n in (("observation", 1), ("achieved_goal", 2))}
    spaces = Dict(box | {"desired_goal": box["achieved_goal"]}), Box(-1, 1, (2,))
    settings = {"reward_function": number_reward, "device": "cpu", "seed": 0, "n_envs": n_envs}
    return sb3.HindsightReplayBuffer(120, *spaces, goal_selection_strategy=MIXTURE, **settings).hindsight


USERS = {
    "HindsightExperienceReplay": lambda config: HindsightExperienceReplay(120, *DIMS, config, seed=0),
    "PrioritizedHER": lambda config: PrioritizedHER(120, *DIMS, config, priority="td", seed=0),
    "rank": lambda config: PrioritizedHER(120, *DIMS, config, priority="rank", seed=0),
    "cher": lambda config: CurriculumHER(120, *DIMS, config, curriculum="cher", seed=0),
    "reach": lambda config: CurriculumHER(120, *DIMS, config, curriculum="reach", seed=0),
    "StepwiseReplay": lambda config: StepwiseReplay(120, *DIMS, config, n_envs=3, seed=0),
    "drop-in": lambda config: sb3_buffer(1),
    "drop-in of 3": lambda config: sb3_buffer(3),
}


@pytest.mark.parametrize("user", USERS)
def test_a_batch_says_which_source_each_goal_comes_from(user):
    buffer = USERS[user](HERConfig(MIXTURE, 4, number_reward))
    for number, length in enumerate((9, 1, 7, 12)):
        buffer.store_episode(recorded_episode(number, length))
    batch = buffer.sample(4000)
    assert set(batch.goal_sources.tolist()) == {"", *MIXTURE}
    np.testing.assert_array_equal(batch.goal_sources == "", ~batch.relabelled)
    rows, achieved_in = batch.indices % buffer.capacity, batch.goal_indices
    from_actual = batch.goal_sources == "actual"
    np.testing.assert_array_equal(achieved_in == -1, from_actual | ~batch.relabelled)
    pursued = {tuple(goal) for goal in buffer.desired_goals[buffer.live_rows()].tolist()}
    assert {tuple(goal) for goal in batch.goals[from_actual].tolist()} == pursued
    reached = batch.relabelled & ~from_actual
    goals = buffer.achieved_goals[achieved_in[reached] % buffer.capacity]
    np.testing.assert_array_equal(goals, batch.goals[reached])
    future, goal_rows = batch.goal_sources == "future", achieved_in % buffer.capacity
    assert (goal_rows[future] >= rows[future]).all()
    assert (goal_rows[future] < buffer.episode_end[rows[future]]).all()
    rewards = number_reward(batch.achieved_goals, batch.goals)[batch.relabelled]
    np.testing.assert_array_equal(batch.rewards[batch.relabelled], rewards.astype(np.float32))
    if user not in ("cher", "reach"):  # these choose among what is drawn
        counts = [np.count_nonzero(batch.goal_sources == source) for source in MIXTURE]
        assert chisquare(counts, np.array(list(MIXTURE.values())) * batch.relabelled.sum()).pvalue > 1e-4


def test_open_episodes_of_several_environments_are_sources_too():
    buffer = StepwiseReplay(60, 1, 1, 1, HERConfig(MIXTURE, 4, match_reward), n_envs=3, seed=0)
    for t in range(4):
        state, goals = np.full((3, 1), t), np.array([[-1.0], [-2.0], [-3.0]])
        achieved = np.array([[0.0], [10.0], [20.0]]) + t
        buffer.add(state, np.zeros((3, 1)), [-1.0] * 3, state, [False] * 3, goals, achieved, [False] * 3)
    batch = buffer.sample(2000)
    assert set(batch.goals[batch.goal_sources == "actual", 0]) == {-1, -2, -3}
    assert set(batch.goals[batch.goal_sources == "random", 0]) == {env + t for env in (0, 10, 20) for t in range(4)}
    future = batch.goal_sources == "future"
    later = (batch.goals - batch.achieved_goals)[future, 0]
    assert set(later) == {0, 1, 2, 3}


def test_without_a_mixture_there_are_no_sources():
    assert on_a_line("future").sample(10).goal_sources is None
    assert on_a_line(MIXTURE, k=0).sample(10).goal_sources is None


def test_a_goal_pursued_in_an_episode_that_was_dropped_is_a_source_no_longer():
    buffer = her_buffer(20, "actual", dims=(1, 1, 1))
    for i in range(5):
        buffer.store_episode(goals_episode(range(8), -1 - i))
    batch = buffer.sample(300)
    assert set(batch.goals[batch.relabelled, 0]) == {-4, -5}


# How it is written, and changed


@pytest.mark.parametrize(
    "written",
    [
        MIXTURE,
        {GoalSelectionStrategy.FUTURE: 0.5, "actual": 0.3, GoalSelectionStrategy.RANDOM: 0.2},
        "future=0.5,actual=0.3,random=0.2",
        " Future = 0.5, ACTUAL=.3 , random = 0.2",
    ],
)
def test_ways_to_write_a_mixture(written):
    goals = HERConfig(written, reward_function=number_reward).strategy
    assert goals.shares == MIXTURE
    assert str(goals) == "future=0.5,actual=0.3,random=0.2"
    assert_same_batch(on_a_line(written).sample(100), on_a_line(MIXTURE).sample(100))


BAD = [
    ({"future": -0.5, "actual": 1.5}, "expected a number from 0 to 1 as the share of 'future', got -0.5"),
    ({"future": 0.5, "actual": 0.4}, r"expected shares that sum to 1, got {'future': 0.5, 'actual': 0.4}"),
    ({"future": 1.0, "past": 0.0}, "expected shares of 'final', .*, 'actual', got one of 'past'"),
    ({}, "expected shares that sum to 1, got {}"),
    ({"discount": 0.9}, "expected shares that sum to 1, got {}"),
    ({"future": float("nan"), "actual": 1.0}, "expected a number from 0 to 1 as the share of 'future', got nan"),
    ({"future": "half", "actual": 0.5}, "expected a number from 0 to 1 as the share of 'future', got 'half'"),
    ({"future": True}, "expected a number from 0 to 1 as the share of 'future', got True"),
    ({"future": 0.5, GoalSelectionStrategy.FUTURE: 0.5}, "expected shares that sum to 1"),
]
BAD_TEXTS = [
    ("future=-0.5,actual=1.5", "expected a number from 0 to 1"),
    ("future=0.5,actual=0.4", "expected shares that sum to 1"),
    ("future=0.5,past=0.5", ".*got one of 'past'"),
    ("future=nan,actual=1", ".*got nan"),
    ("future=0.5,future=0.5", "expected each source once"),
    ("future=half", "expected shares as in future=0.5,actual=0.5, got 'future=half'"),
    ("future=0.5,actual", "expected shares as in"),
    ("=1", ".*got one of ''"),
    ("future=1,discount=2", r"discount: expected a number in \(0, 1\], got 2.0"),
    ("past", "expected one of 'final', 'future', 'episode', 'random', got 'past'"),
    ("", "expected one of"),
]


@pytest.mark.parametrize(("shares", "message"), BAD + BAD_TEXTS)
def test_shares_that_are_none_are_refused_by_the_arguments_name(shares, message):
    name = "" if message.startswith("discount") else "^strategy: "
    with pytest.raises(ValueError, match=name + message):
        HERConfig(shares, reward_function=number_reward)
    with pytest.raises(ValueError, match=name + message):
        TrainingConfig("her/Push-v0", strategy=shares)


def test_the_drop_in_names_its_own_argument():
    sb3 = pytest.importorskip("her.integrations.sb3")
    from gymnasium.spaces import Box, Dict

    spaces = Dict({name: Box(-1, 1, (2,)) for name in ("observation", "achieved_goal", "desired_goal")}), Box(-1, 1)
    with pytest.raises(ValueError, match=r"^goal_selection_strategy: expected shares that sum to 1"):
        sb3.HindsightReplayBuffer(10, *spaces, goal_selection_strategy={"future": 0.5}, reward_function=number_reward)


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS)
def test_the_command_refuses_them_in_a_sentence(text, message, tmp_path):
    result = CliRunner().invoke(main, ["train", "her/Push-v0", "--strategy", text, "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "Invalid value for '--strategy'" in result.output
    assert not (tmp_path / "run").exists()


def test_a_change_counts_from_the_next_batch_on():
    buffer = on_a_line({"future": 1.0})
    sources = [set(buffer.sample(200).goal_sources.tolist()) - {""}]
    buffer.goals.shares = {"actual": 1.0}
    sources.append(set(buffer.sample(200).goal_sources.tolist()) - {""})
    buffer.config = dataclasses.replace(buffer.config, strategy={"random": 0.5, "final": 0.5})
    sources.append(set(buffer.sample(200).goal_sources.tolist()) - {""})
    assert sources == [{"future"}, {"actual"}, {"random", "final"}]
    buffer.config = dataclasses.replace(buffer.config, strategy="final")
    batch = buffer.sample(200)
    assert set(batch.goals[batch.relabelled, 0]) == {8, 9, 16}
    buffer.goals.strategy = "future"  # by its name
    assert buffer.goals.strategy is GoalSelectionStrategy.FUTURE
    with pytest.raises(ValueError, match=r"^strategy: expected one of"):
        buffer.goals.strategy = "past"


def test_shares_that_are_refused_change_nothing():
    buffer, other = on_a_line(MIXTURE), on_a_line(MIXTURE)
    with pytest.raises(ValueError, match="sum to 1"):
        buffer.goals.shares = {"future": 0.5}
    assert buffer.goals.shares == MIXTURE
    assert_same_batch(buffer.sample(50), other.sample(50))


def test_a_mixture_is_saved_and_loaded_with_the_batches_to_come(tmp_path):
    buffer = on_a_line(MIXTURE)
    buffer.sample(10)
    buffer.save(tmp_path / "buffer.npz")
    loaded = her_buffer(30, MIXTURE, dims=(1, 1, 1))
    loaded.load(tmp_path / "buffer.npz")
    for _ in range(3):
        one, other = buffer.sample(100), loaded.sample(100)
        assert_same_batch(one, other)
        np.testing.assert_array_equal(one.goal_sources, other.goal_sources)
    plain = her_buffer(30, "future", dims=(1, 1, 1))  # of another strategy
    plain.load(tmp_path / "buffer.npz")
    assert plain.sample(10).goal_sources is None


# Training


SMALL = {"env_kwargs": {"n_bits": 6}, "n_envs": 8, "max_steps": 200, "evaluation_episodes": 5, "updates_per_round": 4}


def test_training_with_a_mixture_goes_on_from_its_config(tmp_path):
    config = settings_for("her/BitFlip-v0", strategy={"future": 0.5, "actual": 0.5}, priority="td", **SMALL)
    assert config.strategy == "future=0.5,actual=0.5"
    with Run(config, tmp_path / "run") as run:
        summary = run.train()
        assert run.trainer.buffer.goals.shares == {"future": 0.5, "actual": 0.5}
    assert summary.strategy == config.strategy
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert TrainingConfig(**stored) == config
    (tmp_path / "run" / "summary.json").unlink()
    with Run(config, tmp_path / "run", resume=True) as run:
        assert run.train().success_rate == summary.success_rate
    with pytest.raises(ValueError, match=r"resume: .* has another config"):
        Run(config.replace(strategy="future=0.6,actual=0.4"), tmp_path / "run", resume=True)


def test_the_command_trains_with_a_mixture(tmp_path):
    options = ["--strategy", "future=0.5,Actual=0.5", "--set", "n_envs=8,updates_per_round=4,evaluation_episodes=5"]
    command = ["train", "her/BitFlip-v0", "--env-kwargs", "n_bits=6", "--max-steps", "100", "--quiet", *options]
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "config.json").read_text())["strategy"] == "future=0.5,actual=0.5"


def test_a_sweep_takes_mixtures_in_settings_and_in_a_grid():
    mixture = {"future": 0.5, "actual": 0.5}
    sweep = {
        "seeds": [0],
        "task": [{"name": "bits", "env_id": "her/BitFlip-v0", "env_kwargs": {"n_bits": 6}}],
        "variant": [{"name": "plain"}, {"name": "mixed", "settings": {"strategy": mixture}}],
    }
    assert [job.config.strategy for job in plan(sweep)] == ["future", "future=0.5,actual=0.5"]
    del sweep["variant"]
    jobs = plan(sweep | {"grid": {"strategy": ["final", "future=0.5,actual=0.5"]}})
    assert [job.config.strategy for job in jobs] == ["final", "future=0.5,actual=0.5"]
    assert jobs[1].name == "bits-strategy=future=0.5,actual=0.5-0"


def test_a_mixture_is_drawn_in_a_figure_of_strategies():
    from her.plots.curves import draw_records
    from her.sweeps.tables import RunRecord

    strategies = ("future", "none", "future=0.5,actual=0.5")
    curve = pd.DataFrame({"env_steps": [10, 20], "success_rate": [0.0, 1.0]})
    config = {"seed": 0, "success_at": "end"}
    figure = draw_records([RunRecord("push", name, config | {"strategy": name}, curve) for name in strategies], "en")
    assert len({line.get_color() for line in figure.axes[0].lines if len(line.get_xdata()) == 2}) == 3
