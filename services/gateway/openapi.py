"""The API description (OpenAPI 3.1), made from the descriptors and their comments."""

import re

from google.protobuf.descriptor import Descriptor

from chassis.codec import fields
from services.gateway.contracts import Method, load_contracts
from services.gateway.handwritten import handwritten_paths
from services.gateway.schemas import PROBLEM_RESPONSES, Schema, Schemas

API_VERSION = "1.0.0"
_VARIABLE = re.compile(r"\{(?:[a-z0-9_]+\.)*([a-z0-9_]+)\}")
_DESCRIPTION = """REST interface of the CRM. Every record has `id` and `etag`; send the `etag` as
`If-Match` when you change it, and an `Idempotency-Key` with whatever changes something, so that you
may repeat it. Errors are problems (RFC 9457) in the language of `Accept-Language`."""
_PROBLEM: Schema = {
    "type": "object",
    "description": "Why a request was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "reason", "errors", "trace_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "format": "int32"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "reason": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
}
_PARAMETERS: Schema = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key again within 24 hours has the same result.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "Entity tag that the record must still have; else 412.",
        "schema": {"type": "string", "maxLength": 255},
    },
}


def document() -> Schema:
    """The whole document as JSON-able data; the same contracts give the same document."""
    contracts = load_contracts()
    schemas = Schemas(contracts.comments)
    paths: dict[str, dict[str, object]] = {}
    for method in contracts.methods:
        path = _VARIABLE.sub(r"{\1}", method.template)
        paths.setdefault(path, {})[method.verb.lower()] = _operation(method, schemas)
    for path, operations in handwritten_paths(schemas).items():
        paths.setdefault(path, {}).update(operations)
    tags = sorted({tag for item in paths.values() for tag in _tags(item)})
    return {
        "openapi": "3.1.0",
        "info": {"title": "CRM", "version": API_VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in tags],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "client": {"type": "http", "scheme": "basic"},
            },
            "parameters": _PARAMETERS,
            "responses": {"Problem": _problem_response()},
            "schemas": {
                "Problem": _PROBLEM,
                **{name: schemas.components[name] for name in sorted(schemas.components)},
            },
        },
    }


def _tags(operations: dict[str, object]) -> list[str]:
    return [
        tag
        for operation in operations.values()
        if isinstance(operation, dict)
        for tag in operation["tags"]
    ]


def _problem_response() -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": "The request was refused or failed.",
        "content": {"application/problem+json": {"schema": schema}},
    }


def _operation(method: Method, schemas: Schemas) -> Schema:
    name = method.full_name.rpartition(".")[2]
    rule = method.access
    operation: Schema = {
        "operationId": name,
        "tags": [_tag(method.template)],
        "summary": _summary(name, method.comment),
        "parameters": _parameters(method, schemas),
    }
    if rule.resource:
        operation["x-access"] = {"resource": rule.resource, "verb": rule.verb}
    if method.body:
        operation["requestBody"] = _request_body(method, schemas)
    answer = schemas.reference(fields.descriptor_of(method.response))
    content = {"application/json": {"schema": answer}}
    ok: Schema = {"description": "Done.", "content": content}
    if "etag" in method.response.DESCRIPTOR.fields_by_name:
        ok["headers"] = {"ETag": {"schema": {"type": "string"}}}
    operation["responses"] = {"200": ok, **PROBLEM_RESPONSES}
    return operation


def _tag(template: str) -> str:
    """The collection; of what every collection has the part that tells it."""
    parts = [part.partition(":")[0] for part in template.split("/")[2:]]
    return next((part for part in parts if not part.startswith("{")), "resources")


def _summary(name: str, comment: str) -> str:
    text = comment.removeprefix(f"{name} ").removesuffix(".")
    return text[:1].upper() + text[1:]


def _parameters(method: Method, schemas: Schemas) -> list[Schema]:
    request = fields.descriptor_of(method.request)
    bound = [match[0][1:-1] for match in _VARIABLE.finditer(method.template)]
    found = [_path_parameter(request, path, schemas) for path in bound]
    if method.body != "*":
        taken = {path.partition(".")[0] for path in bound} | {method.body}
        found += [
            _query_parameter(name, schemas.field(field))
            for name, field in request.fields_by_name.items()
            if name not in taken
        ]
    if method.verb != "GET":
        found.append({"$ref": "#/components/parameters/IdempotencyKey"})
        if bound:
            found.append({"$ref": "#/components/parameters/IfMatch"})
    return found


def _path_parameter(request: Descriptor, path: str, schemas: Schemas) -> Schema:
    *parents, last = path.split(".")
    for parent in parents:
        request = fields.message_of(request.fields_by_name[parent])
    schema = schemas.field(request.fields_by_name[last])
    schema.pop("readOnly", None)
    description = schema.pop("description", "")
    return {
        "name": last,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def _query_parameter(name: str, schema: Schema) -> Schema:
    description = schema.pop("description", "")
    if "anyOf" in schema:
        schema = {"type": "string"}
    kind = schema.get("type")
    if isinstance(kind, list):
        schema["type"] = kind[0]
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _request_body(method: Method, schemas: Schemas) -> Schema:
    request = fields.descriptor_of(method.request)
    if method.body != "*":
        part = fields.message_of(request.fields_by_name[method.body])
        partial = method.verb == "PATCH"
        schema = schemas.changes(part) if partial else schemas.reference(part)
        return {"required": True, "content": {"application/json": {"schema": schema}}}
    bound = {match[0][1:-1] for match in _VARIABLE.finditer(method.template)}
    properties = {
        name: schemas.field(field)
        for name, field in request.fields_by_name.items()
        if name not in bound
    }
    required = [
        name
        for name, field in request.fields_by_name.items()
        if name not in bound and fields.required(field)
    ]
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}
