"""The buffer inside Stable-Baselines3: its own behaviours, SB3's, and where the two must agree."""

import pickle
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from scipy.stats import chi2_contingency, chisquare

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import torch
from replay_cases import everything, positions, snapshot
from sb3_contrib import TQC
from stable_baselines3 import DDPG, DQN, SAC, TD3, HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines3.her import GoalSelectionStrategy as SB3Strategy

import her.envs
from her.cher import Cher
from her.energy import EnergyTransitions, trajectory_energy
from her.integrations.sb3 import HindsightReplayBuffer
from her.reach import ReachGoals
from her.td_error import ProportionalTransitions

STRATEGIES = ["final", "future", "episode", "random"]
GOAL = spaces.Box(-np.inf, np.inf, (2,), np.float32)
SPACE = spaces.Dict(observation=spaces.Box(-np.inf, np.inf, (3,), np.float32), achieved_goal=GOAL, desired_goal=GOAL)
ACTIONS = spaces.Box(-1, 1, (2,), np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---------------------------------------------------------------------- recorded steps


def reward(achieved, desired, infos=None):
    """0 where the goal is reached exactly, else -1; batched."""
    return np.asarray((achieved == desired).all(axis=-1) - 1.0, np.float32)


def observation(numbers, positions, desired):
    """Of episode ``number`` at step ``position``: both can be read off, from the achieved goal too."""
    numbers, positions = np.broadcast_arrays(np.asarray(numbers, np.float32), np.asarray(positions, np.float32))
    achieved = np.stack([numbers, positions], axis=1)
    state = np.concatenate([achieved, achieved[:, :1] * 2], axis=1)
    return {"observation": state, "achieved_goal": achieved, "desired_goal": np.asarray(desired, np.float32)}


def feed(buffer, lengths, first=0, succeed=False, terminate=False, truncated=False, last_ends=True):
    """Episodes of these lengths in every environment, in step; environment e runs the episodes 100·e + first + i.

    ``succeed``: the goal is what the last step reaches; ``terminate``, ``truncated``: what the environment says there.
    """
    n = buffer.n_envs
    for i, length in enumerate(lengths):
        numbers = 100 * np.arange(n) + first + i
        desired = np.stack([numbers, np.full(n, length)], axis=1) if succeed else np.full((n, 2), -1)
        for t in range(length):
            ends = t == length - 1 and (last_ends or i < len(lengths) - 1)
            obs, next_obs = observation(numbers, t, desired), observation(numbers, t + 1, desired)
            infos = [{"TimeLimit.truncated": truncated and ends, "number": k, "t": t} for k in numbers]
            rewards = reward(next_obs["achieved_goal"], next_obs["desired_goal"])
            action = np.stack([numbers, np.full(n, t)], axis=1).astype(np.float32)
            done = np.full(n, ends) & (terminate or truncated or not succeed)
            buffer.add(obs, next_obs, action, rewards, done, infos)
    return buffer


def compute_reward_env():
    return SimpleNamespace(env_method=lambda name, *args, indices: [reward(*args)])


def buffer_of(size=1000, n_envs=1, cls=HindsightReplayBuffer, **settings):
    if cls is HindsightReplayBuffer:
        settings = {"reward_function": reward, "seed": 0} | settings
    else:
        settings["env"] = compute_reward_env()
    return cls(size, SPACE, ACTIONS, device="cpu", n_envs=n_envs, **settings)


def read(samples):
    """The samples as numpy: which episode and step each is of, which goal it pursues, and what came of it."""
    obs, next_obs = samples.observations, samples.next_observations
    for key in ("observation", "achieved_goal"):  # a transition is one step of one episode
        before, after = obs[key].numpy()[:, :2], next_obs[key].numpy()[:, :2]
        np.testing.assert_array_equal(after - before, [[0, 1]] * len(before))
        np.testing.assert_array_equal(samples.actions.numpy(), before)
    np.testing.assert_array_equal(obs["desired_goal"], next_obs["desired_goal"])
    assert samples.rewards.shape == samples.dones.shape == (len(samples.actions), 1)
    number, t = obs["achieved_goal"].numpy().T.astype(int)
    goal = obs["desired_goal"].numpy()
    rewards, dones = samples.rewards.numpy()[:, 0], samples.dones.numpy()[:, 0]
    return SimpleNamespace(number=number, t=t, goal=goal, rewards=rewards, dones=dones)


def lengths_of(buffer):
    """The lengths of the stored episodes, environment by environment."""
    position, length = positions(buffer.hindsight, buffer.hindsight.live_rows())
    return length[position == 0].tolist()


def open_episodes(buffer):
    """How long the episode in progress of each environment is."""
    return [ring.open for ring in buffer.hindsight.rings]


def check_goals(buffer, strategy, lengths, n=600):
    """Every relabelled goal was achieved where the strategy allows; ``lengths``: of episode number -> steps so far."""
    rows = read(buffer.sample(n))
    relabelled = buffer.newest.relabelled
    assert 0 < relabelled.sum() < n
    for i in range(n):
        number, t, (goal_number, goal_t) = rows.number[i], rows.t[i], rows.goal[i].astype(int)
        assert t < lengths[number]
        if not relabelled[i]:
            assert goal_number == -1
            continue
        if strategy == "random":
            assert 1 <= goal_t <= lengths[goal_number]
            continue
        assert goal_number == number
        length = lengths[number]
        allowed = {"final": (length, length), "future": (t + 1, length), "episode": (1, length)}
        assert allowed[strategy][0] <= goal_t <= allowed[strategy][1]
    after = np.stack([rows.number, rows.t + 1], axis=1)
    np.testing.assert_array_equal(rows.rewards, reward(after, rows.goal))


# ---------------------------------------------------------------------- episodes


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("n_envs", [1, 2, 8])
def test_goals_stay_in_their_episodes_also_when_the_buffer_wraps_around(strategy, n_envs):
    lengths = [5, 7, 3, 6, 4, 2, 7]  # the two that come to the end of their ring of 16 rows move to its beginning
    buffer = buffer_of(16 * n_envs, n_envs, goal_selection_strategy=strategy)
    for i, episodes in enumerate([1, 2, 3, 2, 3, 4, 2]):
        feed(buffer, lengths[i : i + 1], first=i)
        stored = dict(list(enumerate(lengths))[: i + 1][-episodes:])
        everywhere = {100 * e + number: length for e in range(n_envs) for number, length in stored.items()}
        check_goals(buffer, strategy, everywhere)
        assert buffer.size() == sum(stored.values())
        assert lengths_of(buffer) == list(stored.values()) * n_envs


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("n_envs", [1, 2, 8])
def test_episodes_in_progress_are_sampled(strategy, n_envs):
    buffer = feed(buffer_of(40 * n_envs, n_envs, goal_selection_strategy=strategy), [4], last_ends=False)
    check_goals(buffer, strategy, {100 * e: 4 for e in range(n_envs)})


def test_an_episode_that_was_interrupted_ends_there_for_that_environment_alone():
    buffer = buffer_of(n_envs=2)
    feed(buffer, [3], last_ends=False)
    for t in (0, 1):  # environment 0 goes on, environment 1 was reset to episode 500
        numbers, positions = np.array([0, 500]), np.array([3 + t, t])
        desired = np.full((2, 2), -1)
        obs, next_obs = observation(numbers, positions, desired), observation(numbers, positions + 1, desired)
        actions = np.stack([numbers, positions], axis=1)
        buffer.add(obs, next_obs, actions, np.full(2, -1.0), np.array([False, False]), [{}, {}])
    assert lengths_of(buffer) == [5, 3, 2]
    check_goals(buffer, "future", {0: 5, 100: 3, 500: 2})


def test_a_second_learn_begins_new_episodes():
    model = model_of(SAC, "her/Reach-v0", n_envs=2)
    model.learn(60)
    assert lengths_of(model.replay_buffer) == [30, 30]
    model.learn(20)
    assert lengths_of(model.replay_buffer) == [30, 10, 30, 10]
    model.learn(20, reset_num_timesteps=False)  # goes on
    assert lengths_of(model.replay_buffer) == [30, 20, 30, 20]


def test_truncating_the_last_trajectory_ends_it_without_a_done():
    buffer = feed(buffer_of(n_envs=2), [6, 3], last_ends=False)
    with pytest.warns(UserWarning, match="will be truncated"):
        buffer.truncate_last_trajectory()
    numbers = np.array([1, 101])
    obs, next_obs = (observation(numbers, t, np.full((2, 2), -1)) for t in (3, 4))
    buffer.add(obs, next_obs, np.zeros((2, 2)), np.full(2, -1.0), np.array([False, False]), [{}, {}])
    assert lengths_of(buffer) == [6, 3, 1] * 2
    assert not everything(buffer.hindsight).dones[[6, 7, 8, 9]].any()


def test_truncating_between_episodes_says_nothing(recwarn):
    feed(buffer_of(), [6, 3]).truncate_last_trajectory()
    assert not recwarn.list


def test_an_episode_longer_than_the_buffer_is_refused():
    with pytest.raises(ValueError, match="episode in progress has reached 5"):
        feed(buffer_of(5), [6])


def one_step(position, n_envs=2, **changes):
    """Arguments of ``add``: a step of the episodes 0, 100, … of `feed`."""
    numbers, desired = 100 * np.arange(n_envs), np.full((n_envs, 2), -1)
    obs, next_obs = (observation(numbers, t, desired) for t in (position, position + 1))
    action = np.stack([numbers, np.full(n_envs, position)], axis=1)
    step = {"obs": obs, "next_obs": next_obs, "action": action, "reward": np.full(n_envs, -1.0)}
    return step | {"done": np.zeros(n_envs, bool), "infos": [{}] * n_envs} | changes


WRONG = {
    "obs": [
        {"observation": np.full((2, 3), np.nan)},
        {"observation": np.arange(6.0).reshape(3, 2)},
        {"achieved_goal": np.zeros((4, 1))},
        {"desired_goal": np.zeros((2, 3))},
        {"desired_goal": np.full((2, 2), np.inf)},
    ],
    "next_obs": [{"observation": np.full((2, 3), np.nan)}, {"achieved_goal": np.zeros((2, 1))}],
    "action": [np.full((2, 2), np.nan), np.zeros((4, 1)), np.zeros((2, 3)), None],
    "reward": [np.full(2, np.nan), np.zeros(3), None],
    "done": [np.zeros(3), None, "x"],
    "infos": [[], [{}] * 3, None],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, wrong) for name, values in WRONG.items() for wrong in values])
