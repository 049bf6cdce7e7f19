"""Steps of several environments whose episodes are still going on: what Stable-Baselines3 hands to a replay buffer."""

from typing import Any

import numpy as np

from her.episodes import Episode
from her.hindsight import HindsightExperienceReplay
from her.ring import EpisodeRing
from her.validation import as_flags, as_rows, check_positive_integer


class StepwiseReplay(HindsightExperienceReplay):
    """A `HindsightExperienceReplay` that also takes episodes step by step, each of several environments at once.

    The rows are divided into a ring for each environment. A transition can be sampled as soon as it is stored: until
    its episode ends, the newest step counts as the episode's last. An open episode that comes to the end of its ring
    moves to the beginning, its transitions being new ones to priorities then. A whole episode goes into the ring, among
    those without an open one, into which least was written.

    Args:
        n_envs: how many environments `add` takes a step of.
        capacity, sizes, settings: the arguments of `HindsightExperienceReplay`; ``capacity // n_envs`` transitions of
            each environment are kept, at least 1.
    """

    def __init__(self, capacity: int, *sizes: Any, n_envs: int = 1, **settings: Any):
        self.n_envs = check_positive_integer("n_envs", n_envs)
        if check_positive_integer("capacity", capacity) < n_envs:
            raise ValueError(f"capacity: expected at least one row for each of n_envs={n_envs}, got {capacity}")
        super().__init__(capacity, *sizes, **settings)

    def allocate(self):
        super().allocate()
        size = self.capacity // self.n_envs
        self.rings = [EpisodeRing(env * size, (env + 1) * size) for env in range(self.n_envs)]

    def _check_episode(self, episode: Episode) -> None:
        super()._check_episode(episode)
        if len(episode) > self.capacity // self.n_envs:
            room = f"capacity={self.capacity} // n_envs={self.n_envs}"
            raise ValueError(f"capacity: an episode of {len(episode)} transitions does not fit into {room}")
        if all(ring.open for ring in self.rings):
            raise ValueError(
                "episode: every environment has an episode in progress; end them (episode_ends in add, "
                "or end_episodes()) before storing whole episodes"
            )

    def _ring_for_episode(self) -> EpisodeRing:
        free = [ring for ring in self.rings if not ring.open]
        return min(free, key=lambda ring: (ring.lap, ring.head - ring.first))

    def add(
        self,
        states: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_states: np.ndarray,
        dones: np.ndarray,
        goals: np.ndarray,
        achieved_goals: np.ndarray,
        episode_ends: np.ndarray,
        episode_begins: np.ndarray | None = None,
    ) -> np.ndarray:
        """Store one step of every environment: arrays of ``n_envs`` rows.

        ``dones`` says where bootstrapping stops, ``episode_ends`` where the next step begins another episode
        (terminated or truncated), ``episode_begins`` where this step does although the one before ended none (the run
        was interrupted).

        Returns the (n_envs,) rows of the new transitions. A wrong shape, a value that is not finite, or an open episode
        that fills its ring is a ValueError, and nothing stored is changed.
        """
        n = self.n_envs
        fields = {"rewards": as_rows("rewards", rewards, (n,), "n_envs")}
        for name, rows, dim, dtype in (
            ("states", states, "state_dim", np.float32),
            ("actions", actions, "action_dim", np.float32),
            ("next_states", next_states, "state_dim", np.float32),
            ("goals", goals, "goal_dim", self.goal_dtype),
            ("achieved_goals", achieved_goals, "goal_dim", self.goal_dtype),
        ):
            fields[name] = as_rows(name, rows, (n, getattr(self, dim)), dim, dtype)
        fields["dones"] = as_flags("dones", dones, n)
        ends = as_flags("episode_ends", episode_ends, n)
        begins = as_flags("episode_begins", np.zeros(n) if episode_begins is None else episode_begins, n)
        for ring, begins_anew in zip(self.rings, begins, strict=True):
            if ring.open == ring.stop - ring.first and not begins_anew:
                full = f"{ring.open} transitions and does not fit into capacity={self.capacity} // n_envs={n}"
                raise ValueError(f"capacity: an episode in progress has reached {full}")
        if self.successes.reward is None:
            self.successes.reward = self.try_rewards(fields["achieved_goals"], fields["goals"], fields["rewards"])

        self.end_episodes(np.flatnonzero(begins))
        rows = np.array([self._next_row(ring) for ring in self.rings])
        self._write(rows, **fields)
        self.transitions.stored(self, rows)
        reached = self.successes.count(fields["rewards"], fields["dones"])
        for ring in np.array(self.rings)[ends]:
            episode = slice(ring.head - ring.open, ring.head)
            reached = self.rewards[episode] == self.successes.reward
            self.goals.observe(self.achieved_goals[episode], self.desired_goals[episode], reached)
            ring.open = 0
        return rows

    def end_episodes(self, envs: np.ndarray | slice = slice(None)) -> None:
        """Close the open episodes of all environments, or of these: the next `add` begins new ones."""
        for ring in np.array(self.rings)[envs]:
            ring.open = 0

    def _next_row(self, ring: EpisodeRing) -> int:
        """The row of the next transition of a ring's open episode, which begins with it if there is none."""
        length = ring.open
        if length and ring.head == ring.stop:
            self._move_to_the_beginning(ring)
        else:
            self._make_room(ring, 1)
            ring.place(1)
        ring.open = length + 1
        row, start = ring.head - 1, ring.head - ring.open
        self.episode_start[row], self.episode_end[start : row + 1] = start, row + 1
        self.number[row] = ring.lap * self.capacity + row
        self._size += 1
        return row

    def _move_to_the_beginning(self, ring: EpisodeRing) -> None:
        """Move a ring's open episode to its first rows, and make room for one row more."""
        length = ring.open
        old = np.arange(ring.head - length, ring.head)
        contents = self._rows[old], self.achieved_goals[old], self.desired_goals[old]
        self.transitions.evicted(self, old)
        self.number[old] = -1
        ring.head -= length
        ring.size -= length
        self._make_room(ring, length + 1)
        start = ring.place(length + 1)
        new = np.arange(start, start + length)
        self._rows[new], self.achieved_goals[new], self.desired_goals[new] = contents
        self.episode_start[new], self.episode_end[new] = start, start + length
        self.number[new] = ring.lap * self.capacity + new
        self.transitions.stored(self, new)

    def rows_at(self, uniform):
        tail, gap, first, size = np.array([(ring.tail, ring.gap, ring.first, ring.size) for ring in self.rings]).T
        nth = (uniform * self._size).astype(np.intp)
        before = np.cumsum(size) - size
        env = before.searchsorted(nth, side="right") - 1
        rows = nth - before[env] + tail[env]
        return np.where(rows >= gap[env], rows - gap[env] + first[env], rows)
