"""The gateway's small parts: rate limits, queries, settings, revocations, the feed."""

import pytest

from chassis.errors import InvalidArgument, ResourceExhausted
from chassis.events.feed import Told
from chassis.settings import SettingsError
from crm.type.v1.requests_pb2 import GetRequest, ListRequest
from services.gateway.query import query_reader, single
from services.gateway.ratelimit import BUCKETS_MAX, RateLimiter
from services.gateway.revocation import Revocations
from services.gateway.ring import RING_EVENTS, Ring, event_of
from services.gateway.settings import gateway_settings
from services.gateway.upstream import Throttle, _pause_s

ENVIRONMENT = {
    "HTTP_LISTEN": "127.0.0.1:8080",
    "NATS_URL": "nats://x",
    "SERVICE_SECRET": "s",
    "IDENTITY_TARGET": "a:1",
    "CUSTOMER_TARGET": "a:2",
    "SALES_TARGET": "a:3",
    "MARKETING_TARGET": "a:4",
    "REPORTING_TARGET": "a:5",
}


def test_settings_are_read_and_checked() -> None:
    settings = gateway_settings(ENVIRONMENT)
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.targets["sales"] == "a:3"
    for name, value in (("RATE_LIMIT_PER_SECOND", "0"), ("HTTP_LISTEN", "x"), ("NATS_URL", "")):
        with pytest.raises(SettingsError):
            gateway_settings({**ENVIRONMENT, name: value})


def test_bucket_fills_with_time() -> None:
    limiter = RateLimiter(10)
    for _ in range(20):
        limiter.take("t", 0.0)
    with pytest.raises(ResourceExhausted):
        limiter.take("t", 0.0)
    assert limiter.take("t", 0.5) == '"default";r=4;t=1'
    assert limiter.take("other", 0.5) == '"default";r=19;t=1'


def test_buckets_are_bounded() -> None:
    limiter = RateLimiter(1)
    for number in range(BUCKETS_MAX + 5):
        limiter.take(str(number), 0.0)
    assert len(limiter._buckets) == BUCKETS_MAX


def test_query_is_read_by_type_and_leaves_out_what_the_path_says() -> None:
    read = query_reader(ListRequest, ())
    assert read(b"page_size=5&show_deleted=false&filter=a+b%20c") == {
        "page_size": 5,
        "show_deleted": False,
        "filter": "a b c",
    }
    assert read(b"page_size=abc") == {"page_size": "abc"}
    assert read(b"") == {}
    with pytest.raises(InvalidArgument):
        query_reader(GetRequest, {"id"})(b"id=5")
    assert single(b"a=1", {"a"}) == {"a": "1"}
    for bad in (b"b=1", b"a=1&a=2", b"a=%ff", "a=é".encode("latin-1")):
        with pytest.raises(InvalidArgument):
            single(bad, {"a"})


def test_retries_stop_while_most_calls_fail() -> None:
    throttle = Throttle()
    assert [throttle.failed() for _ in range(12)] == [True] * 9 + [False] * 3
    for _ in range(40):
        throttle.succeeded()
    assert throttle.failed()


def test_pauses_grow_up_to_half_a_second() -> None:
    assert [_pause_s(attempt, lambda: 1.0) for attempt in (1, 2, 3, 9)] == [0.05, 0.1, 0.2, 0.5]
    assert _pause_s(1, lambda: 0.0) == 0.025


def delivery(subject: str, data: bytes, sequence: int = 1) -> Told:
    headers = {"ce-time": "now", "ce-subject": "c", "ce-recordversion": "3"}
    return Told(sequence, subject, headers, data)


def test_revocations_forget_what_they_must() -> None:
    done: list[str] = []
    revocations = Revocations(
        drop_session=lambda session: done.append(f"session {session}"),
        drop_tenant=(lambda tenant: done.append(f"tenant {tenant}"),),
        drop_all=(lambda: done.append("all"),),
    )
    revocations.handle(delivery("crm.t.identity.01.session.revoked", b'{"id": "s"}'))
    revocations.handle(delivery("crm.t.identity.01.session.created", b'{"id": "s"}'))
    revocations.handle(delivery("crm.t.identity.01.client_token.revoked", b'{"id": "c"}'))
    revocations.handle(delivery("crm.t.identity.01.api_client.secret_removed", b"{}"))
    revocations.handle(delivery("crm.t.identity.01.role.updated", b"{}"))
    revocations.handle(delivery("crm.t.identity.01.session.deleted", b"broken"))
    revocations.handle(delivery("crm.t.identity.01.tenant.updated", b"{}"))
    revocations.handle(delivery("other", b"{}"))
    revocations.lost(5)
    ends = ["session s", "session c", "tenant t", "tenant t", "tenant t", "tenant t", "all"]
    assert done == ends


def test_events_carry_version_and_scope() -> None:
    data = b'{"owner_id": "o", "department_id": null}'
    event = event_of(delivery("crm.t.sales.01.lead.converted", data, 9))
    assert event is not None
    assert (event.id, event.version, event.owner_id, event.department_id) == ("c", 3, "o", "")
    assert event.frame().startswith(b"id: 9\nevent: lead.converted\ndata: {")
    for odd in (b"[]", b"x"):
        assert event_of(delivery("crm.t.sales.01.lead.converted", odd)) is None
    assert event_of(Told(1, "crm.t.sales.01.lead.converted", {}, data)) is None
    assert event_of(delivery("crm.t.sales", data)) is None


def test_ring_reaches_back_as_far_as_it_is_complete() -> None:
    feed = Ring()
    assert feed.since(5, "t") is None
    feed.lost(101)
    assert feed.since(100, "t") == []
    assert feed.since(99, "t") is None
    for sequence in range(101, 101 + RING_EVENTS + 10):
        tenant = "t" if sequence % 2 else "other"
        feed.handle(delivery(f"crm.{tenant}.sales.01.lead.updated", b'{"id": "l"}', sequence))
    last = 110 + RING_EVENTS
    assert feed.last_sequence == last
    assert feed.since(109, "t") is None
    found = feed.since(last - 4, "t")
    assert found is not None
    assert [event.sequence for event in found] == [last - 3, last - 1]
    assert feed.since(last + 1, "t") is None
