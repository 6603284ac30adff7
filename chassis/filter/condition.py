"""Compiles a filter to a SQLAlchemy Core condition, so that SQL is cached by shape.

NULL as users mean it: `!=` is IS DISTINCT FROM, NOT is IS NOT TRUE; `<` never matches NULL.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, func, literal_column, null, or_, true

from chassis.filter.fields import FieldKind, FilterField, bind
from chassis.filter.tree import (
    And,
    Call,
    Expression,
    FilterError,
    Not,
    Restriction,
    Search,
    Text,
    shown,
)
from chassis.filter.values import FilterContext, FilterValue, value_of

_EQUALITY = ("=", "!=", ":")
_ORDER = ("=", "!=", ":", "<", "<=", ">", ">=")
_OPERATORS: Mapping[FieldKind, tuple[str, ...]] = {
    FieldKind.BOOLEAN: _EQUALITY,
    FieldKind.UUID: _EQUALITY,
    FieldKind.ID: _EQUALITY,
    FieldKind.ENUM: _EQUALITY,
    FieldKind.TEXT_LIST: (":",),
}


@dataclass(frozen=True, slots=True)
class Sought:
    """What to bind for a word; a `frequent` one is better sought from record to record."""

    values: tuple[FilterValue, ...]
    frequent: bool = False


@dataclass(frozen=True, slots=True)
class FilterSearch:
    """How a resource searches: what to bind for a word, in all fields or in the one with that key
    (None when nothing can be searched for), and the condition over parameters so named, `walked`
    when it is to be tested from record to record.

    The condition must follow from the number of values alone, never from the word. `keys` are the
    fields in which `:` is such a search.
    """

    keys: frozenset[str]
    find: Callable[[str, str], Sought | None]
    expression: Callable[[tuple[str, ...], bool], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class ConditionShape:
    """One condition on one column; `test` is an operator or a word that _Builder knows."""

    key: str
    kind: FieldKind
    test: str


@dataclass(frozen=True, slots=True)
class SearchShape:
    values: int
    frequent: bool


@dataclass(frozen=True, slots=True)
class GroupShape:
    joined_by: str  # AND, OR, or NOT of a single term
    terms: tuple["Shape", ...]


Shape = ConditionShape | SearchShape | GroupShape | None


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A checked filter: the key to cache its SQL by, and the values of f0, f1, ... to bind."""

    shape: Shape
    values: Mapping[str, FilterValue]
    columns: Mapping[str, FilterField] = field(repr=False, compare=False)
    search: FilterSearch | None = field(repr=False, compare=False)

    @property
    def frequent(self) -> bool:
        """Whether words are sought that many records have."""
        return _is_frequent(self.shape)

    def expression(self, *, walked: bool = False) -> ColumnElement[bool]:
        """The condition, with bind parameters only; needed once per shape. When `walked`, frequent
        words are tested from record to record.
        """
        return _Builder(self, walked).build(self.shape)

    def about(self, columns: Collection[ColumnElement[object]]) -> list[ColumnElement[bool]]:
        """Those of the ANDed terms that look at these columns only."""
        builder = _Builder(self, walked=False)
        built = [(self._keys(term), builder.build(term)) for term in self._terms]
        return [one for keys, one in built if keys and keys <= self._named(columns)]

    def decided(self, columns: Collection[ColumnElement[object]]) -> bool:
        """Whether these columns decide it but for words that many records have."""
        named = self._named(columns)
        return all(_is_frequent(term) or self._keys(term) <= named for term in self._terms if term)

    def parts(self) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
        """The same condition in two parts that are ANDed: without frequent words, and with them."""
        builder = _Builder(self, walked=True)
        parts: tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]] = ([], [])
        for term in self._terms:
            parts[_is_frequent(term)].append(builder.build(term))
        return parts

    @property
    def _terms(self) -> tuple[Shape, ...]:
        shape = self.shape
        is_and = isinstance(shape, GroupShape) and shape.joined_by == "AND"
        return shape.terms if isinstance(shape, GroupShape) and is_and else (shape,)

    def _keys(self, shape: Shape) -> frozenset[str]:
        """The fields that a term looks at; a search looks at "", which is none."""
        if isinstance(shape, GroupShape):
            return frozenset().union(*(self._keys(term) for term in shape.terms))
        return frozenset({shape.key if isinstance(shape, ConditionShape) else ""})

    def _named(self, columns: Collection[ColumnElement[object]]) -> frozenset[str]:
        return frozenset(key for key, one in self.columns.items() if one.column in set(columns))


def compile_filter(
    tree: Expression | None,
    fields: Mapping[str, FilterField],
    context: FilterContext,
    search: FilterSearch | None = None,
) -> CompiledFilter:
    """Checks a parsed filter against the declared fields; raises FilterError."""
    checker = _Checker(fields, context, search)
    shape = None if tree is None else checker.shape(tree)
    return CompiledFilter(shape, checker.values, checker.columns, search)


def _is_frequent(shape: Shape) -> bool:
    if isinstance(shape, GroupShape):
        return any(_is_frequent(term) for term in shape.terms)
    return isinstance(shape, SearchShape) and shape.frequent


