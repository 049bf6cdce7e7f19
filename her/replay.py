"""Transitions, episodes, batches, and the buffer that keeps whole episodes in contiguous arrays."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from her.rewards import all_finite

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """One step under a goal.

    Attributes:
        state: (state_dim,) before the action.
        action: (action_dim,), or a number where there is a single one.
        reward: under ``goal``.
        next_state: (state_dim,) after the action.
        done: whether bootstrapping stops here under ``goal``. A time limit is not an end.
        goal: (goal_dim,) the desired goal.
        achieved_goal: (goal_dim,) what was reached *after* the action, in ``next_state``.
    """

    state: np.ndarray
    action: np.ndarray | float | int
    reward: float
    next_state: np.ndarray
    done: bool
    goal: np.ndarray
    achieved_goal: np.ndarray


class Episode:
    """A sequence of transitions, held as arrays with one row per transition, copies of what was given.

    Args:
        transitions: in the order in which they happened; at least one.
        goal: (goal_dim,) the goal pursued, also by transitions whose own goal is None; by default that of the first
            transition.

    Raises:
        TypeError: something else than transitions.
        ValueError: no transitions, a shape that differs between transitions, or a value that is not finite.

    Attributes:
        states, next_states: (T, state_dim) float32.
        actions: (T, action_dim) float32.
        rewards: (T,) float32.
        dones: (T,) bool.
        goals, achieved_goals: (T, goal_dim) float32; ``achieved_goals[t]`` is reached after action t.
        goal: (goal_dim,) float32.
    """

    __slots__ = ("achieved_goals", "actions", "dones", "goal", "goals", "next_states", "rewards", "states")

    def __init__(self, transitions: Sequence[Transition], goal: np.ndarray | None = None):
        if not isinstance(transitions, Iterable):
            raise TypeError(f"transitions: expected Transition objects, got {type(transitions).__name__}")
        transitions = list(transitions)
        if not transitions:
            raise ValueError("transitions: an episode needs at least one transition, got none")
        for i, transition in enumerate(transitions):
            if not isinstance(transition, Transition):
                raise TypeError(f"transitions: expected Transition objects, got {type(transition).__name__} at {i}")
        goal = transitions[0].goal if goal is None else goal
        self._set(
            states=_stack("state", [t.state for t in transitions]),
            actions=_stack("action", [t.action for t in transitions]),
            rewards=_stack("reward", [t.reward for t in transitions], scalar=True),
            next_states=_stack("next_state", [t.next_state for t in transitions]),
            dones=_stack("done", [t.done for t in transitions], scalar=True),
            goals=_stack("goal", [goal if t.goal is None else t.goal for t in transitions]),
            achieved_goals=_stack("achieved_goal", [t.achieved_goal for t in transitions]),
            goal=np.atleast_1d(as_float32("goal", goal, np.array)),
        )

    @classmethod
    def from_arrays(
        cls,
        states: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_states: np.ndarray,
        dones: np.ndarray,
        achieved_goals: np.ndarray,
        goal: np.ndarray,
    ) -> Self:
        """An episode from arrays with T rows each; ``goal`` is (goal_dim,), or (T, goal_dim) if it changed on the way.

        ``actions`` of shape (T,) are T actions of one number.
        """
        goals = np.atleast_1d(as_float32("goal", goal, np.array))
        achieved_goals = _two_dimensional("achieved_goals", achieved_goals)
        if goals.ndim == 1:
            goals = np.repeat(goals[None], len(achieved_goals), axis=0)
        episode = cls.__new__(cls)
        episode._set(
            states=_two_dimensional("states", states),
            actions=_two_dimensional("actions", actions),
            rewards=as_float32("rewards", rewards, np.array),
            next_states=_two_dimensional("next_states", next_states),
            dones=as_float32("dones", dones),
            goals=goals,
            achieved_goals=achieved_goals,
            goal=goals[0] if len(goals) else goals,
        )
        return episode

    def _set(self, goal: np.ndarray, dones: np.ndarray, **arrays: np.ndarray) -> None:
        length = len(arrays["achieved_goals"])
        if length == 0:
            raise ValueError("transitions: an episode needs at least one transition, got none")
        for name, array in {**arrays, "dones": dones}.items():
            dimensions = 1 if name in ("rewards", "dones") else 2
            if array.ndim != dimensions or len(array) != length:
                shape = f"({length},)" if dimensions == 1 else f"({length}, …)"
                raise ValueError(f"{name}: expected shape {shape}, a row per transition, got {array.shape}")
            check_finite(name, array)
        check_finite("goal", goal)
        for name, like in (("next_states", "states"), ("goals", "achieved_goals")):
            if arrays[name].shape != arrays[like].shape:
                raise ValueError(
                    f"{name}: expected shape {arrays[like].shape}, as {like} have, got {arrays[name].shape}"
                )
        if goal.shape != arrays["goals"].shape[1:]:
            raise ValueError(f"goal: expected shape {arrays['goals'].shape[1:]}, as goals have, got {goal.shape}")
        for name, array in arrays.items():
            setattr(self, name, array)
        self.dones = dones != 0
        self.goal = goal

    def __len__(self) -> int:
        return len(self.rewards)

    def __getitem__(self, t: int) -> Transition:
        return Transition(
            self.states[t],
            self.actions[t],
            float(self.rewards[t]),
            self.next_states[t],
            bool(self.dones[t]),
            self.goals[t],
            self.achieved_goals[t],
        )

    def __iter__(self) -> Iterator[Transition]:
        return (self[t] for t in range(len(self)))

    @property
    def transitions(self) -> list[Transition]:
        """The rows as objects."""
        return list(self)

    def __repr__(self) -> str:
        return f"Episode({len(self)} transitions, goal={self.goal.tolist()}, return={self.rewards.sum():g})"


class TorchBatch(NamedTuple):
    """A batch as float32 tensors that share the memory of the numpy batch; what a network is fed."""

    observations: torch.Tensor  #: (n, state_dim + goal_dim): [state, goal]
    actions: torch.Tensor  #: (n, action_dim)
    rewards: torch.Tensor  #: (n,)
    next_observations: torch.Tensor  #: (n, state_dim + goal_dim): [next_state, goal]
    dones: torch.Tensor  #: (n,) 1.0 where bootstrapping stops
    weights: torch.Tensor  #: (n,) importance weights


@dataclass(slots=True, eq=False)
class Batch:
    """n sampled transitions. Every array is the batch's own: changing it changes nothing stored.

    Attributes:
        states, next_states: (n, state_dim) float32.
        actions: (n, action_dim) float32.
        rewards: (n,) float32, under ``goals``.
        dones: (n,) bool: where bootstrapping stops under ``goals``.
        goals: (n, goal_dim) float32, the substitute goal where ``relabelled``.
        achieved_goals: (n, goal_dim) float32, reached after the action.
        relabelled: (n,) bool.
        indices: (n,) where each transition is stored; what ``update_priorities`` takes.
        weights: (n,) float32 importance weights; 1 under uniform sampling.
        goal_indices: (n,) where the transition is stored that achieved the substitute goal; -1 where not relabelled.
    """

    rewards: np.ndarray
    dones: np.ndarray
    achieved_goals: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    _kept: slice | np.ndarray = field(repr=False)
    _goal_rows: np.ndarray = field(repr=False)
    _packed: np.ndarray = field(repr=False)
    _columns: Columns = field(repr=False)

    def __len__(self) -> int:
        return len(self._packed)

    @property
    def states(self) -> np.ndarray:
        return self._packed[:, self._columns.state]

    @property
    def actions(self) -> np.ndarray:
        return self._packed[:, self._columns.action]

    @property
    def next_states(self) -> np.ndarray:
        return self._packed[:, self._columns.next_state]

    @property
    def goals(self) -> np.ndarray:
        return self._packed[:, self._columns.goal]

    @property
    def relabelled(self) -> np.ndarray:
        relabelled = np.ones(len(self), bool)
        relabelled[self._kept] = False
        return relabelled

    @property
    def goal_indices(self) -> np.ndarray:
        return np.where(self.relabelled, self._goal_rows, -1)

    def torch(self) -> TorchBatch:
        """[state, goal] joined and ready for a network; but for ``dones``, views of this batch's memory."""
        import torch

        packed, columns, from_numpy = self._packed, self._columns, torch.from_numpy
        return TorchBatch(
            from_numpy(packed[:, columns.observation]),
            from_numpy(packed[:, columns.action]),
            from_numpy(self.rewards),
            from_numpy(packed[:, columns.next_observation]),
            from_numpy(self.dones.astype(np.float32)),
            from_numpy(self.weights),
        )


