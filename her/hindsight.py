"""Hindsight experience replay: stored as it happened, relabelled when it is sampled."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from her.batch import Batch
from her.goals import GoalSampler, GoalSelectionStrategy, Strategy, as_goal_sampler, read_strategy
from her.replay import GoalConditionedReplayBuffer, TransitionSampler
from her.rewards import BatchedReward, RewardFunction
from her.successes import Successes
from her.validation import as_flags, check_count, check_instance

DoneFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class HERConfig:
    """How transitions are relabelled.

    Attributes:
        strategy: which goal takes the place of the desired one: a `GoalSelectionStrategy`, its name, the shares of a
            `GoalMixture`, as in {"future": 0.5, "actual": 0.5}, or a `GoalSampler`, one for each buffer.
        n_sampled_goal: k, substitute goals per real one: a share k/(k+1) of every batch is relabelled. The paper's
            best were 4 and 8 (Andrychowicz et al. 2017, §4.5). 0 relabels nothing.
        reward_function: ``f(achieved, desired)``, for batches (n, goal_dim) or for one pair (goal_dim,).
        done_function: ``f(achieved, desired) -> bool`` per row, batched, like ``compute_terminated`` of a goal
            environment: whether bootstrapping stops there; it then decides for real and relabelled transitions alike.
            By default the convention is read off the stored transitions: see `HindsightExperienceReplay`.

    A ValueError or TypeError names what cannot be: shares that are none, a function that cannot be called.
    """

    strategy: Strategy = GoalSelectionStrategy.FUTURE
    n_sampled_goal: int = 4
    reward_function: RewardFunction | None = None
    done_function: DoneFunction | None = None

    def __post_init__(self):
        object.__setattr__(self, "strategy", read_strategy(self.strategy))
        object.__setattr__(self, "n_sampled_goal", check_count("n_sampled_goal", self.n_sampled_goal))
        if not callable(self.reward_function):
            raise TypeError(f"reward_function: expected f(achieved, desired) -> reward, got {self.reward_function!r}")
        if self.done_function is not None and not callable(self.done_function):
            raise TypeError(f"done_function: expected f(achieved, desired) -> bool, got {self.done_function!r}")

    @property
    def relabelled_share(self) -> float:
        """k/(k+1): how much of a batch is relabelled. How much of it *succeeds* is another matter."""
        return self.n_sampled_goal / (self.n_sampled_goal + 1)


class HindsightExperienceReplay(GoalConditionedReplayBuffer):
    """A replay buffer that relabels a share k/(k+1) of every batch (Andrychowicz et al. 2017, Algorithm 1).

    The paper stores k relabelled copies of each transition. Here all but every (k+1)-th transition of a batch, counted
    from a random one on, get a substitute goal when they are sampled: the same mix for 1/(k+1) of the memory.

    **Ends of episodes.** ``batch.dones`` says where bootstrapping stops under the goal in the batch. Without a
    ``done_function``, real transitions keep their own ``done``; for relabelled ones two kinds of end are told apart:

    - a stored done whose transition did *not* reach its goal has nothing to do with the goal (the robot fell): it
      stays;
    - a stored done whose transition *did* reach its goal belonged to that goal: it goes, and, if every success stored
      so far ended its episode, reaching the substitute goal ends it instead. If successes were stored that did not end
      their episodes (the paper's convention, and Fetch's), or none was stored yet, reaching a substitute goal never
      does.

    Reaching a goal means: the reward that the reward function gives for achieving exactly the goal. With dense rewards
    pass a ``done_function`` if success ends your episodes. A time limit is never a done: do not store it as one.

    Args:
        config: strategy, k and reward function; another one may be assigned later, and counts from the next batch on.
        goals: which substitute goal, in place of the strategy of ``config``.
        capacity, state_dim, action_dim, goal_dim, goal_dtype, seed, transitions: see `GoalConditionedReplayBuffer`.
    """

    def __init__(
        self,
        capacity: int,
        state_dim: int,
        action_dim: int,
        goal_dim: int,
        config: HERConfig,
        *,
        goal_dtype: type = np.float32,
        seed: int | np.random.SeedSequence | None = None,
        transitions: TransitionSampler | None = None,
        goals: GoalSampler | None = None,
    ):
        dims = capacity, state_dim, action_dim, goal_dim
        super().__init__(*dims, goal_dtype=goal_dtype, seed=seed, transitions=transitions)
        self.config = config
        if goals is not None:
            self.goals = check_instance("goals", goals, GoalSampler)

    @property
    def config(self) -> HERConfig:
        return self._config

    @config.setter
    def config(self, config: HERConfig) -> None:
        before, self._config = getattr(self, "_config", None), check_instance("config", config, HERConfig)
        if before is None or config.strategy != before.strategy:
            sampler = as_goal_sampler(config.strategy)
            if before is None or self.goals is before.strategy or not hasattr(self.goals, "goals"):
                self.goals = sampler
            else:  # a curriculum beside the config: it goes on, and draws by this strategy
                self.goals.goals = sampler
        if before is None or config.reward_function != before.reward_function:
            self.reward_function = BatchedReward(config.reward_function)
            self.successes = Successes()
            self.successes.restore(self, {})

    @property
    def success_ends_episode(self) -> bool:
        """Whether reaching the goal ends an episode, as read off the stored transitions (without a done_function)."""
        return self.successes.ended > 0 and not self.successes.going_on

    def store_episode(self, episode):
        self._check_episode(episode)
        if self.successes.reward is None:
            self.successes.reward = self.try_rewards(episode.achieved_goals, episode.goals, episode.rewards)
        super().store_episode(episode)
        reached = self.successes.count(episode.rewards, episode.dones)
        self.goals.observe(episode.achieved_goals, episode.goals, reached)

    def try_rewards(self, achieved: np.ndarray, desired: np.ndarray, rewards: np.ndarray) -> np.float32:
        """Try the reward function on the first real transitions; the reward that it gives for a reached goal."""
        given = self._rewards_of(None, achieved, desired)
        wrong = np.flatnonzero(~np.isclose(given, rewards, rtol=1e-3, atol=1e-5))
        if len(wrong):
            first = wrong[0]
            warnings.warn(
                f"reward_function gives {given[first]:g} where the stored reward is {rewards[first]:g} "
                f"({len(wrong)} of the first {len(rewards)} transitions). Is it f(achieved, desired), and is "
                "achieved_goal the one reached after the action? Relabelled rewards come from the function.",
                stacklevel=3,
            )
        return self._rewards_of(None, achieved[:1], achieved[:1])[0]

    def sample(self, batch_size: int) -> Batch:
        """``batch_size`` transitions, drawn with replacement, of which a share k/(k+1) pursues a substitute goal.

        For errors see the parent class and `BatchedReward`.
        """
        self._check_batch_size(batch_size)
        if self._config.n_sampled_goal == 0:
            batch = super().sample(batch_size)
            if self._config.done_function is not None:
                batch.dones = self._given_dones(batch.achieved_goals, batch.goals)
            return batch

        # Which transitions, and which goals? Every (k+1)-th transition, counted from a random one on, stays real.
        period = self._config.n_sampled_goal + 1
        real = slice(int(period * self.rng.random()), None, period)
        relabelled = np.ones(batch_size, bool)
        relabelled[real] = False
        if self.goals.candidates == 1:
            rows, weights = self.transitions.sample(self, batch_size, self.rng)
            goals, goal_rows, *sources = self.goals.draw(self, rows, self.rng)
        else:
            rows, weights, goals, goal_rows, *sources = self._pick_pairs(relabelled)

        # Gather them, with these goals.
        packed, achieved = self._rows.take(rows, axis=0), self.achieved_goals.take(rows, axis=0)
        if goals.shape != achieved.shape:
            raise ValueError(f"goals: expected shape {achieved.shape} of {self.goals}.draw, got {goals.shape}")
        goals = goals.astype(self.goal_dtype)  # a copy
        goals[real] = self.desired_goals.take(rows[real], axis=0)
        packed[:, self._goal] = packed[:, self._next_goal] = goals

        # What is the reward under them, and does bootstrapping stop?
        stored_rewards, stored_dones = packed[:, self._reward], packed[:, self._done] != 0
        rewards = self._rewards_of(rows, achieved, goals)
        if self._config.done_function is not None:
            dones = self._given_dones(achieved, goals)
        else:
            dones = stored_dones & (stored_rewards != self.successes.reward)  # ended for another reason than the goal
            if self.successes.ended and not self.successes.going_on:
                dones |= rewards == self.successes.reward
            dones[real] = stored_dones[real]
        rewards[real] = stored_rewards[real]
        return Batch(
            observations=packed[:, self._observation],
            actions=packed[:, self._action],
            rewards=rewards,
            next_observations=packed[:, self._next_observation],
            dones=dones,
            goals=goals,
            achieved_goals=achieved,
            relabelled=relabelled,
            weights=weights,
            indices=self.number.take(rows),
            goal_indices=np.where(relabelled & (goal_rows >= 0), self.number.take(goal_rows), -1),
            goal_sources=np.where(relabelled, sources[0], "") if sources else None,
        )

    def _pick_pairs(self, relabelled: np.ndarray) -> tuple[np.ndarray, ...]:
        """Rows, weights, and what ``draw`` gives, of a batch whose relabelled pairs are picked among candidates."""
        n = int(np.count_nonzero(relabelled))
        n_real = len(relabelled) - n
        rows, weights = self.transitions.sample(self, n_real + self.goals.candidates * n, self.rng)
        goals, *provenance = self.goals.draw(self, rows, self.rng)
        picked = self.goals.pick(goals[n_real:], self.desired_goals[rows[n_real:]], n, self.rng)
        chosen = np.arange(len(relabelled))
        chosen[~relabelled], chosen[relabelled] = np.arange(n_real), n_real + picked
        weights = weights[chosen]
        return rows[chosen], weights / weights.max(), goals[chosen], *(drawn[chosen] for drawn in provenance)

    def parts(self):
        return super().parts() | {"goals": self.goals, "successes": self.successes}

    def _rewards_of(self, rows: np.ndarray | None, achieved: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """(n,) rewards of the transitions in ``rows``, or of the first ones about to be stored, under ``goals``."""
        return self.reward_function(achieved, goals)

    def _given_dones(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        dones = np.asarray(self._config.done_function(achieved, desired))
        return as_flags("done_function", dones.reshape(-1), len(achieved))
