# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="4acfbe8a"
# # 4　From a loop to arrays
#
# > **In this chapter** two agents share one network and one budget of thirty thousand steps. One learns to set all 15 bits right, the other stays at zero. Three lines of array code are all that lies between them. We grow those three lines out of a loop that anyone can read, and *prove* at every step that nothing has changed along the way.
# >
# > **Time**: 50 minutes to read, about 4 minutes to run (2 CPU cores).
# >
# > **You need**: NumPy indexing, and an idea of what a Q-value and a replay buffer are.
#
# By the end you can
#
# 1. write HER as a loop of seven lines, replace it by three lines of arrays, and show with data that both draw from one distribution;
# 2. work out why the goal is not swapped until *sampling*;
# 3. step around three pitfalls: the achieved goal is the one *after* the action, `done` follows the goal, and the normaliser must see what the network is really fed;
# 4. count how much of a batch succeeds. Many tutorials say 80 %; in the arena with the wall it is not even 20;
# 5. make DQN set 15 bits right with a training loop of a dozen lines, and DDPG find its way around a wall;
# 6. read the map in the critic's head;
# 7. recognise six mistakes that still learn a bit, and put the same buffer into Stable-Baselines3.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "en")
PROFILE = os.environ.get("HER_PROFILE", "full")
SEED = int(os.environ.get("HER_SEED", 0))

# %%
import matplotlib.pyplot as plt
import numpy as np

from her_course.figures import show, use_style

use_style(LANG)

# %% [markdown] zh="e964eb52"
# ## 4.1　A loop anyone understands
#
# HER has a single idea: you may not have got where you wanted, but you did get *somewhere*. Take the places you reached as goals, and a failed episode becomes a lesson in success (Andrychowicz et al. 2017).
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


# %% [markdown] zh="66252dce"
# Three points take 6 steps each in `her/Reach-v0`, an arena with a wall. The real task has 50 steps; fewer make a clearer picture.

# %%
episodes = list(play_randomly("her/Reach-v0", 3, steps=6, horizon=6).episodes())
print(*(episode.rewards.sum() for episode in episodes))

# %% [markdown] zh="fa05eb72"
# −6 for each episode: six steps, six misses. In the picture a colour is an episode. See how far the dots are from the ring of their colour: dots are where it went, the ring is where it was supposed to go, and there is a wall in between.

# %%
from her_course.figures.implementation import alt, draw_episodes

fig, ax = plt.subplots(figsize=(4.2, 4.2))
draw_episodes(ax, episodes, LANG)
show(fig, alt=alt("episodes", LANG))


# %% [markdown] zh="583a4b7e"
# Now swap the goals. The rule of the `future` strategy: the new goal of step $t$ is drawn uniformly from the places reached **by this step and later**. Draw $k$ times and you have $k$ extra copies. Written down as it stands, it takes seven lines, not counting `def`:

# %%
def store_copies(episode, k, rng):
    copies = []
    for t in range(len(episode)):
        for _ in range(k):
            j = rng.integers(t, len(episode))
            goal = episode.achieved_goals[j]
            copies.append((t, j, goal, reward(episode.achieved_goals[t], goal)))
    return copies


# %% [markdown] zh="10162821"
# Two spots deserve a pause. First, `rng.integers(t, len(episode))` includes its left end and excludes its right, so $j$ may equal $t$. Second, `reward(...)`: another goal is another task, so the reward is *computed again*, not copied.
#
# Here are the first four copies of the first episode, and the last four:

# %%
copies = store_copies(episodes[0], k=4, rng=np.random.default_rng(0))
for t, j, goal, r in copies[:4] + copies[-4:]:
    print(f"t = {t}   j = {j}   g = ({goal[0]:+.2f}, {goal[1]:+.2f})   r = {r:+.0f}")

# %% [markdown] zh="8692ae27"
# The last four are all alike, with reward 0: after the final step there is no "later", the only goal left is the place just reached, and of course one step reaches it. The first four depend on luck: only a goal that happens to be drawn near enough is reached in one step. Keep this contrast in mind; in 4.8 it will bring down a number that is repeated everywhere.

# %% [markdown] zh="4d94fdaf"
# ## 4.2　Why wait until sampling
#
# The loop swaps goals when it *stores*. The usual implementations today (OpenAI Baselines, Stable-Baselines3 and others) wait until they *sample*: the buffer holds only what really happened, and goals are picked afresh for each batch. Two sums say why.
#
# First, memory. A state of the `FetchPush` robot has 25 numbers, an action 4, a goal 3. A million transitions at 4 bytes a number:

