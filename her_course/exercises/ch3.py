"""Exercises of chapter 3, goal strategies: positions in the future, the goals of a strategy, and draws from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import (
    FIXED_RNG,
    IGNORES_RNG,
    all_alike,
    fits,
    generators,
    integers,
    likely,
    numbers,
    seeded_case,
    show,
    value_case,
)
from her_course.exercises.model import Call, Case, Exercise, Misconception, Outcome, Text, Verdict

INCLUDES_PAST = Misconception(
    Text(
        "抽到了过去。第 t 步之前达到的目标，这一步的动作已经够不着了；那是 `episode` 的做法。",
        "It draws from the past, which the action at t leads to no more. That is what `episode` does.",
    )
)
EXCLUDES_OWN = Misconception(
    Text(
        "漏了第 t 步自己达到的目标。`achieved_goals[t]` 在动作 t *之后*，已经是它的未来；成功的样本全靠它。",
        "It leaves out what step t itself achieved. `achieved_goals[t]` comes *after* action t and is its future; "
        "the successes come from there.",
    )
)
EXCLUDES_LAST = Misconception(
    Text(
        "漏了最后一个目标：`rng.integers` 的上界本来就不含在内，不用再减 1。",
        "It never draws the last goal: the upper end of `rng.integers` is excluded already.",
    )
)
OFF_THE_END = Misconception(
    Text("越过了回合的末尾：最后的下标是 length − 1。", "Beyond the end of the episode: the last index is length − 1.")
)
ONE_DRAW = Misconception(
    Text(
        "只抽了一次，重复了 k 遍。k 个目标要各抽各的。",
        "One draw, repeated k times. Each of the k is drawn by itself.",
    )
)
WRONG_SHAPE = Misconception(
    Text(
        "均值对了，分布不对：有的位置抽得多，有的抽得少。要均匀。",
        "The right mean, the wrong distribution: some come oftener than others. Make it uniform.",
    )
)

# ----------------------------------------------------------------------------------------------------- future_indices

FUTURE_INDICES = {
    "off_the_end": OFF_THE_END,
    "includes_past": INCLUDES_PAST,
    "excludes_own_step": EXCLUDES_OWN,
    "excludes_last": EXCLUDES_LAST,
    "one_draw_repeated": ONE_DRAW,
    "fixed_rng": FIXED_RNG,
    "ignores_rng": IGNORES_RNG,
    "wrong_distribution": WRONG_SHAPE,
    "relative_positions": Misconception(
        Text(
            "返回的是离 t 有多远，不是在回合里的位置：还要加上 t。",
            "These say how far from t, not where in the episode: add t.",
        )
    ),
}


def indices_case(
    name: Text, group: str, t: int, length: int, k: int, rngs: Sequence[np.random.Generator], exact: bool = True
) -> Case:
    """Indices in the right range, and, with `exact`, with the right frequencies over all calls together."""
    expected = Text(f"{k} 个整数，均匀取自 {t}…{length - 1}", f"{k} integers, uniform over {t}…{length - 1}")

    def uniform(begin: int, end: int) -> np.ndarray:
        """Over begin … end - 1, as probabilities of the cells 0 … length."""
        cells = np.arange(length + 1)
        return ((begin <= cells) & (cells < end)) / max(1, end - begin)

    ideas = {
        "off_the_end": uniform(t, length + 1),
        "includes_past": uniform(0, length),
        "relative_positions": uniform(0, length - t),
        "excludes_own_step": uniform(t + 1, length) if t + 1 < length else uniform(t, length + 1),
        "excludes_last": uniform(t, length - 1) if t + 1 < length else uniform(0, length),
    }

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        draws = [integers(outcome.value, (k,)) for outcome in outcomes]
        if bad := [outcome.value for outcome, draw in zip(outcomes, draws, strict=True) if draw is None]:
            return Verdict(False, Text(f"整数数组 ({k},)", f"an array of integers ({k},)"), show(bad[0]))
        together = np.concatenate(draws)
        low, high = together.min(), together.max()
        seen = Text(f"取自 {low}…{high}", f"from {low}…{high}")
        if low < 0 or high > length:
            return Verdict(False, expected, seen, ("off_the_end",) if high > length else ("includes_past",))
        counts = np.bincount(together, minlength=length + 1)
        if low < t or high >= length:
            suspects = likely(counts, ideas) or (("includes_past",) if low < t else ("off_the_end",))
            return Verdict(False, expected, seen, suspects)
        if k > 1 and length - t > 1 and all(len(set(draw.tolist())) == 1 for draw in draws):
            return Verdict(False, expected, Text("k 个都一样", "all k alike"), ("one_draw_repeated",))
        if exact and not fits(counts, uniform(t, length)):
            shares = show((counts[t:length] / len(together)).round(3))
            suspects = ("fixed_rng",) if all_alike(draws) else likely(counts, ideas) or ("wrong_distribution",)
            return Verdict(False, expected, Text(f"各位置的比例 {shares}", f"shares {shares}"), suspects)
        return Verdict(True, expected, seen)

    return Case(name, group, [Call((t, length, k, rng)) for rng in rngs], judge, expected)


def few_left_case(rng: np.random.Generator) -> Case:
    """More draws than there are positions left, which nobody can make without replacement."""
    name = Text("快到头了，k 比剩下的多", "near the end, k above what is left")
    return indices_case(name, "edges", 8, 10, 12, generators(rng, 3), exact=False)


def _future_indices_cases(rng: np.random.Generator) -> list[Case]:
    return [
        indices_case(Text("范围", "the range"), "basics", 3, 10, 40, generators(rng, 10), exact=False),
        indices_case(Text("从头开始", "from the very beginning"), "basics", 0, 6, 40, generators(rng, 10), exact=False),
        indices_case(
            Text("最后一步只剩自己", "at the last step, only itself is left"), "edges", 9, 10, 4, generators(rng, 2)
        ),
        few_left_case(rng),
        indices_case(
            Text("每个位置一样常见", "every position equally often"), "sampling", 3, 10, 100, generators(rng, 60)
        ),
        indices_case(
            Text("一次只抽一个也均匀", "uniform also one at a time"), "sampling", 2, 6, 1, generators(rng, 400)
        ),
        seeded_case(lambda r: (0, 1000, 12, r), rng.integers(2**62, size=2), "fixed_rng", "ignores_rng"),
    ]


# ---------------------------------------------------------------------------------------------------- candidate_goals

CANDIDATE_GOALS = {
    "random_is_episode": Misconception(
        Text(
            "`random` 给了本回合的目标。它要从*训练以来*达到过的所有目标里抽；只在本回合里抽的叫 `episode`。",
            "`random` got the goals of this episode. It draws from everything achieved *in training so far*; within the "
            "episode it would be `episode`.",
        ),
        lambda s, a, t, h: a if s == "random" else reference.candidate_goals(s, a, t, h),
    ),
    "excludes_own_step": Misconception(
        EXCLUDES_OWN.text, lambda s, a, t, h: a[t + 1 :] if s == "future" else reference.candidate_goals(s, a, t, h)
    ),
    "includes_past": Misconception(
        INCLUDES_PAST.text, lambda s, a, t, h: a if s == "future" else reference.candidate_goals(s, a, t, h)
    ),
    "only_the_past": Misconception(
        Text("切反了：`[:t]` 是过去，`[t:]` 才是未来。", "The wrong slice: `[:t]` is the past, `[t:]` the future."),
        lambda s, a, t, h: a[:t] if s == "future" else reference.candidate_goals(s, a, t, h),
    ),
    "final_of_this_step": Misconception(
        Text(
            "`final` 给了第 t 步达到的目标。它总是回合*最后*达到的那个，和 t 无关。",
            "`final` got the goal achieved at step t. It is the episode's *last* one, whatever t.",
        ),
        lambda s, a, t, h: a[t : t + 1] if s == "final" else reference.candidate_goals(s, a, t, h),
    ),
    "lost_axis": Misconception(
        Text(
            "少了一个轴。候选目标是 (m, d) 的数组，只有一个时也是 (1, d)：用 `[-1:]`，不用 `[-1]`。",
            "An axis is missing. Candidates are an (m, d) array, (1, d) if there is one: `[-1:]`, not `[-1]`.",
        ),
        lambda s, a, t, h: a[-1] if s == "final" else reference.candidate_goals(s, a, t, h),
    ),
    "episode_is_future": Misconception(
        Text(
            "`episode` 只给了第 t 步以后的。它是整个回合。",
            "`episode` got what comes from t on. It is the whole episode.",
        ),
        lambda s, a, t, h: a[t:] if s == "episode" else reference.candidate_goals(s, a, t, h),
    ),
    "random_without_this_episode": Misconception(
        Text(
            "`random` 去掉了本回合。`history` 已经包含本回合，照用就是。",
            "`random` left out this episode. `history` contains it; take it as it is.",
        ),
        lambda s, a, t, h: h[: len(h) - len(a)] if s == "random" else reference.candidate_goals(s, a, t, h),
    ),
}


def _same_rows(got, expected) -> bool:
    """The same goals in any order."""
    array = numbers(got)
    if array is None or array.ndim != 2 or array.shape != np.shape(expected):
        return (
            np.ndim(expected) == 1
            and array is not None
            and array.shape == np.shape(expected)
            and np.allclose(array, expected)
        )
    return bool(np.allclose(*(rows[np.lexsort(rows.T)] for rows in (array.astype(float), np.asarray(expected, float)))))


def past(rng: np.random.Generator, length: int, others: int, goal_dim: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """(length, d) goals of an episode, and the history that ends with them; no two goals alike."""
    numbers = rng.permutation(400)[: length + others]
    history = np.stack([numbers % 20, numbers // 20, numbers][:goal_dim], axis=1).astype(np.float32)
    return history[others:].copy(), history


def candidates_case(name: Text, group: str, strategy: str, t: int, achieved: np.ndarray, history: np.ndarray) -> Case:
    """The candidates of this strategy at t."""
    arguments = (strategy, achieved, t, history)
    return value_case(name, group, arguments, reference.candidate_goals, CANDIDATE_GOALS, _same_rows)


def _candidate_goals_cases(rng: np.random.Generator) -> list[Case]:
    achieved, history = past(rng, 6, 5)

    def case(group: str, strategy: str, t: int, zh: str, en: str) -> Case:
        return candidates_case(Text(f"{strategy}，{zh}", f"{strategy}, {en}"), group, strategy, t, achieved, history)

    return [
        case("basics", "final", 2, "t = 2", "t = 2"),
        case("basics", "future", 2, "t = 2", "t = 2"),
        case("basics", "episode", 2, "t = 2", "t = 2"),
        case("basics", "random", 2, "t = 2", "t = 2"),
        case("edges", "future", 5, "最后一步", "at the last step"),
        case("edges", "future", 0, "第一步", "at the first step"),
        case("details", "final", 0, "第一步", "at the first step"),
        case("details", "episode", 4, "t = 4", "t = 4"),
    ]


# --------------------------------------------------------------------------------------------------- substitute_goals

SUBSTITUTE_GOALS = {
    "random_is_episode": CANDIDATE_GOALS["random_is_episode"],
    "episode_is_random": Misconception(
        Text(
            "抽到了别的回合的目标。只有 `random` 能这样：`future`、`episode`、`final` 都只看本回合。",
            "A goal of another episode was drawn. Only `random` may: `future`, `episode` and `final` stay in theirs.",
        )
    ),
    "excludes_own_step": EXCLUDES_OWN,
    "includes_past": INCLUDES_PAST,
    "one_draw_repeated": ONE_DRAW,
    "fixed_rng": FIXED_RNG,
    "ignores_rng": IGNORES_RNG,
    "wrong_distribution": WRONG_SHAPE,
    "wrong_strategy": Misconception(
        Text("抽的不是这个策略允许的目标。", "That is not a goal which this strategy may draw.")
    ),
}


def draws_case(
    name: Text,
    group: str,
    strategy: str,
    t: int,
    k: int,
    achieved: np.ndarray,
    history: np.ndarray,
    rngs: Sequence[np.random.Generator],
    exact: bool = True,
) -> Case:
    """k goals a call, each among the candidates, and, with `exact`, equally often over all calls."""
    candidates = reference.candidate_goals(strategy, achieved, t, history)
    place = {tuple(goal): i for i, goal in enumerate(history.tolist())}
    expected = Text(
        f"({k}, {achieved.shape[1]}) 的数组，每行均匀取自 {len(candidates)} 个候选",
        f"a ({k}, {achieved.shape[1]}) array, each row uniform over {len(candidates)} candidates",
    )

    def uniform(goals: np.ndarray) -> np.ndarray:
        probabilities = np.zeros(len(history))
        probabilities[[place[tuple(goal)] for goal in goals.tolist()]] = 1 / len(goals)
        return probabilities

    ideas: Mapping[str, np.ndarray] = {
        "random_is_episode": uniform(achieved),
        "episode_is_random": uniform(history),
        "excludes_own_step": uniform(achieved[t + 1 :]) if t + 1 < len(achieved) else uniform(achieved),
        "includes_past": uniform(achieved),
    }
    ideas = {key: p for key, p in ideas.items() if (key == "random_is_episode") == (strategy == "random")}
    allowed = uniform(candidates) > 0

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        values = [numbers(outcome.value) for outcome in outcomes]
        shape = (k, achieved.shape[1])
        if bad := [o.value for o, v in zip(outcomes, values, strict=True) if v is None or v.shape != shape]:
            return Verdict(False, Text(f"形状 {shape}", f"shape {shape}"), show(bad[0]))
        draws = [[place.get(tuple(goal)) for goal in value.astype(float).tolist()] for value in values]
        together = [i for draw in draws for i in draw]
        if None in together:
            return Verdict(False, expected, Text("有一行谁也没有达到过", "a row that nobody ever achieved"))
        counts = np.bincount(together, minlength=len(history))
        if counts[~allowed].any():
            others = Text("有的行不在候选里", "rows that are no candidates")
            return Verdict(False, expected, others, likely(counts, ideas) or ("wrong_strategy",))
        if k > 1 and allowed.sum() > 1 and all(len(set(draw)) == 1 for draw in draws):
            return Verdict(False, expected, Text("k 行都一样", "all k rows alike"), ("one_draw_repeated",))
        if exact and not fits(counts, uniform(candidates)):
            shares = show((counts[allowed] / len(together)).round(3))
            suspects = ("fixed_rng",) if all_alike(draws) else likely(counts, ideas) or ("wrong_distribution",)
            return Verdict(False, expected, Text(f"各候选的比例 {shares}", f"shares {shares}"), suspects)
        return Verdict(True, expected, show(values[0]))

    return Case(name, group, [Call((strategy, achieved, t, k, rng, history)) for rng in rngs], judge, expected)


def _substitute_goals_cases(rng: np.random.Generator) -> list[Case]:
    achieved, history = past(rng, 6, 6)

    def case(group: str, strategy: str, t: int, k: int, calls: int, zh: str, en: str) -> Case:
        name = Text(f"{strategy}：{zh}", f"{strategy}: {en}")
        exact = group == "sampling"
        return draws_case(name, group, strategy, t, k, achieved, history, generators(rng, calls), exact)

    long, much = past(rng, 200, 100)
    return [
        case("basics", "final", 1, 4, 2, "总是最后那个", "always the last"),
        case("basics", "future", 2, 30, 10, "只从 t 以后抽", "from t on"),
        case("edges", "future", 5, 4, 2, "最后一步只剩自己", "at the last step, only itself is left"),
        case("sampling", "future", 2, 40, 80, "均匀", "uniform"),
        case("sampling", "episode", 2, 40, 80, "均匀", "uniform"),
        case("sampling", "random", 2, 40, 100, "均匀，别的回合也在内", "uniform, other episodes included"),
        seeded_case(lambda r: ("future", long, 0, 8, r, much), rng.integers(2**62, size=2), "fixed_rng", "ignores_rng"),
    ]


EXERCISES = (
    Exercise(
        "future_indices",
        3,
        Text("抽未来的位置", "Positions in the future"),
        1,
        5,
        _future_indices_cases,
        FUTURE_INDICES,
        (
            Text(
                "哪些位置还在第 t 步动作的未来？t 自己算不算？",
                "Which positions are in the future of action t? Does t itself count?",
            ),
            Text(
                "`achieved_goals[t]` 在动作 t 之后，所以从 t 到 length − 1 都可以，一样常见。",
                "`achieved_goals[t]` comes after action t: t … length − 1, all equally often.",
            ),
            Text(
                "`rng.integers(低, 高, size=k)`，高不含在内。",
                "`rng.integers(low, high, size=k)`, where high is excluded.",
            ),
        ),
        "her_course.exercises.reference:future_indices",
    ),
    Exercise(
        "candidate_goals",
        3,
        Text("四种策略各能抽什么", "What each strategy may draw"),
        2,
        10,
        _candidate_goals_cases,
        CANDIDATE_GOALS,
        (
            Text("四种策略就是四个不同的切片。", "Four strategies, four slices."),
            Text(
                "`final` 一个，`future` 从 t 起，`episode` 全部，`random` 是整个历史。",
                "`final` is one, `future` from t on, `episode` all, `random` the whole history.",
            ),
            Text(
                "`final` 用 `achieved_goals[-1:]`，这样还是 (1, d)。",
                "For `final`, `achieved_goals[-1:]` stays (1, d).",
            ),
        ),
        "her_course.exercises.reference:candidate_goals",
    ),
    Exercise(
        "substitute_goals",
        3,
        Text("抽 k 个替代目标", "Draw k substitute goals"),
        2,
        10,
        _substitute_goals_cases,
        SUBSTITUTE_GOALS,
        (
            Text(
                "先要候选，再从中均匀地抽 k 个，可以重复。",
                "First the candidates, then k uniform draws, which may repeat.",
            ),
            Text(
                "用你的 `candidate_goals`，再抽 k 个行号：`rng.integers(len(candidates), size=k)`。",
                "Your `candidate_goals`, then k row numbers: `rng.integers(len(candidates), size=k)`.",
            ),
            Text("`candidates[行号]` 就是 (k, d)。", "`candidates[rows]` is (k, d)."),
        ),
        "her_course.exercises.reference:substitute_goals",
    ),
)