@pytest.mark.parametrize("copy_info_dict", [False, True])
def test_a_refused_step_is_named_and_leaves_the_episodes_open(name, wrong, copy_info_dict):
    buffer = feed(buffer_of(n_envs=2, copy_info_dict=copy_info_dict), [2, 4])
    for t in range(3):
        buffer.add(**one_step(t))
    changed = one_step(3)[name] | wrong if name.endswith("obs") else wrong
    in_core = {"obs": "(states|next_states|goals|obs)", "next_obs": "(next_states|achieved_goals|next_obs)"}
    pattern = in_core.get(name, f"({name}|{name}s)")
    before = snapshot(everything(buffer.hindsight)), open_episodes(buffer)
    with pytest.raises(ValueError, match=rf"^{pattern}(\['\w+'\])?: expected"):
        buffer.add(**one_step(3, **{name: changed}))
    assert (snapshot(everything(buffer.hindsight)), open_episodes(buffer)) == before
    buffer.add(**one_step(3))
    assert lengths_of(buffer) == [2, 4, 4] * 2


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_one_environment_needs_no_row_of_its_own(shape):
    buffer, step = buffer_of(), one_step(0, n_envs=1)
    step["obs"]["observation"] = step["obs"]["observation"].reshape(shape)
    buffer.add(**step)
    assert buffer.sample(1).observations["observation"].shape == (1, 3)


