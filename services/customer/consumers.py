"""What the customer service hears of others: tenants that are new."""

from collections.abc import Sequence

from chassis.db.pool import Tx
from chassis.events.consumer import Consumer, Source
from chassis.events.envelope import Event
from services.customer.methods.ready_made import ReadyMade


def consumers(ready_made: ReadyMade) -> tuple[Consumer, ...]:
    """The consumers of the service."""

    async def handle(tx: Tx, events: Sequence[Event]) -> None:
        for event in events:
            await ready_made.create(tx, event.tenant_id, event.time, event.id)

    source = Source("identity", ("tenant",), ("created",))
    return (Consumer("customer-new-tenant", (source,), handle),)
