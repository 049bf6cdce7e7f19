# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2　重标注
#
# > **这一章你会看到**：一条走廊，几百趟闭着眼的散步，*没有一趟*走到了想去的地方。两张一模一样的表从它们学。一张学完，243 个数一个也没动；另一张学完，从任何一格去任何一格的最短路线全在里面，一个数都不差。你可以把每个数打印出来，亲手核对。
# >
# > **时间**：阅读 35 分钟，运行约 2 分钟（2 核 CPU）。
# >
# > **需要**：第 1 章的稀疏奖励和 $Q(s,a,g)$；会读 NumPy 的下标。
#
# 读完你能：
#
# 1. 用五行代码重标注（relabel）一条转移，说清什么变了，什么没变；
# 2. 把一个失败的回合一步一步地换目标，`future`、$k=4$，用手指着图讲；
# 3. 让环境自己作证：这不是作弊；
# 4. 说出它为什么管用的三个理由，各有一个数；
# 5. 推出重标注之后到底有多少成功，再把它数出来，顺便推翻“$k/(k+1)$”的传说；
# 6. 看着一张表从失败里学会一切，并说出为什么这样的数据要离策略（off-policy）的算法来学。

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
# ## 2.1　球门挪一挪
#
# 你朝球门踢了一脚，球从右边门柱外两米飞了出去。裁判说：不算。
#
# 可是你自己清楚，刚才那一脚教了你一件事：*这样踢，球会去那里*。要是球门本来就立在右边两米，这就是一粒好球。[论文](https://arxiv.org/abs/1707.01495)的引言用冰球讲了同样的意思（第 1 节）：没达到目标的尝试，教给人的几乎和成功一样多；普通的强化学习却只听见“不算”。
#
# 事后经验回放（hindsight experience replay, HER；也译后见经验回放）就是把球门挪到球落下的地方，再学一遍。
#
# 我们要一个失败的回合。第 1 章的绕墙（Reach），每回合只走 8 步，好让每一步都看得清；一百个乱走的智能体里，挑从头到尾挪得最远的那个：

# %%
from her import sparse_reward
from her.training.evaluation import make_envs, rollout


def reward(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.06)


def wander(env_id, n, **kwargs):
    envs = make_envs(env_id, n, **kwargs)
    envs.action_space.seed(1)
    return rollout(lambda observations: envs.action_space.sample(), envs, envs.horizon, seed=0)


def distance_made(episode):
    return np.linalg.norm(episode.achieved_goals[-1] - episode.states[0])


# %%
episode = max(wander("her/Reach-v0", 100, horizon=8).episodes(), key=distance_made)
print(episode.rewards)

# %% [markdown]
# 八步，八个 −1。现在把目标挪到它最后站着的地方，别的一概不动。下面两幅图，请找不同：

# %%
from her import Episode
from her_course.figures.relabelling import draw_moved_goal

moved = Episode(episode.transitions)
moved.goal = episode.achieved_goals[-1]
fig, axes = plt.subplots(1, 2, figsize=(7.6, 4.2))
draw_moved_goal(axes, episode, moved, 0.06)
show(fig, "relabelling.moved")

# %% [markdown]
# 路线、起点、每一个动作都一样，只有绿圈挪了位置。左边是失败，右边是成功，而*发生过的事*完全相同。
#
# 写成公式。一条转移（transition）原本是
#
# $$(s_t,\;a_t,\;r_g(s_t,a_t,s_{t+1}),\;s_{t+1},\;g)$$
#
# 挑一个后来真正达到过的目标 $g'=m(s_{j+1})$，$j\ge t$，重标注成
#
# $$(s_t,\;a_t,\;r_{g'}(s_t,a_t,s_{t+1}),\;s_{t+1},\;g')$$
#
# 五样东西里变了两样：目标换成 $g'$，奖励*按新目标重新算*。代码也就这么几行。`achieved_goal` 是这一步做完之后到达的，也就是 $m(s_{t+1})$：

# %%
from dataclasses import replace


def relabel(transition, new_goal):
    new_reward = float(reward(transition.achieved_goal, new_goal))
    return replace(transition, goal=new_goal, reward=new_reward)


# %% [markdown]
# 最后一步，换成它自己到达的地方。前后各打印一遍，看哪几栏变了：

# %%
before = episode[7]
after = relabel(before, new_goal=episode.achieved_goals[7])
fields = ("state", "action", "reward", "next_state", "done", "goal")
rows = {
    name: [np.round(1.0 * getattr(one, name), 2) for one in (before, after)] for name in fields
}
pd.DataFrame(rows, ["before", "after"]).T


# %% [markdown]
# ## 2.2　一步一步来：`future`，k = 4
#
# 目标挪到哪里，可以有很多挑法，下一章全看一遍。这一章用最常见的 `future`：给第 $t$ 步换目标，就从**这一步以及以后**到达过的地方里，均匀地抽 $k$ 个**替代目标**（substitute goal）。$k=4$ 时每步得到四份重标注的拷贝，连原来那份，一步变成五条转移。

# %%
def future(t, k, rng):
    return rng.integers(t, len(episode), size=k)


rng = np.random.default_rng(7)
chosen = [future(t, 4, rng) for t in range(len(episode))]

# %% [markdown]
# 八步全部打印出来。每行是一步：到达的位置，原来的奖励，抽到的四个 $j$，四个新奖励。先看第一行和最后一行，差别在哪？

