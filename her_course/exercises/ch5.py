"""Exercises of chapter 5, priorities and curricula: how often, how much it counts, where in the tree, how hard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import declare, is_array, is_integers, value_case
from her_course.exercises.model import Case, Text


def _normalised(p):
    return p / p.sum()


# --------------------------------------------------------------------------------------------- priority_probabilities


def priorities_case(name: Text, group: str, errors, alpha: float, epsilon: float) -> Case:
    """The probabilities of these errors."""
    arguments = (np.asarray(errors, float), alpha, epsilon)
    return value_case(name, group, arguments, reference.priority_probabilities, is_array(1e-5, 1e-9))


def _priorities_cases(rng: np.random.Generator) -> list[Case]:
    return [
        priorities_case(Text("三个误差", "three errors"), "basics", [1.0, 2.0, 4.0], 0.6, 0.1),
        priorities_case(Text("有正有负", "some negative"), "details", [-3.0, 1.0, -0.5, 2.0], 0.7, 0.1),
        priorities_case(Text("误差为 0", "an error of 0"), "details", [0.0, 1.0, 3.0], 0.5, 0.2),
        priorities_case(Text("α = 0：均匀", "α = 0: uniform"), "edges", [0.5, -5.0, 0.0], 0.0, 0.1),
        priorities_case(Text("α = 1", "α = 1"), "edges", [0.5, 5.0, 1.0, 1.0], 1.0, 0.3),
        priorities_case(Text("只有一个", "a single one"), "edges", [0.0], 0.6, 0.01),
    ]


def _ranks(d):
    return np.argsort(np.argsort(-np.abs(d))) + 1


PRIORITIES = {
    "not_normalised": lambda d, a, e: (np.abs(d) + e) ** a,
    "largest_is_one": lambda d, a, e: (np.abs(d) + e) ** a / ((np.abs(d) + e) ** a).max(),
    "divided_by_number": lambda d, a, e: (np.abs(d) + e) ** a / len(d),
    "signed_errors": (
        lambda d, a, e: _normalised(np.maximum(d + e, 0) ** a),
        lambda d, a, e: _normalised((np.maximum(d, 0) + e) ** a),
        lambda d, a, e: _normalised((d + e) ** a),
    ),
    "epsilon_inside_abs": lambda d, a, e: _normalised(np.abs(d + e) ** a),
    "epsilon_forgotten": lambda d, a, e: _normalised(np.abs(d) ** a),
    "epsilon_as_floor": lambda d, a, e: _normalised(np.maximum(np.abs(d), e) ** a),
    "epsilon_after_power": lambda d, a, e: _normalised(np.abs(d) ** a + e),
    "epsilon_after_normalising": (
        lambda d, a, e: _normalised(np.abs(d) ** a) + e,
        lambda d, a, e: _normalised(_normalised(np.abs(d) ** a) + e),
    ),
    "epsilon_subtracted": lambda d, a, e: _normalised(np.abs(np.abs(d) - e) ** a),
    "alpha_forgotten": (
        lambda d, a, e: _normalised(np.abs(d) + e),
        lambda d, a, e: _normalised((np.abs(d) + e) * a),
    ),
    "alpha_and_epsilon_swapped": lambda d, a, e: _normalised((np.abs(d) + a) ** e),
    "one_over_alpha": lambda d, a, e: _normalised((np.abs(d) + e) ** (1 / a)),
    "one_minus_alpha": lambda d, a, e: _normalised((np.abs(d) + e) ** (1 - a)),
    "power_negative": lambda d, a, e: _normalised((np.abs(d) + e) ** -a),
    "alpha_after_normalising": lambda d, a, e: _normalised(np.abs(d) + e) ** a,
    "softmax": (
        lambda d, a, e: _normalised(np.exp(a * (np.abs(d) + e))),
        lambda d, a, e: _normalised(np.exp((np.abs(d) + e) ** a)),
        lambda d, a, e: _normalised(np.exp(np.abs(d) + e)),
        lambda d, a, e: _normalised(np.exp(d)),
    ),
    "squared": (
        lambda d, a, e: _normalised((d**2 + e) ** a),
        lambda d, a, e: _normalised(((np.abs(d) + e) ** 2) ** a),
    ),
    "by_rank": (
        lambda d, a, e: _normalised((1 / _ranks(d)) ** a),
        lambda d, a, e: _normalised((1.0 / (_ranks(d) + e)) ** a),
    ),
}

# ------------------------------------------------------------------------------------------------- importance_weights


def weights_case(name: Text, group: str, probabilities, indices, beta: float) -> Case:
    """The weights of these rows."""
    arguments = (np.asarray(probabilities, float), np.asarray(indices), beta)
    return value_case(name, group, arguments, reference.importance_weights, is_array(1e-5, 1e-9))


def _importance_cases(rng: np.random.Generator) -> list[Case]:
    p = [0.4, 0.3, 0.2, 0.05, 0.05]
    rarest, twice = (
        Text("最稀有的不在这一批里", "the rarest is not in the batch"),
        Text("同一行抽到两次", "a row that was drawn twice"),
    )
    return [
        weights_case(Text("三行", "three rows"), "basics", p, [0, 1, 3], 0.4),
        weights_case(rarest, "details", p, [0, 1, 2], 0.5),
        weights_case(twice, "details", p, [2, 0, 2, 4], 0.6),
        weights_case(Text("β = 0：不校正", "β = 0: no correction"), "edges", p, [0, 3], 0.0),
        weights_case(Text("β = 1：完全校正", "β = 1: full correction"), "edges", p, [0, 1, 4], 1.0),
        weights_case(Text("一行也是一批", "one row is a batch too"), "edges", p, [1], 0.7),
    ]


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
    "beta_forgotten": (
        lambda p, i, b: _scaled(1 / p[i]),
        lambda p, i, b: _scaled(b / p[i]),
        lambda p, i, b: _scaled(1 / (len(p) * p[i])),
    ),
    "normalised_to_one": lambda p, i, b: _normalised(p[i] ** -b),
    "one_minus_beta": lambda p, i, b: _scaled(p[i] ** (b - 1)),
    "one_minus_probability": (
        lambda p, i, b: _scaled((1 - p[i]) ** b),
        lambda p, i, b: (1 - p[i]) ** b,
        lambda p, i, b: _scaled(1 - p[i]),
    ),
    "exponential": (lambda p, i, b: _scaled(np.exp(-b * p[i])), lambda p, i, b: np.exp(-b * p[i])),
    "clipped_at_one": lambda p, i, b: np.minimum((len(p) * p[i]) ** -b, 1.0),
}

# ------------------------------------------------------------------------------------------------------ sum_tree_find


def sum_tree(leaves: Sequence[float]) -> np.ndarray:
    """(2n,) the tree over n leaves, n a power of 2; position 0 is not used."""
    tree = np.concatenate([np.zeros(len(leaves)), np.asarray(leaves, float)])
    for node in range(len(leaves) - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree


def tree_case(name: Text, group: str, leaves, targets) -> Case:
    """The leaves in which these targets lie."""
    arguments = (sum_tree(leaves), np.asarray(targets, float))
    return value_case(name, group, arguments, reference.sum_tree_find, is_integers)


def _sum_tree_cases(rng: np.random.Generator) -> list[Case]:
    zeros, many = Text("值为 0 的叶子", "leaves of value 0"), Text("八片，很多目标", "eight leaves, many targets")
    return [
        tree_case(Text("四片叶子", "four leaves"), "basics", [1, 2, 3, 4], [0.5, 1.5, 5.5, 9.5]),
        tree_case(Text("正好在边界上", "exactly on the boundaries"), "details", [1, 2, 3, 4], [0, 1, 3, 6]),
        tree_case(zeros, "details", [2, 0, 0, 3, 0, 1, 0, 2], [0, 2, 4.9, 5, 6, 7.9]),
        tree_case(many, "details", [5, 1, 1, 3, 2, 2, 4, 6], np.arange(0.25, 24, 1.5)),
        tree_case(Text("只有一片叶子", "a single leaf"), "edges", [3], [0.0, 1.0, 2.9]),
        tree_case(Text("一个目标", "a single target"), "edges", [1, 1], [1.5]),
    ]


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


def _search(sums, targets, side="right"):
    return np.searchsorted(sums, targets, side=side)


_find = _descend()

SUM_TREE = {
    "node_for_leaf": (
        lambda tree, targets: _find(tree, targets) + len(tree) // 2,
        lambda tree, targets: _find(tree, targets) + len(tree) // 2 - 1,
    ),
    "sums_over_all_nodes": (
        lambda tree, targets: _search(np.cumsum(tree), targets),
        lambda tree, targets: _search(np.cumsum(tree), targets, "left"),
        lambda tree, targets: _search(np.cumsum(tree[1:]), targets),
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
    "boundary_to_the_left": (
        _descend(lambda target, left: target > left),
        lambda tree, targets: _search(np.cumsum(_leaves(tree)), targets, "left"),
    ),
    "goes_left_for_right": (
        _descend(swapped=True),
        _descend(swapped=True, less=lambda tree, node: 0),
        lambda tree, targets: len(tree) // 2 - 1 - _find(sum_tree(_leaves(tree)[::-1]), targets),
    ),
    "nearest_value": lambda tree, targets: np.array([np.abs(_leaves(tree) - x).argmin() for x in targets]),
    "leaf_values_searched": (
        lambda tree, targets: _search(_leaves(tree), targets),
        lambda tree, targets: np.array([int(np.argmax(_leaves(tree) >= x)) for x in targets]),
        lambda tree, targets: np.array([int(np.argmax(_leaves(tree) > x)) for x in targets]),
    ),
    "largest_leaf": lambda tree, targets: np.full(len(targets), _leaves(tree).argmax()),
    "first_target_only": (
        lambda tree, targets: int(_find(tree, targets)[0]),
        lambda tree, targets: _find(tree, targets[:1]),
    ),
}

# -------------------------------------------------------------------------------------------------- trajectory_energy


def trajectory(rng: np.random.Generator, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(T + 1, 3) positions and velocities of something that moves already, and is pushed, lifted and dropped."""
    velocities = rng.normal(size=(steps + 1, 3)) * rng.choice([0.1, 0.5, 1.5], size=(steps + 1, 1))
    velocities[:2] = [[0.7, -0.4, 0.2], [0.8, 0.4, 0.2]]
    positions = np.cumsum(rng.normal(size=(steps + 1, 3)) * 0.1, axis=0) + 0.4
    positions[1] = positions[0]
    return positions.round(3), velocities.round(3)


