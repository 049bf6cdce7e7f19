"""Settings by dotted names: "agent_settings.gamma" is the entry "gamma" of the dictionary "agent_settings"."""

from collections.abc import Mapping
from typing import Any


def nest(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as nested dictionaries; where layers name the same setting, the last one counts.

    A ValueError says where a dotted name leads into a setting that is no dictionary.

    >>> nest({"k": 4, "agent_settings": {"tau": 0.1}}, {"agent_settings.gamma": 0.9, "k": 8})
    {'k': 8, 'agent_settings': {'tau': 0.1, 'gamma': 0.9}}
    """
    nested: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            group, dot, name = key.partition(".")
            if not dot:
                nested[key] = value
            elif isinstance(nested.get(group, {}), dict):
                nested[group] = nested.get(group, {}) | {name: value}
            else:
                raise ValueError(f"set: {group} is a single setting, it has no {name!r}")
    return nested


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `nest`, one level deep: no value is a dictionary, unless its entries are.

    >>> flatten({"k": 8, "agent_settings": {"tau": 0.1}})
    {'k': 8, 'agent_settings.tau': 0.1}
    """
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= {f"{key}.{name}": entry for name, entry in value.items()} if isinstance(value, dict) else {key: value}
    return flat
