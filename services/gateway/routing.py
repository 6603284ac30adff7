"""Which endpoint answers a path: a trie over path segments, compiled once from templates."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.responses import Response

from chassis.errors import InvalidArgument, NotFound
from services.gateway.exchange import Exchange

Handler = Callable[[Exchange], Awaitable[Response]]
_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)\}")
_SEGMENT_MAX = 200


class MethodNotAllowed(Exception):
    """The path exists, but not for this HTTP method; `allowed` lists those it exists for."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__("method not allowed")
        self.allowed = sorted(allowed)


@dataclass(frozen=True)
class Endpoint:
    """What answers one HTTP method on one path template; `restricted`: also for sessions that may
    do nothing else first.
    """

    verb: str
    template: str
    handler: Handler
    public: bool = False
    streams: bool = False
    restricted: bool = False


@dataclass(slots=True)
class _Leaf:
    endpoint: Endpoint
    names: tuple[str, ...]


@dataclass(slots=True)
class _Node:
    literals: "dict[str, _Node]" = field(default_factory=dict)
    variable: "_Node | None" = None
    # By custom verb ("" for none), then by HTTP method.
    leaves: dict[str, dict[str, _Leaf]] = field(default_factory=dict)


class Router:
    """Finds endpoints; literal segments win over variables, the last ones first: a collection's
    own fields at "/v1/{resource}/customFields" win over the record at "/v1/customers/{id}".
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            self._add(endpoint)

    def match(self, verb: str, raw_path: str) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint and the path parameters; NotFound or MethodNotAllowed when there is none."""
        segments = [_decoded(segment) for segment in raw_path.removeprefix("/").split("/")]
        name, colon, custom = segments[-1].rpartition(":")
        if colon:
            found = _find(self._root, [*segments[:-1], name], custom)
        else:
            found = _find(self._root, segments, "")
        if found is None:
            raise NotFound("ROUTE_NOT_FOUND", "There is nothing at this path.")
        leaf = found.leaves.get(verb)
        if leaf is None:
            raise MethodNotAllowed(found.leaves)
        return leaf.endpoint, dict(zip(leaf.names, found.values, strict=True))

    def _add(self, endpoint: Endpoint) -> None:
        path, _, custom = endpoint.template.partition(":")
        names: list[str] = []
        node = self._root
        for segment in path.strip("/").split("/"):
            variable = _VARIABLE.fullmatch(segment)
            if variable:
                names.append(variable[1])
                node.variable = node.variable or _Node()
                node = node.variable
            elif set(segment) & set("{}*="):
                raise ValueError(f"path template {endpoint.template} is not supported")
            else:
                node = node.literals.setdefault(segment, _Node())
        leaves = node.leaves.setdefault(custom, {})
        if endpoint.verb in leaves:
            raise ValueError(f"two endpoints for {endpoint.verb} {endpoint.template}")
        leaves[endpoint.verb] = _Leaf(endpoint, tuple(names))


@dataclass(slots=True)
class _Found:
    """What a path leads to, with the values of its variables; `literal` by segment, last first."""

    leaves: dict[str, _Leaf]
    values: list[str] = field(default_factory=list)
    literal: list[bool] = field(default_factory=list)


def _find(node: _Node, segments: list[str], custom: str) -> _Found | None:
    if not segments:
        leaves = node.leaves.get(custom)
        return _Found(leaves) if leaves else None
    head, rest = segments[0], segments[1:]
    by_name, by_place = node.literals.get(head), node.variable if head else None
    one = _find(by_name, rest, custom) if by_name is not None else None
    other = _find(by_place, rest, custom) if by_place is not None else None
    if one is not None:
        one.literal.append(True)
    if other is not None:
        other.values.insert(0, head)
        other.literal.append(False)
    if one is None or other is None:
        return one or other
    return one if one.literal >= other.literal else other


def _decoded(segment: str) -> str:
    if len(segment) > _SEGMENT_MAX:
        raise NotFound("ROUTE_NOT_FOUND", "There is nothing at this path.")
    if "%" not in segment:
        return segment
    try:
        text = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        text = "\0"
    if not text.isprintable():
        raise InvalidArgument("INVALID_PATH", "The path holds characters that are not allowed.")
    return text