# %%
state, action, goal = 25, 4, 3
numbers = 2 * state + action + 2 * goal + 1
for rows in (1, 1 + 4):
    print(f"{rows} x {1e6 * 4 * numbers / 1e9:.2f} GB = {rows * 1e6 * 4 * numbers / 1e9:.2f} GB")

# %% [markdown] zh="ca09d8a4"
# Second, freshness. Take step 0 of an episode of 50 and replay it 100 times. Swapped when stored, it has the 4 goals drawn on that day; swapped when sampled, a new one each time. How many different goals does it see in all?

# %%
rng = np.random.default_rng(0)
stored_once = rng.integers(0, 50, size=4)
print(len(set(rng.choice(stored_once, size=100))), len(set(rng.integers(0, 50, size=100))))

# %% [markdown] zh="352eac99"
# The same experience meets ten times as many goals, in a fifth of the memory. The price: every batch has to pick goals and compute rewards again, so this had better be fast.

# %% [markdown] zh="dccc2fb2"
# ## 4.3　Three lines of arrays
#
# Fast means no loop. Put all episodes end to end, and note two numbers for each row: which step of its episode it is (`position`), and how long that episode is (`length`).

# %%
achieved = np.concatenate([episode.achieved_goals for episode in episodes])
position = np.concatenate([np.arange(len(episode)) for episode in episodes])
length = np.concatenate([np.full(len(episode), len(episode)) for episode in episodes])
print(position, length, sep="\n")


# %% [markdown] zh="84fb4ca4"
# And here are the three lines: which transition, which goal, what reward.

# %%
def sample_goals(n, rng):
    row = rng.integers(len(achieved), size=n)
    goal_row = row + (rng.random(n) * (length - position)[row]).astype(int)
    rewards = reward(achieved[row], achieved[goal_row])
    return row, goal_row, rewards


# %% [markdown] zh="8dc38cfb"
# The middle one is worth a second look. From step $t$ on, itself included, there are $T-t$ rows left, which is `length - position`. A uniform number from $[0,1)$ times that, rounded down, picks one of $0,1,\dots,T-t-1$, each equally likely. Added to `row` it gets as far as the last row of the episode and never into the next one. Without a single `if`.

# %% [markdown] zh="cb05e29e"
# ## 4.4　Proof: one of these four pictures is wrong
#
# The library's buffer does these three lines, and the chores that make them fit for daily use. In go the three episodes:

# %%
from her import HERConfig, HindsightExperienceReplay

config = HERConfig(strategy="future", n_sampled_goal=4, reward_function=reward)
buffer = HindsightExperienceReplay(capacity=1_000, state_dim=2, action_dim=2, goal_dim=2, config=config, seed=0)
for episode in episodes:
    buffer.store_episode(episode)
buffer

# %% [markdown] zh="e350a174"
# That makes three ways to write it: the loop, the three lines, the library. Let each draw about ten thousand (transition, goal) pairs, and note which row was given the goal reached in which row. The loop goes first: it stores the same three episodes a thousand times over, and we take ten thousand pairs at random.

# %%
rng = np.random.default_rng(1)
loop = []
for _ in range(1_000):
    for first, episode in zip((0, 6, 12), episodes, strict=True):
        loop += [(first + t, first + j) for t, j, *_ in store_copies(episode, 4, rng)]
loop = rng.permutation(loop)[:10_000]

# %% [markdown] zh="e926aa74"
# Then the three lines and the library, whose batches carry their provenance: `indices` are the numbers of the transitions, `goal_indices` those of the transitions that reached the goals. Transitions are numbered in the order of storing; a number modulo the capacity is the row, and during the first lap the two are equal.

# %%
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
from her_course.figures.implementation import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, name in zip(axes, draws, strict=True):
    draw_pairs(ax, count(draws[name]), name, LANG, most=0.06)
show(fig, alt=alt("pairs", LANG))

# %% [markdown] zh="a3247f3d"
# Eyes can be fooled, so let a chi-square test be the judge: if a picture came from the same distribution as the loop (A), how likely is a difference this large by luck alone? That is $p$, over all 63 cells.

# %%
from scipy.stats import chi2_contingency

for name in "BCD":
    both = np.stack([count(draws["A"]), count(draws[name])])
    both = both[:, both.any(axis=0)]
    print(f"A / {name}:   {both.shape[1]} cells   p = {chi2_contingency(both).pvalue:.2g}")

# %% [markdown] zh="26fccf6f"
# The three lines (B) and the library (D) cannot be told from the loop. Rounding (C) has a $p$ of practically 0, caught in the act: goals at both ends get half their share. That is what C is here for. *A test that can't catch a mistake proves nothing.*

