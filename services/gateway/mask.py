"""Which fields a PATCH body changes, as the paths of an update mask (AIP-134)."""

from collections.abc import Callable, Mapping
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.codec import fields

Paths = Callable[[object], list[str]]
# They say which record is changed, and from which version on.
KEYS = frozenset({"id", "etag"})


def paths(message_type: type[Message]) -> Paths:
    """The function that lists the paths a body of this type sends.

    A nested object that has every field of its message, or is null, counts whole ("amount"); one
    with only some of them counts by field ("amount.amount"). Anything but an object has no paths.
    """
    return _paths(fields.descriptor_of(message_type))


def batch_paths(request: type[Message]) -> Callable[[object], None] | None:
    """For batches of changes: the function that fills in the masks that a body's requests lack."""
    requests = fields.descriptor_of(request).fields_by_name.get("requests")
    one = requests.message_type if requests is not None else None
    if one is None or "update_mask" not in one.fields_by_name:
        return None
    record = next(field for field in one.fields if field.message_type)
    list_paths = _paths(fields.message_of(record))

    def fill(body: object) -> None:
        requests = body.get("requests") if isinstance(body, Mapping) else None
        for item in requests if isinstance(requests, list) else ():
            if isinstance(item, dict) and "update_mask" not in item:
                sent = list_paths(item.get(record.name))
                item["update_mask"] = ",".join(path for path in sent if path not in KEYS)

    return fill


@cache
def _paths(message: Descriptor) -> Paths:
    nested = {field.name: field.message_type for field in message.fields if _is_nested(field)}

    def list_paths(data: object) -> list[str]:
        if not isinstance(data, Mapping):
            return []
        result: list[str] = []
        for key, value in data.items():
            inner = nested.get(key)
            if inner is None or not isinstance(value, Mapping) or not _is_partial(inner, value):
                result.append(key)
            else:
                result.extend(f"{key}.{path}" for path in _paths(inner)(value))
        return result

    return list_paths


def _is_nested(field: FieldDescriptor) -> bool:
    """Whether single fields of the field's value can be changed."""
    message = field.message_type
    if message is None or field.is_repeated or message.file.package == "google.protobuf":
        return False
    return not fields.is_map(field)


def _is_partial(message: Descriptor, value: Mapping[str, object]) -> bool:
    return bool(value) and len(value) < len(message.fields)
