"""Figures in either language, on any machine: every character is in the bundled font, every image is described."""

import io
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from PIL import Image

from her_course import figures
from her_course.figures import display

REPOSITORY = Path(__file__).parents[1]
TEXTS = sorted(
    {*REPOSITORY.glob("chapters/**/*.py"), *REPOSITORY.glob("her/**/*.py"), *REPOSITORY.glob("her_course/**/*.py")}
)


def is_chinese(character: str) -> bool:
    return "\u3000" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef" or character >= "\U00020000"


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed, as (image, metadata)."""
    outputs = []

    def keep(data, raw, metadata):
        assert raw
        outputs.append((Image.open(io.BytesIO(data["image/png"])), metadata["image/png"], data))

    monkeypatch.setattr(display, "display", keep)
    return outputs


@pytest.fixture
def axes():
    with plt.rc_context():
        figures.use_style("zh")
        fig, ax = plt.subplots(figsize=(4, 2))
        yield ax
        plt.close(fig)


def code_of(path: Path) -> set[str]:
    """The characters that may come into a figure: all but comments, and so all but the chapters' prose."""
    return {c for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#") for c in line}


def test_font_has_every_chinese_character_of_the_figures():
    font = FT2Font(figures.FONT)
    missing = {
        f"{character} in {path.relative_to(REPOSITORY)}"
        for path in TEXTS
        for character in code_of(path)
        if is_chinese(character) and not font.get_char_index(ord(character))
    }
    assert not missing, "make the font again, see her_course/figures/fonts/README.md"


def test_font_comes_with_its_licence():
    licence = (figures.FONT.parent / "OFL.txt").read_text()
    assert "Copyright 2014-2021 Adobe" in licence
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert figures.FONT.stat().st_size < 1_000_000


def test_figure_shows_both_languages_and_mathematics(axes, shown):
    axes.set_title("重标注：目标 → hindsight，γ = 0.98，成功率 ≥ 95 % ✓ ✗ ∞ − 1")
    axes.set_xlabel(r"步数 $Q(s, a \mid g)$")
    figures.show(axes.figure, alt="A title")
    [(image, metadata, data)] = shown
    assert metadata["alt"] == data["text/plain"] == "A title"
    assert image.width == round(1.5 * metadata["width"])
    assert not plt.fignum_exists(axes.figure.number)


def test_missing_glyph_is_an_error_in_tests(axes, shown):
    axes.set_title("\U00020000")
    with pytest.raises(UserWarning, match="Glyph"):
        figures.show(axes.figure, alt="A title")


def test_same_figure_gives_the_same_bytes(shown):
    for _ in range(2):
        fig, ax = plt.subplots()
        ax.plot([0, 1])
        figures.show(fig, alt="A line")
    assert shown[0][2] == shown[1][2]


def test_lines_differ_in_colour_and_in_dashes():
    with plt.rc_context():
        figures.use_style("en")
        cycle = list(plt.rcParams["axes.prop_cycle"])
    assert len({c["color"] for c in cycle}) == len({str(c["linestyle"]) for c in cycle}) == 7
    looks = [figures.strategy_style(s) for s in ("none", "final", "future", "episode", "random")]
    assert len({look["color"] for look in looks}) == len({str(look["linestyle"]) for look in looks}) == 5


def test_bad_arguments_are_named(axes):
    with pytest.raises(ValueError, match="lang"):
        figures.use_style("fr")
    with pytest.raises(ValueError, match="lang"):
        figures.text("fr", "一", "one")
    with pytest.raises(ValueError, match="strategy"):
        figures.strategy_style("best")
    with pytest.raises(ValueError, match="alt"):
        figures.show(axes.figure, alt=" ")
    with pytest.raises(ValueError, match="frames"):
        figures.animate([], alt="Nothing")


def test_animation_is_small_and_moves(shown):
    frames = np.full((40, 200, 200, 3), 255, np.uint8)
    for t, frame in enumerate(frames):
        frame[90:110, 4 * t : 4 * t + 20] = (0, 114, 178)
    figures.animate(frames, fps=20, alt="A square moves to the right")
    [(image, metadata, data)] = shown
    assert metadata == {"alt": "A square moves to the right", "width": 200}
    assert len(data["image/png"]) < 20_000
    assert image.n_frames == 40
    for t in (0, 39):
        image.seek(t)
        with warnings.catch_warnings():
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), frames[t])
        assert image.info["duration"] == (50 if t == 0 else 1050)


def test_animation_that_cannot_be_small_is_refused(shown):
    noise = np.random.default_rng(0).integers(0, 255, (40, 200, 200, 3), np.uint8)
    with pytest.raises(ValueError, match="40 frames of 200×200"):
        figures.animate(noise, alt="Noise")
    assert shown == []
