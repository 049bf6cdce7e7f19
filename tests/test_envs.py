"""The environments: their interface, their physics, and what they refuse."""

import subprocess
import sys
import warnings
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from her.envs import BitFlipEnv, BitFlipVectorEnv, PushEnv, PushVectorEnv, ReachEnv, ReachVectorEnv
from her.envs import push as push_module
from her.envs import reach as reach_module
from her.envs.push import Push, push
from her.envs.reach import Reach, slide

IDS = ["her/BitFlip-v0", "her/Reach-v0", "her/Push-v0"]
PAIRS = [
    (BitFlipEnv, BitFlipVectorEnv, {"n_bits": 7}),
    (BitFlipEnv, BitFlipVectorEnv, {"n_bits": 5, "encoding": "binary", "horizon": 9}),
    (ReachEnv, ReachVectorEnv, {}),
    (PushEnv, PushVectorEnv, {}),
]
each_pair = pytest.mark.parametrize(("single", "vector", "settings"), PAIRS)
each_id = pytest.mark.parametrize("env_id", IDS)

coordinate = st.floats(-1.0, 1.0, width=32)
point = st.tuples(coordinate, coordinate).map(np.array)
actions_of_an_episode = arrays(np.float32, (50, 2), elements=coordinate)


def random_actions(envs, rng):
    if isinstance(envs.single_action_space, gym.spaces.Discrete):
        return rng.integers(envs.single_action_space.n, size=envs.num_envs)
    return rng.uniform(-1.0, 1.0, envs.action_space.shape)


# Interface


@each_id
def test_passes_gymnasiums_checker_without_a_warning(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(env_id, render_mode="rgb_array").unwrapped)


@each_id
def test_a_made_environment_runs_an_episode_through_gymnasiums_wrappers(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id, render_mode="rgb_array")
        env.reset(seed=1)
        env.action_space.seed(1)
        for step in range(1, env.unwrapped.horizon + 1):
            observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
            assert observation in env.observation_space
            assert reward in (0.0, -1.0)
            assert not terminated
            assert truncated == (step == env.unwrapped.horizon)
            assert info == {"is_success": reward == 0.0, "elapsed": step}


@each_id
def test_make_vec_uses_the_native_vector_environment(env_id):
    envs = gym.make_vec(env_id, num_envs=5, vectorization_mode="vector_entry_point")
    assert isinstance(envs, BitFlipVectorEnv | ReachVectorEnv | PushVectorEnv)
    assert type(gym.make_vec(env_id, num_envs=5)) is type(envs)
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    assert all(rows.dtype == np.float32 and len(rows) == 5 for rows in observations.values())
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


@each_id
def test_gymnasium_finds_the_environments_by_module_and_id(env_id):
    program = f"import gymnasium; print(gymnasium.make('her.envs:{env_id}').spec.id)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == env_id


def test_importing_the_environments_loads_neither_torch_nor_matplotlib():
    program = "import sys, her.envs; print([m for m in ('torch', 'matplotlib', 'PIL', 'scipy') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


@each_pair
def test_episodes_begun_in_a_state_go_on_as_those_that_it_was_taken_of(single, vector, settings):
    envs, fresh, rng = vector(3, **settings), vector(3, **settings), np.random.default_rng(0)
    envs.reset(seed=0)
    plan = [random_actions(envs, rng) for _ in range(envs.horizon - 1)]
    for actions in plan[:3]:
        envs.step(actions)
    fresh.reset(options=envs.get_state())
    for actions in plan[3:]:
        (a, *outcome_a, _), (b, *outcome_b, _) = envs.step(actions), fresh.step(actions)
        assert all(np.array_equal(a[key], b[key]) for key in a)
        assert all(np.array_equal(x, y) for x, y in zip(outcome_a, outcome_b, strict=True))


@each_pair
def test_the_end_of_an_episode_resets_in_the_same_step(single, vector, settings):
    envs, rng = vector(3, **settings), np.random.default_rng(0)
    first, _ = envs.reset(seed=0)
    for step in range(1, 2 * envs.horizon + 1):
        observations, _, terminated, truncated, infos = envs.step(random_actions(envs, rng))
        ends = step % envs.horizon == 0
        assert not terminated.any()
        assert (truncated == ends).all()
        assert ("final_obs" in infos) == ends
        assert (infos["elapsed"] == (step - 1) % envs.horizon + 1).all()
        if ends:
            last = infos["final_obs"]
            assert infos["_final_obs"].all()
            assert last in envs.observation_space
            assert observations in envs.observation_space
            assert not np.array_equal(last["desired_goal"], observations["desired_goal"])
            success = envs.compute_reward(last["achieved_goal"], last["desired_goal"]) == 0.0
            assert np.array_equal(infos["is_success"], success)
            assert np.array_equal(infos["final_info"]["is_success"], success)
            assert not np.array_equal(observations["desired_goal"], first["desired_goal"])


