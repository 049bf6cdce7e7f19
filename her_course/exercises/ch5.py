"""Exercises of chapter 5, priorities and curricula: how often, how much it counts, where in the tree, how hard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from her_course.exercises import reference
from her_course.exercises.judging import integers, is_array, is_number, numbers, value_case
from her_course.exercises.model import Case, Exercise, Misconception, Text

# --------------------------------------------------------------------------------------------- priority_probabilities


def _normalised(p):
    return p / p.sum()


PRIORITIES = {
    "not_normalised": Misconception(
        Text("没有归一化：概率要加起来等于 1。", "Not normalised: probabilities add up to 1."),
        lambda d, a, e: (np.abs(d) + e) ** a,
    ),
    "signed_errors": Misconception(
        Text(
            "没有取绝对值。负的 TD 误差一样值得学。",
            "No absolute value. A negative TD error teaches as much as a positive one.",
        ),
        lambda d, a, e: _normalised(np.maximum(d + e, 0) ** a),
    ),
    "epsilon_forgotten": Misconception(
        Text(
            "ε 没有用上：误差为 0 的转移再也抽不到，也就永远改不了它的误差。",
            "ε is missing: a transition of error 0 is never drawn again, so its error is never looked at again.",
        ),
        lambda d, a, e: _normalised(np.abs(d) ** a),
    ),
    "epsilon_after_power": Misconception(
        Text(
            "ε 加在了乘方之后。p = |δ| + ε，再取 α 次方。",
            "ε was added after the power. p = |δ| + ε, and that to the power of α.",
        ),
        lambda d, a, e: _normalised(np.abs(d) ** a + e),
    ),
    "alpha_forgotten": Misconception(
        Text("α 没有用上。", "α is missing."),
        lambda d, a, e: _normalised(np.abs(d) + e),
    ),
    "alpha_after_normalising": Misconception(
        Text("归一化之后又取了乘方，加起来不再是 1。", "The power came after normalising: the sum is no longer 1."),
        lambda d, a, e: _normalised(np.abs(d) + e) ** a,
    ),
    "softmax": Misconception(
        Text(
            "用了 softmax。PER 的比例式是乘方，不是指数。",
            "A softmax. Proportional priorities are powers, not exponentials.",
        ),
        lambda d, a, e: _normalised(np.exp(a * (np.abs(d) + e))),
    ),
    "squared": Misconception(
        Text("用了平方误差。这里是绝对值。", "Squared errors. Here it is the absolute value."),
        lambda d, a, e: _normalised((d**2 + e) ** a),
    ),
}


def priorities_case(name: Text, group: str, errors, alpha: float, epsilon: float) -> Case:
    """The probabilities of these errors."""
    arguments = (np.asarray(errors, float), alpha, epsilon)
    return value_case(name, group, arguments, reference.priority_probabilities, PRIORITIES, is_array(1e-5, 1e-9))


def _priorities_cases(rng: np.random.Generator) -> list[Case]:
    return [
        priorities_case(Text("三个误差", "three errors"), "basics", [1.0, 2.0, 4.0], 0.6, 0.1),
        priorities_case(Text("有正有负", "some negative"), "details", [-3.0, 1.0, -0.5, 2.0], 0.7, 0.1),
        priorities_case(Text("误差为 0", "an error of 0"), "details", [0.0, 1.0, 3.0], 0.5, 0.2),
        priorities_case(Text("α = 0：均匀", "α = 0: uniform"), "edges", [0.5, -5.0, 0.0], 0.0, 0.1),
        priorities_case(Text("α = 1", "α = 1"), "edges", [0.5, 5.0, 1.0, 1.0], 1.0, 0.3),
        priorities_case(Text("只有一个", "a single one"), "edges", [0.0], 0.6, 0.01),
    ]


# ------------------------------------------------------------------------------------------------- importance_weights

IMPORTANCE = {
    "not_scaled": Misconception(
        Text("没有除以最大的那个：最大的权重应当是 1。", "Not divided by the largest: the largest weight is 1."),
        lambda p, i, b: (len(p) * p[i]) ** -b,
    ),
    "scaled_by_all": Misconception(
        Text(
            "除以了整个缓冲区里最大的权重。这里要这一*批*里最大的是 1。",
            "Divided by the largest weight of the whole buffer. Here the largest of the *batch* is 1.",
        ),
        lambda p, i, b: ((len(p) * p) ** -b)[i] / ((len(p) * p) ** -b).max(),
    ),
    "power_positive": Misconception(
        Text(
            "指数的符号反了。抽得多的要*减*轻：(N·P)^−β。",
            "The exponent's sign: what is drawn often has to count *less*, (N·P)^−β.",
        ),
        lambda p, i, b: p[i] ** b / (p[i] ** b).max(),
    ),
    "whole_buffer": Misconception(
        Text(
            "给了整个缓冲区的权重，要的是 `indices` 这些行的。",
            "Weights of the whole buffer; only the rows of `indices` are asked for.",
        ),
        lambda p, i, b: (len(p) * p) ** -b / ((len(p) * p) ** -b).max(),
    ),
    "beta_forgotten": Misconception(
        Text("β 没有用上：总是完全校正。", "β is missing: always the full correction."),
        lambda p, i, b: (1 / p[i]) / (1 / p[i]).max(),
    ),
    "normalised_to_one": Misconception(
        Text(
            "让权重加起来等于 1 了。权重不是概率，要最大的等于 1。",
            "The weights add up to 1. They are no probabilities: the largest is 1.",
        ),
        lambda p, i, b: (p[i] ** -b) / (p[i] ** -b).sum(),
    ),
    "one_minus_beta": Misconception(
        Text(
            "用了 1 − β。β = 1 是完全校正，β = 0 是不校正。", "1 − β was used. β = 1 corrects fully, β = 0 not at all."
        ),
        lambda p, i, b: p[i] ** (b - 1) / (p[i] ** (b - 1)).max(),
    ),
}


def weights_case(name: Text, group: str, probabilities, indices, beta: float) -> Case:
    """The weights of these rows."""
    arguments = (np.asarray(probabilities, float), np.asarray(indices), beta)
    return value_case(name, group, arguments, reference.importance_weights, IMPORTANCE, is_array(1e-5, 1e-9))


def _importance_cases(rng: np.random.Generator) -> list[Case]:
    p = [0.4, 0.3, 0.2, 0.05, 0.05]
    return [
        weights_case(Text("三行", "three rows"), "basics", p, [0, 1, 3], 0.4),
        weights_case(Text("最稀有的不在这一批里", "the rarest is not in the batch"), "details", p, [0, 1, 2], 0.5),
        weights_case(Text("同一行抽到两次", "a row that was drawn twice"), "details", p, [2, 0, 2, 4], 0.6),
        weights_case(Text("β = 0：不校正", "β = 0: no correction"), "edges", p, [0, 3], 0.0),
        weights_case(Text("β = 1：完全校正", "β = 1: full correction"), "edges", p, [0, 1, 4], 1.0),
        weights_case(Text("一行也是一批", "one row is a batch too"), "edges", p, [1], 0.7),
    ]


# ------------------------------------------------------------------------------------------------------ sum_tree_find


def _descend(tree, targets, *, inclusive=False, subtract=True, root=1):
    leaves = len(tree) // 2
    found = []
    for target in np.array(targets, float):
        node = root
        while node < leaves:
            node = 2 * node
            left = tree[node]
            if (target > left) if inclusive else (target >= left):
                target -= left if subtract else 0
                node += 1
        found.append(node - leaves)
    return np.array(found)


SUM_TREE = {
    "node_for_leaf": Misconception(
        Text(
            "返回的是树里的下标，不是第几片叶子：减去叶子的起点 len(tree) // 2。",
            "These are positions in the tree, not numbers of leaves: subtract where the leaves begin, len(tree) // 2.",
        ),
        lambda tree, targets: _descend(tree, targets) + len(tree) // 2,
    ),
    "one_too_far": Misconception(
        Text("差了一片叶子。", "Off by one leaf."),
        lambda tree, targets: np.minimum(_descend(tree, targets) + 1, len(tree) // 2 - 1),
    ),
    "one_too_early": Misconception(
        Text("差了一片叶子。", "Off by one leaf."),
        lambda tree, targets: np.maximum(_descend(tree, targets) - 1, 0),
    ),
    "nothing_subtracted": Misconception(
        Text(
            "往右走的时候没有减去左边的和。右子树里的目标要从 0 算起。",
            "The left sum was not subtracted on the way to the right, where the target counts from 0 again.",
        ),
        lambda tree, targets: _descend(tree, targets, subtract=False),
    ),
    "boundary_to_the_left": Misconception(
        Text(
            "目标正好等于左边的和时走了左边。区间是左闭右开的；这样会抽到值为 0 的叶子。",
            "A target equal to the left sum went left. Intervals are closed on the left and open on the right; otherwise a "
            "leaf of value 0 gets drawn.",
        ),
        lambda tree, targets: _descend(tree, targets, inclusive=True),
    ),
    "goes_left_for_right": Misconception(
        Text("左右走反了。", "Left and right are swapped."),
        lambda tree, targets: len(tree) // 2 - 1 - _descend(_mirrored(tree), targets),
    ),
}


def _mirrored(tree):
    return sum_tree(tree[len(tree) // 2 :][::-1])


def sum_tree(leaves: Sequence[float]) -> np.ndarray:
    """(2n,) the tree over n leaves, n a power of 2; position 0 is not used."""
    tree = np.concatenate([np.zeros(len(leaves)), np.asarray(leaves, float)])
    for node in range(len(leaves) - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree


def _same_integers(got, expected) -> bool:
    value = integers(got, np.shape(expected))
    return value is not None and np.array_equal(value, expected)


def tree_case(name: Text, group: str, leaves, targets) -> Case:
    """The leaves in which these targets lie."""
    arguments = (sum_tree(leaves), np.asarray(targets, float))
    return value_case(name, group, arguments, reference.sum_tree_find, SUM_TREE, _same_integers)


def _sum_tree_cases(rng: np.random.Generator) -> list[Case]:
    return [
        tree_case(Text("四片叶子", "four leaves"), "basics", [1, 2, 3, 4], [0.5, 1.5, 5.5, 9.5]),
        tree_case(Text("正好在边界上", "exactly on the boundaries"), "details", [1, 2, 3, 4], [0, 1, 3, 6]),
        tree_case(
            Text("值为 0 的叶子", "leaves of value 0"), "details", [2, 0, 0, 3, 0, 1, 0, 2], [0, 2, 4.9, 5, 6, 7.9]
        ),
        tree_case(
            Text("八片，很多目标", "eight leaves, many targets"),
            "details",
            [5, 1, 1, 3, 2, 2, 4, 6],
            np.arange(0.25, 24, 1.5),
        ),
        tree_case(Text("只有一片叶子", "a single leaf"), "edges", [3], [0.0, 1.0, 2.9]),
        tree_case(Text("一个目标", "a single target"), "edges", [1, 1], [1.5]),
    ]


# -------------------------------------------------------------------------------------------------- trajectory_energy


def _v(p, v, dt):
    return np.vstack([np.zeros((1, p.shape[1])), np.diff(p, axis=0) / dt]) if v is None else v


def _energy(p, v, m, g, height=2, kinetic=0.5):
    z = p[:, height] if p.shape[1] > height else np.zeros(len(p))
    return m * g * (z - z[0]) + kinetic * m * (v**2).sum(axis=1)


ENERGY = {
    "not_clipped": Misconception(
        Text(
            "上面没有截断。一次碰撞的大跳变会盖过整条轨迹。",
            "Not clipped above. A single jump of a collision then outweighs the whole trajectory.",
        ),
        lambda p, v, m, g, dt, c: np.maximum(np.diff(_energy(p, _v(p, v, dt), m, g)), 0).sum(),
    ),
    "losses_count": Misconception(
        Text(
            "能量减少也算了进去。只有*增加*才算：那是机器人给物体的。",
            "Losses were counted. Only *gains* do: they are what the robot gave to the object.",
        ),
        lambda p, v, m, g, dt, c: np.minimum(np.diff(_energy(p, _v(p, v, dt), m, g)), c).sum(),
    ),
    "absolute_changes": Misconception(
        Text("取了变化的绝对值。减少应当算 0。", "Absolute changes. A loss counts as 0."),
        lambda p, v, m, g, dt, c: np.minimum(np.abs(np.diff(_energy(p, _v(p, v, dt), m, g))), c).sum(),
    ),
    "end_minus_start": Misconception(
        Text(
            "只算了末尾减开头。推出去又停下来，两头相等，中间的功全没了。",
            "The end minus the beginning. Pushed and come to rest again, and all the work in between is gone.",
        ),
        lambda p, v, m, g, dt, c: (_energy(p, _v(p, v, dt), m, g)[-1] - _energy(p, _v(p, v, dt), m, g)[0]).clip(0, c),
    ),
    "clips_the_total": Misconception(
        Text("截的是总和。每一*步*的增量各截各的。", "The total was clipped. Each *step's* gain is clipped by itself."),
        lambda p, v, m, g, dt, c: min(np.maximum(np.diff(_energy(p, _v(p, v, dt), m, g)), 0).sum(), c),
    ),
    "clips_the_energy": Misconception(
        Text("截的是能量本身，不是它的增量。", "The energy itself was clipped, not its gains."),
        lambda p, v, m, g, dt, c: np.maximum(np.diff(np.clip(_energy(p, _v(p, v, dt), m, g), 0, c)), 0).sum(),
    ),
    "sums_the_energy": Misconception(
        Text("把每一步的能量加了起来。要加的是每一步的*增量*。", "The energies were added up. Add up the *gains*."),
        lambda p, v, m, g, dt, c: _energy(p, _v(p, v, dt), m, g).clip(0, c).sum(),
    ),
    "half_forgotten": Misconception(
        Text("动能少了 ½。", "Kinetic energy is missing its ½."),
        lambda p, v, m, g, dt, c: np.diff(_energy(p, _v(p, v, dt), m, g, kinetic=1.0)).clip(0, c).sum(),
    ),
    "no_height": Misconception(
        Text("没有算势能：高度是第三个坐标。", "No potential energy: height is the third coordinate."),
        lambda p, v, m, g, dt, c: np.diff(_energy(p, _v(p, v, dt), m, 0.0)).clip(0, c).sum(),
    ),
    "wrong_height": Misconception(
        Text(
            "高度拿错了坐标。第三个（下标 2）才是高度。",
            "Height from the wrong coordinate. It is the third one, index 2.",
        ),
        lambda p, v, m, g, dt, c: np.diff(_energy(p, _v(p, v, dt), m, g, height=1)).clip(0, c).sum(),
    ),
    "speed_not_squared": Misconception(
        Text("动能用了速率，没有平方。", "Kinetic energy from the speed, not its square."),
        lambda p, v, m, g, dt, c: (
            np.diff(m * g * (p[:, 2] - p[0, 2]) + 0.5 * m * np.linalg.norm(_v(p, v, dt), axis=1)).clip(0, c).sum()
        ),
    ),
    "dt_forgotten": Misconception(
        Text(
            "位置之差没有除以 dt：那是每一步走了多远，不是每秒多快。",
            "Differences of positions were not divided by dt: metres a step, not metres a second.",
        ),
        lambda p, v, m, g, dt, c: np.diff(_energy(p, _v(p, v, 1.0), m, g)).clip(0, c).sum(),
    ),
}


def trajectory(rng: np.random.Generator, steps: int, at_rest: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(T + 1, 3) positions and velocities of something that is pushed, lifted and dropped."""
    velocities = rng.normal(size=(steps + 1, 3)) * rng.choice([0.1, 0.5, 1.5], size=(steps + 1, 1))
    velocities[0] = 0
    if at_rest:
        velocities[:] = 0
    positions = np.cumsum(rng.normal(size=(steps + 1, 3)) * 0.1, axis=0) + 0.4
    return positions.round(3), velocities.round(3)


