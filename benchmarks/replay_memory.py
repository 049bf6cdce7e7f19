"""How many bytes a stored transition takes: the growth of a process that fills a buffer to its capacity.

States of 25 numbers, actions of 4, goals of 3, episodes of 50 steps; 200,000 transitions.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

import ctypes
import gc
import multiprocessing
from pathlib import Path

import click
import measuring
import peers
import psutil
from tqdm import tqdm
from workload import HORIZON, Episodes

STORED = 200_000
NOTE = """\
Bytes a transition: growth of the resident memory of a process of its own, with everything that the library keeps beside
the numbers. cpprb stores k + 1 = 5 relabelled rows for each transition. The paper's sampler keeps bare arrays."""


@click.command(help=__doc__)
@measuring.out_option
def main(out: Path) -> None:
    rows = []
    for kind in tqdm([peers.Ours, *peers.installed()], leave=False):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append({"candidate": kind.label, "bytes": pool.apply(bytes_a_transition, (kind.__name__,))})
    ours = rows[0]["bytes"]
    lines = [(row["candidate"], f"{row['bytes']:.0f}", f"{row['bytes'] / ours:.2f}") for row in rows]
    table = measuring.table(["", "bytes", "times ours"], lines)
    measuring.report("replay_memory", "Memory", f"{NOTE}\n\n{table}", rows, out)


def bytes_a_transition(name: str) -> float:
    kind = getattr(peers, name)
    kind(Episodes.simulated(HORIZON)).use("future")  # what is imported is not the buffer's
    episodes = Episodes.simulated(STORED)
    _ = episodes.rewards
    before = _resident()
    candidate = kind(episodes)
    candidate.use("future")
    return (_resident() - before) / STORED


def _resident() -> int:
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # what was freed is given back, not filled again unseen
        libc.malloc_trim(0)
    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    main()
