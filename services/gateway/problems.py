"""Errors of any kind as RFC 9457 problems."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import grpc
import orjson
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from starlette.responses import Response

from chassis.errors import CrmError
from services.gateway import catalogue
from services.gateway.exchange import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from services.gateway.field_messages import field_message
from services.gateway.routing import MethodNotAllowed

DETAILS_KEY = "grpc-status-details-bin"
_DETAIL_BYTES_MAX = 64 * 1024
# The page that tells what each reason means.
PROBLEMS = "/docs/problems"
Code = grpc.StatusCode

# google.rpc.Code to HTTP (google/rpc/code.proto); what is not named here is a 500.
_BY_CODE: Mapping[grpc.StatusCode, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.OUT_OF_RANGE: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.CANCELLED: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
_BY_REASON: Mapping[str, int] = {
    "ETAG_MISMATCH": 412,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "IDEMPOTENCY_IN_FLIGHT": 409,
}
_BY_TYPE: tuple[tuple[type[CrmError], int], ...] = (
    (PayloadTooLarge, 413),
    (UnsupportedMediaType, 415),
    (RequestTimeout, 408),
)
_WITHOUT_DETAILS: Mapping[grpc.StatusCode, str] = {
    Code.RESOURCE_EXHAUSTED: "OVERLOADED",
    Code.CANCELLED: "UNAVAILABLE",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What the caller is told; `fields` are pairs of field path and message."""

    status: int
    reason: str
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: Sequence[tuple[str, str]] = ()
    retry_after_s: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    def within(self, prefix: str) -> "Problem":
        """The same with field paths as seen from the body, which the request has under `prefix`."""
        start = f"{prefix}."
        fields = [(path.removeprefix(start), message) for path, message in self.fields]
        return replace(self, fields=fields)


def problem_of(error: BaseException) -> Problem:
    """The problem for an error; one that we did not expect tells nothing of its cause."""
    if isinstance(error, CrmError):
        return _of_crm_error(error)
    if isinstance(error, grpc.aio.AioRpcError):
        return _of_rpc_error(error)
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(error.allowed)
        values = {"allowed": allowed}
        return Problem(405, "METHOD_NOT_ALLOWED", metadata=values, headers={"allow": allowed})
    return Problem(500, "INTERNAL")


def problem_response(
    problem: Problem, accept_language: str, request_id: str, trace_id: str
) -> Response:
    """The problem as application/problem+json in the caller's language."""
    language = catalogue.preferred_language(accept_language)
    text = catalogue.detail(problem.reason, problem.metadata, language) or problem.message
    title = catalogue.title(problem.status, language)
    body = {
        "type": f"{PROBLEMS}#{problem.reason}",
        "title": title,
        "status": problem.status,
        "detail": text or title,
        "instance": f"urn:request:{request_id}",
        "reason": problem.reason,
        "errors": [
            {"field": path, "message": field_message(message, language)}
            for path, message in problem.fields
        ],
        "trace_id": trace_id,
    }
    headers = {
        "cache-control": "no-store",
        "content-language": language,
        "vary": "Accept-Language",
        **problem.headers,
    }
    if problem.status in {429, 503}:
        headers["retry-after"] = str(problem.retry_after_s or 1)
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="crm"'
    if problem.status == 408:
        headers["connection"] = "close"
    content = orjson.dumps(body)
    return Response(content, problem.status, headers, media_type="application/problem+json")


def _of_crm_error(error: CrmError) -> Problem:
    by_type = [status for kind, status in _BY_TYPE if isinstance(error, kind)]
    status = by_type[0] if by_type else _status(error.status, error.reason)
    if status == 500:
        return Problem(500, "INTERNAL")
    return Problem(status, error.reason, error.message, error.metadata, error.fields)


def _of_rpc_error(error: grpc.aio.AioRpcError) -> Problem:
    code = error.code()
    info, fields, retry_after_s, message = _details(error)
    status = _status(code, info.reason)
    if status == 500:
        return Problem(500, "INTERNAL")
    if not info.reason:
        # Not from our services but from gRPC itself, whose text may name addresses.
        return Problem(status, _WITHOUT_DETAILS.get(code, code.name), retry_after_s=retry_after_s)
    return Problem(status, info.reason, message, dict(info.metadata), fields, retry_after_s)


def _status(code: grpc.StatusCode, reason: str) -> int:
    return _BY_REASON.get(reason) or _BY_CODE.get(code, 500)


def _details(
    error: grpc.aio.AioRpcError,
) -> tuple[ErrorInfo, list[tuple[str, str]], int, str]:
    """ErrorInfo, field errors, seconds to wait and message of the rich status in the trailers."""
    info, fields, retry_after_s = ErrorInfo(), list[tuple[str, str]](), 0
    status = _rich_status(error)
    for detail in status.details:
        name = detail.TypeName()
        if name == "google.rpc.ErrorInfo":
            info = ErrorInfo.FromString(detail.value)
        elif name == "google.rpc.BadRequest":
            violations = BadRequest.FromString(detail.value).field_violations
            fields += [(violation.field, violation.description) for violation in violations]
        elif name == "google.rpc.RetryInfo":
            retry_after_s = RetryInfo.FromString(detail.value).retry_delay.seconds
    return info, fields, retry_after_s, status.message


def _rich_status(error: grpc.aio.AioRpcError) -> Status:
    pairs = error.trailing_metadata() or ()
    trailers = cast("Iterable[tuple[str, str | bytes]]", pairs)  # the stubs know a single pair
    for key, value in trailers:
        if key == DETAILS_KEY and isinstance(value, bytes) and len(value) <= _DETAIL_BYTES_MAX:
            try:
                return Status.FromString(value)
            except DecodeError:
                break
    return Status()
