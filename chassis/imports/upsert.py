"""Drafts to records within one transaction, by the rules of RPCs: created, changed or refused."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import asyncpg
from sqlalchemy import Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.access.scope import covers_row
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.codec.validate import validator
from chassis.custom_fields.record import set_changed, set_new
from chassis.db.errors import translate
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import (
    AlreadyExists,
    CrmError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from chassis.imports.draft import Draft
from chassis.imports.mapping import KEY, SOURCE, ImportMapping
from chassis.operations.task import Problem
from chassis.resource.checks import check_owner
from chassis.resource.plan import Plan
from chassis.resource.references import check_references
from chassis.resource.resource import Row
from chassis.resource.rows import column_values
from chassis.resource.standard import Collection, owned_by
from chassis.resource.view import view_of
from chassis.resource.write import changed_columns, insert_records, update_records

# What is wrong with one row; other errors are about the moment.
REFUSALS = (InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, PermissionDenied)
PIPELINE_ROWS = 100
BREATH_ROWS = 25

Outcome = Literal["created", "updated", "skipped", "failed", "later"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a draft; a skipped one may have a note among its problems."""

    outcome: Outcome
    problems: tuple[Problem, ...] = ()

    def repeated(self, row: int) -> "Result":
        """The result of a row that says the same word for word."""
        if self.outcome != "failed":
            return Result("skipped")
        return Result("failed", tuple(replace(one, row=row) for one in self.problems))


@dataclass(slots=True)
class _Change:
    """A draft that is to be written: over the row `before`, or as a new record."""

    at: int
    row: Row
    before: Record | None
    later: list[Callable[[], Awaitable[None]]]


