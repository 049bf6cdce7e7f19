"""Which transition: by TD error, its rank, the energy of the trajectory, or whether the object was moved in it.

Each sampler here is a `TransitionSampler`: plug it into any buffer as ``transitions=``, one into each.
`PrioritizedHER` is the short name for a `HindsightExperienceReplay` with one of them.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from her.hindsight import GoalSampler, HERConfig, HindsightExperienceReplay
from her.replay import GoalConditionedReplayBuffer, TransitionSampler, check_number, check_positive_integer


class SumTree:
    """Draws rows in proportion to their values. Drawing and setting take O(log n) each, whole batches at once.

    A binary tree goes down 20 levels at a million rows, and each level is a handful of numpy calls. Here a node has 16
    children, and a level of at most 4096 nodes is searched as a whole, so that at a million rows two levels are left.
    A sum is always taken anew from its children, never corrected by a difference: it cannot drift.

    Args:
        size: how many rows there are. All values are 0 at first.
    """

    FAN_OUT = 16
    TOP = 4096
    #: rows that go down the tree together: their arrays then stay small enough to be recycled, not asked of the system
    AT_ONCE = 512

    def __init__(self, size: int):
        self.size = nodes = size
        self._levels: list[np.ndarray] = []  # the rows first; all but the last filled up to whole nodes of children
        while nodes > self.TOP:
            nodes = -(-nodes // self.FAN_OUT)
            self._levels.append(np.zeros(nodes * self.FAN_OUT))
        self._levels.append(np.zeros(nodes))

    @property
    def values(self) -> np.ndarray:
        """(size,) the values of all rows, float64. Change them by `set` alone."""
        return self._levels[0][: self.size]

    @property
    def total(self) -> float:
        """The sum of all values."""
        return float(self._levels[-1].sum())

    def set(self, rows: np.ndarray, values: np.ndarray | float) -> None:
        """Give rows new values of at least 0. Where a row stands more than once, its last value counts."""
        self._levels[0][rows] = values
        for level, above in itertools.pairwise(self._levels):
            rows = rows // self.FAN_OUT
            children = level.reshape(-1, self.FAN_OUT)
            if len(rows) < len(children):
                above[rows] = children.take(rows, axis=0).sum(axis=1)
            else:
                above[: len(children)] = children.sum(axis=1)

    def draw(self, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows drawn with probability value / total. A row of value 0 is never drawn.

        Args:
            uniform: (n,) numbers drawn uniformly from [0, 1).

        Returns:
            (n,) rows, and (n,) the probability of each.

        Raises:
            ValueError: all values are 0.
        """
        top = self._levels[-1]
        sums = np.zeros(len(top) + 1)
        np.cumsum(top, out=sums[1:])
        total = sums[-1]
        if not total > 0:
            raise ValueError("uniform: all values are 0, there is nothing to draw")
        target = uniform * total
        rows = sums[1:].searchsorted(target, side="right")  # the first sum above the target is that of a value above 0
        target -= sums.take(rows)
        for begin in range(0, len(rows), self.AT_ONCE):
            some = slice(begin, begin + self.AT_ONCE)
            rows[some] = self._descend(rows[some], target[some])
        return rows, self._levels[0].take(rows) / total

    def _descend(self, rows: np.ndarray, target: np.ndarray) -> np.ndarray:
        """From (n,) rows of the top level, and how far into each the target lies, down to the rows themselves."""
        each = np.arange(len(rows))
        for level in self._levels[-2::-1]:
            sums = level.reshape(-1, self.FAN_OUT).take(rows, axis=0).cumsum(axis=1)
            target = np.minimum(target, np.nextafter(sums[:, -1], 0))  # a sum in another order may be rounded up
            child = (sums > target[:, None]).argmax(axis=1)
            target -= np.where(child > 0, sums[each, child - 1], 0)
            rows = rows * self.FAN_OUT + child
        return rows


