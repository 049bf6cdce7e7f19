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
# 换一个目标，同一段经历就成了另一个故事。五个函数，一个要找的错，一个开放任务，大约 100 分钟。写完一个就运行检查；没有头绪就 `hint("函数名")`。
#
# ---
#
# # 2　Exercises: relabelling
#
# Give it another goal, and the same experience tells another story. Five functions, a bug to find and an open task, some 100 minutes. Run the check after each; if you are stuck, `hint("name")`.

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
# 热身：和 2.1 节的 `relabel` 差一个 `done`。返回一个*新的* `Transition`：目标换成 `new_goal`，奖励照新目标重新算。`done` 一律是 False：这门课的环境成功了也不结束回合，旧目标留下的 done 说明不了新任务。其余字段都是真实发生过的事，不变；传进来的那个转移也不许动。
#
# 提醒两件事：`achieved_goal` 是动作*之后*达到的；奖励函数的参数顺序是（达到的，想要的）。
#
# ---
#
# ## 2.1　Another goal for a transition
#
# ★☆☆☆　10 minutes
#
# A warm-up: one `done` away from the `relabel` of section 2.1. Return a *new* `Transition` whose goal is `new_goal` and whose reward is computed under it. `done` is always False: here no success ends an episode, and a done stored under the old goal says nothing of the new task. The other fields really happened and stay the same; leave the transition you are given unchanged.
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
# `final` 策略：假装这个回合一开始就想去它最后到达的地方。每个转移都换成这*同一个*目标，奖励逐步重算：途中路过那里也是 0。`done` 和 2.1 一样，一律是 False。
#
# ---
#
# ## 2.2　An episode that meant to end where it did
#
# ★★☆☆　10 minutes
#
# The strategy `final`: pretend that the episode had meant, all along, to go where it ended. Every transition gets this *one* goal, every reward is computed anew: passing through that place on the way earns 0 too. As in 2.1, `done` is always False.

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
# 热身：2.5 节推过，合上书自己推一遍。`future` 策略给位置 t 的转移均匀地抽一个 t, t + 1, …, T − 1 之后达到的目标。假设一个回合里达到的目标*两两不同*（远到互不算到）。随便挑一个位置，抽一个目标：奖励是 0 的概率是多少？很多教程说“重标注的都成功”。先猜，再算。
#
# ---
#
# ## 2.3　How many of them really succeed?
#
# ★★★☆　15 minutes
#
# A warm-up: section 2.5 derives it; derive it without looking. The strategy `future` gives the transition at t a goal achieved after action t, t + 1, … or T − 1, uniformly. Suppose that no two goals achieved in an episode are alike, so that none counts as reaching another. Pick a position at random and draw a goal: how probable is a reward of 0? Many tutorials say "what is relabelled succeeds". Guess, then compute.

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
# ## 2.4　成功就收工的环境
#
# ★★☆☆　10 分钟
#
# 换一种环境：一到目标，回合就结束（`done` = True），别的都不会让它结束。现在给一个转移换目标，`done` 该是什么？旧目标的 `done` 有两种错法：新目标到了，它没说停；新目标没到，它却说停了。
#
# ---
#
# ## 2.4　Where success ends the episode
#
# ★★☆☆　10 minutes
#
# Another kind of environment: reaching the goal ends the episode (`done` is True), and nothing else does. Relabel a transition: what is `done` now? The one of the old goal may be wrong in two ways: the new goal is reached and it does not stop, or the new one is missed and it does.

