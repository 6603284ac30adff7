"""Whoever is shown a sensitive own field is told of by an event, which the operation log keeps."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from google.protobuf.message import Message

from chassis.call import Call
from chassis.custom_fields.model import CUSTOM
from chassis.db.pool import Tx
from chassis.events.change_row import record_events
from chassis.lookup import LABEL
from chassis.resource.plan import Plan

RESOURCE, EVENT = "sensitive_value", "read"

# What is given: the call, its transaction, the answer.
Tell: TypeAlias = Callable[[Call, Tx, Message], Awaitable[None]]


class Disclosures:
    """What answers of a service show; `plans` are those of its collections."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._plans = {
            one.descriptor.full_name: one
            for one in plans
            if CUSTOM in one.descriptor.fields_by_name
        }

    def of(self, answer: type[Message]) -> Tell | None:
        """What tells of the records in such answers; None when there are none in them."""
        descriptor = answer.DESCRIPTOR
        if descriptor.full_name in self._plans:
            plan = self._plans[descriptor.full_name]
            return lambda call, tx, message: _tell(call, tx, plan, [message])
        kinds = {one.name: one.message_type for one in descriptor.fields if one.message_type}
        places = {
            name: self._plans[kind.full_name]
            for name, kind in kinds.items()
            if kind.full_name in self._plans
        }
        if not places:
            return None

        async def tell(call: Call, tx: Tx, message: Message) -> None:
            for name, plan in places.items():
                found = getattr(message, name)
                await _tell(call, tx, plan, [found] if isinstance(found, Message) else found)

        return tell


async def _tell(call: Call, tx: Tx, plan: Plan, records: Sequence[Message]) -> None:
    """One event per record that shows something; what was only tried shows nothing."""
    sensitive = call.custom.of(plan.plural).masked
    if not sensitive:
        return
    events: dict[str, Mapping[str, object]] = {}
    for record in records:
        values = record.custom_fields.fields  # type: ignore[attr-defined]  # the plans are of such records
        shown = [name for name in values if f"{CUSTOM}.{name}" in sensitive]
        if tx.discarded:
            for name in shown:
                del values[name]
        elif shown:
            fields = [f"{CUSTOM}.{name}" for name in shown]
            label = getattr(record, LABEL, "")
            data = {"resource": plan.plural, "fields": fields, LABEL: label}
            events[record.id] = data  # type: ignore[attr-defined]  # as above
    if events:
        await record_events(call, tx, RESOURCE, EVENT, events)