def energy_case(name: Text, group: str, positions, velocities, mass=1.0, gravity=9.81, dt=0.04, clip=0.5) -> Case:
    """The energy along this trajectory."""
    velocities = None if velocities is None else np.asarray(velocities, float)
    arguments = (np.asarray(positions, float), velocities, mass, gravity, dt, clip)
    return value_case(name, group, arguments, reference.trajectory_energy, is_array(1e-5, 1e-9))


def _energy_cases(rng: np.random.Generator) -> list[Case]:
    flat = np.full((5, 3), 0.4)
    pushed, still, collision = np.zeros((5, 3)), np.zeros((5, 3)), np.zeros((5, 3))
    pushed[:, 0], pushed[:, 1] = [0, 0.6, 0.6, 0.2, 0.0], [0, 0.3, 0.5, 0.1, 0.0]
    collision[:, 0] = [0, 0.4, 2.0, 2.4, 0.5]
    lifted, swung = flat.copy(), flat.copy()
    lifted[:, 2] += [0, 0.02, 0.04, 0.04, 0.01]
    swung[:, 1] += [0, 0.02, 0.05, 0.01, 0.0]
    swung[:, 0] += [0, 0.01, 0.01, 0.03, 0.1]
    lowered = Text("举起来，放下一点", "lifted, then lowered a little")
    sideways = Text("水平地晃，高度不变", "moved sideways, at one height")
    both = Text("已经在动，又推又举", "moving already, pushed and lifted")
    unknown = Text("速度未知：用位置之差", "velocities unknown: differences")
    return [
        energy_case(Text("推一下，又停下来", "pushed, and at rest again"), "basics", flat, pushed, clip=5.0),
        energy_case(lowered, "basics", lifted, still, mass=0.5, gravity=1.6),
        energy_case(Text("没人碰过", "nobody touched it"), "edges", flat, still),
        energy_case(sideways, "details", swung, pushed, clip=5.0),
        energy_case(Text("撞了一下", "a collision"), "details", flat, collision),
        energy_case(both, "details", *trajectory(rng, 8), mass=2.0, clip=0.8),
        energy_case(unknown, "details", swung, None, dt=0.1, clip=5.0),
        energy_case(Text("只有一步", "a single step"), "edges", lifted[:2], pushed[:2]),
    ]


