"""Ids of others in calls of somebody: whatever he asks, they look like ids that never were."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from uuid import uuid4

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.codec import fields as codec_fields
from tests.integration.security.ground import Ground, id_paths, planted, user_methods
from tests.integration.security.wire import SERVICES, Outcome, Wire

IdPath = tuple[FieldDescriptor, ...]
OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}


def told(outcome: Outcome, planted_id: str) -> tuple[object, ...]:
    """What the caller learns of an id."""
    return outcome.code, outcome.reason, outcome.text.replace(planted_id, "ID")


async def replayed(
    wire: Wire, caller: Ground, foreign: Sequence[str], processes: Collection[str] = SERVICES
) -> tuple[int, list[str]]:
    """How many calls of his were made with foreign ids, and where they were answered otherwise than
    with one that never was.
    """
    bearer = f"Bearer {caller.person.token}"
    calls, wrong = 0, list[str]()
    for process, method in user_methods():
        if process not in processes:
            continue
        base = caller.request(method, "cc", process)
        for path in id_paths(codec_fields.descriptor_of(type(base))):
            ask = partial(_ask, wire, bearer, (process, method), base, path)
            place = f"{process} {method} {'.'.join(one.name for one in path)}"
            wrong += [f"{place}: {text}" for text in await _differences(ask, foreign)]
            calls += len(foreign)
    return calls, wrong


async def _ask(  # what is planted, where, and who asks
    wire: Wire, bearer: str, where: tuple[str, str], base: Message, path: IdPath, one: str
) -> Outcome:
    request = planted(base, path, one).SerializeToString()
    return await wire.call(*where, request, authorization=bearer)


async def _differences(
    ask: Callable[[str], Awaitable[Outcome]], foreign: Sequence[str]
) -> list[str]:
    """Where ids of others are answered in another way than one that never was."""
    absent = str(uuid4())
    wanted = await ask(absent)
    wrong = []
    if wanted.code in {grpc.StatusCode.OK, *OURS}:
        wrong.append(f"an absent id was taken: {wanted}")
    for one in foreign:
        outcome = await ask(one)
        if told(outcome, one) != told(wanted, absent):
            wrong.append(f"{outcome}, not {wanted}")
    return wrong
