"""What a decoder refuses, and the path it names."""

import pytest
from google.longrunning.operations_pb2 import Operation
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue

from chassis.codec import decoder, encoder
from chassis.errors import InvalidArgument
from crm.chassis.v1.import_pb2 import ImportSpec
from crm.chassis.v1.operation_pb2 import FileChunk, OperationMetadata
from crm.customer.v1.customer_pb2 import Customer, UpdateCustomerRequest
from crm.identity.v1.role_pb2 import Role
from crm.reporting.v1.report_pb2 import PipelineGroup
from services.gateway.mask import paths

LONG = "9" * 30


def refusal(message_type: type, data: object, **options: bool) -> dict[str, str]:
    with pytest.raises(InvalidArgument) as caught:
        decoder(message_type, **options)(data)
    assert caught.value.reason == "INVALID_FIELDS"
    return dict(caught.value.fields)


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        ([], "$", "must be an object"),
        (None, "$", "must be an object"),
        ({"nmae": "x"}, "nmae", "is unknown"),
        ({"nmae": None}, "nmae", "is unknown"),
        ({"\ud800名": 1}, "\\ud800\\u540d", "is unknown"),
        ({"name": 1}, "name", "must be a string"),
        ({"name": {"a": 1}}, "name", "must be a string"),
        ({"name": "a\0b"}, "name", "must not contain NUL"),
        ({"name": "a\ud800"}, "name", "must be valid Unicode"),
        ({"founded_year": "1999"}, "founded_year", "must be an integer"),
        ({"founded_year": 1999.5}, "founded_year", "must be an integer"),
        ({"founded_year": True}, "founded_year", "must be an integer"),
        ({"founded_year": 2**31}, "founded_year", "must lie between -2147483648 and 2147483647"),
        ({"kind": 1}, "kind", "must be one of KIND_UNSPECIFIED, COMPANY, PERSON"),
        ({"kind": "company"}, "kind", "must be one of KIND_UNSPECIFIED, COMPANY, PERSON"),
        ({"id": "x"}, "id", "is read-only"),
        ({"etag": None}, "etag", "is read-only"),
        ({"annual_revenue": 5}, "annual_revenue", "must be an object"),
        ({"annual_revenue": {"amount": 5}}, "annual_revenue.amount", "must be a string"),
        ({"annual_revenue": {"cents": 5}}, "annual_revenue.cents", "is unknown"),
    ],
)
def test_customer_refuses(data: object, path: str, problem: str) -> None:
    assert refusal(Customer, data) == {path: problem}


def test_every_mistake_is_named() -> None:
    found = refusal(Customer, {"name": 1, "kind": "x", "bogus": 1, "annual_revenue": {"amount": 1}})
    assert set(found) == {"name", "kind", "bogus", "annual_revenue.amount"}


def test_at_most_a_hundred_mistakes_are_named() -> None:
    assert len(refusal(Customer, {f"k{number}": 1 for number in range(500)})) == 100
    many = {"grants": [{"verbs": [1] * 500}]}
    assert len(refusal(Role, many)) == 100


def test_null_means_unset() -> None:
    assert decoder(Customer)({"name": None, "founded_year": None}) == Customer()


