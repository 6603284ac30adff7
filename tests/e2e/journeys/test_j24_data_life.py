"""J24, all but backups: archives of customers and suppliers are complete, go through their life
cycle, come in by a file and go out again, and are never lost by a deletion.
"""

import csv
import io
from collections.abc import Mapping

import pytest

from tests.e2e.journeys.test_j25_own_fields import ended, exported, imported
from tests.integration.custom_fields.own import good, own_field, own_values, refused
from tests.live import Tenant, as_dict, eventually

PANELS = {
    "our_policy": "我方政策", "their_policy": "对方政策", "evaluation": "客户评价",
    "competitors": "竞争对手",
}  # fmt: skip
POLICIES = {
    "our_policy": "年返利 3%，账期 60 天\n超额部分另议", "their_policy": "每月 25 日付款",
    "evaluation": "信誉良好，产能 2000 吨", "competitors": "宏远化工、博雅材料",
}  # fmt: skip
STATES = {"潜在": "POTENTIAL", "跟进": "FOLLOWING", "现有": "EXISTING", "淘汰": "ELIMINATED"}
TRUTHS = {"是": "true", "否": "false"}
CSV = """编号,客户编号,名称,阶段,供应商,ERP编码,我方政策,客户评价
1,C000901,江苏恒通化工有限公司,现有,否,E-1001,账期 30 天,"重点客户，
按时付款"
2,,上海宏远材料有限公司,跟进,是,E-1002,,=潜力大
3,KH-2019-07,山东博雅贸易有限公司,淘汰,否,E-1003,停止供货,
4,,没有ERP编码的公司,潜在,否,,,
5,C000001,编号已被占用的公司,潜在,否,E-1005,,
6,,阶段写错的公司,流失,否,E-1006,,
7,,ERP编码重复的公司,潜在,否,E-1001,,
8,,,潜在,否,E-1008,,
1,C000901,江苏恒通化工有限公司,现有,否,E-1001,账期 30 天,"重点客户，
按时付款"
"""
COLUMNS: Mapping[str, str] = {
    "编号": "external_id", "客户编号": "number", "名称": "name", "阶段": "life_cycle",
    "供应商": "is_supplier", "ERP编码": "custom_fields.erp_code",
    "我方政策": "custom_fields.our_policy", "客户评价": "custom_fields.evaluation",
}  # fmt: skip
MEANINGS = {"阶段": STATES, "供应商": TRUTHS}
SPEC = {
    "resource": "customers",
    "external_source": "old",
    "columns": [
        {"column": column, "field": field, "values": MEANINGS.get(column, {})}
        for column, field in COLUMNS.items()
    ],
}


@pytest.fixture(scope="module", autouse=True)
def fields(tenant: Tenant) -> None:
    """What this company wants to know of its customers: the ERP code is a must."""
    own_field(tenant, "erp_code", "TEXT", label="ERP编码", required=True, unique_values=True)
    for at, (name, label) in enumerate(PANELS.items()):
        own_field(tenant, name, "TEXT", label=label, position=at + 1)


@pytest.fixture(scope="module")
def archives(tenant: Tenant) -> tuple[str, str]:
    """The paths of a customer and of a supplier."""
    buyer = {"name": "浙江瑞丰化纤有限公司", "custom_fields": {"erp_code": "E-1", **POLICIES}}
    seller = {"name": "成源包装厂", "is_supplier": True, "custom_fields": {"erp_code": "E-2"}}
    made = [good(tenant.post("customers", one)) for one in (buyer, seller)]
    assert [one["number"] for one in made] == ["C000001", "C000002"]
    return f"customers/{made[0]['id']}", f"customers/{made[1]['id']}"


