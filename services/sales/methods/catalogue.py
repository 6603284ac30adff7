"""What opportunities refer to, read once per transaction: stages, products, customers."""

from sqlalchemy import and_, bindparam, select

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.errors import PermissionDenied
from chassis.resource.references import labels
from services.sales.domain.opportunity import Stage
from services.sales.models.pipeline import pipeline
from services.sales.models.product import product
from services.sales.models.stage import stage

STAGES_MAX = 5000

_STAGES = statement(
    select(
        stage.c.id, stage.c.pipeline_id, stage.c.position, stage.c.outcome, pipeline.c.is_default
    )
    .join(
        pipeline,
        and_(pipeline.c.tenant_id == stage.c.tenant_id, pipeline.c.id == stage.c.pipeline_id),
    )
    .where(
        stage.c.tenant_id == bindparam("tenant_id"),
        stage.c.delete_time.is_(None),
        pipeline.c.delete_time.is_(None),
    )
    .limit(bindparam("limit"))
)
_PRODUCT = statement(
    select(product.c.name).where(
        product.c.tenant_id == bindparam("tenant_id"),
        product.c.id == bindparam("id"),
        product.c.delete_time.is_(None),
    )
)


class Catalogue:
    """Look-ups of one transaction; an import of many rows asks for each thing once."""

    def __init__(self, call: Call, tx: Tx) -> None:
        self._call = call
        self._tx = tx
        self._stages: list[Stage] | None = None
        self._products: dict[str, str] = {}
        self._customers: dict[str, str] = {}

    def serves(self, tx: Tx) -> bool:
        """Whether it belongs to this transaction."""
        return self._tx is tx

    async def stages(self) -> list[Stage]:
        """All living stages of living pipelines."""
        if self._stages is None:
            values = {"tenant_id": self._call.tenant_id, "limit": STAGES_MAX}
            self._stages = [
                Stage(
                    str(row["id"]),
                    str(row["pipeline_id"]),
                    row["position"],
                    row["outcome"],
                    row["is_default"],
                )
                for row in await self._tx.fetch(_STAGES, values)
            ]
        return self._stages

    async def product(self, product_id: str) -> str:
        """Name of a living product, "" for who may not read it; InvalidArgument when there is
        none.
        """
        if product_id not in self._products:
            values = {"tenant_id": self._call.tenant_id, "id": product_id}
            row = await self._tx.fetch_row(_PRODUCT, values)
            if row is None:
                raise invalid_fields([("product_id", "There is no such record.")])
            self._products[product_id] = row["name"] if self._tells("products") else ""
        return self._products[product_id]

    async def customer(self, customer_id: str) -> str:
        """Name of a customer that the caller may read, as far as the replica knows it, else ""."""
        if customer_id not in self._customers:
            told = self._tells("customers")
            found = await labels(self._call, self._tx, "customers", [customer_id]) if told else {}
            self._customers[customer_id] = found.get(customer_id, "")
        return self._customers[customer_id]

    def _tells(self, collection: str) -> bool:
        """Whether the caller may read names of the collection."""
        try:
            self._call.reach(collection, "READ")
        except PermissionDenied:
            return False
        return "name" not in self._call.field_access(collection).hidden
