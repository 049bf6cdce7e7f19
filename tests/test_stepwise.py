"""Steps of several environments: open episodes that are sampled, ended, interrupted, moved and saved."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_cases import (
    FIELDS,
    RingOfLists,
    everything,
    her_buffer,
    identities,
    number_reward,
    positions,
    recorded_episode,
    refused,
    step,
)

from her.replay import UniformTransitions

pytestmark = pytest.mark.filterwarnings("ignore:reward_function gives")
NOT_FINITE = [np.nan, np.inf, -np.inf, 1e300]  # the last is finite, but no float32


def stepwise(capacity=20, **settings):
    return her_buffer(capacity, **{"n_envs": 1, "reward": number_reward} | settings)


def stored(buffer):
    """(episode, position) of all that is stored, environment by environment, oldest first."""
    return identities(everything(buffer).achieved_goals)


def whole(number, length):
    return [(number, t) for t in range(length)]


def test_several_environments_share_the_capacity_in_equal_parts():
    buffer = stepwise(capacity=11, n_envs=5)
    for t in range(2):
        buffer.add(**step(np.arange(5), np.full(5, t), ends=True))
    assert len(buffer) == 10 <= buffer.capacity
    buffer.add(**step(np.arange(5), np.full(5, 2), ends=True))
    assert stored(buffer) == [(e, t) for e in range(5) for t in (1, 2)]


def test_steps_of_open_episodes_can_be_sampled_at_once_and_know_their_episode():
    buffer = stepwise(capacity=12, n_envs=2)
    for t in range(3):
        buffer.add(**step([0, 1], [t, t]))
        assert stored(buffer) == whole(0, t + 1) + whole(1, t + 1)
        position, length = positions(buffer, buffer.live_rows())
        assert position.tolist() == [*range(t + 1)] * 2
        assert (length == t + 1).all()


def test_ending_the_open_episodes_makes_room_for_whole_ones():
    buffer = stepwise(capacity=8)
    buffer.add(**step([0], [0]))
    with refused(buffer, ValueError, "episode: every environment has an episode in progress"):
        buffer.store_episode(recorded_episode(1, 2))
    buffer.end_episodes()
    buffer.store_episode(recorded_episode(1, 2))
    buffer.add(**step([2], [0]))
    assert stored(buffer) == [(0, 0), (1, 0), (1, 1), (2, 0)]
    assert positions(buffer, buffer.live_rows())[1].tolist() == [1, 2, 2, 1]


def test_whole_episodes_go_where_least_was_written_and_no_episode_is_open():
    buffer = stepwise(capacity=40, n_envs=2)
    buffer.add(**step([0, 1], [0, 0], ends=[True, False]))
    buffer.store_episode(recorded_episode(2, 5))  # environment 1 has an open episode
    buffer.end_episodes()
    buffer.store_episode(recorded_episode(3, 3))
    assert stored(buffer) == [(0, 0), *whole(2, 5), (1, 0), *whole(3, 3)]


def test_an_open_episode_that_fills_its_ring_is_refused_until_it_is_ended():
    buffer = stepwise(capacity=7, n_envs=2)
    for t in range(3):
        buffer.add(**step([0, 1], [t, t], ends=[t == 1, False]))
    with refused(buffer, ValueError, "capacity: an episode in progress has reached 3 transitions"):
        buffer.add(**step([0, 1], [3, 3]))
    buffer.end_episodes()
    buffer.add(**step([2, 3], [0, 0]))
    assert stored(buffer) == [(0, 2), (2, 0), (3, 0)]


def test_a_step_may_begin_an_episode_where_the_one_before_was_interrupted():
    buffer = stepwise(capacity=8, n_envs=2)
    for t in range(4):
        buffer.add(**step([0, 1], [t, t]))
    begins = {"episode_begins": [False, True]}
    with refused(buffer, ValueError, "capacity: an episode in progress has reached 4 transitions"):
        buffer.add(**step([0, 2], [4, 0]), **begins)
    buffer.end_episodes([0])
    with refused(buffer, ValueError, "rewards: expected finite"):
        buffer.add(**step([3, 2], [0, 0], rewards=[0.0, np.nan]), **begins)
    with refused(buffer, ValueError, r"episode_begins: expected shape \(2,\)"):
        buffer.add(**step([3, 2], [0, 0]), episode_begins=[True])
    buffer.add(**step([3, 2], [0, 0]), **begins)
    buffer.add(**step([3, 2], [1, 1]))
    assert stored(buffer) == whole(3, 2) + whole(2, 2)
    assert positions(buffer, buffer.live_rows())[1].tolist() == [2] * 4


def test_an_open_episode_that_comes_to_the_end_of_its_ring_moves_to_the_beginning():
    buffer = stepwise(capacity=8)
    buffer.store_episode(recorded_episode(0, 3))
    buffer.store_episode(recorded_episode(1, 3))
    for t in range(2):
        buffer.add(**step([2], [t]))
    numbers = buffer.number[[6, 7]]
    buffer.add(**step([2], [2]))
    assert stored(buffer) == whole(1, 3) + whole(2, 3)
    assert buffer.live_rows().tolist() == [3, 4, 5, 0, 1, 2]
    assert positions(buffer, np.arange(3))[1].tolist() == [3, 3, 3]
    assert (buffer.number[:3] > numbers.max()).all()
    for t in range(3, 8):
        buffer.add(**step([2], [t]))
    assert stored(buffer) == whole(2, 8)
    with refused(buffer, ValueError, "capacity: an episode in progress has reached 8 transitions"):
        buffer.add(**step([2], [8]))


class Ledger(UniformTransitions):
    """Keeps account of what it is told."""

    def __init__(self):
        self.alive = set()

    def stored(self, buffer, rows):
        assert self.alive.isdisjoint(rows.tolist())
        self.alive |= set(rows.tolist())

    def evicted(self, buffer, rows):
        assert self.alive >= set(rows.tolist())
        self.alive -= set(rows.tolist())


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3), st.integers(2, 9), st.lists(st.integers(0, 31), min_size=1, max_size=60))
def test_steps_lie_where_the_rule_of_the_ring_says(n_envs, size, patterns):
    """A ring for each environment; the bits of a pattern say whose episode ends, which it also does when full."""
    buffer = stepwise(size * n_envs, n_envs=n_envs, transitions=Ledger())
    rings, lengths = [RingOfLists(size) for _ in range(n_envs)], {}
    numbers, number_of = iter(range(10**6)), [None] * n_envs
    for pattern in patterns:
        number_of = [next(numbers) if number is None else number for number in number_of]
        now = [lengths.get(number, 0) for number in number_of]
        ends = [bool(pattern >> env & 1) or t + 1 == size for env, t in enumerate(now)]
        rows = buffer.add(**step(number_of, now, ends))
        for ring, number, t in zip(rings, number_of, now, strict=True):
            ring.step(number)
            lengths[number] = t + 1
        number_of = [None if end else number for number, end in zip(number_of, ends, strict=True)]
        expected = [pair for ring in rings for n in ring.order for pair in whole(n, lengths[n])]
        live = buffer.live_rows()
        assert stored(buffer) == expected
        assert [rings[row // size].rows[row % size] for row in live] == [n for n, _ in expected]
        assert [t for _, t in expected] == positions(buffer, live)[0].tolist()
        assert [lengths[n] for n, _ in expected] == positions(buffer, live)[1].tolist()
        assert identities(buffer.achieved_goals[rows]) == list(
            zip([n for n in (ring.rows[ring.head - 1] for ring in rings)], now, strict=True)
        )
        assert buffer.transitions.alive == set(live.tolist())
        assert len(np.unique(buffer.number[live])) == len(live) == len(buffer)
        assert (buffer.number[live] % buffer.capacity == live).all()
        assert set(buffer.sample(30).indices) <= set(buffer.number[live])


@pytest.mark.parametrize("field", [*FIELDS, "episode_ends"])
@pytest.mark.parametrize("bad", [*NOT_FINITE, "far", None, "a row less", "a column more", "flat", "ragged"])
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_bad_step_is_refused_by_the_name_of_the_field(field, bad):
    buffer = stepwise(capacity=9, n_envs=3)
    for t in range(4):  # the next step would drop what is there, and go over the end of the rings
        buffer.add(**step([0, 1, 2], [t, t, t], ends=t % 2))
    good = step([3, 4, 5], [0, 0, 0])
    array = np.asarray(good[field])
    if bad == "a row less":
        array = array[:-1]
    elif bad == "a column more":
        array = np.column_stack([array, array[..., :1] if array.ndim == 2 else array])
    elif bad == "flat":
        array = array.ravel() if array.ndim == 2 else array[0]
    elif bad == "ragged":
        array = [[0.0], [0.0, 1.0], [0.0]]
    elif isinstance(bad, float):
        array = array.astype(float)
        array[1] = bad
    else:
        array = np.full(array.shape, bad, object)
    with refused(buffer, ValueError, f"{field}: expected"):
        buffer.add(**good | {field: array})
    buffer.add(**good)


def test_a_step_takes_lists_and_numbers_for_flags():
    buffer = stepwise(capacity=6, n_envs=2)
    as_lists = {name: np.asarray(value).tolist() for name, value in step([0, 1], [4, 4]).items()}
    buffer.add(**as_lists | {"episode_ends": [1, 0]})
    buffer.add(**step([2, 1], [0, 5]))
    assert stored(buffer) == [(0, 4), (2, 0), (1, 4), (1, 5)]
    assert everything(buffer).dones.tolist() == [True, False, False, False]


@pytest.mark.parametrize("wrong", [0, -3, 2.5, True, "4", None])
def test_a_number_of_environments_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^n_envs: expected a positive integer, got "):
        stepwise(n_envs=wrong)


def test_a_capacity_below_one_transition_an_environment_is_refused():
    with pytest.raises(ValueError, match=r"^capacity: expected at least one row for each of n_envs=5, got 4"):
        stepwise(capacity=4, n_envs=5)


def test_an_episode_longer_than_a_ring_is_refused():
    buffer = stepwise(capacity=15, n_envs=3)
    with refused(buffer, ValueError, "capacity: an episode of 6 transitions does not fit into capacity=15 // n_envs=3"):
        buffer.store_episode(recorded_episode(1, 6))
    buffer.store_episode(recorded_episode(1, 5))
