"""Which transition: the sum tree, priorities by TD error, rank, energy, movement; they combine with everything."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_cases import (
    DIMS,
    her_buffer,
    match_reward,
    plain_buffer,
    recorded_episode,
    refused,
    snapshot,
    step,
)
from scipy.stats import chisquare

from her import Episode, GoalSelectionStrategy, HERConfig, HindsightExperienceReplay, PrioritizedHER
from her.curriculum import Cher, ReachGoals
from her.envs import BitFlipEnv, BitFlipVectorEnv, PushEnv, PushVectorEnv, ReachVectorEnv
from her.prioritized import (
    EnergyTransitions,
    MovedTransitions,
    ProportionalTransitions,
    RankTransitions,
    SumTree,
    trajectory_energy,
)

# Recorded rewards carry a bonus that the reward function does not know, so that their origin shows.
pytestmark = pytest.mark.filterwarnings("ignore:reward_function gives")

OBJECT = {"position": slice(1, 3), "dt": 1.0}  # the second half of a recorded state, which changes with every step
SAMPLERS = {
    "td": ProportionalTransitions,
    "rank": lambda: RankTransitions(sort_every=1),
    "energy": lambda: EnergyTransitions(**OBJECT),
    "moved": lambda: MovedTransitions(OBJECT["position"]),
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
        with pytest.raises(ValueError, match=r"^uniform: all values are 0"):
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


def test_a_target_beyond_the_last_sum_because_sums_are_rounded_falls_on_the_last_value():
    class WideTree(SumTree):
        TOP = 2

    rng, beyond = np.random.default_rng(0), 0
    for _ in range(500):
        tree = WideTree(32)
        tree.set(np.arange(1, 15), rng.random(14))
        beyond += bool(tree._levels[-1][0] > tree.values[:16].cumsum()[-1])
        rows, _ = tree.draw(np.array([0.0, 1 - 2**-53]))
        assert rows.tolist() == [1, 14]
    assert beyond > 50


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
            if buffer._open.max() + n > buffer._ring:
                buffer.end_episodes()
            for t in range(n):
                buffer.add(**step([number] * n_envs, [t] * n_envs, t == n - 1 and number % 2))
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
    if priority in ("energy", "moved"):
        start, position, _ = buffer.episodes_of(live)
        live = start[position == 0]  # all of a recorded episode's states differ: each of them has moved
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


def test_errors_that_still_carry_a_gradient_are_refused_by_name():
    torch = pytest.importorskip("torch")
    buffer = fill(prioritized(), [10])
    with refused(buffer, ValueError, "td_errors: expected numbers, got tensor.*detach"):
        buffer.update_priorities([0, 1], torch.ones(2, requires_grad=True))
    buffer.update_priorities([0, 1], torch.ones(2))


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
        (lambda: ProportionalTransitions(alpha="0.6"), "alpha: expected a number at least 0, got '0.6'"),
        (lambda: ProportionalTransitions(alpha=True), "alpha: expected a number at least 0, got True"),
        (lambda: ProportionalTransitions(beta=None), r"beta: expected a number in \[0, 1\], got None"),
        (lambda: ProportionalTransitions(epsilon=[0.1]), r"epsilon: expected a number above 0, got \[0.1\]"),
        (lambda: RankTransitions(sort_every=0), "sort_every: expected a positive integer, got 0"),
        (lambda: EnergyTransitions(slice(0, 2), dt=0.0), "dt: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), dt=None), "dt: expected a number above 0, got None"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, mass=0.0), "mass: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, floor=0.0), "floor: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, clip=-1.0), "clip: expected a number above 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, temperature=-1.0), "temperature: expected a number at least 0"),
        (lambda: EnergyTransitions(slice(0, 2), 1.0, gravity=-1.0), "gravity: expected a number at least 0"),
        (lambda: named("loss"), "priority: expected one of 'td', 'rank', 'energy', 'moved', got 'loss'"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


@pytest.mark.parametrize(
    "position",
    [0, 2, None, "x", [0, 1], slice("a", 2), slice(0, 3, 0), slice(3, 6), slice(3, 0), slice(1, 4), slice(5)],
)
@pytest.mark.parametrize("priority", ["energy", "moved"])
def test_a_position_that_is_no_slice_of_the_state_is_refused_when_the_buffer_is_made(priority, position):
    sampler = EnergyTransitions(position, dt=0.1) if priority == "energy" else MovedTransitions(position)
    make = named if priority == "moved" else lambda *args, **settings: named(*args, **settings, dt=0.1)
    for attempt in (lambda: make(priority, position=position), lambda: plain_buffer(transitions=sampler)):
        with pytest.raises(ValueError, match=r"^position: expected a slice of . to 3 numbers of a state"):
            attempt()


def test_the_energy_needs_two_or_three_numbers_and_a_movement_any():
    dims = (5, 1, 1)
    for position in (slice(0, 1), slice(0, 4)):
        with pytest.raises(ValueError, match=r"^position: expected a slice of 2 to 3 numbers"):
            plain_buffer(dims=dims, transitions=EnergyTransitions(position, dt=0.1))
        plain_buffer(dims=dims, transitions=MovedTransitions(position))
    for position in (slice(2), slice(-3, None), slice(2, 5), slice(np.int64(1), np.int64(3))):
        plain_buffer(dims=dims, transitions=EnergyTransitions(position, dt=0.1))


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


# By rank


def test_probabilities_by_rank_are_one_over_the_rank():
    buffer = fill(her_buffer(60, transitions=RankTransitions(alpha=0.7, sort_every=1)), [20, 17, 30])
    errors = np.random.default_rng(0).normal(size=len(buffer))
    set_errors(buffer, errors)
    buffer.sample(1)  # sorts
    expected = np.zeros(60)
    expected[buffer.live_rows()] = (1 + np.argsort(np.argsort(-np.abs(errors)))) ** -0.7
    np.testing.assert_allclose(buffer.transitions.priorities(np.arange(60)), expected)
    assert chi_square(frequencies(buffer), expected) > 1e-4


def test_equal_errors_share_the_best_of_their_ranks_and_what_was_never_drawn_is_first():
    buffer = fill(her_buffer(60, transitions=RankTransitions(alpha=1.0, sort_every=1)), [6])
    buffer.update_priorities(np.arange(4), [1.0, 3.0, -1.0, 0.5])
    buffer.sample(1)
    np.testing.assert_allclose(buffer.transitions.priorities(np.arange(6)), [1 / 4, 1 / 3, 1 / 4, 1 / 6, 1, 1])


def test_errors_are_sorted_once_in_a_while_and_ranked_by_the_last_sorting_until_then():
    buffer = fill(her_buffer(60, transitions=RankTransitions(alpha=1.0, sort_every=3)), [5])
    rows = np.arange(5)
    buffer.update_priorities(rows, [5.0, 4.0, 3.0, 2.0, 1.0])
    buffer.sample(1)  # the first sorting does not wait
    buffer.update_priorities([4], [3.5])
    buffer.sample(1)
    np.testing.assert_allclose(buffer.transitions.priorities(rows), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 3])
    for _ in range(2):
        buffer.update_priorities([4], [3.5])
    buffer.sample(1)
    np.testing.assert_allclose(buffer.transitions.priorities(rows), [1, 1 / 2, 1 / 4, 1 / 5, 1 / 3])


# By energy


def test_the_energy_of_a_push_is_half_of_its_speed_squared_for_each_time_it_speeds_up():
    """The agent starts 0.3 m behind the puck, at 1 m/s: it touches in the second step, pushes, rests, pushes again."""
    env = PushEnv()
    observation, _ = env.reset(options={"state": [-0.3, 0.0, 0.0, 0.0, 0.0, 0.0], "goal": [0.3, 0.0]})
    seen = [observation["observation"]]
    for speed in (1.0, 1.0, 1.0, 0.0, 0.5, 1.0):
        seen.append(env.step([speed, 0.0])[0]["observation"])
    seen = np.array(seen, float)
    positions, velocities = seen[:, PushEnv.object_position], seen[:, PushEnv.object_velocity]
    np.testing.assert_allclose(velocities[:, 0], [0, 0, 0.5, 1, 0, 0.5, 1], atol=1e-5)
    # ½·v²: 0, 0, 0.125, 0.5, 0, 0.125, 0.5; each rise counts, and no fall
    by_hand = 0.125 + 0.375 + 0.125 + 0.375
    assert trajectory_energy(positions, velocities) == pytest.approx(by_hand, abs=1e-5)
    assert trajectory_energy(positions, dt=PushEnv.dt) == pytest.approx(by_hand, abs=1e-4)
    assert trajectory_energy(positions, velocities, clip=0.2) == pytest.approx(0.125 + 0.2 + 0.125 + 0.2, abs=1e-5)
    assert trajectory_energy(positions, velocities, mass=2.0, clip=1.0) == pytest.approx(2 * by_hand, abs=1e-5)


def test_the_energy_of_a_fetch_trajectory_counts_height_and_speed():
    """Δt = 0.04 s: on the table, lifted by 2 cm, then 1 cm more and 4 mm aside, held, dropped."""
    start = np.array([1.3, 0.7, 0.42])
    path = start + np.array([[0, 0, 0], [0, 0, 0.02], [0.004, 0, 0.03], [0.004, 0, 0.03], [0.004, 0, 0.0]])
    energies = [
        0.0,
        9.81 * 0.02 + 0.5 * (0.02 / 0.04) ** 2,  # 0.1962 + 0.125
        9.81 * 0.03 + 0.5 * ((0.01 / 0.04) ** 2 + (0.004 / 0.04) ** 2),  # 0.2943 + 0.03625
        9.81 * 0.03,
        0.0 + 0.5 * (0.03 / 0.04) ** 2,  # 0.28125
    ]
    np.testing.assert_allclose(energies, [0.0, 0.3212, 0.33055, 0.2943, 0.28125])
    assert trajectory_energy(path) == pytest.approx(0.3212 + 0.00935)
    assert trajectory_energy(path, clip=0.3) == pytest.approx(0.3 + 0.00935)
    assert trajectory_energy(path, gravity=0.0, clip=9.0) == pytest.approx(0.125 + 0.28125)
    np.testing.assert_allclose(trajectory_energy([path, path[::-1]]).shape, (2,))


def test_what_nobody_touches_has_no_energy():
    assert trajectory_energy(np.full((51, 3), 0.4)) == 0
    assert trajectory_energy([[0.1, 0.2]]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0], [1.0]],), r"positions: expected shape \(…, T \+ 1, 2 or 3\), got \(2, 1\)"),
        (([0.0, 1.0],), "positions: expected shape"),
        ((np.zeros((0, 2)),), "positions: expected shape"),
        (([[0.0, np.nan]],), "positions: expected finite numbers, got nan"),
        ((np.zeros((3, 2)), np.zeros((2, 2))), r"velocities: expected shape \(3, 2\), as positions have, got \(2, 2\)"),
        ((np.zeros((1, 2)), [[np.inf, 0.0]]), "velocities: expected finite numbers, got inf"),
        ((np.zeros((3, 2)), None, -1.0), "mass: expected a number above 0, got -1.0"),
        ((np.zeros((3, 2)), None, 1.0, -9.81), "gravity: expected a number at least 0, got -9.81"),
        ((np.zeros((3, 2)), None, 1.0, 9.81, 0), "dt: expected a number above 0, got 0"),
        ((np.zeros((3, 2)), None, 1.0, 9.81, 0.04, "x"), "clip: expected a number above 0, got 'x'"),
    ],
)
def test_energies_of_nonsense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        trajectory_energy(*arguments)


def push_episode(path, goal=(9.0, 9.0)):
    """An episode of a puck along a path of (T + 1, 2): the states are its positions, as are the goals."""
    path = np.asarray(path, np.float32)
    n = len(path) - 1
    return Episode.from_arrays(path[:-1], np.zeros(n), np.full(n, -1.0), path[1:], np.zeros(n), path[1:], goal)


def energy_buffer(capacity=100, **settings):
    sampler = EnergyTransitions(slice(0, 2), dt=0.1, **settings)
    config = HERConfig("future", 4, match_reward)
    return HindsightExperienceReplay(capacity, 2, 1, 2, config, seed=0, transitions=sampler)


def random_paths(n, seed=0):
    rng = np.random.default_rng(seed)
    paths = [
        np.cumsum(rng.normal(size=(rng.integers(2, 30), 2)) * rng.choice([0, 0.01, 0.05]), axis=0) for _ in range(n)
    ]
    return [np.vstack([path[:1], path]) for path in paths]


def test_trajectories_are_drawn_by_their_energy_and_their_steps_uniformly():
    """After evictions and over the ring's end too, for episodes of any length."""
    buffer = energy_buffer(100, floor=0.02, temperature=0.5)
    paths = random_paths(25)
    for path in paths:
        buffer.store_episode(push_episode(path))
    _, position, length = buffer.episodes_of(buffer.live_rows())
    stored = paths[-int((position == 0).sum()) :]
    energies = np.array([trajectory_energy(path.astype(np.float32), dt=0.1) for path in stored])
    np.testing.assert_allclose(buffer.transitions.energies(buffer), energies, rtol=1e-6)
    assert (energies == 0).any()
    assert buffer._any_straddles
    of_episode = (energies + 0.02) ** (1 / 0.51)
    expected = np.zeros(100)
    expected[buffer.live_rows()] = np.repeat(of_episode / length[position == 0], length[position == 0])
    assert chi_square(frequencies(buffer), expected) > 1e-4
    assert (buffer.sample(50).weights == 1).all()
    report = buffer.transitions.report(buffer)
    assert report == {"mean_energy": pytest.approx(energies.mean()), "moved_share": (energies > 0).mean()}


