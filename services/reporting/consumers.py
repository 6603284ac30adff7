"""What the service hears: every version of every opportunity, and the names of what they refer to."""

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
            "user": Projection(),
            "customer": Projection(),
            "pipeline": Projection(),
            "stage": Projection(fields=("pipeline_id", "position", "outcome")),
            "product": Projection(),
            "campaign": Projection(),
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
