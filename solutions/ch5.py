# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5　练习：优先级与课程
#
# 哪个转移，哪个目标：两种选择，六个函数，一个要找的错，一个开放任务，大约 110 分钟。
#
# ---
#
# # 5　Exercises: priorities and curricula
#
# Which transition, which goal: two choices, six functions, a bug to find and an open task, some 110 minutes.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import matplotlib.pyplot as plt
import numpy as np

from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import COLORS, show, text, use_style

use_style(LANG)


# %% [markdown]
# ## 5.1　误差大的多抽几次
#
# ★☆☆☆　5 分钟
#
# 热身：5.2 节写过，合上书自己写。优先经验回放（Schaul 等，2016，§3.3）：P(i) = pᵢ^α / Σⱼ pⱼ^α，pᵢ = |δᵢ| + ε。ε 让误差为 0 的转移也还有机会。
#
# ---
#
# ## 5.1　Large errors are drawn more often
#
# ★☆☆☆　5 minutes
#
# A warm-up: section 5.2 has it; write it without looking. Prioritised replay (Schaul et al. 2016, §3.3): P(i) = pᵢ^α / Σⱼ pⱼ^α with pᵢ = |δᵢ| + ε. The ε leaves a chance to transitions without error.

# %% nbgrader={"grade": false, "grade_id": "priority_probabilities", "locked": false, "schema_version": 3, "solution": true, "task": false}
def priority_probabilities(td_errors: np.ndarray, alpha: float, epsilon: float) -> np.ndarray:
    """How probable each transition is to be drawn.

    td_errors: (n,) of either sign.
    alpha: 0 is uniform; the larger, the more errors matter.
    epsilon: above 0, in units of TD error.
    Returns (n,) probabilities.

    >>> priority_probabilities(np.array([0.9, -2.9]), 1.0, 0.1)
    array([0.25, 0.75])
    """
    ### BEGIN SOLUTION
    priorities = (np.abs(td_errors) + epsilon) ** alpha
    return priorities / priorities.sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_priority_probabilities", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(priority_probabilities).score


# %% [markdown]
# ## 5.2　抽得多的，每次算轻一点
#
# ★★☆☆　10 分钟
#
# 不均匀地抽，梯度就偏了。重要性权重 wᵢ = (N·P(i))^−β 把它拉回来（同上，§3.4）；除以*这一批*里最大的，于是最大的正好是 1。N 是缓冲区里转移的个数。
#
# ---
#
# ## 5.2　Drawn more often, counted less
#
# ★★☆☆　10 minutes
#
# Uneven draws bias the gradient. Importance weights wᵢ = (N·P(i))^−β pull it back (same paper, §3.4); divided by the largest *of the batch*, so that the largest is exactly 1. N is the number of transitions stored.

# %% nbgrader={"grade": false, "grade_id": "importance_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def importance_weights(probabilities: np.ndarray, indices: np.ndarray, beta: float) -> np.ndarray:
    """How much each drawn transition counts.

    probabilities: (N,) of all transitions.
    indices: (n,) of the transitions that were drawn; an index may occur twice.
    beta: 0 corrects nothing, 1 everything.
    Returns (n,) weights, the largest of which is 1.

    >>> importance_weights(np.array([0.5, 0.25, 0.25]), np.array([0, 1]), 1.0)
    array([0.5, 1. ])
    """
    ### BEGIN SOLUTION
    weights = (len(probabilities) * probabilities[indices]) ** -beta
    return weights / weights.max()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_importance_weights", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(importance_weights).score


# %% [markdown]
# ## 5.3　在求和树里找到那片叶子
#
# ★★★☆　20 分钟
#
# 树和堆一样放在数组里：根在 1，节点 i 的孩子是 2i 和 2i + 1，每个节点是两个孩子之和；后一半 `tree[len(tree)//2:]` 是叶子。（0 号不用。）给一个目标值，找第几片叶子：前面叶子的和 ≤ 目标 < 再加上它。正好落在边界上，归右边那片；值为 0 的叶子永远找不到。
#
# ---
#
# ## 5.3　Find the leaf in a sum tree
#
# ★★★☆　20 minutes
#
# The tree lies in an array like a heap: the root at 1, the children of i at 2i and 2i + 1, each node the sum of its children; the second half, `tree[len(tree)//2:]`, are the leaves. (Position 0 is not used.) Given a target, find which leaf: the sum of the leaves before it ≤ target < that plus its own. A target right on a boundary belongs to the leaf on its right; a leaf of value 0 is never found.