# %% nbgrader={"grade": false, "grade_id": "relabel_ending", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relabel_ending(transition: Transition, new_goal: np.ndarray, reward_function: RewardFunction) -> Transition:
    """The transition as it would have been under another goal, where success ends an episode.

    transition, new_goal, reward_function: as in `relabel_transition`; a reward of 0 is success.
    Returns a new Transition.

    >>> relabel_ending(t, t.achieved_goal, f).done   # if f is a sparse reward
    True
    """
    ### BEGIN SOLUTION
    reward = float(reward_function(transition.achieved_goal, new_goal))
    return dataclasses.replace(transition, goal=np.array(new_goal), reward=reward, done=reward == 0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_relabel_ending", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(relabel_ending).score


# %% [markdown]
# ## 2.5　停着不动的成功
#
# ★★★☆　15 分钟
#
# 2.5 节的 $H_T/T$ 假设位置两两不同。可是没人碰的冰球不是这样。设一个回合走到第 stop 步就*停住了*：动作 0, …, stop − 1 之后到的地方两两不同，也和停的地方不同；动作 stop 以及以后到的都是同一个地方。用 `future` 换目标，成功的比例是多少？
#
# 先猜 T = 50、stop = 10 是多少，写下来，再数。
#
# ---
#
# ## 2.5　Succeeding by standing still
#
# ★★★☆　15 minutes
#
# The $H_T/T$ of section 2.5 takes all places to differ. Those of a puck that nobody touches do not. Let an agent *stop*: the places reached after actions 0, …, stop − 1 all differ, also from where it stops; after action stop and all later ones it is in that one place. With goals by `future`, what share succeeds?
#
# Guess first, for T = 50 and stop = 10, and write it down. Then count.

# %% nbgrader={"grade": false, "grade_id": "share_when_it_stops", "locked": false, "schema_version": 3, "solution": true, "task": false}
def share_when_it_stops(horizon: int, stop: int) -> float:
    """Of relabelled transitions under `future`, the share with reward 0, when an agent stops.

    horizon: T, at least 1.
    stop: the first position whose action leads to the place of rest, 0 … T-1.
    Returns a share; the mean over the positions 0 … T-1.

    >>> share_when_it_stops(2, 0)
    1.0
    """
    ### BEGIN SOLUTION
    on_the_way = [1 / (horizon - t) for t in range(stop)]  # only its own place
    at_rest = horizon - stop  # any candidate is underfoot
    return (sum(on_the_way) + at_rest) / horizon
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_share_when_it_stops", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(share_when_it_stops).score


# %% [markdown]
# ## 找错：代码和曲线
#
# 走廊、闲逛、表格都和 2.6 节一样，只是换目标的这几行换了。`memory` 里每个转移一行：`"goals"` 是原来想去的，`"achieved_goals"` 是到了的；`rows` 是抽中的行（一行可能抽中两次），`goal_rows` 是新目标取自哪一行，`relabelled` 说哪些要换。返回这一批的目标和奖励。
#
# *有一行错了。* 曲线是量出来的（`python -m her_course.faults results/faults/curves.csv`）：横轴是看了几批，每批 1000 行；纵轴是 81 对（起点，目标）里走得到的占多少。先看头几批：两种线一样。后来呢？
#
# ---
#
# ## Find the bug: code and curve
#
# The corridor, the strolls and the table are those of section 2.6; only the lines that swap goals are other ones. `memory` has a row for each transition: `"goals"` are those that were wanted, `"achieved_goals"` those that were reached. `rows` were drawn (a row may be drawn twice), `goal_rows` say where the new goals come from, `relabelled` which are to be swapped. Goals and rewards of the batch come back.
#
# *One line is wrong.* The curves were measured (`python -m her_course.faults results/faults/curves.csv`): across, how many batches of 1,000 rows were read; up, for how many of the 81 pairs of start and goal the table knows the way. Look at the first batches: both kinds of lines are alike. And then?

# %%
def hindsight_batch(memory, rows, goal_rows, relabelled, reward_function):
    goals, achieved = memory["goals"], memory["achieved_goals"]
    goals[rows[relabelled]] = achieved[goal_rows[relabelled]]
    rewards = reward_function(achieved[rows], goals[rows])
    return {"goals": goals[rows], "rewards": rewards}


# %%
from her_course.figures.faults import draw_fault

fig, ax = plt.subplots(figsize=(6, 3))
draw_fault(ax, "mended_batch", LANG)
show(fig, alt=text(LANG, "头几批六条线几乎重合；后来改好的三条升到 1 就不动了，发下来的三条停在九成多，来回晃。", "For the first batches all six lines are alike; then the three mended ones rise to 1 and stay there, and those of the code as handed out stay a little above nine tenths and wobble."))


# %% [markdown]
# ## 2.6　找错：真正的目标哪儿去了
#
# ★★★☆　20 分钟
#
# 先不改代码，把两件事写下来：*错在哪一行；为什么它还能学到一点。* 然后改好它。 提示你想一想 2.6 节最后那个实验：把真正的目标拿走，会少学会什么？
#
# ---
#
# ## 2.6　Find the bug: where did the real goals go?
#
# ★★★☆　20 minutes
#
# Before you change anything, write down two things: *which line is wrong, and why it still learns a bit.* Then mend it. Think of the last experiment of section 2.6: take the real goals away, and what is not learned?

# %% nbgrader={"grade": false, "grade_id": "mended_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended_batch(
    memory: dict[str, np.ndarray],
    rows: np.ndarray,
    goal_rows: np.ndarray,
    relabelled: np.ndarray,
    reward_function: RewardFunction,
) -> dict[str, np.ndarray]:
    """`hindsight_batch` without the mistake: goals and rewards of a batch.

    memory: "goals" and "achieved_goals", (N, d) each.
    rows, goal_rows: (n,) integers. relabelled: (n,) bool.
    reward_function: f(achieved (n, d), desired (n, d)) -> (n,).
    Returns a dict: "goals" (n, d) and "rewards" (n,).

    >>> mended_batch(memory, rows, goal_rows, relabelled, f)["goals"].shape   # with 256 rows, d = 2
    (256, 2)
    """
    ### BEGIN SOLUTION
    goals, achieved = memory["goals"][rows], memory["achieved_goals"]  # indexing with an array copies
    goals[relabelled] = achieved[goal_rows[relabelled]]
    return {"goals": goals, "rewards": reward_function(achieved[rows], goals)}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check_mended_batch", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(mended_batch).score

# %% [markdown]
# 改好了？用它教一张表，看看点子落在哪一组线上：
#
# ---
#
# Mended? Teach a table with it, and see to which lines its dots belong:

# %%
from her_course.faults import learning_curve

yours = attempt(learning_curve, mended_batch, 0)
if yours:
    fig, ax = plt.subplots(figsize=(6, 3))
    draw_fault(ax, "mended_batch", LANG, yours)
    show(fig, alt=text(LANG, "同一幅图，加上你的函数教出来的点。", "The same figure with dots for what was learned with your function."))

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