# %% [markdown] zh="ba10d746"
# ## 4.5　Hands on: configure, store, sample
#
# A `HERConfig` says three things: how goals are picked (`strategy`), how many substitutes there are for each real goal (`n_sampled_goal`, the $k$), and what the reward is (`reward_function`). Misspell a name, and it tells you which ones there are:

# %%
try:
    HERConfig(strategy="furture", reward_function=reward)
except ValueError as error:
    print(error)


# %% [markdown] zh="ea8708a3"
# ### A reward for a batch, or for a pair?
#
# Many reward functions were written for *one* pair of goals. Feed one a batch and it does not complain, it is quietly wrong: 18 rows in, one number out.

# %%
def one_pair(achieved, desired):
    return 0.0 if np.linalg.norm(achieved - desired) < 0.06 else -1.0


print(one_pair(achieved, achieved[::-1]), reward(achieved, achieved[::-1]).shape)

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

# %% [markdown] zh="2f1555d3"
# Slow, but right. A function written for batches gives, from the same seed, the very same rewards:

# %%
batched = HindsightExperienceReplay(1_000, 2, 2, 2, config, seed=7)
for episode in episodes:
    batched.store_episode(episode)
np.array_equal(row_wise.sample(1_000).rewards, batched.sample(1_000).rewards)


# %% [markdown] zh="c3bb6081"
# ### The achieved goal comes after the action
#
# The reward of step $t$ answers "where did this action take me?", so it is $r(\text{ag}_{t+1}, g)$ and not $r(\text{ag}_t, g)$. Bit flipping, where the achieved goal is the state itself, will tell: how many of the environment's rewards do we get back with the goal after the action? And with the one before?

# %%
def all_bits(achieved, desired):
    return np.all(achieved == desired, axis=-1) - 1.0


bits = play_randomly("her/BitFlip-v0", 200, steps=3, n_bits=3)
for achieved_goals in (bits.achieved_goals, bits.states):
    print(f"{(all_bits(achieved_goals, bits.goals) == bits.rewards).mean():.0%}")

# %% [markdown] zh="01fbfcf5"
# One step off, and most rewards still look right; that is why this mistake lives so long. `Transition.achieved_goal` has one convention: reached *after the action*.
#
# ### Storing: one by one, or as arrays
#
# A simulated episode, by hand: somebody walks to the right along a line, from 0, hoping for 99. As objects it explains itself:

# %%
from her import Episode, Transition

steps = [Transition([x], 1.0, -1.0, [x + 1], False, goal=[99.0], achieved_goal=[x + 1]) for x in range(5)]
Episode(steps)


# %% [markdown] zh="111a462d"
# As arrays it is much faster, and what gets stored is the same:

# %%
def walk(n):
    x = np.arange(n + 1.0)
    return Episode.from_arrays(x[:-1], np.ones(n), -np.ones(n), x[1:], np.zeros(n), x[1:], goal=[99.0])


all(np.array_equal(getattr(walk(5), name), getattr(Episode(steps), name)) for name in Episode.__slots__)

# %% [markdown] zh="3809e0f3"
# An episode of the wrong shape is not let in, and harms nothing inside:

# %%
try:
    buffer.store_episode(walk(5))
except ValueError as error:
    print(error)
print(buffer)

# %% [markdown] zh="3e0431ba"
# ### Sampling: what is in a batch
#
# Every field is an array with one row per transition. Next to the usual five stands the provenance: which rows were given another goal (`relabelled`), the number of the transition, and that of the transition which reached its goal.

# %%
batch = buffer.sample(256)
for name in ("states", "actions", "rewards", "next_states", "dones", "goals", "relabelled", "indices", "goal_indices"):
    print(f"{name:13} {getattr(batch, name).dtype!s:8} {getattr(batch, name).shape}")

# %% [markdown] zh="46026a92"
# Provenance can be audited. Was each new goal really reached in row `goal_indices`? And is every reward, swapped or not, what the reward function says about that row?

# %%
looked_up = np.where(batch.relabelled[:, None], achieved[batch.goal_indices], batch.goals)
np.array_equal(batch.goals, looked_up), np.array_equal(batch.rewards, reward(batch.achieved_goals, batch.goals))

# %% [markdown] zh="293cd301"
# `.torch()` joins state and goal into `[state, goal]`, the input of a universal value function $Q(s, a, g)$. Mind that the goal is swapped in `observations` and in `next_observations`: forget the second, and you bootstrap from the value of the old task.

# %%
tensors = batch.torch()
for name, tensor in tensors._asdict().items():
    print(f"{name:18} {tuple(tensor.shape)}")
np.array_equal(tensors.next_observations, np.hstack([batch.next_states, batch.goals]))

