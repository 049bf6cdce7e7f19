"""Answers to the exercises of chapter 1."""

import math
from fractions import Fraction
from functools import cache

import numpy as np

from mutants import mutant, right

# ------------------------------------------------------------------------------------------------------ sparse_reward


@mutant("sparse_reward", "threshold_inclusive")
def inclusive(achieved_goal, desired_goal, threshold):
    return -(np.linalg.norm(achieved_goal - desired_goal, axis=-1) > threshold).astype(np.float32)


@mutant("sparse_reward", "norm_of_everything")
def no_axis(achieved_goal, desired_goal, threshold):
    return 0.0 if np.linalg.norm(achieved_goal - desired_goal) < threshold else -1.0


@mutant("sparse_reward", "one_for_success")
def ones(achieved_goal, desired_goal, threshold):
    return (np.linalg.norm(achieved_goal - desired_goal, axis=-1) < threshold).astype(float)


@mutant("sparse_reward", "signs_swapped")
def swapped(achieved_goal, desired_goal, threshold):
    return -(np.linalg.norm(achieved_goal - desired_goal, axis=-1) < threshold).astype(float)


@mutant("sparse_reward", "per_coordinate")
def largest_coordinate(achieved_goal, desired_goal, threshold):
    return np.where(np.abs(achieved_goal - desired_goal).max(axis=-1) < threshold, 0.0, -1.0)


@mutant("sparse_reward", "squared_distance")
def squared(achieved_goal, desired_goal, threshold):
    difference = achieved_goal - desired_goal
    return np.where(np.einsum("...i,...i", difference, difference) < threshold, 0.0, -1.0)


@mutant("sparse_reward", "sum_of_differences")
def manhattan(achieved_goal, desired_goal, threshold):
    return np.where(np.abs(achieved_goal - desired_goal).sum(-1) < threshold, 0.0, -1.0)


@mutant("sparse_reward", "shaped")
def dense(achieved_goal, desired_goal, threshold):
    return -np.sqrt(((achieved_goal - desired_goal) ** 2).sum(axis=-1))


@mutant("sparse_reward", "mutates_input")
def in_place(achieved_goal, desired_goal, threshold):
    achieved_goal -= desired_goal
    return np.where(np.linalg.norm(achieved_goal, axis=-1) < threshold, 0.0, -1.0)


@right("sparse_reward", "vectorised, integers")
def vectorised(achieved_goal, desired_goal, threshold):
    return (np.sqrt(np.square(achieved_goal - desired_goal).sum(axis=-1)) < threshold).astype(int) - 1


@right("sparse_reward", "looped")
def looped(achieved_goal, desired_goal, threshold):
    if np.ndim(achieved_goal) == 1:
        return 0.0 if math.dist(achieved_goal, desired_goal) < threshold else -1.0
    return np.array([looped(a, d, threshold) for a, d in zip(achieved_goal, desired_goal, strict=True)])


# ----------------------------------------------------------------------------------------- random_success_probability


def chain(n_bits, steps, start=True, absorb=True):
    matrix = np.zeros((n_bits + 1, n_bits + 1))
    for d in range(n_bits + 1):
        if d:
            matrix[d, d - 1] = d / n_bits
        if d < n_bits:
            matrix[d, d + 1] = (n_bits - d) / n_bits
    if absorb:
        matrix[0] = 0
        matrix[0, 0] = 1
    p = np.array([math.comb(n_bits, d) for d in range(n_bits + 1)]) / 2**n_bits
    lost = 0.0 if start else p[0]
    return float((p @ np.linalg.matrix_power(matrix, steps))[0] - lost)


@mutant("random_success_probability", "start_not_counted")
def without_start(n_bits, horizon):
    return chain(n_bits, horizon, start=False)


@mutant("random_success_probability", "only_at_the_end")
def at_the_end(n_bits, horizon):
    return chain(n_bits, horizon, absorb=False)


@mutant("random_success_probability", "one_step_short")
def short(n_bits, horizon):
    return chain(n_bits, max(0, horizon - 1))


@mutant("random_success_probability", "one_step_more")
def long(n_bits, horizon):
    return chain(n_bits, horizon + 1)


@mutant("random_success_probability", "independent_guesses")
def guesses(n_bits, horizon):
    missed = 1.0
    for _ in range(horizon + 1):
        missed *= 1 - 0.5**n_bits
    return 1 - missed


@mutant("random_success_probability", "counts_paths_once")
def counted(n_bits, horizon):
    return sum(0.5**n_bits for _ in range(horizon + 1))


