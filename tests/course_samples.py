"""Small made-up chapters for the tests of the notebook machinery."""

from pathlib import Path

HEADER = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---
"""

PARAMETERS = """
# %% tags=["parameters"]
import os

LANG = os.environ.get("HER_LANG", "{lang}")
PROFILE = os.environ.get("HER_PROFILE", "full")
SEED = int(os.environ.get("HER_SEED", 0))
"""

PROSE = {
    "zh": ["# 稀疏奖励\n#\n# 奖励只有两种：$r \\in \\{-1, 0\\}$。", "## 小结\n#\n# 没有了。"],
    "en": ["# Sparse rewards\n#\n# There are only two: $r \\in \\{-1, 0\\}$.", "## What we saw\n#\n# That is all."],
}


def write_chapters(root: Path, code: str = "print(1 + 1)", number: str = "01") -> tuple[Path, Path]:
    """A chapter in both languages below ``root/chapters``: prose, parameters, one more code cell, prose."""
    chapters = root / "chapters"
    chapters.mkdir(exist_ok=True)
    settings = Path(__file__).parents[1] / "chapters" / "jupytext.toml"
    (chapters / "jupytext.toml").write_text(settings.read_text())
    for lang, (first, last) in PROSE.items():
        path = chapters / lang / f"{number}_sample.py"
        path.parent.mkdir(exist_ok=True)
        cells = [f"# %% [markdown]\n# {first}\n", PARAMETERS.format(lang=lang).strip() + "\n"]
        cells += [f"# %%\n{code}\n", f"# %% [markdown]\n# {last}\n"]
        path.write_text("\n".join([HEADER, *cells]), encoding="utf-8")
    return chapters / "zh" / f"{number}_sample.py", chapters / "en" / f"{number}_sample.py"


def edit(path: Path, old: str, new: str) -> None:
    """Replace `old`, which must be there, in the file."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")
