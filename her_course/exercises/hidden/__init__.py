"""Cases that only a grader sees. ``her release`` leaves this folder out."""
