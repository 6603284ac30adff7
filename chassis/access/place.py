"""Which fields of a record scopes of grants go by."""

from typing import cast

from google.protobuf.descriptor import Descriptor

from chassis.codec import fields
from crm.type.v1.options_pb2 import Place, place

OWNED = Place(owner="owner_id", department="department_id")
COMPANY = "partner_company_id"


def place_of(message: Descriptor) -> Place:
    """The fields of a resource that stand for owner and department, as its proto says."""
    found = fields.extension(message.GetOptions(), place)
    return cast("Place | None", found) or OWNED  # extensions are untyped in the stubs
