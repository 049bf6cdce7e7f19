"""Find the bug, chapter 1: an episode is scored again under another goal, one place too early."""

from collections.abc import Callable

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import is_array, value_case
from her_course.exercises.model import Case, Text


def score_again(path, goal, threshold):
    """As handed out; `reference.mended_score` is without the mistake."""
    distance = np.linalg.norm(path - goal, axis=1)
    reached = distance < threshold
    rewards = np.where(reached, 0.0, -1.0)
    return rewards[:-1]


def path_case(name: Text | str, path, goal, threshold: float = 0.5) -> Case:
    """The rewards of the steps along this path."""
    arguments = (np.asarray(path, float), np.asarray(goal, float), threshold)
    return value_case(name, arguments, reference.mended_score, is_array())


def score_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases; what is handed out fails each of them."""
    along = np.cumsum(rng.integers(1, 4, size=(7, 3)), axis=0)
    return [
        path_case("arrives", [[0, 0], [1, 0], [2, 0]], [2, 0]),
        path_case("leaves", [[0, 0], [1, 0], [1, 1]], [0, 0]),
        path_case("passes", [[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]], [2, 0]),
        path_case("stays", [[0, 0], [1, 0], [2, 0], [2, 0.1], [2, 0]], [2, 0]),
        path_case("one_step", [[0, 0], [1, 0]], [1, 0.2]),
        path_case("on_the_line", [[0, 0], [3, 4], [0, 1]], [0, 0], threshold=5.0),
        path_case("three_axes", along, along[4] + 0.1),
    ]


def _paid(choose: Callable) -> Callable:
    """0 where ``choose(near)`` says so; `near` has an entry for each place."""
    return lambda path, goal, threshold: np.where(choose(np.linalg.norm(path - goal, axis=1) < threshold), 0.0, -1.0)


SCORED_EARLY = {
    "as_handed_out": score_again,
    "a_reward_for_each_place": _paid(lambda near: near),
    "cut_at_both_ends": _paid(lambda near: near[1:-1]),
    "either_place_counts": _paid(lambda near: near[1:] | near[:-1]),
    "both_places_count": _paid(lambda near: near[1:] & near[:-1]),
    "only_arriving_counts": _paid(lambda near: near[1:] & ~near[:-1]),
    "moved_on_by_one": (
        _paid(lambda near: np.roll(near, 1)[:-1]),
        _paid(lambda near: np.append(False, near[:-2])),
    ),
    "last_is_success": _paid(lambda near: np.arange(len(near) - 1) == len(near) - 2),
    "reached_for_good": _paid(lambda near: np.maximum.accumulate(near[1:])),
    "line_counts": lambda path, goal, threshold: np.where(np.linalg.norm(path - goal, axis=1) <= threshold, 0.0, -1.0)[
        1:
    ],
}
