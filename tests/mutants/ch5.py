"""Answers to the exercises of chapter 5."""

from itertools import pairwise

import numpy as np

from mutants import mutant, right

# --------------------------------------------------------------------------------------------- priority_probabilities


@mutant("priority_probabilities", "not_normalised")
def raw(td_errors, alpha, epsilon):
    return (abs(td_errors) + epsilon) ** alpha


@mutant("priority_probabilities", "signed_errors")
def signed(td_errors, alpha, epsilon):
    p = np.maximum(td_errors + epsilon, 0) ** alpha
    return p / p.sum()


@mutant("priority_probabilities", "epsilon_forgotten")
def no_epsilon(td_errors, alpha, epsilon):
    p = np.abs(td_errors) ** alpha
    return p / np.sum(p)


@mutant("priority_probabilities", "epsilon_after_power")
def epsilon_late(td_errors, alpha, epsilon):
    p = np.power(np.abs(td_errors), alpha) + epsilon
    return p / p.sum()


@mutant("priority_probabilities", "alpha_forgotten")
def no_alpha(td_errors, alpha, epsilon):
    p = np.abs(td_errors) + epsilon
    return p / p.sum()


@mutant("priority_probabilities", "alpha_after_normalising")
def power_last(td_errors, alpha, epsilon):
    p = np.abs(td_errors) + epsilon
    return (p / p.sum()) ** alpha


@mutant("priority_probabilities", "softmax")
def softmax(td_errors, alpha, epsilon):
    e = np.exp(alpha * np.abs(td_errors))
    return e / e.sum()


@mutant("priority_probabilities", "mutates_input")
def in_place(td_errors, alpha, epsilon):
    np.abs(td_errors, out=td_errors)
    td_errors += epsilon
    p = td_errors**alpha
    return p / p.sum()


@right("priority_probabilities", "looped")
def one_by_one(td_errors, alpha, epsilon):
    p = [(abs(float(error)) + epsilon) ** alpha for error in td_errors]
    return np.array([x / sum(p) for x in p])


@right("priority_probabilities", "vectorised, by logarithms")
def by_logarithms(td_errors, alpha, epsilon):
    logits = alpha * np.log(np.abs(td_errors) + epsilon)
    p = np.exp(logits - logits.max())
    return p / p.sum()


# ------------------------------------------------------------------------------------------------- importance_weights


@mutant("importance_weights", "not_scaled")
def unscaled(probabilities, indices, beta):
    return (1 / (len(probabilities) * probabilities[indices])) ** beta


@mutant("importance_weights", "scaled_by_all")
def by_the_buffer(probabilities, indices, beta):
    return (probabilities[indices] / probabilities.min()) ** -beta


@mutant("importance_weights", "power_positive")
def wrong_sign(probabilities, indices, beta):
    w = (len(probabilities) * probabilities[indices]) ** beta
    return w / w.max()


@mutant("importance_weights", "whole_buffer")
def all_rows(probabilities, indices, beta):
    w = probabilities**-beta
    return w / w.max()


@mutant("importance_weights", "beta_forgotten")
def full(probabilities, indices, beta):
    w = 1 / (len(probabilities) * probabilities[indices])
    return w / w.max()


@mutant("importance_weights", "normalised_to_one")
def sums_to_one(probabilities, indices, beta):
    w = (len(probabilities) * probabilities[indices]) ** -beta
    return w / w.sum()


@mutant("importance_weights", "one_minus_beta")
def other_end(probabilities, indices, beta):
    w = (len(probabilities) * probabilities[indices]) ** (beta - 1)
    return w / w.max()


@right("importance_weights", "looped")
def row_by_row(probabilities, indices, beta):
    weights = []
    for i in indices:
        weights.append((1 / (len(probabilities) * probabilities[i])) ** beta)
    largest = max(weights)
    return np.array([w / largest for w in weights])


@right("importance_weights", "vectorised, by the smallest")
def by_the_smallest(probabilities, indices, beta):
    drawn = probabilities[indices]
    return (drawn.min() / drawn) ** beta


