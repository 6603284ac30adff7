"""The API description (OpenAPI 3.1), made from the descriptors and their comments."""

import re
from collections.abc import Mapping, Sequence

from google.protobuf.descriptor import FieldDescriptor

from chassis.codec import fields
from services.gateway.contracts import EVERY_SERVICE, Method, load_contracts
from services.gateway.exchange import HEADER_MAX_CHARACTERS
from services.gateway.handwritten import HANDWRITTEN_TAGS, handwritten_paths
from services.gateway.limits import UUID, Schema, may_be_left_out, rules_of
from services.gateway.refusals import PROBLEM, Takes, problem_responses, refusals
from services.gateway.schemas import Schemas, json_body

API_VERSION = "1.0.0"
_VARIABLE = re.compile(r"\{(?:[a-z0-9_]+\.)*([a-z0-9_]+)\}")
_DESCRIPTION = """REST interface of the CRM. Every record has `id` and `etag`; send the `etag` as
`If-Match` when you change it, and an `Idempotency-Key` with whatever changes something, so that you
may repeat it. The request line and the headers of a request have at most 16 KiB, its body 4 MiB
(files apart). Errors are problems (RFC 9457) in the language of `Accept-Language`."""
HEADER: Schema = {
    "type": "string",
    "pattern": "^[!-~]([ -~]*[!-~])?$",
    "maxLength": HEADER_MAX_CHARACTERS,
}
_PARAMETERS: Schema = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key again within 24 hours has the same result.",
        "schema": HEADER,
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "Entity tag that the record must still have; else 412.",
        "schema": HEADER,
    },
}


def document() -> Schema:
    """The whole document as JSON-able data; the same contracts give the same document."""
    contracts = load_contracts()
    schemas = Schemas(contracts.comments)
    named = {
        "resource": sorted(contracts.collections),
        "settings": sorted(contracts.settings),
    }
    paths: dict[str, dict[str, object]] = {}
    tags = dict(HANDWRITTEN_TAGS)
    for method in contracts.methods:
        path = _VARIABLE.sub(r"{\1}", method.template)
        operation = _Operation(method, schemas, named)
        paths.setdefault(path, {})[method.verb.lower()] = operation.described()
        if operation.tag not in tags or method.template == f"/v1/{operation.tag}":
            tags[operation.tag] = operation.tag_comment(contracts.comments)
    for path, operations in handwritten_paths(schemas, sorted(contracts.owners)).items():
        paths.setdefault(path, {}).update(operations)
    return {
        "openapi": "3.1.0",
        "info": {"title": "CRM", "version": API_VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag, "description": tags[tag]} for tag in sorted(tags)],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "client": {"type": "http", "scheme": "basic"},
            },
            "parameters": _PARAMETERS,
            "responses": problem_responses(),
            "schemas": {
                "Problem": PROBLEM,
                **{name: schemas.components[name] for name in sorted(schemas.components)},
            },
        },
    }


class _Operation:
    """The description of one method."""

    def __init__(
        self, method: Method, schemas: Schemas, named: Mapping[str, Sequence[str]]
    ) -> None:
        self._method = method
        self._schemas = schemas
        # What variables of paths may be, of the methods that every service has.
        self._named = named
        self._request = fields.descriptor_of(method.request)
        self._bound = [match[0][1:-1] for match in _VARIABLE.finditer(method.template)]
        service, _, self._name = method.full_name.rpartition(".")
        self._service = service
        self.tag = self._tag()

    def described(self) -> Schema:
        """The operation as the document has it."""
        method = self._method
        operation: Schema = {
            "operationId": self._name + (str(method.form) if method.form > 1 else ""),
            "tags": [self.tag],
            "summary": _sentence(self._name, method.comment),
            "parameters": self._parameters(),
        }
        if method.access.resource:
            operation["x-access"] = {
                "resource": method.access.resource,
                "verb": method.access.verb,
            }
        if method.body:
            operation["requestBody"] = self._request_body()
        answer = self._schemas.answer(fields.descriptor_of(method.response))
        ok: Schema = {"description": "Done.", "content": {"application/json": {"schema": answer}}}
        if "etag" in method.response.DESCRIPTOR.fields_by_name:
            ok["headers"] = {"ETag": {"schema": {"type": "string"}}}
        operation["responses"] = {"200": ok, **refusals(self._takes())}
        return operation

    def tag_comment(self, comments: Mapping[str, str]) -> str:
        """What the service does that has this method."""
        return _sentence(self._service.rpartition(".")[2], comments.get(self._service, ""))

    def _tag(self) -> str:
        """The collection; of what every collection has the part that tells it, else the service."""
        parts = [part.partition(":")[0] for part in self._method.template.split("/")[2:]]
        service = self._service.rpartition(".")[2].removesuffix("Service")
        return next((part for part in parts if not part.startswith("{")), service.lower())

    def _takes(self) -> Takes:
        method = self._method
        changes = method.verb != "GET"
        asked = [rules_of(field).string.uuid for field in self._asked()]
        return Takes(
            names=bool(self._bound) or ":" in method.template or any(asked),
            body=bool(method.body),
            changes=changes,
            version=changes and (bool(self._bound) or ":batch" in method.template),
        )

    def _parameters(self) -> list[Schema]:
        method = self._method
        found = [self._path_parameter(path) for path in self._bound]
        found += [self._query_parameter(field) for field in self._asked()]
        if method.verb != "GET":
            found.append({"$ref": "#/components/parameters/IdempotencyKey"})
            if self._bound:
                found.append({"$ref": "#/components/parameters/IfMatch"})
        return found

    def _asked(self) -> list[FieldDescriptor]:
        """The fields that the query has."""
        if self._method.body == "*":
            return []
        taken = {path.partition(".")[0] for path in self._bound} | {self._method.body}
        return [field for field in self._request.fields if field.name not in taken]

    def _path_parameter(self, path: str) -> Schema:
        *parents, last = path.split(".")
        request = self._request
        for parent in parents:
            request = fields.message_of(request.fields_by_name[parent])
        field = request.fields_by_name[last]
        schema = self._schemas.parameter(field)
        if fields.output_only(field):
            schema |= {"format": "uuid", "pattern": f"^{UUID}$"}
        if self._method.target == EVERY_SERVICE and last in self._named:
            schema = {"type": "string", "enum": [*self._named[last]]}
        return self._parameter(last, "path", field, schema) | {"required": True}

    def _query_parameter(self, field: FieldDescriptor) -> Schema:
        found = self._parameter(field.name, "query", field, self._schemas.parameter(field))
        return found if may_be_left_out(field) else found | {"required": True}

    def _parameter(self, name: str, place: str, field: FieldDescriptor, schema: Schema) -> Schema:
        comment = self._schemas.comment(field.full_name)
        return {"name": name, "in": place, "description": comment, "schema": schema}

    def _request_body(self) -> Schema:
        name = self._method.body
        if name == "*":
            return json_body(self._schemas.body_object(self._request, without=self._bound))
        part = fields.message_of(self._request.fields_by_name[name])
        if self._method.verb == "PATCH":
            return json_body(self._schemas.changes(part))
        return self._schemas.json_body_of(part)


def _sentence(name: str, comment: str) -> str:
    """A comment without the name that it begins with."""
    text = comment.removeprefix(f"{name} ").removesuffix(".")
    return text[:1].upper() + text[1:]
