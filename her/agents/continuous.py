"""What agents with continuous actions share: the actions' range, the inputs' normaliser, their state."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from her.agents.networks import Learner
from her.agents.normalizer import Normalizer


class ContinuousAgent:
    """Sees observations standardised, if its ``config`` says ``normalize``, and the action range as [-1, 1].

    Args:
        observation_dim: state_dim + goal_dim.
        action_low, action_high: (action_dim,) the action range.
        normalize: whether inputs are standardised.
        seed: of all that the agent draws after its initial weights.
    """

    actor: Learner
    critic: Learner

    def __init__(
        self, observation_dim: int, action_low: np.ndarray, action_high: np.ndarray, normalize: bool, seed: int
    ):
        self.rng = np.random.default_rng(seed)
        low, high = np.asarray(action_low, np.float32), np.asarray(action_high, np.float32)
        self.action_middle, self.action_half = (low + high) / 2, (high - low) / 2
        self._middle, self._half = torch.from_numpy(self.action_middle), torch.from_numpy(self.action_half)
        self.normalizer = Normalizer(observation_dim) if normalize else None

    def observe(self, observations: torch.Tensor) -> None:
        """Show the normaliser (n, observation_dim) observations as the networks are fed them."""
        if self.normalizer:
            self.normalizer.update(observations)

    def _inputs(self, observations: torch.Tensor) -> torch.Tensor:
        return self.normalizer(observations) if self.normalizer else observations

    def _unit(self, actions: torch.Tensor) -> torch.Tensor:
        return (actions - self._middle) / self._half

    def _parts(self) -> dict[str, Any]:
        """Everything with a ``state`` and a ``load``, by name."""
        parts = {"actor": self.actor, "critic": self.critic}
        return parts | ({"normalizer": self.normalizer} if self.normalizer else {})

    def state(self) -> dict[str, Any]:
        """Of networks, targets, optimisers and normaliser; what ``torch.save`` stores."""
        return {name: part.state() for name, part in self._parts().items()}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        for name, part in self._parts().items():
            part.load(state[name])
