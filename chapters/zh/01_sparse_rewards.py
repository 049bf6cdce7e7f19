# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1　稀疏奖励
#
# > **这一章你会看到**：一个智能体练了六千四百个回合，成功的次数两只手数得过来。练完以后，它选动作和闭着眼乱按没有两样。它不笨：题目小一号，同样的代码就能学会。光看训练误差也看不出毛病：它的误差和学会了的那个一样小。读完你能用一行公式算出它会学到什么，亲手写出它的学习算法，还会在它的失败里数出上千次成功。
# >
# > **时间**：阅读 35 分钟，运行约 5 分钟（2 核 CPU）。
# >
# > **需要**：会读 PyTorch 的 `nn.Sequential`，知道什么是 Q 值。
#
# 读完你能：
#
# 1. 说清目标条件强化学习（goal-conditioned RL）比标准强化学习多了什么；
# 2. 写出带容差 $\varepsilon$ 的稀疏奖励（sparse reward），两行；
# 3. 算出乱走碰上目标的概率，再用数据对账；
# 4. 不看训练误差，只看奖励和 Q 值，认出一个什么也没学到的智能体；
# 5. 说出毛病在哪三处；也说得出“给点提示”（奖励塑形，reward shaping）能做到什么、做不到什么；
# 6. 从一万步失败里数出成功。

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

schematic("environment")

# %% [markdown]
# ## 1.1　一个智能体，许多任务
#
# 你花一星期教会机械臂把杯子放到桌子的左上角。第二天要它放到右下角，怎么办？再花一星期？
#
# **标准强化学习**没有别的办法。任务焊死在奖励函数里，换任务就是换奖励，换奖励就得重学：
#
# $$J(\pi)=\mathbb{E}_{\pi}\Big[\sum_{t=0}^{\infty}\gamma^{t}\,r(s_t,a_t)\Big]$$
#
# **目标条件强化学习**把任务拆出来，写成一个目标 $g$。每个回合（episode）开始时抽一个，策略看得见它，奖励照着它打分：
#
# $$J(\pi)=\mathbb{E}_{g\sim p(g)}\,\mathbb{E}_{\pi(\cdot\mid\cdot,\,g)}\Big[\sum_{t=0}^{\infty}\gamma^{t}\,r_g(s_t,a_t,s_{t+1})\Big]$$
#
# 两行公式只差一个 $g$，可是它一路传下去：
#
# | | 标准 | 目标条件 |
# |---|---|---|
# | 策略 | $\pi(a\mid s)$ | $\pi(a\mid s,g)$ |
# | 奖励 | $r(s,a)$ | $r_g(s,a,s')$ |
# | 价值 | $Q(s,a)$ | $Q(s,a,g)$ |
# | 换任务 | 重新训练 | 换个 $g$ |
#
# 最后那个 $Q(s,a,g)$ 叫**通用价值函数逼近器**（universal value function approximator, UVFA；[Schaul 等，2015](https://proceedings.mlr.press/v37/schaul15.html)；更早的是 Kaelbling，1993）：状态 $s$ 下做动作 $a$，*如果想去的是 $g$*，往后总共能拿多少分。它的贝尔曼更新和普通 Q 学习一样，只是等号两边是同一个 $g$：
#
# $$Q(s,a,g)\;\leftarrow\;r_g(s,a,s')+\gamma\,\max_{a'}Q(s',a',g)$$
#
# 落到代码上简单得让人失望：把目标拼在状态后面，输入变长一截，完了。看第一层的输入有多宽：15 位状态加 15 位目标。

# %%
from her.agents import DQN

print(DQN(observation_dim=15 + 15, n_actions=15).q.network)

# %% [markdown]
# 图的是举一反三：为了去 $g_1$ 学到的权重，去旁边的 $g_2$ 时也用得上。
#
# ### 谁需要它
#
# 凡是“任务 = 到达某种状态”的地方。写成三样东西就能套进来：看得见的状态 $s$，**想要的目标**（desired goal）$g$，以及从状态里读出“眼下达到了什么”的函数 $m(s)$，它的值叫**达到的目标**（achieved goal）。
#
# | 领域 | 例子 | 目标 $g$ | 达到的目标 $m(s)$ | 怎样算到 |
# |---|---|---|---|---|
# | 机械臂操作 | 把方块推到桌上一点（FetchPush） | 一个三维坐标 | 方块现在的坐标 | 相距不到 5 厘米（[Plappert 等，2018](https://arxiv.org/abs/1802.09464)） |
# | 导航 | 扫地机去指定的房间 | 地图上的一点 | 自己现在的位置 | 走进一个小圈 |
# | 游戏里的任务 | 推箱子、拧魔方、“拿到那把钥匙” | 一个局面，或局面的一部分 | 眼前的局面 | 一模一样 |
#
# 本课的三个环境正好各占一行。翻比特（BitFlip）是“游戏”：给一串比特，每步翻一个，翻成指定的图案。绕墙（Reach）是“导航”：穿过墙上的缺口，走到一点。推冰球（Push）是“操作”：用圆盘把冰球推到位，推得动，抓不住。各列是状态、目标、动作，最后是一个回合的步数：

# %%
from her.training.evaluation import make_envs


def sizes(env_id):
    envs = make_envs(env_id, 1)
    space = envs.single_observation_space
    state, goal = (space[key].shape[0] for key in ("observation", "desired_goal"))
    return state, goal, str(envs.single_action_space), envs.horizon


ENVS = ("her/BitFlip-v0", "her/Reach-v0", "her/Push-v0")
pd.DataFrame(map(sizes, ENVS), ENVS, ["state", "goal", "actions", "steps"])


# %% [markdown]
# ## 1.2　奖励只有两种
#
# 怎么打分最省心？到了，0 分；没到，扣 1 分。“到了”的意思是离目标不到 $\varepsilon$，它叫**容差**（tolerance）：
#
# $$r_g(s,a,s')=\begin{cases}0,&\lVert m(s')-g\rVert<\varepsilon\\-1,&\text{没到}\end{cases}$$
#
# 注意是 $s'$：这一步的分，看*动作之后*到了哪里。（论文写作 $r_g(s,a)$；它的环境是确定的，$s$ 和 $a$ 定了，$s'$ 也就定了。）每步扣分，所以越早到亏得越少。写出来两行：

