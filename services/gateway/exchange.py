"""One HTTP exchange: the request, what the edge found out about it, and how its body is read."""

import asyncio
import re
from dataclasses import dataclass, field

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from chassis.errors import CrmError, InvalidArgument, Unauthenticated
from services.gateway.parse import parse_json

BODY_MAX_BYTES = 4 * 1024 * 1024
BODY_TIMEOUT_S = 30.0
HEADER_MAX_CHARACTERS = 255
RPC_TIMEOUT_S = 5.0
_JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
Metadata = tuple[tuple[str, str], ...]


class PayloadTooLarge(CrmError):
    """The body is longer than the limit in `metadata`."""


class UnsupportedMediaType(CrmError):
    """The body is of a type or an encoding that this path does not take."""


class RequestTimeout(CrmError):
    """The body did not arrive in time."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as identity says; `token` is internal, `expires_at` Unix seconds."""

    token: str
    tenant_id: str
    principal_id: str
    session_id: str
    expires_at: float
    restriction: str = ""


@dataclass(slots=True)
class Exchange:
    """A request on its way through the gateway."""

    request: Request
    request_id: str
    traceparent: str
    bearer: str = ""
    params: dict[str, str] = field(default_factory=dict)
    caller: Caller | None = None

    @property
    def signed_in(self) -> Caller:
        """The caller of an endpoint that is not public."""
        if self.caller is None:
            raise Unauthenticated("TOKEN_MISSING", "Sign in first.")
        return self.caller

    def header(self, name: str) -> str:
        """The value of a header, "" if none; it may come once, in up to 255 ASCII characters."""
        values = self.request.headers.getlist(name)
        if not values:
            return ""
        value = values[0]
        if len(values) > 1 or len(value) > HEADER_MAX_CHARACTERS or not _PRINTABLE.fullmatch(value):
            raise InvalidArgument(
                "INVALID_HEADER",
                f"The header {name} may come once, with up to 255 printable ASCII characters.",
                metadata={"header": name},
            )
        return value

    def metadata(self) -> Metadata:
        """GRPC metadata of a call in the caller's name."""
        pairs = [
            ("authorization", f"Bearer {self.signed_in.token}"),
            ("x-request-id", self.request_id),
            ("traceparent", self.traceparent),
        ]
        for name in ("idempotency-key", "if-match"):
            value = self.header(name)
            if value:
                pairs.append((name, value))
        return tuple(pairs)

    def media_type(self) -> str:
        """The media type of the body in lower case, without parameters."""
        if self.header("content-encoding").lower() not in {"", "identity"}:
            raise UnsupportedMediaType("UNSUPPORTED_ENCODING", "Bodies must not be compressed.")
        return self.header("content-type").partition(";")[0].strip().lower()

    async def json_body(self) -> object:
        """The parsed body; an empty one without a type is an empty object."""
        media_type = self.media_type()
        body = await self.body()
        if not body and not media_type:
            return {}
        if media_type not in _JSON_TYPES or not _is_utf8(self.header("content-type")):
            raise UnsupportedMediaType(
                "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json."
            )
        return parse_json(body)

    async def body(self) -> bytes:
        """The whole body, at most 4 MiB, chunked or not."""
        declared = self.header("content-length")
        if declared.isdecimal() and int(declared) > BODY_MAX_BYTES:
            raise too_large(BODY_MAX_BYTES)
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await _read(self.request, BODY_MAX_BYTES)
        except (TimeoutError, ClientDisconnect):
            raise RequestTimeout("BODY_TIMEOUT", "The body did not arrive in time.") from None


async def _read(request: Request, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def too_large(limit_bytes: int) -> PayloadTooLarge:
    """The error for a body longer than the limit."""
    return PayloadTooLarge(
        "BODY_TOO_LARGE",
        f"The body is longer than {limit_bytes} bytes.",
        metadata={"limit_bytes": str(limit_bytes)},
    )


def json_response(data: object, headers: dict[str, str] | None = None) -> Response:
    """A 200 with a JSON body that nothing may cache."""
    all_headers = {"cache-control": "no-cache", **(headers or {})}
    return Response(orjson.dumps(data), headers=all_headers, media_type="application/json")


def _is_utf8(content_type: str) -> bool:
    """Whether the parameters name no other character set."""
    parameters = content_type.lower().partition(";")[2].replace('"', "").replace(" ", "")
    return parameters in {"", "charset=utf-8"}
