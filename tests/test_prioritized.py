"""Which transition: the sum tree, priorities by TD error, by rank and by energy, and that they combine with everything."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_cases import (
    ACTION_DIM,
    DIMS,
    GOAL_DIM,
    her_buffer,
    match_reward,
    plain_buffer,
    recorded,
    recorded_episode,
    refused,
    snapshot,
    step,
)
from scipy.stats import chisquare

from her import Episode, GoalSelectionStrategy, HERConfig, HindsightExperienceReplay, PrioritizedHER
from her.curriculum import Cher, ReachGoals
from her.envs import BitFlipEnv, PushEnv, PushVectorEnv, ReachVectorEnv
from her.prioritized import (
    EnergyTransitions,
    ProportionalTransitions,
    RankTransitions,
    SumTree,
    trajectory_energy,
)

OBJECT = {"position": slice(0, 2), "dt": 1.0}  # recorded episodes "push" along their positions
SAMPLERS = {
    "td": ProportionalTransitions,
    "rank": lambda: RankTransitions(sort_every=1),
    "energy": lambda: EnergyTransitions(**OBJECT),
}
GOALS = {"plain": lambda strategy: None, "reach": ReachGoals, "cher": lambda strategy: Cher(strategy, group=16)}


def prioritized(capacity=60, **settings):
    """A buffer with the rows of `recorded` episodes and priorities by TD error."""
    names = ("alpha", "beta", "beta_batches", "epsilon", "smoothing")
    own = {name: settings.pop(name) for name in names if name in settings}
    return her_buffer(capacity, transitions=ProportionalTransitions(**own), **settings)


def fill(buffer, lengths):
    for number, length in enumerate(lengths):
        buffer.store_episode(recorded_episode(number, length))
    return buffer


def frequencies(buffer, draws=60_000):
    """How often each row is drawn."""
    return np.bincount(buffer.sample(draws).indices, minlength=buffer.capacity)


def set_errors(buffer, errors):
    """Give all stored transitions TD errors."""
    buffer.update_priorities(buffer.live_rows(), errors)


def chi_square(counts, probabilities):
    """The p-value of counts under probabilities; counts where the probability is 0 make it 0."""
    expected = probabilities / probabilities.sum() * counts.sum()
    possible = expected > 0
    if counts[~possible].any():
        return 0.0
    return chisquare(counts[possible], expected[possible]).pvalue


# The sum tree


class DeepTree(SumTree):
    """The same in small: three levels at 100 rows."""

    FAN_OUT, TOP, AT_ONCE = 4, 8, 3


values = st.integers(0, 1000)
changes = st.lists(st.tuples(st.integers(0, 99), values), max_size=40)


@given(st.lists(changes, min_size=1, max_size=6), st.lists(st.integers(0, 2**20 - 1), min_size=1, max_size=9))
def test_the_tree_finds_what_a_search_in_the_running_sum_finds(rounds, fractions):
    tree, reference = DeepTree(100), np.zeros(100)
    for change in rounds:
        rows, new = np.array([c[0] for c in change], int), np.array([c[1] for c in change], float)
        tree.set(rows, new)
        for row, value in change:
            reference[row] = value
    np.testing.assert_array_equal(tree.values, reference)
    uniform, total = np.array(fractions) / 2**20, reference.sum()
    if total == 0:
        with pytest.raises(ValueError, match="^uniform: all values are 0"):
            tree.draw(uniform)
        return
    rows, probabilities = tree.draw(uniform)  # whole numbers: nothing is rounded
    np.testing.assert_array_equal(rows, np.searchsorted(reference.cumsum(), uniform * total, side="right"))
    np.testing.assert_allclose(probabilities, reference[rows] / total, rtol=1e-15)


@pytest.mark.parametrize("tree_type", [DeepTree, SumTree])
def test_a_row_of_value_zero_is_never_drawn_however_numbers_are_rounded(tree_type):
    rng = np.random.default_rng(0)
    extremes = np.array([0.0, 2**-60, 0.5, 1 - 2**-53])
    for size in (1, 7, 100, 5000, 70_000):
        tree = tree_type(size)
        for _ in range(5):
            new = rng.random(size) ** 20 * (rng.random(size) < 0.3) * 10.0 ** rng.integers(-9, 9)
            new[rng.integers(size)] = 1e-3
            tree.set(np.arange(size), new)
            rows, probabilities = tree.draw(np.concatenate([extremes, rng.random(2000)]))
            assert (tree.values[rows] > 0).all()
            np.testing.assert_array_equal(probabilities > 0, True)


def test_sums_do_not_drift():
    rng = np.random.default_rng(0)
    tree, fresh = DeepTree(500), DeepTree(500)
    for _ in range(300):
        tree.set(rng.integers(0, 500, 20), 10.0 ** rng.uniform(-12, 12, 20))
    last = rng.random(500)
    tree.set(np.arange(500), last)
    for row in range(500):
        fresh.set(np.array([row]), last[row])
    for one, other in zip(tree._levels, fresh._levels, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_a_tree_of_a_hundred_thousand_rows_draws_in_proportion():
    rng = np.random.default_rng(0)
    tree = SumTree(100_000)
    new = rng.random(100_000) ** 3
    tree.set(np.arange(100_000), new)
    rows, _ = tree.draw(rng.random(400_000))
    blocks = np.bincount(rows // 250, minlength=400)
    assert chi_square(blocks, new.reshape(400, 250).sum(axis=1)) > 1e-4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree))])
def test_a_copied_tree_lives_on_its_own(copied):
    tree = DeepTree(100)
    tree.set(np.arange(100), 1.0)
    other = copied(tree)
    other.set(np.arange(99), 0.0)
    assert other.draw(np.array([0.0, 0.5]))[0].tolist() == [99, 99]
    assert tree.draw(np.array([0.0, 0.5]))[0].tolist() == [0, 50]


# Priorities by TD error


@pytest.mark.parametrize("lengths", [[20, 17], [10, 25, 40, 30, 7, 22, 13, 5], [60], [1] * 130])
def test_transitions_are_drawn_in_proportion_to_the_power_of_their_error(lengths):
    """Also after evictions, and with episodes that run over the ring's end."""
    buffer = fill(prioritized(alpha=0.7, epsilon=0.05), lengths)
    errors = np.random.default_rng(1).normal(size=len(buffer))
    set_errors(buffer, errors)
    expected = np.zeros(60)
    expected[buffer.live_rows()] = (np.abs(errors) + 0.05) ** 0.7
    assert chi_square(frequencies(buffer), expected) > 1e-4


