# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3　目标从哪里挑
#
# > **这一章你会看到**：四种挑替代目标的办法，代码上只差一行。拿它们去翻比特，三种都学得会，只是快慢不同。拿它们去推冰球，其中一种练了几千个回合，五个种子里没有一个学会推。选错一行，智能体不会报错，它只是学不会。
# >
# > **时间**：阅读 35 分钟，运行约 4 分钟（2 核 CPU）。
# >
# > **需要**：第 2 章的 `future` 和 $H_T/T$。
#
# 读完你能：
#
# 1. 用一个区间写出 `final`、`future`、`episode`，说清 `random` 为什么写不成区间，并检验库里抽的和你写的一样；
# 2. 在一条真实的轨迹上指出四种策略各有哪些候选；
# 3. 说出四种策略抽到的目标有多远、有多少是成功、有多少在“背后”；
# 4. 说清 $k$ 换来什么，付出什么；
# 5. 读懂一份“策略 × $k$”的测量，连同它的区间，并把它和论文的图 6 对照；
# 6. 给自己的任务挑一种，并且说得出理由。

# %% tags=["parameters"]
import os

from her_course.figures import use_style

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")
SEED = int(os.environ.get("HER_SEED", 0))

use_style(LANG)

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from her_course.figures import schematic, show

schematic("relabel")


# %% [markdown]
# ## 3.1　四条规则
#
# 一个回合 $T$ 步，第 $i$ 步做完到达 $m(s_{i+1})$。给第 $t$ 步换目标，从哪里挑？怎么挑，就叫目标选择策略（goal selection strategy）。[论文](https://arxiv.org/abs/1707.01495)给了四种（3.3 节和 4.5 节）：
#
# | 策略 | 候选目标 | 有几个 | 会抽到过去吗 | 会抽到别的回合吗 |
# |---|---|---|---|---|
# | `final` | 回合最后到的地方 | $1$ | 不会 | 不会 |
# | `future` | 这一步和以后到的地方 | $T-t$ | 不会 | 不会 |
# | `episode` | 整个回合到过的地方 | $T$ | 会 | 不会 |
# | `random` | 训练至今到过的一切地方 | 缓冲区里有多少就是多少 | 会 | 会 |
#
# 写成公式，替代目标是
#
# $$g'=m(s_{j+1}),\qquad j\sim\begin{cases}T-1&\text{final}\\\mathcal U\{t,\dots,T-1\}&\text{future}\\\mathcal U\{0,\dots,T-1\}&\text{episode}\end{cases}$$
#
# 而 `random` 的 $j$ 根本不必属于这个回合。前三种都是一个区间，代码上就差一对端点：

# %%
def window(strategy, t, length):
    return {"final": (length - 1, length), "future": (t, length), "episode": (0, length)}[strategy]


rows = {
    t: [str(range(*window(name, t, 12))) for name in ("final", "future", "episode")]
    for t in (0, 5, 11)
}
pd.DataFrame(rows, ["final", "future", "episode"]).T.rename_axis("t")

# %% [markdown]
# 左端取得到，右端取不到。看 $t=11$，也就是最后一步：`final` 和 `future` 成了一回事，都只剩自己。
#
# 库里抽的是不是这些区间？让两个 12 步的回合进缓冲区，每种策略抽十万行，记下“第几行换成了第几行到达的目标”：

# %%
from her import HERConfig, HindsightExperienceReplay, sparse_reward
from her.training.evaluation import make_envs, rollout

STRATEGIES = ("final", "future", "episode", "random")


def wander(env_id, n, **kwargs):
    envs = make_envs(env_id, n, **kwargs)
    envs.action_space.seed(1)
    return rollout(lambda observations: envs.action_space.sample(), envs, envs.horizon, seed=0)


# %%
def fill(play, strategy, epsilon, k=4, seed=0):
    sizes = [rows.shape[-1] for rows in (play.states, play.actions, play.goals)]
    config = HERConfig(strategy, k, lambda a, d: sparse_reward(a, d, epsilon))
    buffer = HindsightExperienceReplay(play.rewards.size, *sizes, config, seed=seed)
    for episode in play.episodes():
        buffer.store_episode(episode)
    return buffer


# %%
def count_pairs(strategy):
    batch = fill(wander("her/Reach-v0", 2, horizon=12), strategy, 0.06).sample(125_000)
    new, table = batch.relabelled, np.zeros((24, 24))
    np.add.at(table, (batch.indices[new], batch.goal_indices[new]), 1)
    return table


pairs = {strategy: count_pairs(strategy) for strategy in STRATEGIES}

