# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="5a1a2363"
# # 2　Relabelling
#
# > **In this chapter** there is a corridor, and a few hundred strolls through it, taken with eyes shut, *not one of which* gets where it was meant to go. Two identical tables learn from them. In one, not a single one of 243 numbers moves. The other ends up with every shortest path from every cell to every cell, correct to the last number. You can print them all and check by hand.
# >
# > **Time**: 35 minutes to read, about 2 minutes to run (2 CPU cores).
# >
# > **You need**: the sparse reward and $Q(s,a,g)$ of chapter 1; NumPy indexing.
#
# By the end you can:
#
# 1. relabel a transition in five lines of code, and say what changed and what did not;
# 2. take a failed episode and swap its goals step by step, `future`, $k=4$, pointing at the picture;
# 3. let the environment itself testify that relabelling is not cheating;
# 4. give three reasons why it works, with a number for each;
# 5. derive what share of the relabelled transitions succeeds, count it, and refute the claim of "$k/(k+1)$" on the way;
# 6. watch a table learn everything from failures, and say why such data ask for an off-policy learner.

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

schematic("relabel")

# %% [markdown] zh="8209a304"
# ## 2.1　Move the goalposts
#
# You take a shot, and the ball goes two metres wide of the right-hand post. No goal, says the referee.
#
# But you know what that shot has taught you: *kick like this, and the ball goes there*. Had the goal stood two metres to the right, it would have been a beauty. The introduction of [the paper](https://arxiv.org/abs/1707.01495) says the same with ice hockey (§1): people learn almost as much from what did not work out as from what did, and all that ordinary RL hears is "no goal".
#
# Hindsight experience replay (HER) moves the goalposts to where the ball came down, and learns from that.
#
# We need a failed episode. Take Reach from chapter 1, 8 steps only, so that each of them can be seen; and of a hundred agents that wander, the one that ends up farthest from its start:

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

# %% [markdown] zh="50c9f6bf"
# Eight steps, eight times −1. Now move the goal to where the agent stood at the end, and touch nothing else. Spot the difference:

# %%
from her import Episode
from her_course.figures.relabelling import draw_moved_goal

moved = Episode(episode.transitions)
moved.goal = episode.achieved_goals[-1]
fig, axes = plt.subplots(1, 2, figsize=(7.6, 4.2))
draw_moved_goal(axes, episode, moved, 0.06)
show(fig, "relabelling.moved")

# %% [markdown] zh="ac45b538"
# The path, the start, every single action are the same; only the green ring has moved. Failure on the left, success on the right, and *what happened* is identical.
#
# In formulas, a transition was
#
# $$(s_t,\;a_t,\;r_g(s_t,a_t,s_{t+1}),\;s_{t+1},\;g)$$
#
# Choose a goal that was really achieved later on, $g'=m(s_{j+1})$ with $j\ge t$, and relabel it as
#
# $$(s_t,\;a_t,\;r_{g'}(s_t,a_t,s_{t+1}),\;s_{t+1},\;g')$$
#
# Two things in five have changed: the goal is $g'$, and the reward is *computed again* for it. The code is hardly longer. `achieved_goal` is what was reached after the action, that is $m(s_{t+1})$:

# %%
from dataclasses import replace


def relabel(transition, new_goal):
    new_reward = float(reward(transition.achieved_goal, new_goal))
    return replace(transition, goal=new_goal, reward=new_reward)


# %% [markdown] zh="7d2f1510"
# Give the last step, as its goal, the place it reached. Before and after, field by field: which ones differ?

# %%
before = episode[7]
after = relabel(before, new_goal=episode.achieved_goals[7])
fields = ("state", "action", "reward", "next_state", "done", "goal")
rows = {
    name: [np.round(1.0 * getattr(one, name), 2) for one in (before, after)] for name in fields
}
pd.DataFrame(rows, ["before", "after"]).T


# %% [markdown] zh="94636f2d"
# ## 2.2　Step by step: `future`, k = 4
#
# There are many ways to choose where the goal goes, and the next chapter looks at all of them. This one uses the most common, `future`: for step $t$, draw $k$ **substitute goals** uniformly from the places reached **by this step and later**. With $k=4$ each step gets four relabelled copies beside the original: one step, five transitions.

