"""Whose company somebody is of, what a reach covers, and which roles may be given."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Column, MetaData, Table, Text, select

from chassis.access.model import Access, AccessRecord, Grant, Reach, beyond, build_access
from chassis.access.place import place_of
from chassis.access.scope import (
    NO_LIMIT,
    covers_row,
    scope_columns,
    table_reach_condition,
    table_reach_shape,
)
from chassis.codec.fields import descriptor_of
from crm.identity.v1.department_pb2 import Department
from crm.identity.v1.user_pb2 import User
from crm.marketing.v1.campaign_member_pb2 import CampaignMember
from crm.type.v1.options_pb2 import Place

# office > desk; dealer (a company) > shop > counter; rival (a company)
PARENTS = {"desk": "office", "shop": "dealer", "counter": "shop"}
COMPANIES = ("dealer", "rival")
USERS = {"boss": "office", "clerk": "desk", "chief": "dealer", "seller": "counter", "spy": "rival"}
READ = frozenset({"READ"})


def record(resource: str, name: str, /, **data: object) -> AccessRecord:
    return AccessRecord(resource, name, 1, data)


def grants(*scopes: str, resource: str = "*") -> list[Mapping[str, object]]:
    return [{"resource": resource, "verbs": ["READ"], "scope": scope} for scope in scopes]


def organisation(*more: AccessRecord) -> Access:
    names = {*PARENTS, *PARENTS.values(), *COMPANIES}
    departments = [
        record(
            "department", name, parent_id=PARENTS.get(name, ""),
            kind="PARTNER_COMPANY" if name in COMPANIES else "DEPARTMENT",
        )
        for name in names
    ]  # fmt: skip
    users = [record("user", name, department_id=place) for name, place in USERS.items()]
    return build_access([*departments, *users, *more], 1)


@pytest.mark.parametrize(
    ("user", "company"),
    [
        ("boss", ""), ("clerk", ""), ("chief", "dealer"), ("seller", "dealer"), ("spy", "rival"),
        ("nobody", ""),
    ],
)  # fmt: skip
def test_company_is_the_flagged_department_above(user: str, company: str) -> None:
    assert organisation().company_of(user) == company


def test_a_deleted_department_goes_on_belonging_to_its_company() -> None:
    gone = record("department", "counter", parent_id="shop", delete_time="2026-01-01T00:00:00Z")
    access = organisation(gone)
    assert access.company_at("counter") == access.company_of("seller") == "dealer"


def test_a_circle_of_departments_ends() -> None:
    circle = [record("department", one, parent_id=other) for one, other in ("ab", "ba")]
    assert organisation(*circle).company_at("a") == ""


@pytest.mark.parametrize("scope", ["ALL", "PARTNER_COMPANY", "DEPARTMENT_TREE"])
def test_a_partner_reaches_nothing_beyond_his_company(scope: str) -> None:
    access = organisation(record("role", "r", grants=grants(scope)))
    reach = access.reach("chief", ("r",), "dealer", "customers", "READ")
    assert reach is not None
    assert reach.company_department_ids == {"dealer", "shop", "counter"}
    assert reach.covers("seller", "counter", "dealer")
    for owner, department, company in (
        ("spy", "rival", "rival"), ("boss", "office", ""), ("chief", "dealer", ""),
    ):  # fmt: skip
        assert not reach.covers(owner, department, company)


@pytest.mark.parametrize("verb", ["READ", "UPDATE"])
def test_who_a_record_is_shared_with_reads_it_within_his_company(verb: str) -> None:
    granted = [{"resource": "*", "verbs": ["READ", "UPDATE"], "scope": "OWN"}]
    access = organisation(record("role", "r", grants=granted))
    reach = access.reach("chief", ("r",), "dealer", "customers", verb)
    assert reach is not None
    for grantee in ("chief", "dealer"):
        shared = frozenset({grantee})
        assert reach.covers("seller", "counter", "dealer", shared) is (verb == "READ")
        assert not reach.covers("boss", "office", "", shared)
    assert not reach.covers("seller", "counter", "dealer", frozenset({"seller"}))


def test_the_head_office_has_no_company_to_see() -> None:
    access = organisation(record("role", "r", grants=grants("PARTNER_COMPANY")))
    reach = access.reach("boss", ("r",), "", "customers", "READ")
    assert reach is not None
    assert not reach.company_all
    assert reach.covers("boss", "", "")
    assert not reach.covers("chief", "dealer", "dealer")


def test_narrow_scopes_reach_the_roles_within_ones_own() -> None:
    access = organisation(
        record("role", "mine", grants=grants("PARTNER_COMPANY")),
        record("role", "lesser", grants=grants("SUBORDINATES", resource="customers")),
        record("role", "more", grants=grants("ALL")),
        record("role", "gone", grants=[], delete_time="2026-01-01T00:00:00Z"),
        record("role", "theirs", grants=[], partner_company_id="rival"),
        record("role", "ours", grants=[], partner_company_id="dealer"),
    )
    read = access.reach("chief", ("mine",), "dealer", "roles", "READ")
    assert read is not None
    assert read.owner_ids == {"mine", "lesser", "ours"}
    everything = access.reach("boss", ("more",), "", "roles", "READ")
    assert everything is not None
    assert everything.everything
    partner = access.reach("chief", ("more",), "dealer", "roles", "READ")
    assert partner is not None
    assert partner.owner_ids == {"mine", "lesser", "more", "ours"}, "never a rival's"


def test_a_company_changes_its_own_roles_only() -> None:
    role = {"resource": "roles", "verbs": ["READ", "UPDATE"], "scope": "ALL"}
    access = organisation(
        record("role", "all", grants=[role]),
        record("role", "ours", grants=[], partner_company_id="dealer"),
    )
    change = access.reach("chief", ("all",), "dealer", "roles", "UPDATE")
    assert change is not None
    assert change.owner_ids == {"ours"}


@pytest.mark.parametrize(
    ("scope", "in_company", "missing"),
    [
        ("SUBORDINATES", True, None),
        ("DEPARTMENT_TREE", True, None),
        ("ALL", True, ("customers", "READ")),
        ("DEPARTMENT", False, ("customers", "READ")),
    ],
)
def test_a_company_holds_its_departments(
    scope: str, in_company: bool, missing: tuple[str, str] | None
) -> None:
    own = [Grant("customers", READ, "PARTNER_COMPANY")]
    assert beyond(own, [Grant("customers", READ, scope)], in_company=in_company) == missing


def test_protos_say_what_stands_for_owner_and_department() -> None:
    assert place_of(descriptor_of(User)) == Place(owner="id", department="department_id")
    assert place_of(descriptor_of(Department)) == Place(department="id")
    assert place_of(descriptor_of(CampaignMember)) == Place(parent="campaign_id")


def test_rows_without_a_company_go_by_their_department() -> None:
    table = Table("user", MetaData(), Column("tenant_id"), Column("id"), Column("department_id"))
    columns = scope_columns(table, place_of(descriptor_of(User)))
    access = organisation(record("role", "r", grants=grants("PARTNER_COMPANY")))
    reach = access.reach("chief", ("r",), "dealer", "users", "READ")
    assert reach is not None
    shape = table_reach_shape(columns, reach)
    sql = str(select(table.c.id).where(*table_reach_condition(columns, shape)))
    assert "reach_company_departments" in sql
    assert covers_row(columns, reach, {"id": "seller", "department_id": "counter"}, access)
    assert not covers_row(columns, reach, {"id": "spy", "department_id": "rival"}, access)
    assert not covers_row(columns, reach, {"id": "chief", "department_id": None}, access)


def test_rows_of_nobody_are_everybodys() -> None:
    columns = scope_columns(Table("product", MetaData(), Column("id", Text)))
    assert table_reach_shape(columns, Reach(company_id="dealer")) == NO_LIMIT
    assert covers_row(columns, Reach(), {"id": "x"}, Access())


def test_a_parent_without_a_foreign_key_is_refused() -> None:
    table = Table("member", MetaData(), Column("id", Text), Column("campaign_id", Text))
    with pytest.raises(ValueError, match=r"member\.campaign_id refers to nothing"):
        scope_columns(table, Place(parent="campaign_id"))
