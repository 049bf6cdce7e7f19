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
# > **这一章你会看到**：四种挑替代目标的办法，代码上只差一行。拿它们去翻比特，三种都学得会，只是快慢不同。拿它们去推冰球，其中一种练了五千多个回合，学会的却是*离冰球远一点*。选错一行，智能体不会报错，它会学成另一个样子。
# >
# > **时间**：阅读 35 分钟，运行约 2 分钟（2 核 CPU）。
# >
# > **需要**：第 2 章的 `future` 和 $H_T/T$。
#
# 读完你能：
#
# 1. 用一个区间写出 `final`、`future`、`episode`，说清 `random` 为什么写不成区间，并证明库里抽的和你写的一样；
# 2. 在一条真实的轨迹上指出四种策略各有哪些候选；
# 3. 说出四种策略抽到的目标有多远、有多少是成功、有多少在“背后”；
# 4. 说清 $k$ 换来什么，付出什么；
# 5. 读懂一份“策略 × $k$”的测量，连同它的区间，并把它和论文的图 6 对照；
# 6. 给自己的任务挑一种，并且说得出理由。

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")
SEED = int(os.environ.get("HER_SEED", 0))

# %%
import matplotlib.pyplot as plt
import numpy as np

from her_course.figures import show, text, use_style

use_style(LANG)


# %% [markdown]
# ## 3.1　四句话
#
# 一个回合 $T$ 步，第 $i$ 步做完到达 $m(s_{i+1})$。给第 $t$ 步换目标，从哪里挑？怎么挑，就叫目标选择策略（goal selection strategy）。论文给了四种（Andrychowicz 等，2017，3.3 节和 4.5 节）：
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


for t in (0, 5, 11):
    print(t, {strategy: range(*window(strategy, t, 12)) for strategy in ("final", "future", "episode")})

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
    sizes = play.states.shape[-1], play.actions.shape[-1], play.goals.shape[-1]
    config = HERConfig(strategy, k, lambda achieved, desired: sparse_reward(achieved, desired, epsilon))
    buffer = HindsightExperienceReplay(play.rewards.size, *sizes, config, seed=seed)
    for episode in play.episodes():
        buffer.store_episode(episode)
    return buffer


# %%
def count_pairs(strategy):
    batch = fill(wander("her/Reach-v0", 2, horizon=12), strategy, 0.06).sample(125_000)
    table = np.zeros((24, 24))
    np.add.at(table, (batch.indices[batch.relabelled], batch.goal_indices[batch.relabelled]), 1)
    return table


pairs = {strategy: count_pairs(strategy) for strategy in STRATEGIES}

# %% [markdown]
# 纵向是转移所在的行，横向是目标出自的行；头 12 行是第一个回合，后 12 行是第二个。颜色越深，抽到得越多（1 % 封顶），白的一次也没抽到。四种策略，四种形状，先猜哪个是哪个，再看标题：

# %%
from her_course.figures.goal_strategies import alt
from her_course.figures.implementation import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, (strategy, table) in zip(axes, pairs.items(), strict=True):
    draw_pairs(ax, table, strategy, LANG, most=0.01)
show(fig, alt=alt("pairs", LANG))


# %% [markdown]
# 两条竖线，两个三角，两个方块，一整张。形状对了，份额呢？区间给出每一格*应当*占多少，卡方检验（chi-square test）问：光凭运气，差得这么多的概率 $p$ 有多大？再数数区间之外有几次：