# %%
def future(t, k, rng):
    return rng.integers(t, len(episode), size=k)


rng = np.random.default_rng(7)
chosen = [future(t, 4, rng) for t in range(len(episode))]

# %% [markdown] zh="376de395"
# All eight steps in print. A row is a step: where it led, the old reward, the four $j$ drawn, the four new rewards. Compare the first row with the last:

# %%
rows = []
for t, j in enumerate(chosen):
    new_rewards = [relabel(episode[t], episode.achieved_goals[i]).reward for i in j]
    rows.append((episode[t].achieved_goal.round(2), episode[t].reward, j, new_rewards))
heads = ["achieved goal", "reward", "j drawn", "new rewards"]
pd.DataFrame(rows, pd.RangeIndex(len(rows), name="t"), heads)

# %% [markdown] zh="391d4604"
# The last step has only one place to draw, the one it has just reached, and all four are 0. The first has eight: its own is sure to make a 0, and besides it only $j=2$ would, which happens to be within 6 cm. The rest stay −1: *another goal is not a goal reached*.
#
# Now as a picture. The thick arrow is the step at hand, hollow rings are candidates, full dots are drawn; green ones earn 0, blue ones −1. From top left to bottom right the candidates dwindle:

# %%
from her_course.figures.relabelling import draw_step

fig, axes = plt.subplots(2, 4, figsize=(9, 4.9))
for t, ax in enumerate(axes.flat):
    draw_step(ax, episode, t, list(chosen[t]), 0.06)
show(fig, "relabelling.steps")

# %% [markdown] zh="872795dc"
# Your turn. Run the next cell in JupyterLab and you get two sliders: `t` is the step, `k` how many goals are drawn. Push `t` from 0 to 7, then `k` up to 16; see how the candidates change, and when the green dots multiply. (On a static page there is one picture only, $t=2$, $k=4$.)

# %% tags=["nbval-ignore-output"]
from her_course.figures.relabelling import explore

explore(episode, lambda t, k: list(future(t, k, np.random.default_rng(0))), 0.06)

# %% [markdown] zh="ace9e24e"
# Now a real episode, of Push, and you do the pushing. You are blue, the puck is orange, the green ring is the goal; there are 50 steps, and an arrow moves you for two of them. You will probably miss, and that is fine. When time is up two pictures appear. On the left is the goal as it was; on the right it has moved to where the puck stopped (chapter 3 calls this choice `final`), the rewards are computed again, and *nothing you did* has changed. Guess first: in how many steps is the reward 0? Then play again and leave the puck alone. In how many now, and what are they worth? (Section 2.5 comes back to this. A static page shows one episode, played for you.)

# %%
from her_course.figures.play_push import play_push

play_push()

# %% [markdown] zh="14a04723"
# ### The whole algorithm in a box
#
# > **Algorithm 1　Hindsight experience replay** ([Andrychowicz et al. 2017](https://arxiv.org/abs/1707.01495), Algorithm 1), as this library runs it
# >
# > Given: an off-policy learner, a strategy $\mathbb S$ for choosing goals (here `future`), a reward function $r_g$, and $k$ substitute goals per real transition
# >
# > 1. Repeat:
# > 2. 　　draw a goal $g$ and a start $s_0$
# > 3. 　　for $t=0,\dots,T-1$: choose $a_t\sim\pi(\cdot\mid s_t,g)$, exploring, and go to $s_{t+1}$
# > 4. 　　store the episode in the replay buffer, **as it was played**
# > 5. 　　make some updates; for each:
# > 6. 　　　　draw a batch of transitions $(s_t,a_t,s_{t+1},g)$, uniformly
# > 7. 　　　　in $k/(k+1)$ of the rows, let $\mathbb S$ pick a $j$ *from the same episode*, and set $g\leftarrow m(s_{j+1})$
# > 8. 　　　　in all rows, set $r\leftarrow r_g(s_t,a_t,s_{t+1})$
# > 9. 　　　　update the learner once (`learn` of chapter 1)
#
# It differs from the paper in one place: the paper writes $k$ copies when it stores; here the goal changes in line 7. The mix is the same in expectation, memory is smaller by the factor $k$, and every draw can meet a new goal. Lines 6 to 8 are `sample` in [`her/hindsight.py`](../../her/hindsight.py).
#
# ## 2.3　Why should it be true?
#
# That was the question at the end of chapter 1: swapping goals afterwards sounds like cheating, so why should anything learned from it be true?
#
# Let us not argue, let us try. Each of the 32 copies claims: "*if* the goal had been $g'$, this step would have earned that much." So do it. Put the environment back to the same start, set the goal to $g'$ from the beginning, repeat the eight actions exactly, and see what the environment itself pays.

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

