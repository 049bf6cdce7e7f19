# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="f66bffbc"
# # 4　From a loop to arrays
#
# > **In this chapter** a loop of seven lines, which anyone can check by hand, becomes three lines of array code; after each change a cell checks with data that nothing else has changed. The three lines then feed two learners: DQN learns to set 15 bits, and DDPG learns to get around a wall. DDPG's update is on the page, and it agrees with the library's to the last digit.
# >
# > **Time**: 35 minutes to read, about 3 minutes to run (2 CPU cores).
# >
# > **You need**: NumPy indexing; DQN from chapter 1, relabelling from chapter 2.
#
# By the end you can
#
# 1. write HER as a loop of seven lines, replace it by three lines of arrays, and say how large a mistake the test would find;
# 2. work out why the goal is not replaced until *sampling*;
# 3. avoid three pitfalls: the achieved goal is the one *after* the action, `done` follows the goal, and the normaliser must see what the network is really fed;
# 4. write DDPG's update, and prove that it equals the library's bit by bit;
# 5. read the map that the critic has learned;
# 6. recognise six mistakes that still learn a bit, and put the same buffer into Stable-Baselines3.

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

from her_course.figures import animate, schematic, show

schematic("buffer", "relabel", "learner")

# %% [markdown] zh="6199754b"
# The boxes that are lit are what this chapter is about: how the buffer stores, how goals are replaced, and what the learner does with it.
#
# ## 4.1　A loop anyone understands
#
# HER has a single idea: you may not have got where you wanted, but you did get *somewhere*. Take the places you reached as goals, and a failed episode contains successes ([Andrychowicz et al. 2017](https://arxiv.org/abs/1707.01495), section 3).
#
# So we need failures first. `play_randomly` lets `n` agents wander; the reward is sparse: 0 within 6 cm of the goal, −1 otherwise.

# %%
from her import sparse_reward
from her.training.evaluation import make_envs, rollout


def reward(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.06)


def play_randomly(env_id, n, steps, **kwargs):
    envs = make_envs(env_id, n, **kwargs)
    envs.action_space.seed(1)
    return rollout(lambda observations: envs.action_space.sample(), envs, steps, seed=0)


# %% [markdown] zh="1994b995"
# Three points take 6 steps each in `her/Reach-v0`, an arena with a wall (the real task has 50 steps; fewer make a clearer picture). A row is an episode:

# %%
episodes = list(play_randomly("her/Reach-v0", 3, steps=6, horizon=6).episodes())
pd.DataFrame(
    [(episode.rewards.sum(), *episode.goal) for episode in episodes],
    columns=["sum of rewards", "goal x", "goal y"],
).round(2)

# %% [markdown] zh="fa05eb72"
# −6 for each episode: six steps, six misses. In the picture a colour is an episode. See how far the dots are from the ring of their colour: dots are where it went, the ring is where it was supposed to go, and there is a wall in between.

# %%
from her_course.figures.implementation import draw_episodes

fig, ax = plt.subplots(figsize=(4.2, 4.2))
draw_episodes(ax, episodes)
show(fig, "implementation.episodes")


# %% [markdown] zh="d7f52cbd"
# Now swap the goals. The rule of the `future` strategy: the new goal of step $t$ is drawn uniformly from the places reached **by this step and later**. Draw $k$ times and you have $k$ extra copies. Written down as it stands, it takes seven lines, not counting `def`. The table has the first four copies of the first episode, and the last four:

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

# %% [markdown] zh="8ab1c227"
# Two spots deserve a pause. First, `rng.integers(t, len(episode))` includes its left end and excludes its right, so $j$ may equal $t$. Second, `reward(...)`: another goal is another task, so the reward is *computed again*, not copied.
#
# The last four are all alike, with reward 0: after the final step there is no "later", the only goal left is the place just reached, and of course one step reaches it. The first four depend on luck: only a goal that happens to be near enough is reached in one step. That is why "80 % succeed at $k=4$" is wrong: 80 % is the share that is *relabelled*, and far fewer succeed. Section 2.5 has the formula.
#
# ## 4.2　Why wait until sampling
#
# The loop replaces goals when it *stores*. The usual implementations today ([OpenAI Baselines](https://github.com/openai/baselines/blob/master/baselines/her/her_sampler.py), [Stable-Baselines3](https://stable-baselines3.readthedocs.io/en/master/modules/her.html) and others) wait until they *sample*: the buffer holds only what really happened, and goals are picked afresh for each batch. Two counts say why.
#
# First, memory. A state of the `FetchPush` robot has 25 numbers, an action 4, a goal 3; take a million transitions at 4 bytes a number. Second, freshness: take step 0 of an episode of 50 and replay it 100 times. How many different goals does it see?

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

