# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5　优先级与课程
#
# > **这一章你会看到**：一个智能体学推冰球，前十万步里，它“够得着”的距离就是 8 厘米的容差，因为它还推不到任何目标；随后五万来步里，这个距离穿过整个任务。我们拿它自己的记录排课，再用另一次评估核对这份记录。另一种挑经验的办法名气更大：按 TD 误差抽转移；可它记下的误差属于*上一个目标*。最后五种办法放进一张表，五个种子，带区间。
# >
# > **时间**：阅读 35 分钟，运行约 4 分钟（2 核 CPU）。
# >
# > **需要**：第 2 章的重标注，第 4 章的缓冲区；知道什么是 TD 误差。
#
# 读完你能：
#
# 1. 写出优先经验回放（prioritized experience replay, PER）的两行公式，说清权重在补偿什么；
# 2. 手画一棵求和树（sum tree），走一遍，并检查库里的十六叉树和它抽得一模一样；
# 3. 比较两种“值得学”：网络的 TD 误差，和冰球得到的能量；
# 4. 量出优先级有多陈旧，并说出换目标占了多少；
# 5. 用智能体自己的记录排一门由易到难的课程（curriculum），并核对这份记录；
# 6. 读一张有赢有平的表，说出哪里赢、哪里说不准。

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
# ## 5.1　两个旋钮
#
# 抽一个批次要做两个决定：**抽哪条转移**，**换成哪个目标**。第 3 章只拧了后一个旋钮，前一个一直停在“均匀”。这一章两个都拧。

# %%
schematic("buffer", "relabel")

# %% [markdown]
# 库里它们是两个互不相干的小零件，插在同一个缓冲区上，所以怎么搭配都行。比如，按 TD 误差抽转移（[`her/td_error.py`](../../her/td_error.py)），由近及远换目标（[`her/reach.py`](../../her/reach.py)）：

# %%
from her import CurriculumHER, HERConfig, sparse_reward
from her.td_error import ProportionalTransitions


def near(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.08)


config = HERConfig("future", 4, near)
CurriculumHER(1_000, 8, 2, 2, config, curriculum="reach", transitions=ProportionalTransitions())


# %% [markdown]
# ## 5.2　网络觉得意外的，多看几眼
#
# 一条转移值不值得再看，谁知道？PER（[Schaul 等，2016](https://arxiv.org/abs/1511.05952)）说：网络自己知道。TD 误差 $\delta_i$ 大，说明这条和它以为的不一样。第 $i$ 条的优先级是
#
# $$p_i=|\delta_i|+\epsilon,\qquad P(i)=\frac{p_i^{\alpha}}{\sum_j p_j^{\alpha}}$$
#
# $\epsilon$ 让误差为 0 的也还有机会。$\alpha$ 管优先到什么程度：0 是均匀，1 是与优先级成正比。五条转移，一列一条，看 $\alpha$ 从 0 到 1，误差最大的那条占去多少：

# %%
def probabilities(td_errors, alpha, epsilon=0.1):
    p = (np.abs(td_errors) + epsilon) ** alpha
    return p / p.sum()


td_errors = np.array([0.0, 0.1, -0.2, 0.4, -3.0])
table = [probabilities(td_errors, alpha) for alpha in (0, 0.6, 1)]
deltas = [f"δ = {d}" for d in td_errors]
pd.DataFrame(table, index=["α = 0", "α = 0.6", "α = 1"], columns=deltas).round(3)

# %% [markdown]
# 网络要拟合的是*所有*经验的平均，现在误差大的反复出场，平均就偏了。重要性权重（importance weight）把它补回来：多抽几倍，就轻几倍。
#
# $$w_i=\Big(\frac{1}{N\,P(i)}\Big)^{\beta},\qquad\text{再除以批次里最大的一个}$$
#
# $\beta$ 是补多少：0 不补，1 补足。Schaul 等人让它线性升到 1；按比例的那一种，他们用 $\alpha=0.6$，从 $\beta=0.4$ 开始：早期什么都不准，偏一点不要紧。
#
# 拿一千个数试试：真正的平均是多少？按优先级抽，不加权，平均成了多少？加权 $\beta=1$ 呢？

# %%
rng = np.random.default_rng(0)
errors = rng.exponential(size=1_000)
P = probabilities(errors, alpha=0.6)
drawn = rng.choice(1_000, size=100_000, p=P)
weights = 1 / (1_000 * P[drawn])
means = [errors.mean(), errors[drawn].mean(), np.average(errors[drawn], weights=weights)]
pd.DataFrame({"mean": means}, index=["true", "by priority", "by priority, weighted"]).T.round(2)

# %% [markdown]
# 不补，平均高出一截；补足了就对上。（除以最大的那个只为了步子不要太大，不改变比例。）
#
# 库里的 `PrioritizedHER(priority="td")` 是同一件事。存一个五步的回合，告诉它五个 TD 误差，抽十万行：次数对得上公式吗？权重呢？

# %%
from her import Episode, PrioritizedHER


def walk(n, goal):
    x = np.arange(n + 1.0)
    return Episode.from_arrays(x[:-1], np.ones(n), -np.ones(n), x[1:], np.zeros(n), x[1:], [goal])


settings = {"priority": "td", "alpha": 0.6, "beta": 0.4, "epsilon": 0.1}
buffer = PrioritizedHER(100, 1, 1, 1, config, seed=0, **settings)
buffer.store_episode(walk(5, goal=99))

# %%
buffer.update_priorities(np.arange(5), td_errors)
batch = buffer.sample(100_000)
P = probabilities(td_errors, alpha=0.6)
w = (5 * P) ** -0.4
drawn = np.bincount(batch.indices) / 100_000
given = [batch.weights[batch.indices == i][0] for i in range(5)]
columns = {"P": P, "drawn": drawn, "w": w / w.max(), "weight given": given}
pd.DataFrame(columns, index=deltas).T.round(3)


