"""How figures look in a chapter: few lines, the colours of `her.plots`, and a font that has Chinese."""

import os
from pathlib import Path

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager

from her.plots.style import COLORS, DASHES, text
from her_course.cards import PLAIN

FONT = Path(__file__).parent / "fonts" / "HERSansSC-Regular.otf"
FAMILY = "HER Sans SC"

# What draws names, traditional characters and whatever else the bundled font lacks, where the machine has it. Not so in
# notebooks that are executed without a reader: what is committed looks the same on every machine.
SYSTEM_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("WenQuanYi Micro Hei", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Heiti TC"),
)

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
    there = () if os.environ.get(PLAIN) else set(font_manager.fontManager.get_font_names())
    system = [name for name in SYSTEM_FONTS if name in there]
    mpl.rcParams.update(STYLE | {"font.family": [FAMILY, *system, "DejaVu Sans"]})
