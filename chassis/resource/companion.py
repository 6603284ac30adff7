"""Rows of other tables that are written in the statement of a record, such as its search tokens."""

from typing import Protocol

from sqlalchemy.sql.dml import ReturningInsert

from chassis.call import Call
from chassis.db.pool import Record
from chassis.db.sql import Statement
from chassis.resource.resource import Row


class Companion(Protocol):
    """What one table keeps beside each record of a resource."""

    name: str
    # Removes the row of a purged record: parameters tenant_id and id.
    purge: Statement

    def values(self, call: Call, before: Record | None, after: Row) -> Row | None:
        """Parameters of `part` for a record that is created (`before` None) or changed to `after`;
        None when its row stays as it is. Their names begin with `name`.
        """

    def part(self) -> ReturningInsert[tuple[object]]:
        """The statement's part: an insert that overwrites, returning any one column."""
