"""Tenants: created by operators, with ready-made roles and a first administrator."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import orjson
from sqlalchemy import bindparam, insert, or_, select
from sqlalchemy.dialects.postgresql import UUID

from chassis.access.model import Access, Grant
from chassis.call import Call, Principal
from chassis.codec import invalid_fields
from chassis.db.pool import Database, Tx
from chassis.db.sql import statement
from chassis.errors import AlreadyExists
from chassis.ids import new_id
from chassis.resource.standard import Collection
from chassis.resource.write import insert_record, record_event
from crm.event.v1.change_pb2 import RecordState
from crm.identity.v1 import tenant_pb2 as pb
from services.identity.domain.ready_made import ADMINISTRATOR, ready_made_roles
from services.identity.methods.passwords import Passwords
from services.identity.methods.user import SET_PASSWORD
from services.identity.models.tenant import tenant

LIST_MAX = 1000
_INSERT = statement(
    insert(tenant).values({column.name: bindparam(column.name) for column in tenant.c})
)
_AFTER = bindparam("after", type_=UUID(as_uuid=False))
_PAGE = statement(
    select(tenant)
    .where(or_(_AFTER.is_(None), tenant.c.tenant_id > _AFTER))
    .order_by(tenant.c.tenant_id)
    .limit(bindparam("limit"))
)
_LIST = statement(select(tenant).order_by(tenant.c.slug).limit(bindparam("limit")))


class Tenants:
    """The methods of TenantService."""

    def __init__(
        self, database: Database, passwords: Passwords, users: Collection, roles: Collection
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._users = users
        self._roles = roles

    async def create(self, call: Call, request: pb.CreateTenantRequest) -> pb.Tenant:
        """Create a tenant; a taken slug is AlreadyExists."""
        zone = request.time_zone or "UTC"
        check_zone(zone)
        tenant_id, admin_id = new_id(), new_id()
        password_hash = await self._passwords.hash(request.admin_password)
        founding = _founding(call, tenant_id, admin_id)
        row: dict[str, object] = {
            "tenant_id": tenant_id,
            "slug": request.slug,
            "name": request.name,
            "time_zone": zone,
            "currency_code": request.currency_code or "USD",
            "version": 1,
            "create_time": call.now,
            "update_time": call.now,
        }
        async with self._database.transaction(tenant_id) as tx:
            try:
                await tx.execute(_INSERT, row)
            except asyncpg.UniqueViolationError as error:
                raise AlreadyExists(
                    "ALREADY_EXISTS",
                    "Another tenant has this short name.",
                    fields=[("slug", "This value is taken.")],
                ) from error
            data = tenant_data(row)
            await record_event(founding, tx, "tenant", "created", tenant_id, data)
            role_ids = await self._create_roles(founding, tx)
            admin = self._admin(founding, request, admin_id, role_ids[ADMINISTRATOR])
            await insert_record(founding, tx, self._users.plan, admin, "created")
            await tx.execute(
                SET_PASSWORD,
                {
                    "tenant_id": tenant_id,
                    "user_id": admin_id,
                    "password_hash": password_hash,
                    "update_time": call.now,
                },
            )
        return _message(row, admin_id)

    async def list(self, _call: Call, _request: pb.ListTenantsRequest) -> pb.ListTenantsResponse:
        """All tenants by short name."""
        async with self._database.worker() as tx:
            rows = await tx.fetch(_LIST, {"limit": LIST_MAX})
        return pb.ListTenantsResponse(tenants=[_message(dict(row), "") for row in rows])

    async def _create_roles(self, call: Call, tx: Tx) -> dict[str, str]:
        ids: dict[str, str] = {}
        for one in ready_made_roles():
            values = {
                "key": one.key,
                "name": one.name,
                "description": one.description,
                "grants": orjson.dumps(one.grants).decode(),
            }
            row = self._roles.new_row(call, values)
            await insert_record(call, tx, self._roles.plan, row, "created")
            ids[one.key] = str(row["id"])
        return ids

    def _admin(
        self, call: Call, request: pb.CreateTenantRequest, admin_id: str, role_id: str
    ) -> dict[str, object]:
        values: dict[str, object] = {
            "id": admin_id,
            "name": request.admin_login,
            "login": request.admin_login,
            "email": request.admin_email or None,
            "role_ids": [role_id],
            "state": "ACTIVE",
        }
        return self._users.new_row(call, values)


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
        "name": row["name"],
        "time_zone": row["time_zone"],
        "currency_code": row["currency_code"],
        "update_time": moment.isoformat() if isinstance(moment, datetime) else "",
    }


def check_zone(name: str) -> None:
    """InvalidArgument for what is no IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid_fields([("time_zone", "There is no such time zone.")]) from None


def _founding(call: Call, tenant_id: str, admin_id: str) -> Call:
    """The call as the tenant's first administrator makes it."""
    everything = Access(roles={"founder": (Grant("*", frozenset(), "ALL"),)})
    who = Principal(kind="user", id=admin_id, tenant_id=tenant_id, role_ids=("founder",))
    return replace(call, principal=who, access=everything)


def _message(row: dict[str, object], admin_user_id: str) -> pb.Tenant:
    return pb.Tenant(
        id=str(row["tenant_id"]),
        slug=str(row["slug"]),
        name=str(row["name"]),
        time_zone=str(row["time_zone"]),
        currency_code=str(row["currency_code"]),
        create_time=row["create_time"],  # type: ignore[arg-type]  # a datetime, as the column says
        admin_user_id=admin_user_id,
    )
