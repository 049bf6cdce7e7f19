"""Which transition: by the energy of its trajectory, and by whether the object moved in it."""

import numpy as np
import pytest
from replay_cases import DIMS, FIELDS, match_reward, plain_buffer
from scipy.stats import chisquare

from her import Episode, HERConfig, HindsightExperienceReplay, PrioritizedHER
from her.energy import EnergyTransitions, MovedTransitions, trajectory_energy
from her.envs import BitFlipEnv, PushEnv, PushVectorEnv, ReachVectorEnv
from her.prioritized import SAMPLERS
from her.stepwise import StepwiseReplay

# By energy


def test_the_energy_of_a_push_is_half_of_its_speed_squared_for_each_time_it_speeds_up():
    """The agent starts 0.3 m behind the puck, at 1 m/s: it touches in the second step, pushes, rests, pushes again."""
    env = PushEnv()
    observation, _ = env.reset(options={"state": [-0.3, 0.0, 0.0, 0.0, 0.0, 0.0], "goal": [0.3, 0.0]})
    seen = [observation["observation"]]
    for speed in (1.0, 1.0, 1.0, 0.0, 0.5, 1.0):
        seen.append(env.step([speed, 0.0])[0]["observation"])
    seen = np.array(seen, float)
    np.testing.assert_allclose(seen[:, PushEnv.object_velocity][:, 0], [0, 0, 0.5, 1, 0, 0.5, 1], atol=1e-5)
    positions = seen[:, PushEnv.object_position]
    # ½·v²: 0, 0, 0.125, 0.5, 0, 0.125, 0.5; each rise counts, and no fall
    by_hand = 0.125 + 0.375 + 0.125 + 0.375
    assert trajectory_energy(positions, PushEnv.dt) == pytest.approx(by_hand, abs=1e-4)
    assert trajectory_energy(positions, PushEnv.dt, clip=0.2) == pytest.approx(0.125 + 0.2 + 0.125 + 0.2, abs=1e-4)
    assert trajectory_energy(positions, PushEnv.dt, mass=2.0, clip=1.0) == pytest.approx(2 * by_hand, abs=1e-4)


def test_the_energy_of_a_fetch_trajectory_counts_height_and_speed():
    """Δt = 0.04 s: on the table, lifted by 2 cm, then 1 cm more and 4 mm aside, held, dropped."""
    start = np.array([1.3, 0.7, 0.42])
    path = start + np.array([[0, 0, 0], [0, 0, 0.02], [0.004, 0, 0.03], [0.004, 0, 0.03], [0.004, 0, 0.0]])
    energies = [
        0.0,
        9.81 * 0.02 + 0.5 * (0.02 / 0.04) ** 2,  # 0.1962 + 0.125
        9.81 * 0.03 + 0.5 * ((0.01 / 0.04) ** 2 + (0.004 / 0.04) ** 2),  # 0.2943 + 0.03625
        9.81 * 0.03,
        0.0 + 0.5 * (0.03 / 0.04) ** 2,  # 0.28125
    ]
    np.testing.assert_allclose(energies, [0.0, 0.3212, 0.33055, 0.2943, 0.28125])
    assert trajectory_energy(path) == pytest.approx(0.3212 + 0.00935)
    assert trajectory_energy(path, clip=0.3) == pytest.approx(0.3 + 0.00935)
    assert trajectory_energy(path, gravity=0.0, clip=9.0) == pytest.approx(0.125 + 0.28125)
    np.testing.assert_array_equal(
        trajectory_energy([path, path[::-1]]), [trajectory_energy(path), trajectory_energy(path[::-1])]
    )