# %%
rows = []
for t, j in enumerate(chosen):
    new_rewards = [relabel(episode[t], episode.achieved_goals[i]).reward for i in j]
    rows.append((episode[t].achieved_goal.round(2), episode[t].reward, j, new_rewards))
heads = ["achieved goal", "reward", "j drawn", "new rewards"]
pd.DataFrame(rows, pd.RangeIndex(len(rows), name="t"), heads)

# %% [markdown]
# 最后一步只有一个去处可抽，就是它自己到的地方，四份全是 0。第一步有八个去处，抽中自己一定是 0；除此之外，只有 $j=2$ 碰巧落在 6 厘米以内，也会得 0。其余的都是 −1：*换了目标，不等于到了目标*。
#
# 再画出来。粗箭头是这一步，空心圈是候选，实心是抽中的；绿色的得 0，蓝色的得 −1。从左上看到右下，候选一个一个少下去：

# %%
from her_course.figures.relabelling import draw_step

fig, axes = plt.subplots(2, 4, figsize=(9, 4.9))
for t, ax in enumerate(axes.flat):
    draw_step(ax, episode, t, list(chosen[t]), 0.06)
show(fig, "relabelling.steps")

# %% [markdown]
# 轮到你动手。在 JupyterLab 里跑下面这格，会有两个滑块：`t` 是哪一步，`k` 抽几个。把 `t` 从 0 推到 7，再把 `k` 加到 16，看候选怎样变，绿点什么时候多起来。（看的要是静态页面，那就只有一幅：$t=2$，$k=4$。）

# %% tags=["nbval-ignore-output"]
from her_course.figures.relabelling import explore

explore(episode, lambda t, k: list(future(t, k, np.random.default_rng(0))), 0.06)

# %% [markdown]
# 再玩一个真的回合：推冰球，你来推。蓝的是你，橙的是冰球，绿圈是目标；一共 50 步，按一次箭头走两步。多半推不进去，没关系。时间一到，下面会出现两幅图：左边是本来的目标，右边把目标挪到冰球最后停下的地方（第 3 章管这种挑法叫 `final`），奖励重新算过，你做过的事*一步没改*。先猜：右边有几步得 0？再玩一次，这回故意不碰冰球：又有几步得 0？它们值钱吗？（2.5 节再谈。静态页面上只有一个替你玩好的回合。）

# %%
from her_course.figures.play_push import play_push

play_push()

# %% [markdown]
# ### 整个算法，装进一个框
#
# > **算法 1　事后经验回放**（[Andrychowicz 等，2017](https://arxiv.org/abs/1707.01495)，算法 1），按本库的写法
# >
# > 给定：离策略的学习器，挑目标的策略 $\mathbb S$（这里是 `future`），奖励函数 $r_g$，每条真实转移配 $k$ 个替代目标
# >
# > 1. 反复：
# > 2. 　　抽一个目标 $g$ 和起点 $s_0$
# > 3. 　　对 $t=0,\dots,T-1$：带探索地选 $a_t\sim\pi(\cdot\mid s_t,g)$，走到 $s_{t+1}$
# > 4. 　　把整个回合**原样**存进回放缓冲区
# > 5. 　　做若干次更新，每次：
# > 6. 　　　　均匀地抽一批转移 $(s_t,a_t,s_{t+1},g)$
# > 7. 　　　　其中 $k/(k+1)$ 的行：用 $\mathbb S$ 从*同一回合*挑 $j$，令 $g\leftarrow m(s_{j+1})$
# > 8. 　　　　所有的行：$r\leftarrow r_g(s_t,a_t,s_{t+1})$
# > 9. 　　　　学习器更新一步（第 1 章的 `learn`）
#
# 和论文只差一处：论文在存的时候就写下 $k$ 份拷贝，这里到第 7 行才换目标。配比的期望一样，内存省下 $k$ 倍，每次抽样还能见到新的目标。第 6 至 8 行就是 [`her/hindsight.py`](../../her/hindsight.py) 里的 `sample`。
#
# ## 2.3　凭什么是真的
#
# 第 1 章末尾的问题：事后换目标，听着像作弊，凭什么学到的东西是真的？
#
# 不用讲道理，做实验。32 份拷贝，每份都声称：“*假如*当初的目标是 $g'$，这一步的奖励就是这么多。”那就真的来一遍：把环境摆回同样的起点，目标从一开始就设成 $g'$，一步不差地重做那八个动作，看环境自己给多少分。

# %%
step = np.repeat(np.arange(8), 4)
goals = episode.achieved_goals[np.concatenate(chosen)]
claimed = [relabel(episode[t], goal).reward for t, goal in zip(step, goals, strict=True)]

envs = make_envs("her/Reach-v0", 32, horizon=8)
envs.reset(seed=0, options={"state": episode.states[0], "goal": goals})
rewards, places = [], []
for action in episode.actions:
    observation, r, _, _, infos = envs.step(np.tile(action, (32, 1)))
    rewards.append(r)
    places.append(infos.get("final_obs", observation)["achieved_goal"])

# %% [markdown]
# `rewards[t, i]` 是第 $i$ 个环境在第 $t$ 步亲口给的分。两问：32 份声称都对吗？32 个环境走的路和当初是同一条吗？

# %%
given = np.array(rewards)[step, np.arange(32)]
apart = abs(np.array(places) - episode.achieved_goals[:, None]).max()
print(f"{(given == claimed).sum()} of 32 rewards as claimed; paths at most {apart:.0e} m apart")

