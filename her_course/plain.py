"""Values that may cross from a learner's function to the judge: plain data of bounded size, and nothing that can act.

A value is *plain* if it is made of exactly these types: None, bool, int, float, complex, str, bytes, list, tuple, dict
(keys: str or int), set and frozenset (of str or int), range (which arrives as a list); numpy arrays and scalars of
booleans and numbers; torch tensors and parameters; the course's own `Transition`, `Episode` and
`GoalSelectionStrategy`; and numpy's default `Generator`, with its state. Subclasses are refused, but for those of tuple
and dict, such as named tuples and `defaultdict`, which arrive as what they hold. Functions cross by name, if they are
`named`.

Whoever compares such a value runs only Python's, numpy's and torch's operators: an object that claims to equal
everything, or that computes its contents when asked, is refused by `encode` and cannot be made by `decode`.

>>> normalise({"rewards": np.array([0.0, -1.0])})
{'rewards': array([ 0., -1.])}
>>> normalise([1.0, object()])
Traceback (most recent call last):
her_course.plain.NotPlain: value[1]: a value of type object
"""

import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from her.episodes import Episode, Transition
from her.goals import GoalSelectionStrategy
from her_course.exercises.saying import FIELDS

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 24
MAX_ITEMS = 500_000
MAX_INT_BITS = 1000  # below the largest float, so that comparing an int with one raises nothing
MAX_DIMENSIONS = 16

_DTYPES = {code.encode(): np.dtype(code) for code in "?bBhHiIlLqQefdFD"}
_SCALARS = {dtype.type for dtype in _DTYPES.values()}

_functions: dict[str, Callable] = {}


class NotPlain(TypeError):
    """A value that may not cross.

    Attributes:
        kind: "type" (of the value or of the elements of an array), "size" (too many bytes or items, or too large an
            int), "depth" (nested too deeply, or containing itself).
        where: the place in the value, as in ``"value[3]['goal']"``.
        what: in a few English words.
    """

    def __init__(self, kind: str, where: str, what: str):
        super().__init__(f"{where}: {what}")
        self.kind, self.where, self.what = kind, where, what


class Malformed(ValueError):
    """Bytes that `encode` did not write."""


def named(function: Callable, name: str | None = None) -> Callable:
    """Let `function` cross, by `name` (its own by default); the other process must have named one alike.

    Raises:
        ValueError: the name belongs to another function.
    """
    name = name or function.__name__
    if _functions.setdefault(name, function) is not function:
        raise ValueError(f"name: another function is called {name!r} already")
    return function


def normalise(value: Any) -> Any:
    """A copy of `value` that shares nothing with it; what the judge sees, in a notebook and in grading alike.

    Raises:
        NotPlain: it is not plain.
    """
    return decode(encode(value))


def encode(value: Any, limit: int = MAX_BYTES) -> bytes:
    """`value` as at most `limit` bytes, without calling anything that belongs to it.

    Raises:
        NotPlain: it is not plain.
    """
    writer = _Writer(limit)
    try:
        writer.write(value, "value", 0)
    except RecursionError:
        raise NotPlain("depth", "value", "nested too deeply") from None
    return bytes(writer.bytes)


def decode(data: bytes) -> Any:
    """The value that `encode` was given, made anew. The bytes may be anybody's.

    Raises:
        Malformed: `encode` wrote no such bytes.
    """
    if len(data) > MAX_BYTES:
        raise Malformed(f"data: at most {MAX_BYTES} bytes, got {len(data)}")
    reader = _Reader(data)
    try:
        value = reader.read(0)
    except Malformed:
        raise
    except (ValueError, TypeError, OverflowError, KeyError, IndexError, struct.error, RuntimeError) as error:
        raise Malformed(f"data: {type(error).__name__} at byte {reader.at}") from None
    if reader.at != len(data):
        raise Malformed(f"data: {len(data) - reader.at} bytes too many")
    return value


# ---------------------------------------------------------------------------------------------------- the format
# A tag of one byte, and a count of eight: of the bytes that follow, or of the values, one after the other.
_HEAD = struct.Struct("<cQ")
_ARRAY = struct.Struct("<cB")  # an array begins with its dtype and the number of its dimensions

#: by type: a tag, what makes bytes of a value, and what makes a value of bytes
_ATOMS: dict[type, tuple[bytes, Callable, Callable]] = {
    type(None): (b"n", lambda value: b"", lambda data: None),
    bool: (b"t", lambda value: b"1" if value else b"", lambda data: len(data) > 0),
    int: (
        b"i",
        lambda value: value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True),
        lambda data: int.from_bytes(data, "little", signed=True),
    ),
    float: (b"d", struct.Struct("<d").pack, lambda data: struct.unpack("<d", data)[0]),
    str: (b"s", lambda value: value.encode("utf-8", "replace"), lambda data: str(data, "utf-8")),
    bytes: (b"b", bytes, bytes),
}


