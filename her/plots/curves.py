"""Learning curves over seeds, with their intervals."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from her.dotted import flatten
from her.plots.style import COLORS, DASHES, STRATEGIES, strategy_style, text
from her.sweeps.statistics import student
from her.sweeps.tables import RunRecord, grouped, read_table


def draw_curve(ax: Axes, steps: Sequence[float], success: np.ndarray, label: str, style: dict | None = None) -> Axes:
    """A mean success rate over seeds and, as a band, its 95 % interval (Student's t); under four seeds, each of them.

    Over (n_evaluations,) environment steps stand (n_seeds, n_evaluations) success rates; ``style`` is for `Axes.plot`.
    """
    success = np.atleast_2d(success)
    estimates = np.array([student(column, within=(0, 1)) for column in success.T])
    (line,) = ax.plot(steps, estimates[:, 0], label=label, **(style or {}))
    if len(success) > 3:
        ax.fill_between(steps, estimates[:, 1], estimates[:, 2], color=line.get_color(), alpha=0.2, linewidth=0)
    elif len(success) > 1:
        ax.plot(steps, success.T, color=line.get_color(), linestyle=line.get_linestyle(), linewidth=0.8, alpha=0.6)
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
    rows = read_table(path).astype({"env_steps": int, "success_rate": float}).set_index("env_steps")
    return {
        key: _together([run["success_rate"] for _, run in runs.groupby("seed", sort=False)])
        for key, runs in rows.groupby(["task", "variant"], sort=False)
    }


def _together(runs: Sequence[pd.Series]) -> tuple[np.ndarray, np.ndarray]:
    """(n_evaluations,) steps of all runs and (n_runs, n_evaluations) success rates, each run's over its own steps."""
    together = pd.concat(runs, axis=1).sort_index().ffill().bfill()
    return together.index.to_numpy(), together.to_numpy().T


def draw_records(records: Sequence[RunRecord], lang: str, titles: dict[str, str] | None = None) -> Figure:
    """A panel for each task, four in a row, under its title or its name, and a curve for each variant."""
    tasks = grouped(records, "task")
    columns = min(4, len(tasks))
    rows = -(-len(tasks) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(max(5.0, 3.6 * columns), 3.0 * rows), squeeze=False)
    for ax in axes.flat[len(tasks) :]:
        ax.set_axis_off()
    labels = _labels_and_styles(records, lang)
    for ax, (task, of_task) in zip(axes.flat, tasks.items(), strict=False):
        for variant, runs in grouped(of_task, "variant").items():
            steps, success = _together([record.success for record in runs])
            label, style = labels[variant]
            draw_curve(ax, steps, success, label, style | ({"marker": "o"} if len(steps) == 1 else {}))
        label_success_axes(ax, lang, of_task[0].config["success_at"])
        ax.set_title((titles or {}).get(task, task))
    lines = {line.get_label(): line for ax in axes.flat for line in ax.get_lines()}
    lines = {label: line for label, line in lines.items() if not label.startswith("_")}  # those of single seeds
    room = int(fig.get_figwidth() / (0.7 + 0.09 * max(map(len, lines))))  # inches
    in_a_row = max(1, min(len(lines), room, 5))
    fig.set_figheight(fig.get_figheight() + 0.2 * ((len(lines) - 1) // in_a_row))
    fig.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=in_a_row)
    return fig


def draw_records_against(records: Sequence[RunRecord], key: str, lang: str) -> Figure:
    """Success in the final evaluation over a setting with numbers for values, a line for each variant.

    Points are means over seeds, bars their 95 % intervals (Student's t); a run that has not ended is left out.
    A ValueError says if there is no such setting, or if its values are no numbers.
    """
    ended = [record for record in records if record.final is not None]
    if not ended:
        raise ValueError("against: no run has ended yet")
    values = {record: _setting(record, key) for record in ended}
    fig, ax = plt.subplots(figsize=(6.0, 3.4))
    labels = _labels_and_styles(ended, lang)
    for variant, runs in grouped(ended, "variant").items():
        at = sorted({values[record] for record in runs})
        scores = [[record.final for record in runs if values[record] == x] for x in at]
        mean, low, high = np.array([student(score, within=(0, 1)) for score in scores]).T
        label, style = labels[variant]
        marker = {"marker": "os^Dv"[len(ax.containers) % 5], "capsize": 3, "markersize": 5}
        ax.errorbar(at, mean, np.maximum([mean - low, high - mean], 0), label=label, **marker, **style)
    label_success_axes(ax, lang, ended[0].config["success_at"])
    ax.set_xlabel(text(lang, "比特数 n", "bits, n") if key == "env_kwargs.n_bits" else key)
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.legend()
    return fig


def _setting(record: RunRecord, key: str) -> float:
    settings = flatten(record.config)
    if key not in settings:
        raise ValueError(f"against: no setting {key!r}; there are {', '.join(sorted(settings))}")
    if not isinstance(settings[key], int | float):
        raise ValueError(f"against: expected a setting with numbers for values, got {key!r}")
    return settings[key]


def _labels_and_styles(records: Sequence[RunRecord], lang: str) -> dict[str, tuple[str, dict]]:
    """What each variant is called and looks like; where each stands for a strategy, in that one's colour and dashes."""
    strategies = {record.variant: record.config["strategy"] for record in records}
    names = {"her": "HER", "none": text(lang, "没有 HER", "without HER")} if set(strategies) == {"her", "none"} else {}
    if len(set(strategies.values())) == len(strategies) and set(strategies.values()) <= set(STRATEGIES):
        styles = [strategy_style(strategy) for strategy in strategies.values()]
    else:  # with more variants than colours, these come again with other dashes
        colours = list(COLORS.values())[:7]
        styles = [{"color": colours[i % 7], "linestyle": DASHES[(i + i // 7) % 7]} for i in range(len(strategies))]
    return {variant: (names.get(variant, variant), style) for variant, style in zip(strategies, styles, strict=True)}
