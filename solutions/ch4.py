# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4　练习：一个能用的实现
#
# 四个函数拼起来，就是一个带 HER 的 DQN。由易到难，加上一个要找的错和开放任务，大约 100 分钟。写完一个就运行检查；没有头绪就 `hint("函数名")`。
#
# ---
#
# # 4　Exercises: an implementation that works
#
# Put four functions together and you have a DQN with HER. Easiest first; with a bug to find and the open task, some 100 minutes. Run the check after each; if you are stuck, `hint("name")`.

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch

from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import show, strategy_style, text, use_style

use_style(LANG)
torch.set_num_threads(1)  # on networks of this size more threads only cost


# %% [markdown]
# ## 4.1　大多数时候选最好的
#
# ★☆☆☆　10 分钟
#
# ε-贪心：每一行以概率 ε 在*所有*动作里均匀地抽一个，否则选 Q 值最大的。每一行各抛各的硬币，各抽各的动作。
#
# ---
#
# ## 4.1　Mostly the best
#
# ★☆☆☆　10 minutes
#
# ε-greedy: each row takes, with probability ε, an action drawn uniformly from *all* actions, and otherwise the one of the largest Q-value. Each row tosses a coin of its own and draws an action of its own.

# %% nbgrader={"grade": false, "grade_id": "epsilon_greedy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def epsilon_greedy(q_values: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """Actions for a batch of states.

    q_values: (n, actions).
    epsilon: probability of a random action, in [0, 1].
    Returns (n,) integers.

    >>> epsilon_greedy(np.array([[0.0, 1.0], [3.0, 2.0]]), 0.0, rng)
    array([1, 0])
    """
    ### BEGIN SOLUTION
    n, actions = q_values.shape
    return np.where(rng.random(n) < epsilon, rng.integers(actions, size=n), q_values.argmax(axis=1))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_epsilon_greedy", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(epsilon_greedy).score


# %% [markdown]
# ## 4.2　目标网络慢慢跟
#
# ★★☆☆　10 分钟
#
# 目标网络的每个张量朝在线网络走一小步：target ← (1 − τ)·target + τ·online。*就地*改，什么也不返回；在线网络不许动。两个参数都是张量的列表，就是 `list(network.parameters())` 给的那种。
#
# ---
#
# ## 4.2　A target network that follows slowly
#
# ★★☆☆　10 minutes
#
# Each tensor of the target takes a small step towards the online one: target ← (1 − τ)·target + τ·online. *In place*, returning nothing; the online network stays as it is. Both arguments are lists of tensors, as `list(network.parameters())` gives them.

# %% nbgrader={"grade": false, "grade_id": "polyak_update", "locked": false, "schema_version": 3, "solution": true, "task": false}
def polyak_update(target: Sequence[torch.Tensor], online: Sequence[torch.Tensor], tau: float) -> None:
    """Let the target follow the online network, in place.

    target, online: parameters of two networks of the same shape, in the same order.
    tau: the share of the online network, in [0, 1].

    >>> polyak_update(list(target.parameters()), list(online.parameters()), 0.05)
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for t, o in zip(target, online, strict=True):
            t.mul_(1 - tau).add_(tau * o)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_polyak_update", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(polyak_update).score


# %% [markdown]
# ## 4.3　TD 目标，带论文的裁剪
#
# ★★☆☆　10 分钟
#
# y = r + γ·V(s′)，`done` 的地方没有下一步。奖励只有 −1 和 0 的时候，回报有上下限；论文（Andrychowicz 等，2017，附录 A）把 y 裁剪到这个范围。这个范围是什么？
#
# ---
#
# ## 4.3　The TD target, clipped as in the paper
#
# ★★☆☆　10 minutes
#
# y = r + γ·V(s′), and no next step after a `done`. With rewards of −1 and 0, returns have a least and a largest value, and the paper (Andrychowicz et al. 2017, Appendix A) clips y to them. What are they?

