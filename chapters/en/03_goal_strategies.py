# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="9a859fad"
# # 3　Where the goals come from
#
# > **In this chapter** there are four ways to choose substitute goals, one line of code apart. In bit flipping three of them learn, some sooner, some later. In Push one of those three practises for thousands of episodes, and not one of five seeds learns to push. Get that one line wrong and nothing complains; the agent just does not learn.
# >
# > **Time**: 35 minutes to read, about 4 minutes to run (2 CPU cores).
# >
# > **You need**: `future` and $H_T/T$ from chapter 2.
#
# By the end you can:
#
# 1. write `final`, `future` and `episode` as intervals, say why `random` is none, and test whether the library draws what you wrote;
# 2. point at the candidates of all four on a real trajectory;
# 3. say how far away their goals are, how many succeed, and how many lie "behind";
# 4. say what $k$ buys, and what it costs;
# 5. read a measurement of "strategies × $k$", intervals included, and compare it with Fig. 6 of the paper;
# 6. choose one for a task of your own, and give the reason.

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


# %% [markdown] zh="4840bb4d"
# ## 3.1　Four rules
#
# An episode has $T$ steps, and step $i$ arrives at $m(s_{i+1})$. Where should a new goal for step $t$ come from? That is up to the goal selection strategy, and [the paper](https://arxiv.org/abs/1707.01495) has four (§3.3 and §4.5):
#
# | strategy | candidates | how many | any from the past? | any from other episodes? |
# |---|---|---|---|---|
# | `final` | where the episode ended | $1$ | no | no |
# | `future` | what this step and later ones reached | $T-t$ | no | no |
# | `episode` | whatever the episode reached | $T$ | yes | no |
# | `random` | anything reached in training so far | all that the buffer holds | yes | yes |
#
# In a formula, the substitute goal is
#
# $$g'=m(s_{j+1}),\qquad j\sim\begin{cases}T-1&\text{final}\\\mathcal U\{t,\dots,T-1\}&\text{future}\\\mathcal U\{0,\dots,T-1\}&\text{episode}\end{cases}$$
#
# while the $j$ of `random` need not be of this episode at all. The first three are intervals, and in code they differ by a pair of ends:

# %%
def window(strategy, t, length):
    return {"final": (length - 1, length), "future": (t, length), "episode": (0, length)}[strategy]


rows = {
    t: [str(range(*window(name, t, 12))) for name in ("final", "future", "episode")]
    for t in (0, 5, 11)
}
pd.DataFrame(rows, ["final", "future", "episode"]).T.rename_axis("t")

# %% [markdown] zh="23ca5dd0"
# The left end is included, the right end is not. Look at $t=11$, the last step: `final` and `future` have become the same thing, only itself is left.
#
# Are these the intervals that the library draws from? Put two episodes of 12 steps into a buffer, draw a hundred thousand rows for each strategy, and note which row was given the goal reached in which row:

# %%
from her import HERConfig, HindsightExperienceReplay, sparse_reward
from her.training.evaluation import make_envs, rollout

STRATEGIES = ("final", "future", "episode", "random")


def wander(env_id, n, **kwargs):
    envs = make_envs(env_id, n, **kwargs)
    envs.action_space.seed(1)
    return rollout(lambda observations: envs.action_space.sample(), envs, envs.horizon, seed=0)


# %%
def fill(play, strategy, epsilon, k=4, seed=0):
    sizes = [rows.shape[-1] for rows in (play.states, play.actions, play.goals)]
    config = HERConfig(strategy, k, lambda a, d: sparse_reward(a, d, epsilon))
    buffer = HindsightExperienceReplay(play.rewards.size, *sizes, config, seed=seed)
    for episode in play.episodes():
        buffer.store_episode(episode)
    return buffer


# %%
def count_pairs(strategy):
    batch = fill(wander("her/Reach-v0", 2, horizon=12), strategy, 0.06).sample(125_000)
    new, table = batch.relabelled, np.zeros((24, 24))
    np.add.at(table, (batch.indices[new], batch.goal_indices[new]), 1)
    return table


pairs = {strategy: count_pairs(strategy) for strategy in STRATEGIES}

# %% [markdown] zh="c48584a4"
# Down: the row of the transition. Across: the row that reached its goal. The first 12 rows are one episode, the next 12 the other. The darker a cell, the more often it was drawn (from 1 % on all are equally dark); white was never drawn. Four strategies, four shapes; guess which is which before you read the titles:

# %%
from her_course.figures.goal_strategies import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, (strategy, table) in zip(axes, pairs.items(), strict=True):
    draw_pairs(ax, table, strategy, most=0.01)
