"""What of a change row a caller may see."""

from chassis.access.field_rules import EVERY_FIELD, FieldAccess
from chassis.custom_fields.model import NO_FIELDS, Definition, Kind, OwnFields
from chassis.history.methods import seen_changes
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


def test_values_of_sensitive_fields_are_masked_deleted_ones_too() -> None:
    fields = (
        Definition("1", "tier", "Tier", Kind.CHOICE, sensitive=True),
        Definition("2", "old", "Old", Kind.NUMBER, sensitive=True, deleted=True),
        Definition("3", "new", "New", Kind.MULTI_CHOICE),
    )
    assert list(seen_changes(View(PLAN, EVERY_FIELD, OwnFields(fields)), CHANGES))[:4] == [
        ("phone", "1", "2"),
        ("custom_fields.tier", "***", "***"),
        ("custom_fields.old", "***", None),
        ("custom_fields.new", None, ["a"]),
    ]
