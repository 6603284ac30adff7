"""The order of versions: which events may be applied now, and which wait for an earlier one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from chassis.events.envelope import SNAPSHOT, Event, Record


def in_order(
    events: Sequence[Event], last: Mapping[Record, int], bridged: Collection[Record] = ()
) -> tuple[list[Event], list[Event]]:
    """Those ready, in the order to apply them, and those that wait, by the last versions applied.

    What was applied before is neither. In a bridged record nobody has the missing versions any
    more: the next event stands in for them as a snapshot, for its data is the whole record.
    """
    at = dict(last)
    ready: list[Event] = []
    waiting: list[Event] = []
    for event in sorted(events, key=lambda each: each.version):
        applied = at.get(event.record, 0)
        if event.version <= applied:
            continue
        if event.version > applied + 1 and event.record not in bridged:
            waiting.append(event)
            continue
        gap = event.version > applied + 1
        ready.append(replace(event, name=SNAPSHOT) if gap else event)
        at[event.record] = event.version
    return ready, waiting
