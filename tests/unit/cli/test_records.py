"""What the arguments of record commands mean."""

import io
import json

import pytest

from cli.errors import CliError
from cli.events import RELEASE, Event, Notice, as_line, parse
from cli.output import cell, money
from cli.records import body_of, collection_path, items, quoted, record_path


def test_arguments_become_a_body() -> None:
    arguments = ["name=a=b", "amount.amount=10", "amount.currency_code=CNY", "employee_count:=5"]
    assert body_of(arguments) == {
        "name": "a=b",
        "amount": {"amount": "10", "currency_code": "CNY"},
        "employee_count": 5,
    }


def test_body_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "张三"}'))
    assert body_of(["-", "phone=1"]) == {"name": "张三", "phone": "1"}


@pytest.mark.parametrize("argument", ["name", "=x", "a:={", "@missing.json", "A=1"])
def test_arguments_not_understood_are_named(argument: str) -> None:
    with pytest.raises(CliError):
        body_of([argument])


def test_a_value_has_no_parts() -> None:
    with pytest.raises(CliError, match="a value of its own"):
        body_of(["amount=5", "amount.amount=5"])


@pytest.mark.parametrize("name", ["campaign_members", "campaignMembers"])
def test_collections_have_one_path(name: str) -> None:
    assert collection_path(name) == "/v1/campaignMembers"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a?b", "客户"])
def test_other_names_are_no_collections(name: str) -> None:
    with pytest.raises(CliError):
        collection_path(name)


def test_ids_stay_one_segment() -> None:
    assert record_path("customers", "a/b?c:win") == "/v1/customers/a%2Fb%3Fc%3Awin"


def test_pages_hold_one_list() -> None:
    assert items({"total_size": 2, "customers": [{"id": "1"}]}) == [{"id": "1"}]
    assert items({}) == []


def test_entity_tags_are_quoted_once() -> None:
    assert quoted("3") == quoted('"3"') == '"3"'


def test_cells_are_one_line_of_text() -> None:
    assert cell({"currency_code": "CNY", "amount": "1.50"}) == "CNY 1.50"
    assert cell("a\x1b[31m\n") == "a [31m "
    assert cell("x" * 100).endswith("…")
    assert (cell(None), cell(value=True), cell([1])) == ("", "yes", "[1]")
    assert money([{"currency_code": "EUR", "amount": "1"}, {"currency_code": "USD", "amount": "2"}])


def test_another_version_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (Event("", RELEASE, f'{{"version": "{one}"}}') for one in ("1.0.0", "1.1.0"))
    notice = Notice()
    assert notice.passes(Event("7", "customer.created", "{}"))
    assert not any(map(notice.passes, (first, first)))
    assert capsys.readouterr().err == ""
    assert not notice.passes(second)
    assert "Version 1.1.0 serves now" in capsys.readouterr().err


def test_event_stream_is_parsed() -> None:
    lines = [
        "retry: 2000",
        "",
        ": hello",
        "id: 7",
        "event: customer.created",
        'data: {"id": "x"}',
        "",
    ]
    (event,) = parse(iter(lines))
    assert event == Event("7", "customer.created", '{"id": "x"}')
    assert json.loads(as_line(event)) == {"event_id": "7", "name": "customer.created", "id": "x"}