# %%
def expected_pairs(strategy):
    table = np.zeros((24, 24))
    for row in range(24):
        first, last = (0, 24) if strategy == "random" else np.add(window(strategy, row % 12, 12), row // 12 * 12)
        table[row, first:last] = 1 / (24 * (last - first))
    return table


# %%
from scipy.stats import chisquare

for strategy, table in pairs.items():
    share = expected_pairs(strategy)
    inside = share > 0
    print(f"{strategy:8} p = {chisquare(table[inside], share[inside] * table.sum()).pvalue:.2f}   {table[~inside].sum():.0f}")

# %% [markdown]
# 没有一个 $p$ 小到可疑（0.05 以下），区间之外一次也没有：库里抽的就是那四句话。`random` 连另一个回合的目标也抽，格子却和别人一样匀。

# %% [markdown]
# ## 3.2　一条轨迹，四种眼光
#
# 换到真实的轨迹上看。还是绕墙（Reach），乱走的一百个回合里折腾得最远的那一个，50 步。缓冲区里另有七个回合，给 `random` 用。站在第 15 步，四种策略各能挑哪些地方？

# %%
play = wander("her/Reach-v0", 100)
everyone = sorted(play.episodes(), key=lambda episode: np.ptp(episode.achieved_goals, axis=0).sum())
walk, history = everyone[-1], np.concatenate([episode.achieved_goals for episode in everyone[-8:]])
t, T = 15, 50
candidates = {strategy: walk.achieved_goals[slice(*window(strategy, t, T))] for strategy in STRATEGIES[:3]} | {"random": history}

# %% [markdown]
# 黑色的粗线是第 15 步，空心点是候选，实心的是抽中的四个，绿圈是本来的目标。先找哪一幅的候选落在黑线*身后*（它走过来的那一段），再看哪一幅的候选根本不在这条路上：

# %%
from her_course.figures.goal_strategies import draw_candidates

rng = np.random.default_rng(0)
fig, axes = plt.subplots(2, 2, figsize=(8, 8.2))
for ax, (strategy, goals) in zip(axes.flat, candidates.items(), strict=True):
    draw_candidates(ax, walk, t, strategy, goals, rng.choice(goals, 4), LANG)
show(fig, alt=alt("panels", LANG))

# %% [markdown]
# `final` 只有一个去处，问四次答四遍。`future` 的候选都在前头：从这里出发，*确实*走得到。`episode` 多出来的十五个全在身后：要去那里，得往回走，而这条轨迹后来几乎没再回去。`random` 的候选散满左半场，这一步和它们多半没有关系。
#
# 记住“前头”“身后”“没关系”这三个词，后面要数它们。

# %% [markdown]
# ## 3.3　抽到的是些什么
#
# 图只有一条轨迹，数字要几百条。三个任务，各乱走三百个回合：

# %%
TASKS = {"BitFlip": ("her/BitFlip-v0", {"n_bits": 15}, 1.0), "Reach": ("her/Reach-v0", {}, 0.06), "Push": ("her/Push-v0", {}, 0.08)}
plays = {name: wander(env_id, 300, **kwargs) for name, (env_id, kwargs, _) in TASKS.items()}


def relabelled(name, strategy):
    batch = fill(plays[name], strategy, TASKS[name][2]).sample(50_000)
    fields = batch.indices, batch.goal_indices, batch.goals, batch.achieved_goals, batch.rewards
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
draw_offsets(ax, offsets, 50, LANG)
show(fig, alt=alt("offsets", LANG))

# %% [markdown]
# `future` 偏爱眼前：0 步最多，越晚越少。`final` 从 0 到 49 一样多。`episode` 左右对称，左边那一半全是过去。
#
# **多远。** 换成距离：替代目标离*眼下*（这一步做完到的地方）多远？曲线越早升到顶，目标越近。左边是绕墙，右边是推冰球；先看右边，有点怪：

# %%
from her_course.figures.goal_strategies import draw_distances

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
for ax, name, furthest in zip(axes, ("Reach", "Push"), (1.5, 0.8), strict=True):
    distances = {}
    for strategy in STRATEGIES:
        _, _, goals, achieved, _ = relabelled(name, strategy)
        distances[strategy] = np.linalg.norm(goals - achieved, axis=-1)
    draw_distances(ax, distances, TASKS[name][2], furthest, name, LANG)
axes[0].legend(loc="lower right")
show(fig, alt=alt("distances", LANG))

# %% [markdown]
# 绕墙里，`future` 的目标最近，`random` 最远，一点不意外。推冰球里，前三条线一上来就蹿到八九成：冰球没人碰，它到过的地方就是它现在的地方，距离是 0。只有 `random` 给得出*别处*的目标，因为别的回合里冰球摆在别处。
#
# **有多少成功。** 到过的地方处处不同的话，第 2 章的推法照搬：`final` 只有最后一步算，$1/T$；`future` 是 $H_T/T$；`episode` 从 $T$ 个里抽中自己，$1/T$；`random` 从全部 $N\cdot T$ 个里抽中自己，几乎是 0。真实任务里数出来的在右边：

# %%
harmonic = (1 / np.arange(1, 51)).sum() / 50
print(f"{'':8} T = 50   {'   '.join(f'{name:7}' for name in TASKS)}")
for strategy, exact in zip(STRATEGIES, (1 / 50, harmonic, 1 / 50, 1 / (300 * 50)), strict=True):
    counted = [(relabelled(name, strategy)[-1] == 0).mean() for name in TASKS]
    print(f"{strategy:8} {exact:.4f}   {'   '.join(f'{share:7.3f}' for share in counted)}")


# %% [markdown]
# 翻比特的 $T$ 是 15，所以那一列该和 $1/15\approx0.067$、$H_{15}/15\approx0.221$ 比，差得不多。推冰球那一列的九成，第 2 章说过，是不值钱的成功。
#
# ### 一课教了什么
#
# 光数成功不够。同是 −1，“再走几步就到”和“早就走过了”是两回事；同是 0，“这一步走到的”和“本来就在那儿”也是两回事。把每条重标注的转移归进五类，看它的新目标：
#
# - **本来就在**：动作之前就算到了，之后也还在；
# - **这一步到**：动作之前没到，之后到了；
# - **在前面**：现在没到，这个回合*以后*到了；
# - **在背后**：以后没再到，只有*以前*到过；
# - **这回合没到过**。

# %%
def lessons(name, strategy):
    rows, _, goals, _, _ = relabelled(name, strategy)
    play, epsilon = plays[name], TASKS[name][2]
    start = play.states[0][:, slice(2, 4) if name == "Push" else slice(None)]
    path = np.moveaxis(np.concatenate([start[None], play.achieved_goals]), 0, 1)
    episode, t = divmod(rows, len(play.rewards))
    near = np.linalg.norm(path[episode] - goals[:, None], axis=-1) < epsilon
    return sort_lessons(near, t)


# %% [markdown]
# `near[i, n]` 说的是：第 `i` 条转移所在的回合，走完 `n` 步时算不算到了它的新目标。剩下的就是分类：

# %%
def sort_lessons(near, t):
    row, moment = np.arange(len(t)), np.arange(near.shape[1])
    before, now = near[row, t], near[row, t + 1]
    later, earlier = (near & (moment > t[:, None] + 1)).any(axis=1), (near & (moment <= t[:, None])).any(axis=1)
    kind = np.select([now & before, now, later, earlier], ["there", "arrives", "ahead", "behind"], "elsewhere")
    return {name: (kind == name).mean() for name in ("there", "arrives", "ahead", "behind", "elsewhere")}


# %% [markdown]
# 每根横条是一种策略，一段是一类。先看红色（在背后）在谁身上；再看右边那幅，除去灰色（本来就在），还剩下些什么：

# %%
from her_course.figures.goal_strategies import draw_lessons

shares = {name: {strategy: lessons(name, strategy) for strategy in STRATEGIES} for name in TASKS}
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), sharey=True)
for ax, (name, by_strategy) in zip(axes, shares.items(), strict=True):
    draw_lessons(ax, by_strategy, name, LANG)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