show(fig, "goal_strategies.pairs")


# %% [markdown] zh="48232c83"
# Two bars, two triangles, two squares, one full sheet. The shapes are right; are the shares? The intervals say how much each cell *should* get, and a chi-square test gives $p$, the probability of a difference this large by luck alone. How many draws fell outside? And the last column, the power of the test: if shares were off by 5 % on average, how likely would it notice?

# %%
def expected_pairs(strategy):
    table = np.zeros((24, 24))
    for row in range(24):
        first, last = 0, 24
        if strategy != "random":
            first, last = np.add(window(strategy, row % 12, 12), row // 12 * 12)
        table[row, first:last] = 1 / (24 * (last - first))
    return table


# %%
from scipy.stats import chi2, chisquare, ncx2


def compare(strategy, excess=0.05):
    share, table = expected_pairs(strategy), pairs[strategy]
    inside, n = share > 0, table.sum()
    p = chisquare(table[inside], share[inside] * n).pvalue
    degrees = inside.sum() - 1
    power = 1 - ncx2.cdf(chi2.ppf(0.95, degrees), degrees, n * excess**2)
    return p, table[~inside].sum(), power


pd.DataFrame(map(compare, STRATEGIES), STRATEGIES, ["p", "draws outside", "power"]).round(2)

# %% [markdown] zh="d16c5c27"
# No $p$ is suspiciously small (below 0.05), nothing fell outside, and a deviation of 5 % would hardly have escaped the test: the library implements these four rules. `random` takes goals from the other episode too, and just as evenly.

# %% [markdown] zh="acf68881"
# ## 3.2　One trajectory, four ways to look at it
#
# Now on a real trajectory: Reach again, the busiest of a hundred wanderers, 50 steps, and seven more episodes in the buffer for the sake of `random`. At step 15, what may each strategy choose from?

# %%
play = wander("her/Reach-v0", 100)
everyone = sorted(play.episodes(), key=lambda one: np.ptp(one.achieved_goals, axis=0).sum())
walk = everyone[-1]
t, T = 15, 50
candidates = {name: walk.achieved_goals[slice(*window(name, t, T))] for name in STRATEGIES[:3]}
candidates["random"] = np.concatenate([one.achieved_goals for one in everyone[-8:]])

# %% [markdown] zh="cc7eefe5"
# The thick black line is step 15, hollow dots are candidates, full ones are the four drawn, the green ring is the goal as it was. First find the panel in which candidates lie *behind* the black line, on the way that it came; then the one whose candidates are mostly not on this path:

# %%
from her_course.figures.goal_strategies import draw_candidates

rng = np.random.default_rng(0)
fig, axes = plt.subplots(2, 2, figsize=(8, 8.2))
for ax, (strategy, goals) in zip(axes.flat, candidates.items(), strict=True):
    draw_candidates(ax, walk, t, strategy, goals, rng.choice(goals, 4))
show(fig, "goal_strategies.panels")

# %% [markdown] zh="5d728f14"
# `final` has only one place to name, so four questions get one answer. All candidates of `future` are ahead: from here one *did* get there. Everything that `episode` adds, fifteen of them, lies behind: to get there one has to go back, and this trajectory hardly ever did again. The candidates of `random` are all over the left half: this path is among them, but seven eighths come from other episodes and have mostly nothing to do with this step.
#
# Keep these three words, "ahead", "behind", "nothing to do with it": we are going to count them.

# %% [markdown] zh="d9b562f8"
# ## 3.3　What is drawn
#
# A picture shows one trajectory; numbers need hundreds. Three tasks, three hundred random episodes each:

# %%
from functools import cache

TASKS = {
    "BitFlip": ("her/BitFlip-v0", {"n_bits": 15}, 1.0),
    "Reach": ("her/Reach-v0", {}, 0.06),
    "Push": ("her/Push-v0", {}, 0.08),
}
plays = {name: wander(env_id, 300, **kwargs) for name, (env_id, kwargs, _) in TASKS.items()}


@cache
def relabelled(name, strategy):
    batch = fill(plays[name], strategy, TASKS[name][2]).sample(50_000)
    fields = (batch.indices, batch.goal_indices, batch.goals, batch.achieved_goals, batch.rewards)
    return [field[batch.relabelled] for field in fields]


# %% [markdown] zh="296e1760"
# **How much later.** How many steps after the transition was its goal reached, $j-t$? See which line has anything left of 0:

# %%
from her_course.figures.goal_strategies import draw_offsets

offsets = {}
for strategy in STRATEGIES[:3]:
    rows, goal_rows, *_ = relabelled("Reach", strategy)
    offsets[strategy] = goal_rows - rows
fig, ax = plt.subplots(figsize=(6.4, 3.2))
draw_offsets(ax, offsets, 50)
show(fig, "goal_strategies.offsets")

# %% [markdown] zh="438e1dbe"
# `future` likes what is close at hand: 0 steps is the most common, and it thins out from there. `final` has as much at 0 as at 49. `episode` is symmetric, and all of its left half is the past.
#
# **How far.** The same in metres: how far is the substitute goal from *here*, the place this step arrives at? The sooner a curve is at the top, the nearer the goals. Reach on the left, Push on the right; look at the right one first, it is odd:

# %%
from her_course.figures.goal_strategies import draw_distances

fig, axes = plt.subplots(1, 2, figsize=(9, 3.7), sharey=True)
for ax, name, furthest in zip(axes, ("Reach", "Push"), (1.5, 0.8), strict=True):
    distances = {}
    for strategy in STRATEGIES:
        _, _, goals, achieved, _ = relabelled(name, strategy)
        distances[strategy] = np.linalg.norm(goals - achieved, axis=-1)
    draw_distances(ax, distances, TASKS[name][2], furthest, name)
axes[0].legend(loc="lower right")
show(fig, "goal_strategies.distances")

# %% [markdown] zh="d5dcc48c"
# In Reach, `future` has the nearest goals and `random` the farthest, which surprises nobody. In Push, the first three curves shoot up to eight or nine tenths at once: nobody touches the puck, so where it has been is where it is, at distance 0. Only `random` has goals *elsewhere*, since in other episodes the puck lay elsewhere.
#
# **How many succeed.** If no two places are alike, chapter 2's argument works for all four: with `final` only the last step counts, $1/T$; `future` has $H_T/T$; `episode` draws itself out of $T$, $1/T$; `random` draws itself out of all $N\cdot T$, which is next to nothing. Beside them, what is counted in the real tasks:

# %%
harmonic = (1 / np.arange(1, 51)).sum() / 50
counted = pd.DataFrame({"T = 50": [1 / 50, harmonic, 1 / 50, 1 / (300 * 50)]}, STRATEGIES)
for name in TASKS:
    counted[name] = [(relabelled(name, strategy)[-1] == 0).mean() for strategy in STRATEGIES]
counted.round(4)


# %% [markdown] zh="a3b86107"
# In bit flipping $T$ is 15, so compare that column with $1/15\approx0.067$ and $H_{15}/15\approx0.221$; it is close. Reach has two to four times the formula: it moves slowly, and neighbouring steps lie within 6 cm. The nine tenths of Push are, as chapter 2 said, success that is worth nothing.
#
# ### What a transition teaches
#
# To count successes is not enough. "A few more steps and you are there" and "that was long ago" are both −1; "this step got you there" and "you were there all along" are both 0. So sort the relabelled transitions into five kinds, by their new goal:
#
# - **already there**: reached before the action, and still after it;
# - **arrives**: not before, but after;
# - **ahead**: not now, but *later* in this episode;
# - **behind**: not later any more, only *earlier*;
# - **elsewhere**: never in this episode.

# %%
def kinds(name, strategy):
    rows, _, goals, _, _ = relabelled(name, strategy)
    play, epsilon = plays[name], TASKS[name][2]
    start = play.states[0][:, slice(2, 4) if name == "Push" else slice(None)]
    path = np.moveaxis(np.concatenate([start[None], play.achieved_goals]), 0, 1)
    episode, t = divmod(rows, len(play.rewards))
    near = np.linalg.norm(path[episode] - goals[:, None], axis=-1) < epsilon
    return sort_kinds(near, t)


# %% [markdown] zh="d620cb2b"
# `near[i, n]` says whether, after `n` steps of its episode, transition `i` would be at its new goal. The rest is sorting:

# %%
KINDS = ("there", "arrives", "ahead", "behind", "elsewhere")


def sort_kinds(near, t):
    row, moment = np.arange(len(t)), np.arange(near.shape[1])
    before, now = near[row, t], near[row, t + 1]
    later = (near & (moment > t[:, None] + 1)).any(axis=1)
    earlier = (near & (moment <= t[:, None])).any(axis=1)
    kind = np.select([now & before, now, later, earlier], KINDS[:4], KINDS[4])
    return {name: (kind == name).mean() for name in KINDS}


# %% [markdown] zh="a0947ed0"
# A bar is a strategy, a piece is a kind. First see who has red (behind); then look at the right-hand panel: apart from grey (already there), what is left?

# %%
from her_course.figures.goal_strategies import draw_kinds

shares = {name: {strategy: kinds(name, strategy) for strategy in STRATEGIES} for name in TASKS}
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), sharey=True)
for ax, (name, by_strategy) in zip(axes, shares.items(), strict=True):
    draw_kinds(ax, by_strategy, name)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
