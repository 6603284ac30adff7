"""Opportunities: what they are made with, and how a plain change or an import may move them."""

from datetime import date

from google.protobuf.message import Message

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.resource.resource import Reference, Resource, Row
from crm.sales.v1.opportunity_pb2 import Opportunity
from services.sales.domain import opportunity as domain
from services.sales.methods.catalogue import Catalogue
from services.sales.methods.stage_move import keep_move
from services.sales.models.opportunity import opportunity

IMPORT = "import"
DECIDED = frozenset({"stage_id", "pipeline_id", "close_date", "lost_reason", "lost_reason_id"})


class OpportunityRules:
    """The hooks of opportunities."""

    def __init__(self) -> None:
        # Transactions that take turns cost each other a look-up; the answer is always their own.
        self._latest: Catalogue | None = None

    async def prepare_create(self, call: Call, tx: Tx, row: Row, message: Message) -> None:
        """Find the stage, let the state follow, make a name; only an import creates closed ones."""
        catalogue = self._catalogue(call, tx)
        stages = await catalogue.stages()
        stage = domain.entry(stages, _text(row["pipeline_id"]), _text(row["stage_id"]))
        if call.through == IMPORT:
            assert isinstance(message, Opportunity)
            if stage.outcome != domain.LOST and not message.lost_reason_id:
                row["lost_reason_id"] = None  # a default of the list is for losses
            row |= domain.restore(stage, _date(row["close_date"]), loss_of(row))
        else:
            row |= {**domain.enter(stage), "lost_reason_id": None}
        made = await _made_name(catalogue, row)
        row["name"] = row["name"] or made
        tx.after(keep_move, call, str(row["id"]), None, stage.id)

    async def prepare_update(
        self, call: Call, tx: Tx, before: Row, row: Row, _message: Message
    ) -> None:
        """A person moves among open stages of the pipeline; an import sets any stage."""
        catalogue = self._catalogue(call, tx)
        if DECIDED & set(row):
            await self._change_stage(call, tx, before, row)
        if row.get("product_id") or ("name" in row and not row["name"]):
            made = await _made_name(catalogue, before | row)
            if "name" in row:
                row["name"] = row["name"] or made

    async def _change_stage(self, call: Call, tx: Tx, before: Row, row: Row) -> None:
        after = before | row
        current = state_of(before)
        stage_id, pipeline_id = _text(after["stage_id"]), _text(after["pipeline_id"])
        if not stage_id or not pipeline_id:
            raise invalid_fields([("stage_id", "An opportunity is always in a stage.")])
        if (stage_id, pipeline_id) == (current.stage_id, current.pipeline_id):
            stage = domain.Stage(stage_id, pipeline_id, 0, current.state)
        elif "pipeline_id" not in row and call.through == IMPORT:
            stage = domain.entry(await self._catalogue(call, tx).stages(), "", stage_id)
        else:
            stages = await self._catalogue(call, tx).stages()
            stage = domain.stage_in(pipeline_id, stages, stage_id)
        if call.through == IMPORT:
            row |= _restored(stage, after, row)
        elif stage.id != current.stage_id:
            row |= domain.move(current, [stage], stage.id).values
        if stage.id != current.stage_id:
            tx.after(keep_move, call, current.id, current.stage_id, stage.id)

    def _catalogue(self, call: Call, tx: Tx) -> Catalogue:
        if self._latest is None or not self._latest.serves(tx):
            self._latest = Catalogue(call, tx)
        return self._latest


def state_of(row: Row) -> domain.Opportunity:
    """What of a row decides about transitions."""
    return domain.Opportunity(
        id=str(row["id"]),
        pipeline_id=str(row["pipeline_id"]),
        stage_id=str(row["stage_id"]),
        state=str(row["state"]),
        close_date=_date(row["close_date"]),
        lost_reason=loss_of(row).reason,
        lost_reason_id=loss_of(row).reason_id,
    )


def loss_of(row: Row) -> domain.Loss:
    """Why an opportunity was lost."""
    return domain.Loss(_text(row["lost_reason"]) or None, _text(row["lost_reason_id"]) or None)


def opportunity_resource() -> Resource:
    """The declaration of opportunities."""
    rules = OpportunityRules()
    return Resource(
        message=Opportunity,
        table=opportunity,
        filterable=(
            "name",
            "customer_id",
            "product_id",
            "pipeline_id",
            "stage_id",
            "amount",
            "campaign_id",
            "expected_close_date",
            "state",
            "engage_date",
            "close_date",
            "lost_reason_id",
        ),
        orderable=("name", "amount", "expected_close_date", "close_date"),
        searchable=("name",),
        references=(
            Reference("customer_id", "customers", "customer"),
            Reference("campaign_id", "campaigns", "marketing"),
            Reference("owner_id", "users", "identity"),
            Reference("product_id", "products"),
            Reference("pipeline_id", "pipelines"),
            Reference("stage_id", "stages"),
        ),
        choices=("lost_reason_id",),
        importable=("close_date", "lost_reason", "lost_reason_id"),
        prepare_create=rules.prepare_create,
        prepare_update=rules.prepare_update,
    )


def _restored(stage: domain.Stage, after: Row, row: Row) -> Row:
    """What an import sets: closing facts that no longer fit go, unless it brings them itself."""
    close_date, loss = _date(after["close_date"]), loss_of(after)
    if stage.outcome == domain.OPEN and "close_date" not in row:
        close_date = None
    if stage.outcome != domain.LOST:
        brought = {"lost_reason": None, "lost_reason_id": None} | row
        loss = loss_of(brought)
    return dict(domain.restore(stage, close_date, loss))


async def _made_name(catalogue: Catalogue, row: Row) -> str:
    """The name made of customer and product; InvalidArgument for a product that does not live."""
    product_id, customer_id = _text(row["product_id"]), _text(row["customer_id"])
    product = await catalogue.product(product_id) if product_id else ""
    customer = await catalogue.customer(customer_id) if customer_id and not row["name"] else ""
    return domain.name_of(customer, product)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _date(value: object) -> date | None:
    return value if isinstance(value, date) else None
