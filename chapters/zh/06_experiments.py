# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6　实验
#
# > **这一章你会看到**：三个任务，一边有 HER，一边没有，别的一样，当场比。然后是十个种子的存档：多少回合达到三成、五成、七成、九成，未达到的就写未达到。然后是仿真的机械臂。然后是一个小到能心算的世界，HER 在那里把一成的机会当成八成，还连累了通向那里的、本来确定的一步。最后是 HER 之后的事，能跑的部分当场跑。
# >
# > **时间**：阅读 35 分钟，运行约 5 分钟（2 核 CPU）。
# >
# > **需要**：前五章；尤其是第 1 章的“任意一步／最后一步”和第 2 章的 2.3 节。
#
# 读完你能：
#
# 1. 设计一场公平的对比：同样的步数、同样的更新次数、好几个种子，评估另出题；
# 2. 报“快了几倍”时带上区间，区间里算上评估的间隔，对未达到的一边只说“至少”；
# 3. 看懂机械臂的存档，自己播放训练好的策略；
# 4. 把论文的图 1 和自己量的摆在一起，说出哪里一样、哪里不一样；
# 5. 算出 HER 在随机的世界里错多少、错到哪里，以及改正要付多少；
# 6. 拿到一个新任务，先做三项检查，再决定用不用 HER。

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

from her_course.figures import animate, schematic, show

# %% [markdown]
# ## 6.1　当场比
#
# 公平的对比只许一处不同，就是图上亮着的那一格：`strategy="future"` 还是 `"none"`。网络、学习率、步数、更新次数、种子，全都相同。

# %%
schematic("relabel")

# %% [markdown]
# 三个任务，步数不一样多，因为难度不一样。最后一栏是按什么算成功（第 1 章）：

# %%
TASKS = {
    "bit_flip_15": ("her/BitFlip-v0", {"n_bits": 15}, 20_000, "any"),
    "reach": ("her/Reach-v0", {}, 48_000, "end"),
    "push": ("her/Push-v0", {}, 220_000, "end"),
}
pd.DataFrame(TASKS, index=["environment", "arguments", "steps", "success at"]).T

# %%
from functools import partial

from her.training import Trainer, settings_for
from her_course.figures.progress import on_all_cores


def train(task, strategy, seed, share):
    env_id, env_kwargs, steps, at = TASKS[task]
    settings = {"strategy": strategy, "seed": seed, "evaluate_every": 4}
    trainer = Trainer(settings_for(env_id, env_kwargs, max_steps=int(steps * share), **settings))
    curve = [(p.env_steps, p.success_rate) for p in trainer.run() if p.success_rate is not None]
    return np.transpose(curve), trainer.final_evaluation().success_rate(at)


# %% [markdown]
# 三个种子，两核上约两分钟。（快速档只跑一个种子、百分之一的步数。）

# %%
VARIANTS = {"her": "future", "none": "none"}
SEEDS, SHARE = (range(SEED, SEED + 3), 1) if PROFILE == "full" else (range(SEED, SEED + 1), 0.01)
pairs = [(task, name) for task in TASKS for name in VARIANTS]
jobs = [partial(train, task, VARIANTS[name], seed, SHARE) for task, name in pairs for seed in SEEDS]
outcomes = iter(on_all_cores(jobs))
runs = {pair: [next(outcomes) for _ in SEEDS] for pair in pairs}

# %% [markdown]
# 细线是种子，粗线是平均。先看三幅图的*形状*：哪个任务是慢慢爬，哪个任务等了很久才动？再看灰线。

# %%
from her_course.figures.experiments import draw_hindsight_against_none

fig, axes = plt.subplots(1, 3, figsize=(10, 3.1))
for ax, (task, (*_, at)) in zip(axes, TASKS.items(), strict=True):
    curves = {name: [curve for curve, _ in runs[task, name]] for name in VARIANTS}
    live = {v: (of[0][0], np.array([success for _, success in of])) for v, of in curves.items()}
    draw_hindsight_against_none(ax, live, task, at)
axes[0].legend()
show(fig, "experiments.live")

# %% [markdown]
# 曲线上的评估只有 100 个回合，还容易让人专挑最高的那一点。最后的评估另出题：每个种子 200 个回合，一列一个种子：

# %% tags=["nbval-ignore-output"]
final = {pair: [rate for _, rate in of_seeds] for pair, of_seeds in runs.items()}
if PROFILE == "full":
    assert all(np.mean(final[t, "her"]) > max(final[t, "none"]) + 0.5 for t in TASKS)
columns = [f"seed {seed}" for seed in SEEDS]
pd.DataFrame(final, index=columns).T.rename_axis(["task", "replay"]).round(3)

# %% [markdown]
# 每个任务上，带 HER 的*平均*比不带 HER 的*最好*的种子高出五十个百分点以上（断言里写着）。
#
# 可是这套设置是配着 HER 找出来的，`none` 会不会只是没调好？[`results/sensitivity`](../../results/README.zh.md) 给两边同一张网格：学习率、$\gamma$、更新次数、探索，每次只改一样，连同原样共九种，每种五个种子。每个任务、每一边，平均最高的是哪一种？

# %%
from pathlib import Path

here = (Path.cwd(), *Path.cwd().parents)
RESULTS = next(folder / "results" for folder in here if (folder / "results").is_dir())
tuned = pd.read_csv(RESULTS / "sensitivity" / "runs.csv")
tuned[["replay", "setting"]] = tuned.variant.str.split("_", n=1, expand=True).fillna("as set")
rates = tuned.groupby(["task", "replay", "setting"], sort=False).success_rate
rates = rates.agg(["mean", "min", "max"])
best = rates.groupby(level=[0, 1], sort=False)["mean"].idxmax()
assert rates.xs("none", level="replay")["mean"].max() < 0.05
rates.loc[best].round(3)

# %% [markdown]
# `none` 挑出来的最好设置，平均也不过 0.2 %：它缺的不是调参。有 HER，三个任务最好的都在 0.95 以上。可它也挑设置：Push 上学习率改成四分之一，或者更新减半，二十万步等于没学；学习率乘四、更新加倍，又比课程用的原样快得多。
#
# ## 6.2　快了几倍，怎么说才老实
#
# 更多的种子和步数在存档里：`her sweep results/first_look/sweep.toml`，十个种子（[`results/first_look`](../../results/first_look)）。问题换一个问法：**要多少回合，成功率才第一次达到 30 %、50 %、70 %、90 %？**
#
# 未达到的怎么办？不能删（那是专挑好的），不能填一个数（那是编的）。只能写“未达到”。

# %%
from her.plots.curves import read_curves
from her.sweeps.statistics import steps_to_threshold

LEVELS = (0.3, 0.5, 0.7, 0.9)
HORIZONS = {"bit_flip_15": 15, "reach": 50, "push": 50}

# %%
records = read_curves(RESULTS / "first_look" / "curves.csv")


def episodes_needed(task, name):
    steps, success = records[task, name]
    episodes = steps / HORIZONS[task]
    return {x: [steps_to_threshold(episodes, seed, x) for seed in success] for x in LEVELS}


