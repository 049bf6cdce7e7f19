"""The command ``her``."""

from __future__ import annotations

import ast
import re
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import click


class LazyGroup(click.Group):
    """A group whose commands live in modules that are imported when they are called: ``her --help`` is quick."""

    COMMANDS: ClassVar[dict[str, str]] = {
        "chapters": "her_course.commands:chapters",
        "doctor": "her_course.commands:doctor",
        "grade": "her_course.grading.commands:grade",
        "export": "her.policies.export:export",
        "exercises": "her_course.commands:exercises",
        "lab": "her_course.commands:lab",
        "play": "her.policies.playing:play_command",
        "release": "her_course.commands:release",
        "run": "her_course.commands:run",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.COMMANDS})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.COMMANDS:
            module, attribute = self.COMMANDS[name].split(":")
            return getattr(import_module(module), attribute)
        return super().get_command(ctx, name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="her-course", prog_name="her")
def main() -> None:
    """Hindsight Experience Replay: train agents, run the course, see that everything is in order."""


def key_values(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE words, also several in one, with commas between; values read as Python literals where they are."""
    pairs: dict[str, Any] = {}
    for word in given:
        for pair in _split(word):
            key, equals, value = pair.partition("=")
            if not (key and equals):
                raise click.BadParameter(f"expected KEY=VALUE, got {pair!r}", ctx=ctx, param=param)
            try:
                pairs[key.strip()] = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError):
                pairs[key.strip()] = value.strip()
    return pairs


def _split(word: str) -> list[str]:
    """Split at the commas that stand before another ``KEY=``, so that ``a=(1, 2),b=3`` gives two."""
    return re.split(r",(?=\s*[\w.]+\s*=)", word)


STRATEGIES = click.Choice(["final", "future", "episode", "random", "none"])
PRIORITIES = click.Choice(["none", "td", "rank", "energy", "moved"])
CURRICULA = click.Choice(["none", "reach", "cher"])


@main.command()
@click.argument("env_id")
@click.option("--env-kwargs", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Of the environment.")
@click.option("--strategy", type=STRATEGIES, default="future", show_default=True, help="Of hindsight; none is without.")
@click.option("--k", type=click.IntRange(0), default=4, show_default=True, help="Substitute goals per real one.")
@click.option(
    "--priority",
    type=PRIORITIES,
    help="Which transitions come oftener.  [default: by environment; none without hindsight]",
)
@click.option("--curriculum", type=CURRICULA, default="none", show_default=True, help="Which goals come when.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--max-steps", type=click.IntRange(1), help="Environment steps, at most.  [default: by environment]")
@click.option("--until-success", type=click.FloatRange(0, 1, min_open=True), help="Stop at this success rate.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Other settings.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the run.  [default: runs/ENV-STRATEGY-SEED]")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out (or begin, if there is none).")
@click.option("--checkpoint-seconds", type=click.FloatRange(0), default=10, show_default=True, help="Between two.")
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Processes that step robots.")
@click.option("--tensorboard", is_flag=True, help="Also write curves for TensorBoard into --out.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def train(
    env_id,
    env_kwargs,
    strategy,
    k,
    priority,
    curriculum,
    seed,
    max_steps,
    until_success,
    settings,
    out,
    resume,
    checkpoint_seconds,
    workers,
    tensorboard,
    quiet,
) -> None:
    """Train an agent on the goal environment ENV_ID.

    Writes config.json, progress.csv (a row per evaluation), summary.json and a checkpoint into --out. A run that was
    killed goes on with --resume and ends where it would have ended.

    \b
    her train her/BitFlip-v0 --env-kwargs n_bits=30 --until-success 0.95
    her train her/Push-v0 --strategy none --max-steps 200000 --out runs/push-without
    her train her/Push-v0 --priority energy --curriculum reach --set curriculum_settings.rollouts=0.5
    her train her/Reach-v0 --set agent_settings.learning_rate=1e-3 --set n_envs=16
    her train FetchPush-v4 --until-success 0.95 --workers 2
    her train her/Push-v0 --tensorboard --out runs/push && tensorboard --logdir runs
    """
    try:
        from her.runs import Run
        from her.training import settings_for
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[train]'") from None
    changes: dict[str, Any] = {"strategy": strategy, "k": k, "seed": seed, "curriculum": curriculum}
    if priority or strategy == "none":  # without hindsight replay is plain, unless it is asked not to be
        changes["priority"] = priority or "none"
    changes |= {"max_steps": max_steps} if max_steps else {}
    changes |= {"until_success": until_success} if until_success else {}
    for key, value in settings.items():
        group, dot, name = key.partition(".")
        where = changes.setdefault(group, {}) if dot else changes
        if not isinstance(where, dict):
            raise click.ClickException(f"set: {group} is a single setting, it has no {name!r}")
        where[name or key] = value
    if out is None:
        variant = [strategy, priority, curriculum if curriculum != "none" else None]
        given = [f"{k}={v}" for k, v in env_kwargs.items()]
        words = [env_id.split("/")[-1], *given, *filter(None, variant), f"seed={seed}"]
        out = Path("runs") / "-".join(words)
    try:
        config = settings_for(env_id, env_kwargs, **changes)
        resume = resume and (out / "config.json").exists()
        run = Run(config, out, resume=resume, checkpoint_seconds=checkpoint_seconds, workers=workers)
        log = _tensorboard_log(run) if tensorboard else None
    except (ValueError, TypeError, FileExistsError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    try:
        summary = _with_progress_bar(run, quiet, log)
    except (TypeError, ValueError) as error:
        if not re.match(r"\w+: ", str(error)):  # names no argument: a fault of the program
            raise
        raise click.ClickException(str(error)) from None
    finally:
        if log:
            log.close()
    low, high = summary.success_interval
    judged = "at the end" if summary.success_at == "end" else "at any step"
    click.echo(
        f"{summary.env_id} {strategy}: success {judged} {summary.success_rate:.2f} [{low:.2f}, {high:.2f}] after "
        f"{summary.env_steps:,} steps, {summary.updates:,} updates, {summary.cpu_seconds:.1f} CPU-seconds; see {out}"
    )


def _tensorboard_log(run):
    try:
        from her.tensorboard import TensorBoardLog
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[tensorboard]'") from None
    return TensorBoardLog(run.folder / "tensorboard", run.rows)


def _with_progress_bar(run, quiet: bool, log=None):
    """Train with a bar that counts environment steps and tells the success rate."""
    from tqdm import tqdm

    with tqdm(total=run.config.max_steps, unit="step", unit_scale=True, disable=quiet, file=sys.stderr) as bar:
        bar.update(min(run.trainer.env_steps, run.config.max_steps))

        def show(progress) -> None:
            bar.update(min(progress.env_steps, run.config.max_steps) - bar.n)
            if progress.success_rate is not None:
                bar.set_postfix(success=f"{progress.success_rate:.2f}", refresh=False)
            if log:
                log.write(run.rows)

        return run.train(show)


def grids(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, list]:
    """KEY=V1,V2,… words; values read as Python literals where they are."""
    grid: dict[str, list] = {}
    for word in given:
        key, equals, values = word.partition("=")
        if not (key and equals and values):
            raise click.BadParameter(f"expected KEY=V1,V2,…, got {word!r}", ctx=ctx, param=param)
        try:
            grid[key.strip()] = list(ast.literal_eval(f"({values},)"))
        except (ValueError, SyntaxError):
            grid[key.strip()] = [key_values(ctx, param, (f"_={value}",))["_"] for value in values.split(",")]
    return grid


def numbers(ctx: click.Context, param: click.Parameter, given: str | None) -> list[int] | None:
    """Whole numbers: "0-4", "0,3,7", or both."""
    if given is None:
        return None
    parts = [re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part) for part in given.split(",")]
    if not all(parts):
        raise click.BadParameter(f"expected whole numbers as in 0-4 or 0,3,7, got {given!r}", ctx=ctx, param=param)
    return [n for part in parts for n in range(int(part[1]), int(part[2] or part[1]) + 1)]


@main.command()
@click.argument("what", metavar="FILE|ENV_ID")
@click.option(
    "--grid", multiple=True, metavar="KEY=V1,V2,…", callback=grids, help="Of a setting, or of env_kwargs.KEY."
)
@click.option("--seeds", metavar="0-4", callback=numbers, help="Of each combination.  [default: 0-4]")
@click.option("--env-kwargs", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Of the environment.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Settings of all runs."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the runs.  [default: runs/NAME]")
@click.option("--results", type=click.Path(path_type=Path), help="For the tables.  [default: FILE's folder, or --out]")
@click.option("--jobs", type=int, default=-1, show_default=True, help="Runs at a time; -1 is one per core.")
@click.option("--backend", type=click.Choice(["loky", "dask"]), default="loky", show_default=True)
@click.option("--scheduler", metavar="ADDRESS", help="Of dask, such as tcp://host:8786.  [default: one started here]")
@click.option("--keep", is_flag=True, help="Keep what the tables tell of runs with the same settings; train the rest.")
@click.option("--collect", is_flag=True, help="Train nothing: only write the tables of the runs that have ended.")
def sweep(what, grid, seeds, env_kwargs, settings, out, results, jobs, backend, scheduler, keep, collect) -> None:
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
    try:
        from her.experiments import plan, read_results, read_sweep, write_results
        from her.experiments import sweep as run_sweep

        if backend == "dask":
            import_module("distributed")
    except ModuleNotFoundError as error:
        extra = "cluster" if error.name == "distributed" else "train"
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[{extra}]'") from None
    file = Path(what)
    from_file = file.suffix == ".toml"
    if from_file and (grid or seeds or env_kwargs or settings):
        raise click.ClickException("a sweep's file says all: --grid, --seeds, --env-kwargs and --set go with an ENV_ID")
    if scheduler and backend != "dask":
        raise click.ClickException(f"scheduler: only --backend dask has one, got {scheduler!r}")
    try:
        if from_file:
            runs, words = read_sweep(file), [file.as_posix()]
        else:
            seeds = seeds or [0, 1, 2, 3, 4]
            task = {"name": what.split("/")[-1], "env_id": what, "env_kwargs": env_kwargs}
            runs = plan({"seeds": seeds, "settings": settings, "task": [task], "grid": grid})
            words = [what, *(f"--grid {k}={','.join(map(str, v))}" for k, v in grid.items())]
            words += [f"--seeds {','.join(map(str, seeds))}"]
            words += [f"--env-kwargs {k}={v}" for k, v in env_kwargs.items()] + [
                f"--set {k}={v}" for k, v in settings.items()
            ]
    except FileNotFoundError:
        raise click.ClickException(f"no file {what!r}") from None
    except (TypeError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    out = out or Path("runs") / (file.resolve().parent.name if from_file else f"sweep-{task['name']}")
    results = results or (file.parent if from_file else out)
    place = {job.name: i for i, job in enumerate(runs)}
    try:
        ended = read_results(runs, results) if keep else []
    except FileNotFoundError as error:
        raise click.ClickException(f"results: {error.filename} is missing, so there is nothing to keep") from None
    kept = {outcome.job.name for outcome in ended}
    runs = [job for job in runs if job.name not in kept]
    if collect:
        runs = [job for job in runs if (out / job.name / "summary.json").exists()]
        if not (runs or kept):
            raise click.ClickException(f"out: no run of this sweep has ended in {str(out)!r}")
    command = " ".join(["her sweep", *words])
    with _sweep_bar(runs, out) as bar:

        def show(outcome) -> None:
            ended.append(outcome)
            write_results(sorted(ended, key=lambda one: place[one.job.name]), results, command)
            said = f"{outcome.result['success_rate']:.2f}" if outcome.result else outcome.row()["status"]
            bar.set_postfix(runs=f"{len(ended) - len(kept)}/{len(runs)}", refresh=False)
            bar.write(f"{outcome.job.name}: {said}", file=sys.stderr)

        run_sweep(runs, out, jobs, show, backend, scheduler)
    failed = sum(outcome.result is None for outcome in ended)
    kept_too = f" ({len(kept)} kept)" if kept else ""
    click.echo(f"{len(ended) - failed} of {len(ended)} runs done{kept_too}; tables in {results}")
    if failed:
        sys.exit(1)


@contextmanager
def _sweep_bar(runs, out: Path):
    """A bar of the environment steps of all runs, as their folders tell; one that ended early counts in full."""
    from tqdm import tqdm

    from her.experiments import steps_done

    total = sum(job.config.max_steps for job in runs)
    with tqdm(total=total, unit="step", unit_scale=True, file=sys.stderr) as bar:
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(2.0):
                bar.update(sum(steps_done(job, out / job.name) for job in runs) - bar.n)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield bar
        finally:
            stop.set()
            watcher.join()
            bar.update(sum(steps_done(job, out / job.name) for job in runs) - bar.n)


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--against", metavar="SETTING", help="Final success over a setting, such as env_kwargs.n_bits.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="en", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where to draw.  [default: FOLDER/figure.png]")
def plot(folder, against, lang, out) -> None:
    """Draw the curves of the runs in FOLDER: means over seeds with 95 % bootstrap intervals.

    FOLDER holds the tables of a sweep, or runs of `her train`, however deep. A panel for each environment; a curve for
    each of the settings in which the runs differ.

    \b
    her plot runs
    her plot results/bit_flip --against env_kwargs.n_bits
    """
    try:
        from her.plots.curves import draw_records, draw_records_against

        figures = import_module("her_course.figures")  # which have a font for Chinese
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[course]'") from None
    from her.records import read_records, read_titles

    figures.use_style(lang)
    try:
        records = read_records(folder)
        file = folder / "sweep.toml"
        titles = read_titles(file, lang) if file.exists() else {}
        figure = draw_records_against(records, against, lang) if against else draw_records(records, lang, titles)
    except FileNotFoundError as error:
        message = f"folder: {error.filename} is missing; make it with `her sweep`" if error.filename else str(error)
        raise click.ClickException(message) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    out = out or folder / "figure.png"
    figure.savefig(out, dpi=144, metadata={"Software": None})
    click.echo(f"drawn: {out}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Of the success rate.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File.  [default: FOLDER/table.md]")
def compare(folder, threshold, out) -> None:
    """Compare the variants of the sweep in FOLDER: steps to a success rate, and success in the end, with intervals."""
    try:
        from her.comparison import as_markdown
        from her.comparison import compare as compare_variants
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[train]'") from None
    try:
        table = as_markdown(compare_variants(folder, threshold), threshold)
    except FileNotFoundError as error:
        raise click.ClickException(f"folder: {error.filename} is missing; make it with `her sweep`") from None
    (out or folder / "table.md").write_text(table, encoding="utf-8")
    click.echo(table)


if __name__ == "__main__":
    main()
