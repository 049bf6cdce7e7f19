"""Environment steps a second of 16 Fetch arms: in one process, in two workers, and in Gymnasium's AsyncVectorEnv.

Wall time: that is what workers are for. On cores that have other things to do, trust the ratios.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

import time
from pathlib import Path

import click
import gymnasium as gym
import measuring
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from her.envs.robotics import make_robots, register
from her.training.evaluation import rollout

ENV_ID, N_ENVS, EPISODE = "FetchPush-v4", 16, 50
NOTE = f"""\
{N_ENVS} copies of {ENV_ID}, {EPISODE} steps of each in a call, wall time, medians over interleaved repeats. Plain:
Gymnasium's SyncVectorEnv with the environments as Gymnasium makes them; ours look at the two joints that count."""


def candidates() -> dict[str, VectorEnv]:
    register(ENV_ID)
    same_step = {"vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
    return {
        "ours, one process": make_robots(ENV_ID, N_ENVS),
        "ours, two workers": make_robots(ENV_ID, N_ENVS, workers=2),
        "plain SyncVectorEnv": gym.make_vec(ENV_ID, N_ENVS, vectorization_mode="sync", **same_step),
        "AsyncVectorEnv, 16 processes": gym.make_vec(ENV_ID, N_ENVS, vectorization_mode="async", **same_step),
    }


@click.command(help=__doc__)
@measuring.repeats_option
@measuring.out_option
def main(repeats: int, out: Path) -> None:
    envs = candidates()
    actions = np.random.default_rng(0).uniform(-1, 1, (N_ENVS, 4)).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in envs}
    for repeat in range(-1, repeats):  # the first round starts the processes
        for name, env in envs.items():
            start = time.perf_counter()
            rollout(lambda x: actions, env, EPISODE, seed=repeat + 1)
            if repeat >= 0:
                times[name].append(time.perf_counter() - start)
    for env in envs.values():
        env.close()
    rows = [
        {"candidate": name, "steps_per_second": N_ENVS * EPISODE / float(np.median(taken)), "repeats": repeats}
        for name, taken in times.items()
    ]
    speeds = [row["steps_per_second"] for row in rows]
    lines = [
        [row["candidate"], f"{speed:,.0f}", f"{speed / speeds[0]:.2f}"] for row, speed in zip(rows, speeds, strict=True)
    ]
    text = measuring.table(["", "steps a second", "times ours in one process"], lines)
    measuring.report("robot_workers", "Robots in processes", f"{NOTE}\n\n{text}", rows, out)


if __name__ == "__main__":
    main()
