# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4　从循环到向量化
#
# > **这一章你会看到**：一段谁都看得懂的七行循环，怎样变成三行数组运算；每变一步，都有一个格子拿数据检查它没有走样。然后这三行去喂两个学习器：DQN 学会把 15 个比特翻对，DDPG 学会绕过一堵墙，它的更新就写在页面上，和库里的一位小数都不差。
# >
# > **时间**：阅读 35 分钟，运行约 3 分钟（2 核 CPU）。
# >
# > **需要**：会用 NumPy 的数组下标；第 1 章的 DQN，第 2 章的重标注。
#
# 读完你能：
#
# 1. 用七行循环写出 HER，换成三行数组，并说清检验能发现多大的错；
# 2. 算清楚为什么要等到*抽样时*才换目标；
# 3. 避开三个坑：达到的目标（achieved goal）取在动作*之后*，`done` 要跟着目标走，归一化器（normalizer）要看网络真正的输入；
# 4. 写出 DDPG 的更新，并证明它和库里的逐位相同；
# 5. 看懂评论家（critic）学到的那张地图；
# 6. 认出六种“写错了也能学一点”的毛病，并把同一个缓冲区装进 Stable-Baselines3。

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

schematic("buffer", "relabel", "learner")

# %% [markdown]
# 亮着的是这一章要讲的三格：缓冲区怎么存，目标怎么换，学习器怎么吃。
#
# ## 4.1　一段谁都看得懂的循环
#
# HER 只有一个念头：就算没到想去的地方，总归到了*某个*地方。把到过的地方当成目标，失败的回合里就有了成功（[Andrychowicz 等，2017](https://arxiv.org/abs/1707.01495)，第 3 节）。
#
# 所以先要有失败的回合。下面的 `play_randomly` 让 `n` 个智能体各自乱走；奖励是稀疏的：离目标不到 6 厘米得 0，否则 −1。

# %%
from her import sparse_reward
from her.training.evaluation import make_envs, rollout


def reward(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.06)


def play_randomly(env_id, n, steps, **kwargs):
    envs = make_envs(env_id, n, **kwargs)
    envs.action_space.seed(1)
    return rollout(lambda observations: envs.action_space.sample(), envs, steps, seed=0)


# %% [markdown]
# 让三个点在带墙的竞技场 `her/Reach-v0` 里各走 6 步（正式的任务是 50 步，短一点图上才看得清）。每行一个回合：

# %%
episodes = list(play_randomly("her/Reach-v0", 3, steps=6, horizon=6).episodes())
pd.DataFrame(
    [(episode.rewards.sum(), *episode.goal) for episode in episodes],
    columns=["sum of rewards", "goal x", "goal y"],
).round(2)

# %% [markdown]
# 每个回合 −6 分：六步，步步落空。图里一种颜色是一个回合。看实心点离同色的圆圈有多远：点是走到过的地方，圆圈是本来想去的地方，中间还隔着一堵墙。

# %%
from her_course.figures.implementation import draw_episodes

fig, ax = plt.subplots(figsize=(4.2, 4.2))
draw_episodes(ax, episodes)
show(fig, "implementation.episodes")


# %% [markdown]
# 现在换目标。`future` 策略（future strategy）的规矩是：给第 $t$ 步换的目标，从**这一步以及以后**到达的地方里均匀地挑一个。挑 $k$ 次，就多出 $k$ 份拷贝。照着这句话写，不算 `def` 正好七行。表里是第一个回合的头四份和末四份拷贝：

# %%
def store_copies(episode, k, rng):
    copies = []
    for t in range(len(episode)):
        for _ in range(k):
            j = rng.integers(t, len(episode))
            goal = episode.achieved_goals[j]
            copies.append((t, j, goal, reward(episode.achieved_goals[t], goal)))
    return copies


copies = store_copies(episodes[0], k=4, rng=np.random.default_rng(0))
rows = [(t, j, *goal, r) for t, j, goal, r in copies[:4] + copies[-4:]]
pd.DataFrame(rows, columns=["t", "j", "goal x", "goal y", "reward"]).round(2)

# %% [markdown]
# 有两处值得停一下。一是 `rng.integers(t, len(episode))`：左边取得到，右边取不到，所以 $j$ 可以就是 $t$。二是 `reward(...)`：目标换了，任务就换了，奖励必须*重新算*，不能照抄旧的。
#
# 末四份一模一样，奖励全是 0：最后一步之后再也没有“以后”，只能拿刚刚到的地方当目标，当然一步就到。头四份就得看运气：目标挑得够近，才算一步就到。所以“$k=4$ 就有八成成功”的说法不对：八成是被*重标注*的份额，成功的要少得多，2.5 节推出了公式。
#
# ## 4.2　为什么等到抽样时才换目标
#
# 上面是在*存*的时候换。如今常见的实现（[OpenAI Baselines](https://github.com/openai/baselines/blob/master/baselines/her/her_sampler.py)、[Stable-Baselines3](https://stable-baselines3.readthedocs.io/en/master/modules/her.html) 等）都等到*抽样*时才换：缓冲区里只放真实发生过的事，每次取批次（batch）时临时挑目标。有两笔账可算。
#
# 第一笔是内存。机械臂 `FetchPush` 的状态有 25 个数，动作 4 个，目标 3 个。一百万条转移（transition），每个数 4 字节。第二笔是新鲜：取一个 50 步回合的第 0 步，让它被回放 100 次，一共见过多少个不同的目标？

# %%
state, action, goal = 25, 4, 3
gigabytes = 1e6 * 4 * (2 * state + action + 2 * goal + 1) / 1e9
rng = np.random.default_rng(0)
stored_once = rng.integers(0, 50, size=4)
seen = len(set(rng.choice(stored_once, size=100))), len(set(rng.integers(0, 50, size=100)))
pd.DataFrame(
    {"rows per transition": [1 + 4, 1], "GB": [5 * gigabytes, gigabytes], "goals seen": seen},
    index=["when stored", "when sampled"],
).round(2)

