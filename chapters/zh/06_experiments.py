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
# > **这一章你会看到**：三个任务当场对打，一边有 HER，一边没有，别的一字不差。然后是十个种子的存档：多少回合走到三成、五成、七成、九成，没走到的就写没走到。然后是机械臂（仿真的）。最后是一个小到能心算的世界，HER 在那里把一成的胜算看成八成，心甘情愿地去转转盘。
# >
# > **时间**：阅读 40 分钟，运行约 4 分钟（2 核 CPU）。
# >
# > **需要**：前五章；尤其是第 1 章的“任意一步／最后一步”和第 2 章的 2.3 节。
#
# 读完你能：
#
# 1. 设计一场公平的对比：同样的步数、同样的更新次数、好几个种子，还有一次另出题的期末考；
# 2. 报“快了几倍”时带上区间，对从没走到的一边只说“至少”；
# 3. 看懂机械臂的存档，自己重放训练好的策略；
# 4. 把论文的两张图和自己量的摆在一起，说出哪里一样、哪里不一样；
# 5. 一步一步算出 HER 在随机的世界里错多少；
# 6. 拿到一个新任务，先做三项体检，再决定用不用 HER。

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
# ## 6.1　当场对打
#
# 公平的对比只许一处不同。这里就是一个词：`strategy="future"` 还是 `"none"`。网络、学习率、步数、更新次数、种子，全都相同。三个任务，步数不一样多，因为难度不一样。最后一栏是按什么算成功（第 1 章）：

# %%
TASKS = {
    "bit_flip_15": ("her/BitFlip-v0", {"n_bits": 15}, 20_000, "any"),
    "reach": ("her/Reach-v0", {}, 48_000, "end"),
    "push": ("her/Push-v0", {}, 220_000, "end"),
}

# %%
from her_course.figures.progress import progress_bar
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()


def train(task, strategy, seed, share):
    env_id, env_kwargs, steps, _ = TASKS[task]
    settings = {"max_steps": int(steps * share), "strategy": strategy, "seed": seed, "evaluate_every": 4}
    trainer = Trainer(settings_for(env_id, env_kwargs, **settings))
    rounds = -(-trainer.config.max_steps // (trainer.config.n_envs * trainer.horizon))
    progress = [p for p in progress_bar(trainer.run(), rounds, f"{task} {strategy} {seed}") if p.success_rate is not None]
    return trainer, np.array([(p.env_steps, p.success_rate) for p in progress]).T


# %% [markdown]
# 三个种子，大约三分钟。（快速档只跑一个种子、五分之一的步数，看个样子。）

# %%
VARIANTS = {"her": "future", "none": "none"}
SEEDS, SHARE = (range(SEED, SEED + 3), 1) if PROFILE == "full" else (range(SEED, SEED + 1), 0.2)
runs = {(task, name): [train(task, strategy, seed, SHARE) for seed in SEEDS] for task in TASKS for name, strategy in VARIANTS.items()}

# %% [markdown]
# 线是平均，带子是 95 % 自助法区间（三个种子，只能粗看）。先看三幅图的*形状*：哪个任务是慢慢爬，哪个任务憋了很久突然开窍？再看灰线。

# %%
from her_course.figures.experiments import draw_hindsight_against_none
from her_course.figures.experiments import alt

titles = dict(zip(TASKS, text(LANG, "翻比特，15 位|绕墙|推冰球", "bit flipping, 15 bits|Reach|Push").split("|"), strict=True))
fig, axes = plt.subplots(1, 3, figsize=(10, 3.1))
for ax, (task, (*_, at)) in zip(axes, TASKS.items(), strict=True):
    live = {name: (runs[task, name][0][1][0], np.array([curve[1] for _, curve in runs[task, name]])) for name in VARIANTS}
    draw_hindsight_against_none(ax, live, LANG, at)
    ax.set_title(titles[task])
axes[0].legend()
show(fig, alt=alt("live", LANG))

# %% [markdown]
# 曲线上的小考只有 100 道题，还容易让人专挑最高的那一点。期末考另出题：每个种子 200 道，每行是各种子的成绩：

# %% tags=["nbval-ignore-output"]
exams = {key: [trainer.final_evaluation().success_rate(TASKS[key[0]][-1]) for trainer, _ in group] for key, group in runs.items()}
for (task, name), rates in exams.items():
    print(f"{task:12} {name:5}", *(f"{rate:.2f}" for rate in rates))
if PROFILE == "full":
    for task in TASKS:
        assert np.mean(exams[task, "her"]) > max(exams[task, "none"]) + 0.5

# %% [markdown]
# 断言里写着：每个任务上，带 HER 的*平均*成绩，比不带 HER 的*最好*的种子还高出五十个百分点以上。

# %% [markdown]
# ## 6.2　快了几倍，怎么说才老实
#
# 三个种子看个热闹，正经的数用存档：`her sweep results/first_look/sweep.toml`，十个种子，步数也更多。问题换一个问法：**要多少回合，成功率才第一次走到 30 %、50 %、70 %、90 %？**
#
# 没走到的怎么办？不能删（那是专挑好的），不能填一个数（那是编的）。只能写“没走到”。

# %%
from pathlib import Path

from her.plots.curves import read_curves
from her.sweeps.statistics import bootstrap, steps_to_threshold

RESULTS = next(folder / "results" for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "results").is_dir())
LEVELS = (0.3, 0.5, 0.7, 0.9)