needed = {task: {name: episodes_needed(task, name) for name in VARIANTS} for task in TASKS}
played = {task: {v: records[task, v][0][-1] / HORIZONS[task] for v in VARIANTS} for task in TASKS}
grid = {task: np.diff(records[task, "her"][0]).max() / HORIZONS[task] for task in TASKS}

# %% [markdown]
# 每个点是一个种子，横轴是回合数，对数的。空心方块是未达到的，画在点线上：那是它玩过的全部回合。先找灰色的*实心*方块：

# %%
from her_course.figures.experiments import draw_needed

fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
for ax, task in zip(axes, TASKS, strict=True):
    draw_needed(ax, needed[task], played[task], task)
axes[0].legend(loc="center")
show(fig, "experiments.needed")

# %% [markdown]
# 一个也没有。三个任务，十个种子，没有一个达到过三成。
#
# 那“快了几倍”？两边各取一个有代表性的回合数，没有 HER 的除以有 HER 的，就是**倍数**。用中位数，未达到的算无穷大，不用编数（动手题 `speed_up`）；可是这里没有 HER 的那边全都未达到，倍数是 ∞，只说明没有上界。要一个下界，就用几何平均，未达到的按玩过的全部回合算，所以只能说**至少**（`her compare` 也这样算）。区间和 5.8 节一样：取对数，Student 的 $t$ 分布；成功率只在评估时才看得见，所以两头各放宽一格。

# %%
from scipy import stats


def times_as_fast(slow, fast, grid):
    slow, fast = np.array(slow), np.array(fast)
    half = stats.t.ppf(0.975, min(len(slow), len(fast)) - 1)
    half *= np.hypot(stats.sem(np.log(slow)), stats.sem(np.log(fast)))
    low = np.log(slow - grid).mean() - np.log(fast).mean() - half
    high = np.log(slow).mean() - np.log(fast - grid).mean() + half
    ratio = np.log(slow).mean() - np.log(fast).mean()
    return dict(zip(("times", "low", "high"), np.exp([ratio, low, high]), strict=True))


# %%
def at_least(task, level):
    fast, slow = needed[task]["her"][level], needed[task]["none"][level]
    n = {"HER, episodes": np.mean(fast), "fewest": min(fast), "most": max(fast), "grid": grid[task]}
    n["none: reached"] = f"{len(slow) - slow.count(None)} of {len(slow)}"
    limits = [played[task]["none"] + grid[task]] * len(slow)  # at no evaluation so far
    return n | {"at least": times_as_fast(limits, fast, grid[task])["low"]}


rows = {(task, level): at_least(task, level) for task in TASKS for level in LEVELS}
pd.DataFrame(rows).T.rename_axis(["task", "success"]).infer_objects().round(1)


# %% [markdown]
# “至少”（最后一列，区间的下端）靠不住的地方在于：它取决于我们*舍得*让没有 HER 的那边玩多久。多给一倍步数，倍数就翻一番。所以见到“HER 快 50 倍”这种话，先问：另一边达到了没有？论文里没有这种数字，它只有曲线。
#
# 要一个*两边都达到*的任务，才谈得上真正的倍数。5 位的翻比特就是，小到可以当场跑五个种子：一达到 95 %、再由 200 个新回合确认，就停。为了让格子细一些，每 16 个回合评估一次。

# %%
def until_learned(n_bits, strategy, seed):
    settings = {"strategy": strategy, "seed": seed, "until_success": 0.95, "max_steps": 20_000}
    fine = {"evaluate_every": 1, "n_envs": 16, "updates_per_round": 20}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings, **fine))
    *_, last = trainer.run()
    return last.episodes if last.solved else None


# %% tags=["nbval-ignore-output"]
five = range(SEED, SEED + 5)
arrived = {v: [until_learned(5, VARIANTS[v], seed) for seed in five] for v in VARIANTS}
factor = times_as_fast(arrived["none"], arrived["her"], grid=16)
factor["medians"] = np.median(arrived["none"]) / np.median(arrived["her"])
assert 1 < factor["low"] < factor["high"] < 15
columns = [f"seed {seed}" for seed in five]
pd.DataFrame(arrived, index=columns).T.assign(**{k: [round(x, 2), ""] for k, x in factor.items()})

# %% [markdown]
# 两边都达到，于是有倍数，也有上下两端（`times`、`low`、`high`）；换成中位数之比（`medians`），差得不多：32 种图案，乱翻也常常碰上，HER 只是快几倍。*同是翻比特，位数越多，差距越大*（6.4 节的表，中位数相除：5 位 3 倍，8 位 15 倍，10 位至少 31 倍）：要记的是这一句，不是某个倍数。
#
# ## 6.3　机械臂
#
# [Gymnasium-Robotics](https://robotics.farama.org/envs/fetch/) 的 Fetch：MuJoCo 里仿真的七关节机械臂。FetchReach 把手爪移到空中一点，FetchPush 把方块推到桌上一点，FetchPickAndPlace 的目标有一半悬在空中，得抓起来，FetchSlide 要把圆盘打出去，滑到手够不着的地方。一个种子要练半分钟到二十来分钟 CPU，笔记本里跑不起，所以读存档；设置、种子、版本、命令都和表放在一起（[`results/fetch`](../../results/fetch) 等文件夹）。
#
# 每行一个任务和变体，各列是各种子的最后成绩（200 个新回合，最后一步），最后一列是平均玩了几千步停下。达到 95 % 就停，而让它停的正是这次评估，所以提前停的天生不低于 0.95，要比的是步数。

# %%
ARMS = {"reach": "fetch", "push": "fetch", "pick": "fetch_pick", "slide": "fetch_slide"}


def read_runs(folder):
    return pd.read_csv(RESULTS / folder / "runs.csv").query("status == 'done'")


runs_of_arms = pd.concat([read_runs(folder) for folder in dict.fromkeys(ARMS.values())])
of_variant = runs_of_arms.groupby(["task", "variant"], sort=False)
arms = of_variant["success_rate"].apply(lambda rates: pd.Series(rates.to_numpy())).unstack()
arms.columns = [f"run {i}" for i in arms.columns]
arms["k steps"] = (of_variant["env_steps"].mean() / 1e3).round(1)
arms.astype("string").fillna("")

# %% [markdown]
# 变体的名字里带 `moved` 的，每个批次有一半抽自“方块动过”的回合；带 `energy` 的，回合按能量抽（第 5 章）；什么都不带的 `her`，是原原本本的 HER。`moved` 这一招论文里没有，是能量的近亲。带 `grasped` 的，训练时有一半回合从“方块已经夹在手里”开始：光靠碰运气，方块难得被抓起来；难得发生的事，事后也难得重标注到。这一招论文有，正是用在这个任务上（脚注 3 又说，目标时而在桌上、时而在空中，不用它也练得成：`sac_energy` 试的就是这个）。带 `actual` 的，替代目标有一半是以前追求过的目标，不论哪一回合（6.6 节说的混合）。带 `sac` 的，学习算法从 DDPG 换成了 SAC。评估一律从头来，方块在桌上。
#
# 左边一幅，几条线只差在回放：换不换目标，回合怎么抽。先猜：少了哪一样最要命？空心的点是别人的，从他们自己的记录和图上读来：rl-baselines3-zoo 的 TQC（一次训练），[spitis/mrl](https://github.com/spitis/mrl) 的 DDPG（三个种子，替代目标里掺了以前追求过的目标）。