# %%
def sparse_reward(achieved_goal, desired_goal, threshold):
    distance = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
    return np.where(distance < threshold, 0.0, -1.0)


sparse_reward(np.array([[0.05, 0.0], [0.08, 0.0], [3.0, 4.0]]), np.zeros(2), threshold=0.08)

# %% [markdown]
# 三个点，离目标 5 厘米、8 厘米、5 米，容差 8 厘米。第二个正好踩线，不算。再看后两个：差一根头发丝和差一整条街，得分一样。这就是“稀疏”：它告诉你*到没到*，从不告诉你*还差多少*。
#
# 库里有同样的函数 `her.sparse_reward`，三个环境用的也是这条规矩（翻比特的每一位写成 −1 或 +1，只要有一位不同，距离就至少是 2，所以 $\varepsilon=1$ 等于“一位不差”）。抽一万个目标，两两相邻地比，三种算法的答案应当逐行相同。第一列是其中有几对碰巧“到了”，后两列是我们的答案和库、和环境有几行不同：

# %%
import her


def disagreements(env_id, threshold):
    envs = make_envs(env_id, 10_000)
    goals = envs.reset(seed=0)[0]["desired_goal"]
    pairs = goals[1:], goals[:-1]
    ours, library = sparse_reward(*pairs, threshold), her.sparse_reward(*pairs, threshold)
    environment = envs.compute_reward(*pairs, {})
    return (ours == 0).sum(), (ours != library).sum(), (ours != environment).sum()


rows = [disagreements(*one) for one in zip(ENVS, (1.0, 0.06, 0.08), strict=True)]
pd.DataFrame(rows, ENVS, ["reached", "ours ≠ her", "ours ≠ environment"])

# %% [markdown]
# 现在放几个只会乱走的智能体进去。`rollout` 让 `n_envs` 个环境一起走完一个回合：

# %%
from her.training.evaluation import rollout


def wander(env_id, n_envs, action_seed=1, **kwargs):
    envs = make_envs(env_id, n_envs, **kwargs)
    envs.action_space.seed(action_seed)
    return rollout(lambda observations: envs.action_space.sample(), envs, envs.horizon, seed=0)


def travelled(episode):
    return np.ptp(episode.achieved_goals, axis=0).sum()


# %% [markdown]
# 一张图看全四样东西：起点（空心点）、走过的路、目标、容差（绿圈）。灰点线是结束时离目标还差多远。左边是绕墙，点就是智能体。右边是推冰球，蓝线是智能体走的，黑线是*冰球*走的，冰球的中心进了绿圈才算数。两边都是一百个回合里折腾得最远的那个。沿着线走一遍：它们在哪一步其实干得不错？

# %%
from her_course.figures.sparse_rewards import draw_push_episode, draw_reach_episode

walk, push = (max(wander(env_id, 100).episodes(), key=travelled) for env_id in ENVS[1:])
fig, axes = plt.subplots(1, 2, figsize=(8.4, 4.3))
draw_reach_episode(axes[0], walk, 0.06)
draw_push_episode(axes[1], push, 0.08)
show(fig, "sparse_rewards.episodes")

# %% [markdown]
# 左边的点穿过了缺口，这是全程最难的一步，它自己不知道，又走远了。右边的冰球从绿圈里*穿了过去*，又被顶出来。奖励怎么评价这两场？

# %%
print(walk.rewards.sum(), push.rewards.sum(), np.flatnonzero(push.rewards == 0))

# %% [markdown]
# 绕墙那位 50 步得 −50 分，和原地发呆同分。推冰球那位 −49：冰球穿圈的那一步得了 0，仅此一步。
#
# 这个回合算成功吗？看你怎么问。**任意一步**到过就算，那它成功了；**最后一步**还在才算，那它失败了。论文评翻比特用前者，评机械臂用后者（[Andrychowicz 等，2017](https://arxiv.org/abs/1707.01495)，3.1 节和图 3），本课照办，每次都会说明是哪一种。
#
# 再看四个乱走的智能体推冰球，蓝的是智能体，橙的是冰球。数一数：有几个碰到了冰球？往哪边碰的？

# %%
from her_course.figures import animate, named_panels

envs = make_envs("her/Push-v0", 4, render_mode="rgb_array")
envs.reset(seed=4)
envs.action_space.seed(1)
film = [envs.render()]
for _ in range(envs.horizon - 1 if PROFILE == "full" else 9):
    envs.step(envs.action_space.sample())
    film.append(envs.render())
panels = {f"{i + 1}": [pictures[i] for pictures in film] for i in range(4)}
animate(named_panels(panels), "sparse_rewards.wanderers", fps=12)

# %% [markdown]
# ## 1.3　乱走，能碰上吗
#
# 强化学习的套路是先瞎试，碰上好事就多做。那就先问：碰得上吗？翻比特简单到可以算个明白。
#
# **最后一步恰好命中**：起点是均匀随机的，翻来翻去之后还是均匀随机的，和目标毫无关系。$n$ 位全对的概率就是
#
# $$P(\text{最后一步命中})=2^{-n}$$
#
# **任意一步命中**：$n$ 步就有 $n$ 次机会，加起来最多 $n\cdot 2^{-n}$。这是上界，因为两次命中可能撞在同一个回合里。要精确值，得跟踪一个数：还差几位，即汉明距离（Hamming distance）$d$。随便翻一位，翻中错位的概率是 $d/n$：
#
# $$d\to d-1\;:\;\frac{d}{n},\qquad\qquad d\to d+1\;:\;\frac{n-d}{n}$$
#
# 这是一条马尔可夫链（Markov chain）。让概率顺着它流，流到 0 的就记下来拿走，不让它流回去：

# %%
from scipy.stats import binom


def hit_probability(n_bits, horizon):
    d = np.arange(n_bits + 1)
    p, hit = binom.pmf(d, n_bits, 0.5), 0.0
    for _ in range(horizon):
        closer, farther = p * d / n_bits, p * (n_bits - d) / n_bits
        p = np.append(closer[1:], 0) + np.append(0, farther[:-1])
        hit, p[0] = hit + p[0], 0
    return hit


