"""Batches (AIP-231, 233 to 235): up to 1000 records in one transaction, all or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.errors import CrmError
from chassis.resource.checks import check_match
from chassis.resource.plan import Plan
from chassis.resource.read import get_records, lock_records
from chassis.resource.references import Change, check_references
from chassis.resource.resource import Row
from chassis.resource.view import view_of
from chassis.resource.write import insert_records, update_records
from chassis.rpc.methods import Unary
from crm.type.v1.requests_pb2 import BatchDeleteRequest, BatchGetRequest

if TYPE_CHECKING:
    from chassis.resource.standard import Collection


@dataclass(frozen=True, eq=False)
class Batches:
    """The batch methods of one collection; `answer` is the message that holds its records."""

    collection: "Collection"
    answer: type[Message]

    def methods(self, plural: str) -> dict[str, Unary]:
        """Handlers by rpc name; `plural` as in the names of rpcs."""
        return {
            f"BatchGet{plural}": Unary(self.get),
            f"BatchCreate{plural}": Unary(self.create, self.reread),
            f"BatchUpdate{plural}": Unary(self.update, self.reread),
            f"BatchDelete{plural}": Unary(self.delete, self.reread),
        }

    async def get(self, call: Call, tx: Tx, request: BatchGetRequest) -> Message:
        """Records in the order asked for; NotFound names the first that is not there."""
        plan = self.collection.plan
        names = view_of(call, plan).names(request.fields)
        return self._answer(await get_records(call, tx, plan, request.ids, names))

    async def reread(self, call: Call, tx: Tx, record_ids: Sequence[str]) -> Message:
        """The records as a repeated call gets them."""
        return self._answer(await get_records(call, tx, self.collection.plan, record_ids))

    async def create(self, call: Call, tx: Tx, request: Message) -> Message:
        """Create records; errors of fields say at which request they are."""
        plan, requests = self.collection.plan, _requests(request)
        rows: list[Row] = []
        for at, one in enumerate(requests):
            with _At(at, plan):
                rows.append(await self.collection.prepared(call, tx, getattr(one, plan.singular)))
        await self._check_references(call, tx, [(None, row) for row in rows])
        _name_records(call, [str(row["id"]) for row in rows])
        tx.discard_if(requests[0].validate_only)  # type: ignore[attr-defined]  # every Create request has it
        await self.collection.numbered(call, tx, rows)
        return self._answer(await insert_records(call, tx, plan, rows))

    async def update(self, call: Call, tx: Tx, request: Message) -> Message:
        """Change records; an etag that a record brings must be current."""
        plan, requests = self.collection.plan, _requests(request)
        messages = [getattr(one, plan.singular) for one in requests]
        ids = [message.id for message in messages]
        if len(set(ids)) < len(ids):
            raise invalid_fields([("requests", "A record may be changed once in a batch.")])
        before = await lock_records(call, tx, plan, ids, "UPDATE")
        pairs: list[tuple[Record, Row]] = []
        for at, (one, message) in enumerate(zip(requests, messages, strict=True)):
            with _At(at, plan):
                check_match(message.etag, before[at]["version"])
                row = await self.collection.changed(call, tx, before[at], one)
            pairs.append((before[at], row))
        await self._check_references(call, tx, pairs)
        _name_records(call, ids)
        made = await update_records(call, tx, plan, pairs)
        tx.discard_if(requests[0].validate_only)  # type: ignore[attr-defined]  # every Update request has it
        return self._answer(made)

    async def delete(self, call: Call, tx: Tx, request: BatchDeleteRequest) -> Message:
        """Put records into the recycle bin, as Delete does with one."""
        collection = self.collection
        _name_records(call, request.ids)
        made = [
            await collection.discard(call, tx, before, force=request.force)
            for before in await lock_records(call, tx, collection.plan, request.ids, "DELETE")
        ]
        return self._answer(made)

    async def _check_references(self, call: Call, tx: Tx, changes: Sequence[Change]) -> None:
        plan = self.collection.plan
        found = await check_references(call, tx, self.collection, changes)
        for at, errors in found.items():
            with _At(at, plan):
                raise invalid_fields(errors)

    def _answer(self, records: Sequence[Message]) -> Message:
        return self.answer(**{self.collection.plan.plural: records})


class _At:
    """Names the request of the batch in the field errors that come out of a block."""

    def __init__(self, at: int, plan: Plan) -> None:
        self._path = f"requests[{at}].{plan.singular}"

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Lead the paths of the error's fields to the request."""
        if isinstance(error, CrmError):
            error.fields = tuple((f"{self._path}.{name}", text) for name, text in error.fields)


def _name_records(call: Call, ids: Sequence[str]) -> None:
    """Have the idempotency key remember all records of the batch."""
    if call.idempotency is not None:
        call.idempotency.record_ids = list(ids)


def _requests(request: Message) -> Sequence[Message]:
    requests: Sequence[Message] = request.requests  # type: ignore[attr-defined]  # every batch request has them
    return requests
