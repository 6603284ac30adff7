"""Drafts to records within one transaction, by the rules of RPCs: created, changed or refused."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.access.scope import covers_row
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.codec.validate import validator
from chassis.custom_fields.record import set_changed, set_new
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import CrmError, PermissionDenied
from chassis.imports.draft import Draft
from chassis.imports.mapping import KEY, SOURCE, ImportMapping
from chassis.operations.changes import Changes, write_each
from chassis.operations.task import Problem
from chassis.resource.checks import check_place
from chassis.resource.plan import Plan
from chassis.resource.resource import Row
from chassis.resource.rows import column_values
from chassis.resource.standard import Collection, set_owner
from chassis.resource.view import view_of
from chassis.resource.write import changed_columns

BREATH_ROWS = 25

Outcome = Literal["created", "updated", "skipped", "failed", "later"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a draft; also one that is not refused may have a note among its problems."""

    outcome: Outcome
    problems: tuple[Problem, ...] = ()

    def repeated(self, row: int) -> "Result":
        """The result of a row that says the same word for word."""
        if self.outcome != "failed":
            return Result("skipped")
        return Result("failed", tuple(replace(one, row=row) for one in self.problems))

    def flagged(self, row: int, first: int) -> "Result":
        """The result with a note when the row repeats an earlier one."""
        if first == row or self.outcome in {"failed", "later"}:
            return self
        note = Problem(row, "", f"Note: it has the external id of row {first}.")
        return replace(self, problems=(*self.problems, note))


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
        changes = Changes(self._collection, self._call, self._tx)
        results: dict[int, Result] = {}
        for at, draft in enumerate(drafts):
            if at % BREATH_ROWS == 0:
                await asyncio.sleep(0)
            before = existing.get(draft.key)
            if before is None:
                await changes.prepare(at, None, self._new_row(draft))
            elif before["delete_time"] is None:
                await changes.prepare(at, before, self._changes(draft, before))
            else:
                text = "Skipped: the record with this external id is in the recycle bin."
                results[at] = Result("skipped", (Problem(draft.record.row, "", text),))
        for at in await changes.store():
            results[at] = Result("updated" if drafts[at].key in existing else "created")
        for at, error in changes.refused.items():
            results[at] = self._failed(drafts[at], error)
        return [results.get(at, Result("skipped")) for at in range(len(drafts))]

    async def write_each(self, drafts: Sequence[Draft]) -> list[Result]:
        """The same one by one, so that a row that the database refuses fails alone."""
        return await write_each(self._tx, drafts, self.write, self._failed)

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
            check_place(self._call, self._tx, plan, row, verb)
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
        set_owner(self._call, plan, before, row)
        hook, given = plan.resource.prepare_update, (dict(before), row, message)
        await view_of(self._call, plan).run_hook(hook, self._call, self._tx, *given)
        return row

    def _require_reach(self, before: Record) -> None:
        plan = self._plan
        for verb in ("IMPORT", "UPDATE"):
            reach = plan.reach(self._call, verb)
            if not covers_row(plan.scope, reach, before, self._call.access):
                raise PermissionDenied(
                    "RECORD_NOT_IN_SCOPE", "You may not change the record with this external id."
                )

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
