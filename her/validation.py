"""Arguments that are refused: each error names the argument, what was expected and what came."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np


def check_positive_integer(name: str, value: int) -> int:
    """``value`` as an int if it is an integer of at least 1; otherwise a ValueError."""
    return check_count(name, value, least=1, expected="a positive integer")


def check_count(name: str, value: int, least: int = 0, expected: str = "an integer of at least 0") -> int:
    """``value`` as an int if it is an integer of at least ``least``; otherwise a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return int(value)


def check_number(name: str, value: float, is_right: Callable[[float], bool], expected: str) -> float:
    """``value`` as a float if it is a finite number and ``is_right``; otherwise a ValueError."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and is_right(value)):
        raise ValueError(f"{name}: expected a number {expected}, got {value!r}")
    return float(value)


def check_instance(name: str, value: Any, kind: type, hint: str = "") -> Any:
    """``value`` if it is an instance of ``kind``; otherwise a TypeError."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected a {kind.__name__}{hint}, got {value!r}")
    return value


@np.errstate(under="ignore", over="ignore", invalid="ignore")  # what is too large becomes infinite, and is refused then
def as_array(name: str, values: Any, dtype: np.dtype | type | None = np.float32) -> np.ndarray:
    """A copy of ``values`` as an array; a ValueError if they are no numbers, or a ragged list."""
    try:
        if np.asarray(values).dtype.kind in "SU":
            raise TypeError("a text is no number, even if numpy can read one in it")
        return np.array(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last is torch's, about gradients
        why = f" ({error})" if isinstance(error, RuntimeError) else ""
        raise ValueError(f"{name}: expected numbers, got {values!r}{why}") from None


def check_shape(name: str, array: np.ndarray, shape: tuple[int, ...], given_by: str) -> None:
    """Raise a ValueError if ``array`` has another shape; ``given_by`` is the argument that gave the last number."""
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, as given by {given_by}={shape[-1]}, got {array.shape}")


def as_rows(name: str, values: Any, shape: tuple[int, ...], given_by: str, dtype: type = np.float32) -> np.ndarray:
    """A copy of ``values``, which are finite and of this shape; otherwise a ValueError, see `check_shape`."""
    array = as_array(name, values, dtype)
    check_shape(name, array, shape, given_by)
    check_finite(name, array)
    return array


def as_flags(name: str, values: Any, rows: int) -> np.ndarray:
    """A bool copy of ``values``, (rows,) finite numbers or bools; otherwise a ValueError."""
    array = as_array(name, values, None)
    if array.shape != (rows,):
        raise ValueError(f"{name}: expected shape ({rows},), a flag a row, got {array.shape}")
    if array.dtype != bool:
        array = as_array(name, values)
        check_finite(name, array)
    return array != 0


def check_finite(name: str, array: np.ndarray) -> None:
    """Raise a ValueError that names the first row of ``array`` in which a number is NaN or infinite."""
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        raise ValueError(f"{name}: expected finite {array.dtype} numbers, got {array[row]} in row {row}")


def check_td_errors(indices: Any, td_errors: Any, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 indices from 0 to ``stop`` - 1 and (n,) finite float32 TD errors; otherwise a ValueError."""
    numbers, errors = np.asarray(indices), as_array("td_errors", td_errors)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(f"indices: expected integers of shape (n,), got {numbers.dtype} of shape {numbers.shape}")
    if errors.shape != numbers.shape:
        raise ValueError(f"td_errors: expected shape {numbers.shape}, one for each index, got {errors.shape}")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < stop:
        raise ValueError(f"indices: expected numbers from 0 to {stop - 1}, got {numbers.min()} to {numbers.max()}")
    check_finite("td_errors", errors)
    return numbers.astype(np.int64), errors


def check_state(name: str, array: np.ndarray, like: np.ndarray | float, unknown: bool = False) -> np.ndarray:
    """An array from a file if it has the shape of ``like`` and finite numbers of at least 0, or NaN if ``unknown``."""
    numbers = array[~np.isnan(array)] if unknown else array
    if array.shape != np.shape(like) or not ((numbers >= 0) & (numbers < np.inf)).all():
        raise ValueError(f"{name}: expected finite numbers of at least 0 of shape {np.shape(like)}, got {array}")
    return array


def as_seeded(seed: int | np.random.SeedSequence | None) -> np.random.Generator:
    """numpy's default generator; a ValueError for a seed that numpy does not take."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(f"seed: expected an integer of at least 0, a SeedSequence or None, got {seed!r}") from None
