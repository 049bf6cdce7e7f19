"""Answers to the exercises of chapter 4."""

import numpy as np

from mutants import mutant, right

# ----------------------------------------------------------------------------------------------------- epsilon_greedy


def mixed(greedy, q_values, epsilon, rng):
    n, actions = q_values.shape
    return np.where(rng.random(n) < epsilon, rng.integers(actions, size=n), greedy)


@mutant("epsilon_greedy", "wrong_axis")
def over_the_batch(q_values, epsilon, rng):
    if rng.random() < epsilon:
        return rng.integers(q_values.shape[1], size=len(q_values))
    return q_values.argmax(axis=0)


@mutant("epsilon_greedy", "worst_action")
def smallest(q_values, epsilon, rng):
    return mixed(q_values.argmin(axis=1), q_values, epsilon, rng)


@mutant("epsilon_greedy", "epsilon_inverted")
def inverted(q_values, epsilon, rng):
    return mixed(q_values.argmax(axis=1), q_values, 1 - epsilon, rng)


@mutant("epsilon_greedy", "random_never_best")
def never_best(q_values, epsilon, rng):
    n, actions = q_values.shape
    best = q_values.argmax(axis=1)
    other = (best + rng.integers(1, actions, size=n)) % actions
    return np.where(rng.random(n) < epsilon, other, best)


@mutant("epsilon_greedy", "one_coin_for_all")
def one_coin(q_values, epsilon, rng):
    n, actions = q_values.shape
    if rng.random() < epsilon:
        return rng.integers(actions, size=n)
    return q_values.argmax(axis=1)


@mutant("epsilon_greedy", "one_action_for_all")
def one_action(q_values, epsilon, rng):
    n, actions = q_values.shape
    return np.where(rng.random(n) < epsilon, rng.integers(actions), q_values.argmax(axis=1))


@mutant("epsilon_greedy", "never_random")
def greedy_only(q_values, epsilon, rng):
    return q_values.argmax(axis=1)


@mutant("epsilon_greedy", "some_actions_never")
def without_the_last(q_values, epsilon, rng):
    n, actions = q_values.shape
    return np.where(rng.random(n) < epsilon, rng.integers(actions - 1, size=n), q_values.argmax(axis=1))


@mutant("epsilon_greedy", "fixed_rng")
def own_seed(q_values, epsilon, rng):
    return mixed(q_values.argmax(axis=1), q_values, epsilon, np.random.default_rng(7))


@mutant("epsilon_greedy", "ignores_rng")
def unseeded(q_values, epsilon, rng):
    return mixed(q_values.argmax(axis=1), q_values, epsilon, np.random.default_rng())


@right("epsilon_greedy", "looped")
def row_by_row(q_values, epsilon, rng):
    chosen = []
    for row in q_values:
        chosen.append(rng.integers(len(row)) if rng.random() < epsilon else int(np.argmax(row)))
    return np.array(chosen)


@right("epsilon_greedy", "vectorised, by index")
def by_index(q_values, epsilon, rng):
    actions = np.argmax(q_values, axis=-1)
    explore = np.flatnonzero(rng.uniform(size=len(actions)) <= epsilon)
    actions[explore] = rng.choice(q_values.shape[1], size=len(explore))
    return actions


# ------------------------------------------------------------------------------------------------------ polyak_update


@mutant("polyak_update", "not_in_place")
def rebinds(target, online, tau):
    for t, o in zip(target, online, strict=True):
        t = (1 - tau) * t + tau * o
    return target


@mutant("polyak_update", "not_in_place")
def new_list(target, online, tau):
    return [((1 - tau) * t + tau * o).detach() for t, o in zip(target, online, strict=True)]


@mutant("polyak_update", "tau_swapped")
def swapped(target, online, tau):
    for t, o in zip(target, online, strict=True):
        t.data.copy_(tau * t.data + (1 - tau) * o.data)


