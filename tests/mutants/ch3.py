"""Answers to the exercises of chapter 3."""

import random

import numpy as np

from mutants import mutant, right

# ----------------------------------------------------------------------------------------------------- future_indices


@mutant("future_indices", "off_the_end")
def off_the_end(t, length, k, rng):
    return rng.integers(t, length + 1, size=k)


@mutant("future_indices", "off_the_end")
def off_the_end_inclusive(t, length, k, rng):
    return rng.integers(t, length, size=k, endpoint=True)


@mutant("future_indices", "includes_past")
def whole_episode(t, length, k, rng):
    return rng.integers(length, size=k)


@mutant("future_indices", "excludes_own_step")
def strictly_later(t, length, k, rng):
    return rng.integers(t + 1, length, size=k) if t + 1 < length else np.full(k, t)


@mutant("future_indices", "excludes_last")
def never_the_last(t, length, k, rng):
    return rng.integers(t, max(t + 1, length - 1), size=k)


@mutant("future_indices", "one_draw_repeated")
def one_draw(t, length, k, rng):
    return np.repeat(rng.integers(t, length), k)


@mutant("future_indices", "fixed_rng")
def own_generator(t, length, k, rng):
    return np.random.default_rng(1000 * t + k).integers(t, length, size=k)


@mutant("future_indices", "ignores_rng")
def global_generator(t, length, k, rng):
    return np.array([random.randrange(t, length) for _ in range(k)])


@mutant("future_indices", "wrong_distribution")
def right_mean(t, length, k, rng):
    return t + rng.binomial(length - 1 - t, 0.5, size=k)


@mutant("future_indices", "wrong_distribution")
def rounded(t, length, k, rng):
    return np.rint(rng.uniform(t, length - 1, size=k)).astype(int)


@mutant("future_indices", "relative_positions")
def offsets(t, length, k, rng):
    return rng.integers(length - t, size=k)


@right("future_indices", "vectorised, from uniform numbers")
def floored(t, length, k, rng):
    return t + np.floor(rng.random(k) * (length - t)).astype(np.int32)


@right("future_indices", "looped")
def one_by_one(t, length, k, rng):
    indices = []
    for _ in range(k):
        indices.append(rng.choice(np.arange(t, length)))
    return np.array(indices)


@right("future_indices", "by shuffling, where that is possible")
def shuffled(t, length, k, rng):
    left = np.arange(t, length)
    rng.shuffle(left)
    return left[:k] if k == 1 else rng.choice(left, size=k)


# ---------------------------------------------------------------------------------------------------- candidate_goals


def candidates(strategy, achieved_goals, t, history):
    if strategy == "final":
        return achieved_goals[[-1]]
    if strategy == "future":
        return achieved_goals[t:]
    return achieved_goals if strategy == "episode" else history


@mutant("candidate_goals", "random_is_episode")
def random_within(strategy, achieved_goals, t, history):
    return candidates("episode" if strategy == "random" else strategy, achieved_goals, t, history)


@mutant("candidate_goals", "excludes_own_step")
def later(strategy, achieved_goals, t, history):
    return achieved_goals[t + 1 :] if strategy == "future" else candidates(strategy, achieved_goals, t, history)


@mutant("candidate_goals", "includes_past")
def future_is_all(strategy, achieved_goals, t, history):
    return achieved_goals if strategy == "future" else candidates(strategy, achieved_goals, t, history)


@mutant("candidate_goals", "only_the_past")
def earlier(strategy, achieved_goals, t, history):
    return achieved_goals[:t] if strategy == "future" else candidates(strategy, achieved_goals, t, history)


@mutant("candidate_goals", "final_of_this_step")
def final_is_now(strategy, achieved_goals, t, history):
    return achieved_goals[t][None] if strategy == "final" else candidates(strategy, achieved_goals, t, history)


@mutant("candidate_goals", "lost_axis")
def one_row(strategy, achieved_goals, t, history):
    return achieved_goals[-1] if strategy == "final" else candidates(strategy, achieved_goals, t, history)


@mutant("candidate_goals", "episode_is_future")
def episode_from_t(strategy, achieved_goals, t, history):
    return candidates("future" if strategy == "episode" else strategy, achieved_goals, t, history)


@mutant("candidate_goals", "random_without_this_episode")
def others_only(strategy, achieved_goals, t, history):
    if strategy == "random":
        return history[: -len(achieved_goals)]
    return candidates(strategy, achieved_goals, t, history)


@right("candidate_goals", "slices")
def slices(strategy, achieved_goals, t, history):
    return candidates(strategy, achieved_goals, t, history)


@right("candidate_goals", "looped")
def picked(strategy, achieved_goals, t, history):
    positions = {"final": [len(achieved_goals) - 1], "future": range(t, len(achieved_goals))}
    if strategy == "random":
        return np.array([goal for goal in history])
    return np.array([achieved_goals[i] for i in positions.get(strategy, range(len(achieved_goals)))])


# --------------------------------------------------------------------------------------------------- substitute_goals


@mutant("substitute_goals", "random_is_episode")
def random_from_episode(strategy, achieved_goals, t, k, rng, history):
    pool = random_within(strategy, achieved_goals, t, history)
    return pool[rng.integers(len(pool), size=k)]


@mutant("substitute_goals", "episode_is_random")
def from_everywhere(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy if strategy == "final" else "random", achieved_goals, t, history)
    return pool[rng.integers(len(pool), size=k)]


