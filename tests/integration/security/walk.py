"""Every resource with a record whose fields are filled, for tests that walk all fields."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.resource.fields import Field, Form
from chassis.resource.plan import Plan, make_plan
from chassis.rpc.methods import MethodFacts, method_facts
from tests.contract.resources import all_resources
from tests.integration.drive import Person
from tests.integration.security.ground import Ground
from tests.integration.security.policy import PLURALS

MONEY = {"currency_code": "CNY", "amount": "12.50"}
DAY = "2026-05-01"
# Values by field where the form alone gives no good one.
SAMPLES: Mapping[str, object] = {
    "email": "{tag}@rules.example",
    "phone": "+86 138 0013 8000",
    "website": "https://rules.example",
    "country": "CN",
    "code": "R{tag}",
    "login": "r{tag}",
    "external_source": "rules",
    "external_id": "{tag}",
    "founded_year": 2001,
}
# References by field, to records of the ground.
REFERENCES = {
    "customer_id": "Customer",
    "contact_id": "Contact",
    "product_id": "Product",
    "pipeline_id": "Pipeline",
    "stage_id": "Stage",
    "campaign_id": "Campaign",
}
# Left as they are: what depends on others, and what decides whether the record's user may work.
UNTOUCHED = frozenset(
    {"parent_id", "manager_id", "department_id", "owner_id", "state", "role_ids", "grants",
     "field_rules", "custom_fields", "is_default", "outcome", "pipeline_id", "stage_id"}
)  # fmt: skip


@dataclass(frozen=True)
class Walked:
    """One resource, and how its methods are called."""

    plan: Plan
    name: str

    @property
    def methods(self) -> Mapping[str, MethodFacts]:
        """Its methods by rpc name."""
        return method_facts(f"crm.{self.plan.service}.v1.{self.name}Service")

    def request(self, verb: str, **values: object) -> tuple[str, Message]:
        """The method ("sales.StageService/GetStage") of a standard verb, and its request."""
        many = verb == "List" or verb.startswith("Batch")
        rpc = verb + (PLURALS.get(self.name, f"{self.name}s") if many else self.name)
        request = self.methods[rpc].request(**values)
        return f"{self.plan.service}.{self.name}Service/{rpc}", request

    async def call(self, person: Person, verb: str, **values: object) -> Message:
        """Call a standard method."""
        method, request = self.request(verb, **values)
        return await person.call(method, request)

    async def refused(self, person: Person, verb: str, **values: object) -> str:
        """The reason why a call is refused; "" when it is not."""
        return await person.reason(*self.request(verb, **values))

    def change(self, record_id: str, values: Mapping[str, object]) -> dict[str, object]:
        """What an Update request holds."""
        record = self.plan.resource.message(id=record_id, **values)
        return {self.plan.singular: record, "update_mask": FieldMask(paths=list(values))}

    def sample(self, field: Field, ground: Ground, tag: str) -> object:
        """A value that the field may have."""
        if field.name in REFERENCES:
            return ground.ids[REFERENCES[field.name]]
        sample = SAMPLES.get(field.name)
        if sample is not None:
            return sample.format(tag=tag) if isinstance(sample, str) else sample
        by_form: Mapping[Form, object] = {
            Form.TEXT: f"text {tag}",
            Form.NUMBER: 7,
            Form.MONEY: MONEY,
            Form.DATE: DAY,
            Form.TEXTS: ["vip", tag],
            Form.ENUM: 2,
        }
        return by_form.get(field.form)


def walked() -> list[Walked]:
    """All resources that roles name."""
    found = [one for one in all_resources() if not one.excused("field rules")]
    plans = [make_plan(one.declared) for one in found]
    return [Walked(plan, plan.descriptor.name) for plan in plans]


async def filled(one: Walked, person: Person, ground: Ground) -> dict[str, object]:
    """Fill the ground's record of a resource, field by field; what could be set."""
    tag = f"{ground.tag}{one.name.lower()}"
    samples = {
        field.name: one.sample(field, ground, tag)
        for field in one.plan.writable
        if field.name not in UNTOUCHED and not field.immutable
    }
    return {
        name: sample
        for name, sample in samples.items()
        if sample is not None
        if not await one.refused(
            person, "Update", **one.change(ground.ids[one.name], {name: sample})
        )
    }
