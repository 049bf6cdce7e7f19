"""A ring of rows in which episodes lie whole."""


class EpisodeRing:
    """Where episodes lie in the rows ``first`` to ``stop - 1``: the oldest at ``tail``, the next to come at ``head``.

    An episode never goes over the end of the ring. One that does not fit begins at the first row again, and the rows
    left over at the end stay empty. Ten rows and episodes of four::

        AAAABBBB..      the third does not fit into the last two rows
        CCCCBBBB..      so it begins at the first, and A makes room

    Attributes:
        size: rows that hold transitions.
        lap: how often the ring has begun at its first row again.
        gap: while the tail lies at or behind the head, the rows from here on are empty.
        open: the length of the newest episode if it is still going on, see `her.stepwise`; else 0.
    """

    def __init__(self, first: int, stop: int):
        self.first, self.stop = first, stop
        self.head = self.tail = first
        self.gap, self.size, self.lap, self.open = stop, 0, 0, 0

    def in_the_way(self, length: int) -> bool:
        """Whether the oldest episode has to go before one of ``length`` rows can be placed."""
        if not self.size:
            return False
        if self.head + length <= self.stop:
            return self.head <= self.tail < self.head + length
        return self.tail >= self.head or self.tail < self.first + length

    def drop_oldest(self, length: int) -> None:
        """Give up the oldest episode, which has this length."""
        self.tail += length
        self.size -= length
        if self.tail == self.gap:
            self.tail, self.gap = self.first, self.stop

    def place(self, length: int) -> int:
        """The row where the next episode begins, now that nothing is `in_the_way` any more."""
        if self.head + length > self.stop:
            self.gap, self.head = self.head, self.first
            self.lap += 1
        if not self.size:
            self.tail, self.gap = self.head, self.stop
        start = self.head
        self.head += length
        self.size += length
        return start
