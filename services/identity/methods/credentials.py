"""Passwords as they are stored, and the policy of the tenant that they must meet."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.sql import statement
from services.identity.domain.password import refusal
from services.identity.methods.passwords import Passwords
from services.identity.models.password_reset import password_reset
from services.identity.models.tenant import tenant
from services.identity.models.user import credential

_INSERT = insert(credential).values(
    {column.name: bindparam(column.name) for column in credential.c}
)
_SET = statement(
    _INSERT.on_conflict_do_update(
        index_elements=["tenant_id", "user_id"],
        set_={
            name: _INSERT.excluded[name] for name in ("password_hash", "update_time", "expire_time")
        },
    )
)
_POLICY = statement(
    select(tenant.c.slug, tenant.c.name, tenant.c.password_length_min).where(
        tenant.c.tenant_id == bindparam("tenant_id")
    )
)
_DROP_LINKS = statement(
    delete(password_reset).where(
        password_reset.c.tenant_id == bindparam("tenant_id"),
        password_reset.c.user_id == bindparam("user_id"),
    )
)


async def store_password(
    call: Call, tx: Tx, user_id: str, password_hash: str, expire_time: datetime | None = None
) -> None:
    """Set the password of a user, good until `expire_time`; links to set one are void from now."""
    who = {"tenant_id": call.tenant_id, "user_id": user_id}
    values = {"password_hash": password_hash, "update_time": call.now, "expire_time": expire_time}
    await tx.execute(_SET, {**who, **values})
    await drop_links(call, tx, user_id)


async def hash_and_store(
    call: Call, tx: Tx, passwords: Passwords, user_id: str, password: str
) -> None:
    """The same from the password itself."""
    await store_password(call, tx, user_id, await passwords.hash(password))


async def drop_links(call: Call, tx: Tx, user_id: str) -> None:
    """Have the links that were sent to a user work no more."""
    await tx.execute(_DROP_LINKS, {"tenant_id": call.tenant_id, "user_id": user_id})


async def require_good_password(
    call: Call, tx: Tx, field: str, password: str, user: Mapping[str, object]
) -> None:
    """InvalidArgument at `field` with what to do, when the tenant's policy refuses the password."""
    policy = await tx.fetch_row(_POLICY, {"tenant_id": call.tenant_id})
    assert policy is not None
    mailbox = str(user["email"] or "").partition("@")[0]
    names = (str(user["name"]), str(user["login"]), mailbox, policy["slug"], policy["name"])
    text = refusal(password, policy["password_length_min"], names)
    if text is not None:
        raise invalid_fields([(field, text)])