def test_nothing_is_left_after_a_reset():
    buffer = feed(buffer_of(), [5])
    buffer.reset()
    assert buffer.size() == 0
    with pytest.raises(ValueError, match="empty buffer"):
        buffer.sample(1)
    check_goals(feed(buffer, [4], first=7), "future", {7: 4})


# ---------------------------------------------------------------------- the same distribution as SB3's


@pytest.mark.parametrize("n_envs", [1, 4])
@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("strategy", ["final", "future", "episode"])
def test_goals_and_rewards_are_distributed_as_in_sb3(strategy, wraps, n_envs):
    size, lengths = (12, [6, 3, 4, 2, 5]) if wraps else (100, [1, 4, 6])
    counts, n = [], 20_000
    for cls in (HindsightReplayBuffer, HerReplayBuffer):
        np.random.seed(1)  # noqa: NPY002 - SB3's generator
        buffer = feed(buffer_of(size * n_envs, n_envs, cls, goal_selection_strategy=strategy), lengths)
        rows = read(buffer.sample(n))
        virtual = buffer.newest.relabelled if cls is HindsightReplayBuffer else np.arange(n) >= n - int(0.8 * n)
        cells, count = np.unique(
            np.stack([rows.number, rows.t, rows.goal[:, 0], rows.goal[:, 1], rows.rewards, virtual], axis=1),
            axis=0,
            return_counts=True,
        )
        counts.append((cells, count))
    np.testing.assert_array_equal(counts[0][0], counts[1][0])  # the same transitions, goals and rewards are possible
    assert chi2_contingency([counts[0][1], counts[1][1]]).pvalue > 1e-4


def test_random_goals_come_from_everything_stored_alike():
    buffer = feed(buffer_of(n_envs=2, goal_selection_strategy="random"), [2, 5])
    rows = read(buffer.sample(8000))
    goals = rows.goal[buffer.newest.relabelled]
    cells, count = np.unique(goals, axis=0, return_counts=True)
    assert len(cells) == 14
    assert chisquare(count).pvalue > 1e-4


# ---------------------------------------------------------------------- ends of episodes


def test_where_success_ends_episodes_a_relabelled_transition_ends_at_its_own_goal():
    buffer = feed(buffer_of(n_envs=2), [4, 6, 2], succeed=True, terminate=True)
    rows = read(buffer.sample(3000))
    np.testing.assert_array_equal(rows.dones, rows.rewards == 0)
    assert 0 < rows.dones[buffer.newest.relabelled].mean() < 1


def test_where_success_ends_nothing_no_transition_is_done():
    buffer = feed(buffer_of(), [4, 6], succeed=True, truncated=True)
    rows = read(buffer.sample(1000))
    assert (rows.rewards == 0).any()
    assert not rows.dones.any()