@each_pair
def test_what_was_returned_is_never_changed_afterwards(single, vector, settings):
    envs, rng = vector(4, **settings), np.random.default_rng(0)
    kept = [envs.reset(seed=0)[0]]
    copies = [{key: rows.copy() for key, rows in kept[0].items()}]
    for _ in range(envs.horizon + 2):
        observations, *_, infos = envs.step(random_actions(envs, rng))
        kept += [observations, infos.get("final_obs", {})]
        copies += [{key: rows.copy() for key, rows in kept[i].items()} for i in (-2, -1)]
    assert all(np.array_equal(a[key], b[key]) for a, b in zip(kept, copies, strict=True) for key in a)


@each_pair
def test_success_ends_no_episode(single, vector, settings):
    env = single(**settings)
    observation, _ = env.reset(seed=0)
    _, info = env.reset(options={"state": env.get_state()["state"][0], "goal": observation["achieved_goal"]})
    assert info["is_success"]
    if not isinstance(env, BitFlipEnv):
        _, reward, terminated, truncated, info = env.step(np.zeros(2))
        assert (reward, terminated, truncated, info["is_success"]) == (0.0, False, False, True)


# Rewards


@each_pair
def test_compute_reward_equals_the_reward_of_the_step(single, vector, settings):
    envs, env, rng = vector(64, **settings), single(**settings), np.random.default_rng(0)
    envs.reset(seed=0)
    env.reset(seed=0)
    for _ in range(envs.horizon):
        observations, rewards, terminated, truncated, infos = envs.step(random_actions(envs, rng))
        observations = infos.get("final_obs", observations)
        goals = observations["achieved_goal"], observations["desired_goal"]
        assert np.array_equal(envs.compute_reward(*goals, infos), rewards)
        assert np.array_equal(envs.compute_terminated(*goals, infos), terminated)
        assert np.array_equal(envs.compute_truncated(*goals, infos), truncated)
        observation, *outcome, info = env.step(random_actions(envs, rng)[0])
        goals = observation["achieved_goal"], observation["desired_goal"]
        computed = [compute(*goals, info) for compute in (env.compute_reward, env.compute_terminated)]
        assert [*computed, env.compute_truncated(*goals, info)] == outcome


@each_pair
def test_compute_reward_takes_any_leading_dimensions(single, vector, settings):
    env = single(**settings)
    goals = np.stack([env.reset(seed=seed)[0]["desired_goal"] for seed in range(24)])
    achieved = np.where(np.arange(24)[:, None] % 3 == 0, goals, goals[::-1])
    flat = env.compute_reward(achieved, goals, {})
    assert flat.dtype == np.float32
    assert set(flat.tolist()) == {0.0, -1.0}
    assert not np.signbit(flat[flat == 0.0]).any()
    cube = env.compute_reward(achieved.reshape(2, 3, 4, -1), goals.reshape(2, 3, 4, -1), None)
    assert np.array_equal(cube, flat.reshape(2, 3, 4))
    rows = [env.compute_reward(a, g, {}) for a, g in zip(achieved, goals, strict=True)]
    assert [float(row) for row in rows] == flat.tolist()
    assert all(np.shape(row) == () for row in rows)
    for compute in (env.compute_terminated, env.compute_truncated):
        assert not compute(achieved.reshape(2, 3, 4, -1), goals.reshape(2, 3, 4, -1), {}).any()
        assert compute(achieved[0], goals[0], {}) == False  # noqa: E712


