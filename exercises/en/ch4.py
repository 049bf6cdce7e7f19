# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4　Exercises: an implementation that works
#
# Put four functions together and you have a DQN with HER. Easiest first; with the open task, some 80 minutes. Run the check after each; if you are stuck, `hint("name")`.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "en")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch

from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import show, strategy_style, use_style

use_style(LANG)
torch.set_num_threads(1)  # on networks of this size more threads only cost


# %% [markdown]
# ## 4.1　Mostly the best
#
# ★☆☆☆　10 minutes
#
# ε-greedy: each row takes, with probability ε, an action drawn uniformly from *all* actions, and otherwise the one of the largest Q-value. Each row tosses a coin of its own and draws an action of its own.

# %% nbgrader={"grade": false, "grade_id": "epsilon_greedy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def epsilon_greedy(q_values: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """Actions for a batch of states.

    q_values: (n, actions).
    epsilon: probability of a random action, in [0, 1].
    Returns (n,) integers.

    >>> epsilon_greedy(np.array([[0.0, 1.0], [3.0, 2.0]]), 0.0, rng)
    array([1, 0])
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_epsilon_greedy", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(epsilon_greedy).score


# %% [markdown]
# ## 4.2　A target network that follows slowly
#
# ★★☆☆　10 minutes
#
# Each tensor of the target takes a small step towards the online one: target ← (1 − τ)·target + τ·online. *In place*, returning nothing; the online network stays as it is. Both arguments are lists of tensors, as `list(network.parameters())` gives them.

# %% nbgrader={"grade": false, "grade_id": "polyak_update", "locked": false, "schema_version": 3, "solution": true, "task": false}
def polyak_update(target: Sequence[torch.Tensor], online: Sequence[torch.Tensor], tau: float) -> None:
    """Let the target follow the online network, in place.

    target, online: parameters of two networks of the same shape, in the same order.
    tau: the share of the online network, in [0, 1].

    >>> polyak_update(list(target.parameters()), list(online.parameters()), 0.05)
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_polyak_update", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(polyak_update).score


# %% [markdown]
# ## 4.3　The TD target, clipped as in the paper
#
# ★★☆☆　10 minutes
#
# y = r + γ·V(s′), and no next step after a `done`. With rewards of −1 and 0, returns have a least and a largest value, and the paper (Andrychowicz et al. 2017, Appendix A) clips y to them. What are they?

# %% nbgrader={"grade": false, "grade_id": "td_target", "locked": false, "schema_version": 3, "solution": true, "task": false}
def td_target(rewards: np.ndarray, next_values: np.ndarray, dones: np.ndarray, gamma: float) -> np.ndarray:
    """What Q(s, a) is moved towards.

    rewards: (n,) -1.0 or 0.0.
    next_values: (n,) estimates of the value of the next state.
    dones: (n,) bool: where bootstrapping stops.
    gamma: discount, in [0, 1).
    Returns (n,), no value outside of what a return can be.

    >>> td_target(np.array([-1.0]), np.array([-10.0]), np.array([False]), 0.9)
    array([-10.])
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_td_target", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(td_target).score


# %% [markdown]
# ## 4.4　A whole batch at once
#
# ★★★★　30 minutes
#
# The buffer is a handful of arrays, one row an episode. Episode e has `lengths[e]` steps; what follows is padding and must not be drawn. Draw `batch_size` transitions, every *transition* equally often, and give k/(k+1) of them a goal by `future`: uniformly one that their own episode achieved at step t or later. Recompute the rewards. A loop is right too; as array operations it is the three lines of chapter 4.

# %% nbgrader={"grade": false, "grade_id": "sample_her_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample_her_batch(
    buffer_arrays: dict[str, np.ndarray],
    batch_size: int,
    k: int,
    rng: np.random.Generator,
    reward_function: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, np.ndarray]:
    """A batch of transitions, relabelled while it is sampled.

    buffer_arrays: "states" and "next_states" (E, T, s), "actions" (E, T, a), "achieved_goals" (E, T, d), each reached
        after the action, "goals" (E, d), "lengths" (E,) integers, at least 1 each.
    batch_size: n.
    k: substitute goals per real one; 0 relabels nothing.
    reward_function: f(achieved (n, d), desired (n, d)) -> (n,); also for one pair.
    Returns a dict: "observations" and "next_observations" (n, s + d), state and goal side by side, "actions" (n, a),
        "rewards" (n,). Other keys do no harm.

    >>> sample_her_batch(buffer_arrays, 256, 4, rng, f)["observations"].shape   # with s = d = 8
    (256, 16)
    """
    # your code here
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_sample_her_batch", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(sample_her_batch).score

