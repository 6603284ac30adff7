"""Many rows in one transaction by the rules of RPCs: each may be refused alone, the rest is written
pipelined.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import asyncpg

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.errors import translate
from chassis.db.pool import Record, Tx
from chassis.errors import (
    AlreadyExists,
    CrmError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from chassis.resource.references import check_references
from chassis.resource.resource import Row
from chassis.resource.standard import Collection
from chassis.resource.write import changed_columns, insert_records, update_records

# What is wrong with one row; other errors are about the moment.
REFUSALS = (InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, PermissionDenied)
PIPELINE_ROWS = 100
CAREFUL_ROWS = 50

One = TypeVar("One")
One_contra = TypeVar("One_contra", contravariant=True)
Result = TypeVar("Result")


@dataclass(slots=True)
class _Change:
    """A row that is to be written: over the row `before`, or as a new record."""

    at: int
    row: Row
    before: Record | None
    later: list[Callable[[], Awaitable[None]]]


class Changes:
    """The changes of one transaction, known by their places in a batch."""

    def __init__(self, collection: Collection, call: Call, tx: Tx) -> None:
        self._collection = collection
        self._call = call
        self._tx = tx
        self._changes: list[_Change] = []
        self.refused: dict[int, CrmError] = {}

    async def prepare(self, at: int, before: Record | None, row: Awaitable[Row]) -> None:
        """Take a row to write over `before` (None: a new one), or note why it is refused; one
        without a difference is left out.
        """
        later = self._tx.later
        mark = len(later)
        try:
            made = await row
        except REFUSALS as error:
            self.refused[at] = error
            del later[mark:]
            return
        own = later[mark:]
        del later[mark:]
        if before is None or changed_columns(before, made):
            self._changes.append(_Change(at, made, before, own))

    async def store(self) -> list[int]:
        """Write what refers to records that exist; the places of what was written."""
        plan, call, tx = self._collection.plan, self._call, self._tx
        self._refuse(await check_references(call, tx, self._collection, self._pairs()))
        rows = [change.row for change in self._changes]
        self._refuse(await self._collection.numbered(call, tx, rows))
        changes = self._changes
        for part in parts([one.row for one in changes if one.before is None], PIPELINE_ROWS):
            await insert_records(call, tx, plan, part)
        pairs = [(one.before, one.row) for one in changes if one.before is not None]
        for pair in parts(pairs, PIPELINE_ROWS):
            await update_records(call, tx, plan, pair)
        for change in changes:
            tx.later.extend(change.later)
        await tx.do_later()
        return [change.at for change in changes]

    def _pairs(self) -> list[tuple[Record | None, Row]]:
        return [(change.before, change.row) for change in self._changes]

    def _refuse(self, errors: Mapping[int, list[tuple[str, str]]]) -> None:
        """Leave out the changes with field errors, which stand by position."""
        for at, fields in errors.items():
            self.refused[self._changes[at].at] = invalid_fields(fields)
        self._changes = [one for at, one in enumerate(self._changes) if at not in errors]


class Commit(Protocol[One_contra]):
    """Writes a batch in a transaction of its own."""

    async def __call__(self, batch: Sequence[One_contra], /, *, careful: bool) -> None:
        """`careful`: row by row, so that what the database refuses fails alone."""


async def commit_whole_or_parts(batch: Sequence[One], commit: Commit[One]) -> None:
    """Commit a batch as a whole; when something among it is refused, find out what, in small
    transactions.
    """
    try:
        await commit(batch, careful=False)
    except Exception as error:
        if row_error(error) is None:
            raise
        for part in parts(batch, CAREFUL_ROWS):
            await commit(part, careful=True)


async def write_each(
    tx: Tx,
    batch: Sequence[One],
    write: Callable[[Sequence[One]], Awaitable[list[Result]]],
    refused: Callable[[One, CrmError], Result],
) -> list[Result]:
    """Write one by one, so that what the database refuses fails alone."""
    results: list[Result] = []
    for one in batch:
        try:
            async with tx.savepoint():
                results += await write([one])
        except Exception as error:
            refusal = row_error(error)
            if refusal is None:
                raise
            results.append(refused(one, refusal))
    return results


def row_error(error: Exception) -> CrmError | None:
    """What the error says about single rows; None when it is about the moment or our own fault."""
    shown = translate(error) if isinstance(error, asyncpg.PostgresError) else error
    return shown if isinstance(shown, REFUSALS) else None


def parts(items: Sequence[One], size: int) -> list[Sequence[One]]:
    """The items in pieces of at most `size`."""
    return [items[first : first + size] for first in range(0, len(items), size)]
