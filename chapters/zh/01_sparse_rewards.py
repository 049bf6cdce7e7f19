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
# > **这一章你会看到**：一个智能体练了六千四百个回合，成功的次数两只手数得过来。练完以后，它选动作和闭着眼乱按没有两样。它不笨：题目小一号，同样的代码就能学会。光看训练误差也看不出毛病：它的误差和学会了的那个一样小。读完你能用一行公式算出它会学到什么，还会在它的失败里数出上千次成功。
# >
# > **时间**：阅读 35 分钟，运行约 3 分钟（2 核 CPU）。
# >
# > **需要**：会读 PyTorch 的 `nn.Sequential`，知道什么是 Q 值。
#
# 读完你能：
#
# 1. 说清目标条件强化学习（goal-conditioned RL）比标准强化学习多了什么；
# 2. 写出带容差 $\varepsilon$ 的稀疏奖励（sparse reward），两行；
# 3. 算出乱走碰上目标的概率，再用数据对账；
# 4. 不看训练误差，只看奖励和 Q 值，认出一个什么也没学到的智能体；
# 5. 说出“给点提示”（奖励塑形，reward shaping）为什么不是便宜的出路；
# 6. 从一万步失败里数出成功。

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
# 最后那个 $Q(s,a,g)$ 叫**通用价值函数逼近器**（universal value function approximator, UVFA；Schaul 等，2015）：状态 $s$ 下做动作 $a$，*如果想去的是 $g$*，往后总共能拿多少分。它的贝尔曼更新和普通 Q 学习一样，只是等号两边是同一个 $g$：
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
# | 机械臂操作 | 把方块推到桌上一点（FetchPush） | 一个三维坐标 | 方块现在的坐标 | 相距不到 5 厘米（Plappert 等，2018） |
# | 导航 | 扫地机去指定的房间 | 地图上的一点 | 自己现在的位置 | 走进一个小圈 |
# | 游戏里的任务 | 推箱子、拧魔方、“拿到那把钥匙” | 一个局面，或局面的一部分 | 眼前的局面 | 一模一样 |
#
# 本课的三个环境正好各占一行。翻比特（BitFlip）是“游戏”：给一串比特，每步翻一个，翻成指定的图案。绕墙（Reach）是“导航”：穿过墙上的缺口，走到一点。推冰球（Push）是“操作”：用圆盘把冰球推到位，推得动，抓不住。各列是状态、目标、动作，最后是一个回合的步数：

# %%
from her.training.evaluation import make_envs

for env_id in ("her/BitFlip-v0", "her/Reach-v0", "her/Push-v0"):
    envs = make_envs(env_id, 1)
    sizes = [envs.single_observation_space[key].shape[0] for key in ("observation", "desired_goal")]
    print(f"{env_id:15} {sizes}  {envs.single_action_space}  {envs.horizon}")


# %% [markdown]
# ## 1.2　奖励只有两种
#
# 怎么打分最省心？到了，0 分；没到，扣 1 分。“到了”的意思是离目标不到 $\varepsilon$，它叫**容差**（tolerance）：
#
# $$r_g(s,a,s')=\begin{cases}0,&\lVert m(s')-g\rVert<\varepsilon\\-1,&\text{没到}\end{cases}$$
#
# 注意是 $s'$：这一步的分，看*动作之后*到了哪里。每步扣分，所以越早到亏得越少。写出来两行：

# %%
def sparse_reward(achieved_goal, desired_goal, threshold):
    distance = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
    return np.where(distance < threshold, 0.0, -1.0)


sparse_reward(np.array([[0.05, 0.0], [0.08, 0.0], [3.0, 4.0]]), np.zeros(2), threshold=0.08)

# %% [markdown]
# 三个点，离目标 5 厘米、8 厘米、5 米，容差 8 厘米。第二个正好踩线，不算。再看后两个：差一根头发丝和差一整条街，得分一样。这就是“稀疏”：它告诉你*到没到*，从不告诉你*还差多少*。
#
# 库里有同样的函数 `her.sparse_reward`，三个环境用的也是这条规矩（翻比特的每一位写成 −1 或 +1，只要有一位不同，距离就至少是 2，所以 $\varepsilon=1$ 等于“一位不差”）。抽一万个目标，两两相邻地比，三种算法的答案应当逐行相同；最后一列是其中有几对碰巧“到了”：

