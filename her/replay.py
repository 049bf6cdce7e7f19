"""The replay buffer: whole episodes in one ring of rows, and transitions drawn from it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from her import saving
from her.batch import Batch
from her.episodes import Episode
from her.ring import EpisodeRing
from her.validation import as_seeded, check_instance, check_positive_integer, check_shape, check_td_errors

#: the arrays of an episode that are stored
FIELDS = ("states", "actions", "rewards", "next_states", "dones", "goals", "achieved_goals")


class TransitionSampler:
    """*Which transition*: subclass it and write `sample`; the other methods tell what comes and goes."""

    def check(self, buffer: GoalConditionedReplayBuffer) -> None:
        """Refuse a buffer whose states it cannot read."""

    def sample(
        self, buffer: GoalConditionedReplayBuffer, n: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """n rows of stored transitions, drawn with replacement, and their (n,) float32 importance weights."""
        raise NotImplementedError

    def stored(self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray) -> None:
        """These rows were just written."""

    def evicted(self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray) -> None:
        """These rows, which make up an episode, are about to be given up."""

    def update(self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray, td_errors: np.ndarray) -> None:
        """These rows had these TD errors, float32 and finite; a row that was drawn twice stands there twice."""

    def state(self, buffer: GoalConditionedReplayBuffer) -> dict[str, np.ndarray]:
        """What `save` has to keep; arrays over rows follow ``buffer.live_rows()``."""
        return {}

    def restore(self, buffer: GoalConditionedReplayBuffer, state: dict[str, np.ndarray]) -> None:
        """Take back what `state` gave, the buffer being loaded already; {} if another sampler saved the file."""


class UniformTransitions(TransitionSampler):
    """Every stored transition with the same probability."""

    def sample(self, buffer, n, rng):
        return buffer.rows_at(rng.random(n)), np.ones(n, np.float32)


class GoalConditionedReplayBuffer:
    """Keeps the newest episodes whole, a row per transition, and samples their transitions as they happened.

    Args:
        capacity: how many transitions are kept at most.
        state_dim, action_dim, goal_dim: sizes of the vectors. A discrete action has ``action_dim`` 1.
        goal_dtype: in which goals are stored, and rewarded; a network sees them as float32.
        seed: of the buffer's own generator; the same seed and the same calls give the same batches.
        transitions: which transition is drawn; uniform by default.

    A ValueError or TypeError names what cannot be; ``transitions`` have to fit the sizes.

    Attributes:
        states, next_states, actions: (capacity, size) float32, read-only views of all rows.
        rewards, dones: (capacity,) float32 and bool, under the desired goals.
        achieved_goals, desired_goals: (capacity, goal_dim) ``goal_dtype``; like the next three, not to be written.
        episode_start, episode_end: (capacity,) the first row of each row's episode, and the row after its last.
        number: (capacity,) the number of the transition in each row, see `Batch`; -1 where the row is empty.
        rings: the `EpisodeRing` in which the episodes lie.
        rng: the buffer's own generator.
    """

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        *,
        goal_dtype: type = np.float32,
        seed: int | np.random.SeedSequence | None = None,
        transitions: TransitionSampler | None = None,
    ):
        self.capacity = check_positive_integer("capacity", capacity)
        for name, size in (("state_dim", state_dim), ("action_dim", action_dim), ("goal_dim", goal_dim)):
            setattr(self, name, check_positive_integer(name, size))
        self.goal_dtype = np.dtype(goal_dtype)
        self.transitions = transitions if transitions is not None else UniformTransitions()
        check_instance("transitions", self.transitions, TransitionSampler)
        self.transitions.check(self)
        self.rng = as_seeded(seed)
        # A row is [state, goal, action, next state, goal, reward, done]: a gathered one is fed to a network as it is,
        # once a substitute goal has been written into both places.
        sizes = (state_dim, goal_dim, action_dim, state_dim, goal_dim, 1, 1)
        ends = np.cumsum(sizes).tolist()
        columns = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self._state, self._goal, self._action, self._next_state, self._next_goal, *_ = columns
        self._observation = slice(0, self._goal.stop)
        self._next_observation = slice(self._next_state.start, self._next_goal.stop)
        self._reward, self._done = ends[4], ends[5]
        self.allocate()

    def allocate(self) -> None:
        """Begin with empty rows."""
        self._rows = np.zeros((self.capacity, self._done + 1), np.float32)
        self.achieved_goals = np.zeros((self.capacity, self.goal_dim), self.goal_dtype)
        self.desired_goals = np.zeros_like(self.achieved_goals)
        self.episode_start, self.episode_end = np.zeros((2, self.capacity), np.intp)
        self.number = np.full(self.capacity, -1, np.int64)
        self.rings = [EpisodeRing(0, self.capacity)]
        self._size = 0

    def store_episode(self, episode: Episode) -> None:
        """Store a whole episode, dropping the oldest ones where room is needed.

        Raises:
            TypeError: not an Episode.
            ValueError: a field whose size is not the buffer's, or an episode longer than the capacity. Nothing stored
                is changed.
        """
        self._check_episode(episode)
        ring, n = self._ring_for_episode(), len(episode)
        self._make_room(ring, n)
        start = ring.place(n)
        rows = slice(start, start + n)
        self._write(rows, **{name: getattr(episode, name) for name in FIELDS})
        self.episode_start[rows], self.episode_end[rows] = start, start + n
        self.number[rows] = ring.lap * self.capacity + np.arange(start, start + n)
        self._size += n
        self.transitions.stored(self, np.arange(start, start + n))

    def _check_episode(self, episode: Episode) -> None:
        if not isinstance(episode, Episode):
            raise TypeError(f"episode: expected an Episode, got {type(episode).__name__}")
        n = len(episode)
        for name, dimension in (("states", "state_dim"), ("actions", "action_dim"), ("goals", "goal_dim")):
            check_shape(name, getattr(episode, name), (n, getattr(self, dimension)), dimension)
        if n > self.capacity:
            raise ValueError(f"capacity: an episode of {n} transitions does not fit into capacity={self.capacity}")

    def _ring_for_episode(self) -> EpisodeRing:
        return self.rings[0]

    def _make_room(self, ring: EpisodeRing, length: int) -> None:
        """Drop the oldest episodes of a ring until one of ``length`` transitions fits."""
        while ring.in_the_way(length):
            rows = np.arange(ring.tail, self.episode_end[ring.tail])
            self.transitions.evicted(self, rows)
            self.number[rows] = -1
            ring.drop_oldest(len(rows))
            self._size -= len(rows)

    @np.errstate(under="ignore", over="ignore")
    def _write(self, rows, states, actions, rewards, next_states, dones, goals, achieved_goals) -> None:
        self._rows[rows, self._state] = states
        self._rows[rows, self._action] = actions
        self._rows[rows, self._next_state] = next_states
        self._rows[rows, self._reward] = rewards
        self._rows[rows, self._done] = dones
        self._rows[rows, self._goal] = self._rows[rows, self._next_goal] = goals
        self.desired_goals[rows] = goals
        self.achieved_goals[rows] = achieved_goals

    def __len__(self) -> int:
        return self._size

    states = property(lambda self: self._view(self._state))
    actions = property(lambda self: self._view(self._action))
    next_states = property(lambda self: self._view(self._next_state))
    rewards = property(lambda self: self._view(self._reward))
    dones = property(lambda self: self._rows[:, self._done] != 0)

    def _view(self, columns: slice | int) -> np.ndarray:
        view = self._rows[:, columns]
        view.flags.writeable = False
        return view

    def rows_at(self, uniform: np.ndarray) -> np.ndarray:
        """The rows that lie at these fractions, from [0, 1), of everything stored, oldest first."""
        ring = self.rings[0]
        rows = (uniform * self._size).astype(np.intp)
        rows += ring.tail
        rows %= ring.gap  # past the gap they go on at row 0
        return rows

    def live_rows(self) -> np.ndarray:
        """(len(buffer),) the rows that hold transitions, oldest first."""
        return self.rows_at((np.arange(self._size) + 0.5) / max(1, self._size))

    def sample(self, batch_size: int) -> Batch:
        """``batch_size`` stored transitions, drawn with replacement, as they happened.

        A ValueError if ``batch_size`` is no positive integer, or the buffer is empty.
        """
        self._check_batch_size(batch_size)
        rows, weights = self.transitions.sample(self, batch_size, self.rng)
        packed = self._rows.take(rows, axis=0)
        return Batch(
            observations=packed[:, self._observation],
            actions=packed[:, self._action],
            rewards=packed[:, self._reward].copy(),
            next_observations=packed[:, self._next_observation],
            dones=packed[:, self._done] != 0,
            goals=self.desired_goals.take(rows, axis=0),
            achieved_goals=self.achieved_goals.take(rows, axis=0),
            relabelled=np.zeros(batch_size, bool),
            weights=weights,
            indices=self.number.take(rows),
            goal_indices=np.full(batch_size, -1),
        )

    def _check_batch_size(self, batch_size: int) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size: expected a positive integer, got {batch_size!r}")
        if not self._size:
            raise ValueError(f"batch_size: cannot draw {batch_size} transitions from an empty buffer; store some first")

    def update_priorities(self, indices: np.ndarray, td_errors: np.ndarray) -> None:
        """Tell the sampler of transitions what the TD errors of a batch were; uniform sampling has no use for them.

        Args:
            indices: (n,) ``batch.indices``. The error of a transition that has been dropped since is ignored.
            td_errors: (n,) target minus Q; the sign does not matter.

        A ValueError names what is wrong: no stored rows, a shape, an unknown index, a number that is not finite. No
        priority is changed then.
        """
        stop = (1 + max(ring.lap for ring in self.rings)) * self.capacity
        numbers, errors = check_td_errors(indices, td_errors, stop)
        if len(numbers) and not self._size:
            raise ValueError("indices: the buffer is empty, it has no transitions to prioritise")
        rows = numbers % self.capacity
        stored = self.number[rows] == numbers
        if stored.any():
            self.transitions.update(self, rows[stored], errors[stored])

    def save(self, path: str | os.PathLike) -> None:
        """Write everything stored and the generator's state, atomically and without pickle."""
        saving.save(self, path)

    def load(self, path: str | os.PathLike) -> None:
        """Take back what `save` wrote: the same transitions, the same batches to come.

        The capacity may be another one, as long as everything fits; a sampler that is not uniform may then draw other
        batches of the same distribution.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no file of a buffer, other dimensions, or more than fits. Nothing is changed.
        """
        saving.load(self, path)

    def parts(self) -> dict[str, Any]:
        """What, beside the rows, is saved by its ``state`` and loaded by its ``restore``; by attribute."""
        return {"transitions": self.transitions}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._size} of {self.capacity} transitions)"
