"""The measures behind the tidy checks find what they look for."""

import ast
import re
import textwrap

import pytest

from tests.tidy import measure, test_tidy
from tests.tidy.sources import Source

DEEP = """
def deep(self, a, *, b, c=1):
    \"\"\"Say what.

    More.
    \"\"\"
    for x in a:
        if x:
            while b:
                with c:
                    pass
        elif b:
            pass
        elif c:
            pass

    # a comment
    def inner():
        if a:
            pass
"""


def function(text: str) -> measure.Function:
    """The first function of a text."""
    return next(measure.functions(ast.parse(textwrap.dedent(text))))


def test_shape_is_measured() -> None:
    deep = function(DEEP)
    assert measure.length(deep) == 19
    assert measure.arguments(deep) == 3
    assert measure.branches(deep) == 5
    assert measure.nesting(deep) == 4


def test_elif_is_no_deeper_than_if() -> None:
    assert measure.nesting(function("def f():\n if a: pass\n elif b: pass\n else: pass")) == 1
    assert measure.nesting(function("def f():\n if a: pass\n else:\n  x\n  if b: pass")) == 2


def test_code_lines_leave_out_comments_and_docstrings() -> None:
    assert measure.code_lines(DEEP, ast.parse(DEEP)) == 13


def test_ancestry_counts_only_our_classes() -> None:
    text = "class A(Exception): ...\nclass B(A): ...\nclass C(errors.B): ...\nclass D[T](C): ..."
    classes = measure.bases([ast.parse(text.replace("[T]", ""))])
    assert [measure.ancestry(name, classes) for name in "ABCD"] == [0, 1, 2, 3]


def test_imports_are_absolute_names() -> None:
    tree = ast.parse("import a.b\nfrom c import d as e")
    assert measure.imports(tree) == {"a.b", "c.d"}


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("x: Any = 1", True),
        ("x: Any = 1  # the driver returns rows of any shape", False),
        ("x: typing.Any = 1", True),
        ("x = cast(int, y)", True),
        ("import x  # type: " + "ignore[import-untyped]", True),
        ("import x  # type: " + "ignore[import-untyped]  # ships no types at all", False),
        ("x = 1  # no" + "qa: E501", True),
        ("x = 1  # no" + "qa: E501  (a table reads better wide)", False),
        ("from typing import Any", False),
    ],
)
def test_escapes_are_found(line: str, refused: bool) -> None:
    assert bool(test_tidy.unexplained(Source("example.py", line))) is refused


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        (test_tidy.UNFINISHED, "# TO" + "DO later", True),
        (test_tidy.UNFINISHED, "todo_list = []", False),
        (test_tidy.MACHINE_PATHS, 'path = "/ho' + 'me/me/x"', True),
        (test_tidy.MACHINE_PATHS, "https://example.com/home/x", False),
        (test_tidy.MACHINE_PATHS, "services/wo" + "rk/x", False),
        (test_tidy.PACKAGE_HOSTS, "https://py" + "pi.o" + "rg/simple", True),
        (test_tidy.PACKAGE_HOSTS, "--no-emit-index" + "-url", False),
        (test_tidy.BANNER, "# ----------", True),
        (test_tidy.BANNER, "# why this is so", False),
        (test_tidy.STAR, "SELECT" + " * FROM lead", True),
    ],
)
def test_patterns_find_lines(pattern: re.Pattern[str], line: str, found: bool) -> None:
    assert bool(test_tidy.matches(pattern, Source("example.py", line))) is found
