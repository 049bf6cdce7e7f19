"""Where the course lies."""

from pathlib import Path


def find_chapters() -> Path:
    """The folder ``chapters/`` of the working folder or of one above it, or else of the repository that holds `her`."""
    here = Path.cwd()
    repository = Path(__file__).resolve().parents[1]
    for folder in (here, *here.parents, repository):
        if (folder / "chapters" / "jupytext.toml").is_file():
            return folder / "chapters"
    raise FileNotFoundError(f"no folder chapters/ in {here}, nor above it: start in a clone of the course")