# %% [markdown] zh="d05ffbdd"
# ## 4.6　The ring: who has to leave when it is full
#
# The buffer is a ring of `capacity` rows, one for each real transition. When there is no room the oldest episode goes, and goes *as a whole*: half an episode would send `future` to the wrong goals. This ring has a mere 20 rows; in go three episodes, of length 7, 6 and 5. (`StepwiseReplay` is the same kind of buffer, but it can also store step by step, which we will need shortly.)

# %%
from her.stepwise import StepwiseReplay

line_config = HERConfig("future", 4, lambda achieved, desired: sparse_reward(achieved, desired, threshold=0.5))
ring = StepwiseReplay(20, 1, 1, 1, line_config, seed=0)
for n in (7, 6, 5):
    ring.store_episode(walk(n))
len(ring)

# %% [markdown] zh="b07a2c78"
# Now a fourth one, of 4 steps, but the ring has only 2 rows left at its end. An episode never runs over the end of the ring: it is one piece of memory, so `row + …` in the three lines never has to wrap around. An episode that does not fit begins at row 0, and the rows left over at the end stay empty. So somewhat fewer than `capacity` transitions may be stored.
#
# After it comes an episode that is still going on, stored step by step with `add`. Read from left to right (row 0 is at twelve o'clock, counting clockwise): who disappeared? Which two cells stay empty? The arrow shows how far the ring has been written.

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

# %% [markdown] zh="1df39131"
# An unfinished episode can be sampled too; its "later" just ends at the present. The fifth has 3 steps so far, so its substitute goals can only be 1, 2 and 3. (The ring is in its second lap, so the row is the number modulo the capacity.)

# %%
batch = ring.sample(1_000)
rows = batch.indices % ring.capacity
lengths = (ring.episode_end - ring.episode_start)[rows]
np.unique(batch.goals[batch.relabelled & (lengths == 3)]).tolist()

# %% [markdown] zh="c2cb761d"
# ## 4.7　`done` follows the goal
#
# There is one convention throughout: `dones` says where, **under the goal in this batch**, bootstrapping stops. When the task is really over, that is termination; when only the time is, that is truncation, and it doesn't count: the clock stopped, the road did not. (It has nothing to do with the clipping of 4.11.) In the course's three environments reaching the goal doesn't count either, the episode goes on. So there is no `done` at all.

# %%
for env_id, horizon in (("her/BitFlip-v0", 8), ("her/Reach-v0", 50), ("her/Push-v0", 50)):
    play = play_randomly(env_id, 20, horizon)
    print(f"{env_id:15} ended {play.ended[-1].mean():.0%}   done {play.terminated.mean():.0%}")


# %% [markdown] zh="c4929531"
# Trouble begins where success ends the episode. Let us make such data: 4 bits, and off home as soon as they are right.

# %%
def cut_at_success(episode):
    success = episode.rewards == 0
    rows = slice(success.argmax() + 1 if success.any() else None)
    arrays = (episode.states, episode.actions, episode.rewards, episode.next_states, success, episode.achieved_goals)
    return Episode.from_arrays(*(array[rows] for array in arrays), goal=episode.goal)


play = play_randomly("her/BitFlip-v0", 200, steps=12, n_bits=4, horizon=12)
short = [cut_at_success(episode) for episode in play.episodes()]
print(f"{np.mean([episode.dones[-1] for episode in short]):.0%}")

# %% [markdown] zh="2c4ce9e9"
# About half of the episodes end in success, stored with a `done` of 1. Under another goal that is old news, about the previous task. Among the relabelled rows, how often is the stored `done` wrong for the new goal? It can fail to stop where it should, or stop where it shouldn't.

# %%
stored_dones = np.concatenate([episode.dones for episode in short])
for strategy in ("future", "episode", "random"):
    mixed = HindsightExperienceReplay(5_000, 4, 1, 4, HERConfig(strategy, 4, all_bits), seed=0)
    for episode in short:
        mixed.store_episode(episode)
    batch = mixed.sample(20_000)
    stale, right = stored_dones[batch.indices][batch.relabelled], batch.dones[batch.relabelled]
    print(f"{strategy:8} {(right & ~stale).mean():4.0%} {(stale & ~right).mean():4.0%}")

# %% [markdown] zh="6c407843"
# Left, should have stopped and didn't; right, stopped and shouldn't have. With `future`, the stale `done` is wrong on three relabelled rows in ten. The library reads off the real episodes that success ends them, and judges again under the new goal, so `batch.dones` is right. To say it yourself, give `HERConfig` a `done_function`.
#
# What does a wrong one cost? A sum for each kind. First, stopped and shouldn't have: after this step the new goal is still 11 steps away, the target should be $-1 + \gamma V(s')$, but the stale `done` says "the end" and leaves −1. Second, should have stopped and didn't: this step gets there, the target should be 0; without the stop it keeps paying, and since bits can't stand still it can only flip out and back, one step −1, one step 0:

# %%
gamma = 0.98
ten_steps = -(1 - gamma**10) / (1 - gamma)
back_and_forth = -1 / (1 - gamma**2)
print(f"{-1 + gamma * ten_steps:.2f} -> {-1:.2f}      {0:.2f} -> {gamma * back_and_forth:.2f}")

# %% [markdown] zh="8c63e6c6"
# The far-off is painted near, the finish is painted as endless misery. No error is raised. The critic just learns about a world that is slightly bent.
#
# ## 4.8　Eighty per cent? Count
#
# Many tutorials say that after relabelling "a share $k/(k+1)$ of the samples succeeds", which for $k=4$ is 80 %. Count. A hundred random episodes of 50 steps:

# %%
T, k = 50, 4
play = play_randomly("her/Reach-v0", 100, steps=T)
reach = HindsightExperienceReplay(10_000, 2, 2, 2, HERConfig("future", k, reward), seed=0)
for episode in play.episodes():
    reach.store_episode(episode)
batch = reach.sample(100_000)
print(f"{batch.relabelled.mean():.1%}   {(batch.rewards == 0).mean():.1%}")

# %% [markdown] zh="98470f42"
# 80 % were *relabelled*, but little more than a tenth succeed. Why? Think of the eight copies in 4.1: at the last step the only goal left is the place just reached, a sure success, while the goals of the first step lie all over the episode. Step $t$ draws its own with probability $1/(T-t)$; on average over $t$:
#
# $$\frac{1}{T}\sum_{t=0}^{T-1}\frac{1}{T-t} = \frac{1}{T}\left(1+\frac12+\dots+\frac1T\right) = \frac{H_T}{T}$$
#
# Times the share that is relabelled:

# %%
harmonic = sum(1 / n for n in range(1, T + 1))
own = batch.goal_indices == batch.indices
print(f"H_T/T = {harmonic / T:.3f}   k/(k+1) * H_T/T = {k / (k + 1) * harmonic / T:.1%}   {own.mean():.1%}")

# %% [markdown] zh="acc326b8"
# The sum and the count agree (the last number: rows whose goal is the very place they reached). Left, three shares against the folklore. Right, the same by position $t$: the dots should sit on the black line, and the crosses somewhat above. Where does the extra come from?

# %%
from her_course.figures.implementation import draw_reward_mix, draw_success_by_position

success = batch.rewards == 0
t = batch.indices - reach.episode_start[batch.indices]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(2, 3))
draw_reward_mix(axes[0], batch.relabelled, own, success, k, LANG)
draw_success_by_position(axes[1], t[batch.relabelled], own[batch.relabelled], success[batch.relabelled], LANG)
show(fig, alt=alt("reward_mix", LANG))


# %% [markdown] zh="b668c4a0"
# From the neighbours: whatever lies within $\varepsilon$ of the place reached counts as reached. So $H_T/T$ is the value when *no two achieved goals are close*, and other environments differ. What of bit flipping, and of pushing a puck (`her/Push-v0`)? And while we are at it: in how many episodes does the puck move at all?

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


# %% [markdown] zh="79c752cb"
# Pushing does get close to "80 %", for all the wrong reasons. In most episodes nobody touched the puck (these are a mere hundred; in the twenty thousand of chapter 1 it moved in fewer than four in ten, too): wherever it has been, it has been in one place, any swapped goal is a success, and nothing is taught. **More successes do not mean more to learn from.** Which transitions are worth learning from? Next chapter.

# %% [markdown] zh="e9c435e5"
# ## 4.9　How fast, then
#
# Turn the loop into one that relabels when it samples, and race it against the buffer. Look at the ratio only; milliseconds differ from machine to machine:

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

# %% [markdown] zh="cdfaebd6"
# Training draws a few thousand batches, so this is the difference between a coffee break and the blink of an eye.
#
# A buffer can be saved, too: no pickle, no half-written file if the power goes, and the random generator is saved along with it. So what it samples *next*, once loaded, is the same to the last goal:

# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    reach.save(Path(folder) / "buffer.npz")
    again = HindsightExperienceReplay(10_000, 2, 2, 2, HERConfig("future", k, reward))
    again.load(Path(folder) / "buffer.npz")
np.array_equal(reach.sample(256).goals, again.sample(256).goals)

# %% [markdown] zh="0eceaa0a"
# ## 4.10　A training loop of a dozen lines
#
# Show time. The task: 15 bits, one flip a step, 15 steps to turn them into a given pattern. There are $2^{15}$ patterns, and random flips almost never find one. A line each for environments, buffer and agent; small networks are fastest on a single thread.