# %% [markdown] zh="835df5e1"
# The same experience meets ten times as many goals, in a fifth of the memory. The price: every batch has to pick goals and compute rewards again, so this had better be fast.
#
# ## 4.3　Three lines of arrays
#
# Fast means no loop. Put all episodes end to end, and note two numbers for each row: which step of its episode it is (`position`), and how long that episode is (`length`).

# %%
achieved = np.concatenate([episode.achieved_goals for episode in episodes])
position = np.concatenate([np.arange(len(episode)) for episode in episodes])
length = np.concatenate([np.full(len(episode), len(episode)) for episode in episodes])
pd.DataFrame({"position": position, "length": length}).T


# %% [markdown] zh="84fb4ca4"
# And here are the three lines: which transition, which goal, what reward.

# %%
def sample_goals(n, rng):
    row = rng.integers(len(achieved), size=n)
    goal_row = row + (rng.random(n) * (length - position)[row]).astype(int)
    rewards = reward(achieved[row], achieved[goal_row])
    return row, goal_row, rewards


# %% [markdown] zh="a5e13a45"
# The middle one is worth a second look. From step $t$ on, itself included, there are $T-t$ rows left, which is `length - position`. A uniform number from $[0,1)$ times that, rounded down, picks one of $0,1,\dots,T-t-1$, each equally likely. Added to `row` it gets as far as the last row of the episode and never into the next one. Without a single `if`.
#
# ## 4.4　A test: one of these four pictures is wrong
#
# The library's buffer does these three lines ([`her/hindsight.py`](../../her/hindsight.py)), and the chores that make them fit for daily use. In go the three episodes:

# %%
from her import HERConfig, HindsightExperienceReplay

config = HERConfig(strategy="future", n_sampled_goal=4, reward_function=reward)
sizes = {"state_dim": 2, "action_dim": 2, "goal_dim": 2}
buffer = HindsightExperienceReplay(1_000, **sizes, config=config, seed=0)
for episode in episodes:
    buffer.store_episode(episode)
buffer

# %% [markdown] zh="726aa610"
# That makes three ways to write it: the loop, the three lines, the library. Let each draw about ten thousand (transition, goal) pairs, and note which row was given the goal reached in which row. The loop stores the same three episodes a thousand times over, and we take ten thousand pairs at random. The library's batches carry their provenance: `indices` are the numbers of the transitions, `goal_indices` those of the transitions that reached the goals (numbered in the order of storing; a number modulo the capacity is the row).

# %%
rng, loop = np.random.default_rng(1), []
for _ in range(1_000):
    for first, episode in zip((0, 6, 12), episodes, strict=True):
        loop += [(first + t, first + j) for t, j, *_ in store_copies(episode, 4, rng)]
loop = rng.permutation(loop)[:10_000]

row, goal_row, _ = sample_goals(10_000, rng)
batch = buffer.sample(12_500)
library = np.stack([batch.indices, batch.goal_indices], axis=1)[batch.relabelled]


# %% [markdown] zh="150a6c27"
# And we smuggle in an impostor: "round to nearest" instead of "round down". Looks just as sensible. We did not make it up: it is how `HERReplayBuffer` in tianshou 2.0.1 does it.

# %%
def count(pairs):
    table = np.zeros((18, 18), int)
    np.add.at(table, tuple(pairs.T), 1)
    return table


steps_left = (length - position)[row] - 1
rounded = np.stack([row, row + np.round(rng.random(10_000) * steps_left).astype(int)], axis=1)
draws = {"A": loop, "B": np.stack([row, goal_row], axis=1), "C": rounded, "D": library}

# %% [markdown] zh="45488a75"
# Four pictures. Down: the row of the transition. Across: the row its goal comes from. Darker: drawn more often. The three stairs are the three episodes, and everything else is blank: no goal ever crossed into another episode. Use your eyes first: which picture differs from the other three? (Hint: look at both ends of each row.)