def energy_case(name: Text, group: str, positions, velocities, mass=1.0, gravity=9.81, dt=0.04, clip=0.5) -> Case:
    """The energy along this trajectory."""
    velocities = None if velocities is None else np.asarray(velocities, float)
    arguments = (np.asarray(positions, float), velocities, mass, gravity, dt, clip)
    return value_case(name, group, arguments, reference.trajectory_energy, ENERGY, is_number(1e-5, 1e-9))


def _energy_cases(rng: np.random.Generator) -> list[Case]:
    flat = np.full((5, 3), 0.4)
    pushed = np.zeros((5, 3))
    pushed[:, 0] = [0, 0.6, 0.6, 0.2, 0.0]
    lifted = flat.copy()
    lifted[:, 2] += [0, 0.02, 0.04, 0.04, 0.01]
    swung = flat.copy()
    swung[:, 1] += [0, 0.02, 0.05, 0.01, 0.0]
    collision = np.zeros((5, 3))
    collision[:, 0] = [0, 0.4, 2.0, 2.4, 0.5]
    return [
        energy_case(Text("推一下，又停下来", "pushed, and at rest again"), "basics", flat, pushed, clip=5.0),
        energy_case(
            Text("举起来，放下一点", "lifted, then lowered a little"), "basics", lifted, np.zeros((5, 3)), mass=0.5
        ),
        energy_case(Text("没人碰过", "nobody touched it"), "edges", flat, np.zeros((5, 3))),
        energy_case(Text("水平地晃，高度不变", "moved sideways, at one height"), "details", swung, pushed, clip=5.0),
        energy_case(Text("撞了一下", "a collision"), "details", flat, collision),
        energy_case(Text("又推又举", "pushed and lifted"), "details", *trajectory(rng, 8), mass=2.0, clip=0.8),
        energy_case(
            Text("速度未知：用位置之差", "velocities unknown: differences"), "details", swung, None, dt=0.1, clip=5.0
        ),
        energy_case(Text("只有一步", "a single step"), "edges", lifted[:2], pushed[:2]),
    ]


