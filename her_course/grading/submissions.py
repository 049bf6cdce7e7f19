"""Finds who handed in what: ``STUDENT/chN.ipynb`` or ``.py``, flat ``STUDENT_chN.ipynb``, or zips of either.

Nothing here reads what is inside a notebook. Links are not followed, zips are unpacked under names of our own and with
limits, and whatever cannot be taken becomes a submission with a problem: it gets its row and stops nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

MAX_MEMBER = 64 * 2**20  # bytes of one file in a zip
MAX_ZIP = 256 * 2**20  # bytes of all files of one student in a zip
MAX_ENTRIES = 100_000  # of the list of contents of a zip

_FILE = re.compile(
    r"(?:(?P<student>.+?)[ _-]+)?ch(?:apter)?[ _-]?0*(?P<chapter>\d{1,3})(?:[ _-].*|\s*\(\d+\))?"
    r"(?P<suffix>\.ipynb|\.py|\.zip)",
    re.IGNORECASE | re.DOTALL,
)
_IGNORED = {"__MACOSX", "__pycache__", ".ipynb_checkpoints", ".git", ".venv"}


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one chapter.

    Attributes:
        student: as the folder or file says, in Unicode's composed form.
        path: where it lies; None if there is nothing to read, and then `problem` says why.
        suffix: ".ipynb" or ".py".
        modified: when it was last changed, in seconds since 1970; 0 if unknown.
        problem: "no_file", "symlink", "unsafe_path", "too_large", "invalid_zip" or "unreadable".
    """

    student: str
    chapter: int
    path: Path | None
    suffix: str = ".ipynb"
    modified: float = 0.0
    problem: str | None = None

    def digest(self) -> str:
        """Of the file's bytes."""
        digest = hashlib.sha256()
        if self.path is not None:
            with open(open_safely(self.path), "rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
        return digest.hexdigest()


def open_safely(path: Path) -> int:
    """A descriptor of an ordinary file; OSError if it is a link, a pipe or a device by now."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not an ordinary file")
    return descriptor


def discover(root: Path, unpacked: Path, chapters: Sequence[int], roster: Iterable[str] = ()) -> list[Submission]:
    """A submission for every student and chapter, sorted; those that were not handed in have the problem "no_file".

    Args:
        root: a folder, or a zip of one.
        unpacked: a folder in which zips are unpacked.
        chapters: which.
        roster: students who are to have rows in any case.

    Raises:
        FileNotFoundError: there is no ``root``.
        ValueError: ``root`` is neither a folder nor a zip that can be read.
    """
    if not root.exists():
        raise FileNotFoundError(f"submissions: there is no {str(root)!r}")
    students = {_name(student): None for student in roster}
    found: list[Submission] = []
    if root.is_dir():
        for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
            _take(Path(entry.path), unpacked, students, found)
    else:
        try:
            members = list(_members(root, unpacked, None))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise ValueError(f"submissions: {str(root)!r} is neither a folder nor a zip ({error})") from None
        for submission in members:
            students.setdefault(submission.student)
            found.append(submission)
    best: dict[tuple[str, int], Submission] = {}
    for submission in found:
        for chapter in chapters if submission.chapter == 0 else (submission.chapter,):
            key = submission.student, chapter
            if chapter in chapters and (key not in best or _rank(submission) > _rank(best[key])):
                best[key] = replace(submission, chapter=chapter)
    everyone = sorted(students)
    missing = {(s, c): Submission(s, c, None, problem="no_file") for s in everyone for c in chapters}
    return [(missing | best)[key] for key in missing]


def _rank(submission: Submission) -> tuple:
    """Of several files for one chapter: what can be read, a notebook, the newest."""
    name = submission.path.name if submission.path else ""
    return submission.problem is None, submission.suffix == ".ipynb", submission.modified, name


def _name(text: str) -> str:
    """A student's name in one form, whatever file system it comes from."""
    text = os.fsencode(text).decode("utf-8", "replace")
    return unicodedata.normalize("NFC", text).strip() or "?"


def _is_ignored(name: str) -> bool:
    """What file managers and editors leave behind; two dots are somebody's idea of a name."""
    return name in _IGNORED or (name.startswith(".") and not name.startswith(".."))


def _take(path: Path, unpacked: Path, students: dict[str, None], found: list[Submission]) -> None:
    """One entry of the folder of submissions: a student's folder, or a flat file."""
    if _is_ignored(path.name):
        return
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        student = _name(path.name)
        students.setdefault(student)
        found.extend(_of_folder(path, student, unpacked))
        return
    match = _FILE.fullmatch(path.name)
    suffix = path.suffix.lower()
    if match is None and stat.S_ISLNK(mode) and not path.suffix:  # a folder that is a link
        student, chapter = _name(path.name), 0
    elif match is None and suffix == ".zip":
        student, chapter = _name(path.stem), 0
    elif match is not None and match["student"]:
        student, chapter = _name(match["student"]), int(match["chapter"])
    else:
        return  # nobody's
    students.setdefault(student)
    found.extend(_of_file(path, student, chapter, unpacked))


def _of_folder(folder: Path, student: str, unpacked: Path) -> Iterator[Submission]:
    """A student's folder, with folders in it; a file may bear the student's name too."""
    stack, seen = [folder], 0
    while stack:
        try:
            entries = sorted(os.scandir(stack.pop()), key=lambda entry: entry.name)
        except OSError:
            yield Submission(student, 0, None, problem="unreadable")
            continue
        for entry in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                return
            if _is_ignored(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                stack.append(Path(entry.path))
                continue
            match = _FILE.fullmatch(entry.name)
            if match is not None or entry.name.lower().endswith(".zip"):
                yield from _of_file(Path(entry.path), student, int(match["chapter"]) if match else 0, unpacked)


def _of_file(path: Path, student: str, chapter: int, unpacked: Path) -> Iterator[Submission]:
    """A notebook, a script, or a zip of them; ``chapter`` 0 is all of them."""
    try:
        status = path.lstat()
        problem = "symlink" if stat.S_ISLNK(status.st_mode) else None if stat.S_ISREG(status.st_mode) else "unreadable"
        if problem is None:
            os.close(open_safely(path))
    except OSError:
        problem, status = "unreadable", None
    suffix = path.suffix.lower()
    if problem is not None:
        yield Submission(student, chapter, None, suffix, problem=problem)
    elif suffix == ".zip":
        try:
            members = list(_members(path, unpacked, student))
        except (zipfile.BadZipFile, OSError, ValueError):
            yield Submission(student, chapter, None, problem="invalid_zip")
            return
        yield from members
    else:
        yield Submission(student, chapter, path, suffix, status.st_mtime)


# ---------------------------------------------------------------------------------------------------------------- zips


def _members(path: Path, unpacked: Path, student: str | None) -> Iterator[Submission]:
    """The submissions in a zip: of one student, or, with ``student`` None, of a class."""
    folder = unpacked / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    unpacked_bytes: dict[str, int] = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise ValueError("too many entries")
        top = {_parts(entry)[0] for entry in entries if _parts(entry)} - _IGNORED
        # A class packed as one folder: that folder is no student.
        wrapped = student is None and len(top) == 1 and all(len(_parts(e)) != 2 or e.is_dir() for e in entries)
        for number, entry in enumerate(entries):
            parts = _parts(entry)
            if entry.is_dir() or not parts or _IGNORED & set(parts) or _is_ignored(parts[-1]):
                continue
            match = _FILE.fullmatch(parts[-1])
            if match is None or match["suffix"].lower() == ".zip":
                continue
            unsafe = any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts)
            folders = parts[1:-1] if wrapped and not unsafe else parts[:-1]
            owner = student
            if owner is None and unsafe:
                owner = "/".join(parts[:-1]) or "?"
            elif owner is None:
                owner = folders[0] if folders else match["student"]
            if owner is None:
                continue
            owner = _name(owner)
            made = Submission(owner, int(match["chapter"]), None, match["suffix"].lower(), _when(entry))
            if unsafe:
                yield replace(made, problem="unsafe_path")
            elif stat.S_ISLNK(entry.external_attr >> 16):
                yield replace(made, problem="symlink")
            else:
                target = folder / f"{number}{made.suffix}"
                left = min(MAX_MEMBER, MAX_ZIP - unpacked_bytes.get(owner, 0))
                size, problem = _unpack(archive, entry, target, left)
                unpacked_bytes[owner] = unpacked_bytes.get(owner, 0) + size
                yield replace(made, path=None if problem else target, problem=problem)


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    """The names on the way to an entry; zips made on Windows in China say them in GB 18030 without saying so."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        data = entry.orig_filename.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = data.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    if name.startswith("/"):
        return ("..", *PurePosixPath(name).parts[1:])  # absolute is as unsafe as upwards
    return PurePosixPath(name).parts


def _when(entry: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*entry.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> tuple[int, str | None]:
    """Write an entry to ``target``, at most ``limit`` bytes whatever it says of its size; how many, and the problem."""
    size = 0
    try:
        with archive.open(entry) as source, open(target, "wb") as file:
            while part := source.read(1 << 20):
                size += len(part)
                if size > limit:
                    break
                file.write(part)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError):
        target.unlink(missing_ok=True)
        return size, "unreadable"  # damaged, or with a password
    if size > limit:
        target.unlink()
        return limit, "too_large"
    return size, None
