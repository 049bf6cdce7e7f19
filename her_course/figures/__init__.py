"""Every figure of the course, in either language: draw on an axis, then `show` with a text alternative."""

from her.plots.style import COLORS, strategy_style, text
from her_course.figures.display import animate, show
from her_course.figures.style import FONT, use_style

__all__ = ["COLORS", "FONT", "animate", "show", "strategy_style", "text", "use_style"]
