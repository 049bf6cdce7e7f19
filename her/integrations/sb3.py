"""The buffer of this course for the off-policy algorithms of Stable-Baselines3 and sb3-contrib.

>>> from stable_baselines3 import SAC                                                          # doctest: +SKIP
>>> model = SAC("MultiInputPolicy", "her/Reach-v0", replay_buffer_class=HindsightReplayBuffer)  # doctest: +SKIP

Processes of their own have not imported this package, and need the name of the module that registers the environment:

>>> env = make_vec_env("her.envs:her/Reach-v0", 8, vec_env_cls=SubprocVecEnv)                  # doctest: +SKIP
"""

import os
import warnings
from collections.abc import Callable
from copy import deepcopy
from enum import Enum
from importlib import import_module
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper

from her.batch import Batch
from her.goals import GoalSampler, Strategy, read_strategy
from her.hindsight import DoneFunction, HERConfig
from her.integrations.infos import ReplayWithInfos
from her.integrations.observations import ObservationLayout, check_goal_space, rows_of
from her.replay import TransitionSampler
from her.stepwise import StepwiseReplay
from her.validation import as_flags, check_positive_integer

#: Stable-Baselines3's algorithms with priorities by TD error, imported when they are asked for
LEARNERS = ("DQN", "SAC", "TD3", "TQC")


