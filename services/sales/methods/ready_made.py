"""Gives a new tenant its first pipeline and reasons of losses; one that has a pipeline, even a
deleted one, keeps what it has.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, literal_column, select

from chassis.call import service_call
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.resource.standard import Collection
from chassis.resource.write import insert_record, insert_records
from services.sales.domain.ready_made import ready_made_pipeline, ready_made_reasons
from services.sales.models.pipeline import pipeline

SERVICE = "sales"
# Nobody in particular makes them: they are columns for ids of users.
_NOBODY = {"creator_id": None, "updater_id": None}

_ANY = statement(
    select(pipeline.c.id)
    .where(pipeline.c.tenant_id == bindparam("tenant_id"))
    .limit(literal_column("1"))
)


@dataclass(frozen=True, eq=False)
class ReadyMade:
    """Writes the standard pipeline with its stages, and the choices beside them."""

    pipelines: Collection
    stages: Collection

    async def create(
        self, tx: Tx, tenant_id: str, now: datetime, cause_id: str, language: str = "zh"
    ) -> bool:
        """Create them unless the tenant has a pipeline; True when it did."""
        if await tx.fetch_row(_ANY, {"tenant_id": tenant_id}) is not None:
            return False
        call = service_call(SERVICE, tenant_id, now, cause_id)
        made = ready_made_pipeline(tenant_id)
        row = self.pipelines.new_row(call, {**made.pipeline, **_NOBODY})
        await insert_record(call, tx, self.pipelines.plan, row, "created")
        for values in made.stages:
            row = self.stages.new_row(call, {**values, **_NOBODY})
            await insert_record(call, tx, self.stages.plan, row, "created")
        choices = self.pipelines.siblings["choice"]
        reasons = ready_made_reasons(tenant_id, language)
        rows = [choices.new_row(call, {**values, **_NOBODY}) for values in reasons]
        await insert_records(call, tx, choices.plan, rows)
        return True
