"""A tree of sums, from which rows are drawn in proportion to their values."""

import itertools

import numpy as np


class SumTree:
    """Draws rows in proportion to their values. Drawing and setting take O(log n) each, whole batches at once.

    Each node is the sum of its 16 children: at a million rows a batch goes down two such levels, where a binary tree
    has twenty and each level costs a handful of numpy calls. The top level, of at most 4096 nodes, is searched as a
    whole. A sum is always taken anew from its children, never corrected by a difference: it cannot drift.

    Args:
        size: how many rows there are. All values are 0 at first.
    """

    FAN_OUT = 16
    TOP = 4096

    def __init__(self, size: int):
        self.size = nodes = size
        self._levels: list[np.ndarray] = []  # the rows first; all but the last filled up to whole nodes of children
        while nodes > self.TOP:
            nodes = -(-nodes // self.FAN_OUT)
            self._levels.append(np.zeros(nodes * self.FAN_OUT))
        self._levels.append(np.zeros(nodes))

    @property
    def values(self) -> np.ndarray:
        """(size,) the values of all rows, float64. Change them by `set` alone."""
        return self._levels[0][: self.size]

    @property
    def total(self) -> float:
        """The sum of all values."""
        return float(self._levels[-1].sum())

    def set(self, rows: np.ndarray, values: np.ndarray | float) -> None:
        """Give rows new values of at least 0. Where a row stands more than once, its last value counts."""
        self._levels[0][rows] = values
        for level, above in itertools.pairwise(self._levels):
            rows = rows // self.FAN_OUT
            above[rows] = level.reshape(-1, self.FAN_OUT).take(rows, axis=0).sum(axis=1)

    def draw(self, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows drawn with probability value / total. A row of value 0 is never drawn; if all are, a ValueError says so.

        From (n,) numbers drawn uniformly from [0, 1) to (n,) rows, and (n,) the probability of each.
        """
        top_sums = self._levels[-1].cumsum()
        total = top_sums[-1] if len(top_sums) else 0.0
        if not total > 0:
            raise ValueError("uniform: all values are 0, there is nothing to draw")
        target = uniform * total
        rows = top_sums.searchsorted(target, side="right")  # the first sum above the target is that of a value above 0
        target -= np.where(rows > 0, top_sums[rows - 1], 0)
        each = np.arange(len(rows))
        for level in self._levels[-2::-1]:
            sums = level.reshape(-1, self.FAN_OUT).take(rows, axis=0).cumsum(axis=1)
            target = np.minimum(target, np.nextafter(sums[:, -1], 0))  # a sum in another order may be rounded up
            child = (sums > target[:, None]).argmax(axis=1)
            target -= np.where(child > 0, sums[each, child - 1], 0)
            rows = rows * self.FAN_OUT + child
        return rows, self._levels[0].take(rows) / total
