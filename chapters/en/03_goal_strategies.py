# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="93b8a4ed"
# # 3　Where the goals come from
#
# > **In this chapter** there are four ways to choose substitute goals, one line of code apart. In bit flipping three of them learn, some sooner, some later. In Push one of those three practises for more than five thousand episodes, and what it learns is *to keep away from the puck*. Get that one line wrong and nothing complains; the agent just turns into somebody else.
# >
# > **Time**: 35 minutes to read, about 2 minutes to run (2 CPU cores).
# >
# > **You need**: `future` and $H_T/T$ from chapter 2.
#
# By the end you can:
#
# 1. write `final`, `future` and `episode` as intervals, say why `random` is none, and prove that the library draws what you wrote;
# 2. point at the candidates of all four on a real trajectory;
# 3. say how far away their goals are, how many succeed, and how many lie "behind";
# 4. say what $k$ buys, and what it costs;
# 5. read a measurement of "strategies × $k$", intervals included, and compare it with Fig. 6 of the paper;
# 6. choose one for a task of your own, and give the reason.

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


# %% [markdown] zh="09c7f756"
# ## 3.1　Four sentences
#
# An episode has $T$ steps, and step $i$ arrives at $m(s_{i+1})$. Where should a new goal for step $t$ come from? That is up to the goal selection strategy, and the paper has four (Andrychowicz et al. 2017, §3.3 and §4.5):
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


for t in (0, 5, 11):
    print(t, {strategy: range(*window(strategy, t, 12)) for strategy in ("final", "future", "episode")})

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
    sizes = play.states.shape[-1], play.actions.shape[-1], play.goals.shape[-1]
    config = HERConfig(strategy, k, lambda achieved, desired: sparse_reward(achieved, desired, epsilon))
    buffer = HindsightExperienceReplay(play.rewards.size, *sizes, config, seed=seed)
    for episode in play.episodes():
        buffer.store_episode(episode)
    return buffer


# %%
def count_pairs(strategy):
    batch = fill(wander("her/Reach-v0", 2, horizon=12), strategy, 0.06).sample(125_000)
    table = np.zeros((24, 24))
    np.add.at(table, (batch.indices[batch.relabelled], batch.goal_indices[batch.relabelled]), 1)
    return table


pairs = {strategy: count_pairs(strategy) for strategy in STRATEGIES}

# %% [markdown] zh="c48584a4"
# Down: the row of the transition. Across: the row that reached its goal. The first 12 rows are one episode, the next 12 the other. The darker a cell, the more often it was drawn (from 1 % on all are equally dark); white was never drawn. Four strategies, four shapes; guess which is which before you read the titles:

# %%
from her_course.figures.goal_strategies import alt
from her_course.figures.implementation import draw_pairs

fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
for ax, (strategy, table) in zip(axes, pairs.items(), strict=True):
    draw_pairs(ax, table, strategy, LANG, most=0.01)
show(fig, alt=alt("pairs", LANG))


# %% [markdown] zh="2588efa6"
# Two bars, two triangles, two squares, one full sheet. The shapes are right; are the shares? The intervals say how much each cell *should* get, and a chi-square test asks how probable, $p$, so large a difference is by luck alone. And how many draws fell outside?

