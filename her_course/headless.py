"""What differs when a chapter is executed without a reader."""

from her_course.cards import PLAIN

PROFILES = ("quick", "full")


def environment(profile: str) -> dict[str, str]:
    """The environment variables of a kernel that executes a chapter without a reader.

    No progress bars, whose timing differs in every run; a glyph missing from the font is an error; and what exercises
    are passed is noted in no reader's file; checks print text.
    """
    if profile not in PROFILES:
        raise ValueError(f'profile: expected "quick" or "full", got {profile!r}')
    return {
        "HER_PROFILE": profile,
        "TQDM_DISABLE": "1",
        "PYTHONWARNINGS": "error:Glyph",
        "HER_PROGRESS": "",
        PLAIN: "1",
    }