class ProportionalTransitions:
    """P(i) = pᵢ^α / Σⱼ pⱼ^α, where pᵢ = |δᵢ| + ε is the size of the TD error (Schaul et al. 2016, §3.3, proportional).

    Drawing some transitions more often than others biases the learner; importance weights undo the share β of that bias
    (§3.4): wᵢ = (N·P(i))^-β, divided by the largest of the batch. β grows linearly to 1. A transition that was never
    drawn has the largest priority there was so far, so that each is drawn soon.

    **A priority is an estimate.** The TD error belongs to a transition *and a goal*, and with hindsight the goal is
    drawn anew every time: what is stored is the error under the goal of the last visit. Two settings reduce what this
    costs. ``smoothing`` averages over the visits, |δ| ← smoothing·|δ| + (1 - smoothing)·|newest δ|, and so over the
    goals drawn in them. A larger ``epsilon`` keeps a transition in play that had nothing to teach under one goal. Where
    a batch holds a transition more than once, the largest of its errors counts.

    Args:
        alpha: α, how much priorities matter; 0 is uniform sampling.
        beta: β at the beginning, in [0, 1].
        beta_batches: batches drawn until β is 1. The paper reaches 1 at the end of learning.
        epsilon: ε > 0, in units of TD error. With rewards of -1 and 0, errors of some 0.3 are usual in training.
        smoothing: the weight of earlier visits, in [0, 1).

    Raises:
        ValueError: a setting out of its range.
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
        self._errors = np.zeros(0, np.float32)  # |δ| of each row, smoothed; NaN where no error is known
        self._tree = SumTree(0)

    @property
    def beta(self) -> float:
        """β as it is now."""
        return min(1.0, self.first_beta + (1 - self.first_beta) * self.batches / self.beta_batches)

    def priorities(self, rows: np.ndarray) -> np.ndarray:
        """(n,) p^α of these rows, float64: their probabilities up to the common factor. 0 where nothing is stored."""
        return self._tree.values[rows]

    def check(self, buffer, n, state):
        if "values_by" in state:  # else another sampler saved it
            _check_saved(state, errors=(n,), values=(n,), largest=(), batches=())

    def sample(self, buffer, n, rng):
        rows, probabilities = self._tree.draw(rng.random(n))
        weights = (len(buffer) * probabilities) ** -self.beta
        self.batches += 1
        return rows, (weights / weights.max()).astype(np.float32)

    def stored(self, buffer, rows):
        if not self._tree.size:
            self._begin(buffer)
        self._errors[rows] = np.nan
        self._tree.set(rows, self._values(self._errors[rows]))

    def evicted(self, buffer, rows):
        self._tree.set(rows, 0.0)

    def update(self, buffer, rows, td_errors):
        errors = np.abs(td_errors)
        order = errors.argsort()  # the largest error of a row is written last, and so counts
        rows, errors = rows[order], errors[order]
        if self.smoothing:
            before = self._errors[rows]
            smoothed = self.smoothing * before + (1 - self.smoothing) * errors
            errors = np.where(np.isnan(before), errors, smoothed)
        self._errors[rows] = errors
        self.largest = max(self.largest, float(errors.max()) + self.epsilon)
        self._tree.set(rows, self._values(errors))

    def state(self, buffer):
        rows = buffer.live_rows()
        return {
            "errors": self._errors[rows],
            "values": self.priorities(rows),
            "values_by": np.array(self._values_by),
            "largest": np.array(self.largest),
            "batches": np.array(self.batches),
        }

    def restore(self, buffer, state):
        self._begin(buffer)
        state = state if "values_by" in state else {}
        self.largest = float(state.get("largest", 1.0))
        self.batches = int(state.get("batches", 0))
        rows = buffer.live_rows()
        self._errors[rows] = state.get("errors", np.nan)
        # With the same settings, p^α as it was: an unseen transition keeps the largest priority of the time it came.
        same = str(state.get("values_by")) == self._values_by
        self._tree.set(rows, state["values"] if same else self._values(self._errors[rows]))

    def report(self, buffer: GoalConditionedReplayBuffer) -> dict[str, float]:
        """How it stands: β, the share of transitions that were never drawn, and the effective share.

        The effective share is (Σp)² / (N·Σp²), p raised to α: 1 under uniform sampling, and half as much if the same
        learning concentrates on half of the transitions.
        """
        rows = buffer.live_rows()
        p = self.priorities(rows)
        return {
            "beta": self.beta,
            "unseen_share": float(np.isnan(self._errors[rows]).mean()) if len(rows) else 0.0,
            "effective_share": float(p.sum() ** 2 / (len(p) * (p @ p))) if len(rows) else 1.0,
        }

    @property
    def _values_by(self) -> str:
        """The settings that priorities depend on."""
        return f"proportional, alpha={self.alpha}, epsilon={self.epsilon}"

    def _values(self, errors: np.ndarray) -> np.ndarray:
        """p^α for (n,) |δ|; float64."""
        priorities = np.where(np.isnan(errors), self.largest, errors.astype(np.float64) + self.epsilon)
        return priorities**self.alpha

    def _begin(self, buffer: GoalConditionedReplayBuffer) -> None:
        rows = len(buffer._start)
        self._tree, self._errors = SumTree(rows), np.full(rows, np.nan, np.float32)


class RankTransitions(ProportionalTransitions):
    """P(i) ∝ 1 / rank(i)^α, the largest TD error having rank 1 (Schaul et al. 2016, §3.3, rank-based).

    Outliers matter less: however large an error is, it is at most the first. Otherwise like `ProportionalTransitions`.

    Two approximations keep it cheap. All errors are sorted once every ``sort_every`` updates only; until then, a new
    error gets the rank that it would have had at the last sorting. Equal errors share the best of their ranks, and
    transitions that were never drawn share rank 1.

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
        self._sorted = np.zeros(0, np.float32)
        self._updates = 0

    def check(self, buffer, n, state):
        super().check(buffer, n, state)
        if "sorted" in state:
            _check_saved(state, sorted=(state["sorted"].size,), updates=())

    def sample(self, buffer, n, rng):
        if self._updates >= self.sort_every or (self._updates and not len(self._sorted)):
            self._sort(buffer.live_rows())
        return super().sample(buffer, n, rng)

    def update(self, buffer, rows, td_errors):
        super().update(buffer, rows, td_errors)
        self._updates += 1

    def state(self, buffer):
        return super().state(buffer) | {"sorted": self._sorted, "updates": np.array(self._updates)}

    def restore(self, buffer, state):
        self._sorted, self._updates = state.get("sorted", self._sorted[:0]), int(state.get("updates", 0))
        super().restore(buffer, state)
        if "sorted" not in state:
            self._sort(buffer.live_rows())

    @property
    def _values_by(self):
        return f"rank, alpha={self.alpha}"

    def _sort(self, rows: np.ndarray) -> None:
        errors = self._errors[rows]
        self._sorted, self._updates = np.sort(errors), 0  # NaN, that is never drawn, comes last: first in rank
        self._tree.set(rows, self._values(errors))

    def _values(self, errors):
        larger = len(self._sorted) - self._sorted.searchsorted(errors, side="right")
        return (1.0 + larger) ** -self.alpha