# %% [markdown] zh="1da9d173"
# `rewards[t, i]` is what environment $i$ paid for step $t$, in its own words. Two questions: are all 32 claims right? And did all 32 environments go the same way as the first time?

# %%
given = np.array(rewards)[step, np.arange(32)]
apart = abs(np.array(places) - episode.achieved_goals[:, None]).max()
print(f"{(given == claimed).sum()} of 32 rewards as claimed; paths at most {apart:.0e} m apart")

# %% [markdown] zh="07243d34"
# All 32 are right, and the way is the same. Relabelling made nothing up: each of its rewards is the one that the environment pays. There are just three reasons:
#
# 1. **The world does not look at the goal.** In $s_{t+1}\sim p(\cdot\mid s_t,a_t)$ there is no $g$. Push a puck, and where it slides has nothing to do with where you would like it.
# 2. **The reward can be computed.** $r_{g'}$ is a known function; it can score anybody, without going back to ask the environment.
# 3. **Every goal has a Bellman equation of its own.** All $Q(s,a,g')$ needs is that $(s,a,s')$ is true; it does not ask which goal the step was meant for.
#
# There are conditions. To the first: the observation must not contain the goal in disguise, or the state becomes a lie when the goal is swapped. To the second: you need to have the reward function, and it may look at nothing but the achieved and the desired goal. To the third: if the environment rolls dice, a goal picked as "where it happened to end up" is biased towards the lucky times ([Plappert et al. 2018](https://arxiv.org/abs/1802.09464), §2; [ARCHER](https://arxiv.org/abs/1809.02070)). The environments here are deterministic; chapter 6 works out a counter-example.
#
# ### What stays untouched
#
# What relabelling does *not* touch: the experience stored, the environment, the policy that explores, the episode's real goal, and the part of a batch (the transitions of one update) that keeps that goal. Hand the episode to the library and check one by one. Its rule is ours, except that it does not swap the goal until it samples:

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

# %% [markdown] zh="ad42b3ef"
# States, actions, next states and `done` are as they were, and in the fifth that was not relabelled the goals are too. That fifth matters: its goals are of the kind that the evaluation asks for.
#
# As for the other four fifths, are they what our `relabel` makes by hand? Check the first thousand rows one by one:

# %%
new = np.flatnonzero(batch.relabelled)[:1_000]
by_hand = [relabel(episode[rows[i]], batch.goals[i]).reward for i in new]
print(f"{(batch.rewards[new] != by_hand).sum()} of {len(new)} rewards differ")

# %% [markdown] zh="7f4e3786"
# ## 2.4　Why it works: three numbers
#
# **First, one step is many transitions.** Store an episode of 50 steps. Without HER it is 50 transitions, over and over. With $k=4$ copies it is $(1+k)$ times as many. And if goals are swapped when sampling? Step $t$ goes with $50-t$ goals. In a hundred thousand draws, how many *different* pairs (transition, goal) are there?

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

# %% [markdown] zh="40b02cf6"
# 50 against 1,325 (that is $50+\tfrac{50\cdot 51}{2}$). The walk was taken once, and there is more than twenty times as much to learn from it.
#
# **Second, there are 0s to be seen.** A hundred episodes, five thousand steps of wandering: how many rewards are 0? And in a relabelled batch?

# %%
many = HindsightExperienceReplay(5_000, 2, 2, 2, HERConfig("future", 4, reward), seed=0)
for one in play.episodes():
    many.store_episode(one)
zeros = (play.rewards == 0).sum()
print(f"as played: {zeros} of {play.rewards.size:,}")
print(f"relabelled: {(many.sample(100_000).rewards == 0).mean():.0%}")

