"""What the API description says of the OAuth routes."""

from chassis.codec import fields
from crm.identity.v1.client_token_pb2 import ClientToken
from services.gateway.limits import Schema
from services.gateway.oauth import FORM
from services.gateway.refusals import MEDIA_TYPE, Takes, refusals
from services.gateway.schemas import TEXT, Schemas

_FORM = Takes(body=True)
_CREDENTIALS: Schema = {
    "client_id": {**TEXT, "description": "Id of the client, unless the header names it."},
    "client_secret": {**TEXT, "description": "One of its secrets, unless the header has it."},
}
_ERROR: Schema = {
    "description": "The request was refused (RFC 6749, 5.2).",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": TEXT, "error_description": TEXT},
            }
        },
        MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
    },
}


def oauth_paths(schemas: Schemas) -> dict[str, dict[str, object]]:
    """Path items of token, revocation and metadata."""
    token = schemas.answer(fields.descriptor_of(ClientToken))
    grant: Schema = {"type": "string", "enum": ["client_credentials"]}
    scope = {**TEXT, "description": 'Scopes with spaces between them, for example "users:read".'}
    asked: Schema = {"grant_type": grant, "scope": scope}
    basic: Schema = {"security": [{"client": []}, {}]}
    found: Schema = {"type": "object"}
    return {
        "/oauth/token": {
            "post": {
                **_operation("CreateToken", "Get a token for a client's credentials", token, _FORM),
                **_form(asked, ["grant_type"]),
                **basic,
            }
        },
        "/oauth/revoke": {
            "post": {
                **_operation("RevokeToken", "End a token of the client", found, _FORM),
                **_form({"token": TEXT}, ["token"]),
                **basic,
            }
        },
        "/.well-known/oauth-authorization-server": {
            "get": {
                **_operation(
                    "GetServerMetadata",
                    "What this authorization server offers",
                    found,
                    Takes(caller=False),
                ),
                "security": [],
            }
        },
    }


def _operation(name: str, summary: str, answer: Schema, takes: Takes) -> Schema:
    ok = {"description": "Done.", "content": {"application/json": {"schema": answer}}}
    refused = {"400": _ERROR, "401": _ERROR} if takes.body else {}
    return {
        "operationId": name,
        "tags": ["oauth"],
        "summary": summary,
        "responses": {"200": ok, **refusals(takes), **refused},
    }


def _form(properties: Schema, required: list[str]) -> Schema:
    form = {"type": "object", "properties": {**properties, **_CREDENTIALS}, "required": required}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": form}}}}