# %%
from her_course.figures.experiments import draw_robots

fig, axes = plt.subplots(1, 3, figsize=(11, 4.2), sharey=True)
for ax, task in zip(axes, ("push", "pick", "slide"), strict=True):
    curves = read_curves(RESULTS / ARMS[task] / "curves.csv")
    draw_robots(ax, {name: curve for (of, name), curve in curves.items() if of == task}, task)
    ax.label_outer()
show(fig, "experiments.robots")

# %% [markdown]
# 推方块：换目标，再按能量抽回合，五个种子在十九万到二十六万步之间都达到 95 %；多抽方块动过的回合，五个种子在二十四万到三十二万步之间都达到。只换目标，也就是原样的 HER，四十万步走完，两个种子过了八成，另三个在两成到五成之间：学得会，只是慢，还看运气。只挑回合、不换目标，一个种子将近一半，另两个和乱动差不多。两样都没有的，一个也没学会。（`td`、`reach`、`cher` 是第 5 章的另外三招，各一个种子，只走二十四万步：看一眼，不排名次。）
#
# 抓放（中间）：一半训练回合从夹住开始，三个种子在十六万到二十九万步之间都达到 95 %。不从夹住开始（`sac_energy`），三个种子都在一半上停了很久，那一半是桌面上的目标；有一个后来学会了抬，三十八万四千步达到 95 %，另外两个到四十万步是 0.52、0.6。滑动（右边）最难。目标只从未来取，二十四万步走完，两个种子都停在 0.59。一半目标换成以前追求过的，spitis/mrl 也是这样，练到四十八万步，三个种子是 0.725、0.755、0.765。步数多了一倍，要比就比半路：二十五万步上下，它们是 0.22、0.56、0.71（100 个回合），只从未来取的是 0.52、0.59，这么几个种子分不出高下。（那时才 0.22 的种子，最后几乎追平：训练到一半，别急着下结论。）
#
# 为什么挑回合这么要紧？2.5 节说过：方块没人碰，它达到的目标从头到尾就是原地，换来的目标一开头就已经达成，什么也没教。我们数过：胡乱动作的手臂，192 个回合里碰动方块的只有 16 %（[`results/README.md`](../../results/README.md)）。能量和 `moved` 补的就是这个。
#
# 和别人比，要看清比的是什么。[rl-baselines3-zoo](https://github.com/DLR-RM/rl-baselines3-zoo) 给 FetchPush 和 FetchPickAndPlace 的*预算*都是一百万步，但预算不是达到某个成功率的步数：它自己的评估记录里，FetchPush 在二十万步、PickAndPlace 在三十五万步附近就到了 0.95（各一次训练，每次评估 20 个回合）。所以 FetchPush 上我们的步数和它相当，说不上更快。PickAndPlace 要拿不从夹住开始的来比，它也没有夹住的起点：我们三个种子里有一个和它差不多，另外两个还落在后面。**HER 能从失败里学，可失败里有没有可学的，得看失败的那一回合到过哪里。**
#
# 训练好的策略存成了小文件，权重、归一化器、怎么练的、评估成绩，全在里面，不装 mujoco 也能读。每行一个策略：练了多少步，它自己的 200 个回合的成功率，和 95 % 的 Wilson 区间：

# %%
from her.policies import load_policy, shipped

rows = {}
for name in shipped():
    made = load_policy(name).made
    rows[name] = [made["env_steps"] / 1e3, made["success_rate"], *made["success_interval"]]
pd.DataFrame(rows, index=["k steps", "success", "low", "high"]).T.round(3)

# %% [markdown]
# FetchSlide 的策略在这里是 0.74，上面的表里同一个种子是 0.755。训练是同一次，评估是两次，各 200 个回合，目标不同（存下的权重还降到了半精度）。光凭抽题，会不会差这么多？

# %%
rates = {"table": arms.loc[("slide", "sac_moved_actual"), "run 0"]}
rates["policy"] = rows["FetchSlide-v4"][1]
hits = {name: round(200 * rate) for name, rate in rates.items()}
p = stats.fisher_exact([[n, 200 - n] for n in hits.values()]).pvalue
both = stats.binomtest(sum(hits.values()), 400).proportion_ci(method="wilson")
pooled = {"both together": sum(hits.values()) / 400, "low": both.low, "high": both.high}
pd.DataFrame(hits | {"of": 200, "p": p} | pooled, index=["FetchSlide"]).round(3)

# %% [markdown]
# $p$ 约 0.8：光凭抽题，多半还差得更多。合在一起大约 0.75，400 个回合的区间也还有 0.08 宽。95 % 还远。别人也是它最难：rl-baselines3-zoo 公布的是三百万步 0.87，还是按任意一步算。
#
# 看它们干活。下面是真策略录的像，四个回合，编了号，各有各的目标（小红点）；每段录像先放最后一帧，也就是结局。录的命令是 `python -m her_course.films FetchReach-v4 results/fetch/films/FetchReach-v4.png`，装了 `her-course[robotics]` 就能自己再录，换几个种子：

# %%
from IPython.display import Markdown, display

from her_course.films import read_film

for name in shipped():
    [path] = RESULTS.glob(f"fetch*/films/{name}.png")
    display(Markdown(f"**{name}**"))
    frames = read_film(path)
    animate([frames[-1], *frames], f"experiments.{name.removesuffix('-v4')}", fps=6)


# %% [markdown]
# FetchReach 那样的任务，别从它下结论。Plappert 等（2018）自己说：连写错了一部分的实现有时也学得会。它适合验机器，不适合验想法。
#
# ## 6.4　论文的图 1
#
# [Andrychowicz 等，2017](https://arxiv.org/abs/1707.01495)，3.1 节：横轴比特数，纵轴成功率。论文说：DQN 解得了 $n\le 13$；加上 HER，轻松解到 50。（图 6，四种策略和 $k$，在[第 3 章](03_goal_strategies.ipynb)画过、比过。）
#
# 断崖附近的 5、8、11 位当场跑，两边最多都走两万步，最后用 200 个新回合打分，一列一个种子：

# %%
def last_success(n_bits, strategy, seed):
    settings = {"strategy": strategy, "seed": seed, "until_success": 0.95}
    settings |= {"evaluate_every": 4, "max_steps": 20_000 if PROFILE == "full" else 8_000}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings))
    for _ in trainer.run():
        pass
    return trainer.final_evaluation().success_rate("any")