def test_a_time_limit_is_a_done_only_if_told_so():
    for handle in (True, False):
        buffer = feed(buffer_of(handle_timeout_termination=handle), [4, 6], truncated=True)
        rows = read(buffer.sample(1000))
        last = rows.t + 1 == np.where(rows.number == 0, 4, 6)
        np.testing.assert_array_equal(rows.dones, last & (not handle))


def test_a_done_function_decides_for_real_and_relabelled_transitions():
    buffer = feed(buffer_of(done_function=lambda achieved, desired: achieved[:, 1] == 2), [4, 6])
    rows = read(buffer.sample(1000))
    np.testing.assert_array_equal(rows.dones, rows.t == 1)


# ---------------------------------------------------------------------- reward functions


class Walk(gym.Env):
    """A walk along a line; `compute_reward` as users write it."""

    observation_space = spaces.Dict(
        observation=spaces.Box(-np.inf, np.inf, (2,), np.float64),
        achieved_goal=spaces.Box(-np.inf, np.inf, (1,), np.float64),
        desired_goal=spaces.Box(-np.inf, np.inf, (1,), np.float64),
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, kind="batched", limit=10):
        self.kind, self.limit = kind, limit

    def look(self):
        x = np.array([self.x])
        return {"observation": np.array([self.x, self.t]), "achieved_goal": x, "desired_goal": self.goal}

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t, self.goal = 0.0, 0, self.np_random.uniform(-2, 2, 1)
        return self.look(), {}

    def step(self, action):
        self.x, self.t = self.x + float(action[0]), self.t + 1
        obs, info = self.look(), {"scale": 1.0 + self.t}
        value = float(np.ravel(self.compute_reward(obs["achieved_goal"], self.goal, info))[0])
        return obs, value, False, self.t >= self.limit, info

    def compute_reward(self, achieved, desired, info):
        if self.kind == "one pair":
            assert achieved.shape == desired.shape == (1,)
            assert isinstance(info, dict)
            return -float(np.linalg.norm(achieved - desired) > 0.5)
        if self.kind == "infos":
            infos = [info] if isinstance(info, dict) else info
            scale = np.array([info["scale"] for info in infos])
            return -scale * (np.abs(achieved - desired).reshape(-1) > 0.5)
        if self.kind == "infos of one pair":
            assert achieved.shape == (1,)
            return -info["scale"] * float(abs(achieved[0] - desired[0]) > 0.5)
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.5).astype(np.float32)


@pytest.mark.parametrize("kind", ["batched", "one pair", "infos", "infos of one pair"])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.filterwarnings("ignore:reward_function is right for one pair only")
def test_relabelled_rewards_are_those_of_the_environment(kind, n_envs):
    env = DummyVecEnv([lambda: Walk(kind)] * n_envs)
    buffer_settings = {"copy_info_dict": "infos" in kind}
    model = model_of(TD3, env, **buffer_settings)
    model.learn(40 * n_envs)
    samples = model.replay_buffer.sample(500)
    after, goal = samples.next_observations["achieved_goal"], samples.observations["desired_goal"]
    scale = 1.0 + samples.next_observations["observation"][:, 1:] if "infos" in kind else 1.0
    torch.testing.assert_close(samples.rewards, -scale * (torch.abs(after - goal) > 0.5).float())
    assert len(torch.unique(samples.rewards)) > 1
    assert model.replay_buffer.hindsight.reward_function.is_batched == ("pair" not in kind)


def test_another_environment_may_compute_its_rewards_in_another_way():
    model = model_of(TD3, DummyVecEnv([Walk]))
    buffer = pickle.loads(pickle.dumps(model.learn(40).replay_buffer))
    buffer.set_env(DummyVecEnv([lambda: Walk("one pair")]))
    with pytest.warns(UserWarning, match="right for one pair only"):
        buffer.sample(100)


def test_infos_follow_their_transitions_around_the_ring():
    def number_and_step(achieved, desired, infos):
        return np.array([100.0 * info["number"] + info["t"] for info in infos])

    buffer = buffer_of(24, 2, reward_function=number_and_step, copy_info_dict=True)
    with pytest.warns(UserWarning, match="where the stored reward is"):
        feed(buffer, [5, 4, 6, 3, 5])
    rows = read(buffer.sample(500))
    relabelled = buffer.newest.relabelled
    np.testing.assert_array_equal(rows.rewards[relabelled], (100.0 * rows.number + rows.t)[relabelled])


def test_infos_are_not_lost_in_a_pickle():
    def number(achieved, desired, infos):
        return np.array([1.0 * info["number"] for info in infos])

    buffer = buffer_of(reward_function=number, copy_info_dict=True)
    with pytest.warns(UserWarning, match="where the stored reward is"):
        feed(buffer, [2, 3], first=1)
    buffer = pickle.loads(pickle.dumps(buffer))
    rows = read(buffer.sample(100))
    assert set(rows.rewards[buffer.newest.relabelled]) == {1.0, 2.0}
    with pytest.raises(ValueError, match=r"^copy_info_dict"):
        buffer.save("nowhere")