# %%
import her

for env_id, threshold in (("her/BitFlip-v0", 1.0), ("her/Reach-v0", 0.06), ("her/Push-v0", 0.08)):
    envs = make_envs(env_id, 10_000)
    goals = envs.reset(seed=0)[0]["desired_goal"]
    ours = sparse_reward(goals[1:], goals[:-1], threshold)
    theirs = her.sparse_reward(goals[1:], goals[:-1], threshold), envs.compute_reward(goals[1:], goals[:-1], {})
    print(f"{env_id:15} {all(np.array_equal(ours, reward) for reward in theirs)}  {(ours == 0).sum()}")

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

walk, push = (max(wander(env_id, 100).episodes(), key=travelled) for env_id in ("her/Reach-v0", "her/Push-v0"))
fig, axes = plt.subplots(1, 2, figsize=(8.4, 4.3))
draw_reach_episode(axes[0], walk, 0.06, LANG)
draw_push_episode(axes[1], push, 0.08, LANG)
show(fig, alt=text(LANG, "左：带墙的方形场地，一条随机折线从左边穿过缺口，从绿色目标圈下方走过，停在右墙边，离目标一米多。右：智能体撞着冰球走，冰球穿过绿圈，又被顶出圈外，离圆心 10 厘米。", "Left: a square arena with a wall; a random path goes through the gap, passes below the green goal ring and ends at the far side, over a metre away. Right: the agent bumps a puck along; it crosses the green ring and is pushed out again, ending 10 cm from the centre."))

# %% [markdown]
# 左边的点穿过了缺口，这是全程最难的一步，它自己不知道，又走远了。右边的冰球从绿圈里*穿了过去*，又被顶出来。奖励怎么评价这两场？

# %%
print(walk.rewards.sum(), push.rewards.sum(), np.flatnonzero(push.rewards == 0))

# %% [markdown]
# 绕墙那位 50 步得 −50 分，和原地发呆同分。推冰球那位 −49：冰球穿圈的那一步得了 0，仅此一步。
#
# 这个回合算成功吗？看你怎么问。**任意一步**到过就算，那它成功了；**最后一步**还在才算，那它失败了。论文评翻比特用前者，评机械臂用后者（Andrychowicz 等，2017），本课照办，每次都会说明是哪一种。
#
# 再看四个乱走的智能体打冰球，蓝的是智能体，橙的是冰球。数一数：有几个碰到了冰球？往哪边碰的？

# %%
from her_course.figures import animate
from her_course.figures.implementation import side_by_side

envs = make_envs("her/Push-v0", 4, render_mode="rgb_array")
envs.reset(seed=4)
envs.action_space.seed(1)
film = [envs.render()]
for _ in range(envs.horizon - 1):
    envs.step(envs.action_space.sample())
    film.append(envs.render())
animate(side_by_side(film), fps=12, alt=text(LANG, "动画：四个蓝色圆盘各在自己的桌上乱走。左边两个碰到了橙色的冰球，都碰去了别处；右边两个从没碰到。没有一个冰球进绿圈。", "Animation: four blue discs wander, each on its own table. The two on the left bump their orange pucks, the wrong way; the two on the right never touch theirs. No puck gets into its green ring."))

# %% [markdown]
# ## 1.3　乱走，能碰上吗
#
# 强化学习的套路是先瞎试，碰上好事就多做。那就先问：碰得上吗？拿翻比特开刀，它简单到可以算个明白。
#
# **最后一步恰好命中**：起点是均匀随机的，翻来翻去之后还是均匀随机的，和目标毫无关系。$n$ 位全对的概率就是
#
# $$P(\text{最后一步命中})=2^{-n}$$
#
# **任意一步命中**：$n$ 步就有 $n$ 次机会，加起来最多 $n\cdot 2^{-n}$。这是上界，因为两次命中可能撞在同一个回合里。要精确值，得跟踪一个数：还差几位，即汉明距离（Hamming distance）$d$。随便翻一位，翻中错位的概率是 $d/n$：
#
# $$d\to d-1\;:\;\frac{d}{n},\qquad\qquad d\to d+1\;:\;\frac{n-d}{n}$$
#
# 这是一条马尔可夫链（Markov chain）。让概率顺着它流，流到 0 的就舀出来记账，不让它流回去：

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
# 对账：每个 $n$ 乱翻五万个回合。各列是 $2^{-n}$、链给的精确值、上界 $n\cdot 2^{-n}$，然后是实测的成功率和 95 % Wilson 区间（比例的置信区间，接近 0 或 1 时也靠得住）；最后一列问：精确值落在区间里吗？