# %%
def episodes_needed(folder, task, horizon):
    curves = read_curves(RESULTS / folder / "curves.csv")
    found, played = {}, {}
    for name in VARIANTS:
        steps, success = curves[task, name]
        played[name] = steps[-1] / horizon
        found[name] = {level: [steps_to_threshold(steps / horizon, seed, level) for seed in success] for level in LEVELS}
    return found, played


# %% [markdown]
# 每个点是一个种子，横轴是回合数，对数的。空心方块是没走到的，画在点线上：那是它玩过的全部回合。先找灰色的*实心*方块：

# %%
from her_course.figures.experiments import draw_needed

horizons = {"bit_flip_15": 15, "reach": 50, "push": 50}
needed = {task: episodes_needed("first_look", task, horizon) for task, horizon in horizons.items()}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
for ax, (task, (found, played)) in zip(axes, needed.items(), strict=True):
    draw_needed(ax, found, played, titles[task], LANG)
axes[0].legend(loc="center")
show(fig, alt=alt("needed", LANG))

# %% [markdown]
# 一个也没有。三个任务，十个种子，连三成都没走到过。
#
# 那“快了几倍”？一边没走到，倍数就没有上界，只能说**至少**：拿它玩过的全部回合，除以有 HER 的那边要的回合。均值相除，区间由两边的种子重抽得来：

# %%
from her.sweeps.statistics import ratio


def report(found, played):
    for level in LEVELS:
        slow, fast = found["none"][level], found["her"][level]
        if None in fast:
            print(f"  {level:.0%}   HER {len(fast) - fast.count(None)}/{len(fast)}")
            continue
        times = ratio([played["none"] if n is None else n for n in slow], fast)
        mean, sign = bootstrap(fast, np.mean), ">" if None in slow else " "
        print(f"  {level:.0%}   {mean.value:6,.0f} [{mean.low:,.0f}, {mean.high:,.0f}]   {len(slow) - slow.count(None)}/{len(slow)}   {sign} {times.value:4.1f} x [{times.low:.1f}, {times.high:.1f}]")


# %% [markdown]
# 每行：要走到的成功率；有 HER 要的回合（十个种子的平均和区间）；没有 HER 的种子里有几个走到了；倍数和区间，带 `>` 的是“至少”。宽度为 0 的区间别当真：翻比特每 128 个回合才考一次，十个种子都在同一次小考上过的线。

# %%
for task, (found, played) in needed.items():
    print(titles[task])
    report(found, played)


# %% [markdown]
# 注意“至少”有多靠不住：它取决于我们*舍得*让没有 HER 的那边玩多久。多给一倍步数，倍数就翻一番。所以见到“HER 快 50 倍”这种话，先问：另一边走到了没有？论文里没有这种数字，它只有曲线。
#
# 要一个*两边都走到*的任务，才谈得上真正的倍数。5 位的翻比特就是，小到可以当场跑五个种子：一走到 95 %、再由 200 道新题确认，就停，记下一共玩了多少回合。

# %%
def until_learned(n_bits, strategy, seed):
    settings = {"strategy": strategy, "seed": seed, "until_success": 0.95, "evaluate_every": 1, "max_steps": 20_000}
    *_, last = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings)).run()
    return last.episodes if last.solved else None


# %% tags=["nbval-ignore-output"]
five = {name: [until_learned(5, strategy, seed) for seed in range(SEED, SEED + 5)] for name, strategy in VARIANTS.items()}
print(five)
times = ratio([n or 4_000 for n in five["none"]], five["her"])
print(f"{times.value:.1f} x [{times.low:.1f}, {times.high:.1f}]")
assert 1 < times.low < times.high < 10

# %% [markdown]
# 三倍上下：32 种图案，乱翻也常常碰上，HER 只是快一些。*任务越难，差距越大*，这才是要记住的句子，不是某个倍数。

