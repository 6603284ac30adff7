"""No service takes an internal token that identity did not make for it: S7 to S9."""

from uuid import uuid4

import grpc
import pytest

from crm.type.v1.requests_pb2 import GetRequest
from tests.integration.drive import Drive, Person
from tests.integration.security.forge import Forge
from tests.integration.security.wire import SERVICES, Wire

LOOKUP = "crm.chassis.v1.LookupService"
USER_METHOD = dict.fromkeys(SERVICES, f"{LOOKUP}/LookupRecords")
INTERNAL_METHOD = dict.fromkeys(SERVICES, f"{LOOKUP}/CheckRecords")
READ = {
    "identity": "crm.identity.v1.UserService/GetUser",
    "customer": "crm.customer.v1.CustomerService/GetCustomer",
    "sales": "crm.sales.v1.OpportunityService/GetOpportunity",
    "marketing": "crm.marketing.v1.CampaignService/GetCampaign",
}
REFUSED = grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("process", SERVICES)
async def test_forged_tokens_are_refused(
    wire: Wire, forge: Forge, figures: list[str], process: str
) -> None:
    variants = forge.variants()
    assert len(variants) > 100
    figures.append(f"{process}: {len(variants)} forged tokens, none accepted")
    for name, token in variants.items():
        for method in (USER_METHOD[process], INTERNAL_METHOD[process]):
            outcome = await wire.call(process, method, authorization=f"Bearer {token}")
            assert outcome.code is REFUSED, f"{name}: {outcome}"
            assert outcome.reason in {"TOKEN_INVALID", "USER_INACTIVE"}, f"{name}: {outcome}"
            assert "Traceback" not in outcome.text, name
    await _still_works(wire, forge, process)


@pytest.mark.parametrize("process", SERVICES)
async def test_other_authorization_is_refused(wire: Wire, forge: Forge, process: str) -> None:
    good = forge.with_claims()
    odd = (None, "", "Basic YTpi", "bearer " + good, "Bearer", "Bearer ", good, "Token " + good)
    for one in odd:
        outcome = await wire.call(process, USER_METHOD[process], authorization=one)
        assert outcome.code is REFUSED, f"{one}: {outcome}"
    huge = "Bearer " + forge.with_header(kid="k" * 1024 * 1024)
    outcome = await wire.call(process, USER_METHOD[process], authorization=huge)
    assert outcome.code in {REFUSED, grpc.StatusCode.RESOURCE_EXHAUSTED}, outcome
    await _still_works(wire, forge, process)


@pytest.mark.parametrize("process", SERVICES)
async def test_tokens_do_not_serve_the_other_purpose(
    wire: Wire, forge: Forge, drive: Drive, process: str
) -> None:
    service = await drive.clients.service_token()
    forged = forge.with_claims(kind="service", sub="sales", tenant="")
    for token, method in (
        (service, USER_METHOD[process]),
        (forged, USER_METHOD[process]),
        (forge.with_claims(), INTERNAL_METHOD[process]),
    ):
        outcome = await wire.call(process, method, authorization=f"Bearer {token}")
        assert outcome.code is grpc.StatusCode.PERMISSION_DENIED, outcome
        assert outcome.reason == "METHOD_NOT_OPEN", outcome
    tenanted = forge.with_claims(kind="service", sub="sales")
    outcome = await wire.call(process, INTERNAL_METHOD[process], authorization=f"Bearer {tenanted}")
    assert outcome.code is REFUSED, "a service with a tenant is nobody"


async def test_roles_of_a_token_count_only_while_the_user_has_them(
    wire: Wire, forge: Forge, drive: Drive, stranger: Person
) -> None:
    victim_roles = [str(uuid4())]
    tokens = (
        forge.with_claims(roles=victim_roles),
        forge.with_claims(roles="*"),
        forge.with_claims(roles=[]),
    )
    for token in tokens:
        outcome = await wire.call(
            "customer",
            "crm.customer.v1.CustomerService/ListCustomers",
            authorization=f"Bearer {token}",
        )
        assert outcome.code is grpc.StatusCode.PERMISSION_DENIED, outcome
    foreign = forge.with_claims(sub=stranger.id)
    outcome = await wire.call("customer", READ["customer"], authorization=f"Bearer {foreign}")
    assert outcome.code is REFUSED, "a user of another tenant is nobody in this one"


@pytest.mark.parametrize("process", sorted(READ))
async def test_ids_of_another_tenant_look_absent(
    wire: Wire, stranger: Person, victim: Person, process: str
) -> None:
    bearer = f"Bearer {stranger.token}"
    answers = []
    for one in (victim.id, str(uuid4())):
        request = GetRequest(id=one).SerializeToString()
        outcome = await wire.call(process, READ[process], request, authorization=bearer)
        assert outcome.code is grpc.StatusCode.NOT_FOUND, outcome
        answers.append(outcome.text.replace(one, "ID"))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("process", SERVICES)
async def test_unreadable_requests_and_unknown_methods_are_the_callers_fault(
    wire: Wire, forge: Forge, process: str
) -> None:
    bearer = f"Bearer {forge.with_claims()}"
    for junk in (
        b"\xff" * 20,
        b"\x0a\xff",
        b"\x0a\x02\xff\xfe",
        b"\x0b" * 5000,
        b"\x08" + b"\xff" * 11,
    ):
        outcome = await wire.call(process, USER_METHOD[process], junk, authorization=bearer)
        assert outcome.code is grpc.StatusCode.INVALID_ARGUMENT, outcome
        outcome = await wire.call(process, USER_METHOD[process], junk)
        assert outcome.code is REFUSED, "nobody gets so far without a token"
    for method in ("crm.nothing.v1.NoService/Get", f"{LOOKUP}/Nothing", "grpc.reflection.v1.X/Y"):
        outcome = await wire.call(process, method, authorization=bearer)
        assert outcome.code is grpc.StatusCode.UNIMPLEMENTED, outcome
    big = b"\x0a" + b"\xff\xff\xff\x02" + bytes(5 * 1024 * 1024)
    outcome = await wire.call(process, USER_METHOD[process], big, authorization=bearer)
    assert outcome.code is grpc.StatusCode.RESOURCE_EXHAUSTED, outcome


@pytest.mark.parametrize("name", ["x-request-id", "x-cause-id", "idempotency-key", "if-match"])
async def test_long_headers_are_refused(wire: Wire, forge: Forge, name: str) -> None:
    bearer, headers = f"Bearer {forge.with_claims()}", {name: "x" * 256}
    outcome = await wire.call(
        "customer", USER_METHOD["customer"], authorization=bearer, headers=headers
    )
    assert outcome.code is grpc.StatusCode.INVALID_ARGUMENT, outcome
    assert outcome.reason == "HEADER_INVALID", outcome


async def _still_works(wire: Wire, forge: Forge, process: str) -> None:
    bearer = f"Bearer {forge.with_claims()}"
    outcome = await wire.call(process, USER_METHOD[process], authorization=bearer)
    assert outcome.code is grpc.StatusCode.INVALID_ARGUMENT, f"admitted, nothing asked: {outcome}"