class _Writer:
    def __init__(self, limit: int):
        self.bytes, self.limit, self.items = bytearray(), limit, 0

    def write(self, value: Any, where: str, depth: int) -> None:
        kind = type(value)
        self.items += 1
        if depth > MAX_DEPTH:
            raise NotPlain("depth", where, f"nested more than {MAX_DEPTH} deep")
        if self.items > MAX_ITEMS:
            raise NotPlain("size", where, f"more than {MAX_ITEMS} items")
        if kind is int and value.bit_length() > MAX_INT_BITS:
            raise NotPlain("size", where, f"an int of {value.bit_length()} bits")
        if kind in _ATOMS:
            tag, pack, _ = _ATOMS[kind]
            return self._put(where, tag, pack(value))
        if kind is np.ndarray or kind in _SCALARS:
            return self._put(where, b"a" if kind is np.ndarray else b"g", self._array(np.asarray(value), where))
        tag, parts = self._parts(value, kind, where)
        self._put(where, tag, count=len(parts))
        for label, part in parts:
            self.write(part, where + label, depth + 1)

    def _put(self, where: str, tag: bytes, content: bytes = b"", count: int | None = None) -> None:
        if len(self.bytes) + _HEAD.size + len(content) > self.limit:
            raise NotPlain("size", where, f"more than {self.limit / 2**20:.0f} MB")
        self.bytes += _HEAD.pack(tag, len(content) if count is None else count) + content

    def _parts(self, value: Any, kind: type, where: str) -> tuple[bytes, list[tuple[str, Any]]]:
        """The tag of a value that consists of others; these, and where each is to be found in it."""
        if kind is list or issubclass(kind, tuple):
            base, tag = (list, b"l") if kind is list else (tuple, b"u")  # whose methods are not the learner's
            self._length(base.__len__(value), where)
            return tag, [(f"[{i}]", item) for i, item in enumerate(base.__iter__(value))]
        if kind is range:
            self._length((value.stop - value.start) // value.step, where)  # the length itself may be too large for len
            return b"l", [("", item) for item in value]
        if issubclass(kind, dict):
            self._length(dict.__len__(value), where)
            pairs = [(self._key(key, where), f"[{key!r:.40}]", item) for key, item in dict.items(value)]
            return b"m", [part for key, label, item in pairs for part in (("", key), (label, item))]
        if kind is set or kind is frozenset:
            self._length(len(value), where)
            return b"e" if kind is set else b"z", [("", self._key(item, where)) for item in value]
        if kind is complex:
            return b"c", [("", value.real), ("", value.imag)]
        torch = sys.modules.get("torch")  # where it was never imported, there are no tensors
        if torch and kind in (torch.Tensor, torch.nn.Parameter):
            return self._tensor(value, where)
        if kind in FIELDS:
            parts = [(f".{name}", getattr(value, name, None)) for name in FIELDS[kind]]
            return b"T" if kind is Transition else b"E", parts
        if kind is GoalSelectionStrategy:
            return b"S", [("", value.value)]
        if kind is np.random.Generator:
            return self._generator(value, where)
        if name := next((name for name, function in _functions.items() if function is value), None):
            return b"F", [("", name)]
        raise NotPlain("type", where, f"a value of type {kind.__name__}")

    def _length(self, length: int, where: str) -> None:
        if length > self.limit:
            raise NotPlain("size", where, f"a length of {length}")

    def _key(self, key: Any, where: str) -> str | int:
        if isinstance(key, np.integer) and type(key) in _SCALARS:
            key = int(key)
        if not _is_key(key):
            raise NotPlain("type", where, f"a key of type {type(key).__name__}")
        return key

    def _array(self, array: np.ndarray, where: str) -> bytes:
        native = array.dtype.newbyteorder("=")
        if native.char.encode() not in _DTYPES:
            raise NotPlain("type", where, f"an array of dtype {array.dtype}")
        if array.nbytes > self.limit:
            raise NotPlain("size", where, f"an array of {array.nbytes / 2**20:.0f} MB")
        if array.ndim > MAX_DIMENSIONS or any(n > MAX_BYTES for n in array.shape):
            raise NotPlain("size", where, f"an array of shape {array.shape}")
        head = _ARRAY.pack(native.char.encode(), array.ndim) + struct.pack(f"<{array.ndim}Q", *array.shape)
        return head + array.astype(native, copy=False).tobytes()

    def _tensor(self, tensor: Any, where: str) -> tuple[bytes, list[tuple[str, Any]]]:
        import torch

        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise NotPlain("type", where, "a tensor that is not dense, or not in main memory")
        if tensor.numel() * tensor.element_size() > self.limit:  # before anything is copied: it may be expanded
            raise NotPlain("size", where, f"a tensor of shape {tuple(tensor.shape)}")
        data = tensor.detach().resolve_conj().resolve_neg()
        data = data.float() if data.dtype is torch.bfloat16 else data
        try:
            array = data.numpy()
        except TypeError:
            raise NotPlain("type", where, f"a tensor of dtype {tensor.dtype}") from None
        return b"p", [("", type(tensor) is torch.nn.Parameter), ("", bool(tensor.requires_grad)), ("", array)]

    def _generator(self, rng: np.random.Generator, where: str) -> tuple[bytes, list[tuple[str, Any]]]:
        if type(rng.bit_generator) is not np.random.PCG64:
            raise NotPlain("type", where, f"a generator of kind {type(rng.bit_generator).__name__}")
        state = rng.bit_generator.state
        numbers = [state["state"]["state"], state["state"]["inc"], state["has_uint32"], state["uinteger"]]
        return b"R", [("", number) for number in numbers]


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at, self.items = memoryview(data), 0, 0

    def take(self, n: int) -> memoryview:
        if not 0 <= n <= len(self.data) - self.at:
            raise Malformed(f"data: {n} bytes expected at byte {self.at}, which are not there")
        self.at += n
        return self.data[self.at - n : self.at]

    def read(self, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH + 1 or self.items > MAX_ITEMS:
            raise Malformed("data: too deep, or too many items")
        tag, count = _HEAD.unpack(self.take(_HEAD.size))
        if count > MAX_BYTES:  # which no message has; of items, each takes more than a byte
            raise Malformed(f"data: a length of {count}")
        if tag in _UNPACK:
            value = _UNPACK[tag](self.take(count))
            return value if type(value) is not int or value.bit_length() <= MAX_INT_BITS else _refuse("an int")
        make = _MAKE.get(tag) or _refuse(f"tag {tag!r}")
        return make(*[self.read(depth + 1) for _ in range(count)])


def _refuse(what: str) -> Any:
    raise Malformed(f"data: {what} is not well made")


def _exactly(value: Any, kind: type) -> Any:
    return value if type(value) is kind else _refuse(f"a {kind.__name__}")


def _keys(*keys: Any) -> tuple[str | int, ...]:
    return keys if all(map(_is_key, keys)) else _refuse("a key")


def _tensor(is_parameter: Any, requires_grad: Any, array: Any) -> Any:
    import torch

    tensor = torch.from_numpy(_exactly(array, np.ndarray))
    if _exactly(is_parameter, bool):
        return torch.nn.Parameter(tensor, requires_grad=_exactly(requires_grad, bool))
    return tensor.requires_grad_(_exactly(requires_grad, bool))


def _array(data: memoryview) -> np.ndarray:
    code, dimensions = _ARRAY.unpack_from(data)
    shape = struct.unpack_from(f"<{dimensions}Q", data, _ARRAY.size)
    if dimensions > MAX_DIMENSIONS or any(n > MAX_BYTES for n in shape):
        _refuse("a shape")
    dtype, numbers = _DTYPES[code], data[_ARRAY.size + 8 * dimensions :]
    array = np.frombuffer(numbers, np.uint8 if dtype.kind == "b" else dtype)
    return array.astype(dtype).reshape(shape)  # to bool: one that is neither 0 nor 1 would obey no rule


def _episode(*values: Any) -> Episode:
    fields = {name: _exactly(value, np.ndarray) for name, value in zip(FIELDS[Episode], values, strict=True)}
    goal, goals = fields.pop("goal"), fields.pop("goals")
    episode = Episode.from_arrays(**fields, goal=goals)
    if goal.shape != episode.goal.shape:
        _refuse("an episode")
    episode.goal = goal.astype(np.float32)
    return episode


def _generator(*numbers: Any) -> np.random.Generator:
    if len(numbers) != 4 or any(type(n) is not int or not 0 <= n < 2**128 for n in numbers):
        _refuse("a generator")
    bits = np.random.PCG64(0)
    state, inc, has_uint32, uinteger = numbers
    left = {"has_uint32": has_uint32 & 1, "uinteger": uinteger & 0xFFFFFFFF}
    bits.state = {"bit_generator": "PCG64", "state": {"state": state, "inc": inc}} | left
    return np.random.Generator(bits)


#: by tag, what makes a value of bytes
_UNPACK = {tag: unpack for tag, _, unpack in _ATOMS.values()} | {
    b"a": _array,
    b"g": lambda data: _array(data).reshape(())[()],
}
#: by tag, what makes a value of those that it consists of
_MAKE: dict[bytes, Callable] = {
    b"l": lambda *items: list(items),
    b"u": lambda *items: items,
    b"m": lambda *items: dict(zip(_keys(*items[::2]), items[1::2], strict=True)),
    b"e": lambda *items: set(_keys(*items)),
    b"z": lambda *items: frozenset(_keys(*items)),
    b"c": lambda real, imag: complex(_exactly(real, float), _exactly(imag, float)),
    b"p": _tensor,
    b"T": Transition,
    b"E": _episode,
    b"S": lambda name: GoalSelectionStrategy(_exactly(name, str)),
    b"R": _generator,
    b"F": lambda name: _functions[_exactly(name, str)],
}


def _is_key(key: Any) -> bool:
    """Whether it can be a key. Larger ints may be chosen to have one hash, and a dict of them would take minutes."""
    return type(key) is str or (type(key) is int and abs(key) < 2**60)