# %% [markdown] zh="3fe360ed"
# From none at all to more than one in ten. Beside the lonely bar of chapter 1 a second one has stood up.
#
# **The third matters most: it learns to get *anywhere*.** The original experience is about one goal, and all it has is bad news. Relabelled experience is about every place on the way, and how many steps it takes. Get here, get there, and before long you can get where you wanted. Section 2.6 shows it, number by number, in a table.
#
# ## 2.5　How much of it succeeds?
#
# Chapter 1 left a riddle: four fifths of the rows had a new goal, and fewer than half succeeded. Here it was not even a fifth. A claim goes around that relabelling makes "a share $k/(k+1)$ of the samples succeed". Its likely source is a sentence of the paper's §3.1, that "at least half of the replayed *trajectories*" contain a reward other than −1; which is about trajectories, not transitions. Let us derive it.
#
# Take an episode of $T$ steps whose places are *all different*. The candidates of step $t$ are what steps $t,\dots,T-1$ reached, $T-t$ of them, and only one is "reached by this step": its own. Drawn uniformly, it comes up with probability
#
# $$P(\text{success}\mid t)=\frac{1}{T-t}$$
#
# Transitions are drawn uniformly too, each of $t=0,1,\dots,T-1$ with $1/T$, so
#
# $$P(\text{success}\mid\text{relabelled})=\frac1T\sum_{t=0}^{T-1}\frac{1}{T-t}=\frac1T\Big(1+\frac12+\dots+\frac1T\Big)=\frac{H_T}{T}$$
#
# $H_T$ is the harmonic number. It grows very slowly, about like $\ln T+0.58$; so the longer the episode, the smaller the share of successes.
#
# Look at it on our eight steps: on the left the probabilities as derived, with frames (the diagonal) around what is sure to succeed; on the right the shares *counted* in a hundred thousand draws from the library. The two tables should be the same, and there is a lot outside the frames, nearly all of it no success. ("Nearly", because the places of this episode are not all different: those of steps 0 and 2 are less than 6 cm apart, so cell (0, 2) counts as reached as well. Mind only the frames here.)

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


# %% [markdown] zh="fb2bc98f"
# Every row adds up to 1, and the mean of the framed numbers over the eight rows is $H_8/8$:

# %%
def harmonic_share(length):
    return (1 / np.arange(1, length + 1)).sum() / length


far = abs(counted - exact).max()
assert far < 0.02
print(f"farthest apart {far:.3f}")
print(f"mean of the diagonal {exact.diagonal().mean():.4f}, H₈/8 = {harmonic_share(8):.4f}")


# %% [markdown] zh="864c06cf"
# Now count longer episodes. To have all places different, let somebody walk along the number line, one cell a step; for several $T$ and $k$ draw two hundred thousand rows from the library and count:

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


# %% [markdown] zh="3dba3137"
# The first two columns are about relabelled rows only, formula and count; the last two about the whole batch at $k=4$, count and formula. At $T=50$: of the relabelled rows 0.0900 should succeed and 0.0887 do; of the batch 0.0720 and 0.0710, that is 7 %. Not 80 %.
#
# "All different" is an assumption. In real tasks places lie close together, or come again. So here are three tasks with a wandering agent, beside $H_T/T$:

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

# %% [markdown] zh="7873e601"
# Bit flipping is almost on the formula; the small excess comes from patterns flipped away and back. Reach is well above: neighbours within 6 cm count as reached. Push is far above, for another reason: in most episodes nobody touches the puck, the places "it reached" are all one, and whichever is drawn is reached, which teaches nothing. **$H_T/T$ is what you get when all places differ; the more they repeat, the more success there is, and the less it is worth.**
#
# On the left, see what happens with $T$: the black dots should sit on the blue line, the three tasks in orange on it or above. On the right, with $k$ at $T=50$: the claim in red, the formula in blue, the counts as black dots.

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