# %% [markdown]
# 对账：每个 $n$ 乱翻五万个回合。各列是 $2^{-n}$、链给的精确值、上界 $n\cdot 2^{-n}$，然后是实测的成功率和 95 % Wilson 区间（比例的置信区间，接近 0 或 1 时也靠得住）。逐行看：精确值在区间里吗？

# %% tags=["nbval-ignore-output"]
from her.training.evaluation import wilson_interval

EPISODES = 50_000 if PROFILE == "full" else 10_000


def count_hits(n):
    hits = int(wander("her/BitFlip-v0", EPISODES, n_bits=n).success.any(axis=0).sum())
    interval = wilson_interval(hits, EPISODES)
    return 2.0**-n, hit_probability(n, n), n * 2.0**-n, hits / EPISODES, *interval


ns = pd.Index(range(2, 13, 2), name="n")
heads = ["last step", "exact", "bound", "measured", "low", "high"]
luck = pd.DataFrame(map(count_hits, ns), ns, heads)
luck.round(5)

# %% [markdown]
# 对上了。写这一节的时候，第一遍可没对上：$n=2$ 的实测是下面这个数，而不是 0.5。

# %%
same_seed = wander("her/BitFlip-v0", 50_000, action_seed=0, n_bits=2)
print(f"{same_seed.success.any(axis=0).mean():.2f}")

# %% [markdown]
# 错的不是理论，是实验：环境和动作用了*同一个种子*，两串“随机”数其实是同一串，起点和动作是相关的。所以 `wander` 给动作另设种子。会算账的好处就在这里：没有旁边那列精确值，谁会起疑？
#
# 小的 $n$ 核对过了，就可以放心算到 50。纵轴是对数刻度，每往下一大格是百分之一。看蓝线（任意一步）和两条灰色虚线相交的地方：

# %%
from her_course.figures.sparse_rewards import draw_random_success

bits = np.arange(1, 51)
measured = {n: tuple(row) for n, row in luck[["measured", "low", "high"]].iterrows()}
fig, ax = plt.subplots(figsize=(7, 3.8))
draw_random_success(ax, bits, [hit_probability(n, n) for n in bits], measured)
show(fig, "sparse_rewards.luck")

# %% [markdown]
# 论文里的 DQN 走到 13 位就走不动了，加上 HER 却能轻松翻对 50 位（[论文](https://arxiv.org/abs/1707.01495) 3.1 节）。50 位意味着什么？这一章里每个智能体练 6,400 个回合。全靠乱翻，指望碰上几次？要是每秒能走一百万步，等*一次*命中又要多久？

# %%
n = np.array([8, 15, 20, 30, 50])
p = np.array([hit_probability(bits, bits) for bits in n])
waits = {"hits in 6,400 episodes": 6_400 * p, "seconds to one hit": n / p / 1e6}
pd.DataFrame(waits, pd.Index(n, name="n")).map("{:.3g}".format)

# %% [markdown]
# 8 位能碰上一百七十多次，15 位不到三次，50 位要等十一亿秒，三十多年，换来一个 0 分。每多一位，运气差不多减半，这种事不能靠耐心解决。
#
# 另外两个环境没有公式，只能量。两万个回合，分“任意一步”和“最后一步”：

# %% tags=["nbval-ignore-output"]
EPISODES = 20_000 if PROFILE == "full" else 5_000
wanderers = {env_id: wander(env_id, EPISODES) for env_id in ENVS[1:]}
rows = {}
for env_id, play in wanderers.items():
    for at, success in (("any step", play.success.any(axis=0)), ("last step", play.success[-1])):
        rows[env_id, at] = success.mean(), *wilson_interval(int(success.sum()), EPISODES)
touched = np.ptp(wanderers["her/Push-v0"].achieved_goals, axis=0).any(axis=-1).mean()
by_area = np.pi * 0.06**2 / (2 * 0.9)
print(f"{touched:.0%}  {by_area:.2%}")
pd.DataFrame(rows, ["success", "low", "high"]).T.map("{:.2%}".format)

# %% [markdown]
# 千分之几，甚至万分之几。表上面有两个数。前一个是推冰球时*冰球动过*的回合占多少：四成上下。多数时候智能体连球都没碰着，动画里你也看见了。后一个给绕墙作参照：就算有人把你随手扔到墙右边，一下扔进绿圈的机会，也只是两块面积之比，千分之六（墙右边，智能体的中心到得了的那块约宽 0.9 米、高 2 米）。
#
# ## 1.4　全是 −1 的世界
#
# 碰不上，又怎样？假设经验里*只有* −1。贝尔曼更新对每一格都说同一句话，$Q\leftarrow -1+\gamma Q$，于是所有的状态、动作、目标都滑向同一个数：
#
# $$Q=-1+\gamma Q\quad\Longrightarrow\quad Q=-\frac{1}{1-\gamma}$$

# %%
gamma, q = 0.98, 0.0
for _ in range(1_000):
    q = -1 + gamma * q
print(f"{q:.4f}  {-1 / (1 - gamma):.4f}")


# %% [markdown]
# −50。没有环境，没有网络，两行循环就“学”完了。而且学到这里它就*满意*了：损失看的是误差 $y-Q$，其中 $y$ 是目标值（TD target）；$Q$ 处处等于 −50 时，$y$ 也处处等于 −50，梯度是 0。没有哪个动作比别的好一丁点，$\arg\max$ 只好听初始化时那点噪声的。
#
# 这是理论。真实的 DQN 会这样吗？让它练两种题：8 位和 15 位。代码、网络、超参数全都一样，各练 100 轮，每轮 64 个回合、80 次更新。
#
# 先准备考题：离目标正好差 $d$ 位的状态，`n` 道，写成网络吃的 $[s, g]$。

# %%
def pairs_at(d, n_bits, n=400):
    rng = np.random.default_rng(0)
    goals = rng.choice(np.float32([-1, 1]), (n, n_bits))
    is_wrong = rng.random((n, n_bits)).argsort(axis=1) < d
    return np.hstack([np.where(is_wrong, -goals, goals), goals])