# %% [markdown]
# 纵向是转移所在的行，横向是目标出自的行；头 12 行是第一个回合，后 12 行是第二个。颜色越深，抽到得越多（1 % 封顶），白的一次也没抽到。四种策略，四种形状，先猜哪个是哪个，再看标题：

# %%
from her_course.figures.goal_strategies import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, (strategy, table) in zip(axes, pairs.items(), strict=True):
    draw_pairs(ax, table, strategy, most=0.01)
show(fig, "goal_strategies.pairs")


# %% [markdown]
# 两条竖线，两个三角，两个方块，一整张。形状对了，份额呢？区间给出每一格*应当*占多少，卡方检验（chi-square test）问：光凭运气，差得这么多的概率 $p$ 有多大？再数数区间之外有几次。末一列是检验的功效（power）：要是每格的份额平均偏了 5 %，它有多大机会看出来？

# %%
def expected_pairs(strategy):
    table = np.zeros((24, 24))
    for row in range(24):
        first, last = 0, 24
        if strategy != "random":
            first, last = np.add(window(strategy, row % 12, 12), row // 12 * 12)
        table[row, first:last] = 1 / (24 * (last - first))
    return table


# %%
from scipy.stats import chi2, chisquare, ncx2


def compare(strategy, excess=0.05):
    share, table = expected_pairs(strategy), pairs[strategy]
    inside, n = share > 0, table.sum()
    p = chisquare(table[inside], share[inside] * n).pvalue
    degrees = inside.sum() - 1
    power = 1 - ncx2.cdf(chi2.ppf(0.95, degrees), degrees, n * excess**2)
    return p, table[~inside].sum(), power


pd.DataFrame(map(compare, STRATEGIES), STRATEGIES, ["p", "draws outside", "power"]).round(2)

# %% [markdown]
# 没有一个 $p$ 小到可疑（0.05 以下），区间之外一次也没有，而 5 % 的偏差它几乎一定看得出来：库里抽的就是那四条规则。`random` 连另一个回合的目标也抽，格子却和别人一样匀。

# %% [markdown]
# ## 3.2　一条轨迹，四种眼光
#
# 换到真实的轨迹上看。还是绕墙（Reach），乱走的一百个回合里折腾得最远的那一个，50 步。缓冲区里另有七个回合，给 `random` 用。站在第 15 步，四种策略各能挑哪些地方？

# %%
play = wander("her/Reach-v0", 100)
everyone = sorted(play.episodes(), key=lambda one: np.ptp(one.achieved_goals, axis=0).sum())
walk = everyone[-1]
t, T = 15, 50
candidates = {name: walk.achieved_goals[slice(*window(name, t, T))] for name in STRATEGIES[:3]}
candidates["random"] = np.concatenate([one.achieved_goals for one in everyone[-8:]])

# %% [markdown]
# 黑色的粗线是第 15 步，空心点是候选，实心的是抽中的四个，绿圈是本来的目标。先找哪一幅的候选落在黑线*身后*（它走过来的那一段），再看哪一幅的候选大多不在这条路上：

# %%
from her_course.figures.goal_strategies import draw_candidates

rng = np.random.default_rng(0)
fig, axes = plt.subplots(2, 2, figsize=(8, 8.2))
for ax, (strategy, goals) in zip(axes.flat, candidates.items(), strict=True):
    draw_candidates(ax, walk, t, strategy, goals, rng.choice(goals, 4))
show(fig, "goal_strategies.panels")

# %% [markdown]
# `final` 只有一个去处，问四次答四遍。`future` 的候选都在前头：从这里出发，*确实*走得到。`episode` 多出来的十五个全在身后：要去那里，得往回走，而这条轨迹后来几乎没再回去。`random` 的候选散满左半场：这条路也在其中，可是八分之七来自别的回合，和这一步多半没有关系。
#
# 记住“前头”“身后”“没关系”这三个词，后面要数它们。

# %% [markdown]
# ## 3.3　抽到的是些什么
#
# 图只有一条轨迹，数字要几百条。三个任务，各乱走三百个回合：

# %%
from functools import cache

TASKS = {
    "BitFlip": ("her/BitFlip-v0", {"n_bits": 15}, 1.0),
    "Reach": ("her/Reach-v0", {}, 0.06),
    "Push": ("her/Push-v0", {}, 0.08),
}
plays = {name: wander(env_id, 300, **kwargs) for name, (env_id, kwargs, _) in TASKS.items()}


@cache
def relabelled(name, strategy):
    batch = fill(plays[name], strategy, TASKS[name][2]).sample(50_000)
    fields = (batch.indices, batch.goal_indices, batch.goals, batch.achieved_goals, batch.rewards)
    return [field[batch.relabelled] for field in fields]


# %% [markdown]
# **晚几步。** 目标是在转移之后第几步到的，即 $j-t$？看每条线在 0 左边有没有东西：

# %%
from her_course.figures.goal_strategies import draw_offsets

offsets = {}
for strategy in STRATEGIES[:3]:
    rows, goal_rows, *_ = relabelled("Reach", strategy)
    offsets[strategy] = goal_rows - rows
fig, ax = plt.subplots(figsize=(6.4, 3.2))
draw_offsets(ax, offsets, 50)
show(fig, "goal_strategies.offsets")

# %% [markdown]
# `future` 偏爱眼前：0 步最多，越晚越少。`final` 从 0 到 49 一样多。`episode` 左右对称，左边那一半全是过去。
#
# **多远。** 换成距离：替代目标离*眼下*（这一步做完到的地方）多远？曲线越早升到顶，目标越近。左边是绕墙，右边是推冰球；先看右边，有点怪：

# %%
from her_course.figures.goal_strategies import draw_distances

fig, axes = plt.subplots(1, 2, figsize=(9, 3.7), sharey=True)
for ax, name, furthest in zip(axes, ("Reach", "Push"), (1.5, 0.8), strict=True):
    distances = {}
    for strategy in STRATEGIES:
        _, _, goals, achieved, _ = relabelled(name, strategy)
        distances[strategy] = np.linalg.norm(goals - achieved, axis=-1)
    draw_distances(ax, distances, TASKS[name][2], furthest, name)
axes[0].legend(loc="lower right")
show(fig, "goal_strategies.distances")

# %% [markdown]
# 绕墙里，`future` 的目标最近，`random` 最远，一点不意外。推冰球里，前三条线一上来就到八九成：冰球没人碰，它到过的地方就是它现在的地方，距离是 0。只有 `random` 给得出*别处*的目标，因为别的回合里冰球摆在别处。
#
# **有多少成功。** 到过的地方处处不同的话，第 2 章的推法照搬：`final` 只有最后一步算，$1/T$；`future` 是 $H_T/T$；`episode` 从 $T$ 个里抽中自己，$1/T$；`random` 从全部 $N\cdot T$ 个里抽中自己，几乎是 0。真实任务里数出来的在右边：

# %%
harmonic = (1 / np.arange(1, 51)).sum() / 50
counted = pd.DataFrame({"T = 50": [1 / 50, harmonic, 1 / 50, 1 / (300 * 50)]}, STRATEGIES)
for name in TASKS:
    counted[name] = [(relabelled(name, strategy)[-1] == 0).mean() for strategy in STRATEGIES]
counted.round(4)


# %% [markdown]
# 翻比特的 $T$ 是 15，所以那一列该和 $1/15\approx0.067$、$H_{15}/15\approx0.221$ 比，差得不多。绕墙是公式的两到四倍：走得慢，前后几步都离得不到 6 厘米。推冰球那一列的九成，第 2 章说过，是不值钱的成功。
#
# ### 一条转移教了什么
#
# 光数成功不够。同是 −1，“再走几步就到”和“早就走过了”是两回事；同是 0，“这一步走到的”和“本来就在那儿”也是两回事。把每条重标注的转移归进五类，看它的新目标：
#
# - **本来就在**：动作之前就算到了，之后也还在；
# - **这一步到**：动作之前没到，之后到了；
# - **在前面**：现在没到，这个回合*以后*到了；
# - **在背后**：以后没再到，只有*以前*到过；
# - **这回合没到过**。

# %%
def kinds(name, strategy):
    rows, _, goals, _, _ = relabelled(name, strategy)
    play, epsilon = plays[name], TASKS[name][2]
    start = play.states[0][:, slice(2, 4) if name == "Push" else slice(None)]
    path = np.moveaxis(np.concatenate([start[None], play.achieved_goals]), 0, 1)
    episode, t = divmod(rows, len(play.rewards))
    near = np.linalg.norm(path[episode] - goals[:, None], axis=-1) < epsilon
    return sort_kinds(near, t)


# %% [markdown]
# `near[i, n]` 说的是：第 `i` 条转移所在的回合，走完 `n` 步时算不算到了它的新目标。剩下的就是分类：

# %%
KINDS = ("there", "arrives", "ahead", "behind", "elsewhere")


def sort_kinds(near, t):
    row, moment = np.arange(len(t)), np.arange(near.shape[1])
    before, now = near[row, t], near[row, t + 1]
    later = (near & (moment > t[:, None] + 1)).any(axis=1)
    earlier = (near & (moment <= t[:, None])).any(axis=1)
    kind = np.select([now & before, now, later, earlier], KINDS[:4], KINDS[4])
    return {name: (kind == name).mean() for name in KINDS}


# %% [markdown]
# 每根横条是一种策略，一段是一类。先看红色（在背后）在谁身上；再看右边那幅，除去灰色（本来就在），还剩下些什么：

# %%
from her_course.figures.goal_strategies import draw_kinds

shares = {name: {strategy: kinds(name, strategy) for strategy in STRATEGIES} for name in TASKS}
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), sharey=True)
for ax, (name, by_strategy) in zip(axes, shares.items(), strict=True):
    draw_kinds(ax, by_strategy, name)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
