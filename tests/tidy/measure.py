"""Measures of a syntax tree: lengths, arguments, branches, nesting, inheritance, imports."""

import ast
import io
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

Function = ast.FunctionDef | ast.AsyncFunctionDef
Measure = Callable[[Function], int]
LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)
BLOCKS: Final = (ast.If, *LOOPS, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)
DECISIONS: Final = (ast.If, *LOOPS, ast.ExceptHandler, ast.match_case)
SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def functions(tree: ast.AST) -> Iterator[Function]:
    """All functions and methods, inner ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: Function) -> int:
    """Lines from `def` to the end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def arguments(function: Function) -> int:
    """Arguments a caller gives: neither self nor cls."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def branches(function: Function) -> int:
    """Decisions of the function itself: if, loops, except, match cases."""
    return sum(isinstance(node, DECISIONS) for node in _own(function))


def nesting(function: Function) -> int:
    """How deep blocks stand in each other; an elif is no deeper than its if."""
    return _depth(function.body)


def _depth(body: Iterable[ast.AST]) -> int:
    return max((_depth_of(node) for node in body), default=0)


def _depth_of(node: ast.AST) -> int:
    if isinstance(node, SCOPES):
        return 0
    if not isinstance(node, BLOCKS):
        return _depth(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        return max(1 + _depth(node.body), _depth_of(node.orelse[0]))
    return 1 + _depth(ast.iter_child_nodes(node))


def _own(function: Function) -> Iterator[ast.AST]:
    """Nodes of a function without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, SCOPES):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def code_lines(text: str, tree: ast.Module) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet and token.string:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstring_lines(tree))


def docstring_lines(tree: ast.Module) -> set[int]:
    """The lines of all docstrings."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def comments(text: str) -> dict[int, str]:
    """Comments by line."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def uses_of(tree: ast.Module, names: frozenset[str]) -> dict[int, str]:
    """Lines on which one of the names is used, imports aside."""
    found: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            found[node.lineno] = node.id
        if isinstance(node, ast.Attribute) and node.attr in names and _is_typing(node.value):
            found[node.lineno] = node.attr
    return found


def _is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in {"t", "typing"}


def calls_of(tree: ast.Module, method: str) -> list[int]:
    """Lines that call `something.method(...)`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    ]


def imports(tree: ast.Module) -> set[str]:
    """Absolute names of imported modules; `from a import b` counts as a.b."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def bases(trees: Iterable[ast.Module]) -> dict[str, tuple[str, ...]]:
    """Base class names by class name over all modules."""
    return {
        node.name: tuple(_last_name(base) for base in node.bases)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def ancestry(name: str, classes: Mapping[str, tuple[str, ...]]) -> int:
    """How many classes of our own stand above this one in its longest line."""
    above = [base for base in classes.get(name, ()) if base in classes and base != name]
    return max((1 + ancestry(base, classes) for base in above), default=0)


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
