"""A bulk change at work: its records are fixed first, then changed in batches, as its user."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from google.protobuf.json_format import Parse

from chassis.bulk.action import Action
from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.errors import CrmError, FailedPrecondition
from chassis.lookup import LABEL, has_label
from chassis.operations.changes import Changes, commit_whole_or_parts, parts, write_each
from chassis.operations.items import REASON_LENGTH_MAX, Item, Items
from chassis.operations.message import worked_on
from chassis.operations.task import Task
from chassis.resource.listing import list_records
from chassis.resource.read import lock_found, plan_of, read_found
from chassis.resource.resource import Row
from chassis.resource.standard import Collection
from crm.chassis.v1.bulk_pb2 import CreateBulkRequest
from crm.type.v1.requests_pb2 import ListRequest

RECORDS_MAX = 1_000_000
BATCH_ROWS = 200
FIX_ROWS = 2000


class Step(Protocol):
    """What is done with each record."""

    @property
    def collection(self) -> Collection:
        """Whose records they are."""

    @property
    def verb(self) -> str:
        """What the user must be allowed to do to each."""

    @property
    def at_once(self) -> bool:
        """Whether `write` is called, not `row`."""

    async def begin(self, call: Call, tx: Tx, items: Sequence[Item]) -> None:
        """Read what the batch needs."""

    def skip(self, item: Item, before: Record) -> str:
        """Why the record stays as it is; "" when it does not."""

    async def row(self, call: Call, tx: Tx, item: Item, before: Record) -> Row:
        """The columns to change."""

    async def write(self, call: Call, tx: Tx, before: Record) -> None:
        """Write the change itself."""


@dataclass(frozen=True)
class BulkWork:
    """The work of operations of kind "bulk" over the collections of one service."""

    collections: Mapping[str, Collection]

    async def __call__(self, task: Task) -> None:
        """Change what is left to change."""
        request = Parse(str(task.operation.request["body"]), CreateBulkRequest())
        collection = plan_of(self.collections, worked_on(request))
        items = Items(task.operation.tenant_id, task.operation.id)
        if task.progress.total is None:
            await _Fixing(task, items, collection, request).run()
        step = _BulkStep(collection, Action(collection, request.action))
        await Run(task, step, items, items.settle).run()


@dataclass(frozen=True)
class _Fixing:
    """Notes which records there are before any is touched, so that none comes along later."""

    task: Task
    items: Items
    collection: Collection
    request: CreateBulkRequest

    async def run(self) -> None:
        """Note all records; FailedPrecondition when they are not as many as expected."""
        if self.request.ids:
            await self._given(sorted({one.lower() for one in self.request.ids}))
        else:
            more = True
            while more:
                more = await self._page()

    async def _given(self, ids: Sequence[str]) -> None:
        call, plan = (await self.task.deputy()).call, self.collection.plan
        async with self.task.batch() as tx:
            rows = await read_found(call, tx, plan, ids, ("delete_time",))
            self._compare(len([row for row in rows if row["delete_time"] is None]))
            for part in parts(ids, FIX_ROWS):
                await self.items.add(tx, map(Item, part))
            await self._save(tx, "", len(ids))

    async def _page(self) -> bool:
        """Note one page; whether there are more."""
        at = self.task.progress
        request = ListRequest(
            filter=self.request.filter, page_size=FIX_ROWS, page_token=at.cursor, fields="id"
        )
        call = (await self.task.deputy()).call
        plan, key = self.collection.plan, self.collection.page_token_key
        async with self.task.batch() as tx:
            page = await list_records(call, tx, plan, request, key)
            ids = [str(one.id) for one in page.records]  # type: ignore[attr-defined]  # every resource has it
            await self.items.add(tx, map(Item, ids))
            if not page.next_page_token:
                self._compare(at.waiting + len(ids))
            await self._save(tx, page.next_page_token, at.waiting + len(ids))
        return page.next_page_token != ""

    async def _save(self, tx: Tx, cursor: str, count: int) -> None:
        if count > RECORDS_MAX:
            raise FailedPrecondition(
                "BULK_TOO_LARGE",
                f"At most {RECORDS_MAX} records can be changed at once.",
                metadata={"records_max": str(RECORDS_MAX)},
            )
        progress = replace(self.task.progress, cursor=cursor, waiting=count)
        if not cursor:
            progress = replace(progress, waiting=0, total=count)
        self.task.progress = await self.task.save(tx, progress)

    def _compare(self, count: int) -> None:
        expected = self.request.expected_count
        if self.request.HasField("expected_count") and count != expected:
            raise FailedPrecondition(
                "BULK_COUNT_CHANGED",
                f"There are {count} records, not {expected}; nothing was changed.",
                metadata={"count": str(count), "expected_count": str(expected)},
            )


@dataclass(frozen=True)
class _BulkStep:
    collection: Collection
    action: Action

    @property
    def verb(self) -> str:
        return self.action.verb

    @property
    def at_once(self) -> bool:
        return self.verb == "DELETE"

    async def begin(self, call: Call, tx: Tx, items: Sequence[Item]) -> None:
        """Nothing is needed."""

    def skip(self, _item: Item, before: Record) -> str:
        return "It is in the recycle bin." if before["delete_time"] is not None else ""

    async def row(self, call: Call, tx: Tx, _item: Item, before: Record) -> Row:
        return await self.action.row(call, tx, before)

    async def write(self, call: Call, tx: Tx, before: Record) -> None:
        await self.action.discard(call, tx, before)


@dataclass(frozen=True)
class Run:
    """Takes the records of `source` that have the outcome `wanted` through a step; `keep` stores
    what became of them.
    """

    task: Task
    step: Step
    source: Items
    keep: Callable[[Tx, Sequence[Item]], Awaitable[None]]
    wanted: str = ""

    async def run(self) -> None:
        """Work from where the operation stands to its end."""
        while True:
            async with self.task.read() as tx:
                items = await self.source.page(tx, self.task.progress.cursor, BATCH_ROWS)
            if not items:
                return
            deputy = await self.task.deputy()
            self.step.collection.plan.reach(deputy.call, self.step.verb)
            await commit_whole_or_parts(items, partial(self._commit, deputy.call))

    async def _commit(self, call: Call, items: Sequence[Item], *, careful: bool) -> None:
        wanted = [one for one in items if one.outcome == self.wanted]
        async with self.task.batch() as tx:
            write = partial(self._write, call, tx)
            settled = await (write_each(tx, wanted, write, _refused) if careful else write(wanted))
            await self.keep(tx, settled)
            progress = self.task.progress.counted([one.outcome for one in settled])
            progress = replace(progress, cursor=items[-1].record_id)
            progress = await self.task.save(tx, progress)
        self.task.committed(progress)

    async def _write(self, call: Call, tx: Tx, items: Sequence[Item]) -> list[Item]:
        """What became of each; errors of the database concern all of them."""
        step, plan = self.step, self.step.collection.plan
        rows = await lock_found(call, tx, plan, [one.record_id for one in items], step.verb)
        found = {str(row["id"]): row for row in rows}
        await step.begin(call, tx, items)
        changes = Changes(step.collection, call, tx)
        settled = [_labelled(call, step.collection, one, found) for one in items]
        for at, item in enumerate(items):
            before = found.get(item.record_id)
            if before is None:
                text = f"There is no such record, or you may not {step.verb.lower()} it."
                settled[at] = replace(item, outcome="failed", reason=text)
            elif why := step.skip(item, before):
                settled[at] = replace(settled[at], outcome="skipped", reason=why)
            elif step.at_once:
                await step.write(call, tx, before)
                settled[at] = _updated(settled[at], before)
            else:
                await changes.prepare(at, before, step.row(call, tx, item, before))
        for at in await changes.store():
            settled[at] = _updated(settled[at], found[items[at].record_id])
        for at, error in changes.refused.items():
            settled[at] = _refused(settled[at], error)
        return settled


def _labelled(call: Call, collection: Collection, item: Item, found: Mapping[str, Record]) -> Item:
    """The record with its name, so far as one that changes nothing."""
    row = found.get(item.record_id)
    label = str(row[LABEL] or "") if row and has_label(call, collection.plan) else ""
    return replace(item, outcome="skipped", version=None, label=label)


def _updated(item: Item, before: Record) -> Item:
    return replace(item, outcome="updated", version=before["version"] + 1)


def _refused(item: Item, error: CrmError) -> Item:
    text = "; ".join(f"{path}: {why}" for path, why in error.fields) or error.message
    return replace(item, outcome="failed", version=None, reason=text[:REASON_LENGTH_MAX])
