"""The command ``her grade``."""

from __future__ import annotations

import sys
from pathlib import Path

import click


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
@click.option("--roster", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Names, one a line.")
@click.option("--deadline", type=click.DateTime(), help="Submissions changed after it are late.")
@click.option("--late-factor", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Of late points.")
@click.option("--missing", type=click.Choice(["zero", "blank"]), default="zero", show_default=True, help="Scores.")
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
    roster,
    deadline,
    late_factor,
    missing,
    public_only,
    sandbox,
    quiet,
) -> None:
    """Grade what a class handed in.

    SUBMISSIONS holds STUDENT/chN.ipynb or .py, STUDENT_chN.ipynb, or zips of either; a zip of it all does as well.
    Each function runs in a sandbox, with limits of time, memory and output. Into --out go grades.csv (a row for every
    student and exercise), chapters.csv (a row for every student), summary.html, feedback/STUDENT.html, similar.csv
    and seconds.csv. A run that was interrupted goes on with --resume and gives the same grades. More on all this, on
    nbgrader and on what submissions are kept from: solutions/INSTRUCTORS.md. Where a student is lost, nothing of theirs
    being of a kind that can be graded, the exit status is 3.

    Submissions run in bubblewrap, and nothing is graded without it unless you say --sandbox limits: then they can read
    what you can read, and pages show nothing that a submission said.

    \b
    her grade submissions --out grades
    her grade submissions.zip --out grades --chapter 2 --lang zh --roster class.txt
    her grade submissions --out grades --deadline 2026-11-30T23:59:00 --late-factor 0.8 --resume
    her grade submissions --out grades --backend dask --scheduler tcp://cluster:8786
    """
    try:
        from her_course.grading.classes import Grading, Rules
        from her_course.grading.reports import write_all
        from her_course.grading.sandbox import SandboxError
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[course]'") from None
    from tqdm import tqdm

    try:
        names = read_roster(roster) if roster else []
        grading = Grading(
            submissions,
            out,
            chapters=tuple(dict.fromkeys(sorted(chapters))) or (1, 2, 3, 4, 5, 6),
            seed=seed,
            resume=resume,
            hidden=not public_only,
            kind=sandbox,
            rules=Rules(
                deadline if deadline is None or deadline.tzinfo else deadline.astimezone(), late_factor, missing
            ),
            roster=names,
        )
        with tqdm(total=len(grading.found), unit="file", disable=quiet, file=sys.stderr) as bar:
            grading.run(jobs, backend, scheduler, lambda submission: bar.update())
        with tqdm(total=len(grading.students), unit="page", disable=quiet, file=sys.stderr) as bar:
            isolation = write_all(grading, lang, bar.update)
    except (OSError, ValueError, LookupError, SandboxError) as error:
        raise click.ClickException(str(error)) from None
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[cluster]'") from None
    click.echo(isolation.of(lang))
    graded = sum(submission.problem is None for submission in grading.found)
    click.echo(f"{len(grading.students)} students, {graded} submissions graded; see {out / 'summary.html'}")
    if grading.lost:
        click.echo(f"nothing could be graded of: {', '.join(grading.lost)}", err=True)
        sys.exit(3)


def read_roster(path: Path) -> list[str]:
    """The names in a file, one a line: UTF-8 or UTF-16, or GB 18030 as Windows in China writes it.

    Raises:
        ValueError: it is in none of these.
    """
    data = path.read_bytes()
    marked = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le" if b"\0" in data[:64] else None
    for encoding in [marked] if marked else ["utf-8-sig", "gb18030"]:
        try:
            return [line.strip() for line in data.decode(encoding).splitlines() if line.strip()]
        except UnicodeDecodeError:
            continue
    raise ValueError(f"roster: {path} is not a text file in UTF-8, UTF-16 or GB 18030")