def test_as_long_as_nobody_has_touched_anything_episodes_are_drawn_uniformly():
    buffer = energy_buffer()
    for n in (5, 10, 20):
        buffer.store_episode(push_episode(np.zeros((n + 1, 2))))
    expected = np.repeat([1 / 5, 1 / 10, 1 / 20], [5, 10, 20])
    assert chi_square(frequencies(buffer)[:35], expected) > 1e-4


def test_an_untouched_episode_remains_possible_beside_one_with_energy():
    buffer = energy_buffer(floor=0.01)
    for path in (np.zeros((6, 2)), np.linspace([0, 0], [1, 0], 11)):
        buffer.store_episode(push_episode(path))
    share = (frequencies(buffer)[:5]).sum() / 60_000
    expected = 0.01 ** (1 / 1.01) / (0.01 ** (1 / 1.01) + 0.51 ** (1 / 1.01))  # 1 m/s at once: ½ J, which is the clip
    assert share == pytest.approx(expected, rel=0.15)


def test_an_open_episode_has_the_energy_it_has_so_far():
    """Step by step, over the ring's end, as for whole episodes."""
    buffer, whole = energy_buffer(40), energy_buffer(40)
    for path in random_paths(12, seed=3):
        episode = push_episode(path)
        for t in range(len(episode)):
            fields = ("states", "actions", "rewards", "next_states", "dones", "goals", "achieved_goals")
            buffer.add(*(getattr(episode, name)[t : t + 1] for name in fields), [t == len(episode) - 1])
            so_far = trajectory_energy(path[: t + 2].astype(np.float32), dt=0.1)
            assert buffer.transitions.energies(buffer)[-1] == pytest.approx(so_far, rel=1e-6)
        whole.store_episode(episode)
    n = len(whole.transitions.energies(whole))
    np.testing.assert_array_equal(buffer.transitions.energies(buffer)[-n:], whole.transitions.energies(whole))


