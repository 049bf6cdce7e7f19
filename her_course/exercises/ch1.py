"""Exercises of chapter 1, sparse rewards: the reward, the odds of chance, and what counts as success."""

from __future__ import annotations

import math

import numpy as np

from her_course.exercises import inputs, reference
from her_course.exercises.judging import is_array, is_number, value_case
from her_course.exercises.model import Case, Exercise, Misconception, Text

# ------------------------------------------------------------------------------------------------------ sparse_reward


def _norm(achieved, desired):
    return np.linalg.norm(np.asarray(achieved) - desired, axis=-1)


SPARSE_REWARD = {
    "threshold_inclusive": Misconception(
        Text(
            "踩线也算到了。约定是 *小于* 阈值才算，正好等于不算。",
            "On the line counts as reached. By convention it has to be *closer* than the threshold.",
        ),
        lambda a, d, t: np.where(_norm(a, d) <= t, 0.0, -1.0),
    ),
    "norm_of_everything": Misconception(
        Text(
            "把整批目标当成一个大向量算了一个距离。每一行是一对目标，距离要沿最后一个轴算。",
            "One distance for the whole batch. Each row is a pair of its own: compute along the last axis.",
        ),
        lambda a, d, t: np.where(np.linalg.norm(a - d) < t, 0.0, -1.0)[()],
    ),
    "one_for_success": Misconception(
        Text(
            "到了给 1，没到给 0。这门课的约定是 0 和 −1：每多一步都要付出代价。",
            "1 for success and 0 otherwise. Here it is 0 and −1: every step more has its price.",
        ),
        lambda a, d, t: np.where(_norm(a, d) < t, 1.0, 0.0),
    ),
    "signs_swapped": Misconception(
        Text("正好反了：到了反而扣分。", "The wrong way round: reaching the goal is punished."),
        lambda a, d, t: np.where(_norm(a, d) < t, -1.0, 0.0),
    ),
    "per_coordinate": Misconception(
        Text(
            "每个坐标分别和阈值比了。两个坐标各差一点，合起来的距离可能已经超过阈值。",
            "Each coordinate is compared by itself. Small in each does not mean small in distance.",
        ),
        lambda a, d, t: np.where((np.abs(a - d) < t).all(axis=-1), 0.0, -1.0),
    ),
    "squared_distance": Misconception(
        Text(
            "忘了开方：拿距离的平方去和阈值比。", "The square root is missing: a squared distance meets the threshold."
        ),
        lambda a, d, t: np.where(((a - d) ** 2).sum(axis=-1) < t, 0.0, -1.0),
    ),
    "sum_of_differences": Misconception(
        Text(
            "把各坐标之差加起来当距离。一正一负会互相抵消；用绝对值也不是欧氏距离。",
            "Differences were added up. Plus and minus cancel, and even absolute values give no Euclidean distance.",
        ),
        lambda a, d, t: np.where(np.abs(a - d).sum(axis=-1) < t, 0.0, -1.0),
    ),
    "shaped": Misconception(
        Text(
            "返回了负的距离。那是稠密奖励；稀疏奖励只有两个值。",
            "The negative distance came back. That is a dense reward; a sparse one has two values.",
        ),
        lambda a, d, t: -_norm(a, d),
    ),
}


def _sparse_reward_cases(rng: np.random.Generator) -> list[Case]:
    def case(name, group, achieved, desired, threshold):
        arguments = (np.asarray(achieved, float), np.asarray(desired, float), threshold)
        return value_case(name, group, arguments, reference.sparse_reward, SPARSE_REWARD, is_array())

    batch = rng.integers(-3, 4, size=(6, 2)).astype(float)
    near = batch + np.where(rng.random((6, 1)) < 0.5, 0.2, 2.0)
    near[0], near[1] = batch[0] + 0.2, batch[1] + 2.0
    grid = rng.integers(-3, 4, size=(2, 3, 3)).astype(float)
    shifted = grid + np.array([0.3, 1.5, 0.3])[None, :, None]
    return [
        case(Text("到了：一对目标", "reached: one pair"), "basics", [1.0, 2.0], [1.0, 2.1], 0.5),
        case(Text("没到：一对目标", "not reached: one pair"), "basics", [1.0, 2.0], [4.0, 6.0], 0.5),
        case(Text("正好踩线", "exactly on the line"), "details", [0.0, 0.0], [3.0, 4.0], 5.0),
        case(Text("两个坐标各差一点", "a little off in both coordinates"), "details", [0.0, 0.0], [0.4, -0.4], 0.5),
        case(Text("阈值小于 1", "a threshold below 1"), "details", [0.0, 0.0], [0.0, 0.6], 0.5),
        case(
            Text("一正一负，合起来还是近", "off by plus and minus, near all the same"),
            "details",
            [0.0, 0.0],
            [0.3, -0.3],
            0.5,
        ),
        case(Text("一批：(6, 2)", "a batch: (6, 2)"), "edges", batch, near, 0.5),
        case(Text("更多的轴：(2, 3, 3)", "more axes: (2, 3, 3)"), "edges", grid, shifted, 1.0),
    ]


