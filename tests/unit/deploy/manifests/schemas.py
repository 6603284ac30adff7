"""What Kubernetes itself would refuse: schemas of built-in kinds, and of other projects' kinds."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final  # Any: schemas are JSON of any shape

import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from deploy.local.settings import ROOT
from deploy.manifests.shape import Manifest

DEFINITIONS: Final = ROOT.parent / "shared" / "crds"
OWN: Final = Path(__file__).with_name("custom_resources.yaml")
# The oldest minor that knows all we use (preStop sleep), and the newest there are schemas for.
MINORS: Final = ("1.34", "1.37")
Schema = dict[str, Any]  # Any: as said above


def problems(one: Manifest, minor: str) -> list[str]:
    """Everything wrong with an object; an unknown kind is wrong, too."""
    name = f"{one['apiVersion']} {one['kind']}"
    validator = custom().get(name) or built_in(minor, str(one["kind"]), str(one["apiVersion"]))
    if validator is None:
        return [f"{name}: no schema for this kind"]
    return [f"{name} {error.json_path}: {error.message}" for error in validator.iter_errors(one)]


@cache
def built_in(minor: str, kind: str, api: str) -> Draft202012Validator | None:
    """The schema of a kind of Kubernetes itself; None for one that this minor does not have."""
    version = next(one for one in all_versions() if one.startswith(f"{minor}."))
    group, _, rest = api.rpartition("/")
    short = f"{group.split('.')[0]}-{rest}" if group else rest
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    try:
        schema = schema_contents(f"{folder}/{kind.lower()}-{short}.json", version)
    except FileNotFoundError:
        return None
    definitions = _definitions(folder, version)
    registry = definitions @ (Resource.from_contents(schema) @ Registry())
    return Draft202012Validator(schema, registry=registry)


@cache
def custom() -> Mapping[str, Draft202012Validator]:
    """The schemas of other projects' kinds, by API version and kind."""
    found: dict[str, Draft202012Validator] = {}
    for file in sorted(DEFINITIONS.glob("*.yaml")):
        definition = yaml.safe_load(file.read_text("utf-8"))["spec"]
        for version in definition["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            name = f"{definition['group']}/{version['name']} {definition['names']['kind']}"
            found[name] = Draft202012Validator(closed(schema))
    for name, spec in yaml.safe_load(OWN.read_text("utf-8")).items():
        schema = {"required": ["spec"], "properties": {"spec": {"type": "object", **spec}}}
        found[name] = Draft202012Validator(closed(schema))
    return found


def closed(schema: Schema) -> Schema:
    """The schema as the server reads it, but unknown fields are errors instead of forgotten."""
    top = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
    made = _closed(schema)
    made["properties"] = {**top, **made["properties"]}
    return made


def _closed(schema: Schema) -> Schema:
    made = {key: _INSIDE.get(key, _as_it_is)(inner) for key, inner in schema.items()}
    if "properties" in made and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    elif schema.get("nullable"):
        made["type"] = [schema["type"], "null"]
    return made


def _of_each(schemas: Mapping[str, Schema]) -> Schema:
    return {name: _closed(one) for name, one in schemas.items()}


def _as_it_is(value: object) -> object:
    return value


def _if_schema(value: object) -> object:
    return _closed(value) if isinstance(value, dict) else value


# Inside anyOf and its like a schema only adds rules to fields that are declared outside.
_INSIDE: Final[Mapping[str, Callable[[Any], object]]] = {  # Any: as said above
    "properties": _of_each,
    "items": _if_schema,
    "additionalProperties": _if_schema,
}


@cache
def _definitions(folder: str, version: str) -> Resource[Any]:  # Any: as said above
    contents = schema_contents(f"{folder}/_definitions.json", version)
    return Resource.from_contents(contents, default_specification=DRAFT202012)
