"""Hidden cases of chapter 5."""

import numpy as np

from her_course.exercises import ch5, energy
from her_course.exercises.model import Case, Text
from her_course.exercises.ranks import ranks_case
from her_course.exercises.whose_energy import energies_case, pushes

RANDOM = Text("随机的输入", "random inputs")


def priority_probabilities(rng: np.random.Generator) -> list[Case]:
    return [
        ch5.priorities_case(RANDOM, rng.normal(size=n), float(alpha), float(rng.uniform(0.01, 0.5)))
        for n, alpha in ((5, 0.4), (40, 0.8), (200, 1.3))
    ]


def importance_weights(rng: np.random.Generator) -> list[Case]:
    cases = []
    for n, beta in ((6, 0.3), (50, 0.5), (300, 0.9)):
        p = rng.random(n) + 0.01
        cases.append(ch5.weights_case(RANDOM, p / p.sum(), rng.integers(n, size=n // 2), beta))
    return cases


def sum_tree_find(rng: np.random.Generator) -> list[Case]:
    cases = []
    for n in (2, 16, 64):
        leaves = rng.integers(0, 5, size=n)
        leaves[rng.integers(n)] = 3
        targets = rng.integers(0, leaves.sum(), size=60) + rng.choice([0.0, 0.5], size=60)
        cases.append(ch5.tree_case(RANDOM, leaves, targets))
    return cases


def trajectory_energy(rng: np.random.Generator) -> list[Case]:
    return [
        energy.energy_case(RANDOM, *energy.trajectory(rng, steps), mass, gravity, 0.04, clip)
        for steps, mass, gravity, clip in ((50, 1.0, 9.81, 0.5), (10, 0.3, 9.81, 0.2), (20, 1.5, 1.6, 1.0))
    ] + [energy.energy_case(RANDOM, energy.trajectory(rng, 12)[0], None, 0.7, 9.81, 0.08, 0.6)]


def curriculum_weights(rng: np.random.Generator) -> list[Case]:
    cases = [
        ch5.curriculum_case(RANDOM, rng.uniform(0.01, 5, size=n), float(rng.uniform(0.5, 2.5)), stage)
        for n, stage in ((5, 0.1), (30, 0.6), (12, 0.9))
    ]
    far = rng.uniform(2000, 2100, size=6)
    return [*cases, ch5.curriculum_case(Text("远得很", "far away"), far, 0.7, 0.1)]


def rank_probabilities(rng: np.random.Generator) -> list[Case]:
    return [ranks_case(RANDOM, rng.normal(size=n), float(alpha)) for n, alpha in ((5, 0.4), (40, 0.8), (200, 1.3))]


def mended_energies(rng: np.random.Generator) -> list[Case]:
    return [
        energies_case(RANDOM, pushes(rng, episodes, steps, dt), dt, clip)
        for episodes, steps, dt, clip in ((3, 10, 0.1, 0.5), (12, 50, 0.1, 0.2), (1, 20, 0.04, 1.0))
    ]