# %% [markdown]
# ## 5.3　求和树：一百万个数里抽一个
#
# 按 $P(i)$ 抽，最直白的写法是求一遍前缀和再二分查找。可每学一步，优先级就变几百个，一百万个数的前缀和得从头再来。求和树的叶子是各行的 $p^\alpha$，每个父节点是两个孩子的和；改一片叶子，只有它的祖先要重算：一百万行，20 个数。

# %%
def build(values):
    n = len(values)
    tree = np.append(np.zeros(n), values)
    for node in range(n - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree


# %% [markdown]
# 根放在 1 号，`node` 的孩子是 `2*node` 和 `2*node+1`，叶子在后一半。抽一行：在 $[0,\text{总和})$ 里均匀取一个数，从根往下走。比左孩子小，往左；不然减去左孩子，往右。

# %%
def find(tree, target):
    path = [1]
    while path[-1] < len(tree) // 2:
        left = 2 * path[-1]
        go_right = target >= tree[left]
        target -= tree[left] * go_right
        path.append(left + go_right)
    return path


# %% [markdown]
# 八片叶子，总和 31，目标 17.5。先别看图里的粗线，自己走：17.5 和 9 比，往哪边？

# %%
from her_course.figures.priorities import draw_sum_tree

tree = build([3, 1, 4, 1, 5, 9, 2, 6])
path = find(tree, 17.5)
fig, ax = plt.subplots(figsize=(7, 3.3))
draw_sum_tree(ax, tree, path)
show(fig, "priorities.tree")

# %% [markdown]
# 17.5 ≥ 9，往右，剩 8.5；8.5 < 14，往左；8.5 ≥ 5，往右，剩 3.5，到了 9 那片叶子，第 5 行。三次比较。它占了 31 份里的 9 份，所以抽到它的机会正好是 9/31。
#
# 库里的树（[`her/sum_tree.py`](../../her/sum_tree.py)）胖一些：一个父节点有 *16* 个孩子，最上面不超过 4,096 个节点的那层直接求前缀和，一百万行只有 2 层要走。理由在 NumPy：一次处理 16 个数和处理 2 个数，花的时间差不多。
#
# 两棵树形状不同，抽得一样吗？十三万行，一万个*相同的*随机数，各走各的；然后把一半的叶子改成 0，再抽一遍：

# %%
from her.sum_tree import SumTree

values = rng.exponential(size=2**17)
library, uniform, rows = SumTree(2**17), rng.random(10_000), {}
for name in ("all leaves", "half at 0"):
    library.set(np.arange(2**17), values)
    ours = build(values)
    walked = np.array([find(ours, u * ours[1])[-1] - 2**17 for u in uniform])
    theirs, probability = library.draw(uniform)
    error = np.abs(probability / (values[theirs] / values.sum()) - 1).max()
    rows[name] = [len(uniform), (theirs != walked).sum(), error, (values[theirs] == 0).sum()]
    values[::2] = 0

# %%
columns = ["draws", "rows that differ", "largest error of P", "rows of priority 0"]
assert rows["all leaves"][1] == rows["half at 0"][1] == 0
pd.DataFrame(rows, index=columns).T

# %% [markdown]
# 一行不差，概率的误差是舍入误差，优先级为 0 的一次也没抽到。
#
# ## 5.4　TD 误差，还是能量
#
# 拿一个学到一半的智能体来问。推冰球（Push），带 HER，按 TD 误差抽，练 40 轮（另留一份*上一轮*的网络，5.5 节要用）。它玩过的回合都还在缓冲区里。

# %%
from copy import deepcopy

from her.training import Trainer, settings_for, use_one_thread
from her_course.figures.progress import progress_bar

use_one_thread()
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))


# %%
def half_way(env_id, rounds, seed, **env_kwargs):
    settings = {"priority": "td", "seed": seed, "evaluate_every": 1_000}
    trainer = Trainer(settings_for(env_id, env_kwargs, **settings))
    for _ in progress_bar(range(rounds), description=f"{env_id}, seed {seed}"):
        before = deepcopy(trainer.agent)
        trainer.round()
    return trainer, before


push_rounds = 40 if PROFILE == "full" else 6
pushes = [half_way("her/Push-v0", push_rounds, seed) for seed in SEEDS]


# %% [markdown]
# 一个回合 50 步，所以缓冲区里每 50 行是一个回合。冰球动过的回合占多少？一行一个种子：

# %% tags=["nbval-ignore-output"]
def moved_in(buffer):
    rows = buffer.live_rows().reshape(-1, 50)
    return np.ptp(buffer.achieved_goals[rows], axis=1).any(axis=-1)


moved_shares = [(moved.size, moved.mean()) for moved in (moved_in(t.buffer) for t, _ in pushes)]
index = [f"seed {seed}" for seed in SEEDS]
pd.DataFrame(moved_shares, columns=["episodes", "moved"], index=index).round(2)


# %% [markdown]
# 四成上下的回合，冰球纹丝不动。第 2 章说过，这种回合怎么换目标都算成功，什么也没教。均匀地抽，好大一部分更新花在它们身上。
#
# **轨迹能量**（trajectory energy；[Zhao 与 Tresp，2018](https://arxiv.org/abs/1810.01363)）的想法是：别问网络，问*物体*。一个回合给了物体多少能量？
#
# $$E_t=m\,G\,(z_t-z_0)+\tfrac12\,m\lVert v_t\rVert^2,\qquad E_\tau=\sum_t\mathrm{clip}(E_t-E_{t-1},\,0,\,c)$$
#
# （$m$ 是质量，$G$ 是重力加速度；$z$ 是高度。）冰球贴着桌面，没有高度那一项。只数*增加*的，每步最多数 $c$，免得一次猛撞盖过别的。下面两条路，同样 10 厘米，一步推过去和分两步慢慢推：

