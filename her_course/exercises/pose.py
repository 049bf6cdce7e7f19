"""The fourth exercise of chapter 1, a goal with a heading: two tolerances, and angles that come round."""

from collections.abc import Callable

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import is_array, maker
from her_course.exercises.model import Case

pose_case = maker(reference.pose_reward, is_array())


def poses(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) poses, and others of which some are near and some turned alike, by up to several whole turns."""
    desired = np.concatenate([rng.integers(-3, 4, (*shape, 2)), rng.uniform(-9, 9, (*shape, 1))], axis=-1)
    away = rng.choice([0.0, 0.2, 2.0], (*shape, 2)) * rng.choice([-1, 1], (*shape, 2))
    turned = rng.choice([0.1, -0.1, 1.0, -1.0, 3.0], shape) + 2 * np.pi * rng.integers(-2, 3, shape)
    return desired + np.concatenate([away, turned[..., None]], axis=-1), desired


def pose_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases."""
    origin = [0.0, 0.0, 0.0]
    return [
        pose_case("both", [0.4, 0.2, 0.25], origin, 0.5, 0.3),
        pose_case("wrong_heading", [0.0, 0.1, 0.4], origin, 0.5, 0.3),
        pose_case("wrong_heading_right", [0.0, 0.1, -1.0], origin, 0.5, 0.3),
        pose_case("wrong_place", [0.4, -0.4, 0.1], origin, 0.5, 0.3),
        pose_case("across_zero", [1.0, 2.0, 0.1], [1.0, 2.0, 6.2], 0.5, 0.3),
        pose_case("across_zero_back", [1.0, 2.0, 6.2], [1.0, 2.0, 0.1], 0.5, 0.3),
        pose_case("many_turns", [0.0, 0.3, 0.2 + 6 * np.pi], origin, 0.5, 0.3),
        pose_case("backwards", [0.0, 0.1, 3.2], origin, 0.5, 0.3),
        pose_case("on_the_line", [3.0, 4.0, 0.0], origin, 5.0, 0.3),
        pose_case("batch", *poses(rng, (4, 5)), 0.5, 0.3),
    ]


def _reward(
    near: Callable = lambda a, d, t: np.linalg.norm((a - d)[..., :2], axis=-1) < t,
    turn: Callable = lambda x: np.abs((x + np.pi) % (2 * np.pi) - np.pi),
    both: Callable = np.logical_and,
) -> Callable:
    """The reward by whoever goes wrong in the distance, in the angle, or in putting them together."""
    return lambda a, d, t, angle: np.where(both(near(a, d, t), turn((a - d)[..., 2]) < angle), 0.0, -1.0)


def _wrapped(x):
    return (x + np.pi) % (2 * np.pi) - np.pi


POSE = {
    "not_wrapped": _reward(turn=np.abs),
    "wrapped_one_way": (
        _reward(turn=lambda x: x % (2 * np.pi)),
        _reward(turn=lambda x: np.abs(x) % (2 * np.pi)),
    ),
    "wrapped_at_half": _reward(turn=lambda x: np.abs(x) % np.pi),
    "wrapped_once": _reward(turn=lambda x: np.minimum(np.abs(x), np.abs(2 * np.pi - np.abs(x)))),
    "signed_turn": (_reward(turn=_wrapped), _reward(turn=lambda x: x)),
    "either_is_enough": _reward(both=np.logical_or),
    "heading_ignored": _reward(both=lambda near, turned: near),
    "place_ignored": _reward(both=lambda near, turned: turned),
    "one_distance_for_all": (
        lambda a, d, t, angle: np.where(np.linalg.norm(a - d, axis=-1) < t, 0.0, -1.0),
        _reward(near=lambda a, d, t: np.linalg.norm(a - d, axis=-1) < t),
    ),
    "coordinates_apart": _reward(near=lambda a, d, t: (np.abs(a - d)[..., :2] < t).all(axis=-1)),
    "line_counts": _reward(near=lambda a, d, t: np.linalg.norm((a - d)[..., :2], axis=-1) <= t),
    "first_two_rows": lambda a, d, t, angle: np.where(
        (np.linalg.norm((a - d)[:2]) < t) & (np.abs(_wrapped((a - d)[2])) < angle), 0.0, -1.0
    ),
}