# %% [markdown]
# 同样一条经验，抽样时换目标，见到的目标多出一个数量级，内存却只要五分之一。唯一的代价是：每个批次都要重新挑目标、重新算奖励，所以这一步必须快。
#
# ## 4.3　三行数组
#
# 快的办法是不写循环。先把所有回合首尾相接，给每一行记下两个数：它是本回合的第几步（`position`），本回合一共多长（`length`）。

# %%
achieved = np.concatenate([episode.achieved_goals for episode in episodes])
position = np.concatenate([np.arange(len(episode)) for episode in episodes])
length = np.concatenate([np.full(len(episode), len(episode)) for episode in episodes])
pd.DataFrame({"position": position, "length": length}).T


# %% [markdown]
# 然后就是那三行：抽哪一条转移，换成哪个目标，奖励是多少。

# %%
def sample_goals(n, rng):
    row = rng.integers(len(achieved), size=n)
    goal_row = row + (rng.random(n) * (length - position)[row]).astype(int)
    rewards = reward(achieved[row], achieved[goal_row])
    return row, goal_row, rewards


# %% [markdown]
# 中间一行最值得琢磨。从第 $t$ 步往后（含自己）还有 $T-t$ 行，即 `length - position`。$[0,1)$ 上的均匀随机数乘以它，再舍去小数，就在 $0,1,\dots,T-t-1$ 里等概率地取了一个。加到 `row` 上，最远达到本回合的最后一行，绝不会跨进下一个回合。没有一个 `if`。
#
# ## 4.4　检验：四幅图里有一幅是错的
#
# 库里的缓冲区做的也是这三行（[`her/hindsight.py`](../../her/hindsight.py)），外加让它能天天用的琐事。把三个回合存进去：

# %%
from her import HERConfig, HindsightExperienceReplay

config = HERConfig(strategy="future", n_sampled_goal=4, reward_function=reward)
sizes = {"state_dim": 2, "action_dim": 2, "goal_dim": 2}
buffer = HindsightExperienceReplay(1_000, **sizes, config=config, seed=0)
for episode in episodes:
    buffer.store_episode(episode)
buffer

# %% [markdown]
# 现在有三种写法：循环、三行、库。各抽约一万个（转移，目标）对，记下“第几行换成了第几行到达的目标”。循环把同样的三个回合存上一千遍，打乱了取一万对。库的批次带着出处：`indices` 是转移的编号，`goal_indices` 是目标出自几号转移（编号按存入的先后来；对容量取余，就是它所在的行）。

# %%
rng, loop = np.random.default_rng(1), []
for _ in range(1_000):
    for first, episode in zip((0, 6, 12), episodes, strict=True):
        loop += [(first + t, first + j) for t, j, *_ in store_copies(episode, 4, rng)]
loop = rng.permutation(loop)[:10_000]

row, goal_row, _ = sample_goals(10_000, rng)
batch = buffer.sample(12_500)
library = np.stack([batch.indices, batch.goal_indices], axis=1)[batch.relabelled]


# %% [markdown]
# 再掺进一个冒牌货：把“舍去小数”换成“四舍五入”，看上去同样合理。这不是我们编的，tianshou 2.0.1 的 `HERReplayBuffer` 就是这样写的。

# %%
def count(pairs):
    table = np.zeros((18, 18), int)
    np.add.at(table, tuple(pairs.T), 1)
    return table


steps_left = (length - position)[row] - 1
rounded = np.stack([row, row + np.round(rng.random(10_000) * steps_left).astype(int)], axis=1)
draws = {"A": loop, "B": np.stack([row, goal_row], axis=1), "C": rounded, "D": library}

# %% [markdown]
# 四幅图，纵向是转移所在的行，横向是目标出自的行，颜色越深抽到得越多。三级台阶是三个回合，台阶之外一片空白：没有一个目标跨了回合。请先用眼睛找：哪一幅和另外三幅不一样？（提示：只看每一行的头和尾。）

# %%
from her_course.figures.goal_strategies import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, name in zip(axes, draws, strict=True):
    draw_pairs(ax, count(draws[name]), name, most=0.06)
show(fig, "implementation.pairs")

# %% [markdown]
# 眼睛会骗人，再请卡方检验（chi-square test）来判：假如某一幅与循环（A）出自同一个分布，光凭运气出现这么大差别的概率 $p$ 有多大？63 个格子全部参加。

# %%
from scipy.stats import chi2_contingency


def p_value(one, other):
    both = np.stack([count(one), count(other)])
    return chi2_contingency(both[:, both.any(axis=0)]).pvalue


p = {f"A / {name}": [p_value(loop, draws[name])] for name in "BCD"}
pd.DataFrame(p, index=["p"]).map("{:.2g}".format)


# %% [markdown]
# 三行（B）和库（D）与循环分不开；四舍五入（C）的 $p$ 几乎是 0，当场露馅：候选不止两个时，两头的目标只拿到中间每个的一半。
#
# “分不开”不等于“相同”，得看这个检验有多灵。往正确的抽样里掺进一成、两成、五成的四舍五入，各试 50 次：$p<0.01$ 的有几次？

# %%
def caught(share):
    row, goal_row, _ = sample_goals(10_000, rng)
    left = (length - position)[row] - 1
    wrong = row + np.round(rng.random(10_000) * left).astype(int)
    mixed = np.where(rng.random(10_000) < share, wrong, goal_row)
    return p_value(loop, np.stack([row, mixed], axis=1)) < 0.01


shares = (0.0, 0.1, 0.2, 0.5)
power = {share: [np.mean([caught(share) for _ in range(50)])] for share in shares}
pd.DataFrame(power, index=["caught"]).rename_axis("share of rounded draws", axis=1)


