"""How many own fields and choices there may be, counted in the transaction that adds one."""

from collections.abc import Sequence

from sqlalchemy import Table, bindparam, func, select

from chassis.call import Call
from chassis.custom_fields.source import CHOICES_MAX, FIELDS_MAX
from chassis.custom_fields.tables import CHOICE, FIELD
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.errors import ResourceExhausted
from chassis.resource.resource import Row


class Room:
    """At most `living_max` living records with the same values in the columns of the `key`; at most
    `every_max` of a tenant, those in the recycle bin too, for no more are read.
    """

    def __init__(self, table: Table, key: Sequence[str], living_max: int, every_max: int) -> None:
        self._key = key
        self._most = {"living": living_max, "every": every_max}
        self._reason = f"{table.name}s_max".upper()
        same = [table.c[name] == bindparam(name) for name in key]
        living = func.count().filter(table.c.delete_time.is_(None), *same)
        self._count = statement(
            select(living.label("living"), func.count().label("every")).where(
                table.c.tenant_id == bindparam("tenant_id")
            )
        )

    async def require(self, call: Call, tx: Tx, row: Row) -> None:
        """ResourceExhausted when there are too many with this row, which is written."""
        values = {name: row[name] for name in self._key}
        found = await tx.fetch_row(self._count, {**values, "tenant_id": call.tenant_id})
        for name, most in self._most.items():
            if found is not None and found[name] > most:
                raise ResourceExhausted(self._reason, f"There may be at most {most} of them.")


FIELDS = Room(FIELD, ("resource",), 200, FIELDS_MAX)
CHOICES = Room(CHOICE, ("resource", "field"), 500, CHOICES_MAX)