show(fig, "goal_strategies.kinds")

# %% [markdown] zh="99ed4c49"
# In BitFlip and Reach all that is not success is ahead with `final` and `future`; with `episode` a good part is behind; and nine tenths or so of `random` is elsewhere: whether one can get there, this episode does not show; all it has is a −1.
#
# In Push nine tenths are "already there", `random` apart. What is of use is the narrow strip of blue: "the puck is here, and later it was pushed there". In numbers:

# %%
pd.DataFrame(shares["Push"]).T[list(KINDS)].map("{:.1%}".format)

# %% [markdown] zh="7395b7df"
# `final` has the most of "ahead", then `future`, then `episode`; and `episode` has about as much "behind" as "ahead": for each transition that says "push like this and the puck *gets* there", there is one that says "push like this and the puck *leaves* there". Section 3.7 comes back to this.

# %% [markdown] zh="dedd506a"
# ## 3.4　What k costs
#
# $k$ is how many substitute goals there are per real one. The paper really stores $k$ copies. In a library that relabels when it samples it only sets the mix of a batch: $k/(k+1)$ have new goals, $1/(k+1)$ keep the real one. Neither the number of updates nor the memory depends on $k$. Reach, `future`, a line for each $k$: real goals kept, goals replaced, successes:

# %%
rows = {}
for k in (1, 2, 4, 8, 16):
    batch = fill(plays["Reach"], "future", 0.06, k).sample(50_000)
    new = batch.relabelled.mean()
    rows[k] = 1 - new, new, (batch.rewards == 0).mean()
