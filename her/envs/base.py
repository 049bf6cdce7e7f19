"""A goal-reaching task is written once, for a whole batch; an environment is one of its two faces.

`GoalTask` holds what makes a task: how it starts, moves, is observed and is judged. It keeps no state, and each of its
arrays has a leading batch dimension. `GoalEnv` shows a batch of one as a `gymnasium.Env`, `GoalVectorEnv` the batch as
a `gymnasium.vector.VectorEnv`. Both speak the GoalEnv interface of Gymnasium-Robotics: `compute_reward` answers the
question that hindsight asks, "what if that had been the goal?".
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from her.validation import check_positive_integer

Observation = dict[str, np.ndarray]


class GoalTask:
    """What a task is, apart from who runs it. Subclasses set the attributes and write the methods.

    Shapes: `n` rows, a state of `state_size` numbers, a goal of `goal_size` numbers. States are float64 and
    belong to the task; what leaves it (observations, goals) is float32.

    Attributes:
        horizon: steps in an episode. Every episode lasts exactly this long: reaching the goal ends nothing.
        state_size, action_space, observation_space: of a single environment.

    Methods:
        start(rng, n): draws n first states, (n, state_size).
        draw_goal(rng, state): draws a desired goal for each first state, (n, goal_size).
        move(state, action): the states one step later, (n, state_size); `state` is left as it was. Actions are valid.
        observe(state): what the agent sees, (n, observation_size); the state unless it is written.
        achieved(state): the goal that each state fulfils, (n, goal_size), the m(s) of the HER paper; likewise.
        success(achieved, desired): whether they are close enough: bool, the shape of either without its last axis.
        picture(state, goal): an RGB image, (height, width, 3) uint8, of one state and one goal.
        check_state(state), check_goal(goal): a ValueError names the argument if the task cannot be in, or set, a row.
    """

    horizon: int
    state_size: int
    action_space: spaces.Space
    observation_space: spaces.Dict

    def observe(self, state: np.ndarray) -> np.ndarray:
        return state

    def achieved(self, state: np.ndarray) -> np.ndarray:
        return state


class _Episodes:
    """What both faces share: the running episodes (state, goal, clock) and the goal interface."""

    Task: type[GoalTask]
    task: GoalTask
    _state: np.ndarray | None = None
    _goal: np.ndarray | None = None
    _elapsed: int | np.ndarray = 0
    _spec: gym.envs.registration.EnvSpec | None = None

    @property
    def horizon(self) -> int:
        """Steps in an episode."""
        return self.task.horizon

    @property
    def spec(self) -> gym.envs.registration.EnvSpec | None:
        """How Gymnasium made it. The time limit is in `max_episode_steps`, although it is registered with none."""
        return self._spec

    @spec.setter
    def spec(self, spec: gym.envs.registration.EnvSpec | None) -> None:
        self._spec = spec and replace(spec, max_episode_steps=self.horizon)

    def compute_reward(self, achieved_goal, desired_goal, info=None) -> np.ndarray:
        """0.0 where the goal is reached, else -1.0: float32 (…,) for goals of shape (…, goal_size), whatever `info`."""
        return np.subtract(self.task.success(achieved_goal, desired_goal), 1, dtype=np.float32)

    def compute_terminated(self, achieved_goal, desired_goal, info=None) -> np.ndarray:
        """Always False: the agent is to reach the goal and to stay there, so success ends no episode."""
        return self.task.success(achieved_goal, desired_goal) & False

    def compute_truncated(self, achieved_goal, desired_goal, info=None) -> np.ndarray:
        """Whether time was up by `info["elapsed"]`: arrays for several rows, or a dictionary a row (False without)."""
        return self.compute_terminated(achieved_goal, desired_goal) | (np.asarray(_elapsed(info)) >= self.horizon)

    def get_state(self) -> dict[str, Any]:
        """Where the episodes are, as copies: the options ``state`` and ``goal`` of a `reset` that begins there."""
        return deepcopy({"state": self._state, "goal": self._goal})

    def _draw(self, n: int, options: Mapping[str, Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """States and goals with which n episodes begin: drawn, or from the options."""
        options = dict(options or {})
        state, goal, task = options.pop("state", None), options.pop("goal", None), self.task
        if options:
            raise ValueError(f"options: expected the keys 'state' and 'goal' only, got {sorted(options)}")
        if state is not None:
            state = _rows("state", state, n, task.state_size)
            task.check_state(state)
        if goal is not None:
            goal = _rows("goal", goal, n, *task.observation_space["desired_goal"].shape)
            task.check_goal(goal)
        state = task.start(self.np_random, n) if state is None else state
        goal = task.draw_goal(self.np_random, state) if goal is None else goal
        return state, goal.astype(np.float32)

    def _advance(self, action: Any) -> None:
        if self._state is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        action = _valid_action(action, self.action_space, self.task.action_space)
        rows = action.reshape(len(self._state), *self.task.action_space.shape)
        self._state = self.task.move(self._state, rows)
        self._elapsed = self._elapsed + 1

    def _observations(self) -> Observation:
        return {
            "observation": self.task.observe(self._state).astype(np.float32),
            "achieved_goal": self.task.achieved(self._state).astype(np.float32),
            "desired_goal": self._goal.copy(),
        }

    def _pictures(self) -> tuple[np.ndarray, ...] | None:
        if self.render_mode is None:
            gym.logger.warn("render() without a render_mode draws nothing: pass render_mode='rgb_array'")
            return None
        if self._state is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        return tuple(self.task.picture(*row) for row in zip(self._state, self._goal, strict=True))


class GoalEnv(_Episodes, gym.Env):
    """One copy of a task as a `gymnasium.Env`; arguments beside `render_mode` are those of the task, `Task`.

    `info` has `is_success` (bool) and `elapsed` (steps since the reset). `reset(options={"state": …, "goal": …})`
    starts from a chosen state, with a chosen goal, or both.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, *settings: Any, render_mode: str | None = None, **named: Any):
        self.task = task = self.Task(*settings, **named)
        self.render_mode = _valid_render_mode(render_mode)
        self.action_space, self.observation_space = task.action_space, task.observation_space

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None):
        super().reset(seed=seed)
        self._state, self._goal = self._draw(1, options)
        self._elapsed = 0
        observation, success = self._look()
        return observation, {"is_success": success, "elapsed": 0}

    def step(self, action):
        self._advance(action)
        observation, success = self._look()
        info = {"is_success": success, "elapsed": self._elapsed}
        return observation, float(success) - 1.0, False, self._elapsed >= self.horizon, info

    def render(self) -> np.ndarray | None:
        """The current state and goal, (height, width, 3) uint8."""
        pictures = self._pictures()
        return pictures and pictures[0]

    def _look(self) -> tuple[Observation, bool]:
        observation = {key: rows[0] for key, rows in self._observations().items()}
        return observation, bool(self.task.success(observation["achieved_goal"], observation["desired_goal"]))


