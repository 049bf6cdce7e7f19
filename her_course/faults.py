"""What the mistakes of "Find the bug" do to learning: trained as handed out, and mended.

The curves that the exercises show are stored; this made them:

>>> # python -m her_course.faults results/faults/curves.csv

A loop below is written around the one function that has the mistake. Given your own, it trains with that.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd

from her_course.exercises import reference
from her_course.exercises.from_the_start import future_rows
from her_course.exercises.goal_left_out import network_inputs
from her_course.exercises.half_swapped import hindsight_inputs
from her_course.exercises.overwritten import hindsight_batch
from her_course.exercises.scored_early import score_again
from her_course.exercises.whose_energy import episode_energies

BITS = 15
Curve = tuple[np.ndarray, np.ndarray]
Memory = dict[str, np.ndarray]


def all_bits(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """(n,) 0.0 where all bits agree, else -1.0."""
    return np.all(achieved == desired, axis=-1) - 1.0


# ---------------------------------------------------------------------------------------------------- flipping 15 bits


def learn_to_flip(
    batch: Callable[[Memory, int, np.random.Generator], tuple[np.ndarray, ...]],
    seed: int,
    rounds: int,
    see: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda states, goals: np.hstack([states, goals]),
    extra: Callable[[Memory, np.random.Generator], Memory] = lambda played, rng: played,
) -> Curve:
    """The loop of section 4.10: rounds of 64 episodes of flipping 15 bits, and 80 updates of a DQN in each.

    Args:
        batch: makes (inputs, actions, rewards, next inputs) of a memory, which has a row for each transition.
        see: what the network is fed, of states and goals.
        extra: is given the rows of a round, episode by episode, and hands back those that go into memory.

    Returns:
        (rounds,) environment steps and (rounds,) success rates, at any step of 100 episodes without exploration.
    """
    from her.agents import DQN, DQNConfig
    from her.training import use_one_thread
    from her.training.evaluation import evaluate, make_envs, rollout

    use_one_thread()
    rng, envs, tests = np.random.default_rng(seed), *(make_envs("her/BitFlip-v0", n, n_bits=BITS) for n in (64, 100))
    width = see(np.zeros((1, BITS), np.float32), np.zeros((1, BITS), np.float32)).shape[1]
    agent, memory, success = DQN(width, BITS, DQNConfig(learning_rate=2e-3, tau=0.02), seed=seed), None, []

    def act(observations: np.ndarray, explore: bool = False) -> np.ndarray:
        return agent.act(see(observations[:, :BITS], observations[:, BITS:]).astype(np.float32), explore=explore)

    for i in range(rounds):
        played = extra(_rows(rollout(partial(act, explore=True), envs, BITS, seed=100 * seed + i)), rng)
        memory = played if memory is None else {name: np.concatenate([memory[name], played[name]]) for name in played}
        for _ in range(80):
            agent.update(_as_tensors(*batch(memory, 256, rng)))
        success.append(evaluate(act, tests, seed=10_000 + i).success_rate("any"))
    return 64 * BITS * np.arange(1, rounds + 1), np.array(success)


def _rows(played) -> Memory:
    """A rollout as rows, one episode after the other."""
    names = ("states", "actions", "rewards", "next_states", "goals", "achieved_goals")
    columns = {name: getattr(played, name).swapaxes(0, 1) for name in names}
    return {name: column.reshape(-1, *column.shape[2:]) for name, column in columns.items()}


def _as_tensors(inputs, actions, rewards, next_inputs):
    import torch

    from her.batch import TorchBatch

    arrays = (inputs, actions, rewards, next_inputs, np.zeros(len(inputs)), np.ones(len(inputs)))
    return TorchBatch(*(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays))


def _drawn(memory: Memory, n: int, rng: np.random.Generator, future=reference.mended_future_rows):
    """n rows, for each a row of its own future, and which of them are relabelled: four in five."""
    rows = rng.integers(len(memory["states"]), size=n)
    starts = rows // BITS * BITS
    return rows, future(rows, starts, np.full(n, BITS), rng), rng.random(n) < 0.8


def _scored(score: Callable, seed: int, rounds: int) -> Curve:
    """Chapter 1: four copies of each episode, each scored again under a place that the episode reached."""

    def extra(played: Memory, rng: np.random.Generator) -> Memory:
        columns = [played]
        for _ in range(4):
            goals, rewards = np.empty_like(played["goals"]), np.empty_like(played["rewards"])
            for start in range(0, len(goals), BITS):
                rows = slice(start, start + BITS)
                goals[rows] = played["achieved_goals"][start + rng.integers(BITS)]
                path = np.vstack([played["states"][start : start + 1], played["achieved_goals"][rows]])
                rewards[rows] = score(path, goals[start], 1.0)
            columns.append(played | {"goals": goals, "rewards": rewards})
        return {name: np.concatenate([column[name] for column in columns]) for name in played}

    def batch(memory: Memory, n: int, rng: np.random.Generator):
        rows = rng.integers(len(memory["states"]), size=n)
        states, actions, rewards, next_states, goals, _ = (column[rows] for column in memory.values())
        return np.hstack([states, goals]), actions, rewards, np.hstack([next_states, goals])

    return learn_to_flip(batch, seed, rounds, extra=extra)


def _future(future: Callable, seed: int, rounds: int) -> Curve:
    """Chapter 3: which row's achieved goal a row is given."""

    def batch(memory: Memory, n: int, rng: np.random.Generator):
        rows, goal_rows, relabelled = _drawn(memory, n, rng, future)
        goals = np.where(relabelled[:, None], memory["achieved_goals"][goal_rows], memory["goals"][rows])
        rewards = all_bits(memory["achieved_goals"][rows], goals)
        states, next_states = memory["states"][rows], memory["next_states"][rows]
        return np.hstack([states, goals]), memory["actions"][rows], rewards, np.hstack([next_states, goals])

    return learn_to_flip(batch, seed, rounds)


