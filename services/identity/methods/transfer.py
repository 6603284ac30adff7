"""TransferService: moves what a leaver owns, by a bulk change in each collection with owners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from google.longrunning.operations_pb2 import Operation as OperationMessage
from google.protobuf.message import Message

from chassis.bulk.action import update_request
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.errors import FailedPrecondition
from chassis.operations.start import Starter
from chassis.operations.task import OperationStopped, Task, Waiting
from chassis.resource.read import lock_record
from chassis.resource.standard import Collection
from chassis.resource.write import update_record
from chassis.rpc.client import Clients
from chassis.rpc.identity import LOOKUPS
from chassis.rpc.methods import Free, Methods
from crm.chassis.v1 import bulk_pb2, import_pb2, operation_pb2
from crm.identity.v1 import transfer_pb2 as pb
from services.identity.domain.leaver import head_of

TRANSFER = "transfer"
LOOK_EVERY_S = 0.5
OPERATIONS = "crm.chassis.v1.OperationService"
BULKS = "crm.chassis.v1.BulkService"


@dataclass(frozen=True)
class Transfers:
    """TransferService and its work; `services` are those that may own records."""

    users: Collection
    starter: Starter
    clients: Clients
    services: Sequence[str]

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"CreateTransfer": Free(self.create)}

    async def create(self, call: Call, request: pb.CreateTransferRequest) -> OperationMessage:
        """Check the rights and who gets the records, then have the worker begin."""
        heir = _heir(call, request)
        owned = await self._owned(request.resources)
        for _, resource in owned:
            call.reach(resource, "ASSIGN")
        async with self.starter.database.transaction(call.tenant_id) as tx:
            await lock_record(call, tx, self.users.plan, request.id, "CONFIGURE")
            if request.disable:
                await self._disable(call, tx, request.id)
            tx.discard_if(only_validated=True)
        asked = {
            "resource": self.users.plan.plural,
            "user_id": request.id,
            "owner_id": heir,
            "disable": request.disable,
            "collections": owned,
        }
        return await self.starter.start(call, self.starter.operation(call, TRANSFER, asked))

    async def work(self, task: Task) -> None:
        """Disable the user, start a bulk change in every collection, then look from time to time
        whether all have ended; each step may be repeated.
        """
        run = _Run(task, self.clients)
        if not run.started:
            if task.operation.request["disable"]:
                deputy = await task.deputy()
                async with task.batch() as tx:
                    await self._disable(deputy.call, tx, str(task.operation.request["user_id"]))
            await run.start()
        try:
            all_ended = await run.look()
        except OperationStopped:
            await run.cancel()
            raise
        if not all_ended:
            raise Waiting(LOOK_EVERY_S)
        run.require_success()

    async def _owned(self, wanted: Sequence[str]) -> list[tuple[str, str]]:
        """(service, collection) of everything that has owners, or of what is wanted of it."""
        found: list[tuple[str, str]] = []
        for service in self.services:
            answer = await self.clients.call(
                service, f"{LOOKUPS}/ListOwnedCollections", import_pb2.ListOwnedCollectionsRequest()
            )
            assert isinstance(answer, import_pb2.ListOwnedCollectionsResponse)
            found += [(service, name) for name in answer.resources]
        unknown = set(wanted) - {name for _, name in found}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise invalid_fields([("resources", f"These have no owners: {names}.")])
        return [one for one in found if not wanted or one[1] in wanted]

    async def _disable(self, call: Call, tx: Tx, user_id: str) -> None:
        """Disable the user by the rules of an update."""
        plan = self.users.plan
        before = await lock_record(call, tx, plan, user_id, "UPDATE")
        request = update_request(plan, {"state": "DISABLED"})
        row = await self.users.changed(call, tx, before, request)
        await update_record(call, tx, plan, before, row, "updated")


class _Run:
    """The bulk changes of one transfer; their operations are found again by their keys."""

    def __init__(self, task: Task, clients: Clients) -> None:
        self._task = task
        self._clients = clients
        collections = task.operation.request["collections"]
        assert isinstance(collections, list)
        # By collection: the service, then the operation there.
        self._services: dict[str, str] = {resource: service for service, resource in collections}
        known = task.progress.collections
        self._operations = {str(one["resource"]): str(one["operation_id"]) for one in known}
        self._ended: dict[str, OperationMessage] = {}

    @property
    def started(self) -> bool:
        """Whether all of them are known to have begun."""
        return self._operations.keys() == self._services.keys()

    async def start(self) -> None:
        """Start them all, or find those that were started before."""
        one = self._task.operation
        action = bulk_pb2.BulkAction()
        action.assign.owner_id = str(one.request["owner_id"])
        for resource, service in self._services.items():
            request = bulk_pb2.CreateBulkRequest(
                resource=resource, filter=f'owner_id = "{one.request["user_id"]}"', action=action
            )
            headers = {"idempotency-key": f"{one.id} {resource}", "x-cause-id": one.id}
            answer = await self._call(service, f"{BULKS}/CreateBulk", request, headers)
            self._operations[resource] = answer.name

    async def look(self) -> bool:
        """Note how far they are; whether all have ended."""
        results: list[Mapping[str, str | int]] = []
        total = 0
        for resource, name in self._operations.items():
            request = operation_pb2.GetOperationRequest(id=name)
            service = self._services[resource]
            answer = await self._call(service, f"{OPERATIONS}/GetOperation", request)
            metadata = operation_pb2.OperationMetadata()
            answer.metadata.Unpack(metadata)
            counts = metadata.counts
            results.append(
                {
                    "resource": resource,
                    "operation_id": name,
                    "updated": counts.updated,
                    "skipped": counts.skipped,
                    "failed": counts.failed,
                }
            )
            total += metadata.total
            if answer.done:
                self._ended[resource] = answer
        await self._save(results, total)
        return len(self._ended) == len(self._operations)

    async def cancel(self) -> None:
        """Ask all to stop."""
        for resource, name in self._operations.items():
            request = operation_pb2.CancelOperationRequest(id=name)
            service = self._services[resource]
            await self._call(service, f"{OPERATIONS}/CancelOperation", request)

    def require_success(self) -> None:
        """FailedPrecondition naming a collection whose records were not all tried."""
        for resource, answer in self._ended.items():
            if answer.HasField("error"):
                why = answer.error.message
                raise FailedPrecondition(
                    "TRANSFER_INCOMPLETE",
                    f"Not all {resource} were moved: {why}",
                    metadata={"resource": resource, "why": why},
                )

    async def _save(self, results: Sequence[Mapping[str, str | int]], total: int) -> None:
        progress = replace(
            self._task.progress,
            collections=results,
            total=total,
            updated=sum(int(one["updated"]) for one in results),
            skipped=sum(int(one["skipped"]) for one in results),
            failed=sum(int(one["failed"]) for one in results),
        )
        async with self._task.batch() as tx:
            progress = await self._task.save(tx, progress)
        self._task.committed(progress)

    async def _call(
        self, service: str, method: str, request: Message, headers: Mapping[str, str] | None = None
    ) -> OperationMessage:
        """A call as the user who asked for the transfer, with his present rights."""
        token = (await self._task.deputy()).token
        answer = await self._clients.call(service, method, request, token=token, metadata=headers)
        assert isinstance(answer, OperationMessage)
        return answer


def _heir(call: Call, request: pb.CreateTransferRequest) -> str:
    """The user who gets the records; for a partner user only his own company has people."""
    company, access = call.principal.partner_company_id, call.access
    active = {
        one: member
        for one, member in access.members.items()
        if member.active
        and not member.owner_id
        and (not company or access.company_of(one) == company)
    }
    if request.WhichOneof("to") == "to_department_id":
        department_id = request.to_department_id.lower()
        people = {
            one: member.manager_id
            for one, member in active.items()
            if member.department_id == department_id and one != request.id.lower()
        }
        return head_of(department_id, people)
    heir = request.to_user_id.lower()
    if heir not in active or heir == request.id.lower():
        raise invalid_fields([("to_user_id", "Name another active user, or a department.")])
    return heir