# %% tags=["nbval-ignore-output"]
LENGTHS = (5, 8, 11) if PROFILE == "full" else (5, 11)
pairs = [(name, n) for name in VARIANTS for n in LENGTHS]
jobs = [partial(last_success, n, VARIANTS[name], seed) for name, n in pairs for seed in SEEDS]
outcomes = iter(on_all_cores(jobs))
live = {pair: [next(outcomes) for _ in SEEDS] for pair in pairs}
assert np.mean(live["none", 5]) > 0.9
assert max(live["none", 11]) < 0.1
assert min(min(live["her", n]) for n in LENGTHS) > 0.9
columns = [f"seed {seed}" for seed in SEEDS]
pd.DataFrame(live, index=columns).T.rename_axis(["replay", "bits"]).round(2)

# %% [markdown]
# 更长的来自存档：`her sweep results/bit_flip/sweep.toml`，5 到 50 位，每档五个种子（[`results/bit_flip`](../../results/bit_flip)）。每一档的步数和更新次数各有上限，两边一样；谁先连着两次评估到 95 %，谁就提前停。`success` 是五个种子的平均（提前停的，正是这次评估让它停的），`steps` 和 `CPU s` 是中位数：

# %%
recorded = read_runs("bit_flip")
recorded["bits"] = recorded["task"].str[-2:].astype(int)
by_length = recorded.groupby(["bits", "variant"])
table = by_length["success_rate"].agg(["count", "min", "mean", "max"]).round(2)
steps, seconds = by_length["env_steps"].median(), by_length["cpu_seconds"].median()
table.assign(steps=steps.astype(int), **{"CPU s": seconds.round(1)})

# %% [markdown]
# 看最下面的 50 位：有 HER，五个种子个个学会，每个不到两分钟的 CPU；没有 HER，步数多走了四分之一，最后的评估一个也没成功。
#
# 画出来，连同上面的 11 位。每点一个种子。看两种颜色在哪里分开，再和两条虚线比：

# %%
from her_course.figures.experiments import draw_bits

rates = {name: {n: of for (v, n), of in live.items() if v == name} for name in VARIANTS}
for (n, name), of_seeds in by_length["success_rate"]:
    rates[name][n] = list(of_seeds)
fig, ax = plt.subplots(figsize=(7, 3.6))
draw_bits(ax, rates)
show(fig, "experiments.bits")

# %% [markdown]
# 形状一样：没有 HER 的掉下断崖，有 HER 的走平路。断崖的*位置*不一样：论文的在 13 位；照我们给的步数，在 8 位和 10 位之间。它还会挪：上面只给两万步，8 位要看运气；给到六万步，8 位五个种子都学会。
#
# 步数之外，论文的设置在附录 A（翻比特的“与此相同”）：所有转移都用 $\gamma=0.98$，结束回合的也不例外，也就是碰到目标也照样往后自举，本课也这样。于是还什么都没学会的时候，网络看哪里都是 −50，碰到目标的那一步值 $0+\gamma\cdot(-50)=-49$，只比碰不到的 $-50$ 高 1（1.4 节）。文中没说的只有误差怎么罚：我们用 Huber 损失，大误差只按一次方算。
#
# 把这两样改掉，断崖会挪多远？存档（[`results/ends`](../../results/ends)）：`ends` 是碰到就不再自举（回合照走），`squared` 是平方误差，都不带的是我们原来的写法。一行一种，一列一个种子的最后成绩，`steps` 是中位数：

# %%
ends = read_runs("ends")
by = {"index": ["task", "variant"], "columns": "seed", "values": "success_rate"}
table = ends.pivot_table(**by, sort=False)
table.columns = [f"seed {seed}" for seed in table.columns]
steps = ends.groupby(["task", "variant"])["env_steps"].median().astype(int)
table.join(steps.rename("steps")).round(2)

# %%
thirteen = ends[ends["task"] == "bits_13"].groupby("variant")["env_steps"].apply(list)
curves = read_curves(RESULTS / "ends" / "curves.csv")
every = np.diff(curves["bits_13", "none_ends_squared"][0]).max()
steps = [thirteen[name] for name in ("none_ends_squared", "her_ends_squared")]
slow, fast = (np.array(of_seeds) for of_seeds in steps)
factor = {"as measured": np.exp(np.log(slow).mean() - np.log(fast).mean()), "grid": every}
factor["fewest steps with HER"] = fast.min()
factor["at least"] = times_as_fast(slow - every, fast, grid=0)["low"]
pd.DataFrame(factor, index=["13 bits"]).round(1)

# %% [markdown]
# 单改一样，10 位照样是 0；两样一起改，三万多步就学会了，13 位也行，不过要三十万步上下，15 位给到五十万步还是 0。断崖挪到了 13 和 15 位之间，*位置*像论文的 13，凭的却是附录 A 排除掉的写法（碰到就不再自举），所以这并没有解释论文的 13；我们不知道那个 13 从哪里来。
#
# HER 改不改都会。两样都改了，13 位上它快多少？每 8,320 步才评估一次，而 HER 五个种子都在第一次评估就过了：它真正要的步数在 0 和 8,320 之间，倍数没有上界，只有下端（表的最后一列，算上格子）。
#
# 断崖在哪里，取决于给多少步、比特怎么写成输入（第 1 章）、成功算不算终点、误差怎么罚。所以别记“13”，记那座悬崖。
#
# ## 6.5　转盘与楼梯：HER 在哪里是错的
#
# 第 2 章 2.3 节留了一笔账：世界要是会掷骰子，事后挑目标就有偏差。[Plappert 等（2018，第 2 节）](https://arxiv.org/abs/1802.09464)给过一个反例：有个动作把你扔到随机的地方，事后看来，它*每次都正中目标*。我们造一个能心算的。
#
# 十个房间和一个厅。厅里，按 0 号是**转盘**，立刻被扔进随机一间，进去就出不来；按 $j$ 号是**楼梯**，走四步，必到第 $j$ 间。厅在一扇门后：起点按 0 号是**门**，一步进厅，没有随机；按 $j$ 号是一条**确定的路**，四步到第 $j$ 间。$\gamma=0.9$，没到每步 −1。各值多少？

# %%
GAMMA, ROOMS, STEPS = 0.9, 10, 4
hopeless = -1 / (1 - GAMMA)
wheel = (1 - 1 / ROOMS) * hopeless
certain = -sum(GAMMA**i for i in range(STEPS - 1))
door = -1 + GAMMA * max(wheel, certain)
worth = {"wheel": wheel, "stairs": certain, "door": door, "certain path": certain}
pd.DataFrame(worth, index=["true value"]).round(2)


# %% [markdown]
# 转盘：十分之九的机会落进别的房间，再也到不了目标，值 −9。所以厅里走楼梯，起点走确定的路。
#
# HER 看到什么？转了转盘的回合，后来一直在那一间。`future` 抽来抽去，替代目标总是*掉进去的那一间*。于是换过目标的行里，转盘百发百中：$k$ 份全中，真的那份十次中一次，混起来的胜率是（$n=10$ 是房间数）
#
# $$p_k=\frac{\frac{1}{n}+k}{1+k},\qquad Q_{\text{HER}}(\text{转盘})=-\frac{1-p_k}{1-\gamma}$$

# %%
def chance(k):
    return (1 / ROOMS + k) / (1 + k)


