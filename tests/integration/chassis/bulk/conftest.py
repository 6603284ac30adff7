"""Identity, customer and sales at work, and an administrator who changes many records."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.local.platform import Platform
from tests.integration.chassis.bulk.bulker import Bulker
from tests.integration.chassis.imports.importer import Importer


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform.for_tests(tmp_path_factory.mktemp("bulk"), ["identity", "customer"])
    platform.up()
    yield platform
    platform.down()


@pytest_asyncio.fixture
async def bulker(platform: Platform) -> AsyncIterator[Bulker]:
    """An administrator of a new tenant."""
    importer = await Importer.sign_up(platform)
    yield Bulker(importer)
    await importer.close()
