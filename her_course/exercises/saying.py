"""Saying things to a learner: a text in both languages, and a plain value in a line."""

import math
from typing import Any, NamedTuple

import numpy as np

from her.episodes import Episode, Transition

#: of a transition and of an episode, in the order in which differences are told
FIELDS = {
    Transition: ("state", "action", "reward", "next_state", "done", "goal", "achieved_goal"),
    Episode: ("states", "actions", "rewards", "next_states", "dones", "goals", "achieved_goals", "goal"),
}


class Text(NamedTuple):
    """The same in both languages."""

    zh: str
    en: str

    def of(self, lang: str) -> str:
        return self.en if lang == "en" else self.zh


def say(text: Text | str, lang: str) -> str:
    """`text` in a language; a plain string serves both."""
    return text.of(lang) if isinstance(text, Text) else text


def show(value: Any, limit: int = 160, digits: int = 6) -> str:
    """A plain value in a line of at most `limit` characters; numbers with so many digits, those of arrays with 4."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        text = repr(value)
    elif isinstance(value, float):
        text = _number(value, digits)
    elif isinstance(value, np.ndarray):
        array = np.array2string(
            value, precision=digits - 2, threshold=12, edgeitems=3, suppress_small=True, max_line_width=10_000
        )
        text = " ".join(array.split()) + (f"  shape {value.shape}" if value.ndim > 1 or value.size > 12 else "")
    elif isinstance(value, (list, tuple)):
        left, right = "[]" if isinstance(value, list) else "()"
        items = ", ".join(show(item, 40, digits) for item in value[:6]) + (", …" if len(value) > 6 else "")
        text = f"{left}{items}{right}" + (" (list)" if isinstance(value, list) else "")
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key!r}: {show(item, 40)}" for key, item in list(value.items())[:6]) + "}"
    elif type(value) in FIELDS:
        names = ("reward", "done", "goal") if type(value) is Transition else ("rewards", "achieved_goals", "goal")
        fields = ", ".join(f"{name}={show(np.asarray(getattr(value, name)), 60)}" for name in names)
        text = f"{type(value).__name__}({fields})"
    elif is_tensor(value):
        text = f"tensor {show(value.detach().numpy(), limit, digits)}"
    elif isinstance(value, np.random.Generator):
        text = "rng"
    else:
        text = str(value) if isinstance(value, int) else getattr(value, "__name__", type(value).__name__)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show_both(expected: Any, got: Any, limit: int = 160) -> tuple[str, str]:
    """Two values in a line each, with as many digits as it takes to tell them apart."""
    for digits in (6, 9, 12, 17):
        said = show(expected, limit, digits), show(got, limit, digits)
        if said[0] != said[1]:
            break
    return said


def show_arguments(arguments: tuple, keywords: dict[str, Any]) -> str:
    """ "(…)" as it would stand in a call, cut short."""
    parts = [show(value, 90) for value in arguments]
    parts += [f"{name}={show(value, 90)}" for name, value in keywords.items()]
    return f"({', '.join(parts)})".replace(" (list)", "")


def is_tensor(value: Any) -> bool:
    """Whether it is one of torch's, which need not have been imported."""
    return type(value).__name__ in ("Tensor", "Parameter")


def describe_problem(kind: str, message: str) -> Text | str:
    """Why a call gave no value, in words; see `her_course.exercises.model.Problem`."""
    match kind:
        case "not_done":
            return Text("还没写", "not done yet")
        case "raised":
            return Text(f"出错了：{message}", f"an error: {message}")
        case "refused":
            return Text(f"类型判不了的返回值（{message}）", f"a value of a type that cannot be judged ({message})")
        case "timed_out":
            return Text("没等到答案：超时了（死循环？）", "no answer in time (an endless loop?)")
        case "died":
            return Text("整个进程退出了", "the whole process ended")
        case "not_run":
            return Text("前面超时或退出太多次，没有再跑", "not run, after too many that hung or ended the process")
    return message


def _number(value: float, digits: int) -> str:
    value += 0.0  # no -0.0
    short = math.isfinite(value) and value == round(value, 1) and abs(value) < 1e6
    return f"{value:.1f}" if short else f"{value:.{digits}g}"
