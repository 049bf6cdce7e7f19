"""Find the bug, chapter 6: an observation that has the goal in it, and keeps the old one when goals are swapped."""

from collections.abc import Callable

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import is_array, value_case
from her_course.exercises.model import Case, Text


def network_inputs(states, goals):
    """As handed out; `reference.mended_network_inputs` is without the mistake."""
    return np.concatenate([states, goals], axis=1)


def states_case(name: Text | str, rng: np.random.Generator, n: int, d: int = 2, between: int = 2, moved=1.0) -> Case:
    """States with so many numbers between place and offset; the share `moved` of them gets a new goal."""
    place = rng.integers(-9, 10, size=(n, d)).astype(float)
    old, new = (place + rng.integers(2, 9, size=(n, d)) for _ in range(2))
    states = np.hstack([place, rng.normal(size=(n, between)).round(2), old - place])
    goals = np.where(rng.random((n, 1)) < moved, new + 10, old)
    return value_case(name, (states, goals), reference.mended_network_inputs, is_array())


def states_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases; what is handed out fails each of them."""
    return [
        states_case("relabelled", rng, 4),
        states_case("some_relabelled", rng, 8, moved=0.5),
        states_case("one_row", rng, 1),
        states_case("three_axes", rng, 3, d=3),
        states_case("nothing_between", rng, 3, between=0),
        states_case("wide", rng, 3, d=2, between=7),
    ]


def _with_offset(offset: Callable, first: bool = False) -> Callable:
    """With ``offset(place, goals, states)`` in the place of the last numbers of the state, or of its first."""

    def wrong(states, goals):
        d = goals.shape[1]
        states = states.copy()
        states[:, slice(0, d) if first else slice(-d, None)] = offset(states[:, :d], goals, states)
        return np.hstack([states, goals])

    return wrong


HIDDEN_GOAL = {
    "as_handed_out": network_inputs,
    "sign_swapped": _with_offset(lambda place, goals, states: place - goals),
    "goal_for_offset": _with_offset(lambda place, goals, states: goals),
    "offset_erased": _with_offset(lambda place, goals, states: 0 * goals),
    "distance_for_offset": _with_offset(
        lambda place, goals, states: np.linalg.norm(goals - place, axis=1, keepdims=True) * np.ones_like(goals)
    ),
    "offset_cut_out": lambda states, goals: np.hstack([states[:, : -goals.shape[1]], goals]),
    "offset_appended": lambda states, goals: np.hstack([states, goals - states[:, : goals.shape[1]], goals]),
    "place_replaced": _with_offset(lambda place, goals, states: goals - place, first=True),
    "from_the_old_goal": (
        _with_offset(lambda place, goals, states: goals - (place + states[:, -goals.shape[1] :])),
        _with_offset(lambda place, goals, states: goals - states[:, -goals.shape[1] :]),
    ),
    "old_goal_for_new": lambda states, goals: np.hstack(
        [states, states[:, : goals.shape[1]] + states[:, -goals.shape[1] :]]
    ),
    "goals_first": lambda states, goals: np.hstack(
        [goals, states[:, : -goals.shape[1]], goals - states[:, : goals.shape[1]]]
    ),
    "goal_left_out": lambda states, goals: np.hstack(
        [states[:, : -goals.shape[1]], goals - states[:, : goals.shape[1]]]
    ),
}
