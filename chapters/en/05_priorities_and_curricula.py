# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] zh="54ea0295"
# # 5　Priorities and curricula
#
# > **In this chapter** an agent learns to push a puck. For the first hundred thousand steps the distance that it "reaches" is the tolerance, 8 cm, because it cannot yet push the puck to any goal; within some fifty thousand more, that distance passes through the whole task. We build a curriculum out of the agent's own record, and check that record by a separate evaluation. The other way to choose what to learn from is more famous: transitions by TD error. But the stored error belongs to *the previous goal*. In the end five methods stand in one table, five seeds each, with intervals.
# >
# > **Time**: 35 minutes to read, about 4 minutes to run (2 CPU cores).
# >
# > **You need**: the relabelling of chapter 2, the buffer of chapter 4; what a TD error is.
#
# By the end you can:
#
# 1. write down the two formulas of prioritised experience replay (PER), and say what the weights correct;
# 2. draw a sum tree, walk down it, and check that the library's tree, with sixteen children to each parent, draws the very same rows;
# 3. compare two ideas of "worth learning from": the network's TD error, and the puck's energy;
# 4. measure how stale priorities are, and how much of it comes from changing goals;
# 5. build a curriculum from easy to hard out of the agent's own record, and check that record;
# 6. read a table of wins and draws, and say where something wins and where nobody can tell.

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

# %% [markdown] zh="28f099a3"
# ## 5.1　Two knobs
#
# A batch takes two decisions: **which transition**, and **which goal** in place of its own. Chapter 3 turned the second knob only; the first stood at "uniform" all the time. Now we turn both.

# %%
schematic("buffer", "relabel")

# %% [markdown] zh="e6dd43d3"
# In the library they are two small parts that know nothing of each other, plugged into one buffer, so any two go together. For instance: transitions by TD error ([`her/td_error.py`](../../her/td_error.py)), goals from near to far ([`her/reach.py`](../../her/reach.py)).

# %%
from her import CurriculumHER, HERConfig, sparse_reward
from her.td_error import ProportionalTransitions


def near(achieved, desired):
    return sparse_reward(achieved, desired, threshold=0.08)


config = HERConfig("future", 4, near)
CurriculumHER(1_000, 8, 2, 2, config, curriculum="reach", transitions=ProportionalTransitions())


# %% [markdown] zh="d1d0a02f"
# ## 5.2　What surprises the network deserves another look
#
# Who knows whether a transition is worth another look? PER ([Schaul et al. 2016](https://arxiv.org/abs/1511.05952)) says: the network does. A large TD error $\delta_i$ means that this one was not what it had expected. The priority of transition $i$ is
#
# $$p_i=|\delta_i|+\epsilon,\qquad P(i)=\frac{p_i^{\alpha}}{\sum_j p_j^{\alpha}}$$
#
# $\epsilon$ leaves a chance to errors of 0. $\alpha$ says how much priorities matter: 0 is uniform, 1 is proportional. Five transitions, a column each, $\alpha$ from 0 to 1; how much does the largest error take?

# %%
def probabilities(td_errors, alpha, epsilon=0.1):
    p = (np.abs(td_errors) + epsilon) ** alpha
    return p / p.sum()


td_errors = np.array([0.0, 0.1, -0.2, 0.4, -3.0])
table = [probabilities(td_errors, alpha) for alpha in (0, 0.6, 1)]
deltas = [f"δ = {d}" for d in td_errors]
pd.DataFrame(table, index=["α = 0", "α = 0.6", "α = 1"], columns=deltas).round(3)

# %% [markdown] zh="8a1f8687"
# What the network should fit is the average over *all* experience; if large errors keep coming back, that average is biased. Importance weights correct it: what comes up several times too often counts several times less.
#
# $$w_i=\Big(\frac{1}{N\,P(i)}\Big)^{\beta},\qquad\text{divided by the largest of the batch}$$
#
# $\beta$ says how much is corrected: nothing at 0, everything at 1. Schaul et al. let it grow linearly to 1; for the proportional variant they use $\alpha=0.6$ and begin at $\beta=0.4$: early on nothing is right anyway, and a little bias does no harm.
#
# Try it on a thousand numbers: what is their mean? What does it become when they are drawn by priority and not weighted? And with weights, $\beta=1$?

# %%
rng = np.random.default_rng(0)
errors = rng.exponential(size=1_000)
P = probabilities(errors, alpha=0.6)
drawn = rng.choice(1_000, size=100_000, p=P)
weights = 1 / (1_000 * P[drawn])
means = [errors.mean(), errors[drawn].mean(), np.average(errors[drawn], weights=weights)]
pd.DataFrame({"mean": means}, index=["true", "by priority", "by priority, weighted"]).T.round(2)

# %% [markdown] zh="caeb01d3"
# Uncorrected, the mean is far too high; corrected in full, it is right. (Dividing by the largest only keeps steps from being too long; it changes no proportion.)
#
# The library's `PrioritizedHER(priority="td")` is the same thing. Store an episode of five steps, tell it five TD errors, draw a hundred thousand rows: do the counts agree with the formula? Do the weights?

# %%
from her import Episode, PrioritizedHER


def walk(n, goal):
    x = np.arange(n + 1.0)
    return Episode.from_arrays(x[:-1], np.ones(n), -np.ones(n), x[1:], np.zeros(n), x[1:], [goal])


settings = {"priority": "td", "alpha": 0.6, "beta": 0.4, "epsilon": 0.1}
buffer = PrioritizedHER(100, 1, 1, 1, config, seed=0, **settings)
buffer.store_episode(walk(5, goal=99))

