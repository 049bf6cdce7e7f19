"""The fourth exercise of chapter 2: relabelling where success ends an episode, so that `done` goes with the goal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from her.episodes import Transition
from her_course.exercises import inputs, reference
from her_course.exercises.judging import is_record, only_what_differs, value_case
from her_course.exercises.model import Case, Text


def ending_case(name: Text | str, transition: Transition, goal: np.ndarray, reward: Callable) -> Case:
    """Relabel this transition with this goal."""
    arguments = (transition, goal, reward)
    return value_case(name, arguments, reference.relabel_ending, is_record, describe=only_what_differs)


def ending_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases."""
    one, two, three, four, old, again = (inputs.transition(rng, done=i >= 4, goal_first=i > 0) for i in range(6))
    return [
        ending_case("reached_now", one, one.achieved_goal.copy(), inputs.within_half),
        ending_case("not_reached", two, two.achieved_goal + 7, inputs.within_half),
        ending_case("no_longer_reached", old, old.achieved_goal - 9, inputs.within_half),
        ending_case("reached_both", again, again.achieved_goal + 0.25, inputs.within_half),
        ending_case("asymmetric_reward", three, three.achieved_goal - np.float32([1, 5]), inputs.at_least_as_far),
        ending_case("where_it_began", four, four.state[:2].copy(), inputs.within_half),
    ]


def _with(
    done: Callable[[Transition, np.ndarray, float], Any] = lambda t, goal, r: r == 0,
    reward: Callable[[Transition, np.ndarray, Callable], Any] = lambda t, goal, f: f(t.achieved_goal, goal),
    old_goal: bool = False,
) -> Callable:
    """With ``done(transition, goal, reward)`` and ``reward(transition, goal, reward_function)``."""

    def wrong(t: Transition, goal: np.ndarray, f: Callable) -> Transition:
        r = float(reward(t, goal, f))
        return replace(t, goal=t.goal if old_goal else goal, reward=r, done=bool(done(t, goal, r)))

    return wrong


def _with_reward(reward: Callable) -> tuple[Callable, ...]:
    """Those who pay this, and end where it is 0, or nowhere, or where it ended before."""
    return tuple(
        _with(done, reward) for done in (lambda t, g, r: r == 0, lambda t, g, r: False, lambda t, g, r: t.done)
    )


ENDING = {
    "nothing_returned": lambda t, goal, f: None,
    "unchanged": lambda t, goal, f: t,
    "stale_done": _with(lambda t, g, r: t.done),
    "never_done": _with(lambda t, g, r: False),
    "always_done": _with(lambda t, g, r: True),
    "done_when_missed": _with(lambda t, g, r: r != 0),
    "old_or_new_success": _with(lambda t, g, r: t.done or r == 0),
    "old_and_new_success": _with(lambda t, g, r: t.done and r == 0),
    "done_if_equal": _with(lambda t, g, r: np.array_equal(t.achieved_goal, g)),
    "goal_not_replaced": _with(old_goal=True),
    "reward_not_recomputed": _with_reward(lambda t, g, f: t.reward),
    "assumes_success": _with_reward(lambda t, g, f: 0.0),
    "achieved_before_action": _with_reward(lambda t, g, f: f(t.state[: len(g)], g)),
    "state_for_achieved": _with_reward(lambda t, g, f: f(t.next_state[: len(g)], g)),
    "arguments_swapped": _with_reward(lambda t, g, f: f(g, t.achieved_goal)),
}