def believed(k):
    return (1 - chance(k)) * hopeless


ks = (0, 1, 2, 4, 8)
columns = {"chance": map(chance, ks), "wheel": map(believed, ks), "stairs": certain}
pd.DataFrame(columns, index=ks).rename_axis("k").round(2).T

# %% [markdown]
# $k=4$，一成的机会看成了八成二，转盘从 −9 涨到 −1.8，比楼梯还好。公式这么说，库也这样吗？一万个回合，随机地按，存进去，用批次学一张表。（房间编号 1 到 10，厅 0，起点 11，路上的每一级各有编号。）

# %%
from copy import deepcopy

from her import Episode, HERConfig, HindsightExperienceReplay, sparse_reward

START, HALL, SIZE = 11, 0, 250


def same_room(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.5)


def way_to(room, floor):
    return [floor + 4 * room + i for i in range(STEPS - 1)] + [room]


# %%
def wander(rng):
    goal, room = rng.integers(1, ROOMS + 1, size=2)
    through_door, by_wheel = rng.integers(2, size=2)
    places = {(0, 0): way_to(room, 100), (1, 0): [HALL, *way_to(room, 200)], (1, 1): [HALL, room]}
    path = [START, *places[through_door, by_wheel * through_door]]
    actions = [0, 0 if by_wheel else room] if through_door else [room]
    path += [room] * (7 - len(path))  # a room is never left
    actions += [0] * (6 - len(actions))
    path = np.float32(path)[:, None]
    rewards = same_room(path[1:], np.float32([[goal]]))
    return Episode.from_arrays(path[:-1], actions, rewards, path[1:], np.zeros(6), path[1:], [goal])


# %% [markdown]
# 学法是第 2 章的贝尔曼更新，随机的世界里要对批次*取平均*，反复代到不动为止。`weight` 是每种转移的权重，先都是 1：

# %%
def counts(batch):
    columns = [batch.states, batch.goals, batch.actions, batch.next_states]
    kinds, n = np.unique(np.hstack(columns).astype(int), axis=0, return_counts=True)
    return kinds.T, n


def total(shape, where, n):
    sums = np.zeros(shape)
    np.add.at(sums, where, n)
    return sums[where]


# %%
def learn(batch, weight=lambda kinds, n: 1.0, sweeps=80):
    kinds, n = counts(batch)
    s, g, a, after = kinds
    n = n * weight(kinds, n)
    shape = (SIZE, SIZE, ROOMS + 1)
    share = n / total(shape, (s, g, a), n)
    q = np.full(shape, hopeless)
    for _ in range(sweeps):
        target = -1.0 * (after != g) + GAMMA * q[after, g].max(axis=1)
        q[s, g, a] = 0
        np.add.at(q, (s, g, a), share * target)
    return q


# %%
rng = np.random.default_rng(SEED)
episodes = [wander(rng) for _ in range(10_000)]
KS, batches = (0, 1, 4, 8, 16), {}
stored = HindsightExperienceReplay(60_000, 1, 1, 1, HERConfig("future", 4, same_room), seed=SEED)
for episode in episodes:
    stored.store_episode(episode)
for k in KS:
    buffer = deepcopy(stored)
    buffer.config = HERConfig("future", k, same_room)
    batches[k] = buffer.sample(200_000)
tables = {k: learn(batch) for k, batch in batches.items()}

# %% [markdown]
# 看点：红点（表学到的）应当压在红线（公式）上；黑点线是转盘的真值，蓝虚线是楼梯的。红线在哪个 $k$ 越过蓝线？

# %%
from her_course.figures.experiments import draw_bias

goals = np.arange(1, ROOMS + 1)
learned = [q[HALL, goals, 0].mean() for q in tables.values()]
line = np.linspace(0, 16, 100)
fig, ax = plt.subplots(figsize=(6.4, 3.5))
draw_bias(ax, line, believed(line), KS, learned, wheel, certain)
show(fig, "experiments.bias")


# %% [markdown]
# 一行一个 $k$：转盘学到的、公式算的；**门**学到的（真值 −3.44）；确定的路学到的（真值 −2.71）；照学到的表去按，十个目标里进门的有几个，真正的成功率多少。

# %%
def outcome(q):
    first, second = q[START, goals].argmax(axis=1), q[HALL, goals].argmax(axis=1)
    inside = np.where(second == 0, 1 / ROOMS, second == goals)
    success = np.where(first == 0, inside, first == goals).mean()
    values = q[HALL, goals, 0], q[START, goals, 0], q[START, goals, goals]
    names = ("wheel", "door", "certain path")
    means = dict(zip(names, (value.mean() for value in values), strict=True))
    return means | {"take the door": (first == 0).sum(), "success": success}


# %%
rows = pd.DataFrame({k: outcome(q) for k, q in tables.items()}).T.rename_axis("k")
assert np.allclose(rows["wheel"], [believed(k) for k in KS], atol=0.2)
rows.assign(formula=[believed(k) for k in KS]).round(2)


# %% [markdown]
# $k\le 1$ 时走确定的路，百分之百成功；$k=4$ 时门和确定的路只差 0.08 左右，抽样的噪声让一部分目标逃过，多数还是进了门；$k\ge 8$ 就个个进门去转转盘，成功率掉到一成。公式里没有数据量，数据再多也救不回来：这不是噪声，是*偏差*（bias）。
#
# 而且错的不止转盘。**门本身没有一点随机**，它的值却从真值 −3.44 涨到了 $-1+0.9\times(-1.8)=-2.62$（$k=4$），高过确定的路 −2.71：虚高的价值沿着自举往上游传。确定的路上没有通向转盘的岔口，所以它的值没错。
#
# 为什么？“掉进了第 $g$ 间”成了挑数据的标准，掉进别处的那九成，在目标是 $g$ 的重标注数据里没有出现。[USHER](https://arxiv.org/abs/2207.01115)（2022）的说法是：低估了坏结果的可能；[ARCHER](https://arxiv.org/abs/1809.02070)（2018）也指出过这个偏差。
#
# ### 改正，以及要付多少
#
# USHER 的办法是给每条转移一个权重，把“在目标 $g$ 的数据里，$s'$ 有多常见”换回“世界里 $s'$ 有多常见”：
#
# $$w(s,a,g,s')=\frac{P(s'\mid s,a)}{P_{\text{HER}}(s'\mid s,a,g)}$$
#
# 论文用网络估计这个比。这里的世界小，两个概率都数得出来：

# %%
def hindsight_weight(kinds, n):
    s, g, a, after = kinds
    landed = total((SIZE, ROOMS + 1, SIZE), (s, a, after), n)
    of_world = landed / total((SIZE, ROOMS + 1), (s, a), n)
    in_data = n / total((SIZE, SIZE, ROOMS + 1), (s, g, a), n)
    return of_world / in_data


# %%
def effective(batch):
    kinds, n = counts(batch)
    spun = (kinds[0] == HALL) & (kinds[2] == 0) & np.isin(kinds[1], goals)
    w, n = hindsight_weight(kinds, n)[spun], n[spun]
    return (n * w).sum() ** 2 / (n * w**2).sum() / n.sum()


