"""The commands of the course: ``her lab``, ``her run``, ``her doctor``, and ``her chapters`` for those who write it."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from her.options import told

NUMBERS = click.argument("numbers", nargs=-1, type=click.IntRange(1), metavar="[CHAPTER]...")
LANG = click.option("--lang", type=click.Choice(["zh", "en", "both"]), default="both", show_default=True)


def _profile(default: str) -> Callable:
    return click.option("--profile", type=click.Choice(["quick", "full"]), default=default, show_default=True)


def _course(module: str) -> ModuleType:
    """A module of the course, or a word on how to install what it needs."""
    try:
        return import_module(f"her_course.{module}")
    except ModuleNotFoundError as error:
        raise _missing(error) from None


def _missing(error: ModuleNotFoundError) -> click.ClickException:
    from her_course.doctor import install

    return click.ClickException(f"{error.name} is missing: {install('course')}")


def _sources(lang: str, numbers: tuple[int, ...]) -> list[Path]:
    notebooks = _course("notebooks")
    with told(FileNotFoundError, ValueError):
        return notebooks.discover(notebooks.find_chapters(), lang, numbers)


@click.command()
def doctor() -> None:
    """Say what is installed, what is missing or broken, and how to mend it."""
    from her_course.doctor import diagnose, render

    findings = diagnose()
    click.echo(render(findings))
    sys.exit(any(finding.status == "missing" for finding in findings))


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), envvar="HER_LANG", help="Of the start page.  [default: the system's]"
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(lang: str | None, options: tuple[str, ...]) -> None:
    """Open the course in JupyterLab; OPTIONS are those of `jupyter lab`, as in `her lab --port 9999`."""
    try:
        with told(FileNotFoundError):
            chapters = _course("places").find_chapters()
            _course("lab").start(chapters, lang or _course("lab").system_language(), options)
    except ModuleNotFoundError as error:
        raise _missing(error) from None


@click.command()
@NUMBERS
@LANG
@_profile("quick")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("build"), show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First of those trained with.")
def run(numbers: tuple[int, ...], lang: str, profile: str, out: Path, seed: int) -> None:
    """Execute chapters from top to bottom into a folder; the chapters themselves stay as they are.

    \b
    her run                          every chapter, in both languages
    her run 1 4 --lang zh            two chapters in Chinese
    her run --profile full           with the training times that a reader sees
    her run --seed 100               do the claims hold with other seeds?
    """
    paths = _sources(lang, numbers)
    results = _course("notebooks").run(paths, profile, out, seed=seed)
    width = max((len(result.chapter) for result in results), default=0)
    for result in results:
        verdict = f"failed at cell {result.failure.number}" if result.failure else "ok"
        click.echo(f"{result.chapter:{width}}  {result.cells:3d} cells  {result.seconds:6.1f} s  {verdict}")
    failed = [result for result in results if result.failure]
    for result in failed:
        click.echo(f"\n{result.chapter}, {result.failure}", err=True)
    click.echo(f"{len(results) - len(failed)} of {len(results)} chapters ran to their end; see {out / profile}")
    sys.exit(bool(failed))


@click.group()
def chapters() -> None:
    """For those who write the chapters: outputs, pairs and translations."""


@chapters.command()
@NUMBERS
@LANG
@_profile("full")
def execute(numbers: tuple[int, ...], lang: str, profile: str) -> None:
    """Execute the sources and write the notebooks that are committed, outputs and all."""
    _execute(_sources(lang, numbers), profile)


def _execute(paths: list[Path], profile: str) -> None:
    notebooks = _course("notebooks")
    for path in paths:
        with told(notebooks.ChapterFailed):
            notebooks.execute_to_committed(path, profile)


@chapters.command()
@NUMBERS
@LANG
def refresh(numbers: tuple[int, ...], lang: str) -> None:
    """Take changed prose over into the notebooks without executing them."""
    notebooks = _course("notebooks")
    for path in _sources(lang, numbers):
        if not path.with_suffix(".ipynb").exists() or not notebooks.refresh(path):
            raise click.ClickException(f"{notebooks.name_of(path)}: the code changed: her chapters execute")


@chapters.command()
@NUMBERS
@click.option("--cell", "cells", multiple=True, type=click.IntRange(1), help="Only this cell; may be repeated.")
def stamp(numbers: tuple[int, ...], cells: tuple[int, ...]) -> None:
    """Confirm that the English prose translates the Chinese as it stands now."""
    if cells and len(numbers) != 1:
        raise click.UsageError("--cell needs exactly one CHAPTER")
    consistency = _course("consistency")
    for path in _sources("en", numbers):
        with told(ValueError):
            changed = consistency.stamp(path, cells)
        click.echo(
            f"{path.stem}: stamped {len(changed)} cells" + (f": {', '.join(map(str, changed))}" if changed else "")
        )


@chapters.command()
@NUMBERS
def check(numbers: tuple[int, ...]) -> None:
    """Say which cells drifted: source from notebook, English from Chinese, outputs from what is promised."""
    consistency = _course("consistency")
    findings = []
    for path in _sources("both", numbers):
        findings += consistency.check_pair(path)
        findings += consistency.check_outputs(path.with_suffix(".ipynb"))
        if path.parent.name == "zh":
            findings += consistency.check_parity(path, path.parents[1] / "en" / path.name)
    for finding in dict.fromkeys(findings):
        click.echo(finding)
    sys.exit(bool(findings))


@click.group()
def exercises() -> None:
    """For those who write the exercises: made from solutions/, executed with every check."""


@exercises.command("make")
@NUMBERS
def make_exercises(numbers: tuple[int, ...]) -> None:
    """Write exercises/zh and exercises/en from solutions/: stubs where the answers stand."""
    handout = _course("handout")
    for path in _solutions(numbers):
        try:
            for made in handout.make(path, path.parents[1] / "exercises"):
                click.echo(made.relative_to(path.parents[1]))
        except ValueError as error:
            raise click.ClickException(f"{path.name}, {error}") from None


@exercises.command("execute")
@NUMBERS
@_profile("full")
def execute_solutions(numbers: tuple[int, ...], profile: str) -> None:
    """Execute the solutions into the notebooks beside them, every check included."""
    _execute(_solutions(numbers), profile)


def _solutions(numbers: tuple[int, ...]) -> list[Path]:
    handout = _course("handout")
    with told(FileNotFoundError, ValueError):
        return handout.sources(handout.find_solutions(), numbers)


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to make; empty.")
def release(out: Path) -> None:
    """Make the folder that a class is given: chapters and exercises, without solutions and hidden cases."""
    with told(FileExistsError, FileNotFoundError):
        _course("handout").release(_course("notebooks").find_chapters().parent, out)
    click.echo(f"ready to be handed out: {out}")