@mutant("polyak_update", "hard_copy")
def copies(target, online, tau):
    for t, o in zip(target, online, strict=True):
        t.data.copy_(o.data)


@mutant("polyak_update", "updates_online")
def both(target, online, tau):
    for t, o in zip(target, online, strict=True):
        t.data.mul_(1 - tau).add_(o.data.mul_(tau))


@mutant("polyak_update", "adds_without_decay")
def adds(target, online, tau):
    for t, o in zip(target, online, strict=True):
        t.data += tau * o.data


@mutant("polyak_update", "only_the_first")
def returns_too_early(target, online, tau):
    for t, o in zip(target, online, strict=True):
        t.data.lerp_(o.data, tau)
        return


@mutant("polyak_update", "compounded")
def twice(target, online, tau):
    for t, o in zip(target, online, strict=True):
        t.data.add_(tau * o.data)
        t.data.sub_(tau * t.data)


@right("polyak_update", "lerp")
def lerp(target, online, tau):
    import torch

    with torch.no_grad():
        for t, o in zip(target, online, strict=True):
            t.lerp_(o, tau)


@right("polyak_update", "looped, by .data")
def by_data(target, online, tau):
    for i in range(len(target)):
        target[i].data = (1 - tau) * target[i].data + tau * online[i].data


@right("polyak_update", "in numpy")
def in_numpy(target, online, tau):
    for t, o in zip(target, online, strict=True):
        memory = t.detach().numpy()
        memory[...] = memory + tau * (o.detach().numpy() - memory)


# ---------------------------------------------------------------------------------------------------------- td_target


@mutant("td_target", "bootstraps_through_done")
def through_done(rewards, next_values, dones, gamma):
    return np.clip(rewards + gamma * next_values, -1 / (1 - gamma), 0)


@mutant("td_target", "done_inverted")
def only_at_done(rewards, next_values, dones, gamma):
    return np.clip(rewards + gamma * np.where(dones, next_values, 0.0), -1 / (1 - gamma), 0)


@mutant("td_target", "not_clipped")
def unclipped(rewards, next_values, dones, gamma):
    return rewards + gamma * next_values * ~dones


@mutant("td_target", "clipped_to_rewards")
def to_rewards(rewards, next_values, dones, gamma):
    return (rewards + gamma * next_values * ~dones).clip(-1, 0)


@mutant("td_target", "clipped_one_side")
def above(rewards, next_values, dones, gamma):
    return (rewards + gamma * next_values * ~dones).clip(max=0)


@mutant("td_target", "clipped_below_only")
def below(rewards, next_values, dones, gamma):
    return (rewards + gamma * next_values * ~dones).clip(min=-1 / (1 - gamma))


@mutant("td_target", "clips_the_value")
def value_first(rewards, next_values, dones, gamma):
    return rewards + gamma * next_values.clip(-1 / (1 - gamma), 0) * ~dones


@mutant("td_target", "without_gamma")
def undiscounted(rewards, next_values, dones, gamma):
    return np.clip(rewards + next_values * ~dones, -1 / (1 - gamma), 0)


@mutant("td_target", "gamma_on_reward")
def everything_discounted(rewards, next_values, dones, gamma):
    return np.clip(gamma * (rewards + next_values * ~dones), -1 / (1 - gamma), 0)


@mutant("td_target", "mutates_input")
def in_place(rewards, next_values, dones, gamma):
    next_values *= gamma
    next_values[dones] = 0
    next_values += rewards
    return next_values.clip(-1 / (1 - gamma), 0)


@right("td_target", "looped")
def one_by_one(rewards, next_values, dones, gamma):
    targets = []
    for r, v, d in zip(rewards, next_values, dones, strict=True):
        y = r if d else r + gamma * v
        targets.append(max(-1 / (1 - gamma), min(0.0, y)))
    return np.array(targets)