# %%
import torch

from her.agents import DQN, DQNConfig

torch.set_num_threads(1)
envs, test_envs = (make_envs("her/BitFlip-v0", n, n_bits=15) for n in (64, 100))
buffer = HindsightExperienceReplay(40_000, 15, 1, 15, HERConfig("future", 4, all_bits), seed=0)
agent = DQN(15 + 15, 15, DQNConfig(learning_rate=2e-3, tau=0.02), seed=0)

# %% [markdown] zh="36d458e2"
# A round does three things: 64 environments play an episode each; the episodes are stored; 80 batches are sampled and learned from. The agent knows nothing of HER; all it sees is batches. After each round an exam without exploration, and by the paper's rule an episode succeeds if the pattern is hit at any step.

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

# %% [markdown] zh="dce118eb"
# It climbs from 0 to nearly 1. Fifteen thousand steps for over thirty thousand patterns is less than half a step for each, and yet almost any pattern asked for gets done.
#
# Thanks to HER, or would this network have managed anyway? Swap the buffer, leave everything else, run again. `her.training.Trainer` is the loop above plus a schedule of evaluations and seeds; `strategy="none"` is plain replay without HER. (On the command line, `her train her/BitFlip-v0 --env-kwargs n_bits=15` runs the same thing.)

# %%
from functools import partial

from her_course.figures.progress import on_all_cores
from her.training import Trainer, settings_for


def run(env_id, strategy, seed, **settings):
    trainer = Trainer(settings_for(env_id, strategy=strategy, seed=seed, **settings))
    curve = [(p.env_steps, p.success_rate) for p in trainer.run() if p.success_rate is not None]
    return trainer.agent, curve, trainer.final_evaluation()


# %% [markdown] zh="90e16361"
# A single seed says little. Take several, on all cores at once (`on_all_cores`), and put the curves in a table, a row for each seed.

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

# %% [markdown] zh="c3ef2593"
# Lines are means over seeds, bands are 95 % bootstrap intervals; with three seeds an interval is a rough guide. What to look for: where do the two part ways?

# %%
from her_course.figures.experiments import draw_hindsight_against_none

fig, ax = plt.subplots()
draw_hindsight_against_none(ax, {name: curve for name, (_, curve, _) in bit_runs.items()}, LANG, success_at="any")
ax.legend()
show(fig, alt=alt("bits", LANG))

# %% [markdown] zh="4ea14722"
# The points on the curve are tests along the way. The final exam has other questions: 200 new goals for each seed, with a 95 % Wilson interval. The assertion at the end nails down what this section claims: with HER every seed is above 90 %, without it none gets to 5 %.

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

# %% [markdown] zh="310f340a"
# Let us not overstate it. DQN without HER is not *for ever* unable to learn this, only within this budget. Besides, it is fed bits as ±1; written another way, they are learned at another pace (`results/encoding` has measured it: fed only "which bits differ", it learns 15 bits without HER). A result comes with its budget and its representation.

# %% [markdown] zh="45a91253"
# ## 4.11　Before the network is fed: normalising and target clipping
#
# Walking around a wall takes continuous actions, hence DDPG. Before it sets off, let us see what two small tools from the paper's Appendix A do (DQN clips its targets, too).
#
# **The normaliser** subtracts a mean from every input, divides by a standard deviation, and clips to ±5. But the mean and standard deviation of what? The environment's goals are all to the *right* of the wall, relabelled ones mostly to the *left*. Suppose it is shown only the original goals. Both panels have the same network inputs; only what the normaliser has been shown differs. Red is cut off.

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

# %% [markdown] zh="8b59d92f"
# The percentages are the shares cut off. To the network all those goals are one and the same number: places far left of the wall can't be told apart any more. That is why the trainer shows the normaliser *sampled batches*, before each round of updates.
#
# **Target clipping** looks after the other end. With rewards of −1 and 0 a return must lie in $[-1/(1-\gamma),\,0]$, which for $\gamma=0.98$ is $[-50, 0]$. A fresh network hasn't heard of that. How many of its cheques would bounce?

# %%
fresh = DQN(15 + 15, 15, seed=0)
tensors = bit_buffer.sample(10_000).torch()
targets = tensors.rewards.numpy() + 0.98 * fresh.q_values(tensors.next_observations.numpy()).max(axis=1)
print(f"{(targets > 0).mean():.0%}   {(targets.clip(-50, 0) > 0).mean():.0%}")

# %% [markdown] zh="51846287"
# About a fifth of the targets are above 0: "better than sitting at the goal for good". Such promises are what $\max$ picks first, and bootstrapping passes them on. Clipping them costs nothing.