show(fig, alt=alt("lessons", LANG))

# %% [markdown]
# 翻比特和绕墙：`final`、`future` 除了成功，剩下的全在前面；`episode` 有一小半在背后；`random` 九成上下是这个回合没到过的地方，只有 −1，没有出路。
#
# 推冰球：除 `random` 外，九成是“本来就在”。真正有用的是窄窄的那条蓝色，“冰球在这儿，以后被推到了那儿”。把它单独拎出来比一比：

# %%
for strategy in STRATEGIES:
    print(f"{strategy:8} {shares['Push'][strategy]['ahead']:.1%} {shares['Push'][strategy]['behind']:.1%}")

# %% [markdown]
# 蓝色，`final` 最多，`future` 次之，`episode` 再次；而 `episode` 的红色和蓝色一样多：每有一课说“这样推，冰球*去得了*那里”，就有一课说“这样推，冰球*离开了*那里”。先记下这个预兆，3.7 节兑现。

# %% [markdown]
# ## 3.4　k 是什么价钱
#
# $k$ 是每条真实转移配几个替代目标。论文真的存 $k$ 份拷贝；抽样时重标注的库里，它只决定批次的配比：$k/(k+1)$ 换目标，$1/(k+1)$ 留着真目标。更新的次数、内存，都和 $k$ 无关。绕墙，`future`，一行一个 $k$：留着真目标的，换了目标的，成功的：

