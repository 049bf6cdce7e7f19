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
# 五个函数，一个要找的错，一个开放任务，大约 95 分钟。写完一个就运行下面的检查：它会说哪一例不对、像是哪种误会。`hint("函数名")` 有三级提示，一级比一级说得多。
#
# ---
#
# # 1　Exercises: sparse rewards
#
# Five functions, a bug to find and an open task, some 95 minutes. When you have written one, run the check below it: it says which case fails and what that looks like. `hint("name")` has three levels, each tells more.

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
from her_course.figures import COLORS, show, text, use_style

use_style(LANG)


# %% [markdown]
# ## 1.1　稀疏奖励
#
# ★☆☆☆　5 分钟
#
# 热身：1.2 节里写过，合上书自己写。到了 0 分，没到 −1 分。“到了”是说距离*小于*阈值；正好等于，不算。输入可能是一对目标，也可能是一批：最后一个轴是坐标，前面有几个轴都行。
#
# ---
#
# ## 1.1　The sparse reward
#
# ★☆☆☆　5 minutes
#
# A warm-up: section 1.2 has it; write it without looking. 0 when reached, −1 when not. "Reached" means *closer* than the threshold; exactly on the line does not count. The input may be one pair of goals or a batch: the last axis holds the coordinates, and there may be any number of axes before it.

