"""Push: a disc must push a puck, which it cannot hold, to a goal.

The puck rests on a table with friction and moves only while it is pushed (quasi-static), without friction at
the contact: the push goes along the line between the centres. Under these two assumptions the motion of a
step has a closed form, so nothing is integrated and nothing can tunnel.
"""

import numpy as np
from gymnasium import spaces

from her.envs.base import GoalEnv, GoalTask, GoalVectorEnv, goal_spaces
from her.envs.drawing import BLUE, GREEN, ORANGE, WHITE, floor
from her.rewards import sparse_reward
from her.validation import check_number, check_positive_integer

SPEED = 1.0  # metres a second at action 1, along each axis
DT = 0.1  # seconds a step
AGENT_RADIUS, PUCK_RADIUS = 0.06, 0.09
CONTACT = AGENT_RADIUS + PUCK_RADIUS  # metres between the centres when the discs touch
START = 0.3  # metres: the puck starts in the square [-START, START]²
AGENT_AWAY = (0.2, 0.5)  # metres between puck and agent at the start
GOAL_AWAY = (0.3, 0.6)  # metres between puck and goal at the start
#: of the observation: agent, puck, the puck's velocity, puck minus agent
LIMITS = np.repeat([1.0, 1.5, 2.0, 2.5], 2)


class _Layout:
    """Where things are in an observation, and the seconds of a step."""

    agent_position = slice(0, 2)
    object_position = slice(2, 4)
    object_velocity = slice(4, 6)
    relative_position = slice(6, 8)
    dt = DT


class Push(_Layout, GoalTask):
    """A disc and a puck on a table. The state is [agent x, y, puck x, y, puck velocity x, y]. See `PushEnv`."""

    state_size = 6

    def __init__(self, threshold: float = 0.08, horizon: int = 50):
        self.threshold = check_number("threshold", threshold, lambda x: x > 0, "above 0")
        self.horizon = check_positive_integer("horizon", horizon)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        limits = LIMITS.astype(np.float32)
        place = limits[self.object_position]
        self.observation_space = goal_spaces(spaces.Box(-limits, limits), spaces.Box(-place, place))

    def start(self, rng, n):
        puck = rng.uniform(-START, START, (n, 2))
        return np.hstack([puck + _ring(rng, n, *AGENT_AWAY), puck, np.zeros((n, 2))])

    def draw_goal(self, rng, state):
        return state[:, self.object_position] + _ring(rng, len(state), *GOAL_AWAY)

    def move(self, state, action):
        agent, puck = state[:, self.agent_position], state[:, self.object_position]
        reached = np.clip(agent + action * (SPEED * DT), -1.0, 1.0)
        pushed = push(agent, reached - agent, puck, CONTACT)
        return np.hstack([reached, pushed, (pushed - puck) / DT])

    def observe(self, state):
        return np.hstack([state, state[:, self.object_position] - state[:, self.agent_position]])

    def achieved(self, state):
        return state[:, self.object_position]

    def success(self, achieved, desired):
        return sparse_reward(achieved, desired, self.threshold) == 0.0

    def picture(self, state, goal):
        """The agent in blue; the puck in orange, its centre white; the goal as a green ring around that centre."""
        canvas, puck = floor(1.0 + AGENT_RADIUS, margin=0.18), state[self.object_position]
        canvas.disc(goal, self.threshold, GREEN, opacity=0.2)
        canvas.disc(puck, PUCK_RADIUS, ORANGE)
        canvas.disc(goal, self.threshold, GREEN, line=0.02)
        canvas.disc(puck, 0.02, WHITE)
        canvas.disc(state[self.agent_position], AGENT_RADIUS, BLUE)
        return canvas.image()

    def check_state(self, state):
        limits = LIMITS[: self.state_size]
        if (np.abs(state) > limits).any():
            raise ValueError(f"state: expected sizes of at most {limits}, got {state}")
        apart = np.linalg.norm(state[:, self.object_position] - state[:, self.agent_position], axis=-1)
        if apart.min() < CONTACT - 1e-6:
            raise ValueError(f"state: expected agent and puck at least {CONTACT} m apart, got {apart.min()}")

    def check_goal(self, goal):
        limits = LIMITS[self.object_position]
        if (np.abs(goal) > limits).any():
            raise ValueError(f"goal: expected sizes of at most {limits}, got {goal}")


def push(agent: np.ndarray, motion: np.ndarray, puck: np.ndarray, contact: float) -> np.ndarray:
    """Where the puck ends up when the agent makes a straight `motion`; all (n, 2), metres.

    `contact` is the distance between the centres when the discs touch. They must not overlap at the start.

    Seen along the motion, let θ be the angle from the direction of motion to the puck. Pushing over a
    distance s turns θ by dθ/ds = sin θ / contact, so tan(θ/2) grows by the factor exp(s / contact): a push
    off the middle slips aside ever faster, and at θ = 90° the discs part. Points are complex numbers here,
    which turns rotations into products.
    """
    agent, motion, puck = (np.ascontiguousarray(a, float).view(complex)[:, 0] for a in (agent, motion, puck))
    length = np.abs(motion)
    ahead = np.divide(motion, length, out=np.zeros_like(motion), where=length > 1e-12)
    seen = (puck - agent) * ahead.conj()  # real part: how far ahead; imaginary part: how far to the left
    depth = np.sqrt(np.maximum(contact**2 - seen.imag**2, 0.0))
    free = np.maximum(seen.real - depth, 0.0)  # the way to the contact
    touches = (np.abs(seen.imag) < contact) & (seen.real > 0.0) & (free < length)
    tangent = seen.imag / (contact + depth)  # tan(θ/2) at the contact
    with np.errstate(divide="ignore"):
        pushing = np.minimum(length - free, -contact * np.log(np.abs(tangent)))
    half = 1.0 + 1j * tangent * np.exp(np.where(touches, pushing, 0.0) / contact)
    pushed = agent + ahead * (free + pushing + contact * half / half.conj())
    return np.where(touches, pushed, puck).view(float).reshape(-1, 2)


def _ring(rng, n, inner, outer):
    away, angle = rng.uniform(inner, outer, n), rng.uniform(-np.pi, np.pi, n)
    return np.stack([away * np.cos(angle), away * np.sin(angle)], axis=-1)


class PushEnv(_Layout, GoalEnv):
    """Push the puck to the goal and leave it there.

    Observation, (8,) float32: agent position, puck position, puck velocity over the last step, and puck minus agent, in
    metres (a second), at the slices `agent_position`, `object_position`, `object_velocity`, `relative_position`.
    Achieved goal: the puck's position, (2,). Action: the agent's velocity as a share of `SPEED` along each axis, (2,)
    in [-1, 1]. The agent stays in [-1, 1]²; the puck can be pushed out of its reach. The goal is 0.3 to 0.6 m from the
    puck's start. The reward is 0.0 when the puck is closer to it than `threshold` metres and -1.0 elsewhere; an episode
    lasts `horizon` steps of `DT` seconds.
    """

    Task = Push


class PushVectorEnv(_Layout, GoalVectorEnv):
    """`num_envs` copies of `PushEnv` in one array."""

    Task = Push
