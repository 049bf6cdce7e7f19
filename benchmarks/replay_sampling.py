"""How long a relabelled batch takes, ready for a network: ours, the peers', and a bare gather of the same bytes.

States of 25 numbers, actions of 4, goals of 3, episodes of 50 steps, k = 4. New random indices at every call; float32
tensors of [state, goal], action, reward, [next_state, goal] and done from every candidate.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

from pathlib import Path

import click
import measuring
from peers import FLOORS, Ours, StableBaselines3, installed
from tqdm import tqdm
from workload import STRATEGIES, Episodes

BATCHES = (256, 4096)
NOTE = """\
µs of CPU time a batch, medians over interleaved repeats; in brackets, how many times ours. A dash: the library has no
such strategy. `sample()` alone is what the buffer itself hands out, arrays or tensors, before [state, goal] are joined
for a network; in brackets, how many times our `sample()`.
cpprb relabels when it stores: that time is not in this table, and batches repeat the goals drawn then.
The bare gathers relabel nothing and compute no reward: they draw random rows of a plain replay buffer and hand out the
same tensors, from one array for each field or from rows that lie ready."""


@click.command(help=__doc__)
@click.option("--million", is_flag=True, help="Also with 1,000,000 transitions stored (a few minutes, about 6 GB).")
@measuring.repeats_option
@measuring.out_option
def main(million: bool, repeats: int, out: Path) -> None:
    sizes = (100_000, 1_000_000) if million else (100_000,)
    rows = [row for size in sizes for row in measure(size, repeats)]
    text = [NOTE]
    for size in sizes:
        for batch in BATCHES:
            text.append(f"## {size:,} stored, batch {batch}")
            text.append(as_table([row for row in rows if (row["stored"], row["batch"]) == (size, batch)]))
    measuring.report("replay_sampling", "Sampling", "\n\n".join(text), rows, out)


def measure(stored: int, repeats: int) -> list[dict]:
    """A row for each strategy, batch size and candidate."""
    episodes = Episodes.simulated(stored)
    kinds = [Ours, *installed(), *FLOORS]
    candidates = [kind(episodes) for kind in tqdm(kinds, desc=f"storing {stored:,} transitions", leave=False)]
    rows = []
    for strategy in STRATEGIES:
        able = [c for c in candidates if strategy in c.strategies]
        for candidate in tqdm(able, desc=f"preparing {strategy}", leave=False):
            candidate.use(strategy)
        for batch in BATCHES:
            ready = {c.label: (lambda c=c, n=batch: c.sample(n)) for c in able}
            alone = {
                f"{c.label}: `sample()` alone": (lambda c=c, n=batch: c.buffer.sample(n))
                for c in able
                if type(c) in (Ours, StableBaselines3)
            }
            label = f"{stored:,} stored, {strategy}, batch {batch}"
            times = measuring.interleaved(ready | alone, repeats, label=label)
            for calls in (ready, alone):
                found = measuring.summary({name: times[name] for name in calls}, next(iter(calls)))
                rows += [
                    {"stored": stored, "batch": batch, "strategy": strategy, "candidate": name, **row}
                    for name, row in found.items()
                ]
    return rows


def as_table(rows: list[dict]) -> str:
    cells = {(row["candidate"], row["strategy"]): row for row in rows}
    lines = []
    candidates = dict.fromkeys(row["candidate"] for row in rows)
    for candidate in sorted(candidates, key=lambda name: name.endswith("alone")):
        found = [cells.get((candidate, strategy)) for strategy in STRATEGIES]
        lines.append(
            [candidate, *(f"{measuring.number(r['us'])} ({measuring.number(r['times'])})" if r else "–" for r in found)]
        )
    return measuring.table(["", *STRATEGIES], lines)


if __name__ == "__main__":
    main()
