"""Sign-in and what belongs to it: hand-written routes, as their callers have no session yet."""

import grpc
from google.protobuf.message import Message
from starlette.responses import Response

from chassis.codec import decoder, encoder
from crm.identity.v1.credential_pb2 import (
    ConfirmPasswordResetRequest,
    ConfirmPasswordResetResponse,
    CreatePasswordResetRequest,
    CreatePasswordResetResponse,
)
from crm.identity.v1.session_pb2 import (
    ChangePasswordRequest,
    ChangePasswordResponse,
    Client,
    CreateSessionRequest,
    DeleteSessionRequest,
    DeleteSessionResponse,
    RefreshSessionRequest,
    Session,
)
from services.gateway.exchange import Exchange, Metadata, json_response
from services.gateway.routing import Endpoint, Handler
from services.gateway.tokens import SESSIONS, ServiceToken, Tokens
from services.gateway.upstream import Upstreams

CREDENTIALS = "/crm.identity.v1.CredentialService"
USER_AGENT_CHARACTERS_MAX = 300
_NO_STORE = {"cache-control": "no-store"}


class Sessions:
    """The routes of those who sign in, and the change of one's password."""

    def __init__(self, upstreams: Upstreams, service_token: ServiceToken, tokens: Tokens) -> None:
        self._upstreams = upstreams
        self._service_token = service_token
        self._tokens = tokens
        self._delete = upstreams.unary(
            "identity", f"{SESSIONS}/DeleteSession", DeleteSessionResponse
        )
        self._change = upstreams.unary(
            "identity", f"{SESSIONS}/ChangePassword", ChangePasswordResponse
        )
        self._decode_change = decoder(ChangePasswordRequest)

    def endpoints(self) -> list[Endpoint]:
        """What the router is told."""
        strangers = {
            "/v1/sessions": self._stranger(
                f"{SESSIONS}/CreateSession", CreateSessionRequest, Session
            ),
            "/v1/sessions:refresh": self._stranger(
                f"{SESSIONS}/RefreshSession", RefreshSessionRequest, Session
            ),
            "/v1/passwordResets": self._stranger(
                f"{CREDENTIALS}/CreatePasswordReset",
                CreatePasswordResetRequest,
                CreatePasswordResetResponse,
            ),
            "/v1/passwordResets:confirm": self._stranger(
                f"{CREDENTIALS}/ConfirmPasswordReset",
                ConfirmPasswordResetRequest,
                ConfirmPasswordResetResponse,
            ),
        }
        return [
            *(Endpoint("POST", path, handler, public=True) for path, handler in strangers.items()),
            Endpoint("DELETE", "/v1/sessions/current", self.delete, restricted=True),
            Endpoint("POST", "/v1/users/me:changePassword", self.change_password, restricted=True),
        ]

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

    def _stranger(self, path: str, request: type[Message], answer: type[Message]) -> Handler:
        """What calls a method of identity in the gateway's own name for somebody not signed in."""
        rpc = self._upstreams.unary("identity", path, answer)
        decode, encode = decoder(request), encoder(answer)
        tells_client = "client" in request.DESCRIPTOR.fields_by_name

        async def handle(exchange: Exchange) -> Response:
            message = decode(await exchange.json_body())
            if tells_client:
                message.MergeFrom(request(client=_client(exchange)))
            metadata = (*await self._service_token.metadata(), *_context(exchange))
            try:
                done = await rpc(message, metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                    self._service_token.forget()
                raise
            return json_response(encode(done), _NO_STORE)

        return handle


def _client(exchange: Exchange) -> Client:
    """Where the request comes from."""
    peer = exchange.request.client
    agent = exchange.request.headers.get("user-agent", "")
    shown = "".join(one for one in agent if one.isprintable())
    return Client(
        address=peer.host if peer is not None else "",
        user_agent=shown[:USER_AGENT_CHARACTERS_MAX],
    )


def _context(exchange: Exchange) -> Metadata:
    """What tells a call of the gateway's own apart: the request."""
    return (("x-request-id", exchange.request_id), ("traceparent", exchange.traceparent))