def test_output_only_fields_are_taken_from_events() -> None:
    decode = decoder(Customer, allow_output_only=True)
    assert decode({"id": "x", "delete_time": None}) == Customer(id="x")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T08:00:00",
        "2026-02-30T08:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T08:00:60Z",
        "2026-01-31 08:00:00Z",
        "2026-01-31T08:00:00.1234567890Z",
        "0001-01-01T00:00:00+01:00",
        "２０２６-01-31T08:00:00Z",
        "",
    ],
)
def test_bad_times_are_refused(text: str) -> None:
    found = refusal(Customer, {"create_time": text}, allow_output_only=True)
    assert found == {"create_time": 'must be an RFC 3339 time such as "2026-01-31T08:00:00Z"'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31t08:00:00z", "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00:00.5+08:00", "2026-01-31T00:00:00.500000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_come_out_in_utc(text: str, expected: str) -> None:
    customer = decoder(Customer, allow_output_only=True)({"create_time": text})
    assert encoder(Customer)(customer)["create_time"] == expected


@pytest.mark.parametrize("value", ["###", "YQ", "YQ=", "Y Q==", "é", 5])
def test_bad_base64_is_refused(value: object) -> None:
    assert set(refusal(FileChunk, {"data": value})) == {"data"}


@pytest.mark.parametrize("value", ["0.5", float("inf"), float("nan"), True, 2**60, int(LONG)])
def test_bad_numbers_are_refused(value: object) -> None:
    assert refusal(PipelineGroup, {"win_rate": value}) == {"win_rate": "must be a number"}


def test_an_integer_may_have_a_zero_fraction() -> None:
    assert decoder(Customer)({"name": "x", "founded_year": 1999.0}).founded_year == 1999  # type: ignore[attr-defined]  # the message is a Customer


def test_number_takes_an_integer() -> None:
    assert decoder(PipelineGroup)({"win_rate": 1}) == PipelineGroup(win_rate=1.0)


def test_non_finite_numbers_come_out_as_null() -> None:
    assert encoder(PipelineGroup)(PipelineGroup(win_rate=float("nan")))["win_rate"] is None


def test_int64_is_a_number_in_its_range() -> None:
    assert decoder(PipelineGroup)({"count": 2**63 - 1}) == PipelineGroup(count=2**63 - 1)
    assert set(refusal(PipelineGroup, {"count": 2**63})) == {"count"}
    assert set(refusal(PipelineGroup, {"count": "1"})) == {"count"}


def test_lists_name_the_item() -> None:
    assert refusal(Role, {"grants": {}}) == {"grants": "must be an array"}
    assert refusal(Role, {"grants": [None]}) == {"grants[0]": "must not be null"}
    found = refusal(Role, {"grants": [{"verbs": ["READ", "FLY"]}]})
    assert set(found) == {"grants[0].verbs[1]"}


def test_maps_name_the_key() -> None:
    assert refusal(ImportSpec, {"defaults": []}) == {"defaults": "must be an object"}
    assert refusal(ImportSpec, {"defaults": {"a": 1}}) == {"defaults.a": "must be a string"}
    assert refusal(ImportSpec, {"defaults": {"a": None}}) == {"defaults.a": "must not be null"}


def test_bool_is_no_number() -> None:
    found = refusal(ImportSpec, {"validate_only": 1})
    assert found == {"validate_only": "must be true or false"}


def test_mask_paths_are_checked() -> None:
    decode = decoder(UpdateCustomerRequest)
    paths_sent = ["name", "annual_revenue.amount"]
    expected = UpdateCustomerRequest(update_mask=FieldMask(paths=paths_sent))
    assert decode({"update_mask": "name,annual_revenue.amount"}) == expected
    assert decode({"update_mask": ""}) == UpdateCustomerRequest(update_mask=FieldMask())
    assert set(refusal(UpdateCustomerRequest, {"update_mask": "name,,x"})) == {"update_mask"}


def test_two_members_of_a_oneof_are_refused() -> None:
    packed = {"@type": "type.googleapis.com/google.protobuf.Empty"}
    found = refusal(Operation, {"error": {"code": 1}, "response": packed})
    assert found == {"$": "only one of error, response may be given"}


@pytest.mark.parametrize(
    ("packed", "path"),
    [
        (5, "metadata"),
        ({}, "metadata.@type"),
        ({"@type": "type.googleapis.com/none"}, "metadata.@type"),
        ({"@type": 5}, "metadata.@type"),
        ({"@type": "x/crm.chassis.v1.OperationResult", "made": 1}, "metadata.made"),
        ({"@type": "x/google.protobuf.Duration", "x": "1s"}, "metadata.value"),
    ],
)
def test_packed_messages_are_checked(packed: object, path: str) -> None:
    assert set(refusal(Operation, {"metadata": packed})) == {path}


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("Duration", "1.5s"),
        ("Duration", "-0.000000001s"),
        ("Timestamp", "2026-01-31T08:00:00Z"),
        ("FieldMask", "name,phone"),
        ("Struct", {"a": [1, 2.5, None, True, "x", {"b": []}]}),
        ("Value", None),
        ("ListValue", [1]),
    ],
)
def test_wellknown_types_come_back(type_name: str, value: object) -> None:
    packed = {"@type": f"type.googleapis.com/google.protobuf.{type_name}", "value": value}
    operation = decoder(Operation)({"metadata": packed})
    assert encoder(Operation)(operation)["metadata"] == packed


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([], "$"),
        ({"a": "\0"}, "a"),
        ({"a": {"b\0": 1}}, "a.b\0"),
        ({"a": 2**60}, "a"),
    ],
)
def test_struct_refuses(data: object, path: str) -> None:
    assert set(refusal(Struct, data)) == {path}


def test_duration_out_of_range_is_refused() -> None:
    for text in ("1", "s", "999999999999s"):
        packed = {"@type": "x/google.protobuf.Duration", "value": text}
        assert set(refusal(Operation, {"metadata": packed})) == {"metadata"}


def test_messages_without_a_json_form_stop_the_start() -> None:
    with pytest.raises(TypeError):
        encoder(StringValue)
    with pytest.raises(TypeError):
        decoder(StringValue)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, []),
        ([], []),
        ({"name": "x", "founded_year": None}, ["name", "founded_year"]),
        ({"annual_revenue": None}, ["annual_revenue"]),
        ({"annual_revenue": {"currency_code": "CNY", "amount": "1"}}, ["annual_revenue"]),
        ({"annual_revenue": {"amount": "1"}}, ["annual_revenue.amount"]),
        ({"annual_revenue": {}}, ["annual_revenue"]),
    ],
)
def test_paths_list_what_was_sent(data: object, expected: list[str]) -> None:
    assert paths(Customer)(data) == expected


def test_paths_take_lists_and_maps_whole() -> None:
    assert paths(Role)({"grants": [{"resource": "*"}]}) == ["grants"]
    assert paths(ImportSpec)({"defaults": {"a": "b"}}) == ["defaults"]
    assert paths(OperationMetadata)({"create_time": "x"}) == ["create_time"]