# %%
buffer.update_priorities(np.arange(5), td_errors)
batch = buffer.sample(100_000)
P = probabilities(td_errors, alpha=0.6)
w = (5 * P) ** -0.4
drawn = np.bincount(batch.indices) / 100_000
given = [batch.weights[batch.indices == i][0] for i in range(5)]
columns = {"P": P, "drawn": drawn, "w": w / w.max(), "weight given": given}
pd.DataFrame(columns, index=deltas).T.round(3)


# %% [markdown] zh="aac20f81"
# ## 5.3　A sum tree: one out of a million
#
# The plainest way to draw by $P(i)$ is a cumulative sum and a binary search. But every update changes a few hundred priorities, and the cumulative sum of a million numbers starts all over again. The leaves of a sum tree are the $p^\alpha$ of the rows, and each parent is the sum of its two children; when a leaf changes, only its ancestors are summed again: 20 numbers for a million rows.

# %%
def build(values):
    n = len(values)
    tree = np.append(np.zeros(n), values)
    for node in range(n - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree


# %% [markdown] zh="dc7a14cf"
# The root is number 1, the children of `node` are `2*node` and `2*node+1`, and the leaves fill the second half. To draw a row: take a number uniformly from $[0,\text{total})$ and go down from the root. Less than the left child: go left. Otherwise subtract the left child and go right.

# %%
def find(tree, target):
    path = [1]
    while path[-1] < len(tree) // 2:
        left = 2 * path[-1]
        go_right = target >= tree[left]
        target -= tree[left] * go_right
        path.append(left + go_right)
    return path


# %% [markdown] zh="8edd62fe"
# Eight leaves that sum up to 31, and a target of 17.5. Walk it yourself before you look at the thick line: 17.5 against 9, which way?

# %%
from her_course.figures.priorities import draw_sum_tree

tree = build([3, 1, 4, 1, 5, 9, 2, 6])
path = find(tree, 17.5)
fig, ax = plt.subplots(figsize=(7, 3.3))
draw_sum_tree(ax, tree, path)
show(fig, "priorities.tree")

# %% [markdown] zh="ca3b04b7"
# 17.5 ≥ 9, right, 8.5 left over; 8.5 < 14, left; 8.5 ≥ 5, right, 3.5 left over, and we are at the leaf of 9, row 5. Three comparisons. It owns 9 parts out of 31, so the chance of ending there is just 9/31.
#
# The library's tree ([`her/sum_tree.py`](../../her/sum_tree.py)) is stouter: a parent has *16* children, and the top level, of 4,096 nodes at most, is a plain cumulative sum, so that a million rows leave 2 levels to walk. The reason is NumPy: handling 16 numbers at once takes hardly longer than handling 2.
#
# Two trees of different shape: do they draw alike? A hundred and thirty thousand rows, ten thousand of *the same* random numbers, each goes its own way; then half of the leaves are set to 0, and we draw again:

# %%
from her.sum_tree import SumTree

values = rng.exponential(size=2**17)
library, uniform, rows = SumTree(2**17), rng.random(10_000), {}
for name in ("all leaves", "half at 0"):
    library.set(np.arange(2**17), values)
    ours = build(values)
    walked = np.array([find(ours, u * ours[1])[-1] - 2**17 for u in uniform])
    theirs, probability = library.draw(uniform)
    error = np.abs(probability / (values[theirs] / values.sum()) - 1).max()
    rows[name] = [len(uniform), (theirs != walked).sum(), error, (values[theirs] == 0).sum()]
    values[::2] = 0

# %%
columns = ["draws", "rows that differ", "largest error of P", "rows of priority 0"]
assert rows["all leaves"][1] == rows["half at 0"][1] == 0
pd.DataFrame(rows, index=columns).T

# %% [markdown] zh="b565d0b1"
# Not one row differs, the error of the probabilities is one of rounding, and rows of priority 0 never came up.
#
# ## 5.4　TD error, or energy
#
# Let us ask an agent that is half-way there: Push, with HER, drawn by TD error, 40 rounds. (We also keep the network of the *round before*, for 5.5.) Every episode that it played is still in its buffer.

# %%
from copy import deepcopy

from her.training import Trainer, settings_for, use_one_thread
from her_course.figures.progress import progress_bar

use_one_thread()
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))


# %%
def half_way(env_id, rounds, seed, **env_kwargs):
    settings = {"priority": "td", "seed": seed, "evaluate_every": 1_000}
    trainer = Trainer(settings_for(env_id, env_kwargs, **settings))
    for _ in progress_bar(range(rounds), description=f"{env_id}, seed {seed}"):
        before = deepcopy(trainer.agent)
        trainer.round()
    return trainer, before


push_rounds = 40 if PROFILE == "full" else 6
pushes = [half_way("her/Push-v0", push_rounds, seed) for seed in SEEDS]


# %% [markdown] zh="3f5d307d"
# An episode has 50 steps, so 50 rows of the buffer are an episode. In what share of them did the puck move? A row is a seed:

# %% tags=["nbval-ignore-output"]
def moved_in(buffer):
    rows = buffer.live_rows().reshape(-1, 50)
    return np.ptp(buffer.achieved_goals[rows], axis=1).any(axis=-1)


moved_shares = [(moved.size, moved.mean()) for moved in (moved_in(t.buffer) for t, _ in pushes)]
index = [f"seed {seed}" for seed in SEEDS]
pd.DataFrame(moved_shares, columns=["episodes", "moved"], index=index).round(2)


# %% [markdown] zh="9a2ccdfe"
# In about four out of ten the puck never stirs. Chapter 2 said it: such episodes succeed under any relabelling and teach nothing. Drawn uniformly, a great part of the updates is spent on them.
#
# **Trajectory energy** ([Zhao and Tresp 2018](https://arxiv.org/abs/1810.01363)) has another idea: do not ask the network, ask the *object*. How much energy did an episode give it?
#
# $$E_t=m\,G\,(z_t-z_0)+\tfrac12\,m\lVert v_t\rVert^2,\qquad E_\tau=\sum_t\mathrm{clip}(E_t-E_{t-1},\,0,\,c)$$
#
# ($m$ is the mass, $G$ gravity, $z$ the height.) Our puck stays on the table, so there is no height. Only *gains* count, and at most $c$ a step, so that one collision does not dominate. Two paths of the same 10 centimetres, pushed in one step and in two gentle ones:

