# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="b8eb0cb1"
# # 1　Sparse rewards
#
# > **In this chapter** an agent practises for 6,400 episodes, and you can count its successes on your fingers. Afterwards it chooses its actions no better than with its eyes shut. It is not stupid: on a slightly smaller task the same code learns. Nor does its training error give it away: that is as small as that of the agent that has learned. By the end you can compute in one line what it will learn, and you will have counted more than a thousand successes among its failures.
# >
# > **Time**: 35 minutes to read, about 3 minutes to run (2 CPU cores).
# >
# > **You need**: to be able to read PyTorch's `nn.Sequential`, and an idea of what a Q-value is.
#
# By the end you can:
#
# 1. say what goal-conditioned RL has that standard RL has not;
# 2. write a sparse reward with a tolerance $\varepsilon$, in two lines;
# 3. compute how likely a random policy is to hit a goal, and check it against data;
# 4. recognise an agent that has learned nothing, from rewards and Q-values rather than from its training error;
# 5. say why "give it a hint" (reward shaping) is no cheap way out;
# 6. count the successes in ten thousand steps of failure.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "en")
PROFILE = os.environ.get("HER_PROFILE", "full")
SEED = int(os.environ.get("HER_SEED", 0))

# %%
import matplotlib.pyplot as plt
import numpy as np

from her_course.figures import show, text, use_style

use_style(LANG)

# %% [markdown] zh="2e39a1b5"
# ## 1.1　One agent, many tasks
#
# You spend a week teaching a robot arm to put a cup on the top left corner of the table. On the next day somebody wants it bottom right. Another week?
#
# **Standard RL** has no other answer. The task is welded into the reward function: another task is another reward, and another reward means learning again.
#
# $$J(\pi)=\mathbb{E}_{\pi}\Big[\sum_{t=0}^{\infty}\gamma^{t}\,r(s_t,a_t)\Big]$$
#
# **Goal-conditioned RL** takes the task out and writes it down as a goal $g$. One is drawn at the start of every episode; the policy sees it, and the reward is given by it:
#
# $$J(\pi)=\mathbb{E}_{g\sim p(g)}\,\mathbb{E}_{\pi(\cdot\mid\cdot,\,g)}\Big[\sum_{t=0}^{\infty}\gamma^{t}\,r_g(s_t,a_t,s_{t+1})\Big]$$
#
# The two lines differ by one $g$, but it gets everywhere:
#
# | | standard | goal-conditioned |
# |---|---|---|
# | policy | $\pi(a\mid s)$ | $\pi(a\mid s,g)$ |
# | reward | $r(s,a)$ | $r_g(s,a,s')$ |
# | value | $Q(s,a)$ | $Q(s,a,g)$ |
# | another task | train again | another $g$ |
#
# The last value, $Q(s,a,g)$, is a **universal value function approximator** (UVFA; Schaul et al. 2015): in state $s$ take action $a$, and *if it is $g$ you want to get to*, how much will you collect from here on? Its Bellman update is that of ordinary Q-learning, with the same $g$ on both sides:
#
# $$Q(s,a,g)\;\leftarrow\;r_g(s,a,s')+\gamma\,\max_{a'}Q(s',a',g)$$
#
# In code it is disappointingly simple: append the goal to the state, the input gets longer, done. See how wide the first layer is: 15 bits of state and 15 bits of goal.

# %%
from her.agents import DQN

print(DQN(observation_dim=15 + 15, n_actions=15).q.network)

# %% [markdown] zh="e7f2dbe8"
# The hope is that one lesson serves several: weights learned for getting to $g_1$ are of use on the way to its neighbour $g_2$.
#
# ### Who needs it
#
# Anyone whose task is to bring about some kind of state. Three things are needed: a state $s$ to look at, a **desired goal** $g$, and a function $m(s)$ that reads off the state what has been achieved so far; its value is the **achieved goal**.
#
# | field | example | goal $g$ | achieved goal $m(s)$ | reached when |
# |---|---|---|---|---|
# | manipulation | push a block to a point on the table (FetchPush) | a 3-D position | where the block is now | less than 5 cm apart (Plappert et al. 2018) |
# | navigation | a robot vacuum sent to a room | a point on the map | where it is now | inside a small circle |
# | tasks in games | Sokoban, Rubik's cube, "get that key" | a position of the game, or a part of one | the position on the board | exactly equal |
#
# The three environments of this course take one row each. BitFlip is the "game": a string of bits, one flip a step, turn it into the pattern asked for. Reach is "navigation": through a gap in a wall to a point. Push is "manipulation": a disc has to push a puck into place; it can push, it cannot hold. Below are the sizes of state and goal, the actions, and the steps in an episode:

