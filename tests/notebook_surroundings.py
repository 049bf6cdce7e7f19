"""Notebooks whose functions live in ordinary surroundings: what the check says of them, grading has to say too.

As a program: prints, as JSON, whether the check passes for each notebook of `NOTEBOOKS`, run as in a kernel.
"""

import json
import sys

HEAD = """import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from her import Episode
from her_course import attempt, check, hint, or_reference, progress
from her_course.figures import COLORS, show, text, use_style"""
RULE = "np.where(np.linalg.norm(achieved_goal - desired_goal, axis=-1) < threshold, 0.0, -1.0)"
HEADER = "def sparse_reward(achieved_goal, desired_goal, threshold):"
REWARD = f"{HEADER}\n    return {RULE}\n"
CHANCE = """def random_success_probability(n_bits, horizon):
    return sum(math.comb(n_bits, d) * hit(n_bits, d, horizon) for d in range(n_bits + 1)) / 2**n_bits
"""
WALK = """def hit(n, d, left):
    if d == 0 or left == 0:
        return float(d == 0)
    if (n, d, left) not in memo:
        back = (1 - d / n) * hit(n, d + 1, left - 1) if d < n else 0.0
        memo[n, d, left] = d / n * hit(n, d - 1, left - 1) + back
    return memo[n, d, left]
"""
GOALS = """def candidate_goals(strategy, achieved_goals, t, history):
    return {"final": achieved_goals[-1:], "future": achieved_goals[t:], "episode": achieved_goals, "random": history}[
        strategy
    ]
"""
DRAW = """def substitute_goals(strategy, achieved_goals, t, k, rng, history):
    goals = candidate_goals(strategy, achieved_goals, t, history)
    return goals[rng.integers(len(goals), size=k)]
"""
TERMS = " + ".join(["0.0"] * 400)

