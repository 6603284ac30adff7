"""Changes: a row, its history and its event (and the idempotency key of the call) go in as one
statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg
import orjson
from google.protobuf.message import Message
from sqlalchemy import CTE, bindparam, update

from chassis.call import Call
from chassis.custom_fields.companion import written_keys
from chassis.custom_fields.tables import UNIQUE_VALUE
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import AlreadyExists
from chassis.events.change_row import change_part, change_values, differences, insert_into
from chassis.events.tables import IDEMPOTENCY
from chassis.resource.plan import Plan
from chassis.resource.resource import NUMBER, Row
from chassis.resource.view import view_of

BOOKKEEPING = ("version", "update_time", "updater_id")

_IDEMPOTENCY_COLUMNS = tuple(IDEMPOTENCY.c.keys())


async def insert_record(call: Call, tx: Tx, plan: Plan, row: Row, event: str) -> Message:
    """Insert a complete row as version 1; taken unique values raise AlreadyExists
    naming the field.
    """
    parts, values, message = _insert_values(call, plan, row, event)
    await _run(call, tx, plan, _insert_of(plan, parts), [values])
    return view_of(call, plan).shown(message)


async def insert_records(call: Call, tx: Tx, plan: Plan, rows: Sequence[Row]) -> list[Message]:
    """Insert many complete rows as version 1, pipelined."""
    made = [_insert_values(call, plan, row, "created") for row in rows]
    for parts, group in _grouped((parts, values) for parts, values, _ in made).items():
        await _run(call, tx, plan, _insert_of(plan, parts), group)
    return _shown(call, plan, made)


async def update_record(
    call: Call, tx: Tx, plan: Plan, before: Record, row: Row, event: str
) -> Message:
    """Write the columns in which `row` differs from the locked row `before`; no difference, no new
    version.
    """
    parts, values, message = _update_values(call, plan, before, row, event)
    if values:
        await _run(call, tx, plan, _update_of(plan, parts), [values])
    return view_of(call, plan).shown(message)


async def update_records(
    call: Call, tx: Tx, plan: Plan, pairs: Sequence[tuple[Record, Row]], event: str = "updated"
) -> list[Message]:
    """Write many locked rows, pipelined, each only when it differs."""
    made = [_update_values(call, plan, before, row, event) for before, row in pairs]
    changed = ((parts, values) for parts, values, _ in made if values)
    for parts, group in _grouped(changed).items():
        await _run(call, tx, plan, _update_of(plan, parts), group)
    return _shown(call, plan, made)


async def note_record(  # the parts of a change
    call: Call, tx: Tx, plan: Plan, before: Record, event: str, changes: Mapping[str, object]
) -> None:
    """Tell of a change beside a locked record, of its shares for example: a version and an event
    of its own.
    """
    parts, values, _ = _new_version(call, plan, before, {}, event, changes)
    await _run(call, tx, plan, _update_of(plan, parts), [values])


def changed_columns(before: Record, row: Row) -> set[str]:
    """The columns in which `row` differs from the stored row `before`."""
    return {name for name, value in row.items() if _plain(before[name]) != _plain(value)}


def _plain(value: object) -> object:
    """Ids as text and JSON parsed, so that what is read compares with what is to be written."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return str(value) if type(value).__name__ == "UUID" else value


@dataclass(frozen=True, slots=True)
class _Parts:
    """What decides about a statement's text: the columns set, the companions, the key."""

    columns: tuple[str, ...]
    companions: tuple[str, ...]
    keyed: bool


_Made: TypeAlias = tuple[_Parts, Row, Message]


def _grouped(made: Iterable[tuple[_Parts, Row]]) -> dict[_Parts, list[Row]]:
    groups: dict[_Parts, list[Row]] = {}
    for parts, values in made:
        groups.setdefault(parts, []).append(values)
    return groups


def _insert_values(call: Call, plan: Plan, row: Row, event: str) -> _Made:
    message = plan.to_message(())(row, call.custom.of(plan.plural))
    values = change_values(call, plan.singular, row, event, {}, plan.encode(message))
    keyed = _take_key(call, row, values)
    beside = _beside(call, plan, None, row, values)
    return _Parts((), beside, keyed), {**row, **values}, message


def _beside(
    call: Call, plan: Plan, before: Record | None, after: Row, values: Row
) -> tuple[str, ...]:
    """Add the parameters of the companions that have something to write; their names."""
    names = []
    for one in plan.companions:
        own = one.values(call, before, after)
        if own is not None:
            values |= own
            names.append(one.name)
    return tuple(names)


