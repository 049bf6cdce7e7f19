"""Exercises of chapter 2, relabelling: a transition, an episode, and how many successes that makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from her.episodes import Episode, Transition
from her_course.exercises import inputs, reference
from her_course.exercises.judging import differing_fields, is_number, show, value_case
from her_course.exercises.model import Call, Case, Exercise, Misconception, Outcome, Text, Verdict

NOT_RECOMPUTED = Misconception(
    Text(
        "奖励没有重新计算。换目标就是换任务，旧任务的奖励说明不了新任务。",
        "The reward was not recomputed. Another goal is another task, about which the old reward says nothing.",
    )
)
GOAL_NOT_REPLACED = Misconception(
    Text(
        "目标没有换。奖励算的是新目标，转移里写的还是旧目标，网络会学到两边对不上的东西。",
        "The goal was not replaced: the reward speaks of the new goal, the transition still holds the old one.",
    )
)
ASSUMES_SUCCESS = Misconception(
    Text(
        "奖励一律给了 0。换了目标不等于成功：要用奖励函数算。",
        "Every reward became 0. A new goal is no success yet: ask the reward function.",
    )
)
ARGUMENTS_SWAPPED = Misconception(
    Text(
        "奖励函数的两个参数反了：先是达到的目标，后是想要的目标。距离看不出来，别的奖励函数看得出来。",
        "The reward function's arguments are swapped: achieved first, then desired. A distance does not mind, others do.",
    )
)
BEFORE_ACTION = Misconception(
    Text(
        "用了动作*之前*达到的目标。这一步的奖励看动作之后到了哪里，也就是 `achieved_goal` 这个字段。",
        "It used what was achieved *before* the action. A reward looks at where the action led: the field `achieved_goal`.",
    )
)
STALE_DONE = Misconception(
    Text(
        "`done` 是旧目标留下的。旧目标到没到，和新目标无关；约定是成功不结束回合，所以是 False。",
        "A stale `done`: whether the old goal was reached says nothing now. No success ends an episode here, so False.",
    )
)
DONE_ON_SUCCESS = Misconception(
    Text(
        "新目标一达到就设了 `done`。这门课的环境成功了也接着走，目标条件的价值要继续自举。",
        "`done` was set where the new goal is reached. Here play goes on after a success, and bootstrapping with it.",
    )
)
TOUCHES_THE_REST = Misconception(
    Text(
        "改多了：状态、动作和达到的目标都是真实发生过的事，换目标不改变它们。",
        "Too much was changed: states, actions and achieved goals happened, and no new goal alters them.",
    )
)

# ------------------------------------------------------------------------------------------------- relabel_transition

RELABEL_TRANSITION = {
    "goal_not_replaced": GOAL_NOT_REPLACED,
    "reward_not_recomputed": NOT_RECOMPUTED,
    "assumes_success": ASSUMES_SUCCESS,
    "achieved_before_action": BEFORE_ACTION,
    "arguments_swapped": ARGUMENTS_SWAPPED,
    "stale_done": STALE_DONE,
    "done_on_success": DONE_ON_SUCCESS,
    "touches_the_rest": TOUCHES_THE_REST,
}


def transition_case(name: Text, group: str, transition: Transition, new_goal: np.ndarray, reward: Callable) -> Case:
    """Relabel this; the verdict goes field by field."""
    right = reference.relabel_transition(transition, new_goal, reward)

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        got = outcomes[0].value
        if type(got) is not Transition:
            return Verdict(False, Text("一个 Transition", "a Transition"), show(got))
        wrong = differing_fields(got, right)
        explanations = {
            "reward_not_recomputed": transition.reward,
            "assumes_success": 0.0,
            "achieved_before_action": reward(transition.state[: len(new_goal)], new_goal),
            "arguments_swapped": reward(new_goal, transition.achieved_goal),
        }
        agree = [key for key, value in explanations.items() if is_number()(got.reward, value)]
        contradicts = tuple(explanations.keys() - set(agree))
        if not wrong:
            return Verdict(True, show(right), show(got), contradicts=contradicts)
        suspects = []
        if "goal" in wrong:
            suspects.append("goal_not_replaced")
        if "reward" in wrong:
            suspects += agree
        if "done" in wrong:
            suspects.append("stale_done" if transition.done else "done_on_success")
        if set(wrong) & {"state", "action", "next_state", "achieved_goal"}:
            suspects.append("touches_the_rest")
        return Verdict(False, *_only(right, got, wrong), tuple(suspects), contradicts)

    return Case(name, group, (Call((transition, new_goal, reward)),), judge, show(right))


def _only(right: Transition | Episode, got: Transition | Episode, fields: list[str]) -> tuple[str, str]:
    """The fields that differ, of both."""
    return tuple(
        ", ".join(f"{field}={show(_value(getattr(one, field)), 80)}" for field in fields[:2]) for one in (right, got)
    )


def _value(value):
    return np.asarray(value) if not isinstance(value, (bool, int, float)) else value


def _relabel_transition_cases(rng: np.random.Generator) -> list[Case]:
    one, two, three, four, reached = (inputs.transition(rng, done=i == 4) for i in range(5))
    near = inputs.within_half
    return [
        transition_case(
            Text("新目标就是到过的地方", "the new goal is what was achieved"),
            "basics",
            one,
            one.achieved_goal.copy(),
            near,
        ),
        transition_case(Text("新目标在别处", "the new goal is elsewhere"), "basics", two, two.achieved_goal + 7, near),
        transition_case(
            Text("新目标是动作之前所在的地方", "the new goal is where the action began"),
            "details",
            three,
            three.state[:2].copy(),
            near,
        ),
        transition_case(
            Text("旧目标到了，新目标没到", "the old goal was reached, the new one is not"),
            "details",
            reached,
            reached.achieved_goal - 9,
            near,
        ),
        transition_case(
            Text("不对称的奖励函数", "a reward function that is not symmetric"),
            "details",
            four,
            four.achieved_goal - np.array([1, 5], np.float32),
            inputs.at_least_as_far,
        ),
    ]


# ------------------------------------------------------------------------------------------------------ relabel_final

RELABEL_FINAL = {
    "only_last_transition": Misconception(
        Text(
            "只换了最后一个转移的目标。整个回合换成同一个新目标，前面的转移才学得到怎么走过去。",
            "Only the last transition got the new goal. The whole episode pursues it, or no step on the way learns anything.",
        )
    ),
    "goal_not_replaced": GOAL_NOT_REPLACED,
    "goal_before_last_action": Misconception(
        Text(
            "用了倒数第二个达到的目标。`achieved_goals[t]` 已经是动作 t 之后的，最后一个就是 `achieved_goals[-1]`。",
            "That is the last goal but one. `achieved_goals[t]` is what action t led to, so the last is `achieved_goals[-1]`.",
        )
    ),
    "first_goal": Misconception(
        Text(
            "用了第一个达到的目标，`final` 要的是最后一个。",
            "That is the first goal achieved; `final` takes the last one.",
        ),
    ),
    "each_its_own_goal": Misconception(
        Text(
            "每个转移用了自己达到的目标，于是处处成功。`final` 给整个回合同一个目标。",
            "Each transition got the goal that it achieved itself, so all succeed. `final` gives all of them one goal.",
        )
    ),
    "reward_not_recomputed": NOT_RECOMPUTED,
    "assumes_success": ASSUMES_SUCCESS,
    "only_last_succeeds": Misconception(
        Text(
            "默认只有最后一步是 0。途中路过那个地方也是 0：每一步都要用奖励函数算。",
            "Only the last reward became 0. Passing through that place on the way earns 0 too: compute every reward.",
        )
    ),
    "achieved_before_action": BEFORE_ACTION,
    "arguments_swapped": ARGUMENTS_SWAPPED,
    "stale_done": STALE_DONE,
    "done_at_the_end": DONE_ON_SUCCESS,
    "touches_the_rest": TOUCHES_THE_REST,
}


def episode_case(name: Text, group: str, episode: Episode, reward: Callable) -> Case:
    """Relabel this; the verdict goes field by field."""
    right = reference.relabel_final(episode, reward)
    achieved, before = episode.achieved_goals, episode.states[:, : episode.achieved_goals.shape[1]]

    def judge(outcomes: Sequence[Outcome]) -> Verdict:
        got = outcomes[0].value
        if type(got) is not Episode:
            return Verdict(False, Text("一个 Episode", "an Episode"), show(got))
        wrong = differing_fields(got, right)
        last = np.full(len(achieved), -1.0)
        last[-1] = 0.0
        explanations = {
            "reward_not_recomputed": episode.rewards,
            "assumes_success": np.zeros(len(achieved)),
            "only_last_succeeds": last,
            "achieved_before_action": reward(before, right.goal),
            "arguments_swapped": reward(right.goals, achieved),
        }
        agree = [key for key, value in explanations.items() if _equal(got.rewards, value)]
        contradicts = tuple(explanations.keys() - set(agree))
        if not wrong:
            return Verdict(True, show(right), show(got), contradicts=contradicts)
        suspects = []
        if {"goal", "goals"} & set(wrong):
            goals = {
                "goal_not_replaced": episode.goals,
                "only_last_transition": np.vstack([episode.goals[:-1], achieved[-1:]]),
                "goal_before_last_action": np.tile(achieved[-2], (len(achieved), 1)) if len(achieved) > 1 else None,
                "first_goal": np.tile(achieved[0], (len(achieved), 1)),
                "each_its_own_goal": achieved,
            }
            suspects += [key for key, value in goals.items() if value is not None and _equal(got.goals, value)]
            suspects += ["goal_not_replaced"] if "goals" not in wrong else []
        elif "rewards" in wrong:
            suspects += agree
        elif "dones" in wrong:
            suspects.append("stale_done" if episode.dones.any() else "done_at_the_end")
        if set(wrong) & {"states", "actions", "next_states", "achieved_goals"}:
            suspects.append("touches_the_rest")
        return Verdict(False, *_only(right, got, wrong), tuple(suspects), contradicts)

    return Case(name, group, (Call((episode, reward)),), judge, show(right))


def _equal(got: np.ndarray, value: np.ndarray) -> bool:
    return got.shape == np.shape(value) and np.allclose(got, value)


def passing_through(rng: np.random.Generator) -> Episode:
    """An episode that passes, early, through the place where it will end."""
    achieved = np.cumsum([[1, 1], [2, 1], [1, 2], [-1, -2], [4, 0], [-4, 0]], axis=0).astype(np.float32)
    achieved += rng.integers(-3, 4, size=2)
    before = np.vstack([achieved[:1] - 1, achieved[:-1]])
    goal = achieved[-1] + 30
    return Episode.from_arrays(
        np.hstack([before, before]),
        rng.normal(size=(6, 2)).round(2),
        inputs.within_half(achieved, goal),
        np.hstack([achieved, achieved]),
        np.zeros(6, bool),
        achieved,
        goal,
    )


def _relabel_final_cases(rng: np.random.Generator) -> list[Case]:
    near = inputs.within_half
    return [
        episode_case(Text("四步，谁也没到过", "four steps, nothing reached"), "basics", inputs.walk(rng, 4), near),
        episode_case(
            Text("途中路过终点", "passes through its last place early"), "details", passing_through(rng), near
        ),
        episode_case(Text("只有一步", "a single step"), "edges", inputs.walk(rng, 1), near),
        episode_case(
            Text("旧目标到了，还留着 done", "the old goal was reached, with a done"),
            "details",
            inputs.walk(rng, 5, done=True),
            near,
        ),
        episode_case(
            Text("不对称的奖励函数", "a reward function that is not symmetric"),
            "details",
            inputs.walk(rng, 5),
            inputs.at_least_as_far,
        ),
    ]


# ---------------------------------------------------------------------------------------------- expected_success_share


def _harmonic(n: int) -> float:
    return sum(1 / j for j in range(1, n + 1))


SUCCESS_SHARE = {
    "all_succeed": Misconception(
        Text(
            "以为换了目标就都成功。只有抽到的正好是*下一步*到达的那个，奖励才是 0。",
            "Relabelled is not yet successful: the reward is 0 only where the goal drawn is the very next one achieved.",
        ),
        lambda n: 1.0,
    ),
    "relabelled_share": Misconception(
        Text(
            "k/(k+1) 是*重标注*的比例，不是成功的比例。",
            "k/(k+1) is the share that is *relabelled*, not the share that succeeds.",
        ),
        lambda n: 0.8,
    ),
    "uniform_over_the_episode": Misconception(
        Text(
            "每一步都按整个回合的 T 个目标算了（那是 `episode`）。`future` 只从 t 以后抽，剩 T − t 个。",
            "Each step was given all T goals, which is `episode`. `future` draws from t on: T − t are left.",
        ),
        lambda n: 1 / n,
    ),
    "not_divided": Misconception(
        Text("求了和，忘了对 T 步取平均。", "A sum over the steps, not yet their mean."),
        _harmonic,
    ),
    "excludes_own_step": Misconception(
        Text(
            "把第 t 步自己达到的目标排除了，可成功恰恰来自它；或者漏了最后一步。",
            "The goal achieved by step t itself was left out, or the last step: but that is where success comes from.",
        ),
        lambda n: _harmonic(n - 1) / n,
    ),
    "mean_length": Misconception(
        Text(
            "用平均剩余步数的倒数。倒数的平均不等于平均的倒数。",
            "One over the mean number left. The mean of inverses is not the inverse of the mean.",
        ),
        lambda n: 2 / (n + 1),
    ),
    "logarithm": Misconception(
        Text("ln T 只是 H_T 的近似，要精确值。", "ln T only approximates H_T; the exact value is asked for."),
        lambda n: math.log(n) / n,
    ),
    "euler_approximation": Misconception(
        Text("ln T + γ 只是 H_T 的近似，要精确值。", "ln T + γ only approximates H_T; the exact value is asked for."),
        lambda n: (math.log(n) + 0.5772156649015329) / n,
    ),
}


def share_case(name: Text, group: str, horizon: int) -> Case:
    """H_T/T for this T."""
    return value_case(name, group, (horizon,), reference.expected_success_share, SUCCESS_SHARE, is_number(1e-9))


def _success_share_cases(rng: np.random.Generator) -> list[Case]:
    return [
        share_case(Text("T = 2：自己列出来数", "T = 2: count them by hand"), "basics", 2),
        share_case(Text("T = 4", "T = 4"), "basics", 4),
        share_case(Text("T = 1：只有一步", "T = 1: a single step"), "edges", 1),
        share_case(Text("T = 50", "T = 50"), "details", 50),
    ]


EXERCISES = (
    Exercise(
        "relabel_transition",
        2,
        Text("给一个转移换目标", "Another goal for a transition"),
        1,
        10,
        _relabel_transition_cases,
        RELABEL_TRANSITION,
        (
            Text(
                "哪些字段是发生过的事，哪些取决于目标？只有后者要变。",
                "Which fields happened, and which depend on the goal? Only those change.",
            ),
            Text(
                "变的是 goal、reward、done。reward = reward_function(达到的目标, 新目标)。",
                "goal, reward and done change. reward = reward_function(what was achieved, new goal).",
            ),
            Text(
                "`dataclasses.replace(transition, goal=..., reward=..., done=False)` 返回新的，不碰旧的。",
                "`dataclasses.replace(transition, goal=..., reward=..., done=False)` makes a new one, the old stays.",
            ),
        ),
        "her_course.exercises.reference:relabel_transition",
    ),
    Exercise(
        "relabel_final",
        2,
        Text("整个回合换成最后到达的地方", "An episode that meant to end where it did"),
        2,
        10,
        _relabel_final_cases,
        RELABEL_FINAL,
        (
            Text("一个回合只有一个新目标：它最后到达的地方。", "One new goal for the whole episode: where it ended."),
            Text(
                "`episode.achieved_goals[-1]`，然后对每个转移用你写好的 `relabel_transition`。",
                "`episode.achieved_goals[-1]`, and then your own `relabel_transition` on every transition.",
            ),
            Text(
                "写成一行：`Episode([relabel_transition(t, goal, reward_function) for t in episode], goal)`。",
                "In a line: `Episode([relabel_transition(t, goal, reward_function) for t in episode], goal)`.",
            ),
        ),
        "her_course.exercises.reference:relabel_final",
    ),
    Exercise(
        "expected_success_share",
        2,
        Text("换了目标，有多少真的成功？", "How many of them really succeed?"),
        3,
        15,
        _success_share_cases,
        SUCCESS_SHARE,
        (
            Text(
                "先看一步：位置 t 的转移，`future` 从几个目标里抽？其中几个让这一步成功？",
                "One step first: among how many goals does `future` draw at position t? How many of them make it succeed?",
            ),
            Text(
                "位置 t 有 T − t 个候选，互不相同，只有自己达到的那个成功：1/(T − t)。",
                "At t there are T − t candidates, all different; only the one it achieved itself succeeds: 1/(T − t).",
            ),
            Text(
                "对 t = 0 … T − 1 求平均，就是 (1 + 1/2 + … + 1/T)/T。",
                "The mean over t = 0 … T − 1 is (1 + 1/2 + … + 1/T)/T.",
            ),
        ),
        "her_course.exercises.reference:expected_success_share",
    ),
)
