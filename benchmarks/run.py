"""All benchmarks, one after the other, each in a process of its own; what they find is printed, and saved in a folder.

About ten minutes, and 6 GB for a million transitions in every library; half of that with --quick, which leaves out the
million. Peers that are not installed are left out: pip install -e '.[bench]'.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
from tqdm import tqdm

HERE = Path(__file__).parent
SCRIPTS = {
    "replay_sampling": ["--million"],
    "replay_storing": [],
    "replay_memory": [],
    "prioritized_replay": [],
    "gradient_steps": [],
    "sb3_learning": [],
}


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Leave out the million stored transitions.")
@click.option("--out", default=HERE / "results", type=click.Path(path_type=Path, file_okay=False), help="Folder.")
def main(quick: bool, out: Path) -> None:
    failed = []
    for script in tqdm(SCRIPTS, desc="benchmarks"):
        options = [] if quick else SCRIPTS[script]
        command = [sys.executable, str(HERE / f"{script}.py"), *options, "--out", str(out)]
        if subprocess.run(command).returncode:
            failed.append(script)
    pages = [
        (out / f"{script}.md").read_text(encoding="utf-8") for script in SCRIPTS if (out / f"{script}.md").exists()
    ]
    (out / "README.md").write_text("\n".join(pages), encoding="utf-8")
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
