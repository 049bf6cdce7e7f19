"""`her doctor` finds what is missing, says how to mend it, and never falls over itself."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from course_samples import edit, write_chapters

from her_course import commands, notebooks
from her_course.doctor import CHECKS, Finding, diagnose, render


def statuses(hidden: list[str]) -> dict[str, str]:
    """The diagnosis of an environment in which the modules `hidden`, and their packages, are not installed."""
    code = f"""
import sys
from importlib import metadata

hidden, version = {hidden!r}, metadata.version
sys.modules |= dict.fromkeys(hidden)

def without_hidden(name):
    if name in hidden:
        raise metadata.PackageNotFoundError(name)
    return version(name)

metadata.version = without_hidden
from her_course.doctor import diagnose, render
findings = diagnose()
assert render(findings)
print(*(f"{{f.name}}={{f.status}}" for f in findings))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(word.split("=") for word in done.stdout.split())


def test_all_is_well_here():
    findings = {finding.name: finding for finding in diagnose()}
    for name in ("python", "her-course", "[train]", "[course]", "torch", "kernel", "font", "environments"):
        assert findings[name].status == "ok", findings[name]


@pytest.mark.parametrize(
    ("hidden", "missing"),
    [
        (["torch", "packaging"], {"packages", "torch"}),
        (["matplotlib", "jupytext", "ipykernel", "jupyter_client"], {"[course]", "chapters", "font", "kernel"}),
    ],
)
def test_names_what_is_missing_and_goes_on(hidden, missing):
    found = statuses(hidden)
    assert missing <= {name for name, status in found.items() if status == "missing"}
    assert found["python"] == found["environments"] == "ok"


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def _moon_phase():
        raise RuntimeError("new moon")
        yield

    monkeypatch.setattr("her_course.doctor.CHECKS", [_moon_phase, *CHECKS[1:2]])
    first, second, *_ = diagnose()
    assert (first.name, first.status, first.detail) == ("moon phase", "missing", "RuntimeError: new moon")
    assert second.status == "ok"


def test_warns_of_a_mujoco_that_breaks_fetch(monkeypatch):
    from importlib import metadata

    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "4.0.0" if name == "mujoco" else version(name))
    [finding] = [finding for finding in diagnose() if finding.name == "mujoco"]
    assert finding.status == "warn"
    assert "mujoco==3.10.0" in finding.remedy


def test_tells_of_pairs_that_differ(tmp_path, monkeypatch):
    zh, en = write_chapters(tmp_path)
    for path in (zh, en):
        notebooks.execute_to_committed(path)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(commands.doctor)
    assert "1 zh, 1 en" in result.output
    assert "the same cells" in result.output
    assert result.exit_code == 0
    edit(zh, "1 + 1", "1 + 2")
    [finding] = [finding for finding in diagnose() if finding.name == "pairs"]
    assert finding.status == "warn"
    assert "zh/01_sample, cell 3" in finding.detail


def test_command_fails_when_something_required_is_missing(monkeypatch):
    broken = Finding("torch", "missing", "not installed", "pip install torch")
    monkeypatch.setattr("her_course.doctor.diagnose", lambda: [broken])
    result = CliRunner().invoke(commands.doctor)
    assert result.exit_code == 1
    assert "→ pip install torch" in result.output
    assert "To mend: 1" in render([broken])


def test_a_matplotlib_backend_that_cannot_be_loaded_is_named(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "qt7agg")
    [finding] = [finding for finding in diagnose() if finding.name == "matplotlib"]
    assert finding.status == "missing"
    assert "qt7agg" in finding.detail
    assert "unset MPLBACKEND" in finding.remedy


def test_a_backend_that_is_registered_twice_is_named(monkeypatch):
    from matplotlib.backends import backend_registry

    def twice(name):
        raise RuntimeError("Entry point name 'inline' duplicated")

    monkeypatch.setattr(backend_registry, "resolve_backend", twice)
    [finding] = [finding for finding in diagnose() if finding.name == "matplotlib"]
    assert "duplicated" in finding.detail
    assert "matplotlib-inline" in finding.remedy


def test_a_jupyter_of_another_environment_is_named(tmp_path, monkeypatch):
    other = tmp_path / "jupyter"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    [finding] = [finding for finding in diagnose() if finding.name == "jupyter"]
    assert str(other) in finding.detail
    assert "her lab" in finding.remedy
