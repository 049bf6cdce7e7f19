"""Exercises of chapter 3, goal strategies: positions in the future, the goals of a strategy, and draws from them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from her_course.exercises import reference
from her_course.exercises.drawing import (
    Feature,
    alike_feature,
    array_of,
    drawn_wrongly,
    draws_case,
    pairs_alike,
    seeded_case,
)
from her_course.exercises.from_the_start import FROM_THE_START, rows_cases
from her_course.exercises.judging import as_array, declare, is_array, numbers, value_case
from her_course.exercises.model import Case, Text
from her_course.exercises.positions import DISCOUNTED, discounted_cases, indices_case
from her_course.exercises.saying import show

# ----------------------------------------------------------------------------------------------------- future_indices


def _future_indices_cases(rng: np.random.Generator) -> list[Case]:
    return [
        indices_case("range", 3, 10, 40, rng, 10, exact=False),
        indices_case("from_the_start", 0, 6, 40, rng, 10, exact=False),
        indices_case("last_step", 9, 10, 4, rng, 2),
        indices_case("few_left", 8, 10, 12, rng, 3, exact=False),
        indices_case("uniform", 3, 10, 100, rng, 40),
        indices_case("one_at_a_time", 2, 6, 1, rng, 120),
        seeded_case((0, 1000, 12, None), rng),
    ]


FUTURE_INDICES = {
    "off_the_end": lambda t, n, k, rng: rng.integers(t, n + 1, size=k),
    "shifted_by_one": lambda t, n, k, rng: rng.integers(t + 1, n + 1, size=k),
    "includes_past": lambda t, n, k, rng: rng.integers(n, size=k),
    "only_the_past": (
        lambda t, n, k, rng: rng.integers(t, size=k),
        lambda t, n, k, rng: rng.integers(t + 1, size=k),
        lambda t, n, k, rng: rng.integers(max(t, 1), size=k),
    ),
    "relative_positions": lambda t, n, k, rng: rng.integers(n - t, size=k),
    "excludes_own_step": (
        lambda t, n, k, rng: rng.integers(t + 1, n, size=k),
        lambda t, n, k, rng: rng.integers(min(t + 1, n - 1), n, size=k),
        lambda t, n, k, rng: rng.choice(np.arange(t + 1, n), size=k),
        lambda t, n, k, rng: t + 1 + (rng.random(k) * (n - t - 1)).astype(int),
    ),
    "excludes_last": (
        lambda t, n, k, rng: rng.integers(t, n - 1, size=k),
        lambda t, n, k, rng: rng.integers(t, max(t + 1, n - 1), size=k),
        lambda t, n, k, rng: rng.choice(np.arange(t, n - 1), size=k),
    ),
    "excludes_both": lambda t, n, k, rng: rng.integers(t + 1, n - 1, size=k),
    "one_draw_repeated": lambda t, n, k, rng: np.full(k, rng.integers(t, n)),
    "one_draw_only": (lambda t, n, k, rng: int(rng.integers(t, n)), lambda t, n, k, rng: rng.integers(t, n, size=1)),
    "always_the_last": lambda t, n, k, rng: np.full(k, n - 1),
    "always_own_step": lambda t, n, k, rng: np.full(k, t),
    "without_replacement": (
        lambda t, n, k, rng: rng.choice(np.arange(t, n), size=k, replace=False),
        lambda t, n, k, rng: rng.permutation(np.arange(t, n))[:k],
    ),
    "consecutive": (
        lambda t, n, k, rng: np.arange(t, min(t + k, n)),
        lambda t, n, k, rng: np.arange(t, t + k),
        lambda t, n, k, rng: np.minimum(np.arange(t, t + k), n - 1),
    ),
    "floats": lambda t, n, k, rng: rng.uniform(t, n, size=k),
    **drawn_wrongly(reference.future_indices),
}

# ---------------------------------------------------------------------------------------------------- candidate_goals


def same_rows(got: Any, expected: Any) -> bool:
    """The same goals in any order."""
    array, expected = numbers(got), np.asarray(expected, float)
    if array is None or array.ndim != 2 or array.shape != expected.shape:
        return expected.ndim != 2 and is_array()(got, expected)
    return bool(np.allclose(*(rows[np.lexsort(rows.T)] for rows in (array.astype(float), expected))))


def describe_rows(right: np.ndarray, got: Any, compare: Callable) -> tuple[Text | str, Text | str]:
    """Candidates that differ in their number, their shape, their type, or their values."""
    rows = Text(f"{len(right)} 个候选，形状 {right.shape}", f"{len(right)} candidates, shape {right.shape}")
    array, said = numbers(got), show(got, 60)
    if array is not None and array.shape == right.shape:
        return show(right), show(array)
    if array is None:
        kind, same = type(got).__name__, compare(as_array(got), right)
        zh, en = ("数值都对，", "the right values, but ") if same else ("", "")
        return rows, Text(f"{said}：{zh}类型是 {kind}，要数组", f"{said}: {en}the type is {kind}, not an array")
    return rows, Text(f"{said}：形状 {array.shape}", f"{said}: shape {array.shape}")


def past(rng: np.random.Generator, length: int, others: int, goal_dim: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """(length, d) goals of an episode, and the history that ends with them; no two goals alike."""
    numbers = rng.permutation(400)[: length + others]
    history = np.stack([numbers % 20, numbers // 20, numbers][:goal_dim], axis=1).astype(np.float32)
    return history[others:].copy(), history


def candidates_case(name: Text | str, strategy: str, t: int, achieved: np.ndarray, history: np.ndarray) -> Case:
    """The candidates of this strategy at t."""
    arguments, solve = (strategy, achieved, t, history), reference.candidate_goals
    return value_case(name, arguments, solve, same_rows, describe=describe_rows)


def _candidate_goals_cases(rng: np.random.Generator) -> list[Case]:
    achieved, history = past(rng, 6, 5)
    return [
        candidates_case(name, name.partition("_")[0], t, achieved, history)
        for name, t in (
            ("final", 2),
            ("future", 2),
            ("episode", 2),
            ("random", 2),
            ("future_last_step", 5),
            ("future_first_step", 0),
            ("final_first_step", 0),
            ("episode_late", 4),
        )
    ]


def _pool(**changed: Callable[[np.ndarray, int, np.ndarray], np.ndarray]) -> Callable:
    """Candidates that are right, but for these strategies: a function of (achieved goals, t, history)."""

    def pool(strategy: str, achieved: np.ndarray, t: int, history: np.ndarray) -> np.ndarray:
        if strategy in changed:
            return changed[strategy](achieved, t, history)
        return reference.candidate_goals(strategy, achieved, t, history)

    return pool


POOLS = {
    "random_is_episode": _pool(random=lambda a, t, h: a),
    "random_is_future": _pool(random=lambda a, t, h: a[t:]),
    "random_counts_twice": _pool(random=lambda a, t, h: np.concatenate([h, a])),
    "random_without_this_episode": _pool(random=lambda a, t, h: h[: len(h) - len(a)]),
    "excludes_own_step": (
        _pool(future=lambda a, t, h: a[t + 1 :]),
        _pool(future=lambda a, t, h: a[min(t + 1, len(a) - 1) :]),
    ),
    "excludes_last": (
        _pool(future=lambda a, t, h: a[t:-1]),
        _pool(future=lambda a, t, h: a[t : max(t + 1, len(a) - 1)]),
    ),
    "includes_past": _pool(future=lambda a, t, h: a),
    "only_the_past": (_pool(future=lambda a, t, h: a[:t]), _pool(future=lambda a, t, h: a[: t + 1])),
    "future_is_one": (
        _pool(future=lambda a, t, h: a[t : t + 1]),
        _pool(future=lambda a, t, h: a[t + 1 : t + 2]),
        _pool(future=lambda a, t, h: a[t]),
    ),
    "final_of_this_step": _pool(final=lambda a, t, h: a[t : t + 1]),
    "final_is_first": _pool(final=lambda a, t, h: a[:1]),
    "final_before_last": _pool(final=lambda a, t, h: a[-2:-1]),
    "final_of_history": _pool(final=lambda a, t, h: h[:1]),
    "lost_axis": (
        _pool(final=lambda a, t, h: a[-1]),
        lambda s, a, t, h: reference.candidate_goals(s, a, t, h).squeeze(),
    ),
    "episode_is_future": _pool(episode=lambda a, t, h: a[t:]),
    "episode_without_this_step": _pool(episode=lambda a, t, h: np.delete(a, t, axis=0)),
    "episode_is_past": (_pool(episode=lambda a, t, h: a[:t]), _pool(episode=lambda a, t, h: a[: t + 1])),
    "episode_is_random": (_pool(episode=lambda a, t, h: h), _pool(episode=lambda a, t, h: h, future=lambda a, t, h: h)),
}

# --------------------------------------------------------------------------------------------------- substitute_goals


def goals_case(
    name: Text | str,
    strategy: str,
    t: int,
    k: int,
    goals: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    calls: int,
    exact: bool = True,
) -> Case:
    """k goals a call, each among the candidates, and, with `exact`, equally often over all calls.

    Args:
        goals: (T, d) of the episode, and the history.
    """
    achieved, history = goals
    candidates = {tuple(goal) for goal in reference.candidate_goals(strategy, achieved, t, history).tolist()}
    place = {tuple(goal): i for i, goal in enumerate(history.tolist())}
    allowed = np.array([goal in candidates for goal in place] + [False])  # the last is a goal that nobody achieved

    def tell(counts: np.ndarray) -> Text:
        if counts[-1]:
            return Text("有一行谁也没有达到过", "a row that nobody ever achieved")
        if counts[~allowed].any():
            return Text("有的行不在候选里", "rows that are no candidates")
        shares = show((counts[allowed] / counts.sum()).round(3))
        return Text(f"各候选的比例 {shares}", f"shares {shares}")

    def read(value: Any) -> dict[str, np.ndarray]:
        rows = array_of(value, (k, achieved.shape[1])).astype(float).tolist()
        drawn = np.array([place.get(tuple(row), len(place)) for row in rows])
        return {"goal": drawn, "pairs": pairs_alike(drawn)}

    n, d = len(candidates), achieved.shape[1]
    expected = Text(
        f"({k}, {d}) 的数组，每行均匀取自 {n} 个候选", f"a ({k}, {d}) array, each row uniform over {n} candidates"
    )
    features = {"goal": Feature(allowed / n, expected, tell)}
    if k > 1 and n > 1:
        features["pairs"] = alike_feature(1 / n)
    return draws_case(name, (strategy, achieved, t, k, None, history), rng, calls, read, features, exact)


def _substitute_goals_cases(rng: np.random.Generator) -> list[Case]:
    goals = past(rng, 6, 6)
    long, much = past(rng, 200, 100)
    return [
        goals_case("final", "final", 1, 4, goals, rng, 2, exact=False),
        goals_case("future", "future", 2, 30, goals, rng, 6, exact=False),
        goals_case("future_last_step", "future", 5, 1, goals, rng, 2, exact=False),
        goals_case("future_uniform", "future", 2, 100, goals, rng, 30),
        goals_case("episode_uniform", "episode", 2, 100, goals, rng, 30),
        goals_case("random_uniform", "random", 2, 200, goals, rng, 40),
        seeded_case(("future", long, 0, 8, None, much), rng),
    ]


def _drawn(pools: Callable | Sequence[Callable]) -> tuple[Callable, ...]:
    """Those who draw as they should, by index or by choice, but from these candidates."""

    def drawing(pool: Callable, draw: Callable) -> Callable:
        return lambda strategy, achieved, t, k, rng, history: draw(pool(strategy, achieved, t, history), k, rng)

    ways = (
        lambda pool, k, rng: pool[rng.integers(len(pool), size=k)],
        lambda pool, k, rng: rng.choice(pool, size=k),
    )
    return tuple(drawing(pool, draw) for pool in ([pools] if callable(pools) else pools) for draw in ways)


_candidates = reference.candidate_goals

SUBSTITUTE_GOALS = {
    **{name: _drawn(pools) for name, pools in POOLS.items() if name not in ("lost_axis", "final_of_history")},
    "always_future": _drawn(lambda s, a, t, h: a[t:]),
    "always_episode": _drawn(lambda s, a, t, h: a),
    "always_random": _drawn(lambda s, a, t, h: h),
    "always_final": _drawn(lambda s, a, t, h: a[-1:]),
    "one_draw_repeated": lambda s, a, t, k, rng, h: np.repeat(rng.choice(_candidates(s, a, t, h), size=1), k, axis=0),
    "one_draw_only": (
        lambda s, a, t, k, rng, h: rng.choice(_candidates(s, a, t, h)),
        lambda s, a, t, k, rng, h: rng.choice(_candidates(s, a, t, h), size=1),
    ),
    "lost_axis": lambda s, a, t, k, rng, h: reference.substitute_goals(s, a, t, k, rng, h).squeeze(),
    "indices_for_goals": lambda s, a, t, k, rng, h: rng.integers(len(_candidates(s, a, t, h)), size=k),
    "all_candidates": lambda s, a, t, k, rng, h: _candidates(s, a, t, h),
    "coordinates_mixed": lambda s, a, t, k, rng, h: np.stack(
        [rng.choice(column, size=k) for column in _candidates(s, a, t, h).T], axis=1
    ),
    "without_replacement": (
        lambda s, a, t, k, rng, h: rng.choice(_candidates(s, a, t, h), size=k, replace=False),
        lambda s, a, t, k, rng, h: rng.permutation(_candidates(s, a, t, h))[:k],
    ),
    **drawn_wrongly(reference.substitute_goals),
}

EXERCISES = (
    declare(3, reference.future_indices, _future_indices_cases, FUTURE_INDICES),
    declare(3, reference.candidate_goals, _candidate_goals_cases, POOLS),
    declare(3, reference.substitute_goals, _substitute_goals_cases, SUBSTITUTE_GOALS),
    declare(3, reference.discounted_future_indices, discounted_cases, DISCOUNTED),
    declare(3, reference.mended_future_rows, rows_cases, FROM_THE_START),
)