def test_what_nobody_touches_has_no_energy():
    assert trajectory_energy(np.full((51, 3), 0.4)) == 0
    assert trajectory_energy([[0.1, 0.2]]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0], [1.0]],), r"positions: expected shape \(…, T \+ 1, 2 or 3\), got \(2, 1\)"),
        (([0.0, 1.0],), "positions: expected shape"),
        ((np.zeros((0, 2)),), "positions: expected shape"),
        (([[0.0, np.nan]],), "positions: expected finite float64 numbers, got .* in row 0"),
        ((np.zeros((3, 2)), 0), "dt: expected a number above 0, got 0"),
        ((np.zeros((3, 2)), 0.04, -1.0), "mass: expected a number above 0, got -1.0"),
        ((np.zeros((3, 2)), 0.04, 1.0, -9.81), "gravity: expected a number at least 0, got -9.81"),
        ((np.zeros((3, 2)), 0.04, 1.0, 9.81, "x"), "clip: expected a number above 0, got 'x'"),
    ],
)
def test_energies_of_nonsense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        trajectory_energy(*arguments)


def push_episode(path, goal=(9.0, 9.0)):
    """An episode of a puck along a path of (T + 1, 2): the states are its positions, as are the goals."""
    path = np.asarray(path, np.float32)
    n = len(path) - 1
    return Episode.from_arrays(path[:-1], np.zeros(n), np.full(n, -1.0), path[1:], np.zeros(n), path[1:], goal)


def energy_buffer(capacity=100, make=HindsightExperienceReplay, **settings):
    sampler = EnergyTransitions(slice(0, 2), dt=0.1, **settings)
    return make(capacity, 2, 1, 2, HERConfig("future", 4, match_reward), seed=0, transitions=sampler)


def moved_buffer(capacity=100, make=HindsightExperienceReplay, **settings):
    sampler = MovedTransitions(slice(0, 2), **settings)
    return make(capacity, 2, 1, 2, HERConfig("future", 4, match_reward), seed=0, transitions=sampler)


def starts_of(buffer):
    """The rows in which the stored episodes start, oldest first."""
    rows = buffer.live_rows()
    return rows[rows == buffer.episode_start[rows]]


def assert_drawn_as(buffer, expected):
    """Rows are drawn in proportion to these (capacity,) numbers, and their weights are 1."""
    batch = buffer.sample(60_000)
    counts, possible = np.bincount(batch.indices % buffer.capacity, minlength=buffer.capacity), expected > 0
    assert not counts[~possible].any()
    expected = expected[possible] / expected.sum() * len(batch)
    assert expected.min() > 5
    assert chisquare(counts[possible], expected).pvalue > 1e-4
    assert (batch.weights == 1).all()


def step_by_step(buffer, episode):
    """Add an episode; yields after each step how many there are so far."""
    for t in range(len(episode)):
        buffer.add(*(getattr(episode, name)[t : t + 1] for name in FIELDS), [t == len(episode) - 1])
        yield t + 1


def random_paths(n, seed=0):
    rng = np.random.default_rng(seed)
    paths = [
        np.cumsum(rng.normal(size=(rng.integers(2, 30), 2)) * rng.choice([0, 0.01, 0.05]), axis=0) for _ in range(n)
    ]
    return [np.vstack([path[:1], path]) for path in paths]


def test_trajectories_are_drawn_by_their_energy_and_their_steps_uniformly():
    """After evictions too, for episodes of any length."""
    buffer = energy_buffer(100, floor=0.2, temperature=0.5)
    paths = random_paths(25)
    for path in paths:
        buffer.store_episode(push_episode(path))
    starts = starts_of(buffer)
    energies = [trajectory_energy(path.astype(np.float32), dt=0.1) for path in paths[-len(starts) :]]
    energies, lengths = np.array(energies), buffer.episode_end[starts] - starts
    assert starts[0] > starts[-1]  # in the second lap
    assert (energies == 0).any()
    np.testing.assert_allclose(buffer.transitions.energies(buffer), energies, rtol=1e-6)
    expected = np.zeros(100)
    expected[buffer.live_rows()] = np.repeat((energies + 0.2) ** (1 / 0.51) / lengths, lengths)
    assert_drawn_as(buffer, expected)
    assert buffer.transitions.report(buffer) == {"moved_share": (energies > 0).mean()}


