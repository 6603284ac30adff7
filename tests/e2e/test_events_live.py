"""Live events: who learns of what, and going on after a lost connection."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue

import httpx
import pytest

from cli.events import RELEASE, Event, parse
from deploy.local.platform import Platform
from tests.live import PASSWORD, Tenant, as_dict

WITHIN_S = 5.0


class Listener:
    """Reads a stream in a thread; `next` waits for an event."""

    def __init__(self, response: httpx.Response) -> None:
        self.events: Queue[Event] = Queue()
        self._response = response
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def next(self, timeout_s: float = WITHIN_S) -> Event:
        """The next event; queue.Empty after the time."""
        return self.events.get(timeout=timeout_s)

    def until(self, record_id: object, timeout_s: float = WITHIN_S) -> Event:
        """The next event of one record."""
        deadline = time.monotonic() + timeout_s
        while True:
            event = self.next(max(0.01, deadline - time.monotonic()))
            if json.loads(event.data)["id"] == record_id:
                return event

    def _read(self) -> None:
        try:
            for event in parse(self._response.iter_lines()):
                if event.name != RELEASE:
                    self.events.put(event)
        except httpx.HTTPError:
            return  # the test closes the connection


@contextmanager
def listening(url: str, token: object, last: str = "") -> Iterator[Listener]:
    """An open stream."""
    headers = {"authorization": f"Bearer {token}"} | ({"last-event-id": last} if last else {})
    with (
        httpx.Client(base_url=url, headers=headers, timeout=30) as http,
        http.stream("GET", "/v1/events") as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Listener(response)


def test_changes_are_told_at_once(tenant: Tenant) -> None:
    with listening(tenant.url, tenant.session["access_token"]) as listener:
        customer = tenant.create("customers", name="张三丰")
        created = listener.until(customer["id"])
        assert created.name == "customer.created"
        data = json.loads(created.data)
        assert (data["resource"], data["version"], data["event"]) == ("customer", 1, "created")
        assert "张三丰" not in created.data  # outside is projected: clients read again
        tenant.patch(f"customers/{customer['id']}", {"phone": "1"})
        assert json.loads(listener.until(customer["id"]).data)["version"] == 2
        tenant.delete(f"customers/{customer['id']}")
        assert listener.until(customer["id"]).name == "customer.deleted"


def test_a_stream_goes_on_where_it_broke_off(tenant: Tenant) -> None:
    token = tenant.session["access_token"]
    with listening(tenant.url, token) as listener:
        last = listener.until(tenant.create("customers", name="before")["id"]).id
    missed = [tenant.create("customers", name=f"missed {number}")["id"] for number in range(20)]
    with listening(tenant.url, token, last) as listener:
        after = tenant.create("customers", name="after")["id"]
        told = [json.loads(listener.next().data)["id"] for _ in range(21)]
    assert told == [*missed, after]


def test_other_tenants_learn_nothing(tenant: Tenant, other_tenant: Tenant) -> None:
    with listening(other_tenant.url, other_tenant.session["access_token"]) as listener:
        tenant.create("customers", name="secret")
        own = other_tenant.create("customers", name="own")
        assert json.loads(listener.next().data)["id"] == own["id"]


def test_a_position_of_another_tenant_leads_to_nothing_of_his(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    with listening(tenant.url, tenant.session["access_token"]) as listener:
        position = listener.until(tenant.create("customers", name="here")["id"]).id
    own = [other_tenant.create("customers", name=f"own {number}")["id"] for number in range(3)]
    tenant.create("customers", name="between")
    for last in (position, str(int(position) - 1)):
        with listening(other_tenant.url, other_tenant.session["access_token"], last) as listener:
            assert [json.loads(listener.next().data)["id"] for _ in own] == own
            after = other_tenant.create("customers", name="after")["id"]
            own.append(after)
            assert json.loads(listener.next().data)["id"] == after


def test_grants_decide_what_is_told(tenant: Tenant) -> None:
    roles = {str(one["name"]): str(one["id"]) for one in tenant.list("roles")}
    user = tenant.create("users", name="Li Na", password=PASSWORD, role_ids=[roles["Salesperson"]])
    who = {"login": user["login"], "tenant": tenant.slug, "password": PASSWORD}
    session = as_dict(httpx.post(f"{tenant.url}/v1/sessions", json=who))
    headers = {"authorization": f"Bearer {session['access_token']}"}
    with listening(tenant.url, session["access_token"]) as listener:
        tenant.create("customers", name="the administrator's")
        own = as_dict(
            httpx.post(f"{tenant.url}/v1/customers", json={"name": "own"}, headers=headers)
        )
        event = listener.next()
        while json.loads(event.data)["resource"] != "customer":
            event = listener.next()
        assert json.loads(event.data)["id"] == own["id"]


def test_a_stream_ends_with_its_session(tenant: Tenant) -> None:
    who = {"email": tenant.email, "password": PASSWORD, "tenant": tenant.slug}
    token = as_dict(httpx.post(f"{tenant.url}/v1/sessions", json=who))["access_token"]
    with listening(tenant.url, token) as listener:
        headers = {"authorization": f"Bearer {token}"}
        httpx.delete(f"{tenant.url}/v1/sessions/current", headers=headers)
        time.sleep(WITHIN_S)
        customer = tenant.create("customers", name="after sign-out")
        with pytest.raises(Empty):
            listener.until(customer["id"], timeout_s=2.0)


@pytest.mark.parametrize("position", ["abc", "-1", "9" * 30])
def test_positions_that_are_none(tenant: Tenant, position: str) -> None:
    response = tenant.http.get("/v1/events", headers={"last-event-id": position})
    assert response.status_code == 400, response.text


def test_a_position_long_gone_starts_over(tenant: Tenant, whole_platform: Platform) -> None:
    token = tenant.session["access_token"]
    with listening(whole_platform.url(), token, "999999999") as listener:
        assert listener.next().name == "reset"
