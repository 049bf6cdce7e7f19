"""Finds who handed in what, in folders and zips, however they are laid out; `archives` reads what lies in them.

A student's files lie in a folder or a zip that bears the student's name, or bear it themselves; around a class there
may be folders more. A file's chapter is in its name (``ch1``, ``第1章``), or else in the exercises that it defines.
Whatever was seen and is not used is told, with the reason.
"""

import hashlib
import mmap
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from her_course.exercises import registry
from her_course.grading.archives import Entry, clean, entries_of, open_safely

MAX_FILES = 8  # of one student for one chapter; of more, the newest

_ARCHIVES = re.compile(r"(\.(rar|7z|tar|t?gz|bz2|xz|zst))+$", re.IGNORECASE)
_SUFFIXES = re.compile(r"((?:\.(?:ipynb|py|json|txt))+)$", re.IGNORECASE)
_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6}
_CHAPTER = re.compile(
    r"(?<![a-z])ch(?:ap(?:ter)?)?[ _.-]*0*(\d{1,3})(?!\d)|第\s*0*(\d{1,3}|[一二三四五六])\s*章", re.IGNORECASE
)
_FILLER = re.compile(
    r"副本|的|拷贝|copy|of|final|最终版?|[\s_\-.,“”\"'()（）\[\]【】]|(?<!\d)\d{1,4}(?!\d)", re.IGNORECASE
)
#: how folders are called that are no student's
_GENERIC = re.compile(
    r"(hw|home ?work|assignment|exercises?|class|section|group|lab|week|ch(ap(ter)?)?|submissions?|solutions?|"
    r"notebooks?|src|work|files?|作业|练习|习题|实验|第.{1,3}[章次周课节]|.*班)[\s_\-.]*\d*",
    re.IGNORECASE,
)
#: what Moodle and Canvas put behind a name
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_(?:assignsubmission_)?(?:file|onlinetext)_?")
_CANVAS = re.compile(r"(_LATE)?_(?P<id>\d+)_\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """A file that was handed in.

    Attributes:
        name: where it was seen.
        path: where it can be read; None if it cannot, and then `problem` says why.
        suffix: ".ipynb" or ".py".
        modified: when it was last changed, in seconds since 1970; of a file in a student's zip, the zip.
    """

    name: str
    path: Path | None
    suffix: str = ".ipynb"
    modified: float = 0.0
    problem: str | None = None


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one chapter: files that compete, the newest first.

    ``problem`` is "no_file", or that of the files if none can be read: "symlink", "unsafe_path", "too_large",
    "invalid_zip" or "unreadable".
    """

    student: str
    chapter: int
    files: tuple[File, ...] = ()
    problem: str | None = None

    def digest(self) -> str:
        """Of the files' bytes, and of their kinds; "unreadable" if one of them is gone by now."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(file.suffix.encode())
            try:
                with open_safely(file.path) as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
            except OSError:
                return "unreadable"
        return digest.hexdigest()


@dataclass
class Found:
    """Everything there is.

    Attributes:
        submissions: one for every student and chapter, sorted.
        unused: (student or "", name, reason) of what was seen and is not used.
        lost: students of whom something was seen and nothing can be graded.
        moodle: the numbers of students in Moodle, where names of folders have them.
    """

    submissions: list[Submission] = field(default_factory=list)
    unused: list[tuple[str, str, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    moodle: dict[str, str] = field(default_factory=dict)


def discover(
    root: Path,
    unpacked: Path,
    chapters: Sequence[int],
    roster: Iterable[str] = (),
    ignore: Path | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Found:
    """A submission for every student and chapter; those that were not handed in have the problem "no_file".

    Args:
        root: a folder, or a zip of one.
        unpacked: a folder in which zips are unpacked.
        chapters: which.
        roster: students who are to have rows in any case.
        ignore: a folder that is none of the submissions: that of the results.
        aliases: students by other names than in ``roster``, such as the numbers that platforms put into file names.

    Raises:
        FileNotFoundError: there is no ``root``.
        ValueError: ``root`` is neither a folder nor a zip that can be read.
    """
    names = [clean(name) for name in roster]
    students = dict.fromkeys(names)
    files: dict[tuple[str, int], list[File]] = defaultdict(list)
    found = Found()
    known = dict(aliases or {}) | {name: name for name in names}
    owned = list(_owned(list(entries_of(root, unpacked, ignore)), known, found.moodle))
    for student, entry in owned:
        students |= {student: None} if student else {}
        reason = None if entry.folder else _sort_in(student, entry, chapters, files)
        if reason:
            found.unused.append((student, entry.shown, reason))
    for student in sorted(students):
        found.submissions += [_submission(student, chapter, files, found.unused) for chapter in chapters]
    graded = {one.student for one in found.submissions if one.problem is None}
    seen = {student for student, _, _ in found.unused if student} | {student for student, _ in files}
    nobody = {
        name
        for student, name, reason in found.unused
        if reason == "no_student" or (not student and reason == "archive")
    }
    found.lost = sorted(seen - graded) + sorted(nobody)
    return found


def _sort_in(student: str, entry: Entry, chapters: Sequence[int], files: Mapping[tuple[str, int], list[File]]) -> str:
    """Put an entry where it belongs. Returns why that was nowhere, or ""."""
    suffix, name = _suffix(entry), entry.parts[-1]
    if entry.problem is None and suffix is None:
        return "archive" if _ARCHIVES.search(name) else "other_kind"
    if not student:
        return "no_student"
    named = chapter_of(name) or next((n for part in entry.parts[-2:0:-1] if (n := chapter_of(part))), 0)
    if entry.problem is not None and not named:
        meant: Iterable[int] = chapters if suffix is None else ()
    else:
        meant = [named] if chapter_of(name) else _by_content(entry.path) or ([named] if named else [])
    for chapter in meant:
        file = File(entry.shown, entry.path, suffix or ".ipynb", entry.modified, entry.problem)
        files[student, chapter].append(file)
    known = not meant or set(meant) & set(registry.CHAPTERS)
    return "" if meant and known else entry.problem or "no_exercise"


def _submission(
    student: str, chapter: int, files: Mapping[tuple[str, int], list[File]], unused: list[tuple[str, str, str]]
) -> Submission:
    order = sorted(files.get((student, chapter), ()), key=lambda f: (-f.modified, f.suffix != ".ipynb", f.name))
    good = [file for file in order if file.problem is None]
    if not good:
        return Submission(student, chapter, problem=order[0].problem if order else "no_file")
    unused += [(student, file.name, file.problem) for file in order if file.problem is not None]
    unused += [(student, file.name, "other_file") for file in good[MAX_FILES:]]
    return Submission(student, chapter, tuple(good[:MAX_FILES]))


# ------------------------------------------------------------------------------------------------------- what a file is


def _suffix(entry: Entry) -> str | None:
    """ ".ipynb" or ".py", also behind more endings (``ch1.ipynb.txt``); None for what is neither."""
    found = _SUFFIXES.search(entry.parts[-1])
    if found is None:
        return None
    endings = found[1].lower()
    if ".ipynb" in endings or ".json" in endings:
        return ".ipynb"
    if ".py" in endings:
        return ".py"
    return (".ipynb" if entry.begins_with(b"{") else ".py") if _by_content(entry.path) else None


def chapter_of(name: str) -> int:
    """The chapter that a name speaks of; 0 if none."""
    found = _CHAPTER.search(name)
    if found is None:
        return 0
    digits = found[1] or found[2]
    return _DIGITS.get(digits) or int(digits)


def _by_content(path: Path | None) -> list[int]:
    """The chapters whose exercises a file defines."""
    if path is None:
        return []
    home = {name: exercise.chapter for name, exercise in registry.exercises().items()}
    try:
        with open_safely(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            names = {name.decode("ascii", "replace") for name in re.findall(rb"\bdef\s+(\w{1,60})", data)}
    except (OSError, ValueError):  # an empty file cannot be mapped
        return []
    count = Counter(home[name] for name in names & home.keys())
    several = [chapter for chapter, n in count.items() if n > 1]
    return sorted(several) or [chapter for chapter, _ in count.most_common(1)]


# ------------------------------------------------------------------------------------------------------ whose a file is


def _owned(entries: Sequence[Entry], roster: Mapping[str, str], moodle: dict[str, str]) -> Iterator[tuple[str, Entry]]:
    """Each entry with its student, "" if nobody can say. Students' numbers in Moodle are put into ``moodle``."""
    yield from ((roster.get(clean(entry.owner), clean(entry.owner)), entry) for entry in entries if entry.owner)
    owned = list(_at_level([entry for entry in entries if not entry.owner], 0, roster))
    numbers: dict[str, set[str]] = defaultdict(set)
    for student, _ in owned:
        if found := _MOODLE.fullmatch(student):
            numbers[found["name"]].add(found["id"])
    for student, entry in owned:
        found, name = _MOODLE.fullmatch(student), student
        if found:
            name = found["name"] if len(numbers[found["name"]]) == 1 else f"{found['name']} {found['id']}"
            name = found["id"] if found["id"] in roster else name
        name = roster.get(clean(name), clean(name))
        if found:
            moodle[name] = found["id"]
        yield name, entry


def _at_level(entries: Sequence[Entry], depth: int, roster: Mapping[str, str]) -> Iterator[tuple[str, Entry]]:
    """Entries below one folder: those in folders of students, and those that bear a student's name."""
    folders: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if len(entry.parts) > depth + 1 or entry.folder:
            folders[_stem(entry.parts[depth])].append(entry)
        else:
            yield _owner(entry, roster), entry
    flat = any(len(entry.parts) == depth + 1 and _suffix(entry) for entry in entries)
    for name, inside in folders.items():
        if _is_around_a_class(name, inside, depth + 1, roster, len(folders) == 1 and not flat):
            yield from _at_level([entry for entry in inside if len(entry.parts) > depth + 1], depth + 1, roster)
        else:
            yield from ((clean(name), entry) for entry in inside)


def _is_around_a_class(name: str, inside: Sequence[Entry], depth: int, roster: Mapping[str, str], alone: bool) -> bool:
    """Whether a folder holds students rather than a student's files."""
    if clean(name) in roster or _MOODLE.fullmatch(name):
        return False
    below = {_stem(entry.parts[depth]) for entry in inside if len(entry.parts) > depth + 1}
    if any(clean(other) in roster or _MOODLE.fullmatch(other) for other in below):
        return True
    if not (alone or _GENERIC.fullmatch(name)):
        return False
    files = {_owner(entry, roster) for entry in inside if len(entry.parts) == depth + 1 and _suffix(entry)}
    if files:
        return "" not in files and len(files | below) > 1
    if any(not _GENERIC.fullmatch(other) for other in below):
        return True
    deeper: dict[str, list[Entry]] = {other: [] for other in below}
    for entry in (entry for entry in inside if len(entry.parts) > depth + 1):
        deeper[_stem(entry.parts[depth])].append(entry)
    return any(_is_around_a_class(other, ones, depth + 1, roster, len(below) == 1) for other, ones in deeper.items())


def _owner(entry: Entry, roster: Mapping[str, str]) -> str:
    """The student that a file's own name tells of: what stands before the chapter, or else behind it."""
    name = _stem(entry.parts[-1])
    if clean(name) in roster:
        return clean(name)
    if found := _CHAPTER.search(name):
        sides = (name[: found.start()], name[found.end() :])
        name = next((side for side in sides if _FILLER.sub("", side) or side[:2] == ".."), "")
        name = name.strip(" _-,“”\"'()（）")
        if (found := _CANVAS.search(name)) and found["id"] in roster:
            return found["id"]
        name = _CANVAS.sub("", name)
        return clean(name.strip(".") or name)  # dots alone are somebody's idea of a name
    if _suffix(entry) or _ARCHIVES.search(entry.parts[-1]) or entry.problem:
        return clean(name)
    return ""


def _stem(name: str) -> str:
    """A name without the endings of archives and of files with code."""
    return _SUFFIXES.sub("", _ARCHIVES.sub("", re.sub(r"\.zip$", "", name, flags=re.IGNORECASE)))
