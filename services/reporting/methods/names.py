"""Names of what summaries group by, from the local replica of the services that own it."""

from collections.abc import Iterable, Mapping

import orjson
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.types import Text

from chassis.access.model import Reach
from chassis.call import Call
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.errors import PermissionDenied
from chassis.events.references import in_reach
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
# Records without owner and department: whoever may read any of them may read all.
EVERYBODYS = frozenset({"stages", "products"})

# Deleted ones too: history goes on having their names.
_NAMES = statement(
    select(reference.c.id, reference.c.label, reference.c.data).where(
        reference.c.tenant_id == bindparam("tenant_id"),
        reference.c.resource == bindparam("resource", type_=Text()),
        reference.c.id == any_(bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))),
    )
)


async def read_names(call: Call, tx: Tx, dimension: str, keys: Iterable[str]) -> dict[str, Name]:
    """Names by key; times are their own names. Those of records not heard of yet are missing, of
    records that the caller may not read, and all when names are hidden from him.
    """
    wanted = [key for key in keys if key]
    if dimension not in REFERENCES:
        return {key: Name(key) for key in wanted}
    resource = RESOURCES[dimension]
    reach = _reach(call, resource)
    if reach is None:
        return {}
    rows = [
        row
        for row in await _records(call, tx, resource, wanted)
        if resource in EVERYBODYS or in_reach(call, reach, resource, row)
    ]
    if dimension != STAGE:
        return {str(row["id"]): Name(row["label"]) for row in rows}
    places = {str(row["id"]): orjson.loads(row["data"]) for row in rows}
    pipeline_ids = {str(one["pipeline_id"]) for one in places.values() if one.get("pipeline_id")}
    pipelines = {
        str(row["id"]): row["label"] for row in await _records(call, tx, PIPELINES, pipeline_ids)
    }
    return {
        str(row["id"]): Name(row["label"], _place(places[str(row["id"])], pipelines))
        for row in rows
    }


def _reach(call: Call, resource: str) -> Reach | None:
    """What the caller may read; None when that is nothing, or no name of it."""
    if "name" in call.field_access(resource).hidden:
        return None
    try:
        return call.reach(resource, "READ")
    except PermissionDenied:
        return None


async def _records(call: Call, tx: Tx, resource: str, ids: Iterable[str]) -> list[Record]:
    values = {"tenant_id": call.tenant_id, "resource": resource, "ids": sorted(ids)}
    if not values["ids"]:
        return []
    return [row for row in await tx.fetch(_NAMES, values) if row["label"]]


def _place(data: Mapping[str, object], pipelines: Mapping[str, str]) -> tuple[str, int]:
    """Pipelines by name, the stages of one by position."""
    pipeline_id, position = str(data.get("pipeline_id") or ""), data.get("position")
    label = pipelines.get(pipeline_id, "")
    return f"{label}\n{pipeline_id}", position if isinstance(position, int) else 0