# By whether the object moved


def moved_buffer(capacity=100, **settings):
    config = HERConfig("future", 4, match_reward)
    sampler = MovedTransitions(slice(0, 2), **settings)
    return HindsightExperienceReplay(capacity, 2, 1, 2, config, seed=0, transitions=sampler)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 1.0])
def test_a_share_of_the_batch_comes_from_episodes_that_moved_the_object_and_all_else_from_everywhere(share):
    buffer = moved_buffer(60, share=share, distance=0.1)
    paths = [np.linspace([0, 0], [end, 0], n + 1) for end, n in ((0, 30), (0.09, 12), (0.11, 8), (0, 16), (1, 20))]
    for path in paths:  # the first one is dropped for the last one, which lies over the ring's end
        buffer.store_episode(push_episode(path))
    assert buffer._any_straddles
    assert len(buffer) == 56
    moved = np.repeat([False, True, False, True], [12, 8, 16, 20])
    expected = np.zeros(60)
    expected[buffer.live_rows()] = (1 - share) / 56 + share * moved / 28
    assert chi_square(frequencies(buffer), expected) > 1e-4
    assert (buffer.sample(50).weights == 1).all()
    assert buffer.transitions.report(buffer) == {"moved_share": 0.5}


def test_moved_there_and_back_is_moved_however_small_the_steps():
    buffer = moved_buffer(distance=0.1)
    there = np.linspace([0, 0], [0.15, 0], 20)
    for path in (np.vstack([there, there[::-1]]), np.zeros((11, 2))):
        buffer.store_episode(push_episode(path))
    assert buffer.transitions.report(buffer) == {"moved_share": 0.5}


