"""What ``her doctor`` finds: is everything here that the course needs, does it work, and how is it mended?"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import click

DISTRIBUTION = "her-course"
REQUIRED_EXTRAS = ("train", "course")
OPTIONAL_EXTRAS = {
    "sb3": "Stable-Baselines3",
    "robotics": "the Fetch and PointMaze environments",
    "dev": "the tests",
    "bench": "the benchmarks' peers",
}
ENVIRONMENTS = ("her/BitFlip-v0", "her/Reach-v0", "her/Push-v0")
MUJOCO = "3.10."


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis. `status` is "missing" where the course cannot do without; `remedy` mends it."""

    name: str
    status: Literal["ok", "warn", "missing", "optional"]
    detail: str
    remedy: str = ""


def diagnose() -> list[Finding]:
    """Look at everything. A check that breaks becomes a finding itself: this function raises nothing."""
    findings = []
    for check in CHECKS:
        try:
            findings.extend(check())
        except Exception as error:
            name = check.__name__.strip("_").replace("_", " ")
            findings.append(Finding(name, "missing", f"{type(error).__name__}: {error}", _install("course")))
    return findings


def render(findings: list[Finding]) -> str:
    """The findings as a table for a terminal, remedies below the lines that need one."""
    colours = {"ok": "green", "warn": "yellow", "missing": "red", "optional": None}
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(
            f"{click.style(f'{finding.status:8}', fg=colours[finding.status])} {finding.name:{width}}  {finding.detail}"
        )
        if finding.remedy:
            lines.append(f"{'':8} {'':{width}}  → {finding.remedy}")
    broken = sum(finding.status == "missing" for finding in findings)
    lines.append("\nEverything the course needs is here." if not broken else f"\nTo mend: {broken}.")
    return "\n".join(lines)


def _python() -> Iterator[Finding]:
    isolated = sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", f"{version}, {'in an environment of its own' if isolated else 'system-wide'}")


def _packages() -> Iterator[Finding]:
    try:
        version = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield Finding(DISTRIBUTION, "missing", "not installed", "pip install -e '.[course]'")
        return
    faults = _faults("")
    yield Finding(DISTRIBUTION, *_verdict(faults, version, "missing"), _install("") if faults else "")
    for extra in REQUIRED_EXTRAS:
        faults = _faults(extra)
        yield Finding(f"[{extra}]", *_verdict(faults, "installed", "missing"), _install(extra) if faults else "")
    for extra, what in OPTIONAL_EXTRAS.items():
        faults = _faults(extra)
        yield Finding(
            f"[{extra}]", *_verdict(faults, f"{what}: installed", "optional"), _install(extra) if faults else ""
        )


def _verdict(faults: list[str], fine: str, otherwise: str) -> tuple[str, str]:
    return (otherwise, ", ".join(faults)) if faults else ("ok", fine)


def _faults(extra: str) -> list[str]:
    """What `extra` asks for, other extras of ours included, and is not here or not in the right version."""
    from packaging.requirements import Requirement

    faults = []
    for line in metadata.requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        mentions_extra = "extra" in str(requirement.marker or "")
        if mentions_extra != bool(extra) or (requirement.marker and not requirement.marker.evaluate({"extra": extra})):
            continue
        if requirement.name == DISTRIBUTION:
            faults += [fault for other in sorted(requirement.extras) for fault in _faults(other)]
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            faults.append(f"{requirement.name} is not installed")
        else:
            if not requirement.specifier.contains(version, prereleases=True):
                faults.append(f"{requirement.name} is {version}, wanted {requirement.specifier}")
    return list(dict.fromkeys(faults))


