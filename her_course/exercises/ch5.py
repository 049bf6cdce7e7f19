"""Exercises of chapter 5, priorities and curricula: how often, how much it counts, where in the tree, how hard."""

from collections.abc import Callable, Sequence

import numpy as np

from her_course.exercises import reference
from her_course.exercises.energy import ENERGY, energy_cases
from her_course.exercises.judging import declare, is_integers, maker, value_case
from her_course.exercises.model import Case, Text
from her_course.exercises.ranks import RANKS, normalised, places, ranks_case
from her_course.exercises.whose_energy import WHOSE_ENERGY, energies_cases

# --------------------------------------------------------------------------------------------- priority_probabilities

priorities_case = maker(reference.priority_probabilities)

PRIORITIES = {
    "not_normalised": lambda d, a, e: (np.abs(d) + e) ** a,
    "largest_is_one": lambda d, a, e: (np.abs(d) + e) ** a / ((np.abs(d) + e) ** a).max(),
    "divided_by_number": lambda d, a, e: (np.abs(d) + e) ** a / len(d),
    "signed_errors": (
        lambda d, a, e: normalised(np.maximum(d + e, 0) ** a),
        lambda d, a, e: normalised((np.maximum(d, 0) + e) ** a),
        lambda d, a, e: normalised((d + e) ** a),
    ),
    "epsilon_inside_abs": lambda d, a, e: normalised(np.abs(d + e) ** a),
    "epsilon_forgotten": lambda d, a, e: normalised(np.abs(d) ** a),
    "epsilon_as_floor": lambda d, a, e: normalised(np.maximum(np.abs(d), e) ** a),
    "epsilon_after_power": lambda d, a, e: normalised(np.abs(d) ** a + e),
    "epsilon_after_normalising": (
        lambda d, a, e: normalised(np.abs(d) ** a) + e,
        lambda d, a, e: normalised(normalised(np.abs(d) ** a) + e),
    ),
    "epsilon_subtracted": lambda d, a, e: normalised(np.abs(np.abs(d) - e) ** a),
    "alpha_forgotten": (
        lambda d, a, e: normalised(np.abs(d) + e),
        lambda d, a, e: normalised((np.abs(d) + e) * a),
    ),
    "alpha_and_epsilon_swapped": lambda d, a, e: normalised((np.abs(d) + a) ** e),
    "one_over_alpha": lambda d, a, e: normalised((np.abs(d) + e) ** (1 / a)),
    "one_minus_alpha": lambda d, a, e: normalised((np.abs(d) + e) ** (1 - a)),
    "power_negative": lambda d, a, e: normalised((np.abs(d) + e) ** -a),
    "alpha_after_normalising": lambda d, a, e: normalised(np.abs(d) + e) ** a,
    "softmax": (
        lambda d, a, e: normalised(np.exp(a * (np.abs(d) + e))),
        lambda d, a, e: normalised(np.exp((np.abs(d) + e) ** a)),
        lambda d, a, e: normalised(np.exp(np.abs(d) + e)),
    ),
    "squared": (
        lambda d, a, e: normalised((d**2 + e) ** a),
        lambda d, a, e: normalised(((np.abs(d) + e) ** 2) ** a),
    ),
    "by_rank": lambda d, a, e: normalised((1 / places(d)) ** a),
}

# ------------------------------------------------------------------------------------------------- importance_weights

weights_case = maker(reference.importance_weights)


def _scaled(w):
    return w / w.max()