def _backward(p, dt):
    return np.vstack([np.zeros((1, p.shape[1])), np.diff(p, axis=0) / dt])


def _forward(p, dt):
    return np.vstack([np.diff(p, axis=0) / dt, np.zeros((1, p.shape[1]))])


def _gains(changes, clip):
    return np.clip(changes, 0, clip).sum()


def _energy_with(
    height: int = 2,
    potential: float = 1.0,
    kinetic: Callable = lambda v: 0.5 * (v**2).sum(axis=1),
    differences: Callable = _backward,
    mass: Callable = lambda m: m,
    add: Callable = lambda energy, clip: _gains(np.diff(energy), clip),
    start: Callable = lambda z: z[0],
) -> Callable:
    """The energy, computed wrongly in one of its parts."""

    def wrong(p, v, m, g, dt, clip):
        v, z = differences(p, dt) if v is None else v, p[:, height]
        return float(add(mass(m) * (potential * g * (z - start(z)) + kinetic(v)), clip))

    return wrong


def _unless_known(v_of: Callable) -> Callable:
    """Velocities that are given are not used."""
    return lambda p, v, m, g, dt, clip: _energy_with()(p, v_of(p, dt), m, g, dt, clip)


ENERGY = {
    "not_clipped": _energy_with(add=lambda e, c: np.maximum(np.diff(e), 0).sum()),
    "losses_count": _energy_with(add=lambda e, c: np.minimum(np.diff(e), c).sum()),
    "losses_clipped_alike": _energy_with(add=lambda e, c: np.clip(np.diff(e), -c, c).sum()),
    "absolute_changes": (
        _energy_with(add=lambda e, c: np.minimum(np.abs(np.diff(e)), c).sum()),
        _energy_with(add=lambda e, c: np.abs(np.diff(e)).sum()),
    ),
    "end_minus_start": (
        _energy_with(add=lambda e, c: np.clip(e[-1] - e[0], 0, c)),
        _energy_with(add=lambda e, c: e[-1] - e[0]),
        _energy_with(add=lambda e, c: max(e[-1] - e[0], 0)),
        _energy_with(add=lambda e, c: min(e[-1] - e[0], c)),
    ),
    "clips_the_total": _energy_with(add=lambda e, c: min(np.maximum(np.diff(e), 0).sum(), c)),
    "clips_the_energy": (
        _energy_with(add=lambda e, c: np.maximum(np.diff(np.clip(e, 0, c)), 0).sum()),
        _energy_with(add=lambda e, c: np.diff(np.clip(e, 0, c)).clip(0, c).sum()),
        _energy_with(add=lambda e, c: np.maximum(np.diff(np.minimum(e, c)), 0).sum()),
    ),
    "drops_large_gains": _energy_with(add=lambda e, c: np.diff(e)[(np.diff(e) > 0) & (np.diff(e) <= c)].sum()),
    "sums_the_energy": (_energy_with(add=lambda e, c: e.clip(0, c).sum()), _energy_with(add=lambda e, c: e.sum())),
    "mean_of_gains": _energy_with(add=lambda e, c: np.clip(np.diff(e), 0, c).mean()),
    "largest_gain": _energy_with(add=lambda e, c: np.clip(np.diff(e), 0, c).max()),
    "first_energy_is_a_gain": (
        _energy_with(add=lambda e, c: _gains(np.diff(e, prepend=0.0), c)),
        _energy_with(add=lambda e, c: _gains(np.append(e[0], np.diff(e)), c)),
        lambda p, v, m, g, dt, c: float(
            _gains(
                np.diff(m * g * p[:, 2] + 0.5 * m * ((_backward(p, dt) if v is None else v) ** 2).sum(1), prepend=0.0),
                c,
            )
        ),
    ),
    "starts_at_rest": lambda p, v, m, g, dt, c: _energy_with()(
        p, _backward(p, dt) if v is None else np.vstack([0 * v[:1], v[1:]]), m, g, dt, c
    ),
    "parts_clipped_apart": lambda p, v, m, g, dt, c: float(
        _gains(np.diff(m * g * p[:, 2]), c)
        + _gains(np.diff(0.5 * m * ((_backward(p, dt) if v is None else v) ** 2).sum(axis=1)), c)
    ),
    "half_forgotten": _energy_with(kinetic=lambda v: (v**2).sum(axis=1)),
    "no_height": _energy_with(potential=0.0),
    "no_motion": _energy_with(kinetic=lambda v: 0.0),
    "wrong_height": (_energy_with(height=1), _energy_with(height=0)),
    "height_falls": _energy_with(potential=-1.0),
    "gravity_forgotten": (
        lambda p, v, m, g, dt, c: _energy_with()(p, v, m, 1.0, dt, c),
        lambda p, v, m, g, dt, c: _energy_with()(p, v, m, 9.81, dt, c),
    ),
    "mass_forgotten": (
        _energy_with(mass=lambda m: 1.0),
        lambda p, v, m, g, dt, c: _energy_with(mass=lambda m: 1.0)(p, v, m, m * g, dt, c),
        lambda p, v, m, g, dt, c: _energy_with()(p, v, m, g / m, dt, c),
    ),
    "speed_not_squared": _energy_with(kinetic=lambda v: 0.5 * np.linalg.norm(v, axis=1)),
    "components_added": (
        _energy_with(kinetic=lambda v: 0.5 * v.sum(axis=1) ** 2),
        _energy_with(kinetic=lambda v: 0.5 * v.sum(axis=1)),
        _energy_with(kinetic=lambda v: 0.5 * (v**2).mean(axis=1)),
    ),
    "one_component": tuple(_energy_with(kinetic=lambda v, i=i: 0.5 * v[:, i] ** 2) for i in range(3)),
    "dt_forgotten": _energy_with(differences=lambda p, dt: _backward(p, 1.0)),
    "dt_multiplied": _energy_with(differences=lambda p, dt: _backward(p, 1 / dt)),
    "velocity_of_the_next_step": (
        _energy_with(differences=_forward),
        _energy_with(differences=lambda p, dt: np.vstack([np.diff(p, axis=0) / dt, np.diff(p[-2:], axis=0) / dt])),
        _energy_with(differences=lambda p, dt: np.vstack([np.diff(p[:2], axis=0) / dt, np.diff(p, axis=0) / dt])),
    ),
    "central_differences": _energy_with(differences=lambda p, dt: np.gradient(p, dt, axis=0)),
    "velocities_ignored": (_unless_known(_backward), _unless_known(_forward)),
    "unknown_is_zero": _energy_with(differences=lambda p, dt: np.zeros_like(p)),
    "unknown_not_handled": lambda p, v, m, g, dt, c: float(
        _gains(np.diff(m * g * p[:, 2] + 0.5 * m * (v**2).sum(axis=1)), c)
    ),
}

