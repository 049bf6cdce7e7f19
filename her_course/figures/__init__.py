"""Every figure of the course, in either language: draw on an axis, then `show` it by its name, or with its own text."""

from her.plots.style import COLORS, strategy_style, text
from her_course.figures.display import animate, show
from her_course.figures.film import named_panels
from her_course.figures.schematic import schematic
from her_course.figures.style import FONT, use_style, words

__all__ = [
    "COLORS",
    "FONT",
    "animate",
    "named_panels",
    "schematic",
    "show",
    "strategy_style",
    "text",
    "use_style",
    "words",
]