# %%
def energy(positions, dt=0.1, mass=1.0, clip=0.5):
    speed = np.linalg.norm(np.diff(positions, axis=0), axis=1) / dt
    kinetic = np.append(0, mass * speed**2 / 2)
    return np.diff(kinetic).clip(0, clip).sum()


one_step = energy([[0, 0], [0, 0], [0.1, 0], [0.1, 0]])
two_steps = energy([[0, 0], [0.05, 0], [0.1, 0], [0.1, 0]])
pd.DataFrame({"energy, J": [one_step, two_steps]}, index=["one step", "two steps"]).T.round(3)

# %% [markdown]
# 库里的 `priority="energy"`（[`her/energy.py`](../../her/energy.py)）按 $P(\tau)\propto (E_\tau+\text{底})^{1/(\mathcal{T}+0.01)}$ 抽回合，温度 $\mathcal{T}=1$，再均匀地抽其中一步。“底”（0.01 焦）论文没有，是为了没动静的回合也偶尔露面。把同样的回合存进按能量抽的缓冲区，核对它算的能量：

# %%
from her import HindsightExperienceReplay


def refill(old, seed, buffer=HindsightExperienceReplay, **settings):
    sizes = old.capacity, old.state_dim, old.action_dim, old.goal_dim
    new = buffer(*sizes, old.config, seed=seed, **settings)
    fields = (old.states, old.actions, old.rewards, old.next_states, old.dones)
    for first in np.unique(old.episode_start[old.live_rows()]):
        rows = slice(first, old.episode_end[first])
        arrays = [field[rows] for field in (*fields, old.achieved_goals, old.desired_goals)]
        new.store_episode(Episode.from_arrays(*arrays))
    return new


# %% tags=["nbval-ignore-output"]
trainer, _ = pushes[0]
position = {"position": slice(2, 4), "dt": 0.1}
by_energy = refill(trainer.buffer, 0, PrioritizedHER, priority="energy", **position)
rows = trainer.buffer.live_rows().reshape(-1, 50)
starts = trainer.buffer.states[rows[:, :1], 2:4]
paths = np.concatenate([starts, trainer.buffer.achieved_goals[rows]], axis=1)
energies = np.array([energy(path) for path in paths])
differ = np.abs(energies - by_energy.transitions.energies(by_energy)).max()
assert differ < 1e-4
numbers = {"episodes": len(paths), "mean energy, J": energies.mean(), "largest difference": differ}
pd.DataFrame(numbers, index=["energies"]).round(6)

# %% [markdown]
# 现在三种抽法各抽二十万行。

# %%
buffers = {"uniform": refill(trainer.buffer, seed=0), "td": trainer.buffer, "energy": by_energy}
drawn = {name: buffer.sample(200_000).indices // 50 for name, buffer in buffers.items()}
n = len(paths)
rates = {name: np.bincount(of, minlength=n) * n / 200_000 for name, of in drawn.items()}
moved = moved_in(trainer.buffer)
share = {name: moved[of].mean() for name, of in drawn.items()}

# %% [markdown]
# 左图：抽到的行里，有多少出自“冰球动过”的回合？右图：每个点是一个回合，纵轴是它被抽到的次数相当于均匀的几倍。先看左边哪种办法更能避开没动过的冰球，再看右边：能量的点几乎排成一条线，红叉呢？

# %%
from her_course.figures.priorities import draw_moved_shares, draw_replay_rates

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(2, 3))
draw_moved_shares(axes[0], share)
draw_replay_rates(axes[1], energies, {name: rates[name] for name in ("td", "energy")})
show(fig, "priorities.replayed")
assert share["energy"] > share["uniform"]
if PROFILE == "full":
    assert share["energy"] > 0.85
    assert share["energy"] > share["td"] > share["uniform"]


# %% [markdown]
# 能量把几乎所有的抽样都给了动过的冰球，而且动得越多给得越多。TD 误差也偏向它们，但温和得多，上下散开：网络的误差不只来自冰球。
#
# 能量是回合的*事实*，算一次，永远不变；可它不知道网络已经学会了什么，没有物体的任务（翻比特、绕墙）也没有它。TD 误差什么任务都有，还跟着学习变。可是，存着的那个数跟得上吗？
#
# ## 5.5　陈旧的优先级
#
# PER 存的是一个数，*上次抽到时*的误差。下次抽到，变了两处，它就成了陈旧的优先级（stale priority）：
#
# 1. **网络变了。** 普通的 PER 也有这个毛病。
# 2. **目标变了。** 误差 $\delta(s,a,s',g)$ 属于一条转移*和一个目标*。HER 每次抽样都换新目标，存下的优先级说的是上一个 $g$。
#
# 哪个更要命？量。同一条转移，抽两次，换两个不同的目标（相距超过容差，不然算不上换）。下面在一个大批次里找出这样的一对对行：

# %%
def two_goals(batch, apart):
    relabelled = np.flatnonzero(batch.relabelled)
    rows, first = np.unique(batch.indices[relabelled], return_index=True)
    others = np.delete(relabelled, first)
    again, second = np.unique(batch.indices[others], return_index=True)
    one, two = relabelled[first][np.isin(rows, again)], others[second]
    differ = np.linalg.norm(batch.goals[one] - batch.goals[two], axis=1) > apart
    return one[differ], two[differ]


