"""The import itself: batches of rows with their progress, one transaction each."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from google.protobuf.json_format import Parse

from chassis.db.pool import Tx
from chassis.imports.draft import Draft, Known, apart, fill, read_draft
from chassis.imports.mapping import ImportMapping, make_mapping, refuse_denied
from chassis.imports.matches import Lookup, Matches
from chassis.imports.records import BrokenFile, Record
from chassis.imports.rehearsal import Rehearsal
from chassis.imports.source import Header, Source
from chassis.imports.upsert import Result, Upsert
from chassis.imports.workbook import as_csv, is_workbook
from chassis.operations.blob import BlobStore
from chassis.operations.changes import commit_whole_or_parts
from chassis.operations.deputy import Deputy
from chassis.operations.message import worked_on
from chassis.operations.progress import Progress
from chassis.operations.task import Task
from chassis.resource.read import plan_of
from chassis.resource.standard import Collection
from chassis.resource.view import view_of
from crm.chassis.v1.import_pb2 import ImportSpec

BATCH_ROWS = 500
BATCH_BYTES = 1024 * 1024
LATER_ROWS = 200
ROUNDS_MAX = 100
# External ids of which the first row is known, so that repeats can be flagged.
FIRST_ROWS_MAX = 200_000
RENEW_S = 5.0


@dataclass(frozen=True)
class ImportWork:
    """The work of operations of kind "import" over the collections of one service."""

    collections: Mapping[str, Collection]
    blobs: BlobStore
    lookup: Lookup

    async def __call__(self, task: Task) -> None:
        """Import the file from where the operation stands to its end."""
        request = task.operation.request
        spec = Parse(str(request["spec"]), ImportSpec())
        collection = plan_of(self.collections, worked_on(spec))
        source = await self._table(task, spec.sheet)
        header = await source.header()
        view = view_of((await task.deputy()).call, collection.plan)
        mapping = make_mapping(view, spec, header.names)
        run = ImportRun(task, source, header, collection, Matches(self.lookup, mapping), mapping)
        # A rehearsal keeps nothing that it could go on from.
        if spec.validate_only and task.progress != task.progress.begun():
            await task.restart()
        broken = await run.rows()
        await run.rows_put_off()
        if broken is not None:
            raise broken

    async def _table(self, task: Task, sheet: str) -> Source:
        """The rows as CSV: the file itself, or what a workbook was turned into, once."""
        tenant_id, request = task.operation.tenant_id, task.operation.request
        source = Source(self.blobs, tenant_id, task.progress.table or str(request["file_id"]))
        if task.progress.table or not await is_workbook(source):
            return source
        async with aclosing(as_csv(source, sheet)) as chunks:
            blob = await self.blobs.write(tenant_id, _holding_on(task, chunks))
        await task.keep(replace(task.progress, table=blob.id, size=blob.size))
        return replace(source, blob_id=blob.id)


async def _holding_on(task: Task, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, with the lease renewed every few seconds."""
    renewed = time.monotonic()
    async for chunk in chunks:
        if time.monotonic() - renewed > RENEW_S:
            await task.keep(task.progress)
            renewed = time.monotonic()
        yield chunk