# %% nbgrader={"grade": false, "grade_id": "td_target", "locked": false, "schema_version": 3, "solution": true, "task": false}
def td_target(rewards: np.ndarray, next_values: np.ndarray, dones: np.ndarray, gamma: float) -> np.ndarray:
    """What Q(s, a) is moved towards.

    rewards: (n,) -1.0 or 0.0.
    next_values: (n,) estimates of the value of the next state.
    dones: (n,) bool: where bootstrapping stops.
    gamma: discount, in [0, 1).
    Returns (n,), no value outside of what a return can be.

    >>> td_target(np.array([-1.0]), np.array([-10.0]), np.array([False]), 0.9)
    array([-10.])
    """
    ### BEGIN SOLUTION
    return np.clip(rewards + gamma * (1 - dones) * next_values, -1 / (1 - gamma), 0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_td_target", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(td_target).score


# %% [markdown]
# ## 4.4　一次抽一整批
#
# ★★★★　30 分钟
#
# 缓冲区是几个按回合排好的数组。第 e 个回合有 `lengths[e]` 步，后面是填充，不能抽到。抽 `batch_size` 个转移，*每个转移*一样常见；其中 k/(k+1) 换成 `future` 的目标：自己回合里第 t 步及以后达到的，均匀地抽。奖励按新目标重新算。循环写也对；写成数组运算，就是第 4 章的那三行。
#
# ---
#
# ## 4.4　A whole batch at once
#
# ★★★★　30 minutes
#
# The buffer is a handful of arrays, one row an episode. Episode e has `lengths[e]` steps; what follows is padding and must not be drawn. Draw `batch_size` transitions, every *transition* equally often, and give k/(k+1) of them a goal by `future`: uniformly one that their own episode achieved at step t or later. Recompute the rewards. A loop is right too; as array operations it is the three lines of chapter 4.

# %% nbgrader={"grade": false, "grade_id": "sample_her_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample_her_batch(
    buffer_arrays: dict[str, np.ndarray],
    batch_size: int,
    k: int,
    rng: np.random.Generator,
    reward_function: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, np.ndarray]:
    """A batch of transitions, relabelled while it is sampled.

    buffer_arrays: "states" and "next_states" (E, T, s), "actions" (E, T, a), "achieved_goals" (E, T, d), each reached
        after the action, "goals" (E, d), "lengths" (E,) integers, at least 1 each.
    batch_size: n.
    k: substitute goals per real one; 0 relabels nothing.
    reward_function: f(achieved (n, d), desired (n, d)) -> (n,); also for one pair.
    Returns a dict: "observations" and "next_observations" (n, s + d), state and goal side by side, "actions" (n, a),
        "rewards" (n,). Other keys do no harm.

    >>> sample_her_batch(buffer_arrays, 256, 4, rng, f)["observations"].shape   # with s = d = 8
    (256, 16)
    """
    ### BEGIN SOLUTION
    lengths, achieved = buffer_arrays["lengths"], buffer_arrays["achieved_goals"]
    flat, ends = rng.integers(lengths.sum(), size=batch_size), np.cumsum(lengths)
    e = np.searchsorted(ends, flat, side="right")
    t = flat - (ends - lengths)[e]
    future = t + (rng.random(batch_size) * (lengths[e] - t)).astype(int)
    relabelled = rng.random(batch_size) < k / (k + 1)
    goals = np.where(relabelled[:, None], achieved[e, future], buffer_arrays["goals"][e])
    return {
        "observations": np.hstack([buffer_arrays["states"][e, t], goals]),
        "actions": buffer_arrays["actions"][e, t],
        "rewards": reward_function(achieved[e, t], goals),
        "next_observations": np.hstack([buffer_arrays["next_states"][e, t], goals]),
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_sample_her_batch", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
check(sample_her_batch).score

# %% [markdown]
# ## 找错：代码和曲线
#
# 4.12 节有六种“写错了还能学一点”的 HER。下面是另一个人写的：缓冲区里状态和目标本来就拼在一起，[状态, 目标] 和 [下一个状态, 目标]；抽出一批之后，把 `relabelled` 的行换成 `new_goals` 里的目标，奖励重新算。
#
# *它犯了那六种错里的一种。* 曲线是量出来的（`python -m her_course.faults results/faults/curves.csv`，翻 15 个比特，每种三个种子）。先别看代码：光看曲线，和 4.12 的图比，能排除哪几种？
#
# ---
#
# ## Find the bug: code and curve
#
# Section 4.12 has six mistakes with which HER still learns a bit. Here is somebody else's code. The buffer holds states and goals side by side, [state, goal] and [next state, goal]; of a batch that was drawn, the rows that are `relabelled` get their goal from `new_goals`, and rewards are computed anew.
#
# *It makes one of those six mistakes.* The curves were measured (`python -m her_course.faults results/faults/curves.csv`; 15 bits, three seeds each). Do not look at the code yet: which of the six can you rule out by the curve, beside the figure of 4.12?

# %%
from her_course.figures.faults import draw_fault

fig, ax = plt.subplots(figsize=(6, 3))
draw_fault(ax, "mended_inputs", LANG)
show(fig, alt=text(LANG, "成功率随环境步数：改好的三条线升到顶；发下来的三条升到一两成就停住了。", "Success over environment steps: the three mended lines rise to the top; those of the code as handed out rise to one or two tenths and stop there."))


# %%
def hindsight_inputs(observations, next_observations, achieved_goals, new_goals, relabelled, reward_function):
    d = new_goals.shape[1]
    inputs = observations.copy()
    inputs[relabelled, -d:] = new_goals[relabelled]
    rewards = reward_function(achieved_goals, inputs[:, -d:])
    return {"observations": inputs, "next_observations": next_observations, "rewards": rewards}


# %% [markdown]
# ## 4.5　找错：4.12 的六条曲线，是哪一条？
#
# ★★★☆　20 分钟
#
# 先写下来：*是六种里的哪一种；为什么它会升一点，又为什么升不上去。* 然后改好它。传进来的数组不许动。
#
# ---
#
# ## 4.5　Find the bug: which of the six curves of 4.12?
#
# ★★★☆　20 minutes
#
# Before you change anything, write down *which of the six it is, why it rises a bit, and why no further.* Then mend it. Leave the arrays you are given as they are.

# %% nbgrader={"grade": false, "grade_id": "mended_inputs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended_inputs(
    observations: np.ndarray,
    next_observations: np.ndarray,
    achieved_goals: np.ndarray,
    new_goals: np.ndarray,
    relabelled: np.ndarray,
    reward_function: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, np.ndarray]:
    """`hindsight_inputs` without the mistake.

    observations, next_observations: (n, s + d), state and goal side by side, as stored.
    achieved_goals: (n, d), reached after the action. new_goals: (n, d). relabelled: (n,) bool.
    reward_function: f(achieved (n, d), desired (n, d)) -> (n,).
    Returns a dict: "observations", "next_observations", "rewards" (n,).

    >>> mended_inputs(x, y, achieved, new, relabelled, f)["observations"].shape   # with n = 256, s = d = 15
    (256, 30)
    """
    ### BEGIN SOLUTION
    d = new_goals.shape[1]
    inputs, next_inputs = observations.copy(), next_observations.copy()
    inputs[relabelled, -d:] = new_goals[relabelled]
    next_inputs[relabelled, -d:] = new_goals[relabelled]
    rewards = reward_function(achieved_goals, inputs[:, -d:])
    return {"observations": inputs, "next_observations": next_inputs, "rewards": rewards}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mended_inputs", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(mended_inputs).score