# -------------------------------------------------------------------------------------------------- curriculum_weights


def _exponential(d, r, s, sign=-1.0):
    w = np.exp(sign * (1 - s) * np.maximum(d - r, 0) / r)
    return w / w.sum()


CURRICULUM = {
    "not_normalised": Misconception(
        Text("没有归一化：概率要加起来等于 1。", "Not normalised: probabilities add up to 1."),
        lambda d, r, s: np.exp(-(1 - s) * np.maximum(d - r, 0) / r),
    ),
    "hard_first": Misconception(
        Text("反了：越远的越常被选。先易后难。", "The wrong way round: far goals come oftener. Easy first."),
        lambda d, r, s: _exponential(d, r, s, sign=1.0),
    ),
    "stage_reversed": Misconception(
        Text(
            "阶段反了：stage = 0 是开头，最偏爱容易的；stage = 1 时一视同仁。",
            "The stages are reversed: 0 is the beginning, when easy goals are favoured most; at 1 all are alike.",
        ),
        lambda d, r, s: _exponential(d, r, 1 - s),
    ),
    "stage_forgotten": Misconception(
        Text("stage 没有用上。", "stage is missing."),
        lambda d, r, s: _exponential(d, r, 0.0),
    ),
    "reach_ignored": Misconception(
        Text(
            "够得着的目标之间也分了先后。reach 以内的都一样：只看*超出* reach 多远。",
            "Goals within reach were told apart. They are all alike: only how far *beyond* reach counts.",
        ),
        lambda d, r, s: (lambda w: w / w.sum())(np.exp(-(1 - s) * d / r)),
    ),
    "cut_off": Misconception(
        Text(
            "够不着的一概不选。那样永远不会往前走一步；要渐渐变小，不是一刀切。",
            "What is out of reach is never chosen, and nobody gets a step farther. Let it fade, do not cut it off.",
        ),
        lambda d, r, s: (lambda w: w / w.sum())((d <= r).astype(float)),
    ),
    "inverse_distance": Misconception(
        Text("用了距离的倒数。题目给的是指数。", "Inverse distances. The formula given is an exponential."),
        lambda d, r, s: (lambda w: w / w.sum())(1 / d),
    ),
    "unscaled": Misconception(
        Text("没有除以 reach：换个单位结果就变了。", "Not divided by reach: in another unit the result changes."),
        lambda d, r, s: (lambda w: w / w.sum())(np.exp(-(1 - s) * np.maximum(d - r, 0))),
    ),
    "underflow": Misconception(
        Text(
            "所有目标都很远时，每个指数都下溢成 0，0/0 就是 NaN。先减去最大的指数，比例不变。",
            "Where all goals are far, every exponential underflows to 0, and 0/0 is NaN. Subtract the largest exponent "
            "first; the shares stay the same.",
        ),
        lambda d, r, s: _exponential(d, r, s),
    ),
}


