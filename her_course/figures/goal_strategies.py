"""Figures of chapter 3: where each strategy takes its goals from, what they teach, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from her.episodes import Episode
from her.plots.curves import draw_curve, label_success_axes
from her.plots.style import COLORS, strategy_style, text
from her.sweeps.statistics import Estimate
from her_course.figures.implementation import draw_arena

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

#: for each figure of the chapter, what there is to see, in Chinese and in English
_ALTERNATIVES = {
    "pairs": (
        "四幅二十四乘二十四的表，两个回合。final 是每个回合一条竖线；future 是两个三角形；episode 是两个方块；"
        "random 铺满整张表。",
        "Four tables of 24 by 24, two episodes. final is one vertical line per episode; future two triangles; "
        "episode two squares; random fills the whole table.",
    ),
    "panels": (
        "同一条绕墙路线的四幅图，同一步加粗。final 只有终点一个候选；future 是这一步以后的点；episode 是全部的点；"
        "random 是别的回合留下的、散在左半场的点。",
        "One path of Reach four times, the same step in bold. Candidates: with final, only the end; with future, "
        "the points from this step on; with episode, all of them; with random, points of other episodes all over "
        "the left half.",
    ),
    "distances": (
        "两幅累积分布图。左：绕墙，future 的目标最近，episode、final 依次远些，random 远得多。右：推冰球，除 random "
        "外八成以上的目标离冰球为零。",
        "Two cumulative distributions. Left, Reach: goals of future are nearest, then episode, then final; random "
        "is much farther. Right, Push: but for random, over eight goals in ten are at distance zero.",
    ),
    "offsets": (
        "三条线，横轴是目标比转移晚几步。future 从 0 起逐渐下降；final 平；episode 以 0 为中心两边对称，左半边是过去。",
        "Three lines over how much later than the transition the goal was reached. future falls from 0 on, final is "
        "flat, episode is symmetric around 0, its left half in the past.",
    ),
    "lessons": (
        "堆叠条形图，四种策略，三个任务。翻比特和绕墙：final、future 除了成功的全“在前面”，episode 有四成左右“在背后”，"
        "random 几乎全是“没到过”。推冰球：除 random 外九成是“本来就在”。",
        "Stacked bars, four strategies, three tasks. In BitFlip and Reach all of final and future but the successes is "
        "“ahead”, episode has some two fifths “behind”, random is nearly all “elsewhere”. In Push nine tenths are "
        "“already there” but for random.",
    ),
    "live": (
        "左：翻比特的学习曲线，future 最先升到顶，final 和 episode 随后，random 贴着 0。右：一路平均的成功率，future 的"
        "三种 k 几乎一样高，k=4 处另外三种都在它下面，random 是 0。",
        "Left: learning curves in bit flipping; future is first to the top, final and episode follow, random stays at "
        "0. Right: mean success rate over the run; future is about as high at all three k, at k = 4 the others are "
        "below it, random at 0.",
    ),
    "shipped": (
        "两幅误差棒图，横轴是 k，纵轴是一路平均的成功率。左，翻比特：future 的线最高，几乎是平的，final 和 episode "
        "低一截，random 是 0。右，推冰球：k 到 8 为止 future 和 final 的区间重叠，k=16 时 future 在上；episode 和 "
        "random 在底部。",
        "Two panels with error bars, the mean success rate over the run against k. Left, bit flipping: the line of "
        "future is highest and nearly flat, final and episode are well below, random at 0. Right, Push: the intervals "
        "of future and final overlap up to k = 8, at 16 future is above; episode and random are at the bottom.",
    ),
    "curves": (
        "两幅学习曲线，k=4。左，翻比特：future 最快，final 和 episode 慢一截，random 为 0。右，推冰球：future 和 "
        "final 升到接近 1，episode 和 random 留在底部。",
        "Two panels of learning curves at k = 4. Left, bit flipping: future first, final and episode later, random "
        "at 0. Right, Push: future and final rise close to 1, episode and random stay at the bottom.",
    ),
    "moved": (
        "四条线：考试里冰球被碰过的回合占多少，随训练的轮数变化。future 和 final 升到接近 1，episode 和 random 停在"
        "三成上下，不比乱走的多。",
        "Four lines: the share of exam episodes in which the puck was moved, by rounds of training. future and "
        "final rise close to 1, episode and random stay around three tenths, no more than an agent that wanders.",
    ),
    "film": (
        "动画，四张桌子，同样的起点和目标。future 和 final 的智能体把冰球推进绿圈；episode 和 random 的绕开冰球，冰"
        "球原地不动。",
        "Animation, four tables, the same start and goal. The agents of future and final push the puck into the "
        "ring; those of episode and random keep away from it, and the puck stays where it was.",
    ),
}


def alt(figure: str, lang: str) -> str:
    """The text alternative of one of the chapter's figures."""
    return text(lang, *_ALTERNATIVES[figure])


