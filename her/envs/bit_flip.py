"""Bit flipping: the smallest task that sparse rewards make impossible and hindsight makes easy.

Andrychowicz et al., *Hindsight Experience Replay*, NeurIPS 2017, section 3.1.
"""

from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from her.envs.base import GoalEnv, GoalTask, GoalVectorEnv, goal_spaces
from her.envs.drawing import BLUE, FLOOR, GREEN, VERMILION, Canvas
from her.rewards import check_goals
from her.validation import check_positive_integer

ENCODINGS = {"signed": (-1.0, 1.0), "binary": (0.0, 1.0)}
"""How a 0 bit and a 1 bit are written."""


class BitFlip(GoalTask):
    """`n_bits` bits; action i flips bit i; the goal is a pattern of all of them. See `BitFlipEnv`."""

    def __init__(self, n_bits: int = 8, encoding: str = "signed", horizon: int | None = None):
        self.n_bits = self.state_size = check_positive_integer("n_bits", n_bits)
        if encoding not in ENCODINGS:
            raise ValueError(f"encoding: expected one of {list(ENCODINGS)}, got {encoding!r}")
        self.encoding = encoding
        self.zero, self.one = ENCODINGS[encoding]
        self.horizon = self.n_bits if horizon is None else check_positive_integer("horizon", horizon)
        self.action_space = spaces.Discrete(self.n_bits)
        bits = spaces.Box(self.zero, self.one, (self.n_bits,), np.float32)
        self.observation_space = goal_spaces(bits, bits)

    def start(self, rng, n):
        return rng.choice([self.zero, self.one], (n, self.n_bits))

    def draw_goal(self, rng, state):
        return self.start(rng, len(state))

    def move(self, state, action):
        state, rows = state.copy(), np.arange(len(state))
        state[rows, action] = self.zero + self.one - state[rows, action]
        return state

    def success(self, achieved, desired):
        achieved, desired = np.asarray(achieved), np.asarray(desired)
        check_goals(achieved, desired)
        return (achieved == desired).all(axis=-1)

    def picture(self, state, goal):
        """Tiles, filled where the bit is 1: the state in blue above the goal in green, a dot where they differ."""
        n = self.n_bits
        canvas = Canvas((-0.25, 0.0), (n + 0.25, 3.0), 4 * max(2, min(9, 160 // (n + 1))))
        for bits, bottom, colour in ((state, 1.75, BLUE), (goal, 0.25, GREEN)):
            for i, bit in enumerate(bits):
                low, high = (i + 0.08, bottom + 0.08), (i + 0.92, bottom + 0.92)
                canvas.box(low, high, colour if bit == self.one else FLOOR, corner=0.12)
                canvas.box(low, high, colour, line=0.06, corner=0.12)
        for i in np.flatnonzero(state != goal):
            canvas.disc((i + 0.5, 1.5), 0.14, VERMILION)
        return canvas.image()

    def check_state(self, state):
        self.check_goal(state, "state")

    def check_goal(self, bits, name="goal"):
        if not np.isin(bits, (self.zero, self.one)).all():
            allowed = f"{self.zero:g} and {self.one:g} only (encoding={self.encoding!r})"
            raise ValueError(f"{name}: expected {allowed}, got {bits}")


class BitFlipEnv(GoalEnv):
    """Turn a random pattern of bits into another, one flip a step (Andrychowicz et al. 2017, section 3.1).

    Observation and both goals are the bits, (n_bits,) float32: ±1 if `encoding` is "signed", 0/1 if "binary".
    The reward is 0.0 when all bits agree and -1.0 otherwise. There are 2^n_bits patterns, of which an episode
    visits at most `horizon` (n_bits unless given), so a random policy soon sees nothing but -1.0. Start and
    goal are uniform.

    A network learns sooner from ±1 than from 0/1. Telling it which bits differ (state XOR goal) is a matter of its
    input (`DQNConfig.inputs`): an observation must not depend on the goal if goals are to be replaced afterwards.
    """

    metadata: ClassVar[dict[str, Any]] = GoalEnv.metadata | {"render_fps": 4}

    Task = BitFlip


class BitFlipVectorEnv(GoalVectorEnv):
    """`num_envs` copies of `BitFlipEnv` in one array."""

    metadata: ClassVar[dict[str, Any]] = GoalVectorEnv.metadata | {"render_fps": 4}

    Task = BitFlip
