"""One platform of the domain services for all tests that drive it over gRPC."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.platform import Platform
from tests.integration.drive import Drive


@pytest.fixture(scope="package")
def domain_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    services = ("identity", "customer", "sales", "marketing", "reporting")
    platform = Platform.for_tests(tmp_path_factory.mktemp("domains"), services=services)
    try:
        platform.up()
        yield platform
    finally:
        platform.down()


@pytest.fixture(scope="package")
async def drive(domain_platform: Platform) -> AsyncIterator[Drive]:
    drive = Drive(domain_platform)
    yield drive
    await drive.clients.close()
