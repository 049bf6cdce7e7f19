"""Which goal, and when: from easy to hard as the agent's reach grows, or diverse at first and near later (CHER).

Each curriculum is a `GoalSampler`: plug it into a `HindsightExperienceReplay` as ``goals=``, one into each.
`CurriculumHER` is the short name for the pair.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from her.goals import GoalSelectionStrategy
from her.hindsight import Choice, HERConfig, HindsightExperienceReplay, LearningGoals, StrategyGoals
from her.replay import (
    GoalConditionedReplayBuffer,
    TransitionSampler,
    as_float32,
    check_finite,
    check_number,
    check_positive_integer,
)

#: the weight of the newest batch in the running averages that reports show
NEWEST = 0.01


class Reach:
    """How far the agent reliably reaches: its success rate by distance, measured on real episodes.

    Each step of an episode is a try from the distance that was left to the goal, and a success if the goal was reached
    then or later. If an episode visits a bin of distances several times, its first visit counts: it had most time left.
    A rate is the mean of a bin's tries and, once there are more than ``memory``, an exponential average.

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
        near, far = success[beyond - 1], success[beyond]
        share = (near - self.reliable) / (near - far)
        return float(distances[beyond - 1] + share * (distances[beyond] - distances[beyond - 1]))

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
            successes = (tries * self.success.reshape(-1, 2)).sum(axis=1)
            both, none = tries.sum(axis=1), np.zeros(self.BINS // 2)
            self.tries = np.concatenate([both.clip(max=self.memory), none])
            self.success = np.concatenate([np.divide(successes, both, out=none.copy(), where=both > 0), none])
            self.width *= 2
        return (distances / self.width).astype(np.intp) if self.width else np.zeros(len(distances), np.intp)


class ReachGoals(LearningGoals):
    """Substitute goals from easy to hard, where hard means: beyond the reach of the agent.

    For every transition several goals are drawn by one of the paper's strategies, and one of them is kept, with
    probability ∝ floor + exp(-d/s): d is how much farther beyond reach a goal lies than the nearest of them, and s is
    ``softness`` times the mean distance of the desired goals. Early, when little is within reach, near goals are kept;
    as measured success grows outwards, so does the choice; once nothing is out of reach it is the plain strategy. A
    goal's distance is that from the goal which the transition itself achieved.

    Success is read off the real episodes that are stored, so rewards have to be sparse: the best one says that the goal
    was reached. Where an environment sets distant goals only, little is learned about near ones before the agent comes
    close; `propose` helps, if the goals of episodes may be chosen.

    Args:
        strategy: which draws the candidates; a `GoalSelectionStrategy` or its name.
        candidates: how many of them for each transition.
        softness: s, as a share of the mean distance of the desired goals.
        floor: the weight of the farthest goal; that of the nearest is 1 + floor.
        rollouts: the share of episodes for which `propose` chooses the goal.
        reliable, memory: see `Reach`.

    Raises:
        ValueError: an unknown strategy, or a setting out of its range.

    Attributes:
        reach: the `Reach` that is measured.
        scale: mean distance of the desired goals that the environment sets, at the beginning of an episode.
    """

    def __init__(
        self,
        strategy: GoalSelectionStrategy | str = "future",
        candidates: int = 4,
        softness: float = 0.4,
        floor: float = 0.05,
        rollouts: float = 0.8,
        reliable: float = 0.5,
        memory: int = 200,
    ):
        self.strategy = StrategyGoals(strategy)
        self.candidates = check_positive_integer("candidates", candidates)
        self.softness = check_number("softness", softness, lambda x: x > 0, "above 0")
        self.floor = check_number("floor", floor, lambda x: x >= 0, "at least 0")
        self.rollouts = check_number("rollouts", rollouts, lambda x: 0 <= x <= 1, "in [0, 1]")
        self._begin(Reach(reliable, memory))

    def draw(self, buffer, rows, uniform, rng):
        n, m = len(rows), self.candidates
        goal_rows = self.strategy.draw(buffer, np.tile(rows, m), rng.random(m * n), rng).reshape(m, n)
        distances = _distances(buffer.achieved_in(goal_rows), buffer.achieved_in(rows))
        beyond = np.maximum(distances - self.reach.distance, 0)
        kept = _pick(self._nearness(beyond), rng)
        self._note(distances[0], distances[kept, np.arange(n)])
        return goal_rows[kept, np.arange(n)]

    def observe(self, achieved, desired, reached):
        distances = _distances(achieved.astype(np.float64), desired)  # whose squares are finite
        self.reach.observe(distances, reached)
        if not self.proposes:
            self._measure_scale(distances[:1])

    def propose(
        self,
        buffer: GoalConditionedReplayBuffer,
        achieved: np.ndarray,
        desired: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Goals for n episodes about to begin: for a share ``rollouts`` of them, one at the limit of the reach.

        These are goals achieved in the past, kept out of several drawn at random with probability
        ∝ floor + exp(-d/s), where d says how much farther a goal lies from the limit of the reach, on either side, than
        the nearest of them. Other episodes keep their own goal, and all do when nothing is out of reach.

        Args:
            achieved: (n, goal_dim) the goals achieved at the start.
            desired: (n, goal_dim) the goals that the environment set.

        Returns:
            (n, goal_dim).
        """
        self.proposes = True  # from now on, goals of stored episodes need not be the environment's own
        self._measure_scale(_distances(achieved, desired))
        n, reach = len(desired), self.reach.distance
        if not len(buffer) or math.isinf(reach):
            return desired
        rows = buffer.rows_at(rng.random(4 * self.candidates * n)).reshape(-1, n)
        proposed = buffer.achieved_in(rows)
        kept = _pick(self._nearness(np.abs(_distances(proposed, achieved) - reach)), rng)
        chosen = rng.random(n) < self.rollouts
        return np.where(chosen[:, None], proposed[kept, np.arange(n)], desired)

    def report(self) -> dict[str, Any]:
        """How far it has come, for a figure.

        Returns:
            ``reach``: the distance within reach. ``scale``: the mean distance of desired goals. ``distances``,
            ``success``, ``tries``: (bins,) arrays, success NaN where it is not known. ``offered`` and ``chosen``: the
            shares of easy, middle and hard goals among the latest candidates, and among those kept; these are nearer
            than a third, nearer than two thirds, and farther than two thirds of ``scale``.
        """
        reach, names = self.reach, ("easy", "middle", "hard")
        return {
            "reach": reach.distance,
            "scale": self.scale,
            "distances": reach.distances,
            "success": np.where(reach.known, reach.success, np.nan),
            "tries": reach.tries.copy(),
            "offered": dict(zip(names, self.offered.tolist(), strict=True)),
            "chosen": dict(zip(names, self.chosen.tolist(), strict=True)),
        }

    def state(self):
        return {"reach": {name: np.asarray(getattr(owner, name)).tolist() for name, owner in self._saved()}}

    def restore(self, state):
        saved = state.get("reach", {})
        new = {name: _numbers(name, saved[name], getattr(owner, name)) for name, owner in self._saved() if saved}
        self._begin(Reach(self.reach.reliable, self.reach.memory))
        for name, owner in self._saved():
            setattr(owner, name, new.get(name, getattr(owner, name)))

    def _saved(self) -> list[tuple[str, Any]]:
        """What a file keeps: the names of attributes, and whose they are."""
        of_goals = ("scale", "episodes", "proposes", "draws", "offered", "chosen")
        return [(name, self.reach) for name in ("width", "tries", "success")] + [(name, self) for name in of_goals]

    def _begin(self, reach: Reach) -> None:
        self.reach, self.scale, self.episodes, self.proposes = reach, 0.0, 0, False
        self.draws, self.offered, self.chosen = 0, np.zeros(3), np.zeros(3)  # shares of easy, middle and hard goals

    def _measure_scale(self, distances: np.ndarray) -> None:
        self.episodes = min(self.episodes + len(distances), max(self.reach.memory, len(distances)))
        self.scale += (float(distances.mean()) - self.scale) * len(distances) / self.episodes

    def _nearness(self, distances: np.ndarray) -> np.ndarray:
        softness = self.softness * self.scale or 1.0
        return self.floor + np.exp((distances.min(axis=0) - distances) / softness)

    def _note(self, offered: np.ndarray, chosen: np.ndarray) -> None:
        self.draws += 1
        third = self.scale / 3 or 1.0
        for shares, distances in ((self.offered, offered), (self.chosen, chosen)):
            thirds = np.bincount(np.minimum(distances / third, 2).astype(np.intp), minlength=3)
            shares += max(1 / self.draws, NEWEST) * (thirds / len(distances) - shares)


class Cher(LearningGoals):
    """Picks relabelled transitions whose goals differ from each other and are near the true goals (Fang et al. 2019).

    Out of twice as many candidates, those are picked that maximise F(A) = Σᵢ maxⱼ sim(gᵢ, gⱼ) - λ·Σⱼ ‖gⱼ - dⱼ‖, where i
    runs over all candidates and j over the picked ones, A; g is a substitute goal, d the desired goal of the episode it
    comes from, and sim = exp(-‖gᵢ - gⱼ‖²/σ²), σ being the mean distance of a candidate to its nearest neighbour. λ
    grows with every batch: diversity counts first, proximity later.

    **Where this follows the paper and not the released code**: λ keeps growing (there, the step goes back to 0 every
    epoch); proximity is to the desired goal (there, between the goal that has already taken its place and the one
    achieved before the action); the coverage, maxⱼ, grows by what is picked (there, also by candidates that are only
    compared); any candidate may cover any other (there, only its nearest neighbour, and never itself). Real transitions
    are not picked but keep their share of the batch: their own goal would always be the nearest.

    With transitions that are not drawn uniformly, picked ones keep their importance weights, up to the factor that
    makes the largest of the batch 1; that picking changes the distribution once more is part of the method.

    Args:
        strategy: which draws the candidates' goals; a `GoalSelectionStrategy` or its name.
        proximity: λ₀, for each unit of distance between goals.
        growth: λ = λ₀·(1 + growth)^step, step counting batches.
        candidates: how many for each that is picked; at least 2.
        group: the most that are picked together. The authors pick 64 of 128, in each of their workers; a larger batch
            is made of several groups here, each with candidates of its own.

    Raises:
        ValueError: an unknown strategy, or a setting out of its range.
    """

    def __init__(
        self,
        strategy: GoalSelectionStrategy | str = "future",
        proximity: float = 1.0,
        growth: float = 1e-4,
        candidates: int = 2,
        group: int = 64,
    ):
        self.strategy = StrategyGoals(strategy)
        self.proximity = check_number("proximity", proximity, lambda x: x >= 0, "at least 0")
        self.growth = check_number("growth", growth, lambda x: x >= 0, "at least 0")
        self.candidates = check_positive_integer("candidates", candidates)
        if self.candidates < 2:
            raise ValueError(f"candidates: expected at least 2 for each that is picked, got {candidates}")
        self.group = check_positive_integer("group", group)
        self.step = 0
        self.offered_distance = self.chosen_distance = 0.0

    @property
    def weight(self) -> float:
        """λ as it is now; it stays finite."""
        return self.proximity * math.exp(min(self.step * math.log1p(self.growth), 50.0))

    def draw(self, buffer, rows, uniform, rng):
        return self.strategy.draw(buffer, rows, uniform, rng)

    def choose(self, buffer, batch_size):
        batch_size = check_positive_integer("batch_size", batch_size)
        if not len(buffer):
            return buffer.choose(batch_size)  # which refuses
        relabelled = buffer.rng.random(batch_size) < buffer.config.relabelled_share
        wanted = int(np.count_nonzero(relabelled))
        if not wanted:
            rows, weights, _ = buffer._draw(batch_size)
            return Choice(rows, weights, ~relabelled, rows)
        groups = -(-wanted // self.group)
        picks = -(-wanted // groups)  # in each group; what is too many is left out of the last
        of = max(self.candidates * picks, picks + 2)
        real = batch_size - wanted
        rows, weights, _ = buffer._draw(real + groups * of)
        goal_rows = self.draw(buffer, rows, buffer.rng.random(len(rows)), buffer.rng)
        goals = buffer.achieved_in(goal_rows[real:])
        distances = _distances(goals, buffer._data[rows[real:], buffer.columns.goal])
        cost = (self.weight * distances).astype(np.float32).reshape(groups, of)
        picked = pick_diverse(goals.reshape(groups, of, -1), cost, picks, buffer.rng) + of * np.arange(groups)[:, None]
        picked = picked.reshape(-1)[:wanted]
        self._note(distances, picked)
        chosen = np.arange(batch_size)
        chosen[~relabelled], chosen[relabelled] = np.arange(real), real + picked
        weights = weights[chosen]
        return Choice(rows[chosen], weights / weights.max(), ~relabelled, goal_rows[chosen])

    def report(self) -> dict[str, float]:
        """How far it has come: the batches so far, λ, and the mean distance of goals to the desired ones.

        Of the latest batches, ``offered_distance`` is that of the candidates, ``chosen_distance`` that of the picked.
        """
        return {
            "step": self.step,
            "proximity_weight": self.weight,
            "offered_distance": self.offered_distance,
            "chosen_distance": self.chosen_distance,
        }

    def state(self):
        return {"cher": [self.step, self.offered_distance, self.chosen_distance]}

    def restore(self, state):
        numbers = _numbers("cher", state.get("cher", (0, 0.0, 0.0)), np.zeros(3)).tolist()
        self.step, self.offered_distance, self.chosen_distance = int(numbers[0]), *numbers[1:]

    def _note(self, distances: np.ndarray, picked: np.ndarray) -> None:
        self.step += 1
        rate = max(1 / self.step, NEWEST)
        self.offered_distance += rate * (float(distances.mean()) - self.offered_distance)
        self.chosen_distance += rate * (float(distances[picked].mean()) - self.chosen_distance)


def pick_diverse(goals: np.ndarray, cost: np.ndarray, picks: int, rng: np.random.Generator) -> np.ndarray:
    """Stochastic greedy maximisation of Σᵢ maxⱼ sim(gᵢ, gⱼ) - Σⱼ costⱼ (see `Cher`), in G groups side by side.

    Each pick is the best of three candidates drawn from those that are left (Mirzasoleiman et al. 2015 show that a
    random few suffice; three is the released code's number).

    Args:
        goals: (G, m, goal_dim) the candidates of each group.
        cost: (G, m).
        picks: how many to pick out of each group, at most m - 2.

    Returns:
        (G, picks) indices into each group, without repetition, in the order of picking.
    """
    at_once = 8  # groups: more would need arrays so large that asking for memory takes longest
    if len(goals) > at_once:
        parts = [slice(i, i + at_once) for i in range(0, len(goals), at_once)]
        return np.concatenate([pick_diverse(goals[part], cost[part], picks, rng) for part in parts])
    groups, m, _ = goals.shape
    similar = _similarities(goals).reshape(groups * m, m)
    cost = cost.reshape(-1)
    # Candidates are numbered through all groups. The pool of a group is a stretch of ``pool``; a picked one gives its
    # place to the last of the stretch, which becomes one shorter.
    first, pool = m * np.arange(groups), np.arange(groups * m)
    drawn = (_three_of(m - np.arange(picks), groups, rng) + first[:, None]).reshape(picks, -1)
    last = first + m - 1 - np.arange(picks)[:, None]
    covered, picked = np.zeros((groups, 1, m), np.float32), np.empty((picks, groups), np.intp)
    of_group = 3 * np.arange(groups)
    for i in range(picks):
        three = pool.take(drawn[i])
        would_cover = similar.take(three, axis=0).reshape(groups, 3, m)
        np.maximum(would_cover, covered, out=would_cover)
        value = would_cover.sum(axis=2).reshape(-1) - cost.take(three)
        best = value.reshape(groups, 3).argmax(axis=1) + of_group
        covered = would_cover.reshape(-1, 1, m).take(best, axis=0)
        picked[i] = three.take(best)
        pool[drawn[i].take(best)] = pool.take(last[i])
    return picked.T - first[:, None]


def _similarities(goals: np.ndarray) -> np.ndarray:
    """(G, m, m) exp(-‖gᵢ - gⱼ‖²/σ²), σ being each group's mean distance to the nearest neighbour."""
    goals = goals - goals.mean(axis=1, keepdims=True)
    squares = np.einsum("gmi,gmi->gm", goals, goals)
    apart = squares[:, :, None] + squares[:, None, :] - 2 * (goals @ goals.swapaxes(1, 2))
    np.maximum(apart, 0, out=apart)
    itself = np.arange(goals.shape[1])
    apart[:, itself, itself] = np.inf
    sigma = np.sqrt(apart.min(axis=2)).mean(axis=1)
    apart[:, itself, itself] = 0
    apart *= (-1 / np.maximum(sigma**2, 1e-12))[:, None, None]
    return np.exp(apart, out=apart)


def _three_of(sizes: np.ndarray, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Three different numbers below sizes[i], at least 3, uniformly: (len(sizes), groups, 3)."""
    sizes = sizes[:, None]
    uniform = rng.random((3, len(sizes), groups))
    one, two, three = (uniform * (sizes - np.arange(3)[:, None, None])).astype(np.intp)
    two += two >= one  # each is drawn from what the ones before have left, and counted on past these
    low, high = np.minimum(one, two), np.maximum(one, two)
    three += three >= low
    three += three >= high
    return np.stack([one, two, three], axis=2)


def _numbers(name: str, saved: Any, like: np.ndarray | float) -> Any:
    """What a file says, of the shape and type of ``like``; a ValueError if it is no finite numbers of at least 0."""
    numbers = np.asarray(saved, float)
    if numbers.shape != np.shape(like) or not ((numbers >= 0) & (numbers < np.inf)).all():
        raise ValueError(f"{name}: expected finite numbers of at least 0 of shape {np.shape(like)}, got {saved!r}")
    return numbers if numbers.ndim else type(like)(numbers)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    difference = one - other
    return np.sqrt(np.einsum("...i,...i->...", difference, difference))


def _pick(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) of each column of (m, n) weights one index, drawn in proportion."""
    sums = weights.cumsum(axis=0)
    return (sums > rng.random(sums.shape[1]) * sums[-1]).argmax(axis=0)


CURRICULA = {"reach": ReachGoals, "cher": Cher}


class CurriculumHER(HindsightExperienceReplay):
    """A `HindsightExperienceReplay` whose substitute goals follow a curriculum.

    Any curriculum combines with any priority, since which transition is drawn is a choice of its own: ``transitions``.

    Args:
        capacity, state_dim, action_dim, goal_dim, config, n_envs, seed, transitions: see `HindsightExperienceReplay`.
        curriculum: "reach" (`ReachGoals`) or "cher" (`Cher`); either starts from what the strategy of ``config`` draws.
        settings: of that curriculum.

    Raises:
        ValueError: an unknown curriculum, or a setting out of its range.
        TypeError: a setting that the curriculum does not have.

    >>> buffer = CurriculumHER(1_000_000, 25, 4, 3, config, curriculum="reach")               # doctest: +SKIP
    >>> goals = buffer.rollout_goals(obs["achieved_goal"], obs["desired_goal"])               # doctest: +SKIP
    """

    goals: ReachGoals | Cher

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        config: HERConfig,
        *,
        curriculum: str = "reach",
        n_envs: int = 1,
        seed: int | np.random.SeedSequence | None = None,
        transitions: TransitionSampler | None = None,
        **settings: Any,
    ):
        if curriculum not in CURRICULA:
            raise ValueError(f"curriculum: expected one of {', '.join(map(repr, CURRICULA))}, got {curriculum!r}")
        if not isinstance(config, HERConfig):
            raise TypeError(f"config: expected a HERConfig, got {type(config).__name__}")
        goals = CURRICULA[curriculum](config.strategy, **settings)
        dims = (capacity, state_dim, action_dim, goal_dim)
        super().__init__(*dims, config, n_envs=n_envs, seed=seed, transitions=transitions, goals=goals)

    def rollout_goals(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Goals for n episodes about to begin: see `ReachGoals.propose`. With "cher" they are the environment's own.

        Args:
            achieved: (n, goal_dim) the goals achieved at the start.
            desired: (n, goal_dim) the goals that the environment has set.

        Returns:
            (n, goal_dim) float32, for environments that take ``reset(options={"goal": …})``.

        Raises:
            ValueError: a wrong shape, no rows, or a number that is not finite.
        """
        achieved, desired = as_float32("achieved", achieved), as_float32("desired", desired)
        for name, goals in (("achieved", achieved), ("desired", desired)):
            if goals.shape != (*desired.shape[:1], self.goal_dim) or not len(goals):
                raise ValueError(f"{name}: expected shape (n, goal_dim={self.goal_dim}), got {goals.shape}")
            check_finite(name, goals)
        if isinstance(self.goals, ReachGoals):
            return self.goals.propose(self, achieved, desired, self.rng)
        return desired

    def report(self) -> dict[str, Any]:
        """How far the curriculum has come: see `ReachGoals.report` and `Cher.report`."""
        return self.goals.report()