# %%
def energy(positions, dt=0.1, mass=1.0, clip=0.5):
    speed = np.linalg.norm(np.diff(positions, axis=0), axis=1) / dt
    kinetic = np.append(0, mass * speed**2 / 2)
    return np.diff(kinetic).clip(0, clip).sum()


one_step = energy([[0, 0], [0, 0], [0.1, 0], [0.1, 0]])
two_steps = energy([[0, 0], [0.05, 0], [0.1, 0], [0.1, 0]])
pd.DataFrame({"energy, J": [one_step, two_steps]}, index=["one step", "two steps"]).T.round(3)

# %% [markdown] zh="a4c848dc"
# The library's `priority="energy"` ([`her/energy.py`](../../her/energy.py)) draws episodes by $P(\tau)\propto (E_\tau+\text{floor})^{1/(\mathcal{T}+0.01)}$, with the temperature $\mathcal{T}=1$, and then one of their steps, uniformly. The floor (0.01 J) is not in the paper; it lets quiet episodes show up now and then. Store the same episodes in a buffer that draws by energy, and check the energies that it computes:

# %%
from her import HindsightExperienceReplay


def refill(old, seed, buffer=HindsightExperienceReplay, **settings):
    sizes = old.capacity, old.state_dim, old.action_dim, old.goal_dim
    new = buffer(*sizes, old.config, seed=seed, **settings)
    fields = (old.states, old.actions, old.rewards, old.next_states, old.dones)
    for first in np.unique(old.episode_start[old.live_rows()]):
        rows = slice(first, old.episode_end[first])
        arrays = [field[rows] for field in (*fields, old.achieved_goals, old.desired_goals)]
        new.store_episode(Episode.from_arrays(*arrays))
    return new


# %% tags=["nbval-ignore-output"]
trainer, _ = pushes[0]
position = {"position": slice(2, 4), "dt": 0.1}
by_energy = refill(trainer.buffer, 0, PrioritizedHER, priority="energy", **position)
rows = trainer.buffer.live_rows().reshape(-1, 50)
starts = trainer.buffer.states[rows[:, :1], 2:4]
paths = np.concatenate([starts, trainer.buffer.achieved_goals[rows]], axis=1)
energies = np.array([energy(path) for path in paths])
differ = np.abs(energies - by_energy.transitions.energies(by_energy)).max()
assert differ < 1e-4
numbers = {"episodes": len(paths), "mean energy, J": energies.mean(), "largest difference": differ}
pd.DataFrame(numbers, index=["energies"]).round(6)

# %% [markdown] zh="407e579b"
# Now two hundred thousand rows from each of the three.

# %%
buffers = {"uniform": refill(trainer.buffer, seed=0), "td": trainer.buffer, "energy": by_energy}
drawn = {name: buffer.sample(200_000).indices // 50 for name, buffer in buffers.items()}
n = len(paths)
rates = {name: np.bincount(of, minlength=n) * n / 200_000 for name, of in drawn.items()}
moved = moved_in(trainer.buffer)
share = {name: moved[of].mean() for name, of in drawn.items()}

# %% [markdown] zh="ac659305"
# Left: of the rows drawn, how many come from episodes in which the puck moved? Right: a dot is an episode, and its height says how many times as often it was drawn as under uniform sampling. First see on the left which way is better at avoiding the idle puck, then look right: the dots of energy line up almost perfectly; what about the red crosses?

# %%
from her_course.figures.priorities import draw_moved_shares, draw_replay_rates

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(2, 3))
draw_moved_shares(axes[0], share)
draw_replay_rates(axes[1], energies, {name: rates[name] for name in ("td", "energy")})
show(fig, "priorities.replayed")
assert share["energy"] > share["uniform"]
if PROFILE == "full":
    assert share["energy"] > 0.85
    assert share["energy"] > share["td"] > share["uniform"]


# %% [markdown] zh="e3622e36"
# Energy gives nearly all draws to pucks that moved, and more the more they moved. TD error leans the same way, but gently, and spread out: not all of the network's error is about the puck.
#
# Energy is a *fact* about the episode, computed once, true for ever; but it does not know what the network has learned by now, and tasks without an object (bit flipping, Reach) have none of it. The TD error exists everywhere and changes as learning goes on. But does the stored number keep up?
#
# ## 5.5　Stale priorities
#
# PER stores one number, the error *when last drawn*. By the next time two things have changed, and it has become a stale priority:
#
# 1. **The network.** Ordinary PER has that trouble as well.
# 2. **The goal.** The error $\delta(s,a,s',g)$ belongs to a transition *and a goal*. HER draws a new goal every time, and the stored priority speaks of the previous $g$.
#
# Which is worse? Measure. The same transition, drawn twice, with two different goals (farther apart than the tolerance, or it is no change). This finds such pairs of rows in a large batch:

# %%
def two_goals(batch, apart):
    relabelled = np.flatnonzero(batch.relabelled)
    rows, first = np.unique(batch.indices[relabelled], return_index=True)
    others = np.delete(relabelled, first)
    again, second = np.unique(batch.indices[others], return_index=True)
    one, two = relabelled[first][np.isin(rows, again)], others[second]
    differ = np.linalg.norm(batch.goals[one] - batch.goals[two], axis=1) > apart
    return one[differ], two[differ]


