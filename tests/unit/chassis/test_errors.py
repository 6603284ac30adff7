"""Errors travel as metadata, of which gRPC takes 8 KiB."""

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from chassis.errors import InvalidArgument, to_status

METADATA_MAX = 8 * 1024


def test_an_error_fits_into_the_metadata_of_a_call() -> None:
    long = "字" * 20_000
    error = InvalidArgument(
        "FILTER_INVALID", long, metadata={"problem": long}, fields=[("filter", long)] * 1000
    )
    status = to_status(error, "customer")
    # Bytes travel as base64, and a text that is not ASCII with three characters for each byte.
    assert len(status.SerializeToString()) * 4 / 3 + 3 * len(status.message.encode()) < METADATA_MAX
    assert status.message == "字" * 266 + "…"


def test_of_many_field_errors_the_first_are_told() -> None:
    fields = [(f"requests[{at}].customer.name", "This field is required.") for at in range(1000)]
    status = to_status(InvalidArgument("INVALID_FIELDS", "Wrong.", fields=fields), "customer")
    told = BadRequest()
    assert status.details[1].Unpack(told)
    found = [(one.field, one.description) for one in told.field_violations]
    assert 20 < len(found) < 100
    assert found == fields[: len(found)]


def test_short_errors_are_told_as_they_are() -> None:
    error = InvalidArgument("X", "Text.", metadata={"a": "b"}, fields=[("f", "Why.")])
    status, info = to_status(error, "sales"), ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.message, info.reason, info.domain) == ("Text.", "X", "crm.sales")
    assert dict(info.metadata) == {"a": "b"}
