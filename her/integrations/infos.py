"""Rewards that depend on what the environment said of a transition, and not on its goals alone."""

from typing import Any

import numpy as np

from her.rewards import BatchedReward
from her.stepwise import StepwiseReplay


class ReplayWithInfos(StepwiseReplay):
    """Its reward function, ``f(achieved, desired, infos)``, is also given what the environment said of each transition.

    Whether a function takes batches is found out by calling it on slices and repetitions of rows. So that each row
    keeps its info, its number goes along in a column of its own.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.reward_function = BatchedReward(self._with_infos)
        self.infos = np.empty(self.capacity + self.n_envs, object)  # at the end, those of the step to be stored

    def add(self, *args: Any, infos: list[dict[str, Any]], **kwargs: Any) -> np.ndarray:
        self.infos[self.capacity :] = infos
        rows = super().add(*args, **kwargs)
        self.infos[rows] = infos
        return rows

    def _move_to_the_beginning(self, ring):
        infos = self.infos[ring.head - ring.open : ring.head].copy()
        super()._move_to_the_beginning(ring)
        self.infos[ring.first : ring.first + len(infos)] = infos

    def _rewards_of(self, rows, achieved, goals):
        rows = self.capacity + np.arange(len(achieved)) if rows is None else rows
        return self.reward_function(np.column_stack([achieved, rows]), np.column_stack([goals, rows]))

    def _with_infos(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray | float:
        infos = self.infos[achieved[..., -1].astype(np.intp)]
        goals = (numbered[..., :-1].astype(self.goal_dtype) for numbered in (achieved, desired))
        return self.config.reward_function(*goals, infos)
