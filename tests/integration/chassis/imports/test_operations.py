"""Operations: whose they are, cancelled, repeated by key, killed half way and resumed exactly."""

import asyncio
import csv
import io
from collections.abc import Callable

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from crm.chassis.v1 import import_pb2, operation_pb2
from crm.chassis.v1.operation_pb2 import OperationMetadata
from crm.identity.v1 import role_pb2
from tests.integration.chassis.imports.importer import (
    OPERATIONS,
    Counts,
    Importer,
    counts,
    metadata,
    spec_of,
)
from tests.workbooks import written

FIELDS = {"external_id": "id", "name": "name", "parent_id": "parent"}
SPEC = spec_of(FIELDS, match={"parent_id": "external_id"})
ROWS = 12_000


def many(rows: int = ROWS) -> bytes:
    """Every tenth row names a later one, every hundredth is wrong, ids repeat in the last ten."""
    lines = ["id,name,parent"]
    for at in range(rows):
        name = "" if at % 100 == 7 else f"n{at}"
        parent = str(at + 1000) if at % 10 == 3 and at + 1000 < rows else ""
        lines.append(f"{at},{name},{parent}")
    lines += [f"{at},n{at},{'' if at % 10 != 3 else at + 1000}" for at in range(10) if at != 7]
    return "\n".join(lines).encode()


def workbook() -> bytes:
    """The same rows in a workbook."""
    return written(rows=list(csv.reader(io.StringIO(many().decode()))))


