"""Figures of chapter 5: the sum tree, priorities and how stale they are, and what comes within reach when."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Annulus, Circle

from her.envs.push import GOAL_AWAY
from her.plots.curves import label_success_axes
from her.plots.style import COLORS
from her_course.figures.goal_strategies import task_name
from her_course.figures.implementation import STAGES, draw_arena
from her_course.figures.style import language, words

#: one look for each variant of the measured table, the same in every figure of the chapter
VARIANTS = {
    "uniform": {"color": COLORS["blue"], "linestyle": "-"},
    "td": {"color": COLORS["vermilion"], "linestyle": "--"},
    "energy": {"color": COLORS["green"], "linestyle": "-."},
    "reach": {"color": COLORS["purple"], "linestyle": ":"},
    "cher": {"color": COLORS["black"], "linestyle": (0, (5, 1))},
}

# ------------------------------------------------------------------------------------------------------- the sum tree


def draw_sum_tree(ax: Axes, tree: np.ndarray, path: Sequence[int]) -> Axes:
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
    ax.text(-0.9, -0.62, words("第几行", "row"), ha="right", va="center", fontsize=9, color=COLORS["grey"])
    ax.set(xlim=(-1.6, n - 0.3), ylim=(-0.9, levels - 0.5))
    ax.axis("off")
    return ax


# ------------------------------------------------------------------------------------------- what is replayed how often


def draw_moved_shares(ax: Axes, shares: Mapping[str, float]) -> Axes:
    """Of each way to draw transitions, the share of a batch that comes from episodes in which the object moved.

    Args:
        shares: by variant, "uniform", "td" or "energy".
    """
    names = [variant_name(variant) for variant in shares]
    bars = ax.bar(names, list(shares.values()), color=[VARIANTS[variant]["color"] for variant in shares], width=0.6)
    ax.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=2)
    ax.set(ylim=(0, 1), ylabel=words("冰球动过的份额", "share with a moved puck"))
    ax.grid(axis="x", visible=False)
    return ax


def draw_replay_rates(ax: Axes, energy: np.ndarray, rates: Mapping[str, np.ndarray]) -> Axes:
    """How often an episode is drawn, as a multiple of uniform sampling, by the energy of its object.

    Args:
        energy: (episodes,) J.
        rates: by variant: (episodes,) 1 is the rate under uniform sampling.
    """
    ax.axhline(1, **VARIANTS["uniform"], linewidth=1.2, label=variant_name("uniform"))
    for (variant, rate), marker in zip(rates.items(), "x.", strict=False):
        look = {"color": VARIANTS[variant]["color"], "alpha": 0.5, "markersize": 4}
        ax.plot(energy, rate, marker, **look, label=variant_name(variant))
    ax.set(xlabel=words("回合里冰球的能量（焦）", "energy of the puck in the episode (J)"))
    ax.set_ylabel(words("回放的倍数", "times as often as uniform"))
    ax.legend()
    return ax


def draw_correlations(ax: Axes, correlations: Mapping[str, Sequence[float]], title: str) -> Axes:
    """Rank correlations, a dot per seed, and a line at their mean.

    Args:
        correlations: by what is compared, "older network", "another goal" or "stored priority": one number per seed.
        title: "Push" or "BitFlip".
    """
    for row, of_seeds in enumerate(correlations.values()):
        ax.plot([np.mean(of_seeds)] * 2, [row - 0.25, row + 0.25], color=COLORS["black"], linestyle="-", zorder=2)
        ax.plot(of_seeds, [row] * len(of_seeds), "o", color=COLORS["blue"], markersize=8, alpha=0.8, zorder=3)
    rows = len(correlations)
    names = {
        "older network": words("网络旧一轮", "network a round older"),
        "another goal": words("目标换一个", "another goal"),
        "stored priority": words("存着的优先级", "stored priority"),
    }
    title = {"Push": words("推冰球", "Push"), "BitFlip": words("翻比特，15 位", "bit flipping, 15 bits")}[title]
    ax.set(xlim=(-0.08, 1.03), ylim=(rows - 0.5, -0.5), title=title)
    ax.set_yticks(range(rows), [names[row] for row in correlations])
    ax.set_xlabel(words("秩相关", "rank correlation"))
    ax.grid(axis="y", visible=False)
    ax.label_outer()
    return ax


# ----------------------------------------------------------------------------------------------- what comes into reach


def draw_reach_growth(ax: Axes, steps: np.ndarray, reaches: np.ndarray, threshold: float) -> Axes:
    """The distance within reach, a line per seed, between the tolerance and the distances that the task asks for.

    Args:
        steps: (n,) environment steps.
        reaches: (n_seeds, n) metres.
    """
    ax.axhspan(*GOAL_AWAY, color=COLORS["green"], alpha=0.15, linewidth=0)
    ax.text(0, np.mean(GOAL_AWAY), words(" 任务的目标在这里", " the task's goals"), va="center")
    ax.axhline(threshold, color=COLORS["black"], linestyle=":", linewidth=1.2)
    ax.text(steps[-1], threshold, f"ε = {threshold:g}", ha="right", va="bottom")
    for i, (reach, dash) in enumerate(zip(reaches, ("-", "--", "-."), strict=False)):
        label = words(f"种子 {i}", f"seed {i}")
        ax.plot(steps, reach, color=COLORS["blue"], linestyle=dash, linewidth=1.6, label=label)
    ax.set(ylim=(0, 1.05), ylabel=words("可达距离（米）", "reach (m)"))
    ax.set_xlabel(words("环境步数", "environment steps"))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x / 1e3:g} k" if x else "0")
    ax.legend(loc="upper left")
    return ax


def draw_goals_around(
    ax: Axes, offsets: np.ndarray, reach: float, stage: str, reached: np.ndarray | None = None
) -> Axes:
    """Goals as they lie around the puck's start: those reached in green, others hollow; the distance within reach.

    Args:
        offsets: (n, 2) metres, goal minus puck.
        reach: metres; a dashed circle. Not drawn if it is infinite.
        stage: of `her_course.figures.implementation.STAGES`.
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
    what = words("：练过的", ": practised") if reached is None else words("：最后一步到了的", ": there at the end")
    ax.set_title(words(*STAGES[stage]) + what, fontsize=11)
    away = words("离冰球起点（米）", "from the puck's start (m)")
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
    ax.set_title({"random": words("随便挑", "at random")}.get(title, title), fontsize=11)
    ax.set(xlim=(-1.04, 1.04), ylim=(-1.04, 1.04), xticks=[], yticks=[], xlabel="", ylabel="")
    return ax


