"""Which goal: names of strategies, the rows that they draw from, and a strategy of one's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_cases import DIMS, goals_episode, her_buffer, number_reward, recorded_episode

from her import CurriculumHER, GoalSelectionStrategy, HERConfig, HindsightExperienceReplay, PrioritizedHER
from her.goals import GoalSampler, StrategyGoals
from her.stepwise import StepwiseReplay

FINAL, FUTURE, EPISODE, RANDOM = GoalSelectionStrategy
ALMOST_ONE = np.nextafter(1.0, 0.0)
pytestmark = pytest.mark.filterwarnings("ignore:reward_function gives")


class Fixed:
    """A generator that draws what it is told."""

    def __init__(self, uniform):
        self.uniform = np.asarray(uniform, float)

    def random(self, n):
        return np.resize(self.uniform, n)


def drawn(strategy, t, length, uniform):
    """The positions that goals come from, of an episode that lies between two others."""
    buffer = her_buffer(length + 10, reward=number_reward)
    for number, n in enumerate((4, length, 5)):
        buffer.store_episode(recorded_episode(number, n))
    rows = np.full(len(uniform), 4 + t)
    goals, goal_rows = StrategyGoals(strategy).draw(buffer, rows, Fixed(uniform))
    np.testing.assert_array_equal(goals, buffer.achieved_goals[goal_rows])
    return goal_rows - 4


def evenly(n):
    """n numbers that divide [0, 1) evenly: what is drawn with them shows the distribution without any chance."""
    return (np.arange(n) + 0.5) / n


@pytest.mark.parametrize("strategy", GoalSelectionStrategy)
def test_a_strategy_is_known_by_its_lower_case_name_and_read_in_any_case(strategy):
    assert strategy.value == strategy.name.lower()
    assert GoalSelectionStrategy(strategy.value) is strategy
    for given_as in (strategy, strategy.value, strategy.name, strategy.value.title()):
        assert GoalSelectionStrategy.of(given_as) is strategy


@pytest.mark.parametrize("unknown", ["futur", "", "none", None, 4])
def test_an_unknown_strategy_is_refused_with_the_names_there_are(unknown):
    with pytest.raises(ValueError, match=r"^strategy: expected one of 'final', 'future', 'episode', 'random', got"):
        GoalSelectionStrategy.of(unknown)


@settings(deadline=None)
@given(st.integers(1, 500), st.data())
def test_goals_come_from_where_the_strategy_may_look_however_extreme_the_draw(length, data):
    t = data.draw(st.integers(0, length - 1))
    u = data.draw(st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, ALMOST_ONE])))
    assert t <= drawn(FUTURE, t, length, [u])[0] < length
    assert 0 <= drawn(EPISODE, t, length, [u])[0] < length
    assert drawn(FINAL, t, length, [u])[0] == length - 1
    assert -4 <= drawn(RANDOM, t, length, [u])[0] < length + 5


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_future_gives_every_position_from_the_transitions_own_to_the_last_the_same_weight(length, data):
    t = data.draw(st.integers(0, length - 1))
    counts = np.bincount(drawn(FUTURE, t, length, evenly(7 * (length - t))), minlength=length)
    np.testing.assert_array_equal(counts, [0] * t + [7] * (length - t))


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_episode_gives_every_position_the_same_weight_wherever_the_transition_is(length, data):
    counts = np.bincount(drawn(EPISODE, data.draw(st.integers(0, length - 1)), length, evenly(7 * length)))
    np.testing.assert_array_equal(counts, [7] * length)


def test_random_gives_everything_stored_the_same_weight():
    counts = np.bincount(drawn(RANDOM, 3, 6, evenly(7 * 15)) + 4)
    np.testing.assert_array_equal(counts, [7] * 15)


# A strategy of one's own, without a change to the library


class TwoLater(GoalSampler):
    """The goal achieved two steps later, or at the end of the episode."""

    def draw(self, buffer, rows, rng):
        goal_rows = np.minimum(rows + 2, buffer.episode_end[rows] - 1)
        return buffer.achieved_goals[goal_rows], goal_rows


def config():
    return HERConfig(TwoLater(), 4, number_reward)


def sb3_buffer():
    sb3 = pytest.importorskip("her.integrations.sb3")
    from gymnasium.spaces import Box, Dict

    box = {name: Box(-np.inf, np.inf, (n,)) for name, n in (("observation", 3), ("achieved_goal", 2))}
    spaces = Dict(box | {"desired_goal": box["achieved_goal"]}), Box(-1, 1, (2,))
    settings = {"reward_function": number_reward, "device": "cpu", "seed": 0}
    return sb3.HindsightReplayBuffer(60, *spaces, goal_selection_strategy=TwoLater(), **settings).hindsight


USERS = {
    "HindsightExperienceReplay": lambda: HindsightExperienceReplay(60, *DIMS, config(), seed=0),
    "as goals": lambda: her_buffer(60, reward=number_reward, goals=TwoLater()),
    "PrioritizedHER": lambda: PrioritizedHER(60, *DIMS, config(), priority="td", seed=0),
    "CurriculumHER": lambda: CurriculumHER(60, *DIMS, config(), curriculum="cher", seed=0),
    "StepwiseReplay": lambda: StepwiseReplay(60, *DIMS, config(), n_envs=3, seed=0),
}


@pytest.mark.parametrize("user", USERS)
def test_a_strategy_of_ones_own_works_wherever_the_four_do(user):
    buffer, lengths = USERS[user](), {0: 9, 1: 1, 2: 7}
    for number, length in lengths.items():
        buffer.store_episode(recorded_episode(number, length))
    batch = buffer.sample(500)
    assert abs(batch.relabelled.sum() - 400) <= 1
    number, t = batch.achieved_goals[batch.relabelled].T
    goal_number, goal_t = batch.goals[batch.relabelled].T
    last = np.array([lengths[int(n)] - 1 for n in number])
    np.testing.assert_array_equal(goal_number, number)
    np.testing.assert_array_equal(goal_t, np.minimum(t + 2, last))
    goals = buffer.achieved_goals[batch.goal_indices[batch.relabelled] % buffer.capacity]
    np.testing.assert_array_equal(goals, batch.goals[batch.relabelled])


def test_a_strategy_of_ones_own_works_in_the_drop_in():
    hindsight = sb3_buffer()
    for t in range(5):
        state, goals = np.full((1, hindsight.state_dim), t), np.full((1, 2), -1.0)
        achieved = np.array([[0.0, t]])
        hindsight.add(state, np.zeros((1, 2)), [-1.0], state, [False], goals, achieved, [t == 4])
    batch = hindsight.sample(300)
    t, goal_t = batch.achieved_goals[batch.relabelled, 1], batch.goals[batch.relabelled, 1]
    np.testing.assert_array_equal(goal_t, np.minimum(t + 2, 4))


def test_goals_that_nobody_achieved_can_be_set_too():
    class Imagined(GoalSampler):
        def draw(self, buffer, rows, rng):
            return np.full((len(rows), 1), 50.0), np.full(len(rows), -1)

    buffer = her_buffer(30, Imagined(), dims=(1, 1, 1))
    buffer.store_episode(goals_episode([1, 2, 3], 9))
    batch = buffer.sample(100)
    assert set(batch.goals[batch.relabelled, 0]) == {50}
    assert (batch.goal_indices == -1).all()


@pytest.mark.parametrize("goals", [np.zeros(2), np.zeros((5, 2)), np.zeros((20, 3)), np.full((20, 2), np.nan)])
def test_goals_of_another_shape_are_refused(goals):
    class Wrong(GoalSampler):
        def draw(self, buffer, rows, rng):
            return goals, rows

    buffer = her_buffer(30, Wrong(), reward=number_reward)
    buffer.store_episode(recorded_episode(0, 9))
    with pytest.raises(ValueError, match=r"^(goals: expected shape \(20, 2\)|reward_function: expected finite)"):
        buffer.sample(20)
