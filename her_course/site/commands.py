"""``her site``."""

from pathlib import Path

import click

from her.options import needs


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("build/site"), show_default=True)
def site(out: Path) -> None:
    """Make the book: chapters, exercises, results and reference as pages to read without installing anything.

    Open its index.html, or serve the folder from any path: python -m http.server -d OUT
    """
    with needs("site"):
        from her_course.notebooks import find_chapters
        from her_course.site.build import build
    try:
        warnings = build(find_chapters().parent, out)
    except (FileExistsError, FileNotFoundError, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    for warning in warnings:
        click.echo(warning, err=True)
    click.echo(f"made: {out / 'index.html'}")
