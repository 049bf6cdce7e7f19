"""Figures of chapter 6: how many episodes it takes, how far bits and strategies go, and where hindsight is wrong."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from her.plots.curves import label_success_axes
from her.plots.style import COLORS, strategy_style
from her_course.figures.goal_strategies import task_name
from her_course.figures.seeds import draw_seeds
from her_course.figures.style import language, words


def draw_hindsight_against_none(
    ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], task: str, success_at: str = "end"
) -> Axes:
    """The two curves of one task of the comparison: variants "her" and "none" of `read_curves`."""
    for variant, strategy, label in (("her", "future", "HER"), ("none", "none", words("没有 HER", "without HER"))):
        draw_seeds(ax, *curves[variant], label, strategy_style(strategy))
    label_success_axes(ax, language(), success_at)
    ax.set_title(task_name(task))
    return ax


def draw_needed(
    ax: Axes,
    needed: Mapping[str, Mapping[float, Sequence[float | None]]],
    limits: Mapping[str, float],
    task: str,
) -> Axes:
    """Episodes until a success rate was reached, a dot per seed; a seed that never got there is hollow, at the limit.

    Args:
        needed: by replay, "her" or "none", by threshold: the episodes of each seed, None if it was not reached.
        limits: by replay: the episodes that were played.
        task: of the comparison.
    """
    looks = {"her": ("future", "o", -0.14, "HER"), "none": ("none", "s", 0.14, words("没有 HER", "without HER"))}
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
    ax.set(xscale="log", ylim=(len(thresholds) - 0.5, -0.5), title=task_name(task), xlabel=words("回合数", "episodes"))
    seen = [n for by_threshold in needed.values() for of_seeds in by_threshold.values() for n in of_seeds if n]
    ticks = [n for n in (100, 200, 500, 1000, 2000, 4000, 6000) if 0.8 * min(seen) < n < 1.2 * max(limits.values())]
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(thresholds)), [f"{threshold:.0%}" for threshold in thresholds])
    ax.set_ylabel(words("达到的成功率", "success rate reached"))
    ax.label_outer()
    return ax


def draw_bits(ax: Axes, rates: Mapping[str, Mapping[int, Sequence[float]]]) -> Axes:
    """Final success rates by the number of bits, a dot per seed, a line through the means; and the paper's two limits.

    Args:
        rates: by replay, "her" or "none", by number of bits: one rate per seed.
    """
    for n, said in ((13, words("论文：DQN", "paper: DQN")), (50, words("论文：DQN+HER", "paper: DQN+HER"))):
        ax.axvline(n, color=COLORS["black"], linestyle="--", linewidth=1)
        ax.text(n - 0.4, 0.5, said, rotation=90, ha="right", va="center", fontsize=9)
    names = {"her": "HER", "none": words("没有 HER", "without HER")}
    for (replay, by_n), strategy, marker in zip(rates.items(), ("future", "none"), "os", strict=True):
        look = strategy_style(strategy)
        by_n = dict(sorted(by_n.items()))
        ax.plot(list(by_n), [np.mean(of_seeds) for of_seeds in by_n.values()], **look, label=names[replay])
        for n, of_seeds in by_n.items():
            ax.plot([n] * len(of_seeds), of_seeds, marker, color=look["color"], markersize=5, alpha=0.7)
    ax.set(ylim=(-0.03, 1.05), xlim=(3, 52), xlabel=words("比特数 n", "number of bits n"))
    ax.set_ylabel(words("成功率（任意一步）", "success rate (any step)"))
    ax.legend(loc="center", bbox_to_anchor=(0.6, 0.45))
    return ax


#: steps and success at the last step that others reached, read off their own logs and plots: the TQC of
#: rl-baselines3-zoo (one run), and the DDPG of spitis/mrl (three seeds)
READ_OFF = {
    "push": {"rl-baselines3-zoo": (200_000, 0.95), "spitis/mrl": (280_000, 0.95)},
    "pick": {"rl-baselines3-zoo": (350_000, 0.95), "spitis/mrl": (600_000, 0.95)},
    "slide": {"rl-baselines3-zoo": (541_000, 0.6), "spitis/mrl": (330_000, 0.6)},
}


def draw_robots(ax: Axes, curves: Mapping[str, tuple[Sequence[float], np.ndarray]], task: str) -> Axes:
    """Learning curves of one of the Fetch tasks: the ablation of FetchPush, or what the others were trained with.

    Two points say when others were as far; see `READ_OFF`.

    Args:
        curves: by variant: steps, and (n_seeds, n_evaluations) success rates. Variants that belong to neither are left
            out.
        task: "push", "pick" or "slide".
    """
    grasped = words("SAC + HER，多抽动过的，一半从夹住开始", "SAC + HER + moved, half grasped")
    mixed = words("同上，一半目标是以前追求过的", "the same, half of its goals pursued in the past")
    looks = {
        "her_moved": (words("HER，多抽动过的", "HER + moved"), {"color": COLORS["blue"]}),
        "her_energy": (words("HER，按能量抽", "HER + energy"), {"color": COLORS["green"], "linestyle": "-."}),
        "her": ("HER", {"color": COLORS["orange"], "linestyle": "--"}),
        "none_moved": (words("没有 HER，多抽动过的", "no HER, moved"), {"color": COLORS["purple"], "linestyle": ":"}),
        "none": (words("没有 HER", "without HER"), strategy_style("none")),
        "sac_grasped_moved": (grasped, {"color": COLORS["blue"]}),
        "sac_energy": (
            words("SAC + HER，按能量抽", "SAC + HER + energy"),
            {"color": COLORS["green"], "linestyle": "-."},
        ),
        "sac_moved": (words("SAC + HER，多抽动过的", "SAC + HER + moved"), {"color": COLORS["blue"]}),
        "sac_moved_actual": (mixed, {"color": COLORS["vermilion"], "linestyle": "--"}),
    }
    for variant, (label, look) in looks.items():
        if variant in curves:
            draw_seeds(ax, *curves[variant], label, look)
    for (name, point), marker in zip(READ_OFF[task].items(), "Xs", strict=True):
        label = words(f"{name}（读自记录）", f"{name} (read off)")
        ax.plot(*point, marker, color=COLORS["black"], markerfacecolor="none", label=label)
    label_success_axes(ax, language(), "end")
    titles = {
        "push": words("FetchPush：推", "FetchPush"),
        "pick": words("FetchPickAndPlace：抓放", "FetchPickAndPlace"),
        "slide": words("FetchSlide：滑", "FetchSlide"),
    }
    ax.set_title(titles[task])
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.24))  # below: the lines are everywhere
    return ax


def draw_bias(
    ax: Axes,
    k: Sequence[int],
    formula: Sequence[float],
    learned_k: Sequence[int],
    learned: Sequence[float],
    truth: float,
    safe: float,
) -> Axes:
    """What hindsight makes a gamble look worth, by k; what it is worth; and what the safe way is worth.

    Args:
        k, formula: (n,) the value that relabelled batches give it, exactly.
        learned_k, learned: (m,) what a table learned.
        truth, safe: values.
    """
    ax.plot(k, formula, color=COLORS["vermilion"], linestyle="-", label=words("转盘：公式", "wheel: formula"))
    dots = words("转盘：学到的", "wheel: learned")
    ax.plot(learned_k, learned, "o", color=COLORS["vermilion"], markersize=7, label=dots)
    ax.axhline(truth, color=COLORS["black"], linestyle=":", label=words("转盘：真值", "wheel: truth"))
    ax.axhline(safe, color=COLORS["blue"], linestyle="--", label=words("楼梯：真值", "stairs: truth"))
    ax.set(xlabel="k", ylabel=words("价值", "value"), ylim=(truth - 0.8, 0.3))
    ax.legend(loc="center right")
    return ax


def draw_detour(axes: Sequence[Axes], table: Mapping[str, Sequence[float]], truth: float, certain: float) -> None:
    """What hindsight makes of a certain step before a gamble, by k, plain and corrected; and what the correction costs.

    Args:
        table: columns "k"; "plain" and "corrected", values; "effective", the share of the samples that is left.
        truth: what the step is worth.
        certain: what the certain path beside it is worth.
    """
    left, right = axes
    x = range(len(table["k"]))
    for name, colour, marker, label in (
        ("plain", "vermilion", "o", words("进门：HER", "door: HER")),
        ("corrected", "green", "s", words("进门：修正以后", "door: corrected")),
    ):
        left.plot(x, table[name], marker, color=COLORS[colour], markersize=7, label=label)
    left.axhline(truth, color=COLORS["black"], linestyle=":", label=words("进门：真值", "door: truth"))
    left.axhline(certain, color=COLORS["blue"], linestyle="--", label=words("确定的路：真值", "certain path: truth"))
    left.set(ylabel=words("价值", "value"), title=words("转盘前面那一步", "the step before the wheel"))
    left.legend(fontsize=9)
    right.bar(x, table["effective"], color=COLORS["green"], width=0.6)
    right.set(ylim=(0, 1.02), ylabel=words("有效样本的份额", "share of effective samples"))
    right.set_title(words("修正的代价", "what it costs"))
    for ax in axes:
        ax.set(xlabel="k", xticks=list(x), xticklabels=[f"{k}" for k in table["k"]])


def draw_mixture(ax: Axes, steps: np.ndarray, curves: Mapping[str, np.ndarray]) -> Axes:
    """Learning curves by how goals are mixed.

    Args:
        steps: (n,) environment steps.
        curves: "HER" and "mixture": (n_seeds, n) success rates at any step.
    """
    names = {"HER": "HER", "mixture": words("混合", "mixture")}
    for (name, success), colour, dash in zip(curves.items(), ("blue", "vermilion"), ("-", "--"), strict=True):
        draw_seeds(ax, steps, success, names[name], {"color": COLORS[colour], "linestyle": dash})
    label_success_axes(ax, language(), "any")
    ax.legend()
    return ax