# %% [markdown]
# ### 学习器，一页写完
#
# 问它之前，先看它怎么学；示意图里，它是最右边那一格。深度 Q 网络（DQN；Mnih 等，2015）的一次更新如下，没有省略。网络 `network` 在学；它的影子 `target` 是**目标网络**（target network），每次只挪一小步 $\tau$，好让目标值 $y$ 不跟着网络乱跳。下一步的动作由 `network` 挑、由 `target` 估价，这叫双 DQN（van Hasselt 等，2016）。误差 $y-Q$ 用 Huber 损失：小的时候按平方算，超过 1 之后按绝对值算。
#
# $$y=\operatorname{clip}\Big(r_g+\gamma\,Q_{\text{target}}\big(s',\arg\max_{a'}Q(s',a',g),g\big),\;-\tfrac{1}{1-\gamma},\;0\Big)$$

# %%
import torch
from torch.nn.functional import smooth_l1_loss

schematic("learner")


def learn(network, target, adam, batch, tau=0.05):
    with torch.no_grad():
        best = network(batch.next_observations).argmax(dim=1, keepdim=True)
        next_values = target(batch.next_observations).gather(1, best).squeeze(1)
        y = batch.rewards + gamma * (1 - batch.dones) * next_values
        y = y.clamp(-1 / (1 - gamma), 0)
    q = network(batch.observations).gather(1, batch.actions.long()).squeeze(1)
    step(network, target, adam, smooth_l1_loss(q, y), tau)


# %%
def step(network, target, adam, loss, tau):
    adam.zero_grad()
    loss.backward()
    adam.step()
    with torch.no_grad():
        for slow, fast in zip(target.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, tau)


# %% [markdown]
# `lerp_` 就是 $\theta_{\text{target}}\leftarrow(1-\tau)\,\theta_{\text{target}}+\tau\,\theta$。这十几行就是库里 `DQN.update`（[`her/agents/dqn.py`](../../her/agents/dqn.py)）做的事吗？让两个一模一样的网络吃同样的批次，一个用我们的，一个用库里的，然后比较权重的每一位：

# %%
from her import GoalConditionedReplayBuffer

replay = GoalConditionedReplayBuffer(10_000, 8, 1, 8, seed=0)
for episode in wander("her/BitFlip-v0", 500, n_bits=8).episodes():
    replay.store_episode(episode)
ours, theirs = DQN(16, 8, seed=1), DQN(16, 8, seed=1)
networks = ours.q.network, ours.q.target
adam = torch.optim.Adam(networks[0].parameters(), lr=1e-3, fused=True)
for _ in range(100):
    batch = replay.sample(256).torch()
    learn(*networks, adam, batch)
    theirs.update(batch)


# %%
def farthest(ours, theirs):
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


start, rows = DQN(16, 8, seed=1), {}
for name in ("network", "target"):
    mine, library, before = (getattr(agent.q, name) for agent in (ours, theirs, start))
    rows[name] = farthest(mine, library), farthest(before, library)
assert all(difference == 0 for difference, _ in rows.values())
pd.DataFrame(rows, ["ours − library's", "moved in 100 updates"]).T

# %% [markdown]
# 第一列是 0：一位不差。（第二列说明它们确实学了东西。）从这里起，`DQN` 对你不再是黑箱。
#
# `Trainer` 的一轮（round）就是：玩一批回合，存进回放缓冲区（replay buffer），更新，然后不带探索地评估一次。`strategy="none"` 是普通的回放，没有任何花招。目标网络跟得比默认快一点（`tau`），好让 8 位也赶得及学完。每轮记下五个数：更新次数、评估的成功率、差一半位数时的 $\max_a Q$、练习中成功的回合数、TD 误差（TD error，即 $y-Q$；记的是绝对值的平均）。

# %%
from her.training import Trainer, settings_for, use_one_thread


def note(trainer, done):
    n_bits = trainer.config.env_kwargs["n_bits"]
    value = trainer.agent.q_values(pairs_at(n_bits // 2, n_bits)).max(axis=1).mean()
    success = np.nan if done.success_rate is None else done.success_rate
    return done.updates, success, value, 64 * done.exploring_success, done.td_error


def practise(n_bits, seed, rounds, **changes):
    settings = {"strategy": "none", "seed": seed, "evaluate_every": rounds, **changes}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings))
    use_one_thread()
    log = [note(trainer, trainer.round()) for _ in range(rounds)]
    return trainer, np.array(log)


# %% [markdown]
# 三个种子（seed），两种题，每个核练一个，大约半分钟。

# %%
from functools import partial

from her_course.figures.progress import on_all_cores

SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
rounds = {8: 100, 15: 100} if PROFILE == "full" else {8: 2, 15: 2}
often = {"evaluate_every": 1, "agent_settings": {"tau": 0.05}}
jobs = [partial(practise, n, seed, rounds[n], **often) for n in rounds for seed in SEEDS]
practised = iter(on_all_cores(jobs))
runs = {n: [next(practised) for _ in SEEDS] for n in rounds}

# %% [markdown]
# 最后的评估：每个种子 200 个新回合，任意一步翻对就算成功，附 95 % 区间。前面两列是*练习*时成功过的回合，和练习的回合总数。

# %% tags=["nbval-ignore-output"]
finals = {n: [trainer.final_evaluation() for trainer, _ in runs[n]] for n in runs}
rows = {}
for n, group in runs.items():
    for seed, (trainer, log), final in zip(SEEDS, group, finals[n], strict=True):
        hits, passed = log[:, 3].sum(), int(final.success_at_any.sum())
        interval = wilson_interval(passed, len(final))
        rows[n, seed] = hits, trainer.episodes, passed / len(final), *interval
heads = ["successes in practice", "of episodes", "success rate", "low", "high"]
pd.DataFrame(rows, heads).T.rename_axis(["n", "seed"]).round(3)

# %% [markdown]
# 8 位的每个种子都过九成，15 位的一个也没学会，整个练习期间的成功一只手数得过来。

