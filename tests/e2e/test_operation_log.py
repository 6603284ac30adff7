"""The operation log through the gateway and the command line."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import httpx

from deploy.local.platform import Platform
from tests import live
from tests.e2e.conftest import Crm, ok
from tests.live import PASSWORD, Tenant, as_dict, eventually

Entry = Mapping[str, object]
LOG = "logEntries"


def entries(tenant: Tenant, path: str = LOG, **params: str | int) -> list[Entry]:
    """One page of the log."""
    response = tenant.get(path, **params)
    assert response.status_code == 200, response.text
    found = as_dict(response).get("log_entries", [])
    assert isinstance(found, list)
    return found


def of_record(tenant: Tenant, record: object, count: int) -> list[Entry]:
    """The entries of a record once there are so many, in their order."""
    asked = {"filter": f'record_id = "{record}"', "order_by": "sequence"}
    return eventually(lambda: found if len(found := entries(tenant, **asked)) == count else [])


def test_every_service_and_change_is_logged_by_name_only(tenant: Tenant) -> None:
    customer = tenant.create("customers", name="上海示例公司", phone="+86 21 5555 0199")["id"]
    tenant.patch(f"customers/{customer}", {"phone": "+86 21 5555 0100"})
    tenant.delete(f"customers/{customer}")
    said = of_record(tenant, customer, 3)
    assert [str(one["action"]).removeprefix("crm.customer.v1.customer.") for one in said] == [
        "created", "updated", "deleted",
    ]  # fmt: skip
    assert [one["record_version"] for one in said] == [1, 2, 3]
    assert said[1]["changed_fields"] == ["phone"]
    assert said[0]["label"] == "上海示例公司"
    assert said[0]["actor_id"] == tenant.session["user_id"]
    assert said[0]["request_id"]
    assert "5555" not in json.dumps(said)
    for collection in ("departments", "products", "campaigns"):
        of_record(tenant, tenant.create(collection, name=f"日志 {collection}")["id"], 1)
    services = {one["service"] for one in entries(tenant, page_size=500)}
    assert services >= {"identity", "customer", "sales", "marketing"}


def test_sign_ins_and_refusals_are_logged_without_the_name_tried(tenant: Tenant) -> None:
    with httpx.Client(base_url=tenant.url) as http:
        for login, password in (("admin", "wrong password"), ("nobody-at-all", "whatever it is")):
            body = {"login": login, "password": password, "tenant": tenant.slug}
            assert http.post("/v1/sessions", json=body).status_code == 401
    user = tenant.session["user_id"]

    def refused() -> list[Entry]:
        asked = 'action = "crm.identity.v1.session.refused"'
        found = entries(tenant, filter=asked, order_by="sequence")
        return found if len(found) == 2 else []

    said = {str(one["detail"]): one for one in eventually(refused)}
    assert set(said) == {"PASSWORD_WRONG", "LOGIN_UNKNOWN"}
    assert said["PASSWORD_WRONG"]["actor_id"] == user
    assert said["LOGIN_UNKNOWN"].get("actor_id", "") == ""
    assert {one["actor_kind"] for one in said.values()} == {"ANONYMOUS"}
    assert "nobody-at-all" not in json.dumps(list(said.values()))
    opened = f'action = "crm.identity.v1.session.created" AND actor_id = "{user}"'
    assert eventually(lambda: entries(tenant, filter=opened))


def test_everyone_sees_his_own_history_and_only_that(tenant: Tenant) -> None:
    email = f"own@{tenant.slug}.example.com"
    role = next(one for one in tenant.list("roles") if one["name"] == "Salesperson")
    tenant.create("users", name="Own", email=email, password=PASSWORD, role_ids=[role["id"]])
    seller = live.signed_in(tenant.url, tenant.slug, tenant.id, email)
    customer = seller.create("customers", name="自己的客户")["id"]
    asked = f'record_id = "{customer}"'
    (mine,) = eventually(lambda: entries(seller, f"{LOG}:own", filter=asked))
    assert mine["actor_id"] == seller.session["user_id"]
    actors = {one["actor_id"] for one in entries(seller, f"{LOG}:own", page_size=500)}
    assert actors == {seller.session["user_id"]}
    assert entries(tenant, f"{LOG}:own", filter=asked) == []
    # What would end the parentheses around the caller's filter is refused.
    for wrong in ('id = "x") OR (service = "identity"', "service = identity)", "("):
        assert seller.get(f"{LOG}:own", filter=wrong).status_code == 400, wrong
    either = 'service = "customer" OR service = "identity" OR actor_id != "x"'
    found = entries(seller, f"{LOG}:own", filter=either, page_size=500)
    assert {one["actor_id"] for one in found} == {seller.session["user_id"]}
    for path in (LOG, f"{LOG}/{mine['id']}", f"{LOG}/{mine['id']}:proof"):
        assert seller.get(path).status_code == 403
    assert seller.post(f"{LOG}:verify", {}).status_code == 403
    seller.http.close()


def test_pages_orders_and_get(tenant: Tenant) -> None:
    listed = tenant.list("log_entries", page_size=3, order_by="sequence")
    assert [one["sequence"] for one in listed] == list(range(1, len(listed) + 1))
    assert as_dict(tenant.get(f"{LOG}/{listed[0]['id']}")) == listed[0]
    newest = entries(tenant, page_size=5)
    times = [str(one["time"]) for one in newest]
    assert times == sorted(times, reverse=True)
    for verb in ("patch", "delete"):
        response = tenant.http.request(verb.upper(), f"/v1/{LOG}/{listed[0]['id']}", json={})
        assert response.status_code == 405
    assert tenant.post(LOG, {}).status_code == 405


def test_nobody_sees_the_log_of_another_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    one = entries(tenant, page_size=1)[0]
    for path in (f"{LOG}/{one['id']}", f"{LOG}/{one['id']}:proof"):
        assert other_tenant.get(path).status_code == 404
    assert entries(other_tenant, filter=f'record_id = "{one["record_id"]}"') == []


def test_command_line_verifies_and_finds_a_forged_entry(
    signed_in: Crm, tenant: Tenant, whole_platform: Platform
) -> None:
    eventually(lambda: signed_up_to(signed_in))
    result = json.loads(ok(signed_in("log", "verify", "-o", "json")))
    assert result["intact"] is True
    assert "session.created" in ok(signed_in("log", "list", "--own"))
    table = ok(signed_in("log", "verify"))
    assert "intact" in table
    one = entries(tenant, page_size=1, order_by="sequence")[0]
    proof = as_dict(tenant.get(f"{LOG}/{one['id']}:proof"))
    assert proof["hash"] == one["hash"]
    forge(whole_platform, tenant.id)
    done = signed_in("log", "verify")
    assert done.returncode == 1
    assert "not intact at 2: entry changed" in done.stderr
    folder = Path(whole_platform.run_dir) / "log-roots" / tenant.id
    assert list(folder.iterdir()), "roots are kept outside the database"


def signed_up_to(crm: Crm) -> int:
    """The last entry that a root covers."""
    return int(json.loads(ok(crm("log", "verify", "-o", "json")))["signed up to"])


def forge(platform: Platform, tenant_id: str) -> None:
    """Write another actor into the second entry, with the rights of the table's owner."""

    async def run() -> None:
        connection = await asyncpg.connect(platform.database_url("identity", "owner"))
        await connection.execute(
            "UPDATE base.log_entry SET actor_id = 'somebody else'"
            " WHERE tenant_id = $1 AND sequence = 2",
            tenant_id,
        )
        await connection.close()

    asyncio.run(run())
