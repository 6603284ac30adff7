"""What each field of a request may bear of somebody else's, and what is put there to find out.

A field without a row here fails the test that walks all requests.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from uuid import uuid4

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.codec import fields as codec_fields

# Ids, names, tokens and texts that never were, as long as those that are.
NEVER: Final = str(uuid4())
CUSTOM: Final = "custom_fields"
OUTPUT_IDS: Final = 4
FILTER_STEP: Final = 3
STRING, BYTES = FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES
FREE: Final = frozenset({"google.protobuf.Struct", "google.protobuf.FieldMask"})

IdPath: TypeAlias = tuple[FieldDescriptor, ...]


@dataclass(frozen=True)
class Belongings:
    """What somebody else has; `reference` is an own field of the caller that refers to customers,
    `asked` are the fields of the records in question that hold ids.
    """

    ids: Sequence[str]
    operations: Sequence[str] = ()
    files: Sequence[str] = ()
    tokens: Sequence[str] = ()
    # Names of own fields, names and external ids of records, unique values of fields, entity tags.
    names: Sequence[str] = ()
    texts: Sequence[str] = ()
    taken: Mapping[str, str] = field(default_factory=dict)
    etags: Sequence[str] = ()
    reference: str = ""
    asked: Sequence[str] = ()


@dataclass(frozen=True)
class Probe:
    """A value that bears something of somebody else's (`mark`), and one that bears something that
    never was. `refused`: neither may be taken. `loose`: what is answered may differ in its data.
    """

    value: object
    mark: str
    blank: object
    blank_mark: str
    refused: bool = False
    loose: bool = False


Strategy: TypeAlias = Callable[[Belongings, FieldDescriptor], Iterator[Probe]]


def never(text: str) -> str:
    """What never was, as long as the text."""
    return ("zz" + NEVER.replace("-", "") * (len(text) // 32 + 1))[: len(text)]


def ids(others: Belongings, known: FieldDescriptor) -> Iterator[Probe]:
    """Ids of records; a few where no caller sets any."""
    ignored = codec_fields.output_only(known)
    for one in others.ids[:OUTPUT_IDS] if ignored else others.ids:
        yield Probe(one, one, NEVER, NEVER, refused=not ignored)


def operations(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Ids of operations, which begin with the service; and those of records."""
    for one in (*others.operations, *others.ids):
        blank = one[:-36] + NEVER
        yield Probe(one, one, blank, blank, refused=True)


