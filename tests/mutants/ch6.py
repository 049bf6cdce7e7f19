"""Answers to the exercises of chapter 6."""

import math
import statistics

import numpy as np

from mutants import mutant, right

# ------------------------------------------------------------------------------------------------- steps_to_threshold


@mutant("steps_to_threshold", "strictly_above")
def above(steps, success, threshold):
    return next((s for s, y in zip(steps, success, strict=True) if y > threshold), None)


@mutant("steps_to_threshold", "index_for_step")
def position(steps, success, threshold):
    return next((i for i, y in enumerate(success) if y >= threshold), None)


@mutant("steps_to_threshold", "number_for_never")
def at_the_end(steps, success, threshold):
    return next((s for s, y in zip(steps, success, strict=True) if y >= threshold), steps[-1])


@mutant("steps_to_threshold", "first_for_never")
def argmax(steps, success, threshold):
    return steps[(success >= threshold).argmax()]


@mutant("steps_to_threshold", "best_step")
def best(steps, success, threshold):
    return steps[success.argmax()] if success.max() >= threshold else None


@mutant("steps_to_threshold", "last_crossing")
def for_good(steps, success, threshold):
    for i in range(len(steps)):
        if (success[i:] >= threshold).all():
            return steps[i]
    return None


@mutant("steps_to_threshold", "last_step")
def last(steps, success, threshold):
    found = None
    for s, y in zip(steps, success, strict=True):
        if y >= threshold:
            found = s
    return found


@right("steps_to_threshold", "looped")
def one_by_one(steps, success, threshold):
    for i in range(len(steps)):
        if success[i] >= threshold:
            return int(steps[i])


@right("steps_to_threshold", "vectorised")
def masked(steps, success, threshold):
    reached = np.asarray(steps)[np.asarray(success) >= threshold]
    return reached.min() if reached.size else None


# ---------------------------------------------------------------------------------------------------------------- iqm


@mutant("iqm", "unsorted")
def by_position(scores):
    cut = len(scores) // 4
    return sum(scores[cut : len(scores) - cut]) / (len(scores) - 2 * cut)


@mutant("iqm", "mean")
def plain_mean(scores):
    return scores.sum() / len(scores)


@mutant("iqm", "median")
def median(scores):
    return statistics.median(scores)


@mutant("iqm", "trims_a_quarter_in_all")
def eighths(scores):
    cut = len(scores) // 8
    return float(np.mean(sorted(scores)[cut : len(scores) - cut]))


@mutant("iqm", "percentile_mask")
def between_quartiles(scores):
    low, high = np.percentile(scores, [25, 75])
    return scores[(low <= scores) & (scores <= high)].mean()


@mutant("iqm", "midpoint_of_quartiles")
def midpoint(scores):
    return np.percentile(scores, [25, 75]).mean()


@mutant("iqm", "rounds_up")
def too_much(scores):
    cut = math.ceil(len(scores) / 4)
    return np.sort(scores)[cut : len(scores) - cut].mean()


