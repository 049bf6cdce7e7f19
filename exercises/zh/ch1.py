# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1　练习：稀疏奖励
#
# 三个函数，一个开放任务，大约 50 分钟。写完一个就运行下面的检查：它会说哪一例不对、像是哪种误会。`hint("函数名")` 有三级提示，一级比一级说得多。

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from her import Episode
from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import COLORS, show, use_style

use_style(LANG)


# %% [markdown]
# ## 1.1　稀疏奖励
#
# ★☆☆☆　5 分钟
#
# 到了 0 分，没到 −1 分。“到了”是说距离*小于*阈值；正好等于，不算。输入可能是一对目标，也可能是一批：最后一个轴是坐标，前面有几个轴都行。

# %% nbgrader={"grade": false, "grade_id": "sparse_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sparse_reward(achieved_goal: np.ndarray, desired_goal: np.ndarray, threshold: float) -> np.ndarray:
    """0.0 where the distance is below the threshold, else -1.0.

    achieved_goal, desired_goal: shape (…, d), in metres, say.
    threshold: a distance in the same unit.
    Returns shape (…,): one reward per pair; for a single pair a number will do.

    >>> sparse_reward(np.array([[0.0, 0.1], [3.0, 4.0]]), np.zeros((2, 2)), threshold=5.0)
    array([ 0., -1.])
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_sparse_reward", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(sparse_reward).score


# %% [markdown]
# ## 1.2　乱翻也能成功吗？
#
# ★★★☆　20 分钟
#
# n 个比特，起点和目标都均匀地抽。每一步随便翻一个比特。第 0, 1, …, horizon 步里至少有一步正好是目标，这件事的概率是多少？起点就是目标的情形（第 0 步）也算。要精确值，不要模拟。

# %% nbgrader={"grade": false, "grade_id": "random_success_probability", "locked": false, "schema_version": 3, "solution": true, "task": false}
def random_success_probability(n_bits: int, horizon: int) -> float:
    """The exact probability that uniformly random flips hit a uniform goal from a uniform start.

    n_bits: how many bits, at least 1.
    horizon: how many flips are made, at least 0; the steps 0 … horizon count.
    Returns a probability.

    >>> random_success_probability(1, 1)
    1.0
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_random_success_probability", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(random_success_probability).score


# %% [markdown]
# ## 1.3　成功率，说清楚是哪一种
#
# ★★☆☆　10 分钟
#
# 论文里翻比特按“任意一步到过”算成功，机械臂按“最后一步停在那里”算。同一批回合，两个数可以差很多。奖励为 0 的那一步就是到了目标。

# %% nbgrader={"grade": false, "grade_id": "success_rate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def success_rate(episodes: Sequence[Episode], at: str) -> float:
    """The share of successful episodes.

    episodes: at least one; they may differ in length. ``episode.rewards`` is 0.0 at steps that reached the goal, else -1.0.
    at: "end" (reached at the last step) or "any" (reached at some step).
    Returns a share between 0 and 1.

    >>> success_rate([reached_and_left, stayed_there], "end")
    0.5
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_success_rate", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(success_rate).score

# %% [markdown]
# ## 开放任务：多少位以后，练习就没用了？
#
# ★★★☆　15 分钟
#
# 写 `learning_curve`：让一个*没有* HER 的智能体在 n 位上练 `rounds` 轮，每轮之后用*你的* `success_rate` 考它一次。再看图：实线是学出来的，虚线是*你的* `random_success_probability` 算出来的运气。先猜一猜，哪个 n 的实线会离开虚线？
#
# 要用到的：`trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed))`；`trainer.round()` 练一轮；`rollout(trainer.agent.act, trainer.evaluation_envs, trainer.horizon, seed=…).episodes()` 是不带探索的回合。

# %% nbgrader={"grade": false, "grade_id": "learning_curve", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training.evaluation import rollout
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

success_rate = or_reference(success_rate)
random_success_probability = or_reference(random_success_probability)


def learning_curve(n_bits: int, rounds: int, seed: int) -> list[float]:
    """Success rates at any step, after each of the rounds, without exploration.

    Returns `rounds` numbers between 0 and 1.
    """
    # 在这里写
    raise NotImplementedError


# %%
rounds, sizes = (25, (4, 12)) if PROFILE == "full" else (4, (4, 12))
curves = attempt(lambda: {n: [learning_curve(n, rounds, seed) for seed in range(3)] for n in sizes})

# %%
if curves:
    fig, ax = plt.subplots()
    for (n, runs), color, marker in zip(curves.items(), (COLORS["blue"], COLORS["vermilion"]), "os"):
        steps = np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), color=color, linestyle="-", marker=marker, markersize=4, label=f"n = {n}")
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=color, alpha=0.15)
        ax.axhline(random_success_probability(n, n), color=color, linestyle="--")
    ax.set(xlabel="练习轮数", ylabel="成功率（任意一步）", ylim=(-0.02, 1.02))
    ax.set_title("三个种子的均值与范围；虚线是乱翻的运气")
    ax.legend()
    show(fig, alt="没有 HER 时的学习曲线：4 位的实线升到虚线以上很多，12 位的一直贴着零附近的虚线。")

# %% [markdown]
# ## 做到哪里了

# %%
progress()
