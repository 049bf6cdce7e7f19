# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="d60bab75"
# # 1　Sparse rewards
#
# > **In this chapter** an agent practises for 6,400 episodes, and you can count its successes on your fingers. Afterwards it chooses actions no better than at random. It is not stupid: on a slightly smaller task the same code learns. Nor does its training error give it away: that is as small as that of the agent that has learned. By the end you can compute in one line what it will learn, you will have written its learning algorithm yourself, and you will have counted more than a thousand successes among its failures.
# >
# > **Time**: 35 minutes to read, about 5 minutes to run (2 CPU cores).
# >
# > **You need**: to be able to read PyTorch's `nn.Sequential`, and an idea of what a Q-value is.
#
# By the end you can:
#
# 1. say what goal-conditioned RL has that standard RL has not;
# 2. write a sparse reward with a tolerance $\varepsilon$, in two lines;
# 3. compute how likely a random policy is to hit a goal, and check it against data;
# 4. recognise an agent that has learned nothing, from rewards and Q-values rather than from its training error;
# 5. name the three things that go wrong, and say what a hint (reward shaping) can and cannot do;
# 6. count the successes in ten thousand steps of failure.

# %% tags=["parameters"]
import os

from her_course.figures import use_style

LANG = os.environ.get("HER_LANG", "en")
PROFILE = os.environ.get("HER_PROFILE", "full")
SEED = int(os.environ.get("HER_SEED", 0))

use_style(LANG)

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from her_course.figures import schematic, show

schematic("environment")

# %% [markdown] zh="7fd6f5bb"
# ## 1.1　One agent, many tasks
#
# You spend a week teaching a robot arm to put a cup on the top left corner of the table. On the next day somebody wants it bottom right. Another week?
#
# **Standard RL** has no other answer. The task is built into the reward function: another task is another reward, and another reward means learning again.
#
# $$J(\pi)=\mathbb{E}_{\pi}\Big[\sum_{t=0}^{\infty}\gamma^{t}\,r(s_t,a_t)\Big]$$
#
# **Goal-conditioned RL** takes the task out and writes it down as a goal $g$. One is drawn at the start of every episode; the policy sees it, and the reward is computed from it:
#
# $$J(\pi)=\mathbb{E}_{g\sim p(g)}\,\mathbb{E}_{\pi(\cdot\mid\cdot,\,g)}\Big[\sum_{t=0}^{\infty}\gamma^{t}\,r_g(s_t,a_t,s_{t+1})\Big]$$
#
# The two lines differ by one $g$, which then appears everywhere:
#
# | | standard | goal-conditioned |
# |---|---|---|
# | policy | $\pi(a\mid s)$ | $\pi(a\mid s,g)$ |
# | reward | $r(s,a)$ | $r_g(s,a,s')$ |
# | value | $Q(s,a)$ | $Q(s,a,g)$ |
# | another task | train again | another $g$ |
#
# The last value, $Q(s,a,g)$, is a **universal value function approximator** (UVFA; [Schaul et al. 2015](https://proceedings.mlr.press/v37/schaul15.html); before that, Kaelbling 1993): in state $s$ take action $a$, and *if it is $g$ you want to get to*, how much will you collect from here on? Its Bellman update is that of ordinary Q-learning, with the same $g$ on both sides:
#
# $$Q(s,a,g)\;\leftarrow\;r_g(s,a,s')+\gamma\,\max_{a'}Q(s',a',g)$$
#
# In code it is disappointingly simple: append the goal to the state, the input gets longer, done. See how wide the first layer is: 15 bits of state and 15 bits of goal.

# %%
from her.agents import DQN

print(DQN(observation_dim=15 + 15, n_actions=15).q.network)