# %% [markdown] zh="ac266bd9"
# The network itself computes the errors: `update` hands back those from *before* the update, and we update a copy, so that the original stays as it is. Take the $\alpha$-th root of a priority and subtract $\epsilon$, and you have the stored $|\delta|$ again. Three comparisons, all by rank correlation: 1 is the same ranking, 0 is no relation at all.

# %%
from scipy.stats import spearmanr


def staleness(trainer, before, apart):
    n = 100_000 if PROFILE == "full" else 20_000
    batch = refill(trainer.buffer, seed=trainer.config.seed + 1_000).sample(n)
    one, two = two_goals(batch, apart)
    agents = (deepcopy(agent) for agent in (trainer.agent, before))
    now, earlier = (np.abs(agent.update(batch.torch())) for agent in agents)
    sampler = trainer.buffer.transitions
    stored = sampler.priorities(batch.indices) ** (1 / sampler.alpha) - sampler.epsilon
    pairs = [(earlier[one], now[one]), (now[one], now[two]), (stored[one], now[one])]
    return [spearmanr(a, b).statistic for a, b in pairs]


# %% [markdown] zh="352500c2"
# Besides Push, take 15 bits, 8 rounds.

# %%
ROWS = ("older network", "another goal", "stored priority")
bit_rounds = 8 if PROFILE == "full" else 3
flips = [half_way("her/BitFlip-v0", bit_rounds, seed, n_bits=15) for seed in SEEDS]
tasks = {"Push": (pushes, 0.08), "BitFlip": (flips, 1)}
stale = {name: [staleness(*run, apart) for run in of] for name, (of, apart) in tasks.items()}
stale = {name: pd.DataFrame(of, columns=ROWS, index=index) for name, of in stale.items()}

# %% [markdown] zh="67a1994c"
# A dot is a seed, a bar the mean. In the first row *only the network* has changed (a round older, the same goal), in the second *only the goal* (the same network), and in the third both, which is what PER really works with: the stored priority against a freshly drawn goal.

# %%
from her_course.figures.priorities import draw_correlations

fig, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
for ax, (task, of_seeds) in zip(axes, stale.items(), strict=True):
    draw_correlations(ax, of_seeds.to_dict("list"), task)
show(fig, "priorities.stale")

# %% tags=["nbval-ignore-output"]
means = pd.DataFrame({task: of_seeds.mean() for task, of_seeds in stale.items()}).T
assert (means["stored priority"] < 0.6).all()
assert means.loc["Push", "older network"] > means.loc["Push", "another goal"] + 0.2
means.round(2)


# %% [markdown] zh="d63d7053"
# In Push, a network a round older mostly keeps the ranking of the errors; another goal upsets most of it, and a stored priority is no better than that. The trouble is not an older network, it is *another goal*. In bit flipping all three are low, most likely because the network changes fast and a goal can be any pattern of 15 bits.
#
# In Push something is left, and it is not *whether the puck moved*: every pair compared here has goals more than 8 cm apart, so no episode with an idle puck is among them. Whether the puck moved comes on top of it: no change of goal can change that, and 5.4, left, shows it.
#
# Some relief can be had: a larger `epsilon`; or `smoothing`, which makes a priority remember the average of several draws, and so of several goals. There is no cure, for a transition does not have *an* error. It has a family of them.
#
# ## 5.6　From easy to hard
#
# Now the other knob: *which goal*. The curriculum of this section is the course's own, there is no paper; for its relatives see 6.6. How far is "within reach"? Ask the record: in every real episode, every step is a try, "from a distance of $d$ to the goal, was it reached *then or later*?" Count by bins of $d$; where the success rate falls below a half is the **reach** $r$.
#
# For each transition, draw four candidate goals, the $i$-th at a distance $d_i$. Take how far each lies beyond $r$, and subtract the smallest of the four:
#
# $$u_i=\max(d_i-r,0)-\min_j\max(d_j-r,0),\qquad w_i\propto\text{floor}+e^{-u_i/s}$$
#
# One is drawn with the weights $w_i$: within $r$ all are alike, beyond it farther ones are rarer.

# %%
def nearness(distances, reach, softness, floor=0.05):
    beyond = np.maximum(distances - reach, 0)
    return floor + np.exp((beyond.min(axis=0) - beyond) / softness)


d = np.array([0.1, 0.3, 0.5, 0.7])
w = {f"r = {r} m": nearness(d, r, softness=0.18) for r in (0.0, 0.2, 0.4, 0.8)}
columns = [f"d = {x} m" for x in d]
pd.DataFrame([x / x.sum() for x in w.values()], index=list(w), columns=columns).round(2)

# %% [markdown] zh="adf351b4"
# A row is an $r$, with the chances of the four candidates: as $r$ grows from 0 to 0.8 they even out.
#
# In the library it is `CurriculumHER(curriculum="reach")`. Is it these few lines? Take a straight walk of 20 steps with its goal at 30. The library reports its present `reach` and `scale` (how far the environment's own goals are on average; $s$ is 0.4 of it), we draw accordingly, and compare by a chi-square test how many cells beyond the step the goals lie:

# %%
library = CurriculumHER(100, 1, 1, 1, config, curriculum="reach", softness=0.4, floor=0.05, seed=0)
library.store_episode(walk(20, goal=30))
batch, report = library.sample(50_000), library.report()
theirs = (batch.goal_indices - batch.indices)[batch.relabelled]

t = rng.integers(20, size=40_000)
candidates = rng.integers(t, 20, size=(4, 40_000))
softness = 0.4 * report["scale"]
w = nearness(1.0 * (candidates - t), report["reach"], softness).cumsum(axis=0)
chosen = (w > rng.random(40_000) * w[-1]).argmax(axis=0)
ours = candidates[chosen, np.arange(40_000)] - t

# %%
from scipy.stats import chi2_contingency


