"""What the exercises ask for, written to be compared with; and to go on with, for a learner who is stuck."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from her.episodes import Episode, Transition
from her.rewards import RewardFunction
from her.rewards import sparse_reward as _sparse_reward

# --------------------------------------------------------------------------------------------------------- chapter 1


def sparse_reward(achieved_goal: np.ndarray, desired_goal: np.ndarray, threshold: float) -> np.ndarray:
    """See `her.sparse_reward`."""
    return _sparse_reward(achieved_goal, desired_goal, threshold)


def random_success_probability(n_bits: int, horizon: int) -> float:
    """P(uniformly random flips hit a uniform goal at one of the steps 0 … horizon): a chain on the Hamming distance."""
    distance = np.arange(n_bits + 1)
    p = np.array([math.comb(n_bits, d) for d in distance]) / 2.0**n_bits
    hit = p[0]
    p[0] = 0.0
    for _ in range(horizon):
        nearer, farther = p * distance / n_bits, p * (n_bits - distance) / n_bits
        p = np.append(nearer[1:], 0.0) + np.insert(farther[:-1], 0, 0.0)
        hit += p[0]
        p[0] = 0.0
    return float(hit)


def success_rate(episodes: Sequence[Episode], at: str) -> float:
    """The share of episodes whose goal was reached at the last step ("end"), or at any step ("any")."""
    reached = [episode.rewards == 0 for episode in episodes]
    return float(np.mean([r.any() if at == "any" else r[-1] for r in reached]))


def pose_reward(achieved: np.ndarray, desired: np.ndarray, threshold: float, angle: float) -> np.ndarray:
    """0 where a pose (x, y, heading) is near enough and turned nearly alike, the shorter way round."""
    offset = achieved - desired
    turn = np.abs((offset[..., 2] + np.pi) % (2 * np.pi) - np.pi)
    near = np.linalg.norm(offset[..., :2], axis=-1) < threshold
    return np.where(near & (turn < angle), 0.0, -1.0)


def fresh_flips_probability(n_bits: int, horizon: int) -> float:
    """min(horizon, n) + 1 different patterns are seen, each of which is the goal with probability 2⁻ⁿ."""
    return (min(horizon, n_bits) + 1) / 2**n_bits


def mended_score(path: np.ndarray, goal: np.ndarray, threshold: float) -> np.ndarray:
    """(T,) rewards of an episode that went through (T + 1, d) places: each step is judged by where it led."""
    return _sparse_reward(path[1:], goal, threshold)


# --------------------------------------------------------------------------------------------------------- chapter 2


def relabel_transition(transition: Transition, new_goal: np.ndarray, reward_function: RewardFunction) -> Transition:
    """The transition as it would have been under another goal. No success ends an episode here: done is False."""
    return Transition(
        transition.state,
        transition.action,
        float(reward_function(transition.achieved_goal, new_goal)),
        transition.next_state,
        False,
        np.array(new_goal),
        transition.achieved_goal,
    )


def relabel_final(episode: Episode, reward_function: RewardFunction) -> Episode:
    """The episode as it would have been under the goal that it achieved last."""
    goal = episode.achieved_goals[-1].copy()
    return Episode([relabel_transition(transition, goal, reward_function) for transition in episode], goal)


def expected_success_share(horizon: int) -> float:
    """H_T/T."""
    return sum(1 / j for j in range(1, horizon + 1)) / horizon


def relabel_ending(transition: Transition, new_goal: np.ndarray, reward_function: RewardFunction) -> Transition:
    """As `relabel_transition`, where success ends an episode, and nothing else does."""
    relabelled = relabel_transition(transition, new_goal, reward_function)
    return replace(relabelled, done=relabelled.reward == 0)


def share_when_it_stops(horizon: int, stop: int) -> float:
    """1/(T - t) before the stop, and 1 from then on, on average over t."""
    return (sum(1 / (horizon - t) for t in range(stop)) + horizon - stop) / horizon


def mended_batch(
    memory: dict[str, np.ndarray],
    rows: np.ndarray,
    goal_rows: np.ndarray,
    relabelled: np.ndarray,
    reward_function: RewardFunction,
) -> dict[str, np.ndarray]:
    """Goals and rewards of a batch; the memory stays as it is."""
    goals = memory["goals"][rows]  # a copy, and one for each draw of a row
    goals[relabelled] = memory["achieved_goals"][goal_rows[relabelled]]
    return {"goals": goals, "rewards": reward_function(memory["achieved_goals"][rows], goals)}


# --------------------------------------------------------------------------------------------------------- chapter 3


def future_indices(t: int, length: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """(k,) positions, uniform over t … length - 1."""
    return rng.integers(t, length, size=k)


def candidate_goals(strategy: str, achieved_goals: np.ndarray, t: int, history: np.ndarray) -> np.ndarray:
    """The goals among which a strategy draws."""
    return {
        "final": achieved_goals[-1:],
        "future": achieved_goals[t:],
        "episode": achieved_goals,
        "random": history,
    }[strategy]


def substitute_goals(
    strategy: str, achieved_goals: np.ndarray, t: int, k: int, rng: np.random.Generator, history: np.ndarray
) -> np.ndarray:
    """(k, d) goals drawn by a strategy, each by itself."""
    candidates = candidate_goals(strategy, achieved_goals, t, history)
    return candidates[rng.integers(len(candidates), size=k)]


def discounted_future_indices(t: int, length: int, k: int, gamma: float, rng: np.random.Generator) -> np.ndarray:
    """(k,) positions from t … length - 1, each γ times as likely as the one before it."""
    positions = np.arange(t, length)
    weights = gamma ** (positions - t)
    return rng.choice(positions, size=k, p=weights / weights.sum())


def mended_future_rows(
    rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(n,) rows, each uniform from its own row to the end of its episode."""
    left = starts + lengths - rows
    return rows + (rng.random(len(rows)) * left).astype(int)