@mutant("iqm", "one_sided")
def upper(scores):
    return np.sort(scores)[len(scores) // 4 :].mean()


@mutant("iqm", "mutates_input")
def sorts_in_place(scores):
    scores.sort()
    cut = len(scores) // 4
    return scores[cut : len(scores) - cut].mean()


@right("iqm", "looped")
def without_numpy(scores):
    ordered = sorted(map(float, scores))
    for _ in range(len(scores) // 4):
        ordered = ordered[1:-1]
    return sum(ordered) / len(ordered)


@right("iqm", "vectorised, by scipy")
def by_scipy(scores):
    from scipy.stats import trim_mean

    return trim_mean(scores, 0.25)


# -------------------------------------------------------------------------------------------------- bootstrap_interval


def resampled(scores, statistic, rng, times=2000, size=None, replace=True):
    return [statistic(rng.choice(scores, size=size or len(scores), replace=replace)) for _ in range(times)]


def ends(values, tail):
    return tuple(np.quantile(values, [tail, 1 - tail]))


@mutant("bootstrap_interval", "reversed")
def upside_down(scores, statistic, level, rng):
    return ends(resampled(scores, statistic, rng), (1 - level) / 2)[::-1]


@mutant("bootstrap_interval", "level_as_tail")
def twice_the_tail(scores, statistic, level, rng):
    return ends(resampled(scores, statistic, rng), 1 - level)


@mutant("bootstrap_interval", "without_replacement")
def shuffles(scores, statistic, level, rng):
    return ends(resampled(scores, statistic, rng, replace=False), (1 - level) / 2)


@mutant("bootstrap_interval", "percentiles_of_scores")
def of_the_scores(scores, statistic, level, rng):
    return ends(scores, (1 - level) / 2)


@mutant("bootstrap_interval", "normal_interval")
def normal(scores, statistic, level, rng):
    z = statistics.NormalDist().inv_cdf((1 + level) / 2)
    error = np.std(scores) / math.sqrt(len(scores))
    return statistic(scores) - z * error, statistic(scores) + z * error


@mutant("bootstrap_interval", "normal_interval")
def normal_with_ddof(scores, statistic, level, rng):
    z = statistics.NormalDist().inv_cdf((1 + level) / 2)
    error = np.std(scores, ddof=min(1, len(scores) - 1)) / math.sqrt(len(scores))
    return statistic(scores) - z * error, statistic(scores) + z * error


@mutant("bootstrap_interval", "statistic_ignored")
def of_the_mean(scores, statistic, level, rng):
    return ends(resampled(scores, np.mean, rng), (1 - level) / 2)


@mutant("bootstrap_interval", "unsorted_quantiles")
def by_index(scores, statistic, level, rng):
    values = resampled(scores, statistic, rng)
    return values[int((1 - level) / 2 * 2000)], values[int((1 + level) / 2 * 2000)]


@mutant("bootstrap_interval", "resample_size")
def large_resamples(scores, statistic, level, rng):
    return ends(resampled(scores, statistic, rng, size=2 * len(scores)), (1 - level) / 2)


@mutant("bootstrap_interval", "fixed_rng")
def same_seed(scores, statistic, level, rng):
    return ends(resampled(scores, statistic, np.random.default_rng(0)), (1 - level) / 2)


@mutant("bootstrap_interval", "ignores_rng")
def no_seed(scores, statistic, level, rng):
    return ends(resampled(scores, statistic, np.random.default_rng()), (1 - level) / 2)


@right("bootstrap_interval", "looped, by position in sorted values")
def sorted_by_hand(scores, statistic, level, rng):
    values = sorted(resampled(scores, statistic, rng, times=4000))
    return [values[int((1 - level) / 2 * 4000)], values[int((1 + level) / 2 * 4000) - 1]]


@right("bootstrap_interval", "vectorised")
def at_once(scores, statistic, level, rng):
    rows = rng.integers(len(scores), size=(2000, len(scores)))
    values = np.apply_along_axis(statistic, 1, scores[rows])
    return np.quantile(values, [(1 - level) / 2, 1 - (1 - level) / 2])


# ----------------------------------------------------------------------------------------------------------- speed_up


def medians(baseline, treatment, absent):
    return (np.median([absent if s is None else s for s in steps]) for steps in (baseline, treatment))


@mutant("speed_up", "drops_not_reached")
def survivors(baseline, treatment):
    before, after = ([s for s in steps if s is not None] for steps in (baseline, treatment))
    return np.median(before) / np.median(after) if before and after else None


@mutant("speed_up", "inverted")
def the_other_way(baseline, treatment):
    before, after = medians(baseline, treatment, math.inf)
    if math.isinf(before):
        return None if math.isinf(after) else 0.0
    return after / before


@mutant("speed_up", "mean_for_median")
def of_means(baseline, treatment):
    before, after = (statistics.mean([math.inf if s is None else s for s in steps]) for steps in (baseline, treatment))
    return None if math.isinf(before) and math.isinf(after) else before / after


@mutant("speed_up", "not_reached_is_zero")
def zeros(baseline, treatment):
    before, after = medians(baseline, treatment, 0)
    with np.errstate(all="ignore"):
        return before / after


@mutant("speed_up", "nan_for_neither")
def divided(baseline, treatment):
    before, after = medians(baseline, treatment, np.inf)
    return before / after


@mutant("speed_up", "none_for_never")
def careful(baseline, treatment):
    before, after = medians(baseline, treatment, math.inf)
    return None if math.inf in (before, after) else before / after


@right("speed_up", "looped")
def by_sorting(baseline, treatment):
    middle = []
    for steps in (baseline, treatment):
        ordered = sorted(math.inf if s is None else s for s in steps)
        half = len(ordered) // 2
        middle.append(ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2)
    before, after = middle
    if after == math.inf:
        return None if before == math.inf else 0
    return before / after


@right("speed_up", "vectorised")
def with_numpy(baseline, treatment):
    before, after = medians(baseline, treatment, np.inf)
    with np.errstate(invalid="ignore"):
        ratio = before / after
    return None if np.isnan(ratio) else ratio


# ----------------------------------------------------------------------------------------------- mended_network_inputs


@mutant("mended_network_inputs", "as_handed_out")
def just_joined(states, goals):
    return np.c_[states, goals]


@mutant("mended_network_inputs", "sign_swapped")
def wrong_sign(states, goals):
    d = goals.shape[1]
    return np.c_[states[:, :-d], states[:, :d] - goals, goals]


@mutant("mended_network_inputs", "offset_erased")
def set_to_zero(states, goals):
    return np.c_[states[:, : -goals.shape[1]], np.zeros_like(goals), goals]


@mutant("mended_network_inputs", "offset_cut_out")
def left_out(states, goals):
    return np.c_[states[:, : states.shape[1] - goals.shape[1]], goals]


@mutant("mended_network_inputs", "from_the_old_goal")
def minus_the_offset(states, goals):
    d = goals.shape[1]
    return np.c_[states[:, :-d], goals - states[:, -d:], goals]


@mutant("mended_network_inputs", "old_goal_for_new")
def old_goal(states, goals):
    d = goals.shape[1]
    return np.c_[states, states[:, :d] + states[:, -d:]]


@mutant("mended_network_inputs", "mutates_input")
def written_into_states(states, goals):
    d = goals.shape[1]
    states[:, -d:] = goals - states[:, :d]
    return np.c_[states, goals]


@right("mended_network_inputs", "a copy, written into")
def written_into_a_copy(states, goals):
    d = goals.shape[1]
    changed = states.copy()
    changed[:, -d:] = goals - changed[:, :d]
    return np.hstack((changed, goals))


@right("mended_network_inputs", "by the difference of the goals")
def moved_with_the_goal(states, goals):
    d = goals.shape[1]
    old = states[:, :d] + states[:, -d:]
    rows = [[*s[:-d], *(s[-d:] + (g - o)), *g] for s, g, o in zip(states, goals, old, strict=True)]
    return np.array(rows)
