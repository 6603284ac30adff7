"""What the API description says of the routes that no descriptor describes."""

from collections.abc import Mapping, Sequence

from google.longrunning.operations_pb2 import Operation
from google.protobuf.message import Message

from chassis.codec import fields
from crm.chassis.v1.import_pb2 import ImportSpec
from crm.chassis.v1.operation_pb2 import ListOperationsResponse, OperationMetadata
from crm.identity.v1.credential_pb2 import (
    ConfirmPasswordResetRequest,
    CreatePasswordResetRequest,
)
from crm.identity.v1.session_pb2 import (
    ChangePasswordRequest,
    CreateSessionRequest,
    RefreshSessionRequest,
    Session,
)
from services.gateway.limits import Schema
from services.gateway.oauth_docs import oauth_paths
from services.gateway.operations import ID, MEDIA_TYPES
from services.gateway.refusals import Takes, refusals
from services.gateway.release import PATH, SCHEMA
from services.gateway.schemas import TEXT, Schemas
from services.gateway.uploads import XLSX

HANDWRITTEN_TAGS: Mapping[str, str] = {
    "events": "What changes, as it does",
    "imports": "Files of records",
    "oauth": "Tokens for API clients (RFC 6749, RFC 7009, RFC 8414)",
    "operations": "Work that takes longer than a request",
    "passwordResets": "Links to set a password by",
    "release": "Which version serves, and what is new in it",
}
_ID: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the operation.",
    "schema": {"type": "string", "pattern": f"^{ID.pattern}$"},
}
_KEY: Schema = {"$ref": "#/components/parameters/IdempotencyKey"}
_PUBLIC: Schema = {"security": []}
_EMPTY: Schema = {"application/json": {"schema": {"type": "object"}}}
_SIGNS_IN = Takes(names=True, body=True)
_ONE = Takes(names=True)
Paths = dict[str, dict[str, object]]


def handwritten_paths(schemas: Schemas, resources: Sequence[str]) -> Paths:
    """Path items of sessions, OAuth, operations, imports (into these resources) and live
    updates.
    """
    return {
        **_session_paths(schemas),
        **oauth_paths(schemas),
        **_operation_paths(schemas),
        **_import_paths(schemas, resources),
        **_event_paths(),
        **_own_document_path(),
        **_release_path(),
    }


def _session_paths(schemas: Schemas) -> Paths:
    session = _json(schemas, Session)
    resets = "passwordResets"
    posts = {
        "/v1/passwordResets": {
            **_operation(
                "CreatePasswordReset",
                resets,
                "Have a link sent to set a password",
                _EMPTY,
                _SIGNS_IN,
            ),
            **_body(schemas, CreatePasswordResetRequest),
            **_PUBLIC,
        },
        "/v1/passwordResets:confirm": {
            **_operation(
                "ConfirmPasswordReset", resets, "Set a password by such a link", _EMPTY, _SIGNS_IN
            ),
            **_body(schemas, ConfirmPasswordResetRequest),
            **_PUBLIC,
        },
        "/v1/sessions": {
            **_operation(
                "CreateSession", "sessions", "Sign in with a password", session, _SIGNS_IN
            ),
            **_body(schemas, CreateSessionRequest),
            **_PUBLIC,
        },
        "/v1/sessions:refresh": {
            **_operation(
                "RefreshSession", "sessions", "Get the next pair of tokens", session, _SIGNS_IN
            ),
            **_body(schemas, RefreshSessionRequest),
            **_PUBLIC,
        },
        "/v1/users/me:changePassword": {
            **_operation("ChangePassword", "users", "Replace one's password", _EMPTY, _SIGNS_IN),
            **_body(schemas, ChangePasswordRequest),
        },
    }
    leave = _operation("DeleteSession", "sessions", "Sign out", _EMPTY, Takes())
    return {
        **{path: {"post": operation} for path, operation in posts.items()},
        "/v1/sessions/current": {"delete": leave},
    }


