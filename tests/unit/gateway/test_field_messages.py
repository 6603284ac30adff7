"""What the code says of single fields is said in Chinese too."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import chain

import pytest

from deploy.local.settings import ROOT
from services.gateway.catalogue import CHINESE
from services.gateway.field_messages import field_message

# Beside pairs of a field and a message: whatever these say is said of a field.
OF_FIELDS = (
    "chassis/custom_fields/values.py",
    "chassis/custom_fields/record.py",
    "chassis/imports/mapping.py",
)


def _text(node: ast.expr) -> str:
    """A literal text; what is filled in stands as 1."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(one.value) if isinstance(one, ast.Constant) else "1" for one in node.values
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _said(tree: ast.Module, *, everywhere: bool) -> Iterator[str]:
    alone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    documentation = {id(one) for one in alone}
    for node in ast.walk(tree):
        pair = isinstance(node, ast.Tuple) and len(node.elts) == 2
        for one in ast.iter_child_nodes(node) if pair or everywhere else ():
            part = isinstance(node, ast.JoinedStr) or id(one) in documentation
            text = "" if part or not isinstance(one, ast.expr) else _text(one)
            if text[:1].isupper() and " " in text and text.endswith("."):
                yield text


@cache
def _all_said() -> set[str]:
    files = chain((ROOT / "chassis").rglob("*.py"), (ROOT / "services").rglob("*.py"))
    return {
        text
        for file in files
        if file.parent.name != "gateway"
        for text in _said(
            ast.parse(file.read_text()), everywhere=str(file.relative_to(ROOT)) in OF_FIELDS
        )
    }


@pytest.mark.parametrize("message", sorted(_all_said()))
def test_it_is_said_in_chinese(message: str) -> None:
    said = field_message(message, CHINESE)
    assert said != message
    assert field_message(message, "en") == message


def test_enough_is_found() -> None:
    assert len(_all_said()) > 50