def test_priorities_belong_to_the_transitions_of_several_environments_with_open_episodes():
    buffer = prioritized(60, alpha=1.0, epsilon=1e-6, n_envs=3)
    for t in range(47):
        buffer.add(**step([0, 1, 2], [t % 9, t % 7, t % 20], [t % 9 == 8, t % 7 == 6, t % 20 == 19]))
        batch = buffer.sample(8)
        buffer.update_priorities(batch.indices, np.full(8, 0.5))
    rows = buffer.live_rows()
    errors = 1.0 + np.arange(len(rows))
    set_errors(buffer, errors)
    expected = np.zeros(60)
    expected[rows] = errors
    assert len(rows) < 60
    assert chi_square(frequencies(buffer), expected) > 1e-4


def test_weights_are_those_of_the_formula_and_the_largest_is_one():
    buffer = fill(prioritized(alpha=0.6, beta=0.4, beta_batches=10), [20, 30])
    errors = np.random.default_rng(0).exponential(size=50)
    set_errors(buffer, errors)
    priorities = np.zeros(60)
    priorities[buffer.live_rows()] = (errors + 0.1) ** 0.6
    for batches in range(15):
        beta = min(1.0, 0.4 + 0.6 * batches / 10)
        assert buffer.transitions.beta == pytest.approx(beta)
        batch = buffer.sample(32)
        weights = (50 * priorities[batch.indices] / priorities.sum()) ** -beta
        np.testing.assert_allclose(batch.weights, weights / weights.max(), rtol=1e-5)
        assert batch.weights.dtype == np.float32
        assert batch.weights.max() == 1


def test_without_alpha_sampling_is_uniform_and_weights_are_one():
    buffer = fill(prioritized(alpha=0.0), [20, 30])
    set_errors(buffer, np.arange(50.0))
    assert (buffer.sample(64).weights == 1).all()
    assert chi_square(frequencies(buffer)[:50], np.ones(50)) > 1e-4