# ------------------------------------------------------------------------------------------------------------- variants


def variant_name(variant: str) -> str:
    """What a reader calls a variant."""
    return {
        "uniform": words("均匀", "uniform"),
        "td": words("TD 误差", "TD error"),
        "energy": words("能量", "energy"),
        "reach": words("由近及远", "by reach"),
        "cher": "CHER",
    }[variant]


def draw_variants(ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], task: str, success_at: str) -> Axes:
    """The learning curves of one task, means over seeds; a figure of `draw_arrivals` beside it has the seeds.

    Args:
        curves: by variant: (n,) steps and (n_seeds, n) success rates.
        task: "bit_flip_30" or "push".
        success_at: "end" or "any".
    """
    for variant, (steps, success) in curves.items():
        ax.plot(steps, success.mean(axis=0), label=variant_name(variant), **VARIANTS[variant])
    label_success_axes(ax, language(), success_at)
    seeds = {len(success) for _, success in curves.values()}
    n = "–".join(map(str, sorted(seeds)))
    ax.set_title(task_name(task) + words(f"：{n} 个种子的平均", f": mean of {n} seeds"))
    return ax


def draw_arrivals(ax: Axes, needed: Mapping[str, Sequence[float | None]], limit: float, threshold: float) -> Axes:
    """Steps until a success rate was reached, a dot for each seed and a bar at their mean.

    Args:
        needed: by variant: the steps of each seed, None for one that did not arrive, drawn hollow at ``limit``.
        limit: the steps that a run had.
        threshold: the success rate.
    """
    for row, (variant, of_seeds) in enumerate(needed.items()):
        colour = VARIANTS[variant]["color"]
        steps = [limit if n is None else n for n in of_seeds]
        for place, (x, n) in enumerate(zip(steps, of_seeds, strict=True)):
            y = row + 0.12 * (place - (len(steps) - 1) / 2)
            ax.plot(x, y, "o", color="white" if n is None else colour, markeredgecolor=colour, markersize=6)
        ax.plot([np.mean(steps)] * 2, [row - 0.36, row + 0.36], color=colour, linestyle="-", linewidth=2)
    ax.set(ylim=(len(needed) - 0.4, -0.6), yticks=range(len(needed)), yticklabels=[variant_name(v) for v in needed])
    ax.set_xlabel(words(f"达到 {threshold:.0%} 要的环境步数", f"environment steps to {threshold:.0%}"))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x / 1e3:g} k")
    ax.set_title(words("每点一个种子", "a dot for each seed"))
    ax.grid(axis="y", visible=False)
    return ax
