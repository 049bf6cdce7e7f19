"""Answers to the exercises of chapter 2."""

import dataclasses
import math
from fractions import Fraction

import numpy as np

from her import Episode, Transition
from mutants import mutant, right

# ------------------------------------------------------------------------------------------------- relabel_transition


@mutant("relabel_transition", "reward_not_recomputed")
def only_the_goal(transition, new_goal, reward_function):
    return dataclasses.replace(transition, goal=new_goal)


@mutant("relabel_transition", "reward_not_recomputed")
def old_reward(transition, new_goal, reward_function):
    return dataclasses.replace(transition, goal=new_goal, done=False)


@mutant("relabel_transition", "goal_not_replaced")
def only_the_reward(transition, new_goal, reward_function):
    return dataclasses.replace(transition, reward=reward_function(transition.achieved_goal, new_goal), done=False)


@mutant("relabel_transition", "assumes_success")
def always_zero(transition, new_goal, reward_function):
    return dataclasses.replace(transition, goal=new_goal.copy(), reward=0.0, done=False)


@mutant("relabel_transition", "achieved_before_action")
def one_too_early(transition, new_goal, reward_function):
    achieved = transition.state[: len(new_goal)]
    return dataclasses.replace(transition, goal=new_goal, reward=reward_function(achieved, new_goal), done=False)


@mutant("relabel_transition", "state_for_achieved")
def where_states_begin(transition, new_goal, reward_function):
    reward = reward_function(transition.next_state[: len(new_goal)], new_goal)
    return dataclasses.replace(transition, goal=new_goal, reward=reward, done=False)


@mutant("relabel_transition", "arguments_swapped")
def other_way_round(transition, new_goal, reward_function):
    reward = reward_function(new_goal, transition.achieved_goal)
    return dataclasses.replace(transition, goal=new_goal, reward=reward, done=False)


