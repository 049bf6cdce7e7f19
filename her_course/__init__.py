"""The course around the library: chapters, exercises that know what went wrong, and whether everything is in order."""

from her_course.checks import attempt, check, hint, or_reference, progress, reference

__all__ = ["attempt", "check", "hint", "or_reference", "progress", "reference"]
