"""What belongs to the tenant as a whole is changed by nobody whose rights end before it does."""

import grpc
import pytest

from chassis.access.model import VERBS
from crm.chassis.v1 import custom_field_pb2
from crm.identity.v1 import tenant_pb2
from crm.sales.v1 import pipeline_pb2, product_pb2
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.drive import Drive, Person
from tests.integration.security.partners import grant, new_department, new_person, new_role

DENIED = grpc.StatusCode.PERMISSION_DENIED
FIELDS = "customer.crm.chassis.v1.CustomFieldService"


@pytest.fixture(scope="module")
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


@pytest.fixture(scope="module", params=["ALL", "PARTNER_COMPANY"])
async def chief(drive: Drive, admin: Person, request: pytest.FixtureRequest) -> Person:
    """May do everything, within his company."""
    scope = str(request.param)
    role = await new_role(admin, f"chief {scope}", [grant("*", *VERBS, scope=scope)])
    company = await new_department(admin, f"company {scope}", partner=True)
    return await new_person(drive, admin, f"chief.{scope.lower()}", [role], company)


def own_field() -> custom_field_pb2.CreateCustomFieldRequest:
    field = custom_field_pb2.CustomField(name="tier", label="Tier", kind="TEXT")
    return custom_field_pb2.CreateCustomFieldRequest(resource="customers", custom_field=field)


def zone() -> tenant_pb2.UpdateTenantRequest:
    return tenant_pb2.UpdateTenantRequest(
        tenant=tenant_pb2.Tenant(time_zone="Asia/Shanghai"), update_mask={"paths": ["time_zone"]}
    )


async def test_a_partner_reads_the_catalogue_and_changes_nothing_of_it(
    admin: Person, chief: Person
) -> None:
    product = product_pb2.Product(name="Lamp", code="L1")
    new = product_pb2.CreateProductRequest(product=product)
    refusal = await chief.refused("sales.ProductService/CreateProduct", new)
    assert (refusal.code, refusal.reason) == (DENIED, "PERMISSION_DENIED")
    new_one = pipeline_pb2.CreatePipelineRequest(pipeline=pipeline_pb2.Pipeline(name=chief.id))
    made = await admin.call("sales.PipelineService/CreatePipeline", new_one)
    assert isinstance(made, pipeline_pb2.Pipeline)
    request = pipeline_pb2.UpdatePipelineRequest(
        pipeline=pipeline_pb2.Pipeline(id=made.id, name="Mine")
    )
    refusal = await chief.refused("sales.PipelineService/UpdatePipeline", request)
    assert refusal.code is DENIED
    page = await chief.call("sales.PipelineService/ListPipelines", ListRequest())
    assert isinstance(page, pipeline_pb2.ListPipelinesResponse)
    assert made.id in {one.id for one in page.pipelines}


async def test_a_partner_configures_nothing_of_the_tenant(chief: Person) -> None:
    for method, request in (
        ("identity.TenantService/UpdateTenant", zone()),
        (f"{FIELDS}/CreateCustomField", own_field()),
    ):
        refusal = await chief.refused(method, request)
        assert (refusal.code, refusal.reason) == (DENIED, "SCOPE_ALL_REQUIRED"), method


async def test_a_narrow_scope_configures_nothing_of_the_tenant(drive: Drive, admin: Person) -> None:
    narrow = [grant(one, "READ", "CONFIGURE", scope="OWN") for one in ("customers", "tenant")]
    who = await new_person(drive, admin, "narrow", [await new_role(admin, "narrow", narrow)])
    for method, request in (
        ("identity.TenantService/UpdateTenant", zone()),
        (f"{FIELDS}/CreateCustomField", own_field()),
    ):
        assert (await who.refused(method, request)).reason == "SCOPE_ALL_REQUIRED", method