def files(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Ids of uploaded files, and paths to them."""
    for one in others.files:
        blank = one[:-8] + "00000000"
        yield Probe(one, one, blank, blank, refused=True)
        yield Probe(f"../{one}", one, f"../{blank}", blank, refused=True)


def tokens(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Tokens of pages."""
    for one in others.tokens:
        yield Probe(one, one, never(one), never(one), refused=True)


def names(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Own fields, by name."""
    for one in others.names:
        blank = never(one)
        yield Probe(f"{CUSTOM}.{one}", one, f"{CUSTOM}.{blank}", blank)


def names_and_ids(others: Belongings, known: FieldDescriptor) -> Iterator[Probe]:
    """Own fields, by name and by id."""
    yield from names(others, known)
    yield from ids(others, known)


def filters(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Conditions on every field that holds ids, on own ones too, and on those of others."""
    asked = [*others.asked, *([f"{CUSTOM}.{others.reference}"] if others.reference else [])]
    for at, name in enumerate(asked):
        # Not all in each field: an id in a filter is a value like any other.
        for one in others.ids[at % FILTER_STEP :: FILTER_STEP]:
            yield Probe(f'{name} = "{one}"', one, f'{name} = "{NEVER}"', NEVER)
    for name in others.names:
        blank = never(name)
        for sign in ("=", ":"):
            value = f'{CUSTOM}.{name} {sign} "x"'
            yield Probe(value, name, value.replace(name, blank), blank)
    for one in others.texts:
        yield Probe(f'"{one}"', one, f'"{never(one)}"', never(one))


def own_values(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """References in own fields, and own fields of others."""
    for one in others.ids if others.reference else ():
        values = [{others.reference: text} for text in (one, NEVER)]
        yield Probe(values[0], one, values[1], NEVER, refused=True)
    for one in others.names:
        blank = never(one)
        yield Probe({one: "x"}, one, {blank: "x"}, blank, refused=True)


def set_values(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Owners, as a bulk change sets them; own fields are looked at record by record, later."""
    for one in others.ids:
        yield Probe({"owner_id": one}, one, {"owner_id": NEVER}, NEVER, refused=True)


def texts(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Names of records, looked for."""
    for one in (*others.texts, *others.ids):
        yield Probe(one, one, never(one), never(one))


def taken(others: Belongings, known: FieldDescriptor) -> Iterator[Probe]:
    """Values that are unique, but not beyond the tenant."""
    one = others.taken.get(known.name)
    if one:
        blank = one.replace("aa", "yy")
        yield Probe(one, one, blank, blank, loose=True)


def etags(others: Belongings, _: FieldDescriptor) -> Iterator[Probe]:
    """Entity tags of records."""
    for one in others.etags:
        yield Probe(one, one, '"9999999"', '"9999999"', loose=True)


def nothing(_: Belongings, __: FieldDescriptor) -> Iterator[Probe]:
    """A field that names nothing of anybody's, or one that a test of its own is about."""
    yield from ()


# The tests of their own: of bulk changes, exports and imports, which go on as operations.
ELSEWHERE: Final[Mapping[str, Strategy]] = {
    "crm.chassis.v1.CreateBulkRequest.ids": nothing,
    "crm.chassis.v1.CreateBulkRequest.filter": nothing,
    "crm.chassis.v1.CreateExportRequest.filter": nothing,
    "crm.chassis.v1.ImportSpec.defaults": nothing,
    "crm.chassis.v1.ColumnMapping.values": nothing,
    "crm.chassis.v1.FileChunk.data": nothing,
}
BY_FIELD: Final[Mapping[str, Strategy]] = {
    **ELSEWHERE,
    **{
        f"crm.chassis.v1.{name}OperationRequest.id": operations
        for name in ("Get", "Cancel", "Undo")
    },
    "crm.chassis.v1.DownloadResultRequest.id": operations,
    "crm.chassis.v1.DownloadErrorsRequest.id": operations,
    "crm.chassis.v1.BulkAction.Update.fields": set_values,
    "crm.chassis.v1.Choice.field": names_and_ids,
    "crm.chassis.v1.LookupRecordsRequest.values": texts,
    # JSON of the client's own.
    "crm.identity.v1.Preferences.client": nothing,
}
BY_NAME: Final[Mapping[str, Strategy]] = {
    "id": ids, "ids": ids, "file_id": files, "filter": filters, "order_by": names,
    "fields": names, "update_mask": names, "page_token": tokens, "custom_fields": own_values,
    "etag": etags, "field": names, "match": names,
    **dict.fromkeys(
        ("external_id", "login", "code", "email", "slug", "key", "name", "number"), taken
    ),
}  # fmt: skip
# What says something of a record, a file or a wish, and names no record.
PLAIN: Final = frozenset(
    {
        "accent_colour", "add", "address", "amount", "body", "close_date", "color", "column",
        "contact_email", "contact_name", "contact_phone", "count", "country", "currency_code",
        "default_value", "description", "end_date", "engage_date", "expected_close_date",
        "external_source", "factor", "file_name", "goal", "group_by", "industry", "job_title",
        "label", "language", "life_cycle_reason",
        "lost_reason", "new_password", "old_password", "password", "phone",
        "prefix", "reason", "reference_resource", "remove", "resource", "resources", "scopes",
        "series", "settings", "sheet", "start_date", "start_page", "tags", "time_zone", "title",
        "verb", "website",
    }
)  # fmt: skip


def strategy_of(known: FieldDescriptor) -> Strategy | None:
    """What a field is tried with; None for one that nobody has thought of."""
    if known.full_name in BY_FIELD:
        return BY_FIELD[known.full_name]
    if known.name in BY_NAME:
        return BY_NAME[known.name]
    if known.name.endswith(("_id", "_ids")):
        return ids
    return nothing if known.name in PLAIN else None


def leaves(message: Descriptor, above: tuple[str, ...] = ()) -> Iterator[IdPath]:
    """Paths of all fields that can hold text, through messages and lists of them."""
    for one in message.fields:
        inner = one.message_type
        if inner is None:
            if one.type in {STRING, BYTES}:
                yield (one,)
        elif inner.full_name in FREE or inner.GetOptions().map_entry:
            yield (one,)
        elif not inner.full_name.startswith("google.") and inner.full_name not in above:
            below = leaves(codec_fields.message_of(one), (*above, message.full_name))
            yield from ((one, *rest) for rest in below)