# %% [markdown]
# 32 份全对，路是同一条。重标注没有编造任何东西：它给的每一个奖励，环境都会照给。道理只有三条：
#
# 1. **世界不看目标。** 下一状态 $s_{t+1}\sim p(\cdot\mid s_t,a_t)$ 里没有 $g$。推一下冰球，它往哪儿滑，跟你想让它去哪儿没有关系。
# 2. **奖励算得出来。** $r_{g'}$ 是已知的函数，给谁都能打分，不必再去环境里问。
# 3. **每个目标各有各的贝尔曼方程。** $Q(s,a,g')$ 只要求 $(s,a,s')$ 是真的，不问当初是奔着谁去的。
#
# 三条都有前提。第一条：观测里不能藏着目标，否则换了目标，状态就成了假话。第二条：手里得有奖励函数，而且它只看达到的目标和想要的目标。第三条：环境要是会掷骰子，拿“后来碰巧到了哪里”当目标就会有偏差，专挑运气好的那几次（[Plappert 等，2018](https://arxiv.org/abs/1802.09464)，第 2 节；[ARCHER](https://arxiv.org/abs/1809.02070)）。本章的环境都是确定的；第 6 章用一个反例把它算清楚。
#
# ### 没有动的东西
#
# 数一数重标注*不*碰什么：存下来的经验、环境、探索时的策略、回合真实的目标，还有批次（batch）里没换目标的那一份。交给库，一样一样查。库的规矩和我们的一样，只是等抽样的时候才换目标：

# %%
from her import HERConfig, HindsightExperienceReplay

buffer = HindsightExperienceReplay(1_000, 2, 2, 2, HERConfig("future", 4, reward), seed=0)
buffer.store_episode(episode)
batch = buffer.sample(100_000)
rows = batch.indices

# %%
played = {name: getattr(episode, name)[rows] for name in ("states", "actions", "next_states")}
played |= {"dones": episode.dones[rows], "goals": episode.goals[rows]}
changed = {}
for name, stored in played.items():
    differs = (getattr(batch, name) != stored).reshape(len(rows), -1).any(axis=1)
    changed[name] = differs[~batch.relabelled].mean(), differs[batch.relabelled].mean()
print(f"not relabelled: {(~batch.relabelled).mean():.0%}")
pd.DataFrame(changed, ["changed, not relabelled", "changed, relabelled"]).T.map("{:.0%}".format)

# %% [markdown]
# 状态、动作、下一状态、`done` 原封不动；没换目标的那两成，目标还是原来的。那两成不能省：评估的就是它们那样的目标。
#
# 换过的八成，和我们手写的 `relabel` 是一回事吗？取前一千行，逐行对：

# %%
new = np.flatnonzero(batch.relabelled)[:1_000]
by_hand = [relabel(episode[rows[i]], batch.goals[i]).reward for i in new]
print(f"{(batch.rewards[new] != by_hand).sum()} of {len(new)} rewards differ")

# %% [markdown]
# ## 2.4　为什么管用：三个数
#
# **第一，一步顶几步。** 存一个 50 步的回合，没有 HER，它永远只有 50 条转移，翻来覆去。存 $k=4$ 份拷贝，$(1+k)$ 倍。抽样时才换目标呢？第 $t$ 步能配 $50-t$ 个目标。数一数十万次抽样里，见过多少*不同的*（转移，目标）：

# %%
play = wander("her/Reach-v0", 100)
long_episode = next(play.episodes())
different = {}
for k in (0, 4):
    single = HindsightExperienceReplay(1_000, 2, 2, 2, HERConfig("future", k, reward), seed=0)
    single.store_episode(long_episode)
    drawn = single.sample(100_000)
    pairs = np.stack([drawn.indices, drawn.goal_indices])
    different[f"k = {k}"] = len(np.unique(pairs, axis=1).T)
different

# %% [markdown]
# 50 对 1,325（就是 $50+\tfrac{50\cdot 51}{2}$）。路只走了一次，能学的却多出二十几倍。
#
# **第二，见得着 0 了。** 一百个回合、五千步的乱走，奖励里有几个 0？重标注之后，批次里的 0 占多少？

# %%
many = HindsightExperienceReplay(5_000, 2, 2, 2, HERConfig("future", 4, reward), seed=0)
for one in play.episodes():
    many.store_episode(one)
zeros = (play.rewards == 0).sum()
print(f"as played: {zeros} of {play.rewards.size:,}")
print(f"relabelled: {(many.sample(100_000).rewards == 0).mean():.0%}")