def _check_saved(state: dict[str, np.ndarray], **shapes: tuple[int, ...]) -> None:
    """Raise an error if an array is missing, has another shape, or holds what is no number of at least 0."""
    for name, shape in shapes.items():
        array = state[name]
        numbers = array[~np.isnan(array)] if name in ("errors", "sorted") else array  # NaN where no error is known
        if array.shape != shape or not ((numbers >= 0) & (numbers < np.inf)).all():
            raise ValueError(f"{name}: expected numbers of at least 0 of shape {shape}, got {array}")


def object_of(env: Any) -> tuple[slice, float]:
    """Where in an environment's observation the position of its object stands, and the seconds that a step takes.

    Raises:
        ValueError: it tells no such thing.
    """
    env = getattr(env, "envs", [env])[0]  # gymnasium's own vector environments have a list of them
    env = getattr(env, "unwrapped", env)
    position, dt = getattr(env, "object_position", None), getattr(env, "dt", None)
    if position is None and getattr(env, "has_object", False):  # Fetch: gripper x, y, z, object x, y, z, …
        position = slice(3, 6)
    if not isinstance(position, slice) or dt is None:
        raise ValueError(
            f"env: {env} tells nothing of an object that moves; it needs the attributes object_position, a slice of "
            "the observation, and dt, in seconds"
        )
    return position, float(dt)


def _check_position(position: slice, state_dim: int, least: int, most: int) -> None:
    """A ValueError if ``position`` is no slice of a state, or one of too few or too many numbers."""
    try:
        size = len(range(state_dim)[position])
    except (IndexError, TypeError, ValueError):
        size = 0
    if not least <= size <= most or (position.stop or 0) > state_dim:
        expected = f"a slice of {least} to {most} numbers of a state of state_dim={state_dim}"
        raise ValueError(f"position: expected {expected}, got {position!r}")


