"""Pictures that a reader can change: sliders, and a game of Push; one picture where nobody can move anything."""

import IPython.display
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from her_course import figures
from her_course.figures import display
from her_course.figures.implementation import explore_values
from her_course.figures.interactive import with_sliders
from her_course.figures.play_push import ARROWS, ATTEMPT, PushGame, play_push, relabelled


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        figures.use_style("en")
        yield
        figures.use_style("zh")
        plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """Text alternatives of the figures that were displayed."""
    texts = []
    monkeypatch.setattr(display, "display", lambda data, raw, metadata: texts.append(data["text/plain"]))
    return texts


@pytest.fixture
def watched(monkeypatch):
    """A reader who sees widgets: those that were displayed."""
    widgets = []
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(IPython.display, "display", widgets.append)
    return widgets


@pytest.fixture
def sliders(monkeypatch, watched):
    """What `interact` was given: [(function, sliders by name)]."""
    calls = []
    monkeypatch.setattr(ipywidgets, "interact", lambda draw, **sliders: calls.append((draw, sliders)))
    return calls


def test_without_a_reader_the_first_values_are_drawn_once(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    drawn = []
    with_sliders(lambda **values: drawn.append(values), t=(2, 0, 7, 1), x=(0.5, -1.0, 1.0, 0.1))
    assert drawn == [{"t": 2, "x": 0.5}]


def test_a_reader_gets_a_slider_for_each_value(sliders):
    with_sliders(print, t=(2, 0, 7, 1), x=(0.5, -1.0, 1.0, 0.1))
    [(draw, made)] = sliders
    assert draw is print
    assert isinstance(made["t"], ipywidgets.IntSlider)
    assert [(s.value, s.min, s.max, s.step) for s in made.values()] == [(2, 0, 7, 1), (0.5, -1.0, 1.0, 0.1)]


@pytest.fixture
def asked():
    """A critic that notes for which goals it was asked."""
    goals = []

    def ask(positions, goal):
        goals.append(tuple(goal.tolist()))
        return -10 * np.linalg.norm(positions - goal, axis=1), goal - positions

    return goals, ask


def test_the_critic_is_asked_for_the_goal_that_the_sliders_say(asked, sliders, shown):
    goals, ask = asked
    explore_values(ask, (0.5, 0.75), {"M": (-0.25, 0.75)})
    [(draw, made)] = sliders
    assert {name: slider.value for name, slider in made.items()} == {"x": 0.5, "y": 0.75}
    draw(x=-0.5, y=0.25)
    assert goals == [(-0.5, 0.25)]
    assert "heat map" in shown[0]


def test_the_critics_map_stands_alone_without_a_reader(asked, shown, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    goals, ask = asked
    explore_values(ask, (0.5, 0.75), {})
    assert goals == [(0.5, 0.75)]
    assert len(shown) == 1


def attempt():
    game = PushGame()
    for arrow in ATTEMPT:
        game.press(arrow)
    return game


def test_arrows_move_the_agent_their_way():
    for arrow, direction in ARROWS.items():
        game = PushGame()
        before = game.observation["observation"][:2]
        game.press(arrow)
        moved = game.observation["observation"][:2] - before
        assert moved @ direction > 0.1
        assert abs(moved @ direction[::-1]) < 1e-6


def test_what_is_played_without_a_reader_fails_and_is_relabelled_as_the_environment_says():
    game = attempt()
    assert game.is_over
    game.press("→")
    episode = game.episode()
    assert len(episode) == game.env.horizon
    assert (episode.rewards == -1).all()
    assert np.ptp(episode.achieved_goals, axis=0).max() > 0.1, "the puck was not pushed"
    new = relabelled(episode)
    np.testing.assert_array_equal(new.states, episode.states)
    np.testing.assert_array_equal(new.goal, episode.achieved_goals[-1])
    np.testing.assert_array_equal(new.rewards, game.env.compute_reward(episode.achieved_goals, new.goal))
    assert 0 < (new.rewards == 0).sum() < len(new)


def test_the_game_stands_as_one_picture_without_a_reader(shown, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    play_push()
    [alt] = shown
    assert "drawn twice" in alt


def test_the_game_is_played_with_buttons(watched, shown):
    play_push()
    table, row, _ = watched[0].children
    *arrows, again = row.children
    assert [button.description for button in arrows] == list(ARROWS)
    first = table.value
    assert 'alt="The table of Push' in first
    assert "step 0 / 50" in first
    button = {arrow.description: arrow for arrow in arrows}
    for arrow in ATTEMPT[:-1]:
        button[arrow].click()
    assert shown == []
    button[ATTEMPT[-1]].click()
    assert "step 50 / 50, sum of rewards −50" in table.value
    assert len(shown) == 1
    assert all(arrow.disabled for arrow in arrows)
    again.click()
    assert table.value == first
    assert not any(arrow.disabled for arrow in arrows)