def test_without_an_environment_and_a_reward_function_the_error_says_what_is_missing():
    buffer = HindsightReplayBuffer(100, SPACE, ACTIONS, device="cpu")
    with pytest.raises(ValueError, match=r"^env: .*reward_function"):
        feed(buffer, [3])
    loaded = pickle.loads(pickle.dumps(feed(buffer_of(reward_function=None, env=compute_reward_env()), [3])))
    with pytest.raises(ValueError, match=r"^env: .*reward_function"):
        loaded.sample(4)
    loaded.set_env(compute_reward_env())
    check_goals(loaded, "future", {0: 3})
    with pytest.raises(ValueError, match="already initialized"):
        loaded.set_env(compute_reward_env())


# ---------------------------------------------------------------------- saving


@pytest.mark.parametrize("n_envs", [1, 2, 8])
@pytest.mark.parametrize("how", ["pickle", "file", "file of another capacity"])
def test_saved_in_the_middle_of_an_episode_everything_goes_on(n_envs, how, tmp_path):
    buffer = feed(buffer_of(30 * n_envs, n_envs), [5, 4, 6, 8, 7, 3], last_ends=False)
    if how == "pickle":
        copy = pickle.loads(pickle.dumps(buffer))
    else:
        buffer.save(tmp_path / "buffer.npz")
        copy = buffer_of((30 if how == "file" else 50) * n_envs, n_envs, seed=99)
        copy.load(tmp_path / "buffer.npz")
    assert copy.size() == buffer.size()
    for one, other in zip(buffer.sample(50)[1:], copy.sample(50)[1:], strict=True):
        torch.testing.assert_close(one, other)
    for each in (buffer, copy):  # the open episode goes on
        numbers = 100 * np.arange(n_envs) + 5
        obs, next_obs = (observation(numbers, t, np.full((n_envs, 2), -1)) for t in (3, 4))
        actions = np.stack([numbers, np.full(n_envs, 3)], axis=1)
        each.add(obs, next_obs, actions, np.full(n_envs, -1.0), np.full(n_envs, True), [{}] * n_envs)
        assert lengths_of(each)[-1] == 4
        check_goals(each, "future", {100 * e + i: n for e in range(n_envs) for i, n in enumerate([5, 4, 6, 8, 7, 4])})


@pytest.mark.parametrize("truncate", [True, False])
@pytest.mark.parametrize("n_envs", [1, 4])
def test_model_and_replay_buffer_are_saved_and_loaded(truncate, n_envs, tmp_path):
    model = model_of(SAC, "her/Reach-v0", n_envs=n_envs)
    model.learn(70 * n_envs)
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "buffer.pkl")

    loaded = SAC.load(tmp_path / "model.zip", env=make_vec_env("her/Reach-v0", n_envs=n_envs), device="cpu")
    if truncate:
        with pytest.warns(UserWarning, match="will be truncated"):
            loaded.load_replay_buffer(tmp_path / "buffer.pkl")
    else:
        loaded.load_replay_buffer(tmp_path / "buffer.pkl", truncate_last_traj=False)
    assert lengths_of(loaded.replay_buffer) == [50, 20] * n_envs
    assert open_episodes(loaded.replay_buffer) == [0 if truncate else 20] * n_envs
    for one, other in zip(model.replay_buffer.sample(64)[3:5], loaded.replay_buffer.sample(64)[3:5], strict=True):
        torch.testing.assert_close(one, other)
    loaded.learn(10 * n_envs, reset_num_timesteps=False)  # its environments are new, and begin new episodes
    assert lengths_of(loaded.replay_buffer) == [50, 20, 10] * n_envs


def test_functions_that_cannot_be_pickled_are_saved_all_the_same():
    buffer = buffer_of(reward_function=lambda a, d: reward(a, d), done_function=lambda a, d: a[:, 1] == 2)
    copy = pickle.loads(pickle.dumps(feed(buffer, [4, 6])))
    rows = read(copy.sample(200))
    np.testing.assert_array_equal(rows.dones, rows.t == 1)


def test_an_offline_buffer_needs_no_environment(tmp_path):
    recorder = model_of(SAC, "her/Reach-v0", n_envs=2)
    recorder.learn(200)
    recorder.replay_buffer.save(tmp_path / "data.npz")
    reach = gym.make("her/Reach-v0").unwrapped
    buffer = HindsightReplayBuffer(
        500, reach.observation_space, reach.action_space, n_envs=2, reward_function=reach.compute_reward, device="cpu"
    )
    buffer.load(tmp_path / "data.npz")
    learner = model_of(SAC, "her/Reach-v0", n_envs=2)
    learner._setup_learn(0)
    learner.replay_buffer = buffer
    before = [parameter.clone() for parameter in learner.actor.parameters()]
    learner.train(gradient_steps=3, batch_size=32)
    assert any((a != b).any() for a, b in zip(before, learner.actor.parameters(), strict=True))


