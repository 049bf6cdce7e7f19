"""Figures of chapter 6: how many episodes it takes, how far bits and strategies go, and where hindsight is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from her.plots.curves import draw_curve, label_success_axes
from her.plots.style import COLORS, strategy_style, text
from her_course.figures.alternatives import alternative

alt = partial(alternative, "experiments")


def draw_hindsight_against_none(
    ax: Axes, curves: dict[str, tuple[np.ndarray, np.ndarray]], lang: str, success_at: str = "end"
) -> Axes:
    """The two curves of one task: variants "her" and "none" of `read_curves`."""
    for variant, strategy, label in (("her", "future", "HER"), ("none", "none", text(lang, "没有 HER", "without HER"))):
        draw_curve(ax, *curves[variant], label, strategy_style(strategy))
    label_success_axes(ax, lang, success_at)
    return ax


def draw_needed(
    ax: Axes,
    needed: Mapping[str, Mapping[float, Sequence[float | None]]],
    limits: Mapping[str, float],
    title: str,
    lang: str,
) -> Axes:
    """Episodes until a success rate was reached, a dot per seed; a seed that never got there is hollow, at the limit.

    Args:
        needed: by replay, "her" or "none", by threshold: the episodes of each seed, None if it was not reached.
        limits: by replay: the episodes that were played.
    """
    looks = {"her": ("future", "o", -0.14, "HER"), "none": ("none", "s", 0.14, text(lang, "没有 HER", "without HER"))}
    for replay, by_threshold in needed.items():
        strategy, marker, shift, label = looks[replay]
        colour = strategy_style(strategy)["color"]
        for row, of_seeds in enumerate(by_threshold.values()):
            for episodes in of_seeds:
                face = "white" if episodes is None else colour
                x = limits[replay] if episodes is None else episodes
                ax.plot(x, row + shift, marker, color=face, markeredgecolor=colour, markersize=7, alpha=0.9)
        ax.plot([], [], marker, color=colour, label=label)
    ax.axvline(max(limits.values()), color=COLORS["black"], linestyle=":", linewidth=1)
    thresholds = list(next(iter(needed.values())))
    ax.set(xscale="log", ylim=(len(thresholds) - 0.5, -0.5), title=title, xlabel=text(lang, "回合数", "episodes"))
    seen = [n for by_threshold in needed.values() for of_seeds in by_threshold.values() for n in of_seeds if n]
    ticks = [n for n in (100, 200, 500, 1000, 2000, 4000, 6000) if 0.8 * min(seen) < n < 1.2 * max(limits.values())]
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(thresholds)), [f"{threshold:.0%}" for threshold in thresholds])
    ax.set_ylabel(text(lang, "走到的成功率", "success rate reached"))
    ax.label_outer()
    return ax


def draw_bits(ax: Axes, rates: Mapping[str, Mapping[int, Sequence[float]]], lang: str) -> Axes:
    """Final success rates by the number of bits, a dot per seed, a line through the means; and the paper's two limits.

    Args:
        rates: by replay, "her" or "none", by number of bits: one rate per seed.
    """
    for n, words in ((13, text(lang, "论文：DQN", "paper: DQN")), (50, text(lang, "论文：DQN+HER", "paper: DQN+HER"))):
        ax.axvline(n, color=COLORS["black"], linestyle="--", linewidth=1)
        ax.text(n - 0.4, 0.5, words, rotation=90, ha="right", va="center", fontsize=9)
    names = {"her": "HER", "none": text(lang, "没有 HER", "without HER")}
    for (replay, by_n), strategy, marker in zip(rates.items(), ("future", "none"), "os", strict=True):
        look = strategy_style(strategy)
        by_n = dict(sorted(by_n.items()))
        ax.plot(list(by_n), [np.mean(of_seeds) for of_seeds in by_n.values()], **look, label=names[replay])
        for n, of_seeds in by_n.items():
            ax.plot([n] * len(of_seeds), of_seeds, marker, color=look["color"], markersize=5, alpha=0.7)
    ax.set(ylim=(-0.03, 1.05), xlim=(3, 52), xlabel=text(lang, "比特数 n", "number of bits n"))
    ax.set_ylabel(text(lang, "成功率（任意一步）", "success rate (any step)"))
    ax.legend(loc="center", bbox_to_anchor=(0.6, 0.45))
    return ax


def draw_strategies(
    ax: Axes, results: Mapping[str, Mapping[int, tuple[float, float, float]]], title: str, lang: str, success_at: str
) -> Axes:
    """Success by k for each strategy, with intervals.

    Args:
        results: by strategy, by k: a success rate and the ends of its interval.
        success_at: "end" or "any".
    """
    for place, (strategy, by_k) in enumerate(results.items()):
        ks = sorted(by_k)
        value, low, high = np.transpose([by_k[k] for k in ks])
        x = np.log2(ks) + 0.06 * (place - 1.5)
        look = strategy_style(strategy)
        ax.plot(x, value, **look, marker="o", markersize=4, label=strategy)
        ax.vlines(x, low, high, color=look["color"], linewidth=1.2)
    ks = sorted({k for by_k in results.values() for k in by_k})
    at = {"end": text(lang, "回合结束时", "at the end"), "any": text(lang, "任意一步", "at any step")}[success_at]
    ax.set_xticks(np.log2(ks), [str(k) for k in ks])
    ax.set(ylim=(-0.03, 1.05), xlabel="k", title=title)
    ax.set_ylabel(text(lang, f"成功率（{at}）", f"success rate ({at})"))
    return ax


def draw_robots(ax: Axes, curves: Mapping[str, tuple[Sequence[float], np.ndarray]], title: str, lang: str) -> Axes:
    """Learning curves of one of the Fetch tasks: the ablation of FetchPush, or what the others were trained with.

    Args:
        curves: by variant: steps, and (n_seeds, n_evaluations) success rates. Variants that belong to neither are left
            out.
    """
    her_moved = text(lang, "HER，多抽动过的", "HER + moved")
    without_moved = text(lang, "没有 HER，多抽动过的", "no HER, moved")
    grasped = text(lang, "HER，一半从夹住开始", "HER, half the starts grasped")
    looks = {
        "her_moved": (her_moved, {"color": COLORS["blue"]}),
        "her_energy": (text(lang, "HER，按能量抽", "HER + energy"), {"color": COLORS["green"], "linestyle": "-."}),
        "her": ("HER", {"color": COLORS["orange"], "linestyle": "--"}),
        "none_moved": (without_moved, {"color": COLORS["purple"], "linestyle": ":"}),
        "none": (text(lang, "没有 HER", "without HER"), strategy_style("none")),
        "sac_grasped_moved": (grasped, {"color": COLORS["blue"]}),
        "sac_moved": (her_moved, {"color": COLORS["blue"]}),
    }
    for variant, (label, look) in looks.items():
        if variant in curves:
            draw_curve(ax, *curves[variant], label, look)
    label_success_axes(ax, lang, "end")
    ax.set_title(title)
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)  # below: the lines are everywhere
    return ax


def draw_bias(
    ax: Axes,
    k: Sequence[int],
    formula: Sequence[float],
    learned_k: Sequence[int],
    learned: Sequence[float],
    truth: float,
    safe: float,
    lang: str,
) -> Axes:
    """What hindsight makes a gamble look worth, by k; what it is worth; and what the safe way is worth.

    Args:
        k, formula: (n,) the value that relabelled batches give it, exactly.
        learned_k, learned: (m,) what a table learned.
        truth, safe: values.
    """
    ax.plot(k, formula, color=COLORS["vermilion"], linestyle="-", label=text(lang, "转盘：公式", "wheel: formula"))
    dots = text(lang, "转盘：学到的", "wheel: learned")
    ax.plot(learned_k, learned, "o", color=COLORS["vermilion"], markersize=7, label=dots)
    ax.axhline(truth, color=COLORS["black"], linestyle=":", label=text(lang, "转盘：真值", "wheel: truth"))
    ax.axhline(safe, color=COLORS["blue"], linestyle="--", label=text(lang, "楼梯：真值", "stairs: truth"))
    ax.set(xlabel="k", ylabel=text(lang, "价值", "value"), ylim=(truth - 0.8, 0.3))
    ax.legend(loc="center right")
    return ax
