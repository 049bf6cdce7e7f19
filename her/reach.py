"""How far an agent reliably reaches, measured on real episodes."""

from __future__ import annotations

import math

import numpy as np

from her.validation import check_number, check_positive_integer


class Reach:
    """How far the agent reliably reaches: its success rate by distance, measured on real episodes.

    Each step of an episode is a try from the distance that was left to the goal, and a success if the goal was reached
    then or later. If an episode visits a bin of distances several times, its first visit counts: it had most time left.
    A rate is the mean of a bin's tries and, once there are more than ``memory``, an exponential average.

    Args:
        reliable: the success rate, in (0, 1], from which on a distance is within reach.
        memory: how many tries the averages go back.

    Attributes:
        width: of a bin, in units of the goal; 0 as long as every distance was 0.
        tries, success: (BINS,) of each bin: its tries, at most ``memory``, and its success rate.
    """

    BINS = 20
    #: tries from which on a bin's rate is believed
    ENOUGH = 5

    def __init__(self, reliable: float = 0.5, memory: int = 200):
        self.reliable = check_number("reliable", reliable, lambda x: 0 < x <= 1, "in (0, 1]")
        self.memory = check_positive_integer("memory", memory)
        self.width = 0.0
        self.tries, self.success = np.zeros(self.BINS), np.zeros(self.BINS)

    @property
    def distances(self) -> np.ndarray:
        """(BINS,) the middle of each bin, in units of the goal."""
        return (np.arange(self.BINS) + 0.5) * self.width

    @property
    def known(self) -> np.ndarray:
        """(BINS,) bool: which rates are believed."""
        return self.tries >= min(self.ENOUGH, self.memory)

    @property
    def distance(self) -> float:
        """How far is within reach: 0 while nothing is known, infinite if nothing has been too far.

        Between the last reliable bin and the first that is not, it is where the rates, connected by a straight line,
        cross ``reliable``; the rate at distance 0 is taken to be 1.
        """
        if not self.known.any():
            return 0.0
        distances = np.concatenate([[0.0], self.distances[self.known]])
        success = np.concatenate([[1.0], self.success[self.known]])
        if success.min() >= self.reliable:
            return math.inf
        beyond = int((success < self.reliable).argmax())
        pair = [beyond, beyond - 1]
        return float(np.interp(self.reliable, success[pair], distances[pair]))

    def observe(self, distances: np.ndarray, reached: np.ndarray) -> None:
        """Learn from an episode: (T,) distances left after its actions, and (T,) bool, whether the goal was reached."""
        bins, first = np.unique(self._bins(distances), return_index=True)
        then_or_later = np.logical_or.accumulate(reached[::-1])[::-1]
        self.tries[bins] = np.minimum(self.tries[bins] + 1, self.memory)
        self.success[bins] += (then_or_later[first] - self.success[bins]) / self.tries[bins]

    def _bins(self, distances: np.ndarray) -> np.ndarray:
        """The bins of distances. Where the last bin does not reach, bins are merged in pairs."""
        farthest = float(distances.max())
        if not self.width:
            self.width = 2 * farthest / self.BINS
        while farthest >= self.BINS * self.width > 0:
            tries = self.tries.reshape(-1, 2)
            successes, both = (tries * self.success.reshape(-1, 2)).sum(axis=1), tries.sum(axis=1)
            none = np.zeros(self.BINS // 2)
            self.tries = np.concatenate([both.clip(max=self.memory), none])
            self.success = np.concatenate([successes / np.maximum(both, 1), none])
            self.width *= 2
        return (distances / self.width).astype(np.intp) if self.width else np.zeros(len(distances), np.intp)
