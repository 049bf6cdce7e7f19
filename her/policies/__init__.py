"""Trained policies: small files without pickle, and the numpy that plays them. No torch is needed.

A file is an ``.npz`` of the actor's weights as float16 and of the input's mean and deviation as float32, with a JSON
text that says what it is for, how it was made, and how often it succeeds as it is stored here. Those of the Fetch
robots come with the package, so that a chapter can show one without training for half an hour:

>>> policy = load_policy("FetchPush-v4")                                                      # doctest: +SKIP
>>> evaluation = evaluate(policy, make_envs(policy.env_id, 16), seed=0, episodes=100)         # doctest: +SKIP
>>> film = play(policy, seed=3)                                                               # doctest: +SKIP
>>> film.frames.shape, film.success[-1]                                                       # doctest: +SKIP
((51, 240, 240, 3), True)
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from her.envs import robotics
from her.files import read_json, write_atomically

if TYPE_CHECKING:
    from her.training import Trainer

FOLDER = Path(__file__).parent
#: the fields of a policy that its file has as JSON, and as arrays, if they are not None; the layers' are numbered
ABOUT, ARRAYS = ("env_id", "env_kwargs", "clip", "made"), ("mean", "deviation", "action_low", "action_high")


@dataclass(frozen=True, eq=False)
class SavedPolicy:
    """Plays what was trained: (n, state_dim + goal_dim) observations [state, goal] to (n, …) actions.

    Attributes:
        env_id, env_kwargs: the environment that it was trained on.
        weights, biases: of the layers, (inputs, outputs) and (outputs,), with ReLU between them.
        mean, deviation: (state_dim + goal_dim,) of the inputs, which are standardised by them and clipped to ±``clip``.
        action_low, action_high: (action_dim,) for continuous actions, reached through tanh; None chooses the action of
            the largest output.
        made: how it was made: seed, settings, steps, versions, and ``success_rate`` of how many ``episodes``.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    mean: np.ndarray | None
    deviation: np.ndarray | None
    clip: float
    action_low: np.ndarray | None
    action_high: np.ndarray | None
    made: dict[str, Any]

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        x = np.asarray(observations, np.float32)
        if self.mean is not None:
            x = ((x - self.mean) / self.deviation).clip(-self.clip, self.clip)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0)
        outputs = x @ self.weights[-1] + self.biases[-1]
        if self.action_low is None:
            return outputs.argmax(axis=1)
        middle, half = (self.action_low + self.action_high) / 2, (self.action_high - self.action_low) / 2
        return middle + half * np.tanh(outputs)

    def save(self, path: str | os.PathLike) -> None:
        """Write it to an ``.npz`` file."""
        arrays = {f"weight_{i}": weight.astype(np.float16) for i, weight in enumerate(self.weights)}
        arrays |= {f"bias_{i}": bias.astype(np.float16) for i, bias in enumerate(self.biases)}
        arrays |= {name: getattr(self, name) for name in ARRAYS if getattr(self, name) is not None}
        about = {name: getattr(self, name) for name in ABOUT}
        with write_atomically(path, "wb") as file:
            np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)


def policy_of(trainer: Trainer, **made: Any) -> SavedPolicy:
    """The policy of a trainer's agent as it is now, as it will be once it is stored: with weights of half precision."""
    agent = trainer.agent
    learner = getattr(agent, "actor", None) or agent.q
    if getattr(agent.config, "shared", False):
        raise ValueError("shared: only policies of plain layers can be stored, this one shares its weights over bits")
    linear = [layer for layer in learner.network if hasattr(layer, "weight")]
    if getattr(agent.config, "inputs", "pair") != "pair":
        raise ValueError(f"inputs: only policies of [state, goal] can be stored, this one sees {agent.config.inputs!r}")
    weights = [layer.weight.detach().half().float().numpy().T for layer in linear]
    biases = [layer.bias.detach().half().float().numpy() for layer in linear]
    actions = trainer.envs.single_action_space
    continuous = isinstance(actions, gym.spaces.Box)
    if continuous:  # a policy that draws its actions has their mean first, and the deviation after it
        weights[-1], biases[-1] = weights[-1][:, : actions.shape[0]], biases[-1][: actions.shape[0]]
    normalizer = getattr(agent, "normalizer", None)
    mean, deviation = (moment.float().numpy() for moment in normalizer.moments()) if normalizer else (None, None)
    inputs = (mean, deviation, normalizer.clip if normalizer else np.inf)
    limits = (actions.low.astype(np.float32), actions.high.astype(np.float32)) if continuous else (None, None)
    env = trainer.config.env_id, trainer.config.env_kwargs
    return SavedPolicy(*env, tuple(weights), tuple(biases), *inputs, *limits, made)


def policy_of_run(run: Path) -> SavedPolicy:
    """The policy of a run's folder, as its newest checkpoint left it. Needs torch, with one thread."""
    from her.training import use_one_thread
    from her.training.runs import load_trainer

    use_one_thread()
    with load_trainer(run) as trainer:
        return policy_of(trainer)


