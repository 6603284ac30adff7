"""Which fields of a record scopes of grants go by."""

from collections.abc import Mapping
from typing import cast

from google.protobuf.descriptor import Descriptor

from chassis.codec import fields
from crm.type.v1.options_pb2 import Place, place

OWNED = Place(owner="owner_id", department="department_id")
COMPANY = "partner_company_id"
# What events and copies of a shared record say beside its fields: with whom it is shared.
GRANTEES = "grantee_ids"


def place_of(message: Descriptor) -> Place:
    """The fields of a resource that stand for owner and department, as its proto says."""
    found = fields.extension(message.GetOptions(), place)
    return cast("Place | None", found) or OWNED  # extensions are untyped in the stubs


def grantees_in(data: Mapping[str, object]) -> frozenset[str]:
    """With whom a record is shared, as its event tells."""
    told = data.get(GRANTEES)
    return frozenset(map(str, told)) if isinstance(told, list) else frozenset()
