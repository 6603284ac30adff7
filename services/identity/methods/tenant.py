"""A tenant as others know it, and its settings as its own people read and change them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from babel.core import get_global
from google.protobuf.message import Message
from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import UUID

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.events.change_row import record_update
from chassis.resource.checks import check_match
from chassis.resource.write import changed_columns
from chassis.rpc.methods import Methods, Unary
from crm.event.v1.change_pb2 import RecordState
from crm.identity.v1 import tenant_pb2 as pb
from services.identity.models.tenant import tenant

SETTINGS = (
    "name", "time_zone", "currency_code", "password_length_min", "second_factor_required",
    "retention_days", "language", "address", "contact_name", "contact_phone", "contact_email",
    "fiscal_year_start_month",
)  # fmt: skip
_AFTER = bindparam("after", type_=UUID(as_uuid=False))
_PAGE = statement(
    select(tenant)
    .where(or_(_AFTER.is_(None), tenant.c.tenant_id > _AFTER))
    .order_by(tenant.c.tenant_id)
    .limit(bindparam("limit"))
)
_ONE = select(tenant).where(tenant.c.tenant_id == bindparam("tenant_id"))
_READ = statement(_ONE)
LOCK = statement(_ONE.with_for_update())
_UPDATE = statement(
    update(tenant)
    .values({name: bindparam(name) for name in (*SETTINGS, "version", "update_time")})
    .where(tenant.c.tenant_id == bindparam("tenant_id"))
)


class TenantSettings:
    """GetTenant and UpdateTenant."""

    def methods(self) -> Methods:
        """By rpc name."""
        return {"GetTenant": Unary(self.get), "UpdateTenant": Unary(self.update, self.reread)}

    async def get(self, call: Call, tx: Tx, _request: pb.GetTenantRequest) -> pb.Tenant:
        """The caller's tenant."""
        return await self.reread(call, tx, ())

    async def reread(self, call: Call, tx: Tx, _ids: Sequence[str]) -> pb.Tenant:
        """The same for a call that is repeated."""
        row = await tx.fetch_row(_READ, {"tenant_id": call.tenant_id})
        assert row is not None
        return tenant_message(row)

    async def update(self, call: Call, tx: Tx, request: pb.UpdateTenantRequest) -> Message:
        """Change the settings of the mask; no difference, no new version."""
        call.require_all("tenant", "CONFIGURE")
        names = _masked(request)
        before = await tx.fetch_row(LOCK, {"tenant_id": call.tenant_id})
        assert before is not None
        check_match(call.if_match, before["version"])
        wanted = {name: getattr(request.tenant, name) for name in names}
        _check(wanted)
        if not changed_columns(before, wanted):
            return tenant_message(before)
        row = {**before, **wanted, "version": before["version"] + 1, "update_time": call.now}
        await tx.execute(_UPDATE, row)
        change = {**row, "id": call.tenant_id}
        await record_update(
            call, tx, "tenant.updated", tenant_data(before), change, tenant_data(row)
        )
        tx.discard_if(request.validate_only)
        return tenant_message(row)


async def tenant_snapshot(tx: Tx, after: tuple[str, str] | None, limit: int) -> list[RecordState]:
    """Tenants as records of themselves, for services that boot."""
    rows = await tx.fetch(_PAGE, {"after": after[0] if after else None, "limit": limit})
    return [
        RecordState(
            tenant_id=str(row["tenant_id"]),
            id=str(row["tenant_id"]),
            version=row["version"],
            data=orjson.dumps(tenant_data(row)),
        )
        for row in rows
    ]


def tenant_data(row: Mapping[str, object]) -> dict[str, object]:
    """A tenant as its events carry it."""
    moment = row["update_time"]
    return {
        "id": str(row["tenant_id"]),
        "slug": row["slug"],
        "state": row["state"],
        **{name: row[name] for name in SETTINGS},
        "update_time": moment.isoformat() if isinstance(moment, datetime) else "",
    }


def tenant_message(row: Record) -> pb.Tenant:
    """A tenant as callers get it."""
    return pb.Tenant(
        id=str(row["tenant_id"]),
        slug=row["slug"],
        state=row["state"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        etag=f'"{row["version"]}"',
        **{name: row[name] for name in SETTINGS},
    )


def check_zone(name: str) -> None:
    """InvalidArgument for what is no IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid_fields([("time_zone", "There is no such time zone.")]) from None


def _masked(request: pb.UpdateTenantRequest) -> list[str]:
    """The settings to change: those of the mask, else those set; others are refused."""
    paths = list(request.update_mask.paths)
    names = paths or [one.name for one, _ in request.tenant.ListFields()]
    if names == ["*"]:
        return list(SETTINGS)
    odd = [(name, "There is no such field to set.") for name in names if name not in SETTINGS]
    if odd:
        raise invalid_fields(odd)
    return names


def _check(wanted: Mapping[str, object]) -> None:
    if "time_zone" in wanted:
        check_zone(str(wanted["time_zone"]))
    if wanted.get("currency_code", "USD") not in get_global("all_currencies"):
        raise invalid_fields([("currency_code", "There is no such currency.")])