def test_as_long_as_nothing_has_moved_all_transitions_are_drawn_alike():
    buffer = moved_buffer()
    assert buffer.transitions.report(buffer) == {"moved_share": 0.0}
    for n in (5, 10, 20):
        buffer.store_episode(push_episode(np.zeros((n + 1, 2))))
    assert chi_square(frequencies(buffer)[:35], np.ones(35)) > 1e-4


def test_an_open_episode_counts_from_the_step_on_that_moves_the_object():
    """Step by step, over the ring's end, and in the end as for whole episodes."""
    buffer, whole = moved_buffer(40), moved_buffer(40)
    for path in random_paths(12, seed=3):
        episode = push_episode(path)
        for t in range(len(episode)):
            fields = ("states", "actions", "rewards", "next_states", "dones", "goals", "achieved_goals")
            buffer.add(*(getattr(episode, name)[t : t + 1] for name in fields), [t == len(episode) - 1])
            newest = buffer.live_rows()[-1:]
            start, _, length = buffer.episodes_of(newest)
            has_moved = np.linalg.norm(np.float32(path[: t + 2]) - np.float32(path[0]), axis=1).max() > 0.02
            assert buffer.transitions._tree.values[start] == (length if has_moved else 0)
        whole.store_episode(episode)
    np.testing.assert_array_equal(buffer.transitions._tree.values > 0, whole.transitions._tree.values > 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 1.5}, r"share: expected a number in \[0, 1\]"),
        ({"distance": 0}, "distance: expected a number above 0"),
    ],
)
def test_wrong_settings_of_movement_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        moved_buffer(**settings)


