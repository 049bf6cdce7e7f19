"""The command ``her``: a table of commands, which stand beside what they command."""

import io
import sys
from importlib import import_module
from typing import Any

import click

#: where each command is; a module is imported when its command is called or listed
COMMANDS = {
    "chapters": "her_course.commands:chapters",
    "compare": "her.sweeps.commands:compare",
    "doctor": "her_course.commands:doctor",
    "exercises": "her_course.commands:exercises",
    "export": "her.policies.commands:export",
    "grade": "her_course.grading.commands:grade",
    "lab": "her_course.commands:lab",
    "play": "her.policies.commands:play",
    "plot": "her.plots.commands:plot",
    "release": "her_course.commands:release",
    "run": "her_course.commands:run",
    "site": "her_course.site.commands:site",
    "sweep": "her.sweeps.commands:sweep",
    "train": "her.training.commands:train",
}


class LazyGroup(click.Group):
    """The commands of `COMMANDS`, imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        return getattr(import_module(module), attribute)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:  # a folder that cannot be written, a disk that is full
            if error.filename is None:
                raise
            options = self.get_command(ctx, ctx.invoked_subcommand).params
            hint = "; --out takes another place" if any(option.name == "out" for option in options) else ""
            raise click.ClickException(f"{error.filename}: {error.strerror}{hint}") from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="her-course", prog_name="her")
def main() -> None:
    """Hindsight Experience Replay: train agents, run the course, see that everything is in order."""
    for stream in (sys.stdout, sys.stderr):  # redirected on Windows they may lack Chinese, and signs such as ✓
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if "" not in sys.path:  # where a module with an environment of the user's own may lie
        sys.path.append("")


if __name__ == "__main__":
    main()
