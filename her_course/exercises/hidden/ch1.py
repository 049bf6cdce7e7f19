"""Hidden cases of chapter 1."""

import numpy as np

from her_course.exercises.ch1 import probability_case, rate_case, reward_case
from her_course.exercises.fresh_flips import flips_case
from her_course.exercises.model import Case, Text
from her_course.exercises.pose import pose_case, poses
from her_course.exercises.scored_early import path_case


def sparse_reward(rng: np.random.Generator) -> list[Case]:
    cases = []
    for shape, threshold in (((40, 3), 0.75), ((4, 5, 2), 2.5), ((1, 4), 0.3)):
        desired = rng.integers(-4, 5, size=shape).astype(float)
        direction = rng.normal(size=shape)
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        distance = threshold * rng.choice([0.0, 0.5, 0.9, 1.1, 1.4, 3.0], size=(*shape[:-1], 1))
        name = Text(f"随机的一批 {shape}", f"a random batch {shape}")
        cases.append(reward_case(name, desired + direction * distance, desired, threshold))
    name = Text("一批里有一行踩线", "one row of a batch on the line")
    return [*cases, reward_case(name, [[5.0, 12.0], [0.0, 0.0]], np.zeros((2, 2)), 13.0)]


def random_success_probability(rng: np.random.Generator) -> list[Case]:
    pairs = [(int(rng.integers(4, 12)), int(rng.integers(3, 20))) for _ in range(3)] + [(12, 100)]
    return [probability_case(Text(f"{n} 个比特，{h} 步", f"{n} bits, {h} steps"), n, h) for n, h in pairs]


def success_rate(rng: np.random.Generator) -> list[Case]:
    cases = []
    for at in ("end", "any", "end"):
        lengths = rng.integers(1, 12, size=30)
        rewards = [list(-(rng.random(n) < 0.8).astype(float)) for n in lengths]
        done = np.flatnonzero(rng.random(30) < 0.5)
        name = Text(f'三十个随机回合，"{at}"', f'thirty random episodes, "{at}"')
        cases.append(rate_case(name, rewards, at, done))
    return cases


def pose_reward(rng: np.random.Generator) -> list[Case]:
    shapes, name = ((40,), (3, 4, 2), (1,)), Text("随机的姿态", "random poses")
    return [
        pose_case(name, *poses(rng, shape), 0.5, angle) for shape, angle in zip(shapes, (0.3, 1.5, 0.2), strict=True)
    ]


def fresh_flips_probability(rng: np.random.Generator) -> list[Case]:
    pairs = [(int(rng.integers(3, 14)), int(rng.integers(2, 20))) for _ in range(3)] + [(1, 7)]
    return [flips_case(Text(f"{n} 个比特，{h} 步", f"{n} bits, {h} steps"), n, h) for n, h in pairs]


def mended_score(rng: np.random.Generator) -> list[Case]:
    cases = []
    for steps in (5, 12, 30):
        path = np.cumsum(rng.integers(-1, 2, size=(steps + 1, 2)), axis=0)
        goal = path[rng.integers(1, steps + 1)]
        cases.append(path_case(Text("随机的路", "a random path"), path, goal, 1.5))
    return cases
