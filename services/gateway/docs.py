"""The description of the API for programs (/openapi.json) and for people (/docs)."""

from importlib import resources

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.gateway.openapi import document

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_FILES = {
    "/docs": ("docs.html", "text/html"),
    "/docs/docs.css": ("docs.css", "text/css"),
    "/docs/docs.js": ("docs.js", "text/javascript"),
}


def docs_routes() -> list[Route]:
    """Routes of the document and of the page that shows it; all is read once, here."""
    folder = resources.files("services.gateway") / "static"
    routes = [_route("/openapi.json", orjson.dumps(document()), "application/json")]
    for path, (name, media_type) in _FILES.items():
        routes.append(_route(path, folder.joinpath(name).read_bytes(), media_type))
    return routes


def _route(path: str, content: bytes, media_type: str) -> Route:
    async def answer(_: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type=media_type)

    return Route(path, answer)
