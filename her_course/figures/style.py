"""How figures look in a chapter: few lines, the colours of `her.plots`, and a font that has Chinese."""

from pathlib import Path

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager

from her.plots.style import COLORS, DASHES, text

FONT = Path(__file__).parent / "fonts" / "HERSansSC-Regular.otf"
FAMILY = "HER Sans SC"

STYLE = {
    "font.family": [FAMILY, "DejaVu Sans"],
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
    mpl.rcParams.update(STYLE)
