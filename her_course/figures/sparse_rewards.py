"""Figures of chapter 1: an episode with its tolerance, how rare luck is, and what is learned where there is none."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from her.envs.push import AGENT_RADIUS, PUCK_RADIUS, Push
from her.episodes import Episode
from her.plots.style import COLORS, strategy_style
from her_course.figures.implementation import draw_arena
from her_course.figures.style import words

#: one look for each of the two learners of the chapter, by their number of bits
LOOKS = {8: {"color": COLORS["blue"], "linestyle": "-"}, 15: {"color": COLORS["vermilion"], "linestyle": "--"}}
#: and for the truth that they are compared with
TRUTH = {"color": COLORS["black"], "linestyle": (0, (1, 1.5)), "linewidth": 2.2}
#: the ways to reward Push, each with its replay, "none" or "future"
VARIANTS = {
    ("sparse", "none"): strategy_style("none"),
    ("−d", "none"): {"color": COLORS["orange"], "linestyle": "--"},
    ("−d²", "none"): {"color": COLORS["purple"], "linestyle": "-."},
    ("potential", "none"): {"color": COLORS["green"], "linestyle": (0, (5, 1))},
    ("−d", "future"): {"color": COLORS["vermilion"], "linestyle": "--"},
    ("sparse", "future"): strategy_style("future"),
}


def name_of(reward: str, replay: str) -> str:
    """What one of `VARIANTS` is called in a figure."""
    names = {"sparse": words("稀疏", "sparse"), "potential": words("势能塑形", "potential")}
    name = names.get(reward) or words(f"塑形 {reward}", f"shaped {reward}")
    return name + (" + HER" if replay == "future" else "")


# ----------------------------------------------------------------------------------------- start, goal, path, tolerance


def draw_reach_episode(ax: Axes, episode: Episode, threshold: float) -> Axes:
    """An episode of `her/Reach-v0` in its arena: the path, and the disc of radius ε in which the goal is reached."""
    draw_arena(ax)
    path = np.vstack([episode.states[:1], episode.achieved_goals])
    _draw_path(ax, path, "blue")
    _draw_miss(ax, path, episode.goal, threshold, 0.17)
    ax.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), xlabel="", ylabel="")
    return _as_map(ax)


def draw_push_episode(ax: Axes, episode: Episode, threshold: float) -> Axes:
    """An episode of `her/Push-v0`: how the agent went, how the puck went, and the disc of radius ε around the goal.

    The map shows a square with everything that matters in it.
    """
    agent = np.vstack([episode.states[:1, Push.agent_position], episode.next_states[:, Push.agent_position]])
    puck = np.vstack([episode.states[:1, Push.object_position], episode.achieved_goals])
    ax.plot(*agent.T, color=COLORS["blue"], linestyle="-", linewidth=1, zorder=3)
    ax.add_patch(Circle(agent[-1], AGENT_RADIUS, color=COLORS["blue"], zorder=3))
    _label(ax, agent[-1] - (0, 1.2 * AGENT_RADIUS), words("智能体", "agent"), "blue", vertical="top")
    for place, opacity in ((puck[0], 0.25), (puck[-1], 0.6)):
        ax.add_patch(Circle(place, PUCK_RADIUS, color=COLORS["orange"], alpha=opacity, linewidth=0, zorder=3))
    _draw_path(ax, puck, "black")
    _draw_miss(ax, puck, episode.goal, threshold, 1.8 * PUCK_RADIUS)
    seen = np.vstack([agent, puck, episode.goal])
    middle, half = (seen.min(0) + seen.max(0)) / 2, np.ptp(seen, axis=0).max() / 2 + 0.2
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    return _as_map(ax)


def _draw_path(ax: Axes, path: np.ndarray, colour: str) -> None:
    """What the goal is about, from its start (a hollow dot) to its end (a full one), with a dot a step."""
    ax.plot(*path.T, color=COLORS[colour], linestyle="-", linewidth=1, marker=".", markersize=4, zorder=4)
    ax.plot(*path[0], "o", color="white", markeredgecolor=COLORS[colour], markersize=8, zorder=5)
    ax.plot(*path[-1], "o", color=COLORS[colour], markersize=8, zorder=5)


def _draw_miss(ax: Axes, path: np.ndarray, goal: np.ndarray, threshold: float, clear: float) -> None:
    """The goal with its tolerance, and how far from it the path ends, written `clear` metres beside the dotted line."""
    ax.add_patch(Circle(goal, threshold, facecolor=COLORS["green"] + "40", edgecolor=COLORS["green"], lw=2, zorder=4))
    ax.plot(*goal, "+", color=COLORS["green"], markersize=6, zorder=5)
    ax.plot(*np.transpose([path[-1], goal]), color=COLORS["grey"], linestyle=":", linewidth=1.5, zorder=3)
    miss, middle = goal - path[-1], (goal + path[-1]) / 2
    aside = np.array([-miss[1], miss[0]]) / max(np.linalg.norm(miss), 1e-9)
    if aside @ (path.mean(axis=0) - middle) > 0:  # the side where the path is not
        aside = -aside
    off = words(f"差 {np.linalg.norm(miss):.2f} m", f"{np.linalg.norm(miss):.2f} m off")
    _label(ax, middle + clear * aside, off, "grey")
    away = np.sign(goal[0] - path[-1][0])
    name = words("目标", "goal")
    beside = np.add(goal, [1.4 * threshold * away, 0])
    _label(ax, beside, f"{name}\nε = {threshold:g} m", "green", side=away)
    _label(ax, path[0] - (0, 0.06), words("起点", "start"), "black", vertical="top")


def _label(
    ax: Axes, place: Sequence[float], words: str, colour: str, side: float = 0.0, vertical: str = "center"
) -> None:
    """Words on a little paper of their own: in the middle of a place, to its left (-1) or right (1), or under it."""
    paper = {"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
    horizontal = {-1: "right", 0: "center", 1: "left"}[int(side)]
    ax.text(*place, words, color=COLORS[colour], fontsize=9, ha=horizontal, va=vertical, bbox=paper, zorder=6)


def _as_map(ax: Axes) -> Axes:
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax


# ----------------------------------------------------------------------------------------------------- how rare luck is


def draw_random_success(
    ax: Axes,
    n_bits: Sequence[int],
    exact: Sequence[float],
    measured: Mapping[int, tuple[float, float, float]],
) -> Axes:
    """How likely random flips are to hit the goal, on a logarithmic scale.

    Args:
        n_bits: (n,) numbers of bits.
        exact: (n,) probability of success at any step of an episode of n_bits steps.
        measured: of some numbers of bits: the success rate and the ends of its interval.
    """
    n_bits = np.asarray(n_bits)
    ax.plot(n_bits, exact, **LOOKS[8], label=words("任意一步命中：马尔可夫链", "at any step: Markov chain"))
    ax.plot(n_bits, 0.5**n_bits, **TRUTH, label=words("最后一步命中：$2^{-n}$", "at the last step: $2^{-n}$"))
    rates = np.array(list(measured.values()))
    errors = np.abs(rates[:, 1:] - rates[:, :1]).T
    ax.errorbar(
        list(measured), rates[:, 0], errors, fmt="o", color=COLORS["orange"], markersize=6, capsize=3, zorder=3,
        label=words("实测（任意一步）与 95 % 区间", "measured (any step), 95 % interval"),
    )  # fmt: skip
    for n, claim in (
        (13, words("论文：DQN 到此为止", "the paper's DQN ends here")),
        (50, words("论文：DQN + HER 到这里", "its DQN + HER comes this far")),
    ):
        at_right = n > n_bits[-1] / 2
        ax.vlines(n, exact[list(n_bits).index(n)], 5, color=COLORS["grey"], linestyle="--", linewidth=1, zorder=1)
        ax.text(n, 3, f" {claim} ", ha="right" if at_right else "left", va="top")
    ax.set_yscale("log")
    ax.set(xlabel=words("比特数 n", "number of bits n"), xlim=(0, n_bits[-1] + 1), ylim=(1e-16, 5))
    ax.set_ylabel(words("一个回合成功的概率", "probability of success in an episode"))
    ax.legend(loc="lower left")
    return ax


# ------------------------------------------------------------------------------------------------------ what is learned


def draw_lives(
    axes: Sequence[Axes], logs: Mapping[int, np.ndarray], floor: float, truth: tuple[float, float]
) -> Sequence[Axes]:
    """Success and mean value of several learners over their updates: a thin line per seed, a thick one for their mean.

    Args:
        axes: two; success on the first, values on the second.
        logs: by number of bits: (n_seeds, n, ≥ 3), whose last axis begins with updates, success at any step, max Q.
        floor: -1/(1-γ), the return of never reaching the goal.
        truth: the range of the values of a perfect policy.
    """
    for n, log in logs.items():
        for ax, column in zip(axes, (1, 2), strict=True):
            ax.plot(log[0, :, 0], log[..., column].T, **LOOKS[n] | {"linewidth": 0.8, "alpha": 0.6})
            ax.plot(log[0, :, 0], log[..., column].mean(axis=0), **LOOKS[n], label=f"n = {n}")
            ax.set_xlabel(words("梯度更新次数", "gradient updates"))
    rates, values = axes
    rates.set(ylim=(-0.03, 1.03), ylabel=words("成功率（任意一步）", "success rate (any step)"))
    rates.legend()
    values.axhspan(*truth, color=COLORS["grey"], alpha=0.25, linewidth=0)
    values.axhline(floor, **TRUTH)
    right = values.get_xlim()[1]
    values.text(right, truth[1] + 0.5, words("完美策略的价值", "of a perfect policy"), ha="right", va="bottom")
    values.text(right, floor + 0.5, r"$-1/(1-\gamma)$", ha="right", va="bottom")
    values.set(ylim=(floor - 2, 1), ylabel=words("平均的 max Q", "mean of max Q"))
    return axes


def draw_values_by_distance(ax: Axes, values: Mapping[int, np.ndarray], truth: np.ndarray, floor: float) -> Axes:
    """What each learner thinks a state is worth, by how many bits are wrong in it; and what a perfect policy gets.

    Args:
        values: by number of bits n: (n_seeds, n + 1) mean max Q at 0 … n wrong bits; a line per seed.
        truth: values of a perfect policy at 0, 1, 2 … wrong bits.
    """
    ax.plot(np.arange(len(truth)), truth, **TRUTH, label=words("完美策略", "perfect policy"))
    for n, of_seeds in values.items():
        lines = ax.plot(np.arange(n + 1), of_seeds.T, **LOOKS[n] | {"linewidth": 1.5})
        lines[0].set_label(f"n = {n}")
    ax.set(ylim=(floor - 2, 0), xlabel=words("离目标还差几位", "bits still wrong"), xticks=range(0, len(truth), 3))
    ax.set_ylabel(words("平均的 max Q", "mean of max Q"))
    ax.legend(loc="upper right")
    return ax


def draw_choices_by_distance(ax: Axes, right: Mapping[int, np.ndarray]) -> Axes:
    """How often the greedy action flips a bit that was wrong, by how many are wrong; and how often a blind one would.

    Args:
        right: by number of bits n: (n_seeds, n) share of right flips at 1 … n wrong bits; a line per seed. A blind flip
            is right in a share d/n.
    """
    for n, of_seeds in right.items():
        distance = np.arange(1, n + 1)
        ax.plot(distance, distance / n, **TRUTH | {"linewidth": 1.5})
        lines = ax.plot(distance, of_seeds.T, **LOOKS[n] | {"linewidth": 1.5})
        lines[0].set_label(f"n = {n}")
    ax.text(max(right) * 0.56, 0.46, words("闭着眼翻", "a blind flip"), ha="left", va="top")
    ax.set(ylim=(-0.03, 1.05), xlabel=words("离目标还差几位", "bits still wrong"), xticks=range(0, max(right) + 1, 3))
    ax.set_ylabel(words("翻对的比例", "share of right flips"))
    return ax


def draw_reward_counts(ax: Axes, rewards: np.ndarray, title: str = "") -> Axes:
    """How many of the rewards, of any shape, are -1 and how many are 0, with the numbers on the bars."""
    counts = [int((rewards < 0).sum()), int((rewards == 0).sum())]
    bars = ax.bar(["−1", "0"], counts, color=[COLORS["grey"], COLORS["orange"]], width=0.6)
    ax.bar_label(bars, [f"{count:,}" for count in counts], padding=2)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set(title=title, xlabel=words("奖励", "reward"), ylim=(0, 1.12 * np.size(rewards)))
    ax.set_ylabel(words("转移数", "transitions"))
    ax.label_outer()
    ax.grid(axis="x", visible=False)
    return ax


def draw_glasses(axes: Sequence[Axes], played: np.ndarray, relabelled: np.ndarray) -> None:
    """The same transitions scored twice: under the goals that they were played for, and relabelled."""
    draw_reward_counts(axes[0], played, words("原来的目标", "goals as they were"))
    draw_reward_counts(axes[1], relabelled, words("重标注之后", "relabelled"))


def draw_targets(ax: Axes, targets: np.ndarray, floor: float) -> Axes:
    """A histogram of TD targets over all values that there could be, from -1/(1-γ) to 0."""
    ax.hist(targets, np.arange(np.floor(floor), 1.0, 0.5), color=COLORS["grey"])
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set(xlim=(floor - 1, 1), xlabel=words("目标值 y", "TD target y"))
    ax.set_ylabel(words("转移数", "transitions"))
    return ax


# -------------------------------------------------------------------------------------------------------------- shaping


def draw_success_of_variants(ax: Axes, rates: Mapping[tuple[str, str], Sequence[float]]) -> Axes:
    """Success rates at the end of the episode, by reward and replay: a dot per seed, and a line at their mean."""
    for row, (variant, of_seeds) in enumerate(rates.items()):
        ax.plot([np.mean(of_seeds)] * 2, [row - 0.25, row + 0.25], color=COLORS["black"], linestyle="-", zorder=2)
        colour = VARIANTS[variant]["color"]
        ax.plot(of_seeds, [row] * len(of_seeds), "o", color=colour, markersize=8, alpha=0.8, zorder=3)
    names = [name_of(*variant) for variant in rates]
    ax.set(xlim=(-0.03, 1.03), ylim=(len(rates) - 0.5, -0.5), yticks=range(len(rates)), yticklabels=names)
    n = len(of_seeds)
    ax.set_xlabel(words(f"成功率（回合结束时，n = {n}）", f"success rate (at the end, n = {n})"))
    ax.grid(axis="y", visible=False)
    return ax


def draw_final_distances(ax: Axes, distances: Mapping[tuple[str, str], Sequence[np.ndarray]], threshold: float) -> Axes:
    """Of each variant, the share of episodes that end closer to the goal than a distance, for every distance.

    Args:
        distances: by reward and replay: of each seed, the (n,) final distances. A line per seed.
    """
    for variant, of_seeds in distances.items():
        for i, of_episodes in enumerate(of_seeds):
            share = np.arange(1, len(of_episodes) + 1) / len(of_episodes)
            label = name_of(*variant) if i == 0 else None
            ax.plot(np.sort(of_episodes), share, **VARIANTS[variant] | {"linewidth": 1.3}, label=label)
    ax.axvline(threshold, color=COLORS["black"], linestyle="-", linewidth=1)
    ax.text(threshold, 1.01, f" ε = {threshold:g}", ha="center", va="bottom")
    ax.set(xlim=(0, 0.7), ylim=(0, 1), xlabel=words("结束时离目标多远（米）", "final distance to the goal (m)"))
    ax.set_ylabel(words("不超过这个距离的回合", "episodes at most that far"))
    ax.legend(loc="lower right", fontsize=9)
    return ax
