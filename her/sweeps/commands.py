"""``her sweep`` and ``her compare``."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from her.options import grids, key_values, needs, numbers, told

if TYPE_CHECKING:
    from tqdm import tqdm

    from her.sweeps.grid import Job


@click.command()
@click.argument("what", metavar="FILE|ENV_ID")
@click.option("--grid", multiple=True, metavar="KEY=V1,V2,…", callback=grids, help="Of settings, env_kwargs.KEY too.")
@click.option("--seeds", metavar="0-4", callback=numbers, help="Of each combination.  [default: 0-4]")
@click.option("--env-kwargs", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Of the environment.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Of all runs.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the runs.  [default: runs/NAME]")
@click.option("--results", type=click.Path(path_type=Path), help="For the tables.  [default: FILE's folder, or --out]")
@click.option("--jobs", "n_jobs", type=int, default=-1, show_default=True, help="Runs at a time; -1 is one per core.")
@click.option("--backend", type=click.Choice(["loky", "dask"]), default="loky", show_default=True)
@click.option("--scheduler", metavar="ADDRESS", help="Of dask, such as tcp://host:8786.  [default: one started here]")
@click.option("--keep", is_flag=True, help="Keep what the tables tell of runs with the same settings; train the rest.")
@click.option("--collect", is_flag=True, help="Train nothing: only write the tables of the runs that have ended.")
def sweep(what, grid, seeds, env_kwargs, settings, out, results, n_jobs, backend, scheduler, keep, collect) -> None:
    """Train every variant on every task with every seed: as the TOML FILE says, or a grid of settings on ENV_ID.

    Runs that have ended are not run again and interrupted ones go on, so the same command resumes a sweep. A run that
    fails does not end the others; the table says why it failed. One bar counts the environment steps of all runs.
    The tables are runs.csv (a row per run), curves.csv (a row per evaluation) and how.json (versions and settings).
    Where they are there but the runs' folders are not, --keep adds to them: a seed, a variant, what had not ended.
    On a cluster, --out is a folder that all machines share.

    \b
    her sweep results/first_look/sweep.toml
    her sweep her/Push-v0 --grid strategy=future,final --grid k=1,4,8 --seeds 0-4 --out runs/push-goals
    her sweep her/BitFlip-v0 --grid env_kwargs.n_bits=10,20 --grid agent_settings.learning_rate=1e-3,2e-3
    her sweep results/first_look/sweep.toml --backend dask --scheduler tcp://host:8786
    """
    with needs("train"):
        from her.sweeps import running
        from her.sweeps.grid import plan, read_sweep
    with needs("cluster"):
        if backend == "dask":
            import_module("distributed")
    file, from_file = Path(what), what.endswith(".toml")
    if from_file and (grid or seeds or env_kwargs or settings):
        raise click.ClickException("a sweep's file says all: --grid, --seeds, --env-kwargs and --set go with an ENV_ID")
    if scheduler and backend != "dask":
        raise click.ClickException(f"scheduler: only --backend dask has one, got {scheduler!r}")
    if from_file and not file.exists():
        raise click.ClickException(f"no file {what!r}")
    seeds = seeds or [0, 1, 2, 3, 4]
    task = {"name": re.split("[/:]", what)[-1], "env_id": what, "env_kwargs": env_kwargs}
    with told(TypeError, ValueError):
        if from_file:
            jobs, words = read_sweep(file), [file.as_posix()]
        else:
            jobs = plan({"seeds": seeds, "settings": settings, "task": [task], "grid": grid})
            lists = {key: ",".join(map(str, values)) for key, values in grid.items()}
            given = [("--grid", lists), ("--env-kwargs", env_kwargs), ("--set", settings)]
            words = [what, "--seeds", ",".join(map(str, seeds))]
            words += [f"{flag} {key}={value}" for flag, pairs in given for key, value in pairs.items()]
    out = out or Path("runs") / (file.resolve().parent.name if from_file else f"sweep-{task['name']}")
    results = results or (file.parent if from_file else out)
    try:
        kept = running.in_tables(jobs, results) if keep else []
    except FileNotFoundError:
        raise click.ClickException(f"results: no tables in {str(results)!r}, so there is nothing to keep") from None
    records, names = list(kept), {record.name for record in kept}
    if collect:
        jobs = [job for job in jobs if job.name in names or running.has_ended(job, out)]
        if not jobs:
            raise click.ClickException(f"out: no run of this sweep has ended in {str(out)!r}")
    todo = [job for job in jobs if job.name not in names]
    command = " ".join(["her sweep", *words])
    with _progress_bar(todo, out) as bar:
        for record in running.sweep(jobs, out, results, command, kept, n_jobs, backend, scheduler):
            records.append(record)
            bar.set_postfix(runs=f"{len(records) - len(kept)}/{len(todo)}", refresh=False)
            said = record.status if record.final is None else f"{record.final:.2f}"
            bar.write(f"{record.name}: {said}", file=sys.stderr)
    done, kept_too = sum(record.result is not None for record in records), f" ({len(kept)} kept)" if kept else ""
    click.echo(f"{done} of {len(records)} runs done{kept_too}; tables in {results}")
    if done < len(records):
        sys.exit(1)


@contextmanager
def _progress_bar(jobs: list[Job], out: Path) -> Iterator[tqdm]:
    """A bar of the environment steps of all runs, as their folders tell; one that ended early counts in full."""
    from tqdm import tqdm

    from her.sweeps.running import steps_done

    total = sum(job.config.max_steps for job in jobs)
    with tqdm(total=total, unit="step", unit_scale=True, file=sys.stderr) as bar:
        stop = threading.Event()

        def watch() -> None:
            ended = False
            while not ended:
                ended = stop.wait(2.0)
                bar.update(sum(steps_done(job, out) for job in jobs) - bar.n)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield bar
        finally:
            stop.set()
            watcher.join()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Of the success rate.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File.  [default: FOLDER/table.md]")
def compare(folder: Path, threshold: float, out: Path | None) -> None:
    """Compare the variants of the sweep in FOLDER: steps to a success rate, and success in the end, with intervals."""
    with needs("train"):
        from her.sweeps.comparison import as_markdown
        from her.sweeps.comparison import compare as compare_variants
    with told(FileNotFoundError, ValueError):
        table = as_markdown(compare_variants(folder, threshold), threshold)
    (out or folder / "table.md").write_text(table, encoding="utf-8")
    click.echo(table)
