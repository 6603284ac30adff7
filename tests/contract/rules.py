"""What the checks of api.md are written with."""

from collections.abc import Mapping
from typing import Final

import httpx

from cli.records import items
from tests.contract.resources import Facts
from tests.live import Tenant, as_dict

PROBLEM_KEYS: Final = {
    "type", "title", "status", "detail", "instance", "reason", "errors", "trace_id",
}  # fmt: skip


def good(response: httpx.Response) -> dict[str, object]:
    """The body of an answer that must be a success."""
    assert response.status_code == 200, response.text
    return as_dict(response)


def bad(response: httpx.Response, status: int, field: str = "") -> None:
    """A problem of this status, naming the field."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    if field:
        errors = as_dict(response)["errors"]
        assert isinstance(errors, list)
        assert [one for one in errors if field in str(one["field"])], errors


def make(tenant: Tenant, facts: Facts) -> dict[str, object]:
    """A new record."""
    return good(tenant.post(facts.path, facts.body(tenant)))


def listed(tenant: Tenant, facts: Facts, **params: str | int) -> list[Mapping[str, object]]:
    """A whole list, over all its pages."""
    found: list[Mapping[str, object]] = []
    token = ""
    while True:
        page = good(tenant.get(facts.path, **params, **({"page_token": token} if token else {})))
        found += items(page)
        token = str(page.get("next_page_token") or "")
        if not token:
            return found


def found_ids(tenant: Tenant, facts: Facts, **params: str | int) -> list[str]:
    """Ids of a whole list."""
    return [str(one["id"]) for one in listed(tenant, facts, **params)]


def keyed(facts: Facts, record: Mapping[str, object]) -> str:
    """The filter for the one record that has its key."""
    mine = f'{facts.key} = "{record[facts.key]}"'
    return f'external_source = "aip" AND {mine}' if facts.key == "external_id" else mine


def literal(name: str, value: object) -> str:
    """`name = value` as AIP-160 writes it; presence for what is empty."""
    if value in (None, ""):
        return f"{name}:*"
    if isinstance(value, bool):
        return f"{name} = {'true' if value else 'false'}"
    if isinstance(value, int | float):
        return f"{name} = {value}"
    return f'{name} = "{value}"'
