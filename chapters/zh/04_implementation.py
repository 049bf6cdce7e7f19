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
# > **这一章你会看到**：同一个网络、同样三万步的练习，一个智能体学会了把 15 个比特全部翻对，另一个始终停在零附近。两者之间只差三行数组运算。这三行会从一段谁都看得懂的循环里长出来，每走一步我们都*证明*它没有走样。
# >
# > **时间**：阅读 50 分钟，运行约 4 分钟（2 核 CPU）。
# >
# > **需要**：会用 NumPy 的数组下标，知道 Q 值和重放缓冲区（replay buffer）是做什么的。
#
# 读完你能：
#
# 1. 用七行循环写出 HER，换成三行数组，并用数据证明两者抽的是同一个分布；
# 2. 算清楚为什么要等到*抽样时*才换目标；
# 3. 避开三个坑：达到的目标（achieved goal）取在动作*之后*，`done` 要跟着目标走，归一化器（normalizer）要看网络真正吃到的东西；
# 4. 数出一个批次里有多少成功。很多教程说八成，可在绕墙任务里数出来，连两成都不到；
# 5. 用十来行训练循环让 DQN 翻对 15 个比特，再让 DDPG 学会绕墙；
# 6. 看懂评论家（critic）心里的那张地图；
# 7. 认出六种“写错了也能学一点”的毛病，并把同一个缓冲区装进 Stable-Baselines3。

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")
SEED = int(os.environ.get("HER_SEED", 0))

# %%
import matplotlib.pyplot as plt
import numpy as np

from her_course.figures import show, use_style

use_style(LANG)

# %% [markdown]
# ## 4.1　一段谁都看得懂的循环
#
# HER 只有一个念头：就算没到想去的地方，总归到了*某个*地方。把到过的地方当成目标，失败的回合就成了成功的教材（Andrychowicz 等，2017）。
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
# 让三个点在带墙的竞技场 `her/Reach-v0` 里各走 6 步。正式的任务是 50 步，这里走短一点，图上才看得清。

# %%
episodes = list(play_randomly("her/Reach-v0", 3, steps=6, horizon=6).episodes())
print(*(episode.rewards.sum() for episode in episodes))

# %% [markdown]
# 每个回合 −6 分：六步，步步落空。图里一种颜色是一个回合。看实心点离同色的圆圈有多远：点是走到过的地方，圆圈是本来想去的地方，中间还隔着一堵墙。

# %%
from her_course.figures.implementation import alt, draw_episodes

fig, ax = plt.subplots(figsize=(4.2, 4.2))
draw_episodes(ax, episodes, LANG)
show(fig, alt=alt("episodes", LANG))


# %% [markdown]
# 现在换目标。`future` 策略（future strategy）的规矩是：给第 $t$ 步换的目标，从**这一步以及以后**到达的地方里均匀地挑一个。挑 $k$ 次，就多出 $k$ 份拷贝。照着这句话写，不算 `def` 正好七行：

# %%
def store_copies(episode, k, rng):
    copies = []
    for t in range(len(episode)):
        for _ in range(k):
            j = rng.integers(t, len(episode))
            goal = episode.achieved_goals[j]
            copies.append((t, j, goal, reward(episode.achieved_goals[t], goal)))
    return copies


# %% [markdown]
# 有两处值得停一下。一是 `rng.integers(t, len(episode))`：左边取得到，右边取不到，所以 $j$ 可以就是 $t$。二是 `reward(...)`：目标换了，任务就换了，奖励必须*重新算*，不能照抄旧的。
#
# 看看第一个回合的头四份和末四份拷贝：

# %%
copies = store_copies(episodes[0], k=4, rng=np.random.default_rng(0))
for t, j, goal, r in copies[:4] + copies[-4:]:
    print(f"t = {t}   j = {j}   g = ({goal[0]:+.2f}, {goal[1]:+.2f})   r = {r:+.0f}")

# %% [markdown]
# 末四份一模一样，奖励全是 0：最后一步之后再也没有“以后”，只能拿刚刚到的地方当目标，当然一步就到。头四份就得看运气：目标挑得够近，才算一步就到。记住这个对比，4.8 节要靠它推翻一个流传很广的数字。

# %% [markdown]
# ## 4.2　为什么等到抽样时才换目标
#
# 上面是在*存*的时候换。如今常见的实现（OpenAI Baselines、Stable-Baselines3 等）都等到*抽样*时才换：缓冲区里只放真实发生过的事，每次取批次（batch）时临时挑目标。有两笔账可算。
#
# 第一笔是内存。机械臂 `FetchPush` 的状态有 25 个数，动作 4 个，目标 3 个。一百万条转移（transition），每个数 4 字节：

# %%
state, action, goal = 25, 4, 3
numbers = 2 * state + action + 2 * goal + 1
for rows in (1, 1 + 4):
    print(f"{rows} x {1e6 * 4 * numbers / 1e9:.2f} GB = {rows * 1e6 * 4 * numbers / 1e9:.2f} GB")

# %% [markdown]
# 第二笔是新鲜。取一个 50 步回合的第 0 步，让它被重放 100 次。存的时候换，目标只有当初抽好的 4 个；抽样时换，每次都重新挑。数一数它一共见过多少个不同的目标：

# %%
rng = np.random.default_rng(0)
stored_once = rng.integers(0, 50, size=4)
print(len(set(rng.choice(stored_once, size=100))), len(set(rng.integers(0, 50, size=100))))

# %% [markdown]
# 同样一条经验，抽样时换目标能教的东西多出一个数量级，内存却只要五分之一。唯一的代价是：每个批次都要重新挑目标、重新算奖励，所以这一步必须快。