@mutant("random_success_probability", "from_the_farthest")
def farthest(n_bits, horizon):
    @cache
    def hit(d, left):
        if d == 0:
            return 1.0
        if not left:
            return 0.0
        farther = (n_bits - d) / n_bits * hit(d + 1, left - 1) if d < n_bits else 0.0
        return d / n_bits * hit(d - 1, left - 1) + farther

    return hit(n_bits, horizon)


@mutant("random_success_probability", "estimated")
def simulated(n_bits, horizon):
    rng = np.random.default_rng(1)
    state = rng.integers(2, size=(20_000, n_bits))
    hit = (state == 0).all(axis=1)
    for _ in range(horizon):
        state[np.arange(len(state)), rng.integers(n_bits, size=len(state))] ^= 1
        hit |= (state == 0).all(axis=1)
    return hit.mean()


@right("random_success_probability", "matrix")
def matrix(n_bits, horizon):
    return chain(n_bits, horizon)


@right("random_success_probability", "recursion with fractions")
def recursive(n_bits, horizon):
    @cache
    def hit(d, left):
        if d == 0 or not left:
            return Fraction(d == 0)
        farther = Fraction(n_bits - d, n_bits) * hit(d + 1, left - 1) if d < n_bits else 0
        return Fraction(d, n_bits) * hit(d - 1, left - 1) + farther

    return float(sum(Fraction(math.comb(n_bits, d), 2**n_bits) * hit(d, horizon) for d in range(n_bits + 1)))


# ------------------------------------------------------------------------------------------------------- success_rate


@mutant("success_rate", "end_and_any_swapped")
def wrong_way_round(episodes, at):
    return np.mean([0 in e.rewards if at == "end" else e.rewards[-1] == 0 for e in episodes])


@mutant("success_rate", "always_any")
def any_step(episodes, at):
    return sum(bool(0 in e.rewards) for e in episodes) / len(episodes)


@mutant("success_rate", "always_end")
def last_step(episodes, at):
    return sum(e.rewards[-1] == 0 for e in episodes) / len(episodes)


@mutant("success_rate", "share_of_steps")
def steps(episodes, at):
    return sum((e.rewards == 0).sum() for e in episodes) / sum(map(len, episodes))


@mutant("success_rate", "return_is_success")
def by_return(episodes, at):
    return np.mean([sum(e.rewards) == 0 for e in episodes])


@mutant("success_rate", "done_is_success")
def by_done(episodes, at):
    return np.mean([e.dones[-1] if at == "end" else e.dones.any() for e in episodes])


@mutant("success_rate", "equal_lengths")
def same_length(episodes, at):
    last = len(episodes[0]) - 1
    return np.mean([e.rewards[min(last, len(e) - 1)] == 0 if at == "end" else (e.rewards == 0).any() for e in episodes])


@mutant("success_rate", "percent")
def percent(episodes, at):
    return 100 * np.mean([(e.rewards == 0).any() if at == "any" else e.rewards[-1] == 0 for e in episodes])


@mutant("success_rate", "count")
def count(episodes, at):
    return sum(int((e.rewards == 0).any() if at == "any" else e.rewards[-1] == 0) for e in episodes)


@right("success_rate", "looped")
def counted_one_by_one(episodes, at):
    successes = 0
    for episode in episodes:
        reached = [t.reward == 0 for t in episode]
        successes += reached[-1] if at == "end" else any(reached)
    return successes / len(episodes)


@right("success_rate", "vectorised")
def with_numpy(episodes, at):
    best = np.array([episode.rewards[-1:].max() if at == "end" else episode.rewards.max() for episode in episodes])
    return np.float32((best >= 0).mean())


# -------------------------------------------------------------------------------------------------------- pose_reward


def parked(near, turn, angle):
    return -1.0 + (near & (turn < angle))


def place(achieved, desired, threshold):
    dx, dy = np.moveaxis((achieved - desired)[..., :2], -1, 0)
    return np.hypot(dx, dy) < threshold


@mutant("pose_reward", "not_wrapped")
def subtracted(achieved, desired, threshold, angle):
    return parked(place(achieved, desired, threshold), abs(achieved[..., 2] - desired[..., 2]), angle)


@mutant("pose_reward", "wrapped_one_way")
def one_way(achieved, desired, threshold, angle):
    turn = np.mod(achieved[..., 2] - desired[..., 2], 2 * np.pi)
    return parked(place(achieved, desired, threshold), turn, angle)


@mutant("pose_reward", "either_is_enough")
def place_or_heading(achieved, desired, threshold, angle):
    turned = np.cos(achieved[..., 2] - desired[..., 2]) > np.cos(angle)
    return np.where(place(achieved, desired, threshold) | turned, 0.0, -1.0)


@mutant("pose_reward", "heading_ignored")
def no_heading(achieved, desired, threshold, angle):
    return np.where(place(achieved, desired, threshold), 0.0, -1.0)


