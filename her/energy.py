"""Which transition: by the energy of its trajectory, or by whether the object was moved in it.

Settings out of range are ValueErrors.
"""

from typing import Any, Self

import numpy as np

from her.replay import GoalConditionedReplayBuffer, TransitionSampler
from her.sum_tree import SumTree
from her.validation import check_finite, check_number


class _EpisodeTransitions(TransitionSampler):
    """Episodes are drawn in proportion to their `_value`; within an episode all transitions alike.

    An episode is known by the row in which it starts. One that is still going on is judged by what there is of it.
    """

    #: how many numbers of the state ``position`` may cover
    LEAST, MOST = 1, 2**31

    def __init__(self, position: slice):
        self.position = position
        self.tree = SumTree(0)

    @classmethod
    def of(cls, env: Any, **settings: float) -> Self:
        """For an environment that tells where its object is, see `object_of`: Push, and the Fetch tasks with one."""
        return cls(object_of(env)[0], **settings)

    def check(self, buffer):
        try:
            size = len(range(buffer.state_dim)[self.position])
        except (IndexError, TypeError, ValueError):
            size = 0
        most = min(self.MOST, buffer.state_dim)
        if not self.LEAST <= size <= most or (self.position.stop or 0) > buffer.state_dim:
            expected = f"a slice of {self.LEAST} to {most} numbers of a state of state_dim={buffer.state_dim}"
            raise ValueError(f"position: expected {expected}, got {self.position!r}")

    def sample(self, buffer, n, rng):
        start, _ = self.tree.draw(rng.random(n))
        length = buffer.episode_end[start] - start
        return start + (rng.random(n) * length).astype(np.intp), np.ones(n, np.float32)

    def stored(self, buffer, rows):
        if not self.tree.size:
            self.tree = SumTree(buffer.capacity)
        for start in np.unique(buffer.episode_start[rows]):
            self.tree.set(np.array([start]), self._value(self._measure(self._positions(buffer, start))))

    def evicted(self, buffer, rows):
        self.tree.set(rows[:1], 0.0)

    def restore(self, buffer, state):
        self.tree = SumTree(buffer.capacity)
        self.stored(buffer, buffer.live_rows())

    def report(self, buffer: GoalConditionedReplayBuffer) -> dict[str, float]:
        """The share of the stored episodes in which the object was moved."""
        return {"moved_share": float((self._measures(buffer) > 0).mean()) if len(buffer) else 0.0}

    def _measures(self, buffer: GoalConditionedReplayBuffer) -> np.ndarray:
        """(episodes,) `_measure` of the stored episodes, oldest first."""
        rows = buffer.live_rows()
        starts = rows[rows == buffer.episode_start[rows]]
        return np.array([self._measure(self._positions(buffer, start)) for start in starts])

    def _positions(self, buffer: GoalConditionedReplayBuffer, start: int) -> np.ndarray:
        """(T + 1, d) of the object in the episode that starts in this row, before the first action and after each."""
        first = buffer.states[start : start + 1, self.position]
        after = buffer.next_states[start : buffer.episode_end[start], self.position]
        return np.concatenate([first, after], dtype=float)

    def _measure(self, positions: np.ndarray) -> float:
        """What was done to an object that was at these (T + 1, d) positions; 0 for nothing."""
        raise NotImplementedError

    def _value(self, measure: float) -> float:
        """Of an episode, by its measure."""
        return measure


class EnergyTransitions(_EpisodeTransitions):
    """Trajectories with probability ∝ (E + floor)^(1/(T + 0.01)), then one of their steps (Zhao & Tresp 2018).

    E is the energy that an episode has given to the object, see `trajectory_energy`. As in the paper there are no
    importance weights, and TD errors play no part. The paper never draws episodes without energy; here ``floor`` gives
    every episode a little. As long as no episode has more, sampling is uniform over episodes.

    Args:
        position: where in the state the object's position stands, (2,) or (3,) of it; metres, the third one is height.
        dt: seconds a step; velocities are differences of positions over it.
        mass, gravity: kg, m/s².
        clip: J, the most that one step may contribute.
        temperature: T; the larger, the more uniform.
        floor: J, added to the energy of every episode.
    """

    LEAST, MOST = 2, 3

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
        super().__init__(position)
        self.physics = {"dt": dt, "mass": mass, "gravity": gravity, "clip": clip}
        trajectory_energy(np.zeros((1, 2)), **self.physics)  # refuses what is out of its range
        self.temperature = check_number("temperature", temperature, lambda x: x >= 0, "at least 0")
        self.floor = check_number("floor", floor, lambda x: x > 0, "above 0")

    @classmethod
    def of(cls, env, **settings):
        position, dt = object_of(env)
        return cls(position, dt, **settings)

    def energies(self, buffer: GoalConditionedReplayBuffer) -> np.ndarray:
        """(episodes,) J, of the stored episodes, oldest first."""
        return self._measures(buffer)

    def _measure(self, positions):
        return trajectory_energy(positions, **self.physics)

    def _value(self, measure):
        return (measure + self.floor) ** (1 / (self.temperature + 0.01))