# %% [markdown]
# ## 6.3　机械臂
#
# Gymnasium-Robotics 的 Fetch：MuJoCo 里仿真的七关节机械臂。FetchReach 把手爪移到空中一点，FetchPush 把方块推到桌上一点，FetchPickAndPlace 的目标有一半悬在空中，得抓起来，FetchSlide 要把圆盘打出去，滑到手够不着的地方。一个种子要练半分钟到二十来分钟 CPU，笔记本里跑不起，所以读存档；设置、种子、版本、命令都和表放在一起（`results/fetch` 等文件夹）。
#
# 每行：任务和变体；几个种子；最后成绩（200 道新题，最后一步）的四分位均值（IQM）和区间；平均玩了几千步停下。走到 95 % 就停，而让它停的正是这次考试，所以提前停的天生不低于 0.95，要比的是步数。只有一个种子的行，区间两头一样：那不是准，是无从估计；不到四个种子，没有头尾可去，IQM 就是平均。

# %%
import csv


def read_runs(folder):
    with open(RESULTS / folder / "runs.csv", newline="", encoding="utf-8") as file:
        return [run for run in csv.DictReader(file) if run["status"] == "done"]


def by_variant(folder, task):
    found = {}
    for run in read_runs(folder):
        if run["task"] == task:
            found.setdefault(run["variant"], []).append((float(run["success_rate"]), int(run["env_steps"])))
    return {name: np.transpose(of_seeds) for name, of_seeds in found.items()}


# %%
ARMS = {"reach": "fetch", "push": "fetch", "pick": "fetch_pick", "slide": "fetch_slide"}
for task, folder in ARMS.items():
    for name, (grades, steps) in by_variant(folder, task).items():
        print(f"{task:6} {name:18} {len(grades)}   {bootstrap(grades)}   {steps.mean() / 1e3:6.1f} k")

# %% [markdown]
# 变体的名字里带 `moved` 的，每个批次有一半抽自“方块动过”的回合；带 `energy` 的，回合按能量抽（第 5 章）；什么都不带的 `her`，是原原本本的 HER。`moved` 这一招论文里没有，是能量的近亲。带 `grasped` 的，训练时有一半回合从“方块已经夹在手里”开始：光靠碰运气，方块难得被抓起来；难得发生的事，事后也难得重标注到。这一招论文有，正是用在这个任务上（脚注 3 又说，目标时而在桌上、时而在空中，不用它也练得成；我们的预算没那么大）。带 `sac` 的，学习算法从 DDPG 换成了 SAC。考试一律从头来，方块在桌上。
#
# 左边一幅，几条线只差在回放：换不换目标，回合怎么抽。先猜：少了哪一样最要命？

# %%
from her_course.figures.experiments import draw_robots

fig, axes = plt.subplots(1, 3, figsize=(11, 4.2), sharey=True)
for ax, task in zip(axes, ("push", "pick", "slide"), strict=True):
    curves = read_curves(RESULTS / ARMS[task] / "curves.csv")
    draw_robots(ax, {name: curve for (of, name), curve in curves.items() if of == task}, f"Fetch, {task}", LANG)
    ax.label_outer()
show(fig, alt=alt("robots", LANG))

# %% [markdown]
# 推方块的各个变体，一行一个，是各种子的最后成绩：

# %%
push = {name: grades for name, (grades, _) in by_variant("fetch", "push").items()}
for name, grades in push.items():
    print(f"{name:12}", *(f"{grade:.2f}" for grade in grades))
assert min(*push["her_energy"], *push["her_moved"]) > max(push["her"]) > max(push["none_moved"]) > max(push["none"])

# %% [markdown]
# 换目标，再按能量抽回合，十九万到二十四万步，三个种子都到了 95 %；多抽方块动过的回合，要二十四万到三十二万步，五个种子也都到了。只换目标，也就是原样的 HER，四十万步走完，两个种子过了八成，另一个才两成出头：学得会，只是慢，还看运气。只挑回合、不换目标，一个种子走到将近一半，另两个和乱动差不多。两样都没有的，一个也没动静。（`td`、`reach`、`cher` 是第 5 章的另外三招，各一个种子，只走二十四万步：看一眼，不排名次。）
#
# 中间一幅是抓放：一半训练回合从夹住开始，三个种子在十六万到二十九万步之间都到了 95 %。右边的滑动最难，二十四万步走完，两个种子离 95 % 都还远。
#
# 为什么？2.5 节说过：方块没人碰，它达到的目标从头到尾就是原地，换来的目标一开头就已经达成，课上什么也没教。我们数过：胡乱动作的手臂，192 个回合里碰动方块的只有 16 %（`results/README.md`），一开始六课里有五课是白上的。能量和 `moved` 补的就是这个。论文没有这一招也学会了，预算大得多；rl-baselines3-zoo 公布的那次训练用了一百万步。**HER 能把失败变成教材，可教材里有没有内容，得看失败的那一回合到过哪里。**

