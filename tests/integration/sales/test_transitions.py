"""Winning, losing, moving and reopening over gRPC: events, history, repeats, refusals."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import asyncpg
import grpc
import pytest

from chassis.ids import new_id
from crm.sales.v1 import opportunity_pb2, stage_move_pb2
from crm.sales.v1 import opportunity_transition_pb2 as pb
from crm.type.v1 import requests_pb2
from crm.type.v1.money_pb2 import Money
from deploy.local.platform import Platform
from tests.integration.drive import Person
from tests.integration.sales.conftest import Shop

SERVICE = "sales.OpportunityTransitionService"
OPPORTUNITIES = "sales.OpportunityService"
State = opportunity_pb2.Opportunity.State


async def moves_of(who: Person, record_id: str) -> list[tuple[str, str]]:
    request = stage_move_pb2.ListStageMovesRequest(opportunity_id=record_id)
    answer = await who.call("sales.StageMoveService/ListStageMoves", request)
    assert isinstance(answer, stage_move_pb2.ListStageMovesResponse)
    assert all(move.user_id == who.id and move.HasField("time") for move in answer.stage_moves)
    return [(move.from_stage_id, move.to_stage_id) for move in answer.stage_moves]


async def win(who: Person, record_id: str, **values: object) -> opportunity_pb2.Opportunity:
    request = pb.WinOpportunityRequest(id=record_id, **values)  # type: ignore[arg-type]  # whatever a test gives
    answer = await who.call(f"{SERVICE}/WinOpportunity", request)
    assert isinstance(answer, opportunity_pb2.Opportunity)
    return answer


async def test_the_whole_way(shop: Shop, domain_platform: Platform) -> None:
    who, stages = shop.admin, {name: stage.id for name, stage in shop.stages.items()}
    made = await shop.opportunity(amount=Money(currency_code="USD", amount="10"))
    assert (made.stage_id, made.state) == (stages["Prospecting"], State.OPEN)
    await who.call(
        f"{SERVICE}/MoveOpportunity",
        pb.MoveOpportunityRequest(id=made.id, stage_id=stages["Engaging"]),
        if_match='"1"',
    )
    won = await win(who, made.id, amount=Money(currency_code="CNY", amount="12.345"))
    today = datetime.now(UTC).astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    assert (won.stage_id, won.state, won.etag) == (stages["Won"], State.WON, '"3"')
    assert abs(date.fromisoformat(won.close_date) - today).days == 0
    assert won.amount == Money(currency_code="CNY", amount="12.34")
    again = await who.call(f"{SERVICE}/ReopenOpportunity", pb.ReopenOpportunityRequest(id=made.id))
    assert isinstance(again, opportunity_pb2.Opportunity)
    assert (again.stage_id, again.close_date) == (stages["Prospecting"], "")
    lost = await who.call(
        f"{SERVICE}/LoseOpportunity",
        pb.LoseOpportunityRequest(id=made.id, reason="price", close_date="2026-02-28"),
    )
    assert isinstance(lost, opportunity_pb2.Opportunity)
    assert (lost.state, lost.lost_reason, lost.close_date) == (State.LOST, "price", "2026-02-28")
    path = ["", "Prospecting", "Engaging", "Won", "Prospecting", "Lost"]
    ids = [stages.get(name, "") for name in path]
    assert await moves_of(who, made.id) == list(pairwise(ids))
    assert await events_of(domain_platform, made.id) == [
        "created", "moved", "won", "reopened", "lost",
    ]  # fmt: skip


async def events_of(platform: Platform, record_id: str) -> list[str]:
    connection = await asyncpg.connect(platform.database_url("sales", "worker"))
    try:
        rows = await connection.fetch(
            "SELECT event FROM change WHERE record_id = $1 ORDER BY version", record_id
        )
    finally:
        await connection.close()
    return [row["event"] for row in rows]


async def test_a_plain_update_moves_among_open_stages(shop: Shop) -> None:
    made = await shop.opportunity()
    for name, reason in (("Won", "STAGE_NOT_OPEN"), ("Engaging", "")):
        request = opportunity_pb2.UpdateOpportunityRequest(
            opportunity=opportunity_pb2.Opportunity(id=made.id, stage_id=shop.stages[name].id)
        )
        if reason:
            refusal = await shop.admin.refused(f"{OPPORTUNITIES}/UpdateOpportunity", request)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
        else:
            await shop.admin.call(f"{OPPORTUNITIES}/UpdateOpportunity", request)
    first, second = shop.stages["Prospecting"].id, shop.stages["Engaging"].id
    assert await moves_of(shop.admin, made.id) == [("", first), (first, second)]


async def test_a_person_cannot_create_a_won_one(shop: Shop) -> None:
    request = opportunity_pb2.CreateOpportunityRequest(
        opportunity=opportunity_pb2.Opportunity(stage_id=shop.stages["Won"].id)
    )
    refusal = await shop.admin.refused(f"{OPPORTUNITIES}/CreateOpportunity", request)
    assert (refusal.reason, refusal.metadata["method"]) == ("STAGE_NOT_OPEN", ":win")


async def test_a_stale_etag_is_refused_and_names_the_current_one(shop: Shop) -> None:
    made = await shop.opportunity()
    refusal = await shop.admin.refused(
        f"{SERVICE}/WinOpportunity", pb.WinOpportunityRequest(id=made.id), if_match='"7"'
    )
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert refusal.metadata["current_etag"] == '"1"'


async def test_a_repeat_with_the_same_key_answers_the_same(shop: Shop) -> None:
    made, key = await shop.opportunity(), new_id()
    request = pb.WinOpportunityRequest(id=made.id)
    answers = [
        await shop.admin.call(f"{SERVICE}/WinOpportunity", request, key=key) for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(await moves_of(shop.admin, made.id)) == 2
    other = pb.WinOpportunityRequest(id=made.id, close_date="2026-01-01")
    refusal = await shop.admin.refused(f"{SERVICE}/WinOpportunity", other, key=key)
    assert refusal.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_illegal_transitions_are_refused(shop: Shop) -> None:
    who, made = shop.admin, await shop.opportunity()
    reopen = pb.ReopenOpportunityRequest(id=made.id)
    refusal = await who.refused(f"{SERVICE}/ReopenOpportunity", reopen)
    assert refusal.reason == "OPPORTUNITY_NOT_CLOSED"
    stray = pb.MoveOpportunityRequest(id=made.id, stage_id=new_id())
    refusal = await who.refused(f"{SERVICE}/MoveOpportunity", stray)
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "STAGE_NOT_IN_PIPELINE",
    )
    await win(who, made.id)
    for method, request in (
        ("WinOpportunity", pb.WinOpportunityRequest(id=made.id)),
        ("LoseOpportunity", pb.LoseOpportunityRequest(id=made.id, reason="price")),
        (
            "MoveOpportunity",
            pb.MoveOpportunityRequest(id=made.id, stage_id=shop.stages["Engaging"].id),
        ),
    ):
        refusal = await who.refused(f"{SERVICE}/{method}", request)
        assert refusal.reason == "OPPORTUNITY_NOT_OPEN"
        assert refusal.metadata == {"id": made.id, "state": "WON"}


async def test_a_deleted_one_stays_as_it_is(shop: Shop) -> None:
    made = await shop.opportunity()
    await shop.admin.call(
        f"{OPPORTUNITIES}/DeleteOpportunity", requests_pb2.DeleteRequest(id=made.id)
    )
    refusal = await shop.admin.refused(
        f"{SERVICE}/WinOpportunity", pb.WinOpportunityRequest(id=made.id)
    )
    assert refusal.reason == "RECORD_DELETED"


@pytest.mark.parametrize("day", ["2026-02-30", "yesterday"])
async def test_a_wrong_date_is_the_callers_mistake(shop: Shop, day: str) -> None:
    made = await shop.opportunity()
    refusal = await shop.admin.refused(
        f"{SERVICE}/WinOpportunity", pb.WinOpportunityRequest(id=made.id, close_date=day)
    )
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
