"""Figures of chapter 3: where each strategy takes its goals from, what they teach, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from her.episodes import Episode
from her.plots.curves import draw_curve, label_success_axes
from her.plots.style import COLORS, strategy_style
from her.sweeps.statistics import Estimate
from her_course.figures.implementation import draw_arena
from her_course.figures.style import language, words

#: a marker for each strategy, so that points are told apart without colour too
MARKERS = {"final": "s", "future": "o", "episode": "D", "random": "^"}
#: what a relabelled transition can teach about its goal, with a colour and a hatch each
LESSONS = {
    "there": ("#DDDDDD", ""),
    "arrives": (COLORS["orange"], ""),
    "ahead": (COLORS["blue"], "//"),
    "behind": (COLORS["vermilion"], "\\\\"),
    "elsewhere": ("#FFFFFF", ".."),
}


# ------------------------------------------------------------------------------------------------ where goals come from


def draw_candidates(
    ax: Axes, episode: Episode, t: int, strategy: str, candidates: np.ndarray, drawn: np.ndarray
) -> Axes:
    """An episode of Reach with step t in bold: the goals a strategy may draw for it, and some that it drew.

    Args:
        candidates: (n, 2) achieved goals that may be drawn.
        drawn: (k, 2) goals that were.
    """
    draw_arena(ax)
    path = np.vstack([episode.states[:1], episode.achieved_goals])
    colour = strategy_style(strategy)["color"]
    ax.plot(*path.T, color="#AAAAAA", linestyle="-", linewidth=1, zorder=2)
    ax.scatter(*candidates.T, s=22, facecolor="white", edgecolor=colour, linewidth=1.2, zorder=3)
    ax.scatter(*drawn.T, s=60, marker=MARKERS[strategy], color=colour, edgecolor="black", linewidth=0.8, zorder=5)
    ax.plot(*path[t : t + 2].T, color="black", linestyle="-", linewidth=3, zorder=4)
    ax.plot(*path[t + 1], "o", color="black", markersize=6, zorder=4)
    ax.add_patch(Circle(episode.goal, 0.06, fill=False, edgecolor=COLORS["green"], linewidth=2, zorder=4))
    ax.set(xlabel="", ylabel="", xticks=[], yticks=[], xlim=(-1.04, 1.04), ylim=(-1.04, 1.04))
    n = len(candidates)
    count = words(f"{n} 个候选", f"{n} candidate{'s' * (n > 1)}")
    ax.set_title(f"{strategy}　{count}" if language() == "zh" else f"{strategy}: {count}", fontsize=11)
    return ax


def draw_offsets(ax: Axes, offsets: Mapping[str, np.ndarray], length: int) -> Axes:
    """How many steps after the transition its goal was reached, j - t, by strategy; below 0 is the past."""
    steps = np.arange(-length + 1, length)
    for strategy, of_rows in offsets.items():
        share = np.bincount(of_rows + length - 1, minlength=2 * length - 1) / len(of_rows)
        shown = steps >= 0 if strategy != "episode" else slice(None)
        ax.plot(steps[shown], share[shown], **strategy_style(strategy), label=strategy)
    ax.axvline(0, color=COLORS["black"], linestyle="-", linewidth=0.8)
    ax.set(xlabel=words("目标比转移晚几步：j − t", "steps from transition to goal: j − t"), ylim=(0, None))
    ax.set_ylabel(words("份额", "share"))
    ax.legend()
    return ax


def draw_distances(
    ax: Axes, distances: Mapping[str, np.ndarray], threshold: float, furthest: float, title: str
) -> Axes:
    """Of each strategy, the share of substitute goals that lie closer than a distance, for every distance."""
    for strategy, of_rows in distances.items():
        share = np.arange(1, len(of_rows) + 1) / len(of_rows)
        at = np.linspace(0, len(of_rows) - 1, 400).astype(int)
        ax.step(np.sort(of_rows)[at], share[at], where="post", **strategy_style(strategy), label=strategy)
    ax.axvline(threshold, color=COLORS["green"], linestyle="-", linewidth=1.5)
    ax.text(threshold, 1.01, f"ε = {threshold:g}", color=COLORS["green"], ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(-0.01, furthest), ylim=(0, 1))
    ax.set_xlabel(words("替代目标离眼下多远（米）", "distance to the substitute goal (m)"))
    ax.set_ylabel(words("不超过这个距离的份额", "share at most that far"))
    ax.set_title(title, loc="right")
    return ax


def draw_lessons(ax: Axes, shares: Mapping[str, Mapping[str, float]], title: str) -> Axes:
    """What relabelled transitions teach, a stacked bar for each strategy.

    Args:
        shares: by strategy, by one of `LESSONS`: its share.
    """
    names = {
        "there": words("本来就在", "already there"),
        "arrives": words("这一步到", "arrives"),
        "ahead": words("在前面", "ahead"),
        "behind": words("在背后", "behind"),
        "elsewhere": words("这回合没到过", "elsewhere"),
    }
    for row, of_lessons in enumerate(shares.values()):
        left = 0.0
        for lesson, (colour, hatch) in LESSONS.items():
            share = of_lessons[lesson]
            bar = {"color": colour, "hatch": hatch, "edgecolor": "#555555", "linewidth": 0.6, "height": 0.7}
            ax.barh(row, share, left=left, label=names[lesson] if row == 0 else None, **bar)
            if share > 0.07:
                paper = {"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.85, "linewidth": 0}
                place = {"ha": "center", "va": "center", "fontsize": 8, "bbox": paper}
                ax.text(left + share / 2, row, f"{share:.0%}", **place)
            left += share
    ax.set(xlim=(0, 1), yticks=range(len(shares)), yticklabels=list(shares), title=title, xticks=[0, 0.5, 1])
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.grid(False)
    ax.label_outer()
    return ax


# ------------------------------------------------------------------------------------------------------ what came of it


def draw_strategy_curves(ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], success_at: str) -> Axes:
    """Learning curves by strategy: steps and (n_seeds, n_evaluations) success rates; bands as in `draw_curve`."""
    for strategy, (steps, success) in curves.items():
        draw_curve(ax, steps, success, strategy, strategy_style(strategy))
    return label_success_axes(ax, language(), success_at)


def draw_by_k(
    ax: Axes, estimates: Mapping[str, Mapping[int, Estimate]], title: str = "", success_at: str = "end"
) -> Axes:
    """The mean success rate over a whole run against k, a line for each strategy, with its intervals.

    Args:
        estimates: by strategy, by k.
    """
    for i, (strategy, by_k) in enumerate(estimates.items()):
        at = np.log2(list(by_k)) + 0.05 * (i - 1.5)  # side by side, so that no interval hides another
        value, low, high = np.array(list(by_k.values())).T
        look = strategy_style(strategy) | {"marker": MARKERS[strategy], "markersize": 6, "capsize": 3}
        ax.errorbar(at, value, np.maximum([value - low, high - value], 0), **look, label=strategy)
    ks = sorted({k for by_k in estimates.values() for k in by_k})
    at = {"end": words("回合结束时", "at the end"), "any": words("任意一步", "at any step")}[success_at]
    ax.set(xticks=np.log2(ks), xticklabels=ks, xlabel="k", title=title, ylim=(-0.03, 1.03))
    ax.set_ylabel(words(f"一路平均的成功率（{at}）", f"mean success rate\nover the run ({at})"))
    return ax


def draw_moved(ax: Axes, rounds: Sequence[int], moved: Mapping[str, Sequence[float]]) -> Axes:
    """In which share of episodes the puck was moved, by rounds of training, a line for each strategy."""
    for strategy, share in moved.items():
        look = strategy_style(strategy) | {"marker": MARKERS[strategy], "markersize": 5}
        ax.plot(rounds, share, **look, label=strategy)
    ax.set(ylim=(-0.03, 1.03), xlabel=words("训练的轮数", "rounds of training"))
    ax.set_ylabel(words("冰球被碰过的回合", "episodes with the puck moved"))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))  # no corner is free of the lines
    return ax