class HindsightReplayBuffer(HerReplayBuffer):
    """A `HindsightExperienceReplay` as a ``replay_buffer_class``: the constructor of SB3's `HerReplayBuffer`, and more.

    What differs from SB3's buffer:

    - a relabelled transition is done where *its* goal ends the episode: with ``done_function``, or else as read off
      the stored transitions (see `HindsightExperienceReplay`). SB3 keeps the done of the original goal. A time limit
      (``info["TimeLimit.truncated"]``) is never a done;
    - episodes in progress are sampled like the others, so that ``learning_starts`` may lie before the first end, and
      are kept by ``save_replay_buffer`` as well as by `save`;
    - all of a batch but every (k+1)-th transition, counted from a random one on, are relabelled;
    - an episode also ends where a step does not begin where the step before has led: the environments were reset
      without a word to the buffer, as by a second ``learn``;
    - the goals of a step's two observations are one: the first's;
    - observations and rewards are float32 whatever the space says; goals keep the dtype of their space;
    - ``observations``, ``next_observations``, ``actions``, ``rewards``, ``dones``, ``ep_start`` and ``ep_length`` are
      read-only views, with ``buffer_size`` rows of each environment as in SB3's; ``timeouts`` and ``infos`` are none;
    - the buffer has a generator of its own, seeded from numpy's global one unless there is a ``seed``, so
      ``SAC(…, seed=0)`` is reproducible.

    Priorities by energy work with SB3's algorithms as they are, those by TD error with the `DQN`, `SAC`, `TD3` and
    `TQC` of this module, which report errors and use importance weights (`her.integrations.sb3_learners`).

    Args:
        buffer_size: transitions, of all environments together.
        observation_space: a Dict of goal and observation, and whatever else the policy sees; vectors or numbers.
        action_space: Box or Discrete (MultiBinary and MultiDiscrete too, should an algorithm want them).
        env: its ``compute_reward(achieved, desired, info)`` rewards relabelled transitions; the first environment
            answers for all. SB3 passes it in. It may be written for batches or for one pair: that is found out.
        device, n_envs: of the sampled tensors; how many environments are in ``env``.
        optimize_memory_usage: not supported.
        handle_timeout_termination: whether a time limit is told from a done.
        n_sampled_goal: k, substitute goals per real one.
        goal_selection_strategy: "final", "future", "episode" or "random", SB3's enumeration or this library's, shares
            of several, as in {"future": 0.5, "actual": 0.5}, or a `GoalSampler`.
        copy_info_dict: give ``compute_reward`` the infos of the transitions, (n,) dictionaries, or one for one pair.
        reward_function: ``f(achieved, desired)`` instead of the environment's; with ``copy_info_dict``
            ``f(achieved, desired, infos)``. With it a buffer can be filled, loaded and sampled without an environment.
        done_function: ``f(achieved, desired) -> bool`` per row: see `HERConfig`.
        transitions: which transition: for example ``EnergyTransitions.of(env)`` of `her.prioritized`.
        goals: which goal, in place of ``goal_selection_strategy``: ``ReachGoals()`` or ``Cher()`` of `her.curriculum`.
        seed: of the buffer's own generator.

    An argument that cannot be is a ValueError or TypeError that names it. ``hindsight`` is the buffer behind this one,
    ``newest`` the `Batch` that was sampled last: provenance, indices, importance weights.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space,
        env: VecEnv | None = None,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        n_sampled_goal: int = 4,
        goal_selection_strategy: Enum | Strategy = "future",
        copy_info_dict: bool = False,
        *,
        reward_function: Callable[..., np.ndarray | float] | None = None,
        done_function: DoneFunction | None = None,
        transitions: TransitionSampler | None = None,
        goals: GoalSampler | None = None,
        seed: int | None = None,
    ):
        check_goal_space(observation_space)
        if optimize_memory_usage:
            raise ValueError("optimize_memory_usage: not supported, each transition keeps both of its observations")
        # Past HerReplayBuffer and its parents, which would set up storage of their own.
        n_envs = check_positive_integer("n_envs", n_envs)
        buffer_size = check_positive_integer("buffer_size", buffer_size)
        BaseBuffer.__init__(self, buffer_size, observation_space, action_space, device, n_envs)
        self.buffer_size = max(buffer_size // n_envs, 1)
        self.env, self.reward_function, self.done_function = env, reward_function, done_function
        self.optimize_memory_usage, self.handle_timeout_termination = False, handle_timeout_termination
        self.copy_info_dict, self.n_sampled_goal = copy_info_dict, n_sampled_goal
        if isinstance(goal_selection_strategy, Enum):
            goal_selection_strategy = goal_selection_strategy.name
        self.goal_selection_strategy = read_strategy(goal_selection_strategy, "goal_selection_strategy")
        reward_function = self._rewards if reward_function is None else reward_function
        HERConfig(self.goal_selection_strategy, n_sampled_goal, reward_function, done_function)  # refuses what is none
        if seed is None:
            seed = int(np.random.randint(2**31))  # noqa: NPY002 - SB3 seeds the global one
        self.seed = seed
        self._layout = ObservationLayout(self.obs_shape)
        self._samplers = transitions, goals
        self.reset()

    def reset(self) -> None:
        """Forget everything stored."""
        # The samplers passed in stay as they came: one model, one sampler.
        transitions, goals, strategy = deepcopy((*self._samplers, self.goal_selection_strategy))
        done_function = None if self.done_function is None else self._dones
        config = HERConfig(strategy, self.n_sampled_goal, self._rewards, done_function)
        self.hindsight = self._make_replay(
            self.buffer_size * self.n_envs,
            self._layout.size,
            self.action_dim,
            int(np.prod(self.obs_shape["desired_goal"])),
            config,
            n_envs=self.n_envs,
            goal_dtype=self.observation_space["desired_goal"].dtype,
            seed=self.seed,
            transitions=transitions,
            goals=goals,
        )
        self.newest: Batch | None = None
        # where each environment's newest step led
        self._stand = np.full((self.n_envs, self._layout.size), np.nan, np.float32)
        self._count()

    def _make_replay(self, *args: Any, **settings: Any) -> StepwiseReplay:
        return (ReplayWithInfos if self.copy_info_dict else StepwiseReplay)(*args, **settings)

    def add(
        self,
        obs: dict[str, np.ndarray],
        next_obs: dict[str, np.ndarray],
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one step of every environment; for errors see `StepwiseReplay.add`."""
        self._check_rewards()
        n, goal_dim = self.n_envs, self.hindsight.goal_dim
        states, next_states = self._layout.join("obs", obs, n), self._layout.join("next_obs", next_obs, n)
        dones = done = as_flags("done", done, n)
        if not isinstance(infos, list | tuple) or len(infos) != n:
            raise ValueError(f"infos: expected a dictionary for each of n_envs={n}, got {infos!r}")
        if self.handle_timeout_termination:
            dones = done & [not info.get("TimeLimit.truncated", False) for info in infos]
        self.hindsight.add(
            states,
            rows_of("action", action, (n, self.action_dim)),
            reward,
            next_states,
            dones,
            rows_of("obs['desired_goal']", obs["desired_goal"], (n, goal_dim)),
            rows_of("next_obs['achieved_goal']", next_obs["achieved_goal"], (n, goal_dim)),
            episode_ends=done,
            episode_begins=(states != self._stand).any(axis=1),
            **({"infos": infos} if self.copy_info_dict else {}),
        )
        self._stand = next_states
        self._count()

    def truncate_last_trajectory(self) -> None:
        """End the episodes in progress: the environments stand somewhere else now."""
        if any(ring.open for ring in self.hindsight.rings):
            warnings.warn(
                "The last trajectory in the replay buffer will be truncated, as will those of the other environments. "
                "If the environments are still in their episodes, pass truncate_last_traj=False.",
                stacklevel=2,
            )
        self.hindsight.end_episodes()

    def _count(self) -> None:
        """For SB3: `size` is how many transitions are stored of each environment, on average, rounded down."""
        full, self.pos = divmod(len(self.hindsight) // self.n_envs, self.buffer_size)
        self.full = bool(full)

    observations = property(lambda self: self._observations(self.hindsight.states))
    next_observations = property(lambda self: self._observations(self.hindsight.next_states))
    actions = property(lambda self: self._by_step(self.hindsight.actions))
    rewards = property(lambda self: self._by_step(self.hindsight.rewards))
    dones = property(lambda self: self._by_step(self.hindsight.dones))
    ep_start = property(lambda self: self._by_step(self.hindsight.episode_start % self.buffer_size))

    @property
    def ep_length(self) -> np.ndarray:
        """As in SB3's buffer 0 where nothing is stored."""
        length = self.hindsight.episode_end - self.hindsight.episode_start
        return self._by_step(length * (self.hindsight.number >= 0))

    @property
    def her_ratio(self) -> float:
        """The share of a batch that is relabelled, k/(k+1)."""
        return self.hindsight.config.relabelled_share

    def _observations(self, states: np.ndarray) -> dict[str, np.ndarray]:
        flat = self._layout.split(states) | {"desired_goal": self.hindsight.desired_goals}
        return {key: self._by_step(array.reshape(-1, *self.obs_shape[key])) for key, array in flat.items()}

    def _by_step(self, rows: np.ndarray) -> np.ndarray:
        by_step = rows.reshape(self.n_envs, self.buffer_size, *rows.shape[1:]).swapaxes(0, 1)
        by_step.flags.writeable = False
        return by_step

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> DictReplayBufferSamples:
        """``batch_size`` transitions, drawn with replacement, of which a share k/(k+1) pursues a substitute goal.

        ``env`` normalises observations and rewards, if given. A ValueError says what is missing or no positive integer.
        """
        self._check_rewards()
        batch = self.newest = self.hindsight.sample(batch_size)
        actions = batch.actions
        if self.action_space.dtype is not None and self.action_space.dtype.kind != "f":
            actions = actions.astype(self.action_space.dtype)
        return DictReplayBufferSamples(
            observations=self._tensors(batch.states, batch.goals, env),
            actions=self.to_torch(actions, copy=False),
            next_observations=self._tensors(batch.next_states, batch.goals, env),
            dones=self.to_torch(batch.dones.astype(np.float32)[:, None], copy=False),
            rewards=self.to_torch(self._normalize_reward(batch.rewards[:, None], env), copy=False),
        )

    def update_priorities(self, td_errors: np.ndarray | torch.Tensor) -> None:
        """Tell the sampler of transitions the TD errors, (n,) or (n, 1), of the `newest` batch."""
        if self.newest is None:
            raise ValueError("td_errors: no batch has been sampled yet")
        if isinstance(td_errors, torch.Tensor):
            td_errors = td_errors.detach().cpu().numpy()
        self.hindsight.update_priorities(self.newest.indices, np.reshape(td_errors, -1))

    def _tensors(self, states: np.ndarray, goals: np.ndarray, env: VecNormalize | None) -> dict[str, torch.Tensor]:
        obs = self._normalize_obs(self._layout.split(states) | {"desired_goal": goals}, env)
        return {key: self.to_torch(array, copy=False) for key, array in obs.items()}

    def _rewards(self, achieved: np.ndarray, desired: np.ndarray, infos: Any = None) -> np.ndarray | float:
        if self.reward_function is not None:
            infos = () if infos is None else (infos,)
            return self.reward_function(achieved, desired, *infos)
        if infos is None:
            infos = {} if achieved.ndim == 1 else [{}] * len(achieved)
        return self.env.env_method("compute_reward", achieved, desired, infos, indices=[0])[0]

    def _check_rewards(self) -> None:
        if self.env is None and self.reward_function is None:
            raise ValueError("env: relabelled rewards need an environment, see set_env, or a reward_function; got none")

    def _dones(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self.done_function(achieved, desired)

    def set_env(self, env: VecEnv) -> None:
        """The environment whose ``compute_reward`` counts from now on; once, for a buffer that has none."""
        super().set_env(env)
        self.hindsight.reward_function.is_batched = None  # of this one nothing is known yet

    def save(self, path: str | os.PathLike) -> None:
        """Write everything stored, episodes in progress too, without pickle; see `GoalConditionedReplayBuffer.save`.

        A ValueError with ``copy_info_dict``: only ``model.save_replay_buffer`` can keep infos.
        """
        self._check_no_infos()
        self.hindsight.save(path)

    def load(self, path: str | os.PathLike) -> None:
        """Take back what `save` wrote, see there and `GoalConditionedReplayBuffer.load`; open episodes go on."""
        self._check_no_infos()
        self.hindsight.load(path)
        self._stand = self.hindsight.next_states[[ring.head - 1 for ring in self.hindsight.rings]]
        self._count()

    def _check_no_infos(self) -> None:
        if self.copy_info_dict:
            raise ValueError("copy_info_dict: infos are kept by model.save_replay_buffer and load_replay_buffer alone")

    def __getstate__(self) -> dict[str, Any]:
        functions = {name: CloudpickleWrapper(getattr(self, name)) for name in ("reward_function", "done_function")}
        return super().__getstate__() | functions

    def __setstate__(self, state: dict[str, Any]) -> None:
        functions = {name: state[name].var for name in ("reward_function", "done_function")}
        super().__setstate__(state | functions)


def __getattr__(name: str) -> Any:
    if name not in LEARNERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("her.integrations.sb3_learners"), name)
