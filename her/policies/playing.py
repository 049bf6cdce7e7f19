"""``her play``: how often a policy succeeds, and a film of what it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

if TYPE_CHECKING:
    from her.policies import Film, SavedPolicy

ROBOTS = 4  # a robot takes 12 MB; episodes are played in rounds


@click.command("play")
@click.argument("run")
@click.option("--episodes", type=click.IntRange(1), default=100, show_default=True, help="That are judged.")
@click.option("--seed", type=click.IntRange(0), default=20_000, show_default=True, help="Of starts and goals.")
@click.option("--gif", type=click.Path(dir_okay=False, path_type=Path), help="Film to write: .gif, .png or .webp.")
@click.option("--films", type=click.IntRange(1), default=3, show_default=True, help="Episodes in the film.")
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Frames a second.  [default: the environment's]")
def play_command(run: str, episodes: int, seed: int, gif: Path | None, films: int, fps: float | None) -> None:
    """Play the policy RUN and say how often it succeeds.

    RUN is the folder of a run, whose newest checkpoint plays; a file of `her export`; or the environment of a policy
    that comes with the package.

    \b
    her play runs/Push-v0-future-seed=0 --gif push.gif
    her play FetchReach-v4 --episodes 50
    """
    try:
        from her.evaluation import evaluate, make_envs, wilson_interval
        from her.policies import load_policy, play, policy_of

        if Path(run).is_dir():
            from her.runs import load_trainer
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[train]'") from None
    from her.envs.robotics import is_robotic

    try:
        policy = policy_of(load_trainer(run)) if Path(run).is_dir() else load_policy(run)
        n_envs = min(episodes, ROBOTS if is_robotic(policy.env_id) else 100)
        evaluation = evaluate(policy, make_envs(policy.env_id, n_envs, **policy.env_kwargs), seed, episodes)
    except (ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    for at, where in (("end", "at the end"), ("any", "at any step")):
        rate = evaluation.success_rate(at)
        low, high = wilson_interval(round(rate * episodes), episodes)
        click.echo(f"success {where}: {rate:.2f} [{low:.2f}, {high:.2f}] of {episodes} episodes")
    if gif:
        try:
            save_films([play(policy, seed + i) for i in range(films)], gif, fps or frames_a_second(policy))
        except (RuntimeError, ValueError) as error:
            raise click.ClickException(str(error)) from None
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{error.name} is missing: pip install 'her-course[course]'") from None
        click.echo(f"filmed: {gif}")


def frames_a_second(policy: SavedPolicy) -> float:
    """What the environment asks for, and not more than 25."""
    import gymnasium as gym

    from her.envs.robotics import is_robotic

    if is_robotic(policy.env_id):
        return 25.0
    entry = gym.envs.registration.load_env_creator(gym.spec(policy.env_id).entry_point)
    return min(25.0, float(getattr(entry, "metadata", {}).get("render_fps", 15)))


def save_films(films: list[Film], path: Path, fps: float, hold: float = 0.7) -> None:
    """Write episodes one after the other as a looping animation; the last frame of each stays ``hold`` seconds.

    Args:
        films: the episodes.
        path: what its ending says: .gif, .png (animated) or .webp.
        fps: frames a second.
        hold: seconds.

    Raises:
        ValueError: another ending.
    """
    from PIL import Image

    if path.suffix not in (".gif", ".png", ".webp"):
        raise ValueError(f"path: expected a name that ends in .gif, .png or .webp, got {path.name!r}")
    images = [Image.fromarray(np.ascontiguousarray(frame)) for film in films for frame in film.frames]
    durations = [round(1000 / fps) + (round(1000 * hold) if last else 0) for film in films for last in _last(film)]
    path.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(path, append_images=images[1:], save_all=True, duration=durations, loop=0)


def _last(film: Film) -> np.ndarray:
    return np.arange(len(film.frames)) == len(film.frames) - 1
