"""Cells to ids: the records that a batch names, asked for at their owners, a call per column."""

from collections.abc import Mapping, Sequence

import grpc

from chassis.db.pool import Database
from chassis.errors import PermissionDenied
from chassis.imports.draft import Draft, matched_values
from chassis.imports.mapping import ImportMapping, Target
from chassis.lookup import MATCHES_MAX, find_labels, find_records
from chassis.operations.deputy import Deputy
from chassis.resource.plan import Plan
from chassis.resource.resource import Reference
from chassis.rpc.client import Clients
from chassis.rpc.identity import LOOKUPS
from crm.chassis.v1 import import_pb2 as pb

DENIED = grpc.StatusCode.PERMISSION_DENIED
VALUES_MAX = 500
CACHE_MAX = 50_000

Key = tuple[str, str]


class Lookup:
    """Finds records by exact values of one field, in this service or another."""

    def __init__(
        self, service: str, plans: Mapping[str, Plan], database: Database, clients: Clients
    ) -> None:
        self._service = service
        self._plans = plans
        self._database = database
        self._clients = clients

    async def find(
        self, deputy: Deputy, target: Target, source: str, values: Sequence[str]
    ) -> list[tuple[str, str]]:
        """(value, id) pairs; a full answer may hide some, so it is asked for again in halves."""
        pairs = await self._ask(deputy, target, source, values)
        if len(pairs) < MATCHES_MAX or len(values) < 2:
            return pairs
        half = len(values) // 2
        first = await self.find(deputy, target, source, values[:half])
        return first + await self.find(deputy, target, source, values[half:])

    async def labels(
        self, deputy: Deputy, reference: Reference, ids: Sequence[str]
    ) -> Mapping[str, str]:
        """Names by id of records that a reference points to, of those that the user may read."""
        try:
            if reference.service in {"", self._service}:
                plan = self._plans[reference.resource]
                async with self._database.transaction(deputy.call.tenant_id) as tx:
                    return await find_labels(deputy.call, tx, plan, ids)
            request = pb.GetLabelsRequest(resource=reference.resource, ids=ids)
            answer = await self._clients.call(
                reference.service, f"{LOOKUPS}/GetLabels", request, token=deputy.token
            )
        except (PermissionDenied, grpc.aio.AioRpcError) as error:
            if isinstance(error, grpc.aio.AioRpcError) and error.code() is not DENIED:
                raise
            return {}
        assert isinstance(answer, pb.GetLabelsResponse)
        return answer.labels

    async def _ask(
        self, deputy: Deputy, target: Target, source: str, values: Sequence[str]
    ) -> list[tuple[str, str]]:
        reference = target.reference
        assert reference is not None
        if reference.service in {"", self._service}:
            plan = self._plans[reference.resource]
            async with self._database.transaction(deputy.call.tenant_id) as tx:
                return await find_records(deputy.call, tx, plan, target.match, values, source)
        request = pb.LookupRecordsRequest(
            resource=reference.resource,
            field=target.match,
            values=values,
            external_source=source if target.match == "external_id" else "",
        )
        answer = await self._clients.call(
            reference.service, f"{LOOKUPS}/LookupRecords", request, token=deputy.token
        )
        assert isinstance(answer, pb.LookupRecordsResponse)
        return [(match.value, match.id) for match in answer.matches]


class Matches:
    """What one import has found so far; what is not there yet is asked for again."""

    def __init__(self, lookup: Lookup, mapping: ImportMapping) -> None:
        self._lookup = lookup
        self._mapping = mapping
        self._known: dict[Key, list[str]] = {}

    async def find(self, deputy: Deputy, drafts: Sequence[Draft]) -> Mapping[Key, Sequence[str]]:
        """Ids by field path and cell for everything that the drafts name."""
        if len(self._known) > CACHE_MAX:
            self._known.clear()
        for target in self._mapping.matched:
            named = {value for draft in drafts for value in matched_values(target, draft)}
            new = sorted(value for value in named if (target.path, value) not in self._known)
            for first in range(0, len(new), VALUES_MAX):
                await self._ask(deputy, target, new[first : first + VALUES_MAX])
        return self._known

    async def _ask(self, deputy: Deputy, target: Target, values: Sequence[str]) -> None:
        source = self._mapping.spec.external_source
        for value, record_id in await self._lookup.find(deputy, target, source, values):
            self._known.setdefault((target.path, value), []).append(record_id)
