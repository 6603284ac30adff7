"""Every RPC against every kind of caller, expected against actual: S1."""

import asyncio
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from chassis.rpc.methods import method_facts
from crm.identity.v1 import role_pb2, user_pb2
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.settings import ROOT
from services.identity.domain.ready_made import Grant, ready_made_roles
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.security.by_role import ASKED, BY_ROLE, OWN, UPLOAD, asking
from tests.integration.security.policy import COLLECTIONS, FILES, policy, processes
from tests.integration.security.wire import Outcome, Wire

CELLS_MIN = 2000
DENIED = grpc.StatusCode.PERMISSION_DENIED
FINE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}
NOT_ADMITTED = {
    "TOKEN_MISSING": "unknown",
    "METHOD_NOT_OPEN": "denied",
    "PERMISSION_DENIED": "denied",
}


@dataclass(frozen=True)
class Caller:
    """One kind of caller; `kind` as internal tokens have it."""

    name: str
    kind: str
    token: str | None = None
    grants: tuple[Grant, ...] = ()


def methods() -> dict[str, MethodDescriptor]:
    """Every RPC of ours in the descriptor pool."""
    services = [one for file in FILES for one in file.DESCRIPTOR.services_by_name.values()]
    return {f"{one.full_name}/{rpc.name}": rpc for one in services for rpc in one.methods}


def expected(rule: str, method: str, process: str, caller: Caller) -> str:
    """What becomes of a caller: "admitted", "denied" or "unknown"."""
    if rule == "open":
        return "admitted"
    if caller.kind == "anonymous":
        return "unknown"
    if rule == "internal":
        return "admitted" if caller.kind == "service" else "denied"
    if caller.kind not in {"user", "client"} or (rule == "self" and caller.kind == "client"):
        return "denied"
    if method == UPLOAD:
        plurals = COLLECTIONS[process].values()
        return "admitted" if any(_granted(caller, one, "IMPORT") for one in plurals) else "denied"
    if rule.startswith("self"):
        return "admitted"
    resource, verb = rule.split()
    return "admitted" if _granted(caller, resource, verb.upper()) else "denied"


def _granted(caller: Caller, resource: str, verb: str) -> bool:
    return any(
        grant["resource"] in {resource, "*"} and verb in str(grant["verbs"])
        for grant in caller.grants
    )


def actual(outcome: Outcome) -> str:
    """The same as the answer tells it."""
    return NOT_ADMITTED.get(outcome.reason, "admitted")


@pytest.fixture(scope="module")
async def callers(drive: Drive, victim: Person, stranger: Person) -> list[Caller]:
    """Nobody, a service, one user of each role, and the administrator next door."""
    roles = {one.name: one for one in ready_made_roles()}
    page = await victim.call("identity.RoleService/ListRoles", ListRequest(page_size=100))
    assert isinstance(page, role_pb2.ListRolesResponse)
    ids = {role.name: role.id for role in page.roles}
    people = [
        Caller("nobody", "anonymous"),
        Caller("service", "service", await drive.clients.service_token()),
        Caller("other administrator", "user", stranger.token, tuple(roles["Administrator"].grants)),
    ]
    for name in ("", *roles):
        login = f"rights.{roles[name].key}" if name else "rights.none"
        user = user_pb2.User(name=login, login=login, password=PASSWORD)
        user.role_ids.extend([ids[name]] if name else [])
        await victim.call("identity.UserService/CreateUser", user_pb2.CreateUserRequest(user=user))
        person = await drive.sign_in(victim.slug, login)
        grants: tuple[Grant, ...] = tuple(roles[name].grants) if name else ()
        people.append(Caller(name or "no role", "user", person.token, grants))
    client = await drive.client(victim, [ids["Salesperson"]], ["*:read", "customers:*"])
    narrowed = [
        {**grant, "verbs": [verb]}
        for grant in roles["Salesperson"].grants
        for verb in str(grant["verbs"]).split("'")[1::2]
        if verb == "READ" or grant["resource"] == "customers"
    ]
    people.append(Caller("narrowed client", "client", client.token, tuple(narrowed)))
    return people


def test_every_method_has_a_row_and_the_protos_say_the_same() -> None:
    rows = policy()
    assert set(rows) == set(methods()), "each RPC needs a row in the policy"
    for service in {name.split("/")[0] for name in rows}:
        for name, facts in method_facts(service).items():
            rule = facts.access
            flags = [one for one in ("open", "internal", "self") if getattr(rule, one)]
            said = flags[0] if flags else f"{rule.resource} {rule.verb}"
            said += " clients" if rule.clients else ""
            assert said == rows[f"{service}/{name}"], f"{service}/{name}"


def test_every_proto_with_services_is_looked_at() -> None:
    known = {file.DESCRIPTOR.name for file in FILES}
    folder = ROOT / "proto"
    for path in folder.rglob("*.proto"):
        if "\nservice " in path.read_text():
            assert str(path.relative_to(folder)) in known


async def test_every_method_for_every_caller(
    wire: Wire, callers: list[Caller], figures: list[str]
) -> None:
    rows = policy()
    wrong, cells = [], 0
    served = [(method, process) for method in sorted(rows) for process in processes(method)]
    for method, process in served:
        for caller in callers:
            bearer = f"Bearer {caller.token}" if caller.token else None
            outcome = await wire.call(process, method, authorization=bearer)
            wanted = expected(rows[method], method, process, caller)
            cells += 1
            if actual(outcome) != wanted or not _is_clear(method, wanted, outcome):
                wrong.append(f"{process} {method} {caller.name}: {wanted}, not {outcome}")
    assert not wrong, "\n".join(wrong)
    figures.append(f"rights: {cells} cells, {len(rows)} RPCs, {len(callers)} kinds of caller")
    assert cells >= CELLS_MIN


def test_every_method_for_everybody_is_decided_by_role_or_is_his_own() -> None:
    everybody = {name for name, rule in policy().items() if rule.startswith("self")} - {UPLOAD}
    own = {name for name in everybody if name.partition("/")[0] in OWN}
    assert everybody - own == set(BY_ROLE)


async def test_roles_decide_in_methods_for_everybody(
    wire: Wire, callers: list[Caller], figures: list[str]
) -> None:
    """Each in two of the services, in turn: what every service has is one code."""
    wrong, cells = [], 0
    people = [one for one in callers if one.kind in {"user", "client"}]
    for at, (method, verb) in enumerate(BY_ROLE.items()):
        for process in (list(ASKED) * 2)[at % len(ASKED) :][:2]:
            request = asking(method, ASKED[process]).SerializeToString()
            bearers = [f"Bearer {one.token}" for one in people]
            answers = [wire.call(process, method, request, authorization=one) for one in bearers]
            pairs = zip(people, await asyncio.gather(*answers), strict=True)
            cells += len(people)
            wrong += [
                f"{process} {method} {caller.name}: {outcome}"
                for caller, outcome in pairs
                if (outcome.code is DENIED) is _granted(caller, ASKED[process], verb)
            ]
    assert not wrong, "\n".join(wrong)
    figures.append(f"rights by role: {cells} cells, {len(BY_ROLE)} RPCs that everybody may call")


def _is_clear(method: str, wanted: str, outcome: Outcome) -> bool:
    """Whether the status is right for what became of the caller."""
    if wanted == "unknown":
        return outcome.code is grpc.StatusCode.UNAUTHENTICATED
    if wanted == "denied":
        return outcome.code is DENIED
    credentials = "SessionService" in method and outcome.code is grpc.StatusCode.UNAUTHENTICATED
    return outcome.code in FINE or credentials
