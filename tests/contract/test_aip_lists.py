"""Lists of every resource: each order both ways with NULLs and ties, counts, filters, bounds."""

import secrets
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

import pytest

from chassis.filter.fields import FieldKind
from chassis.resource.fields import Field, Form
from chassis.resource.plan import make_plan
from cli.records import items
from tests.contract.resources import Facts
from tests.contract.rules import bad, found_ids, good, keyed, listed, make
from tests.live import Tenant

RECORDS: Final = 6
# Values that repeat, so that ties are broken; None leaves the field out.
VALUES: Final[Mapping[Form, tuple[object, ...]]] = {
    Form.TEXT: ("b", "a", "b"),
    Form.NUMBER: (7, 3, 7),
    Form.BOOLEAN: (True, False, True),
    Form.DATE: ("2026-02-01", "2024-02-29", "2026-02-01"),
    Form.TIMESTAMP: ("2026-02-01T00:00:00Z", "2024-02-29T12:00:00Z", "2026-02-01T00:00:00Z"),
    Form.MONEY: tuple({"currency_code": "CNY", "amount": one} for one in ("10.5", "9.25", "10.5")),
}  # fmt: skip
SORTED: Final = {FieldKind.INTEGER, FieldKind.DATE, FieldKind.TIMESTAMP, FieldKind.BOOLEAN}


@pytest.fixture(scope="module")
def spread() -> dict[str, str]:
    """The filter for the records spread over the values, by collection."""
    return {}


def spread_records(tenant: Tenant, facts: Facts, spread: dict[str, str]) -> str:
    """The filter for RECORDS records whose orderable fields hold NULLs and ties; made once."""
    if facts.plural not in spread:
        fields = {one.name: one for one in make_plan(facts.declared).writable}
        orderable = {name.split(".")[0] for name in facts.declared.orderable} & set(fields)
        usable = [
            fields[name] for name in sorted(orderable) if accepted(tenant, facts, fields[name])
        ]
        bodies = [facts.body(tenant) | values(usable, at) for at in range(RECORDS)]
        made = [good(tenant.post(facts.path, one))["id"] for one in bodies]
        spread[facts.plural] = " OR ".join(f'id = "{one}"' for one in made)
    return spread[facts.plural]