# %% [markdown]
# ## Open task: a DQN with HER of your own
#
# ★★★☆　20 minutes
#
# All four are there, one step is missing: write `learn`, a single gradient update. The next value is the largest Q-value of the *target* network, y is your `td_target` (there is no done here), the loss is `torch.nn.functional.smooth_l1_loss`, and `polyak_update` comes last. The rest is written. k = 0 is the DQN without HER: the same code, one number apart.

# %% nbgrader={"grade": false, "grade_id": "learn", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training.evaluation import make_envs, rollout

epsilon_greedy = or_reference(epsilon_greedy)
polyak_update = or_reference(polyak_update)
td_target = or_reference(td_target)
sample_her_batch = or_reference(sample_her_batch)


def learn(online, target, optimiser, batch: dict[str, np.ndarray], gamma: float = 0.98, tau: float = 0.05) -> None:
    """One gradient step on a batch of `sample_her_batch`, and one step of the target network.

    online, target: networks from (n, observation) float32 tensors to (n, actions) Q-values.
    """
    # your code here
    raise NotImplementedError


def bit_flip_reward(achieved, desired):
    return np.where((achieved == desired).all(axis=-1), 0.0, -1.0)


def as_buffer(played) -> dict[str, np.ndarray]:
    """The arrays of a rollout, (T, N, …), as N episodes of T steps."""
    names = ("states", "actions", "next_states", "achieved_goals")
    arrays = {name: getattr(played, name).swapaxes(0, 1) for name in names}
    steps, n = played.rewards.shape
    return arrays | {"goals": played.goals[0], "lengths": np.full(n, steps)}


def learning_curve(n_bits: int, rounds: int, k: int, seed: int) -> list[float]:
    torch.manual_seed(seed)
    online, target = (torch.nn.Sequential(torch.nn.Linear(2 * n_bits, 256), torch.nn.ReLU(), torch.nn.Linear(256, n_bits)) for _ in range(2))
    target.load_state_dict(online.state_dict())
    optimiser, rng = torch.optim.Adam(online.parameters(), lr=1e-3), np.random.default_rng(seed)
    envs, exam = make_envs("her/BitFlip-v0", 16, n_bits=n_bits), make_envs("her/BitFlip-v0", 100, n_bits=n_bits)

    @torch.no_grad()
    def act(observations, epsilon):
        return epsilon_greedy(online(torch.as_tensor(observations)).numpy(), epsilon, rng)

    buffer, rates = None, []
    for i in range(rounds):
        new = as_buffer(rollout(lambda x: act(x, 0.2), envs, n_bits, seed=10_000 * seed + i))
        buffer = new if buffer is None else {name: np.concatenate([buffer[name], new[name]]) for name in new}
        for _ in range(40):
            learn(online, target, optimiser, sample_her_batch(buffer, 256, k, rng, bit_flip_reward))
        examined = rollout(lambda x: act(x, 0.0), exam, n_bits, seed=10_000 * seed + 5_000 + i)
        rates.append(float(examined.success.any(axis=0).mean()))
    return rates


# %%
n_bits, rounds = 10, 25 if PROFILE == "full" else 3
curves = attempt(lambda: {k: [learning_curve(n_bits, rounds, k, seed) for seed in range(3)] for k in (4, 0)})

# %%
if curves:
    fig, ax = plt.subplots()
    for k, runs in curves.items():
        style, steps = strategy_style("future" if k else "none"), np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), **style, label=f"k = {k}")
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=style["color"], alpha=0.15)
    ax.set(xlabel="rounds of practice", ylabel="success at any step", ylim=(-0.02, 1.02))
    ax.set_title(f"Your DQN flips {n_bits} bits: mean and range of three seeds")
    ax.legend()
    show(fig, alt="Two learning curves: with k = 4 it rises, with k = 0 it stays near zero.")

# %%
progress()