show(fig, "goal_strategies.kinds")

# %% [markdown]
# 翻比特和绕墙：`final`、`future` 除了成功，剩下的全在前面；`episode` 有一小半在背后；`random` 九成上下是这个回合没到过的地方：去得了去不了，这个回合没说，它只说了一个 −1。
#
# 推冰球：除 `random` 外，九成是“本来就在”。真正有用的是窄窄的那条蓝色，“冰球在这儿，以后被推到了那儿”。列成表比一比：

# %%
pd.DataFrame(shares["Push"]).T[list(KINDS)].map("{:.1%}".format)

# %% [markdown]
# “在前面”（ahead），`final` 最多，`future` 次之，`episode` 再次；而 `episode` 的“在背后”（behind）和“在前面”差不多一样多：每有一条转移说“这样推，冰球*去得了*那里”，就有一条说“这样推，冰球*离开了*那里”。3.7 节还要用到它。

# %% [markdown]
# ## 3.4　k 是什么价钱
#
# $k$ 是每条真实转移配几个替代目标。[论文](https://arxiv.org/abs/1707.01495)真的存 $k$ 份拷贝；抽样时重标注的库里，它只决定批次的配比：$k/(k+1)$ 换目标，$1/(k+1)$ 留着真目标。更新的次数、内存，都和 $k$ 无关。绕墙，`future`，一行一个 $k$：留着真目标的，换了目标的，成功的：

