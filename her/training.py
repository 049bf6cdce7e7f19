"""The training loop: collect a round of episodes, learn from the buffer, look how far it has come. No logging here."""

from __future__ import annotations

import dataclasses
import fnmatch
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from numbers import Real
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from her.agents import DDPG, DQN, SAC, DDPGConfig, DQNConfig, SACConfig
from her.curriculum import CURRICULA, CurriculumHER
from her.envs.robotics import is_robotic
from her.evaluation import Evaluation, evaluate, horizon, make_envs, rollout
from her.goals import GoalSelectionStrategy
from her.hindsight import HERConfig, HindsightExperienceReplay
from her.prioritized import SAMPLERS
from her.replay import GoalConditionedReplayBuffer, TransitionSampler, check_count, check_number, check_positive_integer

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
        agent_settings: fields of `DQNConfig`, `DDPGConfig` or `SACConfig` that differ from the defaults.
        strategy: "final", "future", "episode", "random", or "none" for replay without hindsight.
        k: substitute goals per real one.
        priority: which transitions are drawn more often: "td", "rank", "energy", "moved" (see `her.prioritized`), or
            "none".
        priority_settings: arguments of that sampler that differ from the defaults.
        curriculum: which goals come when: "reach", "cher" (see `her.curriculum`), or "none".
        curriculum_settings: arguments of that curriculum that differ from the defaults.
        success_ends: store transitions that reach their goal as ends, where bootstrapping stops, although the episode
            goes on; relabelled ones follow (see `HindsightExperienceReplay`). The HER paper bootstraps through.
        capacity: of the buffer, in transitions.
        batch_size: transitions per update.
        n_envs: environments, each of which plays one episode a round.
        updates_per_round: gradient steps after each round; 0 learns nothing.
        max_steps: environment steps, over all environments, after which the run ends (it finishes its round).
        until_success: end as soon as an evaluation, and then a second, larger one with fresh goals, reach this rate.
        evaluate_every: rounds between evaluations.
        evaluation_episodes: episodes of an evaluation.
        success_at: "end" or "any": what counts as a successful episode.
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

    def __post_init__(self):
        for name in DICTIONARIES:
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name}: expected a dictionary of settings, got {getattr(self, name)!r}")
        if self.strategy != "none":
            GoalSelectionStrategy.of(self.strategy)
        for name, known in (("priority", SAMPLERS), ("curriculum", CURRICULA)):
            if getattr(self, name) not in ("none", *known):
                raise ValueError(f"{name}: expected one of none, {', '.join(known)}, got {getattr(self, name)!r}")
        if self.strategy == "none" and self.curriculum != "none":
            raise ValueError(f"curriculum: {self.curriculum!r} chooses substitute goals, and strategy 'none' has none")
        if self.agent not in AGENTS:
            raise ValueError(f"agent: expected one of {', '.join(AGENTS)}, got {self.agent!r}")
        if self.success_at not in ("end", "any"):
            raise ValueError(f"success_at: expected 'end' or 'any', got {self.success_at!r}")
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

    def replace(self, **changes: Any) -> TrainingConfig:
        """A copy with some fields changed; of dictionaries, the entries."""
        for name in DICTIONARIES:
            if isinstance(changes.get(name), dict):
                changes[name] = getattr(self, name) | changes[name]
        return dataclasses.replace(self, **changes)


