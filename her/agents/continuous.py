"""What agents with continuous actions share: the actions' range, the inputs' normaliser, their state."""

from typing import Any

import numpy as np
import torch

from her.agents.networks import Learner
from her.agents.normalizer import Normalizer


class ContinuousAgent:
    """Sees observations standardised, if its ``config`` says ``normalize``, and the action range as [-1, 1].

    Observations are (n, observation_dim) [state, goal]; the range's ends are (action_dim,). ``seed`` draws the initial
    weights, and all that is drawn later.
    """

    Config: type
    actor: Learner
    critic: Learner

    def __init__(
        self, observation_dim: int, action_low: np.ndarray, action_high: np.ndarray, config: Any = None, seed: int = 0
    ):
        self.config = config or self.Config()
        self.rng = np.random.default_rng(seed)
        low, high = np.asarray(action_low, np.float32), np.asarray(action_high, np.float32)
        self.action_middle, self.action_half = (low + high) / 2, (high - low) / 2
        self._middle, self._half = torch.from_numpy(self.action_middle), torch.from_numpy(self.action_half)
        self.normalizer = Normalizer(observation_dim) if self.config.normalize else None
        self.target_range = self.config.clip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._make_networks(observation_dim, len(low))

    def _make_networks(self, observation_dim: int, action_dim: int) -> None:
        """Make ``actor`` and ``critic``, with torch's generator for their weights."""
        raise NotImplementedError

    def observe(self, observations: torch.Tensor) -> None:
        """Show the normaliser (n, observation_dim) observations as the networks are fed them."""
        if self.normalizer:
            self.normalizer.update(observations)

    @torch.no_grad()
    def q_values(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Q(s, g, a) for (n, observation_dim) observations and (n, action_dim) actions: (n,)."""
        inputs = self._inputs(torch.from_numpy(np.asarray(observations, np.float32)))
        return self._values(inputs, self._unit(torch.from_numpy(np.asarray(actions, np.float32)))).numpy()

    def _values(self, inputs: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """(n,) values of actions in [-1, 1]."""
        return self.critic.network(inputs, actions)

    def _some_random(self, actions: np.ndarray) -> np.ndarray:
        """(n, action_dim) actions, of which a share is replaced by uniformly random ones."""
        random = self.rng.uniform(-1, 1, actions.shape).astype(np.float32)
        return np.where(self.rng.random((len(actions), 1)) < self.config.random_share, random, actions)

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
