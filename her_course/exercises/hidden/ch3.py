"""Hidden cases of chapter 3."""

import numpy as np

from her_course.exercises import ch3
from her_course.exercises.from_the_start import rows_case
from her_course.exercises.model import Case, Text


def future_indices(rng: np.random.Generator) -> list[Case]:
    cases = []
    for _ in range(2):
        length = int(rng.integers(5, 12))
        t = int(rng.integers(1, length - 2))
        name = Text("另一个回合，均匀", "another episode, uniform")
        cases.append(ch3.indices_case(name, t, length, 50, rng, 40))
    cases.append(ch3.indices_case(Text("一步的回合", "an episode of one step"), 0, 1, 3, rng, 2))
    return cases


def candidate_goals(rng: np.random.Generator) -> list[Case]:
    cases = []
    for strategy in ("final", "future", "episode", "random", "future"):
        length = int(rng.integers(2, 20))
        achieved, history = ch3.past(rng, length, int(rng.integers(0, 30)), goal_dim=3)
        name = Text(f"{strategy}，随机的回合", f"{strategy}, a random episode")
        cases.append(ch3.candidates_case(name, strategy, int(rng.integers(length)), achieved, history))
    return cases


def substitute_goals(rng: np.random.Generator) -> list[Case]:
    cases = []
    for strategy in ("final", "future", "episode", "random"):
        length = int(rng.integers(4, 9))
        goals = ch3.past(rng, length, int(rng.integers(3, 6)), goal_dim=3)
        t = int(rng.integers(1, length - 1))
        name = Text(f"{strategy}，随机的回合", f"{strategy}, a random episode")
        cases.append(ch3.goals_case(name, strategy, t, 120, goals, rng, 30))
    return cases


def discounted_future_indices(rng: np.random.Generator) -> list[Case]:
    cases = []
    for gamma in (0.5, 0.9):
        length = int(rng.integers(5, 10))
        t = int(rng.integers(0, length - 3))
        name = Text("另一个回合", "another episode")
        cases.append(ch3.indices_case(name, t, length, 60, rng, 40, gamma=gamma))
    return cases


def mended_future_rows(rng: np.random.Generator) -> list[Case]:
    name, lengths = Text("另一个缓冲区", "another buffer"), rng.integers(2, 6, size=3).tolist()
    return [rows_case(name, lengths, 30, rng, 20), rows_case(name, [1, 8], 12, rng, 6, exact=False)]