def settings_for(env_id: str, env_kwargs: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    """The settings that were found to work on an environment, from ``her/settings/*.toml``, with ``changes``.

    A file's ``env_id`` may have an asterisk for any part. An environment without a file gets the defaults of its action
    space: DQN for discrete actions, DDPG otherwise.
    """
    env_kwargs = dict(env_kwargs or {})
    for file in sorted(resources.files("her").joinpath("settings").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".toml"):
            continue
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
        if fnmatch.fnmatchcase(env_id, settings.pop("env_id")):
            break
    else:
        with_discrete_actions = isinstance(make_envs(env_id, 1, **env_kwargs).single_action_space, gym.spaces.Discrete)
        settings = {"agent": "dqn" if with_discrete_actions else "ddpg"}
    for special in settings.pop("when", []):
        given = {key: value for key, value in env_kwargs.items() if isinstance(value, Real)}  # make_envs names others
        if all(given.get(key, -np.inf) >= least for key, least in special.pop("at_least").items()):
            agent_settings = settings.get("agent_settings", {}) | special.pop("agent_settings", {})
            settings |= special | {"agent_settings": agent_settings}
    if "agent" in changes and changes["agent"] != settings["agent"]:
        settings.pop("agent_settings", None)  # they were another learner's
    config = TrainingConfig(env_id=env_id, env_kwargs=env_kwargs, agent=settings.pop("agent"))
    return config.replace(**settings).replace(**changes)


@dataclass(frozen=True)
class Progress:
    """How far a run has come after a round.

    Attributes:
        env_steps, episodes, updates: since the beginning.
        exploring_success: success rate of the round's own, exploring episodes, whose goals a curriculum may have set.
        success_rate: of the round's evaluation, None if there was none.
        td_error: mean absolute TD error of the round's updates.
        solved: whether ``until_success`` was reached, by two evaluations in a row.
        cpu_seconds: of this process and its workers since the run began, time spent before a resume included.
    """

    env_steps: int
    episodes: int
    updates: int
    exploring_success: float
    success_rate: float | None
    td_error: float
    solved: bool
    cpu_seconds: float


class Trainer:
    """A run as a generator: every step of it yields a `Progress`; nothing is printed and nothing is written.

    A round resets every environment with a seed of its own, plays one episode in each, and then takes
    ``updates_per_round`` gradient steps. So a run that goes on from `state`, between two rounds, goes on exactly as it
    would have. One torch thread is used: on networks of this size more only cost.

    Args:
        config: what to train.
        workers: processes that step the robots of Gymnasium-Robotics, 0 for this one. The run is the same.

    >>> trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": 8}, until_success=0.95))
    >>> for progress in trainer.run(): ...                                                    # doctest: +SKIP
    """

    def __init__(self, config: TrainingConfig, workers: int = 0):
        torch.set_num_threads(1)
        self.config = config
        self.envs = make_envs(config.env_id, config.n_envs, workers=workers, **config.env_kwargs)
        self._few_envs = is_robotic(config.env_id)
        if self._few_envs:  # a robot takes 12 MB: those that explore are evaluated with, in several rounds
            self.evaluation_envs = self.envs
        else:
            self.evaluation_envs = make_envs(config.env_id, config.evaluation_episodes, **config.env_kwargs)
        self.horizon = horizon(self.envs)
        if config.capacity < self.horizon:
            raise ValueError(
                f"capacity: an episode of {self.horizon} transitions does not fit into capacity={config.capacity}"
            )
        if config.reset_options:
            _check_reset_options(self.envs, config.reset_options)
        self.agent, self.buffer = make_agent(self.envs, config), make_buffer(self.envs, config)
        self._sets_goals = isinstance(self.buffer, CurriculumHER) and takes_goals(self.envs)
        self.rounds = self.updates = self.episodes = 0
        self._final: tuple[int, Evaluation] | None = None
        self._cpu_before = 0.0
        self._cpu_start = self._cpu_now()

    @property
    def env_steps(self) -> int:
        return self.rounds * self.config.n_envs * self.horizon

    @property
    def cpu_seconds(self) -> float:
        return self._cpu_before + self._cpu_now() - self._cpu_start

    def _cpu_now(self) -> float:
        return time.process_time() + getattr(self.envs, "cpu_seconds", 0.0)

    def run(self) -> Iterator[Progress]:
        """Rounds until ``max_steps`` are taken or ``until_success`` is reached."""
        while self.env_steps < self.config.max_steps:
            progress = self.round()
            yield progress
            if progress.solved:
                return

    def round(self) -> Progress:
        """One episode in each environment, the updates, and, when it is time, an evaluation."""
        config = self.config
        seed = self._seed(0)
        goals = self._rollout_goals(seed) if self._sets_goals else None
        options = config.reset_options | ({} if goals is None else {"goal": goals})
        steps = rollout(lambda x: self.agent.act(x, explore=True), self.envs, self.horizon, seed, options or None)
        if config.success_ends:
            steps = dataclasses.replace(steps, terminated=steps.terminated | steps.success)
        for episode in steps.episodes():
            self.buffer.store_episode(episode)
            self.episodes += 1
        self.rounds += 1
        errors = self._learn()
        success_rate, solved = None, False
        if self.rounds % config.evaluate_every == 0 or self.env_steps >= config.max_steps:
            success_rate = self.evaluate(1).success_rate(config.success_at)
            if config.until_success is not None and success_rate >= config.until_success:
                solved = self.final_evaluation().success_rate(config.success_at) >= config.until_success
        explored = steps.success.any(axis=0) if config.success_at == "any" else steps.success[-1]
        return Progress(
            self.env_steps,
            self.episodes,
            self.updates,
            float(explored.mean()),
            success_rate,
            errors,
            solved,
            self.cpu_seconds,
        )

    def _learn(self) -> float:
        """The updates of a round; returns the mean absolute TD error."""
        config, total = self.config, 0.0
        self.agent.observe(self.buffer.sample(config.n_envs * self.horizon).torch().observations)
        for _ in range(config.updates_per_round):
            batch = self.buffer.sample(config.batch_size)
            errors = self.agent.update(batch.torch())
            if config.priority != "none":
                self.buffer.update_priorities(batch.indices, errors)
            total += float(np.abs(errors).mean())
            self.updates += 1
        return total / max(1, config.updates_per_round)

    def _rollout_goals(self, seed: int) -> np.ndarray:
        """The goals that the curriculum sets where ``seed`` lets the episodes start."""
        start, _ = self.envs.reset(seed=seed)
        return self.buffer.rollout_goals(start["achieved_goal"], start["desired_goal"])

    def evaluate(self, which: int) -> Evaluation:
        """Episodes without exploration, with starts and goals drawn for it alone; ``which`` picks one of many draws."""
        episodes = self.config.evaluation_episodes if self._few_envs else None
        return evaluate(self.agent.act, self.evaluation_envs, self._seed(which), episodes)

    def final_evaluation(self) -> Evaluation:
        """Twice the episodes of the evaluations along the way, and other goals; the same until the next round."""
        if self._final is None or self._final[0] != self.rounds:
            self._final = self.rounds, self.evaluate(2) + self.evaluate(3)
        return self._final[1]

    def _seed(self, purpose: int) -> int:
        """A seed for this round and purpose, whatever was drawn before."""
        return int(np.random.SeedSequence([self.config.seed, self.rounds, purpose]).generate_state(1)[0])

    def state(self) -> dict[str, Any]:
        """What, beside the buffer, a run needs to go on from here: plain numbers, and the agent's tensors."""
        return {
            "rounds": self.rounds,
            "updates": self.updates,
            "episodes": self.episodes,
            "cpu_seconds": self.cpu_seconds,
            "agent_rng": self.agent.rng.bit_generator.state,
            "agent": self.agent.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; the buffer is loaded by its own `load`."""
        self.rounds, self.updates, self.episodes = state["rounds"], state["updates"], state["episodes"]
        self._cpu_before, self._cpu_start = state["cpu_seconds"], self._cpu_now()
        self.agent.rng.bit_generator.state = state["agent_rng"]
        self.agent.load(state["agent"])
        self._final = None


def make_agent(envs: gym.vector.VectorEnv, config: TrainingConfig) -> DQN | DDPG | SAC:
    """The learner of a config, sized for the environments."""
    spaces, actions = envs.single_observation_space, envs.single_action_space
    observation_dim = spaces["observation"].shape[0] + spaces["desired_goal"].shape[0]
    agent, settings = AGENTS[config.agent]
    discrete = isinstance(actions, gym.spaces.Discrete)
    if discrete != (agent is DQN):
        raise ValueError(f"agent: {config.agent} does not fit the action space {actions} of {config.env_id}")
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in config.agent_settings.items()}
    shape = (int(actions.n),) if discrete else (actions.low, actions.high)
    return agent(observation_dim, *shape, settings(**given), seed=config.seed)


def make_buffer(envs: gym.vector.VectorEnv, config: TrainingConfig) -> GoalConditionedReplayBuffer:
    """The replay buffer of a config; "none" is replay without hindsight."""
    spaces, actions = envs.single_observation_space, envs.single_action_space
    dims = (
        spaces["observation"].shape[0],
        1 if isinstance(actions, gym.spaces.Discrete) else actions.shape[0],
        spaces["desired_goal"].shape[0],
    )
    common = {"seed": config.seed, "transitions": make_priority(envs, config)}
    if config.strategy == "none":
        return GoalConditionedReplayBuffer(config.capacity, *dims, **common)
    her = HERConfig(config.strategy, config.k, reward_of(envs))
    if config.curriculum == "none":
        return HindsightExperienceReplay(config.capacity, *dims, her, **common)
    settings = common | config.curriculum_settings
    return CurriculumHER(config.capacity, *dims, her, curriculum=config.curriculum, **settings)


def make_priority(envs: gym.vector.VectorEnv, config: TrainingConfig) -> TransitionSampler | None:
    """The sampler of transitions of a config; importance weights are complete when the run reaches ``max_steps``."""
    if config.priority == "none":
        return None
    sampler = SAMPLERS[config.priority]
    if hasattr(sampler, "of"):  # it looks at an object, and the environment says where that is
        return sampler.of(envs, **config.priority_settings)
    rounds = -(-config.max_steps // (config.n_envs * horizon(envs)))
    settings = {"beta_batches": max(1, rounds * config.updates_per_round)} | config.priority_settings
    return sampler(**settings)


def _check_reset_options(envs: gym.vector.VectorEnv, options: dict[str, Any]) -> None:
    """A ValueError if the environments refuse them; a round resets them once more, with a seed."""
    try:
        envs.reset(seed=0, options=dict(options))
    except (TypeError, ValueError) as error:
        raise ValueError(f"reset_options: {options} are not for this environment ({error})") from None


def takes_goals(envs: gym.vector.VectorEnv) -> bool:
    """Whether ``reset(options={"goal": …})`` sets the goals of episodes, and nothing else."""
    start, _ = envs.reset(seed=0)
    goals = start["achieved_goal"]
    try:
        again, _ = envs.reset(seed=0, options={"goal": goals})
    except Exception:  # whatever an environment does with options that it does not know
        return False
    return all(np.array_equal(again[key], goals) for key in ("achieved_goal", "desired_goal"))


def reward_of(envs: gym.vector.VectorEnv):
    """The environments' own reward function, as f(achieved, desired)."""
    compute_reward = getattr(envs, "compute_reward", None)
    if compute_reward is None:
        compute_reward = envs.envs[0].unwrapped.compute_reward
    return lambda achieved, desired: compute_reward(achieved, desired, {})
