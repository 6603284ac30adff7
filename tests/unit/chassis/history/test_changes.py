"""What of a change row a caller may see."""

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from chassis.access.field_rules import EVERY_FIELD, FieldAccess
from chassis.custom_fields.model import NO_FIELDS
from chassis.history.methods import MASK, seen_changes, sensitive
from chassis.resource.plan import make_plan
from chassis.resource.view import View
from services.customer.methods.customer import CUSTOMER

PLAN = make_plan(CUSTOMER)
CHANGES: dict[str, dict[str, object]] = {
    "phone": {"from": "1", "to": "2"},
    "custom_fields": {
        "from": {"tier": "gold", "area": "n", "old": 1},
        "to": {"tier": "silver", "area": "n", "new": ["a"]},
    },
    "shares": {"from": None, "to": {"user_id": "u", "level": "READ"}},
}


def test_own_fields_come_one_by_one() -> None:
    assert list(seen_changes(View(PLAN, EVERY_FIELD, NO_FIELDS), CHANGES)) == [
        ("phone", "1", "2"),
        ("custom_fields.tier", "gold", "silver"),
        ("custom_fields.old", 1, None),
        ("custom_fields.new", None, ["a"]),
        ("shares", None, {"user_id": "u", "level": "READ"}),
    ]


def test_hidden_fields_are_left_out() -> None:
    access = FieldAccess(hidden=frozenset({"phone", "custom_fields.tier"}))
    seen = seen_changes(View(PLAN, access, NO_FIELDS), CHANGES)
    assert [one[0] for one in seen] == ["custom_fields.old", "custom_fields.new", "shares"]
    access = FieldAccess(hidden=frozenset({"custom_fields"}))
    seen = seen_changes(View(PLAN, access, NO_FIELDS), CHANGES)
    assert [one[0] for one in seen] == ["phone", "shares"]


def test_sensitive_fields_are_those_that_the_proto_says() -> None:
    file = FileDescriptorProto(name="test.proto", package="test")
    message = file.message_type.add(name="Person")
    for number, name in enumerate(("name", "tax_number"), 1):
        field = message.field.add(name=name, number=number)
        field.type, field.label = FieldDescriptorProto.TYPE_STRING, field.LABEL_OPTIONAL
    message.field[1].options.debug_redact = True
    pool = DescriptorPool()
    fields = pool.AddSerializedFile(file.SerializeToString()).message_types_by_name["Person"]
    assert [sensitive(one) for one in fields.fields] == [False, True]
    assert MASK == "***"