@right("td_target", "vectorised, float32")
def with_where(rewards, next_values, dones, gamma):
    target = np.where(dones, rewards, rewards + gamma * next_values)
    return np.minimum(np.maximum(target, -1 / (1 - gamma)), 0).astype(np.float32)


# --------------------------------------------------------------------------------------------------- sample_her_batch


def draw(buffer, n, k, rng, share=None, future=None, transitions=None):
    """Episode, step, step of the goal, and which rows are relabelled; what mutants get wrong is an argument."""
    lengths = buffer["lengths"]
    if transitions is None:
        flat = rng.integers(lengths.sum(), size=n)
        e = np.repeat(np.arange(len(lengths)), lengths)[flat]
        t = np.concatenate([np.arange(m) for m in lengths])[flat]
    else:
        e, t = transitions(lengths, n, rng)
    j = future(lengths[e], t, rng) if future else t + (rng.random(n) * (lengths[e] - t)).astype(int)
    return e, t, j, rng.random(n) < (k / (k + 1) if share is None else share)


def assemble(buffer, e, t, goals, rewards, next_goals=None):
    next_goals = goals if next_goals is None else next_goals
    return {
        "observations": np.hstack([buffer["states"][e, t], goals]),
        "actions": buffer["actions"][e, t],
        "rewards": rewards,
        "next_observations": np.hstack([buffer["next_states"][e, t], next_goals]),
    }


def finish(buffer, e, t, j, relabelled, reward_function):
    goals = np.where(relabelled[:, None], buffer["achieved_goals"][e, j], buffer["goals"][e])
    return assemble(buffer, e, t, goals, reward_function(buffer["achieved_goals"][e, t], goals))


@mutant("sample_her_batch", "goal_not_in_next")
def old_goal_in_next(buffer_arrays, batch_size, k, rng, reward_function):
    e, t, j, relabelled = draw(buffer_arrays, batch_size, k, rng)
    old = buffer_arrays["goals"][e]
    goals = np.where(relabelled[:, None], buffer_arrays["achieved_goals"][e, j], old)
    rewards = reward_function(buffer_arrays["achieved_goals"][e, t], goals)
    return assemble(buffer_arrays, e, t, goals, rewards, old)


@mutant("sample_her_batch", "reward_not_recomputed")
def old_rewards(buffer_arrays, batch_size, k, rng, reward_function):
    e, t, j, relabelled = draw(buffer_arrays, batch_size, k, rng)
    old = buffer_arrays["goals"][e]
    goals = np.where(relabelled[:, None], buffer_arrays["achieved_goals"][e, j], old)
    return assemble(buffer_arrays, e, t, goals, reward_function(buffer_arrays["achieved_goals"][e, t], old))


@mutant("sample_her_batch", "assumes_success")
def zero_where_relabelled(buffer_arrays, batch_size, k, rng, reward_function):
    e, t, j, relabelled = draw(buffer_arrays, batch_size, k, rng)
    old = buffer_arrays["goals"][e]
    goals = np.where(relabelled[:, None], buffer_arrays["achieved_goals"][e, j], old)
    rewards = np.where(relabelled, 0.0, reward_function(buffer_arrays["achieved_goals"][e, t], old))
    return assemble(buffer_arrays, e, t, goals, rewards)


@mutant("sample_her_batch", "achieved_before_action")
def goal_before(buffer_arrays, batch_size, k, rng, reward_function):
    e, t, j, relabelled = draw(buffer_arrays, batch_size, k, rng)
    goals = np.where(relabelled[:, None], buffer_arrays["achieved_goals"][e, j], buffer_arrays["goals"][e])
    rewards = reward_function(buffer_arrays["achieved_goals"][e, np.maximum(t - 1, 0)], goals)
    return assemble(buffer_arrays, e, t, goals, rewards)


@mutant("sample_her_batch", "includes_past")
def whole_episode(buffer_arrays, batch_size, k, rng, reward_function):
    drawn = draw(buffer_arrays, batch_size, k, rng, future=lambda lengths, t, rng: rng.integers(lengths))
    return finish(buffer_arrays, *drawn, reward_function)


