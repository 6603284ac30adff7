"""The side table of own fields: kept in the statement of each record, for fields that are unique or
have an index.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any  # the reason stands where it is used

from sqlalchemy import ColumnElement, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID, insert
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.types import TypeEngine

from chassis.call import Call
from chassis.custom_fields.fields import side_row
from chassis.custom_fields.model import CUSTOM, Definition, stored_values
from chassis.custom_fields.tables import VALUE
from chassis.custom_fields.values import unique_key
from chassis.db.pool import Record
from chassis.db.sql import statement
from chassis.resource.resource import Row

NAME = "own_value"
_VARYING = ("form", "text_value", "number_value", "date_value", "unique_key")
_ID = UUID(as_uuid=False)


class OwnValues:
    """The companion of one resource, by the name of its collection."""

    name = NAME
    purge = statement(
        delete(VALUE).where(
            VALUE.c.tenant_id == bindparam("tenant_id"), VALUE.c.record_id == bindparam("id")
        )
    )

    def __init__(self, plural: str) -> None:
        self._plural = plural

    def values(self, call: Call, before: Record | None, after: Row) -> Row | None:
        """The rows of all fields for a new record, else of those that have changed; a record in the
        recycle bin holds no unique value.
        """
        tracked = call.custom.of(self._plural).tracked
        if not tracked:
            return None
        values = stored_values(after[CUSTOM])
        old = stored_values(before[CUSTOM]) if before is not None else {}
        living = after["delete_time"] is None
        moved = before is not None and (before["delete_time"] is None) != living
        changed = [
            one
            for one in tracked
            if before is None or values.get(one.id) != old.get(one.id) or (moved and one.unique)
        ]
        if not changed:
            return None
        return parameters(after, changed, values)

    def part(self) -> ReturningInsert[tuple[object]]:
        """Insert or overwrite rows of one record, given as arrays by column."""
        return keep_values(bindparam(f"{NAME}_record", type_=_ID))


def keep_values(
    record: ColumnElement[Any],  # Any: ids, one or unfolded
) -> ReturningInsert[tuple[object]]:
    """The insert of side rows from arrays by column, of the record or the records given."""
    arrays = {
        name: bindparam(f"{NAME}_{name}", type_=ARRAY(_type(name)))
        for name in ("field_id", *_VARYING)
    }
    columns = [
        bindparam(f"{NAME}_tenant", type_=_ID),
        record,
        *(func.unnest(array) for array in arrays.values()),
    ]
    names = ["tenant_id", "record_id", *arrays]
    made = insert(VALUE).from_select(names, select(*columns))
    return made.on_conflict_do_update(
        index_elements=["tenant_id", "field_id", "record_id"],
        set_={name: made.excluded[name] for name in _VARYING},
    ).returning(VALUE.c.field_id)


def parameters(record: Row, fields: Sequence[Definition], values: Mapping[str, object]) -> Row:
    """The parameters of the part for these fields of a record."""
    made: dict[str, list[object]] = {name: [] for name in ("field_id", *_VARYING)}
    for one in fields:
        value = values.get(one.id)
        key = unique_key(one, value) if record["delete_time"] is None else None
        for name, item in {**side_row(one, value), "unique_key": key, "field_id": one.id}.items():
            made[name].append(item)
    return {
        f"{NAME}_tenant": record["tenant_id"],
        f"{NAME}_record": record["id"],
        **{f"{NAME}_{name}": items for name, items in made.items()},
    }


def written_keys(rows: Iterable[Row]) -> set[str]:
    """The ids of the fields that rows with such parameters write unique values of."""
    return {
        str(field)
        for row in rows
        for field, key in zip(_items(row, "field_id"), _items(row, "unique_key"), strict=True)
        if key is not None
    }


def _items(row: Row, name: str) -> Sequence[object]:
    items = row.get(f"{NAME}_{name}")
    return items if isinstance(items, list) else ()


def _type(name: str) -> TypeEngine[Any]:  # Any: it is invariant, columns differ
    return VALUE.c[name].type
