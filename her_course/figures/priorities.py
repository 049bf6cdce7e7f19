"""Figures of chapter 5: the sum tree, priorities and how stale they are, and what comes within reach when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Annulus, Circle

from her.envs.push import GOAL_AWAY
from her.plots.curves import draw_curve, label_success_axes
from her.plots.style import COLORS, text
from her_course.figures.alternatives import alternative
from her_course.figures.implementation import draw_arena

alt = partial(alternative, "priorities")

#: one look for each variant of the measured table, the same in every figure of the chapter
VARIANTS = {
    "uniform": {"color": COLORS["blue"], "linestyle": "-"},
    "td": {"color": COLORS["vermilion"], "linestyle": "--"},
    "energy": {"color": COLORS["orange"], "linestyle": "-."},
    "reach": {"color": COLORS["green"], "linestyle": ":"},
    "cher": {"color": COLORS["purple"], "linestyle": (0, (5, 1))},
}

# ------------------------------------------------------------------------------------------------------- the sum tree


def draw_sum_tree(ax: Axes, tree: np.ndarray, path: Sequence[int], lang: str) -> Axes:
    """A binary sum tree, root on top, with one way down.

    Args:
        tree: (2n,) node i has the children 2i and 2i + 1; the root is 1, leaf j is n + j; n is a power of two.
        path: the nodes passed, from the root to a leaf.
    """
    n = len(tree) // 2
    levels = n.bit_length()

    def place(node: int) -> tuple[float, float]:
        depth = node.bit_length() - 1
        return (node - 2**depth + 0.5) * n / 2**depth - 0.5, levels - 1 - depth

    for node in range(1, 2 * n):
        passed = node in path
        if node > 1:
            look = {"color": COLORS["vermilion"], "linewidth": 3} if passed else {"color": "#BBBBBB", "linewidth": 1}
            ax.plot(*zip(place(node // 2), place(node), strict=True), linestyle="-", **look, zorder=1)
        edge = COLORS["vermilion"] if passed else COLORS["grey"]
        face = "#FBE3D6" if passed else "white"
        box = {"boxstyle": "circle,pad=0.35", "facecolor": face, "edgecolor": edge, "linewidth": 2 if passed else 1}
        ax.text(*place(node), f"{tree[node]:g}", ha="center", va="center", bbox=box, zorder=2)
    for row in range(n):
        ax.text(row, -0.62, str(row), ha="center", va="center", fontsize=9, color=COLORS["grey"])
    ax.text(-0.9, -0.62, text(lang, "第几行", "row"), ha="right", va="center", fontsize=9, color=COLORS["grey"])
    ax.set(xlim=(-1.6, n - 0.3), ylim=(-0.9, levels - 0.5))
    ax.axis("off")
    return ax


# ------------------------------------------------------------------------------------------- what is replayed how often


def draw_moved_shares(ax: Axes, shares: Mapping[str, float], lang: str) -> Axes:
    """Of each way to draw transitions, the share of a batch that comes from episodes in which the object moved.

    Args:
        shares: by variant, "uniform", "td" or "energy".
    """
    names = [variant_name(variant, lang) for variant in shares]
    bars = ax.bar(names, list(shares.values()), color=[VARIANTS[variant]["color"] for variant in shares], width=0.6)
    ax.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=2)
    ax.set(ylim=(0, 1), ylabel=text(lang, "冰球动过的份额", "share with a moved puck"))
    ax.grid(axis="x", visible=False)
    return ax


def draw_replay_rates(ax: Axes, energy: np.ndarray, rates: Mapping[str, np.ndarray], lang: str) -> Axes:
    """How often an episode is drawn, as a multiple of uniform sampling, by the energy of its object.

    Args:
        energy: (episodes,) J.
        rates: by variant: (episodes,) 1 is the rate under uniform sampling.
    """
    ax.axhline(1, **VARIANTS["uniform"], linewidth=1.2, label=variant_name("uniform", lang))
    for (variant, rate), marker in zip(rates.items(), "x.", strict=False):
        look = {"color": VARIANTS[variant]["color"], "alpha": 0.5, "markersize": 4}
        ax.plot(energy, rate, marker, **look, label=variant_name(variant, lang))
    ax.set(xlabel=text(lang, "回合里冰球的能量（焦）", "energy of the puck in the episode (J)"))
    ax.set_ylabel(text(lang, "重放的倍数", "times uniform"))
    ax.legend()
    return ax


def draw_correlations(ax: Axes, correlations: Mapping[str, Sequence[float]], title: str, lang: str) -> Axes:
    """Rank correlations, a dot per seed, and a line at their mean.

    Args:
        correlations: by what is compared: one number per seed.
    """
    for row, of_seeds in enumerate(correlations.values()):
        ax.plot([np.mean(of_seeds)] * 2, [row - 0.25, row + 0.25], color=COLORS["black"], linestyle="-", zorder=2)
        ax.plot(of_seeds, [row] * len(of_seeds), "o", color=COLORS["blue"], markersize=8, alpha=0.8, zorder=3)
    rows = len(correlations)
    ax.set(xlim=(-0.08, 1.03), ylim=(rows - 0.5, -0.5), yticks=range(rows), yticklabels=list(correlations), title=title)
    ax.set_xlabel(text(lang, "秩相关", "rank correlation"))
    ax.grid(axis="y", visible=False)
    ax.label_outer()
    return ax


# ----------------------------------------------------------------------------------------------- what comes into reach


def draw_reach_growth(ax: Axes, steps: np.ndarray, reaches: np.ndarray, threshold: float, lang: str) -> Axes:
    """The distance within reach, a line per seed, between the tolerance and the distances that the task asks for.

    Args:
        steps: (n,) environment steps.
        reaches: (n_seeds, n) metres.
    """
    ax.axhspan(*GOAL_AWAY, color=COLORS["green"], alpha=0.15, linewidth=0)
    ax.text(0, np.mean(GOAL_AWAY), text(lang, " 任务的目标在这里", " the task's goals"), va="center")
    ax.axhline(threshold, color=COLORS["black"], linestyle=":", linewidth=1.2)
    ax.text(steps[-1], threshold, f"ε = {threshold:g}", ha="right", va="bottom")
    for i, (reach, dash) in enumerate(zip(reaches, ("-", "--", "-."), strict=False)):
        label = text(lang, f"种子 {i}", f"seed {i}")
        ax.plot(steps, reach, color=COLORS["blue"], linestyle=dash, linewidth=1.6, label=label)
    ax.set(ylim=(0, 1.0), ylabel=text(lang, "够得着的距离（米）", "within reach (m)"))
    ax.set_xlabel(text(lang, "环境步数", "environment steps"))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x / 1e3:g} k" if x else "0")
    ax.legend(loc="upper left")
    return ax


def draw_goals_around(
    ax: Axes, offsets: np.ndarray, reach: float, title: str, lang: str, reached: np.ndarray | None = None
) -> Axes:
    """Goals as they lie around the puck's start: those reached in green, others hollow; the distance within reach.

    Args:
        offsets: (n, 2) metres, goal minus puck.
        reach: metres; a dashed circle. Not drawn if it is infinite.
        reached: (n,) bool; None draws all alike.
    """
    inner, outer = GOAL_AWAY
    ax.add_patch(Annulus((0, 0), outer, outer - inner, color=COLORS["green"], alpha=0.12, linewidth=0))
    if reached is None:
        ax.plot(*offsets.T, ".", color=COLORS["blue"], markersize=4, alpha=0.5)
    else:
        ax.plot(*offsets[~reached].T, "o", color="white", markeredgecolor="#999999", markersize=3.5)
        ax.plot(*offsets[reached].T, "o", color=COLORS["green"], markersize=4)
    if np.isfinite(reach):
        ax.add_patch(Circle((0, 0), reach, fill=False, linestyle="--", linewidth=1.8, edgecolor=COLORS["vermilion"]))
    ax.set_title(title, fontsize=11)
    away = text(lang, "离冰球起点（米）", "from the puck's start (m)")
    ax.set(xlabel=away, ylabel=away)
    ax.set(aspect="equal", xlim=(-0.92, 0.92), ylim=(-0.92, 0.92), xticks=[-0.6, 0, 0.6], yticks=[-0.6, 0, 0.6])
    ax.grid(False)
    ax.label_outer()
    return ax


# ----------------------------------------------------------------------------------------------------------------- CHER


def draw_picks(ax: Axes, goals: np.ndarray, desired: Sequence[float], picked: Sequence[int], title: str) -> Axes:
    """Candidates in the arena of Reach, the picked ones filled, and the goal that was desired.

    Args:
        goals: (n, 2) candidates.
        desired: (2,).
        picked: indices.
    """
    draw_arena(ax)
    ax.plot(*goals.T, ".", color="#999999", markersize=4, zorder=4)
    ax.plot(*goals[picked].T, "o", color=COLORS["blue"], markeredgecolor="white", markersize=8, zorder=5)
    ax.plot(*desired, "*", markersize=15, color=COLORS["green"], markeredgecolor="black", zorder=6)
    ax.set_title(title, fontsize=11)
    ax.set(xlim=(-1.04, 1.04), ylim=(-1.04, 1.04), xticks=[], yticks=[], xlabel="", ylabel="")
    return ax


# ------------------------------------------------------------------------------------------------------------- variants


def variant_name(variant: str, lang: str) -> str:
    """What a reader calls a variant."""
    return {
        "uniform": text(lang, "均匀", "uniform"),
        "td": text(lang, "TD 误差", "TD error"),
        "energy": text(lang, "能量", "energy"),
        "reach": text(lang, "由近及远", "by reach"),
        "cher": "CHER",
    }[variant]


def draw_variants(
    ax: Axes,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    title: str,
    lang: str,
    success_at: str,
) -> Axes:
    """The learning curves of one task, mean and interval over seeds, for every variant.

    Args:
        curves: by variant: (n,) steps and (n_seeds, n) success rates.
    """
    for variant, curve in curves.items():
        draw_curve(ax, *curve, variant_name(variant, lang), VARIANTS[variant])
    label_success_axes(ax, lang, success_at)
    ax.set_title(title)
    return ax
