"""Learning curves over seeds, with their intervals."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her.plotting.style import strategy_style, text
from her.statistics import bootstrap


def draw_curve(
    ax: Axes, steps: Sequence[float], success: np.ndarray, label: str, style: dict | None = None, level: float = 0.95
) -> Axes:
    """A mean success rate over seeds and, as a band, its bootstrap interval.

    Args:
        steps: (n_evaluations,) environment steps.
        success: (n_seeds, n_evaluations) success rates between 0 and 1.
        label: of the line, for the legend.
        style: keywords for `Axes.plot`.
        level: of the interval.
    """
    success = np.atleast_2d(success)
    estimates = np.array([bootstrap(column, np.mean, level) for column in success.T])
    (line,) = ax.plot(steps, estimates[:, 0], label=label, **(style or {}))
    ax.fill_between(steps, estimates[:, 1], estimates[:, 2], color=line.get_color(), alpha=0.2, linewidth=0)
    return ax


def label_success_axes(ax: Axes, lang: str, success_at: str = "end") -> Axes:
    """Names the axes of a learning curve; success is judged at the "end" of an episode or at "any" of its steps."""
    at = {"end": text(lang, "回合结束时", "at the end"), "any": text(lang, "任意一步", "at any step")}[success_at]
    ax.set_xlabel(text(lang, "环境步数", "environment steps"))
    ax.set_ylabel(text(lang, f"成功率（{at}）", f"success rate ({at})"))
    ax.set_ylim(-0.03, 1.03)
    ax.xaxis.set_major_formatter(lambda x, _: f"{x / 1e6:g} M" if x >= 1e6 else f"{x / 1e3:g} k" if x else "0")
    return ax


def read_curves(path: Path) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """The curves that a sweep wrote: (task, variant) → steps and (n_seeds, n_evaluations) success rates.

    A run that ended before the others of its variant keeps its last success rate.
    """
    runs: dict[tuple[str, str], dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            point = (int(row["env_steps"]), float(row["success_rate"]))
            runs[row["task"], row["variant"]][row["seed"]].append(point)
    curves = {}
    for key, seeds in runs.items():
        steps = np.unique([step for points in seeds.values() for step, _ in points])
        curves[key] = steps, np.array([_held(steps, points) for points in seeds.values()])
    return curves


def _held(steps: np.ndarray, points: list[tuple[int, float]]) -> np.ndarray:
    at, success = np.array(points).T
    return success[np.maximum(np.searchsorted(at, steps, side="right") - 1, 0)]


def draw_hindsight_against_none(
    ax: Axes, curves: dict[str, tuple[np.ndarray, np.ndarray]], lang: str, success_at: str = "end"
) -> Axes:
    """The two curves of one task: variants "her" and "none" of `read_curves`."""
    for variant, strategy, label in (("her", "future", "HER"), ("none", "none", text(lang, "没有 HER", "without HER"))):
        draw_curve(ax, *curves[variant], label, strategy_style(strategy))
    label_success_axes(ax, lang, success_at)
    return ax


def draw_sweep(folder: Path, lang: str, titles: dict[str, str] | None = None) -> Figure:
    """A panel for each task of a sweep's ``curves.csv`` and ``runs.csv``, a curve for each of its variants.

    ``titles`` names the tasks; a task without a title keeps the name it has in the file.
    """
    curves = read_curves(folder / "curves.csv")
    with open(folder / "runs.csv", newline="", encoding="utf-8") as file:
        success_at = {row["task"]: row["success_at"] for row in csv.DictReader(file) if row["success_at"]}
    tasks = list(dict.fromkeys(task for task, _ in curves))
    fig, axes = plt.subplots(1, len(tasks), figsize=(3.6 * len(tasks), 3.0), squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        variants = {variant: curve for (of, variant), curve in curves.items() if of == task}
        if set(variants) == {"her", "none"}:
            draw_hindsight_against_none(ax, variants, lang, success_at[task])
        else:
            for variant, curve in variants.items():
                draw_curve(ax, *curve, variant)
            label_success_axes(ax, lang, success_at[task])
        ax.set_title((titles or {}).get(task, task))
    axes[0, 0].legend()
    return fig