class Columns:
    """Where the fields stand in a stored row: ``[state, goal, action, next_state, goal, achieved, reward]``.

    The goal stands twice so that [state, goal], [state, goal, action] and [next_state, goal] are each one slice:
    a gathered row is fed to a network as it is, once the substitute goal has been written over both. What else a batch
    needs of the row lies beside it, because what takes time is to fetch rows from distant memory.
    """

    def __init__(self, state_dim: int, action_dim: int, goal_dim: int):
        observation_dim = state_dim + goal_dim
        action_end = observation_dim + action_dim
        next_end = action_end + observation_dim
        self.state = slice(0, state_dim)
        self.goal = slice(state_dim, observation_dim)
        self.observation = slice(0, observation_dim)
        self.action = slice(observation_dim, action_end)
        self.next_state = slice(action_end, action_end + state_dim)
        self.next_goal = slice(action_end + state_dim, next_end)
        self.next_observation = slice(action_end, next_end)
        self.achieved = slice(next_end, next_end + goal_dim)
        self.reward = next_end + goal_dim
        self.width = self.reward + 1
        # The goals of a row, each as one item: numpy moves those several times faster than their numbers.
        self.one_goal = np.dtype((np.void, 4 * goal_dim))
        goals = {"goal": self.goal, "next_goal": self.next_goal, "achieved": self.achieved}
        self.row = np.dtype(
            {
                "names": list(goals),
                "formats": [self.one_goal] * len(goals),
                "offsets": [4 * column.start for column in goals.values()],
                "itemsize": 4 * self.width,
            }
        )