# %% [markdown]
# 从一个也没有，到百分之十几。第 1 章那根孤零零的柱子旁边，站起了第二根。
#
# **第三最要紧：学会了怎么去*任何地方*。** 原来的经验只谈一个目标，还总是坏消息。重标注的经验谈的是一路上到过的每一个地方，各要几步。会去这里，会去那里，离会去“想去的地方”就不远了。这一点留到 2.6，用一张表算给你看。
#
# ## 2.5　到底有多少成功
#
# 第 1 章留了个谜：八成的行换了目标，成功的却不到一半。这里又只有百分之十几。流传着一种说法：重标注之后“成功样本占 $k/(k+1)$”。它多半来自论文 3.1 节的一句话，“至少一半的回放*轨迹*里会有 −1 以外的奖励”；那说的是轨迹，不是转移。我们来推。
#
# 设一个回合有 $T$ 步，到过的地方*处处不同*。第 $t$ 步的候选是第 $t,\dots,T-1$ 步到的地方，一共 $T-t$ 个，其中只有一个算“这一步就到了”：它自己刚到的那个。均匀地抽，抽中的概率是
#
# $$P(\text{成功}\mid t)=\frac{1}{T-t}$$
#
# 转移也是均匀抽的，$t=0,1,\dots,T-1$ 各占 $1/T$，于是
#
# $$P(\text{成功}\mid\text{重标注})=\frac1T\sum_{t=0}^{T-1}\frac{1}{T-t}=\frac1T\Big(1+\frac12+\dots+\frac1T\Big)=\frac{H_T}{T}$$
#
# $H_T$ 是调和数（harmonic number），长得极慢，大约是 $\ln T+0.58$。所以回合越长，成功的份额越小。
#
# 拿刚才的八步回合看：左边是推出来的概率，红框（对角线）是一定成功的；右边是库里十万次抽样*数*出来的份额。两张表应当一样，而红框之外那一大片，几乎都不是成功。（说“几乎”，因为这个回合不算处处不同：第 0 步和第 2 步到的地方相距不到 6 厘米，所以 (0, 2) 那格其实也算到。这里只看红框。）

# %%
from her_course.figures.relabelling import draw_triangles

T = len(episode)
exact = np.array([[(j >= t) / (T - t) for j in range(T)] for t in range(T)])
counted = np.zeros((T, T))
new = batch.relabelled
np.add.at(counted, (rows[new], batch.goal_indices[new]), 1)
counted /= counted.sum(axis=1, keepdims=True)

fig, axes = plt.subplots(1, 2, figsize=(7.8, 4.7), sharey=True)
draw_triangles(axes, exact, counted)
show(fig, "relabelling.triangle")


# %% [markdown]
# 每一行加起来是 1，红框里的数对八行取平均，就是 $H_8/8$：

# %%
def harmonic_share(length):
    return (1 / np.arange(1, length + 1)).sum() / length


far = abs(counted - exact).max()
assert far < 0.02
print(f"farthest apart {far:.3f}")
print(f"mean of the diagonal {exact.diagonal().mean():.4f}, H₈/8 = {harmonic_share(8):.4f}")


# %% [markdown]
# 现在换长回合来数。要“处处不同”，就让一个人在数轴上一直往右走，每步一格；各种长度 $T$、各种 $k$，都用库抽二十万行，数成功：

# %%
def straight_walk(length):
    x, ones = np.arange(length + 1.0), np.ones(length)
    return Episode.from_arrays(x[:-1], ones, -ones, x[1:], 0 * ones, x[1:], goal=[999.0])


# %%
def count_success(length, k):
    config = HERConfig("future", k, lambda a, d: sparse_reward(a, d, threshold=0.5))
    counter = HindsightExperienceReplay(length, 1, 1, 1, config, seed=0)
    counter.store_episode(straight_walk(length))
    drawn = counter.sample(200_000)
    zeros = drawn.rewards == 0
    return zeros[drawn.relabelled].mean(), drawn.relabelled.mean(), zeros.mean()


found = {T: (harmonic_share(T), *count_success(T, k=4)) for T in (8, 50, 200)}
heads = ["H_T/T", "counted, relabelled", "relabelled", "counted, batch"]
shares = pd.DataFrame(found, heads).T.rename_axis("T")
shares.assign(**{"4/5 · H_T/T": 0.8 * shares["H_T/T"]}).round(4)


# %% [markdown]
# 前两列只看重标注的行：公式和数出来的。末两列看整个 $k=4$ 的批次：数出来的和公式。$T=50$ 时：重标注的行里，公式说成功占 0.0900，数出来 0.0887；整个批次里是 0.0720 和 0.0710，也就是 7 %。不是 80 %。
#
# “处处不同”是个假设，真实任务里到过的地方会挨在一起，甚至重复。所以再数三个乱走的任务，和 $H_T/T$ 并排：

# %%
def count_in(env_id, kwargs, epsilon):
    play = wander(env_id, 200, **kwargs)
    sizes = [rows.shape[-1] for rows in (play.states, play.actions, play.goals)]
    config = HERConfig("future", 4, lambda a, d: sparse_reward(a, d, epsilon))
    filled = HindsightExperienceReplay(10_000, *sizes, config, seed=0)
    for one in play.episodes():
        filled.store_episode(one)
    drawn = filled.sample(100_000)
    return len(play.rewards), (drawn.rewards == 0)[drawn.relabelled].mean()


# %%
TASKS = {
    "BitFlip": ("her/BitFlip-v0", {"n_bits": 15}, 1.0),
    "Reach": ("her/Reach-v0", {}, 0.06),
    "Push": ("her/Push-v0", {}, 0.08),
}
found = {name: count_in(*task) for name, task in TASKS.items()}
table = pd.DataFrame(found, ["T", "counted, relabelled"]).T
table.assign(**{"H_T/T": [harmonic_share(int(T)) for T in table["T"]]}).round(3)

# %% [markdown]
# 翻比特几乎踩在公式上，多出来的一点是翻过去又翻回来的图案。绕墙高出一截：6 厘米以内的邻居也算到了。推冰球高得离谱，原因是：多数回合里冰球没人碰过，它“到过的地方”处处相同，换成哪个都算到了，什么也没教。**$H_T/T$ 是到处都不一样时的值；到过的地方越重复，成功越多，也越不值钱。**
#
# 左图看随 $T$ 怎么变：黑点应当压在蓝线上，橙色的三个任务应当在线上或线的上方。右图看随 $k$ 怎么变，$T=50$：红线是那个说法，蓝线是公式，黑点是数出来的。