# %%
def expected_pairs(strategy):
    table = np.zeros((24, 24))
    for row in range(24):
        first, last = (0, 24) if strategy == "random" else np.add(window(strategy, row % 12, 12), row // 12 * 12)
        table[row, first:last] = 1 / (24 * (last - first))
    return table


# %%
from scipy.stats import chisquare

for strategy, table in pairs.items():
    share = expected_pairs(strategy)
    inside = share > 0
    print(f"{strategy:8} p = {chisquare(table[inside], share[inside] * table.sum()).pvalue:.2f}   {table[~inside].sum():.0f}")

# %% [markdown] zh="ca95b33d"
# No $p$ is suspiciously small (below 0.05), and nothing fell outside: the library draws those four sentences. `random` takes goals from the other episode too, and just as evenly.

# %% [markdown] zh="acf68881"
# ## 3.2　One trajectory, four ways to look at it
#
# Now on a real trajectory: Reach again, the busiest of a hundred wanderers, 50 steps, and seven more episodes in the buffer for the sake of `random`. At step 15, what may each strategy choose from?

# %%
play = wander("her/Reach-v0", 100)
everyone = sorted(play.episodes(), key=lambda episode: np.ptp(episode.achieved_goals, axis=0).sum())
walk, history = everyone[-1], np.concatenate([episode.achieved_goals for episode in everyone[-8:]])
t, T = 15, 50
candidates = {strategy: walk.achieved_goals[slice(*window(strategy, t, T))] for strategy in STRATEGIES[:3]} | {"random": history}

# %% [markdown] zh="cec79508"
# The thick black line is step 15, hollow dots are candidates, full ones are the four drawn, the green ring is the goal as it was. First find the panel in which candidates lie *behind* the black line, on the way that it came; then the one whose candidates are not on this path at all:

# %%
from her_course.figures.goal_strategies import draw_candidates

rng = np.random.default_rng(0)
fig, axes = plt.subplots(2, 2, figsize=(8, 8.2))
for ax, (strategy, goals) in zip(axes.flat, candidates.items(), strict=True):
    draw_candidates(ax, walk, t, strategy, goals, rng.choice(goals, 4), LANG)
show(fig, alt=alt("panels", LANG))

# %% [markdown] zh="96fd6e3e"
# `final` has only one place to name, so four questions get one answer. All candidates of `future` are ahead: from here one *did* get there. Everything that `episode` adds, fifteen of them, lies behind: to get there one has to go back, and this trajectory hardly ever did again. The candidates of `random` are all over the left half, and most have nothing to do with this step.
#
# Keep these three words, "ahead", "behind", "nothing to do with it": we are going to count them.

# %% [markdown] zh="d9b562f8"
# ## 3.3　What is drawn
#
# A picture shows one trajectory; numbers need hundreds. Three tasks, three hundred random episodes each:

# %%
TASKS = {"BitFlip": ("her/BitFlip-v0", {"n_bits": 15}, 1.0), "Reach": ("her/Reach-v0", {}, 0.06), "Push": ("her/Push-v0", {}, 0.08)}
plays = {name: wander(env_id, 300, **kwargs) for name, (env_id, kwargs, _) in TASKS.items()}


def relabelled(name, strategy):
    batch = fill(plays[name], strategy, TASKS[name][2]).sample(50_000)
    fields = batch.indices, batch.goal_indices, batch.goals, batch.achieved_goals, batch.rewards
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
draw_offsets(ax, offsets, 50, LANG)
show(fig, alt=alt("offsets", LANG))

# %% [markdown] zh="438e1dbe"
# `future` likes what is close at hand: 0 steps is the most common, and it thins out from there. `final` has as much at 0 as at 49. `episode` is symmetric, and all of its left half is the past.
#
# **How far.** The same in metres: how far is the substitute goal from *here*, the place this step arrives at? The sooner a curve is at the top, the nearer the goals. Reach on the left, Push on the right; look at the right one first, it is odd:

# %%
from her_course.figures.goal_strategies import draw_distances

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
for ax, name, furthest in zip(axes, ("Reach", "Push"), (1.5, 0.8), strict=True):
    distances = {}
    for strategy in STRATEGIES:
        _, _, goals, achieved, _ = relabelled(name, strategy)
        distances[strategy] = np.linalg.norm(goals - achieved, axis=-1)
    draw_distances(ax, distances, TASKS[name][2], furthest, name, LANG)
axes[0].legend(loc="lower right")
show(fig, alt=alt("distances", LANG))

# %% [markdown] zh="e91033bc"
# In Reach, `future` has the nearest goals and `random` the farthest, which surprises nobody. In Push, the first three curves shoot up to eight or nine tenths at once: nobody touches the puck, so where it has been is where it is, at distance 0. Only `random` has goals *elsewhere*, since in other episodes the puck lay elsewhere.
#
# **How many succeed.** If no two places are alike, chapter 2's argument works for all four: with `final` only the last step counts, $1/T$; `future` has $H_T/T$; `episode` draws itself out of $T$, $1/T$; `random` draws itself out of all $N\cdot T$, which is next to nothing. Beside them, what is counted in the real tasks:

# %%
harmonic = (1 / np.arange(1, 51)).sum() / 50
print(f"{'':8} T = 50   {'   '.join(f'{name:7}' for name in TASKS)}")
for strategy, exact in zip(STRATEGIES, (1 / 50, harmonic, 1 / 50, 1 / (300 * 50)), strict=True):
    counted = [(relabelled(name, strategy)[-1] == 0).mean() for name in TASKS]
    print(f"{strategy:8} {exact:.4f}   {'   '.join(f'{share:7.3f}' for share in counted)}")


# %% [markdown] zh="12fbe0a2"
# In bit flipping $T$ is 15, so compare that column with $1/15\approx0.067$ and $H_{15}/15\approx0.221$; it is close. The nine tenths of Push are, as chapter 2 said, success that is worth nothing.
#
# ### What a lesson teaches
#
# To count successes is not enough. "A few more steps and you are there" and "that was long ago" are both −1; "this step got you there" and "you were there all along" are both 0. So sort the relabelled transitions into five kinds, by their new goal:
#
# - **already there**: reached before the action, and still after it;
# - **arrives**: not before, but after;
# - **ahead**: not now, but *later* in this episode;
# - **behind**: not later any more, only *earlier*;
# - **elsewhere**: never in this episode.

# %%
def lessons(name, strategy):
    rows, _, goals, _, _ = relabelled(name, strategy)
    play, epsilon = plays[name], TASKS[name][2]
    start = play.states[0][:, slice(2, 4) if name == "Push" else slice(None)]
    path = np.moveaxis(np.concatenate([start[None], play.achieved_goals]), 0, 1)
    episode, t = divmod(rows, len(play.rewards))
    near = np.linalg.norm(path[episode] - goals[:, None], axis=-1) < epsilon
    return sort_lessons(near, t)


# %% [markdown] zh="d620cb2b"
# `near[i, n]` says whether, after `n` steps of its episode, transition `i` would be at its new goal. The rest is sorting:

# %%
def sort_lessons(near, t):
    row, moment = np.arange(len(t)), np.arange(near.shape[1])
    before, now = near[row, t], near[row, t + 1]
    later, earlier = (near & (moment > t[:, None] + 1)).any(axis=1), (near & (moment <= t[:, None])).any(axis=1)
    kind = np.select([now & before, now, later, earlier], ["there", "arrives", "ahead", "behind"], "elsewhere")
    return {name: (kind == name).mean() for name in ("there", "arrives", "ahead", "behind", "elsewhere")}


# %% [markdown] zh="a0947ed0"
# A bar is a strategy, a piece is a kind. First see who has red (behind); then look at the right-hand panel: apart from grey (already there), what is left?

# %%
from her_course.figures.goal_strategies import draw_lessons

shares = {name: {strategy: lessons(name, strategy) for strategy in STRATEGIES} for name in TASKS}
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), sharey=True)
for ax, (name, by_strategy) in zip(axes, shares.items(), strict=True):
    draw_lessons(ax, by_strategy, name, LANG)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