@mutant("substitute_goals", "excludes_own_step")
def only_later(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, min(t + 1, len(achieved_goals) - 1), history)
    return pool[rng.integers(len(pool), size=k)]


@mutant("substitute_goals", "includes_past")
def from_the_past_too(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, 0, history)
    return pool[rng.integers(len(pool), size=k)]


@mutant("substitute_goals", "one_draw_repeated")
def repeated(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, t, history)
    return np.tile(pool[rng.integers(len(pool))], (k, 1))


@mutant("substitute_goals", "fixed_rng")
def seeded_inside(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, t, history)
    return np.random.default_rng(0).choice(pool, size=k)


@mutant("substitute_goals", "ignores_rng")
def from_numpy_itself(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, t, history)
    return pool[np.random.default_rng().integers(len(pool), size=k)]


@mutant("substitute_goals", "wrong_distribution")
def prefers_the_middle(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, t, history)
    return pool[(rng.random((2, k)).mean(axis=0) * len(pool)).astype(int)]


@mutant("substitute_goals", "mutates_input")
def shuffles(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, t, history)
    if strategy != "final":
        rng.shuffle(pool)
    return pool[rng.integers(len(pool), size=k)]


@right("substitute_goals", "vectorised")
def chosen(strategy, achieved_goals, t, k, rng, history):
    return rng.choice(candidates(strategy, achieved_goals, t, history), size=k)


@right("substitute_goals", "looped")
def row_by_row(strategy, achieved_goals, t, k, rng, history):
    pool = candidates(strategy, achieved_goals, t, history)
    goals = np.empty((k, achieved_goals.shape[1]))
    for i in range(k):
        goals[i] = pool[int(rng.random() * len(pool))]
    return goals


# ------------------------------------------------------------------------------------------- discounted_future_indices


@mutant("discounted_future_indices", "uniform")
def without_gamma(t, length, k, gamma, rng):
    return t + (rng.random(k) * (length - t)).astype(int)


@mutant("discounted_future_indices", "piles_up_at_the_end")
def capped(t, length, k, gamma, rng):
    return np.clip(t + rng.geometric(1 - gamma, k) - 1, t, length - 1)


@mutant("discounted_future_indices", "likes_the_end")
def reversed_weights(t, length, k, gamma, rng):
    weights = gamma ** np.arange(length - t)[::-1]
    return rng.choice(np.arange(t, length), k, p=weights / weights.sum())


@mutant("discounted_future_indices", "excludes_own_step")
def from_the_next(t, length, k, gamma, rng):
    later = np.arange(min(t + 1, length - 1), length)
    weights = gamma**later
    return rng.choice(later, k, p=weights / weights.sum())


@mutant("discounted_future_indices", "one_draw_repeated")
def the_same_for_all(t, length, k, gamma, rng):
    weights = gamma ** np.arange(length - t)
    return np.full(k, rng.choice(np.arange(t, length), p=weights / weights.sum()))


@right("discounted_future_indices", "inverse of the distribution")
def inverted(t, length, k, gamma, rng):
    sums = np.cumsum(gamma ** np.arange(length - t))
    return t + np.searchsorted(sums, rng.random(k) * sums[-1], side="right")


@right("discounted_future_indices", "geometric, come round at the end")
def come_round(t, length, k, gamma, rng):
    return t + (rng.geometric(1 - gamma, size=k) - 1) % (length - t)


@right("discounted_future_indices", "geometric, drawn again until it fits")
def drawn_again(t, length, k, gamma, rng):
    found = []
    while len(found) < k:
        j = t + int(rng.geometric(1 - gamma)) - 1
        found += [j] if j < length else []
    return np.array(found)


# -------------------------------------------------------------------------------------------------- mended_future_rows


@mutant("mended_future_rows", "as_handed_out")
def added_to_the_start(rows, starts, lengths, rng):
    return starts + np.floor(rng.random(rows.shape) * (starts + lengths - rows)).astype(int)


@mutant("mended_future_rows", "whole_episode")
def anywhere_in_it(rows, starts, lengths, rng):
    return rng.integers(starts, starts + lengths)


@mutant("mended_future_rows", "crosses_the_border")
def one_too_far(rows, starts, lengths, rng):
    return rng.integers(rows, starts + lengths + 1)


@mutant("mended_future_rows", "excludes_own_step")
def rows_strictly_later(rows, starts, lengths, rng):
    last = starts + lengths - 1
    return np.minimum(rows + 1 + (rng.random(len(rows)) * (last - rows)).astype(int), last)


@mutant("mended_future_rows", "ends_half_as_often")
def to_nearest(rows, starts, lengths, rng):
    return rows + np.rint(rng.random(len(rows)) * (starts + lengths - 1 - rows)).astype(int)


@mutant("mended_future_rows", "one_draw_repeated")
def one_fraction(rows, starts, lengths, rng):
    fraction = rng.random()
    return np.array([r + int(fraction * (s + n - r)) for r, s, n in zip(rows, starts, lengths, strict=True)])


@right("mended_future_rows", "integers with arrays for bounds")
def with_bounds(rows, starts, lengths, rng):
    return rng.integers(rows, starts + lengths)


@right("mended_future_rows", "looped")
def looped_rows(rows, starts, lengths, rng):
    return np.array([rng.integers(r, s + n) for r, s, n in zip(rows, starts, lengths, strict=True)])
