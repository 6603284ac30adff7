"""Bugs that a campaign must find, each by the invariant it breaks (check the checker).

A bug replaces functions of a real service in a process of the tests; the product has no switch.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
from google.protobuf.message import Message
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from chassis.call import Call
from chassis.db.pool import Pool, Record, Tx
from chassis.db.sql import statement
from chassis.events import references
from chassis.events.applier import Applied, Applier
from chassis.events.change_row import differences
from chassis.events.delivery import Delivery
from chassis.events.envelope import Change, Event, to_message
from chassis.events.ledger import Ledger
from chassis.events.loop import SourceLoop
from chassis.events.outbox import Outbox
from chassis.events.publisher import Publisher
from chassis.events.relay import Relay
from chassis.events.tables import REFERENCE
from chassis.resource import batch, standard, write
from chassis.resource.plan import Plan
from chassis.resource.resource import Row
from deploy.local.settings import GATEWAY, NATS
from services.gateway.exchange import Caller, Exchange, Metadata
from services.gateway.tokens import Tokens
from services.identity import consumers as identity_consumers
from services.identity.methods.log_append import append_events
from services.reporting.methods import facts

STALE_S = 60.0
SLOW_S = 0.03


@dataclass(frozen=True)
class Bug:
    """Where it is planted, which invariant must find it, and what has to happen meanwhile."""

    service: str
    invariant: str
    plant: Callable[[], None]
    faults: Sequence[tuple[str, str]] = ()


def answers_without_commit() -> None:
    """Some transactions are acknowledged and rolled back."""
    end, numbers = Tx.end, itertools.count(1)

    async def lossy(self: Tx) -> None:
        self.discarded = self.discarded or next(numbers) % 40 == 0
        await end(self)

    Tx.end = lossy  # type: ignore[method-assign]  # this is how a bug is planted


def stores_no_key() -> None:
    """The idempotency key is not written with the change."""
    vars(write)["_take_key"] = lambda _call, _row, _values: False


def drops_keys() -> None:
    """The gateway retries and forwards without the idempotency key."""
    metadata = Exchange.metadata

    def bare(self: Exchange) -> Metadata:
        return tuple(one for one in metadata(self) if one[0] != "idempotency-key")

    Exchange.metadata = bare  # type: ignore[method-assign]  # this is how a bug is planted


def tells_half() -> None:
    """A change does not say what became of the amount."""

    def half(before: Record, after: Record) -> dict[str, dict[str, object]]:
        told = differences(before, after)
        return {name: one for name, one in told.items() if name != "amount"}

    vars(write)["differences"] = half


def goes_by_last_number() -> None:
    """The relay asks for what comes after the last number, and a slow commit comes before it."""
    take, end, last = Outbox.take, Tx.end, [0]

    async def behind(self: Outbox) -> list[Change]:
        changes = [one for one in await take(self) if one.seq > last[0]]
        last.append(max((one.seq for one in changes), default=last.pop()))
        return changes

    async def slowly(self: Tx) -> None:
        await asyncio.sleep(random.uniform(0, SLOW_S))
        await end(self)

    Outbox.take, Tx.end = behind, slowly  # type: ignore[method-assign]  # as above


def marks_first() -> None:
    """Changes count as published before the broker has them."""

    async def hopeful(
        self: Relay, outbox: Outbox, publisher: Publisher, changes: list[Change]
    ) -> None:
        await outbox.mark(changes, datetime.now(UTC))
        await publisher.publish([to_message(self._service, one) for one in changes])

    Relay._publish = hopeful  # type: ignore[method-assign]  # this is how a bug is planted


def acknowledges_failures() -> None:
    """A handler fails now and then, and the message is acknowledged as done."""
    apply, numbers = Applier.apply, itertools.count(1)

    async def failing(
        self: Applier, tenant_id: str, events: Sequence[Event], **more: object
    ) -> Applied:
        if next(numbers) % 10 == 0:
            raise RuntimeError("the handler fails")
        return await apply(self, tenant_id, events, **more)  # type: ignore[arg-type]  # handed on

    async def settled(self: Delivery, _delay_s: float = 0.0) -> None:
        await self.ack()

    Applier.apply, Delivery.nak = failing, settled  # type: ignore[method-assign,assignment]  # as above


def has_no_inbox() -> None:
    """What was seen before is applied again."""

    async def all_of_them(self: Ledger, events: Sequence[Event]) -> list[Event]:
        return list(events)

    Ledger.remember = all_of_them  # type: ignore[method-assign]  # this is how a bug is planted


def publishes_backwards() -> None:
    """The newest change goes first."""
    take = Outbox.take

    async def backwards(self: Outbox) -> list[Change]:
        return (await take(self))[::-1]

    Outbox.take = backwards  # type: ignore[method-assign]  # this is how a bug is planted


def counts_twice() -> None:
    """The sums forget to take away what a record counted before."""
    differences = vars(facts)["differences"]
    vars(facts)["differences"] = lambda changes: differences([(None, new) for _, new in changes])


def keeps_the_first() -> None:
    """A replica keeps what it heard first of a record."""
    first = insert(REFERENCE).values({one.name: bindparam(f"p_{one.name}") for one in REFERENCE.c})
    references._WRITE = statement(first.on_conflict_do_nothing())


def confuses_callers() -> None:
    """Now and then a request is answered as if somebody else had sent it."""
    caller, numbers = Tokens.caller, itertools.count(1)

    async def somebody(
        self: Tokens, bearer: str, before_asking: Callable[[], object] = bool
    ) -> Caller:
        if next(numbers) % 20 == 0 and self._entries:
            return random.choice(list(self._entries.values())).caller
        return await caller(self, bearer, before_asking)

    Tokens.caller = somebody  # type: ignore[method-assign]  # this is how a bug is planted


def reads_what_was() -> None:
    """Reads come from a cache that nobody empties when a record changes."""
    get, cache = standard.Collection.get, {}  # type: ignore[var-annotated]  # filled below

    async def cached(self: standard.Collection, call: Call, tx: Tx, request: Message) -> Message:
        now, key = asyncio.get_running_loop().time(), str(request.id)  # type: ignore[attr-defined]  # every GetRequest has it
        if key not in cache or now - cache[key][0] > STALE_S:
            cache[key] = (now, await get(self, call, tx, request))  # type: ignore[arg-type]  # as above
        found: Message = cache[key][1]
        return found

    standard.Collection.get = cached  # type: ignore[method-assign]  # as above


def ignores_etags() -> None:
    """The last one to write wins."""
    for module in (standard, batch):
        vars(module)["check_match"] = lambda _etag, _version: None


def writes_half_a_batch() -> None:
    """Of a batch only the first record is written."""
    update = write.update_records

    async def half(
        call: Call, tx: Tx, plan: Plan, pairs: Sequence[tuple[Record, Row]]
    ) -> list[Message]:
        return await update(call, tx, plan, pairs[:1])

    vars(batch)["update_records"] = half


def gives_up() -> None:
    """A consumer does not come back when the broker was away."""
    fetch = SourceLoop._fetch

    async def for_good(
        self: SourceLoop, messages: JetStreamContext.PullSubscription, batch: int, seconds: float
    ) -> list[Msg]:
        if self._bus.client.stats["reconnects"]:
            await asyncio.Event().wait()
        return await fetch(self, messages, batch, seconds)

    SourceLoop._fetch = for_good  # type: ignore[method-assign]  # this is how a bug is planted


def keeps_connections() -> None:
    """Connections are lost instead of going back into the pool."""
    checkin, numbers = Pool._checkin, itertools.count(1)
    lost: list[asyncpg.Connection] = []

    def forgetful(self: Pool, connection: asyncpg.Connection) -> None:
        if next(numbers) % 10 == 0:
            lost.append(connection)
        else:
            checkin(self, connection)

    Pool._checkin = forgetful  # type: ignore[method-assign]  # this is how a bug is planted


def skips_entries() -> None:
    """Some events do not come into the operation log."""
    append, numbers = append_events, itertools.count(1)

    async def some(tx: Tx, events: Sequence[Event]) -> None:
        kept = [one for one in events if next(numbers) % 20]
        if kept:
            await append(tx, kept)

    vars(identity_consumers)["append_events"] = some


_BROKER_AWAY = (("kill-nats", NATS),) * 2
PLANTED: Final = {
    "answers-without-commit": Bug("sales", "I1", answers_without_commit),
    "stores-no-key": Bug("sales", "I2", stores_no_key),
    "drops-keys": Bug(GATEWAY, "I2", drops_keys),
    "tells-half": Bug("sales", "I3", tells_half),
    "goes-by-last-number": Bug("sales", "I4", goes_by_last_number),
    "marks-first": Bug("sales", "I4", marks_first, _BROKER_AWAY),
    "acknowledges-failures": Bug("identity", "I4", acknowledges_failures),
    "has-no-inbox": Bug("identity", "I5", has_no_inbox, (("repeat", "sales"),)),
    "publishes-backwards": Bug("sales", "I6", publishes_backwards, _BROKER_AWAY),
    "counts-twice": Bug("reporting", "I7", counts_twice),
    "keeps-the-first": Bug("sales", "I7", keeps_the_first),
    "confuses-callers": Bug(GATEWAY, "I8", confuses_callers),
    "reads-what-was": Bug("sales", "I9", reads_what_was),
    "ignores-etags": Bug("sales", "I10", ignores_etags),
    "writes-half-a-batch": Bug("sales", "I10", writes_half_a_batch),
    "gives-up": Bug("reporting", "I11", gives_up, _BROKER_AWAY),
    "keeps-connections": Bug("customer", "I12", keeps_connections),
    "skips-entries": Bug("identity", "I13", skips_entries),
}
BUGS: Final = {name: bug.plant for name, bug in PLANTED.items()}