# %%
for k in (1, 2, 4, 8, 16):
    batch = fill(plays["Reach"], "future", 0.06, k).sample(50_000)
    print(f"k = {k:2}   {(~batch.relabelled).mean():.0%}   {batch.relabelled.mean():.0%}   {(batch.rewards == 0).mean():.1%}")

# %% [markdown]
# 从 1 到 16，成功差不多翻了一番，真目标却只剩十七分之一。第 2 章见过真目标的用处：它们是考题，也是桥。$k$ 太小，0 太少；$k$ 太大，忘了考什么。中间有一大片都行，行到哪里，要量。

# %% [markdown]
# ## 3.5　现场量一次
#
# 15 位翻比特，四种策略各三个种子（seed），$k=4$；`future` 再添上 $k=1$ 和 $k=16$。每次一万五千步，别的设置全部相同。成功按论文的规矩，*任意一步*翻对就算。约半分钟。

# %%
from math import ceil

from her_course.figures.progress import progress_bar
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
KS = {strategy: (1, 4, 16) if strategy == "future" and PROFILE == "full" else (4,) for strategy in STRATEGIES}


def success_on_the_way(strategy, k, seed):
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": 15}, strategy=strategy, k=k, seed=seed, evaluate_every=1))
    rounds = ceil(15_000 / (64 * 15))
    return [(r.env_steps, r.success_rate) for r in (trainer.round() for _ in range(rounds))]


# %% tags=["nbval-ignore-output"]
grid = [(strategy, k, seed) for strategy in STRATEGIES for k in KS[strategy] for seed in SEEDS]
live = {run: success_on_the_way(*run) for run in progress_bar(grid)}

# %% [markdown]
# 怎么用一个数概括一条曲线？只看终点不行：学得会的，最后都是 1。所以取*一路上的平均成功率*：学得越早，越高。三个种子给一个平均和自助法（bootstrap）的 95 % 区间，只能粗看：

# %%
from her.sweeps.statistics import bootstrap

curves = {(strategy, k): np.array([live[strategy, k, seed] for seed in SEEDS]) for strategy in STRATEGIES for k in KS[strategy]}
steps = curves["future", 4][0, :, 0]
score = {s: {k: bootstrap(curves[s, k][..., 1].mean(axis=1), np.mean) for k in KS[s]} for s in STRATEGIES}

# %% tags=["nbval-ignore-output"]
for strategy in STRATEGIES:
    print(f"{strategy:8}", "   ".join(f"k = {k}: {score[strategy][k]}" for k in KS[strategy]))

# %% [markdown]
# 左图是 $k=4$ 的学习曲线，看谁先起飞；右图是一路平均对 $k$，看 `future` 那条线是平还是斜，再看别的策略离它多远：

# %%
from her_course.figures.goal_strategies import draw_by_k, draw_strategy_curves

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
draw_strategy_curves(axes[0], {s: (steps, curves[s, 4][..., 1]) for s in STRATEGIES}, LANG, "any")
draw_by_k(axes[1], score, LANG, success_at="any")
axes[0].legend()
show(fig, alt=alt("live", LANG))

# %% [markdown]
# `future` 最先起飞，三种 $k$ 相差无几；`final` 和 `episode` 晚一些，`random` 贴着地。写成断言：

# %%
mean = {strategy: score[strategy][4].value for strategy in STRATEGIES}
print(mean["future"] > max(mean["final"], mean["episode"]), mean["random"] < 0.05)

# %% [markdown]
# `random` 为什么一点都学不会？看 3.3 节那根横条：几乎全是“这回合没到过”。15 位有 32,768 种图案，从别的回合里抽一个，跟眼前差着七八位；奖励是 −1，下一步还是 −1，看不到头。它和不换目标的普通重放几乎没有区别。

