"""What the API description says of the routes that no descriptor describes."""

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
from services.gateway.oauth_docs import oauth_paths
from services.gateway.operations import MEDIA_TYPES
from services.gateway.schemas import PROBLEM_RESPONSES, Schema, Schemas
from services.gateway.uploads import XLSX

_ID: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the operation.",
    "schema": {"type": "string", "maxLength": 100},
}
_KEY: Schema = {"$ref": "#/components/parameters/IdempotencyKey"}
_PUBLIC: Schema = {"security": []}


def handwritten_paths(schemas: Schemas) -> dict[str, dict[str, object]]:
    """Path items of sessions, OAuth, operations, imports and live updates."""
    return {
        **_session_paths(schemas),
        **oauth_paths(schemas),
        **_operation_paths(schemas),
        **_other_paths(schemas),
        **_own_document_path(),
    }


def _session_paths(schemas: Schemas) -> dict[str, dict[str, object]]:
    session = _json(schemas, Session)
    tag = "password_resets"
    ask = _operation("CreatePasswordReset", tag, "Have a link sent to set a password", _empty())
    confirm = _operation("ConfirmPasswordReset", tag, "Set a password by such a link", _empty())
    return {
        "/v1/password_resets": {
            "post": {**ask, **_body(schemas, CreatePasswordResetRequest), **_PUBLIC}
        },
        "/v1/password_resets:confirm": {
            "post": {**confirm, **_body(schemas, ConfirmPasswordResetRequest), **_PUBLIC}
        },
        "/v1/sessions": {
            "post": {
                **_operation("CreateSession", "sessions", "Sign in with a password", session),
                **_body(schemas, CreateSessionRequest),
                **_PUBLIC,
            }
        },
        "/v1/sessions:refresh": {
            "post": {
                **_operation("RefreshSession", "sessions", "Get the next pair of tokens", session),
                **_body(schemas, RefreshSessionRequest),
                **_PUBLIC,
            }
        },
        "/v1/sessions/current": {
            "delete": _operation("DeleteSession", "sessions", "Sign out", _empty())
        },
        "/v1/users/me:changePassword": {
            "post": {
                **_operation("ChangePassword", "users", "Replace one's password", _empty()),
                **_body(schemas, ChangePasswordRequest),
            }
        },
    }


def _operation_paths(schemas: Schemas) -> dict[str, dict[str, object]]:
    schemas.reference(fields.descriptor_of(OperationMetadata))  # packed in metadata
    one, tag = _json(schemas, Operation), "operations"
    many = _json(schemas, ListOperationsResponse)
    file: Schema = {"text/csv": {"schema": {"type": "string"}}}
    binary: Schema = {"schema": {"type": "string", "format": "binary"}}
    made: Schema = dict.fromkeys(MEDIA_TYPES.values(), binary)
    return {
        "/v1/operations": {
            "get": _operation("ListOperations", tag, "The caller's latest operations", many)
        },
        "/v1/operations/{id}": {
            "get": {
                **_operation("GetOperation", tag, "Return one operation", one),
                "parameters": [_ID],
            }
        },
        "/v1/operations/{id}:cancel": {
            "post": {
                **_operation("CancelOperation", tag, "Stop an operation at its next batch", one),
                "parameters": [_ID],
            }
        },
        "/v1/operations/{id}:undo": {
            "post": {
                **_operation("UndoOperation", tag, "Take a bulk change back, once", one),
                "parameters": [_ID],
            }
        },
        "/v1/operations/{id}/result": {
            "get": {
                **_operation("DownloadResult", tag, "The file that an operation has made", made),
                "parameters": [_ID],
            }
        },
        "/v1/operations/{id}/errors": {
            "get": {
                **_operation("DownloadErrors", tag, "The rows that were refused, as CSV", file),
                "parameters": [_ID],
            }
        },
    }


def _own_document_path() -> dict[str, dict[str, object]]:
    summary = "This description with the tenant's own fields"
    return {
        "/v1/openapi.json": {"get": _operation("GetOwnDocument", "resources", summary, _empty())}
    }


def _other_paths(schemas: Schemas) -> dict[str, dict[str, object]]:
    spec = schemas.reference(fields.descriptor_of(ImportSpec))
    form: Schema = {
        "type": "object",
        "required": ["spec", "file"],
        "properties": {"spec": spec, "file": {"type": "string", "format": "binary"}},
    }
    parts = {
        "spec": {"contentType": "application/json"},
        "file": {"contentType": f"text/csv, {XLSX}"},
    }
    text: Schema = {"type": "string"}
    summary = "Import a CSV file (up to 1 GiB) or an XLSX one (100 MiB); the answer is an operation"
    stream: Schema = {"text/event-stream": {"schema": text}}
    return {
        "/v1/imports": {
            "post": {
                **_operation("CreateImport", "imports", summary, _json(schemas, Operation)),
                "parameters": [
                    {
                        "name": "spec",
                        "in": "query",
                        "description": "The spec as JSON, when the body is the file.",
                        "schema": text,
                    },
                    _KEY,
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {"schema": form, "encoding": parts},
                        "text/csv": {"schema": text},
                        XLSX: {"schema": {"type": "string", "format": "binary"}},
                    },
                },
            }
        },
        "/v1/events": {
            "get": {
                **_operation("StreamEvents", "events", "Follow what changes, as it does", stream),
                "parameters": [
                    {
                        "name": "Last-Event-ID",
                        "in": "header",
                        "description": "Go on after this event.",
                        "schema": text,
                    },
                    {
                        "name": "last_event_id",
                        "in": "query",
                        "description": "The same for clients that cannot set headers.",
                        "schema": text,
                    },
                ],
            }
        },
    }


def _operation(name: str, tag: str, summary: str, content: Schema) -> Schema:
    ok = {"description": "Done.", "content": content}
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "responses": {"200": ok, **PROBLEM_RESPONSES},
    }


def _json(schemas: Schemas, message: type[Message]) -> Schema:
    return {"application/json": {"schema": schemas.reference(fields.descriptor_of(message))}}


def _empty() -> Schema:
    return {"application/json": {"schema": {"type": "object"}}}


def _body(schemas: Schemas, message: type[Message]) -> Schema:
    return {"requestBody": {"required": True, "content": _json(schemas, message)}}
