"""Start JupyterLab in the chapters, exercises beside them: this kernel, and a ``.py`` that opens as a notebook."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import zmq

# Read by JupyterLab from this environment alone; the reader's own settings come on top.
SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"python": "Jupytext Notebook"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def settings_file() -> Path:
    """Where JupyterLab looks for the settings that this environment's packages bring along."""
    return Path(sys.prefix, "share", "jupyter", "lab", "settings", "overrides.d", "her-course.json")


def write_settings() -> None:
    """Write SETTINGS into this environment, unless they are there."""
    text = json.dumps(SETTINGS, indent=2) + "\n"
    path = settings_file()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def arguments(chapters: Path) -> list[str]:
    """JupyterLab's options. Root is let in only where one is root; no browser is sought without a display.

    What is served is the folder above `chapters`, where the exercises are as well; Lab opens in the chapters.
    """
    given = [f"--ServerApp.root_dir={chapters.parent}", f"--FileContentsManager.preferred_dir={chapters.name}"]
    given.append("--log-level=WARN")
    if zmq.has("curve"):  # else every kernel warns that others on this machine can listen
        given.append("--KernelManager.transport_encryption=auto")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        given.append("--allow-root")
    if not has_display():
        given.append("--no-browser")
    return given


def has_display() -> bool:
    """Can a browser be opened here?"""
    if sys.platform in ("darwin", "win32") or os.environ.get("BROWSER"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def start(chapters: Path, more: Sequence[str] = ()) -> None:
    """Serve JupyterLab, opened in the folder `chapters`, until it is stopped; `more` are JupyterLab's own options."""
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    from jupyterlab.labapp import LabApp

    write_settings()
    server = LabApp.initialize_server(argv=[*arguments(chapters), *more])
    # Said once the server listens, and below everything that it says itself.
    message = f"\nJupyterLab is served at\n\n    {server.display_url}\n\nControl-C stops it.\n"
    server.io_loop.add_callback(print, message, flush=True)
    server.start()
