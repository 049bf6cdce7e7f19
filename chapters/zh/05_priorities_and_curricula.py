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
# > **这一章你会看到**：一个智能体能把冰球推多远，每一分钟都不一样：先是 8 厘米，四成的训练过去还是 8 厘米，然后接二连三，20、40、80。我们拿着它自己的成绩单给它排课。另一位挑教材的办法名气大得多，却有个尴尬的毛病：它记下的“这条很重要”，说的多半是*上一个目标*的事。最后把五种办法放在一张表里，五个种子，照实说。
# >
# > **时间**：阅读 40 分钟，运行约 3 分钟（2 核 CPU）。
# >
# > **需要**：第 2 章的重标注，第 4 章的缓冲区；知道什么是 TD 误差。
#
# 读完你能：
#
# 1. 写出优先经验回放（prioritized experience replay, PER）的两行公式，说清权重在还什么债；
# 2. 手画一棵求和树（sum tree），走一遍，并证明库里那棵“一个爹十六个娃”的树和它抽得一模一样；
# 3. 比较两种“值得学”：网络觉得意外（TD 误差），和冰球真的被推过（能量）；
# 4. 量出优先级有多陈旧，并说出为什么换目标让它雪上加霜；
# 5. 用智能体自己的成绩排一门由易到难的课程（curriculum），指着图说出早、中、晚期各够得着什么；
# 6. 读一张有赢有平的表，说出赢在哪里、为什么，别处为什么不赢。

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
# ## 5.1　两个旋钮
#
# 抽一个批次要做两个决定：**抽哪条转移**，**换成哪个目标**。第 3 章只拧了后一个旋钮，前一个一直停在“均匀”。这一章两个都拧。
#
# 库里它们是两个互不相干的小零件，插在同一个缓冲区上，所以怎么搭配都行。比如，按 TD 误差抽转移，由近及远换目标：

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
# 一条转移值不值得再看，谁知道？PER（Schaul 等，2016）说：网络自己知道。TD 误差 $\delta_i$ 大，说明这条和它以为的不一样。第 $i$ 条的优先级是
#
# $$p_i=|\delta_i|+\epsilon,\qquad P(i)=\frac{p_i^{\alpha}}{\sum_j p_j^{\alpha}}$$
#
# $\epsilon$ 保证误差为 0 的也不会永远被打入冷宫。$\alpha$ 是偏心的程度：0 是均匀，1 是完全照着误差来。五条转移，看 $\alpha$ 从 0 到 1，最意外的那条占去多少：

# %%
def probabilities(td_errors, alpha, epsilon=0.1):
    p = (np.abs(td_errors) + epsilon) ** alpha
    return p / p.sum()


td_errors = np.array([0.0, 0.1, -0.2, 0.4, -3.0])
for alpha in (0, 0.6, 1):
    print(f"alpha = {alpha:3}   {probabilities(td_errors, alpha).round(3)}")

# %% [markdown]
# 多抽是要还债的。网络要拟合的是*所有*经验的平均，现在意外的几条反复出场，平均就歪了。还债的办法是重要性权重（importance weight）：多抽几倍，就轻几倍。
#
# $$w_i=\Big(\frac{1}{N\,P(i)}\Big)^{\beta},\qquad\text{再除以批次里最大的一个}$$
#
# $\beta$ 是还多少：0 不还，1 还清。论文让它线性升到 1，常见的实现从 0.4 开始：早期反正什么都不准，歪一点不要紧。
#
# 拿一千个数试试：真正的平均是多少？按优先级抽，不加权，平均成了多少？加权 $\beta=1$ 呢？

# %%
rng = np.random.default_rng(0)
errors = rng.exponential(size=1_000)
P = probabilities(errors, alpha=0.6)
drawn = rng.choice(1_000, size=100_000, p=P)
weights = 1 / (1_000 * P[drawn])
print(f"{errors.mean():.2f}   {errors[drawn].mean():.2f}   {np.average(errors[drawn], weights=weights):.2f}")

# %% [markdown]
# 不还债，平均凭空高出一截；还清了就对上。（除以最大的那个只为了步子不要太大，不改变比例。）
#
# 库里的 `PrioritizedHER(priority="td")` 是同一件事。存一个五步的回合，告诉它五个 TD 误差，抽十万行：次数对得上公式吗？权重呢？

# %%
from her import Episode, PrioritizedHER

x = np.arange(6.0)
walk = Episode.from_arrays(x[:-1], np.ones(5), -np.ones(5), x[1:], np.zeros(5), x[1:], goal=[99.0])
buffer = PrioritizedHER(100, 1, 1, 1, config, priority="td", alpha=0.6, beta=0.4, epsilon=0.1, seed=0)
buffer.store_episode(walk)
buffer.update_priorities(np.arange(5), td_errors)
batch = buffer.sample(100_000)