# %% [markdown]
# 训练好的策略存成了小文件，权重、归一化器、怎么练的、考了几分，全在里面。不装 mujoco 也能读。每行：练了多少步，另出的 200 道题考了几成：

# %%
from her.policies import load_policy, shipped

for name in shipped():
    made = load_policy(name).made
    low, high = made["success_interval"]
    print(f"{name:22} {made['env_steps'] / 1e3:.0f} k   {made['success_rate']:.3f} [{low:.3f}, {high:.3f}]")

# %% [markdown]
# FetchSlide 不算练成：二十四万步，离 95 % 还远。别人也是它最难：rl-baselines3-zoo 公布的是三百万步，0.87（还是按任意一步算）。
#
# 看它们干活。下面是真策略录的像，四个回合并排，各有各的目标（小红点）。录的命令是 `python -m her_course.films FetchReach-v4 results/fetch/films/FetchReach-v4.png --steps 15 --size 140`，装了 `her-course[robotics]` 就能自己再录，换几个种子：

# %%
from IPython.display import Markdown, display

from her_course.figures import animate
from her_course.films import read_film

for path in sorted(RESULTS.glob("fetch*/films/*.png")):
    display(Markdown(path.stem))
    animate(read_film(path), fps=6, alt=f"{path.stem}: {alt('robot', LANG)}")


# %% [markdown]
# FetchReach 那样的任务，别从它下结论。Plappert 等（2018）自己说：连写错了一部分的实现有时也学得会。它适合验机器，不适合验想法。

# %% [markdown]
# ## 6.4　论文的两张图
#
# **图 1**（Andrychowicz 等，2017，3.1 节）：横轴比特数，纵轴成功率。论文说：DQN 解得了 $n\le 13$；加上 HER，轻松解到 50。
#
# 断崖附近的 5、8、11 位当场跑，两边最多都走两万步，最后用 200 道新题打分：

# %%
def last_grade(n_bits, strategy, seed):
    settings = {"strategy": strategy, "seed": seed, "until_success": 0.95, "evaluate_every": 4, "max_steps": 20_000}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings))
    for _ in trainer.run():
        pass
    return trainer.final_evaluation().success_rate("any")


# %% tags=["nbval-ignore-output"]
LENGTHS = (5, 8, 11) if PROFILE == "full" else (5, 11)
rates = {name: {n: [last_grade(n, strategy, seed) for seed in SEEDS] for n in LENGTHS} for name, strategy in VARIANTS.items()}
for name, by_n in rates.items():
    print(f"{name:5}", {n: [round(rate, 2) for rate in of_seeds] for n, of_seeds in by_n.items()})
assert np.mean(rates["none"][5]) > 0.9
assert max(rates["none"][11]) < 0.1
assert min(min(of_seeds) for of_seeds in rates["her"].values()) > 0.9

# %% [markdown]
# 更长的来自存档：`her sweep results/bit_flip/sweep.toml`，5 到 50 位，每档五个种子。每一档的步数和更新次数各有上限，两边一样；谁先连着两次考到 95 %，谁就提前收工。一行是：位数，哪一边，期末成绩的均值（提前收工的，正是这次考试让它收的工），几个种子，步数和 CPU 秒数的中位数：

# %%
recorded = {}
for run in read_runs("bit_flip"):
    recorded.setdefault((int(run["task"][-2:]), run["variant"]), []).append(run)
for (n, name), of_seeds in sorted(recorded.items()):
    rates[name][n] = [float(run["success_rate"]) for run in of_seeds]
    steps, seconds = (np.median([float(run[key]) for run in of_seeds]) for key in ("env_steps", "cpu_seconds"))
    print(f"{n:2}   {name:5} {np.mean(rates[name][n]):.2f}   {len(of_seeds)}   {steps:9,.0f}   {seconds:4.1f} s")

# %% [markdown]
# 看最下面的 50 位：有 HER，五个种子个个学会，每个一分钟上下的 CPU；没有 HER，步数多走了四成，期末考一道也没对。
#
# 画出来，连同上面的 11 位。每点一个种子。看两种颜色在哪里分手，再和两条虚线比：

# %%
from her_course.figures.experiments import draw_bits

fig, ax = plt.subplots(figsize=(7, 3.6))
draw_bits(ax, rates, LANG)
show(fig, alt=alt("bits", LANG))

# %% [markdown]
# 形状一样：没有 HER 的掉下断崖，有 HER 的走平路。断崖的*位置*不一样：论文的在 13 位，照我们给的步数，在 8 位和 10 位之间。它还会挪：上面只给两万步，8 位要看运气；给到六万步，8 位稳稳拿下。
#
# 步数之外，还有两件论文没交代的小事。一，碰到目标以后还往不往后自举？我们照第 4 章的约定，不断。还什么都没学会的时候，网络看哪里都是 −50。于是碰到的那一步值 $0+\gamma\cdot(-50)=-49$，只比碰不到的 $-50$ 高 1；要是算到此为止，就是 0，高出 50。二，误差怎么罚？我们用 Huber 损失，大误差只按一次方算；换成平方，那 50 才真的疼。
#
# 两件都换掉，断崖会挪多远？存档（`her sweep results/ends/sweep.toml`）：`ends` 是碰到就断（回合照走），`squared` 是平方误差，都不带的是我们原来的写法。每行：位数，变体，五个种子的期末成绩，步数的中位数：

