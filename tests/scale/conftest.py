"""Three of everything: PostgreSQL and NATS apart, every process runs three times."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.platform import Platform
from tests.live import new_tenant
from tests.scale.load import OPEN_STAGES, Balancer, Load, Tenants, wait_for

REPLICAS = 3


@pytest.fixture(scope="package")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform with three replicas of the gateway and of each service."""
    platform = Platform.for_tests(tmp_path_factory.mktemp("replicated"), replicas=REPLICAS)
    try:
        platform.up()
        yield platform
    finally:
        platform.down()


@pytest.fixture
async def tenants(replicated: Platform) -> AsyncIterator[Tenants]:
    """Two fresh tenants with the stages that new opportunities may be in."""
    made: Tenants = {}
    for slug in ("north", "south"):
        tenant = await asyncio.to_thread(new_tenant, replicated, slug)
        found = await wait_for(lambda one=tenant: one.list("stages", filter=OPEN_STAGES))  # type: ignore[misc]  # a default binds the loop's variable
        made[tenant.slug] = (tenant, [str(stage["id"]) for stage in found])
    yield made
    for tenant, _ in made.values():
        tenant.http.close()


@pytest.fixture
async def load(replicated: Platform, tenants: Tenants) -> AsyncIterator[Load]:
    """Clients of both tenants, spread over the gateways; a test starts them."""
    async with Balancer(replicated).watching() as balancer:
        running = Load(balancer, tenants)
        yield running
        await running.stop()
