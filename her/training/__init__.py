"""Training: what to train (`config`), how (`loop`), how well it went (`evaluation`), and runs on disk (`runs`).

>>> from her.training import Trainer, settings_for
>>> with Trainer(settings_for("her/BitFlip-v0", {"n_bits": 8}, until_success=0.95)) as trainer:
...     for progress in trainer.run(): ...                                                    # doctest: +SKIP

These names are imported when they are asked for: evaluating a policy takes no torch, training does.
"""

from importlib import import_module
from typing import Any

_MODULES = {"Progress": "loop", "Trainer": "loop", "TrainingConfig": "config", "settings_for": "config"}
__all__ = ["Progress", "Trainer", "TrainingConfig", "settings_for", "use_one_thread"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def use_one_thread() -> None:
    """Let torch compute with one thread in this process: on networks as small as these, more only cost.

    A program says so once, where it starts; ``her train``, ``her sweep`` and ``her play`` do, and so should a notebook.
    """
    import torch

    torch.set_num_threads(1)