# %%
from her.training.evaluation import make_envs

for env_id in ("her/BitFlip-v0", "her/Reach-v0", "her/Push-v0"):
    envs = make_envs(env_id, 1)
    sizes = [envs.single_observation_space[key].shape[0] for key in ("observation", "desired_goal")]
    print(f"{env_id:15} {sizes}  {envs.single_action_space}  {envs.horizon}")


# %% [markdown] zh="d5f3b3dc"
# ## 1.2　Only two rewards
#
# What is the least work when it comes to scoring? Reached: 0. Not reached: −1. "Reached" means closer to the goal than $\varepsilon$, the **tolerance**:
#
# $$r_g(s,a,s')=\begin{cases}0,&\lVert m(s')-g\rVert<\varepsilon\\-1,&\text{otherwise}\end{cases}$$
#
# Mind the $s'$: a step is judged by where you are *after* the action. Every step costs, so the sooner you arrive the less you lose. It takes two lines:

# %%
def sparse_reward(achieved_goal, desired_goal, threshold):
    distance = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
    return np.where(distance < threshold, 0.0, -1.0)


sparse_reward(np.array([[0.05, 0.0], [0.08, 0.0], [3.0, 4.0]]), np.zeros(2), threshold=0.08)

# %% [markdown] zh="d488d094"
# Three points, 5 cm, 8 cm and 5 m from the goal, with a tolerance of 8 cm. The second is exactly on the line and does not count. Now compare the last two: missing by a hair and missing by a whole street score the same. That is what "sparse" means: it tells you *whether*, and never *how far*.
#
# The library has the same function, `her.sparse_reward`, and all three environments follow the rule (BitFlip writes a bit as −1 or +1: if a single one differs, the distance is at least 2, so that $\varepsilon=1$ means "every bit"). Draw ten thousand goals and compare neighbours: three ways of computing the reward should agree on every row. The last column says how many pairs happen to be "reached":

# %%
import her

for env_id, threshold in (("her/BitFlip-v0", 1.0), ("her/Reach-v0", 0.06), ("her/Push-v0", 0.08)):
    envs = make_envs(env_id, 10_000)
    goals = envs.reset(seed=0)[0]["desired_goal"]
    ours = sparse_reward(goals[1:], goals[:-1], threshold)
    theirs = her.sparse_reward(goals[1:], goals[:-1], threshold), envs.compute_reward(goals[1:], goals[:-1], {})
    print(f"{env_id:15} {all(np.array_equal(ours, reward) for reward in theirs)}  {(ours == 0).sum()}")

# %% [markdown] zh="7f4128c8"
# Now let in a few agents that can do nothing but wander. `rollout` plays one episode in each of `n_envs` environments at once:

# %%
from her.training.evaluation import rollout


def wander(env_id, n_envs, action_seed=1, **kwargs):
    envs = make_envs(env_id, n_envs, **kwargs)
    envs.action_space.seed(action_seed)
    return rollout(lambda observations: envs.action_space.sample(), envs, envs.horizon, seed=0)


def travelled(episode):
    return np.ptp(episode.achieved_goals, axis=0).sum()


# %% [markdown] zh="f0241f30"
# Four things in one picture: the start (hollow dot), the path, the goal, and the tolerance (green ring). The dotted grey line is how far off it was at the end. On the left, Reach, the dot is the agent. On the right, Push, the blue line is where the agent went and the black line is where the *puck* went; it is the puck's centre that must get into the ring. Each is the busiest of a hundred episodes. Follow the lines: at which step did they, in fact, do rather well?

# %%
from her_course.figures.sparse_rewards import draw_push_episode, draw_reach_episode

walk, push = (max(wander(env_id, 100).episodes(), key=travelled) for env_id in ("her/Reach-v0", "her/Push-v0"))
fig, axes = plt.subplots(1, 2, figsize=(8.4, 4.3))
draw_reach_episode(axes[0], walk, 0.06, LANG)
draw_push_episode(axes[1], push, 0.08, LANG)
show(fig, alt=text(LANG, "左：带墙的方形场地，一条随机折线从左边穿过缺口，从绿色目标圈下方走过，停在右墙边，离目标一米多。右：智能体撞着冰球走，冰球穿过绿圈，又被顶出圈外，离圆心 10 厘米。", "Left: a square arena with a wall; a random path goes through the gap, passes below the green goal ring and ends at the far side, over a metre away. Right: the agent bumps a puck along; it crosses the green ring and is pushed out again, ending 10 cm from the centre."))

