"""What the service hears: versions of opportunities, and names of what they refer to."""

from chassis.events.consumer import Consumer, Handler, Mode, Source
from chassis.events.references import Projection, reference_handler

NAMES = Consumer(
    name="reporting-names",
    sources=(
        Source("identity", ("user",)),
        Source("customer", ("customer",)),
        Source("sales", ("pipeline", "stage", "product")),
        Source("marketing", ("campaign",)),
    ),
    handler=reference_handler(
        {
            "user": Projection("users"),
            "customer": Projection("customers"),
            "pipeline": Projection("pipelines"),
            "stage": Projection("stages", fields=("pipeline_id", "position", "outcome")),
            "product": Projection("products"),
            "campaign": Projection("campaigns"),
        }
    ),
)


def pipeline(handler: Handler) -> Consumer:
    """Every version of every opportunity, in order: the handler counts differences."""
    return Consumer(
        name="reporting-pipeline",
        sources=(Source("sales", ("opportunity",)),),
        handler=handler,
        mode=Mode.ORDERED,
    )