# %% [markdown]
# 掺一半，次次抓到；掺一成，多半漏网。所以一万次抽样能担保的是：没有大的错；更小的错，要更多的抽样。*一个抓不住错误的检验，什么也证明不了*，C 就是为此而设。
#
# ## 4.5　上手：配置、存、抽
#
# 一份 [`HERConfig`](../../her/hindsight.py) 说清三件事：目标怎么挑（`strategy`），每条真实转移配几个替代目标（`n_sampled_goal`，即 $k$），奖励怎么算（`reward_function`）。
#
# ### 奖励函数：一批，还是一对？
#
# 很多人手里的奖励函数是为*一对*目标写的。拿一整批喂给它，它不报错，只是安静地算错：18 行进去，出来一个数。

# %%
def one_pair(achieved, desired):
    return 0.0 if np.linalg.norm(achieved - desired) < 0.06 else -1.0


functions = {"one_pair": one_pair, "reward": reward}
shapes = {name: [np.shape(f(achieved, achieved[::-1]))] for name, f in functions.items()}
pd.DataFrame(shapes, index=["shape of 18 rewards"])

# %% [markdown]
# 库不猜。它拿第一批真实数据两种方法都算一遍，对不上就逐行调用，并且说一声（只说一次）：

# %%
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    row_wise = HindsightExperienceReplay(1_000, 2, 2, 2, HERConfig("future", 4, one_pair), seed=7)
    for episode in episodes:
        row_wise.store_episode(episode)
print(caught[0].message)


# %% [markdown]
# ### 达到的目标，取在动作之后
#
# 第 $t$ 步的奖励回答的是“这个动作把我带到了哪里”，所以是 $r(\text{ag}_{t+1}, g)$，不是 $r(\text{ag}_t, g)$。拿翻比特（达到的目标就是状态本身）验证：用动作之后的，和环境给的奖励对上多少？用动作之前的呢？

# %%
def all_bits(achieved, desired):
    return np.all(achieved == desired, axis=-1) - 1.0


bits = play_randomly("her/BitFlip-v0", 200, steps=3, n_bits=3)
reached = {"before the action": bits.states, "after the action": bits.achieved_goals}
agree = {name: [all_bits(x, bits.goals) == bits.rewards] for name, x in reached.items()}
pd.DataFrame({name: np.mean(rows) for name, rows in agree.items()}, index=["agree"]).round(2)

# %% [markdown]
# 用错一格，看上去大半都对，所以这个错误能潜伏很久。`Transition.achieved_goal` 的约定就一句话：*动作之后*到达的。
#
# ### 抽：一个批次里有什么
#
# 每个字段都是一个数组，每条转移占一行。除了常见的五样，还有出处：哪些行换过目标（`relabelled`），转移是几号，目标出自几号。

# %%
batch = buffer.sample(256)
names = ["states", "actions", "rewards", "next_states", "dones", "goals"]
names += ["relabelled", "indices", "goal_indices"]
fields = [(name, getattr(batch, name).dtype, getattr(batch, name).shape) for name in names]
pd.DataFrame(fields, columns=["field", "dtype", "shape"])

# %% [markdown]
# 有出处就能查账。换过的目标，是不是 `goal_indices` 那一行到达的地方？每一行的奖励，不论换没换过，是不是奖励函数在这一行上的值？数一数不符的行：

# %%
relabelled = batch.relabelled
wrong_goals = (batch.goals != achieved[batch.goal_indices]).any(axis=1)[relabelled]
wrong_rewards = batch.rewards != reward(batch.achieved_goals, batch.goals)
wrong = [wrong_goals.sum(), wrong_rewards.sum()]
pd.DataFrame({"rows": [relabelled.sum(), 256], "wrong": wrong}, index=["new goals", "rewards"])

# %% [markdown]
# `.torch()` 把状态和目标拼成 `[state, goal]`，就是通用价值函数 $Q(s, a, g)$（universal value function）的输入。注意：换目标时，`observations` 和 `next_observations` 里的目标一起换，漏掉后者，自举（bootstrapping）时用的就是旧任务的价值。下面最后一列数的是 `next_observations` 里目标没换成同一个的行：

# %%
tensors = batch.torch()
shapes = {name: [tuple(tensor.shape)] for name, tensor in tensors._asdict().items()}
differ = tensors.observations[:, 2:] != tensors.next_observations[:, 2:]
pd.DataFrame(shapes | {"goals differ": [int(differ.any(dim=1).sum())]}, index=["shape"]).T

# %% [markdown]
# ## 4.6　环：满了以后谁先走
#
# 缓冲区是一个环（ring），共 `capacity` 行，一行放一条真实转移（[`her/ring.py`](../../her/ring.py)）。地方不够，就让最老的回合走，而且*整个回合*一起走：只剩半截的回合会让 `future` 挑错目标。下面的环只有 20 行，先放进长度为 7、6、5 的三个回合，每个回合都是一个人从 0 往右走。（`StepwiseReplay` 是同一种缓冲区，只是还能一步一步地存，待会儿要用。）
#
# 接着来第四个回合，4 步，可环的末尾只剩 2 行。回合从不跨过环的末尾：它在内存里总是连着的一段，三行数组里的 `row + …` 才用不着绕圈。放不下的回合从第 0 行写起，末尾剩下的行就空着，所以存下的转移可能比 `capacity` 少几条。
#
# 之后再来一个还没走完的回合，用 `add` 一步一步地存。从左到右看（第 0 行在十二点钟方向，顺时针数）：谁不见了？哪两格一直空着？箭头指着写到了哪里。

# %%
from her import Episode
from her.stepwise import StepwiseReplay
from her_course.figures.implementation import draw_ring