def _same_probabilities(got, expected) -> bool:
    """As numbers; two arrays of NaN are alike here, so that the idea behind them can be named."""
    value = numbers(got)
    if value is None or value.shape != np.shape(expected):
        return False
    return bool(np.allclose(value.astype(float), expected, 1e-5, 1e-9, equal_nan=True))


def curriculum_case(name: Text, group: str, distances, reach: float, stage: float) -> Case:
    """The probabilities of goals at these distances."""
    arguments = (np.asarray(distances, float), reach, stage)
    return value_case(name, group, arguments, reference.curriculum_weights, CURRICULUM, _same_probabilities)


def _curriculum_cases(rng: np.random.Generator) -> list[Case]:
    return [
        curriculum_case(
            Text("一开始：stage = 0", "at the beginning: stage = 0"), "basics", [0.5, 1.0, 2.0, 4.0], 2.0, 0.0
        ),
        curriculum_case(Text("走到一半", "half-way"), "basics", [1.0, 3.0, 6.0], 2.0, 0.5),
        curriculum_case(
            Text("到最后一视同仁：stage = 1", "all alike at the end: stage = 1"), "edges", [1.0, 3.0, 6.0], 0.5, 1.0
        ),
        curriculum_case(Text("都够得着", "all within reach"), "edges", [0.1, 0.7, 0.4], 1.0, 0.2),
        curriculum_case(Text("一个单位小的世界", "a world in small units"), "details", [0.03, 0.08, 0.2], 0.05, 0.3),
        curriculum_case(Text("全都远得很", "all of them far away"), "details", [900.0, 1000.0, 1100.0], 0.5, 0.0),
    ]