# --------------------------------------------------------------------------------------------------------- chapter 4


def sample_her_batch(
    buffer_arrays: dict[str, np.ndarray],
    batch_size: int,
    k: int,
    rng: np.random.Generator,
    reward_function: RewardFunction,
) -> dict[str, np.ndarray]:
    """Transitions drawn uniformly, k/(k+1) of them with a goal of their own future."""
    length = buffer_arrays["lengths"]
    flat = rng.integers(length.sum(), size=batch_size)
    ends = np.cumsum(length)
    e = np.searchsorted(ends, flat, side="right")
    t = flat - (ends - length)[e]
    future = t + (rng.random(batch_size) * (length[e] - t)).astype(int)
    relabelled = rng.random(batch_size) < k / (k + 1)
    achieved = buffer_arrays["achieved_goals"]
    goals = np.where(relabelled[:, None], achieved[e, future], buffer_arrays["goals"][e])
    return {
        "observations": np.concatenate([buffer_arrays["states"][e, t], goals], axis=1),
        "actions": buffer_arrays["actions"][e, t],
        "rewards": reward_function(achieved[e, t], goals),
        "next_observations": np.concatenate([buffer_arrays["next_states"][e, t], goals], axis=1),
    }


def td_target(rewards: np.ndarray, next_values: np.ndarray, dones: np.ndarray, gamma: float) -> np.ndarray:
    """r + γ·(1 - done)·V, clipped to what returns of -1 and 0 can be (Andrychowicz et al. 2017, Appendix A)."""
    return np.clip(rewards + gamma * (1 - dones) * next_values, -1 / (1 - gamma), 0)


def polyak_update(target: Sequence, online: Sequence, tau: float) -> None:
    """target ← (1 - τ)·target + τ·online, in place, tensor by tensor."""
    import torch

    with torch.no_grad():
        for t, o in zip(target, online, strict=True):
            t.mul_(1 - tau).add_(o, alpha=tau)


