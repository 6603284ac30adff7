"""Records of every resource in one tenant, and requests that carry ids."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.codec import fields as codec_fields
from chassis.rpc.methods import method_facts
from tests.integration.drive import Drive, Person
from tests.integration.security.policy import COLLECTIONS, PLURALS

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

# One resource of each process that has an owner.
OWNED = {
    "identity": "User",
    "customer": "Customer",
    "sales": "Opportunity",
    "marketing": "Campaign",
}
# What the id of a method that is not standard names, where it is not that one.
RECORDS = {
    "RevokeSession": "session",
    "ResetPassword": "User",
    "InviteUser": "User",
    "ResetSecondFactor": "User",
    "AddSecret": "ApiClient",
    "RemoveSecret": "ApiClient",
    "MarkRead": "Announcement",
    "ListReceipts": "Announcement",
    "CreateTransfer": "User",
    "DeleteShare": "share",
}


@dataclass
class Ground:
    """One tenant's records by resource name."""

    person: Person
    tag: str
    ids: dict[str, str] = field(default_factory=dict)
    login: str = "admin"

    async def renew(self, drive: Drive) -> None:
        """Sign the person in again: tokens last for five minutes, long tests for longer."""
        self.person = await drive.sign_in(self.person.slug, self.login)

    async def fill(self) -> "Ground":
        """Create one record of each resource."""
        for name, process in resources():
            service = f"crm.{process}.v1.{name}Service"
            facts = method_facts(service)[f"Create{name}"]
            singular = facts.request.DESCRIPTOR.fields[0].name
            request = facts.request(**{singular: self.values(name)})
            made = await self.person.call(f"{process}.{name}Service/Create{name}", request)
            self.ids[name] = str(getattr(made, "id"))  # noqa: B009  # a record of any resource
        return self

    async def another_customer(self) -> str:
        """The id of one more customer."""
        create = method_facts("crm.customer.v1.CustomerService")["CreateCustomer"]
        request = create.request(customer={"name": f"Another {self.tag}"})
        made = await self.person.call("customer.CustomerService/CreateCustomer", request)
        return str(getattr(made, "id"))  # noqa: B009  # a record of any resource

    def values(self, name: str, tag: str = "") -> dict[str, object]:
        """What a new record is made of."""
        return {key: self._value(value, tag or self.tag) for key, value in MINIMAL[name].items()}

    def _value(self, value: object, tag: str) -> object:
        text = str(value)
        return self.ids[text[1:]] if text.startswith("@") else text.format(tag=tag)

    def request(self, method: str, tag: str, process: str = "") -> Message:
        """A request of any method for users, right as far as the records of this tenant go; of
        what every service has, about the records of this process.
        """
        service, _, name = method.partition("/")
        request = method_facts(service)[name].request
        resource = service.rpartition(".")[2].removesuffix("Service")
        if resource in MINIMAL:
            return self._standard(request, resource, name, tag)
        values = self._about(name, process)
        known = request.DESCRIPTOR.fields_by_name
        return request(**{key: value for key, value in values.items() if key in known})

    def _standard(self, request: type[Message], resource: str, name: str, tag: str) -> Message:
        """A request of a standard method."""
        if not request.DESCRIPTOR.fields:
            return request()
        first, own = codec_fields.descriptor_of(request).fields[0], self.ids[resource]
        if first.name == "ids":
            return request(ids=[own])
        if first.name == "requests":
            inner = codec_fields.message_of(first)
            one = self._standard(GetMessageClass(inner), resource, name[len("Batch") :], tag)
            return request(requests=[one])
        if first.message_type is None:
            return request(**{"id": own} if "id" in request.DESCRIPTOR.fields_by_name else {})
        values = self.values(resource, tag)
        if name.startswith("Update"):
            values = {"id": own, "tags": [tag]}
        return request(**{first.name: values})

    def _about(self, name: str, process: str) -> dict[str, object]:
        """What is asked of methods that are not standard, about the ground's own records."""
        about = OWNED.get(process, "Opportunity")
        own, user = self.ids[about], self.person.id
        plural = PLURALS.get(about, f"{about}s").lower()
        values: dict[str, object] = {
            "id": self.ids.get(RECORDS.get(name, ""), own),
            "record_id": own,
            "user_id": user,
            "opportunity_id": self.ids["Opportunity"],
            "secret_id": self.ids.get("secret", user),
            "resource": plural,
            "verb": "READ",
            "group_by": "owner",
            "share": {"user_id": self.ids["User"]},
            "ids": [own],
            "action": {"tag": {"add": ["replayed"]}},
            "field": "name",
            "file_id": self.ids.get(f"file {process}", "none"),
            "spec": {"resource": plural, "columns": [{"column": "name", "field": "name"}]},
            "custom_field": {"name": "replayed", "label": "Replayed", "kind": "TEXT"},
            "choice": {"field": "source_id", "label": "Replayed"},
        }
        if name == "UpdateCustomField":
            values["custom_field"] = {"id": self.ids.get(f"field {plural}", own), "label": "Own"}
        if name == "UpdateChoice":
            values["choice"] = {"id": self.ids.get("choice", own), "label": "Own"}
        if name.endswith(("Tenant", "Preferences")):
            values = {}
        return values


def resources() -> Iterator[tuple[str, str]]:
    """(resource, process) in an order in which references come first."""
    for process in ("identity", "customer", "marketing", "sales"):
        names = sorted(COLLECTIONS[process], key=list(MINIMAL).index)
        yield from ((name, process) for name in names)


def id_fields(method: str, process: str) -> list[str]:
    """The fields that hold ids in the records that a method lists or works on."""
    service, _, name = method.partition("/")
    facts = method_facts(service)[name]
    first = codec_fields.descriptor_of(facts.response).fields[:1]
    listed = name.startswith("List") and first and first[0].message_type is not None
    if listed:
        record = codec_fields.message_of(first[0])
    else:
        about = OWNED.get(process, "Opportunity")
        owner = process if process in OWNED else "sales"
        get = method_facts(f"crm.{owner}.v1.{about}Service")[f"Get{about}"]
        record = codec_fields.descriptor_of(get.response)
    return [
        one.name for one in record.fields if one.name == "id" or one.name.endswith(("_id", "_ids"))
    ]
