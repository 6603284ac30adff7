"""The order of a list and the condition for "rows after this position" (keyset paging).

NULLs come last in both directions; ties are broken by the id, in the direction of the last term.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, null, or_, tuple_

from chassis.errors import InvalidArgument
from chassis.filter.fields import FieldKind, Ties, bind
from chassis.filter.tree import shown

ORDER_FIELDS_MAX = 5
ORDER_LENGTH_MAX = 1024

KeyValue = str | int | Decimal | bool | date | datetime | UUID | None


class OrderError(InvalidArgument):
    """An order_by the caller must correct; `position` is the offset in characters, from 0."""

    def __init__(self, message: str, position: int) -> None:
        text = f"{message}, at offset {position} of order_by"
        super().__init__(
            "ORDER_INVALID",
            text,
            metadata={"problem": message, "position": str(position)},
            fields=(("order_by", text),),
        )
        self.position = position


@dataclass(frozen=True, slots=True)
class OrderField:
    """One orderable field; the rest as in FilterField; not `nullable` allows faster paging. One
    that is kept beside the record too is read within the record by `inside`.
    """

    name: str
    column: ColumnElement[object]
    kind: FieldKind
    nullable: bool = True
    identity: str = ""
    ties: Ties = ()
    inside: "OrderField | None" = None


@dataclass(frozen=True, slots=True)
class OrderTerm:
    field: OrderField
    descending: bool = False

    @property
    def expression(self) -> ColumnElement[object]:
        """The ORDER BY term; NULLS LAST only where it changes anything, for plain indexes' sake."""
        if not self.descending:
            return self.field.column.asc()
        term = self.field.column.desc()
        return term.nulls_last() if self.field.nullable else term


@dataclass(frozen=True, slots=True)
class Position:
    """Rows after a row: a condition over k0, k1, ...; its SQL text depends on `shape` alone."""

    order: "Order"
    keys: tuple[KeyValue, ...]

    @property
    def shape(self) -> tuple[str, tuple[bool, ...]]:
        """Hashable: the order and which keys are NULL."""
        return self.order.text, tuple(key is None for key in self.keys)

    @property
    def values(self) -> dict[str, KeyValue]:
        """The parameters to bind; a NULL key has none."""
        return {f"k{i}": key for i, key in enumerate(self.keys) if key is not None}

    def expression(self) -> ColumnElement[bool]:
        """A row comparison where all columns are NOT NULL and one way, else the expanded form."""
        terms = self.order.terms
        plain = not any(term.field.nullable for term in terms) and None not in self.keys
        if plain and len({term.descending for term in terms}) == 1:
            return self._row_comparison()
        last = len(terms) - 1
        expression = self._beyond(last)
        for index in reversed(range(last)):
            expression = self._after(index, expression)
        return expression

    def _row_comparison(self) -> ColumnElement[bool]:
        terms = self.order.terms
        binds = [bind(f"k{index}", term.field.kind) for index, term in enumerate(terms)]
        columns = [term.field.column for term in terms]
        if len(terms) == 1:
            return columns[0] < binds[0] if terms[0].descending else columns[0] > binds[0]
        left, right = tuple_(*columns), tuple_(*binds)
        return left < right if terms[0].descending else left > right

    def _beyond(self, index: int) -> ColumnElement[bool]:
        """Strictly later in this term, whatever the others say; nothing is later than NULL."""
        term = self.order.terms[index]
        column, value = term.field.column, bind(f"k{index}", term.field.kind)
        if self.keys[index] is None:
            return false()
        beyond = column < value if term.descending else column > value
        return or_(beyond, column.is_(null())) if term.field.nullable else beyond

    def _after(self, index: int, rest: ColumnElement[bool]) -> ColumnElement[bool]:
        """Later in this term, or equal in it and later in the `rest`."""
        term = self.order.terms[index]
        column, value = term.field.column, bind(f"k{index}", term.field.kind)
        if self.keys[index] is None:
            return and_(column.is_(null()), rest)
        if term.field.nullable:
            return or_(self._beyond(index), and_(column == value, rest))
        # The bound is implied by the rest; alone it is what an index can start from.
        bound = column <= value if term.descending else column >= value
        return and_(bound, or_(self._beyond(index), rest))


@dataclass(frozen=True, slots=True)
class Order:
    """A total order of rows: the terms, the last of them the id unless the caller named it."""

    terms: tuple[OrderTerm, ...]

    @property
    def text(self) -> str:
        """The whole order, spelt one way; for cache keys and the fingerprint of page tokens."""
        return ", ".join(
            f"{term.field.identity or term.field.name}:{term.field.kind}"
            + (":null" if term.field.nullable else "")
            + (" desc" if term.descending else "")
            for term in self.terms
        )

    def expressions(self) -> list[ColumnElement[object]]:
        """The ORDER BY terms."""
        return [term.expression for term in self.terms]

    @property
    def inside(self) -> "Order":
        """The same order by what is in the records alone."""
        terms = self.terms
        return Order(
            tuple(OrderTerm(one.field.inside or one.field, one.descending) for one in terms)
        )

    def after(self, keys: Sequence[KeyValue]) -> Position:
        """The rows after the row with these keys, one per term; ValueError if of another order."""
        if len(keys) != len(self.terms):
            raise ValueError(f"{len(self.terms)} keys expected, got {len(keys)}")
        return Position(self, tuple(keys))


def parse_order_by(text: str, fields: Mapping[str, OrderField], identifier: OrderField) -> Order:
    """Parses `amount desc, name`, the identifier breaking ties; empty orders by it alone.

    The identifier is a NOT NULL unique column. Raises OrderError.
    """
    if len(text) > ORDER_LENGTH_MAX:
        raise OrderError(f"longer than {ORDER_LENGTH_MAX} characters", ORDER_LENGTH_MAX)
    terms: list[OrderTerm] = []
    position = 0
    for part in text.split(",") if text.strip() else ():
        start = position + len(part) - len(part.lstrip())
        terms.append(_term(part, {**fields, identifier.name: identifier}, start))
        if len(terms) > ORDER_FIELDS_MAX:
            raise OrderError(f"more than {ORDER_FIELDS_MAX} fields", start)
        if terms[-1].field in [term.field for term in terms[:-1]]:
            raise OrderError(f"{terms[-1].field.name} stands twice", start)
        position += len(part) + 1
    if identifier not in [term.field for term in terms]:
        terms.append(OrderTerm(identifier, bool(terms) and terms[-1].descending))
    return Order(tuple(terms))


def _term(part: str, fields: Mapping[str, OrderField], position: int) -> OrderTerm:
    words = part.split()
    if not words:
        raise OrderError("a field is missing", position)
    field = fields.get(words[0])
    if field is None:
        allowed = ", ".join(sorted(fields))
        message = f"{shown(words[0])} cannot be ordered by; allowed are {allowed}"
        raise OrderError(message, position)
    if words[1:] not in ([], ["asc"], ["desc"]):
        message = f"expected 'asc' or 'desc' after {field.name}"
        raise OrderError(message, position + len(words[0]))
    return OrderTerm(field, words[1:] == ["desc"])