# %% [markdown] zh="5255efa4"
# The red crosses follow the claim, since $k/(k+1)$ is the share that *has a new goal*; the black dots lie at the bottom, and those are the successes. No $k$ gets beyond $H_T/T$.
#
# Is 7 % enough? It is. A −1 is news as well: "this way you are *not there yet*". Once there is a 0 to stand on, the −1 around it can tell near from far. The next section shows it.
#
# ## 2.6　A table in which you can see every number
#
# The network of chapter 1 has more than ten thousand weights for 15 bits, and nobody sees who learns what. So take the smallest of worlds: a corridor of 9 cells and three actions, left, stay, right. Then $Q(s,a,g)$ is a table of $9\times 9\times 3=243$ numbers.

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


# %% [markdown] zh="2da92e50"
# The data are strolls with eyes shut: start in any cell, name any goal, roll dice for 6 steps. Then do something harsh: whatever touched its goal, if only for one step, is *thrown away*.

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


# %% [markdown] zh="eeb785f4"
# A few hundred strolls are left, and not one success among them. The same failures go into two buffers: one replays them as they are, one with HER.

# %%
def fill(k, episodes, seed=0):
    config = HERConfig("future", k, same_cell)
    buffer = HindsightExperienceReplay(10_000, 1, 1, 1, config, seed=seed)
    for one in episodes:
        buffer.store_episode(one)
    return buffer


buffers = {k: fill(k, failures) for k in (0, 4)}


# %% [markdown] zh="e1d20003"
# Learning is the Bellman update of chapter 1, to the letter. The corridor is deterministic, so the learning rate may be 1: compute the new value, write it into the cell.
#
# $$Q(s,a,g)\;\leftarrow\;r_g+\gamma\,\max_{a'}Q(s',a',g)$$

# %%
def columns(batch):
    names = ("states", "actions", "next_states", "goals")
    return [getattr(batch, name)[:, 0].astype(int) for name in names]


def study(q, batch):
    s, a, after, g = columns(batch)
    q[s, g, a] = batch.rewards + GAMMA * q[after, g].max(axis=1)


# %% [markdown] zh="1b4839ef"
# Where does the table start? The two-line loop of chapter 1 ended up at $-1/(1-\gamma)$, the value of getting nowhere; with $\gamma=0.9$ that is −10. Both tables start from this number.
#
# First let them learn from *one* episode, and see which cells of the table each of them touches:

# %%
from her_course.figures.relabelling import draw_touched

fig, axes = plt.subplots(1, 2, figsize=(7, 4.3), sharey=True)
for ax, k in zip(axes, buffers, strict=True):
    touched = np.zeros((CELLS, CELLS), bool)
    s, _, _, g = columns(fill(k, failures[1:2]).sample(1_000))
    touched[s, g] = True
    draw_touched(ax, touched, k)
show(fig, "relabelling.touched")

# %% [markdown] zh="914e9a34"
# On the left, a single row: the episode is about its own goal and nothing else. On the right, four: every cell that a step led to has become a goal, and the real one, 6, is still there. That is the third point of 2.4.
#
# Now they learn from all the failures, 300 batches each. In the table without HER, which numbers are there?

# %%
tables = {k: np.full((CELLS, CELLS, 3), -10.0) for k in buffers}
for k, q in tables.items():
    for _ in range(300):
        study(q, buffers[k].sample(1_000))
print(np.unique(tables[0]))

# %% [markdown] zh="2171754d"
# One: −10. Three hundred thousand updates, and nothing moved. ($-1+0.9\times(-10)=-10$, the fixed point of chapter 1.)
#
# And with HER? Print $V(s,g)=\max_a Q(s,a,g)$, positions across, goals down, all 81 numbers:

# %%
values = {k: q.max(axis=2) for k, q in tables.items()}
cells = pd.RangeIndex(CELLS, name="position")
pd.DataFrame(values[4].T, cells.rename("goal"), cells).round(1) + 0.0


# %% [markdown] zh="610e1d16"
# Read the first row, where the goal is cell 0. In cell 0: 0. In cell 1 one step gets there, and the step that arrives earns 0, so 0 as well. Cell 2: −1. Cell 3: −1.9 … The rule is plain: from $d$ cells away the first $d-1$ steps cost one each, and then you stay put:
#
# $$V^*(d)=-\sum_{i=0}^{d-2}\gamma^i=-\frac{1-\gamma^{d-1}}{1-\gamma}$$
#
# How far off the formula are the 81 numbers?