class EnergyTransitions:
    """Trajectories with probability ∝ (E + floor)^(1/(T + 0.01)), then one of their steps (Zhao & Tresp 2018).

    E is the energy that an episode has given to the object, see `trajectory_energy`: where the robot did something to
    the object, there is more to learn. As in the paper there are no importance weights, and TD errors play no part.
    An episode that is still going on has the energy it has so far.

    The paper draws episodes without energy never, and cannot draw at all while nobody has touched anything. Here
    ``floor`` gives every episode a little; as long as no episode has more, sampling is uniform over episodes.

    Args:
        position: where in the state the object's position stands, (2,) or (3,) of it; metres, the third one is height.
        dt: seconds a step; velocities are differences of positions over it.
        mass: kg.
        gravity: m/s².
        clip: J, the most that one step may contribute.
        temperature: T; the larger, the more uniform.
        floor: J, added to the energy of every episode.

    Raises:
        ValueError: a setting out of its range.
    """

    def __init__(
        self,
        position: slice,
        dt: float,
        mass: float = 1.0,
        gravity: float = 9.81,
        clip: float = 0.5,
        temperature: float = 1.0,
        floor: float = 1e-2,
    ):
        self.position = position
        self.dt = check_number("dt", dt, lambda x: x > 0, "above 0")
        self.mass = check_number("mass", mass, lambda x: x > 0, "above 0")
        self.gravity = check_number("gravity", gravity, lambda x: x >= 0, "at least 0")
        self.clip = check_number("clip", clip, lambda x: x > 0, "above 0")
        self.temperature = check_number("temperature", temperature, lambda x: x >= 0, "at least 0")
        self.floor = check_number("floor", floor, lambda x: x > 0, "above 0")
        # An episode is named by the row that it starts in, as in the buffer.
        self._energy = np.zeros(0)
        self._tree = SumTree(0)

    @classmethod
    def of(cls, env: Any, **settings: float) -> EnergyTransitions:
        """For an environment that tells where its object is: Push, and the Fetch tasks with an object.

        Raises:
            ValueError: it tells no such thing.
        """
        position, dt = object_of(env)
        return cls(position, dt, **settings)

    def energies(self, buffer: GoalConditionedReplayBuffer) -> np.ndarray:
        """(episodes,) J, of the stored episodes, environment by environment, oldest first."""
        start, position, _ = buffer.episodes_of(buffer.live_rows())
        return self._energy[start[position == 0]]

    def check(self, buffer, n, state):
        _check_position(self.position, buffer.state_dim, 2, 3)

    def sample(self, buffer, n, rng):
        start, _ = self._tree.draw(rng.random(n))
        _, _, length = buffer.episodes_of(start)
        return buffer.row_of(start, (rng.random(n) * length).astype(np.intp)), np.ones(n, np.float32)

    def stored(self, buffer, rows):
        if not self._tree.size:
            self._begin(buffer)
        start, position, _ = buffer.episodes_of(rows)
        before = buffer.row_of(start, np.maximum(position - 1, 0))
        state, next_state = buffer.columns.state, buffer.columns.next_state
        positions = np.stack(
            [
                buffer._data[before, state][:, self.position],
                buffer._data[rows, state][:, self.position],
                buffer._data[rows, next_state][:, self.position],
            ],
            axis=1,
            dtype=np.float64,
        )  # of the object: one step ago, now, and after the action; at the start of an episode it has been at rest
        gained = np.diff(_energies(positions, None, self.mass, self.gravity, self.dt))[:, -1].clip(0, self.clip)
        np.add.at(self._energy, start, gained)
        self._tree.set(start, (self._energy[start] + self.floor) ** (1 / (self.temperature + 0.01)))

    def evicted(self, buffer, rows):
        start = rows[:1]
        self._energy[start] = 0
        self._tree.set(start, 0.0)

    def update(self, buffer, rows, td_errors):
        pass

    def state(self, buffer):
        return {}

    def restore(self, buffer, state):
        self._begin(buffer)
        self.stored(buffer, buffer.live_rows())

    def report(self, buffer: GoalConditionedReplayBuffer) -> dict[str, float]:
        """The mean energy of the stored episodes, in J, and the share of them that have any."""
        energies = self.energies(buffer)
        return {
            "mean_energy": float(energies.mean()) if len(energies) else 0.0,
            "moved_share": float((energies > 0).mean()) if len(energies) else 0.0,
        }

    def _begin(self, buffer: GoalConditionedReplayBuffer) -> None:
        rows = len(buffer._start)
        self._tree, self._energy = SumTree(rows), np.zeros(rows)


