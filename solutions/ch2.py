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
#
# ---
#
# # 2　Exercises: relabelling
#
# Give it another goal, and the same experience tells another story. Three functions and an open task, some 55 minutes. Run the check after each; if you are stuck, `hint("name")`.

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
from her_course.figures import show, strategy_style, text, use_style

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
#
# ---
#
# ## 2.1　Another goal for a transition
#
# ★☆☆☆　10 minutes
#
# Return a *new* `Transition` whose goal is `new_goal` and whose reward is computed under it. `done` is always False: here no success ends an episode, and a done stored under the old goal says nothing of the new task. The other fields really happened and stay the same; leave the transition you are given unchanged.
#
# Mind two things: `achieved_goal` is what was reached *after* the action, and a reward function takes (achieved, desired).

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
    ### BEGIN SOLUTION
    reward = float(reward_function(transition.achieved_goal, new_goal))
    return dataclasses.replace(transition, goal=np.array(new_goal), reward=reward, done=False)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_relabel_transition", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(relabel_transition).score


# %% [markdown]
# ## 2.2　整个回合换成最后到达的地方
#
# ★★☆☆　10 分钟
#
# `final` 策略：假装这个回合一开始就想去它最后到达的地方。每个转移都换成这*同一个*目标，奖励逐步重算：途中路过那里也是 0。
#
# ---
#
# ## 2.2　An episode that meant to end where it did
#
# ★★☆☆　10 minutes
#
# The strategy `final`: pretend that the episode had meant, all along, to go where it ended. Every transition gets this *one* goal, every reward is computed anew: passing through that place on the way earns 0 too.

# %% nbgrader={"grade": false, "grade_id": "relabel_final", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relabel_final(episode: Episode, reward_function: RewardFunction) -> Episode:
    """The episode as it would have been under the goal that it achieved last.

    episode: T transitions; ``episode.achieved_goals`` is (T, d), row t reached after action t.
    reward_function: f(achieved_goal, desired_goal) -> a number.
    Returns a new Episode; the old one is left as it is.

    >>> relabel_final(episode, f).goal   # is episode.achieved_goals[-1]
    """
    ### BEGIN SOLUTION
    goal = episode.achieved_goals[-1]
    return Episode([relabel_transition(transition, goal, reward_function) for transition in episode], goal)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_relabel_final", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(relabel_final).score


# %% [markdown]
# ## 2.3　换了目标，有多少真的成功？
#
# ★★★☆　15 分钟
#
# `future` 策略给位置 t 的转移均匀地抽一个 t, t + 1, …, T − 1 之后达到的目标。假设一个回合里达到的目标*两两不同*（远到互不算到）。随便挑一个位置，抽一个目标：奖励是 0 的概率是多少？很多教程说“重标注的都成功”。先猜，再算。
#
# ---
#
# ## 2.3　How many of them really succeed?
#
# ★★★☆　15 minutes
#
# The strategy `future` gives the transition at t a goal achieved after action t, t + 1, … or T − 1, uniformly. Suppose that no two goals achieved in an episode are alike, so that none counts as reaching another. Pick a position at random and draw a goal: how probable is a reward of 0? Many tutorials say "what is relabelled succeeds". Guess, then compute.

# %% nbgrader={"grade": false, "grade_id": "expected_success_share", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_success_share(horizon: int) -> float:
    """Of relabelled transitions under `future`, the share with reward 0, when no two achieved goals are alike.

    horizon: T, the length of an episode, at least 1.
    Returns a share; the mean over the positions 0 … T-1.

    >>> expected_success_share(2)
    0.75
    """
    ### BEGIN SOLUTION
    return float(np.mean([1 / (horizon - t) for t in range(horizon)]))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_expected_success_share", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(expected_success_share).score

# %% [markdown]
# ## 开放任务：一行 `relabel_final` 值多少？
#
# ★★★☆　20 分钟
#
# 缓冲区里没有任何后见之明（`strategy="none"`）。写 `store`：把回合存进去；如果 `hindsight`，再把*你*重标注过的那份也存进去。别的都写好了。看图：同样的步数，这一行值多少？
#
# ---
#
# ## Open task: what is one line of `relabel_final` worth?
#
# ★★★☆　20 minutes
#
# The buffer knows nothing of hindsight (`strategy="none"`). Write `store`: keep the episode, and with `hindsight` keep *your* relabelled one as well. The rest is there. Then look: after the same number of steps, what is that line worth?

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
    ### BEGIN SOLUTION
    buffer.store_episode(episode)
    if hindsight:
        buffer.store_episode(relabel_final(episode, bit_flip_reward))
    ### END SOLUTION


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
        ax.plot(steps, np.mean(runs, axis=0), **style, label=text(LANG, {"none": "不重标注", "final": "你的 relabel_final"}[name], {"none": "as it happened", "final": "your relabel_final"}[name]))
        ax.fill_between(steps, np.min(runs, axis=0), np.max(runs, axis=0), color=style["color"], alpha=0.15)
    ax.set(xlabel=text(LANG, "练习轮数", "rounds of practice"), ylabel=text(LANG, "成功率（任意一步）", "success at any step"), ylim=(-0.02, 1.02))
    ax.set_title(text(LANG, "翻 8 个比特：三个种子的均值与范围", "Flipping 8 bits: mean and range of three seeds"))
    ax.legend()
    show(fig, alt=text(LANG, "两条学习曲线：存入重标注回合的那条明显更早升高，不重标注的落在后面。", "Two learning curves: with relabelled episodes it rises much earlier, without them it lags behind."))

# %% [markdown]
# 想多走一步：`final` 只给了一个目标。每个回合再存一份“换成中途某个目标”的，曲线会更快还是更慢？第 3 章接着问。
#
# ---
#
# To go further: `final` gives a single goal. Store one more twin, with a goal from the middle of the episode: faster or slower? Chapter 3 goes on from there.

# %%
progress()