def test_as_long_as_nobody_has_touched_anything_episodes_are_drawn_uniformly():
    buffer = energy_buffer()
    for n in (5, 10, 20):
        buffer.store_episode(push_episode(np.zeros((n + 1, 2))))
    assert_drawn_as(buffer, np.repeat([1 / 5, 1 / 10, 1 / 20, 0], [5, 10, 20, 65]))


def test_an_untouched_episode_remains_possible_beside_one_with_energy():
    buffer = energy_buffer(floor=0.01)
    for path in (np.zeros((6, 2)), np.linspace([0, 0], [1, 0], 11)):
        buffer.store_episode(push_episode(path))
    energies = np.array([0.01, 0.51])  # with the floor; 1 m/s at once is ½ J, which is the clip
    assert_drawn_as(buffer, np.repeat([*energies ** (1 / 1.01) / [5, 10], 0], [5, 10, 85]))


def test_an_open_episode_has_the_energy_it_has_so_far():
    """Step by step, also when it moves to the beginning of the ring, and in the end as for whole episodes."""
    buffer, whole = energy_buffer(40, StepwiseReplay), energy_buffer(40)
    for path in random_paths(12, seed=3):
        for t in step_by_step(buffer, push_episode(path)):
            so_far = trajectory_energy(path[: t + 1].astype(np.float32), dt=0.1)
            assert buffer.transitions.energies(buffer)[-1] == pytest.approx(so_far, rel=1e-6)
        whole.store_episode(push_episode(path))
    np.testing.assert_array_equal(buffer.transitions.energies(buffer), whole.transitions.energies(whole))
    np.testing.assert_array_equal(buffer.transitions.tree.values, whole.transitions.tree.values)


# By whether the object moved


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 1.0])
def test_a_share_of_the_batch_comes_from_episodes_that_moved_the_object_and_all_else_from_everywhere(share):
    buffer = moved_buffer(60, share=share, distance=0.1)
    paths = [np.linspace([0, 0], [end, 0], n + 1) for end, n in ((0, 24), (0.09, 12), (0.11, 8), (0, 16), (1, 20))]
    for path in paths:  # the last one takes the place of the first
        buffer.store_episode(push_episode(path))
    moved = np.repeat([True, False, True, False], [20, 4 + 12, 8, 16])
    expected = np.where(moved, share / 28, 0) + (1 - share) / 56
    expected[20:24] = 0  # empty
    assert_drawn_as(buffer, expected)
    assert buffer.transitions.report(buffer) == {"moved_share": 0.5}


def test_moved_there_and_back_is_moved_however_small_the_steps():
    buffer = moved_buffer(distance=0.1)
    there = np.linspace([0, 0], [0.15, 0], 20)
    for path in (np.vstack([there, there[::-1]]), np.zeros((11, 2))):
        buffer.store_episode(push_episode(path))
    assert buffer.transitions.report(buffer) == {"moved_share": 0.5}


def test_as_long_as_nothing_has_moved_all_transitions_are_drawn_alike():
    buffer = moved_buffer()
    assert buffer.transitions.report(buffer) == {"moved_share": 0.0}
    for n in (5, 10, 20):
        buffer.store_episode(push_episode(np.zeros((n + 1, 2))))
    assert_drawn_as(buffer, np.repeat([1, 0], [35, 65]))


def test_an_open_episode_counts_from_the_step_on_that_moves_the_object():
    """Step by step, also when it moves to the beginning of the ring, and in the end as for whole episodes."""
    buffer, whole = moved_buffer(40, StepwiseReplay), moved_buffer(40)
    for path in random_paths(12, seed=3):
        for t in step_by_step(buffer, push_episode(path)):
            has_moved = np.linalg.norm(np.float32(path[: t + 1]) - np.float32(path[0]), axis=1).max() > 0.02
            assert buffer.transitions.tree.values[starts_of(buffer)[-1]] == (t if has_moved else 0)
        whole.store_episode(push_episode(path))
    np.testing.assert_array_equal(buffer.transitions.tree.values, whole.transitions.tree.values)