IMPORTANCE = {
    "not_scaled": (
        lambda p, i, b: (len(p) * p[i]) ** -b,
        lambda p, i, b: p[i] ** -b,
        lambda p, i, b: (len(i) * p[i]) ** -b,
    ),
    "scaled_by_all": lambda p, i, b: p[i] ** -b / (p**-b).max(),
    "scaled_by_mean": lambda p, i, b: p[i] ** -b / (p[i] ** -b).mean(),
    "scaled_by_least": lambda p, i, b: p[i] ** -b / (p[i] ** -b).min(),
    "scaled_before_power": lambda p, i, b: _scaled(p[i] ** -1.0) ** b / len(p) ** b,
    "power_positive": lambda p, i, b: _scaled(p[i] ** b),
    "power_positive_not_scaled": (lambda p, i, b: (len(p) * p[i]) ** b, lambda p, i, b: p[i] ** b),
    "whole_buffer": (
        lambda p, i, b: _scaled((len(p) * p) ** -b),
        lambda p, i, b: (len(p) * p) ** -b,
        lambda p, i, b: p**-b / (p[i] ** -b).max(),
    ),
    "beta_forgotten": (lambda p, i, b: _scaled(1 / p[i]), lambda p, i, b: _scaled(b / p[i])),
    "normalised_to_one": lambda p, i, b: normalised(p[i] ** -b),
    "one_minus_beta": lambda p, i, b: _scaled(p[i] ** (b - 1)),
    "one_minus_probability": (
        lambda p, i, b: _scaled((1 - p[i]) ** b),
        lambda p, i, b: (1 - p[i]) ** b,
        lambda p, i, b: _scaled(1 - p[i]),
    ),
    "exponential": lambda p, i, b: _scaled(np.exp(-b * p[i])),
    "clipped_at_one": lambda p, i, b: np.minimum((len(p) * p[i]) ** -b, 1.0),
}

# ------------------------------------------------------------------------------------------------------ sum_tree_find


