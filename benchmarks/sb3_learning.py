"""Seconds that `model.learn` takes in Stable-Baselines3, with its own HerReplayBuffer and with ours in its place.

SAC with two layers of 64, batch 256, a gradient step for every step of the environments, k = 4, "future"; room for
1,000,000 transitions, as is the default.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

import time
from pathlib import Path

import click
import measuring
import numpy as np
from stable_baselines3 import SAC, HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from tqdm import tqdm

import her  # noqa: F401 (registers her/Reach-v0)
from her.integrations.sb3 import HindsightReplayBuffer

BUFFERS = {"ours": HindsightReplayBuffer, "Stable-Baselines3": HerReplayBuffer}
LEARNING_STARTS = 500


@click.command(help=__doc__)
@click.option(
    "--env", "env_id", default="her/Reach-v0", show_default=True, help="FetchReach-v4, with the robotics extra."
)
@click.option("--steps", default=1000, show_default=True, type=click.IntRange(min=LEARNING_STARTS + 1))
@measuring.repeats_option
@measuring.out_option
def main(env_id: str, steps: int, repeats: int, out: Path) -> None:
    rows = []
    for n_envs in (1, 8):
        seconds = {name: np.empty(repeats) for name in BUFFERS}
        turns = [(repeat, name) for repeat in range(repeats) for name in BUFFERS]
        for repeat, name in tqdm(turns, desc=f"{n_envs} environments", leave=False):
            seconds[name][repeat] = learn(env_id, n_envs, steps, BUFFERS[name])
        for candidate, row in measuring.summary(seconds, "ours").items():
            rows.append({"environments": n_envs, "candidate": candidate, **row})
    table = measuring.table(
        ["environments", "buffer", "seconds", "times ours"],
        [(r["environments"], r["candidate"], f"{r['us'] / 1e6:.2f}", f"{r['times']:.2f}") for r in rows],
    )
    about = f"{env_id}, {steps:,} steps of the environments; medians over interleaved repeats, CPU time."
    measuring.report("sb3_learning", "Learning in Stable-Baselines3", f"{__doc__}\n{about}\n\n{table}", rows, out)


def learn(env_id: str, n_envs: int, steps: int, buffer: type) -> float:
    model = SAC(
        "MultiInputPolicy",
        make_vec_env(env_id, n_envs, seed=0),
        learning_starts=LEARNING_STARTS,
        gradient_steps=-1 if n_envs > 1 else 1,
        replay_buffer_class=buffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        policy_kwargs={"net_arch": [64, 64]},
        seed=0,
        device="cpu",
    )
    start = time.process_time()
    model.learn(steps)
    return time.process_time() - start


if __name__ == "__main__":
    main()