# %% [markdown] zh="179169d4"
# The hope is that what is learned carries over: weights learned for getting to $g_1$ are of use on the way to its neighbour $g_2$.
#
# ### Who needs it
#
# Anyone whose task is to bring about some kind of state. Three things are needed: a state $s$ to look at, a **desired goal** $g$, and a function $m(s)$ that reads off the state what has been achieved so far; its value is the **achieved goal**.
#
# | field | example | goal $g$ | achieved goal $m(s)$ | reached when |
# |---|---|---|---|---|
# | manipulation | push a block to a point on the table (FetchPush) | a 3-D position | where the block is now | less than 5 cm apart ([Plappert et al. 2018](https://arxiv.org/abs/1802.09464)) |
# | navigation | a robot vacuum sent to a room | a point on the map | where it is now | inside a small circle |
# | tasks in games | Sokoban, Rubik's cube, "get that key" | a position of the game, or a part of one | the position on the board | exactly equal |
#
# The three environments of this course take one row each. BitFlip is the "game": a string of bits, one flip a step, turn it into the pattern asked for. Reach is "navigation": through a gap in a wall to a point. Push is "manipulation": a disc has to push a puck into place; it can push, it cannot hold. Below are the sizes of state and goal, the actions, and the steps in an episode:

# %%
from her.training.evaluation import make_envs


def sizes(env_id):
    envs = make_envs(env_id, 1)
    space = envs.single_observation_space
    state, goal = (space[key].shape[0] for key in ("observation", "desired_goal"))
    return state, goal, str(envs.single_action_space), envs.horizon


ENVS = ("her/BitFlip-v0", "her/Reach-v0", "her/Push-v0")
pd.DataFrame(map(sizes, ENVS), ENVS, ["state", "goal", "actions", "steps"])


# %% [markdown] zh="a5f67d97"
# ## 1.2　Only two rewards
#
# What is the simplest way to score a step? Reached: 0. Not reached: −1. "Reached" means closer to the goal than $\varepsilon$, the **tolerance**:
#
# $$r_g(s,a,s')=\begin{cases}0,&\lVert m(s')-g\rVert<\varepsilon\\-1,&\text{otherwise}\end{cases}$$
#
# Note the $s'$: a step is judged by where you are *after* the action. (The paper writes $r_g(s,a)$; its environments are deterministic, so that $s$ and $a$ decide $s'$.) Every step costs, so the sooner you arrive the less you lose. It takes two lines:

# %%
def sparse_reward(achieved_goal, desired_goal, threshold):
    distance = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
    return np.where(distance < threshold, 0.0, -1.0)


sparse_reward(np.array([[0.05, 0.0], [0.08, 0.0], [3.0, 4.0]]), np.zeros(2), threshold=0.08)

# %% [markdown] zh="b0ef2001"
# Three points, 5 cm, 8 cm and 5 m from the goal, with a tolerance of 8 cm. The second is exactly on the line and does not count. Now compare the last two: missing by a hair and missing by a whole street score the same. That is what "sparse" means: it tells you *whether*, and never *how far*.
#
# The library has the same function, `her.sparse_reward`, and all three environments follow the rule (BitFlip writes a bit as −1 or +1: if a single one differs, the distance is at least 2, so that $\varepsilon=1$ means "every bit"). Draw ten thousand goals and compare neighbours: three ways of computing the reward should agree on every row. The first column says how many pairs happen to be "reached", the others in how many rows our answer differs from the library's and from the environment's:

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

walk, push = (max(wander(env_id, 100).episodes(), key=travelled) for env_id in ENVS[1:])
fig, axes = plt.subplots(1, 2, figsize=(8.4, 4.3))
draw_reach_episode(axes[0], walk, 0.06)
draw_push_episode(axes[1], push, 0.08)
show(fig, "sparse_rewards.episodes")

# %% [markdown] zh="7c40d0cf"
# The point on the left got through the gap, the hardest part of the whole thing; it did not notice, and wandered off. The puck on the right went *straight through* the green ring and was knocked out again. What does the reward make of the two performances?

# %%
print(walk.rewards.sum(), push.rewards.sum(), np.flatnonzero(push.rewards == 0))

# %% [markdown] zh="a6cde3e4"
# Reach: −50 for 50 steps, the same as sitting still. Push: −49. The step on which the puck crossed the ring earned a 0, and that is all.
#
# Was that episode a success? Depends on how you ask. If reaching the goal **at any step** counts, yes; if it has to be there **at the last step**, no. The paper judges bit flipping in the first way and robot arms in the second ([Andrychowicz et al. 2017](https://arxiv.org/abs/1707.01495), §3.1 and Fig. 3). So does this course, and it always says which.
#
# Here are four more wanderers at Push, agents in blue, pucks in orange. Count: how many touch the puck? And which way does it go?

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