# %%
def perfect(d):
    return -(1 - GAMMA ** np.maximum(d - 1, 0)) / (1 - GAMMA)


distance = abs(np.arange(CELLS)[:, None] - np.arange(CELLS))
print(f"{abs(values[4] - perfect(distance)).max():.6f}")

# %% [markdown] zh="7c57f21a"
# Not at all, not one of them. Here are both tables side by side, one number on the left, slopes everywhere on the right:

# %%
from her_course.figures.relabelling import draw_table

fig, axes = plt.subplots(1, 2, figsize=(9, 5.2), sharey=True)
for ax, k in zip(axes, values, strict=True):
    draw_table(ax, values[k], k, floor=-10)
show(fig, "relabelling.tables")

# %% [markdown] zh="82d82acd"
# Wait, there is something odd. From cell 0 to cell 8 it is 8 steps, but no stroll was longer than 6, so `future` can never have paired cell 0 with goal 8. Where does that −5.2 come from?
#
# From failures, and from those that were *not* relabelled. Somebody stood in cell 0, meant to go to cell 8, went one step right, was not there, −1. By itself that is useless; but once the value of getting to cell 8 from cell 1 is known, it is the last link of the chain. Bootstrapping passes values back cell by cell for one goal, $g=8$: near the goal they stand on relabelled 0s, and farther away real −1s carry them on.
#
# If you doubt it, take that fifth out and learn from relabelled rows only. How many of the 81 are right now?

# %%
only_new = np.full((CELLS, CELLS, 3), -10.0)
for _ in range(300):
    drawn = buffers[4].sample(1_000)
    new = drawn.relabelled
    s, a, after, g = (column[new] for column in columns(drawn))
    only_new[s, g, a] = drawn.rewards[new] + GAMMA * only_new[after, g].max(axis=1)
right = np.isclose(only_new.max(axis=2), perfect(distance)).sum()
print(f"{right} of 81 right; from cell 0: {only_new.max(axis=2)[0].round(1) + 0.0}")

# %% [markdown] zh="766cc096"
# Only some sixty. The row of numbers is the value of standing in cell 0 for goals 0 to 8: far goals are still at −10, the chain ends where no stroll got to. That is why a batch always keeps some rows as they were: their goals are those of the evaluation, and they carry values from near to far.
#
# Where there is a slope one can walk along it. Nine agents, one per row, all start in cell 4, in the middle; the green ring is the goal of the row. The policy is the same left and right: take the action with the largest $Q$, and roll dice where they are equal.

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

# %% [markdown] zh="5a6ebca8"
# Count who stands on their goal at the end:

# %%
arrived = {f"k = {k}": int((path[-1] == np.arange(CELLS)).sum()) for k, path in paths.items()}
print(arrived)


# %% [markdown] zh="4c0eac8f"
# ## 2.7　Walking and learning by yourself
#
# Those data came from strollers. A real agent has to do its own walking: it always starts in cell 0, goals are random, it follows its own table, and one step in five is random. After each episode it goes over 60 rows, *as many* with HER as without. The standard is high: without exploration it must get to every goal, and be standing on it *at the last step*.

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


# %% [markdown] zh="fea57df8"
# The corridor grows from 5 cells to 11, ten seeds each, at most fifteen thousand episodes. About a minute.

# %% tags=["nbval-ignore-output"]
from her_course.figures.progress import progress_bar

SEEDS = range(SEED, SEED + (10 if PROFILE == "full" else 2))
LIMIT = 15_000 if PROFILE == "full" else 1_000
lengths = (5, 7, 9, 11) if PROFILE == "full" else (5, 7)
needed = {"her": {}, "none": {}}
for cells in progress_bar(lengths):
    for name, k in (("her", 4), ("none", 0)):
        needed[name][cells] = [episodes_needed(cells, k, seed, LIMIT) for seed in SEEDS]

# %% [markdown] zh="fc6bd170"
# The axis is logarithmic, a dot is a seed, lines go through medians; the dotted line at the top is fifteen thousand, and a seed whose dot lies on it never mastered every goal. See how steep the two lines are:

# %%
from her_course.figures.relabelling import draw_episodes_needed