# %%
P = probabilities(td_errors, alpha=0.6)
w = (5 * P) ** -0.4
print((np.bincount(batch.indices) / 100_000).round(2), P.round(2))
print(np.allclose(batch.weights, (w / w.max())[batch.indices], rtol=1e-5))


# %% [markdown]
# ## 5.3　求和树：一百万个数里抽一个
#
# 按 $P(i)$ 抽，最直白的写法是求一遍前缀和再二分查找。可每学一步，优先级就变几百个，一百万个数的前缀和得从头再来。求和树把它变成爬楼梯：叶子是各行的 $p^\alpha$，每个父节点是两个孩子的和。

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
from her_course.figures.priorities import alt, draw_sum_tree

tree = build([3, 1, 4, 1, 5, 9, 2, 6])
path = find(tree, 17.5)
fig, ax = plt.subplots(figsize=(7, 3.3))
draw_sum_tree(ax, tree, path, LANG)
show(fig, alt=alt("tree", LANG))

# %% [markdown]
# 17.5 ≥ 9，往右，剩 8.5；8.5 < 14，往左；8.5 ≥ 5，往右，剩 3.5，到了 9 那片叶子，第 5 行。三次比较。它占了 31 份里的 9 份，所以走到它的机会正好是 9/31。
#
# 改一片叶子也便宜，只有它头上的祖先要重算。一百万行，各要动几个数？

# %%
print(1_000_000, int(np.ceil(np.log2(1_000_000))))

# %% [markdown]
# 库里的树胖一些：一个父节点有 *16* 个孩子，最上面不超过 4,096 个节点的那层直接求前缀和。二叉树在一百万行上要下 20 层，每层几次 NumPy 调用；十六叉树只剩 2 层。理由全在 NumPy：一次处理 16 个数和处理 2 个数，花的时间差不多。
#
# 两棵树长得不同，抽得一样吗？十三万行，一万个*相同的*随机数，各走各的：

# %%
from her.sum_tree import SumTree

values = rng.exponential(size=2**17)
ours, theirs = build(values), SumTree(2**17)
theirs.set(np.arange(2**17), values)
uniform = rng.random(10_000)
rows, probability = theirs.draw(uniform)
same = rows == [find(ours, u * ours[1])[-1] - 2**17 for u in uniform]
print(same.mean(), np.allclose(probability, values[rows] / values.sum()))

# %% [markdown]
# 一行不差（1.0），报出来的概率也对。再改掉一半的叶子，看它们是不是都更新了祖先；然后对那棵八片叶子的小树抽十万次，请卡方检验（chi-square test）来判：

# %%
from scipy.stats import chisquare

values[::2] = 0
theirs.set(np.arange(0, 2**17, 2), 0.0)
print(np.isclose(theirs.total, values.sum()), (theirs.draw(uniform)[0] % 2 == 1).all())
small = SumTree(8)
small.set(np.arange(8), tree[8:])
counts = np.bincount(small.draw(rng.random(100_000))[0], minlength=8)
print(f"p = {chisquare(counts, 100_000 * tree[8:] / 31).pvalue:.2f}")

# %% [markdown]
# 优先级为 0 的一次也抽不到，$p$ 值也没有喊冤。工具好了，该问正事了。

# %% [markdown]
# ## 5.4　意外，还是动静
#
# 拿一个学到一半的智能体来问。推冰球（Push），带 HER，按 TD 误差抽，练 40 轮。它玩过的回合我们全留一份。（旁边还留下*上一轮*的网络，5.5 节要用。）

# %%
from copy import deepcopy

from her_course.figures.progress import progress_bar
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()


def half_way(env_id, rounds, seed, **env_kwargs):
    trainer = Trainer(settings_for(env_id, env_kwargs, priority="td", seed=seed, evaluate_every=1_000))
    episodes, store = [], trainer.buffer.store_episode
    trainer.buffer.store_episode = lambda episode: (episodes.append(episode), store(episode))
    for _ in progress_bar(range(rounds), description=f"{env_id}, seed {seed}"):
        before = deepcopy(trainer.agent)
        trainer.round()
    return trainer, episodes, before


# %%
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
push_rounds = 40 if PROFILE == "full" else 20
pushes = [half_way("her/Push-v0", push_rounds, seed) for seed in SEEDS]
trainer, episodes, _ = pushes[0]

# %% [markdown]
# 两千多个回合里，冰球动过的有多少？

# %%
moved = np.array([np.ptp(episode.achieved_goals, axis=0).any() for episode in episodes])
print(0.2 < moved.mean() < 0.8)