def epsilon_greedy(q_values: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) actions: each row by itself, any action with probability ε, else the best."""
    n, actions = q_values.shape
    return np.where(rng.random(n) < epsilon, rng.integers(actions, size=n), q_values.argmax(axis=1))


def mended_inputs(
    observations: np.ndarray,
    next_observations: np.ndarray,
    achieved_goals: np.ndarray,
    new_goals: np.ndarray,
    relabelled: np.ndarray,
    reward_function: RewardFunction,
) -> dict[str, np.ndarray]:
    """[state, goal] and [next state, goal] with the same goal in both, and the rewards under it."""
    d = new_goals.shape[1]
    goals = np.where(relabelled[:, None], new_goals, observations[:, -d:])
    return {
        "observations": np.hstack([observations[:, :-d], goals]),
        "next_observations": np.hstack([next_observations[:, :-d], goals]),
        "rewards": reward_function(achieved_goals, goals),
    }


# --------------------------------------------------------------------------------------------------------- chapter 5


def priority_probabilities(td_errors: np.ndarray, alpha: float, epsilon: float) -> np.ndarray:
    """(|δ| + ε)^α, normalised (Schaul et al. 2016, §3.3)."""
    priorities = (np.abs(td_errors) + epsilon) ** alpha
    return priorities / priorities.sum()


def importance_weights(probabilities: np.ndarray, indices: np.ndarray, beta: float) -> np.ndarray:
    """(N·P)^-β of the rows drawn, the largest of them scaled to 1 (Schaul et al. 2016, §3.4)."""
    weights = (len(probabilities) * probabilities[indices]) ** -beta
    return weights / weights.max()


def sum_tree_find(tree: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) leaves in which cumulative sums lie: the tree as in a heap, root at 1, leaves in the second half."""
    leaves = len(tree) // 2
    node, left = np.ones(len(targets), int), np.array(targets, float)
    for _ in range(leaves.bit_length() - 1):
        node *= 2
        right = left >= tree[node]
        left -= np.where(right, tree[node], 0)
        node += right
    return node - leaves


def trajectory_energy(
    positions: np.ndarray, velocities: np.ndarray | None, mass: float, gravity: float, dt: float, clip: float
) -> float:
    """Σ clip(E_t - E_{t-1}, 0, clip) with E = m·g·(z - z₀) + ½·m·‖v‖², as `her.energy.trajectory_energy`."""
    if velocities is None:
        velocities = np.diff(positions, axis=0, prepend=positions[:1]) / dt
    energy = 0.5 * mass * (velocities**2).sum(axis=1) + mass * gravity * (positions[:, 2] - positions[0, 2])
    return float(np.diff(energy).clip(0, clip).sum())


def curriculum_weights(distances: np.ndarray, reach: float, stage: float) -> np.ndarray:
    """∝ exp(-(1 - stage)·max(d - reach, 0)/reach)."""
    exponent = -(1 - stage) * np.maximum(distances - reach, 0) / reach
    weights = np.exp(exponent - exponent.max())
    return weights / weights.sum()


def rank_probabilities(td_errors: np.ndarray, alpha: float) -> np.ndarray:
    """(1/rank)^α, normalised; the largest |δ| has rank 1 (Schaul et al. 2016, §3.3)."""
    ranks = np.empty(len(td_errors))
    ranks[np.argsort(-np.abs(td_errors))] = np.arange(1, len(td_errors) + 1)
    weights = ranks**-alpha
    return weights / weights.sum()


def mended_energies(states: np.ndarray, dt: float, clip: float) -> np.ndarray:
    """(E,) the kinetic energy given to the puck, at numbers 2 and 3 of (E, T + 1, 8) states; its mass is 1 kg."""
    speed = np.linalg.norm(np.diff(states[:, :, 2:4], axis=1), axis=2) / dt
    kinetic = np.hstack([np.zeros((len(states), 1)), 0.5 * speed**2])
    return np.diff(kinetic, axis=1).clip(0, clip).sum(axis=1)


# --------------------------------------------------------------------------------------------------------- chapter 6


def steps_to_threshold(steps: Sequence[float], success: Sequence[float], threshold: float) -> float | None:
    """The first of the steps at which success is at least the threshold."""
    reached = np.flatnonzero(np.asarray(success) >= threshold)
    return float(np.asarray(steps)[reached[0]]) if len(reached) else None


def iqm(scores: np.ndarray) -> float:
    """The mean of what is left when a quarter of the scores, rounded down, is cut off at each end."""
    ordered = np.sort(scores)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def bootstrap_interval(
    scores: np.ndarray, statistic: Callable[[np.ndarray], float], level: float, rng: np.random.Generator
) -> tuple[float, float]:
    """The percentile interval of 2000 resamples."""
    resamples = rng.choice(scores, size=(2000, len(scores)))
    values = [statistic(resample) for resample in resamples]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def speed_up(baseline: Sequence[float | None], treatment: Sequence[float | None]) -> float | None:
    """The ratio of median steps, a run that never got there counting as infinitely long."""
    before, after = (np.median([math.inf if s is None else s for s in steps]) for steps in (baseline, treatment))
    if math.isinf(after):
        return None if math.isinf(before) else 0.0
    return float(before / after)


def mended_network_inputs(states: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """[state, goal], where a state begins with a place and ends with the offset to the goal, for *this* goal."""
    d = goals.shape[1]
    return np.hstack([states[:, :-d], goals - states[:, :d], goals])