def _install(extra: str) -> str:
    """The command that installs an extra: from the repository, with its exact versions, if we are in it."""
    repository = Path(__file__).resolve().parents[1]
    if (repository / "requirements.lock").exists():
        return f"in {repository}: pip install -c requirements.lock -e '.{f'[{extra}]' if extra else ''}'"
    return f"pip install '{DISTRIBUTION}{f'[{extra}]' if extra else ''}'"


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except ModuleNotFoundError:
        yield Finding("torch", "missing", "not installed: agents cannot be trained", _install("train"))
        return
    float((torch.ones(2, 2) @ torch.ones(2, 2)).sum())
    threads = torch.get_num_threads()
    yield Finding(
        "torch", "ok", f"{torch.__version__} computes, {threads} thread{'s' * (threads > 1)} unless told otherwise"
    )


def _kernel() -> Iterator[Finding]:
    remedy = f"{sys.executable} -m ipykernel install --sys-prefix"
    try:
        import ipykernel
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ModuleNotFoundError as error:
        yield Finding("kernel", "missing", f"{error.name} is not installed", _install("course"))
        return
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield Finding("kernel", "missing", "no kernel python3", remedy)
        return
    program = spec.argv[0]
    if program not in ("python", "python3", f"python3.{sys.version_info[1]}") and not _same_file(
        program, sys.executable
    ):
        yield Finding("kernel", "missing", f"python3 belongs to another environment: {program}", remedy)
    else:
        yield Finding("kernel", "ok", f"python3, ipykernel {ipykernel.__version__}, of this environment")


def _same_file(one: str, other: str) -> bool:
    """The same program of the same environment: links are not followed, for a venv's python is one."""
    return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))


def _chapters() -> Iterator[Finding]:
    try:
        from her_course.consistency import check_pair
        from her_course.notebooks import LANGUAGES, discover, find_chapters
    except ModuleNotFoundError as error:
        yield Finding("chapters", "missing", f"cannot be read: {error.name} is not installed", _install("course"))
        return
    try:
        folder = find_chapters()
    except FileNotFoundError as error:
        yield Finding("chapters", "missing", str(error), "git clone the course and start in its folder")
        return
    sources = discover(folder)
    counts = ", ".join(f"{sum(path.parent.name == lang for path in sources)} {lang}" for lang in LANGUAGES)
    yield Finding("chapters", "ok" if sources else "missing", f"{counts} in {folder}")
    unpaired = [finding for path in sources for finding in check_pair(path)]
    if unpaired:
        more = f" (and {len(unpaired) - 1} more)" if len(unpaired) > 1 else ""
        yield Finding("pairs", "warn", f"{unpaired[0]}{more}", "her chapters check")
    else:
        yield Finding("pairs", "ok", "each .py and its .ipynb hold the same cells")


def _font() -> Iterator[Finding]:
    try:
        from matplotlib.ft2font import FT2Font

        from her_course.figures.style import FAMILY, FONT
    except ModuleNotFoundError as error:
        yield Finding("font", "missing", f"{error.name} is not installed", _install("course"))
        return
    if not FONT.exists():
        yield Finding("font", "missing", f"{FONT} is not there", f"git checkout -- {FONT}")
        return
    if not FT2Font(FONT).get_char_index(ord("重")):
        yield Finding("font", "missing", f"{FAMILY} has no Chinese", f"git checkout -- {FONT}")
        return
    yield Finding("font", "ok", f"{FAMILY} draws Chinese")


def _environments() -> Iterator[Finding]:
    import gymnasium

    import her  # noqa: F401  registers them

    for env_id in ENVIRONMENTS:
        env = gymnasium.make(env_id)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        env.close()
    yield Finding("environments", "ok", f"{', '.join(ENVIRONMENTS)} step")


def _mujoco() -> Iterator[Finding]:
    try:
        version = metadata.version("mujoco")
    except metadata.PackageNotFoundError:
        return
    if version.startswith(MUJOCO):
        yield Finding("mujoco", "ok", version)
    else:
        yield Finding(
            "mujoco", "warn", f"{version}: the Fetch environments need {MUJOCO}x", "pip install mujoco==3.10.0"
        )


CHECKS: list[Callable[[], Iterator[Finding]]] = [
    _python,
    _packages,
    _torch,
    _kernel,
    _chapters,
    _font,
    _environments,
    _mujoco,
]
