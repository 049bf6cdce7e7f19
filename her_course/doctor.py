"""What ``her doctor`` finds: is everything here that the course needs, does it work, and how is it mended?"""

import os
import shutil
import sys
from collections.abc import Iterator
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
        name = check.__name__.strip("_").replace("_", " ")
        try:
            findings.extend(check())
        except ModuleNotFoundError as error:
            findings.append(Finding(name, "missing", f"{error.name} is not installed", install("course")))
        except Exception as error:
            findings.append(Finding(name, "missing", f"{type(error).__name__}: {error}", install("course")))
    return findings


def render(findings: list[Finding]) -> str:
    """The findings as a table for a terminal, remedies below the lines that need one."""
    colours = {"ok": "green", "warn": "yellow", "missing": "red", "optional": None}
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        status = click.style(f"{finding.status:8}", fg=colours[finding.status])
        lines.append(f"{status} {finding.name:{width}}  {finding.detail}")
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
        yield Finding(DISTRIBUTION, "missing", "not installed", install("course"))
        return
    yield _extra("", DISTRIBUTION, version, "missing")
    for extra in REQUIRED_EXTRAS:
        yield _extra(extra, f"[{extra}]", "installed", "missing")
    for extra, what in OPTIONAL_EXTRAS.items():
        yield _extra(extra, f"[{extra}]", f"{what}: installed", "optional")


def _extra(extra: str, name: str, fine: str, otherwise: Literal["missing", "optional"]) -> Finding:
    faults = _faults(extra)
    return Finding(name, otherwise, ", ".join(faults), install(extra)) if faults else Finding(name, "ok", fine)


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


def install(extra: str) -> str:
    """The command that installs an extra, with the exact versions of the repository."""
    repository = Path(__file__).resolve().parents[1]
    where = repository if (repository / "requirements.lock").exists() else "a clone of the course"
    return f"in {where}: pip install -c requirements.lock -e '.{f'[{extra}]' if extra else ''}'"


def _torch() -> Iterator[Finding]:
    import torch

    float((torch.ones(2, 2) @ torch.ones(2, 2)).sum())
    threads = torch.get_num_threads()
    yield Finding("torch", "ok", f"{torch.__version__} computes, threads unless told otherwise: {threads}")


def _kernel() -> Iterator[Finding]:
    import ipykernel
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    remedy = f"{sys.executable} -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield Finding("kernel", "missing", "no kernel python3", remedy)
        return
    program = spec.argv[0]
    any_python = program in ("python", "python3", f"python3.{sys.version_info[1]}")
    if not any_python and Path(program).absolute() != Path(sys.executable).absolute():  # links are not followed
        yield Finding("kernel", "missing", f"python3 belongs to another environment: {program}", remedy)
    else:
        yield Finding("kernel", "ok", f"python3, ipykernel {ipykernel.__version__}, of this environment")


def _chapters() -> Iterator[Finding]:
    from her_course.consistency import check_pair
    from her_course.notebooks import LANGUAGES, discover, find_chapters

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


def _jupyter() -> Iterator[Finding]:
    """Is the `jupyter` that a terminal finds the one of this environment?"""
    found, ours = shutil.which("jupyter"), Path(sys.executable).parent
    if found and Path(found).parent.absolute() != ours.absolute():
        remedy = f"`her lab`, or {ours / 'jupyter'} lab"
        yield Finding("jupyter", "warn", f"`jupyter lab` starts another environment's: {found}", remedy)


def _backend() -> Iterator[Finding]:
    """Can figures be drawn? Not where a backend is registered twice, or MPLBACKEND names one that cannot be loaded."""
    name = os.environ.get("MPLBACKEND") or "inline"
    try:
        from matplotlib.backends import backend_registry

        backend_registry.load_backend_module(backend_registry.resolve_backend(name)[0])
    except (ImportError, RuntimeError, ValueError) as error:
        providers = {point.dist.name for point in metadata.entry_points(group="matplotlib.backend")}
        remedy = f"unset MPLBACKEND; keep one of what registers backends: {', '.join(sorted(providers))}"
        yield Finding("matplotlib", "missing", f"backend {name}: {error}", remedy)
    else:
        yield Finding("matplotlib", "ok", f"draws with the backend {name}")


def _font() -> Iterator[Finding]:
    from matplotlib.ft2font import FT2Font

    from her_course.figures.style import FAMILY, FONT

    if not FONT.exists():
        yield Finding("font", "missing", f"{FONT} is not there", f"git checkout -- {FONT}")
    elif not FT2Font(FONT).get_char_index(ord("重")):
        yield Finding("font", "missing", f"{FAMILY} has no Chinese", f"git checkout -- {FONT}")
    else:
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
        needed = f"{version}: the Fetch environments need {MUJOCO}x"
        yield Finding("mujoco", "warn", needed, "pip install mujoco==3.10.0")


CHECKS = [_python, _packages, _torch, _kernel, _jupyter, _chapters, _backend, _font, _environments, _mujoco]