def compare(offsets):
    table = np.stack([np.bincount(x, minlength=20) for x in (theirs, offsets)])
    return {"mean offset": offsets.mean(), "p": f"{chi2_contingency(table).pvalue:.2g}"}


rows = {"these lines": compare(ours), "plain future": compare(candidates[0] - t)}
pd.DataFrame({"library": {"mean offset": theirs.mean()}} | rows).T


# %% [markdown] zh="dcee30cb"
# Ours and the library's cannot be told apart; plain `future` is found out at once: its goals lie farther away.
#
# The curriculum has a hand in something else: where to go when it really plays. In eight episodes out of ten it takes its goal from *what was achieved before*, right at the edge of reach (`rollout_goals`). This is more than relabelling; HGG and MEGA went along that road (6.6).
#
# ### Watch it grow up
#
# Push, and the reach after each round. At three moments we keep the agent and the goals which that round *really practised*: round 12 (early), when the recorded reach first passes 0.25 metres (middle), and the last round (late).

# %%
def snapshot(trainer):
    buffer = trainer.buffer
    first = buffer.live_rows()[-64 * 50 :: 50]
    practised = buffer.desired_goals[first] - buffer.states[first, 2:4]
    return deepcopy(trainer.agent), practised, buffer.report()["reach"]


GROW_ROUNDS, EARLY = (80, 12) if PROFILE == "full" else (4, 2)


# %%
def grow(seed):
    settings = settings_for("her/Push-v0", curriculum="reach", seed=seed, evaluate_every=1_000)
    trainer, reaches, stages = Trainer(settings), [], {}
    for i in progress_bar(range(1, GROW_ROUNDS + 1), description=f"seed {seed}"):
        trainer.round()
        reaches.append(trainer.buffer.report()["reach"])
        middle = reaches[-1] > 0.25 or i == GROW_ROUNDS - 1
        moments = {"early": i == EARLY, "middle": middle, "late": i == GROW_ROUNDS}
        for stage in (name for name, is_now in moments.items() if is_now and name not in stages):
            stages[stage] = snapshot(trainer)
    return np.array(reaches).clip(max=1), {name: stages[name] for name in moments}


# %%
grown = {seed: grow(seed) for seed in SEEDS}
reaches = np.array([reach for reach, _ in grown.values()])

# %% [markdown] zh="9d06098a"
# The green band is where the task's goals are (0.3 to 0.6 metres from the puck), the dotted line is the tolerance. See how long the curve lies on the dotted line, and how steep it is once it leaves:

# %%
from her_course.figures.priorities import draw_reach_growth

fig, ax = plt.subplots(figsize=(6.6, 3.4))
draw_reach_growth(ax, 64 * 50 * np.arange(1, GROW_ROUNDS + 1), reaches, 0.08)
show(fig, "priorities.reach")
if PROFILE == "full":
    assert (reaches[:, 11] < 0.2).all()
    assert (reaches[:, -1] > 0.45).all()

# %% [markdown] zh="daf2a9ee"
# For the first hundred thousand steps, reach is the tolerance: if the puck lies in the ring already, the goal counts as reached. Then, soon, it passes through the whole task.
#
# The record was kept during training: with exploration, on goals that the curriculum chose, and "then or later" counts. The task's criterion is another: no exploration, any goal, the *last step*. So here is an evaluation, four hundred goals all over a disc of 0.85 metres around the puck, and the same episodes counted by both: the reach, counted as the record does ([`Reach`](../../her/reach.py)), and the share that is there at the last step.

# %%
from her.reach import Reach
from her.training.evaluation import make_envs, rollout


def around_the_puck(agent, explore=False, n=400):
    envs, rng = make_envs("her/Push-v0", n), np.random.default_rng(0)
    distance, angle = 0.85 * np.sqrt(rng.random(n)), rng.uniform(-np.pi, np.pi, n)
    offsets = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    goals = envs.reset(seed=1)[0]["achieved_goal"] + offsets
    act = lambda x: agent.act(x, explore=explore)  # noqa: E731
    return offsets, rollout(act, envs, 50, seed=1, options={"goal": goals})


# %%
def count_as_recorded(play):
    reach = Reach()
    distances = np.linalg.norm(play.achieved_goals - play.goals, axis=2)
    for left, reached in zip(distances.T, play.success.T, strict=True):
        reach.observe(left, reached)
    return min(reach.distance, 1.0)


def judge(agent, practised, recorded):
    exploring, greedy = (around_the_puck(agent, explore)[1] for explore in (True, False))
    reaches = [min(recorded, 1.0), count_as_recorded(exploring), count_as_recorded(greedy)]
    return [*reaches, greedy.success.any(axis=0).mean(), greedy.success[-1].mean()]


# %% [markdown] zh="999bc405"
# A row is a moment of a seed: the reach recorded in training (metres); the same count in the evaluation, with exploration and without; and of the four hundred goals, the share reached at any step, and at the last one.

# %% tags=["nbval-ignore-output"]
columns = ["recorded", "exploring", "greedy", "any step", "last step"]
kept = {(seed, stage): of for seed, (_, stages) in grown.items() for stage, of in stages.items()}
judged = pd.DataFrame({key: judge(*of) for key, of in kept.items()}, index=columns).T
judged = judged.rename_axis(["seed", "stage"])
if PROFILE == "full":
    last = judged["last step"].unstack()
    assert (last["late"] > last[["early", "middle"]].max(axis=1) + 0.2).all()
judged.round(2)