# %%
if PROFILE == "full":
    scores = {n: [final.success_rate("any") for final in finals[n]] for n in finals}
    assert min(scores[8]) > 0.9
    assert max(scores[15]) < 0.05
    assert max(log[:, 3].sum() for _, log in runs[15]) <= 10

# %% [markdown]
# 同一份代码，8 位学会了，15 位没有。所以代码没坏。8 位的网络还顺手演示了 1.1 节关于 UVFA 的话：给它同一个图案配上 8 个不同的目标，每个目标只改一位，问它翻哪位。一个网络，答得出 8 个答案吗？

# %% tags=["nbval-ignore-output"]
same = np.ones((8, 8), np.float32)
goals = np.where(np.eye(8), -same, same).astype(np.float32)
agent = runs[8][0][0].agent
print(agent.act(np.hstack([same, goals])))

# %% [markdown]
# 状态一样，目标不同，动作跟着目标走。
#
# 现在看它们是怎么走到这一步的。细线是各个种子，粗线是三个的平均。先看右图：两种题的 Q 值一起往下掉，一直掉到 −40 以下，直到某一刻分道扬镳。灰带是完美策略该有的价值。

# %%
from her_course.figures.sparse_rewards import draw_lives

logs = {n: np.array([log for _, log in group]) for n, group in runs.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_lives(axes, logs, floor=-50, truth=(-31, -24.7))
show(fig, "sparse_rewards.lives")


# %% [markdown]
# 8 位的 Q 值也在往下掉，直到攒够了 0：一次成功靠自举（bootstrapping，拿自己对下一状态的估计来更新这一状态）往回传，先到目标附近的状态，再到更远的。15 位只有寥寥几次命中，甚至一次也没有，只能沿着刚才那两行循环的路滑下去。（它没有一直滑到 −50。我们猜是过高估计（overestimation）：$\max$ 总从噪声里挑最高的那个。这里用的是为此而设的双 DQN（[van Hasselt 等，2016](https://arxiv.org/abs/1509.06461)），可是目标网络跟得快，两份网络的噪声差不多。这个猜测没有单独验证。）
#
# 灰带从哪来？差 $d$ 位时，完美策略翻 $d$ 次就到，前 $d-1$ 步各扣 1 分。到了以后停不住，只能翻出去再翻回来，每两步扣 1 分：
#
# $$V^*(d)=-\sum_{i=0}^{d-2}\gamma^{i}-\frac{\gamma^{d}}{1-\gamma^{2}}$$
#
# 公式对不对，让贝尔曼方程来查：离得远就靠近一步，已经到了就只能离开。

# %%
def perfect_value(d):
    return -sum(gamma**i for i in range(d - 1)) - gamma**d / (1 - gamma**2)


truth = np.array([perfect_value(d) for d in range(16)])
backed_up = -1.0 * (np.arange(16) != 1) + gamma * truth[np.append(1, np.arange(15))]
print(f"{truth.min():.1f} … {truth.max():.1f}, off by {abs(truth - backed_up).max():.12f}")


# %% [markdown]
# 关键的一问：在网络眼里，*快到了*和*差得远*有区别吗？从差 0 位到全错，每档 400 道题，问两件事：这状态值多少？你要翻的那一位，本来是错的吗？

# %%
def ask(agent, n_bits):
    value, right = [], []
    for d in range(n_bits + 1):
        pairs = pairs_at(d, n_bits)
        q = agent.q_values(pairs)
        is_wrong = pairs[:, :n_bits] != pairs[:, n_bits:]
        value.append(q.max(axis=1).mean())
        right.append(is_wrong[np.arange(len(q)), q.argmax(axis=1)].mean())
    return np.array(value), np.array(right)


# %% [markdown]
# 左图，看坡度：点线是完美策略，越远越低，差 0 位那里还有个小缺口（已经到了反而要先离开）。右图，看斜的点线：闭着眼随便翻一位，翻对的概率正好是 $d/n$。

# %%
from her_course.figures.sparse_rewards import draw_choices_by_distance, draw_values_by_distance

answers = {n: [ask(trainer.agent, n) for trainer, _ in group] for n, group in runs.items()}
values = {n: np.array([value for value, _ in group]) for n, group in answers.items()}
choices = {n: np.array([right[1:] for _, right in group]) for n, group in answers.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_values_by_distance(axes[0], values, truth, -50)
draw_choices_by_distance(axes[1], choices)
show(fig, "sparse_rewards.distance")

# %% [markdown]
# 蓝线把缺口都学出来了。（要是哪条蓝线整体偏低，那是它学得晚，还在往上爬；坡度已经对了，而挑动作只看坡度。）红线是平的：差一位和全错，在它看来一个价。于是它的选择和闭着眼翻分不出来。
#
# 用数核对。第一列是差 1 位与全错的价值相差多少（末一行是完美策略）；第二列是翻对的比例离“闭着眼翻”的 $d/n$ 平均多远。完美策略在 8 位上，第一列该是 3.33：

# %% tags=["nbval-ignore-output"]
rows = {}
for n in values:
    blind = np.arange(1, n + 1) / n
    for seed, value, right in zip(SEEDS, values[n], choices[n], strict=True):
        rows[n, seed] = value[1] - value[-1], abs(right - blind).mean()
rows["perfect", 15] = truth[1] - truth[15], np.nan
eyes = pd.DataFrame(rows, ["one bit − all bits", "distance from a blind flip"]).T
if PROFILE == "full":
    assert (abs(eyes.loc[15]) < [0.5, 0.06]).all(axis=None)
eyes.rename_axis(["n", "seed"]).round(2)

# %% [markdown]
# ### 误差看不出来
#
# 训练出了问题，你会先看什么？多半是损失。下面是最后十轮的 TD 误差，除以 Q 值的大小。光看这个，你分得出谁学会了吗？

# %% tags=["nbval-ignore-output"]
late = {n: log[:, -10:] for n, log in logs.items()}
errors = {n: (log[:, :, 4].mean(axis=1) / -log[:, :, 2].mean(axis=1)) for n, log in late.items()}
if PROFILE == "full":
    assert max(map(max, errors.values())) < 0.01
pd.DataFrame(errors, pd.Index(SEEDS, name="seed")).rename_axis("n", axis=1).map("{:.2%}".format)

# %% [markdown]
# 两边都不到 1 %，分不出来。TD 误差只说网络和*自己*一不一致，而处处说 −50 的网络非常一致。
#
# ### 它到底见过什么
#
# 最后打开黑箱，看 15 位的智能体拿什么学。让它带着探索再玩大约一万步，收下奖励，再照贝尔曼更新给每一步算出目标值 $y=r_g+\gamma\max_{a'}Q(s',a',g)$：

# %%
stuck = runs[15][0][0].agent
envs = make_envs("her/BitFlip-v0", 667, n_bits=15)
failed = rollout(lambda x: stuck.act(x, explore=True), envs, steps=15, seed=1)
following = np.concatenate([failed.next_states, failed.goals], axis=-1).reshape(-1, 30)
targets = failed.rewards.reshape(-1) + gamma * stuck.q_values(following).max(axis=1)

# %% [markdown]
# 左图横轴是奖励，右图横轴是目标值，从 −50 到 0 都画出来了。数一数，各有几根柱子？

# %%
from her_course.figures.sparse_rewards import draw_reward_counts, draw_targets

fig, axes = plt.subplots(1, 2, figsize=(8, 2.9), width_ratios=(2, 3))
draw_reward_counts(axes[0], failed.rewards)
draw_targets(axes[1], targets, -50)
show(fig, "sparse_rewards.targets")

# %% [markdown]
# 左边一根，右边窄窄一撮：不管在哪儿、做什么、想去哪儿，答案都差不多。
#
# 话要说准：DQN 解不了 15 位，说的是*这个预算*（三个种子各 6,400 个回合、96,000 步），也是*这种喂法*：状态和目标各 15 位 ±1，并排放着。换成只喂“哪几位不同”（不同记 1，相同记 0），同样没有 HER 的 DQN 不到四千步就学会了 15 位；反过来，相同记 1，练了三万步还是一次也翻不对（`results/encoding`，各五个种子）。所以它不是永远不行。
#
# ### 毛病在三处
#
# “成功太少”只是三处里的一处。说全了是：
#
# 1. **太稀罕。** 15 位时，6,400 个回合指望不到三次命中。
# 2. **太微弱。** 命中也不结束自举：那一步的目标值是 $0+\gamma\cdot(-50)=-49$，旁边全是 −50。一次千载难逢的成功，只值 1 分，还要和过高估计的噪声比大小。
# 3. **输入不显眼。** 状态和目标并排放着，网络得自己发现“要紧的是两者哪里不同”。
#
# 一次改一样，看哪样管用。10 位，没有 HER，三个种子（seed），各 48 轮、3,072 个回合。“ends, squared” 是命中处不再往后自举，那一步的目标值就是 0，同时把 Huber 损失换成平方，大误差就不会被压成线性（单改其中一样不够，见 [`results/ends`](../../results/README.md)）；“difference” 只喂“哪几位不同”。

# %%
CHANGES = {
    "as above": {},
    "ends, squared": {"success_ends": True, "agent_settings": {"loss": "squared"}},
    "difference": {"agent_settings": {"inputs": "difference"}},
}
few = 48 if PROFILE == "full" else 1
jobs = [partial(practise, 10, seed, few, **how) for how in CHANGES.values() for seed in SEEDS]
practised = iter(on_all_cores(jobs))
trials = {name: [next(practised) for _ in SEEDS] for name in CHANGES}

# %% tags=["nbval-ignore-output"]
rows = {}
for name, group in trials.items():
    for seed, (trainer, log) in zip(SEEDS, group, strict=True):
        rows[name, seed] = log[:12, 3].sum(), trainer.final_evaluation().success_rate("any")
parts = pd.DataFrame(rows, ["hits in the first quarter", "final success"]).T
if PROFILE == "full":
    finals = parts["final success"]
    assert finals["as above"].max() < 0.1
    assert finals["ends, squared"].min() > finals["as above"].max() + 0.3
    assert finals["difference"].min() > 0.9
parts.rename_axis(["change", "seed"])


# %% [markdown]
# 看第一列：“as above” 和 “ends, squared” 起步时碰上的命中差不多一样稀罕，后者却学会了。所以“命中太少”不是全部：让一次命中值 50 分而不是 1 分，开头那几次就够它起步。换一种喂法，也不要 HER。可是这两条路都有代价：前一条要改“成功以后怎样算”（论文附录 A 对所有转移都用 $\gamma=0.98$，回合结束处也不例外），到 15 位又不够用了（`results/ends`）；后一条要事先知道“比较两串比特”正是任务的要害。HER 从稀罕这一头下手，两样都不用改。
#
# ## 1.5　那就给点提示？
#
# 你大概早就想说了：奖励太吝啬，改成按距离扣分不就行了，近一点少扣一点，处处有坡度。这叫**奖励塑形**（reward shaping）。
#
# 翻比特就能这样解决，[论文](https://arxiv.org/abs/1707.01495) 3.1 节自己就这么说；难的是别的任务。4.4 节在三个机械臂任务上试了几种*简单的*形式，配 DDPG 或者 DDPG + HER，*一个都没学会*。我们自己来。推冰球，动作连续，所以换用 DDPG（deep deterministic policy gradient）：一个演员（actor）网络出动作，一个评论家（critic）网络估 Q 值。两种一样“显然”的写法：按距离 $d$ 扣分，或者按 $d^2$ 扣分。它们都是批次的函数：

# %%
def distance(places, goals):
    return np.linalg.norm(places - goals, axis=-1)


def minus_distance(batch):
    return -distance(batch.achieved_goals, batch.goals)


def minus_square(batch):
    return -(distance(batch.achieved_goals, batch.goals) ** 2)


# %% [markdown]
# 第三种讲究些。Ng 等（1999）证明：在奖励上加一项 $\gamma\Phi(s')-\Phi(s)$，不管 $\Phi$ 是什么，最优策略都不变。这叫**势能塑形**（potential-based shaping）。取 $\Phi=-10\,d$，靠近 10 厘米就约得 1 分，退回去原样吐出来：

# %%
def potential(batch):
    before = distance(batch.states[:, 2:4], batch.goals)
    after = distance(batch.achieved_goals, batch.goals)
    return batch.rewards + 10 * (before - gamma * after)


# %% [markdown]
# 环境和缓冲区都不动，只在每次更新之前按批次重算奖励（换过目标的行自然按新目标算）。训练循环整个写在下面：玩，存，抽，更新。成功仍按老规矩：*最后一步*冰球在不在绿圈里。

# %%
FASTER = {"learning_rate": 0.004, "tau": 0.06}


def update(agent, batch, shape):
    if shape:
        batch.rewards = shape(batch)
    tensors = batch.torch()
    agent.observe(tensors.observations)
    agent.update(tensors)


# %%
def practise_push(seed, rounds, strategy="none", shape=None):
    clipped = FASTER | {"target_range": (-50.0, 15.0 if shape is potential else 0.0)}
    settings = {"seed": seed, "strategy": strategy, "agent_settings": clipped}
    trainer = Trainer(settings_for("her/Push-v0", **settings))
    agent, buffer, envs = trainer.agent, trainer.buffer, trainer.envs
    for i in range(rounds):
        play = rollout(lambda x: agent.act(x, explore=True), envs, 50, seed=1_000 * seed + i)
        for episode in play.episodes():
            buffer.store_episode(episode)
        for _ in range(30):
            update(agent, buffer.sample(512), shape)
    return rollout(agent.act, make_envs("her/Push-v0", 200), 50, seed=1_000)


# %% [markdown]
# 六位选手：稀疏奖励；三种塑形；按 $d$ 塑形再加 HER；稀疏奖励加上本课的主角 HER。每位三个种子，每个种子 80 轮、25.6 万步，每个核练一位。（Push 的设置是每轮更新 60 次；这里只更新 30 次，学习率和 $\tau$ 各加一倍，好让十八次训练两分钟左右跑完。）

# %%
HINTS = {"−d": minus_distance, "−d²": minus_square, "potential": potential}
contestants = {("sparse", "none"): None} | {(name, "none"): hint for name, hint in HINTS.items()}
contestants |= {("−d", "future"): minus_distance, ("sparse", "future"): None}
push_rounds = 80 if PROFILE == "full" else 1
jobs = [(seed, push_rounds, how[1], shape) for how, shape in contestants.items() for seed in SEEDS]
plays = iter(on_all_cores([partial(practise_push, *job) for job in jobs]))
pushes = {how: [next(plays) for _ in SEEDS] for how in contestants}

# %% [markdown]
# 左图：每个点是一个种子的成功率，竖线是三个的平均。右图横轴是回合结束时冰球离目标多远，曲线是“不超过这么远”的回合占多少，一条线一个种子。越靠左上越好，绿线是容差。先看绿线上的高低，再看绿线*右边*一点点。

# %%
from her_course.figures.sparse_rewards import draw_final_distances, draw_success_of_variants

success = {how: [play.success[-1].mean() for play in plays] for how, plays in pushes.items()}
final = {
    how: [distance(play.achieved_goals[-1], play.goals[-1]) for play in plays]
    for how, plays in pushes.items()
}
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.8))
draw_success_of_variants(axes[0], success)
draw_final_distances(axes[1], final, 0.08)
show(fig, "sparse_rewards.shaping")