# %% [markdown]
# ## 3.6　量够了再说话
#
# 三个种子、一个任务，撑不起一条建议。下面是随课程附带的长跑：20 位翻比特和推冰球，四种策略、五种 $k$，每格五个种子。同一任务里步数和更新次数完全相同。设置、种子、版本、花了多少 CPU 时间，都在 `results/strategies/how.json`，重做一遍的命令是：

# %%
import json

from her_course.notebooks import find_chapters
from her.plots.curves import read_curves

folder = find_chapters().parent / "results" / "strategies"
how = json.loads((folder / "how.json").read_text())
print(how["command"], f"  {len(how['configs'])} runs, {how['cpu_seconds'] / 60:.0f} CPU minutes")

# %%
shipped = read_curves(folder / "curves.csv")
LONG = {"bit_flip_20": "any", "push": "end"}
for task in LONG:
    steps, success = shipped[task, "future_4"]
    print(f"{task:12} {len(success)} seeds   {steps[-1]:,.0f} steps   {sum(of == task for of, _ in shipped)} variants")

# %% [markdown]
# 先看 $k=4$ 的曲线。带子是五个种子的 95 % 区间。左边翻比特看*任意一步*，右边推冰球看*最后一步*。右边那幅，请看 `episode`：

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
for ax, (task, at) in zip(axes, LONG.items(), strict=True):
    draw_strategy_curves(ax, {s: shipped[task, f"{s}_4"] for s in STRATEGIES}, LANG, at)
axes[0].legend()
show(fig, alt=alt("curves", LANG))

# %% [markdown]
# 再看量过的每一格：

# %%
ALL_KS = (1, 2, 4, 8, 16)


def scores_of(task, strategy):
    return {k: bootstrap(shipped[task, f"{strategy}_{k}"][1].mean(axis=1), np.mean) for k in ALL_KS}


long_score = {task: {strategy: scores_of(task, strategy) for strategy in STRATEGIES} for task in LONG}
for task, strategy in [(task, strategy) for task in LONG for strategy in STRATEGIES]:
    print(f"{task:12} {strategy:8}", " ".join(f"{score!s:18}" for score in long_score[task][strategy].values()).rstrip())

# %% [markdown]
# 从左到右是 $k=1,2,4,8,16$，每格是一路平均的成功率和 95 % 区间。画出来：

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8))
titles = text(LANG, "翻比特，20 位|推冰球", "bit flipping, 20 bits|Push").split("|")
for ax, (task, at), title in zip(axes, LONG.items(), titles, strict=True):
    draw_by_k(ax, long_score[task], LANG, title, at)
axes[1].legend()
show(fig, alt=alt("shipped", LANG))

# %% [markdown]
# 最后的成绩单另算：训练结束以后，每个种子 200 道新题，五个种子的平均：

# %%
import csv

with open(folder / "runs.csv", newline="", encoding="utf-8") as file:
    exams = [(row["task"], row["variant"], float(row["success_rate"])) for row in csv.DictReader(file)]
for task, strategy in [(task, strategy) for task in LONG for strategy in STRATEGIES]:
    rates = [[rate for *of, rate in exams if of == [task, f"{strategy}_{k}"]] for k in ALL_KS]
    print(f"{task:12} {strategy:8}", "  ".join(f"{np.mean(of_seeds):.2f}" for of_seeds in rates))

# %% [markdown]
# 这两张表说了什么？先把两句最要紧的写成断言。翻比特：不论 $k$ 取几，`future` 区间的下限都高过另外三种的上限。推冰球，同样不论 $k$：`final` 和 `future` 的下限，高过 `episode` 和 `random` 的上限。

# %%
bits, push = long_score["bit_flip_20"], long_score["push"]
print(all(bits["future"][k].low > bits[rival][k].high for k in ALL_KS for rival in STRATEGIES if rival != "future"))
print(all(min(push["final"][k].low, push["future"][k].low) > max(push["episode"][k].high, push["random"][k].high) for k in ALL_KS))