class GoalVectorEnv(_Episodes, VectorEnv):
    """`num_envs` copies of a task stepped as one array, as a `gymnasium.vector.VectorEnv`.

    The step that ends an episode begins the next (`AutoresetMode.SAME_STEP`): the last observations of old episodes are
    in `infos["final_obs"]`, a dictionary of arrays (num_envs, …), with the mask `infos["_final_obs"]`.
    `infos["is_success"]` and `infos["elapsed"]`, (num_envs,) each, always speak of the step just taken. All episodes
    end in the same step, unless some were begun anew by `reset(options={"reset_mask": mask})`, (num_envs,) bool.

    `reset(options={"state": …, "goal": …})` takes a row for each copy that is reset, (n, size), or one for all,
    (size,). Further arguments are those of the task; `max_episode_steps` is Gymnasium's word for its horizon.
    """

    metadata: ClassVar[dict[str, Any]] = GoalEnv.metadata | {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        *settings: Any,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **named: Any,
    ):
        if max_episode_steps is not None:
            named["horizon"] = max_episode_steps
        self.task = task = self.Task(*settings, **named)
        self.num_envs = check_positive_integer("num_envs", num_envs)
        self.render_mode = _valid_render_mode(render_mode)
        self.single_action_space, self.single_observation_space = task.action_space, task.observation_space
        self.action_space = batch_space(task.action_space, self.num_envs)
        self.observation_space = batch_space(task.observation_space, self.num_envs)

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None):
        super().reset(seed=seed)
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        if mask is None:
            self._state, self._goal = self._draw(self.num_envs, options)
            self._elapsed = np.zeros(self.num_envs, int)
        else:
            self._begin(self._checked(mask), options)
        observations = self._observations()
        return observations, self._infos(observations)

    def step(self, actions):
        self._advance(actions)
        observations = self._observations()
        infos = self._infos(observations)
        rewards = infos["is_success"] - 1.0
        truncated = self._elapsed >= self.horizon
        if truncated.any():
            infos |= {"final_obs": observations, "_final_obs": truncated.copy()}
            infos |= {"final_info": self._infos(observations), "_final_info": truncated.copy()}
            self._begin(truncated)
            observations = self._observations()
        return observations, rewards, np.zeros(self.num_envs, bool), truncated, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The current states and goals, an image (height, width, 3) uint8 for each copy."""
        return self._pictures()

    def _infos(self, observations: Observation) -> dict[str, np.ndarray]:
        success = self.task.success(observations["achieved_goal"], observations["desired_goal"])
        infos, all_told = {"is_success": success, "elapsed": self._elapsed.copy()}, np.ones(self.num_envs, bool)
        return infos | {f"_{key}": all_told.copy() for key in infos}

    def _checked(self, mask: np.ndarray) -> np.ndarray:
        if not isinstance(mask, np.ndarray) or mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise ValueError(f"reset_mask: expected shape ({self.num_envs},), bool, with a True in it, got {mask!r}")
        if self._state is None:
            raise gym.error.ResetNeeded("reset all copies before some of them")
        return mask

    def _begin(self, mask: np.ndarray, options: Mapping[str, Any] | None = None) -> None:
        """New episodes in these copies."""
        state, goal = self._draw(np.count_nonzero(mask), options)
        self._state, self._goal, self._elapsed = self._state.copy(), self._goal.copy(), self._elapsed.copy()
        self._state[mask], self._goal[mask], self._elapsed[mask] = state, goal, 0


def goal_spaces(observation: spaces.Box, goal: spaces.Box) -> spaces.Dict:
    """The dictionary space of a goal environment."""
    return spaces.Dict({"observation": observation, "achieved_goal": goal, "desired_goal": goal})


def _elapsed(info: Any) -> Any:
    """The steps since the reset that one info tells of, or each of a list or an array of them; 0 where it does not."""
    if isinstance(info, np.ndarray):
        info = info.tolist()
    if isinstance(info, list | tuple):
        return [_elapsed(row) for row in info]
    return info.get("elapsed", 0) if isinstance(info, Mapping) else 0


def _rows(name: str, value: Any, n: int, size: int) -> np.ndarray:
    array = np.asarray(value, float)
    if array.shape not in ((size,), (n, size)):
        raise ValueError(f"{name}: expected shape {(size,)} or {(n, size)}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got {array}")
    return np.array(np.broadcast_to(array, (n, size)))


def _valid_action(action: Any, space: spaces.Space, single: spaces.Space) -> np.ndarray:
    """The action as an array of the right shape and kind. Velocities beyond the box are clipped to it."""
    action = np.asarray(action)
    if action.shape != space.shape:
        raise ValueError(f"action: expected shape {space.shape}, got {action.shape}")
    if isinstance(single, spaces.Discrete):
        if action.dtype.kind not in "iu" or not ((action >= 0) & (action < single.n)).all():
            raise ValueError(f"action: expected whole numbers from 0 to {single.n - 1}, got {action}")
        return action
    if action.dtype.kind not in "iuf" or not np.isfinite(action).all():
        raise ValueError(f"action: expected finite numbers, got {action}")
    return np.clip(action, single.low[0], single.high[0], dtype=float)


def _valid_render_mode(mode: str | None) -> str | None:
    if mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode: expected None or 'rgb_array', got {mode!r}")
    return mode
