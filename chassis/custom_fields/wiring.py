"""Own fields and pick-lists of one service, put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chassis.custom_fields.index import IndexWork
from chassis.custom_fields.indexes import Indexes
from chassis.custom_fields.methods import Settings
from chassis.custom_fields.rules import Rules
from chassis.custom_fields.source import CustomFieldSource
from chassis.operations.start import Starter
from chassis.resource.plan import Plan
from chassis.resource.resource import Resource
from chassis.resource.standard import Collection
from chassis.rpc.methods import Methods, Unary


@dataclass(frozen=True, eq=False)
class OwnFieldsOfService:
    """The two resources over the collections of a service."""

    fields: Settings
    choices: Settings
    plans: Mapping[str, Plan]

    @property
    def collections(self) -> Sequence[Collection]:
        """The two, for snapshots and the recycle bin."""
        return (self.fields.every, self.choices.every)

    @property
    def of_each(self) -> Sequence[Collection]:
        """The same apart, for work on many of them."""
        return (*self.fields.collections.values(), *self.choices.collections.values())

    @property
    def work(self) -> IndexWork:
        """The work of index operations."""
        return IndexWork(self.fields.collections, self.plans, self.fields.source)

    def methods(self, starter: Starter) -> dict[str, Methods]:
        """Handlers by service and rpc name; `starter` starts the operations of indexes."""
        return {
            "crm.chassis.v1.CustomFieldService": self.fields.methods(),
            "crm.chassis.v1.CustomFieldIndexService": Indexes(self.fields, starter).methods(),
            "crm.chassis.v1.ChoiceService": self.choices.methods(),
        }

    def histories(self) -> Methods:
        """The handlers of HistoryService that are about the two."""
        return {
            "ListCustomFieldHistory": Unary(self.fields.list_history),
            "ListChoiceHistory": Unary(self.choices.list_history),
        }


def own_fields(
    make: Callable[[Resource], Collection],
    plans: Mapping[str, Plan],
    source: CustomFieldSource,
    key: bytes,
) -> OwnFieldsOfService:
    """What a service with these collections offers; `make` makes a collection of a declaration,
    `key` signs page tokens.
    """
    rules = Rules(plans)
    fields, choices = (
        Settings(make(one), tuple(plans), source, key)
        for one in (rules.custom_field(), rules.choice())
    )
    return OwnFieldsOfService(fields, choices, plans)