# %%
from her_course.figures.relabelling import draw_share_by_k, draw_share_by_length

lengths, ks = (1, 2, 4, 8, 15, 30, 50, 100, 200), (1, 2, 4, 8, 16)
by_k = np.array([count_success(50, k) for k in ks])
formula = {T: harmonic_share(T) for T in range(1, 201)}
counted = {T: count_success(T, 4)[0] for T in lengths}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_share_by_length(axes[0], formula, counted, found)
draw_share_by_k(axes[1], ks, by_k[:, 1], by_k[:, 2], 50)
show(fig, "relabelling.shares")

# %% [markdown]
# 红叉跟着那个说法走，因为 $k/(k+1)$ 说的是*换了目标*的份额；黑点在底下，那才是成功。$k$ 再大，也越不过 $H_T/T$。
#
# 只有 7 % 的成功，够用吗？够。−1 也是消息：“这条路*还没*到那儿”。有了一个 0 做底，旁边的 −1 才分得出远近。下一节就看得见。
#
# ## 2.6　一张看得见每个数的表
#
# 第 1 章翻 15 位的网络有一万多个权重，看不清谁在学什么。换成最小的世界：一条 9 格的走廊，三个动作：向左、不动、向右。$Q(s,a,g)$ 就是一张 $9\times 9\times 3=243$ 个数的表。

# %%
CELLS, GAMMA = 9, 0.9


def move(position, action, cells=CELLS):
    return np.clip(position + action - 1, 0, cells - 1)


def same_cell(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.5)


def as_episode(rows, goal):
    before, action, after = np.array(rows, np.float32).T[..., None]
    rewards, never = same_cell(after, [[goal]]), np.zeros(len(after))
    return Episode.from_arrays(before, action, rewards, after, never, after, [goal])


# %% [markdown]
# 数据是闭着眼的散步：随便从哪一格出发，随便定个目标，掷骰子走 6 步。然后做一件狠事：凡是碰到过目标的，哪怕一步，统统*扔掉*。

# %%
def stroll(rng, steps=6):
    position, rows = rng.integers(CELLS), []
    for action in rng.integers(3, size=steps):
        rows.append((position, action, move(position, action)))
        position = rows[-1][-1]
    return as_episode(rows, goal=rng.integers(CELLS))


rng = np.random.default_rng(0)
strolls = [stroll(rng) for _ in range(1_000)]
failures = [one for one in strolls if (one.rewards == -1).all()]
print(len(failures), sum((one.rewards == 0).sum() for one in failures))


# %% [markdown]
# 剩下的几百趟，一次成功也没有。同样的失败，存进两个缓冲区：一个照原样回放，一个用 HER。

# %%
def fill(k, episodes, seed=0):
    config = HERConfig("future", k, same_cell)
    buffer = HindsightExperienceReplay(10_000, 1, 1, 1, config, seed=seed)
    for one in episodes:
        buffer.store_episode(one)
    return buffer


buffers = {k: fill(k, failures) for k in (0, 4)}


# %% [markdown]
# 学习就是第 1 章的贝尔曼更新，一字不改。走廊是确定的，所以学习率可以取 1：算出新值，直接写进格子。
#
# $$Q(s,a,g)\;\leftarrow\;r_g+\gamma\,\max_{a'}Q(s',a',g)$$

# %%
def columns(batch):
    names = ("states", "actions", "next_states", "goals")
    return [getattr(batch, name)[:, 0].astype(int) for name in names]


def study(q, batch):
    s, a, after, g = columns(batch)
    q[s, g, a] = batch.rewards + GAMMA * q[after, g].max(axis=1)


# %% [markdown]
# 表从哪里开始？第 1 章那两行循环最后停在 $-1/(1-\gamma)$，“哪儿都到不了”的价值。$\gamma=0.9$，就是 −10。两张表都从这个数出发。
#
# 先只学*一个*回合，看各碰到了表里的哪些格子：

# %%
from her_course.figures.relabelling import draw_touched

fig, axes = plt.subplots(1, 2, figsize=(7, 4.3), sharey=True)
for ax, k in zip(axes, buffers, strict=True):
    touched = np.zeros((CELLS, CELLS), bool)
    s, _, _, g = columns(fill(k, failures[1:2]).sample(1_000))
    touched[s, g] = True
    draw_touched(ax, touched, k)
show(fig, "relabelling.touched")

# %% [markdown]
# 左边只有一行：这个回合只谈它自己的目标。右边四行：每一步到达的格子都当了一回目标，原来的第 6 格也还在。这就是 2.4 的第三点。
#
# 现在把几百趟失败都学了，两张表各学 300 批。没有 HER 的表里，现在有几种数？

# %%
tables = {k: np.full((CELLS, CELLS, 3), -10.0) for k in buffers}
for k, q in tables.items():
    for _ in range(300):
        study(q, buffers[k].sample(1_000))
print(np.unique(tables[0]))

# %% [markdown]
# 一种：−10。三十万次更新，一个数也没动。（$-1+0.9\times(-10)=-10$，第 1 章的不动点。）
#
# 有 HER 的呢？打印 $V(s,g)=\max_a Q(s,a,g)$，横着是所在的格，竖着是目标，81 个数一个不漏：

