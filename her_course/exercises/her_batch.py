"""The fourth exercise of chapter 4, a batch with hindsight: what can be read from a batch, and how it can be wrong."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.drawing import Feature, Odd, array_of, drawn_wrongly, draws_case, seeded_case
from her_course.exercises.model import Case, Text
from her_course.exercises.saying import show

PADDING = 9e5  # what stands where no transition is stored
OWN, FUTURE, PAST, OTHER, EMPTY, UNKNOWN = range(6)  # where the goal of a row comes from
GOALS = (
    Text("自己回合的真目标", "real goals of their own episode"),
    Text("自己回合 t 以后的目标", "goals of their own episode from t on"),
    Text("自己回合 t 以前的目标", "goals of their own episode from before t"),
    Text("别的回合的目标", "goals of other episodes"),
    Text("填充里的目标", "goals from the padding"),
    Text("谁也没达到过的目标", "goals that nobody achieved"),
)
ROWS = (
    Text("填充的行", "rows of padding"),
    Text("next_observations 里还是现在的状态", "the current state again in next_observations"),
    Text("拼错了的行", "rows put together from several"),
    Text("observations 的前几列不是存过的状态", "rows whose first columns are no stored state"),
)


def her_buffer(lengths: Sequence[int]) -> dict[str, np.ndarray]:
    """Padded arrays of episodes, in which every state, action and goal is unlike every other."""
    n, steps = len(lengths), max(lengths)
    e, t = np.meshgrid(np.arange(n), np.arange(steps), indexing="ij")
    number = (100 * (e + 1) + t).astype(np.float32)
    arrays = {
        "states": np.stack([number, -number, np.roll(number, 1, axis=1)], axis=-1),
        "actions": np.stack([number / 1000], axis=-1),
        "next_states": np.stack([number + 0.5, -number - 0.5, number], axis=-1),
        "achieved_goals": np.stack([number, number % 7], axis=-1),
        "goals": np.stack([-1.0 - np.arange(n), np.zeros(n)], axis=-1).astype(np.float32),
        "lengths": np.array(lengths),
    }
    padding = t >= np.array(lengths)[:, None]
    for name in ("states", "actions", "next_states", "achieved_goals"):
        arrays[name][padding] = PADDING
    return arrays


def _place(number: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Episode and step that a number of `her_buffer` stands for, and whether there is such a step."""
    number = np.where(number > -1, np.minimum(number, 2 * PADDING), -1.0)
    e, t = (number // 100 - 1).astype(int), (number % 100).astype(int)
    known = (e >= 0) & (e < len(lengths))
    e = np.where(known, e, 0)
    known &= t < lengths[e]
    return e, np.where(known, t, 0), known


def _columns(value: Any, n: int) -> list[np.ndarray]:
    """Observations, actions, rewards and next observations of a batch, as n rows of floats each.

    Raises:
        Odd: that is not what `value` is.
    """
    shapes = {"observations": (n, 5), "actions": (n, 1), "rewards": (n,), "next_observations": (n, 5)}
    if type(value) is not dict or not shapes.keys() <= value.keys():
        raise Odd("keys", Text(f"字典，键 {', '.join(shapes)}", f"a dict with {', '.join(shapes)}"), show(value))
    columns = []
    for key, shape in shapes.items():
        try:
            columns.append(array_of(value[key], shape).astype(float))
        except Odd as odd:
            expected = Text(*(f"{key}: {said}" for said in odd.expected))
            raise Odd(f"{key} {odd.kind}", expected, odd.got) from None
    return columns


def batch_case(
    name: Text | str,
    lengths: Sequence[int],
    k: int,
    rng: np.random.Generator,
    reward: Callable = inputs.within_half,
    batch_size: int = 200,
    calls: int = 8,
    exact: bool = True,
) -> Case:
    """Each row is a stored transition with a goal it may have and its reward; with `exact`, as often as it should."""
    share, stored, given = k / (k + 1), sum(lengths), her_buffer(lengths)
    arrays, sizes = {name: array.astype(float) for name, array in given.items()}, given["lengths"]
    first, longest = np.cumsum(sizes) - sizes, max(lengths)
    left = np.concatenate([np.arange(n, 0, -1) for n in lengths])  # candidates of each stored transition

    def same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (np.abs(one - other) < 1e-4 + 1e-6 * np.abs(other)).all(axis=1)

    def read(value: Any) -> dict[str, np.ndarray]:
        observations, actions, rewards, next_observations = _columns(value, batch_size)
        states, goals = observations[:, :3], observations[:, 3:]
        next_states, next_goals = next_observations[:, :3], next_observations[:, 3:]
        e, t, inside = _place(states[:, 0], sizes)
        here = same(states, arrays["states"][e, t]) & inside
        acted = here & same(actions, arrays["actions"][e, t])
        whole, still = (acted & same(next_states, arrays[name][e, t]) for name in ("next_states", "states"))
        kinds = [first[e] + t, stored, stored + 1, stored + 2]
        transition = np.select([whole, states[:, 0] > PADDING / 2, still, here], kinds, stored + 3)
        e, t, goals, next_goals = e[whole], t[whole], goals[whole], next_goals[whole]
        goal_e, goal_t, known = _place(goals[:, 0], sizes)
        old, achieved = arrays["goals"][e], arrays["achieved_goals"]
        known &= same(goals, achieved[goal_e, goal_t])
        foreign = np.isin(goals[:, 0], arrays["goals"][:, 0])
        places = [same(goals, old), known & (goal_e == e) & (goal_t >= t), known & (goal_e == e), known | foreign]
        origin = np.select([*places, goals[:, 0] > PADDING / 2], [OWN, FUTURE, PAST, OTHER, EMPTY], UNKNOWN)
        paid, reached = rewards[whole], achieved[e, t]
        wrong = ~np.isclose(paid, reward(reached, goals))
        paid_as = wrong.astype(int)
        if wrong.any():
            stale, before = reward(reached, old), reward(achieved[e, np.maximum(t - 1, 0)], goals)
            explanations = [stale, np.where(origin == OWN, stale, 0.0), before, reward(goals, reached)]
            paid_as += wrong * sum(2**i * np.isclose(paid, one) for i, one in enumerate(explanations))
        relabelled = (origin != OWN).mean() if len(origin) else 0.5
        return {
            "transition": transition,
            "goal": origin,
            "next": np.where(same(next_goals, goals), 0, np.where(same(next_goals, old), 1, 2)),
            "reward": paid_as,
            "ahead": ((sizes[e] - t) * longest + goal_t - t)[origin == FUTURE],
            "whole batch": np.array([0 if relabelled == 0 else 1 if relabelled == 1 else 2]),
        }

    def tell_transition(counts: np.ndarray) -> Text:
        wrong = np.flatnonzero(counts[stored:])
        if len(wrong):
            return ROWS[wrong[0]]
        shares = show((counts[:stored] / counts.sum()).round(3))
        return Text(f"转移抽得不一样多：{shares}", f"transitions are not equally frequent: {shares}")

    def tell_goal(counts: np.ndarray) -> Text:
        wrong = np.flatnonzero(counts[PAST:])
        if len(wrong):
            return GOALS[PAST + wrong[0]]
        relabelled = counts[FUTURE] / counts.sum()
        return Text(f"重标注了 {relabelled:.3f}", f"{relabelled:.3f} are relabelled")

    def tell_reward(counts: np.ndarray) -> Text:
        wrong = counts[1:].sum() / counts.sum()
        return Text(f"{wrong:.1%} 的行奖励不对", f"{wrong:.1%} of the rows have another reward")

    def tell_ahead(counts: np.ndarray) -> Text:
        table = counts.reshape(longest + 1, longest)
        n = int(table.sum(axis=1)[2:].argmax()) + 2 if longest > 1 else 1
        shares = show((table[n, :n] / max(1, table[n].sum())).round(3))
        return Text(f"还剩 {n} 个候选时的比例 {shares}", f"shares {shares} where {n} candidates are left")

    expected = Text(
        f"{batch_size} 行，{k}/{k + 1} 的目标取自自己回合的 t…末尾",
        f"{batch_size} rows, {k}/{k + 1} of them with a goal of their own episode from t on",
    )
    n, ahead = np.meshgrid(np.arange(longest + 1), np.arange(longest), indexing="ij")
    p_ahead = np.where(ahead < n, np.bincount(left, minlength=longest + 1)[:, None] / stored / np.maximum(n, 1), 0)
    none_or_all = np.array([(1 - share) ** batch_size, share**batch_size])
    each = Text("存过的转移，一样常见", "stored transitions, all equally often")
    next_goal = Text("两半的目标相同", "the same goal in both halves")
    other_next = Text("next_observations 里的目标不同", "another goal in next_observations")
    paid = Text("按这一行的目标算的奖励", "the reward under the goal of the row")
    even = Text("未来的目标，一样常见", "goals of the future, all equally often")
    coins = Text("每一行各抛各的硬币", "a coin for each row")
    alike = Text("整批全换，或者全不换", "all rows of a batch relabelled, or none")
    features = {
        "transition": Feature(np.append(np.full(stored, 1 / stored), [0] * len(ROWS)), each, tell_transition),
        "goal": Feature(np.array([1 - share, share, 0, 0, 0, 0]), expected, tell_goal),
        "next": Feature(np.array([1, 0, 0]), next_goal, lambda counts: other_next),
        "reward": Feature(np.append(1, np.zeros(16)), paid, tell_reward),
        "ahead": Feature(p_ahead.ravel(), even, tell_ahead),
    }
    if k > 0 and batch_size > 20:
        features["whole batch"] = Feature(np.append(none_or_all, 1 - none_or_all.sum()), coins, lambda counts: alike)
    return draws_case(name, (given, batch_size, k, None, reward), rng, calls, read, features, exact)


def sample_her_batch_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases."""
    equal, unequal, far = (5, 5, 5), (3, 6, 4), inputs.at_least_as_far
    return [
        batch_case("rows_hold_together", equal, 4, rng, exact=False),
        batch_case("nothing_relabelled", equal, 0, rng, calls=4),
        batch_case("one_row", equal, 4, rng, batch_size=1, calls=20, exact=False),
        batch_case("unequal_lengths", unequal, 4, rng, exact=False),
        batch_case("asymmetric_reward", equal, 4, rng, far, exact=False),
        batch_case("shares", unequal, 4, rng, batch_size=500, calls=10),
        batch_case("one_half", equal, 1, rng, batch_size=75, calls=40),
        seeded_case((her_buffer((20, 20)), 30, 4, None, inputs.within_half), rng),
    ]


# ---------------------------------------------------------------------------------------------------------- wrong ideas

Arrays = dict[str, np.ndarray]


def _each_transition(b: Arrays, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    lengths = b["lengths"]
    flat = rng.integers(lengths.sum(), size=n)
    e = np.searchsorted(np.cumsum(lengths), flat, side="right")
    return e, flat - (np.cumsum(lengths) - lengths)[e]


def _episode_first(b: Arrays, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    e = rng.integers(len(b["lengths"]), size=n)
    return e, rng.integers(b["lengths"][e])


def _whole_grid(b: Arrays, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    episodes, steps = b["states"].shape[:2]
    return rng.integers(episodes, size=n), rng.integers(steps, size=n)


def _never_last(b: Arrays, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    e, _ = _each_transition(b, n, rng)
    return e, rng.integers(np.maximum(b["lengths"][e] - 1, 1))


def _from_own_step(b: Arrays, e: np.ndarray, t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(t, np.maximum(b["lengths"][e], t + 1))


def _wrong(
    *,
    pick: Callable = _each_transition,
    future: Callable = _from_own_step,
    share: Callable = lambda k: k / (k + 1),
    coin: Callable = lambda n, rng: rng.random(n),
    reward: Callable = lambda b, e, t, old, goals, f: f(b["achieved_goals"][e, t], goals),
    goal_of: Callable = lambda b, e, j, rng: b["achieved_goals"][e, j],
    keep: str = "",
    change: Callable = lambda batch, b, e, t, rng: batch,
) -> Callable:
    """A sampler that goes wrong in one of its steps; `keep` names the half that keeps the old goal."""

    def sampler(b: Arrays, n: int, k: int, rng: np.random.Generator, f: Callable) -> Arrays:
        e, t = pick(b, n, rng)
        relabelled = coin(n, rng) < share(k)
        old, j = b["goals"][e], future(b, e, t, rng)
        goals = np.where(relabelled[:, None], goal_of(b, e, j, rng), old)
        batch = {
            "observations": np.hstack([b["states"][e, t], old if keep == "observations" else goals]),
            "actions": b["actions"][e, t],
            "rewards": reward(b, e, t, old, goals, f),
            "next_observations": np.hstack([b["next_states"][e, t], old if keep == "next_observations" else goals]),
        }
        return change(batch, b, e, t, rng)

    return sampler


def _before(step: Callable) -> Callable:
    return _wrong(reward=lambda b, e, t, old, goals, f: f(b["achieved_goals"][e, step(t)], goals))


def _later(step: Callable) -> Callable:
    return _wrong(future=lambda b, e, t, rng: step(t, b["lengths"][e], rng))


def _elsewhere(b: Arrays, e: np.ndarray, j: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return b["achieved_goals"][_each_transition(b, len(e), rng)]


def _where_relabelled(b, e, t, old, goals, f) -> np.ndarray:
    return np.where((goals != old).any(axis=1), 0.0, f(b["achieved_goals"][e, t], old))


SAMPLE_HER_BATCH = {
    "goal_not_in_next": _wrong(keep="next_observations"),
    "goal_not_in_observations": _wrong(keep="observations"),
    "reward_not_recomputed": _wrong(reward=lambda b, e, t, old, goals, f: f(b["achieved_goals"][e, t], old)),
    "assumes_success": (
        _wrong(reward=_where_relabelled),
        _wrong(reward=lambda b, e, t, old, goals, f: np.zeros(len(e))),
    ),
    "never_success": _wrong(reward=lambda b, e, t, old, goals, f: np.full(len(e), -1.0)),
    "achieved_before_action": (_before(lambda t: np.maximum(t - 1, 0)), _before(lambda t: t - 1)),
    "arguments_swapped": _wrong(reward=lambda b, e, t, old, goals, f: f(goals, b["achieved_goals"][e, t])),
    "ignores_reward_function": _wrong(
        reward=lambda b, e, t, old, goals, f: inputs.within_half(b["achieved_goals"][e, t], goals)
    ),
    "includes_past": _later(lambda t, n, rng: rng.integers(n)),
    "only_the_past": (
        _later(lambda t, n, rng: rng.integers(t + 1)),
        _later(lambda t, n, rng: rng.integers(np.maximum(t, 1))),
    ),
    "excludes_own_step": (
        _later(lambda t, n, rng: np.minimum(rng.integers(t + 1, n + 1), n - 1)),
        _later(lambda t, n, rng: rng.integers(np.minimum(t + 1, n - 1), n)),
    ),
    "excludes_last": _later(lambda t, n, rng: rng.integers(t, np.maximum(n - 1, t + 1))),
    "always_final": _later(lambda t, n, rng: n - 1),
    "always_own_step": _later(lambda t, n, rng: t),
    "always_next_step": _later(lambda t, n, rng: np.minimum(t + 1, n - 1)),
    "other_episode": _wrong(goal_of=_elsewhere),
    "padding_drawn": (
        _wrong(pick=_whole_grid),
        _wrong(pick=_whole_grid, future=lambda b, e, t, rng: rng.integers(t, b["states"].shape[1])),
        _wrong(future=lambda b, e, t, rng: rng.integers(t, b["states"].shape[1])),
    ),
    "episodes_equally_often": _wrong(pick=_episode_first),
    "last_step_never_drawn": _wrong(pick=_never_last),
    "share_is_1_over_k": (
        _wrong(share=lambda k: 1 / k if k else 0.0),
        _wrong(share=lambda k: 1 - 1 / k if k else 0.0),
        _wrong(share=lambda k: 1 / (k + 1)),
        _wrong(share=lambda k: 0.8),
    ),
    "relabels_all": (_wrong(share=lambda k: 1.0), _wrong(share=lambda k: float(k > 0))),
    "relabels_none": _wrong(share=lambda k: 0.0),
    "one_coin_for_all": _wrong(coin=lambda n, rng: np.full(n, rng.random())),
    "goal_first": _wrong(
        change=lambda batch, b, e, t, rng: (
            batch | {key: np.roll(batch[key], 2, axis=1) for key in ("observations", "next_observations")}
        )
    ),
    "state_for_next": _wrong(change=lambda batch, b, e, t, rng: batch | {"next_observations": batch["observations"]}),
    "rows_mixed_up": (
        _wrong(change=lambda batch, b, e, t, rng: batch | {"actions": rng.permutation(batch["actions"])}),
        _wrong(change=lambda batch, b, e, t, rng: batch | {"actions": b["actions"][_each_transition(b, len(e), rng)]}),
    ),
    **drawn_wrongly(reference.sample_her_batch),
}
