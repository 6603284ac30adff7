"""Tenants as operators suspend and resume them: nothing is lost, but nobody gets in."""

from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select, update

from chassis.call import Call
from chassis.db.pool import Database
from chassis.db.sql import statement
from chassis.errors import missing
from chassis.events.change_row import record_update
from chassis.rpc.methods import Free, Methods
from crm.identity.v1 import tenant_pb2 as pb
from services.identity.domain.tenant import ACTIVE, SUSPENDED
from services.identity.methods.tenant import LOCK, tenant_data, tenant_message
from services.identity.models.tenant import tenant

_BY_SLUG = statement(select(tenant.c.tenant_id).where(tenant.c.slug == bindparam("slug")))
_SET = statement(
    update(tenant)
    .values({name: bindparam(name) for name in ("state", "version", "update_time")})
    .where(tenant.c.tenant_id == bindparam("tenant_id"))
)


@dataclass(frozen=True)
class TenantStates:
    """SuspendTenant and ResumeTenant; to do either twice is harmless."""

    database: Database

    def methods(self) -> Methods:
        """By rpc name."""
        return {"SuspendTenant": Free(self.suspend), "ResumeTenant": Free(self.resume)}

    async def suspend(self, call: Call, request: pb.SuspendTenantRequest) -> pb.Tenant:
        """From now on sign-in and every token of the tenant are refused."""
        return await self._set(call, request.slug, SUSPENDED, "suspended")

    async def resume(self, call: Call, request: pb.ResumeTenantRequest) -> pb.Tenant:
        """All is as before; sessions that have not expired go on."""
        return await self._set(call, request.slug, ACTIVE, "resumed")

    async def _set(self, call: Call, slug: str, state: str, event: str) -> pb.Tenant:
        async with self.database.worker() as tx:
            found = await tx.fetch_row(_BY_SLUG, {"slug": slug})
        if found is None:
            raise missing("tenant", slug)
        tenant_id = str(found["tenant_id"])
        acting = replace(call, principal=replace(call.principal, tenant_id=tenant_id))
        async with self.database.transaction(tenant_id) as tx:
            before = await tx.fetch_row(LOCK, {"tenant_id": tenant_id})
            if before is None:
                raise missing("tenant", slug)
            if before["state"] == state:
                return tenant_message(before)
            version = before["version"] + 1
            row = {**before, "state": state, "version": version, "update_time": call.now}
            await tx.execute(_SET, row)
            change, data = {**row, "id": tenant_id}, tenant_data(row)
            what = f"tenant.{event}"
            await record_update(acting, tx, what, tenant_data(before), change, data)
        return tenant_message(row)
