"""Takes functions by name from what a learner handed in, whatever happened to the cells around them.

Runs inside the sandbox: parsing a stranger's source is work for a process that may die of it.
"""

from __future__ import annotations
import __future__

import ast
import hashlib
import json
import linecache
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

MAX_SOURCE = 4 * 2**20  # characters of code in a submission
MAX_CELLS = 20_000

# What IPython would not hand to Python; cells of other languages are left out whole.
_PYTHON_CELLS = {"time", "timeit", "capture", "prun", "python", "python3", "skip"}
_MAGIC = re.compile(r"^(\s*)(?:[%!]|\?\w|(?:[\w.]+\s*(?:,\s*[\w.]+\s*)*=\s*[%!])|[\w.\[\]]+\?{1,2}\s*$)")
_DEFINITION = re.compile(r"^(?:async\s+)?def\s+(\w+)", re.MULTILINE)


class Unreadable(ValueError):
    """What was handed in is no notebook; the message is one of the statuses that grades.csv knows."""


@dataclass(frozen=True)
class Statement:
    """A statement of the top level, the cell that it stands in, and the names that it gives and uses."""

    cell: int
    node: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]


@dataclass(frozen=True)
class Source:
    """A submission as statements.

    Attributes:
        cells: the Python source of each cell.
        statements: in the order of the cells.
        broken: for each name of a function in a cell that cannot be parsed, what is wrong with the cell.
    """

    cells: tuple[str, ...]
    statements: tuple[Statement, ...]
    broken: dict[str, str]

    def definition(self, name: str) -> Statement | None:
        """What gives the function `name`: the last one that is not the stub, or else another statement that binds it.

        An import is no definition: whoever imports the library's function has not written it. Nor is a statement that
        makes a function from itself, such as ``f = or_reference(f)``.
        """
        found = [s for s in self.statements if isinstance(s.node, ast.FunctionDef) and s.node.name == name]
        done = [s for s in found if not is_stub(s.node)]
        binding = (ast.Assign, ast.AnnAssign, ast.If, ast.Try, ast.With)
        others = [s for s in self.statements if isinstance(s.node, binding) and name in s.binds - s.uses]
        return (done or others or found or [None])[-1]


def read_cells(data: bytes, suffix: str) -> list[str]:
    """The code cells of a notebook (``.ipynb``) or a script (``.py``).

    Raises:
        Unreadable: "invalid_notebook", "no_code", or "too_large".
    """
    if suffix == ".py":
        cells = re.split(r"^# ?%%.*$", _decode(data), flags=re.MULTILINE)
    else:
        try:
            cells = list(_notebook_cells(json.loads(_decode(data))))
        except (ValueError, RecursionError):
            raise Unreadable("invalid_notebook") from None
    cells = [cell for cell in cells if cell.strip()]
    if not cells:
        raise Unreadable("no_code")
    if len(cells) > MAX_CELLS or sum(map(len, cells)) > MAX_SOURCE:
        raise Unreadable("too_large")
    return cells


def _decode(data: bytes) -> str:
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


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
            yield "".join(line for line in lines if type(line) is str)


def parse(cells: Sequence[str], script: bool = False) -> Source:
    """Statements of all cells that can be parsed. A script whose cell cannot is parsed definition by definition."""
    statements: list[Statement] = []
    broken: dict[str, str] = {}
    kept = []
    for cell in cells:
        for part in _parseable(cell, script):
            tree, text, problem = _parse(part)
            if tree is None:
                broken |= {name: problem for name in _DEFINITION.findall(part)}
                continue
            kept.append(text)
            statements += [_statement(len(kept) - 1, node) for node in tree.body]
    return Source(tuple(kept), tuple(statements), broken)


def _parseable(cell: str, script: bool) -> list[str]:
    if not script or _parse(cell)[0] is not None:
        return [cell]
    return re.split(r"^(?=(?:async def|def|class|@|import|from)\b|@)", cell, flags=re.MULTILINE)


def _parse(cell: str) -> tuple[ast.Module | None, str, str]:
    """The tree and the source it is of, or None and what is wrong."""
    problem = ""
    for text in (cell, _without_magics(cell)):
        try:
            return ast.parse(text), text, ""
        except SyntaxError as error:
            problem = f"SyntaxError: {error.msg}" + (f" (line {error.lineno})" if error.lineno else "")
        except (ValueError, RecursionError, MemoryError) as error:
            problem = type(error).__name__
    return None, "", problem


def _without_magics(cell: str) -> str:
    first = re.match(r"\s*%%(\w+)", cell)
    if first and first[1] not in _PYTHON_CELLS:
        return ""
    return "\n".join(_MAGIC.sub(r"\1pass  # \g<0>", line) if _MAGIC.match(line) else line for line in cell.split("\n"))


