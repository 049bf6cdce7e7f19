# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5　Exercises: priorities and curricula
#
# Which transition, which goal: two choices, five functions and an open task, some 80 minutes.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "en")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import matplotlib.pyplot as plt
import numpy as np

from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import COLORS, show, use_style

use_style(LANG)


# %% [markdown]
# ## 5.1　Large errors are drawn more often
#
# ★☆☆☆　5 minutes
#
# Prioritised replay (Schaul et al. 2016, §3.3): P(i) = pᵢ^α / Σⱼ pⱼ^α with pᵢ = |δᵢ| + ε. The ε leaves a chance to transitions without error.

# %% nbgrader={"grade": false, "grade_id": "priority_probabilities", "locked": false, "schema_version": 3, "solution": true, "task": false}
def priority_probabilities(td_errors: np.ndarray, alpha: float, epsilon: float) -> np.ndarray:
    """How probable each transition is to be drawn.

    td_errors: (n,) of either sign.
    alpha: 0 is uniform; the larger, the more errors matter.
    epsilon: above 0, in units of TD error.
    Returns (n,) probabilities.

    >>> priority_probabilities(np.array([0.9, -2.9]), 1.0, 0.1)
    array([0.25, 0.75])
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_priority_probabilities", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(priority_probabilities).score


# %% [markdown]
# ## 5.2　Drawn more often, counted less
#
# ★★☆☆　10 minutes
#
# Uneven draws bias the gradient. Importance weights wᵢ = (N·P(i))^−β pull it back (same paper, §3.4); divided by the largest *of the batch*, so that the largest is exactly 1. N is the number of transitions stored.

# %% nbgrader={"grade": false, "grade_id": "importance_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def importance_weights(probabilities: np.ndarray, indices: np.ndarray, beta: float) -> np.ndarray:
    """How much each drawn transition counts.

    probabilities: (N,) of all transitions.
    indices: (n,) of the transitions that were drawn; an index may occur twice.
    beta: 0 corrects nothing, 1 everything.
    Returns (n,) weights, the largest of which is 1.

    >>> importance_weights(np.array([0.5, 0.25, 0.25]), np.array([0, 1]), 1.0)
    array([0.5, 1. ])
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_importance_weights", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(importance_weights).score


# %% [markdown]
# ## 5.3　Find the leaf in a sum tree
#
# ★★★☆　20 minutes
#
# The tree lies in an array like a heap: the root at 1, the children of i at 2i and 2i + 1, each node the sum of its children; the second half, `tree[len(tree)//2:]`, are the leaves. (Position 0 is not used.) Given a target, find which leaf: the sum of the leaves before it ≤ target < that plus its own. A target right on a boundary belongs to the leaf on its right; a leaf of value 0 is never found.

# %% nbgrader={"grade": false, "grade_id": "sum_tree_find", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sum_tree_find(tree: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The leaves in which cumulative sums lie.

    tree: (2m,) with m leaves, m a power of 2.
    targets: (n,) numbers in [0, tree[1]).
    Returns (n,) integers, 0 … m - 1.

    >>> sum_tree_find(np.array([0.0, 10.0, 3.0, 7.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.5, 1.0, 9.0]))
    array([0, 1, 3])
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_sum_tree_find", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(sum_tree_find).score


# %% [markdown]
# ## 5.4　How much energy the robot gave
#
# ★★★☆　15 minutes
#
# Energy-based priorities (Zhao & Tresp 2018): the object has E = m·g·(z − z₀) + ½·m·‖v‖²; each step's *gain*, clipped to [0, clip], is added up. Losses do not count, the robot did not give them. z is the third coordinate. Where `velocities` is None, the object starts at rest (v₀ = 0), and later velocities are differences of positions over `dt`.