def _operation_paths(schemas: Schemas) -> Paths:
    schemas.answer(fields.descriptor_of(OperationMetadata))  # packed in metadata
    one, tag = _json(schemas, Operation), "operations"
    many = _json(schemas, ListOperationsResponse)
    file: Schema = {"text/csv": {"schema": {"type": "string"}}}
    binary: Schema = {"schema": {"type": "string", "format": "binary"}}
    made: Schema = dict.fromkeys(MEDIA_TYPES.values(), binary)
    stop, undo = "Stop an operation at its next batch", "Take a bulk change back, once"
    changes = Takes(names=True, changes=True)
    found = {
        ("/v1/operations/{id}", "get"): _operation(
            "GetOperation", tag, "Return one operation", one, _ONE
        ),
        ("/v1/operations/{id}:cancel", "post"): _operation(
            "CancelOperation", tag, stop, one, changes
        ),
        ("/v1/operations/{id}:undo", "post"): _operation("UndoOperation", tag, undo, one, changes),
        ("/v1/operations/{id}/result", "get"): _operation(
            "DownloadResult", tag, "The file that an operation has made", made, _ONE
        ),
        ("/v1/operations/{id}/errors", "get"): _operation(
            "DownloadErrors", tag, "The rows that were refused, as CSV", file, _ONE
        ),
    }
    latest = _operation("ListOperations", tag, "The caller's latest operations", many, Takes())
    return {
        "/v1/operations": {"get": latest},
        **{path: {verb: {**one, "parameters": [_ID]}} for (path, verb), one in found.items()},
    }


def _own_document_path() -> Paths:
    summary = "This description with the tenant's own fields"
    own = _operation("GetOwnDocument", "describe", summary, _EMPTY, Takes())
    return {"/v1/openapi.json": {"get": own}}


def _release_path() -> Paths:
    content: Schema = {"application/json": {"schema": SCHEMA}}
    summary = "The version that serves, with what is new in it in English and Chinese"
    found = _operation("GetRelease", "release", summary, content, Takes(caller=False))
    return {PATH: {"get": {**found, **_PUBLIC}}}


def _import_paths(schemas: Schemas, resources: Sequence[str]) -> Paths:
    known = {"required": ["resource"], "properties": {"resource": {"enum": [*resources]}}}
    spec = {"allOf": [schemas.body(fields.descriptor_of(ImportSpec)), known]}
    form: Schema = {
        "type": "object",
        "required": ["spec", "file"],
        "properties": {"spec": spec, "file": {"type": "string", "format": "binary"}},
        "additionalProperties": False,
    }
    parts = {
        "spec": {"contentType": "application/json"},
        "file": {"contentType": f"text/csv, {XLSX}"},
    }
    summary = "Import a CSV file (up to 1 GiB) or an XLSX one (100 MiB); the answer is an operation"
    takes = Takes(body=True, changes=True)
    content: Schema = {
        "multipart/form-data": {"schema": form, "encoding": parts},
        "text/csv": {"schema": TEXT},
        XLSX: {"schema": {"type": "string", "format": "binary"}},
    }
    query: Schema = {
        "name": "spec",
        "in": "query",
        "description": "The spec as JSON, when the body is the file.",
        "content": {"application/json": {"schema": spec}},
    }
    return {
        "/v1/imports": {
            "post": {
                **_operation("CreateImport", "imports", summary, _json(schemas, Operation), takes),
                "parameters": [query, _KEY],
                "requestBody": {"required": True, "content": content},
            }
        }
    }


def _event_paths() -> Paths:
    stream: Schema = {"text/event-stream": {"schema": TEXT}}
    sequence: Schema = {"type": "string", "pattern": "^[0-9]{0,18}$"}
    header = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "Go on after this event.",
        "schema": sequence,
    }
    query = {
        "name": "last_event_id",
        "in": "query",
        "description": "The same for clients that cannot set headers.",
        "schema": sequence,
    }
    summary = "Follow what changes, as it does; the first event tells which version serves"
    follow = _operation("StreamEvents", "events", summary, stream, Takes())
    return {"/v1/events": {"get": {**follow, "parameters": [header, query]}}}


def _operation(name: str, tag: str, summary: str, content: Schema, takes: Takes) -> Schema:
    ok = {"description": "Done.", "content": content}
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "responses": {"200": ok, **refusals(takes)},
    }


def _json(schemas: Schemas, message: type[Message]) -> Schema:
    return {"application/json": {"schema": schemas.answer(fields.descriptor_of(message))}}


def _body(schemas: Schemas, message: type[Message]) -> Schema:
    return {"requestBody": schemas.json_body_of(fields.descriptor_of(message))}
