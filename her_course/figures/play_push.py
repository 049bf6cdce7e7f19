"""A figure of chapter 2: an episode of Push that the reader plays, and what it is worth under another goal."""

import io
from base64 import b64encode

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from PIL import Image

from her.envs.push import PUCK_RADIUS, PushEnv
from her.episodes import Episode
from her.plots.style import COLORS
from her_course.exercises.reference import relabel_final
from her_course.figures.alternatives import alternative
from her_course.figures.display import show
from her_course.figures.interactive import is_watched
from her_course.figures.style import words

ARROWS = {"←": (-1, 0), "↑": (0, 1), "↓": (0, -1), "→": (1, 0)}
HELD = 2  # steps for which a pressed arrow acts
ATTEMPT = "→→→←↓→↑↑" + "↓" * 17  # what is played where nobody can press
START = {"state": [-0.6, -0.22, -0.3, -0.2, 0.0, 0.0], "goal": [0.3, 0.2]}


class PushGame:
    """An episode of `her/Push-v0`, always from the same start, played by pressing arrows."""

    def __init__(self):
        self.env = PushEnv(render_mode="rgb_array")
        self.observation, _ = self.env.reset(seed=0, options=START)
        self.rows = []

    @property
    def is_over(self) -> bool:
        return len(self.rows) == self.env.horizon

    def press(self, arrow: str) -> None:
        """Move for `HELD` steps, or for as many as are left."""
        action = np.array(ARROWS[arrow], np.float32)
        for _ in range(min(HELD, self.env.horizon - len(self.rows))):
            state = self.observation["observation"]
            self.observation, reward, *_ = self.env.step(action)
            after, achieved = self.observation["observation"], self.observation["achieved_goal"]
            self.rows.append((state, action, reward, after, False, achieved))

    def episode(self) -> Episode:
        """What was played so far."""
        states, actions, rewards, after, dones, achieved = map(np.array, zip(*self.rows, strict=True))
        return Episode.from_arrays(states, actions, rewards, after, dones, achieved, goal=START["goal"])


def relabelled(episode: Episode) -> Episode:
    """The episode, had the goal been where the puck ended: the rewards are computed again."""
    return relabel_final(episode, PushEnv().compute_reward)


def draw_under_goal(ax: Axes, episode: Episode, name: str) -> Axes:
    """Where agent and puck went in an episode of Push, its goal, and in how many steps it was reached."""
    agent = np.vstack([episode.states[:1], episode.next_states])[:, PushEnv.agent_position]
    puck = np.vstack([episode.states[:1, PushEnv.object_position], episode.achieved_goals])
    ax.plot(*agent.T, color=COLORS["blue"], linestyle="-", linewidth=1, label=words("智能体", "agent"))
    ax.plot(*puck.T, color=COLORS["black"], linestyle="-", marker=".", label=words("冰球", "puck"))
    for place, opacity in ((puck[0], 0.25), (puck[-1], 0.6)):
        ax.add_patch(Circle(place, PUCK_RADIUS, color=COLORS["orange"], alpha=opacity, linewidth=0))
    goal = {"facecolor": "none", "edgecolor": COLORS["green"], "linewidth": 2.5, "label": words("目标", "goal")}
    ax.add_patch(Circle(episode.goal, PushEnv().task.threshold, zorder=4, **goal))
    zeros, n = int((episode.rewards == 0).sum()), len(episode)
    ax.set_title(words(f"{name}：{n} 步里 {zeros} 步得 0", f"{name}: reward 0 in {zeros} of {n} steps"))
    ax.set(aspect="equal", xticks=[], yticks=[], xlim=(-1.06, 1.06), ylim=(-1.06, 1.06))
    ax.grid(False)
    ax.spines[:].set_visible(True)
    return ax


def show_game(game: PushGame) -> None:
    """What came of it, as a figure in the notebook: under its own goal, and under the one that it is given."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4.8))
    draw_under_goal(left, game.episode(), words("原来的目标", "own goal"))
    draw_under_goal(right, relabelled(game.episode()), words("换过的目标", "new goal"))
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    show(fig, "relabelling.game")


def play_push() -> None:
    """Play an episode with buttons, then see it relabelled; without a reader, `ATTEMPT` is played."""
    game = PushGame()
    if is_watched():
        return _with_buttons(game)
    for arrow in ATTEMPT:
        game.press(arrow)
    show_game(game)


def _with_buttons(game: PushGame) -> None:
    from IPython.display import display
    from ipywidgets import HTML, Button, HBox, Layout, Output, VBox

    table, result, again = HTML(), Output(), Button(description=words("再来一次", "Again"))
    arrows = [Button(description=arrow, layout=Layout(width="4em")) for arrow in ARROWS]

    def update() -> None:
        table.value = picture_of(game)
        for button in arrows:
            button.disabled = game.is_over
        result.clear_output()
        if game.is_over:
            with result:
                show_game(game)

    def press(button: Button) -> None:
        game.press(button.description)
        update()

    def restart(_: Button) -> None:
        nonlocal game
        game = PushGame()
        update()

    for button in arrows:
        button.on_click(press)
    again.on_click(restart)
    update()
    display(VBox([table, HBox([*arrows, again]), result]))


def picture_of(game: PushGame) -> str:
    """HTML: the table as it is now, and how the episode goes."""
    buffer = io.BytesIO()
    Image.fromarray(game.env.render()).save(buffer, format="png")
    score = f"{sum(reward for _, _, reward, *_ in game.rows):.0f}".replace("-", "−")
    steps = f"{len(game.rows)} / {game.env.horizon}"
    said = words(f"第 {steps} 步，总分 {score}", f"step {steps}, sum of rewards {score}")
    source = f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
    return f'<img src="{source}" alt="{alternative("relabelling", "table")}"><p>{said}</p>'
