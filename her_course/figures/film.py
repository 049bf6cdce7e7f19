"""Films next to one another, each under its name."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from her_course.figures.style import FONT

NAME_HEIGHT = 26  # pixels above each panel
GAP = 8


def named_panels(
    films: Mapping[str, Sequence[np.ndarray]], columns: int | None = None, width: int = 220
) -> list[np.ndarray]:
    """Frames, (height, width, 3) uint8 each, that show several films at once, each under its name.

    Args:
        films: by name, frames of one size. A film that ends before the others stays at its last frame.
        columns: how many in a row; all of them by default.
        width: of a panel, pixels.
    """
    columns = columns or len(films)
    font = ImageFont.truetype(str(FONT), 16)
    return [
        _page({name: film[min(moment, len(film) - 1)] for name, film in films.items()}, columns, width, font)
        for moment in range(max(map(len, films.values())))
    ]


def _page(pictures: Mapping[str, np.ndarray], columns: int, width: int, font: ImageFont.FreeTypeFont) -> np.ndarray:
    scaled = {name: _scaled(picture, width) for name, picture in pictures.items()}
    height = NAME_HEIGHT + max(picture.height for picture in scaled.values())
    rows = -(-len(scaled) // columns)
    page = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    pen = ImageDraw.Draw(page)
    for i, (name, picture) in enumerate(scaled.items()):
        left, top = i % columns * (width + GAP), i // columns * (height + GAP)
        pen.text((left + width / 2, top + NAME_HEIGHT / 2), name, fill="black", font=font, anchor="mm")
        page.paste(picture, (left, top + NAME_HEIGHT))
    return np.asarray(page)


def _scaled(picture: np.ndarray, width: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.uint8))
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
