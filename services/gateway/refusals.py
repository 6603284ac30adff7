"""The refusals that the API description promises: each status that an operation can answer with."""

from dataclasses import dataclass

from services.gateway.catalogue import TITLES
from services.gateway.limits import Schema

MEDIA_TYPE = "application/problem+json"
PROBLEM: Schema = {
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
_ANY = (400, 429, 500, 503, 504)
_WAITS = {429, 503}


@dataclass(frozen=True)
class Takes:
    """What decides how an operation may refuse: whether it asks who calls, names records, takes a
    body, changes something (with an idempotency key), and only a certain version.
    """

    caller: bool = True
    names: bool = False
    body: bool = False
    changes: bool = False
    version: bool = False


def refusals(takes: Takes) -> Schema:
    """The responses of an operation beside that of success, by status."""
    found = {
        *_ANY,
        *((401, 403) if takes.caller else ()),
        *((404,) if takes.names else ()),
        *((408, 413, 415) if takes.body else ()),
        *((409, 422) if takes.changes else ()),
        *((412,) if takes.version else ()),
    }
    return {str(status): _reference(status) for status in sorted(found)}


def problem_responses() -> Schema:
    """The responses that operations refer to."""
    return {_name(status): _response(status) for status in TITLES}


def _reference(status: int) -> Schema:
    return {"$ref": f"#/components/responses/{_name(status)}"}


def _name(status: int) -> str:
    return f"Problem{status}"


def _response(status: int) -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    response: Schema = {
        "description": TITLES[status][0],
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status in _WAITS:
        after = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
        response["headers"] = {"Retry-After": {"required": True, **after}}
    return response
