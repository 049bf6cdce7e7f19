"""How bubblewrap is called: a file system of Python and the libraries alone, no network, no other processes."""

import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import her
import her_course

COURSE = Path(her_course.__file__).resolve().parent
PACKAGES = (Path(her.__file__).resolve().parent, COURSE)
#: of the exercises, the modules that a submission may see; the others hold cases, answers and wrong ideas
SHOWN = ("__init__.py", "inputs.py", "model.py", "running.py", "saying.py", "texts.py")
#: of each prefix, what holds programs and libraries; whatever else lies there is somebody's
_PARTS = ("bin", "lib", "lib32", "lib64", "share", "pyvenv.cfg")


@cache
def _packages() -> tuple[Path, ...]:
    """Where packages lie, the user's own among them."""
    folders = {Path(path) for path in (*site.getsitepackages(), *sysconfig.get_paths().values())}
    folders |= {Path(path) for path in sys.path if path.rstrip("/").endswith("-packages")}
    return tuple(sorted(path for path in folders if path.is_dir()))


@cache
def _shown() -> tuple[Path, ...]:
    """Where Python and the packages lie."""
    prefixes = {Path(path) for path in (sys.prefix, sys.base_prefix, "/usr", "/usr/local", "/")}
    prefixes |= {Path(os.path.realpath(sys.executable)).parent.parent, *(path.resolve() for path in set(prefixes))}
    paths = {prefix / part for prefix in prefixes for part in _PARTS} - {Path("/share")}
    paths |= {found.resolve() for found in _packages()}
    inside = {path for path in paths if any(folder in paths for folder in path.parents)}
    return tuple(sorted(path for path in paths - inside if path.exists()))


def bubblewrap(hide: Sequence[Path], disk: int) -> list[str]:
    """The command line, up to the program that is to run.

    Args:
        hide: files and folders that are not shown, wherever they lie.
        disk: bytes that may be written, all of it in memory.
    """
    command = ["bwrap", "--die-with-parent", "--as-pid-1", "--new-session", "--unshare-ipc", "--unshare-pid"]
    command += ["--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    # Root keeps what it takes to become another user for each submission; others are a user in a namespace of its own.
    command += ["--cap-add", "ALL"] if os.geteuid() == 0 else ["--unshare-user"]
    shown = (*_shown(), *PACKAGES)
    for folder in sorted({folder for path in shown for folder in path.parents} - {Path("/")}):
        command += ["--perms", "0755", "--dir", str(folder)]
    for path in shown:
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        else:
            command += ["--ro-bind", str(path), str(path)]
    for path in ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/alternatives"):
        command += ["--ro-bind-try", path, path]
    exercises = COURSE / "exercises"
    copies = {folder.resolve() / "her_course" / "exercises" for folder in _packages()} - {exercises}
    for folder in ("/usr/share/fonts", "/usr/local/share/fonts", *copies):  # fonts cost seconds, and nobody sees them
        if Path(folder).is_dir():
            command += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    command += ["--perms", "0755", "--tmpfs", str(exercises)]
    for name in SHOWN:
        command += ["--ro-bind", str(exercises / name), str(exercises / name)]
    command += ["--remount-ro", str(exercises)]
    for path in hide:  # usually elsewhere, and so not there at all
        if any(path != folder and path.is_relative_to(folder) for folder in shown):
            command += ["--tmpfs", str(path), "--remount-ro", str(path)] if path.is_dir() else []
            command += ["--ro-bind", os.devnull, str(path)] if path.is_file() else []
    command += ["--dev", "/dev", "--perms", "1777", *_size(disk), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    return [*command, "--perms", "0755", "--dir", "/tmp", "--remount-ro", "/", "--chdir", "/", "--"]


def all_can_enter(path: str = sys.executable) -> bool:
    """Whether every user can reach Python, which is not so where it lies under /root."""
    return all(folder.stat().st_mode & 1 for folder in Path(os.path.realpath(path)).parents)


@cache
def _size(disk: int) -> tuple[str, ...]:
    """The limit of a file system in memory, where this bubblewrap has one (0.7 and newer)."""
    program = shutil.which("bwrap")
    says = subprocess.run([program, "--help"], capture_output=True, text=True).stdout if program else ""
    return ("--size", str(disk)) if "--size" in says else ()