EXERCISES = (
    Exercise(
        "priority_probabilities",
        5,
        Text("误差大的多抽几次", "Large errors are drawn more often"),
        1,
        5,
        _priorities_cases,
        PRIORITIES,
        (
            Text("先算优先级，再取 α 次方，最后归一化。", "The priority first, then the power of α, normalising last."),
            Text("优先级是 |δ| + ε。", "The priority is |δ| + ε."),
            Text(
                "`p = (np.abs(td_errors) + epsilon) ** alpha`，再除以 `p.sum()`。",
                "`p = (np.abs(td_errors) + epsilon) ** alpha`, then divide by `p.sum()`.",
            ),
        ),
        "her_course.exercises.reference:priority_probabilities",
    ),
    Exercise(
        "importance_weights",
        5,
        Text("抽得多的，每次算轻一点", "Drawn more often, counted less"),
        2,
        10,
        _importance_cases,
        IMPORTANCE,
        (
            Text("一行的权重和它的概率反着来。", "A row's weight goes against its probability."),
            Text(
                "(N·P)^−β，只对 `indices` 这些行；然后除以这一批里最大的。",
                "(N·P)^−β for the rows of `indices` only, divided by the largest of the batch.",
            ),
            Text(
                "N 其实会约掉：`w = probabilities[indices] ** -beta`，`w / w.max()`。",
                "N cancels: `w = probabilities[indices] ** -beta`, then `w / w.max()`.",
            ),
        ),
        "her_course.exercises.reference:importance_weights",
    ),
    Exercise(
        "sum_tree_find",
        5,
        Text("在求和树里找到那片叶子", "Find the leaf in a sum tree"),
        3,
        20,
        _sum_tree_cases,
        SUM_TREE,
        (
            Text(
                "从根往下走，每层问一句：目标在左边的和以内吗？",
                "Go down from the root and ask at each level: does the target lie within the left sum?",
            ),
            Text(
                "左孩子是 2i，右孩子是 2i + 1。`target >= tree[2i]` 就往右，并减去 `tree[2i]`。",
                "Children of i are 2i and 2i + 1. With `target >= tree[2i]` go right and subtract `tree[2i]`.",
            ),
            Text(
                "所有目标一起走：`node` 是数组，走 log₂(叶子数) 层，最后 `node - len(tree) // 2`。",
                "All targets at once: `node` is an array, log₂(leaves) levels, and `node - len(tree) // 2` at the end.",
            ),
        ),
        "her_course.exercises.reference:sum_tree_find",
    ),
    Exercise(
        "trajectory_energy",
        5,
        Text("机器人给了物体多少能量", "How much energy the robot gave"),
        3,
        15,
        _energy_cases,
        ENERGY,
        (
            Text(
                "先算每个时刻的能量，再看它每一步增加了多少。",
                "The energy at each moment first, then how much each step adds.",
            ),
            Text(
                "E = m·g·(z − z₀) + ½·m·‖v‖²；`np.diff` 给出每一步的变化。",
                "E = m·g·(z − z₀) + ½·m·‖v‖²; `np.diff` gives the change of each step.",
            ),
            Text(
                "变化截到 [0, clip]，再求和：`np.diff(energy).clip(0, clip).sum()`。",
                "Clip the changes to [0, clip] and add them: `np.diff(energy).clip(0, clip).sum()`.",
            ),
        ),
        "her_course.exercises.reference:trajectory_energy",
    ),
    Exercise(
        "curriculum_weights",
        5,
        Text("先易后难", "Easy first"),
        2,
        10,
        _curriculum_cases,
        CURRICULUM,
        (
            Text(
                "够得着的一视同仁，够不着的越远越轻；stage 到 1 时全都一样。",
                "Within reach all alike, beyond it the farther the lighter; at stage 1 all alike.",
            ),
            Text(
                "指数是 −(1 − stage)·max(d − reach, 0)/reach。", "The exponent is −(1 − stage)·max(d − reach, 0)/reach."
            ),
            Text(
                "取 `np.exp` 之前先减去最大的指数，免得全都下溢成 0。",
                "Subtract the largest exponent before `np.exp`, or all of them may underflow to 0.",
            ),
        ),
        "her_course.exercises.reference:curriculum_weights",
    ),
)