# --------------------------------------------------------------------------------------- random_success_probability


def _chain(n: int, horizon: int, *, absorb: bool = True, start_counts: bool = True, back: bool = True) -> float:
    d = np.arange(n + 1)
    p = np.array([math.comb(n, i) for i in d]) / 2.0**n
    hit = p[0] if start_counts else 0.0
    if absorb:
        p[0] = 0.0
    for _ in range(horizon):
        nearer, farther = p * d / n, p * (n - d) / n
        p = np.append(nearer[1:], 0.0) + (np.insert(farther[:-1], 0, 0.0) if back else farther)
        if absorb:
            hit, p[0] = hit + p[0], 0.0
    return float(hit if absorb else p[0])


RANDOM_SUCCESS = {
    "start_not_counted": Misconception(
        Text(
            "漏了第 0 步：起点有 2⁻ⁿ 的机会本来就是目标，题目说的是 0…horizon 步。",
            "Step 0 is missing: with probability 2⁻ⁿ the start is the goal already, and steps 0 … horizon count.",
        ),
        lambda n, h: _chain(n, h, start_counts=False),
    ),
    "only_at_the_end": Misconception(
        Text(
            "算的是最后一步正好在目标上的概率。途中到过也算：到过的概率质量要留住，不能再走出去。",
            "That is the probability of being there at the last step. Having been there counts: keep that mass, "
            "and let it walk no farther.",
        ),
        lambda n, h: _chain(n, h, absorb=False),
    ),
    "one_step_short": Misconception(
        Text(
            "少走了一步：horizon 次翻转之后有 horizon + 1 个状态。",
            "One step short: after horizon flips there are horizon + 1 states.",
        ),
        lambda n, h: _chain(n, h - 1),
    ),
    "one_step_more": Misconception(
        Text("多走了一步。", "One step too many."),
        lambda n, h: _chain(n, h + 1),
    ),
    "independent_guesses": Misconception(
        Text(
            "把每一步当成一次独立的重新猜。翻一个比特只走到邻居，前后两步高度相关，所以要用马尔可夫链。",
            "Each step is treated as a fresh guess. One flip leads to a neighbour only, steps depend on each other: "
            "hence the Markov chain.",
        ),
        lambda n, h: 1 - (1 - 2.0**-n) ** (h + 1),
    ),
    "counts_paths_once": Misconception(
        Text(
            "用了步数乘 2⁻ⁿ。同一条路会重复到达目标，这样加会重复计数。",
            "Steps times 2⁻ⁿ: a walk that reaches the goal twice is counted twice.",
        ),
        lambda n, h: (h + 1) * 2.0**-n,
    ),
    "never_flips_back": Misconception(
        Text(
            "翻错的那一步被当成了原地不动。翻到一个本来对的比特，距离会变大 1。",
            "A wrong flip is treated as standing still. Flipping a right bit takes you one farther away.",
        ),
        lambda n, h: _chain(n, h, back=False),
    ),
    "from_the_farthest": Misconception(
        Text(
            "从固定的距离出发。起点和目标都是均匀抽的，初始距离服从 Binomial(n, 1/2)。",
            "It starts at a fixed distance. With uniform start and goal the first distance is Binomial(n, 1/2).",
        ),
        lambda n, h: _from(n, h, n),
    ),
    "estimated": Misconception(
        Text(
            "差一点点，像是模拟出来的。题目要精确值：距离只有 n + 1 种，可以一步步推。",
            "Close, as if simulated. The exact value is asked for: there are only n + 1 distances to follow.",
        ),
    ),
}