def test_an_archive_without_owner_or_erp_code_is_refused(
    tenant: Tenant, archives: tuple[str, str]
) -> None:
    for bare in ({"name": "无编码客户"}, {"name": "无编码供应商", "is_supplier": True}):
        refused(tenant.post("customers", bare), 400, "custom_fields.erp_code")
    again = {"name": "重复编码", "custom_fields": {"erp_code": "E-1"}}
    refused(tenant.post("customers", again), 409, "custom_fields.erp_code")
    for blank in (None, "", " "):
        sent = {"name": "无负责人", "owner_id": blank, "custom_fields": {"erp_code": "E-0"}}
        tried = tenant.http.post("/v1/customers?validate_only=true", json=sent)
        if blank:
            refused(tried, 400, "owner_id")
        else:  # nobody is no owner: it is whoever saves it
            assert good(tried)["owner_id"] == good(tenant.get("users/me"))["id"]
    for path in archives:
        refused(tenant.patch(path, {"custom_fields": {"erp_code": None}}), 400)
        refused(tenant.patch(path, {"owner_id": None}), 400, "owner_id")
        refused(tenant.patch(path, {"owner_id": ""}), 400, "owner_id")
        assert good(tenant.get(path))["owner_id"]
    nobody = {"filter": "number:*", "action": {"update": {"fields": {"owner_id": None}}}}
    started = good(tenant.post("customers:bulk", nobody))
    done = eventually(lambda: ended(tenant, str(started["name"])))
    counts = done["metadata"]["counts"]  # type: ignore[index]  # an object of JSON
    assert (counts["updated"], counts["failed"]) == (0, 2)


def test_numbers_are_automatic_and_found(tenant: Tenant, archives: tuple[str, str]) -> None:
    sent = {"name": "x", "number": "C000009", "custom_fields": {"erp_code": "E-9"}}
    refused(tenant.post("customers", sent), 400, "number")
    refused(tenant.patch(archives[0], {"number": "C000009"}), 400, "number")
    tried = {"name": "试", "custom_fields": {"erp_code": "E-9"}}
    only = tenant.http.post("/v1/customers?validate_only=true", json=tried)
    assert good(only)["number"] == ""
    for condition in ('number = "C000002"', "C000002", "c000002", 'number:"00002"'):
        found = tenant.list("customers", filter=condition)
        assert [one["name"] for one in found] == ["成源包装厂"], condition
    listed = tenant.list("customers", order_by="number desc")
    assert [one["number"] for one in listed] == ["C000002", "C000001"]
    assert [one["name"] for one in tenant.list("customers", filter="is_supplier = true")] == [
        "成源包装厂"
    ]
    rows = [{"customer": {**tried, "custom_fields": {"erp_code": f"B-{at}"}}} for at in range(60)]
    made = good(tenant.post("customers:batchCreate", {"requests": rows}))["customers"]
    assert [one["number"] for one in made] == [f"C{at:06d}" for at in range(3, 63)]  # type: ignore[attr-defined]  # a list of objects
    ids = [one["id"] for one in made]  # type: ignore[attr-defined]  # as above
    good(tenant.post("customers:batchDelete", {"ids": ids}))


def test_panels_are_kept(tenant: Tenant, archives: tuple[str, str]) -> None:
    path = archives[0]
    assert own_values(good(tenant.get(path))) == {"erp_code": "E-1", **POLICIES}
    good(tenant.patch(path, {"custom_fields": {"evaluation": "评级上调"}}))
    changed = {"erp_code": "E-1", **POLICIES, "evaluation": "评级上调"}
    assert own_values(good(tenant.get(path))) == changed
    labels = {one["name"]: one["label"] for one in described(tenant)}
    assert {labels[f"custom_fields.{name}"] for name in PANELS} == set(PANELS.values())


def described(tenant: Tenant) -> list[dict[str, object]]:
    """The fields of customers."""
    fields = good(tenant.get("customers:describe"))["fields"]
    assert isinstance(fields, list)
    return fields