heads = ["real goal", "new goal", "successes"]
pd.DataFrame(rows, heads).T.rename_axis("k").map("{:.1%}".format)

# %% [markdown] zh="fe0698d6"
# From 1 to 16 the successes almost double, and real goals fall from half of the rows to 6 % (one in seventeen). Chapter 2 showed what those are for: the evaluation asks for goals like these, and they carry values to where no relabelled goal reaches. With $k$ too small there are few 0s; with $k$ too large there are few real goals, which is how the paper itself explains that $k>8$ gets worse (§4.5). In between is a wide range that will do, and how wide has to be measured.

# %% [markdown] zh="467f0026"
# ## 3.5　Measured on the spot
#
# Bit flipping with 15 bits, four strategies with three seeds each at $k=4$; and `future` at $k=1$ and $k=16$ as well. 16 rounds or 15,360 steps each, everything else the same. As in the paper, *any step* with all bits right is a success. About half a minute.

# %%
from functools import partial

from her.training import Trainer, settings_for, use_one_thread
from her_course.figures.progress import on_all_cores

use_one_thread()
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
ROUNDS = 16 if PROFILE == "full" else 2


def success_on_the_way(strategy, k, seed):
    how = {"strategy": strategy, "k": k, "seed": seed, "evaluate_every": 1}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": 15}, **how))
    done = [trainer.round() for _ in range(ROUNDS)]
    return np.array([(one.env_steps, one.success_rate) for one in done])


# %% tags=["nbval-ignore-output"]
cells = [(strategy, 4) for strategy in STRATEGIES]
cells += [("future", 1), ("future", 16)] if PROFILE == "full" else []
jobs = [partial(success_on_the_way, *cell, seed) for cell in cells for seed in SEEDS]
learned = iter(on_all_cores(jobs))
live = {cell: np.array([next(learned) for _ in SEEDS]) for cell in cells}
steps = live["future", 4][0, :, 0]

# %% [markdown] zh="c17a212e"
# How do you sum up a curve in one number? The end will not do: those that learn all end at 1. So take the *mean success rate over the run*: the sooner, the higher. All three seeds are listed, with their mean and its 95 % interval (Student's t):

# %% tags=["nbval-ignore-output"]
from her.sweeps.statistics import student

seeds = [f"seed {seed}" for seed in SEEDS]
scores = {cell: of_seeds[..., 1].mean(axis=1) for cell, of_seeds in live.items()}
rows = {cell: (*score, *student(score, within=(0, 1))) for cell, score in scores.items()}
table = pd.DataFrame(rows, [*seeds, "mean", "low", "high"]).T.rename_axis(["strategy", "k"])
if PROFILE == "full":
    assert scores["future", 4].min() > max(scores["final", 4].max(), scores["episode", 4].max())
    assert scores["random", 4].max() < 0.05