def test_environments_tell_where_their_object_is():
    for env in (PushEnv(), PushVectorEnv(3)):
        sampler = EnergyTransitions.of(env, clip=0.25)
        assert (sampler.position, sampler.physics["dt"]) == (PushEnv.object_position, PushEnv.dt)
        assert sampler.physics["clip"] == 0.25

    class Fetch:
        has_object, dt = True, 0.04

    class Vector:
        envs = (Fetch(),)

    for env in (Fetch(), Vector()):
        sampler = EnergyTransitions.of(env)
        assert (sampler.position, sampler.physics["dt"]) == (slice(3, 6), 0.04)
    Fetch.has_object = False  # FetchReach
    for env in (BitFlipEnv(), ReachVectorEnv(2), Fetch()):
        with pytest.raises(ValueError, match=r"^env: .* tells nothing of an object"):
            EnergyTransitions.of(env)
        with pytest.raises(ValueError, match=r"^env: .* tells nothing of an object"):
            MovedTransitions.of(env)
    assert MovedTransitions.of(PushVectorEnv(2), share=0.3).position == PushEnv.object_position


# What is refused


@pytest.mark.parametrize(
    ("sampler", "settings", "message"),
    [
        (EnergyTransitions, {"dt": 0.0}, "dt: expected a number above 0, got 0.0"),
        (EnergyTransitions, {"dt": None}, "dt: expected a number above 0, got None"),
        (EnergyTransitions, {"mass": 0.0}, "mass: expected a number above 0"),
        (EnergyTransitions, {"floor": 0.0}, "floor: expected a number above 0"),
        (EnergyTransitions, {"clip": -1.0}, "clip: expected a number above 0"),
        (EnergyTransitions, {"temperature": -1.0}, "temperature: expected a number at least 0"),
        (EnergyTransitions, {"gravity": -1.0}, "gravity: expected a number at least 0"),
        (MovedTransitions, {"share": 1.5}, r"share: expected a number in \[0, 1\], got 1.5"),
        (MovedTransitions, {"distance": 0}, "distance: expected a number above 0, got 0"),
    ],
)
def test_bad_settings_are_refused_by_name(sampler, settings, message):
    needed = {"dt": 1.0} if sampler is EnergyTransitions else {}
    with pytest.raises(ValueError, match=f"^{message}"):
        sampler(slice(0, 2), **needed | settings)


@pytest.mark.parametrize(
    "position",
    [0, 2, None, "x", [0, 1], slice("a", 2), slice(0, 3, 0), slice(3, 6), slice(3, 0), slice(1, 4), slice(5)],
)
@pytest.mark.parametrize("priority", ["energy", "moved"])
def test_a_position_that_is_no_slice_of_the_state_is_refused_when_the_buffer_is_made(priority, position):
    settings = {"position": position} | ({"dt": 0.1} if priority == "energy" else {})
    config, sampler = HERConfig("future", 4, match_reward), SAMPLERS[priority](**settings)
    with pytest.raises(ValueError, match=r"^position: expected a slice of . to 3 numbers of a state"):
        PrioritizedHER(60, *DIMS, config, priority=priority, **settings)
    with pytest.raises(ValueError, match=r"^position: expected a slice of . to 3 numbers of a state"):
        plain_buffer(transitions=sampler)


def test_the_energy_needs_two_or_three_numbers_and_a_movement_any():
    dims = (5, 1, 1)
    for position in (slice(0, 1), slice(0, 4)):
        with pytest.raises(ValueError, match=r"^position: expected a slice of 2 to 3 numbers"):
            plain_buffer(dims=dims, transitions=EnergyTransitions(position, dt=0.1))
        plain_buffer(dims=dims, transitions=MovedTransitions(position))
    for position in (slice(2), slice(-3, None), slice(2, 5), slice(np.int64(1), np.int64(3))):
        plain_buffer(dims=dims, transitions=EnergyTransitions(position, dt=0.1))
