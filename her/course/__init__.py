"""The course around the library: chapters, how they are executed, and whether everything is in order."""

from her.course.headless import progress_bar

__all__ = ["progress_bar"]
