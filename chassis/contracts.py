"""The contracts of all services, read from the descriptors that ship with the generated code: what
comments say, and which service owns which collection.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from google.api.resource_pb2 import ResourceDescriptor, resource
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MessageOptions,
)

from crm.type.v1.options_pb2 import access

# Field numbers in descriptor.proto, which paths in SourceCodeInfo are made of.
_MESSAGE, _SERVICE = 4, 6
_FIELD, _NESTED, _NESTED_ENUM, _VALUE, _METHOD = 2, 3, 4, 2, 2


@cache
def contract_files() -> tuple[FileDescriptorProto, ...]:
    """Our files, with their comments."""
    content = resources.files("crm").joinpath("contracts.binpb").read_bytes()
    files = FileDescriptorSet.FromString(content).file
    return tuple(file for file in files if file.package.startswith("crm."))


@cache
def comments() -> Mapping[str, str]:
    """Comments by full name, for whatever has one."""
    return {name: text for file in contract_files() for name, text in _comments(file)}


@cache
def owners() -> Mapping[str, str]:
    """The service that owns a collection, by the collection's plural name."""
    return {plural: file.package.split(".")[1] for plural, file, _ in _collections()}


@cache
def collection_fields() -> Mapping[str, frozenset[str]]:
    """The names of a collection's fields, by its plural name."""
    return {plural: frozenset(one.name for one in of.field) for plural, _, of in _collections()}


@cache
def granted() -> frozenset[str]:
    """What grants may name: whatever a method takes rights on."""
    methods = (one for file in contract_files() for of in file.service for one in of.method)
    rules: Iterator[str] = (one.options.Extensions[access].resource for one in methods)  # type: ignore[index]  # extensions are untyped in the stubs
    return frozenset(rules) - {""}


def _collections() -> Iterator[tuple[str, FileDescriptorProto, DescriptorProto]]:
    for file in contract_files():
        for message in file.message_type:
            if plural := _resource(message.options).plural:
                yield plural, file, message


def _resource(options: MessageOptions) -> ResourceDescriptor:
    found: ResourceDescriptor = options.Extensions[resource]  # type: ignore[index]  # extensions are untyped in the stubs
    return found


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Pairs of full name and leading comment."""
    names = dict(_paths(file))
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name and location.leading_comments:
            yield name, " ".join(location.leading_comments.split())


def _paths(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    package = file.package
    for number, service in enumerate(file.service):
        name = f"{package}.{service.name}"
        yield (_SERVICE, number), name
        for index, method in enumerate(service.method):
            yield (_SERVICE, number, _METHOD, index), f"{name}.{method.name}"
    for number, message in enumerate(file.message_type):
        yield from _message_paths((_MESSAGE, number), package, message)


def _message_paths(
    path: tuple[int, ...], scope: str, message: DescriptorProto
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = f"{scope}.{message.name}"
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _FIELD, index), f"{name}.{field.name}"
    for index, enum in enumerate(message.enum_type):
        yield (*path, _NESTED_ENUM, index), f"{name}.{enum.name}"
        for at, value in enumerate(enum.value):
            yield (*path, _NESTED_ENUM, index, _VALUE, at), f"{name}.{enum.name}.{value.name}"
    for index, inner in enumerate(message.nested_type):
        yield from _message_paths((*path, _NESTED, index), name, inner)
