"""Soft actor-critic: densities, targets and temperature are the published ones, and it learns."""

import copy

import numpy as np
import pytest
import torch
from test_agents import random_batch

from her.agents import SAC, SACConfig
from her.agents.sac import squashed_gaussian
from her.training import Trainer, settings_for


def agent_of(seed=0, **settings):
    given = {"hidden": (16, 16), "normalize": False, "gamma": 0.9} | settings
    return SAC(6, np.array([-2.0, -2.0]), np.array([2.0, 2.0]), SACConfig(**given), seed=seed)


# ---------------------------------------------------------------------- the policy's density


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.7, 0.3), (-1.5, 0.05), (2.0, 1.5)])
def test_the_density_is_one_of_probability(mean, std):
    """Its integral over all actions is 1, by the trapezoidal rule on a grid that is fine where tanh is flat."""
    u = torch.linspace(mean - 9 * std, mean + 9 * std, 20_001, dtype=torch.float64)[:, None]
    mean, log_std = torch.full_like(u, mean), torch.full_like(u, np.log(std))
    actions, log_density = squashed_gaussian(mean, log_std, (u - mean) / log_std.exp())
    assert torch.trapezoid(log_density.exp(), actions[:, 0]).item() == pytest.approx(1, abs=1e-3)


def test_the_density_is_that_of_torch():
    torch.manual_seed(0)
    mean, log_std, noise = torch.randn(3, 50, 4, dtype=torch.float64) * 0.7
    actions, log_density = squashed_gaussian(mean, log_std, noise)
    normal = torch.distributions.Normal(mean, log_std.exp())
    theirs = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform(cache_size=1))
    torch.testing.assert_close(log_density, theirs.log_prob(actions).sum(1), rtol=1e-4, atol=1e-4)


def test_the_density_stays_finite_where_tanh_rounds_to_one():
    mean = torch.full((1, 2), 30.0, requires_grad=True)
    actions, log_density = squashed_gaussian(mean, torch.zeros(1, 2), torch.zeros(1, 2))
    log_density.sum().backward()
    assert actions.eq(1).all()
    assert log_density.isfinite().all()
    assert mean.grad.isfinite().all()


def test_drawn_actions_are_distributed_as_the_density_says():
    agent = agent_of(random_share=0.0)
    x = np.zeros((50_000, 6), np.float32)
    actions = agent.act(x, explore=True) / 2
    mean, log_std = (part[0].detach() for part in agent._policy(torch.zeros(1, 6)))
    u = np.arctanh(actions[np.abs(actions).max(axis=1) < 1 - 1e-6])
    np.testing.assert_allclose(u.mean(0), mean.numpy(), atol=0.03)
    np.testing.assert_allclose(u.std(0), log_std.exp().numpy(), rtol=0.03)


def test_without_exploring_the_action_is_that_of_the_mean():
    agent = agent_of()
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    mean, _ = agent._policy(torch.from_numpy(x))
    np.testing.assert_allclose(agent.act(x), 2 * torch.tanh(mean).detach().numpy(), rtol=1e-6)
    np.testing.assert_array_equal(agent.act(x), agent.act(x))
    assert not np.array_equal(agent.act(x, explore=True), agent.act(x, explore=True))


# ---------------------------------------------------------------------- what is learned from


def test_targets_take_the_smaller_critic_less_the_price_of_certainty():
    agent = agent_of(first_temperature=0.3, gamma=0.9)
    batch = random_batch()
    for critic, value in zip(agent.critic.target.critics, (-3.0, -7.0), strict=True):
        critic.layers[-1].weight.data.zero_()
        critic.layers[-1].bias.data.fill_(value)
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((32, 2), np.float32))
    agent.rng = np.random.default_rng(0)
    _, log_density = squashed_gaussian(*agent._policy(batch.next_observations), noise)
    expected = batch.rewards + 0.9 * (1 - batch.dones) * (-7.0 - 0.3 * log_density)
    torch.testing.assert_close(agent.targets(batch), expected.detach())


def test_targets_are_clipped_when_asked():
    agent = agent_of(target_range=(-0.5, -0.25))
    targets = agent.targets(random_batch())
    assert targets.min() >= -0.5
    assert targets.max() <= -0.25


