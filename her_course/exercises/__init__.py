"""The exercises: cases, wrong ideas, hints. See `her_course.exercises.model`; learners call `her_course.check`."""
