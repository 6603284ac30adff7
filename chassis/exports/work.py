"""An export at work: pages of records under its user's rights of that moment, into one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from google.protobuf.json_format import Parse
from google.protobuf.message import Message

from chassis.errors import FailedPrecondition
from chassis.events.change_row import record_event
from chassis.exports.columns import Column, Labels, Record, export_columns, label_references
from chassis.exports.files import Rows, csv_file, xlsx_file
from chassis.imports.matches import Lookup
from chassis.operations import store
from chassis.operations.blob import BlobStore
from chassis.operations.deputy import Deputy
from chassis.operations.lines import Cell
from chassis.operations.message import EXPORT, worked_on
from chassis.operations.task import Task
from chassis.resource.listing import list_records
from chassis.resource.read import plan_of
from chassis.resource.resource import Reference
from chassis.resource.standard import Collection
from chassis.resource.view import view_of
from crm.chassis.v1.export_pb2 import CreateExportRequest
from crm.type.v1.requests_pb2 import ListRequest

ROWS_MAX = 1_000_000
PAGE_ROWS = 1000
LABELS_KEPT_MAX = 50_000
# A file cannot be gone on with, so it is begun anew; not for ever.
STARTS_MAX = 5


@dataclass(frozen=True)
class ExportWork:
    """The work of operations of kind "export" over the collections of one service."""

    collections: Mapping[str, Collection]
    blobs: BlobStore
    lookup: Lookup

    async def __call__(self, task: Task) -> None:
        """Write the file and log that it is there."""
        request = Parse(str(task.operation.request["body"]), CreateExportRequest())
        collection = plan_of(self.collections, worked_on(request))
        await _begin(task)
        run = _ExportRun(task, collection, request, self.lookup)
        columns = await run.columns()
        make = xlsx_file if request.format == CreateExportRequest.XLSX else csv_file
        pieces = make([one.name for one in columns], run.pages(columns))
        blob = await self.blobs.write(task.operation.tenant_id, pieces)
        deputy = await task.deputy()
        async with task.batch() as tx:
            data = told(task.operation, request) | {"count": task.progress.exported}
            record_id = store.record_id(task.operation.id)
            await record_event(deputy.call, tx, EXPORT, "finished", record_id, data)
            progress = await task.save(tx, replace(task.progress, file=blob.id))
        task.committed(progress)


def told(operation: store.Operation, request: CreateExportRequest) -> dict[str, object]:
    """What the events of an export say."""
    return {
        "operation_id": operation.id,
        "resource": worked_on(request),
        "filter": request.filter,
        "fields": request.fields,
    }


async def _begin(task: Task) -> None:
    """Begin at the first row, whatever an earlier attempt came to."""
    at = task.progress
    if at.round >= STARTS_MAX:
        text = "The operation has begun too often."
        raise FailedPrecondition("OPERATION_STUCK", text)
    async with task.batch() as tx:
        begun = replace(at, exported=0, total=None, cursor="", round=at.round + bool(at.exported))
        task.progress = await task.save(tx, begun)


@dataclass(frozen=True)
class _ExportRun:
    task: Task
    collection: Collection
    request: CreateExportRequest
    lookup: Lookup
    _names: dict[Reference, dict[str, str]] = field(default_factory=dict)

    async def columns(self) -> list[Column]:
        """The columns as the user may see them now."""
        deputy = await self.task.deputy()
        view = view_of(deputy.call, self.collection.plan)
        view.names(self.request.fields)
        return export_columns(view, self._fields)

    async def pages(self, columns: Sequence[Column]) -> Rows:
        """The rows, a page at a time."""
        encode = self.collection.plan.encode
        more = True
        while more:
            deputy = await self.task.deputy()
            records = [encode(one) for one in await self._page(deputy)]
            labels = await self._labels(deputy, records)
            yield [_row(columns, one, labels) for one in records]
            more = self.task.progress.cursor != ""

    async def _page(self, deputy: Deputy) -> Sequence[Message]:
        """The next page, and the progress with it; a cancelled export ends here."""
        at, asked = self.task.progress, self.request
        request = ListRequest(
            filter=asked.filter,
            order_by=asked.order_by,
            fields=asked.fields,
            page_size=PAGE_ROWS,
            page_token=at.cursor,
            count="" if at.cursor else "exact",
        )
        plan, key = self.collection.plan, self.collection.page_token_key
        async with self.task.batch() as tx:
            page = await list_records(deputy.call, tx, plan, request, key, EXPORT.upper())
            progress = replace(
                at,
                exported=at.exported + len(page.records),
                total=at.total if page.total_size is None else page.total_size,
                cursor=page.next_page_token,
            )
            if max(progress.exported, progress.total or 0) > ROWS_MAX:
                raise FailedPrecondition(
                    "EXPORT_TOO_LARGE",
                    f"A file may have at most {ROWS_MAX} rows; narrow the filter.",
                    metadata={"rows_max": str(ROWS_MAX)},
                )
            progress = await self.task.save(tx, progress)
        self.task.committed(progress)
        return page.records

    async def _labels(self, deputy: Deputy, records: Sequence[Record]) -> Labels:
        """Names of the records that these refer to, as the user may see them."""
        view = view_of(deputy.call, self.collection.plan)
        found: dict[str, Mapping[str, str]] = {}
        for reference in label_references(view, self._fields):
            known = self._names.setdefault(reference, {})
            if len(known) > LABELS_KEPT_MAX:
                known.clear()
            ids = {str(one[reference.field]) for one in records if one.get(reference.field)}
            new = sorted(ids - known.keys())
            known |= dict.fromkeys(new, "")
            known |= await self.lookup.labels(deputy, reference, new)
            found[reference.field] = known
        return found

    @property
    def _fields(self) -> list[str]:
        return [part.strip() for part in self.request.fields.split(",") if part.strip()]


def _row(columns: Sequence[Column], record: Record, labels: Labels) -> list[Cell]:
    return [one.cell(record, labels) for one in columns]
