"""Servers with two databases, for what is done to databases from outside."""

from collections.abc import Iterator

import pytest

from deploy.local.platform import Platform

NAMES = ("customer", "sales")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Servers and two databases; no service runs."""
    platform = Platform.for_tests(tmp_path_factory.mktemp("databases"), services=())
    platform.up()
    for name in NAMES:
        platform.migrate(name)
    yield platform
    platform.down()
