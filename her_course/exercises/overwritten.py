"""Find the bug, chapter 2: goals are swapped in the very memory that holds the real ones."""

from collections.abc import Callable
from typing import Any

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.judging import Compare, differ, is_array, value_case
from her_course.exercises.model import Case, Outcome, Text
from her_course.exercises.saying import say

Memory = dict[str, np.ndarray]


def hindsight_batch(memory, rows, goal_rows, relabelled, reward_function):
    """As handed out; `reference.mended_batch` is without the mistake."""
    goals, achieved = memory["goals"], memory["achieved_goals"]
    goals[rows[relabelled]] = achieved[goal_rows[relabelled]]
    rewards = reward_function(achieved[rows], goals[rows])
    return {"goals": goals[rows], "rewards": rewards}


def memory_case(
    name: Text | str, rng: np.random.Generator, relabelled: list[int], rows: list[int], reward: Callable, ahead: int = 1
) -> Case:
    """A batch of these rows out of ten; both what comes back and what is in memory afterwards count."""
    goals = rng.permutation(40)[:10, None] + np.array([[100.0, 200.0]])
    achieved = np.cumsum(rng.integers(1, 4, size=(10, 2)), axis=0).astype(float)
    chosen = np.array(rows)
    arguments = (
        {"goals": goals, "achieved_goals": achieved},
        chosen,
        np.minimum(chosen + ahead * (np.arange(len(chosen)) % 3), 9),
        np.array(relabelled, bool),
        reward,
    )
    return value_case(name, arguments, reference.mended_batch, _same, look=_look, describe=_describe)


def memory_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases; what is handed out fails each of them."""
    half, far = inputs.within_half, inputs.at_least_as_far
    return [
        memory_case("memory_as_it_was", rng, [1, 0, 1, 1], [4, 7, 2, 0], half),
        memory_case("all_relabelled", rng, [1, 1, 1], [8, 1, 5], half),
        memory_case("one_row_twice", rng, [1, 0, 0], [3, 3, 6], half),
        memory_case("one_row_two_goals", rng, [1, 1, 1, 0], [5, 5, 5, 1], half),
        memory_case("asymmetric_reward", rng, [1, 0, 1, 0, 1], [0, 9, 6, 3, 2], far, ahead=2),
    ]


_PARTS = {
    "goals": Text("这一批的目标", "goals of the batch"),
    "rewards": Text("这一批的奖励", "rewards of the batch"),
    "memory": Text("记忆里的目标", "goals in memory"),
    "achieved": Text("记忆里达到的目标", "achieved goals in memory"),
}


def _look(outcome: Outcome) -> dict[str, Any] | None:
    """What came back, and the memory afterwards; None if something else came back."""
    value, after = outcome.value, outcome.arguments_after
    if type(value) is not dict or not {"goals", "rewards"} <= value.keys() or after is None or not after[0]:
        return None
    memory = after[0][0]
    if type(memory) is not dict or not {"goals", "achieved_goals"} <= memory.keys():
        return None
    kept = {"memory": memory["goals"], "achieved": memory["achieved_goals"]}
    return {"goals": value["goals"], "rewards": value["rewards"]} | kept


def _same(got: Any, expected: Any) -> bool:
    if got is None or expected is None:
        return False
    return all(is_array()(got[name], expected[name]) for name in _PARTS)


def _describe(right: Any, got: Any, compare: Compare) -> tuple[Text | str, Text | str]:
    """The first part that differs, of both."""
    if got is None:
        return Text('一个字典，有 "goals" 和 "rewards"', 'a dict with "goals" and "rewards"'), Text(
            "不是这样的字典", "something else"
        )
    part = next(name for name in _PARTS if not is_array()(got[name], right[name]))
    said = differ(right[part], got[part], is_array())
    zh, en = _PARTS[part]
    return tuple(Text(f"{zh} {say(one, 'zh')}", f"{en} {say(one, 'en')}") for one in said)


def _batch(
    goals: Callable = lambda m, r, j, on: np.where(on[:, None], m["achieved_goals"][j], m["goals"][r]),
    rewards: Callable = lambda m, r, goals, f: f(m["achieved_goals"][r], goals),
) -> Callable:
    """Without touching the memory, with ``goals(memory, rows, goal_rows, relabelled)``."""

    def wrong(m: Memory, r: np.ndarray, j: np.ndarray, on: np.ndarray, f: Callable) -> Memory:
        chosen = goals(m, r, j, on)
        return {"goals": chosen, "rewards": rewards(m, r, chosen, f)}

    return wrong


def _through_a_copy(m: Memory, r: np.ndarray, j: np.ndarray, on: np.ndarray) -> np.ndarray:
    goals = m["goals"].copy()
    goals[r[on]] = m["achieved_goals"][j[on]]
    return goals[r]


def _put_back(m: Memory, r: np.ndarray, j: np.ndarray, on: np.ndarray, f: Callable) -> Memory:
    """Goals are put back, but rewards are computed after that."""
    goals = _through_a_copy(m, r, j, on)
    return {"goals": goals, "rewards": f(m["achieved_goals"][r], m["goals"][r])}


OVERWRITTEN = {
    "as_handed_out": hindsight_batch,
    "twins_share_a_goal": _batch(_through_a_copy),
    "rewards_of_old_goals": (
        _batch(rewards=lambda m, r, goals, f: f(m["achieved_goals"][r], m["goals"][r])),
        _put_back,
    ),
    "all_relabelled": _batch(lambda m, r, j, on: m["achieved_goals"][j]),
    "none_relabelled": _batch(lambda m, r, j, on: m["goals"][r]),
    "mask_inverted": _batch(lambda m, r, j, on: np.where(on[:, None], m["goals"][r], m["achieved_goals"][j])),
    "own_place_for_goal": _batch(lambda m, r, j, on: np.where(on[:, None], m["achieved_goals"][r], m["goals"][r])),
    "wished_not_achieved": _batch(lambda m, r, j, on: np.where(on[:, None], m["goals"][j], m["goals"][r])),
    "assumes_success": _batch(rewards=lambda m, r, goals, f: np.zeros(len(r))),
    "whole_memory": lambda m, r, j, on, f: {
        "goals": np.where(np.isin(np.arange(len(m["goals"])), r[on])[:, None], m["achieved_goals"], m["goals"]),
        "rewards": f(m["achieved_goals"], m["goals"]),
    },
    "nothing_returned": lambda m, r, j, on, f: None,
}
