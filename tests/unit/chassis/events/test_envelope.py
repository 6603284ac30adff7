"""The envelope goes there and back, whatever the values, and refuses what is no event."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.events.envelope import (
    Change,
    EnvelopeError,
    from_message,
    subject,
    to_message,
)

ids = st.uuids().map(str)
words = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts.filter(lambda name: name != "changes"), json_values, max_size=5)
changes = st.builds(
    Change,
    tenant_id=ids,
    id=ids,
    seq=st.just(1),
    resource=words,
    record_id=ids,
    version=st.integers(1, 2**63 - 1),
    event=words,
    actor_id=texts,
    through=texts,
    cause_id=texts,
    request_id=texts,
    traceparent=texts,
    changes=objects.map(lambda value: orjson.dumps(value).decode()),
    representation=st.none() | objects.map(lambda value: orjson.dumps(value).decode()),
    lane=st.just(0),
    create_time=st.datetimes(timezones=st.just(UTC)),
)


@settings(max_examples=60, deadline=None)
@given(changes)
def test_event_survives_the_message(change: Change) -> None:
    message = to_message("sales", change)
    assert all(value.isascii() and value.isprintable() for value in message.headers.values())
    event = from_message(message.headers, message.data)
    assert (event.id, event.tenant_id, event.record_id) == (
        change.id,
        change.tenant_id,
        change.record_id,
    )
    assert (event.service, event.resource, event.name) == ("sales", change.resource, change.event)
    assert (event.version, event.time) == (change.version, change.create_time)
    assert (event.actor_id, event.through, event.cause_id) == (
        change.actor_id,
        change.through,
        change.cause_id,
    )
    expected = orjson.loads(change.representation or "{}")
    assert event.data == expected | {"changes": orjson.loads(change.changes)}
    assert from_message(event.headers, orjson.dumps(event.data)) == event


def make(**values: object) -> Change:
    fields: dict[str, object] = {
        "tenant_id": str(UUID(int=1)),
        "id": str(UUID(int=2)),
        "seq": 1,
        "resource": "opportunity",
        "record_id": str(UUID(int=3)),
        "version": 4,
        "event": "won",
        "actor_id": "",
        "through": "user",
        "cause_id": "",
        "request_id": "",
        "traceparent": "",
        "changes": "{}",
        "representation": '{ "name" : "x" }',
        "lane": 0,
        "create_time": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return Change(**{**fields, **values})  # type: ignore[arg-type]  # the fields by name


def test_data_says_with_whom_a_record_is_shared() -> None:
    assert orjson.loads(to_message("sales", make(grantee_ids=("a", "b"))).data) == {
        "name": "x", "grantee_ids": ["a", "b"], "changes": {},
    }  # fmt: skip
    bare = make(representation=None, grantee_ids=("a",))
    assert orjson.loads(to_message("sales", bare).data) == {"grantee_ids": ["a"], "changes": {}}


def test_subject_and_headers_are_as_documented() -> None:
    message = to_message("sales", make())
    assert subject("sales", make()) == (f"crm.{UUID(int=1)}.sales.03.opportunity.won")
    assert message.headers["ce-type"] == "crm.sales.v1.opportunity.won"
    assert message.headers["ce-source"] == "/crm/sales"
    assert message.headers["Nats-Msg-Id"] == str(UUID(int=2))
    assert "ce-traceparent" not in message.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce-specversion", "0.3"),
        ("ce-type", "crm.sales.v2.lead.created"),
        ("ce-type", "lead"),
        ("ce-id", "7"),
        ("ce-tenantid", ""),
        ("ce-subject", "x"),
        ("ce-recordversion", "-1"),
        ("ce-recordversion", "0"),
        ("ce-time", "yesterday"),
        ("ce-time", "2026-01-01T00:00:00"),
    ],
)
def test_bad_header_is_refused(name: str, value: str) -> None:
    message = to_message("sales", make())
    with pytest.raises(EnvelopeError):
        from_message({**message.headers, name: value}, message.data)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"1", b"\xff"])
def test_bad_data_is_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        from_message(to_message("sales", make()).headers, data)


def test_no_headers_are_refused() -> None:
    with pytest.raises(EnvelopeError):
        from_message(None, b"{}")
