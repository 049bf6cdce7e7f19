"""``her train``."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from her.dotted import nest
from her.goals import read_strategy
from her.options import key_values, needs, told

if TYPE_CHECKING:
    from her.training.runs import Run, Summary


def strategy(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """A strategy's name, or shares of several, in lower case."""
    if given.lower() != "none":
        try:
            read_strategy(given)
        except ValueError as error:
            raise click.BadParameter(str(error).removeprefix("strategy: "), ctx=ctx, param=param) from None
    return given.lower()


PRIORITIES = click.Choice(["none", "td", "rank", "energy", "moved"])
CURRICULA = click.Choice(["none", "reach", "cher"])
STRATEGY = "Of hindsight: final, future, episode, random, shares of several, or none."
PRIORITY = "Which transitions come oftener.  [default: by environment; none without hindsight]"


@click.command()
@click.argument("env_id")
@click.option("--env-kwargs", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Of the environment.")
@click.option("--strategy", callback=strategy, default="future", show_default=True, help=STRATEGY)
@click.option("--k", type=click.IntRange(0), default=4, show_default=True, help="Substitute goals per real one.")
@click.option("--priority", type=PRIORITIES, help=PRIORITY)
@click.option("--curriculum", type=CURRICULA, default="none", show_default=True, help="Which goals come when.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--max-steps", type=click.IntRange(1), help="Environment steps, at most.  [default: by environment]")
@click.option("--until-success", type=click.FloatRange(0, 1, min_open=True), help="Stop at this success rate.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", callback=key_values, help="Other settings.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the run.  [default: runs/ENV-STRATEGY-SEED]")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out (or begin, if there is none).")
@click.option("--checkpoint-seconds", type=click.FloatRange(0), default=10, show_default=True, help="Between two.")
@click.option("--tensorboard", is_flag=True, help="Also write curves for TensorBoard into --out.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def train(env_id, env_kwargs, settings, out, resume, checkpoint_seconds, tensorboard, quiet, **options) -> None:
    """Train an agent on the goal environment ENV_ID, or MODULE:ENV_ID if the module registers it.

    Writes config.json, progress.csv (a row per evaluation), summary.json and a checkpoint into --out. A run that was
    killed goes on with --resume and ends where it would have ended.

    \b
    her train her/BitFlip-v0 --env-kwargs n_bits=30 --until-success 0.95
    her train her/Push-v0 --strategy none --max-steps 200000 --out runs/push-without
    her train her/Push-v0 --strategy future=0.5,actual=0.5
    her train her/Push-v0 --priority energy --curriculum reach --set curriculum_settings.rollouts=0.5
    her train FetchPush-v4 --until-success 0.95
    her train my_module:MyEnv-v0 --env-kwargs max_episode_steps=50
    """
    with needs("train"):
        from her.training import settings_for, use_one_thread
        from her.training.runs import Run

        use_one_thread()
    out = out or Path("runs") / _name(env_id, env_kwargs, **options)
    given = {name: value for name, value in options.items() if value is not None}
    if options["strategy"] == "none":  # without hindsight replay is plain, unless it is asked not to be
        given.setdefault("priority", "none")
    with told(ValueError, TypeError, FileExistsError, FileNotFoundError):
        config = settings_for(env_id, **nest({"env_kwargs": env_kwargs}, given, settings))
        resume = resume and (out / "config.json").exists()
        run = Run(config, out, resume=resume, checkpoint_seconds=checkpoint_seconds)
    with run:
        click.echo(_plan(run), err=True)
        try:
            summary = _with_progress_bar(run, quiet, tensorboard)
        except (TypeError, ValueError) as error:
            if not re.match(r"\w+: ", str(error)):  # names no argument: a fault of the program
                raise
            raise click.ClickException(str(error)) from None
    judged = "at the end" if summary.success_at == "end" else "at any step"
    success = "unknown, for nothing tells of it (--set success_function=module:function does)"
    if summary.success_rate is not None:
        success = "{:.2f} [{:.2f}, {:.2f}]".format(summary.success_rate, *summary.success_interval)
    click.echo(
        f"{summary.env_id} {summary.strategy}: success {judged} {success} after {summary.env_steps:,} steps, "
        f"{summary.updates:,} updates, {summary.cpu_seconds:.1f} CPU-seconds; see {out}"
    )


def _name(env_id: str, env_kwargs: dict, strategy: str, priority: str | None, curriculum: str, seed: int, **_) -> str:
    """Of a run's folder: what it trains on, and how."""
    arguments = [f"{key}={value}" for key, value in env_kwargs.items()]
    variant = [strategy, priority, curriculum if curriculum != "none" else None]
    return "-".join([re.split("[/:]", env_id)[-1], *arguments, *filter(None, variant), f"seed={seed}"])


def _plan(run: Run) -> str:
    """What a round costs, and how the learner sees rewards, if not as they are."""
    trainer, config = run.trainer, run.config
    together = not hasattr(trainer.envs, "envs")  # natively vectorised: all in the time of one
    seconds = [n * trainer.horizon * trainer.look.seconds_per_step for n in (config.n_envs, config.evaluation_episodes)]
    play, judge = (seconds[0] / config.n_envs, seconds[1] / config.evaluation_episodes) if together else seconds
    text = (
        f"A round: {config.n_envs} episodes of {trainer.horizon} steps (about {play:.1f} s) and "
        f"{config.updates_per_round} updates; every {config.evaluate_every} rounds {config.evaluation_episodes} "
        f"episodes of evaluation (about {judge:.1f} s), at the end twice as many."
    )
    scale = trainer.scale
    if (scale.worst, scale.best) != (-1, 0):
        clip = "clipped to what they can come to" if scale.bounded else "not clipped"
        text += f" Rewards from {scale.worst:g} to {scale.best:g} are learned as -1 to 0, targets {clip}."
    return text


def _with_progress_bar(run: Run, quiet: bool, tensorboard: bool) -> Summary:
    """Train with a bar that counts environment steps and tells the success rate."""
    from tqdm import tqdm

    total = run.config.max_steps
    with ExitStack() as opened:
        log = opened.enter_context(tensorboard_log(run)) if tensorboard else lambda: None
        bar = opened.enter_context(tqdm(total=total, unit="step", unit_scale=True, disable=quiet, file=sys.stderr))
        bar.update(min(run.trainer.env_steps, total))

        def show(progress) -> None:
            bar.update(min(progress.env_steps, total) - bar.n)
            if progress.success_rate is not None:
                bar.set_postfix(success=f"{progress.success_rate:.2f}", refresh=False)
            log()

        return run.train(show)


@contextmanager
def tensorboard_log(run: Run) -> Iterator[Callable[[], None]]:
    """What writes the evaluations that have come since the last time; after a checkpoint, the log begins anew."""
    with needs("tensorboard"):
        from tensorboardX import SummaryWriter
    shutil.rmtree(run.folder / "tensorboard", ignore_errors=True)
    written = 0
    with SummaryWriter(str(run.folder / "tensorboard")) as writer:

        def write() -> None:
            nonlocal written
            for row in run.rows[written:]:
                for name, value in row.items():
                    if name != "env_steps" and value is not None:
                        writer.add_scalar(name, value, global_step=row["env_steps"])
            written = len(run.rows)
            writer.flush()

        write()
        yield write
