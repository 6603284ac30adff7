"""Products."""

from chassis.resource.resource import Child, Resource
from crm.sales.v1.product_pb2 import Product
from services.sales.models.opportunity import opportunity
from services.sales.models.product import product

PRODUCT = Resource(
    message=Product,
    table=product,
    filterable=("name", "code", "series", "list_price"),
    orderable=("name", "list_price"),
    searchable=("name", "code", "series"),
    children=(Child(opportunity, "product_id"),),
    unique={"uq_product_code": "code"},
)