class MovedTransitions:
    """A share of each batch from the episodes in which the object was moved, the rest from all of them.

    While the robot hardly ever touches the object, most episodes say nothing about it: wherever they relabel the goal
    to, it is already reached. Episodes in which it was moved are rare, and this sampler sees to it that they are
    replayed. It is a coarse cousin of `EnergyTransitions`, which weighs episodes by how much was done to the object.
    Within either part, every transition has the same probability; importance weights are 1.

    An episode that is still going on counts as moved from the step on that moves the object. As long as there is no
    such episode, all transitions are drawn alike.

    Args:
        position: where in the state the object's position stands.
        share: of a batch, drawn from episodes in which the object moved; in [0, 1].
        distance: metres from where it lay at first; what moved less has not moved.

    Raises:
        ValueError: a setting out of its range.
    """

    def __init__(self, position: slice, share: float = 0.5, distance: float = 0.02):
        self.position = position
        self.share = check_number("share", share, lambda x: 0 <= x <= 1, "in [0, 1]")
        self.distance = check_number("distance", distance, lambda x: x > 0, "above 0")
        # An episode is named by the row that it starts in, as in the buffer. The tree has the lengths of those moved.
        self._tree = SumTree(0)

    @classmethod
    def of(cls, env: Any, **settings: float) -> MovedTransitions:
        """For an environment that tells where its object is: Push, and the Fetch tasks with an object.

        Raises:
            ValueError: it tells no such thing.
        """
        return cls(object_of(env)[0], **settings)

    def check(self, buffer, n, state):
        _check_position(self.position, buffer.state_dim, 1, buffer.state_dim)

    def sample(self, buffer, n, rng):
        from_moved = rng.random(n) < self.share
        uniform = rng.random((2, n))
        rows = buffer.rows_at(uniform[0])
        if from_moved.any() and self._any_moved():
            start, _ = self._tree.draw(uniform[0, from_moved])
            _, _, length = buffer.episodes_of(start)
            rows[from_moved] = buffer.row_of(start, (uniform[1, from_moved] * length).astype(np.intp))
        return rows, np.ones(n, np.float32)

    def stored(self, buffer, rows):
        if not self._tree.size:
            self._tree = SumTree(len(buffer._start))
        start, _, length = buffer.episodes_of(rows)
        first = buffer._data[start, buffer.columns.state][:, self.position].astype(np.float64)
        now = buffer._data[rows, buffer.columns.next_state][:, self.position]
        moved = np.linalg.norm(now - first, axis=1) > self.distance
        moved_before = self._tree.values[start] > 0
        by_now = np.isin(start, start[moved]) | moved_before
        self._tree.set(start, np.where(by_now, length, 0.0))

    def evicted(self, buffer, rows):
        self._tree.set(rows[:1], 0.0)

    def update(self, buffer, rows, td_errors):
        pass

    def state(self, buffer):
        return {}

    def restore(self, buffer, state):
        self._tree = SumTree(len(buffer._start))
        self.stored(buffer, buffer.live_rows())

    def report(self, buffer: GoalConditionedReplayBuffer) -> dict[str, float]:
        """The share of the stored episodes in which the object was moved."""
        start, position, _ = buffer.episodes_of(buffer.live_rows())
        moved = self._tree.values[start[position == 0]] > 0
        return {"moved_share": float(moved.mean()) if len(moved) else 0.0}

    def _any_moved(self) -> bool:
        return bool(self._tree.total > 0)


