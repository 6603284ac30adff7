"""REST calls as RPCs, by what the descriptors say; everything is prepared at start-up."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import cast

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from starlette.responses import Response

from chassis.codec import decoder, encoder, fields, invalid_fields
from chassis.errors import NotFound
from services.gateway.contracts import EVERY_SERVICE, Contracts, Method, is_resource
from services.gateway.exchange import RPC_TIMEOUT_S, Exchange, json_response
from services.gateway.mask import batch_paths, paths
from services.gateway.problems import Problem, problem_of
from services.gateway.query import query_reader
from services.gateway.routing import Endpoint
from services.gateway.upstream import Rpc, Upstreams

WHOLE = "*"
_VARIABLE = re.compile(r"\{([a-z0-9_.]+)\}")
Setter = Callable[[Message, str], None]
Targets = Callable[[Message], Rpc[Message]]


class UpstreamProblem(Exception):
    """A refusal of a service, with field paths as the caller knows them."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def endpoints(contracts: Contracts, upstreams: Upstreams) -> list[Endpoint]:
    """One endpoint for each method that has a REST form."""
    return [
        Endpoint(
            method.verb,
            method.template,
            Transcoder(method, _targets(method, contracts, upstreams)).handle,
            restricted=method.access.restricted,
        )
        for method in contracts.methods
    ]


def _targets(method: Method, contracts: Contracts, upstreams: Upstreams) -> Targets:
    """Who answers a method: its own service, or for what every service offers the owner of the
    collection that `resource` names: as paths do when it stands in one, else as grants do.
    """
    path, answer = method.rpc_path, method.response
    if method.target != EVERY_SERVICE:
        rpc = upstreams.unary(method.target, path, answer)
        return lambda _: rpc
    rpcs = {
        name: upstreams.unary(target, path, answer) for name, target in contracts.owners.items()
    }
    in_path = "resource" in _VARIABLE.findall(method.template)
    plurals = contracts.collections if in_path else {plural: plural for plural in rpcs}
    settings = contracts.settings

    def owner(request: Message) -> Rpc[Message]:
        name: str = request.resource  # type: ignore[attr-defined]  # every such request has it
        if name not in plurals:
            raise NotFound("COLLECTION_NOT_FOUND", f"There is no collection {name[:63]}.")
        request.resource = plurals[name]  # type: ignore[attr-defined]  # as above
        if "{settings}" in method.template:
            kind: str = request.settings  # type: ignore[attr-defined]  # its template says so
            if kind not in settings:
                raise NotFound("COLLECTION_NOT_FOUND", f"There are no settings {kind[:63]}.")
            request.settings = settings[kind]  # type: ignore[attr-defined]  # as above
        return rpcs[plurals[name]]

    return owner


