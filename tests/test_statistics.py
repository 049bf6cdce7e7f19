"""Statistics say what they say they say."""

import numpy as np
import pytest

from her.sweeps.statistics import ratio, steps_to_threshold, student


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


def test_steps_to_a_threshold_may_never_come():
    assert steps_to_threshold([10, 20, 30], [0.1, 0.9, 0.95], 0.9) == 20
    assert steps_to_threshold([10, 20, 30], [0.1, 0.2, 0.3], 0.9) is None


@pytest.mark.parametrize("scores", [[], [0.1, float("nan")], [[0.1]]])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(ValueError, match="scores: expected one finite number per seed"):
        student(scores)


def test_a_ratio_by_hand():
    found = ratio([10.0, 20.0, 40.0], [4.0, 6.0, 9.0])
    assert found.value == pytest.approx(20 / 6)
    half = 4.303 * np.hypot(np.log(2), np.log(1.5)) / np.sqrt(3)  # t with two degrees of freedom
    assert (found.low, found.high) == pytest.approx((20 / 6 / np.exp(half), 20 / 6 * np.exp(half)), rel=1e-3)


def test_a_ratio_makes_room_for_the_steps_between_evaluations():
    plain, seen = ratio([40.0, 50.0], [10.0, 20.0]), ratio([40.0, 50.0], [10.0, 20.0], grid=5)
    assert seen.value == plain.value
    assert seen.low == pytest.approx(plain.low * np.sqrt(35 * 45 / (40 * 50)))
    assert seen.high == pytest.approx(plain.high * np.sqrt(10 * 20 / (5 * 15)))
    assert ratio([40.0, 50.0], [10.0, 20.0], grid=10).high == np.inf  # at the first evaluation: perhaps at once


def test_a_ratio_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [(e := ratio(*np.exp(rng.normal(size=(2, 5))))).low <= 1 <= e.high for _ in range(1_000)]
    assert 0.94 <= np.mean(hits) <= 0.995  # cautious: the degrees of freedom are those of one side


def test_a_ratio_without_spread_or_of_what_is_no_number_of_steps():
    assert np.isnan(ratio([8.0], [4.0, 4.0])[1:]).all()
    for ours, theirs, name in (([1.0], [], "theirs"), ([0.0, 1.0], [1.0], "ours")):
        with pytest.raises(ValueError, match=name):
            ratio(ours, theirs)