def values(fields: list[Field], at: int) -> dict[str, object]:
    """What record number `at` holds in these fields; nothing in every other one."""
    return {one.name: VALUES[one.form][at // 2] for one in fields if at % 2}


def accepted(tenant: Tenant, facts: Facts, field: Field) -> bool:
    """Whether the resource takes such values, twice, where it has its own rules."""
    if field.form not in VALUES:
        return False
    bodies = [facts.body(tenant) | values([field], at) for at in (1, 5)]
    answer = [tenant.http.post(f"/v1/{facts.path}", json=one).status_code for one in bodies]
    return answer == [200, 200]


def test_every_order_pages_both_ways(tenant: Tenant, facts: Facts, spread: dict[str, str]) -> None:
    only = spread_records(tenant, facts, spread)
    orders = make_plan(facts.declared).orders
    for name, order in orders.items():
        for way in ("", " desc"):
            term = f"{name}{way}"
            records = listed(tenant, facts, filter=only, order_by=term, page_size=1000)
            ids = [one["id"] for one in records]
            assert len(ids) == RECORDS
            assert found_ids(tenant, facts, filter=only, order_by=term, page_size=1) == ids, term
            keys = [value_at(one, name) for one in records]
            there = [key for key in keys if key is not None]
            if order.nullable:
                assert keys == [*there, *[None] * (len(keys) - len(there))], term
            if order.kind in SORTED:
                assert there == sorted(there, key=str if order.kind is not FieldKind.INTEGER
                                       else number, reverse=bool(way)), term  # fmt: skip
            assert_ties(records, name, descending=bool(way))


def value_at(record: Mapping[str, object], path: str) -> object:
    """The value of a field or of a part of one; None when it has none, "" among texts."""
    found: object = record
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if found == "" else found


def number(value: object) -> int:
    """An integer."""
    return int(str(value))


def assert_ties(records: list[Mapping[str, object]], name: str, *, descending: bool) -> None:
    """Records of the same value stand in the order of their ids."""
    for one, other in pairwise(records):
        if value_at(one, name) == value_at(other, name):
            assert (str(one["id"]) > str(other["id"])) is descending, name


def test_counts_are_asked_for(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    only = keyed(facts, record)
    for count in ("exact", "estimate"):
        page = good(tenant.get(facts.path, filter=only, count=count))
        assert page["total_size"] == 1
    everything = good(tenant.get(facts.path, count="exact", page_size=1))
    assert everything["total_size"] == len(found_ids(tenant, facts, page_size=1000))
    bad(tenant.get(facts.path, count="many"), 400)


def test_pages_are_bounded(tenant: Tenant, facts: Facts) -> None:
    for size in (-1, 1001, 2**31):
        bad(tenant.get(facts.path, page_size=size), 400)
    bad(tenant.get(facts.path, page_token="x" * 5000), 400)
    bad(tenant.get(facts.path, order_by=",".join(["id"] * 200)), 400)
    bad(tenant.get(facts.path, order_by="id, id"), 400)
    bad(tenant.get(facts.path, filter="x" * 4097), 400)
    bad(tenant.get(facts.path, filter="(" * 21 + 'id = "x"' + ")" * 21), 400)


def test_filters_are_those_of_aip_160(tenant: Tenant, facts: Facts) -> None:
    record, other = make(tenant, facts), make(tenant, facts)
    mine, theirs = keyed(facts, record), keyed(facts, other)
    key = str(record[facts.key])
    one, both = {record["id"]}, {record["id"], other["id"]}
    expected: list[tuple[str, set[object]]] = [
        (mine, one),
        (f'({mine}) AND NOT id = "{other["id"]}"', one),
        (f'{mine} AND -id = "{record["id"]}"', set()),
        (f'{facts.key} = "{key}" OR {facts.key} = "{other[facts.key]}"', both),
        (f'{facts.key} = "{key[:6]}*" AND ({mine})', one),
        (f'{facts.key} != "{key}" AND {theirs}', {other["id"]}),
    ]
    if "tags" in facts.fields:
        good(tenant.patch(f"{facts.path}/{record['id']}", {"tags": ["重要", "b"]}))
        expected += [(f'tags:"重要" AND {mine}', one), (f'tags:"重要" AND {theirs}', set())]
    for text, ids in expected:
        assert set(found_ids(tenant, facts, filter=text)) == ids, text


def test_filters_know_the_moment_and_the_caller(tenant: Tenant, facts: Facts) -> None:
    record = make(tenant, facts)
    names = make_plan(facts.declared).filters
    texts: list[tuple[str, str, Callable[[bool], bool]]] = [
        ("create_time", "create_time >= today()", bool),
        ("create_time", "create_time > days_ago(2)", bool),
        ("create_time", "create_time < days_ago(2)", lambda found: not found),
        ("creator_id", "creator_id = me()", bool),
        ("owner_id", "owner_id = me()", bool),
    ]
    for name, text, expected in texts:
        if name in names:
            found = found_ids(tenant, facts, filter=f"{text} AND {keyed(facts, record)}") != []
            assert expected(found), text
    for wrong in ("days_ago()", "days_ago(x)", "tomorrow()", "me(1)"):
        bad(tenant.get(facts.path, filter=f"create_time > {wrong}"), 400)
    if "department_id" in names:
        # The administrator of a new tenant belongs to no department.
        only = f"department_id = my_department() AND {keyed(facts, record)}"
        assert found_ids(tenant, facts, filter=only) == []


def test_a_bare_word_searches(tenant: Tenant, facts: Facts) -> None:
    body, name, word = facts.body(tenant), facts.text, f"z{secrets.token_hex(6)}"
    record = good(tenant.post(facts.path, {**body, name: f"{word}_查找"}))
    for text in (word, word[2:9], f'查找 AND {name}:"{word}"'):
        assert found_ids(tenant, facts, filter=text) == [record["id"]], text
    assert found_ids(tenant, facts, filter=f"{word}nothing") == []


def test_texts_of_own_fields_are_searched(tenant: Tenant, facts: Facts) -> None:
    if "custom_fields" not in facts.fields:
        return
    name, word = f"own_{secrets.token_hex(4)}", f"z{secrets.token_hex(6)}"
    field = {"name": name, "label": word, "kind": "TEXT", "searchable": True}
    made = good(tenant.post(f"{facts.path}/customFields", field))
    own = {"custom_fields": {name: f"查找 {word}"}}
    record = good(tenant.post(facts.path, {**facts.body(tenant), **own}))
    assert found_ids(tenant, facts, filter=word) == [record["id"]]
    elsewhere = "contacts" if facts.plural != "contacts" else "customers"
    for path, ids in ((facts.path, [made["id"]]), (elsewhere, [])):
        page = good(tenant.get(f"{path}/customFields", filter=word))
        assert [one["id"] for one in items(page)] == ids
