"""System calls that are refused, for what namespaces do not cover: seccomp(2) on Linux, nothing elsewhere."""

import ctypes
import errno
import platform
import socket
import struct
import sys
from collections.abc import Sequence

#: by processor: its number in the audit interface, and those of the calls
_NUMBERS = {
    "x86_64": (
        0xC000003E,
        {"socket": 41, "kill": 62, "add_key": 248, "request_key": 249, "keyctl": 250, "io_uring": 425},
    ),
    "aarch64": (
        0xC00000B7,
        {"socket": 198, "kill": 129, "add_key": 217, "request_key": 218, "keyctl": 219, "io_uring": 425},
    ),
}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x50000
_CALL, _PROCESSOR, _FIRST_ARGUMENT = 0, 4, 16  # where a filter finds them
_NETLINK = 16  # of the network namespace; names of interfaces are asked for there


def confine() -> None:
    """No kernel keyrings, no io_uring, and of sockets only those that a network namespace holds: not AF_VSOCK."""
    processor, numbers = _NUMBERS.get(platform.machine(), (0, {}))
    program = [(_LOAD, 0, 0, _PROCESSOR), (_EQUAL, 1, 0, processor), _error(errno.EPERM), (_LOAD, 0, 0, _CALL)]
    program += [(_AT_LEAST, 0, 1, 0x40000000), _error(errno.EPERM)]  # the same calls by another interface
    for name in ("add_key", "request_key", "keyctl", "io_uring"):
        program += [(_EQUAL, 0, 1, numbers.get(name, -1)), _error(errno.EPERM)]
    program += [(_EQUAL, 1, 0, numbers.get("socket", -1)), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, _NETLINK):
        program += [(_EQUAL, 0, 1, int(family)), (_RETURN, 0, 0, _ALLOW)]
    _install([*program, _error(errno.EAFNOSUPPORT)])


def protect(process: int) -> None:
    """From now on this process cannot signal `process`, nor all at once: as if it were not there."""
    _, numbers = _NUMBERS.get(platform.machine(), (0, {}))
    program = [(_LOAD, 0, 0, _CALL), (_EQUAL, 1, 0, numbers.get("kill", -1)), (_RETURN, 0, 0, _ALLOW)]
    program += [(_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for number in (process, -process, -1):
        program += [(_EQUAL, 0, 1, number % 2**32), _error(errno.ESRCH)]
    _install([*program, (_RETURN, 0, 0, _ALLOW)])


def _error(number: int) -> tuple[int, int, int, int]:
    return _RETURN, 0, 0, _ERROR | number


def _install(program: Sequence[tuple[int, int, int, int]]) -> None:
    """Needs PR_SET_NO_NEW_PRIVS."""
    if sys.platform != "linux" or platform.machine() not in _NUMBERS:
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))
    description = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    ctypes.CDLL(None).prctl(22, ctypes.c_ulong(2), description, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
