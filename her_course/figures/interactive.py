"""Pictures that a reader can change in JupyterLab; where a chapter runs without a reader, the first one stands."""

import os
from collections.abc import Callable


def is_watched() -> bool:
    """Whether somebody is there to move a widget, which would be dead in a stored notebook."""
    return not os.environ.get("TQDM_DISABLE")


def with_sliders(draw: Callable[..., None], **ranges: tuple[float, float, float, float]) -> None:
    """Draw at the first values, and again whenever one of the sliders beside the picture was moved.

    Args:
        draw: ``draw(name=value, …)`` shows a figure.
        ranges: by name: the first value, the least, the greatest, the step. Four integers give an integer slider.
    """
    first = {name: value for name, (value, *_) in ranges.items()}
    if not is_watched():
        return draw(**first)
    from ipywidgets import FloatSlider, IntSlider, interact

    sliders = {}
    for name, numbers in ranges.items():
        kind = IntSlider if all(isinstance(number, int) for number in numbers) else FloatSlider
        options = dict(zip(("value", "min", "max", "step"), numbers, strict=True))
        sliders[name] = kind(**options, description=name, continuous_update=False)
    interact(draw, **sliders)