def walk(n):
    x = np.arange(n + 1.0)
    arrays = x[:-1], np.ones(n), -np.ones(n), x[1:], np.zeros(n), x[1:]
    return Episode.from_arrays(*arrays, goal=[99.0])


line_config = HERConfig("future", 4, lambda a, d: sparse_reward(a, d, threshold=0.5))
ring = StepwiseReplay(20, 1, 1, 1, line_config, seed=0)
for n in (7, 6, 5):
    ring.store_episode(walk(n))

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2))
draw_ring(axes[0], ring)
ring.store_episode(walk(4))
draw_ring(axes[1], ring, oldest=2)
for x in range(3):
    step = [[x]], [[1.0]], [-1.0], [[x + 1]], [False], [[99.0]], [[x + 1]]
    ring.add(*step, episode_ends=[False])
draw_ring(axes[2], ring, oldest=2, is_open=True)
show(fig, "implementation.ring")


# %% [markdown]
# 没走完的回合也能抽，只是它的“以后”到目前为止。
#
# ## 4.7　`done` 跟着目标走
#
# 全库只有一条约定：`dones` 说的是，**在这个批次的目标之下**，自举到这里为止。任务真的结束，叫终止（termination）；时间用完，叫截断（truncation），它不算：时间到了，路还在。在本课的三个环境里，到了目标也不算，回合照走，所以 `done` 一个也没有（论文附录 A 也是这样：所有转移都用 $\gamma=0.98$，回合的最后一步也不例外）。
#
# 麻烦出在“成功就结束”的环境。造一份这样的数据：4 个比特，一翻对就收工。

# %%
def cut_at_success(episode):
    success = episode.rewards == 0
    rows = slice(success.argmax() + 1 if success.any() else None)
    arrays = episode.states, episode.actions, episode.rewards, episode.next_states, success
    arrays = [array[rows] for array in (*arrays, episode.achieved_goals)]
    return Episode.from_arrays(*arrays, goal=episode.goal)


play = play_randomly("her/BitFlip-v0", 200, steps=12, n_bits=4, horizon=12)
short = [cut_at_success(episode) for episode in play.episodes()]
pd.DataFrame({"episodes": [len(short)], "end in success": sum(e.dones[-1] for e in short)})


# %% [markdown]
# 大约一半的回合以成功收场，`done` 存成 1。换了目标以后，这个 `done` 就是旧闻：说的是上一个任务的事。下面数一数，重标注的行里，有多少的旧 `done` 与新目标不符。两种错：该停没停，不该停却停了。

# %%
def stale_dones(strategy):
    mixed = HindsightExperienceReplay(5_000, 4, 1, 4, HERConfig(strategy, 4, all_bits), seed=0)
    for episode in short:
        mixed.store_episode(episode)
    batch = mixed.sample(20_000)
    rows = batch.indices[batch.relabelled]
    stored, right = mixed.dones[rows], batch.dones[batch.relabelled]
    return {"stop missing": (right & ~stored).mean(), "wrong stop": (stored & ~right).mean()}


pd.DataFrame({name: stale_dones(name) for name in ("future", "episode", "random")}).T.round(2)

# %% [markdown]
# 用 `future`，旧 `done` 在三成左右的重标注行上是错的。库读一遍真实回合就知道“成功会结束回合”，于是按新目标重判；想明说，就给 `HERConfig` 一个 `done_function`。
#
# 错一个要付多少？两种错各算一笔。先算不该停却停了的：做完这一步，离新目标还有 11 步，目标值应当是 $-1 + \gamma V(s')$，旧 `done` 说到此为止，只剩 −1。再算该停没停的：这一步正好到了，应当是 0；没停，就得接着付账，而翻比特停不住，只能翻出去再翻回来，一步 −1 一步 0：

# %%
gamma = 0.98
ten_steps = -(1 - gamma**10) / (1 - gamma)
back_and_forth = -1 / (1 - gamma**2)
targets = {"wrong stop": [-1 + gamma * ten_steps, -1], "stop missing": [0, gamma * back_and_forth]}
pd.DataFrame(targets, index=["right target", "with the stale done"]).T.round(2)


# %% [markdown]
# 前一种把远处的目标说得近在眼前，后一种把到达目标说得极差。程序不会报错，评论家照着错的目标值学。
#
# ## 4.8　到底快多少
#
# 把循环改成抽样时重标注的样子，再和缓冲区比一比：

# %%
def loop_batch(episodes, n, rng):
    rows = []
    for _ in range(n):
        episode = episodes[rng.integers(len(episodes))]
        t = rng.integers(len(episode))
        goal, r = episode.goal, episode.rewards[t]
        if rng.random() < 4 / 5:
            goal = episode.achieved_goals[rng.integers(t, len(episode))]
            r = reward(episode.achieved_goals[t], goal)
        rows.append((episode.states[t], episode.actions[t], r, episode.next_states[t], goal))
    return [np.array(column) for column in zip(*rows, strict=True)]


# %% tags=["nbval-ignore-output"]
from timeit import repeat

play = play_randomly("her/Reach-v0", 100, steps=50)
reach = HindsightExperienceReplay(10_000, 2, 2, 2, HERConfig("future", 4, reward), seed=0)
for episode in play.episodes():
    reach.store_episode(episode)
played = list(play.episodes())
ways = {"loop": lambda: loop_batch(played, 256, rng), "buffer": lambda: reach.sample(256)}
ms = {name: 100 * min(repeat(draw, number=10)) for name, draw in ways.items()}
assert ms["loop"] > 10 * ms["buffer"]
pd.DataFrame(ms | {"ratio": ms["loop"] / ms["buffer"]}, index=["ms a batch"]).round(2)