# %%
rows = {}
for k in (1, 2, 4, 8, 16):
    batch = fill(plays["Reach"], "future", 0.06, k).sample(50_000)
    new = batch.relabelled.mean()
    rows[k] = 1 - new, new, (batch.rewards == 0).mean()
heads = ["real goal", "new goal", "successes"]
pd.DataFrame(rows, heads).T.rename_axis("k").map("{:.1%}".format)

# %% [markdown]
# 从 1 到 16，成功差不多翻了一番，真目标却从一半降到 6 %（每十七行一行）。第 2 章见过真目标的用处：评估问的就是那样的目标，远处的价值也靠它们传过去。$k$ 太小，0 太少；$k$ 太大，真目标太少，论文 4.5 节就是这样解释 $k>8$ 变差的。中间有一大片都行，行到哪里，要量。

# %% [markdown]
# ## 3.5　现场量一次
#
# 15 位翻比特，四种策略各三个种子（seed），$k=4$；`future` 再添上 $k=1$ 和 $k=16$。每次 16 轮、15,360 步，别的设置全部相同。成功按论文的规矩，*任意一步*翻对就算。约半分钟。

# %%
from functools import partial

from her.training import Trainer, settings_for, use_one_thread
from her_course.figures.progress import on_all_cores

use_one_thread()
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
ROUNDS = 16 if PROFILE == "full" else 2


def success_on_the_way(strategy, k, seed):
    how = {"strategy": strategy, "k": k, "seed": seed, "evaluate_every": 1}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": 15}, **how))
    done = [trainer.round() for _ in range(ROUNDS)]
    return np.array([(one.env_steps, one.success_rate) for one in done])


# %% tags=["nbval-ignore-output"]
cells = [(strategy, 4) for strategy in STRATEGIES]
cells += [("future", 1), ("future", 16)] if PROFILE == "full" else []
jobs = [partial(success_on_the_way, *cell, seed) for cell in cells for seed in SEEDS]
learned = iter(on_all_cores(jobs))
live = {cell: np.array([next(learned) for _ in SEEDS]) for cell in cells}
steps = live["future", 4][0, :, 0]

# %% [markdown]
# 怎么用一个数概括一条曲线？只看终点不行：学得会的，最后都是 1。所以取*一路上的平均成功率*：学得越早，越高。三个种子一个一个列出来，再给平均和 Student t 的 95 % 区间：

# %% tags=["nbval-ignore-output"]
from her.sweeps.statistics import student