def _statement(cell: int, node: ast.stmt) -> Statement:
    binds, uses = set(), set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            (uses if isinstance(part.ctx, ast.Load) else binds).add(part.id)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            binds |= {"*" if alias.name == "*" else (alias.asname or alias.name).split(".")[0] for alias in part.names}
        elif isinstance(part, ast.arg):
            binds.add(part.arg)
        elif isinstance(part, (ast.Subscript, ast.Attribute)) and not isinstance(part.ctx, ast.Load):
            binds |= {_base(part)} - {None}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        uses -= binds  # what is bound inside is local
        binds = {node.name}
    elif isinstance(node, ast.ClassDef):
        binds = {node.name}
    elif isinstance(node, ast.Expr):
        binds = set()
    else:  # `if`, `try`, `with` and loops may define functions
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        binds |= {part.name for part in ast.walk(node) if isinstance(part, defined)}
    return Statement(cell, node, frozenset(binds), frozenset(uses))


def _base(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def is_stub(function: ast.FunctionDef) -> bool:
    """Whether its body, docstring aside, is ``raise NotImplementedError``, ``pass`` or ``...``."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if not body:
        return True
    if len(body) > 1:
        return False
    node = body[0]
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...
    )


def needed(source: Source, target: Statement) -> list[Statement]:
    """The statements that `target` needs, and those that they need, in the order of the submission; `target` last.

    Of a function that is defined several times only the version that counts is kept; calls that stand alone, such as
    plots, trainings and checks, are not needed by anything.
    """
    chosen, names, seen = {id(target): target}, set(target.uses), set(target.binds)
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        function = source.definition(name)
        for statement in source.statements:
            if name not in statement.binds and "*" not in statement.binds:
                continue
            if isinstance(statement.node, ast.FunctionDef) and function is not None and statement is not function:
                continue
            if id(statement) not in chosen:
                chosen[id(statement)] = statement
                names |= statement.uses | statement.binds
    order = {id(statement): i for i, statement in enumerate(source.statements)}
    return sorted(chosen.values(), key=lambda s: (s is target, order[id(s)]))


def build(source: Source, name: str) -> Any:
    """The function `name`, in a module of what it needs. A statement that fails is left out: it may not matter.

    Raises:
        LookupError: there is no such function; "syntax_error: …" if it stands in a cell that cannot be parsed.
        BaseException: what the definition itself raised.
    """
    target = source.definition(name)
    if target is None:
        raise LookupError(f"syntax_error: {source.broken[name]}" if name in source.broken else "missing")
    module = ModuleType("submission")
    for statement in needed(source, target):
        filename = f"<cell {statement.cell + 1}>"
        text = source.cells[statement.cell]
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        tree = ast.Module([statement.node], [])
        code = compile(tree, filename, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
        try:
            exec(code, module.__dict__)
        except Exception:  # an import that is not there, a file that is not there
            if statement is target:
                raise
    return module.__dict__[name]


def inspect(source: Source, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What there is of each function, without running anything.

    Returns:
        For each name: ``status`` ("there", "not_done", "missing" or "syntax_error"), ``problem``, and ``fingerprint``
        and ``size`` of the normalised tree of it and its helpers.
    """
    found = {}
    for name in names:
        target = source.definition(name)
        if target is None:
            status = "syntax_error" if name in source.broken else "missing"
            found[name] = {"status": status, "problem": source.broken.get(name, ""), "fingerprint": "", "size": 0}
        elif isinstance(target.node, ast.FunctionDef) and is_stub(target.node):
            found[name] = {"status": "not_done", "problem": "", "fingerprint": "", "size": 0}
        else:
            kinds = (ast.FunctionDef, ast.ClassDef)
            nodes = [s.node for s in needed(source, target) if s is target or isinstance(s.node, kinds)]
            digest, size = fingerprint(nodes)
            found[name] = {"status": "there", "problem": "", "fingerprint": digest, "size": size}
    return found


def fingerprint(nodes: Sequence[ast.stmt]) -> tuple[str, int]:
    """A digest that ignores layout, comments, docstrings, annotations and the names given; and how many nodes."""
    copy = ast.parse("\n".join(map(ast.unparse, nodes)))
    shared = {node.name: f"given{i}" for i, node in enumerate(copy.body) if hasattr(node, "name")}
    for statement in copy.body:
        _anonymise(statement, shared)
    size = sum(1 for _ in ast.walk(copy))
    return hashlib.sha256(ast.dump(copy).encode()).hexdigest()[:16], size


def _anonymise(statement: ast.stmt, shared: dict[str, str]) -> None:
    """Number the names that a statement gives, in their order, and take out what does not run."""
    defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    own = dict(shared)
    for node in ast.walk(statement):
        if isinstance(node, ast.arg):
            node.annotation = None
            own.setdefault(node.arg, f"name{len(own)}")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.setdefault(node.id, f"name{len(own)}")
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, defining):
            own.setdefault(node.name, f"name{len(own)}")
            if ast.get_docstring(node, False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            if not isinstance(node, ast.ClassDef):
                node.returns = None
    for node in ast.walk(statement):
        for field in ("id", "arg", "name"):
            if getattr(node, field, None) in own:
                setattr(node, field, own[getattr(node, field)])
