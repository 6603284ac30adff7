"""The description of the API for programs (/openapi.json) and for people (/docs)."""

from html import escape
from importlib import resources

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.gateway import chinese
from services.gateway.catalogue import DETAILS
from services.gateway.openapi import document
from services.gateway.problems import PROBLEMS

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_PROBLEMS_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>CRM API: problems</title>
<link rel="stylesheet" href="/docs/docs.css"></head>
<body>
<main>
<h1>Problems</h1>
<p>What a refusal of the API means, by its <code>reason</code>. Words in braces are filled in.</p>
<table>
<tr><th>reason</th><th>English</th><th>中文</th></tr>
{rows}
</table>
</main>
</body>
</html>
"""
_FILES = {
    "/docs": ("docs.html", "text/html"),
    "/docs/docs.css": ("docs.css", "text/css"),
    "/docs/docs.js": ("docs.js", "text/javascript"),
}


def docs_routes() -> list[Route]:
    """Routes of the document and of the page that shows it; all is read once, here."""
    folder = resources.files("services.gateway") / "static"
    routes = [_route("/openapi.json", orjson.dumps(document()), "application/json")]
    routes.append(_route(PROBLEMS, problems_page().encode(), "text/html"))
    for path, (name, media_type) in _FILES.items():
        routes.append(_route(path, folder.joinpath(name).read_bytes(), media_type))
    return routes


def problems_page() -> str:
    """What each reason means in both languages; the `type` of a problem leads here. In English some
    services bring their own text, whose reason stands here as words.
    """
    rows = []
    for reason in sorted(DETAILS.keys() | chinese.DETAILS.keys()):
        words = f"{reason.replace('_', ' ').capitalize()}."
        texts = DETAILS.get(reason) or (words, chinese.DETAILS[reason])
        cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
        rows.append(f'<tr id="{reason}"><td><code>{reason}</code></td>{cells}</tr>')
    return _PROBLEMS_PAGE.format(rows="\n".join(rows))


def _route(path: str, content: bytes, media_type: str) -> Route:
    async def answer(_: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type=media_type)

    return Route(path, answer)