@mutant("pose_reward", "one_distance_for_all")
def metres_and_radians(achieved, desired, threshold, angle):
    return -(np.sqrt(((achieved - desired) ** 2).sum(axis=-1)) >= threshold).astype(float)


@mutant("pose_reward", "line_counts")
def on_the_line(achieved, desired, threshold, angle):
    away = np.linalg.norm((achieved - desired)[..., :2], axis=-1)
    return np.where((away <= threshold) & (np.cos((achieved - desired)[..., 2]) > np.cos(angle)), 0.0, -1.0)


@right("pose_reward", "by the cosine")
def by_cosine(achieved, desired, threshold, angle):
    offset = achieved - desired
    return parked(place(achieved, desired, threshold), np.arccos(np.clip(np.cos(offset[..., 2]), -1, 1)), angle)


@right("pose_reward", "by the arc tangent, looped")
def by_arctan(achieved, desired, threshold, angle):
    if np.ndim(achieved) > 1:
        return np.array([by_arctan(a, d, threshold, angle) for a, d in zip(achieved, desired, strict=True)])
    turn = achieved[2] - desired[2]
    off = abs(math.atan2(math.sin(turn), math.cos(turn)))
    return 0.0 if math.dist(achieved[:2], desired[:2]) < threshold and off < angle else -1.0


# --------------------------------------------------------------------------------------------- fresh_flips_probability


@mutant("fresh_flips_probability", "bits_flipped_again")
def flips_repeat(n_bits, horizon):
    return chain(n_bits, horizon)


@mutant("fresh_flips_probability", "start_not_counted")
def one_for_each_step(n_bits, horizon):
    return sum(0.5**n_bits for _ in range(min(n_bits, horizon)))


@mutant("fresh_flips_probability", "never_runs_out")
def every_step_is_new(n_bits, horizon):
    return (1 + horizon) * 0.5**n_bits


@mutant("fresh_flips_probability", "only_at_the_end")
def last_pattern(n_bits, horizon):
    return 2.0**-n_bits


@mutant("fresh_flips_probability", "within_reach_is_hit")
def near_enough(n_bits, horizon):
    return sum(math.comb(n_bits, d) for d in range(n_bits + 1) if d <= horizon) / 2**n_bits


@mutant("fresh_flips_probability", "independent_guesses")
def guesses_again(n_bits, horizon):
    return 1 - math.prod(1 - 0.5**n_bits for _ in range(min(n_bits, horizon) + 1))


@right("fresh_flips_probability", "by distance")
def by_distance(n_bits, horizon):
    wrong = (Fraction(math.comb(n_bits, d), 2**n_bits) / math.comb(n_bits, d) for d in range(min(n_bits, horizon) + 1))
    return float(sum(wrong))


@right("fresh_flips_probability", "step by step")
def by_conditioning(n_bits, horizon):
    missed, patterns = 1.0, 2.0**n_bits
    for step in range(min(n_bits, horizon) + 1):
        missed *= 1 - 1 / (patterns - step)
    return 1 - missed


# -------------------------------------------------------------------------------------------------------- mended_score


def by_place(path, goal, threshold):
    return np.array([0.0 if math.dist(here, goal) < threshold else -1.0 for here in path])


@mutant("mended_score", "as_handed_out")
def untouched(path, goal, threshold):
    return by_place(path, goal, threshold)[: len(path) - 1]


@mutant("mended_score", "a_reward_for_each_place")
def each_place(path, goal, threshold):
    return by_place(path, goal, threshold)


@mutant("mended_score", "cut_at_both_ends")
def both_ends(path, goal, threshold):
    return by_place(path[1:-1], goal, threshold)


@mutant("mended_score", "either_place_counts")
def better_of_two(path, goal, threshold):
    rewards = by_place(path, goal, threshold)
    return np.maximum(rewards[:-1], rewards[1:])


@mutant("mended_score", "moved_on_by_one")
def wrong_direction(path, goal, threshold):
    return np.concatenate([[-1.0], by_place(path, goal, threshold)[:-2]])


@mutant("mended_score", "reached_for_good")
def never_lost(path, goal, threshold):
    rewards, best = [], -1.0
    for reward in by_place(path[1:], goal, threshold):
        best = max(best, reward)
        rewards.append(best)
    return np.array(rewards)


@right("mended_score", "the path cut first")
def cut_first(path, goal, threshold):
    return by_place(path[1:], goal, threshold)


@right("mended_score", "looped")
def step_by_step(path, goal, threshold):
    rewards = np.full(len(path) - 1, -1.0)
    for t in range(len(path) - 1):
        if np.sqrt(((path[t + 1] - goal) ** 2).sum()) < threshold:
            rewards[t] = 0
    return rewards
