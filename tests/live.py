"""A whole platform for tests that go through the gateway, and tenants of their own on it."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import httpx

from cli.client import Client, session_from
from cli.records import collection_path, items
from cli.store import Store
from cli.tenant import call
from crm.identity.v1 import tenant_pb2 as pb
from deploy.local.platform import Platform
from deploy.local.settings import ROOT

DATA: Final = ROOT.parent / "shared" / "data" / "crm-sales-opportunities"
PASSWORD: Final = "correct horse battery staple"
Found = TypeVar("Found")


@dataclass
class Tenant:
    """A fresh tenant and its administrator, signed in."""

    url: str
    slug: str
    id: str
    email: str
    session: dict[str, object]
    http: httpx.Client = field(repr=False)

    def get(self, path: str, **params: str | int) -> httpx.Response:
        """GET below /v1."""
        return self.http.get(f"/v1/{path}", params=params)

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        """POST JSON below /v1; header names with underscores."""
        return self.http.post(f"/v1/{path}", json=body, headers=dashed(headers))

    def patch(self, path: str, body: object, **headers: str) -> httpx.Response:
        """PATCH JSON below /v1."""
        return self.http.patch(f"/v1/{path}", json=body, headers=dashed(headers))

    def delete(self, path: str, **headers: str) -> httpx.Response:
        """DELETE below /v1."""
        return self.http.delete(f"/v1/{path}", headers=dashed(headers))

    def create(self, collection: str, **body: object) -> dict[str, object]:
        """Create a record that must be accepted."""
        response = self.http.post(collection_path(collection), json=body)
        assert response.status_code == 200, response.text
        return as_dict(response)

    def list(self, collection: str, **params: str | int) -> list[Mapping[str, object]]:
        """All records of a list, over all its pages."""
        found: list[Mapping[str, object]] = []
        token = ""
        while True:
            query = {**params, **({"page_token": token} if token else {})}
            response = self.http.get(collection_path(collection), params=query)
            assert response.status_code == 200, response.text
            page = as_dict(response)
            found += items(page)
            token = str(page.get("next_page_token") or "")
            if not token:
                return found

    def count(self, collection: str) -> int:
        """How many living records there are."""
        query: dict[str, str | int] = {"page_size": 1, "count": "exact"}
        response = self.http.get(collection_path(collection), params=query)
        assert response.status_code == 200, response.text
        return int(str(as_dict(response)["total_size"]))

    @contextmanager
    def client(self, path: Path) -> Iterator[Client]:
        """A client of the command line with a session of its own in the file `path`."""
        store = Store(path)
        with closing(Client(self.url, None)) as bare:
            body = {"email": self.email, "password": PASSWORD, "tenant": self.slug}
            store.save(session_from(self.url, bare.change("POST", "/v1/sessions", body)))
        with closing(Client(self.url, store)) as client:
            yield client


def as_dict(response: httpx.Response) -> dict[str, object]:
    """The JSON object of a response."""
    body = response.json()
    assert isinstance(body, dict), response.text
    return body


def dashed(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names as they are sent."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def new_tenant(platform: Platform, slug: str) -> Tenant:
    """Create a tenant as an operator does, and sign its administrator in."""
    unique = f"{slug}-{secrets.token_hex(4)}"
    email = f"admin@{unique}.example.com"
    operator = platform.operator()
    request = pb.CreateTenantRequest(
        slug=unique, name=f"{slug} 公司", admin_login="admin", admin_email=email,
        admin_password=PASSWORD,
    )  # fmt: skip
    reach = (operator["identity_target"], operator["secret"])
    made = asyncio.run(call(*reach, "CreateTenant", request))
    assert isinstance(made, pb.Tenant)
    return signed_in(platform.url(), unique, made.id, email)


def signed_in(url: str, slug: str, tenant_id: str, email: str) -> Tenant:
    """The tenant with a session of this user."""
    http = httpx.Client(base_url=url, timeout=30)
    body = {"email": email, "password": PASSWORD, "tenant": slug}
    response = http.post("/v1/sessions", json=body)
    assert response.status_code == 200, response.text
    session = as_dict(response)
    http.headers["authorization"] = f"Bearer {session['access_token']}"
    return Tenant(url, slug, tenant_id, email, session, http)


def eventually(look: Callable[[], Found], timeout_s: float = 10.0, every_s: float = 0.05) -> Found:
    """The first true value that `look` returns; AssertionError with the last one after the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {found!r}"
        time.sleep(every_s)