# %% [markdown]
# 误差让网络自己算：`update` 会交出更新*之前*的误差，拿网络的拷贝去更新，原件不动。优先级开 $\alpha$ 次方，减去 $\epsilon$，就变回存着的 $|\delta|$。三个比较，都用秩相关（rank correlation）：1 是排名完全一致，0 是毫无关系。

# %%
from scipy.stats import spearmanr


def staleness(trainer, before, apart):
    n = 100_000 if PROFILE == "full" else 20_000
    batch = refill(trainer.buffer, seed=trainer.config.seed + 1_000).sample(n)
    one, two = two_goals(batch, apart)
    agents = (deepcopy(agent) for agent in (trainer.agent, before))
    now, earlier = (np.abs(agent.update(batch.torch())) for agent in agents)
    sampler = trainer.buffer.transitions
    stored = sampler.priorities(batch.indices) ** (1 / sampler.alpha) - sampler.epsilon
    pairs = [(earlier[one], now[one]), (now[one], now[two]), (stored[one], now[one])]
    return [spearmanr(a, b).statistic for a, b in pairs]


# %% [markdown]
# 推冰球之外，再加翻 15 位比特，练 8 轮。

# %%
ROWS = ("older network", "another goal", "stored priority")
bit_rounds = 8 if PROFILE == "full" else 3
flips = [half_way("her/BitFlip-v0", bit_rounds, seed, n_bits=15) for seed in SEEDS]
tasks = {"Push": (pushes, 0.08), "BitFlip": (flips, 1)}
stale = {name: [staleness(*run, apart) for run in of] for name, (of, apart) in tasks.items()}
stale = {name: pd.DataFrame(of, columns=ROWS, index=index) for name, of in stale.items()}

# %% [markdown]
# 每个点是一个种子，竖线是平均。第一行*只有网络变了*（旧一轮，同一个目标），第二行*只有目标变了*（同一个网络），第三行两样都变了，也就是 PER 实际在用的：存着的优先级，对新抽的目标。

# %%
from her_course.figures.priorities import draw_correlations

fig, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
for ax, (task, of_seeds) in zip(axes, stale.items(), strict=True):
    draw_correlations(ax, of_seeds.to_dict("list"), task)
show(fig, "priorities.stale")

# %% tags=["nbval-ignore-output"]
means = pd.DataFrame({task: of_seeds.mean() for task, of_seeds in stale.items()}).T
assert (means["stored priority"] < 0.6).all()
assert means.loc["Push", "older network"] > means.loc["Push", "another goal"] + 0.2
means.round(2)


# %% [markdown]
# 推冰球：网络旧一轮，误差的排名大体还在；换个目标，排名就乱了大半，存着的优先级也就这么准。毛病不在旧，在*换*。翻比特的三项都低，多半因为网络变得快，目标又可以是 15 位的任何一种图案。
#
# 推冰球上存着的优先级还剩点东西，而且剩下的不是“冰球动没动过”：上面比的每一对，目标都相距 8 厘米以上，冰球没动过的回合一对也没有。动没动过是另一回事：它换目标换不掉，5.4 节的左图量的就是它。
#
# 陈旧能缓解一点：`epsilon` 调大；`smoothing` 让优先级记住几次的平均，也就是几个目标的平均。治本的办法没有，因为一条转移没有*一个*误差，它有一族。
#
# ## 5.6　由易到难
#
# 现在拧另一个旋钮：换成*哪个目标*。下面这门课程是本课程自己的，没有论文；近亲见 6.6 节。多远的目标算“够得着”？问记录：每个真实的回合，每一步都是一次尝试，“从离目标 $d$ 的地方出发，*这一步或以后*到过没有”。按 $d$ 分格统计成功率，跌破一半的地方，就是**可达距离** $r$（reach）。
#
# 给每条转移抽四个候选目标，第 $i$ 个离它 $d_i$。超出 $r$ 的部分，减去四个里最小的：
#
# $$u_i=\max(d_i-r,0)-\min_j\max(d_j-r,0),\qquad w_i\propto\text{底}+e^{-u_i/s}$$
#
# 按权重 $w_i$ 挑一个：$r$ 以内一视同仁，以外的越远越少。

# %%
def nearness(distances, reach, softness, floor=0.05):
    beyond = np.maximum(distances - reach, 0)
    return floor + np.exp((beyond.min(axis=0) - beyond) / softness)


d = np.array([0.1, 0.3, 0.5, 0.7])
w = {f"r = {r} m": nearness(d, r, softness=0.18) for r in (0.0, 0.2, 0.4, 0.8)}
columns = [f"d = {x} m" for x in d]
pd.DataFrame([x / x.sum() for x in w.values()], index=list(w), columns=columns).round(2)

# %% [markdown]
# 一行一个 $r$，是四个候选被挑中的机会：$r$ 从 0 涨到 0.8，机会一点点摊平。
#
# 库里是 `CurriculumHER(curriculum="reach")`。它就是这几行吗？一条直路，走 20 步，目标在 30；库报出它此刻的 `reach` 和 `scale`（环境给的目标平均有多远，$s$ 是它的四成），我们照着抽，比较“目标比这一步远几格”的分布，卡方检验：

# %%
library = CurriculumHER(100, 1, 1, 1, config, curriculum="reach", softness=0.4, floor=0.05, seed=0)
library.store_episode(walk(20, goal=30))
batch, report = library.sample(50_000), library.report()
theirs = (batch.goal_indices - batch.indices)[batch.relabelled]

