"""Which goal: names of strategies, and positions in the episode."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her import GoalSelectionStrategy
from her.goals import draw_positions

FINAL, FUTURE, EPISODE, RANDOM = GoalSelectionStrategy
ALMOST_ONE = np.nextafter(1.0, 0.0)


def positions(strategy, position, length, uniform):
    return draw_positions(strategy, *(np.atleast_1d(x) for x in np.broadcast_arrays(position, length, uniform)))


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
@given(st.integers(1, 10**6), st.data())
def test_positions_stay_where_the_strategy_may_look_however_extreme_the_draw(length, data):
    t = data.draw(st.integers(0, length - 1))
    u = data.draw(st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, ALMOST_ONE])))
    assert t <= positions(FUTURE, t, length, u)[0] < length
    assert 0 <= positions(EPISODE, t, length, u)[0] < length
    assert positions(FINAL, t, length, u)[0] == length - 1


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_future_gives_every_position_from_the_transitions_own_to_the_last_the_same_weight(length, data):
    t = data.draw(st.integers(0, length - 1))
    drawn = positions(FUTURE, t, length, evenly(7 * (length - t)))
    np.testing.assert_array_equal(np.bincount(drawn, minlength=length), [0] * t + [7] * (length - t))


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_episode_gives_every_position_the_same_weight_wherever_the_transition_is(length, data):
    drawn = positions(EPISODE, data.draw(st.integers(0, length - 1)), length, evenly(7 * length))
    np.testing.assert_array_equal(np.bincount(drawn, minlength=length), [7] * length)


def test_every_row_is_drawn_by_its_own_position_length_and_number():
    t, length, u = np.array([0, 2, 4, 0]), np.array([5, 3, 5, 1]), np.array([0.5, 0.9, 0.0, 0.99])
    np.testing.assert_array_equal(draw_positions(FUTURE, t, length, u), [2, 2, 4, 0])
    np.testing.assert_array_equal(draw_positions(EPISODE, t, length, u), [2, 2, 0, 0])
    np.testing.assert_array_equal(draw_positions(FINAL, t, length, u), [4, 2, 4, 0])
    assert all(draw_positions(s, t, length, u).dtype.kind == "i" for s in (FUTURE, EPISODE, FINAL))


def test_random_has_no_position_in_the_episode():
    with pytest.raises(ValueError, match=r"^strategy: 'random' does not draw from the transition's own episode"):
        positions(RANDOM, 0, 5, 0.5)