class ImportRun:
    """One import at work."""

    def __init__(  # the parts of a run
        self,
        task: Task,
        source: Source,
        header: Header,
        collection: Collection,
        matches: Matches,
        mapping: ImportMapping,
    ) -> None:
        self._task = task
        self._source = source
        self._header = header
        self._collection = collection
        self._matches = matches
        self._mapping = mapping
        self._broken: BrokenFile | None = None
        self._first_rows: dict[str, int] = {}
        self._rehearsal = Rehearsal(mapping) if mapping.spec.validate_only else None

    async def rows(self) -> BrokenFile | None:
        """Import every row that can be; the error that keeps the file from being read on."""
        if self._task.progress.row:
            await self._see_again(self._task.progress.offset)
        async for batch in self._batches():
            await self._batch(batch)
        if self._broken is None and self._task.progress.total is None:
            await self._know_total()
        return self._broken

    async def _see_again(self, offset: int) -> None:
        """Know the rows again that an import that goes on has dealt with, for notes on repeats."""
        begin = self._header
        async with aclosing(self._source.records(begin.end, begin.next_row)) as records:
            async for record in records:
                if record.start >= offset or len(self._first_rows) >= FIRST_ROWS_MAX:
                    break
                if record.data:
                    self._rows_of(self._draft(record))

    async def rows_put_off(self) -> None:
        """Import the rows that named later ones, in rounds, until a round moves nothing."""
        while self._task.progress.waiting:
            drafts = await self._put_off()
            if drafts:
                await self._batch(drafts, put_off=True)
            else:
                await self._next_round()

    async def _batches(self) -> AsyncIterator[list[Draft]]:
        """The rows from where the import stands to the end of the file or its first broken row."""
        batch: list[Draft] = []
        size = 0
        try:
            async for record in self._records():
                batch.append(self._draft(record))
                size += len(record.data)
                if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        except BrokenFile as error:
            self._broken = error
        if batch:
            yield batch

    async def _records(self) -> AsyncIterator[Record]:
        at = self._task.progress
        begin = self._header
        offset, row = (at.offset, at.row) if at.row else (begin.end, begin.next_row)
        async for record in self._source.records(offset, row):
            if record.data:
                yield record

    def _draft(self, record: Record) -> Draft:
        header = self._header
        return read_draft(self._mapping, record, header.delimiter, len(header.names))

    async def _batch(self, drafts: Sequence[Draft], *, put_off: bool = False) -> None:
        for group in apart(drafts):
            deputy = await self._task.deputy()
            mapping = self._mapping
            mapping.plan.reach(deputy.call, "IMPORT")
            refuse_denied(view_of(deputy.call, mapping.plan), mapping.spec)
            known = Known(
                found=await self._matches.find(deputy, group),
                rehearsed=self._rehearsal.names if self._rehearsal else (),
                final=self._task.progress.final,
            )
            for draft in group:
                if not draft.problems:
                    fill(self._mapping, draft, known)
            commit = partial(self._commit, deputy, put_off=put_off)
            await commit_whole_or_parts(group, commit)

    async def _commit(
        self, deputy: Deputy, drafts: Sequence[Draft], *, put_off: bool, careful: bool
    ) -> None:
        """One transaction: the records, the progress and the problems."""
        rehearsal = self._rehearsal
        if rehearsal is None:
            async with self._task.batch() as tx:
                results = await self._write(deputy, tx, drafts, careful=careful)
                progress = await self._save(tx, drafts, results, put_off=put_off)
        else:
            async with self._task.batch() as tx:
                tx.discard_if(only_validated=True)
                results = await self._write(deputy, tx, drafts, careful=careful)
            async with self._task.batch() as tx:
                progress = await self._save(tx, drafts, results, put_off=put_off)
            rehearsal.remember(drafts, results)
        self._task.committed(progress)

    async def _write(
        self, deputy: Deputy, tx: Tx, drafts: Sequence[Draft], *, careful: bool
    ) -> list[Result]:
        results = {at: one for at, draft in enumerate(drafts) if (one := self._settled(draft))}
        first: dict[str, int] = {}
        repeats: dict[int, int] = {}
        for at, draft in enumerate(drafts):
            if draft.key and at not in results and first.setdefault(draft.key, at) != at:
                repeats[at] = first[draft.key]
        places = [at for at in range(len(drafts)) if at not in results and at not in repeats]
        upsert = Upsert(self._collection, self._mapping, deputy.call, tx)
        write = upsert.write_each if careful else upsert.write
        written = await write([drafts[at] for at in places])
        results |= dict(zip(places, written, strict=True))
        results |= {at: results[one].repeated(drafts[at].record.row) for at, one in repeats.items()}
        return [results[at].flagged(*self._rows_of(draft)) for at, draft in enumerate(drafts)]

    def _rows_of(self, draft: Draft) -> tuple[int, int]:
        """The row of a draft and the first one with its external id, as far as that is known."""
        row, known = draft.record.row, self._first_rows
        if draft.key and len(known) < FIRST_ROWS_MAX:
            known.setdefault(draft.key, row)
        return row, min(row, known.get(draft.key, row))

    def _settled(self, draft: Draft) -> Result | None:
        """The result of a draft that is not to be written."""
        if draft.problems:
            return Result("failed", tuple(draft.problems))
        if draft.later:
            return Result("later")
        return self._rehearsal.repeat(draft) if self._rehearsal else None

    async def _save(
        self, tx: Tx, drafts: Sequence[Draft], results: Sequence[Result], *, put_off: bool
    ) -> Progress:
        progress = self._task.progress.counted([result.outcome for result in results])
        last = drafts[-1].record
        decided = [
            draft.record.row
            for draft, result in zip(drafts, results, strict=True)
            if result.outcome != "later"
        ]
        if put_off:
            await self._task.drop_later(tx, decided)
            progress = replace(
                progress,
                after=last.row,
                moved=progress.moved + len(decided),
                waiting=progress.waiting - len(decided),
            )
        else:
            later = [draft.record for draft in drafts if draft.later]
            await self._task.add_later(tx, [(r.row, r.start, r.end - r.start) for r in later])
            progress = replace(
                progress, offset=last.end, row=last.row + 1, waiting=progress.waiting + len(later)
            )
        problems = [problem for result in results for problem in result.problems]
        return await self._task.save(tx, progress, problems)

    async def _put_off(self) -> list[Draft]:
        """The next rows of this round, few enough to hold in memory."""
        places = await self._task.later(LATER_ROWS)
        drafts: list[Draft] = []
        size = 0
        for row, start, length in places:
            drafts.append(self._draft(await self._source.record(row, start, length)))
            size += length
            if size >= BATCH_BYTES:
                break
        return drafts

    async def _next_round(self) -> None:
        at = self._task.progress
        final = at.moved == 0 or at.round >= ROUNDS_MAX
        await self._task.keep(replace(at, round=at.round + 1, after=0, moved=0, final=final))

    async def _know_total(self) -> None:
        at = self._task.progress
        await self._task.keep(replace(at, offset=at.size, total=at.processed + at.waiting))