t = rng.integers(20, size=40_000)
candidates = rng.integers(t, 20, size=(4, 40_000))
softness = 0.4 * report["scale"]
w = nearness(1.0 * (candidates - t), report["reach"], softness).cumsum(axis=0)
chosen = (w > rng.random(40_000) * w[-1]).argmax(axis=0)
ours = candidates[chosen, np.arange(40_000)] - t

# %%
from scipy.stats import chi2_contingency


def compare(offsets):
    table = np.stack([np.bincount(x, minlength=20) for x in (theirs, offsets)])
    return {"mean offset": offsets.mean(), "p": f"{chi2_contingency(table).pvalue:.2g}"}


rows = {"these lines": compare(ours), "plain future": compare(candidates[0] - t)}
pd.DataFrame({"library": {"mean offset": theirs.mean()}} | rows).T


# %% [markdown]
# 我们的和库的分不开；普通的 `future` 当场被认出来，它挑得更远。
#
# 这门课程还管一件事：真正去玩的时候奔哪儿去。八成的回合，它从*到过的地方*里挑一个恰好在可达距离边缘的当目标（`rollout_goals`）。这已经超出了“重标注”，HGG、MEGA 走的正是这条路（6.6 节）。
#
# ### 真跑一次，看它长大
#
# 推冰球，每轮记下可达距离，并在三个时刻把智能体和那一轮*真正练过的目标*留下来：第 12 轮（early）；记录里的可达距离第一次过 0.25 米（middle）；最后一轮（late）。

# %%
def snapshot(trainer):
    buffer = trainer.buffer
    first = buffer.live_rows()[-64 * 50 :: 50]
    practised = buffer.desired_goals[first] - buffer.states[first, 2:4]
    return deepcopy(trainer.agent), practised, buffer.report()["reach"]


GROW_ROUNDS, EARLY = (80, 12) if PROFILE == "full" else (4, 2)


# %%
def grow(seed):
    settings = settings_for("her/Push-v0", curriculum="reach", seed=seed, evaluate_every=1_000)
    trainer, reaches, stages = Trainer(settings), [], {}
    for i in progress_bar(range(1, GROW_ROUNDS + 1), description=f"seed {seed}"):
        trainer.round()
        reaches.append(trainer.buffer.report()["reach"])
        middle = reaches[-1] > 0.25 or i == GROW_ROUNDS - 1
        moments = {"early": i == EARLY, "middle": middle, "late": i == GROW_ROUNDS}
        for stage in (name for name, is_now in moments.items() if is_now and name not in stages):
            stages[stage] = snapshot(trainer)
    return np.array(reaches).clip(max=1), {name: stages[name] for name in moments}


# %%
grown = {seed: grow(seed) for seed in SEEDS}
reaches = np.array([reach for reach, _ in grown.values()])

# %% [markdown]
# 绿带是任务的目标所在（离冰球 0.3 到 0.6 米），点线是容差。看曲线贴着点线多久，离开以后又有多陡：

# %%
from her_course.figures.priorities import draw_reach_growth

fig, ax = plt.subplots(figsize=(6.6, 3.4))
draw_reach_growth(ax, 64 * 50 * np.arange(1, GROW_ROUNDS + 1), reaches, 0.08)
show(fig, "priorities.reach")
if PROFILE == "full":
    assert (reaches[:, 11] < 0.2).all()
    assert (reaches[:, -1] > 0.45).all()

# %% [markdown]
# 头十万步里，可达距离就是容差：冰球要是本来就在圈里，就算到了。然后很快穿过整个任务。
#
# 记录是训练中记的：带着探索，在课程自己挑的目标上，“这一步或以后”到过就算。它和任务的标准（不探索，随便哪个目标，*最后一步*）是两回事。所以另评一次，四百个目标，撒满冰球周围 0.85 米的圆盘，同一批回合用两个标准各数一遍：一是照记录的数法（[`Reach`](../../her/reach.py)）算可达距离，二是最后一步到了几成：

# %%
from her.reach import Reach
from her.training.evaluation import make_envs, rollout


def around_the_puck(agent, explore=False, n=400):
    envs, rng = make_envs("her/Push-v0", n), np.random.default_rng(0)
    distance, angle = 0.85 * np.sqrt(rng.random(n)), rng.uniform(-np.pi, np.pi, n)
    offsets = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    goals = envs.reset(seed=1)[0]["achieved_goal"] + offsets
    act = lambda x: agent.act(x, explore=explore)  # noqa: E731
    return offsets, rollout(act, envs, 50, seed=1, options={"goal": goals})


# %%
def count_as_recorded(play):
    reach = Reach()
    distances = np.linalg.norm(play.achieved_goals - play.goals, axis=2)
    for left, reached in zip(distances.T, play.success.T, strict=True):
        reach.observe(left, reached)
    return min(reach.distance, 1.0)


def judge(agent, practised, recorded):
    exploring, greedy = (around_the_puck(agent, explore)[1] for explore in (True, False))
    reaches = [min(recorded, 1.0), count_as_recorded(exploring), count_as_recorded(greedy)]
    return [*reaches, greedy.success.any(axis=0).mean(), greedy.success[-1].mean()]


# %% [markdown]
# 一行是一个种子的一个时刻：训练中记录的可达距离（米）；评估时照同样的数法，带探索和不带探索；四百个目标里，任意一步到过的，最后一步到了的。

# %% tags=["nbval-ignore-output"]
columns = ["recorded", "exploring", "greedy", "any step", "last step"]
kept = {(seed, stage): of for seed, (_, stages) in grown.items() for stage, of in stages.items()}
judged = pd.DataFrame({key: judge(*of) for key, of in kept.items()}, index=columns).T
judged = judged.rename_axis(["seed", "stage"])
if PROFILE == "full":
    last = judged["last step"].unstack()
    assert (last["late"] > last[["early", "middle"]].max(axis=1) + 0.2).all()
