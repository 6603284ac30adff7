"""The operation log as its readers see it; it is never changed through any method."""

from dataclasses import dataclass, replace

from google.protobuf.message import Message

from chassis.access.model import Grant
from chassis.call import Call
from chassis.db.pool import Tx
from chassis.filter.parser import parse_filter
from chassis.resource.listing import list_records, page_values
from chassis.resource.plan import make_plan
from chassis.resource.read import get_record
from chassis.resource.resource import Resource
from chassis.resource.view import view_of
from chassis.rpc.methods import Methods, Unary
from crm.identity.v1 import log_entry_pb2 as pb
from crm.type.v1.requests_pb2 import GetRequest, ListRequest
from services.identity.methods.log_verify import LogVerifier
from services.identity.models.log import log_entry

LATEST_FIRST = "time desc"
OWN = "own history"
PLAN = make_plan(
    Resource(
        message=pb.LogEntry,
        table=log_entry,
        filterable=(
            "sequence", "time", "actor_id", "action", "service", "resource", "record_id",
            "through",
        ),
        orderable=("sequence", "time"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class LogEntries:
    """LogEntryService."""

    verifier: LogVerifier
    page_token_key: bytes

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {
            "GetLogEntry": Unary(self.get),
            "ListLogEntries": Unary(self.list),
            "ListOwnLogEntries": Unary(self.list_own),
            "GetLogEntryProof": Unary(self.prove),
            "VerifyLogEntries": Unary(self.verify),
        }

    async def get(self, call: Call, tx: Tx, request: GetRequest) -> Message:
        """One entry."""
        call.require_all(PLAN.plural, "READ")
        return await get_record(
            call, tx, PLAN, request.id, view_of(call, PLAN).names(request.fields)
        )

    async def list(self, call: Call, tx: Tx, request: ListRequest) -> Message:
        """One page of the tenant's log; entries have no owner that a narrower scope could go by."""
        call.require_all(PLAN.plural, "READ")
        return await self._page(call, tx, request)

    async def list_own(self, call: Call, tx: Tx, request: ListRequest) -> Message:
        """One page of what the caller did, whatever his roles allow."""
        # Refused unless it is whole by itself, so that the parentheses around it hold.
        parse_filter(request.filter)
        own = ListRequest()
        own.CopyFrom(request)
        own.filter = f'actor_id = "{call.principal.id}"'
        own.filter += f" AND ({request.filter})" if request.filter.strip() else ""
        grant = Grant(PLAN.plural, frozenset({"READ"}), "ALL")
        access = replace(call.access, roles={OWN: (grant,)})
        principal = replace(call.principal, role_ids=(OWN,))
        return await self._page(replace(call, access=access, principal=principal), tx, own)

    async def prove(self, call: Call, tx: Tx, request: pb.GetLogEntryProofRequest) -> Message:
        """The proof of one entry."""
        await self.get(call, tx, GetRequest(id=request.id))
        return await self.verifier.prove(call, tx, request)

    async def verify(self, call: Call, tx: Tx, request: pb.VerifyLogEntriesRequest) -> Message:
        """Whether the log is intact."""
        call.require_all(PLAN.plural, "READ")
        return await self.verifier.verify(call, tx, request)

    async def _page(self, call: Call, tx: Tx, request: ListRequest) -> Message:
        request.order_by = request.order_by or LATEST_FIRST
        page = await list_records(call, tx, PLAN, request, self.page_token_key)
        page_type: type[Message] = pb.ListLogEntriesResponse
        return page_type(**page_values(page, PLAN.plural))