# %% tags=["nbval-ignore-output"]
from her.sweeps.statistics import student

rows = {}
for how in pushes:
    middle = np.median(final[how], axis=1)
    rows[how] = *success[how], *student(success[how], within=(0, 1)), middle.mean()
heads = [f"seed {seed}" for seed in SEEDS] + ["mean", "low", "high", "median distance (m)"]
if PROFILE == "full":
    means = {how: np.mean(rates) for how, rates in success.items()}
    assert means["sparse", "none"] < 0.05
    assert means["sparse", "future"] > max(means["−d", "none"], means["−d²", "none"]) + 0.3
pd.DataFrame(rows, heads).T.rename_axis(["reward", "replay"]).round(2)

# %% [markdown]
# 先列三个种子，再给平均和它的 95 % 区间（Student t，三个种子，所以很宽），末列是结束时距离的中位数。看种子：同一种塑形，三个种子可以差很多。
#
# 老实说，结果没有论文那么绝对。我们的冰球比机械臂简单，按 $d$ 塑形的智能体*是*学到了东西：冰球靠近了目标，一个种子很明显，另两个近了不到十厘米，推进去 5 % 到 26 %；按 $d^2$ 的最多 5 %，势能塑形的一个也没推进去。同样的步数，什么提示也不给、只加 HER 的是 52 % 到 100 %。按 $d$ 塑形再加 HER，是 14 % 到 63 %：平均低一截（0.38 对 0.82），可两边的种子有交叠，提示是不是帮了倒忙，三个种子说不准。
#
# 为什么靠近了却不算数？论文给了两个原因（4.4 节）：
#
# - **优化的和评估的不是一回事。** 塑形奖励要的是距离*平均起来*小，评估要的是*进圈*。右图里，绿线右边堆着的正是靠近了而没进圈的回合。
# - **提示会罚错。** 推歪了要扣分，可学推冰球总是从推歪开始。扣多了，干脆不碰。
#
# 我们的数据还添了一条：**差不多的提示，差很多的结果。** $d$ 换成 $d^2$，听上去没分别，成绩却不一样。（想一想坡度：$d$ 处处是 1，$d^2$ 是 $2d$，离目标越近越平。）势能塑形不改变最优策略，可是它不保证学得快，$\Phi$ 和它的大小还是要猜；每换一个任务就要重新猜。就说绕墙：墙左边离目标直线最近的地方，多半是墙面，不是缺口。
#
# 所以能说的是：塑形在*有好提示*的地方管用，翻比特就是；在这个任务上、这几种形式里，它单干远远落后于 HER，跟 HER 搭伙也看不出添了什么。
#
# ## 1.6　同一批失败，换一副眼镜
#
# 回到翻比特，回到那根孤零零的柱子。一万步，几乎没有一个 0。
#
# 可是换个问法：它没到*想去的*地方，那它到了*哪儿*？每一步都到了某个图案。要是当初的目标就是那个图案呢？那一步就是 0 分。环境的规律不管你想去哪里，翻一位就是翻一位。所以这批数据，一个字节都不用改，就能换个目标再评一次分，这叫**重标注**（relabel）。
#
# HER 做的就是这件事。下一章细讲；现在只看效果。库里的缓冲区存进*刚才那批*失败的回合，抽出同样多的转移（transition）：