# %%
for n in (10, 13, 15):
    for name, (grades, steps) in by_variant("ends", f"bits_{n}").items():
        print(f"{n}   {name:18}", *(f"{grade:.2f}" for grade in grades), f"  {np.median(steps):9,.0f}")
thirteen = {name: steps for name, (_, steps) in by_variant("ends", "bits_13").items()}
times = ratio(thirteen["none_ends_squared"], thirteen["her_ends_squared"])
print(f"{times.value:.0f} x [{times.low:.0f}, {times.high:.0f}]")

# %% [markdown]
# 单换一件，10 位照样是 0；两件一起换，三万步上下就学会了，13 位也行，不过要二三十万步，15 位给到五十万步还是 0。断崖挪到了 13 和 15 位之间，和论文的 13 对得上（步数也多给了；论文是不是这样设的，文里没说）。HER 换不换都会；13 位上，都换了再比，HER 还快二十来倍（最后一行是倍数和区间）。
#
# 断崖在哪里，取决于给多少步、比特怎么写成输入（第 1 章）、成功算不算终点、误差怎么罚。所以别记“13”，记那座悬崖。
#
# **图 6**：四种策略，几种 $k$。论文说：`future`，$k=4$ 或 8 最好；$k>8$ 变差；除了 `random`，别的都解得了推和抓。我们的存档（`her sweep results/strategies/sweep.toml`），四分位均值和区间：

# %%
from her_course.figures.experiments import draw_strategies

by_task = {}
for run in read_runs("strategies"):
    strategy, k = run["variant"].rsplit("_", 1)
    of_task = by_task.setdefault((run["task"], run["success_at"]), {})
    of_task.setdefault(strategy, {}).setdefault(int(k), []).append(float(run["success_rate"]))

# %%
fig, axes = plt.subplots(1, len(by_task), figsize=(4.6 * len(by_task), 3.4), squeeze=False)
for ax, ((task, at), of_task) in zip(axes[0], by_task.items(), strict=True):
    intervals = {s: {k: tuple(bootstrap(scores)) for k, scores in by_k.items()} for s, by_k in of_task.items()}
    draw_strategies(ax, intervals, text(LANG, *{"push": ("推冰球", "Push")}.get(task, ("翻比特，20 位", "bit flipping, 20 bits"))), LANG, at)
axes[0, 0].legend()
show(fig, alt=alt("strategies", LANG))

# %% [markdown]
# 一致的：`future` 两个任务都在前列（推冰球上 $k\le 8$ 时 `final` 和它并肩），`random` 两个都垫底。不一致的：论文里 `episode` 也解得了推，我们的推冰球在这个预算里没有；论文里 $k>8$ 变差，我们的 `future` 在推冰球上到 $k=16$ 也没有变差（变差的倒是 `final`，两个任务都是）。任务不同，步数不同，别指望每一条都搬得过来；站得最稳的只有一句：`future` 不挑任务。第 3 章逐条讲为什么。

# %% [markdown]
# ## 6.5　转盘与楼梯：HER 在哪里是错的
#
# 第 2 章 2.3 节留了一笔账：世界要是会掷骰子，事后挑目标就会偏心。Plappert 等（2018，第 2 节）给过一个反例：有个动作把你扔到随机的地方，事后看来，它*每次都正中目标*。我们造一个能心算的。
#
# 十个房间，起点有 11 个按钮。按 0 号：**转盘**，转一下，立刻被扔进随机一间，进去就出不来。按 $j$ 号：**楼梯**，走四步，必到第 $j$ 间。想去第 $g$ 间，该按哪个？$\gamma=0.9$，没到每步 −1：

# %%
GAMMA, ROOMS, STAIRS = 0.9, 10, 4
hopeless = -1 / (1 - GAMMA)
wheel = (1 - 1 / ROOMS) * hopeless
stairs = -sum(GAMMA**i for i in range(STAIRS - 1))
print(f"{wheel:.2f}   {stairs:.2f}")


