"""Gymnasium-Robotics: made quick, and checked for the mujoco version they need.

The extra ``robotics`` brings them. The settings in ``her/settings`` are for these versions of the environments:
FetchReach-v4, FetchPush-v4, FetchPickAndPlace-v4, FetchSlide-v4 (from v4 on, a reset leaves nothing of the episode
before and begins where the documentation says) and PointMaze_*-v3.
"""

import contextlib
import io
import os
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

#: what the names of the package's goal environments begin with
FAMILIES = ("Fetch", "HandReach", "HandManipulate", "PointMaze", "AntMaze")
#: with 3.12 and later, the first reset of these ends in a bare AssertionError
NEED_MUJOCO = ("Fetch", "HandReach", "HandManipulate")
MUJOCO = "3.10."


def is_robotic(env_id: str) -> bool:
    """Whether an environment of this name comes from Gymnasium-Robotics."""
    return env_id.split("/")[-1].startswith(FAMILIES)


def register(env_id: str) -> None:
    """Make Gymnasium-Robotics known to Gymnasium; a ValueError if it is missing, or a mujoco breaks ``env_id``."""
    try:
        found = metadata.version("mujoco")
        with contextlib.redirect_stderr(io.StringIO()):  # the package prints a notice about Adroit hands
            import gymnasium_robotics
    except (ImportError, metadata.PackageNotFoundError) as error:
        install = "pip install 'her-course[robotics]'"
        raise ValueError(f"env_id: {env_id} needs Gymnasium-Robotics ({error}): {install}") from None
    if env_id.startswith(NEED_MUJOCO) and not found.startswith(MUJOCO):
        why = f"got {found}, with which its resets fail or its physics differ"
        raise ValueError(f"env_id: {env_id} needs mujoco {MUJOCO}x, {why}: pip install mujoco==3.10.0")
    gym.register_envs(gymnasium_robotics)


def make_robot(env_id: str, env_kwargs: Mapping[str, Any]) -> gym.Env:
    """One environment. A Fetch robot is told to look at its fingers, the last two joints, which are all that it uses.

    That saves a quarter of a step's time; the observations are the same to the last bit.
    """
    register(env_id)
    env = gym.make(env_id, disable_env_checker=True, **env_kwargs)
    names = getattr(env.unwrapped, "_model_names", None)
    if env_id.startswith("Fetch") and names is not None:
        names._joint_names = tuple(name for name in names.joint_names if name.startswith("robot"))[-2:]
    return GraspedStarts(env) if env_id.startswith("FetchPickAndPlace") else env


def make_filmed(env_id: str, env_kwargs: Mapping[str, Any], width: int, height: int) -> gym.Env:
    """One environment that draws, a Fetch robot from near enough to see what it does; a RuntimeError if it cannot."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("MUJOCO_GL", "egl")  # left to itself, mujoco opens a window that nobody has
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401 (PyTorch for CUDA brings it; imported after a Mesa driver, its LLVM ends the process)
    how = {"render_mode": "rgb_array", "width": width, "height": height}
    if env_id.startswith("Fetch"):
        far = 2.0 if env_id.startswith("FetchSlide") else 1.6
        look_at = np.array([1.25, 0.75, 0.5])
        how["default_camera_config"] = {"distance": far, "azimuth": 132.0, "elevation": -24.0, "lookat": look_at}
    env = make_robot(env_id, how | dict(env_kwargs))
    model = env.unwrapped.model
    handles = np.isin(model.geom_bodyid, np.flatnonzero(model.body_mocapid >= 0))
    model.geom_rgba[handles, 3] = 0  # the cross of lines that the arm hangs on
    try:
        env.reset(seed=0)
        env.render()
    except Exception as error:  # an import, an attribute of a driver that is not there, or OpenGL's own
        raise RuntimeError(
            f"robots cannot be drawn here ({type(error).__name__}: {error}). On Debian and Ubuntu, apt install libegl1 "
            "lets MUJOCO_GL=egl draw without a screen, apt install libosmesa6 lets MUJOCO_GL=osmesa"
        ) from error
    return env


class GraspedStarts(gym.Wrapper):
    """A robot that can begin with the block in its fingers: ``reset(options={"grasped_share": 0.5})``.

    As long as nothing was ever lifted, no goal in hindsight is in the air. The HER paper therefore began half of its
    training episodes on this task from one recorded state in which the block is grasped (Andrychowicz et al. 2017). So
    does this, for the share that is asked for. Without the option, as in evaluations, it is the plain environment.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self._grasped: np.ndarray | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        options = dict(options or {})
        share = options.pop("grasped_share", 0.0)
        if not 0 <= share <= 1:
            raise ValueError(f"grasped_share: expected a number in [0, 1], got {share!r}")
        observation, info = self.env.reset(seed=seed, options=options or None)
        robot = self.unwrapped
        if share and robot.np_random.random() < share:
            import mujoco

            if self._grasped is None:
                self._grasped = self._record()
            mujoco.mj_setState(robot.model, robot.data, self._grasped, mujoco.mjtState.mjSTATE_INTEGRATION)
            mujoco.mj_forward(robot.model, robot.data)
            observation = robot._get_obs()
        return observation, info

    def _record(self) -> np.ndarray:
        """The state after the fingers were put around the block, closed, and raised by 7 cm; always the same."""
        import mujoco

        robot = self.unwrapped
        model, data = robot.model, robot.data
        mujoco.mj_resetData(model, data)
        data.time, data.qpos[:], data.qvel[:] = robot.initial_time, robot.initial_qpos, robot.initial_qvel
        block = robot._utils.get_joint_qpos(model, data, "object0:joint").copy()
        block[:2] = robot.initial_gripper_xpos[:2]
        robot._utils.set_joint_qpos(model, data, "object0:joint", block)
        mujoco.mj_forward(model, data)
        table = robot._get_obs()["achieved_goal"][2]
        for height, fingers, steps in ((table, 1.0, 12), (table, -1.0, 6), (table + 0.07, -1.0, 8)):
            for _ in range(steps):
                up = np.clip(10 * (height - robot._get_obs()["observation"][2]), -1, 1)
                robot.step(np.array([0, 0, up, fingers], np.float32))
        lifted = robot._get_obs()["achieved_goal"][2] - table
        if lifted < 0.05:
            raise RuntimeError(f"the block was to be lifted by 7 cm, and was by {100 * lifted:.1f}")
        state = np.empty(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        return state


def make_robots(env_id: str, n_envs: int, **env_kwargs: Any) -> VectorEnv:
    """``n_envs`` environments, stepped one after the other in this process."""
    envs = SyncVectorEnv([lambda: make_robot(env_id, env_kwargs)] * n_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.spec = envs.envs[0].spec
    return envs
