"""Relabelling: which rows, with which goals, what reward, and where episodes end under the new goal."""

import os
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from replay_cases import (
    DIMS,
    FIELDS,
    RingOfLists,
    assert_same_batch,
    assert_same_transitions,
    everything,
    goals_episode,
    her_buffer,
    identities,
    match_reward,
    number_reward,
    plain_buffer,
    positions,
    recorded,
    recorded_episode,
    refused,
    snapshot,
    step,
)
from scipy.stats import binomtest, chi2_contingency, chisquare

from her import Episode, GoalSelectionStrategy, HERConfig, HindsightExperienceReplay, sparse_reward
from her.cher import Cher
from her.goals import GoalSampler, StrategyGoals
from her.prioritized import SAMPLERS
from her.reach import ReachGoals
from her.replay import UniformTransitions

FULL = os.environ["HER_PROFILE"] == "full"
STRATEGIES = [strategy.value for strategy in GoalSelectionStrategy]
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)

# The recorded transitions store a bonus that the reward function does not give, and some functions are for pairs.
pytestmark = [
    pytest.mark.filterwarnings("ignore:reward_function gives"),
    pytest.mark.filterwarnings("ignore:reward_function is right for one pair only"),
]


def plausible(p_value):
    return p_value > 1e-4


def share_is(count, total, share):
    return plausible(binomtest(int(count), int(total), share).pvalue)


def allowed_goals(strategy, t, length, number, all_stored):
    """The (episode, position) pairs whose achieved goals may stand in for the desired goal of a transition."""
    positions = {"final": [length - 1], "future": range(t, length), "episode": range(length)}
    return all_stored if strategy == "random" else {(number, j) for j in positions[strategy]}


def check_relabelled_batch(batch, strategy, lengths, all_stored):
    """Every property of a batch of `recorded` transitions under `number_reward`; lengths: of each episode so far."""
    own = identities(batch.achieved_goals)
    real = recorded(*batch.achieved_goals.T)
    goals = np.where(batch.relabelled[:, None], batch.goals, -7)
    for i, (number, t) in enumerate(own):
        assert (number, t) in all_stored, "an evicted or unknown transition"
        if batch.relabelled[i]:
            allowed = allowed_goals(strategy, t, lengths[number], number, all_stored)
            assert tuple(goals[i].astype(int)) in allowed, (strategy, number, t, goals[i])
    for name in ("states", "actions", "next_states", "dones"):  # nothing of a crash depends on the goal
        np.testing.assert_array_equal(getattr(batch, name), real[name], err_msg=name)
    expected_goals = np.where(batch.relabelled[:, None], batch.goals, real["goals"])
    np.testing.assert_array_equal(batch.goals, expected_goals)
    expected = np.where(batch.relabelled, number_reward(batch.achieved_goals, batch.goals), real["rewards"])
    np.testing.assert_array_equal(batch.rewards, expected)
    np.testing.assert_array_equal(batch.observations, np.hstack([batch.states, batch.goals]))
    np.testing.assert_array_equal(batch.next_observations, np.hstack([batch.next_states, batch.goals]))


def check_sources(buffer, batch):
    """`indices` and `goal_indices` say where the transition and its goal are stored."""
    rows, goal_rows = batch.indices % buffer.capacity, batch.goal_indices % buffer.capacity
    np.testing.assert_array_equal(buffer.number[rows], batch.indices)
    np.testing.assert_array_equal(buffer.achieved_goals[rows], batch.achieved_goals)
    relabelled = batch.relabelled
    assert (batch.goal_indices[~relabelled] == -1).all()
    np.testing.assert_array_equal(buffer.number[goal_rows[relabelled]], batch.goal_indices[relabelled])
    np.testing.assert_array_equal(buffer.achieved_goals[goal_rows[relabelled]], batch.goals[relabelled])


# The settings


def test_the_settings_read_names_and_give_the_share_that_is_relabelled():
    assert HERConfig("Final", reward_function=match_reward).strategy is GoalSelectionStrategy.FINAL
    assert HERConfig(reward_function=match_reward).strategy is GoalSelectionStrategy.FUTURE
    shares = [HERConfig("future", k, match_reward).relabelled_share for k in (0, 1, np.int64(4), 9)]
    assert shares == [0, 0.5, 0.8, 0.9]


@pytest.mark.parametrize("strategy", ["futur", None, 3, ""])
def test_an_unknown_strategy_is_refused(strategy):
    with pytest.raises(ValueError, match=r"^strategy: expected one of 'final', 'future'"):
        HERConfig(strategy, reward_function=match_reward)


@pytest.mark.parametrize("k", [-1, 2.5, 4.0, True, "4", None])
def test_a_number_of_goals_that_is_none_is_refused(k):
    with pytest.raises(ValueError, match=r"^n_sampled_goal: expected an integer of at least 0, got "):
        HERConfig("future", k, match_reward)


def test_a_number_of_goals_that_fits_into_a_byte_counts_like_any_other():
    config = HERConfig("future", np.uint8(255), match_reward)
    assert (type(config.n_sampled_goal), config.relabelled_share) == (int, 255 / 256)
    buffer, other = her_buffer(k=np.uint8(255)), her_buffer(k=255)
    for each in (buffer, other):
        each.store_episode(recorded_episode(0, 5))
    assert_same_batch(buffer.sample(600), other.sample(600))


@pytest.mark.parametrize("goals", ["future", GoalSelectionStrategy.FUTURE, StrategyGoals, 3])
def test_what_cannot_choose_goals_is_refused(goals):
    with pytest.raises(TypeError, match=r"^goals: expected a GoalSampler, got "):
        her_buffer(goals=goals)


