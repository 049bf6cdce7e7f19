"""Films of what a policy does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image

from her.envs.robotics import is_robotic
from her.policies import Film, SavedPolicy


def frames_a_second(policy: SavedPolicy) -> float:
    """What the environment asks for, and not more than 25."""
    if is_robotic(policy.env_id):
        return 25.0
    entry = gym.envs.registration.load_env_creator(gym.spec(policy.env_id).entry_point)
    return min(25.0, float(getattr(entry, "metadata", {}).get("render_fps", 15)))


def save_films(films: Sequence[Film], path: Path, fps: float, hold: float = 0.7) -> None:
    """Write episodes one after the other as a looping animation; the last frame of each stays ``hold`` seconds.

    Args:
        films: the episodes.
        path: what its ending says: .gif, .png (animated) or .webp.
        fps: frames a second.
        hold: seconds.

    Raises:
        ValueError: another ending.
    """
    if path.suffix not in (".gif", ".png", ".webp"):
        raise ValueError(f"path: expected a name that ends in .gif, .png or .webp, got {path.name!r}")
    images = [Image.fromarray(np.ascontiguousarray(frame)) for film in films for frame in film.frames]
    durations: list[int] = []
    for film in films:
        durations += [round(1000 / fps)] * len(film.frames)
        durations[-1] += round(1000 * hold)
    path.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(path, append_images=images[1:], save_all=True, duration=durations, loop=0)
