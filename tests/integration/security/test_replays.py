"""Whatever belongs to another tenant, or to another partner company, in every field of every
request: it is answered as if it never was, and nothing of anybody's changes.
"""

from dataclasses import dataclass, replace
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message

from chassis.rpc.methods import method_facts
from crm.chassis.v1 import bulk_pb2, export_pb2, import_pb2
from crm.identity.v1.user_pb2 import GetOwnUserRequest
from crm.type.v1.requests_pb2 import GetRequest
from deploy.local.platform import Platform
from tests.integration.drive import Drive
from tests.integration.security.belongings import (
    declare_fields,
    field_name,
    furnish,
    logged,
    uploaded,
)
from tests.integration.security.checksum import changed, settled
from tests.integration.security.ground import OWNED, Ground, resources
from tests.integration.security.partners import SHARED, TOLD, Partners, partners
from tests.integration.security.policy import COLLECTIONS
from tests.integration.security.replay import Replay
from tests.integration.security.strategy import NEVER, Belongings, never
from tests.integration.security.wire import SERVICES, Wire
from tests.integration.security.works import all_told

# Calls of each replay, in all processes together.
CALLS_MIN = 10_000
ABSENT = grpc.StatusCode.NOT_FOUND


@dataclass(frozen=True)
class Scene:
    """Somebody, and what others have; `calls` counts what he has tried in each process."""

    name: str
    caller: Ground
    others: Belongings
    neighbours: tuple[Ground, ...]
    tenants: tuple[str, ...]
    calls: dict[str, int]


@pytest.fixture(scope="module")
async def tenants(wire: Wire, a: Ground, b: Ground) -> Scene:
    for one in (a, b):
        await declare_fields(one)
    await furnish(wire, b, changes=2)
    found = await furnish(wire, a)
    others = replace(
        found,
        ids=[*found.ids, a.person.tenant_id, await logged(a)],
        names=[field_name(a, "TEXT")],
        taken={"login": "uaa", "code": "Paa", "name": "Role aa", "external_id": "aa-1 of ours"},
        reference=field_name(b, "REFERENCE"),
    )
    return Scene("tenants", b, others, (a,), (a.person.tenant_id, b.person.tenant_id), {})


@pytest.fixture(scope="module")
async def companies(wire: Wire, drive: Drive) -> Scene:
    world = await partners(drive)
    await declare_fields(world.office)
    await furnish(wire, world.one.ground, changes=2)
    two, office = [await furnish(wire, one) for one in (world.two.ground, world.office)]
    others = Belongings(
        ids=_private(world),
        operations=[*two.operations, *office.operations],
        files=[*two.files, *office.files],
        tokens=[*two.tokens, *office.tokens],
        texts=[*two.texts, *office.texts],
        etags=two.etags,
        reference=field_name(world.office, "REFERENCE"),
    )
    tenant_id = world.office.person.tenant_id
    neighbours = (world.two.ground, world.office)
    return Scene("partner companies", world.one.ground, others, neighbours, (tenant_id,), {})


def _private(world: Partners) -> list[str]:
    """Ids of the head office and of the other company that are not for everybody."""
    for_all = {*SHARED, "choice"}
    found = {world.two.department_id, world.two.chief.id, world.office.person.id}
    for ground, told in ((world.two.ground, for_all), (world.office, for_all | TOLD)):
        names = (one for one in ground.ids if not one.startswith(("file ", "field ")))
        found |= {ground.ids[name] for name in names if name not in told}
    return sorted(found)


@pytest.fixture(params=["tenants", "companies"])
def prepared(request: pytest.FixtureRequest) -> Scene:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Scene)
    return found


@pytest.fixture
async def scene(prepared: Scene, drive: Drive) -> Scene:
    """With fresh tokens: an expired one would be refused whatever it asks for."""
    for one in (prepared.caller, *prepared.neighbours):
        await one.renew(drive)
    return prepared


