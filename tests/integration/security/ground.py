"""Records of every resource in one tenant, and requests that carry ids."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.codec import fields
from chassis.rpc.methods import method_facts
from tests.integration.drive import Person
from tests.integration.security.policy import COLLECTIONS, PLURALS, policy, processes

# What a record needs; "@x" is the id of the tenant's own x.
MINIMAL: Mapping[str, Mapping[str, object]] = {
    "Department": {"name": "部门 {tag}"},
    "Role": {"name": "Role {tag}"},
    "User": {"name": "User {tag}", "login": "u{tag}"},
    "ApiClient": {"name": "Client {tag}"},
    "Announcement": {"title": "Announcement {tag}", "body": "{tag}"},
    "Customer": {"name": "Customer {tag}"},
    "Contact": {"name": "Contact {tag}", "customer_id": "@Customer"},
    "Product": {"name": "Product {tag}", "code": "P{tag}"},
    "Pipeline": {"name": "Pipeline {tag}"},
    "Stage": {"name": "Stage {tag}", "pipeline_id": "@Pipeline"},
    "Opportunity": {
        "name": "Opportunity {tag}",
        "customer_id": "@Customer",
        "pipeline_id": "@Pipeline",
        "stage_id": "@Stage",
    },
    "Campaign": {"name": "Campaign {tag}"},
    "CampaignMember": {"campaign_id": "@Campaign", "customer_id": "@Customer"},
}

# Services that every process has for its own records, and one resource of each that has an owner.
EVERYWHERE = frozenset({"Share", "History", "Access", "Purge"})
OWNED = {
    "identity": "User",
    "customer": "Customer",
    "sales": "Opportunity",
    "marketing": "Campaign",
}


@dataclass
class Ground:
    """One tenant's records by resource name."""

    person: Person
    tag: str
    ids: dict[str, str] = field(default_factory=dict)

    async def fill(self) -> "Ground":
        """Create one record of each resource of which there is none."""
        for name, process in resources():
            if name in self.ids:
                continue
            service = f"crm.{process}.v1.{name}Service"
            facts = method_facts(service)[f"Create{name}"]
            singular = facts.request.DESCRIPTOR.fields[0].name
            request = facts.request(**{singular: self.values(name)})
            made = await self.person.call(f"{process}.{name}Service/Create{name}", request)
            self.ids[name] = str(getattr(made, "id"))  # noqa: B009  # a record of any resource
        return self

    def values(self, name: str, tag: str = "") -> dict[str, object]:
        """What a new record is made of."""
        return {key: self._value(value, tag or self.tag) for key, value in MINIMAL[name].items()}

    def _value(self, value: object, tag: str) -> object:
        text = str(value)
        return self.ids[text[1:]] if text.startswith("@") else text.format(tag=tag)

    async def everything(self) -> dict[str, bytes]:
        """All records of the tenant as they are now."""
        found: dict[str, bytes] = {}
        for name, process in resources():
            method = f"List{PLURALS.get(name, f'{name}s')}"
            facts = method_facts(f"crm.{process}.v1.{name}Service")[method]
            request = facts.request(page_size=1000, show_deleted=True)
            page = await self.person.call(f"{process}.{name}Service/{method}", request)
            found[name] = page.SerializeToString(deterministic=True)
        return found

    def request(self, method: str, tag: str, process: str = "") -> Message:
        """A request of any method for users, right as far as the records of this tenant go; of
        what every service has, about the records of this process.
        """
        service, _, name = method.partition("/")
        facts = method_facts(service)[name]
        message = facts.request()
        resource = service.rpartition(".")[2].removesuffix("Service")
        first = facts.request.DESCRIPTOR.fields[0]
        record = first.message_type
        if record is not None and record.name == resource and resource in MINIMAL:
            values = self.values(resource, tag)
            if name.startswith("Update"):
                values = {"id": self.ids[resource], "name": f"{resource} {tag}"}
                if "name" not in record.fields_by_name:
                    del values["name"]
            return facts.request(**{first.name: values})
        if resource in EVERYWHERE and process in OWNED:
            return self._about(facts.request, OWNED[process])
        if "id" in message.DESCRIPTOR.fields_by_name:
            own = self.ids.get(resource, self.ids["Opportunity"])
            return facts.request(id=own)
        return message

    def _about(self, request: type[Message], name: str) -> Message:
        """The request about the ground's record of that name."""
        values = {"id": self.ids[name], "record_id": self.ids[name], "user_id": self.person.id}
        values |= {"resource": PLURALS.get(name, f"{name}s").lower(), "verb": "READ"}
        known = request.DESCRIPTOR.fields_by_name
        return request(**{key: value for key, value in values.items() if key in known})


def resources() -> Iterator[tuple[str, str]]:
    """(resource, process) in an order in which references come first."""
    for process in ("identity", "customer", "marketing", "sales"):
        names = sorted(COLLECTIONS[process], key=list(MINIMAL).index)
        yield from ((name, process) for name in names)


def user_methods() -> list[tuple[str, str]]:
    """(process, method) of every unary method that users may call and that takes an id."""
    found = []
    for method, rule in policy().items():
        if rule in {"open", "internal"} or method.endswith(
            ("UploadFile", "DownloadErrors", "DownloadResult")
        ):
            continue
        facts = method_facts(method.split("/")[0])[method.split("/")[1]]
        if id_paths(fields.descriptor_of(facts.request)):
            found += [(process, method) for process in processes(method)]
    return found


def id_paths(message: Descriptor, depth: int = 0) -> list[tuple[FieldDescriptor, ...]]:
    """Paths of the string fields that hold ids of records."""
    paths: list[tuple[FieldDescriptor, ...]] = []
    for one in message.fields:
        if one.message_type is not None and depth < 2 and not one.is_repeated:
            paths += [(one, *rest) for rest in id_paths(fields.message_of(one), depth + 1)]
        is_id = one.name in {"id", "file_id"} or one.name.endswith(("_id", "_ids"))
        if is_id and one.type == FieldDescriptor.TYPE_STRING and one.name != "external_id":
            paths.append((one,))
    return paths


def planted(request: Message, path: tuple[FieldDescriptor, ...], value: str) -> Message:
    """A copy of the request with the id at the path."""
    copy = type(request)()
    copy.CopyFrom(request)
    target: Message = copy
    for one in path[:-1]:
        target = getattr(target, one.name)
    if path[-1].is_repeated:
        getattr(target, path[-1].name).append(value)
    else:
        setattr(target, path[-1].name, value)
    return copy
