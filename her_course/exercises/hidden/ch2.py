"""Hidden cases of chapter 2."""

import numpy as np

from her_course.exercises import ch2, inputs
from her_course.exercises.endings import ending_case
from her_course.exercises.model import Case, Text
from her_course.exercises.overwritten import memory_case
from her_course.exercises.standing_still import still_case


def _transitions(rng: np.random.Generator, make) -> list[Case]:
    cases = []
    for i in range(6):
        transition = inputs.transition(rng, done=bool(rng.random() < 0.5), goal_first=i < 3)
        goal = transition.achieved_goal + rng.choice([0.0, 0.2, 1.0, 6.0, -6.0], size=2).astype(np.float32)
        reward = (inputs.within_half, inputs.at_least_as_far)[i % 2]
        cases.append(make(Text("随机的转移", "a random transition"), transition, goal, reward))
    return cases


def relabel_transition(rng: np.random.Generator) -> list[Case]:
    return _transitions(rng, ch2.transition_case)


def relabel_final(rng: np.random.Generator) -> list[Case]:
    episodes = [inputs.walk(rng, int(rng.integers(2, 30)), done=bool(i % 2), goal_first=i < 2) for i in range(4)]
    episodes += [ch2.passing_through(rng), inputs.walk(rng, 6, goal_dim=3)]
    rewards = (inputs.within_half, inputs.at_least_as_far)
    return [
        ch2.episode_case(Text("随机的回合", "a random episode"), episode, rewards[i % 2])
        for i, episode in enumerate(episodes)
    ]


def expected_success_share(rng: np.random.Generator) -> list[Case]:
    horizons = [3, *map(int, rng.integers(5, 400, size=3))]
    return [ch2.share_case(Text("另一个 T", "another T"), horizon) for horizon in horizons]


def relabel_ending(rng: np.random.Generator) -> list[Case]:
    return _transitions(rng, ending_case)


def share_when_it_stops(rng: np.random.Generator) -> list[Case]:
    horizons = [3, *map(int, rng.integers(5, 200, size=4))]
    name = Text("另一个 T 和 stop", "another T and stop")
    return [still_case(name, horizon, int(rng.integers(horizon))) for horizon in horizons]


def mended_batch(rng: np.random.Generator) -> list[Case]:
    rewards, name = (inputs.within_half, inputs.at_least_as_far), Text("随机的一批", "a random batch")
    cases = []
    for i, n in enumerate((6, 20, 40)):
        relabelled = [1, *(rng.random(n - 1) < 0.7).astype(int).tolist()]
        cases.append(memory_case(name, rng, relabelled, rng.integers(10, size=n).tolist(), rewards[i % 2]))
    return cases
