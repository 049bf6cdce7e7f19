# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3　练习：目标从哪里来
#
# 四种策略，差别只在“从哪里抽”。四个函数，一个要找的错，一个开放任务，大约 85 分钟。抽样的函数都收一个 `rng`（`np.random.Generator`）：随机数全部从它来，别的人才能重现你的结果。
#
# ---
#
# # 3　Exercises: where goals come from
#
# Four strategies that differ only in where they draw from. Four functions, a bug to find and an open task, some 85 minutes. Whatever draws takes an `rng` (`np.random.Generator`): all random numbers come from it, or nobody can repeat your results.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import matplotlib.pyplot as plt
import numpy as np

from her import Episode
from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import show, strategy_style, text, use_style

use_style(LANG)


# %% [markdown]
# ## 3.1　抽未来的位置
#
# ★☆☆☆　5 分钟
#
# 热身：2.2 节写过，合上书自己写。回合有 `length` 步，`achieved_goals[j]` 是动作 j *之后*达到的。给位置 t 的转移抽 k 个“未来”的位置：均匀，各抽各的，可以重复。t 自己算不算未来？想想动作 t 之后发生了什么。
#
# ---
#
# ## 3.1　Positions in the future
#
# ★☆☆☆　5 minutes
#
# A warm-up: section 2.2 has it; write it without looking. An episode has `length` steps; `achieved_goals[j]` is reached *after* action j. Draw k positions in the future of the transition at t: uniformly and independently, so they may repeat. Is t itself in the future? Think of what comes after action t.

