"""Identity and customer at work, and an administrator who imports through gRPC."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.local.platform import Platform
from tests.integration.chassis.imports.importer import Importer


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform.for_tests(tmp_path_factory.mktemp("imports"), ["identity", "customer"])
    platform.up()
    yield platform
    platform.down()


@pytest_asyncio.fixture
async def importer(platform: Platform) -> AsyncIterator[Importer]:
    """An administrator of a new tenant."""
    importer = await Importer.sign_up(platform)
    yield importer
    await importer.close()
