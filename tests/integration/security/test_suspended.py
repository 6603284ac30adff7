"""A suspended tenant over gRPC: internal tokens that are still good open nothing in any service."""

import asyncio
import time

import grpc
import pytest
from google.protobuf.message import Message

from crm.identity.v1 import session_pb2
from crm.identity.v1 import tenant_pb2 as pb
from crm.reporting.v1.report_pb2 import GetPipelineSummaryRequest
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.drive import SESSIONS, Drive, Person

TENANTS = "crm.identity.v1.TenantService"
WITHIN_S = 5.0
CALLS: tuple[tuple[str, Message], ...] = (
    ("identity.UserService/ListUsers", ListRequest()),
    ("customer.CustomerService/ListCustomers", ListRequest()),
    ("sales.OpportunityService/ListOpportunities", ListRequest()),
    ("marketing.CampaignService/ListCampaigns", ListRequest()),
    ("reporting.ReportService/GetPipelineSummary", GetPipelineSummaryRequest(group_by="owner")),
)


async def until(who: Person, reason: str) -> None:
    """Every service answers him so within the time that is promised."""
    began = time.monotonic()
    while (found := {await who.reason(*one) for one in CALLS}) != {reason}:
        assert time.monotonic() - began < WITHIN_S, found
        await asyncio.sleep(0.05)


async def test_every_service_refuses_the_people_of_a_suspended_tenant(drive: Drive) -> None:
    admin, other = await drive.tenant(), await drive.tenant()
    for one in (admin, other):
        await until(one, "")
    suspend = pb.SuspendTenantRequest(slug=admin.slug)
    answer = await drive.clients.call("identity", f"{TENANTS}/SuspendTenant", suspend)
    assert isinstance(answer, pb.Tenant)
    assert answer.state == pb.Tenant.SUSPENDED
    again = await drive.clients.call("identity", f"{TENANTS}/SuspendTenant", suspend)
    assert again == answer
    await until(admin, "TENANT_SUSPENDED")
    await until(other, "")
    deferred = session_pb2.IssueDeferredTokenRequest(tenant_id=admin.tenant_id, user_id=admin.id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await drive.clients.call("identity", f"{SESSIONS}/IssueDeferredToken", deferred)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    resume = pb.ResumeTenantRequest(slug=admin.slug)
    await drive.clients.call("identity", f"{TENANTS}/ResumeTenant", resume)
    await until(admin, "")


async def test_nobody_of_a_tenant_suspends_or_resumes_one(drive: Drive) -> None:
    admin = await drive.tenant()
    for method, request in (
        ("SuspendTenant", pb.SuspendTenantRequest(slug=admin.slug)),
        ("ResumeTenant", pb.ResumeTenantRequest(slug=admin.slug)),
    ):
        refusal = await admin.refused(f"identity.TenantService/{method}", request)
        assert refusal.reason == "METHOD_NOT_OPEN"
