"""Find the bug, chapter 3: goals of the future are counted from the start of the episode, and not from the step."""

from collections.abc import Callable
from typing import Any

import numpy as np

from her_course.exercises import reference
from her_course.exercises.drawing import Feature, Odd, array_of, drawn_wrongly, draws_case, pairs_alike, seeded_case
from her_course.exercises.model import Case, Text


def future_rows(rows, starts, lengths, rng):
    """As handed out; `reference.mended_future_rows` is without the mistake."""
    position = rows - starts
    left = lengths - position
    ahead = rng.random(len(rows)) * left
    return starts + ahead.astype(int)


def rows_of(lengths: list[int], times: int, skip: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row of episodes that lie end to end, so many times one after the other: rows, starts, lengths.

    Args:
        skip: so many steps of each episode are left out.
    """
    sizes = np.array(lengths)
    starts = np.cumsum(sizes) - sizes
    rows = np.concatenate([np.arange(start + skip, start + size) for start, size in zip(starts, sizes, strict=True)])
    episode = np.searchsorted(starts, rows, side="right") - 1
    return tuple(np.repeat(column, times) for column in (rows, starts[episode], sizes[episode]))


def rows_case(
    name: Text | str, lengths: list[int], times: int, rng: np.random.Generator, calls: int, exact=True, skip: int = 0
) -> Case:
    """Which row got the goal of which: in its own episode, from itself on, and, with `exact`, all equally often."""
    rows, starts, sizes = rows_of(lengths, times, skip)
    total, n = sum(lengths), len(rows)
    goal = np.arange(total)
    may = (goal >= np.arange(total)[:, None]) & (np.repeat(np.cumsum(lengths), lengths)[:, None] > goal)
    weight = np.bincount(rows, minlength=total)[:, None] / n * may / may.sum(axis=1, keepdims=True)
    same = float((1 / may[rows[::2]].sum(axis=1)).mean())  # of two draws for one row: `times` is even

    def read(value: Any) -> dict[str, np.ndarray]:
        goals = array_of(value, (n,), integers=True).astype(int)
        outside = np.flatnonzero((goals < 0) | (goals >= total))
        if len(outside):
            row, found = rows[outside[0]], goals[outside[0]]
            expected = Text(f"0…{total - 1} 里的行", f"rows of 0…{total - 1}")
            raise Odd(
                "range", expected, Text(f"第 {row} 行配了第 {found} 行", f"row {row} got the goal of row {found}")
            )
        return {"goal": rows * total + goals, "pairs": pairs_alike(goals)}

    def tell(counts: np.ndarray) -> Text:
        table = counts.reshape(total, total)
        if table[~may].any():
            row, found = np.argwhere((table > 0) & ~may)[0]
            return Text(f"第 {row} 行配了第 {found} 行的目标", f"row {row} got the goal of row {found}")
        drawn = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        row = int(np.abs(drawn - may / may.sum(axis=1, keepdims=True)).max(axis=1).argmax())
        shares = drawn[row, may[row]].round(2).tolist()
        return Text(f"第 {row} 行的目标，比例 {shares}", f"goals of row {row} with shares {shares}")

    def tell_pairs(counts: np.ndarray) -> Text:
        share = counts[1] / counts.sum()
        return Text(f"同一行连抽两次，{share:.0%} 相同", f"of two draws for one row, {share:.0%} are the same")

    expected = Text(
        "每一行：自己的回合里，从它自己到末尾，均匀", "each row: its own episode, from itself to the end, uniformly"
    )
    features = {"goal": Feature(weight.ravel(), expected, tell)}
    if same < 1:
        independent = Text(f"各抽各的：{same:.0%} 相同", f"independent draws: {same:.0%} the same")
        features["pairs"] = Feature(np.array([1 - same, same]), independent, tell_pairs)
    return draws_case(name, (rows, starts, sizes, None), rng, calls, read, features, exact)


def rows_cases(rng: np.random.Generator) -> list[Case]:
    """The public cases; what is handed out fails each of them, the last aside."""
    return [
        rows_case("one_episode", [6], 8, rng, 6, exact=False),
        rows_case("two_episodes", [4, 6], 8, rng, 6, exact=False),
        rows_case("last_steps", [5, 3], 4, rng, 4, exact=False, skip=2),
        rows_case("shares", [5, 4], 40, rng, 20),
        rows_case("single_steps", [1, 2, 1], 6, rng, 4, exact=False),
        seeded_case((*rows_of([400], 1), None), rng),
    ]


def _rows(goal: Callable) -> Callable:
    """``goal(rows, starts, lengths, u)`` with a uniform number for each row."""
    return lambda rows, starts, lengths, rng: goal(rows, starts, lengths, rng.random(len(rows)))


FROM_THE_START = {
    "as_handed_out": future_rows,
    "position_for_row": _rows(lambda r, s, n, u: r - s + (u * (n - r + s)).astype(int)),
    "start_and_row_added": _rows(lambda r, s, n, u: s + r + (u * (n - r + s)).astype(int)),
    "whole_episode": _rows(lambda r, s, n, u: s + (u * n).astype(int)),
    "crosses_the_border": (
        _rows(lambda r, s, n, u: r + (u * n).astype(int)),
        _rows(lambda r, s, n, u: r + (u * (n - r + s + 1)).astype(int)),
    ),
    "excludes_own_step": (
        _rows(lambda r, s, n, u: r + 1 + (u * (n - r + s - 1)).astype(int)),
        _rows(lambda r, s, n, u: np.minimum(r + 1 + (u * (n - r + s - 1)).astype(int), s + n - 1)),
    ),
    "excludes_last": _rows(lambda r, s, n, u: r + (u * np.maximum(n - r + s - 1, 1)).astype(int)),
    "always_the_last": _rows(lambda r, s, n, u: s + n - 1),
    "always_own_step": _rows(lambda r, s, n, u: r),
    "one_draw_repeated": lambda r, s, n, rng: r + (rng.random() * (n - r + s)).astype(int),
    "ends_half_as_often": _rows(lambda r, s, n, u: r + np.round(u * (n - r + s - 1)).astype(int)),
    "floats": _rows(lambda r, s, n, u: r + u * (n - r + s)),
    **drawn_wrongly(reference.mended_future_rows),
}
