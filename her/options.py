"""What the commands of ``her`` share: options that hold settings, and errors told in a line."""

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


def key_values(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE words, also several in one: ``a=(1, 2),b=3`` gives two, ``a=b=3,c=4`` one, of shares."""
    pairs: dict[str, Any] = {}
    for word in given:
        shares = re.match(r"\s*[\w.]+\s*=\s*\w+\s*=", word)
        for pair in [word] if shares else re.split(r",(?=\s*[\w.]+\s*=)", word):  # at commas before another KEY=
            key, equals, value = pair.partition("=")
            if not (key and equals):
                raise click.BadParameter(f"expected KEY=VALUE, got {pair!r}", ctx=ctx, param=param)
            pairs[key.strip()] = _value(value)
    return pairs


def grids(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, list]:
    """KEY=V1,V2,… words."""
    grid: dict[str, list] = {}
    for word in given:
        key, equals, values = word.partition("=")
        if not (key and equals and values):
            raise click.BadParameter(f"expected KEY=V1,V2,…, got {word!r}", ctx=ctx, param=param)
        try:
            grid[key.strip()] = list(ast.literal_eval(f"({values},)"))
        except (ValueError, SyntaxError):
            grid[key.strip()] = [_value(value) for value in values.split(",")]
    return grid


def numbers(ctx: click.Context, param: click.Parameter, given: str | None) -> list[int] | None:
    """Whole numbers: "0-4", "0,3,7", or both."""
    if given is None:
        return None
    parts = [re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part) for part in given.split(",")]
    if not all(parts) or any(int(part[2] or part[1]) < int(part[1]) for part in parts):
        raise click.BadParameter(f"expected whole numbers as in 0-4 or 0,3,7, got {given!r}", ctx=ctx, param=param)
    return [n for part in parts for n in range(int(part[1]), int(part[2] or part[1]) + 1)]


def _value(text: str) -> Any:
    """A Python literal if it is one, otherwise the text itself."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Imports in this block that fail say which extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'her-course[{extra}]'") from None


@contextmanager
def told(*errors: type[Exception]) -> Iterator[None]:
    """Errors of these types end the command with their message alone."""
    try:
        yield
    except errors as error:
        raise click.ClickException(str(error)) from None