class _Checker:
    """Walks the tree once, in order of appearance, gathering values."""

    def __init__(
        self,
        fields: Mapping[str, FilterField],
        context: FilterContext,
        search: FilterSearch | None,
    ) -> None:
        self._fields = fields
        self._context = context
        self._search = search
        self.values: dict[str, FilterValue] = {}
        self.columns: dict[str, FilterField] = {}

    def shape(self, node: Expression) -> Shape:
        if isinstance(node, Restriction):
            return self._restriction(node)
        if isinstance(node, Search):
            return self._word(node)
        if isinstance(node, Not):
            return GroupShape("NOT", (self.shape(node.term),))
        joined_by = "AND" if isinstance(node, And) else "OR"
        return GroupShape(joined_by, tuple(self.shape(term) for term in node.terms))

    def _add(self, value: FilterValue) -> None:
        self.values[f"f{len(self.values)}"] = value

    def _word(self, node: Search) -> Shape:
        if self._search is None:
            raise FilterError("search is not available for this resource", node.position)
        return self._sought(self._search, node.text, "", node.position)

    def _sought(self, search: FilterSearch, text: Text, key: str, position: int) -> Shape:
        words = [part for part in text.parts if part.strip()]
        if len(words) != 1:
            raise FilterError("a search takes one word, with * at its ends only", position)
        found = search.find(words[0], key)
        if found is None:
            raise FilterError("a search takes a letter or a digit at least", position)
        for value in found.values:
            self._add(value)
        return SearchShape(len(found.values), found.frequent)

    def _restriction(self, node: Restriction) -> Shape:
        declared = self._fields.get(node.path)
        if declared is None:
            allowed = ", ".join(sorted(self._fields))
            message = f"unknown field {shown(node.path)}; allowed are {allowed}"
            raise FilterError(message, node.position)
        search, value = self._search, node.value
        searched = search is not None and declared.key in search.keys and node.operator == ":"
        if search and searched and isinstance(value, Text) and _null_test(node) is None:
            return self._sought(search, value, declared.key, value.position)
        self.columns[declared.key] = declared
        return ConditionShape(declared.key, declared.kind, self._test(declared, node))

    def _test(self, declared: FilterField, node: Restriction) -> str:
        if (test := _null_test(node)) is not None:
            return test
        value, operator = node.value, node.operator
        allowed = _OPERATORS.get(declared.kind, _ORDER)
        if operator not in allowed:
            message = f"{declared.name} ({declared.kind}) does not take {operator}"
            raise FilterError(f"{message}; allowed are {' '.join(allowed)}", node.position)
        if declared.kind is FieldKind.TEXT and isinstance(value, Text):
            return self._text_test(operator, value)
        self._add(value_of(declared, value, self._context))
        return "=" if operator == ":" and declared.kind is not FieldKind.TEXT_LIST else operator

    def _text_test(self, operator: str, value: Text) -> str:
        if operator == ":":
            self._add(f"%{_like_pattern(value)}%")
            return "contains"
        if value.plain is not None:
            self._add(value.plain)
            return operator
        if operator not in ("=", "!="):
            raise FilterError(f"a wildcard does not go with {operator}", value.position)
        self._add(_like_pattern(value))
        return "like" if operator == "=" else "not like"


def _null_test(node: Restriction) -> str | None:
    """Bare `null` after = and !=, and a bare `*` after `:` (presence), go with every kind."""
    if isinstance(node.value, Call) or node.value.quoted:
        return None
    if node.operator == ":":
        return "present" if node.value.parts == ("", "") else None
    null_tests = {"=": "null", "!=": "not null"}
    return null_tests.get(node.operator) if node.value.plain == "null" else None


def _like_pattern(value: Text) -> str:
    escaped = (
        part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for part in value.parts
    )
    return "%".join(escaped)


Bind = ColumnElement[object]
_TESTS: Mapping[str, Callable[[ColumnElement[object], Bind], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column.is_distinct_from(value),
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    # The second part is what the partial index on tags asks for; no list without elements has one.
    ":": lambda column, value: and_(
        column.bool_op("@>")(value), func.cardinality(column) > literal_column("0")
    ),
    "like": lambda column, value: column.like(value),
    "not like": lambda column, value: column.like(value).is_not(true()),
    "contains": lambda column, value: column.ilike(value),
}


class _Builder:
    """Builds the condition of a shape; parameters are numbered in order of appearance."""

    def __init__(self, compiled: CompiledFilter, walked: bool) -> None:
        self._compiled = compiled
        self._walked = walked
        self._names = iter(compiled.values)

    def build(self, shape: Shape) -> ColumnElement[bool]:
        if isinstance(shape, ConditionShape):
            return self._test(shape)
        if isinstance(shape, GroupShape):
            terms = [self.build(term) for term in shape.terms]
            if shape.joined_by == "NOT":
                return terms[0].is_not(true())
            return and_(*terms) if shape.joined_by == "AND" else or_(*terms)
        if isinstance(shape, SearchShape) and self._compiled.search is not None:
            names = tuple(next(self._names) for _ in range(shape.values))
            return self._compiled.search.expression(names, shape.frequent and self._walked)
        return true()

    def _test(self, shape: ConditionShape) -> ColumnElement[bool]:
        column = self._compiled.columns[shape.key].column
        if shape.test == "null":
            return column.is_(null())
        if shape.test == "present" and shape.kind is FieldKind.TEXT_LIST:
            return func.cardinality(column) > literal_column("0")
        if shape.test in ("present", "not null"):
            return column.is_not(null())
        return _TESTS[shape.test](column, bind(next(self._names), shape.kind))
