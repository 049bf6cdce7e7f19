"""n-step returns with hindsight: equal to a loop over the transitions, whatever the episodes; and in the drop-in."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_cases import goals_episode, her_buffer, match_reward

from her import HERConfig
from her.n_step import NStepHER

GAMMA = 0.9
#: lengths of episodes, and how each ends: not at all, at its goal, or for another reason
EPISODES = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "goal", "fall"])), min_size=1, max_size=5)


def filled(buffer, episodes):
    for i, (length, end) in enumerate(episodes):
        achieved = (np.arange(length) * 3 + i) % 5  # goals come again within an episode, and in others
        dones = np.zeros(length, bool)
        dones[-1] = bool(end)
        desired = achieved[-1] if end == "goal" else 9
        reached_before = achieved[:-1] == desired
        achieved[:-1][reached_before] = 7
        buffer.store_episode(goals_episode(achieved, desired, dones=dones))
    return buffer


def by_a_loop(buffer, batch, i, n_steps, success_ends):
    """Return, last row, done and number of steps of the i-th transition of a batch, from the definition."""
    row, goal, total, steps = batch.indices[i] % buffer.capacity, batch.goals[i], 0.0, 0
    while True:
        relabelled, stored = batch.relabelled[i], buffer.rewards[row]
        reward = match_reward(buffer.achieved_goals[row], goal) if relabelled else stored
        done = buffer.dones[row]
        if relabelled:
            done = bool(done and stored != 0) or bool(success_ends and reward == 0)
        total += GAMMA**steps * float(reward)
        steps += 1
        if done or steps == n_steps or row + 1 == buffer.episode_end[row]:
            return total, row, done, steps
        row += 1


@settings(deadline=None, max_examples=30)
@given(EPISODES, st.integers(1, 6))
def test_returns_are_those_of_a_loop(episodes, n_steps):
    config = HERConfig({"future": 0.6, "random": 0.4}, 4, match_reward)
    buffer = filled(NStepHER(60, 1, 1, 1, config, seed=0, n_steps=n_steps, gamma=GAMMA), episodes)
    one_step = filled(her_buffer(60, {"future": 0.6, "random": 0.4}, dims=(1, 1, 1)), episodes).sample(40)
    batch = buffer.sample(40)
    for name in ("indices", "goals", "relabelled", "goal_indices", "weights", "observations", "actions"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(one_step, name))
    for i in range(40):
        total, row, done, steps = by_a_loop(buffer, batch, i, n_steps, buffer.success_ends_episode)
        assert batch.rewards[i] == pytest.approx(total, rel=1e-5)
        assert (batch.dones[i], batch.steps[i]) == (done, steps)
        np.testing.assert_array_equal(batch.next_observations[i], [*buffer.next_states[row], *batch.goals[i]])
        assert batch.discounts[i] == pytest.approx(GAMMA**steps)


def test_a_done_function_cuts_the_return():
    config = HERConfig("final", 4, match_reward, lambda achieved, desired: (achieved == desired).all(axis=-1))
    buffer = NStepHER(60, 1, 1, 1, config, seed=0, n_steps=4, gamma=GAMMA)
    buffer.store_episode(goals_episode(range(6), 3))
    batch = buffer.sample(300)
    goal, achieved = batch.goals[:, 0], batch.achieved_goals[:, 0]
    steps = np.where(goal >= achieved, goal - achieved + 1, 9).clip(max=np.minimum(4, 6 - achieved))
    np.testing.assert_array_equal(batch.steps, steps)
    np.testing.assert_array_equal(batch.dones, (goal >= achieved) & (goal - achieved < 4))


def test_a_learner_that_knows_nothing_of_it_bootstraps_with_gamma_to_the_power_of_steps():
    config = HERConfig("future", 4, match_reward)
    buffer = filled(NStepHER(60, 1, 1, 1, config, seed=0, n_steps=4, gamma=GAMMA), [(9, ""), (3, "goal"), (5, "fall")])
    batch = buffer.sample(200)
    told = batch.torch()
    carried = GAMMA * (1 - told.dones)
    expected = torch.from_numpy(np.where(batch.dones, 0, batch.discounts))
    torch.testing.assert_close(carried, expected.to(carried.dtype))
    assert set(batch.steps.tolist()) == {1, 2, 3, 4}


def bias(n_steps, k):
    """Mean over a batch of target - Q*, with Q* itself to bootstrap from, for a walk at random along a line."""
    rng, gamma = np.random.default_rng(0), GAMMA
    values = lambda distance: -(1 - gamma**distance) / (1 - gamma)  # noqa: E731 - of the best policy, one step a move
    buffer = NStepHER(20_000, 1, 1, 1, HERConfig("future", k, match_reward), seed=0, n_steps=n_steps, gamma=gamma)
    for _ in range(400):
        buffer.store_episode(goals_episode(rng.choice([-1, 1], 50).cumsum(), 5))
    batch = buffer.sample(20_000)
    batch.rewards = np.where(batch.relabelled | (k == 0), batch.rewards, np.nan)
    apart = np.abs(batch.next_states[:, 0] - batch.goals[:, 0])
    first = np.abs(batch.achieved_goals[:, 0] - batch.goals[:, 0])
    best = np.where(first == 0, 0.0, -1.0) + gamma * values(first)
    return np.nanmean(batch.rewards + batch.discounts * values(apart) - best)


def test_the_more_steps_the_more_an_old_policy_drags_the_target_down():
    real, relabelled = ([bias(n, k) for n in (1, 2, 3, 5)] for k in (0, 4))
    for biases in (real, relabelled):
        assert biases == pytest.approx([0, -0.48, -0.9, -1.63], abs=0.05)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_steps": 0}, "n_steps: expected a positive integer, got 0"),
        ({"gamma": 1.5}, r"gamma: expected a number in \(0, 1\], got 1.5"),
    ],
)
def test_bad_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        NStepHER(10, 1, 1, 1, HERConfig(reward_function=match_reward), **wrong)


def test_sb3_learns_from_n_step_returns():
    pytest.importorskip("sb3_contrib")
    from her.integrations.sb3 import SAC
    from her.integrations.sb3_n_step import NStepHindsightReplayBuffer

    model = SAC(
        "MultiInputPolicy",
        "her/Reach-v0",
        gamma=GAMMA,
        replay_buffer_class=NStepHindsightReplayBuffer,
        replay_buffer_kwargs={"n_steps": 3, "gamma": GAMMA},
        policy_kwargs={"net_arch": [16]},
        learning_starts=60,
        seed=0,
    )
    model.learn(70)
    data, newest = model.replay_buffer.sample(1000), model.replay_buffer.newest
    np.testing.assert_allclose(data.discounts[:, 0], GAMMA**newest.steps, rtol=1e-6)
    np.testing.assert_array_equal(data.rewards[:, 0], newest.rewards)
    assert set(newest.steps.tolist()) == {1, 2, 3}
