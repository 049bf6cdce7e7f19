"""Which goal: what chooses the substitute goal of a relabelled transition.

Andrychowicz et al. 2017, §3.3 and §4.5. For a transition at position t (counted from 0) of an episode of T transitions,
with achieved goals g₀ … g_{T-1}, each reached *after* its action:

========  =====================================================
final     g_{T-1}, the last one
future    g_j with j uniform over t … T-1: what this very action reaches is a candidate
episode   g_j with j uniform over 0 … T-1
random    any achieved goal still stored, whichever its episode
========  =====================================================

A mixture draws each goal from one of these, or from a fifth source:

========  =====================================================
actual    the desired goal of any transition still stored, whichever its episode and whether it was reached or not
========  =====================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from her.validation import check_number

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
        try:
            return cls(str(getattr(strategy, "value", strategy)).lower())
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
            (n, goal_dim) goals, and (n,) the rows that they were achieved in; -1 for a goal that nobody achieved. A
            mixture also gives, as a third, (n,) the names of the sources that they come from.
        """
        raise NotImplementedError

    def pick(self, goals: np.ndarray, desired: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """n indices out of the ``candidates``·n drawn pairs of a transition and a goal; asked if ``candidates`` > 1.

        The substitute goals and the desired goals of the transitions are (candidates·n, goal_dim) each.
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
    """Goals drawn by one of the paper's four strategies; set ``strategy`` to another, or its name, at any time."""

    def __init__(self, strategy: GoalSelectionStrategy | str):
        self.strategy = strategy

    @property
    def strategy(self) -> GoalSelectionStrategy:
        return self._strategy

    @strategy.setter
    def strategy(self, strategy: GoalSelectionStrategy | str) -> None:
        self._strategy = GoalSelectionStrategy.of(strategy)

    def draw(self, buffer, rows, rng):
        strategy = self._strategy
        if strategy is GoalSelectionStrategy.RANDOM:
            goal_rows = buffer.rows_at(rng.random(len(rows)))
        else:
            end = buffer.episode_end.take(rows)
            if strategy is GoalSelectionStrategy.FINAL:
                goal_rows = end - 1
            else:
                first = rows if strategy is GoalSelectionStrategy.FUTURE else buffer.episode_start.take(rows)
                goal_rows = first + (rng.random(len(rows)) * (end - first)).astype(np.intp)
        return buffer.achieved_goals.take(goal_rows, axis=0), goal_rows


class ActualGoals(GoalSampler):
    """Desired goals of stored transitions: what was pursued in the past."""

    def draw(self, buffer, rows, rng):
        return buffer.desired_goals[buffer.rows_at(rng.random(len(rows)))], np.full(len(rows), -1)


class GeometricFuture(GoalSampler):
    """g_j with j in t … T-1 drawn with probability ∝ discount^(j-t): near ones more often; a discount of 1 is "future".

    (OGBench, Park et al. 2025, gives the last goal what would lie beyond the episode's end.)
    """

    def __init__(self, discount: float):
        self.discount = check_number("discount", discount, lambda x: 0 < x <= 1, "in (0, 1]")

    def draw(self, buffer, rows, rng):
        u, left, log = rng.random(len(rows)), buffer.episode_end[rows] - rows, math.log(self.discount)
        # With n goals left, P(j - t < d) = (1 - discount^d) / (1 - discount^n); solved for d, which is rounded down.
        steps = np.log1p(u * np.expm1(left * log)) / log if log else u * left
        goal_rows = rows + np.minimum(steps.astype(np.intp), left - 1)
        return buffer.achieved_goals[goal_rows], goal_rows


class GoalMixture(GoalSampler):
    """Each goal comes from one of several sources, drawn by their shares; ``batch.goal_sources`` says from which.

    "future" with "actual" is how Pitis et al. 2020 relabel: while an agent is clumsy, the goals that it reaches are not
    yet those that it is asked for.

    Args:
        shares: of "future", "final", "episode", "random" and "actual"; they sum to 1. A ``discount`` among them makes
            the future a `GeometricFuture`. Set the attribute to change the mixture from the next batch on.
        argument: what errors, a ValueError each, call the shares.

    >>> str(GoalMixture({"future": 0.5, "actual": 0.5, "discount": 0.98}))
    'future=0.5,actual=0.5,discount=0.98'
    """

    def __init__(self, shares: Mapping[str, float], argument: str = "strategy"):
        self._argument = argument
        self.shares = shares

    @property
    def shares(self) -> dict[str, float]:
        return dict(self._shares)

    @shares.setter
    def shares(self, shares: Mapping[str, float]) -> None:
        shares, argument = {getattr(name, "value", name): share for name, share in shares.items()}, self._argument
        future = GeometricFuture(shares.get("discount", 1.0))
        sources = {name: share for name, share in shares.items() if name != "discount"}
        for name, share in sources.items():
            if name not in SOURCES:
                raise ValueError(f"{argument}: expected shares of {', '.join(map(repr, SOURCES))}, got one of {name!r}")
            check_number(argument, share, lambda x: 0 <= x <= 1, f"from 0 to 1 as the share of {name!r}")
        if not math.isclose(sum(sources.values()), 1, abs_tol=1e-6):
            raise ValueError(f"{argument}: expected shares that sum to 1, got {sources}")
        self._shares, self._names = shares, np.array(list(sources))
        self._until = np.cumsum(list(sources.values()))[:-1]
        special = {"future": future, "actual": ActualGoals()}
        self._samplers = [special[name] if name in special else StrategyGoals(name) for name in sources]

    def draw(self, buffer, rows, rng):
        goals, goal_rows = np.empty((len(rows), buffer.goal_dim), buffer.goal_dtype), np.empty(len(rows), np.intp)
        drawn = self._until.searchsorted(rng.random(len(rows)), side="right")
        for i, sampler in enumerate(self._samplers):
            chosen = np.flatnonzero(drawn == i)
            goals[chosen], goal_rows[chosen] = sampler.draw(buffer, rows[chosen], rng)
        return goals, goal_rows, self._names[drawn]

    def __str__(self) -> str:
        return ",".join(f"{name}={float(value)!r}" for name, value in self._shares.items())


SOURCES = (*(strategy.value for strategy in GoalSelectionStrategy), "actual")
Strategy = GoalSelectionStrategy | GoalSampler | Mapping[str, float] | str


def read_strategy(strategy: Strategy, argument: str = "strategy") -> GoalSelectionStrategy | GoalSampler:
    """What is meant by a name, by shares, or by a text of shares; a ValueError names the argument.

    >>> read_strategy("future=0.5,actual=0.5").shares
    {'future': 0.5, 'actual': 0.5}
    """
    if isinstance(strategy, GoalSampler):
        return strategy
    if isinstance(strategy, str) and "=" in strategy:
        words = [[part.strip() for part in word.split("=")] for word in strategy.split(",")]
        try:
            shares = {name.lower(): float(share) for name, share in words}
        except ValueError:
            raise ValueError(f"{argument}: expected shares as in future=0.5,actual=0.5, got {strategy!r}") from None
        if len(shares) < len(words):
            raise ValueError(f"{argument}: expected each source once, got {strategy!r}")
        strategy = shares
    shares = {"actual": 1.0} if strategy == "actual" else strategy
    return GoalMixture(shares, argument) if isinstance(shares, Mapping) else GoalSelectionStrategy.of(shares, argument)


def as_goal_sampler(strategy: Strategy, argument: str = "strategy") -> GoalSampler:
    """The sampler of a strategy, however it is written; a `GoalSampler` is one already."""
    strategy = read_strategy(strategy, argument)
    return StrategyGoals(strategy) if isinstance(strategy, GoalSelectionStrategy) else strategy
