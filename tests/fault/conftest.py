"""A platform that the fault tests may break, apart from that of the other tests."""

from collections.abc import Iterator

import pytest

from deploy.local.platform import Platform
from tests.live import Tenant, new_tenant


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Every process, on ports of its own."""
    platform = Platform.for_tests(tmp_path_factory.mktemp("fragile"))
    try:
        platform.up()
        yield platform
    finally:
        platform.down()


@pytest.fixture
def victim(fragile: Platform) -> Iterator[Tenant]:
    """A fresh tenant for each test."""
    made = new_tenant(fragile, "fault")
    yield made
    made.http.close()