@mutant("relabel_transition", "stale_done")
def keeps_done(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return dataclasses.replace(transition, goal=new_goal, reward=reward)


@mutant("relabel_transition", "done_on_success")
def ends_on_success(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return dataclasses.replace(transition, goal=new_goal, reward=reward, done=bool(reward == 0))


@mutant("relabel_transition", "touches_the_rest")
def pretends_to_have_been_there(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return dataclasses.replace(transition, goal=new_goal, reward=reward, achieved_goal=new_goal, done=False)


@mutant("relabel_transition", "mutates_input")
def writes_into_it(transition, new_goal, reward_function):
    transition.goal[:] = new_goal
    return dataclasses.replace(
        transition, reward=float(reward_function(transition.achieved_goal, transition.goal)), done=False
    )


@mutant("relabel_transition", "mutates_input")
def same_object(transition, new_goal, reward_function):
    object.__setattr__(transition, "goal", new_goal)
    object.__setattr__(transition, "reward", reward_function(transition.achieved_goal, new_goal))
    object.__setattr__(transition, "done", False)
    return transition


@right("relabel_transition", "field by field")
def field_by_field(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    s, a, s2, g = transition.state, transition.action, transition.next_state, transition.achieved_goal
    return Transition(s, a, reward, s2, False, new_goal, g)


@right("relabel_transition", "replace")
def replaced(transition, new_goal, reward_function):
    changes = {"goal": np.copy(new_goal), "done": 0}
    changes["reward"] = np.float32(reward_function(transition.achieved_goal, new_goal))
    return dataclasses.replace(transition, **changes)


# ------------------------------------------------------------------------------------------------------ relabel_final


def relabelled(episode, goals, rewards=None, reward_function=None, dones=None):
    goals = np.broadcast_to(goals, episode.achieved_goals.shape)
    if rewards is None:
        rewards = reward_function(episode.achieved_goals, goals)
    return Episode.from_arrays(
        episode.states,
        episode.actions,
        rewards,
        episode.next_states,
        np.zeros(len(episode), bool) if dones is None else dones,
        episode.achieved_goals,
        goals,
    )


@mutant("relabel_final", "only_last_transition")
def last_only(episode, reward_function):
    *before, last = episode
    goal = last.achieved_goal
    reward = reward_function(last.achieved_goal, goal)
    return Episode([*before, dataclasses.replace(last, goal=goal, reward=reward, done=False)])


@mutant("relabel_final", "goal_not_replaced")
def rewards_only(episode, reward_function):
    rewards = reward_function(episode.achieved_goals, np.tile(episode.achieved_goals[-1], (len(episode), 1)))
    return relabelled(episode, episode.goals, rewards)


@mutant("relabel_final", "goal_before_last_action")
def last_but_one(episode, reward_function):
    goal = episode.achieved_goals[max(0, len(episode) - 2)]
    return relabelled(episode, goal, reward_function=reward_function)


@mutant("relabel_final", "first_goal")
def first(episode, reward_function):
    return relabelled(episode, episode.achieved_goals[0], reward_function=reward_function)


@mutant("relabel_final", "each_its_own_goal")
def own_goals(episode, reward_function):
    return relabelled(episode, episode.achieved_goals, reward_function=reward_function)


@mutant("relabel_final", "reward_not_recomputed")
def old_rewards(episode, reward_function):
    return relabelled(episode, episode.achieved_goals[-1], episode.rewards)


@mutant("relabel_final", "assumes_success")
def all_zero(episode, reward_function):
    return relabelled(episode, episode.achieved_goals[-1], np.zeros(len(episode)))


@mutant("relabel_final", "only_last_succeeds")
def zero_at_the_end(episode, reward_function):
    rewards = [-1.0] * (len(episode) - 1) + [0.0]
    return relabelled(episode, episode.achieved_goals[-1], np.array(rewards))


@mutant("relabel_final", "achieved_before_action")
def too_early(episode, reward_function):
    goal = episode.achieved_goals[-1]
    before = episode.states[:, : len(goal)]
    return relabelled(episode, goal, np.array([reward_function(b, goal) for b in before]))


@mutant("relabel_final", "state_for_achieved")
def where_states_begin_all_along(episode, reward_function):
    after = episode.next_states[:, : len(episode.goal)]
    return relabelled(episode, after[-1], np.array([reward_function(a, after[-1]) for a in after]))


@mutant("relabel_final", "arguments_swapped")
def arguments_swapped(episode, reward_function):
    goal = episode.achieved_goals[-1]
    return relabelled(episode, goal, np.array([reward_function(goal, a) for a in episode.achieved_goals]))


@mutant("relabel_final", "stale_done")
def old_dones(episode, reward_function):
    return relabelled(episode, episode.achieved_goals[-1], reward_function=reward_function, dones=episode.dones)


@mutant("relabel_final", "done_at_the_end")
def done_at_the_end(episode, reward_function):
    dones = np.arange(len(episode)) == len(episode) - 1
    return relabelled(episode, episode.achieved_goals[-1], reward_function=reward_function, dones=dones)


@mutant("relabel_final", "mutates_input")
def in_the_episode_itself(episode, reward_function):
    episode.goal = episode.achieved_goals[-1].copy()
    episode.goals[:] = episode.goal
    episode.rewards = np.array(reward_function(episode.achieved_goals, episode.goals), np.float32)
    episode.dones = np.zeros(len(episode), bool)
    return episode


@right("relabel_final", "looped")
def one_by_one(episode, reward_function):
    goal = episode.achieved_goals[-1]
    transitions = []
    for t in episode.transitions:
        reward = reward_function(t.achieved_goal, goal)
        transitions.append(Transition(t.state, t.action, reward, t.next_state, False, goal, t.achieved_goal))
    return Episode(transitions=transitions, goal=goal)


@right("relabel_final", "vectorised")
def at_once(episode, reward_function):
    return relabelled(episode, episode.achieved_goals[-1], reward_function=reward_function)


# --------------------------------------------------------------------------------------------- expected_success_share


@mutant("expected_success_share", "all_succeed")
def all_of_them(horizon):
    return 1


@mutant("expected_success_share", "relabelled_share")
def k_over_k_plus_one(horizon, k=4):
    return k / (k + 1)


@mutant("expected_success_share", "uniform_over_the_episode")
def one_in_t(horizon):
    return np.mean([1 / horizon for _ in range(horizon)])


@mutant("expected_success_share", "not_divided")
def harmonic(horizon):
    return sum(1 / (horizon - t) for t in range(horizon))


@mutant("expected_success_share", "excludes_own_step")
def without_own(horizon):
    return sum(1 / (horizon - t) for t in range(1, horizon)) / horizon


@mutant("expected_success_share", "mean_length")
def inverse_of_mean(horizon):
    return 1 / np.mean([horizon - t for t in range(horizon)])


@mutant("expected_success_share", "logarithm")
def by_integral(horizon):
    return math.log(horizon) / horizon


@mutant("expected_success_share", "euler_approximation")
def by_euler(horizon):
    return (math.log(horizon) + np.euler_gamma) / horizon


@right("expected_success_share", "vectorised")
def mean_of_inverses(horizon):
    return (1 / np.arange(1, horizon + 1)).mean()


@right("expected_success_share", "looped, with fractions")
def exact(horizon):
    total = Fraction(0)
    for t in range(horizon):
        total += Fraction(1, horizon - t)
    return float(total / horizon)


# ------------------------------------------------------------------------------------------------------ relabel_ending


def ended(transition, goal, reward, done):
    return Transition(
        transition.state,
        transition.action,
        reward,
        transition.next_state,
        bool(done),
        np.array(goal),
        transition.achieved_goal,
    )


@mutant("relabel_ending", "never_done")
def goes_on(transition, new_goal, reward_function):
    return ended(transition, new_goal, reward_function(transition.achieved_goal, new_goal), False)


@mutant("relabel_ending", "state_for_achieved")
def ends_where_states_begin(transition, new_goal, reward_function):
    reward = reward_function(transition.next_state[: len(new_goal)], new_goal)
    return ended(transition, new_goal, reward, reward == 0)


@mutant("relabel_ending", "stale_done")
def done_as_stored(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return dataclasses.replace(transition, goal=new_goal, reward=float(reward))


@mutant("relabel_ending", "done_when_missed")
def truth_of_a_reward(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return ended(transition, new_goal, reward, bool(reward))


@mutant("relabel_ending", "old_or_new_success")
def ends_twice(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return ended(transition, new_goal, reward, max(transition.done, reward == 0))


@mutant("relabel_ending", "done_if_equal")
def equal_goals(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return ended(transition, new_goal, reward, (transition.achieved_goal == new_goal).all())


@mutant("relabel_ending", "reward_not_recomputed")
def old_reward_and_done(transition, new_goal, reward_function):
    return dataclasses.replace(transition, goal=np.array(new_goal))


@right("relabel_ending", "with the constructor")
def constructed(transition, new_goal, reward_function):
    reward = reward_function(transition.achieved_goal, new_goal)
    return ended(transition, new_goal, reward, not reward)


@right("relabel_ending", "through another function")
def on_top(transition, new_goal, reward_function):
    success = reward_function(transition.achieved_goal, new_goal) > -0.5
    return dataclasses.replace(transition, goal=new_goal.copy(), reward=0.0 if success else -1.0, done=bool(success))


# ------------------------------------------------------------------------------------------------- share_when_it_stops


@mutant("share_when_it_stops", "never_stops")
def all_differ(horizon, stop):
    return harmonic(horizon) / horizon


@mutant("share_when_it_stops", "only_at_rest")
def resting(horizon, stop):
    return (horizon - stop) / horizon


@mutant("share_when_it_stops", "repeats_counted_once")
def places_not_moments(horizon, stop):
    return np.mean([1 / (stop + 1 - min(t, stop)) for t in range(horizon)])


@mutant("share_when_it_stops", "stops_one_too_late")
def late(horizon, stop):
    return np.mean([1.0 if t > stop else 1 / (horizon - t) for t in range(horizon)])


@mutant("share_when_it_stops", "not_divided")
def summed(horizon, stop):
    return sum(1.0 if t >= stop else 1 / (horizon - t) for t in range(horizon))


@mutant("share_when_it_stops", "uniform_over_the_episode")
def whole_episode(horizon, stop):
    return np.mean([(horizon - stop if t >= stop else 1) / horizon for t in range(horizon)])


@right("share_when_it_stops", "by counting pairs")
def counted_pairs(horizon, stop):
    share = 0.0
    for t in range(horizon):
        candidates = [min(j, stop) for j in range(t, horizon)]
        share += candidates.count(min(t, stop)) / len(candidates)
    return share / horizon


@right("share_when_it_stops", "as a difference of harmonic numbers")
def by_harmonic_numbers(horizon, stop):
    rest = sum(1 / j for j in range(1, horizon - stop + 1))
    return (harmonic(horizon) - rest + horizon - stop) / horizon


# -------------------------------------------------------------------------------------------------------- mended_batch


@mutant("mended_batch", "as_handed_out")
def in_memory(memory, rows, goal_rows, relabelled, reward_function):
    for row, goal_row, new in zip(rows, goal_rows, relabelled, strict=True):
        if new:
            memory["goals"][row] = memory["achieved_goals"][goal_row]
    goals = memory["goals"][rows].copy()
    return {"goals": goals, "rewards": reward_function(memory["achieved_goals"][rows], goals)}


@mutant("mended_batch", "twins_share_a_goal")
def copied_whole(memory, rows, goal_rows, relabelled, reward_function):
    goals, achieved = np.array(memory["goals"]), memory["achieved_goals"]
    goals[rows[relabelled]] = achieved[goal_rows[relabelled]]
    return {"goals": goals[rows], "rewards": reward_function(achieved[rows], goals[rows])}


@mutant("mended_batch", "rewards_of_old_goals")
def rewards_first(memory, rows, goal_rows, relabelled, reward_function):
    goals, achieved = memory["goals"][rows], memory["achieved_goals"]
    rewards = reward_function(achieved[rows], goals)
    goals[relabelled] = achieved[goal_rows][relabelled]
    return {"goals": goals, "rewards": rewards}


@mutant("mended_batch", "all_relabelled")
def no_real_goals(memory, rows, goal_rows, relabelled, reward_function):
    goals = memory["achieved_goals"][goal_rows]
    return {"goals": goals, "rewards": reward_function(memory["achieved_goals"][rows], goals)}


@mutant("mended_batch", "own_place_for_goal")
def where_it_is(memory, rows, goal_rows, relabelled, reward_function):
    goals, here = memory["goals"][rows], memory["achieved_goals"][rows]
    goals[relabelled] = here[relabelled]
    return {"goals": goals, "rewards": reward_function(here, goals)}


@right("mended_batch", "with where")
def chosen_with_where(memory, rows, goal_rows, relabelled, reward_function):
    achieved = memory["achieved_goals"]
    goals = np.where(relabelled[:, None], achieved[goal_rows], memory["goals"][rows])
    return {"goals": goals, "rewards": reward_function(achieved[rows], goals), "relabelled": relabelled}


@right("mended_batch", "looped")
def looped_batch(memory, rows, goal_rows, relabelled, reward_function):
    goals, rewards = [], []
    for row, goal_row, new in zip(rows, goal_rows, relabelled, strict=True):
        goals.append(memory["achieved_goals"][goal_row] if new else memory["goals"][row])
        rewards.append(reward_function(memory["achieved_goals"][row], goals[-1]))
    return {"goals": np.array(goals), "rewards": np.array(rewards)}
