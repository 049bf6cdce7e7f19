"""How many transitions a second can be stored in a full buffer: step by step, whole episodes, 16 environments at once.

States of 25 numbers, actions of 4, goals of 3, episodes of 50 steps; 100,000 transitions stored.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import click
import measuring
import numpy as np
from peers import Cpprb, Ours, StableBaselines3, Tianshou, TorchRL, installed, make_cpprb, make_torchrl, torchrl_steps
from tqdm import tqdm
from workload import ACTION_DIM, GOAL_DIM, HORIZON, STATE_DIM, Episodes, GoalSpace, K, compute_reward

from her import Episode, HERConfig, HindsightExperienceReplay
from her.stepwise import StepwiseReplay

CAPACITY, N_ENVS = 100_000, 16
WAYS = {"single steps": 1, "whole episodes": HORIZON, f"{N_ENVS} environments": N_ENVS}
NOTE = """\
Thousands of transitions a second, medians over interleaved repeats; in brackets, how many times slower than ours. The
buffers are full, so old transitions are dropped on the way. A dash: the library has no such way. Stable-Baselines3 and
tianshou have no call for a whole episode: it is stored step by step. cpprb stores k + 1 rows for each transition."""


@click.command(help=__doc__)
@measuring.repeats_option
@measuring.out_option
def main(repeats: int, out: Path) -> None:
    rows = []
    for way, transitions in WAYS.items():
        calls = {}
        for kind in tqdm([Ours, *installed()], desc=f"filling, {way}", leave=False):
            if kind in STORES and (store := STORES[kind](way)) is not None:
                _fill(store, transitions)
                calls[kind.label] = store
        times = measuring.summary(measuring.interleaved(calls, repeats, 0.1, way), Ours.label)
        for candidate, row in times.items():
            rows.append({"way": way, "candidate": candidate, "per_second": transitions / row["us"] * 1e6, **row})
    measuring.report("replay_storing", "Storing", f"{NOTE}\n\n{as_table(rows)}", rows, out)


def as_table(rows: list[dict]) -> str:
    cells = {(row["candidate"], row["way"]): row for row in rows}
    lines = []
    for candidate in dict.fromkeys(row["candidate"] for row in rows):
        found = [cells.get((candidate, way)) for way in WAYS]
        lines.append(
            [
                candidate,
                *(
                    f"{measuring.number(r['per_second'] / 1000)} ({measuring.number(r['times'])})" if r else "–"
                    for r in found
                ),
            ]
        )
    return measuring.table(["", *WAYS], lines)


def _fill(store: Callable[[], None], transitions: int) -> None:
    for _ in range(CAPACITY // transitions + 1):
        store()


# Each of these returns a function that stores the next step or episode, or None if the library has no such way.


def _episodes(n: int) -> Episodes:
    return Episodes.simulated(n * HORIZON)


def _steps(n_envs: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Endless steps of n_envs environments: state, action, reward, next state, desired goal, end of episode."""
    e = _episodes(n_envs)
    yield from cycle(
        [
            (
                e.states[:, t],
                e.actions[:, t],
                e.rewards[:, t],
                e.states[:, t + 1],
                e.desired,
                np.full(n_envs, t + 1 == HORIZON),
            )
            for t in range(HORIZON)
        ]
    )


def store_ours(way: str) -> Callable[[], None]:
    sizes = CAPACITY, STATE_DIM, ACTION_DIM, GOAL_DIM, HERConfig("future", K, compute_reward)
    if way == "whole episodes":
        buffer, never = HindsightExperienceReplay(*sizes), np.zeros(HORIZON, bool)
        e = _episodes(1)
        states, actions, rewards, goal = e.states[0], e.actions[0], e.rewards[0], e.desired[0]
        achieved = states[1:, :GOAL_DIM].copy()
        return lambda: buffer.store_episode(
            Episode.from_arrays(states[:-1], actions, rewards, states[1:], never, achieved, goal)
        )
    n_envs = WAYS[way]
    stepwise, steps, never = StepwiseReplay(*sizes, n_envs=n_envs), _steps(n_envs), np.zeros(n_envs, bool)

    def store():
        state, action, reward, next_state, goal, ends = next(steps)
        stepwise.add(state, action, reward, next_state, never, goal, next_state[:, :GOAL_DIM], ends)

    return store


