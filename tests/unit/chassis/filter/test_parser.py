"""The filter language: precedence, values, limits, and that nothing but FilterError comes out."""

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.filter.parser import parse_filter
from chassis.filter.tree import (
    OPERATORS,
    And,
    Call,
    Expression,
    FilterError,
    Not,
    Or,
    Restriction,
    Search,
    Text,
)


def word(text: str) -> Search:
    return Search(Text(tuple(text.split("*"))))


def equal(path: str, value: str, operator: str = "=") -> Restriction:
    return Restriction(path, operator, Text((value,)))


A, B, C, D = (word(name) for name in "abcd")

TREES: list[tuple[str, Expression | None]] = [
    ("", None),
    (" \t\n", None),
    ("a", A),
    ("a b", And((A, B))),
    ("a b AND c", And((A, B, C))),
    ("a AND b OR c AND d", And((A, Or((B, C)), D))),
    ("a b OR c", And((A, Or((B, C))))),
    ("(a AND b) OR c", Or((And((A, B)), C))),
    ("(a)(b)", And((A, B))),
    ("NOT a", Not(A)),
    ("NOT(a OR b)", Not(Or((A, B)))),
    ("-a", Not(A)),
    ("-(a b)", Not(And((A, B)))),
    ('-"a"', Not(Search(Text(("a",), True)))),
    ("-state = LOST", Not(equal("state", "LOST"))),
    ("a=-5", equal("a", "-5")),
    ("amount>=1.5e3", equal("amount", "1.5e3", ">=")),
    ("amount.currency_code != CNY", equal("amount.currency_code", "CNY", "!=")),
    ("custom_fields.等级 : 高", equal("custom_fields.等级", "高", ":")),
    (
        "create_time>2026-01-01T08:30:00+08:00",
        equal("create_time", "2026-01-01T08:30:00+08:00", ">"),
    ),
    ("close_date = null", equal("close_date", "null")),
    ("x:*", Restriction("x", ":", Text(("", "")))),
    ('n = "a*b"', Restriction("n", "=", Text(("a", "b"), True))),
    (r'n = "a\*\"\\\n\t\r\'b"', Restriction("n", "=", Text(("a*\"\\\n\t\r'b",), True))),
    ("n = 'it\"s'", Restriction("n", "=", Text(('it"s',), True))),
    ("d > today()", Restriction("d", ">", Call("today"))),
    ("d > days_ago( 7 )", Restriction("d", ">", Call("days_ago", (Text(("7",)),)))),
    ('f = g(1, "b")', Restriction("f", "=", Call("g", (Text(("1",)), Text(("b",), True))))),
    ("Hello!", word("Hello!")),
    ("华为* 2026-01-01", And((word("华为*"), word("2026-01-01")))),
    ("and or not", And((word("and"), word("or"), word("not")))),
    ("android ORANGE", And((word("android"), word("ORANGE")))),
]


@pytest.mark.parametrize(("text", "tree"), TREES)
def test_parse_filter_gives_tree(text: str, tree: Expression | None) -> None:
    assert parse_filter(text) == tree


ERRORS: list[tuple[str, int, str]] = [
    ("a AND", 5, "expected a field, a word or '(', found the end"),
    ("AND a", 0, "found 'AND'"),
    ("a OR AND b", 5, "found 'AND'"),
    ("NOT NOT a", 4, "found 'NOT'"),
    ("--a", 1, "found '-a'"),
    ("- a", 0, "directly before"),
    ("a -", 3, "expected a field"),
    ("(a", 2, "expected ')', found the end"),
    ("()", 1, "expected a field"),
    ("a)", 1, "expected AND, OR or the end, found ')'"),
    ("a = ", 4, "expected a value, found the end"),
    ("a = OR", 4, "quote AND, OR and NOT"),
    ("a = = b", 4, "expected a value"),
    ("a = (b)", 4, "expected a value"),
    ("= b", 0, "expected a field"),
    ('"a" = b', 0, "not quoted"),
    ('a = "b', 4, "closing quote"),
    (r'a = "\q"', 5, "unknown escape '\\\\q'"),
    ("a, b", 1, "found ','"),
    ("f(a)", 0, "only after an operator"),
    ("a = f(b c)", 4, "',' or ')'"),
    ("a = f(b", 4, "',' or ')'"),
    ("a = f(b,)", 8, "expected an argument"),
    ("a = f(1,2,3,4,5)", 4, "more than 4 arguments"),
    ("a = b*" + "*" * 10, 4, "more than 10 wildcards"),
    ("ab\0", 2, "NUL"),
    ("ab\ud800", 2, "Unicode"),
    ("(" * 21 + "a" + ")" * 21, 20, "deeper than 20"),
    ("a " * 101, 200, "more than 100 restrictions"),
    ("a" * 4097, 4096, "longer than 4096"),
    ("x" * 60 + " = AND", 63, "value"),
    ("(a " + "x" * 60 + ",", 63, "','"),
]


