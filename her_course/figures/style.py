"""How figures look in a chapter: the style of `her.plots`, in a font that has Chinese."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import font_manager

from her.plots.style import STYLE, text

FONT = Path(__file__).parent / "fonts" / "HERSansSC-Regular.otf"
FAMILY = "HER Sans SC"


def use_style(lang: str = "zh") -> None:
    """Set matplotlib up for figures in `lang`: "zh" or "en". Needs no font on the machine."""
    text(lang, "", "")  # refuses another language
    if FAMILY not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(FONT)
    mpl.rcParams.update(STYLE | {"font.family": [FAMILY, "DejaVu Sans"]})