# %% [markdown] zh="9c15a924"
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
# That is a Markov chain. Let probability flow along it; whatever arrives at 0 is recorded and removed, so that it cannot flow back:

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


# %% [markdown] zh="6215ad6e"
# Now check it against data: fifty thousand random episodes for each $n$. The columns are $2^{-n}$, the chain's exact value, the bound $n\cdot 2^{-n}$, and then the measured success rate with its 95 % Wilson interval (a confidence interval for a share, dependable near 0 and 1 too). Row by row: does the exact value lie in the interval?

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

# %% [markdown] zh="71b5cb3a"
# They agree. They did not when this section was first written: the measurement at $n=2$ gave the number below, and not 0.5.

# %%
same_seed = wander("her/BitFlip-v0", 50_000, action_seed=0, n_bits=2)
print(f"{same_seed.success.any(axis=0).mean():.2f}")

# %% [markdown] zh="3595b3b6"
# It was not the theory that was wrong, it was the experiment: environment and actions had *the same seed*. The two "random" sequences were one and the same, so that starts and actions were correlated. That is why `wander` has a seed of its own for the actions. And it is what working things out is good for: without the exact value beside it, nobody would have been suspicious.
#
# With the small $n$ checked we may trust the chain up to 50. The axis is logarithmic: one grid line down is a hundredth. See where the two grey dashed lines meet the blue one (at any step):

# %%
from her_course.figures.sparse_rewards import draw_random_success

bits = np.arange(1, 51)
measured = {n: tuple(row) for n, row in luck[["measured", "low", "high"]].iterrows()}
fig, ax = plt.subplots(figsize=(7, 3.8))
draw_random_success(ax, bits, [hit_probability(n, n) for n in bits], measured)
show(fig, "sparse_rewards.luck")

# %% [markdown] zh="cad7962a"
# The paper's DQN gets as far as 13 bits; with HER it easily flips 50 right ([the paper](https://arxiv.org/abs/1707.01495), §3.1). What do 50 bits mean? Every agent in this chapter practises for 6,400 episodes. By luck alone, how many hits can it expect? And at a million steps a second, how long is the wait for *one*?

# %%
n = np.array([8, 15, 20, 30, 50])
p = np.array([hit_probability(bits, bits) for bits in n])
waits = {"hits in 6,400 episodes": 6_400 * p, "seconds to one hit": n / p / 1e6}
pd.DataFrame(waits, pd.Index(n, name="n")).map("{:.3g}".format)

# %% [markdown] zh="e67366d3"
# A good 170 with 8 bits; with 15, fewer than three; with 50, a wait of 1.1 billion seconds, more than thirty years, for a single 0. Every bit more cuts your luck roughly in half. Patience is not going to solve this.
#
# For the other two environments there is no formula, so measure: twenty thousand episodes, "any step" and "last step":

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

# %% [markdown] zh="72216eab"
# A few in a thousand, or in ten thousand. Two numbers stand above the table. The first says in how many episodes of Push *the puck moved at all*: about four in ten. Most of the time the agent does not even touch it, as you saw in the animation. The second is something to compare Reach with: even if somebody dropped you at random somewhere right of the wall, your chance to land in the ring would only be the ratio of two areas, six in a thousand (right of the wall, the part that the agent's centre can get to is about 0.9 m wide and 2 m high).
#
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


# %% [markdown] zh="06b857de"
# −50. No environment, no network: a loop of two lines has "learned" it all. What is more, it is *content* with that. The loss is a function of the error $y-Q$ with the TD target $y$; where $Q$ is −50 everywhere, $y$ is −50 everywhere, and the gradient is 0. No action is the least bit better than another, and $\arg\max$ has only the noise of the initial weights to go by.
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


# %% [markdown] zh="02d8ddd0"
# ### The learner, whole
#
# Before we ask it anything, see how it learns; in the schematic it is the box on the right. This is one update of a deep Q-network (DQN; Mnih et al. 2015), with nothing left out. `network` learns; its shadow `target`, the **target network**, moves by a small step $\tau$ only, so that the target value $y$ does not jump about with the network. The next action is chosen by `network` and valued by `target`, which is double DQN (van Hasselt et al. 2016). The error $y-Q$ goes through the Huber loss: squared while small, linear beyond 1.
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


