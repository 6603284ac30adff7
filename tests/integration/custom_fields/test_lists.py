"""Own fields in filters and orders: read from the record, and from the side table once there is an
index; the same answers either way.
"""

import threading

import pytest

from tests.integration.custom_fields.own import (
    choice,
    customer,
    good,
    named,
    own_field,
    refused,
)
from tests.live import Tenant, as_dict, eventually

ROWS: list[tuple[str, dict[str, object]]] = [
    ("a", {"code": "north 1", "rank": "10", "day": "2026-01-01", "vip": True}),
    ("b", {"code": "South_2", "rank": "9.5", "day": "2026-02-01", "vip": False}),
    ("c", {"code": "north 3", "rank": "-1", "fee": {"currency_code": "CNY", "amount": "5"}}),
    ("d", {"day": "2025-12-31", "fee": {"currency_code": "USD", "amount": "7"}}),
    ("e", {}),
]
CASES = [
    ('custom_fields.code = "north 1"', "a"),
    ('custom_fields.code = "north*"', "ac"),
    ('custom_fields.code : "south_"', "b"),
    ('custom_fields.code != "north 1"', "bcde"),
    ("custom_fields.code = null", "de"),
    ("custom_fields.code:*", "abc"),
    ("custom_fields.rank > 9", "ab"),
    ("custom_fields.rank <= 9.5", "bc"),
    ("custom_fields.rank = 10.0", "a"),
    ("NOT custom_fields.rank > 9", "cde"),
    ("custom_fields.day < 2026-01-15", "ad"),
    ("custom_fields.day > days_ago(1)", ""),
    ("custom_fields.vip = true", "a"),
    ("custom_fields.fee > 5", "d"),
    ("custom_fields.fee.amount >= 5 AND custom_fields.fee.currency_code = CNY", "c"),
    ("custom_fields.tier = 金", "a"),
    ('custom_fields.tier = "{gold}"', "a"),
    ("custom_fields.tier != 金", "bcde"),
    ("custom_fields.needs : speed", "ab"),
    ('custom_fields.needs : "{price}"', "b"),
    ('custom_fields.friend = "{a}"', "b"),
    ('custom_fields.rank > 9 AND (custom_fields.tier = 金 OR name = "b")', "ab"),
]
ORDERS = [
    ("custom_fields.rank", "cba"),
    ("custom_fields.rank desc", "abc"),
    ("custom_fields.day", "dab"),
    ("custom_fields.day desc, custom_fields.rank", "bad"),
    ("custom_fields.fee", "cd"),
    ("custom_fields.fee desc", "dc"),
    ("custom_fields.code", "ac"),
    ("custom_fields.vip desc", "ab"),
]
INDEXED = ("code", "rank", "day", "fee", "tier", "friend")


@pytest.fixture(scope="module")
def ids(tenant: Tenant) -> dict[str, str]:
    """A tenant with five customers; ids by name of field, choice and customer."""
    kinds = {
        "code": "TEXT", "rank": "NUMBER", "day": "DATE", "vip": "BOOLEAN", "fee": "MONEY",
        "tier": "CHOICE", "needs": "MULTI_CHOICE",
    }  # fmt: skip
    found = {name: own_field(tenant, name, kind) for name, kind in kinds.items()}
    found["friend"] = own_field(tenant, "friend", "REFERENCE", reference_resource="customers")
    found["gold"] = choice(tenant, found["tier"], "金")
    found["speed"], found["price"] = (choice(tenant, found["needs"], x) for x in ("speed", "price"))
    for name, own in ROWS:
        made = good(tenant.post("customers", {"name": name, "custom_fields": own}))
        found[name] = str(made["id"])
    more: dict[str, dict[str, object]] = {
        "a": {"tier": found["gold"], "needs": [found["speed"]]},
        "b": {"needs": [found["speed"], found["price"]], "friend": found["a"]},
    }
    for name, own in more.items():
        good(tenant.patch(f"customers/{found[name]}", {"custom_fields": own}))
    return found


@pytest.fixture(scope="module", params=["record", "index"])
def looked_at(tenant: Tenant, ids: dict[str, str], request: pytest.FixtureRequest) -> str:
    """Everything is asked twice: before and after there are indexes."""
    if request.param == "index":
        build(tenant, [ids[name] for name in INDEXED])
    return str(request.param)


