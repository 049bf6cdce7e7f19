"""What results say, in both languages."""

from __future__ import annotations

from collections.abc import Iterable

from her_course.exercises.model import Text

#: what a row of grades.csv may say of an exercise: of the answer, of the function, of the file, of us
STATUSES = {
    "passed": Text("全部正确", "all right"),
    "partial": Text("部分正确", "partly right"),
    "failed": Text("不正确", "not right"),
    "not_done": Text("还没写", "not done"),
    "timed_out": Text("超时", "timed out"),
    "died": Text("进程中途退出", "ended the process"),
    "raised": Text("定义它的单元格出错了", "an error in the cell that defines it"),
    "missing": Text("找不到这个函数", "no function of this name"),
    "syntax_error": Text("所在单元格有语法错误", "in a cell with a syntax error"),
    "no_file": Text("没有交", "not handed in"),
    "invalid_notebook": Text("不是有效的 notebook", "not a valid notebook"),
    "no_code": Text("文件里没有代码", "a file without code"),
    "too_large": Text("文件太大", "a file that is too large"),
    "symlink": Text("是链接，不是文件", "a link, not a file"),
    "unsafe_path": Text("压缩包里的路径不安全", "an unsafe path in a zip"),
    "invalid_zip": Text("压缩包打不开", "a zip that cannot be read"),
    "unreadable": Text("文件读不出来", "a file that cannot be read"),
    "grader_error": Text("评分程序出错，请人工看", "an error of the grader: look at it yourself"),
}

FILE_PROBLEMS = {"no_file", "invalid_notebook", "no_code", "too_large", "symlink", "unsafe_path", "invalid_zip"}
FILE_PROBLEMS |= {"unreadable"}

#: why something that was seen is not used
REASONS = {
    "other_kind": Text("不是 notebook，也不是脚本", "neither a notebook nor a script"),
    "archive": Text("打不开这种压缩包，请解压后再评", "an archive of a kind that is not opened: unpack it"),
    "no_exercise": Text("里面没有这门课的题目", "no exercise of the course in it"),
    "no_student": Text("看不出是谁的", "it does not say whose it is"),
    "other_file": Text("同一章另有一份写得更多或更新的", "another file for the chapter has more in it, or is newer"),
}