table.round(3)

# %% [markdown] zh="c449aaa3"
# On the left the learning curves at $k=4$, seeds as thin lines: who takes off first? On the right the mean success rate over the run against $k$: is the line of `future` flat or sloping, and how far from it are the others?

# %%
from her_course.figures.goal_strategies import draw_by_k, draw_strategy_curves

fig, axes = plt.subplots(1, 2, figsize=(9, 3.7))
curves = {strategy: (steps, live[strategy, 4][..., 1]) for strategy in STRATEGIES}
draw_strategy_curves(axes[0], curves, "bits_15", "any")
draw_by_k(axes[1], scores, "bits_15", "any")
axes[0].legend()
show(fig, "goal_strategies.live")

# %% [markdown] zh="746ae4af"
# `future` takes off first, at much the same time for all three $k$; `final` and `episode` later; `random` stays at 0. It is the same in every seed: the lowest of `future` is above the highest of the others.

# %% [markdown] zh="9409768c"
# Why does `random` learn nothing at all? See its bar in 3.3: nearly all of it is "elsewhere". 15 bits make 32,768 patterns, and one drawn from another episode is seven or eight bits away. It can be reached, as every pattern can, but this episode did not do so: the reward is −1, the next one is −1, and no 0 follows. It is hardly different from plain replay.

# %% [markdown] zh="f586eed3"
# ## 3.6　Measure enough, then talk
#
# Three seeds on one task are not enough to give advice on. Here are the long runs that come with the course: bit flipping with 20 bits, and Push, four strategies and five $k$, five seeds in each cell. Within a task, steps and updates are the same throughout. Settings, seeds, versions and CPU time are in `results/strategies/how.json`, and this command makes them again:

# %%
import json

from her.plots.curves import read_curves
from her_course.places import find_chapters

folder = find_chapters().parent / "results" / "strategies"
how = json.loads((folder / "how.json").read_text())
print(how["command"], f"  {len(how['configs'])} runs, {how['cpu_seconds'] / 60:.0f} CPU minutes")

# %%
shipped = read_curves(folder / "curves.csv")
LONG = {"bit_flip_20": "any", "push": "end"}
rows = {}
for task in LONG:
    steps, success = shipped[task, "future_4"]
    rows[task] = len(success), int(steps[-1]), sum(of == task for of, _ in shipped)
pd.DataFrame(rows, ["seeds", "steps", "variants"]).T

# %% [markdown] zh="185b34bf"
# First the curves at $k=4$; bands are 95 % intervals over five seeds (Student's t). Bit flipping on the left is judged at *any step*, Push on the right at the *last step*. In the right one, look at `episode`:

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.7))
for ax, (task, at) in zip(axes, LONG.items(), strict=True):
    curves = {strategy: shipped[task, f"{strategy}_4"] for strategy in STRATEGIES}
    draw_strategy_curves(ax, curves, task, at)
axes[0].legend()
show(fig, "goal_strategies.curves")

# %% [markdown] zh="38edf8f7"
# And every cell that was measured:

# %%
ALL_KS = (1, 2, 4, 8, 16)
CELLS = [(strategy, k) for strategy in STRATEGIES for k in ALL_KS]
long_scores = {
    task: {(s, k): shipped[task, f"{s}_{k}"][1].mean(axis=1) for s, k in CELLS} for task in LONG
}
found = {
    (task, s, k): student(score, within=(0, 1))
    for task, scores in long_scores.items()
    for (s, k), score in scores.items()
}
intervals = pd.Series({cell: str(estimate) for cell, estimate in found.items()})
intervals.unstack().rename_axis(["task", "strategy"]).rename_axis("k", axis=1)

# %% [markdown] zh="9604cfd1"
# Each cell is the mean success rate over the run and its 95 % interval (five seeds, Student's t). As a picture, seeds as small dots:

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8))
for ax, (task, at) in zip(axes, LONG.items(), strict=True):
    draw_by_k(ax, long_scores[task], task, at)
axes[1].legend()
show(fig, "goal_strategies.shipped")

# %% [markdown] zh="919f71da"
# And after training, with 200 fresh episodes for each seed, the mean of five seeds:

# %%
runs = pd.read_csv(folder / "runs.csv")
runs[["strategy", "k"]] = runs["variant"].str.split("_", expand=True)
runs["k"] = runs["k"].astype(int)
runs.pivot_table("success_rate", ["task", "strategy"], "k").round(2)


