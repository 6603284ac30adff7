"""Operations that somebody starts about records, and all that he is told of them."""

import asyncio

import grpc
from google.longrunning.operations_pb2 import Operation
from google.protobuf.message import Message

from crm.chassis.v1 import operation_pb2
from tests.integration.drive import Person
from tests.integration.security.wire import Outcome, Wire

OPERATIONS = "crm.chassis.v1.OperationService"
WAIT_EVERY_S, WAITS_MAX = 0.05, 400
END_OF_ID = 36


async def all_told(
    wire: Wire, person: Person, where: tuple[str, str], request: Message, mark: str
) -> tuple[object, ...]:
    """How the operation is started and ends, and what its files say, the mark taken out."""
    process = where[0]
    outcome = await _call(wire, person, where, request)
    if outcome.code is not grpc.StatusCode.OK:
        return outcome.code, outcome.reason, outcome.text.replace(mark, "ID")
    name = Operation.FromString(outcome.data).name
    ended = await _ended(wire, person, process, name)
    files = []
    for method, kind in (
        ("DownloadResult", operation_pb2.DownloadResultRequest),
        ("DownloadErrors", operation_pb2.DownloadErrorsRequest),
    ):
        found = await _call(wire, person, (process, f"{OPERATIONS}/{method}"), kind(id=name))
        text = found.data.replace(name.encode(), b"OPERATION").replace(mark.encode(), b"ID")
        files.append((found.code, found.reason, text))
    result = operation_pb2.OperationMetadata()
    ended.metadata.Unpack(result)
    counts = result.counts.SerializeToString(deterministic=True)
    return ended.error.code, ended.error.message.replace(mark, "ID"), counts, *files


async def _ended(wire: Wire, person: Person, process: str, name: str) -> Operation:
    request = operation_pb2.GetOperationRequest(id=name)
    for _ in range(WAITS_MAX):
        outcome = await _call(wire, person, (process, f"{OPERATIONS}/GetOperation"), request)
        operation = Operation.FromString(outcome.data)
        if operation.done:
            return operation
        await asyncio.sleep(WAIT_EVERY_S)
    raise AssertionError(f"{name} does not end")


async def _call(wire: Wire, person: Person, where: tuple[str, str], request: Message) -> Outcome:
    bearer = f"Bearer {person.token}"
    return await wire.call(*where, request.SerializeToString(), authorization=bearer)