def test_it_updates_like_a_plain_implementation():
    agent = agent_of(tau=0.1, learning_rate=0.01, first_temperature=0.2, seed=3)
    actor, critic = copy.deepcopy(agent.actor.network), copy.deepcopy(agent.critic.network)
    target = copy.deepcopy(agent.critic.target)
    log_alpha = torch.tensor([np.log(0.2)], dtype=torch.float32, requires_grad=True)
    adams = [torch.optim.Adam(p, lr=0.01) for p in (actor.parameters(), critic.parameters(), [log_alpha])]
    rng = np.random.default_rng(11)
    agent.rng = np.random.default_rng(11)

    def policy(x):
        mean, log_std = actor(x).chunk(2, dim=1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
        u = mean + normal.scale * torch.from_numpy(rng.standard_normal((len(x), 2), np.float32))
        log_slope = torch.log((1 - torch.tanh(u.double()) ** 2).clamp(min=1e-30)).float()
        return torch.tanh(u), (normal.log_prob(u) - log_slope).sum(1)

    def descend(adam, loss):
        adam.zero_grad()
        loss.backward()
        adam.step()

    for step in range(3):
        batch = random_batch(seed=step)
        errors = agent.update(batch)
        alpha = log_alpha.exp().detach()
        with torch.no_grad():
            a, log_pi = policy(batch.next_observations)
            q1, q2 = target(batch.next_observations, a)
            y = batch.rewards + 0.9 * (1 - batch.dones) * (torch.minimum(q1, q2) - alpha * log_pi)
        q1, q2 = critic(batch.observations, batch.actions / 2)
        np.testing.assert_allclose(errors, (y - (q1 + q2) / 2).detach().numpy(), rtol=1e-3, atol=1e-3)
        descend(adams[1], (batch.weights * ((y - q1) ** 2 + (y - q2) ** 2)).mean())
        a, log_pi = policy(batch.observations)
        descend(adams[0], (alpha * log_pi - torch.minimum(*critic(batch.observations, a))).mean())
        descend(adams[2], -(log_alpha * (log_pi.detach() - 2)).mean())
        for p, q in zip(critic.parameters(), target.parameters(), strict=True):
            q.data.mul_(0.9).add_(0.1 * p.data)
    for ours, theirs in ((agent.actor.network, actor), (agent.critic.network, critic), (agent.critic.target, target)):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-2, atol=1e-4)
    assert agent.temperature == pytest.approx(log_alpha.exp().item(), rel=1e-4)


@pytest.mark.parametrize(("log_density", "grows"), [(5.0, True), (-5.0, False)])
def test_the_temperature_goes_up_where_the_policy_is_too_sure(log_density, grows):
    """Two actions: the entropy wanted is -2 nats. A log density of 5 is an entropy of -5, too little."""
    agent = agent_of(first_temperature=0.5)
    for _ in range(10):
        agent.adapt_temperature(torch.full((8,), log_density))
    assert (agent.temperature > 0.5) is grows


def test_the_temperature_keeps_the_entropy_where_it_is_wanted():
    """One step, best with no movement at all: left to itself, the policy would lose all of its entropy."""
    agent = agent_of(learning_rate=0.01)
    for i in range(800):
        batch = random_batch(n=64, seed=i)
        rewards = -batch.actions.square().sum(1)
        agent.update(batch._replace(actions=2 * batch.actions, rewards=rewards, dones=torch.ones(64)))
    mean, log_std = agent._policy(random_batch(n=4096, seed=1).observations)
    _, log_density = squashed_gaussian(mean, log_std, agent._noise(mean))
    assert -log_density.mean().item() == pytest.approx(-2.0, abs=0.25)  # of two actions


@pytest.mark.parametrize("value", [0, "auto", -1.0])
def test_a_temperature_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match=r"^first_temperature: expected a number above 0"):
        SACConfig(first_temperature=value)


# ---------------------------------------------------------------------- runs


def test_an_agent_that_is_given_its_state_back_goes_on_as_if_nothing_had_been():
    agent, other = agent_of(normalize=True), agent_of(normalize=True, seed=1)
    agent.observe(torch.randn(100, 6) * 3 + 1)
    for i in range(3):
        agent.update(random_batch(seed=i))
    other.load(copy.deepcopy(agent.state()))
    other.rng.bit_generator.state = agent.rng.bit_generator.state
    for i in range(3, 6):
        np.testing.assert_array_equal(agent.update(random_batch(seed=i)), other.update(random_batch(seed=i)))
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    np.testing.assert_array_equal(agent.act(x, explore=True), other.act(x, explore=True))


@pytest.mark.slow
def test_it_learns_to_reach_through_the_gap():
    settings = {"hidden": (64, 64), "learning_rate": 2e-3, "tau": 0.05}
    config = settings_for("her/Reach-v0", agent="sac", agent_settings=settings, max_steps=45_000, evaluate_every=100)
    trainer = Trainer(config)
    for _ in trainer.run():
        pass
    assert trainer.final_evaluation().success_rate("end") >= 0.6
