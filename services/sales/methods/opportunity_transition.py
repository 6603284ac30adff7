"""Winning, losing, moving and reopening opportunities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from google.protobuf.message import Message

from chassis.call import Call
from chassis.custom_fields.record import check_lists
from chassis.db.pool import Tx
from chassis.resource.checks import check_match, refuse_deleted, refuse_denied
from chassis.resource.plan import Plan
from chassis.resource.read import lock_record
from chassis.resource.rows import date_of, money_values
from chassis.resource.standard import Collection
from chassis.resource.view import view_of
from chassis.resource.write import update_record
from chassis.rpc.methods import Methods, Unary
from crm.sales.v1 import opportunity_transition_pb2 as pb
from services.sales.domain import opportunity as domain
from services.sales.methods.catalogue import Catalogue
from services.sales.methods.opportunity import state_of
from services.sales.methods.stage_move import keep_move

Request = (
    pb.WinOpportunityRequest
    | pb.LoseOpportunityRequest
    | pb.MoveOpportunityRequest
    | pb.ReopenOpportunityRequest
)
# The fields of the opportunity that a request sets, where they are called otherwise.
FIELDS = {"reason": "lost_reason"}
Decision = Callable[[domain.Opportunity, Sequence[domain.Stage]], domain.Transition]


@dataclass(frozen=True, eq=False)
class Transitions:
    """OpportunityTransitionService."""

    opportunities: Collection

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        reread = self.opportunities.reread
        return {
            "WinOpportunity": Unary(self.win, reread),
            "LoseOpportunity": Unary(self.lose, reread),
            "MoveOpportunity": Unary(self.move, reread),
            "ReopenOpportunity": Unary(self.reopen, reread),
        }

    async def win(self, call: Call, tx: Tx, request: pb.WinOpportunityRequest) -> Message:
        """Close as won today or on the day given, for the amount given or the expected one."""
        day = date_of("close_date", request.close_date) or today(call)
        amount = _amount(self.opportunities.plan, request)
        return await self._run(
            call, tx, request, lambda one, stages: domain.win(one, stages, day, amount)
        )

    async def lose(self, call: Call, tx: Tx, request: pb.LoseOpportunityRequest) -> Message:
        """Close as lost today or on the day given."""
        day = date_of("close_date", request.close_date) or today(call)
        loss = domain.Loss(request.reason, request.lost_reason_id)
        return await self._run(
            call, tx, request, lambda one, stages: domain.lose(one, stages, day, loss)
        )

    async def move(self, call: Call, tx: Tx, request: pb.MoveOpportunityRequest) -> Message:
        """Put into another open stage of its pipeline; into its own stage changes nothing."""
        return await self._run(
            call, tx, request, lambda one, stages: domain.move(one, stages, request.stage_id)
        )

    async def reopen(self, call: Call, tx: Tx, request: pb.ReopenOpportunityRequest) -> Message:
        """Make open again, in the stage given or the first one."""
        return await self._run(
            call, tx, request, lambda one, stages: domain.reopen(one, stages, request.stage_id)
        )

    async def _run(self, call: Call, tx: Tx, request: Request, decide: Decision) -> Message:
        plan = self.opportunities.plan
        refuse_denied(view_of(call, plan), request, FIELDS)
        before = dict(await lock_record(call, tx, plan, request.id, "UPDATE"))
        check_match(call.if_match, int(before["version"]))
        refuse_deleted(plan, before)
        current = state_of(before)
        transition = decide(current, await Catalogue(call, tx).stages())
        values = dict(transition.values)
        check_lists(call, plan, values, before)
        answer = await update_record(call, tx, plan, before, values, transition.event)
        if values["stage_id"] != current.stage_id:
            await keep_move(call, tx, current.id, current.stage_id, str(values["stage_id"]))
        return answer


def today(call: Call) -> date:
    """The civil date of the call where the tenant is."""
    return call.now.astimezone(ZoneInfo(call.access.time_zone)).date()


def _amount(plan: Plan, request: pb.WinOpportunityRequest) -> tuple[Decimal, str] | None:
    if not request.HasField("amount"):
        return None
    values = money_values(plan.fields["amount"], request.amount)
    return Decimal(str(values["amount"])), str(values["amount_currency"])