show(fig, alt=alt("lessons", LANG))

# %% [markdown] zh="05361e01"
# In BitFlip and Reach all that is not success is ahead with `final` and `future`; with `episode` a good part is behind; and nine tenths or so of `random` is elsewhere: a −1 with no way out.
#
# In Push nine tenths are "already there", `random` apart. What is of use is the narrow strip of blue: "the puck is here, and later it was pushed there". Take it out and compare:

# %%
for strategy in STRATEGIES:
    print(f"{strategy:8} {shares['Push'][strategy]['ahead']:.1%} {shares['Push'][strategy]['behind']:.1%}")

# %% [markdown] zh="9f6c93ea"
# `final` has the most blue, then `future`, then `episode`; and `episode` has as much red as blue: for each lesson that says "push like this and the puck *gets* there", there is one that says "push like this and the puck *leaves* there". Keep this omen in mind until 3.7.

# %% [markdown] zh="51e4e20c"
# ## 3.4　What k costs
#
# $k$ is how many substitute goals there are per real one. The paper really stores $k$ copies. In a library that relabels when it samples it only sets the mix of a batch: $k/(k+1)$ have new goals, $1/(k+1)$ keep the real one. Neither the number of updates nor the memory depends on $k$. Reach, `future`, a line for each $k$: real goals kept, goals replaced, successes:

