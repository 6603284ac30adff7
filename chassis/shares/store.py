"""The rows of shares: read, written and removed."""

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from chassis.db.sql import statement
from chassis.shares.reach import SHARE

_of_record = (
    SHARE.c.tenant_id == bindparam("tenant_id"),
    SHARE.c.resource == bindparam("resource"),
    SHARE.c.record_id == bindparam("record_id"),
)
_columns = [column for column in SHARE.c if column.name != "tenant_id"]
_INSERT = insert(SHARE).values({column.name: bindparam(column.name) for column in SHARE.c})

OF_RECORD = statement(select(*_columns).where(*_of_record).order_by(SHARE.c.create_time))
ONE = statement(
    select(*_columns).where(
        SHARE.c.tenant_id == bindparam("tenant_id"), SHARE.c.id == bindparam("id")
    )
)
KEEP = statement(
    _INSERT.on_conflict_do_update(
        index_elements=["tenant_id", "id"], set_={"level": _INSERT.excluded.level}
    )
)
DROP = statement(
    delete(SHARE).where(*_of_record, SHARE.c.id == bindparam("id")).returning(*_columns)
)
# What goes with a record that is purged.
DROP_ALL = statement(delete(SHARE).where(*_of_record))