@mutant("sample_her_batch", "excludes_own_step")
def strictly_later(buffer_arrays, batch_size, k, rng, reward_function):
    def later(lengths, t, rng):
        return np.minimum(t + 1 + (rng.random(len(t)) * (lengths - t - 1)).astype(int), lengths - 1)

    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng, future=later), reward_function)


@mutant("sample_her_batch", "other_episode")
def anywhere(buffer_arrays, batch_size, k, rng, reward_function):
    e, t, _, relabelled = draw(buffer_arrays, batch_size, k, rng)
    e2, t2, _, _ = draw(buffer_arrays, batch_size, k, rng)
    goals = np.where(relabelled[:, None], buffer_arrays["achieved_goals"][e2, t2], buffer_arrays["goals"][e])
    return assemble(buffer_arrays, e, t, goals, reward_function(buffer_arrays["achieved_goals"][e, t], goals))


@mutant("sample_her_batch", "padding_drawn")
def ignores_lengths(buffer_arrays, batch_size, k, rng, reward_function):
    steps = buffer_arrays["states"].shape[1]
    full = buffer_arrays | {"lengths": np.full(len(buffer_arrays["lengths"]), steps)}
    return finish(buffer_arrays, *draw(full, batch_size, k, rng), reward_function)


@mutant("sample_her_batch", "episodes_equally_often")
def episode_first(buffer_arrays, batch_size, k, rng, reward_function):
    def transitions(lengths, n, rng):
        e = rng.integers(len(lengths), size=n)
        return e, rng.integers(lengths[e])

    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng, transitions=transitions), reward_function)


@mutant("sample_her_batch", "share_is_1_over_k")
def too_few(buffer_arrays, batch_size, k, rng, reward_function):
    return finish(
        buffer_arrays, *draw(buffer_arrays, batch_size, k, rng, share=1 / max(k, 1) * (k > 0)), reward_function
    )


@mutant("sample_her_batch", "relabels_all")
def always(buffer_arrays, batch_size, k, rng, reward_function):
    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng, share=float(k > 0)), reward_function)


@mutant("sample_her_batch", "relabels_none")
def never(buffer_arrays, batch_size, k, rng, reward_function):
    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng, share=0.0), reward_function)


@mutant("sample_her_batch", "one_coin_for_all")
def one_coin_a_batch(buffer_arrays, batch_size, k, rng, reward_function):
    share = float(rng.random() < k / (k + 1))
    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng, share=share), reward_function)


@mutant("sample_her_batch", "rows_mixed_up")
def mixed_up(buffer_arrays, batch_size, k, rng, reward_function):
    batch = finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng), reward_function)
    return batch | {"actions": rng.permutation(batch["actions"])}


@mutant("sample_her_batch", "fixed_rng")
def always_seven(buffer_arrays, batch_size, k, rng, reward_function):
    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, np.random.default_rng(7)), reward_function)


@mutant("sample_her_batch", "wrong_distribution")
def prefers_the_near(buffer_arrays, batch_size, k, rng, reward_function):
    def near(lengths, t, rng):
        return t + (rng.random(len(t)) ** 2 * (lengths - t)).astype(int)

    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng, future=near), reward_function)


@mutant("sample_her_batch", "mutates_input")
def writes_goals(buffer_arrays, batch_size, k, rng, reward_function):
    e, t, j, relabelled = draw(buffer_arrays, batch_size, k, rng)
    batch = finish(buffer_arrays, e, t, j, relabelled, reward_function)
    buffer_arrays["goals"][e[relabelled]] = buffer_arrays["achieved_goals"][e, j][relabelled]
    return batch


@right("sample_her_batch", "vectorised")
def at_once(buffer_arrays, batch_size, k, rng, reward_function):
    return finish(buffer_arrays, *draw(buffer_arrays, batch_size, k, rng), reward_function)


