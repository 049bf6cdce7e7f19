"""Grading a class: submissions are read, run one function at a time in a sandbox, judged here, and reported on.

========================  ======================================================================================
`submissions`             finds who handed in what, in folders and zips that may be damaged or malicious
`extraction`              takes functions by name from a notebook or a script; runs inside the sandbox
`warden`                  the warmed-up process that forks one child per exercise; runs inside the sandbox
`sandbox`                 starts the warden, as isolated as the system allows, and keeps the time from outside
`marking`                 one submission: what its functions are worth
`classes`                 all submissions: in parallel, resumable
`reports`                 grades.csv, the class summary and the feedback for each student
========================  ======================================================================================
"""
