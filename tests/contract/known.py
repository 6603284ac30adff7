"""Records that there are, for generated requests to be about: made-up ids alone never get far."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias  # schemathesis' own type parameters are Any to us

import httpx
from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation
from schemathesis.schemas import APIOperation

from services.gateway.contracts import load_contracts
from tests.contract.resources import all_resources
from tests.live import Tenant, as_dict

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]  # of which kind is schemathesis' business
Made: TypeAlias = Case[Operation]
RECORDS: Final = 6
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Fields that refer to a record under another name than that of its resource.
REFERENCES: Mapping[str, str] = {
    "owner_id": "users", "manager_id": "users", "to_user_id": "users",
    "to_department_id": "departments",
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """Ids by collection, as paths name it."""

    ids: Mapping[str, list[str]]

    def put(self, case: Made, seed: int) -> None:
        """Have half of the ids of a case be those of records that there are, unless wrong ones are
        what the case is about.
        """
        random = Random(seed)
        collection = _collection(case.path)
        if not _wrong(case, ParameterLocation.PATH):
            self._fill_path(case.path_parameters, collection, random)
        if isinstance(case.body, dict | list) and not _wrong(case, ParameterLocation.BODY):
            case.body = self._filled(case.body, "", collection, random)  # type: ignore[assignment]  # JSON as before

    def _fill_path(self, values: dict[str, object], collection: str, random: Random) -> None:
        if random.random() < 0.5:
            return
        place = collection or str(values.get("resource", ""))
        if collection in {"choices", "customFields"}:
            values["resource"] = "customers"
        for name in values.keys() - {"resource"}:
            of = _named(name) or (str(values.get("resource", "")) if name == "record_id" else place)
            if of in self.ids:
                values[name] = random.choice(self.ids[of])

    def _filled(self, value: object, name: str, collection: str, random: Random) -> object:
        if isinstance(value, dict):
            return {key: self._filled(item, key, collection, random) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, name, collection, random) for item in value]
        of = _named(name) or (collection if name in {"id", "ids", "parent_id"} else "")
        if isinstance(value, str) and UUID.fullmatch(value) and of in self.ids:
            return random.choice([value, *self.ids[of]])
        return value


def make_known(tenant: Tenant) -> Known:
    """Some records of every collection, own fields and choices of customers, and operations."""
    ids: dict[str, list[str]] = {}
    for facts in all_resources():
        for _ in range(RECORDS):
            made = tenant.post(facts.path, facts.body(tenant))
            _add(ids, facts.path.rpartition("/")[2], made)
    _add(ids, "operations", tenant.post("customers:export", {}))
    return Known(ids)


def _add(ids: dict[str, list[str]], collection: str, response: httpx.Response) -> None:
    assert response.status_code == 200, response.text
    made = as_dict(response)
    ids.setdefault(collection, []).append(str(made.get("id") or made["name"]).rpartition("/")[2])


def _collection(path: str) -> str:
    """The collection of a path; "" where its `resource` says it."""
    parts = [part.partition(":")[0] for part in path.split("/")[2:]]
    if parts[0] == "{resource}":
        return parts[1] if len(parts) > 1 and not parts[1].startswith("{") else ""
    return parts[0]


def _named(name: str) -> str:
    """The collection that a field refers to by its name."""
    return REFERENCES.get(name, "") or _collections().get(name.removesuffix("s"), "")


def _collections() -> Mapping[str, str]:
    contracts = load_contracts()
    paths = {plural: path for path, plural in contracts.collections.items()}
    return {
        f"{one.singular}_id": paths[plural]
        for plural, one in contracts.resources.items()
        if plural in paths
    }


def _wrong(case: Made, place: ParameterLocation) -> bool:
    return case.meta is None or case.meta.is_negative_at(place)