@pytest.mark.parametrize("process", SERVICES)
async def test_what_others_have_looks_as_if_it_never_was(
    domain_platform: Platform, wire: Wire, scene: Scene, process: str
) -> None:
    before = [await settled(domain_platform, one) for one in scene.tenants]
    replay = Replay(wire, scene.caller, scene.others)
    await replay.run([process])
    await scene.caller.person.call("identity.UserService/GetOwnUser", GetOwnUserRequest())
    assert not replay.wrong, "\n".join(replay.wrong)
    after = [await settled(domain_platform, one) for one in scene.tenants]
    assert not [changed(*pair) for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    scene.calls[process] = replay.calls


def test_the_replay_was_long(scene: Scene, figures: list[str]) -> None:
    """Comes after all processes; of one that was left out there is nothing to say."""
    calls = sum(scene.calls.values())
    figures.append(f"{scene.name}: {calls:,} calls with what belongs to others, {scene.calls}")
    assert calls >= CALLS_MIN or set(scene.calls) != set(SERVICES)


@pytest.mark.parametrize("process", sorted(OWNED))
async def test_started_work_finds_nothing_of_others(
    domain_platform: Platform, wire: Wire, scene: Scene, process: str
) -> None:
    """Bulk changes and exports that name records of others do what they do for none."""
    before = [await settled(domain_platform, one) for one in scene.tenants[:-1]]
    plural = COLLECTIONS[process][OWNED[process]]
    action = bulk_pb2.BulkAction(tag=bulk_pb2.BulkAction.Tag(add=["replayed"]))
    told = []
    for one in (NEVER, *(found.ids[OWNED[process]] for found in scene.neighbours)):
        condition = f'id = "{one}"'
        bulk, export = (f"crm.chassis.v1.{name}" for name in ("BulkService", "ExportService"))
        asked = (
            (bulk, bulk_pb2.CreateBulkRequest(resource=plural, ids=[one], action=action)),
            (bulk, bulk_pb2.CreateBulkRequest(resource=plural, filter=condition, action=action)),
            (bulk, _setting(plural, scene.others.reference, one)),
            (export, export_pb2.CreateExportRequest(resource=plural, filter=condition)),
        )
        answers = [
            await all_told(
                wire, scene.caller.person, (process, f"{service}/{_create(service)}"), request, one
            )
            for service, request in asked
        ]
        told.append(answers)
    assert all(one == told[0] for one in told), told
    for name in scene.others.names:
        where = (process, "crm.chassis.v1.BulkService/CreateBulk")
        named = [
            await all_told(wire, scene.caller.person, where, _setting(plural, one, "x"), one)
            for one in (name, never(name))
        ]
        assert named[0] == named[1]
    after = [await settled(domain_platform, one) for one in scene.tenants[:-1]]
    assert before == after, "nothing of others has changed"


def _setting(plural: str, name: str, value: str) -> bulk_pb2.CreateBulkRequest:
    """A change of all records that sets an own field."""
    request = bulk_pb2.CreateBulkRequest(resource=plural, filter="create_time > 2000-01-01")
    request.action.update.fields.update({"custom_fields": {name: value}})
    return request


def _create(service: str) -> str:
    return "Create" + service.rpartition(".")[2].removesuffix("Service")


async def test_imports_refer_to_nothing_of_others(wire: Wire, scene: Scene) -> None:
    """As an id in a cell, as what a cell stands for, and as the value of all cells."""
    told = []
    for one in (NEVER, *(found.ids["Customer"] for found in scene.neighbours)):
        columns = [import_pb2.ColumnMapping(column="name", field="name")]
        parent = import_pb2.ColumnMapping(column="of", field="customer_id")
        meant = import_pb2.ColumnMapping(column="of", field="customer_id", values={"his": one})
        cells, answers = (one, "his", ""), []
        for cell, spec in zip(
            cells,
            (
                import_pb2.ImportSpec(columns=[*columns, parent]),
                import_pb2.ImportSpec(columns=[*columns, meant]),
                import_pb2.ImportSpec(columns=columns, defaults={"customer_id": one}),
            ),
            strict=True,
        ):
            spec.resource = "contacts"
            data = f"name,of\nX,{cell}\n".encode()
            file_id = await uploaded(wire, scene.caller, "customer", data)
            request = import_pb2.CreateImportRequest(file_id=file_id, spec=spec)
            where = ("customer", "crm.chassis.v1.ImportService/CreateImport")
            answers.append(await all_told(wire, scene.caller.person, where, request, one))
        told.append(answers)
    assert all(one == told[0] for one in told), told


async def test_keys_of_others_are_free(scene: Scene) -> None:
    """An idempotency key that somebody else has used is one's own to use."""
    caller = scene.caller
    # The catalogue is the head office's: partner companies read it.
    beyond = SHARED if scene.name == "partner companies" else frozenset[str]()
    for name, process in resources():
        if name in beyond:
            continue
        service = f"crm.{process}.v1.{name}Service"
        create, key = method_facts(service)[f"Create{name}"], str(uuid4())
        method = f"{process}.{name}Service/Create{name}"
        first = create.request.DESCRIPTOR.fields[0].name
        made = list[tuple[Ground, Message, str]]()
        for one in (scene.neighbours[0], caller, caller):
            values = one.values(name, f"{one.tag}key")
            if name == "CampaignMember":
                values["customer_id"] = await one.another_customer()
            request = create.request(**{first: values})
            if name == "CampaignMember" and made and one is made[-1][0]:
                request = made[-1][1]
            answer = await one.person.call(method, request, key=key)
            made.append((one, request, str(getattr(answer, "id"))))  # noqa: B009  # a record of any resource
        assert made[0][2] != made[1][2], f"{method}: what another one has made"
        assert made[1][2] == made[2][2], f"{method}: his own, again"


async def test_etags_open_nothing(wire: Wire, scene: Scene) -> None:
    """The right entity tag of a record out of sight is worth as much as any."""
    bearer = f"Bearer {scene.caller.person.token}"
    for one in scene.others.ids:
        answers = set()
        for record_id, etag in ((one, scene.others.etags[0]), (one, '"77"'), (NEVER, '"8"')):
            for verb in ("Delete", "Undelete"):
                outcome = await wire.call(
                    "customer", f"crm.customer.v1.CustomerService/{verb}Customer",
                    GetRequest(id=record_id).SerializeToString(),
                    authorization=bearer, headers={"if-match": etag},
                )  # fmt: skip
                text = outcome.text.replace(record_id, "ID")
                answers.add((outcome.code, outcome.reason, text))
        assert {(code, reason) for code, reason, _ in answers} == {(ABSENT, "NOT_FOUND")}
        assert len(answers) == 1, answers
