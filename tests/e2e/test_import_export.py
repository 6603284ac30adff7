"""The public CRM export goes through the gateway as it is; the report then knows its totals."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from cli.dataset import STEPS, require_stages, run_step
from cli.records import items
from tests.live import DATA, Tenant, as_dict, eventually

WON = "10005534"
IMPORT_MAX_S = 60.0
CURRENT_WITHIN_S = 2.0


@dataclass(frozen=True)
class Imported:
    """Counts by step, seconds of the opportunities, seconds until the report had them all."""

    counts: Mapping[str, Mapping[str, int]]
    opportunities_s: float
    current_s: float


@pytest.fixture(scope="module")
def imported(
    tenant: Tenant, tmp_path_factory: pytest.TempPathFactory, figures: list[str]
) -> Imported:
    """The whole data set, once."""
    with tenant.client(tmp_path_factory.mktemp("session") / "session.json") as client:
        require_stages(client)
        outcomes = {step.title: run_step(client, DATA, step) for step in STEPS}
    began = time.monotonic()
    eventually(lambda: total(tenant) == 8800, timeout_s=30)
    current_s = time.monotonic() - began
    seconds = outcomes["opportunities"].seconds
    figures.append(
        f"8,800 opportunities in {seconds:.1f} s, report current {current_s:.2f} s later"
    )
    return Imported({name: one.counts for name, one in outcomes.items()}, seconds, current_s)


def groups(tenant: Tenant, group_by: str) -> dict[str, Mapping[str, object]]:
    """The pipeline summary by label."""
    response = tenant.get("reports/pipelineSummary", group_by=group_by)
    assert response.status_code == 200, response.text
    return {str(one["label"]): one for one in items({"groups": as_dict(response)["groups"]})}


def total(tenant: Tenant) -> int:
    """Opportunities that the report knows."""
    return sum(int(str(one["count"])) for one in groups(tenant, "stage").values())


def dollars(amounts: object) -> Decimal:
    """The one amount of a group, which must be in US dollars."""
    assert isinstance(amounts, list)
    if not amounts:
        return Decimal(0)
    (amount,) = amounts
    assert amount["currency_code"] == "USD"
    return Decimal(amount["amount"])


@pytest.mark.timeout(300)
def test_every_row_arrives(imported: Imported) -> None:
    created = {name: counts["created"] for name, counts in imported.counts.items()}
    assert created == {
        "departments": 3, "managers": 6, "sales agents": 35, "customers": 85,
        "products": 7, "opportunities": 8800,
    }  # fmt: skip
    assert all(counts["failed"] == 0 for counts in imported.counts.values())
    assert imported.counts["opportunities"] == {
        "created": 8800, "updated": 0, "skipped": 0, "failed": 0,
    }  # fmt: skip


def test_import_is_fast_and_the_report_current(imported: Imported) -> None:
    assert imported.opportunities_s < IMPORT_MAX_S
    assert imported.current_s < CURRENT_WITHIN_S


def test_opportunities_by_stage(tenant: Tenant, imported: Imported) -> None:
    found = {label: one["count"] for label, one in groups(tenant, "stage").items()}
    assert found == {"Won": 4238, "Lost": 2473, "Engaging": 1589, "Prospecting": 500}


def test_won_value_and_win_rate(tenant: Tenant, imported: Imported) -> None:
    found = groups(tenant, "stage").values()
    won = sum(int(str(one["won_count"])) for one in found)
    lost = sum(int(str(one["lost_count"])) for one in found)
    assert sum(dollars(one["won_amounts"]) for one in found) == Decimal(WON)
    assert f"{won / (won + lost):.2%}" == "63.15%"


def test_won_value_by_quarter(tenant: Tenant, imported: Imported) -> None:
    found = groups(tenant, "close_quarter")
    won = {label: dollars(one["won_amounts"]) for label, one in found.items()}
    assert {label: value for label, value in won.items() if value} == {
        "2017Q1": Decimal(1134672), "2017Q2": Decimal(3086111),
        "2017Q3": Decimal(2982255), "2017Q4": Decimal(2802496),
    }  # fmt: skip


def test_won_value_by_month_adds_up(tenant: Tenant, imported: Imported) -> None:
    found = groups(tenant, "close_month")
    assert sum(dollars(one["won_amounts"]) for one in found.values()) == Decimal(WON)
    assert {f"2017-{month:02}" for month in range(3, 13)} <= set(found)


def test_top_agents(tenant: Tenant, imported: Imported) -> None:
    won = {label: dollars(one["won_amounts"]) for label, one in groups(tenant, "owner").items()}
    assert sorted(won.items(), key=lambda one: one[1], reverse=True)[:3] == [
        ("Darcel Schlecht", Decimal(1153214)),
        ("Vicki Laflamme", Decimal(478396)),
        ("Kary Hendrixson", Decimal(454298)),
    ]


def test_opportunities_by_product(tenant: Tenant, imported: Imported) -> None:
    found = {label: one["count"] for label, one in groups(tenant, "product").items()}
    assert found == {
        "GTX Basic": 1866, "MG Special": 1651, "GTX Pro": 1480, "MG Advanced": 1412,
        "GTX Plus Basic": 1383, "GTX Plus Pro": 968, "GTK 500": 40,
    }  # fmt: skip


def test_opportunities_without_account(tenant: Tenant, imported: Imported) -> None:
    response = tenant.get("reports/pipelineSummary", group_by="customer")
    found = items({"groups": as_dict(response)["groups"]})
    assert sum(int(str(one["count"])) for one in found) == 8800
    assert [one["count"] for one in found if not one["key"]] == [1425]


def test_dirt_is_cleaned(tenant: Tenant, imported: Imported) -> None:
    customers = {str(one["external_id"]): one for one in tenant.list("customers", page_size=1000)}
    assert not [one for one in customers.values() if one["industry"] == "technolgy"]
    assert customers["Codehow"]["parent_id"] == customers["Acme Corporation"]["id"]
    revenue = {"currency_code": "USD", "amount": "1100040000.00"}
    assert customers["Acme Corporation"]["annual_revenue"] == revenue


@pytest.mark.timeout(300)
def test_importing_again_changes_nothing(
    tenant: Tenant, imported: Imported, tmp_path: Path
) -> None:
    before = {one["id"]: one["etag"] for one in tenant.list("opportunities", page_size=1000)}
    with tenant.client(tmp_path / "session.json") as client:
        again = [run_step(client, DATA, step).counts for step in STEPS]
    assert [(counts["created"], counts["updated"], counts["failed"]) for counts in again] == [
        (0, 0, 0)
    ] * len(STEPS)
    after = {one["id"]: one["etag"] for one in tenant.list("opportunities", page_size=1000)}
    assert after == before
    assert total(tenant) == 8800