def _update_values(call: Call, plan: Plan, before: Record, row: Row, event: str) -> _Made:
    """The parts, parameters and message of a change; no parameters when nothing differs."""
    changed = {name: row[name] for name in changed_columns(before, row)}
    if not changed:
        own = call.custom.of(plan.plural)
        return _Parts((), (), keyed=False), {}, plan.to_message(())(before, own)
    return _new_version(call, plan, before, changed, event, {})


def _new_version(  # the parts of a change
    call: Call, plan: Plan, before: Record, row: Row, event: str, beside: Mapping[str, object]
) -> _Made:
    """The same for the next version; `beside` are changes of what is no column of it."""
    version: int = before["version"]
    after: Row = {
        **before,
        **row,
        "tenant_id": call.tenant_id,
        "version": version + 1,
        "update_time": call.now,
        "updater_id": call.principal.id,
    }
    to_message, own = plan.to_message(()), call.custom.of(plan.plural)
    message = to_message(after, own)
    representation = plan.encode(message)
    changes = {**differences(plan.encode(to_message(before, own)), representation), **beside}
    values = change_values(call, plan.singular, after, event, changes, representation)
    keyed = _take_key(call, after, values)
    companions = _beside(call, plan, before, after, values)
    columns = tuple(sorted({*row, *BOOKKEEPING}))
    parts = _Parts(columns, companions, keyed)
    return parts, {**after, **values, "old_version": version}, message


def _take_key(call: Call, row: Mapping[str, object], values: Row) -> bool:
    key = call.idempotency
    if key is None or not key.take():
        return False
    values |= {
        "key_tenant_id": call.tenant_id,
        "key_principal_id": call.principal.id,
        "key_method": key.method,
        "key_key": key.key,
        "key_fingerprint": key.fingerprint,
        "key_record_id": row["id"],
        "key_record_ids": key.record_ids,
        "key_version": row["version"],
        "key_create_time": call.now,
    }
    return True


def _with_change(plan: Plan, main: CTE, parts: _Parts) -> Statement:
    change = change_part().add_cte(main)
    for one in plan.companions:
        if one.name in parts.companions:
            change = change.add_cte(one.part().cte(one.name))
    if parts.keyed:
        key = insert_into(IDEMPOTENCY, _IDEMPOTENCY_COLUMNS, "key_")
        change = change.add_cte(key.returning(IDEMPOTENCY.c.key).cte("keyed"))
    return statement(change)


def _insert_of(plan: Plan, parts: _Parts) -> Statement:
    return plan.cached(("insert", parts), lambda: _insert_statement(plan, parts))


def _insert_statement(plan: Plan, parts: _Parts) -> Statement:
    table = plan.resource.table
    columns = ("tenant_id", *plan.column_names)
    main = insert_into(table, columns, "").returning(table.c.id).cte("written")
    return _with_change(plan, main, parts)


def _update_of(plan: Plan, parts: _Parts) -> Statement:
    return plan.cached(("update", parts), lambda: _update_statement(plan, parts))


def _update_statement(plan: Plan, parts: _Parts) -> Statement:
    table = plan.resource.table
    main = (
        update(table)
        .values({name: bindparam(name) for name in parts.columns})
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.id == bindparam("id"),
            table.c.version == bindparam("old_version"),
        )
        .returning(table.c.id)
        .cte("written")
    )
    return _with_change(plan, main, parts)


async def _run(call: Call, tx: Tx, plan: Plan, run: Statement, rows: Sequence[Row]) -> None:
    try:
        if len(rows) == 1:
            await tx.execute(run, rows[0])
        else:
            await tx.execute_many(run, rows)
    except asyncpg.UniqueViolationError as error:
        raise taken(call, plan, rows, error) from error


def _shown(call: Call, plan: Plan, made: Iterable[_Made]) -> list[Message]:
    view = view_of(call, plan)
    return [view.shown(message) for _, _, message in made]


def taken(
    call: Call, plan: Plan, rows: Sequence[Row], error: asyncpg.UniqueViolationError
) -> AlreadyExists:
    """The caller's view of a violated unique index; a field that he does not see is not named."""
    name, view = error.constraint_name or "", view_of(call, plan)
    table = plan.resource.table.name
    every = {f"uq_{table}_external": "external_id", f"uq_{table}_number": NUMBER}
    field = {**every, **plan.resource.unique}.get(name, "")
    if field not in view.fields:
        field = ""
    if name == UNIQUE_VALUE:
        named = [view.own.by_id.get(one) for one in written_keys(rows)]
        # Which one it was is not known; with one among them that he does not see, nothing is said.
        field = ", ".join(one.path for one in named if one) if all(named) else ""
    return AlreadyExists(
        "ALREADY_EXISTS",
        f"Another {plan.singular} has the same {field or 'unique value'}.",
        metadata={"resource": plan.singular, "field": field},
        fields=[(one, "This value is taken.") for one in field.split(", ") if one],
    )