# ------------------------------------------------------------------------------------------------------ sum_tree_find


def go_down(tree, target, right_if=lambda target, left: target >= left, subtract=True):
    node, leaves = 1, len(tree) // 2
    while node < leaves:
        left = tree[2 * node]
        if right_if(target, left):
            node, target = 2 * node + 1, target - (left if subtract else 0)
        else:
            node = 2 * node
    return node - leaves


@mutant("sum_tree_find", "node_for_leaf")
def nodes(tree, targets):
    return np.array([go_down(tree, target) + len(tree) // 2 for target in targets])


@mutant("sum_tree_find", "one_leaf_too_far")
def far(tree, targets):
    sums = np.cumsum(tree[len(tree) // 2 :])
    return np.minimum(np.searchsorted(sums, targets, side="right") + 1, len(sums) - 1)


@mutant("sum_tree_find", "one_leaf_too_early")
def early(tree, targets):
    sums = np.cumsum(tree[len(tree) // 2 :])
    return np.maximum(np.searchsorted(sums, targets, side="right") - 1, 0)


@mutant("sum_tree_find", "nothing_subtracted")
def keeps_the_target(tree, targets):
    return np.array([go_down(tree, target, subtract=False) for target in targets])


@mutant("sum_tree_find", "boundary_to_the_left")
def closed_on_the_right(tree, targets):
    return np.searchsorted(np.cumsum(tree[len(tree) // 2 :]), targets, side="left")


@mutant("sum_tree_find", "mutates_input")
def subtracts_in_place(tree, targets):
    node = np.ones(len(targets), int)
    while (node < len(tree) // 2).any():
        node *= 2
        right = targets >= tree[node]
        targets -= np.where(right, tree[node], 0)
        node += right
    return node - len(tree) // 2


@right("sum_tree_find", "looped, from the root")
def one_at_a_time(tree, targets):
    return np.array([go_down(tree, target) for target in targets])


@right("sum_tree_find", "vectorised, by cumulative sums")
def by_cumulative_sums(tree, targets):
    return np.searchsorted(np.cumsum(tree[len(tree) // 2 :]), targets, side="right")


# -------------------------------------------------------------------------------------------------- trajectory_energy


def energies(positions, velocities, mass, gravity, dt):
    if velocities is None:
        velocities = np.zeros_like(positions)
        velocities[1:] = (positions[1:] - positions[:-1]) / dt
    height = positions[:, 2] - positions[0, 2]
    return mass * gravity * height + mass * np.sum(velocities * velocities, axis=1) / 2


@mutant("trajectory_energy", "not_clipped")
def unclipped(positions, velocities, mass, gravity, dt, clip):
    gains = np.diff(energies(positions, velocities, mass, gravity, dt))
    return gains[gains > 0].sum()


@mutant("trajectory_energy", "losses_count")
def net(positions, velocities, mass, gravity, dt, clip):
    return np.clip(np.diff(energies(positions, velocities, mass, gravity, dt)), None, clip).sum()


@mutant("trajectory_energy", "absolute_changes")
def absolute(positions, velocities, mass, gravity, dt, clip):
    return np.clip(np.abs(np.diff(energies(positions, velocities, mass, gravity, dt))), 0, clip).sum()


@mutant("trajectory_energy", "end_minus_start")
def ends_only(positions, velocities, mass, gravity, dt, clip):
    energy = energies(positions, velocities, mass, gravity, dt)
    return np.clip(energy[-1] - energy[0], 0, clip)


@mutant("trajectory_energy", "clips_the_total")
def total_clipped(positions, velocities, mass, gravity, dt, clip):
    return min(np.clip(np.diff(energies(positions, velocities, mass, gravity, dt)), 0, None).sum(), clip)


@mutant("trajectory_energy", "clips_the_energy")
def energy_clipped(positions, velocities, mass, gravity, dt, clip):
    energy = np.clip(energies(positions, velocities, mass, gravity, dt), 0, clip)
    return np.clip(np.diff(energy), 0, None).sum()


@mutant("trajectory_energy", "sums_the_energy")
def summed(positions, velocities, mass, gravity, dt, clip):
    return np.clip(energies(positions, velocities, mass, gravity, dt), 0, clip).sum()


@mutant("trajectory_energy", "half_forgotten")
def without_half(positions, velocities, mass, gravity, dt, clip):
    kinetic = energies(positions, velocities, mass, 0.0, dt)
    energy = 2 * kinetic + mass * gravity * (positions[:, 2] - positions[0, 2])
    return np.diff(energy).clip(0, clip).sum()


@mutant("trajectory_energy", "no_height")
def flat(positions, velocities, mass, gravity, dt, clip):
    return np.diff(energies(positions, velocities, mass, 0.0, dt)).clip(0, clip).sum()


@mutant("trajectory_energy", "wrong_height")
def sideways(positions, velocities, mass, gravity, dt, clip):
    kinetic = energies(positions, velocities, mass, 0.0, dt)
    return np.diff(kinetic + mass * gravity * positions[:, 1]).clip(0, clip).sum()


@mutant("trajectory_energy", "dt_forgotten")
def a_step_a_second(positions, velocities, mass, gravity, dt, clip):
    return np.diff(energies(positions, velocities, mass, gravity, 1.0)).clip(0, clip).sum()


@right("trajectory_energy", "looped")
def step_by_step(positions, velocities, mass, gravity, dt, clip):
    given, before = 0.0, None
    for t in range(len(positions)):
        if velocities is not None:
            v = velocities[t]
        else:
            v = (positions[t] - positions[t - 1]) / dt if t else 0 * positions[t]
        energy = mass * gravity * positions[t][2] + 0.5 * mass * float(np.dot(v, v))
        if before is not None:
            given += min(max(energy - before, 0.0), clip)
        before = energy
    return given


@right("trajectory_energy", "vectorised")
def at_once(positions, velocities, mass, gravity, dt, clip):
    return np.diff(energies(positions, velocities, mass, gravity, dt)).clip(0, clip).sum()


# ------------------------------------------------------------------------------------------------- curriculum_weights


def beyond(distances, reach):
    return np.where(distances > reach, distances - reach, 0.0) / reach


@mutant("curriculum_weights", "not_normalised")
def no_sum(distances, reach, stage):
    return np.exp(-(1 - stage) * beyond(distances, reach))


@mutant("curriculum_weights", "hard_first")
def far_first(distances, reach, stage):
    e = (1 - stage) * beyond(distances, reach)
    w = np.exp(e - e.max())
    return w / w.sum()


@mutant("curriculum_weights", "stage_reversed")
def backwards(distances, reach, stage):
    e = -stage * beyond(distances, reach)
    w = np.exp(e - e.max())
    return w / w.sum()


@mutant("curriculum_weights", "stage_forgotten")
def always_the_beginning(distances, reach, stage):
    e = -beyond(distances, reach)
    w = np.exp(e - e.max())
    return w / w.sum()


@mutant("curriculum_weights", "reach_ignored")
def by_distance(distances, reach, stage):
    e = -(1 - stage) * distances / reach
    w = np.exp(e - e.max())
    return w / w.sum()


@mutant("curriculum_weights", "cut_off")
def within_only(distances, reach, stage):
    w = np.where(distances <= reach, 1.0, 0.0)
    return w / w.sum()


@mutant("curriculum_weights", "unscaled")
def in_metres(distances, reach, stage):
    e = -(1 - stage) * np.maximum(distances - reach, 0)
    w = np.exp(e - e.max())
    return w / w.sum()


@mutant("curriculum_weights", "underflow")
def naive(distances, reach, stage):
    w = np.exp(-(1 - stage) * beyond(distances, reach))
    return w / w.sum()


@right("curriculum_weights", "looped")
def goal_by_goal(distances, reach, stage):
    exponents = [-(1 - stage) * max(d - reach, 0) / reach for d in distances]
    weights = [np.exp(e - max(exponents)) for e in exponents]
    return np.array(weights) / sum(weights)


@right("curriculum_weights", "vectorised, softmax of scipy")
def softmax_of_scipy(distances, reach, stage):
    from scipy.special import softmax

    return softmax((stage - 1) * beyond(distances, reach))


# -------------------------------------------------------------------------------------------------- rank_probabilities


@mutant("rank_probabilities", "proportional")
def by_size(td_errors, alpha):
    priorities = np.abs(td_errors) ** alpha
    return priorities / np.sum(priorities)


@mutant("rank_probabilities", "order_for_rank")
def argsort_once(td_errors, alpha):
    ranks = np.argsort(-np.abs(td_errors)) + 1
    return ranks**-alpha / (ranks**-alpha).sum()


@mutant("rank_probabilities", "smallest_first")
def smallest_is_first(td_errors, alpha):
    ranks = np.abs(td_errors).argsort().argsort() + 1.0
    return ranks**-alpha / (ranks**-alpha).sum()


@mutant("rank_probabilities", "signed_errors")
def with_signs(td_errors, alpha):
    ranks = (-td_errors).argsort().argsort() + 1.0
    return ranks**-alpha / (ranks**-alpha).sum()


@mutant("rank_probabilities", "not_normalised")
def weights_only(td_errors, alpha):
    return ((-np.abs(td_errors)).argsort().argsort() + 1.0) ** -alpha


@mutant("rank_probabilities", "ranks_of_sorted_errors")
def in_sorted_order(td_errors, alpha):
    weights = np.array([1 / rank**alpha for rank in range(1, len(td_errors) + 1)])
    return weights / weights.sum()


@right("rank_probabilities", "argsort twice")
def argsort_twice(td_errors, alpha):
    weights = 1 / ((-np.abs(td_errors)).argsort().argsort() + 1.0) ** alpha
    return weights / weights.sum()


@right("rank_probabilities", "counting those that are larger")
def by_counting(td_errors, alpha):
    sizes = np.abs(td_errors)
    weights = np.array([(1 + (sizes > size).sum()) ** -float(alpha) for size in sizes])
    return weights / weights.sum()


# ----------------------------------------------------------------------------------------------------- mended_energies


def gains(positions, dt, clip):
    total = []
    for path in positions:
        speeds = [0.0, *(np.sqrt((step**2).sum()) / dt for step in path[1:] - path[:-1])]
        total.append(sum(min(max((b**2 - a**2) / 2, 0), clip) for a, b in pairwise(speeds)))
    return np.array(total)


@mutant("mended_energies", "as_handed_out")
def energy_of_the_agent(states, dt, clip):
    return gains(states[..., :2], dt, clip)


@mutant("mended_energies", "relative_to_the_agent")
def energy_of_the_difference(states, dt, clip):
    return gains(states[..., 6:], dt, clip)


@mutant("mended_energies", "both_bodies")
def energy_of_both(states, dt, clip):
    return gains(states[..., :4], dt, clip)


@mutant("mended_energies", "velocity_for_place")
def energy_of_the_velocity(states, dt, clip):
    return gains(states[..., 4:6], dt, clip)


@mutant("mended_energies", "not_clipped")
def unlimited(states, dt, clip):
    return gains(states[..., 2:4], dt, np.inf)


@mutant("mended_energies", "one_number_for_all")
def total_energy(states, dt, clip):
    return float(sum(gains(states[..., 2:4], dt, clip)))


@right("mended_energies", "looped")
def looped_gains(states, dt, clip):
    return gains(states[..., 2:4], dt, clip)


@right("mended_energies", "by the stored velocity")
def by_velocity(states, dt, clip):
    kinetic = 0.5 * (states[:, :, 4:6] ** 2).sum(axis=2)
    kinetic[:, 0] = 0
    return np.minimum(np.maximum(kinetic[:, 1:] - kinetic[:, :-1], 0), clip).sum(axis=1)