# %% [markdown] zh="ffbda64a"
# `lerp_` is $\theta_{\text{target}}\leftarrow(1-\tau)\,\theta_{\text{target}}+\tau\,\theta$. Do these few lines do what the library's `DQN.update` does ([`her/agents/dqn.py`](../../her/agents/dqn.py))? Feed two identical networks the same batches, one through our lines and one through the library's, and compare every digit of the weights:

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

# %% [markdown] zh="4e8d4900"
# The first column is 0: equal to the last digit. (The second says that they did learn.) From here on `DQN` is no black box to you.
#
# One round of `Trainer`: play some episodes, store them in the replay buffer, update, and evaluate without exploration. `strategy="none"` is plain replay, no tricks. The target network follows a little faster than by default (`tau`), so that 8 bits are learned in time. Five numbers are noted down per round: updates, success in the evaluation, $\max_a Q$ with half of the bits wrong, successful episodes while practising, and the TD error, which is $y-Q$ (noted as the mean of its absolute value).

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


# %% [markdown] zh="cc8468d8"
# Three seeds, two tasks, one run on each core, about half a minute.

# %%
from functools import partial

from her_course.figures.progress import on_all_cores

SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
rounds = {8: 100, 15: 100} if PROFILE == "full" else {8: 2, 15: 2}
often = {"evaluate_every": 1, "agent_settings": {"tau": 0.05}}
jobs = [partial(practise, n, seed, rounds[n], **often) for n in rounds for seed in SEEDS]
practised = iter(on_all_cores(jobs))
runs = {n: [next(practised) for _ in SEEDS] for n in rounds}

# %% [markdown] zh="f22ede16"
# The final evaluation: 200 fresh episodes per seed; an episode succeeds if all bits are right at any step; 95 % intervals. The first two columns are the successful episodes *in practice*, and the episodes practised.

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

# %% [markdown] zh="f992036c"
# With 8 bits every seed is above 90 %; with 15 no seed learned anything, and its successes in all its practice can be counted on one hand.

# %%
if PROFILE == "full":
    scores = {n: [final.success_rate("any") for final in finals[n]] for n in finals}
    assert min(scores[8]) > 0.9
    assert max(scores[15]) < 0.05
    assert max(log[:, 3].sum() for _, log in runs[15]) <= 10

# %% [markdown] zh="988fca37"
# The same code learned 8 bits and not 15. So the code is not broken. The 8-bit network also shows what 1.1 said of UVFAs: give it one pattern with 8 different goals, each of which differs in one bit, and ask which to flip. Can one network give 8 answers?

# %% tags=["nbval-ignore-output"]
same = np.ones((8, 8), np.float32)
goals = np.where(np.eye(8), -same, same).astype(np.float32)
agent = runs[8][0][0].agent
print(agent.act(np.hstack([same, goals])))

# %% [markdown] zh="78572f46"
# The state is the same, the goals differ, and the action goes with the goal.
#
# Now see how they got there. Thin lines are seeds, thick lines means (n = 3). Look at the right-hand panel first: for both tasks the Q-values fall together, down below −40, and then they part. The grey band is what a perfect policy is worth.

# %%
from her_course.figures.sparse_rewards import draw_lives

