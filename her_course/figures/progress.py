"""For the cells of a chapter that take more than two seconds: a bar that leaves nothing behind, and all cores."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def progress_bar(iterable: Iterable[T], total: int | None = None, description: str = "") -> Iterator[T]:
    """Go through ``iterable`` with a bar that is gone when it is done; with TQDM_DISABLE set, without one.

    ``tqdm.auto`` does not heed TQDM_DISABLE in a notebook, and would leave a dead widget in the committed one.
    """
    from tqdm.auto import tqdm

    disable = bool(os.environ.get("TQDM_DISABLE"))
    return iter(tqdm(iterable, total=total, desc=description, leave=False, disable=disable))


def on_all_cores(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What the jobs return, in their order: as many run at a time as there are cores, and a bar counts them.

    They may be functions of a notebook, but run in other processes: what they print or draw does not appear in it.
    In the quick profile they run here, one after the other: its jobs are shorter than the start of a process.
    """
    from joblib import Parallel, delayed

    n_jobs = 1 if os.environ.get("HER_PROFILE") == "quick" else -1
    outcomes = Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator")(delayed(job)() for job in jobs)
    return list(progress_bar(outcomes, total=len(jobs)))