# %%
from her_course.figures.goal_strategies import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, name in zip(axes, draws, strict=True):
    draw_pairs(ax, count(draws[name]), name, most=0.06)
show(fig, "implementation.pairs")

# %% [markdown] zh="a3247f3d"
# Eyes can be fooled, so let a chi-square test be the judge: if a picture came from the same distribution as the loop (A), how likely is a difference this large by luck alone? That is $p$, over all 63 cells.

# %%
from scipy.stats import chi2_contingency


def p_value(one, other):
    both = np.stack([count(one), count(other)])
    return chi2_contingency(both[:, both.any(axis=0)]).pvalue


p = {f"A / {name}": [p_value(loop, draws[name])] for name in "BCD"}
pd.DataFrame(p, index=["p"]).map("{:.2g}".format)


# %% [markdown] zh="cb0368ee"
# The three lines (B) and the library (D) cannot be told from the loop. Rounding (C) has a $p$ of practically 0: where there are more than two, the goals at both ends get half as much as each in between.
#
# "Cannot be told apart" is not "the same"; it depends on how sensitive the test is. Mix 10, 20 and 50 % of rounded draws into the right ones, 50 times each: how often is $p<0.01$?

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


# %% [markdown] zh="33e2794e"
# Half of them rounded is caught every time; a tenth mostly slips through. So what ten thousand draws vouch for is that there is no large mistake; smaller ones need more draws. *A test that can't catch a mistake proves nothing*, and that is what C is here for.
#
# ## 4.5　Hands on: configure, store, sample
#
# A [`HERConfig`](../../her/hindsight.py) says three things: how goals are picked (`strategy`), how many substitutes there are for each real goal (`n_sampled_goal`, the $k$), and what the reward is (`reward_function`).
#
# ### A reward for a batch, or for a pair?
#
# Many reward functions were written for *one* pair of goals. Feed one a batch and it does not complain, it is quietly wrong: 18 rows in, one number out.

# %%
def one_pair(achieved, desired):
    return 0.0 if np.linalg.norm(achieved - desired) < 0.06 else -1.0


functions = {"one_pair": one_pair, "reward": reward}
shapes = {name: [np.shape(f(achieved, achieved[::-1]))] for name, f in functions.items()}
pd.DataFrame(shapes, index=["shape of 18 rewards"])

# %% [markdown] zh="f5a46274"
# The library does not guess. It computes the first real rows both ways, falls back to calling the function row by row if they disagree, and says so, once:

# %%
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    row_wise = HindsightExperienceReplay(1_000, 2, 2, 2, HERConfig("future", 4, one_pair), seed=7)
    for episode in episodes:
        row_wise.store_episode(episode)
print(caught[0].message)


# %% [markdown] zh="c3bb6081"
# ### The achieved goal comes after the action
#
# The reward of step $t$ answers "where did this action take me?", so it is $r(\text{ag}_{t+1}, g)$ and not $r(\text{ag}_t, g)$. Bit flipping, where the achieved goal is the state itself, will tell: how many of the environment's rewards do we get back with the goal after the action? And with the one before?

# %%
def all_bits(achieved, desired):
    return np.all(achieved == desired, axis=-1) - 1.0


bits = play_randomly("her/BitFlip-v0", 200, steps=3, n_bits=3)
reached = {"before the action": bits.states, "after the action": bits.achieved_goals}
agree = {name: [all_bits(x, bits.goals) == bits.rewards] for name, x in reached.items()}
pd.DataFrame({name: np.mean(rows) for name, rows in agree.items()}, index=["agree"]).round(2)

# %% [markdown] zh="c8072b98"
# One step off, and most rewards still look right; that is why this mistake lives so long. `Transition.achieved_goal` has one convention: reached *after the action*.
#
# ### Sampling: what is in a batch
#
# Every field is an array with one row per transition. Next to the usual five stands the provenance: which rows were given another goal (`relabelled`), the number of the transition, and that of the transition which reached its goal.

# %%
batch = buffer.sample(256)
names = ["states", "actions", "rewards", "next_states", "dones", "goals"]
names += ["relabelled", "indices", "goal_indices"]
fields = [(name, getattr(batch, name).dtype, getattr(batch, name).shape) for name in names]
pd.DataFrame(fields, columns=["field", "dtype", "shape"])

# %% [markdown] zh="a680a717"
# Provenance can be audited. Was each new goal reached in row `goal_indices`? Is every reward, relabelled or not, what the reward function says about that row? Count the rows that disagree:

# %%
relabelled = batch.relabelled
wrong_goals = (batch.goals != achieved[batch.goal_indices]).any(axis=1)[relabelled]
wrong_rewards = batch.rewards != reward(batch.achieved_goals, batch.goals)
wrong = [wrong_goals.sum(), wrong_rewards.sum()]
pd.DataFrame({"rows": [relabelled.sum(), 256], "wrong": wrong}, index=["new goals", "rewards"])

# %% [markdown] zh="746c7721"
# `.torch()` joins state and goal into `[state, goal]`, the input of a universal value function $Q(s, a, g)$. The goal is replaced in `observations` and in `next_observations`: forget the second, and you bootstrap from the value of the old task. The last number counts rows whose `next_observations` hold another goal:

# %%
tensors = batch.torch()
shapes = {name: [tuple(tensor.shape)] for name, tensor in tensors._asdict().items()}
differ = tensors.observations[:, 2:] != tensors.next_observations[:, 2:]
pd.DataFrame(shapes | {"goals differ": [int(differ.any(dim=1).sum())]}, index=["shape"]).T

# %% [markdown] zh="6cdd05b3"
# ## 4.6　The ring: who has to leave when it is full
#
# The buffer is a ring of `capacity` rows, one for each real transition ([`her/ring.py`](../../her/ring.py)). When there is no room the oldest episode goes, and goes *as a whole*: half an episode would send `future` to the wrong goals. This ring has a mere 20 rows; in go three episodes, of length 7, 6 and 5, each somebody who walks to the right from 0. (`StepwiseReplay` is the same kind of buffer, but it can also store step by step, which we will need shortly.)
#
# Now a fourth one, of 4 steps, but the ring has only 2 rows left at its end. An episode never runs over the end of the ring: it is one piece of memory, so `row + …` in the three lines never has to wrap around. An episode that does not fit begins at row 0, and the rows left over at the end stay empty. So somewhat fewer than `capacity` transitions may be stored.
#
# After it comes an episode that is still going on, stored step by step with `add`. Read from left to right (row 0 is at twelve o'clock, counting clockwise): who disappeared? Which two cells stay empty? The arrow shows how far the ring has been written.

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


# %% [markdown] zh="c9ae660b"
# An unfinished episode can be sampled too; its "later" just ends at the present.
#
# ## 4.7　`done` follows the goal
#
# There is one convention throughout: `dones` says where, **under the goal in this batch**, bootstrapping stops. When the task is really over, that is termination; when only the time is, that is truncation, and it doesn't count: the clock stopped, the road did not. In the course's three environments reaching the goal doesn't count either, the episode goes on, so there is no `done` at all (the paper's Appendix A does the same: $\gamma=0.98$ for every transition, the last of an episode included).
#
# Trouble begins where success ends the episode. Let us make such data: 4 bits, and the episode is over as soon as they are right.

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


# %% [markdown] zh="2c4ce9e9"
# About half of the episodes end in success, stored with a `done` of 1. Under another goal that is old news, about the previous task. Among the relabelled rows, how often is the stored `done` wrong for the new goal? It can fail to stop where it should, or stop where it shouldn't.

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

# %% [markdown] zh="79c729e4"
# With `future`, the stale `done` is wrong on about three relabelled rows in ten. The library reads off the real episodes that success ends them, and judges again under the new goal. To say it yourself, give `HERConfig` a `done_function`.
#
# What does a wrong one cost? First, stopped and shouldn't have: after this step the new goal is still 11 steps away, the target should be $-1 + \gamma V(s')$, but the stale `done` leaves −1. Second, should have stopped and didn't: this step gets there, the target should be 0; without the stop it keeps paying, and since bits can't stand still it can only flip out and back, one step −1, one step 0:

# %%
gamma = 0.98
ten_steps = -(1 - gamma**10) / (1 - gamma)
back_and_forth = -1 / (1 - gamma**2)
targets = {"wrong stop": [-1 + gamma * ten_steps, -1], "stop missing": [0, gamma * back_and_forth]}
pd.DataFrame(targets, index=["right target", "with the stale done"]).T.round(2)