def test_environments_tell_where_their_object_is():
    for env in (PushEnv(), PushVectorEnv(3)):
        sampler = EnergyTransitions.of(env, clip=0.25)
        assert (sampler.position, sampler.dt, sampler.clip) == (PushEnv.object_position, PushEnv.dt, 0.25)

    class Fetch:
        has_object, dt = True, 0.04

    class Vector:
        envs = (Fetch(),)

    for env in (Fetch(), Vector()):
        assert (EnergyTransitions.of(env).position, EnergyTransitions.of(env).dt) == (slice(3, 6), 0.04)
    Fetch.has_object = False  # FetchReach
    for env in (BitFlipEnv(), ReachVectorEnv(2), Fetch()):
        with pytest.raises(ValueError, match=r"^env: .* tells nothing of an object"):
            EnergyTransitions.of(env)
        with pytest.raises(ValueError, match=r"^env: .* tells nothing of an object"):
            MovedTransitions.of(env)
    assert MovedTransitions.of(PushVectorEnv(2), share=0.3).position == PushEnv.object_position


# Saving


@pytest.mark.parametrize("priority", SAMPLERS)
def test_a_loaded_buffer_goes_on_exactly_as_the_saved_one(priority, tmp_path):
    def make(seed):
        return her_buffer(60, transitions=SAMPLERS[priority](), seed=seed)

    def learn(buffer):
        batch = buffer.sample(16)
        buffer.update_priorities(batch.indices, batch.rewards * 3 + np.arange(16))
        return batch

    buffer = fill(make(0), [30, 20, 25, 12])
    for number in range(5):
        learn(buffer)
        buffer.store_episode(recorded_episode(number, 4))
    buffer.save(tmp_path / "b.npz")
    other = fill(make(5), [50])
    learn(other)
    other.load(tmp_path / "b.npz")
    for number in range(8):
        one, two = learn(buffer), learn(other)
        for name in ("states", "goals", "rewards", "weights", "relabelled", "indices"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        for each in (buffer, other):
            each.store_episode(recorded_episode(number, 7))
    assert snapshot(buffer.transitions._tree) == snapshot(other.transitions._tree)
    one, two = (each.transitions.state(each) for each in (buffer, other))
    assert {name: snapshot(value) for name, value in one.items()} == {n: snapshot(value) for n, value in two.items()}


@pytest.mark.parametrize("priority", SAMPLERS)
def test_a_larger_buffer_takes_over_the_same_priorities(priority, tmp_path):
    buffer = fill(her_buffer(60, transitions=SAMPLERS[priority]()), [30, 20, 25, 12])
    buffer.update_priorities(buffer.live_rows()[:20], np.arange(20))
    buffer.sample(1)
    buffer.save(tmp_path / "b.npz")
    other = her_buffer(200, transitions=SAMPLERS[priority]())
    other.load(tmp_path / "b.npz")
    one, two = (each.transitions._tree.values[each.live_rows()] for each in (buffer, other))
    np.testing.assert_array_equal(one, two)
    assert len(set(one)) > 1


def test_a_sampler_makes_do_with_the_file_of_another(tmp_path):
    plain = fill(her_buffer(60), [30, 20])
    by_error = fill(prioritized(), [30, 20])
    set_errors(by_error, np.arange(50.0))
    for name, buffer in (("plain", plain), ("td", by_error)):
        buffer.save(tmp_path / name)
    unseen = prioritized()
    unseen.load(tmp_path / "plain")
    assert set(unseen.transitions.priorities(np.arange(60))) == {1.0, 0.0}
    other_alpha = prioritized(alpha=1.0)
    other_alpha.load(tmp_path / "td")
    np.testing.assert_allclose(other_alpha.transitions.priorities(np.arange(50)), np.arange(50) + 0.1)
    by_rank = her_buffer(60, transitions=RankTransitions(alpha=1.0))
    by_rank.load(tmp_path / "td")
    np.testing.assert_allclose(by_rank.transitions.priorities(np.arange(50)), 1 / np.arange(50.0, 0.0, -1.0))
    by_energy = her_buffer(60, transitions=EnergyTransitions(**OBJECT))
    for name in ("plain", "td"):
        by_energy.load(tmp_path / name)
        assert by_energy.transitions.energies(by_energy).shape == (2,)
    plain.load(tmp_path / "td")
    assert len(plain.sample(10)) == 10


def test_what_was_never_drawn_keeps_its_place_in_a_file(tmp_path):
    """Its priority is the largest of the time when it was stored, which may have been smaller than today's."""
    buffer = fill(prioritized(alpha=1.0), [5])
    buffer.update_priorities([0], [7.0])
    buffer.save(tmp_path / "b.npz")
    other = prioritized(alpha=1.0)
    other.load(tmp_path / "b.npz")
    np.testing.assert_allclose(other.transitions.priorities(np.arange(5)), [7.1, 1, 1, 1, 1])


def with_first(value):
    """Puts a value in the place of an array's first number."""
    return lambda array: np.where(np.arange(array.size).reshape(array.shape) == 0, value, array)


DAMAGES = [
    *[(name, change) for name in ("errors", "values") for change in (None, lambda array: array[:3], with_first(-1.0))],
    ("errors", with_first(np.inf)),
    *[("values", with_first(value)) for value in (np.nan, np.inf)],
    *[(name, with_first(value)) for name in ("largest", "batches") for value in (np.nan, np.inf, -1, "x")],
    *[(name, change) for name in ("largest", "batches") for change in (None, lambda array: array[None])],
]
DAMAGES_OF_RANKS = [
    ("sorted", with_first(-1.0)),
    ("sorted", lambda array: array[None]),
    ("updates", with_first(np.nan)),
]


@pytest.mark.parametrize(
    ("priority", "name", "change"),
    [("td", *damage) for damage in DAMAGES] + [("rank", *damage) for damage in DAMAGES + DAMAGES_OF_RANKS],
)
def test_a_file_with_damaged_priorities_is_refused_and_changes_nothing(priority, name, change, tmp_path):
    saved, buffer = (fill(her_buffer(60, transitions=SAMPLERS[priority](), seed=seed), [30, 20]) for seed in (1, 2))
    set_errors(saved, np.arange(50.0))
    saved.sample(8)
    saved.save(tmp_path / "good")
    with np.load(tmp_path / "good") as file:
        arrays = dict(file)
    array = arrays.pop(f"sampler_{name}")
    np.savez(tmp_path / "bad.npz", **arrays | ({f"sampler_{name}": change(array)} if change else {}))
    with refused(buffer, ValueError, "path: .*bad.npz' is no saved replay buffer, or a damaged one"):
        buffer.load(tmp_path / "bad.npz")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda buffer: pickle.loads(pickle.dumps(buffer))])
