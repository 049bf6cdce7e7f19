"""What is promised to those who install: one set of exact versions, wherever it is installed from."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LOCK = [line for line in (REPOSITORY / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
PINS = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in LOCK}


def test_lock_holds_exact_versions_and_nothing_else():
    odd = [line for line in LOCK if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)]
    assert odd == []


def test_lock_satisfies_every_range_of_every_extra():
    ranges = [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]
    requirements = [r for r in map(Requirement, ranges) if r.name != PROJECT["name"]]
    unpinned = {r.name for r in requirements} - {r.name for r in requirements if canonicalize_name(r.name) in PINS}
    assert unpinned == set(), "make lock"
    outside = [str(r) for r in requirements if not r.specifier.contains(PINS[canonicalize_name(r.name)])]
    assert outside == []


def test_conda_users_get_the_same_versions():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    python, _, pip = environment["dependencies"]
    assert Requirement(python).specifier.contains("3.11.0")
    assert pip == {"pip": ["-c requirements.lock", "-e .[course,dev]"]}
