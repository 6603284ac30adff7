"""What the API description says of the OAuth routes."""

from chassis.codec import fields
from crm.identity.v1.client_token_pb2 import ClientToken
from services.gateway.oauth import FORM
from services.gateway.schemas import PROBLEM_RESPONSES, Schema, Schemas

_TEXT: Schema = {"type": "string"}
_CREDENTIALS: Schema = {
    "client_id": {**_TEXT, "description": "Id of the client, unless the header names it."},
    "client_secret": {**_TEXT, "description": "One of its secrets, unless the header has it."},
}
_ERROR: Schema = {
    "description": "The request was refused (RFC 6749, 5.2).",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": _TEXT, "error_description": _TEXT},
            }
        }
    },
}


def oauth_paths(schemas: Schemas) -> dict[str, dict[str, object]]:
    """Path items of token, revocation and metadata."""
    token = schemas.reference(fields.descriptor_of(ClientToken))
    grant: Schema = {"type": "string", "enum": ["client_credentials"]}
    scope = {**_TEXT, "description": 'Scopes with spaces between them, for example "users:read".'}
    asked: Schema = {"grant_type": grant, "scope": scope}
    basic: Schema = {"security": [{"client": []}, {}]}
    found: Schema = {"type": "object"}
    return {
        "/oauth/token": {
            "post": {
                **_operation("CreateToken", "Get a token for a client's credentials", token),
                **_form(asked, ["grant_type"]),
                **basic,
            }
        },
        "/oauth/revoke": {
            "post": {
                **_operation("RevokeToken", "End a token of the client", found),
                **_form({"token": _TEXT}, ["token"]),
                **basic,
            }
        },
        "/.well-known/oauth-authorization-server": {
            "get": {
                **_operation("GetServerMetadata", "What this authorization server offers", found),
                "security": [],
            }
        },
    }


def _operation(name: str, summary: str, answer: Schema) -> Schema:
    ok = {"description": "Done.", "content": {"application/json": {"schema": answer}}}
    refused = {"400": _ERROR, "401": _ERROR}
    return {
        "operationId": name,
        "tags": ["oauth"],
        "summary": summary,
        "responses": {"200": ok, **refused, **PROBLEM_RESPONSES},
    }


def _form(properties: Schema, required: list[str]) -> Schema:
    form = {"type": "object", "properties": {**properties, **_CREDENTIALS}, "required": required}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": form}}}}