# %% nbgrader={"grade": false, "grade_id": "future_indices", "locked": false, "schema_version": 3, "solution": true, "task": false}
def future_indices(t: int, length: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """k positions whose achieved goals action t may have led to.

    t: position of the transition, 0 … length - 1.
    length: steps of the episode.
    k: how many to draw, with replacement.
    Returns (k,) integers, uniform over t … length - 1.

    >>> future_indices(7, 8, 3, rng)
    array([7, 7, 7])
    """
    ### BEGIN SOLUTION
    return rng.integers(t, length, size=k)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_future_indices", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(future_indices).score

# %% [markdown]
# 检查之外，自己用眼睛看一遍：下面应当是 3 到 9，高矮差不多。
#
# ---
#
# Besides the check, look with your own eyes: this should be 3 to 9, all about equally high.

# %%
drawn = attempt(future_indices, 3, 10, 5000, np.random.default_rng(0))
if drawn is not None:
    fig, ax = plt.subplots(figsize=(5, 2.4))
    ax.bar(*np.unique(drawn, return_counts=True), color=strategy_style("future")["color"])
    ax.set(xlim=(-0.5, 10.5), xlabel=text(LANG, "抽到的位置（t = 3，共 10 步）", "position drawn (t = 3, 10 steps)"), ylabel=text(LANG, "次数", "count"))
    show(fig, alt=text(LANG, "柱状图：位置 3 到 9 各抽到七百次左右，别处没有。", "Bars: positions 3 to 9 are drawn some seven hundred times each, no others."))


# %% [markdown]
# ## 3.2　四种策略各能抽什么
#
# ★★☆☆　10 分钟
#
# 返回这个策略*可以抽到*的所有目标，一行一个，顺序随意：`"final"` 回合最后达到的那一个；`"future"` 动作 t 以及之后达到的；`"episode"` 整个回合达到的；`"random"` 训练以来达到过的任何一个，也就是 `history`（已经包含本回合）。只有一个候选时也是 (1, d)。
#
# ---
#
# ## 3.2　What each strategy may draw
#
# ★★☆☆　10 minutes
#
# Return all goals that the strategy *may draw*, one a row, in any order: `"final"`, the one achieved last; `"future"`, those achieved after action t and later; `"episode"`, all of the episode; `"random"`, anything achieved in training so far, which is `history` and contains this episode already. A single candidate is (1, d).

# %% nbgrader={"grade": false, "grade_id": "candidate_goals", "locked": false, "schema_version": 3, "solution": true, "task": false}
def candidate_goals(strategy: str, achieved_goals: np.ndarray, t: int, history: np.ndarray) -> np.ndarray:
    """The goals among which a strategy draws for the transition at t.

    strategy: "final", "future", "episode" or "random".
    achieved_goals: (T, d) of this episode, row j reached after action j.
    t: position of the transition.
    history: (m, d) everything achieved in training so far, this episode included.
    Returns (c, d).

    >>> candidate_goals("final", achieved_goals, 0, history).shape
    (1, 2)
    """
    ### BEGIN SOLUTION
    if strategy == "final":
        return achieved_goals[-1:]
    if strategy == "future":
        return achieved_goals[t:]
    if strategy == "episode":
        return achieved_goals
    return history
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_candidate_goals", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(candidate_goals).score


# %% [markdown]
# ## 3.3　抽 k 个替代目标
#
# ★★☆☆　10 分钟
#
# 从候选里均匀地抽 k 个，各抽各的。传进来的数组不许动（`rng.shuffle` 会动它）。
#
# ---
#
# ## 3.3　Draw k substitute goals
#
# ★★☆☆　10 minutes
#
# Draw k of the candidates uniformly and independently. Leave the arrays you are given alone (`rng.shuffle` does not).

# %% nbgrader={"grade": false, "grade_id": "substitute_goals", "locked": false, "schema_version": 3, "solution": true, "task": false}
def substitute_goals(
    strategy: str, achieved_goals: np.ndarray, t: int, k: int, rng: np.random.Generator, history: np.ndarray
) -> np.ndarray:
    """k goals that take the desired goal's place in k copies of the transition at t.

    strategy, achieved_goals, t, history: as in `candidate_goals`.
    k: how many to draw, with replacement.
    Returns (k, d).

    >>> substitute_goals("final", achieved_goals, 0, 2, rng, history)   # twice achieved_goals[-1]
    """
    ### BEGIN SOLUTION
    candidates = candidate_goals(strategy, achieved_goals, t, history)
    return candidates[rng.integers(len(candidates), size=k)]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_substitute_goals", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(substitute_goals).score


# %% [markdown]
# ## 3.4　越近越常抽
#
# ★★★☆　15 分钟
#
# `future` 对远近一视同仁。也可以偏心：每往后一步，机会乘以 γ（对比强化学习那一支就这么抽）。从 t 自己开始，到回合末尾为止，概率 ∝ γ^(j − t)。回合到头就没有了：剩下几步，就在这几步里归一化。各抽各的，可以重复。
#
# ---
#
# ## 3.4　The sooner, the likelier
#
# ★★★☆　15 minutes
#
# `future` treats near and far alike. One may prefer the near: each step further on, the chance is γ times as large (contrastive RL draws like that). From t itself to the end of the episode, with probabilities ∝ γ^(j − t). The episode ends where it ends: normalise over the steps that are left. Draws are independent and may repeat.

# %% nbgrader={"grade": false, "grade_id": "discounted_future_indices", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discounted_future_indices(t: int, length: int, k: int, gamma: float, rng: np.random.Generator) -> np.ndarray:
    """k positions whose achieved goals action t may have led to, the sooner the likelier.

    t: position of the transition, 0 … length - 1.
    length: steps of the episode.
    k: how many to draw, with replacement.
    gamma: in (0, 1): each position is gamma times as likely as the one before it.
    Returns (k,) integers in t … length - 1.

    >>> discounted_future_indices(7, 8, 3, 0.9, rng)
    array([7, 7, 7])
    """
    ### BEGIN SOLUTION
    positions = np.arange(t, length)
    weights = gamma ** (positions - t)
    return rng.choice(positions, size=k, p=weights / weights.sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_discounted_future_indices", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(discounted_future_indices).score


# %% [markdown]
# ## 找错：代码和曲线
#
# 下面是一个整批抽 `future` 目标的函数。转移一个接一个放在一块内存里，回合首尾相接：`rows` 是抽中的行，`starts` 是各自回合的第一行，`lengths` 是各自回合的步数；返回新目标取自哪一行。
#
# *有一行错了。* 用它练翻 15 个比特，曲线是量出来的（`python -m her_course.faults results/faults/curves.csv`，每种三个种子）。照样学得会，只是慢。抽到的目标全在自己的回合里，奖励也全是重新算的：错在哪儿？
#
# ---
#
# ## Find the bug: code and curve
#
# Here is a function that draws the goals of `future` for a whole batch. Transitions lie one after the other in memory, episodes end to end: `rows` were drawn, `starts` are the first rows of their episodes, `lengths` the steps of these; what comes back is the row that each new goal is taken from.
#
# *One line is wrong.* An agent practised flipping 15 bits with it; the curves were measured (`python -m her_course.faults results/faults/curves.csv`; three seeds each). It learns all the same, only slowly. Every goal is from the right episode, every reward is computed anew: so what is wrong?

# %%
def future_rows(rows, starts, lengths, rng):
    position = rows - starts
    left = lengths - position
    ahead = rng.random(len(rows)) * left
    return starts + ahead.astype(int)


# %%
from her_course.figures.faults import draw_fault

fig, ax = plt.subplots(figsize=(6, 3))
draw_fault(ax, "mended_future_rows", LANG)
show(fig, alt=text(LANG, "成功率随环境步数：改好的三条线先升到顶；发下来的三条晚了好几千步，到最后也有九成上下。", "Success over environment steps: the three mended lines are at the top first; those of the code as handed out come several thousand steps later and end at some nine tenths."))


# %% [markdown]
# ## 3.5　找错：这样的“未来”，一半是过去
#
# ★★☆☆　20 分钟
#
# 先不改代码，把两件事写下来：*错在哪一行；为什么它还能学到一点。* 然后改好它。 没有头绪，就像 3.1 节那样把（行，目标的行）画成格子。
#
# ---
#
# ## 3.5　Find the bug: a future, half of which is past
#
# ★★☆☆　20 minutes
#
# Before you change anything, write down two things: *which line is wrong, and why it still learns a bit.* Then mend it. If you are stuck, draw the cells of (row, row of its goal) as in section 3.1.

# %% nbgrader={"grade": false, "grade_id": "mended_future_rows", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended_future_rows(
    rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """`future_rows` without the mistake: for each row, one whose achieved goal it gets by `future`.

    rows, starts, lengths: (n,) integers; see above.
    Returns (n,) integers, each uniform from its own row to the last of its episode.

    >>> mended_future_rows(np.array([5]), np.array([0]), np.array([6]), rng)
    array([5])
    """
    ### BEGIN SOLUTION
    position = rows - starts
    left = lengths - position
    ahead = rng.random(len(rows)) * left
    return rows + ahead.astype(int)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mended_future_rows", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(mended_future_rows).score

# %% [markdown]
# 改好了？拿它练一个种子：
#
# ---
#
# Mended? Train one seed with it:

# %%
from her_course.faults import learning_curve

yours = attempt(learning_curve, mended_future_rows, 0, 16 if PROFILE == "full" else 2)
if yours:
    fig, ax = plt.subplots(figsize=(6, 3))
    draw_fault(ax, "mended_future_rows", LANG, yours)
    show(fig, alt=text(LANG, "同一幅图，加上你的函数练出来的点。", "The same figure with dots for what was learned with your function."))

# %% [markdown]
# ## 开放任务：四种策略赛跑
#
# ★★★☆　25 分钟
#
# 像论文的算法 1 那样，在*存入*时重标注：每个转移抽 k 个替代目标，每个目标存一份。写 `relabelled_copies`，用你的 `substitute_goals`。提示：第 i 份拷贝里，位置 t 的目标是 `goals[t, i]`；`Episode.from_arrays(..., goal=(T, d) 的数组)` 允许每一步有自己的目标。
#
# ---
#
# ## Open task: a race of four strategies
#
# ★★★☆　25 minutes
#
# Relabel when *storing*, as in Algorithm 1 of the paper: k substitute goals for each transition, one copy for each goal. Write `relabelled_copies` with your `substitute_goals`. Hint: in copy i, position t has the goal `goals[t, i]`, and `Episode.from_arrays` takes a (T, d) array as `goal`, one for each step.

# %% nbgrader={"grade": false, "grade_id": "bit_flip_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training.evaluation import rollout
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

candidate_goals = or_reference(candidate_goals)
substitute_goals = or_reference(substitute_goals)


def bit_flip_reward(achieved_goals, desired_goals):
    return np.where((achieved_goals == desired_goals).all(axis=-1), 0.0, -1.0)


def relabelled_copies(
    episode: Episode, strategy: str, k: int, rng: np.random.Generator, history: np.ndarray
) -> list[Episode]:
    """k copies of the episode, in which every transition has a substitute goal of its own, and the reward under it."""
    ### BEGIN SOLUTION
    achieved = episode.achieved_goals
    goals = np.stack([substitute_goals(strategy, achieved, t, k, rng, history) for t in range(len(episode))])
    return [
        Episode.from_arrays(
            episode.states,
            episode.actions,
            bit_flip_reward(achieved, goals[:, i]),
            episode.next_states,
            np.zeros(len(episode), bool),
            achieved,
            goals[:, i],
        )
        for i in range(k)
    ]
    ### END SOLUTION


def learning_curve(n_bits: int, rounds: int, strategy: str, seed: int, k: int = 4) -> list[float]:
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed))
    agent, buffer, rng = trainer.agent, trainer.buffer, np.random.default_rng(seed)
    history, rates = np.empty((0, n_bits), np.float32), []
    for i in range(rounds):
        played = rollout(lambda x: agent.act(x, explore=True), trainer.envs, trainer.horizon, seed=10_000 * seed + i)
        for episode in played.episodes():
            history = np.concatenate([history, episode.achieved_goals])
            buffer.store_episode(episode)
            for copy in relabelled_copies(episode, strategy, k, rng, history):
                buffer.store_episode(copy)
        for _ in range(trainer.config.updates_per_round):
            agent.update(buffer.sample(trainer.config.batch_size).torch())
        rates.append(trainer.evaluate(i + 1).success_rate("any"))
    return rates


# %%
rounds = 15 if PROFILE == "full" else 2
strategies = ("final", "future", "episode", "random")
curves = attempt(lambda: {name: [learning_curve(12, rounds, name, seed) for seed in range(3)] for name in strategies})

# %%
if curves:
    fig, ax = plt.subplots()
    for name, runs in curves.items():
        style, steps = strategy_style(name), np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), **style, label=name)
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=style["color"], alpha=0.12)
    ax.set(xlabel=text(LANG, "练习轮数", "rounds of practice"), ylabel=text(LANG, "成功率（任意一步）", "success at any step"), ylim=(-0.02, 1.02))
    ax.set_title(text(LANG, "翻 12 个比特，k = 4：三个种子的均值与范围", "Flipping 12 bits, k = 4: mean and range of three seeds"))
    ax.legend()
    show(fig, alt=text(LANG, "四条学习曲线，一种策略一条，带三个种子的范围。", "Four learning curves, one for each strategy, with the range of three seeds."))

# %% [markdown]
# 三个种子的范围还盖着彼此的时候，别急着排名次。换成 20 位，哪一条先掉队？
#
# ---
#
# While the ranges of three seeds overlap, do not rank anything. With 20 bits, which of them falls behind first?

# %%
progress()
