"""The curves of "Find the bug": what was measured with a mistake and without it, and what yours has learned."""

import numpy as np
from matplotlib.axes import Axes

from her.plots.style import COLORS, text
from her_course.faults import Curve, stored_curves


def draw_fault(ax: Axes, exercise: str, lang: str, yours: Curve | None = None) -> Axes:
    """A line for each seed that was trained with the function as handed out, and with a mended one.

    Args:
        exercise: its name; see `her_course.faults.FAULTS`.
        yours: steps and success, (n,) each, of a run with another function.
    """
    looks = {
        "faulty": (text(lang, "发下来的", "as handed out"), COLORS["vermilion"], "--"),
        "mended": (text(lang, "改好的", "mended"), COLORS["blue"], "-"),
    }
    curves = stored_curves(exercise)
    for variant, (label, color, dashes) in looks.items():
        steps, success = curves[variant]
        lines = ax.plot(steps, np.atleast_2d(success).T, color=color, linestyle=dashes, linewidth=1.4)
        lines[0].set_label(f"{label} × {len(lines)}")
    if yours is not None:
        ax.plot(*yours, "o", color=COLORS["black"], markersize=4, label=text(lang, "你的", "yours"))
    batches = exercise == "mended_batch"
    ax.set_xlabel(text(lang, "批", "batches") if batches else text(lang, "环境步数", "environment steps"))
    ax.set_ylabel(text(lang, "成功率", "success rate"))
    ax.set_ylim(-0.03, 1.03)
    ax.legend()
    return ax
