"""Events, calls and look-ups that the tests of the read models need."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from chassis.access.field_rules import HIDDEN
from chassis.access.model import Access, Grant, Member
from chassis.call import Call, Principal
from chassis.db.pool import Database, Tx
from chassis.events.envelope import Event
from crm.reporting.v1 import report_pb2 as pb
from services.reporting.consumers import NAMES
from services.reporting.methods.facts import apply_opportunities
from services.reporting.methods.pipeline_summary import PipelineSummaries

NOW = datetime(2017, 12, 1, tzinfo=UTC)


def event(
    tenant_id: str, resource: str, record_id: str, version: int, event_name: str, /, **data: object
) -> Event:
    """An event as a consumer gets it."""
    return Event(
        id=str(uuid4()),
        tenant_id=tenant_id,
        service="sales",
        resource=resource,
        name=event_name,
        record_id=record_id,
        version=version,
        time=NOW + timedelta(seconds=version),
        actor_id="",
        through="user",
        cause_id="",
        data={**data, "changes": {}},
    )


def money(amount: str, code: str = "USD") -> dict[str, str]:
    """Money as events carry it."""
    return {"currency_code": code, "amount": amount}


async def feed(database: Database, tenant_id: str, *events: Event) -> None:
    """Apply opportunities in one transaction, as the consumer does."""
    async with database.transaction(tenant_id) as tx:
        await apply_opportunities(tx, events)


async def tell_names(database: Database, tenant_id: str, *events: Event) -> None:
    """Apply names in one transaction, as the consumer does."""
    async with database.transaction(tenant_id) as tx:
        await NAMES.handler(tx, events)


def call(
    tenant_id: str,
    scope: str | Mapping[str, str] = "ALL",
    user_id: str = "",
    company_id: str = "",
    hidden: Iterable[tuple[str, str]] = (),
) -> Call:
    """A call of a user whose one role reads everything in that scope, or each collection in a scope
    of its own, but for what is hidden: (collection, field).
    """
    user = user_id or str(uuid4())
    scopes = {"*": scope} if isinstance(scope, str) else scope
    access = Access(
        currency_code="USD",
        members={user: Member(role_ids=("r",))},
        roles={"r": tuple(Grant(one, frozenset({"READ"}), of) for one, of in scopes.items())},
        field_rules={"r": {resource: {field: HIDDEN} for resource, field in hidden}},
    )
    principal = Principal("user", user, tenant_id, role_ids=("r",), partner_company_id=company_id)
    return Call(principal, access, "", NOW, deadline=0.0)


async def summary(
    database: Database, who: Call, group_by: str, expression: str = ""
) -> Mapping[str, pb.PipelineGroup]:
    """The groups by label, in order."""
    answers = PipelineSummaries(lambda: NOW)
    request = pb.GetPipelineSummaryRequest(group_by=group_by, filter=expression)
    async with database.transaction(who.tenant_id) as tx:
        answer = await answers.get(who, tx, request)
    return {group.label: group for group in answer.groups}


async def plan_of(tx: Tx, sql: str, arguments: list[object]) -> str:
    """What PostgreSQL does for a statement."""
    rows = await tx.connection.fetch(f"EXPLAIN {sql}", *arguments)
    return "\n".join(row[0] for row in rows)