# %% [markdown] zh="6983e6e0"
# Take the first seed at the middle stage. The record says 0.27 m; counted alike, the evaluation even says more, 0.54 m (the record averages many recent tries and lags behind; exploration makes little difference). But at the last step only 5 % of the goals are reached, and 42 % at any step: the puck *passes* its goal and does not *stop* there. In the other two seeds the gap is smaller: 56 % against 40 %, 24 % against 13 %. So the two criteria, "then or later" and "there at the last step", give different numbers, and by how much depends on the seed. Late, the two agree. The record is good enough to order goals by; it is no measure of success.
#
# The first seed, as a map. Above, the evaluation: a dot is a goal, drawn where it lies from the puck's start; green was reached at the last step, hollow was not. The dashed red circle is the recorded reach, the green ring is what the task wants. Below, the sixty-four goals *practised* in that round (a few are too far away for the picture).

# %%
from her_course.figures.priorities import draw_goals_around

stages = grown[SEED][1]
fig, axes = plt.subplots(2, 3, figsize=(8.4, 5.9), sharex=True, sharey=True)
for (top, bottom), (stage, (agent, practised, reach)) in zip(axes.T, stages.items(), strict=True):
    offsets, play = around_the_puck(agent)
    draw_goals_around(top, offsets, reach, stage, play.success[-1])
    draw_goals_around(bottom, practised, reach, stage)
show(fig, "priorities.stages")


# %% [markdown] zh="1a8d7b9d"
# Early, hardly any goal is reached at the last step; at the middle stage, a few here and there; late, nearly all of them. The goals practised early lie around the centre (the edge is soft, so they spill over the red circle); late, eight episodes out of ten aim at the red circle, but the puck has seldom been that far, and the other two are still the task's own.
#
# Watch them push: three tasks, the same for the agents of the three moments. The first frame is how it ends.

# %%
def film(agent):
    envs = make_envs("her/Push-v0", 3, render_mode="rgb_array")
    observation, _ = envs.reset(seed=5)
    for step in range(50 if PROFILE == "full" else 10):
        if step % 3 == 0:
            yield np.hstack(envs.render())
        parts = observation["observation"], observation["desired_goal"]
        observation, *_ = envs.step(agent.act(np.hstack(parts)))


# %%
from her_course.figures.implementation import film_of

films = {stage: list(film(agent)) for stage, (agent, *_) in stages.items()}
animate(film_of(films, width=660), "priorities.film", fps=6)


# %% [markdown] zh="1fccc719"
# ## 5.7　CHER: broad first, then near
#
# Curriculum-guided HER (CHER; [Fang et al. 2019](https://papers.nips.cc/paper/2019/hash/83715fd4755b33f9c3958e1a9ee221e1-Abstract.html)) does not measure reach; it looks at *the batch as a whole*. Draw twice as many candidates with `future`, and pick the half $A$ that makes this as large as can be:
#
# $$F(A)=\sum_i\max_{j\in A}\mathrm{sim}(g_i,g_j)\;-\;\lambda\sum_{j\in A}\lVert g_j-d_j\rVert$$
#
# The first term is **diversity**: every candidate should have a picked one close by to stand for it. The second is **proximity**: a substitute goal $g_j$ should be near the $d_j$ that was really wanted. $\lambda$ keeps growing, hence broad first and near later. Greedily, always pick what makes $F$ grow the most:

# %%
def pick(goals, cost, n):
    apart = np.linalg.norm(goals[:, None] - goals, axis=2)
    sigma = np.where(np.eye(len(goals)), np.inf, apart).min(axis=1).mean()
    similar, covered, picked = np.exp(-((apart / sigma) ** 2)), 0.0, []
    for _ in range(n):
        gain = np.maximum(similar, covered).sum(axis=1) - cost
        gain[picked] = -np.inf
        picked.append(gain.argmax())
        covered = np.maximum(covered, similar[picked[-1]])
    return np.array(picked), covered.sum() - cost[picked].sum()


# %% [markdown] zh="d076ab55"
# Real candidates: Reach, sixty wandering episodes that all want to get to one place right of the wall, and 128 points that they passed.

# %%
desired = np.float32([0.5, 0.6])
envs = make_envs("her/Reach-v0", 60)
envs.action_space.seed(1)
everywhere = {"goal": np.tile(desired, (60, 1))}
play = rollout(lambda x: envs.action_space.sample(), envs, 50, seed=0, options=everywhere)
goals = np.random.default_rng(0).permutation(play.achieved_goals.reshape(-1, 2))[:128]
distance = np.linalg.norm(goals - desired, axis=1)

# %% [markdown] zh="1f84a6b9"
# Pick 16 (few enough to see; in training it is 64 out of 128). Left, any 16; in the middle $\lambda=0$, breadth alone; right, a large $\lambda$, nearness alone. In which panel are the blue dots spread out the most?

# %%
from her_course.figures.priorities import draw_picks

picks = {"random": np.arange(16)}
picks |= {f"λ = {weight}": pick(goals, weight * distance, 16)[0] for weight in (0, 30)}
fig, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for ax, (title, picked) in zip(axes, picks.items(), strict=True):
    draw_picks(ax, goals, desired, picked, title)
show(fig, "priorities.cher")

# %% [markdown] zh="30b78d14"
# In numbers: of the picked points, how far apart are the closest two (metres)? And how far is the star, on average?

# %%
from scipy.spatial.distance import pdist

rows = {name: (pdist(goals[of]).min(), distance[of].mean()) for name, of in picks.items()}
pd.DataFrame(rows, index=["closest two, m", "mean distance, m"]).T.round(2)

# %% [markdown] zh="11e2f823"
# With $\lambda=0$ they are spread out the most: even the closest two are 12 centimetres apart, twice as far as at random. With $\lambda=30$ they are much nearer to the star, at the price of crowding.
#
# The library's `pick_diverse` ([`her/cher.py`](../../her/cher.py)) is *stochastically* greedy: each time it takes the best of a random three instead of comparing them all (three in the authors' code as well). 64 picks, and $F$ of: any 64, the library's, the truly greedy. (The authors' released code departs from the paper in places: the step counter goes back to zero every epoch, so that $\lambda$ hardly grows; proximity is measured against the goal that has already been relabelled. The library follows the *paper*; the docstring of `her.cher.Cher` lists every difference.)

