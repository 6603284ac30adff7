"""A change of rights or of the organisation is in force in every service within five seconds; two
partner companies hear nothing of each other.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.test_events_live import listening
from tests.live import PASSWORD, Tenant, as_dict, signed_in

WITHIN_S = 5.0
# One list of each service, the name of its records, and the path of reports.
LISTS = ("users", "customers", "opportunities", "campaigns")
SUMMARY = "reports/pipelineSummary"
COMPANY = "PARTNER_COMPANY"


@dataclass
class World:
    """A tenant with two dealers and a person in each; each person has a record in every service."""

    tenant: Tenant
    departments: Mapping[str, str]
    people: Mapping[str, Tenant]
    role_id: str


def grants(scope: str, verbs: tuple[str, ...] = ("READ", "CREATE", "UPDATE")) -> object:
    """The verbs on what the four services hold."""
    return [{"resource": one, "verbs": verbs, "scope": scope} for one in LISTS]


def person(tenant: Tenant, login: str, **values: object) -> Tenant:
    """A new user, signed in."""
    email = f"{login}@{tenant.slug}.example.com"
    tenant.create("users", name=login, login=login, email=email, password=PASSWORD, **values)
    return signed_in(tenant.url, tenant.slug, tenant.id, email)


@pytest.fixture(scope="module")
def world(tenant: Tenant) -> Iterator[World]:
    role_id = str(tenant.create("roles", name="everything", grants=grants(COMPANY))["id"])
    departments, people = {}, {}
    for name in ("one", "two"):
        made = tenant.create("departments", name=name, kind=COMPANY, partner_kind="AGENT")
        departments[name] = str(made["id"])
        people[name] = person(tenant, name, role_ids=[role_id], department_id=made["id"])
        customer = people[name].create("customers", name=name)
        people[name].create("campaigns", name=name)
        people[name].create("opportunities", name=name, customer_id=customer["id"])
    world = World(tenant, departments, people, role_id)
    spread(world.people["one"], {"one"})
    yield world
    for one in people.values():
        one.http.close()


def seen(who: Tenant, path: str) -> set[str] | int:
    """Names of the companies whose records a list shows, or the status of its refusal."""
    response = who.get(path, **({"group_by": "owner"} if path == SUMMARY else {}))
    if response.status_code != 200:
        return response.status_code
    body = as_dict(response)
    records = body["groups" if path == SUMMARY else path]
    assert isinstance(records, list)
    return {str(one["label" if path == SUMMARY else "name"]) for one in records}


def spread(who: Tenant, wanted: set[str] | int) -> float:
    """Seconds until every service answers him so."""
    began = time.monotonic()
    while True:
        found = {path: seen(who, path) for path in (*LISTS, SUMMARY)}
        if all(one == wanted for one in found.values()):
            return time.monotonic() - began
        assert time.monotonic() - began < WITHIN_S, found
        time.sleep(0.05)


def test_a_change_of_role_is_in_force_everywhere(world: World, figures: list[str]) -> None:
    tenant, who = world.tenant, world.people["one"]
    tenant.patch(f"roles/{world.role_id}", {"grants": []})
    taken = spread(who, 403)
    tenant.patch(f"roles/{world.role_id}", {"grants": grants(COMPANY)})
    given = spread(who, {"one"})
    user_id = who.session["user_id"]
    tenant.patch(f"users/{user_id}", {"role_ids": []})
    dropped = spread(who, 403)
    tenant.patch(f"users/{user_id}", {"role_ids": [world.role_id]})
    spread(who, {"one"})
    figures.append(
        f"in every service: grants of a role gone after {taken:.2f} s, back after {given:.2f} s,"
        f" a user's role gone after {dropped:.2f} s"
    )


def test_moving_a_user_or_a_department_is_in_force_everywhere(
    world: World, figures: list[str]
) -> None:
    """One who has no records himself: what he sees is what his place lets him see."""
    tenant, here = world.tenant, world.departments
    role = {"resource": "*", "verbs": ["READ"], "scope": "ALL"}
    role_id = tenant.create("roles", name="all", grants=[role])["id"]
    branch = tenant.create("departments", name="branch")["id"]
    mover = person(tenant, "mover", role_ids=[role_id], department_id=branch)
    everybody = {str(one["name"]) for one in tenant.list("users")}

    def places() -> tuple[set[str] | int, ...]:
        return tuple(seen(mover, path) for path in ("users", "customers", SUMMARY))

    def until(*wanted: set[str]) -> float:
        began = time.monotonic()
        while places() != wanted:
            assert time.monotonic() - began < WITHIN_S, places()
            time.sleep(0.05)
        return time.monotonic() - began

    until(everybody, {"one", "two"}, {"one", "two"})
    tenant.patch(f"departments/{branch}", {"parent_id": here["one"]})
    joined = until({"one", "mover"}, {"one"}, {"one"})
    tenant.patch(f"users/{mover.session['user_id']}", {"department_id": here["two"]})
    moved = until({"two", "mover"}, {"two"}, {"two"})
    tenant.patch(f"users/{mover.session['user_id']}", {"department_id": branch})
    until({"one", "mover"}, {"one"}, {"one"})
    tenant.patch(f"departments/{branch}", {"parent_id": ""})
    left = until(everybody, {"one", "two"}, {"one", "two"})
    mover.http.close()
    figures.append(
        f"in every service: a department joined a company after {joined:.2f} s, a user moved to"
        f" another after {moved:.2f} s, the department left after {left:.2f} s"
    )


def test_live_events_stay_within_the_company(world: World) -> None:
    """Whatever the other company and the head office do, a company hears of its own only."""
    tenant, one, two = world.tenant, world.people["one"], world.people["two"]
    with listening(one.url, one.session["access_token"]) as listener:
        foreign = set()
        for who, department in ((two, world.departments["two"]), (tenant, "")):
            customer = who.create("customers", name="hidden")
            campaign = who.create("campaigns", name="hidden")
            opportunity = who.create("opportunities", name="hidden", customer_id=customer["id"])
            user = tenant.create("users", name="hidden", department_id=department)
            foreign |= {one["id"] for one in (customer, campaign, opportunity, user)}
            tenant.patch(f"users/{user['id']}", {"name": "still hidden"})
        foreign.add(
            tenant.create("departments", name="x", parent_id=world.departments["two"])["id"]
        )
        own = [one.create("customers", name="own")["id"]]
        colleague = tenant.create("users", name="c", department_id=world.departments["one"])
        own.append(colleague["id"])
        told: set[object] = set()
        while not told.issuperset(own):
            told.add(json.loads(listener.next().data)["id"])
        time.sleep(1.0)
        while not listener.events.empty():
            told.add(json.loads(listener.next().data)["id"])
    assert not told & foreign


def test_a_refusal_tells_nothing_of_others(world: World) -> None:
    """Over REST, too: another company's record and one that never was are refused word for word."""
    two = world.people["one"], world.people["two"]
    customers = [str(who.list("customers")[0]["id"]) for who in two]
    absent = customers[1][:-12] + "0123456789ab"

    def answers(record_id: str) -> list[tuple[int, str]]:
        who = two[0]
        found: list[httpx.Response] = [
            who.get(f"customers/{record_id}"),
            who.patch(f"customers/{record_id}", {"name": "x"}),
            who.post("opportunities", {"customer_id": record_id}),
            who.get("customers", filter=f'id = "{record_id}"', count="exact"),
        ]
        return [(one.status_code, stripped(one, record_id)) for one in found]

    assert answers(customers[1]) == answers(absent)


def stripped(response: httpx.Response, record_id: str) -> str:
    """The body without what differs between any two answers."""
    body = as_dict(response)
    for name in ("trace_id", "instance"):
        body.pop(name, None)
    return json.dumps(body, sort_keys=True).replace(record_id, "ID")
