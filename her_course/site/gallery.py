"""The gallery of results: curves, films and a table of how the runs ended for each sweep, from the committed files."""

import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from her.plots.curves import draw_records
from her.sweeps.tables import RunRecord, grouped, read_records, read_titles
from her_course.figures import use_style
from her_course.texts import read as read_texts


def write_gallery(results: Path, lang: str, out: Path) -> None:
    """Write the page ``results/index.md`` in `lang` into the book's folder `out`, with its pictures beside it.

    `results` holds a folder for each sweep. What the page says of them stands in ``gallery.toml``; a sweep that is not
    there gets its curves and its table all the same.
    """
    texts = read_texts(__package__, "gallery")
    sweeps = {path.parent.name: path.parent for path in sorted(results.glob("*/sweep.toml"))}
    order = [name for name in texts["sweeps"] if name in sweeps]
    folder = out / "results"
    folder.mkdir(exist_ok=True)
    use_style(lang)
    page = [f"# {texts['title'].of(lang)}", texts["intro"].of(lang), texts["toctree"].of(lang)]
    for name in [*order, *(name for name in sweeps if name not in order)]:
        said = {key: text.of(lang) for key, text in texts["sweeps"].get(name, {}).items()}
        page += _section(sweeps[name], said, texts, lang, folder)
    (folder / "index.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")


def _section(sweep: Path, said: dict[str, str], texts: dict[str, Any], lang: str, folder: Path) -> list[str]:
    records, titles = read_records(sweep), read_titles(sweep / "sweep.toml", lang)
    picture = _curves(sweep, records, titles, lang, folder / f"{sweep.name}.png")
    alt = said.get("alt", texts["curves"].of(lang))
    section = [f"## {said.get('title', sweep.name)}", said.get("text", ""), f"![{alt}]({picture.name})"]
    for film in sorted((sweep / "films").glob("*.png")):
        shutil.copy(film, folder)
        alt = f"{film.stem}{texts['film'].of(lang)}"
        section.append(f":::{{figure}} {film.name}\n:class: film\n:alt: {alt}\n\n{film.stem}\n:::")
    table = "\n".join(_table(records, titles, texts, lang))
    section.append(f"<details>\n<summary>{texts['table'].of(lang)}</summary>\n\n{table}\n\n</details>")
    section.append(f"```console\nher sweep results/{sweep.name}/sweep.toml\n```")
    return section


def _curves(sweep: Path, records: list[RunRecord], titles: dict[str, str], lang: str, target: Path) -> Path:
    """The committed figure in this language, or else one that is drawn from the tables."""
    committed = sweep / ("figure.zh.png" if lang == "zh" else "figure.png")
    if committed.exists():
        shutil.copy(committed, target)
    else:
        figure = draw_records(records, lang, titles)
        figure.savefig(target, dpi=144, metadata={"Software": None})
        plt.close(figure)
    return target


def _table(records: list[RunRecord], titles: dict[str, str], texts: dict[str, Any], lang: str) -> list[str]:
    """A row for each task and variant: seeds, and final success and environment steps, lowest – highest over them."""
    lines = [f"| {' | '.join(texts['columns'].of(lang).split(', '))} |", "|---|---|---:|---:|---:|"]
    for (task, variant), runs in grouped([r for r in records if r.result], "task", "variant").items():
        success = _range([run.final for run in runs], "{:.2f}")
        steps = _range([float(run.result["env_steps"]) for run in runs], "{:,.0f}")
        lines.append(f"| {titles.get(task, task)} | `{variant}` | {len(runs)} | {success} | {steps} |")
    return lines


def _range(values: list[float], form: str) -> str:
    """Lowest and highest, as one number if they read alike."""
    return " – ".join(dict.fromkeys(form.format(value) for value in (min(values), max(values))))
