"""Columns to fields: what fits, what a cell means, and which column a problem is told for."""

import pytest

from chassis.access.field_rules import EVERY_FIELD, FieldAccess
from chassis.custom_fields.model import NO_FIELDS
from chassis.errors import InvalidArgument
from chassis.imports.draft import Draft, Known, apart, fill, read_draft
from chassis.imports.mapping import ImportMapping, make_mapping, refuse_denied
from chassis.imports.records import Record
from chassis.resource.plan import make_plan
from chassis.resource.view import View
from crm.chassis.v1.import_pb2 import ColumnMapping, ImportSpec
from crm.customer.v1.customer_pb2 import Customer
from services.customer.methods.customer import CUSTOMER

VIEW = View(make_plan(CUSTOMER), EVERY_FIELD, NO_FIELDS)
HEADER = ["id", "Name", "Revenue", "Currency", "Parent", "Owner", "Kind"]
COLUMNS = (
    ColumnMapping(column="id", field="external_id"),
    ColumnMapping(column="Name", field="name", values={"ACME": "Acme", "n/a": ""}),
    ColumnMapping(column="Revenue", field="annual_revenue.amount"),
    ColumnMapping(column="Currency", field="annual_revenue.currency_code"),
    ColumnMapping(column="Parent", field="parent_id", match="name"),
    ColumnMapping(column="Owner", field="owner_id", match="name"),
    ColumnMapping(column="Kind", field="kind"),
)
SPEC = ImportSpec(
    resource="customers",
    external_source="erp",
    columns=COLUMNS,
    defaults={"annual_revenue.currency_code": "USD", "country": "China"},
)
FOUND = {
    ("parent_id", "Top"): ["0190c0f0-0000-7000-8000-000000000001"],
    ("parent_id", "Two"): ["0190c0f0-0000-7000-8000-000000000001"] * 2,
}


def mapping() -> ImportMapping:
    """The mapping of SPEC."""
    return make_mapping(VIEW, SPEC, HEADER)


def drafted(line: str, row: int = 2, *, final: bool = False) -> Draft:
    """The draft of one line."""
    data = line.encode()
    draft = read_draft(mapping(), Record(row, 0, len(data), data), ",", len(HEADER))
    if not draft.problems:
        fill(mapping(), draft, Known(FOUND, final=final))
    return draft


def customer(line: str) -> Customer:
    """The message of a line that fits."""
    draft = drafted(line)
    assert draft.problems == []
    assert isinstance(draft.message, Customer)
    return draft.message


def test_cells_are_trimmed_mapped_and_converted() -> None:
    made = customer(" 7 , ACME ,12.50,EUR, Top ,,person")
    assert (made.external_source, made.external_id, made.name) == ("erp", "7", "Acme")
    assert (made.annual_revenue.amount, made.annual_revenue.currency_code) == ("12.50", "EUR")
    assert made.parent_id == FOUND["parent_id", "Top"][0]
    assert (made.kind, made.country) == (Customer.PERSON, "China")


def test_defaults_fill_what_is_empty_but_make_no_money() -> None:
    assert customer("1,a,5,,,,").annual_revenue.currency_code == "USD"
    assert not customer("1,a,,,,,").HasField("annual_revenue")
    assert not customer("1,a,,EUR,,,").HasField("annual_revenue")


def test_a_value_map_can_empty_a_cell() -> None:
    assert "name" not in drafted("1,n/a,,,,,").names


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("1,a,,,,,robot", "Kind", '"robot" is none of: COMPANY, PERSON.'),
        ("1,a,,,Two,,", "Parent", '"Two" names several records.'),
        ("1,a,,,,Bob,", "Owner", 'There is no record with name "Bob" among the users.'),
        ("1,a", "", "The row has 2 cells, the header has 7."),
    ],
)
def test_problems_name_the_column(line: str, column: str, reason: str) -> None:
    assert [(one.column, one.reason) for one in drafted(line).problems] == [(column, reason)]


def test_a_row_waits_for_its_own_kind_only_until_the_final_round() -> None:
    assert drafted("1,a,,,Later,,").later
    assert not drafted("1,a,,,Later,Bob,").later
    assert [one.column for one in drafted("1,a,,,Later,,", final=True).problems] == ["Parent"]


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("annual_revenue.currency_code", "Currency"),
        ("annual_revenue", "Revenue"),
        ("parent_id", "Parent"),
        ("country", "country"),
    ],
)
def test_an_error_path_is_told_as_a_column(path: str, column: str) -> None:
    assert mapping().column_of(path) == column


def test_groups_hold_one_content_for_each_external_id() -> None:
    lines = ["1,a,,,,,", "1,a,,,,,", "2,b,,,,,", "1,c,,,,,", ",x,,,,,", ",y,,,,,"]
    groups = apart([drafted(line, at) for at, line in enumerate(lines)])
    assert [[one.record.row for one in group] for group in groups] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (ImportSpec(columns=[ColumnMapping(column="x", field="name")]), "spec.columns[0].column"),
        (ImportSpec(columns=[COLUMNS[0]]), "spec.external_source"),
        (ImportSpec(columns=[COLUMNS[1], COLUMNS[1]]), "spec.columns[1].field"),
        (ImportSpec(columns=[COLUMNS[1]], defaults={"id": "1"}), "spec.defaults.id"),
        (ImportSpec(columns=[COLUMNS[1]], defaults={"external_id": "1"}), "spec.defaults"),
        (
            ImportSpec(columns=[ColumnMapping(column="id", field="name", match="name")]),
            "spec.columns[0].match",
        ),
    ],
)
def test_a_spec_that_does_not_fit_names_the_place(spec: ImportSpec, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make_mapping(VIEW, spec, HEADER)
    assert any(path.startswith(field) for path, _ in caught.value.fields)


def test_fields_closed_to_the_importer_are_refused() -> None:
    access = FieldAccess(frozenset({"country", "annual_revenue"}), frozenset({"name"}))
    with pytest.raises(InvalidArgument) as refused:
        refuse_denied(View(VIEW.plan, access, NO_FIELDS), SPEC)
    told = dict(refused.value.fields)
    assert told["spec.columns[1].field"] == "You may not set this field."
    assert told["spec.columns[2].field"] == "customers have no field annual_revenue to import."
    assert "spec.defaults.country" in told
    assert set(told) == {
        "spec.columns[1].field", "spec.columns[2].field", "spec.columns[3].field",
        "spec.defaults.country", "spec.defaults.annual_revenue.currency_code",
    }  # fmt: skip
    refuse_denied(VIEW, SPEC)
