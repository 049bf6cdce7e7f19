"""n-step returns with hindsight: the rewards of n transitions in a row under one goal, then the value of their end.

The later actions are those of an older policy, often on the way to another goal, and no importance ratios correct for
that: for n > 1 targets are too low. On a walk at random along a line, with γ = 0.9 and the right values to bootstrap
from, by 0.48 for n = 2, 0.9 for n = 3 and 1.6 for n = 5 (`tests/test_n_step.py`); where the policy was good, less.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from her.batch import Batch, TorchBatch
from her.hindsight import HindsightExperienceReplay
from her.stepwise import StepwiseReplay
from her.validation import check_number, check_positive_integer


@dataclass(slots=True, eq=False, kw_only=True)
class NStepBatch(Batch):
    """A `Batch` in which m transitions in a row, m ≤ n_steps, stand for each: Σ γⁱ·rᵢ, then γᵐ·Q where they led.

    Attributes:
        rewards: (n,) float32, Σ γⁱ·rᵢ under ``goals``.
        next_observations, dones: of the last of the m transitions.
        steps: (n,) m, fewer than n_steps at an end and where the episode ends.
        discounts: (n,) float32, γᵐ.
        gamma: γ.
    """

    steps: np.ndarray
    discounts: np.ndarray
    gamma: float

    def torch(self) -> TorchBatch:
        """As of a `Batch`, but ``dones`` is 1 - γᵐ⁻¹ where it is not 1: what learners add, γ·(1 - done)·Q, is γᵐ·Q."""
        batch = Batch.torch(self)
        carried = batch.dones.new_tensor(self.gamma ** (self.steps - 1))
        return batch._replace(dones=1 - (1 - batch.dones) * carried)


class NStepReturns:
    """Makes batches n-step ones: of at most ``n_steps`` transitions, discounted by ``gamma``, γ of the learner."""

    def __init__(self, *args: Any, n_steps: int = 3, gamma: float = 0.98, **settings: Any):
        self.n_steps = check_positive_integer("n_steps", n_steps)
        self.gamma = check_number("gamma", gamma, lambda x: 0 < x <= 1, "in (0, 1]")
        super().__init__(*args, **settings)

    def sample(self, batch_size: int) -> NStepBatch:
        batch = super().sample(batch_size)
        last, steps = batch.indices % self.capacity, np.ones(batch_size, np.intp)
        for step in range(1, self.n_steps):
            more = np.flatnonzero(~batch.dones & (last + 1 < self.episode_end[last]))
            last[more] += 1
            rewards, batch.dones[more] = self._outcomes(last[more], batch.goals[more], batch.relabelled[more])
            batch.rewards[more] += np.float32(self.gamma**step) * rewards
            steps[more] += 1
        batch.next_observations[:, : self.state_dim] = self.next_states[last]
        given = {field.name: getattr(batch, field.name) for field in fields(Batch)}
        discounts = (self.gamma**steps).astype(np.float32)
        return NStepBatch(**given, steps=steps, discounts=discounts, gamma=self.gamma)

    def _outcomes(self, rows: np.ndarray, goals: np.ndarray, relabelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) rewards and dones under these goals, by the rules of `HindsightExperienceReplay`."""
        achieved, stored_rewards = self.achieved_goals[rows], self.rewards[rows]
        stored_dones = self._rows[rows, self._done] != 0
        rewards = np.where(relabelled, self._rewards_of(rows, achieved, goals), stored_rewards)
        if self.config.done_function is not None:
            return rewards, self._given_dones(achieved, goals)
        dones = stored_dones & (stored_rewards != self.successes.reward)
        if self.success_ends_episode:
            dones |= rewards == self.successes.reward
        return rewards, np.where(relabelled, dones, stored_dones)


class NStepHER(NStepReturns, HindsightExperienceReplay):
    """`HindsightExperienceReplay` with n-step returns."""


class NStepStepwise(NStepReturns, StepwiseReplay):
    """`StepwiseReplay` with n-step returns."""
