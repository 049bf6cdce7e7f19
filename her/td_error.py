"""Which transition: by the size of its TD error, or by the error's rank. Settings out of range are ValueErrors."""

import numpy as np

from her.replay import GoalConditionedReplayBuffer, TransitionSampler
from her.sum_tree import SumTree
from her.validation import check_number, check_positive_integer, check_state


class ProportionalTransitions(TransitionSampler):
    """P(i) = pᵢ^α / Σⱼ pⱼ^α, where pᵢ = |δᵢ| + ε is the size of the TD error (Schaul et al. 2016, §3.3, proportional).

    Drawing some transitions more often than others biases the learner; importance weights undo the share β of that bias
    (§3.4): wᵢ = (N·P(i))^-β, divided by the largest of the batch. β grows linearly to 1. A transition that was never
    drawn has the largest priority there was so far, so that each is drawn soon.

    **A priority is an estimate.** The TD error belongs to a transition *and a goal*, and with hindsight the goal is
    drawn anew every time: what is stored is the error under the goal of the last visit. ``smoothing`` averages over
    visits, |δ| ← smoothing·|δ| + (1 - smoothing)·|newest δ|; a larger ``epsilon`` keeps a transition in play that had
    nothing to teach under one goal. Where a batch holds a transition more than once, its largest error counts.

    Args:
        alpha: α, how much priorities matter; 0 is uniform sampling.
        beta: β at the beginning, in [0, 1].
        beta_batches: batches drawn until β is 1. The paper reaches 1 at the end of learning.
        epsilon: ε > 0, in units of TD error. With rewards of -1 and 0, errors of some 0.3 are usual in training.
        smoothing: the weight of earlier visits, in [0, 1).
    """

    def __init__(
        self,
        alpha: float = 0.6,
        beta: float = 0.4,
        beta_batches: int = 100_000,
        epsilon: float = 0.1,
        smoothing: float = 0.0,
    ):
        self.alpha = check_number("alpha", alpha, lambda x: x >= 0, "at least 0")
        self.first_beta = check_number("beta", beta, lambda x: 0 <= x <= 1, "in [0, 1]")
        self.beta_batches = check_positive_integer("beta_batches", beta_batches)
        self.epsilon = check_number("epsilon", epsilon, lambda x: x > 0, "above 0")
        self.smoothing = check_number("smoothing", smoothing, lambda x: 0 <= x < 1, "in [0, 1)")
        self.batches = 0
        self.largest = 1.0  # priority, before it is raised to the power of α
        self.errors = np.zeros(0, np.float32)  # |δ| of each row, smoothed; NaN where no error is known
        self.tree = SumTree(0)

    @property
    def beta(self) -> float:
        """β as it is now."""
        return min(1.0, self.first_beta + (1 - self.first_beta) * self.batches / self.beta_batches)

    def priorities(self, rows: np.ndarray) -> np.ndarray:
        """(n,) p^α of these rows, float64: their probabilities up to the common factor. 0 where nothing is stored."""
        return self.tree.values[rows]

    def sample(self, buffer, n, rng):
        rows, probabilities = self.tree.draw(rng.random(n))
        weights = (len(buffer) * probabilities) ** -self.beta
        self.batches += 1
        return rows, (weights / weights.max()).astype(np.float32)

    def stored(self, buffer, rows):
        if not self.tree.size:
            self._begin(buffer)
        self.errors[rows] = np.nan
        self.tree.set(rows, self._values(self.errors[rows]))

    def evicted(self, buffer, rows):
        self.tree.set(rows, 0.0)

    @np.errstate(under="ignore")
    def update(self, buffer, rows, td_errors):
        errors = np.abs(td_errors)
        order = errors.argsort()  # the largest error of a row is written last, and so counts
        rows, errors = rows[order], errors[order]
        if self.smoothing:
            before = self.errors[rows]
            smoothed = self.smoothing * before + (1 - self.smoothing) * errors
            errors = np.where(np.isnan(before), errors, smoothed)
        self.errors[rows] = errors
        self.largest = max(self.largest, float(errors.max()) + self.epsilon)
        self.tree.set(rows, self._values(errors))

    def report(self, buffer: GoalConditionedReplayBuffer) -> dict[str, float]:
        """β, the share of transitions that were never drawn, and the effective share.

        That is (Σp)² / (N·Σp²), p raised to α: 1 under uniform sampling, ½ where half of the transitions share it all.
        """
        rows = buffer.live_rows()
        if not len(rows):
            return {"beta": self.beta, "unseen_share": 0.0, "effective_share": 1.0}
        p = self.priorities(rows)
        return {
            "beta": self.beta,
            "unseen_share": float(np.isnan(self.errors[rows]).mean()),
            "effective_share": float(p.sum() ** 2 / (len(p) * (p @ p))),
        }

    def state(self, buffer):
        rows = buffer.live_rows()
        numbers = [self.alpha, self.epsilon, self.largest, self.batches]
        return {"errors": self.errors[rows], "values": self.priorities(rows), "numbers": np.array(numbers)}

    def restore(self, buffer, state):
        self._begin(buffer)
        self.largest, self.batches = 1.0, 0
        rows = buffer.live_rows()
        if not state:
            self.stored(buffer, rows)
            return
        values = check_state("values", state["values"], rows)
        alpha, epsilon, self.largest, batches = check_state("numbers", state["numbers"], np.zeros(4)).tolist()
        self.batches = int(batches)
        self.errors[rows] = errors = check_state("errors", state["errors"], rows, unknown=True)
        # With the same settings, p^α as it was: an unseen transition keeps the largest priority of the time it came.
        same = (alpha, epsilon) == (self.alpha, self.epsilon)
        self.tree.set(rows, values if same else self._values(errors))

    def _values(self, errors: np.ndarray) -> np.ndarray:
        """p^α for (n,) |δ|; float64."""
        priorities = np.where(np.isnan(errors), self.largest, errors.astype(np.float64) + self.epsilon)
        return priorities**self.alpha

    def _begin(self, buffer: GoalConditionedReplayBuffer) -> None:
        self.tree, self.errors = SumTree(buffer.capacity), np.full(buffer.capacity, np.nan, np.float32)


