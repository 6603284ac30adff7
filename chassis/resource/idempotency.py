"""Idempotency keys: the first change of a call stores its key with it; a repeat gets that record,
read again.
"""

from google.protobuf.message import Message
from sqlalchemy import bindparam, select

from chassis.call import Call, IdempotencyKey
from chassis.db.pool import Tx
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import statement
from chassis.errors import Aborted
from chassis.rpc.methods import Reread

_TABLE = chassis_tables(new_metadata())["idempotency"]
_STORED = statement(
    select(_TABLE.c.fingerprint, _TABLE.c.record_id, _TABLE.c.record_ids).where(
        _TABLE.c.tenant_id == bindparam("tenant_id"),
        _TABLE.c.principal_id == bindparam("principal_id"),
        _TABLE.c.method == bindparam("method"),
        _TABLE.c.key == bindparam("key"),
    )
)


async def replay(call: Call, tx: Tx, key: IdempotencyKey, reread: Reread) -> Message | None:
    """The records that the first call with this key made or changed, under the caller's present
    rights; None if none.
    """
    values = {
        "tenant_id": call.tenant_id,
        "principal_id": call.principal.id,
        "method": key.method,
        "key": key.key,
    }
    stored = await tx.fetch_row(_STORED, values)
    if stored is None:
        return None
    if stored["fingerprint"] != key.fingerprint:
        raise Aborted(
            "IDEMPOTENCY_KEY_REUSED", "This idempotency key was used with another request."
        )
    ids = stored["record_ids"] or [stored["record_id"]]
    return await reread(call, tx, [str(one) for one in ids])