class Upsert:
    """Writes drafts whose external ids differ, as the user of the call."""

    def __init__(self, collection: Collection, mapping: ImportMapping, call: Call, tx: Tx) -> None:
        self._collection = collection
        self._plan = collection.plan
        self._mapping = mapping
        self._call = call
        self._tx = tx
        self._check = validator(collection.plan.resource.message)

    async def write(self, drafts: Sequence[Draft]) -> list[Result]:
        """What became of each; errors of the database concern all of them."""
        existing = await self._existing([draft.key for draft in drafts if draft.key])
        results: dict[int, Result] = {}
        changes: list[_Change] = []
        for at, draft in enumerate(drafts):
            if at % BREATH_ROWS == 0:
                await asyncio.sleep(0)
            made = await self._prepare(at, draft, existing.get(draft.key))
            if isinstance(made, Result):
                results[at] = made
            else:
                changes.append(made)
        changes = await self._keep_referring(drafts, changes, results)
        await self._store(changes)
        for change in changes:
            results[change.at] = Result("updated" if change.before else "created")
        return [results[at] for at in range(len(drafts))]

    async def write_each(self, drafts: Sequence[Draft]) -> list[Result]:
        """The same one by one, so that a row that the database refuses fails alone."""
        results: list[Result] = []
        for draft in drafts:
            try:
                async with self._tx.savepoint():
                    results += await self.write([draft])
            except Exception as error:
                refused = row_error(error)
                if refused is None:
                    raise
                results.append(self._failed(draft, refused))
        return results

    async def _prepare(self, at: int, draft: Draft, before: Record | None) -> _Change | Result:
        later = self._tx.later
        mark = len(later)
        try:
            if before is None:
                row = await self._new_row(draft)
            elif before["delete_time"] is not None:
                text = "Skipped: the record with this external id is in the recycle bin."
                return Result("skipped", (Problem(draft.record.row, "", text),))
            else:
                row = await self._changes(draft, before)
        except REFUSALS as error:
            del later[mark:]
            return self._failed(draft, error)
        own = later[mark:]
        del later[mark:]
        return _Change(at, row, before, own) if row else Result("skipped")

    async def _new_row(self, draft: Draft) -> Row:
        message, plan = draft.message, self._plan
        assert message is not None
        violations = self._check(message)
        if violations:
            raise invalid_fields(violations)
        row = self._collection.new_row(
            self._call, column_values(message, self._mapping.create_fields)
        )
        set_new(self._call, plan, row, message)
        hook = plan.resource.prepare_create
        await view_of(self._call, plan).run_hook(hook, self._call, self._tx, row, message)
        for verb in ("IMPORT", "CREATE"):
            check_owner(self._call, plan, row, verb)
        return row

    async def _changes(self, draft: Draft, before: Record) -> Row:
        """The columns to change; empty when nothing differs."""
        message, plan = draft.message, self._plan
        assert message is not None
        self._require_reach(before)
        names = [name for name in draft.names if name not in {KEY, SOURCE}]
        violations = [one for one in self._check(message) if _root(one[0]) in names]
        if violations:
            raise invalid_fields(violations)
        fields = [self._mapping.fields[name] for name in names]
        values = column_values(message, fields)
        set_changed(self._call, plan, values, message, before)
        changed = changed_columns(before, values)
        fields = [field for field in fields if changed & set(field.columns)]
        if not fields:
            return {}
        fixed = [field.name for field in fields if field.immutable]
        if fixed:
            raise invalid_fields([(name, "This field cannot be changed.") for name in fixed])
        row: Row = {name: values[name] for field in fields for name in field.columns}
        if "owner_id" in changed and plan.owned:
            self._call.reach(plan.plural, "ASSIGN")
            row |= owned_by(self._call, row["owner_id"])
        hook, given = plan.resource.prepare_update, (dict(before), row, message)
        await view_of(self._call, plan).run_hook(hook, self._call, self._tx, *given)
        return row if changed_columns(before, row) else {}

    def _require_reach(self, before: Record) -> None:
        plan = self._plan
        for verb in ("IMPORT", "UPDATE"):
            reach = self._call.reach(plan.plural, verb)
            if not covers_row(plan.scope, reach, before, self._call.access):
                raise PermissionDenied(
                    "RECORD_NOT_IN_SCOPE", "You may not change the record with this external id."
                )

    async def _keep_referring(
        self, drafts: Sequence[Draft], changes: list[_Change], results: dict[int, Result]
    ) -> list[_Change]:
        """The changes whose references to other services hold; the others fail."""
        rows = [change.row for change in changes]
        errors = await check_references(self._call, self._tx, self._collection, rows)
        for at, fields in errors.items():
            change = changes[at]
            results[change.at] = self._failed(drafts[change.at], invalid_fields(fields))
        return [change for at, change in enumerate(changes) if at not in errors]

    async def _store(self, changes: Sequence[_Change]) -> None:
        new = [change.row for change in changes if change.before is None]
        for first in range(0, len(new), PIPELINE_ROWS):
            part = new[first : first + PIPELINE_ROWS]
            await insert_records(self._call, self._tx, self._plan, part)
        pairs = [(change.before, change.row) for change in changes if change.before is not None]
        for first in range(0, len(pairs), PIPELINE_ROWS):
            part_pairs = pairs[first : first + PIPELINE_ROWS]
            await update_records(self._call, self._tx, self._plan, part_pairs)
        for change in changes:
            self._tx.later.extend(change.later)
        await self._tx.do_later()

    async def _existing(self, keys: Sequence[str]) -> Mapping[str, Record]:
        """Rows with these external ids, deleted ones too, locked in the order of their ids."""
        if not keys:
            return {}
        run = self._plan.cached("import", lambda: _existing_statement(self._plan))
        values = {
            "tenant_id": self._call.tenant_id,
            "source": self._mapping.spec.external_source,
            "keys": list(keys),
        }
        return {row["external_id"]: row for row in await self._tx.fetch(run, values)}

    def _failed(self, draft: Draft, error: CrmError) -> Result:
        row, column_of = draft.record.row, self._mapping.column_of
        problems = [Problem(row, column_of(path), text) for path, text in error.fields]
        return Result("failed", tuple(problems) or (Problem(row, "", error.message),))


def row_error(error: Exception) -> CrmError | None:
    """What the error says about single rows; None when it is about the moment or our own fault."""
    shown = translate(error) if isinstance(error, asyncpg.PostgresError) else error
    return shown if isinstance(shown, REFUSALS) else None


def _root(path: str) -> str:
    return path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def _existing_statement(plan: Plan) -> Statement:
    table = plan.resource.table
    return statement(
        select(*plan.columns_of(()))
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.external_source == bindparam("source"),
            table.c.external_id == any_(bindparam("keys", type_=ARRAY(Text()))),
        )
        .order_by(table.c.id)
        .with_for_update()
    )
