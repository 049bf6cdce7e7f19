"""A transition, and an episode of them: what is stored in a replay buffer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from her.validation import as_array, check_finite


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
    """A sequence of T transitions, held as arrays with a row per transition, copies of what was given.

    Args:
        transitions: in the order in which they happened; at least one.
        goal: (goal_dim,) the goal pursued, also by transitions whose own goal is None; by default that of the first
            transition.
        goal_dtype: of the goals.

    Raises:
        TypeError: something else than transitions.
        ValueError: no transitions, a shape that differs between transitions, or a value that is not finite.

    Attributes:
        states, next_states: (T, state_dim) float32.
        actions: (T, action_dim) float32.
        rewards: (T,) float32.
        dones: (T,) bool.
        goals, achieved_goals: (T, goal_dim) ``goal_dtype``; ``achieved_goals[t]`` is reached after action t.
        goal: (goal_dim,) ``goal_dtype``.
    """

    __slots__ = ("achieved_goals", "actions", "dones", "goal", "goals", "next_states", "rewards", "states")

    def __init__(
        self, transitions: Sequence[Transition], goal: np.ndarray | None = None, *, goal_dtype: type = np.float32
    ):
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
            rewards=_stack("reward", [t.reward for t in transitions], is_number=True),
            next_states=_stack("next_state", [t.next_state for t in transitions]),
            dones=_stack("done", [t.done for t in transitions], is_number=True),
            goals=_stack("goal", [goal if t.goal is None else t.goal for t in transitions], goal_dtype),
            achieved_goals=_stack("achieved_goal", [t.achieved_goal for t in transitions], goal_dtype),
            goal=np.atleast_1d(as_array("goal", goal, goal_dtype)),
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
        *,
        goal_dtype: type = np.float32,
    ) -> Self:
        """An episode from arrays with T rows each; ``goal`` is (goal_dim,), or (T, goal_dim) if it changed on the way.

        Vectors of a single number may be given as (T,): ``actions`` of shape (T,) are T actions of one number.
        """
        goals = np.atleast_1d(as_array("goal", goal, goal_dtype))
        achieved_goals = _as_vectors("achieved_goals", achieved_goals, goal_dtype)
        if goals.ndim == 1:
            goals = np.repeat(goals[None], len(achieved_goals), axis=0)
        episode = cls.__new__(cls)
        episode._set(
            states=_as_vectors("states", states),
            actions=_as_vectors("actions", actions),
            rewards=as_array("rewards", rewards),
            next_states=_as_vectors("next_states", next_states),
            dones=as_array("dones", dones),
            goals=goals,
            achieved_goals=achieved_goals,
            goal=goals[0].copy() if len(goals) else goals,
        )
        return episode

    def _set(self, goal: np.ndarray, **arrays: np.ndarray) -> None:
        """Check that the arrays fit each other, and keep them."""
        length = len(arrays["achieved_goals"])
        if length == 0:
            raise ValueError("transitions: an episode needs at least one transition, got none")
        for name, array in arrays.items():
            is_vector = name not in ("rewards", "dones")
            if array.ndim != 1 + is_vector or len(array) != length:
                expected = f"({length}, …)" if is_vector else f"({length},)"
                raise ValueError(f"{name}: expected shape {expected}, a row per transition, got {array.shape}")
            check_finite(name, array)
        check_finite("goal", goal)
        for name, like in (("next_states", "states"), ("goals", "achieved_goals")):
            if arrays[name].shape != arrays[like].shape:
                expected = f"{arrays[like].shape}, as {like} have"
                raise ValueError(f"{name}: expected shape {expected}, got {arrays[name].shape}")
        if goal.shape != arrays["goals"].shape[1:]:
            raise ValueError(f"goal: expected shape {arrays['goals'].shape[1:]}, as goals have, got {goal.shape}")
        for name, array in arrays.items():
            setattr(self, name, array)
        self.dones = arrays["dones"] != 0
        self.goal = goal

    def __len__(self) -> int:
        return len(self.rewards)

    def __getitem__(self, t: int) -> Transition:
        state, action, reward = self.states[t], self.actions[t], float(self.rewards[t])
        goals = self.goals[t], self.achieved_goals[t]
        return Transition(state, action, reward, self.next_states[t], bool(self.dones[t]), *goals)

    def __iter__(self) -> Iterator[Transition]:
        return (self[t] for t in range(len(self)))

    @property
    def transitions(self) -> list[Transition]:
        """The rows as objects."""
        return list(self)

    def __repr__(self) -> str:
        return f"Episode({len(self)} transitions, goal={self.goal.tolist()}, return={self.rewards.sum():g})"


def _as_vectors(name: str, values: Any, dtype: type = np.float32) -> np.ndarray:
    """(T, size) of (T, size) or (T,) values."""
    array = as_array(name, values, dtype)
    if array.ndim == 0:
        raise ValueError(f"{name}: expected a row per transition, got a single number")
    return array[:, None] if array.ndim == 1 else array


def _stack(name: str, values: list, dtype: type = np.float32, is_number: bool = False) -> np.ndarray:
    """(T, size) of T vectors, or (T,) of T numbers; the error says which transition has no such thing."""
    rows = [as_array(f"{name} of transition {i}", value, dtype) for i, value in enumerate(values)]
    rows = [row.reshape(-1) if row.ndim == 0 or (is_number and row.size == 1) else row for row in rows]
    shape = (1,) if is_number else rows[0].shape
    for i, row in enumerate(rows):
        if row.shape != shape or row.ndim > 1:
            expected = "a single number" if is_number else f"shape {shape}, as in transition 0" if i else "a vector"
            raise ValueError(f"{name} of transition {i}: expected {expected}, got shape {row.shape}")
        if not np.isfinite(row).all():
            raise ValueError(f"{name} of transition {i}: expected finite {row.dtype} numbers, got {values[i]!r}")
    return np.concatenate(rows) if is_number else np.stack(rows)
