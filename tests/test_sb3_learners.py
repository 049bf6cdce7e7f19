"""Stable-Baselines3's algorithms with priorities by TD error: at α = 0 SB3's own, otherwise weighed and told."""

import copy

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import sb3_contrib
import stable_baselines3
import torch
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.logger import Logger

import her.integrations.sb3
from her.integrations.sb3 import HindsightReplayBuffer
from her.td_error import ProportionalTransitions

ENVS = {"DQN": "her/BitFlip-v0", "SAC": "her/Reach-v0", "TD3": "her/Reach-v0", "TQC": "her/Reach-v0"}
NAMES = list(ENVS)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model_of(module, name, alpha=0.0, **settings):
    """A model that has filled its buffer and not learned yet."""
    transitions = ProportionalTransitions(alpha=alpha, beta=0.5, beta_batches=10**9)
    model = getattr(module, name)(
        "MultiInputPolicy",
        ENVS[name],
        replay_buffer_class=HindsightReplayBuffer,
        replay_buffer_kwargs={"transitions": transitions, "seed": 0},
        policy_kwargs={"net_arch": [16]},
        learning_starts=10_000,
        buffer_size=1_000,
        seed=0,
        device="cpu",
        **settings,
    )
    return model.learn(200)


def theirs(name):
    return sb3_contrib if name == "TQC" else stable_baselines3


def logged(model):
    return {key: value for key, value in model.logger.name_to_value.items() if key.startswith("train/")}


def take_steps(model, n, batch_size=32):
    """The losses of n gradient steps, as they were logged."""
    torch.manual_seed(1)
    losses = []
    for _ in range(n):
        model.set_logger(Logger(None, []))
        model.train(gradient_steps=1, batch_size=batch_size)
        losses.append(logged(model))
    return losses


SETTINGS = [(name, {}) for name in NAMES] + [
    ("SAC", {"ent_coef": 0.1}),
    ("SAC", {"use_sde": True, "target_update_interval": 2}),
    ("TD3", {"policy_delay": 1}),
    ("TQC", {"top_quantiles_to_drop_per_net": 5, "ent_coef": 0.1}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_with_alpha_0_losses_and_networks_are_those_of_sb3(name, settings):
    ours, plain = model_of(her.integrations.sb3, name, **settings), model_of(theirs(name), name, **settings)
    steps = 12
    for one, other in zip(take_steps(ours, steps), take_steps(plain, steps), strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert one[key] == pytest.approx(other[key], rel=1e-6, abs=1e-6), key
    for (key, one), other in zip(ours.policy.state_dict().items(), plain.policy.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6, msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_the_critics_loss_is_the_mean_of_weighted_losses(name):
    """The loss is linear in the weights: with the batch's it is the sum of what single transitions give."""
    settings = {"ent_coef": 0.1} if name in ("SAC", "TQC") else {}  # one that no step changes
    model = model_of(her.integrations.sb3, name, alpha=1.0, **settings)
    take_steps(model, 12)
    buffer, key = model.replay_buffer, "train/loss" if name == "DQN" else "train/critic_loss"
    networks = copy.deepcopy(model.policy.state_dict())
    data, batch = buffer.sample(8), buffer.newest
    buffer.sample = lambda *args, **kwargs: data

    def loss_with(weights):
        model.policy.load_state_dict(networks)
        batch.weights = np.asarray(weights, np.float32)
        return take_steps(model, 1)[0][key]

    single = [loss_with(one) for one in np.eye(8)]
    assert np.ptp(single) > 0
    weights = np.linspace(0.1, 1, 8)
    assert loss_with(weights) == pytest.approx(weights @ single, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_priorities_are_the_td_errors(name):
    model = model_of(her.integrations.sb3, name, alpha=1.0)
    transitions, hindsight = model.replay_buffer.hindsight.transitions, model.replay_buffer.hindsight
    first = transitions.priorities(hindsight.live_rows()).copy()
    assert len(set(first)) == 1
    told = []
    tell = model.replay_buffer.update_priorities
    model.replay_buffer.update_priorities = lambda errors: (told.append(errors.detach().reshape(-1)), tell(errors))
    take_steps(model, 5)
    rows = model.replay_buffer.newest.indices % hindsight.capacity
    largest = {row: max(abs(float(e)) for r, e in zip(rows, told[-1], strict=True) if r == row) for row in rows}
    expected = np.array(list(largest.values())) + transitions.epsilon
    np.testing.assert_allclose(transitions.priorities(np.array(list(largest))), expected, rtol=1e-5)
    assert len(told) == 5


def test_the_td_errors_of_dqn_are_target_minus_q():
    model = model_of(her.integrations.sb3, "DQN", alpha=1.0)
    network, target = copy.deepcopy(model.q_net), copy.deepcopy(model.q_net_target)
    data = model.replay_buffer.sample(64)
    model.replay_buffer.sample = lambda *args, **kwargs: data
    told = []
    model.replay_buffer.update_priorities = told.append
    take_steps(model, 1)
    with torch.no_grad():
        best = target(data.next_observations).max(dim=1).values
        targets = data.rewards[:, 0] + 0.99 * (1 - data.dones[:, 0]) * best
        values = network(data.observations)[torch.arange(64), data.actions[:, 0].long()]
    torch.testing.assert_close(told[0].detach()[:, 0], targets - values)


def test_another_buffer_is_refused():
    with pytest.raises(ValueError, match=r"^replay_buffer_class: expected a HindsightReplayBuffer, got .*HerReplay"):
        her.integrations.sb3.SAC("MultiInputPolicy", "her/Reach-v0", replay_buffer_class=HerReplayBuffer)


def test_the_default_of_sb3_means_our_buffer():
    model = her.integrations.sb3.SAC("MultiInputPolicy", "her/Reach-v0", replay_buffer_class=None)
    assert isinstance(model.replay_buffer, HindsightReplayBuffer)


def test_an_unknown_name_is_none_of_the_learners():
    with pytest.raises(AttributeError, match="PPO"):
        _ = her.integrations.sb3.PPO


def test_a_model_with_priorities_is_saved_and_goes_on(tmp_path):
    model = her.integrations.sb3.SAC(
        "MultiInputPolicy",
        "her/Reach-v0",
        replay_buffer_kwargs={"transitions": ProportionalTransitions()},
        policy_kwargs={"net_arch": [16]},
        learning_starts=50,
        seed=0,
    )
    model.learn(80)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = her.integrations.sb3.SAC.load(tmp_path / "model", env=model.get_env())
    loaded.load_replay_buffer(tmp_path / "buffer")
    batches = loaded.replay_buffer.hindsight.transitions.batches
    assert batches == model.replay_buffer.hindsight.transitions.batches > 0
    loaded.learn(20, reset_num_timesteps=False)
    assert loaded.replay_buffer.hindsight.transitions.batches > batches
