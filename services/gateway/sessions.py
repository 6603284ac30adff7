"""Sign-in and what belongs to it: hand-written routes, as their callers have no session yet."""

from collections.abc import Callable

import grpc
from google.protobuf.message import Message
from starlette.responses import Response

from chassis.codec import decoder, encoder
from crm.identity.v1.session_pb2 import (
    ChangePasswordRequest,
    ChangePasswordResponse,
    CreateSessionRequest,
    DeleteSessionRequest,
    DeleteSessionResponse,
    RefreshSessionRequest,
    Session,
)
from services.gateway.exchange import Exchange, Metadata, json_response
from services.gateway.routing import Endpoint
from services.gateway.tokens import SESSIONS, ServiceToken, Tokens
from services.gateway.upstream import Rpc, Upstreams

_NO_STORE = {"cache-control": "no-store"}
Decode = Callable[[object], Message]


class Sessions:
    """The routes under /v1/sessions, and the change of one's password."""

    def __init__(self, upstreams: Upstreams, service_token: ServiceToken, tokens: Tokens) -> None:
        self._service_token = service_token
        self._tokens = tokens
        self._create = upstreams.unary("identity", f"{SESSIONS}/CreateSession", Session)
        self._refresh = upstreams.unary("identity", f"{SESSIONS}/RefreshSession", Session)
        self._delete = upstreams.unary(
            "identity", f"{SESSIONS}/DeleteSession", DeleteSessionResponse
        )
        self._change = upstreams.unary(
            "identity", f"{SESSIONS}/ChangePassword", ChangePasswordResponse
        )
        self._decode_create = decoder(CreateSessionRequest)
        self._decode_refresh = decoder(RefreshSessionRequest)
        self._decode_change = decoder(ChangePasswordRequest)
        self._encode_session = encoder(Session)

    def endpoints(self) -> list[Endpoint]:
        """What the router is told."""
        return [
            Endpoint("POST", "/v1/sessions", self.create, public=True),
            Endpoint("POST", "/v1/sessions:refresh", self.refresh, public=True),
            Endpoint("DELETE", "/v1/sessions/current", self.delete),
            Endpoint("POST", "/v1/users/me:changePassword", self.change_password),
        ]

    async def create(self, exchange: Exchange) -> Response:
        """Sign in."""
        return await self._session(exchange, self._decode_create, self._create)

    async def refresh(self, exchange: Exchange) -> Response:
        """Exchange a refresh token for the next pair."""
        return await self._session(exchange, self._decode_refresh, self._refresh)

    async def delete(self, exchange: Exchange) -> Response:
        """Sign out."""
        await self._delete(DeleteSessionRequest(), exchange.metadata(), repeatable=True)
        self._tokens.drop_session(exchange.signed_in.session_id)
        return json_response({}, _NO_STORE)

    async def change_password(self, exchange: Exchange) -> Response:
        """Replace the caller's password; his other sessions end."""
        request = self._decode_change(await exchange.json_body())
        await self._change(request, exchange.metadata())
        self._tokens.drop_tenant(exchange.signed_in.tenant_id)
        return json_response({}, _NO_STORE)

    async def _session(self, exchange: Exchange, decode: Decode, rpc: Rpc[Session]) -> Response:
        request = decode(await exchange.json_body())
        metadata = (*await self._service_token.metadata(), *_context(exchange))
        try:
            session = await rpc(request, metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                self._service_token.forget()
            raise
        return json_response(self._encode_session(session), _NO_STORE)


def _context(exchange: Exchange) -> Metadata:
    """What tells a call of the gateway's own apart: the request, and where it came from."""
    client = exchange.request.client
    pairs = [("x-request-id", exchange.request_id), ("traceparent", exchange.traceparent)]
    if client is not None:
        pairs.append(("x-client-address", client.host))
    return tuple(pairs)
