"""Grading a class: submissions are run in a sandbox as the notebooks they are, judged here, and reported on.

========================  ======================================================================================
`archives`                what lies in folders and zips, which may be damaged or malicious
`submissions`             who handed in what, and what is not used
`reading`                 the cells of a submission and what they define; runs inside the sandbox
`world`                   runs the cells, then calls the functions; inside the sandbox
`warden`                  the warmed-up process that forks a child for each submission; inside the sandbox
`confinement`             how bubblewrap is called; `system_calls`, what is refused besides
`process`, `sandbox`      the grader's side: starts the warden, talks to a child, keeps the time
`marking`                 one submission: what its functions return, and what that is worth
`classes`                 all submissions: in parallel, resumable
`rules`                   what is decided by whoever teaches: points become scores
`reports`, `summary`      grades.csv and the feedback for each student; the class on a page; words in `texts`
`exports`                 grades as Canvas, Moodle, Gradescope and nbgrader import them
========================  ======================================================================================
"""
