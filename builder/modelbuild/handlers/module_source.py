"""A Python module as its syntax tree says it: what it defines and what it imports. It is never executed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelbuild.errors import HandlerError
from modelbuild.handlers.annotations import Field, fields_of, names_in

MAX_SIZE = 1 << 22
LONGEST_LINE = 200


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method. ``required`` and ``positional`` count arguments without a method's ``self``.
    ``annotated`` are the names in the annotation of each positional argument.
    """

    name: str
    line: int
    required: int
    positional: int
    variadic: bool
    kind: str  # "def", "async" or "generator"
    annotated: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Class:
    """A class: the last parts of its bases' names, its own methods, and what would be fields of a record."""

    name: str
    line: int
    bases: tuple[str, ...]
    methods: tuple[Function, ...]
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module. ``names`` are what is taken from it, any of which may be a submodule.

    ``needed`` is false where the code goes on without it: in ``except ImportError`` and ``if TYPE_CHECKING``.
    """

    module: str
    level: int
    names: tuple[str, ...]
    line: int
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Module:
    """One file. ``names`` is everything bound at its top level."""

    path: Path
    text: str
    functions: tuple[Function, ...]
    classes: tuple[Class, ...]
    names: frozenset[str]
    imports: tuple[Import, ...]

    def function(self, name: str) -> Function | None:
        """The function of that name that is in force."""
        return next((function for function in reversed(self.functions) if function.name == name), None)


def read_module(path: Path) -> Module:
    """Parse a file.

    Raises:
        HandlerError: it cannot be read or parsed.
    """
    try:
        tree, text = _parse(path)
        top = tuple(_top_level(tree.body))
        return Module(
            path,
            text,
            tuple(_function(node) for node in top if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)),
            tuple(_class(node) for node in top if isinstance(node, ast.ClassDef)),
            frozenset(name for node in top for name in _bound(node)),
            tuple(dict.fromkeys(_imports(tree.body, needed=True))),
        )
    except (RecursionError, MemoryError) as error:
        raise HandlerError(f"{path} cannot be parsed: it is nested too deeply.") from error


def _parse(path: Path) -> tuple[ast.Module, str]:
    try:
        data = path.read_bytes()
        if len(data) > MAX_SIZE:
            raise HandlerError(f"{path} has {len(data) >> 20} MiB: that is no handler.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # An invalid escape sequence is the author's business.
            tree = ast.parse(data, str(path))
    except OSError as error:
        raise HandlerError(f"{path} cannot be read: {error.strerror or error}.") from error
    except SyntaxError as error:
        line = (error.text or "").rstrip()
        where = f", line {error.lineno}" if error.lineno else ""
        offset = max(0, (error.offset or 1) - 1)
        details = f"{line}\n{' ' * offset}^" if line and max(len(line), offset) < LONGEST_LINE else ""
        raise HandlerError(f"{path}{where}: {error.msg}.", hint="Correct the syntax.", details=details) from error
    except ValueError as error:
        raise HandlerError(f"{path} cannot be parsed: {error}.") from error
    return tree, data.decode("utf-8", errors="replace")


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run on import, those in conditions and ``try`` included."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _top_level(getattr(node, name, []))
        for handler in getattr(node, "handlers", []):
            yield from _top_level(handler.body)


def _bound(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.Assign(targets=targets):
            yield from (item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            yield name


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool = False) -> Function:
    arguments = node.args
    # The server passes the request's parameters to a parameter of this name, by keyword.
    given = [*arguments.posonlyargs, *arguments.args]
    positional = [item for item in given if item.arg != "parameters"]
    defaulted = [item for item in given[len(given) - len(arguments.defaults) :] if item.arg != "parameters"]
    extra = 1 if bound and positional else 0
    kind = "async" if isinstance(node, ast.AsyncFunctionDef) else "generator" if _yields(node) else "def"
    return Function(
        node.name,
        node.lineno,
        len(positional) - len(defaulted) - extra,
        len(positional) - extra,
        arguments.vararg is not None,
        kind,
        tuple(names_in(item.annotation) for item in positional),
    )


def _yields(node: ast.AST) -> bool:
    """Whether it is a generator: a ``yield`` of its own, not of a function inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Yield | ast.YieldFrom):
            return True
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef)
        if not inner and _yields(child):
            return True
    return False


def _class(node: ast.ClassDef) -> Class:
    methods = tuple(
        _function(item, bound=not _is_static(item))
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    bases = tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases)
    return Class(node.name, node.lineno, bases, methods, fields_of(node))


def _is_static(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in node.decorator_list)


def _imports(body: list[ast.stmt], *, needed: bool) -> Iterator[Import]:
    """Every import, also inside functions, and those by a literal name."""
    for node in body:
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, 0, (), node.lineno, needed) for alias in names)
            case ast.ImportFrom(module=module, level=level, names=names):
                yield Import(module or "", level, tuple(alias.name for alias in names), node.lineno, needed)
            case ast.Try(body=inner, handlers=handlers, orelse=orelse, finalbody=final):
                yield from _imports([*inner, *orelse, *final], needed=needed)
                for handler in handlers:
                    yield from _imports(handler.body, needed=needed and not _catches_import_error(handler))
            case ast.If(test=test, body=inner, orelse=orelse):
                yield from _calls(test, needed)
                yield from _imports(inner, needed=needed and "TYPE_CHECKING" not in ast.unparse(test))
                yield from _imports(orelse, needed=needed)
            case _:
                yield from _nested_imports(node, needed)


def _nested_imports(node: ast.stmt, needed: bool) -> Iterator[Import]:
    inner: list[ast.stmt] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            inner.append(child)
        elif isinstance(child, ast.expr):
            yield from _calls(child, needed)
        else:  # an item of ``with``, a case of ``match``
            inner += [item for item in ast.walk(child) if isinstance(item, ast.stmt)]
    yield from _imports(inner, needed=needed)


def _calls(expression: ast.expr, needed: bool) -> Iterator[Import]:
    for node in ast.walk(expression):
        match node:
            case ast.Call(func=ast.Name(id="__import__" | "import_module"), args=[ast.Constant(value=str(name))]):
                yield Import(name, 0, (), node.lineno, needed)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name))]):
                yield Import(name, 0, (), node.lineno, needed)


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "Exception"
    return any(name in caught for name in ("ImportError", "ModuleNotFoundError", "Exception"))
