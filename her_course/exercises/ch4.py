"""Exercises of chapter 4, implementation: exploring, the target network, the TD target, and a batch with hindsight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from her_course.exercises import reference
from her_course.exercises.drawing import (
    FIXED_RNG,
    UNEVEN,
    Feature,
    Odd,
    array_of,
    draws_case,
    generators,
    seeded_case,
    unseeded,
)
from her_course.exercises.her_batch import SAMPLE_HER_BATCH, sample_her_batch_cases
from her_course.exercises.judging import declare, is_array, value_case
from her_course.exercises.model import Case, Outcome, Text
from her_course.exercises.saying import show, show_both

# ----------------------------------------------------------------------------------------------------- epsilon_greedy


def q_table(rng: np.random.Generator, n: int, actions: int) -> np.ndarray:
    """(n, actions) Q-values without ties."""
    return np.stack([rng.permutation(actions) for _ in range(n)]) - actions + rng.random((n, 1)).round(2)


def greedy_case(name: Text, group: str, q_values: np.ndarray, rng: np.random.Generator) -> Case:
    """ε = 0: the best action of each row."""
    n, actions = q_values.shape

    def read(value: Any) -> dict[str, np.ndarray]:
        return {"action": np.arange(n) * actions + _actions(value, n, actions)}

    best = q_values.argmax(axis=1)
    features = {"action": Feature(np.eye(actions)[best].ravel() / n, show(best))}
    return draws_case(name, group, (q_values, 0.0, None), generators(rng, 3), read, features, exact=False)


def _actions(value: Any, n: int, actions: int) -> np.ndarray:
    """n actions, if that is what `value` is; otherwise raises `Odd`."""
    chosen = array_of(value, (n,), integers=True).astype(int)
    outside = chosen[(chosen < 0) | (chosen >= actions)]
    if len(outside):
        raise Odd("range", Text(f"动作 0…{actions - 1}", f"actions 0…{actions - 1}"), show(outside[0]))
    return chosen


def exploring_case(
    name: Text, group: str, n: int, actions: int, epsilon: float, rng: np.random.Generator, calls: int
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
    return draws_case(name, group, (q_values, epsilon, None), generators(rng, calls), read, features)


def _epsilon_greedy_cases(rng: np.random.Generator) -> list[Case]:
    long = q_table(rng, 400, 5)
    return [
        greedy_case(Text("ε = 0：总选最好的", "ε = 0: always the best"), "basics", q_table(rng, 6, 4), rng),
        greedy_case(Text("一行也是一批", "one row is a batch too"), "edges", q_table(rng, 1, 5), rng),
        exploring_case(Text("ε = 0.3 的比例", "shares at ε = 0.3"), "sampling", 200, 4, 0.3, rng, 50),
        exploring_case(Text("ε = 1：全随机", "ε = 1: all random"), "edges", 200, 3, 1.0, rng, 30),
        exploring_case(Text("一次一行", "one row at a time"), "sampling", 1, 4, 0.5, rng, 400),
        seeded_case((long, 0.9, None), rng.integers(2**62, size=2)),
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
        _mixed(_best, explore=lambda q, rng: rng.integers(2, size=len(q))),
    ),
    "rows_for_actions": _mixed(_best, explore=lambda q, rng: rng.integers(len(q), size=len(q))),
    "boltzmann": (
        lambda q, epsilon, rng: _boltzmann(q, epsilon, rng),
        lambda q, epsilon, rng: _best(q) if epsilon == 0 else _boltzmann(q, epsilon, rng),
        _mixed(_best, explore=lambda q, rng: _boltzmann(q, 1.0, rng)),
    ),
    "one_action_only": _one_coin(lambda q, rng: rng.integers(q.shape[1]), lambda q: q[0].argmax()),
    "fixed_rng": FIXED_RNG,
    "ignores_rng": unseeded(reference.epsilon_greedy),
    "wrong_distribution": UNEVEN,
}

# ------------------------------------------------------------------------------------------------------ polyak_update


def polyak_case(
    name: Text, group: str, shapes: Sequence[tuple[int, ...]], tau: float, rng: np.random.Generator, kind: type = list
) -> Case:
    """The arguments after the call must be what they should be; what is returned does not matter.

    Args:
        kind: of sequence that the parameters come in. Nothing can be assigned to the entries of a tuple.
    """
    import torch

    target, online = (
        kind(torch.nn.Parameter(torch.from_numpy(rng.normal(size=shape).astype(np.float32))) for shape in shapes)
        for _ in range(2)
    )

    return value_case(
        name, group, (target, online, tau), reference.polyak_update, same_networks, look=_after, describe=_which_tensor
    )


def _after(outcome: Outcome) -> list[list[Any]] | None:
    """Both networks after the call, as lists of tensors; None if they are something else."""
    if outcome.arguments_after is None or len(outcome.arguments_after[0]) != 3:
        return None
    networks = outcome.arguments_after[0][:2]
    if any(type(network) not in (list, tuple) for network in networks):
        return None
    return [list(network) for network in networks]


def _same_tensor(one: Any, other: Any) -> bool:
    if type(one) is not type(other) or getattr(one, "requires_grad", None) != getattr(other, "requires_grad", None):
        return False
    return hasattr(one, "detach") and is_array(1e-4, 1e-5)(one.detach().numpy(), other.detach().numpy())


def _same_tensors(one: Sequence, other: Sequence) -> bool:
    return len(one) == len(other) and all(map(_same_tensor, one, other))


def same_networks(got: Any, expected: Any) -> bool:
    """Are all tensors of both networks the same, parameters where those are?"""
    return got is not None and expected is not None and all(map(_same_tensors, got, expected))


def _which_tensor(right: Any, got: Any, compare: Callable) -> tuple[Text | str, Text | str]:
    if got is None:
        return Text("两列参数", "two lists of parameters"), Text("成了别的东西", "something else")
    if not _same_tensors(got[1], right[1]):
        changed = Text("它变了", "it has changed")
        return Text("在线网络不变", "the online network as it was"), changed
    if len(got[0]) != len(right[0]):
        return f"{len(right[0])}", f"{len(got[0])}"
    i = next(i for i, pair in enumerate(zip(got[0], right[0], strict=True)) if not _same_tensor(*pair))
    kind = type(got[0][i]).__name__
    if kind != "Parameter" or not got[0][i].requires_grad:
        expected = Text("目标网络自己的 Parameter，要梯度", "the target's own Parameter, which requires gradients")
        frozen = Text("不再要梯度的 Parameter", "a Parameter that requires none")
        return expected, frozen if kind == "Parameter" else Text(f"另一个 {kind}", f"another {kind}")
    expected, came = show_both(right[0][i].detach().numpy(), got[0][i].detach().numpy(), 60)
    return Text(f"第 {i + 1} 个张量 {expected}", f"tensor {i + 1}: {expected}"), Text(
        f"第 {i + 1} 个张量 {came}", f"tensor {i + 1}: {came}"
    )


def _polyak_cases(rng: np.random.Generator) -> list[Case]:
    one, network = Text("一个张量，τ = 0.1", "one tensor, τ = 0.1"), Text("一个小网络", "a small network")
    return [
        polyak_case(one, "basics", [(3,)], 0.1, rng),
        polyak_case(network, "basics", [(4, 3), (4,), (2, 4), (2,)], 0.25, rng, tuple),
        polyak_case(Text("τ = 0：不动", "τ = 0: no move"), "edges", [(2, 2), (2,)], 0.0, rng),
        polyak_case(Text("τ = 1：整个复制", "τ = 1: a full copy"), "edges", [(2, 2), (2,)], 1.0, rng),
    ]


def _each(change: Callable, only: slice = slice(None)) -> Callable:
    """``change(t, o, tau)`` gives the new values of each tensor of the target, in place."""

    def wrong(target: Sequence, online: Sequence, tau: float) -> None:
        for t, o in list(zip(target, online, strict=True))[only]:
            t.data.copy_(change(t.data, o.data, tau))

    return wrong


def _online(change: Callable, target_too: bool) -> Callable:
    def wrong(target: Sequence, online: Sequence, tau: float) -> None:
        for t, o in zip(target, online, strict=True):
            new = change(t.data, o.data, tau)
            if target_too:
                t.data.copy_((1 - tau) * t.data + tau * o.data)
            o.data.copy_(new)

    return wrong


def _assigned(make: Callable) -> Callable:
    def wrong(target: Sequence, online: Sequence, tau: float) -> None:
        for i in range(len(target)):
            target[i] = make((1 - tau) * target[i] + tau * online[i])

    return wrong


def _parameter(tensor: Any) -> Any:
    import torch

    return torch.nn.Parameter(tensor.detach())


def _with_gradients(first: Callable) -> Callable:
    def wrong(target: Sequence, online: Sequence, tau: float) -> None:
        for t, o in zip(target, online, strict=True):
            first(t, o, tau)

    return wrong


def _whole(t: Any, o: Any, tau: float) -> None:
    t[...] = (1 - tau) * t + tau * o


POLYAK_UPDATE = {
    "not_in_place": lambda target, online, tau: None,
    "entries_assigned": (
        _assigned(lambda tensor: tensor),
        _assigned(lambda tensor: tensor.detach()),
        _assigned(_parameter),
    ),
    "needs_no_grad": (_with_gradients(lambda t, o, tau: t.mul_(1 - tau)), _with_gradients(_whole)),
    "tau_swapped": _each(lambda t, o, tau: tau * t + (1 - tau) * o),
    "hard_copy": _each(lambda t, o, tau: o),
    "updates_online": (
        _online(lambda t, o, tau: (1 - tau) * t + tau * o, False),
        _online(lambda t, o, tau: tau * t + (1 - tau) * o, False),
        _online(lambda t, o, tau: (1 - tau) * t + tau * o, True),
        _online(lambda t, o, tau: tau * o, True),
    ),
    "wrong_sign": (_each(lambda t, o, tau: t - tau * (o - t)), _each(lambda t, o, tau: (1 - tau) * t - tau * o)),
    "adds_without_decay": _each(lambda t, o, tau: t + tau * o),
    "only_decays": _each(lambda t, o, tau: (1 - tau) * t),
    "only_online": _each(lambda t, o, tau: tau * o),
    "plain_mean": _each(lambda t, o, tau: (t + o) / 2),
    "adds_all": _each(lambda t, o, tau: (1 - tau) * t + o),
    "only_the_first": _each(lambda t, o, tau: (1 - tau) * t + tau * o, slice(1)),
    "only_the_last": _each(lambda t, o, tau: (1 - tau) * t + tau * o, slice(-1, None)),
    "compounded": (
        _each(lambda t, o, tau: (1 - tau) * (t + tau * o)),
        _each(lambda t, o, tau: (1 - tau) * t + tau * (o - (1 - tau) * t)),
    ),
}

# ---------------------------------------------------------------------------------------------------------- td_target


def td_case(name: Text, group: str, rewards, next_values, dones, gamma: float) -> Case:
    """The targets of these transitions."""
    arguments = (np.asarray(rewards, float), np.asarray(next_values, float), np.asarray(dones, bool), gamma)
    return value_case(name, group, arguments, reference.td_target, is_array())


def _td_target_cases(rng: np.random.Generator) -> list[Case]:
    low, high = (
        Text("价值估得太低", "values far too low"),
        Text("价值有正的，也有太低的", "values above 0, and one far too low"),
    )
    edge = Text("γ = 0.5，正好在边上", "γ = 0.5, right at the edge")
    return [
        td_case(Text("没有 done", "no done"), "basics", [-1, -1, 0], [-3, -10, -2], [0, 0, 0], 0.98),
        td_case(Text("有 done", "with a done"), "basics", [-1, 0, -1], [-3, -10, -7], [1, 1, 0], 0.98),
        td_case(low, "details", [-1, -1, 0], [-200, -49, -80], [0, 0, 0], 0.98),
        td_case(high, "details", [-1, 0, 0, -1, -1], [15, 2, 0.5, 0.4, -30], [0, 0, 1, 0, 0], 0.9),
        td_case(edge, "details", [-1, -1, 0], [-2, -1.9, -2.4], [0, 0, 0], 0.5),
        td_case(Text("一行也是一批", "one row is a batch too"), "edges", [-1], [-5], [1], 0.95),
    ]


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
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -(1 / (1 - g) + 1), 0),
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -50, 0),
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -(1 - g), 0),
    ),
    "not_clipped_nor_stopped": lambda r, v, d, g: r + g * v,
}

EXERCISES = (
    declare(4, reference.epsilon_greedy, _epsilon_greedy_cases, EPSILON_GREEDY),
    declare(4, reference.polyak_update, _polyak_cases, POLYAK_UPDATE, pure=False),
    declare(4, reference.td_target, _td_target_cases, TD_TARGET),
    declare(4, reference.sample_her_batch, sample_her_batch_cases, SAMPLE_HER_BATCH),
)