logs = {n: np.array([log for _, log in group]) for n, group in runs.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_lives(axes, logs, floor=-50, truth=(-31, -24.7))
show(fig, "sparse_rewards.lives")


# %% [markdown] zh="ce9d15f9"
# With 8 bits Q was falling as well, until enough 0s had come in: a success travels back by bootstrapping (a state is updated with one's own estimate of the next), from states near the goal to those farther away. With 15 bits there are a few hits at most, and Q slides down the way of that two-line loop. (It does not slide all the way to −50. Our guess is overestimation: $\max$ always picks the best of the noise. The agent is a double DQN, which is meant to prevent that ([van Hasselt et al. 2016](https://arxiv.org/abs/1509.06461)), but its target network follows so fast that both networks have much the same noise. This guess was not tested on its own.)
#
# Where does the grey band come from? With $d$ bits wrong a perfect policy arrives after $d$ flips, and the first $d-1$ cost 1 each. Once there it cannot stop: it has to flip away and back again, and pays 1 every two steps:
#
# $$V^*(d)=-\sum_{i=0}^{d-2}\gamma^{i}-\frac{\gamma^{d}}{1-\gamma^{2}}$$
#
# Check the formula with Bellman's equation: with bits wrong, go one closer; with none wrong, every move leaves the goal.

# %%
def perfect_value(d):
    return -sum(gamma**i for i in range(d - 1)) - gamma**d / (1 - gamma**2)


truth = np.array([perfect_value(d) for d in range(16)])
backed_up = -1.0 * (np.arange(16) != 1) + gamma * truth[np.append(1, np.arange(15))]
print(f"{truth.min():.1f} … {truth.max():.1f}, off by {abs(truth - backed_up).max():.12f}")


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
values = {n: np.array([value for value, _ in group]) for n, group in answers.items()}
choices = {n: np.array([right[1:] for _, right in group]) for n, group in answers.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6))
draw_values_by_distance(axes[0], values, truth, -50)
draw_choices_by_distance(axes[1], choices)
show(fig, "sparse_rewards.distance")

# %% [markdown] zh="b1ac9456"
# The blue lines have even learned the notch. (If one of them lies lower as a whole, it learned late and is still on its way up; its slope is right already, and slopes are all that choosing an action needs.) The red lines are flat: one wrong bit or all of them, the same value. And so their choices cannot be told from a blind flip.
#
# In numbers. The first column is the difference in value between one wrong bit and all wrong (last row: a perfect policy); the second is how far the share of right flips is from a blind flip's $d/n$, on average. With 8 bits a perfect policy would have 3.33 in the first:

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

# %% [markdown] zh="77ec46bc"
# ### The error does not tell
#
# Training goes wrong; what do you look at first? The loss, most likely. Here is the TD error of the last ten rounds, relative to the size of Q. From this alone, could you tell who has learned?

# %% tags=["nbval-ignore-output"]
late = {n: log[:, -10:] for n, log in logs.items()}
errors = {n: (log[:, :, 4].mean(axis=1) / -log[:, :, 2].mean(axis=1)) for n, log in late.items()}
if PROFILE == "full":
    assert max(map(max, errors.values())) < 0.01
pd.DataFrame(errors, pd.Index(SEEDS, name="seed")).rename_axis("n", axis=1).map("{:.2%}".format)

# %% [markdown] zh="13181ce4"
# Both are below 1 %; they do not tell the two apart. The TD error only says whether a network agrees *with itself*, and a network that says −50 to everything is very good at that.
#
# ### All it has ever seen
#
# Last, open the box and see what the 15-bit agent learns from. Let it play about ten thousand more steps, exploring; collect the rewards; and compute the TD target of each step as the Bellman update does, $y=r_g+\gamma\max_{a'}Q(s',a',g)$:

# %%
stuck = runs[15][0][0].agent
envs = make_envs("her/BitFlip-v0", 667, n_bits=15)
failed = rollout(lambda x: stuck.act(x, explore=True), envs, steps=15, seed=1)
following = np.concatenate([failed.next_states, failed.goals], axis=-1).reshape(-1, 30)
targets = failed.rewards.reshape(-1) + gamma * stuck.q_values(following).max(axis=1)

# %% [markdown] zh="1a803129"
# The axis on the left is the reward, the one on the right the target, drawn all the way from −50 to 0. Count the bars in each.

# %%
from her_course.figures.sparse_rewards import draw_reward_counts, draw_targets

fig, axes = plt.subplots(1, 2, figsize=(8, 2.9), width_ratios=(2, 3))
draw_reward_counts(axes[0], failed.rewards)
draw_targets(axes[1], targets, -50)
show(fig, "sparse_rewards.targets")

