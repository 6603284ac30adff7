"""Writes facts and, in the same transaction, what they change in the rollup."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID, insert

from chassis.access.place import GRANTEES, grantees_in
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.events.envelope import Event
from services.reporting.domain.fact import Fact, make_fact
from services.reporting.domain.rollup import Cell, Sums, differences
from services.reporting.models.opportunity_fact import DATES, TEXTS, TIMES, UUIDS
from services.reporting.models.opportunity_fact import opportunity_fact as fact_table
from services.reporting.models.pipeline_rollup import MEASURES, pipeline_rollup

PURGED = "purged"
Row = dict[str, object]
_FACT_COLUMNS = tuple(column.name for column in fact_table.c)
_CELL_COLUMNS = tuple(column.name for column in pipeline_rollup.c)

# Writers of one tenant's rollup go one after the other: its rows are few and wanted by all of them.
LOCK = statement(
    select(
        func.pg_advisory_xact_lock(
            func.hashtextextended(bindparam("lock_name"), bindparam("lock_seed", 0))
        )
    )
)
_STORED = statement(
    select(*fact_table.c).where(
        fact_table.c.tenant_id == bindparam("tenant_id"),
        fact_table.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
)
_fact = insert(fact_table).values({name: bindparam(name) for name in _FACT_COLUMNS})
_WRITE = statement(
    _fact.on_conflict_do_update(
        index_elements=["tenant_id", "id"],
        set_={name: _fact.excluded[name] for name in _FACT_COLUMNS[2:]},
        where=fact_table.c.version < _fact.excluded.version,
    )
)
_cell = insert(pipeline_rollup).values({name: bindparam(f"p_{name}") for name in _CELL_COLUMNS})
_ADD = statement(
    _cell.on_conflict_do_update(
        index_elements=["tenant_id", "dimension", "key", "currency"],
        set_={name: pipeline_rollup.c[name] + _cell.excluded[name] for name in MEASURES},
    )
)


async def apply_opportunities(tx: Tx, events: Sequence[Event]) -> None:
    """Apply events of one tenant's opportunities; the newest version of each counts."""
    newest: dict[str, Event] = {}
    for event in events:
        known = newest.get(event.record_id)
        if known is None or known.version < event.version:
            newest[event.record_id] = event
    if not newest:
        return
    tenant_id = events[0].tenant_id
    await lock_rollup(tx, tenant_id)
    stored = {
        str(row["id"]): row
        for row in await tx.fetch(_STORED, {"tenant_id": tenant_id, "ids": sorted(newest)})
    }
    rows: list[Row] = []
    changes: list[tuple[Fact | None, Fact | None]] = []
    for record_id, event in sorted(newest.items()):
        before = stored.get(record_id)
        if before is None or before["version"] < event.version:
            row = fact_row(event)
            rows.append(row)
            changes.append((make_fact(before) if before else None, make_fact(row)))
    await tx.execute_many(_WRITE, rows)
    await add_sums(tx, tenant_id, differences(changes))


async def lock_rollup(tx: Tx, tenant_id: str) -> None:
    """Be the only one to write the tenant's facts and rollup until the transaction ends."""
    await tx.fetch(LOCK, {"lock_name": f"pipeline_rollup {tenant_id}"})


async def add_sums(tx: Tx, tenant_id: str, sums: Mapping[Cell, Sums]) -> None:
    """Add to the rollup's cells, in the order given."""
    await tx.execute_many(_ADD, [_cell_row(tenant_id, cell, one) for cell, one in sums.items()])


def fact_row(event: Event) -> Row:
    """The row of `opportunity_fact` that an event makes; a purge leaves a tombstone."""
    data = {} if event.name == PURGED else event.data
    row: Row = {
        "tenant_id": event.tenant_id,
        "id": event.record_id,
        "version": event.version,
        **_read(data, UUIDS, str),
        **_read(data, TEXTS, str),
        **_read(data, DATES, date.fromisoformat),
        **_read(data, TIMES, _moment),
        **_money(data.get("amount")),
        GRANTEES: sorted(grantees_in(data)) or None,
    }
    if event.name in {PURGED, "deleted"} and row["delete_time"] is None:
        row["delete_time"] = event.time
    return row


def _read(data: Mapping[str, object], names: Iterable[str], read: Callable[[str], object]) -> Row:
    texts = {name: data.get(name) for name in names}
    return {
        name: read(text) if isinstance(text, str) and text else None for name, text in texts.items()
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _money(value: object) -> Row:
    if not isinstance(value, dict) or not value.get("currency_code"):
        return {"amount": None, "amount_currency": None}
    return {
        "amount": Decimal(str(value["amount"])),
        "amount_currency": str(value["currency_code"]),
    }


def _cell_row(tenant_id: str, cell: Cell, sums: Sums) -> Row:
    dimension, key, currency = cell
    return {
        "p_tenant_id": tenant_id,
        "p_dimension": dimension,
        "p_key": key,
        "p_currency": currency,
        **{f"p_{name}": getattr(sums, name) for name in MEASURES},
    }
