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
    """Finds endpoints; literal segments win over variables."""

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
        leaves, values = found
        leaf = leaves.get(verb)
        if leaf is None:
            raise MethodNotAllowed(leaves)
        return leaf.endpoint, dict(zip(leaf.names, values, strict=True))

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


def _find(
    node: _Node, segments: list[str], custom: str
) -> tuple[dict[str, _Leaf], list[str]] | None:
    if not segments:
        leaves = node.leaves.get(custom)
        return (leaves, []) if leaves else None
    head, rest = segments[0], segments[1:]
    literal = node.literals.get(head)
    if literal is not None:
        found = _find(literal, rest, custom)
        if found is not None:
            return found
    if node.variable is None or not head:
        return None
    found = _find(node.variable, rest, custom)
    return (found[0], [head, *found[1]]) if found else None


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
