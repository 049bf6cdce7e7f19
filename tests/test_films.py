"""Stored films of policies: what is written can be read again, and those of the results can be shown in a chapter."""

from pathlib import Path

import numpy as np
import pytest

from her_course.films import film_episodes, read_film, write_film

FILMS = sorted((Path(__file__).parents[1] / "results").glob("*/films/*.png"))


def test_what_is_written_is_read_again(tmp_path):
    frames = [np.full((20, 30, 3), 200, np.uint8) for _ in range(4)]
    for t, frame in enumerate(frames):
        frame[5:10, 5 * t : 5 * t + 5] = (0, 114, 178)
    write_film(frames, tmp_path / "films" / "square.png")
    np.testing.assert_array_equal(read_film(tmp_path / "films" / "square.png"), frames)


@pytest.mark.parametrize("path", FILMS, ids=lambda path: path.stem)
def test_films_of_the_results_move_and_are_small(path):
    frames = read_film(path)
    assert len(frames) > 5
    assert any((frame != frames[0]).any() for frame in frames[1:])
    assert path.stat().st_size < 300_000


def test_a_film_shows_every_second_moment_of_one_episode_per_seed(monkeypatch):
    def play(policy, seed, width, height):
        class Film:
            frames = np.full((9, height, width, 3), seed, np.uint8)

        return Film

    monkeypatch.setattr("her_course.films.play", play)
    frames = film_episodes(None, seeds=(10, 20), steps=4, size=6)
    assert len(frames) == 3
    panels = frames[0][-6:]  # below the numbers
    assert (panels[:, :6] == 10).all()
    assert (panels[:, -6:] == 20).all()
