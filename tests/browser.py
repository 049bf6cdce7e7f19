"""Drive JupyterLab as a learner does: start it as `make lab` does, open a chapter in Chromium, run every cell.

with lab() as url, page(url) as tab:
    report = run_all_cells(tab, "chapters/zh/01_sparse_rewards.ipynb")
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
]


@contextmanager
def lab(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    """JupyterLab by `her lab` in the `folder` that holds chapters/, with no settings of the user; yields its URL.

    `variables` are set in its environment.
    """
    with tempfile.TemporaryDirectory() as home:
        private = {f"JUPYTER_{name}_DIR": f"{home}/{name.lower()}" for name in ("CONFIG", "DATA", "RUNTIME")}
        private["JUPYTERLAB_WORKSPACES_DIR"] = f"{home}/workspaces"
        server = subprocess.Popen(
            [sys.executable, "-m", "her.cli", "lab", "--no-browser", "--expose-app-in-browser", *options],
            cwd=folder,
            env={k: v for k, v in os.environ.items() if not k.startswith("HER_")} | private | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        printed = []
        try:
            for line in server.stdout:
                printed.append(line)
                if found := re.search(r"served at\s+(http://\S+)", "".join(printed)):
                    break
            else:
                raise RuntimeError("JupyterLab did not start:\n" + "".join(printed))
            threading.Thread(target=lambda: printed.extend(server.stdout), daemon=True).start()
            yield found[1]
        finally:
            server.terminate()
            server.wait(timeout=30)


@contextmanager
def page(url: str):
    """A tab of headless Chromium in which JupyterLab at `url` is ready for commands."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        try:
            tab = browser.new_page(viewport={"width": 1400, "height": 1000})
            tab.set_default_timeout(120_000)
            tab.goto(url)
            tab.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
            yield tab
        finally:
            browser.close()


def save(tab) -> None:
    """Save what was opened last, as Control-S does."""
    tab.evaluate("() => window.opened.context.save()")


def open_file(tab, path: str) -> str:
    """Open `path` as a double click does and wait for its kernel; returns the kind of view, such as "Notebook"."""
    return tab.evaluate(
        """async path => {
            const widget = await window.jupyterapp.commands.execute('docmanager:open', {path});
            await widget.context.ready;
            if (widget.sessionContext) await widget.sessionContext.ready;
            window.opened = widget;
            return widget.content.model?.cells ? 'Notebook' : 'Editor';
        }""",
        path,
    )


def run_all_cells(tab, path: str, timeout: float = 600) -> dict:
    """Open the notebook, clear its outputs, run all its cells; then tell what the notebook's model holds.

    `kernel` (its name), `code` (cells of code), `executed` (how many of them ran), `images` (how many are shown) and
    `errors` ("Name: text" of each).
    """
    assert open_file(tab, path) == "Notebook"
    idle = "() => window.opened.sessionContext.session?.kernel?.status === 'idle'"
    tab.wait_for_function(idle)
    tab.evaluate(
        """() => {
            const {commands} = window.jupyterapp;
            window.finished = '';
            commands.execute('notebook:clear-all-cell-outputs')
                .then(() => commands.execute('notebook:run-all-cells'))
                .then(() => { window.finished = 'well'; }, error => { window.finished = `${error}`; });
        }"""
    )
    tab.wait_for_function("() => window.finished", timeout=1000 * timeout)
    assert tab.evaluate("() => window.finished") == "well"
    tab.wait_for_function(idle)
    return tab.evaluate(
        """() => {
            const code = window.opened.content.model.toJSON().cells.filter(
                c => c.cell_type === 'code' && [].concat(c.source).join('').trim());
            const outputs = code.flatMap(c => c.outputs);
            return {
                kernel: window.opened.sessionContext.session.kernel.name,
                code: code.length,
                executed: code.filter(c => c.execution_count).length,
                images: outputs.filter(o => o.data?.['image/png']).length,
                errors: outputs.filter(o => o.output_type === 'error').map(o => `${o.ename}: ${o.evalue}`),
            };
        }"""
    )


def run_cell(tab, containing: str, source: str | None = None) -> str:
    """Run the first cell that contains a text, with another source if given; returns what it shows, as text.

    Errors are told as "Name: text", which is what a learner should not get to see.
    """
    tab.evaluate(
        """async ([containing, source]) => {
            const {content, sessionContext} = window.opened;
            const at = content.widgets.findIndex(w => w.model.sharedModel.getSource().includes(containing));
            if (source) content.widgets[at].model.sharedModel.setSource(source);
            content.activeCellIndex = at;
            await window.jupyterapp.shell.activateById(window.opened.id);
            await window.jupyterapp.commands.execute('notebook:run-cell');
            window.at = at;
        }""",
        [containing, source],
    )
    tab.wait_for_function("() => window.opened.sessionContext.session?.kernel?.status === 'idle'")
    return tab.evaluate(
        """() => window.opened.content.widgets[window.at].model.toJSON().outputs.map(
            o => o.output_type === 'error' ? `${o.ename}: ${o.evalue}`
                : [].concat(o.text ?? o.data?.['text/plain'] ?? '').join('')).join('')"""
    )
