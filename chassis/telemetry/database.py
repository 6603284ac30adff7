"""Spans of statements: their text as it is prepared, without the values."""

import re
from collections.abc import Awaitable
from typing import TypeVar

from opentelemetry.trace import SpanKind

from chassis.telemetry.tracing import begin, ending

Result = TypeVar("Result")
_TARGET = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM|FROM) (?:base\.)?(\w+)", re.IGNORECASE)


async def followed(sql: str, traceparent: str, work: Awaitable[Result]) -> Result:
    """What the statement gives, with a span below the trace context."""
    facts = {"db.system.name": "postgresql", "db.query.text": sql}
    with ending([begin(_summary(sql), SpanKind.CLIENT, traceparent, facts)]):
        return await work


def _summary(sql: str) -> str:
    """What it does to which table, such as "INSERT INTO customer"."""
    found = _TARGET.search(sql)
    if found is None:
        return sql.split(None, 1)[0]
    verb = "SELECT" if found[1].upper() == "FROM" else found[1]
    return f"{verb} {found[2]}"
