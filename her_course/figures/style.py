"""How figures look in a chapter: few lines, the colours of `her.plots`, and a font that has Chinese."""

import os
import re
from functools import cache
from pathlib import Path

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager

from her.plots.style import COLORS, DASHES, text
from her_course.cards import PLAIN

FONT = Path(__file__).parent / "fonts" / "HERSansSC-Regular.otf"
FAMILY = "HER Sans SC"

# Files of fonts that have the characters that the bundled subset lacks: names, traditional characters.
CHINESE_FONTS = re.compile(r"NotoSans(CJK|SC)|SourceHanSans|wqy-|msyh|simhei|PingFang|Hiragino Sans GB|STHeiti", re.I)

STYLE = {
    "font.size": 11,
    "axes.unicode_minus": True,
    "axes.titlesize": 12,
    "axes.titleweight": "normal",
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=list(COLORS.values())[:7]) + cycler(linestyle=DASHES),
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "figure.figsize": (7, 3.6),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
}


def use_style(lang: str = "zh") -> None:
    """Set matplotlib up for figures in `lang`: "zh" or "en". Needs no font on the machine."""
    text(lang, "", "")  # refuses another language
    if FAMILY not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(FONT)
    # What is executed without a reader, and committed, looks the same on every machine.
    system = [] if os.environ.get(PLAIN) else system_font()
    mpl.rcParams.update(STYLE | {"font.family": [FAMILY, *system, "DejaVu Sans"]})


@cache
def system_font() -> list[str]:
    """The name of a font of this machine that has all Chinese characters; empty if there is none."""
    files = sorted(file for file in font_manager.findSystemFonts() if CHINESE_FONTS.search(Path(file).name))
    regular = [file for file in files if "Bold" not in file][:1]
    for file in regular:
        font_manager.fontManager.addfont(file)
    return [font_manager.get_font(file).family_name for file in regular]
