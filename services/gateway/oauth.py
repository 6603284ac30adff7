"""OAuth for API clients: client credentials (RFC 6749, 4.4), revocation (RFC 7009), metadata
(RFC 8414); hand-written, as its requests and errors have forms of their own.
"""

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote_plus

import grpc
import orjson
from google.protobuf.message import Message
from starlette.responses import Response

from chassis.codec import encoder
from chassis.errors import InvalidArgument
from crm.identity.v1.client_token_pb2 import (
    ClientCredentials,
    ClientToken,
    CreateClientTokenRequest,
    RevokeClientTokenRequest,
    RevokeClientTokenResponse,
)
from services.gateway.contracts import Contracts
from services.gateway.exchange import Exchange, json_response
from services.gateway.problems import Problem, problem_of
from services.gateway.query import parameters
from services.gateway.routing import Endpoint
from services.gateway.tokens import ServiceToken
from services.gateway.upstream import Answer, Rpc, Upstreams

FORM = "application/x-www-form-urlencoded"
CLIENT_TOKENS = "/crm.identity.v1.ClientTokenService"
METADATA_AGE_S = 3600
_AUTHENTICATION = ["client_secret_basic", "client_secret_post"]
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
_CHALLENGE = {"www-authenticate": 'Basic realm="crm"'}
# What identity refuses with, as RFC 6749, 5.2 names it.
_ERRORS: Mapping[str, tuple[str, int]] = {
    "CLIENT_INVALID": ("invalid_client", 401),
    "TENANT_SUSPENDED": ("unauthorized_client", 400),
    "SCOPE_INVALID": ("invalid_scope", 400),
    "INVALID_FIELDS": ("invalid_request", 400),
    "INVALID_HEADER": ("invalid_request", 400),
    "INVALID_QUERY": ("invalid_request", 400),
}
Form = Mapping[str, str]


class OAuthRefusal(Exception):
    """A refusal in the form of RFC 6749, 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> Response:
        """The refusal as it is sent."""
        body = {"error": self.error, "error_description": self.description}
        headers = _NO_STORE | (_CHALLENGE if self.status == 401 else {})
        return Response(orjson.dumps(body), self.status, headers, media_type="application/json")


class OAuth:
    """The routes under /oauth, and the document that describes them."""

    def __init__(
        self, upstreams: Upstreams, service_token: ServiceToken, contracts: Contracts, issuer: str
    ) -> None:
        self._service_token = service_token
        self._create = upstreams.unary(
            "identity", f"{CLIENT_TOKENS}/CreateClientToken", ClientToken
        )
        self._revoke = upstreams.unary(
            "identity", f"{CLIENT_TOKENS}/RevokeClientToken", RevokeClientTokenResponse
        )
        self._encode = encoder(ClientToken)
        self._metadata = _server_metadata(contracts, issuer)

    def endpoints(self) -> list[Endpoint]:
        """What the router is told."""
        well_known = "/.well-known/oauth-authorization-server"
        return [
            Endpoint("POST", "/oauth/token", _answering(self.token), public=True),
            Endpoint("POST", "/oauth/revoke", _answering(self.revoke), public=True),
            Endpoint("GET", well_known, self.metadata, public=True),
        ]

    async def token(self, exchange: Exchange) -> Response:
        """A token for a client's credentials."""
        form = await _form(exchange)
        grant = form.get("grant_type", "")
        if not grant:
            raise OAuthRefusal("invalid_request", "grant_type is missing")
        credentials = _credentials(exchange, form)
        if grant != "client_credentials":
            raise OAuthRefusal("unsupported_grant_type", "only client_credentials is supported")
        request = CreateClientTokenRequest(credentials=credentials, scope=form.get("scope", ""))
        answer = await self._call(self._create, request, exchange)
        return json_response(self._encode(answer), dict(_NO_STORE))

    async def revoke(self, exchange: Exchange) -> Response:
        """The end of a token; one that there is not is no error."""
        form = await _form(exchange)
        if not form.get("token"):
            raise OAuthRefusal("invalid_request", "token is missing")
        credentials = _credentials(exchange, form)
        request = RevokeClientTokenRequest(credentials=credentials, token=form["token"])
        await self._call(self._revoke, request, exchange)
        return json_response({}, dict(_NO_STORE))

    async def metadata(self, _: Exchange) -> Response:
        """What clients may find out about this server."""
        return json_response(self._metadata, {"cache-control": f"max-age={METADATA_AGE_S}"})

    async def _call(self, rpc: Rpc[Answer], request: Message, exchange: Exchange) -> Answer:
        own = (("x-request-id", exchange.request_id), ("traceparent", exchange.traceparent))
        try:
            return await rpc(request, (*await self._service_token.metadata(), *own))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                self._service_token.forget()
            raise


def _answering(
    handler: Callable[[Exchange], Awaitable[Response]],
) -> Callable[[Exchange], Awaitable[Response]]:
    """The handler with its refusals in the form of RFC 6749; whatever else goes wrong is told as
    everywhere.
    """

    async def answer(exchange: Exchange) -> Response:
        try:
            return await handler(exchange)
        except OAuthRefusal as refusal:
            return refusal.response()
        except (grpc.aio.AioRpcError, InvalidArgument) as error:
            found = _refusal(problem_of(error))
            if found is None:
                raise
            return found.response()

    return answer


def _refusal(problem: Problem) -> OAuthRefusal | None:
    known = _ERRORS.get(problem.reason)
    if known is None:
        return None
    # The description may hold printable ASCII without quotes and backslashes only.
    text = "".join(one for one in problem.message if " " <= one <= "~" and one not in '"\\')
    return OAuthRefusal(known[0], text, known[1])


async def _form(exchange: Exchange) -> Form:
    """The parameters of the body, each at most once; empty ones count as not sent (3.1)."""
    if exchange.media_type() != FORM:
        raise OAuthRefusal("invalid_request", f"the body must be {FORM}")
    found: dict[str, str] = {}
    for name, value in parameters(await exchange.body()):
        if name in found:
            raise OAuthRefusal("invalid_request", "a parameter is there twice")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def _credentials(exchange: Exchange, form: Form) -> ClientCredentials:
    """Client and secret from the header or the body, not from both (2.3.1)."""
    header = exchange.header("authorization")
    if header and "client_secret" in form:
        raise OAuthRefusal("invalid_request", "the client authenticates in two ways")
    if header:
        client_id, secret = _basic(header)
        if form.get("client_id", client_id) != client_id:
            raise OAuthRefusal("invalid_request", "header and body name two clients")
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if not client_id or not secret:
        raise OAuthRefusal("invalid_client", "the client does not authenticate", 401)
    return ClientCredentials(client_id=client_id[:100], client_secret=secret[:200])


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise OAuthRefusal("invalid_client", "the client does not authenticate", 401)
    return unquote_plus(client_id), unquote_plus(secret)


def _server_metadata(contracts: Contracts, issuer: str) -> dict[str, object]:
    rules = [method.access for method in contracts.methods if method.access.resource]
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": _AUTHENTICATION,
        "revocation_endpoint_auth_methods_supported": _AUTHENTICATION,
        "scopes_supported": sorted({f"{one.resource}:{one.verb}" for one in rules}),
        "service_documentation": f"{issuer}/docs",
    }