# %% [markdown]
# 四成多的回合，冰球纹丝不动（动过的占多少，看下图左边第一根柱子）。第 2 章说过，这种回合怎么换目标都算成功，什么也没教。均匀地抽，好大一部分课时花在看冰球发呆。
#
# **轨迹能量**（trajectory energy；Zhao 与 Tresp，2018）的想法是：别问网络，问*物体*。一个回合给了物体多少能量？
#
# $$E_t=m\,g\,(z_t-z_0)+\tfrac12\,m\lVert v_t\rVert^2,\qquad E_\tau=\sum_t\mathrm{clip}(E_t-E_{t-1},\,0,\,c)$$
#
# 冰球贴着桌面，没有高度那一项。只数*增加*的，每步最多数 $c$，免得一次猛撞独占鳌头：

# %%
def energy(positions, dt=0.1, mass=1.0, clip=0.5):
    speed = np.linalg.norm(np.diff(positions, axis=0), axis=1) / dt
    kinetic = np.append(0, mass * speed**2 / 2)
    return np.diff(kinetic).clip(0, clip).sum()


# %%
print(energy([[0, 0], [0, 0], [0.1, 0], [0.1, 0]]), energy([[0, 0], [0.05, 0], [0.1, 0], [0.1, 0]]))

# %% [markdown]
# 同样 10 厘米：一步推过去，速度 1 米每秒，动能 0.5 焦；分两步慢慢推，只有四分之一。
#
# 库里的 `priority="energy"` 按 $P(\tau)\propto (E_\tau+\text{底})^{1/(T+0.01)}$ 抽回合，$T=1$，再均匀地抽其中一步。那个“底”（0.01 焦）论文没有，是为了没动静的回合也偶尔露面。同样的回合存进去，先核对能量：

# %%
from her import HindsightExperienceReplay


def refill(like, episodes, seed, buffer=HindsightExperienceReplay, **settings):
    sizes = like.capacity, like.state_dim, like.action_dim, like.goal_dim
    filled = buffer(*sizes, like.config, seed=seed, **settings)
    for episode in episodes:
        filled.store_episode(episode)
    return filled


by_energy = refill(trainer.buffer, episodes, 0, PrioritizedHER, priority="energy", position=slice(2, 4), dt=0.1)

# %%
paths = [np.vstack([episode.states[:1, 2:4], episode.achieved_goals]) for episode in episodes]
energies = np.array([energy(path) for path in paths])
print(np.allclose(energies, by_energy.transitions.energies(by_energy), atol=1e-4))

# %% [markdown]
# 现在三种抽法各抽二十万行。每个回合 50 步，所以行号除以 50 就是回合号。

# %%
buffers = {"uniform": refill(trainer.buffer, episodes, seed=0), "td": trainer.buffer, "energy": by_energy}
drawn = {name: buffer.sample(200_000).indices // 50 for name, buffer in buffers.items()}
rates = {name: np.bincount(of, minlength=len(episodes)) * len(episodes) / 200_000 for name, of in drawn.items()}

# %% [markdown]
# 左图：抽到的行里，有多少出自“冰球动过”的回合？右图：每个点是一个回合，纵轴是它被抽到的次数相当于均匀的几倍。先看左边哪种办法更会躲开发呆的冰球，再看右边：橙色几乎排成一条线，红叉呢？

# %%
from her_course.figures.priorities import draw_moved_shares, draw_replay_rates

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(2, 3))
draw_moved_shares(axes[0], {name: moved[of].mean() for name, of in drawn.items()}, LANG)
draw_replay_rates(axes[1], energies, {name: rates[name] for name in ("td", "energy")}, LANG)
show(fig, alt=alt("replayed", LANG))

# %% [markdown]
# 能量把几乎所有的课时都给了动过的冰球，而且动得越多给得越多。TD 误差也偏向它们，但温和得多，上下散开一片：网络的意外不只来自冰球。钉成断言：

# %%
share = {name: moved[of].mean() for name, of in drawn.items()}
print(share["energy"] > 0.85, share["uniform"] < share["td"] < share["energy"])


# %% [markdown]
# 哪种“值得”更对？能量的长处是老实：它是回合的*事实*，算一次，永远不变。短处也在这里：它不知道网络已经学会了什么，而且没有物体的任务（翻比特、绕墙）根本没有它。TD 误差什么任务都有，还跟着学习变。可是，它真的跟得上吗？

# %% [markdown]
# ## 5.5　陈旧的优先级
#
# PER 存的是一个数，*上次见面时*的误差。下次见面，世界变了两处，它就成了陈旧的优先级（stale priority）：
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


