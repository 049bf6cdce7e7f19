"""How curves look: colours and dashes that survive colour blindness, few lines."""

from cycler import cycler

LANGUAGES = ("zh", "en")

# Okabe and Ito, "Color Universal Design" (2008): eight colours told apart by every kind of colour vision.
COLORS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "grey": "#777777",
}
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]

# One look for each way of choosing goals, the same in every chapter.
STRATEGIES = {
    "none": {"color": COLORS["grey"], "linestyle": (0, (1, 1))},
    "final": {"color": COLORS["orange"], "linestyle": "--"},
    "future": {"color": COLORS["blue"], "linestyle": "-"},
    "episode": {"color": COLORS["green"], "linestyle": "-."},
    "random": {"color": COLORS["purple"], "linestyle": ":"},
}

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


def text(lang: str, zh: str, en: str) -> str:
    """The one of the two texts that a reader of `lang` can read."""
    if lang not in LANGUAGES:
        raise ValueError(f'lang: expected "zh" or "en", got {lang!r}')
    return zh if lang == "zh" else en


def strategy_style(strategy: str) -> dict:
    """Colour and dashes of a goal selection strategy's line, as keywords for `Axes.plot`; "none" is plain RL."""
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy: expected one of {', '.join(STRATEGIES)}, got {strategy!r}")
    return dict(STRATEGIES[strategy])