# %% [markdown] zh="7c40d0cf"
# The point on the left got through the gap, the hardest part of the whole thing; it did not notice, and wandered off. The puck on the right went *straight through* the green ring and was knocked out again. What does the reward make of the two performances?

# %%
print(walk.rewards.sum(), push.rewards.sum(), np.flatnonzero(push.rewards == 0))

# %% [markdown] zh="126f91ff"
# Reach: −50 for 50 steps, the same as sitting still. Push: −49. The step on which the puck crossed the ring earned a 0, and that is all.
#
# Was that episode a success? Depends on how you ask. If reaching the goal **at any step** counts, yes; if it has to be there **at the last step**, no. The paper judges bit flipping in the first way and robot arms in the second (Andrychowicz et al. 2017). So does this course, and it always says which.
#
# Here are four more wanderers at Push, agents in blue, pucks in orange. Count: how many touch the puck? And which way does it go?

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

# %% [markdown] zh="f5563b79"
# ## 1.3　Can you get there by luck?
#
# RL's routine is to try things at random and to do more of what went well. So the first question is: does anything ever go well? Take bit flipping, which is simple enough to be worked out in full.
#
# **Hitting the goal exactly at the last step**: the start is uniformly random, and after any number of flips it still is, and has nothing to do with the goal. So all $n$ bits are right with probability
#
# $$P(\text{hit at the last step})=2^{-n}$$
#
# **Hitting it at any step**: $n$ steps are $n$ chances, which add up to at most $n\cdot 2^{-n}$. This is an upper bound, since two hits may fall into the same episode. The exact value needs one number to be followed: how many bits are wrong, the Hamming distance $d$. A random flip finds a wrong bit with probability $d/n$:
#
# $$d\to d-1\;:\;\frac{d}{n},\qquad\qquad d\to d+1\;:\;\frac{n-d}{n}$$
#
# That is a Markov chain. Let probability flow along it, and whatever arrives at 0 is scooped out and booked, so that it cannot flow back:

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


# %% [markdown] zh="dfd17861"
# Now check the books: fifty thousand random episodes for each $n$. The columns are $2^{-n}$, the chain's exact value, the bound $n\cdot 2^{-n}$, and then the measured success rate with its 95 % Wilson interval (a confidence interval for a share, dependable near 0 and 1 too). The last one asks: does the exact value lie in the interval?

# %%
from her.training.evaluation import wilson_interval

measured = {}
for n in range(2, 13, 2):
    hits = int(wander("her/BitFlip-v0", 50_000, n_bits=n).success.any(axis=0).sum())
    low, high = wilson_interval(hits, 50_000)
    measured[n] = hits / 50_000, low, high
    p = hit_probability(n, n)
    print(f"{n:2}  {2**-n:.5f}  {p:.5f}  {n * 2**-n:.5f}   {hits / 50_000:.5f} [{low:.5f}, {high:.5f}] {low < p < high}")

# %% [markdown] zh="71b5cb3a"
# They agree. They did not when this section was first written: the measurement at $n=2$ gave the number below, and not 0.5.

# %%
print(f"{wander('her/BitFlip-v0', 50_000, action_seed=0, n_bits=2).success.any(axis=0).mean():.2f}")

# %% [markdown] zh="4b5e98fd"
# It was not the theory that was wrong, it was the experiment: environment and actions had *the same seed*. The two "random" sequences were one and the same, and the starts were in league with the actions. That is why `wander` has a seed of its own for the actions. And it is what working things out is good for: without the exact value beside it, who would have been suspicious?
#
# With the small $n$ checked we may trust the chain up to 50. The axis is logarithmic: one grid line down is a hundredth. See where the two grey dashed lines meet the blue one (at any step):

# %%
from her_course.figures.sparse_rewards import draw_random_success

bits = np.arange(1, 51)
fig, ax = plt.subplots(figsize=(7, 3.8))
draw_random_success(ax, bits, [hit_probability(n, n) for n in bits], measured, LANG)
show(fig, alt=text(LANG, "对数坐标：乱翻成功的概率随比特数直线下降，从 n=2 的 0.5 到 n=50 的百万亿分之几。实测点落在精确曲线上。虚线标出论文里 DQN 能解到 13 位，加上 HER 能解到 50 位。", "On a log scale the probability that random flips succeed falls in a straight line, from 0.5 at n = 2 to some 10 to the −14 at n = 50. Measured dots lie on the exact curve. Dashed lines mark the paper's DQN, up to 13 bits, and its DQN with HER, up to 50."))

