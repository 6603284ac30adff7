"""The contracts as the gateway needs them, read from descriptors: methods, resources, comments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import cast

from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.api.resource_pb2 import ResourceDescriptor, resource
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.access.place import COMPANY, place_of
from chassis.codec import fields
from chassis.contracts import comments, contract_files
from crm.type.v1.options_pb2 import Access, Place, access

# The package of what every service offers.
EVERY_SERVICE = "chassis"


@dataclass(frozen=True)
class Method:
    """One RPC with one of its REST forms; `target` is the service that owns it, for example
    "sales".
    """

    full_name: str
    target: str
    verb: str
    template: str
    body: str
    request: type[Message]
    response: type[Message]
    comment: str
    access: Access
    # 1, then those of its additional bindings.
    form: int

    @property
    def rpc_path(self) -> str:
        """The path of the RPC, for example "/crm.sales.v1.LeadService/GetLead"."""
        service, _, name = self.full_name.rpartition(".")
        return f"/{service}/{name}"


@dataclass(frozen=True)
class Resource:
    """One resource: its names, the service that owns it, the fields that scopes go by; without one
    for the company (`company` empty) it is the one that the department lies in. One of `everybody`
    has none of these.
    """

    message: str
    singular: str
    plural: str
    target: str
    place: Place
    company: str
    everybody: bool


@dataclass(frozen=True)
class Contracts:
    """Everything that the gateway builds its routes and its documentation from."""

    methods: tuple[Method, ...]
    resources: Mapping[str, Resource]
    comments: Mapping[str, str]

    @property
    def owners(self) -> Mapping[str, str]:
        """The service that owns a collection; what every service has is nobody's."""
        return {
            name: one.target for name, one in self.resources.items() if one.target != EVERY_SERVICE
        }

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that every collection has, by their names in paths (customFields)."""
        owned = self.owners
        return {camel(plural): plural for plural in self.resources if plural not in owned}

    @property
    def collections(self) -> Mapping[str, str]:
        """The names of collections as paths have them (campaignMembers) to those of resources."""
        return {camel(plural): plural for plural in self.owners}


@cache
def load_contracts() -> Contracts:
    """Read crm/contracts.binpb and the generated modules; resources are keyed by their plural."""
    modules = [_module(file) for file in contract_files()]
    found = [item for module in modules for item in _resources(module)]
    return Contracts(
        methods=tuple(item for module in modules for item in _methods(module, comments())),
        resources={item.plural: item for item in found},
        comments=comments(),
    )


def camel(name: str) -> str:
    """A snake_case name as paths have it."""
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def _module(file: FileDescriptorProto) -> ModuleType:
    return import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")


def _target(package: str) -> str:
    return package.split(".")[1]


def _methods(module: ModuleType, told: Mapping[str, str]) -> Iterator[Method]:
    for service in module.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            yield from _method(method, told)


def _method(method: MethodDescriptor, told: Mapping[str, str]) -> Iterator[Method]:
    found = fields.extension(method.GetOptions(), http)
    rule = cast("HttpRule | None", found)  # extensions are untyped in the stubs
    if rule is None:
        return
    for form, one in enumerate((rule, *rule.additional_bindings), 1):
        verb = one.WhichOneof("pattern")
        if verb is None or verb == "custom":
            raise ValueError(f"{method.full_name} has no plain HTTP verb")
        yield Method(
            full_name=method.full_name,
            target=_target(method.containing_service.file.package),
            verb=verb.upper(),
            template=getattr(one, verb),
            body=one.body,
            request=GetMessageClass(method.input_type),
            response=GetMessageClass(method.output_type),
            comment=told.get(method.full_name, ""),
            access=cast("Access", fields.extension(method.GetOptions(), access)),  # as above
            form=form,
        )


def _resources(module: ModuleType) -> Iterator[Resource]:
    for message in module.DESCRIPTOR.message_types_by_name.values():
        found = _resource(message)
        if found is not None:
            place, names = place_of(message), set(message.fields_by_name)
            yield Resource(
                message=message.name,
                singular=found.singular,
                plural=found.plural,
                target=_target(module.DESCRIPTOR.package),
                place=place,
                company=COMPANY if COMPANY in names or place.parent else "",
                everybody=not names & {place.owner, place.department, place.parent},
            )


def is_resource(message: Descriptor) -> bool:
    """Whether the message is a record of a resource."""
    return _resource(message) is not None


def _resource(message: Descriptor) -> ResourceDescriptor | None:
    found = fields.extension(message.GetOptions(), resource)
    return cast("ResourceDescriptor | None", found)  # extensions are untyped in the stubs
