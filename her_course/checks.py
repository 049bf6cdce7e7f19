"""What a learner calls in an exercise notebook: `check`, `hint`, `progress`, and a way on for whoever is stuck.

They speak the language of the notebook, its LANG, unless HER_LANG names another.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from her_course import cards, records

if TYPE_CHECKING:
    from her_course.exercises.results import Result

SEED = 0  # of the cases of a check, which are the same for everybody, every time
LINES = 8  # shown of what an answer prints


def check(answer: Callable) -> Result:
    """Try your function on the cases of its exercise, and show what was found.

    The exercise is found by the function's name. Whatever the function does (raise, never end, print, end the process)
    happens in a process of its own.

    Returns:
        A `Result` with ``passed``, ``score`` and ``maximum`` (cases), and ``misconception`` (a name, or None).

    Raises:
        TypeError: `answer` is no function.
        LookupError: no exercise has this name.

    >>> check(sparse_reward).score                                                            # doctest: +SKIP
    """
    exercise = _exercise(answer)
    result = _judge(exercise, answer)
    records.note_check(result)
    lines = report(result, language(answer))
    cards.show(as_text(lines), cards.card(result.status, lines))
    return result


def hint(exercise: str | Callable, level: int | None = None) -> None:
    """Print the next of three hints, each of which gives away more; or the one that `level` (1, 2, 3) names.

    Raises:
        LookupError: no exercise has this name.
        ValueError: there is no such level.
    """
    from her_course.exercises.registry import find

    found = _exercise(exercise) if callable(exercise) else find(exercise)
    if level is None:
        level = min(records.hints_taken(found.name) + 1, len(found.hints))
    if level not in range(1, len(found.hints) + 1):
        raise ValueError(f"level: expected 1, 2 or 3, got {level!r}")
    records.note_hint(found.name, level)
    lang = language(exercise if callable(exercise) else None)
    label = f"{found.name}  提示 {level}/3" if lang == "zh" else f"{found.name}  hint {level} of 3"
    cards.say(f"{label}\n  {found.hints[level - 1].of(lang)}")


def progress() -> None:
    """Show what is done and what comes next: the best score of each exercise since the first check."""
    from her_course.exercises.registry import CHAPTERS, exercises, of_chapter

    lang, kept, rows = language(None), records.read(), []
    zh = lang == "zh"
    for chapter in CHAPTERS:
        link = cards.link_to_exercise(chapter, lang)
        for exercise in of_chapter(chapter):
            record = kept.get(exercise.name)
            sign, score, tries = "·", "—", ""
            if record and record["maximum"]:
                sign, score = "✓" if record["passed"] else "…", f"{record['score']}/{record['maximum']}"
                tries = f"{record['tries']} 次" if zh else f"tries: {record['tries']}"
            name = f"第 {chapter} 章" if zh else f"Chapter {chapter}"
            rows.append(cards.Row(name, exercise.name, sign, score, tries, link))
    done = sum(row.sign == "✓" for row in rows)
    total = f"完成 {done} / {len(exercises())}" if zh else f"{done} of {len(exercises())} done"
    lines = []
    for chapter, group in groupby(rows, key=lambda row: row.chapter):
        lines.append(chapter)
        lines += [f"  {row.sign} {row.name:28}{row.score:>6}  {row.tries}".rstrip() for row in group]
    heads = ("练习", "分数", "次数") if zh else ("exercise", "score", "tries")
    cards.show("\n".join([*lines, total]), cards.table(rows, heads, total))


def reference(exercise: str) -> Callable:
    """The reference implementation of an exercise: what your function should do. A last resort.

    Raises:
        LookupError: no exercise has this name.
    """
    from her_course.exercises.registry import find

    return find(exercise).reference


def or_reference(answer: Callable) -> Callable:
    """Your function if it passes its check; if not, the reference, so that you can go on, and a word about it."""
    exercise = _exercise(answer)
    if _judge(exercise, answer).passed:
        return answer
    if language(answer) == "zh":
        cards.say(f"{exercise.name}：还没有通过，先用参考实现往下走。")
    else:
        cards.say(f"{exercise.name}: not right yet; the reference takes its place for now.")
    return exercise.reference


def attempt(task: Callable, *arguments: Any, **keywords: Any) -> Any:
    """What ``task(*arguments)`` returns; None, and a word about it, as long as it is not written yet."""
    try:
        return task(*arguments, **keywords)
    except NotImplementedError as error:
        stub = traceback.extract_tb(error.__traceback__)[-1].name
        cards.say(f"{stub}：还没写" if language(task) == "zh" else f"{stub}: not done yet")
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


def report(result: Result, lang: str) -> list[cards.Line]:
    """What `check` shows: the score, the first case that failed and why, and where to look for help."""
    from her_course.exercises.registry import find
    from her_course.exercises.saying import say

    exercise, zh, line = find(result.exercise), lang == "zh", cards.Line
    head = f"{exercise.name}   {result.score}/{result.maximum}"
    if result.passed:
        return [line(head + ("   ✓ 全对" if zh else "   ✓ all right"))]
    ask = f'hint("{exercise.name}")'
    if result.status == "not_done":
        return [line(head + (f"   还没写。没有头绪就 {ask}" if zh else f"   not done yet. No idea? {ask}"))]
    number, case = result.first_failing
    expected, got = say(case.verdict.expected, lang), say(case.verdict.got, lang)
    name = say(case.name, lang)
    lines = [line(head), line(f"✗ 第 {number} 例（{name}）：" if zh else f"✗ case {number} ({name}):")]
    lines += [line(case.call, code=True)] if case.call else []
    lines += [line(f"应当是 {expected}" if zh else f"expected {expected}", code=True)]
    lines += [line(f"你的是 {got}" if zh else f"got      {got}", code=True)]
    if result.misconception:
        idea = exercise.text(result.misconception).of(lang)
        lines.append(line(f"看起来像：{idea}" if zh else f"It looks like this: {idea}"))
    if printed := case.printed.strip():
        shown = printed.splitlines()
        lines.append(line("你的函数打印了：" if zh else "Your function printed:"))
        lines += [line("  " + text[:100], code=True) for text in shown[:LINES]]
        lines += [line("  …", code=True)] if len(shown) > LINES else []
    return [*lines, line(f"提示：{ask}" if zh else f"Help: {ask}")]


def as_text(lines: list[cards.Line]) -> str:
    """A report for a terminal: what follows the first line and the case's name is indented."""
    return "\n".join([line.text for line in lines[:2]] + ["  " + line.text for line in lines[2:]])


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
