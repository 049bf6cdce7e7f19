"""Figures of chapter 3: where each strategy takes its goals from, what they teach, and what came of it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from her.episodes import Episode
from her.plots.curves import draw_curve, label_success_axes
from her.plots.style import COLORS, strategy_style
from her.sweeps.statistics import student
from her_course.figures.implementation import draw_arena
from her_course.figures.style import language, words

#: a marker for each strategy, so that points are told apart without colour too
MARKERS = {"final": "s", "future": "o", "episode": "D", "random": "^"}
#: what a relabelled transition can say about its goal, with a colour and a hatch each
KINDS = {
    "there": ("#DDDDDD", ""),
    "arrives": (COLORS["orange"], ""),
    "ahead": (COLORS["blue"], "//"),
    "behind": (COLORS["vermilion"], "\\\\"),
    "elsewhere": ("#FFFFFF", ".."),
}


# ------------------------------------------------------------------------------------------------ where goals come from


def draw_pairs(ax: Axes, counts: np.ndarray, title: str, most: float | None = None) -> Axes:
    """How often transition i (down) was given the goal that transition j achieved (across).

    Args:
        counts: (n, n).
        most: the share, of all draws, that gets the darkest colour; by default the largest there is.
    """
    shares = np.ma.masked_equal(counts / counts.sum(), 0)
    ax.imshow(shares, cmap="viridis_r", vmin=0, vmax=most)
    ticks = np.arange(0, len(counts), 6)
    ax.set(title=title, xticks=ticks, yticks=ticks)
    ax.set_xlabel(words("目标出自第 j 行", "goal from row j"))
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel(words("转移在第 i 行", "transition in row i"))
    ax.grid(False)
    ax.spines[:].set_visible(True)
    return ax


def environment_name(name: str) -> str:
    """What BitFlip, Reach or Push is called in a figure."""
    return words({"BitFlip": "翻比特", "Reach": "绕墙", "Push": "推冰球"}[name], name)


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
    ax.set_title(strategy + words(f"　{n} 个候选", f": {n} candidate{'s' * (n > 1)}"), fontsize=11)
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
    ax.set_title(environment_name(title), loc="right")
    return ax


def draw_kinds(ax: Axes, shares: Mapping[str, Mapping[str, float]], title: str) -> Axes:
    """What relabelled transitions are about, a stacked bar for each strategy.

    Args:
        shares: by strategy, by one of `KINDS`: its share.
    """
    names = {
        "there": words("本来就在", "already there"),
        "arrives": words("这一步到", "arrives"),
        "ahead": words("在前面", "ahead"),
        "behind": words("在背后", "behind"),
        "elsewhere": words("这回合没到过", "elsewhere"),
    }
    for row, of_kinds in enumerate(shares.values()):
        left = 0.0
        for kind, (colour, hatch) in KINDS.items():
            share = of_kinds[kind]
            bar = {"color": colour, "hatch": hatch, "edgecolor": "#555555", "linewidth": 0.6, "height": 0.7}
            ax.barh(row, share, left=left, label=names[kind] if row == 0 else None, **bar)
            if share > 0.07:
                paper = {"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.85, "linewidth": 0}
                place = {"ha": "center", "va": "center", "fontsize": 8, "bbox": paper}
                ax.text(left + share / 2, row, f"{share:.0%}", **place)
            left += share
    ax.set(xlim=(0, 1), yticks=range(len(shares)), yticklabels=list(shares), xticks=[0, 0.5, 1])
    ax.set_title(environment_name(title))
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.grid(False)
    ax.label_outer()
    return ax


# ------------------------------------------------------------------------------------------------------ what came of it


def task_name(task: str) -> str:
    """What a task is called above a panel: "reach", "push", or one of flipping bits, whose number ends its name."""
    if task in ("reach", "push"):
        return environment_name(task.title())
    bits = task.rpartition("_")[2]
    return words(f"翻比特，{bits} 位", f"bit flipping, {bits} bits")


def draw_strategy_curves(
    ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], task: str, success_at: str
) -> Axes:
    """Learning curves by strategy: steps and (n_seeds, n_evaluations) success rates; bands as in `draw_curve`."""
    for strategy, (steps, success) in curves.items():
        draw_curve(ax, steps, success, strategy, strategy_style(strategy))
    ax.set_title(task_name(task) + words(f"，n = {len(success)}", f", n = {len(success)}"))
    return label_success_axes(ax, language(), success_at)


def draw_by_k(ax: Axes, scores: Mapping[tuple[str, int], np.ndarray], task: str, success_at: str) -> Axes:
    """The mean success rate over a whole run against k: a dot per seed, and means with Student's t intervals.

    Args:
        scores: by strategy and k: (n_seeds,).
    """
    strategies = list(dict.fromkeys(strategy for strategy, _ in scores))
    for i, strategy in enumerate(strategies):
        by_k = {k: np.asarray(score) for (one, k), score in sorted(scores.items()) if one == strategy}
        at = np.log2(list(by_k)) + 0.08 * (i - 1.5)  # side by side, so that no interval hides another
        value, low, high = np.array([student(score, within=(0, 1)) for score in by_k.values()]).T
        look = strategy_style(strategy) | {"marker": MARKERS[strategy], "markersize": 6, "capsize": 3}
        ax.errorbar(at, value, np.maximum([value - low, high - value], 0), **look, label=strategy)
        for x, score in zip(at, by_k.values(), strict=True):
            ax.plot([x] * len(score), score, ".", color=look["color"], markersize=4, alpha=0.7)
    ks = sorted({k for _, k in scores})
    success = {"end": words("回合结束时", "at the end"), "any": words("任意一步", "at any step")}[success_at]
    ax.set(xticks=np.log2(ks), xticklabels=ks, xlabel="k", title=task_name(task), ylim=(-0.03, 1.03))
    ax.set_ylabel(words(f"一路平均的成功率（{success}）", f"mean success rate\nover the run ({success})"))
    return ax


def draw_moved(ax: Axes, rounds: Sequence[int], moved: Mapping[str, np.ndarray], by_chance: float) -> Axes:
    """In which share of episodes the puck was moved, by rounds of training: thin lines are seeds, thick ones means.

    Args:
        moved: by strategy: (n_seeds, n) shares.
        by_chance: the share of an agent that wanders.
    """
    for strategy, of_seeds in moved.items():
        look = strategy_style(strategy) | {"marker": MARKERS[strategy]}
        ax.plot(rounds, of_seeds.T, **look | {"linewidth": 0.8, "markersize": 3, "alpha": 0.6})
        ax.plot(rounds, of_seeds.mean(axis=0), **look, markersize=6, label=f"{strategy} (n = {len(of_seeds)})")
    ax.axhline(by_chance, color=COLORS["black"], linestyle=":", linewidth=1, label=words("乱走", "wandering"))
    ax.set(ylim=(-0.03, 1.03), xticks=list(rounds), xlabel=words("训练的轮数", "rounds of training"))
    ax.set_ylabel(words("冰球被碰过的回合", "episodes with the puck moved"))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))  # no corner is free of the lines
    return ax
