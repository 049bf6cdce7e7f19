"""Hidden cases of chapter 6."""

import numpy as np

from her_course.exercises import ch6
from her_course.exercises.bootstrap import interval_case, statistics_case
from her_course.exercises.goal_left_out import states_case
from her_course.exercises.model import Case, Text

RANDOM = Text("随机的输入", "random inputs")


def steps_to_threshold(rng: np.random.Generator) -> list[Case]:
    cases = []
    for threshold in (0.3, 0.6, 0.9, 1.0):
        success = np.clip(np.linspace(-0.2, 1.0, 25) + rng.normal(size=25) * 0.15, 0, 0.99).round(2)
        steps = int(rng.integers(100, 900)) * np.arange(1, 26)
        cases.append(ch6.steps_case(RANDOM, steps, success, threshold))
    return cases


def iqm(rng: np.random.Generator) -> list[Case]:
    return [ch6.iqm_case(RANDOM, rng.beta(0.7, 0.4, size=n).round(3)) for n in (5, 10, 11, 32)]


def bootstrap_interval(rng: np.random.Generator) -> list[Case]:
    cases = [interval_case(RANDOM, np.sort(rng.random(7) ** 3), level, rng, 1) for level in (0.9, 0.5)]
    return [*cases, statistics_case(Text("别的统计量", "other statistics"), rng)]


def speed_up(rng: np.random.Generator) -> list[Case]:
    def seeds(n: int, never: float) -> list[float | None]:
        return [None if rng.random() < never else float(rng.integers(1, 200) * 100) for _ in range(n)]

    chances = ((0.0, 0.0), (0.3, 0.1), (0.2, 0.2), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    return [ch6.speed_case(RANDOM, seeds(5, before), seeds(7, after)) for before, after in chances]


def mended_network_inputs(rng: np.random.Generator) -> list[Case]:
    shapes = ((12, 2, 3), (5, 3, 1), (30, 1, 4))
    return [states_case(RANDOM, rng, n, d, between, moved=0.8) for n, d, between in shapes]
