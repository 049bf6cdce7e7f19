"""What a replay buffer hands to a learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch


class TorchBatch(NamedTuple):
    """A batch as float32 tensors, most of which share the memory of the numpy batch; what a network is fed."""

    observations: torch.Tensor  #: (n, state_dim + goal_dim): [state, goal]
    actions: torch.Tensor  #: (n, action_dim)
    rewards: torch.Tensor  #: (n,)
    next_observations: torch.Tensor  #: (n, state_dim + goal_dim): [next_state, goal]
    dones: torch.Tensor  #: (n,) 1.0 where bootstrapping stops
    weights: torch.Tensor  #: (n,) importance weights


@dataclass(slots=True, eq=False, kw_only=True)
class Batch:
    """n sampled transitions. Every array is the batch's own: changing it changes nothing stored.

    Attributes:
        observations, next_observations: (n, state_dim + goal_dim) float32: [state, goal] and [next_state, goal].
        states, next_states: (n, state_dim) views of these.
        goals: (n, goal_dim) in the dtype of the buffer's goals; the substitute goal where ``relabelled``.
        actions: (n, action_dim) float32.
        rewards: (n,) float32, under ``goals``.
        dones: (n,) bool: where bootstrapping stops under ``goals``.
        achieved_goals: (n, goal_dim), reached after the action.
        relabelled: (n,) bool.
        weights: (n,) float32 importance weights; 1 under uniform sampling.
        indices: (n,) the number of each transition, which no other gets until a file is loaded; what
            ``update_priorities`` takes. The transition is stored in row ``index % buffer.capacity``.
        goal_indices: (n,) the number of the transition that achieved the substitute goal; -1 where there is none.
        goal_sources: (n,) the name of the source that the substitute goal comes from, "" where there is none; None
            unless the goals are drawn from a `her.goals.GoalMixture`.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_observations: np.ndarray
    dones: np.ndarray
    goals: np.ndarray
    achieved_goals: np.ndarray
    relabelled: np.ndarray
    weights: np.ndarray
    indices: np.ndarray
    goal_indices: np.ndarray
    goal_sources: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def states(self) -> np.ndarray:
        return self.observations[:, : -self.achieved_goals.shape[1]]

    @property
    def next_states(self) -> np.ndarray:
        return self.next_observations[:, : -self.achieved_goals.shape[1]]

    def torch(self) -> TorchBatch:
        """[state, goal] joined and ready for a network; but for ``dones``, views of this batch's memory."""
        import torch

        arrays = (self.observations, self.actions, self.rewards, self.next_observations)
        dones = self.dones.astype(np.float32)
        return TorchBatch(*map(torch.from_numpy, (*arrays, dones, self.weights)))
