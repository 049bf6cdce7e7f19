"""Exercises of chapter 1, sparse rewards: the reward, the odds of chance, and what counts as success."""

import math
from collections.abc import Sequence

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.fresh_flips import FRESH_FLIPS, flips_case
from her_course.exercises.judging import declare, is_array, maker, rounded, simulated, value_case
from her_course.exercises.model import Case, Text
from her_course.exercises.pose import POSE, pose_cases
from her_course.exercises.scored_early import SCORED_EARLY, score_cases

# ------------------------------------------------------------------------------------------------------ sparse_reward

reward_case = maker(reference.sparse_reward, is_array())


def _sparse_reward_cases(rng: np.random.Generator) -> list[Case]:
    batch = rng.integers(-3, 4, size=(6, 2)).astype(float)
    near = batch + np.where(rng.random((6, 1)) < 0.5, 0.2, 2.0)
    near[0], near[1], near[2] = batch[0], batch[1] + 0.2, batch[2] + 2.0
    grid = rng.integers(-3, 4, size=(2, 3, 3)).astype(float)
    shifted = grid + 0.3
    shifted[:, 1, 2] += 1.5  # far in the third axis alone
    origin = [0.0, 0.0]
    return [
        reward_case("reached", [1.0, 2.0], [1.0, 2.1], 0.5),
        reward_case("missed", [1.2, 6.0], [1.0, 2.0], 0.5),
        reward_case("on_the_line", origin, [3.0, 4.0], 5.0),
        reward_case("off_in_both", origin, [0.4, -0.4], 0.5),
        reward_case("small_threshold", origin, [0.0, 0.6], 0.5),
        reward_case("plus_and_minus", origin, [0.3, -0.3], 0.5),
        reward_case("batch", batch, near, 0.5),
        reward_case("more_axes", grid, shifted, 1.0),
    ]


def _rewarded(reached) -> np.ndarray:
    return np.where(reached, 0.0, -1.0)


def _distance(a, d) -> np.ndarray:
    return np.linalg.norm(a - d, axis=-1)


SPARSE_REWARD = {
    "threshold_inclusive": lambda a, d, t: _rewarded(_distance(a, d) <= t),
    "norm_of_everything": lambda a, d, t: _rewarded(np.linalg.norm(a - d) < t),
    "first_axis": lambda a, d, t: _rewarded(np.linalg.norm(a - d, axis=0) < t),
    "keeps_the_axis": lambda a, d, t: _rewarded(np.linalg.norm(a - d, axis=-1, keepdims=True) < t),
    "one_for_success": lambda a, d, t: -_rewarded(_distance(a, d) >= t),
    "one_and_minus_one": lambda a, d, t: np.where(_distance(a, d) < t, 1.0, -1.0),
    "signs_swapped": lambda a, d, t: _rewarded(_distance(a, d) >= t),
    "only_when_equal": lambda a, d, t: _rewarded((a == d).all(axis=-1)),
    "per_coordinate": lambda a, d, t: _rewarded((np.abs(a - d) < t).all(axis=-1)),
    "any_coordinate": lambda a, d, t: _rewarded((np.abs(a - d) < t).any(axis=-1)),
    "elementwise": lambda a, d, t: _rewarded(np.abs(a - d) < t),
    "squared_distance": lambda a, d, t: _rewarded(((a - d) ** 2).sum(axis=-1) < t),
    "always_zero": lambda a, d, t: np.zeros(a.shape[:-1]),
    "sum_of_differences": (
        lambda a, d, t: _rewarded(np.abs(a - d).sum(axis=-1) < t),
        lambda a, d, t: _rewarded((a - d).sum(axis=-1) < t),
        lambda a, d, t: _rewarded(np.abs((a - d).sum(axis=-1)) < t),
    ),
    "mean_of_differences": (
        lambda a, d, t: _rewarded(np.abs(a - d).mean(axis=-1) < t),
        lambda a, d, t: _rewarded(np.sqrt(((a - d) ** 2).mean(axis=-1)) < t),
    ),
    "shaped": lambda a, d, t: -_distance(a, d),
    "always_minus_one": lambda a, d, t: np.full(a.shape[:-1], -1.0),
}

# --------------------------------------------------------------------------------------- random_success_probability

probability_case = maker(reference.random_success_probability, is_array(1e-5, 1e-12))


def _binomial(n: int) -> np.ndarray:
    return np.array([math.comb(n, d) for d in range(n + 1)]) / 2.0**n


def _chain(p: np.ndarray, steps: int, *, start: bool = True, back: str = "away") -> float:
    """The chain on distances, begun with probabilities p. A wrong flip leads "away", or it is to "stay", or "lost"."""
    n = len(p) - 1
    p, d = p.copy(), np.arange(n + 1)
    hit = p[0] if start else 0.0
    p[0] = 0.0
    for _ in range(steps):
        right, wrong = p * d / n, p * (n - d) / n
        p = np.append(right[1:], 0.0)
        if back == "away":
            p += np.insert(wrong[:-1], 0, 0.0)
        elif back == "stay":
            p += wrong
        hit += p[0]
        p[0] = 0.0
    return float(hit)


