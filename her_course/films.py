"""Films of stored policies that can be shown where no robot can be drawn: an animated PNG, made once.

>>> # python -m her_course.films FetchReach-v4 results/fetch/films/FetchReach-v4.png
"""

import os
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageSequence

from her.policies import SavedPolicy, load_policy, play
from her_course.figures.film import named_panels


def film_episodes(policy: SavedPolicy, seeds: Sequence[int], steps: int, size: int) -> list[np.ndarray]:
    """Every second moment of one episode per seed, two in a row under their numbers: (height, width, 3) uint8 each."""
    films = [play(policy, seed, 2 * size, 2 * size).frames[: steps + 1 : 2] for seed in seeds]  # edges become smooth
    return named_panels({str(number): film for number, film in enumerate(films, 1)}, columns=2, width=size)


def write_film(frames: Sequence[np.ndarray], path: str | os.PathLike, colours: int = 48) -> None:
    """Store frames as an animated PNG of few colours, the rare ones of the first frame among them: a goal is small."""
    palette = Image.fromarray(frames[0]).quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    images[0].save(path, save_all=True, append_images=images[1:], duration=200, loop=0, optimize=True)


def read_film(path: str | os.PathLike) -> list[np.ndarray]:
    """The frames of a stored film, (height, width, 3) uint8 each."""
    with Image.open(path) as film:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


@click.command()
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seeds", type=int, multiple=True, default=(0, 1, 2, 3), show_default=True)
@click.option("--steps", type=click.IntRange(1), default=30, show_default=True)
@click.option("--size", type=click.IntRange(16), default=220, show_default=True)
def main(name: str, out: Path, seeds: tuple[int, ...], steps: int, size: int) -> None:
    """Film the policy NAME, a shipped one or a file, and store the film as OUT."""
    write_film(film_episodes(load_policy(name), seeds, steps, size), out)
    click.echo(f"{out}: {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