class TransitionSampler(Protocol):
    """*Which transition*: chooses rows, and is told what comes and goes."""

    def check(self, buffer: GoalConditionedReplayBuffer, n: int, state: dict[str, np.ndarray]) -> None:
        """Refuse a buffer whose states it cannot read, or a ``state`` that cannot be of n transitions; change nothing.

        Called when the buffer is made, with nothing saved, and before a file is loaded.
        """

    def sample(
        self, buffer: GoalConditionedReplayBuffer, n: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """n rows of live transitions, drawn with replacement, and their (n,) float32 importance weights."""

    def stored(self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray) -> None:
        """These rows were just written."""

    def evicted(self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray) -> None:
        """These rows, which make up an episode, are about to be overwritten."""

    def update(self, buffer: GoalConditionedReplayBuffer, rows: np.ndarray, td_errors: np.ndarray) -> None:
        """These live rows had these TD errors, float32 and finite; a row that was drawn twice stands there twice."""

    def state(self, buffer: GoalConditionedReplayBuffer) -> dict[str, np.ndarray]:
        """What ``save`` has to keep; arrays over rows follow ``buffer.live_rows()``."""

    def restore(self, buffer: GoalConditionedReplayBuffer, state: dict[str, np.ndarray]) -> None:
        """Take back what ``state`` gave, after the buffer has been loaded; {} if another sampler saved the file."""


class UniformTransitions:
    """Every stored transition with the same probability."""

    def __init__(self):
        self._ones = np.ones(0, np.float32)

    def check(self, buffer, n, state):
        pass

    def sample(self, buffer, n, rng):
        rows, weights, _ = self.sample_at(buffer, rng.random(n))
        return rows, weights

    def sample_at(self, buffer, uniform):
        """As `sample`, of (n,) numbers from [0, 1): rows, weights, and what the rows left of the numbers.

        These are (n,) numbers from [0, 1) again, which tell nothing of the rows: they spare drawing others.
        """
        n = len(uniform)
        if len(self._ones) != n:
            self._ones = np.ones(n, np.float32)
        scaled = uniform * len(buffer)
        nth = scaled.astype(np.intp)
        scaled -= nth  # uniform like before, in steps of 2^-33 with a million stored
        return buffer.live_rows(nth), self._ones.copy(), scaled

    def stored(self, buffer, rows):
        pass

    def evicted(self, buffer, rows):
        pass

    def update(self, buffer, rows, td_errors):
        pass

    def state(self, buffer):
        return {}

    def restore(self, buffer, state):
        pass


class GoalConditionedReplayBuffer:
    """Keeps the newest episodes whole, and samples their transitions as they happened.

    Storage is one float32 row per transition, in a ring of ``capacity`` rows. When room is needed, the oldest episodes
    are dropped, each as a whole. Steps can be stored while their episodes are still going on (`add`); such open
    episodes are sampled like the others. With ``n_envs`` environments the ring is divided into ``n_envs`` equal rings,
    one per environment, so that every episode lies in consecutive rows.

    Args:
        capacity: how many transitions are kept at most.
        state_dim, action_dim, goal_dim: sizes of the vectors. A discrete action has ``action_dim`` 1.
        n_envs: how many environments `add` takes a step of.
        seed: of the buffer's own generator; the same seed and the same calls give the same batches.
        transitions: which transition is drawn; uniform by default.

    Raises:
        ValueError: an argument that is not a positive integer, a capacity below ``n_envs``, a ``seed`` that is none, or
            settings of ``transitions`` that do not fit the sizes.
        TypeError: ``transitions`` that cannot choose.
    """

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        *,
        n_envs: int = 1,
        seed: int | np.random.SeedSequence | None = None,
        transitions: TransitionSampler | None = None,
    ):
        self.capacity = check_positive_integer("capacity", capacity)
        self.state_dim = check_positive_integer("state_dim", state_dim)
        self.action_dim = check_positive_integer("action_dim", action_dim)
        self.goal_dim = check_positive_integer("goal_dim", goal_dim)
        self.n_envs = check_positive_integer("n_envs", n_envs)
        if self.capacity < self.n_envs:
            raise ValueError(f"capacity: expected at least one row for each of n_envs={n_envs}, got {capacity}")
        self.columns = Columns(self.state_dim, self.action_dim, self.goal_dim)
        self.transitions = transitions if transitions is not None else UniformTransitions()
        check_methods("transitions", self.transitions, TransitionSampler)
        self.transitions.check(self, 0, {})
        try:
            self._rng = np.random.Generator(np.random.SFC64(seed))  # draws a third faster than the default
        except (TypeError, ValueError):
            raise ValueError(f"seed: expected an integer of at least 0, a SeedSequence or None, got {seed!r}") from None

        self._ring = self.capacity // self.n_envs  # rows of one environment's ring
        rows = self._ring * self.n_envs
        self._data = _zeros_on_cache_lines(rows, self.columns.width)
        # Once more, close together: here substitute goals are looked up.
        self._achieved = np.zeros(rows, self.columns.one_goal)
        self._dones = np.zeros(rows, bool)
        self._any_done = False
        # An episode is named by the row it starts in: _start says so for every row. _end is the row after the episode's
        # last one, counted on where it runs over its ring's end; as long as it goes on, of the row it starts in alone.
        self._start = np.zeros(rows, np.int32 if rows < 2**31 else np.int64)  # half the bytes are looked up faster
        self._end = np.zeros(rows, np.intp)
        # Of each ring: where it begins, its oldest row (counted from there), live rows, rows of its open episode,
        # rows ever written, and whether an episode runs over the ring's end.
        self._base = np.arange(self.n_envs) * self._ring
        self._tail = np.zeros(n_envs, np.intp)
        self._live = np.zeros(n_envs, np.intp)
        self._open = np.zeros(n_envs, np.intp)
        self._written = np.zeros(n_envs, np.int64)
        self._straddles = np.zeros(n_envs, bool)
        self._size = 0
        self._any_straddles = False
        self._newest_batches: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=32)  # their rows, and _written then

    @property
    def rng(self) -> np.random.Generator:
        """The buffer's own generator, as the batches so far have left it."""
        self._put_back()
        return self._rng

    @rng.setter
    def rng(self, rng: np.random.Generator) -> None:
        self._put_back()
        self._rng = rng

    def _put_back(self) -> None:
        """A place for subclasses that draw ahead to undo it."""

    # ------------------------------------------------------------------ storing

    def store_episode(self, episode: Episode) -> None:
        """Store a whole episode, dropping the oldest ones where room is needed.

        Raises:
            TypeError: not an Episode.
            ValueError: a field whose size is not the buffer's, or an episode longer than the capacity (of a
                ring, ``capacity // n_envs``). Nothing stored is changed.
        """
        if not isinstance(episode, Episode):
            raise TypeError(f"episode: expected an Episode, got {type(episode).__name__}")
        n = len(episode)
        if n > self._ring:
            share = f" // n_envs={self.n_envs}" if self.n_envs > 1 else ""
            raise ValueError(
                f"capacity: an episode of {n} transitions does not fit into capacity={self.capacity}{share}"
            )
        env = self._ring_for_episode()
        columns = self._pack(
            episode.states,
            episode.actions,
            episode.rewards,
            episode.next_states,
            episode.dones,
            episode.goals,
            episode.achieved_goals,
        )
        self._make_room(env, n)
        first = (int(self._tail[env]) + int(self._live[env])) % self._ring
        if first + n <= self._ring:
            base = int(self._base[env])
            rows: slice | np.ndarray = slice(base + first, base + first + n)  # copied several times faster
        else:
            rows = self._rows_in_ring(env, first, n)
            self._straddles[env] = self._any_straddles = True
        for table, column in zip(self._tables, columns, strict=True):
            table[rows] = column
        start = int(self._base[env]) + first
        self._start[rows] = start
        self._end[rows] = start + n
        self._live[env] += n
        self._written[env] += n
        self._size += n
        if self._has_priorities:
            self.transitions.stored(self, self._rows_in_ring(env, first, n))

    def add(
        self,
        states: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_states: np.ndarray,
        dones: np.ndarray,
        goals: np.ndarray,
        achieved_goals: np.ndarray,
        episode_ends: np.ndarray,
        episode_begins: np.ndarray | None = None,
    ) -> None:
        """Store one step of every environment: arrays of ``n_envs`` rows.

        ``dones`` says where bootstrapping stops, ``episode_ends`` where the next step begins another episode
        (terminated or truncated), ``episode_begins`` where this step does although the one before ended none (the run
        was interrupted). The transitions can be sampled at once.

        Raises:
            ValueError: a wrong shape, a value that is not finite, or an open episode that fills its ring. Nothing
                stored is changed.
        """
        states = as_float32("states", states)
        if states.ndim == 0 or len(states) != self.n_envs:
            raise ValueError(f"states: expected a row for each of n_envs={self.n_envs}, got shape {states.shape}")
        ends = check_flags("episode_ends", episode_ends, self.n_envs)
        so_far = self._open
        if episode_begins is not None:
            so_far = np.where(check_flags("episode_begins", episode_begins, self.n_envs), 0, so_far)
        full = (self._live == self._ring).nonzero()[0]
        if len(full) and so_far[full].max() == self._ring:
            raise ValueError(
                f"capacity: an episode in progress has reached {self._ring} transitions and does not fit into "
                f"capacity={self.capacity} // n_envs={self.n_envs}"
            )
        columns = self._pack(states, actions, rewards, next_states, dones, goals, achieved_goals, check=True)
        if so_far is not self._open:
            self._close(np.flatnonzero(so_far < self._open))
        for env in full:
            self._make_room(env, 1)
        head = (self._tail + self._live) % self._ring
        rows = self._base + head
        if np.count_nonzero(head) < self.n_envs:
            self._straddles |= (head == 0) & (self._open > 0)
            self._any_straddles = bool(self._straddles.any())
        start = self._base + (head - self._open) % self._ring
        for table, column in zip(self._tables, columns, strict=True):
            table[rows] = column
        self._start[rows] = start
        self._open += 1
        self._end[start] = start + self._open
        self._live += 1
        self._written += 1
        self._size += self.n_envs
        if np.count_nonzero(ends):
            self._close(ends.nonzero()[0])
        if self._has_priorities:
            self.transitions.stored(self, rows)

    def end_episodes(self, envs: np.ndarray | slice = slice(None)) -> None:
        """Close the open episodes of all environments, or of these: the next `add` begins new ones.

        For when a run was interrupted.
        """
        self._close(np.arange(self.n_envs)[envs].reshape(-1))

    def _close(self, envs: np.ndarray) -> None:
        """Close the open episodes of these environments."""
        for env in envs.tolist():
            length, newest = int(self._open[env]), int(self._tail[env] + self._live[env])
            if length:
                rows = self._rows_in_ring(env, (newest - length) % self._ring, length)
                self._end[rows] = self._end[rows[0]]
        self._open[envs] = 0

    @property
    def _has_priorities(self) -> bool:
        """Whether the sampler wants to know what comes, what goes, and the TD errors; the uniform one does not."""
        return type(self.transitions) is not UniformTransitions  # a subclass of it may

    @property
    def _tables(self) -> tuple[np.ndarray, ...]:
        return self._data, self._achieved, self._dones

    def _pack(
        self, states, actions, rewards, next_states, dones, goals, achieved_goals, check: bool = False
    ) -> tuple[np.ndarray, ...]:
        """The fields as rows of the tables, once their shapes (and values) are found to be right."""
        n, columns = len(states), self.columns
        packed = np.empty((n, columns.width), np.float32)
        achieved_goals, rewards = as_float32("achieved_goals", achieved_goals), as_float32("rewards", rewards)
        for name, array, column, dimension in (
            ("states", states, columns.state, "state_dim"),
            ("actions", actions, columns.action, "action_dim"),
            ("next_states", next_states, columns.next_state, "state_dim"),
            ("goals", goals, columns.goal, "goal_dim"),
            ("achieved_goals", achieved_goals, columns.achieved, "goal_dim"),
        ):
            array = as_float32(name, array)
            expected = (n, getattr(self, dimension))
            if array.shape != expected:
                why = f"as given by {dimension}={expected[-1]}"
                raise ValueError(f"{name}: expected shape {expected}, {why}, got {array.shape}")
            packed[:, column] = array
        packed[:, columns.next_goal] = packed[:, columns.goal]
        if rewards.shape != (n,):
            raise ValueError(f"rewards: expected shape ({n},), a number a row, got {rewards.shape}")
        packed[:, columns.reward] = rewards
        dones = check_flags("dones", dones, n)
        if check and not all_finite(packed):
            for name in ("state", "action", "next_state", "goal"):
                check_finite(f"{name}s", packed[:, getattr(columns, name)])
            check_finite("achieved_goals", achieved_goals)
            check_finite("rewards", rewards)
        self._look_at(packed[:, columns.goal], achieved_goals, rewards, dones)
        self._any_done = self._any_done or bool(np.count_nonzero(dones))
        return packed, packed.view(columns.row)["achieved"][:, 0], dones

    def _look_at(self, goals: np.ndarray, achieved: np.ndarray, rewards: np.ndarray, dones: np.ndarray) -> None:
        """A place for subclasses to inspect, or refuse, real transitions before they are stored."""

    def _ring_for_episode(self) -> int:
        """The ring without an open episode into which least has been written."""
        if self.n_envs == 1 and not self._open[0]:
            return 0
        free = np.flatnonzero(self._open == 0)
        if not len(free):
            raise ValueError(
                "episode: every environment has an episode in progress; end them (episode_ends in add, "
                "or end_episodes()) before storing whole episodes"
            )
        return int(free[self._written[free].argmin()])

    def _make_room(self, env: int, needed: int) -> None:
        """Drop the oldest episodes of a ring until ``needed`` rows are free."""
        base, ring = int(self._base[env]), self._ring
        while ring - self._live[env] < needed:
            tail = int(self._tail[env])
            length = int(self._end[base + tail]) - base - tail
            if self._has_priorities:
                self.transitions.evicted(self, self._rows_in_ring(env, tail, length))
            if tail + length > ring:
                self._straddles[env] = False
                self._any_straddles = bool(self._straddles.any())
            self._tail[env] = (tail + length) % ring
            self._live[env] -= length
            self._size -= length

    def _rows_in_ring(self, env: int, first: int, n: int) -> np.ndarray:
        """n rows of an environment's ring, from the ``first``-th on, around its end."""
        rows = np.arange(first, first + n)
        if first + n > self._ring:
            rows %= self._ring
        rows += self._base[env]
        return rows

    # ------------------------------------------------------------------ sampling

    def __len__(self) -> int:
        return self._size

    def sample(self, batch_size: int) -> Batch:
        """``batch_size`` stored transitions, drawn with replacement, as they happened.

        Raises:
            ValueError: ``batch_size`` is no positive integer, or the buffer is empty.
        """
        rows, weights, _ = self._draw(batch_size)
        packed, columns = self._data.take(rows, axis=0), self.columns
        achieved, rewards = packed[:, columns.achieved], packed[:, columns.reward].copy()
        return self._batch(rows, weights, packed, achieved, rewards, self._real_dones(rows), slice(None), rows)

    def _draw(self, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Rows, their weights, and (batch_size,) numbers from [0, 1) that tell nothing of the rows, if any are left."""
        self._check_batch_size(batch_size)
        if not self._has_priorities:
            return self.transitions.sample_at(self, self._rng.random(batch_size))
        return *self.transitions.sample(self, batch_size, self._rng), None

    def _check_batch_size(self, batch_size: int) -> None:
        check_positive_integer("batch_size", batch_size)
        if not self._size:
            raise ValueError(f"batch_size: cannot draw {batch_size} transitions from an empty buffer; store some first")

    def _real_dones(self, rows: np.ndarray) -> np.ndarray:
        return self._dones.take(rows) if self._any_done else np.zeros(len(rows), bool)

    def _batch(self, rows, weights, packed, achieved, rewards, dones, kept, goal_rows) -> Batch:
        """Rows that were gathered, and whose goals have been replaced but where they are ``kept``, as a batch."""
        if self._has_priorities:
            self._newest_batches.append((rows, self._written.copy()))
        return Batch(rewards, dones, achieved, rows, weights, kept, goal_rows, packed, self.columns)

    def _gather(
        self, rows: np.ndarray, goal_rows: np.ndarray, kept: slice | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stored rows with the goals achieved in ``goal_rows``, or their own where ``kept``.

        Returns:
            (n, columns.width) the rows, (n, goal_dim) what was achieved in them, and (n, goal_dim) their goals.
        """
        packed, goals = self._data.take(rows, axis=0), self._achieved.take(goal_rows)
        items = np.ndarray(len(rows), self.columns.row, packed)
        achieved, own = items["achieved"].copy(), items["goal"]
        goals[kept] = own[kept]
        own[...] = goals
        items["next_goal"][...] = goals
        shape = len(rows), self.goal_dim
        return packed, np.ndarray(shape, np.float32, achieved), np.ndarray(shape, np.float32, goals)

    def achieved_in(self, rows: np.ndarray) -> np.ndarray:
        """(…, goal_dim) what was achieved in these rows, a copy."""
        return self._achieved.take(rows).view(np.float32).reshape(*rows.shape, self.goal_dim)

    def update_priorities(self, indices: np.ndarray, td_errors: np.ndarray) -> None:
        """Tell the sampler of transitions what the TD errors of a batch were; uniform sampling has no use for them.

        Args:
            indices: (n,) ``batch.indices``, or a copy of it. Where a transition has been dropped or overwritten since
                its batch was drawn, its error is ignored. The 32 newest batches are known; any other indices mean the
                transitions that are stored there now.
            td_errors: (n,) target minus Q; the sign does not matter.

        Raises:
            ValueError: an empty buffer, a wrong shape, an index that is no row, or an error that is not finite. No
                priority is changed.
        """
        rows, errors = np.asarray(indices), as_float32("td_errors", td_errors)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError(f"indices: expected integers of shape (n,), got {rows.dtype} of shape {rows.shape}")
        if errors.shape != rows.shape:
            raise ValueError(f"td_errors: expected shape {rows.shape}, one for each index, got {errors.shape}")
        if not len(rows):
            return
        if not self._size:
            raise ValueError("indices: the buffer is empty, it has no transitions to prioritise")
        if rows.min() < 0 or rows.max() >= len(self._start):
            low, high = rows.min(), rows.max()
            raise ValueError(f"indices: expected rows from 0 to {len(self._start) - 1}, got {low} to {high}")
        check_finite("td_errors", errors)
        rows = rows.astype(np.intp, copy=False)
        unchanged = self._unchanged(rows)
        if not unchanged.all():
            rows, errors = rows[unchanged], errors[unchanged]
        if len(rows):
            self.transitions.update(self, rows, errors)

    def _unchanged(self, rows: np.ndarray) -> np.ndarray:
        """Where a row still holds the transition that was drawn from it."""
        itself = (written for drawn, written in reversed(self._newest_batches) if drawn is rows)
        a_copy = (written for drawn, written in reversed(self._newest_batches) if np.array_equal(drawn, rows))
        written = next(itself, None)
        written = next(a_copy, self._written) if written is None else written
        env = rows // self._ring
        age = rows - self._base[env] - self._tail[env]  # counted from the ring's oldest transition
        age += (age < 0) * self._ring
        return (age < self._live[env]) & (self._written[env] - self._live[env] + age < written[env])

    # ------------------------------------------------------------------ rows and episodes

    def rows_at(self, uniform: np.ndarray) -> np.ndarray:
        """The rows that lie at these fractions, in [0, 1), of everything stored."""
        return self.live_rows((uniform * self._size).astype(np.intp))

    def live_rows(self, nth: np.ndarray | None = None) -> np.ndarray:
        """The rows of the stored transitions, environment by environment, oldest first.

        Args:
            nth: which of them, counted from 0, in an integer array that may be overwritten; all by default.
        """
        rows = np.arange(self._size) if nth is None else nth
        if self.n_envs == 1:
            tail = int(self._tail[0])
            if tail:
                rows += tail
                np.subtract(rows, self._ring, out=rows, where=rows >= self._ring)
            return rows
        before = np.cumsum(self._live) - self._live
        env = np.searchsorted(before, rows, side="right") - 1
        rows -= before[env]
        rows += self._tail[env]
        np.subtract(rows, self._ring, out=rows, where=rows >= self._ring)
        rows += self._base[env]
        return rows

    def newest_rows(self) -> np.ndarray:
        """(n_envs,) the row that was written last for each environment, once there is one."""
        return self._base + (self._tail + self._live - 1) % self._ring

    def episodes_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The episodes that rows belong to.

        Returns:
            The row each episode starts in, the position of the row in it, counted from 0, and its length so far.
        """
        start, end, at = self.spans_of(rows)
        return start, at - start, end - start

    def row_of(self, start: np.ndarray, position: np.ndarray) -> np.ndarray:
        """The rows at these positions of the episodes that start in ``start``; the inverse of `episodes_of`."""
        return self.in_ring(start, start + position)

    def spans_of(self, rows: np.ndarray, starts: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The episodes that rows belong to, in rows: what takes the least time to tell.

        Args:
            rows: (n,) rows of stored transitions.
            starts: whether the first array is wanted for itself; if it is for `in_ring` alone, a lookup can be spared.

        Returns:
            The row each episode starts in, the one after its last so far, and the row itself, the latter two counted on
            where an episode runs over its ring's end: see `in_ring`.
        """
        if not (starts or self._any_straddles or np.count_nonzero(self._open)):
            return rows, self._end.take(rows), rows
        start = self._start.take(rows)
        if self._any_straddles:
            rows = rows + (rows < start) * self._ring
        return start, self._end.take(start), rows

    def in_ring(self, start: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Rows of the episodes that start in ``start``, which may be counted on and overwritten, as they are stored."""
        if self._any_straddles:
            ring_end = self._ring if self.n_envs == 1 else (start // self._ring + 1) * self._ring
            np.subtract(at, self._ring, out=at, where=at >= ring_end)
        return at

    # ------------------------------------------------------------------ saving

    def save(self, path: str | os.PathLike) -> None:
        """Write everything stored, open episodes and the generator's state, atomically and without pickle."""
        path = Path(path)
        rows = self.live_rows()
        _, position, length = self.episodes_of(rows)
        meta = {
            "format": _FORMAT,
            "dims": [self.state_dim, self.action_dim, self.goal_dim],
            "ring": self._ring,
            "any_done": self._any_done,  # of all that was ever stored: it may have been dropped since
            "rng": _generator_state(self.rng),
            **self._state(),
        }
        arrays = {
            "data": self._data[rows],
            "dones": self._dones[rows],
            "episode_lengths": length[position == 0],
            "tail": self._tail,
            "live": self._live,
            "open": self._open,
            "written": self._written,
            "meta": np.array(json.dumps(meta)),
            **{f"sampler_{name}": array for name, array in self.transitions.state(self).items()},
        }
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def load(self, path: str | os.PathLike) -> None:
        """Take back what `save` wrote: the same transitions, the same open episodes, the same batches to come.

        The capacity may be another one, as long as everything fits. (Transitions are then stored in other rows, and a
        sampler that is not uniform may draw others of the same distribution.)

        Raises:
            FileNotFoundError: no such file.
            ValueError: no file of a buffer, other dimensions or ``n_envs``, or more than fits. Nothing is changed.
        """
        with open(path, "rb") as file:
            try:
                arrays, meta = _read_saved(file)
                generator, any_done = _generator(meta["rng"]), bool(meta["any_done"])
                self._check_state(meta)
                chosen = {k.removeprefix("sampler_"): v for k, v in arrays.items() if k.startswith("sampler_")}
                self.transitions.check(self, len(arrays["data"]), chosen)
            except Exception as error:  # a damaged file makes numpy, zipfile and json raise nearly anything
                raise ValueError(
                    f"path: {os.fspath(path)!r} is no saved replay buffer, or a damaged one ({error!r})"
                ) from None
        live, lengths = arrays["live"], arrays["episode_lengths"]
        data, dones = arrays["data"], arrays["dones"]
        dims, mine = tuple(meta["dims"]), (self.state_dim, self.action_dim, self.goal_dim)
        if dims != mine:
            raise ValueError(f"path: holds (state_dim, action_dim, goal_dim) = {dims}, this buffer has {mine}")
        if len(live) != self.n_envs:
            raise ValueError(f"path: holds a buffer of n_envs={len(live)}, this one has n_envs={self.n_envs}")
        if live.max() > self._ring:
            raise ValueError(f"capacity: {int(live.sum())} stored transitions do not fit into capacity={self.capacity}")
        tail = arrays["tail"] if meta["ring"] == self._ring else np.zeros_like(live)
        rows = np.concatenate([self._rows_in_ring(env, *part) for env, part in enumerate(zip(tail, live, strict=True))])
        first = np.cumsum(lengths) - lengths
        goals, achieved = data[:, self.columns.goal], np.ascontiguousarray(data[:, self.columns.achieved])
        self._restore(meta, goals, achieved, data[:, self.columns.reward], dones)
        for table, column in zip(self._tables, (data, achieved.view(self.columns.one_goal)[:, 0], dones), strict=True):
            table[rows] = column
        self._any_done = any_done
        self._start[rows] = np.repeat(rows[first], lengths)
        self._end[rows] = np.repeat(rows[first] + lengths, lengths)
        self._live[:], self._open[:], self._written[:] = live, arrays["open"], arrays["written"]
        self._tail[:], self._straddles[:] = tail, False
        self._straddles[rows[first][rows[first + lengths - 1] < rows[first]] // self._ring] = True
        self._any_straddles = bool(self._straddles.any())
        self._size = int(live.sum())
        self._newest_batches.clear()
        self.rng = generator
        self.transitions.restore(self, chosen)

    def _state(self) -> dict[str, Any]:
        """What a subclass wants kept in the file, as plain JSON."""
        return {}

    def _check_state(self, meta: dict[str, Any]) -> None:
        """Raise whatever error if `_state` cannot have given this; nothing is changed."""

    def _restore(
        self, meta: dict[str, Any], goals: np.ndarray, achieved: np.ndarray, rewards: np.ndarray, dones: np.ndarray
    ) -> None:
        """Take back what `_state` gave, or refuse; the transitions are about to be loaded, nothing is changed yet."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._size} of {self.capacity} transitions)"


#: of saved files
_FORMAT = 3


def _generator_state(rng: np.random.Generator) -> dict[str, Any]:
    state = rng.bit_generator.state
    return state | {"state": {"state": state["state"]["state"].tolist()}}


def _generator(state: dict[str, Any]) -> np.random.Generator:
    rng = np.random.Generator(np.random.SFC64())
    rng.bit_generator.state = state | {"state": {"state": np.array(state["state"]["state"], np.uint64)}}
    return rng


def _read_saved(file: IO[bytes]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the description in a file of `GoalConditionedReplayBuffer.save`, found to fit each other."""
    with np.load(file, allow_pickle=False) as archive:
        arrays = dict(archive)
    meta = json.loads(str(arrays.pop("meta")))
    if meta["format"] != _FORMAT:
        raise ValueError(f"format {meta['format']}, not {_FORMAT}")
    lengths, live, still_open = arrays["episode_lengths"], arrays["live"], arrays["open"]
    n, n_envs = int(live.sum()), len(live)
    for name, kind, shape in (
        ("data", "f", (n, Columns(*meta["dims"]).width)),
        ("dones", "b", (n,)),
        ("episode_lengths", "i", (len(lengths),)),
        ("tail", "i", (n_envs,)),
        ("live", "i", (n_envs,)),
        ("open", "i", (n_envs,)),
        ("written", "i", (n_envs,)),
    ):
        if (arrays[name].dtype.kind, arrays[name].shape) != (kind, shape):
            raise ValueError(f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}, not {shape}")
    if not all_finite(arrays["data"].astype(np.float32, copy=False)):
        raise ValueError("its data are not finite")
    length_at = dict(zip(np.cumsum(lengths).tolist(), lengths.tolist(), strict=True))  # by where the episode ends
    rings = zip(np.cumsum(live).tolist(), live.tolist(), still_open.tolist(), strict=True)
    fit = all(end in length_at and o in (0, length_at[end]) if rows else o == 0 for end, rows, o in rings)
    if not fit or live.min() < 0 or lengths.min(initial=1) < 1 or lengths.sum() != n:
        raise ValueError("its episodes do not fill its rows")
    if arrays["tail"].min() < 0 or arrays["tail"].max() >= meta["ring"] or live.max() > meta["ring"]:
        raise ValueError("its rows do not lie in their rings")
    return arrays, meta


def _zeros_on_cache_lines(rows: int, width: int) -> np.ndarray:
    """(rows, width) float32 zeros that begin with a cache line: a row then takes one line less to fetch, or as many."""
    line = 64 // 4
    zeros = np.zeros(rows * width + line, np.float32)
    first = -(zeros.ctypes.data // 4) % line
    return zeros[first : first + rows * width].reshape(rows, width)


def check_flags(name: str, values: Any, n: int) -> np.ndarray:
    """``values`` as (n,) bool; a ValueError that names the argument if they are not n numbers or bools."""
    if not (isinstance(values, np.ndarray) and values.dtype == bool):
        values = as_float32(name, values)
    if values.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), a flag a row, got {values.shape}")
    if values.dtype != bool:
        check_finite(name, values)
        values = values != 0
    return values


def check_positive_integer(name: str, value: int) -> int:
    """``value`` if it is a positive integer; otherwise a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: expected a positive integer, got {value!r}")
    return int(value)


def check_count(name: str, value: int) -> int:
    """``value`` if it is an integer of at least 0; otherwise a ValueError that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise ValueError(f"{name}: expected an integer of at least 0, got {value!r}")
    return int(value)


def check_number(name: str, value: float, is_right: Callable[[float], bool], expected: str) -> float:
    """``value`` as a float, if it is finite and ``is_right``; otherwise a ValueError that names the argument."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and is_right(value)):
        raise ValueError(f"{name}: expected a number {expected}, got {value!r}")
    return float(value)


def check_methods(name: str, value: Any, protocol: type) -> None:
    """A TypeError that names the argument if ``value`` is no object with the methods of ``protocol``."""
    methods = [method for method in vars(protocol) if not method.startswith("_")]
    if isinstance(value, type) or not all(callable(getattr(value, method, None)) for method in methods):
        expected = f"a {protocol.__name__}, an object with the methods {', '.join(methods)}"
        raise TypeError(f"{name}: expected {expected}, got {value!r}")


def as_float32(name: str, values: Any, convert: Callable[..., np.ndarray] = np.asarray) -> np.ndarray:
    """``values`` as float32, by ``np.array`` always a copy; a ValueError that names the argument if they are none."""
    try:
        if (values if isinstance(values, np.ndarray) else np.asarray(values)).dtype.kind in "SU":
            raise TypeError("numpy reads numbers in texts")
        return convert(values, dtype=np.float32)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last is torch's, about gradients
        why = f" ({error})" if isinstance(error, RuntimeError) else ""
        raise ValueError(f"{name}: expected numbers, got {values!r}{why}") from None


def _two_dimensional(name: str, values: Any) -> np.ndarray:
    array = as_float32(name, values, np.array)
    if array.ndim == 0:
        raise ValueError(f"{name}: expected a row per transition, got a single number")
    return array[:, None] if array.ndim == 1 else array


def _stack(name: str, values: list, scalar: bool = False) -> np.ndarray:
    """One float32 row per transition; the error says which transition has another shape, or no finite number."""
    rows = [as_float32(f"{name} of transition {i}", value) for i, value in enumerate(values)]
    rows = [row.reshape(()) if scalar and row.size == 1 else row if scalar else np.atleast_1d(row) for row in rows]
    shape = () if scalar else rows[0].shape
    for i, row in enumerate(rows):
        if row.shape != shape or row.ndim > 1:
            expected = "a single number" if scalar else f"shape {shape}, as in transition 0" if i else "a vector"
            raise ValueError(f"{name} of transition {i}: expected {expected}, got shape {row.shape}")
        if not np.isfinite(row).all():
            raise ValueError(f"{name} of transition {i}: expected finite float32 numbers, got {values[i]!r}")
    return np.stack(rows)


def check_finite(name: str, array: np.ndarray) -> None:
    if not all_finite(array):
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise ValueError(f"{name}: expected finite float32 numbers, got {array[row]} in row {row}")
