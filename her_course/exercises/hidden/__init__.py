"""Cases that only a grader sees, one function for each exercise. ``her release`` leaves this folder out."""