def _from(n: int, horizon: int, start: int) -> float:
    d = np.arange(n + 1)
    p, hit = (d == start).astype(float), 0.0
    for _ in range(horizon):
        p = np.append((p * d / n)[1:], 0.0) + np.insert((p * (n - d) / n)[:-1], 0, 0.0)
        hit, p[0] = hit + p[0], 0.0
    return float(hit)


def _random_success_case(name, group, n_bits, horizon) -> Case:
    exact = is_number(1e-9, 1e-14)
    case = value_case(name, group, (n_bits, horizon), reference.random_success_probability, RANDOM_SUCCESS, exact)
    expected = reference.random_success_probability(n_bits, horizon)

    def judge(outcomes):
        verdict = case.judge(outcomes)
        if verdict.passed or verdict.suspects or not is_number(0.1)(outcomes[0].value, expected):
            return verdict
        return type(verdict)(False, verdict.expected, verdict.got, ("estimated",))

    return Case(case.name, case.group, case.calls, judge, case.expected)


def _random_success_cases(rng: np.random.Generator) -> list[Case]:
    def case(name, group, n_bits, horizon):
        return _random_success_case(name, group, n_bits, horizon)

    return [
        case(Text("1 个比特，1 步", "1 bit, 1 step"), "basics", 1, 1),
        case(Text("2 个比特，2 步", "2 bits, 2 steps"), "basics", 2, 2),
        case(Text("一步不走：horizon = 0", "not a step: horizon = 0"), "edges", 3, 0),
        case(Text("3 个比特，5 步", "3 bits, 5 steps"), "details", 3, 5),
        case(Text("8 个比特，8 步", "8 bits, 8 steps"), "details", 8, 8),
        case(Text("40 个比特：概率小到几乎没有", "40 bits: hardly any probability left"), "edges", 40, 40),
    ]


# ------------------------------------------------------------------------------------------------------ success_rate


def _rate(of):
    return lambda episodes, at: float(np.mean([of(e.rewards, e.dones, at) for e in episodes]))


SUCCESS_RATE = {
    "end_and_any_swapped": Misconception(
        Text('"end" 和 "any" 反了。', '"end" and "any" are swapped.'),
        _rate(lambda r, d, at: (r == 0).any() if at == "end" else r[-1] == 0),
    ),
    "always_any": Misconception(
        Text(
            '不管 `at` 是什么都按 "any" 算。到过又离开，按 "end" 不算成功。',
            'It always answers for "any". Reached and left again is no success at the "end".',
        ),
        _rate(lambda r, d, at: (r == 0).any()),
    ),
    "always_end": Misconception(
        Text("不管 `at` 是什么都只看最后一步。", "It looks at the last step only, whatever `at` says."),
        _rate(lambda r, d, at: r[-1] == 0),
    ),
    "share_of_steps": Misconception(
        Text(
            "算的是成功的*步数*占多少。成功率数的是回合。",
            "That is the share of successful *steps*. A success rate counts episodes.",
        ),
        lambda episodes, at: float(np.mean(np.concatenate([e.rewards for e in episodes]) == 0)),
    ),
    "return_is_success": Misconception(
        Text(
            "只有一步不差（回报为 0）才算成功。回报和成功是两回事。",
            "Only a flawless episode, with return 0, counts. Return and success are two things.",
        ),
        _rate(lambda r, d, at: r.sum() == 0),
    ),
    "done_is_success": Misconception(
        Text(
            "拿 `dones` 当成功。这里的环境成功了也不结束回合，看奖励。",
            "`dones` is taken for success. Success ends no episode here: look at the rewards.",
        ),
        _rate(lambda r, d, at: d.any() if at == "any" else d[-1]),
    ),
    "equal_lengths": Misconception(
        Text(
            "以为所有回合一样长，用第一个回合的长度去找最后一步。",
            "All episodes are taken to be as long as the first one, to find the last step.",
        ),
        lambda episodes, at: float(
            np.mean(
                [(e.rewards == 0).any() if at == "any" else e.rewards[: len(episodes[0])][-1] == 0 for e in episodes]
            )
        ),
    ),
    "percent": Misconception(
        Text(
            "返回了百分数。要的是 0 到 1 之间的比例。", "A percentage came back. A share between 0 and 1 is asked for."
        ),
        lambda episodes, at: 100 * reference.success_rate(episodes, at),
    ),
    "count": Misconception(
        Text("返回了成功的个数，没有除以回合数。", "The number of successes, not divided by that of episodes."),
        lambda episodes, at: len(episodes) * reference.success_rate(episodes, at),
    ),
}