# %% [markdown]
# 毫秒数和倍数都随机器和它手头的活变，差两个数量级上下是稳的。训练一次要抽几千个批次。（缓冲区也能存到硬盘再读回来，`save` 和 `load`，接下来抽的批次一模一样。）
#
# ## 4.9　训练循环只有十来行
#
# 任务：15 个比特，每步翻一个，15 步之内翻成指定的图案。$2^{15}$ 种图案，乱翻几乎碰不上。一轮（round）做三件事：64 个环境各玩一个回合；回合存进缓冲区；抽 80 个批次，学 80 次。智能体（DQN，第 1 章）对 HER 一无所知，它只见到批次。每轮之后不带探索地评估一次，按论文的规矩，任何一步翻对就算成功。

# %%
import torch

from her.agents import DQN, DQNConfig
from her.training.evaluation import evaluate

torch.set_num_threads(1)
envs, test_envs = (make_envs("her/BitFlip-v0", n, n_bits=15) for n in (64, 100))
bit_config = HERConfig("future", 4, all_bits)
ROUNDS = 16 if PROFILE == "full" else 2
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))


# %%
def learn_bits(seed):
    agent = DQN(15 + 15, 15, DQNConfig(learning_rate=2e-3, tau=0.02), seed=seed)
    buffer = HindsightExperienceReplay(40_000, 15, 1, 15, bit_config, seed=seed)
    for i in range(ROUNDS):
        act = lambda x: agent.act(x, explore=True)  # noqa: E731
        for episode in rollout(act, envs, steps=15, seed=100 * seed + i).episodes():
            buffer.store_episode(episode)
        for _ in range(80):
            agent.update(buffer.sample(256).torch())
        yield evaluate(agent.act, test_envs, seed=10_000 + i).success_rate("any")


# %% tags=["nbval-ignore-output"]
curves = {seed: list(learn_bits(seed)) for seed in SEEDS}
steps = 64 * 15 * np.arange(1, ROUNDS + 1)
assert min(curve[-1] for curve in curves.values()) > 0.6 or PROFILE == "quick"
pd.DataFrame(curves, index=steps).T.rename_axis("seed").iloc[:, 1::2]

# %% [markdown]
# 一行一个种子，每隔一轮列一列，列名是环境步数。从 0 爬到接近 1：一万五千步，比起三万多种图案，每种平均摊不到半步，目标却几乎都能翻到。没有 HER 会怎样，第 1 章量过，第 6 章再正式比。`her.training.Trainer` 就是上面这个循环，外加评估的节奏和断点（[`her/training/loop.py`](../../her/training/loop.py)）；命令行 `her train her/BitFlip-v0 --env-kwargs n_bits=15` 跑的也是它。
#
# ## 4.10　DDPG 的更新，写在页面上
#
# 绕墙要连续动作，换 DDPG（[Lillicrap 等，2016](https://arxiv.org/abs/1509.02971)）：评论家 $Q(s,a,g)$ 学目标值，演员（actor）$\pi(s,g)$ 往 $Q$ 高的方向改。论文附录 A 加了三样：输入归一化并裁到 ±5；目标值裁剪（target clipping）到 $[-1/(1-\gamma),\,0]$，因为奖励只有 −1 和 0，回报出不了这个范围；惩罚演员 tanh 之前的输出，免得它饱和。
#
# 从库里的一个智能体拷贝出四个网络，更新由我们自己写：

# %%
from copy import deepcopy

from her.agents import DDPG, DDPGConfig

library = DDPG(4, -np.ones(2), np.ones(2), DDPGConfig(learning_rate=1e-3), seed=SEED)
fed = reach.sample(5_000).torch().observations
library.observe(fed)
normalise = library.normalizer
actor, critic = deepcopy((library.actor.network, library.critic.network))
actor_target, critic_target = deepcopy((library.actor.target, library.critic.target))
networks = (actor, critic)
actor_adam, critic_adam = (torch.optim.Adam(n.parameters(), 1e-3, fused=True) for n in networks)


# %%
@torch.no_grad()
def td_targets(batch, gamma=0.98):
    x = normalise(batch.next_observations)
    values = critic_target(x, torch.tanh(actor_target(x)))
    targets = torch.addcmul(batch.rewards, 1 - batch.dones, values, value=gamma)
    return targets.clamp(-1 / (1 - gamma), 0)


def descend(adam, loss):
    adam.zero_grad()
    loss.backward()
    adam.step()


# %%
def ddpg_update(batch, tau=0.05, penalty=0.05):
    x = normalise(batch.observations)
    errors = td_targets(batch) - critic(x, batch.actions)
    descend(critic_adam, errors.square().mean())
    before_tanh = actor(x)
    value = critic(x, torch.tanh(before_tanh)).mean()
    descend(actor_adam, penalty * before_tanh.square().mean() - value)
    with torch.no_grad():
        for network, target in zip(networks, (actor_target, critic_target), strict=True):
            for p, p_target in zip(network.parameters(), target.parameters(), strict=True):
                p_target.lerp_(p, tau)


# %% [markdown]
# （`addcmul` 就是 `rewards + gamma * (1 - dones) * values`，只舍入一次。）从上往下：评论家朝目标值走一步；演员朝 $Q$ 更高走一步；两个目标网络各跟上 5 %。同样的一百个批次，页面上的和库里的（[`her/agents/ddpg.py`](../../her/agents/ddpg.py)）各学一遍，四个网络的参数最多差多少？

# %%
start = deepcopy(critic)
for _ in range(100):
    batch = reach.sample(512).torch()
    ddpg_update(batch)
    library.update(batch)
learners = {"actor": library.actor, "critic": library.critic}
theirs = {name: learner.network for name, learner in learners.items()}
theirs |= {f"{name} target": learner.target for name, learner in learners.items()}
ours = dict(zip(theirs, (actor, critic, actor_target, critic_target), strict=True))


# %%
def farthest(one, other):
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