seeds = [f"seed {seed}" for seed in SEEDS]
scores = {cell: of_seeds[..., 1].mean(axis=1) for cell, of_seeds in live.items()}
rows = {cell: (*score, *student(score, within=(0, 1))) for cell, score in scores.items()}
table = pd.DataFrame(rows, [*seeds, "mean", "low", "high"]).T.rename_axis(["strategy", "k"])
if PROFILE == "full":
    assert scores["future", 4].min() > max(scores["final", 4].max(), scores["episode", 4].max())
    assert scores["random", 4].max() < 0.05
table.round(3)

# %% [markdown]
# 左图是 $k=4$ 的学习曲线，细线是种子，看谁先起飞；右图是一路平均对 $k$，看 `future` 那条线是平还是斜，再看别的策略离它多远：

# %%
from her_course.figures.goal_strategies import draw_by_k, draw_strategy_curves

fig, axes = plt.subplots(1, 2, figsize=(9, 3.7))
curves = {strategy: (steps, live[strategy, 4][..., 1]) for strategy in STRATEGIES}
draw_strategy_curves(axes[0], curves, "bits_15", "any")
draw_by_k(axes[1], scores, "bits_15", "any")
axes[0].legend()
show(fig, "goal_strategies.live")

# %% [markdown]
# `future` 最先起飞，三种 $k$ 相差无几；`final` 和 `episode` 晚一些，`random` 停在 0。三个种子都是这个次序：`future` 里最低的，也比另外几种里最高的高。

# %% [markdown]
# `random` 为什么一点都学不会？看 3.3 节那根横条：几乎全是“这回合没到过”。15 位有 32,768 种图案，从别的回合里抽一个，跟眼前差着七八位。那个图案当然翻得到，但这个回合没有翻到：奖励是 −1，下一步还是 −1，没有一个 0 接在后面。它和不换目标的普通回放几乎没有区别。

# %% [markdown]
# ## 3.6　量够了再说话
#
# 三个种子、一个任务，撑不起一条建议。下面是随课程附带的长跑：20 位翻比特和推冰球，四种策略、五种 $k$，每格五个种子。同一任务里步数和更新次数完全相同。设置、种子、版本、花了多少 CPU 时间，都在 `results/strategies/how.json`，重做一遍的命令是：

# %%
import json

from her.plots.curves import read_curves
from her_course.places import find_chapters

folder = find_chapters().parent / "results" / "strategies"
how = json.loads((folder / "how.json").read_text())
print(how["command"], f"  {len(how['configs'])} runs, {how['cpu_seconds'] / 60:.0f} CPU minutes")

# %%
shipped = read_curves(folder / "curves.csv")
LONG = {"bit_flip_20": "any", "push": "end"}
rows = {}
for task in LONG:
    steps, success = shipped[task, "future_4"]
    rows[task] = len(success), int(steps[-1]), sum(of == task for of, _ in shipped)
pd.DataFrame(rows, ["seeds", "steps", "variants"]).T

# %% [markdown]
# 先看 $k=4$ 的曲线。带子是五个种子的 95 % 区间（Student t）。左边翻比特看*任意一步*，右边推冰球看*最后一步*。右边那幅，请看 `episode`：

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.7))
for ax, (task, at) in zip(axes, LONG.items(), strict=True):
    curves = {strategy: shipped[task, f"{strategy}_4"] for strategy in STRATEGIES}
    draw_strategy_curves(ax, curves, task, at)
axes[0].legend()
show(fig, "goal_strategies.curves")

# %% [markdown]
# 再看量过的每一格：

# %%
ALL_KS = (1, 2, 4, 8, 16)
CELLS = [(strategy, k) for strategy in STRATEGIES for k in ALL_KS]
long_scores = {
    task: {(s, k): shipped[task, f"{s}_{k}"][1].mean(axis=1) for s, k in CELLS} for task in LONG
}
found = {
    (task, s, k): student(score, within=(0, 1))
    for task, scores in long_scores.items()
    for (s, k), score in scores.items()
}
intervals = pd.Series({cell: str(estimate) for cell, estimate in found.items()})
intervals.unstack().rename_axis(["task", "strategy"]).rename_axis("k", axis=1)

# %% [markdown]
# 每格是一路平均的成功率和 95 % 区间（五个种子，Student t）。画出来，小点是种子：

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8))
for ax, (task, at) in zip(axes, LONG.items(), strict=True):
    draw_by_k(ax, long_scores[task], task, at)
axes[1].legend()
show(fig, "goal_strategies.shipped")

# %% [markdown]
# 训练结束以后，每个种子 200 个新回合，五个种子的平均又是多少？

# %%
runs = pd.read_csv(folder / "runs.csv")
runs[["strategy", "k"]] = runs["variant"].str.split("_", expand=True)
runs["k"] = runs["k"].astype(int)
runs.pivot_table("success_rate", ["task", "strategy"], "k").round(2)


