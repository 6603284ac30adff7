"""Moving customers through their life cycle."""

from dataclasses import dataclass

from google.protobuf.message import Message

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.resource.checks import check_match, refuse_deleted, refuse_denied
from chassis.resource.read import lock_record
from chassis.resource.rows import column_values
from chassis.resource.standard import Collection
from chassis.resource.view import view_of
from chassis.resource.write import update_record
from chassis.rpc.methods import Methods, Unary
from crm.customer.v1.customer_pb2 import Customer
from crm.customer.v1.customer_transition_pb2 import ChangeLifeCycleRequest
from services.customer.domain import life_cycle as domain

# The field of the customer that the request sets, where it is called otherwise.
FIELDS = {"reason": "life_cycle_reason"}


@dataclass(frozen=True, eq=False)
class Transitions:
    """CustomerTransitionService."""

    customers: Collection

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"ChangeLifeCycle": Unary(self.change, self.customers.reread)}

    async def change(self, call: Call, tx: Tx, request: ChangeLifeCycleRequest) -> Message:
        """Move on to the life cycle given; to its own changes nothing."""
        plan = self.customers.plan
        refuse_denied(view_of(call, plan), request, FIELDS)
        before = await lock_record(call, tx, plan, request.id, "UPDATE")
        check_match(call.if_match, before["version"])
        refuse_deleted(plan, before)
        sent = Customer(life_cycle=request.life_cycle)
        wanted = str(column_values(sent, [plan.fields["life_cycle"]])["life_cycle"])
        values = domain.change(str(before["life_cycle"]), wanted, request.reason)
        return await update_record(call, tx, plan, before, dict(values), domain.EVENT)
