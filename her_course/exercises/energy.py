"""The fourth exercise of chapter 5, the energy of a trajectory: what moves, and how energy is counted wrongly."""

from collections.abc import Callable

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import is_array, value_case
from her_course.exercises.model import Case, Text


def trajectory(rng: np.random.Generator, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(T + 1, 3) positions and velocities of something that moves already, and is pushed, lifted and dropped."""
    velocities = rng.normal(size=(steps + 1, 3)) * rng.choice([0.1, 0.5, 1.5], size=(steps + 1, 1))
    velocities[:2] = [[0.7, -0.4, 0.2], [0.8, 0.4, 0.2]]
    positions = np.cumsum(rng.normal(size=(steps + 1, 3)) * 0.1, axis=0) + 0.4
    positions[1] = positions[0]
    return positions.round(3), velocities.round(3)


def energy_case(name: Text | str, positions, velocities, mass=1.0, gravity=9.81, dt=0.04, clip=0.5) -> Case:
    """The energy along this trajectory."""
    velocities = None if velocities is None else np.asarray(velocities, float)
    arguments = (np.asarray(positions, float), velocities, mass, gravity, dt, clip)
    return value_case(name, arguments, reference.trajectory_energy, is_array(1e-5, 1e-9))


def energy_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases."""
    flat = np.full((5, 3), 0.4)
    pushed, still, collision = np.zeros((5, 3)), np.zeros((5, 3)), np.zeros((5, 3))
    pushed[:, 0], pushed[:, 1] = [0, 0.6, 0.6, 0.2, 0.0], [0, 0.3, 0.5, 0.1, 0.0]
    collision[:, 0] = [0, 0.4, 2.0, 2.4, 0.5]
    lifted, swung = flat.copy(), flat.copy()
    lifted[:, 2] += [0, 0.02, 0.04, 0.04, 0.01]
    swung[:, 1] += [0, 0.02, 0.05, 0.01, 0.0]
    swung[:, 0] += [0, 0.01, 0.01, 0.03, 0.1]
    return [
        energy_case("pushed", flat, pushed, clip=5.0),
        energy_case("lifted", lifted, still, mass=0.5, gravity=1.6),
        energy_case("untouched", flat, still),
        energy_case("sideways", swung, pushed, clip=5.0),
        energy_case("collision", flat, collision),
        energy_case("everything", *trajectory(rng, 8), mass=2.0, gravity=1.6, clip=0.8),
        energy_case("no_velocities", swung, None, dt=0.1, clip=5.0),
        energy_case("single_step", lifted[:2], pushed[:2]),
    ]


def _backward(p, dt):
    return np.vstack([np.zeros((1, p.shape[1])), np.diff(p, axis=0) / dt])


def _forward(p, dt):
    return np.vstack([np.diff(p, axis=0) / dt, np.zeros((1, p.shape[1]))])


def _gains(changes, clip):
    return np.clip(changes, 0, clip).sum()


def _energy_with(
    height: int = 2,
    potential: float = 1.0,
    kinetic: Callable = lambda v: 0.5 * (v**2).sum(axis=1),
    differences: Callable = _backward,
    mass: Callable = lambda m: m,
    add: Callable = lambda energy, clip: _gains(np.diff(energy), clip),
    start: Callable = lambda z: z[0],
) -> Callable:
    """The energy, computed wrongly in one of its parts."""

    def wrong(p, v, m, g, dt, clip):
        v, z = differences(p, dt) if v is None else v, p[:, height]
        return float(add(mass(m) * (potential * g * (z - start(z)) + kinetic(v)), clip))

    return wrong


def _unless_known(v_of: Callable) -> Callable:
    """Velocities that are given are not used."""
    return lambda p, v, m, g, dt, clip: _energy_with()(p, v_of(p, dt), m, g, dt, clip)


ENERGY = {
    "not_clipped": _energy_with(add=lambda e, c: np.maximum(np.diff(e), 0).sum()),
    "losses_count": _energy_with(add=lambda e, c: np.minimum(np.diff(e), c).sum()),
    "losses_clipped_alike": _energy_with(add=lambda e, c: np.clip(np.diff(e), -c, c).sum()),
    "absolute_changes": (
        _energy_with(add=lambda e, c: np.minimum(np.abs(np.diff(e)), c).sum()),
        _energy_with(add=lambda e, c: np.abs(np.diff(e)).sum()),
    ),
    "end_minus_start": (
        _energy_with(add=lambda e, c: np.clip(e[-1] - e[0], 0, c)),
        _energy_with(add=lambda e, c: e[-1] - e[0]),
    ),
    "clips_the_total": _energy_with(add=lambda e, c: min(np.maximum(np.diff(e), 0).sum(), c)),
    "clips_the_energy": _energy_with(add=lambda e, c: np.maximum(np.diff(np.clip(e, 0, c)), 0).sum()),
    "drops_large_gains": _energy_with(add=lambda e, c: np.diff(e)[(np.diff(e) > 0) & (np.diff(e) <= c)].sum()),
    "sums_the_energy": (_energy_with(add=lambda e, c: e.clip(0, c).sum()), _energy_with(add=lambda e, c: e.sum())),
    "mean_of_gains": _energy_with(add=lambda e, c: np.clip(np.diff(e), 0, c).mean()),
    "largest_gain": _energy_with(add=lambda e, c: np.clip(np.diff(e), 0, c).max()),
    "first_energy_is_a_gain": (
        _energy_with(add=lambda e, c: _gains(np.diff(e, prepend=0.0), c)),
        _energy_with(add=lambda e, c: _gains(np.diff(e, prepend=0.0), c), start=lambda z: 0.0),
    ),
    "starts_at_rest": _energy_with(kinetic=lambda v: 0.5 * (np.vstack([0 * v[:1], v[1:]]) ** 2).sum(axis=1)),
    "parts_clipped_apart": lambda *arguments: sum(
        _energy_with(**left_out)(*arguments) for left_out in ({"kinetic": lambda v: 0.0}, {"potential": 0.0})
    ),
    "half_forgotten": _energy_with(kinetic=lambda v: (v**2).sum(axis=1)),
    "no_height": _energy_with(potential=0.0),
    "no_motion": _energy_with(kinetic=lambda v: 0.0),
    "wrong_height": (_energy_with(height=1), _energy_with(height=0)),
    "height_falls": _energy_with(potential=-1.0),
    "gravity_forgotten": (
        lambda p, v, m, g, dt, c: _energy_with()(p, v, m, 1.0, dt, c),
        lambda p, v, m, g, dt, c: _energy_with()(p, v, m, 9.81, dt, c),
    ),
    "mass_forgotten": (
        _energy_with(mass=lambda m: 1.0),
        lambda p, v, m, g, dt, c: _energy_with(mass=lambda m: 1.0)(p, v, m, m * g, dt, c),
        lambda p, v, m, g, dt, c: _energy_with()(p, v, m, g / m, dt, c),
    ),
    "speed_not_squared": _energy_with(kinetic=lambda v: 0.5 * np.linalg.norm(v, axis=1)),
    "components_added": (
        _energy_with(kinetic=lambda v: 0.5 * v.sum(axis=1) ** 2),
        _energy_with(kinetic=lambda v: 0.5 * v.sum(axis=1)),
        _energy_with(kinetic=lambda v: 0.5 * (v**2).mean(axis=1)),
    ),
    "one_component": tuple(_energy_with(kinetic=lambda v, i=i: 0.5 * v[:, i] ** 2) for i in range(3)),
    "dt_forgotten": _energy_with(differences=lambda p, dt: _backward(p, 1.0)),
    "dt_multiplied": _energy_with(differences=lambda p, dt: _backward(p, 1 / dt)),
    "velocity_of_the_next_step": (
        _energy_with(differences=_forward),
        _energy_with(differences=lambda p, dt: np.vstack([_backward(p, dt)[1:], _backward(p, dt)[-1:]])),
        _energy_with(differences=lambda p, dt: np.vstack([_backward(p, dt)[1:2], _backward(p, dt)[1:]])),
    ),
    "central_differences": _energy_with(differences=lambda p, dt: np.gradient(p, dt, axis=0)),
    "velocities_ignored": (_unless_known(_backward), _unless_known(_forward)),
    "unknown_is_zero": _energy_with(differences=lambda p, dt: np.zeros_like(p)),
    "unknown_not_handled": _energy_with(differences=lambda p, dt: None),
}
