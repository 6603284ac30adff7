"""The records of a bulk change: fixed before the first is touched, each with what became of it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import UUID, insert

from chassis.db.pool import Record, Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import statement

NO_ID = "00000000-0000-0000-0000-000000000000"
REASON_LENGTH_MAX = 500

Outcome = Literal["", "updated", "skipped", "failed"]

_ITEM = chassis_tables(new_metadata())["operation_item"]
_ADD = statement(
    insert(_ITEM)
    .values({column.name: bindparam(column.name) for column in _ITEM.c})
    .on_conflict_do_nothing()
)
_SETTLE = statement(
    update(_ITEM)
    .values({name: bindparam(name) for name in ("outcome", "version", "label", "reason")})
    .where(
        _ITEM.c.tenant_id == bindparam("of_tenant", type_=UUID(as_uuid=False)),
        _ITEM.c.operation_id == bindparam("of_operation"),
        _ITEM.c.record_id == bindparam("of_record", type_=UUID(as_uuid=False)),
    )
)
_PAGE = statement(
    select(_ITEM.c.record_id, _ITEM.c.outcome, _ITEM.c.version, _ITEM.c.label, _ITEM.c.reason)
    .where(
        _ITEM.c.tenant_id == bindparam("tenant_id"),
        _ITEM.c.operation_id == bindparam("operation_id"),
        _ITEM.c.record_id > bindparam("after", type_=UUID(as_uuid=False)),
    )
    .order_by(_ITEM.c.record_id)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Item:
    """One record: no outcome while it waits, then the version that the change made and its name."""

    record_id: str
    outcome: Outcome = ""
    version: int | None = None
    label: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """The records of one operation."""

    tenant_id: str
    operation_id: str

    async def add(self, tx: Tx, items: Iterable[Item]) -> None:
        """Have these records; those that it has already stay as they are."""
        own = {"tenant_id": self.tenant_id, "operation_id": self.operation_id}
        await tx.execute_many(_ADD, [{**own, **asdict(item)} for item in items])

    async def settle(self, tx: Tx, items: Iterable[Item]) -> None:
        """Store what became of records that waited."""
        own = {"of_tenant": self.tenant_id, "of_operation": self.operation_id}
        rows = [{**own, **asdict(item), "of_record": item.record_id} for item in items]
        await tx.execute_many(_SETTLE, rows)

    async def page(self, tx: Tx, after: str, limit: int) -> Sequence[Item]:
        """The next records by id, from the first when `after` is ""."""
        values = {
            "tenant_id": self.tenant_id,
            "operation_id": self.operation_id,
            "after": after or NO_ID,
            "limit": limit,
        }
        return [_item(row) for row in await tx.fetch(_PAGE, values)]


def _item(row: Record) -> Item:
    return Item(str(row["record_id"]), row["outcome"], row["version"], row["label"], row["reason"])
