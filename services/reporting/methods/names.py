"""Names of what summaries group by, from the local replica of the services that own it."""

from collections.abc import Iterable, Mapping

import orjson
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.types import Text

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.db.sql import statement
from services.reporting.domain.fact import REFERENCES
from services.reporting.domain.summary import STAGE, Name
from services.reporting.models import reference

# The replica's resource of each dimension.
RESOURCES: Mapping[str, str] = {
    "stage": "stages",
    "owner": "users",
    "product": "products",
    "customer": "customers",
    "campaign": "campaigns",
}
PIPELINES = "pipelines"

# Deleted ones too: history goes on having their names.
_NAMES = statement(
    select(reference.c.id, reference.c.label, reference.c.data).where(
        reference.c.tenant_id == bindparam("tenant_id"),
        reference.c.resource == bindparam("resource", type_=Text()),
        reference.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
)


async def read_names(call: Call, tx: Tx, dimension: str, keys: Iterable[str]) -> dict[str, Name]:
    """Names by key; times are their own names. Keys not heard of yet are missing, and all when
    names are hidden from the caller.
    """
    wanted = [key for key in keys if key]
    if dimension not in REFERENCES:
        return {key: Name(key) for key in wanted}
    if "name" in call.field_access(RESOURCES[dimension]).hidden:
        return {}
    told = await _records(call, tx, RESOURCES[dimension], wanted)
    if dimension != STAGE:
        return {key: Name(label) for key, (label, _) in told.items()}
    pipeline_ids = {
        str(data["pipeline_id"]) for _, data in told.values() if data.get("pipeline_id")
    }
    pipelines = await _records(call, tx, PIPELINES, pipeline_ids)
    return {key: Name(label, _place(data, pipelines)) for key, (label, data) in told.items()}


async def _records(
    call: Call, tx: Tx, resource: str, ids: Iterable[str]
) -> dict[str, tuple[str, Mapping[str, object]]]:
    values = {"tenant_id": call.tenant_id, "resource": resource, "ids": sorted(ids)}
    if not values["ids"]:
        return {}
    rows = await tx.fetch(_NAMES, values)
    return {
        str(row["id"]): (row["label"], orjson.loads(row["data"])) for row in rows if row["label"]
    }


def _place(
    data: Mapping[str, object], pipelines: Mapping[str, tuple[str, Mapping[str, object]]]
) -> tuple[str, int]:
    """Pipelines by name, the stages of one by position."""
    pipeline_id, position = str(data.get("pipeline_id") or ""), data.get("position")
    label = pipelines[pipeline_id][0] if pipeline_id in pipelines else ""
    return f"{label}\n{pipeline_id}", position if isinstance(position, int) else 0