# %% [markdown]
# ## 4.3　三行数组
#
# 快的办法是不写循环。先把所有回合首尾相接，给每一行记下两个数：它是本回合的第几步（`position`），本回合一共多长（`length`）。

# %%
achieved = np.concatenate([episode.achieved_goals for episode in episodes])
position = np.concatenate([np.arange(len(episode)) for episode in episodes])
length = np.concatenate([np.full(len(episode), len(episode)) for episode in episodes])
print(position, length, sep="\n")


# %% [markdown]
# 然后就是那三行：抽哪一条转移，换成哪个目标，奖励是多少。

# %%
def sample_goals(n, rng):
    row = rng.integers(len(achieved), size=n)
    goal_row = row + (rng.random(n) * (length - position)[row]).astype(int)
    rewards = reward(achieved[row], achieved[goal_row])
    return row, goal_row, rewards


# %% [markdown]
# 中间一行最值得琢磨。从第 $t$ 步往后（含自己）还有 $T-t$ 行，即 `length - position`。$[0,1)$ 上的均匀随机数乘以它，再舍去小数，就在 $0,1,\dots,T-t-1$ 里等概率地取了一个。加到 `row` 上，最远走到本回合的最后一行，绝不会跨进下一个回合。没有一个 `if`。

# %% [markdown]
# ## 4.4　证明：四幅图里有一幅是错的
#
# 库里的缓冲区做的也是这三行，外加让它能天天用的琐事。把三个回合存进去：

# %%
from her import HERConfig, HindsightExperienceReplay

config = HERConfig(strategy="future", n_sampled_goal=4, reward_function=reward)
buffer = HindsightExperienceReplay(capacity=1_000, state_dim=2, action_dim=2, goal_dim=2, config=config, seed=0)
for episode in episodes:
    buffer.store_episode(episode)
buffer

# %% [markdown]
# 现在有三种写法：循环、三行、库。各抽约一万个（转移，目标）对，记下“第几行换成了第几行到达的目标”。先是循环。让它把同样的三个回合存上一千遍，打乱了取一万对：

# %%
rng = np.random.default_rng(1)
loop = []
for _ in range(1_000):
    for first, episode in zip((0, 6, 12), episodes, strict=True):
        loop += [(first + t, first + j) for t, j, *_ in store_copies(episode, 4, rng)]
loop = rng.permutation(loop)[:10_000]

# %% [markdown]
# 再是三行和库。库的批次带着出处：`indices` 是转移的编号，`goal_indices` 是目标出自几号转移。编号按存入的先后来；对容量取余，就是它所在的行，头一圈里两者相等。

# %%
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
from her_course.figures.implementation import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, name in zip(axes, draws, strict=True):
    draw_pairs(ax, count(draws[name]), name, LANG, most=0.06)
show(fig, alt=alt("pairs", LANG))

# %% [markdown]
# 眼睛会骗人，再请卡方检验（chi-square test）来判：假如某一幅与循环（A）出自同一个分布，光凭运气出现这么大差别的概率 $p$ 有多大？63 个格子全部参加。

# %%
from scipy.stats import chi2_contingency

for name in "BCD":
    both = np.stack([count(draws["A"]), count(draws[name])])
    both = both[:, both.any(axis=0)]
    print(f"A / {name}:   {both.shape[1]} cells   p = {chi2_contingency(both).pvalue:.2g}")

# %% [markdown]
# 三行（B）和库（D）与循环分不开；四舍五入（C）的 $p$ 几乎是 0，当场露馅：两头的目标只拿到一半的份额。C 的作用正在于此。*一个抓不住错误的检验，什么也证明不了。*

# %% [markdown]
# ## 4.5　上手：配置、存、抽
#
# 一份 `HERConfig` 说清三件事：目标怎么挑（`strategy`），每条真实转移配几个替代目标（`n_sampled_goal`，即 $k$），奖励怎么算（`reward_function`）。名字打错了，它会告诉你有哪些：

# %%
try:
    HERConfig(strategy="furture", reward_function=reward)
except ValueError as error:
    print(error)


# %% [markdown]
# ### 奖励函数：一批，还是一对？
#
# 很多人手里的奖励函数是为*一对*目标写的。拿一整批喂给它，它不报错，只是安静地算错：18 行进去，出来一个数。

# %%
def one_pair(achieved, desired):
    return 0.0 if np.linalg.norm(achieved - desired) < 0.06 else -1.0


print(one_pair(achieved, achieved[::-1]), reward(achieved, achieved[::-1]).shape)

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
# 慢，但是对。换一个按批写的函数，同样的种子抽出来的奖励一个不差：

# %%
batched = HindsightExperienceReplay(1_000, 2, 2, 2, config, seed=7)
for episode in episodes:
    batched.store_episode(episode)
np.array_equal(row_wise.sample(1_000).rewards, batched.sample(1_000).rewards)


# %% [markdown]
# ### 达到的目标，取在动作之后
#
# 第 $t$ 步的奖励回答的是“这个动作把我带到了哪里”，所以是 $r(\text{ag}_{t+1}, g)$，不是 $r(\text{ag}_t, g)$。拿翻比特（达到的目标就是状态本身）验证：用动作之后的，和环境给的奖励对上多少？用动作之前的呢？

# %%
def all_bits(achieved, desired):
    return np.all(achieved == desired, axis=-1) - 1.0


bits = play_randomly("her/BitFlip-v0", 200, steps=3, n_bits=3)
for achieved_goals in (bits.achieved_goals, bits.states):
    print(f"{(all_bits(achieved_goals, bits.goals) == bits.rewards).mean():.0%}")

