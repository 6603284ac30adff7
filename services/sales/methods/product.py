"""Products."""

from chassis.resource.resource import Child, Resource
from crm.sales.v1.product_pb2 import Product
from services.sales.models.opportunity import opportunity
from services.sales.models.product import product

PRODUCT = Resource(
    message=Product,
    table=product,
    filterable=(
        "id", "name", "code", "series", "list_price",
        "external_source", "external_id", "create_time", "update_time",
    ),
    orderable=("name", "list_price", "create_time", "update_time"),
    children=(Child(opportunity, "product_id"),),
    unique={"uq_product_code": "code"},
)  # fmt: skip