# %% [markdown] zh="9b680ba0"
# What do the two tables say? The two statements that matter most, as gaps between intervals: over all $k$, how much is the lower end of one side above the upper end of the other, at the least? Above 0 they are apart everywhere.

# %%
def gap(task, upper, lower):
    """The least distance between intervals over all k: above 0, they are apart."""
    cells = [(a, b, k) for a in upper for b in lower for k in ALL_KS]
    return min(found[task, a, k].low - found[task, b, k].high for a, b, k in cells)


gaps = {
    "bits: future over the others": gap("bit_flip_20", ["future"], ["final", "episode", "random"]),
    "Push: final, future over the others": gap("push", ["final", "future"], ["episode", "random"]),
}
pd.Series(gaps, name="least gap").to_frame().round(2)

# %% [markdown] zh="9c6f2843"
# So:
#
# - **`future` is among the best in both**, and the highest in bit flipping, whatever $k$.
# - **`final` depends on the task.** In Push it is about as good as `future`, and the intervals overlap at every $k$; in bit flipping it is much slower. An episode of bit flipping passes 20 patterns, and `final` uses the last and wastes the rest. In Push, once the puck has stopped it has stopped, and its last place is nearly all the news there is.
# - **`episode` depends on the task too.** In bit flipping it is below `final` at $k=1$ and above it at $k=16$; in Push it learned next to nothing.
# - **`random` is 0 in both.**
# - **$k$ matters less than the strategy.** Between $k=1$ and 16, how far apart are the best and the worst of a strategy? And how does that compare with another strategy? (The last column: the largest difference between the three strategies at $k=4$.)

# %%
rows = {}
for task, scores in long_scores.items():
    means = {cell: score.mean() for cell, score in scores.items()}
    by_k = {s: np.ptp([means[s, k] for k in ALL_KS]) for s in STRATEGIES[:3]}
    rows[task] = by_k | {"another strategy": np.ptp([means[s, 4] for s in STRATEGIES[:3]])}
pd.DataFrame(rows).T.round(2)

# %% [markdown] zh="ed81c7ce"
# ## 3.7　Why the puck is not touched
#
# `final` and `future` push the puck in, `episode` does not. Why? Success rates do not say; see what it *does*. Train five seeds with each strategy, 80 rounds, with the settings of 1.5 (fewer updates and larger ones), and every 20 rounds count in how many of 200 episodes the puck is touched. One on each core, about three minutes.

# %%
LOOKS = (20, 40, 60, 80) if PROFILE == "full" else (1,)
FASTER = {"updates_per_round": 30, "agent_settings": {"learning_rate": 0.004, "tau": 0.06}}


def practise_push(strategy, seed):
    config = settings_for("her/Push-v0", strategy=strategy, seed=seed, **FASTER)
    trainer, moved = Trainer(config), []
    for i in range(1, LOOKS[-1] + 1):
        trainer.round()
        if i in LOOKS:
            test = rollout(trainer.agent.act, make_envs("her/Push-v0", 200), 50, seed=1_000)
            moved.append(np.ptp(test.achieved_goals, axis=0).any(axis=-1).mean())
    return trainer.agent, moved, test.success[-1].mean()


# %% tags=["nbval-ignore-output"]
FIVE = range(SEED, SEED + (5 if PROFILE == "full" else 1))
jobs = [partial(practise_push, strategy, seed) for strategy in STRATEGIES for seed in FIVE]
practised = iter(on_all_cores(jobs))
pushers = {strategy: [next(practised) for _ in FIVE] for strategy in STRATEGIES}
wandering = wander("her/Push-v0", 2_000)
by_chance = np.ptp(wandering.achieved_goals, axis=0).any(axis=-1).mean()

# %% [markdown] zh="2f74ea19"
# The vertical axis is episodes with the puck touched, not success. Thin lines are seeds, thick lines means, and the dotted horizontal line is an agent that wanders. Which lines rise above it?

# %%
from her_course.figures.goal_strategies import draw_moved

moved = {name: np.array([one for _, one, _ in group]) for name, group in pushers.items()}
fig, ax = plt.subplots(figsize=(7, 3.6))
draw_moved(ax, LOOKS, moved, by_chance)
show(fig, "goal_strategies.moved")

# %% tags=["nbval-ignore-output"]
rows = {}
for strategy, touched in moved.items():
    success = [rate for *_, rate in pushers[strategy]]
    rows[strategy] = *touched[:, -1], *student(touched[:, -1], within=(0, 1)), np.mean(success)
