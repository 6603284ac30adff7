"""What every service needs of identity, asked over gRPC."""

from collections.abc import Sequence

import orjson

from chassis.access.model import AccessRecord, Reach
from chassis.rpc.client import SESSIONS, Clients
from crm.chassis.v1 import import_pb2
from crm.identity.v1 import session_pb2

LOOKUPS = "crm.chassis.v1.LookupService"


class RemoteIdentity:
    """Identity as the other services reach it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def fetch_keys(self) -> str:
        """JSON Web Key Set of internal tokens."""
        return await self._clients.fetch_keys()

    async def fetch_access(self, tenant_id: str) -> Sequence[AccessRecord]:
        """Everything that decides access in one tenant."""
        answer = await self._clients.call(
            "identity",
            f"{SESSIONS}/GetAccess",
            session_pb2.GetAccessRequest(tenant_id=tenant_id),
        )
        assert isinstance(answer, session_pb2.GetAccessResponse)
        return [
            AccessRecord(one.kind, one.id, one.version, orjson.loads(one.data))
            for one in answer.records
        ]

    async def deferred_token(self, tenant_id: str, user_id: str) -> str:
        """A token with a user's present rights, for work that he has started."""
        answer = await self._clients.call(
            "identity",
            f"{SESSIONS}/IssueDeferredToken",
            session_pb2.IssueDeferredTokenRequest(tenant_id=tenant_id, user_id=user_id),
        )
        assert isinstance(answer, session_pb2.InternalToken)
        return answer.token


class Owners:
    """Asks the owners of records whether references to them hold."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def __call__(
        self, service: str, resource: str, tenant_id: str, ids: Sequence[str], reach: Reach
    ) -> set[str]:
        """The ids that exist at the owner, live and are within reach."""
        within = import_pb2.Reach(
            everything=reach.everything or reach.company_all,
            owner_ids=reach.owner_ids,
            department_ids=reach.department_ids,
            company_id=reach.company_id,
            grantee_ids=reach.grantee_ids,
        )
        request = import_pb2.CheckRecordsRequest(
            tenant_id=tenant_id, resource=resource, ids=list(ids), reach=within
        )
        answer = await self._clients.call(service, f"{LOOKUPS}/CheckRecords", request)
        assert isinstance(answer, import_pb2.CheckRecordsResponse)
        return set(answer.ids)
