"""Statistics say what they say they say."""

import numpy as np
import pytest

from her.statistics import bootstrap, iqm, steps_to_threshold


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