# %% [markdown] zh="d631311e"
# ## 4.12　Learning to walk around a wall
#
# The real `her/Reach-v0`: start left of the wall, goal on the right, 50 steps to get through the gap, and the *last* step has to be within 6 cm of the goal. That is stricter than "touched at some step", and it is how the paper judges robots.

# %% tags=["nbval-ignore-output"]
max_steps = 100_000 if PROFILE == "full" else 60_000
reach_task = {"env_id": "her/Reach-v0", "max_steps": max_steps, "evaluate_every": 2}
reach_runs = train(**reach_task)

# %% [markdown] zh="677751f8"
# Compared with the bits, look at two things: how long until take-off, and how steady it is at the top.

# %%
fig, ax = plt.subplots()
draw_hindsight_against_none(ax, {name: curve for name, (_, curve, _) in reach_runs.items()}, LANG, success_at="end")
ax.legend()
show(fig, alt=alt("reach", LANG))

# %% tags=["nbval-ignore-output"]
with_her, without = final_exam(reach_runs, at="end")
assert min(with_her) > max(without) + 0.5

# %% [markdown] zh="0e5cfe5b"
# The worst seed with HER is more than fifty points above the best without (the assertion says so). One network, one number of steps; only the goals and rewards in the batches differ.
#
# ### The map in the critic's head
#
# The goal is part of the input, so we may fix one and ask the critic about standing *anywhere*: how does it look from there? Put the goal top right, behind the wall, and ask about 81 × 81 positions.

# %%
from her_course.figures.implementation import arena_grid

agent = reach_runs["her"][0][0]
goal = np.array([0.4, 0.75], np.float32)


def ask(positions):
    observations = np.hstack([positions, np.tile(goal, (len(positions), 1))])
    actions = agent.act(observations)
    return agent.q_values(observations, actions), actions


# %% [markdown] zh="67426e81"
# Brighter is better, numbers on the contours are $Q$, arrows are where the actor wants to go, the star is the goal; the point's centre cannot get into the light grey along the wall. Look at M first: close to the star as the crow flies, and yet dark. Then start from the star and follow the bright colours: where does the bright path get through the wall?

# %%
from her_course.figures.implementation import draw_values

spots = {"M": (-0.2, 0.75), "N": (0.6, -0.65)}
positions = arena_grid(81)
fig, ax = plt.subplots(figsize=(5.6, 4.6))
draw_values(ax, positions, *ask(positions), goal, LANG, spots)
show(fig, alt=alt("values", LANG))

# %% [markdown] zh="34920ce2"
# A few centimetres apart, on the two sides of the wall, the value breaks in two. Nobody gave it a map or said there was a wall; all it ever had was places it had got to, and how many steps they took. Once more in numbers: N is more than twice as far from the star as M. Which one does the critic prefer?

# %% tags=["nbval-ignore-output"]
where = np.array(list(spots.values()), np.float32)
values, _ = ask(where)
for name, spot, value in zip(spots, where, values, strict=True):
    print(f"{name}   {np.linalg.norm(spot - goal):.2f} m   Q = {value:.1f}")
assert values[0] < values[1]

# %% [markdown] zh="f3fc8567"
# M, the near one, is worse: it has to go back to the gap first. $Q$ measures not the straight line but the *length of the path*.
#
# ### Watch it walk
#
# Four starts, four goals; both agents walk them, and the environment draws the pictures.

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


# %% [markdown] zh="37cbb4b1"
# Above without HER, below with it; a column has the same start and goal, and the green ring is the goal. Watch how the points below turn at the gap.

# %%
from her_course.figures import animate
from her_course.figures.implementation import side_by_side

frames = side_by_side(film(reach_runs["none"][0][0]), film(reach_runs["her"][0][0]))
animate(frames, fps=8, alt=alt("walk", LANG))


# %% [markdown] zh="e59cbe65"
# ## 4.13　Wrong, and still learning a bit
#
# HER code has a nasty habit: written wrong, it raises no error, and often it even learns a bit, so that mistakes live for years. Let us switch the common ones on, one at a time, and see what each leaves on the curve. First, data as plain as can be: every round of practice laid flat, 15 rows an episode, end to end.

# %%
def flatten(play):
    fields = (play.states, play.actions, play.next_states, play.goals, play.achieved_goals, play.rewards, play.ended)
    return [field.swapaxes(0, 1).reshape(-1, *field.shape[2:]) for field in fields]


# %% [markdown] zh="d1dcc10d"
# Now a sampler with six mistakes, each in its place; do read it line by line. Rounding and "before the action" have been found in released libraries, and the others take no more than a moment's inattention. The first half picks goals and computes rewards; four of the mistakes are here:

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