def test_the_life_cycle_goes_from_potential_to_eliminated(
    tenant: Tenant, archives: tuple[str, str]
) -> None:
    path = archives[0]
    assert good(tenant.get(path))["life_cycle"] == "POTENTIAL"
    refused(tenant.patch(path, {"life_cycle": "EXISTING"}), 400, "life_cycle")
    early = tenant.http.post(
        f"/v1/{path}:changeLifeCycle",
        json={"life_cycle": "EXISTING"},
        headers={"accept-language": "zh"},
    )
    problem = refused(early, 400)
    assert problem["reason"] == "LIFE_CYCLE_NOT_REACHABLE"
    assert str(problem["detail"]).startswith("客户生命周期不能从 POTENTIAL 变为 EXISTING")
    way = [
        ("FOLLOWING", "展会上谈过"), ("EXISTING", "首单成交"), ("POTENTIAL", "一年未下单"),
        ("FOLLOWING", ""), ("EXISTING", "合作"), ("ELIMINATED", "拖欠货款"),
    ]  # fmt: skip
    for at, (state, reason) in enumerate(way):
        body = {"life_cycle": state, "reason": reason}
        moved = good(tenant.post(f"{path}:changeLifeCycle", body, idempotency_key=f"j24-{at}"))
        assert (moved["life_cycle"], moved["life_cycle_reason"]) == (state, reason)
    there = {"life_cycle": "ELIMINATED", "reason": "再次"}
    same = good(tenant.post(f"{path}:changeLifeCycle", there))
    assert same == good(tenant.get(path))
    assert same["life_cycle_reason"] == "拖欠货款"
    refused(tenant.post(f"{path}:changeLifeCycle", {}), 400, "life_cycle")
    stale = tenant.post(f"{path}:changeLifeCycle", {"life_cycle": "POTENTIAL"}, if_match='"1"')
    assert stale.status_code == 412
    found = tenant.list("customers", filter="life_cycle = ELIMINATED")
    assert [f"customers/{one['id']}" for one in found] == [path]
    entries = good(tenant.get(f"{path}/history"))["entries"]
    assert isinstance(entries, list)
    told = [
        {change["field"]: change["to"] for change in one["changes"] if change.get("to")}
        for one in entries
        if one["event"] == "life_cycle_changed"
    ]
    assert [one["life_cycle"] for one in reversed(told)] == [state for state, _ in way]
    assert told[0]["life_cycle_reason"] == "拖欠货款"


@pytest.fixture(scope="module")
def brought(tenant: Tenant, archives: tuple[str, str]) -> dict[str, int]:
    """The counts of the file's import."""
    assert archives
    return run_import(tenant, SPEC)


def test_a_file_with_good_bad_and_repeated_rows(tenant: Tenant, archives: tuple[str, str]) -> None:
    assert archives
    rehearsed = run_import(tenant, {**SPEC, "validate_only": True})
    assert rehearsed == {"created": 3, "updated": 0, "skipped": 1, "failed": 5}
    assert tenant.list("customers", filter="external_id:*") == []


def test_good_rows_exist_with_their_numbers(tenant: Tenant, brought: dict[str, int]) -> None:
    assert brought == {"created": 3, "updated": 0, "skipped": 1, "failed": 5}
    made = {one["external_id"]: one for one in tenant.list("customers", filter="external_id:*")}
    assert [made[at]["number"] for at in ("1", "3")] == ["C000901", "KH-2019-07"]
    assert [made[at]["life_cycle"] for at in ("1", "2", "3")] == [
        "EXISTING", "FOLLOWING", "ELIMINATED",
    ]  # fmt: skip
    fresh = tenant.create("customers", name="导入之后", custom_fields={"erp_code": "E-3"})
    automatic = {str(fresh["number"]), str(made["2"]["number"])}
    assert len(automatic - {"C000901", "C000001", "C000002"}) == 2
    again = run_import(tenant, SPEC)
    assert again == {"created": 0, "updated": 0, "skipped": 4, "failed": 5}


def run_import(tenant: Tenant, spec: Mapping[str, object]) -> dict[str, int]:
    """Import the file to its end; its counts. Bad rows are told with their reason,
    repeated ones with the row that they repeat.
    """
    started = good(imported(tenant, spec, CSV))
    done = eventually(lambda: ended(tenant, str(started["name"])), timeout_s=30)
    counts = done["metadata"]["counts"]  # type: ignore[index]  # an object of JSON
    lines = tenant.get(f"operations/{started['name']}/errors").text
    told = {(row["row"], row["column"]) for row in csv.DictReader(io.StringIO(lines))}
    assert told == {
        ("5", "ERP编码"), ("6", "客户编号"), ("7", "阶段"), ("8", "ERP编码"), ("9", "名称"),
        ("10", ""),
    }, lines  # fmt: skip
    assert '"10","","Note: it has the external id of row 2."' in lines.splitlines()
    return {name: counts[name] for name in ("created", "updated", "skipped", "failed")}