def export_policy(run: Path, path: Path, episodes: int = 200, seed: int = 10_000) -> SavedPolicy:
    """Store the policy of the folder ``run``, as its newest checkpoint left it, in the file ``path``. Needs torch.

    The file also says how often the policy as it is stored succeeds in ``episodes`` that ``seed`` draws for this alone.
    """
    from her.training.evaluation import evaluate
    from her.training.runs import load_trainer

    with load_trainer(run) as trainer:
        evaluation = evaluate(policy_of(trainer), trainer.envs, seed, episodes, trainer.success_function)
        at = trainer.config.success_at
        made = {"config": trainer.config.to_dict(), "env_steps": trainer.env_steps, "updates": trainer.updates}
        made |= {"success_rate": evaluation.success_rate(at), "success_interval": evaluation.success_interval(at)}
        made |= {"success_at": at, "cpu_seconds": round(trainer.cpu_seconds, 1)}
        made |= {"episodes": episodes, "evaluation_seed": seed, **read_json(run / "made_with.json")}
        policy = policy_of(trainer, **made)
    policy.save(path)
    return policy


def load_policy(name: str | os.PathLike) -> SavedPolicy:
    """A policy from a file, or the one that comes with the package for an environment of this name.

    A FileNotFoundError lists what comes with the package; a damaged file is a ValueError.
    """
    path = FOLDER / f"{name}.npz" if str(name) in shipped() else Path(name)
    if not path.exists():
        known = ", ".join(shipped())
        raise FileNotFoundError(f"name: no file {str(name)!r}, and no policy of that name; there are {known}")
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            arrays = {key: file[key] for key in file.files if key != "about"}
        layers = range(sum(key.startswith("weight_") for key in arrays))
        return SavedPolicy(
            weights=tuple(arrays[f"weight_{i}"].astype(np.float32) for i in layers),
            biases=tuple(arrays[f"bias_{i}"].astype(np.float32) for i in layers),
            **{name: arrays.get(name) for name in ARRAYS},
            **{name: about[name] for name in ABOUT},
        )
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"name: {str(path)!r} is no policy, or a damaged one ({error!r})") from None


def shipped() -> list[str]:
    """The environments whose trained policies come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


@dataclass(frozen=True, eq=False)
class Film:
    """One episode, T steps.

    Attributes:
        frames: (T + 1, height, width, 3) uint8, the first one before the first action.
        success: (T + 1,) bool, in each frame; of the first it is False.
        achieved_goals: (T + 1, goal_dim).
        goal: (goal_dim,).
        fps: frames a second, what the environment asks for and not more than 25.
    """

    frames: np.ndarray
    success: np.ndarray
    achieved_goals: np.ndarray
    goal: np.ndarray
    fps: float


def play(policy: SavedPolicy, seed: int, width: int = 240, height: int = 240) -> Film:
    """Film an episode of a policy in its environment; ``seed`` draws the start and the goal.

    Robots are drawn by OpenGL. Where there is no screen, EGL does it: on Debian and Ubuntu, ``apt install libegl1``.
    ``MUJOCO_GL=osmesa`` draws without a driver (``apt install libosmesa6``). ``width`` and ``height`` are for robots.
    """
    if robotics.is_robotic(policy.env_id):
        env = robotics.make_filmed(policy.env_id, policy.env_kwargs, width, height)
    else:
        env = gym.make(policy.env_id, render_mode="rgb_array", **policy.env_kwargs)
    with closing(env):
        observation, _ = env.reset(seed=seed)
        frames, success, achieved = [env.render()], [False], [observation["achieved_goal"]]
        ended = False
        while not ended:
            x = np.concatenate([observation["observation"], observation["desired_goal"]], dtype=np.float32)
            observation, _, terminated, truncated, info = env.step(policy(x[None])[0])
            frames.append(env.render())
            success.append(bool(info.get("is_success", info.get("success", False))))
            achieved.append(observation["achieved_goal"])
            ended = terminated or truncated
    goal = np.asarray(observation["desired_goal"], np.float32)
    fps = min(25.0, float(env.metadata.get("render_fps", 15)))
    return Film(np.stack(frames), np.array(success), np.array(achieved, np.float32), goal, fps)


def save_films(films: Sequence[Film], path: Path, fps: float | None = None, hold: float = 0.7) -> None:
    """Write episodes one after the other as a looping animation: .gif, .png or .webp, else a ValueError.

    Frames follow each other at ``fps``, or as the films say; the last one of each stays ``hold`` seconds.
    """
    if path.suffix not in (".gif", ".png", ".webp"):
        raise ValueError(f"path: expected a name that ends in .gif, .png or .webp, got {path.name!r}")
    from PIL import Image

    images = [Image.fromarray(np.ascontiguousarray(frame)) for film in films for frame in film.frames]
    durations: list[int] = []
    for film in films:
        durations += [round(1000 / (fps or film.fps))] * len(film.frames)
        durations[-1] += round(1000 * hold)
    path.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(path, append_images=images[1:], save_all=True, duration=durations, loop=0)
