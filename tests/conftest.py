"""What several kinds of test share: one running platform, started only when a test asks for it."""

from collections.abc import Iterator

import pytest

from deploy.local.platform import Platform
from tests.live import Tenant, new_tenant


def pytest_addoption(parser: pytest.Parser) -> None:
    """The fault tests have a short form, that of the test run, and a long one."""
    choices = ["few", "quick", "all"]
    parser.addoption("--fault-rounds", choices=choices, default="few", help="how much is killed")


FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """A place for what tests measure."""
    config.stash[FIGURES] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was measured."""
    for line in config.stash[FIGURES]:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> list[str]:
    """Lines about measurements, shown at the end of the run."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def whole_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Every process of the platform, on free ports."""
    platform = Platform.for_tests(tmp_path_factory.mktemp("platform"))
    try:
        platform.up()
        yield platform
    finally:
        platform.down()


@pytest.fixture(scope="module")
def tenant(whole_platform: Platform, request: pytest.FixtureRequest) -> Iterator[Tenant]:
    """A fresh tenant for each test file."""
    slug = request.module.__name__.rpartition(".")[2].replace("_", "-").removeprefix("test-")
    made = new_tenant(whole_platform, slug)
    yield made
    made.http.close()


@pytest.fixture(scope="module")
def other_tenant(whole_platform: Platform) -> Iterator[Tenant]:
    """Another tenant, who must never notice the first one."""
    made = new_tenant(whole_platform, "other")
    yield made
    made.http.close()
