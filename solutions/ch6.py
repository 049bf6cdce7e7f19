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
# 四个函数，一个要找的错，一个开放任务，大约 90 分钟。到最后，你会自己量出 HER 快了几倍，还能说出这个数有多靠不住。
#
# ---
#
# # 6　Exercises: what a few seeds can say
#
# Four functions, a bug to find and an open task, some 90 minutes. In the end you will have measured how many times faster HER is, and can say how far that number can be trusted.

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
from her_course.figures import show, strategy_style, text, use_style

use_style(LANG)


# %% [markdown]
# ## 6.1　第一次达到是什么时候
#
# ★☆☆☆　5 分钟
#
# 成功率*第一次*达到阈值（等于也算）时走了多少步。从没达到，就是 None：不是 0，不是最后一步，也不是随便一个大数。
#
# ---
#
# ## 6.1　When it first got there
#
# ★☆☆☆　5 minutes
#
# The steps taken when success *first* reached the threshold (equal counts). Never reached is None: not 0, not the last step, and not some large number.

# %% nbgrader={"grade": false, "grade_id": "steps_to_threshold", "locked": false, "schema_version": 3, "solution": true, "task": false}
def steps_to_threshold(steps: np.ndarray, success: np.ndarray, threshold: float) -> float | None:
    """The first of the steps at which success is at least the threshold.

    steps: (n,) increasing. success: (n,) rates at those steps. threshold: a rate.
    Returns one of the steps, or None.

    >>> steps_to_threshold(np.array([100, 200, 300]), np.array([0.2, 0.5, 0.4]), 0.5)
    200.0
    """
    ### BEGIN SOLUTION
    reached = np.flatnonzero(success >= threshold)
    return float(steps[reached[0]]) if len(reached) else None
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_steps_to_threshold", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(steps_to_threshold).score


# %% [markdown]
# ## 6.2　四分位均值
#
# ★★☆☆　5 分钟
#
# 去掉最低和最高的各 ⌊n/4⌋ 个分数，剩下的求平均（IQM；Agarwal 等，2021）。至少四个分数时，一个倒霉的种子拖不动它，又比中位数用了更多的分数。
#
# ---
#
# ## 6.2　The interquartile mean
#
# ★★☆☆　5 minutes
#
# Leave out the ⌊n/4⌋ lowest and highest scores and average the rest (IQM; Agarwal et al. 2021). Given four scores or more, no single unlucky seed drags it along, and it uses more of the scores than a median.

