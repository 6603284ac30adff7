"""Who is here: the sessions seen are told to identity in one small call a minute."""

import asyncio

import grpc
import structlog

from chassis.errors import Unavailable
from crm.identity.v1.presence_pb2 import TouchSessionsRequest, TouchSessionsResponse
from services.gateway.exchange import Caller
from services.gateway.tokens import ServiceToken
from services.gateway.upstream import Upstreams

EVERY_S = 60.0
# More are seen in a minute only when something is wrong; they count as online a minute later.
SESSIONS_MAX = 10_000
TENANTS_MAX = 1000

log = structlog.get_logger()


class Presence:
    """Remembers the sessions that requests came with until they are told."""

    def __init__(
        self, upstreams: Upstreams, service_token: ServiceToken, every_s: float = EVERY_S
    ) -> None:
        path = "/crm.identity.v1.PresenceService/TouchSessions"
        self._touch = upstreams.unary("identity", path, TouchSessionsResponse)
        self._service_token = service_token
        self._every_s = every_s
        self._seen: dict[str, str] = {}

    def seen(self, caller: Caller) -> None:
        """A request came with this session."""
        if caller.session_id and len(self._seen) < SESSIONS_MAX:
            self._seen[caller.session_id] = caller.tenant_id

    async def run(self) -> None:
        """Tell until cancelled; what cannot be told is left, for it is soon seen again."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.tell()
            except (grpc.aio.AioRpcError, Unavailable) as error:
                log.info("presence was not told", cause=type(error).__name__)

    async def tell(self) -> None:
        """Tell what was seen since the last time, if anything was."""
        seen, self._seen = self._seen, {}
        by_tenant: dict[str, list[str]] = {}
        for session_id, tenant_id in seen.items():
            by_tenant.setdefault(tenant_id, []).append(session_id)
        tenants = sorted(by_tenant)[:TENANTS_MAX]
        if tenants:
            request = TouchSessionsRequest(
                seen=[
                    TouchSessionsRequest.Seen(tenant_id=one, session_ids=by_tenant[one])
                    for one in tenants
                ]
            )
            await self._touch(request, await self._service_token.metadata())