differences = {name: [farthest(ours[name], theirs[name])] for name in ours}
differences["critic, before and after"] = [farthest(start, critic)]
assert max(differences[name][0] for name in ours) == 0
pd.DataFrame(differences, index=["largest difference"]).T

# %% [markdown]
# 全是 0：逐位相同。最后一行说明网络确实动了。
#
# ### 归一化器要看什么
#
# 均值和标准差从哪儿统计？环境给的目标都在墙*右边*，可重标注的目标大多在*左边*。只看想要的目标来统计，会怎样？左右两图画的是同一批网络输入，只是归一化器见过的数据不同。红色是被裁掉的。

# %%
from her.agents.normalizer import Normalizer
from her_course.figures.implementation import draw_inputs

as_played = np.concatenate([play.states, play.goals], axis=-1).reshape(-1, 4)
fig, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)
shown = {"as played": torch.from_numpy(as_played), "as fed": fed}
for ax, (name, observations) in zip(axes, shown.items(), strict=True):
    normalizer = Normalizer(4)
    normalizer.update(observations)
    draw_inputs(ax, normalizer(fed)[:, 2].numpy(), name)
show(fig, "implementation.inputs")

# %% [markdown]
# 图里的百分数是被裁掉的份额。裁掉的那些目标在网络眼里是同一个数。所以训练器给归一化器看的，是两种目标都配上的观测。
#
# 刚初始化的评论家不知道回报的范围，目标值裁剪就管这个。数一数，有多少目标值越界：

# %%
fresh = DDPG(4, -np.ones(2), np.ones(2), seed=SEED)
fresh.observe(fed)
batch = reach.sample(10_000)
values = fresh.q_values(batch.next_observations, fresh.act(batch.next_observations))
targets = batch.rewards + 0.98 * values
outside = {"above 0": (targets > 0).mean(), "below -50": (targets < -50).mean()}
pd.DataFrame(outside | {"largest": targets.max()}, index=["targets"]).round(2)

# %% [markdown]
# ## 4.11　学会绕墙，以及两样小工具各值多少
#
# 正式的 `her/Reach-v0`：起点在墙左，目标在墙右，50 步之内穿过缺口，*最后一步*停在目标 6 厘米以内才算成功。论文评机械臂就用这个标准。三种设置各跑几个种子：全都有；不裁目标值；不归一化。

# %%
from functools import partial

from her.training import Trainer, settings_for
from her_course.figures.progress import on_all_cores


def learn_reach(changes, seed):
    task = {"max_steps": 48_000 if PROFILE == "full" else 1_600, "evaluate_every": 3}
    trainer = Trainer(settings_for("her/Reach-v0", seed=seed, agent_settings=changes, **task))
    curve = [(p.env_steps, p.success_rate) for p in trainer.run() if p.success_rate is not None]
    return trainer.agent, np.array(curve).T, trainer.final_evaluation().success_rate("end")


# %% tags=["nbval-ignore-output"]
SETTINGS = {"all": {}, "no clipping": {"target_range": None}, "no normaliser": {"normalize": False}}
jobs = [partial(learn_reach, changes, seed) for changes in SETTINGS.values() for seed in SEEDS]
outcomes = iter(on_all_cores(jobs))
reached = {name: [next(outcomes) for _ in SEEDS] for name in SETTINGS}
final = {name: [rate for *_, rate in of_seeds] for name, of_seeds in reached.items()}
if PROFILE == "full":
    assert min(final["all"]) > 0.5
pd.DataFrame(final, index=[f"seed {seed}" for seed in SEEDS]).T.round(2)

# %% [markdown]
# 一列一个种子。先拿种子之间的差别和设置之间的差别比，再谈名次：一个任务上的三个种子，只看得出大的效果。拿掉归一化器，平均掉了一成左右，三个种子都更低；拿掉裁剪，差别不比种子之间的大。论文附录 A 用了这两样，理由在上面两个格子里看得见（四分之一的目标成了同一个数；越界的目标值）；值多少，换个任务要再量。
#
# ### 评论家学到的地图
#
# 目标是输入的一部分，所以可以拿着一个固定的目标，问评论家：站在*每一个*地方，前景如何？把目标放在墙后的右上角，问遍 81 × 81 个位置。
#
# 颜色越亮越好，等高线上的数是 $Q$，箭头是演员（actor）想走的方向，星是目标；墙边的浅灰，点的中心到不了。先看 M：它离星星的直线距离很近，颜色却很暗。再从星星出发顺着亮处走，亮的那条路从哪里穿过墙？
#
# 在 JupyterLab 里，图的上方有两个滑块，挪的是目标的 `x` 和 `y`。把 `x` 拖到 −0.5：这回墙的哪一边亮？再把目标一点点拖向缺口：M 和 N，谁在变亮？（静态页面上只有一幅，目标在 (0.4, 0.75)。）

# %%
from her_course.figures.implementation import explore_values

agent, *_ = reached["all"][0]
goal, spots = (0.4, 0.75), {"M": (-0.2, 0.75), "N": (0.6, -0.65)}


def ask(positions, goal):
    observations = np.hstack([positions, np.tile(goal, (len(positions), 1))]).astype(np.float32)
    actions = agent.act(observations)
    return agent.q_values(observations, actions), actions


explore_values(ask, goal, spots)

# %% [markdown]
# 墙两边隔着几厘米，价值断成两截。没人给过它地图；它只有从前走到过的地方，各花了多少步。N 到星星的直线距离比 M 远一倍多，评论家觉得谁更有希望？

# %% tags=["nbval-ignore-output"]
where = np.array(list(spots.values()), np.float32)
values, _ = ask(where, goal)
if PROFILE == "full":
    assert values[0] < values[1]
distance = np.linalg.norm(where - goal, axis=1)
pd.DataFrame({"straight line, m": distance, "Q": values}, index=list(spots)).round(2)

