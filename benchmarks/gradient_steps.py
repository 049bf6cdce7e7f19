"""Gradient steps a second: our DDPG and DQN, Stable-Baselines3's of the same sizes, and their matrix products alone.

Observations of 28 numbers, actions of 4 (DQN: 4 discrete ones), batch 256. The same batch every time: no replay buffer
takes part. A step of DDPG is one of the critic, one of the actor, and both target networks.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import click
import gymnasium as gym
import measuring
import numpy as np
import torch
from workload import ACTION_DIM, GOAL_DIM, STATE_DIM, GoalSpace

from her.agents import DDPG, DQN, DDPGConfig, DQNConfig
from her.batch import TorchBatch

BATCH, SIZES = 256, ((64, 64), (256, 256, 256))
OBSERVATION_DIM = STATE_DIM + GOAL_DIM
NOTE = """\
Steps a second, medians over interleaved repeats; in brackets, how many times longer than ours a step takes.
Stable-Baselines3's networks see the achieved goal too, 3 inputs more. Our DDPG also standardises its inputs and clips
its targets; our DQN is not a double one here, as Stable-Baselines3's is not. The matrix products alone: those that a
step cannot do without, forward and back, into memory that is there already."""


@click.command(help=__doc__)
@measuring.repeats_option
@measuring.out_option
def main(repeats: int, out: Path) -> None:
    rows = []
    for agent, makers in AGENTS.items():
        for hidden in SIZES:
            calls = {
                label: make(hidden) for label, make in makers.items() if label != SB3 or find_spec("stable_baselines3")
            }
            size = f"{len(hidden)} x {hidden[0]}"
            times = measuring.summary(measuring.interleaved(calls, repeats, 0.3, f"{agent} {size}"), "ours")
            for candidate, row in times.items():
                rows.append(
                    {"agent": agent, "hidden": size, "candidate": candidate, "per_second": 1e6 / row["us"], **row}
                )
    measuring.report("gradient_steps", "Gradient steps", f"{NOTE}\n\n{as_table(rows)}", rows, out)


def as_table(rows: list[dict]) -> str:
    columns = list(dict.fromkeys((row["agent"], row["hidden"]) for row in rows))
    cells = {(row["candidate"], row["agent"], row["hidden"]): row for row in rows}
    lines = []
    for candidate in dict.fromkeys(row["candidate"] for row in rows):
        found = [cells.get((candidate, *column)) for column in columns]
        lines.append(
            [candidate, *(f"{measuring.number(r['per_second'])} ({r['times']:.2f})" if r else "–" for r in found)]
        )
    return measuring.table(["", *(" ".join(column) for column in columns)], lines)


def ours_ddpg(hidden: tuple[int, ...]) -> Callable[[], None]:
    one = np.ones(ACTION_DIM, np.float32)
    agent, batch = DDPG(OBSERVATION_DIM, -one, one, DDPGConfig(hidden=hidden)), _batch()
    agent.observe(batch.observations)
    return lambda: agent.update(batch)


def ours_dqn(hidden: tuple[int, ...]) -> Callable[[], None]:
    agent, batch = DQN(OBSERVATION_DIM, ACTION_DIM, DQNConfig(hidden=hidden, double=False)), _batch()
    batch = batch._replace(actions=torch.randint(ACTION_DIM, (BATCH, 1)).float())
    return lambda: agent.update(batch)


def _batch() -> TorchBatch:
    observations, next_observations = torch.randn(2, BATCH, OBSERVATION_DIM)
    actions = torch.rand(BATCH, ACTION_DIM) * 2 - 1
    return TorchBatch(
        observations, actions, -torch.ones(BATCH), next_observations, torch.zeros(BATCH), torch.ones(BATCH)
    )


def sb3_ddpg(hidden: tuple[int, ...]) -> Callable[[], None]:
    import stable_baselines3 as sb3

    return _sb3(sb3.DDPG, GoalSpace(), hidden, torch.rand(BATCH, ACTION_DIM) * 2 - 1)


def sb3_dqn(hidden: tuple[int, ...]) -> Callable[[], None]:
    import stable_baselines3 as sb3

    env = GoalSpace()
    env.action_space = gym.spaces.Discrete(ACTION_DIM)
    return _sb3(sb3.DQN, env, hidden, torch.randint(ACTION_DIM, (BATCH, 1)))


def _sb3(algorithm: type, env: gym.Env, hidden: tuple[int, ...], actions: torch.Tensor) -> Callable[[], None]:
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.type_aliases import DictReplayBufferSamples

    policy = {"net_arch": list(hidden)}
    model = algorithm("MultiInputPolicy", env, batch_size=BATCH, buffer_size=1000, policy_kwargs=policy, device="cpu")
    model.set_logger(Logger(None, []))
    observations, next_observations = (
        {name: torch.randn(BATCH, *space.shape) for name, space in env.observation_space.items()} for _ in range(2)
    )
    never, rewards = torch.zeros(BATCH, 1), -torch.ones(BATCH, 1)
    samples = DictReplayBufferSamples(observations, actions, next_observations, never, rewards)
    model.replay_buffer.sample = lambda *args, **kwargs: samples
    return lambda: model.train(gradient_steps=1, batch_size=BATCH)


def products_ddpg(hidden: tuple[int, ...]) -> Callable[[], None]:
    actor, critic = (OBSERVATION_DIM, *hidden, ACTION_DIM), (OBSERVATION_DIM + ACTION_DIM, *hidden, 1)
    targets = forward(actor) + forward(critic)
    of_critic = forward(critic) + weights_back(critic) + inputs_back(critic)[1:]
    to_action = [(BATCH, critic[1], ACTION_DIM)]
    of_actor = forward(actor) + forward(critic) + inputs_back(critic)[1:] + to_action
    return run_products(targets + of_critic + of_actor + weights_back(actor) + inputs_back(actor)[1:])


def products_dqn(hidden: tuple[int, ...]) -> Callable[[], None]:
    q = (OBSERVATION_DIM, *hidden, ACTION_DIM)
    return run_products(forward(q) * 2 + weights_back(q) + inputs_back(q)[1:])


# (n, k, m): a product of an (n, k) with a (k, m) matrix; the widths are those of a network's layers.


def forward(widths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    return [(BATCH, i, o) for i, o in pairwise(widths)]


def weights_back(widths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    return [(i, BATCH, o) for i, o in pairwise(widths)]


def inputs_back(widths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    return [(BATCH, o, i) for i, o in pairwise(widths)]


def run_products(shapes: list[tuple[int, int, int]]) -> Callable[[], None]:
    matrices = [(torch.randn(n, k), torch.randn(k, m), torch.empty(n, m)) for n, k, m in shapes]

    def run():
        for a, b, out in matrices:
            torch.mm(a, b, out=out)

    return run


SB3 = "Stable-Baselines3"
AGENTS = {
    "DDPG": {"ours": ours_ddpg, SB3: sb3_ddpg, "matrix products alone": products_ddpg},
    "DQN": {"ours": ours_dqn, SB3: sb3_dqn, "matrix products alone": products_dqn},
}


if __name__ == "__main__":
    main()
