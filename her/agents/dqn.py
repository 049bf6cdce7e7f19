"""Double DQN with universal value functions: Q(s, g, a), one output per action."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss, smooth_l1_loss

from her.agents.networks import Learner, LearnerConfig, mlp
from her.batch import TorchBatch
from her.validation import check_number

INPUTS = ("pair", "difference", "agreement", "both")
LOSSES = {"huber": smooth_l1_loss, "squared": mse_loss}


class Comparison(nn.Module):
    """(n, 2·d) [state, goal] → what `DQNConfig.inputs` says, for other ``inputs`` than "pair"."""

    def __init__(self, inputs: str):
        super().__init__()
        self.inputs = inputs

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        state, goal = observations.chunk(2, dim=1)
        if self.inputs == "agreement":
            return (state == goal).float()
        differ = (state != goal).float()
        return torch.cat([state, differ], dim=1) if self.inputs == "both" else differ


class SharedOverBits(nn.Module):
    """(n, 2·d) [state, goal] → (n, d) Q: one network values the flip of each bit, by that bit's state and goal and by
    the mean over all bits of what a second network makes of them (Deep Sets; Zaheer et al. 2017, §3.1).
    """

    def __init__(self, hidden: Sequence[int]):
        super().__init__()
        self.embed = nn.Sequential(mlp(2, hidden, hidden[-1]), nn.ReLU())
        self.value = mlp(2 * hidden[-1], hidden, 1)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        state, goal = observations.chunk(2, dim=1)
        each = self.embed(torch.stack([state, goal], dim=2))  # (n, d, width)
        mean = each.mean(dim=1, keepdim=True).expand_as(each)
        return self.value(torch.cat([each, mean], dim=2)).squeeze(2)


@dataclass(frozen=True)
class DQNConfig(LearnerConfig):
    """Settings of `DQN`; one hidden layer of 256 as in the paper's bit flipping (Andrychowicz et al. 2017, §3.1).

    Attributes:
        epsilon: share of random actions while exploring.
        loss: "huber", in which errors beyond 1 count linearly (Mnih et al. 2015), or "squared".
        double: choose the next action with the network and value it with the target (van Hasselt et al. 2016).
        inputs: what the network is fed, for states and goals of the same bits: "pair" is [state, goal], "difference"
            only which entries differ (state XOR goal), as 0 and 1, "agreement" only which do not, "both" is
            [state, which differ].
        shared: whether all bits share their weights (`SharedOverBits`), for actions that each flip one entry. Such a
            network knows beforehand that bits are alike, which a plain one has to learn for each.
    """

    hidden: tuple[int, ...] = (256,)
    epsilon: float = 0.2
    loss: str = "huber"
    double: bool = True
    inputs: str = "pair"
    shared: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_number("epsilon", self.epsilon, lambda x: 0 <= x <= 1, "in [0, 1]")
        for name, known in (("inputs", INPUTS), ("loss", LOSSES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.shared and self.inputs != "pair":
            raise ValueError(f"shared: expected inputs to be 'pair', got {self.inputs!r}")


class DQN:
    """Deep Q-learning (Mnih et al. 2015) on [state, goal], (n, observation_dim), with ``n_actions`` actions.

    ``seed`` draws the initial weights, and what is explored.
    """

    def __init__(self, observation_dim: int, n_actions: int, config: DQNConfig | None = None, seed: int = 0):
        self.config = config = config or DQNConfig()
        self.n_actions = n_actions
        self.rng = np.random.default_rng(seed)
        if config.shared and observation_dim != 2 * n_actions:
            raise ValueError(f"shared: expected an action for each of {observation_dim // 2} bits, got {n_actions}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            width = observation_dim // (2 if config.inputs in ("difference", "agreement") else 1)
            make = SharedOverBits if config.shared else partial(mlp, width, output_dim=n_actions)
            network, target = make(hidden=config.hidden), make(hidden=config.hidden)
        if config.inputs != "pair":
            network, target = (nn.Sequential(Comparison(config.inputs), *one) for one in (network, target))
        self.q = Learner(network, target, config.learning_rate, config.tau)
        self.target_range = config.clip
        self.loss = LOSSES[config.loss]

    @torch.no_grad()
    def q_values(self, observations: np.ndarray) -> np.ndarray:
        """Q(s, g, ·) for (n, observation_dim) observations: (n, n_actions)."""
        return self.q.network(torch.from_numpy(observations)).numpy()

    def act(self, observations: np.ndarray, explore: bool = False) -> np.ndarray:
        """(n,) actions: the best ones, or, while exploring, random ones for a share ε."""
        greedy = self.q_values(observations).argmax(axis=1)
        if not explore:
            return greedy
        random = self.rng.integers(self.n_actions, size=len(greedy))
        return np.where(self.rng.random(len(greedy)) < self.config.epsilon, random, greedy)

    def update(self, batch: TorchBatch) -> np.ndarray:
        """One gradient step; returns the (n,) TD errors, target - Q."""
        config, q = self.config, self.q
        with torch.no_grad():
            values = q.target(batch.next_observations)
            if config.double:
                best = q.network(batch.next_observations).argmax(dim=1, keepdim=True)
                next_values = values.gather(1, best).squeeze(1)
            else:
                next_values = values.max(dim=1).values
            targets = batch.rewards + config.gamma * (1 - batch.dones) * next_values
            if self.target_range:
                targets.clamp_(*self.target_range)
        chosen = q.network(batch.observations).gather(1, batch.actions.long()).squeeze(1)
        errors = targets - chosen
        q.minimise((batch.weights * self.loss(chosen, targets, reduction="none")).mean())
        q.follow()
        return errors.detach().numpy()

    def observe(self, observations: torch.Tensor) -> None:
        """Nothing to learn about the inputs: bits are ±1 already."""

    def state(self) -> dict[str, Any]:
        """Of the network, its target and optimiser; what ``torch.save`` stores."""
        return {"q": self.q.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.q.load(state["q"])