judged.round(2)

# %% [markdown]
# 看第一个种子的中期：记录说 0.27 米，照同样的数法，评估里反而更远，0.54 米（记录平均的是最近的许多次尝试，落在智能体后面；探索带来的差别不大）。可最后一步停在目标上的只有 5 %，任意一步到过的有 42 %：冰球*经过*了目标，没有*停住*。另两个种子差得小些：56 % 对 40 %，24 % 对 13 %。所以标准不同，“这一步或以后到过”和“最后一步在那里”，数就不同；差多少，各个种子不一样。到后期两个标准才合上。拿记录排课够用，当成绩看不行。
#
# 图上是第一个种子。上排是评估：每个点是一个目标，画在它离冰球起点的方位上；绿的最后一步到了，空心的没到。红虚线是记录的可达距离，绿环是任务要的范围。下排是那一轮*练过的*六十四个目标（有几个太远，落在图外）。

# %%
from her_course.figures.priorities import draw_goals_around

stages = grown[SEED][1]
fig, axes = plt.subplots(2, 3, figsize=(8.4, 5.9), sharex=True, sharey=True)
for (top, bottom), (stage, (agent, practised, reach)) in zip(axes.T, stages.items(), strict=True):
    offsets, play = around_the_puck(agent)
    draw_goals_around(top, offsets, reach, stage, play.success[-1])
    draw_goals_around(bottom, practised, reach, stage)
show(fig, "priorities.stages")


# %% [markdown]
# 早期最后一步几乎一个也没到，中期零星几个，后期铺满。练的目标早期围着圆心（边缘是软的，所以散到红圈外面）；后期八成的回合冲着红圈去，可冰球到过那么远的地方不多，另外两成仍是任务自己的。
#
# 看它们推。三道同样的题，三个时刻的智能体各做一遍；第一帧是结局。

# %%
def film(agent):
    envs = make_envs("her/Push-v0", 3, render_mode="rgb_array")
    observation, _ = envs.reset(seed=5)
    for step in range(50 if PROFILE == "full" else 10):
        if step % 3 == 0:
            yield np.hstack(envs.render())
        parts = observation["observation"], observation["desired_goal"]
        observation, *_ = envs.step(agent.act(np.hstack(parts)))


# %%
from her_course.figures.implementation import film_of

films = {stage: list(film(agent)) for stage, (agent, *_) in stages.items()}
animate(film_of(films, width=660), "priorities.film", fps=6)


# %% [markdown]
# ## 5.7　CHER：先要广，再要近
#
# 课程引导的 HER（Curriculum-guided HER, CHER；[Fang 等，2019](https://papers.nips.cc/paper/2019/hash/83715fd4755b33f9c3958e1a9ee221e1-Abstract.html)）不量可达距离，它一次看*整批*。先按 `future` 多抽一倍候选，再从里面挑一半 $A$，让下面这个数最大：
#
# $$F(A)=\sum_i\max_{j\in A}\mathrm{sim}(g_i,g_j)\;-\;\lambda\sum_{j\in A}\lVert g_j-d_j\rVert$$
#
# 前一项是**多样**（diversity）：每个候选都要有个挑中的代表离它不远。后一项是**邻近**（proximity）：替代目标 $g_j$ 离真正想去的 $d_j$ 要近。$\lambda$ 一路变大，所以是先广后近。贪心地挑，每次挑让 $F$ 涨得最多的那个：

# %%
def pick(goals, cost, n):
    apart = np.linalg.norm(goals[:, None] - goals, axis=2)
    sigma = np.where(np.eye(len(goals)), np.inf, apart).min(axis=1).mean()
    similar, covered, picked = np.exp(-((apart / sigma) ** 2)), 0.0, []
    for _ in range(n):
        gain = np.maximum(similar, covered).sum(axis=1) - cost
        gain[picked] = -np.inf
        picked.append(gain.argmax())
        covered = np.maximum(covered, similar[picked[-1]])
    return np.array(picked), covered.sum() - cost[picked].sum()


# %% [markdown]
# 真实的候选：绕墙（Reach），六十个乱走的回合，都想去墙右边同一个地方，乱达到过的 128 个点。

# %%
desired = np.float32([0.5, 0.6])
envs = make_envs("her/Reach-v0", 60)
envs.action_space.seed(1)
everywhere = {"goal": np.tile(desired, (60, 1))}
play = rollout(lambda x: envs.action_space.sample(), envs, 50, seed=0, options=everywhere)
goals = np.random.default_rng(0).permutation(play.achieved_goals.reshape(-1, 2))[:128]
distance = np.linalg.norm(goals - desired, axis=1)

# %% [markdown]
# 挑 16 个（图上看得清；训练时是 128 里挑 64）。左边随便挑（random），中间 $\lambda=0$ 只要广，右边 $\lambda$ 很大只要近。哪一幅的蓝点散得最开？

# %%
from her_course.figures.priorities import draw_picks

picks = {"random": np.arange(16)}
picks |= {f"λ = {weight}": pick(goals, weight * distance, 16)[0] for weight in (0, 30)}
fig, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for ax, (title, picked) in zip(axes, picks.items(), strict=True):
    draw_picks(ax, goals, desired, picked, title)
show(fig, "priorities.cher")

# %% [markdown]
# 量一量：挑中的点里，最近的两个隔多远（米）？平均离星多远？

# %%
from scipy.spatial.distance import pdist

rows = {name: (pdist(goals[of]).min(), distance[of].mean()) for name, of in picks.items()}
pd.DataFrame(rows, index=["closest two, m", "mean distance, m"]).T.round(2)

