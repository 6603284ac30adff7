"""Bench data: one tenant through the API, its customers by COPY, ids made from their number."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import httpx

from chassis.rpc.client import Clients
from crm.identity.v1 import tenant_pb2
from deploy.local.platform import Platform

PASSWORD = "nothing here is secret"  # noqa: S105  # of a tenant that lives as long as the bench
INDUSTRIES = ("software", "medical", "retail", "finance", "trade", "energy", "travel", "food")
SURNAMES = ("张", "王", "李", "赵", "陈", "杨", "黄", "周")
FREQUENT = "公司"
KINDS = ("贸易有限公司", "科技公司", "Trading Ltd", "Software Inc")
CHARACTERS = (
    "华锐信达盛源恒通瑞丰嘉禾天成金石宏远博雅德润泰安永兴和顺凯悦隆昌鼎新中联创智汇众诚卓越启明东方海纳"
    "百川晨光星辰云峰龙腾凤翔鹏程万里青松柏翠竹兰亭梅园菊香荷塘月清风珠宝玉琳琅福禄寿喜财广进旺发富贵吉祥"
)
COLUMNS = (
    "tenant_id", "id", "version", "create_time", "update_time", "creator_id", "updater_id",
    "owner_id", "kind", "name", "phone", "email", "number", "industry", "country",
    "employee_count",
)  # fmt: skip
# New customers are numbered behind those that are copied.
SERIES = """
    INSERT INTO base.number_series
    VALUES ($1, 'customer', $2::bigint, int8multirange(int8range(1, $2::bigint + 1)))
"""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Where the bench works: the tenant, its administrator and his access token."""

    id: str
    user_id: str
    token: str


def record_id(number: int) -> str:
    """The id of the customer with this number."""
    return f"00000000-0000-7000-8000-{number:012x}"


def make_tenant(platform: Platform, slug: str) -> Tenant:
    """Create a tenant as an operator and sign in as its administrator."""

    async def create() -> tenant_pb2.Tenant:
        environment = platform.service_environment("customer")
        targets = {"identity": environment["IDENTITY_TARGET"]}
        clients = Clients("customer", environment["SERVICE_SECRET"], targets)
        request = tenant_pb2.CreateTenantRequest(
            slug=slug, name="Bench", admin_login="admin", admin_password=PASSWORD
        )
        answer = await clients.call(
            "identity", "crm.identity.v1.TenantService/CreateTenant", request
        )
        await clients.close()
        assert isinstance(answer, tenant_pb2.Tenant)
        return answer

    tenant = asyncio.run(create())
    body = {"login": "admin", "password": PASSWORD, "tenant": slug}
    answer = httpx.post(f"{platform.url()}/v1/sessions", json=body).raise_for_status().json()
    return Tenant(tenant.id, tenant.admin_user_id, answer["access_token"])


async def load_customers(url: str, tenant: Tenant, rows: int) -> None:
    """Copy so many customers into the tenant, then analyze."""
    connection = await asyncpg.connect(url)
    now = datetime.now(UTC)
    records = (
        (
            tenant.id, record_id(number), 1, now, now, tenant.user_id, tenant.user_id,
            tenant.user_id, "COMPANY", *customer_texts(number).values(),
            INDUSTRIES[number // 32 % len(INDUSTRIES)], "CN", number % 5000,
        )
        for number in range(1, rows + 1)
    )  # fmt: skip
    await connection.copy_records_to_table(
        "customer", schema_name="base", records=records, columns=COLUMNS
    )
    await connection.execute(SERIES, tenant.id, rows)
    await connection.execute("VACUUM ANALYZE base.customer")
    await connection.close()


def customer_texts(number: int) -> dict[str, str]:
    """What of a customer is searched."""
    surname, kind = SURNAMES[number % len(SURNAMES)], KINDS[number // 8 % len(KINDS)]
    return {
        "name": f"{surname}{number * 7919 % 1_000_003:06d}{given_name(number)}{kind}",
        "phone": f"+86 138 {number:08d}",
        "email": f"office{number}@example.com",
        "number": f"C{number:06d}",
    }


def given_name(number: int) -> str:
    """Two characters that a hundred of a million customers have."""
    size = len(CHARACTERS)
    return CHARACTERS[number % size] + CHARACTERS[number // size % size]