# ------------------------------------------------------------------------------------------------ where goals come from


def draw_candidates(
    ax: Axes, episode: Episode, t: int, strategy: str, candidates: np.ndarray, drawn: np.ndarray, lang: str
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
    count = text(lang, f"{n} 个候选", f"{n} candidate{'s' * (n > 1)}")
    ax.set_title(f"{strategy}　{count}" if lang == "zh" else f"{strategy}: {count}", fontsize=11)
    return ax


def draw_offsets(ax: Axes, offsets: Mapping[str, np.ndarray], length: int, lang: str) -> Axes:
    """How many steps after the transition its goal was reached, j - t, by strategy; below 0 is the past."""
    steps = np.arange(-length + 1, length)
    for strategy, of_rows in offsets.items():
        share = np.bincount(of_rows + length - 1, minlength=2 * length - 1) / len(of_rows)
        shown = steps >= 0 if strategy != "episode" else slice(None)
        ax.plot(steps[shown], share[shown], **strategy_style(strategy), label=strategy)
    ax.axvline(0, color=COLORS["black"], linestyle="-", linewidth=0.8)
    ax.set(xlabel=text(lang, "目标比转移晚几步：j − t", "steps from transition to goal: j − t"), ylim=(0, None))
    ax.set_ylabel(text(lang, "份额", "share"))
    ax.legend()
    return ax


def draw_distances(
    ax: Axes, distances: Mapping[str, np.ndarray], threshold: float, furthest: float, title: str, lang: str
) -> Axes:
    """Of each strategy, the share of substitute goals that lie closer than a distance, for every distance."""
    for strategy, of_rows in distances.items():
        share = np.arange(1, len(of_rows) + 1) / len(of_rows)
        at = np.linspace(0, len(of_rows) - 1, 400).astype(int)
        ax.step(np.sort(of_rows)[at], share[at], where="post", **strategy_style(strategy), label=strategy)
    ax.axvline(threshold, color=COLORS["green"], linestyle="-", linewidth=1.5)
    ax.text(threshold, 1.01, f"ε = {threshold:g}", color=COLORS["green"], ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(-0.01, furthest), ylim=(0, 1))
    ax.set_xlabel(text(lang, "替代目标离眼下多远（米）", "distance to the substitute goal (m)"))
    ax.set_ylabel(text(lang, "不超过这个距离的份额", "share at most that far"))
    ax.set_title(title, loc="right")
    return ax


def draw_lessons(ax: Axes, shares: Mapping[str, Mapping[str, float]], title: str, lang: str) -> Axes:
    """What relabelled transitions teach, a stacked bar for each strategy.

    Args:
        shares: by strategy, by one of `LESSONS`: its share.
    """
    names = {
        "there": text(lang, "本来就在", "already there"),
        "arrives": text(lang, "这一步到", "arrives"),
        "ahead": text(lang, "在前面", "ahead"),
        "behind": text(lang, "在背后", "behind"),
        "elsewhere": text(lang, "这回合没到过", "elsewhere"),
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


def draw_strategy_curves(
    ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], lang: str, success_at: str
) -> Axes:
    """Learning curves by strategy: steps and (n_seeds, n_evaluations) success rates; bands as in `draw_curve`."""
    for strategy, (steps, success) in curves.items():
        draw_curve(ax, steps, success, strategy, strategy_style(strategy))
    return label_success_axes(ax, lang, success_at)


def draw_by_k(
    ax: Axes, estimates: Mapping[str, Mapping[int, Estimate]], lang: str, title: str = "", success_at: str = "end"
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
    at = {"end": text(lang, "回合结束时", "at the end"), "any": text(lang, "任意一步", "at any step")}[success_at]
    ax.set(xticks=np.log2(ks), xticklabels=ks, xlabel="k", title=title, ylim=(-0.03, 1.03))
    ax.set_ylabel(text(lang, f"一路平均的成功率（{at}）", f"mean success rate\nover the run ({at})"))
    return ax


def draw_moved(ax: Axes, rounds: Sequence[int], moved: Mapping[str, Sequence[float]], lang: str) -> Axes:
    """In which share of episodes the puck was moved, by rounds of training, a line for each strategy."""
    for strategy, share in moved.items():
        look = strategy_style(strategy) | {"marker": MARKERS[strategy], "markersize": 5}
        ax.plot(rounds, share, **look, label=strategy)
    ax.set(ylim=(-0.03, 1.03), xlabel=text(lang, "训练的轮数", "rounds of training"))
    ax.set_ylabel(text(lang, "冰球被碰过的回合", "episodes with the puck moved"))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))  # no corner is free of the lines
    return ax
