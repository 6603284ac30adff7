"""A user who changes and exports many records through gRPC, as the gateway would for him."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg
from google.longrunning.operations_pb2 import Operation

from chassis.rpc.methods import method_facts
from crm.chassis.v1 import bulk_pb2, export_pb2, operation_pb2
from crm.chassis.v1.operation_pb2 import OperationMetadata
from tests.integration.chassis.imports.importer import OPERATIONS, Importer, metadata, spec_of

BULKS = "crm.chassis.v1.BulkService"
EXPORTS = "crm.chassis.v1.ExportService"
COLUMNS = "event, through, lane, version, actor_id, representation::text"
INDUSTRY = {"external_id": "id", "name": "name", "industry": "industry"}


@dataclass(frozen=True)
class Done:
    """How a bulk change ended."""

    updated: int = 0
    skipped: int = 0
    failed: int = 0


class Bulker:
    """An importer's further deeds."""

    def __init__(self, importer: Importer) -> None:
        self.importer = importer

    async def customers(self, count: int, industry: str = "a") -> None:
        """Import so many customers of an industry, named n0, n1, ..."""
        lines = ["id,name,industry", *(f"{industry}{at},n{at},{industry}" for at in range(count))]
        spec = spec_of(INDUSTRY)
        counts = await self.importer.run(spec, "\n".join(lines).encode())
        assert counts.created == count

    async def start(self, request: bulk_pb2.CreateBulkRequest, key: str = "") -> Operation:
        """Begin a bulk change of customers."""
        return await self.importer.call("customer", f"{BULKS}/CreateBulk", request, Operation, key)

    async def preview(self, request: bulk_pb2.PreviewBulkRequest) -> bulk_pb2.PreviewBulkResponse:
        """What it would work on."""
        answer = bulk_pb2.PreviewBulkResponse
        return await self.importer.call("customer", f"{BULKS}/PreviewBulk", request, answer)

    async def run(self, request: bulk_pb2.CreateBulkRequest) -> tuple[str, Done]:
        """Change records to the end, which must be a good one."""
        return await self.end((await self.start(request)).name)

    async def end(self, name: str, wait_s: float = 60) -> tuple[str, Done]:
        """The counts of an operation that ends well."""
        operation = await self.importer.end(name, wait_s)
        assert not operation.HasField("error"), operation.error
        return name, done(metadata(operation))

    async def undo(self, name: str) -> Operation:
        """Take it back."""
        request = operation_pb2.UndoOperationRequest(id=name)
        method = f"{OPERATIONS}/UndoOperation"
        return await self.importer.call(name.split("-", maxsplit=1)[0], method, request, Operation)

    async def export(self, request: export_pb2.CreateExportRequest) -> str:
        """Export customers to the end; the operation."""
        operation = await self.importer.call(
            "customer", f"{EXPORTS}/CreateExport", request, Operation
        )
        ended = await self.importer.end(operation.name)
        assert not ended.HasField("error"), ended.error
        return operation.name

    async def result(self, name: str) -> tuple[str, bytes]:
        """Name and content of the result file."""
        facts = method_facts(OPERATIONS)["DownloadResult"]
        stub = self.importer._channel(name.split("-", maxsplit=1)[0]).unary_stream(
            f"/{OPERATIONS}/DownloadResult",
            facts.request.SerializeToString,
            facts.response.FromString,
        )
        token = (("authorization", f"Bearer {await self.importer.token()}"),)
        request = operation_pb2.DownloadResultRequest(id=name)
        chunks = [chunk async for chunk in stub(request, timeout=60, metadata=token)]
        return chunks[0].file_name, b"".join(chunk.data for chunk in chunks)

    async def outcomes(self, name: str) -> list[dict[str, str]]:
        """The lines of the result file of a bulk change."""
        _, content = await self.result(name)
        return list(csv.DictReader(io.StringIO(content.decode())))

    async def changes(self, cause_id: str) -> Sequence[asyncpg.Record]:
        """The change rows of customers that an operation caused."""
        return await self._rows("cause_id", cause_id)

    async def events(self, name: str) -> Sequence[asyncpg.Record]:
        """What was logged about an operation."""
        return await self._rows("record_id::text", name.partition("-")[2])

    async def _rows(self, column: str, value: str) -> Sequence[asyncpg.Record]:
        connection = await asyncpg.connect(
            self.importer.platform.database_url("customer", "worker")
        )
        try:
            query = f"SELECT {COLUMNS} FROM base.change WHERE {column} = $1 ORDER BY seq"  # noqa: S608  # columns named here
            rows: Sequence[asyncpg.Record] = await connection.fetch(query, value)
        finally:
            await connection.close()
        return rows


def done(found: OperationMetadata) -> Done:
    """The counts."""
    return Done(found.counts.updated, found.counts.skipped, found.counts.failed)


def update(
    filter_: str = "", ids: Iterable[str] = (), expected: int | None = None, **fields: object
) -> bulk_pb2.CreateBulkRequest:
    """A request that sets fields."""
    request = bulk_pb2.CreateBulkRequest(
        resource="customers", filter=filter_, ids=ids, expected_count=expected
    )
    request.action.update.fields.update(fields)  # type: ignore[arg-type]  # JSON values
    return request


def delete(filter_: str, *, force: bool = False) -> bulk_pb2.CreateBulkRequest:
    """A request that deletes."""
    request = bulk_pb2.CreateBulkRequest(resource="customers", filter=filter_)
    request.action.delete.force = force
    request.action.delete.SetInParent()
    return request
