"""What the READMEs show runs as it stands: snippets as they are, commands in a short form of theirs."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from her.cli import main

REPOSITORY = Path(__file__).parents[1]


def snippets(name):
    return re.findall(r"```python\n(.*?)```", (REPOSITORY / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_snippets_of_the_library_run_one_after_the_other(name):
    pytest.importorskip("sb3_contrib")
    library = [code for code in snippets(name) if "load_policy" not in code]
    assert len(library) == 3
    names = {}
    for code in library:
        exec(compile(code, name, "exec"), names)
    batch = names["batch"]
    assert abs(batch.relabelled.mean() - 0.8) < 0.01
    assert 0 < (batch.rewards == 0).mean() < 0.8
    assert names["config"].strategy.__class__.__name__ == "TenLater"
    assert set(names["model"].replay_buffer.newest.goal_sources) == {"", "future", "actual", "random"}
    assert names["model"].replay_buffer.hindsight.transitions.beta == 1
    assert len(library[2].splitlines()) <= 8


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_code_is_the_same_in_both_languages(name):
    code = [re.sub(r"#.*", "", snippet) for snippet in snippets(name)]
    assert code == [re.sub(r"#.*", "", snippet) for snippet in snippets("README.md")]


def test_the_conda_environment_has_the_name_that_is_activated():
    name = re.search(r"^name: (.*)$", (REPOSITORY / "environment.yml").read_text(), re.MULTILINE)[1]
    for readme in ("README.md", "README.zh.md"):
        assert f"conda activate {name}`" in (REPOSITORY / readme).read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------ commands

#: commands that take minutes, a cluster or a class: they are read as the command line would, and not started
ONLY_READ = ("her sweep", "her run", "her grade", "her lab")
SHORT = {
    "train": ["--max-steps", "300", "--quiet", "--set", "evaluation_episodes=10", "--set", "updates_per_round=2"],
    "play": ["--episodes", "10"],
}


def commands(name="README.md"):
    """The lines of the blocks of commands, without comments."""
    blocks = re.findall(r"```console\n(.*?)```", (REPOSITORY / name).read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [" ".join(shlex.split(line, comments=True, posix=False)) for line in lines]


def mentioned(name):
    """The commands with options in the text around the blocks."""
    text = re.sub(r"```.*?```", "", (REPOSITORY / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"`((?:her|make) [a-z]+ [^`A-Z]+[^`]*)`", text)


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_every_command_is_known_with_its_options(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("submissions", "runs/push"):
        Path(folder).mkdir(parents=True)
    shutil.copytree(REPOSITORY / "results", "results")
    for command in commands(name) + mentioned(name):
        words = shlex.split(command, posix="\\" not in command)
        if words[0] == "her":
            found = main.get_command(click.Context(main), words[1])
            assert found is not None, command
            found.make_context(words[1], words[2:])  # click raises for what it does not know
        elif words[0] == "make":
            done = subprocess.run(["make", "-n", *words[1:]], cwd=REPOSITORY, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_what_is_to_be_installed_is_there(name):
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installed = [command for command in commands(name) if " pip install " in command]
    assert len(installed) == 3
    for command in installed:
        constraints = re.search(r"-c (\S+)", command)[1]
        assert (REPOSITORY / constraints).is_file()
        extra = re.search(r"-e '?\.\[(\w+)\]'?$", command)
        assert extra is None or extra[1] in extras
        assert extra or command.endswith(" torch")


def test_every_command_runs_in_short(tmp_path, monkeypatch):
    """In the order of the README, in a folder with results/ and a module of an environment, as it presumes."""
    shutil.copytree(REPOSITORY / "results", tmp_path / "results")
    module = (REPOSITORY / "tests" / "point_env.py").read_text()
    module += '\ngym.register("MyEnv-v0", entry_point=Point, max_episode_steps=25)\n'
    module += "\ndef reached(achieved, desired):\n    return np.linalg.norm(achieved - desired, axis=-1) < 0.1\n"
    (tmp_path / "my_module.py").write_text(module)
    monkeypatch.delitem(sys.modules, "my_module", raising=False)  # another test's
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    ran = []
    for command in dict.fromkeys(commands()):
        words = shlex.split(command)
        if words[0] != "her" or command.startswith(ONLY_READ):
            continue
        if "Fetch" in command:
            pytest.importorskip("gymnasium_robotics")
        if words[1] == "train" and "--out" not in words:
            words += ["--out", f"runs/{len(ran)}"]
        result = CliRunner().invoke(main, [*words[1:], *SHORT.get(words[1], [])])
        assert result.exit_code == 0, f"{command}\n{result.output}"
        ran.append(words[1])
    assert {"train", "play", "plot", "doctor", "release"} <= set(ran)


def test_the_policy_snippet_runs():
    pytest.importorskip("gymnasium_robotics")
    [code] = [code for code in snippets("README.md") if "load_policy" in code]
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["film"].frames.shape == (51, 240, 240, 3)
    assert np.mean(names["film"].success[-1:]) in (0.0, 1.0)
