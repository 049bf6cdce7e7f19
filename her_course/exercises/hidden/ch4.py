"""Hidden cases of chapter 4."""

import numpy as np

from her_course.exercises import ch4, inputs, polyak
from her_course.exercises.half_swapped import inputs_case
from her_course.exercises.her_batch import batch_case
from her_course.exercises.model import Case, Text


def epsilon_greedy(rng: np.random.Generator) -> list[Case]:
    cases = [ch4.greedy_case(Text("随机的 Q 值", "random Q-values"), ch4.q_table(rng, 50, 6), rng)]
    for _ in range(2):
        epsilon, actions = float(rng.choice([0.1, 0.2, 0.6])), int(rng.integers(3, 7))
        name = Text("另一个 ε", "another ε")
        cases.append(ch4.exploring_case(name, 300, actions, epsilon, rng, 20))
    return cases


def polyak_update(rng: np.random.Generator) -> list[Case]:
    shapes = [(int(rng.integers(2, 9)), 5), (5,), (3, 5), (3,)]
    return [
        polyak.polyak_case(Text("另一个网络", "another network"), shapes, float(tau), rng, kind)
        for tau, kind in zip(rng.choice([0.05, 0.2, 0.4, 0.8], size=3, replace=False), (list, tuple, list), strict=True)
    ]


def td_target(rng: np.random.Generator) -> list[Case]:
    cases = []
    for gamma in (0.98, 0.9, 0.6):
        rewards = -(rng.random(40) < 0.7).astype(float)
        values = rng.uniform(-1.5 / (1 - gamma), 3, size=40)
        name = Text("随机的一批", "a random batch")
        cases.append(ch4.td_case(name, rewards, values, rng.random(40) < 0.3, gamma))
    return cases


def sample_her_batch(rng: np.random.Generator) -> list[Case]:
    lengths = [int(n) for n in rng.integers(1, 7, size=4)]
    name = Text("另一个缓冲区", "another buffer")
    return [
        batch_case(name, lengths, 2, rng, batch_size=500, calls=10),
        batch_case(name, [7] * 2, 8, rng, inputs.at_least_as_far, batch_size=500, calls=10),
        batch_case(name, [1, 1, 1], 4, rng, batch_size=500, calls=3),
    ]


def mended_inputs(rng: np.random.Generator) -> list[Case]:
    rewards, name = (inputs.within_half, inputs.at_least_as_far), Text("随机的一批", "a random batch")
    return [
        inputs_case(name, [1, *(rng.random(n - 1) < 0.6).astype(int).tolist()], rng, rewards[i % 2], d=d)
        for i, (n, d) in enumerate(((9, 2), (25, 3), (4, 1)))
    ]