@each_pair
def test_time_is_up_where_the_info_of_the_row_says_so(single, vector, settings):
    env = single(**settings)
    goals = np.repeat(env.reset(seed=0)[0]["desired_goal"][None], 3, axis=0)
    rows = [{"elapsed": env.horizon}, {"elapsed": env.horizon - 1}, {}]
    for infos in (rows, tuple(rows), np.array(rows), [*rows[:2], None], {"elapsed": np.array([env.horizon, 3, 0])}):
        assert env.compute_truncated(goals, goals, infos).tolist() == [True, False, False]
    cube = env.compute_truncated(goals[None], goals[None], np.array([rows]))
    assert cube.tolist() == [[True, False, False]]
    assert env.compute_truncated(goals[0], goals[0], np.array(rows[0]))
    assert env.compute_truncated(goals[:0], goals[:0], []).shape == (0,)
    assert not env.compute_truncated(goals, goals).any()


@pytest.mark.parametrize("env", [BitFlipEnv(n_bits=8), ReachEnv(), PushEnv()])
@pytest.mark.parametrize("compute", ["compute_reward", "compute_terminated", "compute_truncated"])
def test_goals_that_cannot_be_compared_are_refused(env, compute):
    goal = env.reset(seed=0)[0]["desired_goal"]
    for achieved, desired in (
        (goal[:1], goal),
        (1.0, goal),
        (None, None),
        (goal[:, None], goal),
        ([goal] * 2, [goal] * 3),
    ):
        with pytest.raises(ValueError, match=r"^desired_goal: expected goals of the size of achieved_goal's"):
            getattr(env, compute)(achieved, desired, {})


@pytest.mark.parametrize("env", [ReachEnv(threshold=0.25), PushEnv(threshold=0.25)])
def test_the_goal_is_reached_closer_than_the_threshold(env):
    achieved = np.array([[0.249, 0.0], [0.251, 0.0], [0.0, -0.249], [0.2, 0.2]], np.float32)
    assert env.compute_reward(achieved, np.zeros((4, 2), np.float32)).tolist() == [0.0, -1.0, 0.0, -1.0]


# Seeds and states


@each_pair
def test_the_same_seed_gives_the_same_trajectories(single, vector, settings):
    def run(seed):
        envs, rng = vector(3, **settings), np.random.default_rng(0)
        rows = [envs.reset(seed=seed)[0]]
        rows += [envs.step(random_actions(envs, rng))[0] for _ in range(envs.horizon + 3)]
        return np.concatenate([np.hstack([*row.values()]) for row in rows])

    assert np.array_equal(run(5), run(5))
    assert not np.array_equal(run(5), run(6))


@each_pair
def test_a_vector_of_one_with_the_same_seed_is_the_single_environment(single, vector, settings):
    env, envs, rng = single(**settings), vector(1, **settings), np.random.default_rng(0)
    for seed in range(3):
        rows = [(env.reset(seed=seed)[0], envs.reset(seed=seed)[0])]
        for _ in range(env.horizon):
            action = random_actions(envs, rng)
            observations, *_, infos = envs.step(action)
            rows.append((env.step(action[0])[0], infos.get("final_obs", observations)))
        assert all(np.allclose(one[key], batch[key][0], atol=1e-6) for one, batch in rows for key in one)


@each_pair
def test_single_and_vector_agree_from_the_same_states(single, vector, settings):
    envs, env, rng = vector(16, **settings), single(**settings), np.random.default_rng(1)
    envs.reset(seed=1)
    for _ in range(envs.horizon - 1):
        before, actions = envs.get_state(), random_actions(envs, rng)
        observations, rewards, *_, infos = envs.step(actions)
        for i in range(0, 16, 5):
            env.reset(options={"state": before["state"][i], "goal": before["goal"][i]})
            observation, reward, *_, info = env.step(actions[i])
            assert all(np.allclose(observation[key], observations[key][i], atol=1e-6) for key in observation)
            assert (reward, info["is_success"]) == (rewards[i], infos["is_success"][i])


