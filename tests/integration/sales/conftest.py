"""A tenant that sells: its administrator, pipeline and stages."""

import asyncio
import time
from dataclasses import dataclass

import pytest

from crm.customer.v1 import customer_pb2
from crm.sales.v1 import opportunity_pb2, product_pb2, stage_pb2
from crm.type.v1 import requests_pb2
from tests.integration.drive import Drive, Person

READY_WITHIN_S = 20.0


@dataclass(frozen=True)
class Shop:
    """A tenant with the pipeline that it was given."""

    admin: Person
    stages: dict[str, stage_pb2.Stage]

    async def opportunity(
        self, who: Person | None = None, **values: object
    ) -> opportunity_pb2.Opportunity:
        """A new opportunity."""
        request = opportunity_pb2.CreateOpportunityRequest(
            opportunity=opportunity_pb2.Opportunity(**values)  # type: ignore[arg-type]  # whatever a test gives
        )
        made = await (who or self.admin).call("sales.OpportunityService/CreateOpportunity", request)
        assert isinstance(made, opportunity_pb2.Opportunity)
        return made

    async def product(self, name: str) -> product_pb2.Product:
        """A new product."""
        request = product_pb2.CreateProductRequest(product=product_pb2.Product(name=name))
        made = await self.admin.call("sales.ProductService/CreateProduct", request)
        assert isinstance(made, product_pb2.Product)
        return made

    async def customer(self, name: str) -> customer_pb2.Customer:
        """A new customer."""
        request = customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name=name))
        made = await self.admin.call("customer.CustomerService/CreateCustomer", request)
        assert isinstance(made, customer_pb2.Customer)
        return made


@pytest.fixture(scope="package")
async def shop(drive: Drive) -> Shop:
    """A tenant east of UTC, so that its days are not those of the servers."""
    admin = await drive.tenant("Pacific/Kiritimati")
    return Shop(admin, await stages_of(admin))


async def stages_of(admin: Person) -> dict[str, stage_pb2.Stage]:
    """The stages of the pipeline that a new tenant is given, as soon as they are there."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        page = await admin.call("sales.StageService/ListStages", requests_pb2.ListRequest())
        assert isinstance(page, stage_pb2.ListStagesResponse)
        if len(page.stages) == 4:
            return {stage.name: stage for stage in page.stages}
        await asyncio.sleep(0.1)
    raise AssertionError("the new tenant got no pipeline")
