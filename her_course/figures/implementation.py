"""Figures of chapter 4: which goals are drawn, how the ring fills, what a batch holds, what the critic knows."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle, Wedge

from her.envs.reach import GAP, WALL, Reach
from her.episodes import Episode
from her.plots.curves import label_success_axes
from her.plots.style import COLORS
from her.replay import GoalConditionedReplayBuffer
from her_course.figures.display import show
from her_course.figures.film import named_panels
from her_course.figures.interactive import with_sliders
from her_course.figures.seeds import draw_seeds
from her_course.figures.style import language, words

#: one colour and one hatch per episode of the ring, told apart without colour too
_EPISODES = [("blue", ""), ("orange", "//"), ("green", ".."), ("purple", "\\\\"), ("sky", "xx")]


def draw_arena(ax: Axes) -> Axes:
    """The square of `her/Reach-v0` with its wall, metres."""
    for bottom, top in ((GAP, 1.0), (-1.0, -GAP)):
        ax.add_patch(Rectangle((-WALL, bottom), 2 * WALL, top - bottom, color="#4A4F57", zorder=3))
    ax.add_patch(Rectangle((-1, -1), 2, 2, fill=False, linewidth=1, zorder=3))
    ax.set(aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlabel="x", ylabel="y")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax


def draw_episodes(ax: Axes, episodes: Sequence[Episode], threshold: float = 0.06) -> Axes:
    """Episodes of Reach: the path and every achieved goal, and the desired goal as a ring of radius ε."""
    draw_arena(ax)
    for episode, (colour, _) in zip(episodes, _EPISODES, strict=False):
        path = np.vstack([episode.states[:1], episode.achieved_goals])
        ax.plot(*path.T, color=COLORS[colour], linestyle="-", linewidth=1, zorder=4)
        ax.scatter(*episode.achieved_goals.T, s=16, color=COLORS[colour], zorder=5)
        ax.add_patch(Circle(episode.goal, threshold, fill=False, linewidth=2, color=COLORS[colour], zorder=5))
    handles = [
        ax.scatter([], [], s=16, color=COLORS["grey"], label=words("到过的地方", "achieved")),
        ax.scatter([], [], s=90, facecolor="none", edgecolor=COLORS["grey"], linewidth=2),
    ]
    handles[1].set_label(words("想去的地方", "desired"))
    ax.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08))
    ax.legend(handles=handles, loc="center left", handletextpad=0.2)
    return ax


def draw_ring(ax: Axes, buffer: GoalConditionedReplayBuffer, oldest: int = 1, is_open: bool = False) -> Axes:
    """The rows of a small buffer as a ring: which episode lies where, and the position of each row in its episode.

    Args:
        buffer: with one ring.
        oldest: the number of the oldest episode that is still stored; the others are numbered on from it.
        is_open: whether the newest episode is still going on.
    """
    rows = buffer.live_rows()
    position = rows - buffer.episode_start[rows]
    number = np.cumsum(position == 0) - 1
    step = 360 / buffer.capacity
    white_disc = {"boxstyle": "circle,pad=0.1", "facecolor": "white", "linewidth": 0}
    for row in range(buffer.capacity):
        ax.add_patch(Wedge((0, 0), 1, *_angles(row, step), width=0.36, facecolor="#F4F1EA", edgecolor="white"))
    for row, t, which in zip(rows, position, number, strict=True):
        colour, hatch = _EPISODES[(oldest + which - 1) % len(_EPISODES)]
        newest_is_open = is_open and which == number[-1]
        ax.add_patch(
            Wedge(
                (0, 0), 1, *_angles(row, step), width=0.36, hatch=hatch, linewidth=1,
                facecolor=COLORS[colour] + "55", edgecolor=COLORS[colour], linestyle=":" if newest_is_open else "-",
            )
        )  # fmt: skip
        x, y = _on_circle(row + 0.5, step, 0.82)
        ax.text(x, y, str(t), ha="center", va="center", fontsize=9, bbox=white_disc)
    for which in np.unique(number):
        mine = rows[number == which]
        x, y = _on_circle(mine[0] + len(mine) / 2, step, 1)
        name = words(f"回合 {oldest + which}", f"episode {oldest + which}")
        name += words("\n（未完）", "\n(open)") if is_open and which == number[-1] else ""
        ax.text(1.42 * x, 1.2 * y, name, ha="center", va="center", fontsize=9)
    head = buffer.rings[0].head
    tip, tail = _on_circle(head, step, 0.62), _on_circle(head, step, 0.36)
    ax.annotate("", tip, tail, arrowprops={"arrowstyle": "-|>", "color": COLORS["vermilion"], "lw": 2})
    ax.text(0, 0, words("写到\n这里", "written\nso far"), ha="center", va="center", fontsize=9)
    ax.set(xlim=(-1.8, 1.8), ylim=(-1.35, 1.35), aspect="equal")
    ax.set_title(words(f"{len(rows)} / {buffer.capacity} 行", f"{len(rows)} of {buffer.capacity} rows"), loc="center")
    ax.axis("off")
    return ax


def _angles(row: int, step: float) -> tuple[float, float]:
    return 90 - (row + 1) * step, 90 - row * step


def _on_circle(row: float, step: float, radius: float) -> tuple[float, float]:
    angle = np.radians(90 - row * step)
    return radius * np.cos(angle), radius * np.sin(angle)


def draw_inputs(ax: Axes, inputs: np.ndarray, shown: str, clip: float = 5.0) -> Axes:
    """A histogram of one standardised input as the network receives it; what was clipped stands out, with its share.

    ``shown`` says what the normaliser had been shown: observations "as played" or "as fed" to the network.
    """
    edges = np.linspace(-clip - 0.25, clip + 0.25, 43)
    clipped = np.abs(inputs) >= clip
    for part, colour in ((~clipped, "blue"), (clipped, "vermilion")):
        ax.hist(inputs[part], edges, weights=np.full(part.sum(), 1 / len(inputs)), color=COLORS[colour])
    share = words(f"裁到 ±5：{clipped.mean():.0%}", f"clipped: {clipped.mean():.0%}")
    ax.text(0.98, 0.92, share, transform=ax.transAxes, ha="right", va="top", color=COLORS["vermilion"])
    titles = {
        "as played": words("归一化器只看过想要的目标", "normaliser shown desired goals only"),
        "as fed": words("归一化器看过网络的全部输入", "normaliser shown all inputs"),
    }
    ax.set(title=titles[shown], xlim=(-clip - 0.5, clip + 0.5), ylabel=words("份额", "share"))
    ax.set_xlabel(words("标准化之后的目标横坐标", "goal x, standardised"))
    return ax


def draw_values(
    ax: Axes,
    positions: np.ndarray,
    values: np.ndarray,
    actions: np.ndarray,
    goal: Sequence[float],
    spots: Mapping[str, Sequence[float]],
) -> Axes:
    """The critic's value of each position for one goal, with contours, and the actor's direction as arrows.

    Args:
        positions: (n², 2) that fill the square of Reach, row by row from the bottom.
        values: (n²,) Q(s, g, π(s, g)).
        actions: (n², 2) π(s, g).
        goal: (2,).
        spots: positions to mark, by name.
    """
    n = round(len(positions) ** 0.5)
    x, y, u, v = (column.reshape(n, n) for column in (*positions.T, *actions.T))
    # The agent's centre keeps its radius from the wall: nobody ever stands there, and no value means anything.
    blocked = ((Reach.low < positions[:, None]) & (positions[:, None] < Reach.high)).all(-1).any(-1)
    values = np.where(blocked, np.nan, values).reshape(n, n)
    ax.add_patch(Rectangle((-1, -1), 2, 2, color="#DDDDDD"))
    image = ax.pcolormesh(x, y, values, shading="nearest")
    ax.figure.colorbar(image, ax=ax, label=words("价值 Q（0 是最好）", "value Q (0 is best)"))
    lines = ax.contour(x, y, values, levels=np.arange(-50, 0, 2), colors="white", linestyles="-", linewidths=0.8)
    ax.clabel(lines, fontsize=8, fmt="%g")
    every = slice(n // 16, None, n // 8)
    shown = [(a[every, every]) for a in (x, y, u, v)]
    far = np.hypot(shown[0] - goal[0], shown[1] - goal[1]) > 0.15
    ax.quiver(*(a[far] for a in shown), color="black", scale=26, width=0.006, zorder=4)
    draw_arena(ax)
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
    ax.plot(*goal, "*", markersize=17, color="white", markeredgecolor="black", zorder=5)
    for name, spot in spots.items():
        ax.plot(*spot, "o", markersize=15, color="white", markeredgecolor="black", zorder=5)
        ax.text(*spot, name, ha="center", va="center_baseline", fontsize=10, zorder=6)
    return ax


def explore_values(
    ask: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    goal: Sequence[float],
    spots: Mapping[str, Sequence[float]],
) -> None:
    """`draw_values` with sliders for the goal's place; where nobody can move a slider, for `goal` alone.

    Args:
        ask: ``f(positions, goal)`` gives the values (n,) and actions (n, 2) of positions (n, 2) for a goal (2,).
    """
    axis = np.linspace(-1, 1, 81)
    positions = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype(np.float32)

    def draw(x: float, y: float) -> None:
        fig, ax = plt.subplots(figsize=(5.6, 4.6))
        there = np.array([x, y], np.float32)
        draw_values(ax, positions, *ask(positions, there), there, spots)
        show(fig, "implementation.values")

    x, y = map(float, goal)
    with_sliders(draw, x=(x, -0.9, 0.9, 0.05), y=(y, -0.9, 0.9, 0.05))


#: what the stages of an agent are called in a figure
STAGES = {
    "before": ("学之前", "before learning"),
    "after": ("学之后", "after learning"),
    "early": ("早期", "early"),
    "middle": ("中期", "middle"),
    "late": ("后期", "late"),
}


def film_of(films: Mapping[str, Sequence[np.ndarray]], width: int = 690) -> list[np.ndarray]:
    """Films below one another, each under the name of its stage; the first frame shows how they end.

    Args:
        films: by stage of `STAGES`.
        width: of a film, pixels.
    """
    named = {words(*STAGES[stage]): [film[-1], *film] for stage, film in films.items()}
    return named_panels(named, columns=1, width=width)


#: names of mistakes as the chapter's code has them, and what they are called in a legend
_MISTAKES = {
    "none": ("没有错误", "no mistake"),
    "old rewards": ("照抄旧奖励", "old rewards"),
    "old next goal": ("next_state 的目标没换", "old goal in next_state"),
    "all successes": ("重标注一律算成功", "all successes"),
    "before the action": ("动作之前到达的", "before the action"),
    "time limit": ("时间用完当终点", "time limit as an end"),
    "rounded": ("四舍五入", "rounded"),
}


def draw_mistakes(axes: Sequence[Axes], steps: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    """Learning curves with one mistake each: the first three go to the left axes, the others to the right.

    Args:
        steps: (n,) environment steps.
        curves: by mistake, (n_seeds, n) success rates at any step; "none" is drawn on both sides.
    """
    wrong = [mistake for mistake in curves if mistake != "none"]
    for ax, shown in zip(axes, (wrong[:3], wrong[3:]), strict=True):
        styles = [("none", "black", "-"), *zip(shown, ("vermilion", "blue", "green"), ("--", "-.", ":"), strict=True)]
        for mistake, color, dashes in styles:
            style = {"color": COLORS[color], "linestyle": dashes}
            draw_seeds(ax, steps, curves[mistake], words(*_MISTAKES[mistake]), style)
        label_success_axes(ax, language(), "any")
        ax.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)  # below: lines fill the panel
    axes[1].set_ylabel("")