# %% [markdown] zh="627a2d87"
# The first makes a distant goal look near, the second makes reaching the goal look terrible. No error is raised; the critic learns from wrong targets.
#
# ## 4.8　How fast, then
#
# Turn the loop into one that relabels when it samples, and race it against the buffer:

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

# %% [markdown] zh="1be49ce4"
# Milliseconds and ratio depend on the machine and on what else it is doing; that it is some two orders of magnitude does not. Training draws a few thousand batches. (A buffer can be written to disk and read again, `save` and `load`; it then draws the same batches as it would have.)
#
# ## 4.9　A training loop of a dozen lines
#
# The task: 15 bits, one flip a step, 15 steps to turn them into a given pattern. There are $2^{15}$ patterns, and random flips almost never find one. A round does three things: 64 environments play an episode each; the episodes are stored; 80 batches are sampled and learned from. The agent (the DQN of chapter 1) knows nothing of HER; all it sees is batches. After each round comes an evaluation without exploration, and by the paper's rule an episode succeeds if the pattern is hit at any step.

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

# %% [markdown] zh="ce7d7c9a"
# A row is a seed, a column every second round, its name the environment steps. It climbs from 0 to nearly 1. Fifteen thousand steps for over thirty thousand patterns is less than half a step for each, and yet almost any pattern asked for is reached. What happens without HER was measured in chapter 1, and chapter 6 compares in earnest. `her.training.Trainer` is the loop above plus a schedule of evaluations and checkpoints ([`her/training/loop.py`](../../her/training/loop.py)); `her train her/BitFlip-v0 --env-kwargs n_bits=15` runs the same thing.
#
# ## 4.10　DDPG's update, on the page
#
# Walking around a wall takes continuous actions, hence DDPG ([Lillicrap et al. 2016](https://arxiv.org/abs/1509.02971)): the critic $Q(s,a,g)$ learns targets, and the actor $\pi(s,g)$ moves towards higher $Q$. The paper's Appendix A adds three things: inputs are normalised and clipped to ±5; targets are clipped to $[-1/(1-\gamma),\,0]$, since with rewards of −1 and 0 no return can lie outside; and the actor's output before its tanh is penalised, so that it does not saturate.
#
# We copy four networks from an agent of the library, and write the update ourselves:

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


# %% [markdown] zh="918462a5"
# (`addcmul` is `rewards + gamma * (1 - dones) * values`, rounded once.) From top to bottom: the critic takes a step towards its targets; the actor takes a step towards higher $Q$; both target networks follow by 5 %. Let the page and the library ([`her/agents/ddpg.py`](../../her/agents/ddpg.py)) learn from the same hundred batches. How far apart are the parameters of the four networks, at most?

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

# %% [markdown] zh="b14101ac"
# All 0: equal bit by bit. The last row says that the networks did move.
#
# ### What the normaliser must see
#
# The mean and standard deviation of what? The environment's goals are all to the *right* of the wall, relabelled ones mostly to the *left*. Suppose the normaliser is shown desired goals only. Both panels have the same network inputs; only what the normaliser has been shown differs. Red is clipped.

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

# %% [markdown] zh="d510e57a"
# The percentages are the shares clipped: to the network all those goals are one and the same number. That is why the trainer shows the normaliser its observations with both kinds of goals.
#
# A fresh critic does not know the range of returns; target clipping sees to that. How many targets are out of range?

# %%
fresh = DDPG(4, -np.ones(2), np.ones(2), seed=SEED)
fresh.observe(fed)
batch = reach.sample(10_000)
values = fresh.q_values(batch.next_observations, fresh.act(batch.next_observations))
targets = batch.rewards + 0.98 * values
outside = {"above 0": (targets > 0).mean(), "below -50": (targets < -50).mean()}
pd.DataFrame(outside | {"largest": targets.max()}, index=["targets"]).round(2)

# %% [markdown] zh="0f6f38de"
# ## 4.11　Learning to get around a wall, and what the tools are worth
#
# The real `her/Reach-v0`: start left of the wall, goal on the right, 50 steps to get through the gap, and the *last* step has to be within 6 cm of the goal. That is how the paper judges robots. Three settings, several seeds: everything; targets not clipped; inputs not normalised.

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

