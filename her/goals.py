"""Which goal: what chooses the substitute goal of a relabelled transition.

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
from typing import TYPE_CHECKING

import numpy as np

from her.validation import check_instance

if TYPE_CHECKING:
    from her.replay import GoalConditionedReplayBuffer


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


class GoalSampler:
    """*Which goal*: subclass it, write `draw`, and pass an instance as the ``strategy`` of a `HERConfig`.

    >>> class NextGoal(GoalSampler):
    ...     "The goal achieved one step later, or at the end of the episode."
    ...     def draw(self, buffer, rows, rng):
    ...         goal_rows = np.minimum(rows + 1, buffer.episode_end[rows] - 1)
    ...         return buffer.achieved_goals[goal_rows], goal_rows

    Attributes:
        candidates: pairs of a transition and a goal that are drawn for each that `pick` leaves in the batch.
    """

    candidates = 1

    def draw(
        self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Substitute goals for the transitions in (n,) ``rows``.

        An episode lies in the rows ``buffer.episode_start[row]`` to ``buffer.episode_end[row] - 1``.

        Returns:
            (n, goal_dim) goals, and (n,) the rows that they were achieved in; -1 for a goal that nobody achieved.
        """
        raise NotImplementedError

    def pick(self, goals: np.ndarray, desired: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """n indices out of the ``candidates``·n drawn pairs of a transition and a goal; asked if ``candidates`` > 1.

        Args:
            goals: (candidates·n, goal_dim) the substitute goals.
            desired: (candidates·n, goal_dim) the desired goals of the transitions.
        """
        raise NotImplementedError

    def observe(self, achieved: np.ndarray, desired: np.ndarray, reached: np.ndarray) -> None:
        """A real episode has ended: its goals, (T, goal_dim) each, and where the desired one was reached, (T,) bool."""

    def state(self, buffer: GoalConditionedReplayBuffer) -> dict[str, np.ndarray]:
        """What `save` has to keep."""
        return {}

    def restore(self, buffer: GoalConditionedReplayBuffer, state: dict[str, np.ndarray]) -> None:
        """Take back what `state` gave; {} if a buffer with other goals saved the file. Raise if it cannot be."""


class StrategyGoals(GoalSampler):
    """Goals drawn by one of the paper's four strategies, which may be changed at any time.

    Attributes:
        strategy: a `GoalSelectionStrategy`, or its name.
    """

    def __init__(self, strategy: GoalSelectionStrategy | str):
        self.strategy = GoalSelectionStrategy.of(strategy)

    def draw(self, buffer, rows, rng):
        if self.strategy is GoalSelectionStrategy.RANDOM:
            goal_rows = buffer.rows_at(rng.random(len(rows)))
        else:
            end = buffer.episode_end.take(rows)
            if self.strategy is GoalSelectionStrategy.FINAL:
                goal_rows = end - 1
            else:
                first = rows if self.strategy is GoalSelectionStrategy.FUTURE else buffer.episode_start.take(rows)
                goal_rows = first + (rng.random(len(rows)) * (end - first)).astype(np.intp)
        return buffer.achieved_goals.take(goal_rows, axis=0), goal_rows


def as_goal_sampler(strategy: GoalSampler | GoalSelectionStrategy | str, argument: str = "strategy") -> GoalSampler:
    """The sampler of a strategy or of its name; a `GoalSampler` is one already."""
    if isinstance(strategy, GoalSelectionStrategy | str):
        return StrategyGoals(GoalSelectionStrategy.of(strategy, argument))
    return check_instance(argument, strategy, GoalSampler, ", or the name of a strategy")
