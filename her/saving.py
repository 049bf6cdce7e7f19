"""Replay buffers on disk: one .npz file without pickle, written at once and read with suspicion."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from her.files import write_atomically

if TYPE_CHECKING:
    from her.replay import GoalConditionedReplayBuffer

FORMAT = 4  # of the files


def save(buffer: GoalConditionedReplayBuffer, path: str | os.PathLike) -> None:
    """Write everything that ``buffer`` holds: whoever reads ``path`` finds the old file or the new one."""
    rows = buffer.live_rows()
    first = rows[rows == buffer.episode_start[rows]]
    meta = {
        "format": FORMAT,
        "dims": [buffer.state_dim, buffer.action_dim, buffer.goal_dim],
        "goal_dtype": buffer.goal_dtype.name,
        "capacity": buffer.capacity,
        "rng": buffer.rng.bit_generator.state,
        "parts": {name: type(part).__name__ for name, part in buffer.parts().items()},
    }
    arrays = {
        "rows": buffer._rows[rows],
        "achieved_goals": buffer.achieved_goals[rows],
        "desired_goals": buffer.desired_goals[rows],
        "episodes": np.stack([buffer.number[first], buffer.episode_end[first] - first], axis=1),
        "rings": np.array([[ring.size, ring.lap, ring.open] for ring in buffer.rings]),
        "meta": np.array(json.dumps(meta)),
    }
    for name, part in buffer.parts().items():
        arrays |= {f"{name}.{key}": array for key, array in part.state(buffer).items()}
    with write_atomically(path, "wb") as file:
        np.savez(file, **arrays)


def load(buffer: GoalConditionedReplayBuffer, path: str | os.PathLike) -> None:
    """Fill ``buffer`` with what a file of `save` holds; see `GoalConditionedReplayBuffer.load`.

    Everything is loaded into a copy first, so that what is refused changes nothing.
    """
    loaded = copy.copy(buffer)
    loaded.allocate()
    loaded.rng = np.random.default_rng(0)
    with open(path, "rb") as file, _suspicious_of(path):
        with np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        meta = json.loads(str(arrays.pop("meta")))
        _check_arrays(arrays, meta)
        loaded.rng.bit_generator.state = meta["rng"]
    dims, mine = tuple(meta["dims"]), (buffer.state_dim, buffer.action_dim, buffer.goal_dim)
    if dims != mine:
        raise ValueError(f"path: holds (state_dim, action_dim, goal_dim) = {dims}, this buffer has {mine}")
    if meta["goal_dtype"] != buffer.goal_dtype.name:
        raise ValueError(f"path: holds goals as {meta['goal_dtype']}, this buffer has goal_dtype={buffer.goal_dtype}")
    n_envs, stored = len(arrays["rings"]), len(arrays["rows"])
    if n_envs != len(buffer.rings):
        raise ValueError(f"path: holds a buffer of n_envs={n_envs}, this one has n_envs={len(buffer.rings)}")
    if arrays["rings"][:, 0].max() > buffer.capacity // n_envs:
        raise ValueError(f"capacity: {stored} stored transitions do not fit into capacity={buffer.capacity}")
    with _suspicious_of(path):
        _fill(loaded, arrays, meta["capacity"])

    parts, states = buffer.parts(), {}
    for name, part in parts.items():
        if meta["parts"].get(name) == type(part).__name__:
            states[name] = {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}
            with _suspicious_of(path):
                states[name] = {key: states[name][key] for key in part.state(buffer)}
        setattr(loaded, name, copy.deepcopy(part))
    for name, part in loaded.parts().items():
        with _suspicious_of(path) if name in states else contextlib.nullcontext():
            part.restore(loaded, states.get(name, {}))
    vars(buffer).update(vars(loaded) | parts)
    for name, part in parts.items():
        part.restore(buffer, states.get(name, {}))


@contextlib.contextmanager
def _suspicious_of(path: str | os.PathLike) -> Iterator[None]:
    """Refuse the file whatever goes wrong inside: a damaged one makes numpy, zipfile and json raise nearly anything."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"path: {os.fspath(path)!r} is no saved replay buffer, or a damaged one ({error!r})") from None


def _check_arrays(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    """Raise an error unless the arrays have the types and shapes that `save` gives them, and finite numbers."""
    if meta["format"] != FORMAT:
        raise ValueError(f"format {meta['format']}, not {FORMAT}")
    state_dim, action_dim, goal_dim = meta["dims"]
    n, width = len(arrays["rows"]), 2 * (state_dim + goal_dim) + action_dim + 2
    for name, kind, shape in (
        ("rows", "f", (n, width)),
        ("achieved_goals", np.dtype(meta["goal_dtype"]).kind, (n, goal_dim)),
        ("desired_goals", np.dtype(meta["goal_dtype"]).kind, (n, goal_dim)),
        ("episodes", "i", (len(arrays["episodes"]), 2)),
        ("rings", "i", (len(arrays["rings"]), 3)),
    ):
        if (arrays[name].dtype.kind, arrays[name].shape) != (kind, shape):
            raise ValueError(f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}, not {shape}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has numbers that are not finite")
    if not arrays["rings"][:, 0].sum() == arrays["episodes"][:, 1].sum() == n:
        raise ValueError("its episodes do not fill its rows")


def _fill(buffer: GoalConditionedReplayBuffer, arrays: dict[str, np.ndarray], capacity: int) -> None:
    """Place the episodes one after the other, from where the oldest was if the buffer had this very capacity."""
    episodes, stored = iter(arrays["episodes"].tolist()), 0
    same = capacity == buffer.capacity
    for ring, (size, _, still_open) in zip(buffer.rings, arrays["rings"].tolist(), strict=True):
        length = 0
        while ring.size < size:
            number, length = next(episodes)
            if same and not ring.size:
                ring.lap, ring.head = divmod(number, capacity)
            if length < 1 or number < 0 or ring.head < ring.first or ring.in_the_way(length):
                raise ValueError("its episodes do not follow each other")
            start = ring.place(length)
            rows, source = slice(start, start + length), slice(stored, stored + length)
            buffer._rows[rows] = arrays["rows"][source]
            buffer.achieved_goals[rows] = arrays["achieved_goals"][source]
            buffer.desired_goals[rows] = arrays["desired_goals"][source]
            buffer.episode_start[rows], buffer.episode_end[rows] = start, start + length
            buffer.number[rows] = ring.lap * buffer.capacity + np.arange(start, start + length)
            stored += length
            if same and buffer.number[start] != number:
                raise ValueError("its episodes do not follow each other")
        if ring.size != size or still_open not in (0, length):
            raise ValueError("its episodes do not fill its rows")
        ring.open = still_open
    buffer._size = stored
