"""Own fields as a process knows them: read once per tenant, forgotten when somebody changes one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Table, bindparam, select

from chassis.custom_fields.model import (
    NO_CUSTOM_FIELDS,
    Choice,
    Choices,
    CustomFields,
    Definition,
    Kind,
    OwnFields,
)
from chassis.custom_fields.tables import CHOICE, FIELD
from chassis.custom_fields.values import stored_value, value_of_text
from chassis.db.pool import Database, Record
from chassis.db.sql import Statement, statement
from chassis.events.bus import Bus
from chassis.events.consumer import Source
from chassis.events.feed import Feed, Told
from chassis.events.streams import stream_name

SILENCE_MAX_S = 5.0
TENANTS_MAX = 1000
# Those in the recycle bin count too; more than these no tenant has.
FIELDS_MAX = 5_000
CHOICES_MAX = 50_000


def _of_tenant(table: Table) -> Statement:
    mine = table.c.tenant_id == bindparam("tenant_id")
    ordered = select(*table.c).where(mine).order_by(table.c.position, table.c.id)
    return statement(ordered.limit(bindparam("limit")))


_FIELDS, _CHOICES = _of_tenant(FIELD), _of_tenant(CHOICE)


class CustomFieldSource:
    """The own fields of each tenant of one service, in memory; only asked, never waited for, once
    they are known.
    """

    def __init__(self, database: Database, feed_silent_for_s: Callable[[], float]) -> None:
        self._database = database
        self._silent_for_s = feed_silent_for_s
        self._known: dict[str, tuple[CustomFields, float]] = {}
        self._drops = 0

    async def __call__(self, tenant_id: str) -> CustomFields:
        """What the tenant has added to the collections of the service."""
        known = self._known.get(tenant_id)
        if known is None or self._stale(known[1]):
            return await self._load(tenant_id)
        return known[0]

    def forget(self, tenant_id: str) -> None:
        """Read the tenant's again: something is changed and committed."""
        self._drops += 1
        self._known.pop(tenant_id, None)

    def forget_all(self) -> None:
        """Read everything again: events may have been missed."""
        self._drops += 1
        self._known.clear()

    def feed(self, bus: Bus, service: str) -> Feed:
        """The feed by which this process hears what others have changed."""

        def on_message(told: Told) -> None:
            self.forget(told.subject.split(".")[1])

        subjects = Source(service, ("custom_field", "choice")).subjects()
        return Feed(bus, stream_name(service), on_message, lambda _: self.forget_all(), subjects)

    def _stale(self, read_at: float) -> bool:
        old = time.monotonic() - read_at > SILENCE_MAX_S
        return old and self._silent_for_s() > SILENCE_MAX_S

    async def _load(self, tenant_id: str) -> CustomFields:
        drops, read_at = self._drops, time.monotonic()
        async with self._database.transaction(tenant_id) as tx:
            fields = await tx.fetch(_FIELDS, {"tenant_id": tenant_id, "limit": FIELDS_MAX})
            choices = await tx.fetch(_CHOICES, {"tenant_id": tenant_id, "limit": CHOICES_MAX})
        made = custom_fields(fields, choices)
        if drops == self._drops:  # else it may be older than what was forgotten
            if len(self._known) >= TENANTS_MAX:
                self._known.clear()
            self._known[tenant_id] = (made, read_at)
        return made


def custom_fields(fields: Sequence[Record], choices: Sequence[Record]) -> CustomFields:
    """The own fields that rows of the two tables make."""
    lists: dict[str, dict[str, dict[str, Choice]]] = {}
    for row in choices:
        of_field = lists.setdefault(row["resource"], {}).setdefault(row["field"], {})
        of_field[str(row["id"])] = _choice(row)
    definitions: dict[str, list[Definition]] = {}
    for row in fields:
        own = lists.get(row["resource"], {}).get(str(row["id"]), {})
        definitions.setdefault(row["resource"], []).append(_definition(row, own))
    if not lists and not definitions:
        return NO_CUSTOM_FIELDS
    return CustomFields(
        {
            resource: OwnFields(tuple(definitions.get(resource, ())), lists.get(resource, {}))
            for resource in {*lists, *definitions}
        }
    )


def _choice(row: Record) -> Choice:
    return Choice(
        id=str(row["id"]),
        label=row["label"],
        color=row["color"] or "",
        is_default=row["is_default"],
        retired=row["retired"],
        deleted=row["delete_time"] is not None,
    )


def _definition(row: Record, choices: Choices) -> Definition:
    bare = Definition(
        id=str(row["id"]),
        name=row["name"],
        label=row["label"],
        kind=Kind(row["kind"]),
        description=row["description"] or "",
        required=row["required"],
        unique=row["unique_values"],
        searchable=row["searchable"],
        reference=row["reference_resource"] or "",
        retired=row["retired"],
        deleted=row["delete_time"] is not None,
        index_state=row["index_state"],
        sensitive=row["sensitive"],
        choices=choices,
    )
    text = row["default_value"]
    return replace(bare, default=stored_value(bare, value_of_text(bare, text))) if text else bare
