"""What a process writes about a failure tells where and what kind, and nothing of what was in hand;
lines of libraries are like ours.
"""

import asyncio
import logging
import smtplib
import sys
from collections.abc import Iterator

import asyncpg
import grpc
import msgspec
import orjson
import pytest
import structlog

from chassis.errors import InvalidArgument
from chassis.telemetry.logs import configure_logs, told

CANARY = "canary@example.com"
NONE = grpc.aio.Metadata()
REMOTE = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, NONE, NONE, CANARY, CANARY)


@pytest.fixture
def written(capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[pytest.CaptureFixture[bytes]]:
    """Logs as processes have them, for one test."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    hook = sys.excepthook
    configure_logs("sales", "info")
    yield capfdbinary
    root.handlers, sys.excepthook = before, hook
    structlog.reset_defaults()


def violation() -> asyncpg.PostgresError:
    """As the server tells of a row that it refuses."""
    fields = {"S": "ERROR", "C": "23514", "M": f"new row {CANARY}", "n": "ck_person_email",
              "D": f"Failing row contains ({CANARY}).", "t": "person"}  # fmt: skip
    return asyncpg.PostgresError.new(fields)


def lines(written: pytest.CaptureFixture[bytes]) -> list[dict[str, object]]:
    """What was logged; AssertionError when it has the canary."""
    text = written.readouterr().out
    assert CANARY.encode() not in text
    return [orjson.loads(line) for line in text.splitlines()]


def test_a_traceback_holds_no_values(written: pytest.CaptureFixture[bytes]) -> None:
    def fail(address: str) -> None:
        try:
            raise violation()
        except asyncpg.PostgresError as error:
            raise KeyError(address) from error

    log = structlog.get_logger()
    try:
        fail(CANARY)
    except KeyError:
        log.exception("call failed")
    (line,) = lines(written)
    assert line["service"] == "sales"
    assert line["level"] == "error"
    first, cause = msgspec.convert(line["exception"], list[dict[str, object]])
    assert str(first["frames"]).endswith(" fail']")
    assert cause["error"] == "CheckViolationError: 23514, person, ck_person_email"


def test_errors_within_others_are_told(written: pytest.CaptureFixture[bytes]) -> None:
    async def fail() -> None:
        raise violation()

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    try:
        asyncio.run(together())
    except ExceptionGroup as error:
        structlog.get_logger().error("operation failed", exc_info=error)
    (line,) = lines(written)
    assert len(line["exception"]) == 2  # type: ignore[arg-type]  # JSON has no types


def test_values_that_are_errors_are_told(written: pytest.CaptureFixture[bytes]) -> None:
    structlog.get_logger().warning("event failed", error=violation(), at=1)
    (line,) = lines(written)
    assert line["error"] == "CheckViolationError: 23514, person, ck_person_email"


def test_libraries_log_the_same_way(written: pytest.CaptureFixture[bytes]) -> None:
    task = logging.getLogger("asyncio")
    task.error("Task exception was never retrieved\nfuture: %s", CANARY, exc_info=violation())
    task.info("too quiet")
    (line,) = lines(written)
    assert line["logger"] == "asyncio"
    assert line["text"] == "Task exception was never retrieved"
    assert line["exception"][0]["error"].startswith("CheckViolationError")  # type: ignore[index]  # JSON has no types


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "[Errno 111] Connect call failed"),
        (TypeError("unsupported operand"), "unsupported operand"),
        (asyncpg.UndefinedTableError("no relation x"), "no relation x"),
        (InvalidArgument("BAD_NAME", f"{CANARY} is no name."), "BAD_NAME"),
        (smtplib.SMTPSenderRefused(550, CANARY.encode(), CANARY), "550"),
        (REMOTE, "INTERNAL"),
    ],
)
def test_a_word_about_each_kind(error: Exception, text: str) -> None:
    assert told(error) == f"{type(error).__name__}: {text}"


def test_what_says_nothing_safe_has_its_place() -> None:
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int(CANARY)
    found = told(raised.value)
    assert found.startswith("ValueError: ")
    assert ".py:" in found
    assert CANARY not in found
