"""Which live events a caller may know of: those of records that his grants let him read."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from chassis.access.model import Access, AccessRecord, build_access, scopes_allow
from crm.identity.v1.session_pb2 import GetAccessRequest, GetAccessResponse
from services.gateway.contracts import Resource
from services.gateway.exchange import Caller
from services.gateway.ring import LiveEvent
from services.gateway.tokens import SESSIONS, SILENCE_MAX_S, ServiceToken
from services.gateway.upstream import Upstreams

TENANTS_MAX = 1000
READ = "READ"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A caller with what his internal token says of his rights."""

    tenant_id: str
    user_id: str
    role_ids: tuple[str, ...]
    company_id: str
    scopes: tuple[str, ...]


def viewer_of(caller: Caller) -> Viewer:
    """The viewer behind a caller, whose token comes from identity and is not verified again."""
    payload = caller.token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return Viewer(
        tenant_id=caller.tenant_id,
        user_id=caller.principal_id,
        role_ids=tuple(claims.get("roles", ())),
        company_id=claims.get("company", ""),
        scopes=tuple(claims.get("scope", "").split()),
    )


@dataclass(frozen=True, slots=True)
class _Known:
    access: Access
    asked_at: float


class Visibility:
    """The access of tenants that have live streams, asked at identity and dropped on a change."""

    def __init__(
        self,
        upstreams: Upstreams,
        service_token: ServiceToken,
        silent_for_s: Callable[[], float],
    ) -> None:
        self._ask = upstreams.unary("identity", f"{SESSIONS}/GetAccess", GetAccessResponse)
        self._service_token = service_token
        self._silent_for_s = silent_for_s
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[Access]] = {}
        self._drops = 0

    async def covers(self, viewer: Viewer, resource: Resource, event: LiveEvent) -> bool:
        """Whether the viewer may read the record of the event."""
        if not scopes_allow(viewer.scopes, resource.plural, READ):
            return False
        access = await self._access(viewer.tenant_id)
        who = (viewer.user_id, viewer.role_ids, viewer.company_id)
        reach = access.reach(*who, resource.plural, READ)
        if reach is None or resource.everybody:
            return reach is not None
        company = event.company_id
        if company is None:
            company = access.company_at(event.department_id)
        return reach.covers(event.owner_id, event.department_id, company, event.grantee_ids)

    def drop_tenant(self, tenant_id: str) -> None:
        """Ask again for a tenant."""
        self._drops += 1
        self._known.pop(tenant_id, None)

    def drop_all(self) -> None:
        """Ask again for every tenant."""
        self._drops += 1
        self._known.clear()

    async def _access(self, tenant_id: str) -> Access:
        known = self._known.get(tenant_id)
        if known is not None:
            age_s = time.monotonic() - known.asked_at
            if age_s < SILENCE_MAX_S or self._silent_for_s() < SILENCE_MAX_S:
                return known.access
        task = self._asking.get(tenant_id)
        if task is None:
            task = asyncio.create_task(self._fetch(tenant_id))
            self._asking[tenant_id] = task
            task.add_done_callback(lambda _: self._asking.pop(tenant_id, None))
        return await asyncio.shield(task)

    async def _fetch(self, tenant_id: str) -> Access:
        drops, asked_at = self._drops, time.monotonic()
        metadata = await self._service_token.metadata()
        request = GetAccessRequest(tenant_id=tenant_id)
        answer = await self._ask(request, metadata, repeatable=True)
        records = [
            AccessRecord(record.kind, record.id, record.version, orjson.loads(record.data))
            for record in answer.records
        ]
        access = build_access(records, answer.access_version)
        if drops == self._drops:
            if len(self._known) >= TENANTS_MAX:
                self._known.clear()
            self._known[tenant_id] = _Known(access, asked_at)
        return access