# %%
values = {k: q.max(axis=2) for k, q in tables.items()}
cells = pd.RangeIndex(CELLS, name="position")
pd.DataFrame(values[4].T, cells.rename("goal"), cells).round(1) + 0.0


# %% [markdown]
# 读读第一行：目标是第 0 格。站在第 0 格，0；第 1 格，走一步就到，到的那一步得 0，所以也是 0；第 2 格 −1，第 3 格 −1.9……规律是清楚的：相距 $d$ 格，前 $d-1$ 步各扣一分，之后站住不动：
#
# $$V^*(d)=-\sum_{i=0}^{d-2}\gamma^i=-\frac{1-\gamma^{d-1}}{1-\gamma}$$
#
# 81 个数，和公式差多少？

# %%
def perfect(d):
    return -(1 - GAMMA ** np.maximum(d - 1, 0)) / (1 - GAMMA)


distance = abs(np.arange(CELLS)[:, None] - np.arange(CELLS))
print(f"{abs(values[4] - perfect(distance)).max():.6f}")

# %% [markdown]
# 一个都不差。两张表并排看，左边只有一个数，右边处处有坡：

# %%
from her_course.figures.relabelling import draw_table

fig, axes = plt.subplots(1, 2, figsize=(9, 5.2), sharey=True)
for ax, k in zip(axes, values, strict=True):
    draw_table(ax, values[k], k, floor=-10)
show(fig, "relabelling.tables")

# %% [markdown]
# 且慢，有件怪事。从第 0 格到第 8 格要走 8 步，可没有一趟散步超过 6 步，`future` 绝不会在第 0 格配上目标 8。那 −5.2 从哪来？
#
# 从失败里来，而且是*没换目标*的那份失败。有人站在第 0 格，想去第 8 格，往右挪了一步，没到，−1。单看毫无用处；可要是第 1 格去第 8 格的价值已经知道了，它就接上了最后一节。自举（bootstrapping）顺着同一个目标 $g=8$ 一格一格往回传：近处的格子靠重标注的 0 打底，远处的格子靠真实的 −1 接力。
#
# 不信就把那两成抽掉，只用换过目标的行再学一遍。81 个数里还有几个对？

# %%
only_new = np.full((CELLS, CELLS, 3), -10.0)
for _ in range(300):
    drawn = buffers[4].sample(1_000)
    new = drawn.relabelled
    s, a, after, g = (column[new] for column in columns(drawn))
    only_new[s, g, a] = drawn.rewards[new] + GAMMA * only_new[after, g].max(axis=1)
right = np.isclose(only_new.max(axis=2), perfect(distance)).sum()
print(f"{right} of 81 right; from cell 0: {only_new.max(axis=2)[0].round(1) + 0.0}")

# %% [markdown]
# 只剩六十个上下。后面那一排是站在第 0 格、目标从 0 到 8 的价值：远处的目标仍是 −10，没有一趟散步走到过的地方就断了。所以批次里总要留着没换目标的那份，它们的目标是评估要问的，也是把近处的价值传到远处的桥。
#
# 有了坡，照着走就行。九个智能体，每行一个，都从正中间的第 4 格出发，绿圈是这一行的目标。左右两边用的是同一个策略：挑 $Q$ 最大的动作，一样大就掷骰子。

# %%
from her_course.figures import animate
from her_course.figures.relabelling import corridor_film


def walk_all(q, rng, steps=9):
    position, goals = [np.full(CELLS, 4)], np.arange(CELLS)
    for _ in range(steps):
        action = (q[position[-1], goals] + 1e-9 * rng.random((CELLS, 3))).argmax(axis=1)
        position.append(move(position[-1], action))
    return np.array(position)


paths = {k: walk_all(q, np.random.default_rng(0)) for k, q in tables.items()}
shown = {k: path if PROFILE == "full" else path[:2] for k, path in paths.items()}
animate(corridor_film(values, shown, -10), "relabelling.film", fps=2.5, hold=2)

# %% [markdown]
# 数一数最后站在自己目标上的有几个：

# %%
arrived = {f"k = {k}": int((path[-1] == np.arange(CELLS)).sum()) for k, path in paths.items()}
print(arrived)


# %% [markdown]
# ## 2.7　自己走，自己学
#
# 上面的数据是别人的散步。真正的智能体要自己走：总从第 0 格出发，目标随机，照着自己的表走，每步有两成的机会乱来；每走完一个回合，复习 60 条，有 HER 和没有 HER 的*一样多*。学会的标准很严：不带探索，每个目标都走得到，并且*最后一步*站在上面。

# %%
def walk(q, goal, cells, epsilon, rng):
    position, rows = 0, []
    for _ in range(cells + 3):
        greedy = (q[position, goal] + 1e-9 * rng.random(3)).argmax()
        action = rng.integers(3) if rng.random() < epsilon else greedy
        rows.append((position, action, move(position, action, cells)))
        position = rows[-1][-1]
    return rows


def masters(q, cells, rng):
    return all(walk(q, goal, cells, 0, rng)[-1][-1] == goal for goal in range(1, cells))


# %%
def episodes_needed(cells, k, seed, limit, start=-10.0):
    rng, q = np.random.default_rng(seed), np.full((cells, cells, 3), start)
    buffer = fill(k, [], seed=1_000 + seed)
    for episodes in range(1, limit + 1):
        goal = rng.integers(1, cells)
        buffer.store_episode(as_episode(walk(q, goal, cells, 0.2, rng), goal))
        study(q, buffer.sample(60))
        if episodes % 10 == 0 and masters(q, cells, rng):
            return episodes
    return None


