"""What belongs to others in calls of somebody: whatever he asks, it looks as if it never was."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.codec import fields as codec_fields
from chassis.rpc.methods import method_facts
from crm.reporting.v1.report_pb2 import PipelineSummary
from tests.integration.security.ground import Ground, id_fields
from tests.integration.security.policy import policy, processes
from tests.integration.security.strategy import (
    FREE,
    Belongings,
    IdPath,
    Probe,
    leaves,
    strategy_of,
)
from tests.integration.security.wire import SERVICES, Outcome, Wire

OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}
# Reads that answer with what they find of what is asked for.
FINDING = ("LookupRecords", "GetLabels", "PreviewBulk")
# Methods whose first message is a file, or whose answer is one that follows.
STREAMS = ("UploadFile",)
AT_ONCE = 8
# What is told of a field that gives something away.
TOLD_OF_EACH, TOLD_MAX = 2, 500


def user_methods() -> Iterator[tuple[str, str]]:
    """(process, method) of every method that users may call."""
    for method, rule in policy().items():
        if rule not in {"open", "internal"} and not method.endswith(STREAMS):
            yield from ((process, method) for process in processes(method))


def request_type(method: str) -> type[Message]:
    """The message that a method takes."""
    service, _, name = method.partition("/")
    return method_facts(service)[name].request


def told(outcome: Outcome, mark: str) -> tuple[object, ...]:
    """What the caller learns of something."""
    return outcome.code, outcome.reason, outcome.text.replace(mark, "ID")


def planted(request: Message, path: IdPath, value: object) -> Message:
    """A copy of the request with the value at the path, beside what a list has already."""
    copy = type(request)()
    copy.CopyFrom(request)
    target: Message = copy
    for one in path[:-1]:
        inner = getattr(target, one.name)
        target = inner if not one.is_repeated else inner[0] if inner else inner.add()
    if path[-1].name == "filter" and "ids" in target.DESCRIPTOR.fields_by_name:
        target.ClearField("ids")  # one of the two says which records are meant
    _put(target, path[-1], value)
    return copy


def _put(target: Message, last: FieldDescriptor, value: object) -> None:
    held = getattr(target, last.name)
    if last.message_type is not None and last.message_type.full_name in FREE:
        add = held.paths.append if isinstance(value, str) else held.update
        add(value)
    elif last.is_repeated:
        held.append(value)
    else:
        setattr(target, last.name, value)


@dataclass
class Replay:
    """The calls of one caller with what others have."""

    wire: Wire
    caller: Ground
    others: Belongings
    calls: int = 0
    wrong: list[str] = field(default_factory=list)

    async def run(self, served: Collection[str] = SERVICES) -> None:
        """Try every field of every request in these processes."""
        for process, method in user_methods():
            if process in served:
                await self._method(process, method)

    async def _method(self, process: str, method: str) -> None:
        base = self.caller.request(method, "cc", process)
        others = replace(self.others, asked=id_fields(method, process))
        for path in leaves(codec_fields.descriptor_of(type(base))):
            strategy = strategy_of(path[-1])
            assert strategy is not None, f"{method}: {path[-1].full_name} has no strategy"
            probes = list(strategy(others, path[-1]))
            await self._path((process, method), _Base(base, path), probes)

    async def _path(self, where: tuple[str, str], base: "_Base", probes: list[Probe]) -> None:
        blanks = {repr(one.blank): one for one in probes}
        wanted = dict(
            zip(blanks, await self._asked(where, base, blanks.values(), blank=True), strict=True)
        )
        outcomes = await self._asked(where, base, probes, blank=False)
        finding, wrong = where[1].endswith(FINDING), list[str]()
        for probe, outcome in zip(probes, outcomes, strict=True):
            expected = wanted[repr(probe.blank)]
            for text in _differences(probe, outcome, expected, finding=finding):
                wrong.append(f"{' '.join(where)} {base.place} {probe.value}: {text[:TOLD_MAX]}")
        self.wrong += wrong[:TOLD_OF_EACH]

    async def _asked(
        self, where: tuple[str, str], base: "_Base", probes: Collection[Probe], *, blank: bool
    ) -> list[Outcome]:
        free = asyncio.Semaphore(AT_ONCE)
        bearer = f"Bearer {self.caller.person.token}"

        async def ask(probe: Probe) -> Outcome:
            request = base.request(probe, probe.blank if blank else probe.value)
            async with free:
                outcome = await self.wire.call(*where, request, authorization=bearer)
            return _timeless(where[1], outcome)

        self.calls += 0 if blank else len(probes)
        return list(await asyncio.gather(*[ask(one) for one in probes]))


@dataclass(frozen=True)
class _Base:
    """A request that is right, and the place in it that is tried."""

    message: Message
    path: IdPath

    @property
    def place(self) -> str:
        """The path as it is written."""
        return ".".join(one.name for one in self.path)

    def request(self, probe: Probe, value: object) -> bytes:
        """The request with the value; one that may be taken changes nothing."""
        message = planted(self.message, self.path, value)
        known = codec_fields.descriptor_of(type(message)).fields_by_name
        if not probe.refused and "validate_only" in known:
            message.validate_only = True  # type: ignore[attr-defined]  # just looked up
        for one in getattr(message, "requests", ()) if not probe.refused else ():
            one.validate_only = True
        return message.SerializeToString()


def _timeless(method: str, outcome: Outcome) -> Outcome:
    """The outcome without what says of what moment it is."""
    if not method.endswith("GetPipelineSummary"):
        return outcome
    answer = PipelineSummary.FromString(outcome.data)
    answer.ClearField("current_as_of")
    return replace(outcome, data=answer.SerializeToString())


def _differences(
    probe: Probe, outcome: Outcome, expected: Outcome, *, finding: bool
) -> Iterator[str]:
    """Where something of others is answered in another way than what never was."""
    ok = grpc.StatusCode.OK
    if outcome.code in OURS or (outcome.code is ok and probe.refused and not finding):
        yield f"taken or broken: {outcome}"
    if told(outcome, probe.mark) != told(expected, probe.blank_mark):
        yield f"{outcome}, not {expected}"
    marks: list[Callable[[], bytes]] = [probe.mark.encode, probe.blank_mark.encode]
    data = [
        one.data.replace(mark(), b"ID")
        for one, mark in zip((outcome, expected), marks, strict=True)
    ]
    if not probe.loose and data[0] != data[1]:
        yield f"{data[0]!r}, not {data[1]!r}"