# %% [markdown]
# 代价在方差：掉进别处的行少，权重就大，一批数据里真正算数的变少。有效样本的份额是 $(\sum w)^2/(N\sum w^2)$，这里数的是转盘那些行。左图：门的值，修正前和修正后。右图：有效样本还剩几成。

# %%
from her_course.figures.experiments import draw_detour

corrected = {k: learn(batch, hindsight_weight) for k, batch in batches.items()}
fixed = pd.DataFrame({k: outcome(q) for k, q in corrected.items()}).T.rename_axis("k")
fixed["effective"] = [effective(batch) for batch in batches.values()]
shown = {"k": KS, "plain": rows["door"], "corrected": fixed["door"]}
shown["effective"] = fixed["effective"]
fig, axes = plt.subplots(1, 2, figsize=(9.4, 3.3))
draw_detour(axes, shown, door, certain)
show(fig, "experiments.detour")
assert np.allclose(fixed["door"], door, atol=0.1)
fixed.round(2)

# %% [markdown]
# 修正以后，门回到 −3.44，人人走确定的路。$k=4$ 时，转盘的行只剩两成左右算数。这里能数出 $P(s'\mid s,a)$；机械臂上数不出，得学一个，那又是一处会错的地方。
#
# 多数任务里的随机是小噪声，不是转盘。可要是你的任务里有个动作*赌一把*，请记得这两张图。
#
# ## 6.6　HER 后来怎样了
#
# 2026 年的目标条件强化学习里，重标注仍是标准配件：[OGBench](https://arxiv.org/abs/2410.20092) 的离线算法、[JaxGCRL](https://arxiv.org/abs/2408.11052) 的在线算法，抽数据时都在换目标；变的是换成*哪些*目标、换了*做什么*。更早的根在这里：Kaelbling（1993）已经把目标当输入，而且一条经验教会所有目标；[Schaul 等（2015）](https://proceedings.mlr.press/v37/schaul15.html)的 UVFA 把它带进神经网络。
#
# ### 一、混合的目标
#
# OGBench 的数据类按份额混合几种目标：同一条轨迹的以后、随便哪条轨迹、眼前这一个。HER 的 $k=4$ 也是一种混合：八成 `future`，两成原来的目标。下面三个缓冲区存同样的回合，一个批次从三个里各抽一份，拼起来：

# %%
import torch

from her import GoalConditionedReplayBuffer
from her.agents import DQN, DQNConfig
from her.training.evaluation import evaluate, make_envs, rollout

torch.set_num_threads(1)
MIXTURES = {"HER": {"future": 205, "actual": 51}}
MIXTURES["mixture"] = {"future": 128, "actual": 77, "random": 51}
ROUNDS = 16 if PROFILE == "full" else 2


# %%
def mixed_batch(buffers, rows):
    parts = [buffers[name].sample(n).torch() for name, n in rows.items()]
    return type(parts[0])(*map(torch.cat, zip(*parts, strict=True)))


# %%
def all_bits(achieved, desired):
    return np.all(achieved == desired, axis=-1) - 1.0


def make_buffers(seed):
    sizes, many = (40_000, 15, 1, 15), 10**9  # so many substitutes that every row has one
    ours = {s: HERConfig(s, many, all_bits) for s in ("future", "random")}
    buffers = {s: HindsightExperienceReplay(*sizes, c, seed=seed) for s, c in ours.items()}
    return buffers | {"actual": GoalConditionedReplayBuffer(*sizes, seed=seed)}


# %% [markdown]
# 训练循环是 4.9 节的，批次换成拼起来的：

# %%
def learn_bits(rows, seed):
    envs, tests = (make_envs("her/BitFlip-v0", n, n_bits=15) for n in (64, 100))
    agent = DQN(30, 15, DQNConfig(learning_rate=2e-3, tau=0.02), seed=seed)
    curve, act, buffers = [], partial(agent.act, explore=True), make_buffers(seed)
    for i in range(ROUNDS):
        for episode in rollout(act, envs, steps=15, seed=100 * seed + i).episodes():
            for buffer in buffers.values():
                buffer.store_episode(episode)
        for _ in range(80):
            agent.update(mixed_batch(buffers, rows))
        curve.append(evaluate(agent.act, tests, seed=10_000 + i).success_rate("any"))
    return curve


# %% tags=["nbval-ignore-output"]
from her_course.figures.experiments import draw_mixture

jobs = [partial(learn_bits, rows, seed) for rows in MIXTURES.values() for seed in SEEDS]
curves = np.array(on_all_cores(jobs)).reshape(len(MIXTURES), len(SEEDS), -1)
fig, ax = plt.subplots(figsize=(6.4, 3.3))
steps = 64 * 15 * np.arange(1, curves.shape[2] + 1)
draw_mixture(ax, steps, dict(zip(MIXTURES, curves, strict=True)))
show(fig, "experiments.mixture")
columns = [f"seed {seed}" for seed in SEEDS]
pd.DataFrame(curves.mean(axis=2), index=list(MIXTURES), columns=columns).round(2)

# %% [markdown]
# 表里是一路平均的成功率，一列一个种子。`random` 的目标多半出自别的回合，这个回合没到过，给的是 −1；批次里该分给它多少，取决于任务。这里混合的三个种子都略高一点，和种子之间的差别一般大；真目标也多了一半，说不准是谁的功劳。
#
# ### 二、一次学会所有目标
#
# 为什么只换一个目标？转移 $(s,a,s')$ 不归哪个目标管，它对*每一个* $g$ 都说得上话。走廊这么小，可以真的一次更新全部：11 格，$Q$ 是一张 11 × 11 × 2 的表。同样的经验（乱走的回合），三种更新：只用当时的目标（own）；八成换成一个以后到达的目标（HER，$k=4$）；所有目标一起（all）。要抽多少条转移，每一个起点、每一个目标的贪心动作才全对？

# %%
CELLS = np.arange(11)


def random_walks(rng, episodes=300, steps=20):
    actions = rng.integers(2, size=(episodes, steps))
    places = np.zeros((episodes, steps + 1), int) + rng.integers(11, size=(episodes, 1))
    for t in range(steps):
        places[:, t + 1] = (places[:, t] + 2 * actions[:, t] - 1).clip(0, 10)
    return places, actions, rng.integers(11, size=episodes)


# %%
def all_right(q):
    right = CELLS[:, None] < CELLS  # from cell (down) to goal (across), go right
    return ((q.argmax(axis=2) == right) | (CELLS[:, None] == CELLS)).all()


# %%
def draws_needed(how, seed, every=50):
    rng = np.random.default_rng(seed)
    places, actions, own = random_walks(rng)
    q = np.full((11, 11, 2), hopeless)
    for n in range(1, 100_001):
        e, t = rng.integers(300), rng.integers(20)
        s, a, after = places[e, t], actions[e, t], places[e, t + 1]
        later = places[e, rng.integers(t + 1, 21)] if rng.random() < 0.8 else own[e]
        g = {"own": own[e], "HER": later, "all": CELLS}[how]
        q[s, g, a] = -1.0 * (after != g) + GAMMA * q[after, g].max(axis=-1)
        if n % every == 0 and all_right(q):
            return n


