"""Cells to values by the form of the field."""

import pytest

from chassis.custom_fields.values import BadValue, items
from chassis.imports.convert import convert, scaled, shown
from chassis.resource.plan import make_plan
from services.customer.methods.customer import CUSTOMER
from services.identity.methods.passwords import Passwords
from services.identity.methods.user import user_resource
from services.sales.methods.opportunity import opportunity_resource

CUSTOMERS = make_plan(CUSTOMER).fields
OPPORTUNITIES = make_plan(opportunity_resource()).fields
USERS = make_plan(user_resource(Passwords())).fields
ID = "0190C0F0-0000-7000-8000-000000000001"


def test_values_are_converted() -> None:
    assert convert(CUSTOMERS["name"], "x") == "x"
    assert convert(CUSTOMERS["employee_count"], "+12") == 12
    assert convert(CUSTOMERS["kind"], "person") == "PERSON"
    assert convert(CUSTOMERS["parent_id"], ID) == ID.lower()
    assert convert(OPPORTUNITIES["close_date"], "2017-03-01") == "2017-03-01"
    assert convert(USERS["role_ids"], f"{ID}; {ID}") == [ID.lower()] * 2


@pytest.mark.parametrize("text", ["1.5", "1,000", "x", "", "1" * 20, "２"])
def test_numbers_are_whole(text: str) -> None:
    with pytest.raises(BadValue):
        convert(CUSTOMERS["employee_count"], text)


@pytest.mark.parametrize("text", ["01.03.2017", "2017-3-1", "2017-02-30", "20170301", "2017-W09-3"])
def test_dates_are_iso_dates(text: str) -> None:
    with pytest.raises(BadValue, match="YYYY-MM-DD"):
        convert(OPPORTUNITIES["close_date"], text)


def test_ids_and_enums_are_checked() -> None:
    with pytest.raises(BadValue, match="no id"):
        convert(CUSTOMERS["parent_id"], "7")
    with pytest.raises(BadValue, match="none of"):
        convert(CUSTOMERS["kind"], "KIND_UNSPECIFIED")


def test_lists_leave_out_what_is_empty() -> None:
    assert items(" a ;;b; ") == ["a", "b"]


def test_long_cells_are_shown_short() -> None:
    assert len(shown("x" * 1000)) == 103


@pytest.mark.parametrize(
    ("text", "factor", "product"),
    [
        ("1100.04", "1000000", "1100040000"),
        ("-0.5", "100", "-50"),
        ("3", "", "3"),
        ("", "1000", ""),
        ("many", "1000", "many"),
        ("NaN", "1000", "NaN"),
    ],
)
def test_numbers_are_scaled_exactly(text: str, factor: str, product: str) -> None:
    assert scaled(text, factor) == product