# %%
from her import HERConfig, HindsightExperienceReplay


def all_bits(achieved, desired):
    return sparse_reward(achieved, desired, threshold=1.0)


config = HERConfig("future", 4, all_bits)
buffer = HindsightExperienceReplay(failed.rewards.size, 15, 1, 15, config, seed=0)
for episode in failed.episodes():
    buffer.store_episode(episode)
batch = buffer.sample(len(buffer))

# %% [markdown]
# 先验明正身：抽出来的状态、动作、下一状态，和存进去的有几行不同？

# %%
rows = {}
for name in ("states", "actions", "next_states"):
    stored = np.moveaxis(getattr(failed, name), 0, 1).reshape(len(buffer), -1)
    drawn = getattr(batch, name)
    rows[name] = len(drawn), (drawn != stored[batch.indices]).any(axis=1).sum()
pd.DataFrame(rows, ["rows", "rows that differ"]).T

# %% [markdown]
# 经历一模一样，只有目标和奖励换了。左边是刚才那根柱子，右边呢？

# %%
from her_course.figures.sparse_rewards import draw_glasses

fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
draw_glasses(axes, failed.rewards, batch.rewards)
show(fig, "sparse_rewards.glasses")

# %% [markdown]
# 长出了第二根柱子。没有多走一步，没有改一行环境。数一数：

