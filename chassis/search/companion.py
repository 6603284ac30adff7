"""The row that is searched is written in the statement of its record."""

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from chassis.call import Call
from chassis.db.pool import Record
from chassis.db.sql import Statement, statement
from chassis.resource.resource import Row
from chassis.search.search import Search


class SearchCompanion:
    """Keeps the table beside a resource's in step with it."""

    name = "search"

    def __init__(self, search: Search, plural: str) -> None:
        self._search = search
        self._plural = plural
        table = search.table
        of_record = (table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id"))
        self.purge: Statement = statement(delete(table).where(*of_record))

    def values(self, call: Call, before: Record | None, after: Row) -> Row | None:
        """The whole row, unless no text has changed."""
        own = call.custom.of(self._plural)
        texts = self._search.texts(own, after)
        if before is not None and self._search.texts(own, before) == texts:
            return None
        row = self._search.row(call.tenant_id, after["id"], texts)
        return {f"search_{name}": value for name, value in row.items()}

    def part(self) -> ReturningInsert[tuple[object]]:
        """An insert, or an update of the row that is there."""
        table = self._search.table
        new = insert(table).values({one.name: bindparam(f"search_{one.name}") for one in table.c})
        changed = {"tokens": new.excluded.tokens, "texts": new.excluded.texts}
        return new.on_conflict_do_update(
            index_elements=["tenant_id", "id"], set_=changed
        ).returning(table.c.id)