fig, ax = plt.subplots(figsize=(6.4, 3.6))
draw_episodes_needed(ax, needed, LIMIT)
show(fig, "relabelling.needed")

# %% [markdown] zh="add4f3c3"
# With 5 to 9 cells it takes two or three times as many episodes without HER; at 11 cells the lines really part. Without HER the agent waits for luck to carry it all the way, and each cell more costs some of that luck; with HER, the farthest place of yesterday is somewhere it can go today, and from there it tries one step more.
#
# How many times more? Mean of logarithms, with a 95 % interval over ten seeds (Student's t); those that never got there count as the limit, which can only make the difference *smaller*:

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

# %% [markdown] zh="90fac471"
# In the longest corridor the difference is an order of magnitude, and the lower end of the interval is well above 1.
#
# ### To be honest
#
# In a *table* there are other ways out. Start from 0 instead of −10, which says "whatever has not been tried is good": optimistic initialisation. The untried is always more tempting than the tried, so the agent searches the corridor cell by cell. Nine cells, no HER, two ways to start, the episodes that five seeds need:

# %% tags=["nbval-ignore-output"]
starts = {f"start {start:g}": start for start in (-10.0, 0.0)}
few, counts = SEEDS[:5], {}
for name, start in starts.items():
    counts[name] = [episodes_needed(9, 0, seed, LIMIT, start) for seed in few]
pd.DataFrame(counts, pd.Index(few, name="seed"))

# %% [markdown] zh="5460cd01"
# The optimist is much faster; of the blue dots at nine cells above, all but the lowest are slower. Then what is HER for? The trick lives and dies with the table: it needs a note *for each cell* that says "not been here". The networks of chapter 1 started near 0 too, which is optimistic enough; but bad news about one place is bad news about all of them, and after a few dozen rounds they had slid below −40 together. A network ties neighbours together. That is what it is good at, and why optimism does not last in it. HER does not rely on optimism. It relies on real 0s.
#
# ## 2.8　Why it must be off-policy
#
# There is something odd about relabelled data: the actions were taken on the way *to other goals*. The strollers did not even look at theirs. Who can learn from this "how to get to $g'$"?
#
# Try two ways on the same data, the strolls.
#
# **Learn from outcomes** (Monte Carlo, which most on-policy policy gradients build on): swap the goal for a place reached later, add up what the stroll earned, take the mean, call it the value. Swap the goal of step 0 of each stroll, and note the discounted sum over the 6 steps:

# %%
rng, returns, discounts = np.random.default_rng(0), {}, GAMMA ** np.arange(6)
for one in strolls:
    for _ in range(4):
        goal = one.achieved_goals[rng.integers(6)]
        d = int(abs(goal - one.states[0])[0])
        earned = (discounts * same_cell(one.achieved_goals, goal)).sum()
        returns.setdefault(d, []).append(earned)

# %% [markdown] zh="a6ff2a2b"
# What is **the truth**? A stroller rolls dice, and what 6 steps earn on average can be worked out backwards, exactly:

# %%
random_values, everywhere = np.zeros((CELLS, CELLS)), np.arange(CELLS)
for _ in range(6):
    by_action = []
    for after in (move(everywhere, action) for action in range(3)):
        by_action.append(-1.0 * (after[:, None] != everywhere) + GAMMA * random_values[after])
    random_values = np.mean(by_action, axis=0)

# %% [markdown] zh="4ae4e364"
# **Learn from single steps** (Q-learning, off-policy): that was `study` in 2.6. It only asks "where did this step lead, and what did it earn?" How to go on from there it asks *the table*, $\max_{a'}Q(s',a',g')$, and never what the stroller did next.
#
# Four lines in one picture, by how far the goal is. Grey is how well a stroller really does. Red claims to estimate grey: how far off is it? The blue dots claim to estimate black:

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

# %% [markdown] zh="7e47f384"
# And the numbers. The columns: the random policy's true value, the mean relabelled return, Q-learning, the best there is:

# %%
pd.DataFrame(estimates, pd.Index(d, name="cells to the goal")).round(2) + 0.0

