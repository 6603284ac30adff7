"""Bench data of a whole company: departments, 200 salespeople with rows of their own, and one
person for each scope.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
import httpx

from bench.data import FREQUENT, INDUSTRIES, PASSWORD, SERIES, Tenant, given_name, record_id
from bench.search import copy_search
from deploy.local.platform import Platform

DEPARTMENTS = 20
SALESPEOPLE = 200
BATCH = 100
COUNTRIES = ("CN", "CN", "CN", "US", "DE", "JP", "FR", "SG")
WORDS = ("华信", "中科", "天成", "宏远", "东方", "北辰", "海纳", "金石", "云帆", "百川")
KINDS = ("科技有限公司", "贸易有限公司", "实业公司", "软件公司")
SCOPES = {
    "own": "OWN", "subordinates": "SUBORDINATES", "department": "DEPARTMENT",
    "tree": "DEPARTMENT_TREE",
}  # fmt: skip
# Two characters that a hundred of a million records have.
SOUGHT = given_name(7919)
# Beside no filter at all.
FILTERS = {
    "customers": (
        'industry = "medical"', "employee_count = 777", "custom_fields.score = 777", SOUGHT,
        FREQUENT,
    ),
    "opportunities": (
        "state = OPEN", "amount.amount > 90000", "custom_fields.score = 777", SOUGHT, FREQUENT,
    ),
}  # fmt: skip
_COMMON = (
    "tenant_id", "id", "version", "create_time", "update_time", "creator_id", "updater_id",
    "owner_id", "department_id", "name", "custom_fields",
)  # fmt: skip
CUSTOMER = (
    *_COMMON, "kind", "phone", "email", "number", "industry", "country", "founded_year",
    "employee_count", "annual_revenue", "annual_revenue_currency",
)  # fmt: skip
OPPORTUNITY = (
    *_COMMON, "customer_id", "pipeline_id", "stage_id", "state", "amount", "amount_currency",
    "expected_close_date", "close_date",
)  # fmt: skip
_START = datetime(2026, 1, 1, tzinfo=UTC)
Row = tuple[object, ...]


@dataclass(frozen=True)
class Organisation:
    """A tenant with its salespeople (id, department), by scope the id and token of a person, and by
    collection the id of the own field "score".
    """

    tenant: Tenant
    salespeople: Sequence[tuple[str, str]]
    people: dict[str, str]
    tokens: dict[str, str]
    scores: dict[str, str]


def found(platform: Platform, tenant: Tenant, slug: str) -> Organisation:
    """Make departments in a tree, salespeople, and one person for each scope, through the API."""
    with httpx.Client(base_url=platform.url(), timeout=60) as http:
        http.headers["authorization"] = f"Bearer {tenant.token}"
        departments = _departments(http)
        people, tokens = {"all": tenant.user_id}, {"all": tenant.token}
        for name, scope in SCOPES.items():
            where = departments[5] if name == "department" else departments[1]
            people[name] = _person(http, name, scope, where)
            body = {"login": name, "password": PASSWORD, "tenant": slug}
            session = http.post("/v1/sessions", json=body).raise_for_status().json()
            tokens[name] = session["access_token"]
        salespeople = _salespeople(http, departments, people["subordinates"])
        score = {"name": "score", "label": "Score", "kind": "NUMBER"}
        scores = {name: _create(http, f"{name}/customFields", **score) for name in FILTERS}
    own = (people["own"], departments[1])
    return Organisation(tenant, [own, *salespeople[1:]], people, tokens, scores)


def _departments(http: httpx.Client) -> list[str]:
    """A head department, three below it, and the others below those three."""
    made = [_create(http, "departments", name="Head")]
    for number in range(1, DEPARTMENTS):
        parent = made[0] if number < 4 else made[1 + number % 3]
        made.append(_create(http, "departments", name=f"Dep {number}", parent_id=parent))
    return made


def _person(http: httpx.Client, name: str, scope: str, department_id: str) -> str:
    grants = [{"resource": "*", "verbs": ["READ", "CREATE", "UPDATE"], "scope": scope}]
    role = _create(http, "roles", name=f"bench {name}", grants=grants)
    return _create(
        http, "users", name=name, login=name, password=PASSWORD, role_ids=[role],
        department_id=department_id,
    )  # fmt: skip


def _salespeople(
    http: httpx.Client, departments: Sequence[str], manager_id: str
) -> list[tuple[str, str]]:
    """Ten people in each department; those of the first two report to one manager."""
    bodies = [
        {
            "name": f"Seller {number}",
            "login": f"seller{number}",
            "department_id": departments[number % DEPARTMENTS],
            **({"manager_id": manager_id} if number % DEPARTMENTS < 2 else {}),
        }
        for number in range(SALESPEOPLE)
    ]
    made: list[tuple[str, str]] = []
    for first in range(0, SALESPEOPLE, BATCH):
        requests = [{"user": body} for body in bodies[first : first + BATCH]]
        answer = http.post("/v1/users:batchCreate", json={"requests": requests})
        users = answer.raise_for_status().json()["users"]
        made += [(user["id"], user["department_id"]) for user in users]
    return made


def _create(http: httpx.Client, collection: str, **body: object) -> str:
    answer = http.post(f"/v1/{collection}", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def load(platform: Platform, organisation: Organisation, rows: int) -> None:
    """Copy so many customers and opportunities into the tenant, then analyze."""
    stages = _stages(platform, organisation.tenant)
    customers, opportunities = (
        _customers(organisation, rows),
        _opportunities(organisation, rows, stages),
    )
    for service, table, columns, records, texts in (
        ("customer", "customer", CUSTOMER, customers, customer_texts),
        ("sales", "opportunity", OPPORTUNITY, opportunities, opportunity_texts),
    ):
        url = platform.database_url(service, "owner")
        asyncio.run(_copy(url, table, columns, records))
        if table == "customer":
            asyncio.run(_number(url, organisation.tenant.id, rows))
        asyncio.run(copy_search(url, table, organisation.tenant.id, rows, texts))


def index_scores(platform: Platform, organisation: Organisation) -> dict[str, float]:
    """Have the index of the own field made, as an administrator does; seconds by collection."""
    took = {}
    with httpx.Client(base_url=platform.url(), timeout=60) as http:
        http.headers["authorization"] = f"Bearer {organisation.tenant.token}"
        for collection, field_id in organisation.scores.items():
            begun = time.monotonic()
            path = f"/v1/{collection}/customFields/{field_id}:buildIndex"
            operation = http.post(path, json={}).raise_for_status().json()
            while not operation.get("done"):
                time.sleep(0.5)
                answer = http.get(f"/v1/operations/{operation['name']}")
                operation = answer.raise_for_status().json()
            assert not operation["error"], operation
            took[collection] = round(time.monotonic() - begun, 1)
    return took


def _stages(platform: Platform, tenant: Tenant) -> list[dict[str, str]]:
    """The stages of the pipeline that the tenant was given."""
    with httpx.Client(base_url=platform.url(), timeout=60) as http:
        http.headers["authorization"] = f"Bearer {tenant.token}"
        for _ in range(200):
            stages = http.get("/v1/stages").raise_for_status().json()["stages"]
            if len(stages) == 4:
                return list(stages)
        raise RuntimeError("the tenant got no pipeline")


async def _copy(url: str, table: str, columns: Sequence[str], rows: Iterator[Row]) -> None:
    connection = await asyncpg.connect(url)
    await connection.copy_records_to_table(table, schema_name="base", records=rows, columns=columns)
    await connection.execute(f"VACUUM ANALYZE base.{table}")
    await connection.close()


async def _number(url: str, tenant_id: str, rows: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(SERIES, tenant_id, rows)
    await connection.close()


def _common(organisation: Organisation, collection: str, number: int) -> Row:
    # Whose a record is has nothing to do with its name, its amount or its dates.
    owner, department = organisation.salespeople[(number * 2654435761 % 2**32 >> 9) % SALESPEOPLE]
    made = _START + timedelta(seconds=number * 20)
    changed = made + timedelta(seconds=number * 7919 % 1_000_000)
    name = opportunity_texts(number)["name"]
    user = organisation.tenant.user_id
    return (
        organisation.tenant.id, record_id(number), 1, made, changed, user, user, owner, department,
        name, f'{{"{organisation.scores[collection]}": "{number * 31 % 5000}"}}',
    )  # fmt: skip


def opportunity_texts(number: int) -> dict[str, str]:
    """What of an opportunity is searched."""
    words = f"{WORDS[number % 10]}{WORDS[number // 10 % 10]}{given_name(number)}"
    return {"name": f"{words}{number}{KINDS[number // 100 % 4]}"}


def customer_texts(number: int) -> dict[str, str]:
    """What of a customer is searched."""
    return opportunity_texts(number) | {
        "phone": f"+86 138 {number:08d}",
        "email": f"office{number}@example.com",
        "number": f"C{number:06d}",
    }


def _customers(organisation: Organisation, rows: int) -> Iterator[Row]:
    for number in range(1, rows + 1):
        revenue = number * 7919 % 1_000_003 if number % 3 else None
        yield (
            *_common(organisation, "customers", number), "COMPANY",
            *list(customer_texts(number).values())[1:],
            INDUSTRIES[number // 32 % len(INDUSTRIES)],
            COUNTRIES[number // 7 % 8], 1950 + number % 75, number % 5000, revenue,
            "CNY" if revenue is not None else None,
        )  # fmt: skip


def _opportunities(
    organisation: Organisation, rows: int, stages: Sequence[dict[str, str]]
) -> Iterator[Row]:
    for number in range(1, rows + 1):
        stage = stages[number // 3 % 4]
        day = date(2026, 1, 1) + timedelta(days=number * 31 % 730)
        amount = number * 7919 % 100_003 if number % 10 else None
        yield (
            *_common(organisation, "opportunities", number), record_id(number),
            stage["pipeline_id"], stage["id"], stage["outcome"],
            amount, "CNY" if amount is not None else None,
            day if number % 5 else None, None if stage["outcome"] == "OPEN" else day,
        )  # fmt: skip