def store_sb3(way: str) -> Callable[[], None]:
    from stable_baselines3 import HerReplayBuffer
    from stable_baselines3.common.vec_env import DummyVecEnv

    n_envs = WAYS[way] if way != "whole episodes" else 1
    env = DummyVecEnv([GoalSpace])
    spaces = env.observation_space, env.action_space
    buffer = HerReplayBuffer(CAPACITY, *spaces, env, device="cpu", n_envs=n_envs, n_sampled_goal=K)

    def as_observation(state, goal):
        return {"observation": state, "achieved_goal": state[:, :GOAL_DIM], "desired_goal": goal}

    steps = cycle(
        [
            (as_observation(s, g), as_observation(s_2, g), a, r, end, [{"TimeLimit.truncated": bool(x)} for x in end])
            for _, (s, a, r, s_2, g, end) in zip(range(HORIZON), _steps(n_envs), strict=False)
        ]
    )

    def store():
        for _ in range(HORIZON if way == "whole episodes" else 1):
            buffer.add(*next(steps))

    return store


def store_cpprb(way: str) -> Callable[[], None] | None:
    buffer = make_cpprb(CAPACITY, "future")
    if way == "single steps":
        steps = _steps(1)

        def store():
            state, action, _, next_state, goal, ends = next(steps)
            buffer.add(obs=state, act=action, next_obs=next_state, done=0.0)
            if ends[0]:
                buffer.on_episode_end(goal[0])

        return store
    if way == "whole episodes":
        e, never = _episodes(1), np.zeros(HORIZON, np.float32)

        def store():
            buffer.add(obs=e.states[0, :-1], act=e.actions[0], next_obs=e.states[0, 1:], done=never)
            buffer.on_episode_end(e.desired[0])

        return store
    return None


def store_torchrl(way: str) -> Callable[[], None] | None:
    buffer, episode = make_torchrl(CAPACITY), torchrl_steps(_episodes(1), slice(None))
    if way == "single steps":
        steps = cycle(episode.unbind(0))
        return lambda: buffer.add(next(steps))
    return (lambda: buffer.extend(episode)) if way == "whole episodes" else None


def store_tianshou(way: str) -> Callable[[], None]:
    from tianshou.data import Batch, HERReplayBuffer, HERVectorReplayBuffer

    vectorised = way.endswith("environments")
    n_envs = N_ENVS if vectorised else 1
    settings = {"compute_reward_fn": compute_reward, "horizon": HORIZON, "future_k": K + 1}
    if vectorised:
        buffer = HERVectorReplayBuffer(CAPACITY, n_envs, **settings)
    else:
        buffer = HERReplayBuffer(CAPACITY, **settings)

    def as_batch(s, a, r, s_2, g, end):
        obs, obs_next = ({"observation": x, "achieved_goal": x[..., :GOAL_DIM], "desired_goal": g} for x in (s, s_2))
        return Batch(
            obs=obs, act=a, rew=r, terminated=np.zeros_like(end), truncated=end, done=end, obs_next=obs_next, info={}
        )

    take = (lambda x: x) if vectorised else (lambda x: x[0])
    steps = cycle([as_batch(*map(take, step)) for _, step in zip(range(HORIZON), _steps(n_envs), strict=False)])

    def store():
        for _ in range(HORIZON if way == "whole episodes" else 1):
            buffer.add(next(steps))

    return store


STORES = {
    Ours: store_ours,
    StableBaselines3: store_sb3,
    Cpprb: store_cpprb,
    TorchRL: store_torchrl,
    Tianshou: store_tianshou,
}


if __name__ == "__main__":
    main()