# %% [markdown] zh="f72b14eb"
# Red matches neither line. It is well above what a stroller really earns: its goals were picked *after the outcome was known*, and the strolls that never got there were not counted. That is survivorship bias. Nor does it get near the best, since the actions were random. Improving a policy with it means acting on wrong numbers.
#
# Blue is exact, because it never averages over "what came next"; it uses the one step $(s,a,s')$. To be precise: $g'$ was picked after seeing $s'$ as well, since `future` picks what was reached from $s'$ on. Here that does no harm, because the corridor is deterministic: given $(s,a)$ there is one possible $s'$, picked or not. Where the world rolls dice, picking the goal amounts to picking $s'$; chapter 6 has the counter-example.
#
# **Off-policy** means that it does not matter whose action it was, and what for. So HER goes with DQN, DDPG, SAC, and not, as it stands, with REINFORCE, A2C, PPO (§3.3 of the paper asks for an off-policy learner). There is an on-policy relative: hindsight policy gradients ([Rauber et al. 2019](https://arxiv.org/abs/1711.06006)) correct for actions that were taken for another goal by importance weights.
#
# How many of the actions are beside the point? Of the relabelled transitions, count those whose action is *not* a best one for the new goal:

# %%
drawn = buffers[4].sample(100_000)
s, a, _, g = columns(drawn)
best = tables[4].max(axis=2, keepdims=True) - tables[4] < 1e-9
wrong, new = ~best[s, g, a], drawn.relabelled
shares = {"relabelled": wrong[new].mean(), "not relabelled": wrong[~new].mean()}
pd.Series(shares, name="actions that are not best").to_frame().map("{:.0%}".format)

# %% [markdown] zh="9b0e9c38"
# More than a quarter go the wrong way (more among the rows that were not relabelled), and the table learned every number all the same. Wrong moves are good for something too: they tell the table what is *bad*.
#
# ## 2.9　Looking back
#
# 1. **Two things changed, three did not.** The goal becomes $g'$, the reward is computed for $g'$; state, action and next state stay as they were, and so does all that is stored (2.1, 2.3).
# 2. **Step by step.** For step $t$, which has $T-t$ candidates, `future` draws $k$; the last step can only draw itself (2.2).
# 3. **No cheating.** Set the goal to $g'$ and do it again: the environment paid the same 32 rewards (2.3).
# 4. **Three numbers.** An episode of 50 steps holds 1,325 pairs of transition and goal; in Reach the 0s went from none to more than one in ten; an episode that was about 1 goal is about 4 (2.4, 2.6).
# 5. **The share of successes is $H_T/T$, not $k/(k+1)$.** At $T=50$: 0.0900 of the relabelled rows and 7.2 % of a batch with $k=4$, provided that all places differ (2.5).
# 6. **Everything from failures alone.** Without HER, 243 times −10; with HER, 81 values, each of them perfect (2.6). When the agent does its own walking, the factor is two to three up to 9 cells, and more than ten at 11 (2.7). Averages of outcomes are fooled, single steps are not (2.8).
#
# ### Three misconceptions
#
# - **"With the new goal, the reward is 0."** It is computed again. At $T=50$, more than nine relabelled rows in ten are still −1.
# - **"The goal was reached, so the actions are an expert's."** In the corridor more than a quarter of them were wrong. HER does not imitate; it scores the same step for another task.
# - **"PPO with HER should be even better."** On-policy methods average over what came next, and what came next was picked: without a correction, that is the red line.
#
# ### Your turn
#
# Open [`exercises/en/ch2.ipynb`](../../exercises/en/ch2.ipynb): `relabel_transition`, `relabel_final`, `expected_success_share`, `relabel_ending`, `share_when_it_stops`, and a bug to find, `mended_batch`. The open task at the end is “What is one line of `relabel_final` worth?” The first is the shortest and the easiest to get wrong: the check will ask whether you *really* left the old transition alone.
#
# To go further, shorten the strolls of 2.6 from 6 steps to 2, and then to 1, as many strolls as before. Guess first: will all 81 numbers still be right? Then think: why?
#
# ### The question for the next chapter
#
# So far it was always `future`: draw from what was reached later. But why not simply take the last place? Why not draw from other episodes? **Where should the goals come from, and how many?** See [chapter 3](03_goal_strategies.ipynb).