#: name → cells behind `HEAD`; the last function of the course that they define is the one that is looked at
NOTEBOOKS: dict[str, list[str]] = {
    "nothing around it": [REWARD],
    "a dictionary that is filled while it runs": [f"memo = {{}}\n{WALK}{CHANCE}"],
    "a dictionary that other cells fill": [
        "memo = {}",
        WALK,
        CHANCE,
        "for n in range(1, 5):\n    hit(n, n, n)\nn = None",
    ],
    "a table that statements build": [
        "TABLE = []\nfor d in range(3):\n    TABLE.append(-float(d == 1))\nTABLE.extend([0.0])\n",
        f"{HEADER}\n    return np.where({RULE} == TABLE[1], TABLE[1], TABLE[0])\n",
    ],
    "a table that a function fills": [
        "TABLE = {}\ndef fill():\n    TABLE.update(reached=0.0, missed=-1.0)\n",
        "fill()",
        f"{HEADER}\n    return np.where({RULE} == 0, TABLE['reached'], TABLE['missed'])\n",
    ],
    "a global that is counted up": [f"calls = 0\n{HEADER}\n    global calls\n    calls += 1\n    return {RULE}\n"],
    "a name that an inner function has too": [
        "scale = 1.0\n",
        f"{HEADER}\n    def inner():\n        scale = 5.0\n        return scale\n"
        f"    inner()\n    return scale * {RULE}\n",
    ],
    "a frozen dataclass": [
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Ball:\n    radius: float\n",
        f"{HEADER}\n    threshold = Ball(threshold).radius\n    return {RULE}\n",
    ],
    "a dataclass with annotations that wait": [
        "from __future__ import annotations\nfrom dataclasses import dataclass, field\n",
        "@dataclass\nclass Case:\n    goal: np.ndarray\n    more: list[float] = field(default_factory=list)\n",
        f"{HEADER}\n    desired_goal = Case(desired_goal).goal\n    return {RULE}\n",
    ],
    "a named tuple": [
        "from typing import NamedTuple\nclass Pair(NamedTuple):\n    a: np.ndarray\n    b: np.ndarray\n",
        f"{HEADER}\n    achieved_goal, desired_goal = Pair(achieved_goal, desired_goal)\n    return {RULE}\n",
    ],
    "a line left over": [f"{REWARD}    raise NotImplementedError\n"],
    "a magic within": [f"{HEADER}\n    %time distance = 1\n    return distance * {RULE}\n"],
    "a magic above": [f"%timeit -n 1 -r 1 1 + 1\nx = %env HOME\n{REWARD}"],
    "a magic for the cell": [f"%%time\n{REWARD}"],
    "a magic beside a line that begins with %": [
        f"%matplotlib inline\n{HEADER}\n    one = (7\n           % 2)\n    return one * {RULE}\n"
    ],
    "something to install": [f"!pip install numpy -q\n{REWARD}"],
    "something to install, over lines": [f"!pip install -q \\\n    numpy \\\n    tqdm\nfiles = !ls\n{REWARD}"],
    "a plot within": [f"{HEADER}\n    plt.plot([1, 2])\n    plt.show()\n    return {RULE}\n"],
    "a figure of the course": [
        "fig, axes = plt.subplots(1, 2)\naxes[0].plot([1])\nshow(fig, 'two')\n" + REWARD,
    ],
    "something displayed within": [f"{HEADER}\n    display(threshold)\n    return {RULE}\n"],
    "the shell asked within": [
        f"{HEADER}\n    get_ipython().run_line_magic('matplotlib', 'inline')\n    return {RULE}\n"
    ],
    "under a condition": ["if True:\n    " + REWARD.replace("\n    ", "\n        ")],
    "made by exec": [f"exec({REWARD!r})"],
    "a decorator applied by hand": [
        f"def per_row(f):\n    return lambda a, d, t: f(a, d, t)\n{REWARD}",
        "sparse_reward = per_row(sparse_reward)\nsparse_reward.__name__ = 'sparse_reward'\n",
    ],
    "a decorator from functools": [
        f"import functools\n@functools.cache\ndef missed():\n    return -1.0\n{HEADER}\n    return {RULE} * -missed()\n"
    ],
    "attributes of a function": [
        f"{HEADER}\n    sparse_reward.calls += 1\n    return {RULE}\n",
        "sparse_reward.calls = 0",
    ],
    "an object that is called": [
        "class Rule:\n    __name__ = 'sparse_reward'\n"
        "    def __call__(self, achieved_goal, desired_goal, threshold):\n"
        f"        return {RULE}\nsparse_reward = Rule()\n"
    ],
    "a partial": [
        f"import functools\ndef base(achieved_goal, desired_goal, threshold, by):\n    return by * {RULE}\n"
        "sparse_reward = functools.partial(base, by=1)\nsparse_reward.__name__ = 'sparse_reward'\n"
    ],
    "a class with static methods": [
        "class Geometry:\n    FAR = 0.0\n    @staticmethod\n    def distance(a, b):\n"
        "        return np.linalg.norm(a - b, axis=-1) + Geometry.FAR\n    @classmethod\n    def make(cls):\n"
        f"        return cls()\ng = Geometry.make()\n{HEADER}\n"
        "    return np.where(g.distance(achieved_goal, desired_goal) < threshold, 0.0, -1.0)\n"
    ],
    "another exercise, and a way on": [
        GOALS,
        DRAW,
        "candidate_goals = or_reference(candidate_goals)\nsubstitute_goals = or_reference(substitute_goals)\n",
    ],
    "the library, and a wrong answer": [
        f"import her\n{HEADER}\n    return np.where({RULE} == 0, her.__name__ != 'her', -2.0)\n"
    ],
    "annotations": [
        "from typing import Optional\n"
        "def sparse_reward(achieved_goal: Optional[np.ndarray], desired_goal: 'np.ndarray', "
        f"threshold: float | None = None) -> np.ndarray | float:\n    return {RULE}\n"
    ],
    "two names at once": [
        f"REACHED, MISSED = 0.0, -1.0\n{HEADER}\n    return np.where({RULE} == 0, REACHED, MISSED)\n"
    ],
    "a package that nobody has": [f"import math, no_such_package\n{REWARD}"],
    "a cell that fails elsewhere": [REWARD, "1 / 0\nsparse_reward = None\n"],
    "a cell that cannot be parsed": [REWARD, "def success_rate(episodes, at:\n    return 1\n"],
    "seeds": [f"import random\nrandom.seed(0)\nnp.random.seed(0)\n{REWARD}"],
    "recursion as deep as is wished": [
        "import sys\nsys.setrecursionlimit(20_000)",
        f"def down(n):\n    return down(n - 1) if n else 0.0\n{HEADER}\n    return down(5000) + {RULE}\n",
    ],
    "a program's guard": [
        f"{REWARD}\nif __name__ == '__main__':\n    print(sparse_reward(np.zeros(2), np.ones(2), 1))\n"
    ],
    "tabs, and lines as on Windows": [f"{HEADER}\r\n\treturn {RULE}\r\n"],
    "Chinese identifiers": [
        f"def 距离(a, b):\n    return np.linalg.norm(a - b, axis=-1)\n{HEADER}\n    阈值 = threshold\n"
        "    return np.where(距离(achieved_goal, desired_goal) < 阈值, 0.0, -1.0)\n"
    ],
    "arguments by position alone": [REWARD.replace("threshold):", "threshold, /):")],
    "a sum of four hundred terms": [f"def zero():\n    return {TERMS}\n", f"{HEADER}\n    return zero() + {RULE}\n"],
    "awaited": [f"import asyncio\nawait asyncio.sleep(0)\n{REWARD}"],
    "a stub": [f"{HEADER}\n    raise NotImplementedError\n"],
}


def cells_of(name: str) -> list[str]:
    return ["LANG = 'en'", HEAD, *NOTEBOOKS[name]]


def exercise_of(name: str) -> tuple[int, str]:
    source = "\n".join(NOTEBOOKS[name])
    if "def substitute_goals" in source:
        return 3, "substitute_goals"
    return 1, "random_success_probability" if "def random_success_probability" in source else "sparse_reward"


def main() -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.system = lambda command: None
    shell.enable_matplotlib = lambda *arguments: ("inline", "inline")  # as in a kernel
    from her_course import check

    passed = {}
    for name in NOTEBOOKS:
        shell.reset(new_session=False)
        for cell in cells_of(name):
            shell.run_cell(cell, silent=True)
        answer = shell.user_ns.get(exercise_of(name)[1])
        passed[name] = answer is not None and check(answer).passed
    print("passed:", json.dumps(passed), file=sys.__stdout__)


if __name__ == "__main__":
    main()
