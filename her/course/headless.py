"""What differs when a chapter is executed without a reader: its settings, and the progress bars that stay away."""

import os
from collections.abc import Iterable

PROFILES = ("quick", "full")


def environment(profile: str) -> dict[str, str]:
    """The environment variables of a kernel that executes a chapter without a reader.

    No progress bars, whose timing differs in every run; a glyph missing from the font is an error; and what exercises
    are passed is noted in no reader's file.
    """
    if profile not in PROFILES:
        raise ValueError(f'profile: expected "quick" or "full", got {profile!r}')
    return {"HER_PROFILE": profile, "TQDM_DISABLE": "1", "PYTHONWARNINGS": "error:Glyph", "HER_PROGRESS": ""}


def progress_bar(iterable: Iterable | None = None, **options):
    """tqdm's bar, for a notebook or a terminal; `options` are tqdm's.

    It stays away where TQDM_DISABLE is set, as :func:`environment` does: a stored notebook should hold results, not a
    bar that nobody can display any more. (In notebooks tqdm itself does not heed the variable.)
    """
    from tqdm.auto import tqdm

    return tqdm(iterable, disable=bool(os.environ.get("TQDM_DISABLE")), **options)