def test_functions_that_cannot_be_called_are_refused():
    with pytest.raises(TypeError, match=r"^reward_function: expected f\(achieved, desired\) -> reward, got None"):
        HERConfig("future", 4)
    with pytest.raises(TypeError, match=r"^done_function: expected f\(achieved, desired\) -> bool, got True"):
        HERConfig("future", 4, match_reward, True)


@pytest.mark.parametrize("config", [None, "future", {"strategy": "future"}, HERConfig])
def test_a_buffer_without_settings_is_refused(config):
    with pytest.raises(TypeError, match=r"^config: expected a HERConfig, got "):
        HindsightExperienceReplay(10, *DIMS, config)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True])
@pytest.mark.parametrize("k", [0, 4])
def test_a_batch_size_that_is_no_positive_integer_is_refused(wrong, k):
    buffer = her_buffer(k=k)
    buffer.store_episode(recorded_episode(0, 3))
    with refused(buffer, ValueError, "batch_size: expected a positive integer"):
        buffer.sample(wrong)


@pytest.mark.parametrize("k", [0, 4])
def test_an_empty_buffer_cannot_be_sampled(k):
    buffer = her_buffer(k=k)
    with refused(buffer, ValueError, "batch_size: cannot draw 4 transitions from an empty buffer"):
        buffer.sample(4)


# Which goals: properties over arbitrary episodes


@each_strategy
@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=25),
    rows=st.integers(9, 20),
    n_envs=st.sampled_from([None, 1, 2, 5]),
    k=st.sampled_from([0, 1, 4, 50]),
    seed=st.integers(0, 2**31),
)
def test_every_goal_was_achieved_where_the_strategy_says(strategy, lengths, rows, n_envs, k, seed):
    stepwise = {} if n_envs is None else {"n_envs": n_envs}
    buffer = her_buffer(rows * (n_envs or 1), strategy, k, number_reward, seed=seed, **stepwise)
    for number, length in enumerate(lengths):
        buffer.store_episode(recorded_episode(number, length))
    batch = buffer.sample(64)
    all_stored = set(identities(everything(buffer).achieved_goals))
    check_relabelled_batch(batch, strategy, dict(enumerate(lengths)), all_stored)
    check_sources(buffer, batch)
    assert batch.relabelled.any() == (k > 0)


class BufferAgainstLists(RuleBasedStateMachine):
    """Any sequence of steps, whole episodes, interruptions, saving and loading, against lists of episodes."""

    @initialize(
        n_envs=st.sampled_from([1, 2, 5]),
        size=st.integers(1, 9),
        spare=st.integers(0, 4),
        strategy=st.sampled_from(STRATEGIES),
        k=st.sampled_from([0, 1, 4]),
        pairs_only=st.booleans(),
        seed=st.integers(0, 1000),
    )
    def begin(self, n_envs, size, spare, strategy, k, pairs_only, seed):
        reward = (lambda a, d: float(number_reward(a, d))) if pairs_only else number_reward
        self.n_envs, self.size, self.strategy = n_envs, size, strategy
        self.make = partial(her_buffer, strategy=strategy, k=k, reward=reward, n_envs=n_envs)
        self.buffer = self.make(size * n_envs + min(spare, n_envs - 1), seed=seed)
        self.rings = [RingOfLists(size) for _ in range(n_envs)]
        self.open = [None] * n_envs  # the number of each environment's episode in progress
        self.written = [0] * n_envs
        self.lengths = {}  # of every episode ever begun

    def stored(self):
        return [(number, t) for ring in self.rings for number in ring.order for t in range(self.lengths[number])]

    @rule(patterns=st.lists(st.integers(0, 31), min_size=1, max_size=9))
    def take_steps(self, patterns):
        """One step of every environment for each pattern; its bits say whose episode ends."""
        for pattern in patterns:
            new = iter(range(len(self.lengths), len(self.lengths) + self.n_envs))
            numbers = [next(new) if number is None else number for number in self.open]
            now = [self.lengths.get(number, 0) for number in numbers]
            ends = [bool(pattern >> env & 1) for env in range(self.n_envs)]
            if max(now) >= self.size:
                with refused(self.buffer, ValueError, "capacity: an episode in progress has reached"):
                    self.buffer.add(**step(numbers, now, ends))
                return self.interrupt()
            self.buffer.add(**step(numbers, now, ends))
            for env, number in enumerate(numbers):
                self.rings[env].step(number)
                self.lengths[number] = now[env] + 1
                self.written[env] = self.buffer.rings[env].lap, self.rings[env].head
                self.open[env] = None if ends[env] else number
        return None

    @rule(length=st.integers(1, 10))
    def store_an_episode(self, length):
        number = len(self.lengths)
        free = [env for env in range(self.n_envs) if self.open[env] is None]
        if length > self.size or not free:
            with refused(self.buffer, ValueError, "(capacity: an episode of|episode: every environment)"):
                self.buffer.store_episode(recorded_episode(number, length))
            return
        env = min(free, key=lambda env: (self.buffer.rings[env].lap, self.rings[env].head))
        self.buffer.store_episode(recorded_episode(number, length))
        self.lengths[number] = length
        self.rings[env].store(number, length)

    @rule()
    def interrupt(self):
        self.buffer.end_episodes()
        self.open = [None] * self.n_envs

    @precondition(lambda self: self.stored())
    @rule(n=st.integers(1, 40))
    def sample(self, n):
        batch = self.buffer.sample(n)
        check_relabelled_batch(batch, self.strategy, self.lengths, set(self.stored()))
        check_sources(self.buffer, batch)

    @rule()
    def save_and_load(self):
        loaded = self.make(self.buffer.capacity, seed=99)
        self.buffer.save(self.path)
        loaded.load(self.path)
        assert_same_transitions(everything(loaded), everything(self.buffer))
        if self.stored():
            for batch in (self.buffer.sample(20), self.buffer.sample(20)):
                assert_same_batch(loaded.sample(20), batch)
        self.buffer = loaded

    @rule(larger=st.integers(1, 3))
    def load_into_a_larger_one(self, larger):
        loaded = self.make((self.size + larger) * self.n_envs, seed=99)
        self.buffer.save(self.path)
        loaded.load(self.path)
        assert_same_transitions(everything(loaded), everything(self.buffer))
        check_relabelled_batch(
            loaded.sample(20), self.strategy, self.lengths, set(self.stored())
        ) if self.stored() else None

    @invariant()
    def the_same_is_stored_in_the_same_order(self):
        if hasattr(self, "buffer"):
            assert len(self.buffer) == len(self.stored()) <= self.buffer.capacity
            assert identities(everything(self.buffer).achieved_goals) == self.stored()
            position, length = positions(self.buffer, self.buffer.live_rows())
            assert position.tolist() == [t for _, t in self.stored()]
            assert length.tolist() == [self.lengths[number] for number, _ in self.stored()]