# %% [markdown] zh="e6106ee1"
# A column is a seed. Compare the differences between seeds with those between settings before you believe in a ranking: three seeds on one task show large effects alone. Without the normaliser the mean drops by about a tenth, in every seed; without clipping the difference is no larger than between seeds. Appendix A of the paper uses both tools, and the cells above show why (a quarter of the goals turned into one number; targets out of range); what they are worth on another task has to be measured there.
#
# ### The critic's map
#
# The goal is part of the input, so we may fix one and ask the critic about standing *anywhere*: how does it look from there? Put the goal top right, behind the wall, and ask about 81 × 81 positions.
#
# Brighter is better, numbers on the contours are $Q$, arrows are where the actor wants to go, the star is the goal; the point's centre cannot get into the light grey along the wall. Look at M first: close to the star as the crow flies, and yet dark. Then start from the star and follow the bright colours: where does the bright path get through the wall?
#
# In JupyterLab two sliders above the map move the goal: its `x` and its `y`. Drag `x` to −0.5: which side of the wall is bright now? Then drag the goal little by little into the gap: which of M and N gets brighter? (A static page has one map, for the goal at (0.4, 0.75).)

# %%
from her_course.figures.implementation import explore_values

agent, *_ = reached["all"][0]
goal, spots = (0.4, 0.75), {"M": (-0.2, 0.75), "N": (0.6, -0.65)}


def ask(positions, goal):
    observations = np.hstack([positions, np.tile(goal, (len(positions), 1))]).astype(np.float32)
    actions = agent.act(observations)
    return agent.q_values(observations, actions), actions


explore_values(ask, goal, spots)

# %% [markdown] zh="8d87c504"
# A few centimetres apart, on the two sides of the wall, the value breaks in two. Nobody gave it a map; all it ever had was places it had got to, and how many steps they took. N is more than twice as far from the star as M. Which one does the critic prefer?

# %% tags=["nbval-ignore-output"]
where = np.array(list(spots.values()), np.float32)
values, _ = ask(where, goal)
if PROFILE == "full":
    assert values[0] < values[1]
distance = np.linalg.norm(where - goal, axis=1)
pd.DataFrame({"straight line, m": distance, "Q": values}, index=list(spots)).round(2)

# %% [markdown] zh="14355640"
# M, the near one, is worse: it has to go back to the gap first. $Q$ measures not the straight line but the *length of the path*.
#
# ### Watch it walk
#
# Three starts, three goals, one agent: before it has learned, and after. The first frame is how it ends; then the film begins.

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

# %% [markdown] zh="4d3a70b7"
# ## 4.12　Wrong, and still learning a bit
#
# HER code has a nasty habit: written wrong, it raises no error, and often it even learns a bit, so that mistakes live for years. Let us switch the common ones on, one at a time, and see what each leaves on the curve. First, data as plain as can be: every round of practice laid flat, 15 rows an episode, end to end.

# %%
NAMES = ("states", "actions", "next_states", "goals", "achieved_goals", "rewards", "ended")


def flatten(play):
    fields = [getattr(play, name) for name in NAMES]
    return [field.swapaxes(0, 1).reshape(-1, *field.shape[2:]) for field in fields]


# %% [markdown] zh="127eaa01"
# Now a sampler with six mistakes, each in its place; do read it line by line. "Rounded" is from tianshou 2.0.1; "before the action" was found in the reward of [JaxGCRL](https://github.com/MichalBortkiewicz/JaxGCRL); the others take no more than a moment's inattention. The first half, `mistaken_goals`, picks goals and computes rewards, and has four of the mistakes; the second, `mistaken_sample`, puts the batch together and has the other two:

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


# %% [markdown] zh="2f9c94f2"
# - `old rewards`: the goal is replaced, the reward copied as it was;
# - `old next goal`: replaced beside `state`, forgotten beside `next_state`;
# - `all successes`: relabelled is assumed to mean successful, so the reward is always 0;
# - `before the action`: what is compared was reached *before* the action;
# - `time limit`: time is up, and that is treated as an end;
# - `rounded`: the rounding of 4.4.
#
# The training loop is that of 4.9 around another sampler:

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

# %% [markdown] zh="d8222e18"
# Guess before you look: which of the six would you have noticed? The black line has no mistake. Thin lines are seeds, thick ones their means.

# %%
from her_course.figures.implementation import draw_mistakes

fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True)
draw_mistakes(axes, 64 * 15 * np.arange(1, ROUNDS + 1), mistaken)
show(fig, "implementation.mistakes")

