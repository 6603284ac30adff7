"""One request is one trace: gateway, calls, statements, relay, consumers; nobody is named in it."""

import secrets

from tests.integration.telemetry.collector import Collector, Kept
from tests.live import Tenant, eventually

# Spans are sent every five seconds.
WITHIN_S = 20.0
CANARY = "Canary 金丝雀"


def test_the_way_from_a_request_to_the_report(tenant: Tenant, collector: Collector) -> None:
    eventually(lambda: len(tenant.list("stages")) >= 3)
    trace_id = secrets.token_hex(16)
    context = f"00-{trace_id}-{secrets.token_hex(8)}-00"
    made = tenant.post("opportunities", {"name": CANARY}, traceparent=context)
    assert made.status_code == 200, made.text

    wanted = (
        "gateway SERVER POST /v1/opportunities",
        "sales SERVER crm.sales.v1.OpportunityService/CreateOpportunity",
        "sales CLIENT commit",
        "sales PRODUCER sales publish opportunity.created",
        "reporting CONSUMER reporting-pipeline process opportunity.created",
        "reporting CLIENT commit",
    )
    spans = eventually(lambda: whole(collector.traces.get(trace_id, []), wanted), WITHIN_S)
    assert any(one.name.startswith("sales CLIENT INSERT INTO") for one in spans)

    ids = {one.span.span_id for one in spans}
    roots = [one for one in spans if one.span.parent_span_id not in ids]
    assert [one.name for one in roots] == [wanted[0]]
    for one in spans:
        assert one.span.end_time_unix_nano >= one.span.start_time_unix_nano
        assert CANARY not in str(one.span)
        assert tenant.email not in str(one.span)


def whole(spans: list[Kept], wanted: tuple[str, ...]) -> list[Kept]:
    """The spans, once all those wanted are among them."""
    return spans if {one.name for one in spans} >= set(wanted) else []


def test_a_refused_call_says_so(tenant: Tenant, collector: Collector) -> None:
    trace_id = secrets.token_hex(16)
    context = f"00-{trace_id}-{secrets.token_hex(8)}-00"
    answer = tenant.post("customers", {"name": ""}, traceparent=context)
    assert answer.status_code == 400, answer.text
    assert answer.json()["trace_id"] == trace_id
    rpc = "customer SERVER crm.customer.v1.CustomerService/CreateCustomer"
    spans = eventually(lambda: whole(collector.traces.get(trace_id, []), (rpc,)), WITHIN_S)
    refused = next(one for one in spans if one.name == rpc)
    assert refused.attributes["rpc.grpc.status_code"] == "INVALID_ARGUMENT"
