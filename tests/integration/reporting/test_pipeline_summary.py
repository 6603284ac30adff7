"""What GetPipelineSummary says: names, order, money, scope, filters."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

import pytest

from chassis.db.pool import Database
from chassis.errors import InvalidArgument, PermissionDenied
from chassis.events.envelope import Event
from crm.type.v1.money_pb2 import Money
from services.reporting.domain.fact import DIMENSIONS
from tests.integration.reporting.ground import (
    call,
    event,
    feed,
    money,
    summary,
    tell_names,
)

ANNA, BEN, DEPARTMENT, COMPANY = (str(uuid4()) for _ in range(4))
PIPELINE, NEW, WON, LOST, GTX = (str(uuid4()) for _ in range(5))


def stage(tenant: str, record: str, label: str, position: int) -> Event:
    return event(
        tenant, "stage", record, 1, "created",
        name=label, pipeline_id=PIPELINE, position=position,
    )  # fmt: skip


@pytest.fixture
async def filled(database: Database, tenant: str) -> str:
    """Two won, one lost, two open ones: one in another currency, one without an amount."""
    rows: list[dict[str, object]] = [
        {"stage_id": WON, "state": "WON", "owner_id": ANNA, "amount": money("1000.50"),
         "close_date": "2017-03-01", "product_id": GTX},
        {"stage_id": WON, "state": "WON", "owner_id": BEN, "amount": money("200"),
         "close_date": "2017-04-30", "partner_company_id": COMPANY},
        {"stage_id": LOST, "state": "LOST", "owner_id": ANNA, "amount": money("0"),
         "close_date": "2017-03-31", "expected_close_date": "2016-01-01"},
        {"stage_id": NEW, "state": "OPEN", "owner_id": BEN, "amount": money("7000", "JPY"),
         "expected_close_date": "2017-12-24", "department_id": DEPARTMENT},
        {"stage_id": NEW, "state": "OPEN", "owner_id": ANNA, "amount": None},
    ]  # fmt: skip
    created = {"create_time": "2017-01-01T00:00:00Z", "delete_time": None}
    events = [
        event(tenant, "opportunity", str(uuid4()), 1, "created", **{**created, **row})
        for row in rows
    ]
    gone = event(tenant, "opportunity", str(uuid4()), 2, "deleted", stage_id=WON, state="WON")
    await feed(database, tenant, *events, gone)
    await tell_names(
        database,
        tenant,
        event(tenant, "user", ANNA, 1, "created", name="Anna Müller"),
        event(tenant, "user", BEN, 1, "created", name="本"),
        event(tenant, "pipeline", PIPELINE, 1, "created", name="Sales"),
        stage(tenant, LOST, "Lost", 9),
        stage(tenant, WON, "Won", 8),
        stage(tenant, NEW, "New", 1),
    )
    return tenant


def amounts(money_list: Iterable[Money]) -> dict[str, str]:
    return {one.currency_code: one.amount for one in money_list}


async def test_stages_have_names_money_and_rates(database: Database, filled: str) -> None:
    groups = await summary(database, call(filled), "stage")
    assert list(groups) == ["New", "Won", "Lost"]
    won, new = groups["Won"], groups["New"]
    assert (won.key, won.count, won.won_count, won.lost_count) == (WON, 2, 2, 0)
    assert amounts(won.amounts) == amounts(won.won_amounts) == {"USD": "1200.50"}
    assert not won.lost_amounts
    assert won.win_rate == 1.0
    assert (new.count, amounts(new.amounts)) == (2, {"JPY": "7000"})
    assert not new.HasField("win_rate")
    assert amounts(groups["Lost"].lost_amounts) == {"USD": "0.00"}


async def test_owners_come_by_won_amount(database: Database, filled: str) -> None:
    groups = await summary(database, call(filled), "owner")
    assert [(label, one.count) for label, one in groups.items()] == [("Anna Müller", 3), ("本", 2)]
    assert groups["Anna Müller"].win_rate == 0.5


async def test_times_are_of_the_real_close_or_the_expected(database: Database, filled: str) -> None:
    months = await summary(database, call(filled), "close_month")
    quarters = await summary(database, call(filled), "close_quarter")
    assert {label: one.count for label, one in months.items()} == {
        "2017-03": 2, "2017-04": 1, "2017-12": 1, "(none)": 1,
    }  # fmt: skip
    assert list(quarters) == ["2017Q1", "2017Q2", "2017Q4", "(none)"]
    # A fiscal year that begins in April puts the same months under other names at once.
    asking = call(filled)
    april = replace(asking, access=replace(asking.access, fiscal_year_start_month=4))
    for narrowed in ("", "create_time:*"):
        fiscal = await summary(database, april, "close_quarter", narrowed)
        assert {label: one.count for label, one in fiscal.items()} == {
            "FY2017Q4": 2, "FY2018Q1": 1, "FY2018Q3": 1, "(none)": 1,
        }  # fmt: skip


async def test_unknown_names_are_ids(database: Database, filled: str) -> None:
    groups = await summary(database, call(filled), "product")
    assert set(groups) == {GTX, "(none)"}
    assert groups["(none)"].key == ""


@pytest.mark.parametrize("dimension", DIMENSIONS)
async def test_facts_and_rollup_say_the_same(
    database: Database, filled: str, dimension: str
) -> None:
    rollup = await summary(database, call(filled), dimension)
    facts = await summary(database, call(filled), dimension, "create_time:*")
    assert list(rollup) == list(facts)
    assert rollup == facts


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("state = WON", 2),
        ("state = WON AND close_date < 2017-04-01", 1),
        (f"owner_id = {ANNA}", 3),
        ("amount >= 200 AND amount.currency_code = USD", 2),
        ("NOT state = OPEN", 3),
        ("create_time > 2018-01-01", 0),
    ],
)
async def test_filters_narrow(database: Database, filled: str, expression: str, count: int) -> None:
    groups = await summary(database, call(filled), "stage", expression)
    assert sum(one.count for one in groups.values()) == count


async def test_scope_narrows(database: Database, filled: str) -> None:
    own = await summary(database, call(filled, "OWN", BEN), "stage")
    assert {label: one.count for label, one in own.items()} == {"New": 1, "Won": 1}
    partner = await summary(database, call(filled, "PARTNER_COMPANY", company_id=COMPANY), "stage")
    assert {label: one.count for label, one in partner.items()} == {"Won": 1}


async def test_wrong_filters_and_missing_grants_are_refused(
    database: Database, filled: str
) -> None:
    with pytest.raises(InvalidArgument):
        await summary(database, call(filled), "stage", "nonsense = 1")
    nobody = call(filled)
    nobody.access.roles.clear()  # type: ignore[attr-defined]  # a dict, made for this call
    with pytest.raises(PermissionDenied):
        await summary(database, nobody, "stage")


async def test_deleted_records_keep_their_names(database: Database, filled: str) -> None:
    deleted = event(
        filled, "user", ANNA, 2, "deleted", name="Anna Müller", delete_time="2017-06-01T00:00:00Z"
    )
    await tell_names(database, filled, deleted)
    assert "Anna Müller" in await summary(database, call(filled), "owner")


async def test_a_hidden_amount_is_in_no_sum_and_no_order(database: Database, filled: str) -> None:
    hidden = [("opportunities", "amount")]
    groups = await summary(database, call(filled, hidden=hidden), "owner")
    assert list(groups) == ["Anna Müller", "本"], "by name"
    for group in groups.values():
        assert not [*group.amounts, *group.won_amounts, *group.lost_amounts]
    assert [one.won_count for one in groups.values()] == [1, 1]
    with pytest.raises(InvalidArgument):
        await summary(database, call(filled, hidden=hidden), "owner", "amount > 5")


async def test_what_is_hidden_is_neither_grouped_by_nor_named(
    database: Database, filled: str
) -> None:
    for dimension, field in (("stage", "stage_id"), ("close_month", "close_date")):
        with pytest.raises(InvalidArgument):
            await summary(database, call(filled, hidden=[("opportunities", field)]), dimension)
    groups = await summary(database, call(filled, hidden=[("users", "name")]), "owner")
    assert set(groups) == {ANNA, BEN}
    groups = await summary(database, call(filled, hidden=[("opportunities", "state")]), "owner")
    assert all(one.won_count == one.lost_count == 0 for one in groups.values())
    assert not any(one.HasField("win_rate") or one.won_amounts for one in groups.values())
