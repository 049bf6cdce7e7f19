"""Reads what was handed in: its cells, what they define and use. Runs nothing of it.

Works inside the sandbox: parsing a stranger's source is work for a process that may die of it.
"""

import ast
import builtins
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

MAX_SOURCE = 4 * 2**20  # characters of code in a submission
MAX_CELLS = 20_000

_MARK = re.compile(r"^# ?%%.*$|^# In ?\[[ \d]*\]:.*$", re.MULTILINE)  # of jupytext, and of nbconvert
_BLOCK = re.compile(r"^(?=(?:async def|def|class|import|from)\b)", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async\s+)?def\s+(\w+)", re.MULTILINE)
_TIMED = re.compile(r"\A\s*%%(?:time|capture)\b.*\n")
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)


class Unreadable(ValueError):
    """What was handed in is no notebook; the message is one of the statuses that grades.csv knows."""


def read(data: bytes, suffix: str) -> tuple[list[str], str]:
    """The code cells of a notebook (``.ipynb``) or a script (``.py``), and the Python that a notebook says it ran on.

    Raises:
        Unreadable: "invalid_notebook", "no_code", or "too_large".
    """
    python = ""
    if suffix == ".py":
        cells = _script_cells(_decode(data))
    else:
        try:
            notebook = json.loads(_decode(data))
            cells = list(_notebook_cells(notebook))
        except (ValueError, RecursionError):
            raise Unreadable("invalid_notebook") from None
        python = _python_of(notebook)
    cells = [cell for cell in cells if cell.strip()]
    if not cells:
        raise Unreadable("no_code")
    if len(cells) > MAX_CELLS or sum(map(len, cells)) > MAX_SOURCE:
        raise Unreadable("too_large")
    return cells, python


def _decode(data: bytes) -> str:
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _script_cells(text: str) -> list[str]:
    """The parts between cell marks; of a script without any, its statements: one that fails costs only itself."""
    if _MARK.search(text):
        return _MARK.split(text)
    try:
        starts = {min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) for node in _parse(text)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _BLOCK.split(text)
    lines = text.splitlines(keepends=True)
    edges = [0, *(start - 1 for start in sorted(starts)[1:]), len(lines)]
    return ["".join(lines[begin:end]) for begin, end in itertools.pairwise(edges)]


def _notebook_cells(notebook: Any) -> Iterator[str]:
    """Of nbformat 4, and of 3, where cells lie in worksheets. Whatever is not as it should be is passed over."""
    if type(notebook) is not dict:
        raise Unreadable("invalid_notebook")
    sheets = notebook.get("worksheets") if type(notebook.get("worksheets")) is list else [notebook]
    if not any(type(sheet) is dict and type(sheet.get("cells")) is list for sheet in sheets):
        raise Unreadable("invalid_notebook")
    for sheet in sheets:
        for cell in sheet.get("cells", []) if type(sheet) is dict else []:
            if type(cell) is not dict or cell.get("cell_type") != "code":
                continue
            source = cell.get("source", cell.get("input", ""))
            lines = source if type(source) is list else [source]
            yield "".join(line for line in lines if type(line) is str).replace("\r\n", "\n")


def _python_of(notebook: dict) -> str:
    for key in ("metadata", "language_info", "version"):
        notebook = notebook.get(key) if type(notebook) is dict else None
    return notebook if type(notebook) is str and re.fullmatch(r"3\.\d{1,2}(\.\d{1,3})?", notebook) else ""


# ------------------------------------------------------------------------------------------------- what it consists of


@cache
def _transformer():
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager()


def _parse(cell: str) -> list[ast.stmt]:
    """The statements of a cell, magics and shell lines turned into calls as IPython does it."""
    return ast.parse(_transformer().transform_cell(_TIMED.sub("", cell))).body


def outline(cells: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """What there is, without running anything.

    Returns:
        ``found``: for each of `names` its ``cell`` (that defines it last, or -1), whether it is ``written`` (and not
        the stub as handed out), ``problem`` (of a cell that cannot be parsed), and ``fingerprint`` and ``size`` of the
        normalised tree of it and its helpers.
        ``binds``: for each cell the names that it gives.
        ``linked``: for each cell whether anything in it may change what the functions `names` do.
        ``reference``: whether the course's own answers are imported.
    """
    parsed: list[list[ast.stmt]] = []
    problems: dict[str, str] = {}
    for cell in cells:
        try:
            parsed.append(_parse(cell))
        except SyntaxError as error:
            parsed.append([])
            said = f"SyntaxError: {error.msg}" + (f" (line {error.lineno})" if error.lineno else "")
            problems |= dict.fromkeys(_DEFINITION.findall(cell), said)
        except (ValueError, RecursionError, MemoryError) as error:
            parsed.append([])
            problems |= dict.fromkeys(_DEFINITION.findall(cell), type(error).__name__)
    binds = [set().union(*map(_binds, statements)) for statements in parsed]
    definitions = {node.name: node for statements in parsed for node in statements if isinstance(node, _DEFINES)}
    found = {}
    for name in names:
        cell = max((i for i, given in enumerate(binds) if name in given), default=-1)
        node = definitions.get(name)
        digest, size = fingerprint(_with_helpers(node, definitions)) if node is not None else ("", 0)
        written = cell >= 0 and not (isinstance(node, ast.FunctionDef) and is_stub(node))
        problem = problems.get(name, "")
        found[name] = {"cell": cell, "written": written, "problem": problem, "fingerprint": digest, "size": size}
    return {
        "found": found,
        "binds": [sorted(given)[:200] for given in binds],
        "linked": _linked(parsed, names),
        "reference": any(_takes_reference(node) for statements in parsed for node in statements),
    }


def _binds(statement: ast.stmt) -> set[str]:
    """The names that a statement of the top level gives, in the notebook's own scope."""
    if isinstance(statement, _DEFINES):
        return {statement.name}
    given: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, _DEFINES):
            given.add(node.name)
        elif isinstance(node, _IMPORTS):
            given |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given.add(node.id)
    return given