def staleness(trainer, episodes, before, apart):
    batch = refill(trainer.buffer, episodes, seed=trainer.config.seed + 1_000).sample(100_000)
    one, two = two_goals(batch, apart)
    now, earlier = (np.abs(deepcopy(agent).update(batch.torch())) for agent in (trainer.agent, before))
    sampler = trainer.buffer.transitions
    stored = sampler.priorities(batch.indices) ** (1 / sampler.alpha) - sampler.epsilon
    return [spearmanr(a, b).statistic for a, b in ((earlier[one], now[one]), (now[one], now[two]), (stored[one], now[one]))]


# %% [markdown]
# 推冰球之外，再加翻 15 位比特，练 8 轮。两个任务的行号都和存进去的次序一致。

# %%
flips = [half_way("her/BitFlip-v0", 8 if PROFILE == "full" else 4, seed, n_bits=15) for seed in SEEDS]
stale = {"Push": [staleness(*run, apart=0.08) for run in pushes], "BitFlip": [staleness(*run, apart=1) for run in flips]}

# %% [markdown]
# 每个点是一个种子。第一行*只有网络变了*（老了一轮，同一个目标），第二行*只有目标变了*（同一个网络），第三行两样都变了，也就是 PER 实际在用的：存着的优先级，对新抽的目标。

# %%
from her_course.figures.priorities import draw_correlations

rows = text(LANG, "网络旧一轮|目标换一个|存着的优先级", "network a round older|another goal|stored priority").split("|")
fig, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
for ax, (task, of_seeds) in zip(axes, stale.items(), strict=True):
    draw_correlations(ax, dict(zip(rows, np.transpose(of_seeds), strict=True)), task, LANG)
show(fig, alt=alt("stale", LANG))

# %% tags=["nbval-ignore-output"]
for task, of_seeds in stale.items():
    aged, regoaled, stored = np.mean(of_seeds, axis=0)
    print(f"{task:8} {aged:.2f}   {regoaled:.2f}   {stored:.2f}")
    assert stored < 0.6
    assert task == "BitFlip" or aged > regoaled + 0.2


# %% [markdown]
# 推冰球这边一清二楚：网络老一轮没什么，误差的排名大体还在；换个目标，排名就乱了大半。存着的优先级和换目标之后一个样：毛病不在旧，在*换*。翻比特更糟，网络变得快，目标又是 15 位里随便哪个，存着的优先级和新误差几乎没有关系。
#
# 那么翻比特上按它抽，近乎随机地抽，还多花了维护树的工夫。推冰球上倒还剩点东西：优先级至少记得*冰球动没动过*，那是换目标换不掉的（5.4 节的左图）。各值多少，5.8 节的表说了算。
#
# 陈旧能缓解一点：`epsilon` 调大，别太当真；`smoothing` 让优先级记住几次见面的平均，也就是几个目标的平均。治本的办法没有，因为一条转移本来就没有*一个*误差，它有一族。

# %% [markdown]
# ## 5.6　由易到难
#
# 现在拧另一个旋钮：换成*哪个目标*。教孩子投篮，从罚球线开始，不从中场。目标离得多远才算“够得着”？问成绩单：每个真实的回合，每一步都是一次投篮，“从离目标 $d$ 的地方出发，后来进了没有”。按 $d$ 分格统计成功率，成功率跌破一半的地方，就是**够得着的距离**（reach）。
#
# 然后给每条转移抽四个候选目标，近的多挑，够得着的范围里一视同仁。设 $u$ 是目标超出够得着的范围多少（比最近的那个候选再多多少），权重是
#
# $$w\;\propto\;\text{底}+e^{-u/s}$$

# %%
def nearness(distances, reach, softness, floor=0.05):
    beyond = np.maximum(distances - reach, 0)
    return floor + np.exp((beyond.min(axis=0) - beyond) / softness)


# %% [markdown]
# 四个候选，离 0.1、0.3、0.5、0.7 米。够得着的距离从 0 涨到 0.8，机会怎样一点点摊平？

# %%
for reach in (0.0, 0.2, 0.4, 0.8):
    w = nearness(np.array([0.1, 0.3, 0.5, 0.7]), reach, softness=0.18)
    print(f"{reach} m   {(w / w.sum()).round(2)}")

# %% [markdown]
# 库里是 `CurriculumHER(curriculum="reach")`。证明它就是这几行：一条直路，走 20 步，目标在 30；让库报出它此刻的 `reach` 和 `scale`（环境给的目标平均有多远，$s$ 是它的四成），我们照着抽，比较“目标比这一步远几格”的分布，卡方检验：

