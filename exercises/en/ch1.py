# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1　Exercises: sparse rewards
#
# Three functions and an open task, some 50 minutes. When you have written one, run the check below it: it says which case fails and what that looks like. `hint("name")` has three levels, each tells more.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "en")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from her import Episode
from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import COLORS, show, use_style

use_style(LANG)


# %% [markdown]
# ## 1.1　The sparse reward
#
# ★☆☆☆　5 minutes
#
# 0 when reached, −1 when not. "Reached" means *closer* than the threshold; exactly on the line does not count. The input may be one pair of goals or a batch: the last axis holds the coordinates, and there may be any number of axes before it.

# %% nbgrader={"grade": false, "grade_id": "sparse_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sparse_reward(achieved_goal: np.ndarray, desired_goal: np.ndarray, threshold: float) -> np.ndarray:
    """0.0 where the distance is below the threshold, else -1.0.

    achieved_goal, desired_goal: shape (…, d), in metres, say.
    threshold: a distance in the same unit.
    Returns shape (…,): one reward per pair; for a single pair a number will do.

    >>> sparse_reward(np.array([[0.0, 0.1], [3.0, 4.0]]), np.zeros((2, 2)), threshold=5.0)
    array([ 0., -1.])
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_sparse_reward", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(sparse_reward).score


# %% [markdown]
# ## 1.2　Can chance do it?
#
# ★★★☆　20 minutes
#
# n bits, start and goal drawn uniformly. Each step flips a random bit. How probable is it that at least one of the steps 0, 1, …, horizon is the goal? A start that is the goal already (step 0) counts. The exact value, no simulation.

# %% nbgrader={"grade": false, "grade_id": "random_success_probability", "locked": false, "schema_version": 3, "solution": true, "task": false}
def random_success_probability(n_bits: int, horizon: int) -> float:
    """The exact probability that uniformly random flips hit a uniform goal from a uniform start.

    n_bits: how many bits, at least 1.
    horizon: how many flips are made, at least 0; the steps 0 … horizon count.
    Returns a probability.

    >>> random_success_probability(1, 1)
    1.0
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_random_success_probability", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(random_success_probability).score


# %% [markdown]
# ## 1.3　A success rate that says which
#
# ★★☆☆　10 minutes
#
# The paper judges bit flipping by "at any step", and robots by "at the last step". For the same episodes the two may be far apart. A reward of 0 says that the goal was reached at that step.

# %% nbgrader={"grade": false, "grade_id": "success_rate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def success_rate(episodes: Sequence[Episode], at: str) -> float:
    """The share of successful episodes.

    episodes: at least one; they may differ in length. ``episode.rewards`` is 0.0 at steps that reached the goal, else -1.0.
    at: "end" (reached at the last step) or "any" (reached at some step).
    Returns a share between 0 and 1.

    >>> success_rate([reached_and_left, stayed_there], "end")
    0.5
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_success_rate", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(success_rate).score

# %% [markdown]
# ## Open task: at how many bits does practice stop helping?
#
# ★★★☆　15 minutes
#
# Write `learning_curve`: let an agent *without* HER practise on n bits for `rounds` rounds, and examine it after each with *your* `success_rate`. Then look: solid is what was learned, dashed is luck, as *your* `random_success_probability` has it. Guess first: for which n will the solid line leave the dashed one?
#
# You need: `trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed))`; `trainer.round()`, which practises for a round; and `rollout(trainer.agent.act, trainer.evaluation_envs, trainer.horizon, seed=…).episodes()`, episodes without exploration.

# %% nbgrader={"grade": false, "grade_id": "learning_curve", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training.evaluation import rollout
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

success_rate = or_reference(success_rate)
random_success_probability = or_reference(random_success_probability)


def learning_curve(n_bits: int, rounds: int, seed: int) -> list[float]:
    """Success rates at any step, after each of the rounds, without exploration.

    Returns `rounds` numbers between 0 and 1.
    """
    # your code here
    raise NotImplementedError


# %%
rounds, sizes = (25, (4, 12)) if PROFILE == "full" else (4, (4, 12))
curves = attempt(lambda: {n: [learning_curve(n, rounds, seed) for seed in range(3)] for n in sizes})

# %%
if curves:
    fig, ax = plt.subplots()
    for (n, runs), color, marker in zip(curves.items(), (COLORS["blue"], COLORS["vermilion"]), "os"):
        steps = np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), color=color, linestyle="-", marker=marker, markersize=4, label=f"n = {n}")
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=color, alpha=0.15)
        ax.axhline(random_success_probability(n, n), color=color, linestyle="--")
    ax.set(xlabel="rounds of practice", ylabel="success at any step", ylim=(-0.02, 1.02))
    ax.set_title("mean and range of three seeds; dashed: luck")
    ax.legend()
    show(fig, alt="Learning curves without HER: with 4 bits the solid line rises far above the dashed line of luck, with 12 it stays near zero.")

# %% [markdown]
# ## How far you have come

# %%
progress()
