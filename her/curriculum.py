"""Which goal, and when: a `HindsightExperienceReplay` with a curriculum, by name."""

from typing import Any

import numpy as np

from her.cher import Cher
from her.goals import GoalSampler
from her.hindsight import HERConfig, HindsightExperienceReplay
from her.reach import ReachGoals
from her.replay import TransitionSampler
from her.validation import as_array, check_finite, check_instance

CURRICULA: dict[str, type[GoalSampler]] = {"reach": ReachGoals, "cher": Cher}


class CurriculumHER(HindsightExperienceReplay):
    """A `HindsightExperienceReplay` whose substitute goals follow a curriculum.

    Any curriculum combines with any priority, since which transition is drawn is a choice of its own: ``transitions``.

    Args:
        capacity, state_dim, action_dim, goal_dim, config, goal_dtype, seed, transitions: as in the parent class.
        curriculum: "reach" (`ReachGoals`) or "cher" (`Cher`); either starts from what the strategy of ``config`` draws.
        settings: of that curriculum; a ValueError or TypeError names one that cannot be.

    >>> buffer = CurriculumHER(1_000_000, 25, 4, 3, config, curriculum="reach")               # doctest: +SKIP
    >>> goals = buffer.rollout_goals(obs["achieved_goal"], obs["desired_goal"])               # doctest: +SKIP
    """

    goals: ReachGoals | Cher

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        config: HERConfig,
        *,
        curriculum: str = "reach",
        goal_dtype: type = np.float32,
        seed: int | np.random.SeedSequence | None = None,
        transitions: TransitionSampler | None = None,
        **settings: Any,
    ):
        if curriculum not in CURRICULA:
            raise ValueError(f"curriculum: expected one of {', '.join(map(repr, CURRICULA))}, got {curriculum!r}")
        goals = CURRICULA[curriculum](check_instance("config", config, HERConfig).strategy, **settings)
        dims = capacity, state_dim, action_dim, goal_dim
        super().__init__(*dims, config, goal_dtype=goal_dtype, seed=seed, transitions=transitions, goals=goals)

    def rollout_goals(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """(n, goal_dim) goals for n episodes about to begin, where ``reset(options={"goal": …})`` takes them.

        From (n, goal_dim) finite goals, achieved at the start and set by the environment: see `ReachGoals.propose`.
        With "cher" they are the environment's own.
        """
        achieved = as_array("achieved", achieved, self.goal_dtype)
        desired = as_array("desired", desired, self.goal_dtype)
        for name, goals in (("achieved", achieved), ("desired", desired)):
            if goals.shape != (*desired.shape[:1], self.goal_dim) or not len(goals):
                raise ValueError(f"{name}: expected shape (n, goal_dim={self.goal_dim}), got {goals.shape}")
            check_finite(name, goals)
        if isinstance(self.goals, ReachGoals):
            return self.goals.propose(self, achieved, desired, self.rng)
        return desired

    def report(self) -> dict[str, Any]:
        """How far the curriculum has come: see `ReachGoals.report` and `Cher.report`."""
        return self.goals.report()
