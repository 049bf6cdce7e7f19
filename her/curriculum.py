"""Which goal, and when: substitute goals that grow with what the agent can do (reach), and CHER's choice of batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from her.goals import GoalSelectionStrategy
from her.hindsight import HERConfig, HindsightExperienceReplay, StrategyGoals
from her.prioritized import check_number
from her.replay import Episode, GoalConditionedReplayBuffer, TransitionSampler, check_positive_integer


class Reach:
    """How far the agent reliably reaches: success rates by distance to the goal, measured on real episodes.

    Every step of an episode counts as a try from its distance to the goal, a success if the goal was reached then or
    later; of several visits to one bin of distances, the first counts, which had most time left. Rates are averages
    over the newest ``memory`` tries of a bin, exponential from there on.

    Args:
        reliable: a distance is within reach where at least this share of the tries succeeds, in (0, 1].
        memory: tries.
    """

    BINS = 20
    #: tries without which a bin's rate is not believed
    ENOUGH = 5

    def __init__(self, reliable: float = 0.5, memory: int = 200):
        self.reliable = check_number("reliable", reliable, 0 < reliable <= 1, "in (0, 1]")
        self.memory = check_positive_integer("memory", memory)
        self.width = 0.0  # of a bin, in the goal's units
        self.tries, self.success = np.zeros(self.BINS), np.zeros(self.BINS)
        self.episodes = 0
        self.scale = 0.0  # mean distance at the start of an episode

    @property
    def distances(self) -> np.ndarray:
        """(BINS,) the middles of the bins."""
        return (np.arange(self.BINS) + 0.5) * self.width

    @property
    def frontier(self) -> float:
        """The distance up to which success is reliable; 0 while nothing is known, infinite if nothing was too far."""
        known = np.flatnonzero(self.tries >= min(self.ENOUGH, self.memory))
        if not len(known):
            return 0.0
        distances, success = self.distances[known], self.success[known]
        if (success >= self.reliable).all():
            return math.inf
        first = int((success < self.reliable).argmax())  # the nearest that is not reliable
        if first == 0:
            return float(distances[0] * success[0] / self.reliable)
        near, far = success[first - 1], success[first]
        share = (near - self.reliable) / (near - far)
        return float(distances[first - 1] + share * (distances[first] - distances[first - 1]))

    def observe(self, distances: np.ndarray, succeeded: np.ndarray) -> None:
        """Learn from an episode: (T,) distances to the goal, and whether each was reached, (T,) bool."""
        later = np.logical_or.accumulate(succeeded[::-1])[::-1]
        bins, first = np.unique(self._bins(distances), return_index=True)
        self.tries[bins] = np.minimum(self.tries[bins] + 1, self.memory)
        self.success[bins] += (later[first] - self.success[bins]) / self.tries[bins]
        self.episodes += 1
        self.scale += (float(distances[0]) - self.scale) / min(self.episodes, self.memory)

    def _bins(self, distances: np.ndarray) -> np.ndarray:
        """The bin of each distance; bins are merged two by two until the farthest has one."""
        farthest = float(distances.max())
        if not self.width:
            self.width = 2 * farthest / self.BINS
        while farthest >= self.BINS * self.width > 0:
            tries = self.tries.reshape(-1, 2)
            successes = (tries * self.success.reshape(-1, 2)).sum(axis=1)
            merged = tries.sum(axis=1)
            self.tries, self.success = np.zeros(self.BINS), np.zeros(self.BINS)
            half = self.BINS // 2
            self.tries[:half] = np.minimum(merged, self.memory)
            self.success[:half] = np.divide(successes, merged, out=np.zeros(half), where=merged > 0)
            self.width *= 2
        return (distances / self.width).astype(np.intp) if self.width else np.zeros(len(distances), np.intp)


class ReachGoals:
    """Substitute goals from easy to hard: a goal's difficulty is how far it lies beyond what the agent reaches now."""

    def __init__(
        self,
        strategy: GoalSelectionStrategy | str = "future",
        candidates: int = 4,
        softness: float = 0.2,
        floor: float = 0.05,
        rollouts: float = 0.0,
        band: bool = False,
        reliable: float = 0.5,
        memory: int = 200,
    ):
        self.base = StrategyGoals(strategy)
        self.candidates = check_positive_integer("candidates", candidates)
        self.softness, self.floor, self.rollouts, self.band = softness, floor, rollouts, band
        self.reach = Reach(reliable, memory)
        self.chosen = np.zeros(3)
        self.offered = np.zeros(3)

    def weights(self, distances, band=None):
        reach = self.reach
        band = self.band if band is None else band
        if reach.frontier == math.inf:
            return np.ones_like(distances)
        soft = max(self.softness * reach.scale, 1e-9)
        away = distances - reach.frontier - (soft if band == 2 else 0)
        away = np.abs(away) if band else np.maximum(away, 0)
        return self.floor + np.exp(-away / soft)

    def draw(self, buffer, rows, uniform, rng):
        n = len(rows)
        goal_rows = self.base.draw(buffer, np.tile(rows, self.candidates), rng.random(n * self.candidates), rng)
        difference = buffer._achieved.take(goal_rows, axis=0).reshape(self.candidates, n, -1)
        difference -= buffer._achieved.take(rows, axis=0)
        distances = np.sqrt(np.einsum("mni,mni->mn", difference, difference))
        weights = self.weights(distances).cumsum(axis=0)
        pick = (weights > rng.random(n) * weights[-1]).argmax(axis=0)
        each = np.arange(n)
        third = self.reach.scale / 3 or 1.0
        self.chosen += 0.01 * (np.bincount(np.minimum(distances[pick, each] / third, 2).astype(int), minlength=3) / n - self.chosen)
        self.offered += 0.01 * (np.bincount(np.minimum(distances[0] / third, 2).astype(int), minlength=3) / n - self.offered)
        return goal_rows.reshape(self.candidates, n)[pick, each]

    def propose(self, buffer, achieved, desired, rng):
        n = len(desired)
        if not len(buffer) or not self.rollouts:
            return desired
        m = 16
        rows = buffer.rows_at(rng.random(n * m))
        cand = buffer._achieved.take(rows, axis=0).reshape(m, n, -1)
        d = np.linalg.norm(cand - achieved, axis=-1)
        w = self.weights(d, band=True).cumsum(axis=0)
        pick = (w > rng.random(n) * w[-1]).argmax(axis=0)
        easy = cand[pick, np.arange(n)]
        swap = rng.random(n) < self.rollouts
        if self.reach.frontier == math.inf: swap[:] = False
        return np.where(swap[:, None], easy, desired)