# %% [markdown] zh="3a6cdc08"
# On the left, one; on the right, one narrow clump. Wherever you are, whatever you do, wherever you want to go, the answer is much the same.
#
# To be exact: "DQN does not solve 15 bits" holds for *this budget* (three seeds of 6,400 episodes and 96,000 steps each), and for *this way of feeding it*: state and goal side by side, 15 bits of ±1 each. Feed it only which bits differ (1 where they do, 0 where they agree), and DQN without HER learns 15 bits in fewer than four thousand steps. Invert it, 1 where they agree, and after thirty thousand steps it still solves none (`results/encoding`, five seeds each). So it is not that it never could.
#
# ### Three things go wrong
#
# "Too few successes" is one of three things. These are all of them:
#
# 1. **Too rare.** With 15 bits, 6,400 episodes can expect fewer than three hits.
# 2. **Too weak.** A hit does not stop bootstrapping: its target is $0+\gamma\cdot(-50)=-49$, among nothing but −50. The rarest of successes is worth a single point, which has to show above the noise of overestimation.
# 3. **The input.** State and goal stand side by side, and the network has to find out by itself that what matters is where they differ.
#
# Change one at a time and see what helps. 10 bits, no HER, three seeds, 48 rounds or 3,072 episodes each. "ends, squared" stops bootstrapping at a hit, whose target is then 0, and replaces the Huber loss by the squared one, so that large errors are not flattened (neither alone is enough, see [`results/ends`](../../results/README.md)); "difference" feeds the network only which bits differ.

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


# %% [markdown] zh="779099e9"
# Look at the first column: "as above" and "ends, squared" start from hits that are about as rare, and the latter learns. So "too few hits" is not all of it: when a hit is worth 50 points and not 1, the few of the beginning are enough to get it started. With another input, too, no HER is needed. Either way has its price: the first changes what happens after a success (the paper's Appendix A uses $\gamma=0.98$ for all transitions, those that end an episode included), and with 15 bits it is no longer enough (`results/ends`); the second has to know beforehand that comparing two strings of bits is the heart of the task. HER works on the rarity, and changes neither.
#
# ## 1.5　So give it a hint?
#
# You have been wanting to say it for a while: the reward is just too stingy. Make it the distance, less to pay the nearer you get, and there is a slope everywhere. That is **reward shaping**.
#
# It solves bit flipping, as [the paper](https://arxiv.org/abs/1707.01495) itself says (§3.1); the difficulty is elsewhere. In §4.4 it tries a few *simple* forms on three robot-arm tasks, with DDPG and with DDPG + HER, and *none is learned*. Let us try for ourselves. The task is Push; its actions are continuous, hence DDPG (deep deterministic policy gradient): one network, the actor, chooses the action, and another, the critic, estimates Q. Two equally "obvious" ways to write it: pay the distance $d$, or pay $d^2$. Each is a function of a batch:

# %%
def distance(places, goals):
    return np.linalg.norm(places - goals, axis=-1)


def minus_distance(batch):
    return -distance(batch.achieved_goals, batch.goals)


def minus_square(batch):
    return -(distance(batch.achieved_goals, batch.goals) ** 2)


# %% [markdown] zh="47e897c1"
# The third is more careful. Ng et al. (1999) prove that adding $\gamma\Phi(s')-\Phi(s)$ to the reward, whatever $\Phi$ is, leaves the optimal policy what it was: **potential-based shaping**. With $\Phi=-10\,d$, coming 10 cm closer earns about 1, and going back returns it:

# %%
def potential(batch):
    before = distance(batch.states[:, 2:4], batch.goals)
    after = distance(batch.achieved_goals, batch.goals)
    return batch.rewards + 10 * (before - gamma * after)


# %% [markdown] zh="5ff9f97e"
# Environment and buffer stay as they are; the rewards are computed again for each batch, just before the update (relabelled rows by their new goals). The training loop stands here whole: play, store, sample, update. Success is what it was: is the puck in the ring at the *last step*?

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


# %% [markdown] zh="87e50b70"
# Six contestants: the sparse reward; the three shaped ones; shaping by $d$ with HER; and the sparse reward with HER, the subject of this course. Three seeds each, 80 rounds or 256,000 steps per seed, one on each core. (The settings of Push say 60 updates per round; here it is 30, with twice the learning rate and twice the $\tau$, so that eighteen trainings fit into two minutes or so.)

