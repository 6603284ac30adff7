"""The API answers as its description says, whatever is sent: schemathesis with all its checks.

SCHEMATHESIS_CASES says how many requests (5,000), SCHEMATHESIS_SEED with which seed (1);
`make schemathesis` sends 50,000.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.contract.generated import (
    CASES,
    FAILURES_SHOWN,
    LEFT_OUT,
    SEED,
    Renewed,
    Sender,
    operations_of,
    run,
)
from tests.contract.known import make_known
from tests.contract.rules import PROBLEM_KEYS
from tests.live import PASSWORD, Tenant, as_dict, eventually, signed_in

VERBS = ["READ", "CREATE", "UPDATE", "DELETE", "ASSIGN", "SHARE", "EXPORT", "IMPORT"]
LISTS = ("customers", "contacts", "opportunities", "campaigns", "campaign_members")


@pytest.fixture(scope="module")
def document(tenant: Tenant) -> dict[str, object]:
    """The description as it is served."""
    return as_dict(tenant.http.get("/openapi.json"))


@pytest.fixture(scope="module")
def seller(tenant: Tenant) -> Iterator[Tenant]:
    """Somebody who may work with records, but only with his own."""
    grants = [{"resource": one, "verbs": VERBS, "scope": "OWN"} for one in LISTS]
    role = tenant.create("roles", name="seller", grants=grants)
    email = f"seller@{tenant.slug}.example.com"
    tenant.create("users", name="seller", email=email, password=PASSWORD, role_ids=[role["id"]])
    made = signed_in(tenant.url, tenant.slug, tenant.id, email)
    yield made
    made.http.close()


@pytest.mark.timeout(7200)
@pytest.mark.filterwarnings("ignore")  # those of the generator are not ours to mend
def test_every_answer_is_as_described(
    tenant: Tenant, seller: Tenant, document: dict[str, object], figures: list[str]
) -> None:
    callers = Renewed(lambda: _token(tenant)), Renewed(lambda: _token(seller))
    sender = Sender(tenant.url, callers, make_known(tenant))
    operations = operations_of(document)
    run(operations, sender)
    tally = sender.tally
    failures = list(tally.failures.items())
    shown = "\n\n".join(f"## {what}\n{text}" for what, text in failures[:FAILURES_SHOWN])
    assert not failures, f"{len(failures)} kinds of failure with SCHEMATHESIS_SEED={SEED}\n{shown}"
    assert tally.total >= CASES
    assert len(tally.sent) == len(operations)
    assert tally.statuses[401] < tally.total // 10, "the callers were signed out meanwhile"
    by_status = ", ".join(
        f"{status}: {count:,}" for status, count in sorted(tally.statuses.items())
    )
    figures.append(
        f"schemathesis: {tally.total:,} requests to {len(operations)} operations ({by_status})"
    )


def test_what_is_left_out_is_little(document: dict[str, object]) -> None:
    paths = document["paths"]
    assert isinstance(paths, dict)
    names = {one["operationId"] for item in paths.values() for one in item.values()}
    assert set(LEFT_OUT) <= names
    assert len(LEFT_OUT) == 2


def test_the_live_stream_answers_as_described(tenant: Tenant) -> None:
    with tenant.http.stream("GET", "/v1/events") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert next(response.iter_raw()).startswith(b"retry: ")
    _refused(tenant.http.get("/v1/events", params={"last_event_id": "x"}), 400)
    _refused(tenant.http.get("/v1/events", headers={"last-event-id": "-1"}), 400)
    _refused(httpx.get(f"{tenant.url}/v1/events"), 401)
    _refused(tenant.http.put("/v1/events"), 405)


def test_the_end_of_a_session_answers_as_described(tenant: Tenant) -> None:
    another = signed_in(tenant.url, tenant.slug, tenant.id, tenant.email)
    path = "/v1/sessions/current"
    _refused(httpx.delete(f"{tenant.url}{path}"), 401)
    done = another.http.delete(path)
    assert (done.status_code, done.json()) == (200, {})
    _refused(another.http.delete(path), 401)
    another.http.close()


def _token(who: Tenant) -> str:
    """A new session's; wrong sign-ins among what is generated may make this one wait."""
    body = {"email": who.email, "password": PASSWORD, "tenant": who.slug}

    def answer() -> httpx.Response | None:
        response = httpx.post(f"{who.url}/v1/sessions", json=body, timeout=30)
        return None if response.status_code == httpx.codes.TOO_MANY_REQUESTS else response

    given = eventually(answer, timeout_s=120, every_s=1.0)
    assert given is not None
    assert given.status_code == httpx.codes.OK
    return str(as_dict(given)["access_token"])


def _refused(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert set(as_dict(response)) == PROBLEM_KEYS