def sum_tree(leaves: Sequence[float]) -> np.ndarray:
    """(2n,) the tree over n leaves, n a power of 2; position 0 is not used."""
    tree = np.concatenate([np.zeros(len(leaves)), np.asarray(leaves, float)])
    for node in range(len(leaves) - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree


def tree_case(name: Text | str, leaves, targets) -> Case:
    """The leaves in which these targets lie."""
    arguments = (sum_tree(leaves), np.asarray(targets, float))
    return value_case(name, arguments, reference.sum_tree_find, is_integers)


def _descend(
    go_right: Callable = lambda target, left: target >= left,
    less: Callable = lambda tree, node: tree[node - 1],
    root: int = 1,
    swapped: bool = False,
) -> Callable:
    """A walk down, which takes ``less(tree, node)`` from the target on the way to the right child `node`."""

    def walk(tree: np.ndarray, targets: np.ndarray) -> np.ndarray:
        leaves, found = len(tree) // 2, []
        for target in np.array(targets, float):
            node = root
            while node < leaves:
                node = 2 * node
                if go_right(target, tree[node]) != swapped:
                    target = target - less(tree, node + 1)
                    node += 1
            found.append(node - leaves)
        return np.array(found)

    return walk


def _leaves(tree):
    return tree[len(tree) // 2 :]


_find = reference.sum_tree_find

SUM_TREE = {
    "node_for_leaf": (
        lambda tree, targets: _find(tree, targets) + len(tree) // 2,
        lambda tree, targets: _find(tree, targets) + len(tree) // 2 - 1,
    ),
    "sums_over_all_nodes": (
        lambda tree, targets: np.searchsorted(np.cumsum(tree), targets, "right"),
        lambda tree, targets: np.searchsorted(np.cumsum(tree[1:]), targets, "right"),
    ),
    "one_leaf_too_far": (
        lambda tree, targets: _find(tree, targets) + 1,
        lambda tree, targets: np.minimum(_find(tree, targets) + 1, len(tree) // 2 - 1),
    ),
    "one_leaf_too_early": (
        lambda tree, targets: _find(tree, targets) - 1,
        lambda tree, targets: np.maximum(_find(tree, targets) - 1, 0),
    ),
    "nothing_subtracted": _descend(less=lambda tree, node: 0),
    "right_sum_subtracted": _descend(less=lambda tree, node: tree[node]),
    "parent_sum_subtracted": _descend(less=lambda tree, node: tree[node // 2]),
    "boundary_to_the_left": _descend(lambda target, left: target > left),
    "goes_left_for_right": (
        _descend(swapped=True),
        _descend(swapped=True, less=lambda tree, node: 0),
        lambda tree, targets: len(tree) // 2 - 1 - _find(sum_tree(_leaves(tree)[::-1]), targets),
    ),
    "nearest_value": lambda tree, targets: np.array([np.abs(_leaves(tree) - x).argmin() for x in targets]),
    "leaf_values_searched": (
        lambda tree, targets: np.searchsorted(_leaves(tree), targets, "right"),
        lambda tree, targets: np.array([int(np.argmax(_leaves(tree) >= x)) for x in targets]),
        lambda tree, targets: np.array([int(np.argmax(_leaves(tree) > x)) for x in targets]),
    ),
    "largest_leaf": lambda tree, targets: np.full(len(targets), _leaves(tree).argmax()),
    "first_target_only": (
        lambda tree, targets: int(_find(tree, targets)[0]),
        lambda tree, targets: _find(tree, targets[:1]),
    ),
}

# -------------------------------------------------------------------------------------------------- curriculum_weights

curriculum_case = maker(reference.curriculum_weights)


def _beyond(d, r):
    return np.maximum(d - r, 0)


def _softmax(x):
    return normalised(np.exp(x - x.max()))


def _either(exponent: Callable) -> tuple[Callable, ...]:
    """With this exponent, and the exponential as it is, or with the largest subtracted first."""
    return (
        lambda d, r, s: normalised(np.exp(exponent(d, r, s))),
        lambda d, r, s: _softmax(exponent(d, r, s)),
    )


def _weights(d, r, s):
    return np.exp(-(1 - s) * _beyond(d, r) / r)


def _shifted(d, r, s):
    x = -(1 - s) * _beyond(d, r) / r
    return np.exp(x - x.max())


CURRICULUM = {
    "not_normalised": (_weights, _shifted),
    "mean_is_one": lambda d, r, s: _shifted(d, r, s) / _shifted(d, r, s).mean(),
    "hard_first": (
        *_either(lambda d, r, s: (1 - s) * _beyond(d, r) / r),
        lambda d, r, s: normalised(1 - _weights(d, r, s)),
    ),
    "stage_reversed": _either(lambda d, r, s: -s * _beyond(d, r) / r),
    "stage_forgotten": _either(lambda d, r, s: -_beyond(d, r) / r),
    "stage_outside": (
        lambda d, r, s: normalised((1 - s) * np.exp(-_beyond(d, r) / r)),
        lambda d, r, s: (1 - s) * _softmax(-_beyond(d, r) / r) + s / len(d),
    ),
    "reach_ignored": _either(lambda d, r, s: -(1 - s) * d / r),
    "absolute_difference": _either(lambda d, r, s: -(1 - s) * np.abs(d - r) / r),
    "squared_distance": _either(lambda d, r, s: -(1 - s) * (_beyond(d, r) / r) ** 2),
    "cut_off": (
        lambda d, r, s: normalised((d <= r).astype(float)),
        lambda d, r, s: normalised(np.where(d <= r, 1.0, s)),
        lambda d, r, s: normalised(np.where(d <= r, 1.0, s) + 1e-12),
        lambda d, r, s: normalised((d <= r).astype(float)) if (d <= r).any() else np.full(len(d), 1 / len(d)),
    ),
    "inverse_distance": lambda d, r, s: normalised(1 / d),
    "linear": lambda d, r, s: normalised(np.maximum(1 - (1 - s) * _beyond(d, r) / r, 0)),
    "unscaled": _either(lambda d, r, s: -(1 - s) * _beyond(d, r)),
    "multiplied_by_reach": _either(lambda d, r, s: -(1 - s) * _beyond(d, r) * r),
    "uniform_always": lambda d, r, s: np.full(len(d), 1 / len(d)),
    "underflow": lambda d, r, s: normalised(_weights(d, r, s)),
    "underflow_hidden": (
        lambda d, r, s: normalised(_weights(d, r, s)) if _weights(d, r, s).sum() > 0 else np.full(len(d), 1 / len(d)),
        lambda d, r, s: np.nan_to_num(normalised(_weights(d, r, s))),
    ),
}

EXERCISES = (
    declare(5, reference.priority_probabilities, priorities_case, PRIORITIES, listed=True),
    declare(5, reference.importance_weights, weights_case, IMPORTANCE, listed=True),
    declare(5, reference.sum_tree_find, tree_case, SUM_TREE, listed=True),
    declare(5, reference.trajectory_energy, energy_cases, ENERGY),
    declare(5, reference.curriculum_weights, curriculum_case, CURRICULUM, listed=True),
    declare(5, reference.rank_probabilities, ranks_case, RANKS, listed=True),
    declare(5, reference.mended_energies, energies_cases, WHOSE_ENERGY),
)