# %% nbgrader={"grade": false, "grade_id": "sum_tree_find", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sum_tree_find(tree: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The leaves in which cumulative sums lie.

    tree: (2m,) with m leaves, m a power of 2.
    targets: (n,) numbers in [0, tree[1]).
    Returns (n,) integers, 0 … m - 1.

    >>> sum_tree_find(np.array([0.0, 10.0, 3.0, 7.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.5, 1.0, 9.0]))
    array([0, 1, 3])
    """
    ### BEGIN SOLUTION
    leaves = len(tree) // 2
    node, rest = np.ones(len(targets), int), np.array(targets, float)
    while node.size and node[0] < leaves:  # all are on the same level
        node = 2 * node
        right = rest >= tree[node]
        rest -= np.where(right, tree[node], 0.0)
        node += right
    return node - leaves
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_sum_tree_find", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(sum_tree_find).score


# %% [markdown]
# ## 5.4　机器人给了物体多少能量
#
# ★★★☆　15 分钟
#
# 5.4 节的冰球没有高度，质量是 1。这里要算的是真的物体：会被举起来，会掉下去。先猜：把 1 千克的东西慢慢举高 10 厘米，和把它推到每秒 1 米，哪个给的能量多？
#
# 能量优先（Zhao 和 Tresp，2018）：物体的能量 E = m·g·(z − z₀) + ½·m·‖v‖²，每一步的*增量*裁剪到 [0, clip]，再加起来。减少不算，那不是机器人给的。z 是第三个坐标。`velocities` 是 None 时，从静止开始（v₀ = 0），之后是相邻位置之差除以 `dt`。
#
# ---
#
# ## 5.4　How much energy the robot gave
#
# ★★★☆　15 minutes
#
# The puck of section 5.4 has no height and weighs 1 kg. This is about real objects, which are lifted and dropped. Guess first: which gives more energy to 1 kg, lifting it slowly by 10 cm, or pushing it to 1 m/s?
#
# Energy-based priorities (Zhao & Tresp 2018): the object has E = m·g·(z − z₀) + ½·m·‖v‖²; each step's *gain*, clipped to [0, clip], is added up. Losses do not count, the robot did not give them. z is the third coordinate. Where `velocities` is None, the object starts at rest (v₀ = 0), and later velocities are differences of positions over `dt`.

# %% nbgrader={"grade": false, "grade_id": "trajectory_energy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def trajectory_energy(
    positions: np.ndarray, velocities: np.ndarray | None, mass: float, gravity: float, dt: float, clip: float
) -> float:
    """The energy given to an object along a trajectory, in joules.

    positions: (T + 1, 3) metres, before the first action and after each.
    velocities: (T + 1, 3) m/s, or None.
    mass: kg. gravity: m/s². dt: seconds a step.
    clip: joules, the most that one step may contribute.
    Returns joules.

    >>> trajectory_energy(np.zeros((3, 3)), np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]]), 1.0, 9.81, 0.04, 5.0)
    0.5
    """
    ### BEGIN SOLUTION
    if velocities is None:
        velocities = np.vstack([np.zeros((1, 3)), np.diff(positions, axis=0) / dt])
    potential = mass * gravity * (positions[:, 2] - positions[0, 2])
    kinetic = 0.5 * mass * (velocities**2).sum(axis=1)
    return float(np.diff(potential + kinetic).clip(0, clip).sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_trajectory_energy", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(trajectory_energy).score


# %% [markdown]
# ## 5.5　先易后难
#
# ★★☆☆　10 分钟
#
# 还是 5.6 节的权重 floor + e^(−u/s)，取 floor = 0、s = reach/(1 − stage)：离得越远越轻，`stage` 越接近 1 越不在乎远近。（5.6 节的 u 多减了一个最小值，归一化以后没有区别；想一想它是干什么用的。）
#
# 候选目标离这里有远有近，智能体稳稳够得着的距离是 `reach`。权重 ∝ exp(−(1 − stage)·max(d − reach, 0)/reach)：够得着的一视同仁，够不着的越远越轻；`stage` 从 0 走到 1，最后一视同仁。目标全都很远的时候，也要给出概率，不是 NaN。
#
# ---
#
# ## 5.5　Easy first
#
# ★★☆☆　10 minutes
#
# The weight is that of section 5.6, floor + e^(−u/s), with floor = 0 and s = reach/(1 − stage): the farther the lighter, and the nearer `stage` is to 1, the less distance matters. (There, u has a minimum subtracted, which normalising undoes; think what it is good for.)
#
# Candidate goals are near or far, and the agent reliably reaches as far as `reach`. Weights ∝ exp(−(1 − stage)·max(d − reach, 0)/reach): within reach all alike, beyond it the farther the lighter; `stage` goes from 0 to 1, where all are alike. Where every goal is far away it still has to be probabilities, not NaN.

# %% nbgrader={"grade": false, "grade_id": "curriculum_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def curriculum_weights(distances: np.ndarray, reach: float, stage: float) -> np.ndarray:
    """How probable each candidate goal is to be chosen.

    distances: (n,) of the candidates, positive.
    reach: how far the agent reliably gets, positive, in the same unit.
    stage: of the curriculum, from 0 (easy goals first) to 1 (all alike).
    Returns (n,) probabilities.

    >>> curriculum_weights(np.array([1.0, 2.0, 9.0]), 2.0, 1.0).round(2)
    array([0.33, 0.33, 0.33])
    """
    ### BEGIN SOLUTION
    exponent = -(1 - stage) * np.maximum(distances - reach, 0) / reach
    weights = np.exp(exponent - exponent.max())
    return weights / weights.sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_curriculum_weights", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(curriculum_weights).score

# %% [markdown]
# 三个阶段各画一条，先猜一下形状，再看：
#
# ---
#
# One line for each of three stages. Guess their shapes first:

# %%
distances = np.linspace(0.1, 8, 60)
stages = attempt(lambda: {stage: curriculum_weights(distances, 2.0, stage) for stage in (0.0, 0.5, 1.0)})
if stages:
    fig, ax = plt.subplots(figsize=(6, 2.8))
    for (stage, weights), line in zip(stages.items(), ("-", "--", ":")):
        ax.plot(distances, weights, linestyle=line, label=f"stage = {stage:g}")
    ax.axvline(2.0, color=COLORS["grey"], linewidth=1)
    ax.set(xlabel=text(LANG, "距离（竖线是 reach）", "distance (the vertical line is reach)"), ylabel=text(LANG, "概率", "probability"), ylim=(0, None))
    ax.legend()
    show(fig, alt=text(LANG, "stage 为 0 时，reach 以外的概率指数下降；0.5 时降得慢；1 时是一条水平线。", "At stage 0 the probability falls off exponentially beyond reach, at 0.5 more slowly, at 1 it is a level line."))


# %% [markdown]
# ## 5.6　只看名次
#
# ★★☆☆　10 分钟
#
# 同一篇论文还有另一种优先级（Schaul 等，2016，§3.3，rank-based）：不看误差有多大，只看 |δ| 排第几。最大的排第 1，P(i) ∝ (1/rankᵢ)^α。
#
# 先猜：把最大的误差再放大一百万倍，比例式的概率会怎样，按名次的又会怎样？
#
# ---
#
# ## 5.6　By rank alone
#
# ★★☆☆　10 minutes
#
# The same paper has priorities of another kind (Schaul et al. 2016, §3.3, rank-based): not how large an error is, but which place |δ| takes. The largest has rank 1, and P(i) ∝ (1/rankᵢ)^α.
#
# Guess first: make the largest error a million times as large. What happens to the proportional probabilities, and what to these?

# %% nbgrader={"grade": false, "grade_id": "rank_probabilities", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rank_probabilities(td_errors: np.ndarray, alpha: float) -> np.ndarray:
    """How probable each transition is to be drawn, by the rank of its TD error.

    td_errors: (n,) of either sign; no two |δ| are alike.
    alpha: 0 is uniform; the larger, the more ranks matter.
    Returns (n,) probabilities, in the order of the errors.

    >>> rank_probabilities(np.array([0.5, -3.0]), 1.0).round(3)
    array([0.333, 0.667])
    """
    ### BEGIN SOLUTION
    ranks = np.empty(len(td_errors))
    ranks[np.argsort(-np.abs(td_errors))] = np.arange(1, len(td_errors) + 1)
    weights = (1 / ranks) ** alpha
    return weights / weights.sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_rank_probabilities", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(rank_probabilities).score

# %%
errors = np.array([0.2, 0.3, 0.1, 0.7, 0.5])
for largest in (0.7, 0.7e6):
    errors[3] = largest
    pair = attempt(lambda: (priority_probabilities(errors, 0.6, 0.01), rank_probabilities(errors, 0.6)))
    if pair:
        print(f"{largest:9g}   {pair[0].round(3)}   {pair[1].round(3)}")


# %% [markdown]
# ## 找错：代码和曲线
#
# 按能量抽回合的 HER，Push。`states` 是 (回合, T + 1, 8)：每个时刻 8 个数，依次是智能体的位置、冰球的位置、冰球的速度、冰球减智能体的位置，各两个。返回每个回合给了*冰球*多少能量（质量 1 千克，没有高度）；回合按它来抽。
#
# *有一行错了。* 曲线是量出来的（`python -m her_course.faults results/faults/curves.csv`，每种三个种子）。第 5 章 5.8 节里，按能量抽比均匀快得多；这一个呢？
#
# ---
#
# ## Find the bug: code and curve
#
# HER with episodes drawn by energy, on Push. `states` is (episodes, T + 1, 8): at each moment 8 numbers, two each for the agent's place, the puck's place, the puck's velocity, and the puck's place minus the agent's. What comes back is how much energy each episode gave to the *puck* (which weighs 1 kg and stays on the table); episodes are drawn by it.
#
# *One line is wrong.* The curves were measured (`python -m her_course.faults results/faults/curves.csv`; three seeds each). In section 5.8, drawing by energy was much faster than uniform. And this one?

# %%
def episode_energies(states, dt, clip):
    path = states[:, :, 0:2]
    speed = np.linalg.norm(np.diff(path, axis=1), axis=2) / dt
    kinetic = np.hstack([np.zeros((len(states), 1)), 0.5 * speed**2])
    return np.diff(kinetic, axis=1).clip(0, clip).sum(axis=1)


# %%
from her_course.figures.faults import draw_fault

fig, ax = plt.subplots(figsize=(6, 3))
draw_fault(ax, "mended_energies", LANG)
show(fig, alt=text(LANG, "成功率随环境步数：改好的三条线先到顶；发下来的三条晚得多，到最后两条才过一半，一条接近 1。", "Success over environment steps: the three mended lines are at the top first; those of the code as handed out come much later, and end a little above one half twice and near 1 once."))


# %% [markdown]
# ## 5.7　找错：能量算到了谁头上
#
# ★★☆☆　20 分钟
#
# 先不改代码，把两件事写下来：*错在哪一行；为什么它还能学到一点。* 然后改好它。
#
# ---
#
# ## 5.7　Find the bug: whose energy is it?
#
# ★★☆☆　20 minutes
#
# Before you change anything, write down two things: *which line is wrong, and why it still learns a bit.* Then mend it.

# %% nbgrader={"grade": false, "grade_id": "mended_energies", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended_energies(states: np.ndarray, dt: float, clip: float) -> np.ndarray:
    """`episode_energies` without the mistake: the energy that each episode gave to the puck.

    states: (E, T + 1, 8), see above; metres.
    dt: seconds a step. clip: joules, the most that one step may contribute.
    Returns (E,) joules.

    >>> mended_energies(np.zeros((2, 51, 8)), 0.1, 0.5)
    array([0., 0.])
    """
    ### BEGIN SOLUTION
    path = states[:, :, 2:4]
    speed = np.linalg.norm(np.diff(path, axis=1), axis=2) / dt
    kinetic = np.hstack([np.zeros((len(states), 1)), 0.5 * speed**2])
    return np.diff(kinetic, axis=1).clip(0, clip).sum(axis=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mended_energies", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(mended_energies).score

# %% [markdown]
# 改好了？一百个乱走的回合：冰球没动过的那些，平均能量是多少；动过的呢？两行分别是发下来的和你的：
#
# ---
#
# Mended? A hundred episodes of wandering: how much energy, on average, have those in which the puck never moved, and those in which it did? A line for the code as handed out, and one for yours:

# %%
from her.training.evaluation import make_envs, rollout

envs = make_envs("her/Push-v0", 100)
envs.action_space.seed(1)
play = rollout(lambda observations: envs.action_space.sample(), envs, envs.horizon, seed=0)
states = np.concatenate([play.states[:1], play.next_states]).swapaxes(0, 1).astype(float)
moved = np.ptp(states[:, :, 2:4], axis=1).any(axis=1)
for energies in (episode_energies, mended_energies):
    found = attempt(energies, states, 0.1, 0.5)
    if found is not None:
        print(f"{energies.__name__:17} {found[~moved].mean():6.3f} J   {found[moved].mean():6.3f} J")

# %% [markdown]
# ## 开放任务：优先级到底有没有用？
#
# ★★★☆　20 分钟
#
# 写 `choose`：给所有转移的 TD 误差，抽 n 个（有放回），返回下标和重要性权重，用你的 `priority_probabilities` 和 `importance_weights`（α = 0.6，ε = 0.1）。`Priorities` 把它接到库里的缓冲区上。两条曲线都带 HER，只差*抽哪个转移*。看完先问：两条带子分开了吗？没有分开，就别说“更快”。
#
# ---
#
# ## Open task: do priorities help at all?
#
# ★★★☆　20 minutes
#
# Write `choose`: from the TD errors of all transitions draw n (with replacement), and return their indices and importance weights, by your `priority_probabilities` and `importance_weights` (α = 0.6, ε = 0.1). `Priorities` plugs it into the library's buffer. Both curves have HER and differ in *which transition* is drawn, nothing else. Ask first: do the two bands come apart? If not, nobody may say "faster".

# %% nbgrader={"grade": false, "grade_id": "choose", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

priority_probabilities = or_reference(priority_probabilities)
importance_weights = or_reference(importance_weights)


def choose(td_errors: np.ndarray, n: int, beta: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """n draws by TD error: (n,) indices into `td_errors`, and (n,) importance weights."""
    ### BEGIN SOLUTION
    probabilities = priority_probabilities(td_errors, 0.6, 0.1)
    indices = rng.choice(len(td_errors), size=n, p=probabilities)
    return indices, importance_weights(probabilities, indices, beta)
    ### END SOLUTION


class Priorities:
    """Which transition: by `choose`. One that was never drawn has the largest error there was."""

    def __init__(self):
        self.errors = np.zeros(0)

    def sample(self, buffer, n, rng):
        rows = buffer.live_rows()
        indices, weights = choose(self.errors[rows], n, 0.4, rng)
        return rows[indices], weights.astype(np.float32)

    def stored(self, buffer, rows):
        if not len(self.errors):
            self.errors = np.zeros(buffer.capacity)
        self.errors[rows] = max(1.0, self.errors.max())

    def update(self, buffer, rows, td_errors):
        self.errors[rows] = np.abs(td_errors)

    def evicted(self, buffer, rows):
        self.errors[rows] = 0.0


def learning_curve(n_bits: int, rounds: int, priorities: bool, seed: int) -> list[float]:
    settings = {"strategy": "future", "seed": seed, "capacity": 20_000, "evaluate_every": 1, "priority": "td" if priorities else "none"}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings))
    if priorities:
        trainer.buffer.transitions = Priorities()
    return [trainer.round().success_rate for _ in range(rounds)]


# %%
n_bits, rounds = 15, 20 if PROFILE == "full" else 2
curves = attempt(lambda: {on: [learning_curve(n_bits, rounds, on, seed) for seed in range(3)] for on in (False, True)})

# %%
if curves:
    fig, ax = plt.subplots()
    for (on, runs), color, line in zip(curves.items(), (COLORS["blue"], COLORS["vermilion"]), ("-", "--")):
        label = text(LANG, "你的优先级", "your priorities") if on else text(LANG, "均匀", "uniform")
        steps = np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), color=color, linestyle=line, label=label)
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=color, alpha=0.15)
    ax.set(xlabel=text(LANG, "练习轮数", "rounds of practice"), ylabel=text(LANG, "成功率（任意一步）", "success at any step"), ylim=(-0.02, 1.02))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_title(text(LANG, f"都带 HER，翻 {n_bits} 个比特：三个种子的均值与范围", f"Both with HER, {n_bits} bits: mean and range of three seeds"))
    ax.legend()
    show(fig, alt=text(LANG, "两条带 HER 的学习曲线，一条均匀抽样，一条按你的优先级。", "Two learning curves with HER, one sampling uniformly, one by your priorities."))

# %%
progress()
