"""Which transition: priorities by TD error and by rank; any priority combines with any goals."""

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
    positions,
    recorded_episode,
    refused,
    snapshot,
    step,
)
from scipy.stats import chisquare

from her import GoalSelectionStrategy, HERConfig, HindsightExperienceReplay, PrioritizedHER
from her.cher import Cher
from her.energy import EnergyTransitions, MovedTransitions
from her.envs import BitFlipVectorEnv
from her.reach import ReachGoals
from her.td_error import ProportionalTransitions, RankTransitions

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


def set_errors(buffer, errors):
    """Give all stored transitions TD errors, oldest first."""
    buffer.update_priorities(buffer.number[buffer.live_rows()], errors)


def assert_drawn_as(buffer, expected):
    """Rows are drawn in proportion to these (capacity,) numbers."""
    rows = buffer.sample(60_000).indices % buffer.capacity
    counts, possible = np.bincount(rows, minlength=buffer.capacity), expected > 0
    assert not counts[~possible].any()
    expected = expected[possible] / expected.sum() * len(rows)
    assert expected.min() > 5
    assert chisquare(counts[possible], expected).pvalue > 1e-4


# Priorities by TD error


@pytest.mark.parametrize("lengths", [[20, 17], [10, 25, 40, 30, 7, 22, 13, 5], [60], [1] * 130])
def test_transitions_are_drawn_in_proportion_to_the_power_of_their_error(lengths):
    """Also after evictions, and where rows were left empty at the ring's end."""
    buffer = fill(prioritized(alpha=0.7, epsilon=0.05), lengths)
    errors = np.random.default_rng(1).normal(size=len(buffer))
    set_errors(buffer, errors)
    expected = np.zeros(60)
    expected[buffer.live_rows()] = (np.abs(errors) + 0.05) ** 0.7
    assert_drawn_as(buffer, expected)


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
    assert_drawn_as(buffer, expected)


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
        weights = (50 * priorities[batch.indices % 60] / priorities.sum()) ** -beta
        np.testing.assert_allclose(batch.weights, weights / weights.max(), rtol=1e-5)
        assert batch.weights.dtype == np.float32
        assert batch.weights.max() == 1


def test_without_alpha_sampling_is_uniform_and_weights_are_one():
    buffer = fill(prioritized(alpha=0.0), [20, 30])
    set_errors(buffer, np.arange(50.0))
    assert (buffer.sample(64).weights == 1).all()
    assert_drawn_as(buffer, np.repeat([1, 0], [50, 10]))


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
        open_steps = [ring.open for ring in buffer.rings]
        if what == "episode" and not all(open_steps):
            buffer.store_episode(recorded_episode(number, n))
        elif what == "add":
            if max(open_steps) + n > 20 // n_envs:
                buffer.end_episodes()
            for t in range(n):
                buffer.add(**step([number] * n_envs, [t] * n_envs, t == n - 1 and number % 2))
        elif what == "update" and len(buffer):
            batch = buffer.sample(n)
            assert np.isin(batch.indices % 20, buffer.live_rows()).all()
            buffer.update_priorities(batch.indices, np.arange(n))
        elif what == "load":
            path = tmp_path_factory.mktemp("saved") / "buffer.npz"
            buffer.save(path)
            buffer = her_buffer(20, transitions=SAMPLERS[priority](), n_envs=n_envs)
            buffer.load(path)
    live = buffer.live_rows()
    if priority in ("energy", "moved"):
        live = live[live == buffer.episode_start[live]]  # a recorded episode's states differ: each of them has moved
    assert set(np.flatnonzero(buffer.transitions.tree.values)) == set(live)
    if len(live):
        assert len(set(buffer.sample(2000).indices)) > len(buffer) / 2


# Errors come back late


def test_errors_of_transitions_that_were_overwritten_since_are_ignored():
    buffer = fill(prioritized(20, alpha=1.0, epsilon=0.5), [6, 6, 6])
    batch = buffer.sample(200)
    fill(buffer, [8])  # takes the place of the first two episodes, and leaves the last one as it was
    newer = buffer.sample(200)
    buffer.update_priorities(batch.indices, np.full(200, 9.0))
    old, new = np.split(buffer.live_rows(), [6])
    assert (set(buffer.transitions.priorities(old)), set(buffer.transitions.priorities(new))) == ({9.5}, {1.0})
    assert set(buffer.transitions.priorities(np.arange(8, 12))) == {0.0}  # empty
    assert buffer.transitions.largest == 9.5
    buffer.update_priorities(newer.indices, np.full(200, 2.0))
    assert set(buffer.transitions.priorities(buffer.live_rows())) == {2.5}


