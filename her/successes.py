"""What the stored transitions tell of success: the reward that it brings, and whether it ends episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from her.hindsight import HindsightExperienceReplay


class Successes:
    """Counts the successes among real transitions.

    Attributes:
        reward: that the reward function gives for a reached goal; None until a transition has been seen.
        ended, going_on: how many successes ended their episodes, and how many did not.
    """

    def __init__(self):
        self.reward: np.float32 | None = None
        self.ended = self.going_on = 0

    def count(self, rewards: np.ndarray, dones: np.ndarray) -> np.ndarray:
        """(n,) bool: which of n real transitions reached their goals."""
        reached = rewards == self.reward
        ended = int(np.count_nonzero(reached & dones))
        self.ended += ended
        self.going_on += int(np.count_nonzero(reached)) - ended
        return reached

    def state(self, buffer: HindsightExperienceReplay) -> dict[str, np.ndarray]:
        return {"counts": np.array([np.nan if self.reward is None else self.reward, self.ended, self.going_on])}

    def restore(self, buffer: HindsightExperienceReplay, state: dict[str, np.ndarray]) -> None:
        if state:
            reward, ended, going_on = state["counts"].tolist()
            if not (ended >= 0 and going_on >= 0 and (np.isfinite(reward) or ended == going_on == 0)):
                raise ValueError(f"counts: expected a finite reward and two counts, got {state['counts']}")
            self.reward = None if np.isnan(reward) else np.float32(reward)
            self.ended, self.going_on = int(ended), int(going_on)
            return
        self.__init__()
        if len(buffer):  # it was saved without hindsight
            rows = buffer.live_rows()
            rewards = buffer.rewards[rows]
            self.reward = buffer.try_rewards(buffer.achieved_goals[rows], buffer.desired_goals[rows], rewards)
            self.count(rewards, buffer.dones[rows])
