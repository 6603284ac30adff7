"""The errors that callers may see: small typed classes with a reason and metadata, mapped to status
in one place.
"""

from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

FieldErrors = Sequence[tuple[str, str]]
# A status travels as metadata, of which gRPC takes 8 KiB, and what is beyond costs the whole of it:
# bytes as base64, and once more the message, in which each byte may take three.
TEXT_BYTES_MAX = 800
STATUS_BYTES_MAX = 4000


class CrmError(Exception):
    """What a call ends with when it is refused.

    `reason` is an UPPER_SNAKE noun phrase, `message` English text, `metadata` every value that the
    message names, `fields` pairs of field path and message.
    """

    status = grpc.StatusCode.INTERNAL

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        fields: FieldErrors = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.fields = tuple(fields)


class InvalidArgument(CrmError):
    """The request is wrong whatever the state of the system."""

    status = grpc.StatusCode.INVALID_ARGUMENT


class Unauthenticated(CrmError):
    """Nobody is known to be calling."""

    status = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(CrmError):
    """The caller is known and may not do this to any record."""

    status = grpc.StatusCode.PERMISSION_DENIED


class TenantSuspended(PermissionDenied):
    """The caller's whole tenant may not work for now."""

    def __init__(self) -> None:
        super().__init__("TENANT_SUSPENDED", "Your organisation is suspended; ask its operator.")


class NotFound(CrmError):
    """There is no such record, or none that the caller may see."""

    status = grpc.StatusCode.NOT_FOUND


def missing(name: str, record_id: str) -> NotFound:
    """The one answer to everything that is not there for the caller."""
    values = {"resource": name, "id": record_id}
    return NotFound("NOT_FOUND", f"There is no {name} {record_id}.", metadata=values)


class AlreadyExists(CrmError):
    """A unique value is taken."""

    status = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(CrmError):
    """The record is not in a state that allows this."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class Aborted(CrmError):
    """Someone else was faster: a stale entity tag or a key in flight."""

    status = grpc.StatusCode.ABORTED


class ResourceExhausted(CrmError):
    """A limit on calls is used up."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(CrmError):
    """Something needed is away for the moment; the same call may be made again."""

    status = grpc.StatusCode.UNAVAILABLE


def to_status(error: CrmError, service: str) -> Status:
    """The error as google.rpc.Status with one ErrorInfo and, for field errors, one BadRequest
    (AIP-193); long texts are cut, and of many field errors the first are told.
    """
    message = _cut(error.message)
    metadata = {name: _cut(value) for name, value in error.metadata.items()}
    packed = [_pack(ErrorInfo(reason=error.reason, domain=f"crm.{service}", metadata=metadata))]
    if error.fields:
        told = BadRequest()
        room = STATUS_BYTES_MAX - packed[0].ByteSize() - 3 * len(message.encode())
        for field, text in error.fields:
            if not told.field_violations or told.ByteSize() < room:
                told.field_violations.add(field=_cut(field), description=_cut(text))
        packed.append(_pack(told))
    if error.status in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}:
        retry = RetryInfo()
        retry.retry_delay.seconds = int(error.metadata.get("retry_after_s", 1))
        packed.append(_pack(retry))
    return Status(code=error.status.value[0], message=message, details=packed)


def _cut(text: str) -> str:
    data = text.encode()
    return (
        text if len(data) <= TEXT_BYTES_MAX else data[:TEXT_BYTES_MAX].decode(errors="ignore") + "…"
    )


def _pack(detail: ErrorInfo | BadRequest | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
