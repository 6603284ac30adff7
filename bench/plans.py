"""Plans of lists as the runtime role gets them: no scan over a big table, by whatever name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any  # a recorder stands where a transaction would

from asyncpg import Connection

from bench.declared import declared_filters
from bench.organisation import FILTERS, Organisation
from bench.pgbench import read_frequencies
from chassis.access.model import AccessRecord
from chassis.access.source import AccessSource
from chassis.call import Call, Principal
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Database
from chassis.db.sql import Statement
from chassis.resource.listing import list_records
from chassis.resource.plan import Plan, make_plan
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform
from services.customer.methods.customer import CUSTOMER
from services.sales.methods.opportunity import opportunity_resource

SCAN = "Seq Scan"
# A walk that passes over a tenth of a million rows is a scan by another name.
PASSED_OVER = re.compile(r"Rows Removed by Filter: (\d+)")
PASSED_OVER_MAX = 100_000


async def find_scans(
    platform: Platform, organisation: Organisation, orders: Mapping[str, Sequence[str]]
) -> tuple[int, list[str]]:
    """Read the plan of every list: how many, and those that scan a table or walk as far."""
    count, scans = 0, []
    for service, plan in plans():
        urls = [platform.database_url(service, role) for role in ("runtime", "worker")]
        database = Database(service, urls[0], urls[1])
        await read_frequencies(plan, urls[1])
        for person, user_id in organisation.people.items():
            call = await _call(database, organisation.tenant.id, user_id)
            for request in _requests(plan, orders[plan.plural]):
                lines = (await explained(database, call, plan, request)).lines
                asked = f"{person}: {plan.plural} by {request.order_by}, {request.filter}"
                scans += ["\n  ".join([asked, *lines])] if _wanders("\n".join(lines)) else []
                count += 1
        await database.close()
    return count, scans


def _wanders(plan: str) -> bool:
    return SCAN in plan or any(int(one) > PASSED_OVER_MAX for one in PASSED_OVER.findall(plan))


def plans() -> Iterator[tuple[str, Plan]]:
    """What is listed, with its service."""
    yield "customer", make_plan(CUSTOMER)
    yield "sales", make_plan(opportunity_resource())


def _requests(plan: Plan, fields: Sequence[str]) -> Iterator[ListRequest]:
    for name, way, condition in product(fields, ("", " desc"), ("", *FILTERS[plan.plural])):
        yield ListRequest(order_by=name + way, filter=condition, page_size=50)
    for condition in declared_filters(plan.filters):
        yield ListRequest(order_by="name", filter=condition, page_size=50)


async def _call(database: Database, tenant_id: str, user_id: str) -> Call:
    """A call of the user with his rights as the service's replica has them."""
    source = AccessSource(database, _nobody, lambda: 0.0, replicated=True)
    access = await source(Principal("user", user_id, tenant_id))
    roles = access.members[user_id].role_ids
    who = Principal("user", user_id, tenant_id, role_ids=roles)
    custom = await CustomFieldSource(database, lambda: 0.0)(tenant_id)
    return Call(who, access, "bench", datetime.now(UTC), 0.0, custom=custom)


async def _nobody(_tenant_id: str) -> Sequence[AccessRecord]:
    raise RuntimeError("the replica lacks the user")


@dataclass
class Explaining:
    """Stands where a transaction would and keeps the plans of what is fetched, and its SQL."""

    connection: Connection
    lines: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def fetch(self, run: Statement, values: Mapping[str, object]) -> list[Any]:  # Any: rows
        """Nothing is found."""
        explain = f"EXPLAIN (ANALYZE, TIMING OFF) {run.sql}"
        rows = await self.connection.fetch(explain, *run.arguments(values))
        self.asked.append(run.sql)
        self.lines += [str(row[0]) for row in rows]
        return []

    async def fetch_row(self, run: Statement, values: Mapping[str, object]) -> Any:  # Any: a row
        """What decides about the plan."""
        return await self.connection.fetchrow(run.sql, *run.arguments(values))

    async def execute(self, run: Statement, values: Mapping[str, object]) -> None:
        """How the plan is to be made."""
        await self.connection.execute(run.sql, *run.arguments(values))


async def explained(database: Database, call: Call, plan: Plan, request: ListRequest) -> Explaining:
    """What PostgreSQL does for a list, as the runtime role has it."""
    async with database.transaction(call.tenant_id) as tx:
        explaining: Any = Explaining(tx.connection)  # Any: it stands where a Tx would
        await list_records(call, explaining, plan, request, b"bench")
        done: Explaining = explaining
    return done