# %%
ten = range(SEED, SEED + 10)
needed = {how: [draws_needed(how, seed) for seed in ten] for how in ("own", "HER", "all")}
arrivals = pd.DataFrame(needed, index=[f"seed {seed}" for seed in ten]).T
assert max(needed["all"]) < min(needed["HER"])
arrivals.assign(mean=arrivals.mean(axis=1))


# %% [markdown]
# 全部一起最省，只要十八分之一、四十分之一：一条转移当 11 条用，还不必等每个（格，目标）碰巧轮到。上面两行每次只更新一个目标，而 HER 要的还*更多*：表里没有泛化，每个（格，目标）都得亲自轮到，乱走的回合难得经过远处，它换上的目标多半在近处。HER 的好处要有网络把近处的推广到远处才看得见。表里这是精确的：更新的是同一个贝尔曼方程，只是一次写 11 行。机械臂的目标有无穷多个，神经网络里得想办法；2026 年还有人在做（LEO，[arXiv:2605.23551](https://arxiv.org/abs/2605.23551)；把目标的*集合*当目标的 GS-HER，[arXiv:2606.09476](https://arxiv.org/abs/2606.09476)）。
#
# ### 三、连奖励也不要
#
# 对比学习的 RL（contrastive RL，[Eysenbach 等，2022](https://arxiv.org/abs/2206.07568)）把重标注变成一道分类题：“以后到过的”是正样本，“别的回合到过的”是负样本，分类器的打分就当价值用；没有奖励，也没有自举。JaxGCRL 把它做大了。
#
# 其余的一张表，各改一处：
#
# | | 年 | 改了什么 | 留下什么 |
# |---|---|---|---|
# | [HGG](https://arxiv.org/abs/1906.04279) | 2019 | *去玩的时候*奔哪里去：从到过的地方里造一串通向任务的目标 | HER 照用 |
# | [CHER](https://papers.nips.cc/paper/2019/hash/83715fd4755b33f9c3958e1a9ee221e1-Abstract.html) | 2019 | 一批里挑哪些：先广后近（5.7 节） | HER 照用 |
# | [Hindsight Policy Gradients](https://arxiv.org/abs/1711.06006) | 2019 | *在策略*的学习器也能重标注，要加重要性权重 | 重标注 |
# | [MEGA](https://arxiv.org/abs/2007.02832) | 2020 | *去玩的时候*奔最冷门的到过之处去 | HER 照用 |
# | [GCSL](https://arxiv.org/abs/1912.06088) | 2021 | 不要价值函数：换了目标的动作直接当示范来模仿 | 只留重标注 |
# | [MHER](https://arxiv.org/abs/2102.12962) | 2021 | 一次往前看好几步，并处理由此多出来的离策略偏差 | HER 照用 |
# | [USHER](https://arxiv.org/abs/2207.01115) | 2022 | 修正 6.5 节的偏差 | 在随机的世界里也对 |
#
# 机器人为什么还在用它？稀疏的成败最容易定义，也最不会被钻空子；一条失败的轨迹里有几十个别的目标；它和学习器无关，离线、在线、分类、模仿都能加。
#
# ## 6.7　什么时候别用
#
# 换个新任务，先做三项检查，每项几行：
#
# 1. **奖励能重算吗？** 用奖励函数算一遍，和环境给的逐步对，数不同的步。
# 2. **观测里藏着目标吗？** 只换目标，观测应当一个数都不变；看最大的变化。
# 3. **世界掷骰子吗？** 同样的起点，同样的动作，*换一个种子*再走一遍，应当一样；看最大的差别。（种子不换，骰子也会重演，什么也查不出。）

# %%
def play(envs, actions, seed, start):
    plan = iter(actions)
    return rollout(lambda x: next(plan), envs, envs.horizon, seed, start)


def start_of(envs, seed):
    envs.reset(seed=seed)
    return {key: envs.get_state()[key] for key in ("state", "goal")}


# %%
def check(env_id):
    envs = make_envs(env_id, 50)
    envs.action_space.seed(1)
    actions = [envs.action_space.sample() for _ in range(envs.horizon)]
    own, other = start_of(envs, 0), start_of(envs, 1)
    one, again = play(envs, actions, 0, own), play(envs, actions, 1, own)
    elsewhere = play(envs, actions, 0, own | {"goal": other["goal"]})
    rewards = envs.compute_reward(one.achieved_goals, one.goals, {})
    moves = [np.abs(one.states - run.states).max() for run in (elsewhere, again)]
    return one.rewards.size, (rewards != one.rewards).sum(), *moves


# %%
checks = ["steps", "rewards that differ", "change with the goal", "change with the seed"]
ids = ("her/BitFlip-v0", "her/Reach-v0", "her/Push-v0")
pd.DataFrame([check(env_id) for env_id in ids], index=ids, columns=checks)