# %%
for k in (1, 2, 4, 8, 16):
    batch = fill(plays["Reach"], "future", 0.06, k).sample(50_000)
    print(f"k = {k:2}   {(~batch.relabelled).mean():.0%}   {batch.relabelled.mean():.0%}   {(batch.rewards == 0).mean():.1%}")

# %% [markdown] zh="2d7142d8"
# From 1 to 16 the successes almost double, and real goals go down to a seventeenth. Chapter 2 showed what those are for: they are the exam, and the bridge. With $k$ too small there are few 0s; with $k$ too large it forgets what the exam is about. In between is a wide range that will do, and how wide has to be measured.

# %% [markdown] zh="4e6def8e"
# ## 3.5　Measured on the spot
#
# Bit flipping with 15 bits, four strategies with three seeds each at $k=4$; and `future` at $k=1$ and $k=16$ as well. Fifteen thousand steps each, everything else the same. As in the paper, *any step* with all bits right is a success. About half a minute.

# %%
from math import ceil

from her_course.figures.progress import progress_bar
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
KS = {strategy: (1, 4, 16) if strategy == "future" and PROFILE == "full" else (4,) for strategy in STRATEGIES}


def success_on_the_way(strategy, k, seed):
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": 15}, strategy=strategy, k=k, seed=seed, evaluate_every=1))
    rounds = ceil(15_000 / (64 * 15))
    return [(r.env_steps, r.success_rate) for r in (trainer.round() for _ in range(rounds))]


# %% tags=["nbval-ignore-output"]
grid = [(strategy, k, seed) for strategy in STRATEGIES for k in KS[strategy] for seed in SEEDS]
live = {run: success_on_the_way(*run) for run in progress_bar(grid)}

# %% [markdown] zh="7f219bd5"
# How do you sum up a curve in one number? The end will not do: those that learn all end at 1. So take the *mean success rate over the run*: the sooner, the higher. Three seeds give a mean and a bootstrap interval of 95 %, which is a rough one:

# %%
from her.sweeps.statistics import bootstrap

curves = {(strategy, k): np.array([live[strategy, k, seed] for seed in SEEDS]) for strategy in STRATEGIES for k in KS[strategy]}
steps = curves["future", 4][0, :, 0]
score = {s: {k: bootstrap(curves[s, k][..., 1].mean(axis=1), np.mean) for k in KS[s]} for s in STRATEGIES}

# %% tags=["nbval-ignore-output"]
for strategy in STRATEGIES:
    print(f"{strategy:8}", "   ".join(f"k = {k}: {score[strategy][k]}" for k in KS[strategy]))

# %% [markdown] zh="201e4e9d"
# On the left the learning curves at $k=4$: who takes off first? On the right the mean success rate over the run against $k$: is the line of `future` flat or sloping, and how far from it are the others?

# %%
from her_course.figures.goal_strategies import draw_by_k, draw_strategy_curves

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
draw_strategy_curves(axes[0], {s: (steps, curves[s, 4][..., 1]) for s in STRATEGIES}, LANG, "any")
draw_by_k(axes[1], score, LANG, success_at="any")
axes[0].legend()
show(fig, alt=alt("live", LANG))

# %% [markdown] zh="2794ef24"
# `future` takes off first, at much the same time for all three $k$; `final` and `episode` later; `random` stays on the ground. As assertions:

# %%
mean = {strategy: score[strategy][4].value for strategy in STRATEGIES}
print(mean["future"] > max(mean["final"], mean["episode"]), mean["random"] < 0.05)

# %% [markdown] zh="b97d6645"
# Why does `random` learn nothing at all? See its bar in 3.3: nearly all of it is "elsewhere". 15 bits make 32,768 patterns, and one drawn from another episode is seven or eight bits away; the reward is −1, the next one is −1, and no end in sight. It is hardly different from plain replay.