class Cher:
    def __init__(self, proximity=1.0, growth=1e-4, candidates=2, group=64):
        self.proximity, self.growth, self.candidates, self.group = proximity, growth, candidates, group
        self.step = 0

    @property
    def weight(self):
        return self.proximity * math.exp(min(self.step * math.log1p(self.growth), 60))


def facility_location(goals, cost, picks, rng):
    """Stochastic greedy for each group: goals (G, m, d), cost (G, m) -> (G, picks)"""
    G, m, _ = goals.shape
    squares = np.einsum("gmi,gmi->gm", goals, goals)
    d2 = squares[:, :, None] + squares[:, None] - 2 * goals @ goals.swapaxes(1, 2)
    np.maximum(d2, 0, out=d2)
    diag = np.arange(m)
    d2[:, diag, diag] = np.inf
    near = np.sqrt(d2.min(axis=2)).mean(axis=1)
    sim = np.exp(-d2 / np.maximum(near**2, 1e-12)[:, None, None])
    sim[:, diag, diag] = 1
    sim = sim.reshape(G * m, m)
    cost = cost.reshape(-1)
    # three different positions in the pool of those left, for every pick
    left = m - np.arange(picks)[:, None]
    u = rng.random((3, picks, G))
    a = (u[0] * left).astype(np.intp)
    b = (u[1] * (left - 1)).astype(np.intp)
    b += b >= a
    c = (u[2] * (left - 2)).astype(np.intp)
    c += c >= np.minimum(a, b)
    c += c >= np.maximum(a, b)
    base = np.arange(G) * m
    positions = np.stack([a, b, c], axis=2) + base[:, None]      # (picks, G, 3)
    last = (m - 1 - np.arange(picks))[:, None] + base            # (picks, G)
    positions = positions.reshape(picks, -1)
    pool = np.arange(G * m)
    best = np.zeros((G, 1, m), sim.dtype)
    chosen = np.empty((picks, G), np.intp)
    offset = 3 * np.arange(G)
    for i in range(picks):
        some = pool.take(positions[i])
        covered = sim.take(some, axis=0).reshape(G, 3, m)
        np.maximum(covered, best, out=covered)
        value = covered.sum(axis=2).reshape(-1)
        value -= cost.take(some)
        k = value.reshape(G, 3).argmax(axis=1) + offset
        best = covered.reshape(-1, 1, m).take(k, axis=0)
        chosen[i] = some.take(k)
        pool[positions[i].take(k)] = pool.take(last[i])
    return chosen


class CurriculumHER(HindsightExperienceReplay):
    def __init__(self, capacity, state_dim, action_dim, goal_dim, config, *, curriculum="reach", n_envs=1, seed=None, transitions=None, **settings):
        goals = ReachGoals(config.strategy, **settings) if curriculum == "reach" else None
        self.cher = Cher(**settings) if curriculum == "cher" else None
        super().__init__(capacity, state_dim, action_dim, goal_dim, config, n_envs=n_envs, seed=seed, transitions=transitions, goals=goals)
        self.curriculum = curriculum

    def store_episode(self, episode):
        super().store_episode(episode)
        if self.curriculum == "reach":
            d = np.linalg.norm(episode.achieved_goals - episode.goals, axis=1)
            self.goals.reach.observe(d, episode.rewards == self._success_reward)

    def _choose(self, n):
        if not self.cher:
            return super()._choose(n)
        c = self.cher
        relabelled = self.rng.random(n) < self.config.relabelled_share
        wanted = int(relabelled.sum())
        real = n - wanted
        groups = -(-wanted // c.group)
        picks = -(-wanted // groups)
        m = max(c.candidates * picks, picks + 2)
        rows, weights = self._draw(real + groups * m)
        cand = rows[real:]
        goal_rows = self.goals.draw(self, cand, self.rng.random(len(cand)), self.rng)
        goals = self._achieved.take(goal_rows, axis=0)
        desired = self._data[cand, self.columns.goal]
        dist = np.linalg.norm(goals - desired, axis=1)
        chosen = facility_location(goals.reshape(groups, m, -1), np.float32(c.weight) * dist, picks, self.rng).reshape(-1)[:wanted]
        c.step += 1
        self.stats = (dist.mean(), dist[chosen].mean())
        r = np.empty(n, np.intp); w = np.empty(n, np.float32); g = np.zeros(n, np.intp)
        r[~relabelled] = rows[:real]; w[~relabelled] = weights[:real]; g[~relabelled] = rows[:real]
        r[relabelled] = cand[chosen]; w[relabelled] = weights[real:][chosen]; g[relabelled] = goal_rows[chosen]
        w /= w.max()
        return r, w, relabelled, g
