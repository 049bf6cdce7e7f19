"""Easy goals first: how far an agent reaches, and goals that grow with it. Settings out of range are ValueErrors."""

import math
from typing import Any

import numpy as np

from her.goals import GoalSampler, Strategy, as_goal_sampler
from her.replay import GoalConditionedReplayBuffer
from her.validation import check_number, check_positive_integer, check_state


class Reach:
    """How far the agent reliably reaches: its success rate by distance, measured on real episodes.

    A step of an episode is a try from the distance left to the goal, a success if the goal was reached then or later.
    Of several visits of an episode to a bin of distances the first counts: it had most time left. A rate is the mean of
    a bin's tries and, once there are more than ``memory``, an exponential average.

    Args:
        reliable: the success rate, in (0, 1], from which on a distance is within reach.
        memory: how many tries the averages go back.

    Attributes:
        width: of a bin, in units of the goal; 0 as long as every distance was 0.
        tries, success: (BINS,) of each bin: its tries, at most ``memory``, and its success rate.
    """

    BINS = 20
    #: tries from which on a bin's rate is believed
    ENOUGH = 5

    def __init__(self, reliable: float = 0.5, memory: int = 200):
        self.reliable = check_number("reliable", reliable, lambda x: 0 < x <= 1, "in (0, 1]")
        self.memory = check_positive_integer("memory", memory)
        self.width = 0.0
        self.tries, self.success = np.zeros(self.BINS), np.zeros(self.BINS)

    @property
    def distances(self) -> np.ndarray:
        """(BINS,) the middle of each bin, in units of the goal."""
        return (np.arange(self.BINS) + 0.5) * self.width

    @property
    def known(self) -> np.ndarray:
        """(BINS,) bool: which rates are believed."""
        return self.tries >= min(self.ENOUGH, self.memory)

    @property
    def distance(self) -> float:
        """How far is within reach: 0 while nothing is known, infinite if nothing has been too far.

        Between the last reliable bin and the first that is not, it is where the rates, connected by a straight line,
        cross ``reliable``; the rate at distance 0 is taken to be 1.
        """
        if not self.known.any():
            return 0.0
        distances = np.concatenate([[0.0], self.distances[self.known]])
        success = np.concatenate([[1.0], self.success[self.known]])
        if success.min() >= self.reliable:
            return math.inf
        beyond = int((success < self.reliable).argmax())
        pair = [beyond, beyond - 1]
        return float(np.interp(self.reliable, success[pair], distances[pair]))

    def observe(self, distances: np.ndarray, reached: np.ndarray) -> None:
        """Learn from an episode: (T,) distances left after its actions, and (T,) bool, whether the goal was reached."""
        bins, first = np.unique(self._bins(distances), return_index=True)
        then_or_later = np.logical_or.accumulate(reached[::-1])[::-1]
        self.tries[bins] = np.minimum(self.tries[bins] + 1, self.memory)
        self.success[bins] += (then_or_later[first] - self.success[bins]) / self.tries[bins]

    def _bins(self, distances: np.ndarray) -> np.ndarray:
        """The bins of distances. Where the last bin does not reach, bins are merged in pairs."""
        farthest = float(distances.max())
        if not self.width:
            self.width = 2 * farthest / self.BINS
        while farthest >= self.BINS * self.width > 0:
            tries = self.tries.reshape(-1, 2)
            successes, both = (tries * self.success.reshape(-1, 2)).sum(axis=1), tries.sum(axis=1)
            none = np.zeros(self.BINS // 2)
            self.tries = np.concatenate([both.clip(max=self.memory), none])
            self.success = np.concatenate([successes / np.maximum(both, 1), none])
            self.width *= 2
        # A quotient just below BINS may be rounded up to it.
        bins = (distances / (self.width or 1.0)).astype(np.intp)
        return np.minimum(bins, self.BINS - 1)


class ReachGoals(GoalSampler):
    """Substitute goals from easy to hard, where hard means: beyond the reach of the agent.

    For every transition several goals are drawn by a strategy, and one of them is kept, with probability
    ∝ floor + exp(-d/s): d is how much farther beyond reach a goal lies than the nearest of them, and s is ``softness``
    times the mean distance of the desired goals. Early, near goals are kept; once nothing is out of reach it is the
    plain strategy. A goal's distance is that from the goal which the transition itself achieved.

    Success is read off the real episodes, so rewards have to be sparse. Where an environment sets distant goals only,
    little is learned about near ones; `propose` helps, if the goals of episodes may be chosen.

    Args:
        strategy: which draws the candidates; as that of a `HERConfig`.
        candidates: how many of them for each transition.
        softness: s, as a share of the mean distance of the desired goals.
        floor: the weight of the farthest goal; that of the nearest is 1 + floor.
        rollouts: the share of episodes for which `propose` chooses the goal.
        reliable, memory: see `Reach`.

    ``reach`` is the `Reach` that is measured, ``scale`` the mean distance of the environment's goals at the beginning.
    """

    def __init__(
        self,
        strategy: Strategy = "future",
        candidates: int = 4,
        softness: float = 0.4,
        floor: float = 0.05,
        rollouts: float = 0.8,
        reliable: float = 0.5,
        memory: int = 200,
    ):
        self.goals = as_goal_sampler(strategy)
        self.candidates_per_goal = check_positive_integer("candidates", candidates)
        self.softness = check_number("softness", softness, lambda x: x > 0, "above 0")
        self.floor = check_number("floor", floor, lambda x: x >= 0, "at least 0")
        self.rollouts = check_number("rollouts", rollouts, lambda x: 0 <= x <= 1, "in [0, 1]")
        self._begin(Reach(reliable, memory))

    def _begin(self, reach: Reach) -> None:
        self.reach, self.scale, self.episodes, self.proposes = reach, 0.0, 0, False

    @np.errstate(under="ignore")
    def draw(self, buffer, rows, rng):
        n, m = len(rows), self.candidates_per_goal
        goals, *provenance = self.goals.draw(buffer, np.tile(rows, m), rng)
        distances = _distances(goals, np.tile(buffer.achieved_goals[rows], (m, 1))).reshape(m, n)
        kept = self._pick(np.maximum(distances - self.reach.distance, 0), rng)
        picked = kept * n + np.arange(n)
        return goals[picked], *(drawn[picked] for drawn in provenance)

    @np.errstate(under="ignore")
    def observe(self, achieved, desired, reached):
        distances = _distances(achieved, desired)
        self.reach.observe(distances, reached)
        if not self.proposes:
            self._measure_scale(distances[:1])

    @np.errstate(under="ignore")
    def propose(
        self, buffer: GoalConditionedReplayBuffer, achieved: np.ndarray, desired: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(n, goal_dim) goals for n episodes about to begin: for a share ``rollouts``, one at the limit of the reach.

        These are goals achieved in the past, kept out of several drawn at random as in the class, d being how much
        farther a goal lies from the limit of the reach, on either side, than the nearest of them. Other episodes keep
        their own goal, and all do when nothing is out of reach. ``achieved`` and ``desired`` are (n, goal_dim) goals:
        those achieved at the start, and those that the environment set.
        """
        self.proposes = True  # from now on, goals of stored episodes need not be the environment's own
        self._measure_scale(_distances(achieved, desired))
        n, reach = len(desired), self.reach.distance
        if not len(buffer) or math.isinf(reach):
            return desired
        proposed = buffer.achieved_goals[buffer.rows_at(rng.random(4 * self.candidates_per_goal * n))]
        proposed = proposed.reshape(-1, n, buffer.goal_dim)
        kept = self._pick(np.abs(_distances(proposed, achieved) - reach), rng)
        chosen = rng.random(n) < self.rollouts
        return np.where(chosen[:, None], proposed[kept, np.arange(n)], desired)

    def report(self) -> dict[str, Any]:
        """The distance within reach, the scale, and (bins,) distances, success (NaN where not known) and tries."""
        reach = self.reach
        told = {"reach": reach.distance, "scale": self.scale, "distances": reach.distances, "tries": reach.tries.copy()}
        return told | {"success": np.where(reach.known, reach.success, np.nan)}

    def state(self, buffer):
        return {name: np.array(getattr(owner, name)) for name, owner in self._saved()}

    def restore(self, buffer, state):
        self._begin(Reach(self.reach.reliable, self.reach.memory))
        for name, owner in self._saved() if state else ():
            value = check_state(name, state[name], getattr(owner, name))
            setattr(owner, name, value if value.ndim else value.item())

    def _saved(self) -> list[tuple[str, Any]]:
        """What a file keeps: the names of attributes, and whose they are."""
        owners = {self.reach: ("width", "tries", "success"), self: ("scale", "episodes", "proposes")}
        return [(name, owner) for owner, names in owners.items() for name in names]

    def _measure_scale(self, distances: np.ndarray) -> None:
        self.episodes = min(self.episodes + len(distances), max(self.reach.memory, len(distances)))
        self.scale += (float(distances.mean()) - self.scale) * len(distances) / self.episodes

    def _pick(self, distances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n,) of each column of (m, n) distances one index, with probability ∝ floor + exp(-d/s)."""
        softness = self.softness * self.scale or 1.0
        weights = self.floor + np.exp((distances.min(axis=0) - distances) / softness)
        sums = weights.cumsum(axis=0)
        return (sums > rng.random(sums.shape[1]) * sums[-1]).argmax(axis=0)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64, which holds the square of any float32."""
    return np.linalg.norm(one.astype(np.float64) - other, axis=-1)
