"""Exercises of chapter 2, relabelling: a transition, an episode, and how many successes that makes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from her.episodes import Episode, Transition
from her_course.exercises import inputs, reference
from her_course.exercises.endings import ENDING, ending_cases
from her_course.exercises.judging import (
    declare,
    differing_fields,
    is_record,
    maker,
    only_what_differs,
    rounded,
    seen,
    simulated,
    value_case,
)
from her_course.exercises.model import Case, Evidence, Misconception, Text
from her_course.exercises.overwritten import OVERWRITTEN, memory_cases
from her_course.exercises.saying import FIELDS
from her_course.exercises.standing_still import STANDING_STILL, still_case


def _same_but_done(got: Any, expected: Any) -> bool:
    """Whoever is wrong about something else may do with `done` what they like."""
    return type(got) is type(expected) in FIELDS and {*differing_fields(got, expected)} <= {"done", "dones"}


def exactly(*ideas: Callable) -> Misconception:
    """Those who give in every case what one of these functions gives, `done` included."""

    def check(evidence: Sequence[Evidence]) -> bool:
        pairs = [(one.outcomes[0].value, one.case.calls[0].arguments) for one in evidence]
        return any(all(is_record(got, idea(*arguments)) for got, arguments in pairs) for idea in ideas)

    return seen(check)


def _touched(fields: set[str]) -> Callable[[Sequence[Evidence]], bool]:
    """Whether one of these fields is not as it was in what the function was given."""

    def check(evidence: Sequence[Evidence]) -> bool:
        pairs = [(one.outcomes[0].value, one.case.calls[0].arguments[0]) for one in evidence]
        pairs = [(got, old) for got, old in pairs if type(got) is type(old) and not _is_shorter(got, old)]
        return any(fields & set(differing_fields(got, old)) for got, old in pairs)

    return check


def _is_shorter(got: Any, old: Any) -> bool:
    return type(got) is type(old) is Episode and len(got) < len(old)


def _cut_short(evidence: Sequence[Evidence]) -> bool:
    """Whether an episode has lost some of its transitions."""
    return any(_is_shorter(one.outcomes[0].value, one.case.calls[0].arguments[0]) for one in evidence)


# ------------------------------------------------------------------------------------------------- relabel_transition


def transition_case(name: Text | str, transition: Transition, goal: np.ndarray, reward: Callable) -> Case:
    """Relabel this transition with this goal."""
    arguments, solve = (transition, goal, reward), reference.relabel_transition
    return value_case(name, arguments, solve, is_record, resembles=_same_but_done, describe=only_what_differs)


def _relabel_transition_cases(rng: np.random.Generator) -> list[Case]:
    one, two, three, four, reached = (inputs.transition(rng, done=i == 4, goal_first=i > 0) for i in range(5))
    achieved, elsewhere = one.achieved_goal.copy(), two.achieved_goal + 7
    before, far = three.state[:2].copy(), reached.achieved_goal - 9
    beyond = four.achieved_goal - np.array([1, 5], np.float32)
    return [
        transition_case("achieved", one, achieved, inputs.within_half),
        transition_case("elsewhere", two, elsewhere, inputs.at_least_as_far),
        transition_case("where_it_began", three, before, inputs.within_half),
        transition_case("no_longer_reached", reached, far, inputs.within_half),
        transition_case("asymmetric_reward", four, beyond, inputs.at_least_as_far),
    ]


def _close(achieved, goal) -> np.ndarray:
    """Rewards by whoever compares goals, and does not ask the reward function."""
    return np.where(np.linalg.norm(np.asarray(achieved) - goal, axis=-1) < 0.5, 0.0, -1.0)


def _rewarded(reward: Callable[[Transition, np.ndarray, Callable], Any]) -> Callable:
    return lambda t, goal, f: replace(t, goal=goal, reward=float(reward(t, goal, f)), done=False)


def _right_but(**changes: Callable[[Transition, np.ndarray, Callable], Any]) -> Callable:
    def wrong(t: Transition, goal: np.ndarray, f: Callable) -> Transition:
        right = reference.relabel_transition(t, goal, f)
        return replace(right, **{name: change(t, goal, f) for name, change in changes.items()})

    return wrong


RELABEL_TRANSITION = {
    "unchanged": exactly(lambda t, goal, f: t),
    "goal_not_replaced": _right_but(goal=lambda t, goal, f: t.goal),
    "reward_not_recomputed": _rewarded(lambda t, goal, f: t.reward),
    "assumes_success": (_rewarded(lambda t, goal, f: 0.0), _rewarded(lambda t, goal, f: f(goal, goal))),
    "never_success": _rewarded(lambda t, goal, f: -1.0),
    "reward_of_one": (_rewarded(lambda t, goal, f: 1.0), _rewarded(lambda t, goal, f: 1 + f(t.achieved_goal, goal))),
    "achieved_before_action": _rewarded(lambda t, goal, f: f(t.state[: len(goal)], goal)),
    "old_goal_for_achieved": _rewarded(lambda t, goal, f: f(t.goal, goal)),
    "arguments_swapped": _rewarded(lambda t, goal, f: f(goal, t.achieved_goal)),
    "ignores_reward_function": (
        _rewarded(lambda t, goal, f: _close(t.achieved_goal, goal)),
        _rewarded(lambda t, goal, f: 0.0 if np.array_equal(t.achieved_goal, goal) else -1.0),
    ),
    "state_for_achieved": (
        _rewarded(lambda t, goal, f: f(t.next_state, goal)),
        _rewarded(lambda t, goal, f: f(t.state, goal)),
        _rewarded(lambda t, goal, f: f(t.next_state[: len(goal)], goal)),
    ),
    "stale_done": exactly(_right_but(done=lambda t, goal, f: t.done)),
    "done_on_success": exactly(_right_but(done=lambda t, goal, f: bool(f(t.achieved_goal, goal) == 0))),
    "always_done": exactly(_right_but(done=lambda t, goal, f: True)),
    "nothing_returned": lambda t, goal, f: None,
    "touches_the_rest": seen(_touched({"state", "action", "next_state", "achieved_goal"})),
}

# ------------------------------------------------------------------------------------------------------ relabel_final


def episode_case(name: Text | str, episode: Episode, reward: Callable) -> Case:
    """Relabel this episode."""
    arguments, solve = (episode, reward), reference.relabel_final
    return value_case(name, arguments, solve, is_record, resembles=_same_but_done, describe=only_what_differs)


def passing_through(rng: np.random.Generator) -> Episode:
    """An episode that passes, early, through the place where it will end, and goes beyond it and comes back."""
    achieved = np.cumsum([[1, 1], [2, 1], [1, 2], [-1, -2], [4, 0], [-4, 0]], axis=0).astype(np.float32)
    achieved += rng.integers(-3, 4, size=2)
    before = np.vstack([achieved[:1] - 1, achieved[:-1]])
    goal, actions = achieved[-1] + 30, rng.normal(size=(6, 2)).round(2)
    rewards, states, next_states = inputs.within_half(achieved, goal), [before, before], [achieved, achieved]
    return Episode.from_arrays(
        np.hstack(states), actions, rewards, np.hstack(next_states), np.zeros(6, bool), achieved, goal
    )


def _relabel_final_cases(rng: np.random.Generator) -> list[Case]:
    return [
        episode_case("nothing_reached", inputs.walk(rng, 4, goal_first=False), inputs.within_half),
        episode_case("passes_early", passing_through(rng), inputs.within_half),
        episode_case("single_step", inputs.walk(rng, 1), inputs.within_half),
        episode_case("stale_done", inputs.walk(rng, 5, done=True), inputs.within_half),
        episode_case("asymmetric_reward", passing_through(rng), inputs.at_least_as_far),
    ]


def _final(e: Episode) -> np.ndarray:
    return np.repeat(e.achieved_goals[-1:], len(e), axis=0)


def _before(e: Episode) -> np.ndarray:
    """(T, d) what was achieved before each action: the first numbers of each state."""
    return e.states[:, : e.achieved_goals.shape[1]]


def _after(e: Episode) -> np.ndarray:
    """(T, d) the first numbers of each next state."""
    return e.next_states[:, : e.achieved_goals.shape[1]]


def _relabelled(
    goals: Callable = _final,
    rewards: Callable = lambda e, g, f: f(e.achieved_goals, g),
    dones: Callable = lambda e, r: np.zeros(len(e), bool),
) -> Callable:
    """With ``goals(episode)``, ``rewards(episode, goals, reward_function)``, and ``dones(episode, rewards)``."""

    def wrong(e: Episode, f: Callable) -> Episode:
        g = np.array(np.broadcast_to(goals(e), e.achieved_goals.shape))
        r = np.asarray(rewards(e, g, f), float)
        return Episode.from_arrays(e.states, e.actions, r, e.next_states, dones(e, r), e.achieved_goals, g)

    return wrong


def _rewarded_by(rewards: Callable) -> Callable:
    return _relabelled(rewards=rewards)


def _with_goals(goals: Callable) -> tuple[Callable, ...]:
    """Those who choose such goals, and compute rewards under them, or under the right one, or not at all."""
    return (
        _relabelled(goals),
        _relabelled(goals, lambda e, g, f: f(e.achieved_goals, _final(e))),
        _relabelled(goals, lambda e, g, f: e.rewards),
    )


def _last_replaced(e: Episode) -> np.ndarray:
    return np.vstack([e.goals[:-1], e.achieved_goals[-1:]])


def _last_transition(e: Episode, f: Callable) -> Episode:
    """Only the last transition is relabelled, and the goal of the episode."""
    *before, last = e
    goal = last.achieved_goal
    return Episode([*before, replace(last, goal=goal, reward=float(f(goal, goal)), done=False)], goal)


def _nearest(e: Episode) -> np.ndarray:
    return e.achieved_goals[np.linalg.norm(e.achieved_goals - e.goal, axis=1).argmin()]


RELABEL_FINAL = {
    "goal_not_replaced": _with_goals(lambda e: e.goals),
    "only_last_transition": (_last_transition, *_with_goals(_last_replaced)),
    "goal_before_last_action": (
        *_with_goals(lambda e: e.achieved_goals[max(-2, -len(e))]),
        *_with_goals(lambda e: e.achieved_goals[-2]),
        *_with_goals(lambda e: _before(e)[-1]),
    ),
    "first_goal": _with_goals(lambda e: e.achieved_goals[0]),
    "nearest_goal": _with_goals(_nearest),
    "mean_goal": _with_goals(lambda e: e.achieved_goals.mean(axis=0)),
    "each_its_own_goal": _with_goals(lambda e: e.achieved_goals),
    "each_the_next_goal": _with_goals(lambda e: np.vstack([e.achieved_goals[1:], e.achieved_goals[-1:]])),
    "reward_not_recomputed": _rewarded_by(lambda e, g, f: e.rewards),
    "assumes_success": _rewarded_by(lambda e, g, f: np.zeros(len(e))),
    "only_last_succeeds": _rewarded_by(lambda e, g, f: np.append(-np.ones(len(e) - 1), 0.0)),
    "achieved_before_action": _rewarded_by(lambda e, g, f: f(_before(e), g)),
    "state_for_achieved": (
        _rewarded_by(lambda e, g, f: f(_after(e), g)),
        _relabelled(lambda e: _after(e)[-1], lambda e, g, f: f(_after(e), g)),
        *_with_goals(lambda e: _after(e)[-1]),
    ),
    "arguments_swapped": _rewarded_by(lambda e, g, f: f(g, e.achieved_goals)),
    "ignores_reward_function": _rewarded_by(lambda e, g, f: _close(e.achieved_goals, g)),
    "reward_of_one": (
        _rewarded_by(lambda e, g, f: 1 + f(e.achieved_goals, g)),
        _rewarded_by(lambda e, g, f: 2 * f(e.achieved_goals, g) + 1),
    ),
    "stale_done": exactly(_relabelled(dones=lambda e, r: e.dones)),
    "done_at_the_end": exactly(
        _relabelled(dones=lambda e, r: np.arange(len(e)) == len(e) - 1), _relabelled(dones=lambda e, r: r == 0)
    ),
    "always_done": exactly(_relabelled(dones=lambda e, r: np.ones(len(e), bool))),
    "nothing_returned": lambda e, f: None,
    "episode_cut_short": seen(_cut_short),
    "touches_the_rest": seen(_touched({"states", "actions", "next_states", "achieved_goals"})),
}

# ---------------------------------------------------------------------------------------------- expected_success_share

share_case = maker(reference.expected_success_share)


def _harmonic(n: int) -> float:
    return sum(1 / j for j in range(1, n + 1))


SUCCESS_SHARE = {
    "all_succeed": lambda n: 1.0,
    "never_succeed": lambda n: 0.0,
    "relabelled_share": lambda n: 0.8,
    "share_of_all": lambda n: 0.8 * _harmonic(n) / n,
    "uniform_over_the_episode": lambda n: 1 / n,
    "not_divided": _harmonic,
    "excludes_own_step": (
        lambda n: _harmonic(n - 1) / n,
        lambda n: _harmonic(n - 1) / (n - 1),
        lambda n: (_harmonic(n) - 1) / n,
        lambda n: (_harmonic(n) - 1) / (n - 1),
        lambda n: (_harmonic(n) - 1) / max(n - 1, 1),
    ),
    "one_too_many": (
        lambda n: (_harmonic(n + 1) - 1) / n,
        lambda n: _harmonic(n + 1) / (n + 1),
        lambda n: _harmonic(n) / (n + 1),
    ),
    "mean_length": lambda n: 2 / (n + 1),
    "at_least_one": lambda n: 1 - (1 - 1 / n) ** n,
    "half": lambda n: 0.5,
    "logarithm": (lambda n: math.log(n) / n, lambda n: math.log(n + 1) / n),
    "euler_approximation": (
        lambda n: (math.log(n) + np.euler_gamma) / n,
        lambda n: (math.log(n) + 0.577) / n,
        lambda n: (math.log(n) + np.euler_gamma + 1 / (2 * n)) / n,
    ),
    "rounded": rounded(reference.expected_success_share),
    "estimated": simulated(reference.expected_success_share),
}

EXERCISES = (
    declare(2, reference.relabel_transition, _relabel_transition_cases, RELABEL_TRANSITION),
    declare(2, reference.relabel_final, _relabel_final_cases, RELABEL_FINAL),
    declare(2, reference.expected_success_share, share_case, SUCCESS_SHARE, listed=True),
    declare(2, reference.relabel_ending, ending_cases, ENDING),
    declare(2, reference.share_when_it_stops, still_case, STANDING_STILL, listed=True),
    declare(2, reference.mended_batch, memory_cases, OVERWRITTEN),
)