# %% [markdown]
# 近的 M 反而差：它得先退回缺口。$Q$ 量的不是直线距离，是*路程*。
#
# ### 看它走
#
# 三个起点，三个目标，同一个智能体，学之前和学之后各走一遍。第一帧就是结局，然后从头放。

# %%
starts = [[-0.8, 0.8], [-0.7, -0.6], [-0.9, 0.0]]
goals = [[0.5, 0.75], [0.3, 0.8], [0.2, -0.5]]
FIELDS = ("observation", "desired_goal")


def film(agent):
    envs = make_envs("her/Reach-v0", 3, render_mode="rgb_array")
    observation, _ = envs.reset(seed=0, options={"state": starts, "goal": goals})
    for _ in range(26 if PROFILE == "full" else 6):
        yield np.hstack(envs.render())
        action = agent.act(np.hstack([observation[name] for name in FIELDS]))
        observation, *_ = envs.step(action)


# %%
from her_course.figures.implementation import film_of

untrained = DDPG(4, -np.ones(2), np.ones(2), seed=SEED)
films = {"before": list(film(untrained)), "after": list(film(agent))}
animate(film_of(films), "implementation.walk", fps=8)

# %% [markdown]
# ## 4.12　犯了错，也能学一点
#
# HER 的程序有个坏脾气：写错了也不报错，还常常能学一点，所以错误能活很多年。把常见的错误一个一个打开，看看曲线上留下什么痕迹。先备一份最朴素的数据：每轮的练习摊平，15 行一个回合，首尾相接。

# %%
NAMES = ("states", "actions", "next_states", "goals", "achieved_goals", "rewards", "ended")


def flatten(play):
    fields = [getattr(play, name) for name in NAMES]
    return [field.swapaxes(0, 1).reshape(-1, *field.shape[2:]) for field in fields]


# %% [markdown]
# 再写一个抽样器，六个错误各占一处，请逐行读。“四舍五入”出自 tianshou 2.0.1；“动作之前”在 [JaxGCRL](https://github.com/MichalBortkiewicz/JaxGCRL) 的奖励里出现过；另外几个，一走神就写出来了。前一半 `mistaken_goals` 挑目标、算奖励，四个错误在那里；后一半 `mistaken_sample` 把批次拼起来，有另外两个：

# %%
def mistaken_goals(memory, n, rng, mistake):
    states, _, _, desired, achieved, old_rewards, _ = memory
    row, draw = rng.integers(len(states), size=n), rng.random(n)
    left = 15 - row % 15
    ahead = np.round(draw * (left - 1)) if mistake == "rounded" else np.floor(draw * left)
    relabelled = rng.random((n, 1)) < 0.8
    goals = np.where(relabelled, achieved[row + ahead.astype(int)], desired[row])
    reached = states[row] if mistake == "before the action" else achieved[row]
    rewards = old_rewards[row] if mistake == "old rewards" else all_bits(reached, goals)
    rewards = np.where(relabelled[:, 0], 0, rewards) if mistake == "all successes" else rewards
    return row, goals, rewards


# %%
from her.batch import TorchBatch


def mistaken_sample(memory, n, rng, mistake):
    states, actions, next_states, desired, _, _, ended = memory
    row, goals, rewards = mistaken_goals(memory, n, rng, mistake)
    next_goals = desired[row] if mistake == "old next goal" else goals
    dones = ended[row] if mistake == "time limit" else np.zeros(n)
    inputs, next_inputs = np.hstack([states[row], goals]), np.hstack([next_states[row], next_goals])
    arrays = (inputs, actions[row], rewards, next_inputs, dones, np.ones(n))
    return TorchBatch(*(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays))


# %% [markdown]
# - `old rewards`：目标换了，奖励照抄旧的；
# - `old next goal`：`state` 那边的目标换了，`next_state` 那边忘了；
# - `all successes`：以为重标注的都算成功，奖励一律填 0；
# - `before the action`：拿动作*之前*到达的去比；
# - `time limit`：时间用完，当成了终点；
# - `rounded`：4.4 节那个“四舍五入”。
#
# 训练循环还是 4.9 那十来行，只换抽样器：

# %%
def learn(mistake, seed):
    rng, memory, successes = np.random.default_rng(seed), None, []
    agent = DQN(30, 15, DQNConfig(learning_rate=2e-3, tau=0.02), seed=seed)
    act = partial(agent.act, explore=True)
    for i in range(ROUNDS):
        new = flatten(rollout(act, envs, steps=15, seed=100 * seed + i))
        memory = new if memory is None else list(map(np.concatenate, zip(memory, new, strict=True)))
        for _ in range(80):
            agent.update(mistaken_sample(memory, 256, rng, mistake))
        successes.append(evaluate(agent.act, test_envs, seed=10_000 + i).success_rate("any"))
    return successes


# %% tags=["nbval-ignore-output"]
mistakes = ("none", "old rewards", "old next goal", "all successes")
mistakes += ("before the action", "time limit", "rounded")
jobs = [partial(learn, mistake, seed) for mistake in mistakes for seed in SEEDS]
outcomes = np.reshape(on_all_cores(jobs), (len(mistakes), len(SEEDS), ROUNDS))
mistaken = dict(zip(mistakes, outcomes, strict=True))

# %% [markdown]
# 先猜再看：六条线里，哪几条你会当场发现不对劲？黑线是没有错误的。细线是各个种子，粗线是平均。

# %%
from her_course.figures.implementation import draw_mistakes

fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True)
draw_mistakes(axes, 64 * 15 * np.arange(1, ROUNDS + 1), mistaken)
show(fig, "implementation.mistakes")

# %% [markdown]
# 一行一种错误，一列一个种子：最后三次评估的平均（任何一步翻对就算）。