# %% [markdown]
# 用错一格，看上去大半都对，所以这个错误能潜伏很久。`Transition.achieved_goal` 的约定就一句话：*动作之后*到达的。
#
# ### 存：一条一条，或者整块数组
#
# 手写一个模拟回合：一个人在数轴上从 0 往右走，想去 99。对象写法人人看得懂：

# %%
from her import Episode, Transition

steps = [Transition([x], 1.0, -1.0, [x + 1], False, goal=[99.0], achieved_goal=[x + 1]) for x in range(5)]
Episode(steps)


# %% [markdown]
# 数组写法快得多，存的是同一样东西：

# %%
def walk(n):
    x = np.arange(n + 1.0)
    return Episode.from_arrays(x[:-1], np.ones(n), -np.ones(n), x[1:], np.zeros(n), x[1:], goal=[99.0])


all(np.array_equal(getattr(walk(5), name), getattr(Episode(steps), name)) for name in Episode.__slots__)

# %% [markdown]
# 形状不对的回合进不去，里面的东西也不会被碰坏：

# %%
try:
    buffer.store_episode(walk(5))
except ValueError as error:
    print(error)
print(buffer)

# %% [markdown]
# ### 抽：一个批次里有什么
#
# 每个字段都是一个数组，每条转移占一行。除了常见的五样，还有出处：哪些行换过目标（`relabelled`），转移是几号，目标出自几号。

# %%
batch = buffer.sample(256)
for name in ("states", "actions", "rewards", "next_states", "dones", "goals", "relabelled", "indices", "goal_indices"):
    print(f"{name:13} {getattr(batch, name).dtype!s:8} {getattr(batch, name).shape}")

# %% [markdown]
# 有出处就能查账。换过的目标，确实是 `goal_indices` 那一行到达的地方吗？每一行的奖励，不论换没换过，都等于奖励函数在这一行上的值吗？

# %%
looked_up = np.where(batch.relabelled[:, None], achieved[batch.goal_indices], batch.goals)
np.array_equal(batch.goals, looked_up), np.array_equal(batch.rewards, reward(batch.achieved_goals, batch.goals))

# %% [markdown]
# `.torch()` 把状态和目标拼成 `[state, goal]`，就是通用价值函数 $Q(s, a, g)$（universal value function）的输入。注意：换目标时，`observations` 和 `next_observations` 里的目标一起换，漏掉后者，自举（bootstrapping）时用的就是旧任务的价值。

# %%
tensors = batch.torch()
for name, tensor in tensors._asdict().items():
    print(f"{name:18} {tuple(tensor.shape)}")
np.array_equal(tensors.next_observations, np.hstack([batch.next_states, batch.goals]))

# %% [markdown]
# ## 4.6　环：满了以后谁先走
#
# 缓冲区是一个环（ring），共 `capacity` 行，一行放一条真实转移。地方不够，就让最老的回合走，而且*整个回合*一起走：只剩半截的回合会让 `future` 挑错目标。下面的环只有 20 行，先放进长度为 7、6、5 的三个回合。（`StepwiseReplay` 是同一种缓冲区，只是还能一步一步地存，待会儿要用。）

# %%
from her.stepwise import StepwiseReplay

line_config = HERConfig("future", 4, lambda achieved, desired: sparse_reward(achieved, desired, threshold=0.5))
ring = StepwiseReplay(20, 1, 1, 1, line_config, seed=0)
for n in (7, 6, 5):
    ring.store_episode(walk(n))
len(ring)

# %% [markdown]
# 接着来第四个回合，4 步，可环的末尾只剩 2 行。回合从不跨过环的末尾：它在内存里总是连着的一段，三行数组里的 `row + …` 才用不着绕圈。放不下的回合从第 0 行写起，末尾剩下的行就空着，所以存下的转移可能比 `capacity` 少几条。
#
# 之后再来一个还没走完的回合，用 `add` 一步一步地存。从左到右看（第 0 行在十二点钟方向，顺时针数）：谁不见了？哪两格一直空着？箭头指着写到了哪里。

# %%
from her_course.figures.implementation import draw_ring

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2))
draw_ring(axes[0], ring, LANG)
ring.store_episode(walk(4))
draw_ring(axes[1], ring, LANG, oldest=2)
for x in range(3):
    ring.add([[x]], [[1.0]], [-1.0], [[x + 1]], [False], [[99.0]], [[x + 1]], episode_ends=[False])
draw_ring(axes[2], ring, LANG, oldest=2, is_open=True)
show(fig, alt=alt("ring", LANG))

# %% [markdown]
# 没走完的回合也能抽，只是它的“以后”到目前为止。第五个回合眼下有 3 步，替代目标只能是它到过的 1、2、3。（环已经写到第二圈，行号要由编号取余。）

# %%
batch = ring.sample(1_000)
rows = batch.indices % ring.capacity
lengths = (ring.episode_end - ring.episode_start)[rows]
np.unique(batch.goals[batch.relabelled & (lengths == 3)]).tolist()

# %% [markdown]
# ## 4.7　`done` 跟着目标走
#
# 全库只有一条约定：`dones` 说的是，**在这个批次的目标之下**，自举到这里为止。任务真的结束，叫终止（termination）；时间用完，叫截断（truncation），它不算：时间到了，路还在。（跟 4.11 节的“目标截断”是两回事。）本课的三个环境里，到了目标也不算，回合照走，所以 `done` 一个也没有。
#

# %%
for env_id, horizon in (("her/BitFlip-v0", 8), ("her/Reach-v0", 50), ("her/Push-v0", 50)):
    play = play_randomly(env_id, 20, horizon)
    print(f"{env_id:15} ended {play.ended[-1].mean():.0%}   done {play.terminated.mean():.0%}")


