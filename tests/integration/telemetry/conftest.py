"""A platform for the tests beside this, every request of which is sampled."""

from collections.abc import Iterator

import pytest

from deploy.local.platform import Platform
from tests.integration.telemetry.collector import Collector, collecting
from tests.live import Tenant, new_tenant


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="package")
def followed(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_TRACES_SAMPLER_ARG", "1")
        platform = Platform.for_tests(tmp_path_factory.mktemp("followed"))
    try:
        platform.up()
        yield platform
    finally:
        platform.down()


@pytest.fixture(scope="package")
def tenant(followed: Platform) -> Iterator[Tenant]:
    made = new_tenant(followed, "followed")
    yield made
    made.http.close()