# %% [markdown]
# 改好了？拿它练一个种子：
#
# ---
#
# Mended? Train one seed with it:

# %%
from her_course.faults import learning_curve as practise_with

yours = attempt(practise_with, mended_inputs, 0, 16 if PROFILE == "full" else 2)
if yours:
    fig, ax = plt.subplots(figsize=(6, 3))
    draw_fault(ax, "mended_inputs", LANG, yours)
    show(fig, alt=text(LANG, "同一幅图，加上你的函数练出来的点。", "The same figure with dots for what was learned with your function."))

# %% [markdown]
# ## 开放任务：你自己的 DQN + HER
#
# ★★★☆　20 分钟
#
# 四个函数都在了，只差一步：写 `learn`，一次梯度更新。下一步的价值用*目标*网络的最大 Q 值，目标 y 用你的 `td_target`（这里没有 done），损失用 `torch.nn.functional.smooth_l1_loss`，最后 `polyak_update`。别的都写好了。k = 0 就是没有 HER 的 DQN：同一份代码，只差一个数。
#
# ---
#
# ## Open task: a DQN with HER of your own
#
# ★★★☆　20 minutes
#
# All four are there, one step is missing: write `learn`, a single gradient update. The next value is the largest Q-value of the *target* network, y is your `td_target` (there is no done here), the loss is `torch.nn.functional.smooth_l1_loss`, and `polyak_update` comes last. The rest is written. k = 0 is the DQN without HER: the same code, one number apart.

