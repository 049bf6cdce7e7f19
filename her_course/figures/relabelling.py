"""Figures of chapter 2: an episode relabelled step by step, how much of it succeeds, and tables that learn from it."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from her.episodes import Episode
from her.plots.style import COLORS, strategy_style
from her_course.figures.display import show
from her_course.figures.goal_strategies import environment_name
from her_course.figures.implementation import draw_arena
from her_course.figures.interactive import with_sliders
from her_course.figures.style import words

# ---------------------------------------------------------------------------------------------- relabelled step by step


def draw_moved_goal(axes: Sequence[Axes], episode: Episode, moved: Episode, threshold: float) -> None:
    """An episode under the goal it was played for, and under another."""
    draw_pursuit(axes[0], episode, threshold, words("原来的目标", "the goal as it was"))
    draw_pursuit(axes[1], moved, threshold, words("挪过的目标", "the goal, moved"))


def draw_pursuit(ax: Axes, episode: Episode, threshold: float, title: str) -> Axes:
    """A whole episode of Reach under the goal that it has: the path, and the disc of radius ε around the goal."""
    draw_arena(ax)
    path = np.vstack([episode.states[:1], episode.achieved_goals])
    ax.plot(*path.T, color=COLORS["blue"], linestyle="-", linewidth=1.2, marker=".", markersize=4, zorder=4)
    ax.plot(*path[0], "o", color="white", markeredgecolor=COLORS["blue"], markersize=7, zorder=5)
    ax.plot(*path[-1], "o", color=COLORS["blue"], markersize=7, zorder=5)
    green = COLORS["green"]
    ax.add_patch(Circle(episode.goal, threshold, facecolor=green + "40", edgecolor=green, linewidth=2.5, zorder=6))
    beside = {"textcoords": "offset points", "color": green, "va": "center", "zorder": 6}
    ax.annotate(words("目标", "goal"), episode.goal, (14, 0), **beside)
    ax.set(title=title, xlabel="", ylabel="", xticks=[], yticks=[], xlim=(-1.04, 1.04), ylim=(-1.04, 1.04))
    return ax


def draw_step(ax: Axes, episode: Episode, t: int, chosen: Sequence[int], threshold: float) -> Axes:
    """Step t of an episode in the plane: where it led, the goals that `future` may draw for it, and those it drew.

    Args:
        chosen: positions j ≥ t of the drawn goals, with repetitions.
        threshold: ε; a drawn goal closer than this to what step t reached is a success, and green.
    """
    path = np.vstack([episode.states[:1], episode.achieved_goals])
    candidates = episode.achieved_goals[t:]
    ax.plot(*path.T, color=COLORS["grey"], linestyle="-", linewidth=1, zorder=2)
    arrow = {"arrowstyle": "-|>", "color": COLORS["black"], "lw": 2.2, "shrinkA": 0, "shrinkB": 3}
    ax.annotate("", path[t + 1], path[t], arrowprops=arrow, zorder=4)
    ax.scatter(*candidates.T, s=60, facecolor="white", edgecolor=COLORS["blue"], linewidth=1.4, zorder=3)
    for j in set(chosen):
        reached = np.linalg.norm(episode.achieved_goals[j] - episode.achieved_goals[t]) < threshold
        colour = COLORS["green" if reached else "blue"]
        ax.scatter(*episode.achieved_goals[j], s=60, color=colour, zorder=5)
        times = list(chosen).count(j)
        name = f"j={j}" + (f" ×{times}" if times > 1 else "")
        ax.annotate(name, episode.achieved_goals[j], (7, 5), textcoords="offset points", fontsize=8, color=colour)
    if t:
        ax.scatter(*episode.achieved_goals[:t].T, s=12, color=COLORS["grey"], zorder=3)
    middle, half = (path.min(0) + path.max(0)) / 2, np.ptp(path, axis=0).max() / 2 + 0.07
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.set_title(f"t = {t}", fontsize=11)
    ax.grid(False)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color("#DDDDDD")
    return ax


def explore(episode: Episode, draw_goals: Callable[[int, int], Sequence[int]], threshold: float) -> None:
    """`draw_step` with sliders for t and k; where nobody can move a slider, the one picture at t = 2 and k = 4.

    Args:
        draw_goals: ``f(t, k)`` gives the positions of k substitute goals for step t.
    """

    def draw(t: int, k: int) -> None:
        fig, ax = plt.subplots(figsize=(4.4, 4.4))
        draw_step(ax, episode, t, draw_goals(t, k), threshold)
        looks = [
            (words("候选目标", "candidate"), {"facecolor": "white", "edgecolor": COLORS["blue"]}),
            (words("抽中：−1", "drawn: −1"), {"color": COLORS["blue"]}),
            (words("抽中：0", "drawn: 0"), {"color": COLORS["green"]}),
        ]
        handles = [ax.scatter([], [], s=60, label=label, **look) for label, look in looks]
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, handletextpad=0.1)
        show(fig, "relabelling.explore")

    with_sliders(draw, t=(2, 0, len(episode) - 1, 1), k=(4, 1, 16, 1))


# --------------------------------------------------------------------------------------------- how much of it succeeds


def draw_triangles(axes: Sequence[Axes], exact: np.ndarray, counted: np.ndarray) -> None:
    """`draw_triangle` twice: as derived, and as counted."""
    draw_triangle(axes[0], exact, words("推出来的：1/(T−t)", "derived: 1/(T−t)"))
    draw_triangle(axes[1], counted, words("数出来的", "counted"))


def replay_name(k: int) -> str:
    """What replay with k substitute goals is called in a figure."""
    return f"HER, k = {k}" if k else words("没有 HER", "without HER")


def draw_triangle(ax: Axes, shares: np.ndarray, title: str) -> Axes:
    """With which probability transition t (down) is given the goal that step j reached (across), j ≥ t.

    Args:
        shares: (T, T), each row adding up to 1.
    """
    shown = np.ma.masked_equal(shares, 0)
    ax.imshow(shown, cmap="Blues", vmin=0, vmax=1.4)
    for (t, j), share in np.ndenumerate(shares):
        if share:
            ax.text(j, t, f"{share:.2f}".lstrip("0") if share < 1 else "1", ha="center", va="center", fontsize=8)
    for t in range(len(shares)):
        ax.add_patch(Rectangle((t - 0.5, t - 0.5), 1, 1, fill=False, edgecolor=COLORS["vermilion"], linewidth=2))
    ax.set(title=title, xlabel=words("目标是第 j 步到的", "goal reached by step j"))
    ax.set_ylabel(words("转移 t", "transition t"))
    ax.label_outer()
    ax.grid(False)
    return ax


def draw_share_by_length(
    ax: Axes,
    exact: Mapping[int, float],
    counted: Mapping[int, float],
    others: Mapping[str, tuple[int, float]],
) -> Axes:
    """The share of successes among relabelled transitions, by the length of the episodes.

    Args:
        exact: by length T: H_T/T.
        counted: by length T: what was counted where no two achieved goals are alike.
        others: by name of a task: T, and what was counted there.
    """
    ax.plot(list(exact), list(exact.values()), color=COLORS["blue"], linestyle="-", label="$H_T/T$")
    label = words("数出来的，处处不同", "counted, all different")
    ax.plot(list(counted), list(counted.values()), "o", color=COLORS["black"], markersize=5, label=label)
    for (name, (length, share)), marker in zip(others.items(), "^sD", strict=False):
        ax.plot(length, share, marker, color=COLORS["orange"], markersize=7, label=environment_name(name), zorder=3)
    ax.set(ylim=(0, 1.03), xlabel=words("回合长度 T", "length of the episode T"), xscale="log")
    ax.set_xticks([1, 2, 5, 10, 20, 50, 100, 200], [1, 2, 5, 10, 20, 50, 100, 200])
    ax.minorticks_off()
    ax.set_ylabel(words("重标注的转移里的成功", "successes among relabelled"))
    ax.legend()
    return ax


def draw_share_by_k(
    ax: Axes, k: Sequence[int], relabelled: Sequence[float], success: Sequence[float], length: int
) -> Axes:
    """Shares of a whole batch, by k: what is relabelled, as counted, and what succeeds; beside k/(k+1) and H_T/T."""
    ks = np.arange(1, max(k) + 1)
    harmonic = (1 / np.arange(1, length + 1)).sum() / length
    claim = words("传言：成功 = k/(k+1)", "the claim: success = k/(k+1)")
    ax.plot(ks, ks / (ks + 1), color=COLORS["vermilion"], linestyle="--", label=claim)
    ax.plot(k, relabelled, "x", color=COLORS["vermilion"], markersize=7, label=words("重标注", "relabelled"))
    ax.plot(ks, ks / (ks + 1) * harmonic, color=COLORS["blue"], label=r"$\frac{k}{k+1}\cdot\frac{H_T}{T}$")
    ax.plot(k, success, "o", color=COLORS["black"], markersize=5, label=words("数出来的成功", "counted successes"))
    ax.set(ylim=(0, 1.03), xlabel=f"k  (T = {length})", xticks=list(k))
    ax.set_ylabel(words("占批次的份额", "share of the batch"))
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.45))
    return ax


# ------------------------------------------------------------------------------------------------------ the corridor


def draw_touched(ax: Axes, touched: np.ndarray, k: int) -> Axes:
    """Which pairs (goal, position) some transitions were about, drawn with k substitute goals.

    Args:
        touched: (positions, goals) bool.
    """
    ax.imshow(touched.T, cmap="Blues", vmin=0, vmax=1.6)
    return _label_table(ax, len(touched), replay_name(k))


def draw_table(ax: Axes, values: np.ndarray, k: int, floor: float) -> Axes:
    """The value of being at a position (across) for wanting to go to a goal (down), with every number.

    Args:
        values: (positions, goals).
        k: substitute goals per real one that it was learned with.
        floor: the least value there is, the darkest colour.
    """
    ax.imshow(values.T, cmap="viridis", vmin=floor, vmax=0)
    for (position, goal), value in np.ndenumerate(values):
        dark = value < 0.45 * floor
        words = f"{value:.1f}".replace("-", "−") if value < -0.05 else "0"
        ax.text(position, goal, words, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    return _label_table(ax, len(values), replay_name(k))


def _label_table(ax: Axes, n: int, title: str) -> Axes:
    ax.set(title=title, xticks=range(n), yticks=range(n), xlabel=words("在第几格", "position"))
    ax.set_ylabel(words("目标是第几格", "goal"))
    ax.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    ax.grid(False)
    ax.grid(which="minor", color="white", linewidth=1)
    ax.tick_params(which="both", length=0)
    ax.label_outer()
    return ax


def corridor_film(values: Mapping[int, np.ndarray], paths: Mapping[int, np.ndarray], floor: float) -> list:
    """Frames, (height, width, 3) uint8 each: agents that walk on tables of values, a row and a goal each.

    Args:
        values: by k: (positions, goals).
        paths: by k: (moments, goals), where the agent of each goal is.
        floor: the least value there is.
    """
    frames = []
    for moment in range(len(next(iter(paths.values())))):
        fig, axes = plt.subplots(1, len(values), figsize=(6.8, 4.3), dpi=96)
        for ax, (k, table) in zip(axes, values.items(), strict=True):
            ax.imshow(table.T, cmap="viridis", vmin=floor, vmax=0)
            _label_table(ax, len(table), replay_name(k))
            for goal, position in enumerate(paths[k][moment]):
                for width, colour in ((4.5, "black"), (2.2, "#3DF0B8")):  # seen on the darkest and the brightest cell
                    ax.add_patch(Circle((goal, goal), 0.4, fill=False, linewidth=width, edgecolor=colour))
                ax.add_patch(Circle((position, goal), 0.27, facecolor=COLORS["orange"], edgecolor="black", linewidth=1))
        fig.canvas.draw()
        frames.append(np.asarray(fig.canvas.buffer_rgba())[..., :3])
        plt.close(fig)
    return frames


def draw_episodes_needed(ax: Axes, needed: Mapping[str, Mapping[int, Sequence[float | None]]], limit: int) -> Axes:
    """Episodes until every goal of a corridor is mastered, by its length: a dot per seed, a line through the medians.

    The dots of the two replays stand side by side, left and right of the length.

    Args:
        needed: by replay, "her" or "none", by number of cells: the episodes each seed needed, None if more than limit.
    """
    names = {"her": "HER", "none": words("没有 HER", "without HER")}
    for (replay, by_cells), strategy in zip(needed.items(), ("future", "none"), strict=True):
        look = strategy_style(strategy)
        cells = np.array(list(by_cells))
        episodes = np.array([[limit if n is None else n for n in of_seeds] for of_seeds in by_cells.values()], float)
        ax.plot(cells, np.median(episodes, axis=1), **look, label=names[replay])
        marker, aside = ("o", -0.15) if replay == "her" else ("s", 0.15)
        places = np.repeat(cells + aside, episodes.shape[1])
        ax.plot(places, episodes.ravel(), marker, color=look["color"], markersize=5, alpha=0.7)
    ax.axhline(limit, color=COLORS["black"], linestyle=":", linewidth=1)
    ax.set(yscale="log", xticks=cells, xlabel=words("走廊有几格", "cells of the corridor"))
    ax.set_ylabel(words("学会全部目标要的回合", "episodes to master every goal"))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.legend(loc="upper left")
    return ax


def draw_estimates(ax: Axes, distance: np.ndarray, estimates: Mapping[str, np.ndarray]) -> Axes:
    """Values by how far the goal is: the random policy's, the average of relabelled returns, Q-learning's, the perfect.

    Args:
        estimates: "random", "returns", "learned", "perfect", each (n,) like ``distance``.
    """
    looks = {
        "perfect": ({"color": COLORS["black"], "linestyle": ":"}, words("最优策略", "perfect policy")),
        "learned": ({"color": COLORS["blue"], "linestyle": "", "marker": "o"}, words("Q 学习", "Q-learning")),
        "returns": (
            {"color": COLORS["vermilion"], "linestyle": "--", "marker": "s"},
            words("重标注回合的平均分", "mean relabelled return"),
        ),
        "random": ({"color": COLORS["grey"], "linestyle": "-"}, words("乱走策略的真值", "random policy, exact")),
    }
    for name, (look, label) in looks.items():
        ax.plot(distance, estimates[name], **look, label=label)
    ax.set(xlabel=words("目标离起点几格", "cells from start to goal"), ylim=(None, 0.3))
    ax.set_ylabel(words("价值", "value"))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax
