"""Two tenants on one platform: whatever B does with ids of A looks like ids that never were, and A
stays as it is.
"""

import asyncio
from uuid import uuid4

import grpc
from google.longrunning import operations_pb2

from chassis.codec import fields as codec_fields
from chassis.rpc.methods import method_facts
from crm.chassis.v1 import import_pb2, operation_pb2
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.security.belongings import uploaded
from tests.integration.security.ground import Ground, resources
from tests.integration.security.policy import COLLECTIONS, PLURALS
from tests.integration.security.replay import told
from tests.integration.security.wire import Outcome, Wire


async def test_page_tokens_reach_no_other_tenant(wire: Wire, a: Ground, b: Ground) -> None:
    for name, process in resources():
        method = f"crm.{process}.v1.{name}Service/List{PLURALS.get(name, f'{name}s')}"
        await _token_of_a(wire, a, b, process, method)


async def _token_of_a(wire: Wire, a: Ground, b: Ground, process: str, method: str) -> None:
    """A page token of A is nothing to B, whatever B asks for."""
    facts = method_facts(method.split("/", maxsplit=1)[0])[method.split("/")[1]]
    singular = codec_fields.message_of(codec_fields.descriptor_of(facts.response).fields[0]).name
    service = method.split("/", maxsplit=1)[0]
    create = method_facts(service)[f"Create{singular}"]
    for tag in ("dd", "ee"):
        values = a.values(singular, tag)
        if singular == "CampaignMember":
            values = {**values, "customer_id": await a.another_customer()}
        request = create.request(**{create.request.DESCRIPTOR.fields[0].name: values})
        await a.person.call(f"{process}.{singular}Service/Create{singular}", request)
    page = await a.person.call(f"{process}.{method.split('.v1.')[1]}", ListRequest(page_size=1))
    token = str(getattr(page, "next_page_token"))  # noqa: B009  # a page of any resource
    assert token
    again = ListRequest(page_size=1, page_token=token).SerializeToString()
    outcome = await wire.call(process, method, again, authorization=f"Bearer {b.person.token}")
    assert outcome.code is grpc.StatusCode.INVALID_ARGUMENT, outcome
    assert outcome.reason == "PAGE_TOKEN_INVALID"


async def test_look_ups_find_nothing_of_another_tenant(wire: Wire, a: Ground, b: Ground) -> None:
    for name, process in resources():
        plural = COLLECTIONS[process][name]
        for field in ("name", "external_id", "login", "email", "id"):
            values = [str(a.values(name).get("name", "")), *a.ids.values()]
            request = import_pb2.LookupRecordsRequest(resource=plural, field=field, values=values)
            outcome = await wire.call(
                process, "crm.chassis.v1.LookupService/LookupRecords",
                request.SerializeToString(), authorization=f"Bearer {b.person.token}",
            )  # fmt: skip
            assert outcome.code in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
            answer = import_pb2.LookupRecordsResponse.FromString(outcome.data)
            assert not answer.matches, f"{plural} {field}"


async def test_files_operations_and_matches_stay_within_their_tenant(
    wire: Wire, a: Ground, b: Ground
) -> None:
    file_a = await uploaded(wire, a, "customer", b"name\nImported of A\n")
    spec = import_pb2.ImportSpec(
        resource="customers", columns=[import_pb2.ColumnMapping(column="name", field="name")]
    )
    operation = await _import(wire, a, file_a, spec)
    assert operation.code is grpc.StatusCode.OK, operation
    name = _name(operation)
    absent = f"customer-{uuid4()}"
    for method in (
        "GetOperation",
        "CancelOperation",
        "UndoOperation",
        "DownloadResult",
        "DownloadErrors",
    ):
        answers = []
        for one in (name, absent):
            request = operation_pb2.GetOperationRequest(id=one).SerializeToString()
            path = f"crm.chassis.v1.OperationService/{method}"
            outcome = await wire.call(
                "customer", path, request, authorization=f"Bearer {b.person.token}"
            )
            assert outcome.code is grpc.StatusCode.NOT_FOUND, outcome
            answers.append(told(outcome, one))
        assert answers[0] == answers[1]
    absent_file = file_a[:-8] + "00000000"
    taken, unknown = [await _import(wire, b, one, spec) for one in (file_a, absent_file)]
    assert taken.code is not grpc.StatusCode.OK
    assert told(taken, file_a) == told(unknown, absent_file)
    for odd in ("../../../etc/passwd", "/etc/passwd", f"../{a.person.tenant_id}/{file_a}", "a\0b"):
        outcome = await _import(wire, b, odd, spec)
        assert outcome.code in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}


async def test_an_import_matches_no_record_of_another_tenant(
    wire: Wire, a: Ground, b: Ground
) -> None:
    rows = f"name,customer\nX,{a.values('Customer')['name']}\nY,Nobody at all\n".encode()
    columns = [
        import_pb2.ColumnMapping(column="name", field="name"),
        import_pb2.ColumnMapping(column="customer", field="customer_id", match="name"),
    ]
    spec = import_pb2.ImportSpec(resource="contacts", columns=columns)
    outcome = await _import(wire, b, await uploaded(wire, b, "customer", rows), spec)
    assert outcome.code is grpc.StatusCode.OK, outcome
    request = operation_pb2.GetOperationRequest(id=_name(outcome)).SerializeToString()
    bearer, lines = f"Bearer {b.person.token}", list[str]()
    for _ in range(200):
        path = "crm.chassis.v1.OperationService/DownloadErrors"
        errors = await wire.call("customer", path, request, authorization=bearer)
        chunk = operation_pb2.FileChunk.FromString(errors.data)
        lines = chunk.data.decode().splitlines()  # of the last message, which is all but the header
        if len(lines) == 2:
            break
        await asyncio.sleep(0.05)
    assert len(lines) == 2, lines
    texts = [line.split(",", 2)[2] for line in lines]
    assert texts[0].replace("Customer aa", "X") == texts[1].replace("Nobody at all", "X")


async def _import(wire: Wire, ground: Ground, file_id: str, spec: import_pb2.ImportSpec) -> Outcome:
    request = import_pb2.CreateImportRequest(file_id=file_id, spec=spec).SerializeToString()
    method = "crm.chassis.v1.ImportService/CreateImport"
    return await wire.call(
        "customer", method, request, authorization=f"Bearer {ground.person.token}"
    )


def _name(outcome: Outcome) -> str:
    """The id of the operation that an import answered with."""
    return str(operations_pb2.Operation.FromString(outcome.data).name)