EXPECTED = Counts(created=ROWS - ROWS // 100, skipped=9, failed=ROWS // 100)


async def wait_for_rows(importer: Importer, name: str, rows: int) -> OperationMetadata:
    """The operation as soon as it has worked on so many rows."""
    while True:
        found = metadata(await importer.get(name))
        if found.processed >= rows:
            return found
        await asyncio.sleep(0.02)


async def errors_of(importer: Importer, name: str) -> list[list[str]]:
    """The lines of the error file: row, column and reason."""
    return list(csv.reader(io.StringIO(await importer.errors(name))))


@pytest.mark.parametrize("make", [many, workbook])
async def test_a_killed_import_goes_on_where_it_was(
    importer: Importer, make: Callable[[], bytes]
) -> None:
    data = make()
    operation = await importer.start(SPEC, data)
    seen = await wait_for_rows(importer, operation.name, 2000)
    assert not seen.counts.created >= EXPECTED.created
    importer.platform.kill("customer")
    await asyncio.to_thread(importer.platform.start, "customer")
    before = metadata(await importer.get_again(operation.name))
    assert before.state == OperationMetadata.RUNNING
    assert seen.processed <= before.processed < ROWS
    done = metadata(await importer.end(operation.name, 90))
    assert done.state == OperationMetadata.SUCCEEDED
    assert counts(done.counts) == EXPECTED
    assert (done.processed, done.total) == (ROWS + 9, ROWS + 9)
    told = [one for one in await errors_of(importer, operation.name) if "Note" in one[2]]
    repeats = enumerate((at for at in range(10) if at != 7), ROWS + 2)
    note = "Note: it has the external id of row {}."
    assert told == [[str(row), "", note.format(at + 2)] for row, at in repeats]
    customers = await importer.customers()
    assert len({one.external_id for one in customers}) == len(customers) == EXPECTED.created
    ids = {one.id: one.external_id for one in customers}
    parents = {one.external_id: ids[one.parent_id] for one in customers if one.parent_id}
    assert parents == {str(at): str(at + 1000) for at in range(3, ROWS - 1000, 10)}
    assert {one.etag for one in customers} == {'"1"'}
    assert await importer.run(SPEC, data) == Counts(
        skipped=EXPECTED.created + 9, failed=EXPECTED.failed
    )


async def test_a_stopped_service_gives_its_import_back(importer: Importer) -> None:
    operation = await importer.start(SPEC, many())
    await wait_for_rows(importer, operation.name, 1000)
    await asyncio.to_thread(importer.platform.restart, "customer")
    await importer.get_again(operation.name)
    done = metadata(await importer.end(operation.name, 25))
    assert counts(done.counts) == EXPECTED


async def test_a_rehearsal_counts_what_the_import_would(importer: Importer) -> None:
    spec = spec_of(FIELDS, match={"parent_id": "external_id"}, validate_only=True)
    data = many(3000) + b"\n5,changed,\n"
    expected = Counts(created=2970, updated=1, skipped=9, failed=30)
    assert await importer.run(spec, data) == expected
    assert await importer.customers() == []
    assert await importer.run(SPEC, data) == expected


async def test_a_cancelled_import_stops_at_the_next_batch(importer: Importer) -> None:
    operation = await importer.start(SPEC, many())
    await wait_for_rows(importer, operation.name, 500)
    await importer.cancel(operation.name)
    ended = await importer.end(operation.name, 20)
    done = metadata(ended)
    assert done.state == OperationMetadata.CANCELLED
    assert ended.error.code == grpc.StatusCode.CANCELLED.value[0]
    assert 500 <= done.processed < ROWS
    assert len(await importer.customers()) == done.counts.created
    assert metadata(await importer.cancel(operation.name)).state == OperationMetadata.CANCELLED


async def test_the_same_key_starts_one_import(importer: Importer) -> None:
    data = b"id,name,parent\n1,one,\n"
    first, second = [
        import_pb2.CreateImportRequest(file_id=await importer.upload(data), spec=SPEC)
        for _ in range(2)
    ]
    assert first.file_id != second.file_id
    names = {(await importer.create(request, key="k1")).name for request in (first, second)}
    assert len(names) == 1
    other = import_pb2.CreateImportRequest(
        file_id=await importer.upload(data + b"2,two,\n"), spec=SPEC
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await importer.create(other, key="k1")
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert (await importer.create(other, key="k2")).name not in names


async def test_operations_are_the_callers_own(importer: Importer) -> None:
    name = (await importer.start(SPEC, b"id,name,parent\n1,one,\n")).name
    listed = await importer.call(
        "customer",
        f"{OPERATIONS}/ListOperations",
        operation_pb2.ListOperationsRequest(),
        operation_pb2.ListOperationsResponse,
    )
    assert [one.name for one in listed.operations] == [name]
    colleague = await importer.colleague("ann", [grant("customers", "READ", "IMPORT")])
    for call in (colleague.get, colleague.cancel, colleague.errors):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(name)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_rows_outside_the_rights_fail(importer: Importer) -> None:
    data = b"id,name,parent\n1,one,\n2,two,\n"
    await importer.run(SPEC, b"id,name,parent\n1,first,\n")
    verbs = ("READ", "CREATE", "UPDATE", "IMPORT")
    colleague = await importer.colleague("bob", [grant("customers", *verbs, scope="OWN")])
    assert await colleague.run(SPEC, data) == Counts(created=1, failed=1)
    reader = await importer.colleague("eve", [grant("customers", "READ", "CREATE")])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reader.start(SPEC, data)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_rights_taken_away_end_the_import(importer: Importer) -> None:
    verbs = ("READ", "CREATE", "UPDATE", "IMPORT")
    colleague = await importer.colleague("joe", [grant("customers", *verbs)])
    operation = await colleague.start(SPEC, many(60_000))
    await wait_for_rows(colleague, operation.name, 500)
    role = role_pb2.Role(id=colleague.role_id, grants=[grant("customers", "READ")])
    await importer.call(
        "identity",
        "crm.identity.v1.RoleService/UpdateRole",
        role_pb2.UpdateRoleRequest(role=role, update_mask=FieldMask(paths=["grants"])),
        role_pb2.Role,
    )
    ended = await colleague.end(operation.name, 20)
    assert ended.error.message == "Your roles do not allow you to import customers."
    assert metadata(ended).state == OperationMetadata.FAILED
    assert len(await importer.customers()) == metadata(ended).counts.created


def grant(resource: str, *verbs: str, scope: str = "ALL") -> role_pb2.Grant:
    """Verbs on one resource."""
    return role_pb2.Grant(resource=resource, verbs=list(verbs), scope=scope)
