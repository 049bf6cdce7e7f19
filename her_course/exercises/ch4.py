"""Exercises of chapter 4, implementation: exploring, the target network, the TD target, and a batch with hindsight."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.judging import (
    FIXED_RNG,
    IGNORES_RNG,
    all_alike,
    fits,
    generators,
    integers,
    is_array,
    likely,
    numbers,
    seeded_case,
    show,
    value_case,
)
from her_course.exercises.model import Call, Case, Exercise, Misconception, Outcome, Text, Verdict

# ----------------------------------------------------------------------------------------------------- epsilon_greedy

EPSILON_GREEDY = {
    "wrong_axis": Misconception(
        Text(
            "沿错了轴：每一*行*是一个状态，要在行里找最大的动作。",
            "The wrong axis: each *row* is a state, the best action is to be found within it.",
        )
    ),
    "worst_action": Misconception(
        Text("选了 Q 值最小的动作。", "The action of the smallest Q-value was chosen."),
    ),
    "epsilon_inverted": Misconception(
        Text(
            "ε 反了：ε 是*随机*的概率，1 − ε 才是贪心的概率。",
            "ε the wrong way round: it is the probability of a *random* action, 1 − ε that of the greedy one.",
        )
    ),
    "random_never_best": Misconception(
        Text(
            "随机的时候排除了最好的动作。随机是在*所有*动作里均匀地抽，最好的那个也可能抽到。",
            "While random, the best action was left out. Random means uniform over *all* actions, the best included.",
        )
    ),
    "one_coin_for_all": Misconception(
        Text(
            "整批只抛了一次硬币：要么全贪心，要么全随机。每一行要各抛各的。",
            "One coin for the whole batch: all greedy, or all random. Each row tosses its own.",
        )
    ),
    "one_action_for_all": Misconception(
        Text(
            "随机的行全用了同一个随机动作。每一行要各抽各的。",
            "All random rows got the same random action. Each row draws its own.",
        )
    ),
    "never_random": Misconception(
        Text("从不随机：ε 没有起作用。", "Never random: ε has no effect."),
    ),
    "some_actions_never": Misconception(
        Text(
            "随机时有的动作永远抽不到。`rng.integers(n)` 的上界本来就不含在内。",
            "Some action is never drawn at random. The upper end of `rng.integers(n)` is excluded already.",
        )
    ),
    "fixed_rng": FIXED_RNG,
    "ignores_rng": IGNORES_RNG,
    "wrong_distribution": Misconception(
        Text("各动作的比例不对。", "The shares of the actions are not right."),
    ),
}


def q_table(rng: np.random.Generator, n: int, actions: int) -> np.ndarray:
    """(n, actions) Q-values without ties."""
    return np.stack([rng.permutation(actions) for _ in range(n)]) - actions + rng.random((n, 1)).round(2)


def greedy_case(name: Text, group: str, q_values: np.ndarray) -> Case:
    """ε = 0: the best action of each row."""
    expected = q_values.argmax(axis=1)

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        got = integers(outcomes[0].value, (len(q_values),))
        if got is not None and np.array_equal(got, expected):
            return Verdict(True, show(expected), show(got))
        suspects = []
        value = numbers(outcomes[0].value)
        if value is not None and (got is None or np.array_equal(got, q_values.argmax(axis=0)[: len(got)])):
            suspects = ["wrong_axis"] if np.array_equal(value, q_values.argmax(axis=0)) else []
        if got is not None and np.array_equal(got, q_values.argmin(axis=1)):
            suspects.append("worst_action")
        elif got is not None and not suspects:
            suspects.append("epsilon_inverted")
        return Verdict(False, show(expected), show(outcomes[0].value), tuple(suspects))

    call = Call((q_values, 0.0, np.random.default_rng(1)))
    return Case(name, group, (call,), judge, show(expected))


def exploring_case(
    name: Text, group: str, n: int, actions: int, epsilon: float, rng: np.random.Generator, calls: int
) -> Case:
    """Shares of the actions by rank, and independence of the rows."""
    q_values = q_table(rng, n, actions)
    order = (-q_values).argsort(axis=1).argsort(axis=1)  # (n, actions): the rank of each action, the best is 0
    best, worst = q_values.argmax(axis=1), q_values.argmin(axis=1)
    random = epsilon / actions
    right = np.full(actions, random)
    right[0] += 1 - epsilon

    def shares(first: float, others: float) -> np.ndarray:
        return np.array([first] + [others] * (actions - 1))

    ideas = {
        "epsilon_inverted": shares(epsilon + (1 - epsilon) / actions, (1 - epsilon) / actions),
        "random_never_best": shares(1 - epsilon, epsilon / (actions - 1)),
        "never_random": shares(1.0, 0.0),
    }
    expected = Text(
        f"最好的动作占 {right[0]:.3f}，其余各占 {random:.3f}",
        f"the best action {right[0]:.3f}, each other {random:.3f}",
    )

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        drawn = [integers(outcome.value, (n,)) for outcome in outcomes]
        if bad := [o.value for o, d in zip(outcomes, drawn, strict=True) if d is None]:
            return Verdict(False, Text(f"{n} 个整数", f"{n} integers"), show(bad[0]))
        together = np.stack(drawn)
        if together.min() < 0 or together.max() >= actions:
            return Verdict(False, Text(f"动作 0…{actions - 1}", f"actions 0…{actions - 1}"), show(together.max()))
        ranks = order[np.arange(n), together]
        counts = np.bincount(ranks.ravel(), minlength=actions)
        got = Text(
            f"最好的占 {counts[0] / ranks.size:.3f}，其余 {show((counts[1:] / ranks.size).round(3))}",
            f"the best {counts[0] / ranks.size:.3f}, the others {show((counts[1:] / ranks.size).round(3))}",
        )
        random_rows = (ranks > 0).sum(axis=1)  # of each call, those that were surely random
        if n >= 50 and len(drawn) > 20 and 0 < epsilon < 1:
            together_or_not = ((random_rows == 0) | (random_rows > 0.5 * epsilon * n)).mean()
            if (random_rows == 0).mean() > 0.1 and together_or_not > 0.95 and random_rows.max() > 0:
                return Verdict(False, expected, Text("整批同时随机", "the whole batch at once"), ("one_coin_for_all",))
            others = [row[rank > 0] for row, rank in zip(together, ranks, strict=True)]
            if all(len(set(row.tolist())) <= 1 for row in others) and max(map(len, others)) > 3:
                return Verdict(
                    False, expected, Text("随机的行动作都一样", "random rows alike"), ("one_action_for_all",)
                )
        if not fits(counts, right):
            if not ranks.any():
                return Verdict(False, expected, got, ("never_random",))
            if all_alike(drawn):
                return Verdict(False, expected, got, ("fixed_rng",))
            if (together == worst).mean() > (together == best).mean() > 0:
                return Verdict(False, expected, got, ("worst_action", *likely(counts, ideas)))
            return Verdict(False, expected, got, likely(counts, ideas) or ("wrong_distribution",))
        by_action = np.bincount(together[ranks > 0], minlength=actions)
        weights = np.array([(best != a).mean() for a in range(actions)])
        if not fits(by_action, weights / weights.sum()):
            missing = ("some_actions_never",) if (by_action == 0).any() else ("wrong_distribution",)
            return Verdict(False, expected, Text("有的动作抽得太少", "some action comes too rarely"), missing)
        return Verdict(True, expected, got)

    made = [Call((q_values, epsilon, r)) for r in generators(rng, calls)]
    return Case(name, group, made, judge, expected)


def _epsilon_greedy_cases(rng: np.random.Generator) -> list[Case]:
    long = q_table(rng, 400, 5)
    return [
        greedy_case(Text("ε = 0：总选最好的", "ε = 0: always the best"), "basics", q_table(rng, 6, 4)),
        greedy_case(Text("一行也是一批", "one row is a batch too"), "edges", q_table(rng, 1, 5)),
        exploring_case(Text("ε = 0.3 的比例", "shares at ε = 0.3"), "sampling", 200, 4, 0.3, rng, 50),
        exploring_case(Text("ε = 1：全随机", "ε = 1: all random"), "edges", 200, 3, 1.0, rng, 30),
        exploring_case(Text("一次一行", "one row at a time"), "sampling", 1, 4, 0.5, rng, 400),
        seeded_case(lambda r: (long, 0.9, r), rng.integers(2**62, size=2), "fixed_rng", "ignores_rng"),
    ]


# ------------------------------------------------------------------------------------------------------ polyak_update

POLYAK_UPDATE = {
    "not_in_place": Misconception(
        Text(
            "目标网络没有变：`t = …` 只是让局部的名字指向新张量。要就地改，比如 `t.mul_()`、`t.copy_()`。",
            "The target did not change: `t = …` only rebinds a local name. Write into it, as `t.mul_()` or `t.copy_()` do.",
        )
    ),
    "tau_swapped": Misconception(
        Text(
            "τ 用反了：目标网络每次只走*一小步*，新值占 τ，旧值占 1 − τ。",
            "τ the wrong way round: the target takes a *small* step, τ of the new and 1 − τ of the old.",
        )
    ),
    "hard_copy": Misconception(
        Text("整个复制了过去，τ 没有起作用。", "A full copy: τ has no effect."),
    ),
    "updates_online": Misconception(
        Text(
            "把在线网络也改了。它由梯度来学，这里只有目标网络跟着走。",
            "The online network was changed as well. It learns by gradients; here only the target follows.",
        )
    ),
    "adds_without_decay": Misconception(
        Text(
            "加上了 τ·online，忘了把旧值乘以 1 − τ：参数会越来越大。",
            "τ·online was added, but the old value not multiplied by 1 − τ: parameters keep growing.",
        )
    ),
    "only_the_first": Misconception(
        Text("只更新了第一个张量。", "Only the first tensor was updated."),
    ),
    "compounded": Misconception(
        Text(
            "先后用了改过的值：两步混在一起，结果偏了。", "It went on with values already changed: two steps mixed up."
        ),
    ),
}


def polyak_case(
    name: Text, group: str, shapes: Sequence[tuple[int, ...]], tau: float, rng: np.random.Generator
) -> Case:
    """The arguments after the call must be what they should be; what is returned does not matter."""
    import torch

    target, online = (
        [torch.nn.Parameter(torch.from_numpy(rng.normal(size=shape).astype(np.float32))) for shape in shapes]
        for _ in range(2)
    )
    t, o = ([tensor.detach().numpy() for tensor in tensors] for tensors in (target, online))
    right = [(1 - tau) * a + tau * b for a, b in zip(t, o, strict=True)]
    ideas = {
        "not_in_place": (t, o),
        "tau_swapped": ([tau * a + (1 - tau) * b for a, b in zip(t, o, strict=True)], o),
        "hard_copy": (o, o),
        "adds_without_decay": ([a + tau * b for a, b in zip(t, o, strict=True)], o),
        "only_the_first": ([*right[:1], *t[1:]], o),
        "compounded": ([a * (1 - tau) + tau * (1 - tau) * b for a, b in zip(t, o, strict=True)], o),
    }
    expected = Text(f"第一个张量 {show(right[0], 60)}", f"the first tensor {show(right[0], 60)}")

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        after = _tensors(outcomes[0])
        if after is None:
            got = Text("参数变成了别的东西", "arguments that turned into something else")
            return Verdict(False, expected, got, ("not_in_place",))
        new_target, new_online = after
        if not _close(new_online, o):
            return Verdict(
                False,
                Text("在线网络不变", "the online network as it was"),
                show(new_online[0], 60),
                ("updates_online",),
            )
        agree = [key for key, (a, _) in ideas.items() if _close(new_target, a)]
        contradicts = tuple(ideas.keys() - set(agree))
        got = Text(f"第一个张量 {show(new_target[0], 60)}", f"the first tensor {show(new_target[0], 60)}")
        if _close(new_target, right):
            return Verdict(True, expected, got, contradicts=contradicts)
        return Verdict(False, expected, got, tuple(agree), contradicts)

    return Case(name, group, (Call((target, online, tau)),), judge, expected)


def _tensors(outcome: Outcome) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """The two lists of tensors after the call, as arrays."""
    if outcome.arguments_after is None or len(outcome.arguments_after[0]) != 3:
        return None
    lists = outcome.arguments_after[0][:2]
    if any(type(tensors) is not list for tensors in lists):
        return None
    try:
        return tuple([tensor.detach().numpy() for tensor in tensors] for tensors in lists)
    except AttributeError:
        return None


def _close(got: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return len(got) == len(right) and all(is_array(1e-4, 1e-5)(a, b) for a, b in zip(got, right, strict=True))


def _polyak_cases(rng: np.random.Generator) -> list[Case]:
    return [
        polyak_case(Text("一个张量，τ = 0.1", "one tensor, τ = 0.1"), "basics", [(3,)], 0.1, rng),
        polyak_case(Text("一个小网络", "a small network"), "basics", [(4, 3), (4,), (2, 4), (2,)], 0.25, rng),
        polyak_case(Text("τ = 0：不动", "τ = 0: no move"), "edges", [(2, 2), (2,)], 0.0, rng),
        polyak_case(Text("τ = 1：整个复制", "τ = 1: a full copy"), "edges", [(2, 2), (2,)], 1.0, rng),
    ]


# ---------------------------------------------------------------------------------------------------------- td_target


def _target(r, v, d, g):
    return r + g * (1 - d) * v


TD_TARGET = {
    "bootstraps_through_done": Misconception(
        Text(
            "done 的地方还在自举。那里之后没有未来，目标就是奖励本身。",
            "It bootstraps through done. There is no future after that: the target is the reward alone.",
        ),
        lambda r, v, d, g: np.clip(r + g * v, -1 / (1 - g), 0),
    ),
    "done_inverted": Misconception(
        Text("done 反了：该停的地方自举，不该停的地方停了。", "done the wrong way round."),
        lambda r, v, d, g: np.clip(r + g * d * v, -1 / (1 - g), 0),
    ),
    "not_clipped": Misconception(
        Text(
            "没有截断。奖励只有 −1 和 0，回报不可能超出 [−1/(1−γ), 0]；论文把目标截到这个范围。",
            "Not clipped. With rewards of −1 and 0 no return leaves [−1/(1−γ), 0], and the paper clips targets to it.",
        ),
        _target,
    ),
    "clipped_to_rewards": Misconception(
        Text(
            "截到了 [−1, 0]，那是*奖励*的范围。*回报*最低是 −1/(1−γ)。",
            "Clipped to [−1, 0], the range of *rewards*. *Returns* go down to −1/(1−γ).",
        ),
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -1, 0),
    ),
    "clipped_one_side": Misconception(
        Text(
            "只截了一边：上面不超过 0，下面不低于 −1/(1−γ)，两边都要。",
            "Clipped on one side only: not above 0, and not below −1/(1−γ).",
        ),
        lambda r, v, d, g: np.minimum(_target(r, v, d, g), 0),
    ),
    "clipped_below_only": Misconception(
        Text("只截了下面：目标也不能大于 0。", "Clipped below only: no target is above 0 either."),
        lambda r, v, d, g: np.maximum(_target(r, v, d, g), -1 / (1 - g)),
    ),
    "clips_the_value": Misconception(
        Text(
            "截的是下一步的价值，不是目标。先算出目标，最后再截。",
            "It clips the next value, not the target. Compute the target, then clip it.",
        ),
        lambda r, v, d, g: _target(r, np.clip(v, -1 / (1 - g), 0), d, g),
    ),
    "without_gamma": Misconception(
        Text("γ 没有用上。", "γ is missing."),
        lambda r, v, d, g: np.clip(r + (1 - d) * v, -1 / (1 - g), 0),
    ),
    "gamma_on_reward": Misconception(
        Text(
            "γ 把奖励也折了。只有下一步的价值打折。",
            "γ discounts the reward as well. Only the next value is discounted.",
        ),
        lambda r, v, d, g: np.clip(g * (r + (1 - d) * v), -1 / (1 - g), 0),
    ),
    "clipped_at_minus_gamma": Misconception(
        Text("下界不对：−1, −γ, −γ²… 加到无穷是 −1/(1−γ)。", "The lower end is wrong: −1 − γ − γ² − … is −1/(1−γ)."),
        lambda r, v, d, g: np.clip(_target(r, v, d, g), -g / (1 - g), 0),
    ),
}


def td_case(name: Text, group: str, rewards, next_values, dones, gamma: float) -> Case:
    """The targets of these transitions."""
    arguments = (np.asarray(rewards, float), np.asarray(next_values, float), np.asarray(dones, bool), gamma)
    return value_case(name, group, arguments, reference.td_target, TD_TARGET, is_array())


def _td_target_cases(rng: np.random.Generator) -> list[Case]:
    return [
        td_case(Text("没有 done", "no done"), "basics", [-1, -1, 0], [-3, -10, -2], [0, 0, 0], 0.98),
        td_case(Text("有 done", "with a done"), "basics", [-1, 0, -1], [-3, -10, -7], [1, 1, 0], 0.98),
        td_case(Text("价值估得太低", "values far too low"), "details", [-1, -1, 0], [-200, -49, -80], [0, 0, 0], 0.98),
        td_case(
            Text("价值估成了正的", "values above 0"), "details", [-1, 0, 0, -1], [5, 2, 0.5, 0.4], [0, 0, 1, 0], 0.9
        ),
        td_case(
            Text("γ = 0.5，正好在边上", "γ = 0.5, right at the edge"),
            "details",
            [-1, -1, 0],
            [-2, -1.9, -2.4],
            [0, 0, 0],
            0.5,
        ),
        td_case(Text("一行也是一批", "one row is a batch too"), "edges", [-1], [-5], [1], 0.95),
    ]


# -------------------------------------------------------------------------------------------------- sample_her_batch

SAMPLE_HER_BATCH = {
    "goal_not_in_next": Misconception(
        Text(
            "下一个观测里还是旧目标。同一行的 observations 和 next_observations 要换成*同一个*新目标，不然自举的是另一个任务。",
            "The next observation still holds the old goal. Both halves of a row need the *same* goal, or the bootstrap "
            "belongs to another task.",
        )
    ),
    "reward_not_recomputed": Misconception(
        Text(
            "奖励没有照新目标重新算。换目标就是换任务。",
            "Rewards were not recomputed under the new goal. Another goal is another task.",
        )
    ),
    "assumes_success": Misconception(
        Text(
            "重标注的行一律给了 0。只有抽到的正好是这一步到达的，才是成功。",
            "Every relabelled row got 0. Only a goal that this very step reached is a success.",
        )
    ),
    "achieved_before_action": Misconception(
        Text(
            "奖励用了动作之前达到的目标。`achieved_goals[e, t]` 已经是动作之后的。",
            "Rewards look at what was achieved before the action. `achieved_goals[e, t]` is after it.",
        )
    ),
    "includes_past": Misconception(
        Text("替代目标抽到了这一步之前的。`future` 从 t 开始。", "Substitute goals of the past. `future` begins at t."),
    ),
    "excludes_own_step": Misconception(
        Text(
            "从 t + 1 才开始抽，漏了这一步自己达到的。成功的样本全靠它。",
            "It draws from t + 1 on, without what this step itself achieved. Success comes from there.",
        )
    ),
    "other_episode": Misconception(
        Text("替代目标来自别的回合。", "Substitute goals come from other episodes."),
    ),
    "padding_drawn": Misconception(
        Text(
            "抽到了填充的行。第 e 个回合只有 `lengths[e]` 步，后面的格子是空的。",
            "Rows of padding were drawn. Episode e has `lengths[e]` steps, what follows is empty.",
        )
    ),
    "episodes_equally_often": Misconception(
        Text(
            "先均匀地抽回合，再抽步：短回合里的转移抽得太多。要每个*转移*一样常见。",
            "First an episode, then a step: transitions of short episodes come too often. All *transitions* are equal.",
        )
    ),
    "share_is_1_over_k": Misconception(
        Text(
            "重标注的比例不对：每 1 个真目标配 k 个替代目标，所以是 k/(k+1)。",
            "The share that is relabelled is wrong: k substitutes for each real goal make k/(k+1).",
        )
    ),
    "relabels_all": Misconception(
        Text("全都重标注了。要留 1/(k+1) 的真目标。", "All rows were relabelled. 1/(k+1) keep their real goal."),
    ),
    "relabels_none": Misconception(
        Text("一行也没有重标注。", "No row was relabelled."),
    ),
    "one_coin_for_all": Misconception(
        Text(
            "整批要么全换，要么全不换。每一行各抛各的硬币。",
            "The whole batch is relabelled or none of it. Each row tosses its own coin.",
        ),
    ),
    "rows_mixed_up": Misconception(
        Text(
            "状态、动作、下一个状态不是同一个转移的：几个数组要用同一组下标。",
            "State, action and next state are not of one transition: index all arrays alike.",
        )
    ),
    "fixed_rng": FIXED_RNG,
    "ignores_rng": IGNORES_RNG,
    "wrong_distribution": Misconception(
        Text("替代目标在未来里不均匀。", "Substitute goals are not uniform over the future."),
    ),
}
KEYS = ("observations", "actions", "rewards", "next_observations")


def her_buffer(rng: np.random.Generator, lengths: Sequence[int]) -> dict[str, np.ndarray]:
    """Padded arrays of episodes, in which every state, action and goal is unlike every other."""
    n, steps = len(lengths), max(lengths)
    e, t = np.meshgrid(np.arange(n), np.arange(steps), indexing="ij")
    number = (100 * (e + 1) + t).astype(np.float32)
    achieved = np.stack([number, number % 7], axis=-1)
    goals = np.stack([-1.0 - np.arange(n), np.zeros(n)], axis=-1).astype(np.float32)
    arrays = {
        "states": np.stack([number, -number, np.roll(number, 1, axis=1)], axis=-1),
        "actions": np.stack([number / 1000], axis=-1),
        "next_states": np.stack([number + 0.5, -number - 0.5, number], axis=-1),
        "achieved_goals": achieved,
        "goals": goals,
        "lengths": np.array(lengths),
    }
    padding = t >= np.array(lengths)[:, None]
    for name in ("states", "actions", "next_states", "achieved_goals"):
        arrays[name][padding] = 9e5
    return arrays


def batch_case(
    name: Text,
    group: str,
    lengths: Sequence[int],
    k: int,
    rng: np.random.Generator,
    reward: Callable = inputs.within_half,
    batch_size: int = 200,
    calls: int = 8,
    exact: bool = True,
) -> Case:
    """Every row must be a stored transition with a goal it may have, and its reward; with `exact`, as often as it should."""
    arrays = her_buffer(rng, lengths)
    expected = _batch_expected(batch_size, k)

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        drawn = []
        for outcome in outcomes:
            read = _read_batch(outcome.value, arrays, batch_size, reward)
            if isinstance(read, Verdict):
                return read
            drawn.append(read)
        if exact:
            return _judge_frequencies(drawn, arrays, k, expected)
        return Verdict(True, expected, expected)

    made = [Call((arrays, batch_size, k, r, reward)) for r in generators(rng, calls)]
    return Case(name, group, made, judge, expected)


def _batch_expected(batch_size: int, k: int) -> Text:
    return Text(
        f"{batch_size} 行，{k}/{k + 1} 的目标取自自己回合的 t…末尾",
        f"{batch_size} rows, {k}/{k + 1} of them with a goal of their own episode from t on",
    )


def _read_batch(value, arrays: dict[str, np.ndarray], n: int, reward: Callable) -> Verdict | dict[str, np.ndarray]:
    """Episode, step and goal of each row, or what is wrong with one."""
    if type(value) is not dict or not set(KEYS) <= value.keys():
        return Verdict(False, Text(f"字典，键 {', '.join(KEYS)}", f"a dict with {', '.join(KEYS)}"), show(value))
    columns = {key: numbers(value[key]) for key in KEYS}
    shapes = {"observations": (n, 5), "actions": (n, 1), "rewards": (n,), "next_observations": (n, 5)}
    for key, shape in shapes.items():
        if columns[key] is None or columns[key].shape != shape:
            return Verdict(False, Text(f"{key} 的形状 {shape}", f"{key} of shape {shape}"), show(value[key], 60))
    states, goals = columns["observations"][:, :3], columns["observations"][:, 3:].astype(float)
    next_states, next_goals = columns["next_observations"][:, :3], columns["next_observations"][:, 3:]
    lengths = arrays["lengths"]
    e, t = (np.floor(states[:, 0]) // 100 - 1).astype(int), (states[:, 0] % 100).astype(int)
    inside = (e >= 0) & (e < len(lengths)) & (t < lengths[e.clip(0, len(lengths) - 1)])
    rows = Text("存过的转移", "stored transitions")
    if not inside.all():
        return Verdict(False, rows, Text("填充的行", "rows of padding"), ("padding_drawn",))
    same = is_array(1e-6, 1e-4)
    parts = ((states, "states"), (columns["actions"], "actions"), (next_states, "next_states"))
    if not all(same(part, arrays[key][e, t]) for part, key in parts):
        return Verdict(False, rows, Text("拼错了的行", "rows put together from several"), ("rows_mixed_up",))
    own = np.isclose(goals, arrays["goals"][e]).all(axis=1)
    number = goals[:, 0]
    goal_e, goal_t = (number // 100 - 1).astype(int), (number % 100).astype(int)
    known = (goal_e >= 0) & (goal_e < len(lengths))
    known &= goal_t < lengths[goal_e.clip(0, len(lengths) - 1)]
    if not (own | known).all():
        wrong = "padding_drawn" if (number > 8e5).any() else "other_episode"
        foreign = np.isin(number, arrays["goals"][:, 0])
        what = Text("谁也没达到过的目标", "goals that nobody achieved")
        return Verdict(
            False,
            Text("自己回合的目标", "goals of the own episode"),
            what,
            (wrong,) if foreign.any() or wrong == "padding_drawn" else (),
        )
    if not same(next_goals, goals):
        before = np.isclose(next_goals, arrays["goals"][e]).all()
        expected = Text("两半的目标相同", "the same goal in both halves")
        got = Text("next_observations 里的目标不同", "another goal in next_observations")
        return Verdict(False, expected, got, ("goal_not_in_next",) if before else ())
    relabelled = ~own
    if (goal_e[relabelled] != e[relabelled]).any():
        got = Text("别的回合的目标", "goals of other episodes")
        return Verdict(False, Text("自己回合的目标", "goals of the own episode"), got, ("other_episode",))
    if (goal_t[relabelled] < t[relabelled]).any():
        early = relabelled & (goal_t < t)
        row = int(np.flatnonzero(early)[0])
        return Verdict(
            False,
            Text("t 以及以后的目标", "goals from t on"),
            Text(
                f"t = {t[row]} 的行拿到了第 {goal_t[row]} 步的目标",
                f"a row at t = {t[row]} with the goal of step {goal_t[row]}",
            ),
            ("includes_past",),
        )
    right = np.asarray(reward(arrays["achieved_goals"][e, t], goals), float)
    if not same(columns["rewards"], right):
        got = columns["rewards"].astype(float)
        before = np.where((t > 0)[:, None], arrays["achieved_goals"][e, np.maximum(t - 1, 0)], -999.0)
        explanations = {
            "reward_not_recomputed": np.asarray(reward(arrays["achieved_goals"][e, t], arrays["goals"][e]), float),
            "assumes_success": np.where(relabelled, 0.0, right),
            "achieved_before_action": np.asarray(reward(before, goals), float),
        }
        late = t > 0  # the first step has nothing before it, whatever an answer takes there
        agree = tuple(
            key
            for key, rewards in explanations.items()
            if np.allclose((got - rewards)[late] if key == "achieved_before_action" else got - rewards, 0)
        )
        row = int(np.flatnonzero(~np.isclose(got, right))[0])
        return Verdict(
            False,
            Text(f"第 {row} 行的奖励 {right[row]}", f"reward {right[row]} in row {row}"),
            Text(f"{got[row]}", f"{got[row]}"),
            agree,
        )
    return {"e": e, "t": t, "goal_t": goal_t, "relabelled": relabelled}


def _judge_frequencies(drawn: list[dict], arrays: dict[str, np.ndarray], k: int, expected: Text) -> Verdict:
    """Are transitions, relabelling and goals as frequent as they should be?"""
    lengths = arrays["lengths"]
    e, t, goal_t, relabelled = (
        np.concatenate([one[key] for one in drawn]) for key in ("e", "t", "goal_t", "relabelled")
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    counts = np.bincount(offsets[e] + t, minlength=lengths.sum())
    if all_alike([100 * one["e"] + one["t"] for one in drawn]) and len(counts) > 1 and len(drawn[0]["t"]) > 20:
        return Verdict(False, expected, Text("每一批都一样", "the same batch every time"), ("fixed_rng",))
    if not fits(counts, np.full(len(counts), 1 / len(counts))):
        by_episode = np.concatenate([np.full(n, 1 / n / len(lengths)) for n in lengths])
        got = Text("转移抽得不一样多", "transitions are not equally frequent")
        return Verdict(
            False, expected, got, likely(counts, {"episodes_equally_often": by_episode}) or ("wrong_distribution",)
        )
    share = k / (k + 1)
    total = [int((~relabelled).sum()), int(relabelled.sum())]
    got = Text(f"重标注了 {relabelled.mean():.3f}", f"{relabelled.mean():.3f} are relabelled")
    by_call = np.array([one["relabelled"].mean() for one in drawn])
    if (
        k > 0
        and len(drawn) > 4
        and len(drawn[0]["t"]) > 20
        and set(by_call.round(6)) <= {0.0, 1.0}
        and 0 < by_call.mean() < 1
    ):
        return Verdict(False, expected, got, ("one_coin_for_all",))
    if not fits(total, [1 - share, share]):
        ideas = {"relabels_all": [0.0, 1.0], "relabels_none": [1.0, 0.0]}
        ideas |= {"share_is_1_over_k": [share, 1 - share]}
        return Verdict(False, expected, got, likely(total, ideas) or ("share_is_1_over_k",))
    if not relabelled.any():
        return Verdict(True, expected, got)
    left = lengths[e] - t
    own = (goal_t == t)[relabelled & (left > 1)]
    if len(own) > 200 and not own.any():
        return Verdict(
            False,
            expected,
            Text("从没抽到这一步自己的目标", "never the goal of the step itself"),
            ("excludes_own_step",),
        )
    for n in np.unique(left[relabelled]):
        rows = relabelled & (left == n)
        cells = np.bincount((goal_t - t)[rows], minlength=n)
        if len(cells) > n or not fits(cells, np.full(n, 1 / n)):
            shares = show((cells / cells.sum()).round(3))
            got = Text(f"还剩 {n} 个时的比例 {shares}", f"shares {shares} where {n} are left")
            return Verdict(False, expected, got, ("wrong_distribution",))
    return Verdict(True, expected, got)


def _sample_her_batch_cases(rng: np.random.Generator) -> list[Case]:
    equal, unequal = (5, 5, 5), (3, 6, 4)
    small = her_buffer(rng, (20, 20))
    return [
        batch_case(Text("每一行都对得上", "every row holds together"), "basics", equal, 4, rng, exact=False),
        batch_case(Text("k = 0：一行也不换", "k = 0: nothing is relabelled"), "edges", equal, 0, rng, calls=4),
        batch_case(Text("一行的批", "a batch of one row"), "edges", equal, 4, rng, batch_size=1, calls=20, exact=False),
        batch_case(Text("回合有长有短", "episodes of different lengths"), "details", unequal, 4, rng, exact=False),
        batch_case(
            Text("不对称的奖励函数", "a reward function that is not symmetric"),
            "details",
            equal,
            4,
            rng,
            inputs.at_least_as_far,
            exact=False,
        ),
        batch_case(
            Text("比例和分布", "shares and distribution"), "sampling", unequal, 4, rng, batch_size=500, calls=10
        ),
        batch_case(Text("k = 1：换一半", "k = 1: one half"), "sampling", equal, 1, rng, batch_size=500, calls=6),
        seeded_case(
            lambda r: (small, 30, 4, r, inputs.within_half), rng.integers(2**62, size=2), "fixed_rng", "ignores_rng"
        ),
    ]


EXERCISES = (
    Exercise(
        "epsilon_greedy",
        4,
        Text("大多数时候选最好的", "Mostly the best"),
        1,
        10,
        _epsilon_greedy_cases,
        EPSILON_GREEDY,
        (
            Text(
                "每一行要两样随机数：这一行随机吗？随机的话是哪个动作？",
                "Each row needs two random things: random at all? And if so, which action?",
            ),
            Text(
                "`rng.random(n) < epsilon` 是每行一枚硬币，`rng.integers(actions, size=n)` 是每行一个随机动作。",
                "`rng.random(n) < epsilon` is a coin for each row, `rng.integers(actions, size=n)` a random action for each.",
            ),
            Text(
                "`np.where(硬币, 随机动作, q_values.argmax(axis=1))`。",
                "`np.where(coin, random, q_values.argmax(axis=1))`.",
            ),
        ),
        "her_course.exercises.reference:epsilon_greedy",
    ),
    Exercise(
        "polyak_update",
        4,
        Text("目标网络慢慢跟", "A target network that follows slowly"),
        2,
        10,
        _polyak_cases,
        POLYAK_UPDATE,
        (
            Text(
                "两个列表里的张量一一对应；改的是目标里的数，不是名字。",
                "The tensors of both lists go in pairs; change the numbers in the target, not a name.",
            ),
            Text(
                "参数需要梯度，就地改要放在 `with torch.no_grad():` 里。",
                "Parameters require gradients: write into them under `with torch.no_grad():`.",
            ),
            Text("对每一对：`t.mul_(1 - tau).add_(tau * o)`。", "For each pair: `t.mul_(1 - tau).add_(tau * o)`."),
        ),
        "her_course.exercises.reference:polyak_update",
        pure=False,
    ),
    Exercise(
        "td_target",
        4,
        Text("TD 目标，带论文的截断", "The TD target, clipped as in the paper"),
        2,
        10,
        _td_target_cases,
        TD_TARGET,
        (
            Text(
                "奖励，加上打折的下一步价值；done 的地方没有下一步。",
                "The reward plus the discounted next value; after a done there is none.",
            ),
            Text(
                "奖励只有 −1 和 0，回报最低是 −1 − γ − γ² − …，最高是 0。",
                "With rewards of −1 and 0 a return is at least −1 − γ − γ² − … and at most 0.",
            ),
            Text(
                "`np.clip(rewards + gamma * (1 - dones) * next_values, -1 / (1 - gamma), 0)`，别忘了 `dones` 是布尔数组。",
                "`np.clip(rewards + gamma * (1 - dones) * next_values, -1 / (1 - gamma), 0)`; `dones` is boolean.",
            ),
        ),
        "her_course.exercises.reference:td_target",
    ),
    Exercise(
        "sample_her_batch",
        4,
        Text("一次抽一整批", "A whole batch at once"),
        4,
        30,
        _sample_her_batch_cases,
        SAMPLE_HER_BATCH,
        (
            Text(
                "三件事各抽一次：哪个转移，换不换目标，换成未来的哪一个。都是长 batch_size 的数组。",
                "Three draws, each an array of batch_size: which transition, relabelled or not, which future goal.",
            ),
            Text(
                "均匀的转移：`rng.integers(lengths.sum(), size=n)` 再换算成 (e, t)，`np.searchsorted` 能做；未来：t + ⌊u·(length − t)⌋。",
                "Uniform transitions: `rng.integers(lengths.sum(), size=n)`, turned into (e, t) with `np.searchsorted`; "
                "the future: t + ⌊u·(length − t)⌋.",
            ),
            Text(
                "`goals = np.where(换[:, None], achieved[e, future], goals[e])`，两半观测用同一个 goals，奖励用 `achieved[e, t]`。",
                "`goals = np.where(relabelled[:, None], achieved[e, future], goals[e])`; the same goals in both "
                "observations, and `achieved[e, t]` in the reward.",
            ),
        ),
        "her_course.exercises.reference:sample_her_batch",
    ),
)