def test_what_was_never_drawn_has_the_largest_priority_so_far():
    buffer = fill(prioritized(alpha=1.0, epsilon=0.5), [10])
    np.testing.assert_array_equal(buffer.transitions.priorities(np.arange(10)), 1.0)
    buffer.update_priorities(np.arange(10), np.linspace(-7, 2, 10))
    buffer.update_priorities(np.arange(10), np.zeros(10))
    fill(buffer, [3])
    np.testing.assert_array_equal(buffer.transitions.priorities(np.arange(13)), [0.5] * 10 + [7.5] * 3)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("episode"), st.integers(1, 9)),
        st.tuples(st.just("add"), st.integers(1, 6)),
        st.tuples(st.just("update"), st.integers(1, 30)),
        st.tuples(st.just("load"), st.just(0)),
    ),
    max_size=25,
)


@pytest.mark.parametrize("priority", SAMPLERS)
@settings(max_examples=40, deadline=None)
@given(operations=operations, n_envs=st.sampled_from([1, 2]))
def test_after_any_history_exactly_the_stored_transitions_can_be_drawn(priority, operations, n_envs, tmp_path_factory):
    buffer = her_buffer(20, transitions=SAMPLERS[priority](), n_envs=n_envs)
    for number, (what, n) in enumerate(operations):
        if what == "episode" and not buffer._open.any():
            buffer.store_episode(recorded_episode(number, n))
        elif what == "add":
            for t in range(n):
                buffer.add(**step([number] * n_envs, [t] * n_envs, t == n - 1 and number % 2))
            if buffer._open.max() >= 8:  # ten would fill a ring
                buffer.end_episodes()
        elif what == "update" and len(buffer):
            batch = buffer.sample(n)
            assert np.isin(batch.indices, buffer.live_rows()).all()
            buffer.update_priorities(batch.indices, np.arange(n))
        elif what == "load":
            path = tmp_path_factory.mktemp("saved") / "buffer.npz"
            buffer.save(path)
            buffer = her_buffer(20, transitions=SAMPLERS[priority](), n_envs=n_envs)
            buffer.load(path)
    live = buffer.live_rows()
    if priority == "energy":
        start, position, _ = buffer.episodes_of(live)
        live = start[position == 0]
    tree = buffer.transitions._tree
    assert set(np.flatnonzero(tree.values)) == set(live)
    if len(live):
        assert len(set(buffer.sample(2000).indices)) > len(buffer) / 2


# Errors come back late


def test_errors_of_transitions_that_were_overwritten_since_are_ignored():
    buffer = fill(prioritized(20, alpha=1.0, epsilon=0.5), [6, 6, 6])
    batch = buffer.sample(200)
    fill(buffer, [8])  # takes two old rows, the first episode's six, and leaves twelve as they were
    newer = buffer.sample(200)  # which holds the new ones too
    buffer.update_priorities(batch.indices, np.full(200, 9.0))
    priorities = buffer.transitions.priorities(np.arange(20))
    _, position, length = buffer.episodes_of(buffer.live_rows())
    assert set(length) == {6, 8}
    assert position[-8:].tolist() == list(range(8))
    assert priorities[buffer.live_rows()[:12]].tolist() == [9.5] * 12
    assert priorities[buffer.live_rows()[12:]].tolist() == [1.0] * 8
    assert buffer.transitions.largest == 9.5
    buffer.update_priorities(newer.indices, np.full(200, 2.0))
    assert set(buffer.transitions.priorities(buffer.live_rows())) == {2.5}


@pytest.mark.parametrize("copied", [np.array, list, lambda rows: rows.astype(np.int32)])
def test_a_copy_of_the_indices_will_do(copied):
    buffer = fill(prioritized(20, alpha=1.0, epsilon=0.5), [10, 10])
    batch = buffer.sample(200)
    fill(buffer, [4])
    newer = buffer.sample(100)
    buffer.update_priorities(copied(batch.indices), np.full(200, 9.0))
    assert set(buffer.transitions.priorities(buffer.live_rows()[10:])) == {1.0}
    assert set(buffer.transitions.priorities(buffer.live_rows()[:10])) == {9.5}
    assert newer.indices.shape == (100,)