# %% [markdown]
# 这两张表说了什么？最要紧的两句，用区间之间的空隙来说：在所有的 $k$ 里，一方的下限减去另一方的上限，最小是多少？大于 0 就是处处分开。

# %%
def gap(task, upper, lower):
    """The least distance between intervals over all k: above 0, they are apart."""
    cells = [(a, b, k) for a in upper for b in lower for k in ALL_KS]
    return min(found[task, a, k].low - found[task, b, k].high for a, b, k in cells)


gaps = {
    "bits: future over the others": gap("bit_flip_20", ["future"], ["final", "episode", "random"]),
    "Push: final, future over the others": gap("push", ["final", "future"], ["episode", "random"]),
}
pd.Series(gaps, name="least gap").to_frame().round(2)

# %% [markdown]
# 于是：
#
# - **`future` 两处都在前列**，翻比特上不论 $k$ 都最高。
# - **`final` 看任务。** 推冰球上它和 `future` 差不多，五个 $k$ 的区间都重叠；翻比特上慢得多。翻比特的一个回合路过 20 个图案，`final` 只用最后一个，其余的白走了；推冰球的一个回合里冰球停了就是停了，最后的位置几乎说明了一切。
# - **`episode` 也看任务。** 翻比特上和 `final` 互有高低，$k=1$ 时低，$k=16$ 时高；推冰球上几乎没学会。
# - **`random` 两处都是 0。**
# - **$k$ 的影响比策略小。** 从 $k=1$ 到 16，一种策略最高和最低差多少？和换一种策略比呢？（末一列是 $k=4$ 时三种策略之间的最大差别。）

# %%
rows = {}
for task, scores in long_scores.items():
    means = {cell: score.mean() for cell, score in scores.items()}
    by_k = {s: np.ptp([means[s, k] for k in ALL_KS]) for s in STRATEGIES[:3]}
    rows[task] = by_k | {"another strategy": np.ptp([means[s, 4] for s in STRATEGIES[:3]])}
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# ## 3.7　为什么不碰冰球
#
# `final` 和 `future` 把冰球推进去了，`episode` 却没有，为什么？分数不会说话，去看它*做了什么*。四种策略各练五个种子，80 轮，设置同 1.5 节（更新次数少些，步子大些）；每 20 轮停一停，数 200 个回合里有多少碰过冰球。每个核练一个，约三分钟。

# %%
LOOKS = (20, 40, 60, 80) if PROFILE == "full" else (1,)
FASTER = {"updates_per_round": 30, "agent_settings": {"learning_rate": 0.004, "tau": 0.06}}


def practise_push(strategy, seed):
    config = settings_for("her/Push-v0", strategy=strategy, seed=seed, **FASTER)
    trainer, moved = Trainer(config), []
    for i in range(1, LOOKS[-1] + 1):
        trainer.round()
        if i in LOOKS:
            test = rollout(trainer.agent.act, make_envs("her/Push-v0", 200), 50, seed=1_000)
            moved.append(np.ptp(test.achieved_goals, axis=0).any(axis=-1).mean())
    return trainer.agent, moved, test.success[-1].mean()


# %% tags=["nbval-ignore-output"]
FIVE = range(SEED, SEED + (5 if PROFILE == "full" else 1))
jobs = [partial(practise_push, strategy, seed) for strategy in STRATEGIES for seed in FIVE]
practised = iter(on_all_cores(jobs))
pushers = {strategy: [next(practised) for _ in FIVE] for strategy in STRATEGIES}
wandering = wander("her/Push-v0", 2_000)
by_chance = np.ptp(wandering.achieved_goals, axis=0).any(axis=-1).mean()

# %% [markdown]
# 纵轴是碰过冰球的回合，不是成功率。细线是种子，粗线是平均，水平的点线是乱走的智能体。哪些线越过了点线？

# %%
from her_course.figures.goal_strategies import draw_moved

moved = {name: np.array([one for _, one, _ in group]) for name, group in pushers.items()}
fig, ax = plt.subplots(figsize=(7, 3.6))
draw_moved(ax, LOOKS, moved, by_chance)
show(fig, "goal_strategies.moved")

# %% tags=["nbval-ignore-output"]
rows = {}
for strategy, touched in moved.items():
    success = [rate for *_, rate in pushers[strategy]]
    rows[strategy] = *touched[:, -1], *student(touched[:, -1], within=(0, 1)), np.mean(success)