# ---------------------------------------------------------------------- priorities and curricula


def test_energy_priorities_work_as_they_are():
    model = model_of(SAC, "her/Push-v0", n_envs=2, transitions=EnergyTransitions.of(gym.make("her/Push-v0")))
    model.learn(240)
    sampler = model.replay_buffer.hindsight.transitions
    hindsight = model.replay_buffer.hindsight
    rows = hindsight.live_rows()
    starts = np.unique(hindsight.episode_start[rows])
    seen = model.replay_buffer.sample(20).observations["observation"]
    np.testing.assert_array_equal(model.replay_buffer.newest.states[:, sampler.position], seen[:, sampler.position])
    for start, energy in zip(starts, sampler.energies(hindsight), strict=True):
        episode = slice(start, hindsight.episode_end[start])
        places = np.concatenate([hindsight.states[episode], hindsight.next_states[episode][-1:]])[:, sampler.position]
        expected = trajectory_energy(places, **sampler.physics)
        np.testing.assert_allclose(energy, expected, rtol=1e-4, atol=1e-6)


def test_priorities_by_td_error_follow_what_they_are_told():
    given = ProportionalTransitions(alpha=1.0)
    buffer = feed(buffer_of(transitions=given), [5, 5])
    for _ in range(10):
        rows = read(buffer.sample(64))
        buffer.update_priorities(torch.tensor(np.where(rows.t == 2, 9.0, 1.0))[:, None])
    rows = read(buffer.sample(4000))
    assert abs((rows.t == 2).mean() - 9 / 13) < 0.03
    assert buffer.newest.weights.min() < 1.0
    assert given.tree.size == 0  # the sampler that was passed in may serve another model


def test_td_errors_before_the_first_batch_or_that_are_none_are_refused():
    buffer = feed(buffer_of(transitions=ProportionalTransitions()), [3])
    with pytest.raises(ValueError, match=r"^td_errors"):
        buffer.update_priorities(np.zeros(4))
    buffer.sample(4)
    for wrong in (None, "a", [1, 2, 3], np.full(4, np.nan)):
        with pytest.raises(ValueError, match=r"^td_errors: expected"):
            buffer.update_priorities(wrong)
    buffer.update_priorities(torch.ones(4, 1, requires_grad=True))


class CountingGoals(ReachGoals):
    seen = 0

    def observe(self, achieved, desired, reached):
        self.seen += 1
        super().observe(achieved, desired, reached)


@pytest.mark.parametrize("goals", [CountingGoals(), Cher()])
def test_curricula_see_every_episode_and_are_saved(goals, tmp_path):
    model = model_of(SAC, "her/Reach-v0", n_envs=3, goals=goals)
    model.learn(330)
    buffer = model.replay_buffer
    if isinstance(goals, CountingGoals):
        assert (goals.seen, buffer.hindsight.goals.seen) == (0, 6)
    copy = pickle.loads(pickle.dumps(buffer))
    copy.set_env(model.env)
    buffer.save(tmp_path / "buffer.npz")
    loaded = model_of(SAC, "her/Reach-v0", n_envs=3, goals=goals).replay_buffer
    loaded.load(tmp_path / "buffer.npz")
    expected = buffer.sample(100)
    for each in (copy, loaded):
        torch.testing.assert_close(each.sample(100)[:5], expected[:5])


# ---------------------------------------------------------------------- inside the algorithms


