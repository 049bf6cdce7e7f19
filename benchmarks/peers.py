"""Replay buffers with hindsight behind one interface: filled with the same episodes, asked for the same batch.

A batch is what a network is fed: float32 tensors of [state, goal], action, reward, [next_state, goal] and done. Every
library is used as its documentation says, and what it hands out otherwise is converted in the cheapest way there is.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import torch
from workload import ACTION_DIM, GOAL_DIM, HORIZON, STATE_DIM, STRATEGIES, Episodes, GoalSpace, K, compute_reward

from her import Episode, HERConfig, HindsightExperienceReplay
from her.goals import StrategyGoals

Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class Ours:
    """`her.HindsightExperienceReplay`."""

    label, needs, strategies = "ours", "her", STRATEGIES

    def __init__(self, episodes: Episodes):
        config = HERConfig("future", K, compute_reward)
        self.buffer = HindsightExperienceReplay(episodes.n_transitions, STATE_DIM, ACTION_DIM, GOAL_DIM, config, seed=0)
        never = np.zeros(HORIZON, bool)
        for s, a, r, g in zip(episodes.states, episodes.actions, episodes.rewards, episodes.desired, strict=True):
            episode = Episode.from_arrays(s[:-1], a, r, s[1:], never, s[1:, :GOAL_DIM], g)
            self.buffer.store_episode(episode)

    def use(self, strategy: str) -> None:
        self.buffer.goals = StrategyGoals(strategy)

    def sample(self, n: int) -> Tensors:
        batch = self.buffer.sample(n).torch()
        return batch.observations, batch.actions, batch.rewards, batch.next_observations, batch.dones


class StableBaselines3:
    """`stable_baselines3.HerReplayBuffer`, with one environment."""

    label, needs, strategies = "Stable-Baselines3", "stable_baselines3", ("final", "future", "episode")

    def __init__(self, episodes: Episodes):
        from stable_baselines3 import HerReplayBuffer
        from stable_baselines3.common.vec_env import DummyVecEnv

        env = DummyVecEnv([GoalSpace])
        spaces = env.observation_space, env.action_space
        self.buffer = HerReplayBuffer(episodes.n_transitions, *spaces, env, device="cpu", n_sampled_goal=K)
        for states, actions, rewards, goal in zip(
            episodes.states, episodes.actions, episodes.rewards, episodes.desired, strict=True
        ):
            for t in range(HORIZON):
                obs, next_obs = (
                    {"observation": s[None], "achieved_goal": s[None, :GOAL_DIM], "desired_goal": goal[None]}
                    for s in (states[t], states[t + 1])
                )
                end = np.array([t == HORIZON - 1])
                info = {"TimeLimit.truncated": bool(end[0])}
                self.buffer.add(obs, next_obs, actions[None, t], rewards[None, t], end, [info])

    def use(self, strategy: str) -> None:
        from stable_baselines3.her.goal_selection_strategy import KEY_TO_GOAL_STRATEGY

        self.buffer.goal_selection_strategy = KEY_TO_GOAL_STRATEGY[strategy]

    def sample(self, n: int) -> Tensors:
        batch = self.buffer.sample(n)
        observations, next_observations = (
            torch.cat((o["observation"], o["desired_goal"]), dim=1)
            for o in (batch.observations, batch.next_observations)
        )
        return observations, batch.actions, batch.rewards, next_observations, batch.dones


class Cpprb:
    """`cpprb.HindsightReplayBuffer`: C++; relabels when it stores, k + 1 rows a transition (2 for "final")."""

    label, needs, strategies = "cpprb", "cpprb", STRATEGIES

    def __init__(self, episodes: Episodes):
        self.episodes = episodes

    def use(self, strategy: str) -> None:
        self.buffer = make_cpprb(self.episodes.n_transitions, strategy)
        for states, actions, goal in zip(
            self.episodes.states, self.episodes.actions, self.episodes.desired, strict=True
        ):
            self.buffer.add(obs=states[:-1], act=actions, next_obs=states[1:], done=np.zeros(HORIZON, np.float32))
            self.buffer.on_episode_end(goal)

    def sample(self, n: int) -> Tensors:
        batch = self.buffer.sample(n)
        observations, next_observations = (
            torch.from_numpy(np.concatenate((batch[name], batch["goal"]), axis=1)) for name in ("obs", "next_obs")
        )
        act, rew, done = (torch.from_numpy(batch[name]) for name in ("act", "rew", "done"))
        return observations, act, rew, next_observations, done


def make_cpprb(n_transitions: int, strategy: str):
    """An empty buffer for so many real transitions."""
    from cpprb import HindsightReplayBuffer

    return HindsightReplayBuffer(
        n_transitions * (2 if strategy == "final" else K + 1),
        {"obs": {"shape": STATE_DIM}, "act": {"shape": ACTION_DIM}, "next_obs": {"shape": STATE_DIM}, "done": {}},
        HORIZON,
        lambda next_state, action, goal: compute_reward(next_state[:, :GOAL_DIM], goal),
        goal_func=lambda state: state[:, :GOAL_DIM],
        goal_shape=(GOAL_DIM,),
        strategy=strategy,
        additional_goals=K,
        prioritized=False,
    )


class TorchRL:
    """`torchrl.data.HERReplayBuffer`, with goals from the next state, which its default key does not take."""

    label, needs, strategies = "TorchRL", "torchrl", STRATEGIES

    def __init__(self, episodes: Episodes):
        self.buffer = make_torchrl(episodes.n_transitions)
        per_slab = 200
        for first in range(0, len(episodes), per_slab):
            some = slice(first, first + per_slab)
            self.buffer.extend(torchrl_steps(episodes, some))

    def use(self, strategy: str) -> None:
        from torchrl.data import HindsightStrategy

        self.buffer.strategy = HindsightStrategy(strategy)

    def sample(self, n: int) -> Tensors:
        batch = self.buffer.sample(n)
        goal, after = batch["desired_goal"], batch["next"]
        observations, next_observations = (
            torch.cat((o, goal), dim=1) for o in (batch["observation"], after["observation"])
        )
        return observations, batch["action"], after["reward"], next_observations, after["terminated"].float()


def make_torchrl(n_transitions: int):
    """An empty buffer."""
    from torchrl.data import HERReplayBuffer, LazyTensorStorage

    def reward(batch):
        achieved, goal = batch["next", "achieved_goal"].numpy(), batch["desired_goal"].numpy()
        return torch.from_numpy(compute_reward(achieved, goal))[:, None]

    return HERReplayBuffer(
        reward,
        her_ratio=K / (K + 1),
        achieved_goal_key=("next", "achieved_goal"),
        storage=LazyTensorStorage(n_transitions),
        batch_size=256,
    )


def torchrl_steps(episodes: Episodes, some: slice):
    """Some of the episodes, one step a row."""
    from tensordict import TensorDict

    def rows(array):
        return torch.from_numpy(np.ascontiguousarray(array).reshape(-1, array.shape[-1]))

    states, n = episodes.states[some], len(episodes.states[some]) * HORIZON
    ends = torch.zeros(n, 1, dtype=torch.bool)
    ends[HORIZON - 1 :: HORIZON] = True
    after = {
        "observation": rows(states[:, 1:]),
        "achieved_goal": rows(states[:, 1:, :GOAL_DIM]),
        "reward": rows(episodes.rewards[some, :, None]),
        "done": ends,
        "terminated": torch.zeros(n, 1, dtype=torch.bool),
    }
    step = {
        "observation": rows(states[:, :-1]),
        "desired_goal": rows(np.repeat(episodes.desired[some], HORIZON, axis=0)),
        "action": rows(episodes.actions[some]),
        "next": after,
    }
    return TensorDict(step, batch_size=[n])


class Tianshou:
    """`tianshou.data.HERReplayBuffer`: "future" alone, one goal for all transitions of an episode in the batch."""

    label, needs, strategies = "tianshou", "tianshou", ("future",)

    def __init__(self, episodes: Episodes):
        from tianshou.data import Batch, HERReplayBuffer

        self.buffer = HERReplayBuffer(episodes.n_transitions, compute_reward, HORIZON, future_k=K + 1)
        for states, actions, rewards, goal in zip(
            episodes.states, episodes.actions, episodes.rewards, episodes.desired, strict=True
        ):
            for t in range(HORIZON):
                obs, obs_next = (
                    {"observation": s, "achieved_goal": s[:GOAL_DIM], "desired_goal": goal}
                    for s in (states[t], states[t + 1])
                )
                end = t == HORIZON - 1
                step = dict(act=actions[t], rew=rewards[t], terminated=False, truncated=end, done=end)
                self.buffer.add(Batch(obs=obs, obs_next=obs_next, info={}, **step))

    def use(self, strategy: str) -> None:
        pass

    def sample(self, n: int) -> Tensors:
        batch, _ = self.buffer.sample(n)
        observations, next_observations = (
            torch.from_numpy(np.concatenate((o.observation, o.desired_goal), axis=1))
            for o in (batch.obs, batch.obs_next)
        )
        reward, done = (torch.from_numpy(np.asarray(x, np.float32)) for x in (batch.rew, batch.terminated))
        return observations, torch.from_numpy(batch.act), reward, next_observations, done


class PaperSampler:
    """The sampler of the paper's released code (OpenAI Baselines, her_sampler), written anew from its description.

    Episodes of one length in a grid (episode, step); a batch draws episodes and steps, copies their fields, and gives a
    share k/(k+1) of them goals that were achieved later in the same episode ("future" alone).
    """

    label, needs, strategies = "the paper's sampler", "her", ("future",)

    def __init__(self, episodes: Episodes):
        goals = np.repeat(episodes.desired[:, None], HORIZON, axis=1)
        fields = {"o": episodes.states, "u": episodes.actions, "g": goals, "ag": episodes.achieved}
        self.grid = {name: np.array(field) for name, field in fields.items()}

    def use(self, strategy: str) -> None:
        pass

    def sample(self, n: int) -> Tensors:
        grid = {**self.grid, "o_2": self.grid["o"][:, 1:], "ag_2": self.grid["ag"][:, 1:]}
        episode = np.random.randint(0, len(grid["u"]), n)  # noqa: NPY002 (as in the original)
        t = np.random.randint(HORIZON, size=n)  # noqa: NPY002
        batch = {name: field[episode, t].copy() for name, field in grid.items()}
        relabelled = np.flatnonzero(np.random.uniform(size=n) < K / (K + 1))  # noqa: NPY002
        offset = (np.random.uniform(size=n) * (HORIZON - t)).astype(int)  # noqa: NPY002
        later = (t + 1 + offset)[relabelled]
        batch["g"][relabelled] = grid["ag"][episode[relabelled], later]
        reward = compute_reward(batch["ag_2"], batch["g"])
        observations, next_observations = (
            torch.from_numpy(np.concatenate((batch[name], batch["g"]), axis=1)) for name in ("o", "o_2")
        )
        return observations, torch.from_numpy(batch["u"]), torch.from_numpy(reward), next_observations, torch.zeros(n)


class FieldGather:
    """No hindsight: a plain replay buffer with one array for each field. Random rows, gathered, joined, as tensors."""

    label, needs, strategies = "bare gather, an array a field", "her", ("future",)

    def __init__(self, episodes: Episodes):
        states, n = episodes.states, episodes.n_transitions
        self.fields = [
            states[:, :-1].reshape(n, STATE_DIM),
            states[:, 1:].reshape(n, STATE_DIM),
            np.repeat(episodes.desired, HORIZON, axis=0),
            episodes.actions.reshape(n, ACTION_DIM),
            episodes.rewards.reshape(n),
            np.zeros(n, np.float32),
        ]
        self.rng = np.random.default_rng(0)

    def use(self, strategy: str) -> None:
        pass

    def sample(self, n: int) -> Tensors:
        rows = self.rng.integers(len(self.fields[-1]), size=n)
        s, s_2, g, a, r, d = (field.take(rows, axis=0) for field in self.fields)
        o, o_2 = (np.concatenate((x, g), axis=1) for x in (s, s_2))
        return tuple(map(torch.from_numpy, (o, a, r, o_2, d)))


class PackedGather:
    """No hindsight, and the floor: rows that already lie as [state, goal, action, next_state, goal, reward, done]."""

    label, needs, strategies = "bare gather, one packed array", "her", ("future",)

    def __init__(self, episodes: Episodes):
        s, s_2, g, a, r, d = FieldGather(episodes).fields
        self.rows = np.concatenate((s, g, a, s_2, g, r[:, None], d[:, None]), axis=1)
        self.ends = np.cumsum([STATE_DIM + GOAL_DIM, ACTION_DIM, STATE_DIM + GOAL_DIM])
        self.rng = np.random.default_rng(0)

    def use(self, strategy: str) -> None:
        pass

    def gather(self, n: int) -> np.ndarray:
        return self.rows.take(self.rng.integers(len(self.rows), size=n), axis=0)

    def sample(self, n: int) -> Tensors:
        rows = torch.from_numpy(self.gather(n))
        i, j, k = self.ends
        return rows[:, :i], rows[:, i:j], rows[:, k], rows[:, j:k], rows[:, k + 1]


class RowsAlone(PackedGather):
    """The same rows, not even cut into fields: ``rows.take(indices)``."""

    label = "rows.take(indices)"

    def sample(self, n: int) -> np.ndarray:
        return self.gather(n)


PEERS = (StableBaselines3, Cpprb, PaperSampler, TorchRL, Tianshou)
FLOORS = (FieldGather, PackedGather, RowsAlone)


def installed(peers=PEERS) -> list[type]:
    """Those whose library is there."""
    return [peer for peer in peers if find_spec(peer.needs)]