# %%
x = np.arange(21.0)
walk = Episode.from_arrays(x[:-1], np.ones(20), -np.ones(20), x[1:], np.zeros(20), x[1:], goal=[30.0])
library = CurriculumHER(100, 1, 1, 1, config, curriculum="reach", softness=0.4, floor=0.05, seed=0)
library.store_episode(walk)
batch, report = library.sample(50_000), library.report()
theirs = (batch.goal_indices - batch.indices)[batch.relabelled]

# %%
t = rng.integers(20, size=40_000)
candidates = rng.integers(t, 20, size=(4, 40_000))
w = nearness(1.0 * (candidates - t), report["reach"], softness=0.4 * report["scale"]).cumsum(axis=0)
kept = (w > rng.random(40_000) * w[-1]).argmax(axis=0)
ours = candidates[kept, np.arange(40_000)] - t

# %%
from scipy.stats import chi2_contingency

for name, offsets in (("ours", ours), ("plain future", candidates[0] - t)):
    table = np.stack([np.bincount(theirs, minlength=20), np.bincount(offsets, minlength=20)])
    print(f"{name:13} p > 0.001: {chi2_contingency(table).pvalue > 0.001}   {offsets.mean():.1f} {theirs.mean():.1f}")


# %% [markdown]
# 我们的和库的分不开；普通的 `future` 当场被认出来，它挑得更远。
#
# 这门课还管一件事：真正去玩的时候奔哪儿去。八成的回合，它从*到过的地方*里挑一个恰好在够得着的边缘的当目标（`rollout_goals`），免得一上场就是够不着的。这已经超出了“重标注”，后来的 HGG、MEGA 走的正是这条路（第 6 章）。
#
# ### 真跑一次，看它长大
#
# 推冰球，三个种子，每轮记下够得着的距离，并在三个时刻把智能体和那一轮*真正练过的目标*留下来：第 12 轮（早）；够得着的距离第一次过 0.25 米（中）；最后一轮（晚）。

# %%
def grow(seed, rounds):
    trainer = Trainer(settings_for("her/Push-v0", curriculum="reach", seed=seed, evaluate_every=1_000))
    reaches, stages, practised, store = [], {}, [], trainer.buffer.store_episode
    trainer.buffer.store_episode = lambda episode: (practised.append(episode.goal - episode.states[0, 2:4]), store(episode))
    for i in progress_bar(range(rounds), description=f"seed {seed}"):
        practised.clear()
        trainer.round()
        reaches.append(trainer.buffer.report()["reach"])
        for stage, is_now in (("early", i == 11), ("middle", reaches[-1] > 0.25), ("late", i == rounds - 1)):
            if is_now and stage not in stages:
                stages[stage] = deepcopy(trainer.agent), np.array(practised), reaches[-1]
    return np.array(reaches), stages


# %%
grow_rounds = 80 if PROFILE == "full" else 48
grown = [grow(seed, grow_rounds) for seed in SEEDS]
reaches = np.array([reach for reach, _ in grown]).clip(max=1)

# %% [markdown]
# 绿带是任务的目标所在（离冰球 0.3 到 0.6 米），点线是容差。看曲线贴着点线趴了多久，起飞以后又有多陡：

# %%
from her_course.figures.priorities import draw_reach_growth

fig, ax = plt.subplots(figsize=(6.6, 3.4))
draw_reach_growth(ax, 64 * 50 * np.arange(1, grow_rounds + 1), reaches, 0.08, LANG)
show(fig, alt=alt("reach", LANG))

# %% [markdown]
# 再看数（米）。每行一个种子，三列是第 12 轮、半程、最后：

# %% tags=["nbval-ignore-output"]
for reach in reaches:
    print(f"{reach[11]:.2f}   {reach[len(reach) // 2]:.2f}   {reach[-1]:.2f}")
if PROFILE == "full":
    assert (reaches[:, 11] < 0.2).all()
    assert (reaches[:, -1] > 0.45).all()

# %% [markdown]
# 头十万步里，够得着的距离就是容差：冰球要是本来就在圈里，那就算“够得着”，此外什么也不会。然后突然开窍。
#
# 成绩单是训练中带着探索记的。另考一次，验验它说的是不是真话：三个时刻的智能体，不带探索，四百个目标，撒满冰球周围 0.85 米的圆盘：

# %%
from her.training.evaluation import make_envs, rollout


def examine(agent, n=400):
    envs, rng = make_envs("her/Push-v0", n), np.random.default_rng(0)
    distance, angle = 0.85 * np.sqrt(rng.random(n)), rng.uniform(-np.pi, np.pi, n)
    offsets = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    puck = envs.reset(seed=1)[0]["achieved_goal"]
    return offsets, rollout(agent.act, envs, 50, seed=1, options={"goal": puck + offsets}).success[-1]


