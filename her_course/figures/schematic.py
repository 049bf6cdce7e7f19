"""The one schematic of the course: where an experience comes from, and what becomes of it."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from her.plots.style import COLORS
from her_course.figures.alternatives import alternative
from her_course.figures.display import show
from her_course.figures.style import words

#: the parts in their order: name in Chinese and English, and the same for what each of them does
PARTS = {
    "environment": (("环境", "environment"), (r"$s_t,\,a_t\,\to\,s_{t+1}$",) * 2),
    "episode": (("回合", "episode"), (r"$(s_t,a_t,r_t,s_{t+1},g)$",) * 2),
    "buffer": (("回放缓冲区", "replay buffer"), ("原样存下来", "stored as played")),
    "relabel": (("重标注", "relabel"), (r"$g\to g\,',\;\;r\to r_{g\,'}$",) * 2),
    "learner": (("学习器", "learner"), (r"$Q(s,a,g),\;\pi(a\mid s,g)$",) * 2),
}
WIDTH, HEIGHT, STEP = 1.64, 0.9, 2.1


def schematic(*lit: str) -> None:
    """Show environment → episode → buffer → relabel → learner, with the parts in ``lit`` lit.

    Raises:
        ValueError: there is no such part.
    """
    fig, ax = plt.subplots(figsize=(9, 1.75))
    draw_schematic(ax, *lit)
    here = words("、", ", ").join(words(*PARTS[part][0]) for part in lit)
    alt = alternative("schematic", "loop")
    show(fig, alt=alt + words(f"亮着的是：{here}。", f" Lit: {here}.") if lit else alt)


def draw_schematic(ax: Axes, *lit: str) -> Axes:
    """The same on an axis."""
    if unknown := set(lit) - set(PARTS):
        raise ValueError(f"lit: expected some of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    for i, (part, (name, does)) in enumerate(PARTS.items()):
        _box(ax, i * STEP, words(*name), words(*does), part in lit)
        if i:
            _arrow(ax, ((i - 1) * STEP + WIDTH / 2, 0), (i * STEP - WIDTH / 2, 0))
    last, below = (len(PARTS) - 1) * STEP, -1.0
    ax.plot([last, last, 0], [-HEIGHT / 2, below, below], color=COLORS["grey"], linestyle="-", linewidth=1.4)
    _arrow(ax, (0, below), (0, -HEIGHT / 2))
    again = words("用新的策略再去试", "acts again, with the new policy")
    ax.text(last / 2, below, again, ha="center", va="center", fontsize=10, backgroundcolor="white")
    ax.set(xlim=(-WIDTH / 2 - 0.05, last + WIDTH / 2 + 0.05), ylim=(below - 0.2, HEIGHT / 2 + 0.08))
    ax.set_axis_off()
    return ax


def _box(ax: Axes, x: float, name: str, does: str, is_lit: bool) -> None:
    edge, face = (COLORS["vermilion"], "#FFE9D6") if is_lit else ("#AAAAAA", "#F5F5F5")
    box = (x - WIDTH / 2, -HEIGHT / 2), WIDTH, HEIGHT
    shape = {"boxstyle": "round,pad=0,rounding_size=0.12", "linewidth": 2.4 if is_lit else 1.2}
    ax.add_patch(FancyBboxPatch(*box, edgecolor=edge, facecolor=face, **shape))
    colour = "black" if is_lit else "#666666"
    ax.text(x, 0.19, name, ha="center", va="center", color=colour, fontsize=12)
    ax.text(x, -0.2, does, ha="center", va="center", color=colour, fontsize=9.5)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "color": COLORS["grey"], "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=look)