heads = [f"seed {seed}" for seed in FIVE] + ["touched", "low", "high", "success"]
if PROFILE == "full":
    active = np.array([moved["final"][:, -1], moved["future"][:, -1]])
    passive = np.array([moved["episode"][:, -1], moved["random"][:, -1]])
    assert active.min() > passive.max()
print(f"wandering: {by_chance:.0%}")
pd.DataFrame(rows, heads).T.round(2)

# %% [markdown] zh="d2deb53b"
# Every seed of `final` and `future` touches the puck more often than any of `episode` and `random`, by far: in nearly every episode. Every seed of `random` and three of five of `episode` touch it less often than wandering does (40 %), the other two of `episode` hardly more often. They do not push badly; for the most part they *do not push*. What does the critic say? Set up a thousand of the easiest positions: the agent right up against the puck, and the goal 40 cm beyond the puck in a straight line. What are two actions worth: to push straight on, and to stand still?

# %%
rng = np.random.default_rng(0)
angle = rng.uniform(-np.pi, np.pi, 1_000)
ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
puck = rng.uniform(-0.3, 0.3, (1_000, 2))
agent_at = puck - 0.151 * ahead
parts = [agent_at, puck, 0 * puck, puck - agent_at, puck + 0.4 * ahead]
observations = np.hstack(parts).astype(np.float32)

# %% tags=["nbval-ignore-output"]
rows = {}
for strategy, group in pushers.items():
    for seed, (agent, *_) in zip(FIVE, group, strict=True):
        gain = agent.q_values(observations, ahead) - agent.q_values(observations, 0 * ahead)
        speed = (agent.act(observations) * ahead).sum(axis=1).mean()
        rows[strategy, seed] = gain.mean(), (gain > 0).mean(), speed
heads = ["Q(push) − Q(stay)", "push looks better", "speed to the goal"]
asked = pd.DataFrame(rows, heads).T.rename_axis(["strategy", "seed"])
asked.groupby(level=0, sort=False).agg(["mean", "min", "max"]).round(2)

# %% [markdown] zh="3c26807a"
# The three groups of columns: how much more pushing is worth than not pushing, in which share of positions it looks better, and how fast the action really chosen goes towards the goal (−1 to 1); each with the mean, least and greatest of five seeds. `future` prefers pushing in nine positions of ten on average, `final` in eight (its lowest seed in fewer than six), and both do push. The critics of `random` see no difference. Those of `episode` see none on average either, but its seeds are far apart; and the actions it really chooses lead *away* from the goal in all five.
#
# One explanation is the "behind" that 3.3 counted. In the data of `episode`, for each transition "pushed, and the puck got to the goal ahead" there is one "pushed, and the puck left the goal behind". Both are true. But a puck can be pushed away and not pulled back: in these data hardly anybody returns to a goal behind, so its value can only fall, and that of pushing with it. Add the nine tenths of "already there", where not moving earns 0. Bit flipping does not have this problem: flip a bit twice and you are back.
#
# The explanation agrees with the bars, with the critics, and with how often the puck is touched, but it has not been tested on its own; for that, one would have to change the share of "behind" and nothing else. That experiment is yours.
#
# All four on stage (the first seed), with the same start and the same goal:

# %%
from her_course.figures import animate, named_panels

state = [-0.35, -0.3, -0.1, -0.05, 0.0, 0.0]


def film(agent, goal=(0.3, 0.25)):
    envs = make_envs("her/Push-v0", 1, render_mode="rgb_array")
    seen, _ = envs.reset(seed=0, options={"state": state, "goal": list(goal)})
    pictures = [envs.render()[0]]
    for _ in range(30 if PROFILE == "full" else 6):
        seen, *_ = envs.step(agent.act(np.hstack([seen["observation"], seen["desired_goal"]])))
        pictures.append(envs.render()[0])
    return pictures


# %%
films = {strategy: film(group[0][0]) for strategy, group in pushers.items()}
animate(named_panels(films), "goal_strategies.film", fps=8)

