"""Access as the other services replicate it: tenant, users, departments and roles with their
versions.
"""

from collections.abc import Sequence

import orjson
from sqlalchemy import bindparam, select

from chassis.access.model import AccessRecord
from chassis.access.source import access_version
from chassis.call import Call
from chassis.custom_fields.model import NO_FIELDS
from chassis.db.pool import Database
from chassis.db.sql import Statement, statement
from chassis.resource.plan import Plan
from crm.identity.v1 import session_pb2 as pb
from services.identity.methods.tenant import tenant_data
from services.identity.models.tenant import tenant

# What of the records decides or names somebody; the rest would fill the answer for some thousand
# people.
_DECIDING = frozenset(
    {
        "name", "state", "role_ids", "department_id", "manager_id", "owner_id", "parent_id", "kind",
        "grants", "field_rules", "partner_company_id", "update_time", "delete_time",
    }
)  # fmt: skip
_TENANT = statement(select(tenant).where(tenant.c.tenant_id == bindparam("tenant_id")))


class AccessRecords:
    """Reads what decides access; the plans are those of user, department and role."""

    def __init__(self, database: Database, plans: Sequence[Plan]) -> None:
        self._database = database
        self._all = [(plan, _whole_table(plan)) for plan in plans]

    async def fetch(self, tenant_id: str) -> list[AccessRecord]:
        """All records of one tenant, deleted ones included."""
        records: list[AccessRecord] = []
        async with self._database.transaction(tenant_id) as tx:
            for row in await tx.fetch(_TENANT, {"tenant_id": tenant_id}):
                data = tenant_data(row)
                records.append(AccessRecord("tenant", tenant_id, row["version"], data))
            for plan, run in self._all:
                to_message = plan.to_message(())
                for row in await tx.fetch(run, {"tenant_id": tenant_id}):
                    whole = plan.encode(to_message(row, NO_FIELDS))
                    data = {name: one for name, one in whole.items() if one and name in _DECIDING}
                    records.append(
                        AccessRecord(plan.singular, str(row["id"]), row["version"], data)
                    )
        return records

    async def get_access(self, _call: Call, request: pb.GetAccessRequest) -> pb.GetAccessResponse:
        """All records of one tenant for another service."""
        records = await self.fetch(request.tenant_id)
        return pb.GetAccessResponse(
            access_version=access_version(records),
            records=[
                pb.AccessRecord(
                    kind=one.kind, id=one.id, version=one.version, data=orjson.dumps(one.data)
                )
                for one in records
            ],
        )


def _whole_table(plan: Plan) -> Statement:
    table = plan.resource.table
    return statement(
        select(*plan.columns_of(())).where(table.c.tenant_id == bindparam("tenant_id"))
    )
