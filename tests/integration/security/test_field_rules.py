"""A hidden field is as good as not there, and a read-only one is never set: every field of every
resource in turn, each hidden from somebody.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
from google.protobuf.message import Message

from chassis.access.model import VERBS
from chassis.resource.fields import Field
from crm.chassis.v1 import describe_pb2, history_pb2
from crm.identity.v1 import role_pb2, user_pb2
from crm.identity.v1.field_rule_pb2 import FieldRule
from tests.integration.drive import PASSWORD, Drive, Person
from tests.integration.sales.conftest import stages_of
from tests.integration.security.ground import Ground
from tests.integration.security.walk import Walked, filled, walked

DESCRIBE = "crm.chassis.v1.DescribeService/DescribeResource"
HISTORY = "crm.chassis.v1.HistoryService/ListHistory"
ALWAYS = frozenset({"id", "etag"})
REFUSED = "INVALID_FIELDS"
# What may be changed to see that other fields still can.
HARMLESS = ("tags", "external_source")
CASES = walked()


@dataclass
class People:
    """Who has which field hidden: the n-th one the n-th field of every resource."""

    admin: Person
    ground: Ground
    hiding: list[Person] = field(default_factory=list)
    reading: list[Person] = field(default_factory=list)
    values: dict[str, dict[str, object]] = field(default_factory=dict)

    def cases(self, one: Walked) -> Iterator[tuple[Field, Person, Person]]:
        """Each field with who does not see it, and who may only read it."""
        yield from zip(fields_of(one), self.hiding, self.reading, strict=False)


def fields_of(one: Walked) -> list[Field]:
    """The fields that rules may be about."""
    return [each for name, each in one.plan.fields.items() if name not in ALWAYS]


async def person_with(drive: Drive, admin: Person, at: int, access: FieldRule.Access) -> Person:
    """A user who may do everything, but for the `at`-th field of every resource."""
    rules = [
        FieldRule(resource=one.plan.plural, field=fields_of(one)[at].name, access=access)
        for one in CASES
        if at < len(fields_of(one))
    ]
    grant = role_pb2.Grant(resource="*", verbs=VERBS, scope=role_pb2.Grant.ALL)
    login = f"rules.{access}.{at}"
    role = role_pb2.Role(name=login, grants=[grant], field_rules=rules)
    made = await admin.call(
        "identity.RoleService/CreateRole", role_pb2.CreateRoleRequest(role=role)
    )
    assert isinstance(made, role_pb2.Role)
    user = user_pb2.User(name=login, login=login, password=PASSWORD, role_ids=[made.id])
    await admin.call("identity.UserService/CreateUser", user_pb2.CreateUserRequest(user=user))
    return await drive.sign_in(admin.slug, login)


@pytest.fixture(scope="module")
async def people(drive: Drive) -> People:
    admin = await drive.tenant()
    await stages_of(admin)  # so that opportunities find a stage
    found = People(admin, await Ground(admin, "fr").fill())
    for one in CASES:
        found.values[one.name] = await filled(one, admin, found.ground)
    for at in range(max(len(fields_of(one)) for one in CASES)):
        found.hiding.append(await person_with(drive, admin, at, FieldRule.HIDDEN))
        found.reading.append(await person_with(drive, admin, at, FieldRule.READ))
    return found


def names_of(message: Message) -> set[str]:
    """The fields that are set in a record, or in any record of a page."""
    found = {one.name for one, _ in message.ListFields()}
    for one, value in message.ListFields():
        if (
            one.is_repeated
            and one.message_type is not None
            and "id" in one.message_type.fields_by_name
        ):
            found |= {each.name for record in value for each, _ in record.ListFields()}
    return found


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.plan.plural)
async def test_hidden_fields_are_nowhere(people: People, one: Walked, figures: list[str]) -> None:
    wrong: list[str] = []
    for each, person, _ in people.cases(one):
        wrong += [f"{each.name}: {text}" async for text in leaks(people, one, each, person)]
    assert not wrong, "\n".join(wrong)
    filled = len(people.values[one.name])
    figures.append(
        f"hidden fields: {len(fields_of(one))} of {one.plan.plural}, {filled} of them set and tried"
    )


async def leaks(people: People, one: Walked, each: Field, person: Person) -> AsyncIterator[str]:
    """Where the field shows or can be used."""
    record_id = people.ground.ids[one.name]
    whole = await one.call(people.admin, "Get", id=record_id)
    answers: list[tuple[str, dict[str, object]]] = [
        ("Get", {"id": record_id}),
        ("List", {"filter": f"id = {record_id}"}),
        ("BatchGet", {"ids": [record_id]}),
        ("Update", one.change(record_id, harmless(one, each, whole))),
    ]
    for verb, values in answers:
        if each.name in names_of(await one.call(person, verb, **values)):
            yield f"shown by {verb}"
    asking: list[tuple[str, dict[str, object]]] = [
        ("Get", {"id": record_id, "fields": each.name}),
        ("BatchGet", {"ids": [record_id], "fields": each.name}),
        ("List", {"fields": each.name}),
        ("List", {"filter": f"{each.name}:*"}),
        ("List", {"order_by": each.name}),
    ]
    for verb, values in asking:
        if not await one.refused(person, verb, **values):
            yield f"{verb} takes {values}"
    async for text in settings(people, one, each, person):
        yield text
    if (await described(person, one)).get(each.name) is not None:
        yield "described"
    entries = await history(person, one, record_id)
    if any(change.field == each.name for entry in entries for change in entry.changes):
        yield "shown by history"
    after = await one.call(people.admin, "Get", id=record_id)
    if getattr(after, each.name) != getattr(whole, each.name) and each.name not in BOOKKEEPING:
        yield "changed"


BOOKKEEPING = frozenset({"update_time", "updater_id"})


async def settings(people: People, one: Walked, each: Field, person: Person) -> AsyncIterator[str]:
    """Ways in which the field can be set."""
    if each.name not in people.values[one.name]:
        return
    value = one.sample(each, people.ground, "other")
    record_id = people.ground.ids[one.name]
    update = one.change(record_id, {each.name: value})
    create: dict[str, object] = {
        one.plan.singular: {**people.ground.values(one.name, f"n{each.name}"), each.name: value}
    }
    asking: list[tuple[str, dict[str, object]]] = [
        ("Update", update),
        ("Update", {**update, "validate_only": True}),
        ("Create", create),
        ("BatchCreate", {"requests": [create]}),
        ("BatchUpdate", {"requests": [update]}),
    ]
    for verb, values in asking:
        reason = await one.refused(person, verb, **values)
        if reason != REFUSED:
            yield f"{verb} says {reason!r}"


def harmless(one: Walked, each: Field, whole: Message) -> dict[str, object]:
    """A change of another field that leaves it as it is."""
    name = next(name for name in HARMLESS if name != each.name)
    return {name: getattr(whole, name)}


async def described(person: Person, one: Walked) -> dict[str, bool]:
    """Whether each field may be set, as forms are told."""
    request = describe_pb2.DescribeResourceRequest(resource=one.plan.plural)
    answer = await person.call(f"{one.plan.service}.{DESCRIBE}", request)
    assert isinstance(answer, describe_pb2.ResourceDescription)
    return {field.name: field.writable for field in answer.fields}


async def history(person: Person, one: Walked, record_id: str) -> list[history_pb2.HistoryEntry]:
    """What has become of a record."""
    request = history_pb2.ListHistoryRequest(resource=one.plan.plural, id=record_id)
    answer = await person.call(f"{one.plan.service}.{HISTORY}", request)
    assert isinstance(answer, history_pb2.ListHistoryResponse)
    return list(answer.entries)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.plan.plural)
async def test_read_only_fields_are_seen_and_never_set(people: People, one: Walked) -> None:
    wrong: list[str] = []
    record_id = people.ground.ids[one.name]
    whole = names_of(await one.call(people.admin, "Get", id=record_id))
    for each, _, person in people.cases(one):
        seen = names_of(await one.call(person, "Get", id=record_id))
        if seen != whole:
            wrong.append(f"{each.name}: {whole ^ seen} not as the administrator sees it")
        wrong += [f"{each.name}: {text}" async for text in settings(people, one, each, person)]
        if (await described(person, one)).get(each.name):
            wrong.append(f"{each.name}: described as writable")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.plan.plural)
async def test_history_shows_what_was_set_to_whom_it_is_not_hidden(
    people: People, one: Walked
) -> None:
    entries = await history(people.admin, one, people.ground.ids[one.name])
    told = {change.field for entry in entries for change in entry.changes}
    assert told >= set(people.values[one.name]) - set(people.ground.values(one.name))
    assert entries[-1].event == "created"
    assert {entry.actor_id for entry in entries} == {people.admin.id}
    assert {entry.actor_name for entry in entries} == {"admin"}