# %% tags=["nbval-ignore-output"]
counts = {"as played": (failed.rewards == 0, 0 * failed.rewards)}
counts["relabelled"] = batch.rewards == 0, batch.relabelled
rows = {name: (zeros.sum(), zeros.mean(), new.mean()) for name, (zeros, new) in counts.items()}
assert rows["as played"][0] <= 10
assert 1_500 < rows["relabelled"][0] < 5_000
heads = ["successes", "share of rows", "rows with a new goal"]
pd.DataFrame(rows, heads).T.round(3)

# %% [markdown]
# 等等。八成的行换了目标，可是成功的远不到一半。换了目标，怎么还会失败？第 2 章会推出这个份额。先看成功的那些行里，抽到的目标是哪一步到的：*这一步自己*，还是*后来*又一次到了同一个图案？

# %% tags=["nbval-ignore-output"]
own = batch.goal_indices == batch.indices
later = (batch.rewards == 0) & batch.relabelled & ~own
patterns = [len(np.unique(episode.achieved_goals, axis=0)) for episode in failed.episodes()]
shares = {"own step": own.mean(), "same pattern, later": later.mean()}
shares["4/5 · H₁₅/15"] = 0.8 * (1 / np.arange(1, 16)).mean()
print(f"{np.mean(patterns):.1f} different patterns in an episode of 15 steps")
pd.Series(shares, name="share of the batch").to_frame().round(3)

# %% [markdown]
# “这一步自己”的份额，和第 2 章要推的公式（末一行）对得上；公式说的是*处处不同*的回合。多出来的是回头路：卡住的智能体老在那几位上翻来翻去，15 步里到过的图案远没有 15 个，抽到的目标往往是同一个图案的另一次出现。
#
# ## 1.7　回头看
#
# 1. **目标进了输入。** 目标条件强化学习让策略、奖励、价值都看得见 $g$。一个网络，8 个目标，8 个不同的动作（1.1、1.4）。
# 2. **奖励两行。** 到了 0，没到 −1，踩线不算；差 8 厘米和差 5 米同分（1.2）。
# 3. **每多一位，运气减半。** 最后一步命中是 $2^{-n}$，任意一步的精确值来自一条马尔可夫链；$n=15$ 时 6,400 个回合只能指望不到三次，$n=50$ 时每秒一百万步也要等三十多年（1.3）。
# 4. **几乎没有 0，就没有坡。** Q 值一路滑向 $-1/(1-\gamma)=-50$，差一位和全错一个价，选择等于 $d/n$ 的瞎猜，训练误差却和学会了的一样小（1.4）。
# 5. **毛病在三处**：命中太稀罕，一次命中太微弱，输入看不出哪里不同（1.4）。**塑形要有好提示**：它让冰球靠近；换个指数，成绩就变。同样的步数，带 HER 的遥遥领先（1.5）。
# 6. **失败里有成功。** 同一批转移，换了目标重新打分，0 从几乎没有变成三千个上下（1.6）。
#
# ### 三个常见的误会
#
# - **“损失降下去了，说明在学。”** 自圆其说不等于学会。看 Q 值分不分得出远近，看成功率。
# - **“多练一会儿就好了。”** 每加一位，运气差不多减半。8 位等得起，50 位等不起。
# - **“15 位学不会，是 DQN 太弱，或者代码有错。”** 同一份代码学会了 8 位。毛病有三处：命中太稀罕，每次命中太微弱（−49 挨着 −50），输入又不凸显两串比特的差别。改掉后两处中的一处，10 位不用 HER 也学得会。
#
# ### 动手
#
# 打开 [`exercises/zh/ch1.ipynb`](../../exercises/zh/ch1.ipynb)：`sparse_reward`、`random_success_probability`、`success_rate`、`pose_reward`、`fresh_flips_probability`，还有找错题 `mended_score`；末尾的开放任务是“多少位以后，练习就没用了？”。热身过后，从 `random_success_probability` 开始最有意思：它和 1.3 节的 `hit_probability` 只差一个问题，*还没翻就已经对了*，算不算命中？
#
# 想多走一步：给 `practise_push` 换一个你自己想的提示。先写下你的预测，再跑。
#
# ### 下一章的问题
#
# 换个目标，失败就成了成功。听着像作弊。**凭什么学到的东西是真的？** 见[第 2 章](02_relabelling.ipynb)。
