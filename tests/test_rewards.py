"""Sparse rewards, and whether a reward function takes batches: found out, never assumed."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her import sparse_reward
from her.rewards import BatchedReward


def goals_on_a_grid(rows, goal_dim, spread, seed):
    """Multiples of 1/8: no distance is 0.7, nor so near that rounding could matter. Without spread all are one goal."""
    return np.random.default_rng(seed).integers(-spread, spread + 1, (rows, goal_dim)).astype(np.float32) / 8


GOALS = st.builds(
    goals_on_a_grid, st.integers(1, 70), st.integers(1, 6), st.sampled_from([0, 1, 4, 16]), st.integers(0, 2**32)
)


def pair_of_batches(goals):
    """A batch of goals, and desired ones of which some are reached and some are not."""
    return goals, np.where(np.arange(len(goals))[:, None] % 2, goals, goals[::-1])


def distances(achieved, desired):
    return [float(np.linalg.norm(a.astype(float) - d.astype(float))) for a, d in zip(achieved, desired, strict=True)]


# sparse_reward


def test_sparse_reward_is_zero_closer_than_the_threshold_and_minus_one_from_there_on():
    achieved = np.array([[0.0], [0.49], [0.5], [0.51], [-0.49], [-0.5]])
    assert sparse_reward(achieved, np.zeros(1), 0.5).tolist() == [0, 0, -1, -1, 0, -1]


def test_sparse_reward_gives_one_float32_a_row_and_a_single_number_for_a_pair():
    batch = sparse_reward(np.zeros((4, 3)), np.zeros((4, 3)), 0.1)
    assert (batch.shape, batch.dtype) == ((4,), np.float32)
    assert sparse_reward(np.zeros((2, 5, 3)), np.ones((2, 1, 3)), 0.1).shape == (2, 5)
    assert sparse_reward(np.zeros((5, 3)), np.ones((2, 1, 3)), 0.1).shape == (2, 5)
    assert sparse_reward([0.0, 0.0], [3.0, 4.0], 5.1) == 0
    assert sparse_reward([0.0, 0.0], [3.0, 4.0], 5.0) == -1


@settings(deadline=None)
@given(GOALS)
def test_sparse_reward_measures_over_the_last_axis_row_by_row(goals):
    achieved, desired = pair_of_batches(goals)
    expected = [0.0 if d < 0.7 else -1.0 for d in distances(achieved, desired)]
    np.testing.assert_array_equal(sparse_reward(achieved, desired, 0.7), expected)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float16, np.float32, float])
def test_sparse_reward_takes_goals_of_every_number_type(dtype):
    zero, one = np.zeros((1, 2), dtype), np.ones((1, 2), dtype)
    assert sparse_reward(zero, one, 1.5)[0] == 0
    assert sparse_reward(zero, one, 1.4)[0] == -1
    assert sparse_reward(zero, one.astype(np.float32), 1.5)[0] == 0


@pytest.mark.parametrize(("dtype", "other"), [(np.uint8, 20), (np.uint8, 200), (np.int8, 20), (np.int8, 127)])
def test_sparse_reward_does_not_overflow_with_small_integers(dtype, other):
    achieved, desired = np.array([[0], [other]], dtype), np.array([[other], [-other % 100]], dtype)
    expected = [other, abs(other - -other % 100)]
    assert sparse_reward(achieved, desired, max(expected) + 0.1).tolist() == [0, 0]
    assert sparse_reward(achieved, desired, min(expected) - 0.1).tolist() == [-1, -1]


@pytest.mark.parametrize("achieved", [300.0, 1e-4])
def test_sparse_reward_neither_overflows_nor_underflows_with_half_floats(achieved):
    half, zero = np.float16([achieved]), np.float16([0])
    assert sparse_reward(half, zero, achieved * 1.01) == 0
    assert sparse_reward(half, zero, achieved * 0.99) == -1
    assert sparse_reward(half, np.float32([0]), achieved * 1.01) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_goal_that_is_not_finite_is_never_reached(bad):
    goals = np.array([[bad, 0.0], [0.0, 0.0]])
    assert sparse_reward(goals, np.zeros(2), 1e9).tolist() == [-1, 0]
    assert sparse_reward(goals, goals, 1e9).tolist() == [-1, 0]


@pytest.mark.parametrize("threshold", [0, -0.1, np.nan, np.inf, "x", None, [0.1, 0.2], np.array([0.1, 0.2])])
def test_sparse_reward_refuses_a_threshold_that_is_no_distance(threshold):
    with pytest.raises(ValueError, match=r"^threshold: expected a positive distance"):
        sparse_reward(np.zeros(2), np.zeros(2), threshold)


@pytest.mark.parametrize(
    ("achieved", "desired"),
    [((4, 3), (4, 1)), ((4, 3), (2,)), ((), ()), ((3,), ()), ((3, 2), (4, 2)), ((2, 3, 2), (2, 2)), ((0, 2), (3, 2))],
)
def test_sparse_reward_refuses_goals_of_different_sizes(achieved, desired):
    with pytest.raises(ValueError, match=r"^desired_goal: "):
        sparse_reward(np.zeros(achieved), np.zeros(desired), 0.1)


# Functions for batches and for pairs


def batched(achieved, desired):
    return -(np.linalg.norm(achieved - desired, axis=-1) > 0.7).astype(np.float32)


def for_batches_only(achieved, desired):
    return -(np.linalg.norm(achieved - desired, axis=1) > 0.7).astype(float)


def as_a_column(achieved, desired):
    return batched(achieved, desired)[..., None]


def as_bools(achieved, desired):
    return np.linalg.norm(achieved - desired, axis=-1) > 0.7


def as_integers(achieved, desired):
    return -as_bools(achieved, desired).astype(np.int64)


def as_a_list(achieved, desired):
    return (-as_bools(achieved, desired).astype(float)).tolist()


def for_one_pair(achieved, desired):
    return -float(np.linalg.norm(achieved - desired) > 0.7)


def for_one_pair_with_an_if(achieved, desired):
    return 0.0 if np.linalg.norm(achieved - desired) <= 0.7 else -1.0


def over_the_first_axis(achieved, desired):
    return -(np.linalg.norm(achieved - desired, axis=0) > 0.7).astype(float)


def the_same_for_the_whole_batch(achieved, desired):
    return np.full(achieved.shape[:-1], -float(np.linalg.norm(achieved - desired) > 0.7))


def of_a_pair_that_insists(achieved, desired):
    if achieved.ndim != 1:
        raise TypeError("one pair, please")
    return for_one_pair(achieved, desired)


TAKE_BATCHES = [batched, for_batches_only, as_a_column, as_bools, as_integers, as_a_list]
TAKE_PAIRS = [
    for_one_pair,
    for_one_pair_with_an_if,
    over_the_first_axis,
    of_a_pair_that_insists,
    the_same_for_the_whole_batch,  # which only rows with different rewards tell
]
UNREACHED = -1.0, 1.0  # of most of them; of `as_bools`


def expected_rewards(function, achieved, desired):
    beyond = np.array([np.linalg.norm(a - d) > 0.7 for a, d in zip(achieved, desired, strict=True)])
    return beyond * UNREACHED[function is as_bools]


@pytest.mark.filterwarnings("ignore:reward_function is right for one pair only")
@pytest.mark.parametrize("function", [*TAKE_BATCHES, *TAKE_PAIRS[:-1]])
@settings(max_examples=30, deadline=None)
@given(st.lists(GOALS, min_size=1, max_size=3))
def test_every_function_gives_each_rows_own_reward_whatever_comes_first(function, batches):
    reward = BatchedReward(function)
    for goals in batches:
        same_dim = np.resize(goals, (len(goals), batches[0].shape[1]))
        achieved, desired = pair_of_batches(same_dim)
        rewards = reward(achieved, desired)
        assert (rewards.shape, rewards.dtype) == ((len(goals),), np.float32)
        np.testing.assert_array_equal(rewards, expected_rewards(function, achieved, desired))


@pytest.mark.parametrize(("rows", "goal_dim"), [(1, 3), (2, 6), (3, 3), (4, 4), (5, 1), (33, 2)])
@pytest.mark.parametrize("function", TAKE_BATCHES + TAKE_PAIRS)
def test_a_function_is_found_out_even_if_there_are_as_many_rows_as_columns(function, goal_dim, rows):
    achieved = np.arange(rows * goal_dim, dtype=np.float32).reshape(rows, goal_dim)
    reward = BatchedReward(function)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            reward(achieved, achieved + 1)
    assert reward.is_batched == (function in TAKE_BATCHES)
    assert len(caught) == (function in TAKE_PAIRS)  # a slow function is mentioned, and only once


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_reduction_over_the_wrong_axis_is_found_out_even_where_rows_and_columns_agree(rows):
    """Of which the differences form a square diagonal matrix."""
    reward, achieved = BatchedReward(over_the_first_axis), 2 * np.eye(rows, 2 * rows)
    with pytest.warns(UserWarning, match="right for one pair only"):
        reward(achieved, np.zeros_like(achieved))
    assert reward.is_batched is False


def test_a_function_that_takes_batches_is_called_once_a_batch_after_the_first():
    shapes = []

    def counting(achieved, desired):
        shapes.append(achieved.shape)
        return batched(achieved, desired)

    reward = BatchedReward(counting)
    reward(np.zeros((50, 2)), np.ones((50, 2)))
    shapes.clear()
    reward(np.zeros((50, 2)), np.ones((50, 2)))
    assert shapes == [(50, 2)]


def test_a_function_that_ignores_its_arguments_is_right_and_called_row_by_row():
    reward = BatchedReward(lambda achieved, desired: -1)
    with pytest.warns(UserWarning, match="right for one pair only"):
        assert reward(np.zeros((3, 2)), np.zeros((3, 2))).tolist() == [-1, -1, -1]


@settings(deadline=None)
@given(GOALS)
def test_dense_rewards_keep_their_values(goals):
    achieved, desired = pair_of_batches(goals)
    reward = BatchedReward(lambda a, d: -np.linalg.norm(a - d, axis=-1))
    np.testing.assert_allclose(reward(achieved, desired), np.negative(distances(achieved, desired)), atol=1e-5)
    assert reward.is_batched


# Functions that are wrong


@pytest.mark.parametrize("function", [None, 3, "sparse"])
def test_what_cannot_be_called_is_refused(function):
    with pytest.raises(TypeError, match=r"^reward_function: expected f"):
        BatchedReward(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, d: 1 / 0,
        lambda a, d: a - d,
        lambda a, d: np.zeros(7),
        lambda a, d: [],
        lambda a, d: "far",
        lambda a: 0.0,
    ],
    ids=["raises", "a vector", "seven", "nothing", "a word", "one argument"],
)
def test_a_function_without_a_number_for_a_pair_or_a_batch_is_refused_and_may_be_tried_again(function):
    reward = BatchedReward(function)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^reward_function: failed on a pair of goals of shape \(3,\)"):
            reward(np.zeros((5, 3)), np.ones((5, 3)))
    assert reward.is_batched is None


def test_the_users_own_error_is_shown_as_the_cause():
    with pytest.raises(ValueError, match="ZeroDivisionError") as caught:
        BatchedReward(lambda a, d: 1 / 0)(np.zeros((5, 3)), np.ones((5, 3)))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:reward_function is right for one pair only")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("pairs_only", [False, True])
@pytest.mark.parametrize("later", [False, True], ids=["at first", "later"])
def test_a_reward_that_is_no_finite_float32_is_refused_with_the_goals_that_gave_it(bad, pairs_only, later):
    def function(achieved, desired):
        rewards = np.where(achieved[..., 0] == 7, bad, -1.0)
        return rewards.item() if pairs_only else rewards

    reward, goals = BatchedReward(function), np.arange(10, dtype=np.float32).reshape(5, 2)
    if later:
        reward(goals, goals)
    goals[3, 0] = 7
    with pytest.raises(
        ValueError, match=r"^reward_function: expected finite float32 rewards, got .* achieved \[7. 7.\]"
    ):
        reward(goals, goals)


def takes_the_difference_in_place(achieved, desired):
    achieved -= desired
    return -np.linalg.norm(achieved, axis=-1)


def rounds_the_desired_goal_in_place(achieved, desired):
    np.round(desired, out=desired)
    return -float(np.linalg.norm(achieved - desired) > 0.5)


@pytest.mark.parametrize("function", [takes_the_difference_in_place, rounds_the_desired_goal_in_place])
def test_a_function_that_writes_into_its_arguments_is_refused_and_the_goals_stay(function):
    achieved, desired = np.full((5, 2), 0.3), np.full((5, 2), 0.7)
    with pytest.raises(ValueError, match=r"^reward_function: changes the goals that it is given"):
        BatchedReward(function)(achieved, desired)
    assert (achieved == 0.3).all()
    assert (desired == 0.7).all()


@pytest.mark.parametrize("answer", [np.zeros(3), np.zeros((5, 2)), 0.0])
def test_a_function_that_stops_giving_a_reward_a_row_is_refused(answer):
    answers = [None, answer]
    reward = BatchedReward(lambda a, d: batched(a, d) if answers[0] is None else answers[0])
    reward(np.zeros((5, 2)), np.ones((5, 2)))
    answers.pop(0)
    with pytest.raises(ValueError, match=r"^reward_function: expected one reward for each of 5 rows, got shape"):
        reward(np.zeros((5, 2)), np.ones((5, 2)))