class Transcoder:
    """Turns exchanges of one REST method into calls of its RPC."""

    def __init__(self, method: Method, targets: Targets) -> None:
        variables = _VARIABLE.findall(method.template)
        descriptor = fields.descriptor_of(method.request)
        self._target = targets
        self._request_type = method.request
        part_path = batch_paths(method.request)
        # A batch says in each record which one it is; the service checks what may be set.
        self._decode = decoder(method.request, allow_output_only=part_path is not None)
        self._fill_masks = part_path
        self._encode = encoder(method.response)
        self._setters = {name: _setter(descriptor, name) for name in variables}
        self._bound = frozenset(name.partition(".")[0] for name in variables)
        self._body = method.body
        self._query = query_reader(method.request, self._bound | {method.body})
        self._repeatable = method.verb == "GET"
        self._records = _records_field(method)
        self._selects = "fields" in descriptor.fields_by_name and self._records is not None
        self._has_etag = "etag" in method.response.DESCRIPTOR.fields_by_name
        if method.body not in {"", WHOLE}:
            part = fields.message_of(descriptor.fields_by_name[method.body])
            part_type = type(getattr(method.request(), method.body))
            self._decode_part = decoder(part_type)
            self._paths = paths(part_type) if _has_mask(descriptor, part) else None

    async def handle(self, exchange: Exchange) -> Response:
        """Call the RPC and answer with what it returns."""
        query = exchange.request.scope["query_string"]
        message = await self._request(exchange, query)
        for name, value in exchange.params.items():
            self._setters[name](message, value)
        rpc = self._target(message)
        metadata = exchange.metadata()
        repeatable = self._repeatable or bool(exchange.header("idempotency-key"))
        try:
            answer, hidden = await rpc.told(message, metadata, repeatable, RPC_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if self._body in {"", WHOLE}:
                raise
            raise UpstreamProblem(problem_of(error).within(self._body)) from error
        selected = getattr(message, "fields", "") if self._selects else ""
        return self._response(answer, selected, hidden)

    async def _request(self, exchange: Exchange, query: bytes) -> Message:
        if not self._body:
            return self._decode(self._query(query))
        body = await exchange.json_body()
        if self._body == WHOLE:
            if query:
                self._query(query)
                raise invalid_fields([("$", "takes no query parameters")])
            if self._fill_masks is not None:
                self._fill_masks(body)
            return self._decode(_unbound(body, self._bound))
        message = self._decode(self._query(query))
        part = self._decode_part(body)
        getattr(message, self._body).CopyFrom(part)
        if self._paths is not None and not message.update_mask.paths:  # type: ignore[attr-defined]  # it has one
            mask = FieldMask(paths=self._paths(body))
            message.MergeFrom(self._request_type(update_mask=mask))
        return message

    def _response(self, answer: Message, selected: str, hidden: frozenset[str]) -> Response:
        data = self._encode(answer)
        headers = {}
        if self._has_etag and data["etag"]:
            headers["etag"] = '"' + str(data["etag"]).strip('"') + '"'
        if selected:
            data = _select(data, selected, self._records or "")
        if hidden and self._records is not None:
            data = _without(data, hidden, self._records)
        return json_response(data, headers)


def _unbound(body: object, bound: Collection[str]) -> object:
    """The body of a "*" rule; what the path says may not be said again."""
    if isinstance(body, Mapping):
        doubled = [(name, "is given by the path") for name in body if name in bound]
        if doubled:
            raise invalid_fields(doubled)
    return body


def _setter(descriptor: Descriptor, path: str) -> Setter:
    """A function that sets the string field at a path such as "customer.id"."""
    *parents, last = path.split(".")
    for parent in parents:
        descriptor = fields.message_of(descriptor.fields_by_name[parent])
    if fields.kind(descriptor.fields_by_name[last]) is not fields.Kind.STRING:
        raise ValueError(f"path parameter {path} of {descriptor.full_name} is no string")

    def set_value(message: Message, value: str) -> None:
        for parent in parents:
            message = getattr(message, parent)
        setattr(message, last, value)

    return set_value


def _has_mask(request: Descriptor, part: Descriptor) -> bool:
    """Whether the request changes only the fields that its update_mask names."""
    mask = request.fields_by_name.get("update_mask")
    return mask is not None and bool(part.fields)


def _records_field(method: Method) -> str | None:
    """Where an answer holds records: a field, "" when it is one itself, None when nowhere."""
    descriptor = fields.descriptor_of(method.response)
    if is_resource(descriptor):
        return ""
    repeated = [field for field in descriptor.fields if field.is_repeated and field.message_type]
    return next((one.name for one in repeated if is_resource(fields.message_of(one))), None)


def _without(data: dict[str, object], hidden: frozenset[str], place: str) -> dict[str, object]:
    """The answer without the keys of hidden fields."""
    if place:
        records = cast("list[dict[str, object]]", data[place])  # the encoder made them
        return {**data, place: [_without(one, hidden, "") for one in records]}
    return {name: value for name, value in data.items() if name not in hidden}


def _select(data: dict[str, object], selected: str, place: str) -> dict[str, object]:
    """Only the fields asked for, and the id, of the record or of each record at the place."""
    wanted = {"id", *(name.strip().partition(".")[0] for name in selected.split(","))}
    if not place:
        return {name: value for name, value in data.items() if name in wanted}
    records = cast("list[dict[str, object]]", data[place])  # the encoder made them
    kept = [{name: v for name, v in record.items() if name in wanted} for record in records]
    return {**data, place: kept}