# %% [markdown]
# $\lambda=0$ 挑的散得最开，最近的两个也隔 12 厘米，是随便挑的两倍；$\lambda=30$ 挑的近了一大截，代价是挤成几堆。
#
# 库里的 `pick_diverse`（[`her/cher.py`](../../her/cher.py)）是*随机*贪心：每次不比全部，只在随机的三个候选里挑最好的（作者的代码也是三个）。各挑 64 个，看 $F$：随便挑、库、真贪心。（作者公开的代码和论文有几处不一样：步数每个 epoch 归零，所以 $\lambda$ 几乎不涨；邻近量的是已经换过的目标。库按*论文*的式子来，差别写在 `her.cher.Cher` 的说明里。）

# %%
from her.cher import pick_diverse


def objective(picked, cost):
    apart = np.linalg.norm(goals[:, None] - goals, axis=2)
    sigma = np.where(np.eye(128), np.inf, apart).min(axis=1).mean()
    covered = np.exp(-((apart[:, picked] / sigma) ** 2)).max(axis=1)
    return covered.sum() - cost[picked].sum()


# %%
rows = {}
for weight in (0.0, 1.0, 5.0):
    cost = weight * distance
    quick = pick_diverse(goals, cost, 64, np.random.default_rng(0))
    values = objective(np.arange(64), cost), objective(quick, cost), pick(goals, cost, 64)[1]
    rows[f"λ = {weight}"] = values
pd.DataFrame(rows, index=["random", "library", "greedy"]).T.round(1)

# %% [markdown]
# 三种 $\lambda$ 下都一样：随机贪心在随便挑和真贪心之间，靠真贪心那头。
#
# ## 5.8　一张带区间的表
#
# 管用吗？五种办法，别的一概不动：均匀的 HER；按 TD 误差；按能量；由近及远的课程；CHER。两个任务，五个种子，`her sweep results/variants/sweep.toml` 跑出来，存在 [`results/variants`](../../results/variants)（翻比特没有物体，所以没有能量）。[`results/variants_why`](../../results/variants_why) 另有几种设置，看 TD 误差在翻比特上的 $\alpha$ 和 $\beta$。先看设置：第一次和最后一次评估时的更新次数、$\alpha$、$\beta$ 和 $\lambda$（`NaN`：这种办法没有它）。

# %%
from pathlib import Path

here = (Path.cwd(), *Path.cwd().parents)
RESULTS = next(folder / "results" for folder in here if (folder / "results").is_dir())


def schedules(folder):
    table = pd.read_csv(RESULTS / folder / "curves.csv").query("seed == 0")
    names = ["updates", "alpha", "beta", "lambda"]
    table = table.reindex(columns=["task", "variant", *names])
    runs = table.groupby(["task", "variant"], sort=False)
    return pd.concat({"first": runs.first(), "last": runs.last()}, axis=1).swaplevel(axis=1)[names]


# %%
settings = pd.concat([schedules(folder) for folder in ("variants", "variants_why")])
settings.groupby(level=[0, 1], sort=False).first().round(2)

# %% [markdown]
# 日程都和一次训练一样长：$\beta$ 从 0.4 升到 1，$\lambda$ 从 1 升到 100，$\alpha$ 一直是 0.6（`td_alpha_0` 是 0）。`td_beta_0`、`td_beta_1` 把 $\beta$ 定住不动，`cher_diversity_only` 的 $\lambda$ 一直是 0，只求广。
#
# 曲线：线是五个种子的平均。右边是每个种子第一次达到 0.9 的步数，一点一个种子。哪种办法的点和 uniform 的分得开？

# %%
from her.plots.curves import read_curves
from her.sweeps.statistics import steps_to_threshold
from her_course.figures.priorities import VARIANTS, draw_arrivals, draw_variants

curves = read_curves(RESULTS / "variants" / "curves.csv")
TASKS = {"bit_flip_30": "any", "push": "end"}


def arrivals(curves, task, variants, level=0.9):
    found = {variant: curves[task, variant] for variant in variants if (task, variant) in curves}
    return {v: [steps_to_threshold(x, y, level) for y in ys] for v, (x, ys) in found.items()}


# %%
fig, axes = plt.subplots(2, 2, figsize=(9.6, 6.6), width_ratios=(3, 2))
for (left, right), (task, at) in zip(axes, TASKS.items(), strict=True):
    of_task = {variant: curves[task, variant] for variant in VARIANTS if (task, variant) in curves}
    draw_variants(left, of_task, task, at)
    limit = max(steps[-1] for steps, _ in of_task.values())
    draw_arrivals(right, arrivals(curves, task, VARIANTS), limit, 0.9)
axes[1, 0].legend()
show(fig, "priorities.variants")

# %% [markdown]
# 换成数。`times` 是 uniform 的步数除以这一种的步数（1 就是一样快），取对数用 Student 的 $t$ 分布求 95 % 区间（自由度取较少的一边减一，偏保守）。步数只在评估时才看得见，每个种子真正达到的时刻在两次评估之间，所以区间两头各再放宽一格。

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
def table(curves, task, variants):
    needed = {v: n for v, n in arrivals(curves, task, variants).items() if None not in n}
    grid = np.diff(curves[task, "uniform"][0]).max()
    return {
        (task, v): {"seeds": len(n), "k steps": np.mean(n) / 1e3, "grid": grid / 1e3}
        | times_as_fast(needed["uniform"], n, grid)
        for v, n in needed.items()
    }


rows = table(curves, "bit_flip_30", VARIANTS) | table(curves, "push", VARIANTS)
pd.DataFrame(rows).T.rename_axis(["task", "variant"]).round(2)


# %% [markdown]
# 最后成绩（200 个新回合），一列一个种子：

