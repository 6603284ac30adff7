"""The API description: what it holds is what there is."""

from collections.abc import Iterator, Mapping

import pytest

from services.gateway.catalogue import DETAILS
from services.gateway.chinese import DETAILS as CHINESE
from services.gateway.contracts import load_contracts
from services.gateway.docs import problems_page
from services.gateway.openapi import document
from services.gateway.problems import PROBLEMS, Problem, problem_response

DOCUMENT = document()
HANDWRITTEN = 19


def part(*keys: str) -> dict[str, object]:
    """An object inside the document."""
    found: object = DOCUMENT
    for key in keys:
        assert isinstance(found, dict)
        found = found[key]
    assert isinstance(found, dict)
    return found


def operations() -> Iterator[tuple[str, str, dict[str, object]]]:
    for path, item in part("paths").items():
        assert isinstance(item, dict)
        for verb, operation in item.items():
            yield path, verb, operation


def schema(name: str) -> dict[str, object]:
    return part("components", "schemas", name)


def property_of(name: str, field: str) -> dict[str, object]:
    return part("components", "schemas", name, "properties", field)


def test_document_refers_only_to_what_it_has() -> None:
    text = str(DOCUMENT)
    for kind in ("schemas", "parameters", "responses"):
        for reference in text.split(f"#/components/{kind}/")[1:]:
            assert reference.split("'")[0] in part("components", kind)


def test_document_has_every_route() -> None:
    found = list(operations())
    assert len(found) == len(load_contracts().methods) + HANDWRITTEN
    assert part("paths", "/v1/customers", "post")["x-access"] == {
        "resource": "customers",
        "verb": "create",
    }
    assert part("paths", "/v1/sessions", "post")["security"] == []


def test_every_operation_has_a_name_of_its_own_a_tag_and_a_summary() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"]: tag for tag in DOCUMENT["tags"]}  # type: ignore[attr-defined]  # a list of objects
    used = set()
    for path, _, operation in operations():
        tags_of = operation["tags"]
        assert isinstance(tags_of, list)
        assert len(tags_of) == 1
        used.update(tags_of)
        assert operation["summary"], path
    assert used == set(tags)
    assert all(tag["description"] and "{" not in tag["name"] for tag in tags.values())


def test_every_operation_lists_its_refusals_as_problems() -> None:
    for path, verb, operation in operations():
        responses = operation["responses"]
        assert isinstance(responses, dict)
        assert {"200", "400", "429", "500", "503", "504"} <= set(responses), (path, verb)
        assert not {"4XX", "5XX", "default"} & set(responses)
        assert ("415" in responses) == ("requestBody" in operation), (path, verb)
        for status in responses.keys() - {"200"}:
            content = resolved(responses[status])["content"]
            assert "application/problem+json" in content, (path, verb, status)  # type: ignore[operator]  # an object of JSON
    create, get = part("paths", "/v1/customers", "post"), part("paths", "/v1/customers/{id}", "get")
    assert {"409", "413", "422"} <= set(create["responses"])  # type: ignore[call-overload]  # an object of JSON
    assert "404" in get["responses"]  # type: ignore[operator]  # as above
    assert "409" not in get["responses"]  # type: ignore[operator]  # as above


def resolved(response: Mapping[str, object]) -> Mapping[str, object]:
    reference = response.get("$ref")
    if reference is None:
        return response
    return part("components", "responses", str(reference).rpartition("/")[2])


def test_a_body_is_described_as_it_is_checked() -> None:
    made = schema("CustomerInput")
    assert made["required"] == ["name"]
    assert made["additionalProperties"] is False
    name = property_of("CustomerInput", "name")
    assert (name["type"], name["minLength"], name["maxLength"]) == ("string", 1, 200)
    year = property_of("CustomerInput", "founded_year")
    assert (year["type"], year["minimum"], year["maximum"]) == (["integer", "null"], 1, 9999)
    parent = property_of("CustomerInput", "parent_id")
    assert str(parent["pattern"]).startswith("^$|^[0-9a-fA-F]{8}-")
    assert None in property_of("CustomerInput", "kind")["enum"]  # type: ignore[operator]  # a list of names
    assert (
        not {"id", "etag", "create_time"}
        & part("components", "schemas", "CustomerInput", "properties").keys()
    )
    assert property_of("UserInput", "password")["writeOnly"] is True
    alternatives = schema("ShareInput")["oneOf"]
    assert isinstance(alternatives, list)
    user, department = alternatives
    assert (user["required"], department["required"]) == (["user_id"], ["department_id"])
    assert user["properties"]["department_id"] == {"type": "null"}


def test_a_change_requires_nothing_and_among_several_says_of_which_record() -> None:
    assert "required" not in schema("CustomerChanges")
    assert "id" not in part("components", "schemas", "CustomerChanges", "properties")
    assert schema("CustomerKeyedChanges")["required"] == ["id"]
    assert "field" not in part("components", "schemas", "ChoiceChanges", "properties")


def test_an_answer_promises_no_more_than_fields_and_kinds() -> None:
    found = schema("Customer")
    assert not {"required", "additionalProperties"} & found.keys()
    assert property_of("Customer", "id")["readOnly"] is True
    assert "maxLength" not in property_of("Customer", "name")
    assert "password" not in part("components", "schemas", "User", "properties")
    assert {"$ref": "#/components/schemas/Value"} in property_of("FieldChange", "from")["anyOf"]  # type: ignore[operator]  # a list of schemas


def test_collections_in_paths_are_those_that_there_are() -> None:
    get = part("paths", "/v1/{resource}:describe", "get")
    parameters = get["parameters"]
    assert isinstance(parameters, list)
    assert {"customers", "campaignMembers"} <= set(parameters[0]["schema"]["enum"])
    assert not [
        path
        for path, _, _ in operations()
        if "_" in path.replace("{record_id}", "").replace("{opportunity_id}", "")
    ]


@pytest.mark.parametrize("reason", sorted(DETAILS.keys() | CHINESE.keys()))
def test_the_type_of_a_problem_leads_to_what_it_means(reason: str) -> None:
    body = problem_response(Problem(400, reason), "", "r", "0" * 32).body
    assert f'"type":"{PROBLEMS}#{reason}"'.encode() in body
    assert f'id="{reason}"' in PAGE


PAGE = problems_page()