# %%
HINTS = {"−d": minus_distance, "−d²": minus_square, "potential": potential}
contestants = {("sparse", "none"): None} | {(name, "none"): hint for name, hint in HINTS.items()}
contestants |= {("−d", "future"): minus_distance, ("sparse", "future"): None}
push_rounds = 80 if PROFILE == "full" else 1
jobs = [(seed, push_rounds, how[1], shape) for how, shape in contestants.items() for seed in SEEDS]
plays = iter(on_all_cores([partial(practise_push, *job) for job in jobs]))
pushes = {how: [next(plays) for _ in SEEDS] for how in contestants}

# %% [markdown] zh="85cb6546"
# On the left a dot is the success rate of a seed, and the bar is the mean of the three. On the right the axis is how far from the goal the puck is at the end, and a curve, one per seed, is the share of episodes that end at most that far. Up and to the left is good; the green line is the tolerance. Look at the heights on the green line first, then a little to the *right* of it.

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

# %% [markdown] zh="5b52d82f"
# The three seeds come first, then their mean and its 95 % interval (Student's t with three seeds, hence wide), then the median of the final distance. Look at the seeds: with one and the same shaping, they can be far apart.
#
# It is not as black and white as in the paper. Our puck is easier than a robot arm, and shaping by $d$ *does* teach something: pucks end up nearer to their goals, clearly in one seed, by less than ten centimetres in the other two, and 5 % to 26 % go in; with $d^2$ at most 5 % go in, with a potential none. In the same number of steps, HER without any hint gets 52 % to 100 %. Shaping by $d$ with HER gets 14 % to 63 %: a lower mean (0.38 against 0.82), but the seeds of the two overlap, and whether the hint does harm three seeds cannot say.
#
# Why does closer not count? The paper has two reasons (§4.4):
#
# - **What is optimised is not what is evaluated.** The shaped reward wants distances to be small *on average*, the evaluation wants the puck *in the ring*. The episodes that came nearer and did not get in are those to the right of the line.
# - **Hints punish the wrong things.** Pushing askew costs reward, but learning to push begins with pushing askew. When that costs too much, the agent stays away.
#
# And our data add another: **hints that are much the same give results that are not.** Replacing $d$ by $d^2$ sounds like nothing, and the results differ. (Think of the slope: that of $d$ is 1 everywhere, that of $d^2$ is $2d$, flatter the nearer you get.) Potential-based shaping leaves the optimal policy alone, but it does not promise that it is learned soon; $\Phi$ and its size still have to be guessed, anew for each task. Take Reach: the place left of the wall that is nearest to the goal as the crow flies is, more often than not, the face of the wall and not the gap.
#
# What can be said is this: shaping works where there is a *good* hint, as in bit flipping; on this task, in these forms, it falls far behind HER when alone, and beside HER nothing shows that it adds anything.
#
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


config = HERConfig("future", 4, all_bits)
buffer = HindsightExperienceReplay(failed.rewards.size, 15, 1, 15, config, seed=0)
for episode in failed.episodes():
    buffer.store_episode(episode)
batch = buffer.sample(len(buffer))

# %% [markdown] zh="5e2d5f0a"
# First, check their identity: in how many rows do the states, actions and next states that come out differ from the ones that went in?

# %%
rows = {}
for name in ("states", "actions", "next_states"):
    stored = np.moveaxis(getattr(failed, name), 0, 1).reshape(len(buffer), -1)
    drawn = getattr(batch, name)
    rows[name] = len(drawn), (drawn != stored[batch.indices]).any(axis=1).sum()
pd.DataFrame(rows, ["rows", "rows that differ"]).T

# %% [markdown] zh="0641f7cb"
# The same experience; only goals and rewards differ. On the left, that bar. On the right?

# %%
from her_course.figures.sparse_rewards import draw_glasses

fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
draw_glasses(axes, failed.rewards, batch.rewards)
show(fig, "sparse_rewards.glasses")

# %% [markdown] zh="563ff1bc"
# A second bar has grown. Not one step more was taken, not one line of the environment changed. In numbers:

