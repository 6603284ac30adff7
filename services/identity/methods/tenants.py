"""Tenants as operators create and list them: with ready-made roles and a first administrator."""

from dataclasses import replace

import asyncpg
import orjson
from sqlalchemy import bindparam, insert, select

from chassis.access.model import Access, Grant
from chassis.call import Call, Principal
from chassis.db.pool import Database, Tx
from chassis.db.sql import statement
from chassis.errors import AlreadyExists
from chassis.events.change_row import record_event
from chassis.ids import new_id
from chassis.resource.standard import Collection
from chassis.resource.write import insert_record
from chassis.rpc.methods import Free, Methods
from crm.identity.v1 import tenant_pb2 as pb
from services.identity.domain.ready_made import ADMINISTRATOR, ready_made_roles
from services.identity.methods.credentials import require_good_password, store_password
from services.identity.methods.passwords import Passwords
from services.identity.methods.tenant import check_zone, tenant_data, tenant_message
from services.identity.models.tenant import tenant

LIST_MAX = 1000
_GIVEN = (
    "tenant_id", "slug", "name", "time_zone", "currency_code", "language", "version",
    "create_time", "update_time",
)  # fmt: skip
_INSERT = statement(
    insert(tenant).values({name: bindparam(name) for name in _GIVEN}).returning(*tenant.c)
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

    def methods(self) -> Methods:
        """By rpc name."""
        return {"CreateTenant": Free(self.create), "ListTenants": Free(self.list)}

    async def create(self, call: Call, request: pb.CreateTenantRequest) -> pb.Tenant:
        """Create a tenant; a taken slug is AlreadyExists."""
        zone = request.time_zone or "UTC"
        check_zone(zone)
        tenant_id, admin_id = new_id(), new_id()
        password_hash = await self._passwords.hash(request.admin_password)
        founding = _founding(call, tenant_id, admin_id)
        given: dict[str, object] = {
            "tenant_id": tenant_id,
            "slug": request.slug,
            "name": request.name,
            "time_zone": zone,
            "currency_code": request.currency_code or "USD",
            "language": request.language or "zh",
            "version": 1,
            "create_time": call.now,
            "update_time": call.now,
        }
        async with self._database.transaction(tenant_id) as tx:
            try:
                row = await tx.fetch_row(_INSERT, given)
            except asyncpg.UniqueViolationError as error:
                raise AlreadyExists(
                    "ALREADY_EXISTS",
                    "Another tenant has this short name.",
                    fields=[("slug", "This value is taken.")],
                ) from error
            assert row is not None
            await record_event(founding, tx, "tenant", "created", tenant_id, tenant_data(row))
            role_ids = await self._create_roles(founding, tx)
            admin = self._admin(founding, request, admin_id, role_ids[ADMINISTRATOR])
            password = request.admin_password
            await require_good_password(founding, tx, "admin_password", password, admin)
            await insert_record(founding, tx, self._users.plan, admin, "created")
            await store_password(founding, tx, admin_id, password_hash)
        answer = tenant_message(row)
        answer.admin_user_id = admin_id
        return answer

    async def list(self, _call: Call, _request: pb.ListTenantsRequest) -> pb.ListTenantsResponse:
        """All tenants by short name."""
        async with self._database.worker() as tx:
            rows = await tx.fetch(_LIST, {"limit": LIST_MAX})
        return pb.ListTenantsResponse(tenants=[tenant_message(row) for row in rows])

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
            "password_change_required": False,
            "password_update_time": call.now,
            "second_factor_enabled": False,
        }
        return self._users.new_row(call, values)


def _founding(call: Call, tenant_id: str, admin_id: str) -> Call:
    """The call as the tenant's first administrator makes it."""
    everything = Access(roles={"founder": (Grant("*", frozenset(), "ALL"),)})
    who = Principal(kind="user", id=admin_id, tenant_id=tenant_id, role_ids=("founder",))
    return replace(call, principal=who, access=everything)
