"""``her play`` and ``her export``: how often a policy succeeds, a film of it, and a small file that holds it."""

from contextlib import closing
from pathlib import Path

import click

from her.options import needs, told

ROBOTS = 4  # a robot takes 12 MB; episodes are played in rounds


@click.command()
@click.argument("run")
@click.option("--episodes", type=click.IntRange(1), default=100, show_default=True, help="That are judged.")
@click.option("--seed", type=click.IntRange(0), default=20_000, show_default=True, help="Of starts and goals.")
@click.option("--gif", type=click.Path(dir_okay=False, path_type=Path), help="Film to write: .gif, .png or .webp.")
@click.option("--films", type=click.IntRange(1), default=3, show_default=True, help="Episodes in the film.")
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Frames a second.  [default: the environment's]")
def play(run: str, episodes: int, seed: int, gif: Path | None, films: int, fps: float | None) -> None:
    """Play the policy RUN and say how often it succeeds.

    RUN is the folder of a run, whose newest checkpoint plays; a file of `her export`; or the environment of a policy
    that comes with the package.

    \b
    her play runs/Push-v0-future-seed=0 --gif push.gif
    her play FetchReach-v4 --episodes 50
    """
    with needs("train"):
        from her.envs.robotics import is_robotic
        from her.policies import load_policy, policy_of_run, save_films
        from her.policies import play as film
        from her.training.evaluation import evaluate, make_envs
    with told(ValueError, FileNotFoundError):
        policy = policy_of_run(Path(run)) if Path(run).is_dir() else load_policy(run)
        n_envs = min(episodes, ROBOTS if is_robotic(policy.env_id) else 100)
        with closing(make_envs(policy.env_id, n_envs, **policy.env_kwargs)) as envs:
            evaluation = evaluate(policy, envs, seed, episodes)
    for at, where in (("end", "at the end"), ("any", "at any step")):
        rate, (low, high) = evaluation.success_rate(at), evaluation.success_interval(at)
        click.echo(f"success {where}: {rate:.2f} [{low:.2f}, {high:.2f}] of {episodes} episodes")
    if gif:
        with needs("course"), told(RuntimeError, ValueError):
            save_films([film(policy, seed + i) for i in range(films)], gif, fps)
        click.echo(f"filmed: {gif}")


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
    with needs("train"):
        from her.policies import export_policy
        from her.training import use_one_thread
    use_one_thread()
    out = out or run / "policy.npz"
    with told(ValueError, FileNotFoundError):
        made = export_policy(run, out, episodes, seed).made
    size = out.stat().st_size / 1000
    at = made["success_at"]
    click.echo(f"{out}: {size:.0f} kB, success {made['success_rate']:.3f} of {episodes} episodes at the {at}")
