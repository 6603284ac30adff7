"""What a resource declares about searching, and how frequent words are told from rare ones."""

from dataclasses import replace

import pytest
from sqlalchemy import MetaData

from chassis.access.field_rules import FieldAccess
from chassis.custom_fields.model import NO_FIELDS
from chassis.resource.plan import make_plan
from chassis.resource.view import View
from chassis.search.frequency import Frequencies
from chassis.search.pinyin import FORMS_MAX, pinyin, readings
from services.customer.methods.customer import CUSTOMER
from services.marketing.methods.campaign import CAMPAIGN
from services.marketing.methods.campaign_member import campaign_member_resource

MEMBER = campaign_member_resource(make_plan(CAMPAIGN))
MILLION = 1_000_000.0


@pytest.mark.parametrize("name", ["nope", "founded_year", "tags"])
def test_only_texts_are_searchable(name: str) -> None:
    with pytest.raises(ValueError, match=f"customer has no such field: {name}"):
        make_plan(replace(CUSTOMER, searchable=(name,)))


def test_a_searchable_resource_has_a_table_beside() -> None:
    alone = CUSTOMER.table.to_metadata(MetaData())
    with pytest.raises(ValueError, match=r"declare search_table\(customer\)"):
        make_plan(replace(CUSTOMER, table=alone))


def test_a_view_searches_what_it_shows() -> None:
    plan = make_plan(CUSTOMER)
    assert View(plan, FieldAccess(), NO_FIELDS).searched == CUSTOMER.searchable
    hidden = FieldAccess(hidden=frozenset({"phone", "email"}))
    assert View(plan, hidden, NO_FIELDS).searched == ("name", "website", "number")
    assert View(make_plan(MEMBER), FieldAccess(), NO_FIELDS).searched == ("external_id",)


def test_every_text_is_a_field_of_the_row() -> None:
    search = make_plan(CUSTOMER).search
    assert search is not None
    record = dict.fromkeys(CUSTOMER.searchable) | {
        "name": "张三",
        "phone": "",
        "custom_fields": "{}",
    }
    texts = search.texts(NO_FIELDS, record)
    assert texts == {"name": "张三"}
    row = search.row("tenant", "id", texts)
    assert row["texts"] == '{"name":" 张三 zhangsan ZS"}'


@pytest.mark.parametrize(
    ("shares", "tokens", "frequent"),
    [
        ({}, [1], False),
        ({1: 0.4}, [1], True),
        ({1: 0.004}, [1], False),
        ({1: 0.4}, [1, 2], False),
        ({1: 0.4, 2: 0.5, 3: 0.4, 4: 0.6, 5: 0.4}, [1, 2, 3, 4, 5], True),
        (dict.fromkeys(range(9), 0.015), list(range(9)), False),
        ({1: 0.07, 2: 0.3, 3: 0.5}, [1, 2, 3], True),
    ],
)
def test_grams_of_frequent_words_come_together(
    shares: dict[int, float], tokens: list[int], frequent: bool
) -> None:
    assert Frequencies(MILLION, shares).frequent(tokens) is frequent


def test_nothing_is_frequent_without_statistics() -> None:
    assert not Frequencies().frequent([1])
    assert Frequencies(MILLION, {1: 0.5, 3: 0.1}).rarest([1, 2, 3, 4, 5, 6]) == [2, 4, 5, 6]


def test_readings_are_few() -> None:
    assert readings("张三") == [("zhang", "san")]
    assert {form[0] for form in readings("长安")} == {"chang", "zhang"}
    assert len(readings("行长重乐单会" * 4)) == FORMS_MAX
    assert pinyin("单田芳 Ltd 吕") == "shantianfang Ltd lv"