# -------------------------------------------------------------------------------------------------- curriculum_weights


def curriculum_case(name: Text, group: str, distances, reach: float, stage: float) -> Case:
    """The probabilities of goals at these distances."""
    arguments = (np.asarray(distances, float), reach, stage)
    return value_case(name, group, arguments, reference.curriculum_weights, is_array(1e-5, 1e-9))


def _curriculum_cases(rng: np.random.Generator) -> list[Case]:
    begin, end = (
        Text("一开始：stage = 0", "at the beginning: stage = 0"),
        Text("到最后一视同仁：stage = 1", "all alike at the end: stage = 1"),
    )
    near, small = Text("都够得着", "all within reach"), Text("一个单位小的世界", "a world in small units")
    far = Text("全都远得很", "all of them far away")
    return [
        curriculum_case(begin, "basics", [0.5, 1.0, 2.0, 4.0], 2.0, 0.0),
        curriculum_case(Text("课程过半", "half-way"), "basics", [1.0, 3.0, 6.0], 2.0, 0.5),
        curriculum_case(end, "edges", [1.0, 3.0, 6.0], 0.5, 1.0),
        curriculum_case(near, "edges", [0.1, 0.7, 0.4], 1.0, 0.2),
        curriculum_case(small, "details", [0.03, 0.08, 0.2], 0.05, 0.3),
        curriculum_case(far, "details", [900.0, 1000.0, 1100.0], 0.5, 0.0),
    ]


