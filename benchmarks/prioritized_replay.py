"""What priorities cost: drawing 256 of 1,000,000 transitions by their priority, and setting 256 new priorities.

α = 0.6, β = 0.4, random TD errors. The transitions themselves are fetched by cpprb alone, which cannot do without.
For comparison: one gradient step of DDPG (3 x 256, batch 256).
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click
import measuring
import numpy as np
import torch
from gradient_steps import ours_ddpg
from tqdm import tqdm
from workload import compute_reward

from her import Episode, HERConfig
from her.prioritized import PrioritizedHER

STORED, BATCH, ALPHA, BETA = 1_000_000, 256, 0.6, 0.4
OURS = "ours, proportional"


@click.command(help=__doc__)
@measuring.repeats_option
@measuring.out_option
def main(repeats: int, out: Path) -> None:
    makers = {OURS: lambda: ours("td"), "ours, by rank": lambda: ours("rank"), "uniform, for comparison": uniform}
    makers |= {label: make for label, make in PEERS.items() if find_spec(make.__name__)}
    makers["a gradient step of DDPG"] = lambda: ours_ddpg((256, 256, 256))
    calls = {}
    for label, make in tqdm(makers.items(), desc="preparing", leave=False):
        try:
            calls[label] = make()
        except RuntimeError as error:  # TorchRL's compiled part fits some versions of torch only
            click.echo(f"{label} is left out: {error}")
    times = measuring.summary(measuring.interleaved(calls, repeats, 0.1, "priorities"), OURS)
    rows = [{"candidate": name, **row} for name, row in times.items()]
    lines = [(row["candidate"], measuring.number(row["us"]), f"{row['times']:.2f}") for row in rows]
    text = f"{__doc__}\nµs of CPU time, medians over interleaved repeats.\n\n"
    text += measuring.table(["", "µs", "times ours"], lines)
    measuring.report("prioritized_replay", "Priorities", text, rows, out)


def ours(priority: str, **settings) -> Callable[[], None]:
    """`her.prioritized`, as plugged into a buffer with small transitions."""
    config = HERConfig(reward_function=compute_reward)
    buffer = PrioritizedHER(STORED, 1, 1, 1, config, priority=priority, alpha=ALPHA, beta=BETA, **settings)
    length = 1000
    zeros, rewards = np.zeros((length, 1)), np.zeros(length)
    episode = Episode.from_arrays(zeros, zeros, rewards, zeros, np.zeros(length, bool), zeros, np.zeros(1))
    for _ in range(STORED // length):
        buffer.store_episode(episode)
    rng, errors = np.random.default_rng(0), _errors()
    sampler = buffer.transitions
    for first in range(0, STORED, BATCH):
        sampler.update(buffer, np.arange(first, min(first + BATCH, STORED)), rng.permutation(errors)[: STORED - first])

    def step():
        rows, _ = sampler.sample(buffer, BATCH, rng)
        sampler.update(buffer, rows, errors)

    return step


def uniform() -> Callable[[], None]:
    """Random rows and weights of 1; there is nothing to update."""
    rng = np.random.default_rng(0)
    return lambda: (rng.integers(STORED, size=BATCH), np.ones(BATCH, np.float32))


def tianshou() -> Callable[[], None]:
    """The segment tree and weights of `PrioritizedReplayBuffer`, compiled with numba."""
    from tianshou.data import PrioritizedReplayBuffer

    buffer = PrioritizedReplayBuffer(STORED, ALPHA, BETA)
    rows = np.arange(STORED)
    buffer.update_weight(rows, np.random.default_rng(0).random(STORED) + 0.1)
    buffer._size = STORED
    errors = _errors()

    def step():
        rows = buffer.sample_indices(BATCH)
        weights = buffer.get_weight(rows)
        weights /= weights.max()
        buffer.update_weight(rows, errors)

    return step


def torchrl() -> Callable[[], None]:
    """`PrioritizedSampler`, in C++."""
    from torchrl.data import LazyTensorStorage
    from torchrl.data.replay_buffers.samplers import PrioritizedSampler

    storage, sampler = LazyTensorStorage(STORED), PrioritizedSampler(STORED, ALPHA, BETA)
    storage.set(range(STORED), torch.zeros(STORED, 1))
    generator, errors = np.random.default_rng(0), torch.from_numpy(_errors())
    everything = torch.arange(STORED)
    sampler.extend(everything)
    sampler.update_priority(everything, torch.from_numpy(generator.random(STORED, np.float32) + 0.1))

    def step():
        rows, _ = sampler.sample(storage, BATCH)
        sampler.update_priority(rows, errors)

    return step


def cpprb() -> Callable[[], None]:
    """`PrioritizedReplayBuffer`, in C++, with transitions of one number."""
    from cpprb import PrioritizedReplayBuffer

    buffer = PrioritizedReplayBuffer(STORED, {"obs": {}}, alpha=ALPHA)
    priorities = np.random.default_rng(0).random(STORED, np.float32) + 0.1
    buffer.add(obs=np.zeros(STORED, np.float32), priorities=priorities)
    errors = _errors()

    def step():
        rows = buffer.sample(BATCH, beta=BETA)["indexes"]
        buffer.update_priorities(rows, errors)

    return step


def _errors() -> np.ndarray:
    return np.random.default_rng(1).random(BATCH, np.float32) + 0.1


PEERS = {"tianshou (numba)": tianshou, "TorchRL (C++)": torchrl, "cpprb (C++)": cpprb}


if __name__ == "__main__":
    main()