# %% [markdown]
# 麻烦出在“成功就结束”的环境。造一份这样的数据：4 个比特，一翻对就收工。

# %%
def cut_at_success(episode):
    success = episode.rewards == 0
    rows = slice(success.argmax() + 1 if success.any() else None)
    arrays = (episode.states, episode.actions, episode.rewards, episode.next_states, success, episode.achieved_goals)
    return Episode.from_arrays(*(array[rows] for array in arrays), goal=episode.goal)


play = play_randomly("her/BitFlip-v0", 200, steps=12, n_bits=4, horizon=12)
short = [cut_at_success(episode) for episode in play.episodes()]
print(f"{np.mean([episode.dones[-1] for episode in short]):.0%}")

# %% [markdown]
# 大约一半的回合以成功收场，`done` 存成 1。换了目标以后，这个 `done` 就是旧闻：说的是上一个任务的事。下面数一数，重标注的行里，有多少的旧 `done` 与新目标不符。两种错：该停没停，不该停却停了。

# %%
stored_dones = np.concatenate([episode.dones for episode in short])
for strategy in ("future", "episode", "random"):
    mixed = HindsightExperienceReplay(5_000, 4, 1, 4, HERConfig(strategy, 4, all_bits), seed=0)
    for episode in short:
        mixed.store_episode(episode)
    batch = mixed.sample(20_000)
    stale, right = stored_dones[batch.indices][batch.relabelled], batch.dones[batch.relabelled]
    print(f"{strategy:8} {(right & ~stale).mean():4.0%} {(stale & ~right).mean():4.0%}")

# %% [markdown]
# 左列是该停没停，右列是不该停却停了。用 `future`，旧 `done` 在三成的重标注行上是错的。库读一遍真实回合就知道“成功会结束回合”，于是按新目标重判，`batch.dones` 都对；想明说，就给 `HERConfig` 一个 `done_function`。
#
# 错一个要付多少？两种错各算一笔。先算不该停却停了的：做完这一步，离新目标还有 11 步，目标值应当是 $-1 + \gamma V(s')$，旧 `done` 说到此为止，只剩 −1。再算该停没停的：这一步正好到了，应当是 0；没停，就得接着付账，而翻比特停不住，只能翻出去再翻回来，一步 −1 一步 0：

# %%
gamma = 0.98
ten_steps = -(1 - gamma**10) / (1 - gamma)
back_and_forth = -1 / (1 - gamma**2)
print(f"{-1 + gamma * ten_steps:.2f} -> {-1:.2f}      {0:.2f} -> {gamma * back_and_forth:.2f}")

# %% [markdown]
# 远处被说成近在眼前，终点被说成苦海无边。程序不会报错，只是评论家学到的世界悄悄走了样。
#
# ## 4.8　八成？数一数
#
# 很多教程说，重标注之后“成功样本占 $k/(k+1)$”，$k=4$ 时就是八成。来数。一百个 50 步的乱走回合：

# %%
T, k = 50, 4
play = play_randomly("her/Reach-v0", 100, steps=T)
reach = HindsightExperienceReplay(10_000, 2, 2, 2, HERConfig("future", k, reward), seed=0)
for episode in play.episodes():
    reach.store_episode(episode)
batch = reach.sample(100_000)
print(f"{batch.relabelled.mean():.1%}   {(batch.rewards == 0).mean():.1%}")

# %% [markdown]
# 八成被*重标注*了，可是成功的只占一成多一点。差别在哪？想想 4.1 节那八份拷贝：末一步的目标只能是自己刚到的地方，必然成功；第一步的目标却散在整个回合里。第 $t$ 步恰好抽中自己的概率是 $1/(T-t)$，对 $t$ 取平均：
#
# $$\frac{1}{T}\sum_{t=0}^{T-1}\frac{1}{T-t} = \frac{1}{T}\left(1+\frac12+\dots+\frac1T\right) = \frac{H_T}{T}$$
#
# 再乘上被重标注的份额：

# %%
harmonic = sum(1 / n for n in range(1, T + 1))
own = batch.goal_indices == batch.indices
print(f"H_T/T = {harmonic / T:.3f}   k/(k+1) * H_T/T = {k / (k + 1) * harmonic / T:.1%}   {own.mean():.1%}")

# %% [markdown]
# 算出来的和数出来的（最后那个数：目标恰是自己刚到之处的行）对上了。左图比较三种份额和那个传说。右图按位置 $t$ 拆开：圆点应当压在黑线上，叉则略高出一截。高在哪里？

# %%
from her_course.figures.implementation import draw_reward_mix, draw_success_by_position

success = batch.rewards == 0
t = batch.indices - reach.episode_start[batch.indices]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(2, 3))
draw_reward_mix(axes[0], batch.relabelled, own, success, k, LANG)
draw_success_by_position(axes[1], t[batch.relabelled], own[batch.relabelled], success[batch.relabelled], LANG)
show(fig, alt=alt("reward_mix", LANG))


# %% [markdown]
# 高出的那截是邻居：下一步落在 $\varepsilon$ 以内的地方也算到了。所以 $H_T/T$ 是*没有两个到过的地方挨着*时的值，换个环境就不同。翻比特和推冰球（`her/Push-v0`）呢？顺便看看整个回合里冰球动过的有多少：

# %%
def store_all(play, reward_function):
    sizes = (play.states.shape[-1], play.actions.shape[-1], play.goals.shape[-1])
    filled = HindsightExperienceReplay(100_000, *sizes, HERConfig("future", k, reward_function), seed=0)
    for episode in play.episodes():
        filled.store_episode(episode)
    return filled