# %% nbgrader={"grade": false, "grade_id": "trajectory_energy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def trajectory_energy(
    positions: np.ndarray, velocities: np.ndarray | None, mass: float, gravity: float, dt: float, clip: float
) -> float:
    """The energy given to an object along a trajectory, in joules.

    positions: (T + 1, 3) metres, before the first action and after each.
    velocities: (T + 1, 3) m/s, or None.
    mass: kg. gravity: m/s². dt: seconds a step.
    clip: joules, the most that one step may contribute.
    Returns joules.

    >>> trajectory_energy(np.zeros((3, 3)), np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]]), 1.0, 9.81, 0.04, 5.0)
    0.5
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_trajectory_energy", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(trajectory_energy).score


# %% [markdown]
# ## 5.5　Easy first
#
# ★★☆☆　10 minutes
#
# Candidate goals are near or far, and the agent reliably reaches as far as `reach`. Weights ∝ exp(−(1 − stage)·max(d − reach, 0)/reach): within reach all alike, beyond it the farther the lighter; `stage` goes from 0 to 1, where all are alike. Where every goal is far away it still has to be probabilities, not NaN.

# %% nbgrader={"grade": false, "grade_id": "curriculum_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def curriculum_weights(distances: np.ndarray, reach: float, stage: float) -> np.ndarray:
    """How probable each candidate goal is to be chosen.

    distances: (n,) of the candidates, positive.
    reach: how far the agent reliably gets, positive, in the same unit.
    stage: of the curriculum, from 0 (easy goals first) to 1 (all alike).
    Returns (n,) probabilities.

    >>> curriculum_weights(np.array([1.0, 2.0, 9.0]), 2.0, 1.0).round(2)
    array([0.33, 0.33, 0.33])
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_curriculum_weights", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(curriculum_weights).score

# %% [markdown]
# One line for each of three stages. Guess their shapes first:

# %%
distances = np.linspace(0.1, 8, 60)
stages = attempt(lambda: {stage: curriculum_weights(distances, 2.0, stage) for stage in (0.0, 0.5, 1.0)})
if stages:
    fig, ax = plt.subplots(figsize=(6, 2.8))
    for (stage, weights), line in zip(stages.items(), ("-", "--", ":")):
        ax.plot(distances, weights, linestyle=line, label=f"stage = {stage:g}")
    ax.axvline(2.0, color=COLORS["grey"], linewidth=1)
    ax.set(xlabel="distance (the vertical line is reach)", ylabel="probability", ylim=(0, None))
    ax.legend()
    show(fig, alt="At stage 0 the probability falls off exponentially beyond reach, at 0.5 more slowly, at 1 it is a level line.")

# %% [markdown]
# ## Open task: do priorities help at all?
#
# ★★★☆　20 minutes
#
# Write `choose`: from the TD errors of all transitions draw n (with replacement), and return their indices and importance weights, by your `priority_probabilities` and `importance_weights` (α = 0.6, ε = 0.1). `Priorities` plugs it into the library's buffer. Both curves have HER and differ in *which transition* is drawn, nothing else. Ask first: do the two bands come apart? If not, nobody may say "faster".

# %% nbgrader={"grade": false, "grade_id": "choose", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

priority_probabilities = or_reference(priority_probabilities)
importance_weights = or_reference(importance_weights)


def choose(td_errors: np.ndarray, n: int, beta: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """n draws by TD error: (n,) indices into `td_errors`, and (n,) importance weights."""
    # your code here
    raise NotImplementedError


class Priorities:
    """Which transition: by `choose`. One that was never drawn has the largest error there was."""

    def __init__(self):
        self.errors = np.zeros(0)

    def sample(self, buffer, n, rng):
        rows = buffer.live_rows()
        indices, weights = choose(self.errors[rows], n, 0.4, rng)
        return rows[indices], weights.astype(np.float32)

    def stored(self, buffer, rows):
        if not len(self.errors):
            self.errors = np.zeros(buffer.capacity)
        self.errors[rows] = max(1.0, self.errors.max())

    def update(self, buffer, rows, td_errors):
        self.errors[rows] = np.abs(td_errors)

    def evicted(self, buffer, rows):
        self.errors[rows] = 0.0


def learning_curve(n_bits: int, rounds: int, priorities: bool, seed: int) -> list[float]:
    settings = {"strategy": "future", "seed": seed, "capacity": 20_000, "evaluate_every": 1, "priority": "td" if priorities else "none"}
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, **settings))
    if priorities:
        trainer.buffer.transitions = Priorities()
    return [trainer.round().success_rate for _ in range(rounds)]


# %%
n_bits, rounds = 15, 20 if PROFILE == "full" else 2
curves = attempt(lambda: {on: [learning_curve(n_bits, rounds, on, seed) for seed in range(3)] for on in (False, True)})

# %%
if curves:
    fig, ax = plt.subplots()
    for (on, runs), color, line in zip(curves.items(), (COLORS["blue"], COLORS["vermilion"]), ("-", "--")):
        label = "your priorities" if on else "uniform"
        steps = np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), color=color, linestyle=line, label=label)
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=color, alpha=0.15)
    ax.set(xlabel="rounds of practice", ylabel="success at any step", ylim=(-0.02, 1.02))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_title(f"Both with HER, {n_bits} bits: mean and range of three seeds")
    ax.legend()
    show(fig, alt="Two learning curves with HER, one sampling uniformly, one by your priorities.")

# %%
progress()
