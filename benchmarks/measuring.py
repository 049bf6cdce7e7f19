"""Fair timing on a machine that has other things to do: candidates take turns, and medians are compared.

Times are CPU times of the process, which, with one thread, are the wall times of an idle machine.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from tqdm import tqdm

torch.set_num_threads(1)

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "numpy",
    "torch",
    "stable-baselines3",
    "sb3-contrib",
    "cpprb",
    "torchrl",
    "tianshou",
    "numba",
    "gymnasium",
    "gymnasium-robotics",
    "mujoco",
)

repeats_option = click.option("--repeats", default=9, show_default=True, type=click.IntRange(min=7))
out_option = click.option(
    "--out", default=RESULTS, type=click.Path(path_type=Path, file_okay=False), help="Folder; benchmarks/results."
)


def interleaved(
    candidates: dict[str, Callable[[], Any]], repeats: int, seconds: float = 0.04, label: str = ""
) -> dict[str, np.ndarray]:
    """CPU seconds a call, (repeats,) for each candidate, which take turns so that what disturbs one disturbs all.

    In each of its turns a candidate is called for about ``seconds``, and at least once.
    """
    calls = {name: _calls_within(seconds, function) for name, function in candidates.items()}
    times = {name: np.empty(repeats) for name in candidates}
    turns = [(repeat, name) for repeat in range(repeats) for name in candidates]
    for repeat, name in tqdm(turns, desc=label, leave=False, disable=not label):
        times[name][repeat] = _seconds_a_call(candidates[name], calls[name])
    return times


def _calls_within(seconds: float, function: Callable[[], Any]) -> int:
    function()
    calls = 1
    while (taken := _seconds_a_call(function, calls) * calls) < seconds / 4:
        calls *= 2
    return max(1, round(calls * seconds / taken))


def _seconds_a_call(function: Callable[[], Any], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def summary(times: dict[str, np.ndarray], reference: str) -> dict[str, dict[str, float]]:
    """Of each candidate: the median, the quartiles, in µs, and how many times ``reference`` it takes (median ratio)."""
    rows = {}
    for name, seconds in times.items():
        low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75]) * 1e6
        rows[name] = {"us": median, "us_low": low, "us_high": high, "times": np.median(seconds / times[reference])}
    return rows


def machine() -> dict[str, Any]:
    """What the numbers were measured with."""
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch_threads": torch.get_num_threads(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A markdown table: the first column to the left, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in [list(header), *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    align = [str.ljust] + [str.rjust] * (len(widths) - 1)
    lines = [[pad(cell, width) for pad, cell, width in zip(align, row, widths, strict=True)] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def report(name: str, title: str, text: str, rows: list[dict[str, Any]], out: Path) -> None:
    """Print the text, and save it as ``<name>.md`` and the rows as ``<name>.json``."""
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *_shareable(sys.argv[1:])])
    about = machine()
    packages = ", ".join(f"{package} {version}" for package, version in about["packages"].items())
    made = (
        f"`{command}` · {about['cpus']} CPUs ({about['architecture']}, {about['system']}), one thread · "
        f"Python {about['python']} · {packages}"
    )
    document = f"# {title}\n\n{made}\n\n{text}\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(document, encoding="utf-8")
    data = {"benchmark": name, "command": command, "machine": about, "rows": rows}
    (out / f"{name}.json").write_text(json.dumps(data, indent=1, default=float) + "\n", encoding="utf-8")
    click.echo(f"\n{document}")


def _shareable(arguments: list[str]) -> list[str]:
    """The arguments without where the results went."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and not argument.startswith("--out"):
            kept.append(argument)
        skip = argument == "--out"
    return kept