# %% [markdown] zh="40783884"
# A row is a mistake, a column a seed: the mean of the last three evaluations (success at any step).

# %% tags=["nbval-ignore-output"]
last = {mistake: curves[:, -3:].mean(axis=1) for mistake, curves in mistaken.items()}
assert last["old rewards"].max() < 0.05
if PROFILE == "full":
    assert last["none"].min() > 0.85
    assert last["old next goal"].mean() < last["all successes"].mean() + 0.2 < last["none"].mean()
pd.DataFrame(last, index=[f"seed {seed}" for seed in SEEDS]).T.round(2)

# %% [markdown] zh="0efeb548"
# Old rewards are the easiest to catch: nothing moves. The most misleading are the zeros and the forgotten `next_state`: they *do rise*, and you will tune the learning rate rather than look for a mistake. With rewards from before the action learning is slow, and still falls short at the end; a time limit treated as an end costs little on this task. The hardest to catch is rounding: it hardly shows on the curve, and only a test like that of 4.4 will find it.
#
# So "it learns" does not prove "it is right". Least of all on FetchReach: [Plappert et al. (2018)](https://arxiv.org/abs/1802.09464) warned that the task is so easy that partially broken programs sometimes learn it.
#
# ## 4.13　Inside Stable-Baselines3
#
# You have your code in Stable-Baselines3 (SB3) already? Stay there. [`her.integrations.sb3.HindsightReplayBuffer`](../../her/integrations/sb3.py) takes the arguments of SB3's own HER buffer; change the name of the class and that is it. Below, the DQN, its network and its exploration are SB3's. Only the buffer is ours, and the evaluation: `evaluate`, with a wrapper around SB3's `predict`. Ten bits, eight thousand steps:

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

# %% [markdown] zh="eabc12ec"
# SB3's own class was not run here, so this compares no scores. The differences are in the details, and the details are what this chapter was about: there (version 2.9.2), the stored `done` stays under a new goal, here it follows the goal (4.7); there, nothing can be sampled before the first episode ends, here an episode can be sampled before it is over (4.6); saving loses no episode in progress; and there are the `random` strategy, priorities and curricula (chapter 5).
#
# ## 4.14　Looking back
#
# 1. **Seven lines to three.** A chi-square test over 63 cells could not tell loop, arrays and library apart, and caught "round to nearest" at once; mixed into half of the draws it is always caught, into a tenth mostly not (4.4).
# 2. **Goals at sampling time.** A fifth of the memory, and each transition meets ten times as many goals (4.2).
# 3. **Three pitfalls.** With the achieved goal one step early 78 % of the rewards are still right, so it goes unnoticed (4.5); under `future` a stale `done` is wrong on about three relabelled rows in ten (4.7); a normaliser shown the wrong data turns over a quarter of the goals into one number (4.10).
# 4. **DDPG's update** is on the page, and after a hundred batches it differs from the library's by 0 (4.10).
# 5. **The critic's map** measures the length of the path, not the straight line (4.11).
# 6. **"It learns" does not prove "it is right".** Of six mistakes only the copied rewards show at once (4.12). Another class name, and SB3's DQN uses this buffer (4.13).
#
# ### Three misconceptions
#
# - **"Relabelled rewards are all 0."** No. They are computed again, and most are still −1. "This road is *not yet* there" is information, too.
# - **"At the last step of an episode `done` is 1, of course."** Running out of time is truncation, not termination.
# - **"Normaliser and target clipping are details that one may leave out."** In the table of 4.11 the normaliser is worth a tenth; clipping shows no effect there, which says nothing about other tasks.
#
# ### Your turn
#
# Open [`exercises/en/ch4.ipynb`](../../exercises/en/ch4.ipynb): `epsilon_greedy`, `polyak_update`, `td_target`, `sample_her_batch`, and a bug to find, `mended_inputs`. The open task at the end is “A DQN with HER of your own”. If you do only one, do `td_target`: the pitfalls of 4.7 and 4.10 are waiting in it.
#
# ### The question for the next chapter
#
# Up to now every transition has had the same chance of being drawn. But of a hundred thousand, some teach you to get around a wall, and some are a puck lying still. **Which transitions deserve to be replayed?** ([chapter 5](05_priorities_and_curricula.ipynb))
