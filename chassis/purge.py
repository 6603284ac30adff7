"""The end of the recycle bin: records go for good when their time is over and nobody refers to
them any more.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import asyncpg
import grpc
import structlog
from sqlalchemy import Select, any_, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.call import Call, service_call
from chassis.db.pool import Database, Record, Tx
from chassis.db.sql import Statement, statement
from chassis.errors import FailedPrecondition, Unavailable
from chassis.events.change_row import change_part, change_values
from chassis.events.leader import ByOne
from chassis.resource.fields import Form
from chassis.resource.plan import Plan
from chassis.resource.read import lock_record, plan_of
from chassis.resource.resource import Reference, Row
from chassis.rpc.client import Clients
from chassis.rpc.methods import Free, Methods, Unary
from chassis.settings import TARGETS
from chassis.shares.store import DROP_ALL as DROP_SHARES
from crm.chassis.v1 import purge_pb2 as pb

SERVICE = "crm.chassis.v1.PurgeService"
INTERVAL_S = 3600.0
BATCH = 200
_IDS = ARRAY(UUID(as_uuid=False))
# The lowest key there is, where a run begins.
START = ("00000000-0000-0000-0000-000000000000",) * 2

log = structlog.get_logger()


class RecordReferred(FailedPrecondition):
    """Something still refers to the record."""

    def __init__(self, plan: Plan, record_id: str, collection: str) -> None:
        super().__init__(
            "RECORD_REFERRED",
            f"The {plan.singular} stays in the recycle bin: {collection} still refer to it.",
            metadata={"resource": plan.singular, "id": record_id, "collection": collection},
        )


class Purge:
    """PurgeService over the collections of one service, and its hourly run."""

    def __init__(
        self, service: str, database: Database, clients: Clients, plans: Sequence[Plan]
    ) -> None:
        self._service = service
        self._database = database
        self._clients = clients
        self._plans: Mapping[str, Plan] = {plan.plural: plan for plan in plans}
        self.run = ByOne(database, f"{service} purge", self._purge_all, INTERVAL_S).run

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"PurgeRecord": Unary(self.purge), "CheckReferrers": Free(self.check)}

    async def purge(
        self, call: Call, tx: Tx, request: pb.PurgeRecordRequest
    ) -> pb.PurgeRecordResponse:
        """Remove one record for good; FailedPrecondition while it lives or is referred to."""
        plan = plan_of(self._plans, request.resource)
        before = await lock_record(call, tx, plan, request.id, "DELETE")
        if before["delete_time"] is None:
            raise FailedPrecondition(
                "RECORD_NOT_DELETED",
                f"Only a {plan.singular} in the recycle bin can be purged.",
                metadata={"resource": plan.singular, "id": request.id},
            )
        record_id = str(before["id"])
        referred = await self._referred(tx, call.tenant_id, plan, [record_id])
        if record_id in referred:
            raise RecordReferred(plan, record_id, referred[record_id])
        await _purge_row(call, tx, plan, before)
        return pb.PurgeRecordResponse()

    async def check(
        self, _call: Call, request: pb.CheckReferrersRequest
    ) -> pb.CheckReferrersResponse:
        """What of this service refers to records of another one."""
        async with self._database.transaction(request.tenant_id) as tx:
            found = [one async for one in self._own_referrers(tx, request)]
        make = pb.CheckReferrersResponse.Referrer
        return pb.CheckReferrersResponse(
            referrers=[make(id=one, collection=collection) for one, collection in found]
        )

    async def _purge_all(self) -> None:
        """Purge what is due in this service."""
        for plan in self._plans.values():
            await self.purge_due(plan)

    async def purge_due(self, plan: Plan) -> int:
        """Purge the records of one resource whose time is over, in batches; how many."""
        run = plan.cached("due", lambda: _due_statement(plan))
        after, count = START, 0
        while True:
            values = {"now": datetime.now(UTC), "tenant": after[0], "record": after[1]}
            async with self._database.worker() as tx:
                rows = await tx.fetch(run, values)
            tenants: dict[str, list[str]] = {}
            for row in rows:
                after = (str(row["tenant_id"]), str(row["id"]))
                tenants.setdefault(after[0], []).append(after[1])
            for tenant_id, ids in tenants.items():
                count += await self._purge_batch(plan, tenant_id, ids)
            if len(rows) < BATCH:
                return count

    async def _purge_batch(self, plan: Plan, tenant_id: str, ids: Sequence[str]) -> int:
        call, count = service_call(self._service, tenant_id, datetime.now(UTC)), 0
        async with self._database.transaction(tenant_id) as tx:
            try:
                referred = await self._referred(tx, tenant_id, plan, ids)
            except (grpc.aio.AioRpcError, Unavailable) as error:
                log.info("purge waits for a service", resource=plan.plural, error=error)
                return 0
            run = plan.cached("lock due", lambda: _lock_statement(plan))
            free = [one for one in ids if one not in referred]
            values = {"tenant_id": tenant_id, "ids": free, "now": call.now}
            for before in await tx.fetch(run, values):
                count += await _purged(call, tx, plan, before)
        return count

    async def _referred(
        self, tx: Tx, tenant_id: str, plan: Plan, ids: Sequence[str]
    ) -> dict[str, str]:
        """The collection that refers to it, by id, asked of every service."""
        request = pb.CheckReferrersRequest(
            tenant_id=tenant_id, service=self._service, resource=plan.plural, ids=list(ids)
        )
        found = {one: name async for one, name in self._own_referrers(tx, request)}
        for target in TARGETS:
            if target != self._service:
                answer = await self._clients.call(target, f"{SERVICE}/CheckReferrers", request)
                assert isinstance(answer, pb.CheckReferrersResponse)
                found |= {one.id: one.collection for one in answer.referrers}
        return found

    async def _own_referrers(
        self, tx: Tx, request: pb.CheckReferrersRequest
    ) -> AsyncIterator[tuple[str, str]]:
        values = {"tenant_id": request.tenant_id, "ids": list(request.ids)}
        asked = (request.service, request.resource)
        pointing = [
            (plan, reference)
            for plan in self._plans.values()
            for reference in plan.resource.references
            if (reference.service or self._service, reference.resource) == asked
        ]
        for plan, reference in pointing:
            make = partial(_referrers, plan, reference)
            for row in await tx.fetch(plan.cached(("referrers", reference), make), values):
                yield str(row["id"]), plan.plural


async def _purged(call: Call, tx: Tx, plan: Plan, before: Record) -> bool:
    """Remove a locked row unless something still refers to it."""
    try:
        async with tx.savepoint():
            await _purge_row(call, tx, plan, before)
    except RecordReferred:
        return False
    return True


async def _purge_row(call: Call, tx: Tx, plan: Plan, before: Record) -> None:
    """Remove a locked row with what other tables keep beside it; its history stays."""
    row: Row = {**before, "tenant_id": call.tenant_id, "version": before["version"] + 1}
    values = change_values(call, plan.singular, row, "purged", {}, {"id": str(before["id"])})
    keys = {"tenant_id": call.tenant_id, "id": before["id"]}
    for one in plan.companions:
        await tx.execute(one.purge, keys)
    shares = {"resource": plan.resource.table.name, "record_id": before["id"]}
    await tx.execute(DROP_SHARES, keys | shares)
    try:
        await tx.execute(plan.cached("purge", lambda: _purge_statement(plan)), {**values, **keys})
    except asyncpg.ForeignKeyViolationError as error:
        collection = error.table_name or "other records"
        raise RecordReferred(plan, str(before["id"]), collection) from error


def _purge_statement(plan: Plan) -> Statement:
    table = plan.resource.table
    gone = (
        delete(table)
        .where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id"))
        .returning(table.c.id)
        .cte("gone")
    )
    return statement(change_part().add_cte(gone))


def _due_statement(plan: Plan) -> Statement:
    table = plan.resource.table
    last = tuple_(*[bindparam(name, type_=UUID(as_uuid=False)) for name in ("tenant", "record")])
    return statement(
        select(table.c.tenant_id, table.c.id)
        .where(
            table.c.delete_time.is_not(None),
            table.c.purge_time <= bindparam("now"),
            tuple_(table.c.tenant_id, table.c.id) > last,
        )
        .order_by(table.c.tenant_id, table.c.id)
        .limit(BATCH)
    )


def _lock_statement(plan: Plan) -> Statement:
    table = plan.resource.table
    return statement(
        select(*plan.columns_of(()))
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.id == any_(bindparam("ids", type_=_IDS)),
            table.c.purge_time <= bindparam("now"),
        )
        .order_by(table.c.id)
        .with_for_update(skip_locked=True)
    )


def _referrers(plan: Plan, reference: Reference) -> Statement:
    """Which of the ids a column holds, each once; lists of ids count as well."""
    table = plan.resource.table
    column, ids = table.c[reference.field], bindparam("ids", type_=_IDS)
    of_tenant = table.c.tenant_id == bindparam("tenant_id")
    if plan.fields[reference.field].form is Form.UUIDS:
        held = select(func.unnest(column).label("id")).where(of_tenant, column.overlap(ids))
        one = held.subquery()
        return statement(select(one.c.id).where(one.c.id == any_(ids)).distinct())
    query: Select[tuple[object]] = select(column.label("id")).where(of_tenant, column == any_(ids))
    return statement(query.distinct())
