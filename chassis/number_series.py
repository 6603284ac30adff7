"""Numbers that people read, such as C000042: each is given once, in blocks, so that nobody waits.

docs/adr/0018-automatic-numbers.md says why.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, literal_column
from sqlalchemy.dialects.postgresql import insert

from chassis.db.pool import Database, Record, Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import Statement, statement
from chassis.resource.resource import NUMBER, Row

# Numbers of a block that a process has not given when it ends are never given.
BLOCK = 50
DIGITS_MIN = 6
# Beyond it a series would not go on behind what an import brings.
BROUGHT_MAX = 10**15
TENANTS_MAX = 1000

# Field errors by the position of their row.
Errors: TypeAlias = dict[int, list[tuple[str, str]]]

_TABLE = chassis_tables(new_metadata())["number_series"]
_KEY: dict[str, ColumnElement[str]] = {name: bindparam(name) for name in ("tenant_id", "name")}
_COUNT, _LAST = (bindparam(name, type_=BigInteger()) for name in ("count", "last"))
_ONE: ColumnElement[int] = literal_column("1")


def _block(before: ColumnElement[int]) -> ColumnElement[object]:
    """The `count` numbers behind one."""
    return func.int8multirange(func.int8range(before + _ONE, before + _COUNT + _ONE))


_taken = insert(_TABLE).values(**_KEY, last=_COUNT, given=_block(literal_column("0")))
_TAKE = statement(
    _taken.on_conflict_do_update(
        index_elements=[*_KEY],
        set_={
            "last": _TABLE.c.last + _COUNT,
            "given": _TABLE.c.given.op("+")(_block(_TABLE.c.last)),
        },
    ).returning(_TABLE.c.last)
)
_passed = insert(_TABLE).values(**_KEY, last=_LAST, given=func.int8multirange())
_PASS = statement(
    _passed.on_conflict_do_update(
        index_elements=[*_KEY], set_={"last": func.greatest(_TABLE.c.last, _LAST)}
    ).returning(_TABLE.c.given)
)


@dataclass(eq=False)
class _Stock:
    """What is left of the blocks of one tenant."""

    numbers: list[int] = field(default_factory=list)
    refilling: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, eq=False)
class NumberSeries:
    """The series of one resource in every tenant: the prefix and at least six digits."""

    database: Database
    name: str
    prefix: str
    _stocks: OrderedDict[str, _Stock] = field(default_factory=OrderedDict)

    async def give(self, tx: Tx, tenant_id: str, rows: Sequence[Row]) -> Errors:
        """Number the rows that have none; what is only checked gets none. Field errors by position
        for numbers of this kind that rows bring and may not have.
        """
        brought = {at: value for at, row in enumerate(rows) if (value := self._value(row))}
        errors = await self._pass(tx, tenant_id, brought) if brought else {}
        blank = [row for row in rows if NUMBER in row and row[NUMBER] is None]
        if blank and not tx.discarded:
            numbers = await self.take(tenant_id, len(blank))
            tx.on_rollback(self._put_back, tenant_id, numbers)
            for row, number in zip(blank, numbers, strict=True):
                row[NUMBER] = self.text(number)
        return errors

    async def take(self, tenant_id: str, count: int) -> list[int]:
        """The next numbers of the tenant, given to nobody else."""
        stock = self._stocks.setdefault(tenant_id, _Stock())
        self._stocks.move_to_end(tenant_id)
        if len(self._stocks) > TENANTS_MAX:
            self._stocks.popitem(last=False)
        async with stock.refilling:
            missing = count - len(stock.numbers)
            if missing > 0:
                size = max(missing, BLOCK)
                last: int = (await self._apart(_TAKE, tenant_id, count=size))["last"]
                stock.numbers += range(last - size + 1, last + 1)
            taken, stock.numbers = stock.numbers[:count], stock.numbers[count:]
        return taken

    def _put_back(self, tenant_id: str, numbers: list[int]) -> None:
        if tenant_id in self._stocks:
            stock = self._stocks[tenant_id]
            stock.numbers = sorted([*numbers, *stock.numbers])

    def text(self, number: int) -> str:
        """A number as people read it."""
        return f"{self.prefix}{number:0{DIGITS_MIN}d}"

    def _value(self, row: Row) -> int:
        """The number that a row brings, 0 when the series could never give it."""
        text = str(row.get(NUMBER) or "")
        digits = text.removeprefix(self.prefix)
        if not (digits.isascii() and digits.isdigit()):
            return 0
        return int(digits) if self.text(int(digits)) == text else 0

    async def _pass(self, tx: Tx, tenant_id: str, brought: dict[int, int]) -> Errors:
        """Go on behind the numbers brought; errors for those that the series has given itself."""
        fitting = [value for value in brought.values() if value <= BROUGHT_MAX]
        last = 0 if tx.discarded else max(fitting, default=0)
        row = await self._apart(_PASS, tenant_id, last=last)
        errors: Errors = {}
        for at, value in brought.items():
            if value > BROUGHT_MAX:
                errors[at] = [(NUMBER, f"It may be at most {self.text(BROUGHT_MAX)}.")]
            elif any(block.lower <= value < block.upper for block in row["given"]):
                errors[at] = [(NUMBER, "This value is taken.")]
        return errors

    async def _apart(self, run: Statement, tenant_id: str, **values: int) -> Record:
        """Change the series in a transaction of its own: it lasts when the caller's fails."""
        async with self.database.worker() as tx:
            row = await tx.fetch_row(run, {"tenant_id": tenant_id, "name": self.name, **values})
        assert row is not None
        return row
