"""Which goal, and when: what is within reach, and goals that grow with it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_cases import DIMS, FIELDS, goals_episode, her_buffer, match_reward, recorded_episode, refused, snapshot
from scipy.stats import binomtest, chisquare

from her import CurriculumHER, GoalSelectionStrategy, HERConfig, PrioritizedHER
from her.cher import Cher
from her.envs import BitFlipVectorEnv, PushVectorEnv, ReachVectorEnv
from her.reach import Reach, ReachGoals

pytestmark = pytest.mark.filterwarnings("ignore:reward_function gives")
STRATEGIES = [strategy.value for strategy in GoalSelectionStrategy]


def buffer_of(curriculum, capacity=60, strategy="future", dims=DIMS, **settings):
    config = HERConfig(strategy, 4, match_reward)
    return CurriculumHER(capacity, *dims, config, curriculum=curriculum, **{"seed": 0} | settings)


def tell(reach, distance, successes, failures):
    """Episodes of one step from a distance, some of which succeed."""
    for reached in [True] * successes + [False] * failures:
        reach.observe(np.array([float(distance)]), np.array([reached]))


# How far the agent reaches


def measured(*rates, tries=100, width=1.0, **settings):
    """A reach with these success rates in bins of this width, the first at distance 0."""
    reach = Reach(**settings)
    reach.width = width
    for i, rate in enumerate(rates):
        if rate is not None:
            tell(reach, (i + 0.5) * width, round(tries * rate), tries - round(tries * rate))
    return reach


@pytest.mark.parametrize(
    ("rates", "distance"),
    [
        ((), 0.0),
        ((1.0, 1.0, 0.0), 2.0),  # half way between 1.5, where all succeed, and 2.5, where none does
        ((1.0, 0.75, 0.25), 2.0),
        ((1.0, 0.6, 0.4, 1.0), 2.0),  # what lies beyond a gap is not reliably reached
        ((1.0, None, None, 0.0), 2.0),  # nothing is known between 0.5 and 3.5
        ((0.0,), 0.25),  # at distance 0 one is there
        ((0.0, 1.0), 0.25),
        ((1.0, 0.9, 0.6), math.inf),
    ],
)
def test_the_reach_ends_where_success_falls_below_a_half(rates, distance):
    assert measured(*rates).distance == pytest.approx(distance)


def test_the_reach_is_that_of_the_reliability_asked_for():
    assert measured(1.0, 1.0, 0.0, reliable=0.75).distance == pytest.approx(1.75)
    assert measured(1.0, 1.0, 0.0, reliable=1.0).distance == pytest.approx(1.5)


def test_a_rate_of_a_few_tries_is_not_believed():
    reach = measured(1.0, 1.0)
    tell(reach, 2.5, 0, 4)
    assert reach.distance == math.inf
    tell(reach, 2.5, 0, 1)
    assert reach.distance == pytest.approx(2.0)


def test_every_step_is_a_try_from_where_it_stands_and_the_first_in_a_bin_counts():
    reach = Reach()
    reach.width = 1.0
    #                               3.5  2.5  1.5  0.5  2.5  3.5, and never again at the goal
    reach.observe(np.array([3.5, 2.5, 1.5, 0.5, 2.5, 3.5]), np.array([False, False, False, True, False, False]))
    assert reach.tries[:5].tolist() == [1, 1, 1, 1, 0]
    assert reach.success[:5].tolist() == [1, 1, 1, 1, 0]
    reach.observe(np.array([0.5, 2.5, 2.5]), np.array([True, False, False]))
    assert reach.tries[:4].tolist() == [2, 1, 2, 1]
    assert reach.success[:4].tolist() == [1, 1, 0.5, 1]


def test_rates_are_means_and_then_exponential_averages():
    reach = Reach(memory=10)
    reach.width = 1.0
    tell(reach, 0.5, 6, 4)
    assert reach.success[0] == pytest.approx(0.6)
    tell(reach, 0.5, 1, 0)
    assert reach.success[0] == pytest.approx(0.6 + 0.4 / 10)
    tell(reach, 0.5, 200, 0)
    assert reach.success[0] == pytest.approx(1.0)
    assert reach.tries[0] == 10


def test_bins_grow_with_the_distances_and_merge_what_they_know():
    reach = Reach(memory=100)
    tell(reach, 1.0, 1, 0)
    assert reach.width == pytest.approx(0.1)  # twenty bins, of which the first distance fills ten
    tell(reach, 0.05, 3, 0)
    tell(reach, 0.15, 1, 5)
    tell(reach, 7.9, 0, 6)
    assert reach.width == pytest.approx(0.4)
    assert reach.tries[[0, 2, 19]].tolist() == [9, 1, 6]
    assert reach.success[[0, 2, 19]] == pytest.approx([4 / 9, 1, 0])
    assert reach.tries.sum() == 16


@pytest.mark.parametrize("one", [(11.0, 8.0), (11.0, 11.0), (15.0, 1.0)])
def test_a_distance_just_below_the_last_bins_end_is_in_it(one):
    """farthest < 20·width, and yet farthest/width is 20.0, rounded."""
    reach = Reach()
    for scale in (1, 2):
        tell(reach, math.hypot(*one) * scale, 1, 0)
    assert reach.tries.sum() == 2


def test_an_agent_that_is_always_there_is_no_distance_away():
    reach = Reach()
    for _ in range(10):
        reach.observe(np.zeros(3), np.ones(3, bool))
    assert reach.width == 0
    assert reach.distance == math.inf


def test_goals_whose_squared_distance_is_too_large_for_float32_have_a_distance_too():
    buffer = buffer_of("reach", dims=(1, 1, 1))
    buffer.store_episode(goals_episode([-1e30, 1e30], [1e30]))
    assert math.isfinite(buffer.goals.reach.width)
    assert len(buffer.sample(8)) == 8


@given(st.lists(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), min_size=1, max_size=8), max_size=12))
def test_the_reach_of_any_episodes_is_a_distance(episodes):
    reach = Reach()
    for episode in episodes:
        distances, reached = map(np.array, zip(*episode, strict=True))
        reach.observe(distances, reached)
        assert ((reach.success >= 0) & (reach.success <= 1)).all()
    assert reach.distance >= 0


# Goals that grow with the reach


def line_buffer(goals):
    """Two episodes that achieve the goals 0, 1, … 9 in turn."""
    buffer = her_buffer(60, dims=(1, 1, 1), goals=goals)
    for _ in range(2):
        buffer.store_episode(goals_episode(np.arange(10), [999.0]))
    return buffer


def drawn_ahead(buffer, n=40_000):
    """How far ahead goals were drawn for transitions at the start of their episode."""
    batch = buffer.sample(n)
    ahead = (batch.goals - batch.achieved_goals)[batch.relabelled & (batch.achieved_goals[:, 0] == 0), 0]
    return np.bincount(ahead.astype(int), minlength=10)


def with_reach(goals, distance):
    """The reach made to be this, whatever comes."""

    class Known(Reach):
        @property
        def distance(self):
            return distance

    goals.reach = Known()
    return goals


def test_once_everything_is_within_reach_the_strategy_is_the_plain_one():
    buffer = line_buffer(with_reach(ReachGoals(candidates=4), math.inf))
    assert chisquare(drawn_ahead(buffer)).pvalue > 1e-4


def test_as_long_as_nothing_is_within_reach_the_nearest_candidate_is_kept():
    """Of m candidates, uniform over L goals, the nearest is the k-th with probability ((L-k)^m - (L-k-1)^m) / L^m."""
    goals = with_reach(ReachGoals(candidates=3, softness=1e-6, floor=0.0), 0.0)
    counts = drawn_ahead(line_buffer(goals))
    k = np.arange(10)
    assert chisquare(counts, ((10 - k) ** 3 - (9 - k) ** 3) / 1000 * counts.sum()).pvalue > 1e-4


def test_a_candidate_is_kept_in_proportion_to_its_nearness_to_the_reach():
    """Of two candidates i and j, uniform over the ten goals, i is kept with probability w(i) / (w(i) + w(j))."""
    goals = with_reach(ReachGoals(candidates=2, softness=0.5, floor=0.1), 3.0)
    buffer = line_buffer(goals)
    goals.scale, goals.proposes = 4.0, True  # so that it stays: s = 2
    beyond = np.maximum(np.arange(10) - 3.0, 0)
    nearer = np.minimum(beyond[:, None], beyond)
    one, other = (0.1 + np.exp((nearer - distance) / 2) for distance in (beyond[:, None], beyond))
    expected = (2 * one / (one + other)).mean(axis=1) / 10
    counts = drawn_ahead(buffer)
    assert chisquare(counts, expected * counts.sum()).pvalue > 1e-4


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_goals_come_from_where_the_strategy_says(strategy):
    buffer = buffer_of("reach", 80, strategy=strategy)
    for number, length in enumerate([20, 25, 30]):
        buffer.store_episode(recorded_episode(number, length))
    batch = buffer.sample(500)
    number, position = batch.achieved_goals[batch.relabelled].T
    goal_number, goal_position = batch.goals[batch.relabelled].T
    assert (goal_number == number).all() == (strategy != "random")
    if strategy == "future":
        assert (goal_position >= position).all()
    if strategy == "final":
        assert (goal_position == np.array([19, 24, 29])[number.astype(int)]).all()


def test_sampling_moves_from_easy_to_hard_as_success_moves_outwards():
    """An agent that moves one unit a step learns, in three stages, to get farther: 4, 12, then all 30 units."""
    buffer = buffer_of("reach", 3000, dims=(1, 1, 1), memory=30)
    plain = her_buffer(3000, dims=(1, 1, 1))
    rng, hard = np.random.default_rng(0), []

    def shares(of):
        """Of substitute goals, those within and those beyond a third and two thirds of the mean distance, 15.5."""
        batches = [of.sample(512) for _ in range(20)]
        away = np.concatenate([abs(b.goals - b.achieved_goals)[b.relabelled, 0] for b in batches])
        return {"easy": (away < 15.5 / 3).mean(), "hard": (away >= 15.5 * 2 / 3).mean()}

    for farthest in (4, 12, 30):
        for _ in range(400):
            desired = rng.integers(1, 31)
            steps = np.arange(1, 31)
            path = np.minimum(steps, desired) if desired <= farthest else -steps  # lost: away from the goal
            for each in (buffer, plain):
                each.store_episode(goals_episode(path, [float(desired)]))
        report, chosen, offered = buffer.report(), shares(buffer), shares(plain)
        preferred = {name: chosen[name] / offered[name] for name in ("easy", "hard")}
        hard.append(preferred["hard"])
        width = report["distances"][0] * 2
        within = report["distances"] + width / 2 <= farthest
        assert (report["success"][within] > 0.9).all()
        assert farthest - width < report["reach"] < farthest + width
        if farthest < 30:
            assert preferred["easy"] > 1.02
    assert hard[0] + 0.05 < hard[1] < hard[2] - 0.05
    assert preferred == {"easy": pytest.approx(1, abs=0.06), "hard": pytest.approx(1, abs=0.06)}
    assert report["scale"] == pytest.approx(15.5, abs=3)


def test_the_report_can_be_plotted():
    report = buffer_of("reach").report()
    assert report["reach"] == 0
    assert np.isnan(report["success"]).all()
    assert report["distances"].shape == report["success"].shape == report["tries"].shape == (Reach.BINS,)


def test_episodes_teach_the_same_whether_stored_whole_or_step_by_step():
    rng = np.random.default_rng(0)
    whole, stepwise = (her_buffer(80, dims=(1, 1, 1), goals=ReachGoals(), **n_envs) for n_envs in ({}, {"n_envs": 2}))
    for _ in range(12):
        pair = [goals_episode(rng.integers(0, 5, n), [float(rng.integers(0, 5))]) for n in (7, 7)]
        for t in range(7):
            step = (np.stack([getattr(episode, name)[t] for episode in pair]) for name in FIELDS)
            stepwise.add(*step, [t == 6] * 2)
        for episode in pair:
            whole.store_episode(episode)
    assert whole.goals.reach.tries.sum() > 30
    assert snapshot(whole.goals.reach) == snapshot(stepwise.goals.reach)
    assert whole.goals.scale == stepwise.goals.scale


def test_an_open_episode_teaches_nothing_about_reach_yet():
    buffer = her_buffer(dims=(1, 1, 1), goals=ReachGoals(), n_envs=1)
    buffer.add([[0.0]], [[0.0]], [-1.0], [[1.0]], [False], [[3.0]], [[1.0]], [False])
    assert buffer.goals.reach.tries.sum() == 0
    buffer.add([[1.0]], [[0.0]], [-1.0], [[2.0]], [False], [[3.0]], [[2.0]], [True])
    assert buffer.goals.reach.tries.sum() == 2


# Goals of episodes


def reach_with_goals(distance=2.0, **settings):
    """A buffer that has achieved the goals 0 … 9, whose reach is given."""
    buffer = buffer_of("reach", 200, dims=(1, 1, 1), candidates=16, **settings)
    buffer.store_episode(goals_episode(np.arange(10), [5.0]))
    with_reach(buffer.goals, distance)
    return buffer


def test_a_share_of_the_episodes_gets_a_goal_at_the_limit_of_the_reach():
    buffer = reach_with_goals(2.0, rollouts=0.6, softness=1e-4, floor=0.0)
    achieved, desired = np.full((2000, 1), 4.0), np.full((2000, 1), 40.0)
    goals = buffer.rollout_goals(achieved, desired)
    assert goals.dtype == np.float32
    proposed = goals[goals != 40.0]
    assert binomtest(len(proposed), 2000, 0.6).pvalue > 1e-4
    assert set(proposed) == {2.0, 6.0}  # two away, on either side


@pytest.mark.parametrize("distance", [0.0, 3.0])
def test_proposed_goals_were_achieved_before(distance):
    goals = reach_with_goals(distance, rollouts=1.0).rollout_goals(np.zeros((300, 1)), np.full((300, 1), 40.0))
    assert set(goals[:, 0]) <= set(range(10))


@pytest.mark.parametrize(
    "buffer",
    [
        buffer_of("reach", dims=(1, 1, 1)),  # nothing achieved yet
        reach_with_goals(math.inf),
        reach_with_goals(rollouts=0.0),
        buffer_of("cher", dims=(1, 1, 1)),
    ],
)
def test_otherwise_episodes_keep_the_goals_of_the_environment(buffer):
    desired = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)
    np.testing.assert_array_equal(buffer.rollout_goals(np.zeros((50, 1)), desired), desired)


@pytest.mark.parametrize(
    ("achieved", "desired", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), r"achieved: expected shape \(n, goal_dim=1\), got \(3, 2\)"),
        (np.zeros((3, 1)), np.zeros((3, 2)), "desired: expected shape"),
        (np.zeros((2, 1)), np.zeros((3, 1)), "achieved: expected shape"),
        (np.zeros(1), np.zeros(1), "achieved: expected shape"),
        (0.0, 0.0, "achieved: expected shape"),
        (np.zeros((0, 1)), np.zeros((0, 1)), "achieved: expected shape"),
        ([[np.nan]], [[0.0]], "achieved: expected finite"),
        ([[0.0]], [[np.inf]], "desired: expected finite"),
        ([["near"]], [[0.0]], "achieved: expected numbers"),
        ([[0.0]], {}, "desired: expected numbers"),
    ],
)
def test_goals_of_a_wrong_shape_or_that_are_none_are_refused(achieved, desired, message):
    buffer = reach_with_goals()
    with refused(buffer, ValueError, message):
        buffer.rollout_goals(achieved, desired)


def test_easy_and_hard_are_measured_by_the_goals_of_the_environment_not_by_proposed_ones():
    buffer = buffer_of("reach", dims=(1, 1, 1))
    for _ in range(5):
        buffer.rollout_goals(np.zeros((20, 1)), np.full((20, 1), 8.0))
        buffer.store_episode(goals_episode([0.0, 0.0], [1.0]))  # pursued a proposed goal, nearby
    assert buffer.report()["scale"] == pytest.approx(8.0)


# Both


@pytest.mark.parametrize("curriculum", ["reach", "cher"])
def test_a_saved_curriculum_goes_on_where_it_was(curriculum, tmp_path):
    def filled(seed):
        buffer = buffer_of(curriculum, dims=(1, 1, 1), seed=seed)
        rng = np.random.default_rng(seed)
        for _ in range(40):
            buffer.rollout_goals(np.zeros((4, 1)), np.full((4, 1), 3.0))
            buffer.store_episode(goals_episode(rng.integers(0, 6, 7), [float(rng.integers(0, 6))]))
            buffer.sample(20)
        return buffer

    buffer, other = filled(0), filled(1)
    buffer.save(tmp_path / "b.npz")
    other.load(tmp_path / "b.npz")
    assert snapshot(buffer.goals) == snapshot(other.goals)
    for _ in range(5):
        one, two = buffer.sample(50), other.sample(50)
        for name in ("states", "goals", "relabelled", "indices"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert all(np.isfinite(array).all() for array in buffer.goals.state(buffer).values())


def test_a_curriculum_begins_anew_with_the_file_of_another(tmp_path):
    files = {
        "plain": her_buffer(60),
        "cher": buffer_of("cher"),
        "reach": buffer_of("reach"),
        "td": PrioritizedHER(60, *DIMS, HERConfig("future", 4, match_reward), seed=0),
    }
    for name, buffer in files.items():
        buffer.store_episode(recorded_episode(0, 20))
        buffer.sample(8)
        buffer.save(tmp_path / name)
    for curriculum in ("reach", "cher"):
        new = buffer_of(curriculum)
        for name in files:
            buffer = buffer_of(curriculum)
            buffer.store_episode(recorded_episode(3, 9))
            buffer.sample(8)
            buffer.load(tmp_path / name)
            assert (snapshot(buffer.goals) == snapshot(new.goals)) == (name != curriculum)
            assert len(buffer.sample(30)) == 30


@pytest.mark.parametrize(
    ("curriculum", "name", "told"),
    [
        ("reach", "width", "x"),
        ("reach", "width", None),
        ("reach", "tries", [1.0, 2.0]),
        ("reach", "success", [math.nan] * Reach.BINS),
        ("reach", "scale", -1.0),
        ("reach", "episodes", [1]),
        ("cher", "step", [1]),
        ("cher", "step", "x"),
        ("cher", "step", math.inf),
        ("cher", "step", math.nan),
        ("cher", "step", -1),
    ],
)
def test_a_file_with_a_damaged_curriculum_is_refused_and_changes_nothing(curriculum, name, told, tmp_path):
    saved, buffer = (buffer_of(curriculum, seed=seed) for seed in (1, 2))
    for each in (saved, buffer):
        each.store_episode(recorded_episode(0, 20))
        each.sample(8)
    saved.save(tmp_path / "good")
    with np.load(tmp_path / "good") as file:
        arrays = dict(file)
    del arrays[f"goals.{name}"]
    np.savez(tmp_path / "bad.npz", **arrays | ({} if told is None else {f"goals.{name}": np.array(told)}))
    with refused(buffer, ValueError, "path: .*bad.npz' is no saved replay buffer, or a damaged one"):
        buffer.load(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: buffer_of("hgg"), "curriculum: expected one of 'reach', 'cher', got 'hgg'"),
        (lambda: buffer_of("reach", candidates=0), "candidates: expected a positive integer, got 0"),
        (lambda: buffer_of("reach", softness=0.0), "softness: expected a number above 0, got 0.0"),
        (lambda: buffer_of("reach", softness="x"), "softness: expected a number above 0, got 'x'"),
        (lambda: buffer_of("reach", floor=-1.0), "floor: expected a number at least 0, got -1.0"),
        (lambda: buffer_of("reach", rollouts=1.5), r"rollouts: expected a number in \[0, 1\], got 1.5"),
        (lambda: buffer_of("reach", reliable=0.0), r"reliable: expected a number in \(0, 1\], got 0.0"),
        (lambda: buffer_of("reach", memory=0), "memory: expected a positive integer, got 0"),
        (lambda: buffer_of("cher", proximity=-1.0), "proximity: expected a number at least 0, got -1.0"),
        (lambda: buffer_of("cher", growth=math.nan), "growth: expected a number from 1 to 1e9, got nan"),
        (lambda: buffer_of("cher", growth=1e-4), "growth: expected a number from 1 to 1e9, got 0.0001"),
        (lambda: buffer_of("cher", growth_batches=0), "growth_batches: expected a positive integer, got 0"),
        (lambda: buffer_of("cher", candidates=1), "candidates: expected at least 2 for each that is picked, got 1"),
        (lambda: buffer_of("cher", group=0), "group: expected a positive integer, got 0"),
        (lambda: ReachGoals("best"), "strategy: expected one of"),
        (lambda: Cher("best"), "strategy: expected one of"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def test_a_setting_of_another_curriculum_and_a_wrong_config_are_refused():
    with pytest.raises(TypeError, match="rollouts"):
        buffer_of("cher", rollouts=0.5)
    with pytest.raises(TypeError, match=r"^config: expected a HERConfig, got"):
        CurriculumHER(60, *DIMS, {})


# In training


def test_training_asks_the_curriculum_for_goals_where_environments_take_them():
    from her.training import Trainer, settings_for

    trainer = Trainer(settings_for("her/Push-v0", n_envs=8, updates_per_round=2, curriculum="reach"))
    asked = []
    original = trainer.buffer.rollout_goals

    def rollout_goals(achieved, desired):
        asked.append((achieved, desired, original(achieved, desired)))
        return asked[-1][-1]

    trainer.buffer.rollout_goals = rollout_goals
    for _ in range(4):
        trainer.round()
    assert len(asked) == 4
    buffer, rows = trainer.buffer, trainer.buffer.live_rows()
    starts = rows[rows == buffer.episode_start[rows]]
    desired, pucks = buffer.desired_goals[starts].reshape(4, 8, 2), buffer.states[starts, 2:4].reshape(4, 8, 2)
    for i, (achieved, own, goals) in enumerate(asked):
        np.testing.assert_array_equal(achieved, pucks[i])
        np.testing.assert_array_equal(goals, desired[i])
        assert (goals == own).all() == (i == 0)


def test_training_leaves_goals_alone_where_there_is_no_way_to_set_them():
    from her.training import settings_for
    from her.training.loop import takes_goals

    assert all(takes_goals(envs(3)) for envs in (PushVectorEnv, ReachVectorEnv, BitFlipVectorEnv))

    class Deaf(PushVectorEnv):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)

    class Strict(PushVectorEnv):
        def reset(self, *, seed=None):
            return super().reset(seed=seed)

    assert not takes_goals(Deaf(3))
    assert not takes_goals(Strict(3))
    with pytest.raises(ValueError, match="curriculum: 'reach' chooses substitute goals, and strategy 'none' has none"):
        settings_for("her/Push-v0", curriculum="reach", strategy="none")
    with pytest.raises(ValueError, match="curriculum: expected one of none, reach, cher, got 'hgg'"):
        settings_for("her/Push-v0", curriculum="hgg")


def test_settings_of_a_curriculum_reach_it_from_the_command_line(tmp_path):
    from click.testing import CliRunner

    from her.cli import main

    words = "train her/BitFlip-v0 --env-kwargs n_bits=4 --curriculum reach --priority td --max-steps 600 --quiet"
    settings = "--set curriculum_settings.rollouts=0.25 --set priority_settings.alpha=0.3"
    result = CliRunner().invoke(main, [*words.split(), *settings.split(), "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["curriculum"], config["curriculum_settings"]) == ("reach", {"rollouts": 0.25})
    assert (config["priority"], config["priority_settings"]) == ("td", {"alpha": 0.3})
    refused_run = CliRunner().invoke(
        main, ["train", "her/BitFlip-v0", "--priority", "energy", "--out", str(tmp_path / "x")]
    )
    assert refused_run.exit_code == 1
    assert "tells nothing of an object" in refused_run.output


@pytest.mark.parametrize("curriculum", ["reach", "cher"])
def test_another_config_leaves_the_curriculum_in_place(curriculum):
    buffer = buffer_of(curriculum)
    before = buffer.goals
    buffer.config = HERConfig("final", 2, buffer.config.reward_function)
    assert buffer.goals is before
    assert before.goals.strategy.value == "final"
    assert buffer.report()