# %% [markdown]
# 上排是考试：每个点是一个目标，画在它离冰球起点的方位上；绿的最后一步到了，空心的没到。红虚线是成绩单上够得着的距离，绿环是任务要的范围。下排是那一轮*练*的六十四个目标（有几个太远，落在图外）。从左到右：绿点铺到哪里了？练的目标跟上来没有？

# %%
from her_course.figures.priorities import draw_goals_around

names = dict(zip(("early", "middle", "late"), text(LANG, "早|中|晚", "early|middle|late").split("|"), strict=True))
stages = grown[0][1]
fig, axes = plt.subplots(2, 3, figsize=(8.4, 5.9), sharex=True, sharey=True)
for (top, bottom), (stage, (agent, practised, reach)) in zip(axes.T, stages.items(), strict=True):
    offsets, reached = examine(agent)
    draw_goals_around(top, offsets, reach, names[stage] + text(LANG, "：考得到的", ": reached"), LANG, reached)
    draw_goals_around(bottom, practised, reach, names[stage] + text(LANG, "：练过的", ": practised"), LANG)
show(fig, alt=alt("stages", LANG))

# %% [markdown]
# 早期，绿点挤在圆心，练的目标就围着圆心（边缘是软的，所以散到红圈外面）。到了晚期，绿点铺满，练的目标也散开：八成的回合冲着红圈去，那里已经比任务要的还远，只是冰球到过那么远的地方不多，挑来挑去还是里面的多；另外两成仍是任务自己的。考试的成绩，三个种子都是这个次序：

# %%
exams = [[examine(agent)[1].mean() for agent, *_ in stages.values()] for _, stages in grown]
print(all(exam == sorted(exam) for exam in exams), all(exam[-1] > 0.4 for exam in exams))


# %% [markdown]
# 看它们推。四道同样的题，三个时刻的智能体各做一遍：

# %%
def film(agent):
    envs = make_envs("her/Push-v0", 4, render_mode="rgb_array")
    observation, _ = envs.reset(seed=5)
    pictures = [envs.render()]
    for step in range(1, 50):
        observation, *_ = envs.step(agent.act(np.hstack([observation["observation"], observation["desired_goal"]])))
        pictures += [envs.render()] if step % 2 == 0 else []
    return pictures


# %% [markdown]
# 三排是早、中、晚，同一列的起点和目标相同。上排的圆盘在忙什么？

# %%
from her_course.figures import animate
from her_course.figures.implementation import side_by_side

animate(side_by_side(*(film(agent) for agent, *_ in stages.values())), fps=8, alt=alt("film", LANG))


# %% [markdown]
# 上排的圆盘在瞎忙：碰不碰得着冰球全看运气，碰着了，往哪边推也和目标无关。
#
# ## 5.7　CHER：先要广，再要近
#
# 课程引导的 HER（Curriculum-guided HER, CHER；Fang 等，2019）不量够得着多远，它一次看*整批*。先按 `future` 多抽一倍候选，再从里面挑一半 $A$，让下面这个数最大：
#
# $$F(A)=\sum_i\max_{j\in A}\mathrm{sim}(g_i,g_j)\;-\;\lambda\sum_{j\in A}\lVert g_j-d_j\rVert$$
#
# 前一项是**多样**（diversity）：每个候选都要有个挑中的代表离它不远。后一项是**邻近**（proximity）：替代目标 $g_j$ 离真正想去的 $d_j$ 要近。$\lambda$ 一路变大，所以是先广后近。
#
# 贪心地挑，每次挑让 $F$ 涨得最多的那个：

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
# 真实的候选：绕墙（Reach），六十个乱走的回合，都想去墙右边同一个地方，乱走到过的 128 个点。

# %%
desired = np.float32([0.5, 0.6])
envs = make_envs("her/Reach-v0", 60)
envs.action_space.seed(1)
play = rollout(lambda x: envs.action_space.sample(), envs, 50, seed=0, options={"goal": np.tile(desired, (60, 1))})
goals = np.random.default_rng(0).permutation(play.achieved_goals.reshape(-1, 2))[:128]
distance = np.linalg.norm(goals - desired, axis=1)

# %% [markdown]
# 挑 16 个（图上看得清；训练时是 128 里挑 64）。左边随便挑，中间 $\lambda=0$ 只要广，右边 $\lambda$ 很大只要近。哪一幅的蓝点散得最开？

# %%
from her_course.figures.priorities import draw_picks

picks = {text(LANG, "随便挑", "at random"): np.arange(16)}
picks |= {f"λ = {weight}": pick(goals, weight * distance, 16)[0] for weight in (0, 30)}
fig, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for ax, (title, picked) in zip(axes, picks.items(), strict=True):
    draw_picks(ax, goals, desired, picked, title)
