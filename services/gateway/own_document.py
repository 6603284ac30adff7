"""The API description as one tenant has it: /v1/openapi.json adds the tenant's own fields to the
schemas of its records, as far as the caller may see them.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping

import grpc
import orjson
from starlette.responses import Response

from crm.chassis.v1.describe_pb2 import (
    DescribeResourceRequest,
    FieldDescription,
    ResourceDescription,
)
from services.gateway.contracts import Contracts
from services.gateway.exchange import Exchange, Metadata
from services.gateway.limits import UUID, Schema
from services.gateway.openapi import document
from services.gateway.query import single
from services.gateway.routing import Endpoint
from services.gateway.upstream import Rpc, Upstreams

DESCRIBE = "/crm.chassis.v1.DescribeService/DescribeResource"
CUSTOM = "custom_fields"
ANSWER_MAX_S = 2.0
# As long as a change of rights may take to be felt everywhere.
KEPT_S = 4.0
KEPT_MAX = 200

_KINDS: Mapping[int, Schema] = {
    FieldDescription.TEXT: {"type": ["string", "null"]},
    FieldDescription.NUMBER: {
        "type": ["string", "null"],
        "pattern": "^-?[0-9]{1,15}(\\.[0-9]{1,6})?$",
    },
    FieldDescription.MONEY: {
        "anyOf": [{"$ref": "#/components/schemas/Money"}, {"type": "null"}],
    },
    FieldDescription.DATE: {"type": ["string", "null"], "format": "date"},
    FieldDescription.BOOLEAN: {"type": ["boolean", "null"]},
    FieldDescription.REFERENCE: {"type": ["string", "null"], "pattern": f"^{UUID}$"},
}


class OwnDocument:
    """The route of the document."""

    def __init__(self, contracts: Contracts, upstreams: Upstreams) -> None:
        self._document = document()
        self._names = {name: one.message for name, one in contracts.resources.items()}
        self._describe = {
            name: upstreams.unary(target, DESCRIBE, ResourceDescription)
            for name, target in contracts.owners.items()
        }
        self._kept: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()

    def endpoints(self) -> list[Endpoint]:
        """What the router is told."""
        return [Endpoint("GET", "/v1/openapi.json", self.answer)]

    async def answer(self, exchange: Exchange) -> Response:
        """The document; a service that does not answer in time leaves its part as it is for all."""
        single(exchange.request.scope["query_string"], ())
        caller = exchange.signed_in
        key = (caller.tenant_id, caller.principal_id)
        kept = self._kept.get(key)
        if kept is None or time.monotonic() - kept[0] > KEPT_S:
            kept = (time.monotonic(), await self._made(exchange.metadata()))
            self._kept[key] = kept
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        headers = {"cache-control": "no-cache"}
        return Response(kept[1], headers=headers, media_type="application/json")

    async def _made(self, metadata: Metadata) -> bytes:
        asked = (_described(rpc, name, metadata) for name, rpc in self._describe.items())
        components = self._document["components"]
        assert isinstance(components, dict)
        schemas: dict[str, Schema] = dict(components["schemas"])
        for described in await asyncio.gather(*asked):
            own = [one for one in described.fields if one.custom_field_id]
            name = self._names.get(described.resource, "")
            for schema in _schemas_of(name) if own else ():
                if schema in schemas:
                    schemas[schema] = _with_own(schemas[schema], own)
        return orjson.dumps({**self._document, "components": {**components, "schemas": schemas}})


async def _described(
    rpc: Rpc[ResourceDescription], name: str, metadata: Metadata
) -> ResourceDescription:
    """What the owner says of a collection; nothing when it is away or tells the caller nothing."""
    request = DescribeResourceRequest(resource=name)
    try:
        return await rpc(request, metadata, repeatable=True, timeout_s=ANSWER_MAX_S)
    except grpc.aio.AioRpcError:
        return ResourceDescription()


def _schemas_of(message: str) -> tuple[str, ...]:
    """The schemas of a record: in answers, in bodies, as a change, as one change among several."""
    return (message, f"{message}Input", f"{message}Changes", f"{message}KeyedChanges")


def _with_own(schema: Schema, own: list[FieldDescription]) -> Schema:
    properties = schema["properties"]
    assert isinstance(properties, dict)
    if CUSTOM not in properties:
        return schema
    named = {one.name.removeprefix(f"{CUSTOM}."): field_schema(one) for one in own}
    custom = {**properties[CUSTOM], "properties": named, "additionalProperties": False}
    return {**schema, "properties": {**properties, CUSTOM: custom}}


def field_schema(one: FieldDescription) -> Schema:
    """The JSON Schema of one of the tenant's own fields."""
    labels = {choice.id: choice.label for choice in one.choices}
    if one.kind == FieldDescription.CHOICE:
        schema: Schema = {"type": ["string", "null"], "enum": [*labels, None]}
    elif one.kind == FieldDescription.MULTI_CHOICE:
        schema = {"type": ["array", "null"], "items": {"type": "string", "enum": [*labels]}}
    else:
        schema = dict(_KINDS.get(one.kind, {}))
    if labels:
        schema["x-enum-descriptions"] = labels
    if one.max_length:
        schema["maxLength"] = one.max_length
    if not one.writable:
        schema["readOnly"] = True
    return {**schema, "title": one.label, "description": one.description}