@pytest.mark.parametrize("priority", SAMPLERS)
def test_a_copied_buffer_has_priorities_of_its_own(priority, copied):
    config = HERConfig("future", 4, match_reward)
    buffer = HindsightExperienceReplay(60, *DIMS, config, seed=0, transitions=SAMPLERS[priority]())
    fill(buffer, [20, 10])
    other = copied(buffer)
    np.testing.assert_array_equal(buffer.sample(32).indices, other.sample(32).indices)
    before = snapshot(buffer.transitions)
    fill(other, [40])
    other.update_priorities(other.live_rows(), np.arange(len(other)))
    assert snapshot(buffer.transitions) == before


# Any priority with any goals


def check_goals(buffer, batch, strategy):
    """What every batch of `recorded` transitions must fulfil: goals from where the strategy says, rewards to match."""
    live = buffer.live_rows()
    assert np.isin(batch.indices, live).all()
    number, position = batch.achieved_goals.T
    virtual = batch.relabelled
    goal_number, goal_position = batch.goals[virtual].T
    np.testing.assert_array_equal(batch.goals[~virtual][:, 0], -1 - number[~virtual])
    assert np.isin(batch.goal_indices[virtual], live).all()
    assert (batch.goal_indices[~virtual] == -1).all()
    np.testing.assert_array_equal(batch.goals[virtual], buffer.achieved_in(batch.goal_indices[virtual]))
    np.testing.assert_array_equal(batch.rewards[virtual], match_reward(batch.achieved_goals, batch.goals)[virtual])
    _, _, length = buffer.episodes_of(batch.indices[virtual])
    if strategy != "random":
        np.testing.assert_array_equal(goal_number, number[virtual])
    if strategy == "future":
        assert (goal_position >= position[virtual]).all()
    if strategy == "final":
        np.testing.assert_array_equal(goal_position, length - 1)
    assert batch.weights.dtype == np.float32
    assert batch.weights.max() == 1
    assert (batch.weights > 0).all()


