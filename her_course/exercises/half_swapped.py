"""Find the bug, chapter 4: the goal is swapped beside the state, and left as it was beside the next state."""

from collections.abc import Callable
from typing import Any

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.judging import Compare, differ, is_array, value_case
from her_course.exercises.model import Case, Text
from her_course.exercises.saying import say


def hindsight_inputs(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    """As handed out; `reference.mended_inputs` is without the mistake."""
    d = new_goals.shape[1]
    inputs = observations.copy()
    inputs[relabelled, -d:] = new_goals[relabelled]
    rewards = reward_function(achieved_goals, inputs[:, -d:])
    return {"observations": inputs, "next_observations": next_observations, "rewards": rewards}


def inputs_case(
    name: Text | str, relabelled: list[int], rng: np.random.Generator, reward: Callable, d: int = 2
) -> Case:
    """A batch of which these rows are relabelled; states are three numbers wide."""
    n = len(relabelled)
    achieved = rng.integers(-5, 6, size=(n, d)).astype(float)
    wanted, new = achieved + 50 + np.arange(n)[:, None], achieved + np.where(rng.random((n, 1)) < 0.5, 0.1, 4.0)
    new[0], wanted[-1] = achieved[0] + 0.1, achieved[-1] - 0.1
    states, next_states = rng.normal(size=(2, n, 3)).round(2)
    arguments = (
        np.hstack([states, wanted]),
        np.hstack([next_states, wanted]),
        achieved,
        new,
        np.array(relabelled, bool),
        reward,
    )
    return value_case(name, arguments, reference.mended_inputs, same_inputs, describe=which_part)


def inputs_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases; what is handed out fails each of them."""
    half, far = inputs.within_half, inputs.at_least_as_far
    return [
        inputs_case("some", [1, 0, 1, 1, 0], rng, half),
        inputs_case("all_relabelled", [1, 1, 1], rng, half),
        inputs_case("the_first_only", [1, 0, 0, 0], rng, half),
        inputs_case("asymmetric_reward", [1, 0, 1, 0, 1, 1], rng, far),
        inputs_case("one_row", [1], rng, half),
        inputs_case("three_axes", [1, 0, 1], rng, half, d=3),
    ]


PARTS = ("observations", "next_observations", "rewards")


def same_inputs(got: Any, expected: Any) -> bool:
    """Do all three parts agree? Other keys do no harm."""
    if not type(got) is type(expected) is dict:
        return False
    return all(part in got and is_array()(got[part], expected[part]) for part in PARTS)


def which_part(right: Any, got: Any, compare: Compare) -> tuple[Text | str, Text | str]:
    """The first part, and of that the first row, that differs."""
    if type(got) is not dict or not {*PARTS} <= got.keys():
        what = ", ".join(PARTS)
        return Text(f"一个字典：{what}", f"a dict: {what}"), Text(
            "缺键，或者不是字典", "a key is missing, or it is no dict"
        )
    part = next(part for part in PARTS if not is_array()(got[part], right[part]))
    expected, came, place = right[part], got[part], part
    if isinstance(came, np.ndarray) and came.shape == expected.shape and came.dtype.kind in "biuf":
        row = int(np.flatnonzero(~np.isclose(came, expected).reshape(len(came), -1).all(axis=1))[0])
        expected, came, place = expected[row], came[row], f"{part}[{row}]"
    said = differ(expected, came, is_array())
    return tuple(Text(f"{place} = {say(one, 'zh')}", f"{place} = {say(one, 'en')}") for one in said)


def _with(
    now: Callable = lambda old, new, on: np.where(on[:, None], new, old),
    after: Callable = lambda old, new, on: np.where(on[:, None], new, old),
    rewards: Callable = lambda achieved, old, goals, f: f(achieved, goals),
    at_the_end: bool = True,
) -> Callable:
    """Goals ``now(old, new, relabelled)`` beside the states, and ``after(…)`` beside the next states."""

    def wrong(x, y, achieved, new, on, f):
        d = new.shape[1]
        old, place = x[:, -d:], slice(-d, None) if at_the_end else slice(0, d)
        x, y = x.copy(), y.copy()
        goals = now(old, new, on)
        x[:, place], y[:, place] = goals, after(old, new, on)
        return {"observations": x, "next_observations": y, "rewards": rewards(achieved, old, goals, f)}

    return wrong


def _old(old, new, on):
    return old


def _always(old, new, on):
    return new


HALF_SWAPPED = {
    "as_handed_out": hindsight_inputs,
    "every_next_goal": _with(after=_always),
    "every_goal": _with(_always, _always),
    "only_beside_the_next": _with(_old),
    "mask_inverted": _with(
        lambda old, new, on: np.where(on[:, None], old, new), lambda old, new, on: np.where(on[:, None], old, new)
    ),
    "goal_in_the_state": _with(at_the_end=False),
    "rewards_of_old_goals": _with(rewards=lambda a, old, goals, f: f(a, old)),
    "assumes_success": _with(rewards=lambda a, old, goals, f: np.where((goals == old).all(axis=1), f(a, goals), 0.0)),
    "next_state_replaced": lambda x, y, a, new, on, f: (
        {**_with()(x, y, a, new, on, f), "next_observations": _with()(x, y, a, new, on, f)["observations"]}
    ),
    "next_goal_moved_on": _with(after=lambda old, new, on: np.where(on[:, None], np.vstack([new[1:], new[-1:]]), old)),
    "nothing_returned": lambda x, y, a, new, on, f: None,
}
