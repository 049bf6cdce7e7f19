"""How curves look: colours and dashes that survive colour blindness."""

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
