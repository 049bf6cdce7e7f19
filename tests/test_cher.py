"""CHER: batches whose goals differ from each other at first, and are near the desired ones later."""

import numpy as np
import pytest
from replay_cases import DIMS, goals_episode, her_buffer, match_reward, recorded_episode, refused
from scipy.stats import binomtest, chisquare

from her import CurriculumHER, HERConfig
from her.cher import Cher, pick_diverse
from her.td_error import ProportionalTransitions

# Recorded rewards carry a bonus that the reward function does not know.
pytestmark = pytest.mark.filterwarnings("ignore:reward_function gives")


def cher_buffer(capacity=60, dims=DIMS, k=4, transitions=None, **settings):
    config = HERConfig("future", k, match_reward)
    return CurriculumHER(capacity, *dims, config, curriculum="cher", seed=0, transitions=transitions, **settings)


# Picking


def objective(goals, cost, picked):
    """F(A) straight from the definition."""
    apart = np.linalg.norm(goals[:, None] - goals[None], axis=2)
    sigma = (apart + np.diag(np.full(len(goals), np.inf))).min(axis=1).mean()
    similar = np.exp(-((apart / sigma) ** 2))
    return similar[:, picked].max(axis=1).sum() - cost[picked].sum()


class Recording:
    """A generator of which one can see what it has drawn."""

    def __init__(self):
        self.rng, self.drawn = np.random.default_rng(0), []

    def permutation(self, n):
        self.drawn.append(self.rng.permutation(n))
        return self.drawn[-1]


def test_each_pick_is_the_best_of_its_three_candidates():
    """Against a reference that computes the whole objective for each of them."""
    rng, recording = np.random.default_rng(0), Recording()
    goals, cost = rng.normal(size=(20, 2)), 2 * rng.random(20)
    result = pick_diverse(goals.astype(np.float32), cost.astype(np.float32), 20, recording)
    left, picked = list(range(20)), []
    for drawn in recording.drawn:
        three = [left[place] for place in drawn[:3]]
        picked.append(max(three, key=lambda c: objective(goals, cost, [*picked, c])))
        left.remove(picked[-1])
    assert result.tolist() == picked


def test_three_candidates_are_different_and_uniform_among_those_left():
    """Of equal goals the cheapest of the three is picked. Of five it is the j-th with probability C(4-j, 2) / C(5, 3),
    and then of the four left with C(3-j, 2) / C(4, 3)."""
    rng, counts = np.random.default_rng(0), np.zeros((5, 5))
    for _ in range(6000):
        counts[tuple(pick_diverse(np.zeros((5, 1)), np.arange(5.0), 2, rng))] += 1
    expected = np.zeros((5, 5))
    for first, by_first in enumerate((6 / 10, 3 / 10, 1 / 10)):
        left = np.delete(np.arange(5), first)
        expected[first, left[:2]] = by_first * np.array([3 / 4, 1 / 4])
    possible = expected > 0
    assert not counts[~possible].any()
    assert chisquare(counts[possible], expected[possible] * 6000).pvalue > 1e-4


def test_nothing_is_picked_twice_and_picking_beats_chance():
    rng = np.random.default_rng(0)
    for _ in range(10):
        goals, cost = rng.normal(size=(128, 3)).astype(np.float32), rng.random(128).astype(np.float32)
        picked = pick_diverse(goals, cost, 64, rng)
        assert len(set(picked)) == 64
        by_chance = [objective(goals, cost, rng.choice(128, 64, replace=False)) for _ in range(50)]
        assert objective(goals, cost, picked) > max(by_chance)


@pytest.mark.parametrize(("m", "n"), [(0, 0), (1, 1), (2, 2), (3, 3), (20, 10), (20, 20)])
def test_goals_that_are_all_the_same_can_be_picked_too_down_to_the_last(m, n):
    picked = pick_diverse(np.full((m, 2), 0.3, np.float32), np.zeros(m), n, np.random.default_rng(0))
    assert len(set(picked)) == n
    assert set(picked) <= set(range(m))


# Batches


def cher_on_a_line(**settings):
    """Episodes that achieve numbers up to 10 and were to reach 9; every second stands still at 0 instead."""
    return on_a_line(cher_buffer(2000, (1, 1, 1), **settings))


def on_a_line(buffer):
    rng = np.random.default_rng(0)
    for number in range(100):
        buffer.store_episode(goals_episode(np.arange(10) + rng.random(10) if number % 2 else np.zeros(10), [9.0]))
    return buffer