def _uses(statement: ast.stmt) -> set[str]:
    """The names of the notebook's scope that a statement mentions; of a function, without its own."""
    own: set[str] = set()
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        shared = {name for node in ast.walk(statement) if isinstance(node, ast.Global) for name in node.names}
        own = {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
        own |= {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        own -= shared
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} - own - set(dir(builtins))


def _linked(parsed: Sequence[Sequence[ast.stmt]], names: Iterable[str]) -> list[bool]:
    """Whether a cell has a statement that gives, or mentions and so may change, what the functions are made of."""
    changes = [
        [(_binds(s) if isinstance(s, (*_DEFINES, *_IMPORTS)) else _binds(s) | _uses(s), s) for s in statements]
        for statements in parsed
    ]
    imported = {name for group in changes for given, s in group if isinstance(s, _IMPORTS) for name in given}
    needed, before = set(names), -1
    while len(needed) > before:
        before = len(needed)
        for group in changes:
            for given, statement in group:
                if given & needed:
                    needed |= _uses(statement) - imported
    return [any(given & needed for given, _ in group) for group in changes]


def _takes_reference(statement: ast.stmt) -> bool:
    """Whether something in it imports the course's own answers, or names the module that holds them."""
    for node in ast.walk(statement):
        taken = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("her_course"):
            taken = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            taken = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute):
            taken = [ast.unparse(node)] if node.attr == "reference" else []
        elif isinstance(node, ast.Constant) and type(node.value) is str:
            taken = [node.value]
        if any(re.match(r"her_course(\.checks)?\.(exercises|reference)\b", name) for name in taken):
            return True
    return False


def is_stub(function: ast.FunctionDef) -> bool:
    """Whether its body, docstring aside, is ``raise NotImplementedError``, ``pass`` or ``...``."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if len(body) != 1:
        return not body
    node = body[0]
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and ast.unparse(node) == "...")


# --------------------------------------------------------------------------------------------------------- fingerprints


def fingerprints(source: str, names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Of the functions that a script has, by name."""
    found = outline(_script_cells(source), list(names))["found"]
    return {name: (one["fingerprint"], one["size"]) for name, one in found.items() if one["fingerprint"]}


def _with_helpers(target: ast.stmt, definitions: dict[str, ast.stmt]) -> list[ast.stmt]:
    """A definition and those that it mentions, and so on, in a fixed order."""
    chosen, waiting = {target.name: target}, [target]
    while waiting:
        mentioned = {node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)}
        for name in sorted(mentioned & definitions.keys() - chosen.keys()):
            chosen[name] = definitions[name]
            waiting.append(definitions[name])
    return list(chosen.values())


def fingerprint(nodes: Sequence[ast.stmt]) -> tuple[str, int]:
    """A digest that ignores layout, comments, docstrings, annotations and the names given; and how many nodes."""
    try:
        copy = ast.parse("\n".join(map(ast.unparse, nodes)))
        shared = {node.name: f"given{i}" for i, node in enumerate(copy.body) if hasattr(node, "name")}
        for statement in copy.body:
            _anonymise(statement, shared)
        size = sum(1 for _ in ast.walk(copy))
        return hashlib.sha256(ast.dump(copy).encode()).hexdigest()[:16], size
    except (RecursionError, MemoryError, ValueError):  # a sum of thousands of terms, which is like nobody else's
        return "", 0


def _anonymise(statement: ast.stmt, shared: dict[str, str]) -> None:
    """Number the names that a statement gives, in their order, and take out what does not run."""
    own = dict(shared)
    for node in ast.walk(statement):
        if isinstance(node, ast.arg):
            node.annotation = None
            own.setdefault(node.arg, f"name{len(own)}")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.setdefault(node.id, f"name{len(own)}")
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, _DEFINES):
            own.setdefault(node.name, f"name{len(own)}")
            if ast.get_docstring(node, False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            if not isinstance(node, ast.ClassDef):
                node.returns = None
    for node in ast.walk(statement):
        for field in ("id", "arg", "name"):
            if getattr(node, field, None) in own:
                setattr(node, field, own[getattr(node, field)])
