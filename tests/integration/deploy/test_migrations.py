"""The revisions of every service lead to the tables that its code declares."""

from importlib import import_module
from pathlib import Path

import pytest

from chassis.db.migrate import differences
from deploy.local.platform import Platform
from deploy.local.settings import POSTGRES, SERVICES


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform.for_tests(tmp_path_factory.mktemp("migrations"), services=SERVICES)


def test_revisions_lead_to_the_declared_tables(platform: Platform) -> None:
    platform.start(POSTGRES)
    try:
        for service in SERVICES:
            platform.migrate(service)
            platform.migrate(service)
            tables = import_module(f"services.{service}.models.tables")
            url = platform.database_url(service, "owner")
            assert differences(tables.metadata, url) == [], service
    finally:
        platform.down()


def test_revisions_are_numbered_in_a_row() -> None:
    for service in SERVICES:
        folder = Path(__file__).parents[3] / "services" / service / "migrations" / "versions"
        numbers = sorted(int(path.name[:4]) for path in folder.glob("*.py"))
        assert numbers == list(range(1, len(numbers) + 1)), service
