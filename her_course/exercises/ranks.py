"""The sixth exercise of chapter 5, priorities by rank, as the paper has them beside the proportional ones."""

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import maker

ranks_case = maker(reference.rank_probabilities)


def normalised(p):
    """Probabilities in these proportions."""
    return p / p.sum()


def places(d):
    """1 for the largest |δ|, and so on."""
    return np.argsort(np.argsort(-np.abs(d))) + 1


RANKS = {
    "proportional": (
        lambda d, a: normalised(np.abs(d) ** a),
        lambda d, a: normalised((np.abs(d) + 0.1) ** a),
        lambda d, a: normalised((np.abs(d) + 0.01) ** a),
    ),
    "order_for_rank": lambda d, a: normalised((1.0 / (np.argsort(-np.abs(d)) + 1)) ** a),
    "smallest_first": (
        lambda d, a: normalised((1.0 / (np.argsort(np.argsort(np.abs(d))) + 1)) ** a),
        lambda d, a: normalised((1.0 * places(d)) ** a),
    ),
    "signed_errors": lambda d, a: normalised((1.0 / (np.argsort(np.argsort(-d)) + 1)) ** a),
    "ranks_from_zero": lambda d, a: normalised((1.0 / (places(d) - 1)) ** a),
    "rank_reversed_linearly": lambda d, a: normalised((len(d) + 1.0 - places(d)) ** a),
    "not_normalised": lambda d, a: (1.0 / places(d)) ** a,
    "alpha_forgotten": lambda d, a: normalised(1.0 / places(d)),
    "alpha_after_normalising": lambda d, a: normalised(1.0 / places(d)) ** a,
    "ranks_of_sorted_errors": lambda d, a: normalised((1.0 / np.arange(1, len(d) + 1)) ** a),
}
