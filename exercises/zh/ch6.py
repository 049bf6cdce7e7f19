# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6　练习：几个种子能说明什么
#
# 四个函数，一个开放任务，大约 70 分钟。到最后，你会自己量出 HER 快了几倍，还能说出这个数有多靠不住。

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import math
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np

from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import show, strategy_style, use_style

use_style(LANG)


# %% [markdown]
# ## 6.1　第一次达到是什么时候
#
# ★☆☆☆　5 分钟
#
# 成功率*第一次*达到阈值（等于也算）时走了多少步。从没达到，就是 None：不是 0，不是最后一步，也不是随便一个大数。

# %% nbgrader={"grade": false, "grade_id": "steps_to_threshold", "locked": false, "schema_version": 3, "solution": true, "task": false}
def steps_to_threshold(steps: np.ndarray, success: np.ndarray, threshold: float) -> float | None:
    """The first of the steps at which success is at least the threshold.

    steps: (n,) increasing. success: (n,) rates at those steps. threshold: a rate.
    Returns one of the steps, or None.

    >>> steps_to_threshold(np.array([100, 200, 300]), np.array([0.2, 0.5, 0.4]), 0.5)
    200.0
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_steps_to_threshold", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(steps_to_threshold).score


# %% [markdown]
# ## 6.2　四分位均值
#
# ★★☆☆　5 分钟
#
# 去掉最低和最高的各 ⌊n/4⌋ 个分数，剩下的求平均（IQM；Agarwal 等，2021）。至少四个分数时，一个倒霉的种子拖不动它，又比中位数用了更多的分数。

# %% nbgrader={"grade": false, "grade_id": "iqm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iqm(scores: np.ndarray) -> float:
    """The mean of the middle half.

    scores: (n,) in any order, n at least 1.
    Returns their interquartile mean.

    >>> iqm(np.array([0.0, 0.4, 1.0, 0.6]))
    0.5
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_iqm", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(iqm).score


# %% [markdown]
# ## 6.3　几个种子能说多准
#
# ★★★☆　20 分钟
#
# 百分位自助法（bootstrap）：从 n 个分数里有放回地抽 n 个，算一次统计量；至少重复 2000 次；取这些值两头各 (1 − level)/2 的分位数。`statistic` 收一个一维数组，返回一个数。

# %% nbgrader={"grade": false, "grade_id": "bootstrap_interval", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bootstrap_interval(
    scores: np.ndarray, statistic: Callable[[np.ndarray], float], level: float, rng: np.random.Generator
) -> tuple[float, float]:
    """A percentile bootstrap interval of a statistic.

    scores: (n,) one score a seed, n at least 1.
    statistic: f(an (n,) array) -> a number, `iqm` say.
    level: of the interval, 0.95 say.
    Returns (low, high).

    >>> bootstrap_interval(np.array([0.7]), np.mean, 0.95, rng)
    (0.7, 0.7)
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_bootstrap_interval", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(bootstrap_interval).score


# %% [markdown]
# ## 6.4　快了几倍，没达到的也算上
#
# ★★★☆　15 分钟
#
# 输入是每个种子达到阈值的步数，没达到的是 None。没达到算*无穷久*，不许扔掉：扔掉失败的种子，越差的方法看着越快。返回中位数之比：基线 / 新方法。只有基线的中位数没达到，是 `math.inf`；只有新方法的没达到，是 0.0；两边都没达到，什么也说不了，是 None。

# %% nbgrader={"grade": false, "grade_id": "speed_up", "locked": false, "schema_version": 3, "solution": true, "task": false}
def speed_up(baseline: Sequence[float | None], treatment: Sequence[float | None]) -> float | None:
    """How many times fewer steps the treatment takes than the baseline.

    baseline, treatment: steps to the threshold, one a seed, None where it was never reached; at least one seed each.
    Returns the ratio of medians.

    >>> speed_up([4000, 6000, None], [1000, 2000, 3000])
    3.0
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_speed_up", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(speed_up).score

# %% [markdown]
# ## 开放任务：HER 快了几倍？
#
# ★★★☆　25 分钟
#
# 每个种子训练一次，得到一条成功率曲线。写 `summarise`：用你的四个函数，把两组曲线变成一句话能说完的几个数。步数的区间怎么取？对每个种子的 log₁₀(步数) 做自助法，再变回来；没达到的种子没有 log₁₀ 可取，所以这个区间只说*走到了的*种子；一定要同时报告有几个没达到，不然就是只数成功的。

# %% nbgrader={"grade": false, "grade_id": "train", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

steps_to_threshold = or_reference(steps_to_threshold)
iqm = or_reference(iqm)
bootstrap_interval = or_reference(bootstrap_interval)
speed_up = or_reference(speed_up)
Curve = tuple[np.ndarray, np.ndarray]  # steps, success


def train(n_bits: int, strategy: str, seed: int, rounds: int, until: float) -> Curve:
    """A curve that ends when success has reached `until`, or after so many rounds."""
    trainer, steps, success = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy=strategy, seed=seed, evaluate_every=1)), [], []
    while len(steps) < rounds and (not success or success[-1] < until):
        progress_of_round = trainer.round()
        steps.append(progress_of_round.env_steps)
        success.append(progress_of_round.success_rate)
    return np.array(steps), np.array(success)


def summarise(baseline: list[Curve], treatment: list[Curve], threshold: float, rng: np.random.Generator) -> dict:
    """What is to be said about two groups of curves.

    Returns a dict: "steps", the steps to the threshold of each seed, in both groups; "never", how many never got there,
    in both; "intervals", (low, high) steps by the IQM, None where no seed got there; "speed_up".
    """
    # 在这里写
    raise NotImplementedError


# %%
seeds, rounds, threshold = (5, 60, 0.9) if PROFILE == "full" else (2, 3, 0.9)
curves = {strategy: [train(7, strategy, seed, rounds, threshold) for seed in range(seeds)] for strategy in ("none", "future")}
summary = attempt(lambda: summarise(curves["none"], curves["future"], threshold, np.random.default_rng(0)))

# %%
if summary:
    fig, ax = plt.subplots(figsize=(7, 2.6))
    for row, (strategy, steps, interval) in enumerate(zip(curves, summary["steps"], summary["intervals"])):
        style = strategy_style(strategy)
        reached = [s for s in steps if s is not None]
        ax.plot(reached, row - 0.06 * np.arange(len(reached)), "o", color=style["color"])  # one below the other: some are equal
        if interval:
            ax.plot(interval, [row + 0.2] * 2, "-", color=style["color"], linewidth=4)
    ax.set(yticks=[0, 1], yticklabels=["没有 HER", "HER (future)"], ylim=(-0.5, 1.6), xscale="log")
    ax.set_xlabel(f"成功率第一次达到 {threshold:.0%} 时的步数")
    ratio = summary["speed_up"]
    said = "说不出" if ratio is None else f"{ratio:.1f}×"
    ax.set_title(f"翻 7 个比特，每种 {seeds} 个种子，中位数之比：{said}")
    show(fig, alt="每个种子一个点：HER 用的步数少得多；粗线是 IQM 的 95 % 区间。")

# %% [markdown]
# 这个倍数只属于这个环境、这个阈值、这套超参数。把 7 位换成 10 位，再算一次：还是个数吗？

# %%
progress()
