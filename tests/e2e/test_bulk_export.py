"""Bulk changes, undo and exports through the gateway and the command line."""

import csv
import io

import httpx
import pytest
from openpyxl import load_workbook

from tests.e2e.conftest import Crm, ok
from tests.live import Tenant, as_dict, eventually

Json = dict[str, object]
OPEN = "outcome = OPEN"


def ended(tenant: Tenant, response: httpx.Response) -> Json:
    """The metadata of an operation once it is done, which must be well."""
    assert response.status_code == 200, response.text
    name = as_dict(response)["name"]

    def look() -> Json:
        found = as_dict(tenant.get(f"operations/{name}"))
        return found if found["done"] else {}

    operation = eventually(look, timeout_s=30)
    assert operation["response"], operation
    metadata = operation["metadata"]
    assert isinstance(metadata, dict)
    return metadata


@pytest.fixture(scope="module")
def opportunities(tenant: Tenant) -> list[Json]:
    """Some opportunities in two stages."""
    stages = eventually(lambda: [str(one["id"]) for one in tenant.list("stages", filter=OPEN)])
    return [
        tenant.create("opportunities", name=f"商机 {at}", stage_id=stages[at % 2])
        for at in range(12)
    ]


def test_opportunities_move_and_come_back(tenant: Tenant, opportunities: list[Json]) -> None:
    first, second = opportunities[0]["stage_id"], opportunities[1]["stage_id"]
    body: Json = {"filter": f'stage_id = "{first}"', "action": {"update": {"fields": {}}}}
    refused = tenant.post("opportunities:previewBulk", body)
    assert refused.status_code == 400
    body["action"] = {"update": {"fields": {"stage_id": second, "amount": money("10.00")}}}
    preview = as_dict(tenant.post("opportunities:previewBulk", body))
    assert (preview["count"], preview["allowed_count"]) == (6, 6)
    done = ended(tenant, tenant.post("opportunities:bulk", {**body, "expected_count": 6}))
    assert done["counts"] == counts(updated=6)
    assert done["resource"] == "opportunities"
    moved = tenant.list("opportunities", filter=f'stage_id = "{second}"')
    assert len(moved) == 12
    lines = tenant.get(str(done["result_file"]).removeprefix("/v1/"))
    assert lines.headers["content-type"] == "text/csv; charset=utf-8"
    assert lines.headers["content-disposition"].startswith("attachment; filename=")
    rows = list(csv.DictReader(io.StringIO(lines.text)))
    assert {(one["outcome"], one["label"][:2]) for one in rows} == {("updated", "商机")}
    undone = ended(tenant, tenant.post(f"operations/{done['id']}:undo", {}))
    assert undone["counts"] == counts(updated=6)
    again = {one["id"]: one for one in tenant.list("opportunities")}
    for one in opportunities:
        now = again[one["id"]]
        assert (now["stage_id"], now["amount"]) == (one["stage_id"], one["amount"])
    moves = as_dict(tenant.get(f"opportunities/{opportunities[0]['id']}/stageMoves"))
    assert [one["to_stage_id"] for one in moves["stage_moves"]] == [first, second, first]  # type: ignore[attr-defined]  # a list of objects


def test_refusals_are_problems(tenant: Tenant) -> None:
    body = {"filter": "name:x", "action": {"tag": {"add": ["a"]}}}
    assert tenant.post("nothings:bulk", body).status_code == 404
    twice = {"filter": "name:x", "action": {"tag": {"add": ["a"]}, "delete": {}}}
    assert tenant.post("customers:bulk", twice).status_code == 400
    assert tenant.post("customers:bulk", {**body, "resource": "contacts"}).status_code == 400
    assert tenant.post("operations/customer-x:undo", {}).status_code == 404
    assert tenant.get("operations/customer-x/result").status_code == 404
    problem = tenant.http.post(
        "/v1/customers:export",
        json={"filter": "odd = 1"},
        headers={"accept-language": "zh"},
    )
    assert problem.status_code == 400
    assert as_dict(problem)["title"] == "请求无效"


def test_a_workbook_through_the_gateway(tenant: Tenant, opportunities: list[Json]) -> None:
    body = {"fields": "name,stage_id,owner_id", "order_by": "name", "format": "XLSX"}
    done = ended(tenant, tenant.post("opportunities:export", body))
    assert done["counts"] == counts(exported=12)
    answer = tenant.get(str(done["result_file"]).removeprefix("/v1/"))
    assert "spreadsheetml" in answer.headers["content-type"]
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    header, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert header == ["name", "stage_id", "stage_id.name", "owner_id", "owner_id.name"]
    assert [row[0] for row in rows] == sorted(str(one["name"]) for one in opportunities)
    assert {row[4] for row in rows} == {"admin"}


def test_the_command_line(signed_in: Crm, tenant: Tenant) -> None:
    for at in range(3):
        tenant.create("customers", name=f"=Odd {at}", industry="cli")
    some = ("--filter", "industry = cli")
    said = ok(signed_in("bulk", "customers", *some, "--set", "country=China", "--yes"))
    assert "3 records, you may change 3" in said
    name = said.split("\n")[1].split(":")[0]
    assert said.endswith("3 updated, 0 skipped, 0 failed\n")
    assert ok(signed_in("operations", "undo", name)).endswith("3 updated, 0 skipped, 0 failed\n")
    ok(signed_in("bulk", "customers", *some, "--tag", "vip", "--yes"))
    said = ok(signed_in("export", "customers", "--filter", 'tags:"vip"', "-o", "some.csv"))
    assert said == "3 records in some.csv\n"
    ok(signed_in("operations", "result", name, "--to", "result.csv"))
    said = ok(signed_in("bulk", "customers", *some, "--delete", "--yes"))
    assert said.endswith("3 updated, 0 skipped, 0 failed\n")
    assert tenant.list("customers", filter="industry = cli") == []


def money(amount: str) -> Json:
    """An amount in yuan."""
    return {"currency_code": "CNY", "amount": amount}


def counts(**given: int) -> Json:
    """All counts of an operation."""
    names = ("created", "updated", "skipped", "failed", "exported")
    return {**dict.fromkeys(names, 0), "collections": [], **given}