# %% [markdown]
# 走廊从 5 格加长到 11 格，各十个种子（seed），最多给一万五千个回合。约一分钟。

# %% tags=["nbval-ignore-output"]
from her_course.figures.progress import progress_bar

SEEDS = range(SEED, SEED + (10 if PROFILE == "full" else 2))
LIMIT = 15_000 if PROFILE == "full" else 1_000
lengths = (5, 7, 9, 11) if PROFILE == "full" else (5, 7)
needed = {"her": {}, "none": {}}
for cells in progress_bar(lengths):
    for name, k in (("her", 4), ("none", 0)):
        needed[name][cells] = [episodes_needed(cells, k, seed, LIMIT) for seed in SEEDS]

# %% [markdown]
# 纵轴是对数的，每个点是一个种子，线是中位数；顶上的点线是一万五千，贴着它的点就是没学会。看两条线的坡度：

# %%
from her_course.figures.relabelling import draw_episodes_needed

fig, ax = plt.subplots(figsize=(6.4, 3.6))
draw_episodes_needed(ax, needed, LIMIT)
show(fig, "relabelling.needed")

# %% [markdown]
# 5 到 9 格，没有 HER 要花两三倍的回合；到 11 格，两条线才真正拉开。没有 HER，得等运气把智能体一路送到头，每加一格，运气就少一截；有了 HER，昨天走到的最远处就是今天会去的地方，从那里再往前探一步。
#
# 差几倍？各取对数再平均，配上十个种子的 95 % 区间（Student t），没学会的按上限算（所以只会把差距说*小*）：

# %% tags=["nbval-ignore-output"]
from her.sweeps.statistics import student

rows = {}
for cells in lengths:
    counts = [[LIMIT if n is None else n for n in needed[how][cells]] for how in ("none", "her")]
    slow, fast = np.log(counts)
    rows[cells] = np.exp(student(slow - fast))
times = pd.DataFrame(rows, ["times more", "low", "high"]).T.rename_axis("cells")
if PROFILE == "full":
    assert times.loc[11, "low"] > 1
times.round(1)

# %% [markdown]
# 最长的走廊上差了一个数量级，区间的下限也远在 1 以上。
#
# ### 老实说
#
# 在*表格*里，没有 HER 也有别的出路。把初值从 −10 换成 0，意思是“没试过的都当它好”，叫乐观初值（optimistic initialisation）。没试过的动作总比试过的诱人，智能体就会一格一格地把走廊搜遍。九格走廊，没有 HER，两种初值，各五个种子要的回合数：

# %% tags=["nbval-ignore-output"]
starts = {f"start {start:g}": start for start in (-10.0, 0.0)}
few, counts = SEEDS[:5], {}
for name, start in starts.items():
    counts[name] = [episodes_needed(9, 0, seed, LIMIT, start) for seed in few]
pd.DataFrame(counts, pd.Index(few, name="seed"))

# %% [markdown]
# 乐观的那列快得多，上图九格的蓝点，除了最低的那个，都比它慢。那还要 HER 做什么？因为这招离不开表格：它要给*每一格*单独记一笔“还没来过”。第 1 章的网络也是从 0 附近开始的，够乐观了吧？一格的坏消息连累了所有的格，几十轮之后一起滑到 −40 以下。网络把邻居连在一起，这是它的本事，也正是乐观留不住的原因。HER 不靠乐观，它靠真实的 0。
#
# ## 2.8　为什么非得离策略
#
# 重标注的数据有个毛病：里面的动作，当初是*奔着别的目标*做的。散步的那位连目标都没看。拿这种数据学“要去 $g'$ 该怎么走”，什么样的学法行得通？
#
# 试两种，数据一样，还是那些散步。
#
# **按结果学**（蒙特卡洛，Monte Carlo；在策略（on-policy）的策略梯度多半靠它）：把目标换成后来到过的地方，看这一趟总共得了几分，取平均，当作价值。下面给每趟散步的第 0 步换一次目标，记下走完 6 步的折扣总分：

# %%
rng, returns, discounts = np.random.default_rng(0), {}, GAMMA ** np.arange(6)
for one in strolls:
    for _ in range(4):
        goal = one.achieved_goals[rng.integers(6)]
        d = int(abs(goal - one.states[0])[0])
        earned = (discounts * same_cell(one.achieved_goals, goal)).sum()
        returns.setdefault(d, []).append(earned)

# %% [markdown]
# **真值**是多少？散步的人掷骰子，走 6 步的期望得分可以一步步倒推出来，精确的：

# %%
random_values, everywhere = np.zeros((CELLS, CELLS)), np.arange(CELLS)
for _ in range(6):
    by_action = []
    for after in (move(everywhere, action) for action in range(3)):
        by_action.append(-1.0 * (after[:, None] != everywhere) + GAMMA * random_values[after])
    random_values = np.mean(by_action, axis=0)

# %% [markdown]
# **按一步学**（Q 学习，离策略）：就是 2.6 的 `study`。它只问“这一步之后到了哪里，得几分”，往后怎么走，问的是*表自己*的 $\max_{a'}Q(s',a',g')$，不问散步的人后来干了什么。
#
# 四条线放在一起，横轴是目标有多远。灰线是散步者的真实水平。红线自称估的是灰线，看它离灰线有多远；蓝点自称估的是黑线：