class MovedTransitions(_EpisodeTransitions):
    """A share of each batch from the episodes in which the object was moved, the rest from all of them.

    While the robot hardly ever touches the object, most episodes say nothing about it: any substitute goal is already
    reached. This coarse cousin of `EnergyTransitions` has the others replayed. Within either part, and as long as no
    object has moved, all transitions are drawn alike; importance weights are 1.

    Args:
        position: where in the state the object's position stands.
        share: of a batch, drawn from episodes in which the object moved; in [0, 1].
        distance: metres from where it lay at first; what moved less has not moved.
    """

    def __init__(self, position: slice, share: float = 0.5, distance: float = 0.02):
        super().__init__(position)
        self.share = check_number("share", share, lambda x: 0 <= x <= 1, "in [0, 1]")
        self.distance = check_number("distance", distance, lambda x: x > 0, "above 0")

    def sample(self, buffer, n, rng):
        rows, weights = buffer.rows_at(rng.random(n)), np.ones(n, np.float32)
        from_moved = rng.random(n) < self.share
        if from_moved.any() and self.tree.total > 0:
            rows[from_moved], _ = super().sample(buffer, int(from_moved.sum()), rng)
        return rows, weights

    def _measure(self, positions):
        """The length of the episode, so that its transitions are drawn alike; 0 if the object was not moved."""
        moved = np.linalg.norm(positions[1:] - positions[0], axis=1) > self.distance
        return float(moved.any() * (len(positions) - 1))


@np.errstate(under="ignore")
def trajectory_energy(
    positions: np.ndarray, dt: float = 0.04, mass: float = 1.0, gravity: float = 9.81, clip: float = 0.5
) -> np.ndarray:
    """The energy given to an object along a trajectory, Σ clip(E_t - E_{t-1}, 0, clip) (Zhao & Tresp 2018, §3.2).

    E_t = mass·gravity·(z_t - z_0) + ½·mass·‖v_t‖². Velocities are differences of positions over ``dt``, from rest, as
    in the paper's code. The defaults are those of the paper's Fetch tasks.

    Args:
        positions: (…, T + 1, 2) or (…, T + 1, 3) metres, before the first action and after each; z is the third one.
        dt, mass, gravity, clip: see `EnergyTransitions`.

    Returns:
        (…,) J. A ValueError names an argument of a wrong shape or out of its range.

    >>> float(trajectory_energy([[0, 0], [0, 0], [0.1, 0], [0.1, 0]], dt=0.1, clip=2))  # at rest, 1 m/s, at rest
    0.5
    """
    for name, number in (("dt", dt), ("mass", mass), ("clip", clip)):
        check_number(name, number, lambda x: x > 0, "above 0")
    check_number("gravity", gravity, lambda x: x >= 0, "at least 0")
    positions = np.asarray(positions, float)
    if positions.ndim < 2 or positions.shape[-1] not in (2, 3) or not positions.shape[-2]:
        raise ValueError(f"positions: expected shape (…, T + 1, 2 or 3), got {positions.shape}")
    check_finite("positions", positions)
    velocities = np.diff(positions, axis=-2, prepend=positions[..., :1, :]) / dt
    energy = 0.5 * mass * (velocities**2).sum(axis=-1)
    if positions.shape[-1] == 3:
        height = positions[..., 2]
        energy += mass * gravity * (height - height[..., :1])
    return np.diff(energy).clip(0, clip).sum(axis=-1)


def object_of(env: Any) -> tuple[slice, float]:
    """Where in the observation the position of an object stands, and the seconds of a step; a ValueError if untold."""
    env = getattr(env, "envs", [env])[0]  # gymnasium's own vector environments have a list of them

    def told(name: str) -> Any:
        wrapped = hasattr(env, "has_wrapper_attr") and env.has_wrapper_attr(name)
        return env.get_wrapper_attr(name) if wrapped else getattr(env, name, None)

    position, dt = told("object_position"), told("dt")
    if position is None and told("has_object"):  # Fetch: gripper x, y, z, object x, y, z, …
        position = slice(3, 6)
    if not isinstance(position, slice) or dt is None:
        needed = "object_position, a slice of the observation, and dt, in seconds"
        raise ValueError(f"env: {env} tells nothing of an object that moves; it needs the attributes {needed}")
    return position, float(dt)