# %%
from her.cher import pick_diverse


def objective(picked, cost):
    apart = np.linalg.norm(goals[:, None] - goals, axis=2)
    sigma = np.where(np.eye(128), np.inf, apart).min(axis=1).mean()
    covered = np.exp(-((apart[:, picked] / sigma) ** 2)).max(axis=1)
    return covered.sum() - cost[picked].sum()


# %%
rows = {}
for weight in (0.0, 1.0, 5.0):
    cost = weight * distance
    quick = pick_diverse(goals, cost, 64, np.random.default_rng(0))
    values = objective(np.arange(64), cost), objective(quick, cost), pick(goals, cost, 64)[1]
    rows[f"λ = {weight}"] = values
pd.DataFrame(rows, index=["random", "library", "greedy"]).T.round(1)

# %% [markdown] zh="3d46edab"
# The same with each $\lambda$: stochastic greed lies between a random pick and the truly greedy one, nearer the greedy one.
#
# ## 5.8　A table with intervals
#
# Do the ideas help? Five methods, nothing else changed: uniform HER; by TD error; by energy; the curriculum of reach; CHER. Two tasks, five seeds, made by `her sweep results/variants/sweep.toml` and kept in [`results/variants`](../../results/variants) (no object in bit flipping, hence no energy). [`results/variants_why`](../../results/variants_why) has more settings, for the $\alpha$ and $\beta$ of TD errors in bit flipping. The settings first: updates, $\alpha$, $\beta$ and $\lambda$ at the first evaluation and at the last (`NaN`: a method that has none).

# %%
from pathlib import Path

here = (Path.cwd(), *Path.cwd().parents)
RESULTS = next(folder / "results" for folder in here if (folder / "results").is_dir())


def schedules(folder):
    table = pd.read_csv(RESULTS / folder / "curves.csv").query("seed == 0")
    names = ["updates", "alpha", "beta", "lambda"]
    table = table.reindex(columns=["task", "variant", *names])
    runs = table.groupby(["task", "variant"], sort=False)
    return pd.concat({"first": runs.first(), "last": runs.last()}, axis=1).swaplevel(axis=1)[names]


# %%
settings = pd.concat([schedules(folder) for folder in ("variants", "variants_why")])
settings.groupby(level=[0, 1], sort=False).first().round(2)

# %% [markdown] zh="1629314c"
# A schedule is as long as its run: $\beta$ goes from 0.4 to 1 and $\lambda$ from 1 to 100, while $\alpha$ stays at 0.6 (at 0 in `td_alpha_0`). `td_beta_0` and `td_beta_1` hold $\beta$ still, and `cher_diversity_only` keeps $\lambda$ at 0: breadth and nothing else.
#
# The curves are means of five seeds; beside them stand the steps at which each seed first reached 0.9, a dot each. Which method's dots are clear of those of uniform?

# %%
from her.plots.curves import read_curves
from her.sweeps.statistics import steps_to_threshold
from her_course.figures.priorities import VARIANTS, draw_arrivals, draw_variants

curves = read_curves(RESULTS / "variants" / "curves.csv")
TASKS = {"bit_flip_30": "any", "push": "end"}


def arrivals(curves, task, variants, level=0.9):
    found = {variant: curves[task, variant] for variant in variants if (task, variant) in curves}
    return {v: [steps_to_threshold(x, y, level) for y in ys] for v, (x, ys) in found.items()}


# %%
fig, axes = plt.subplots(2, 2, figsize=(9.6, 6.6), width_ratios=(3, 2))
for (left, right), (task, at) in zip(axes, TASKS.items(), strict=True):
    of_task = {variant: curves[task, variant] for variant in VARIANTS if (task, variant) in curves}
    draw_variants(left, of_task, task, at)
    limit = max(steps[-1] for steps, _ in of_task.values())
    draw_arrivals(right, arrivals(curves, task, VARIANTS), limit, 0.9)
axes[1, 0].legend()
show(fig, "priorities.variants")

# %% [markdown] zh="87f90ee4"
# Now in numbers. `times` is the steps of uniform divided by those of the method (1 is equally fast); its 95 % interval is Student's $t$ on their logarithms (with the degrees of freedom of the smaller side, which is cautious). Steps are only seen at evaluations, and a seed really got there somewhere between two of them, so that either end is widened by one step of that grid.

# %%
from scipy import stats


def times_as_fast(slow, fast, grid):
    slow, fast = np.array(slow), np.array(fast)
    half = stats.t.ppf(0.975, min(len(slow), len(fast)) - 1)
    half *= np.hypot(stats.sem(np.log(slow)), stats.sem(np.log(fast)))
    low = np.log(slow - grid).mean() - np.log(fast).mean() - half
    high = np.log(slow).mean() - np.log(fast - grid).mean() + half
    ratio = np.log(slow).mean() - np.log(fast).mean()
    return dict(zip(("times", "low", "high"), np.exp([ratio, low, high]), strict=True))


# %%
def table(curves, task, variants):
    needed = {v: n for v, n in arrivals(curves, task, variants).items() if None not in n}
    grid = np.diff(curves[task, "uniform"][0]).max()
    return {
        (task, v): {"seeds": len(n), "k steps": np.mean(n) / 1e3, "grid": grid / 1e3}
        | times_as_fast(needed["uniform"], n, grid)
        for v, n in needed.items()
    }


rows = table(curves, "bit_flip_30", VARIANTS) | table(curves, "push", VARIANTS)
pd.DataFrame(rows).T.rename_axis(["task", "variant"]).round(2)


