"""The training loop: collect a round of episodes, learn from the buffer, look how far it has come. No logging here."""

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from her.agents import DDPG, DQN, SAC
from her.cher import Cher
from her.curriculum import CurriculumHER
from her.hindsight import HERConfig, HindsightExperienceReplay
from her.prioritized import SAMPLERS
from her.replay import GoalConditionedReplayBuffer, TransitionSampler
from her.training.config import AGENTS, TrainingConfig
from her.training.evaluation import Evaluation, Rollout, evaluate, horizon, judge, make_envs, reward_of, rollout
from her.training.look import UNSCALED, RewardScale, look


@dataclass(frozen=True)
class Progress:
    """How far a run has come after a round.

    Attributes:
        env_steps, episodes, updates: since the beginning.
        success_rate: of the round's evaluation, None if there was none, NaN if nothing tells of success.
        exploring_success: success rate of the round's own, exploring episodes, whose goals a curriculum may have set.
        td_error: mean absolute TD error of the round's updates.
        cpu_seconds: of this process since the run began, time spent before a resume included.
        solved: whether ``until_success`` was reached, by two evaluations in a row.
    """

    env_steps: int
    episodes: int
    updates: int
    success_rate: float | None
    exploring_success: float
    td_error: float
    cpu_seconds: float
    solved: bool