def _joined(swap: Callable, seed: int, rounds: int) -> Curve:
    """Chapter 4: states and goals lie side by side, and goals are swapped there."""

    def batch(memory: Memory, n: int, rng: np.random.Generator):
        rows, goal_rows, relabelled = _drawn(memory, n, rng)
        now, after = (np.hstack([memory[name][rows], memory["goals"][rows]]) for name in ("states", "next_states"))
        achieved = memory["achieved_goals"]
        made = swap(now, after, achieved[rows], achieved[goal_rows], relabelled, all_bits)
        return made["observations"], memory["actions"][rows], made["rewards"], made["next_observations"]

    return learn_to_flip(batch, seed, rounds)


def _hidden(inputs: Callable, seed: int, rounds: int) -> Curve:
    """Chapter 6: an environment that adds the way to the goal to its observation."""

    def with_offset(states: np.ndarray, goals: np.ndarray) -> np.ndarray:
        return np.hstack([states, goals - states])

    def batch(memory: Memory, n: int, rng: np.random.Generator):
        rows, goal_rows, relabelled = _drawn(memory, n, rng)
        old, achieved = memory["goals"][rows], memory["achieved_goals"]
        goals = np.where(relabelled[:, None], achieved[goal_rows], old)
        now, after = (inputs(with_offset(memory[name][rows], old), goals) for name in ("states", "next_states"))
        return now, memory["actions"][rows], all_bits(achieved[rows], goals), after

    def see(states: np.ndarray, goals: np.ndarray) -> np.ndarray:
        return inputs(with_offset(states, goals), goals)

    return learn_to_flip(batch, seed, rounds, see)


# ------------------------------------------------------------------------------------------------- a corridor, and Push