# %% [markdown] zh="709564c4"
# The final results (200 fresh episodes), a column for each seed:

# %%
def final(folder):
    runs = pd.read_csv(RESULTS / folder / "runs.csv").query("status == 'done'")
    by = {"index": ["task", "variant"], "columns": "seed", "values": "success_rate"}
    rates = runs.pivot_table(**by, sort=False)
    rates["mean"] = rates.mean(axis=1)
    return rates


final("variants").round(3)

# %% [markdown] zh="0c79dece"
# Bit flipping first: every interval has 1 in it, and no method can be called faster. Then Push: the intervals of energy and of TD error lie above 1, so both are faster than uniform. Energy needs fewer steps on average, but the two are not told apart: by the same formula energy is 1.19 times as fast as TD error, with the interval [0.91, 1.58]. The curriculum of reach and CHER have 1 in their intervals and were not told apart from uniform. The final results are all 0.98 or better and cannot be ranked, which is why steps are compared.
#
# Why is TD error no faster in bit flipping? Staleness (5.5) is one explanation, but not yet the cause. `variants_why` has the same task with several $\beta$, and with $\alpha=0$, which should draw as uniform does:

# %%
why = read_curves(RESULTS / "variants_why" / "curves.csv")
variants = [variant for _, variant in why]
rows = table(why, "bit_flip_30", variants)
rates = final("variants_why")["mean"].rename("final success")
pd.DataFrame(rows).T.rename_axis(["task", "variant"]).join(rates).round(2)


# %% [markdown] zh="d7c7a964"
# $\alpha=0$ cannot be told from uniform, as it should be. And the two rows of $\beta$? Put the steps of $\beta=0$, uniform and $\beta=1$ in order, with an analysis of variance (an $F$ test):

# %%
def compare_in(rows, task):
    needed = {v: n for v, n in arrivals(why, task, variants).items() if None not in n}
    names = [v for v in rows if v in needed]
    steps = [needed[v] for v in names]
    test = stats.f_oneway(*steps)
    columns = {"variants": " < ".join(sorted(names, key=lambda v: np.mean(needed[v])))}
    return columns | {"F": test.statistic, "p": test.pvalue}


betas = [v for v in variants if v.startswith("td_beta")] + ["uniform"]
pd.DataFrame([compare_in(betas, "bit_flip_30")]).round(3)

# %% [markdown] zh="ae41ad7b"
# The first column is the order, fastest first. $p=0.018$: the three means are not all the same. That is all it says: an $F$ test knows no order, and uniform has no $\beta$; $\beta=0$ against $\beta=1$ alone is 1.13 times as fast by the formula above, with the interval [0.98, 1.32], which still contains 1. The direction fits one explanation: after the division by the largest weight, a larger $\beta$ makes the steps of most transitions smaller. So the weights may be part of the reason why TD error is no faster in bit flipping, and not staleness alone. To separate them one would have to fix $\beta$ and vary how stale priorities are; that was not done here.
#
# In Push, the mean steps of uniform, TD error and energy are in the order of 5.4, left: the better a method avoids the idle puck, the fewer steps it needs on average. That TD error is faster at all, as stale as its numbers are, is most likely because it, too, knows whether the puck moved, and that *does not depend on the goal*. This is our explanation, no proof.
#
# Advice: with an object, try energy first, it is cheap and never stale; without one, begin with uniform; where you may choose the goals that episodes begin with, try a curriculum. Five seeds and two tasks, and that is as far as it goes.
#
# ## 5.9　Looking back
#
# 1. **Two formulas.** $P(i)\propto p_i^{\alpha}$ looks at large errors more often, $w_i$ corrects the average (5.2).
# 2. **The sum tree.** Three steps for eight leaves; binary or 16-ary, ten thousand random numbers lead to the very same rows (5.3).
# 3. **Energy and TD error.** Energy gives nearly all of the draws to pucks that moved; TD error is much gentler (5.4).
# 4. **Stale.** In Push, a network a round older mostly keeps the ranking; another goal upsets most of it, and a stored priority is no better than that (5.5).
# 5. **Easy to hard.** The record counts "reached then or later", the task wants "there at the last step": at the middle stage 42 % against 5 % in the first seed, less in the other two (5.6). CHER sees it another way: broad first, then near (5.7).
# 6. **One table.** In Push energy and TD error are both faster than uniform, and not told apart from each other; in bit flipping no method can be told from uniform (5.8).
#
# ### Three misconceptions
#
# - **"A large TD error means: not learned yet."** It may be luck, noise, or just another goal. It belongs to a transition *and* a goal.
# - **"Priorities always beat uniform."** In bit flipping five seeds do not show that they are faster, and there is a tree to keep up. Ask first: will the stored number still hold next time?
# - **"The harder the curriculum the better"**, or "the easier". Too hard and nothing is reached, too easy and nothing is left to learn. Where the edge is has to be measured, and it moves.
#
# ### Your turn
#
# Open [`exercises/en/ch5.ipynb`](../../exercises/en/ch5.ipynb): `priority_probabilities`, `importance_weights`, `sum_tree_find`, `trajectory_energy`, `curriculum_weights`, `rank_probabilities`, and a bug to find, `mended_energies`. The open task at the end is “Do priorities help at all?” `sum_tree_find` vectorises `find` of 5.3: ten thousand targets walk down together, without a loop.
#
# To go one step further: add `"priority_settings": {"smoothing": 0.9}` to the `settings` inside `half_way` of 5.4, guess first whether the third row of 5.5 goes up or down, then run it.
#
# ### The question for the next chapter
#
# So far we have compared *kinds of HER*. Take a step back: **how much faster is it than no HER at all, and when should you not use it?** ([chapter 6](06_experiments.ipynb))