# %%
bit_buffer = store_all(play_randomly("her/BitFlip-v0", 400, steps=15, n_bits=15), all_bits)
pushes = play_randomly("her/Push-v0", 100, steps=50)
push_buffer = store_all(pushes, lambda achieved, desired: sparse_reward(achieved, desired, threshold=0.08))
moved = np.ptp(pushes.achieved_goals, axis=0).any(axis=-1)
for name, filled in (("BitFlip", bit_buffer), ("Push", push_buffer)):
    print(f"{name:8} {(filled.sample(100_000).rewards == 0).mean():.0%}")
print(f"moved    {moved.mean():.0%}")


# %% [markdown]
# 推冰球倒接近“八成”了，理由却全错：大多数回合里冰球根本没被碰过（这里只有一百个回合；第 1 章用两万个量的，动过的也不到四成），它到过的地方处处相同，怎么换目标都算成功，什么也没教会。**成功多，不等于学得到东西。** 哪些转移才值得学？这是下一章的事。

# %% [markdown]
# ## 4.9　到底快多少
#
# 把循环改成抽样时重标注的样子，再和缓冲区比一比。只看倍数，毫秒数换台机器就变：

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

episodes = list(play.episodes())
slow = min(repeat(lambda: loop_batch(episodes, 256, rng), number=10))
fast = min(repeat(lambda: reach.sample(256), number=10))
assert slow > 10 * fast
print("> 50 x" if slow > 50 * fast else "> 10 x")

# %% [markdown]
# 训练一次要抽几千个批次，这个倍数就是“去喝杯咖啡”和“眨眼之间”的差别。
#
# 缓冲区也能存到硬盘：不用 pickle，写到一半断电也不会留下坏文件，连随机数发生器都一起存。所以读回来以后，*接下来*抽的批次一模一样：

# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    reach.save(Path(folder) / "buffer.npz")
    again = HindsightExperienceReplay(10_000, 2, 2, 2, HERConfig("future", k, reward))
    again.load(Path(folder) / "buffer.npz")
np.array_equal(reach.sample(256).goals, again.sample(256).goals)

# %% [markdown]
# ## 4.10　训练循环只有十来行
#
# 该上场了。任务：15 个比特，每步翻一个，15 步之内翻成指定的图案。$2^{15}$ 种图案，乱翻几乎碰不上。环境、缓冲区、智能体各一行；小网络用一个线程最快。

# %%
import torch

from her.agents import DQN, DQNConfig

torch.set_num_threads(1)
envs, test_envs = (make_envs("her/BitFlip-v0", n, n_bits=15) for n in (64, 100))
buffer = HindsightExperienceReplay(40_000, 15, 1, 15, HERConfig("future", 4, all_bits), seed=0)
agent = DQN(15 + 15, 15, DQNConfig(learning_rate=2e-3, tau=0.02), seed=0)

# %% [markdown]
# 一轮（round）做三件事：64 个环境各玩一个回合；回合存进缓冲区；抽 80 个批次，学 80 次。智能体对 HER 一无所知，它只见到批次。每轮之后不带探索地考一次，按论文的规矩，任何一步翻对就算成功。

# %% tags=["nbval-ignore-output"]
from her.training.evaluation import evaluate
from her_course.figures.progress import progress_bar

successes = []
for i in progress_bar(range(16)):
    for episode in rollout(lambda x: agent.act(x, explore=True), envs, steps=15, seed=i).episodes():
        buffer.store_episode(episode)
    for _ in range(80):
        agent.update(buffer.sample(256).torch())
    successes.append(evaluate(agent.act, test_envs, seed=1_000 + i).success_rate("any"))
print(*(f"{success:.2f}" for success in successes))

# %% [markdown]
# 这串数从 0 爬到接近 1：一万五千步，比起三万多种图案，每种平均摊不到半步，目标却几乎都能翻到。
#
# 是 HER 的功劳，还是网络本来就行？换掉缓冲区，别的一概不动，再来。`her.training.Trainer` 就是上面这个循环，外加评估的节奏和种子；`strategy="none"` 是没有 HER 的普通重放。（命令行 `her train her/BitFlip-v0 --env-kwargs n_bits=15` 跑的也是它。）

# %%
from functools import partial

from her_course.figures.progress import on_all_cores
from her.training import Trainer, settings_for


def run(env_id, strategy, seed, **settings):
    trainer = Trainer(settings_for(env_id, strategy=strategy, seed=seed, **settings))
    curve = [(p.env_steps, p.success_rate) for p in trainer.run() if p.success_rate is not None]
    return trainer.agent, curve, trainer.final_evaluation()


# %% [markdown]
# 一个种子（seed）说明不了什么，换几个种子重来，`on_all_cores` 让每个核各练一个；再把曲线叠成一张表：每行一个种子。

# %%
seeds = range(SEED, SEED + (3 if PROFILE == "full" else 1))


def train(**task):
    variants = {"her": "future", "none": "none"}
    outcomes = iter(on_all_cores([partial(run, strategy=strategy, seed=seed, **task) for strategy in variants.values() for seed in seeds]))
    runs = {}
    for name in variants:
        agents, curves, exams = zip(*(next(outcomes) for _ in seeds), strict=True)
        steps, success = np.moveaxis(curves, -1, 0)
        runs[name] = agents, (steps[0], success), exams
    return runs


# %% tags=["nbval-ignore-output"]
bit_task = {"env_id": "her/BitFlip-v0", "env_kwargs": {"n_bits": 15}, "max_steps": 30_000 if PROFILE == "full" else 16_000}
bit_runs = train(**bit_task)

