"""The reference: a page for each public module of the library and of what the notebooks use, from their docstrings."""

import pkgutil
from pathlib import Path
from typing import Any

import her

#: modules that are no API: commands, and what only the library itself uses
INTERNAL = {"her.cli", "her.dotted", "her.files", "her.options", "her.validation"}
COURSE = ("her_course.checks", "her_course.figures.display", "her_course.figures.style")
TEXTS = {
    "zh": {
        "title": "API 参考",
        "intro": "由文档字符串生成，文档字符串是英文的。每个类和函数右侧的“源代码”就是它的实现。",
        "top": "最常用的名字",
        "all": "按模块",
    },
    "en": {
        "title": "API reference",
        "intro": "Made from the docstrings. “source” beside a class or function shows its implementation.",
        "top": "The names used most",
        "all": "By module",
    },
}


def modules() -> list[str]:
    """Names of the modules that have a page, those of the library first."""
    names = ["her", *(module.name for module in pkgutil.walk_packages(her.__path__, "her."))]
    public = [n for n in names if n not in INTERNAL and not n.endswith(".commands") and "._" not in n]
    return [*sorted(public), *COURSE]


def write_reference(lang: str, folder: Path) -> None:
    """Write ``index.rst`` and a page for each module into `folder`."""
    folder.mkdir(parents=True)
    texts, names, top = TEXTS[lang], modules(), {name: getattr(her, name) for name in her.__all__}
    for name in names:
        (folder / f"{name}.rst").write_text(_page(name), encoding="utf-8")
    index = [
        *(_heading(texts["title"], "="), "", texts["intro"], ""),
        *(_heading(texts["top"], "-"), "", ".. currentmodule:: her", ""),
        *(f"* :py:obj:`her.{name} <{thing.__module__}.{name}>`: {_summary(thing)}" for name, thing in top.items()),
        *("", _heading(texts["all"], "-"), "", ".. toctree::", "   :maxdepth: 1", ""),
        *(f"   {name}" for name in names),
    ]
    (folder / "index.rst").write_text("\n".join(index) + "\n", encoding="utf-8")


def _summary(thing: Any) -> str:
    return thing.__doc__.strip().split("\n\n")[0].replace("\n", " ")


def _page(name: str) -> str:
    options = ["   :members:", "   :show-inheritance:", "   :ignore-module-all:"]  # only what the module defines
    return "\n".join([_heading(name, "="), "", f".. automodule:: {name}", *options, ""])


def _heading(title: str, line: str) -> str:
    return f"{title}\n{line * 2 * len(title)}"