def build(tenant: Tenant, fields: list[str]) -> None:
    """Have indexes made and wait until they are ready."""
    for one in fields:
        good(tenant.post(f"customers/customFields/{one}:buildIndex", {}))
    eventually(lambda: ready(tenant, fields), timeout_s=60, every_s=0.3)


def ready(tenant: Tenant, fields: list[str]) -> bool:
    """Whether the fields have their indexes."""
    states = [good(tenant.get(f"customers/customFields/{one}"))["index_state"] for one in fields]
    return set(states) == {"READY"}


def test_filters(tenant: Tenant, ids: dict[str, str], looked_at: str) -> None:
    wrong = []
    for text, wanted in CASES:
        found = "".join(sorted(named(tenant, filter=text.format(**ids))))
        count = as_dict(tenant.get("customers", filter=text.format(**ids), count="exact"))
        if found != wanted or count["total_size"] != len(wanted):
            wrong.append(f"{looked_at} {text}: {found}, not {wanted}; {count['total_size']}")
    assert not wrong, "\n".join(wrong)


def test_orders_have_what_is_empty_last_and_go_on_from_page_to_page(
    tenant: Tenant, ids: dict[str, str], looked_at: str
) -> None:
    assert ids
    for order, wanted in ORDERS:
        found = named(tenant, order_by=order)
        kept = [one for one in found if one in wanted]
        assert sorted(found) == list("abcde"), (looked_at, order)
        assert kept == list(wanted), (looked_at, order)
        if order.count(",") == 0 and "code" not in order:
            assert found[: len(wanted)] == list(wanted), (looked_at, order)


def test_wrong_filters_and_orders_name_the_place(tenant: Tenant, ids: dict[str, str]) -> None:
    assert ids
    for text in ("custom_fields.nothing = 1", "custom_fields.rank = x", "custom_fields.tier = 铁"):
        refused(tenant.get("customers", filter=text), 400, "filter")
    refused(tenant.get("customers", order_by="custom_fields.tier"), 400, "order_by")


def test_index_is_made_while_writes_go_on(other_tenant: Tenant) -> None:
    tenant, stop, failed = other_tenant, threading.Event(), list[str]()
    field = own_field(tenant, "mark", "NUMBER")
    made = [str(good(customer(tenant, mark=str(n)))["id"]) for n in range(60)]

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            one = made[turn % 60]
            answers = (
                tenant.patch(f"customers/{one}", {"custom_fields": {"mark": str(turn)}}),
                customer(tenant, mark=str(-turn)),
                tenant.delete(f"customers/{made[(turn * 7) % 60]}"),
                tenant.post(f"customers/{made[(turn * 7) % 60]}:undelete", {}),
            )
            failed.extend(a.text for a in answers if a.status_code not in {200, 400, 409})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        build(tenant, [field])
    finally:
        stop.set()
        writer.join()
    assert not failed
    for text in ("", "custom_fields.mark > 30", "custom_fields.mark < 0"):
        records = tenant.list("customers", filter=text, show_deleted="true", page_size=1000)
        ordered = tenant.list(
            "customers", filter=text, order_by="custom_fields.mark", show_deleted="true"
        )
        assert {one["id"] for one in ordered} == {one["id"] for one in records}
        marks = [float(one["custom_fields"]["mark"]) for one in ordered]  # type: ignore[index]  # an object of JSON
        assert marks == sorted(marks)
    everything = tenant.list("customers", show_deleted="true", page_size=1000)
    over = [x for x in everything if float(x["custom_fields"]["mark"]) > 30]  # type: ignore[index]  # as above
    found = tenant.list("customers", filter="custom_fields.mark > 30", show_deleted="true")
    assert len(found) == len(over)
    good(tenant.patch(f"customers/customFields/{field}", {"retired": True}))
    refused(tenant.delete(f"customers/customFields/{field}"), 400)
    good(tenant.post(f"customers/customFields/{field}:dropIndex", {}))
    again = tenant.list("customers", filter="custom_fields.mark > 30", show_deleted="true")
    assert len(again) == len(over)
    good(tenant.delete(f"customers/customFields/{field}"))
