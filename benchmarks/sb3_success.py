"""After how many steps learners of Stable-Baselines3 succeed.

`priorities`: its DQN on 30 bits, with our buffer, every transition alike and by TD error.
`fetch`: its SAC on FetchPush, with its own HerReplayBuffer.

A run ends when an evaluation of 100 episodes, and then 200 fresh ones, reach 0.95, without exploration: on bits at any
step, otherwise at an episode's last step. The 200 stand in the table.
"""

from __future__ import annotations

import one_thread  # noqa: F401

# isort: split

import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import measuring
import numpy as np
from stable_baselines3 import SAC, HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv
from tqdm import tqdm

import her  # noqa: F401 (registers her/BitFlip-v0)
from her.integrations import sb3
from her.td_error import ProportionalTransitions

THRESHOLD, EVALUATED, CONFIRMED = 0.95, 100, 200


class Task(NamedTuple):
    """``updates`` after every episode of ``n_envs`` environments, evaluations ``every`` so many, ``most`` steps."""

    env_id: str
    env_kwargs: dict[str, Any]
    horizon: int
    n_envs: int
    updates: int
    every: int
    most: int

    @property
    def grid(self) -> int:
        """Environment steps between two evaluations."""
        return self.n_envs * self.horizon * self.every


TASKS = {
    "30 bits": Task("her/BitFlip-v0", {"n_bits": 30}, 30, 64, 80, 2, 300_000),
    "FetchPush": Task("gymnasium_robotics:FetchPush-v4", {}, 50, 16, 200, 20, 240_000),
}


def transitions(by_error: bool, about: Task) -> dict[str, Any]:
    """The buffer's: by TD error, β at 1 when ``most`` steps are taken; or every transition alike."""
    batches = about.updates * about.most // (about.n_envs * about.horizon)
    return {"transitions": ProportionalTransitions(beta_batches=batches)} if by_error else {}


def dqn(envs: VecEnv, about: Task, seed: int, by_error: bool) -> BaseAlgorithm:
    """With the settings of her/settings/bit_flip.toml, as far as SB3 has them.

    It is not double and clips no targets, and the target network follows at every step of the environments.
    """
    return sb3.DQN(
        "MultiInputPolicy",
        envs,
        learning_rate=2e-3,
        buffer_size=40_000,
        batch_size=256,
        tau=0.02,
        target_update_interval=1,
        gamma=0.98,
        exploration_initial_eps=0.2,
        exploration_final_eps=0.2,
        policy_kwargs={"net_arch": [256]},
        replay_buffer_kwargs=transitions(by_error, about),
        **rounds(about, seed),
    )


def sac(envs: VecEnv, about: Task, seed: int) -> BaseAlgorithm:
    """With the settings that our SAC has on the robots (`her/settings/fetch_pick_and_place.toml`)."""
    return SAC(
        "MultiInputPolicy",
        envs,
        learning_rate=1e-3,
        batch_size=256,
        tau=0.01,
        gamma=0.95,
        policy_kwargs={"net_arch": [256, 256]},
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        **rounds(about, seed),
    )


def rounds(about: Task, seed: int) -> dict[str, Any]:
    """An episode of every environment, then the updates."""
    steps = about.horizon
    return {
        "train_freq": (steps, "step"),
        "gradient_steps": about.updates,
        "learning_starts": steps * about.n_envs,
        "seed": seed,
        "device": "cpu",
    }


EXPERIMENTS = {
    "priorities": [
        ("30 bits", "DQN", lambda *run: dqn(*run, by_error=False)),
        ("30 bits", "DQN, by TD error", lambda *run: dqn(*run, by_error=True)),
    ],
    "fetch": [("FetchPush", "SAC with HerReplayBuffer", sac)],
}


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n", 1))
@click.argument("experiment", type=click.Choice(list(EXPERIMENTS)))
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1))
@measuring.out_option
def main(experiment: str, seeds: int, out: Path) -> None:
    rows = []
    for name, learner, make in EXPERIMENTS[experiment]:
        for seed in range(seeds):
            rows.append({"task": name, "learner": learner, "seed": seed, **learn(TASKS[name], make, seed)})
            click.echo(rows[-1])
    cells = []
    for name, learner, _ in EXPERIMENTS[experiment]:
        runs = [row for row in rows if (row["task"], row["learner"]) == (name, learner)]
        steps = " · ".join(f"{r['steps']:,}" if r["success"] >= THRESHOLD else "–" for r in runs)
        success = " · ".join(f"{r['success']:.3g}" for r in runs)
        seconds = [round(r["cpu_seconds"]) for r in runs]
        span = " to ".join(f"{s:,}" for s in sorted({min(seconds), max(seconds)}))
        cells.append((name, learner, steps, success, span))
    header = ["task", "learner", f"steps to {THRESHOLD}, every seed", "success at the end of the run", "CPU seconds"]
    about = "".join(
        f"{name}: at most {task.most:,} steps, an evaluation every {task.grid:,}, {task.updates} updates for "
        f"{task.n_envs * task.horizon:,} steps."
        for name, task in TASKS.items()
        if name in {row["task"] for row in rows}
    )
    text = f"{__doc__}\n{about}\n\n{measuring.table(header, cells)}"
    measuring.report(f"sb3_{experiment}", "Success in Stable-Baselines3", text, rows, out)


def learn(about: Task, make: Any, seed: int) -> dict[str, float]:
    """Steps, success and CPU seconds of a run until it succeeds, or until it has had its steps."""
    start = time.process_time()
    envs, judge = (
        make_vec_env(about.env_id, about.n_envs, seed=s, env_kwargs=about.env_kwargs) for s in (seed, 10_000 + seed)
    )
    model = make(envs, about, seed)
    with tqdm(total=about.most, unit="step", unit_scale=True, leave=False) as bar:
        while model.num_timesteps < about.most:
            model.learn(about.grid, reset_num_timesteps=False)
            bar.update(model.num_timesteps - bar.n)
            success = evaluate(model, judge, about, EVALUATED)
            bar.set_postfix(success=success)
            if success >= THRESHOLD and (success := evaluate(model, judge, about, CONFIRMED)) >= THRESHOLD:
                break
        else:
            success = evaluate(model, judge, about, CONFIRMED)
    envs.close()
    judge.close()
    return {"steps": model.num_timesteps, "success": success, "cpu_seconds": time.process_time() - start}


def evaluate(model: BaseAlgorithm, envs: VecEnv, about: Task, episodes: int) -> float:
    """The share of fresh episodes in which the policy reaches its goal, on bits at any step, else at the last one."""
    successes: list[bool] = []
    while len(successes) < episodes:
        observations, reached = envs.reset(), np.zeros(envs.num_envs, bool)
        for _ in range(about.horizon):
            actions, _ = model.predict(observations, deterministic=True)
            observations, _, _, infos = envs.step(actions)
            now = np.array([info["is_success"] for info in infos], bool)
            reached = reached | now if "n_bits" in about.env_kwargs else now
        successes.extend(reached)
    return float(np.mean(successes[:episodes]))


if __name__ == "__main__":
    main()
