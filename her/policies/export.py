"""``her export``: the policy of a run as a small file, judged as it is stored."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: RUN/policy.npz]")
@click.option("--episodes", type=click.IntRange(1), default=200, show_default=True, help="Of the judging evaluation.")
@click.option("--seed", type=click.IntRange(0), default=10_000, show_default=True, help="Of the judging evaluation.")
def export(run: Path, out: Path | None, episodes: int, seed: int) -> None:
    """Store the policy of the folder RUN, as its newest checkpoint left it, in a small file without pickle.

    Its weights get half the precision; the success rate in the file is that of the policy as it is stored, in episodes
    drawn for this alone.

    \b
    her export runs/fetch/push-her_moved-0 --out her/policies/FetchPush-v4.npz
    """
    try:
        from her.evaluation import evaluate, wilson_interval
        from her.policies import policy_of
        from her.runs import load_trainer
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[train]'") from None
    try:
        trainer = load_trainer(run)
    except (ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    config = trainer.config
    success = evaluate(policy_of(trainer), trainer.envs, seed, episodes).success_rate(config.success_at)
    made = {
        "config": config.to_dict(),
        "env_steps": trainer.env_steps,
        "updates": trainer.updates,
        "cpu_seconds": round(trainer.cpu_seconds, 1),
        "success_rate": success,
        "success_interval": wilson_interval(round(success * episodes), episodes),
        "success_at": config.success_at,
        "episodes": episodes,
        "evaluation_seed": seed,
    }
    with_versions = run / "made_with.json"
    if with_versions.exists():
        made |= json.loads(with_versions.read_text(encoding="utf-8"))
    out = out or run / "policy.npz"
    policy_of(trainer, **made).save(out)
    size = out.stat().st_size / 1000
    click.echo(f"{out}: {size:.0f} kB, success {success:.3f} of {episodes} episodes at the {config.success_at}")
