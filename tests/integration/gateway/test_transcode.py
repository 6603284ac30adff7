"""REST calls reach the services as RPCs and come back as JSON or as problems."""

from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from chassis.errors import (
    Aborted,
    AlreadyExists,
    CrmError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from crm.chassis.v1 import describe_pb2
from crm.customer.v1 import customer_pb2
from crm.sales.v1 import opportunity_pb2, opportunity_transition_pb2
from crm.type.v1 import requests_pb2
from tests.integration.gateway.upstream import Context, Upstream, refuse

SERVICE = "/crm.customer.v1.CustomerService"
GET, LIST = f"{SERVICE}/GetCustomer", f"{SERVICE}/ListCustomers"
CREATE, UPDATE = f"{SERVICE}/CreateCustomer", f"{SERVICE}/UpdateCustomer"
CUSTOMER = customer_pb2.Customer(id="c1", name="Ada 公司", kind="COMPANY", etag="3")
JSON = {"content-type": "application/json"}


async def test_get_returns_the_record_with_its_etag(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.answer(GET, requests_pb2.GetRequest, CUSTOMER)
    answer = await http.get("/v1/customers/c1", headers={"x-request-id": "abc"})
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"3"'
    assert answer.headers["x-request-id"] == "abc"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    assert "ratelimit" in answer.headers
    body = answer.json()
    assert body["name"] == "Ada 公司"
    assert body["annual_revenue"] is None
    (seen,) = upstream.seen(GET)
    assert seen.request == requests_pb2.GetRequest(id="c1")
    assert seen.metadata["authorization"].startswith("Bearer h.")
    assert seen.metadata["x-request-id"] == "abc"
    assert len(seen.metadata["traceparent"]) == 55


async def test_fields_are_the_only_ones_that_come(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    page = customer_pb2.ListCustomersResponse(customers=[CUSTOMER], next_page_token="n")
    upstream.answer(GET, requests_pb2.GetRequest, CUSTOMER)
    upstream.answer(LIST, requests_pb2.ListRequest, page)
    one = await http.get("/v1/customers/c1?fields=name,kind")
    assert one.json() == {"id": "c1", "name": "Ada 公司", "kind": "COMPANY"}
    many = await http.get("/v1/customers", params={"fields": "name"})
    assert many.json() == {
        "customers": [{"id": "c1", "name": "Ada 公司"}],
        "next_page_token": "n",
        "total_size": None,
    }


async def test_list_takes_typed_parameters(http: httpx.AsyncClient, upstream: Upstream) -> None:
    page = customer_pb2.ListCustomersResponse()
    upstream.answer(LIST, requests_pb2.ListRequest, page)
    query = {"filter": 'name = "甲"', "page_size": "2", "show_deleted": "true"}
    answer = await http.get("/v1/customers", params=query)
    assert answer.json() == {"customers": [], "next_page_token": "", "total_size": None}
    (seen,) = upstream.seen(LIST)
    expected = requests_pb2.ListRequest(filter='name = "甲"', page_size=2, show_deleted=True)
    assert seen.request == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=x", "page_size"),
        ("page_size=1.5", "page_size"),
        ("page_size=99999999999", "page_size"),
        ("page_size=", "page_size"),
        ("show_deleted=1", "show_deleted"),
        ("bogus=1", "bogus"),
        ("filter=a&filter=b", "filter"),
        ("filter=%00", "filter"),
    ],
)
async def test_bad_parameters_are_named(http: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await http.get(f"/v1/customers?{query}")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("query", ["filter=%ff", "filter=%ed%a0%80", "&".join(["a=1"] * 60)])
async def test_bad_queries_are_refused(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/v1/customers?{query}")
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_QUERY")


async def test_create_sends_the_body_and_the_key(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.answer(CREATE, customer_pb2.CreateCustomerRequest, CUSTOMER)
    answer = await http.post(
        "/v1/customers?validate_only=true",
        json={"name": "Ada", "annual_revenue": {"currency_code": "CNY", "amount": "1.50"}},
        headers={"idempotency-key": "k1"},
    )
    assert answer.status_code == 200
    (seen,) = upstream.seen(CREATE)
    assert isinstance(seen.request, customer_pb2.CreateCustomerRequest)
    assert seen.request.validate_only
    assert seen.request.customer.annual_revenue.amount == "1.50"
    assert seen.metadata["idempotency-key"] == "k1"


@pytest.mark.parametrize(
    ("body", "mask"),
    [
        ({"name": "B", "phone": None}, ["name", "phone"]),
        ({"annual_revenue": {"amount": "1"}}, ["annual_revenue.amount"]),
        ({}, []),
    ],
)
async def test_patch_changes_what_is_sent(
    http: httpx.AsyncClient, upstream: Upstream, body: object, mask: list[str]
) -> None:
    upstream.answer(UPDATE, customer_pb2.UpdateCustomerRequest, CUSTOMER)
    answer = await http.patch("/v1/customers/c1", json=body, headers={"if-match": '"3"'})
    assert answer.status_code == 200
    (seen,) = upstream.seen(UPDATE)
    assert isinstance(seen.request, customer_pb2.UpdateCustomerRequest)
    assert seen.request.customer.id == "c1"
    assert list(seen.request.update_mask.paths) == mask
    assert seen.metadata["if-match"] == '"3"'


async def test_patch_with_a_mask_of_its_own(http: httpx.AsyncClient, upstream: Upstream) -> None:
    upstream.answer(UPDATE, customer_pb2.UpdateCustomerRequest, CUSTOMER)
    content = b'{"name": "B", "phone": "1"}'
    headers = {"content-type": "application/merge-patch+json"}
    answer = await http.patch("/v1/customers/c1?update_mask=name", content=content, headers=headers)
    assert answer.status_code == 200
    (seen,) = upstream.seen(UPDATE)
    assert isinstance(seen.request, customer_pb2.UpdateCustomerRequest)
    assert list(seen.request.update_mask.paths) == ["name"]


async def test_an_empty_mask_is_none(http: httpx.AsyncClient, upstream: Upstream) -> None:
    upstream.answer(UPDATE, customer_pb2.UpdateCustomerRequest, CUSTOMER)
    answer = await http.patch("/v1/customers/c1?update_mask=", json={"name": ""})
    assert answer.status_code == 200
    (seen,) = upstream.seen(UPDATE)
    assert isinstance(seen.request, customer_pb2.UpdateCustomerRequest)
    assert list(seen.request.update_mask.paths) == ["name"]


async def test_paths_name_collections_in_one_way(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    describe = "/crm.chassis.v1.DescribeService/DescribeResource"
    described = describe_pb2.ResourceDescription(resource="campaign_members")
    upstream.answer(describe, describe_pb2.DescribeResourceRequest, described)
    assert (await http.get("/v1/campaignMembers:describe")).status_code == 200
    expected = describe_pb2.DescribeResourceRequest(resource="campaign_members")
    assert upstream.seen(describe)[0].request == expected
    other = await http.get("/v1/campaign_members:describe")
    assert (other.status_code, other.json()["reason"]) == (404, "COLLECTION_NOT_FOUND")


async def test_custom_verb_takes_path_and_body(http: httpx.AsyncClient, upstream: Upstream) -> None:
    path = "/crm.sales.v1.OpportunityTransitionService/LoseOpportunity"
    answer = opportunity_pb2.Opportunity(id="o1")
    upstream.answer(path, opportunity_transition_pb2.LoseOpportunityRequest, answer)
    lost = await http.post("/v1/opportunities/o1:lose", json={"reason": "price"})
    assert lost.status_code == 200
    (seen,) = upstream.seen(path)
    expected = opportunity_transition_pb2.LoseOpportunityRequest(id="o1", reason="price")
    assert seen.request == expected
    twice = await http.post("/v1/opportunities/o1:lose", json={"id": "o2", "reason": "x"})
    assert twice.json()["errors"] == [{"field": "id", "message": "is given by the path"}]


async def test_custom_verb_needs_no_body(http: httpx.AsyncClient, upstream: Upstream) -> None:
    path = f"{SERVICE}/UndeleteCustomer"
    upstream.answer(path, requests_pb2.UndeleteRequest, CUSTOMER)
    answer = await http.post("/v1/customers/c1:undelete")
    assert answer.status_code == 200
    assert upstream.seen(path)[0].request == requests_pb2.UndeleteRequest(id="c1")


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        (b"{", JSON, 400, "INVALID_JSON"),
        (b'{"name":1,"name":2}', JSON, 400, "INVALID_JSON"),
        (b"[" * 100_000, JSON, 400, "INVALID_JSON"),
        (b"[]", JSON, 400, "INVALID_FIELDS"),
        (b'{"id":"x"}', JSON, 400, "INVALID_FIELDS"),
        (b'{"name":"x"}', {"content-type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"name":"x"}', {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", {"content-type": "application/json; charset=gbk"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", {**JSON, "content-encoding": "gzip"}, 415, "UNSUPPORTED_ENCODING"),
        (b"{}", {**JSON, "idempotency-key": "x" * 256}, 400, "INVALID_HEADER"),
        (b"{}", {**JSON, "idempotency-key": "é"}, 400, "INVALID_HEADER"),
        (b" " * (4 * 1024 * 1024 + 1), JSON, 413, "BODY_TOO_LARGE"),
    ],
)
async def test_bad_bodies_are_refused(
    http: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await http.post("/v1/customers", content=content, headers=raw)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_chunked_body_is_bounded_too(http: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 65536

    answer = await http.post("/v1/customers", content=pieces(), headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")


async def test_unknown_path_and_method(http: httpx.AsyncClient) -> None:
    for path in ("/v1/nothing", "/v1", "/v1/customers/c1/", "/v1/customers/c1:fly", "/x"):
        answer = await http.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (404, "ROUTE_NOT_FOUND"), path
    wrong = await http.put("/v1/customers/c1", json={})
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidArgument("CUSTOMER_INVALID", "No."), 400),
        (FailedPrecondition("LEAD_NOT_OPEN", "The lead is not open."), 400),
        (PermissionDenied("PERMISSION_DENIED", "No."), 403),
        (NotFound("NOT_FOUND", "No such record."), 404),
        (AlreadyExists("TAKEN", "Taken."), 409),
        (Aborted("ETAG_MISMATCH", "Stale."), 412),
        (FailedPrecondition("IDEMPOTENCY_KEY_REUSED", "Used."), 422),
        (Aborted("IDEMPOTENCY_IN_FLIGHT", "Wait."), 409),
        (Aborted("LOST_RACE", "Again."), 409),
        (ResourceExhausted("QUOTA", "Wait."), 429),
        (Unavailable("DATABASE_AWAY", "Wait."), 503),
    ],
)
async def test_refusals_keep_reason_and_message(
    http: httpx.AsyncClient, upstream: Upstream, error: CrmError, status: int
) -> None:
    upstream.answer(CREATE, customer_pb2.CreateCustomerRequest, error)
    answer = await http.post("/v1/customers", json={"name": "A"})
    body = answer.json()
    assert (answer.status_code, body["reason"]) == (status, error.reason)
    assert body["detail"]
    assert len(body["trace_id"]) == 32
    assert (answer.headers.get("retry-after") is not None) == (status in {429, 503})
    assert len(upstream.seen(CREATE)) == 1


async def test_field_errors_are_named_as_in_the_body_and_in_chinese(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    fields = [("customer.name", "This field is required."), ("customer.phone", "Odd.")]
    error = InvalidArgument("INVALID_FIELDS", "Wrong.", fields=fields)
    upstream.answer(CREATE, customer_pb2.CreateCustomerRequest, error)
    headers = {"accept-language": "fr;q=0.9, zh-CN;q=0.8, en;q=0.1"}
    answer = await http.post("/v1/customers", json={}, headers=headers)
    body = answer.json()
    assert answer.headers["content-language"] == "zh"
    assert body["title"] == "请求无效"
    assert body["errors"] == [
        {"field": "name", "message": "此字段为必填项。"},
        {"field": "phone", "message": "Odd."},
    ]


async def test_what_breaks_inside_stays_inside(http: httpx.AsyncClient, upstream: Upstream) -> None:
    async def broken(_: Message, __: Context) -> Message:
        raise RuntimeError("no column secret at 10.0.0.1")

    upstream.answer(GET, requests_pb2.GetRequest, broken)
    answer = await http.get("/v1/customers/c1")
    assert (answer.status_code, answer.json()["reason"]) == (500, "INTERNAL")
    assert "secret" not in answer.text


async def test_method_that_no_service_has_is_501(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/customers/c1")
    assert (answer.status_code, answer.json()["reason"]) == (501, "UNIMPLEMENTED")


async def test_unavailable_reads_are_repeated(http: httpx.AsyncClient, upstream: Upstream) -> None:
    async def second_time(_: Message, context: Context) -> Message:
        if len(upstream.seen(GET)) < 2:
            await refuse(context, Unavailable("DATABASE_AWAY", "Wait."))
        return CUSTOMER

    upstream.answer(GET, requests_pb2.GetRequest, second_time)
    assert (await http.get("/v1/customers/c1")).status_code == 200
    assert len(upstream.seen(GET)) == 2


async def test_unavailable_changes_are_repeated_with_a_key_only(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    away = Unavailable("DATABASE_AWAY", "Wait.")
    upstream.answer(CREATE, customer_pb2.CreateCustomerRequest, away)
    await http.post("/v1/customers", json={"name": "A"})
    assert len(upstream.seen(CREATE)) == 1
    await http.post("/v1/customers", json={"name": "A"}, headers={"idempotency-key": "k"})
    assert len(upstream.seen(CREATE)) == 4


async def test_late_answer_is_504(
    http: httpx.AsyncClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(_: Message, context: Context) -> Message:
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too late at 10.0.0.1")

    upstream.answer(GET, requests_pb2.GetRequest, late)
    answer = await http.get("/v1/customers/c1")
    assert (answer.status_code, answer.json()["reason"]) == (504, "DEADLINE_EXCEEDED")
    assert "10.0.0.1" not in answer.text
