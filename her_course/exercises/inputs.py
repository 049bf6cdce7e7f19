"""What cases are made of: reward functions and statistics that cross by name, and episodes that nobody has seen."""

from itertools import count

import numpy as np

from her.episodes import Episode, Transition
from her_course.plain import named

_calls = count(1)


def within_half(achieved_goal: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
    """0.0 where the goal is closer than 0.5, else -1.0; for one pair and for batches."""
    distance = np.linalg.norm(np.asarray(achieved_goal, float) - np.asarray(desired_goal, float), axis=-1)
    return np.where(distance < 0.5, 0.0, -1.0)[()]


def at_least_as_far(achieved_goal: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
    """0.0 where the first coordinate has come at least as far as the goal's, else -1.0: not symmetric."""
    return np.where(np.asarray(achieved_goal)[..., 0] >= np.asarray(desired_goal)[..., 0], 0.0, -1.0)[()]


def mean(scores: np.ndarray) -> float:
    """The mean of one resample."""
    return float(np.mean(scores))


def largest(scores: np.ndarray) -> float:
    """The largest of one resample."""
    return float(np.max(scores))


def how_many(scores: np.ndarray) -> float:
    """How many scores a resample has."""
    return float(len(scores))


def which_call(scores: np.ndarray) -> float:
    """1, 2, 3, …: how often this was called, so that quantiles of its values tell how many resamples there were."""
    return float(next(_calls))


for function in (within_half, at_least_as_far, mean, largest, how_many, which_call):
    named(function, f"her_course.exercises.{function.__name__}")


def walk(
    rng: np.random.Generator,
    length: int,
    goal_dim: int = 2,
    *,
    done: bool = False,
    ends_at_goal: bool = False,
    goal_first: bool = True,
) -> Episode:
    """An episode in whole steps of the plane, whose achieved goals all differ, as do states from achieved goals.

    Args:
        done: whether the last transition is stored as done, as it is where success ends an episode.
        ends_at_goal: whether the last achieved goal is the desired one.
        goal_first: whether a state begins with the goal achieved there, or ends with it.
    """
    start = rng.integers(-5, 5, size=goal_dim).astype(np.float32)
    steps = np.abs(rng.integers(1, 4, size=(length, goal_dim)))
    achieved = start + np.cumsum(steps, axis=0).astype(np.float32)
    before = np.vstack([start[None], achieved[:-1]])
    states, next_states = (np.hstack([g, 10 * g + 1][:: 1 if goal_first else -1]) for g in (before, achieved))
    goal = achieved[-1].copy() if ends_at_goal else achieved[-1] + 40
    dones = np.zeros(length, bool)
    dones[-1] = done
    actions = rng.normal(size=(length, 2)).round(2)
    return Episode.from_arrays(states, actions, within_half(achieved, goal), next_states, dones, achieved, goal)


def transition(rng: np.random.Generator, *, done: bool = False, goal_first: bool = True) -> Transition:
    """One of a `walk`."""
    one = walk(rng, 3, done=done, ends_at_goal=done, goal_first=goal_first)[2]
    arrays = {name: np.array(getattr(one, name)) for name in ("state", "action", "next_state", "goal", "achieved_goal")}
    return Transition(reward=one.reward, done=one.done, **arrays)


def episode_of(rewards: list[float], done: bool = False) -> Episode:
    """An episode with these rewards, of which nothing else matters."""
    n = len(rewards)
    rows = np.arange(n, dtype=np.float32)[:, None]
    dones = np.zeros(n, bool)
    dones[-1] = done
    return Episode.from_arrays(rows, rows, np.array(rewards), rows + 1, dones, rows + 1, np.array([99.0]))
