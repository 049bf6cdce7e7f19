"""Start JupyterLab on the start page, in the reader's language: this kernel, and a ``.py`` that opens as a notebook."""

import json
import locale
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import zmq

# Read by JupyterLab from this environment alone; the reader's own settings come on top.
SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {
        "defaultViewers": {"python": "Jupytext Notebook", "markdown": "Markdown Preview"}
    },
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def settings_file() -> Path:
    """Where JupyterLab looks for the settings that this environment's packages bring along."""
    return Path(sys.prefix, "share", "jupyter", "lab", "settings", "overrides.d", "her-course.json")


def write_settings() -> None:
    """Write SETTINGS into this environment, unless they are there; say so where that is not allowed."""
    text = json.dumps(SETTINGS, indent=2) + "\n"
    path = settings_file()
    try:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"Going on without the course's settings for JupyterLab: {path} cannot be written ({error.strerror}).")
        print("To read a .md or a .py as a page or a notebook, right-click it: Open With.")


def system_language() -> str:
    """ "zh" or "en": Chinese where the system speaks Chinese, or does not say what it speaks; English elsewhere."""
    spoken = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    if not spoken and sys.platform in ("win32", "darwin"):
        spoken = locale.getlocale()[0] or ""  # such as "en_GB", on Windows also "English_United Kingdom"
    unsaid = spoken.partition(".")[0] in ("", "C", "POSIX")
    return "zh" if unsaid or spoken.lower().startswith(("zh", "chinese")) else "en"


def arguments(chapters: Path, lang: str) -> list[str]:
    """JupyterLab's options. Root is let in only where one is root; no browser is sought without a display.

    What is served is the folder above `chapters`, where the exercises are as well; Lab opens on the start page.
    """
    start = chapters / lang / "start.md"
    given = [f"--ServerApp.root_dir={chapters.parent}", f"--FileContentsManager.preferred_dir={chapters.name}"]
    if start.exists():
        given.append(f"--LabApp.default_url=/lab/tree/{start.relative_to(chapters.parent).as_posix()}")
    given.append(f"--LabApp.extra_labextensions_path={Path(__file__).parent / 'labextensions'}")
    given.append("--log-level=WARN")
    if zmq.has("curve"):  # else every kernel warns that others on this machine can listen
        given.append("--KernelManager.transport_encryption=auto")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        given.append("--allow-root")
    display = any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    if not display and sys.platform not in ("darwin", "win32"):
        given.append("--no-browser")
    return given


def start(chapters: Path, lang: str, more: Sequence[str] = ()) -> None:
    """Serve JupyterLab on the start page in `lang` until it is stopped; `more` are JupyterLab's own options."""
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    from jupyterlab.labapp import LabApp

    write_settings()
    server = LabApp.initialize_server(argv=[*arguments(chapters, lang), *more])
    # Said once the server listens, and below everything that it says itself.
    message = f"\nJupyterLab is served at\n\n    {server.display_url}\n\nControl-C stops it.\n"
    server.io_loop.add_callback(print, message, flush=True)
    server.start()
