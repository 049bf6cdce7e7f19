"""Statistics say what they say they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.sweeps.statistics import bootstrap, iqm, ratio, steps_to_threshold, student

SEEDS = st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=1, max_size=6)  # coarse, so that there are ties
QUICK = settings(max_examples=25, deadline=None)


def test_iqm_is_the_mean_of_the_middle_half():
    assert iqm([0, 1, 2, 3, 4, 5, 6, 100]) == np.mean([2, 3, 4, 5])
    assert iqm([7.0]) == 7.0


def test_the_bootstrap_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [(e := bootstrap(rng.normal(size=30), np.mean)).low <= 0 <= e.high for _ in range(150)]
    assert 0.86 <= np.mean(hits) <= 0.99


@pytest.mark.parametrize("n", [3, 5])
def test_students_interval_covers_as_often_as_it_says_with_a_handful_of_seeds(n):
    rng = np.random.default_rng(0)
    hits = [(e := student(scores)).low <= 0 <= e.high for scores in rng.normal(size=(1_000, n))]
    assert 0.93 <= np.mean(hits) <= 0.97


def test_students_interval_by_hand():
    found = student([1.0, 2.0, 3.0])  # t = 4.303 with two degrees of freedom, times 1/√3
    assert found == pytest.approx((2.0, 2 - 2.484, 2 + 2.484), abs=1e-3)
    assert student([0.9, 1.0], within=(0, 1)).high == 1.0
    one = student([0.7])
    assert one.value == 0.7
    assert np.isnan([one.low, one.high]).all()
    with pytest.raises(ValueError, match="scores: expected one finite number per seed"):
        student([])


def test_one_seed_has_an_interval_of_no_width():
    assert bootstrap([0.7]) == (0.7, 0.7, 0.7)


def test_steps_to_a_threshold_may_never_come():
    assert steps_to_threshold([10, 20, 30], [0.1, 0.9, 0.95], 0.9) == 20
    assert steps_to_threshold([10, 20, 30], [0.1, 0.2, 0.3], 0.9) is None


@QUICK
@given(scores=SEEDS)
def test_iqm_lies_between_the_extremes_and_does_not_care_for_order(scores):
    assert min(scores) <= iqm(scores) <= max(scores)
    assert iqm(scores[::-1]) == pytest.approx(iqm(scores))
    if len(scores) >= 4:  # one outlier is cut off
        assert iqm([*sorted(scores)[:-1], 1e9]) == pytest.approx(iqm(scores))


@pytest.mark.parametrize("scores", [[], [0.1, float("nan")], [[0.1]]])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(ValueError, match="scores: expected one finite number per seed"):
        bootstrap(scores)


def test_a_ratio_of_means_has_an_interval_over_the_seeds_of_both():
    found = ratio([10.0, 20.0, 30.0], [4.0, 6.0])
    assert found.value == 4.0
    assert 10 / 6 <= found.low < 4 < found.high <= 30 / 4
    assert ratio([8.0], [4.0, 4.0]) == (2.0, 2.0, 2.0)
    one_varies = ratio([8.0], [2.0, 6.0])
    assert (one_varies.value, one_varies.low, one_varies.high) == (2.0, 8 / 6, 4.0)
    with pytest.raises(ValueError, match="theirs"):
        ratio([1.0], [])