# %%
from her.training.evaluation import wilson_interval

measured = {}
for n in range(2, 13, 2):
    hits = int(wander("her/BitFlip-v0", 50_000, n_bits=n).success.any(axis=0).sum())
    low, high = wilson_interval(hits, 50_000)
    measured[n] = hits / 50_000, low, high
    p = hit_probability(n, n)
    print(f"{n:2}  {2**-n:.5f}  {p:.5f}  {n * 2**-n:.5f}   {hits / 50_000:.5f} [{low:.5f}, {high:.5f}] {low < p < high}")

# %% [markdown]
# 对上了。写这一节的时候，第一遍可没对上：$n=2$ 的实测是下面这个数，而不是 0.5。

# %%
print(f"{wander('her/BitFlip-v0', 50_000, action_seed=0, n_bits=2).success.any(axis=0).mean():.2f}")

# %% [markdown]
# 错的不是理论，是实验：环境和动作用了*同一个种子*，两串“随机”数其实是同一串，起点和动作串通好了。所以 `wander` 给动作另设种子。会算账的好处就在这里：没有左边那列精确值，谁会起疑？
#
# 小的 $n$ 核对过了，就可以放心算到 50。纵轴是对数刻度，每往下一大格是百分之一。看蓝线（任意一步）和两条灰色虚线相交的地方：

# %%
from her_course.figures.sparse_rewards import draw_random_success

bits = np.arange(1, 51)
fig, ax = plt.subplots(figsize=(7, 3.8))
draw_random_success(ax, bits, [hit_probability(n, n) for n in bits], measured, LANG)
show(fig, alt=text(LANG, "对数坐标：乱翻成功的概率随比特数直线下降，从 n=2 的 0.5 到 n=50 的百万亿分之几。实测点落在精确曲线上。虚线标出论文里 DQN 能解到 13 位，加上 HER 能解到 50 位。", "On a log scale the probability that random flips succeed falls in a straight line, from 0.5 at n = 2 to some 10 to the −14 at n = 50. Measured dots lie on the exact curve. Dashed lines mark the paper's DQN, up to 13 bits, and its DQN with HER, up to 50."))

# %% [markdown]
# 论文里的 DQN 走到 13 位就走不动了，加上 HER 却能轻松翻对 50 位（Andrychowicz 等，2017，3.1 节）。50 位意味着什么？这一章里每个智能体练 6,400 个回合。全靠乱翻，指望碰上几次？要是每秒能走一百万步，等*一次*命中又要多久？

# %%
for n in (8, 15, 20, 30, 50):
    p = hit_probability(n, n)
    print(f"n = {n:2}   {6_400 * p:8.3g}   {n / p / 1e6:8.2g} s")

# %% [markdown]
# 8 位能碰上一百七十多次，15 位不到三次，50 位要等十一亿秒，三十多年，换来一个 0 分。每多一位，运气差不多减半，这种事不能靠耐心解决。
#
# 另外两个环境没有公式，只能量。两万个回合，分“任意一步”和“最后一步”：

# %%
for env_id in ("her/Reach-v0", "her/Push-v0"):
    play = wander(env_id, 20_000)
    for at, success in (("any", play.success.any(axis=0)), ("end", play.success[-1])):
        low, high = wilson_interval(int(success.sum()), 20_000)
        print(f"{env_id:13} {at}  {success.mean():.2%} [{low:.2%}, {high:.2%}]")
print(f"{np.ptp(play.achieved_goals, axis=0).any(axis=-1).mean():.0%}")

# %% [markdown]
# 千分之几，甚至万分之几。末一行是推冰球时*冰球动过*的回合占多少：不到四成。多数时候智能体连球都没碰着，动画里你也看见了。绕墙还有个参照：就算有人把你随手扔到墙右边，一下扔进绿圈的机会，也只是两块面积之比（墙右边，智能体的中心到得了的那块约宽 0.9 米、高 2 米）：

# %%
print(f"{np.pi * 0.06**2 / (2 * 0.9):.2%}")