# %% [markdown] zh="1d3ab2f9"
# The paper's DQN gets as far as 13 bits; with HER it easily flips 50 right (Andrychowicz et al. 2017, §3.1). What do 50 bits mean? Every agent in this chapter practises for 6,400 episodes. By luck alone, how many hits can it expect? And at a million steps a second, how long is the wait for *one*?

# %%
for n in (8, 15, 20, 30, 50):
    p = hit_probability(n, n)
    print(f"n = {n:2}   {6_400 * p:8.3g}   {n / p / 1e6:8.2g} s")

# %% [markdown] zh="e67366d3"
# A good 170 with 8 bits; with 15, fewer than three; with 50, a wait of 1.1 billion seconds, more than thirty years, for a single 0. Every bit more cuts your luck roughly in half. Patience is not going to solve this.
#
# For the other two environments there is no formula, so measure: twenty thousand episodes, "any step" and "last step":

# %%
for env_id in ("her/Reach-v0", "her/Push-v0"):
    play = wander(env_id, 20_000)
    for at, success in (("any", play.success.any(axis=0)), ("end", play.success[-1])):
        low, high = wilson_interval(int(success.sum()), 20_000)
        print(f"{env_id:13} {at}  {success.mean():.2%} [{low:.2%}, {high:.2%}]")
print(f"{np.ptp(play.achieved_goals, axis=0).any(axis=-1).mean():.0%}")

# %% [markdown] zh="aadadbda"
# A few in a thousand, or in ten thousand. The last line says in how many episodes of Push *the puck moved at all*: fewer than four in ten. Most of the time the agent does not even touch it, as you saw in the animation. For Reach there is something to compare with: even if somebody dropped you at random somewhere right of the wall, your chance to land in the ring would only be the ratio of two areas (right of the wall, the part that the agent's centre can get to is about 0.9 m wide and 2 m high):

# %%
print(f"{np.pi * 0.06**2 / (2 * 0.9):.2%}")

# %% [markdown] zh="4bafb033"
# ## 1.4　A world of −1
#
# So luck does not come. And then? Suppose that experience holds *nothing but* −1. Then the Bellman update says the same to every entry, $Q\leftarrow -1+\gamma Q$, and all states, actions and goals slide to one number:
#
# $$Q=-1+\gamma Q\quad\Longrightarrow\quad Q=-\frac{1}{1-\gamma}$$

# %%
gamma, q = 0.98, 0.0
for _ in range(1_000):
    q = -1 + gamma * q
print(f"{q:.4f}  {-1 / (1 - gamma):.4f}")


# %% [markdown] zh="71fcb5c3"
# −50. No environment, no network: a loop of two lines has "learned" it all. What is more, it is *content* with that. The loss is $(y-Q)^2$ with the TD target $y$; where $Q$ is −50 everywhere, $y$ is −50 everywhere, and the gradient is 0. No action is the least bit better than another, and $\arg\max$ has only the noise of the initial weights to go by.
#
# That is theory. Is it what happens to a real DQN? Let it practise two tasks: 8 bits and 15 bits. Same code, same network, same hyper-parameters, 100 rounds each; a round is 64 episodes and 80 updates.
#
# First, some questions to ask it: `n` states that are exactly $d$ bits from their goals, written as the network is fed them, $[s, g]$.

# %%
def pairs_at(d, n_bits, n=400):
    rng = np.random.default_rng(0)
    goals = rng.choice(np.float32([-1, 1]), (n, n_bits))
    is_wrong = rng.random((n, n_bits)).argsort(axis=1) < d
    return np.hstack([np.where(is_wrong, -goals, goals), goals])


# %% [markdown] zh="be6de05d"
# One round of `Trainer`: play some episodes, store them in the replay buffer, update, and sit an exam without exploration. `strategy="none"` is plain replay, no tricks. The target network follows a little faster than by default (`tau`), so that 8 bits are learned in time. Five numbers are noted down per round: updates, success in the exam, $\max_a Q$ with half of the bits wrong, success while practising, and the TD error, which is $y-Q$ (noted as the mean of its absolute value).

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


# %% [markdown] zh="f984d7f7"
# Three seeds, two tasks, about a minute.

# %% tags=["nbval-ignore-output"]
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
rounds = {8: 100, 15: 100 if PROFILE == "full" else 40}
runs = {n: [practise(n, seed, rounds[n]) for seed in SEEDS] for n in (8, 15)}

# %% [markdown] zh="5a36bb63"
# The final exam: 200 fresh episodes per seed; any step with all bits right is a pass; 95 % intervals. The first two numbers are the successful episodes *in practice*, and the episodes practised.

