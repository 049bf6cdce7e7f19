# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2　Exercises: relabelling
#
# Give it another goal, and the same experience tells another story. Three functions and an open task, some 55 minutes. Run the check after each; if you are stuck, `hint("name")`.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "en")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import dataclasses
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from her import Episode, Transition
from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import show, strategy_style, use_style

use_style(LANG)
RewardFunction = Callable[[np.ndarray, np.ndarray], float]


# %% [markdown]
# ## 2.1　Another goal for a transition
#
# ★☆☆☆　10 minutes
#
# Return a *new* `Transition` whose goal is `new_goal` and whose reward is computed under it. `done` is always False: here no success ends an episode, and a done stored under the old goal says nothing of the new task. The other fields really happened and stay the same; leave the transition you are given unchanged.
#
# Mind two things: `achieved_goal` is what was reached *after* the action, and a reward function takes (achieved, desired).

# %% nbgrader={"grade": false, "grade_id": "relabel_transition", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relabel_transition(transition: Transition, new_goal: np.ndarray, reward_function: RewardFunction) -> Transition:
    """The transition as it would have been under another goal.

    transition: state (s,), action (a,), reward, next_state (s,), done, goal (d,), achieved_goal (d,).
    new_goal: (d,).
    reward_function: f(achieved_goal, desired_goal) -> a number.
    Returns a new Transition.

    >>> relabel_transition(t, t.achieved_goal, f).reward   # if f is a sparse reward
    0.0
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_relabel_transition", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(relabel_transition).score


# %% [markdown]
# ## 2.2　An episode that meant to end where it did
#
# ★★☆☆　10 minutes
#
# The strategy `final`: pretend that the episode had meant, all along, to go where it ended. Every transition gets this *one* goal, every reward is computed anew: passing through that place on the way earns 0 too.

# %% nbgrader={"grade": false, "grade_id": "relabel_final", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relabel_final(episode: Episode, reward_function: RewardFunction) -> Episode:
    """The episode as it would have been under the goal that it achieved last.

    episode: T transitions; ``episode.achieved_goals`` is (T, d), row t reached after action t.
    reward_function: f(achieved_goal, desired_goal) -> a number.
    Returns a new Episode; the old one is left as it is.

    >>> relabel_final(episode, f).goal   # is episode.achieved_goals[-1]
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_relabel_final", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(relabel_final).score


# %% [markdown]
# ## 2.3　How many of them really succeed?
#
# ★★★☆　15 minutes
#
# The strategy `future` gives the transition at t a goal achieved after action t, t + 1, … or T − 1, uniformly. Suppose that no two goals achieved in an episode are alike, so that none counts as reaching another. Pick a position at random and draw a goal: how probable is a reward of 0? Many tutorials say "what is relabelled succeeds". Guess, then compute.

# %% nbgrader={"grade": false, "grade_id": "expected_success_share", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_success_share(horizon: int) -> float:
    """Of relabelled transitions under `future`, the share with reward 0, when no two achieved goals are alike.

    horizon: T, the length of an episode, at least 1.
    Returns a share; the mean over the positions 0 … T-1.

    >>> expected_success_share(2)
    0.75
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_expected_success_share", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(expected_success_share).score

# %% [markdown]
# ## Open task: what is one line of `relabel_final` worth?
#
# ★★★☆　20 minutes
#
# The buffer knows nothing of hindsight (`strategy="none"`). Write `store`: keep the episode, and with `hindsight` keep *your* relabelled one as well. The rest is there. Then look: after the same number of steps, what is that line worth?

# %% nbgrader={"grade": false, "grade_id": "bit_flip_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training.evaluation import rollout
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

relabel_transition = or_reference(relabel_transition)
relabel_final = or_reference(relabel_final)


def bit_flip_reward(achieved_goal, desired_goal):
    return 0.0 if np.array_equal(achieved_goal, desired_goal) else -1.0


def store(buffer, episode: Episode, hindsight: bool) -> None:
    """Put the episode into the buffer (``buffer.store_episode``), and with ``hindsight`` its relabelled twin too."""
    # your code here
    raise NotImplementedError


def learning_curve(n_bits: int, rounds: int, hindsight: bool, seed: int) -> list[float]:
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed))
    agent, buffer, rates = trainer.agent, trainer.buffer, []
    for i in range(rounds):
        played = rollout(lambda x: agent.act(x, explore=True), trainer.envs, trainer.horizon, seed=10_000 * seed + i)
        for episode in played.episodes():
            store(buffer, episode, hindsight)
        for _ in range(trainer.config.updates_per_round):
            agent.update(buffer.sample(trainer.config.batch_size).torch())
        rates.append(trainer.evaluate(i + 1).success_rate("any"))
    return rates


# %%
rounds = 35 if PROFILE == "full" else 3
variants = {"none": False, "final": True}
curves = attempt(lambda: {name: [learning_curve(8, rounds, on, seed) for seed in range(3)] for name, on in variants.items()})

# %%
if curves:
    fig, ax = plt.subplots()
    for name, runs in curves.items():
        style, steps = strategy_style(name), np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), **style, label={"none": "as it happened", "final": "your relabel_final"}[name])
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=style["color"], alpha=0.15)
    ax.set(xlabel="rounds of practice", ylabel="success at any step", ylim=(-0.02, 1.02))
    ax.set_title("Flipping 8 bits: mean and range of three seeds")
    ax.legend()
    show(fig, alt="Two learning curves: with relabelled episodes it rises much earlier, without them it lags behind.")

# %% [markdown]
# To go further: `final` gives a single goal. Store one more twin, with a goal from the middle of the episode: faster or slower? Chapter 3 goes on from there.

# %%
progress()