# %%
from her_course.figures.relabelling import draw_estimates

d = np.arange(6)
estimates = {
    "random": np.array([random_values[distance == i].mean() for i in d]),
    "returns": np.array([np.mean(returns[i]) for i in d]),
    "learned": np.array([values[4][distance == i].mean() for i in d]),
    "perfect": perfect(d),
}
fig, ax = plt.subplots(figsize=(7.4, 3.6))
draw_estimates(ax, d, estimates)
show(fig, "relabelling.estimates")

# %% [markdown]
# 数也列出来。各列：乱走的真值，重标注回合的平均分，Q 学习，最优：

# %%
pd.DataFrame(estimates, pd.Index(d, name="cells to the goal")).round(2) + 0.0

# %% [markdown]
# 红线两头不靠。它比散步者的真实水平高得多：目标是*看了结果才挑的*，没到的趟数根本没算进来，这是幸存者偏差（survivorship bias）。它又够不着最优：动作毕竟是瞎走的。拿它去改进策略，依据就是错的。
#
# 蓝点分毫不差，因为它从不平均“后来怎样”，只用 $(s,a,s')$ 这一步。不过话要说准：$g'$ 也是看过 $s'$ 之后才挑的，`future` 挑的正是 $s'$ 以后到过的地方。这里无害，是因为走廊是确定的：给定 $(s,a)$，$s'$ 只有一种可能，挑不挑都一样。世界要是会掷骰子，挑目标就等于挑了 $s'$，第 6 章有反例。
#
# **离策略**的意思是：数据里的动作是谁做的、为了什么做的，都不要紧。所以 HER 配 DQN、DDPG、SAC，不能直接配 REINFORCE、A2C、PPO（论文 3.3 节要求离策略的学习器）。在策略的一边也有对应的做法：事后策略梯度（[Rauber 等，2019](https://arxiv.org/abs/1711.06006)）给换过目标的轨迹乘上重要性权重，把“动作是为别的目标做的”纠正回来。
#
# 数据里的动作有多“跑题”？数一数重标注的转移里，动作*不是*新目标下最优动作的有多少：

# %%
drawn = buffers[4].sample(100_000)
s, a, _, g = columns(drawn)
best = tables[4].max(axis=2, keepdims=True) - tables[4] < 1e-9
wrong, new = ~best[s, g, a], drawn.relabelled
shares = {"relabelled": wrong[new].mean(), "not relabelled": wrong[~new].mean()}
pd.Series(shares, name="actions that are not best").to_frame().map("{:.0%}".format)

# %% [markdown]
# 四分之一以上是错的走法（没换目标的那份错得更多），表照样学得一个数都不差。错的走法也有用：它告诉表，这样走*不好*。
#
# ## 2.9　回头看
#
# 1. **变了两样，没变三样。** 目标换成 $g'$，奖励按 $g'$ 重算；状态、动作、下一状态原封不动，缓冲区里存的也原封不动（2.1、2.3）。
# 2. **一步一步。** `future` 给第 $t$ 步从 $T-t$ 个候选里抽 $k$ 个，末一步只能抽中自己（2.2）。
# 3. **不是作弊。** 把目标真的设成 $g'$ 再走一遍，32 份奖励，环境给的全一样（2.3）。
# 4. **三个数。** 50 步的回合里有 1,325 对（转移，目标）；绕墙的 0 从一个没有涨到百分之十几；一个回合从只谈 1 个目标变成谈 4 个（2.4、2.6）。
# 5. **成功占 $H_T/T$，不是 $k/(k+1)$。** $T=50$：重标注的行里 0.0900，$k=4$ 的批次里 7.2 %，前提是到过的地方处处不同（2.5）。
# 6. **只从失败里，学会一切。** 没有 HER，243 个 −10；有 HER，81 个价值与最优一个不差（2.6）。自己走的时候，9 格以内差两三倍，11 格差十几倍（2.7）。按结果平均会被骗，按一步学不会（2.8）。
#
# ### 三个常见的误会
#
# - **“换了目标，奖励就是 0。”** 奖励要重算。$T=50$ 时，重标注的行九成以上仍是 −1。
# - **“目标换成了到过的地方，动作就成了专家示范。”** 走廊里四分之一以上的动作是错的。HER 不是模仿，是给同一步换个题目重新打分。
# - **“PPO 加上 HER 应该更好。”** 在策略的算法要平均“后来怎样”，而后来是挑过的：不加纠正，就是那条红线。
#
# ### 动手
#
# 打开 [`exercises/zh/ch2.ipynb`](../../exercises/zh/ch2.ipynb)：`relabel_transition`、`relabel_final`、`expected_success_share`、`relabel_ending`、`share_when_it_stops`，还有找错题 `mended_batch`；末尾的开放任务是“一行 `relabel_final` 值多少？”。第一个最短，也最容易错：检查会问，旧的那条转移*真的*没被你碰过吗？
#
# 想多走一步：把 2.6 的散步从 6 步减到 2 步，再减到 1 步，趟数不变。先猜：81 个数还能全对吗？再想：为什么。
#
# ### 下一章的问题
#
# 我们一路用的都是 `future`：从以后到过的地方里抽。可为什么不直接用最后到的那个？为什么不从别的回合里抽？**目标该从哪里挑，又该挑几个？** 见[第 3 章](03_goal_strategies.ipynb)。
