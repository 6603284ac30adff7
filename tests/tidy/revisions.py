"""What a migration does that the previous version, which runs beside it, would notice."""

import ast
import re
from collections.abc import Iterator

# A revision that takes something away says which release's code had stopped using it.
EXCUSE = "UNUSED_SINCE"
TAKES = "takes away what the previous version uses"
LOCKS = "stops writers while it works: postgresql_concurrently, postgresql_not_valid"
HARMLESS = frozenset(
    {"create_table", "create_table_comment", "bulk_insert", "f", "get_context", "get_bind"}
)
TAKING = frozenset({"drop_table", "drop_column", "rename_table"})
# What must be said of a step for it to let writers go on.
GENTLY = {
    "create_index": "postgresql_concurrently",
    "drop_index": "postgresql_concurrently",
    "create_check_constraint": "postgresql_not_valid",
    "create_foreign_key": "postgresql_not_valid",
}
SQL = {
    r"\bDROP (TABLE|COLUMN|SCHEMA|VIEW|TYPE|FUNCTION)\b": TAKES,
    r"\bALTER TABLE\b.*\b(RENAME|TYPE|SET NOT NULL|DROP)\b": TAKES,
    r"\b(CREATE|CREATE UNIQUE|DROP) INDEX (?!CONCURRENTLY\b)": LOCKS,
    r"\b(LOCK TABLE|TRUNCATE|VACUUM FULL|CLUSTER)\b": LOCKS,
    r"\bREINDEX (?!.*CONCURRENTLY\b)": LOCKS,
}


def problems(source: str) -> list[str]:
    """One line for each step of a revision that may not be there, with its line number."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    steps = [(_step(call), call) for call in calls if _step(call)]
    new = {_text(call.args[0]) for name, call in steps if name == "create_table"}
    excused = {TAKES} if unused_since(source) else set()
    return [
        f"line {call.lineno}: {name} {why}"
        for name, call in steps
        for why in _wrong(name, call, new)
        if why not in excused
    ]


def unused_since(source: str) -> str:
    """The release that the revision names, or ""."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == EXCUSE:
            return str(ast.literal_eval(node.value))
    return ""


def _wrong(name: str, call: ast.Call, new: set[str]) -> Iterator[str]:
    given = {one.arg: one.value for one in call.keywords}
    tables = {_text(one) for one in (*call.args[:3], *given.values())}
    if name == "execute":
        sql = " ".join(_text(call).upper().split())
        yield from {why for pattern, why in SQL.items() if re.search(pattern, sql)}
    elif name in GENTLY:
        if not tables & new and not _true(given.get(GENTLY[name])):
            yield LOCKS
    elif (
        name in TAKING
        or (name == "alter_column" and _narrows(given))
        or (name == "drop_constraint" and _text(given.get("type_")) != "check")
        or (name == "add_column" and not tables & new and _demands(call.args[1]))
    ):
        yield TAKES
    elif name not in HARMLESS | {"alter_column", "drop_constraint", "add_column"}:
        yield "is a step that the rules of tests/tidy/revisions.py do not know"


def _step(call: ast.Call) -> str:
    """The name of an operation of Alembic, "" for another call."""
    function = call.func
    ours = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "op"
    return function.attr if isinstance(function, ast.Attribute) and ours else ""


def _narrows(given: dict[str | None, ast.expr]) -> bool:
    nullable = given.get("nullable")
    demands = isinstance(nullable, ast.Constant) and nullable.value is False
    return demands or bool({"type_", "new_column_name"} & given.keys())


def _demands(column: ast.expr) -> bool:
    """Whether a new column must be given by those who do not know it."""
    given = {one.arg: one.value for one in getattr(column, "keywords", [])}
    nullable = given.get("nullable")
    required = isinstance(nullable, ast.Constant) and nullable.value is False
    return required and "server_default" not in given


def _true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _text(node: ast.AST | None) -> str:
    """All literal text in an expression; what is filled in is a word in between."""
    if node is None:
        return ""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.Constant) else "x" for one in node.values]
        return "".join(map(str, parts))
    return " ".join(filter(None, (_text(one) for one in ast.iter_child_nodes(node))))