@pytest.mark.parametrize("copied", [np.array, list, lambda indices: indices.astype(np.int32)])
def test_a_copy_of_the_indices_will_do_however_old_the_batch(copied):
    """After every episode all batches so far come back; an error counts for the transition that it was of alone."""
    buffer, batches, errors = prioritized(20, alpha=1.0, epsilon=1.0), [], {}
    for number in range(30):
        fill(buffer, [1 + 5 * number % 8])
        batches.append(buffer.sample(50))
        for age, batch in enumerate(batches):
            buffer.update_priorities(copied(batch.indices), np.full(50, number + age / 64))
            errors |= dict.fromkeys(batch.indices.tolist(), number + age / 64)
        rows = buffer.live_rows()
        expected = [1 + errors.get(index, np.nan) for index in buffer.number[rows].tolist()]
        priorities = buffer.transitions.priorities(rows)
        seen = ~np.isnan(expected)
        np.testing.assert_allclose(priorities[seen], np.array(expected)[seen])
    assert max(errors) > 5 * 20  # five laps


def test_errors_from_before_loading_are_not_taken_for_those_of_other_transitions(tmp_path):
    buffer = fill(prioritized(20, alpha=1.0, epsilon=0.5), [5, 15, 5])
    buffer.save(tmp_path / "b.npz")
    fill(buffer, [10])
    batch = buffer.sample(200)
    buffer.load(tmp_path / "b.npz")
    still = np.isin(buffer.number[buffer.live_rows()], batch.indices)
    buffer.update_priorities(batch.indices, np.full(200, 9.0))
    np.testing.assert_array_equal(buffer.transitions.priorities(buffer.live_rows()), np.where(still, 9.5, 1.0))
    assert still.tolist() == [False] * 15 + [True] * 5


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
    buffer.update_priorities([61], [5.0])  # another transition lives there now
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
        ([-1, 1], [1.0, 1.0], "indices: expected .* from 0 to 59, got -1 to 1"),
        ([0, 60], [1.0, 1.0], "indices: expected .* from 0 to 59, got 0 to 60"),
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
        (lambda: named("loss"), "priority: expected one of 'td', 'rank', 'energy', 'moved', got 'loss'"),
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
    assert fill(named("energy", **OBJECT), [5]).report()["moved_share"] == 1.0
    settings = {"energy": OBJECT, "moved": {"position": OBJECT["position"]}}
    for priority, make in SAMPLERS.items():
        assert type(named(priority, **settings.get(priority, {})).transitions) is type(make())
        assert named(priority, **settings.get(priority, {})).report()  # of an empty buffer


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
    assert_drawn_as(buffer, expected)


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
    assert snapshot(buffer.transitions.tree) == snapshot(other.transitions.tree)
    one, two = (each.transitions.state(each) for each in (buffer, other))
    assert {name: snapshot(value) for name, value in one.items()} == {n: snapshot(value) for n, value in two.items()}


@pytest.mark.parametrize("priority", SAMPLERS)
def test_a_larger_buffer_takes_over_the_same_priorities(priority, tmp_path):
    buffer = fill(her_buffer(60, transitions=SAMPLERS[priority]()), [30, 20, 25, 12])
    buffer.update_priorities(buffer.number[buffer.live_rows()[:20]], np.arange(20))
    buffer.sample(1)
    buffer.save(tmp_path / "b.npz")
    other = her_buffer(200, transitions=SAMPLERS[priority]())
    other.load(tmp_path / "b.npz")
    one, two = (each.transitions.tree.values[each.live_rows()] for each in (buffer, other))
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
    assert set(by_rank.transitions.priorities(np.arange(60))) == {1.0, 0.0}
    by_energy = her_buffer(60, transitions=EnergyTransitions(**OBJECT))
    for name in ("plain", "td"):
        by_energy.load(tmp_path / name)
        assert by_energy.transitions.energies(by_energy).shape == (2,)
    for name in ("plain", "td"):
        plain.load(tmp_path / name)
        assert len(plain.sample(10)) == 10


def test_what_was_never_drawn_keeps_its_place_in_a_file(tmp_path):
    """Its priority is the largest of the time when it was stored, which may have been smaller than today's."""
    buffer = fill(prioritized(alpha=1.0), [5])
    buffer.update_priorities([0], [7.0])
    buffer.save(tmp_path / "b.npz")
    other = prioritized(alpha=1.0)
    other.load(tmp_path / "b.npz")
    np.testing.assert_allclose(other.transitions.priorities(np.arange(5)), [7.1, 1, 1, 1, 1])


def with_number(place, value):
    """Puts a value in this place of an array."""
    return lambda array: np.where(np.arange(array.size).reshape(array.shape) == place, value, array)