heads = [f"seed {seed}" for seed in FIVE] + ["touched", "low", "high", "success"]
if PROFILE == "full":
    active = np.array([moved["final"][:, -1], moved["future"][:, -1]])
    passive = np.array([moved["episode"][:, -1], moved["random"][:, -1]])
    assert active.min() > passive.max()
print(f"wandering: {by_chance:.0%}")
pd.DataFrame(rows, heads).T.round(2)

# %% [markdown]
# `final` 和 `future` 的每个种子都比 `episode` 和 `random` 碰得多，差得很远：前两种几乎回回都碰。`random` 的每个种子、`episode` 五个里的三个，连乱走的（40 %）都不如，`episode` 的另外两个只比乱走多一点。它们不是推不准，多半是*不推*。评论家（critic）怎么看，直接问它。摆一千个最好推的局面：智能体紧贴着冰球，冰球再往前 40 厘米正是目标，一条直线。问两个动作各值多少：照直推，和站着不动。

# %%
rng = np.random.default_rng(0)
angle = rng.uniform(-np.pi, np.pi, 1_000)
ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
puck = rng.uniform(-0.3, 0.3, (1_000, 2))
agent_at = puck - 0.151 * ahead
parts = [agent_at, puck, 0 * puck, puck - agent_at, puck + 0.4 * ahead]
observations = np.hstack(parts).astype(np.float32)

# %% tags=["nbval-ignore-output"]
rows = {}
for strategy, group in pushers.items():
    for seed, (agent, *_) in zip(FIVE, group, strict=True):
        gain = agent.q_values(observations, ahead) - agent.q_values(observations, 0 * ahead)
        speed = (agent.act(observations) * ahead).sum(axis=1).mean()
        rows[strategy, seed] = gain.mean(), (gain > 0).mean(), speed
heads = ["Q(push) − Q(stay)", "push looks better", "speed to the goal"]
asked = pd.DataFrame(rows, heads).T.rename_axis(["strategy", "seed"])
asked.groupby(level=0, sort=False).agg(["mean", "min", "max"]).round(2)

# %% [markdown]
# 三组列是：推比不推值多少，认为推更好的局面占多少，它真正选的动作朝目标走多快（−1 到 1）；每组是五个种子的平均、最小、最大。`future` 平均在九成局面里说推，`final` 八成（最低的种子不到六成），两种都真的推。`random` 的评论家看不出差别。`episode` 的平均起来也看不出，可是种子之间差得很远；它真正选的动作，五个种子都朝*远离*目标的方向走。
#
# 一个可能的解释是 3.3 节数过的“在背后”。`episode` 的数据里，每有一条“推了，冰球去到了前面的目标”，就有一条“推了，冰球离开了背后的目标”。两种都是真话，可是冰球推得出去，拉不回来：背后的目标在这些数据里很少有人回去，价值只能往下掉，连带压低了“推”。再加上九成“本来就在”的转移，不去碰它就是 0。翻比特不怕这个：再翻一次就回来了。
#
# 这个解释和横条图、评论家的回答、碰冰球的比例都对得上，但它没有被单独检验；要检验，得只改“背后”的份额，别的不动。这个实验留给你。
#
# 让四位同台（第一个种子）。同样的起点，同样的目标：

# %%
from her_course.figures import animate, named_panels

state = [-0.35, -0.3, -0.1, -0.05, 0.0, 0.0]


def film(agent, goal=(0.3, 0.25)):
    envs = make_envs("her/Push-v0", 1, render_mode="rgb_array")
    seen, _ = envs.reset(seed=0, options={"state": state, "goal": list(goal)})
    pictures = [envs.render()[0]]
    for _ in range(30 if PROFILE == "full" else 6):
        seen, *_ = envs.step(agent.act(np.hstack([seen["observation"], seen["desired_goal"]])))
        pictures.append(envs.render()[0])
    return pictures


# %%
films = {strategy: film(group[0][0]) for strategy, group in pushers.items()}
animate(named_panels(films), "goal_strategies.film", fps=8)