# %% [markdown]
# 转盘：十分之九的机会永远出不来，值 −9。楼梯：三步 −1，第四步到，值 −2.71。当然走楼梯。
#
# HER 看到什么？转转盘的回合，后来一直在那一间。`future` 抽来抽去，替代目标总是*掉进去的那一间*。于是换过目标的行里，转盘百发百中。$k$ 份里 $k$ 份全中，真的那份中十分之一，混起来的胜率是（$m=10$ 是房间数）
#
# $$p_k=\frac{\frac{1}{m}+k}{1+k},\qquad Q_{\text{HER}}(\text{转盘})=-\frac{1-p_k}{1-\gamma}$$

# %%
def believed(k):
    return (1 - (1 / ROOMS + k) / (1 + k)) * hopeless


for k in (0, 1, 2, 4, 8):
    print(f"k = {k}   {(1 / ROOMS + k) / (1 + k):.2f}   {believed(k):6.2f}   {'wheel' if believed(k) > stairs else 'stairs'}")

# %% [markdown]
# $k=4$，一成的胜算看成了八成二，转盘从 −9 涨到 −1.8，比楼梯还好。公式说 HER 会去转转盘。真的会吗？让库来：闭着眼按按钮的一万个回合，存进去，用批次学一张表。

# %%
from her import Episode, HERConfig, HindsightExperienceReplay, sparse_reward


def same_room(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.5)


# %%
def press(rng):
    button, goal = rng.integers(ROOMS + 1), rng.integers(1, ROOMS + 1)
    end = button or rng.integers(1, ROOMS + 1)
    steps = [11, 12, 13] if button else []
    path = np.float32([0, *(10 * button + step for step in steps), *[end] * (5 - len(steps))])[:, None]
    actions = np.float32([button, 0, 0, 0, 0])
    return Episode.from_arrays(path[:-1], actions, same_room(path[1:], [[goal]]), path[1:], np.zeros(5), path[1:], [goal])


# %% [markdown]
# （楼梯上的每一级都有自己的编号，11 号以上；房间是 1 到 10，起点是 0。）学法是第 2 章的贝尔曼更新，随机的世界里要对批次*取平均*，反复代到不动为止：

# %%
def learn(batch, sweeps=150):
    columns = np.hstack([batch.states, batch.goals, batch.actions, batch.next_states]).astype(int)
    (s, g, a, after), n = (part.T for part in np.unique(columns, axis=0, return_counts=True))
    size = 10 * ROOMS + 14
    q, total = np.full((size, size, ROOMS + 1), hopeless), np.zeros((size, size, ROOMS + 1))
    np.add.at(total, (s, g, a), n)
    for _ in range(sweeps):
        target = -1.0 * (after != g) + GAMMA * q[after, g].max(axis=1)
        q[s, g, a] = 0
        np.add.at(q, (s, g, a), n / total[s, g, a] * target)
    return q


# %%
rng, tables = np.random.default_rng(0), {}
episodes = [press(rng) for _ in range(10_000)]
for k in (0, 1, 4, 8, 16):
    buffer = HindsightExperienceReplay(50_000, 1, 1, 1, HERConfig("future", k, same_room), seed=0)
    for episode in episodes:
        buffer.store_episode(episode)
    tables[k] = learn(buffer.sample(200_000))

# %% [markdown]
# 看点：红点（表学到的）应当压在红线（公式）上；黑点线是转盘的真值，蓝虚线是楼梯的。红线在哪个 $k$ 越过蓝线？

# %%
from her_course.figures.experiments import draw_bias

goals = np.arange(1, ROOMS + 1)
learned = [q[0, goals, 0].mean() for q in tables.values()]
ks = np.linspace(0, 16, 100)
fig, ax = plt.subplots(figsize=(6.4, 3.5))
draw_bias(ax, ks, believed(ks), list(tables), learned, wheel, stairs, LANG)
show(fig, alt=alt("bias", LANG))

# %% [markdown]
# 学到的和公式差多少？楼梯学对了吗？按学到的表去按按钮，十个目标里选转盘的有几个，真正的成功率又是多少？

# %%
for k, q in tables.items():
    button = q[0, goals].argmax(axis=1)
    success = np.where(button == 0, 1 / ROOMS, button == goals).mean()
    agrees = abs(q[0, goals, 0].mean() - believed(k)) < 0.2
    print(f"k = {k:2}   {agrees}   {q[0, goals, goals].mean():.2f}   {(button == 0).sum():2}   {success:.0%}")

# %% [markdown]
# $k\le 1$ 时还走楼梯，百分之百成功；$k\ge 4$ 就全去转转盘，成功率掉到一成。红线在 $k\approx 2.3$ 处越过蓝线。公式里没有数据量，数据再多也救不回来：这不是噪声，是*偏差*（bias）。楼梯那一栏始终是 −2.71，因为楼梯不转转盘：**确定的那部分世界，HER 一点不错。**
#
# 为什么？“掉进了第 $g$ 间”成了挑教材的标准，掉进别处的那九成，在“目标是 $g$”这门课里没有出现。USHER（2022）的说法是：低估了坏结果的可能。
#
# 别吓着：现实里的随机多半是小噪声，不是转盘。可要是你的任务里有个动作*赌一把*，请记得这张图。

