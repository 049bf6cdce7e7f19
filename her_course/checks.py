"""What a learner calls in an exercise notebook: `check`, `hint`, `progress`, and a way on for whoever is stuck.

They speak the language of HER_LANG or else of the notebook's LANG.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from her_course.exercises.results import Result

SEED = 0  # of the cases of a check, which are the same for everybody, every time
LINES = 8  # shown of what an answer prints


def check(answer: Callable) -> Result:
    """Try your function on the cases of its exercise, and print what was found.

    The exercise is found by the function's name. Whatever the function does (raise, never end, print, end the process)
    happens in a process of its own.

    Returns:
        A `Result` with ``passed``, ``score`` and ``maximum`` (cases), and ``misconception`` (a name, or None).

    Raises:
        TypeError: `answer` is no function.
        LookupError: no exercise has this name.

    >>> check(sparse_reward).score                                                            # doctest: +SKIP
    """
    from her_course import records

    exercise = _exercise(answer)
    result = _judge(exercise, answer)
    records.note_check(result)
    print(report(result, language(answer)))
    return result


def hint(exercise: str | Callable, level: int | None = None) -> None:
    """Print the next of three hints, each of which gives away more; or the one that `level` (1, 2, 3) names.

    Raises:
        LookupError: no exercise has this name.
        ValueError: there is no such level.
    """
    from her_course import records
    from her_course.exercises.registry import find

    found = _exercise(exercise) if callable(exercise) else find(exercise)
    if level is None:
        level = min(records.hints_taken(found.name) + 1, len(found.hints))
    if level not in range(1, len(found.hints) + 1):
        raise ValueError(f"level: expected 1, 2 or 3, got {level!r}")
    records.note_hint(found.name, level)
    lang = language(exercise if callable(exercise) else None)
    label = f"{found.name}  提示 {level}/3" if lang == "zh" else f"{found.name}  hint {level} of 3"
    print(f"{label}\n  {found.hints[level - 1].of(lang)}")


def progress() -> None:
    """Print what is done and what is not: the best score of each exercise, as it was kept since the first check."""
    from her_course import records
    from her_course.exercises.registry import CHAPTERS, exercises, of_chapter

    lang, kept, lines = language(None), records.read(), []
    for chapter in CHAPTERS:
        lines.append(f"第 {chapter} 章" if lang == "zh" else f"Chapter {chapter}")
        for exercise in of_chapter(chapter):
            record = kept.get(exercise.name)
            mark, score, tries = "·", "—", ""
            if record and record["maximum"]:
                mark, score = "✓" if record["passed"] else "…", f"{record['score']}/{record['maximum']}"
                tries = f"{record['tries']} 次" if lang == "zh" else f"tries: {record['tries']}"
            lines.append(f"  {mark} {exercise.name:28}{score:>6}  {tries}".rstrip())
    done = sum(bool(kept.get(name, {}).get("passed")) for name in exercises())
    lines.append(f"完成 {done} / {len(exercises())}" if lang == "zh" else f"{done} of {len(exercises())} done")
    print("\n".join(lines))


def reference(exercise: str) -> Callable:
    """The reference implementation of an exercise: what your function should do. A last resort.

    Raises:
        LookupError: no exercise has this name.
    """
    from her_course.exercises.registry import find

    return find(exercise).solve()


def or_reference(answer: Callable) -> Callable:
    """Your function if it passes its check; if not, the reference, so that you can go on, and a word about it."""
    exercise = _exercise(answer)
    if _judge(exercise, answer).passed:
        return answer
    if language(answer) == "zh":
        print(f"{exercise.name}：还没有通过，先用参考实现往下走。")
    else:
        print(f"{exercise.name}: not right yet; the reference takes its place for now.")
    return exercise.solve()


def attempt(task: Callable, *arguments: Any, **keywords: Any) -> Any:
    """What ``task(*arguments)`` returns; None, and a word about it, as long as it is not written yet."""
    try:
        return task(*arguments, **keywords)
    except NotImplementedError as error:
        stub = traceback.extract_tb(error.__traceback__)[-1].name
        print(f"{stub}：还没写" if language(task) == "zh" else f"{stub}: not done yet")
        return None


def language(function: Callable | None) -> str:
    """ "zh" or "en": by HER_LANG, by LANG where `function` was written, by LANG of the notebook; Chinese otherwise."""
    main = sys.modules.get("__main__")
    asked = (
        os.environ.get("HER_LANG"),
        getattr(function, "__globals__", {}).get("LANG"),
        getattr(main, "LANG", None),
    )
    return next((lang for lang in asked if lang in ("zh", "en")), "zh")


def report(result: Result, lang: str) -> str:
    """What `check` prints: the score, the first case that failed and why, and where to look for help."""
    from her_course.exercises.registry import find
    from her_course.exercises.saying import say

    exercise, zh = find(result.exercise), lang == "zh"
    head = f"{exercise.name}   {result.score}/{result.maximum}"
    if result.passed:
        return head + ("   ✓ 全对" if zh else "   ✓ all right")
    ask = f'hint("{exercise.name}")'
    if result.status == "not_done":
        return head + (f"   还没写。没有头绪就 {ask}" if zh else f"   not done yet. No idea? {ask}")
    number, case = result.first_failing
    expected, got = say(case.verdict.expected, lang), say(case.verdict.got, lang)
    name = say(case.name, lang)
    call = [f"  {case.call}"] if case.call else []
    if zh:
        lines = [head, f"✗ 第 {number} 例（{name}）：", *call, f"  应当是 {expected}", f"  你的是 {got}"]
    else:
        lines = [head, f"✗ case {number} ({name}):", *call, f"  expected {expected}", f"  got      {got}"]
    if result.misconception:
        lines.append(
            ("  看起来像：" if zh else "  It looks like this: ") + exercise.text(result.misconception).of(lang)
        )
    if printed := case.printed.strip():
        shown = printed.splitlines()
        lines.append("  你的函数打印了：" if zh else "  Your function printed:")
        lines += ["    " + line[:100] for line in shown[:LINES]] + (["    …"] if len(shown) > LINES else [])
    lines.append(f"  提示：{ask}" if zh else f"  Help: {ask}")
    return "\n".join(lines)


def _exercise(answer: Callable):
    from her_course.exercises.registry import find

    name = getattr(answer, "__name__", None)
    if not callable(answer) or not isinstance(name, str):
        raise TypeError(
            f"answer: expected the function itself, as in check(sparse_reward), got {type(answer).__name__}"
        )
    return find(name)


def _judge(exercise, answer: Callable) -> Result:
    from her_course.exercises.results import judge_exercise
    from her_course.exercises.running import guarded

    return judge_exercise(exercise, guarded(answer, exercise.seconds), SEED, hidden=False)