def test_an_export_returns_the_same_fields(tenant: Tenant, brought: dict[str, int]) -> None:
    assert brought
    asked = {"filter": 'external_source = "old"', "order_by": "number", "format": "CSV"}
    file = eventually(lambda: ended(tenant, exported(tenant, asked)), timeout_s=30)
    path = str(file["metadata"]["result_file"]).removeprefix("/v1/")  # type: ignore[index]  # an object of JSON
    rows = {row["external_id"]: row for row in csv.DictReader(io.StringIO(tenant.get(path).text))}
    sent = {row["编号"]: row for row in csv.DictReader(io.StringIO(CSV))}
    assert set(rows) == {"1", "2", "3"}
    for key, row in rows.items():
        for column, field in COLUMNS.items():
            meant = MEANINGS.get(column, {}).get(sent[key][column], sent[key][column])
            guarded = meant if not meant.startswith("=") else f"'{meant}"
            assert row[field] == (guarded or row["number"] * (field == "number")), (key, field)


def test_a_customer_with_opportunities_is_read_only_in_the_bin(
    tenant: Tenant, brought: dict[str, int]
) -> None:
    assert brought
    (kept,) = tenant.list("customers", filter='external_id = "1"')
    path = f"customers/{kept['id']}"
    person = tenant.create("contacts", name="王伟", customer_id=kept["id"])
    held = as_dict(tenant.delete(path))
    assert (held["status"], held["reason"]) == (400, "RECORD_HAS_CHILDREN")
    assert tenant.delete(f"contacts/{person['id']}").status_code == 200
    eventually(lambda: tenant.count("stages") == 4)
    deal = tenant.create("opportunities", name="年度供货", customer_id=kept["id"])
    deleted = good(tenant.delete(path))
    assert (deleted["number"], deleted["life_cycle"]) == ("C000901", "EXISTING")
    changes: list[tuple[str, object]] = [
        (path, {"name": "改名"}), (path, {"custom_fields": {"evaluation": "x"}}),
    ]  # fmt: skip
    for where, body in changes:
        assert refused(tenant.patch(where, body), 400)["reason"] == "RECORD_DELETED"
    moved = tenant.post(f"{path}:changeLifeCycle", {"life_cycle": "ELIMINATED"})
    assert refused(moved, 400)["reason"] == "RECORD_DELETED"
    eventually(lambda: tenant.post(
        "opportunities", {"name": "新商机", "customer_id": kept["id"]}
    ).status_code == 400)  # fmt: skip
    assert good(tenant.get(f"opportunities/{deal['id']}"))["customer_id"] == kept["id"]
    assert good(tenant.get(path))["name"] == "江苏恒通化工有限公司"
    purged = refused(tenant.post(f"{path}:purge", {}), 400)
    assert (purged["reason"], "opportunities" in str(purged["detail"])) == ("RECORD_REFERRED", True)
    back = good(tenant.post(f"{path}:undelete", {}))
    assert (back["number"], own_values(back)["erp_code"]) == ("C000901", "E-1001")


def test_one_without_links_comes_back_from_the_bin(tenant: Tenant, brought: dict[str, int]) -> None:
    assert brought
    (lonely,) = tenant.list("customers", filter='external_id = "3"')
    path = f"customers/{lonely['id']}"
    good(tenant.delete(path))
    assert tenant.list("customers", filter='external_id = "3"') == []
    condition = {"filter": 'number = "KH-2019-07"', "show_deleted": "true"}
    (binned,) = tenant.list("customers", **condition)
    assert (binned["id"], bool(binned["delete_time"])) == (lonely["id"], True)
    restored = good(tenant.post(f"{path}:undelete", {}))
    same = {name for name in lonely if lonely[name] == restored[name]}
    assert set(lonely) - same == {"etag", "update_time"}