# %% tags=["nbval-ignore-output"]
last = {mistake: curves[:, -3:].mean(axis=1) for mistake, curves in mistaken.items()}
assert last["old rewards"].max() < 0.05
if PROFILE == "full":
    assert last["none"].min() > 0.85
    assert last["old next goal"].mean() < last["all successes"].mean() + 0.2 < last["none"].mean()
pd.DataFrame(last, index=[f"seed {seed}" for seed in SEEDS]).T.round(2)

# %% [markdown]
# 最好抓的是抄旧奖励：一动不动。最会误导人的是填 0 和忘了 `next_state`：它们*在涨*，你会去调学习率，而不是去找错误。用动作之前的奖励，学得慢，到最后也还差一截；把时间用完当终点，在这个任务里代价很小。最难抓的是四舍五入：曲线上几乎看不出来，要靠 4.4 节那样的统计检验。
#
# 所以“能学”证明不了“没写错”。在 FetchReach 上尤其如此：[Plappert 等人（2018）](https://arxiv.org/abs/1802.09464)提醒过，那个任务太容易，写坏一部分的程序有时也学得会。
#
# ## 4.13　装进 Stable-Baselines3
#
# 手上已经有一套 Stable-Baselines3（SB3）的代码？不用搬家。[`her.integrations.sb3.HindsightReplayBuffer`](../../her/integrations/sb3.py) 的构造参数和 SB3 自带的 HER 缓冲区一样，换一个类名就行。下面的 DQN、网络、探索全是 SB3 的，只有缓冲区是我们的；评估用我们的 `evaluate`，把 SB3 的 `predict` 包一层即可。10 个比特，八千步：

# %%
from stable_baselines3 import DQN as SB3DQN
from stable_baselines3.common.env_util import make_vec_env

from her.integrations.sb3 import HindsightReplayBuffer

settings = {"learning_rate": 2e-3, "gamma": 0.98, "batch_size": 256, "train_freq": 10}
settings |= {"learning_starts": 200, "gradient_steps": 40, "target_update_interval": 400}
settings |= {"policy_kwargs": {"net_arch": [256]}}
replay = {"replay_buffer_class": HindsightReplayBuffer}
replay |= {"replay_buffer_kwargs": {"n_sampled_goal": 4}}


# %% tags=["nbval-ignore-output"]
def sb3_success(seed):
    sb3_envs = make_vec_env("her/BitFlip-v0", 16, seed=seed, env_kwargs={"n_bits": 10})
    model = SB3DQN("MultiInputPolicy", sb3_envs, **settings, **replay, seed=seed)
    model.learn(8_000 if PROFILE == "full" else 400)

    def act(x):
        parts = {"observation": x[:, :10], "achieved_goal": x[:, :10], "desired_goal": x[:, 10:]}
        return model.predict(parts, deterministic=True)[0]

    return evaluate(act, make_envs("her/BitFlip-v0", 100, n_bits=10), seed=1).success_rate("any")


sb3 = on_all_cores([partial(sb3_success, seed) for seed in SEEDS])
assert min(sb3) > 0.8 or PROFILE == "quick"
pd.DataFrame({"success": sb3}, index=[f"seed {seed}" for seed in SEEDS]).T

# %% [markdown]
# SB3 自带的那个类，这里没有跑，也就不比成绩；差别在细处，而细处正是这一章讲过的：它（2.9.2 版）换了目标，`done` 还是存着的那个，我们的跟着新目标走（4.7）；它要等第一个回合结束才能抽，我们的回合没完就能抽（4.6）；存盘不丢进行中的回合；还有 `random` 策略、优先级和课程（第 5 章）可选。
#
# ## 4.14　回头看
#
# 1. **七行变三行。** 63 个格子的卡方检验分不出循环、三行和库，却当场抓住了“四舍五入”；掺进一半的错次次抓到，掺进一成多半漏掉（4.4）。
# 2. **抽样时才换目标。** 内存是五分之一，同一条转移见到的目标多出一个数量级（4.2）。
# 3. **三个坑。** 达到的目标早取一格，78 % 的奖励仍是对的，所以难发现（4.5）；`future` 之下，旧 `done` 在三成左右的重标注行上是错的（4.7）；归一化器看错数据，四分之一以上的目标被裁成同一个数（4.10）。
# 4. **DDPG 的更新**写在页面上，学一百个批次，和库里的差 0（4.10）。
# 5. **评论家的地图**量的是路程，不是直线（4.11）。
# 6. **“能学”证明不了“没写错”。** 六个错误里，只有抄旧奖励的一眼看得出（4.12）。换个类名，SB3 的 DQN 就用上了这个缓冲区（4.13）。
#
# ### 三个常见的误会
#
# - **“重标注过的奖励都是 0。”** 不，奖励要重算，大部分仍是 −1。告诉网络“这条路*还没*到那儿”，同样是信息。
# - **“回合的最后一步，`done` 当然是 1。”** 时间用完是截断，不是终止。
# - **“归一化器、目标值裁剪是可有可无的细节。”** 4.11 的表里，归一化器值一成；裁剪在那里看不出值多少，可别据此断定它在别处也不值。
#
# ### 动手
#
# 打开 [`exercises/zh/ch4.ipynb`](../../exercises/zh/ch4.ipynb)：`epsilon_greedy`、`polyak_update`、`td_target`、`sample_her_batch`，还有找错题 `mended_inputs`；末尾的开放任务是“你自己的 DQN + HER”。只做一个，就做 `td_target`：4.7 和 4.10 的坑都在里面。
#
# ### 下一章的问题
#
# 直到现在，每条转移被抽中的机会一样大。可十万条里，有的教会你绕墙，有的只是冰球在原地不动。**哪些转移更值得回放？**（[第 5 章](05_priorities_and_curricula.ipynb)）