# %% [markdown]
# ## 3.8　和论文对一对
#
# 论文 4.5 节的图 6 做的是同一件事：推、滑、抓放三个机械臂任务，四种策略，$k$ 取 1、2、4、8、16 和“全部”。它没有数字表，只有曲线。能从文字里确认的，和我们量到的并排：
#
# | 论文（4.5 节、图 6） | 本章量到的 |
# |---|---|
# | `future` 最好，滑块任务只有它接近解决 | 翻比特上是；推冰球上它和 `final` 不相上下 |
# | 除了 `random`，都解决了推和抓放 | `random` 确实不行；`episode` 推冰球，在我们的预算里没学会 |
# | $k=4$ 或 $8$ 最好，超过 $8$ 变差，因为真实的回放所占太少 | `future` 随 $k$ 变得很少，两个任务的走向还不一样；都远不及 `future` 和 `episode` 之间的差别 |
#
# 第二行对不上，要不要紧？任务不同，网络也不同：论文是三层、每层 64 个单元（附录 A），我们是两层。预算更不同：论文一次训练是 200 轮（epoch）× 50 个周期 × 16 个回合（附录 A），我们只有五千来个回合。`episode` 也许只是要得更久，我们没有量过，不替它下结论。能说的是：**换一个任务，名次就可能大变：`episode` 从并列第二落到和 `random` 一起垫底；`future` 两处都在前列，但不是处处第一。**
#
# 第三行也要小心读。论文的 $k$ 是存几份拷贝；我们的 $k$ 是批次的配比，更新次数不随它变。$k=16$ 时真目标只剩十七分之一，论文对“超过 8 变差”的解释正是这个；推冰球的 `future` 却没有变差。
#
# ## 3.9　怎么挑
#
# 1. **先用 `future`，$k=4$。** 两个任务都在前列，论文里它最好。别的选择要拿得出理由。
# 2. **目标都落在回合末尾、走得到就停得住的任务，`final` 也好用，** 候选只有一个，最省事。回合长、路上到过许多地方的任务，它把路上的都浪费了。
# 3. **`episode` 没有在我们的任一任务上胜过 `future`。** 推冰球上它在我们的预算里没学会；推出去就拉不回来，也许是原因，但这只是一个玩具任务。
# 4. **`random` 只当对照。** 眼下与目标毫无关系时，−1 就只是 −1。它还有一个坏处：缓冲区越大，越不相干。
# 5. **先取 $k=4$，不用细调，** 先避开学不会的策略。学得会的几种之间，推冰球上 $k$ 带来的差别（0.10）比 `final` 换成 `future`（0.03）还大，只是区间重叠，分不出名次。
# 6. **换了任务就重看一眼横条图。** 几百个乱走的回合、一分钟不到，就能看出“在前面”有多少，“在背后”有多少，“本来就在”有多少。训练之前就知道该担心什么。

# %% [markdown]
# ## 3.10　回头看
#
# 1. **三个区间加一个缓冲区。** `final` 一个点，`future` 从 $t$ 到末尾，`episode` 整段，`random` 不问哪个回合；库里抽的和区间一格不差（3.1、3.2）。
# 2. **抽到的不一样。** 处处不同的话，成功的份额是 $1/T$、$H_T/T$、$1/T$、几乎 0；`episode` 有一小半在背后，`random` 九成是这回合没到过的（3.3）。
# 3. **$k$ 是配比。** $k/(k+1)$ 换目标，剩下的留着真目标；更新次数不变（3.4）。
# 4. **量出来的。** 翻比特上 `future` 最高；推冰球上 `final` 和它不相上下，`episode`、`random` 几乎为 0；对 `future` 来说，$k$ 的影响小得多（3.5、3.6）。
# 5. **看它做什么。** `episode` 的评论家平均看不出推的好处，种子之间差得很远；碰到冰球的回合平均不到三成，乱走是四成（3.7）。
# 6. **论文的图 6**：大方向对得上（`future` 在前，`random` 垫底），细节不全对（3.8）。
#
# ### 三个常见的误会
#
# - **“`random` 就是在本回合里随便抽。”** 那是 `episode`。`random` 从训练至今到过的一切地方抽。
# - **“`future` 不该抽到这一步自己。”** 该。那正是唯一有保证的 0；少了它，$H_T/T$ 变成 0，只剩下碰巧。
# - **“目标越多样越好。”** `random` 最多样，一无所成。数据里要*看得见怎么去*：从这一步走到过的目标，才教得会这一步。
#
# ### 动手
#
# 打开 [`exercises/zh/ch3.ipynb`](../../exercises/zh/ch3.ipynb)：`future_indices`、`candidate_goals`、`substitute_goals`、`discounted_future_indices`，还有找错题 `mended_future_rows`；末尾的开放任务是“四种策略赛跑”。第一个最容易在两头多算或少算一个：检查会数两头的份额。
#
# 想多走一步：给 3.7 的 `episode` 一个机会。把它的训练加长三倍，或者自己写一个只抽“背后”目标的策略掺进 `future`，掺多少冰球就没人碰了？先写下你的猜测。
#
# ### 下一章的问题
#
# 这一章的十万行、十万行，都是库里一眨眼抽出来的。照着区间写循环，一行一行抽，一次训练要抽上百万行。**怎样写得快，又能*查明*快的和慢的是一回事？** 见[第 4 章](04_implementation.ipynb)。