@pytest.mark.parametrize(("text", "position", "message"), ERRORS)
def test_parse_filter_names_the_place(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    error = caught.value
    assert error.position == position
    assert message in str(error)
    assert error.reason == "FILTER_INVALID"
    assert error.metadata["position"] == str(position)
    assert error.fields[0][0] == "filter"


def test_error_cuts_what_the_caller_wrote() -> None:
    with pytest.raises(FilterError, match=r"found '-x{39}\.\.\.'"):
        parse_filter("--" + "x" * 1000)


def test_parse_filter_takes_all_limits_at_once() -> None:
    assert parse_filter("(" * 20 + "a " * 100 + ")" * 20) == And((A,) * 100)
    assert parse_filter("a" * 4096) == word("a" * 4096)


@pytest.mark.parametrize(
    "piece", ["(", "a ", '"', "\\", "-", "a=", "*", "!", "a.", "1:", " ", "'\\"]
)
def test_parse_filter_is_linear(piece: str) -> None:
    text = (piece * 4096)[:4096]
    start = time.process_time()
    for _ in range(5):
        try:
            parse_filter(text)
        except FilterError:
            continue
    assert time.process_time() - start < 0.5


def render_text(text: Text) -> str:
    escaped = (part.replace("\\", "\\\\").replace('"', '\\"') for part in text.parts)
    return '"' + "*".join(part.replace("*", "\\*") for part in escaped) + '"'


def render(node: Expression) -> str:
    if isinstance(node, Search):
        return render_text(node.text)
    if isinstance(node, Restriction):
        value = node.value
        if isinstance(value, Text):
            return f"{node.path} {node.operator} {render_text(value)}"
        arguments = ", ".join(render_text(argument) for argument in value.arguments)
        return f"{node.path}{node.operator}{value.name}({arguments})"
    if isinstance(node, Not):
        return f"NOT ({render(node.term)})"
    joiner = " AND " if isinstance(node, And) else " OR "
    return joiner.join(f"({render(term)})" for term in node.terms)


characters = st.characters(exclude_characters="\0", codec="utf-8")
texts = st.lists(st.text(characters, max_size=6), min_size=1, max_size=3).map(
    lambda parts: Text(tuple(parts), True)
)
names = st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?", fullmatch=True)
calls = st.builds(Call, names, st.lists(texts, max_size=3).map(tuple))
leaves = st.builds(Search, texts) | st.builds(
    Restriction, names, st.sampled_from(OPERATORS), texts | calls
)


def groups(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    terms = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, children) | st.builds(And, terms) | st.builds(Or, terms)


@settings(max_examples=500, deadline=None)
@given(st.recursive(leaves, groups, max_leaves=10))
def test_rendered_trees_parse_back(tree: Expression) -> None:
    text = render(tree)
    if len(text) <= 4096 and "(" * 20 not in text:
        assert parse_filter(text) == tree


WORDS = ["AND", "OR", "NOT", "a", "a.b", "1", "2026-01-01", "华", "null", "today()", "x" * 100]
MARKS = [*"()=<:\"'\\*,!.-", "!=", "f(", " ", "  ", "\n", "\0", "\ud800"]
PIECES = WORDS + MARKS


def check(text: str) -> None:
    try:
        parse_filter(text)
    except FilterError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017  # most texts raise nothing


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60), st.integers(1, 200))
def test_any_text_parses_or_raises_filter_error(piece: str, times: int) -> None:
    check((piece * times)[:4096])


@settings(max_examples=500, deadline=None)
@given(st.integers())
def test_any_mix_of_tokens_parses_or_raises_filter_error(seed: int) -> None:
    """Twenty mixes an example: drawing them one by one would cost ten times as much."""
    generator = Random(seed)
    for _ in range(20):
        vocabulary = generator.sample(PIECES, generator.randint(1, len(PIECES)))
        count = generator.choice((5, 20, 300))
        check("".join(generator.choices(vocabulary, k=count))[:4096])