# %% [markdown] zh="3f466911"
# The second half puts the batch together; the other two are here:

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


# %% [markdown] zh="c2edf1c5"
# - `old rewards`: the goal is replaced, the reward copied as it was;
# - `old next goal`: replaced beside `state`, forgotten beside `next_state`;
# - `all successes`: relabelled means successful, so 0 it is, always;
# - `before the action`: what is compared was reached *before* the action;
# - `time limit`: time is up, and that is taken for an end;
# - `rounded`: the rounding of 4.4.
#
# The training loop is that of 4.10, word for word, around another sampler:

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

# %% [markdown] zh="86ce57a9"
# Guess before you look: which of the six would you have noticed? The black line has no mistake. On the left are those that learn badly; on the right those that are merely late.

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

# %% [markdown] zh="7c05f3e9"
# The table has the mean of each curve's last three exams (success at any step). Old rewards are the easiest to catch: nothing moves. The most treacherous are the zeros and the forgotten `next_state`: they *do rise*, and you will go and tune the learning rate rather than look for a mistake. Rewards from before the action come late, no more; a time limit taken for an end costs little on this task; rounding is only a touch slower, you would blame it on the seed, and only a test like that of 4.4 will find it.
#
# So "it learns" does not prove "it is right". Least of all on FetchReach: Plappert et al. (2018) warned that the task is so easy that partially broken programs sometimes learn it.

# %% [markdown] zh="2931c295"
# ## 4.14　Inside Stable-Baselines3
#
# You have your code in Stable-Baselines3 (SB3) already? Stay there. `her.integrations.sb3.HindsightReplayBuffer` takes the arguments of SB3's own HER buffer; change the name of the class and that is it. Below, the DQN, its network and its exploration are SB3's. Only the buffer is ours.

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


# %% [markdown] zh="809b905b"
# Ten bits, eight thousand steps. `n_sampled_goal=0` replaces no goal: the same class without HER. For the exam, our `evaluate` takes SB3's `predict` with a wrapper around it.

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

# %% [markdown] zh="296a80b5"
# Every seed says the same: four goals, learned; none, not learned. SB3's own class was not run here, so this compares no scores. The differences are in the details, and the details are what this chapter was about: there (version 2.9.2), the stored `done` stays under a new goal, here it follows the goal (4.7); there, nothing can be sampled before the first episode ends, here an episode can be sampled before it is over (4.6); saving loses no episode in progress; and there are the `random` strategy, priorities and curricula (chapter 5).

# %% [markdown] zh="be922b71"
# ## 4.15　Looking back
#
# 1. **Seven lines to three.** A chi-square test over 63 cells could not tell loop, arrays and library apart, and caught "round to nearest" on the spot (4.4).
# 2. **Goals at sampling time.** A fifth of the memory, and each transition meets ten times as many goals (4.2).
# 3. **Three pitfalls.** With the achieved goal one step early most rewards are still right, so it goes unnoticed (4.5); under `future` a stale `done` is wrong on three relabelled rows in ten (4.7); a normaliser shown the wrong data turns over a quarter of the goals into one number (4.11).
# 4. **Not 80 %.** A share $k/(k+1)$ is relabelled; the share that succeeds is at least $\frac{k}{k+1}\cdot\frac{H_T}{T}$, for $T=50$ 7.2 % (4.8).
# 5. **A training loop of a dozen lines** set 15 bits right and got around the wall; on the same budget neither worked without HER (4.10, 4.12).
# 6. **The critic's map** measures the length of the path, not the straight line (4.12).
# 7. **"It learns" does not prove "it is right".** Of six mistakes only the copied rewards show at once; two climb only part of the way, and one hardly shows on the curve (4.13).
# 8. **Another class name**, and SB3's DQN uses this buffer: ten bits, learned with new goals and not without (4.14).
#
# ### Three misconceptions
#
# - **"Relabelled rewards are all 0."** No. They are computed again, and most are still −1. "This road is *not yet* there" is information, too.
# - **"At the last step of an episode `done` is 1, of course."** Running out of time is truncation, not termination. Mix them up, and the network believes the world ends when the clock runs out.
# - **"The more successes the better."** An untouched puck gives you over 70 % of them, and most teach nothing.
#
# ### Your turn
#
# This chapter has four exercises, easiest first: `epsilon_greedy`, `polyak_update`, `td_target`, `sample_her_batch`. If you do only one, do `td_target`: the pitfalls of 4.7 and 4.11 are waiting in it.
#
# ### The question for the next chapter
#
# Up to now every transition has had the same chance of being drawn. But of a hundred thousand, some teach you to get around a wall, and some are a puck lying still. **Which transitions deserve to be replayed?**
