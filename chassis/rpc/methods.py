"""Methods: what the descriptors say about them, and the kinds of handlers that serve them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.call import Call
from chassis.db.pool import Tx
from crm.type.v1 import options_pb2

# Most answers end early at 2 MiB; the access of a tenant comes whole, of some 50,000 people.
ANSWER_BYTES_MAX = 16 * 1024 * 1024

# (call, tx, ids of the records that the first call changed) -> its answer, read again
Reread = Callable[[Call, Tx, Sequence[str]], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """One RPC: its full name ("crm.sales.v1.LeadService/GetLead"), messages and access rule."""

    full_name: str
    request: type[Message]
    response: type[Message]
    access: options_pb2.Access

    @property
    def changes(self) -> bool:
        """Whether the method may change something, so that an idempotency key means something."""
        return self.access.verb not in {"", "read"}

    @property
    def keyed(self) -> bool:
        """Whether a call may carry an idempotency key: changes, and work that a user starts."""
        return self.changes or (self.access.self and "/Create" in self.full_name)


def method_facts(service: str) -> dict[str, MethodFacts]:
    """Facts of every method of a service by method name; one without an access rule raises
    ValueError.
    """
    descriptor = descriptor_pool.Default().FindServiceByName(service)
    return {
        method.name: MethodFacts(
            full_name=f"{service}/{method.name}",
            request=GetMessageClass(method.input_type),
            response=GetMessageClass(method.output_type),
            access=_access(f"{service}/{method.name}", method.GetOptions()),
        )
        for method in descriptor.methods
    }


def _access(name: str, options: Message) -> options_pb2.Access:
    access: options_pb2.Access = options.Extensions[options_pb2.access]  # type: ignore[index]  # stubs know messages only in general
    rules = (bool(access.resource and access.verb), access.internal, access.self, access.open)
    if sum(rules) != 1:
        raise ValueError(f"{name} needs exactly one access rule")
    return access


@dataclass(frozen=True, slots=True)
class Unary:
    """A method that is one transaction, opened and committed here.

    One that changes records names `reread`, the way to answer a repeat with the same key.
    """

    run: Callable[..., Awaitable[Message]]
    reread: Reread | None = None


@dataclass(frozen=True, slots=True)
class Free:
    """A method that opens transactions itself, because it also waits for something slow."""

    run: Callable[..., Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class ServerStream:
    """A method that answers with many messages."""

    run: Callable[..., AsyncIterator[Message]]


@dataclass(frozen=True, slots=True)
class ClientStream:
    """A method that is sent many messages."""

    run: Callable[..., Awaitable[Message]]


Handler: TypeAlias = Unary | Free | ServerStream | ClientStream
Methods: TypeAlias = Mapping[str, Handler]