class RankTransitions(ProportionalTransitions):
    """P(i) ∝ 1 / rank(i)^α, the largest TD error having rank 1 (Schaul et al. 2016, §3.3, rank-based).

    Outliers matter less: however large an error is, it is at most the first. Errors are sorted once every
    ``sort_every`` updates only; until then, a new error gets the rank that it would have had at the last sorting. Equal
    errors share the best of their ranks, and transitions that were never drawn share rank 1.

    Args:
        sort_every: updates between two sortings, each of which takes O(N log N).
        alpha, beta, beta_batches, smoothing: see `ProportionalTransitions`.
    """

    def __init__(
        self,
        alpha: float = 0.7,
        beta: float = 0.5,
        beta_batches: int = 100_000,
        smoothing: float = 0.0,
        sort_every: int = 1000,
    ):
        super().__init__(alpha, beta, beta_batches, smoothing=smoothing)
        self.sort_every = check_positive_integer("sort_every", sort_every)
        self.sorted = np.zeros(0, np.float32)
        self.updates = 0  # since the last sorting

    def sample(self, buffer, n, rng):
        if self.updates >= self.sort_every or (self.updates and not len(self.sorted)):
            rows = buffer.live_rows()
            self.sorted, self.updates = np.sort(self.errors[rows]), 0  # NaN, never drawn, comes last: first in rank
            self.tree.set(rows, self._values(self.errors[rows]))
        return super().sample(buffer, n, rng)

    def update(self, buffer, rows, td_errors):
        super().update(buffer, rows, td_errors)
        self.updates += 1

    def state(self, buffer):
        return super().state(buffer) | {"sorted": self.sorted, "updates": np.array(self.updates)}

    def restore(self, buffer, state):
        self.sorted, self.updates = np.zeros(0, np.float32), 0
        if state:
            self.sorted = check_state("sorted", state["sorted"], state["sorted"].reshape(-1), unknown=True)
            self.updates = int(check_state("updates", state["updates"], 0))
        super().restore(buffer, state)

    def _values(self, errors):
        larger = len(self.sorted) - self.sorted.searchsorted(errors, side="right")
        return (1.0 + larger) ** -self.alpha
