"""What identity hears: everything, of itself and of all others, for the operation log."""

from chassis.events.consumer import Consumer, Source
from chassis.settings import TARGETS
from services.identity.methods.log_append import append_events

NAME = "identity-operation-log"


def consumers() -> tuple[Consumer, ...]:
    """One consumer per service, so that none waits for a stream that is not there yet.

    A source without resources hears all that there are, those added later too, and is not booted
    from snapshots: a log begins with what the streams still have.
    """
    return tuple(Consumer(NAME, (Source(service),), append_events) for service in TARGETS)
