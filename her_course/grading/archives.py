"""What lies in a folder or a zip of submissions, in folders and zips within. Nothing here reads a notebook.

Links are not followed, zips are unpacked under names of our own and with limits that are looked at before anything is
unpacked, and whatever cannot be taken becomes an entry with a problem: it stops nothing.
"""

import hashlib
import os
import re
import stat
import time
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from her_course.grading.sandbox import MAX_SUBMISSION

MAX_MEMBER = 64 * 2**20  # bytes of one file in a zip
MAX_ZIP = 256 * 2**20  # bytes of all files of one student in a zip
MAX_ENTRIES = 100_000  # of the list of contents of a zip, or of a folder
MAX_DEPTH = 3  # of zips in zips

_IGNORED = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}
_CODE = re.compile(r"\.(ipynb|py|txt|json)$", re.IGNORECASE)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError)


@dataclass(frozen=True)
class Entry:
    """Something that was seen.

    Attributes:
        parts: the names of the folders and zips around it, and its own.
        path: where its bytes can be read; None if nowhere.
        modified: in seconds since 1970; 0 if unknown.
        problem: "symlink", "unsafe_path", "too_large", "invalid_zip" or "unreadable".
        folder: whether it is a folder in which there is nothing.
        owner: whose it is, where the names around it cannot be trusted to tell.
    """

    parts: tuple[str, ...]
    path: Path | None = None
    modified: float = 0.0
    problem: str | None = None
    folder: bool = False
    owner: str = ""

    @property
    def shown(self) -> str:
        """Where it was seen, for people."""
        return "/".join(map(clean, self.parts))

    def begins_with(self, data: bytes) -> bool:
        """Whether its text does, white space and a byte order mark aside."""
        try:
            with open_safely(self.path) as file:
                return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(data)
        except (OSError, TypeError):
            return False


def clean(name: str) -> str:
    """A name in one form, whatever file system it comes from."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return unicodedata.normalize("NFC", text).strip()


def open_safely(path: Path) -> BinaryIO:
    """An ordinary file, to be read; OSError if it is a link, a pipe or a device by now."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not an ordinary file")
    return open(descriptor, "rb")


def entries_of(root: Path, unpacked: Path, ignore: Path | None = None) -> Iterator[Entry]:
    """All files below a folder or in a zip, and the folders that are empty.

    Args:
        unpacked: where members of zips are put.
        ignore: a folder that is passed over, as is every folder of results.

    Raises:
        FileNotFoundError: there is no ``root``.
        ValueError: it is neither a folder nor a zip that can be read.
    """
    if not root.exists():
        raise FileNotFoundError(f"submissions: there is no {str(root)!r}")
    if root.is_dir():
        yield from _folder(root, (), unpacked, ignore and ignore.resolve())
        return
    try:
        entries = list(_zip(root, (), unpacked, None, 0))
    except _BROKEN as error:
        raise ValueError(f"submissions: {str(root)!r} is neither a folder nor a zip ({error})") from None
    yield from entries


def _is_ignored(name: str) -> bool:
    """What file managers and editors leave behind; two dots are somebody's idea of a name."""
    return name in _IGNORED or (name.startswith(".") and not name.startswith(".."))


def _folder(folder: Path, parts: tuple[str, ...], unpacked: Path, ignore: Path | None) -> Iterator[Entry]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)[:MAX_ENTRIES]
    except OSError:
        yield Entry((*parts, "?"), problem="unreadable")
        return
    if parts and not found:
        yield Entry(parts, folder=True)
    for item in found:
        path, inner = Path(item.path), (*parts, item.name)
        if _is_ignored(item.name):
            continue
        if item.is_symlink():
            yield Entry(inner, problem="symlink")
        elif item.is_dir():
            if path.resolve() != ignore and not (path / ".grading").is_dir():
                yield from _folder(path, inner, unpacked, ignore)
        else:
            yield from _file(path, inner, unpacked)


def _file(path: Path, parts: tuple[str, ...], unpacked: Path) -> Iterator[Entry]:
    try:
        open_safely(path).close()
        status = path.lstat()
    except OSError:
        yield Entry(parts, problem="unreadable")
        return
    if path.suffix.lower() == ".zip":
        yield from _zip_or_problem(path, parts, unpacked, status.st_mtime, 0)
    elif status.st_size > MAX_SUBMISSION:
        yield Entry(parts, None, status.st_mtime, "too_large")
    else:
        yield Entry(parts, path, status.st_mtime)


# ---------------------------------------------------------------------------------------------------------------- zips


def _zip_or_problem(
    path: Path, parts: tuple[str, ...], unpacked: Path, when: float | None, depth: int
) -> Iterator[Entry]:
    try:
        entries = list(_zip(path, parts, unpacked, when, depth))
    except _BROKEN:
        entries = [Entry(parts, modified=when or 0.0, problem="invalid_zip")]
    yield from entries or [Entry(parts, folder=True)]


def _zip(path: Path, around: tuple[str, ...], unpacked: Path, when: float | None, depth: int) -> Iterator[Entry]:
    """What a zip holds. With ``when`` None it is that of a class, whose members have times of their own."""
    if depth == MAX_DEPTH:
        raise ValueError("too many zips in zips")
    folder = unpacked / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path) as archive:
        members = [(number, one, _parts(one)) for number, one in enumerate(archive.infolist()) if not one.is_dir()]
        members = [(n, one, parts) for n, one, parts in members if parts and not any(map(_is_ignored, parts))]
        if len(members) > MAX_ENTRIES:
            raise ValueError("too many entries")
        sizes: dict[tuple[str, ...], int] = defaultdict(int)
        for _, one, parts in members:
            sizes[() if around else parts[:2]] += one.file_size
        for number, one, parts in members:
            made = Entry((*around, *parts), modified=_time(one) if when is None else when)
            if any(part in ("", ".", "..") or ":" in part for part in parts):
                owner = "" if around else "/".join(parts[:-1]) or "?"
                yield replace(made, parts=(*around, parts[-1]), problem="unsafe_path", owner=owner)
            elif stat.S_ISLNK(one.external_attr >> 16):
                yield replace(made, problem="symlink")
            elif one.file_size > MAX_MEMBER or sizes[() if around else parts[:2]] > MAX_ZIP:
                yield replace(made, problem="too_large")
            elif _CODE.search(parts[-1]) or parts[-1].lower().endswith(".zip"):
                target = folder / f"{number}{PurePosixPath(parts[-1]).suffix.lower()}"
                if not _unpack(archive, one, target):
                    yield replace(made, problem="unreadable")  # damaged, or with a password
                elif target.suffix == ".zip":
                    yield from _zip_or_problem(target, made.parts, unpacked, made.modified, depth + 1)
                else:
                    yield replace(made, path=target)
            else:
                yield made


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """The names on the way to a member, whatever system wrote them.

    Zips made on Windows in China say them in GB 18030 without saying so; some programs there put backslashes between.
    """
    name = member.filename
    if not member.flag_bits & 0x800:
        data = member.orig_filename.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = data.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    name = name.replace("\\", "/")
    if name.startswith("/"):
        return ("..", *PurePosixPath(name).parts[1:])  # absolute is as unsafe as upwards
    return PurePosixPath(name).parts


def _time(member: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> bool:
    """Write a member to ``target``, never more bytes than its header says; whether that worked."""
    try:
        with archive.open(member) as source, open(target, "wb") as file:
            while part := source.read(1 << 20):
                file.write(part)
    except _BROKEN:
        target.unlink(missing_ok=True)
        return False
    return True
