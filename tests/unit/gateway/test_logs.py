"""What the gateway writes about a failure tells where it was, and nothing of what was in hand."""

from collections.abc import Iterator

import orjson
import pytest
import structlog

from services.gateway.logs import configure_logs


@pytest.fixture
def configured() -> Iterator[None]:
    """Logs as the gateway has them, for one test."""
    configure_logs("INFO")
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("configured")
def test_a_traceback_holds_no_values(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def fail(token: str) -> None:
        raise ValueError(f"{len(token)} characters")

    log = structlog.get_logger()
    try:
        fail("a-bearer-token")
    except ValueError:
        log.exception("request failed")
    written = capfdbinary.readouterr().out
    assert b"a-bearer-token" not in written
    (told,) = orjson.loads(written)["exception"]
    assert told["exc_value"] == "14 characters"
    assert [frame["name"] for frame in told["frames"]][-1] == "fail"
