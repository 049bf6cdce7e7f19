"""Recorded transitions that say whose they are, and what the tests of the replay buffer look at."""

from contextlib import contextmanager
from enum import Enum
from functools import partial
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest

from her import Episode, GoalConditionedReplayBuffer, HERConfig, HindsightExperienceReplay
from her.stepwise import StepwiseReplay

STATE_DIM, ACTION_DIM, GOAL_DIM = DIMS = (3, 2, 2)
FIELDS = ("states", "actions", "rewards", "next_states", "dones", "goals", "achieved_goals")


def number_reward(achieved, desired):
    """Tells every pair of goals from every other: exact in float32, batched, and never what a recorded row stores."""
    return 3 * achieved[..., 0] + 5 * achieved[..., 1] - 7 * desired[..., 0] - 11 * desired[..., 1]


def match_reward(achieved, desired):
    """0 where the goal is reached exactly, else -1."""
    return (achieved == desired).all(axis=-1) - 1.0


def recorded(numbers, positions):
    """Transition ``position`` of episode ``number``, a row each; the goal achieved after it is (number, position).

    Stored rewards carry a bonus of 0.5 that `number_reward` does not give, every third episode ends in a crash at every
    fifth step, and the desired goals are never achieved.
    """
    e, t = np.broadcast_arrays(np.asarray(numbers, np.float32), np.asarray(positions, np.float32))
    zero = np.zeros_like(e)
    goals, achieved = np.stack([-1 - e, zero], 1), np.stack([e, t], 1)
    return {
        "states": np.stack([e, t, zero], 1),
        "actions": np.stack([e + 0.25, t + 0.25], 1),
        "rewards": number_reward(achieved, goals) + 0.5,
        "next_states": np.stack([e, t, zero + 1], 1),
        "dones": (e % 3 == 0) & (t % 5 == 4),
        "goals": goals,
        "achieved_goals": achieved,
    }


def recorded_episode(number, length):
    arrays = recorded(number, np.arange(length))
    arrays["goal"] = arrays.pop("goals")
    return Episode.from_arrays(**arrays)


def step(numbers, positions, ends=False, **changes):
    """Arguments of `add`."""
    return recorded(numbers, positions) | {"episode_ends": np.broadcast_to(ends, len(numbers))} | changes


def plain_buffer(capacity=20, dims=DIMS, **settings):
    return GoalConditionedReplayBuffer(capacity, *dims, **{"seed": 0} | settings)


def her_buffer(capacity=20, strategy="future", k=4, reward=match_reward, done=None, dims=DIMS, **settings):
    """With ``n_envs`` among the settings, one that takes steps of several environments."""
    config = HERConfig(strategy, k, reward, done)
    make = StepwiseReplay if "n_envs" in settings else HindsightExperienceReplay
    return make(capacity, *dims, config, **{"seed": 0} | settings)


def goals_episode(achieved, desired, rewards=None, dones=None):
    """An episode of one-dimensional goals, each state of which is the goal achieved in it."""
    achieved, desired = np.asarray(achieved, np.float32), np.asarray(desired, np.float32)
    n, rewards = len(achieved), np.asarray(rewards if rewards is not None else np.where(achieved == desired, 0.0, -1.0))
    before = np.concatenate([[-1], achieved[:-1]])
    dones = np.zeros(n, bool) if dones is None else dones
    return Episode.from_arrays(before, np.zeros(n), rewards, achieved, dones, achieved, np.atleast_1d(desired))


def everything(buffer):
    """All stored transitions, oldest first."""
    rows = buffer.live_rows()
    return SimpleNamespace(
        states=buffer.states[rows],
        actions=buffer.actions[rows],
        rewards=buffer.rewards[rows],
        next_states=buffer.next_states[rows],
        dones=buffer.dones[rows],
        goals=buffer.desired_goals[rows],
        achieved_goals=buffer.achieved_goals[rows],
    )


def positions(buffer, rows):
    """The position of each row in its episode, counted from 0, and the length of the episode so far."""
    start, end = buffer.episode_start[rows], buffer.episode_end[rows]
    return rows - start, end - start


class RingOfLists:
    """The rows of a ring as a list, by the rule alone: an episode stands in consecutive rows, the oldest make room."""

    def __init__(self, capacity):
        self.rows, self.head, self.order = [None] * capacity, 0, []

    def store(self, number, length):
        if self.head + length > len(self.rows):
            behind = {n for n in self.rows[self.head :] if n is not None}
            self.drop_through(behind)
            self.head = 0
        self.drop_through({n for n in self.rows[self.head : self.head + length] if n is not None})
        self.rows[self.head : self.head + length] = [number] * length
        self.head += length
        self.order.append(number)

    def drop_through(self, numbers):
        """These episodes, and with them all that are older."""
        while numbers & set(self.order):
            oldest = self.order.pop(0)
            self.rows = [None if n == oldest else n for n in self.rows]

    def step(self, number):
        """One more row of the newest episode, ``number``, or the first of a new one."""
        if number not in self.order:
            return self.store(number, 1)
        if self.head < len(self.rows):
            self.drop_through({self.rows[self.head]} - {None})
            self.rows[self.head] = number
            self.head += 1
        else:  # at the end: it moves to the beginning
            length = self.rows.count(number)
            self.order.remove(number)
            self.rows = [None if n == number else n for n in self.rows]
            self.head -= length
            self.store(number, length + 1)


def identities(goals):
    """(number, position) of each achieved goal."""
    return [tuple(row) for row in goals.astype(int).tolist()]


def snapshot(thing):
    """All that a buffer holds, arrays by their bytes and generators by their state."""
    if isinstance(thing, np.ndarray):
        return thing.shape, thing.dtype.str, thing.tobytes()
    if isinstance(thing, np.random.Generator):
        return repr(thing.bit_generator.state)
    if isinstance(thing, (list, tuple)):
        return [snapshot(part) for part in thing]
    if isinstance(thing, (HERConfig, Enum, FunctionType, partial)) or not hasattr(thing, "__dict__"):
        return thing
    return {name: snapshot(value) for name, value in vars(thing).items()}


@contextmanager
def refused(buffer, error, match):
    """The block raises an error that begins with the argument's name, and nothing about the buffer changes."""
    before = snapshot(buffer)
    with pytest.raises(error, match=rf"^{match}"):
        yield
    assert snapshot(buffer) == before


def assert_same_transitions(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_same_batch(one, other, but=()):
    for name in (*FIELDS, "relabelled", "indices", "weights", "goal_indices"):
        if name not in but:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