# %% nbgrader={"grade": false, "grade_id": "learn", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training.evaluation import make_envs, rollout

epsilon_greedy = or_reference(epsilon_greedy)
polyak_update = or_reference(polyak_update)
td_target = or_reference(td_target)
sample_her_batch = or_reference(sample_her_batch)


def learn(online, target, optimiser, batch: dict[str, np.ndarray], gamma: float = 0.98, tau: float = 0.05) -> None:
    """One gradient step on a batch of `sample_her_batch`, and one step of the target network.

    online, target: networks from (n, observation) float32 tensors to (n, actions) Q-values.
    """
    ### BEGIN SOLUTION
    observations, next_observations = (torch.as_tensor(batch[key]).float() for key in ("observations", "next_observations"))
    with torch.no_grad():
        next_values = target(next_observations).max(dim=1).values.numpy()
    y = td_target(batch["rewards"], next_values, np.zeros(len(next_values), bool), gamma)
    chosen = online(observations).gather(1, torch.as_tensor(batch["actions"]).long()).squeeze(1)
    loss = torch.nn.functional.smooth_l1_loss(chosen, torch.as_tensor(y).float())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    polyak_update(list(target.parameters()), list(online.parameters()), tau)
    ### END SOLUTION


def bit_flip_reward(achieved, desired):
    return np.where((achieved == desired).all(axis=-1), 0.0, -1.0)


def as_buffer(played) -> dict[str, np.ndarray]:
    """The arrays of a rollout, (T, N, …), as N episodes of T steps."""
    names = ("states", "actions", "next_states", "achieved_goals")
    arrays = {name: getattr(played, name).swapaxes(0, 1) for name in names}
    steps, n = played.rewards.shape
    return arrays | {"goals": played.goals[0], "lengths": np.full(n, steps)}


def learning_curve(n_bits: int, rounds: int, k: int, seed: int) -> list[float]:
    torch.manual_seed(seed)
    online, target = (torch.nn.Sequential(torch.nn.Linear(2 * n_bits, 256), torch.nn.ReLU(), torch.nn.Linear(256, n_bits)) for _ in range(2))
    target.load_state_dict(online.state_dict())
    optimiser, rng = torch.optim.Adam(online.parameters(), lr=1e-3), np.random.default_rng(seed)
    envs, exam = make_envs("her/BitFlip-v0", 16, n_bits=n_bits), make_envs("her/BitFlip-v0", 100, n_bits=n_bits)

    @torch.no_grad()
    def act(observations, epsilon):
        return epsilon_greedy(online(torch.as_tensor(observations)).numpy(), epsilon, rng)

    buffer, rates = None, []
    for i in range(rounds):
        new = as_buffer(rollout(lambda x: act(x, 0.2), envs, n_bits, seed=10_000 * seed + i))
        buffer = new if buffer is None else {name: np.concatenate([buffer[name], new[name]]) for name in new}
        for _ in range(40):
            learn(online, target, optimiser, sample_her_batch(buffer, 256, k, rng, bit_flip_reward))
        examined = rollout(lambda x: act(x, 0.0), exam, n_bits, seed=10_000 * seed + 5_000 + i)
        rates.append(float(examined.success.any(axis=0).mean()))
    return rates


# %%
n_bits, rounds = 10, 25 if PROFILE == "full" else 3
curves = attempt(lambda: {k: [learning_curve(n_bits, rounds, k, seed) for seed in range(3)] for k in (4, 0)})

# %%
if curves:
    fig, ax = plt.subplots()
    for k, runs in curves.items():
        style, steps = strategy_style("future" if k else "none"), np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), **style, label=f"k = {k}")
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=style["color"], alpha=0.15)
    ax.set(xlabel=text(LANG, "练习轮数", "rounds of practice"), ylabel=text(LANG, "成功率（任意一步）", "success at any step"), ylim=(-0.02, 1.02))
    ax.set_title(text(LANG, f"你的 DQN，翻 {n_bits} 个比特：三个种子的均值与范围", f"Your DQN flips {n_bits} bits: mean and range of three seeds"))
    ax.legend()
    show(fig, alt=text(LANG, "两条学习曲线：k = 4 的升上去了，k = 0 的留在零附近。", "Two learning curves: with k = 4 it rises, with k = 0 it stays near zero."))

# %%
progress()