# %% [markdown]
# 线是几个种子的平均，带子是自助法（bootstrap）给出的 95 % 区间；只有三个种子，区间只能粗看。要看的是：两条线在哪里分手。

# %%
from her_course.figures.experiments import draw_hindsight_against_none

fig, ax = plt.subplots()
draw_hindsight_against_none(ax, {name: curve for name, (_, curve, _) in bit_runs.items()}, LANG, success_at="any")
ax.legend()
show(fig, alt=alt("bits", LANG))

# %% [markdown]
# 曲线上的点是训练途中的小考。期末考另出题：每个种子 200 个新目标，附 95 % 的 Wilson 区间。最后的断言把这一节的结论钉死：每个带 HER 的种子都过九成，不带的一个也到不了 5 %。

# %%
from her.training.evaluation import wilson_interval


def final_exam(runs, at):
    for name, (_, _, exams) in runs.items():
        rates = [exam.success_rate(at) for exam in exams]
        for seed, rate in zip(seeds, rates, strict=True):
            low, high = wilson_interval(round(200 * rate), 200)
            print(f"{name:4}  seed {seed}   {rate:.3f} [{low:.3f}, {high:.3f}]")
        yield rates


# %% tags=["nbval-ignore-output"]
with_her, without = final_exam(bit_runs, at="any")
assert min(with_her) > 0.9
assert max(without) < 0.05

# %% [markdown]
# 话不能说过头：没有 HER 的 DQN 不是*永远*学不会，是在这个预算里学不会。而且它吃的是 ±1 的比特，换一种写法，学的快慢就不一样（`results/encoding` 里量过：只喂“哪几位不同”，没有 HER 也学得会 15 位）。结论总是连着预算和表示一起说。

# %% [markdown]
# ## 4.11　喂给网络之前：归一化与目标截断
#
# 绕墙要连续动作，换 DDPG。上路之前，先看两样论文附录 A 里的小工具做了什么（目标截断 DQN 也在用）。
#
# **归一化器**把每个输入减均值、除以标准差，再截到 ±5。问题是，均值和标准差从哪儿统计？环境里的目标都在墙*右边*，可重标注的目标大多在*左边*。只看原来的目标来统计，会怎样？左右两图画的是同一批网络输入，只是归一化器见过的数据不同。红色是被截掉的。

# %%
from her.agents.normalizer import Normalizer
from her_course.figures.implementation import draw_inputs

fed = reach.sample(10_000).torch().observations
played = torch.from_numpy(np.concatenate([play.states, play.goals], axis=-1).reshape(-1, 4))
fig, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)
for ax, shown in zip(axes, ("as played", "as fed"), strict=True):
    normalizer = Normalizer(4)
    normalizer.update(played if shown == "as played" else fed)
    draw_inputs(ax, normalizer(fed)[:, 2].numpy(), shown, LANG)
show(fig, alt=alt("inputs", LANG))

# %% [markdown]
# 图里的百分数是被截掉的份额。截掉的那些目标在网络眼里是同一个数：墙左边远处的地方，它再也分不清。所以训练器在每轮更新之前，拿*抽出来的批次*给归一化器看。
#
# **目标截断**（target clipping）管的是另一头。奖励只有 −1 和 0，回报就只能落在 $[-1/(1-\gamma),\,0]$，$\gamma=0.98$ 时是 $[-50, 0]$。可刚初始化的网络不知道这件事，它开的支票有多少兑现不了？

# %%
fresh = DQN(15 + 15, 15, seed=0)
tensors = bit_buffer.sample(10_000).torch()
targets = tensors.rewards.numpy() + 0.98 * fresh.q_values(tensors.next_observations.numpy()).max(axis=1)
print(f"{(targets > 0).mean():.0%}   {(targets.clip(-50, 0) > 0).mean():.0%}")

# %% [markdown]
# 两成左右的目标值大于 0，也就是“比一直待在终点还好”。这种空头支票会被 $\max$ 优先挑中，再一步步自举开去。截一下，零成本。

# %% [markdown]
# ## 4.12　学会绕墙
#
# 正式的 `her/Reach-v0`：起点在墙左，目标在墙右，50 步之内穿过缺口，*最后一步*停在目标 6 厘米以内才算成功。这比“任何一步碰到过”更严，论文评机械臂就用这个标准。

# %% tags=["nbval-ignore-output"]
max_steps = 100_000 if PROFILE == "full" else 60_000
reach_task = {"env_id": "her/Reach-v0", "max_steps": max_steps, "evaluate_every": 2}
reach_runs = train(**reach_task)

# %% [markdown]
# 和翻比特比，看两点：起飞要多久，爬到顶之后稳不稳。

# %%
fig, ax = plt.subplots()
draw_hindsight_against_none(ax, {name: curve for name, (_, curve, _) in reach_runs.items()}, LANG, success_at="end")
ax.legend()
show(fig, alt=alt("reach", LANG))

# %% tags=["nbval-ignore-output"]
with_her, without = final_exam(reach_runs, at="end")
assert min(with_her) > max(without) + 0.5

# %% [markdown]
# 最差的带 HER 的种子，也比最好的不带 HER 的高出五十个百分点以上（断言里写着）。同一个网络，同样的步数，差别只在批次里的目标和奖励。
#
# ### 评论家心里的地图
#
# 目标是输入的一部分，所以可以拿着一个固定的目标，问评论家：站在*每一个*地方，前景如何？把目标放在墙后的右上角，问遍 81 × 81 个位置。

# %%
from her_course.figures.implementation import arena_grid

agent = reach_runs["her"][0][0]
goal = np.array([0.4, 0.75], np.float32)


