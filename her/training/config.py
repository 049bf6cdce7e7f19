"""What to train: a `TrainingConfig`, and the settings that were found to work, from ``her/settings/*.toml``."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import tomllib
from contextlib import closing
from dataclasses import dataclass, field
from importlib import resources
from numbers import Real
from typing import Any

import gymnasium as gym
import numpy as np

from her.agents import DDPG, DQN, SAC, DDPGConfig, DQNConfig, SACConfig
from her.curriculum import CURRICULA
from her.goals import GoalMixture, GoalSelectionStrategy, read_strategy
from her.prioritized import SAMPLERS
from her.training.evaluation import horizon, make_envs
from her.validation import check_count, check_number, check_positive_integer

AGENTS = {"dqn": (DQN, DQNConfig), "ddpg": (DDPG, DDPGConfig), "sac": (SAC, SACConfig)}
#: the fields of a `TrainingConfig` that are dictionaries
DICTIONARIES = ("agent_settings", "env_kwargs", "reset_options", "priority_settings", "curriculum_settings")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run: the same config gives the same run on the same machine.

    Attributes:
        env_id, env_kwargs: the goal environment.
        reset_options: how exploring episodes begin, as ``reset(options=…)`` of the environment; evaluations have none.
        seed: of everything: weights, exploration, goals, replay.
        agent: "dqn", "ddpg" or "sac".
        agent_settings: fields of `DQNConfig`, `DDPGConfig` or `SACConfig` that differ from the defaults. A
            ``target_range`` of two numbers is meant of the environment's own rewards; otherwise the learner sees them
            on another scale, see `her.training.look.RewardScale`.
        strategy: "final", "future", "episode", "random", shares of several (see `her.goals.GoalMixture`) as a
            dictionary or as "future=0.5,actual=0.5", which they become, or "none" for replay without hindsight.
        k: substitute goals per real one.
        priority: which transitions are drawn more often: "td", "rank", "energy", "moved" (see `her.prioritized`), or
            "none".
        curriculum: which goals come when: "reach", "cher" (see `her.curriculum`), or "none".
        priority_settings, curriculum_settings: arguments of these that differ from the defaults. ``beta_batches`` and
            ``growth_batches`` of "cher" are, unless they are set, the number of updates until ``max_steps``.
        success_ends: store transitions that reach their goal as ends, where bootstrapping stops, although the episode
            goes on; relabelled ones follow (see `HindsightExperienceReplay`). The HER paper bootstraps through.
        capacity, batch_size: of the buffer and of an update, in transitions.
        n_envs: environments, each of which plays one episode a round.
        updates_per_round: gradient steps after each round; 0 learns nothing.
        max_steps: environment steps, over all environments, after which the run ends (it finishes its round).
        until_success: end as soon as an evaluation, and then a second, larger one with fresh goals, reach this rate.
        evaluate_every: rounds between evaluations.
        evaluation_episodes: episodes of an evaluation.
        success_at: "end" or "any": what counts as a successful episode.
        success_function: ``module:function``, an f(achieved, desired) -> bool per row, where the environment's infos do
            not tell of success and its rewards are not sparse.
    """

    env_id: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    reset_options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    agent: str = "ddpg"
    agent_settings: dict[str, Any] = field(default_factory=dict)
    strategy: str = "future"
    k: int = 4
    priority: str = "none"
    priority_settings: dict[str, Any] = field(default_factory=dict)
    curriculum: str = "none"
    curriculum_settings: dict[str, Any] = field(default_factory=dict)
    success_ends: bool = False
    capacity: int = 1_000_000
    batch_size: int = 256
    n_envs: int = 16
    updates_per_round: int = 40
    max_steps: int = 500_000
    until_success: float | None = None
    evaluate_every: int = 1
    evaluation_episodes: int = 100
    success_at: str = "end"
    success_function: str | None = None

    def __post_init__(self):
        for name in DICTIONARIES:
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name}: expected a dictionary of settings, got {getattr(self, name)!r}")
        if self.strategy != "none":
            strategy = read_strategy(self.strategy)
            if not isinstance(strategy, GoalSelectionStrategy | GoalMixture):
                raise ValueError(f"strategy: expected the name of a strategy or shares, got {self.strategy!r}")
            object.__setattr__(self, "strategy", getattr(strategy, "value", str(strategy)))
        choices = {"priority": ["none", *SAMPLERS], "curriculum": ["none", *CURRICULA]}
        for name, known in (choices | {"agent": list(AGENTS), "success_at": ["end", "any"]}).items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.strategy == "none" and self.curriculum != "none":
            raise ValueError(f"curriculum: {self.curriculum!r} chooses substitute goals, and strategy 'none' has none")
        known = {f.name for f in dataclasses.fields(AGENTS[self.agent][1])}
        unknown = set(self.agent_settings) - known
        if unknown:
            raise ValueError(f"agent_settings: {self.agent} has no {sorted(unknown)}; it has {sorted(known)}")
        if self.until_success is not None:
            check_number("until_success", self.until_success, lambda x: 0 < x <= 1, "in (0, 1]")
        for name in ("capacity", "batch_size", "n_envs", "max_steps", "evaluate_every", "evaluation_episodes"):
            object.__setattr__(self, name, check_positive_integer(name, getattr(self, name)))
        if not isinstance(self.success_ends, bool):
            raise ValueError(f"success_ends: expected True or False, got {self.success_ends!r}")
        for name in ("updates_per_round", "k", "seed"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        if self.seed >= 2**64:
            raise ValueError(f"seed: expected an integer below 2**64, which torch takes, got {self.seed}")

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return dataclasses.asdict(self)

    def agent_config(self) -> DQNConfig | DDPGConfig | SACConfig:
        """The settings of the learner, lists as tuples."""
        settings = self.agent_settings.items()
        return AGENTS[self.agent][1](**{k: tuple(v) if isinstance(v, list) else v for k, v in settings})

    def replace(self, **changes: Any) -> TrainingConfig:
        """A copy with some fields changed; of dictionaries, the entries."""
        for name in DICTIONARIES:
            if isinstance(changes.get(name), dict):
                changes[name] = getattr(self, name) | changes[name]
        return dataclasses.replace(self, **changes)


def settings_for(env_id: str, env_kwargs: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    """The settings that were found to work on an environment, from ``her/settings/*.toml``, with ``changes``.

    A file's ``env_id`` may have an asterisk for any part. An environment without a file gets the defaults of its action
    space, DQN for discrete actions, DDPG otherwise; and, where its episodes are long, fewer of them: about 800 steps
    a round and 5,000 an evaluation. Of dictionaries, only the entries that are given change.
    """
    env_kwargs = dict(env_kwargs or {})
    settings = _from_file(env_id.rpartition(":")[2])
    if settings is None:
        with closing(make_envs(env_id, 1, **env_kwargs)) as envs:
            discrete = isinstance(envs.single_action_space, gym.spaces.Discrete)
            steps = horizon(envs)
        settings = {"agent": "dqn" if discrete else "ddpg", "n_envs": min(16, max(1, 800 // steps))}
        settings["evaluation_episodes"] = min(100, max(10, 5_000 // steps))
    for special in settings.pop("when", []):
        given = {key: value for key, value in env_kwargs.items() if isinstance(value, Real)}  # make_envs names others
        if all(given.get(key, -np.inf) >= least for key, least in special.pop("at_least").items()):
            agent_settings = settings.get("agent_settings", {}) | special.pop("agent_settings", {})
            settings |= special | {"agent_settings": agent_settings}
    if changes.get("agent", settings["agent"]) != settings["agent"]:
        settings.pop("agent_settings", None)  # they were another learner's
    config = TrainingConfig(env_id=env_id, env_kwargs=env_kwargs, agent=settings.pop("agent"))
    return config.replace(**settings).replace(**changes)


def _from_file(env_id: str) -> dict[str, Any] | None:
    for file in sorted(resources.files("her").joinpath("settings").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            settings = tomllib.loads(file.read_text(encoding="utf-8"))
            if fnmatch.fnmatchcase(env_id, settings.pop("env_id")):
                return settings
    return None


def differences(config: TrainingConfig, stored: dict[str, Any]) -> list[tuple[str, tuple[Any, Any]]]:
    """The settings in which a config read from JSON differs: its value and that of ``config``.

    What the stored one does not name, because it is older than the setting, had the default.
    """
    ours = json.loads(json.dumps(config.to_dict()))
    theirs = json.loads(json.dumps(TrainingConfig(config.env_id).to_dict())) | stored
    return [(key, (theirs[key], ours[key])) for key in sorted(ours) if ours[key] != theirs[key]]
