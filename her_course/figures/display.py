"""Put figures and animations into a notebook: small files, the same bytes every time, with a text alternative."""

import io
import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from her_course.figures.alternatives import alternative

SCREEN_DPI = 96  # CSS pixels per inch
PIXEL_RATIO = 1.5  # drawn finer than shown, so that text is crisp on a dense screen


#: of a figure of the course: "chapter.figure"
NAME = re.compile(r"[a-z_]+\.\w+")


def show(fig: Figure, name: str = "", *, alt: str = "") -> None:
    """Display a figure as a PNG and close it.

    A text alternative says in a sentence or two what there is to see, for readers who cannot see it. It is stored with
    the image, where nbconvert, VS Code and screen readers find it.

    Args:
        fig: what to display.
        name: of one of the course's own figures, as "relabelling.steps": ``alternatives.toml`` has its text. Any other
            words are the text itself.
        alt: the text itself.

    Raises:
        KeyError: there is no text for ``name``.
        ValueError: neither name nor text.
    """
    alt = _described(name, alt)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=SCREEN_DPI * PIXEL_RATIO, metadata={"Software": None})
    plt.close(fig)
    image = Image.open(buffer).convert("RGB")
    few_colours = image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    _display(_png(few_colours), alt, width=round(image.width / PIXEL_RATIO))


def animate(
    frames: Sequence[np.ndarray],
    name: str = "",
    *,
    fps: float = 15,
    alt: str = "",
    hold: float = 1.0,
    max_kilobytes: int = 300,
) -> None:
    """Display frames, (height, width, 3) uint8 each, as a looping animated PNG, described as in `show`.

    The last frame stays for `hold` more seconds. Colours are reduced until the file is within `max_kilobytes`;
    ValueError if sixteen colours are still too many. An animated PNG is a PNG: where animation is not
    supported, the first frame is shown.
    """
    alt = _described(name, alt)
    images = [Image.fromarray(np.ascontiguousarray(frame, dtype=np.uint8)) for frame in frames]
    if not images:
        raise ValueError("frames: expected at least one frame, got none")
    durations = [1000 / fps] * len(images)
    durations[-1] += 1000 * hold
    for colours in (128, 64, 32, 16):
        png = _png(*_share_palette(images, colours), duration=durations, loop=0, save_all=True)
        if len(png) <= 1000 * max_kilobytes:
            return _display(png, alt, width=images[0].width)
    raise ValueError(
        f"frames: {len(images)} frames of {images[0].width}×{images[0].height} make {len(png) // 1000} kB, "
        f"more than {max_kilobytes}: use fewer or smaller frames"
    )


def _share_palette(images: list[Image.Image], colours: int) -> list[Image.Image]:
    """The images with one palette for all, chosen on up to eight of them."""
    sample = images[:: max(1, len(images) // 8)]
    strip = Image.new("RGB", (images[0].width, images[0].height * len(sample)))
    for row, image in enumerate(sample):
        strip.paste(image, (0, row * image.height))
    palette = strip.quantize(colours, Image.Quantize.MEDIANCUT)
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]


def _png(first: Image.Image, *others: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    first.save(buffer, format="png", optimize=True, append_images=others, **options)
    return buffer.getvalue()


def _display(png: bytes, alt: str, width: int) -> None:
    display({"image/png": png, "text/plain": alt}, raw=True, metadata={"image/png": {"alt": alt, "width": width}})


def _described(name: str, alt: str) -> str:
    if NAME.fullmatch(name):
        alt = alternative(*name.split("."))
    alt = alt or name
    if not alt.strip():
        raise ValueError("alt: expected a description of the figure, got an empty text")
    return alt