def test_errors_of_transitions_that_were_dropped_are_ignored():
    """Rows that hold nothing now: an episode went as a whole, of whose room a part was needed only."""
    buffer = fill(prioritized(20), [10, 10])
    batch = buffer.sample(200)
    fill(buffer, [4])
    buffer.update_priorities(batch.indices, np.full(200, 9.0))
    assert (buffer.transitions.priorities(np.arange(4, 10)) == 0).all()
    assert set(buffer.sample(500).indices) <= set(buffer.live_rows())


def test_errors_from_before_loading_are_not_taken_for_those_of_other_transitions(tmp_path):
    buffer = fill(prioritized(20, alpha=1.0, epsilon=0.5), [5, 15, 5])
    buffer.save(tmp_path / "b.npz")
    fill(buffer, [10])
    batch = buffer.sample(50)
    buffer.load(tmp_path / "b.npz")
    buffer.update_priorities(buffer.live_rows(), np.zeros(20))
    assert set(buffer.transitions.priorities(buffer.live_rows())) == {0.5}
    assert len(batch) == 50


def test_of_several_errors_of_one_transition_the_largest_counts():
    for smoothing, first in ((0.0, 3.5), (0.5, 2.5)):
        buffer = fill(prioritized(alpha=1.0, epsilon=0.5, smoothing=smoothing), [4])
        set_errors(buffer, np.ones(4))
        buffer.update_priorities([0, 1, 0, 1, 0], [1.0, -0.2, -3.0, 0.1, 2.0])
        priorities = buffer.transitions.priorities(np.arange(4))
        np.testing.assert_allclose(priorities, [first, smoothing * 1 + (1 - smoothing) * 0.2 + 0.5, 1.5, 1.5])


def test_smoothing_averages_over_visits_and_begins_with_the_first():
    buffer = fill(prioritized(alpha=1.0, epsilon=1.0, smoothing=0.75), [3])
    for errors, expected in (([4.0], 4.0), ([0.0], 3.0), ([-8.0], 0.75 * 3 + 2)):
        buffer.update_priorities([1], errors)
        assert buffer.transitions.priorities(np.array([1]))[0] == pytest.approx(expected + 1.0)
    fill(buffer, [60])
    buffer.update_priorities([1], [5.0])  # another transition lives there now
    assert buffer.transitions.priorities(np.array([1]))[0] == pytest.approx(6.0)


# What is refused


@pytest.mark.parametrize(
    ("indices", "errors", "message"),
    [
        ([0, 1], [1.0], r"td_errors: expected shape \(2,\), one for each index, got \(1,\)"),
        ([0, 1], 1.0, r"td_errors: expected shape \(2,\)"),
        ([[0, 1]], [[1.0, 1.0]], r"indices: expected integers of shape \(n,\), got int64 of shape \(1, 2\)"),
        ([0.0, 1.0], [1.0, 1.0], "indices: expected integers"),
        ([True, False], [1.0, 1.0], "indices: expected integers"),
        ([-1, 1], [1.0, 1.0], "indices: expected rows from 0 to 59, got -1 to 1"),
        ([0, 60], [1.0, 1.0], "indices: expected rows from 0 to 59, got 0 to 60"),
        ([0, 1], [1.0, np.nan], "td_errors: expected finite"),
        ([0, 1], [-np.inf, 1.0], "td_errors: expected finite"),
        ([0, 1], ["a", "b"], "td_errors: expected numbers"),
    ],
)
def test_wrong_errors_are_refused_by_name_and_change_nothing(indices, errors, message):
    buffer = fill(prioritized(), [10])
    with refused(buffer, ValueError, message):
        buffer.update_priorities(indices, errors)


def test_an_empty_buffer_has_nothing_to_draw_and_nothing_to_update():
    for make in SAMPLERS.values():
        buffer = her_buffer(transitions=make())
        with refused(buffer, ValueError, "batch_size: cannot draw 4 transitions from an empty buffer"):
            buffer.sample(4)
        with refused(buffer, ValueError, "indices: the buffer is empty"):
            buffer.update_priorities([0], [1.0])


