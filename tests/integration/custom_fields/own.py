"""What the tests of own fields share: declaring fields and choices over REST, and good answers."""

import httpx

from tests.live import Tenant, as_dict


def good(response: httpx.Response) -> dict[str, object]:
    """The body of an answer that must be a success."""
    assert response.status_code == 200, response.text
    return as_dict(response)


def refused(response: httpx.Response, status: int, field: str = "") -> dict[str, object]:
    """A problem of this status, naming the field."""
    assert response.status_code == status, response.text
    body = as_dict(response)
    errors = body["errors"]
    assert isinstance(errors, list)
    assert not field or field in [str(one["field"]) for one in errors], body
    return body


def own_field(tenant: Tenant, name: str, kind: str, **values: object) -> str:
    """The id of a new own field of customers."""
    body = {"name": name, "label": name.title(), "kind": kind, **values}
    return str(good(tenant.post("customers/customFields", body))["id"])


def choice(tenant: Tenant, of: str, label: str, **values: object) -> str:
    """The id of a new choice."""
    made = good(tenant.post("customers/choices", {"field": of, "label": label, **values}))
    return str(made["id"])


def customer(tenant: Tenant, **own: object) -> httpx.Response:
    """Create a customer with these own values."""
    return tenant.post("customers", {"name": "Acme", "custom_fields": own})


def own_values(record: dict[str, object]) -> dict[str, object]:
    """The own values of a record."""
    own = record["custom_fields"]
    assert isinstance(own, dict)
    return own


def named(tenant: Tenant, **params: str | int) -> list[str]:
    """The names of the customers that a list has, in its order, over pages of two."""
    return [str(one["name"]) for one in tenant.list("customers", page_size=2, **params)]