def model_of(algorithm, env, n_envs=1, **buffer_settings):
    if isinstance(env, str):
        env = make_vec_env(env, n_envs=n_envs, seed=0)
    return algorithm(
        "MultiInputPolicy",
        env,
        replay_buffer_class=HindsightReplayBuffer,
        replay_buffer_kwargs=buffer_settings,
        buffer_size=2000,
        learning_starts=0,
        train_freq=10,
        batch_size=32,
        policy_kwargs={"net_arch": [16]},
        seed=0,
        device="cpu",
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("n_envs", [1, 4])
@pytest.mark.parametrize("algorithm", [DQN, DDPG, SAC, TD3, TQC])
def test_the_algorithms_learn_from_it(algorithm, n_envs, strategy):
    env_id = "her/BitFlip-v0" if algorithm is DQN else "her/Reach-v0"
    model = model_of(algorithm, env_id, n_envs, goal_selection_strategy=strategy)
    model.learn(80)
    buffer, samples = model.replay_buffer, model.replay_buffer.sample(10)
    assert buffer.size() * n_envs == 80
    for key, space in buffer.observation_space.items():
        for observations in (samples.observations, samples.next_observations):
            assert observations[key].shape == (10, *space.shape)
            assert observations[key].dtype == torch.float32
    assert samples.rewards.dtype == samples.dones.dtype == torch.float32
    if algorithm is DQN:
        assert samples.actions.shape == (10, 1)
        assert samples.actions.dtype == torch.int64
    else:
        assert samples.actions.shape == (10, 2)
        assert samples.actions.dtype == torch.float32


def test_hindsight_solves_bit_flipping_and_without_it_nothing_is_learnt():
    success = {}
    for k in (4, 0):
        env = make_vec_env("her/BitFlip-v0", n_envs=8, env_kwargs={"n_bits": 12}, seed=0)
        model = DQN(
            "MultiInputPolicy",
            env,
            replay_buffer_class=HindsightReplayBuffer,
            replay_buffer_kwargs={"n_sampled_goal": k},
            learning_starts=64,
            batch_size=128,
            learning_rate=2e-3,
            gamma=0.95,
            train_freq=1,
            gradient_steps=4,
            target_update_interval=200,
            exploration_fraction=0.5,
            exploration_final_eps=0.1,
            policy_kwargs={"net_arch": [128]},
            seed=0,
            device="cpu",
        )
        model.learn(2400)
        reached = []
        for _ in range(8):
            obs = env.reset()
            for _ in range(12):
                obs, _, _, infos = env.step(model.predict(obs, deterministic=True)[0])
                reached.append([info["is_success"] for info in infos])
        success[k] = np.mean(np.reshape(reached, (8, 12, 8)).any(axis=1))
    assert success[4] >= 0.6
    assert success[0] <= 0.1


@pytest.mark.parametrize("norm_reward", [True, False])
def test_samples_are_normalised_as_sb3_does(norm_reward):
    env = VecNormalize(make_vec_env("her/Reach-v0", n_envs=2, seed=0), norm_reward=norm_reward)
    model = model_of(SAC, env)
    model.learn(300)
    buffer = model.replay_buffer
    buffer.hindsight.rng = np.random.default_rng(5)
    normalised = buffer.sample(50, env=env)
    buffer.hindsight.rng = np.random.default_rng(5)
    plain = buffer.sample(50)
    for one, other in (
        (normalised.observations, plain.observations),
        (normalised.next_observations, plain.next_observations),
    ):
        expected = env.normalize_obs({key: tensor.numpy() for key, tensor in other.items()})
        for key in expected:
            np.testing.assert_allclose(one[key], expected[key], rtol=1e-5)
            assert one[key].dtype == torch.float32
    expected = env.normalize_reward(plain.rewards.numpy())
    np.testing.assert_allclose(normalised.rewards, expected, rtol=1e-5)
    assert set(np.unique(plain.rewards)) <= {-1.0, 0.0}  # stored as they were
    torch.testing.assert_close(normalised.dones, plain.dones)


def test_the_seed_of_the_model_makes_the_batches():
    one, other = (model_of(SAC, "her/Reach-v0").learn(60) for _ in range(2))
    for a, b in zip(one.policy.parameters(), other.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_whatever_the_policy_sees_beside_the_goals_is_kept():
    space = spaces.Dict(
        observation=spaces.MultiBinary(3),
        achieved_goal=spaces.Box(-1, 1, (2,), np.float64),
        desired_goal=spaces.Box(-1, 1, (2,), np.float64),
        aaa=spaces.Discrete(5),
    )
    actions = spaces.Discrete(4)
    buffer = HindsightReplayBuffer(10, space, actions, device="cpu", reward_function=reward, n_sampled_goal=0)

    def obs(t):
        goal = np.zeros((1, 2))
        bits = np.array([[t, 0, 1]], np.int8)
        return {"observation": bits, "achieved_goal": goal, "desired_goal": goal, "aaa": np.array([t + 3])}

    buffer.add(obs(0), obs(1), np.array([[3]]), np.zeros(1), np.array([True]), [{}])
    samples = buffer.sample(2)
    assert samples.observations["aaa"].tolist() == [[3], [3]]
    assert samples.next_observations["aaa"].tolist() == [[4], [4]]
    assert samples.observations["observation"].tolist() == [[0, 0, 1]] * 2
    assert samples.actions.tolist() == [[3], [3]]


# ---------------------------------------------------------------------- what is not supported


def dict_of(**parts):
    return spaces.Dict({**SPACE.spaces, **parts})


@pytest.mark.parametrize(
    ("match", "settings"),
    [
        ("observation_space: expected a Dict", {"observation_space": GOAL}),
        ("observation_space: expected a Dict", {"observation_space": spaces.Dict(observation=GOAL)}),
        (
            "observation_space: expected vectors.*images",
            {"observation_space": dict_of(observation=spaces.Box(0, 255, (8, 8, 3), np.uint8))},
        ),
        (
            "observation_space: expected goals of one shape",
            {"observation_space": dict_of(desired_goal=spaces.Box(0, 1, (3,)))},
        ),
        ("optimize_memory_usage: not supported", {"optimize_memory_usage": True}),
        ("goal_selection_strategy: expected one of", {"goal_selection_strategy": "past"}),
        ("n_sampled_goal: expected", {"n_sampled_goal": -1}),
        ("n_envs: expected a positive integer, got 0", {"n_envs": 0}),
        ("reward_function: expected f", {"reward_function": 3}),
        ("done_function: expected f", {"done_function": 3}),
        ("transitions: expected a TransitionSampler", {"transitions": "td"}),
        ("goals: expected a GoalSampler", {"goals": "future"}),
        ("position: expected a slice", {"transitions": EnergyTransitions(slice(5, 8), dt=0.1)}),
        ("seed: expected an integer", {"seed": -1}),
    ],
)
def test_what_is_not_supported_is_named(match, settings):
    with pytest.raises((TypeError, ValueError), match=f"^{match}"):
        HindsightReplayBuffer(**{"buffer_size": 10, "observation_space": SPACE, "action_space": ACTIONS} | settings)


@pytest.mark.parametrize("strategy", ["FINAL", "Future", SB3Strategy.EPISODE, her.GoalSelectionStrategy.RANDOM])
def test_strategies_are_named_as_in_sb3_or_as_here(strategy):
    name = strategy if isinstance(strategy, str) else strategy.name
    assert buffer_of(goal_selection_strategy=strategy).goal_selection_strategy.value == name.lower()


@pytest.mark.slow
def test_sac_learns_fetch_reach():
    """What is not learned with the desired goals alone: nothing but the buffer's k differs."""
    robotics = pytest.importorskip("gymnasium_robotics")
    gym.register_envs(robotics)
    success = {}
    for k in (4, 0):
        envs = make_vec_env("FetchReach-v4", 8, seed=0)
        model = SAC(
            "MultiInputPolicy",
            envs,
            learning_rate=1e-3,
            gamma=0.95,
            tau=0.02,
            ent_coef="auto_0.1",
            learning_starts=800,
            gradient_steps=8,
            replay_buffer_class=HindsightReplayBuffer,
            replay_buffer_kwargs={"n_sampled_goal": k},
            policy_kwargs={"net_arch": [64, 64]},
            seed=0,
            device="cpu",
        ).learn(8000)
        envs.seed(1000)
        observation, reached = envs.reset(), []
        while len(reached) < 32:
            observation, _, ended, infos = envs.step(model.predict(observation, deterministic=True)[0])
            reached += [info["is_success"] for info, end in zip(infos, ended, strict=True) if end]
        success[k] = np.mean(reached)
    assert success[4] > 0.7
    assert success[4] > success[0]


# What is stored, as Stable-Baselines3 lays it out


@pytest.mark.parametrize("n_envs", [1, 3])
def test_what_is_stored_can_be_read_as_in_sb3(n_envs):
    ours, theirs = (
        feed(buffer_of(20 * n_envs, n_envs, cls), [5, 4, 6]) for cls in (HindsightReplayBuffer, HerReplayBuffer)
    )
    for name in ("actions", "rewards", "dones", "ep_start", "ep_length"):
        np.testing.assert_array_equal(getattr(ours, name)[:15], getattr(theirs, name)[:15], err_msg=name)
        with pytest.raises(ValueError, match="read-only"):
            getattr(ours, name)[:] = 0
    for name in ("observations", "next_observations"):
        for key in SPACE:
            one, other = getattr(ours, name)[key], getattr(theirs, name)[key]
            np.testing.assert_array_equal(one[:15], other[:15], err_msg=f"{name}[{key!r}]")
    assert ours.her_ratio == theirs.her_ratio == 0.8


def test_goals_keep_the_dtype_of_their_space():
    cells = spaces.Dict(dict.fromkeys(("observation", "achieved_goal", "desired_goal"), spaces.Discrete(16)))
    table = -(np.arange(16)[:, None] != np.arange(16)).astype(np.float32)
    buffer = HindsightReplayBuffer(
        50, cells, spaces.Discrete(4), reward_function=lambda a, d: table[a, d], device="cpu", seed=0
    )
    for t in range(12):
        obs, next_obs = ({"observation": [s], "achieved_goal": [s], "desired_goal": [15]} for s in (t, t + 1))
        buffer.add(obs, next_obs, np.array([0]), np.array([-1.0]), np.array([t == 11]), [{}])
    samples = buffer.sample(500)
    reached = (samples.next_observations["achieved_goal"] == samples.observations["desired_goal"])[:, 0]
    assert samples.observations["desired_goal"].dtype == torch.int64
    np.testing.assert_array_equal(samples.rewards[:, 0] == 0, reached)
    assert 0 < reached.float().mean() < 1


def test_rows_that_hold_nothing_belong_to_no_episode():
    """As in SB3's buffer, whose mask of what is stored is ``ep_length > 0``: also after rows were dropped."""
    buffer = buffer_of(size=25)
    feed(buffer, [10, 10, 9])
    stored = (buffer.hindsight.number >= 0).sum()
    assert (buffer.ep_length > 0).sum() == stored < 25


@pytest.mark.parametrize("size", [0, -5, 1e6, "x"])
def test_a_size_that_is_none_is_refused_by_name(size):
    with pytest.raises(ValueError, match=r"^buffer_size: expected a positive integer"):
        buffer_of(size=size)