def _corridor(make: Callable, seed: int, rounds: int) -> Curve:
    """Chapter 2: the table of section 2.6, a corridor of nine cells, and strolls that never met their goal.

    Returns:
        (rounds,) batches of 1,000 and (rounds,) the share of the 81 pairs of start and goal that the table can walk.
    """
    cells, gamma, rng = 9, 0.9, np.random.default_rng(seed)

    def move(position, action):
        return np.clip(position + action - 1, 0, cells - 1)

    wanted, path, actions = rng.integers(cells, size=1_000), [rng.integers(cells, size=1_000)], []
    for _ in range(6):
        actions.append(rng.integers(3, size=1_000))
        path.append(move(path[-1], actions[-1]))
    path, actions = np.stack(path, axis=1), np.stack(actions, axis=1)
    failed = (path[:, 1:] != wanted[:, None]).all(axis=1)
    before, after, actions = (rows[failed].ravel() for rows in (path[:, :-1], path[:, 1:], actions))
    memory = {"goals": np.repeat(wanted[failed], 6)[:, None], "achieved_goals": after[:, None]}
    q, success = np.full((cells, cells, 3), -1 / (1 - gamma)), []
    for _ in range(rounds):
        rows = rng.integers(len(before), size=1_000)
        goal_rows = reference.mended_future_rows(rows, rows // 6 * 6, np.full(1_000, 6), rng)
        made = make(memory, rows, goal_rows, rng.random(1_000) < 0.8, all_bits)
        goals = made["goals"][:, 0]
        q[before[rows], goals, actions[rows]] = made["rewards"] + gamma * q[after[rows], goals].max(axis=1)
        position, goal = np.divmod(np.arange(cells**2), cells)
        for _ in range(cells):
            position = move(position, (q[position, goal] + 1e-9 * rng.random((cells**2, 3))).argmax(axis=1))
        success.append((position == goal).mean())
    return np.arange(1, rounds + 1), np.array(success)


def _pushed(energies: Callable, seed: int, rounds: int) -> Curve:
    """Chapter 5: Push, with episodes drawn by energy.

    Returns:
        Environment steps and success rates at the last step, of every second round.
    """
    from her.replay import TransitionSampler
    from her.training import Trainer, settings_for, use_one_thread

    class ByEnergy(TransitionSampler):
        """Episodes in proportion to energy, and then one of their 50 steps."""

        def __init__(self):
            self.starts, self.weights = [], []

        def stored(self, buffer, rows):
            states = np.concatenate([buffer.states[rows[:1]], buffer.next_states[rows]])
            self.starts.append(rows[0])
            self.weights.append(float(energies(states[None].astype(float), 0.1, 0.5)[0]) + 0.01)

        def sample(self, buffer, n, rng):
            weights = np.array(self.weights)
            chosen = rng.choice(self.starts, size=n, p=weights / weights.sum())
            return chosen + rng.integers(50, size=n), np.ones(n, np.float32)

    use_one_thread()
    trainer = Trainer(settings_for("her/Push-v0", seed=seed, evaluate_every=2))
    trainer.buffer.transitions = ByEnergy()
    shown = [trainer.round() for _ in range(rounds)]
    tested = [round_ for round_ in shown if round_.success_rate is not None]
    return np.array([r.env_steps for r in tested]), np.array([r.success_rate for r in tested])


#: by exercise: the loop around the function, the function as handed out, and how many rounds
FAULTS: dict[str, tuple[Callable[[Callable, int, int], Curve], Callable, int]] = {
    "mended_score": (_scored, score_again, 16),
    "mended_batch": (_corridor, hindsight_batch, 60),
    "mended_future_rows": (_future, future_rows, 16),
    "mended_inputs": (_joined, hindsight_inputs, 16),
    "mended_energies": (_pushed, episode_energies, 60),
    "mended_network_inputs": (_hidden, network_inputs, 16),
}


def learning_curve(function: Callable, seed: int, rounds: int | None = None) -> Curve:
    """What is learned with this function, which is named after its exercise, in the place of the one handed out.

    Returns:
        (n,) environment steps, of which `mended_batch` has batches, and (n,) success rates, of which it has the share
        of values that are right.
    """
    practise, _, most = FAULTS[function.__name__]
    return practise(function, seed, most if rounds is None else rounds)


def stored_curves(exercise: str) -> dict[str, Curve]:
    """What was measured, "faulty" and "mended": steps, and (n_seeds, n) success rates; see `learning_curve`."""
    from her.plots.curves import read_curves
    from her_course.places import find_chapters

    curves = read_curves(find_chapters().parent / "results" / "faults" / "curves.csv")
    return {variant: curves[exercise, variant] for variant in ("faulty", "mended")}


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
def main(out: Path, seeds: int) -> None:
    """Train with every mistake and without, and write the curves to OUT, and ``how.json`` beside it."""
    from her.training.runs import made_with

    tables = []
    for exercise, (practise, faulty, rounds) in FAULTS.items():
        for variant, function in (("faulty", faulty), ("mended", getattr(reference, exercise))):
            for seed in range(seeds):
                steps, success = practise(function, seed, rounds)
                run = {"task": exercise, "variant": variant, "seed": seed, "env_steps": steps, "success_rate": success}
                tables.append(pd.DataFrame(run))
    out.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(tables).round(4).to_csv(out, index=False, lineterminator="\n")
    how = {"command": f"python -m her_course.faults {out.as_posix()}"} | made_with()
    out.with_name("how.json").write_text(json.dumps(how, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