# %% tags=["nbval-ignore-output"]
counts = {"as played": (failed.rewards == 0, 0 * failed.rewards)}
counts["relabelled"] = batch.rewards == 0, batch.relabelled
rows = {name: (zeros.sum(), zeros.mean(), new.mean()) for name, (zeros, new) in counts.items()}
assert rows["as played"][0] <= 10
assert 1_500 < rows["relabelled"][0] < 5_000
heads = ["successes", "share of rows", "rows with a new goal"]
pd.DataFrame(rows, heads).T.round(3)

# %% [markdown] zh="b4ebef1e"
# Wait. Eight rows in ten have a new goal, yet far fewer than half succeed. How can you fail with a goal that was chosen in hindsight? Chapter 2 derives this share. For now, look at the rows that succeed: was their goal reached by *this very step*, or is it the same pattern, visited again *later*?

# %% tags=["nbval-ignore-output"]
own = batch.goal_indices == batch.indices
later = (batch.rewards == 0) & batch.relabelled & ~own
patterns = [len(np.unique(episode.achieved_goals, axis=0)) for episode in failed.episodes()]
shares = {"own step": own.mean(), "same pattern, later": later.mean()}
shares["4/5 · H₁₅/15"] = 0.8 * (1 / np.arange(1, 16)).mean()
print(f"{np.mean(patterns):.1f} different patterns in an episode of 15 steps")
pd.Series(shares, name="share of the batch").to_frame().round(3)

# %% [markdown] zh="b132aa33"
# The share of "own step" agrees with the formula that chapter 2 derives (last row), which is for episodes whose patterns are *all different*. The rest is retracing: the stuck agent keeps flipping the same bits there and back, passes far fewer than 15 patterns in its 15 steps, and often draws another visit to the very pattern it is at.
#
# ## 1.7　Looking back
#
# 1. **The goal becomes an input.** In goal-conditioned RL, policy, reward and value all see $g$. One network, 8 goals, 8 different actions (1.1, 1.4).
# 2. **The reward takes two lines.** 0 when reached, −1 when not, and the line itself does not count; 8 cm off and 5 m off score the same (1.2).
# 3. **Luck halves with every bit.** At the last step it is $2^{-n}$, at any step a Markov chain has the exact value; for $n=15$, 6,400 episodes can expect fewer than three hits, and $n=50$ takes more than thirty years at a million steps a second (1.3).
# 4. **Hardly any 0, no slope.** Q slides towards $-1/(1-\gamma)=-50$, one wrong bit costs as much as all of them, choices are random guesses at $d/n$, and the training error is as small as that of the agent that has learned (1.4).
# 5. **Three things go wrong**: hits are too rare, a hit is too weak, and the input hides what matters (1.4). **Shaping needs a good hint**: it brought the pucks nearer; another exponent, another result. In the same number of steps, those with HER are far ahead (1.5).
# 6. **There are successes among the failures.** The same transitions, scored under other goals, have some three thousand 0s instead of hardly any (1.6).
#
# ### Three misconceptions
#
# - **"The loss is going down, so it is learning."** To agree with oneself is not to know anything. See whether Q can tell near from far, and look at the success rate.
# - **"Just let it practise a bit longer."** Every bit cuts the luck roughly in half. For 8 bits you can wait; for 50 you cannot.
# - **"It cannot learn 15 bits, so DQN is too weak, or the code is wrong."** The same code learned 8. Three things go wrong: hits are too rare, each is too weak (−49 beside −50), and the input does not show where the two strings differ. Mend one of the last two, and 10 bits are learned without HER.
#
# ### Your turn
#
# Open [`exercises/en/ch1.ipynb`](../../exercises/en/ch1.ipynb): `sparse_reward`, `random_success_probability`, `success_rate`, `pose_reward`, `fresh_flips_probability`, and a bug to find, `mended_score`. The open task at the end is “At how many bits does practice stop helping?” The second is the most fun to begin with: it differs from `hit_probability` in 1.3 by one question only. If everything is right *before the first flip*, is that a hit?
#
# To go further, give `practise_push` a hint of your own. Write down your prediction first, then run it.
#
# ### The question for the next chapter
#
# Change the goal, and failure becomes success. It sounds like cheating. **Why should anything learned that way be true?** See [chapter 2](02_relabelling.ipynb).