# %% nbgrader={"grade": false, "grade_id": "sparse_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sparse_reward(achieved_goal: np.ndarray, desired_goal: np.ndarray, threshold: float) -> np.ndarray:
    """0.0 where the distance is below the threshold, else -1.0.

    achieved_goal, desired_goal: shape (…, d), in metres, say.
    threshold: a distance in the same unit.
    Returns shape (…,): one reward per pair; for a single pair a number will do.

    >>> sparse_reward(np.array([[0.0, 0.1], [3.0, 4.0]]), np.zeros((2, 2)), threshold=5.0)
    array([ 0., -1.])
    """
    ### BEGIN SOLUTION
    distance = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
    return np.where(distance < threshold, 0.0, -1.0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_sparse_reward", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(sparse_reward).score


# %% [markdown]
# ## 1.2　乱翻也能成功吗？
#
# ★★★☆　20 分钟
#
# 先猜再算：15 个比特，乱翻 15 步，一万个回合里大约成功几个？写下来。
#
# n 个比特，起点和目标都均匀地抽。每一步随便翻一个比特。第 0, 1, …, horizon 步里至少有一步正好是目标，这件事的概率是多少？起点就是目标的情形（第 0 步）也算。要精确值，不要模拟。
#
# ---
#
# ## 1.2　Can chance do it?
#
# ★★★☆　20 minutes
#
# Guess before you compute: 15 bits, 15 blind flips; of ten thousand episodes, how many succeed? Write it down.
#
# n bits, start and goal drawn uniformly. Each step flips a random bit. How probable is it that at least one of the steps 0, 1, …, horizon is the goal? A start that is the goal already (step 0) counts. The exact value, no simulation.

# %% nbgrader={"grade": false, "grade_id": "random_success_probability", "locked": false, "schema_version": 3, "solution": true, "task": false}
def random_success_probability(n_bits: int, horizon: int) -> float:
    """The exact probability that uniformly random flips hit a uniform goal from a uniform start.

    n_bits: how many bits, at least 1.
    horizon: how many flips are made, at least 0; the steps 0 … horizon count.
    Returns a probability, as a float.

    >>> random_success_probability(1, 1)
    1.0
    """
    ### BEGIN SOLUTION
    distance = np.arange(n_bits + 1)  # how many bits are wrong
    p = np.array([math.comb(n_bits, d) for d in distance]) / 2.0**n_bits
    hit, p[0] = p[0], 0.0
    for _ in range(horizon):
        nearer, farther = p * distance / n_bits, p * (n_bits - distance) / n_bits
        p = np.append(nearer[1:], 0.0) + np.append(0.0, farther[:-1])
        hit, p[0] = hit + p[0], 0.0
    return float(hit)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_random_success_probability", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(random_success_probability).score


# %% [markdown]
# ## 1.3　成功率，说清楚是哪一种
#
# ★★☆☆　10 分钟
#
# 论文里翻比特按“任意一步到过”算成功，机械臂按“最后一步停在那里”算。同一批回合，两个数可以差很多。奖励为 0 的那一步就是到了目标。
#
# ---
#
# ## 1.3　A success rate that says which
#
# ★★☆☆　10 minutes
#
# The paper judges bit flipping by "at any step", and robots by "at the last step". For the same episodes the two may be far apart. A reward of 0 says that the goal was reached at that step.

# %% nbgrader={"grade": false, "grade_id": "success_rate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def success_rate(episodes: Sequence[Episode], at: str) -> float:
    """The share of successful episodes.

    episodes: at least one; they may differ in length. ``episode.rewards`` is 0.0 at steps that reached the goal, else -1.0.
    at: "end" (reached at the last step) or "any" (reached at some step).
    Returns a share between 0 and 1.

    >>> success_rate([reached_and_left, stayed_there], "end")
    0.5
    """
    ### BEGIN SOLUTION
    reached = [episode.rewards == 0 for episode in episodes]
    return float(np.mean([r[-1] if at == "end" else r.any() for r in reached]))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_success_rate", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(success_rate).score


# %% [markdown]
# ## 1.4　停得准，还要朝得对
#
# ★★☆☆　15 分钟
#
# 小车要停进车位：位置差*小于* `threshold` 米，*并且*朝向差*小于* `angle` 弧度，才是 0 分，否则 −1 分。目标是 (x, y, 朝向)。朝向可以是任何实数：转过一整圈，还是原来的朝向；往左偏还是往右偏，一样算。
#
# ---
#
# ## 1.4　In the right place, facing the right way
#
# ★★☆☆　15 minutes
#
# A little car has to park: less than `threshold` metres off *and* turned less than `angle` radians away earns 0, anything else −1. A goal is (x, y, heading). A heading is any real number: a whole turn more is the same heading, and left or right makes no difference.

# %% nbgrader={"grade": false, "grade_id": "pose_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pose_reward(achieved: np.ndarray, desired: np.ndarray, threshold: float, angle: float) -> np.ndarray:
    """0.0 where a pose is near enough and turned nearly alike, else -1.0.

    achieved, desired: (…, 3): x and y in metres, heading in radians.
    threshold: metres. angle: radians, below π.
    Returns shape (…,).

    >>> pose_reward(np.array([0.0, 0.0, 0.1]), np.array([0.0, 0.0, 6.2]), threshold=0.5, angle=0.3)
    array(0.)
    """
    ### BEGIN SOLUTION
    offset = achieved - desired
    turn = np.abs((offset[..., 2] + np.pi) % (2 * np.pi) - np.pi)
    near = np.linalg.norm(offset[..., :2], axis=-1) < threshold
    return np.where(near & (turn < angle), 0.0, -1.0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_pose_reward", "locked": true, "points": 11, "schema_version": 3, "solution": false, "task": false}
check(pose_reward).score


# %% [markdown]
# ## 1.5　不走回头路，运气好多少？
#
# ★★★☆　15 分钟
#
# 还是 n 个比特，起点和目标都均匀地抽。这回有点记性：一个回合里翻过的比特不再翻（从没翻过的里面均匀地挑一个；全翻过了就停下）。第 0, 1, …, horizon 步里至少有一步正好是目标的概率是多少？
#
# 先猜：15 个比特，15 步，是 1.2 乱翻的几倍？写下来。这回用不着马尔可夫链：*数*就行了。
#
# ---
#
# ## 1.5　How much luckier without going back?
#
# ★★★☆　15 minutes
#
# Again n bits, and start and goal drawn uniformly. This time with a little memory: a bit that was flipped in the episode is not flipped again (one of those not flipped yet is picked uniformly; when all have been, it stops). How probable is it that at least one of the steps 0, 1, …, horizon is the goal?
#
# Guess first: with 15 bits and 15 steps, how much better than the blind flips of 1.2? Write it down. No Markov chain is needed this time: *counting* will do.

# %% nbgrader={"grade": false, "grade_id": "fresh_flips_probability", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fresh_flips_probability(n_bits: int, horizon: int) -> float:
    """The exact probability that flips, none of which is made twice, hit a uniform goal from a uniform start.

    n_bits: how many bits, at least 1.
    horizon: how many steps there are, at least 0; the steps 0 … horizon count.
    Returns a probability, as a float.

    >>> fresh_flips_probability(1, 0)
    0.5
    """
    ### BEGIN SOLUTION
    patterns = min(horizon, n_bits) + 1  # all different, since no bit is flipped twice
    return patterns / 2**n_bits
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_fresh_flips_probability", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(fresh_flips_probability).score

# %%
luck = attempt(lambda: {n: (random_success_probability(n, n), fresh_flips_probability(n, n)) for n in (4, 8, 15)})
for n, (blind, fresh) in (luck or {}).items():
    print(f"n = {n:2}   {blind:.6f}   {fresh:.6f}   {fresh / blind:.2f} x")


# %% [markdown]
# ## 找错：代码和曲线
#
# 1.6 节说，失败的回合换一个目标再打一遍分，就有成功。下面这几行干的就是这件事：`path` 是一个回合经过的 T + 1 个位置（起点在最前面），`goal` 是它到过的一个地方，返回 T 步的奖励。
#
# *有一行错了。* 用它练翻 15 个比特，每个回合存原样的一份和重新打分的四份，其余和第 4 章的 DQN 一样。下面的曲线是量出来的（`python -m her_course.faults results/faults/curves.csv`，每种三个种子，每条线一个）：它学得会，只是晚了一截。要是没有蓝线在旁边，你会起疑心吗？
#
# ---
#
# ## Find the bug: code and curve
#
# Section 1.6 says that failed episodes, scored again under another goal, have successes in them. The lines below do it: `path` holds the T + 1 places that an episode went through, the start first, `goal` is one that it reached, and T rewards come back.
#
# *One line is wrong.* An agent practised flipping 15 bits with it: each episode was stored as it was and four times scored again, and the rest is the DQN of chapter 4. The curves were measured (`python -m her_course.faults results/faults/curves.csv`; three seeds each, a line for each seed): it learns, only somewhat later. Without the blue lines beside it, would you have been suspicious?

# %%
def score_again(path, goal, threshold):
    distance = np.linalg.norm(path - goal, axis=1)
    reached = distance < threshold
    rewards = np.where(reached, 0.0, -1.0)
    return rewards[:-1]


# %%
from her_course.figures.faults import draw_fault

fig, ax = plt.subplots(figsize=(6, 3))
draw_fault(ax, "mended_score", LANG)
show(fig, alt=text(LANG, "成功率随环境步数：改好的三条线九千步上下过半，发下来的三条晚两千多步，最后也到了将近九成。", "Success over environment steps: the three mended lines pass one half at some nine thousand, those of the code as handed out over two thousand later; these too come to nearly nine tenths."))


# %% [markdown]
# ## 1.6　找错：失败里的成功，数错了一步
#
# ★★☆☆　15 分钟
#
# 先不改代码，把两件事写下来：*错在哪一行；为什么它还能学到一点。* 然后改好它。
#
# 改的时候别把对的也改了：踩线不算到，奖励还是 T 个。
#
# ---
#
# ## 1.6　Find the bug: successes among failures, one step off
#
# ★★☆☆　15 minutes
#
# Before you change anything, write down two things: *which line is wrong, and why it still learns a bit.* Then mend it.
#
# Leave what is right as it is: on the line is not reached, and there are still T rewards.

# %% nbgrader={"grade": false, "grade_id": "mended_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended_score(path: np.ndarray, goal: np.ndarray, threshold: float) -> np.ndarray:
    """`score_again` without the mistake: the rewards of an episode under another goal.

    path: (T + 1, d), the place before the first action, and after each.
    goal: (d,). threshold: closer than this is reached.
    Returns (T,) rewards, 0.0 or -1.0.

    >>> mended_score(np.array([[0.0], [1.0], [2.0]]), np.array([2.0]), 0.5)
    array([-1.,  0.])
    """
    ### BEGIN SOLUTION
    distance = np.linalg.norm(path - goal, axis=1)
    reached = distance < threshold
    rewards = np.where(reached, 0.0, -1.0)
    return rewards[1:]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mended_score", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(mended_score).score

# %% [markdown]
# 改好了？拿它练一个种子，看看点子落在哪一组线上：
#
# ---
#
# Mended? Train one seed with it, and see to which lines its dots belong:

# %%
from her_course.faults import learning_curve

yours = attempt(learning_curve, mended_score, 0, 16 if PROFILE == "full" else 2)
if yours:
    fig, ax = plt.subplots(figsize=(6, 3))
    draw_fault(ax, "mended_score", LANG, yours)
    show(fig, alt=text(LANG, "同一幅图，加上你的函数练出来的点。", "The same figure with dots for what was learned with your function."))

# %% [markdown]
# ## 开放任务：多少位以后，练习就没用了？
#
# ★★★☆　15 分钟
#
# 写 `learning_curve`：让一个*没有* HER 的智能体在 n 位上练 `rounds` 轮，每轮之后用*你的* `success_rate` 评估一次。再看图：实线是学出来的，虚线是*你的* `random_success_probability` 算出来的运气。先猜一猜，哪个 n 的实线会离开虚线？
#
# 要用到的：`trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed))`；`trainer.round()` 练一轮；`rollout(trainer.agent.act, trainer.evaluation_envs, trainer.horizon, seed=…).episodes()` 是不带探索的回合。
#
# ---
#
# ## Open task: at how many bits does practice stop helping?
#
# ★★★☆　15 minutes
#
# Write `learning_curve`: let an agent *without* HER practise on n bits for `rounds` rounds, and evaluate it after each with *your* `success_rate`. Then look: solid is what was learned, dashed is luck, as *your* `random_success_probability` has it. Guess first: for which n will the solid line leave the dashed one?
#
# You need: `trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed))`; `trainer.round()`, which practises for a round; and `rollout(trainer.agent.act, trainer.evaluation_envs, trainer.horizon, seed=…).episodes()`, episodes without exploration.

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
    ### BEGIN SOLUTION
    settings = settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed)
    trainer, rates = Trainer(settings), []
    for i in range(rounds):
        trainer.round()
        examined = rollout(trainer.agent.act, trainer.evaluation_envs, trainer.horizon, seed=1000 * seed + i)
        rates.append(success_rate(list(examined.episodes()), "any"))
    return rates
    ### END SOLUTION


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
    ax.set(xlabel=text(LANG, "练习轮数", "rounds of practice"), ylabel=text(LANG, "成功率（任意一步）", "success at any step"), ylim=(-0.02, 1.02))
    ax.set_title(text(LANG, "三个种子的均值与范围；虚线是乱翻的运气", "mean and range of three seeds; dashed: luck"))
    ax.legend()
    show(fig, alt=text(LANG, "没有 HER 时的学习曲线：4 位的实线升到虚线以上很多，12 位的一直贴着零附近的虚线。", "Learning curves without HER: with 4 bits the solid line rises far above the dashed line of luck, with 12 it stays near zero."))

# %% [markdown]
# ## 做到哪里了
#
# ---
#
# ## How far you have come

# %%
progress()
