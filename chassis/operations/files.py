"""The files of operations, streamed in pieces: results, and what was refused."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import orjson

from chassis.call import Call
from chassis.db.pool import Database, Record
from chassis.errors import NotFound
from chassis.events.change_row import record_event
from chassis.operations import store
from chassis.operations.blob import BlobStore
from chassis.operations.items import Items
from chassis.operations.lines import csv_line
from chassis.operations.message import BULK, EXPORT, UNDO
from chassis.operations.progress import Progress, read_progress
from chassis.resource.plan import Plan
from chassis.resource.read import plan_of
from crm.chassis.v1 import operation_pb2 as pb

PAGE_ROWS = 1000
PIECE_BYTES = 64 * 1024
PIECE_LINES = 50


@dataclass(frozen=True)
class Files:
    """Handlers of downloads; `plans` are those of all that is worked on."""

    database: Database
    blobs: BlobStore
    plans: Mapping[str, Plan]

    async def errors(
        self, call: Call, request: pb.DownloadErrorsRequest
    ) -> AsyncIterator[pb.FileChunk]:
        """What was refused, as CSV: rows of a file, or records as the result file has them."""
        row, progress = await self._own(call, request.id)
        pieces = (
            self._items(call, row, failed_only=True)
            if row["kind"] in {BULK, UNDO}
            else self._problems(call, row, progress)
        )
        async for piece in _named(pieces, f"{row['id']}-errors.csv"):
            yield piece

    async def result(
        self, call: Call, request: pb.DownloadResultRequest
    ) -> AsyncIterator[pb.FileChunk]:
        """The result file; that of an export as long as the caller may export, which is logged."""
        row, progress = await self._own(call, request.id)
        if row["kind"] in {BULK, UNDO}:
            pieces = self._items(call, row, failed_only=False)
            name = f"{row['id']}.csv"
        elif row["kind"] == EXPORT and progress.file:
            asked = orjson.loads(row["request"])
            plan_of(self.plans, asked["resource"]).reach(call, "EXPORT")
            await self._require(call, progress.file)
            await self._log(call, row, asked)
            pieces = self._blob(call, progress.file)
            kind = asked["resource"].replace("/", "-")
            name = f"{kind}-{row['create_time']:%Y-%m-%d}.{asked['extension']}"
        else:
            raise NotFound("RESULT_NOT_FOUND", "The operation has no result file.")
        async for piece in _named(pieces, name):
            yield piece

    async def _own(self, call: Call, operation_id: str) -> tuple[Record, Progress]:
        async with self.database.transaction(call.tenant_id) as tx:
            row = await store.own_operation(call, tx, operation_id)
        return row, read_progress(row["progress"])

    async def _require(self, call: Call, blob_id: str) -> None:
        try:
            await self.blobs.size(call.tenant_id, blob_id)
        except NotFound:
            text = "The file was kept for seven days; export again."
            raise NotFound("RESULT_EXPIRED", text) from None

    async def _log(self, call: Call, row: Record, asked: dict[str, object]) -> None:
        data = {"operation_id": row["id"], "resource": asked["resource"]}
        async with self.database.transaction(call.tenant_id) as tx:
            await record_event(call, tx, EXPORT, "downloaded", store.record_id(row["id"]), data)

    async def _blob(self, call: Call, blob_id: str) -> AsyncIterator[bytes]:
        offset = 0
        while data := await self.blobs.read(call.tenant_id, blob_id, offset, PIECE_BYTES):
            yield data
            offset += len(data)

    async def _items(self, call: Call, row: Record, *, failed_only: bool) -> AsyncIterator[bytes]:
        plan_of(self.plans, orjson.loads(row["request"])["resource"]).reach(call, "READ")
        yield csv_line("id", "label", "outcome", "reason")
        items, after = Items(call.tenant_id, row["id"]), ""
        while True:
            async with self.database.transaction(call.tenant_id) as tx:
                page = await items.page(tx, after, PAGE_ROWS)
            lines = [
                csv_line(one.record_id, one.label, one.outcome, one.reason)
                for one in page
                if one.outcome and (one.outcome == "failed" or not failed_only)
            ]
            for first in range(0, len(lines), PIECE_LINES):
                yield b"".join(lines[first : first + PIECE_LINES])
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].record_id

    async def _problems(self, call: Call, row: Record, progress: Progress) -> AsyncIterator[bytes]:
        yield csv_line("row", "column", "reason")
        at = {"tenant_id": call.tenant_id, "id": row["id"], "row": 0, "position": -1}
        while True:
            async with self.database.transaction(call.tenant_id) as tx:
                page = await tx.fetch(store.ERRORS, {**at, "limit": PAGE_ROWS})
            for first in range(0, len(page), PIECE_LINES):
                yield b"".join(_problem_line(one) for one in page[first : first + PIECE_LINES])
            if len(page) < PAGE_ROWS:
                break
            at |= {"row": page[-1]["row_number"], "position": page[-1]["position"]}
        if progress.unlisted:
            yield csv_line("", "", f"{progress.unlisted} more problems are not listed here.")


async def _named(pieces: AsyncIterator[bytes], name: str) -> AsyncIterator[pb.FileChunk]:
    """The pieces, the first with the file's name."""
    async for data in pieces:
        yield pb.FileChunk(data=data, file_name=name)
        name = ""


def _problem_line(row: Record) -> bytes:
    return csv_line(row["row_number"], row["column_name"], row["reason"])