# %% [markdown] zh="f586eed3"
# ## 3.6　Measure enough, then talk
#
# Three seeds on one task are not enough to give advice on. Here are the long runs that come with the course: bit flipping with 20 bits, and Push, four strategies and five $k$, five seeds in each cell. Within a task, steps and updates are the same throughout. Settings, seeds, versions and CPU time are in `results/strategies/how.json`, and this command makes them again:

# %%
import json

from her_course.notebooks import find_chapters
from her.plots.curves import read_curves

folder = find_chapters().parent / "results" / "strategies"
how = json.loads((folder / "how.json").read_text())
print(how["command"], f"  {len(how['configs'])} runs, {how['cpu_seconds'] / 60:.0f} CPU minutes")

# %%
shipped = read_curves(folder / "curves.csv")
LONG = {"bit_flip_20": "any", "push": "end"}
for task in LONG:
    steps, success = shipped[task, "future_4"]
    print(f"{task:12} {len(success)} seeds   {steps[-1]:,.0f} steps   {sum(of == task for of, _ in shipped)} variants")

# %% [markdown] zh="f05c242c"
# First the curves at $k=4$; bands are 95 % intervals over five seeds. Bit flipping on the left is judged at *any step*, Push on the right at the *last step*. In the right one, look at `episode`:

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.5))
for ax, (task, at) in zip(axes, LONG.items(), strict=True):
    draw_strategy_curves(ax, {s: shipped[task, f"{s}_4"] for s in STRATEGIES}, LANG, at)
axes[0].legend()
show(fig, alt=alt("curves", LANG))

# %% [markdown] zh="38edf8f7"
# And every cell that was measured:

# %%
ALL_KS = (1, 2, 4, 8, 16)


def scores_of(task, strategy):
    return {k: bootstrap(shipped[task, f"{strategy}_{k}"][1].mean(axis=1), np.mean) for k in ALL_KS}


long_score = {task: {strategy: scores_of(task, strategy) for strategy in STRATEGIES} for task in LONG}
for task, strategy in [(task, strategy) for task in LONG for strategy in STRATEGIES]:
    print(f"{task:12} {strategy:8}", " ".join(f"{score!s:18}" for score in long_score[task][strategy].values()).rstrip())

# %% [markdown] zh="99bab4b1"
# From left to right $k=1,2,4,8,16$; each cell is the mean success rate over the run and its 95 % interval. As a picture:

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8))
titles = text(LANG, "翻比特，20 位|推冰球", "bit flipping, 20 bits|Push").split("|")
for ax, (task, at), title in zip(axes, LONG.items(), titles, strict=True):
    draw_by_k(ax, long_score[task], LANG, title, at)
axes[1].legend()
show(fig, alt=alt("shipped", LANG))

# %% [markdown] zh="268892ff"
# The final marks are another matter: after training, 200 fresh episodes for each seed, and the mean of five seeds:

# %%
import csv

with open(folder / "runs.csv", newline="", encoding="utf-8") as file:
    exams = [(row["task"], row["variant"], float(row["success_rate"])) for row in csv.DictReader(file)]
for task, strategy in [(task, strategy) for task in LONG for strategy in STRATEGIES]:
    rates = [[rate for *of, rate in exams if of == [task, f"{strategy}_{k}"]] for k in ALL_KS]
    print(f"{task:12} {strategy:8}", "  ".join(f"{np.mean(of_seeds):.2f}" for of_seeds in rates))

# %% [markdown] zh="10ef17b3"
# What do the two tables say? The two sentences that matter most, as assertions. Bit flipping: whatever $k$ is, the lower end of `future` is above the upper ends of the other three. Push, again whatever $k$ is: the lower ends of `final` and `future` are above the upper ends of `episode` and `random`.

# %%
bits, push = long_score["bit_flip_20"], long_score["push"]
print(all(bits["future"][k].low > bits[rival][k].high for k in ALL_KS for rival in STRATEGIES if rival != "future"))
print(all(min(push["final"][k].low, push["future"][k].low) > max(push["episode"][k].high, push["random"][k].high) for k in ALL_KS))