# %% nbgrader={"grade": false, "grade_id": "iqm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iqm(scores: np.ndarray) -> float:
    """The mean of the middle half.

    scores: (n,) in any order, n at least 1.
    Returns their interquartile mean.

    >>> iqm(np.array([0.0, 0.4, 1.0, 0.6]))
    0.5
    """
    ### BEGIN SOLUTION
    ordered, cut = np.sort(scores), len(scores) // 4
    return float(ordered[cut : len(ordered) - cut].mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_iqm", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(iqm).score


# %% [markdown]
# ## 6.3　几个种子能说多准
#
# ★★★☆　20 分钟
#
# 百分位自助法（bootstrap）：从 n 个分数里有放回地抽 n 个，算一次统计量；至少重复 2000 次；取这些值两头各 (1 − level)/2 的分位数。`statistic` 收一个一维数组，返回一个数。
#
# ---
#
# ## 6.3　How sure a few seeds can be
#
# ★★★☆　20 minutes
#
# The percentile bootstrap: draw n of the n scores with replacement and compute the statistic; do that at least 2000 times; take the quantiles that leave (1 − level)/2 at either end. `statistic` takes a one-dimensional array and returns a number.

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
    ### BEGIN SOLUTION
    resamples = rng.choice(scores, size=(2000, len(scores)))
    values = [statistic(resample) for resample in resamples]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_bootstrap_interval", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(bootstrap_interval).score


# %% [markdown]
# ## 6.4　快了几倍，没达到的也算上
#
# ★★★☆　15 分钟
#
# 输入是每个种子达到阈值的步数，没达到的是 None。没达到算*无穷久*，不许扔掉：扔掉失败的种子，越差的方法看着越快。返回中位数之比：基线 / 新方法。只有基线的中位数没达到，是 `math.inf`；只有新方法的没达到，是 0.0；两边都没达到，什么也说不了，是 None。
#
# 倍数的定义同 6.2 节：典型的步数之比，基线 / 新方法。那里的典型后来取几何平均，没达到的按打满的回合数算，所以只能说“至少”；这里取中位数，不用编数：半数以上达到了，它就是一个数；不到半数，它就老老实实是 ∞。
#
# ---
#
# ## 6.4　How many times faster, counting those that never got there
#
# ★★★☆　15 minutes
#
# The input: for each seed the steps to a threshold, None where it never got there. A seed that never got there counts as *infinitely long* and must not be dropped: without its failures, the worse a method is, the faster it looks. Return the ratio of medians, baseline over treatment. If only the baseline's median never got there, that is `math.inf`; if only the treatment's, 0.0; if neither did, nothing can be said: None.
#
# The factor is that of section 6.2: the typical number of steps of the baseline over that of the treatment. There, typical came to mean the geometric mean, in which a seed that never got there counts with all it played, and the factor can only say "at least". Here it is the median, which needs no such number: if more than half got there it is one, and if not it is honestly infinite.

# %% nbgrader={"grade": false, "grade_id": "speed_up", "locked": false, "schema_version": 3, "solution": true, "task": false}
def speed_up(baseline: Sequence[float | None], treatment: Sequence[float | None]) -> float | None:
    """How many times fewer steps the treatment takes than the baseline.

    baseline, treatment: steps to the threshold, one a seed, None where it was never reached; at least one seed each.
    Returns the ratio of medians.

    >>> speed_up([4000, 6000, None], [1000, 2000, 3000])
    3.0
    """
    ### BEGIN SOLUTION
    before, after = (np.median([math.inf if s is None else s for s in steps]) for steps in (baseline, treatment))
    if math.isinf(after):
        return None if math.isinf(before) else 0.0
    return float(before / after)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_speed_up", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(speed_up).score


# %% [markdown]
# ## 找错：代码和曲线
#
# 有个环境很体贴：它把“往目标怎么走”也放进了观测。状态的前 d 个数是位置，最后 d 个数是*目标减位置*，中间可能还有别的。（很多机器人环境都这么做。）下面这一行把状态和目标拼成网络的输入，走的时候用它，从缓冲区里抽出来、换了目标之后也用它。
#
# *错了。* 曲线是量出来的（`python -m her_course.faults results/faults/curves.csv`，这样的 15 个比特，每种三个种子）。这种错最气人：慢了一倍，最后还是学会了，多半会算到学习率头上。
#
# ---
#
# ## Find the bug: code and curve
#
# One environment tries to help: it puts the way to the goal into the observation. The first d numbers of a state are a place, the last d are *goal minus place*, and there may be others in between. (Many robot environments do so.) The line below joins state and goal for the network: when the agent acts, and when a batch was drawn and its goals were swapped.
#
# *It is wrong.* The curves were measured (`python -m her_course.faults results/faults/curves.csv`; 15 bits of this kind, three seeds each). It is an annoying mistake: learning takes twice as long and succeeds in the end, so you blame the learning rate.

# %%
def network_inputs(states, goals):
    return np.concatenate([states, goals], axis=1)


# %%
from her_course.figures.faults import draw_fault

fig, ax = plt.subplots(figsize=(6, 3))
draw_fault(ax, "mended_network_inputs", LANG)
show(fig, alt=text(LANG, "成功率随环境步数：改好的三条线不到四千步就过半；发下来的三条要八千步左右，最后也都到顶了。", "Success over environment steps: the three mended lines pass one half within four thousand; those of the code as handed out take some eight thousand, and all reach the top in the end."))


# %% [markdown]
# ## 6.5　找错：目标藏在观测里
#
# ★★★☆　20 分钟
#
# 先写下来：*6.7 节的三项检查，它过不了哪一项；走的时候没有错，学的时候为什么错了。* 然后改好它。输入的宽度不变：还是 [状态, 目标]。
#
# ---
#
# ## 6.5　Find the bug: the goal hides in the observation
#
# ★★★☆　20 minutes
#
# Before you change anything, write down *which of the three checks of section 6.7 it fails, and why it is right when the agent acts and wrong when it learns.* Then mend it. The width stays: it is still [state, goal].

# %% nbgrader={"grade": false, "grade_id": "mended_network_inputs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended_network_inputs(states: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """`network_inputs` without the mistake: what the network is fed.

    states: (n, s), of which the first d numbers are a place, and the last d the goal *of the episode* minus that place.
    goals: (n, d), which may be others.
    Returns (n, s + d).

    >>> mended_network_inputs(np.array([[1.0, 4.0]]), np.array([[3.0]]))   # d = 1: at 1, and the goal was at 5
    array([[1., 2., 3.]])
    """
    ### BEGIN SOLUTION
    d = goals.shape[1]
    return np.concatenate([states[:, :-d], goals - states[:, :d], goals], axis=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mended_network_inputs", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(mended_network_inputs).score

# %% [markdown]
# 改好了？拿它练一个种子：
#
# ---
#
# Mended? Train one seed with it:

# %%
from her_course.faults import learning_curve

yours = attempt(learning_curve, mended_network_inputs, 0, 16 if PROFILE == "full" else 2)
if yours:
    fig, ax = plt.subplots(figsize=(6, 3))
    draw_fault(ax, "mended_network_inputs", LANG, yours)
    show(fig, alt=text(LANG, "同一幅图，加上你的函数练出来的点。", "The same figure with dots for what was learned with your function."))

# %% [markdown]
# ## 开放任务：HER 快了几倍？
#
# ★★★☆　25 分钟
#
# 每个种子训练一次，得到一条成功率曲线。写 `summarise`：用你的四个函数，把两组曲线变成一句话能说完的几个数。步数的区间怎么取？对每个种子的 log₁₀(步数) 做自助法，再变回来；没达到的种子没有 log₁₀ 可取，所以这个区间只说*走到了的*种子；一定要同时报告有几个没达到，不然就是只数成功的。
#
# ---
#
# ## Open task: how many times faster is HER?
#
# ★★★☆　25 minutes
#
# Each seed is trained once and gives a curve of success rates. Write `summarise`: with your four functions, turn two groups of curves into a few numbers that fit in a sentence. For the interval of steps, bootstrap the log₁₀ of each seed's steps and turn it back; seeds that never got there have no log₁₀, so this interval speaks only of *those that did*; always say with it how many did not, or you count successes only.

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
    ### BEGIN SOLUTION
    steps = [[steps_to_threshold(*curve, threshold) for curve in group] for group in (baseline, treatment)]
    intervals = []
    for group in steps:
        logs = np.log10([s for s in group if s is not None])
        intervals.append(tuple(10 ** np.array(bootstrap_interval(logs, iqm, 0.95, rng))) if len(logs) else None)
    never = [group.count(None) for group in steps]
    return {"steps": steps, "never": never, "intervals": intervals, "speed_up": speed_up(*steps)}
    ### END SOLUTION


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
    ax.set(yticks=[0, 1], yticklabels=[text(LANG, "没有 HER", "without HER"), "HER (future)"], ylim=(-0.5, 1.6), xscale="log")
    ax.set_xlabel(text(LANG, f"成功率第一次达到 {threshold:.0%} 时的步数", f"steps when success first reached {threshold:.0%}"))
    ratio = summary["speed_up"]
    said = text(LANG, "说不出", "cannot be said") if ratio is None else f"{ratio:.1f}×"
    ax.set_title(text(LANG, f"翻 7 个比特，每种 {seeds} 个种子，中位数之比：{said}", f"7 bits, {seeds} seeds each, ratio of medians: {said}"))
    show(fig, alt=text(LANG, "每个种子一个点：HER 用的步数少得多；粗线是 IQM 的 95 % 区间。", "A dot for each seed: HER takes far fewer steps; thick lines are 95 % intervals of the IQM."))

# %% [markdown]
# 这个倍数只属于这个环境、这个阈值、这套超参数。把 7 位换成 10 位，再算一次：还是个数吗？
#
# ---
#
# This factor belongs to this environment, this threshold and these settings. Replace 7 bits by 10 and compute it again: is it still a number?

# %%
progress()