#: of pages
TEXTS = {
    "feedback": Text("作业反馈", "Feedback"),
    "total": Text("总分", "Total"),
    "chapter": Text("第 {} 章", "Chapter {}"),
    "chapter_word": Text("章", "Chapter"),
    "late": Text("这一章交晚了，得分已按规则折算。", "This chapter came late; its points are reduced."),
    "looks_like": Text("看起来像：", "Looks like: "),
    "expected": Text("应当", "expected"),
    "got": Text("你的", "got"),
    "printed": Text("输出", "printed"),
    "hidden": Text("评分时另加的用例：通过 {}/{}", "further cases, for grading only: {} of {} passed"),
    "summary": Text("全班作业情况", "The class at a glance"),
    "counts": Text(
        "{} 名学生，收到 {} 份作业（应收 {} 份），平均得分率 {}。",
        "{} students, {} submissions of {} expected, {} of all points on average.",
    ),
    "exercises": Text("每道题的得分分布", "How each exercise went"),
    "exercises_about": Text(
        "柱子是人数，从左到右：零分、不到一半、一半到八成、八成以上、满分；没交这一章的不算。",
        "Bars count students, from no points on the left to all points on the right; those who handed in nothing for "
        "the chapter are left out.",
    ),
    "exercise": Text("题目", "Exercise"),
    "handed_in": Text("提交", "Handed in"),
    "mean": Text("平均", "Mean"),
    "distribution": Text("分布（人数）", "Distribution (students)"),
    "ideas": Text("这个班最常见的误解", "The most frequent misconceptions of this class"),
    "why": Text("原因", "Why"),
    "idea": Text("误解", "Misconception"),
    "students": Text("人数", "Students"),
    "student": Text("学生", "Student"),
    "help": Text("谁需要帮助", "Who needs help"),
    "help_about": Text(
        "得分率不到一半的学生，最低的在前。", "Students with less than half of all points, lowest first."
    ),
    "share": Text("得分率", "Share"),
    "absent": Text("没交的章", "Chapters not handed in"),
    "weakest": Text("交了但最弱的题", "Weakest exercises among those handed in"),
    "files": Text("没法评的作业", "Submissions that could not be graded"),
    "unused": Text("看到了，但没有用上的", "Seen, not used, and why"),
    "used": Text("用了", "used"),
    "file": Text("文件", "File"),
    "lost": Text(
        "这些学生交了东西，但没有一份能评：{}", "Something came from these students, and none could be graded: {}"
    ),
    "modules": Text("这里没有装的模块", "Modules that are not installed here"),
    "modules_about": Text(
        "作业导入了它们，导入在这里失败了；装上以后再评一次，或看一下没通过的题。",
        "Submissions import them, which failed here: install them and grade again, or look at what failed.",
    ),
    "module": Text("模块", "Module"),
    "reference": Text("导入了参考答案", "The course's own answers imported"),
    "reference_about": Text(
        "参考实现随课程发下去，卡住的学生可以看；这些作业的代码导入了它。",
        "The reference comes with the course, for learners who are stuck. The code of these submissions imports it.",
    ),
    "cell_failed": Text("第 {} 个代码单元格没有跑完：{}", "Code cell {} did not run to its end: {}"),
    "not_shown": Text("（没有隔离，所以不显示）", "(not shown, for want of isolation)"),
    "call": Text("调用", "call"),
    "problem": Text("问题", "Problem"),
    "similar": Text("除了名字和排版完全一样的作业", "Alike but for names and layout"),
    "similar_about": Text(
        "只是线索，不是结论：短函数本来就容易写得一样，这里只列较长的。",
        "A hint, no verdict: short functions are alike by nature, so only longer ones are listed.",
    ),
    "the_reference": Text("参考实现", "the reference"),
    "the_solutions": Text("参考答案", "the solutions"),
    "functions": Text("一样的函数", "Functions alike"),
    "none": Text("没有。", "None."),
    "comma": Text("、", ", "),
}

#: what may have been within a submission's reach
OPEN = {
    "user": Text("评分者自己的文件读得到", "the files of whoever graded could be read"),
    "answers": Text("答案和隐藏用例读得到", "solutions and hidden cases could be read"),
    "submissions": Text("别人的作业读得到", "other submissions could be read"),
    "network": Text("网络是通的", "the network was open"),
    "processes": Text("看得到别的进程", "other processes could be seen"),
    "files": Text("别处的文件可能被写", "files elsewhere could be written"),
}


def isolation(kinds: Iterable[str], within_reach: Iterable[str]) -> Text:
    """What was in force while submissions ran, and what was not."""
    kinds, within_reach = sorted(kinds), sorted(within_reach, key=list(OPEN).index)
    how = {
        "bubblewrap": Text("bubblewrap 沙箱", "a bubblewrap sandbox"),
        "limits": Text("没有，只限制了时间、内存和输出", "none but limits of time, memory and output"),
    }
    if not kinds:
        return Text("没有运行任何作业。", "No submission was run.")
    zh = "隔离方式：" + "、".join(how[kind].zh for kind in kinds) + "。"
    en = "Isolation: " + ", ".join(how[kind].en for kind in kinds) + "."
    if within_reach:
        zh += "注意：" + "；".join(OPEN[name].zh for name in within_reach) + "。"
        en += " Mind: " + "; ".join(OPEN[name].en for name in within_reach) + "."
    else:
        zh += "作业看不到网络、其他进程、评分者的文件、答案、隐藏用例和别人的作业，也写不了别处的文件。"
        en += " No submission saw the network, other processes, files of whoever graded, solutions, hidden cases or "
        en += "other submissions, or wrote to files elsewhere."
    if "limits" in kinds:
        zh += "所以反馈页上没有任何作业自己输出、返回或报出的文字。"
        en += " So no page shows what a submission printed, returned or raised."
    return Text(zh, en)
