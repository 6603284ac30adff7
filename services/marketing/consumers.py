"""What marketing hears of others: names of customers and contacts."""

from chassis.events.consumer import Consumer, Source
from chassis.events.references import Projection, reference_handler

PROJECTIONS = {"customer": Projection("customers"), "contact": Projection("contacts")}


def consumers() -> tuple[Consumer, ...]:
    """The consumers of the service."""
    sources = (Source("customer", ("customer", "contact")),)
    return (Consumer("marketing-references", sources, reference_handler(PROJECTIONS)),)
