"""Find the bug, chapter 5: episodes are drawn by the energy of the agent, and not of what it pushes."""

from collections.abc import Callable

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import maker
from her_course.exercises.model import Case


def episode_energies(states, dt, clip):
    """As handed out; `reference.mended_energies` is without the mistake."""
    path = states[:, :, 0:2]
    speed = np.linalg.norm(np.diff(path, axis=1), axis=2) / dt
    kinetic = np.hstack([np.zeros((len(states), 1)), 0.5 * speed**2])
    return np.diff(kinetic, axis=1).clip(0, clip).sum(axis=1)


def push(agent, puck, dt: float = 0.1) -> np.ndarray:
    """(T + 1, 8) the states of an episode of Push in which agent and puck, (T + 1, 2), go these ways."""
    agent, puck = np.asarray(agent, float), np.asarray(puck, float)
    velocity = np.vstack([np.zeros((1, 2)), np.diff(puck, axis=0) / dt])
    return np.hstack([agent, puck, velocity, puck - agent])


def pushes(rng: np.random.Generator, episodes: int, steps: int, dt: float = 0.1) -> np.ndarray:
    """(E, T + 1, 8) of an agent that wanders and a puck that now and then is hit, slides and stops."""
    agent = np.cumsum(rng.normal(size=(episodes, steps + 1, 2)) * 0.05, axis=1)
    kicks = rng.normal(size=(episodes, steps + 1, 2)) * 0.1 * (rng.random((episodes, steps + 1, 1)) < 0.4)
    puck = np.cumsum(kicks, axis=1) + 0.3
    return np.stack([push(*ways, dt) for ways in zip(agent.round(3), puck.round(3), strict=True)])


energies_case = maker(reference.mended_energies)


def energies_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases; what is handed out fails each of them."""
    walk = np.array([[0, 0], [0.1, 0], [0.1, 0.1], [0.2, 0.1], [0.2, 0.1]])
    lies, hit = np.full((5, 2), 0.5), np.array([[0.3, 0.3], [0.3, 0.3], [0.4, 0.35], [0.45, 0.4], [0.45, 0.4]])
    bounced = np.array([[0.3, 0.3], [0.4, 0.3], [0.4, 0.3], [0.3, 0.3], [0.3, 0.25]])
    return [
        energies_case("untouched", [push(walk, lies)], 0.1, 0.5),
        energies_case("hit_once", [push(lies, hit)], 0.1, 0.5),
        energies_case("hit_twice", [push(walk, bounced)], 0.1, 0.5),
        energies_case("collision", [push(lies, 3 * hit)], 0.1, 0.2),
        energies_case("two_episodes", [push(walk, lies), push(walk, hit)], 0.1, 5.0),
        energies_case("many", pushes(rng, 6, 12, 0.04), 0.04, 0.5),
        energies_case("one_step", [push(lies[:2], hit[1:3])], 0.1, 0.5),
    ]


def _of(
    path: Callable = lambda s: s[:, :, 2:4],
    energy: Callable = lambda speed: 0.5 * speed**2,
    add: Callable = lambda kinetic, clip: np.diff(kinetic, axis=1).clip(0, clip).sum(axis=1),
    axis: int = 1,
) -> Callable:
    """The energy, along the wrong path, or computed wrongly in one of its parts."""

    def wrong(states, dt, clip):
        speed = np.linalg.norm(np.diff(path(states), axis=axis), axis=2) / dt
        kinetic = np.hstack([np.zeros((len(speed), 1)), energy(speed)])
        return add(kinetic, clip)

    return wrong


WHOSE_ENERGY = {
    "as_handed_out": episode_energies,
    "relative_to_the_agent": _of(lambda s: s[:, :, 6:8]),
    "velocity_for_place": _of(lambda s: s[:, :, 4:6]),
    "both_bodies": (
        _of(lambda s: s[:, :, 0:4]),
        lambda s, dt, clip: episode_energies(s, dt, clip) + reference.mended_energies(s, dt, clip),
    ),
    "one_coordinate": (_of(lambda s: s[:, :, 2:3]), _of(lambda s: s[:, :, 3:4])),
    "between_episodes": _of(axis=0),
    "not_clipped": _of(add=lambda k, c: np.diff(k, axis=1).clip(0).sum(axis=1)),
    "losses_count": (
        _of(add=lambda k, c: np.diff(k, axis=1).clip(-c, c).sum(axis=1)),
        _of(add=lambda k, c: np.minimum(np.diff(k, axis=1), c).sum(axis=1)),
        _of(add=lambda k, c: np.abs(np.diff(k, axis=1)).clip(0, c).sum(axis=1)),
    ),
    "sums_the_energy": (
        _of(add=lambda k, c: k.sum(axis=1)),
        _of(add=lambda k, c: k.clip(0, c).sum(axis=1)),
    ),
    "half_forgotten": _of(energy=lambda speed: speed**2),
    "dt_forgotten": lambda s, dt, clip: reference.mended_energies(s, 1.0, clip),
    "one_number_for_all": _of(add=lambda k, c: np.diff(k, axis=1).clip(0, c).sum()),
    "moved_or_not": lambda s, dt, clip: np.ptp(s[:, :, 2:4], axis=1).any(axis=1).astype(float),
}