class Trainer(ExitStack):
    """A run as a generator: every step of it yields a `Progress`; nothing is printed and nothing is written.

    A round resets every environment with a seed of its own, plays one episode in each, and then takes
    ``updates_per_round`` gradient steps. So a run that goes on from `state`, between two rounds, goes on exactly as it
    would have. ``close`` closes the environments; the agent and the buffer stay usable.

    Settings that do not fit the environment are a ValueError.

    Attributes:
        look: what one episode of random actions told of the environment.
        scale: how the learner sees rewards; as they are if ``target_range`` is a pair of numbers.
    """

    def __init__(self, config: TrainingConfig):
        super().__init__()
        self.config = config
        try:
            self.success_function = config.success_function and resolve_name(config.success_function)
        except (ValueError, ImportError, AttributeError) as error:
            raise ValueError(f"success_function: cannot import {config.success_function!r}: {error}") from None
        self.look = look(config, self.success_function)
        if not self.look.tells_success and (config.until_success is not None or config.success_ends):
            raise ValueError(
                f"success_function: nothing tells when {config.env_id} has succeeded, neither its infos nor its "
                "rewards, of which there are more than two; until_success and success_ends need one"
            )
        with ExitStack() as opened:  # which closes the environments if anything below is refused
            envs = make_envs(config.env_id, config.n_envs, **config.env_kwargs)
            self.envs = self.evaluation_envs = opened.enter_context(closing(envs))
            if not hasattr(self.envs, "envs"):  # unless they are objects, such as robots of 12 MB each
                envs = make_envs(config.env_id, config.evaluation_episodes, **config.env_kwargs)
                self.evaluation_envs = opened.enter_context(closing(envs))
            self.horizon = horizon(self.envs)
            if config.capacity < self.horizon:
                episode = f"an episode of {self.horizon} transitions"
                raise ValueError(f"capacity: {episode} does not fit into capacity={config.capacity}")
            if config.reset_options:
                try:  # a round resets them once more, with a seed
                    self.envs.reset(seed=0, options=dict(config.reset_options))
                except (TypeError, ValueError) as error:
                    refused = f"{config.reset_options} are not for this environment ({error})"
                    raise ValueError(f"reset_options: {refused}") from None
            self.agent, self.scale = make_agent(self.envs, config, self.look.rewards)
            self.buffer = make_buffer(self.envs, config)
            self._sets_goals = isinstance(self.buffer, CurriculumHER) and takes_goals(self.envs)
            self.push(opened.pop_all())
        self.rounds = self.updates = self.episodes = 0
        self._final: tuple[int, Evaluation] | None = None
        self._cpu_before = 0.0
        self._cpu_start = time.process_time()

    @property
    def env_steps(self) -> int:
        """Taken so far, over all environments."""
        return self.rounds * self.config.n_envs * self.horizon

    @property
    def cpu_seconds(self) -> float:
        """Of this process since the run began, time spent before a resume included."""
        return self._cpu_before + time.process_time() - self._cpu_start

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
        steps = self._explore()
        for episode in steps.episodes():
            self.buffer.store_episode(episode)
            self.episodes += 1
        self.agent.observe(torch.from_numpy(self._observations(steps)))
        self.rounds += 1
        td_error = self._learn()
        success_rate, solved = None, False
        if self.rounds % config.evaluate_every == 0 or self.env_steps >= config.max_steps:
            success_rate = self.evaluate(1).success_rate(config.success_at)
            if config.until_success is not None and success_rate >= config.until_success:
                solved = self.final_evaluation().success_rate(config.success_at) >= config.until_success
        counts, explored = (self.env_steps, self.episodes, self.updates), judge(steps).success_rate(config.success_at)
        return Progress(*counts, success_rate, explored, td_error, self.cpu_seconds, solved)

    def _explore(self) -> Rollout:
        """One episode in each environment, with goals from the curriculum if it sets them."""
        config, seed, options = self.config, self._seed(0), dict(self.config.reset_options)
        if self._sets_goals:
            start, _ = self.envs.reset(seed=seed)  # where the seed lets the episodes start
            options["goal"] = self.buffer.rollout_goals(start["achieved_goal"], start["desired_goal"])
        act, options = lambda x: self.agent.act(x, explore=True), options or None
        steps = rollout(act, self.envs, self.horizon, seed, options, self.success_function)
        if config.success_ends:
            steps = dataclasses.replace(steps, terminated=steps.terminated | steps.success)
        return steps

    def _observations(self, steps: Rollout) -> np.ndarray:
        """(n, state_dim + goal_dim) of a round: each state with the goal pursued and, as in batches, that achieved."""
        goals = [steps.goals] if self.config.strategy == "none" else [steps.goals, steps.achieved_goals]
        rows = np.concatenate([np.concatenate([steps.states, goal], axis=-1, dtype=np.float32) for goal in goals])
        return rows.reshape(-1, rows.shape[-1])

    def _learn(self) -> float:
        """The updates of a round; returns the mean absolute TD error."""
        config, total = self.config, 0.0
        for _ in range(config.updates_per_round):
            batch = self.buffer.sample(config.batch_size)
            batch.rewards = self.scale(batch.rewards, batch.dones)
            errors = self.agent.update(batch.torch())
            if config.priority != "none":
                self.buffer.update_priorities(batch.indices, errors)
            total += float(np.abs(errors).mean())
            self.updates += 1
        return total / max(1, config.updates_per_round)

    def evaluate(self, which: int) -> Evaluation:
        """Episodes without exploration, with starts and goals drawn for it alone; ``which`` picks one of many draws."""
        episodes = self.config.evaluation_episodes if self.evaluation_envs is self.envs else None
        return evaluate(self.agent.act, self.evaluation_envs, self._seed(which), episodes, self.success_function)

    def final_evaluation(self) -> Evaluation:
        """Twice the episodes of the evaluations along the way, and other goals; the same until the next round."""
        if self._final is None or self._final[0] != self.rounds:
            self._final = self.rounds, Evaluation.joined([self.evaluate(2), self.evaluate(3)])
        return self._final[1]

    def schedules(self) -> dict[str, float | None]:
        """α and β of the priorities and λ of `Cher` as they are now; None for what this run does not have."""
        transitions, goals = self.buffer.transitions, getattr(self.buffer, "goals", None)
        return {
            "alpha": getattr(transitions, "alpha", None),
            "beta": getattr(transitions, "beta", None),
            "lambda": goals.weight if isinstance(goals, Cher) else None,
        }

    def _seed(self, purpose: int) -> int:
        """A seed for this round and purpose, whatever was drawn before."""
        return int(np.random.SeedSequence([self.config.seed, self.rounds, purpose]).generate_state(1)[0])

    def state(self) -> dict[str, Any]:
        """What, beside the buffer, a run needs to go on from here: plain numbers, and the agent's tensors."""
        numbers = {name: getattr(self, name) for name in ("rounds", "updates", "episodes", "cpu_seconds")}
        return numbers | {"agent_rng": self.agent.rng.bit_generator.state, "agent": self.agent.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; the buffer is loaded by its own `load`."""
        self.rounds, self.updates, self.episodes = state["rounds"], state["updates"], state["episodes"]
        self._cpu_before, self._cpu_start = state["cpu_seconds"], time.process_time()
        self.agent.rng.bit_generator.state = state["agent_rng"]
        self.agent.load(state["agent"])
        self._final = None


def make_agent(
    envs: gym.vector.VectorEnv, config: TrainingConfig, rewards: tuple[float, float, bool]
) -> tuple[DQN | DDPG | SAC, RewardScale]:
    """The learner of a config, sized for the environments, and how it sees their rewards (see `Look`).

    A ``target_range`` of two numbers is meant of rewards as they are; "auto" clips only if returns are bounded.
    """
    spaces, actions = envs.single_observation_space, envs.single_action_space
    observation_dim = spaces["observation"].shape[0] + spaces["desired_goal"].shape[0]
    agent, settings = AGENTS[config.agent][0], config.agent_config()
    discrete = isinstance(actions, gym.spaces.Discrete)
    if discrete != (agent is DQN):
        raise ValueError(f"agent: {config.agent} does not fit the action space {actions} of {config.env_id}")
    scale = UNSCALED if isinstance(settings.target_range, tuple) else RewardScale(*rewards, settings.gamma)
    if settings.target_range == "auto" and not scale.bounded:
        settings = dataclasses.replace(settings, target_range=None)
    shape = (int(actions.n),) if discrete else (actions.low, actions.high)
    return agent(observation_dim, *shape, settings, seed=config.seed), scale


def make_buffer(envs: gym.vector.VectorEnv, config: TrainingConfig) -> GoalConditionedReplayBuffer:
    """The replay buffer of a config; "none" is replay without hindsight."""
    spaces, actions = envs.single_observation_space, envs.single_action_space
    action_dim = 1 if isinstance(actions, gym.spaces.Discrete) else actions.shape[0]
    dims = spaces["observation"].shape[0], action_dim, spaces["desired_goal"].shape[0]
    common = {"seed": config.seed, "transitions": make_priority(envs, config)}
    common["goal_dtype"] = spaces["desired_goal"].dtype
    if config.strategy == "none":
        return GoalConditionedReplayBuffer(config.capacity, *dims, **common)
    her = HERConfig(config.strategy, config.k, reward_of(envs))
    if config.curriculum == "none":
        return HindsightExperienceReplay(config.capacity, *dims, her, **common)
    settings = common | ({"growth_batches": updates_of(envs, config)} if config.curriculum == "cher" else {})
    settings |= config.curriculum_settings
    return CurriculumHER(config.capacity, *dims, her, curriculum=config.curriculum, **settings)


def make_priority(envs: gym.vector.VectorEnv, config: TrainingConfig) -> TransitionSampler | None:
    """The sampler of transitions of a config; importance weights are complete when the run reaches ``max_steps``."""
    if config.priority == "none":
        return None
    sampler = SAMPLERS[config.priority]
    if hasattr(sampler, "of"):  # it looks at an object, and the environment says where that is
        return sampler.of(envs, **config.priority_settings)
    return sampler(**{"beta_batches": updates_of(envs, config)} | config.priority_settings)


def updates_of(envs: gym.vector.VectorEnv, config: TrainingConfig) -> int:
    """How many updates a run makes that goes on until ``max_steps``, at least 1: so long are schedules, unless set."""
    rounds = math.ceil(config.max_steps / (config.n_envs * horizon(envs)))
    return max(1, rounds * config.updates_per_round)


def takes_goals(envs: gym.vector.VectorEnv) -> bool:
    """Whether ``reset(options={"goal": …})`` sets the goals of episodes, and nothing else."""
    start, _ = envs.reset(seed=0)
    goals = start["achieved_goal"]
    try:
        again, _ = envs.reset(seed=0, options={"goal": goals})
    except Exception:  # whatever an environment does with options that it does not know
        return False
    return all(np.array_equal(again[key], goals) for key in ("achieved_goal", "desired_goal"))
