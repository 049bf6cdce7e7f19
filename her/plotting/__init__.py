"""Every figure of the course, in either language: draw on an axis, then `show` with a text alternative."""

from her.plotting.display import animate, show
from her.plotting.style import COLORS, FONT, strategy_style, text, use_style

__all__ = ["COLORS", "FONT", "animate", "show", "strategy_style", "text", "use_style"]
