"""What a consumer asks of the services that produce its events."""

from collections.abc import AsyncIterator

from chassis.events.change_service import SERVICE
from chassis.events.envelope import Event, from_message
from chassis.rpc.client import Clients
from crm.event.v1 import change_pb2

SNAPSHOT_TIMEOUT_S = 55.0


class Producers:
    """The other services as sources of snapshots and of missing changes."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def refill(
        self, service: str, resource: str, tenant_id: str, record_id: str, after_version: int
    ) -> list[Event]:
        """A record's events after a version, oldest first, as many as fit into one answer."""
        request = change_pb2.ListChangesRequest(
            resource=resource, tenant_id=tenant_id, id=record_id, after_version=after_version
        )
        answer = await self._clients.call(service, f"{SERVICE}/ListChanges", request)
        if not isinstance(answer, change_pb2.ListChangesResponse):
            raise TypeError(f"ListChanges answered {type(answer).__name__}")
        return [from_message(event.headers, event.data) for event in answer.events]

    async def snapshot(
        self, service: str, resource: str, after: str
    ) -> AsyncIterator[change_pb2.RecordState]:
        """A resource's rows after "tenant/id"; when the deadline ends it, go on from there."""
        request = change_pb2.StreamSnapshotRequest(resource=resource, after=after)
        states = self._clients.stream(
            service, f"{SERVICE}/StreamSnapshot", request, timeout_s=SNAPSHOT_TIMEOUT_S
        )
        async for state in states:
            if isinstance(state, change_pb2.RecordState):
                yield state
