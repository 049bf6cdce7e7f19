"""Learning curves of a handful of seeds: every seed is drawn, and their mean."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes


def draw_seeds(ax: Axes, steps: Sequence[float], success: np.ndarray, label: str, style: dict) -> Axes:
    """A thin line for each seed and a thick one for their mean: below ten seeds, no band says more.

    Args:
        steps: (n_evaluations,) environment steps.
        success: (n_seeds, n_evaluations) success rates.
        label: of the mean; the number of seeds is added.
        style: keywords for `Axes.plot`, with a "color".
    """
    success = np.atleast_2d(success)
    if len(success) > 1:
        ax.plot(steps, success.T, color=style["color"], linestyle="-", linewidth=0.8, alpha=0.45)
    ax.plot(steps, success.mean(axis=0), label=f"{label} (n = {len(success)})", **style)
    return ax