# %% [markdown]
# 两句都成立。于是：
#
# - **`future` 两处都在前列**，翻比特上独占鳌头，什么 $k$ 都一样。
# - **`final` 看任务。** 推冰球上，$k\le 8$ 时它和 `future` 的区间重叠，$k=16$ 时落后；翻比特上慢得多。翻比特的一个回合路过 20 个图案，`final` 只用最后一个，其余的白走了；推冰球的一个回合里冰球停了就是停了，最后的位置几乎就是全部的消息。
# - **`episode` 也看任务。** 翻比特上和 `final` 不相上下；推冰球上几乎没学会。
# - **`random` 两处都是 0。**
# - **$k$ 的影响比策略小。** 从 $k=1$ 到 16，一种策略最高和最低差多少？和换一种策略比呢？（最后一行是翻比特 $k=4$ 时 `future` 比 `episode`、比 `final` 高出的。）

# %%
for task, by_strategy in long_score.items():
    spread = {s: np.ptp([score.value for score in by_strategy[s].values()]) for s in ("future", "final", "episode")}
    print(task, {strategy: round(float(width), 2) for strategy, width in spread.items()})
print(round(bits["future"][4].value - bits["episode"][4].value, 2), round(bits["future"][4].value - bits["final"][4].value, 2))


# %% [markdown]
# ## 3.7　那只不碰冰球的智能体
#
# `final` 和 `future` 把冰球推进去了，`episode` 却没有，为什么？分数不会说话，去看它*做了什么*。四种策略各练一个智能体（一个种子，只为看个究竟，不下结论；结论靠上一节的五个种子），每 16 轮停一停，数 200 个回合里有多少碰过冰球。约四十秒。

