"""A goal environment of one's own, in a module of one's own."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Point(gym.Env):
    """Reach a goal, within 0.2, by steps of at most 0.3."""

    success_key = "is_success"

    def __init__(self, best=0.0, worst=-1.0):
        self.best, self.worst = best, worst
        box = spaces.Box(-10, 10, (2,), np.float64)
        self.observation_space = spaces.Dict(observation=box, achieved_goal=box, desired_goal=box)
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)

    def observe(self):
        return {"observation": self.x.copy(), "achieved_goal": self.x.copy(), "desired_goal": self.goal.copy()}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.goal = np.zeros(2), self.np_random.uniform(-1, 1, 2)
        return self.observe(), {}

    def distance(self, achieved, desired):
        return np.linalg.norm(np.asarray(achieved) - np.asarray(desired), axis=-1)

    def compute_reward(self, achieved_goal, desired_goal, info):
        return np.where(self.distance(achieved_goal, desired_goal) < 0.2, self.best, self.worst)

    def step(self, action):
        self.x = self.x + 0.3 * np.asarray(action, float).reshape(-1)[:2]
        near = bool(self.distance(self.x, self.goal) < 0.2)
        info = {self.success_key: near} if self.success_key else {}
        return self.observe(), float(self.compute_reward(self.x, self.goal, {})), False, False, info


gym.register("PointOfOnesOwn-v0", entry_point=Point, max_episode_steps=25)
gym.register("PointWithoutLimit-v0", entry_point=Point)
