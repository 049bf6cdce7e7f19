"""Which goal: the strategies that choose the substitute goal of a relabelled transition.

Andrychowicz et al. 2017, §3.3 and §4.5. For a transition at position t (counted from 0) of an episode of T transitions,
with achieved goals g₀ … g_{T-1}, each reached *after* its action:

========  =====================================================
final     g_{T-1}, the last one
future    g_j with j uniform over t … T-1: what this very action reaches is a candidate
episode   g_j with j uniform over 0 … T-1
random    any achieved goal still stored, whichever its episode
========  =====================================================
"""

from __future__ import annotations

from enum import Enum

import numpy as np


class GoalSelectionStrategy(Enum):
    """The four strategies of the paper. ``GoalSelectionStrategy("future")`` reads a name."""

    FINAL = "final"
    FUTURE = "future"
    EPISODE = "episode"
    RANDOM = "random"

    @classmethod
    def of(cls, strategy: GoalSelectionStrategy | str, argument: str = "strategy") -> GoalSelectionStrategy:
        """A strategy, or its name in any case, as a strategy; a ValueError that names the argument if it is none."""
        if isinstance(strategy, cls):
            return strategy
        try:
            return cls(str(strategy).lower())
        except ValueError:
            names = ", ".join(repr(member.value) for member in cls)
            raise ValueError(f"{argument}: expected one of {names}, got {strategy!r}") from None


def draw_positions(
    strategy: GoalSelectionStrategy,
    position: np.ndarray,
    length: np.ndarray,
    uniform: np.ndarray,
    start: np.ndarray | int = 0,
) -> np.ndarray:
    """Where in its own episode each transition's substitute goal was achieved.

    Args:
        strategy: any but RANDOM, whose goals need not be of the same episode.
        position: (n,) t, the transition's position in its episode, from 0.
        length: (n,) T, how many transitions the episode has so far.
        uniform: (n,) numbers drawn uniformly from [0, 1).
        start: what the episode's first position is called, where ``position`` and ``length`` count from there.

    Returns:
        (n,) integers j: the goal achieved after the j-th action.
    """
    if strategy is GoalSelectionStrategy.FUTURE:
        return position + (uniform * (length - position)).astype(np.intp)
    if strategy is GoalSelectionStrategy.FINAL:
        return length - 1
    if strategy is GoalSelectionStrategy.EPISODE:
        return start + (uniform * (length - start)).astype(np.intp)
    raise ValueError(f"strategy: {strategy.value!r} does not draw from the transition's own episode")
