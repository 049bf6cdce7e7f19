"""What all chapters draw with: figures by name, the schematic, films in named panels."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from her_course import figures
from her_course.figures import display
from her_course.figures.schematic import PARTS, draw_schematic


@pytest.fixture
def shown(monkeypatch):
    """Text alternatives of what would be displayed."""
    texts = []
    monkeypatch.setattr(display, "display", lambda data, raw, metadata: texts.append(data["text/plain"]))
    return texts


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        yield
        figures.use_style("zh")
        plt.close("all")


def texts_of(ax):
    return [label.get_text() for label in ax.texts]


@pytest.mark.parametrize(("lang", "said"), [("zh", "重标注"), ("en", "relabel")])
def test_schematic_names_its_parts_in_the_language_of_the_figures(lang, said, shown):
    figures.use_style(lang)
    ax = draw_schematic(plt.figure().add_subplot(), "relabel")
    assert said in texts_of(ax)
    figures.schematic("relabel")
    assert said in shown[0]


def test_schematic_lights_what_it_is_told_and_nothing_else():
    figures.use_style("en")

    def edges(*lit):
        ax = draw_schematic(plt.figure().add_subplot(), *lit)
        return [patch.get_edgecolor() for patch in ax.patches[: len(PARTS)]]

    dark = edges()
    assert len(set(dark)) == 1
    for i, part in enumerate(PARTS):
        changed = [j for j, (one, other) in enumerate(zip(dark, edges(part), strict=True)) if one != other]
        assert changed == [i]


def test_schematic_refuses_a_part_that_does_not_exist():
    with pytest.raises(ValueError, match="engine"):
        figures.schematic("engine")


@pytest.mark.parametrize(("lang", "said"), [("zh", "五个方框"), ("en", "Five boxes")])
def test_a_figure_is_described_by_its_name_in_the_language_of_the_figures(lang, said, shown):
    figures.use_style(lang)
    figures.show(plt.figure(), "schematic.loop")
    assert said in shown[0]


def test_a_figure_without_a_text_is_refused(shown):
    with pytest.raises(KeyError):
        figures.show(plt.figure(), "schematic.nothing")
    assert shown == []


def test_panels_stand_under_their_names_and_the_shorter_film_waits():
    red, blue = np.zeros((2, 10, 10, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    frames = figures.named_panels({"red": [red], "blue": [blue, red]}, width=220)
    assert len(frames) == 2
    height, width, _ = frames[0].shape
    assert width >= 2 * 220
    left, right = frames[0][-1, 110], frames[0][-1, -110]
    assert (left == (255, 0, 0)).all()
    assert (right == (0, 0, 255)).all()
    assert (frames[1][-1, [110, -110]] == (255, 0, 0)).all()
    assert (frames[0][: height - 220] < 128).any(), "no name is written above the panels"