@pytest.mark.parametrize("goals", GOALS)
@pytest.mark.parametrize("priority", [*SAMPLERS, "uniform"])
@pytest.mark.parametrize("strategy", [strategy.value for strategy in GoalSelectionStrategy])
def test_any_priority_combines_with_any_strategy_and_any_curriculum(strategy, priority, goals):
    transitions = SAMPLERS[priority]() if priority in SAMPLERS else None
    buffer = her_buffer(60, strategy, transitions=transitions, goals=GOALS[goals](strategy), n_envs=2)
    for t in range(70):
        buffer.add(**step([t // 13, t // 9 + 20], [t % 13, t % 9], [t % 13 == 12, t % 9 == 8]))
    buffer.end_episodes()
    shares = []
    for n in (1, 2, 3, 64, 65, 200, 200, 200):
        batch = buffer.sample(n)
        assert len(batch) == n
        check_goals(buffer, batch, strategy)
        buffer.update_priorities(batch.indices, batch.rewards - 0.5 * np.arange(n))
        buffer.add(**step([n, n + 1000], [0, 0], [True, True]))
        shares.append(batch.relabelled.mean())
    assert 0.72 < np.mean(shares[-3:]) < 0.88


@pytest.mark.parametrize("priority", SAMPLERS)
def test_priorities_need_no_hindsight(priority):
    buffer = fill(plain_buffer(60, transitions=SAMPLERS[priority]()), [30, 20])
    batch = buffer.sample(64)
    buffer.update_priorities(batch.indices, np.ones(64))
    assert batch.weights.max() == 1


def test_uniform_sampling_has_no_use_for_errors():
    buffer = fill(her_buffer(60), [30, 20])
    before = snapshot(buffer)
    buffer.update_priorities([0, 1], [1.0, 2.0])
    assert snapshot(buffer) == before


@pytest.mark.parametrize("priority", SAMPLERS)
def test_the_same_seed_gives_the_same_batches(priority):
    def batches():
        buffer = fill(her_buffer(60, transitions=SAMPLERS[priority]()), [30, 20, 25])
        for _ in range(4):
            batch = buffer.sample(32)
            buffer.update_priorities(batch.indices, batch.rewards + np.arange(32))
            yield batch.indices, batch.goals, batch.weights

    for one, two in zip(batches(), batches(), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


# In training


@pytest.mark.parametrize(
    "variant",
    [{"priority": "td"}, {"priority": "rank", "curriculum": "cher"}, {"priority": "td", "curriculum": "reach"}],
)
def test_a_run_with_priorities_that_was_interrupted_ends_as_if_it_had_not_been(variant, tmp_path):
    from her.runs import load_tensors, save_tensors
    from her.training import Trainer, settings_for

    config = settings_for("her/BitFlip-v0", {"n_bits": 6}, n_envs=8, capacity=200, updates_per_round=20, **variant)
    config = config.replace(max_steps=10 * 8 * 6)
    whole, first, second = Trainer(config), Trainer(config), Trainer(config)
    curve = [(p.success_rate, p.td_error) for p in whole.run()]
    assert len(curve) == 10
    for _ in range(6):
        first.round()
    first.buffer.save(tmp_path / "buffer.npz")
    state = first.state()
    save_tensors(tmp_path / "agent.npz", state.pop("agent"))
    second.buffer.load(tmp_path / "buffer.npz")
    second.load(state | {"agent": load_tensors(tmp_path / "agent.npz")})
    assert [(p.success_rate, p.td_error) for p in second.run()] == curve[6:]


def test_training_tells_the_buffer_its_errors_and_completes_the_weights():
    from her.training import Trainer, settings_for

    steps = 3 * 8 * 50
    trainer = Trainer(settings_for("her/Push-v0", n_envs=8, max_steps=steps, updates_per_round=30, priority="td"))
    for _ in trainer.run():
        pass
    assert trainer.buffer.transitions.beta == 1
    assert trainer.buffer.transitions.report(trainer.buffer)["unseen_share"] < 0.01
    energy = Trainer(settings_for("her/Push-v0", n_envs=8, priority="energy", priority_settings={"clip": 0.3}))
    assert energy.buffer.transitions.clip == 0.3
    without = Trainer(settings_for("her/Push-v0", n_envs=8, priority="energy", strategy="none"))
    assert isinstance(without.buffer.transitions, EnergyTransitions)


def test_unknown_priorities_are_refused_by_training():
    from her.training import make_buffer, settings_for

    with pytest.raises(ValueError, match="priority: expected one of none, td, rank, energy, moved, got 'loss'"):
        settings_for("her/Push-v0", priority="loss")
    config = settings_for("her/BitFlip-v0", priority="energy")
    with pytest.raises(ValueError, match="tells nothing of an object"):
        make_buffer(BitFlipVectorEnv(2), config)