# %% [markdown] zh="0e670027"
# Both hold. So:
#
# - **`future` is among the best in both**, and alone at the top in bit flipping, whatever $k$.
# - **`final` depends on the task.** In Push its intervals overlap those of `future` for $k\le 8$, and at $k=16$ it falls behind; in bit flipping it is much slower. An episode of bit flipping passes 20 patterns, and `final` uses the last and wastes the rest. In Push, once the puck has stopped it has stopped, and its last place is nearly all the news there is.
# - **`episode` depends on the task too.** In bit flipping it is on a par with `final`; in Push it learned next to nothing.
# - **`random` is 0 in both.**
# - **$k$ matters less than the strategy.** Between $k=1$ and 16, how far apart are the best and the worst of a strategy? And how does that compare with another strategy? (The last row: in bit flipping at $k=4$, how far `future` is above `episode`, and above `final`.)

# %%
for task, by_strategy in long_score.items():
    spread = {s: np.ptp([score.value for score in by_strategy[s].values()]) for s in ("future", "final", "episode")}
    print(task, {strategy: round(float(width), 2) for strategy, width in spread.items()})
print(round(bits["future"][4].value - bits["episode"][4].value, 2), round(bits["future"][4].value - bits["final"][4].value, 2))


# %% [markdown] zh="f5c13172"
# ## 3.7　The agent that would not touch the puck
#
# `final` and `future` push the puck in, `episode` does not. Why? Scores do not talk; see what it *does*. Train one agent with each strategy (one seed, to have a look, not to conclude; conclusions rest on the five seeds above), and every 16 rounds count in how many of 200 episodes the puck is touched. About forty seconds.