# %% [markdown]
# ## 6.6　什么时候别用
#
# 换个新任务，先做三项体检，每项几行：
#
# 1. **奖励能重算吗？** 用奖励函数算一遍，和环境给的逐步对。
# 2. **观测里藏着目标吗？** 只换目标，观测应当一个数都不变。
# 3. **世界掷骰子吗？** 同样的起点，同样的动作，*换一个种子*再走一遍，应当一样。（种子不换，骰子也会重演，什么也查不出。）

# %%
from her.training.evaluation import make_envs, rollout


def play(envs, actions, seed, start):
    plan = iter(actions)
    return rollout(lambda x: next(plan), envs, envs.horizon, seed, start)


# %%
def check_up(env_id, **kwargs):
    envs, starts = make_envs(env_id, 50, **kwargs), []
    envs.action_space.seed(1)
    actions = [envs.action_space.sample() for _ in range(envs.horizon)]
    for seed in (0, 1):
        envs.reset(seed=seed)
        starts.append({key: envs.get_state()[key] for key in ("state", "goal")})
    own, other = starts
    one, again = play(envs, actions, 0, own), play(envs, actions, 1, own)
    elsewhere = play(envs, actions, 0, own | {"goal": other["goal"]})
    recomputed = np.array_equal(envs.compute_reward(one.achieved_goals, one.goals, {}), one.rewards)
    return recomputed, np.array_equal(one.states, elsewhere.states), np.array_equal(one.states, again.states)


# %%
for env_id in ("her/BitFlip-v0", "her/Reach-v0", "her/Push-v0"):
    print(f"{env_id:15}", *check_up(env_id))

# %% [markdown]
# 三个 `True`，放心用。不是的话，或者遇到下面的情形，就别用，或者先想想：
#
# | 情形 | 为什么 | 改用 |
# |---|---|---|
# | 任务写不成“到达某个状态”（越快越好、别摔倒） | 没有 $g$，也就没有什么可换 | 普通的强化学习 |
# | 奖励算不出来（人打分、看不见的量） | 换了目标没法重新打分 | 先学一个奖励模型 |
# | 在策略的算法（PPO、A2C） | 要平均“后来怎样”，而后来是挑过的（2.8 节） | 换成 DQN、DDPG、SAC |
# | 会赌博的世界 | 6.5 节 | $k$ 小一点，或 USHER 一类的修正 |
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
# 奖励不必是 −1 和 0。学习者看到的总是最好的为 0、最差的为 −1，`her train` 开跑前会先说一声；只有奖励恰好两个值、0 又夹在中间时，目标值才会截断。

# %% [markdown]
# ## 6.7　后来的人
#
# HER 只改了*重放时的目标*。后来的工作各改一处，用这门课的话说：
#
# | | 年 | 改了什么 | 留下什么 |
# |---|---|---|---|
# | HGG | 2019 | *去玩的时候*奔哪里去：从到过的地方里造一串通向任务的目标 | HER 照用 |
# | CHER | 2019 | 一批里挑哪些：先广后近（5.7 节） | HER 照用 |
# | MEGA | 2020 | *去玩的时候*奔最冷门的到过之处去，让见识越来越广 | HER 照用 |
# | GCSL | 2021 | 不要价值函数：换了目标的动作直接当示范来模仿 | 只留重标注 |
# | MHER | 2021 | 一次往前看好几步，并处理由此多出来的离策略偏差 | HER 照用 |
# | USHER | 2022 | 给 6.5 节的偏差算修正 | 在随机的世界里也对 |
# | 对比学习的 RL（contrastive RL） | 2022 | 连奖励也不要：学“这一步之后到没到过那里”的分类 | 重标注变成了正样本 |
#
# 第 5 章的 `rollout_goals` 和 HGG、MEGA 同属“换*出发时*的目标”。这两类的区别：重放时换，环境不知道；出发时换，环境真的换了任务。下面是绕墙乱走之后，环境自己出的目标有多远，课程提议的又有多远：

# %%
from her import CurriculumHER

sizes = 10_000, 2, 2, 2, HERConfig("future", 4, lambda a, d: sparse_reward(a, d, threshold=0.06))
start = make_envs("her/Reach-v0", 64).reset(seed=0)[0]
curriculum = CurriculumHER(*sizes, curriculum="reach", seed=0)
envs = make_envs("her/Reach-v0", 64)
envs.action_space.seed(1)
for episode in rollout(lambda x: envs.action_space.sample(), envs, 50, seed=0).episodes():
    curriculum.store_episode(episode)
