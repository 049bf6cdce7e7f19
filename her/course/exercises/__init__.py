"""The exercises: cases, wrong ideas, hints. See `her.course.exercises.model`; learners call `her.course.check`."""
