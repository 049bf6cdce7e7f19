# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2　练习：重标注
#
# 换一个目标，同一段经历就成了另一个故事。三个函数，一个开放任务，大约 55 分钟。写完一个就运行检查；没有头绪就 `hint("函数名")`。

# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "zh")
PROFILE = os.environ.get("HER_PROFILE", "full")

# %%
import dataclasses
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from her import Episode, Transition
from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import show, strategy_style, use_style

use_style(LANG)
RewardFunction = Callable[[np.ndarray, np.ndarray], float]


# %% [markdown]
# ## 2.1　给一个转移换目标
#
# ★☆☆☆　10 分钟
#
# 返回一个*新的* `Transition`：目标换成 `new_goal`，奖励照新目标重新算。`done` 一律是 False：这门课的环境成功了也不结束回合，旧目标留下的 done 说明不了新任务。其余字段都是真实发生过的事，不变；传进来的那个转移也不许动。
#
# 提醒两件事：`achieved_goal` 是动作*之后*达到的；奖励函数的参数顺序是（达到的，想要的）。

# %% nbgrader={"grade": false, "grade_id": "relabel_transition", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relabel_transition(transition: Transition, new_goal: np.ndarray, reward_function: RewardFunction) -> Transition:
    """The transition as it would have been under another goal.

    transition: state (s,), action (a,), reward, next_state (s,), done, goal (d,), achieved_goal (d,).
    new_goal: (d,).
    reward_function: f(achieved_goal, desired_goal) -> a number.
    Returns a new Transition.

    >>> relabel_transition(t, t.achieved_goal, f).reward   # if f is a sparse reward
    0.0
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_relabel_transition", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(relabel_transition).score


# %% [markdown]
# ## 2.2　整个回合换成最后到达的地方
#
# ★★☆☆　10 分钟
#
# `final` 策略：假装这个回合一开始就想去它最后到达的地方。每个转移都换成这*同一个*目标，奖励逐步重算：途中路过那里也是 0。

# %% nbgrader={"grade": false, "grade_id": "relabel_final", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relabel_final(episode: Episode, reward_function: RewardFunction) -> Episode:
    """The episode as it would have been under the goal that it achieved last.

    episode: T transitions; ``episode.achieved_goals`` is (T, d), row t reached after action t.
    reward_function: f(achieved_goal, desired_goal) -> a number.
    Returns a new Episode; the old one is left as it is.

    >>> relabel_final(episode, f).goal   # is episode.achieved_goals[-1]
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_relabel_final", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(relabel_final).score


# %% [markdown]
# ## 2.3　换了目标，有多少真的成功？
#
# ★★★☆　15 分钟
#
# `future` 策略给位置 t 的转移均匀地抽一个 t, t + 1, …, T − 1 之后达到的目标。假设一个回合里达到的目标*两两不同*（远到互不算到）。随便挑一个位置，抽一个目标：奖励是 0 的概率是多少？很多教程说“重标注的都成功”。先猜，再算。

# %% nbgrader={"grade": false, "grade_id": "expected_success_share", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_success_share(horizon: int) -> float:
    """Of relabelled transitions under `future`, the share with reward 0, when no two achieved goals are alike.

    horizon: T, the length of an episode, at least 1.
    Returns a share; the mean over the positions 0 … T-1.

    >>> expected_success_share(2)
    0.75
    """
    # 在这里写
    raise NotImplementedError


# %% nbgrader={"grade": true, "grade_id": "check_expected_success_share", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(expected_success_share).score

# %% [markdown]
# ## 开放任务：一行 `relabel_final` 值多少？
#
# ★★★☆　20 分钟
#
# 缓冲区里没有任何后见之明（`strategy="none"`）。写 `store`：把回合存进去；如果 `hindsight`，再把*你*重标注过的那份也存进去。别的都写好了。看图：同样的步数，这一行值多少？

# %% nbgrader={"grade": false, "grade_id": "bit_flip_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
from her.training.evaluation import rollout
from her.training import Trainer, settings_for, use_one_thread

use_one_thread()

relabel_transition = or_reference(relabel_transition)
relabel_final = or_reference(relabel_final)


def bit_flip_reward(achieved_goal, desired_goal):
    return 0.0 if np.array_equal(achieved_goal, desired_goal) else -1.0


def store(buffer, episode: Episode, hindsight: bool) -> None:
    """Put the episode into the buffer (``buffer.store_episode``), and with ``hindsight`` its relabelled twin too."""
    # 在这里写
    raise NotImplementedError


def learning_curve(n_bits: int, rounds: int, hindsight: bool, seed: int) -> list[float]:
    trainer = Trainer(settings_for("her/BitFlip-v0", {"n_bits": n_bits}, strategy="none", seed=seed))
    agent, buffer, rates = trainer.agent, trainer.buffer, []
    for i in range(rounds):
        played = rollout(lambda x: agent.act(x, explore=True), trainer.envs, trainer.horizon, seed=10_000 * seed + i)
        for episode in played.episodes():
            store(buffer, episode, hindsight)
        for _ in range(trainer.config.updates_per_round):
            agent.update(buffer.sample(trainer.config.batch_size).torch())
        rates.append(trainer.evaluate(i + 1).success_rate("any"))
    return rates


# %%
rounds = 35 if PROFILE == "full" else 3
variants = {"none": False, "final": True}
curves = attempt(lambda: {name: [learning_curve(8, rounds, on, seed) for seed in range(3)] for name, on in variants.items()})

# %%
if curves:
    fig, ax = plt.subplots()
    for name, runs in curves.items():
        style, steps = strategy_style(name), np.arange(1, rounds + 1)
        ax.plot(steps, np.mean(runs, axis=0), **style, label={"none": "不重标注", "final": "你的 relabel_final"}[name])
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=style["color"], alpha=0.15)
    ax.set(xlabel="练习轮数", ylabel="成功率（任意一步）", ylim=(-0.02, 1.02))
    ax.set_title("翻 8 个比特：三个种子的均值与范围")
    ax.legend()
    show(fig, alt="两条学习曲线：存入重标注回合的那条明显更早升高，不重标注的落在后面。")

# %% [markdown]
# 想多走一步：`final` 只给了一个目标。每个回合再存一份“换成中途某个目标”的，曲线会更快还是更慢？第 3 章接着问。

# %%
progress()