@pytest.fixture(autouse=True)
def _a_file_for_the_machine(tmp_path_factory):
    BufferAgainstLists.path = tmp_path_factory.getbasetemp() / "machine"


TestBufferAgainstLists = BufferAgainstLists.TestCase
TestBufferAgainstLists.settings = settings(max_examples=200 if FULL else 60, stateful_step_count=30, deadline=None)


# Which goals: the distribution


def layouts(strategy, k=4, seed=1):
    """Buffers with an episode of seven transitions, number 9, that lies in them in every possible way."""
    make = partial(her_buffer, strategy=strategy, k=k, reward=number_reward, seed=seed)
    first = make(30)
    first.store_episode(recorded_episode(9, 7))
    first.store_episode(recorded_episode(1, 4))
    yield "first", first
    behind_a_gap = make(13)
    for number, length in ((0, 5), (1, 5), (9, 7)):
        behind_a_gap.store_episode(recorded_episode(number, length))
    yield "behind a gap", behind_a_gap
    still_open = make(22, n_envs=2)
    for t in range(14):
        still_open.add(**step([t // 3, 8 if t < 7 else 9], [t % 3, t % 7], ends=[t % 3 == 2, t == 6]))
    yield "still open", still_open


each_layout = pytest.mark.parametrize("layout", [0, 1, 2], ids=["first", "behind a gap", "still open"])


def goal_counts(buffer, n=60_000):
    """How often each position t of episode 9 was given each goal position j of it: (7, 7) counts."""
    batch = buffer.sample(n)
    chosen = batch.relabelled & (batch.achieved_goals[:, 0] == 9) & (batch.goals[:, 0] == 9)
    counts = np.zeros((7, 7), int)
    np.add.at(counts, (batch.achieved_goals[chosen, 1].astype(int), batch.goals[chosen, 1].astype(int)), 1)
    return counts


@each_layout
def test_future_draws_every_position_from_t_to_the_end_equally_often(layout):
    counts = goal_counts([*layouts("future")][layout][1])
    assert (np.tril(counts, -1) == 0).all()
    for t in range(6):
        assert plausible(chisquare(counts[t, t:]).pvalue), (t, counts[t])
    assert plausible(chisquare(counts.sum(axis=1)).pvalue)


@each_layout
def test_episode_draws_every_position_equally_often_whatever_t(layout):
    counts = goal_counts([*layouts("episode")][layout][1])
    assert plausible(chisquare(counts.ravel()).pvalue), counts


@each_layout
def test_final_draws_the_last_position_so_far(layout):
    counts = goal_counts([*layouts("final")][layout][1])
    assert (counts[:, :6] == 0).all()
    assert plausible(chisquare(counts[:, 6]).pvalue)


@each_layout
def test_random_draws_from_everything_stored_whatever_the_transition(layout):
    buffer = [*layouts("random")][layout][1]
    batch = buffer.sample(60_000)
    order = {identity: i for i, identity in enumerate(identities(everything(buffer).achieved_goals))}
    counts = np.zeros((len(order), len(order)), int)
    own, goals = (identities(x[batch.relabelled]) for x in (batch.achieved_goals, batch.goals))
    np.add.at(counts, ([order[i] for i in own], [order[i] for i in goals]), 1)
    assert plausible(chisquare(counts.ravel()).pvalue)


def test_random_leaves_out_what_was_dropped():
    buffer = her_buffer(10, "random", reward=number_reward)
    for number in range(9):
        buffer.store_episode(recorded_episode(number, 4))
    batch = buffer.sample(2000)
    assert set(batch.goals[batch.relabelled, 0]) == {7, 8}


@each_strategy
def test_every_row_of_a_batch_draws_its_own_goal(strategy):
    buffer = her_buffer(10, strategy, reward=number_reward)
    buffer.store_episode(recorded_episode(0, 5))
    batch = buffer.sample(3000)
    drawn = set(zip(identities(batch.achieved_goals), identities(batch.goals), strict=True))
    relabelled = {pair for pair in drawn if pair[1][0] == 0}
    assert len(relabelled) == {"final": 5, "future": 15, "episode": 25, "random": 25}[strategy]


@pytest.mark.parametrize("k", [1, 2, 4, 8, 19])
@each_strategy
def test_k_of_k_plus_one_rows_are_relabelled_whatever_the_row(strategy, k):
    buffer = her_buffer(30, strategy, k, number_reward)
    for number in range(4):
        buffer.store_episode(recorded_episode(number, 6))
    batch = buffer.sample(48_000)
    kept = np.flatnonzero(~batch.relabelled)
    assert abs(len(kept) - 48_000 / (k + 1)) < 1
    assert (np.diff(kept) == k + 1).all()
    by_row = np.bincount(batch.indices, batch.relabelled), np.bincount(batch.indices, ~batch.relabelled)
    assert plausible(chi2_contingency(by_row).pvalue)
    by_place = np.sum([~buffer.sample(k + 2).relabelled for _ in range(300 * (k + 1))], axis=0)
    assert by_place[0] == by_place[-1]
    assert plausible(chisquare(by_place[:-1]).pvalue)


@pytest.mark.parametrize("n", [1, 3, 1023, 1024, 1025, 5000])
def test_batches_of_every_size_keep_a_share_of_the_goals_and_the_rows_are_right(n):
    buffer = her_buffer(300, reward=number_reward)
    lengths = {number: 7 + number for number in range(9)}
    for number, length in lengths.items():
        buffer.store_episode(recorded_episode(number, length))
    for _ in range(5):
        batch = buffer.sample(n)
        check_relabelled_batch(batch, "future", lengths, {(i, t) for i in lengths for t in range(lengths[i])})
        assert abs((~batch.relabelled).sum() - n / 5) < 1


def test_without_substitute_goals_the_batches_are_those_of_a_plain_buffer():
    buffer, plain = her_buffer(30, k=0, seed=3), plain_buffer(30, seed=3)
    for number in range(4):
        buffer.store_episode(recorded_episode(number, 6))
        plain.store_episode(recorded_episode(number, 6))
    assert_same_batch(buffer.sample(100), plain.sample(100))


@pytest.mark.parametrize("length", [1, 5, 50])
def test_future_succeeds_in_a_share_of_one_over_t_summed_and_not_in_every_relabelled_row(length):
    """With all achieved goals different, only the goal reached by the action itself succeeds: H_T / T."""
    buffer = her_buffer(2 * length, reward=match_reward)
    buffer.store_episode(recorded_episode(1, length))
    buffer.store_episode(recorded_episode(2, length))
    batch = buffer.sample(40_000)
    share = (1 / np.arange(1, length + 1)).sum() / length
    successes = batch.rewards == 0
    assert not successes[~batch.relabelled].any()
    assert share_is(successes.sum(), batch.relabelled.sum(), share)


class LastRow(GoalSampler):
    """Chooses the goal of the newest transition for every row."""

    def draw(self, buffer, rows, rng):
        goal_rows = np.full_like(rows, buffer.live_rows()[-1])
        return buffer.achieved_goals[goal_rows], goal_rows


def test_the_choice_of_goals_is_a_plug():
    buffer = her_buffer(reward=number_reward, goals=LastRow())
    for number, length in ((0, 3), (1, 5)):
        buffer.store_episode(recorded_episode(number, length))
    batch = buffer.sample(400)
    assert set(identities(batch.goals[batch.relabelled])) == {(1, 4)}
    np.testing.assert_array_equal(
        batch.rewards[batch.relabelled], number_reward(batch.achieved_goals, batch.goals)[batch.relabelled]
    )


class OldestTransition(UniformTransitions):
    def sample(self, buffer, n, rng):
        return buffer.live_rows()[:1].repeat(n), np.full(n, 0.5, np.float32)


@each_strategy
def test_the_choice_of_transitions_combines_with_every_strategy(strategy):
    buffer = her_buffer(strategy=strategy, reward=number_reward, transitions=OldestTransition())
    for number, length in ((0, 3), (1, 5)):
        buffer.store_episode(recorded_episode(number, length))
    batch = buffer.sample(400)
    assert set(identities(batch.achieved_goals)) == {(0, 0)}
    assert (batch.weights == 0.5).all()
    check_relabelled_batch(batch, strategy, {0: 3, 1: 5}, {(0, t) for t in range(3)} | {(1, t) for t in range(5)})


# Rewards


@pytest.mark.parametrize("kind", ["batched", "column", "for a pair", "batches only", "integers"])
@each_strategy
def test_rewards_are_the_reward_functions_row_by_row(strategy, kind):
    def reward(achieved, desired):
        if kind == "for a pair":
            return -float(np.linalg.norm(achieved - desired) > 2)
        far = np.linalg.norm(achieved - desired, axis=1 if kind == "batches only" else -1) > 2
        rewards = -far.astype(int if kind == "integers" else float)
        return rewards[..., None] if kind == "column" else rewards

    buffer = her_buffer(60, strategy, reward=reward)
    for number in range(3):
        buffer.store_episode(recorded_episode(number, 12))
    batch = buffer.sample(500)
    expected = [-float(np.linalg.norm(a - g) > 2) for a, g in zip(batch.achieved_goals, batch.goals, strict=True)]
    relabelled = batch.relabelled
    np.testing.assert_array_equal(batch.rewards[relabelled], np.array(expected)[relabelled])
    assert batch.rewards.dtype == np.float32
    assert len(np.unique(batch.rewards[relabelled])) == 2


def test_real_rows_keep_the_reward_that_was_stored():
    buffer = her_buffer(reward=number_reward)
    buffer.store_episode(recorded_episode(4, 9))
    batch = buffer.sample(200)
    real = ~batch.relabelled
    bonus = batch.rewards - number_reward(batch.achieved_goals, batch.goals)
    assert (bonus[real] == 0.5).all()
    assert (bonus[~real] == 0).all()


@pytest.mark.parametrize("goal_dim", [1, 2, 3, 7])
@pytest.mark.parametrize("first_length", [1, 2, 3, 7])
def test_a_function_over_the_wrong_axis_is_found_out_by_the_first_episode_however_short(goal_dim, first_length):
    def reward(achieved, desired):
        return -(np.linalg.norm(achieved - desired, axis=0) > 1.5).astype(float)

    def episode(length, offset):
        goals = np.tile(np.arange(length)[:, None] + offset, goal_dim)
        zeros = np.zeros(length)
        return goals, [zeros, zeros, zeros - 1, zeros, zeros]

    buffer = HindsightExperienceReplay(50, 1, 1, goal_dim, HERConfig("episode", 4, reward), seed=0)
    for length, offset in ((first_length, 0), (7, 10), (7, 20)):
        goals, fields = episode(length, offset)
        buffer.store_episode(type(recorded_episode(0, 1)).from_arrays(*fields, goals, np.full(goal_dim, -50.0)))
    batch = buffer.sample(300)
    expected = -(np.linalg.norm(batch.achieved_goals - batch.goals, axis=-1) > 1.5).astype(float)
    np.testing.assert_array_equal(batch.rewards[batch.relabelled], expected[batch.relabelled])


def test_a_slow_function_and_a_reward_that_disagrees_are_each_mentioned_once():
    buffer = her_buffer(reward=lambda a, d: float(match_reward(a, d)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(3):
            buffer.store_episode(recorded_episode(number, 4))
            buffer.sample(10)
    told = [str(warning.message) for warning in caught]
    assert len(told) == 2
    assert told[0].startswith("reward_function is right for one pair only, so it is called once a row")
    assert told[1].startswith("reward_function gives -1 where the stored reward is ")
    assert caught[1].filename == __file__


def test_rewards_that_agree_are_passed_over_in_silence():
    buffer = her_buffer(dims=(1, 1, 1), reward=partial(sparse_reward, threshold=0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        buffer.store_episode(goals_episode([1, 2, 3, 4], 4))
        buffer.sample(10)


BROKEN = {
    "raises": lambda achieved, desired: 1 / 0,
    "gives vectors": lambda achieved, desired: achieved - desired,
    "gives NaN": lambda achieved, desired: np.full(achieved.shape[:-1], np.nan),
    "gives NaN for pairs": lambda achieved, desired: float("nan"),
    "gives what no float32 holds": lambda achieved, desired: np.full(achieved.shape[:-1], 1e300),
}


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_reward_function_is_refused_when_the_first_transitions_come(broken):
    def reward(achieved, desired):
        return BROKEN[broken](achieved, desired) if is_broken else match_reward(achieved, desired)

    is_broken, buffer = True, her_buffer(n_envs=2, reward=reward)
    with refused(buffer, ValueError, "reward_function: "):
        buffer.store_episode(recorded_episode(0, 3))
    with refused(buffer, ValueError, "reward_function: "):
        buffer.add(**step([0, 1], [0, 0]))
    is_broken = False  # and once it is mended, the buffer is as good as new
    buffer.store_episode(recorded_episode(0, 3))
    assert set(relabelled_part(buffer.sample(50))["rewards"]) == {0, -1}


@pytest.mark.parametrize("answer", [np.nan, np.inf, "two numbers a row"])
def test_a_reward_function_that_breaks_later_is_refused_and_the_store_stays(answer):
    def reward(achieved, desired):
        rewards = match_reward(achieved, desired)
        if not breaks:
            return rewards
        return np.tile(rewards, 2) if isinstance(answer, str) else np.full_like(rewards, answer)

    breaks, buffer = False, her_buffer(reward=reward)
    buffer.store_episode(recorded_episode(0, 3))
    before, breaks = vars(everything(buffer)), True
    with pytest.raises(ValueError, match=r"^reward_function: expected"):
        buffer.sample(20)
    breaks = False
    np.testing.assert_equal(vars(everything(buffer)), before)
    assert len(buffer.sample(20)) == 20


# Where episodes end


REACHED_AND_NOT = [(0.0, -1.0), (1.0, 0.0), (0.1, -0.9)]  # the last are no float32


def goal_buffer(reached=0.0, missed=-1.0, **settings):
    """A buffer of one-dimensional goals; functions of users compute in float64."""

    def reward(achieved, desired):
        return np.where((achieved == desired).all(axis=-1), reached, missed)

    return her_buffer(60, dims=(1, 1, 1), reward=reward, **settings)


def success(reached=0.0, missed=-1.0, ends=True, goal=9, length=4):
    """An episode that reaches its goal with its last transition."""
    achieved = np.r_[goal - length + 1 : goal + 1]
    rewards = np.where(achieved == goal, reached, missed)
    return goals_episode(achieved, goal, rewards, ends & (achieved == goal))


def failure(missed=-1.0, crash=False, length=4):
    """An episode that misses its goal; a crash ends it with the goal -5 achieved."""
    achieved = np.r_[20 : 20 + length] * 1.0
    achieved[-1] = -5 if crash else achieved[-1]
    return goals_episode(achieved, 99, np.full(length, missed), crash & (achieved == -5))


def relabelled_part(batch):
    return {name: getattr(batch, name)[batch.relabelled] for name in (*FIELDS, "relabelled")}


@pytest.mark.parametrize(("reached", "missed"), REACHED_AND_NOT)
@each_strategy
def test_if_success_ends_episodes_reaching_the_new_goal_ends_it_and_reaching_the_old_one_does_not(
    strategy, reached, missed
):
    buffer = goal_buffer(reached, missed, strategy=strategy)
    buffer.store_episode(success(reached, missed))
    buffer.store_episode(failure(missed))
    batch = buffer.sample(800)
    part = relabelled_part(batch)
    at_goal = (part["achieved_goals"] == part["goals"])[:, 0]
    np.testing.assert_array_equal(part["dones"], at_goal)
    assert buffer.success_ends_episode
    assert at_goal.any()
    if strategy != "final":  # a success under the old goal that is none under the new one
        old_success = part["achieved_goals"][:, 0] == 9
        assert (old_success & ~at_goal).any() == (strategy in ("episode", "random"))
    real = ~batch.relabelled
    np.testing.assert_array_equal(batch.dones[real], batch.achieved_goals[real, 0] == 9)


@pytest.mark.parametrize(("reached", "missed"), REACHED_AND_NOT)
@each_strategy
def test_if_success_does_not_end_episodes_reaching_a_goal_never_does(strategy, reached, missed):
    buffer = goal_buffer(reached, missed, strategy=strategy)
    buffer.store_episode(success(reached, missed, ends=False))
    buffer.store_episode(failure(missed, crash=True))
    batch = buffer.sample(500)
    np.testing.assert_array_equal(batch.dones, batch.achieved_goals[:, 0] == -5)  # a crash ends it under any goal
    assert (batch.rewards[batch.relabelled] == np.float32(reached)).any()
    assert not buffer.success_ends_episode


@each_strategy
def test_a_crash_ends_the_episode_under_every_goal_also_if_success_does(strategy):
    buffer = goal_buffer(strategy=strategy)
    buffer.store_episode(success())
    buffer.store_episode(failure(crash=True))
    part = relabelled_part(buffer.sample(800))
    crashed = part["achieved_goals"][:, 0] == -5
    assert part["dones"][crashed].all()
    if strategy in ("episode", "random", "final"):
        assert crashed.any()
    np.testing.assert_array_equal(part["dones"], crashed | (part["achieved_goals"] == part["goals"])[:, 0])


@pytest.mark.parametrize("order", [1, -1])
def test_one_success_that_went_on_tells_that_success_does_not_end_episodes(order):
    buffer = goal_buffer(strategy="episode")
    for episode in [success(ends=True), success(ends=False, goal=30)][::order]:
        buffer.store_episode(episode)
    batch = buffer.sample(500)
    assert not buffer.success_ends_episode
    assert not batch.dones[batch.relabelled].any()
    real = ~batch.relabelled
    np.testing.assert_array_equal(batch.dones[real], batch.achieved_goals[real, 0] == 9)


def test_until_a_success_was_stored_no_goal_ends_an_episode():
    buffer = goal_buffer()
    buffer.store_episode(failure())
    batch = buffer.sample(200)
    assert (batch.rewards == 0).any()
    assert not batch.dones.any()
    assert not buffer.success_ends_episode
    buffer.store_episode(success())
    assert buffer.sample(200).dones.any()


def test_an_episode_cut_off_by_a_time_limit_ends_nothing():
    buffer = her_buffer(40, n_envs=2, reward=match_reward)
    for t in range(12):
        buffer.add(**step([1, 2], [t, t], ends=t % 4 == 3, dones=[False, False], rewards=[-1, -1]))
    assert not buffer.sample(400).dones.any()


def test_what_ends_an_episode_is_learned_from_single_steps_too():
    buffer = her_buffer(40, n_envs=2, reward=match_reward)
    for t in range(4):
        arguments = step([1, 2], [t, t], ends=t == 3, dones=[t == 3, False], rewards=[-(t < 3), -1])
        arguments["goals"][0] = [1, 3]
        buffer.add(**arguments)
    batch = buffer.sample(500)
    np.testing.assert_array_equal(batch.dones, batch.rewards == 0)


def test_what_ends_an_episode_is_remembered_after_the_episodes_that_told_are_dropped(tmp_path):
    buffer, loaded = (her_buffer(8, dims=(1, 1, 1), seed=seed) for seed in (0, 1))
    buffer.store_episode(success())
    for _ in range(2):
        buffer.store_episode(failure())
    assert not everything(buffer).dones.any()
    buffer.save(tmp_path / "buffer")
    loaded.load(tmp_path / "buffer")
    for either in (buffer, loaded):
        batch = either.sample(200)
        np.testing.assert_array_equal(batch.dones, batch.rewards == 0)
        assert batch.dones.any()


@pytest.mark.parametrize("k", [0, 1, 4])
@pytest.mark.parametrize("as_column", [False, True])
def test_a_done_function_decides_for_real_and_relabelled_rows_alike(k, as_column):
    def within_one(achieved, desired):
        asked.append((achieved.copy(), desired.copy()))
        return np.abs(achieved - desired)[:, slice(1) if as_column else 0] <= 1

    asked = []
    buffer = goal_buffer(strategy="episode", k=k, done=within_one)
    buffer.store_episode(success())
    buffer.store_episode(failure(crash=True))
    batch = buffer.sample(300)
    np.testing.assert_array_equal(batch.dones, np.abs(batch.achieved_goals - batch.goals)[:, 0] <= 1)
    np.testing.assert_array_equal(asked[-1][0], batch.achieved_goals)
    np.testing.assert_array_equal(asked[-1][1], batch.goals)
    assert batch.dones.dtype == bool
    assert batch.dones.shape == (300,)


@pytest.mark.parametrize("k", [0, 4])
@pytest.mark.parametrize("answer", [True, np.zeros(3, bool), np.zeros((20, 2), bool), np.full(20, np.nan), ["no"] * 20])
def test_a_done_function_without_a_flag_a_row_is_refused(answer, k):
    buffer = goal_buffer(done=lambda achieved, desired: answer, k=k)
    buffer.store_episode(failure())
    with pytest.raises(ValueError, match=r"^done_function: expected"):
        buffer.sample(20)


def test_changing_a_batch_does_not_change_what_the_done_function_keeps():
    flags = np.zeros(20, bool)
    buffer = goal_buffer(done=lambda achieved, desired: flags)
    buffer.store_episode(failure())
    buffer.sample(20).dones[:] = True
    assert not flags.any()


def test_a_refused_episode_teaches_nothing_about_ends():
    buffer = goal_buffer(n_envs=2)
    buffer.add([[0], [0]], [[0], [0]], [-1, -1], [[1], [1]], [False, False], [[9], [9]], [[1], [1]], [False, False])
    with refused(buffer, ValueError, "episode: every environment has an episode in progress"):
        buffer.store_episode(success())


# Batches and files


@each_strategy
def test_the_substitute_goal_stands_beside_the_state_and_beside_the_next_state(strategy):
    torch = pytest.importorskip("torch")
    buffer = her_buffer(30, strategy, reward=number_reward)
    for number in range(3):
        buffer.store_episode(recorded_episode(number, 7))
    batch = buffer.sample(64)
    tensors = batch.torch()
    assert tensors.observations.dtype == torch.float32
    np.testing.assert_array_equal(tensors.observations, np.hstack([batch.states, batch.goals]))
    np.testing.assert_array_equal(tensors.next_observations, np.hstack([batch.next_states, batch.goals]))
    np.testing.assert_array_equal(tensors.rewards, batch.rewards)
    np.testing.assert_array_equal(tensors.dones, batch.dones)


@each_strategy
def test_the_same_seed_gives_the_same_batches_and_another_seed_others(strategy):
    one, same, other = (her_buffer(30, strategy, reward=number_reward, seed=seed) for seed in (5, 5, 6))
    for buffer in (one, same, other):
        for number in range(3):
            buffer.store_episode(recorded_episode(number, 7))
    for _ in range(3):
        batch = one.sample(50)
        assert_same_batch(batch, same.sample(50))
        assert (batch.indices != other.sample(50).indices).any()
    assert len({one.sample(50).relabelled.tobytes() for _ in range(60)}) == 5


@pytest.mark.parametrize("k", [0, 4])
def test_changing_a_batch_changes_nothing_stored(k):
    buffer, untouched = (her_buffer(30, k=k, reward=number_reward) for _ in range(2))
    for either in (buffer, untouched):
        either.store_episode(recorded_episode(0, 7))
    batch = buffer.sample(40)
    untouched.sample(40)
    for name in (*FIELDS, "relabelled", "indices", "weights"):
        getattr(batch, name)[...] = 1
    assert snapshot(buffer) == snapshot(untouched)
    assert_same_batch(buffer.sample(40), untouched.sample(40))


def test_a_setting_that_is_changed_between_two_batches_counts_in_the_next():
    buffer = her_buffer(30, "future", reward=number_reward)
    for number, length in ((0, 9), (1, 7)):
        buffer.store_episode(recorded_episode(number, length))
    for strategy, last in ((GoalSelectionStrategy.FINAL, {0: 8, 1: 6}), (GoalSelectionStrategy.FUTURE, None)):
        buffer.sample(256)
        buffer.goals.strategy = strategy
        batch = buffer.sample(256)
        number, t = batch.goals[batch.relabelled].T.astype(int)
        assert (t == [{0: 8, 1: 6}[n] for n in number]).all() == (last is not None)
    for k in (0, 1, 9):
        buffer.config = HERConfig("episode", k, number_reward)
        batch = buffer.sample(1000)
        assert abs(batch.relabelled.sum() - 1000 * k / (k + 1)) < 1
        assert k == 0 or (batch.goals[:, 1] < batch.achieved_goals[:, 1])[batch.relabelled].any()
    buffer.config = HERConfig("episode", 4, match_reward)
    batch = buffer.sample(256)
    assert set(batch.rewards[batch.relabelled]) == {0, -1}
    assert buffer.successes.reward == 0
    buffer.transitions = OldestTransition()
    assert set(buffer.sample(10).indices) == {0}
    buffer.goals = LastRow()
    assert set(identities(relabelled_part(buffer.sample(100))["goals"])) == {(1, 6)}


@each_strategy
def test_a_loaded_buffer_gives_the_batches_that_the_saved_one_would_have_given(strategy, tmp_path):
    buffer, loaded = (goal_buffer(strategy=strategy, seed=seed, n_envs=2) for seed in (3, 4))
    for episode in (success(), failure(), failure(crash=True), success(goal=15)):
        buffer.store_episode(episode)
    buffer.sample(9)
    buffer.save(tmp_path / "buffer")
    loaded.load(tmp_path / "buffer")
    assert loaded.success_ends_episode
    for _ in range(3):
        assert_same_batch(loaded.sample(60), buffer.sample(60))
        for either in (loaded, buffer):
            either.store_episode(success(ends=False))
    assert not loaded.success_ends_episode


@pytest.mark.parametrize("episodes", [(True,), (False,), (True, False), (False, True), ()])
def test_what_ends_an_episode_is_saved(tmp_path, episodes):
    buffer, loaded = goal_buffer(), goal_buffer()
    for ends in episodes:
        buffer.store_episode(success(ends=ends))
    loaded.store_episode(success(ends=len(episodes) > 1))  # is forgotten
    buffer.save(tmp_path / "buffer")
    loaded.load(tmp_path / "buffer")
    assert loaded.success_ends_episode == buffer.success_ends_episode == (episodes == (True,))
    for either in (buffer, loaded):
        either.store_episode(success())
    assert loaded.success_ends_episode == buffer.success_ends_episode == (False not in episodes)
    assert_same_batch(loaded.sample(100), buffer.sample(100))


def test_what_a_buffer_without_hindsight_saved_can_be_relabelled(tmp_path):
    plain, buffer, stored_itself = plain_buffer(60, dims=(1, 1, 1)), goal_buffer(seed=7), goal_buffer(seed=0)
    for episode in (success(), failure(crash=True)):
        plain.store_episode(episode)
        stored_itself.store_episode(episode)
    plain.save(tmp_path / "buffer")
    buffer.load(tmp_path / "buffer")
    assert buffer.success_ends_episode
    assert_same_batch(buffer.sample(200), stored_itself.sample(200))


def test_a_reward_function_that_breaks_on_what_is_loaded_refuses_it(tmp_path):
    plain, buffer = plain_buffer(), her_buffer(reward=BROKEN["raises"])
    plain.store_episode(recorded_episode(0, 5))
    plain.save(tmp_path / "buffer")
    with pytest.raises(ValueError, match=r"^reward_function: failed on a pair"):
        buffer.load(tmp_path / "buffer")
    assert len(buffer) == 0


@pytest.mark.parametrize("told", [[np.inf, 1, 0], [np.nan, 1, 0], [0, -1, 0], [0, 1], ["x", 1, 0], [0, np.nan, 0]])
def test_a_file_that_tells_nonsense_about_successes_is_refused(tmp_path, told):
    saved, buffer = goal_buffer(seed=1), goal_buffer()
    for each in (saved, buffer):
        each.store_episode(success())
    saved.save(tmp_path / "good")
    with np.load(tmp_path / "good") as file:
        arrays = dict(file)
    np.savez(tmp_path / "bad.npz", **arrays | {"successes.counts": np.array(told)})
    with refused(buffer, ValueError, "path: .*bad.npz' is no saved replay buffer, or a damaged one"):
        buffer.load(tmp_path / "bad.npz")


def test_a_buffer_saved_empty_learns_from_what_comes_later(tmp_path):
    goal_buffer().save(tmp_path / "empty")
    buffer = goal_buffer()
    buffer.store_episode(success(ends=False))
    buffer.load(tmp_path / "empty")
    buffer.store_episode(success())
    assert buffer.success_ends_episode


# Goals of other types, and numpy set to raise


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint8])
def test_reward_functions_see_goals_in_their_own_dtype(dtype, tmp_path):
    def reward(achieved, desired):
        assert achieved.dtype == desired.dtype == dtype
        return (achieved == desired).all(axis=-1) - 1.0

    origin = {np.float64: 4_500_000.0, np.int64: 2**40, np.uint8: 200}[dtype]
    step = 0.01 if dtype is np.float64 else 1
    achieved = (origin + step * np.arange(12)[:, None]).astype(dtype)
    buffer, loaded = (
        HindsightExperienceReplay(40, 1, 1, 1, HERConfig("future", 4, reward), goal_dtype=dtype, seed=0)
        for _ in range(2)
    )
    zeros = np.zeros(12)
    fields = zeros, zeros, zeros - 1, zeros, zeros, achieved, achieved[0] - achieved[0]
    buffer.store_episode(Episode.from_arrays(*fields, goal_dtype=dtype))
    buffer.save(tmp_path / "buffer")
    loaded.load(tmp_path / "buffer")
    for each in (buffer, loaded):
        batch = each.sample(20_000)
        assert batch.goals.dtype == batch.achieved_goals.dtype == dtype
        assert set(batch.goals[batch.relabelled, 0]) == set(achieved[:, 0])
        share = (1 / np.arange(1, 13)).sum() / 12  # float32 cannot tell the goals apart, and all would succeed
        assert share_is((batch.rewards == 0).sum(), batch.relabelled.sum(), share)
        assert batch.observations.dtype == np.float32
    other = her_buffer(40, dims=(1, 1, 1))
    with refused(other, ValueError, f"path: holds goals as {np.dtype(dtype)}, this buffer has goal_dtype=float32"):
        other.load(tmp_path / "buffer")


@pytest.mark.parametrize("priority", ["td", "rank", "energy", "moved", None])
@pytest.mark.parametrize("curriculum", ["reach", "cher", None])
def test_numpy_set_to_raise_harms_nothing(priority, curriculum):
    settings = {"energy": {"position": slice(0, 2), "dt": 0.1}, "moved": {"position": slice(0, 2)}}.get(priority, {})
    tiny = 1e-30 * np.random.default_rng(0).random((3, 31, 2))
    with np.errstate(all="raise"):
        reward = partial(sparse_reward, threshold=1e-3)
        goals = {"reach": ReachGoals, "cher": Cher, None: partial(StrategyGoals, "future")}[curriculum]()
        transitions = SAMPLERS[priority](**settings) if priority else None
        config = HERConfig("future", 4, reward)
        buffer = HindsightExperienceReplay(200, 2, 1, 2, config, goals=goals, transitions=transitions, seed=0)
        for states in tiny * [[[1]], [[1e-10]], [[1e20]]]:
            fields = np.zeros(30), np.zeros(30), states[1:], np.zeros(30), states[1:], [1e-200, 3.0]
            buffer.store_episode(Episode.from_arrays(states[:-1], *fields))
            batch = buffer.sample(64)
            buffer.update_priorities(batch.indices, np.full(64, 1e-40))
    assert np.isfinite(batch.rewards).all()
