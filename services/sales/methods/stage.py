"""Stages: the state of opportunities follows from theirs, so one in use keeps its outcome."""

from google.protobuf.message import Message
from sqlalchemy import bindparam, literal_column, select

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.resource.resource import Child, Reference, Resource, Row
from crm.sales.v1.stage_pb2 import Stage
from services.sales.domain.stage import StageInUse
from services.sales.models.opportunity import opportunity
from services.sales.models.pipeline import pipeline
from services.sales.models.stage import stage

_PIPELINE = statement(
    select(pipeline.c.id).where(
        pipeline.c.tenant_id == bindparam("tenant_id"),
        pipeline.c.id == bindparam("id"),
        pipeline.c.delete_time.is_(None),
    )
)
# Deleted opportunities count: they may come back.
_USED = statement(
    select(opportunity.c.id)
    .where(
        opportunity.c.tenant_id == bindparam("tenant_id"),
        opportunity.c.stage_id == bindparam("id"),
    )
    .limit(literal_column("1"))
)


async def prepare_create(call: Call, tx: Tx, row: Row, _message: Message) -> None:
    """The pipeline must live."""
    await _require_pipeline(call, tx, row["pipeline_id"])


async def prepare_update(call: Call, tx: Tx, before: Row, row: Row, _message: Message) -> None:
    """Outcome and pipeline of a stage in use stay as they are."""
    changed = [
        name
        for name in ("outcome", "pipeline_id")
        if name in row and str(row[name]) != str(before[name])
    ]
    if not changed:
        return
    values = {"tenant_id": call.tenant_id, "id": str(before["id"])}
    if await tx.fetch_row(_USED, values) is not None:
        raise StageInUse(str(before["id"]), changed[0])
    if "pipeline_id" in changed:
        await _require_pipeline(call, tx, row["pipeline_id"])


async def _require_pipeline(call: Call, tx: Tx, pipeline_id: object) -> None:
    values = {"tenant_id": call.tenant_id, "id": pipeline_id}
    if pipeline_id is None or await tx.fetch_row(_PIPELINE, values) is None:
        raise invalid_fields([("pipeline_id", "There is no such record.")])


STAGE = Resource(
    message=Stage,
    table=stage,
    filterable=("pipeline_id", "name", "position", "outcome"),
    orderable=("name", "position"),
    searchable=("name",),
    references=(Reference("pipeline_id", "pipelines"),),
    children=(Child(opportunity, "stage_id"),),
    unique={"uq_stage_name": "name", "uq_stage_outcome": "outcome"},
    prepare_create=prepare_create,
    prepare_update=prepare_update,
)