def _success_rate_cases(rng: np.random.Generator) -> list[Case]:
    def case(name, group, rewards, at, done=()):
        episodes = [inputs.episode_of(r, done=i in done) for i, r in enumerate(rewards)]
        return value_case(name, group, (episodes, at), reference.success_rate, SUCCESS_RATE, is_number())

    kept, left, never = [-1.0, -1.0, 0.0, 0.0], [-1.0, 0.0, -1.0, -1.0], [-1.0] * 4
    return [
        case(Text('"any"：到过就算', '"any": having been there counts'), "basics", [kept, left, never], "any"),
        case(
            Text('"end"：停在那里才算', '"end": only staying counts'), "basics", [kept, left, left, never, never], "end"
        ),
        case(Text("一个回合也是一批", "one episode is a batch too"), "edges", [left], "end"),
        case(
            Text("回合有长有短", "episodes of different lengths"),
            "details",
            [[-1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, -1.0, -1.0, -1.0, -1.0], [0.0]],
            "end",
        ),
        case(
            Text("done 不代表成功", "done does not mean success"), "details", [kept, never, left, never], "any", (1, 3)
        ),
    ]


EXERCISES = (
    Exercise(
        "sparse_reward",
        1,
        Text("稀疏奖励", "The sparse reward"),
        1,
        5,
        _sparse_reward_cases,
        SPARSE_REWARD,
        (
            Text(
                "先算每一对目标的距离，再和阈值比。",
                "First the distance of each pair, then compare it with the threshold.",
            ),
            Text(
                "`np.linalg.norm(..., axis=-1)` 沿最后一个轴算距离，前面有几个轴都行。",
                "`np.linalg.norm(..., axis=-1)` computes along the last axis, however many there are before it.",
            ),
            Text(
                "`np.where(距离 < threshold, 0.0, -1.0)`。注意是 `<`。",
                "`np.where(distance < threshold, 0.0, -1.0)`. Mind the `<`.",
            ),
        ),
        "her_course.exercises.reference:sparse_reward",
    ),
    Exercise(
        "random_success_probability",
        1,
        Text("乱翻也能成功吗？", "Can chance do it?"),
        3,
        20,
        _random_success_cases,
        RANDOM_SUCCESS,
        (
            Text(
                "不用管是哪几个比特，只看还差几个：汉明距离 d。初始时 d 服从什么分布？",
                "Forget which bits: follow how many are wrong, the Hamming distance d. How is it distributed at first?",
            ),
            Text(
                "翻一次，以概率 d/n 变成 d − 1，以概率 (n − d)/n 变成 d + 1。到了 0 就留在 0。",
                "A flip leads to d − 1 with probability d/n, and to d + 1 with (n − d)/n. Whoever is at 0 stays there.",
            ),
            Text(
                "p[d] = C(n, d)/2ⁿ；hit = p[0]，p[0] = 0；重复 horizon 次：推一步，hit += p[0]，p[0] = 0。",
                "p[d] = C(n, d)/2ⁿ; hit = p[0], p[0] = 0; then horizon times: one step, hit += p[0], p[0] = 0.",
            ),
        ),
        "her_course.exercises.reference:random_success_probability",
    ),
    Exercise(
        "success_rate",
        1,
        Text("成功率，说清楚是哪一种", "A success rate that says which"),
        2,
        10,
        _success_rate_cases,
        SUCCESS_RATE,
        (
            Text(
                "一个回合要么成功要么失败，先得到每个回合一个真假值。",
                "An episode succeeds or fails: get one truth value for each.",
            ),
            Text(
                '奖励为 0 的那一步就是到了目标。"end" 看 `rewards[-1]`，"any" 看有没有这样的一步。',
                'Reward 0 says that the goal is reached. "end" looks at `rewards[-1]`, "any" for any such step.',
            ),
            Text(
                "`np.mean([(e.rewards == 0).any() for e in episodes])` 是其中一种；另一种自己写。",
                "`np.mean([(e.rewards == 0).any() for e in episodes])` is one of them; the other one is yours.",
            ),
        ),
        "her_course.exercises.reference:success_rate",
    ),
)
