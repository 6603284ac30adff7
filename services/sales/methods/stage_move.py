"""The stage history of opportunities: kept with every change of stage."""

from dataclasses import dataclass

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.types import DateTime

from chassis.call import Call
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.ids import is_id
from chassis.resource.plan import Plan
from chassis.resource.read import get_record, not_found
from chassis.resource.view import view_of
from chassis.rpc.methods import Methods, Unary
from crm.sales.v1 import stage_move_pb2 as pb
from services.sales.models.opportunity import opportunity
from services.sales.models.stage_move import stage_move

MOVES_MAX = 1000
_ID = UUID(as_uuid=False)
_COLUMNS = (
    "tenant_id", "opportunity_id", "version", "from_stage_id", "to_stage_id", "user_id", "time",
)  # fmt: skip

# Reads the opportunity as it was written, so that a row which an import gave up leaves no move.
_KEEP = statement(
    insert(stage_move)
    .from_select(
        _COLUMNS,
        select(
            opportunity.c.tenant_id,
            opportunity.c.id,
            opportunity.c.version,
            bindparam("from_stage_id", type_=_ID),
            opportunity.c.stage_id,
            bindparam("user_id", type_=_ID),
            bindparam("time", type_=DateTime(timezone=True)),
        ).where(
            opportunity.c.tenant_id == bindparam("tenant_id"),
            opportunity.c.id == bindparam("opportunity_id"),
            opportunity.c.stage_id == bindparam("to_stage_id", type_=_ID),
        ),
    )
    .on_conflict_do_nothing()
)
_LATEST = statement(
    select(
        stage_move.c.from_stage_id,
        stage_move.c.to_stage_id,
        stage_move.c.user_id,
        stage_move.c.time,
    )
    .where(
        stage_move.c.tenant_id == bindparam("tenant_id"),
        stage_move.c.opportunity_id == bindparam("opportunity_id"),
    )
    .order_by(stage_move.c.version.desc())
    .limit(literal_column(str(MOVES_MAX)))
)


async def keep_move(
    call: Call, tx: Tx, opportunity_id: str, from_stage_id: str | None, to_stage_id: str
) -> None:
    """Keep that an opportunity, written already, came into a stage (from None when new)."""
    who = call.principal.id
    values = {
        "tenant_id": call.tenant_id,
        "opportunity_id": opportunity_id,
        "from_stage_id": from_stage_id,
        "to_stage_id": to_stage_id,
        "user_id": who if is_id(who) else None,
        "time": call.now,
    }
    await tx.execute(_KEEP, values)


@dataclass(frozen=True, eq=False)
class StageMoves:
    """StageMoveService."""

    opportunities: Plan

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"ListStageMoves": Unary(self.list)}

    async def list(
        self, call: Call, tx: Tx, request: pb.ListStageMovesRequest
    ) -> pb.ListStageMovesResponse:
        """The latest moves of an opportunity within the caller's reach, oldest first; none when
        stages are hidden from him.
        """
        record_id = request.opportunity_id
        if not is_id(record_id):
            raise not_found(self.opportunities, record_id)
        await get_record(call, tx, self.opportunities, record_id, ("id",))
        if "stage_id" not in view_of(call, self.opportunities).fields:
            return pb.ListStageMovesResponse()
        values = {"tenant_id": call.tenant_id, "opportunity_id": record_id}
        rows = await tx.fetch(_LATEST, values)
        return pb.ListStageMovesResponse(
            stage_moves=[
                pb.StageMove(
                    from_stage_id=str(row["from_stage_id"] or ""),
                    to_stage_id=str(row["to_stage_id"]),
                    user_id=str(row["user_id"] or ""),
                    time=row["time"],
                )
                for row in reversed(rows)
            ]
        )