# %%
def practise_push(strategy, seed, rounds, looks=5):
    trainer, moved = Trainer(settings_for("her/Push-v0", strategy=strategy, seed=seed, evaluate_every=10 * rounds)), []
    for i in progress_bar(range(1, rounds + 1), description=strategy):
        trainer.round()
        if i % (rounds // looks) == 0:
            test = rollout(trainer.agent.act, make_envs("her/Push-v0", 200), 50, seed=1_000)
            moved.append(np.ptp(test.achieved_goals, axis=0).any(axis=-1).mean())
    return trainer.agent, moved, test


# %% tags=["nbval-ignore-output"]
push_rounds = 80 if PROFILE == "full" else 5
pushers = {strategy: practise_push(strategy, 0, push_rounds) for strategy in STRATEGIES}

# %% [markdown]
# 纵轴是碰过冰球的回合，不是成功率。看两条线冲上去，两条线趴在底下：

# %%
from her_course.figures.goal_strategies import draw_moved

fig, ax = plt.subplots(figsize=(6.4, 3.4))
looks = push_rounds // 5 * np.arange(1, 6)
draw_moved(ax, looks, {strategy: moved for strategy, (_, moved, _) in pushers.items()}, LANG)
show(fig, alt=alt("moved", LANG))

# %% tags=["nbval-ignore-output"]
for strategy, (_, moved, test) in pushers.items():
    print(f"{strategy:8} {moved[-1]:.0%}   {test.success[-1].mean():.0%}")
if PROFILE == "full":
    assert min(pushers[s][1][-1] for s in ("final", "future")) > 0.8
    assert max(pushers[s][1][-1] for s in ("episode", "random")) < 0.6

# %% [markdown]
# `final` 和 `future` 后来几乎每个回合都去碰；`episode` 和 `random` 停在两成到一半之间，和乱走的差不太多（1.3 节量过，近四成）。它们不是推不准，是*不推*。为什么不推？评论家（critic）心里有数，直接问它。摆一千个最好推的局面：智能体紧贴着冰球，冰球再往前 40 厘米正是目标，一条直线。问两个动作各值多少：照直推，和站着不动。

# %%
rng = np.random.default_rng(0)
angle = rng.uniform(-np.pi, np.pi, 1_000)
puck, ahead = rng.uniform(-0.3, 0.3, (1_000, 2)), np.stack([np.cos(angle), np.sin(angle)], axis=1)
agent_at = puck - 0.151 * ahead
observations = np.hstack([agent_at, puck, 0 * puck, puck - agent_at, puck + 0.4 * ahead]).astype(np.float32)

# %% tags=["nbval-ignore-output"]
forward = {}
for strategy, (agent, *_) in pushers.items():
    gain = agent.q_values(observations, ahead.astype(np.float32)) - agent.q_values(observations, np.zeros((1_000, 2), np.float32))
    forward[strategy] = (agent.act(observations) * ahead).sum(axis=1).mean()
    print(f"{strategy:8} {gain.mean():+.2f}   {(gain > 0).mean():.0%}   {forward[strategy]:+.2f}")
if PROFILE == "full":
    assert min(forward["final"], forward["future"]) > 0.5 > 0.2 > max(forward["episode"], forward["random"])

# %% [markdown]
# 三列是：推比不推值多少，认为推更好的局面占多少，它真正选的动作朝目标走多快（−1 到 1）。`final` 和 `future` 几乎处处说推，也真的推。`episode` 的评论家拿不定主意：平均在 0 附近，离 `future` 差得远，有的局面说推，有的说别推（只有一个种子，数别当真；换一台机器，连正负号都会变）。它真正做的是不推，平均下来还往后退：我们只问了两个动作，它挑了别的。`random` 根本分不出来。
#
# 这就是 3.3 节的预兆。`episode` 的教材里，每有一课是“推了，冰球去到了前面的目标”，就有一课是“推了，冰球离开了背后的目标”。这些课没有一句假话，可是冰球推得出去，拉不回来：背后的目标在教材里从没有人回去过，价值只能一路往下掉，连累了“推”这个动作。一课夸它，一课骂它，抵下来所剩无几。再加上九成“本来就在”的课，不动就是 0，那就没多少理由去碰。翻比特不怕这个，因为翻过去再翻一次就回来了。
#
# 这个解释和三样东西对得上：横条图、评论家的回答、碰冰球的比例。它还不是证明，要证明，得只改“背后”的份额，别的不动。这个实验留给你。
#
# 让四位同台。同样的起点，同样的目标，从左到右是 `final`、`future`、`episode`、`random`：

# %%
from her_course.figures import animate
from her_course.figures.implementation import side_by_side

state = [-0.35, -0.3, -0.1, -0.05, 0.0, 0.0]


def film(agent, goal):
    envs = make_envs("her/Push-v0", 1, render_mode="rgb_array")
    observation, _ = envs.reset(seed=0, options={"state": state, "goal": goal})
    pictures = [envs.render()]
    for _ in range(30):
        observation, *_ = envs.step(agent.act(np.hstack([observation["observation"], observation["desired_goal"]])))
        pictures.append(envs.render())
    return pictures


# %%
films = [[film(pushers[strategy][0], goal) for strategy in STRATEGIES] for goal in ([0.3, 0.25], [0.35, -0.15])]
rows = [[sum(moment, ()) for moment in zip(*row, strict=True)] for row in films]
animate(side_by_side(*rows), fps=8, alt=alt("film", LANG))

# %% [markdown]
# ## 3.8　和论文对一对
#
# 论文 4.5 节的图 6 做的是同一件事：推、滑、抓放三个机械臂任务，四种策略，$k$ 取 1、2、4、8、16 和“全部”。它没有数字表，只有曲线。能从文字里确认的，和我们量到的并排：
#
# | 论文（4.5 节、图 6） | 本章量到的 |
# |---|---|
# | `future` 最好，滑块任务只有它接近解决 | 翻比特上是；推冰球上，$k\le 8$ 时它和 `final` 的区间重叠，$k=16$ 时它在前 |
# | 除了 `random`，都解决了推和抓放 | `random` 确实不行；`episode` 推冰球，在我们的预算里没学会 |
# | $k=4$ 或 $8$ 最好，超过 $8$ 变差 | 翻比特的 `future` 在 $k=2$、4 最高，16 低一点；推冰球的 `future` 反而在 8、16 略高（区间和 $k=4$ 的重叠；和 $k=2$ 比，16 的已经分开）；都远不及 `future` 和 `episode` 之间的差别 |
#
# 第二行对不上，要不要紧？任务不同，网络也不同：论文是三层、每层 64 个单元（附录 A），我们是两层。预算更不同：论文一次训练是 200 轮（epoch）× 50 个周期 × 16 个回合（附录 A），我们只有五千来个回合。`episode` 也许只是要得更久，我们没有量过，不替它下结论。能说的是：**换一个任务，名次就可能大变：`episode` 从并列第二掉到和 `random` 一起垫底；`future` 两处都在前列，但不是处处第一。**
#
# 第三行也要小心读。论文的 $k$ 是存几份拷贝；我们的 $k$ 是批次的配比，更新次数不随它变。$k$ 大了会变差，最像样的解释是真目标只剩十七分之一；可推冰球的 `future` 不吃这一套，可见别太当真。
#
# ## 3.9　怎么挑
#
# 1. **先用 `future`，$k=4$。** 两个任务都在前列，论文里它最好。别的选择要拿得出理由。
# 2. **目标都落在回合末尾、走得到就停得住的任务，`final` 也好用，** 候选只有一个，最省事。回合长、路上到过许多地方的任务，它把路上的都浪费了。
# 3. **掉不了头的任务，别用 `episode`。** 推出去的、倒出去的、拧断了的，都掉不了头。掉得了头的，它只是慢些。
# 4. **`random` 只当对照。** 眼下与目标毫无关系时，−1 就只是 −1。它还有一个坏处：缓冲区越大，越不相干。
# 5. **先取 $k=4$，不用细调，** 先把策略挑对。`future` 在我们两个任务上的口味正相反：翻比特到 16 低一点，推冰球到 16 反而高。论文说超过 8 变差，推冰球上的 `future` 没有。
# 6. **换了任务就重看一眼横条图。** 几百个乱走的回合、一分钟不到，就能看出“在前面”有多少，“在背后”有多少，“本来就在”有多少。训练之前就知道该担心什么。

# %% [markdown]
# ## 3.10　回头看
#
# 1. **三个区间加一个缓冲区。** `final` 一个点，`future` 从 $t$ 到末尾，`episode` 整段，`random` 不问哪个回合；库里抽的和区间一格不差（3.1、3.2）。
# 2. **抽到的不一样。** 处处不同的话，成功的份额是 $1/T$、$H_T/T$、$1/T$、几乎 0；`episode` 有一小半在背后，`random` 九成是这回合没到过的（3.3）。
# 3. **$k$ 是配比。** $k/(k+1)$ 换目标，剩下的留给考题；更新次数不变（3.4）。
# 4. **量出来的。** 翻比特 `future` 独占第一；推冰球上，$k\le 8$ 时 `final` 和它的区间重叠，$k=16$ 时落后，`episode`、`random` 几乎为 0；对 `future` 来说，$k$ 的影响小得多（3.5、3.6）。
# 5. **为什么。** `episode` 的评论家几乎看不出推的好处，它的智能体难得去碰冰球（3.7）。
# 6. **论文的图 6**：大方向对得上（`future` 在前，`random` 垫底），细节不全对（3.8）。
#
# ### 三个常见的误会
#
# - **“`random` 就是在本回合里随便抽。”** 那是 `episode`。`random` 从训练至今到过的一切地方抽。
# - **“`future` 不该抽到这一步自己。”** 该。那正是教材里唯一有保证的 0；少了它，$H_T/T$ 变成 0，只剩下碰巧。
# - **“目标越多样越好。”** `random` 最多样，一无所成。目标要*够得着*：从这一步走得到的，才教得会这一步。
#
# ### 动手
#
# 打开 `exercises/ch3.ipynb`，练习有三个：`future_indices`、`candidate_goals`、`substitute_goals`。第一个最容易差一：检查会数两头的份额。
#
# 想多走一步：给 3.7 的 `episode` 一个机会。把它的训练加长三倍，或者自己写一个只抽“背后”目标的策略掺进 `future`，掺多少冰球就没人碰了？先写下你的猜测。
#
# ### 下一章的问题
#
# 这一章的十万行、十万行，都是库里一眨眼抽出来的。照着区间写循环，一行一行抽，一次训练要抽上百万行。**怎样写得快，又能*证明*快的和慢的是一回事？**