# %%
def final(folder):
    runs = pd.read_csv(RESULTS / folder / "runs.csv").query("status == 'done'")
    by = {"index": ["task", "variant"], "columns": "seed", "values": "success_rate"}
    rates = runs.pivot_table(**by, sort=False)
    rates["mean"] = rates.mean(axis=1)
    return rates


final("variants").round(3)

# %% [markdown]
# 先看翻比特：每个区间里都有 1，谁也说不上更快。再看推冰球：能量和 TD 误差的区间都在 1 以上，都比均匀快。能量的平均步数更少，可它俩之间没分出来：照同样的算法，能量是 TD 误差的 1.19 倍，区间 [0.91, 1.58]。由近及远的课程和 CHER，区间里都有 1，没有和均匀分出来。最后成绩大家都在 0.98 以上，分不出高低，所以比的是步数。
#
# 为什么翻比特上 TD 误差不快？陈旧（5.5）是一个解释，但不能就此断定。`variants_why` 里有同一任务的几种 $\beta$，另有 $\alpha=0$（抽法应当和均匀一样）：

# %%
why = read_curves(RESULTS / "variants_why" / "curves.csv")
variants = [variant for _, variant in why]
rows = table(why, "bit_flip_30", variants)
rates = final("variants_why")["mean"].rename("final success")
pd.DataFrame(rows).T.rename_axis(["task", "variant"]).join(rates).round(2)


# %% [markdown]
# $\alpha=0$ 和 uniform 分不开，是该有的样子。$\beta$ 那两行呢？把 $\beta=0$、uniform、$\beta=1$ 的步数排一排，做一次方差分析（$F$ 检验）：

# %%
def compare_in(rows, task):
    needed = {v: n for v, n in arrivals(why, task, variants).items() if None not in n}
    names = [v for v in rows if v in needed]
    steps = [needed[v] for v in names]
    test = stats.f_oneway(*steps)
    columns = {"variants": " < ".join(sorted(names, key=lambda v: np.mean(needed[v])))}
    return columns | {"F": test.statistic, "p": test.pvalue}


betas = [v for v in variants if v.startswith("td_beta")] + ["uniform"]
pd.DataFrame([compare_in(betas, "bit_flip_30")]).round(3)

# %% [markdown]
# 第一列是从快到慢的次序。$p=0.018$：三组的平均步数不全相同。话只能说到这里：$F$ 检验不管次序，uniform 也没有 $\beta$；单拿 $\beta=0$ 和 $\beta=1$ 比，照上面的算法是 1.13 倍，区间 [0.98, 1.32]，仍含 1。方向和一种解释相合：除以最大权重之后，$\beta$ 越大，多数转移的步子越小。那么翻比特上 TD 误差不快，可能有一部分是权重的事，不全是陈旧。要分开它们，得固定 $\beta$ 再改陈旧的程度，这里没有做。
#
# 推冰球上，均匀、TD 误差、能量的平均步数和 5.4 节的左图一个次序：越能避开没动过的冰球，平均步数越少。TD 误差存的数那么陈旧还能快，多半因为它也认得出冰球动没动，而那*不随目标变*。这是我们的解释，不是证明。
#
# 建议：有物体，先试能量，便宜，也不会陈旧；没有物体，先用均匀；环境许你自己定出发的目标，再试课程。五个种子、两个任务，话就说到这里。
#
# ## 5.9　回头看
#
# 1. **两行公式。** $P(i)\propto p_i^{\alpha}$ 多看误差大的，$w_i$ 把平均补回来（5.2）。
# 2. **求和树。** 八片叶子走三步；二叉和十六叉，一万个随机数抽到的行全都相同（5.3）。
# 3. **能量与 TD 误差。** 能量把几乎全部的抽样给了动过的冰球，TD 误差温和得多（5.4）。
# 4. **陈旧。** 推冰球：网络旧一轮，排名大体还在；目标换一个，排名乱了大半，存着的优先级也就这么准（5.5）。
# 5. **由易到难。** 记录数的是“到过”，任务要的是“最后停在那里”：第一个种子的中期是 42 % 对 5 %，另两个差得小些（5.6）。CHER 换个角度：先广后近（5.7）。
# 6. **一张表。** 推冰球上能量和 TD 误差都比均匀快，它俩之间没有分出来；翻比特上谁也没有分出来（5.8）。
#
# ### 三个常见的误会
#
# - **“TD 误差大，就是没学好。”** 也可能是运气、噪声，或者只是换了个目标。它是一条转移*和*一个目标的事。
# - **“优先级总比均匀强。”** 翻比特上五个种子看不出它快，还多一棵树。先问：它存的数，下次还算数吗？
# - **“课程越难越好”，或者“越易越好”。** 太难学不到，太易没东西学。边缘在哪里，要量，而且它会动。
#
# ### 动手
#
# 打开 [`exercises/zh/ch5.ipynb`](../../exercises/zh/ch5.ipynb)：`priority_probabilities`、`importance_weights`、`sum_tree_find`、`trajectory_energy`、`curriculum_weights`、`rank_probabilities`，还有找错题 `mended_energies`；末尾的开放任务是“优先级到底有没有用？”。`sum_tree_find` 是把 5.3 的 `find` 向量化：一万个目标一起走，没有循环。
#
# 想多走一步：在 5.4 的 `half_way` 里给 `settings` 加一项 `"priority_settings": {"smoothing": 0.9}`，先猜 5.5 的第三行会高还是低，再跑。
#
# ### 下一章的问题
#
# 到现在我们一直在比*种种 HER*。退后一步：**和没有 HER 比，到底快多少？什么时候它反而不该用？**（[第 6 章](06_experiments.ipynb)）
