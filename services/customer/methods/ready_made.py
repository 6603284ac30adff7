"""Gives a new tenant its first pick-lists; one that has a choice, even a deleted one, keeps his."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, literal_column, select

from chassis.call import service_call
from chassis.custom_fields.tables import CHOICE
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.resource.standard import Collection
from chassis.resource.write import insert_records
from services.customer.domain.ready_made import ready_made_choices

SERVICE = "customer"
# Nobody in particular makes them: they are columns for ids of users.
_NOBODY = {"creator_id": None, "updater_id": None}

_ANY = statement(
    select(CHOICE.c.id)
    .where(CHOICE.c.tenant_id == bindparam("tenant_id"))
    .limit(literal_column("1"))
)


@dataclass(frozen=True, eq=False)
class ReadyMade:
    """Writes the standard choices; their collection is a sibling of the customers."""

    customers: Collection

    async def create(self, tx: Tx, tenant_id: str, now: datetime, cause_id: str) -> bool:
        """Create them unless the tenant has choices; True when it did."""
        if await tx.fetch_row(_ANY, {"tenant_id": tenant_id}) is not None:
            return False
        choices = self.customers.siblings["choice"]
        call = service_call(SERVICE, tenant_id, now, cause_id)
        rows = [
            choices.new_row(call, {**values, **_NOBODY}) for values in ready_made_choices(tenant_id)
        ]
        await insert_records(call, tx, choices.plan, rows)
        return True
