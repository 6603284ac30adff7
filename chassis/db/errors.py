"""Maps errors of the database to errors that callers may see; everything else stays inside."""

import re

import asyncpg

from chassis.errors import (
    Aborted,
    AlreadyExists,
    CrmError,
    FailedPrecondition,
    InvalidArgument,
    Unavailable,
)

_FOREIGN_KEY = re.compile(r"fk_\w+?_tenant_id_(?P<field>\w+)")


def translate(error: asyncpg.PostgresError) -> CrmError | None:
    """The caller's view of a database error; None for one that is our own fault."""
    match error:
        case asyncpg.UniqueViolationError():
            return AlreadyExists("ALREADY_EXISTS", "A record with the same unique value exists.")
        case asyncpg.ForeignKeyViolationError():
            return _reference(error.constraint_name or "")
        case asyncpg.LockNotAvailableError() | asyncpg.DeadlockDetectedError():
            return Aborted("RECORD_BUSY", "Somebody else is changing the record; try again.")
        case asyncpg.SerializationError():
            return Aborted("RECORD_BUSY", "Somebody else is changing the record; try again.")
        case asyncpg.QueryCanceledError() | asyncpg.IdleInTransactionSessionTimeoutError():
            return Unavailable("QUERY_TIMEOUT", "The query took too long; ask for less.")
        case asyncpg.DataError():
            return InvalidArgument("VALUE_OUT_OF_RANGE", "A value is out of range.")
        case asyncpg.CheckViolationError() | asyncpg.NotNullViolationError():
            return FailedPrecondition("VALUE_NOT_ALLOWED", "A value is not allowed here.")
    return None


def _reference(constraint: str) -> CrmError:
    match = _FOREIGN_KEY.match(constraint)
    name = match["field"] if match else "reference"
    return InvalidArgument(
        "REFERENCE_NOT_FOUND",
        f"There is no record with this {name}.",
        metadata={"field": name},
        fields=[(name, "There is no such record.")],
    )
