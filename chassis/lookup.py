"""Look-ups in batches: natural keys to ids as the caller may see them, and whether ids exist for
other services.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from chassis.access.model import SHARED, Reach
from chassis.access.scope import Shape
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Database, Tx
from chassis.db.sql import Statement, statement
from chassis.resource.fields import Form
from chassis.resource.plan import Plan, reach_condition, reach_shape, reach_values
from chassis.resource.read import read_found
from chassis.resource.references import seen_statement
from chassis.resource.view import view_of
from chassis.rpc.methods import Free, Methods, Unary
from crm.chassis.v1 import import_pb2 as pb

MATCHES_MAX = 2000
# The field that names a record where its id alone says nothing.
LABEL = "name"


class Lookups:
    """LookupService over the collections of one service."""

    def __init__(self, database: Database, plans: Sequence[Plan]) -> None:
        self._database = database
        self._plans: Mapping[str, Plan] = {plan.plural: plan for plan in plans}

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {
            "LookupRecords": Unary(self.lookup),
            "GetLabels": Unary(self.labels),
            "ListOwnedCollections": Free(self.owned),
            "CheckRecords": Free(self.check),
        }

    async def lookup(
        self, call: Call, tx: Tx, request: pb.LookupRecordsRequest
    ) -> pb.LookupRecordsResponse:
        """Living records within the caller's reach whose field has one of the values, exactly."""
        plan = self._plan(request.resource)
        matches = await find_records(
            call, tx, plan, request.field, request.values, request.external_source
        )
        return pb.LookupRecordsResponse(
            matches=[pb.LookupRecordsResponse.Match(value=value, id=one) for value, one in matches]
        )

    async def labels(
        self, call: Call, tx: Tx, request: pb.GetLabelsRequest
    ) -> pb.GetLabelsResponse:
        """Names of records within the caller's reach."""
        plan = self._plan(request.resource)
        return pb.GetLabelsResponse(labels=await find_labels(call, tx, plan, request.ids))

    async def owned(
        self, _call: Call, _request: pb.ListOwnedCollectionsRequest
    ) -> pb.ListOwnedCollectionsResponse:
        """The collections whose records have owners."""
        names = [name for name, plan in self._plans.items() if plan.owned]
        return pb.ListOwnedCollectionsResponse(resources=names)

    async def check(self, _call: Call, request: pb.CheckRecordsRequest) -> pb.CheckRecordsResponse:
        """Which ids of a tenant exist, are not deleted and within the reach given."""
        plan, reach = self._plan(request.resource), _reach(request)
        shape = reach_shape(plan, reach)
        run = plan.cached(("check", shape), lambda: seen_statement(plan, shape))
        values = {**reach_values(reach), "tenant_id": request.tenant_id, "ids": list(request.ids)}
        async with self._database.transaction(request.tenant_id) as tx:
            rows = await tx.fetch(run, values)
        return pb.CheckRecordsResponse(ids=[str(row["id"]) for row in rows])

    def _plan(self, plural: str) -> Plan:
        plan = self._plans.get(plural)
        if plan is None:
            raise invalid_fields([("resource", "There is no such resource here.")])
        return plan


async def find_records(  # what is looked for, and where
    call: Call, tx: Tx, plan: Plan, field: str, values: Sequence[str], source: str
) -> list[tuple[str, str]]:
    """(value, id) of living records within reach; at most MATCHES_MAX."""
    one = plan.fields.get(field)
    if one is None or one.form is not Form.TEXT or field not in view_of(call, plan).filters:
        raise invalid_fields([("match", f"{plan.plural} cannot be matched by {field}.")])
    reach = plan.reach(call, "READ")
    shape = reach_shape(plan, reach)
    bound = field == "external_id" and source != ""
    run = plan.cached(
        ("lookup", field, shape, bound), lambda: _lookup_statement(plan, field, shape, bound)
    )
    parameters = {
        **reach_values(reach),
        "tenant_id": call.tenant_id,
        "values": list(values),
        "source": source,
        "limit": MATCHES_MAX,
    }
    return [(row["value"], str(row["id"])) for row in await tx.fetch(run, parameters)]


async def find_labels(call: Call, tx: Tx, plan: Plan, ids: Sequence[str]) -> dict[str, str]:
    """Names by id of records within the caller's reach, deleted ones too."""
    if not ids or not has_label(call, plan):
        return {}
    rows = await read_found(call, tx, plan, ids, (LABEL,))
    return {str(row["id"]): row[LABEL] or "" for row in rows}


def has_label(call: Call, plan: Plan) -> bool:
    """Whether records have a name that the caller may read."""
    return LABEL in view_of(call, plan).fields


def _lookup_statement(plan: Plan, field: str, shape: Shape, bound: bool) -> Statement:
    table = plan.resource.table
    query = select(table.c[field].label("value"), table.c.id).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c[field] == any_(bindparam("values", type_=ARRAY(Text()))),
        table.c.delete_time.is_(None),
        *reach_condition(plan, shape),
    )
    if bound:
        query = query.where(table.c.external_source == bindparam("source"))
    return statement(query.limit(bindparam("limit")))


def _reach(request: pb.CheckRecordsRequest) -> Reach:
    if not request.HasField("reach"):
        return Reach(everything=True)
    given = request.reach
    return Reach(
        everything=given.everything,
        owner_ids=frozenset(given.owner_ids),
        department_ids=frozenset(given.department_ids),
        company_id=given.company_id,
        grantee_ids=frozenset(given.grantee_ids),
        shares=SHARED["READ"],
    )
