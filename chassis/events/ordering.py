"""The order of versions: which events may be applied now, which came before, which wait."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis.events.envelope import SNAPSHOT, Event

Record = tuple[str, str, str]


@dataclass
class Ordered:
    """`ready` in the order to apply them; `waiting` lack an earlier version."""

    ready: list[Event] = field(default_factory=list)
    repeated: list[Event] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)


def in_order(
    events: Sequence[Event], last: Mapping[Record, int], bridged: Collection[Record] = ()
) -> Ordered:
    """Sort events by the last version applied of their records (0 when unknown).

    In a bridged record nobody has the missing versions any more: the next event stands in for them
    as a snapshot, for its data is the whole record.
    """
    result = Ordered()
    records: dict[Record, list[Event]] = {}
    for event in events:
        records.setdefault(event.record, []).append(event)
    for record, of_record in records.items():
        at = last.get(record, 0)
        for event in sorted(of_record, key=lambda each: each.version):
            if event.version <= at:
                result.repeated.append(event)
            elif event.version == at + 1:
                result.ready.append(event)
                at = event.version
            elif record in bridged:
                result.ready.append(replace(event, name=SNAPSHOT))
                at = event.version
            else:
                result.waiting.append(event)
    return result


def nak_delay_s(delivered: int) -> float:
    """How long a failed message rests after its nth delivery: 0.25 s, doubled up to 30 s."""
    return float(min(30.0, 0.25 * 2 ** min(max(delivered - 1, 0), 10)))
