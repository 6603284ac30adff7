"""What goes out as JSON comes back as the same message, for every message of the contracts."""

from typing import cast

import orjson
import pytest
from google.longrunning.operations_pb2 import Operation
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.codec import decoder, encoder
from crm.chassis.v1.import_pb2 import ImportSpec
from crm.chassis.v1.operation_pb2 import OperationMetadata, OperationResult
from crm.customer.v1.customer_pb2 import Customer
from crm.identity.v1.user_pb2 import User
from services.gateway.parse import parse_json
from tests.unit.chassis.codec.messages import message_types, messages

TYPES = sorted(message_types(), key=lambda item: item.DESCRIPTOR.full_name)


@pytest.mark.parametrize("message_type", TYPES, ids=lambda item: item.DESCRIPTOR.full_name)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_message_comes_back(message_type: type[Message], data: st.DataObject) -> None:
    descriptor = cast("Descriptor", message_type.DESCRIPTOR)  # typed as a union there
    message = data.draw(messages(descriptor))
    body = orjson.dumps(encoder(message_type)(message))
    back = decoder(message_type, allow_output_only=True)(parse_json(body))
    assert back == message


def test_every_field_is_there_and_unset_ones_are_null() -> None:
    data = encoder(Customer)(Customer(name="Ada", kind=Customer.PERSON))
    assert set(data) == {field.name for field in Customer.DESCRIPTOR.fields}
    assert data["founded_year"] is None
    assert data["annual_revenue"] is None
    assert data["create_time"] is None
    assert data["phone"] == ""
    assert data["kind"] == "PERSON"


def test_unknown_enum_number_stays_a_number() -> None:
    assert encoder(Customer)(Customer.FromString(b"\x10\x4d"))["kind"] == 77


def test_input_only_fields_never_come_out() -> None:
    assert "password" not in encoder(User)(User(name="Ada", password="correct horse battery"))


def test_values_agree_with_protobuf_json() -> None:
    customer = Customer(id="1", name="客户", kind=Customer.COMPANY, founded_year=1999)
    customer.create_time.FromJsonString("2026-01-31T08:00:00.25Z")
    customer.annual_revenue.currency_code = "CNY"
    reference = json_format.MessageToDict(customer, preserving_proto_field_name=True)
    ours = encoder(Customer)(customer)
    assert {key: ours[key] for key in reference} == {
        **reference,
        "create_time": "2026-01-31T08:00:00.250000Z",
        "annual_revenue": {"currency_code": "CNY", "amount": ""},
    }


def test_operation_carries_its_packed_messages() -> None:
    operation = Operation(name="operations/sales-1", done=True)
    operation.metadata.Pack(OperationMetadata(id="sales-1", state=OperationMetadata.SUCCEEDED))
    operation.response.Pack(OperationResult(created=3))
    data = encoder(Operation)(operation)
    metadata, response = data["metadata"], data["response"]
    assert isinstance(metadata, dict)
    assert isinstance(response, dict)
    assert metadata["@type"] == "type.googleapis.com/crm.chassis.v1.OperationMetadata"
    assert (metadata["state"], response["created"], data["error"]) == ("SUCCEEDED", 3, None)
    assert decoder(Operation)(data) == operation


def test_packed_message_of_unknown_type_keeps_its_bytes() -> None:
    operation = Operation()
    operation.metadata.type_url = "type.googleapis.com/crm.none.v1.None"
    operation.metadata.value = b"\x01"
    packed = encoder(Operation)(operation)["metadata"]
    assert packed == {"@type": "type.googleapis.com/crm.none.v1.None", "value": "AQ=="}


def test_map_keys_and_nested_messages_come_back() -> None:
    spec = ImportSpec(resource="customers", defaults={"kind": "COMPANY"})
    spec.columns.add(column="名称", field="name", values={"甲": "乙"})
    assert decoder(ImportSpec)(encoder(ImportSpec)(spec)) == spec
