"""Structured logs: one JSON object a line on standard output, what libraries log included. Errors
are told by kind and place; their texts only where those cannot quote a row or a request.
"""

import logging
import sys
from collections.abc import Iterator
from traceback import extract_tb
from types import TracebackType

import grpc
import orjson
import structlog
from nats.errors import Error as NatsError
from structlog.typing import EventDict

FRAMES_MAX = 30
ERRORS_MAX = 8
# Facts that errors of ours, of the database, of mail servers carry beside their text.
FACTS = ("reason", "sqlstate", "table_name", "column_name", "constraint_name", "smtp_code")
# Texts about the program and the network, as long as no library has derived its own from them.
_PLAIN = (TypeError, AttributeError, NameError, ImportError, OSError)
_MODULES = ("builtins", "socket", "ssl")


def configure_logs(service: str, level: str) -> None:
    """Set the process up: lines with service, time and level, from `level` (such as INFO) on."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)

    def named(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {"service": service, **event}

    structlog.configure(
        processors=[
            named,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_errors,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Library()])
    sys.excepthook = _ended


def told(error: BaseException) -> str:
    """An error in a word, with what says more without quoting anybody's data."""
    name = type(error).__name__
    plain = isinstance(error, _PLAIN) and type(error).__module__ in _MODULES
    # Class 42 of SQLSTATE speaks of statements and tables, not of rows.
    statement = str(getattr(error, "sqlstate", "")).startswith("42")
    if plain or statement or isinstance(error, NatsError):
        return f"{name}: {str(error).partition(chr(10))[0]}"
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{name}: {error.code().name}"
    facts = [str(value) for fact in FACTS if (value := getattr(error, fact, None))]
    place = extract_tb(error.__traceback__)[-1:]
    facts = facts or [f"{one.filename}:{one.lineno}" for one in place]
    return f"{name}: {', '.join(facts)}" if facts else name


class _Library(logging.Handler):
    """Hands on what libraries log; lines after the first show objects and what they hold."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line of theirs is one of ours."""
        text, level = record.getMessage().partition("\n")[0], record.levelno // 10 * 10
        log = structlog.get_logger()
        log.log(level, "library", logger=record.name, text=text, exc_info=record.exc_info)


def _ended(_kind: type[BaseException], error: BaseException, _at: TracebackType | None) -> None:
    structlog.get_logger().critical("process ended", exc_info=error)


def _with_errors(_logger: object, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if type(given) is tuple else given
    if isinstance(error, BaseException):
        chain = [one for _, one in zip(range(ERRORS_MAX), _chain(error), strict=False)]
        event["exception"] = [{"error": told(one), "frames": _frames(one)} for one in chain]
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, those within it, and those that it came of."""
    yield error
    within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for one in (*within, *([before] if before else [])):
        yield from _chain(one)


def _frames(error: BaseException) -> list[str]:
    """Where it went, the innermost place last; no values of variables."""
    frames = extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [f"{one.filename}:{one.lineno} {one.name}" for one in frames]


def _serialize(event: object, **_: object) -> bytes:
    return orjson.dumps(event, default=_plain)


def _plain(value: object) -> str:
    return told(value) if isinstance(value, BaseException) else str(value)
