"""Small pictures without a plotting library: shapes with soft edges, painted on a numpy canvas.

One colour means one thing in every environment: the agent is blue, what it pushes is orange, goals are green.
"""

from collections.abc import Callable

import numpy as np

# After Okabe and Ito, whose colours colour-blind readers can tell apart; a little muted, on warm paper.
PAPER = "#F4F1EA"
FLOOR = "#FCFBF8"
INK = "#4A4F57"
BLUE = "#2B74A9"
ORANGE = "#E0A030"
GREEN = "#2E9476"
VERMILION = "#CF5C1C"
WHITE = "#FFFFFF"


class Canvas:
    """An RGB image painted in the world's units: x to the right, y up, `low` and `high` its corners.

    A shape is a signed distance to its edge, below 0 inside. With a `line`, only the edge is painted, that thick.
    """

    def __init__(self, low, high, pixels_per_unit: float):
        width, height = (round((b - a) * pixels_per_unit) for a, b in zip(low, high, strict=True))
        self.pixels_per_unit = pixels_per_unit
        self.x = low[0] + (np.arange(width) + 0.5) / pixels_per_unit
        self.y = high[1] - (np.arange(height) + 0.5) / pixels_per_unit
        self.pixels = np.full((height, width, 3), _rgb(PAPER))

    def disc(self, centre, radius, colour: str, opacity=1.0, line: float | None = None) -> None:
        """Paint a circle."""

        def distance(x, y):
            return np.hypot(x - centre[0], y - centre[1]) - radius

        low, high = np.subtract(centre, radius), np.add(centre, radius)
        self._paint(distance, low, high, colour, opacity, line)

    def box(self, low, high, colour: str, opacity=1.0, line: float | None = None, corner=0.0) -> None:
        """Paint a rectangle between these corners, rounded with the radius `corner`."""

        def distance(x, y):
            x = np.maximum(low[0] - x, x - high[0]) + corner
            y = np.maximum(low[1] - y, y - high[1]) + corner
            outside = np.hypot(np.maximum(x, 0.0), np.maximum(y, 0.0))
            return outside + np.minimum(np.maximum(x, y), 0.0) - corner

        self._paint(distance, low, high, colour, opacity, line)

    def image(self) -> np.ndarray:
        """The picture, (height, width, 3) uint8."""
        return (self.pixels + 0.5).astype(np.uint8)

    def _paint(self, distance: Callable, low, high, colour: str, opacity: float, line: float | None) -> None:
        """Blend a shape in. Only the pixels around its bounding box, from `low` to `high`, are touched."""
        margin = (line or 0.0) + 1.0 / self.pixels_per_unit
        columns = slice(*np.searchsorted(self.x, (low[0] - margin, high[0] + margin)))
        rows = slice(*np.searchsorted(-self.y, (-high[1] - margin, -low[1] + margin)))
        distance = distance(self.x[columns], self.y[rows, None])
        if line is not None:
            distance = np.abs(distance) - line / 2
        covered = opacity * np.clip(0.5 - distance * self.pixels_per_unit, 0.0, 1.0)[..., None]
        self.pixels[rows, columns] += covered * (_rgb(colour) - self.pixels[rows, columns])


def floor(half: float, margin: float) -> Canvas:
    """A canvas of 320 by 320 pixels with the square [-half, half]² as its floor, and a margin around it."""
    extent = half + margin
    canvas = Canvas((-extent, -extent), (extent, extent), 160 / extent)
    canvas.box((-half, -half), (half, half), FLOOR, corner=0.04)
    canvas.box((-half, -half), (half, half), INK, opacity=0.5, line=0.015, corner=0.04)
    return canvas


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)
