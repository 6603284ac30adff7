"""Reports follow the services: what sales lists and what reporting says are the same, soon."""

import asyncio
import random
import time
from datetime import UTC, datetime

import grpc
import pytest

from crm.identity.v1 import role_pb2
from crm.marketing.v1 import campaign_pb2
from crm.reporting.v1 import report_pb2 as pb
from crm.sales.v1 import opportunity_pb2, opportunity_transition_pb2
from crm.type.v1 import requests_pb2
from services.reporting.domain.fact import DIMENSIONS
from tests.integration.drive import Drive, Person
from tests.integration.reporting.recomputed import recomputed, reported
from tests.integration.sales.conftest import Shop, stages_of

OPPORTUNITIES = "sales.OpportunityService"
TRANSITIONS = "sales.OpportunityTransitionService"
OPPORTUNITIES_MADE = 60
CURRENT_WITHIN_S = 2.0
GIVE_UP_AFTER_S = 20.0


async def ask(who: Person, group_by: str, expression: str = "") -> pb.PipelineSummary:
    request = pb.GetPipelineSummaryRequest(group_by=group_by, filter=expression)
    answer = await who.call("reporting.ReportService/GetPipelineSummary", request)
    assert isinstance(answer, pb.PipelineSummary)
    return answer


async def current(who: Person) -> float:
    """Wait until all that has happened is counted; seconds that took."""
    now = datetime.now(UTC)
    start = time.monotonic()
    while time.monotonic() - start < GIVE_UP_AFTER_S:
        answer = await ask(who, "stage")
        if answer.HasField("current_as_of") and answer.current_as_of.ToDatetime(UTC) >= now:
            return time.monotonic() - start
        await asyncio.sleep(0.05)
    raise AssertionError("the report does not become current")


@pytest.fixture(scope="package")
async def store(drive: Drive) -> Shop:
    """A tenant of its own, with a seller and opportunities in every state."""
    admin = await drive.tenant()
    shop = Shop(admin, await stages_of(admin))
    await current(admin)
    grants = [
        role_pb2.Grant(resource="opportunities", verbs=["READ", "CREATE", "UPDATE"], scope="OWN")
    ]
    seller = await drive.user(admin, "sam", grants)
    customers = [(await shop.customer(f"客户 {number}")).id for number in range(4)]
    products = ["", *[(await shop.product(name)).id for name in ("GTX Pro", "MG Special")]]
    campaign = await admin.call(
        "marketing.CampaignService/CreateCampaign",
        campaign_pb2.CreateCampaignRequest(campaign=campaign_pb2.Campaign(name="Spring")),
    )
    assert isinstance(campaign, campaign_pb2.Campaign)
    chance = random.Random(7)
    made = [
        await shop.opportunity(
            owner_id=chance.choice([admin.id, seller.id]),
            customer_id=chance.choice(customers),
            product_id=chance.choice(products),
            campaign_id=chance.choice(["", campaign.id]),
            expected_close_date=chance.choice(["", "2017-01-31", "2017-04-01"]),
            amount=chance.choice(
                [
                    None,
                    {"currency_code": "USD", "amount": "1054.50"},
                    {"currency_code": "CNY", "amount": "7"},
                ]
            ),
        )
        for _ in range(OPPORTUNITIES_MADE)
    ]
    for at, one in enumerate(made):
        await _change(admin, one, at % 6)
    return shop


async def _change(admin: Person, one: opportunity_pb2.Opportunity, what: int) -> None:
    transition = opportunity_transition_pb2
    if what in {0, 1}:
        await admin.call(
            f"{TRANSITIONS}/WinOpportunity", transition.WinOpportunityRequest(id=one.id)
        )
    elif what == 2:
        request = transition.LoseOpportunityRequest(id=one.id, reason="price")
        await admin.call(f"{TRANSITIONS}/LoseOpportunity", request)
    elif what == 3:
        delete = requests_pb2.DeleteRequest(id=one.id)
        await admin.call(f"{OPPORTUNITIES}/DeleteOpportunity", delete)
    elif what == 4:
        delete = requests_pb2.DeleteRequest(id=one.id)
        await admin.call(f"{OPPORTUNITIES}/DeleteOpportunity", delete)
        undelete = requests_pb2.UndeleteRequest(id=one.id)
        await admin.call(f"{OPPORTUNITIES}/UndeleteOpportunity", undelete)


@pytest.mark.parametrize("dimension", DIMENSIONS)
async def test_summary_equals_recomputation_from_sales(store: Shop, dimension: str) -> None:
    assert await current(store.admin) < CURRENT_WITHIN_S
    wanted = await recomputed(store.admin, dimension)
    assert wanted
    assert reported(await ask(store.admin, dimension)) == wanted


async def test_filtered_summary_equals_filtered_list(store: Shop) -> None:
    await current(store.admin)
    expression = "state = WON AND amount.currency_code = USD"
    wanted = await recomputed(store.admin, "product", expression)
    assert wanted
    assert reported(await ask(store.admin, "product", expression)) == wanted


async def test_seller_sees_his_own_only(drive: Drive, store: Shop) -> None:
    await current(store.admin)
    seller = await drive.sign_in(store.admin.slug, "sam")
    (group,) = (await ask(seller, "owner")).groups
    listed = await recomputed(seller, "close_month")
    assert (group.key, group.label) == (seller.id, seller.id), "his role reads no users"
    assert group.count == sum(one.counts["all"] for one in listed.values())


async def test_stages_come_in_the_order_of_the_pipeline(store: Shop) -> None:
    await current(store.admin)
    answer = await ask(store.admin, "stage")
    positions = {stage.id: stage.position for stage in store.stages.values()}
    placed = [positions[group.key] for group in answer.groups]
    assert placed == sorted(placed)


async def test_wrong_questions_are_refused(store: Shop) -> None:
    method = "reporting.ReportService/GetPipelineSummary"
    request = pb.GetPipelineSummaryRequest(group_by="colour")
    refusal = await store.admin.refused(method, request)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    request = pb.GetPipelineSummaryRequest(group_by="stage", filter="nonsense = 1")
    refusal = await store.admin.refused(method, request)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
