"""Whoever bears an opaque token: a user with a session, or an API client."""

from datetime import UTC, datetime

from chassis.call import Call
from chassis.rpc.methods import Free, Methods
from crm.identity.v1 import session_pb2 as pb
from services.identity.domain.client import TOKEN_PREFIX
from services.identity.methods.client_token import ClientTokens
from services.identity.methods.session import Sessions


class Bearers:
    """The methods of SessionService that are about users and API clients alike."""

    def __init__(self, sessions: Sessions, tokens: ClientTokens) -> None:
        self._sessions = sessions
        self._tokens = tokens

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"ExchangeToken": Free(self.exchange), "IssueDeferredToken": Free(self.deferred)}

    async def exchange(self, call: Call, request: pb.ExchangeTokenRequest) -> pb.InternalToken:
        """An internal token for an opaque one; how it begins says whose it is."""
        if request.access_token.startswith(TOKEN_PREFIX):
            return await self._tokens.exchange(call, request)
        return await self._sessions.exchange(call, request)

    async def deferred(
        self, _call: Call, request: pb.IssueDeferredTokenRequest
    ) -> pb.InternalToken:
        """A token with somebody's present rights, without a session, for another service."""
        return await self.act_for(request.tenant_id, request.user_id)

    async def act_for(self, tenant_id: str, principal_id: str) -> pb.InternalToken:
        """A token with somebody's present rights; Unauthenticated when he may not work any more."""
        token = await self._tokens.act_for(tenant_id, principal_id, datetime.now(UTC))
        return token or await self._sessions.act_for(tenant_id, principal_id)
