"""Errors become problems in the caller's language."""

import grpc
import orjson
import pytest

from chassis.errors import InvalidArgument, NotFound, Unauthenticated
from services.gateway import catalogue
from services.gateway.catalogue import preferred_language
from services.gateway.exchange import RequestTimeout, too_large
from services.gateway.field_messages import field_message
from services.gateway.problems import Problem, problem_of, problem_response
from services.gateway.routing import MethodNotAllowed


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-Hans-CN, en;q=0.5", "zh"),
        ("en, zh", "en"),
        ("en;q=0.1, zh;q=0.2", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=bad", "en"),
        ("fr, *", "en"),
        (";;;,,,", "en"),
    ],
)
def test_language_is_the_preferred_one(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_every_text_exists_in_both_languages() -> None:
    for english, chinese in (*catalogue.TITLES.values(), *catalogue.DETAILS.values()):
        assert english.isascii()
        assert not chinese.isascii()


def test_detail_falls_back_to_the_message() -> None:
    assert catalogue.detail("NO_SUCH_REASON", {}, "zh") is None
    assert catalogue.detail("PERMISSION_DENIED", {}, "zh") is None
    response = problem_response(Problem(400, "ODD", "As said."), "zh", "r", "t")
    assert orjson.loads(response.body)["detail"] == "As said."


def test_field_messages_are_translated_with_their_values() -> None:
    message = "must lie between 1 and 9"
    assert field_message(message, "zh") == "必须在 1 与 9 之间"
    assert field_message(message, "en") == message
    assert field_message("Something else.", "zh") == "Something else."


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("X", "y"), 404),
        (too_large(5), 413),
        (RequestTimeout("BODY_TIMEOUT", "y"), 408),
        (MethodNotAllowed(["GET"]), 405),
        (ValueError("secret"), 500),
    ],
)
def test_status_fits_the_error(error: Exception, status: int) -> None:
    assert problem_of(error).status == status


def test_unexpected_errors_tell_nothing() -> None:
    response = problem_response(problem_of(ValueError("secret")), "", "r1", "t1")
    body = orjson.loads(response.body)
    assert "secret" not in str(body)
    assert (body["instance"], body["trace_id"]) == ("urn:request:r1", "t1")


def test_sign_in_is_asked_for() -> None:
    response = problem_response(problem_of(Unauthenticated("TOKEN_MISSING", "x")), "", "r", "t")
    assert response.headers["www-authenticate"] == 'Bearer realm="crm"'


def test_fields_lose_the_prefix_of_the_body_only() -> None:
    error = InvalidArgument("X", "y", fields=[("lead.name", "a"), ("leader", "b"), ("lead", "c")])
    found = problem_of(error).within("lead").fields
    assert found == [("name", "a"), ("leader", "b"), ("lead", "c")]


@pytest.mark.parametrize("trailers", [(), (("grpc-status-details-bin", b"\xff\xff"),)])
def test_details_that_cannot_be_read_leave_the_code(
    trailers: tuple[tuple[str, bytes], ...],
) -> None:
    metadata = grpc.aio.Metadata(*trailers)
    code, text = grpc.StatusCode.UNAVAILABLE, "connect to 10.0.0.1 failed"
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, text, text)
    problem = problem_of(error)
    assert (problem.status, problem.reason, problem.message) == (503, "UNAVAILABLE", "")
