"""Reach: a point must find the gap in a wall to get to a goal on the other side."""

import numpy as np
from gymnasium import spaces

from her.envs.base import GoalEnv, GoalTask, GoalVectorEnv, goal_spaces
from her.envs.drawing import BLUE, GREEN, INK, WHITE, floor
from her.rewards import sparse_reward
from her.validation import check_number, check_positive_integer

SPEED = 1.2  # metres a second at action 1, along each axis
DT = 0.1  # seconds a step
# Metres. Sums of powers of two are exact in float32: an observation on the face of the wall is on it, not just inside.
RADIUS = 1 / 16  # the agent is drawn as a disc of this radius, and its centre keeps this far from the wall
WALL = 1 / 32  # half the thickness of the wall, which stands along x = 0
GAP = 7 / 32  # half the width of the opening in the wall, which is around y = 0


class Reach(GoalTask):
    """A point in the square [-1, 1]² with a wall across it. See `ReachEnv`."""

    state_size = 2

    # The two halves of the wall as boxes, grown by the agent's radius: its centre must stay out of these.
    low = np.array([[-WALL - RADIUS, GAP - RADIUS], [-WALL - RADIUS, -np.inf]])
    high = np.array([[WALL + RADIUS, np.inf], [WALL + RADIUS, RADIUS - GAP]])

    def __init__(self, threshold: float = 0.06, horizon: int = 50):
        self.threshold = check_number("threshold", threshold, lambda x: x > 0, "above 0")
        self.horizon = check_positive_integer("horizon", horizon)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        position = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = goal_spaces(position, position)

    def start(self, rng, n):
        return self._side(rng, n) * (-1, 1)

    def draw_goal(self, rng, state):
        return self._side(rng, len(state))

    def move(self, state, action):
        return np.clip(slide(state, action * (SPEED * DT), self.low, self.high), -1.0, 1.0)

    def success(self, achieved, desired):
        return sparse_reward(achieved, desired, self.threshold) == 0.0

    def picture(self, state, goal):
        """The agent in blue, its centre white; the goal as a green ring, reached when that centre is inside."""
        edge = 1.0 + RADIUS
        canvas = floor(edge, margin=0.05)
        canvas.box((-WALL, GAP), (WALL, edge), INK, corner=0.02)
        canvas.box((-WALL, -edge), (WALL, -GAP), INK, corner=0.02)
        canvas.disc(goal, self.threshold, GREEN, opacity=0.7 if self.success(state, goal) else 0.2)
        canvas.disc(goal, self.threshold, GREEN, line=0.02)
        canvas.disc(state, RADIUS, BLUE)
        canvas.disc(state, 0.014, WHITE)
        return canvas.image()

    def check_state(self, state):
        inside_wall = ((self.low < state[:, None]) & (state[:, None] < self.high)).all(axis=-1).any()
        if inside_wall or (np.abs(state) > 1.0).any():
            raise ValueError(f"state: expected points in [-1, 1]² clear of the wall, got {state}")

    def check_goal(self, goal):
        if (np.abs(goal) > 1.0).any():
            raise ValueError(f"goal: expected points in [-1, 1]², got {goal}")

    def _side(self, rng, n):
        return rng.uniform((WALL + RADIUS, -1.0), (1.0, 1.0), (n, 2))


def slide(position: np.ndarray, motion: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Move points in a straight line; one that meets a box loses the motion into it and slides along its face.

    `position` and `motion` (n, 2), metres; `low` and `high` (boxes, 2), the boxes' corners. Exact for any length of
    motion: a point cannot pass through a box however thin. A point on a face is not inside. After the first contact it
    slides for the rest of the step: boxes must not meet at an inner corner.
    """
    heading = np.where(motion == 0.0, 1e-300, motion)  # a standstill is a motion too small to see
    with np.errstate(over="ignore"):
        a, b = ((faces - position[:, None]) / heading[:, None] for faces in (low, high))
    enter, leave = np.minimum(a, b), np.maximum(a, b)  # (n, boxes, 2): when the line meets each pair of faces
    first = enter.max(axis=-1)
    hit = (first >= 0.0) & (first < 1.0) & (first < leave.min(axis=-1))
    first = np.where(hit, first, np.inf)
    box, row = first.argmin(axis=-1), np.arange(len(position))
    hit = hit[row, box]
    axis = enter[row, box].argmax(axis=-1)
    target = position + motion
    face = np.where(heading[row, axis] > 0.0, low[box, axis], high[box, axis])
    target[row, axis] = np.where(hit, face, target[row, axis])
    return target


class ReachEnv(GoalEnv):
    """Go through the gap in the wall to a point on the other side.

    Observation and achieved goal: the position, (2,) float32, metres. Action: the velocity as a share of
    `SPEED` along each axis, (2,) in [-1, 1]. The start is uniform on the left of the wall, the goal uniform
    on its right. The reward is 0.0 closer to the goal than `threshold` metres and -1.0 elsewhere; an episode
    lasts `horizon` steps of `DT` seconds.
    """

    Task = Reach


class ReachVectorEnv(GoalVectorEnv):
    """`num_envs` copies of `ReachEnv` in one array."""

    Task = Reach
