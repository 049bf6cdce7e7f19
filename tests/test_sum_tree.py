"""The sum tree: rows in proportion to their values, however numbers are rounded."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from her.sum_tree import SumTree


class DeepTree(SumTree):
    """The same in small: three levels at 100 rows."""

    FAN_OUT, TOP = 4, 8


changes = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 1000)), max_size=40)


@given(st.lists(changes, min_size=1, max_size=6), st.lists(st.integers(0, 2**20 - 1), min_size=1, max_size=9))
def test_the_tree_finds_what_a_search_in_the_running_sum_finds(rounds, fractions):
    tree, reference = DeepTree(100), np.zeros(100)
    for change in rounds:
        tree.set(np.array([row for row, _ in change], int), np.array([value for _, value in change], float))
        for row, value in change:
            reference[row] = value
    np.testing.assert_array_equal(tree.values, reference)
    uniform, total = np.array(fractions) / 2**20, reference.sum()
    assert tree.total == total
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
            assert (probabilities > 0).all()


def test_a_target_beyond_the_last_sum_because_sums_are_rounded_falls_on_the_last_value():
    class WideTree(SumTree):
        TOP = 2

    rng, beyond = np.random.default_rng(0), 0
    for _ in range(500):
        tree = WideTree(32)
        tree.set(np.arange(1, 15), rng.random(14))
        beyond += tree.total > tree.values.cumsum()[-1]
        rows, _ = tree.draw(np.array([0.0, 1 - 2**-53]))
        assert rows.tolist() == [1, 14]
    assert beyond > 50


def test_sums_do_not_drift():
    rng = np.random.default_rng(0)
    tree, fresh = DeepTree(500), DeepTree(500)
    for _ in range(300):
        tree.set(rng.integers(0, 500, 20), 10.0 ** rng.uniform(-12, 12, 20))
    last, uniform = rng.random(500), rng.random(100_000)
    tree.set(np.arange(500), last)
    for row in range(500):
        fresh.set(np.array([row]), last[row])
    assert tree.total == pytest.approx(fresh.total, rel=1e-14)
    for one, other in zip(tree.draw(uniform), fresh.draw(uniform), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_a_tree_of_a_hundred_thousand_rows_draws_in_proportion():
    rng = np.random.default_rng(0)
    tree, new = SumTree(100_000), rng.random(100_000) ** 3
    tree.set(np.arange(100_000), new)
    rows, _ = tree.draw(rng.random(400_000))
    expected = new.reshape(400, 250).sum(axis=1)
    assert chisquare(np.bincount(rows // 250, minlength=400), expected / expected.sum() * 400_000).pvalue > 1e-4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree))])
def test_a_copied_tree_lives_on_its_own(copied):
    tree = DeepTree(100)
    tree.set(np.arange(100), 1.0)
    other = copied(tree)
    other.set(np.arange(99), 0.0)
    assert other.draw(np.array([0.0, 0.5]))[0].tolist() == [99, 99]
    assert tree.draw(np.array([0.0, 0.5]))[0].tolist() == [0, 50]