def _beyond(d, r):
    return np.maximum(d - r, 0)


def _softmax(x):
    return _normalised(np.exp(x - x.max()))


def _either(exponent: Callable) -> tuple[Callable, ...]:
    """With this exponent, and the exponential as it is, or with the largest subtracted first."""
    return (
        lambda d, r, s: _normalised(np.exp(exponent(d, r, s))),
        lambda d, r, s: _softmax(exponent(d, r, s)),
    )


def _weights(d, r, s):
    return np.exp(-(1 - s) * _beyond(d, r) / r)


def _shifted(d, r, s):
    x = -(1 - s) * _beyond(d, r) / r
    return np.exp(x - x.max())


CURRICULUM = {
    "not_normalised": (_weights, _shifted),
    "mean_is_one": (
        lambda d, r, s: _shifted(d, r, s) / _shifted(d, r, s).mean(),
        lambda d, r, s: _weights(d, r, s) / _weights(d, r, s).mean(),
    ),
    "hard_first": (
        *_either(lambda d, r, s: (1 - s) * _beyond(d, r) / r),
        lambda d, r, s: _normalised(1 - _weights(d, r, s)),
    ),
    "stage_reversed": _either(lambda d, r, s: -s * _beyond(d, r) / r),
    "stage_forgotten": _either(lambda d, r, s: -_beyond(d, r) / r),
    "stage_outside": (
        lambda d, r, s: _normalised((1 - s) * np.exp(-_beyond(d, r) / r)),
        lambda d, r, s: (1 - s) * _softmax(-_beyond(d, r) / r) + s / len(d),
        lambda d, r, s: (1 - s) * _normalised(np.exp(-_beyond(d, r) / r)) + s / len(d),
    ),
    "reach_ignored": (*_either(lambda d, r, s: -(1 - s) * d / r), *_either(lambda d, r, s: -(1 - s) * (d - r) / r)),
    "absolute_difference": _either(lambda d, r, s: -(1 - s) * np.abs(d - r) / r),
    "squared_distance": _either(lambda d, r, s: -(1 - s) * (_beyond(d, r) / r) ** 2),
    "cut_off": (
        lambda d, r, s: _normalised((d <= r).astype(float)),
        lambda d, r, s: _normalised(np.where(d <= r, 1.0, s)),
        lambda d, r, s: _normalised(np.where(d <= r, 1.0, s) + 1e-12),
        lambda d, r, s: _normalised((d <= r).astype(float)) if (d <= r).any() else np.full(len(d), 1 / len(d)),
        lambda d, r, s: _normalised(np.maximum(d <= r, 1e-12)),
    ),
    "inverse_distance": lambda d, r, s: _normalised(1 / d),
    "linear": lambda d, r, s: _normalised(np.maximum(1 - (1 - s) * _beyond(d, r) / r, 0)),
    "unscaled": _either(lambda d, r, s: -(1 - s) * _beyond(d, r)),
    "multiplied_by_reach": _either(lambda d, r, s: -(1 - s) * _beyond(d, r) * r),
    "uniform_always": lambda d, r, s: np.full(len(d), 1 / len(d)),
    "underflow": lambda d, r, s: _normalised(_weights(d, r, s)),
    "underflow_hidden": (
        lambda d, r, s: _normalised(_weights(d, r, s)) if _weights(d, r, s).sum() > 0 else np.full(len(d), 1 / len(d)),
        lambda d, r, s: np.nan_to_num(_normalised(_weights(d, r, s))),
        lambda d, r, s: _normalised(_weights(d, r, s) + 1e-12),
        lambda d, r, s: _normalised(_weights(d, r, s) + 1e-8),
        lambda d, r, s: _weights(d, r, s) / (_weights(d, r, s).sum() + 1e-12),
        lambda d, r, s: _weights(d, r, s) / (_weights(d, r, s).sum() + 1e-8),
        lambda d, r, s: _weights(d, r, s) / max(_weights(d, r, s).sum(), 1e-12),
        lambda d, r, s: _normalised(np.maximum(_weights(d, r, s), 1e-12)),
        lambda d, r, s: _normalised(np.exp(np.maximum(-(1 - s) * _beyond(d, r) / r, -700))),
        lambda d, r, s: _normalised(np.exp(np.maximum(-(1 - s) * _beyond(d, r) / r, -50))),
        lambda d, r, s: _normalised(np.exp(np.maximum(-(1 - s) * _beyond(d, r) / r, -500))),
    ),
}

EXERCISES = (
    declare(5, reference.priority_probabilities, _priorities_cases, PRIORITIES),
    declare(5, reference.importance_weights, _importance_cases, IMPORTANCE),
    declare(5, reference.sum_tree_find, _sum_tree_cases, SUM_TREE),
    declare(5, reference.trajectory_energy, _energy_cases, ENERGY),
    declare(5, reference.curriculum_weights, _curriculum_cases, CURRICULUM),
)