# %% [markdown]
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
# −50。没有环境，没有网络，两行循环就“学”完了。而且学到这里它就*满意*了：损失是 $(y-Q)^2$，其中 $y$ 是目标值（TD target）；$Q$ 处处等于 −50 时，$y$ 也处处等于 −50，梯度是 0。没有哪个动作比别的好一丁点，$\arg\max$ 只好听初始化时那点噪声的。
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
# `Trainer` 的一轮（round）就是：玩一批回合，存进重放缓冲区（replay buffer），更新，然后不带探索地考一次。`strategy="none"` 是普通的重放，没有任何花招。目标网络（target network）跟得比默认快一点（`tau`），好让 8 位也赶得及学完。每轮记下五个数：更新次数、考试成功率、差一半位数时的 $\max_a Q$、练习中的成功率、TD 误差（TD error，即 $y-Q$；记的是绝对值的平均）。

# %%
from her_course.figures.progress import progress_bar
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()


def practise(n_bits, seed, rounds):
    settings = {"strategy": "none", "seed": seed, "evaluate_every": 1, "agent_settings": {"tau": 0.05}}
    trainer, log = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings)), []
    for _ in progress_bar(range(rounds), description=f"n = {n_bits}, seed {seed}"):
        r = trainer.round()
        value = trainer.agent.q_values(pairs_at(n_bits // 2, n_bits)).max(axis=1).mean()
        log.append((r.updates, r.success_rate, value, r.exploring_success, r.td_error))
    return trainer, np.array(log)


# %% [markdown]
# 三个种子（seed），两种题，大约一分钟。

# %% tags=["nbval-ignore-output"]
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
rounds = {8: 100, 15: 100 if PROFILE == "full" else 40}
runs = {n: [practise(n, seed, rounds[n]) for seed in SEEDS] for n in (8, 15)}

# %% [markdown]
# 期末考：每个种子 200 道新题，任意一步翻对就算过，附 95 % 区间。前面两个数是*练习*时成功过的回合，和练习的回合总数。

# %% tags=["nbval-ignore-output"]
exams = {n: [trainer.final_evaluation() for trainer, _ in group] for n, group in runs.items()}
for n, group in runs.items():
    for seed, (trainer, log), exam in zip(SEEDS, group, exams[n], strict=True):
        passed = int(exam.success_at_any.sum())
        low, high = wilson_interval(passed, len(exam))
        print(f"n = {n:2}  seed {seed}   {64 * log[:, 3].sum():5.0f} of {trainer.episodes:,}   {passed / len(exam):.3f} [{low:.3f}, {high:.3f}]")

# %% [markdown]
# 把结论钉死：8 位的每个种子都过九成，15 位的每个都不到 5 %，而且整个练习期间，15 位的成功从没超过十次。

# %%
scores = {n: [exam.success_rate("any") for exam in exams[n]] for n in exams}
luck = [64 * log[:, 3].sum() for _, log in runs[15]]
print(min(scores[8]) > 0.9, max(scores[15]) < 0.05, max(luck) <= 10)

# %% [markdown]
# 同一份代码，8 位学会了，15 位没有。所以代码没坏。8 位的网络还顺手证明了 UVFA 那一节的话：给它同一个图案配上 8 个不同的目标，每个目标只改一位，问它翻哪位。一个网络，答得出 8 个答案吗？

# %%
same = np.ones((8, 8), np.float32)
goals = np.where(np.eye(8), -same, same).astype(np.float32)
agent = runs[8][0][0].agent
print(agent.act(np.hstack([same, goals])))

# %% [markdown]
# 状态一样，目标不同，动作跟着目标走。
#
# 现在看它们的一生。细线是各个种子，粗线是平均。先看右图：两种题的 Q 值一起往下掉，一直掉到 −40 以下，直到某一刻分道扬镳。灰带是完美策略该有的价值。

# %%
from her_course.figures.sparse_rewards import LEARNED, STUCK, draw_success_over_updates, draw_values_over_updates

looks = {"n = 8": LEARNED, "n = 15": STUCK}
logs = {f"n = {n}": np.array([log for _, log in group]) for n, group in runs.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_success_over_updates(axes[0], {n: (log[0, :, 0], log[:, :, 1]) for n, log in logs.items()}, looks, LANG)
draw_values_over_updates(axes[1], {n: (log[0, :, 0], log[:, :, 2]) for n, log in logs.items()}, looks, -50, (-31, -24.7), LANG)
axes[0].legend()
show(fig, alt=text(LANG, "左：8 位的成功率练到四成上下才起飞，最后到 1；15 位始终贴着 0。右：两者的平均 Q 值先一起跌到 −40 以下；8 位的又升回完美策略的范围，15 位的继续滑向 −50。", "Left: with 8 bits success takes off some four tenths of the way along and ends at 1; with 15 it stays at 0. Right: both mean Q-values first fall below −40 together; with 8 bits they rise back to those of a perfect policy, with 15 they slide on towards −50."))


# %% [markdown]
# 8 位的 Q 值也差点淹死，是那些偶然的 0 把它捞上来的：一次成功靠自举（bootstrapping，拿自己对下一状态的估计来更新这一状态）往回传，附近的状态先亮起来，再带亮更远的。15 位等来的稻草寥寥几根，甚至一根也没有，抓不住，只能沿着刚才那两行循环的路滑下去。（它没有一直滑到 −50。我们猜是过高估计（overestimation）：$\max$ 总从噪声里挑最高的那个。这里用的是专治这个病的双 DQN（van Hasselt 等，2016），可是目标网络跟得快，两份网络的噪声差不多，治不干净。这个猜测没有单独验证。）
#
# 灰带从哪来？差 $d$ 位时，完美策略翻 $d$ 次就到，前 $d-1$ 步各扣 1 分。到了以后停不住，只能翻出去再翻回来，每两步扣 1 分：
#
# $$V^*(d)=-\sum_{i=0}^{d-2}\gamma^{i}-\frac{\gamma^{d}}{1-\gamma^{2}}$$
#
# 公式对不对，让贝尔曼方程来查：离得远就靠近一步，已经到了就只能离开。

# %%
def perfect_value(d):
    return -sum(gamma**i for i in range(d - 1)) - gamma**d / (1 - gamma**2)


following = [-1 + gamma * perfect_value(1)] + [-(d > 1) + gamma * perfect_value(d - 1) for d in range(1, 16)]
truth = np.array([perfect_value(d) for d in range(16)])
print(np.allclose(truth, following), truth.min().round(1), truth.max().round(1))


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
values = {f"n = {n}": np.array([value for value, _ in group]) for n, group in answers.items()}
choices = {f"n = {n}": np.array([right[1:] for _, right in group]) for n, group in answers.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_values_by_distance(axes[0], values, looks, truth, -50, LANG)
draw_choices_by_distance(axes[1], choices, looks, {"n = 8": 8, "n = 15": 15}, LANG)
show(fig, alt=text(LANG, "左：8 位的 Q 值随距离下降，坡度和完美策略一致，连差 0 位处的缺口都有；15 位是一条水平线，在 −40 以下。右：8 位几乎每次都翻对；15 位的比例落在“闭着眼翻”的斜线上。", "Left: with 8 bits Q falls with distance as steeply as for a perfect policy, down to the notch at 0 wrong bits; with 15 it is a flat line below −40. Right: with 8 bits nearly every flip is right; with 15 the share lies on the slanted line of a blind flip."))

# %% [markdown]
# 蓝线把缺口都学出来了。（要是哪条蓝线整体偏低，那是它学得晚，还在往上爬；坡度已经对了，而挑动作只看坡度。）红线是平的：差一位和全错，在它看来一个价。于是它的选择和闭着眼翻分不出来。
#
# 核对一下。差 1 位与全错的价值，15 位的网络认为相差不到 0.5，完美策略认为相差 6 以上；而每一档翻对的比例，平均偏离 $d/15$ 不到 0.06：

# %%
print(all(abs(value[1] - value[-1]) < 0.5 for value in values["n = 15"]), truth[1] - truth[15] > 6)
print(all(abs(right - np.arange(1, 16) / 15).mean() < 0.06 for right in choices["n = 15"]))

# %% [markdown]
# ### 误差看不出来
#
# 训练出了问题，你会先看什么？多半是损失。下面是最后十轮的 TD 误差，除以 Q 值的大小。光看这个，你分得出谁学会了吗？

# %% tags=["nbval-ignore-output"]
for n, log in logs.items():
    error, value = log[:, -10:, 4].mean(), -log[:, -10:, 2].mean()
    print(f"{n:6}  {error / value:.2%}")
    assert error < 0.01 * value

# %% [markdown]
# 都不到 1 %。TD 误差只说网络和*自己*说的话合不合拍，一个处处 −50 的网络，自圆其说的本事一流。
#
# ### 它到底见过什么
#
# 最后打开黑箱，看 15 位的智能体拿什么学。让它带着探索再玩大约一万步，收下奖励，再照贝尔曼更新给每一步算出目标值 $y=r_g+\gamma\max_{a'}Q(s',a',g)$：

# %%
stuck = runs[15][0][0].agent
failed = rollout(lambda x: stuck.act(x, explore=True), make_envs("her/BitFlip-v0", 667, n_bits=15), steps=15, seed=1)
following = np.concatenate([failed.next_states, failed.goals], axis=-1).reshape(-1, 30)
targets = failed.rewards.reshape(-1) + gamma * stuck.q_values(following).max(axis=1)

# %% [markdown]
# 左图横轴是奖励，右图横轴是目标值，从 −50 到 0 都画出来了。数一数，各有几根柱子？

# %%
from her_course.figures.sparse_rewards import draw_reward_counts, draw_targets

fig, axes = plt.subplots(1, 2, figsize=(8, 2.9), width_ratios=(2, 3))
draw_reward_counts(axes[0], failed.rewards, "", LANG)
draw_targets(axes[1], targets, -50, LANG)
show(fig, alt=text(LANG, "左：一万步的奖励几乎全是 −1，只有一根柱子。右：目标值挤成窄窄的一撮，靠近 −50 那一头，其余地方空空荡荡。", "Left: of ten thousand rewards nearly all are −1, a single bar. Right: the TD targets huddle in one narrow clump near the −50 end; everywhere else is empty."))


# %% [markdown]
# 左边一根，右边窄窄一撮。这就是网络从一万步里得到的全部信息：不管在哪儿、做什么、想去哪儿，答案都一样。
#
# 话要说准：DQN 解不了 15 位，说的是*这个预算*（三个种子各 6,400 个回合、96,000 步），也是*这种喂法*：状态和目标各 15 位 ±1，并排放着。换成只喂“哪几位不同”（不同记 1，相同记 0），同样没有 HER 的 DQN 不到四千步就学会了 15 位；反过来，相同记 1，练了三万步还是一次也翻不对（`results/encoding`，各五个种子）。所以它不是永远不行：在我们这种喂法下，它等的是一份指数级稀罕的运气。

# %% [markdown]
# ## 1.5　那就给点提示？
#
# 你大概早就想说了：奖励太吝啬，改成按距离扣分不就行了，近一点少扣一点，处处有坡度。这叫**奖励塑形**（reward shaping）。
#
# 论文 4.4 节试过：在三个机械臂任务上，塑形奖励配 DDPG，或者配 DDPG + HER，*一个都没学会*（Andrychowicz 等，2017）。听着不可思议，我们自己来。推冰球，动作连续，所以换用 DDPG（deep deterministic policy gradient）：一个演员（actor）网络出动作，一个评论家（critic）网络估 Q 值。两种一样“显然”的写法：按距离 $d$ 扣分，或者按 $d^2$ 扣分。

# %%
def minus_distance(achieved, desired):
    return -np.linalg.norm(achieved - desired, axis=-1)


def minus_square(achieved, desired):
    return -(minus_distance(achieved, desired) ** 2)


# %% [markdown]
# 环境不动，只在回合存进缓冲区之前把奖励换掉。成功仍按老规矩考：*最后一步*冰球在不在绿圈里。

# %%
def practise_push(seed, rounds, shape=None, strategy="none"):
    trainer = Trainer(settings_for("her/Push-v0", strategy=strategy, seed=seed, evaluate_every=rounds))
    store = trainer.buffer.store_episode

    def store_shaped(episode):
        episode.rewards = shape(episode.achieved_goals, episode.goals)
        store(episode)

    trainer.buffer.store_episode = store_shaped if shape else store
    for _ in range(rounds):
        trainer.round()
    return rollout(trainer.agent.act, make_envs("her/Push-v0", 200), steps=50, seed=1_000)


# %% [markdown]
# 四位选手：稀疏奖励；两种塑形；还有一位剧透，稀疏奖励加上本课的主角 HER。每位三个种子，每个种子 75 轮、24 万步。谁也不等谁，每个核练一位，两个核大约一两分钟。

# %% tags=["nbval-ignore-output"]
from functools import partial

from her_course.figures.progress import on_all_cores

contestants = {
    text(LANG, "稀疏", "sparse"): {},
    text(LANG, "塑形 −d", "shaped −d"): {"shape": minus_distance},
    text(LANG, "塑形 −d²", "shaped −d²"): {"shape": minus_square},
    text(LANG, "稀疏 + HER", "sparse + HER"): {"strategy": "future"},
}
push_rounds = 75 if PROFILE == "full" else 8
plays = iter(on_all_cores([partial(practise_push, seed, push_rounds, **how) for how in contestants.values() for seed in SEEDS]))
pushes = {name: [next(plays) for _ in SEEDS] for name in contestants}

# %% [markdown]
# 左图：每个点是一个种子的成功率，竖线是平均。右图才是重头戏：横轴是回合结束时冰球离目标多远，曲线是“不超过这么远”的回合占多少。越靠左上越好，绿线是容差。先看绿线上的高低，再看绿线*右边*一点点。

# %%
from her_course.figures.sparse_rewards import REWARDS, draw_final_distances, draw_success_of_variants

push_looks = dict(zip(contestants, REWARDS, strict=True))
success = {name: [play.success[-1].mean() for play in plays] for name, plays in pushes.items()}
final = {name: np.hstack([-minus_distance(play.achieved_goals[-1], play.goals[-1]) for play in plays]) for name, plays in pushes.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4))
draw_success_of_variants(axes[0], success, push_looks, LANG)
draw_final_distances(axes[1], final, push_looks, 0.08, LANG)
show(fig, alt=text(LANG, "左：稀疏奖励成功率接近 0，按 d 塑形一成多到四成，按 d 平方塑形不到一成，稀疏加 HER 平均九成以上。右：按 d 塑形的曲线过了容差还在往上爬，许多冰球停在绿圈外不远处；HER 的曲线在容差以内就到顶了。", "Left: success near 0 for sparse rewards, one to four tenths shaped by d, under a tenth by d squared, over nine tenths on average for sparse with HER. Right: the curve shaped by d goes on rising well beyond the tolerance, many pucks stop just outside the ring; HER's curve is at the top within it."))

# %% tags=["nbval-ignore-output"]
for name, plays in pushes.items():
    hits = np.hstack([play.success[-1] for play in plays])
    low, high = wilson_interval(int(hits.sum()), len(hits))
    print(f"{hits.mean():.2f} [{low:.2f}, {high:.2f}]   {np.median(final[name]):.2f} m   {name}")

# %% [markdown]
# 成功率后面是所有种子合在一起的 95 % 区间，再后面是结束时距离的中位数。
#
# 老实说，结果没有论文那么绝对。我们的冰球比机械臂简单得多，按 $d$ 塑形*是*学到了东西：冰球明显靠近了目标。可是同样的步数，它离“推进去”还远，而什么提示也不给、只加 HER 的那位几乎全推进去了。（我们只量了不带 HER 的塑形；论文里带 HER 的那一半没有重做。）把这几句写成断言：

# %%
sparse, linear, square, hindsight = (np.mean(rates) for rates in success.values())
if PROFILE == "full":
    assert sparse < 0.05 < linear < 0.6
    assert square < linear
    assert hindsight > linear + 0.3

# %% [markdown]
# 为什么靠近了却不算数？论文给了两个原因（4.4 节）：
#
# - **优化的和考核的不是一回事。** 塑形奖励要的是距离*平均起来*小，考试要的是*进圈*。跟稀疏奖励那位比，距离的中位数从四十多厘米降到十几厘米，奖励大涨，进圈的却只有两三成。右图里，绿线右边堆着的正是这样的回合。
# - **提示会罚错人。** 推歪了要挨罚，可学推冰球的第一课就是推歪。罚怕了，干脆不碰。
#
# 我们的数据还添了一条：**差不多的提示，差很多的结果。** $d$ 换成 $d^2$，听上去没分别，成绩却掉了一大截。（想一想坡度：$d$ 处处是 1，$d^2$ 是 $2d$，离目标越近越平。）每换一个任务，你都得重新猜一个好提示。就说绕墙：墙左边离目标直线最近的地方，多半是墙面，不是缺口。
#
# 稀疏奖励什么都不肯多说，可它从不说谎。

# %% [markdown]
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


buffer = HindsightExperienceReplay(failed.rewards.size, 15, 1, 15, HERConfig("future", 4, all_bits), seed=0)
for episode in failed.episodes():
    buffer.store_episode(episode)
batch = buffer.sample(len(buffer))

# %% [markdown]
# 先验明正身：抽出来的状态、动作、下一状态，和存进去的逐字节相同吗？

# %%
for name in ("states", "actions", "next_states"):
    stored = np.moveaxis(getattr(failed, name), 0, 1).reshape(len(buffer), -1)
    print(f"{name:11} {np.array_equal(getattr(batch, name), stored[batch.indices])}")

# %% [markdown]
# 经历一模一样，只有目标和奖励换了。左边是刚才那根柱子，右边呢？

# %%
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
draw_reward_counts(axes[0], failed.rewards, text(LANG, "原来的目标", "goals as they were"), LANG)
draw_reward_counts(axes[1], batch.rewards, text(LANG, "重标注之后", "relabelled"), LANG)
show(fig, alt=text(LANG, "两幅直方图。左：原来的目标，只有 −1 一根柱子。右：重标注之后，0 那里长出第二根柱子，有几千次成功。", "Two histograms. Left, goals as they were: a single bar at −1. Right, relabelled: a second bar has grown at 0, thousands of successes."))

# %% [markdown]
# 长出了第二根柱子。没有多走一步，没有改一行环境。写成断言：原来一万步里成功至多十次，重标注后超过两千次，但还不到一半：

# %%
zeros = (failed.rewards == 0).sum(), (batch.rewards == 0).sum()
print(zeros[0] <= 10, 2_000 < zeros[1] < 5_000, f"{batch.relabelled.mean():.0%}")

# %% [markdown]
# 等等。末尾的数说八成的行换了目标，可是成功的不到一半。换了目标，怎么还会失败？先猜一猜，第 2 章会算给你看。

# %% [markdown]
# ## 1.7　回头看
#
# 1. **目标进了输入。** 目标条件强化学习让策略、奖励、价值都看得见 $g$。一个网络，8 个目标，8 个不同的动作（1.1、1.4）。
# 2. **奖励两行。** 到了 0，没到 −1，踩线不算；差 8 厘米和差 5 米同分（1.2）。
# 3. **运气以 2 为底地变少。** 最后一步命中是 $2^{-n}$，任意一步的精确值来自一条马尔可夫链；$n=15$ 时 6,400 个回合只能指望不到三次，$n=50$ 时每秒一百万步也要等三十多年（1.3）。
# 4. **没有 0，就没有坡。** Q 值一路滑向 $-1/(1-\gamma)=-50$，差一位和全错一个价，选择等于 $d/n$ 的瞎猜，训练误差却和学会了的一样小（1.4）。
# 5. **塑形不是出路。** 它让冰球靠近，进圈的却不多；换个指数，成绩就变。同样的步数，稀疏奖励加 HER 远远领先（1.5）。
# 6. **失败里有成功。** 同一批转移，换了目标重新打分，0 从几乎没有变成三千个上下（1.6）。
#
# ### 三个常见的误会
#
# - **“损失降下去了，说明在学。”** 自圆其说不等于学会。看 Q 值分不分得出远近，看成功率。
# - **“多练一会儿就好了。”** 每加一位，运气差不多减半。8 位等得起，50 位等不起。
# - **“15 位学不会，是 DQN 太弱，或者代码有错。”** 同一份代码学会了 8 位。缺的不是算法的力气，是*足够多*的成功：8 位一路上碰到几千次，15 位只有寥寥几次，甚至一次也没有。
#
# ### 动手
#
# 本章的练习有三个：`sparse_reward`、`random_success_probability`、`success_rate`。从第二个开始最有意思：它和 1.3 节的 `hit_probability` 只差一个问题，*还没翻就已经对了*，算不算命中？
#
# 想多走一步：给 `practise_push` 换一个你自己想的提示，比如“比上一步近了多少”。先写下你的预测，再跑。
#
# ### 下一章的问题
#
# 换个目标，失败就成了成功。听着像作弊。**凭什么学到的东西是真的？**
