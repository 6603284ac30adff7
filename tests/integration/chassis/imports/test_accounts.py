"""The sample accounts as customers: parents by name, values corrected, imported again."""

from pathlib import Path

import pytest

from crm.chassis.v1 import import_pb2
from tests.integration.chassis.imports.importer import Counts, Importer, metadata, spec_of

ROOT = Path(__file__).parents[4]
ACCOUNTS = (ROOT.parent / "shared/data/crm-sales-opportunities/accounts.csv").read_bytes()


def accounts_spec(*, validate_only: bool = False) -> import_pb2.ImportSpec:
    """How accounts.csv becomes customers."""
    return spec_of(
        {
            "external_id": "account",
            "name": "account",
            "industry": "sector",
            "founded_year": "year_established",
            "annual_revenue.amount": "revenue",
            "employee_count": "employees",
            "country": "office_location",
            "parent_id": "subsidiary_of",
        },
        match={"parent_id": "name"},
        values={
            "industry": {"technolgy": "technology"},
            "country": {"Philipines": "Philippines"},
        },
        defaults={"annual_revenue.currency_code": "USD", "kind": "company"},
        validate_only=validate_only,
    )


async def test_accounts_are_imported_with_their_parents(importer: Importer) -> None:
    assert await importer.run(accounts_spec(validate_only=True), ACCOUNTS) == Counts(85)
    assert await importer.customers() == []
    assert await importer.run(accounts_spec(), ACCOUNTS) == Counts(created=85)
    customers = {one.name: one for one in await importer.customers()}
    assert len(customers) == 85
    parents = {one.name: one.parent_id for one in customers.values() if one.parent_id}
    assert len(parents) == 15
    assert parents["Cheers"] == customers["Massive Dynamic"].id
    assert parents["Bluth Company"] == customers["Acme Corporation"].id
    acme = customers["Acme Corporation"]
    assert (acme.industry, acme.country) == ("technology", "United States")
    assert (acme.annual_revenue.amount, acme.annual_revenue.currency_code) == ("1100.04", "USD")
    assert (acme.founded_year, acme.employee_count) == (1996, 2822)
    assert (acme.external_source, acme.external_id) == ("test", "Acme Corporation")


async def test_accounts_again_change_nothing(importer: Importer) -> None:
    await importer.run(accounts_spec(), ACCOUNTS)
    before = {one.id: one.etag for one in await importer.customers()}
    assert await importer.run(accounts_spec(validate_only=True), ACCOUNTS) == Counts(skipped=85)
    assert await importer.run(accounts_spec(), ACCOUNTS) == Counts(skipped=85)
    assert {one.id: one.etag for one in await importer.customers()} == before


async def test_only_what_differs_is_updated(importer: Importer) -> None:
    await importer.run(accounts_spec(), ACCOUNTS)
    changed = ACCOUNTS.replace(b"2822", b"3000")
    assert await importer.run(accounts_spec(), changed) == Counts(updated=1, skipped=84)
    found = await importer.customers(
        'external_source = "test" AND external_id = "Acme Corporation"'
    )
    assert [(one.employee_count, one.etag) for one in found] == [(3000, '"2"')]


@pytest.mark.parametrize("delimiter", [";", "\t"])
async def test_other_delimiters_and_a_bom_are_taken(importer: Importer, delimiter: str) -> None:
    data = b"\xef\xbb\xbf" + f"id{delimiter}Name\r\n7{delimiter}张三公司\r\n".encode()
    operation = await importer.start(spec_of({"external_id": "id", "name": "Name"}), data)
    done = metadata(await importer.end(operation.name))
    assert (done.counts.created, done.total, done.progress_percent) == (1, 1, 100)
    assert [one.name for one in await importer.customers()] == ["张三公司"]