# %% tags=["nbval-ignore-output"]
exams = {n: [trainer.final_evaluation() for trainer, _ in group] for n, group in runs.items()}
for n, group in runs.items():
    for seed, (trainer, log), exam in zip(SEEDS, group, exams[n], strict=True):
        passed = int(exam.success_at_any.sum())
        low, high = wilson_interval(passed, len(exam))
        print(f"n = {n:2}  seed {seed}   {64 * log[:, 3].sum():5.0f} of {trainer.episodes:,}   {passed / len(exam):.3f} [{low:.3f}, {high:.3f}]")

# %% [markdown] zh="66431f5f"
# To nail it down: with 8 bits every seed passes more than 90 %, with 15 every seed less than 5 %; and in all its practice, no 15-bit agent succeeded more than ten times.

# %%
scores = {n: [exam.success_rate("any") for exam in exams[n]] for n in exams}
luck = [64 * log[:, 3].sum() for _, log in runs[15]]
print(min(scores[8]) > 0.9, max(scores[15]) < 0.05, max(luck) <= 10)

# %% [markdown] zh="9fde88a0"
# The same code learned 8 bits and not 15. So the code is not broken. The 8-bit network also proves what 1.1 said of UVFAs: give it one pattern with 8 different goals, each of which differs in one bit, and ask which to flip. Can one network give 8 answers?

# %%
same = np.ones((8, 8), np.float32)
goals = np.where(np.eye(8), -same, same).astype(np.float32)
agent = runs[8][0][0].agent
print(agent.act(np.hstack([same, goals])))

# %% [markdown] zh="63344810"
# The state is the same, the goals differ, and the action goes with the goal.
#
# Now for their life stories. Thin lines are seeds, thick lines means. Look at the right-hand panel first: for both tasks the Q-values fall together, down below −40, and then they part. The grey band is what a perfect policy is worth.

# %%
from her_course.figures.sparse_rewards import LEARNED, STUCK, draw_success_over_updates, draw_values_over_updates