def ask(positions):
    observations = np.hstack([positions, np.tile(goal, (len(positions), 1))])
    actions = agent.act(observations)
    return agent.q_values(observations, actions), actions


# %% [markdown]
# 颜色越亮越好，等高线上的数是 $Q$，箭头是演员（actor）想走的方向，星是目标；墙边的浅灰，点的中心到不了。先看 M：它离星星的直线距离很近，颜色却很暗。再从星星出发顺着亮处走，亮的那条路从哪里穿过墙？

# %%
from her_course.figures.implementation import draw_values

spots = {"M": (-0.2, 0.75), "N": (0.6, -0.65)}
positions = arena_grid(81)
fig, ax = plt.subplots(figsize=(5.6, 4.6))
draw_values(ax, positions, *ask(positions), goal, LANG, spots)
show(fig, alt=alt("values", LANG))

# %% [markdown]
# 墙两边隔着几厘米，价值断成两截。没人给过它地图，也没人告诉它哪里有墙；它只有一样东西：从前走到过的地方，各花了多少步。用数字再确认一次：N 到星星的直线距离比 M 远一倍多，评论家觉得谁更有希望？

# %% tags=["nbval-ignore-output"]
where = np.array(list(spots.values()), np.float32)
values, _ = ask(where)
for name, spot, value in zip(spots, where, values, strict=True):
    print(f"{name}   {np.linalg.norm(spot - goal):.2f} m   Q = {value:.1f}")
assert values[0] < values[1]

# %% [markdown]
# 近的 M 反而差：它得先退回缺口。$Q$ 量的不是距离，是*路程*。
#
# ### 看它走
#
# 四个起点，四个目标，让两个智能体各走一遍，画面由环境自己画。

# %%
starts = [[-0.8, 0.8], [-0.7, -0.6], [-0.3, 0.9], [-0.9, 0.0]]
goals = [[0.5, 0.75], [0.3, 0.8], [0.8, -0.8], [0.2, -0.5]]


def film(agent):
    envs = make_envs("her/Reach-v0", 4, render_mode="rgb_array")
    observation, _ = envs.reset(seed=0, options={"state": starts, "goal": goals})
    pictures = [envs.render()]
    for _ in range(26):
        observation, *_ = envs.step(agent.act(np.hstack([observation["observation"], observation["desired_goal"]])))
        pictures.append(envs.render())
    return pictures


# %% [markdown]
# 上排没有 HER，下排有；同一列的起点和目标相同，绿圈是目标。看下排的点在缺口那里怎样拐弯。

# %%
from her_course.figures import animate
from her_course.figures.implementation import side_by_side

frames = side_by_side(film(reach_runs["none"][0][0]), film(reach_runs["her"][0][0]))
animate(frames, fps=8, alt=alt("walk", LANG))


# %% [markdown]
# ## 4.13　犯了错，也能学一点
#
# HER 的程序有个坏脾气：写错了也不报错，还常常能学一点，所以错误能活很多年。把常见的错误一个一个打开，看看曲线上留下什么痕迹。先备一份最朴素的数据：每轮的练习摊平，15 行一个回合，首尾相接。

# %%
def flatten(play):
    fields = (play.states, play.actions, play.next_states, play.goals, play.achieved_goals, play.rewards, play.ended)
    return [field.swapaxes(0, 1).reshape(-1, *field.shape[2:]) for field in fields]


# %% [markdown]
# 再写一个抽样器，六个错误各占一处，请逐行读。“四舍五入”和“动作之前”在发布过的库里真的出现过，另外几个，一走神就写出来了。前一半挑目标、算奖励，四个错误在这里：

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


# %% [markdown]
# 后一半把批次拼起来，另外两个在这里：

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
# 训练循环还是 4.10 那十来行，一个字不改，只换抽样器：

# %%
rounds = 16 if PROFILE == "full" else 10


def learn(mistake, seed):
    rng, agent = np.random.default_rng(seed), DQN(30, 15, DQNConfig(learning_rate=2e-3, tau=0.02), seed=seed)
    memory, successes = None, []
    for i in range(rounds):
        played = flatten(rollout(lambda x: agent.act(x, explore=True), envs, steps=15, seed=100 * seed + i))
        memory = played if memory is None else [np.concatenate(pair) for pair in zip(memory, played, strict=True)]
        for _ in range(80):
            agent.update(mistaken_sample(memory, 256, rng, mistake))
        successes.append(evaluate(agent.act, test_envs, seed=10_000 + i).success_rate("any"))
    return successes


# %% tags=["nbval-ignore-output"]
mistakes = ("none", "old rewards", "old next goal", "all successes", "before the action", "time limit", "rounded")
outcomes = on_all_cores([partial(learn, mistake, seed) for mistake in mistakes for seed in seeds])
mistaken = {mistake: np.array(outcomes[i * len(seeds) :][: len(seeds)]) for i, mistake in enumerate(mistakes)}

# %% [markdown]
# 先猜再看：六条线里，哪几条你会当场发现不对劲？黑线是没有错误的。左图是学坏了的，右图是只晚了一些的。

# %%
from her_course.figures.implementation import draw_mistakes

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
draw_mistakes(axes, 64 * 15 * np.arange(1, rounds + 1), mistaken, LANG)
show(fig, alt=alt("mistakes", LANG))

# %% tags=["nbval-ignore-output"]
last = {mistake: curves[:, -3:].mean() for mistake, curves in mistaken.items()}
print(*(f"{mistake:18}{success:.2f}" for mistake, success in last.items()), sep="\n")
assert last["none"] > 0.85
assert last["old rewards"] < 0.05
assert last["old next goal"] < last["all successes"] + 0.2 < last["none"]