show(fig, alt=alt("cher", LANG))

# %% [markdown]
# 量一量：挑中的点里，最近的两个隔多远（米）？平均离星多远？

# %%
from scipy.spatial.distance import pdist

for picked in picks.values():
    print(f"{pdist(goals[picked]).min():.2f}   {distance[picked].mean():.2f}")

# %% [markdown]
# $\lambda=0$ 挑的散得最开，最近的两个也隔 12 厘米，是随便挑的两倍；$\lambda=30$ 挑的近了一大截，代价是挤成几堆。
#
# 库里的 `pick_diverse` 是*随机*贪心：每次不比全部，只在随机的三个候选里挑最好的（作者的代码也是三个）。它离真贪心差多少？各挑 64 个，看 $F$：随便挑、库、真贪心：

# %%
from her.cher import pick_diverse


def objective(picked, cost):
    apart = np.linalg.norm(goals[:, None] - goals, axis=2)
    sigma = np.where(np.eye(128), np.inf, apart).min(axis=1).mean()
    return np.exp(-((apart[:, picked] / sigma) ** 2)).max(axis=1).sum() - cost[picked].sum()


# %%
for weight in (0.0, 1.0, 5.0):
    cost = weight * distance
    quick = pick_diverse(goals, cost, 64, np.random.default_rng(0))
    values = objective(np.arange(64), cost), objective(quick, cost), pick(goals, cost, 64)[1]
    print(f"λ = {weight}   ", *(f"{value:7.1f}" for value in values))

# %% [markdown]
# 三种 $\lambda$ 下都一样：随机贪心在随便挑和真贪心之间，靠真贪心那头。
#
# 顺便说一句，作者公开的代码和论文写的有几处不一样（步数每个 epoch 归零，所以 $\lambda$ 几乎不涨；邻近量的是已经换过的目标）。库按*论文*的式子来，差别一条一条写在 `her.cher.Cher` 的说明里。

# %% [markdown]
# ## 5.8　照实说的一张表
#
# 道理讲完了，管用吗？五种办法，别的一概不动：均匀的 HER；加 TD 误差；加能量；加由近及远的课程；加 CHER。两个任务，五个种子，`her sweep results/variants/sweep.toml` 跑出来，存在 `results/` 里（翻比特没有物体，所以没有能量）。

# %%
import csv
from pathlib import Path

from her.plots.curves import read_curves

results = next(p / "results" for p in (Path.cwd(), *Path.cwd().parents) if (p / "results").is_dir()) / "variants"
curves = read_curves(results / "curves.csv")
with open(results / "runs.csv", newline="", encoding="utf-8") as file:
    runs = [run for run in csv.DictReader(file) if run["status"] == "done"]

# %% [markdown]
# 先看曲线，带子是 95 % 的自助法（bootstrap）区间。哪条线明显地*先*起飞？它的带子和蓝线的分得开吗？

# %%
from her_course.figures.priorities import VARIANTS, draw_variants

tasks = {"bit_flip_30": (text(LANG, "翻比特，30 位", "bit flipping, 30 bits"), "any"), "push": (text(LANG, "推冰球", "Push"), "end")}
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.5))
for ax, (task, (title, at)) in zip(axes, tasks.items(), strict=True):
    draw_variants(ax, {variant: curves[task, variant] for variant in VARIANTS if (task, variant) in curves}, title, LANG, at)
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
show(fig, alt=alt("variants", LANG))

# %% [markdown]
# 曲线读不准，换成数。每行一种办法：种子数；最后成绩的四分位均值（interquartile mean, IQM，去掉头尾各四分之一再平均）和区间；走到 0.9 要多少步（千步，没走到的按没走到算，写出有几个走到了）；相对均匀的 HER 快几倍，区间是两边种子一起重抽的：

# %%
from her.sweeps.statistics import bootstrap, steps_to_threshold


def steps_needed(task, variant, threshold=0.9):
    steps, success = curves[task, variant]
    return [steps_to_threshold(steps, of_seed, threshold) for of_seed in success]


def faster(baseline, treatment, rng):
    ours, theirs = (np.log([n for n in needed if n is not None]) for needed in (treatment, baseline))
    again = [rng.choice(theirs, len(theirs)).mean() - rng.choice(ours, len(ours)).mean() for _ in range(2_000)]
    return np.exp([theirs.mean() - ours.mean(), *np.quantile(again, [0.025, 0.975])])