def test_goals_that_cannot_be_subtracted_have_a_distance_too():
    desired, goals = np.zeros((8, 2), bool), np.ones((8, 2), bool)
    goals[0] = 0
    sampler = Cher(proximity=1.0, growth=1e9, growth_batches=1, group=8)
    sampler.pick(goals, desired, 4, np.random.default_rng(0))
    assert 0 in sampler.pick(goals, desired, 4, np.random.default_rng(0))


def test_at_first_diversity_counts_and_later_proximity():
    diverse, near = cher_on_a_line(proximity=0.0), cher_on_a_line(proximity=1e6)
    plain = on_a_line(her_buffer(2000, dims=(1, 1, 1)))
    still, distance = {}, {}
    for name, buffer in (("diverse", diverse), ("near", near), ("plain", plain)):
        batches = [buffer.sample(256) for _ in range(20)]
        goals = np.concatenate([batch.goals[batch.relabelled, 0] for batch in batches])
        still[name], distance[name] = (goals == 0).mean(), np.abs(9 - goals).mean()
    assert still["diverse"] < still["plain"] - 0.1  # the many equal goals cover each other
    assert distance["near"] < distance["diverse"] < distance["plain"]


def test_lambda_grows_with_every_batch_until_its_end():
    buffer = cher_on_a_line(proximity=0.5, growth=16, growth_batches=20)
    weights = []
    for step in range(30):
        report = buffer.report()
        assert report["step"] == step
        weights.append(report["proximity_weight"])
        buffer.sample(8)
    np.testing.assert_allclose(weights[:21], 0.5 * 16 ** (np.arange(21) / 20))
    np.testing.assert_allclose(weights[20:], 8)


@pytest.mark.parametrize("n", [1, 2, 5, 63, 64, 80, 81, 400])
def test_real_transitions_keep_their_share_and_batches_their_size(n):
    buffer = cher_on_a_line()
    relabelled = 0
    for _ in range(2000 // n + 1):
        batch = buffer.sample(n)
        assert len(batch) == n
        assert (batch.goals[~batch.relabelled] == 9).all()
        assert abs(batch.relabelled.sum() - 0.8 * n) < 1
        relabelled += int(batch.relabelled.sum())
    assert binomtest(relabelled, (2000 // n + 1) * n, 0.8).pvalue > 1e-4


def test_a_batch_size_is_looked_at_before_anything_is_drawn():
    buffer, other = (cher_buffer(dims=(1, 1, 1)) for _ in range(2))
    with refused(buffer, ValueError, "batch_size: cannot draw 4 transitions from an empty buffer"):
        buffer.sample(4)
    for each in (buffer, other):
        each.store_episode(goals_episode(np.arange(10), [5.0]))
    for wrong in (0, -1, 2.5, "8"):
        with refused(buffer, ValueError, "batch_size: expected a positive integer"):
            buffer.sample(wrong)
    np.testing.assert_array_equal(buffer.sample(np.uint8(200)).goals, other.sample(200).goals)


def test_every_place_of_a_batch_is_relabelled_as_often():
    buffer = cher_on_a_line()
    shares = np.mean([buffer.sample(100).relabelled for _ in range(300)], axis=0)
    assert np.abs(shares - 0.8).max() < 0.12


def test_picked_transitions_keep_their_importance_weights():
    transitions = ProportionalTransitions(alpha=1.0, beta=0.5, beta_batches=10**9)
    buffer = cher_buffer(transitions=transitions)
    for number, length in enumerate([20, 30]):
        buffer.store_episode(recorded_episode(number, length))
    errors = np.random.default_rng(0).exponential(size=50)
    buffer.update_priorities(np.arange(50), errors)
    batch = buffer.sample(100)
    weights = (errors[batch.indices] + transitions.epsilon) ** -0.5
    np.testing.assert_allclose(batch.weights, weights / weights.max(), rtol=1e-5)
    buffer.update_priorities(batch.indices, np.zeros(100))
    assert (transitions.priorities(np.unique(batch.indices)) == transitions.epsilon).all()


def test_without_hindsight_there_is_nothing_to_pick():
    buffer = cher_buffer(k=0)
    buffer.store_episode(recorded_episode(0, 10))
    assert not buffer.sample(20).relabelled.any()
    assert buffer.report()["step"] == 0