# %% [markdown]
# 表里是每条曲线最后三次小考的平均（任何一步翻对就算）。最好抓的是抄旧奖励：一动不动。填 0 和忘了 `next_state` 的最阴险：它们*在涨*，你会去调学习率，而不是去找错误。动作之前的奖励只是晚些才到；把时间用完当终点，在这个任务里代价很小；四舍五入只慢了一点点，你多半会怪到种子头上，要靠 4.4 节那样的统计检验才抓得住。
#
# 所以“能学”证明不了“没写错”。在 FetchReach 上尤其如此：Plappert 等人（2018）提醒过，那个任务太容易，写坏一部分的程序有时也学得会。

# %% [markdown]
# ## 4.14　装进 Stable-Baselines3
#
# 手上已经有一套 Stable-Baselines3（SB3）的代码？不用搬家。`her.integrations.sb3.HindsightReplayBuffer` 的构造参数和 SB3 自带的 HER 缓冲区一样，换一个类名就行。下面的 DQN、网络、探索全是 SB3 的，只有缓冲区是我们的。

# %%
from stable_baselines3 import DQN as SB3DQN
from stable_baselines3.common.env_util import make_vec_env

from her.integrations.sb3 import HindsightReplayBuffer

settings = {"learning_rate": 2e-3, "gamma": 0.98, "batch_size": 256, "policy_kwargs": {"net_arch": [256]}}
rhythm = {"learning_starts": 200, "train_freq": 10, "gradient_steps": 40, "target_update_interval": 400}


def sb3_model(k, seed):
    envs = make_vec_env("her/BitFlip-v0", 16, seed=seed, env_kwargs={"n_bits": 10})
    replay = {"replay_buffer_class": HindsightReplayBuffer, "replay_buffer_kwargs": {"n_sampled_goal": k}}
    return SB3DQN("MultiInputPolicy", envs, **settings, **rhythm, **replay, seed=seed)


# %% [markdown]
# 10 个比特，八千步。`n_sampled_goal=0` 就是一个目标也不换：同一个类，没有 HER。考试用我们的 `evaluate`，把 SB3 的 `predict` 包一层即可。

# %% tags=["nbval-ignore-output"]
def sb3_success(k, seed):
    model = sb3_model(k, seed).learn(8_000 if PROFILE == "full" else 5_000)

    def act(x):
        parts = {"observation": x[:, :10], "achieved_goal": x[:, :10], "desired_goal": x[:, 10:]}
        return model.predict(parts, deterministic=True)[0]

    return evaluate(act, make_envs("her/BitFlip-v0", 100, n_bits=10), seed=1).success_rate("any")


rates = iter(on_all_cores([partial(sb3_success, k, seed) for k in (4, 0) for seed in seeds]))
sb3 = {k: [next(rates) for _ in seeds] for k in (4, 0)}
print(sb3)
assert min(sb3[4]) > 0.8
assert max(sb3[0]) < 0.2

# %% [markdown]
# 每个种子都一样：换四个目标，学会；不换，学不会。SB3 自带的那个类，这里没有跑，也就不比成绩；差别在细处，而细处正是这一章讲过的：它（2.9.2 版）换了目标，`done` 还是存着的那个，我们的跟着新目标走（4.7）；它要等第一个回合结束才能抽，我们的回合没完就能抽（4.6）；存盘不丢进行中的回合；还有 `random` 策略、优先级和课程（第 5 章）可选。

# %% [markdown]
# ## 4.15　回头看
#
# 1. **七行变三行。** 63 个格子的卡方检验分不出循环、三行和库，却当场抓住了“四舍五入”（4.4）。
# 2. **抽样时才换目标。** 内存是五分之一，同一条转移见到的目标多出一个数量级（4.2）。
# 3. **三个坑。** 达到的目标早取一格，大半奖励仍是对的，所以难发现（4.5）；`future` 之下，旧 `done` 在三成的重标注行上是错的（4.7）；归一化器看错数据，四分之一以上的目标被截成同一个数（4.11）。
# 4. **不是八成。** 被重标注的占 $k/(k+1)$，成功的下限是 $\frac{k}{k+1}\cdot\frac{H_T}{T}$，$T=50$ 时 7.2 %（4.8）。
# 5. **十来行训练循环**翻对了 15 个比特，绕过了墙；同样的预算，没有 HER 的两样都没学会（4.10、4.12）。
# 6. **评论家的地图**量的是路程，不是直线（4.12）。
# 7. **“能学”证明不了“没写错”。** 六个错误里，只有抄旧奖励的一眼看得出；有两个只爬上去一截，还有一个曲线上几乎看不见（4.13）。
# 8. **换个类名**，SB3 的 DQN 就用上了这个缓冲区：10 个比特，换目标的学会，不换的学不会（4.14）。
#
# ### 三个常见的误会
#
# - **“重标注过的奖励都是 0。”** 不，奖励要重算，大部分仍是 −1。告诉网络“这条路*还没*到那儿”，同样是信息。
# - **“回合的最后一步，`done` 当然是 1。”** 时间用完是截断，不是终止。混为一谈，网络会以为到点世界就没了。
# - **“成功样本越多越好。”** 冰球没人碰，也能有七成多的成功，多半什么也没教。
#
# ### 动手
#
# 本章的练习有四个，由易到难：`epsilon_greedy`、`polyak_update`、`td_target`、`sample_her_batch`。从 `td_target` 开始最划算：4.7 和 4.11 的坑都在里面等你。
#
# ### 下一章的问题
#
# 直到现在，每条转移被抽中的机会一样大。可十万条里，有的教会你绕墙，有的只是冰球在原地发呆。**哪些转移更值得重放？**
