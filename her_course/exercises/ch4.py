"""Exercises of chapter 4, implementation: exploring, the target network, the TD target, and a batch with hindsight."""

from collections.abc import Callable
from typing import Any

import numpy as np

from her_course.exercises import reference
from her_course.exercises.drawing import Feature, Odd, array_of, drawn_wrongly, draws_case, seeded_case
from her_course.exercises.half_swapped import HALF_SWAPPED, inputs_cases
from her_course.exercises.her_batch import SAMPLE_HER_BATCH, sample_her_batch_cases
from her_course.exercises.judging import declare, is_array, maker
from her_course.exercises.model import Case, Text
from her_course.exercises.polyak import POLYAK_UPDATE, polyak_cases
from her_course.exercises.saying import show

# ----------------------------------------------------------------------------------------------------- epsilon_greedy


def q_table(rng: np.random.Generator, n: int, actions: int) -> np.ndarray:
    """(n, actions) Q-values without ties."""
    return np.stack([rng.permutation(actions) for _ in range(n)]) - actions + rng.random((n, 1)).round(2)


def greedy_case(name: Text | str, q_values: np.ndarray, rng: np.random.Generator) -> Case:
    """ε = 0: the best action of each row."""
    n, actions = q_values.shape

    def read(value: Any) -> dict[str, np.ndarray]:
        return {"action": np.arange(n) * actions + _actions(value, n, actions)}

    best = q_values.argmax(axis=1)
    features = {"action": Feature(np.eye(actions)[best].ravel() / n, show(best))}
    return draws_case(name, (q_values, 0.0, None), rng, 3, read, features, exact=False)


def _actions(value: Any, n: int, actions: int) -> np.ndarray:
    """n actions, if that is what `value` is; otherwise raises `Odd`."""
    chosen = array_of(value, (n,), integers=True).astype(int)
    outside = chosen[(chosen < 0) | (chosen >= actions)]
    if len(outside):
        raise Odd("range", Text(f"动作 0…{actions - 1}", f"actions 0…{actions - 1}"), show(outside[0]))
    return chosen


