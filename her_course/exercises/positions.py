"""Positions in the future of a step, uniform or the sooner the likelier: two exercises of chapter 3."""

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
from her_course.exercises.model import Case, Text
from her_course.exercises.saying import show


def indices_case(
    name: Text | str,
    t: int,
    length: int,
    k: int,
    rng: np.random.Generator,
    calls: int,
    exact: bool = True,
    gamma: float | None = None,
) -> Case:
    """Indices in the right range, and, with `exact`, with the right frequencies over all calls together.

    Args:
        gamma: each position is so many times as likely as the one before it; uniform where it is None.
    """
    positions = np.arange(-1, length + 1)  # the first and the last stand for all that are out of range
    future = (positions >= t) & (positions < length)
    shares = np.where(future, (1.0 if gamma is None else gamma) ** np.maximum(positions - t, 0), 0)
    shares = shares / shares.sum()

    def tell(counts: np.ndarray) -> Text:
        low, high = positions[np.flatnonzero(counts)[[0, -1]]]
        if counts[~future].any():
            return Text(f"取自 {low}…{high}", f"from {low}…{high}")
        got = show((counts[future] / counts.sum()).round(3))
        return Text(f"各位置的比例 {got}", f"shares {got}")

    def read(value: Any) -> dict[str, np.ndarray]:
        indices = array_of(value, (k,), integers=True)
        return {"position": indices.clip(-1, length).astype(int) + 1, "pairs": pairs_alike(indices)}

    last = length - 1
    expected = Text(f"{k} 个整数，均匀取自 {t}…{last}", f"{k} integers, uniform over {t}…{last}")
    if gamma is not None:
        said = show(shares[future].round(3))
        expected = Text(f"{k} 个整数，{t}…{last} 的比例 {said}", f"{k} integers, {t}…{last} with shares {said}")
    features = {"position": Feature(shares, expected, tell)}
    if k > 1 and length - t > 1:
        features["pairs"] = alike_feature(float((shares**2).sum()))
    arguments = (t, length, k, None) if gamma is None else (t, length, k, gamma, None)
    return draws_case(name, arguments, rng, calls, read, features, exact)


def discounted_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases of `discounted_future_indices`."""
    return [
        indices_case("range", 3, 10, 40, rng, 10, exact=False, gamma=0.9),
        indices_case("last_step", 9, 10, 4, rng, 2, gamma=0.5),
        indices_case("few_left", 8, 10, 12, rng, 3, exact=False, gamma=0.8),
        indices_case("shares", 3, 8, 100, rng, 40, gamma=0.6),
        indices_case("far_ahead", 0, 12, 100, rng, 40, gamma=0.95),
        indices_case("one_at_a_time", 2, 6, 1, rng, 120, gamma=0.4),
        seeded_case((0, 1000, 12, 0.99, None), rng),
    ]


def _geometric(gamma: float, k: int, rng: np.random.Generator) -> np.ndarray:
    return rng.geometric(1 - gamma, size=k) - 1


def _chosen(weight, first=lambda t, n: t):
    """Positions from ``first(t, length)`` on, with probabilities ∝ ``weight(position - t, gamma, length - t)``."""

    def draw(t, n, k, gamma, rng):
        positions = np.arange(first(t, n), n)
        p = weight(positions - t, gamma, n - t) * np.ones(len(positions))
        return rng.choice(positions, size=k, p=p / p.sum())

    return draw


DISCOUNTED = {
    "uniform": lambda t, n, k, gamma, rng: rng.integers(t, n, size=k),
    "piles_up_at_the_end": lambda t, n, k, gamma, rng: np.minimum(t + _geometric(gamma, k, rng), n - 1),
    "off_the_end": lambda t, n, k, gamma, rng: t + _geometric(gamma, k, rng),
    "likes_the_end": _chosen(lambda ahead, gamma, left: gamma ** (left - 1 - ahead)),
    "discount_inverted": _chosen(lambda ahead, gamma, left: (1 - gamma) ** ahead),
    "linear": (
        _chosen(lambda ahead, gamma, left: left - ahead),
        _chosen(lambda ahead, gamma, left: np.maximum(1 - (1 - gamma) * ahead, 0)),
    ),
    "excludes_own_step": (
        _chosen(lambda ahead, gamma, left: gamma**ahead, lambda t, n: min(t + 1, n - 1)),
        _chosen(lambda ahead, gamma, left: gamma**ahead, lambda t, n: t + 1),
    ),
    "includes_past": _chosen(lambda ahead, gamma, left: gamma ** (ahead - ahead.min()), lambda t, n: 0),
    "relative_positions": lambda t, n, k, gamma, rng: reference.discounted_future_indices(0, n - t, k, gamma, rng),
    "one_draw_repeated": lambda t, n, k, gamma, rng: np.repeat(
        reference.discounted_future_indices(t, n, 1, gamma, rng), k
    ),
    "always_own_step": lambda t, n, k, gamma, rng: np.full(k, t),
    "without_replacement": lambda t, n, k, gamma, rng: rng.choice(np.arange(t, n), size=k, replace=False),
    "floats": lambda t, n, k, gamma, rng: t + rng.exponential(-1 / np.log(gamma), size=k),
    **drawn_wrongly(reference.discounted_future_indices),
}