@each_pair
def test_gymnasiums_own_vector_environment_steps_the_single_ones_alike(single, vector, settings):
    envs = vector(2, **settings)
    slow = SyncVectorEnv([lambda: single(**settings)] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    rng = np.random.default_rng(0)
    slow.reset(seed=3)
    state = np.concatenate([env.get_state()["state"] for env in slow.envs])
    goal = np.concatenate([env.get_state()["goal"] for env in slow.envs])
    envs.reset(options={"state": state, "goal": goal})
    for _ in range(envs.horizon):
        actions = random_actions(envs, rng)
        ours, theirs = envs.step(actions), slow.step(actions)
        assert all(np.array_equal(a, b) for a, b in zip(ours[1:4], theirs[1:4], strict=True))
    for i in range(2):
        last = theirs[4]["final_obs"][i]
        assert all(np.allclose(ours[4]["final_obs"][key][i], last[key], atol=1e-6) for key in last)


@each_pair
def test_a_start_and_a_goal_can_be_chosen(single, vector, settings):
    env, envs = single(**settings), vector(4, **settings)
    env.reset(seed=0)
    saved = env.get_state()
    chosen = {"state": saved["state"][0], "goal": saved["goal"][0]}
    observation, _ = env.reset(options=chosen)
    assert np.array_equal(observation["desired_goal"], chosen["goal"])
    assert np.allclose(observation["observation"][: len(chosen["state"])], chosen["state"])
    observations, _ = envs.reset(options=chosen)
    assert all(np.array_equal(rows, [observation[key]] * 4) for key, rows in observations.items())
    envs.reset(seed=1)
    many = envs.get_state()
    assert np.array_equal(envs.reset(options={"goal": many["goal"]})[0]["desired_goal"], many["goal"])


# Bit flipping


def test_an_action_flips_its_bit_and_no_other():
    for settings, flip in (({}, lambda bits: -bits), ({"encoding": "binary"}, lambda bits: 1 - bits)):
        envs = BitFlipVectorEnv(6, n_bits=6, **settings)
        before = envs.reset(seed=0)[0]["observation"]
        after = envs.step(np.arange(6))[0]["observation"]
        assert np.array_equal(after, np.where(np.eye(6), flip(before), before))


def test_flipping_every_wrong_bit_reaches_the_goal_and_the_last_flip_earns_it():
    env = BitFlipEnv(n_bits=12)
    observation, _ = env.reset(seed=2)
    wrong = np.flatnonzero(observation["observation"] != observation["desired_goal"])
    assert [env.step(bit)[1] for bit in wrong] == [-1.0] * (len(wrong) - 1) + [0.0]


@pytest.mark.parametrize(("encoding", "bits"), [("signed", {-1.0, 1.0}), ("binary", {0.0, 1.0})])
def test_bits_are_uniform_and_written_in_their_encoding(encoding, bits):
    observations, _ = BitFlipVectorEnv(20_000, n_bits=4, encoding=encoding).reset(seed=0)
    for rows in observations.values():
        assert set(np.unique(rows)) == bits
        codes = (rows == 1.0) @ [1, 2, 4, 8]
        assert np.bincount(codes, minlength=16).min() > 20_000 / 16 * 0.85
    assert abs((observations["observation"] == observations["desired_goal"]).mean() - 0.5) < 0.02


def test_the_horizon_of_bit_flipping_is_the_number_of_bits_unless_given():
    assert BitFlipEnv(n_bits=13).horizon == 13
    assert BitFlipEnv(n_bits=13, horizon=40).horizon == 40


# Reach


def crosses_the_wall(a, b):
    """Whether the straight line from a to b passes through the inside of the wall, found by looking at many points."""
    points = a + np.linspace(0.0, 1.0, 401)[:, None] * (b - a)
    inside = (Reach.low + 1e-9 < points[:, None]) & (points[:, None] < Reach.high - 1e-9)
    return inside.all(axis=-1).any()


def free(position):
    return not ((Reach.low < position) & (position < Reach.high)).all(axis=-1).any()


@given(start=point.filter(free), actions=actions_of_an_episode)
def test_the_point_stays_in_its_room_and_never_passes_through_the_wall(start, actions):
    env = ReachEnv()
    env.reset(options={"state": start, "goal": [0.5, 0.5]}, seed=0)
    path = [start] + [(env.step(action), env.get_state()["state"][0])[1] for action in actions]
    assert np.abs(path).max() <= 1.0
    assert all(map(free, path))
    assert not any(crosses_the_wall(a, b) for a, b in pairwise(path))


@given(
    start=st.tuples(st.floats(-1, -0.09375), coordinate).map(np.array),
    motion=arrays(float, 2, elements=st.floats(-9, 9)),
)
def test_a_box_stops_motions_of_any_length_however_thin_it_is(start, motion):
    thin = np.array([[-1e-6, -np.inf]]), np.array([[1e-6, np.inf]])
    end = slide(start[None], motion[None], *thin)[0]
    assert end[0] == min(start[0] + motion[0], -1e-6)
    assert end[1] == start[1] + motion[1]


@given(start=point.filter(free), action=point)
def test_away_from_walls_the_point_moves_at_its_speed(start, action):
    step = action * reach_module.SPEED * reach_module.DT
    assume(np.abs(start + step).max() <= 1.0 and not crosses_the_wall(start, start + step))
    assert np.allclose(Reach().move(start[None], action[None])[0], start + step, atol=1e-8)


@pytest.mark.parametrize("wall", [(-0.09375, 0.5), (0.09375, 0.5), (-0.09375, -0.5), (0.0, 0.15625), (0.0, -0.15625)])
@pytest.mark.parametrize("action", [(0.0, 0.0), (-0.0, -0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_a_point_that_touches_the_wall_can_rest_slide_and_leave_but_not_enter(wall, action):
    start, step = np.array(wall), np.array(action) * reach_module.SPEED * reach_module.DT
    end = Reach().move(start[None], np.array([action]))[0]
    assert np.array_equal(end, start + step if not crosses_the_wall(start, start + step) else start)


@given(start=point.filter(free), action=point)
def test_an_observed_position_can_be_started_from(start, action):
    env = ReachEnv()
    env.reset(options={"state": start})
    observation = env.step(action)[0]["observation"]
    assert np.array_equal(env.reset(options={"state": observation})[0]["observation"], observation)


def test_reach_starts_on_the_left_of_the_wall_and_asks_for_a_point_on_the_right():
    observations, infos = ReachVectorEnv(2000).reset(seed=0)
    assert (observations["observation"][:, 0] <= Reach.low[0, 0]).all()
    assert (observations["desired_goal"][:, 0] >= Reach.high[0, 0]).all()
    assert not infos["is_success"].any()


def test_the_gap_lets_the_point_through_and_the_wall_does_not():
    envs = ReachVectorEnv(2)
    envs.reset(options={"state": [[-0.5, 0.0], [-0.5, 0.5]], "goal": [0.5, 0.0]})
    for _ in range(12):
        position = envs.step(np.tile([1.0, 0.0], (2, 1)))[0]["observation"]
    assert position[0, 0] > 0.5
    assert position[1].tolist() == [Reach.low[0, 0], 0.5]


# Push


def apart(agent, puck):
    return np.linalg.norm(puck - agent) >= push_module.CONTACT


def push_in_parts(agent, motion, puck, parts):
    for _ in range(parts):
        puck = push(agent[None], motion[None] / parts, puck[None], push_module.CONTACT)[0]
        agent = agent + motion / parts
    return puck


short_motion = st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)).map(np.array)


@given(agent=point, puck=point, motion=short_motion)
def test_after_a_push_the_discs_do_not_overlap_and_the_puck_was_not_pulled(agent, puck, motion):
    assume(apart(agent, puck))
    pushed = push_in_parts(agent, motion, puck, parts=1)
    assert np.linalg.norm(pushed - (agent + motion)) >= push_module.CONTACT - 1e-9
    assert np.linalg.norm(pushed - puck) <= np.linalg.norm(motion) + 1e-9
    assert (pushed - puck) @ motion >= -1e-12
    side = np.cross(np.append(motion, 0), np.append(puck - agent, 0))[2]
    assert side * np.cross(np.append(motion, 0), np.append(pushed - agent, 0))[2] >= -1e-12


@given(agent=point, puck=point, motion=short_motion, n=st.integers(2, 5))
def test_a_push_in_parts_is_the_push_as_a_whole(agent, puck, motion, n):
    assume(apart(agent, puck))
    assert np.allclose(push_in_parts(agent, motion, puck, n), push_in_parts(agent, motion, puck, 1), atol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 0.03, -0.08, 0.14])
def test_the_closed_form_is_the_limit_of_many_small_pushes(offset):
    """Many tiny steps, after each of which the puck is moved out of the agent along the line of centres."""
    agent, motion = np.array([0.0, 0.0]), np.array([0.3, 0.0])
    puck = start = np.array([0.2, offset])
    n = 20_000
    for i in range(1, n + 1):
        away = puck - (agent + motion * i / n)
        puck = puck + away * max(push_module.CONTACT / np.linalg.norm(away) - 1.0, 0.0)
    assert np.allclose(push_in_parts(agent, motion, start, 1), puck, atol=1e-4)


@given(actions=actions_of_an_episode, seed=st.integers(0, 1000), chase=st.booleans())
def test_positions_stay_in_bounds_and_the_discs_apart(actions, seed, chase):
    env = PushEnv()
    observation, _ = env.reset(seed=seed)
    for action in actions:
        seen = observation["observation"]
        toward = np.clip(10 * seen[PushEnv.relative_position], -1, 1)
        observation, *_ = env.step(toward + 0.3 * action if chase else action)
        assert observation in env.observation_space
        after = observation["observation"]
        agent, puck = after[PushEnv.agent_position], after[PushEnv.object_position]
        assert np.linalg.norm(puck - agent) >= push_module.CONTACT - 1e-6
        assert np.allclose(after[PushEnv.relative_position], puck - agent, atol=1e-6)
        travelled = puck - seen[PushEnv.object_position]
        assert np.allclose(after[PushEnv.object_velocity] * PushEnv.dt, travelled, atol=1e-6)
        assert np.array_equal(observation["achieved_goal"], puck)


def test_a_push_through_the_middle_moves_the_puck_straight_ahead():
    env = PushEnv()
    env.reset(options={"state": [-0.3, 0.0, 0.0, 0.0, 0.0, 0.0], "goal": [0.3, 0.0]})
    xs = [env.step([1.0, 0.0])[0]["achieved_goal"] for _ in range(5)]
    assert np.allclose(xs, [[0.0, 0.0], [0.05, 0.0], [0.15, 0.0], [0.25, 0.0], [0.35, 0.0]], atol=1e-6)


def test_push_starts_apart_at_rest_and_with_the_goal_a_push_away():
    observations, infos = PushVectorEnv(5000).reset(seed=0)
    away = np.linalg.norm(observations["desired_goal"] - observations["achieved_goal"], axis=-1)
    assert away.min() >= 0.3 - 1e-6
    assert away.max() <= 0.6 + 1e-6
    assert (observations["observation"][:, PushEnv.object_velocity] == 0.0).all()
    between = np.linalg.norm(observations["observation"][:, PushEnv.relative_position], axis=-1)
    assert between.min() > push_module.CONTACT
    assert not infos["is_success"].any()


@pytest.mark.parametrize("task", [Reach(), Push()])
def test_moving_leaves_the_state_it_was_given_as_it_was(task):
    state = task.start(np.random.default_rng(0), 50)
    before = state.copy()
    task.move(state, np.random.default_rng(1).uniform(-1, 1, (50, 2)))
    assert np.array_equal(state, before)


# How hard it is


@pytest.mark.parametrize("vector", [ReachVectorEnv, PushVectorEnv])
def test_random_actions_almost_never_reach_the_goal(vector):
    envs, rng = vector(2000), np.random.default_rng(0)
    envs.reset(seed=0)
    ever = np.zeros(2000, bool)
    for _ in range(envs.horizon):
        *_, infos = envs.step(random_actions(envs, rng))
        ever |= infos["is_success"]
    assert ever.mean() < 0.01


# Pictures


@each_pair
def test_pictures_show_the_state_and_the_goal(single, vector, settings):
    envs = vector(2, **settings, render_mode="rgb_array")
    envs.reset(seed=2)
    one, other = envs.render()
    assert one.dtype == np.uint8
    assert one.ndim == 3
    assert one.shape[-1] == 3
    assert not np.array_equal(one, other)
    env = single(**settings, render_mode="rgb_array")
    saved = envs.get_state()
    env.reset(options={"state": saved["state"][0], "goal": saved["goal"][0]})
    assert np.array_equal(env.render(), one)
    env.reset(options={"state": saved["state"][0], "goal": saved["goal"][1]})
    assert not np.array_equal(env.render(), one)


@pytest.mark.parametrize("n_bits", [1, 8, 20, 50, 100])
def test_pictures_of_bits_have_even_sides_and_fit_a_page(n_bits):
    env = BitFlipEnv(n_bits, render_mode="rgb_array")
    env.reset(seed=0)
    height, width, _ = env.render().shape
    assert height % 2 == width % 2 == 0
    assert width <= 1000


def test_rendering_without_a_mode_warns_and_draws_nothing():
    env = PushEnv()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BitFlipEnv(n_bits=0), "n_bits: expected a positive integer, got 0"),
        (lambda: BitFlipEnv(n_bits=2.5), "n_bits: .* got 2.5"),
        (lambda: BitFlipEnv(encoding="xor"), r"encoding: expected one of \['signed', 'binary'\], got 'xor'"),
        (lambda: BitFlipEnv(horizon=0), "horizon: .* got 0"),
        (lambda: ReachEnv(threshold=0.0), "threshold: expected a number above 0, got 0.0"),
        (lambda: ReachEnv(threshold=float("nan")), "threshold: .* got nan"),
        (lambda: PushEnv(threshold="near"), "threshold: .* got 'near'"),
        (lambda: PushEnv(horizon=True), "horizon: .* got True"),
        (lambda: PushVectorEnv(0), "num_envs: .* got 0"),
        (lambda: ReachEnv(render_mode="human"), "render_mode: .* got 'human'"),
        (lambda: PushVectorEnv(2, render_mode="human"), "render_mode: .* got 'human'"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("env", "action", "message"),
    [
        (ReachEnv(), [0.0, 0.0, 0.0], r"action: expected shape \(2,\), got \(3,\)"),
        (PushEnv(), [np.nan, 0.0], "action: expected finite numbers, got"),
        (PushVectorEnv(3), np.zeros(2), r"action: expected shape \(3, 2\), got \(2,\)"),
        (BitFlipEnv(n_bits=4), 4, "action: expected whole numbers from 0 to 3, got 4"),
        (BitFlipEnv(n_bits=4), -1, "action: expected whole numbers from 0 to 3, got -1"),
        (BitFlipEnv(n_bits=4), 1.0, "action: expected whole numbers from 0 to 3, got 1.0"),
        (BitFlipVectorEnv(2, n_bits=4), [0, 1, 2], r"action: expected shape \(2,\), got \(3,\)"),
    ],
)
def test_bad_actions_are_refused_and_change_nothing(env, action, message):
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(ValueError, match=message):
        env.step(action)
    assert np.array_equal(before["state"], env.get_state()["state"])
    assert np.all(env.step(env.action_space.sample())[4]["elapsed"] == 1)


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        (ReachEnv(), {"gaol": [0.0, 0.0]}, r"options: expected the keys 'state' and 'goal' only, got \['gaol'\]"),
        (ReachEnv(), {"state": [0.0, 0.9]}, "state: expected points in .* clear of the wall"),
        (ReachEnv(), {"state": [-2.0, 0.0]}, "state: expected points in"),
        (ReachEnv(), {"goal": [0.0, 1.5]}, "goal: expected points in"),
        (ReachEnv(), {"goal": [0.0, np.nan]}, "goal: expected finite numbers"),
        (PushEnv(), {"state": [0.0, 0.0]}, r"state: expected shape \(6,\)"),
        (PushEnv(), {"state": [0.0, 0.0, 0.1, 0.0, 0.0, 0.0]}, "state: expected agent and puck at least 0.15 m apart"),
        (PushEnv(), {"state": [0.0, 5.0, 0.1, 0.0, 0.0, 0.0]}, "state: expected sizes of at most"),
        (PushEnv(), {"goal": [0.0, 5.0]}, "goal: expected sizes of at most"),
        (BitFlipEnv(n_bits=2), {"state": [0.0, 1.0]}, "state: expected -1 and 1 only"),
        (BitFlipEnv(n_bits=2, encoding="binary"), {"goal": [-1.0, 1.0]}, "goal: expected 0 and 1 only"),
        (PushVectorEnv(3), {"goal": np.zeros((2, 2))}, r"goal: expected shape \(2,\) or \(3, 2\), got \(2, 2\)"),
    ],
)
def test_bad_options_are_refused_and_change_nothing(env, options, message):
    env.reset(seed=0)
    before, rng = env.get_state(), env.np_random.bit_generator.state
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)
    assert np.array_equal(before["state"], env.get_state()["state"])
    assert env.np_random.bit_generator.state == rng


@each_pair
def test_stepping_before_the_first_reset_is_refused(single, vector, settings):
    for env in (single(**settings), vector(2, **settings)):
        with pytest.raises(gym.error.ResetNeeded, match="reset"):
            env.step(env.action_space.sample())


def test_velocities_beyond_the_box_count_as_its_edge():
    ends = []
    for action in ([1.0, -1.0], [7.0, -7.0]):
        env = ReachEnv()
        env.reset(options={"state": [-0.5, 0.0]}, seed=0)
        ends.append(env.step(action)[0]["observation"])
    assert np.array_equal(*ends)