@right("sample_her_batch", "looped")
def looped(buffer_arrays, batch_size, k, rng, reward_function):
    lengths = buffer_arrays["lengths"]
    stored = [(e, t) for e in range(len(lengths)) for t in range(lengths[e])]
    batch = {"observations": [], "actions": [], "rewards": [], "next_observations": [], "relabelled": []}
    for _ in range(batch_size):
        e, t = stored[rng.integers(len(stored))]
        goal, relabelled = buffer_arrays["goals"][e], rng.random() < k / (k + 1)
        if relabelled:
            goal = buffer_arrays["achieved_goals"][e, rng.integers(t, lengths[e])]
        batch["observations"].append(np.concatenate([buffer_arrays["states"][e, t], goal]))
        batch["actions"].append(buffer_arrays["actions"][e, t])
        batch["rewards"].append(reward_function(buffer_arrays["achieved_goals"][e, t], goal))
        batch["next_observations"].append(np.concatenate([buffer_arrays["next_states"][e, t], goal]))
        batch["relabelled"].append(relabelled)
    return {key: np.array(rows) for key, rows in batch.items()}


# ------------------------------------------------------------------------------------------------------- mended_inputs


def joined(observations, next_observations, goals, next_goals, rewards):
    d = goals.shape[1]
    now = np.concatenate([observations[:, :-d], goals], axis=1)
    after = np.concatenate([next_observations[:, :-d], next_goals], axis=1)
    return {"observations": now, "next_observations": after, "rewards": rewards}


@mutant("mended_inputs", "as_handed_out")
def next_forgotten(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    old = observations[:, -new_goals.shape[1] :]
    goals = np.where(relabelled[:, None], new_goals, old)
    return joined(observations, next_observations, goals, old, reward_function(achieved_goals, goals))


@mutant("mended_inputs", "every_next_goal")
def all_next(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    goals = np.where(relabelled[:, None], new_goals, observations[:, -new_goals.shape[1] :])
    return joined(observations, next_observations, goals, new_goals, reward_function(achieved_goals, goals))


@mutant("mended_inputs", "every_goal")
def mask_forgotten(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    return joined(observations, next_observations, new_goals, new_goals, reward_function(achieved_goals, new_goals))


@mutant("mended_inputs", "rewards_of_old_goals")
def rewards_before(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    old = observations[:, -new_goals.shape[1] :]
    goals = np.where(relabelled[:, None], new_goals, old)
    return joined(observations, next_observations, goals, goals, reward_function(achieved_goals, old))


@mutant("mended_inputs", "next_state_replaced")
def one_input_for_both(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    goals = np.where(relabelled[:, None], new_goals, observations[:, -new_goals.shape[1] :])
    return joined(observations, observations, goals, goals, reward_function(achieved_goals, goals))


@mutant("mended_inputs", "mutates_input")
def swapped_in_place(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    d = new_goals.shape[1]
    observations[relabelled, -d:] = next_observations[relabelled, -d:] = new_goals[relabelled]
    rewards = reward_function(achieved_goals, observations[:, -d:])
    return {"observations": observations, "next_observations": next_observations, "rewards": rewards}


@right("mended_inputs", "goals first")
def goals_first(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    goals = np.where(relabelled[:, None], new_goals, observations[:, -new_goals.shape[1] :])
    return joined(observations, next_observations, goals, goals, reward_function(achieved_goals, goals))


@right("mended_inputs", "looped")
def one_row_at_a_time(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    now, after, d = observations.copy(), next_observations.copy(), len(new_goals[0])
    rewards = []
    for i in range(len(now)):
        if relabelled[i]:
            now[i, -d:] = after[i, -d:] = new_goals[i]
        rewards.append(float(reward_function(achieved_goals[i], now[i, -d:])))
    return {"observations": now, "next_observations": after, "rewards": np.array(rewards)}
