"""Every resource of the platform: from the descriptors, and what the services declare about it."""

import importlib
import pkgutil
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any  # values of options have any type

from google.api.annotations_pb2 import http
from google.api.field_behavior_pb2 import FieldBehavior, field_behavior
from google.api.http_pb2 import HttpRule
from google.api.resource_pb2 import ResourceDescriptor
from google.api.resource_pb2 import resource as resource_option
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.custom_fields.rules import Rules
from chassis.resource.plan import make_plan
from chassis.resource.resource import Resource
from services.identity.methods.passwords import Passwords
from services.identity.methods.user import user_resource
from services.marketing.methods.campaign import CAMPAIGN
from services.marketing.methods.campaign_member import campaign_member_resource
from services.sales.methods.opportunity import opportunity_resource
from tests.live import Tenant

SERVICES = ("identity", "customer", "sales", "marketing")


# Rules that do not hold for a resource, and why.
EXCUSED: Mapping[str, Mapping[str, str]] = {
    "force": dict.fromkeys(
        ("custom_fields", "choices"), "Nothing belongs to them that could be forced along."
    ),
    "purge": dict.fromkeys(
        ("custom_fields", "choices"),
        "Records hold their ids, so that only the end of the retention removes one.",
    ),
    "index": {
        "custom_fields": "A tenant has at most 5,000 in a service, which are read whole.",
        "choices": "A tenant has at most 50,000 in a service, which are read whole.",
    },
    "field rules": dict.fromkeys(
        ("custom_fields", "choices"),
        "They are granted with the collection that they belong to; no role names them.",
    ),
}


@dataclass(frozen=True)
class Facts:
    """One resource: its names, its collection below /v1, its declaration."""

    singular: str
    plural: str
    path: str
    declared: Resource

    def excused(self, rule: str) -> bool:
        """Whether the rule does not hold."""
        return self.plural in EXCUSED[rule]

    @property
    def named(self) -> dict[str, str]:
        """As requests for many records name it."""
        owner, _, settings = self.path.rpartition("/")
        return (
            {"resource": owner, "settings": self.plural}
            if settings != self.path
            else {"resource": self.plural}
        )

    @property
    def key(self) -> str:
        """A unique field, beside the id, that `body` sets and `change` leaves alone."""
        return {"custom_fields": "name", "choices": "label"}.get(self.plural, "external_id")

    @property
    def text(self) -> str:
        """A text that is searched, which `body` may set."""
        return self.declared.searchable[0]

    @property
    def spare(self) -> dict[str, object]:
        """A field that neither sets, with a value of which a filter and null clear it."""
        own: Mapping[str, dict[str, object]] = {
            "custom_fields": {"description": "a"}, "choices": {"color": "#aabbcc"},
        }  # fmt: skip
        return dict(own.get(self.plural, {"tags": ["a"]}))

    @property
    def fields(self) -> Mapping[str, FieldDescriptor]:
        """The fields of the message by name."""
        return dict(self.declared.message.DESCRIPTOR.fields_by_name)  # type: ignore[arg-type]  # two stubs for one class

    def output_only(self) -> list[str]:
        """Fields that a caller may not send."""
        return [
            name
            for name, field in self.fields.items()
            if FieldBehavior.OUTPUT_ONLY in _option(field.GetOptions(), field_behavior)
        ]

    def body(self, tenant: Tenant) -> dict[str, object]:
        """A record that may be created; what it refers to is created for it."""
        unique = secrets.token_hex(4)
        bodies: Mapping[str, Mapping[str, object]] = {
            "campaign_members": {"response": "TARGETED"},
            "roles": {"grants": [{"resource": "customers", "verbs": ["READ"], "scope": "OWN"}]},
            "announcements": {"title": f"公告 {unique}"},
            "opportunities": {"amount": {"currency_code": "CNY", "amount": "12.50"}},
            # Only what is retired can be deleted.
            "custom_fields": {"name": f"field_{unique}", "label": "字段", "retired": True},
            "choices": {"field": "source_id", "label": f"选项 {unique}", "retired": True},
        }
        body = dict(bodies.get(self.plural, {}))
        if "external_id" in self.fields:
            body |= {"external_source": "aip", "external_id": unique}
        if "name" in self.fields and "name" not in body:
            body["name"] = f"{self.singular} 名称 {unique}"
        for name, collection in PARENTS.get(self.plural, {}).items():
            body[name] = tenant.create(collection, name=f"parent {unique}")["id"]
        return body

    def change(self) -> dict[str, object]:
        """A change that makes a difference."""
        text = f"changed {secrets.token_hex(4)}"
        if self.plural == "choices":
            return {"position": secrets.randbelow(10**6)}
        for name in ("name", "title", "label"):
            if name in self.fields and name != self.key:
                return {name: text}
        return {"response": "RESPONDED"}


PARENTS: Mapping[str, Mapping[str, str]] = {
    "contacts": {"customer_id": "customers"},
    "stages": {"pipeline_id": "pipelines"},
    "campaign_members": {"campaign_id": "campaigns", "customer_id": "customers"},
}


def all_resources() -> list[Facts]:
    """The resources of all services by plural name."""
    return sorted((_facts(one) for one in _declared()), key=lambda one: one.plural)


def _declared() -> Iterator[Resource]:
    yield user_resource(Passwords())
    yield opportunity_resource()
    yield campaign_member_resource(make_plan(CAMPAIGN))
    yield from (Rules({}).custom_field(), Rules({}).choice())
    for service in SERVICES:
        package = importlib.import_module(f"services.{service}.methods")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            found = vars(importlib.import_module(module.name)).values()
            yield from (one for one in found if isinstance(one, Resource))


def _facts(declared: Resource) -> Facts:
    message = declared.message.DESCRIPTOR
    names: ResourceDescriptor = _option(message.GetOptions(), resource_option)
    service = message.file.services_by_name[f"{message.name}Service"]
    rule: HttpRule = _option(service.methods_by_name[f"Create{message.name}"].GetOptions(), http)
    # What every collection has is tried on one.
    path = rule.post.removeprefix("/v1/").replace("{resource}", "customers")
    return Facts(names.singular, names.plural, path, declared)


def _option(options: Message, extension: FieldDescriptor) -> Any:  # what the option holds, any type
    return options.Extensions[extension]  # type: ignore[index]  # the stubs know messages in general
