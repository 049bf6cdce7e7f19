"""Hindsight experience replay: stored as it happened, relabelled when it is sampled."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from her.goals import GoalSelectionStrategy, draw_positions
from her.replay import Batch, GoalConditionedReplayBuffer, TransitionSampler, check_count, check_flags, check_methods
from her.rewards import BatchedReward, RewardFunction

DoneFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class HERConfig:
    """How transitions are relabelled.

    Attributes:
        strategy: which achieved goal takes the place of the desired one; a `GoalSelectionStrategy` or its name.
        n_sampled_goal: k, substitute goals per real one: a share k/(k+1) of every batch is relabelled. The paper's
            best were 4 and 8 (Andrychowicz et al. 2017, §4.5). 0 relabels nothing.
        reward_function: ``f(achieved, desired)``, for batches (n, goal_dim) or for one pair (goal_dim,).
        done_function: ``f(achieved, desired) -> bool`` per row, batched, like ``compute_terminated`` of a goal
            environment: whether bootstrapping stops there; it then decides for real and relabelled transitions alike.
            By default the convention is read off the stored transitions: see `HindsightExperienceReplay`.

    Raises:
        ValueError: an unknown strategy or a negative ``n_sampled_goal``.
        TypeError: a function that cannot be called.
    """

    strategy: GoalSelectionStrategy | str = GoalSelectionStrategy.FUTURE
    n_sampled_goal: int = 4
    reward_function: RewardFunction | None = None
    done_function: DoneFunction | None = None

    def __post_init__(self):
        object.__setattr__(self, "strategy", GoalSelectionStrategy.of(self.strategy))
        object.__setattr__(self, "n_sampled_goal", check_count("n_sampled_goal", self.n_sampled_goal))
        if not callable(self.reward_function):
            raise TypeError(f"reward_function: expected f(achieved, desired) -> reward, got {self.reward_function!r}")
        if self.done_function is not None and not callable(self.done_function):
            raise TypeError(f"done_function: expected f(achieved, desired) -> bool, got {self.done_function!r}")

    @property
    def relabelled_share(self) -> float:
        """k/(k+1): how much of a batch is relabelled. How much of it *succeeds* is another matter."""
        return self.n_sampled_goal / (self.n_sampled_goal + 1)


class GoalSampler(Protocol):
    """*Which goal*: chooses, for each row, the row whose achieved goal takes the desired goal's place."""

    def draw(
        self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray, uniform: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(n,) rows that achieved the substitute goals of ``rows``; ``uniform`` are (n,) numbers from [0, 1)."""


class LearningGoals:
    """A `GoalSampler` that changes as training goes on: it sees every real episode, and is saved with the buffer."""

    def draw(
        self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray, uniform: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """See `GoalSampler`."""
        raise NotImplementedError

    def choose(self, buffer: HindsightExperienceReplay, batch_size: int) -> Choice:
        """A whole batch of transitions and goals, for a sampler that chooses among pairs of them."""
        return buffer.choose(batch_size)

    def observe(self, achieved: np.ndarray, desired: np.ndarray, reached: np.ndarray) -> None:
        """A real episode has ended: its goals, (T, goal_dim) each, and where the desired one was reached, (T,) bool."""

    def state(self) -> dict[str, Any]:
        """What ``save`` has to keep, as plain JSON."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` gave; {} if a buffer with other goals saved the file.

        Raise whatever error, and change nothing, if it cannot have given this.
        """


class StrategyGoals:
    """Goals drawn by one of the paper's four strategies."""

    def __init__(self, strategy: GoalSelectionStrategy | str):
        self.strategy = GoalSelectionStrategy.of(strategy)

    def draw(self, buffer, rows, uniform, rng):
        if self.strategy is GoalSelectionStrategy.RANDOM:
            return buffer.rows_at(uniform)
        start, end, at = buffer.spans_of(rows, starts=self.strategy is GoalSelectionStrategy.EPISODE)
        return buffer.in_ring(start, draw_positions(self.strategy, at, end, uniform, start))


class Choice(NamedTuple):
    """Which transitions make up a batch of n, and with which goals."""

    rows: np.ndarray  #: (n,) where the transitions are stored
    weights: np.ndarray  #: (n,) float32 importance weights
    kept: slice | np.ndarray  #: which keep their own goal, as a slice of the batch or (n,) bool
    goal_rows: np.ndarray  #: (n,) rows that achieved the substitute goals; of no meaning where the own one is kept


class HindsightExperienceReplay(GoalConditionedReplayBuffer):
    """A replay buffer that relabels a share k/(k+1) of every batch (Andrychowicz et al. 2017, Algorithm 1).

    The paper stores k relabelled copies of each transition. Here nothing is copied: transitions are drawn, and all but
    every (k+1)-th of a batch, counted from a random one on, get a substitute goal, drawn anew at every sampling. The
    mix is the same, for 1/(k+1) of the memory.

    **Ends of episodes.** ``batch.dones`` says where bootstrapping stops under the goal in the batch. Without a
    ``done_function``, real transitions keep their own ``done``; for relabelled ones two kinds of end are told apart:

    - a stored done whose transition did *not* reach its goal has nothing to do with the goal (the robot fell): it
      stays;
    - a stored done whose transition *did* reach its goal belonged to that goal: it goes, and, if every success stored
      so far ended its episode, reaching the substitute goal ends it instead. If successes were stored that did not end
      their episodes (the paper's convention, and Fetch's), or none was stored yet, reaching a substitute goal never
      does.

    Reaching a goal means here: the reward that the reward function gives for achieving exactly the goal. Dense rewards
    have no such number; pass a ``done_function`` with them if success ends your episodes. A time limit is never a done:
    do not store it as one.

    Args:
        config: strategy, k and reward function.
        goals: which substitute goal; by default the strategy of ``config``.
        capacity, state_dim, action_dim, goal_dim, n_envs, seed, transitions: see `GoalConditionedReplayBuffer`.

    Attributes:
        read_ahead: bytes that batches gathered at once may take together (and which a batch that is kept keeps); 0
            gathers each by itself. The batches are the same; small ones come faster where several are drawn before
            something is stored.
    """

    read_ahead = 2**20  # about a second-level cache

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        config: HERConfig,
        *,
        n_envs: int = 1,
        seed: int | np.random.SeedSequence | None = None,
        transitions: TransitionSampler | None = None,
        goals: GoalSampler | None = None,
    ):
        if not isinstance(config, HERConfig):
            raise TypeError(f"config: expected a HERConfig, got {type(config).__name__}")
        super().__init__(capacity, state_dim, action_dim, goal_dim, n_envs=n_envs, seed=seed, transitions=transitions)
        self.config = config
        self.goals = goals if goals is not None else StrategyGoals(config.strategy)
        check_methods("goals", self.goals, GoalSampler)
        self.reward_function = BatchedReward(config.reward_function)
        self._success_reward: float | None = None
        self._ended_successes = self._unended_successes = 0
        # Batches that are ready, the next one at the end (see _next); how many there were, and the generator before.
        self._ready: list[tuple[Choice, np.ndarray, np.ndarray, np.ndarray]] = []
        self._n_read, self._before_reading = 0, {}
        # What batches are drawn from, how many in this run, since something was stored, and how many in the last one.
        self._drawn_from: tuple[Any, ...] = ()
        self._drawn = self._expected = 0

    @property
    def success_ends_episode(self) -> bool:
        """Whether reaching the goal ends an episode, as read off the stored transitions (without a done_function)."""
        return self._ended_successes > 0 and self._unended_successes == 0

    def store_episode(self, episode):
        super().store_episode(episode)
        if isinstance(self.goals, LearningGoals):
            self.goals.observe(episode.achieved_goals, episode.goals, episode.rewards == self._success_reward)

    def add(
        self, states, actions, rewards, next_states, dones, goals, achieved_goals, episode_ends, episode_begins=None
    ):
        fields = states, actions, rewards, next_states, dones, goals, achieved_goals
        super().add(*fields, episode_ends, episode_begins)
        if isinstance(self.goals, LearningGoals):
            newest, columns = self.newest_rows(), self.columns
            for row in newest[np.asarray(episode_ends) != 0]:
                start, _, length = self.episodes_of(row[None])
                episode = self._data[self.row_of(start, np.arange(length[0]))]
                reached = episode[:, columns.reward] == self._success_reward
                self.goals.observe(episode[:, columns.achieved], episode[:, columns.goal], reached)

    def sample(self, batch_size: int) -> Batch:
        """``batch_size`` transitions, drawn with replacement, of which a share k/(k+1) pursues a substitute goal.

        Raises:
            ValueError: ``batch_size`` is no positive integer, the buffer is empty, or the reward function gives no
                finite number for each row.
        """
        if self.config.relabelled_share == 0:
            self._put_back()
            batch = super().sample(batch_size)
            if self.config.done_function is not None:
                batch.dones = self._given_dones(batch.achieved_goals, batch.goals)
            return batch
        (rows, weights, kept, goal_rows), packed, achieved, goals = self._next(batch_size)
        rewards = self._rewards_of(rows, achieved, goals).copy()  # which may be the user's own
        real_rewards = packed[:, self.columns.reward]
        dones = self._real_dones(rows)
        if self.config.done_function is not None:
            dones = self._given_dones(achieved, goals)
        elif self._any_done:
            real_dones = dones[kept].copy()
            dones &= real_rewards != self._success_reward  # ended for another reason than the goal
            if self.success_ends_episode:
                dones |= rewards == self._success_reward
            dones[kept] = real_dones
        rewards[kept] = real_rewards[kept]
        return self._batch(rows, weights, packed, achieved, rewards, dones, kept, goal_rows)

    def choose(self, batch_size: int) -> Choice:
        """Transitions from the one sampler, and goals from the other for all but every (k+1)-th of them."""
        self._put_back()
        rows, weights, uniform = self._draw(batch_size)
        kept = self._draw_kept()
        if uniform is None:
            uniform = self._rng.random(batch_size)
        return Choice(rows, weights, kept, self.goals.draw(self, rows, uniform, self._rng))

    def _draw_kept(self) -> slice:
        period = self.config.n_sampled_goal + 1
        return slice(int(period * self._rng.random()), None, period)

    def _next(self, n: int) -> tuple[Choice, np.ndarray, np.ndarray, np.ndarray]:
        """The next batch: how it was chosen, and what `_gather` gives of it.

        Training draws many batches between one storing and the next, and a small batch's time goes into calling numpy.
        So several are chosen and gathered at once: as many as will probably be drawn before something is stored, which
        is as many as the last time, or else as many again as so far. It shows in nothing but the time: each of them is
        the batch that would have been drawn by itself, and what nobody asks for is put back.
        """
        self._check_batch_size(n)
        drawn_from = n, self.config, self.goals, self.transitions
        if drawn_from != self._drawn_from:
            self._put_back()
            self._drawn_from, self._drawn, self._expected = drawn_from, 0, 0
        if not self._ready and (batches := self._probably_drawn(n)) > 1:
            self._read_ahead(batches, n)
        self._drawn += 1
        if self._ready:
            return self._ready.pop()
        learns = isinstance(self.goals, LearningGoals)
        choice = self.goals.choose(self, n) if learns else self.choose(n)
        return choice, *self._gather(choice.rows, choice.goal_rows, choice.kept)

    def _probably_drawn(self, n: int) -> int:
        """How many more batches of n will probably be drawn before something is stored, and may be gathered at once."""
        if self._has_priorities or type(self.goals) is not StrategyGoals:
            return 1  # what they choose may change from batch to batch
        likely = self._expected - self._drawn if self._drawn < self._expected else self._drawn
        return min(likely, self.read_ahead // (4 * self.columns.width * n))

    def _read_ahead(self, batches: int, n: int) -> None:
        """Get the next ``batches`` of n ready."""
        self._n_read, self._before_reading = batches, self._rng.bit_generator.state
        uniform, every_kept = self._draw_numbers(batches, n)
        kept = np.zeros((batches, n), bool)
        for of_batch, some in zip(kept, every_kept, strict=True):
            of_batch[some] = True
        rows, weights, rest = self.transitions.sample_at(self, uniform.reshape(-1))
        goal_rows = self.goals.draw(self, rows, rest, self._rng)
        arrays = rows, weights, goal_rows, *self._gather(rows, goal_rows, kept.reshape(-1))
        by_batch = (array.reshape(batches, n, *array.shape[1:]) for array in arrays)
        for some, r, w, g, *gathered in zip(every_kept, *by_batch, strict=True):
            self._ready.append((Choice(r, w, some, g), *gathered))
        self._ready.reverse()

    def _draw_numbers(self, batches: int, n: int) -> tuple[np.ndarray, list[slice]]:
        """(batches, n) numbers from [0, 1), and which of a batch keep their goals, drawn batch by batch."""
        uniform, every_kept = np.empty((batches, n)), []
        for numbers in uniform:
            self._rng.random(out=numbers)
            every_kept.append(self._draw_kept())
        return uniform, every_kept

    def _put_back(self):
        if self._ready:  # then draw again what has been handed out, and no more
            n, handed_out = len(self._ready[0][0].rows), self._n_read - len(self._ready)
            self._rng.bit_generator.state = self._before_reading
            self._draw_numbers(handed_out, n)
            self._ready.clear()
            self._count_anew()

    def _count_anew(self) -> None:
        """A run of batches has ended: the next will probably be as long."""
        if self._drawn:
            self._expected, self._drawn = self._drawn, 0

    def _rewards_of(self, rows: np.ndarray | None, achieved: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """(n,) rewards of these rows under ``goals``; rows are None for the first transitions about to be stored.

        A place for subclasses whose rewards depend on more than the goals.
        """
        return self.reward_function(achieved, goals)

    def _given_dones(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        dones = np.asarray(self.config.done_function(achieved, desired))
        return check_flags("done_function", dones.reshape(-1), len(achieved)).copy()

    def _look_at(self, goals, achieved, rewards, dones):
        if self._success_reward is None:
            self._success_reward = self._find_success_reward(goals, achieved, rewards)
        self._count_successes(rewards, dones)
        self._put_back()  # what is about to be stored may be drawn from now on
        self._count_anew()

    def _find_success_reward(self, goals: np.ndarray, achieved: np.ndarray, rewards: np.ndarray) -> np.float32:
        """The reward of reaching the goal; on the way the reward function is tried on these real transitions."""
        given = self._rewards_of(None, achieved, np.ascontiguousarray(goals))
        wrong = np.flatnonzero(~np.isclose(given, rewards, rtol=1e-3, atol=1e-5))
        success_reward = self._rewards_of(None, achieved[:1], achieved[:1])[0]
        if len(wrong):
            first = wrong[0]
            warnings.warn(
                f"reward_function gives {given[first]:g} where the stored reward is {rewards[first]:g} "
                f"({len(wrong)} of the first {len(rewards)} transitions). Is it f(achieved, desired), and is "
                "achieved_goal the one reached after the action? Relabelled rewards come from the function.",
                stacklevel=6,
            )
        return success_reward

    def _count_successes(self, rewards: np.ndarray, dones: np.ndarray) -> None:
        successes = rewards == self._success_reward
        count = int(np.count_nonzero(successes))
        if count:
            ended = int(np.count_nonzero(successes & dones))
            self._ended_successes += ended
            self._unended_successes += count - ended

    def _state(self):
        return {
            "success_reward": None if self._success_reward is None else float(self._success_reward),
            "ended_successes": self._ended_successes,
            "unended_successes": self._unended_successes,
            "goals": self.goals.state() if isinstance(self.goals, LearningGoals) else {},
        }

    def _check_state(self, meta):
        reward = meta.get("success_reward")
        counts = [meta.get(name, 0) for name in ("ended_successes", "unended_successes")]
        if not (reward is None or math.isfinite(reward)) or any(type(n) is not int or n < 0 for n in counts):
            raise ValueError(f"its successes are {reward!r} and {counts}")
        if isinstance(self.goals, LearningGoals):
            deepcopy(self.goals).restore(meta.get("goals", {}))

    def _restore(self, meta, goals, achieved, rewards, dones):
        success_reward = meta.get("success_reward")
        if success_reward is None and len(rewards):  # saved by a buffer that does not relabel
            success_reward = self._find_success_reward(goals, achieved, rewards)
        self._success_reward = None if success_reward is None else np.float32(success_reward)
        self._ended_successes = meta.get("ended_successes", 0)
        self._unended_successes = meta.get("unended_successes", 0)
        if "success_reward" not in meta:
            self._count_successes(rewards, dones)
        if isinstance(self.goals, LearningGoals):
            self.goals.restore(meta.get("goals", {}))
