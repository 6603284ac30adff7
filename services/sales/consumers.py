"""What sales hears of others: names of customers and campaigns, and tenants that are new."""

from collections.abc import Sequence

from chassis.db.pool import Tx
from chassis.events.consumer import Consumer, Handler, Source
from chassis.events.envelope import Event
from chassis.events.references import Projection, reference_handler
from services.sales.methods.ready_made import ReadyMade

PROJECTIONS = {"customer": Projection("customers"), "campaign": Projection("campaigns")}


def consumers(ready_made: ReadyMade) -> tuple[Consumer, ...]:
    """The consumers of the service."""
    return (
        Consumer(
            "sales-references",
            (Source("customer", ("customer",)), Source("marketing", ("campaign",))),
            reference_handler(PROJECTIONS),
        ),
        Consumer(
            "sales-new-tenant",
            (Source("identity", ("tenant",), ("created",)),),
            new_tenant_handler(ready_made),
        ),
    )


def new_tenant_handler(ready_made: ReadyMade) -> Handler:
    """Gives every tenant its first pipeline and reasons; one that has a pipeline keeps it."""

    async def handle(tx: Tx, events: Sequence[Event]) -> None:
        for event in events:
            language = str(event.data.get("language") or "zh")
            await ready_made.create(tx, event.tenant_id, event.time, event.id, language)

    return handle