proposed = curriculum.rollout_goals(start["achieved_goal"], start["desired_goal"])
distances = [np.linalg.norm(goals - start["achieved_goal"], axis=1).mean() for goals in (start["desired_goal"], proposed)]
print(f"{distances[0]:.2f} -> {distances[1]:.2f} m")

# %% [markdown]
# ## 6.8　一张卡片
#
# > **HER**
# >
# > **要**：$Q(s,a,g)$，离策略的学习器，一个算得出的 $r_g$，看不见目标的动力学。
# >
# > **做**：抽一条转移；以 $\frac{k}{k+1}$ 的机会，把 $g$ 换成同一回合里这一步或以后达到的目标；*重算*奖励和 `done`；$s$、$a$、$s'$ 不动。
# >
# > **默认**：`future`，$k=4$，抽样时才换。达到的目标取在动作之后。归一化器看网络真正吃到的。目标值截到 $[-\frac{1}{1-\gamma},0]$。
# >
# > **记**：`future`、到过的地方各不相同时，成功的份额是 $\frac{k}{k+1}\cdot\frac{H_T}{T}$，不是 $\frac{k}{k+1}$；越重复越高，也越不值钱。
# >
# > **报**：最后一步还是任意一步；几个种子，区间；没走到就写没走到。
# >
# > **慎**：转盘、没人碰的物体、在策略、算不出的奖励。

# %% [markdown]
# ## 6.9　回头看
#
# 1. **当场对打。** 三个任务，只差一个词，带 HER 的平均比不带的最好的高出五十个百分点以上（6.1）。
# 2. **至少。** 十个种子，没有 HER 的一边在三个任务上连三成都没走到，倍数只能说下界；两边都走到的 5 位，是三倍上下（6.2）。
# 3. **机械臂。** 读存档，放录像，没练成的写没练成（6.3）。
# 4. **论文的图。** 悬崖在，位置随设置走：我们的在 8 位和 10 位之间，换两件小事、多给些步数，13 位也过得了；`future` 不挑任务（6.4）。
# 5. **转盘。** 一成看成八成二，$k=4$ 就上当，而且分文不差地符合公式（6.5）。
# 6. **体检。** 三项，九个 `True`（6.6）。
#
# ### 三个常见的误会
#
# - **“HER 快 50 倍。”** 哪个任务？另一边走到了吗？论文里没有这样的数。
# - **“没走到的种子去掉，取剩下的平均。”** 那是把失败删了再夸成功。
# - **“用了 HER 总不会更差。”** 转盘那里，百分之百变成一成。
#
# ### 动手
#
# 打开 `exercises/ch6.ipynb`，练习有四个：`steps_to_threshold`、`iqm`、`bootstrap_interval`、`speed_up`。最后一个最像真实的科研：有的种子没走到，你报什么？
#
# 想多走一步：把 6.5 的转盘改成“九成走对，一成乱扔”的小噪声，先猜 $k=4$ 还上不上当。
#
# ### 最后一个问题
#
# 没有下一章了，问题留给你：你手上的任务，**失败的回合里，到过哪些值得想去的地方？**
#
# ### 参考文献
#
# - Agarwal 等（2021）. *Deep Reinforcement Learning at the Edge of the Statistical Precipice*. NeurIPS.（四分位均值）
# - Andrychowicz 等（2017）. *Hindsight Experience Replay*. NeurIPS.
# - Eysenbach 等（2022）. *Contrastive Learning as Goal-Conditioned Reinforcement Learning*. NeurIPS.
# - Fang 等（2019）. *Curriculum-guided Hindsight Experience Replay*. NeurIPS.
# - Ghosh 等（2021）. *Learning to Reach Goals via Iterated Supervised Learning*. ICLR.（GCSL）
# - Pitis 等（2020）. *Maximum Entropy Gain Exploration for Long Horizon Multi-goal Reinforcement Learning*. ICML.（MEGA）
# - Plappert 等（2018）. *Multi-Goal Reinforcement Learning: Challenging Robotics Environments and Request for Research*. arXiv:1802.09464.
# - Raffin（2020）. *RL Baselines3 Zoo*. GitHub.
# - Ren 等（2019）. *Exploration via Hindsight Goal Generation*. NeurIPS.（HGG）
# - Schaul 等（2015）. *Universal Value Function Approximators*. ICML.
# - Schaul 等（2016）. *Prioritized Experience Replay*. ICLR.
# - Schramm 等（2022）. *USHER: Unbiased Sampling for Hindsight Experience Replay*. CoRL.
# - Yang 等（2021）. *Bias-reduced Multi-step Hindsight Experience Replay for Efficient Multi-goal Reinforcement Learning*. arXiv:2102.12962.（MHER）
# - Zhao 与 Tresp（2018）. *Energy-Based Hindsight Experience Prioritization*. CoRL.