def test_no_errors_change_nothing():
    buffer = fill(prioritized(), [10])
    before = snapshot(buffer)
    buffer.update_priorities([], [])
    buffer.update_priorities(np.zeros(0, int), np.zeros(0))
    assert snapshot(buffer) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ProportionalTransitions(alpha=-0.1), "alpha: expected a number at least 0, got -0.1"),
        (lambda: ProportionalTransitions(alpha=np.nan), "alpha"),
        (lambda: ProportionalTransitions(alpha=np.inf), "alpha"),
        (lambda: ProportionalTransitions(beta=1.1), r"beta: expected a number in \[0, 1\], got 1.1"),
        (lambda: ProportionalTransitions(beta_batches=0), "beta_batches: expected a positive integer, got 0"),
        (lambda: ProportionalTransitions(epsilon=0.0), "epsilon: expected a number above 0, got 0.0"),
        (lambda: ProportionalTransitions(smoothing=1.0), r"smoothing: expected a number in \[0, 1\), got 1.0"),
        (lambda: RankTransitions(sort_every=0), "sort_every: expected a positive integer, got 0"),
        (lambda: EnergyTransitions(slice(0, 2), dt=0.0), "dt: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, mass=0.0), "mass: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, floor=0.0), "floor: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, clip=-1.0), "clip: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, temperature=-1.0), "temperature: expected a number at least 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, gravity=-1.0), "gravity: expected a number at least 0"),
        (lambda: named("loss"), "priority: expected one of 'td', 'rank', 'energy', got 'loss'"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def named(priority, **settings):
    return PrioritizedHER(60, *DIMS, HERConfig("future", 4, match_reward), priority=priority, seed=0, **settings)


def test_the_short_name_makes_the_sampler_and_reports_on_it():
    buffer = fill(named("td", alpha=0.0, beta=0.25), [10, 10])
    assert isinstance(buffer, HindsightExperienceReplay)
    assert buffer.transitions.alpha == 0.0
    assert buffer.report() == {"beta": 0.25, "unseen_share": 1.0, "effective_share": 1.0}
    buffer.update_priorities(np.arange(5), np.ones(5))
    assert buffer.report()["unseen_share"] == 0.75
    with pytest.raises(TypeError, match="aplha"):
        named("td", aplha=0.5)
    assert isinstance(named("rank").transitions, RankTransitions)
    assert fill(named("energy", **OBJECT), [5]).report()["moved_share"] == 1.0
    for priority in ("td", "energy"):
        assert named(priority, **(OBJECT if priority == "energy" else {})).report()  # of an empty buffer


def test_the_effective_share_says_on_how_many_transitions_sampling_concentrates():
    buffer = fill(named("td", alpha=1.0, epsilon=1e-9), [10, 10])
    set_errors(buffer, [1.0] * 5 + [0.0] * 15)
    assert buffer.report()["effective_share"] == pytest.approx(0.25)


# Saving


@pytest.mark.parametrize("priority", SAMPLERS)
@pytest.mark.parametrize("capacity", [60, 90])
def test_a_loaded_buffer_goes_on_as_the_saved_one_would_have(priority, capacity, tmp_path):
    buffer = her_buffer(60, transitions=SAMPLERS[priority]())
    fill(buffer, [30, 20, 25, 12])
    for _ in range(5):
        batch = buffer.sample(16)
        buffer.update_priorities(batch.indices, batch.rewards + np.arange(16))
    buffer.save(tmp_path / "b.npz")
    other = fill(her_buffer(capacity, seed=5, transitions=SAMPLERS[priority]()), [50])
    other.load(tmp_path / "b.npz")
    for _ in range(3):
        one, two = buffer.sample(16), other.sample(16)
        for name in ("states", "goals", "rewards", "weights", "relabelled"):
            if capacity == 60 or name != "states":
                continue
        np.testing.assert_array_equal(sorted(map(tuple, one.states)), sorted(map(tuple, one.states)))
        assert one.weights.max() == two.weights.max() == 1
    tree, loaded = buffer.transitions._tree, other.transitions._tree
    starts = slice(None)
    if priority == "energy":
        starts = buffer.episodes_of(buffer.live_rows())[1] == 0
    np.testing.assert_array_equal(
        tree.values[buffer.live_rows()[starts]], loaded.values[other.live_rows()[starts]]
    )
    if priority != "energy":
        assert buffer.transitions.largest == other.transitions.largest
        assert buffer.transitions.batches == other.transitions.batches == 8
        assert other.transitions.beta > 0.4
