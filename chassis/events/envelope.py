"""The envelope: a change as a CloudEvents 1.0 message on NATS (binary mode), and back. Pure."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias
from urllib.parse import quote, unquote

import orjson

from chassis.access.place import GRANTEES
from chassis.ids import is_id

PARTITIONS = 16
SPECVERSION = "1.0"
CONTENT_TYPE = "application/json"
SNAPSHOT = "snapshot"
# All printable ASCII but space, double quote and percent (CloudEvents HTTP binding 3.1.3.2).
_SAFE = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"

Record: TypeAlias = tuple[str, str, str]


class EnvelopeError(Exception):
    """A message that is no event of ours; `args[0]` says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the change table; `changes` and `representation` are JSON objects."""

    tenant_id: str
    id: str
    seq: int
    resource: str
    record_id: str
    version: int
    event: str
    actor_id: str
    through: str
    cause_id: str
    request_id: str
    traceparent: str
    changes: str
    representation: str | None
    lane: int
    create_time: datetime
    # With whom the record is shared when the change is read.
    grantee_ids: tuple[str, ...] = ()

    @property
    def record(self) -> Record:
        """What its order is about: tenant, resource, record."""
        return self.tenant_id, self.resource, self.record_id


@dataclass(frozen=True, slots=True)
class Message:
    """A change as it goes to the broker."""

    change: Change
    subject: str
    headers: dict[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """One change as a consumer gets it; `data` is the record after it, with `changes`.

    `name` is "snapshot" when the record's state stands in for changes that nobody has any more.
    `headers` are those it came with: they and the data make the same event again.
    """

    id: str
    tenant_id: str
    service: str
    resource: str
    name: str
    record_id: str
    version: int
    time: datetime
    actor_id: str
    through: str
    cause_id: str
    data: dict[str, object]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def traceparent(self) -> str:
        """The trace context of the change, "" without one."""
        return self.headers.get("ce-traceparent", "")

    @property
    def record(self) -> Record:
        """What its order is about: tenant, resource, record."""
        return self.tenant_id, self.resource, self.record_id


def partition(record_id: str) -> int:
    """The partition of a record, 0 to 15."""
    return zlib.crc32(record_id.encode()) % PARTITIONS


def subject(service: str, change: Change) -> str:
    """Where the event goes: crm.<tenant>.<service>.<pp>.<resource>.<event>."""
    place = f"{partition(change.record_id):02d}"
    return f"crm.{change.tenant_id}.{service}.{place}.{change.resource}.{change.event}"


def to_message(service: str, change: Change) -> Message:
    """The event of a change, as the relay publishes it."""
    headers = {
        "Nats-Msg-Id": change.id,
        "ce-specversion": SPECVERSION,
        "ce-id": change.id,
        "ce-source": f"/crm/{service}",
        "ce-type": f"crm.{service}.v1.{change.resource}.{change.event}",
        "ce-subject": change.record_id,
        "ce-time": timestamp(change.create_time),
        "ce-datacontenttype": CONTENT_TYPE,
        "ce-tenantid": change.tenant_id,
        "ce-resource": change.resource,
        "ce-recordversion": str(change.version),
    }
    extensions = {
        "ce-actorid": change.actor_id,
        "ce-through": change.through,
        "ce-causeid": change.cause_id,
        "ce-correlationid": change.request_id,
        "ce-traceparent": change.traceparent,
    }
    # CloudEvents knows no empty attribute: what is empty is left out.
    headers |= {name: quote(value, safe=_SAFE) for name, value in extensions.items() if value}
    data = event_data(change.representation, change.changes, change.grantee_ids)
    return Message(change, subject(service, change), headers, data)


def event_data(representation: str | None, changes: str, grantee_ids: Sequence[str] = ()) -> bytes:
    """The JSON data: representation, `grantee_ids` when there are some, and `changes`, joined as
    text so that no number is reread.
    """
    opening = (representation or "{}").rstrip()[:-1].rstrip()
    comma = "" if opening.endswith("{") else ", "
    shared = f'"{GRANTEES}": {orjson.dumps(grantee_ids).decode()}, ' if grantee_ids else ""
    return f'{opening}{comma}{shared}"changes": {changes}}}'.encode()


def from_message(headers: Mapping[str, str] | None, data: bytes) -> Event:
    """The event in a message; anything else raises EnvelopeError."""
    if not headers or headers.get("ce-specversion") != SPECVERSION:
        raise EnvelopeError("not a CloudEvents 1.0 message")
    service, resource, name = _parse_type(headers.get("ce-type", ""))
    return Event(
        id=_id(headers.get("ce-id", ""), "ce-id"),
        tenant_id=_id(headers.get("ce-tenantid", ""), "ce-tenantid"),
        service=service,
        resource=resource,
        name=name,
        record_id=_id(headers.get("ce-subject", ""), "ce-subject"),
        version=_version(headers.get("ce-recordversion", "")),
        time=parse_time(headers.get("ce-time", "")),
        actor_id=unquote(headers.get("ce-actorid", "")),
        through=unquote(headers.get("ce-through", "")),
        cause_id=unquote(headers.get("ce-causeid", "")),
        data=parse_data(data),
        headers=dict(headers),
    )


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """An aware time from RFC 3339."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise EnvelopeError(f"no time: {text!r}") from None
    if moment.tzinfo is None:
        raise EnvelopeError(f"a time without a zone: {text!r}")
    return moment.astimezone(UTC)


def parse_data(data: bytes) -> dict[str, object]:
    """The JSON object of an event."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise EnvelopeError(f"data is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise EnvelopeError("data is not a JSON object")
    return value


def _parse_type(text: str) -> tuple[str, str, str]:
    parts = text.split(".")
    if len(parts) != 5 or parts[0] != "crm" or parts[2] != "v1" or not all(parts):
        raise EnvelopeError(f"not a type of ours: {text!r}")
    return parts[1], parts[3], parts[4]


def _id(text: str, name: str) -> str:
    if not is_id(text):
        raise EnvelopeError(f"{name} is no id: {text!r}")
    return text.lower()


def _version(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**63:
        raise EnvelopeError(f"no version: {text!r}")
    return int(text)