# %% [markdown] zh="9b8f4f47"
# ## 3.8　Side by side with the paper
#
# Fig. 6 in §4.5 of the paper is about the same thing: three tasks of a robot arm, pushing, sliding, pick and place; four strategies; $k$ of 1, 2, 4, 8, 16 and "all". It has curves and no table. What its text confirms, beside what we measured:
#
# | the paper (§4.5, Fig. 6) | this chapter |
# |---|---|
# | `future` is best, and alone comes close to solving sliding | yes in bit flipping; in Push it is on a par with `final` |
# | all but `random` solve pushing and pick and place | `random` does fail; `episode` did not learn Push within our budget |
# | $k=4$ or $8$ is best, beyond $8$ it gets worse, since normal replay becomes a small share | `future` changes little with $k$, and not in the same direction in both tasks; far less than between `future` and `episode` |
#
# The second row does not agree. Does it matter? The tasks differ, and so do the networks: three layers of 64 in the paper (Appendix A), two of 64 here. The budgets differ more: a training run of the paper is 200 epochs × 50 cycles × 16 episodes (Appendix A), and ours is five thousand episodes or so. `episode` may simply need longer; we have not measured that, and draw no conclusion. What can be said: **on another task the order may be quite different: `episode` falls from a shared second place to the bottom, next to `random`; `future` is among the best in both, but not first everywhere.**
#
# Mind the third row as well. In the paper $k$ is the number of copies stored; our $k$ is the mix of a batch, and the number of updates does not depend on it. At $k=16$ only one goal in seventeen is a real one, which is the paper's own explanation for "beyond 8 it gets worse"; `future` in Push does not get worse.
#
# ## 3.9　How to choose
#
# 1. **Start with `future`, $k=4$.** Among the best in both tasks, and best in the paper. Anything else needs a reason.
# 2. **Where what counts is how an episode ends, and what has arrived stays put, `final` serves well,** with a single candidate, and nothing is simpler. In long episodes that pass many places it wastes them all.
# 3. **`episode` beat `future` in neither of our tasks.** In Push it did not learn within our budget; that a puck cannot be pulled back may be the reason, but this is one toy task.
# 4. **`random` is for comparison.** If here and the goal have nothing to do with each other, a −1 is just a −1. And the larger the buffer, the less they have to do with each other.
# 5. **Take $k=4$ and do not tune it;** get the strategy right first. Avoid one that does not learn. Between those that do, $k$ moves Push by more (0.10) than `future` for `final` (0.03), though the intervals overlap and rank nothing.
# 6. **Another task? Look at the bars again.** A few hundred random episodes, less than a minute, and you see how much is "ahead", "behind", "already there". You know what to worry about before you train.

# %% [markdown] zh="0954ff11"
# ## 3.10　Looking back
#
# 1. **Three intervals and a buffer.** `final` is a point, `future` goes from $t$ to the end, `episode` is all of it, `random` does not ask which episode; the library draws exactly those (3.1, 3.2).
# 2. **They draw different things.** Where no two places are alike, the share of successes is $1/T$, $H_T/T$, $1/T$, next to nothing; a good part of `episode` is behind, nine tenths of `random` elsewhere (3.3).
# 3. **$k$ is a mix.** $k/(k+1)$ get new goals, the rest keeps the real goal; the number of updates is the same (3.4).
# 4. **Measured.** In bit flipping `future` is highest; in Push `final` is on a par with it, and `episode` and `random` are near 0; for `future`, $k$ matters much less (3.5, 3.6).
# 5. **What it does.** On average the critics of `episode` see no use in pushing, with seeds far apart; fewer than three of ten episodes touch the puck, four do by wandering (3.7).
# 6. **Fig. 6 of the paper** agrees by and large (`future` in front, `random` last), not in every detail (3.8).
#
# ### Three misconceptions
#
# - **"`random` draws anywhere in this episode."** That is `episode`. `random` draws from anything reached in training so far.
# - **"`future` should not draw the step itself."** It should. Those are the only 0s that are guaranteed; without them $H_T/T$ becomes 0, and all that is left is coincidence.
# - **"The more diverse the goals, the better."** `random` is the most diverse, and comes to nothing. The data must *show a way*: only a goal that was reached from this step teaches this step.
#
# ### Your turn
#
# Open [`exercises/en/ch3.ipynb`](../../exercises/en/ch3.ipynb): `future_indices`, `candidate_goals`, `substitute_goals`, `discounted_future_indices`, and a bug to find, `mended_future_rows`. The open task at the end is “A race of four strategies”. The first is the easiest to get wrong by one: the check counts what both ends get.
#
# To go further, give the `episode` of 3.7 a chance. Train it three times as long; or write a strategy that draws only goals "behind", and mix it into `future`: how much of it takes before nobody touches the puck? Write down your guess first.
#
# ### The question for the next chapter
#
# A hundred thousand rows here, a hundred thousand there: in this chapter the library drew them in the blink of an eye. With a loop over those intervals, row by row, one training run would draw a million. **How do you make it fast, and *check* that fast and slow are the same?** See [chapter 4](04_implementation.ipynb).