# %%
for task, (title, _) in tasks.items():
    print(title)
    for variant in (v for v in VARIANTS if (task, v) in curves):
        final = bootstrap([float(r["success_rate"]) for r in runs if (r["task"], r["variant"]) == (task, variant)])
        needed = steps_needed(task, variant)
        reached = [n for n in needed if n is not None]
        row = f"  {variant:8} {len(needed)}   {final}   {len(reached)}/{len(needed)}"
        if len(reached) == len(needed):
            ratio, low, high = faster(steps_needed(task, "uniform"), needed, np.random.default_rng(0))
            row += f"   {np.mean(reached) / 1e3:4.0f} k   {ratio:.2f} x [{low:.2f}, {high:.2f}]"
        print(row)

# %% [markdown]
# 先说最后成绩。推冰球上大家都到顶；翻比特上 TD 误差和 CHER 低了一两个百分点，0.98 对均匀的 1.00，区间不重叠。先别当真：把 TD 误差的 $\alpha$ 设成 0，抽法就该和均匀一样，另跑五个种子（`results/variants_why`），最后也只有 0.99 上下。五个种子的区间本来就偏窄，这么小的差别它说不清。说得清的是*快慢*。
#
# 翻比特上没有赢家：倍数的区间全都压着 1。5.5 节说过为什么 TD 误差帮不上忙：它存的数和下一次的误差几乎无关。课程也没处使劲，`future` 抽到的目标本来就由近到远都有。
#
# 推冰球上赢家很清楚：能量快了七成，TD 误差三成多，由近及远一成多；CHER 的区间压着 1。把这些钉成断言，`faster` 的区间两头都要算数：

# %%
interval = {key: faster(steps_needed(key[0], "uniform"), steps_needed(*key), np.random.default_rng(0))[1:] for key in curves}
print(all(low < 1 < high for (task, _), (low, high) in interval.items() if task == "bit_flip_30"))
print(interval["push", "energy"][0] > 1.4, interval["push", "td"][0] > 1.1, interval["push", "reach"][0] > 1)
print(interval["push", "cher"][0] < 1 < interval["push", "cher"][1])

# %% [markdown]
# 名次和 5.4 节的左图一个次序：谁躲得开发呆的冰球，谁就快。这也回答了一个本该有的疑问：TD 误差既然那么陈旧，怎么还快了三成？多半因为它也认得出冰球动没动，而那*不随目标变*。（这是我们的解释，不是证明：要证明，得把动过的回合单独拿出来再比。）翻比特里没有发呆的冰球，这点好处也就没了。
#
# 所以建议是：有物体，先试能量，便宜，也不会陈旧；没有物体，先别动均匀；环境许你自己定出发的目标，再试课程。一个任务上的七成不是所有任务上的七成，五个种子、两个任务，话就说到这里。

# %% [markdown]
# ## 5.9　回头看
#
# 1. **两行公式。** $P(i)\propto p_i^{\alpha}$ 多看意外的，$w_i$ 还债：不还，平均就歪（5.2）。
# 2. **求和树。** 八片叶子走三步；二叉和十六叉，一万个随机数走到的行全都相同（5.3）。
# 3. **意外与动静。** 能量把几乎全部的课时给了动过的冰球，TD 误差温和得多（5.4）。
# 4. **陈旧。** 推冰球：网络旧一轮，排名大体还在；目标换一个，排名乱了大半，存着的优先级也就这么准（5.5）。
# 5. **由易到难。** 够得着的距离先贴着容差趴着，然后在二十轮上下穿过整个任务；另考一次，早、中、晚的次序对得上（5.6）。CHER 换个角度：先广后近（5.7）。
# 6. **一张表。** 推冰球上能量快七成，TD 误差三成多，由近及远一成多，CHER 没有分别；翻比特上谁也没赢（5.8）。
#
# ### 三个常见的误会
#
# - **“TD 误差大，就是没学好。”** 也可能是运气、噪声，或者只是换了个目标。它是一条转移*和*一个目标的事。
# - **“优先级总比均匀强。”** 翻比特上它没快，倒贴一棵树。先问：它存的数，下次还算数吗？
# - **“课程越难越好”，或者“越易越好”。** 太难学不到，太易没东西学。边缘在哪里，要量，而且它会动。
#
# ### 动手
#
# 打开 `exercises/ch5.ipynb`，练习有五个：`priority_probabilities`、`importance_weights`、`sum_tree_find`、`trajectory_energy`、`curriculum_weights`。`sum_tree_find` 是把 5.3 的 `find` 向量化：一万个目标一起下楼，没有循环。
#
# 想多走一步：给 5.5 的 `half_way` 加上 `priority_settings={"smoothing": 0.9}`，先猜第三行会高还是低，再跑。
#
# ### 下一章的问题
#
# 到现在我们一直在比*种种 HER*。退后一步：**和没有 HER 比，到底快多少？什么时候它反而不该用？**
