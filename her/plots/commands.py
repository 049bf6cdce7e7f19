"""``her plot``."""

from importlib import import_module
from pathlib import Path

import click

from her.options import needs, told


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--against", metavar="SETTING", help="Final success over a setting, such as env_kwargs.n_bits.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="en", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where to draw.  [default: FOLDER/figure.png]")
def plot(folder: Path, against: str | None, lang: str, out: Path | None) -> None:
    """Draw the curves of the runs in FOLDER: means over seeds with 95 % intervals (Student's t).

    FOLDER holds the tables of a sweep, or runs of `her train`, however deep. A panel for each environment; a curve for
    each of the settings in which the runs differ.

    \b
    her plot runs
    her plot results/bit_flip --against env_kwargs.n_bits
    """
    with needs("course"):
        from her.plots.curves import draw_records, draw_records_against
        from her.sweeps.tables import read_records, read_titles

        import_module("her_course.figures").use_style(lang)  # its font has Chinese
    with told(FileNotFoundError, ValueError):
        records = read_records(folder)
        file = folder / "sweep.toml"
        titles = read_titles(file, lang) if file.exists() else {}
        figure = draw_records_against(records, against, lang) if against else draw_records(records, lang, titles)
        out = out or folder / "figure.png"
        figure.savefig(out, dpi=144, metadata={"Software": None} if out.suffix == ".png" else None)
    click.echo(f"drawn: {out}")