DAMAGES = [
    *[
        (name, change)
        for name in ("errors", "values")
        for change in (None, lambda array: array[:3], with_number(0, -1.0))
    ],
    ("errors", with_number(0, np.inf)),
    *[("values", with_number(0, value)) for value in (np.nan, np.inf)],
    *[("numbers", with_number(place, value)) for place in (2, 3) for value in (np.nan, np.inf, -1, "x")],
    *[("numbers", change) for change in (None, lambda array: array[None], lambda array: array[:3])],
]
DAMAGES_OF_RANKS = [
    *[("sorted", change) for change in (None, with_number(0, -1.0), with_number(0, "x"), lambda array: array[None])],
    *[
        ("updates", change)
        for change in (None, with_number(0, np.nan), with_number(0, -1), lambda array: array[None, None] + [1, 2])
    ],
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
    array = arrays.pop(f"transitions.{name}")
    np.savez(tmp_path / "bad.npz", **arrays | ({f"transitions.{name}": change(array)} if change else {}))
    with refused(buffer, ValueError, "path: .*bad.npz' is no saved replay buffer, or a damaged one"):
        buffer.load(tmp_path / "bad.npz")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda buffer: pickle.loads(pickle.dumps(buffer))])
@pytest.mark.parametrize("priority", SAMPLERS)
def test_a_copied_buffer_has_priorities_of_its_own(priority, copied):
    buffer = fill(her_buffer(60, transitions=SAMPLERS[priority]()), [20, 10])
    other = copied(buffer)
    np.testing.assert_array_equal(buffer.sample(32).indices, other.sample(32).indices)
    before = snapshot(buffer.transitions)
    fill(other, [40])
    set_errors(other, np.arange(len(other)))
    assert snapshot(buffer.transitions) == before


# Any priority with any goals


def check_goals(buffer, batch, strategy):
    """What every batch of `recorded` transitions must fulfil: goals from where the strategy says, rewards to match."""
    live, virtual = buffer.number[buffer.live_rows()], batch.relabelled
    assert np.isin(batch.indices, live).all()
    assert np.isin(batch.goal_indices[virtual], live).all()
    assert (batch.goal_indices[~virtual] == -1).all()
    number, position = batch.achieved_goals.T
    goal_number, goal_position = batch.goals.T
    np.testing.assert_array_equal(goal_number[~virtual], -1 - number[~virtual])
    goals = buffer.achieved_goals[batch.goal_indices[virtual] % buffer.capacity]
    np.testing.assert_array_equal(batch.goals[virtual], goals)
    np.testing.assert_array_equal(batch.rewards[virtual], match_reward(batch.achieved_goals, batch.goals)[virtual])
    _, length = positions(buffer, batch.indices % buffer.capacity)
    if strategy != "random":
        np.testing.assert_array_equal(goal_number[virtual], number[virtual])
    if strategy == "future":
        assert (goal_position >= position)[virtual].all()
    if strategy == "final":
        np.testing.assert_array_equal(goal_position[virtual], length[virtual] - 1)
    assert batch.weights.dtype == np.float32
    assert batch.weights.max() == 1
    assert (batch.weights > 0).all()
    assert abs(virtual.sum() - 0.8 * len(batch)) < 1


@pytest.mark.parametrize("goals", GOALS)
@pytest.mark.parametrize("priority", [*SAMPLERS, "uniform"])
@pytest.mark.parametrize("strategy", [strategy.value for strategy in GoalSelectionStrategy])
def test_any_priority_combines_with_any_strategy_and_any_curriculum(strategy, priority, goals):
    transitions = SAMPLERS[priority]() if priority in SAMPLERS else None
    buffer = her_buffer(60, strategy, transitions=transitions, goals=GOALS[goals](strategy), n_envs=2)
    for t in range(70):
        buffer.add(**step([t // 13, t // 9 + 20], [t % 13, t % 9], [t % 13 == 12, t % 9 == 8]))
    buffer.end_episodes()
    for n in (1, 2, 3, 64, 65, 200, 200, 200):
        batch = buffer.sample(n)
        assert len(batch) == n
        check_goals(buffer, batch, strategy)
        buffer.update_priorities(batch.indices, batch.rewards - 0.5 * np.arange(n))
        buffer.add(**step([n, n + 1000], [0, 0], [True, True]))


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
    import torch

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
    torch.save(state.pop("agent"), tmp_path / "agent.pt")
    second.buffer.load(tmp_path / "buffer.npz")
    second.load(state | {"agent": torch.load(tmp_path / "agent.pt", weights_only=True)})
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
    assert energy.buffer.transitions.physics["clip"] == 0.3
    without = Trainer(settings_for("her/Push-v0", n_envs=8, priority="energy", strategy="none"))
    assert isinstance(without.buffer.transitions, EnergyTransitions)


def test_unknown_priorities_are_refused_by_training():
    from her.training import settings_for
    from her.training.loop import make_buffer

    with pytest.raises(ValueError, match="priority: expected one of none, td, rank, energy, moved, got 'loss'"):
        settings_for("her/Push-v0", priority="loss")
    config = settings_for("her/BitFlip-v0", priority="energy")
    with pytest.raises(ValueError, match="tells nothing of an object"):
        make_buffer(BitFlipVectorEnv(2), config)
