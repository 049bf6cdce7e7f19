"""The command ``her grade``."""

import sys
from pathlib import Path

import click

from her.options import needs, told

PLATFORMS = ("canvas", "moodle", "gradescope", "nbgrader")


@click.command()
@click.argument("submissions", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the results.")
@click.option("--chapter", "chapters", multiple=True, type=click.IntRange(1, 6), help="Only this; may be repeated.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="en", show_default=True, help="Of all pages.")
@click.option("--jobs", type=int, default=-1, show_default=True, help="Submissions at a time; -1 is one per core.")
@click.option("--backend", type=click.Choice(["loky", "dask"]), default="loky", show_default=True)
@click.option("--scheduler", metavar="ADDRESS", help="Of dask, such as tcp://host:8786.  [default: one started here]")
@click.option("--resume", is_flag=True, help="Go on with what is in --out; new and changed submissions are added.")
@click.option("--seed", type=click.IntRange(0), help="Of the inputs.  [default: a secret one, kept in --out]")
@click.option("--class", "class_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="class.toml.")
@click.option("--to", multiple=True, type=click.Choice(PLATFORMS), help="Write what this imports; may be repeated.")
@click.option("--anonymous", is_flag=True, help="Pseudonyms in pages and tables; the key lies beside --out.")
@click.option("--public-only", is_flag=True, help="Without hidden cases, as the check in the notebook.")
@click.option("--sandbox", type=click.Choice(["bubblewrap", "limits"]), default="bubblewrap", show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def grade(
    submissions,
    out,
    chapters,
    lang,
    jobs,
    backend,
    scheduler,
    resume,
    seed,
    class_file,
    to,
    anonymous,
    public_only,
    sandbox,
    quiet,
) -> None:
    """Grade what a class handed in.

    SUBMISSIONS holds STUDENT/chN.ipynb or .py, STUDENT_chN.ipynb, or zips of either; a zip of it all does as well.
    Each function runs in a sandbox, with limits of time, memory and output. Into --out go grades.csv (a row for every
    student and exercise), chapters.csv (a row for every student), summary.html, feedback/STUDENT.html, changes.csv (of
    scores, since they were first given), similar.csv and seconds.csv. The same command with --resume goes on where a
    run was interrupted, and takes in what has changed since: submissions, cases, class.toml. Where a student is lost,
    nothing of theirs being of a kind that can be graded, the exit status is 3.

    class.toml holds what you decide: the roster, deadlines, what lateness costs, extensions, exemptions and overrides.
    Task by task: solutions/INSTRUCTORS.md.

    Submissions run in bubblewrap, and nothing is graded without it unless you say --sandbox limits: then they can read
    what you can read, and pages show nothing that a submission said.

    \b
    her grade submissions --out grades
    her grade submissions.zip --out grades --chapter 2 --lang zh --class class.toml
    her grade submissions --out grades --class class.toml --resume --to canvas
    her grade submissions --out grades --backend dask --scheduler tcp://cluster:8786
    """
    with needs("course"):
        from her_course.grading.classes import Grading
        from her_course.grading.exports import export, unknown_to
        from her_course.grading.reports import write_all
        from her_course.grading.rules import Rules, read_rules
        from her_course.grading.sandbox import SandboxError
    from tqdm import tqdm

    with needs("cluster"), told(OSError, ValueError, LookupError, SandboxError):
        grading = Grading(
            submissions,
            out,
            chapters=tuple(dict.fromkeys(sorted(chapters))) or (1, 2, 3, 4, 5, 6),
            seed=seed,
            resume=resume,
            hidden=not public_only,
            kind=sandbox,
            rules=read_rules(class_file) if class_file else Rules(),
        )
        with tqdm(total=len(grading.found), unit="file", disable=quiet, file=sys.stderr) as bar:
            grading.run(jobs, backend, scheduler, lambda submission: bar.update())
        with tqdm(total=len(grading.students), unit="page", disable=quiet, file=sys.stderr) as bar:
            written = write_all(grading, lang, bar.update, anonymous)
        with needs("nbgrader"):
            files = [path for platform in to for path in export(platform, grading, written, lang)]
    click.echo(written.isolation)
    graded = sum(submission.problem is None for submission in grading.found)
    click.echo(f"{len(grading.students)} students, {graded} submissions graded; see {out / 'summary.html'}")
    for path in files:
        click.echo(path)
    for platform in to:
        if unknown := unknown_to(platform, grading):
            click.echo(f"{platform}: the roster does not say who these are there: {', '.join(unknown)}", err=True)
    if grading.lost:
        click.echo(f"nothing could be graded of: {', '.join(grading.lost)}", err=True)
        sys.exit(3)