# %%
def practise_push(strategy, seed, rounds, looks=5):
    trainer, moved = Trainer(settings_for("her/Push-v0", strategy=strategy, seed=seed, evaluate_every=10 * rounds)), []
    for i in progress_bar(range(1, rounds + 1), description=strategy):
        trainer.round()
        if i % (rounds // looks) == 0:
            test = rollout(trainer.agent.act, make_envs("her/Push-v0", 200), 50, seed=1_000)
            moved.append(np.ptp(test.achieved_goals, axis=0).any(axis=-1).mean())
    return trainer.agent, moved, test


# %% tags=["nbval-ignore-output"]
push_rounds = 80 if PROFILE == "full" else 5
pushers = {strategy: practise_push(strategy, 0, push_rounds) for strategy in STRATEGIES}

# %% [markdown] zh="a7176c01"
# The vertical axis is episodes with the puck touched, not success. Two lines shoot up and two stay low:

# %%
from her_course.figures.goal_strategies import draw_moved

fig, ax = plt.subplots(figsize=(6.4, 3.4))
looks = push_rounds // 5 * np.arange(1, 6)
draw_moved(ax, looks, {strategy: moved for strategy, (_, moved, _) in pushers.items()}, LANG)
show(fig, alt=alt("moved", LANG))

# %% tags=["nbval-ignore-output"]
for strategy, (_, moved, test) in pushers.items():
    print(f"{strategy:8} {moved[-1]:.0%}   {test.success[-1].mean():.0%}")
if PROFILE == "full":
    assert min(pushers[s][1][-1] for s in ("final", "future")) > 0.8
    assert max(pushers[s][1][-1] for s in ("episode", "random")) < 0.6

# %% [markdown] zh="8ade3320"
# `final` and `future` come to touch it in nearly every episode; `episode` and `random` stay somewhere between two tenths and a half, not so different from an agent that wanders (39 % in 1.3). It is not that they push badly. They *do not push*. And why not? The critic knows, so ask it. Set up a thousand of the easiest positions: the agent right up against the puck, and the goal 40 cm beyond the puck in a straight line. What are two actions worth: to push straight on, and to stand still?

# %%
rng = np.random.default_rng(0)
angle = rng.uniform(-np.pi, np.pi, 1_000)
puck, ahead = rng.uniform(-0.3, 0.3, (1_000, 2)), np.stack([np.cos(angle), np.sin(angle)], axis=1)
agent_at = puck - 0.151 * ahead
observations = np.hstack([agent_at, puck, 0 * puck, puck - agent_at, puck + 0.4 * ahead]).astype(np.float32)

# %% tags=["nbval-ignore-output"]
forward = {}
for strategy, (agent, *_) in pushers.items():
    gain = agent.q_values(observations, ahead.astype(np.float32)) - agent.q_values(observations, np.zeros((1_000, 2), np.float32))
    forward[strategy] = (agent.act(observations) * ahead).sum(axis=1).mean()
    print(f"{strategy:8} {gain.mean():+.2f}   {(gain > 0).mean():.0%}   {forward[strategy]:+.2f}")
if PROFILE == "full":
    assert min(forward["final"], forward["future"]) > 0.5 > 0.2 > max(forward["episode"], forward["random"])

# %% [markdown] zh="413031c8"
# The three columns: how much more pushing is worth than not pushing, in which share of positions it is thought better, and how fast the action really chosen goes towards the goal (−1 to 1). `final` and `future` say push, nearly everywhere, and do it. The critic of `episode` cannot make up its mind: about 0 on average, far below that of `future`, for pushing in some positions and against it in others (one seed; do not trust the digits: on another machine even the sign is another). What its agent actually does is not push; on average it even backs off: we asked about two actions, and it chose another. `random` cannot tell the difference.
#
# That was the omen of 3.3. In the textbook of `episode`, for each lesson "pushed, and the puck got to the goal ahead" there is one "pushed, and the puck left the goal behind". None of them is a lie. But a puck can be pushed away and not pulled back: in this textbook nobody ever returned to a goal behind, so its value can only go down, and takes "push" down with it. One lesson praises, the other warns; what is left is not much. Add the nine tenths of "already there", where not moving earns 0, and there is little reason to touch it. Bit flipping need not worry: flip a bit twice and you are back.
#
# This explanation agrees with three things: the bars, the critic's answers, and how often the puck is touched. It is not yet a proof; for that, one would have to change the share of "behind" and nothing else. That experiment is yours.
#
# All four on stage. Same start, same goal; from left to right `final`, `future`, `episode`, `random`:

# %%
from her_course.figures import animate
from her_course.figures.implementation import side_by_side

state = [-0.35, -0.3, -0.1, -0.05, 0.0, 0.0]


def film(agent, goal):
    envs = make_envs("her/Push-v0", 1, render_mode="rgb_array")
    observation, _ = envs.reset(seed=0, options={"state": state, "goal": goal})
    pictures = [envs.render()]
    for _ in range(30):
        observation, *_ = envs.step(agent.act(np.hstack([observation["observation"], observation["desired_goal"]])))
        pictures.append(envs.render())
    return pictures


# %%
films = [[film(pushers[strategy][0], goal) for strategy in STRATEGIES] for goal in ([0.3, 0.25], [0.35, -0.15])]
rows = [[sum(moment, ()) for moment in zip(*row, strict=True)] for row in films]
animate(side_by_side(*rows), fps=8, alt=alt("film", LANG))

# %% [markdown] zh="37f92aeb"
# ## 3.8　Side by side with the paper
#
# Fig. 6 in §4.5 of the paper is about the same thing: three tasks of a robot arm, pushing, sliding, pick and place; four strategies; $k$ of 1, 2, 4, 8, 16 and "all". It has curves and no table. What its text confirms, beside what we measured:
#
# | the paper (§4.5, Fig. 6) | this chapter |
# |---|---|
# | `future` is best, and alone comes close to solving sliding | yes in bit flipping; in Push its intervals overlap those of `final` for $k\le 8$, and at $k=16$ it is ahead |
# | all but `random` solve pushing and pick and place | `random` does fail; `episode` did not learn Push within our budget |
# | $k=4$ or $8$ is best, beyond $8$ it gets worse | in bit flipping `future` is highest at $k=2$ and 4, a little lower at 16; in Push it is a little higher at 8 and 16 (their intervals overlap that of $k=4$, though 16's is clear of that of $k=2$); all of it far less than between `future` and `episode` |
#
# The second row does not agree. Does it matter? The tasks differ, and so do the networks: three layers of 64 in the paper (Appendix A), two of 64 here. The budgets differ more: a training run of the paper is 200 epochs × 50 cycles × 16 episodes (Appendix A), and ours is five thousand episodes or so. `episode` may simply need longer; we have not measured that, and draw no conclusion. What can be said: **on another task the order may be quite different: `episode` falls from a shared second place to the bottom, next to `random`; `future` is among the best in both, but not first everywhere.**
#
# Mind the third row as well. In the paper $k$ is the number of copies stored; our $k$ is the mix of a batch, and the number of updates does not depend on it. As to why a large $k$ should be worse, the best guess is that only one goal in seventeen is then a real one; but `future` in Push does not mind, so do not take the guess too seriously.
#
# ## 3.9　How to choose
#
# 1. **Start with `future`, $k=4$.** Among the best in both tasks, and best in the paper. Anything else needs a reason.
# 2. **Where what counts is how an episode ends, and what has arrived stays put, `final` serves well,** with a single candidate, and nothing is simpler. In long episodes that pass many places it wastes them all.
# 3. **Where there is no way back, stay away from `episode`.** What has been pushed away, poured out or snapped off does not come back. Where there is a way back, it is only slower.
# 4. **`random` is for comparison.** If here and the goal have nothing to do with each other, a −1 is just a −1. And the larger the buffer, the less they have to do with each other.
# 5. **Take $k=4$ and do not tune it;** get the strategy right first. The tastes of `future` in our two tasks are opposite: at 16 it is a little lower in bit flipping, and higher in Push. The paper says that beyond 8 it gets worse; `future` in Push did not.
# 6. **Another task? Look at the bars again.** A few hundred random episodes, less than a minute, and you see how much is "ahead", "behind", "already there". You know what to worry about before you train.

# %% [markdown] zh="d4554d55"
# ## 3.10　Looking back
#
# 1. **Three intervals and a buffer.** `final` is a point, `future` goes from $t$ to the end, `episode` is all of it, `random` does not ask which episode; the library draws exactly those (3.1, 3.2).
# 2. **They draw different things.** Where no two places are alike, the share of successes is $1/T$, $H_T/T$, $1/T$, next to nothing; a good part of `episode` is behind, nine tenths of `random` elsewhere (3.3).
# 3. **$k$ is a mix.** $k/(k+1)$ get new goals, the rest stays for the exam; the number of updates is the same (3.4).
# 4. **Measured.** In bit flipping `future` is alone at the top; in Push the intervals of `final` overlap its own for $k\le 8$, at $k=16$ `final` falls behind, and `episode` and `random` are near 0; for `future`, $k$ matters much less (3.5, 3.6).
# 5. **Why.** The critic of `episode` sees next to nothing in pushing, and its agent seldom touches the puck (3.7).
# 6. **Fig. 6 of the paper** agrees by and large (`future` in front, `random` last), not in every detail (3.8).
#
# ### Three misconceptions
#
# - **"`random` draws anywhere in this episode."** That is `episode`. `random` draws from anything reached in training so far.
# - **"`future` should not draw the step itself."** It should. Those are the only 0s that the textbook guarantees; without them $H_T/T$ becomes 0, and all that is left is coincidence.
# - **"The more diverse the goals, the better."** `random` is the most diverse, and comes to nothing. A goal must be *within reach*: only what can be reached from this step teaches this step.
#
# ### Your turn
#
# Open `exercises/ch3.ipynb`. There are three: `future_indices`, `candidate_goals`, `substitute_goals`. The first is the easiest to get wrong by one: the check counts what both ends get.
#
# To go further, give the `episode` of 3.7 a chance. Train it three times as long; or write a strategy that draws only goals "behind", and mix it into `future`: how much of it takes before nobody touches the puck? Write down your guess first.
#
# ### The question for the next chapter
#
# A hundred thousand rows here, a hundred thousand there: in this chapter the library drew them in the blink of an eye. With a loop over those intervals, row by row, one training run would draw a million. **How do you make it fast, and *prove* that fast and slow are the same?**
