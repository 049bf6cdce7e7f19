"""Transitions, episodes, batches and the store: what goes in, what stays, what comes out, what is refused."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_cases import (
    ACTION_DIM,
    FIELDS,
    GOAL_DIM,
    STATE_DIM,
    RingOfLists,
    assert_same_batch,
    assert_same_transitions,
    everything,
    her_buffer,
    identities,
    plain_buffer,
    positions,
    recorded,
    recorded_episode,
    refused,
    snapshot,
    step,
)
from scipy.stats import chisquare

import her
from her import Batch, Episode, Transition
from her.replay import UniformTransitions

pytestmark = pytest.mark.filterwarnings("ignore:reward_function gives")
NOT_FINITE = [np.nan, np.inf, -np.inf, 1e300]  # the last is finite, but no float32
ignore_overflow = pytest.mark.filterwarnings("ignore:overflow encountered")


def transition(**changes):
    fields = dict(
        state=np.zeros(STATE_DIM),
        action=np.zeros(ACTION_DIM),
        reward=-1.0,
        next_state=np.ones(STATE_DIM),
        done=False,
        goal=np.zeros(GOAL_DIM),
        achieved_goal=np.ones(GOAL_DIM),
    )
    return Transition(**fields | changes)


def stored(buffer):
    """(episode, position) of all that is stored, oldest first."""
    return identities(everything(buffer).achieved_goals)


def whole(number, length):
    return [(number, t) for t in range(length)]


def filled(capacity=20, lengths=(3, 4, 2), **settings):
    buffer = plain_buffer(capacity, **settings)
    for number, length in enumerate(lengths):
        buffer.store_episode(recorded_episode(number, length))
    return buffer


def looks_uniform(counts):
    return chisquare(counts).pvalue > 1e-4


# Transitions and episodes


def test_an_episode_of_transitions_and_one_of_arrays_are_the_same():
    from_arrays = recorded_episode(3, 7)
    from_objects = Episode(transitions=list(from_arrays), goal=from_arrays.goal)
    assert len(from_objects) == len(from_arrays) == 7
    for name in (*FIELDS, "goal"):
        one, other = getattr(from_objects, name), getattr(from_arrays, name)
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert one.dtype == other.dtype == (bool if name == "dones" else np.float32), name
    assert from_arrays.dones.any()
    assert not from_arrays.dones.all()


def test_an_episode_gives_its_transitions_back():
    episode = recorded_episode(3, 7)
    assert len(episode.transitions) == 7
    last = episode[-1]
    assert (last.reward, last.done) == (episode.rewards[6], episode.dones[6])
    assert isinstance(last.reward, float)
    assert isinstance(last.done, bool)
    np.testing.assert_array_equal(last.achieved_goal, [3, 6])
    assert repr(episode).startswith("Episode(7 transitions, goal=[-4.0, 0.0], return=")


def test_the_goal_of_an_episode_is_the_first_transitions_and_fills_in_where_a_transition_has_none():
    assert Episode([transition(goal=[5, 6]), transition(goal=[5, 6])]).goal.tolist() == [5, 6]
    filled_in = Episode([transition(goal=None), transition(goal=None)], goal=[7, 8])
    assert filled_in.goals.tolist() == [[7, 8], [7, 8]]
    with pytest.raises(ValueError, match=r"^goal of transition 0: expected finite"):
        Episode([transition(goal=None)])


def test_numbers_stand_for_vectors_of_one():
    episode = Episode([transition(action=2, goal=5.0, achieved_goal=4)])
    assert (episode.actions.tolist(), episode.goals.tolist()) == ([[2]], [[5]])
    assert Episode.from_arrays([1, 2], [3, 4], [0, 0], [5, 6], [0, 1], [7, 8], 9.0).actions.tolist() == [[3], [4]]


@pytest.mark.parametrize("field", Transition.__dataclass_fields__)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, "far", [[0.0], [0.0, 0.0]]])
@pytest.mark.parametrize("at", [0, 1])
@ignore_overflow
def test_a_transition_with_a_bad_value_is_named_with_its_field(field, bad, at):
    transitions = [transition(), transition()]
    scalar = field in ("reward", "done")
    value = bad if scalar or not np.isscalar(bad) or isinstance(bad, str) else np.full(STATE_DIM, bad)
    transitions[at] = transition(**{field: value})
    with pytest.raises(ValueError, match=rf"^{field} of transition {at}: expected"):
        Episode(transitions)


@pytest.mark.parametrize("field", Transition.__dataclass_fields__)
def test_a_transition_of_another_shape_is_named_with_its_field(field):
    for wrong in (np.zeros(7), np.zeros((2, 2))):
        with pytest.raises(ValueError, match=rf"^{field} of transition 1: expected .*, got shape "):
            Episode([transition(), transition(**{field: wrong})])


@pytest.mark.parametrize(("field", "shape"), [("next_state", (4,)), ("goal", (3,)), ("achieved_goal", (1,))])
def test_states_or_goals_of_two_sizes_are_refused(field, shape):
    with pytest.raises(ValueError, match=r"^(next_states|goals): expected shape \(1, \d\), as .* have, got"):
        Episode([transition(**{field: np.zeros(shape)})])


@pytest.mark.parametrize("goal", [np.zeros(3), np.zeros((1, 2)), [np.nan, 0], "here"])
def test_a_goal_that_does_not_fit_the_transitions_is_refused(goal):
    with pytest.raises(ValueError, match=r"^goal: expected"):
        Episode([transition()], goal=goal)


@pytest.mark.parametrize("wrong", [[], (), iter([])])
def test_an_empty_episode_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^transitions: an episode needs at least one transition, got none"):
        Episode(wrong)


def test_an_empty_episode_of_arrays_is_refused():
    with pytest.raises(ValueError, match=r"^transitions: an episode needs at least one transition, got none"):
        recorded_episode(0, 0)


@pytest.mark.parametrize("wrong", [None, 3, transition(), "abc", [1], [transition(), None], [{}]])
def test_an_episode_of_something_else_than_transitions_is_refused(wrong):
    with pytest.raises(TypeError, match=r"^transitions: expected Transition objects, got "):
        Episode(wrong)


@pytest.mark.parametrize("field", [*FIELDS[:5], "achieved_goals", "goal"])
@pytest.mark.parametrize("bad", [*NOT_FINITE, "far", None, "shorter", "a dimension more", "one number"])
@ignore_overflow
def test_a_bad_array_is_named(field, bad):
    arrays = recorded(1, np.arange(5))
    arrays["goal"] = arrays.pop("goals")
    if bad == "shorter":
        arrays[field] = arrays[field][:-1]
    elif bad == "a dimension more":
        arrays[field] = np.repeat(arrays[field][None], 5, axis=0)
    elif bad == "one number":
        arrays[field] = 1.0
    elif isinstance(bad, float):
        arrays[field] = arrays[field].astype(float)
        arrays[field][3 if len(arrays[field]) > 3 else 0] = bad
    else:
        arrays[field] = np.full(arrays[field].shape, bad, object)
    # with fewer achieved goals than the rest, the rest is what has the wrong length
    names = (
        "states" if (field, bad) == ("achieved_goals", "shorter") else f"{field}|goals" if field == "goal" else field
    )
    with pytest.raises(ValueError, match=rf"^({names}): expected"):
        Episode.from_arrays(**arrays)


def test_the_goal_of_an_episode_of_arrays_may_change_on_the_way():
    goals = [[1, 2], [3, 4]]
    arrays = recorded(0, [0, 1])
    arrays.pop("goals")
    episode = Episode.from_arrays(**arrays, goal=goals)
    assert (episode.goals.tolist(), episode.goal.tolist()) == (goals, goals[0])


@pytest.mark.parametrize("text", ["1", b"1", np.str_("0"), ["1", "2"], np.array(["1", "2", "3"])])
@pytest.mark.parametrize("field", Transition.__dataclass_fields__)
def test_numbers_that_are_written_as_texts_are_refused(field, text):
    with pytest.raises(ValueError, match=rf"^{field}( of transition 0)?: expected numbers, got "):
        Episode([transition(**{field: text})])
    arrays = recorded(1, np.arange(1))
    arrays["goal"] = arrays.pop("goals")
    name = field if field in arrays else f"{field}s"
    with pytest.raises(ValueError, match=rf"^{name}: expected numbers, got "):
        Episode.from_arrays(**arrays | {name: text})


def test_an_episode_keeps_what_it_was_given_whatever_becomes_of_the_arrays():
    arrays = {name: np.array(array) for name, array in recorded(2, np.arange(4)).items()}
    goals = arrays.pop("goals")
    goal = goals[0].copy()
    episodes = [
        Episode.from_arrays(**arrays, goal=goal),
        Episode.from_arrays(**arrays, goal=goals),
        Episode(recorded_episode(2, 4).transitions, goal=goal),
    ]
    for array in (*arrays.values(), goal, goals):
        array[...] = 99
    for episode in episodes:
        assert_same_transitions(episode, recorded_episode(2, 4))
        np.testing.assert_array_equal(episode.goal, recorded_episode(2, 4).goal)


# The store


def test_len_and_capacity_count_transitions():
    buffer = filled(capacity=20, lengths=(3, 4, 2))
    assert (len(buffer), buffer.capacity) == (9, 20)
    assert repr(buffer) == "GoalConditionedReplayBuffer(9 of 20 transitions)"


def test_the_oldest_episodes_go_whole_and_only_when_room_is_needed():
    buffer = filled(capacity=10, lengths=(4, 3, 3))
    assert stored(buffer) == whole(0, 4) + whole(1, 3) + whole(2, 3)
    buffer.store_episode(recorded_episode(3, 1))
    assert stored(buffer) == whole(1, 3) + whole(2, 3) + whole(3, 1)
    buffer.store_episode(recorded_episode(4, 3))
    assert stored(buffer) == whole(1, 3) + whole(2, 3) + whole(3, 1) + whole(4, 3)
    buffer.store_episode(recorded_episode(5, 10))
    assert stored(buffer) == whole(5, 10)
    assert len(buffer) == buffer.capacity == 10


def test_an_episode_that_does_not_fit_before_the_end_begins_at_the_first_row():
    buffer = filled(capacity=10, lengths=(4, 4))
    buffer.store_episode(recorded_episode(2, 3))
    assert stored(buffer) == whole(1, 4) + whole(2, 3)
    assert buffer.live_rows().tolist() == [4, 5, 6, 7, 0, 1, 2]
    buffer.store_episode(recorded_episode(3, 1))
    assert stored(buffer) == whole(1, 4) + whole(2, 3) + whole(3, 1)
    buffer.store_episode(recorded_episode(4, 5))
    assert buffer.live_rows().tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(9, 25))
def test_episodes_lie_where_the_rule_of_the_ring_says(lengths, capacity):
    buffer, ring = plain_buffer(capacity), RingOfLists(capacity)
    for number, length in enumerate(lengths):
        buffer.store_episode(recorded_episode(number, length))
        ring.store(number, length)
        assert stored(buffer) == [pair for n in ring.order for pair in whole(n, lengths[n])]
        rows = buffer.live_rows()
        assert [ring.rows[row] for row in rows] == [n for n, _ in stored(buffer)]
        position, length_so_far = positions(buffer, rows)
        assert position.tolist() == [t for _, t in stored(buffer)]
        assert length_so_far.tolist() == [lengths[n] for n, _ in stored(buffer)]
        assert len(buffer) == len(rows) <= capacity
        assert (np.diff(buffer.number[rows]) > 0).all()
        assert (buffer.number[rows] % capacity == rows).all()
        empty = np.setdiff1d(np.arange(capacity), rows)
        assert (buffer.number[empty] == -1).all()


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_real_transitions_come_back_exactly_as_they_were_stored(lengths):
    buffer = filled(capacity=12, lengths=lengths)
    batch = buffer.sample(60)
    expected = recorded(*batch.achieved_goals.T)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(batch, name), expected[name], err_msg=name)
    assert not batch.relabelled.any()
    assert (batch.goal_indices == -1).all()
    assert (batch.weights == 1).all()


def test_an_episode_longer_than_the_capacity_is_refused():
    buffer = filled(capacity=5, lengths=(2,))
    with refused(buffer, ValueError, "capacity: an episode of 6 transitions does not fit into capacity="):
        buffer.store_episode(recorded_episode(1, 6))
    buffer.store_episode(recorded_episode(1, 5))


@pytest.mark.parametrize("wrong", [None, [], transition(), {"states": 1}])
def test_only_an_episode_can_be_stored(wrong):
    buffer = filled()
    with refused(buffer, TypeError, "episode: expected an Episode, got "):
        buffer.store_episode(wrong)


@pytest.mark.parametrize(
    ("changed", "named"), [((4, 2, 2), "states"), ((3, 1, 2), "actions"), ((3, 2, 3), r"(achieved_)?goals")]
)
def test_an_episode_of_other_sizes_is_refused(changed, named):
    buffer = plain_buffer(20, dims=changed)
    with refused(buffer, ValueError, rf"{named}: expected shape \(4, \d\), as given by .*_dim=\d, got \(4, \d\)"):
        buffer.store_episode(recorded_episode(0, 4))


@pytest.mark.parametrize("argument", ["capacity", "state_dim", "action_dim", "goal_dim"])
@pytest.mark.parametrize("wrong", [0, -3, 2.5, 4.0, True, "4", None, np.nan])
def test_a_size_that_is_no_positive_integer_is_refused(argument, wrong):
    sizes = dict(capacity=10, state_dim=3, action_dim=2, goal_dim=2)
    with pytest.raises(ValueError, match=rf"^{argument}: expected a positive integer, got "):
        her.GoalConditionedReplayBuffer(**sizes | {argument: wrong})


@pytest.mark.parametrize("seed", [-1, 1.5, "a", [1, -2], {}])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match=r"^seed: expected an integer of at least 0, a SeedSequence or None, got "):
        plain_buffer(seed=seed)


@pytest.mark.parametrize("transitions", ["td", 3, object(), UniformTransitions, {}])
def test_what_cannot_choose_transitions_is_refused(transitions):
    with pytest.raises(TypeError, match=r"^transitions: expected a TransitionSampler, got "):
        plain_buffer(transitions=transitions)


# Sampling


@pytest.mark.parametrize("wrong", [0, -1, 2.5, 3.0, True, "8", None, np.nan])
def test_a_batch_size_that_is_no_positive_integer_is_refused(wrong):
    buffer = filled()
    with refused(buffer, ValueError, "batch_size: expected a positive integer, got "):
        buffer.sample(wrong)


def test_an_empty_buffer_cannot_be_sampled():
    buffer = plain_buffer()
    with refused(buffer, ValueError, "batch_size: cannot draw 4 transitions from an empty buffer"):
        buffer.sample(4)


def some_buffers():
    yield "first lap", filled(30, (7, 1, 4))
    yield "later lap", filled(12, (7, 4, 5, 2))
    yield "with a gap", filled(12, (5, 5, 3, 1))
    uneven = her_buffer(60, k=0, n_envs=3)
    for number, length in enumerate((1, 2, 9)):
        uneven.store_episode(recorded_episode(number, length))
    yield "uneven rings", uneven
    with_empty = her_buffer(60, k=0, n_envs=3)
    with_empty.store_episode(recorded_episode(0, 4))
    yield "empty rings", with_empty
    opened = her_buffer(24, k=0, n_envs=3)
    for t in range(11):
        opened.add(**step([t // 3, 10 + t // 5, 20 + t], [t % 3, t % 5, 0], ends=[t % 3 == 2, t % 5 == 4, True]))
    yield "open and wrapped", opened


each_buffer = pytest.mark.parametrize("buffer", [pytest.param(b, id=name) for name, b in some_buffers()])


@each_buffer
def test_every_stored_transition_is_drawn_equally_often(buffer):
    rows = buffer.live_rows()
    drawn = buffer.sample(300 * len(rows)).indices % buffer.capacity
    counts = np.bincount(drawn, minlength=rows.max() + 1)
    assert counts.sum() == counts[rows].sum()  # nothing but what is stored
    assert looks_uniform(counts[rows])


@each_buffer
def test_fractions_of_what_is_stored_are_its_rows_in_order(buffer):
    n = len(buffer)
    np.testing.assert_array_equal(buffer.rows_at((np.arange(3 * n) + 0.5) / (3 * n)), np.repeat(buffer.live_rows(), 3))
    assert buffer.rows_at(np.array([0.0, np.nextafter(1, 0)])).tolist() == buffer.live_rows()[[0, -1]].tolist()


def test_draws_within_and_between_batches_are_independent():
    buffer = filled(10, (10,))
    pairs = [tuple(buffer.sample(2).indices) for _ in range(4000)]
    counts = np.zeros((10, 10))
    np.add.at(counts, tuple(np.transpose(pairs)), 1)
    assert looks_uniform(counts.ravel())


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    one, same, other = (filled(seed=seed) for seed in (5, 5, 6))
    for _ in range(3):
        batch = one.sample(50)
        assert_same_batch(batch, same.sample(50))
        assert (batch.indices != other.sample(50).indices).any()
    assert (one.sample(50).indices != one.sample(50).indices).any()


def test_a_batch_has_the_shapes_and_types_it_says():
    batch = filled().sample(7)
    shapes = dict(states=(7, STATE_DIM), actions=(7, ACTION_DIM), next_states=(7, STATE_DIM), weights=(7,))
    shapes |= dict(goals=(7, GOAL_DIM), achieved_goals=(7, GOAL_DIM), rewards=(7,))
    for name, shape in shapes.items():
        assert (getattr(batch, name).shape, getattr(batch, name).dtype) == (shape, np.float32), name
    assert batch.dones.dtype == batch.relabelled.dtype == bool
    assert batch.dones.shape == batch.relabelled.shape == batch.indices.shape == batch.goal_indices.shape == (7,)
    assert len(batch) == 7
    assert isinstance(batch, Batch)


def test_a_batch_of_tensors_joins_state_and_goal_and_shares_the_memory():
    torch = pytest.importorskip("torch")
    batch = filled(lengths=(9,) * 2).sample(16)
    tensors = batch.torch()
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    np.testing.assert_array_equal(tensors.observations, np.hstack([batch.states, batch.goals]))
    np.testing.assert_array_equal(tensors.next_observations, np.hstack([batch.next_states, batch.goals]))
    for name in ("actions", "rewards", "dones", "weights"):
        np.testing.assert_array_equal(getattr(tensors, name), getattr(batch, name), err_msg=name)
    batch.states[0, 0] = 77
    assert tensors.observations[0, 0] == 77


def scribble(thing):
    for name in (*FIELDS, "goal", "relabelled", "indices", "weights"):
        array = getattr(thing, name, None)
        if array is not None and array.flags.writeable:
            array[...] = 99


def test_changing_a_batch_changes_nothing_stored():
    buffer = filled()
    buffer.sample(30)
    scribble(buffer.sample(30))
    untouched = filled()
    untouched.sample(30)
    untouched.sample(30)
    assert snapshot(buffer) == snapshot(untouched)
    assert_same_batch(buffer.sample(30), untouched.sample(30))


def test_changing_the_arrays_after_storing_changes_nothing_stored():
    buffer, episode = plain_buffer(), recorded_episode(2, 4)
    buffer.store_episode(episode)
    before = snapshot(buffer)
    scribble(episode)
    assert snapshot(buffer) == before


def test_what_is_stored_can_be_looked_at_and_not_written_to():
    buffer = filled()
    for name in ("states", "actions", "next_states", "rewards"):
        view = getattr(buffer, name)
        assert len(view) == buffer.capacity
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 0
    buffer.dones[...] = True
    assert not everything(buffer).dones.all()


# The choice of transitions plugged in


class Ledger(UniformTransitions):
    """Chooses the oldest transition, and keeps account of what it is told."""

    def __init__(self):
        self.alive, self.restored = set(), None

    def sample(self, buffer, n, rng):
        return buffer.live_rows()[:1].repeat(n), np.full(n, 0.25, np.float32)

    def stored(self, buffer, rows):
        assert self.alive.isdisjoint(rows.tolist())
        self.alive |= set(rows.tolist())

    def evicted(self, buffer, rows):
        assert self.alive >= set(rows.tolist())
        assert len(set(buffer.episode_start[rows])) == 1, "while an episode is dropped, it can still be looked at"
        self.alive -= set(rows.tolist())

    def state(self, buffer):
        return {"alive": np.arange(len(self.alive))}

    def restore(self, buffer, state):
        assert len(buffer) == len(state["alive"])
        self.restored = state


def test_the_choice_of_transitions_is_a_plug_and_its_weights_come_with_the_batch():
    buffer = filled(transitions=Ledger())
    batch = buffer.sample(5)
    assert identities(batch.achieved_goals) == [(0, 0)] * 5
    assert (batch.weights == 0.25).all()


def test_what_chooses_transitions_is_told_what_comes_and_what_goes():
    buffer = filled(13, (4, 3, 5, 4, 9, 1), transitions=Ledger())
    assert buffer.transitions.alive == set(buffer.live_rows().tolist())
    buffer = her_buffer(21, n_envs=3, transitions=Ledger())
    for t in range(40):
        buffer.add(**step([0, 1, 2], [t, t, t], ends=[t % 2, t % 5 == 0, t % 7 == 6]))
        assert buffer.transitions.alive == set(buffer.live_rows().tolist())


def test_what_chooses_transitions_is_saved_with_the_buffer(tmp_path):
    buffer, other = filled(transitions=Ledger()), plain_buffer(transitions=Ledger())
    buffer.save(tmp_path / "buffer")
    other.load(tmp_path / "buffer")
    np.testing.assert_array_equal(other.transitions.restored["alive"], np.arange(len(buffer)))


# Files


def play(buffer, times):
    """Steps of three environments, whose episodes have 3, 5 and 6 transitions."""
    lengths = np.array([3, 5, 6])
    for t in times:
        buffer.add(**step([0, 10, 20] + t // lengths, t % lengths, ends=t % lengths == lengths - 1))
    return buffer


def half_played(capacity=24, seed=0):
    """Open, closed and dropped episodes."""
    return play(her_buffer(capacity, k=0, n_envs=3, seed=seed), range(11))


@pytest.mark.parametrize("capacity", [24, 25, 90])
def test_a_loaded_buffer_goes_on_as_the_saved_one_would_have(tmp_path, capacity):
    buffer, loaded = half_played(), half_played(capacity, seed=9)
    buffer.sample(10)
    buffer.save(tmp_path / "buffer")
    loaded.load(tmp_path / "buffer")
    assert stored(loaded) == stored(buffer)
    assert_same_transitions(everything(loaded), everything(buffer))
    same_rings = capacity == 24
    assert_same_batch(loaded.sample(40), buffer.sample(40), but=[] if same_rings else ["indices"])
    for t in range(11, 30):
        play(buffer, [t])
        play(loaded, [t])
        if same_rings:  # larger ones drop less
            assert_same_batch(loaded.sample(40), buffer.sample(40))
        numbers, expected = np.transpose(stored(loaded))
        position, length = positions(loaded, loaded.live_rows())
        assert position.tolist() == expected.tolist()  # the open episodes went on
        assert length.tolist() == [np.count_nonzero(numbers == number) for number in numbers]


def test_whole_episodes_go_into_the_same_environment_after_loading(tmp_path):
    buffer, loaded = her_buffer(40, n_envs=2), her_buffer(40, n_envs=2)
    for number, length in enumerate((8, 9, 7, 6, 3, 1)):
        buffer.store_episode(recorded_episode(number, length))
    buffer.save(tmp_path / "buffer")
    loaded.load(tmp_path / "buffer")
    for either in (buffer, loaded):
        either.store_episode(recorded_episode(6, 9))
    assert stored(loaded) == stored(buffer)


def test_an_empty_buffer_can_be_saved_and_loaded(tmp_path):
    buffer = filled(seed=4)
    plain_buffer(seed=3).save(tmp_path / "empty")
    buffer.load(tmp_path / "empty")
    assert len(buffer) == 0
    for fresh in (buffer, filled_later := plain_buffer(seed=3)):
        fresh.store_episode(recorded_episode(0, 9))
    assert_same_batch(buffer.sample(30), filled_later.sample(30))


def test_the_file_has_exactly_the_name_that_was_given(tmp_path):
    for path in (tmp_path / "plain", tmp_path / "with.suffix", str(tmp_path / "text.npz")):
        filled().save(path)
    assert sorted(os.listdir(tmp_path)) == ["plain", "text.npz", "with.suffix"]


def test_a_file_holds_no_pickle(tmp_path):
    half_played().save(tmp_path / "buffer")
    with np.load(tmp_path / "buffer", allow_pickle=False) as file:
        assert all(file[name].dtype.kind in "fbiuU" for name in file.files)


class WriteAMark:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def saved_arrays(tmp_path):
    filled(seed=8).save(tmp_path / "good")
    with np.load(tmp_path / "good") as file:
        return dict(file)


DAMAGES = {
    "nothing": lambda path, arrays: path.write_bytes(b""),
    "a text": lambda path, arrays: path.write_text("no buffer at all"),
    "a pickle": lambda path, arrays: path.write_bytes(pickle.dumps(WriteAMark(path.with_name("mark")))),
    "a pickle inside": lambda path, arrays: np.savez(
        path.open("wb"), **arrays | {"rows": np.array([WriteAMark(path.with_name("mark"))], object)}
    ),
    "one array": lambda path, arrays: np.save(path.open("wb"), arrays["rows"]),
    "other arrays": lambda path, arrays: np.savez(path.open("wb"), weights=np.ones(3)),
    "half a file": lambda path, arrays: path.write_bytes((path.with_name("good")).read_bytes()[:-500]),
    **{
        f"no {name}": lambda path, arrays, name=name: np.savez(
            path.open("wb"), **{key: array for key, array in arrays.items() if key != name}
        )
        for name in ("rows", "achieved_goals", "episodes", "rings", "meta")
    },
    **{
        f"{name} = {value}": lambda path, arrays, name=name, value=value: np.savez(
            path.open("wb"), **arrays | {name: np.array(value)}
        )
        for name, value in {
            "rows": np.zeros((3, 3), np.float32),
            "achieved_goals": np.zeros((9, 3), np.float32),
            "episodes": [[0, 3], [3, 4], [7, 3]],
            "episodes ": [[0, 3], [2, 4], [7, 2]],
            "episodes  ": [[0, 0], [0, 7], [7, 2]],
            "episodes   ": [[0, 3], [3, 4], [18, 2]],
            "episodes    ": [[7, 2], [3, 4], [0, 3]],
            "episodes     ": [[0, 3], [3, 4], [-1, 2]],
            "rings": [[-9, 0, 0]],
            "rings ": [[9, 0, 1]],
            "rings  ": [[9, 0]],
            "meta": "{}",
        }.items()
        for name in [name.strip()]
    },
    **{
        f"{value} among the rows": lambda path, arrays, value=value: np.savez(
            path.open("wb"),
            **arrays | {"rows": np.where(np.arange(arrays["rows"].shape[1]) == 4, value, arrays["rows"])},
        )
        for value in (np.nan, -np.inf)
    },
    "a later format": lambda path, arrays: np.savez(
        path.open("wb"), **arrays | {"meta": np.array(str(arrays["meta"]).replace('"format": ', '"format": 9'))}
    ),
    "another generator": lambda path, arrays: np.savez(
        path.open("wb"), **arrays | {"meta": np.array(str(arrays["meta"]).replace("PCG64", "MT19937"))}
    ),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_file_is_refused_and_never_run(tmp_path, damage):
    buffer, path = filled(lengths=(5, 6)), tmp_path / "buffer"
    DAMAGES[damage](path, saved_arrays(tmp_path))
    with refused(buffer, ValueError, "path: .*buffer' is no saved replay buffer, or a damaged one"):
        buffer.load(path)
    assert not (tmp_path / "mark").exists()


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path):
    saved, path, rng = filled(seed=8), tmp_path / "buffer", np.random.default_rng(0)
    saved.save(path)
    good, noticed = path.read_bytes(), 0
    for position in rng.integers(len(good), size=150):
        damaged = bytearray(good)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        buffer = filled(lengths=(5, 6))
        before = snapshot(buffer)
        try:
            buffer.load(path)
            refusal = None
        except ValueError as error:
            refusal = str(error)
        if refusal is None:
            assert_same_transitions(everything(buffer), everything(saved))
        else:
            noticed += refusal.startswith("path: ")
            assert snapshot(buffer) == before
    assert noticed > 75


@pytest.mark.parametrize("other", [(4, 2, 2), (3, 1, 2), (3, 2, 1)])
def test_a_file_of_other_sizes_is_refused(tmp_path, other):
    filled().save(tmp_path / "buffer")
    buffer = plain_buffer(dims=other)
    with refused(buffer, ValueError, r"path: holds \(state_dim, action_dim, goal_dim\) = \(3, 2, 2\), this buffer has"):
        buffer.load(tmp_path / "buffer")


def test_a_file_of_another_number_of_environments_is_refused(tmp_path):
    half_played().save(tmp_path / "buffer")
    buffer = her_buffer()
    with refused(buffer, ValueError, "path: holds a buffer of n_envs=3, this one has n_envs=1"):
        buffer.load(tmp_path / "buffer")


def test_more_than_fits_is_refused(tmp_path):
    filled(20, (5, 6)).save(tmp_path / "buffer")
    buffer = filled(10, (2,))
    with refused(buffer, ValueError, "capacity: 11 stored transitions do not fit into capacity=10"):
        buffer.load(tmp_path / "buffer")
    plain_buffer(11).load(tmp_path / "buffer")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    buffer = filled()
    before = snapshot(buffer)
    with pytest.raises(FileNotFoundError):
        buffer.load(tmp_path / "nothing")
    assert snapshot(buffer) == before


@pytest.mark.parametrize("failing", ["numpy.savez", "os.fsync", "os.replace"])
def test_a_failing_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing):
    def fail(*args, **kwargs):
        if failing == "numpy.savez":
            args[0].write(b"half of it")
        raise OSError("disk full")

    path = tmp_path / "buffer"
    filled(seed=8).save(path)
    before = path.read_bytes()
    monkeypatch.setattr(failing, fail)
    with pytest.raises(OSError, match="disk full"):
        filled(lengths=(9, 9)).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["buffer"]


def test_saving_over_a_file_replaces_it(tmp_path):
    path, buffer = tmp_path / "buffer", plain_buffer()
    filled(lengths=(9, 9)).save(path)
    filled(lengths=(2,)).save(path)
    buffer.load(path)
    assert stored(buffer) == whole(0, 2)
    assert os.listdir(tmp_path) == ["buffer"]
