"""CHER: of many relabelled transitions, those whose goals differ from each other at first, and are near later.

Settings out of range are ValueErrors.
"""

import math

import numpy as np

from her.goals import GoalSampler, Strategy, as_goal_sampler
from her.validation import check_count, check_number, check_positive_integer, check_state


class Cher(GoalSampler):
    """Picks relabelled transitions whose goals differ from each other and are near the true goals (Fang et al. 2019).

    Out of twice as many candidates, those are picked that maximise F(A) = Σᵢ maxⱼ sim(gᵢ, gⱼ) - λ·Σⱼ ‖gⱼ - dⱼ‖, where i
    runs over all candidates and j over the picked ones, A; g is a substitute goal, d the desired goal of the episode it
    comes from, and sim = exp(-‖gᵢ - gⱼ‖²/σ²), σ being the mean distance of a candidate to its nearest neighbour. λ
    grows with every batch: diversity counts first, proximity later. Its schedule is to be as long as the training is;
    `her.training` sees to that.

    **Where this follows the paper and not the released code**: λ keeps growing (there, the step goes back to 0 every
    epoch); proximity is to the desired goal (there, between the goal that has already taken its place and the one
    achieved before the action); the coverage, maxⱼ, grows by what is picked (there, also by candidates that are only
    compared); any candidate may cover any other (there, only its nearest neighbour, and never itself). Real transitions
    are not picked but keep their share of the batch: their own goal would always be the nearest.

    Of transitions that are not drawn uniformly, picked ones keep their importance weights, up to a common factor.

    Args:
        strategy: which draws the candidates' goals; as that of a `HERConfig`.
        proximity: λ₀, for each unit of distance between goals.
        growth: how many times λ₀ λ is at the end: λ = λ₀·growth^(step/growth_batches), step counting batches.
        growth_batches: batches until then. The default is the authors' rate, a factor of 1 + 10⁻⁴ a batch.
        candidates: how many for each that is picked; at least 2.
        group: the most that are picked together, each group having candidates of its own. The authors pick 64 of 128.
    """

    def __init__(
        self,
        strategy: Strategy = "future",
        proximity: float = 1.0,
        growth: float = 100.0,
        growth_batches: int = 46_000,
        candidates: int = 2,
        group: int = 64,
    ):
        self.goals = as_goal_sampler(strategy)
        self.proximity = check_number("proximity", proximity, lambda x: x >= 0, "at least 0")
        self.growth = check_number("growth", growth, lambda x: 1 <= x <= 1e9, "from 1 to 1e9")
        self.growth_batches = check_positive_integer("growth_batches", growth_batches)
        self.candidates = check_count("candidates", candidates, 2, "at least 2 for each that is picked")
        self.group = check_positive_integer("group", group)
        self.step = 0

    @property
    def weight(self) -> float:
        """λ as it is now."""
        return self.proximity * self.growth ** min(1.0, self.step / self.growth_batches)

    def draw(self, buffer, rows, rng):
        return self.goals.draw(buffer, rows, rng)

    @np.errstate(under="ignore")
    def pick(self, goals, desired, n, rng):
        goals = goals.astype(np.float64)  # bool has no difference, and that of unsigned numbers wraps around
        distances = np.linalg.norm(goals - desired, axis=1)
        groups = np.array_split(np.arange(len(goals)), max(1, math.ceil(n / self.group)))
        picked = []
        for i, group in enumerate(groups):
            picks = n // len(groups) + (i < n % len(groups))
            picked.append(group[pick_diverse(goals[group], self.weight * distances[group], picks, rng)])
        self.step += bool(n)
        return np.concatenate(picked)

    def report(self) -> dict[str, float]:
        """How far it has come: the batches so far, and λ."""
        return {"step": self.step, "proximity_weight": self.weight}

    def state(self, buffer):
        return {"step": np.array(self.step)}

    def restore(self, buffer, state):
        self.step = int(check_state("step", state.get("step", np.zeros(())), 0))


def pick_diverse(goals: np.ndarray, cost: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Stochastic greedy maximisation of Σᵢ maxⱼ sim(gᵢ, gⱼ) - Σⱼ costⱼ (see `Cher`).

    Each pick is the best of three that are drawn from those left (Mirzasoleiman et al. 2015 show that a random few
    suffice; three is the released code's number). ``goals`` (m, goal_dim) are the candidates, ``cost`` is (m,).

    Returns:
        (n,) indices, n ≤ m, without repetition, in the order of picking.
    """
    apart = np.linalg.norm(goals[:, None] - goals, axis=2)
    to_others = np.where(np.eye(len(goals), dtype=bool), np.inf, apart)
    sigma = to_others.min(axis=1).mean() if len(goals) > 1 else 1.0
    similar = np.exp(-((apart / max(sigma, 1e-6)) ** 2))
    covered = np.zeros(len(goals))  # maxⱼ sim(gᵢ, gⱼ) over what is picked
    left = np.arange(len(goals))
    picked = np.empty(n, np.intp)
    for i in range(n):
        places = rng.permutation(len(left))[:3]
        would_cover = np.maximum(similar[left[places]], covered)
        best = (would_cover.sum(axis=1) - cost[left[places]]).argmax()
        covered = would_cover[best]
        picked[i] = left[places[best]]
        left = np.delete(left, places[best])
    return picked