RANDOM_SUCCESS = {
    "start_not_counted": lambda n, h: _chain(_binomial(n), h, start=False),
    "only_at_the_end": lambda n, h: 2.0**-n,  # flips leave a uniform distribution uniform
    "one_step_short": lambda n, h: _chain(_binomial(n), max(h - 1, 0)),
    "one_step_more": lambda n, h: _chain(_binomial(n), h + 1),
    "independent_guesses": lambda n, h: 1 - (1 - 2.0**-n) ** (h + 1),
    "independent_guesses_after_start": lambda n, h: 1 - (1 - 2.0**-n) ** h,
    "counts_paths_once": (lambda n, h: (h + 1) * 2.0**-n, lambda n, h: min(1.0, (h + 1) * 2.0**-n)),
    "counts_paths_after_start": (lambda n, h: h * 2.0**-n, lambda n, h: min(1.0, h * 2.0**-n)),
    "never_flips_back": (
        lambda n, h: _chain(_binomial(n), h, back="stay"),
        lambda n, h: _chain(_binomial(n), h, back="lost"),
    ),
    "from_the_farthest": lambda n, h: _chain(np.eye(n + 1)[n], h),
    "uniform_distance": lambda n, h: _chain(np.full(n + 1, 1 / (n + 1)), h),
    "from_half_way": lambda n, h: _chain(np.eye(n + 1)[n // 2], h),
    "failure_probability": lambda n, h: 1 - reference.random_success_probability(n, h),
    "rounded": rounded(reference.random_success_probability),
    "estimated": simulated(reference.random_success_probability),
}

# ------------------------------------------------------------------------------------------------------ success_rate


def rate_case(name: Text | str, rewards: Sequence[list[float]], at: str, done: Sequence[int] = ()) -> Case:
    """The success rate of episodes with these rewards, of which those in `done` end with a done."""
    episodes = [inputs.episode_of(r, done=i in done) for i, r in enumerate(rewards)]
    return value_case(name, (episodes, at), reference.success_rate, is_array(1e-5, 1e-9))


def _success_rate_cases(rng: np.random.Generator) -> list[Case]:
    kept, left, never = [-1.0, -1.0, -1.0, 0.0], [-1.0, 0.0, -1.0, -1.0], [-1.0] * 4
    early = [0.0, -1.0, -1.0, -1.0]
    unequal = [[-1.0, 0.0], [0.0, 0.0, -1.0], [-1.0] * 5, [0.0]]
    return [
        rate_case("any", [kept, left, left, never, early], "any"),
        rate_case("end", [kept, left, left, never, never], "end"),
        rate_case("one_episode", [left], "end"),
        rate_case("unequal_lengths", unequal, "end"),
        rate_case("done_is_not_success", [kept, never, left, never], "any", (1, 3)),
    ]


def _rate(success):
    """The share of episodes for which `success(rewards, dones, at)` holds."""
    return lambda episodes, at: float(np.mean([bool(success(e.rewards, e.dones, at)) for e in episodes]))


def _all_rewards(episodes) -> np.ndarray:
    return np.concatenate([e.rewards for e in episodes])


SUCCESS_RATE = {
    "end_and_any_swapped": _rate(lambda r, d, at: (r == 0).any() if at == "end" else r[-1] == 0),
    "always_any": _rate(lambda r, d, at: (r == 0).any()),
    "always_end": _rate(lambda r, d, at: r[-1] == 0),
    "share_of_steps": (
        lambda episodes, at: float(np.mean(_all_rewards(episodes) == 0)),
        lambda episodes, at: float(np.mean([np.mean(e.rewards == 0) for e in episodes])),
        lambda episodes, at: (
            float(np.mean(_all_rewards(episodes) == 0)) if at == "any" else reference.success_rate(episodes, at)
        ),
    ),
    "return_is_success": (
        _rate(lambda r, d, at: r.sum() == 0),
        _rate(lambda r, d, at: r[-1] == 0 if at == "end" else r.sum() == 0),
        _rate(lambda r, d, at: r.sum() == 0 if at == "end" else (r == 0).any()),
    ),
    "done_is_success": (
        _rate(lambda r, d, at: d.any() if at == "any" else d[-1]),
        _rate(lambda r, d, at: d.any() if at == "any" else r[-1] == 0),
    ),
    "failures_counted": (
        _rate(lambda r, d, at: r[-1] != 0 if at == "end" else (r != 0).any()),
        _rate(lambda r, d, at: r[-1] != 0 if at == "end" else (r != 0).all()),
    ),
    "reward_one_is_success": _rate(lambda r, d, at: r[-1] > 0 if at == "end" else (r > 0).any()),
    "first_step": _rate(lambda r, d, at: r[0] == 0 if at == "end" else (r == 0).any()),
    "misses_the_first_step": _rate(lambda r, d, at: r[-1] == 0 if at == "end" else (r[1:] == 0).any()),
    "misses_the_last_step": _rate(lambda r, d, at: r[-1] == 0 if at == "end" else (r[:-1] == 0).any()),
    "equal_lengths": (
        lambda episodes, at: _rate(lambda r, d, at: (r == 0).any() if at == "any" else r[: len(episodes[0])][-1] == 0)(
            episodes, at
        ),
        lambda episodes, at: float(np.mean(np.stack([e.rewards for e in episodes])[:, -1] == 0)),
    ),
    "percent": lambda episodes, at: 100 * reference.success_rate(episodes, at),
    "count": lambda episodes, at: len(episodes) * reference.success_rate(episodes, at),
    "mean_return": (
        lambda episodes, at: float(np.mean([e.rewards.sum() for e in episodes])),
        lambda episodes, at: float(np.mean(_all_rewards(episodes))),
        lambda episodes, at: float(np.mean([e.rewards[-1] if at == "end" else e.rewards.max() for e in episodes])),
    ),
}

EXERCISES = (
    declare(1, reference.sparse_reward, _sparse_reward_cases, SPARSE_REWARD),
    declare(1, reference.random_success_probability, probability_case, RANDOM_SUCCESS, listed=True),
    declare(1, reference.success_rate, _success_rate_cases, SUCCESS_RATE),
    declare(1, reference.pose_reward, pose_cases, POSE),
    declare(1, reference.fresh_flips_probability, flips_case, FRESH_FLIPS, listed=True),
    declare(1, reference.mended_score, score_cases, SCORED_EARLY),
)
