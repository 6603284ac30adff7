"""Which version serves, and what is new in it, in both languages: GET /v1/release.

An open stream of live updates begins with it, so that a client notices when another one serves.
"""

from importlib import resources

import orjson
from starlette.responses import Response

from services.gateway.exchange import Exchange
from services.gateway.limits import Schema
from services.gateway.query import single
from services.gateway.routing import Endpoint

PATH = "/v1/release"
_FILE = resources.files("services.gateway") / "release.json"
_RELEASE: dict[str, object] = orjson.loads(_FILE.read_bytes())
VERSION = str(_RELEASE["version"])
# The fields of the first frame of a stream of events.
TOLD = b"event: release\ndata: " + orjson.dumps({"version": VERSION}) + b"\n"
_BODY = orjson.dumps(_RELEASE)
_TEXT: Schema = {"type": "string"}
_NOTE: Schema = {
    "type": "object",
    "description": "One thing that is new.",
    "required": ["en", "zh"],
    "properties": {
        "en": {**_TEXT, "description": "In English."},
        "zh": {**_TEXT, "description": "In Chinese."},
    },
}
SCHEMA: Schema = {
    "type": "object",
    "required": ["version", "date", "notes"],
    "properties": {
        "version": {**_TEXT, "description": "The version that answers, for example 1.4.0."},
        "date": {**_TEXT, "format": "date", "description": "When it was released."},
        "notes": {"type": "array", "description": "What is new in it.", "items": _NOTE},
    },
}


def release_endpoint() -> Endpoint:
    """For everybody: a sign-in page may show it."""
    return Endpoint("GET", PATH, _answer, public=True)


async def _answer(exchange: Exchange) -> Response:
    single(exchange.request.scope["query_string"], ())
    return Response(_BODY, headers={"cache-control": "no-cache"}, media_type="application/json")
