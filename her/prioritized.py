"""Which transition: a `HindsightExperienceReplay` that draws some more often than others, by name."""

from typing import Any

import numpy as np

from her.energy import EnergyTransitions, MovedTransitions
from her.goals import GoalSampler
from her.hindsight import HERConfig, HindsightExperienceReplay
from her.replay import TransitionSampler
from her.td_error import ProportionalTransitions, RankTransitions

SAMPLERS: dict[str, type[TransitionSampler]] = {
    "td": ProportionalTransitions,
    "rank": RankTransitions,
    "energy": EnergyTransitions,
    "moved": MovedTransitions,
}


class PrioritizedHER(HindsightExperienceReplay):
    """A `HindsightExperienceReplay` that draws some transitions more often than others.

    Any goal strategy combines with any priority: which transition is drawn and which goal it gets are two choices.

    Args:
        capacity, state_dim, action_dim, goal_dim, config, goal_dtype, seed, goals: see `HindsightExperienceReplay`.
        priority: "td" (`ProportionalTransitions`), "rank" (`RankTransitions`), "energy" (`EnergyTransitions`) or
            "moved" (`MovedTransitions`).
        settings: of that sampler. "energy" needs ``position`` and ``dt``, "moved" needs ``position``.

    >>> buffer = PrioritizedHER(1_000_000, 25, 4, 3, config, priority="td", alpha=0.6)        # doctest: +SKIP
    >>> batch = buffer.sample(256)                                                            # doctest: +SKIP
    >>> buffer.update_priorities(batch.indices, td_errors)                                    # doctest: +SKIP
    """

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        config: HERConfig,
        *,
        priority: str = "td",
        goal_dtype: type = np.float32,
        seed: int | np.random.SeedSequence | None = None,
        goals: GoalSampler | None = None,
        **settings: Any,
    ):
        if priority not in SAMPLERS:
            raise ValueError(f"priority: expected one of {', '.join(map(repr, SAMPLERS))}, got {priority!r}")
        transitions, dims = SAMPLERS[priority](**settings), (capacity, state_dim, action_dim, goal_dim)
        super().__init__(*dims, config, goal_dtype=goal_dtype, seed=seed, transitions=transitions, goals=goals)

    def report(self) -> dict[str, float]:
        """How the priorities stand; see the sampler's ``report``."""
        return self.transitions.report(self)