looks = {"n = 8": LEARNED, "n = 15": STUCK}
logs = {f"n = {n}": np.array([log for _, log in group]) for n, group in runs.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_success_over_updates(axes[0], {n: (log[0, :, 0], log[:, :, 1]) for n, log in logs.items()}, looks, LANG)
draw_values_over_updates(axes[1], {n: (log[0, :, 0], log[:, :, 2]) for n, log in logs.items()}, looks, -50, (-31, -24.7), LANG)
axes[0].legend()
show(fig, alt=text(LANG, "左：8 位的成功率练到四成上下才起飞，最后到 1；15 位始终贴着 0。右：两者的平均 Q 值先一起跌到 −40 以下；8 位的又升回完美策略的范围，15 位的继续滑向 −50。", "Left: with 8 bits success takes off some four tenths of the way along and ends at 1; with 15 it stays at 0. Right: both mean Q-values first fall below −40 together; with 8 bits they rise back to those of a perfect policy, with 15 they slide on towards −50."))


# %% [markdown] zh="b0430e12"
# With 8 bits, Q was going under as well, and the odd 0 pulled it out: one success travels back by bootstrapping (a state is updated with one's own estimate of the next), nearby states light up first and then light up those behind. With 15 bits only the odd straw floats by, if any; there is nothing to hold on to, and Q slides down the way of that two-line loop. (It does not slide all the way to −50. Our guess is overestimation: $\max$ always picks the best of the noise. The agent is a double DQN, the very cure for that (van Hasselt et al. 2016), but its target network follows so fast that both networks have much the same noise, and the cure is not complete. This guess was not tested on its own.)
#
# Where does the grey band come from? With $d$ bits wrong a perfect policy arrives after $d$ flips, and the first $d-1$ cost 1 each. Once there it cannot stop: it has to flip away and back again, and pays 1 every two steps:
#
# $$V^*(d)=-\sum_{i=0}^{d-2}\gamma^{i}-\frac{\gamma^{d}}{1-\gamma^{2}}$$
#
# Let Bellman's equation be the judge of that formula: where bits are wrong go one closer, where none is there is nothing but to leave.

# %%
def perfect_value(d):
    return -sum(gamma**i for i in range(d - 1)) - gamma**d / (1 - gamma**2)


following = [-1 + gamma * perfect_value(1)] + [-(d > 1) + gamma * perfect_value(d - 1) for d in range(1, 16)]
truth = np.array([perfect_value(d) for d in range(16)])
print(np.allclose(truth, following), truth.min().round(1), truth.max().round(1))


# %% [markdown] zh="77903fda"
# The crucial question: in the network's eyes, is *nearly there* any different from *far off*? From no wrong bit to all wrong, 400 questions each, and two things to ask: what is this state worth? And the bit that you would flip, was it wrong?

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


# %% [markdown] zh="9e76b232"
# On the left, look at slopes: the dotted line is a perfect policy, worth less the farther it is, with a little notch at 0 wrong bits (once there, you have to leave). On the right, look at the slanted dotted lines: with your eyes shut you flip a wrong bit with probability $d/n$.

# %%
from her_course.figures.sparse_rewards import draw_choices_by_distance, draw_values_by_distance

answers = {n: [ask(trainer.agent, n) for trainer, _ in group] for n, group in runs.items()}
values = {f"n = {n}": np.array([value for value, _ in group]) for n, group in answers.items()}
choices = {f"n = {n}": np.array([right[1:] for _, right in group]) for n, group in answers.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_values_by_distance(axes[0], values, looks, truth, -50, LANG)
draw_choices_by_distance(axes[1], choices, looks, {"n = 8": 8, "n = 15": 15}, LANG)
show(fig, alt=text(LANG, "左：8 位的 Q 值随距离下降，坡度和完美策略一致，连差 0 位处的缺口都有；15 位是一条水平线，在 −40 以下。右：8 位几乎每次都翻对；15 位的比例落在“闭着眼翻”的斜线上。", "Left: with 8 bits Q falls with distance as steeply as for a perfect policy, down to the notch at 0 wrong bits; with 15 it is a flat line below −40. Right: with 8 bits nearly every flip is right; with 15 the share lies on the slanted line of a blind flip."))

# %% [markdown] zh="5972c7a0"
# The blue lines have even learned the notch. (If one of them lies lower as a whole, it learned late and is still on its way up; its slope is right already, and slopes are all that choosing an action needs.) The red lines are flat: one wrong bit or all of them, same price. And so their choices cannot be told from a blind flip.
#
# Check it. Between one wrong bit and all wrong, the 15-bit networks see a difference of less than 0.5, a perfect policy one of more than 6; and their share of right flips strays from $d/15$ by less than 0.06 on average:

# %%
print(all(abs(value[1] - value[-1]) < 0.5 for value in values["n = 15"]), truth[1] - truth[15] > 6)
print(all(abs(right - np.arange(1, 16) / 15).mean() < 0.06 for right in choices["n = 15"]))

# %% [markdown] zh="77ec46bc"
# ### The error does not tell
#
# Training goes wrong; what do you look at first? The loss, most likely. Here is the TD error of the last ten rounds, relative to the size of Q. From this alone, could you tell who has learned?

# %% tags=["nbval-ignore-output"]
for n, log in logs.items():
    error, value = log[:, -10:, 4].mean(), -log[:, -10:, 2].mean()
    print(f"{n:6}  {error / value:.2%}")
    assert error < 0.01 * value

# %% [markdown] zh="c63558fd"
# Both below 1 %. The TD error only says whether a network agrees *with itself*, and a network that says −50 to everything is very good at that.
#
# ### All it has ever seen
#
# Last, open the box and see what the 15-bit agent learns from. Let it play about ten thousand more steps, exploring; collect the rewards; and compute the TD target of each step as the Bellman update does, $y=r_g+\gamma\max_{a'}Q(s',a',g)$:

# %%
stuck = runs[15][0][0].agent
failed = rollout(lambda x: stuck.act(x, explore=True), make_envs("her/BitFlip-v0", 667, n_bits=15), steps=15, seed=1)
following = np.concatenate([failed.next_states, failed.goals], axis=-1).reshape(-1, 30)
targets = failed.rewards.reshape(-1) + gamma * stuck.q_values(following).max(axis=1)

# %% [markdown] zh="1a803129"
# The axis on the left is the reward, the one on the right the target, drawn all the way from −50 to 0. Count the bars in each.

# %%
from her_course.figures.sparse_rewards import draw_reward_counts, draw_targets

fig, axes = plt.subplots(1, 2, figsize=(8, 2.9), width_ratios=(2, 3))
draw_reward_counts(axes[0], failed.rewards, "", LANG)
draw_targets(axes[1], targets, -50, LANG)
show(fig, alt=text(LANG, "左：一万步的奖励几乎全是 −1，只有一根柱子。右：目标值挤成窄窄的一撮，靠近 −50 那一头，其余地方空空荡荡。", "Left: of ten thousand rewards nearly all are −1, a single bar. Right: the TD targets huddle in one narrow clump near the −50 end; everywhere else is empty."))


# %% [markdown] zh="ef1c3ab7"
# On the left, one; on the right, one narrow clump. That is everything the network learns from ten thousand steps: wherever you are, whatever you do, wherever you want to go, the answer is the same.
#
# To be exact: that DQN does not solve 15 bits is said of *this budget* (three seeds of 6,400 episodes and 96,000 steps each), and of *this way of feeding it*: state and goal side by side, 15 bits of ±1 each. Feed it only which bits differ (1 where they do, 0 where they agree), and DQN without HER learns 15 bits in fewer than four thousand steps. Turn that round, 1 where they agree, and after thirty thousand steps it still never gets one right (`results/encoding`, five seeds each). So it is not that it never could: fed as it is here, it is waiting for a kind of luck that is exponentially rare.

# %% [markdown] zh="ccfb4b30"
# ## 1.5　So give it a hint?
#
# You have been wanting to say it for a while: the reward is just too stingy. Make it the distance, less to pay the nearer you get, and there is a slope everywhere. That is **reward shaping**.
#
# The paper tried it (§4.4): on three robot-arm tasks with shaped rewards, DDPG and DDPG + HER *learned not one* (Andrychowicz et al. 2017). Hard to believe, so let us try for ourselves. The task is Push; its actions are continuous, hence DDPG (deep deterministic policy gradient): one network, the actor, chooses the action, and another, the critic, estimates Q. Two equally "obvious" ways to write it: pay the distance $d$, or pay $d^2$.

# %%
def minus_distance(achieved, desired):
    return -np.linalg.norm(achieved - desired, axis=-1)


def minus_square(achieved, desired):
    return -(minus_distance(achieved, desired) ** 2)


# %% [markdown] zh="26d2f610"
# The environment stays as it is; the rewards are replaced when an episode is about to be stored. The exam is the old one: is the puck in the ring at the *last step*?

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


# %% [markdown] zh="c723909c"
# Four contestants: the sparse reward, the two shaped ones, and, as a spoiler, the sparse reward with HER, the hero of this course. Three seeds each, 75 rounds, that is 240,000 steps, per seed. None waits for another: each core trains one of them, which takes two cores a minute or two.

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

# %% [markdown] zh="21121fc3"
# On the left a dot is the success rate of a seed, and the bar is their mean. The right-hand panel matters more: the axis is how far from the goal the puck is at the end, a curve is the share of episodes that end at most that far. Up and to the left is good; the green line is the tolerance. Look at the heights on the green line first, then a little to the *right* of it.

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

# %% [markdown] zh="b059c688"
# After the success rate comes the 95 % interval over all seeds together, then the median of the final distance.
#
# To be honest, it is not as black and white as in the paper. Our puck is much easier than a robot arm, and with the reward shaped by $d$ the agent *does* learn something: pucks end up clearly nearer to their goals. But in the same number of steps it is a long way from pushing them in, and the one that was given no hint at all, only HER, pushes nearly all of them in. (Only shaping without HER is measured here; the half of the paper's claim that has HER in it was not redone.) As assertions:

# %%
sparse, linear, square, hindsight = (np.mean(rates) for rates in success.values())
if PROFILE == "full":
    assert sparse < 0.05 < linear < 0.6
    assert square < linear
    assert hindsight > linear + 0.3

# %% [markdown] zh="e86d63c1"
# Why does closer not count? The paper has two reasons (§4.4):
#
# - **What is optimised is not what is judged.** The shaped reward wants distances to be small *on average*, the exam wants the puck *in the ring*. Beside the agent with the sparse reward, the median distance fell from over 40 cm to little more than 10, and the reward soared; but only two or three tenths of the pucks are in the ring. The others are the episodes piled up to the right of the green line.
# - **Hints punish the wrong people.** Pushing askew is punished, but pushing askew is lesson one of learning to push. Punished often enough, you keep your hands off.
#
# And our data add another: **hints that are much the same give results that are not.** Replacing $d$ by $d^2$ sounds like nothing, and it costs most of the score. (Think of the slope: that of $d$ is 1 everywhere, that of $d^2$ is $2d$, flatter the nearer you get.) Every new task wants another good guess. Take Reach: the place left of the wall that is nearest to the goal as the crow flies is, more often than not, the face of the wall and not the gap.
#
# The sparse reward does not say much. But it never lies.

# %% [markdown] zh="d1245b16"
# ## 1.6　The same failures through different glasses
#
# Back to bit flipping and its lonely bar: ten thousand steps, and hardly a 0.
#
# Ask differently, though: it did not get where it *wanted*, so where *did* it get? Every step arrived at some pattern. What if that pattern had been the goal? Then that step earned a 0. The laws of the environment do not care where you want to go; a flip is a flip. So these data can be scored again under another goal without a single byte being changed. That is called **relabelling**.
#
# It is what HER does. The next chapter takes it apart; here, only look at the effect. Store *those very* failed episodes in the library's buffer, and draw as many transitions as it holds:

# %%
from her import HERConfig, HindsightExperienceReplay


def all_bits(achieved, desired):
    return sparse_reward(achieved, desired, threshold=1.0)


buffer = HindsightExperienceReplay(failed.rewards.size, 15, 1, 15, HERConfig("future", 4, all_bits), seed=0)
for episode in failed.episodes():
    buffer.store_episode(episode)
batch = buffer.sample(len(buffer))

# %% [markdown] zh="1b3d2445"
# First, check their identity: are the states, actions and next states that come out byte for byte the ones that went in?

# %%
for name in ("states", "actions", "next_states"):
    stored = np.moveaxis(getattr(failed, name), 0, 1).reshape(len(buffer), -1)
    print(f"{name:11} {np.array_equal(getattr(batch, name), stored[batch.indices])}")

# %% [markdown] zh="0641f7cb"
# The same experience; only goals and rewards have changed. On the left, that bar. On the right?

# %%
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
draw_reward_counts(axes[0], failed.rewards, text(LANG, "原来的目标", "goals as they were"), LANG)
draw_reward_counts(axes[1], batch.rewards, text(LANG, "重标注之后", "relabelled"), LANG)
show(fig, alt=text(LANG, "两幅直方图。左：原来的目标，只有 −1 一根柱子。右：重标注之后，0 那里长出第二根柱子，有几千次成功。", "Two histograms. Left, goals as they were: a single bar at −1. Right, relabelled: a second bar has grown at 0, thousands of successes."))

# %% [markdown] zh="8ba79258"
# A second bar has grown. Not one step more was taken, not one line of the environment changed. As assertions: at most ten successes in ten thousand steps before, more than two thousand after, though fewer than half:

# %%
zeros = (failed.rewards == 0).sum(), (batch.rewards == 0).sum()
print(zeros[0] <= 10, 2_000 < zeros[1] < 5_000, f"{batch.relabelled.mean():.0%}")

# %% [markdown] zh="eb26a4a5"
# Wait. The last number says that eight rows in ten have a new goal, yet fewer than half succeed. How can you fail with a goal that was chosen in hindsight? Take a guess; chapter 2 does the sum.

# %% [markdown] zh="7352cf13"
# ## 1.7　Looking back
#
# 1. **The goal becomes an input.** In goal-conditioned RL, policy, reward and value all see $g$. One network, 8 goals, 8 different actions (1.1, 1.4).
# 2. **The reward takes two lines.** 0 when reached, −1 when not, and the line itself does not count; 8 cm off and 5 m off score the same (1.2).
# 3. **Luck halves with every bit.** At the last step it is $2^{-n}$, at any step a Markov chain has the exact value; for $n=15$, 6,400 episodes may hope for fewer than three hits, and $n=50$ takes more than thirty years at a million steps a second (1.3).
# 4. **Without a 0 there is no slope.** Q slides towards $-1/(1-\gamma)=-50$, one wrong bit costs as much as all of them, choices are blind guesses at $d/n$, and the training error is as small as that of the agent that has learned (1.4).
# 5. **Shaping is no way out.** It brought the pucks nearer, but not many of them in; another exponent, another score. In the same number of steps, sparse rewards with HER are far ahead (1.5).
# 6. **There are successes among the failures.** The same transitions, scored under other goals, have some three thousand 0s instead of hardly any (1.6).
#
# ### Three misconceptions
#
# - **"The loss is going down, so it is learning."** To agree with oneself is not to know anything. See whether Q can tell near from far, and look at the success rate.
# - **"Just let it practise a bit longer."** Every bit cuts the luck roughly in half. For 8 bits you can wait; for 50 you cannot.
# - **"It cannot learn 15 bits, so DQN is too weak, or the code is wrong."** The same code learned 8. What is missing is not power, it is *enough* successes: with 8 bits there were thousands on the way, with 15 the odd one, if any.
#
# ### Your turn
#
# This chapter has three exercises: `sparse_reward`, `random_success_probability`, `success_rate`. The second is the most fun to begin with: it differs from `hit_probability` in 1.3 by one question only. If everything is right *before the first flip*, is that a hit?
#
# To go further, give `practise_push` a hint of your own, say "how much closer than one step ago". Write down your prediction first, then run it.
#
# ### The question for the next chapter
#
# Change the goal, and failure becomes success. It sounds like cheating. **Why should anything learned that way be true?**
