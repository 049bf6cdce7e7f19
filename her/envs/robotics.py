"""Gymnasium-Robotics: made quick, checked for the mujoco version they need, and stepped in processes if wanted.

The extra ``robotics`` brings them. The settings in ``her/settings`` are for these versions of the environments:
FetchReach-v4, FetchPush-v4, FetchPickAndPlace-v4, FetchSlide-v4 (from v4 on, a reset leaves nothing of the episode
before and begins where the documentation says) and PointMaze_*-v3.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib import metadata
from multiprocessing.connection import Connection
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

#: what the names of the package's goal environments begin with
FAMILIES = ("Fetch", "HandReach", "HandManipulate", "PointMaze", "AntMaze")
#: with 3.12 and later, the first reset of these ends in a bare AssertionError
NEED_MUJOCO = ("Fetch", "HandReach", "HandManipulate")
MUJOCO = "3.10."


def is_robotic(env_id: str) -> bool:
    """Whether an environment of this name comes from Gymnasium-Robotics."""
    return env_id.split("/")[-1].startswith(FAMILIES)


def register(env_id: str) -> None:
    """Make Gymnasium-Robotics known to Gymnasium, after a look at the versions.

    Raises:
        ValueError: the extra is not installed, or the mujoco found is one that breaks ``env_id``.
    """
    try:
        found = metadata.version("mujoco")
        with contextlib.redirect_stderr(io.StringIO()):  # the package prints a notice about Adroit hands
            import gymnasium_robotics
    except (ImportError, metadata.PackageNotFoundError) as error:
        raise ValueError(
            f"env_id: {env_id} needs Gymnasium-Robotics ({error}): pip install 'her-course[robotics]'"
        ) from None
    if env_id.startswith(NEED_MUJOCO) and not found.startswith(MUJOCO):
        raise ValueError(
            f"env_id: {env_id} needs mujoco {MUJOCO}x, got {found}, with which its resets fail or its physics differ: "
            "pip install mujoco==3.10.0"
        )
    gym.register_envs(gymnasium_robotics)


def make_robot(env_id: str, env_kwargs: Mapping[str, Any]) -> gym.Env:
    """One environment. A Fetch robot is told to look at two of its joints only.

    Fetch asks every joint for its position and velocity, by name, and then uses the last two, the fingers: a quarter
    of a step's time. The observations are the same to the last bit.
    """
    register(env_id)
    env = gym.make(env_id, disable_env_checker=True, **env_kwargs)
    names = getattr(env.unwrapped, "_model_names", None)
    if env_id.startswith("Fetch") and names is not None:
        names._joint_names = tuple(name for name in names.joint_names if name.startswith("robot"))[-2:]
    return GraspedStarts(env) if env_id.startswith("FetchPickAndPlace") else env


def make_filmed(env_id: str, env_kwargs: Mapping[str, Any], width: int, height: int) -> gym.Env:
    """One environment with ``render_mode="rgb_array"``; a Fetch robot is seen from near enough to see what it does.

    Raises:
        RuntimeError: nothing is there that could draw.
    """
    if sys.platform == "linux" and not _has_screen():
        os.environ.setdefault("MUJOCO_GL", "egl")  # left to itself, mujoco opens a window that nobody has
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

    Grasping by chance is rare, and as long as nothing was ever lifted, no goal in hindsight is in the air. The HER
    paper therefore began half of its training episodes on this task from one recorded state in which the block is
    grasped (Andrychowicz et al. 2017). So does this, for the share of episodes that is asked for; the goal is drawn as
    always. Without the option, and so in every evaluation, the environment is the plain one.
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


def make_robots(env_id: str, n_envs: int, workers: int = 0, **env_kwargs: Any) -> VectorEnv:
    """``n_envs`` environments in this process, or in ``workers`` others, which give the same episodes."""
    register(env_id)
    if workers:
        envs: VectorEnv = WorkerVectorEnv(make_robot, (env_id, env_kwargs), n_envs, workers)
    else:
        envs = _in_one_process(make_robot, (env_id, env_kwargs), n_envs)
    envs.spec = envs.envs[0].spec
    return envs


def _has_screen() -> bool:
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _in_one_process(make: Callable[..., gym.Env], arguments: tuple, n_envs: int) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: make(*arguments)] * n_envs, autoreset_mode=AutoresetMode.SAME_STEP)


class WorkerError(RuntimeError):
    """A process that steps environments has failed or is gone."""


class WorkerVectorEnv(VectorEnv):
    """Environments stepped in processes, each of which has an equal share of them.

    Gymnasium's ``AsyncVectorEnv`` starts a process for every environment, which on a few cores costs more than it
    brings. Here a process steps its share one after the other, and a step sends one message each way.

    The order of the environments, their seeds and so their episodes are those of ``SyncVectorEnv``. All processes end
    with `close`, or with the process that made them.

    Args:
        make: makes one environment; a function that a new process can import.
        arguments: what it is called with.
        num_envs: how many environments there are in all.
        workers: how many processes; at most ``num_envs`` are started.

    Attributes:
        envs: one environment that is in this process, to ask for spaces and rewards; it is never stepped.
    """

    def __init__(self, make: Callable[..., gym.Env], arguments: tuple, num_envs: int, workers: int):
        self.envs = [make(*arguments)]
        self.num_envs = num_envs
        self.metadata = dict(self.envs[0].metadata) | {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode = self.envs[0].render_mode
        self.single_action_space = self.envs[0].action_space
        self.single_observation_space = self.envs[0].observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        parts = np.array_split(np.arange(num_envs), min(workers, num_envs))
        self._shares = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
        context = multiprocessing.get_context("spawn")  # a fork would copy this process's threads half alive
        self._pipes, self._processes, self._cpu = [], [], [0.0] * len(parts)
        for part in parts:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, make, arguments, len(part)), daemon=True)
            process.start()
            theirs.close()  # so that the pipe breaks when the process is gone
            self._pipes.append(ours)
            self._processes.append(process)

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the processes so far, imports not counted."""
        return sum(self._cpu)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        for worker, share in enumerate(self._shares):
            self._send(worker, ("reset", None if seed is None else seed + share.start, options))
        return _joined([self._receive(worker) for worker in range(len(self._shares))])

    def step(self, actions):
        for worker, share in enumerate(self._shares):
            self._send(worker, ("step", actions[share]))
        return _joined([self._receive(worker) for worker in range(len(self._shares))])

    def close_extras(self, **kwargs: Any) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()
                process.join()
        self.envs[0].close()

    def _send(self, worker: int, message: tuple) -> None:
        try:
            self._pipes[worker].send(message)
        except OSError:
            self._is_gone(worker)

    def _receive(self, worker: int) -> tuple:
        try:
            answer, self._cpu[worker] = self._pipes[worker].recv()
        except (EOFError, OSError):
            self._is_gone(worker)
        if isinstance(answer, str):
            raise WorkerError(f"environments {self._named(worker)} failed in their process:\n{answer}")
        return answer

    def _is_gone(self, worker: int) -> None:
        process = self._processes[worker]
        process.join(timeout=5)
        code = process.exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        raise WorkerError(
            f"the process of environments {self._named(worker)} is gone ({how}). If memory ran out, take fewer "
            "environments or fewer workers; the run goes on from its last checkpoint with --resume"
        ) from None

    def _named(self, worker: int) -> str:
        share = self._shares[worker]
        return f"{share.start}–{share.stop - 1} of {self.num_envs}"


def _work(pipe: Connection, make: Callable[..., gym.Env], arguments: tuple, n_envs: int) -> None:
    """What a process does: answer until the pipe breaks."""
    os.environ["OMP_NUM_THREADS"] = "1"
    envs, cpu_before = None, 0.0
    while True:
        try:
            order, *given = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        try:
            if envs is None:
                envs, cpu_before = _in_one_process(make, arguments, n_envs), time.process_time()
            answer = envs.reset(seed=given[0], options=given[1]) if order == "reset" else envs.step(given[0])
        except KeyboardInterrupt:
            return
        except Exception:  # whatever an environment raises is told to the process that asked
            answer = traceback.format_exc()
        pipe.send((answer, time.process_time() - cpu_before))


def _joined(parts: list[tuple]) -> tuple:
    """The answers of several vector environments as that of one: arrays one after the other, dictionaries by key."""
    return tuple(_join(piece) for piece in zip(*parts, strict=True))


def _join(pieces: tuple) -> Any:
    if isinstance(pieces[0], dict):
        keys = dict.fromkeys(key for piece in pieces for key in piece)
        return {key: _join(tuple(piece[key] for piece in pieces)) for key in keys}
    return np.concatenate(pieces)
