"""Paths find their endpoints."""

import pytest
from starlette.responses import Response

from chassis.errors import InvalidArgument, NotFound
from services.gateway.exchange import Exchange
from services.gateway.routing import Endpoint, MethodNotAllowed, Router


async def handler(_: Exchange) -> Response:
    return Response()


def router(*endpoints: tuple[str, str]) -> Router:
    return Router([Endpoint(verb, template, handler) for verb, template in endpoints])


ROUTER = router(
    ("GET", "/v1/leads"),
    ("POST", "/v1/leads"),
    ("POST", "/v1/leads:batchCreate"),
    ("GET", "/v1/leads/{id}"),
    ("PATCH", "/v1/leads/{lead.id}"),
    ("POST", "/v1/leads/{id}:convert"),
    ("GET", "/v1/leads/{lead_id}/moves"),
    ("GET", "/v1/leads/me"),
    ("POST", "/v1/leads/me:change"),
)


@pytest.mark.parametrize(
    ("verb", "path", "template", "params"),
    [
        ("GET", "/v1/leads", "/v1/leads", {}),
        ("POST", "/v1/leads:batchCreate", "/v1/leads:batchCreate", {}),
        ("GET", "/v1/leads/7", "/v1/leads/{id}", {"id": "7"}),
        ("PATCH", "/v1/leads/7", "/v1/leads/{lead.id}", {"lead.id": "7"}),
        ("POST", "/v1/leads/7:convert", "/v1/leads/{id}:convert", {"id": "7"}),
        ("GET", "/v1/leads/7/moves", "/v1/leads/{lead_id}/moves", {"lead_id": "7"}),
        ("GET", "/v1/leads/me/moves", "/v1/leads/{lead_id}/moves", {"lead_id": "me"}),
        ("GET", "/v1/leads/me", "/v1/leads/me", {}),
        ("POST", "/v1/leads/me:change", "/v1/leads/me:change", {}),
        ("GET", "/v1/leads/a%2Fb", "/v1/leads/{id}", {"id": "a/b"}),
        ("GET", "/v1/leads/%E7%94%B2", "/v1/leads/{id}", {"id": "甲"}),
    ],
)
def test_path_finds_its_endpoint(
    verb: str, path: str, template: str, params: dict[str, str]
) -> None:
    endpoint, found = ROUTER.match(verb, path)
    assert (endpoint.template, found) == (template, params)


@pytest.mark.parametrize(
    "path",
    [
        "/", "", "/v1", "/v2/leads", "/v1/leads/", "/v1/leads/7/", "/v1//leads", "/v1/leads/7:fly",
        "/v1/leads/:convert", "/v1/leads/7/moves/8", "/v1/leads/" + "7" * 300,
    ],
)  # fmt: skip
def test_unknown_path_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        ROUTER.match("GET", path)


@pytest.mark.parametrize("path", ["/v1/leads/%ff", "/v1/leads/%00", "/v1/leads/a%0d%0ab"])
def test_odd_characters_are_refused(path: str) -> None:
    with pytest.raises(InvalidArgument):
        ROUTER.match("GET", path)


def test_wrong_method_names_the_right_ones() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        ROUTER.match("DELETE", "/v1/leads/7")
    assert caught.value.allowed == ["GET", "PATCH"]


@pytest.mark.parametrize("template", ["/v1/{name=*}", "/v1/{a", "/v1/{A}"])
def test_unsupported_template_stops_the_start(template: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        router(("GET", template))


def test_double_template_stops_the_start() -> None:
    with pytest.raises(ValueError, match="two endpoints"):
        router(("GET", "/v1/leads/{id}"), ("GET", "/v1/leads/{lead_id}"))
