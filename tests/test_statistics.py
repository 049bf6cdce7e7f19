"""Statistics say what they say they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from her.statistics import aggregate, arrival, bootstrap, iqm, probability_of_improvement, ratio, steps_to_threshold

SEEDS = st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=1, max_size=6)  # coarse, so that there are ties
TASKS = st.dictionaries(st.sampled_from(["bits", "reach", "push"]), SEEDS, min_size=1)
QUICK = settings(max_examples=25, deadline=None)


def test_iqm_is_the_mean_of_the_middle_half():
    assert iqm([0, 1, 2, 3, 4, 5, 6, 100]) == np.mean([2, 3, 4, 5])
    assert iqm([7.0]) == 7.0


def test_the_bootstrap_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [(e := bootstrap(rng.normal(size=30), np.mean)).low <= 0 <= e.high for _ in range(150)]
    assert 0.86 <= np.mean(hits) <= 0.99


def test_one_seed_has_an_interval_of_no_width():
    assert bootstrap([0.7]) == (0.7, 0.7, 0.7)
    with pytest.raises(ValueError, match="scores: expected one number per seed"):
        bootstrap([])


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


@QUICK
@given(scores=TASKS)
def test_an_aggregate_is_that_of_all_runs_and_its_interval_stays_within_them(scores):
    pooled = [score for seeds in scores.values() for score in seeds]
    estimate = aggregate(scores)
    assert estimate.value == pytest.approx(iqm(pooled))
    assert min(pooled) - 1e-9 <= estimate.low <= estimate.high <= max(pooled) + 1e-9
    assert aggregate(scores) == estimate  # seeded
    shifted = aggregate({task: [score + 10 for score in seeds] for task, seeds in scores.items()})
    assert np.subtract(shifted, 10) == pytest.approx(estimate, abs=1e-6)


def test_differences_between_tasks_do_not_widen_a_stratified_interval():
    easy, hard = [0.98, 0.99, 1.0, 0.97, 0.99], [0.01, 0.02, 0.0, 0.03, 0.01]
    stratified = aggregate({"easy": easy, "hard": hard}, np.mean)
    assert stratified.high - stratified.low < 0.02
    plain = bootstrap([*easy, *hard], np.mean)
    assert plain.high - plain.low > 0.3


def test_one_task_is_the_plain_bootstrap():
    scores = [0.1, 0.5, 0.4, 0.9, 0.7]
    assert aggregate(scores) == pytest.approx(bootstrap(scores))
    assert aggregate({"push": scores}) == aggregate(scores)


def test_a_task_with_one_seed_counts_but_adds_no_doubt():
    estimate = aggregate({"a": [0.5], "b": [0.1, 0.9, 0.4]}, np.mean)
    assert estimate.value == pytest.approx((0.5 + 0.1 + 0.9 + 0.4) / 4)
    assert estimate.low < estimate.value < estimate.high


@QUICK
@given(ours=SEEDS, theirs=SEEDS)
def test_the_probability_of_improvement_is_the_share_of_pairs_won(ours, theirs):
    better = probability_of_improvement(ours, theirs)
    assert better.value == pytest.approx(mannwhitneyu(ours, theirs).statistic / (len(ours) * len(theirs)))
    assert better.value + probability_of_improvement(theirs, ours).value == pytest.approx(1)
    assert probability_of_improvement(ours, ours).value == pytest.approx(0.5)
    assert 0 <= better.low <= better.high <= 1


def test_improvement_over_tasks_is_the_mean_and_knows_which_is_which():
    ours = {"a": [1, 1, 1], "b": [0, 1]}
    theirs = {"b": [1, 1, 1], "a": [0, 0]}
    better = probability_of_improvement(ours, theirs)
    assert better.value == pytest.approx((1.0 + 0.25) / 2)
    assert better.low < better.value < better.high
    with pytest.raises(ValueError, match="theirs: expected scores on the same tasks"):
        probability_of_improvement(ours, {"a": [1.0]})


@pytest.mark.parametrize("scores", [[], {}, {"a": []}, [[0.1, float("nan")]], {"a": [[0.1]]}])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(ValueError, match="scores: expected"):
        aggregate(scores)


@QUICK
@given(steps=st.lists(st.none() | st.integers(1, 200), min_size=1, max_size=7))
def test_runs_that_never_arrive_are_counted(steps):
    there = [at for at in steps if at is not None and at <= 100]
    result = arrival(steps, budget=100)
    assert (result.reached, result.runs) == (len(there), len(steps))
    assert np.isinf(result.median) == (2 * len(there) <= len(steps))
    assert result.mean.value == pytest.approx((sum(there) + 100 * (len(steps) - len(there))) / len(steps))
    assert result.mean.low <= result.mean.value + 1e-9
    assert result.mean.high <= 100


def test_an_arrival_says_when_its_mean_is_a_lower_bound():
    assert str(arrival([1000, 3000, None], 4000)).startswith("2 of 3, median 3,000, mean ≥ 2,667 [")
    assert str(arrival([None, 3000, None], 4000)).startswith("1 of 3, median not reached")
    assert "≥" not in str(arrival([1000, 3000], 4000))


def test_a_ratio_of_means_has_an_interval_over_the_seeds_of_both():
    found = ratio([10.0, 20.0, 30.0], [4.0, 6.0])
    assert found.value == 4.0
    assert 10 / 6 <= found.low < 4 < found.high <= 30 / 4
    assert ratio([8.0], [4.0, 4.0]) == (2.0, 2.0, 2.0)
    one_varies = ratio([8.0], [2.0, 6.0])
    assert (one_varies.value, one_varies.low, one_varies.high) == (2.0, 8 / 6, 4.0)
    with pytest.raises(ValueError, match="theirs"):
        ratio([1.0], [])