def trajectory_energy(
    positions: np.ndarray,
    velocities: np.ndarray | None = None,
    mass: float = 1.0,
    gravity: float = 9.81,
    dt: float = 0.04,
    clip: float = 0.5,
) -> np.ndarray:
    """The energy given to an object along a trajectory, Σ clip(E_t - E_{t-1}, 0, clip) (Zhao & Tresp 2018, §3.2).

    E_t = mass·gravity·(z_t - z_0) + ½·mass·‖v_t‖². The defaults are those of the paper's Fetch tasks.

    Args:
        positions: (…, T + 1, 2) or (…, T + 1, 3) metres, before the first action and after each; z is the third one.
        velocities: like ``positions``, m/s; None takes differences of positions over ``dt``, from rest, as the paper's
            code does. (Fetch's own ``object_velp`` is relative to the gripper, and metres a simulation step.)
        mass: kg.
        gravity: m/s².
        dt: seconds a step.
        clip: J, the most that a step may contribute.

    Returns:
        (…,) J.

    Raises:
        ValueError: a wrong shape, a number that is not finite, or a ``mass``, ``gravity``, ``dt`` or ``clip`` that
            `EnergyTransitions` would not take.

    >>> float(trajectory_energy([[0, 0], [0, 0], [0.1, 0], [0.1, 0]], dt=0.1, clip=2))  # at rest, 1 m/s, at rest
    0.5
    """
    check_number("mass", mass, lambda x: x > 0, "above 0")
    check_number("gravity", gravity, lambda x: x >= 0, "at least 0")
    check_number("dt", dt, lambda x: x > 0, "above 0")
    check_number("clip", clip, lambda x: x > 0, "above 0")
    positions = np.asarray(positions, float)
    if positions.ndim < 2 or positions.shape[-1] not in (2, 3) or not positions.shape[-2]:
        raise ValueError(f"positions: expected shape (…, T + 1, 2 or 3), got {positions.shape}")
    if velocities is not None:
        velocities = np.asarray(velocities, float)
        if velocities.shape != positions.shape:
            raise ValueError(f"velocities: expected shape {positions.shape}, as positions have, got {velocities.shape}")
    for name, array in (("positions", positions), ("velocities", velocities)):
        if array is not None and not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers, got {array[~np.isfinite(array)][0]}")
    return np.diff(_energies(positions, velocities, mass, gravity, dt)).clip(0, clip).sum(axis=-1)


def _energies(positions, velocities, mass, gravity, dt) -> np.ndarray:
    """E_t, (…, T + 1), for positions (…, T + 1, 2 or 3)."""
    if velocities is None:
        velocities = np.diff(positions, axis=-2, prepend=positions[..., :1, :]) / dt
    energies = 0.5 * mass * np.einsum("...i,...i->...", velocities, velocities)
    if positions.shape[-1] == 3:
        height = positions[..., 2]
        energies = energies + mass * gravity * (height - height[..., :1])
    return energies


SAMPLERS = {
    "td": ProportionalTransitions,
    "rank": RankTransitions,
    "energy": EnergyTransitions,
    "moved": MovedTransitions,
}


class PrioritizedHER(HindsightExperienceReplay):
    """A `HindsightExperienceReplay` that draws some transitions more often than others.

    Any goal strategy combines with any priority: which transition is drawn and which goal it gets are two choices.

    Args:
        capacity, state_dim, action_dim, goal_dim, config, n_envs, seed, goals: see `HindsightExperienceReplay`.
        priority: "td" (`ProportionalTransitions`), "rank" (`RankTransitions`), "energy" (`EnergyTransitions`) or
            "moved" (`MovedTransitions`).
        settings: of that sampler. "energy" needs ``position`` and ``dt``, "moved" needs ``position``.

    Raises:
        ValueError: an unknown priority, a setting out of its range, or a ``position`` outside the state.
        TypeError: a setting that the sampler does not have, or one that is missing.

    >>> buffer = PrioritizedHER(1_000_000, 25, 4, 3, config, priority="td", alpha=0.6)        # doctest: +SKIP
    >>> batch = buffer.sample(256)                                                            # doctest: +SKIP
    >>> buffer.update_priorities(batch.indices, td_errors)                                    # doctest: +SKIP
    """

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        config: HERConfig,
        *,
        priority: str = "td",
        n_envs: int = 1,
        seed: int | np.random.SeedSequence | None = None,
        goals: GoalSampler | None = None,
        **settings: Any,
    ):
        if priority not in SAMPLERS:
            raise ValueError(f"priority: expected one of {', '.join(map(repr, SAMPLERS))}, got {priority!r}")
        transitions: TransitionSampler = SAMPLERS[priority](**settings)
        dims = (capacity, state_dim, action_dim, goal_dim)
        super().__init__(*dims, config, n_envs=n_envs, seed=seed, transitions=transitions, goals=goals)

    def report(self) -> dict[str, float]:
        """How the priorities stand; see the sampler's ``report``."""
        return self.transitions.report(self)
