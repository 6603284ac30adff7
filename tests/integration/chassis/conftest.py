"""A scratch PostgreSQL for tests that need no service."""

from collections.abc import Iterator

import pytest

from deploy.local.platform import Platform


@pytest.fixture(scope="package")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    platform = Platform.for_tests(tmp_path_factory.mktemp("scratch"), services=())
    try:
        platform.up()
        yield platform.admin_database_url()
    finally:
        platform.down()
