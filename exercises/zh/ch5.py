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
# 哪个转移，哪个目标：两种选择，五个函数，一个开放任务，大约 80 分钟。

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import matplotlib.pyplot as plt
import numpy as np

from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import COLORS, show, use_style

use_style(LANG)


# %% [markdown]
# ## 5.1　误差大的多抽几次
#
# ★☆☆☆　5 分钟
#
# 优先经验回放（Schaul 等，2016，§3.3）：P(i) = pᵢ^α / Σⱼ pⱼ^α，pᵢ = |δᵢ| + ε。ε 让误差为 0 的转移也还有机会。

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
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_priority_probabilities", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(priority_probabilities).score


# %% [markdown]
# ## 5.2　抽得多的，每次算轻一点
#
# ★★☆☆　10 分钟
#
# 不均匀地抽，梯度就偏了。重要性权重 wᵢ = (N·P(i))^−β 把它拉回来（同上，§3.4）；除以*这一批*里最大的，于是最大的正好是 1。N 是缓冲区里转移的个数。

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
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_importance_weights", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(importance_weights).score


# %% [markdown]
# ## 5.3　在求和树里找到那片叶子
#
# ★★★☆　20 分钟
#
# 树和堆一样放在数组里：根在 1，节点 i 的孩子是 2i 和 2i + 1，每个节点是两个孩子之和；后一半 `tree[len(tree)//2:]` 是叶子。（0 号不用。）给一个目标值，找第几片叶子：前面叶子的和 ≤ 目标 < 再加上它。正好落在边界上，归右边那片；值为 0 的叶子永远找不到。

# %% nbgrader={"grade": false, "grade_id": "sum_tree_find", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sum_tree_find(tree: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The leaves in which cumulative sums lie.

    tree: (2m,) with m leaves, m a power of 2.
    targets: (n,) numbers in [0, tree[1]).
    Returns (n,) integers, 0 … m - 1.

    >>> sum_tree_find(np.array([0.0, 10.0, 3.0, 7.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.5, 1.0, 9.0]))
    array([0, 1, 3])
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_sum_tree_find", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(sum_tree_find).score


# %% [markdown]
# ## 5.4　机器人给了物体多少能量
#
# ★★★☆　15 分钟
#
# 能量优先（Zhao 和 Tresp，2018）：物体的能量 E = m·g·(z − z₀) + ½·m·‖v‖²，每一步的*增量*截到 [0, clip]，再加起来。减少不算，那不是机器人给的。z 是第三个坐标。`velocities` 是 None 时，从静止开始（v₀ = 0），之后是相邻位置之差除以 `dt`。

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
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_trajectory_energy", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(trajectory_energy).score


# %% [markdown]
# ## 5.5　先易后难
#
# ★★☆☆　10 分钟
#
# 候选目标离这里有远有近，智能体稳稳够得着的距离是 `reach`。权重 ∝ exp(−(1 − stage)·max(d − reach, 0)/reach)：够得着的一视同仁，够不着的越远越轻；`stage` 从 0 走到 1，最后一视同仁。目标全都很远的时候，也要给出概率，不是 NaN。

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
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_curriculum_weights", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(curriculum_weights).score

# %% [markdown]
# 三个阶段各画一条，先猜一下形状，再看：

# %%
distances = np.linspace(0.1, 8, 60)
stages = attempt(lambda: {stage: curriculum_weights(distances, 2.0, stage) for stage in (0.0, 0.5, 1.0)})
if stages:
    fig, ax = plt.subplots(figsize=(6, 2.8))
    for (stage, weights), line in zip(stages.items(), ("-", "--", ":")):
        ax.plot(distances, weights, linestyle=line, label=f"stage = {stage:g}")
    ax.axvline(2.0, color=COLORS["grey"], linewidth=1)
    ax.set(xlabel="距离（竖线是 reach）", ylabel="概率", ylim=(0, None))
    ax.legend()
    show(fig, alt="stage 为 0 时，reach 以外的概率指数下降；0.5 时降得慢；1 时是一条水平线。")

# %% [markdown]
# ## 开放任务：优先级到底有没有用？
#
# ★★★☆　20 分钟
#
# 写 `choose`：给所有转移的 TD 误差，抽 n 个（有放回），返回下标和重要性权重，用你的 `priority_probabilities` 和 `importance_weights`（α = 0.6，ε = 0.1）。`Priorities` 把它接到库里的缓冲区上。两条曲线都带 HER，只差*抽哪个转移*。看完先问：两条带子分开了吗？没有分开，就别说“更快”。

# %% nbgrader={"grade": false, "grade_id": "choose", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

priority_probabilities = or_reference(priority_probabilities)
importance_weights = or_reference(importance_weights)


def choose(td_errors: np.ndarray, n: int, beta: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """n draws by TD error: (n,) indices into `td_errors`, and (n,) importance weights."""
    # 在这里写
    raise NotImplementedError


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
        label = "你的优先级" if on else "均匀"
        steps = np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), color=color, linestyle=line, label=label)
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=color, alpha=0.15)
    ax.set(xlabel="练习轮数", ylabel="成功率（任意一步）", ylim=(-0.02, 1.02))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_title(f"都带 HER，翻 {n_bits} 个比特：三个种子的均值与范围")
    ax.legend()
    show(fig, alt="两条带 HER 的学习曲线，一条均匀抽样，一条按你的优先级。")

# %%
progress()