def exploring_case(
    name: Text | str, n: int, actions: int, epsilon: float, rng: np.random.Generator, calls: int
) -> Case:
    """Shares of the actions by rank, and given the best one; and whether rows are independent."""
    q_values = q_table(rng, n, actions)
    order = (-q_values).argsort(axis=1).argsort(axis=1)  # (n, actions): the rank of each action, the best is 0
    best, random = q_values.argmax(axis=1), epsilon / actions
    chances = np.where(np.eye(actions, dtype=bool), random + 1 - epsilon, random)  # (best, chosen)
    of_best = np.bincount(best, minlength=actions)[:, None] / n
    same_best = [np.flatnonzero(best == action) for action in range(actions)]
    pairs = np.concatenate([rows[: len(rows) // 2 * 2].reshape(-1, 2) for rows in same_best])
    away = epsilon - random  # the probability of an action that is not the best

    def read(value: Any) -> dict[str, np.ndarray]:
        chosen = _actions(value, n, actions)
        one, other = chosen[pairs].T
        explored = (chosen != best)[pairs].sum(axis=1)
        return {
            "rank": order[np.arange(n), chosen],
            "action": best * actions + chosen,
            "pair": explored + ((explored == 2) & (one == other)),
        }

    def tell_ranks(counts: np.ndarray) -> Text:
        first, others = counts[0] / counts.sum(), show((counts[1:] / counts.sum()).round(3))
        return Text(f"最好的占 {first:.3f}，其余 {others}", f"the best {first:.3f}, the others {others}")

    def tell_actions(counts: np.ndarray) -> Text:
        rare = int(counts.reshape(actions, actions).sum(axis=0).argmin())
        return Text(f"动作的比例不对，最少的是动作 {rare}", f"shares of actions are wrong, {rare} comes least")

    def tell_pairs(counts: np.ndarray) -> Text:
        shares = show((counts / counts.sum()).round(3))
        return Text(f"两行之间不独立（{shares}）", f"rows that depend on each other ({shares})")

    expected = Text(
        f"最好的动作占 {1 - away:.3f}，其余各占 {random:.3f}",
        f"the best action {1 - away:.3f}, each other {random:.3f}",
    )
    each = Text("每一行各抛各的硬币，各抽各的动作", "for each row a coin and an action of its own")
    both = np.array([(1 - away) ** 2, 2 * away * (1 - away), *(away**2 * np.array([actions - 2, 1]) / (actions - 1))])
    features = {"rank": Feature(chances[0], expected, tell_ranks)}
    if len(pairs):
        features["pair"] = Feature(both, each, tell_pairs)
    features["action"] = Feature((of_best * chances).ravel(), expected, tell_actions)
    return draws_case(name, (q_values, epsilon, None), rng, calls, read, features)


def _epsilon_greedy_cases(rng: np.random.Generator) -> list[Case]:
    long = q_table(rng, 400, 5)
    return [
        greedy_case("greedy", q_table(rng, 6, 4), rng),
        greedy_case("one_row", q_table(rng, 1, 5), rng),
        exploring_case("shares", 200, 4, 0.3, rng, 20),
        exploring_case("all_random", 200, 3, 1.0, rng, 12),
        exploring_case("one_at_a_time", 1, 4, 0.5, rng, 150),
        seeded_case((long, 0.9, None), rng),
    ]


def _mixed(greedy: Callable, chance: Callable = lambda e, a: e, explore: Callable | None = None) -> Callable:
    """ε-greedy, but with these greedy actions, this probability, or this exploration."""

    def wrong(q: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
        n, actions = q.shape
        random = rng.integers(actions, size=n) if explore is None else explore(q, rng)
        return np.where(rng.random(n) < chance(epsilon, actions), random, greedy(q))

    return wrong


def _best(q: np.ndarray) -> np.ndarray:
    return q.argmax(axis=1)


def _one_coin(explore: Callable, greedy: Callable = _best) -> Callable:
    return lambda q, epsilon, rng: explore(q, rng) if rng.random() < epsilon else greedy(q)


def _by_row(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(q.shape[1], size=len(q))


def _for_all(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.full(len(q), rng.integers(q.shape[1]))


def _boltzmann(q: np.ndarray, temperature: float, rng: np.random.Generator) -> np.ndarray:
    p = np.exp((q - q.max(axis=1, keepdims=True)) / max(temperature, 1e-9))
    return (np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1) < rng.random((len(q), 1))).sum(axis=1)


EPSILON_GREEDY = {
    "wrong_axis": (
        _mixed(lambda q: q.argmax(axis=0)),
        _one_coin(_by_row, lambda q: q.argmax(axis=0)),
        lambda q, epsilon, rng: q.argmax(axis=0),
    ),
    "worst_action": _mixed(lambda q: q.argmin(axis=1)),
    "largest_of_all": (
        _mixed(lambda q: q.argmax() % q.shape[1]),
        _mixed(lambda q: q.argmax()),
        _one_coin(_by_row, lambda q: q.argmax()),
        _one_coin(lambda q, rng: rng.integers(q.shape[1]), lambda q: q.argmax()),
    ),
    "values_for_actions": (_mixed(lambda q: q.max(axis=1)), _one_coin(_by_row, lambda q: q.max(axis=1))),
    "epsilon_inverted": _mixed(_best, lambda epsilon, actions: 1 - epsilon),
    "epsilon_divided": _mixed(_best, lambda epsilon, actions: epsilon / actions),
    "random_never_best": _mixed(
        _best, explore=lambda q, rng: (_best(q) + rng.integers(1, q.shape[1], len(q))) % q.shape[1]
    ),
    "random_best_or_worst": _mixed(_best, explore=lambda q, rng: q.argmin(axis=1)),
    "one_coin_for_all": (_one_coin(_by_row), _one_coin(_for_all)),
    "one_action_for_all": _mixed(_best, explore=_for_all),
    "never_random": lambda q, epsilon, rng: _best(q),
    "always_random": lambda q, epsilon, rng: _by_row(q, rng),
    "some_actions_never": (
        _mixed(_best, explore=lambda q, rng: rng.integers(q.shape[1] - 1, size=len(q))),
        _mixed(_best, explore=lambda q, rng: rng.integers(1, q.shape[1], size=len(q))),
    ),
    "rows_for_actions": _mixed(_best, explore=lambda q, rng: rng.integers(len(q), size=len(q))),
    "boltzmann": (
        _boltzmann,
        _mixed(_best, explore=lambda q, rng: _boltzmann(q, 1.0, rng)),
    ),
    "one_action_only": _one_coin(lambda q, rng: rng.integers(q.shape[1]), lambda q: q[0].argmax()),
    **drawn_wrongly(reference.epsilon_greedy),
}

# ---------------------------------------------------------------------------------------------------------- td_target

td_case = maker(reference.td_target, is_array())


def _target(r, v, d, g):
    return r + g * (1 - d) * v


def _clipped(target, g):
    return np.clip(target, -1 / (1 - g), 0)


TD_TARGET = {
    "bootstraps_through_done": lambda r, v, d, g: _clipped(r + g * v, g),
    "done_inverted": lambda r, v, d, g: _clipped(r + g * d * v, g),
    "done_erases_reward": lambda r, v, d, g: _clipped((1 - d) * (r + g * v), g),
    "not_clipped": _target,
    "clipped_to_rewards": lambda r, v, d, g: np.clip(_target(r, v, d, g), -1, 0),
    "clipped_one_side": lambda r, v, d, g: np.minimum(_target(r, v, d, g), 0),
    "clipped_below_only": lambda r, v, d, g: np.maximum(_target(r, v, d, g), -1 / (1 - g)),
    "clipped_symmetrically": lambda r, v, d, g: np.clip(_target(r, v, d, g), -1 / (1 - g), 1 / (1 - g)),
    "clips_the_value": (
        lambda r, v, d, g: _target(r, np.clip(v, -1 / (1 - g), 0), d, g),
        lambda r, v, d, g: r + (1 - d) * np.clip(g * v, -1 / (1 - g), 0),
    ),
    "without_gamma": lambda r, v, d, g: _clipped(r + (1 - d) * v, g),
    "gamma_on_reward": lambda r, v, d, g: _clipped(g * (r + (1 - d) * v), g),
    "reward_forgotten": lambda r, v, d, g: _clipped(g * (1 - d) * v, g),
    "reward_subtracted": lambda r, v, d, g: _clipped(g * (1 - d) * v - r, g),
    "one_minus_gamma": lambda r, v, d, g: _clipped(r + (1 - g) * (1 - d) * v, g),
    "clipped_at_minus_gamma": lambda r, v, d, g: np.clip(_target(r, v, d, g), -g / (1 - g), 0),
    "clipped_at_another_end": (
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -1 / g, 0),
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -50, 0),
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -(1 - g), 0),
    ),
    "not_clipped_nor_stopped": lambda r, v, d, g: r + g * v,
}

EXERCISES = (
    declare(4, reference.epsilon_greedy, _epsilon_greedy_cases, EPSILON_GREEDY),
    declare(4, reference.polyak_update, polyak_cases, POLYAK_UPDATE, pure=False),
    declare(4, reference.td_target, td_case, TD_TARGET, listed=True),
    declare(4, reference.sample_her_batch, sample_her_batch_cases, SAMPLE_HER_BATCH),
    declare(4, reference.mended_inputs, inputs_cases, HALF_SWAPPED),
)
