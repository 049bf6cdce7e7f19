"""How the parts of a goal observation lie in one vector."""

import numpy as np
from gymnasium import spaces

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


class ObservationLayout:
    """The parts of an observation but its desired goal, one after the other: "observation" first, then by name.

    From the ``shapes`` of the parts by their keys come the ``columns`` of each, and the ``size`` of the vector.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]]):
        self.columns, self.size = {}, 0
        for key in sorted(set(shapes) - {"desired_goal"}, key=lambda key: (key != "observation", key)):
            size = int(np.prod(shapes[key]))
            self.columns[key] = slice(self.size, self.size + size)
            self.size += size

    @np.errstate(under="ignore", over="ignore")  # what is too large becomes infinite, and is refused then
    def join(self, name: str, obs: dict[str, np.ndarray], n_envs: int) -> np.ndarray:
        """(n_envs, size) float32 of an observation with a row for each environment."""
        states = np.empty((n_envs, self.size), np.float32)
        for key, column in self.columns.items():
            states[:, column] = rows_of(f"{name}[{key!r}]", obs[key], (n_envs, column.stop - column.start))
        return states

    def split(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """The parts of (n, size) states, as views."""
        return {key: states[:, column] for key, column in self.columns.items()}


def rows_of(name: str, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Values that have a row for each environment, whatever their shape, as (n_envs, size)."""
    values, (n_envs, _) = np.asarray(values), shape
    if values.size != np.prod(shape) or (n_envs > 1 and len(values) != n_envs):
        raise ValueError(f"{name}: expected shape {shape}, got {values.shape}")
    return values.reshape(shape)


def check_goal_space(space: spaces.Space, vectors: tuple[type[spaces.Space], ...] = ()) -> None:
    """Raise a ValueError unless a space is a Dict, with the keys of GOAL_KEYS, of vectors and numbers.

    Where there are ``vectors``, kinds of spaces, its parts have to be vectors of these kinds.
    """
    keys = sorted(space) if isinstance(space, spaces.Dict) else space
    if not isinstance(space, spaces.Dict) or not set(GOAL_KEYS) <= set(space):
        raise ValueError(f"observation_space: expected a Dict with the keys {', '.join(GOAL_KEYS)}, got {keys}")
    for key, part in space.items():
        if part.shape is None or len(part.shape) > 1 or (vectors and not (part.shape and isinstance(part, vectors))):
            expected = " or ".join(kind.__name__ for kind in vectors) or "any space of vectors or numbers"
            raise ValueError(
                f"observation_space: expected vectors, {expected}, got {part} as {key}; images and other arrays are "
                "not supported, flatten or encode them first"
            )
    achieved, desired = space["achieved_goal"].shape, space["desired_goal"].shape
    if achieved != desired:
        got = f"achieved_goal {achieved}, desired_goal {desired}"
        raise ValueError(f"observation_space: expected goals of one shape, got {got}")