# %% [markdown]
# 三个 0，放心用。不是的话，或者遇到下面的情形，就别用，或者先想想：
#
# | 情形 | 为什么 | 改用 |
# |---|---|---|
# | 任务写不成“到达某个状态”（越快越好、别摔倒） | 没有 $g$，也就没有什么可换 | 普通的强化学习 |
# | 奖励算不出来（人打分、看不见的量） | 换了目标没法重新打分 | 先学一个奖励模型 |
# | 在策略的算法（PPO、A2C） | 要平均“后来怎样”，而后来是挑过的（2.8 节） | 换成 DQN、DDPG、SAC；或者 Hindsight Policy Gradients 的权重 |
# | 会赌博的世界 | 6.5 节：赌的那一步，和通向它的每一步 | $k$ 小一点，或 USHER 一类的修正 |
# | 目标难得有变化（没人碰的物体） | 怎么换都算成功，什么也没教（2.5 节） | 让物体先动起来：能量、`moved`、从抓住开始 |
# | 本来就常常成功 | 没什么可救的：5 位只快了几倍（6.2 节） | 省下这份复杂 |
#
# **换成自己的任务**，在终端里敲五行就够了。Gymnasium 的目标环境都行：观测里有 `observation`、`achieved_goal`、`desired_goal`，有 `compute_reward(achieved, desired, info)`，有步数上限。假如 `my_module.py` 注册了 `MyEnv-v0`：
#
# ```console
# her train my_module:MyEnv-v0 --until-success 0.9
# her train my_module:MyEnv-v0 --env-kwargs max_episode_steps=50           # 注册时没写步数上限
# her train my_module:MyEnv-v0 --set success_function=my_module:reached    # info 和奖励都看不出成没成
# her sweep my_module:MyEnv-v0 --grid strategy=future,none --seeds 0-4
# her plot runs/sweep-MyEnv-v0
# ```
#
# 奖励不必是 −1 和 0。智能体学的时候，最好的总换算成 0，最差的换算成 −1，`her train` 开跑前会先说一声；只有奖励恰好两个值、差的不大于 0、好的不小于 0 时（−1 和 0，0 和 1 都算），目标值才会裁剪。
#
# ## 6.8　一张卡片
#
# > **HER**
# >
# > **要**：$Q(s,a,g)$，离策略的学习器，一个算得出的 $r_g$，看不见目标的动力学。
# >
# > **做**：抽一条转移；以 $\frac{k}{k+1}$ 的机会，把 $g$ 换成同一回合里这一步或以后达到的目标；*重算*奖励和 `done`；$s$、$a$、$s'$ 不动。
# >
# > **默认**：`future`，$k=4$，抽样时才换。达到的目标取在动作之后。归一化器看网络真正的输入。目标值裁到 $[-\frac{1}{1-\gamma},0]$。
# >
# > **记**：`future`、到过的地方各不相同时，成功的份额是 $\frac{k}{k+1}\cdot\frac{H_T}{T}$，不是 $\frac{k}{k+1}$（2.5 节）；重复越多份额越高，能学的越少。
# >
# > **报**：最后一步还是任意一步；几个种子，区间，评估的间隔；未达到就写未达到。
# >
# > **慎**：转盘和通向转盘的路、没人碰的物体、在策略、算不出的奖励。
#
# ## 6.9　回头看
#
# 1. **当场比。** 三个任务，只差一个词，带 HER 的平均比不带的最好的高出五十个百分点以上（6.1）。
# 2. **至少。** 十个种子，没有 HER 的一边在三个任务上都未达到三成，倍数只能说下界；两边都达到的 5 位，是几倍（6.2）。
# 3. **机械臂。** 读存档，看录像，没练成的写没练成；预算不是达到某个成功率的步数（6.3）。
# 4. **论文的图 1。** 悬崖在，位置随设置走；我们能把它挪到 13 位后面，用的却是论文排除的写法（6.4）。
# 5. **转盘。** 一成看成八成二，$k=4$ 就上当，连确定的那扇门也被高估：−2.62，真值 −3.44。能改正，代价是有效样本只剩两成左右（6.5）。
# 6. **后来。** 混合的目标，所有目标，不要奖励：换的目标不同，换目标这件事还在（6.6）。
# 7. **检查。** 三项，九个 0（6.7）。
#
# ### 三个常见的误会
#
# - **“HER 快 50 倍。”** 哪个任务？另一边达到了吗？论文里没有这样的数。
# - **“未达到的种子去掉，取剩下的平均。”** 那是把失败删了再夸成功。
# - **“用了 HER 总不会更差。”** 转盘那里，百分之百变成一成（$k=8$）。
#
# ### 动手
#
# 打开 [`exercises/zh/ch6.ipynb`](../../exercises/zh/ch6.ipynb)：`steps_to_threshold`、`iqm`、`bootstrap_interval`、`speed_up`，还有找错题 `mended_network_inputs`；末尾的开放任务是“HER 快了几倍？”。`speed_up` 最像真实的科研：有的种子未达到，你报什么？
#
# 想多走一步：把 6.5 的转盘改成“九成走对，一成乱扔”的小噪声，先猜 $k=4$ 还上不上当。
#
# ### 最后一个问题
#
# 没有下一章了，问题留给你：你手上的任务，**失败的回合里，到过哪些值得想去的地方？**
#
# ### 参考文献
#
# - Agarwal 等（2021）. [*Deep Reinforcement Learning at the Edge of the Statistical Precipice*](https://arxiv.org/abs/2108.13264). NeurIPS.
# - Andrychowicz 等（2017）. [*Hindsight Experience Replay*](https://arxiv.org/abs/1707.01495). NeurIPS.
# - Bortkiewicz 等（2024）. [*Accelerating Goal-Conditioned RL Algorithms and Research*](https://arxiv.org/abs/2408.11052).（JaxGCRL）
# - Eysenbach 等（2022）. [*Contrastive Learning as Goal-Conditioned Reinforcement Learning*](https://arxiv.org/abs/2206.07568). NeurIPS.
# - Fang 等（2019）. [*Curriculum-guided Hindsight Experience Replay*](https://papers.nips.cc/paper/2019/hash/83715fd4755b33f9c3958e1a9ee221e1-Abstract.html). NeurIPS.
# - Ghosh 等（2021）. [*Learning to Reach Goals via Iterated Supervised Learning*](https://arxiv.org/abs/1912.06088). ICLR.（GCSL）
# - Haarnoja 等（2018）. [*Soft Actor-Critic*](https://arxiv.org/abs/1801.01290). ICML.
# - Kaelbling（1993）. *Learning to Achieve Goals*. IJCAI.
# - Lanka 与 Wu（2018）. [*ARCHER: Aggressive Rewards to Counter bias in Hindsight Experience Replay*](https://arxiv.org/abs/1809.02070).
# - Lillicrap 等（2016）. [*Continuous Control with Deep Reinforcement Learning*](https://arxiv.org/abs/1509.02971). ICLR.（DDPG）
# - Mnih 等（2015）. [*Human-level Control through Deep Reinforcement Learning*](https://doi.org/10.1038/nature14236). Nature.（DQN）
# - Ng、Harada 与 Russell（1999）. *Policy Invariance under Reward Transformations*. ICML.（基于势的塑形）
# - Park 等（2024）. [*OGBench: Benchmarking Offline Goal-Conditioned RL*](https://arxiv.org/abs/2410.20092).
# - Pitis 等（2020）. [*Maximum Entropy Gain Exploration for Long Horizon Multi-goal Reinforcement Learning*](https://arxiv.org/abs/2007.02832). ICML.（MEGA）
# - Plappert 等（2018）. [*Multi-Goal Reinforcement Learning: Challenging Robotics Environments and Request for Research*](https://arxiv.org/abs/1802.09464).
# - Raffin（2020）. [*RL Baselines3 Zoo*](https://github.com/DLR-RM/rl-baselines3-zoo). GitHub.
# - Rauber 等（2019）. [*Hindsight Policy Gradients*](https://arxiv.org/abs/1711.06006). ICLR.
# - Ren 等（2019）. [*Exploration via Hindsight Goal Generation*](https://arxiv.org/abs/1906.04279). NeurIPS.（HGG）
# - Schaul 等（2015）. [*Universal Value Function Approximators*](https://proceedings.mlr.press/v37/schaul15.html). ICML.
# - Schaul 等（2016）. [*Prioritized Experience Replay*](https://arxiv.org/abs/1511.05952). ICLR.
# - Schramm 等（2022）. [*USHER: Unbiased Sampling for Hindsight Experience Replay*](https://arxiv.org/abs/2207.01115). CoRL.
# - van Hasselt、Guez 与 Silver（2016）. [*Deep Reinforcement Learning with Double Q-learning*](https://arxiv.org/abs/1509.06461). AAAI.
# - Yang 等（2021）. [*Bias-reduced Multi-step Hindsight Experience Replay for Efficient Multi-goal Reinforcement Learning*](https://arxiv.org/abs/2102.12962).（MHER）
# - Zhao 与 Tresp（2018）. [*Energy-Based Hindsight Experience Prioritization*](https://arxiv.org/abs/1810.01363). CoRL.
